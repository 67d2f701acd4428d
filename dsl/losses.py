"""The losses of a spec: the program of each, the weights that it moves, and the updater that moves them."""

from __future__ import annotations

from dataclasses import replace

from .compare import Comparison
from .constants import NotConstantError
from .diagnostics import did_you_mean, listed
from .example_weights import ExampleWeights
from .ir import Program, Tensor
from .net import LossInfo, WeightInfo, keyed
from .ops import absolute, maximum, mean, square, total
from .ops.losses import TINY
from .prune import prune, read
from .resolve import Spec
from .section import Section
from .structure import Lowering
from .syntax import Binary, Loss, Name
from .update import Updater, lower_own, lower_update

# Why a loss that reads weights moves none of them, and what to do.
FLAT = "what follows has the slope 0, like step", "take that away, or say frozen=true"
COUNTED = "what follows takes only the number of steps", "use the values too, or say frozen=true"


class Losses:
    """Lowers the losses, in training and as they judge finished predictions; `values` are the latter by name."""

    def __init__(self, spec: Spec, training: Lowering, seen: Comparison, judged: Comparison):
        self.spec, self.report = spec, spec.scope.report
        self.training, self.seen, self.judged = training, seen, judged
        self.programs: dict[str, Program] = {}
        self.values: dict[str, Tensor] = {}
        self.found: list[LossInfo] = []
        # Weights that a loss reads, but by no slope, and what stops it.
        self.stopped: dict[str, tuple[str, str]] = {}
        self.weighted = ExampleWeights(spec)

    def run(self) -> Losses:
        """Lower each loss, in the order of the text."""
        for target in self.spec.of("target"):
            # Every function of a batch takes all of it, also what only one loss or only a metric looks at.
            self.seen.target(target)
            self.judged.target(target)
        weights, labels = self.training.weights, self.training.settings.labels
        shared = lower_update(self.spec, weights, labels)
        for loss in self.spec.losses:
            updater = lower_own(self.spec, weights, labels, loss) if loss.updater else shared
            try:
                self._lower(loss, updater)
            except NotConstantError:
                continue
        self._share()
        self._check()
        return self

    def _share(self) -> None:
        """Give the programs of all losses the states of each, of which one that comes later has made its own."""
        states = [i for i in self.training.builder.inputs if i.role == "state"]
        for key in [loss.key for loss in self.found]:
            inputs = self.programs[key].inputs
            self.programs[key] = replace(self.programs[key], inputs=tuple(dict.fromkeys((*inputs, *states))))

    def _lower(self, loss: Loss, updater: Updater | None) -> None:
        name = loss.name or ""
        value = self._mean(self.seen, loss).named("loss")
        if value.type.domain.low == value.type.domain.high:
            message = f"{called(loss)} is always {value.type.domain.low:g}, so that nothing can be learned from it"
            help = "is a factor in it 0? Give it another, or take the loss away"
            raise self.spec.scope.fail("nothing-to-train", message, loss.value.place, help)
        moved = self._moved(loss, value)
        results = self._penalised(value, moved)
        key = keyed("loss", name)
        self.programs[key], left = self._moving(loss, self.training.builder.program(key, results))
        if "penalty" in results:
            key = keyed("penalty", name)
            program = prune(self.training.builder.program(key, {"penalty": results["penalty"]}))
            self.programs[key] = replace(program, inputs=program.of("weight", "clock"))
        self.values[name or "loss"] = self._mean(self.judged, loss).named(name or "loss")
        if updater is not None:
            info = updater.info(name if loss.updater else "")
            if updater.program is not None:
                self.programs[info.key] = updater.program
            self.found.append(LossInfo(name, tuple(w.name for w in moved), info, left))

    def _mean(self, comparison: Comparison, loss: Loss) -> Tensor:
        """The mean over the examples of a batch, weighted where the spec gives weights."""
        comparison.builder.section, comparison.builder.origin = Section("loss"), (loss.value.place,)
        losses = comparison.loss(loss.value)
        if isinstance(loss.value, Binary):
            losses = losses.named("weighted")
        weights = self.weighted.of(comparison, losses)
        if weights is None:
            return mean(losses, axes=(0,), keepdims=False)
        sums = total(weights * losses, axes=(0,), keepdims=False), total(weights, axes=(0,), keepdims=False)
        return sums[0] / maximum(sums[1], TINY).named("counted")

    def _penalised(self, loss: Tensor, moved: list[WeightInfo]) -> dict[str, Tensor]:
        """The loss, and apart from each other what l1 and l2 add and the data's own loss where they add something."""
        terms: list[Tensor] = []
        self.training.builder.section = Section("l1 and l2")
        inputs = {i.name: Tensor(self.training.builder, i.value) for i in self.training.builder.inputs}
        for info in moved:
            w = inputs[info.name]
            axes = tuple(range(len(info.shape)))
            l1, l2 = (self.training.penalty(info, name) for name in ("l1", "l2"))
            if l2 is not None:
                terms.append(0.5 * l2 * total(square(w), axes=axes, keepdims=False))
            if l1 is not None:
                terms.append(l1 * total(absolute(w), axes=axes, keepdims=False))
        if not terms:
            return {"loss": loss}
        penalty = terms[0]
        for term in terms[1:]:
            penalty = penalty + term
        penalty = penalty.named("penalty")
        return {"loss": (loss.named("data_loss") + penalty).named("loss"), "data_loss": loss, "penalty": penalty}

    # What moves what --------------------------------------------------------------------------------------------------

    def _moved(self, loss: Loss, value: Tensor) -> list[WeightInfo]:
        """The weights that a loss moves: those that it depends on, of what it trains, and that are not frozen."""
        program = prune(self.training.builder.program("loss", {"loss": value}))
        sloped, numbers = read(program, sloping=True), read(program)
        moved = {i.name for i in program.of("weight") if i.value in sloped}
        idle = [i for i in program.of("weight") if i.value in program.uses and i.name not in moved]
        self.stopped |= {i.name: FLAT if i.value in numbers else COUNTED for i in idle}
        free = [w for w in self.training.weights.values() if not w.frozen]
        if not loss.trains:
            return [w for w in free if w.name in moved]
        owned = {w.name for name in loss.trains for w in self._owned(name, moved, loss)}
        return [w for w in free if w.name in owned and w.name in moved]

    def _moving(self, loss: Loss, program: Program) -> tuple[Program, tuple[str, ...]]:
        """The program of a loss with what it leaves of the running states of layers that it trains, and their names."""
        trains = {name.id for name in loss.trains}
        states = self.training.states.values()
        own = {s.name for s in states if not trains or (s.section and trains.intersection((*s.parts, s.section.name)))}
        own |= self.seen.keeper.states.keys()
        program, left = self.training.kept.moved_by(program, own)
        return prune(replace(program, results=program.results | left)), tuple(left)

    def _owned(self, name: Name, moved: set[str], loss: Loss) -> list[WeightInfo]:
        """The weights of a part, or of the layer that has the name; a diagnostic where the loss cannot move any."""
        weights = self.training.weights.values()
        owned = [w for w in weights if name.id in (*w.parts, w.section.name)]
        free = [w for w in owned if not w.frozen]
        if not owned and name.id not in self.spec.places:
            known = [*self.spec.parts, *(w.section.name for w in weights if w.section.name)]
            help = did_you_mean(name.id, known) or "trains takes a part, or a layer that name= names"
            self.report.error("unknown-name", f"{name.id} is neither a part nor the name of a layer", name.place, help)
        elif not free:
            why = "all of them are frozen" if owned else "it has none"
            message = f"{name.id} has no weights that training could move: {why}"
            self.report.error("nothing-to-train", message, name.place, f"take {name.id} away from trains")
        elif not any(w.name in moved for w in free):
            message = f"{called(loss)} does not depend on {name.id}, and so cannot train it"
            help = f"compare a value that went through {name.id}, or take it away from trains"
            self.report.error("nothing-to-train", message, name.place, help)
        return owned

    def _check(self) -> None:
        """What can only be told of all losses together."""
        spec, losses = self.spec, self.spec.losses
        if spec.updater is not None and all(loss.updater for loss in losses):
            help = "take it away, or the updater of one of the losses"
            self.report.error("unused", "every loss has an updater of its own", spec.updater.place, help)
        if spec.train["early_stop"] and len(losses) > 1:
            message = f"early_stop watches one loss, and there are {len(losses)}"
            help = "take it away, or train by one loss: loss mse(a, b) + mse(c, d)"
            self.report.error("ambiguous-loss", message, spec.train_places["early_stop"], help)
        self._check_watched()

    def _check_watched(self) -> None:
        """A schedule that watches the loss needs one that it can watch."""
        movers = {loss.updater.of: loss.updater for loss in self.found}
        solver = next((mover.word for mover in movers.values() if mover.solver), "")
        courses = [*self.training.settings.courses, *(c for mover in movers.values() for c in mover.courses)]
        for course in [course for course in courses if course.plateau]:
            place = course.program.equations[0].origin[0]
            if len(self.spec.losses) > 1:
                message = f"{course.name} falls by one loss, and there are {len(self.spec.losses)}"
                help = "choose another schedule, or train by one loss: loss mse(a, b) + mse(c, d)"
                self.report.error("ambiguous-loss", message, place, help)
            elif solver and not self.spec.train["validation"]:
                message = f"{course.name} falls by the validation loss where {solver} trains, and there is none"
                self.report.error("missing-validation", message, place, "add validation=20%")

    def check_moved(self) -> None:
        """Report each array that no loss moves and that is not frozen: its training was forgotten."""
        if self.report.failed or len(self.found) < len(self.spec.losses):
            return
        moved = {name for loss in self.found for name in loss.trained}
        still = [w for w in self.training.weights.values() if not w.frozen and w.name not in moved]
        for section in dict.fromkeys(w.section for w in still):
            names = [w.name for w in still if w.section is section]
            message = f"no loss trains {listed(names)}"
            help = "let a loss depend on it, or say frozen=true"
            if self.stopped.keys() >= {*names}:
                why, help = self.stopped[names[0]]
                message += f": {why}"
            self.report.error("nothing-to-train", message, section.place, help)
        left = {name for loss in self.found for name in loss.moved}
        resting = [s for s in self.training.states.values() if s.running and s.name not in left]
        for place in dict.fromkeys(s.place for s in resting):
            message = f"no loss moves {listed(s.name for s in resting if s.place == place)}"
            self.report.error("nothing-to-train", message, place, "let a loss depend on it, or say frozen=true")


def called(loss: Loss) -> str:
    """A loss in a message."""
    return f"the loss {loss.name}" if loss.name else "the loss"
