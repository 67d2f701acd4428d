"""Layers over images without weights, in every printing: graphs, steps, ties, large numbers, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from faulty import assert_refused
from harness import assert_close, compiled, narrow, onnx_model, run_onnx, sample, small, with_gradients
from image_uses import ROWS, WINDOWS, net_of, use
from netc.codegen import to_onnx
from netc.dsl.ir import OPS, Builder, Program
from netc.dsl.types import Type, count
from netc.dsl.words import WORDS
from reference import images
from uses import EXACT, SINGLE, Use, check_steps, data

every_row = pytest.mark.parametrize(("given", "used"), ROWS, ids=lambda v: str(v).removeprefix("layer "))
# One of each rank, and those in which windows overlap or leave something out.
STEPS = [row for row in ROWS if row[1].word.name not in ("sumpool", "normpool") and "p" not in row[1].options][::2]


@every_row
def test_graph(given: str, used: Use):
    """The inference graph gives what the file does, for one example and for several."""
    net = net_of(given, used.text)
    made, p, (x,), _ = data(net)
    model = to_onnx(net, p)
    for rows in (1, 5):
        few = {"x": narrow({"x": x})["x"][:rows]}
        printed = made.predict(narrow(p), few["x"])
        assert_close(printed, made.predict(p, x)[:rows], SINGLE)
        assert_close(run_onnx(model, few)["value"], printed, SINGLE)
    assert_close(run_onnx(model, few, reference=True)["value"], printed, SINGLE)


@pytest.mark.parametrize(("given", "used"), STEPS, ids=lambda v: str(v).removeprefix("layer "))
def test_steps(given: str, used: Use):
    check_steps(net_of(given, used.text), 2, used.text)


# The gradient of the largest ------------------------------------------------------------------------------------------


def max_program(shape: tuple[Any, ...], window: dict[str, Any]) -> Program:
    builder = Builder()
    pooled = OPS["max_pool"](builder.input("example", "x0", Type("f32", shape)), **window)
    return with_gradients(builder.program("max", {"r0": pooled}))


GEOMETRIES = [
    {"size": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0))},
    {"size": (3, 2), "stride": (1, 2), "pad": ((1, 2), (0, 1))},
    {"size": (1, 3), "stride": (2, 1), "pad": ((0, 0), (1, 1))},
]


@pytest.mark.parametrize("window", GEOMETRIES, ids=str)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_ties_go_to_the_first(window: dict[str, Any], levels: int):
    """Of equal numbers the first one, row by row, is given the gradient, in every printing."""
    program = max_program(("N", 2, 7, 6), window)
    rng = np.random.default_rng(levels)
    x = rng.integers(0, levels, (5, 2, 7, 6)).astype(float)
    given = {"x0": x, "c": sample(program.results["r0"].type, rng)}
    exact = images.max_pool_grad(given["c"], x, x, **window)
    assert_close(compiled(program)(given)["dx0"], exact, EXACT)
    model = onnx_model(program)
    for other in (False, True):
        assert_close(run_onnx(model, narrow(given), other)["dx0"], exact, SINGLE)


def test_a_margin_is_never_the_largest():
    program = max_program(("N", 1, 3, 3), {"size": (2, 2), "stride": (1, 1), "pad": ((1, 1), (1, 1))})
    x = np.full((5, 1, 3, 3), -1e30)
    found = compiled(program)({"x0": x, "c": np.ones((5, 1, 4, 4))})
    assert np.all(found["r0"] == -1e30)
    assert found["dx0"].sum() == 5 * 16


# Ends of the scale ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["normpool 2x2", "normpool 2x2 p=3", "normpool 2x2 p=1.5", "globalnormpool", "globalnormpool p=3"]
)
@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norm_of_zeros_and_of_large_numbers(text: str, size: float, dtype: Any):
    """Nothing overflows on the way; what is 0 has the slope 0."""
    net = small(f"elementwise bias=false name=own -> {text} -> flatten -> dense 2", given="f32[1, 2, 4]")
    made, p, (x,), (y,) = data(net)
    p = {k: v.astype(dtype) for k, v in p.items()}
    x = (np.sign(x) * size).astype(dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, grads = made.loss_and_grads(p, x, y.astype(dtype))
    assert np.isfinite(loss) and all(np.all(np.isfinite(g)) for g in grads.values())
    assert size or not np.any(grads["W_own"])


# Facts ----------------------------------------------------------------------------------------------------------------


def test_operations_are_counted():
    builder = Builder()
    x = builder.input("example", "x", Type("f32", ("N", 6, 28, 28)))
    window = {"size": (3, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0))}
    for op in (OPS["max_pool"], OPS["avg_pool"]):
        pooled = op(x, **window)
        equation = builder.equations[-1]
        assert op.flops(equation) == 6 * count(pooled.shape)
    OPS["weighted"](x, builder.input("example", "shares", Type("f32", (28, 7))), axis=3)
    assert OPS["weighted"].flops(builder.equations[-1]) == 2 * 28 * 6 * 28 * 7


def test_what_feeds_a_word_keeps_its_values():
    """A pooled probability is one, and a sum of four is at most 4."""
    for text, domain in {
        "maxpool 2x2": "[0, 1]",
        "avgpool 3x3 pad=1": "[0, 1]",
        "avgpool 3x3 pad=1 count_pad=false": "[0, 1]",
        "sumpool 2x2": "[0, 4]",
        "normpool 2x2": "[0, 2]",
        "upsample 2 mode=bilinear": "[0, 1]",
        "adaptive_avgpool 3": "[0, 1]",
        "zeropad 1": "[0, 1]",
        "space_to_depth 2": "[0, 1]",
        "space_to_batch 2 -> batch_to_space 2": "[0, 1]",
    }.items():
        net = small(f"value = x -> {text}\noutput value\nvalue -> flatten -> dense 2", given="unit[4, 4, 4]")
        assert str(net.outputs[0].type.domain) == domain, text


NEUTRAL = ["zeropad 0", "crop 0", "upsample 1", "upsample 1 mode=bilinear", "adaptive_avgpool 4", "maxpool 1"]


@pytest.mark.parametrize("text", [*NEUTRAL, "space_to_depth 1", "depth_to_space 1"])
def test_two_axes_become_an_image(text: str):
    """Also by a word that changes no pixel: what stands behind it sees channels first."""
    assert small(f"{text} -> prelu -> flatten -> dense 2", given="f32[3, 4]").weights["alpha1"].shape == (3,)


def test_the_bytes_of_an_image_are_pooled():
    """What is written on bytes is numbers by then."""
    net = small("value = x -> maxpool 2x2\noutput value\nvalue -> flatten -> dense 2", given="u8[1, 4, 4]")
    made, p, (x,), _ = data(net)
    assert_close(made.predict(p, x), images.max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0))), EXACT)


# What is refused ------------------------------------------------------------------------------------------------------

REFUSED = {
    "maxpool 2x2 -> flatten": ("f32[6]", "shape-mismatch", "reshape [1, 2, 3]"),
    "avgpool 2": ("f32[7]", "shape-mismatch", "reshape [1, 7]"),
    "globalavgpool": ("f32[6]", "shape-mismatch", "reshape"),
    "embedding 4 -> maxpool 2": ("category(4)[6, 2]", "shape-mismatch", "permute [2, 0, 1]"),
    "sumpool 2": ("f32[1, 2, 2, 2, 2]", "shape-mismatch", "reshape"),
    "maxpool 5x5": ("f32[1, 4, 6]", "shape-mismatch", "pad=same"),
    "maxpool 2x2 pad=2": ("f32[1, 4, 6]", "bad-option", "less than the window"),
    "normpool 2x2x2": ("f32[1, 4, 6]", "bad-option", "2 numbers"),
    "normpool 2 stride=[1, 2]": ("f32[1, 4]", "bad-option", "one number"),
    "normpool 2 p=0.5": ("f32[1, 4]", "bad-option", None),
    "maxpool 2 pad=causal": ("f32[1, 4]", "bad-option", None),
    "upsample 2 mode=cubic": ("f32[1, 4]", "bad-option", None),
    "crop 2": ("f32[1, 4, 6]", "shape-mismatch", "at least one pixel"),
    "zeropad same": ("f32[1, 4, 6]", "bad-option", None),
    "space_to_depth 3": ("f32[1, 4, 6]", "shape-mismatch", "multiple of 3"),
    "depth_to_space 2": ("f32[6, 4, 6]", "shape-mismatch", "multiple of 4"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str):
    assert_refused(text, *REFUSED[text])


def test_every_word_over_images_has_rows():
    without_weights = {n for n, f in reference.LAYERS.items() if n in images.LAYERS}
    assert without_weights == {row[1].word.name for row in ROWS}
    assert all(WORDS["layer", name].image for name in without_weights)
    assert use("maxpool", WINDOWS[0][1]).text == "maxpool size=2"
