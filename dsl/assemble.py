"""The programs of a net, from its lowered chains, its loss, its metrics and its updater."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from .compare import LAST, Comparison
from .constants import Constant, NotConstantError
from .decisions import Thresholds
from .derived_steps import base_of, derived
from .facts import elements
from .ir import Builder, Equation, Program, Tensor
from .lint import lint
from .longest import longest, shortest
from .loss_arrays import LossArrays
from .losses import Losses, called
from .net import Field, Layer, LossInfo, Net, Output, Threshold
from .ops.random import fill
from .prune import prune
from .resolve import Spec, unused
from .section import Section
from .source import Place, Source
from .structure import Lowering
from .types import BATCH, Type, count, pieces
from .words import Fresh, WordError


def assemble(spec: Spec, source: Source, defines: Mapping[str, Constant], memory: int) -> Net | None:
    """The net, or None after diagnostics."""
    return _Assembly(spec).net(source, defines, memory)


class _Assembly:
    def __init__(self, spec: Spec):
        self.spec, self.report = spec, spec.scope.report
        # A model that is only exported needs nothing to train it.
        self.trains = spec.wanted != ("inference",)

    def net(self, source: Source, defines: Mapping[str, Constant], memory: int) -> Net | None:
        spec = self.spec
        self.training = Lowering(spec, "train").run()
        self.predicting = Lowering(spec, "predict").run()
        self._missing()
        if self.trains and not self.report.failed and all(w.frozen for w in self.training.weights.values()):
            help = "add a layer with weights that are not frozen, or export alone: targets inference"
            self.report.error("nothing-to-train", "the net has no weight that training could move", spec.place, help)
        names, training, judging = self.predicting.names | self.training.names, self.training, Builder()
        self.thresholds = Thresholds(spec, names)
        kept, judged = LossArrays(training.builder, {*names}, True, training.kept), LossArrays(judging, {*names}, False)
        self.seen = Comparison(spec, training.builder, self._trained_value, {}, kept)
        self.judged = Comparison(spec, judging, self._predicted_value, {}, judged, self._threshold, drops=True)
        self.inputs: dict[str, Tensor] = {}
        # A loss is checked also where nothing is trained; nothing that stands in a spec is ignored.
        losses = Losses(spec, self.training, self.seen, self.judged).run() if spec.losses else None
        programs = self._training_programs(losses)
        outputs = self._outputs()
        self.predicting.states |= kept.states if self.trains else {}
        self._unused()
        if losses and self.trains:
            losses.check_moved()
            lint(spec, self.training)
        programs["init"] = self._init()
        if self.report.failed:
            return None
        values = {o.name: t for o, t in outputs}
        told = {f.name for f in spec.of("input") if any(_tells(f, o.type) for o, _ in outputs)}
        programs["predict"] = _asking(self.predicting.builder.program("predict", values), told)
        if metrics := programs.get("metrics"):
            programs |= self._compared(metrics, [t for _, t in outputs])
        self._check_read(programs)
        if any(state.of_data for state in self.training.states.values()):
            fitting = Lowering(spec, "fit").run()
            programs["fit"] = prune(fitting.builder.program("fit", fitting.learned_values))
        trained = tuple(losses.found) if losses and self.trains else ()
        net = self._record(source, defines, programs, [o for o, _ in outputs], trained)
        self._check_memory(net, memory)
        self._check_steps(net)
        return None if self.report.failed else net

    def _record(
        self,
        source: Source,
        defines: Mapping[str, Constant],
        programs: dict[str, Program],
        outputs: list[Output],
        losses: tuple[LossInfo, ...],
    ) -> Net:
        return Net(
            name=self.spec.name,
            source=source,
            doc=self.spec.doc,
            defines=dict(defines),
            inputs=self.spec.of("input"),
            targets=self.spec.of("target"),
            outputs=tuple(outputs),
            weights=self.predicting.weights,
            states=self.predicting.states,
            layers=self._layers(programs["predict"]),
            programs=programs,
            # A solver looks at all rows at once, however many there will be.
            train=self.spec.train | ({"batch": None} if any(loss.updater.solver for loss in losses) else {}),
            data=self.spec.data,
            wanted=self.spec.wanted,
            losses=losses,
            noises=self.spec.of("noise"),
            layer_settings=tuple(self.training.settings.found),
            layer_courses=tuple(self.training.settings.courses),
            libraries={library.path: library.source.text for library in self.spec.libraries},
        )

    def _missing(self) -> None:
        spec, error = self.spec, self.report.error
        if not spec.of("input"):
            error("missing-input", "the net has no input", spec.place, "declare one: input x: f32[4]")
        if not spec.chains or not (self.report.failed or self.training.outputs or self.training.whole.started):
            error("missing-layers", "the net has no layers", spec.place, "add a chain, such as: dense 10 -> softmax")
        if self.trains and not spec.losses:
            help = "say what training minimises, such as: loss mse; or export alone: targets inference"
            error("missing-loss", "the net has no loss", spec.place, help)
        lacking = [loss for loss in spec.losses if not loss.updater]
        if self.trains and spec.updater is None and len(spec.losses) < 2 and (lacking or not spec.losses):
            help = "say how weights move, such as: updater adam; or export alone: targets inference"
            error("missing-updater", "the net has no updater", spec.place, help)
        elif self.trains and spec.updater is None:
            for loss in lacking:
                help = "say how it moves weights: with adam, or by an updater sentence for all losses"
                error("missing-updater", f"{called(loss)} has no updater", loss.place, help)

    # Losses and metrics -----------------------------------------------------------------------------------------------

    def _trained_value(self, name: str, place: Place) -> Tensor | None:
        return self.training.current if name == LAST else self.training.value(name, place)

    def _predicted_value(self, name: str, place: Place) -> Tensor | None:
        """The prediction as an input of its own, since metrics look at finished predictions."""
        tensor = self.predicting.current if name == LAST else self.predicting.value(name, place)
        if tensor is None:
            return None
        if name not in self.inputs:
            called = name or "prediction"
            while called in self.spec.fields:
                called += "_"
            self.inputs[name] = self.judged.builder.input("prediction", called, tensor.type)
        return self.inputs[name]

    def _training_programs(self, losses: Losses | None) -> dict[str, Program]:
        """The programs of the losses and of the metrics beside them, where the net trains.

        Metrics are checked also where the loss is missing.
        """
        values = dict(losses.values) if losses else {}
        for item in self.spec.metrics:
            self.judged.builder.origin = (item.place,)
            try:
                name, value = self.judged.metric(item)
            except NotConstantError:
                continue
            if name in values:
                self.report.error("duplicate-name", f"the metric {name} stands twice", item.place, "keep one of them")
            values[name] = value
        if losses is None or not self.trains:
            return {}
        return {**losses.programs, "metrics": self.judged.builder.program("metrics", values)}

    def _compared(self, metrics: Program, outputs: list[Tensor]) -> dict[str, Program]:
        """The metrics, which look at the outputs in their order, or beside them the program of what they look at."""
        tensors = {name: self._find(name) for name in self.inputs}
        order = [t.value for t in outputs]
        if {t.value for t in tensors.values()} == set(order) and len(tensors) == len(order):
            ranks = {self.inputs[name].value: order.index(tensor.value) for name, tensor in tensors.items()}
            inputs = sorted(metrics.inputs, key=lambda i: ranks.get(i.value, len(ranks)))
            return {"metrics": replace(metrics, inputs=tuple(inputs))}
        compared = self.predicting.builder.program("compared", {name or "prediction": t for name, t in tensors.items()})
        return {"compared": _asking(compared)}

    def _find(self, name: str) -> Tensor:
        tensor = self.predicting.current if name == LAST else self.predicting.values[name]
        assert tensor is not None
        return tensor

    # Outputs and tables -----------------------------------------------------------------------------------------------

    def _outputs(self) -> list[tuple[Output, Tensor]]:
        found = self._exported()
        if not self.predicting.outputs and any(tensor.type.dtype == "i64" for tensor in found.values()):
            message, help = "the last chain gives the ids of a category", "put onehot or embedding into it"
            self.report.error("ids-mismatch", message, self.spec.chains[-1].place, help)
        if not self.predicting.outputs and any(pieces(tensor.shape[0]) > 1 for tensor in found.values()):
            message = "the last chain gives pieces of each example"
            self.report.error("shape-mismatch", message, self.spec.chains[-1].place, "end it with batch_to_space")
        outputs = [(self._output(name, tensor), tensor) for name, tensor in found.items()]
        self.thresholds.rest([*(self.predicting.outputs or found)])
        self.predicting.states |= self.thresholds.states
        return outputs

    def _exported(self) -> dict[str, Tensor]:
        if not self.predicting.outputs and self.predicting.current is not None:
            return {self._implied_name(): self.predicting.current}
        return {name: t for name, t in self.predicting.outputs.items() if t is not None}

    def _output(self, name: str, tensor: Tensor) -> Output:
        target = self._target_of(tensor)
        # Where something else is at fault, a loss may be it that would have said what is predicted.
        told = target is not None or not self.report.failed
        threshold = self.thresholds.of(name, tensor.type, target) if told else None
        return Output(name, tensor.type, target, self.predicting.docs.get(name, ""), threshold)

    def _threshold(self, name: str, target: Field | None) -> Threshold | None:
        """The threshold of what a metric looks at, where that is an output with one."""
        value = self._find(name).value
        names = [n for n, t in self._exported().items() if t.value is value] if target else []
        found = (self.thresholds.of(n, self._find(name).type, target) for n in names)
        return next((each for each in found if each is not None), None)

    def _implied_name(self) -> str:
        targets = self.spec.targets
        if len(targets) == 1:
            return targets[0].name
        return self.spec.last_name or "output"

    def _target_of(self, tensor: Tensor) -> Field | None:
        for name, target in self.judged.pairs:
            found = self.predicting.current if name == LAST else self.predicting.values.get(name)
            if found is not None and found.value is tensor.value:  # one at fault predicts nothing
                return target
        return None

    def _unused(self) -> None:
        used = self.training.used | set(self.seen.used) | set(self.judged.used)
        used |= {target.name for _, target in (*self.seen.pairs, *self.judged.pairs)}
        used.add(self.spec.train["sample_weight"])
        last = self.spec.last_name
        if not self.predicting.outputs and last:
            used.add(last)
        if not self.report.failed:
            unused(self.spec, used, self.training.gone_on, self.report)

    def _check_read(self, programs: Mapping[str, Program]) -> None:
        """Report the inputs that chains begin with, and that are left behind on the way to an output or a loss."""
        read = {i.name for program in programs.values() for i in _asking(program).of("example")}
        for field in self.spec.of("input") if not self.report.failed else ():
            if field.name not in read | self.training.untaken and not field.counts:
                message = f"no output and no loss depends on the input {field.name}"
                help = "go on from what is made of it, or name that and use it; a block goes on from in"
                self.report.error("unused", message, field.place, help)

    def _check_steps(self, net: Net) -> None:
        """Report steps of which windows need more than any example can have."""
        most = longest(net)
        for name, least in shortest(net).items():
            field = next(field for field in net.fields if name in field.shape)
            cut = int(net.train["window"] or least) if field.steps == name else least
            if least > min(cut, most.get(name, least)):
                places = f"learned_positions has places for {most.get(name)} of them"
                why = f"train window={cut} cuts them" if cut < least else places
                message = f"the windows that slide over {name} need examples of {least} steps, and {why}"
                help = "make the windows, or their strides, smaller, or give more steps"
                self.report.error("shape-mismatch", message, field.place, help)

    def _layers(self, predict: Program) -> tuple[Layer, ...]:
        flops: dict[Section | None, int] = {}
        for equation in predict.equations:
            work = (equation.op.flops or elements)(equation) // _steps_apart(equation)
            flops[equation.section] = flops.get(equation.section, 0) + work
        sizes: dict[Section, int] = {}
        for weight in self.predicting.weights.values():
            sizes[weight.section] = sizes.get(weight.section, 0) + count(weight.shape)
        sections = self.predicting.sections
        return tuple(Layer(s, t.type, sizes.get(s, 0), flops.get(s, 0)) for s, t in sections)

    def _init(self) -> Program:
        """The first values of every weight and state, each weight from its own stream."""
        builder = Builder()
        values: dict[str, Tensor] = {}
        for info in self.predicting.weights.values():
            builder.section, builder.origin = info.section, (info.place,)
            fan_in, fan_out = (builder.constant(float(n), "f64") for n in info.fans)
            fresh = Fresh(builder, info.name, info.shape, fan_in, fan_out)
            try:
                values[info.name] = info.init.make(fresh)
            except WordError as error:
                self.report.error(error.code, error.message, info.place, error.help)
        for state in self.predicting.states.values():
            values[state.name] = builder.emit(fill, number=state.default, shape=state.shape)
        return prune(builder.program("init", values))

    def _check_memory(self, net: Net, budget: int) -> None:
        need = memory_needed(net)
        if need > budget:
            message = f"training this net needs about {need / 2**30:.1f} GiB, more than the budget of"
            message += f" {budget / 2**30:.1f} GiB"
            largest = max(net.layers, key=lambda layer: layer.parameters + count(layer.type.shape))
            enough = 2 ** max(0, math.ceil(math.log2(need / 2**30)))
            help = f"make this layer or the batch smaller, or allow more: --memory {enough}"
            self.report.error("too-large", message, largest.section.place, help)


# For how many rows it is told what training takes where it looks at all of them at once.
ALL_ROWS = 1000


def memory_needed(net: Net) -> int:
    """Bytes that training takes in the file, about.

    These are the weights, what an update leaves of them in the heap, gradients, updater state, and two copies of a
    batch's values.
    """
    weights = sum(count(w.shape) for w in net.weights.values())
    values = sum(count(layer.type.shape) for layer in net.layers) + sum(count(f.shape) for f in net.inputs)
    moments = sum(count(net.weights[w].shape) * len(loss.updater.moments) for loss in net.losses for w in loss.trained)
    if net.solver:
        remembered = net.losses[0].updater.remembered(sum(count(net.weights[w].shape) for w in net.trained))
        return 8 * (3 * weights + sum(map(count, remembered.values())) + 2 * values * ALL_ROWS)
    return 4 * (3 * weights + moments + 2 * values * net.train["batch"])


def _steps_apart(equation: Equation) -> int:
    """How many steps of the input each step stands for that an equation gives, or that it takes where it gives none."""
    shapes = [[d for value in values for d in value.type.shape] for values in (equation.results, equation.args)]
    found = [[steps.over for dim in shape if (steps := derived(dim)) and steps.base != BATCH] for shape in shapes]
    return max(found[0] or found[1] or [1])


def _tells(field: Field, type: Type) -> bool:
    """Whether a field tells which steps of such a value count."""
    return bool(field.counts) and {*field.shape, field.counts} <= {base_of(dim) for dim in type.shape}


def _asking(program: Program, told: Collection[str] = ()) -> Program:
    """The program, pruned, that asks for nothing but what it reads and what is `told` beside its results."""
    program = prune(program)
    return replace(program, inputs=tuple(i for i in program.inputs if i.value in program.uses or i.name in told))
