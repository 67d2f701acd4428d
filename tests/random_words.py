"""Random uses of words, by their records alone: an option is written as its kind says."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from netc.dsl import vocabulary
from netc.dsl.evaluate import evaluate
from netc.dsl.ir import Builder
from netc.dsl.settings import moments
from netc.dsl.types import Type
from netc.dsl.words import WORDS, Fresh, Hyperparameter, Init, Kind, Listed, Option, Word, WordError

assert vocabulary.__all__

CONSTANT = WORDS["init", "zeros"]
# How often other options are tried where a word refuses some that are together, before another word is.
TRIES = 30
# Epochs in which a schedule keeps the bounds of what it stands for; no random net trains longer.
EPOCHS = 6
# How near to an end that does not belong to an interval a schedule is sampled.
NEAR = 1e-4


@dataclass(frozen=True)
class Written:
    """A value as a spec writes it, and as a word's function gets it; that of a schedule is NaN, as out of training."""

    text: str
    value: Any


@dataclass(frozen=True)
class Own:
    """A word that the spec defines, as far as its uses need to know it."""

    kind: str
    name: str
    options: dict[str, Option] = field(default_factory=lambda: {}, hash=False)


@dataclass(frozen=True)
class Definition:
    """A sentence that defines something, and what it uses itself."""

    name: str
    text: str
    used: Counter[tuple[str, str]]


