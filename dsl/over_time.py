"""Losses and metrics over the steps of sequences: each step is compared as an example of its own, if it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .ir import Equation, Tensor
from .kinds import KINDS
from .net import Field, counting
from .ops import broadcast_like, expand_dims, reshape
from .ops.shape import pick, slice_axis
from .ops.steps import chosen, counted, filled, lengths_along, numbered
from .padding import lengths_beside, rows_that_count
from .source import Place
from .types import Type, rows, show_shape
from .words import WordError

# Finds the value of a name; None after a diagnostic.
Lookup = Callable[[str, Place], Tensor | None]


@dataclass
class OverTime:
    """Takes the steps of predictions and targets for rows; `fields` are those of the net.

    Where `drops`, rows that do not count are left out, as in metrics; else they are weighed by 0, as in a loss.
    """

    fields: dict[str, Field]
    lookup: Lookup
    drops: bool
    # The steps of what is compared, (N, T), and which of them count, by the name of the rows.
    like: dict[str, Tensor] = field(default_factory=lambda: {})
    kept: dict[str, Tensor] = field(default_factory=lambda: {})

    def rows(self, p: Tensor, y: Tensor, target: Field | None) -> tuple[Tensor, Tensor]:
        """A prediction and its target, a row for each step of each example."""
        steps = steps_of(p, target)
        if not steps:
            return p, y
        name = rows(p.shape[: 1 + steps], 0)
        if name not in self.like:
            self._begin(name, p, steps)
        return self._flat(p, steps, name), self._flat(y, steps, name)

    def counting(self, p: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Rows for a loss of the spec's own, of which those that do not count are like the first, which does."""
        keep = None if self.drops else self.kept.get(str(p.shape[0]))
        return (p, y) if keep is None else (filled(p, keep, 0), filled(y, keep, 0))

    def lengths(self, p: Tensor) -> Tensor | None:
        """How many steps of each example of a prediction count; None where all do."""
        return self._lengths(p, 1)

    def _lengths(self, p: Tensor, axis: int) -> Tensor | None:
        """How many steps along an axis count."""
        field = counting(self.fields.values(), p.shape[axis])
        told = self.lookup(field.name, field.place) if field else None
        if field is None or told is None:
            return None
        found = lengths_beside(p, axis, field, told)
        if found is None:
            message = f"this is compared at each {field.counts} of {show_shape(p.shape)}, and {field.name} tells how"
            message += f" many there are in each {field.shape[0]}"
            help = f"compare at each {field.counts} of each {field.shape[0]}, or pool them first"
            raise WordError("shape-mismatch", message, help)
        return lengths_along(found, p.shape[axis])

    def spread(self, values: Tensor, losses: Tensor) -> Tensor:
        """A number an example, (N,), beside numbers of the rows of `losses`."""
        name = str(losses.shape[0]).removesuffix("*")
        if name not in self.like or values.shape == losses.shape:
            return values
        like = self.like[name]
        for axis in range(1, len(like.shape)):
            values = expand_dims(values, axis=axis)
        each = slice_axis(broadcast_like(values, like), axis=len(like.shape) - 1, start=0, stop=1)
        return pick(self._flat(each, len(like.shape) - 2, name), index=0)

    def labels(self, y: Tensor, losses: Tensor) -> Tensor | None:
        """The labels of the rows of `losses`; None where they are those of other rows."""
        name = str(losses.shape[0]).removesuffix("*")
        if rows(y.shape, 0) != name:
            return None
        return self._flat(y, len(self.like[name].shape) - 2, name) if name in self.like else y

    def counts(self, losses: Tensor) -> Tensor | None:
        """Which rows count, as 1 and 0, unless all do or the others are left out."""
        keep = None if self.drops else self.kept.get(str(losses.shape[0]))
        return None if keep is None else numbered(keep, losses).named("counts")

    def need_single(self, word: str, equations: Iterable[Equation]) -> None:
        """Raise where some of them take rows together of which not all count."""
        for equation in [e for e in equations if 0 in (e.attrs.get("axes") or ()) and not self.drops]:
            rows, left = (each.type.shape[:1] for each in (equation.args[0], equation.results[0]))
            if rows != left and str(*rows) in self.kept:
                message = f"{word} takes all steps of a batch together, and lengths=true says that some are padding"
                raise WordError("shape-mismatch", message, "take a loss that sees each step by itself, such as mse")

    def _begin(self, name: str, p: Tensor, steps: int) -> None:
        self.like[name] = p
        lengths = {axis: self._lengths(p, axis) for axis in range(1, 1 + steps)}
        keep = rows_that_count(p, steps, {axis: counted(each, p) for axis, each in lengths.items() if each})
        if keep is not None:
            self.kept[name] = keep.named("counted")

    def _flat(self, x: Tensor, steps: int, name: str) -> Tensor:
        flat = reshape(x, shape=(name, *x.shape[1 + steps :])).named(f"{x.value.hint}_rows" if x.value.hint else "")
        return chosen(flat, self.kept[name]) if self.drops and name in self.kept else flat


def steps_of(p: Tensor | Type, target: Field | None) -> int:
    """How many axes behind the batch's are steps: those of labels, or those that only run time knows."""
    if target is not None and KINDS[target.kind].named:
        return len(target.shape)
    return sum(isinstance(d, str) for d in p.shape[1:])
