"""What words ask of the net under construction: weights, statistics of the data, running statistics, random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .constraints import asked_for
from .context import Context, Law, Learn
from .derived_steps import factors
from .diagnostics import Report
from .disturb import disturbed
from .frame import Frame, Level, array_name, unused_name
from .ir import Builder, Tensor, Value
from .net import Field, StateInfo, WeightInfo, counting
from .ops import cast, expand_dims, last_of
from .ops.recurrence import carried, left
from .ops.steps import counted, lengths_along
from .padding import lengths_beside, of_others, turned
from .resolve import Spec
from .running import Running
from .section import Section, around
from .settings import Labels, Settings
from .source import Place
from .syntax import Link
from .types import REAL, Domain, Shape, Type, count, pieces, show_shape
from .universal import UNIVERSAL, Held
from .words import Fresh, Init, Scheduled, WordError

# The weights of a model fit into one file of ONNX, which is a protocol buffer of less than 2 GiB.
LARGEST_MODEL = 2**31 - 2**24
# The place of what uses of blocks take without being given it: behind all else.
BESIDE = 10**6


@dataclass
class Use:
    """The use of a word that is being run."""

    link: Link
    section: Section
    options: dict[str, Any]
    made: int = 0
    turn: int = 0
    weights: tuple[Held, ...] = ()
    inits: tuple[Init, ...] = ()
    keeps: bool = False


@dataclass(frozen=True)
class _Made:
    """A weight or a running statistic, and the use of its part that made it."""

    name: str
    tensor: Tensor
    level: Level


class Arrays(Context):
    """Makes the arrays of a net in one mode: "train", "predict", or "fit", which learns statistics from data."""

    use: Use

    def __init__(self, spec: Spec, mode: str):
        self.spec, self.mode = spec, mode
        self.builder = Builder()
        places = {name: place for name, place in spec.places.items() if name not in spec.parts}
        self.whole = self.frame = Frame(spec.scope, Level(names=set(spec.parts)), places=places)
        self.weights: dict[str, WeightInfo] = {}
        self.states: dict[str, StateInfo] = {}
        self.kept = Running()
        self.learned_values: dict[str, Tensor] = {}
        self.names: set[str] = set(spec.places)
        self.word = self.previous = self.mark = ""
        self._made: dict[tuple[tuple[str, ...], int | None, str], _Made] = {}
        self._bytes = 0
        # The largest weight so far, and its layer.
        self._largest = 0, Section("", spec.place)
        # The values that depend on weights or noise, and how many inputs and equations were looked at for them.
        self._weighted: set[Value] = set()
        self._looked = 0, 0
        self._masks: dict[Shape, Tensor] = {}
        self._lengths: dict[Shape, Tensor] = {}
        self._tried: set[tuple[Init, Shape]] = set()
        self.settings = Settings(self.builder, spec.scope, spec.train["epochs"], Labels.fresh())

    @property
    def training(self) -> bool:
        """Whether words that act in training alone, such as dropout, act."""
        return self.mode == "train"

    @property
    def learning(self) -> bool:
        """Whether the layer learns: in training, unless it is frozen."""
        return self.training and not self.use.options.get("frozen")

    @property
    def report(self) -> Report:
        """Where faults are reported."""
        return self.spec.scope.report

    # Weights ----------------------------------------------------------------------------------------------------------

    def _suffix(self) -> str:
        """The layer's name or number, which it gets with its first weight."""
        section, level = self.use.section, self.frame.level
        if section.number is None:
            level.numbers += 1
            section.number, section.name = level.numbers, self.use.options["name"]
            if section.name is not None:
                self.name_layer(section.name, self._place_of(section.name))
        return section.suffix

    def name_layer(self, name: str, place: Place) -> bool:
        """Give a name to a layer, or to a use of a block, unless another of its level has it, which is reported."""
        names = self.frame.level.names
        taken = name in names
        if taken:
            message = f"{name} is already the name of a {'part' if name in self.spec.parts else 'layer'}"
            help = "leave it away: what is repeated is numbered" if self.frame.outer else "choose another name"
            self.report.error("duplicate-name", message, place, help)
        names.add(name)
        return not taken

    def weight(
        self,
        name: str,
        shape: Shape,
        init: Init,
        fans: tuple[int, int] | None,
        own: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """A weight of the current layer; `own` are options that it has in the place of the layer's."""
        use, level, suffix = self.use, self.frame.level, self._suffix()
        name += self.mark
        options = use.options | dict(own or {})
        use.made += 1
        use.weights += (Held(len(shape), options["frozen"], tuple(own or ())),)
        use.inits += (init, *([init.of] if init.of else []))
        key = level.path, use.section.number, name
        if key in self._made:
            return self._again(self._made[key], shape)
        full = array_name(use.section, name + suffix)
        while full in self.names:
            full += "_"  # the user's names win
        self.names.add(full)
        sizes = tuple(d for d in shape if isinstance(d, int))
        self._check_model(shape)
        fans = fans or (sizes[0], sizes[-1])
        self._try(init, full, shape, fans)
        kind = "bias_" if len(shape) == 1 else ""
        self.weights[full] = WeightInfo(
            full,
            shape,
            init,
            fans,
            options[f"{kind}l1"],
            options[f"{kind}l2"],
            options["frozen"],
            use.section,
            use.link.place,
            level.parts,
            options["lr_scale"],
            options[f"{kind}weight_decay"],
            options["dropconnect"] if not kind else 0.0,
            options["weight_noise"] if not kind else 0.0,
            asked_for(options) if not kind and not options["frozen"] else {},
        )
        tensor = self._seen(self.weights[full], self.builder.input("weight", full, Type("f32", shape)))
        self._made[key] = _Made(full, tensor, level)
        return tensor

    def _seen(self, info: WeightInfo, w: Tensor) -> Tensor:
        """The weight as its layer sees it, which in training may be disturbed."""
        keys = ("dropconnect", "weight_noise") if self.training else ()
        return disturbed(w, {key: self.penalty(info, key) for key in keys}, self._drawn)

    def _again(self, made: _Made, shape: Shape) -> Tensor:
        """The weight that an earlier use of the part made."""
        self._check_shape(made, shape)
        info = self.weights[made.name]
        self.weights[made.name] = replace(info, parts=self._parts(info.parts))
        return made.tensor

    def _check_shape(self, made: _Made, shape: Shape) -> None:
        assert self.frame.level.parts, made.name
        if made.tensor.shape != shape:
            first = made.level.uses[0].line
            message = f"{made.name} is {show_shape(made.tensor.shape)} since the use in line {first},"
            message += f" but here it would be {show_shape(shape)}"
            help = "a part has one set of weights: give it values of one shape, or make it a block"
            raise WordError("shape-mismatch", message, help)

    def _parts(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """The parts that an array is used in, with those of this use."""
        return tuple(dict.fromkeys((*before, *self.frame.level.parts)))

    def _check_model(self, shape: Shape) -> None:
        size = 4 * count(shape)
        self._bytes += size
        self._largest = max(self._largest, (size, self.use.section), key=lambda found: found[0])
        if self._bytes > LARGEST_MODEL:
            message = f"the weights take at least {self._bytes / 2**30:,.1f} GiB, and an ONNX file holds 2 GiB"
            largest = self._largest[1]
            assert largest.place is not None
            with self.report.at(largest.uses[::-1]):
                raise self.spec.scope.fail("too-large", message, largest.place, "make this layer smaller")

    def _try(self, init: Init, name: str, shape: Shape, fans: tuple[int, int]) -> None:
        """Report an initializer that does not fit the weight where the spec names it; NotConstantError then."""
        if (init, shape) in self._tried:
            return
        self._tried.add((init, shape))
        builder = Builder(origin=self.builder.origin)
        fan_in, fan_out = (builder.constant(float(n), "f64") for n in fans)
        try:
            init.make(Fresh(builder, name, shape, fan_in, fan_out))
        except WordError as error:
            raise self.spec.scope.fail(error.code, error.message, self._place_of(init), error.help) from None

    def _place_of(self, value: Any) -> Place:
        """The place of the argument that gave an option its value; that of the link where there is no telling."""
        keys = [key for key, given in self.use.options.items() if given is value]
        found = [a.value.place for a in self.use.link.arguments if a.key in keys]
        return found[0] if found else self.builder.origin[-1]

    def penalty(self, weight: WeightInfo, name: str) -> Tensor | float | None:
        """What an option such as l1 is of a weight in training; None where it is nothing."""
        value: float | Scheduled = getattr(weight, name)
        if not isinstance(value, Scheduled):
            return value or None
        section = weight.section
        label = section.named(f"{section.name or f'layer{section.number}'}_{name}").upper()
        return self.settings.scheduled(label, value, UNIVERSAL[name].kind).named(name)

    # What a net keeps besides, and draws ------------------------------------------------------------------------------

    def running(self, firsts: Mapping[str, float], shape: Shape) -> list[Tensor]:
        """Arrays of the current layer that training moves; a part has one set, however often it is used."""
        return [self.kept.now[self._kept(name, first, shape)] for name, first in firsts.items()]

    def move(self, after: Mapping[str, Tensor]) -> None:
        """Let a step of training leave other values of arrays that the current layer keeps."""
        for name, value in after.items():
            self.kept.move(self._made[self.frame.level.path, self.use.section.number, name].name, value)

    def _kept(self, own: str, first: float, shape: Shape) -> str:
        use, level, suffix = self.use, self.frame.level, self._suffix()
        use.made, use.keeps = use.made + 1, True
        key = level.path, use.section.number, own
        if key in self._made:
            made = self._made[key]
            self._check_shape(made, shape)
            info = self.states[made.name]
            self.states[made.name] = replace(info, parts=self._parts(info.parts))
            return made.name
        name = self._fresh(array_name(use.section, own + suffix))
        moves = not use.options.get("frozen")
        self.states[name] = StateInfo(name, shape, first, moves, use.section, use.link.place, level.parts)
        self.kept.now[name] = self.builder.input("state", name, Type("f32", shape))
        self._made[key] = _Made(name, self.kept.now[name], level)
        return name

    def learned(self, x: Tensor, defaults: dict[str, float], shape: Shape, learn: Learn) -> list[Tensor]:
        """Statistics of x, which must not depend on weights."""
        self.use.made += 1
        if self._weighs(x):
            noise = " and no noise" if self.spec.of("noise") else ""
            message = f"{self.word} learns from the data, so no layer with weights{noise} may stand before it"
            raise WordError("learned-from-weights", message, "move it up to the input")
        if self.use.section.turn > 1:
            part = self.use.section.path[0]
            message = f"{self.word} learns from what goes in, and the part {part} is used with several values"
            raise WordError("learned-twice", message, "put it before the part")
        tensors: list[Tensor] = []
        found = learn(x) if self.mode == "fit" else {}
        for base, default in defaults.items():
            own = f"{base}_{self.use.options['name']}" if self.use.options["name"] else base
            name = self._fresh(array_name(self.use.section, own))
            self.states[name] = StateInfo(name, shape, default)
            if self.mode == "fit":
                tensor = cast(found[base], dtype="f32")
                self.learned_values[name] = tensor
            else:
                tensor = self.builder.input("state", name, Type("f32", shape))
            tensors.append(tensor)
        return tensors

    def _weighs(self, x: Tensor) -> bool:
        """Whether a value depends on weights or on noise; each equation is looked at once."""
        noises = {noise.name for noise in self.spec.of("noise")}
        known = self.builder.inputs[self._looked[0] :]
        moving = noises | self.kept.now.keys()
        self._weighted |= {i.value for i in known if i.role == "weight" or i.name in moving}
        for equation in self.builder.equations[self._looked[1] :]:
            if not self._weighted.isdisjoint(equation.args):
                self._weighted.update(equation.results)
        self._looked = len(self.builder.inputs), len(self.builder.equations)
        return x.value in self._weighted

    def mask(self, x: Tensor, axis: int = 1) -> Tensor | None:
        """Which steps along an axis of x count, as it broadcasts over it and those before; None where all count."""
        lengths = self.lengths(x, axis)
        return None if lengths is None else self._within_uses(self._counted(lengths, x, axis), "counted")

    def _counted(self, lengths: Tensor, x: Tensor, axis: int) -> Tensor:
        key = (*lengths.shape, x.shape[axis])
        if key not in self._masks:
            self._masks[key] = counted(lengths, x).named("counted")
        return self._masks[key]

    def foresee(self, x: Tensor) -> None:
        """Make the masks of what a block is given outside of it, so that all uses are given them and do the same."""
        for axis in range(1, len(x.shape)):
            field = counting(self.spec.fields.values(), x.shape[axis])
            if field and self.whole.values[field.name] is not None:
                self.builder.section = None
                lengths = self._told(x, axis, field)
                if lengths is not None:
                    self._counted(lengths, x, axis)

    def _within_uses(self, value: Tensor, name: str) -> Tensor:
        """A value of the net that uses of blocks may take beside what they are given."""
        for use in around(self.frame.level.within):
            value.value.given.setdefault(use, (BESIDE, name))
        return value

    def lengths(self, x: Tensor, axis: int = 1) -> Tensor | None:
        """How many steps along an axis of x count, (N,), or (N, S) where each S has its own; None where all do."""
        field = counting(self.spec.fields.values(), x.shape[axis]) if len(x.shape) > axis else None
        if field is None or self.whole.values[field.name] is None:
            return None
        self.whole.used.add(field.name)
        found, before = self._told(x, axis, field), turned(x, axis, self.spec.fields.values())
        if found is None or before:
            raise of_others(self.word, before or field, x)
        return self._within_uses(found, "lengths")

    def _told(self, x: Tensor, axis: int, field: Field) -> Tensor | None:
        """What a field tells of an axis of x; None where it is that of other values."""
        key, told = (field.name, *x.shape[: axis + 1]), self.whole.values[field.name]
        if key not in self._lengths and told is not None:
            found = lengths_beside(x, axis, field, told)
            if found is None:
                return None
            self._lengths[key] = lengths_along(found, x.shape[axis])
        return self._lengths.get(key)

    def padded(self, x: Tensor) -> bool:
        """Whether some of the rows or steps of x are padding."""
        names = {name for dim in x.shape for name in factors(str(dim))}
        return any(counting(self.spec.fields.values(), name) for name in names)

    def carried(self, name: str, x: Tensor, units: int, first: float = 0.0) -> Tensor | None:
        """What the last window left of a state of the current layer, (N, units); None where nothing is carried on."""
        # What goes from the last step to the first begins at the end of each window.
        if not self.spec.carries or self.mark:
            return None
        full = self._kept(name, first, (self.spec.train["batch"], units))
        self.states[full] = replace(self.states[full], running=True, carried=True)
        if not self.training:
            return None
        return carried(self.kept.now[full], x, self.settings.clock.epoch, first=first).named(f"{name}0")

    def leave(self, name: str, states: Tensor) -> None:
        """Let the next window of training begin with the last of these states, where they are carried on."""
        if not self.spec.carries or not self.training or self.mark:
            return
        own = self._made[self.frame.level.path, self.use.section.number, name].name
        if self.kept.moved(own):
            message = f"{self.word} carries its state from window to window, and is used more than once in one"
            raise WordError("bad-option", message, "make its part a def block, whose uses have states of their own")
        lengths = self.lengths(states)
        ends = states if lengths is None else expand_dims(last_of(states, lengths), axis=1)
        self.move({name: left(ends, self.kept.now[own])})

    def draw(self, shape: Shape, law: Law = "uniform") -> Tensor:
        """Random numbers of a shape, named after the layer, or after its word and a number."""
        self.use.made += 1
        return self._drawn(array_name(self.use.section, self.use.options["name"] or f"{self.word}1"), shape, law)

    def _drawn(self, name: str, shape: Shape, law: Law) -> Tensor:
        if pieces(shape[0]) > 1:
            message = f"{self.word} draws for whole examples, and this one is in {pieces(shape[0])} pieces"
            raise WordError("shape-mismatch", message, "put it before space_to_batch, or behind batch_to_space")
        domain = Domain(0.0, 1.0, low_open=False) if law == "uniform" else REAL
        return self.builder.input("draw", name, Type("f32", shape, domain), law)

    def _fresh(self, base: str) -> str:
        return unused_name(base, self.names)
