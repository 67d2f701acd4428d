"""Chains to equations: each word is run within the net under construction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import syntax
from .constants import NotConstantError
from .diagnostics import Report, did_you_mean
from .ir import Builder, Input, Section, Tensor
from .net import StateInfo, WeightInfo
from .ops import cast
from .options import bind
from .resolve import Spec
from .source import Place
from .syntax import Argument, Chain, Link, Name
from .types import Shape, Type
from .words import Context, Init, Kind, Learn, Option, Word, WordError, find, names, within

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
LATER_OPTIONS = ("lr_scale", "max_norm", "weight_decay", "dropconnect")


@dataclass
class _Use:
    """The use of a word that is being run."""

    link: Link
    section: Section
    options: dict[str, Any]
    made: int = 0
    weights: int = 0


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
        self._numbers = 0

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
            self.values[given.name] = self.builder.input("example", given.name, given.type)
        with within(self):
            for sentence in self.spec.chains:
                self._sentence(sentence)
        self.builder.section, self.builder.origin = None, ()
        return self

    def _sentence(self, sentence: Chain | syntax.Output) -> None:
        if isinstance(sentence, Chain):
            self.current = self._chain(sentence, sentence.name)
            self.started = True
            if sentence.name:
                self.values[sentence.name] = self.current
            return
        if sentence.chain is None:
            value = self.value(sentence.name, sentence.name_place)
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
            if name in self.spec.places:
                role = "a target" if name in self.spec.fields else "declared below"
                help = "a value is named before it is used"
                self.report.error("unknown-name", f"{name} is {role}, so it has no value here", place, help)
            else:
                help = did_you_mean(name, self.values)
                self.report.error("unknown-name", f"nothing is named {name}", place, help)
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
                continue
            if section is None or word.kind == "layer":
                section = Section(_text(link), link.place)
            else:
                section.title += f" -> {_text(link)}"
            last = index == len(links) - 1
            x = self._link(word, link, section, x, name if last else None)
        return x

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
            known = [*names("layer"), *names("activation"), *self.values]
            help = did_you_mean(link.word, known) or "netc words lists the layers and activations"
            what = "a layer, an activation or a value"
            if link.word in self.spec.places:
                help = "a value can only begin a chain, or stand after a word that combines values"
            self.report.error("unknown-word", f"{link.word} is not the name of {what}", link.word_place, help)
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
        except WordError as error:
            self.report.error(error.code, error.message, link.place, error.help)
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
            if word.operands and argument.key is None and isinstance(argument.value, Name):
                value = self.value(argument.value.id, argument.place)
                failed |= value is None
                if value is not None:
                    operands.append(value)
            elif argument.key in LATER_OPTIONS:
                message = f"this version of netc has no {argument.key}"
                self.report.error("not-yet", message, argument.key_place or argument.place)
                failed = True
            else:
                rest.append(argument)
        if word.operands and not operands and not failed:
            message = f"{word.name} needs the name of a value"
            self.report.error("missing-option", message, link.place, f"{word.name} a, where a = ... names a value")
            failed = True
        table = {**word.options, **(UNIVERSAL if word.kind == "layer" else {})}
        options = bind(word.name, table, rest, link.place, self.spec.scope)
        if failed:
            raise NotConstantError
        return operands, options

    def _check_universal(self, word: Word) -> None:
        """An option that does nothing is an error: a name needs a weight, a statistic or a draw, the others a weight."""
        if not self.training:
            return  # where dropout draws nothing; the same text was checked in training
        for argument in [a for a in self.use.link.arguments if a.key in UNIVERSAL]:
            if not (self.use.made if argument.key == "name" else self.use.weights):
                message = f"{word.name} has no weights, so {argument.key} does nothing"
                self.report.error("unknown-option", message, argument.place, f"take {argument.key} away")

    def _hint(self, word: Word, section: Section, result: Tensor, name: str | None) -> None:
        letter = "h" if word.kind == "activation" else "z"
        result.value.hint = name or word.gives or f"{letter}{section.suffix}"

    # What words ask of the net ----------------------------------------------------------------------------------------

    def _suffix(self) -> str:
        """The layer's name or number, which it gets with its first weight."""
        section = self.use.section
        if section.number is None:
            self._numbers += 1
            section.number, section.name = self._numbers, self.use.options["name"]
        return section.suffix

    def weight(self, name: str, shape: Shape, init: Init, fans: tuple[int, int] | None) -> Tensor:
        """A weight of the current layer."""
        full = f"{name}{self._suffix()}"
        while full in self.spec.places:
            full += "_"  # the user's names win
        use = self.use
        use.made += 1
        use.weights += 1
        if full in self.names:
            place = use.link.place
            self.report.error("duplicate-name", f"the weight {full} would take a name that is taken", place)
        self.names.add(full)
        sizes = tuple(d for d in shape if isinstance(d, int))
        penalised = len(shape) > 1
        self.weights[full] = WeightInfo(
            full,
            shape,
            init,
            fans or (sizes[0], sizes[-1]),
            use.options["l1"] if penalised else 0.0,
            use.options["l2"] if penalised else 0.0,
            use.options["frozen"],
            use.section,
            use.link.place,
        )
        return self.builder.input("weight", full, Type("f32", shape))

    def learned(self, x: Tensor, defaults: dict[str, float], learn: Learn) -> list[Tensor]:
        """Statistics of x, which must not depend on weights."""
        self.use.made += 1
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
        if any(i.role == "weight" for i in self._ancestors(x)):
            message = f"{self.word} learns from the data, so no layer with weights may stand before it"
            self.report.error("learned-from-weights", message, self.use.link.place, "move it up to the input")
        return tensors

    def _ancestors(self, x: Tensor) -> list[Input]:
        """The inputs that a value depends on."""
        needed = {x.value}
        for equation in reversed(self.builder.equations):
            if needed & set(equation.results):
                needed.update(equation.args)
        return [i for i in self.builder.inputs if i.value in needed]

    def draw(self, x: Tensor) -> Tensor:
        """Uniform random numbers of the shape of x."""
        self.use.made += 1
        name = self._fresh(self.use.options["name"] or f"{self.word}1")
        return self.builder.input("draw", name, Type("f32", x.shape))

    def _fresh(self, base: str) -> str:
        stem, number = base.rstrip("0123456789"), 2
        name = base
        while name in self.names:
            name, number = f"{stem}{number}", number + 1
        self.names.add(name)
        return name


def _text(link: Link) -> str:
    """The link as its spec writes it."""
    place = link.place
    return " ".join(place.source.text[place.start : place.end].split())
