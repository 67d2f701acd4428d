"""A checked net: what a spec says once every word has its meaning, with the Programs that say what it computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .ir import Program, Section
from .source import Place, Source
from .types import BATCH, Domain, Shape, Type
from .words import Init


@dataclass(frozen=True)
class Field:
    """An input or a target: what one example holds. `shape` is without the batch axis."""

    name: str
    role: str
    kind: str
    shape: Shape
    domain: Domain
    classes: int | None
    labels: tuple[str, ...] | None
    doc: str
    place: Place

    @property
    def type(self) -> Type:
        """Its type in a Program."""
        return Type("i64" if self.kind == "class" else "f32", (BATCH, *self.shape), self.domain)

    @property
    def predicted(self) -> Shape:
        """The shape of a prediction of it, with the batch axis: one probability a class."""
        return (BATCH, *self.shape, *((self.classes,) if self.classes is not None else ()))


@dataclass(frozen=True)
class WeightInfo:
    """A trained or frozen array of the net."""

    name: str
    shape: Shape
    init: Init
    fans: tuple[int, int]
    l1: float
    l2: float
    frozen: bool
    section: Section
    place: Place


@dataclass(frozen=True)
class StateInfo:
    """An array that the net keeps besides its weights, and the number that fills it until data are seen."""

    name: str
    shape: Shape
    default: float


@dataclass(frozen=True)
class Layer:
    """One row of the table of layers."""

    section: Section
    type: Type
    parameters: int
    flops: int


@dataclass(frozen=True)
class Output:
    """A result of the exported model, and the target that it predicts where it predicts one."""

    name: str
    type: Type
    target: Field | None
    doc: str = ""


@dataclass(frozen=True)
class Setting:
    """A named number of an updater or a schedule, as the trainer's settings show it."""

    name: str
    number: float


@dataclass
class Net:
    """Everything that the emitters need; see `Program` for what the programs are.

    `programs` holds "init" and "predict"; where the net is trained "loss" (in training mode), "metrics" (from
    predictions and targets) and "update" (of one weight); where there is such a thing "penalty" (what l1 and l2 add),
    "fit" (the statistics of the data) and "compared" (what loss and metrics look at, if not just the outputs).
    """

    name: str
    source: Source
    doc: str
    defines: dict[str, Any]
    inputs: tuple[Field, ...]
    targets: tuple[Field, ...]
    outputs: tuple[Output, ...]
    weights: dict[str, WeightInfo]
    states: dict[str, StateInfo]
    layers: tuple[Layer, ...]
    programs: dict[str, Program]
    train: dict[str, Any]
    data: dict[str, Any] | None
    wanted: tuple[str, ...]
    updater: str
    moments: tuple[str, ...]
    settings: tuple[Setting, ...]

    @property
    def trained(self) -> tuple[str, ...]:
        """The names of the weights that training moves."""
        return tuple(name for name, weight in self.weights.items() if not weight.frozen)

    @property
    def parameters(self) -> int:
        """The number of weights, frozen ones included."""
        return sum(layer.parameters for layer in self.layers)