@dataclass
class Pen:
    """Writes numbers, options and words; `lets` are the constants that it made up, and `used` counts what it wrote."""

    chance: random.Random
    lets: list[str] = field(default_factory=lambda: [])
    used: Counter[tuple[str, str]] = field(default_factory=lambda: Counter[tuple[str, str]]())
    own: list[Own] = field(default_factory=lambda: [])
    # What the constants of a block are called, which are its parameters.
    stem: str = "c"
    # How many numbers the lists of one use have.
    length: int = 1
    # Whether there is a single loss, which a schedule may watch.
    watched: bool = True

    def maybe(self, share: float) -> bool:
        return self.chance.random() < share

    def count(self, kind: str, name: str) -> None:
        self.used[kind, name] += 1

    # Numbers ----------------------------------------------------------------------------------------------------------

    def number(self, low: float, high: float) -> Written:
        """A number between two bounds, in one of the ways in which it can be written."""
        value = round(self.chance.uniform(low, high), 3)
        value = value if low < value < high else (low + high) / 2
        forms = [f"{value:g}", f"{100 * value:g}%", f"{value:e}"]
        if value > 0:
            forms.append(f"({value / 2:g} + {value / 2:g})")
        return Written(self.named(self.chance.choice(forms)), value)

    def whole(self, low: int, high: int) -> Written:
        value = self.chance.randint(low, high)
        return Written(self.named(str(value)), value)

    def named(self, text: str) -> str:
        """Sometimes the constant goes by a name."""
        if self.maybe(0.9):
            return text
        name = f"{self.stem}{len(self.lets)}"
        self.lets.append(f"{name} = {text}")
        return name

    # Options ----------------------------------------------------------------------------------------------------------

    def option(self, word: Word | Own, option: Option) -> Written:
        """A value that the option takes, as far as its kind tells."""
        write = FORMS.get(option.kind.form)
        assert write, f"{word.name}: how is a {option.kind.form} written?"
        return write(self, option)

    def options(self, word: Word | Own, share: float = 0.4, **given: Written) -> dict[str, Written]:
        """Some of a word's options, and all that it needs; `given` are those of them that are known."""
        # A value of the spec is known, or none.
        options = [o for o in word.options.values() if o.kind.form != "value" or o.name in given]
        wanted = [o for o in options if o.required or o.name in given or self.maybe(share)]
        return {o.name: given.get(o.name) or self.option(word, o) for o in wanted}

    def fitting(self, word: Word, fits: Callable[[dict[str, Any]], bool], **given: Written) -> list[str] | None:
        """Options that are right together, which the word alone knows; None where there seem to be none.

        What it refuses is a WordError, and only such: any other fault of a word is one of the word.
        """
        defaults = {o.name: o.default for o in word.options.values()}
        for _ in range(TRIES):
            before, used = len(self.lets), self.used.copy()
            self.length = self.chance.randint(1, 4)
            found = self.options(word, self.chance.choice((0.2, 0.6)), **given)
            try:
                if fits(defaults | {name: w.value for name, w in found.items()}):
                    return self.write(word, found)
            except WordError:
                pass
            del self.lets[before:]
            self.used = used
        return None

    def write(self, word: Word | Own, options: dict[str, Written], named: bool = False) -> list[str]:
        """The options of a use that stands, the first sometimes by its place unless all are to be `named`."""
        self.count(word.kind, word.name)
        for name in options:
            self.count("option", f"{word.name}.{name}")
        texts = [f"{name}={w.text}" for name, w in options.items()]
        # An option without its name fills the first place.
        if texts and not named and next(iter(word.options)) == next(iter(options)) and self.maybe(0.4):
            texts[0] = texts[0].partition("=")[2]
        return texts

    # Words that stand for a number ------------------------------------------------------------------------------------

    def called(self, word: Word | Own, options: list[str]) -> str:
        return f"{word.name}({', '.join(options)})" if options else word.name

    def schedule(self, kind: Kind) -> str:
        """A schedule that keeps within the bounds of what it stands for."""
        own = [o for o in self.own if o.kind == "schedule"]
        if own and self.maybe(0.5):
            word = self.chance.choice(own)
            # Its own formula keeps within the rate, which it is given.
            rate = self.number(max(kind.low, 0.001), min(kind.high, 0.5))
            return self.called(word, self.write(word, {"rate": rate}))
        # What grows from 0 begins there.
        shared = [f"warmup={self.number(0.5, 4).text}"] if kind.holds(0.0) and self.maybe(0.2) else []
        per = [f"per={self.chance.choice(('epoch', 'step'))}"] if self.maybe(0.3) else []
        for _ in range(TRIES):
            words = [w for w in WORDS.values() if w.kind == "schedule" and (self.watched or not w.watches)]
            word = self.chance.choice(words)
            options = self.fitting(word, lambda values, word=word: keeps(word, values, kind))
            if options is not None:
                # What watches the loss counts how often it has fallen, and no steps.
                shared += per if not word.watches else []
                return self.called(word, [*options, *(o for o in shared if o.partition("=")[0] not in word.options)])
        raise AssertionError(f"no schedule keeps within {kind.description}")

    def initializer(self, option: Option) -> Written:
        """An initializer by name, with options, or as a number; those that a weight refuses are not used there."""
        own = [o for o in self.own if o.kind == "init"]
        if own and self.maybe(0.2):
            word = self.chance.choice(own)
            return Written(self.called(word, self.write(word, self.options(word))), Init(word.name, CONSTANT.function))
        if self.maybe(0.1):
            return Written(self.number(-0.5, 0.5).text, Init("number", CONSTANT.function))
        words = [w for w in WORDS.values() if w.kind == "init"]
        word = self.chance.choices(words, [rarity(w) for w in words])[0]
        kept: dict[str, Any] = {}

        def fits(values: dict[str, Any]) -> bool:
            kept.update(values)
            word.function(fresh((3, 3)), **values)
            return True

        options = self.fitting(word, fits)
        assert options is not None, word.name
        return Written(self.called(word, options), Init(word.name, lambda w: word.function(w, **kept)))


def fresh(shape: tuple[int, ...], name: str = "W") -> Fresh:
    """A weight that is not part of any net."""
    builder = Builder()
    fans = (builder.constant(float(n), "f64") for n in (shape[0], shape[-1]))
    return Fresh(builder, name, shape, *fans)


@cache
def rarity(word: Word) -> int:
    """How much more often an initializer is tried, so that one that few shapes suit is not rare."""
    refused = 0
    for shape in ((2, 3), (3,)):
        try:
            word.function(
                fresh(shape), **{o.name: 1 if o.default is None else o.default for o in word.options.values()}
            )
        except WordError:
            refused += 1
    return 1 + 4 * refused


