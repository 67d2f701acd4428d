"""space_to_batch and batch_to_space: what stands between them sees each piece of an example by itself."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, narrow, run_onnx, small
from netc.cli.check import layer_table
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net, SpecError
from netc.dsl.types import batch_of, batched, count, pieces
from uses import EXACT, SINGLE, check_steps, data


def around(
    text: str, given: str = "f32[2, 6, 4]", block: int = 2, before: str = "", more: str = "train batch=4"
) -> Net:
    """A net whose value is what a word gives of the pieces, put together again."""
    chain = f"value = x -> space_to_batch {block} -> {text} -> batch_to_space {block}"
    return small(f"{before}\n{chain}\noutput value\nvalue -> flatten -> dense 2 name=last", given=given, more=more)


def by_piece(x: Array, block: int, function: Any) -> Array:
    """A function of every block-th pixel, for each of the places where these may begin."""
    places = [
        (slice(None), slice(None), *(slice(a, None, block) for a in at))
        for at in product(range(block), repeat=x.ndim - 2)
    ]
    found = [function(x[place]) for place in places]
    whole = np.zeros((*found[0].shape[:2], *(block * n for n in found[0].shape[2:])))
    for place, each in zip(places, found, strict=True):
        whole[place] = each
    return whole


# The image, what it is cut by, and a piece of it.
CASES = [
    ("f32[2, 6]", 3, "f32[2, 2]"),
    ("f32[2, 6, 4]", 2, "f32[2, 3, 2]"),
    ("f32[1, 3, 6]", 3, "f32[1, 1, 2]"),
    ("f32[1, 2, 4, 2]", 2, "f32[1, 1, 2, 1]"),
    ("f32[2, 3, 3]", 1, "f32[2, 3, 3]"),
]


@pytest.mark.parametrize(("given", "block", "piece"), CASES)
def test_a_conv_between_them_sees_each_piece(given: str, block: int, piece: str):
    """The file and both runtimes say what the same conv says of each piece; so do ten steps of training."""
    net = around("conv 3 2 pad=same", given, block)
    alone = data(small("value = conv 3 2 pad=same\noutput value\nvalue -> flatten -> dense 2", given=piece))[0]
    made, p, (x,), _ = data(net)
    exact = by_piece(x, block, lambda part: alone.predict(p, part))
    assert_close(made.predict(p, x), exact, EXACT)
    for reference in (False, True):
        assert_close(run_onnx(to_onnx(net, narrow(p)), narrow({"x": x}), reference)["value"], exact, SINGLE)
    check_steps(net, what=given)


def test_a_conv_between_them_is_dilated():
    net, dilated = (
        around("conv 3 2"),
        small("value = conv 3 2 dilation=2\noutput value\nvalue -> flatten -> dense 2", given="f32[2, 6, 4]"),
    )
    made, p, (x,), _ = data(net)
    assert_close(made.predict(p, x), data(dilated)[0].predict(p, x), EXACT)


def test_every_example_stays_by_itself():
    made, p, (x,), _ = data(around("instancenorm -> flatten -> dense 12 -> reshape [2, 3, 2]"))
    assert_close(made.predict(p, x)[2:3], made.predict(p, x[2:3]), EXACT)


OWN = """def activation own(x) = x * sigmoid(x) + mean(x)
def layer mine(units) {
    weight W: [in.features, units]
    return in @ W
}"""


def test_words_of_the_users_own_see_a_piece():
    """mean(x) of a formula is that of a piece."""
    net = around("own -> flatten -> mine 12 -> reshape [2, 3, 2]", before=OWN)
    made, p, (x,), _ = data(net)

    def exact(part: Array) -> Array:
        h = part / (1 + np.exp(-part)) + part.mean(axis=(1, 2, 3), keepdims=True)
        return (h.reshape(len(h), -1) @ p["W1"]).reshape(-1, 2, 3, 2)

    assert_close(made.predict(p, x), by_piece(x, 2, exact), EXACT)
    check_steps(net)


def test_batchnorm_is_over_all_pieces_of_the_batch():
    net = around("batchnorm")
    made, p, (x,), (y,) = data(net)
    assert_close(made.loss_and_grads(p, x, y)[2]["mean1"], 0.1 * x.mean(axis=(0, 2, 3)), EXACT)
    check_steps(net)


def test_the_page_and_the_table_tell_of_the_pieces():
    net = around("conv 3 2x2")
    assert "pieces = part.reshape(-1, 2, 3, 2)  # (4N, 2, 3, 2)" in to_numpy(net)
    # Four pieces of 2x1 places, each of 3 filters with 8 numbers, and the bias.
    assert any("conv 3 2x2" in row and row.endswith(str(4 * 2 * (2 * 24 + 3))) for row in layer_table(net))
    assert (pieces("N"), pieces("4N"), pieces("T"), pieces(3), batch_of(1), batch_of(9)) == (1, 4, 0, 0, "N", "9N")
    assert batched(("4N", 2)) and not batched((4, 2)) and count(("4N", 2, 3)) == 24 and count(("N", 2)) == 2


REFUSED = {
    "space_to_batch 4": ("space_to_batch cuts by 4, but x gives [2, 6, 4]", "is a multiple of 4"),
    "batch_to_space 2": ("batch_to_space 2 puts 4 pieces together, but each example is whole", "put space_to_batch 2"),
    "space_to_batch 2 -> batch_to_space 3": ("batch_to_space 3 puts 9 pieces together, but each example is in 4", None),
    "space_to_batch 2 -> space_to_batch 1": ("space_to_batch cuts whole examples, and this one is in 4 pieces", None),
    "space_to_batch 2 -> dropout 20% -> batch_to_space 2": (
        "dropout draws for whole examples",
        "before space_to_batch, or behind",
    ),
    "space_to_batch 2 -> random_shift 1 -> batch_to_space 2": (
        "random_shift draws for whole examples",
        "before space_to_batch",
    ),
    "a = crop [0, 0]\na -> crop [[0, 3], [0, 2]]\nb = x -> space_to_batch 2\nb -> add a": (
        "add takes values of the same examples, and these are in 4 and 1 pieces",
        "put batch_to_space before it",
    ),
    "b = space_to_batch 2 -> flatten -> dense 2\noutput b\nx": ("the output b is in 4 pieces", "put batch_to_space"),
}


@pytest.mark.parametrize("chains", REFUSED)
def test_refused(chains: str):
    with pytest.raises(SpecError) as caught:
        small(f"{chains} -> flatten -> dense 2", given="f32[2, 6, 4]")
    message, help = REFUSED[chains]
    assert {d.code for d in caught.value.diagnostics} == {"shape-mismatch"}
    assert caught.value.diagnostics[0].message.startswith(message)
    assert help is None or help in str(caught.value.diagnostics[0].help)


def test_only_whole_examples_reach_a_loss_and_an_output():
    with pytest.raises(SpecError) as caught:
        small("space_to_batch 2 -> flatten -> dense 2", given="f32[2, 6, 4]", more="metric mae")
    found = {d.message for d in caught.value.diagnostics}
    assert found == {"this value is in 4 pieces of each example", "the last chain gives pieces of each example"}
