"""One link of a chain to equations: its word is run within the net under construction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .constants import NotConstantError
from .constraints import asked_for
from .diagnostics import Report
from .disturb import disturbed
from .field_sentence import LARGEST_EXAMPLE, MOST_AXES
from .frame import Frame, Level, array_name
from .ir import Builder, Tensor, Value
from .net import StateInfo, WeightInfo
from .ops import cast
from .options import bind
from .resolve import Spec
from .section import Section
from .settings import Labels, Settings
from .source import Place
from .syntax import Argument, Link, Name
from .types import REAL, Domain, Shape, Type, count, show_shape
from .universal import UNIVERSAL, Held, idle
from .unknown import unknown_name
from .words import Context, Fresh, Init, Law, Learn, Scheduled, Word, WordError

# The weights of a model fit into one file of ONNX, which is a protocol buffer of less than 2 GiB.
LARGEST_MODEL = 2**31 - 2**24


@dataclass
class _Use:
    """The use of a word that is being run."""

    link: Link
    section: Section
    options: dict[str, Any]
    made: int = 0
    turn: int = 0
    weights: tuple[Held, ...] = ()
    inits: tuple[Init, ...] = ()


@dataclass(frozen=True)
class _Made:
    """A weight, and the use of its part that made it."""

    name: str
    tensor: Tensor
    level: Level


class Layers(Context):
    """Runs words in one mode: "train", "predict", or "fit", which learns statistics from data."""

    def __init__(self, spec: Spec, mode: str):
        self.spec, self.mode = spec, mode
        self.builder = Builder()
        places = {name: place for name, place in spec.places.items() if name not in spec.parts}
        self.whole = self.frame = Frame(spec.scope, Level(names=set(spec.parts)), places=places)
        self.weights: dict[str, WeightInfo] = {}
        self.states: dict[str, StateInfo] = {}
        self.learned_values: dict[str, Tensor] = {}
        self.sections: list[tuple[Section, Tensor]] = []
        self.names: set[str] = set(spec.places)
        self.word = self.previous = ""
        self._made: dict[tuple[tuple[str, ...], int | None, str], _Made] = {}
        self._bytes = 0
        # The largest weight so far, and its layer.
        self._largest = 0, Section("", spec.place)
        # The values that depend on weights or noise, and how many inputs and equations were looked at for them.
        self._weighted: set[Value] = set()
        self._looked = 0, 0
        self._tried: set[tuple[Init, Shape]] = set()
        self.settings = Settings(self.builder, spec.scope, spec.train["epochs"], Labels.fresh())
        # How many uses of a word have a schedule.
        self._timed: dict[str, int] = {}

    @property
    def training(self) -> bool:
        """Whether words that act in training alone, such as dropout, act."""
        return self.mode == "train"

    @property
    def report(self) -> Report:
        """Where faults are reported."""
        return self.spec.scope.report

    def value(self, name: str, place: Place) -> Tensor | None:
        """The tensor of a name; None, after a diagnostic, where there is none."""
        frame = self.frame.holding(name)
        if frame is None:
            frame = self.frame
            message, help = unknown_name(name, self.spec, frame)
            self.report.error("unknown-name", message, place, help)
            frame.values[name] = None
        frame.used.add(name)
        return frame.values[name]

    # One link ---------------------------------------------------------------------------------------------------------

    def _link(self, word: Word, link: Link, section: Section, x: Tensor, name: str | None) -> Tensor | None:
        self.builder.section, self.builder.origin = section, (*section.uses, link.place)
        try:
            operands, options = self._arguments(word, link)
        except NotConstantError:
            return None
        self.word, self.use = word.name, _Use(link, section, options)
        try:
            own = {key: self._timely(word, key, options[key]) for key in word.options}
            self._check_ids(word, [x, *operands])
            result = word.function(x, *operands, **own)
            self._check_size(word, result)
        except WordError as error:
            self.report.error(error.code, error.message, link.place, error.help)
            return None
        except NotConstantError:
            return None
        self._check_universal(word)
        self.previous = word.name
        if result.value is not x.value:
            self._hint(word, section, result, name)
        if not self.sections or self.sections[-1][0] is not section:
            self.sections.append((section, result))
        self.sections[-1] = (section, result)
        return result

    def _arguments(self, word: Word, link: Link) -> tuple[list[Tensor], dict[str, Any]]:
        operands: list[Tensor] = []
        rest: list[Argument] = []
        failed = False
        for argument in link.arguments:
            named = argument.key is None and word.takes_another(len(operands))
            if named and not isinstance(argument.value, Name):
                message = f"{word.name} takes the names of values"
                self.report.error("bad-option", message, argument.place, f"as in: {word.name} a, where a = ...")
                failed = True
            elif named and isinstance(argument.value, Name):
                value = self.value(argument.value.id, argument.place)
                failed |= value is None
                if value is not None:
                    operands.append(value)
            else:
                rest.append(argument)
        if word.operands and not operands and not failed:
            message = f"{word.name} needs the name of a value"
            self.report.error("missing-option", message, link.place, f"as in: {word.name} a, where a = ...")
            failed = True
        keyed = UNIVERSAL if word.kind == "layer" else {}
        beside = "takes the name of one value" if word.operands else ""
        options = bind(word.name, word.options, rest, link.place, self.frame.scope, keyed, word.example, beside)
        if failed:
            raise NotConstantError
        return operands, options

    def _timely(self, word: Word, key: str, value: Any) -> Any:
        """An option, or the value of the schedule that stands for it, which only training has."""
        if not isinstance(value, Scheduled):
            return value
        if not self.training:
            return math.nan
        use = self.use
        name = use.options.get("name")
        if name is None:
            use.turn = use.turn or self._timed.get(word.name, 0) + 1
            self._timed[word.name] = use.turn
            name = f"{word.name}{use.turn}"
        label = use.section.named(f"{name}_{key}").upper()
        return self.settings.scheduled(label, value, word.options[key].kind).named(key)

    def penalty(self, weight: WeightInfo, name: str) -> Tensor | float | None:
        """What an option such as l1 is of a weight in training; None where it is nothing."""
        value: float | Scheduled = getattr(weight, name)
        if not isinstance(value, Scheduled):
            return value or None
        section = weight.section
        label = section.named(f"{section.name or f'layer{section.number}'}_{name}").upper()
        return self.settings.scheduled(label, value, UNIVERSAL[name].kind).named(name)

    def _check_ids(self, word: Word, values: list[Tensor]) -> None:
        for value in values:
            ids = value.type.dtype == "i64"
            if ids and not word.ids:
                message = f"{word.name} needs numbers, but {value.value.hint} is a category, whose values are ids"
                raise WordError("ids-mismatch", message, f"put onehot or embedding before {word.name}")
            if word.ids and not ids:
                message = f"{word.name} takes the ids of a category, but {self.previous} gives numbers"
                raise WordError("ids-mismatch", message, 'declare the input as a category, such as category("a", "b")')

    def _check_size(self, word: Word, result: Tensor) -> None:
        size, axes = count(result.shape), len(result.shape) - 1
        if size > LARGEST_EXAMPLE or axes > MOST_AXES:
            what = f"{size:,} numbers" if size > LARGEST_EXAMPLE else f"{axes} axes"
            message = f"{word.name} gives {what} an example; the limit is {LARGEST_EXAMPLE:,} in {MOST_AXES} axes"
            raise WordError("too-large", message, "make it smaller")

    def _check_universal(self, word: Word) -> None:
        """An option that does nothing is an error: name needs a weight, a statistic or a draw, the others a weight."""
        if not self.training:
            return  # where dropout draws nothing; the same text was checked in training
        for argument in [a for a in self.use.link.arguments if a.key in UNIVERSAL]:
            key = str(argument.key)
            why = "" if key == "name" and self.use.made else idle(word.name, key, self.use.weights)
            if why:
                self.report.error("unknown-option", f"{why}, so {key} does nothing", argument.place, f"take {key} away")
        for key, option in word.options.items():
            value = self.use.options[key]
            if option.kind.form == "init" and value is not option.default and value not in self.use.inits:
                message = f"{key} does nothing here, since {word.name} makes no weight from it"
                self.report.error("unknown-option", message, self._place_of(value), f"take {key} away")

    def _hint(self, word: Word, section: Section, result: Tensor, name: str | None) -> None:
        letter = "h" if word.kind == "activation" else "z"
        result.value.hint = section.named(name or word.gives or f"{letter}{section.suffix}")

    # What words ask of the net ----------------------------------------------------------------------------------------

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
        options = use.options | dict(own or {})
        use.made += 1
        use.weights += (Held(len(shape), options["frozen"], tuple(own or ())),)
        use.inits += (init,)
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
        assert self.frame.level.parts, made.name
        if made.tensor.shape != shape:
            first = made.level.uses[0].line
            message = f"{made.name} is {show_shape(made.tensor.shape)} since the use in line {first},"
            message += f" but here it would be {show_shape(shape)}"
            help = "a part has one set of weights: give it values of one shape, or make it a block"
            raise WordError("shape-mismatch", message, help)
        info = self.weights[made.name]
        self.weights[made.name] = replace(info, parts=tuple(dict.fromkeys((*info.parts, *self.frame.level.parts))))
        return made.tensor

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

    def learned(self, x: Tensor, defaults: dict[str, float], learn: Learn) -> list[Tensor]:
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
        shape = x.shape[1:]
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
        self._weighted |= {i.value for i in known if i.role == "weight" or i.name in noises}
        for equation in self.builder.equations[self._looked[1] :]:
            if not self._weighted.isdisjoint(equation.args):
                self._weighted.update(equation.results)
        self._looked = len(self.builder.inputs), len(self.builder.equations)
        return x.value in self._weighted

    def draw(self, shape: Shape, law: Law = "uniform") -> Tensor:
        """Random numbers of a shape, named after the layer, or after its word and a number."""
        self.use.made += 1
        return self._drawn(array_name(self.use.section, self.use.options["name"] or f"{self.word}1"), shape, law)

    def _drawn(self, name: str, shape: Shape, law: Law) -> Tensor:
        domain = Domain(0.0, 1.0, low_open=False) if law == "uniform" else REAL
        return self.builder.input("draw", name, Type("f32", shape, domain), law)

    def _fresh(self, base: str) -> str:
        stem, number = base.rstrip("0123456789"), 2
        name = base
        while name in self.names:
            name, number = f"{stem}{number}", number + 1
        self.names.add(name)
        return name
