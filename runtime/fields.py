"""Arrays against types: an array becomes what a field's kind stores, or a fault names the values that cannot."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from .errors import Fault, did_you_mean, listed, plural
from .kinds import SUM_TOLERANCE, Array, Bools
from .metadata import Field

# Where the value at an index of an array stands in its file.
Place: TypeAlias = Callable[[tuple[int, ...]], str]

# This many bad places are told in one fault; the rest is counted.
SHOWN = 5


@dataclass(frozen=True)
class Problem:
    """One bad place: `what` is wrong with it, as the end of a sentence."""

    code: str
    where: str
    what: str
    help: str | None = None


@dataclass
class Problems:
    """The first bad places of a source and the count of all of them."""

    first: list[Problem] = field(default_factory=list[Problem])
    total: int = 0

    def add(self, problems: Iterable[Problem], total: int | None = None) -> None:
        """Add problems in the order of the file; `total` counts them where not all are given."""
        found = list(problems)
        distinct = [problem for problem in dict.fromkeys(found) if problem not in self.first]
        self.first += distinct[: max(0, SHOWN - len(self.first))]
        self.total += len(found) if total is None else total

    def raise_any(self) -> None:
        """Raise one Fault that tells them, if there is any."""
        if not self.first:
            return
        head, rest = self.first[0], self.first[1:]
        also = "".join(f"; {p.where}: {p.what}" for p in rest)
        unseen = self.total - len(self.first)
        more = f"; and {unseen:,} more" if unseen else ""
        raise Fault(head.code, head.what + also + more, head.where, head.help)


def conform(field: Field, array: Array, source: str, place: Place | None = None) -> Array:
    """The array in the field's dtype and shape (N, …), C-contiguous.

    Integers and wider floats are taken for float32 where they stay finite; ids and pixels may be floats only if whole,
    and ids strings where their field names labels. Raises Fault naming the first bad values; `place` tells where an
    index stands.
    """
    place = place or (lambda index: f"{source}, {field.name}[{', '.join(map(str, index))}]")
    _check_dtype(field, array, source)
    array = reshaped(field, array, source)
    if array.dtype.kind in "US":
        return _ids_of_labels(field, array, place)
    _check_finite(field, array, place)
    return _as_ids(field, array, place) if field.rule.ids else _as_numbers(field, array, place)


def _check_dtype(field: Field, array: Array, source: str) -> None:
    if array.dtype.hasobject:
        message = f"{field.name} holds Python objects, which are never read"
        raise Fault(
            "data-pickled", message, source, "save plain numbers or strings: `np.asarray(values, dtype=np.float32)`"
        )
    if array.dtype.kind in "biuf":
        return
    if array.dtype.kind in "US" and field.labels is not None:
        return
    text = "text" if array.dtype.kind in "US" else f"{array.dtype}"
    need = f"{field.kind} ids, which are whole numbers" if field.rule.ids else "numbers"
    raise Fault("data-dtype", f"{field.name}: {field.text} takes {need}, but the array holds {text}", source)


def fits(field: Field, shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape holds examples of the field: only axes of size one may differ."""
    if field.steps:
        wanted = field.shape if len(shape) == len(field.shape) + 1 or field.shape[-1] != 1 else field.shape[:-1]
        pairs = zip(wanted, shape[1:], strict=len(shape) == len(wanted) + 1)
        return len(shape) == len(wanted) + 1 and all(n > 0 if isinstance(d, str) else d == n for d, n in pairs)
    return len(shape) > 0 and [n for n in shape[1:] if n != 1] == [n for n in field.shape if n != 1]


def expected(field: Field) -> str:
    """The shape a field's array has, as text: `(N, 4)`."""
    return f"({', '.join(['N', *map(str, field.shape)])}{'' if field.shape else ','})"


