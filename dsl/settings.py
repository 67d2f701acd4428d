"""Settings: the numbers of updaters and layers that the page shows by name, and the schedules that stand for some."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from . import ops
from .constraints import CONSTRAINTS
from .courses import Course, Setting
from .ir import Builder, Tensor
from .plateau import Plateau
from .scope import Scope
from .train_sentence import NORMALISATIONS
from .types import Domain, Type
from .words import Clock, Hyperparameter, Kind, Listed, Option, Scheduled, WordError

# Names that the page gives to other things.
RESERVED = {
    *("NAME", "INPUTS", "TARGETS", "TRAINED", "LOSSES", "WHOLE", "SHARES"),
    *("SHORTEST", "LONGEST", "LENGTHS", "INNER_LENGTHS"),
    *("EPOCHS", "BATCH", "SEED", "VALIDATION", "OVERLAP", "EARLY_STOP"),
    *("CLASS_WEIGHT", "LR_SCALES", "WEIGHT_DECAYS", "PLATEAUS"),
    *(name.upper() for name in (*NORMALISATIONS, *CONSTRAINTS)),
}
# Moments at which a schedule is looked at before it is accepted, and the last step of them.
MOMENTS, LAST_STEP = 2000, 1e9


# The clock of a schedule, and where it begins.
TIMES = {"step": Domain(low=1.0, low_open=False), "epoch": Domain(low=0.0, low_open=False)}
# How often a schedule that watches the loss has fallen.
DROPS = Domain(low=0.0, low_open=False, whole=True)


@dataclass(frozen=True)
class Labels:
    """The names of settings that are given already."""

    taken: set[str]

    @classmethod
    def fresh(cls) -> Labels:
        """None but those of the page's own."""
        return cls(set(RESERVED))

    def give(self, label: str) -> str:
        """A label, or one like it that is free."""
        while label in self.taken:
            label += "_"
        self.taken.add(label)
        return label

    def stem(self, label: str, ends: Iterable[str]) -> str:
        """A label, or one like it, that is free with each of some ends, since those belong together."""
        ends = list(ends)
        while any(label + end in self.taken for end in ends):
            label += "_"
        return label


