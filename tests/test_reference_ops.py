"""The operators that stand in for those of ONNX's interpreter, judged by PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close
from onnx import TensorProto, helper
from reference_ops import interpreted

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
F = torch.nn.functional

RNG = np.random.default_rng(8)
WINDOWS: list[tuple[list[int], dict[str, Any]]] = [
    ([2], {}),
    ([3], {"pads": [1, 0], "strides": [2]}),
    ([2, 3], {"pads": [1, 0, 0, 2], "strides": [2, 1]}),
    ([2, 2], {"strides": [3, 2]}),
    ([2, 1, 2], {"pads": [1, 0, 1, 0, 0, 0], "strides": [1, 2, 2]}),
]


def outputs(operator: str, inputs: list[Array], count: int = 1, **attributes: Any) -> list[Array]:
    """What a graph of one operator gives."""
    names, given = [f"y{i}" for i in range(count)], {f"x{i}": a for i, a in enumerate(inputs)}
    infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), None) for n, a in given.items()]
    results = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in names]
    graph = helper.make_graph([helper.make_node(operator, list(given), names, **attributes)], "one", infos, results)
    return list(interpreted(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]))(given).values())


def images(axes: int, channels: int = 4) -> Array:
    """Images with numbers that are there more than once."""
    return RNG.integers(-9, 5, (2, channels, *[7, 6, 5][:axes])).astype(np.float32)


def wide(x: Array, pads: list[int], value: float) -> Any:
    """PyTorch's padding, which begins at the last axis."""
    axes = x.ndim - 2
    spans = [side for axis in reversed(range(axes)) for side in (pads[axis], pads[axes + axis])]
    return F.pad(torch.tensor(x, dtype=torch.float64), spans, value=value)


@pytest.mark.parametrize(("size", "options"), WINDOWS, ids=str)
def test_pooling(size: list[int], options: dict[str, Any]):
    axes, x = len(size), images(len(size))
    pads, strides = options.get("pads", [0] * 2 * len(size)), options.get("strides", [1] * len(size))
    y, places = outputs("MaxPool", [x], 2, kernel_shape=size, **options)
    right = getattr(F, f"max_pool{axes}d")(wide(x, pads, -np.inf), size, strides)
    assert_close(y, right.numpy(), 0)
    assert_close(x.ravel()[places], y, 0)
    one = np.arange(x[0, 0].size).reshape(1, 1, *x.shape[2:])
    firsts = wide(x[:1, :1], pads, -np.inf), wide(one, pads, -1.0)
    _, at = getattr(F, f"max_pool{axes}d")(firsts[0], size, strides, return_indices=True)
    assert_close(places[:1, :1], firsts[1].ravel()[at].numpy(), 0)
    mean = getattr(F, f"avg_pool{axes}d")
    for counted in (1, 0):
        (y,) = outputs("AveragePool", [x], kernel_shape=size, count_include_pad=counted, **options)
        shares = mean(wide(np.ones_like(x), pads, float(counted)), size, strides)
        assert_close(y, (mean(wide(x, pads, 0.0), size, strides) / shares).numpy(), 1e-6)


FILTERS: list[tuple[tuple[int, ...], dict[str, Any], list[int]]] = [
    ((4, 3, 2), {}, [0]),
    ((4, 3, 3), {"strides": [2], "pads": [1, 1], "group": 2}, [1]),
    ((4, 1, 2, 3), {"group": 4, "strides": [2, 3], "pads": [1, 0, 1, 0]}, [1, 2]),
    ((4, 3, 2, 2), {"group": 2, "dilations": [2, 1], "strides": [1, 2]}, [0, 1]),
    ((4, 2, 2, 1, 2), {"group": 1, "strides": [2, 1, 1]}, [1, 0, 0]),
]


@pytest.mark.parametrize(("shape", "options", "more"), FILTERS, ids=str)
def test_filters(shape: tuple[int, ...], options: dict[str, Any], more: list[int]):
    axes, groups = len(shape) - 2, options.get("group", 1)
    x, w = images(axes), RNG.standard_normal(shape).astype(np.float32)
    how = {"stride": options.get("strides", 1), "dilation": options.get("dilations", 1), "groups": groups}
    how["padding"] = options.get("pads", [0] * axes)[:axes]
    b = RNG.standard_normal(groups * shape[1]).astype(np.float32)
    right = getattr(F, f"conv_transpose{axes}d")(*map(torch.tensor, (x, w, b)), output_padding=more, **how)
    assert_close(outputs("ConvTranspose", [x, w, b], output_padding=more, **options)[0], right.numpy(), 1e-5)
    # The interpreter's own convolution.
    straight = RNG.standard_normal((6 * groups, 4 // groups, *shape[2:])).astype(np.float32)
    right = getattr(F, f"conv{axes}d")(*map(torch.tensor, (x, straight)), **how)
    assert_close(outputs("Conv", [x, straight], **options)[0], right.numpy(), 1e-5)


@pytest.mark.parametrize(
    ("shape", "axis"), [((4, 3, 2), 1), ((2, 5, 2), 1), ((4, 3, 1), 2), ((1, 3, 2), 0), ((4, 1), 1)]
)
def test_gathered_elements(shape: tuple[int, ...], axis: int):
    data = RNG.standard_normal((4, 3, 2)[: len(shape)]).astype(np.float32)
    indices = RNG.integers(0, data.shape[axis], shape)
    right = torch.gather(torch.tensor(data), axis, torch.tensor(indices)).numpy()
    assert_close(outputs("GatherElements", [data, indices], axis=axis)[0], right, 0)


def test_the_logarithm_of_a_softmax():
    x = np.array([[0.0, 300.0, -5.0]], np.float32)
    assert_close(outputs("LogSoftmax", [x])[0], torch.log_softmax(torch.tensor(x), -1).numpy(), 1e-6)
