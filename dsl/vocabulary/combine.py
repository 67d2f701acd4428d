"""Layers that join the current value and named ones."""

from __future__ import annotations

from collections.abc import Sequence

from .. import ops
from ..advice import parted
from ..ir import Tensor
from ..types import NON_NEGATIVE, Shape, Type, show_shape
from ..words import WordError, layer
from .axes import by_features, without_padding
from .layers import Eps, root


def same_shape(word: str, x: Type, y: Type) -> None:
    """Raise unless two values have one shape."""
    if x.shape != y.shape:
        raise WordError(
            "shape-mismatch",
            f"{word} needs values of one shape, but has {show_shape(x.shape)} and {show_shape(y.shape)}",
            _together(x.shape[1:], y.shape[1:]),
        )


def _together(x: Shape, y: Shape) -> str:
    """How two values come to one shape."""
    if len(x) == len(y) == 1:
        return f"bring one of them to the shape of the other by a dense layer: dense {x[0]}"
    if help := _steps_of(x, y):
        return help
    if len(x) == len(y) and x[1:] == y[1:]:
        return f"bring one of them to as many channels as the other has: conv {x[0]} {'x'.join('1' * (len(x) - 1))}"
    if len(x) == len(y) and x[0] == y[0]:
        return "pad=same lets conv keep the size of an image; strides and pooling make both smaller alike"
    return "bring them to one shape, for example by a dense layer, on images by conv or pooling"


def _steps_of(x: Shape, y: Shape) -> str | None:
    """How two values come together of which one has other steps than the other."""
    a, b = (next((d for d in shape if isinstance(d, str)), "") for shape in (x, y))
    if a and b and a != b and (help := parted(a, b)):
        return help
    if a and b and a != b:
        return f"{a} and {b} are two numbers of steps: where they are one, call both {a}"
    return "repeat_like gives a list of features at each step, last_step makes one of steps" if a != b else None


