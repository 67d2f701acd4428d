"""Chains to equations: each word is run within the net under construction."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from . import syntax
from .constants import NotConstantError
from .diagnostics import Report
from .ir import Builder, Input, Section, Tensor, Value
from .net import StateInfo, WeightInfo
from .ops import cast
from .options import bind
from .resolve import LARGEST_EXAMPLE, MOST_AXES, Spec
from .source import Place
from .syntax import Argument, Chain, Link, Name
from .types import REAL, Domain, Shape, Type, count
from .unknown import unknown_name, unknown_word
from .words import Context, Fresh, Init, Kind, Law, Learn, Option, Word, WordError, find, within

# Options that every layer with weights takes.
UNIVERSAL = {
    o.name: o
    for o in (
        Option("l1", Kind("real", "a number of at least 0", 0), 0.0, False),
        Option("l2", Kind("real", "a number of at least 0", 0), 0.0, False),
        Option("frozen", Kind("flag", "true or false"), False, False),
        Option("name", Kind("identifier", "a name"), None, False),
    )
}
# The weights of a model fit into one file of ONNX, which is a protocol buffer of less than 2 GiB.
LARGEST_MODEL = 2**31 - 2**24

LATER_OPTIONS = ("lr_scale", "max_norm", "weight_decay", "dropconnect")


@dataclass
class _Use:
    """The use of a word that is being run."""

    link: Link
    section: Section
    options: dict[str, Any]
    made: int = 0
    weights: int = 0
    inits: tuple[Init, ...] = ()


class Lowering(Context):
    """Runs the chains of a spec in one mode: "train", "predict", or "fit", which learns statistics from data.

    `values` maps a name to its tensor, or to None where it is at fault. `keys` gives each chain's last value a name.
    """

    def __init__(self, spec: Spec, mode: str):
        self.spec, self.mode = spec, mode
        self.builder = Builder()
        self.values: dict[str, Tensor | None] = {}
        self.current: Tensor | None = None
        self.started = False
        self.outputs: dict[str, Tensor | None] = {}
        self.docs: dict[str, str] = {}
        self.weights: dict[str, WeightInfo] = {}
        self.states: dict[str, StateInfo] = {}
        self.learned_values: dict[str, Tensor] = {}
        self.sections: list[tuple[Section, Tensor]] = []
        self.used: set[str] = set()
        self.names: set[str] = set(spec.places)
        self.word = self.previous = ""
        self._numbers = self._bytes = 0
        # The largest weight so far, and where it is.
        self._largest = 0, spec.place
        self._layer_names: set[str | None] = set()
        # The values that depend on weights, and how many inputs and equations were looked at for them.
        self._weighted: set[Value] = set()
        self._looked = 0, 0
        self._tried: set[tuple[Init, Shape]] = set()

    @property
    def training(self) -> bool:
        """Whether words that act in training alone, such as dropout, act."""
        return self.mode == "train"

    @property
    def report(self) -> Report:
        """Where faults are reported."""
        return self.spec.scope.report

    def run(self) -> Lowering:
        """Lower every chain."""
        for given in self.spec.of("input"):
            tensor = self.builder.input("example", given.name, given.type)
            self.values[given.name] = None if given.name in self.spec.faulty else tensor
        with within(self):
            for sentence in self.spec.chains:
                self._sentence(sentence)
        self.builder.section, self.builder.origin = None, ()
        # Only training draws, and weights are called the same in every mode: so draws get their names last.
        self.builder.inputs = [self._named(i) if i.role == "draw" else i for i in self.builder.inputs]
        return self

    def _named(self, draw: Input) -> Input:
        name = draw.value.hint = self._fresh(draw.name)
        return replace(draw, name=name)

    def _sentence(self, sentence: Chain | syntax.Output) -> None:
        if isinstance(sentence, Chain):
            self.current = self._chain(sentence, sentence.name)
            self.started = True
            if sentence.name:
                self.values[sentence.name] = self.current
            return
        if sentence.chain is None:
            value = self.value(sentence.name, sentence.name_place)
            if sentence.name in self.outputs:
                message = f"{sentence.name} is already an output"
                self.report.error("duplicate-sentence", message, sentence.place, "keep one of them")
        else:
            value = self._chain(sentence.chain, sentence.name)
            self.values[sentence.name] = value
        self.used.add(sentence.name)
        self.outputs[sentence.name] = value
        self.docs[sentence.name] = sentence.doc

    def value(self, name: str, place: Place) -> Tensor | None:
        """The tensor of a name; None, after a diagnostic, where there is none."""
        self.used.add(name)
        if name not in self.values:
            known = [n for n, value in self.values.items() if value is not None]
            message, help = unknown_name(name, self.spec, known)
            self.report.error("unknown-name", message, place, help)
            self.values[name] = None
        return self.values[name]

    # Chains -----------------------------------------------------------------------------------------------------------

    def _chain(self, chain: Chain, name: str | None) -> Tensor | None:
        links = list(chain.links)
        first = links[0]
        if not first.arguments and first.word in self.spec.places | self.values and not self._is_own(chain, first):
            value = self.value(first.word, first.word_place)
            self.previous = first.word
            links = links[1:]
        else:
            value = self._implied(first)
        x = value
        section: Section | None = None
        for index, link in enumerate(links):
            word = self._word(link)
            if word is None or x is None:
                x = None
                self._rest(word, link)
                continue
            if section is None or word.kind == "layer":
                section = Section(_text(link), link.place)
            else:
                section.title += f" -> {_text(link)}"
            last = index == len(links) - 1
            x = self._link(word, link, section, x, name if last else None)
        return x

    def _rest(self, word: Word | None, link: Link) -> None:
        """Where the value is at fault, what is wrong with an argument is told all the same."""
        with suppress(NotConstantError):
            if word is not None:
                self._arguments(word, link)

    def _is_own(self, chain: Chain, first: Link) -> bool:
        """Whether the first word is the very name that the chain declares, and so cannot be its source."""
        return first.word not in self.values and chain.name == first.word

    def _implied(self, first: Link) -> Tensor | None:
        if self.started:
            return self.current
        inputs = self.spec.of("input")
        if len(inputs) == 1:
            self.previous = inputs[0].name
            return self.value(inputs[0].name, first.place)
        if inputs:
            message = f"there are {len(inputs)} inputs, and this chain does not say from which it goes on"
            help = f"begin it with a source: {inputs[0].name} -> {first.word}"
            self.report.error("ambiguous-source", message, first.place, help)
        return None

    def _word(self, link: Link) -> Word | None:
        word = find("layer", link.word) or find("activation", link.word)
        if word is None:
            message, help = unknown_word(link, self.spec, self.values)
            self.report.error("unknown-word", message, link.word_place, help)
        return word

    def _link(self, word: Word, link: Link, section: Section, x: Tensor, name: str | None) -> Tensor | None:
        self.builder.section, self.builder.origin = section, (link.place,)
        try:
            operands, options = self._arguments(word, link)
        except NotConstantError:
            return None
        self.word, self.use = word.name, _Use(link, section, options)
        own = {k: v for k, v in options.items() if k in word.options}
        try:
            result = word.function(x, *operands, **own)
            self._check_size(word, result)
        except WordError as error:
            self.report.error(error.code, error.message, link.place, error.help)
            return None
        except NotConstantError:
            return None
        self._check_universal(word)
        self.previous = word.name
        if result.value is not x.value:
            self._hint(word, section, result, name)
        if not self.sections or self.sections[-1][0] is not section:
            self.sections.append((section, result))
        self.sections[-1] = (section, result)
        return result

    def _arguments(self, word: Word, link: Link) -> tuple[list[Tensor], dict[str, Any]]:
        operands: list[Tensor] = []
        rest: list[Argument] = []
        failed = False
        for argument in link.arguments:
            if word.operands and argument.key is None and not isinstance(argument.value, Name):
                message = f"{word.name} takes the names of values"
                self.report.error("bad-option", message, argument.place, f"as in: {word.name} a, where a = ...")
                failed = True
            elif word.operands and argument.key is None and isinstance(argument.value, Name):
                value = self.value(argument.value.id, argument.place)
                failed |= value is None
                if value is not None:
                    operands.append(value)
            elif argument.key in LATER_OPTIONS:
                message, help = f"this version of netc has no {argument.key}", f"take {argument.key} away"
                self.report.error("not-yet", message, argument.key_place or argument.place, help)
                failed = True
            else:
                rest.append(argument)
        if word.operands and not operands and not failed:
            message = f"{word.name} needs the name of a value"
            self.report.error("missing-option", message, link.place, f"as in: {word.name} a, where a = ...")
            failed = True
        keyed = UNIVERSAL if word.kind == "layer" else {}
        options = bind(word.name, word.options, rest, link.place, self.spec.scope, keyed, word.example)
        if failed:
            raise NotConstantError
        return operands, options

    def _check_size(self, word: Word, result: Tensor) -> None:
        size, axes = count(result.shape), len(result.shape) - 1
        if size > LARGEST_EXAMPLE or axes > MOST_AXES:
            what = f"{size:,} numbers" if size > LARGEST_EXAMPLE else f"{axes} axes"
            message = f"{word.name} gives {what} an example; the limit is {LARGEST_EXAMPLE:,} in {MOST_AXES} axes"
            raise WordError("too-large", message, "make it smaller")

    def _check_universal(self, word: Word) -> None:
        """An option that does nothing is an error: name needs a weight, a statistic or a draw, the others a weight."""
        if not self.training:
            return  # where dropout draws nothing; the same text was checked in training
        for argument in [a for a in self.use.link.arguments if a.key in UNIVERSAL]:
            if not (self.use.made if argument.key == "name" else self.use.weights):
                message = f"{word.name} has no weights, so {argument.key} does nothing"
                self.report.error("unknown-option", message, argument.place, f"take {argument.key} away")
        for key, option in word.options.items():
            value = self.use.options[key]
            if option.kind.form == "init" and value is not option.default and value not in self.use.inits:
                message = f"{key} does nothing here, since {word.name} makes no weight from it"
                self.report.error("unknown-option", message, self._place_of(value), f"take {key} away")

    def _hint(self, word: Word, section: Section, result: Tensor, name: str | None) -> None:
        letter = "h" if word.kind == "activation" else "z"
        result.value.hint = name or word.gives or f"{letter}{section.suffix}"

    # What words ask of the net ----------------------------------------------------------------------------------------

    def _suffix(self) -> str:
        """The layer's name or number, which it gets with its first weight."""
        section = self.use.section
        if section.number is None:
            self._numbers += 1
            name = self.use.options["name"]
            section.number, section.name = self._numbers, name
            if name is not None and name in self._layer_names:
                message = f"{name} is already the name of a layer"
                self.report.error("duplicate-name", message, self._place_of(name), "choose another name")
            self._layer_names.add(name)
        return section.suffix

    def weight(self, name: str, shape: Shape, init: Init, fans: tuple[int, int] | None) -> Tensor:
        """A weight of the current layer."""
        full = f"{name}{self._suffix()}"
        while full in self.names:
            full += "_"  # the user's names win
        use = self.use
        use.made += 1
        use.weights += 1
        use.inits += (init,)
        self.names.add(full)
        sizes = tuple(d for d in shape if isinstance(d, int))
        self._check_model(shape)
        fans = fans or (sizes[0], sizes[-1])
        self._try(init, full, shape, fans)
        penalised = len(shape) > 1
        self.weights[full] = WeightInfo(
            full,
            shape,
            init,
            fans,
            use.options["l1"] if penalised else 0.0,
            use.options["l2"] if penalised else 0.0,
            use.options["frozen"],
            use.section,
            use.link.place,
        )
        return self.builder.input("weight", full, Type("f32", shape))

    def _check_model(self, shape: Shape) -> None:
        size, place = 4 * count(shape), self.use.link.place
        self._bytes += size
        self._largest = max(self._largest, (size, place), key=lambda found: found[0])
        if self._bytes > LARGEST_MODEL:
            message = f"the weights take at least {self._bytes / 2**30:,.1f} GiB, and an ONNX file holds 2 GiB"
            raise self.spec.scope.fail("too-large", message, self._largest[1], "make this layer smaller")

    def _try(self, init: Init, name: str, shape: Shape, fans: tuple[int, int]) -> None:
        """Report an initializer that does not fit the weight where the spec names it; NotConstantError then."""
        if (init, shape) in self._tried:
            return
        self._tried.add((init, shape))
        builder = Builder()
        fan_in, fan_out = (builder.constant(float(n), "f64") for n in fans)
        try:
            init.make(Fresh(builder, name, shape, fan_in, fan_out))
        except WordError as error:
            raise self.spec.scope.fail(error.code, error.message, self._place_of(init), error.help) from None

    def _place_of(self, value: Any) -> Place:
        """The place of the argument that gave an option its value; that of the link where there is no telling."""
        keys = [key for key, given in self.use.options.items() if given is value]
        found = [a.value.place for a in self.use.link.arguments if a.key in keys]
        return found[0] if found else self.use.link.place

    def learned(self, x: Tensor, defaults: dict[str, float], learn: Learn) -> list[Tensor]:
        """Statistics of x, which must not depend on weights."""
        self.use.made += 1
        if self._weighs(x):
            message = f"{self.word} learns from the data, so no layer with weights may stand before it"
            raise WordError("learned-from-weights", message, "move it up to the input")
        shape = x.shape[1:]
        tensors: list[Tensor] = []
        found = learn(x) if self.mode == "fit" else {}
        for base, default in defaults.items():
            name = self._fresh(f"{base}_{self.use.options['name']}" if self.use.options["name"] else base)
            self.states[name] = StateInfo(name, shape, default)
            if self.mode == "fit":
                tensor = cast(found[base], dtype="f32")
                self.learned_values[name] = tensor
            else:
                tensor = self.builder.input("state", name, Type("f32", shape))
            tensors.append(tensor)
        return tensors

    def _weighs(self, x: Tensor) -> bool:
        """Whether a value depends on weights; each equation is looked at once."""
        weights = {i.value for i in self.builder.inputs[self._looked[0] :] if i.role == "weight"}
        self._weighted |= weights
        for equation in self.builder.equations[self._looked[1] :]:
            if not self._weighted.isdisjoint(equation.args):
                self._weighted.update(equation.results)
        self._looked = len(self.builder.inputs), len(self.builder.equations)
        return x.value in self._weighted

    def draw(self, shape: Shape, law: Law = "uniform") -> Tensor:
        """Random numbers of a shape, named after the layer, or after its word and a number."""
        self.use.made += 1
        name = self.use.options["name"] or f"{self.word}1"
        domain = Domain(0.0, 1.0, low_open=False) if law == "uniform" else REAL
        return self.builder.input("draw", name, Type("f32", shape, domain), law)

    def _fresh(self, base: str) -> str:
        stem, number = base.rstrip("0123456789"), 2
        name = base
        while name in self.names:
            name, number = f"{stem}{number}", number + 1
        self.names.add(name)
        return name


# A longer title says `[...]` for its lists.
LONGEST_TITLE = 40


def _text(link: Link) -> str:
    """The link as its spec writes it, with long lists left out."""
    place = link.place
    text = " ".join(place.source.text[place.start : place.end].split())
    return re.sub(r"=\[.*?\](?= \w|$)", "=[...]", text) if len(text) > LONGEST_TITLE else text
