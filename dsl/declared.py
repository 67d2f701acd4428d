"""The names of a spec: each declared once, and safe as a Python name in the artifacts."""

from __future__ import annotations

import keyword
import sys

from .diagnostics import Report, listed
from .source import Place
from .words import WORDS

LONGEST_NAME = 32


def a_kind(kind: str) -> str:
    """A kind of word as prose: a layer, an initializer."""
    noun = {"init": "initializer"}.get(kind, kind)
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def unsafe(name: str) -> str:
    """Why a name cannot stand in the artifacts; empty where it can."""
    if keyword.iskeyword(name):
        return f"{name} is a keyword of Python"
    if name.startswith("_"):
        return f"{name} starts with an underscore"
    if len(name) > LONGEST_NAME:
        return f"this name has {len(name):,} characters, and a name has at most {LONGEST_NAME}"
    return ""


class Names:
    """The names that a spec declares."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.places: dict[str, Place] = {}

    def check(self, name: str, place: Place) -> bool:
        """Report a name that cannot stand in the artifacts."""
        why = unsafe(name)
        if why:
            self.report.error("unsafe-name", f"{why}; the artifacts use the name", place, "choose another")
        return not why

    def check_net(self, name: str, place: Place) -> None:
        """Report a net's name that its trainer, a file of that name, could not have."""
        if self.check(name, place) and (name in sys.stdlib_module_names or name == "numpy"):
            message = f"the trainer would be {name}.py, and hide the module {name} from Python"
            self.report.error("unsafe-name", message, place, "choose another")

    def declare(self, name: str, place: Place, help: str = "choose another name") -> bool:
        """Declare a name unless it is taken, which is reported; so is an unsafe one, and one that hides a word."""
        safe = self.check(name, place)
        if name in self.places:
            message = f"{name} is already declared in line {self.places[name].line}"
            self.report.error("duplicate-name", message, place, help)
            return False
        self.places[name] = place
        kinds = sorted({kind for kind, word in WORDS if word == name})
        if kinds and safe:
            message = f"{name} is also the name of {listed(map(a_kind, kinds))}; here it means your value"
            self.report.warning("hidden-word", message, place, "another name would read more easily")
        return True
