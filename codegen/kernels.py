"""The kernels that a page calls: the short ones where they serve all of it, else those that serve everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..dsl.ir import Equation

Kernel = Callable[..., object]


def kernel_name(kernel: Kernel) -> str:
    """The name by which the page calls a kernel."""
    return kernel.__name__.removesuffix("_kernel")


class Kernels:
    """Kernels that go together, in the order of their first use."""

    def __init__(self):
        self._sets: dict[tuple[Kernel, ...], tuple[Kernel, ...]] = {}

    def add(self, *kernels: Kernel) -> None:
        """Add kernels that serve everything."""
        self._sets[kernels] = kernels

    def add_of(self, equation: Equation) -> None:
        """Add those that an equation calls."""
        op = equation.op
        serves, kernels = op.plain or (lambda _: False, op.kernels)
        short = kernels if serves(equation) else op.kernels
        self._sets[op.kernels] = short if self._sets.get(op.kernels, short) == short else op.kernels

    def __ior__(self, other: Kernels) -> Kernels:
        """Add those of another part of the page."""
        for kernels, short in other._sets.items():
            self._sets[kernels] = short if self._sets.get(kernels, short) == short else kernels
        return self

    def chosen(self) -> dict[str, Kernel]:
        """Each by its name: short ones only where all agree what a name stands for."""
        short = _by_name(self._sets.values())
        return short or _by_name(self._sets) or {}


def _by_name(sets: Iterable[tuple[Kernel, ...]]) -> dict[str, Kernel] | None:
    found: dict[str, Kernel] = {}
    for kernel in (kernel for kernels in sets for kernel in kernels):
        if found.setdefault(kernel_name(kernel), kernel) is not kernel:
            return None
    return found
