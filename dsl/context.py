"""What a word's function may ask of the net under construction."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, Protocol

from .ir import Tensor
from .types import Shape
from .words import Initializer

Law = Literal["uniform", "normal"]
Learn = Callable[[Tensor], dict[str, Tensor]]


class Keeper(Protocol):
    """What keeps arrays from step to step of training, for a layer or for a loss."""

    @property
    def learning(self) -> bool:
        """Whether it learns: in training, and unless its layer is frozen."""
        ...

    def running(self, firsts: Mapping[str, float], shape: Shape) -> list[Tensor]:
        """Arrays that the layer or loss keeps, by name, and what fills them at first."""
        ...

    def move(self, after: Mapping[str, Tensor]) -> None:
        """Let a step of training leave other values of such arrays."""
        ...


class Context(Keeper, Protocol):
    """The net that a layer is being added to; `word` is the one that runs, `previous` the one before it."""

    word: str
    previous: str

    @property
    def training(self) -> bool:
        """Whether words that act in training alone, such as dropout, act."""
        ...

    def weight(
        self,
        name: str,
        shape: Shape,
        init: Initializer,
        fans: tuple[int, int] | None,
        own: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """A weight of the current layer; `own` are options that it has in the place of the layer's."""
        ...

    def learned(self, x: Tensor, defaults: dict[str, float], shape: Shape, learn: Learn) -> list[Tensor]:
        """Statistics of a shape that are learned from the training rows of x."""
        ...

    def lengths(self, x: Tensor, axis: int = 1) -> Tensor | None:
        """How many steps along an axis of x count, (N,), or (N, S) where each S has its own; None where all do."""
        ...

    def carried(self, name: str, x: Tensor, units: int, first: float = 0.0) -> Tensor | None:
        """What the last window left of a state of the current layer, (N, units); None where nothing is carried on."""
        ...

    def leave(self, name: str, states: Tensor) -> None:
        """Let the next window of training begin with the last of these states, where they are carried on."""
        ...

    def mask(self, x: Tensor, axis: int = 1) -> Tensor | None:
        """Which steps along an axis of x count, (N, T), or as it broadcasts over (N, S, T); None where all count."""
        ...

    def padded(self, x: Tensor) -> bool:
        """Whether some of the rows or steps of x are padding."""
        ...

    def draw(self, shape: Shape, law: Law = "uniform") -> Tensor:
        """Random numbers of a shape, fresh at each step of training: uniform in [0, 1), or standard normal."""
        ...


_context: ContextVar[Context] = ContextVar("context")


@contextmanager
def within(context: Context) -> Generator[None]:
    """Run words within a net."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def net(default: Context | None = None) -> Context:
    """The net under construction, or a default where there is none."""
    return _context.get() if default is None else _context.get(default)


def weight(name: str, shape: Shape, init: Initializer, fans: tuple[int, int] | None = None) -> Tensor:
    """A trained weight of the current layer; `fans` are its numbers of inputs and outputs, by default its two axes."""
    return net().weight(name, shape, init, fans)
