"""What happens at each step of a scan, as a program of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .ir import Builder, Program, Tensor
from .types import Shape, Type


@dataclass(frozen=True, eq=False)
class Loop:
    """A program whose inputs are what is carried from step to step, what each step is given, and constants.

    Its results are what is carried on, in the same order, and then what each step gives. One that goes `backwards`,
    from the last step to the first, begins with zeros; what its steps give stands in the order of the steps all the
    same. It may be the way back through a loop, which it `undoes`.
    """

    program: Program
    carries: int
    given: int
    backwards: bool = False
    undoes: Loop | None = None

    def __repr__(self) -> str:
        return f"{'the way back through ' if self.backwards else ''}{self.name}: {self.program}"

    @property
    def name(self) -> str:
        """What the page calls its function, unless that name is taken."""
        return self.program.name

    @property
    def outputs(self) -> tuple[Type, ...]:
        """The types of what each step gives."""
        return tuple(value.type for value in list(self.program.results.values())[self.carries :])


def step_type(sequence: Type) -> Type:
    """The type of one step of a sequence (N, T, …)."""
    return Type(sequence.dtype, (sequence.shape[0], *sequence.shape[2:]), sequence.domain)


def stacked(step: Type, steps: Shape) -> Type:
    """The type of all steps; `steps` are the first two axes of the sequences."""
    return Type(step.dtype, (*steps, *step.shape[1:]), step.domain.interval)


def loop_of(
    name: str,
    step: Callable[..., Sequence[Tensor]],
    carries: Sequence[Type],
    given: Sequence[Type],
    constants: Sequence[Type] = (),
    backwards: bool = False,
    names: Sequence[str] = (),
) -> Loop:
    """The loop of a function of the carried values, the values of one step, and constants."""
    builder = Builder()
    types = [*carries, *map(step_type, given), *constants]
    roles = ["carry"] * len(carries) + ["step"] * len(given) + ["constant"] * len(constants)
    called = names or [f"v{i}" for i in range(len(types))]
    inputs = [builder.input(*each) for each in zip(roles, called, types, strict=True)]
    results = step(*inputs)
    program = builder.program(name, {f"r{i}": result for i, result in enumerate(results)})
    return Loop(program, len(carries), len(given), backwards)