def check_shape(field: Field, shape: tuple[int, ...], source: str) -> None:
    """Raise Fault `data-shape` where an array of this shape does not hold examples of the field."""
    if fits(field, shape):
        return
    help = None
    if field.steps and fits(field, tuple(n or 1 for n in shape)):
        empty = [d for d, n in zip(field.shape, shape[1:], strict=False) if n == 0]
        help = f"{listed(empty)} {'is' if len(empty) == 1 else 'are'} 0 here, and there is at least 1 step"
    elif field.rule.ids and len(shape) == len(field.shape) + 2 and shape[-1] == field.classes:
        help = f"a {field.kind} is given by its id, a whole number, not one-hot: use `array.argmax(axis=-1)`"
    elif math.prod(shape[1:]) == field.width and len(shape) > 0 and not field.steps:
        help = _fitted(field, shape)
    raise Fault("data-shape", f"{field.name}: expected {expected(field)}, got {shape}", source, help)


def _fitted(field: Field, shape: tuple[int, ...]) -> str | None:
    """The help where an array holds as many numbers as the field, but under another shape."""
    have, need = ([n for n in sizes if n != 1] for sizes in (shape[1:], field.shape))
    if sorted(map(str, have)) != sorted(map(str, need)):
        return f"it holds as many numbers; `array.reshape{(-1, *field.shape)}` would make it fit"
    if len(shape) != len(field.shape) + 1:
        return None
    left = list(range(1, len(shape)))
    order = [left.pop(next(i for i, axis in enumerate(left) if shape[axis] == size)) for size in field.shape]
    return f"its axes stand in another order; `array.transpose{(0, *order)}` would make it fit"


def reshaped(field: Field, array: Array, source: str) -> Array:
    """The array as (N, …) in the field's own shape."""
    check_shape(field, array.shape, source)
    sizes = [n if isinstance(d, str) else d for d, n in zip(field.shape, (*array.shape[1:], 1), strict=False)]
    return array.reshape(len(array), *sizes)


def _check_finite(field: Field, array: Array, place: Place) -> None:
    if array.dtype.kind != "f":
        return
    if np.isfinite(array).all():
        return
    _raise_where(np.isnan(array), array, place, "data-missing-value", field, "is missing (not a number)")
    _raise_where(np.isinf(array), array, place, "data-value", field, "is not finite")


def _as_numbers(field: Field, array: Array, place: Place) -> Array:
    rule = field.rule
    if rule.bad is not None:
        _raise_where(rule.bad(array), array, place, "data-value", field, rule.what, rule.help)
    with np.errstate(over="ignore", under="ignore"):
        result = np.ascontiguousarray(array, dtype=rule.dtype)
    if array.dtype.kind == "f" and array.dtype.itemsize > rule.dtype.itemsize and rule.dtype.kind == "f":
        _raise_where(np.isinf(result), array, place, "data-value", field, "is too large for float32")
        if rule.bad is not None:
            _raise_where(rule.bad(result), array, place, "data-value", field, f"{rule.what} in float32")
    if rule.sums:
        _check_sums(field, result, place)
    return result


def _check_sums(field: Field, array: Array, place: Place) -> None:
    sums = array.sum(axis=-1, dtype=np.float64)
    bad = np.abs(sums - 1) > SUM_TOLERANCE
    problems = Problems()
    said = "{}: the values sum to {:.4g}, and not to 1"
    # The first value of the axis stands for all of them.
    found = (
        Problem("data-value", place((*at, 0)), said.format(field.name, sums[at]), field.rule.help)
        for at in indices(bad)
    )
    problems.add(found, int(np.count_nonzero(bad)))
    problems.raise_any()


def _as_ids(field: Field, array: Array, place: Place) -> Array:
    if array.dtype.kind == "f":
        whole = f"is not a whole number, so it is no {field.kind} id"
        _raise_where(array != np.floor(array), array, place, "data-value", field, whole)
    last = (field.classes or 1) - 1
    bad = (array < 0) | (array > last)
    help = None
    if bad.any() and int(array.min()) == 1 and int(array.max()) == last + 1:
        help = f"{field.kind} ids count from 0; these seem to count from 1"
    _raise_where(bad, array, place, "data-value", field, f"is no {field.kind} id: they go from 0 to {last}", help)
    return np.ascontiguousarray(array, dtype=np.int64)


