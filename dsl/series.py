"""Data over time: what `window=`, `horizon=`, `stride=`, `id=` and `shift(...)` ask of the fields that they cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import syntax
from .diagnostics import Report, listed
from .net import Field, Net
from .source import Place
from .types import Shape, count

# Options of the sentence data that count or group steps.
OF_STEPS = ("id", "horizon", "stride")


def over_time(field: Field, window: int | None) -> bool:
    """Whether an example of the field has steps: as many as run time says, or as many as a window."""
    return bool(field.shape) and (isinstance(field.shape[0], str) or field.shape[0] == window)


def check_series(
    window: int | None,
    train: syntax.Train | None,
    data: Mapping[str, Any] | None,
    sentence: syntax.Data | None,
    fields: Mapping[str, Field],
    report: Report,
) -> None:
    """Report what cuts or shifts steps where there are none, or steps of another kind."""
    told = [f for f in fields.values() if f.role != "noise" and not f.counts]
    inputs = [f for f in told if f.role == "input"]
    if window and train:
        place = next(option.place for option in train.options if option.key == "window")
        _check_window(window, place, told, report)
    if not data or not sentence:
        return
    places = {option.key: option.place for option in sentence.options if option.key}
    for name in OF_STEPS:
        if data.get(name) is not None and not any(over_time(f, window) for f in inputs):
            help = "a capital letter stands for a number of steps: f32[T, 8]"
            report.error("bad-option", f"{name} is about steps, and no input has any", places[name], help)
        elif name == "stride" and data.get(name) is not None and not window:
            message = "stride is the way from one window to the next, and there are none"
            report.error("bad-option", message, places[name], "add window=64 to train")
    if data.get("horizon") is not None and not any(f.role == "target" for f in told):
        message = "horizon says how far on the target lies, and there is none"
        report.error("bad-option", message, places["horizon"], "take it away")
    for name, how in data["bind"].items():
        if "shift" in how:
            _check_shift(fields[name], how["shift"], window, places[name], fields, report)


def _check_window(window: int, place: Place, fields: list[Field], report: Report) -> None:
    """Every input has as many steps as a window, and one number of them."""
    for field in fields:
        named = [d for d in field.shape if isinstance(d, str)]
        if field.role == "input" and not over_time(field, window):
            message = f"window={window} cuts a series into examples, and {field.name} has no such steps"
            help = f"write f32[T, 8], or f32[{window}, 8]" if field.kind == "f32" else "as in token(65)[T]"
            report.error("bad-option", message, place, help)
        elif len(named) > 1:
            message = f"window={window} is one number of steps, and {field.name} has two, {listed(named)}"
            report.error("bad-option", message, place, "take window= away, and give the examples as arrays")


def _check_shift(
    field: Field, source: str, window: int | None, place: Place, fields: Mapping[str, Field], report: Report
) -> None:
    """A target is an input's step, or its steps, one on."""
    found = fields.get(source)
    if field.role != "target":
        message = f"{field.name} is an input, and shift(...) says what a target is"
        report.error("bad-option", message, place, "give the input its own column or file")
    elif found is None or found.role != "input" or found.counts:
        inputs = listed(f.name for f in fields.values() if f.role == "input" and not f.counts)
        message = f"{source} is not an input, and shift(...) takes one"
        report.error("unknown-name", message, place, f"the inputs are {inputs}")
    elif not over_time(found, window):
        message, help = f"{source} has no steps, so nothing is one on", "as in token(65)[T], or f32[24] with window=24"
        report.error("bad-option", message, place, help)
    elif _differ(field, found, window):
        message = f"{field.name} is {field.text}, which is no step of {source}, {found.text}, nor all of them"
        help = "a target of token(65)[T] is class(65)[T], with the same labels; one of f32[T, 8] is f32[T, 8] or f32[8]"
        report.error("bad-option", message, place, help)


def _differ(target: Field, source: Field, window: int | None) -> bool:
    """Whether a step of the source could not be one of the target."""
    steps = target.shape[:1] != source.shape[:1] if over_time(target, window) else False
    values = target.classes == source.classes and target.labels == source.labels
    return steps or not values or count(_step(target, window)) != count(_step(source, window))


def _step(field: Field, window: int | None) -> Shape:
    return field.shape[1:] if over_time(field, window) else field.shape


def labelled(net: Net, labels: Mapping[str, tuple[str, ...]]) -> Net:
    """The net with the labels that data give to its fields, as the alphabet of a text."""

    def named(field: Field) -> Field:
        return replace(field, labels=labels.get(field.name, field.labels))

    outputs = (replace(o, target=named(o.target)) if o.target else o for o in net.outputs)
    fields = {"inputs": tuple(map(named, net.inputs)), "targets": tuple(map(named, net.targets))}
    return replace(net, outputs=tuple(outputs), **fields)


def overlap(net: Net) -> int:
    """How many rows before those held out would see steps that they predict, where windows are cut in time order.

    Row i is the window that begins at step i * stride. A target for each step lies from its first step on, one for the
    window at its last; either `ahead` of it.
    """
    window, data = net.train["window"], net.data or {}
    if not window or not net.targets:
        return 0
    each = {f.name: over_time(f, window) for f in net.targets}
    ahead = {name: _ahead(data, name) for name in each}
    stride: int = data.get("stride") or (window if any(each.values()) else 1)
    first = min(ahead[name] + (0 if per_step else window - 1) for name, per_step in each.items())
    last = window - 1 + max(ahead.values())
    return (last - first) // stride


def _ahead(data: Mapping[str, Any], target: str) -> int:
    """How many steps on a target lies."""
    shifted = "shift" in data.get("bind", {}).get(target, {})
    return data.get("horizon") or (1 if shifted else 0)
