"""What losses keep from step to step of training, such as the centers of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .frame import unused_name
from .ir import Builder, Tensor, Value
from .net import StateInfo
from .running import Running
from .types import Shape, Type


@dataclass
class LossArrays:
    """Makes such arrays in a program that trains, and again, by the same names, in one that judges predictions.

    `names` are those that are taken, and `learning` says whether a step moves what is kept.
    """

    builder: Builder
    names: set[str]
    learning: bool
    kept: Running = field(default_factory=Running)
    states: dict[str, StateInfo] = field(default_factory=lambda: {})
    _own: dict[str, str] = field(default_factory=lambda: {})

    def running(self, firsts: Mapping[str, float], shape: Shape) -> list[Tensor]:
        """New arrays for one use of a loss, by name, and what fills them at first."""
        self._own = {base: unused_name(base, self.names) for base in firsts}
        for base, name in self._own.items():
            place = self.builder.origin[-1]
            self.states[name] = StateInfo(name, shape, firsts[base], True, self.builder.section, place)
            self.kept.now[name] = self.builder.input("state", name, Type("f32", shape))
        return [self.kept.now[name] for name in self._own.values()]

    def move(self, after: Mapping[str, Tensor]) -> None:
        """Let a step of training leave other values of these arrays."""
        for base, value in after.items():
            self.kept.move(self._own[base], value)

    def given(self, result: Value) -> None:
        """Say what the loss gives that keeps the arrays."""
        self.kept.given(result)
