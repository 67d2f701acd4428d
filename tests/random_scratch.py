"""A net of one word, which tells what the word gives and what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netc.dsl.context import Law, Learn
from netc.dsl.ir import Builder, Tensor
from netc.dsl.nowhere import Nowhere
from netc.dsl.types import Shape, Type, pieces
from netc.dsl.words import Init, WordError
from random_words import fresh


@dataclass
class Scratch(Nowhere):
    """A net of one word, which says what the word gives and what weights it makes."""

    builder: Builder
    made: list[Shape] = field(default_factory=lambda: [])
    inits: list[Init] = field(default_factory=lambda: [])
    learns: bool = False
    draws: bool = False
    keeps: bool = False

    def weight(self, name: str, shape: Shape, init: Init, fans: Any, own: Any = None) -> Tensor:
        init.make(fresh(tuple(d for d in shape if isinstance(d, int)), name))
        self.made.append(shape)
        self.inits += [init, *([init.of] if init.of else [])]
        return self.builder.input("weight", f"{name}{len(self.made)}", Type("f32", shape))

    def learned(self, x: Tensor, defaults: dict[str, float], shape: Shape, learn: Learn) -> list[Tensor]:
        self.learns = True
        return [self.builder.input("state", name, Type("f32", shape)) for name in defaults]

    def running(self, firsts: Mapping[str, float], shape: Shape) -> list[Tensor]:
        self.keeps = True
        return [self.builder.input("state", name, Type("f32", shape)) for name in firsts]

    def draw(self, shape: Shape, law: Law = "uniform") -> Tensor:
        if pieces(shape[0]) > 1:
            raise WordError("shape-mismatch", "what draws stands outside of pieces")
        self.draws = True
        return self.builder.input("draw", "draw", Type("f32", shape))