def keeps(word: Word, options: dict[str, Any], kind: Kind) -> bool:
    """Whether a schedule stays within bounds, of epochs and of steps, for as long as any random net trains.

    It is told by computing it: the lowering refuses those that leave the bounds.
    """
    builder = Builder()
    t = builder.input("clock", "t", Type("f64", ()))
    given = {name: _setting(builder, name, value) for name, value in options.items()}
    program = builder.program("schedule", {"value": word.function(t, **given)})
    steps, epochs = moments(EPOCHS, [])
    values = evaluate(program, {"t": np.concatenate([steps, epochs])})["value"]
    # Between two moments it may come a little nearer to an end.
    low, high = kind.low + NEAR * kind.low_open, kind.high - NEAR * kind.high_open
    return bool(np.all(np.isfinite(values) & (values >= low) & (values <= high)))


def _setting(builder: Builder, name: str, value: Any) -> Any:
    if isinstance(value, tuple | list):
        return Listed(tuple(map(float, value)), name.upper())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return Hyperparameter(builder.constant(float(value), "f64", name), float(value))


# How each form is written ---------------------------------------------------------------------------------------------


def _real(pen: Pen, option: Option) -> Written:
    return pen.number(max(option.kind.low, -2.0), min(option.kind.high, 2.0))


def _scheduled(pen: Pen, option: Option) -> Written:
    """A rate, a share or a size; in a third of the cases a schedule of such."""
    kind = option.kind
    if pen.maybe(0.3):
        return Written(pen.schedule(kind), math.nan)
    return pen.number(0.001, 0.1) if option.name == "lr" else pen.number(max(kind.low, 0.0), min(kind.high, 0.7))


def _setting_of(pen: Pen, option: Option) -> Written:
    low = max(option.kind.low, 0.05) if option.kind.low >= 0 else -1.0
    return pen.number(low, max(2 * low, 1.0))


def _numbers(pen: Pen, option: Option) -> Written:
    """Numbers that rise from the lowest, as times do, or fall to it."""
    value = [0.0, *sorted(round(pen.chance.uniform(0.05, 0.6), 3) for _ in range(pen.length - 1))]
    value = [option.kind.low + v for v in (value if pen.maybe(0.5) else [v + 0.01 for v in value[::-1]])]
    return Written(str(value), tuple(value))


def _flag(pen: Pen, option: Option) -> Written:
    value = pen.maybe(0.5)
    return Written(str(value).lower(), value)


def _sizes(pen: Pen, option: Option) -> Written:
    """Sizes or places in brackets; which of them fit only the word knows."""
    value = tuple(pen.chance.randint(int(option.kind.low), 3) for _ in range(pen.chance.randint(1, 3)))
    return Written(str(list(value)), value)


def _window(pen: Pen, option: Option) -> Written:
    """One size for all axes, or one for each in brackets or with x between; how many axes there are the word knows."""
    value = tuple(pen.chance.randint(int(option.kind.low), 3) for _ in range(pen.chance.randint(1, 3)))
    text = "x".join(map(str, value)) if pen.maybe(0.7) else str(list(value))
    return Written(text, value)


def _pads(pen: Pen, option: Option) -> Written:
    """A word, one pad, one for each axis, or pairs, before and behind."""
    named = [name for name in ("valid", "same", "causal") if name in option.kind.description]
    if named and pen.maybe(0.5):
        name = pen.chance.choice(named)
        return Written(name, name)
    pairs = tuple((pen.chance.randint(0, 2), pen.chance.randint(0, 2)) for _ in range(pen.chance.randint(1, 3)))
    if pen.maybe(0.5):
        return Written(str([list(pair) for pair in pairs]), pairs)
    sizes = [before for before, _ in pairs]
    return Written(str(sizes if len(sizes) > 1 else sizes[0]), tuple((size, size) for size in sizes))


def _choice(pen: Pen, option: Option) -> Written:
    name = pen.chance.choice(re.split(", | or ", option.kind.description))
    return Written(name, name)


FORMS: dict[str, Callable[[Pen, Option], Written]] = {
    "real": _real,
    "number": _real,
    "scalar": _real,
    "whole": lambda pen, option: pen.whole(int(option.kind.low), pen.chance.choice((2, 6))),
    "flag": _flag,
    "sizes": _sizes,
    "scheduled": _scheduled,
    "setting": _setting_of,
    "numbers": _numbers,
    "window": _window,
    "pads": _pads,
    "choice": _choice,
    "init": Pen.initializer,
}
