"""The programs of a net, from its lowered chains, its loss, its metrics and its updater."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .compare import LAST, Comparison
from .constants import Constant, NotConstantError
from .ir import Builder, Program, Section, Tensor, elements
from .lower import Lowering
from .net import Field, Layer, Net, Output
from .ops import absolute, mean, square, total
from .ops.random import fill
from .prune import prune
from .resolve import Spec, unused
from .source import Place, Source
from .syntax import Binary, Expr
from .types import count
from .update import Updater, lower_update
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
        self._missing()
        self.training = Lowering(spec, "train").run()
        self.predicting = Lowering(spec, "predict").run()
        if self.trains and not self.report.failed and all(w.frozen for w in self.training.weights.values()):
            help = "add a layer with weights that are not frozen, or export alone: targets inference"
            self.report.error("nothing-to-train", "the net has no weight that training could move", spec.place, help)
        self.seen = Comparison(spec, self.training.builder, self._trained_value, {})
        self.judged = Comparison(spec, Builder(), self._predicted_value, {})
        self.inputs: dict[str, Tensor] = {}
        # A loss is checked also where nothing is trained; nothing that stands in a spec is ignored.
        checked = self._training_programs() if spec.loss else {}
        programs = checked if self.trains else {}
        outputs = self._outputs()
        self._unused()
        update = lower_update(spec)
        programs["init"] = self._init()
        if self.report.failed:
            return None
        values = {o.name: t for o, t in outputs}
        programs["predict"] = prune(self.predicting.builder.program("predict", values))
        compared = self._compared([t for _, t in outputs]) if programs.get("metrics") else None
        if compared:
            programs["compared"] = compared
        if self.training.states:
            fitting = Lowering(spec, "fit").run()
            programs["fit"] = prune(fitting.builder.program("fit", fitting.learned_values))
        if update is not None and self.trains:
            programs["update"] = update.program
        net = self._record(source, defines, programs, [o for o, _ in outputs], update)
        self._check_memory(net, memory)
        return None if self.report.failed else net

    def _record(
        self,
        source: Source,
        defines: Mapping[str, Constant],
        programs: dict[str, Program],
        outputs: list[Output],
        update: Updater | None,
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
            train=self.spec.train,
            data=self.spec.data,
            wanted=self.spec.wanted,
            updater=update.word if update else "",
            moments=update.moments if update else (),
            settings=update.settings if update else (),
        )

    def _missing(self) -> None:
        spec, error = self.spec, self.report.error
        if not spec.of("input"):
            error("missing-input", "the net has no input", spec.place, "declare one: input x: f32[4]")
        if not spec.chains:
            error("missing-layers", "the net has no layers", spec.place, "add a chain, such as: dense 10 -> softmax")
        if self.trains and spec.loss is None:
            help = "say what training minimises, such as: loss mse; or export alone: targets inference"
            error("missing-loss", "the net has no loss", spec.place, help)
        if self.trains and spec.updater is None:
            help = "say how weights move, such as: updater adam; or export alone: targets inference"
            error("missing-updater", "the net has no updater", spec.place, help)

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

    def _training_programs(self) -> dict[str, Program]:
        assert self.spec.loss is not None
        expr = self.spec.loss.value
        programs: dict[str, Program] = {}
        for target in self.spec.of("target"):
            # Every function of a batch takes all of it, also what only the loss or only a metric looks at.
            self.seen.target(target)
            self.judged.target(target)
        try:
            results = self._penalised(self._mean_loss(self.seen, expr))
            programs["loss"] = prune(self.training.builder.program("loss", results))
            values = {"loss": self._mean_loss(self.judged, expr)}
        except NotConstantError:
            return {}
        if "penalty" in results:
            penalty = prune(self.training.builder.program("penalty", {"penalty": results["penalty"]}))
            programs["penalty"] = replace(penalty, inputs=penalty.of("weight"))
        for item in self.spec.metrics:
            try:
                name, value = self.judged.metric(item)
            except NotConstantError:
                continue
            if name in values:
                self.report.error("duplicate-name", f"the metric {name} stands twice", item.place, "keep one of them")
            values[name] = value
        programs["metrics"] = self.judged.builder.program("metrics", values)
        return programs

    def _mean_loss(self, comparison: Comparison, expr: Expr) -> Tensor:
        comparison.builder.section, comparison.builder.origin = Section("loss"), (expr.place,)
        losses = comparison.loss(expr)
        if isinstance(expr, Binary):
            losses = losses.named("weighted")
        return mean(losses, axes=(0,), keepdims=False).named("loss")

    def _penalised(self, loss: Tensor) -> dict[str, Tensor]:
        """The loss, and apart from each other what l1 and l2 add and the data's own loss where they add something."""
        terms: list[Tensor] = []
        self.training.builder.section = Section("l1 and l2")
        inputs = {i.name: Tensor(self.training.builder, i.value) for i in self.training.builder.inputs}
        for info in self.training.weights.values():
            w = inputs[info.name]
            axes = tuple(range(len(info.shape)))
            if info.l2:
                terms.append(0.5 * info.l2 * total(square(w), axes=axes, keepdims=False))
            if info.l1:
                terms.append(info.l1 * total(absolute(w), axes=axes, keepdims=False))
        if not terms:
            return {"loss": loss}
        penalty = terms[0]
        for term in terms[1:]:
            penalty = penalty + term
        penalty = penalty.named("penalty")
        return {"loss": (loss.named("data_loss") + penalty).named("loss"), "data_loss": loss, "penalty": penalty}

    def _compared(self, outputs: list[Tensor]) -> Program | None:
        """The program whose results the metrics look at, where these are not just the outputs."""
        builder = self.predicting.builder
        tensors = {name: self._find(name) for name in self.inputs}
        order = [t.value for t in outputs]
        if {t.value for t in tensors.values()} == set(order) and len(tensors) == len(order):
            program = self.judged.builder
            by_value = {tensors[name].value: self.inputs[name].value for name in tensors}
            ranks = {by_value[value]: rank for rank, value in enumerate(order)}
            program.inputs.sort(key=lambda i: ranks.get(i.value, len(ranks)))
            return None
        return prune(builder.program("compared", {name or "prediction": t for name, t in tensors.items()}))

    def _find(self, name: str) -> Tensor:
        tensor = self.predicting.current if name == LAST else self.predicting.values[name]
        assert tensor is not None
        return tensor

    # Outputs and tables -----------------------------------------------------------------------------------------------

    def _outputs(self) -> list[tuple[Output, Tensor]]:
        found = {name: t for name, t in self.predicting.outputs.items() if t is not None}
        if not self.predicting.outputs and self.predicting.current is not None:
            found = {self._implied_name(): self.predicting.current}
        return [(Output(n, t.type, self._target_of(t), self.predicting.docs.get(n, "")), t) for n, t in found.items()]

    def _implied_name(self) -> str:
        targets = self.spec.of("target")
        if len(targets) == 1:
            return targets[0].name
        return self.spec.chains[-1].name or "output"

    def _target_of(self, tensor: Tensor) -> Field | None:
        for name, target in self.judged.pairs:
            if self._find(name).value is tensor.value:
                return target
        return None

    def _unused(self) -> None:
        used = self.training.used | set(self.seen.used) | set(self.judged.used)
        used |= {target.name for _, target in (*self.seen.pairs, *self.judged.pairs)}
        last = self.spec.chains[-1].name if self.spec.chains else None
        if not self.predicting.outputs and last:
            used.add(last)
        if not self.report.failed:
            unused(self.spec, used, self.report)

    def _layers(self, predict: Program) -> tuple[Layer, ...]:
        flops: dict[Section | None, int] = {}
        for equation in predict.equations:
            work = (equation.op.flops or elements)(equation)
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
            help = "make this layer or the batch smaller, or allow more: --memory 32"
            self.report.error("too-large", message, largest.section.place, help)


def memory_needed(net: Net) -> int:
    """Bytes that training takes, about: weights, gradients, updater state, and two copies of a batch's values."""
    weights = sum(count(w.shape) for w in net.weights.values())
    values = sum(count(layer.type.shape) for layer in net.layers) + sum(count(f.shape) for f in net.inputs)
    return 4 * (weights * (2 + len(net.moments)) + 2 * values * net.train["batch"])
