"""Numbers of steps in arrays of conforming shapes: those that share a name, what windows need, lengths, and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from .errors import Fault, listed, plural
from .fields import Array, indices
from .metadata import Field, Places


def check_steps(fields: Iterable[Field], arrays: Mapping[str, Array], sources: Mapping[str, str]) -> None:
    """Fault where arrays differ in a number of steps that has one name, exceed it, or have too few for their labels."""
    fields = tuple(fields)
    sizes = _sizes(fields, arrays, sources)
    counted = {f.counts: f for f in fields if f.counts}
    for each in counted.values():
        _check_lengths(each, counted, arrays, sizes[each.counts], sources[each.name])
    for each in fields:
        for places in each.aligned:
            _check_labels(each, arrays[each.name], sources[each.name])
            length = counted.get(places.base)
            known = sizes.get(places.base, 0) if length is None else arrays[length.name]
            _check_enough(each, arrays[each.name], places, known, sources[each.name])


def _sizes(fields: Iterable[Field], arrays: Mapping[str, Array], sources: Mapping[str, str]) -> dict[str, int]:
    """How many steps there are by the name of each dimension."""
    sizes: dict[str, tuple[Field, int]] = {}
    for each in fields:
        for name, size in zip(each.shape, arrays[each.name].shape[1:], strict=True):
            if not isinstance(name, str):
                continue
            most = dict(each.longest).get(name, size)
            if size > most:
                message = f"{each.name} has {size} steps, and the net has places for {most}"
                help = "cut it, or give learned_positions more places"
                raise Fault("data-steps", message, sources[each.name], help)
            least = dict(each.shortest).get(name, size)
            if size < least:
                message = f"{each.name} has {plural(size, 'step')}, and the windows of the net need {least}"
                help = "leave such sequences out, or pad them with zeros"
                raise Fault("data-steps", message, sources[each.name], help)
            first, known = sizes.setdefault(name, (each, size))
            if size != known:
                message = f"{first.name} has {known} steps, but {each.name} has {size}, and both are called {name}"
                files = listed(dict.fromkeys((sources[first.name], sources[each.name])))
                raise Fault("data-steps", message, files, "cut or pad them to one length")
    return {name: size for name, (_, size) in sizes.items()}


# Lengths --------------------------------------------------------------------------------------------------------------


def _check_lengths(
    field: Field, counted: Mapping[str, Field], arrays: Mapping[str, Array], longest: int, source: str
) -> None:
    """Fault where a length exceeds the steps that there are, lies in padding, or is too short for windows."""
    lengths = arrays[field.name]
    for at in indices(lengths > longest):
        message = f"{_element(field, at)} is {lengths[at]}, but there are only {longest} steps"
        help = "a length counts the steps of its example, without padding"
        raise Fault("data-steps", message, source, help)
    outer = counted.get(str(field.shape[0])) if field.shape else None
    if outer is not None:
        _check_within(field, outer, arrays, source)
    # Within steps that are padding there is nothing to count.
    least, inner = dict(field.shortest).get(field.counts, 1), bool(field.shape)
    for at in indices((lengths < least) & (lengths >= inner)):
        message = f"{_element(field, at)} is {lengths[at]}, and the windows of the net need {least} steps"
        help = "leave such sequences out, or count some of their padding too"
        raise Fault("data-steps", message, source, help)


def _check_within(inner: Field, outer: Field, arrays: Mapping[str, Array], source: str) -> None:
    """Fault where a step that counts has no steps within it, or one that is padding has some."""
    lengths = arrays[inner.name]
    counts = np.arange(int(lengths.shape[1])) < arrays[outer.name][:, None]
    for at in indices(counts != (lengths > 0)):
        message = f"{_element(inner, at)} is {lengths[at]}, but {outer.name}[{at[0]}] is {arrays[outer.name][at[0]]}"
        help = f"each {inner.shape[0]} that counts has at least one {inner.counts}, and the others have 0"
        raise Fault("data-steps", message, source, help)


# Labels without places ------------------------------------------------------------------------------------------------


def _check_labels(field: Field, labels: Array, source: str) -> None:
    """Fault where the blank, which pads labels, stands before another one."""
    followed = np.cumsum(labels[:, ::-1] > 0, axis=1)[:, ::-1] > 0
    for at in indices(followed & (labels == 0)):
        message = f"{_element(field, at)} is 0, the blank, and a label follows it"
        help = "leave blanks out: the loss finds their places by itself, and 0 only pads what is behind the last label"
        raise Fault("data-value", message, source, help)


def _check_enough(field: Field, labels: Array, places: Places, given: Array | int, source: str) -> None:
    """Fault where an example has fewer steps than its labels need: one each, and one more between equal neighbours."""
    counts = np.count_nonzero(labels, axis=1)
    need = counts + np.count_nonzero((labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] > 0), axis=1)
    before = np.broadcast_to(given, counts.shape)
    steps = places.of(before)
    for (i,) in indices(steps < need):
        has = f"the windows of the net leave example {i} {steps[i]} of {before[i]}"
        has = has if steps[i] < before[i] else f"example {i} has {steps[i]}"
        told = f"{plural(int(counts[i]), 'label')}, which need {plural(int(need[i]), 'step')}"
        help = "leave such examples out, or give them more steps"
        help += ": equal labels side by side need one between them" * bool(need[i] > counts[i])
        raise Fault("data-steps", f"{field.name}[{i}] has {told}, and {has}", source, help)


def _element(field: Field, at: tuple[int, ...]) -> str:
    return f"{field.name}[{', '.join(map(str, at))}]"
