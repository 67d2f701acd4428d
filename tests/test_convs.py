"""Layers whose filters slide, in every printing: plain numbers, graphs, steps, work and memory, and what is refused."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
import reference
import test_ops
from conv_uses import ROWS, net_of
from faulty import assert_refused
from harness import assert_close, gradient, module, narrow, run_onnx, small, spec
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Source, check
from netc.dsl.ir import OPS, Builder
from netc.dsl.ops import weight_products
from netc.dsl.ops.conv import conv_kernel, conv_transpose_kernel, conv_weight_grad_kernel
from netc.dsl.types import Type
from netc.dsl.words import WORDS
from reference import conv
from uses import EXACT, SINGLE, Use, check_steps, data

every_row = pytest.mark.parametrize(("given", "used"), ROWS, ids=lambda v: str(v).removeprefix("layer "))


@every_row
def test_values(given: str, used: Use):
    """What is printed is the sum of products that the definition says."""
    made, p, (x,), _ = data(net_of(given, used.text))
    own = {name.removesuffix("1"): p[name] for name in p if name.endswith("1")}
    assert_close(made.predict(p, x), reference.LAYERS[used.word.name](x, own, None, **used.options), EXACT)


@every_row
def test_graph(given: str, used: Use):
    """The inference graph gives what the file does, for one example and for several."""
    net = net_of(given, used.text)
    made, p, (x,), _ = data(net)
    model = to_onnx(net, p)
    for rows in (1, 5):
        few = {"x": narrow({"x": x})["x"][:rows]}
        printed = made.predict(narrow(p), few["x"])
        assert printed.dtype == np.float32
        assert_close(printed, made.predict(p, x)[:rows], SINGLE)
        assert_close(run_onnx(model, few)["value"], printed, SINGLE)
    assert_close(run_onnx(model, few, reference=True)["value"], printed, SINGLE)


@every_row
def test_steps(given: str, used: Use):
    """Another layer stands before, so that the step needs the gradient of the input too."""
    check_steps(net_of(given, used.text, "elementwise name=first -> "), 2, used.text)


# What is computed -----------------------------------------------------------------------------------------------------


def ops_of(chains: str, given: str) -> list[str]:
    return [e.op.name for e in gradient(small(chains, given=given)).equations if e.op.name.startswith("conv")]


@pytest.mark.parametrize(("texts", "attrs"), OPS["conv_weight_grad"].cases)
def test_filters_by_products(texts: tuple[str, ...], attrs: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """Graphs multiply matrices where there are many places; few give the same."""
    monkeypatch.setattr(weight_products, "FEWEST_PLACES", 1)
    test_ops.test_numpy_is_onnx(OPS["conv_weight_grad"], texts, attrs)
    monkeypatch.setattr(weight_products, "MOST_PIECES", 0)
    test_ops.test_numpy_is_onnx(OPS["conv_weight_grad"], texts, attrs)


def test_the_first_layer_needs_no_gradient_of_its_input():
    two = "conv 2 3x3 pad=1 -> conv 2 3x3 pad=1\nflatten -> dense 2"
    # The gradient of an input is a convolution too where windows lie side by side and it does not see much more.
    assert sorted(ops_of(two, "f32[1, 8, 8]")) == sorted(["conv"] * 3 + ["conv_weight_grad"] * 2)
    wanted = ["conv"] * 2 + ["conv_weight_grad"] * 2 + ["conv_input_grad"]
    for last in ("2 3x3 stride=2", "2 5x5"):
        other = two.replace("2 3x3 pad=1\n", f"{last}\n")
        assert sorted(ops_of(other, "f32[1, 8, 8]")) == sorted(wanted), last
    assert sorted(ops_of("deconv 2 2x2\nflatten -> dense 2", "f32[1, 3, 3]")) == ["conv_transpose", "conv_weight_grad"]
    frozen = "conv 2 3x3 frozen=true\nflatten -> dense 2"
    assert ops_of(frozen, "f32[1, 8, 8]") == ["conv"]


def test_work_is_counted():
    """Two operations for each product, where PyTorch's counters count products."""
    net = small("conv 6 5x5\nflatten -> dense 2", given="f32[1, 28, 28]")
    assert net.layers[0].flops == 2 * 6 * 24 * 24 * 25 + 6 * 24 * 24
    assert net.layers[0].parameters == 156
    net = small("deconv 6 2x2 stride=2 bias=false\nflatten -> dense 2", given="f32[3, 4, 5]")
    assert net.layers[0].flops == 2 * 3 * 6 * 4 * (4 * 5)
    net = small("depthwise 3x3 pad=same bias=false\nflatten -> dense 2", given="f32[8, 4, 4]")
    assert net.layers[0].flops == 2 * 8 * 9 * 16
    builder = Builder()
    x, dy = (builder.input("example", n, Type("f32", ("N", c, s, s))) for n, c, s in (("x", 3, 8), ("dy", 5, 6)))
    attrs = {"stride": (1, 1), "dilation": (1, 1), "pad": ((0, 0), (0, 0)), "groups": 1}
    OPS["conv_weight_grad"](x, dy, size=(3, 3), **attrs)
    assert OPS["conv_weight_grad"].flops(builder.equations[-1]) == 2 * 5 * 3 * 9 * 36


