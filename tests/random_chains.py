"""Random chains: words that fit after a value, by what the words themselves say, uses of bodies, repeat and if."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from netc.dsl.constraints import CONSTRAINTS
from netc.dsl.context import within
from netc.dsl.examples import FLAT
from netc.dsl.ir import Builder, Tensor
from netc.dsl.types import REAL, SIMPLEX, Type, pieces
from netc.dsl.universal import OF_BIASES, OF_MOVING, UNIVERSAL
from netc.dsl.words import WORDS, Init, Word, WordError
from random_scratch import Scratch
from random_words import Own, Pen, Written, fresh

if TYPE_CHECKING:
    from random_bodies import Body

# What has many options, or fits few values, is tried more often, so that nothing is rare.
OFTEN = {"repeat_like": 9, "learned_positions": 6, "rnn": 6, "random_crop": 6}
LINKS = [w for w in WORDS.values() if w.kind in ("layer", "activation")]
LINKS = [w for w in LINKS for _ in range(OFTEN.get(w.name) or 1 + len(w.options) // 3)]
# An example of a random net holds so many numbers at most.
LARGEST = 64
# Those of several options that exclude each other: a layer has one norm.
NORMS = ("max_norm", "min_max_norm", "unit_norm")
GIVEN = {"min_max_norm": "[0.5, 2]", "max_norm": "1.5"}


@dataclass(frozen=True)
class Value:
    """A value of the spec: its type, whether weights or noise stand before it, and where its features are, if told.

    `leans` is the word that took the last of its two axes for features where nothing said so.
    """

    name: str
    type: Type
    weighted: bool = False
    channels: bool | None = None
    leans: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(d for d in self.type.shape if isinstance(d, int))

    @property
    def whole(self) -> bool:
        """Whether it is of whole examples of a known size."""
        return self.type.shape == ("N", *self.shape)


@dataclass
class Chains:
    """Chains under construction; `values` are the named values, of which those in `unused` still have to be used."""

    pen: Pen
    values: dict[str, Value] = field(default_factory=lambda: {})
    unused: list[str] = field(default_factory=lambda: [])
    names: int = 0
    bodies: list[Body] = field(default_factory=lambda: [])
    # Words of the body of a part or block, where nothing may be learned, and where no name is given twice.
    inside: bool = False
    # What layers ask of the updater, and the names that `name=` gave, with the value that stands behind each.
    asked: set[str] = field(default_factory=lambda: set[str]())
    layers: list[str] = field(default_factory=lambda: [])

    def fresh(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"

    # Links ------------------------------------------------------------------------------------------------------------

    def links(self, value: Value, count: int) -> tuple[list[str], Value]:
        found: list[str] = []
        for _ in range(count):
            more, value = self.link(value)
            found += more
        return found, value

    def link(self, value: Value) -> tuple[list[str], Value]:
        """Words that can stand after a value, and what they give."""
        own = [o for o in self.pen.own if o.kind in ("layer", "activation")]
        if own and value.type.dtype == "f32" and self.pen.maybe(0.3):
            return self.own_link(self.pen.chance.choice(own), value)
        fitting = [body for body in self.bodies if body.other is None or self.given(body.other)]
        if fitting and value.type.dtype == "f32" and value.whole and self.pen.maybe(0.25):
            return self.body_link(self.pen.chance.choice(fitting), value)
        while True:
            found = self.word_link(self.pen.chance.choice(LINKS), value)
            if found:
                return found

    def flat(self, value: Value) -> tuple[list[str], Value]:
        """An axis of features, behind flatten where there are more."""
        if len(value.shape) == 1:
            return [], value
        self.pen.count("layer", "flatten")
        return ["flatten"], Value(value.name, Type("f32", ("N", math.prod(value.shape))), value.weighted)

    def own_link(self, word: Own, value: Value) -> tuple[list[str], Value]:
        before: list[str] = []
        if word.kind == "layer":
            before, value = self.flat(value)
        options = self.pen.options(word, 0.4)
        gives = options["units"].value if "units" in options else value.shape[-1]
        if "init" in options and not suits(options["init"].value, (value.shape[-1], gives)):
            del options["init"]
        texts = self.pen.write(word, options)
        if word.kind == "layer":
            # Its weight may have lr_scale= of its own.
            self.asked.add("lr_scale")
        type = Type("f32", ("N", *value.shape[:-1], gives))
        weighted = value.weighted or word.kind == "layer"
        return [*before, " ".join([word.name, *texts])], Value("", type, weighted, value.channels, value.leans)

    def body_link(self, body: Body, value: Value) -> tuple[list[str], Value]:
        """The use of a part or a block, with the values of its parameters, behind what brings a value to its shape."""
        before: list[str] = []
        if value.shape != body.takes:
            before, value = self.flat(value)
            before = [*before, self.dense(value, body.takes[0])]
        self.pen.count("sentence", f"use of a {'block' if body.block else 'part'}")
        given = [name for name in body.parameters if name in body.required or self.pen.maybe(0.4)]
        texts = [f"{name}={body.parameters[name]}" for name in given]
        if body.other is not None:
            self.pen.count("sentence", "value given to a block")
            other = self.pen.chance.choice(self.given(body.other))
            self.unused = [name for name in self.unused if name != other]
            texts.insert(0, self.pen.chance.choice((other, f"other={other}")))
        if body.block and not self.inside and self.pen.maybe(0.2):
            texts.append(f"name={self.fresh('use')}")
        return [*before, " ".join([body.definition.name, *texts])], Value("", body.gives, True)

    def given(self, shape: tuple[int, ...]) -> list[str]:
        """The named values that a block may be given: of a shape, or any list of numbers that are no probabilities."""
        known = {name: v for name, v in self.values.items() if v.whole and v.type.domain.simplex is None}
        known = {name: v for name, v in known.items() if v.type.dtype == "f32"}
        return [name for name, v in known.items() if v.shape == shape or (not shape and len(v.shape) == 1)]

    def word_link(
        self, word: Word, value: Value, last: bool = False, name: str = "", **known: Written
    ) -> tuple[list[str], Value] | None:
        """A word with options that fit, and what it gives; None where the word does not fit.

        The `last` layer of a chain is not frozen, so that something is trained; it may have a `name` already.
        """
        if word.prefix:
            return self.prefix_link(word, value, last)
        if word.ids != (value.type.dtype == "i64"):
            return None
        # No slope leads back through these, and what stands before them would not learn.
        if word.name in FLAT and value.weighted:
            return None
        others = self.operands(word, value)
        if others is None:
            return None
        # One step alone gets all attention, whatever the weights say.
        alone = any(1 in each.type.shape[-2:-1] for each in (value, *(self.values[o] for o in others)))
        if "attention" in word.name and alone:
            return None
        known |= self.begun(word)
        found: list[tuple[Tensor, Scratch]] = []

        def fits(options: dict[str, Any]) -> bool:
            # What a body is given at its next use may be probabilities, and what it gives must not be such.
            may_be = [Type(value.type.dtype, value.type.shape, SIMPLEX)] if self.inside else []
            for type in (*may_be, value.type):
                builder = Builder()
                values = [value, *(self.values[o] for o in others)]
                types = [type, *(v.type for v in values[1:])]
                given = [builder.input("example", f"x{i}", type) for i, type in enumerate(types)]
                for tensor, known in zip(given, values, strict=True):
                    tensor.value.channels, tensor.value.leans = known.channels, known.leans
                scratch = Scratch(builder)
                # A state that a layer begins with is a value of the spec.
                states = {k: builder.input("example", k, v.type) for k, v in options.items() if isinstance(v, Value)}
                with within(scratch):
                    result = word.function(*given, **options | states)
                found.append((result, scratch))
            if (scratch.learns and (self.inside or value.weighted)) or not 0 < size_of(result) <= LARGEST:
                return False
            # What is always the same number, such as relu behind logsigmoid, leads no slope back.
            if result.type.domain.low == result.type.domain.high:
                return False
            if self.inside and result.type.domain.simplex is not None:
                return False
            # An initializer of a weight that is not made would do nothing.
            inits = [o for o in word.options.values() if o.kind.form == "init" and options[o.name] is not o.default]
            return not any(all(options[o.name] is not made for made in scratch.inits) for o in inits)

        options = self.pen.fitting(word, fits, **known)
        if options is None:
            return None
        result, scratch = found[-1]
        begins = [text.partition("=")[2] for text in options if text.startswith(("h=", "c="))]
        # Where only the steps of a value are counted, its weights still have to be used.
        counted = {o for o in others if word.operands == ("steps",) and self.values[o].weighted}
        self.unused = [v for v in self.unused if v in counted or v not in (*others, *begins)]
        more = self.universal(scratch, last) if word.kind == "layer" else []
        more = [*(o for o in more if not o.startswith("name=")), f"name={name}"] if name else more
        weighted = value.weighted or bool(scratch.made) or scratch.keeps or any(self.values[o].weighted for o in others)
        # Beside names of values the name of a constant would be one of them.
        if word.operands and options and "=" not in options[0]:
            options[0] = f"{next(iter(word.options))}={options[0]}"
        links = [" ".join([word.name, *others, *options, *more])]
        if result.value.cells is not None and self.pen.maybe(0.3):
            self.pen.count("layer", "cells")
            links.append("cells")
        after = Value("", result.type, weighted, result.value.channels, result.value.leans)
        cut = pieces(result.type.shape[0]) > pieces(value.type.shape[0])
        return self.whole(links, after) if cut else (links, after)

    def prefix_link(self, word: Word, value: Value, last: bool) -> tuple[list[str], Value] | None:
        """A layer behind a prefix: one that goes over the steps, or one that sees each of them alone."""
        shape, both = value.type.shape, word.name == "bidirectional"
        if len(shape) < 3 or (not both and len(shape) > 3) or value.channels or value.type.dtype != "f32":
            return None
        inner = self.pen.chance.choice(
            [w for w in LINKS if w.kind == "layer" and (w.recurrent if both else w.name in EACH_STEP)]
        )
        unused = self.unused
        found = self.word_link(
            inner, value if both else Value("", Type("f32", ("N", *shape[2:])), value.weighted), last
        )
        if found is None or len(found[0]) > 1:
            self.unused = unused
            return None
        (text,), given = found
        self.pen.count(word.kind, word.name)
        size = given.type.shape[-1]
        assert isinstance(size, int)
        modes = [f"mode={self.pen.option(word, word.options['mode']).text}"] if both and self.pen.maybe(0.5) else []
        for mode in modes:
            self.pen.count("option", f"{word.name}.{mode.partition('=')[0]}")
        wide = 2 * size if both and modes in ([], ["mode=concat"]) else size
        return [" ".join([word.name, text, *modes])], Value("", Type("f32", (*shape[:2], wide)), given.weighted, False)

    def begun(self, word: Word) -> dict[str, Written]:
        """The values that a layer over steps begins with, if any, and as many units as they have."""
        states = [o.name for o in word.options.values() if o.kind.form == "value"]
        lists = [n for n, v in self.values.items() if v.type.dtype == "f32" and len(v.type.shape) == 2]
        if not states or not lists or self.inside or self.pen.maybe(0.3):
            return {}
        name = self.pen.chance.choice(lists)
        size = self.values[name].shape[0]
        return {"units": Written(str(size), size)} | {
            state: Written(name, self.values[name]) for state in states if self.pen.maybe(0.7)
        }

    def whole(self, words: list[str], value: Value) -> tuple[list[str], Value] | None:
        """Pieces of examples through an activation, where one fits, and together again."""
        block = round(pieces(value.type.shape[0]) ** (1 / (len(value.shape) - 1)))
        plain = [w for w in LINKS if w.kind == "activation"]
        between, value = self.word_link(self.pen.chance.choice(plain), value) or ([], value)
        back = self.word_link(TOGETHER, value, block=Written(str(block), block))
        assert back, value
        return [*words, *between, *back[0]], back[1]

    def operands(self, word: Word, value: Value) -> list[str] | None:
        """The names of the values that a word takes besides; None where there are none that could fit."""
        if not word.operands or (not word.joins and self.pen.maybe(0.6)):
            return []
        if any(isinstance(d, str) for d in value.type.shape[1:]):
            return None if word.joins else []
        if word.operands == ("steps",):
            stepped = [n for n, v in self.values.items() if v.type.dtype == "f32" and len(v.shape) == 2]
            return [self.pen.chance.choice(stepped)] if stepped else None
        known = [n for n, v in self.values.items() if v.type.dtype == "f32" and v.shape[:-1] == value.shape[:-1]]
        same = [n for n in known if self.values[n].shape == value.shape]
        # Which shapes a word joins it says itself.
        known = same if same and self.pen.maybe(0.8) else known
        several = any(name.startswith("*") for name in word.operands)
        count = self.pen.chance.choice((1, 1, 2)) if several else len(word.operands)
        return self.pen.chance.choices(known, k=count) if known else None

    def universal(self, scratch: Scratch, last: bool = False) -> list[str]:
        """Options that every layer with weights takes, as far as they do something for this one."""
        if not scratch.made:
            return self.name(0.1) if scratch.draws or scratch.learns or scratch.keeps else []
        axes = {len(shape) for shape in scratch.made}
        frozen = not last and self.pen.maybe(0.05)
        found: dict[str, str] = {}
        for option in UNIVERSAL.values():
            idle = (option.name in OF_BIASES and 1 not in axes) or (option.name in ACTING and axes == {1})
            second = option.name in NORMS and any(n in found for n in NORMS)
            if idle or second or option.name in ("name", "frozen") or (frozen and option.name in OF_MOVING):
                continue
            if self.pen.maybe(0.05):
                self.pen.count("option", f"any.{option.name}")
                found[option.name] = GIVEN.get(option.name) or self.pen.option(DENSE, option).text
        self.asked |= {*found} & {*OF_MOVING}
        if frozen:
            self.pen.count("option", "any.frozen")
            found["frozen"] = "true"
        flags = {n: v for n, v in found.items() if v != "false"}
        return [f"{n}={v}" for n, v in flags.items()] + self.name(0.15)

    def name(self, share: float) -> list[str]:
        if self.inside or not self.pen.maybe(share):
            return []
        self.pen.count("option", "any.name")
        self.layers.append(self.fresh("layer"))
        return [f"name={self.layers[-1]}"]

    def dense(self, value: Value, units: int, last: bool = False, name: str = "") -> str:
        """A dense layer of a width, which ends a chain."""
        found = self.word_link(DENSE, value, last, name, units=Written(self.pen.named(str(units)), units))
        assert found, value
        return found[0][0]

    # Structure --------------------------------------------------------------------------------------------------------

    def grown(self, source: str, value: Value, name: str, count: int) -> list[str]:
        """Sentences that go on from a value and end in one of a name."""
        shape = self.pen.chance.choices(("chain", "repeat", "if"), (6, 1, 1))[0]
        if shape == "if" and value.type.dtype == "f32":
            return self.decided(source, value, name, count)
        words, after = self.links(value, count)
        if shape == "repeat" and after.type.dtype == "f32":
            return self.repeated(source, words, after, name)
        self.keep(name, after)
        return [f"{name} = {' -> '.join([source, *words])}"]

    def keep(self, name: str, value: Value) -> None:
        self.values[name] = replace(value, name=name)
        self.unused.append(name)

    def repeated(self, source: str, words: list[str], value: Value, name: str) -> list[str]:
        """The value goes through a body several times, which gives back its shape."""
        self.pen.count("sentence", "repeat")
        flat, value = self.flat(value)
        start = [*words, *flat]
        lines = [" -> ".join([source, *start])] if start else [" -> ".join([source, "identity"])]
        outer, self.inside = self.inside, True
        body, inner = self.links(Value("", plain(value.type), True), self.pen.chance.randint(0, 2))
        back, inner = self.flat(inner)
        body += [*back, self.dense(inner, value.shape[0])]
        self.inside = outer
        times = self.pen.chance.randint(1, 3)
        lines += [f"repeat {self.pen.named(str(times))} {{", f"    {' -> '.join(body)}", "}"]
        word, after = self.link(Value("", plain(value.type), True))
        self.keep(name, after)
        return [*lines, f"{name} = {' -> '.join(word)}"]

    def decided(self, source: str, value: Value, name: str, count: int) -> list[str]:
        """One of two branches, both of which name the value."""
        self.pen.count("sentence", "if")
        first = self.pen.maybe(0.5)
        low, high = self.pen.named("2"), self.pen.named("3")
        condition = f"{low} < {high}" if first else f"{low} >= {high}"
        unused, used, asked = list(self.unused), self.pen.used.copy(), set(self.asked)
        layers = list(self.layers)
        idle, _ = self.links(value, 1)
        # What does not run is checked, but it is no part of the net.
        self.unused, self.pen.used, self.asked, self.layers = unused, used, asked, layers
        words, after = self.links(value, count)
        taken, other = (f"    {name} = {' -> '.join([source, *links])}" for links in (words, idle))
        branches = (taken, other) if first else (other, taken)
        self.keep(name, after)
        return [f"if {condition} {{", branches[0], "} else {", branches[1], "}"]


DENSE = WORDS["layer", "dense"]
# What time_distributed is drawn with.
EACH_STEP = ("dense", "elementwise", "scale", "shift", "layernorm", "subset", "prelu")
TOGETHER = WORDS["layer", "batch_to_space"]
# Those that act on matrices alone.
ACTING = ("l1", "l2", "weight_decay", "dropconnect", "weight_noise", *CONSTRAINTS)


def suits(init: Init, shape: tuple[int, ...]) -> bool:
    """Whether an initializer takes a weight of a shape."""
    try:
        init.make(fresh(shape))
    except WordError:
        return False
    return True


def size_of(value: Tensor) -> int:
    return math.prod(d for d in value.shape if isinstance(d, int))


def plain(type: Type) -> Type:
    """Any numbers of a shape."""
    return Type(type.dtype, type.shape, REAL)
