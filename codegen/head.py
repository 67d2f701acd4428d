"""The head of the emitted trainer: its docstring, its settings, and the numbers that the spec writes down."""

from __future__ import annotations

import textwrap
from typing import Any, cast

from ..dsl.net import Field, Net
from .about import docstring, layer_table, provenance
from .simplify import simplify
from .spelling import WIDTH, digits, quote, wrap


def page_docstring(net: Net, trains: bool) -> str:
    """What the page says of itself: title, origin, use, labels, layers."""
    lines = [f"{net.name}: {net.doc.splitlines()[0] if net.doc else _summary(net)}", ""]
    lines += [*net.doc.splitlines()[1:], ""] if "\n" in net.doc else []
    lines += textwrap.wrap(provenance(net), WIDTH)
    names = ", ".join(f.name for f in (*net.inputs, *net.targets))
    if trains:
        lines += _usage(net.name, names)
    for field in (*net.inputs, *net.targets):
        if field.labels or field.doc:
            lines += ["", *textwrap.wrap(_field_text(field), WIDTH)]
    return docstring([*lines, "", *layer_table(net)])


def settings(net: Net) -> list[tuple[str, str]]:
    """The settings that the page reads, by name, as they are written."""
    names = [k for k, v in net.train.items() if v]
    names.sort(key=["epochs", "batch", "seed", "validation", "early_stop", "clip_norm"].index)
    found = [(name.upper(), digits(net.train[name])) for name in names]
    if "SEED" not in dict(found):
        found.append(("SEED", "0"))
    read = {e.attrs["name"] for e in simplify(net.programs["update"]).equations if e.op.name == "constant"}
    return [*found, *((s.name, digits(_short(s.number))) for s in net.settings if s.name in read)]


def literals(net: Net) -> list[str]:
    """The assignments of the lists of numbers that the spec writes down."""
    found: list[str] = []
    for equation in net.programs["init"].equations:
        if equation.op.name == "literal":
            found += _nested(f"{equation.attrs['name']} = ", equation.attrs["values"].tolist(), 0, "")
    return found


def fields(net: Net) -> list[str]:
    """The assignments of INPUTS and TARGETS."""
    lines = wrap("INPUTS = {", [_range(f) for f in net.inputs], "}")
    lines += wrap("TARGETS = {", [_range(f) for f in net.targets], "}")
    remark = "  # shape, lowest, highest, type"
    if len(lines[0] + remark) > WIDTH:
        return [remark.strip(), *lines]
    return [lines[0] + remark, *lines[1:]]


def some_trained(net: Net) -> list[str]:
    """The names of the trained weights, where these are not all that `init` returns."""
    if len(net.trained) == len(net.weights) and not net.states:
        return []
    if len(net.trained) == 1:
        return [f"TRAINED = ({quote(net.trained[0])},)"]
    return wrap("TRAINED = (", [quote(name) for name in net.trained], ")")


def _short(number: float) -> float | int:
    return int(number) if float(number).is_integer() and abs(number) < 1e15 else number


def _nested(head: str, value: Any, indent: int, tail: str) -> list[str]:
    """A list of numbers as the page's style breaks it."""
    pad = " " * indent
    flat = f"{pad}{head}{_flat(value)}{tail}"
    if len(flat) <= WIDTH or not isinstance(value, list):
        return [flat]
    inner = [line for item in cast("list[Any]", value) for line in _nested("", item, indent + 4, ",")]
    return [f"{pad}{head}[", *inner, f"{pad}]{tail}"]


def _flat(value: Any) -> str:
    if not isinstance(value, list):
        return digits(value)
    return f"[{', '.join(map(_flat, cast('list[Any]', value)))}]"


def _range(field: Field) -> str:
    """The lowest and the highest number that a field may hold, and its type."""
    low, high = (_bound(n) for n in (field.domain.low, field.domain.high))
    low = "1e-45" if field.kind == "positive" else low  # the smallest number above 0
    dtype = "np.int64" if field.kind == "class" else "np.float32"
    shape = ", ".join(map(str, field.shape)) + ("," if len(field.shape) == 1 else "")
    return f"{quote(field.name)}: (({shape}), {low}, {high}, {dtype})"


def _bound(number: float) -> str:
    # The largest numbers that float32 holds stand for no bound at all.
    return {float("-inf"): "-3.4e38", float("inf"): "3.4e38"}.get(number, digits(_short(number)))


def _usage(name: str, names: str) -> list[str]:
    commands = [
        (f"python {name}.py DATA.npz", f"train on the arrays {names}; write {name}.npz"),
        (f"python {name}.py DATA.npz --check", "compare the gradients with differences"),
    ]
    return [f"    {command:<{len(commands[1][0])}}    {what}" for command, what in commands]


def _summary(net: Net) -> str:
    said = ", ".join(o.name for o in net.outputs)
    return f"from {', '.join(f.name for f in net.inputs)} to {said}"


def _field_text(field: Field) -> str:
    parts = [field.name + ":", field.doc.replace("\n", " ")] if field.doc else [field.name + ":"]
    if field.labels:
        parts.append(", ".join(f"{i} {label}" for i, label in enumerate(field.labels)))
    return " ".join(parts)
