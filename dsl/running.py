"""What layers keep from step to step of training, such as running statistics, and which loss moves it."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace

from .ir import Equation, Program, Tensor, Value
from .prune import prune


@dataclass
class Moved:
    """One array that a use of a layer moves: its value before and after, and what the layer gives there."""

    name: str
    before: Value
    after: Value
    result: Value | None = None

    def seen(self, read: Container[Value]) -> bool:
        """Whether values that are read hang on what the layer gives, be it its memory alone."""
        return any(value is not None and value in read for value in (self.result, self.result and self.result.cells))


@dataclass
class Running:
    """What is kept, by name as it is at this point of the chains, and how it was moved up to there."""

    now: dict[str, Tensor] = field(default_factory=lambda: {})
    moves: list[Moved] = field(default_factory=lambda: [])

    def move(self, name: str, after: Tensor) -> None:
        """Let a layer move an array."""
        self.moves.append(Moved(name, self.now[name].value, after.named(name).value))
        self.now[name] = after

    def moved(self, name: str) -> bool:
        """Whether a layer has moved an array already."""
        return any(moved.name == name for moved in self.moves)

    def given(self, result: Value) -> None:
        """Say what the layer gives whose moves are the last ones."""
        for moved in reversed(self.moves):
            if moved.result is not None:
                return
            moved.result = result

    def moved_by(self, program: Program, names: Container[str]) -> tuple[Program, dict[str, Value]]:
        """The program of a loss in which only those layers move some arrays that it looks at; and what they leave.

        A part that is used several times is moved by each use in its turn, and a loss may look at some of them alone.
        """
        read = prune(program).uses
        known: dict[Value, Value] = {}
        left: dict[str, Value] = {}
        for moved in self.moves:
            if moved.name in names and moved.seen(read):
                left[moved.name] = moved.after
            else:
                known[moved.after] = known.get(moved.before, moved.before)
        return program.with_equations(_renamed(program.equations, known)), left


def _renamed(equations: Iterable[Equation], known: dict[Value, Value]) -> Iterable[Equation]:
    for equation in equations:
        other = any(a in known for a in equation.args)
        yield replace(equation, args=tuple(known.get(a, a) for a in equation.args)) if other else equation
