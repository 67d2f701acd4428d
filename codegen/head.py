"""The head of the emitted trainer: its docstring, its settings, and the numbers that the spec writes down."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..dsl.constraints import CONSTRAINTS
from ..dsl.derived_steps import derived, spaced
from ..dsl.longest import aligned, longest, shortest
from ..dsl.net import Field, Net
from ..dsl.section import Use
from ..dsl.series import overlap
from .about import docstring, layer_table, provenance
from .gradients import NORMALISATIONS
from .repeats import arrays
from .simplify import simplify
from .spelling import WIDTH, digits, quote, wrap

# The settings of training that the page reads and that are one number each, in its order.
SETTINGS = ("epochs", "batch", "seed", "validation", "early_stop", *NORMALISATIONS)


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
    found = [(name.upper(), digits(net.train[name])) for name in SETTINGS if net.train[name]]
    if "SEED" not in dict(found):
        found.append(("SEED", "0"))
    if net.train["validation"] and overlap(net):
        found.append(("OVERLAP", str(overlap(net))))
    read = _read(net)
    found += [(s.name, _written(s.name, s.number)) for s in net.settings if s.name in read]
    fixed = [o.threshold for o in net.outputs if o.threshold and o.threshold.setting in read]
    found += [(t.setting, digits(t.number)) for t in fixed if t.number is not None]
    return [*found, *_tables(net), *constraints(net), *_plateaus(net)]


def _read(net: Net) -> set[str]:
    """The names of the settings that updates and losses read."""
    keys = [*(each.key for each in (*net.updaters, *net.losses)), "metrics"]
    named = [e for key in keys for e in simplify(net.programs[key]).equations if e.attrs.get("name")]
    read = {e.attrs["name"] for e in named} | {f"{e.attrs['name']}_AT" for e in named if e.op.name == "stairs"}
    read |= {setting.name for mover in net.movers if mover.solver for setting in mover.settings}
    return read | {own.setting for updater in net.updaters for own in updater.owns}


def _written(name: str, number: float | tuple[float, ...]) -> str:
    if not isinstance(number, tuple):
        return digits(_short(number))
    return "\n".join(wrap(f"{name} = [", [digits(_short(n)) for n in number], "]")).removeprefix(f"{name} = ")


def _tables(net: Net) -> list[tuple[str, str]]:
    """The tables of what weights have of their own."""
    tables = {own.table: own.name for updater in net.updaters for own in updater.owns}
    found: list[tuple[str, str]] = []
    for table, name in tables.items():
        given = {w: getattr(net.weights[w], name) for w in net.trained}
        entries = [f"{quote(w)}: {digits(_short(n))}" for w, n in given.items() if n is not None]
        found.append((table, "\n".join(wrap(f"{table} = {{", entries, "}")).removeprefix(f"{table} = ")))
    return found


def _plateaus(net: Net) -> list[tuple[str, str]]:
    """The table of what falls when the loss stays where it is, with the options of each."""
    if not net.plateaus:
        return []
    read, lines = _read(net), ["{"]
    for plateau in net.plateaus:
        lines.append(f"    {quote(plateau.name)}: {{")
        for option, number in plateau.options.items():
            setting = plateau.settings.get(option)
            lines.append(f"        {quote(option)}: {setting if setting in read else digits(_short(number))},")
        lines.append("    },")
    return [("PLATEAUS", "\n".join([*lines, "}"]))]


def constraints(net: Net) -> list[tuple[str, str]]:
    """The tables of what weights satisfy after each step."""
    found: list[tuple[str, str]] = []
    for name in CONSTRAINTS:
        asked = {w: net.weights[w].constraints[name] for w in net.trained if name in net.weights[w].constraints}
        if not asked:
            continue
        flags = all(value is True for value in asked.values())
        entries = [quote(w) if flags else f"{quote(w)}: {_constraint(value)}" for w, value in asked.items()]
        found.append((name.upper(), "\n".join(wrap(f"{name.upper()} = {{", entries, "}")).partition(" = ")[2]))
    return found


def _constraint(value: float | tuple[float, ...]) -> str:
    return f"({', '.join(digits(_short(v)) for v in value)})" if isinstance(value, tuple) else digits(_short(value))


def literals(net: Net) -> list[str]:
    """The assignments of the lists of numbers that the spec writes down."""
    found: list[str] = []
    if net.trains and net.train["class_weight"]:
        found += _nested("CLASS_WEIGHT = ", list(map(_short, net.train["class_weight"])), 0, "")
    for equation in net.programs["init"].equations:
        if equation.op.name == "literal":
            found += _nested(f"{equation.attrs['name']} = ", equation.attrs["values"].tolist(), 0, "")
    for output in [o for o in net.outputs if o.threshold and net.trains]:
        assert output.threshold is not None
        if output.threshold.costs and output.threshold.setting in _read(net):
            costs = [[_short(cost) for cost in row] for row in output.threshold.costs]
            found += _nested(f"{output.threshold.setting} = ", costs, 0, "")
    return found


def fields(net: Net) -> list[str]:
    """The assignments of INPUTS and TARGETS."""
    least = shortest(net)
    lines = wrap("INPUTS = {", [_range(f, least) for f in net.inputs], "}")
    lines += wrap("TARGETS = {", [_range(f, least) for f in net.targets], "}")
    remark = "  # shape, lowest, highest, type"
    if len(lines[0] + remark) > WIDTH:
        return [remark.strip(), *lines]
    return [lines[0] + remark, *lines[1:]]


def checked(net: Net) -> list[str]:
    """The assignments of what `load` checks besides types and bounds."""
    fewest = [f"{quote(name)}: {least}" for name, least in needed(net).items()]
    windows = wrap("SHORTEST = {", fewest, "}") if fewest else []
    return [*_named("WHOLE", whole(net)), *_named("SHARES", shares(net)), *windows, *_steps(net)]


def _steps(net: Net) -> list[str]:
    """The tables of how many steps there may be, and of what tells how many of them count."""
    most = [f"{quote(name)}: {size}" for name, size in longest(net).items()]
    counts = [f"{quote(f.name)}: {quote(f.counts)}" for f in lengths(net)]
    inner = [f"{quote(f.name)}: ({quote(outer)}, {least})" for f, outer, least in inner_lengths(net)]
    tables = {"LONGEST": most, "LENGTHS": counts, "INNER_LENGTHS": inner}
    return [line for name, entries in tables.items() if entries for line in wrap(f"{name} = {{", entries, "}")]


def lengths(net: Net) -> list[Field]:
    """The inputs that tell how many steps count."""
    return [field for field in net.inputs if field.counts]


def inner_lengths(net: Net) -> list[tuple[Field, str, int]]:
    """The lengths within steps, each with what tells how many of these count, and the least of those that do."""
    outer, least = {f.counts: f.name for f in lengths(net)}, shortest(net)
    return [(f, outer[f.steps], least.get(f.counts, 1)) for f in lengths(net) if f.steps]


def needed(net: Net) -> dict[str, int]:
    """The fewest steps in which windows find a place, by name, where one step is not enough."""
    return {name: least for name, least in shortest(net).items() if least > 1}


def labels(net: Net) -> list[tuple[str, str]]:
    """The targets whose labels have no places among steps, and how many of these there are, as the page spells it."""
    told = {f.counts: f"data[{quote(f.name)}]" for f in lengths(net) if not f.steps}
    found: list[tuple[str, str]] = []
    for name, dim in aligned(net):
        steps = derived(dim)
        given = steps and steps._replace(base=told.get(steps.base, f"steps[{quote(steps.base)}]"))
        found.append((name, spaced(given.name) if given else str(dim)))
    return found


def whole(net: Net) -> list[str]:
    """The names of the fields whose floating-point numbers have to be whole."""
    return [f.name for f in (*net.inputs, *net.targets) if f.domain.whole and f.type.dtype == "f32"]


def shares(net: Net) -> list[str]:
    """The names of the fields whose numbers have to sum to 1."""
    return [f.name for f in (*net.inputs, *net.targets) if f.domain.simplex is not None]


def some_trained(net: Net) -> list[str]:
    """The names of the trained weights, where these are not all that `init` returns."""
    if len(net.trained) == len(net.weights) and not net.states:
        return []
    forms: dict[tuple[str, tuple[str, ...]], list[Use]] = {}
    for use, names in arrays(net).items():
        own = tuple(name for name, full in names.items() if full in net.trained)
        if own and re.fullmatch(rf"{use.block}_?\d+", use.path[0]):
            forms.setdefault((use.block, own), []).append(use)
    several = {form: uses for form, uses in forms.items() if len(uses) > 1}
    inside = {f"{use.path[0]}_{name}" for (_, own), uses in several.items() for use in uses for name in own}
    lines = [line for number, form in enumerate(several, 1) for line in _rows(f"TRAINED_{number}", form[1])]
    lines += _rows("TRAINED", [name for name in net.trained if name not in inside])
    return [*lines, *(line for found in enumerate(several.values(), 1) for line in _of_uses(*found))]


def _rows(constant: str, names: Sequence[str]) -> list[str]:
    """The assignment of a tuple of names, and those that add more, of as many as fit on a line."""
    rows: list[list[str]] = [[]]
    for name in names:
        if rows[-1] and len(_row(constant, "+=", [*rows[-1], name])) > WIDTH:
            rows.append([])
        rows[-1].append(name)
    return [_row(constant, "+=" if i else "=", row) for i, row in enumerate(rows)]


def _row(constant: str, sign: str, names: list[str]) -> str:
    return f"{constant} {sign} ({', '.join(map(quote, names))}{',' if len(names) == 1 else ''})"


def _of_uses(number: int, uses: list[Use]) -> list[str]:
    """The assignment that adds the names of the trained weights in all uses of one form of a block."""
    stem = re.sub(r"\d+$", "", uses[0].path[0])
    numbers = sorted(int(use.path[0].removeprefix(stem)) for use in uses)
    run = numbers == list(range(numbers[0], numbers[-1] + 1))
    given = f"range({numbers[0]}, {numbers[-1] + 1})" if run else f"({', '.join(map(str, numbers))})"
    return wrap("TRAINED += tuple(", [f'f"{stem}{{i}}_{{own}}" for i in {given} for own in TRAINED_{number}'], ")")


def _named(constant: str, names: Sequence[str]) -> list[str]:
    """The assignment of a tuple of names; nothing of none."""
    items = [*map(quote, names)]
    return wrap(f"{constant} = (", items, ",)" if len(items) == 1 else ")") if items else []


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


def _range(field: Field, least: Mapping[str, int]) -> str:
    """The lowest and the highest number that a field may hold, and its type; `least` are the fewest steps."""
    # Lengths within steps are 0 where such a step is padding.
    fewest = -math.inf if field.steps else least.get(field.counts, -math.inf)
    low, high = (_bound(n) for n in (max(field.domain.low, fewest), field.domain.high))
    low = "1e-45" if field.kind == "positive" else low  # the smallest number above 0
    dtype = _DTYPES[field.type.dtype]
    sizes = [quote(d) if isinstance(d, str) else str(d) for d in field.shape]
    shape = ", ".join(sizes) + ("," if len(sizes) == 1 else "")
    return f"{quote(field.name)}: (({shape}), {low}, {high}, {dtype})"


_DTYPES = {"f32": "np.float32", "i64": "np.int64", "u8": "np.uint8"}


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
    return f"from {', '.join(f.name for f in net.given)} to {said}"


def _field_text(field: Field) -> str:
    parts = [field.name + ":", field.doc.replace("\n", " ")] if field.doc else [field.name + ":"]
    if field.labels:
        parts.append(", ".join(f"{i} {label}" for i, label in enumerate(field.labels)))
    return " ".join(parts)
