"""How much memory training takes with each engine, from how long the values of a step live.

    memory(net) -> {"numpy": bytes, "onnx": bytes}

A function of the file keeps what it names until it returns, that of a block too; what only one line reads is gone after
it. ONNX Runtime has weights and moments twice, those that a step reads and those that it writes; its arena comes to all
values that are read more than once, since nodes run in an order of the runtime's own, and what is read once is
overwritten in its place.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..dsl.assemble import memory_needed
from ..dsl.derived_steps import derived, factors
from ..dsl.ir import Equation, Program, Value
from ..dsl.net import Net
from ..dsl.types import Dim, count, pieces
from .gradients import loss_and_grads

BYTES = {"f32": 4, "f64": 8, "i64": 8, "u8": 1, "bool": 1}
# What a heap takes for what lives in it, holes between arrays of many sizes included.
HEAP = 1.3
# What a convolution of the file lays out at once, about: see `blocks` among its kernels.
COLUMNS = 4 * 2**18


class Sizes(NamedTuple):
    """How many examples a batch has, and how many steps each of them."""

    batch: int
    steps: int

    def of(self, dim: Dim) -> int:
        """The size of an axis; that of `N*T` is a product."""
        return dim if isinstance(dim, int) else math.prod(map(self._known, factors(dim)))

    def _known(self, name: str) -> int:
        if name.isdigit():
            return int(name)
        examples, steps = pieces(name) * self.batch, derived(name)
        return examples or (max(1, steps.of(self.steps)) if steps else self.steps)


def memory(net: Net) -> dict[str, int]:
    """Bytes that training takes, about; a solver, which looks at all rows, has the file alone.

    A number of steps that only run time knows is that of a window, or 1 where there is none.
    """
    if net.solver or not net.trains:
        return {"numpy": memory_needed(net)}
    gradients = [loss_and_grads(net, loss) for loss in net.losses]
    sizes = Sizes(int(net.train["batch"]), int(net.train["window"] or 1))
    kept = _all((i.value for i in gradients[0].of("weight", "state")), sizes)
    kept += 4 * sum(
        count(net.weights[w].shape) * len(loss.updater.moments) for loss in net.losses for w in loss.trained
    )
    examples = _all((i.value for i in gradients[0].of("example", "target", "draw")), sizes)
    held = max(_most(program, sizes, blocks=True) for program in gradients)
    arena = sum(_most(program, sizes, blocks=False) for program in gradients)
    return {"numpy": int(HEAP * (kept + examples + held)), "onnx": 2 * kept + examples + arena}


def _most(program: Program, sizes: Sizes, blocks: bool) -> int:
    """The most bytes that live at once in a program; `blocks` forgets what they name where they end."""
    ends, leaving = _ends(program, blocks), defaultdict[int, int](int)
    alive = most = 0
    for at, equation in enumerate(program.equations):
        for value in equation.results:
            if value in ends:
                alive += _size(value, sizes)
                leaving[max(at, ends[value])] += _size(value, sizes)
        # A convolution gives what it reads margins, or another order of axes, which are copies.
        copies = _all(equation.args, sizes) + COLUMNS if "conv" in equation.op.name else 0
        most = max(most, alive + copies)
        alive -= leaving.pop(at, 0)
    return most


def _ends(program: Program, blocks: bool) -> dict[Value, int]:
    """The equation after which each array is gone; one that others are views of lives as long as they do."""
    ends, of, returns = dict[Value, int](), dict[Value, Value](), _returns(program)
    for at, equation in enumerate(program.equations):
        if equation.args and equation.op.cheap(equation):
            of |= {value: of.get(equation.args[0], equation.args[0]) for value in equation.results}
        kept = returns[_function(equation) if blocks else ()]
        for value in equation.results:
            named = bool(value.hint) or program.uses.get(value, 0) > 1
            ends.setdefault(of.get(value, value), kept if named else at)
        for value in equation.args:
            ends[of.get(value, value)] = max(ends.get(of.get(value, value), at), at)
    return ends | {of.get(value, value): len(program.equations) for value in program.results.values()}


def _returns(program: Program) -> dict[tuple[Any, ...], int]:
    """The equation at which each function returns: the one of the program, and those of blocks, either way."""
    found: dict[tuple[Any, ...], int] = {(): len(program.equations)}
    for at, equation in enumerate(program.equations):
        function = _function(equation)
        found |= {function[:length]: at for length in range(2, len(function) + 1)}
    return found


def _function(equation: Equation) -> tuple[Any, ...]:
    """Which function has an equation: the way, forward or back, and the blocks from the outermost on; () for none."""
    path = equation.section.path if equation.section else ()
    return (equation.undoes is not None, *path) if path else ()


def _all(values: Iterable[Value], sizes: Sizes) -> int:
    return sum(_size(value, sizes) for value in values)


def _size(value: Value, sizes: Sizes) -> int:
    return math.prod(map(sizes.of, value.type.shape)) * BYTES[value.type.dtype]
