"""Manuals: what the records of words, options and types say, taken apart for whoever shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from .examples import KINDS as EXAMPLES
from .examples import example_of
from .kinds import KINDS, FieldKind
from .options import OF_SCHEDULES
from .train_sentence import TRAIN
from .types import REAL
from .universal import UNIVERSAL
from .words import WORDS, Option, Word

# The parts of a docstring behind its text, in their order.
SECTIONS = ("Formula", "Source", "Deeplearning4j", "Keras", "PyTorch")
HEADS = re.compile(rf"^({'|'.join(SECTIONS)}): ", re.MULTILINE)

# Kinds whose options stand in parentheses.
CALLED = ("init", "schedule", "metric")


@dataclass(frozen=True)
class Row:
    """An option or a type: what it takes, its default, empty where it has none, and what it does."""

    name: str
    takes: str
    default: str = ""
    about: str = ""
    required: bool = False

    @property
    def taken(self) -> str:
        """What it takes, and what holds where it is not given."""
        default = "needed" if self.required else f"default {self.default}" if self.default else "optional"
        return f"{self.takes}; {default}"


@dataclass(frozen=True)
class Table:
    """Options, or types, that belong to no single word; a singular for one of them."""

    title: str
    one: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Manual:
    """The manual of a word.

    `facts` are what its record says of targets and predictions, `line` is its example in a sentence, `spec` a whole
    spec around it.
    """

    kind: str
    name: str
    aliases: tuple[str, ...]
    signature: str
    summary: str
    details: tuple[str, ...]
    options: tuple[Row, ...]
    sections: Mapping[str, str]
    facts: Mapping[str, str]
    line: str
    spec: str
    # The table of the options that it takes beside its own; empty where there is none.
    shared: str = ""

    @property
    def shared_names(self) -> list[str]:
        """The names of those options."""
        own = {row.name for row in self.options}
        return [row.name for row in TABLES[self.shared].rows if row.name not in own] if self.shared else []

    @property
    def formula(self) -> list[str]:
        """The statements of the formula."""
        return [text for text in self.sections.get("Formula", "").split("; ") if text]

    @property
    def beside(self) -> dict[str, str]:
        """What else is known: its targets, its source, and how it is elsewhere."""
        return {name: text for name, text in (*self.facts.items(), *self.sections.items()) if name != "Formula"}

    def as_json(self) -> dict[str, Any]:
        """The manual as JSON holds it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "aliases": self.aliases,
            "signature": self.signature,
            "summary": self.summary,
            "details": self.details,
            "options": [vars(row) for row in self.options],
            "shared": self.shared_names,
            **{name.lower(): text for name, text in (*self.facts.items(), *self.sections.items())},
            "example": self.line,
            "spec": self.spec,
        }


def manuals() -> list[Manual]:
    """The manuals of all words, kind after kind."""
    return [manual_of(word) for kind in EXAMPLES for (of, _), word in WORDS.items() if of == kind]


def manual_of(word: Word) -> Manual:
    """The manual of a word of the vocabulary."""
    example = example_of(word)
    return compose(word.kind, word.name, word.doc, word.options.values(), example.line, example.spec, word)


def compose(
    kind: str, name: str, doc: str, options: Iterable[Option], line: str, spec: str = "", word: Word | None = None
) -> Manual:
    """A manual from what is known of a word, or of a block."""
    text, *rest = HEADS.split(doc)
    summary, *details = [_joined(paragraph) for paragraph in text.strip().split("\n\n")]
    rows = tuple(row_of(option) for option in options)
    return Manual(
        kind,
        name,
        word.aliases if word else (),
        _signature(kind, name, word.operands if word and kind == "layer" else (), rows),
        summary,
        tuple(details),
        rows,
        dict(zip(rest[::2], map(_joined, rest[1::2]), strict=True)),
        _facts(word) if word and not word.table else {},
        line,
        spec,
        _shared(word) if word else "",
    )


def _shared(word: Word) -> str:
    return "layer" if word.kind == "layer" and word.weighted else "schedule" if word.kind == "schedule" else ""


def _facts(word: Word) -> dict[str, str]:
    if not word.targets:
        return {}
    prediction = str(word.prediction) if word.prediction != REAL else "any numbers"
    prediction = "one axis of features" if word.features else prediction
    if word.class_prediction:
        prediction += f"; of a class {word.class_prediction}"
    return {"Target": ", ".join(word.targets), "Prediction": prediction}


def row_of(option: Option) -> Row:
    """An option as a table shows it."""
    default = "" if option.default is None else shown(option.default)
    return Row(option.name, option.kind.description, default, option.about, option.required)


def shown(value: Any) -> str:
    """A default as the language writes it; a third, which no decimal is, as a fraction."""
    match value:
        case bool():
            return str(value).lower()
        case float() if float(f"{value:g}") == value:
            return re.sub(r"e([+-])0*", r"e\1", f"{value:g}")
        case float():
            return f"({Fraction(value).limit_denominator(1000)})"
        case (int() as size,):
            return str(size)
        case tuple():
            return f"[{', '.join(map(shown, cast('tuple[Any, ...]', value)))}]"
        case _:
            return str(getattr(value, "text", value))


def _joined(text: str) -> str:
    return " ".join(text.split())


def _signature(kind: str, name: str, operands: Iterable[str], options: Iterable[Row]) -> str:
    """How the word is written: what it needs in capitals, what it may be given with its default."""
    several = {"*": " ...", "?": ""}
    words = [f"[{o[1:].upper()}{several[o[0]]}]" if o[0] in several else o.upper() for o in operands]
    for row in options:
        optional = f"{row.name}={row.default}" if row.default else f"[{row.name}=]"
        words.append(row.name.upper() if row.required else optional)
    if kind in CALLED:
        return f"{name}({', '.join(words)})" if words else name
    return " ".join([name, *words])


# What belongs to no single word -----------------------------------------------------------------------------------


def _type(name: str, kind: FieldKind) -> Row:
    article = {"input": "an input", "target": "a target", "noise": "a noise"}
    stored = {"f32": "float32", "i64": "int64", "u8": "uint8"}[kind.dtype]
    return Row(name, kind.about, about=f"{' or '.join(article[r] for r in kind.roles)}; {stored} in the artifacts")


def _options(title: str, one: str, options: Mapping[str, Option]) -> Table:
    return Table(title, one, tuple(map(row_of, options.values())))


TABLES: Mapping[str, Table] = {
    "layer": _options("Options of every layer with weights", "an option of every layer with weights", UNIVERSAL),
    "schedule": _options("Options of every schedule", "an option of every schedule", OF_SCHEDULES),
    "train": _options("Settings of the sentence train", "a setting of the sentence train", TRAIN),
    "type": Table("Types of inputs, targets and noise", "a type", tuple(_type(n, k) for n, k in KINDS.items())),
}