def _ids_of_labels(field: Field, array: Array, place: Place) -> Array:
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    distinct, codes = np.unique(array, return_inverse=True)
    ids, wrong = label_ids(field, [str(text) for text in distinct])
    codes = codes.reshape(array.shape)
    bad = ids[codes] < 0
    problems = Problems()
    problems.add(
        (Problem("data-label", place(at), *wrong[int(codes[at])]) for at in indices(bad)), int(np.count_nonzero(bad))
    )
    problems.raise_any()
    return np.ascontiguousarray(ids[codes])


def label_ids(field: Field, distinct: list[str]) -> tuple[Array, dict[int, tuple[str, str | None]]]:
    """Class ids of distinct strings, -1 where there is none, and for those what is wrong and its help.

    A string is matched with the labels first. Whole numbers in range are taken for ids where there are no labels, or
    where no string is a label and no label looks like a whole number.
    """
    known = {label: i for i, label in enumerate(field.labels or ())}
    numbers = [_whole(text) for text in distinct]
    by_number = not known or (
        not any(text in known for text in distinct)
        and not any(_whole(label) is not None for label in known)
        and all(n is not None for n in numbers)
    )
    last = (field.classes or 1) - 1
    ids = np.full(len(distinct), -1, dtype=np.int64)
    wrong: dict[int, tuple[str, str | None]] = {}
    for i, (text, number) in enumerate(zip(distinct, numbers, strict=True)):
        if by_number and number is not None and 0 <= number <= last:
            ids[i] = number
        elif not by_number and text in known:
            ids[i] = known[text]
        else:
            wrong[i] = _wrong_label(field, text, by_number)
    return ids, wrong


def _wrong_label(field: Field, text: str, by_number: bool) -> tuple[str, str | None]:
    if by_number:
        return (
            f"{shown(text)} is no {field.kind} id of {field.name}: they go from 0 to {(field.classes or 1) - 1}",
            None,
        )
    labels = field.labels or ()
    return f"{shown(text)} is no label of {field.name}", did_you_mean(
        text, labels
    ) or f"the labels are {listed(labels)}"


def _whole(text: str) -> int | None:
    """The value of `3` or `3.0`; None for anything else."""
    head, point, tail = text.partition(".")
    if point and tail.strip("0"):
        return None
    digits = head[1:] if head[:1] in ("-", "+") else head
    return int(head) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None


def shown(text: str) -> str:
    """A cell as it is quoted in a message: cut, and without anything unprintable."""
    return repr(text if len(text) <= 40 else text[:37] + "…")


def indices(mask: Bools) -> Iterable[tuple[int, ...]]:
    """The first places where a mask holds, as many as are told."""
    for flat in np.flatnonzero(mask)[:SHOWN]:
        yield tuple(int(i) for i in np.unravel_index(int(flat), mask.shape))


def _raise_where(
    mask: Bools, array: Array, place: Place, code: str, field: Field, what: str, help: str | None = None
) -> None:
    if not mask.any():
        return
    problems = Problems()
    found = (Problem(code, place(at), f"{field.name}: {array[at].item()!r} {what}", help) for at in indices(mask))
    problems.add(found, int(np.count_nonzero(mask)))
    problems.raise_any()


def digest_of(arrays: Mapping[str, Array]) -> str:
    """The SHA-256 of arrays: their names, types, shapes and values."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        state.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        state.update(array.data)
    return state.hexdigest()


def check_counts(arrays: Mapping[str, Array], sources: Mapping[str, str]) -> int:
    """The number of examples that all arrays hold; Fault where they differ or hold none."""
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        told = listed(f"{name} has {plural(count, 'example')}" for name, count in counts.items())
        raise Fault("data-count", f"{told}, but every field needs as many", listed(dict.fromkeys(sources.values())))
    count = next(iter(counts.values()), 0)
    if count == 0:
        raise Fault("data-empty", "there is no example in it", listed(dict.fromkeys(sources.values())) or None)
    return count
