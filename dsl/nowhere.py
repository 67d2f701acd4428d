"""Where a word runs outside of a net, as in the formula of a loss."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from .context import Context, Law, Learn, net, within
from .ir import Tensor
from .types import Shape
from .words import Initializer, WordError


class Nowhere(Context):
    """Stands for the net where a word runs outside of one, as in the formula of a loss."""

    word = "the formula"
    previous = "the value"

    @property
    def training(self) -> bool:
        """Never."""
        return False

    def weight(
        self,
        name: str,
        shape: Shape,
        init: Initializer,
        fans: tuple[int, int] | None,
        own: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """There are no weights."""
        raise self._no("has weights")

    def learned(self, x: Tensor, defaults: dict[str, float], shape: Shape, learn: Learn) -> list[Tensor]:
        """There are no statistics."""
        raise self._no("learns from the data")

    def lengths(self, x: Tensor, axis: int = 1) -> Tensor | None:
        """Nothing is known of lengths."""
        return None

    def carried(self, name: str, x: Tensor, units: int, first: float = 0.0) -> Tensor | None:
        """Nothing is carried on."""
        return None

    def leave(self, name: str, states: Tensor) -> None:
        """Nothing is carried on."""

    def mask(self, x: Tensor, axis: int = 1) -> Tensor | None:
        """Nothing is known of lengths."""
        return None

    def padded(self, x: Tensor) -> bool:
        """Nothing is known of lengths."""
        return False

    def draw(self, shape: Shape, law: Law = "uniform") -> Tensor:
        """Nothing can be drawn."""
        raise self._no("draws random numbers")

    @property
    def learning(self) -> bool:
        """Never."""
        return False

    def running(self, firsts: Mapping[str, float], shape: Shape) -> list[Tensor]:
        """Nothing is kept."""
        raise self._no("keeps running statistics")

    def move(self, after: Mapping[str, Tensor]) -> None:
        """Nothing is kept that could move."""

    def _no(self, what: str) -> WordError:
        return WordError("bad-formula", f"this {what}, which no formula outside of a net can do", "use it in a layer")


@contextmanager
def anywhere(previous: str) -> Generator[None]:
    """Run a word of a formula within the net under construction, or outside of any; `previous` is what it is given."""
    context = net(Nowhere())
    before, context.previous = context.previous, previous
    with within(context):
        yield
    context.previous = before
