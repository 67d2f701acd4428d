"""What the arguments of a spec may name, where their faults are reported, and one argument on its way to a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .constants import NOTHING, Constant, NotConstantError, evaluate
from .diagnostics import Report
from .ir import Tensor
from .source import Place
from .syntax import Boolean, Call, Expr, Items, Name, Number, Text, Window
from .words import Option, Word, find, names


@dataclass
class Scope:
    """What the arguments of a spec may name, and where their faults are reported."""

    constants: Mapping[str, Constant | None]
    report: Report
    folder: str | None = None
    # What each name is that is no constant.
    declared: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    # The words that the spec itself defines, by kind and name.
    words: dict[tuple[str, str], Word] = field(default_factory=lambda: {})
    # The values that the arguments of a block's use name; None where one is at fault.
    values: Mapping[str, Tensor | None] = field(default_factory=lambda: {})

    def find(self, kind: str, name: str) -> Word | None:
        """The word of a kind: the spec's own, or the vocabulary's."""
        return self.words.get((kind, name)) or find(kind, name)

    def linked(self, name: str) -> Word | None:
        """The layer or activation of a name: the spec's own, whichever it is, or the vocabulary's."""
        own = self.words.get(("layer", name)) or self.words.get(("activation", name))
        return own or find("layer", name) or find("activation", name)

    def names(self, kind: str) -> list[str]:
        """The names of all words of a kind, the spec's own first."""
        return [*dict.fromkeys([*(name for k, name in self.words if k == kind), *names(kind)])]

    def number(self, expr: Expr) -> Constant:
        """The value of a constant expression."""
        return evaluate(expr, self.constants, self.report, self.declared)

    def fail(self, code: str, message: str, place: Place, help: str | None = None) -> NotConstantError:
        """Report an error and return what to raise."""
        self.report.error(code, message, place, help)
        return NotConstantError()


@dataclass(frozen=True)
class Use:
    """An expression that stands for an option of a word or a sentence, the subject, of which `example` is a use."""

    option: Option
    expr: Expr
    subject: str
    scope: Scope
    example: str = ""

    def fail(self, found: str | None = None, help: str | None = None) -> NotConstantError:
        """Report that the option takes no such value; return what to raise."""
        found = found or _found(self.expr, self.scope)
        message = f"{self.option.name} of {self.subject} is {self.option.kind.description}; {found}"
        if isinstance(self.expr, Text) and self.option.kind.form in ("choice", "pads", "init", "identifier"):
            help = f"words stand without quotes: {self.option.name}={self.expr.value}"
        help = help or (f"as in: {self.example}" if " " in self.example else None)
        return self.scope.fail("bad-option", message, self.expr.place, help)

    def constant(self) -> Constant:
        """The value of the expression."""
        if isinstance(self.expr, Call):
            raise self.fail()
        return self.scope.number(self.expr)

    def given(self) -> Constant | Tensor:
        """The value of the expression, or of the net where it names one."""
        if not isinstance(self.expr, Name) or self.expr.id not in self.scope.values:
            return self.constant()
        value = self.scope.values[self.expr.id]
        if value is None:
            raise NotConstantError
        return value


def _found(expr: Expr, scope: Scope) -> str:
    if isinstance(expr, Name) and expr.id in scope.constants:
        value = scope.constants[expr.id]
        return f"{expr.id} is {str(value).lower() if isinstance(value, bool) else repr(value)}"
    if isinstance(expr, Name) and expr.id in scope.declared:
        return f"{expr.id} is {scope.declared[expr.id]}"
    return f"this is {described(expr)}"


def described(expr: Expr) -> str:
    """An expression as a message names it."""
    match expr:
        case Number():
            return expr.text
        case Text():
            return "a string"
        case Name():
            return f"the name {expr.id}"
        case Call():
            return f"the call {expr.word}(...)"
        case Items():
            return "a list"
        case Window():
            return f"the window {'x'.join(map(str, expr.sizes))}"
        case Boolean():
            return str(expr.value).lower()
        case _:
            return "an expression"
