"""A checked net: what a spec says once every word has its meaning, with the Programs that say what it computes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .courses import Course, Setting
from .derived_steps import base_of
from .ir import Program
from .kinds import KINDS
from .plateau import Plateau
from .section import Section
from .source import Place, Source
from .types import BATCH, NON_NEGATIVE, POSITIVE, REAL, Dim, Domain, Shape, Type, show_shape
from .words import Init, Scheduled, Word


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
    # The dimension whose size for each example it tells.
    counts: str = ""

    @property
    def steps(self) -> str:
        """Its first dimension, where that is known only at run time; otherwise nothing."""
        return self.shape[0] if self.shape and isinstance(self.shape[0], str) else ""

    @property
    def type(self) -> Type:
        """Its type in a Program."""
        return Type(KINDS[self.kind].dtype, (BATCH, *self.shape), self.domain)

    @property
    def text(self) -> str:
        """The type as the language writes it: `f32[4]`, `class(3)`; of lengths what they tell."""
        if self.counts:
            return f"the number of {' of each '.join([self.counts, *map(str, self.shape)])}"
        domain = f"({self.classes})" if self.classes else ""
        return self.kind + domain + (show_shape(self.shape) if self.shape not in ((), (1,)) else "")

    @property
    def predicted(self) -> Shape:
        """The shape of a prediction of it, with the batch axis: one probability a class."""
        return (BATCH, *self.shape, *((self.classes,) if self.classes is not None else ()))


def counting(fields: Iterable[Field], dim: Dim) -> Field | None:
    """The field that tells how many steps along a dimension count in each example; None where all do."""
    return next((field for field in fields if field.counts and field.counts == base_of(dim)), None)


@dataclass(frozen=True)
class WeightInfo:
    """A trained or frozen array of the net."""

    name: str
    shape: Shape
    init: Init
    fans: tuple[int, int]
    l1: float | Scheduled
    l2: float | Scheduled
    frozen: bool
    section: Section
    place: Place
    # The parts that it is used in; a loss that trains one of them moves it.
    parts: tuple[str, ...] = ()
    lr_scale: float | None = None
    weight_decay: float | None = None
    dropconnect: float | Scheduled = 0.0
    weight_noise: float | Scheduled = 0.0
    # What it satisfies after each step, by the option's name and value, in the order in which they act.
    constraints: Mapping[str, Any] = field(default_factory=lambda: {})


@dataclass(frozen=True)
class StateInfo:
    """An array that the net keeps besides its weights, and the number that fills it until data are seen.

    One that is `running` is moved by the steps of training, by each loss that trains its layer, or by the loss that
    keeps it; `parts` are those that it is used in.
    """

    name: str
    shape: Shape
    default: float
    running: bool = False
    section: Section | None = None
    place: Place | None = None
    parts: tuple[str, ...] = ()
    # Whether it is what a window of a series leaves to the next one, of each of the streams that are trained together.
    carried: bool = False

    @property
    def of_data(self) -> bool:
        """Whether it is learned from the data, before or after training, rather than by its steps."""
        return self.section is None

    @property
    def domain(self) -> Domain:
        """What it may hold: a spread, which is 1 until data are seen, is never negative, and one divided by not 0."""
        if self.default != 1 or self.carried:
            return REAL
        return POSITIVE if self.of_data else NON_NEGATIVE


@dataclass(frozen=True)
class Layer:
    """One row of the table of layers."""

    section: Section
    type: Type
    parameters: int
    flops: int


@dataclass(frozen=True)
class Tuning:
    """A threshold that is tuned after training: by which metric, its score of counts, and the state that holds it."""

    metric: str
    score: Program
    state: str
    shape: Shape


@dataclass(frozen=True)
class Threshold:
    """How an output becomes a decision, other than at 1/2 or by the largest probability.

    It has one of three: the `number` from which on it is decided for 1, such a number that is `tuned`, or the `costs`
    of each true class (a row) and decision (a column), whose expectation the decision makes least.
    """

    output: str
    number: float | None = None
    tuned: Tuning | None = None
    costs: tuple[tuple[float, ...], ...] = ()

    @property
    def setting(self) -> str:
        """The name of its number, or of its costs, among the settings of the trainer."""
        return f"{'COSTS' if self.costs else 'THRESHOLD'}_{self.output.upper()}"


@dataclass(frozen=True)
class Output:
    """A result of the exported model, and the target that it predicts where it predicts one."""

    name: str
    type: Type
    target: Field | None
    doc: str = ""
    threshold: Threshold | None = None


@dataclass(frozen=True)
class Moment:
    """What an updater keeps of each weight: an array like it, or one number in float64; `first` is its first value."""

    name: str
    first: float
    scalar: bool

    def type(self, weight: Shape) -> Type:
        """Its type beside a weight of a shape."""
        return Type("f64", ()) if self.scalar else Type("f32", weight)


@dataclass(frozen=True)
class Own:
    """A number of the updater that a weight may have of its own, from a table of the page.

    `default` is that of the other weights; it goes by the name `setting` where it has one.
    """

    name: str
    default: float
    setting: str = ""

    @property
    def table(self) -> str:
        """The name of the table."""
        return f"{self.name.upper()}S"

    def of(self, weight: WeightInfo) -> float:
        """The number of a weight."""
        given: float | None = getattr(weight, self.name)
        return self.default if given is None else given


@dataclass(frozen=True)
class UpdaterInfo:
    """How weights move; `of` is the loss whose own updater it is, and empty for the updater of the net.

    A `solver` stands for a formula: a word whose kernel moves all weights at once, with its options as `settings`.
    """

    of: str
    word: str
    moments: tuple[Moment, ...]
    settings: tuple[Setting, ...]
    courses: tuple[Course, ...] = ()
    owns: tuple[Own, ...] = ()
    solver: Word | None = None

    def remembered(self, weights: int) -> dict[str, Shape]:
        """The shapes of what a solver remembers of so many weights, by name."""
        assert self.solver is not None
        options = {name: setting.number for name, setting in zip(self.solver.options, self.settings, strict=True)}
        return self.solver.function(weights, **options)

    @property
    def key(self) -> str:
        """The key of its program, and the function of the trainer that applies it."""
        return keyed("update", self.of)


@dataclass(frozen=True)
class LossInfo:
    """What training minimises, and the weights that it moves; a net has one, or several with names."""

    name: str
    trained: tuple[str, ...]
    updater: UpdaterInfo
    # The running states that its step moves.
    moved: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What its value is called wherever it is reported."""
        return self.name or "loss"

    @property
    def key(self) -> str:
        """The key of its program in training mode."""
        return keyed("loss", self.name)

    @property
    def penalty(self) -> str:
        """The key of the program of what l1 and l2 add to it."""
        return keyed("penalty", self.name)

    @property
    def function(self) -> str:
        """The function of the trainer that gives its gradients."""
        return f"{self.label}_and_grads"

    def moment(self, weight: str, part: str) -> str:
        """The name of a part of its updater's state."""
        return f"{self.name}.{weight}.{part}" if self.name else f"{weight}.{part}"