class Settings:
    """The settings of one program under construction; `epochs` is for how long the net trains."""

    def __init__(self, builder: Builder, scope: Scope, epochs: float, labels: Labels):
        self.builder, self.scope, self.epochs, self.labels = builder, scope, epochs, labels
        self.found: list[Setting] = []
        self.courses: list[Course] = []
        self._scheduled: dict[Any, Tensor] = {}
        self._clock: Clock | None = None

    @property
    def clock(self) -> Clock:
        """The clock of the program, whose inputs are made where it is first asked for."""
        if self._clock is None:
            step = self.builder.input("clock", "step", Type("i64", (), Domain(low=1.0, low_open=False, whole=True)))
            epoch = self.builder.input("clock", "epoch", Type("f64", (), Domain(low=0.0, low_open=False)))
            self._clock = Clock(ops.cast(step, dtype="f64"), epoch)
        return self._clock

    def number(self, label: str, number: float) -> Hyperparameter:
        """A number under a name."""
        return self._number(self.builder, label, number)

    def scheduled(self, label: str, given: Scheduled, kind: Kind) -> Tensor:
        """The value of a schedule; its numbers have names that begin with the label, unless it was met before."""
        key = given.place, tuple(given.options.items()), given.per, given.warmup
        if key not in self._scheduled:
            course = self._course(label, given)
            self._check(course, given, kind)
            self.courses.append(course)
            times = {"step": self.clock.step, "epoch": self.clock.epoch}
            if course.plateau:
                drops = self.builder.input("clock", course.plateau.clock, Type("i64", (), DROPS))
                times["drops"] = ops.cast(drops, dtype="f64")
            self._scheduled[key] = self.builder.inline(course.program, times)["value"]
        return self._scheduled[key]

    def _number(self, builder: Builder, label: str, number: float) -> Hyperparameter:
        label = self.labels.give(label)
        self.found.append(Setting(label, number))
        return Hyperparameter(builder.constant(number, "f64", label), number)

    def _course(self, label: str, given: Scheduled) -> Course:
        place = given.place
        if given.word.watches and given.per == "step":
            message = f"{given.word.name} looks at the loss at the end of each epoch, and so cannot count steps"
            raise self.scope.fail("bad-option", message, place, "take per=step away; warmup= counts epochs here")
        builder = Builder(origin=(place,))
        clock = Clock(*(builder.input("clock", name, Type("f64", (), domain)) for name, domain in TIMES.items()))
        t = clock.step if given.per == "step" else clock.epoch
        counted = builder.input("clock", "drops", Type("f64", (), DROPS)) if given.word.watches else t
        kinds = given.word.options
        label = self.labels.stem(label, map(_end, given.options))
        options = {name: self._option(builder, label, kinds[name], value) for name, value in given.options.items()}
        try:
            value: Tensor = given.word.function(counted, **options)
        except WordError as error:
            raise self.scope.fail(error.code, error.message, place, error.help) from None
        if given.warmup:
            value = value * ops.minimum(t / self._number(builder, f"{label}_WARMUP", given.warmup), 1)
        text = " ".join(place.source.text[place.start : place.end].split())
        plateau = _plateau(options, builder) if given.word.watches else None
        return Course(label, text, given.per, builder.program("schedule", {"value": value}), plateau)

    def _option(self, builder: Builder, label: str, option: Option, value: Any) -> Any:
        """An option of a schedule as its formula gets it; the first, the value itself, has the label alone."""
        label += _end(option.name)
        if isinstance(value, tuple):
            name = self.labels.give(label)
            numbers = cast("tuple[float, ...]", value)
            self.found.append(Setting(name, numbers))
            return Listed(numbers, name)
        return self._number(builder, label, value) if option.kind.form == "setting" else value

    def _check(self, course: Course, given: Scheduled, kind: Kind) -> None:
        """Refuse a schedule that leaves the bounds of its option while the net trains."""
        steps, epochs = moments(self.epochs, self.found)
        values = course.at(steps, epochs)
        bad = [i for i, value in enumerate(values) if not (kind.holds(value) and math.isfinite(value))]
        if bad:
            at, when = values[bad[0]], f"epoch {epochs[bad[0]]:.4g}"
            when = f"step {steps[bad[0]]:.0f}" if course.per == "step" else when
            message = f"{course.name} is {kind.description}; this one gives {at:.4g} in {when}"
            raise self.scope.fail("bad-option", message, given.place, "keep it within these bounds all along")


def _end(option: str) -> str:
    """What the label of a schedule's option ends in."""
    return "" if option == "rate" else f"_{option.upper()}"


def _plateau(options: Mapping[str, Any], builder: Builder) -> Plateau:
    """What a schedule that watches the loss goes by; it is called by the setting that it stands for."""
    constants = {e.result: e.attrs["name"] for e in builder.equations if e.op.name == "constant"}
    settings = {name: constants[o.value] for name, o in options.items() if isinstance(o, Hyperparameter)}
    numbers = {name: o.number if isinstance(o, Hyperparameter) else o for name, o in options.items()}
    return Plateau(settings["rate"].lower(), numbers, settings)


def moments(epochs: float, settings: Iterable[Setting]) -> tuple[Any, Any]:
    """Steps and epochs side by side: evenly over the training, and at all numbers of the settings that may be times."""
    numbers = {n for s in settings for n in (s.number if isinstance(s.number, tuple) else (s.number,))}
    marks = [n for n in numbers if 0 <= n < epochs]
    by_epoch = np.sort([*np.linspace(0, epochs, MOMENTS, endpoint=False), *marks])
    by_step = np.geomspace(1, LAST_STEP, len(by_epoch)).round()
    return by_step, by_epoch
