"""The first pass over a text: what is refused as a character, where a sentence ends, and which doc comment it has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from .characters import forbidden, foreign
from .diagnostics import Diagnostic
from .source import Place, Source

BRACKET_LIMIT = 50

# As many are kept of the forbidden characters, and of the rest; parse tells fewer.
DIAGNOSTIC_LIMIT = 50

# What stands for text that no sentence may hold: the parser recovers there, and says nothing more about it.
HOLE = "\0"

_PIECES = re.compile(
    r"""(?P<blank>[ \t]+)
    | (?P<newline>\r?\n)
    | (?P<comment>\#(?:[^\r\n]|\r(?!\n))*)
    | (?P<string>"(?:[^"\\\r\n]|\r(?!\n)|\\[^\r\n])*")
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<arrow>->)
    | (?P<code>[^\x00-\x20"\#()\[\]{}\x7f-\U0010ffff-]+|-)
    | (?P<quote>"[^\n]*)
    | (?P<other>[^\x00-\x7f]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_BRACKET = re.compile(r"[()\[\]{}]")


@dataclass
class Layout:
    """A text made ready for the parser, with every offset where it was.

    `text` has no comments, and newlines only between sentences; `marks` are the offsets of its newlines and braces;
    `docs` are doc comments by the offset of their sentence; `complete` says that no bracket's end is missing.
    """

    text: str
    docs: dict[int, str]
    marks: list[tuple[int, str]]
    diagnostics: list[Diagnostic]
    complete: bool


def lay_out(source: Source) -> Layout:
    """Divide a text into sentences, in one pass."""
    return _Scan(source).run()


class _Cut(Exception):  # noqa: N818 (no error: how the scan stops early)
    """The sentence that started at an offset cannot be told from what follows it; the text is read up to there."""

    def __init__(self, offset: int):
        self.offset = offset


@dataclass
class _Scan:
    source: Source
    out: list[str] = field(default_factory=list[str])
    docs: dict[int, str] = field(default_factory=dict[int, str])
    marks: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    # Open brackets, each with its offset and its sentence's.
    brackets: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    # The doc comments, with their places, that wait for a sentence.
    waiting: list[tuple[str, Place]] = field(default_factory=list[tuple[str, Place]])
    # The piece that a newline was, and its offset, while it is open whether it ends a sentence.
    newline: tuple[int, int] | None = None
    sentence: int = 0
    begun: bool = False
    alone: bool = True
    holed: bool = False

    def run(self) -> Layout:
        """Go over the pieces, up to the end or to where nothing more can be told."""
        text = self.source.text
        self.diagnostics += islice(forbidden(self.source), DIAGNOSTIC_LIMIT)
        end = None
        try:
            for match in _PIECES.finditer(text):
                kind = match.lastgroup or "other"
                getattr(self, "_" + kind)(match.group(), match.start())
            self._finish()
        except _Cut as cut:
            end = cut.offset
        laid_out = "".join(self.out)[:end]
        marks = self.marks if end is None else [mark for mark in self.marks if mark[0] < end]
        return Layout(laid_out, self.docs, marks, self.diagnostics, end is None)

    def _blank(self, text: str, start: int) -> None:
        self.out.append(" " * len(text))

    def _newline(self, text: str, start: int) -> None:
        self.alone = True
        if self.newline is None and self.begun and not self._inside():
            self.newline = len(self.out), start
        self.out.append(" " * len(text))

    def _comment(self, text: str, start: int) -> None:
        self.out.append(" " * len(text))
        if text.startswith("##") and not text.startswith("###"):
            place = self._place(start, len(text))
            if self.alone and not self._inside():
                self.waiting.append((text[2:].removeprefix(" ").rstrip(), place))
            else:
                self._stray_doc(place)

    def _string(self, text: str, start: int) -> None:
        self._begin(start)
        self.out.append(text)

    _code = _string

    def _arrow(self, text: str, start: int) -> None:
        self._refuse_docs()
        if self.newline is not None:
            self.newline = None
        self._begin(start)
        self.out.append(text)

    def _open(self, text: str, start: int) -> None:
        self._begin(start)
        if text == "{" and self._inside():
            self._unclosed()
        if len(self.brackets) >= BRACKET_LIMIT:
            self._error("too-deep", f"brackets are nested deeper than {BRACKET_LIMIT}", start, 1)
            raise _Cut(self.sentence)
        self.brackets.append((text, start, self.sentence))
        self.out.append(text)
        if text == "{":
            self.marks.append((start, text))
            self.begun = False

    def _close(self, text: str, start: int) -> None:
        if text == "}":
            self._refuse_docs()
            self.newline = None
        self._begin(start)
        self.out.append(text if self._match(text, start) else HOLE)
        if text == "}":
            self.marks.append((start, text))

    def _match(self, text: str, start: int) -> bool:
        """Whether a bracket closes one, and none is left open for it."""
        opened, _, sentence = self.brackets[-1] if self.brackets else ("{", 0, start)
        if self.brackets and text == _CLOSES[opened]:
            self.brackets.pop()
            self.sentence = sentence
            return True
        if opened != "{" and text == "}":
            self._unclosed()
        message, help = f"{text} closes nothing", "remove it"
        if opened != "{":
            message, help = f"{opened} is closed by {text}", f"write {_CLOSES[opened]}"
        self._error("unmatched-bracket", message, start, 1, help)
        if opened != "{" or text == "}":
            raise _Cut(sentence)
        return False

    def _quote(self, text: str, start: int) -> None:
        self._begin(start)
        text = text.rstrip()
        message = "the string does not end on its line"
        self._error("unclosed-string", message, start, len(text), 'put " at its end')
        if self._inside() or _BRACKET.search(text):
            raise _Cut(self.sentence)
        self.out.append(HOLE)
        self.out.append(" " * (len(text) - 1))

    def _other(self, text: str, start: int) -> None:
        if start == 0 and text.startswith("\ufeff"):
            self.out.append(" ")
            text, start = text[1:], 1
            if not text:
                return
        self._begin(start)
        if not self.holed:
            self._add(foreign(self.source, start, text))
        self.holed = True
        self.out.append(HOLE * len(text))

    def _begin(self, start: int) -> None:
        """Something that is part of a sentence stands here."""
        self.alone = False
        if self.newline is not None:
            self._end_sentence(*self.newline)
        if not self.begun:
            self.begun, self.holed, self.sentence = True, False, start
            if self.waiting:
                self.docs[start] = "\n".join(text for text, _ in self.waiting)
                self.waiting.clear()
        elif self.waiting:
            self._refuse_docs()

    def _end_sentence(self, piece: int, start: int) -> None:
        # The blank may stand for \r\n: one newline is enough, and offsets stay.
        self.out[piece] = "\n".ljust(len(self.out[piece]))
        self.marks.append((start, "\n"))
        self.newline, self.begun = None, False

    def _finish(self) -> None:
        self._refuse_docs()
        if self.brackets:
            self._unclosed()

    def _inside(self) -> bool:
        return bool(self.brackets) and self.brackets[-1][0] != "{"

    def _unclosed(self) -> None:
        opened, start, sentence = self.brackets[-1]
        message = f"{opened} is never closed"
        self._error("unmatched-bracket", message, start, 1, f"write {_CLOSES[opened]} where it ends")
        raise _Cut(sentence)

    def _refuse_docs(self) -> None:
        for _, place in self.waiting:
            self._stray_doc(place)
        self.waiting.clear()

    def _stray_doc(self, place: Place) -> None:
        message = "this doc comment belongs to no sentence"
        help = "put it on lines of its own above a sentence, or write # for an ordinary comment"
        self._add([Diagnostic("stray-doc", message, place, help)])

    def _place(self, start: int, length: int) -> Place:
        return Place(self.source, start, start + length)

    def _error(self, code: str, message: str, start: int, length: int, help: str | None = None) -> None:
        self._add([Diagnostic(code, message, self._place(start, length), help)])

    def _add(self, diagnostics: Iterable[Diagnostic]) -> None:
        if len(self.diagnostics) < 2 * DIAGNOSTIC_LIMIT:
            self.diagnostics += diagnostics