def keyed(what: str, name: str) -> str:
    """The key of a loss's program: `loss`, or `loss_critic` where the loss has a name."""
    return f"{what}_{name}" if name else what


@dataclass
class Net:
    """Everything that the emitters need; see `Program` for what the programs are.

    `programs` holds "init" and "predict"; where the net is trained "loss" (in training mode), "metrics" (from
    predictions and targets) and "update" (of one weight); where there is such a thing "penalty" (what l1 and l2 add),
    "fit" (the statistics of the data) and "compared" (what loss and metrics look at, if not just the outputs). A loss
    that has a name has its own "loss_NAME", "penalty_NAME" and, where it has an updater of its own, "update_NAME".
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
    losses: tuple[LossInfo, ...]
    noises: tuple[Field, ...] = ()
    # The texts of the libraries that the spec imports, by their paths from its folder.
    libraries: dict[str, str] = field(default_factory=dict[str, str])
    layer_settings: tuple[Setting, ...] = ()
    layer_courses: tuple[Course, ...] = ()

    @property
    def streams(self) -> bool:
        """Whether a window goes on from what the one before it left, so that a batch is a step of parallel streams."""
        return any(state.carried for state in self.states.values())

    @property
    def trains(self) -> bool:
        """Whether the artifacts train it."""
        return bool(self.losses)

    @property
    def fields(self) -> tuple[Field, ...]:
        """What an example of the data holds: inputs, then targets."""
        return self.inputs + self.targets

    @property
    def steps(self) -> tuple[str, ...]:
        """The dimensions that are known only at run time, in the order of the text."""
        fields = (*self.inputs, *self.targets)
        return tuple(dict.fromkeys(d for f in fields for d in f.shape if isinstance(d, str)))

    @property
    def given(self) -> tuple[Field, ...]:
        """What predictions need, as `predict` takes it: inputs, then noises."""
        needed = {i.name for i in self.programs["predict"].of("example", "noise")}
        return tuple(f for f in (*self.inputs, *self.noises) if f.name in needed)

    @property
    def tuned(self) -> tuple[str, ...]:
        """The names of the states that hold tuned thresholds."""
        return tuple(o.threshold.tuned.state for o in self.outputs if o.threshold and o.threshold.tuned)

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the states that the steps of training move."""
        return tuple(name for name, state in self.states.items() if state.running)

    @property
    def trained(self) -> tuple[str, ...]:
        """The names of the weights that training moves."""
        moved = {name for loss in self.losses for name in loss.trained}
        return tuple(name for name in self.weights if name in moved)

    @property
    def movers(self) -> tuple[UpdaterInfo, ...]:
        """What moves weights, updaters or a solver, each once."""
        return tuple({loss.updater.of: loss.updater for loss in self.losses}.values())

    @property
    def updaters(self) -> tuple[UpdaterInfo, ...]:
        """The updaters, each once."""
        return tuple(mover for mover in self.movers if mover.solver is None)

    @property
    def solver(self) -> Word | None:
        """The solver, where one moves the weights in the place of an updater."""
        return next((mover.solver for mover in self.movers), None)

    @property
    def moments(self) -> tuple[str, ...]:
        """The names of the updaters' state."""
        return tuple(loss.moment(w, m.name) for loss in self.losses for w in loss.trained for m in loss.updater.moments)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings of the layers and the updaters."""
        return (*self.layer_settings, *(setting for mover in self.movers for setting in mover.settings))

    @property
    def courses(self) -> tuple[Course, ...]:
        """Every schedule, of the layers and the updaters."""
        return (*self.layer_courses, *(course for updater in self.updaters for course in updater.courses))

    @property
    def plateaus(self) -> tuple[Plateau, ...]:
        """What watches the loss."""
        return tuple(course.plateau for course in self.courses if course.plateau)

    @property
    def parameters(self) -> int:
        """The number of weights, frozen ones included."""
        return sum(layer.parameters for layer in self.layers)
