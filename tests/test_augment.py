"""Words that change images at random in training: values for given draws, gradients, steps, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from faulty import assert_refused
from harness import Array, assert_close, batch, module, narrow, run_numpy, run_onnx, small, weights
from image_uses import use
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net
from netc.dsl.prune import prune
from netc.dsl.words import WORDS
from reference import augment
from test_gradients import gradients_of_inputs, gradients_of_weights
from uses import EXACT, SINGLE, Use, check_steps, data

# The largest draw of float32, and one whose product with 3 is below 2 by less than float32 tells.
LARGEST, NEAR = 1 - 2.0**-24, 2 / 3 - 2.0**-26

ROWS: list[tuple[str, Use]] = [
    (given, use(name, options))
    for given, name, options in [
        ("f32[3, 5, 4]", "flip", {}),
        ("f32[2, 5, 4]", "flip", {"axis": 1}),
        ("f32[2, 7]", "flip", {}),
        ("f32[1, 3, 2, 4]", "flip", {"axis": 2}),
        ("f32[2, 1, 1]", "flip", {}),
        ("f32[2, 5, 4]", "random_shift", {"pixels": 2}),
        ("f32[1, 4, 6]", "random_shift", {"pixels": (0, 3)}),
        ("f32[2, 6]", "random_shift", {"pixels": 4}),
        ("f32[1, 3, 3, 4]", "random_shift", {"pixels": (1, 0, 2)}),
        ("f32[2, 6, 5]", "random_crop", {"size": (3, 4)}),
        ("f32[2, 5, 5]", "random_crop", {"size": 5, "pad": 2}),
        ("f32[1, 5, 6]", "random_crop", {"size": (4, 6), "pad": (0, 1)}),
        ("f32[2, 7]", "random_crop", {"size": 4, "pad": 1}),
        ("f32[1, 3, 4, 3]", "random_crop", {"size": (2, 3, 3)}),
        ("f32[2, 5, 6]", "cutout", {"size": 3}),
        ("f32[1, 5, 4]", "cutout", {"size": (2, 4)}),
        ("f32[2, 7]", "cutout", {"size": 1}),
        ("f32[1, 3, 2, 4]", "cutout", {"size": 2}),
    ]
]
every_row = pytest.mark.parametrize(("given", "used"), ROWS, ids=lambda v: str(v).removeprefix("layer "))


def net_of(given: str, text: str) -> Net:
    """A net in which the word stands behind weights, as in front of the net it would have no gradient."""
    chain = f"value = x -> elementwise -> {text}\noutput value\nvalue -> flatten -> dense 2 name=last"
    return small(chain, given=given)


def in_training(net: Net, p: dict[str, Array], x: Array, draws: dict[str, Array]) -> Array:
    """What the chain `value` gives in training."""
    program = net.programs["loss"]
    value = next(v for e in reversed(program.equations) for v in e.results if v.hint == "value")
    return run_numpy(prune(replace(program, results={"value": value})), {"x": x, "y": x, **p, **draws})["value"]


def scaled(p: dict[str, Array], x: Array) -> Array:
    """What the layer in front gives."""
    # Of two axes the features stand on the last one, before anything says that they are an image.
    shape = (-1, *[1] * (x.ndim - 2)) if x.ndim > 3 else (-1,)
    return x * p["W1"].reshape(shape) + p["b1"].reshape(shape)


def draws_of(made: Any, count: int) -> list[dict[str, Array]]:
    """The draws of some steps, and those of the ends."""
    drawn = [made.draw(0, step, count) for step in range(1, 7)]
    ends = [{k: np.full(v.shape, u, np.float32) for k, v in drawn[0].items()} for u in (0, 0.5, LARGEST, NEAR)]
    return drawn + ends


@every_row
def test_training(given: str, used: Use):
    net = net_of(given, used.text)
    made, p, (x,), _ = data(net)
    moved = 0
    for draws in draws_of(made, len(x)):
        (drawn,) = draws.values()
        exact = augment.TRAINED[used.word.name](scaled(p, x), drawn, **used.options)
        assert_close(in_training(net, p, x, draws), exact, EXACT, used.text)
        moved += exact.shape != x.shape or not np.array_equal(exact, scaled(p, x))
    assert moved or x[0, 0].size == 1


@every_row
def test_prediction(given: str, used: Use):
    """The model passes images on, or cuts out the middle; nothing is drawn."""
    net = net_of(given, used.text)
    made, p, (x,), _ = data(net)
    exact = augment.LAYERS[used.word.name](scaled(p, x), {}, None, **used.options)
    assert_close(made.predict(p, x), exact, EXACT)
    model = to_onnx(net, p)
    assert [i.name for i in model.graph.input] == ["x"]
    for reference in (False, True):
        assert_close(run_onnx(model, narrow({"x": x}), reference)["value"], exact, SINGLE)


@every_row
def test_gradients_and_steps(given: str, used: Use):
    net = net_of(given, used.text)
    gradients_of_weights(net)
    check_steps(net, 3, used.text)


@pytest.mark.parametrize(("given", "used"), ROWS[::3], ids=str)
def test_gradients_of_inputs(given: str, used: Use):
    gradients_of_inputs(net_of(given, used.text))


def test_each_draws_its_own():
    net = small("flip -> cutout 2 -> flip -> flatten -> dense 2", given="f32[1, 4, 4]")
    first, again, second = (module(net).draw(0, step, 9) for step in (1, 1, 2))
    assert {k: v.shape for k, v in first.items()} == {"flip1": (9, 1, 1, 1), "cutout1": (9, 2), "flip2": (9, 1, 1, 1)}
    assert all(np.array_equal(first[k], again[k]) and not np.array_equal(first[k], second[k]) for k in first)
    assert not np.array_equal(first["flip1"], first["flip2"])


def test_all_places_are_as_likely():
    """Of 20,000 images a pixel of light ends up everywhere as often, within five standard errors."""
    rows = 20_000
    x = np.zeros((rows, 1, 5, 3))
    x[:, :, 2, 1] = 1
    net = net_of("f32[1, 5, 3]", "random_shift [2, 1]")
    made = module(net)
    p = made.init(0) | {"W1": np.ones(1), "b1": np.zeros(1)}
    found = in_training(net, p, x, made.draw(0, 1, rows)).mean(axis=0)
    assert np.all(abs(found - 1 / 15) < 5 * np.sqrt(14 / 15**2 / rows))


def test_whole_bytes_are_changed():
    """Raw pixels go in, and what is written on them is numbers by then."""
    text = "value = x -> flip -> random_shift 1 -> scale 0.1\noutput value\nvalue -> flatten -> dense 2"
    net = small(text, given="u8[1, 4, 4]")
    made, rng = module(net), np.random.default_rng(3)
    (x,), _ = batch(net, rng)
    p = weights(made, net, rng, (x,))
    assert_close(run_onnx(to_onnx(net, p), {"x": x})["value"], 0.1 * x, SINGLE)
    check_steps(net, 2)


@pytest.mark.parametrize("text", ["flip", "random_shift 1", "random_shift 0", "random_crop 4 pad=1", "cutout 2"])
def test_two_axes_become_an_image(text: str):
    """What stands behind sees channels first, in training as in prediction, whatever happens to the pixels."""
    net = small(f"x -> {text} -> prelu -> flatten -> dense 2", given="f32[3, 4]")
    assert net.weights["alpha1"].shape == (3,)
    check_steps(net, 2, text)
    plain = small(f"value = x -> {text}\nx -> subtract value -> flatten -> dense 2", given="f32[3, 4]")
    assert "reshape(-1, 3, 4)" not in to_numpy(plain)


def test_nothing_to_do_draws_nothing():
    for text in ("random_shift 0", "random_crop 4"):
        assert not hasattr(module(small(f"{text} -> flatten -> dense 2", given="f32[1, 4, 4]")), "draw")


REFUSED = {
    "flip": ("f32[6]", "shape-mismatch", "reshape"),
    "flip axis=0": ("f32[1, 4, 6]", "bad-option", "1 to 2"),
    "flip axis=3": ("f32[1, 4, 6]", "bad-option", "1 to 2"),
    "flip axis=2": ("f32[2, 6]", "bad-option", "axis=1"),
    "random_shift 4": ("f32[1, 4, 6]", "bad-option", "smaller"),
    "random_shift 1x1x1": ("f32[1, 4, 6]", "bad-option", "2 numbers"),
    "random_shift -1": ("f32[1, 4, 6]", "bad-option", None),
    "random_shift": ("f32[1, 4, 6]", "missing-option", None),
    "random_crop 5x5": ("f32[1, 4, 6]", "shape-mismatch", "zeropad"),
    "random_crop 2 pad=2": ("f32[1, 4, 6]", "bad-option", "less than the window"),
    "random_crop 0": ("f32[1, 4, 6]", "bad-option", None),
    "cutout 5": ("f32[1, 4, 6]", "bad-option", "no larger"),
    "cutout 0": ("f32[1, 4, 6]", "bad-option", None),
    "embedding 4 -> cutout 1": ("category(4)[6]", "shape-mismatch", "permute [1, 0]"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str):
    assert_refused(text, *REFUSED[text])


def test_every_word_has_rows():
    assert {row[1].word.name for row in ROWS} == set(augment.TRAINED) == set(augment.LAYERS)
    assert all(WORDS["layer", name].image for name in augment.LAYERS)
