"""The `netc` key of an artifact: its JSON read into records, refused with a fault where it is malformed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from .errors import Fault
from .kinds import KINDS, Array, FieldKind

VERSION = 1

T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True)
class Places:
    """How many steps there are where labels find their places: (base + plus) // over, or `plus` without a base."""

    base: str
    plus: int
    over: int

    def of(self, size: Array) -> Array:
        """The numbers where the base has these sizes, 0 where there is none."""
        return (size + self.plus) // self.over


@dataclass(frozen=True)
class Field:
    """An input or a target: what one example holds under a name."""

    name: str
    kind: str
    # A name stands for a number of steps, which every batch has its own of.
    shape: tuple[int | str, ...]
    classes: int | None = None
    labels: tuple[str, ...] | None = None
    # The steps whose number for each example it tells.
    counts: str = ""
    # The most steps that the net has places for, by name.
    longest: tuple[tuple[str, int], ...] = ()
    # The fewest steps in which its windows find a place, by name.
    shortest: tuple[tuple[str, int], ...] = ()
    # Labels padded with the blank 0 that losses align with steps, and how many steps these are.
    aligned: tuple[Places, ...] = ()

    @property
    def rule(self) -> FieldKind:
        """What its values must be."""
        return KINDS[self.kind]

    @property
    def width(self) -> int:
        """How many numbers one example holds, or one step of it."""
        return math.prod(self.fixed)

    @property
    def fixed(self) -> tuple[int, ...]:
        """The sizes that do not differ from batch to batch."""
        return tuple(d for d in self.shape if isinstance(d, int))

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of those that do."""
        return tuple(d for d in self.shape if isinstance(d, str))

    @property
    def text(self) -> str:
        """The type as the language writes it: `f32[4]`, `class(3)`; of lengths what they tell."""
        if self.counts:
            return f"the number of {' of each '.join([self.counts, *map(str, self.shape)])}"
        domain = f"({self.classes})" if self.rule.ids else ""
        # One number is written without its size, be it of an example or of a step.
        sizes = self.shape[:-1] if self.shape[-1:] == (1,) and len(self.shape) == len(self.steps) + 1 else self.shape
        shape = f"[{', '.join(map(str, sizes))}]" if sizes else ""
        return f"{self.kind}{domain}{shape}"


@dataclass(frozen=True)
class Noise(Field):
    """An input of random numbers, which whoever asks for a prediction draws: by the law "normal" or "uniform"."""

    law: str = "normal"


@dataclass(frozen=True)
class Output:
    """A result of the exported model: a prediction, or a class, label or decision `of` one.

    `threshold` says how a class or a decision is made other than at 1/2 or by the largest probability: its `kind` is
    fixed, tuned (by a `metric`) or costs, its `value` the number, the array or the table.
    """

    name: str
    role: Literal["prediction", "class", "label", "decision"]
    of: str | None = None
    kind: str | None = None
    shape: tuple[int | str, ...] = ()
    labels: tuple[str, ...] | None = None
    threshold: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class DataSource:
    """Where the spec says the examples are; `bind` deals columns or files to fields by hand, or shifts an input.

    Of series, `id` is the column whose values tell which rows are one sequence, `horizon` how many steps on the targets
    lie, and `stride` the way from one window to the next.
    """

    file: str | None
    bind: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    header: bool | None = None
    delimiter: str | None = None
    resize: bool = False
    id: str | int | None = None
    horizon: int | None = None
    stride: int | None = None


@dataclass(frozen=True)
class StepNames:
    """What the inputs and outputs of a step graph are."""

    weights: tuple[str, ...]
    trained: tuple[str, ...]
    state: tuple[str, ...]
    moments: tuple[str, ...]
    draws: Mapping[str, str]
    clock: Mapping[str, str]
    losses: Mapping[str, str]
    next: Mapping[str, str]


@dataclass(frozen=True)
class Metadata:
    """Everything the runtime knows of a net: names, types, settings, and where it came from."""

    name: str
    inputs: tuple[Field, ...]
    targets: tuple[Field, ...]
    outputs: tuple[Output, ...]
    spec_file: str
    spec: str
    spec_sha256: str
    defines: Mapping[str, Any]
    train: Mapping[str, Any]
    data: DataSource | None
    trained: bool
    noises: tuple[Noise, ...] = ()
    step: StepNames | None = None
    netc: str = ""
    # Whether a window went on from the state that the one before it left.
    streams: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """Inputs, then targets."""
        return self.inputs + self.targets

    @property
    def window(self) -> int | None:
        """The steps of the examples that are cut out of a series."""
        return None if self.train.get("window") is None else _size(self.train["window"])

    @staticmethod
    def from_json(text: str, where: str | None = None) -> Metadata:
        """Read the key's text; anything malformed is a Fault `model-foreign`."""
        try:
            return _metadata(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
            raise Fault("model-foreign", f"the `netc` metadata is malformed: {what}", where) from None


def _metadata(raw: Any) -> Metadata:
    top = _dict(raw)
    if top["version"] != VERSION:
        raise ValueError(f"version {top['version']!r}, where this netc reads {VERSION}")
    step = top.get("step")
    return Metadata(
        name=_str(top["name"]),
        inputs=_each(top["inputs"], _field),
        targets=_each(top["targets"], _field),
        outputs=_each(top["outputs"], _output),
        spec_file=_str(top.get("spec_file", "")),
        spec=_str(top.get("spec", "")),
        spec_sha256=_str(top.get("spec_sha256", "")),
        defines=_dict(top.get("defines") or {}),
        train=_dict(top.get("train") or {}),
        data=None if top.get("data") is None else _data(_dict(top["data"])),
        trained=_bool(top.get("trained", False)),
        noises=_each(top.get("noises") or [], _noise),
        step=None if step is None else _step(_dict(step)),
        netc=_str(top.get("netc", "")),
        streams=_bool(top.get("streams", False)),
    )


def _field(raw: Any) -> Field:
    entry = _dict(raw)
    kind = _str(entry["kind"])
    if kind not in KINDS:
        raise ValueError(f"the kind {kind!r} is unknown")
    labels = entry.get("labels")
    labels = None if labels is None else _each(labels, _str)
    classes = entry.get("classes")
    if KINDS[kind].ids:
        classes = _int(classes if classes is not None or labels is None else len(labels))
        if classes < 1 or (labels is not None and len(labels) != classes):
            raise ValueError(f"{entry['name']!r} has {classes} classes and {len(labels or ())} labels")
    longest, shortest = (_bounds(entry.get(key) or {}) for key in ("longest", "shortest"))
    counts, shape = _str(entry.get("counts", "")), _each(entry["shape"], _dim)
    aligned = _each(entry.get("aligned") or [], _places)
    return Field(_str(entry["name"]), kind, shape, classes, labels, counts, longest, shortest, aligned)


def _places(raw: Any) -> Places:
    entry = _dict(raw)
    return Places(_str(entry["base"]), _int(entry["plus"]), _size(entry["over"]))


def _bounds(raw: Any) -> tuple[tuple[str, int], ...]:
    return tuple((name, _size(number)) for name, number in _dict(raw).items())


def _noise(raw: Any) -> Noise:
    law = _str(_dict(raw)["law"])
    if law not in ("normal", "uniform"):
        raise ValueError(f"the law {law!r} is unknown")
    given = _field({**_dict(raw), "kind": {"normal": "f32", "uniform": "unit"}[law]})
    return Noise(given.name, given.kind, given.shape, law=law)


def _output(raw: Any) -> Output:
    entry = _dict(raw)
    role = _str(entry.get("role", "prediction"))
    if role not in ("prediction", "class", "label", "decision"):
        raise ValueError(f"the role {role!r} is unknown")
    of, kind, labels, threshold = entry.get("of"), entry.get("kind"), entry.get("labels"), entry.get("threshold")
    return Output(
        name=_str(entry["name"]),
        role=role,
        of=None if of is None else _str(of),
        kind=None if kind is None else _str(kind),
        shape=_each(entry.get("shape") or [], _dim),
        labels=None if labels is None else _each(labels, _str),
        threshold=None if threshold is None else _dict(threshold),
    )


def _data(entry: Json) -> DataSource:
    file, header, delimiter = entry.get("file"), entry.get("header"), entry.get("delimiter")
    group = entry.get("id")
    return DataSource(
        file=None if file is None else _str(file),
        bind={name: _dict(how) for name, how in _dict(entry.get("bind") or {}).items()},
        header=None if header is None else _bool(header),
        delimiter=None if delimiter is None else _str(delimiter),
        resize=_bool(entry.get("resize", False)),
        id=group if isinstance(group, str | None) else _size(group),
        horizon=None if entry.get("horizon") is None else _size(entry["horizon"]),
        stride=None if entry.get("stride") is None else _size(entry["stride"]),
    )


def _step(entry: Json) -> StepNames:
    return StepNames(
        weights=_each(entry["weights"], _str),
        trained=_each(entry["trained"], _str),
        state=_each(entry["state"], _str),
        moments=_each(entry["moments"], _str),
        draws={key: _str(name) for key, name in _dict(entry["draws"]).items()},
        clock={key: _str(name) for key, name in _dict(entry["clock"]).items()},
        losses={_str(_dict(each)["name"]): _str(_dict(each)["output"]) for each in _each(entry["losses"], _dict)},
        next={key: _str(name) for key, name in _dict(entry["next"]).items()},
    )


def _checked(value: Any, kind: type[T], what: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r:.40} where {what} belongs")
    return value


def _str(value: Any) -> str:
    return _checked(value, str, "a string")


def _int(value: Any) -> int:
    return _checked(value, int, "a whole number")


# The name of a number of steps, or one that windows find in so many: T//2, T-2, (T-3)//4.
_STEPS = re.compile(r"\w+|\w+[+-]\d+|\w+//\d+|\(\w+[+-]\d+\)//\d+")


def _dim(value: Any) -> int | str:
    return value if isinstance(value, str) and _STEPS.fullmatch(value) and not value[0].isdigit() else _size(value)


def _size(value: Any) -> int:
    if _int(value) < 1:
        raise ValueError(f"the size {value}")
    return value


def _bool(value: Any) -> bool:
    return _checked(value, bool, "true or false")


def _dict(value: Any) -> Json:
    return cast(Json, _checked(value, dict, "an object"))


def _each(value: Any, read: Callable[[Any], T]) -> tuple[T, ...]:
    return tuple(read(item) for item in cast("list[Any]", _checked(value, list, "a list")))
