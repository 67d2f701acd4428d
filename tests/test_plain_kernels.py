"""Short kernels of pages over images: they compute what those do that serve everything, and stand where they serve."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
from harness import assert_close, module, small
from netc.codegen import to_numpy
from netc.dsl.ir import OPS
from netc.dsl.ops import plain

PAIRS = {name: (OPS[name].kernels[-1], op.plain[1][-1]) for name, op in OPS.items() if op.plain}
# Sizes of images and windows, steps and margins: windows that overlap, that leave something unseen, and single pixels.
CONVS = [((6, 5), (3, 2), 1, 0), ((7, 6), (3, 3), 2, 1), ((4, 4), (1, 1), 1, 0), ((5, 7), (2, 3), 3, 2)]
POOLS = [((6, 4), 2, 2, 0), ((7, 6), 3, 2, 1), ((5, 5), 2, 1, 0), ((4, 7), 3, 3, 0)]


def places(sizes: tuple[int, ...], window: tuple[int, ...], stride: int, pad: int) -> tuple[int, ...]:
    return tuple((n + 2 * pad - k) // stride + 1 for n, k in zip(sizes, window, strict=True))


def both(name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    general, short = PAIRS[name]
    return general(*args, **options), short(*args, **options)


@pytest.mark.parametrize(("sizes", "window", "stride", "pad"), CONVS)
def test_convolutions(sizes: tuple[int, ...], window: tuple[int, ...], stride: int, pad: int):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(5, 3, *sizes)), rng.normal(size=(4, 3, *window))
    dy = rng.normal(size=(5, 4, *places(sizes, window, stride, pad)))
    for name, args in (("conv", (x, w)), ("conv_transpose", (dy, w, sizes)), ("conv_weight_grad", (x, dy, window))):
        assert_close(*both(name, *args, stride=stride, pad=pad), 1e-13, name)


@pytest.mark.parametrize(("sizes", "size", "stride", "pad"), POOLS)
def test_pooling(sizes: tuple[int, ...], size: int, stride: int, pad: int):
    rng = np.random.default_rng(2)
    # Whole numbers, so that several of a window are the largest.
    x = rng.integers(-2, 3, (5, 3, *sizes)).astype(float)
    dy = rng.normal(size=(5, 3, *places(sizes, (size, size), stride, pad)))
    y = PAIRS["max_pool"][0](x, size, stride, pad)
    given = {"max_pool": (x,), "max_pool_grad": (dy, x, y), "avg_pool": (x,), "avg_pool_grad": (dy, sizes)}
    for name, args in given.items():
        assert_close(*both(name, *args, size, stride, pad), 1e-14, name)


def test_every_short_kernel_is_compared():
    assert PAIRS.keys() == {
        *("conv", "conv_transpose", "conv_input_grad", "conv_weight_grad"),
        *("max_pool", "max_pool_grad", "avg_pool", "avg_pool_grad", "window_shares"),
    }
    assert PAIRS["conv_input_grad"] == PAIRS["conv_transpose"] and PAIRS["window_shares"] == PAIRS["avg_pool"]
    for op in (OPS[name] for name in PAIRS):
        assert op.plain is not None
        names = [{kernel.__name__ for kernel in kernels} for kernels in (op.kernels, op.plain[1])]
        assert names[1] <= names[0] | {"columns"}, op.name


def test_blocks_of_a_batch_do_not_show():
    rng = np.random.default_rng(1)
    x, w, dy = rng.normal(size=(7, 8, 40, 40)), rng.normal(size=(6, 8, 3, 3)), rng.normal(size=(7, 6, 40, 40))
    assert len(plain.blocks(plain.columns(x, (3, 3), 1, 1))) > 2
    for name, args in (("conv", (x, w)), ("conv_transpose", (dy, w, (40, 40))), ("conv_weight_grad", (x, dy, (3, 3)))):
        assert_close(*both(name, *args, pad=1), 1e-12, name)


def test_columns_take_little_memory():
    x, w = np.ones((32, 16, 32, 32), np.float32), np.ones((16, 16, 3, 3), np.float32)
    tracemalloc.start()
    y = plain.conv_kernel(x, w, pad=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.5 * y.nbytes


def head(chains: str, kernel: str, given: str = "f32[2, 8, 8]") -> str:
    found = re.search(rf"^def {kernel}\((.*)\):", to_numpy(small(f"{chains}\nflatten -> dense 2", given=given)), re.M)
    assert found, kernel
    return found[1]


def test_one_layer_that_is_not_plain_asks_for_the_kernels_that_serve_everything():
    assert head("conv 4 3x3 pad=1 -> conv 4 3x3 stride=2", "conv") == "x, w, stride=1, pad=0"
    for other in ("dilation=2", "groups=2", "stride=[1, 2]", "pad=same stride=3"):
        assert head(f"conv 4 3x3 pad=1 -> conv 4 3x3 {other}", "conv").endswith("groups=1"), other
    assert head("conv 4 3x3 -> maxpool 2x2", "columns") == "x, size, stride, pad=0, value=0.0"
    assert head("conv 4 3x3 -> maxpool [2, 3]", "in_windows") == "x, size, stride"
    assert head("conv 4 3", "conv", "f32[2, 8]").endswith("groups=1")


@pytest.mark.parametrize("chains", ["conv 3 3x3 pad=1 -> relu -> maxpool 2x2", "deconv 2 2x2 -> avgpool 3x3 stride=1"])
def test_a_batch_may_have_no_examples(chains: str):
    made = module(small(f"{chains}\nflatten -> dense 2", given="f32[2, 4, 4]"))
    assert made.predict(made.init(1), np.zeros((0, 2, 4, 4), np.float32)).shape == (0, 2)