def test_blocks_of_a_batch_do_not_show():
    """A batch whose columns fill many blocks gives what its examples give one by one."""
    rng = np.random.default_rng(1)
    x, w, dy = rng.normal(size=(7, 8, 40, 40)), rng.normal(size=(6, 8, 3, 3)), rng.normal(size=(7, 6, 40, 40))
    whole = [conv_kernel(x, w, pad=1), conv_transpose_kernel(dy, w, (40, 40), pad=1)]
    alone = [
        [conv_kernel(a[None], w, pad=1), conv_transpose_kernel(b[None], w, (40, 40), pad=1)]
        for a, b in zip(x, dy, strict=True)
    ]
    for found, each in zip(whole, zip(*alone, strict=True), strict=True):
        assert_close(found, np.concatenate(each), EXACT)
    parts = [conv_weight_grad_kernel(a[None], b[None], (3, 3), pad=1) for a, b in zip(x, dy, strict=True)]
    assert_close(conv_weight_grad_kernel(x, dy, (3, 3), pad=1), np.sum(parts, axis=0), EXACT)


def test_columns_take_little_memory():
    """The columns of a whole batch would be nine times its input; only those of a block are there at once."""
    x, w = np.ones((32, 16, 32, 32), np.float32), np.ones((16, 16, 3, 3), np.float32)
    tracemalloc.start()
    y = conv_kernel(x, w, pad=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.5 * y.nbytes


@pytest.mark.parametrize("rows", [0, 1])
def test_small_batches(rows: int):
    net = small("conv 3 3x3 pad=1 -> deconv 2 2x2\nflatten -> dense 2", given="f32[2, 4, 4]")
    made, p, (x,), _ = data(net)
    assert made.predict(p, x[:rows]).shape == (rows, 2)


def test_the_page_names_what_is_not_plain():
    text = to_numpy(
        small("conv 3 3x3 -> conv 4 3x3 stride=[1, 2] pad=same groups=1\nflatten -> dense 2", given="f32[1, 8, 8]")
    )
    assert "z1 = conv(x, W1) + b1" in text
    assert "z2 = conv(z1, W2, stride=(1, 2), pad=((1, 1), (0, 1))) + b2" in text
    assert "dW1 = conv_weight_grad(x, dz1, size=(3, 3))" in text
    assert len(re.findall(r"^def (conv|columns|blocks|conv_transpose|fold)\(", text, re.M)) == 5


def test_bytes_of_an_image():
    net = small("value = x -> conv 2 3x3\noutput value\nvalue -> flatten -> dense 2", given="u8[1, 4, 4]")
    made, p, (x,), _ = data(net)
    exact = conv.LAYERS["conv"](x.astype(float), {"W": p["W1"], "b": p["b1"]}, None, channels=2, kernel=(3, 3))
    assert_close(made.predict(p, x), exact, EXACT)


def test_the_other_names():
    net = small(
        "conv2d 2 3 -> conv_transpose 2 2 -> depthwise_conv 2 -> separable_conv 2 1\nflatten -> dense 2",
        given="f32[1, 5, 5]",
    )
    assert {name[0] for name in net.weights} == {"W", "b", "D"}


def test_spatial_dropout_drops_channels():
    """A feature map is dropped as a whole, in training alone."""
    net = small("conv 30 3x3 -> spatial_dropout 40%\nflatten -> dense 2 name=last", given="f32[1, 5, 4]")
    made, p, (x,), (y,) = data(net)
    draws = made.draw(0, 1, len(x))
    (uniform,) = draws.values()
    assert uniform.shape == (5, 30, 1, 1)
    z = conv_kernel(x, p["W1"]) + p["b1"].reshape(-1, 1, 1)
    kept = np.where(uniform < 0.4, 0, z / 0.6).reshape(5, -1) @ p["W_last"] + p["b_last"]
    assert_close(made.loss_and_grads(p, x, y, draws=draws)[0], np.mean((kept - y) ** 2), EXACT)


def test_spatial_dropout_of_steps_drops_features():
    net = small("spatial_dropout 40% -> lstm 3 -> last_step -> dense 2", given="f32[T, 8]")
    assert '"spatial_dropout1": (count, 1, 8)' in to_numpy(net)


def test_two_axes_are_not_channels_first_to_one_word_and_last_to_another():
    """What the last axis is to a word before, that of a sound's or of steps' features, it stays."""
    for first in ("standardize per=channel", "layernorm", "prelu -> relu", "subset 0 4", "x -> concat x"):
        for then in ("conv 2 3", "batchnorm", "maxpool 2", "spatial_dropout 10%", "flip"):
            faults = check(Source("spec.net", spec(f"{first} -> {then} -> flatten -> dense 2", given="f32[3, 9]")))[1]
            assert any("took the last one" in d.message for d in faults.diagnostics), (first, then)
    for chain in ("layernorm -> permute [1, 0] -> conv 2 3", "zeropad 0 -> layernorm -> conv 2 3", "relu -> conv 2 3"):
        small(f"{chain} -> flatten -> dense 2", given="f32[9, 9]")
    small("layernorm -> flatten -> reshape [9, 9] -> conv 2 3 -> flatten -> dense 2", given="f32[9, 9]")


def test_channels_that_reshape_leaves_first_stay_channels():
    """So that permute makes steps of the places, and softmax is over the channels; of other sizes nothing is known."""
    image = "conv 4 2x2 -> reshape [4, 6] -> "
    for chain in ("permute [1, 0] -> learned_positions 6 -> attention", "permute [1, 0] -> gru 3"):
        small(f"{image}{chain} -> flatten -> dense 2", given="f32[1, 3, 4]")
    net = small(f"{image}softmax -> flatten -> dense 2", given="f32[1, 3, 4]")
    (equation,) = [e for e in net.programs["predict"].equations if e.op.name == "softmax"]
    assert equation.args[0].type.shape == ("N", 6, 4)
    for given, chain in (("f32[1, 3, 4]", image.replace("4, 6", "6, 4")), ("f32[4, 3, 2]", "reshape [4, 6] -> ")):
        small(f"{chain}gru 3 -> last_step -> dense 2", given=given)


def test_spatial_dropout_of_an_embedding():
    """Its features stand on the last axis: each is dropped at all steps or at none."""
    net = small("embedding 7 -> spatial_dropout 40% -> flatten -> dense 2", given="category(4)[6]")
    (uniform,) = module(net).draw(0, 1, 5).values()
    assert uniform.shape == (5, 1, 7)


# What is refused ------------------------------------------------------------------------------------------------------

IMAGE = "f32[3, 4, 6]"
REFUSED = {
    "conv 4 5x5": (IMAGE, "shape-mismatch", "pad=same"),
    "conv 4 3x3 dilation=2": (IMAGE, "shape-mismatch", "pad=same"),
    "conv 4 3x3 -> conv 4 3x3": (IMAGE, "shape-mismatch", "pad=same"),
    "conv 4 3x3 groups=2": (IMAGE, "bad-option", "one group"),
    "conv 6 3x3 groups=2": (IMAGE, "bad-option", "a divisor of 3"),
    "conv 4 3x3x3": (IMAGE, "bad-option", "2 numbers"),
    "conv 4 3x3 stride=0": (IMAGE, "bad-option", None),
    "conv 4 3x3 stride=1.5": (IMAGE, "bad-option", None),
    "conv 4 3x3 pad=full": (IMAGE, "bad-option", None),
    "conv 4 3x3 pad=-1": (IMAGE, "bad-option", None),
    "conv 4 3x3 pad=[[1, 2, 3]]": (IMAGE, "bad-option", None),
    "conv 4 3x3 pad=3": (IMAGE, "bad-option", "less than the window"),
    "conv 4 3x3 pad=causal": (IMAGE, "bad-option", "pad=same"),
    "conv 4 3x3 stride=[]": (IMAGE, "bad-option", None),
    "conv 4": (IMAGE, "missing-option", "as in: conv"),
    "conv 4 3x3 init=[1, 2]": (IMAGE, "shape-mismatch", "nest"),
    "flatten -> conv 4 3x3": (IMAGE, "shape-mismatch", "before flatten"),
    "conv 4 3": ("f32[8]", "shape-mismatch", "reshape"),
    "conv 4 2": ("f32[1, 2, 2, 2, 2]", "shape-mismatch", "reshape"),
    "embedding 5 -> conv 4 3": ("category(4)[6, 2]", "shape-mismatch", "permute [2, 0, 1]"),
    "deconv 4 2x2 output_pad=1": (IMAGE, "bad-option", "take it away"),
    "deconv 4 2x2 stride=2 pad=same output_pad=1": (IMAGE, "bad-option", "take output_pad away"),
    "deconv 4 1x1 pad=2": (IMAGE, "shape-mismatch", "smaller"),
    "deconv 4 2x2 groups=5": (IMAGE, "bad-option", "one group"),
    "conv 4 2x2 dilation=1000000 pad=same": (IMAGE, "too-large", "dilation"),
    "depthwise 3x3 multiplier=0": (IMAGE, "bad-option", None),
    "separable 4 3x3 pad=causal": (IMAGE, "bad-option", None),
    "locally_connected 2 5x5": (IMAGE, "shape-mismatch", "pad=same"),
    "locally_connected 2 2": ("f32[1, 3, 3, 3]", "shape-mismatch", "use conv"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str):
    assert_refused(text, *REFUSED[text])


def test_every_word_has_rows():
    assert set(conv.LAYERS) == {used.word.name for _, used in ROWS}
    assert all(WORDS["layer", name].image for name in conv.LAYERS)
