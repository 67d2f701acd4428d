"""Chains and bodies to equations: what goes into what, which block or part is used where, and what is repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from .bodies import Body, chains, decided, links, reached, times
from .called import IN, Called
from .constants import NOTHING, NotConstantError
from .context import within
from .declared import Names
from .frame import Frame, Level
from .ir import Input, Tensor
from .kinds import of_lengths
from .lower import Layers
from .net import Field
from .ops import cast
from .options import bind
from .resolve import Spec, renamed
from .section import Section, Use
from .source import Place
from .syntax import Chain, Link, Name, Output, Repeat
from .titles import given_by, title
from .types import pieces
from .unknown import unknown_argument, unknown_word
from .words import Word

# How many links all bodies may come to, and how many of them may lie in one another: what a net is built in.
MOST_LINKS = 10_000
DEEPEST = 20


class _TooMuchError(Exception):
    """Bodies that come to more than can be built; it has been reported."""


class Lowering(Layers):
    """Runs the chains of a spec."""

    def __init__(self, spec: Spec, mode: str):
        super().__init__(spec, mode)
        self.outputs: dict[str, Tensor | None] = {}
        self.docs: dict[str, str] = {}
        # The names of values from which the next chain goes on by itself.
        self.gone_on: set[Place | None] = set()
        # What bodies name that are not run.
        self.untaken: set[str] = set()
        self._turns: Counter[str] = Counter()
        self._expanded = 0
        self._kinds = {kind for kind, _ in spec.definitions}

    @property
    def current(self) -> Tensor | None:
        """The value of the last chain."""
        return self.whole.current

    @property
    def values(self) -> dict[str, Tensor | None]:
        """The tensor of each name, None where it is at fault."""
        return self.whole.values

    @property
    def used(self) -> set[str]:
        """The names that something uses."""
        return self.whole.used

    def run(self) -> Lowering:
        """Lower every chain."""
        for given in (*self.spec.of("input"), *self.spec.of("noise")):
            tensor = self._input(given) if given.role == "input" else self._noise(given)
            self.values[given.name] = None if given.name in self.spec.faulty else tensor
        count = len(self.builder.inputs)
        with within(self):
            try:
                self._sentences(self.spec.chains)
                self._skip(self.spec.skipped)
                self._unrun()
            except _TooMuchError:
                self.whole.poison()
        self.frame = self.whole
        self.builder.section, self.builder.origin = None, ()
        # Only training draws, and weights are called the same in every mode: so draws get their names last.
        own = self.builder.inputs[count:]
        self.builder.inputs[count:] = [self._named(i) if i.role == "draw" else i for i in own]
        return self

    def _input(self, given: Field) -> Tensor:
        """An input as words see it: pixels as numbers."""
        tensor = self.builder.input("example", given.name, given.type)
        self.builder.origin = (given.place,)
        return cast(tensor, dtype="f32").named(given.name) if given.type.dtype == "u8" else tensor

    def _noise(self, noise: Field) -> Tensor:
        """A noise, which training draws, and which whoever asks for a prediction gives."""
        if self.training:
            return self.builder.input("draw", noise.name, noise.type, noise.kind)
        return self.builder.input("noise", noise.name, noise.type)

    def _named(self, draw: Input) -> Input:
        name = draw.value.hint = self._fresh(draw.name)
        return replace(draw, name=name)

    def _sentences(self, sentences: list[Chain | Output | Repeat]) -> None:
        for sentence in sentences:
            match sentence:
                case Chain():
                    self._sentence(sentence)
                case Output():
                    self._output(sentence)
                case Repeat():
                    self._repeat(sentence)

    def _sentence(self, chain: Chain) -> None:
        frame = self.frame
        frame.current, frame.started = self._chain(chain, chain.name), True
        frame.named = chain.name_place
        if chain.name:
            frame.values[chain.name] = frame.current

    def _output(self, sentence: Output) -> None:
        if sentence.chain is None:
            value = self.value(sentence.name, sentence.name_place)
            if sentence.name in self.outputs:
                message = f"{sentence.name} is already an output"
                self.report.error("duplicate-sentence", message, sentence.place, "keep one of them")
        else:
            value = self._chain(sentence.chain, sentence.name)
            self.values[sentence.name] = value
        if value is not None and value.type.dtype == "i64":
            found = f"{sentence.name} is a category, whose values are ids and not numbers"
            ids = found, "put onehot or embedding into its chain"
            message, help = of_lengths(sentence.name, value.type.domain) or ids
            self.report.error("ids-mismatch", f"the output {message}", sentence.place, help)
        if value is not None and pieces(value.shape[0]) > 1:
            message = f"the output {sentence.name} is in {pieces(value.shape[0])} pieces of each example"
            self.report.error("shape-mismatch", message, sentence.place, "put batch_to_space into its chain")
        self.used.add(sentence.name)
        self.outputs[sentence.name] = value
        self.docs[sentence.name] = sentence.doc

    # Chains -----------------------------------------------------------------------------------------------------------

    def _chain(self, chain: Chain, name: str | None) -> Tensor | None:
        links = list(chain.links)
        if self._is_source(chain):
            x = self.value(links[0].word, links[0].word_place)
            self.previous = links[0].word
            links = links[1:]
        else:
            x = self._implied(links[0])
        section: Section | None = None
        for index, link in enumerate(links):
            own = name if index == len(links) - 1 else None
            called = self._called(link)
            if called:
                x, section = self._use(called, link, x, own), None
                continue
            word = self._word(link)
            if word is None or x is None:
                x = None
                self._rest(word, link)
                continue
            if section is None or word.kind == "layer":
                section = self.frame.level.section(title(link, self.frame.shown), title(link, {}), link.place)
            else:
                section.title += f" -> {title(link, self.frame.shown)}"
                section.plain += f" -> {title(link, {})}"
            x = self._link(word, link, section, x, own)
        return x

    def _is_source(self, chain: Chain) -> bool:
        """Whether a chain begins with a name, unless that is the very name that the chain declares."""
        first = chain.links[0]
        has_value = self.frame.holding(first.word) is not None
        known = has_value or self.frame.declares(first.word) or first.word in self.frame.scope.constants
        return not first.arguments and known and (has_value or chain.name != first.word)

    def _rest(self, word: Word | None, link: Link) -> None:
        """Where the value is at fault, what is wrong with an argument is told all the same."""
        with suppress(NotConstantError):
            if word is not None:
                self._arguments(*self._inner(word, link)[:2])

    def _implied(self, first: Link) -> Tensor | None:
        if self.frame.started:
            self.gone_on |= {self.frame.named} - {None}
            return self.frame.going_on()
        inputs, weight = [i for i in self.spec.of("input") if not i.counts], self.spec.train["sample_weight"]
        # An input that sample_weight names is at fault there, and no source.
        inputs = [i for i in inputs if i.name != weight] or inputs
        if len(inputs) == 1:
            self.previous = inputs[0].name
            return self.value(inputs[0].name, first.place)
        if inputs:
            message = f"there are {len(inputs)} inputs, and this chain does not say from which it goes on"
            help = f"begin it with a source: {inputs[0].name} -> {first.word}"
            self.report.error("ambiguous-source", message, first.place, help)
        return None

    def _word(self, link: Link) -> Word | None:
        word = self.frame.scope.linked(link.word)
        if word is None:
            message, help = unknown_word(link, self.spec, self.frame)
            self.report.error("unknown-word", message, link.word_place, help)
        return word

    # Blocks and parts -------------------------------------------------------------------------------------------------

    def _called(self, link: Link) -> Called | None:
        """The block or part that a link uses; libraries know no part."""
        part = self.spec.parts.get(link.word)
        if part and link.place.source is self.spec.place.source:
            return Called(part.name, "part", part.body)
        block = self.spec.definitions.get(("block", link.word))
        return Called(link.word, "block", block.definition.body, block) if block else None

    def _use(self, called: Called, link: Link, x: Tensor | None, name: str | None) -> Tensor | None:
        """The value of a block or part at one use."""
        self._mark(called.name)
        level = self.frame.level
        if called.name in level.running:
            way = " -> ".join([*level.running[level.running.index(called.name) :], called.name])
            message = f"{called.name} uses itself, without end: {way}"
            self.report.error("recursion", message, link.place, "write out what it shall do, or repeat it")
            return None
        try:
            names = self._named_by(link)
            scope = replace(self.frame.scope, values=names)
            options = bind(called.name, called.options, link.arguments, link.place, scope, called.keyed)
        except NotConstantError:
            return None
        if x is None:
            with self.report.used(link.place):
                self._skip_body(called)
            return None
        frame = self._frame_of(called, link, options, x, names)
        taken = {value.value for value in frame.values.values() if value is not None}
        with self.report.used(link.place):
            self._enter(frame, called.body)
        self.previous = called.name
        result = frame.current
        if result is not None and result.value not in taken and name:
            result.value.hint = "_".join((*level.path, name))
        return result

    def _named_by(self, link: Link) -> dict[str, Tensor | None]:
        """The values that arguments of a block name; a name that is no constant either is reported."""
        names = [a.value for a in link.arguments if isinstance(a.value, Name) and a.key != "name"]
        found: dict[str, Tensor | None] = {}
        for name in [n for n in names if n.id not in self.frame.scope.constants]:
            known = self.frame.holding(name.id) or self.frame.declares(name.id)
            if known or name.id == IN or name.id in self.spec.places:
                found[name.id] = self.value(name.id, name.place)
            elif help := unknown_argument(name.id, self.frame):
                self.report.error("unknown-name", f"nothing is named {name.id}", name.place, help)
                found[name.id] = None
        return found

    def _frame_of(
        self, called: Called, link: Link, options: dict[str, Any], x: Tensor, names: Mapping[str, Tensor | None]
    ) -> Frame:
        outer = self.frame.level
        uses, running = (*outer.uses, link.place), (*outer.running, called.name)
        if called.definition is None:
            self._turns[called.name] += 1
            parts = tuple(dict.fromkeys((*outer.parts, called.name)))
            level = Level((called.name,), uses, running, parts, self._turns[called.name])
            return self._isolated(called, level, {IN: x})
        name = options.pop("name")
        if name and not self.name_layer(name, next(a.value.place for a in link.arguments if a.key == "name")):
            name = None
        path = (*outer.path, name or outer.segment(called.name))
        within = Use(path, called.name, title(link, self.frame.shown), title(link, {}), outer.within)
        level = Level(path, uses, running, outer.parts, outer.turn, within)
        given = {own: value for own, value in options.items() if isinstance(value, Tensor)}
        for place, (own, value) in enumerate([("x", x), *given.items()]):
            value.value.given.setdefault(within, (place, own))
            if outer.within is None:
                self.foresee(value)
        frame = self._isolated(called, level, {IN: x, **given}, {o: v for o, v in options.items() if o not in given})
        return replace(frame, shown={**frame.scope.constants, **given_by(names, given, self.frame.shown)})

    def _isolated(
        self, called: Called, level: Level, values: dict[str, Tensor | None], constants: Mapping[str, Any] = NOTHING
    ) -> Frame:
        """The frame of a block or part, which sees nothing but its input and what else it is given."""
        scope = called.scope(self.spec.scope, constants, values)
        given, depth = called.places(values), self.frame.depth + 1
        x, subject = values[IN], called.subject
        return Frame(scope, level, values, given=given, current=x, started=True, subject=subject, depth=depth)

    # Bodies -----------------------------------------------------------------------------------------------------------

    def _repeat(self, sentence: Repeat) -> None:
        outer = self.frame
        count = times(sentence, outer.scope, MOST_LINKS)
        if not count:
            self._skip([sentence.body])
            outer.current, outer.started = (outer.current, outer.started) if count == 0 else (None, True)
            return
        for _ in range(count):
            frame = outer.inner()
            self._enter(frame, sentence.body)
            outer.current, outer.started, outer.named = frame.current, frame.started, None
            if frame.started and frame.current is None:
                return  # what is wrong with one iteration is wrong with the next

    def _enter(self, frame: Frame, body: Body) -> None:
        """Run a body in its frame, and check what it names."""
        with self._within(frame):
            sentences, skipped = decided(body, frame.scope)
            self._limit(sentences, body)
            frame.places = self._declared(frame, sentences)
            self._sentences(sentences)
            self._skip(skipped)
            last = sentences[-1].name if sentences and isinstance(sentences[-1], Chain) else None
            if not self.report.failed:
                frame.report_unused(last, self.gone_on, self.report)

    @contextmanager
    def _within(self, frame: Frame) -> Generator[None]:
        outer, self.frame = self.frame, frame
        yield
        self.frame = outer

    def _limit(self, sentences: list[Any], body: Body) -> None:
        self._expanded += 1 + sum(len(s.links) for s in sentences if isinstance(s, Chain))
        place = next(iter(body)).place
        if self._expanded > MOST_LINKS:
            message = f"blocks, parts and repeat come to more than {MOST_LINKS:,} links"
            self.report.error("too-large", message, place, "repeat less")
            raise _TooMuchError
        if self.frame.depth > DEEPEST:
            message = f"more than {DEEPEST} blocks, parts and bodies of repeat lie in one another"
            self.report.error("too-deep", message, place, "write some of them out")
            raise _TooMuchError

    def _declared(self, frame: Frame, sentences: list[Any]) -> Mapping[str, Place]:
        """The names that a body declares, each once and none that is known there."""
        names = Names(self.report)
        around = frame.outer.visible if frame.outer else {}
        names.places.update({**around, **frame.given})
        for chain in [s for s in sentences if isinstance(s, Chain)]:
            if chain.name is None or chain.name_place is None:
                continue
            if chain.name in frame.scope.constants and chain.name not in around:
                message = f"{chain.name} is already the name of a constant"
                self.report.error("duplicate-name", message, chain.name_place, "choose another name")
            else:
                names.declare(chain.name, chain.name_place, renamed(chain.name))
        return {name: place for name, place in names.places.items() if name not in around}

    # What is not run --------------------------------------------------------------------------------------------------

    def _skip(self, bodies: list[Body]) -> None:
        """Check the words of bodies that are not run; what they name is not left over."""
        for body in bodies:
            names = {*self.frame.visible, *(chain.name for chain in chains(body))}
            for link, source in links(body):
                named = source and (link.word in names or self.frame.holding(link.word))
                if not named and not self._called(link):
                    self._word(link)
            implied = any(c.links[0].arguments or c.links[0].word not in names for c in chains(body))
            # A chain without a source may go on from what the body around is given.
            for name in reached(body, self.spec.defining) | ({IN} if implied else set[str]()):
                holder = self.frame.holding(name) or self.frame
                holder.used.add(name)
                self._mark(name)
                self.untaken.add(name)

    def _unrun(self) -> None:
        """Check the words of parts and blocks that nothing uses."""
        for part in self.spec.parts.values():
            if part.name not in self.used:
                self._skip_body(Called(part.name, "part", part.body))
        for (kind, name), defined in self.spec.definitions.items():
            if kind == "block" and not defined.used:
                with self.report.used(*defined.imports):
                    self._skip_body(Called(name, kind, defined.definition.body, defined))

    def _skip_body(self, called: Called) -> None:
        with self._within(self._isolated(called, Level(), dict.fromkeys((IN, *called.options)))):
            self._skip([called.body])

    def _mark(self, name: str) -> None:
        """Say that something uses a part, or what a definition of this name defines."""
        if name in self.spec.parts:
            self.whole.used.add(name)
        for kind in self._kinds:
            if (kind, name) in self.spec.definitions:
                self.spec.definitions[kind, name].used = True