def alike(word: str, x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """The values, which all have one shape."""
    for value in others:
        same_shape(word, x.type, value.type)
    return (x, *others)


@layer("add", gives="total", example="add other")
def add(x: Tensor, other: Tensor, *others: Tensor) -> Tensor:
    """The sum of the current value and the named ones, which all have its shape.

    Formula: f(x, a, b) = x + a + b
    Source: definition.
    Deeplearning4j: ElementWiseVertex(Add).
    Keras: Add.
    PyTorch: +.
    """
    total = x
    for value in alike("add", x, other, *others)[1:]:
        total = total + value
    return total


@layer("subtract", gives="difference", example="subtract other")
def subtract(x: Tensor, other: Tensor) -> Tensor:
    """The current value less the named one, which has its shape.

    Formula: f(x, a) = x - a
    Source: definition.
    Deeplearning4j: ElementWiseVertex(Subtract).
    Keras: Subtract.
    PyTorch: -.
    """
    same_shape("subtract", x.type, other.type)
    return x - other


@layer("multiply", gives="product", example="multiply other")
def multiply(x: Tensor, other: Tensor, *others: Tensor) -> Tensor:
    """The product of the current value and the named ones, which all have its shape, element by element.

    Formula: f(x, a, b) = x * a * b
    Source: definition.
    Deeplearning4j: ElementWiseVertex(Product).
    Keras: Multiply.
    PyTorch: *.
    """
    product = x
    for value in alike("multiply", x, other, *others)[1:]:
        product = product * value
    return product


@layer("average", gives="average", example="average other")
def average(x: Tensor, other: Tensor, *others: Tensor) -> Tensor:
    """The mean of the current value and the named ones, which all have its shape, element by element.

    Formula: f(x, a, b) = (x + a + b) / 3
    Source: definition.
    Deeplearning4j: ElementWiseVertex(Average).
    Keras: Average.
    PyTorch: has none.
    """
    total = x
    for value in alike("average", x, other, *others)[1:]:
        total = total + value
    return total / (2 + len(others))


@layer("maximum", gives="largest", example="maximum other")
def maximum(x: Tensor, other: Tensor, *others: Tensor) -> Tensor:
    """The largest of the current value and the named ones, which all have its shape, element by element.

    At a tie the gradient goes to the value named last.

    Formula: f(x, a, b) = max(x, a, b)
    Source: definition.
    Deeplearning4j: ElementWiseVertex(Max).
    Keras: Maximum.
    PyTorch: torch.maximum, which halves the gradient at a tie.
    """
    largest = x
    for value in alike("maximum", x, other, *others)[1:]:
        largest = ops.maximum(largest, value)
    return largest


@layer("dot", gives="product", example="dot other")
def dot(x: Tensor, other: Tensor) -> Tensor:
    """The inner product with the named value along the features, which leaves one.

    Formula: f(x, a) = sum(x * a)
    Source: definition.
    Deeplearning4j: DotProductVertex.
    Keras: Dot(axes=-1); of two l2normalize it is normalize=True.
    PyTorch: torch.linalg.vecdot.
    """
    same_shape("dot", x.type, other.type)
    return ops.total(x * other, axes=(x.axis,), keepdims=True)


@layer("l2distance", gives="distance", example="l2distance other", aliases=("l2_distance",))
def l2distance(x: Tensor, other: Tensor, eps: Eps = 1e-8) -> Tensor:
    """The Euclidean distance from the named value, one number an example, and eps where it is less.

    Formula: f(x, a) = max(sqrt(sum((x - a)^2)), eps)
    Source: definition.
    Deeplearning4j: L2Vertex, eps = 1e-8.
    Keras: has none.
    PyTorch: PairwiseDistance, which adds eps = 1e-6 to the difference.
    """
    same_shape("l2distance", x.type, other.type)
    squares = ops.square(without_padding((x - other).named("difference")))
    axes = tuple(range(1, len(x.shape)))
    total = ops.total(squares, axes=axes, keepdims=len(axes) == 1)
    distance = root(total if len(axes) == 1 else ops.reshape(total, shape=(x.shape[0], 1)), eps)
    return distance.within(NON_NEGATIVE)


def _common_axis(values: Sequence[Tensor]) -> int:
    """The axis of features of values of one rank, of which some may not say where it is."""
    known = {v.value.channels: v for v in values if v.value.channels is not None}
    if len(known) > 1:
        both = " and ".join(show_shape(v.shape) for v in values)
        message = f"concat needs values whose features stand on one axis, but has {both}"
        raise WordError("shape-mismatch", message, "put permute or flatten before concat")
    return next(iter(known.values()), values[0]).axis


def _others(x: Tensor, axis: int) -> Shape:
    """The sizes of all axes but one."""
    return x.shape[:axis] + x.shape[axis + 1 :]


@layer("concat", gives="joined", example="concat other")
@by_features
def concat(x: Tensor, other: Tensor, *others: Tensor) -> Tensor:
    """The current value and the named ones side by side, along the features.

    Formula: f(x, a) = x[0], x[1], ..., a[0], a[1], ...
    Source: definition.
    Deeplearning4j: MergeVertex.
    Keras: Concatenate.
    PyTorch: torch.cat.
    """
    values = (x, other, *others)
    axis = _common_axis(values)
    if any(_others(v, axis) != _others(x, axis) for v in values):
        over_time = next(filter(None, (_steps_of(x.shape[1:], v.shape[1:]) for v in values)), None)
        raise WordError(
            "shape-mismatch",
            "concat needs values that differ in their features alone, but has "
            + " and ".join(show_shape(v.shape) for v in values),
            over_time
            or "bring their other axes to one size, on images by pad=same, crop or upsample; or flatten before concat",
        )
    return ops.concat(*values, axis=axis)


@layer("stack", gives="stacked", example="stack other")
def stack(x: Tensor, other: Tensor, *others: Tensor) -> Tensor:
    """The current value and the named ones, which all have its shape, along a new first axis of each example.

    Formula: f(x, a)[0] = x, f(x, a)[1] = a
    Source: definition.
    Deeplearning4j: StackVertex, which stacks along the batch, so that one layer sees all; here a part does that.
    Keras: has none.
    PyTorch: torch.stack.
    """
    return ops.stack(*alike("stack", x, other, *others))
