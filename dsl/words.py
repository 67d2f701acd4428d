"""Words: what a user can write, each a typed function; its signature is the options, its docstring the manual."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Protocol

from .ir import Builder, Tensor
from .source import Place
from .types import REAL, Domain, Shape


@dataclass(frozen=True)
class Fresh:
    """A weight about to be drawn: what an initializer sees."""

    builder: Builder
    name: str
    shape: Shape
    fan_in: Tensor
    fan_out: Tensor


@dataclass(frozen=True)
class Init:
    """An initializer with its options: from a Fresh to the weight's first value."""

    text: str
    make: Callable[[Fresh], Tensor]
    # The initializer whose values it changes.
    of: Init | None = None


class Hyperparameter(Tensor):
    """A number among a word's options that prints as a named setting."""

    __slots__ = ("number",)

    def __init__(self, tensor: Tensor, number: float):
        super().__init__(tensor.builder, tensor.value)
        self.number = number


@dataclass(frozen=True)
class Listed:
    """A list of numbers among a schedule's options, and the name of the setting that holds it on the page."""

    numbers: tuple[float, ...]
    name: str


# Options --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """What an option takes: `form` says how its text is read, the rest bounds a number."""

    form: str
    description: str
    low: float = float("-inf")
    high: float = float("inf")
    low_open: bool = False
    high_open: bool = False

    def holds(self, number: float) -> bool:
        """Whether a number lies within the bounds."""
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below


Positive = Annotated[int, Kind("whole", "a whole number of at least 1", 1)]
Real = Annotated[float, Kind("real", "a number")]
NonNegative = Annotated[float, Kind("real", "a number of at least 0", 0)]
PositiveReal = Annotated[float, Kind("real", "a number above 0", 0, low_open=True)]
Unit = Annotated[float, Kind("real", "a number from 0 to below 1", 0, 1, high_open=True)]
Chance = Annotated[float, Kind("real", "a number from 0 to 1", 0, 1)]
Sizes = Annotated[tuple[int, ...], Kind("sizes", "a list of sizes in brackets, such as [28, 28]", 1)]
Axes = Annotated[tuple[int, ...], Kind("sizes", "a list of axes in brackets, such as [1, 0]", 0)]
Index = Annotated[int, Kind("whole", "a whole number of at least 0", 0)]
Flag = Annotated[bool, Kind("flag", "true or false")]
Window = Annotated[tuple[int, ...], Kind("window", "a window such as 3x3, or one size for all axes", 1)]
Strides = Annotated[tuple[int, ...], Kind("window", "a whole number of at least 1, or one for each axis", 1)]
Padding = str | tuple[tuple[int, int], ...]
Pads = Annotated[Padding, Kind("pads", "valid, same, or whole numbers of at least 0, as 1 or [1, 2]", 0)]
CausalPads = Annotated[Padding, Kind("pads", "valid, same, causal, or whole numbers of at least 0, as 1 or [1, 2]", 0)]

# Options of schedules reach the formula as tensors with a name, so that they print as settings.
Small = Annotated[Hyperparameter, Kind("setting", "a number above 0", 0, low_open=True)]
Amount = Annotated[Hyperparameter, Kind("setting", "a number of at least 0", 0)]
Signed = Annotated[Hyperparameter, Kind("setting", "a number")]
Shrinking = Annotated[Hyperparameter, Kind("setting", "a number from 0 to below 1", 0, 1, high_open=True)]
Growth = Annotated[Hyperparameter, Kind("setting", "a number of at least 1", 1)]
Times = Annotated[Listed, Kind("numbers", "a list of numbers of at least 0, such as [0, 5, 10]", 0)]
Values = Annotated[Listed, Kind("numbers", "a list of numbers of at least 0, such as [0.1, 0.05, 0.01]", 0)]

