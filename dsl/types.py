"""What the compiler knows of a value: dtype, shape with named dimensions, and domain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

# A dimension is a size, or the name of one that is known only at run time.
Dim = int | str
Shape = tuple[Dim, ...]

# The batch axis, which a spec never writes. Where each example is cut into four pieces it is "4N" long.
BATCH = "N"


@dataclass(frozen=True)
class Domain:
    """An interval with open or closed ends, whether its values are whole, and the axis along which they sum to 1."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = True
    high_open: bool = True
    whole: bool = False
    simplex: int | None = None

    def __str__(self) -> str:
        if self.simplex is not None:
            return "probabilities that sum to 1"
        left, right = "([" if not self.low_open else "((", "])" if not self.high_open else "))"
        text = f"{left[-1]}{_number(self.low)}, {_number(self.high)}{right[0]}"
        return f"whole numbers in {text}" if self.whole else text

    def within(self, other: Domain) -> bool:
        """Whether every value of this domain lies in the other, in the closure of the other's interval."""
        return (
            self.low >= other.low
            and self.high <= other.high
            and (self.whole or not other.whole)
            and (other.simplex is None or self.simplex == other.simplex)
        )

    @property
    def interval(self) -> Domain:
        """The interval alone."""
        return Domain(self.low, self.high, self.low_open, self.high_open)

    def __neg__(self) -> Domain:
        # From 0, so that no end is -0.
        return Domain(0.0 - self.high, 0.0 - self.low, self.high_open, self.low_open, self.whole)

    def __add__(self, other: Domain) -> Domain:
        return Domain(
            self.low + other.low,
            self.high + other.high,
            self.low_open or other.low_open,
            self.high_open or other.high_open,
            self.whole and other.whole,
        )

    def __sub__(self, other: Domain) -> Domain:
        return self + (-other)

    def __mul__(self, other: Domain) -> Domain:
        return _hull([_product(a, b) for a in _ends(self) for b in _ends(other)], self.whole and other.whole)

    def inverse(self) -> Domain:
        """The domain of 1/x; anything, where x may be 0 inside."""
        if self.low < 0 < self.high:
            return REAL
        if self.low >= 0:
            return Domain(_inverse(self.high), _inverse(self.low), self.high_open, self.low_open or self.low == 0)
        return -(-self).inverse()

    def map(self, function: Callable[[float], float]) -> Domain:
        """The image under a function that never falls."""
        return Domain(_safe(function, self.low), _safe(function, self.high), self.low_open, self.high_open)

    def join(self, other: Domain) -> Domain:
        """The smallest interval that holds both."""
        joined = _hull([*_ends(self), *_ends(other)], self.whole and other.whole)
        return replace(joined, simplex=self.simplex) if self.simplex == other.simplex else joined

    def meet(self, other: Domain) -> Domain:
        """What is known of a value that lies in both; the other's interval narrows this one."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return replace(
            self,
            low=low,
            high=high,
            low_open=low_open,
            high_open=not high_closed,
            whole=self.whole or other.whole,
        )

    def at_least(self, other: Domain) -> Domain:
        """The domain of the larger of two values."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_open = max((self.high, not self.high_open), (other.high, not other.high_open))
        return Domain(low, high, low_open, not high_open, self.whole and other.whole)

    def at_most(self, other: Domain) -> Domain:
        """The domain of the smaller of two values."""
        return -((-self).at_least(-other))


def _number(value: float) -> str:
    return {math.inf: "inf", -math.inf: "-inf"}.get(value, f"{value:g}")


def _ends(domain: Domain) -> list[tuple[float, bool]]:
    return [(domain.low, domain.low_open), (domain.high, domain.high_open)]


def _product(a: tuple[float, bool], b: tuple[float, bool]) -> tuple[float, bool]:
    for one, other in ((a, b), (b, a)):
        if one[0] == 0:
            # 0 is attained where it belongs to the factor, and approached where the other end is finite or not.
            return 0.0, one[1] and (other[0] != 0 or other[1])
    return a[0] * b[0], a[1] or b[1]


