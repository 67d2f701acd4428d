"""Series: sequences of steps become examples, cut into windows or whole, with targets that may lie ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .errors import Fault, plural
from .fields import Array, conform
from .metadata import DataSource, Field, Metadata


@dataclass(frozen=True)
class Series:
    """How the sequences of a net's data become examples.

    `fields` are those of an example, `ahead` says how many steps on a target lies, and `shifted` of which input it is a
    copy. A window begins every `stride` steps; without a `window` each sequence is an example.
    """

    fields: tuple[Field, ...]
    window: int | None
    stride: int
    ahead: Mapping[str, int]
    shifted: Mapping[str, str]

    @staticmethod
    def of(metadata: Metadata, need_targets: bool) -> Series | None:
        """Those of a net over time; None for another."""
        window, data = metadata.window, metadata.data or DataSource(None)
        if not any(_over_time(f, window) for f in metadata.inputs):
            return None
        per_step = any(_over_time(f, window) for f in metadata.targets)
        shifted = {name: how["shift"] for name, how in data.bind.items() if "shift" in how}
        ahead = {f.name: data.horizon or int(f.name in shifted) for f in metadata.targets}
        return Series(
            fields=metadata.fields if need_targets else metadata.inputs,
            window=window,
            stride=data.stride or (window if window and per_step else 1),
            ahead=ahead if need_targets else {},
            shifted=shifted if need_targets else {},
        )

    @property
    def reach(self) -> int:
        """How many steps beyond those of its inputs an example needs."""
        return max(self.ahead.values(), default=0)

    def over_time(self, field: Field) -> bool:
        """Whether an example of the field has steps."""
        return _over_time(field, self.window)

    def steps(self, metadata: Metadata) -> Metadata:
        """The net's fields as a single step has them, without those that follow from others."""
        inputs = tuple(self.step(f) for f in metadata.inputs if not f.counts)
        targets = tuple(self.step(f) for f in metadata.targets if f.name not in self.shifted)
        return replace(metadata, inputs=inputs, targets=targets)

    def step(self, field: Field) -> Field:
        """What one step of a sequence holds of a field."""
        return replace(field, shape=field.shape[1:]) if self.over_time(field) else field

    def cut(self, steps: Mapping[str, Array], sequences: Sequence[Array], where: str) -> dict[str, Array]:
        """The examples of some sequences, each told by its rows among the steps of all."""
        lengths = np.array([len(rows) for rows in sequences])
        whole = {f.name: self._rows(f, steps, where) for f in self.fields if not f.counts}
        if self.window:
            cut = self._windows(whole, sequences, lengths, where)
            counts = np.full(len(next(iter(cut.values()))), self.window)
        else:
            counts = lengths - self.reach
            self._check_lengths(counts, where)
            cut = {f.name: self._whole(f, whole[f.name], sequences, where) for f in self.fields if f.name in whole}
        return {f.name: counts.astype(np.int64) if f.counts else cut[f.name] for f in self.fields}

    def left_out(self, lengths: Array) -> int:
        """How many steps at the ends of sequences are in no window."""
        if not self.window:
            return 0
        numbers = self._numbers(lengths)
        seen = (numbers - 1) * self.stride + self.window + self.reach
        return int(np.where(numbers > 0, lengths - seen, lengths).sum())

    def _rows(self, field: Field, steps: Mapping[str, Array], where: str) -> Array:
        """The steps of a field, which may be those of an input."""
        source = self.shifted.get(field.name)
        return steps[field.name] if source is None else conform(self.step(field), steps[source], where)

    # Windows ----------------------------------------------------------------------------------------------------------

    def _numbers(self, lengths: Array) -> Array:
        """How many windows each sequence has."""
        assert self.window
        return np.maximum(0, (lengths - self.window - self.reach) // self.stride + 1)

    def _windows(
        self, whole: Mapping[str, Array], sequences: Sequence[Array], lengths: Array, where: str
    ) -> dict[str, Array]:
        numbers = self._numbers(lengths)
        if not numbers.any():
            need = f"{plural(self.window or 0, 'step')}{f' and {self.reach} more ahead' if self.reach else ''}"
            message = f"the longest sequence has {plural(int(lengths.max()), 'step')}, and a window needs {need}"
            raise Fault("data-series", message, where, "give more data, or make window= of train smaller")
        fields = [f for f in self.fields if f.name in whole]
        pairs = [(rows, int(n)) for rows, n in zip(sequences, numbers, strict=True) if n]
        return {f.name: _joined([self._of(f, whole[f.name][_slice(r)], n) for r, n in pairs]) for f in fields}

    def _of(self, field: Field, steps: Array, number: int) -> Array:
        """The windows of one sequence, as a view, or the step that belongs to each."""
        assert self.window
        first = self.ahead.get(field.name, 0) + (0 if self.over_time(field) else self.window - 1)
        which = slice(first, first + (number - 1) * self.stride + 1, self.stride)
        if not self.over_time(field):
            return steps[which]
        return np.moveaxis(sliding_window_view(steps, self.window, axis=0)[which], -1, 1)

    # Whole sequences --------------------------------------------------------------------------------------------------

    def _check_lengths(self, counts: Array, where: str) -> None:
        if counts.min() < 1:
            message = f"a sequence has {plural(int(counts.min()) + self.reach, 'step')}, and its target lies"
            raise Fault("data-series", f"{message} {self.reach} ahead", where, "leave such sequences out")
        counted = {f.counts for f in self.fields}
        bare = [f for f in self.fields if self.over_time(f) and f.steps[0] not in counted]
        if bare and counts.min() < counts.max():
            message = f"the sequences have from {counts.min():,} to {plural(int(counts.max()), 'step')}"
            help = f"lengths=true pads them to the longest: input {bare[0].name}: {bare[0].text} lengths=true"
            raise Fault("data-series", f"{message}, and nothing says how many of {bare[0].name} count", where, help)

    def _whole(self, field: Field, steps: Array, sequences: Sequence[Array], where: str) -> Array:
        """A field of whole sequences; shorter ones repeat their last step, which any kind of field may hold."""
        ahead = self.ahead.get(field.name, 0)
        if not self.over_time(field):
            return np.stack([self._one(field, steps[rows], ahead, where) for rows in sequences])
        parts = [steps[rows][ahead : len(rows) - self.reach + ahead] for rows in sequences]
        longest = max(map(len, parts))
        rest = [(0, 0)] * (steps.ndim - 1)
        return np.stack([np.pad(part, [(0, longest - len(part)), *rest], mode="edge") for part in parts])

    def _one(self, field: Field, steps: Array, ahead: int, where: str) -> Array:
        """What a sequence has of a field without steps: its last, ahead of the inputs, or what all of its rows hold."""
        last: Array = steps[len(steps) - 1 - self.reach + ahead]
        other = np.flatnonzero((steps != last).reshape(len(steps), -1).any(axis=1))
        if other.size and not ahead:
            values = " and ".join(str(np.squeeze(value)) for value in (steps[other[0]], last))
            message = f"{field.name} has no steps, and differs within one sequence: {values}"
            raise Fault("data-series", message, where, f"give it steps, as in {field.kind}[T], or one value a sequence")
        return last


def _over_time(field: Field, window: int | None) -> bool:
    """Whether an example of the field has steps: as many as run time says, or as many as a window."""
    return bool(field.shape) and (isinstance(field.shape[0], str) or field.shape[0] == window)


def sequences_of(codes: Array) -> list[Array]:
    """The rows of each sequence, by a code for each row; sequences in the order in which they begin."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])


def _slice(rows: Array) -> slice | Array:
    """Rows that follow one another as a slice, so that nothing is copied."""
    return slice(int(rows[0]), int(rows[-1]) + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
