"""Deeplearning4j's gradient checks of convolutional nets, case by case, each tensor along a random direction.

Not here: masks, its other order of axes, and center_loss, which has a test of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import Array, assert_gradient, batch, compiled, input_gradients, module, small, weights
from netc.dsl import Net
from netc.dsl.prune import prune

Run = Callable[[dict[str, Array]], dict[str, Any]]


class Case(NamedTuple):
    """Layers over an image, before the classes; the image; the sizes of the batch; and the rest of the spec."""

    chains: str
    given: str
    rows: tuple[int, ...] = (2,)
    more: str = ""


POOLS = {"max": "maxpool", "mean": "avgpool", "sum": "sumpool", "p-norm": "normpool p=3"}
SMOOTH = ("sigmoid", "tanh")


def pool(kind: str, size: str, more: str = "") -> str:
    word, *rest = POOLS[kind].split()
    return " ".join([word, size, *rest, *more.split()])


# Plain nets, and what is asked of their weights -----------------------------------------------------------------------

PENALTIES = {
    "sigmoid": ("l2=0.4", "l2=0.4"),
    "tanh": ("", ""),
    "elu": ("l1=0.5 l2=0.4 bias_l1=0.6", "l1=0.5 l2=0.4 bias_l1=0.6"),
    "softplus": ("l2=0.4 bias_l2=0.2", "l2=0.4"),
}
PLAIN = {
    **{f"one pixel a window, {f}": Case(f"conv 6 1 bias=false -> {f}", "f32[1, 1, 4]", (5,)) for f in SMOOTH},
    **{
        f"penalties, {f}": Case(f"conv 6 1 {own} -> {f} -> flatten -> dense 3 {other} -> tanh", "f32[1, 1, 4]", (5,))
        for f, (own, other) in PENALTIES.items()
    },
    **{
        f"three layers of {depth} channels, {f}": Case(" -> ".join([f"conv 2 2x2 -> {f}"] * 3), image, (1, 2, 5))
        for depth, image in ((1, "f32[1, 5, 5]"), (2, "f32[2, 5, 5]"), (4, "f32[4, 5, 5]"))
        for f in SMOOTH
    },
    "weights of each place": Case(
        "conv 2 2x2 -> softplus -> locally_connected 7 2x2 bias=false -> softplus -> conv 2 2x2", "f32[4, 5, 5]", (3,)
    ),
    "weights of each place, one channel": Case(
        "conv 2 2x2 -> sigmoid -> locally_connected 7 2x2 bias=false -> sigmoid -> conv 2 2x2", "f32[1, 5, 5]", (1, 2)
    ),
}

# Subsampling ----------------------------------------------------------------------------------------------------------

POOLED = {
    **{
        f"{kind} pooling, {f}": Case(f"conv 3 2x2 -> {f} -> {pool(kind, '2x2', 'stride=1')}", "f32[1, 5, 5]", (1, 3))
        for kind in POOLS
        for f in SMOOTH
    },
    **{
        f"{kind} pooling between convolutions": Case(
            f"conv 3 2x2 -> tanh -> {pool(kind, '2x2', 'stride=1')} -> conv 2 2x2", "f32[1, 5, 5]", (1, 3)
        )
        for kind in POOLS
    },
    **{
        f"global {kind} pooling of {image}": Case(f"{first} -> tanh -> global{pool(kind, '')}", image, (1, 3))
        for kind in POOLS
        for first, image in (("conv 3 2", "f32[2, 7]"), ("conv 3 2x2", "f32[2, 5, 4]"), ("conv 2 2", "f32[1, 3, 3, 3]"))
    },
}

# Same, strided, dilated -----------------------------------------------------------------------------------------------

SAME = [(1, 4, 2, 1), (3, 5, 3, 2), (3, 6, 2, 4), (2, 5, 3, 3), (1, 4, 2, 2), (2, 4, 3, 3)]
DILATED = [("max", 1, 2, 2, "same"), ("max", 1, 3, 2, "valid"), ("", 1, 3, 3, "valid"), ("max", 2, 3, 3, "same")]
DILATED += [("", 2, 3, 2, "valid")]


def dilated(kind: str, stride: int, kernel: int, dilation: int, pad: str) -> str:
    """Pooling has no dilation here, so that what stands second in its place is a plain one."""
    one = f"conv 2 {kernel}x{kernel} stride={stride} dilation={dilation} pad={pad}"
    return f"{one} -> tanh -> {pool(kind, f'{kernel}x{kernel}', f'stride={stride}') if kind else one}"


def strided(kernel: int, stride: int, first: bool) -> str:
    conv = f"conv 2 {kernel}x{kernel} stride={stride} pad=same -> tanh"
    pooling = f"maxpool {kernel}x{kernel} stride={stride} pad=same"
    return f"{conv} -> {pooling}" if first else f"{pooling} -> {conv}"


STRIDED = {
    **{
        f"pad=same, {k}x{k} of {d} channels, {height} high": Case(
            f"conv 2 {k}x{k} pad=same -> sigmoid -> maxpool {k}x{k} stride=1 pad=same -> conv 2 {k}x{k} pad=same",
            f"f32[{d}, {height}, 5]",
            (rows,),
        )
        for rows, height, k, d in SAME
    },
    **{
        f"pad=same, {k}x{k}, stride {s}, {'convolution' if first else 'pooling'} first": Case(
            strided(k, s, first), "f32[3, 9, 8]", (1,) if first else (3,)
        )
        for k in (2, 3)
        for s in (1, 2, 3)
        for first in (True, False)
    },
    **{
        f"dilation {d}, {k}x{k}, stride {s}, {pad}": Case(dilated(kind, s, k, d, pad), f"f32[2, {8 * d}, {7 * d}]")
        for kind, s, k, d, pad in DILATED
    },
}

# The other kinds of convolution ---------------------------------------------------------------------------------------

WINDOWS = [(1, 1, 1, 1), (3, 1, 1, 1), (3, 1, 2, 1), (1, 2, 2, 3), (3, 2, 2, 3)]
DECONVS = [(1, 1, 1, 1, "same"), (1, 1, 2, 3, "same"), (1, 2, 1, 3, "valid"), (3, 2, 2, 1, "valid"), (3, 2, 2, 3, "1")]
KINDS = {
    **{
        f"{word}, {k}x{k}, stride {s}, dilation {d}": Case(
            f"{word} {'2 ' * (word == 'separable')}{k}x{k} multiplier=3 stride={s} dilation={d} -> tanh",
            f"f32[3, {6 * d}, {6 * d}]",
            (rows,),
        )
        for word in ("separable", "depthwise")
        for k, s, d, rows in WINDOWS
    },
    **{
        f"deconv, {k}x{k}, stride {s}, dilation {d}, {pad}": Case(
            f"deconv 2 {k}x{k} stride={s} dilation={d} pad={pad} -> sigmoid", f"f32[3, {4 * d}, {4 * d}]", (rows,)
        )
        for k, s, d, rows, pad in DECONVS
    },
    "two groups": Case("conv 4 2x2 groups=2 -> tanh -> conv 2 2x2 groups=2", "f32[2, 4, 5]", (1, 3)),
}

# Other sizes ----------------------------------------------------------------------------------------------------------

ZEROS = [(1, 1, "0"), (3, 3, "[[1, 1], [0, 0]]"), (2, 2, "2")]
CROPS = [(2, 1, "0"), (1, 2, "[[1, 1], [0, 0]]"), (3, 3, "2"), (2, 2, "[[1, 2], [3, 4]]")]
RESIZED = {
    "pixels as channels": Case("conv 1 2x2 bias=false -> space_to_depth 2", "f32[1, 5, 5]"),
    "channels as pixels": Case("conv 4 2x2 -> tanh -> depth_to_space 2 -> conv 2 2x2", "f32[1, 4, 3]"),
    "pixels cut into pieces": Case("conv 3 2x2 -> space_to_batch 2 -> conv 2 2 -> batch_to_space 2", "f32[1, 5, 5]"),
    "pixels repeated": Case("conv 3 2x2 -> tanh -> upsample 2", "f32[1, 5, 5]", (1, 3)),
    "pixels interpolated": Case("conv 3 2x2 -> tanh -> upsample [2, 3] mode=bilinear", "f32[1, 5, 4]", (1, 3)),
    "means of areas": Case("conv 3 2x2 -> tanh -> adaptive_avgpool [3, 2]", "f32[1, 6, 5]", (1, 3)),
    **{
        f"zeros around, {pad}": Case(f"conv 3 2x2 -> tanh -> zeropad {pad} -> conv 3 2x2", f"f32[{d}, 6, 6]", (rows,))
        for rows, d, pad in ZEROS
    },
    **{
        f"cropped by {pad}": Case(
            f"conv 2 2x2 pad=same -> crop {pad} -> conv 2 2x2 pad=same -> avgpool 3x3 pad=same",
            f"f32[{d}, 11, 12]",
            (rows,),
        )
        for rows, d, pad in CROPS
    },
}

# One axis, and three --------------------------------------------------------------------------------------------------

CAUSAL = [(11, 2, 1, 1), (12, 3, 1, 2), (13, 2, 2, 1), (9, 4, 1, 2), (10, 2, 2, 1), (11, 3, 1, 1)]
STEPS = {
    **{
        f"steps, windows of {k}, {middle}": Case(
            f"conv 3 {k} pad=same -> sigmoid -> {middle} -> conv 4 {k} pad=same", "f32[2, 7]", (1, 3)
        )
        for k in (1, 2, 4)
        for middle in ("crop 1", "zeropad 2")
    },
    **{
        f"steps, {kind} pooling of {k}": Case(
            f"conv 3 {k} pad=same -> tanh -> conv 4 {k} pad=same -> {pool(kind, str(k), 'stride=1 pad=same')}",
            "f32[2, 7]",
            (1, 3),
        )
        for kind in POOLS
        for k in (1, 2, 4)
    },
    **{
        f"steps, stride {s}, {pad}": Case(
            f"conv 3 2 stride={s} pad={pad} -> tanh -> maxpool 2 stride={s} pad={pad}"
            f" -> conv 4 2 stride={s} pad={pad} -> globalavgpool",
            "f32[2, 12]",
        )
        for s in (1, 2)
        for pad in ("same", "valid")
    },
    "steps with weights of their own": Case(
        "conv 3 2 pad=same -> tanh -> locally_connected 4 2 pad=same bias=false", "f32[2, 7]", (1, 3)
    ),
    **{
        f"causal, {n} steps, windows of {k}, dilation {d}, stride {s}": Case(
            f"conv 3 {k} pad=causal dilation={d} stride={s} -> tanh -> conv 4 {k} pad=causal dilation={d} stride={s}",
            f"f32[2, {n}]",
            (1, 3),
        )
        for n, k, d, s in CAUSAL
    },
}
TWO = "conv 3 {} bias=false pad={} -> sigmoid -> conv 4 1 bias=false -> sigmoid -> {}flatten -> dense 5"
VOLUMES = {
    **{
        f"volumes, {k}, stride {s}, {pad}": Case(TWO.format(f"{k} stride={s}", pad, ""), "f32[2, 4, 4, 3]", (1, 3))
        for k in ("1", "[1, 2, 1]", "2")
        for s in ("1", "2")
        for pad in ("valid", "same")
    },
    **{
        f"volumes, zeros around, {pad}": Case(
            TWO.format(2, pad, "zeropad [[1, 1], [2, 2], [3, 3]] -> "), "f32[2, 3, 3, 3]"
        )
        for pad in ("valid", "same")
    },
    **{
        f"volumes, {kind} pooling": Case(TWO.format(1, "valid", f"{pool(kind, '2')} -> "), "f32[2, 4, 4, 4]", (3,))
        for kind in POOLS
    },
    "volumes, repeated": Case(TWO.format(1, "valid", "upsample 2 -> "), "f32[2, 2, 2, 2]", (3,)),
    "volumes, cropped": Case(TWO.format(1, "same", "crop [[0, 0], [1, 1], [2, 2]] -> "), "f32[2, 6, 6, 6]", (3,)),
    **{
        f"volumes, deconv, {pad}": Case(
            f"conv 3 2 pad={pad} -> sigmoid -> deconv 4 2 stride=2 pad={pad}", "f32[2, 3, 3, 3]"
        )
        for pad in ("valid", "same")
    },
}

# Norms, and graphs ----------------------------------------------------------------------------------------------------

FIXED = {"": "", ", gamma and beta fixed": " scale=false shift=false"}
NORMED = {
    **{f"batchnorm of features{n}": Case(f"flatten -> batchnorm{o}", "f32[1, 2, 3]", (4,)) for n, o in FIXED.items()},
    **{
        f"batchnorm after a convolution{n}": Case(
            f"conv 2 2x2 bias=false -> batchnorm{o} -> tanh", "f32[2, 4, 5]", (1, 4)
        )
        for n, o in FIXED.items()
    },
    **{
        f"batchnorm after a convolution, {kind} pooling": Case(
            f"conv 2 2x2 l2=0.2 -> tanh -> batchnorm bias_l2=0.1 -> {pool(kind, '2x2', 'stride=1')} -> batchnorm",
            "f32[3, 5, 5]",
            (1, 4),
        )
        for kind in POOLS
    },
    "batchnorm of steps": Case("conv 3 2 bias=false -> batchnorm -> tanh", "f32[2, 6]", (1, 3)),
    "batchnorm of volumes": Case("conv 2 2 bias=false -> batchnorm -> tanh", "f32[1, 3, 3, 3]", (1, 3)),
    "response norm": Case("conv 6 2x2 -> tanh -> lrn k=2 alpha=0.5 -> maxpool 2x2", "f32[2, 5, 5]", (1, 4)),
    "group norm": Case("conv 4 2x2 -> groupnorm 2 -> tanh", "f32[2, 4, 4]", (1, 3)),
}
TOWERS = "a = conv 2 2x2 -> tanh\nb = x -> conv 3 2x2 -> sigmoid\n"
JOINED = {
    "two towers of channels": Case(f"{TOWERS}a -> concat b -> conv 2 2x2", "f32[2, 5, 5]", (1, 3)),
    "convolution beside dense": Case(
        "a = x -> conv 3 2x2 -> tanh -> maxpool 2x2 -> flatten\nb = z -> dense 5 -> tanh\na -> concat b -> dense 4",
        "f32[1, 6, 5]",
        (1, 3),
        "input z: f32[4]",
    ),
    "a shortcut": Case(
        "a = conv 2 1\na -> conv 2 3x3 pad=same -> tanh -> conv 2 3x3 pad=same -> add a", "f32[3, 4, 5]"
    ),
    "pooled towers": Case(
        f"{TOWERS}c = a -> globalavgpool\nb -> globalmaxpool -> concat c -> dense 4 -> tanh", "f32[2, 5, 5]", (1, 3)
    ),
}

CASES = {**PLAIN, **POOLED, **STRIDED, **KINDS, **RESIZED, **STEPS, **VOLUMES, **NORMED, **JOINED}
# What every net ends in.
HEAD = " -> flatten -> dense 4 -> softmax"


def net_of(case: Case) -> Net:
    return small(case.chains + HEAD, given=case.given, target="class(4)", loss="mcxent", more=case.more)


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str):
    """Of weights as the trainer returns them, and of inputs, against central differences of the loss."""
    case = CASES[name]
    net = net_of(case)
    made, program = module(net), input_gradients(net)
    of_inputs = compiled(program)
    of_loss = compiled(prune(replace(program, results={"loss": program.results["loss"]})))
    for rows in case.rows:
        assert any(agree(net, made, of_inputs, of_loss, rows, seed) for seed in range(20)), "kinks everywhere"


def agree(net: Net, made: Any, of_inputs: Run, of_loss: Run, rows: int, seed: int) -> bool:
    """Whether no slope was asked for at a kink; each slope is compared."""
    rng = np.random.default_rng(seed)
    inputs, targets = batch(net, rng, rows)
    p = weights(made, net, rng, inputs)
    named = {f.name: a for f, a in zip((*net.inputs, *net.targets), (*inputs, *targets), strict=True)} | p
    loss, grads, *_ = made.loss_and_grads(p, *inputs, *targets)
    found = of_inputs(named)
    exact = grads | {f.name: found[f"d{f.name}"] for f in net.inputs}
    assert set(exact) == {*net.trained, *(f.name for f in net.inputs)}
    h = 1e-5
    for name, grad in exact.items():
        way = rng.standard_normal(grad.shape)
        way /= np.linalg.norm(way)
        low, here, high = (float(of_loss(named | {name: named[name] + s * h * way})["loss"]) for s in (-1, 0, 1))
        if abs(high - 2 * here + low) / h > 1e-3:
            return False
        assert_gradient(np.vdot(grad, way), np.asarray((high - low) / (2 * h)), float(loss), name)
    return True


def test_a_case_is_no_other():
    texts = [(case.chains, case.given) for case in CASES.values()]
    assert len(set(texts)) == len(texts) >= 130
