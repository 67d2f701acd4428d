"""Words: what a user can write, each a typed function; its signature is the options, its docstring the manual."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol

from .ir import Builder, Tensor
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


class Hyperparameter(Tensor):
    """A number among a word's options that prints as a named setting."""

    __slots__ = ("number",)

    def __init__(self, tensor: Tensor, number: float):
        super().__init__(tensor.builder, tensor.value)
        self.number = number


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
Sizes = Annotated[tuple[int, ...], Kind("sizes", "a list of sizes in brackets, such as [28, 28]", 1)]
Flag = Annotated[bool, Kind("flag", "true or false")]
Per = Annotated[str, Kind("unit", "epoch or step")]

# Options of updaters and schedules reach the formula as tensors, so that they print as named settings.
Rate = Annotated[Tensor, Kind("rate", "a number of at least 0, or a schedule", 0)]
Share = Annotated[Hyperparameter, Kind("setting", "a number from 0 to below 1", 0, 1, high_open=True)]
Small = Annotated[Hyperparameter, Kind("setting", "a number above 0", 0, low_open=True)]
Amount = Annotated[Hyperparameter, Kind("setting", "a number of at least 0", 0)]
Initializer = Annotated[Init, Kind("init", "an initializer")]


@dataclass(frozen=True)
class Option:
    """One option of a word."""

    name: str
    kind: Kind
    default: Any
    required: bool


@dataclass(frozen=True)
class Word:
    """One word of the vocabulary.

    `prediction` is the domain that a loss or metric needs of the prediction, `targets` the kinds of target that it
    takes. `gives` is the name of its result on the page. `example` is a use that compiles; tests run every word's.
    """

    kind: str
    name: str
    function: Callable[..., Any]
    example: str
    aliases: tuple[str, ...] = ()
    prediction: Domain = REAL
    targets: tuple[str, ...] = ()
    gives: str = ""

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
        return {
            p.name: Option(p.name, kind, None if p.default is p.empty else p.default, p.default is p.empty)
            for p, hint in self._parameters
            if (kind := _kind(hint)) is not None
        }

    @cached_property
    def operands(self) -> tuple[str, ...]:
        """The named values taken besides the current one; the last starts with `*` where any number may."""
        tensors = [p for p, hint in self._parameters if hint is Tensor]
        return tuple(("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in tensors[1:])


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

# What a word's function may ask of the net under construction ---------------------------------------------------------


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


@dataclass(frozen=True)
class Clock:
    """When a step happens: `step` counts from 1 over the whole training, `epoch` is fractional."""

    step: Tensor
    epoch: Tensor


Law = Literal["uniform", "normal"]
Learn = Callable[[Tensor], dict[str, Tensor]]


class Context(Protocol):
    """The net that a layer is being added to; `word` is the one that runs, `previous` the one before it."""

    word: str
    previous: str

    @property
    def training(self) -> bool:
        """Whether words that act in training alone, such as dropout, act."""
        ...

    def weight(self, name: str, shape: Shape, init: Initializer, fans: tuple[int, int] | None) -> Tensor:
        """A weight of the current layer."""
        ...

    def learned(
        self, x: Tensor, defaults: dict[str, float], learn: Callable[[Tensor], dict[str, Tensor]]
    ) -> list[Tensor]:
        """Statistics that are learned from the training rows of x."""
        ...

    def draw(self, shape: Shape, law: Law = "uniform") -> Tensor:
        """Random numbers of a shape, fresh at each step of training: uniform in [0, 1), or standard normal."""
        ...


_context: ContextVar[Context] = ContextVar("context")


@contextmanager
def within(context: Context) -> Generator[None]:
    """Run words within a net."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def net() -> Context:
    """The net under construction."""
    return _context.get()


def weight(name: str, shape: Shape, init: Initializer, fans: tuple[int, int] | None = None) -> Tensor:
    """A trained weight of the current layer; `fans` are its numbers of inputs and outputs, by default its two axes."""
    return net().weight(name, shape, init, fans)