def _hull(ends: list[tuple[float, bool]], whole: bool) -> Domain:
    low, low_open = min(ends)
    high, high_closed = max((value, not is_open) for value, is_open in ends)
    return Domain(low, high, low_open, not high_closed, whole)


def _inverse(value: float) -> float:
    return math.inf if value == 0 else 1 / value


def _safe(function: Callable[[float], float], value: float) -> float:
    try:
        return function(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


REAL = Domain()
NON_NEGATIVE = Domain(low=0.0, low_open=False)
POSITIVE = Domain(low=0.0)
UNIT = Domain(0.0, 1.0, False, False)
OPEN_UNIT = Domain(0.0, 1.0)
BINARY = Domain(0.0, 1.0, False, False, whole=True)
SIGNED_UNIT = Domain(-1.0, 1.0, False, False)
SIMPLEX = Domain(0.0, 1.0, simplex=-1)
# What data hold, which reach the ends of the interval.
PROBABILITIES = Domain(0.0, 1.0, False, False, simplex=-1)
WHOLE = Domain(low=0.0, low_open=False, whole=True)
LENGTH = Domain(1.0, low_open=False, whole=True)
PIXEL = Domain(0.0, 255.0, False, False, whole=True)


def point(value: float) -> Domain:
    """The domain of a constant."""
    return Domain(value, value, False, False, float(value).is_integer())


@dataclass(frozen=True)
class Type:
    """A value's type.

    `dtype` is "f32" (the working precision, which a proof raises to float64), "f64" (a number that the host computes in
    float64, such as a learning rate), "i64" (ids), "u8" (pixels, cast to "f32" where they are read) or "bool".
    """

    dtype: str
    shape: Shape
    domain: Domain = REAL

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an elementwise result, as NumPy has it; ValueError where shapes do not fit."""
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_broadcast_dim([shape[axis] for shape in padded]) for axis in range(rank))


def _broadcast_dim(dims: list[Dim]) -> Dim:
    wide = {d for d in dims if d != 1}
    if len(wide) > 1:
        raise ValueError(f"sizes {' and '.join(map(str, sorted(wide, key=str)))} do not fit")
    return wide.pop() if wide else 1


def pieces(dim: Dim) -> int:
    """Of a batch axis, into how many pieces each example is cut, usually one; 0 of any other."""
    times = dim.removesuffix(BATCH) if isinstance(dim, str) and dim.endswith(BATCH) else "0"
    return int(times) if times.isdigit() else int(not times)


def batch_of(pieces: int) -> Dim:
    """The batch axis of examples that are cut into pieces."""
    return f"{pieces}{BATCH}" if pieces > 1 else BATCH


def batched(shape: Shape) -> bool:
    """Whether the first axis counts examples, or pieces of them, or the steps of all of them."""
    return bool(shape) and isinstance(shape[0], str) and pieces(shape[0].split("*")[0]) > 0


def rows(shape: Shape, last: int = 1) -> str:
    """The name of the axis that all axes but the last ones make together: `N*T`, `N*(T//2)`."""
    dims = map(str, shape[: len(shape) - last])
    return "*".join(f"({dim})" if set("+-/") & set(dim) and "*" not in dim else dim for dim in dims)


def count(shape: Shape) -> int:
    """The number of elements, a run-time dimension counting as one; `N*3` are rows of both, and `4N` four pieces."""
    return math.prod(d if isinstance(d, int) else _known(d) for d in shape)


def _known(name: str) -> int:
    return math.prod(int(part) if part.isdigit() else max(1, pieces(part)) for part in name.split("*"))


def show_shape(shape: Shape) -> str:
    """The shape as a spec writes it, without the batch axis."""
    return f"[{', '.join(d for d in map(str, shape) if d.split('*')[0] != BATCH)}]"
