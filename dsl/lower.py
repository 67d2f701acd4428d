"""One link of a chain to equations: its word is run within the net under construction."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .arrays import Arrays, Use
from .constants import NotConstantError
from .diagnostics import listed
from .field_sentence import LARGEST_EXAMPLE, MOST_AXES
from .foreign import word_here
from .ir import Tensor
from .kinds import of_lengths
from .options import bind
from .resolve import Spec
from .section import Section
from .source import Place
from .syntax import Argument, Link, Name
from .types import count, pieces
from .universal import UNIVERSAL, idle
from .unknown import unknown_name
from .words import Inner, Scheduled, Word, WordError


class Layers(Arrays):
    """Runs words, one link of a chain after the other."""

    def __init__(self, spec: Spec, mode: str):
        super().__init__(spec, mode)
        self.sections: list[tuple[Section, Tensor]] = []
        # How many uses of a word have a schedule.
        self._timed: dict[str, int] = {}

    def value(self, name: str, place: Place) -> Tensor | None:
        """The tensor of a name; None, after a diagnostic, where there is none."""
        frame = self.frame.holding(name)
        if frame is None:
            frame = self.frame
            message, help = unknown_name(name, place, self.spec, frame)
            self.report.error("unknown-name", message, place, help)
            frame.values[name] = None
        frame.used.add(name)
        return frame.values[name]

    # One link ---------------------------------------------------------------------------------------------------------

    def _link(self, word: Word, link: Link, section: Section, x: Tensor, name: str | None) -> Tensor | None:
        self.builder.section, self.builder.origin = section, (*section.uses, link.place)
        try:
            word, link, prefixes = self._inner(word, link)
            operands, options = self._arguments(word, link)
            wrapped = [(prefix, self._own(prefix, own), inner) for prefix, own, inner in prefixes]
        except NotConstantError:
            return None
        self.word, self.use = word.name, Use(link, section, options)
        try:
            own = {key: self._timely(word, key, options[key]) for key in word.options}
            self._check_ids(word, [x, *operands])
            self._check_pieces(word, [x, *operands])
            result = self._run(wrapped, x, lambda value: word.function(value, *operands, **own))
            self.kept.given(result.value)
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

    def _inner(self, word: Word, link: Link) -> tuple[Word, Link, list[tuple[Word, Link, Word]]]:
        """The word that is run behind any prefixes, with what is not theirs; and these, each with what it is before."""
        prefixes: list[tuple[Word, Link, Word]] = []
        while word.prefix:
            first, *rest = link.arguments or (None,)
            inner = first.value if first and not first.key else None
            found = self.spec.scope.find("layer", inner.id) if isinstance(inner, Name) else None
            if found is None or found.joins:
                message, place = f"{word.name} takes a layer", first.place if first else link.place
                raise self.spec.scope.fail("bad-option", message, place, f"as in: {word.example}")
            assert inner is not None
            prefixes.append((word, link, found))
            own = tuple(a for a in rest if a.key not in word.options)
            word, link = found, Link(link.place, found.name, own, inner.place)
        return word, link, prefixes

    def _own(self, prefix: Word, link: Link) -> dict[str, Any]:
        """The options of a prefix."""
        own = [a for a in link.arguments if a.key in prefix.options]
        return bind(prefix.name, prefix.options, own, link.place, self.frame.scope, {}, prefix.example)

    def _run(
        self, prefixes: list[tuple[Word, dict[str, Any], Word]], x: Tensor, run: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """The value of a layer, run as its prefixes say."""
        if not prefixes:
            return run(x)
        (prefix, options, word), *rest = prefixes

        def marked(x: Tensor, mark: str) -> Tensor:
            self.mark, before = self.mark + mark, self.mark
            result = self._run(rest, x, run)
            self.mark = before
            return result

        return prefix.function(x, Inner(word, marked), **options)

    def _arguments(self, word: Word, link: Link) -> tuple[list[Tensor], dict[str, Any]]:
        operands: list[Tensor] = []
        values: dict[str, Tensor | None] = {}
        rest: list[Argument] = []
        failed = False
        for argument in link.arguments:
            named = argument.key is None and word.takes_another(len(operands))
            named = named and (word.joins or isinstance(argument.value, Name))
            if named and not isinstance(argument.value, Name):
                message = f"{word.name} takes the names of values"
                self.report.error("bad-option", message, argument.place, f"as in: {word.name} a, where a = ...")
                failed = True
            elif argument.key in word.options and word.options[argument.key].kind.form == "value":
                if isinstance(argument.value, Name):
                    values[argument.key] = self.value(argument.value.id, argument.value.place)
                    failed |= values[argument.key] is None
                else:
                    message = f"{argument.key} takes the name of a value"
                    help = f"as in: {argument.key}=a, where a = ..."
                    self.report.error("bad-option", message, argument.value.place, help)
                    failed = True
            elif named and isinstance(argument.value, Name):
                value = self.value(argument.value.id, argument.place)
                failed |= value is None
                if value is not None:
                    operands.append(value)
            else:
                rest.append(argument)
        if word.joins and not operands and not failed:
            message = f"{word.name} needs the name of a value"
            self.report.error("missing-option", message, link.place, f"as in: {word.name} a, where a = ...")
            failed = True
        keyed = UNIVERSAL if word.kind == "layer" else {}
        beside = "takes the name of one value" if word.operands else _as_elsewhere(word, link)
        untold = () if word.weighted or word.own else keyed
        options = bind(word.name, word.options, rest, link.place, self.frame.scope, keyed, word.example, beside, untold)
        if failed:
            raise NotConstantError
        return operands, options | values

    def _timely(self, word: Word, key: str, value: Any) -> Any:
        """An option, or the value of the schedule that stands for it, which only training has."""
        if not isinstance(value, Scheduled):
            return value
        if not self.training:
            return math.nan
        use = self.use
        name = use.options.get("name")
        if name is None:
            use.turn = use.turn or self._timed.get(word.name, 0) + 1
            self._timed[word.name] = use.turn
            name = f"{word.name}{use.turn}"
        label = use.section.named(f"{name}_{key}").upper()
        return self.settings.scheduled(label, value, word.options[key].kind).named(key)

    def _check_ids(self, word: Word, values: list[Tensor]) -> None:
        for value in values:
            ids = value.type.dtype == "i64"
            lengths = of_lengths(value.value.hint, value.type.domain) if ids else None
            if lengths:
                message, help = lengths
                raise WordError("ids-mismatch", f"{message}; {word.name} takes none", help)
            if ids and not word.ids:
                message = f"{word.name} needs numbers, but {value.value.hint} is a category, whose values are ids"
                raise WordError("ids-mismatch", message, f"put onehot or embedding before {word.name}")
            if word.ids and not ids:
                message = f"{word.name} takes the ids of a category, but {self.previous} gives numbers"
                raise WordError("ids-mismatch", message, 'declare the input as a category, such as category("a", "b")')

    def _check_pieces(self, word: Word, values: list[Tensor]) -> None:
        cuts = [pieces(value.shape[0]) for value in values]
        if len(set(cuts)) > 1:
            message = f"{word.name} takes values of the same examples, and these are in {listed(map(str, cuts))} pieces"
            raise WordError("shape-mismatch", message, "put batch_to_space before it, where examples are in pieces")

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
            key = str(argument.key)
            acts = self.use.made if key == "name" else self.use.keeps and key == "frozen"
            why = "" if acts else idle(word.name, key, self.use.weights)
            if why:
                self.report.error("unknown-option", f"{why}, so {key} does nothing", argument.place, f"take {key} away")
        for key, option in word.options.items():
            value = self.use.options[key]
            if option.kind.form == "init" and value is not option.default and value not in self.use.inits:
                message = f"{key} does nothing here, since {word.name} makes no weight from it"
                self.report.error("unknown-option", message, self._place_of(value), f"take {key} away")

    def _hint(self, word: Word, section: Section, result: Tensor, name: str | None) -> None:
        letter = "h" if word.kind == "activation" else "z"
        result.value.hint = section.named(name or word.gives or f"{letter}{section.suffix}")


def _as_elsewhere(word: Word, link: Link) -> str:
    """What is said of a value that a word takes none of, where its name means a layer elsewhere: linear 64."""
    here = word_here(link.word, "layer") if word.kind == "activation" else None
    return f"takes no value, which {here} does" if here else ""