# Options for which a schedule may stand. An updater gets them as tensors; a layer gets the plain number where there is
# no schedule, and a scalar tensor over the clock of training where there is one. Outside of training it gets NaN for a
# schedule and must not use it. The lowering checks that the schedule keeps the bounds for as long as the net trains.
Number = float | Tensor
ScheduledAmount = Annotated[Number, Kind("scheduled", "a number of at least 0, or a schedule", 0)]
ScheduledPositive = Annotated[Number, Kind("scheduled", "a number above 0, or a schedule", 0, low_open=True)]
ScheduledUnit = Annotated[Number, Kind("scheduled", "a number from 0 to below 1, or a schedule", 0, 1, high_open=True)]
Initializer = Annotated[Init, Kind("init", "an initializer")]
# The name of a value, or none.
NamedValue = Annotated[Tensor | None, Kind("value", "the name of a value")]


@dataclass(frozen=True)
class Option:
    """One option of a word or a sentence; `about` says what it does where no word's manual tells."""

    name: str
    kind: Kind
    default: Any
    required: bool
    about: str = ""


@dataclass(frozen=True)
class Word:
    """One word of the vocabulary.

    `prediction` is the domain that a loss or metric needs of the prediction, `class_prediction` what it needs instead
    where the target is classes, `targets` the kinds of target that it takes. `predicts` gives the shape that it needs
    of the prediction, from the usual one and the options, where that is another. `gives` is the name of its result on
    the page. `ids` says that a layer takes the ids of a category, and nothing else, `image` that it takes channels with
    one to three axes behind them, and `recurrent` that it goes over the steps one after the other; a `prefix` takes the
    rest of its link, which is an inner layer. A metric that `decides` looks at decisions rather than probabilities; its
    `score`, of counts tp, fp, fn and tn, is what a threshold may be tuned by. The `kernels` of a solver are the
    functions that its page is given, of which the last moves the weights. A schedule that `watches` the loss is given
    for t how often it has fallen so far. A loss of `features` looks at any value of one axis, which then is no
    prediction of its target; one that `keeps` arrays from step to step is given a Keeper, and one that `aligns` whole
    sequences, whose target has another number of steps, the lengths of the prediction.
    `example` is a use that compiles; tests run every word's.
    """

    kind: str
    name: str
    function: Callable[..., Any]
    example: str
    aliases: tuple[str, ...] = ()
    prediction: Domain = REAL
    class_prediction: Domain | None = None
    predicts: Callable[..., Shape] | None = None
    targets: tuple[str, ...] = ()
    gives: str = ""
    ids: bool = False
    image: bool = False
    recurrent: bool = False
    aligns: bool = False
    prefix: bool = False
    decides: bool = False
    score: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None
    kernels: tuple[Callable[..., Any], ...] = ()
    watches: bool = False
    features: bool = False
    keeps: bool = False
    # The options of a word that a spec defines, which no signature tells.
    table: dict[str, Option] | None = field(default=None, hash=False)

    @property
    def own(self) -> bool:
        """Whether a spec defines it."""
        return self.table is not None

    @property
    def weighted(self) -> bool:
        """Whether it makes weights, which begin as an initializer says."""
        return any(option.kind.form == "init" for option in self.options.values())

    def needs(self, target: str | None) -> Domain:
        """The domain that it needs of a prediction of a kind of target."""
        return self.class_prediction or self.prediction if target == "class" else self.prediction

    @property
    def doc(self) -> str:
        """The manual, its first line the summary."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def _parameters(self) -> list[tuple[inspect.Parameter, Any]]:
        hints = typing.get_type_hints(self.function, include_extras=True)
        return [(p, hints.get(p.name)) for p in inspect.signature(self.function).parameters.values()]

    @cached_property
    def options(self) -> dict[str, Option]:
        """The options in the order in which positional arguments fill them."""
        if self.table is not None:
            return self.table
        return {
            p.name: Option(p.name, kind, None if p.default is p.empty else p.default, p.default is p.empty)
            for p, hint in self._parameters
            if (kind := _kind(hint)) is not None
        }

    @cached_property
    def operands(self) -> tuple[str, ...]:
        """The named values taken besides the current one; the last starts with `*` where any number may.

        One that may be left out starts with `?`.
        """
        tensors = [(p, hint) for p, hint in self._parameters if hint in (Tensor, Tensor | None)]
        marks = ["*" if p.kind is p.VAR_POSITIONAL else "" if hint is Tensor else "?" for p, hint in tensors]
        return tuple(mark + p.name for mark, (p, _) in zip(marks, tensors, strict=True))[1:]

    @property
    def joins(self) -> bool:
        """Whether it needs the name of a value."""
        return bool(self.operands) and not self.operands[0].startswith("?")

    def takes_another(self, count: int) -> bool:
        """Whether one more value can be named after so many."""
        return count < len(self.operands) or any(name.startswith("*") for name in self.operands)


def _kind(hint: Any) -> Kind | None:
    """The Kind in an annotation, also in `Real | None`."""
    for part in (hint, *typing.get_args(hint)):
        for extra in getattr(part, "__metadata__", ()):
            if isinstance(extra, Kind):
                return extra
    return None


# The registry ---------------------------------------------------------------------------------------------------------

WORDS: dict[tuple[str, str], Word] = {}
ALIASES: dict[tuple[str, str], str] = {}


def register(word: Word) -> Word:
    """Add a word; its kind and name must be free."""
    for name in (word.name, *word.aliases):
        assert (word.kind, name) not in WORDS and (word.kind, name) not in ALIASES, (word.kind, name)
    WORDS[word.kind, word.name] = word
    ALIASES.update({(word.kind, alias): word.name for alias in word.aliases})
    return word


def unregister(word: Word) -> None:
    """Take a word out again."""
    del WORDS[word.kind, word.name]
    for alias in word.aliases:
        del ALIASES[word.kind, alias]


def find(kind: str, name: str) -> Word | None:
    """The word of a kind by its name or an alias."""
    return WORDS.get((kind, ALIASES.get((kind, name), name)))


def names(kind: str) -> list[str]:
    """The names of all words of a kind."""
    return [name for k, name in WORDS if k == kind]


def _decorator(kind: str) -> Callable[..., Any]:
    def named(name: str, *, example: str, aliases: tuple[str, ...] = (), **facts: Any) -> Any:
        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            register(Word(kind, name, function, example, aliases, **facts))
            return function

        return add

    return named


layer = _decorator("layer")
activation = _decorator("activation")
loss = _decorator("loss")
updater = _decorator("updater")
schedule = _decorator("schedule")
init = _decorator("init")
metric = _decorator("metric")
solver = _decorator("solver")

# What a word's function may ask of the net under construction ---------------------------------------------------------


@dataclass(frozen=True)
class Inner:
    """The layer that a prefix word was given; its weights get the mark behind their letter."""

    word: Word
    run: Callable[[Tensor, str], Tensor]

    def __call__(self, x: Tensor, mark: str = "") -> Tensor:
        """The layer's value for x."""
        return self.run(x, mark)


class WordError(Exception):
    """A word that cannot be used as it is; the place is that of its use."""

    def __init__(self, code: str, message: str, help: str | None = None):
        super().__init__(message)
        self.code, self.message, self.help = code, message, help


@dataclass(frozen=True)
class Update:
    """What an updater returns: the moved weight, and its new state by name."""

    weight: Tensor
    state: dict[str, Tensor]


class State(Protocol):
    """The updater's memory of one weight."""

    def __call__(self, name: str, first: float = 0.0, scalar: bool = False) -> Tensor:
        """What was kept under a name, an array like the weight or one number in float64; `first` is its first value."""
        ...


@dataclass(frozen=True)
class Clock:
    """When a step happens: `step` counts from 1 over the whole training, `epoch` is fractional; both are float64."""

    step: Tensor
    epoch: Tensor


@dataclass(frozen=True)
class Scheduled:
    """A schedule in the place of a number, with its options; `per` and `warmup` are those of every schedule."""

    word: Word
    options: Mapping[str, Any]
    place: Place = field(compare=False)
    per: str
    warmup: float
