"""What the emitted trainer has because it trains: the parts of its page between the loss and the loop."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..dsl.derived_steps import base_of, factors, spaced
from ..dsl.ir import Input, Program
from ..dsl.net import Field, LossInfo
from ..dsl.series import overlap
from ..dsl.types import BATCH
from .body import Body
from .calls import is_dict
from .functions import Functions, clock
from .gradients import NORMALISATIONS, loss_and_grads, normalisation, normalisation_heading
from .headings import joined
from .simplify import simplify
from .spelling import PRODUCT, Part, a_dict_of, gathered, quote, returning, wrap
from .threshold_page import ThresholdPage
from .updater_page import UpdaterPage, moment

Items = Iterable[tuple[str, str]]
LONGEST_LOCAL = 40
# The methods of NumPy's generators that draw by a law.
LAWS = {"uniform": "random", "normal": "standard_normal"}


class TrainingPage:
    """Prints what trains a net, by the functions that it shares with the rest of the page."""

    def __init__(self, page: Functions):
        self.net, self.page = page.net, page
        self.asked = normalisation(self.net)
        # What bounds the gradients may take them from a dict, unless it looks at layers.
        apart = bool(self.asked) and self.net.train["norm_per"] != "layer"
        gradients = [joined(loss_and_grads(self.net, loss, apart)) for loss in self.net.losses]
        gradients = page.folded([] if self.asked and not apart else gradients) or gradients
        self.gradients = dict(zip(self.net.losses, gradients, strict=True))
        for loss, program in self.gradients.items():
            if apart and not any(map(is_dict, program.results.values())):
                self.gradients[loss] = joined(loss_and_grads(self.net, loss))
        # Losses without a name have the page's plain names, and there is one.
        self.named = bool(self.net.losses[0].name)
        self.draws = next(iter(self.gradients.values())).of("draw")
        # What the losses and the updates look at of the clock, in the loop's words.
        self.clock = clock(*self.gradients.values())
        self.times = {"step": "step", "epoch": "epoch + k / len(parts)", "drops": "drops"}

    def parts(self) -> dict[str, Any]:
        """What the template sets into the page."""
        net, programs, updater = self.net, self.net.programs, UpdaterPage(self.page)
        compared = "compared" in programs
        doc = f"Return the values that {'the losses look' if self.named else 'the loss looks'} at."
        return {
            "named": self.named,
            "losses": self._losses() if self.named else [],
            "running": bool(net.running),
            "compared": self.page.compared(doc) if compared and self._measured() else "",
            "gradients": [self._loss_and_grads(loss) for loss in net.losses],
            "and_grads": [loss.function for loss in net.losses],
            "init_updater": updater.init(),
            "updates": [updater.update(each) for each in net.updaters],
            **updater.solver(self._given_to_solver()),
            "metrics": self._metrics() if self._measured() else "",
            "penalties": self._penalties(),
            **ThresholdPage(self.page).parts(),
            "predictor": "compared" if compared else "predict",
            **self._given(programs["compared" if compared else "predict"]),
            "single": len(programs["metrics"].of("prediction")) == 1,
            "validation": bool(net.train["validation"]),
            **self._order(),
            "early_stop": bool(net.train["early_stop"]),
            "draws": self._draws(self.draws),
            "draw_sizes": "".join(f", {name}" for name in self._drawn_steps()),
            "first_draws": self._draw("0, 1, len(batch[0])", "batch"),
            "steps": [] if net.solver else self._steps(),
            "checked": ", **at" if self.clock else ", draws=draws" if self.draws else "",
            "widened": any(field.type.dtype != "i64" for field in (*net.inputs, *net.targets)),
            **self._times(),
            "plateaus": bool(net.plateaus),
            "watched": self._watched(),
        }

    def _order(self) -> dict[str, Any]:
        """What is said of the order of the rows, and how many there must be to be split."""
        net = self.net
        held = bool(net.train["validation"])
        return {
            "window": bool(net.train["window"]),
            "overlap": overlap(net),
            "streams": net.streams,
            "least": ("2 + OVERLAP" if overlap(net) else "2") if held else "1",
        }

    def _times(self) -> dict[str, Any]:
        """The clock where gradients are checked, and where an epoch is judged at its end."""
        first = {"step": "1", "epoch": "0.0", "drops": "dict.fromkeys(PLATEAUS, 0)"}
        last = {"step": "epoch + 1" if self.net.solver else "step", "epoch": "epoch + 1", "drops": "drops"}
        draws = [f'"draws": {self._draw("0, 1, len(batch[0])", "batch")}'] if self.draws else []
        given = [*draws, *(f"{quote(name)}: {first[name]}" for name in self.clock)]
        judged = clock(*(self.net.programs[loss.penalty] for loss in self._penalised()))
        return {
            "at": wrap("at = {", given, "}", 4) if self.clock else [],
            "judged_at": f", *, {', '.join(judged)}" if judged else "",
            "judging": "".join(f", {name}={last[name]}" for name in judged),
        }

    def _watched(self) -> str:
        """The loss of an epoch by which plateaus are counted."""
        (label, *_) = (quote(loss.label) for loss in self.net.losses)
        if self.net.train["validation"]:
            return f"report[{label}]"
        return f"totals[{label}] / len(rows)" if self.named else "total / len(rows)"

    def _measured(self) -> bool:
        """Whether anything is reported beside the training loss."""
        return bool(self.net.train["validation"]) or len(self.net.programs["metrics"].results) > len(self.net.losses)

    def _losses(self) -> list[str]:
        """The assignment of which weights each loss moves."""
        entries = [line for loss in self.net.losses for line in _entry(loss.name, loss.trained)]
        return ["LOSSES = {", *entries, "}"]

    def _loss_and_grads(self, loss: LossInfo) -> str:
        program = self.gradients[loss]
        own = ("p", *(["draws"] if self.draws else []), *([self.asked] if self.asked else []))
        own += self.clock
        moved = "parameter" if not self.named else "weight that it moves"
        value = f"the loss {loss.name}" if self.named else "the mean loss"
        doc = f"Return {value} of a batch and its gradient for each {moved}."
        if self.net.running:
            doc = f"Return {value} of a batch, its gradients by name, and the new state."
        lines, body, called = self.page.function(loss.function, program, doc, ("example", "target"), own)
        for limit in program.of("limit"):
            body.names.of[limit.value] = called[limit.name]
        statements = body.statements()
        self.page.kernels |= body.kernels
        lines += [*self.page.unpacked(body, called), *body.lines(statements), ""]
        items = dict.fromkeys(_item(program, body, name, f"d{name}") for name in loss.trained)
        left = dict.fromkeys(_item(program, body, name, name) for name in loss.moved)
        bound = called[self.asked] if self.asked and not program.of("limit") else ""
        lines += self._returned(body, items, left, bound)
        return "\n\n\n".join([*self.page.blocks.printed(), "\n".join(lines)])

    def _returned(self, body: Body, grads: Items, state: Items, bound: str) -> list[str]:
        """The end of a loss: its value, the gradients and, where the net keeps running statistics, these as left.

        `bound` is what has yet to bound the gradients.
        """
        loss, name = body.final("loss"), body.names.aside("grads")
        before = [*gathered(name, list(grads)), *self._bounded(body, name, bound)] if bound else []
        parts = [Part(loss, [], loss)]
        parts.append(Part(name if bound else a_dict_of(list(grads)), gathered(name, list(grads)), name))
        if self.net.running:
            own = body.names.aside("state")
            parts.append(Part(a_dict_of(list(state)), gathered(own, list(state)), own))
        return [*before, *returning(parts)]

    def _bounded(self, body: Body, grads: str, limit: str) -> list[str]:
        """The lines that bound the gradients in their dict, and then add to them what l1 and l2 do."""
        assert self.asked is not None
        op, results = NORMALISATIONS[self.asked][0], body.program.results
        self.page.kernels.add(*op.kernels)
        lines = [f"    # {normalisation_heading(self.net, self.asked)}"]
        if self.net.train["norm_per"] == "weight":
            lines.append(f"    {grads} = {{name: {op.name}({limit}, g)[0] for name, g in {grads}.items()}}")
        else:
            lines.append(f"    {grads} = dict(zip({grads}, {op.name}({limit}, *{grads}.values())))")
        added = {n: body.final(f"penalty{n}", PRODUCT) for n in self.net.trained if f"penalty{n}" in results}
        lines += ["    # back through l1 and l2"] if added else []
        return [*lines, *(f"    {grads}[{quote(n)}] = {grads}[{quote(n)}] + {extra}" for n, extra in added.items())]

    def _penalties(self) -> list[tuple[str, str, str, str]]:
        """The functions of what l1 and l2 add to the losses: text, name, the name of the loss, and the clock's part."""
        found: list[tuple[str, str, str, str]] = []
        for loss in self._penalised():
            text = self.page.returning(loss.penalty, f"Return what l1 and l2 add to the loss{_of(loss.name)}.")
            at = "".join(f", {name}={name}" for name in clock(self.net.programs[loss.penalty]))
            found.append((text, loss.penalty, loss.label, at))
        return found

    def _penalised(self) -> list[LossInfo]:
        """The losses to which l1 and l2 add something."""
        return [loss for loss in self.net.losses if loss.penalty in self.net.programs]

    def _metrics(self) -> str:
        program = simplify(self.net.programs["metrics"])
        doc = f"Return the {'losses' if self.named else 'loss'} and the metrics of predictions, by name."
        lines, body, _ = self.page.function("metrics", program, doc, ("prediction", "target"), ())
        statements = body.statements()
        for name, value in program.results.items():
            if len(body.final(name)) > 50:
                # The report's own name, which tells what is compared, may be too long for a local.
                value.hint = value.hint or (_local(name) if len(name) <= LONGEST_LOCAL else "measure")
                statements += body.name_final(name)
        self.page.kernels |= body.kernels
        lines += [s.lines(body.indent) for s in statements]
        finals = {name: body.final(name) for name in program.results}
        # A table, which is the result of a kernel's call, becomes a list of lists.
        entries = [
            f"{quote(name)}: {f'{finals[name]}.tolist()' if value.type.shape else f'float({finals[name]})'}"
            for name, value in program.results.items()
        ]
        return "\n".join([*lines, *wrap("return {", entries, "}", 4)])

    def _given(self, program: Program) -> dict[str, Any]:
        """What is handed to the function whose predictions are judged: some inputs, and noise."""
        net = self.net
        needed = {i.name for i in program.of("example", "noise")}
        noises = [noise for noise in net.noises if noise.name in needed]
        if not noises and needed == {f.name for f in net.inputs}:
            return {"given": "", "noise": []}
        picked = [f"inputs[{i}]" for i, f in enumerate(net.inputs) if f.name in needed]
        picked = ["*inputs"] if len(picked) == len(net.inputs) > 1 else picked
        picked += ["*noise(len(inputs[0]))"] if noises else []
        return {"given": f"[{', '.join(picked)}]", "noise": self._noise(noises)}

    def _noise(self, noises: Sequence[Field]) -> list[str]:
        """The noise of a whole set."""
        if not noises:
            return []
        shapes = [f"(count, {', '.join(map(str, noise.shape))})" for noise in noises]
        made = [
            f'stream(SEED, {quote(noise.name)}, "noise").{LAWS[noise.kind]}({shape}, np.float32)'
            for noise, shape in zip(noises, shapes, strict=True)
        ]
        return wrap("return [", made, "]", 4)

    def _steps(self) -> list[str]:
        """The steps of a batch in the training loop: for each loss its gradients and the update."""
        examples = "a[batch] for a in (*inputs, *targets)"
        clip = [f"{self.asked}={self.asked.upper()}"] if self.asked else []
        clip += [f"{name}={self.times[name]}" for name in self.clock]
        given = f"loss, grads{', state' if self.net.running else ''}"
        state = ["            p.update(state)"] if self.net.running else []
        if not self.named:
            draw = self._draw("epoch, step, len(batch)", "examples")
            extras = [*([f"draws={draw}"] if self.draws else []), *clip]
            call = [f"            {given} = loss_and_grads(p, *({examples}))"]
            if extras:
                call = wrap(f"{given} = loss_and_grads(", ["p", "*examples", *extras], ")", 12)
                call.insert(0, f"            examples = [{examples}]")
            update = wrap("update(", self._moving(self.net.losses[0]), ")", 12)
            return [*call, *update, *state, "            total += float(loss) * len(batch)"]
        lines = [f"            examples = [{examples}]"]
        draw = self._draw("epoch, step, len(batch)", "examples")
        lines += [f"            draws = {draw}"] if self.draws else []
        taken = ["p", "*examples", *(["draws=draws"] if self.draws else []), *clip]
        for loss in self.net.losses:
            lines += wrap(f"{given} = {loss.function}(", taken, ")", 12)
            moved = [*self._moving(loss), *([] if loss.updater.of else [quote(loss.name)])]
            lines += [*wrap(f"{loss.updater.key}(", moved, ")", 12), *state]
            lines.append(f"            totals[{quote(loss.name)}] += float(loss) * len(batch)")
        return lines

    def _moving(self, loss: LossInfo) -> list[str]:
        """What an update takes in the loop, but for the name of the loss."""
        return ["p", "moments", "grads", *(self.times[name] for name in moment(self.net, loss.updater))]

    def _given_to_solver(self) -> list[str]:
        """What the loss takes in an iteration of a solver, which is an epoch, besides all examples."""
        draws = [f"draws={self._draw('epoch, epoch + 1, len(rows)', 'examples')}"] if self.draws else []
        times = {"step": "epoch + 1", "epoch": "epoch", "drops": "drops"}
        return [*draws, *(f"{name}={times[name]}" for name in self.clock)]

    def _drawn_steps(self) -> list[str]:
        """The numbers of steps that shapes of draws name."""
        dims = [d for i in self.draws for d in i.value.type.shape if isinstance(d, str)]
        drawn = {base_of(factor) for d in dims for factor in factors(d)}
        return [name for name in self.net.steps if name in drawn]

    def _draw(self, moment: str, examples: str) -> str:
        """A call of `draw`, with the numbers of steps of a batch's arrays."""
        shapes = [f.shape for f in (*self.net.inputs, *self.net.targets)]
        sizes: list[str] = []
        for name in self._drawn_steps():
            at = next(k for k, shape in enumerate(shapes) if name in shape)
            sizes.append(f"{examples}[{at}].shape[{1 + shapes[at].index(name)}]")
        return f"draw({', '.join([moment, *sizes])})"

    def _draws(self, draws: tuple[Input, ...]) -> list[str]:
        lines: list[str] = []
        for law, method in LAWS.items():
            shapes = [f"{quote(i.name)}: {_shape(i)}" for i in draws if i.law == law]
            if shapes:
                lines += [*wrap(f"{law} = {{", shapes, "}", 4), f"    for name, shape in {law}.items():"]
                lines.append(f"        draws[name] = stream(SEED, name, epoch, step).{method}(shape, np.float32)")
        return lines


def _item(program: Program, body: Body, name: str, result: str) -> tuple[str, str]:
    """A gradient or a state among those that are returned, by its key, or the dict of a call that has it."""
    return "" if is_dict(program.results[result]) else quote(name), body.final(result)


def _shape(draw: Input) -> str:
    """The shape of a draw for `count` examples."""
    sizes = [_product(factors(str(size))) for size in draw.value.type.shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _product(dims: list[str]) -> str:
    """The size of an axis as code, that of all examples being `count`."""
    sizes = ["count" if dim == BATCH else spaced(dim) for dim in dims]
    return sizes[0] if len(sizes) == 1 else " * ".join(f"({size})" if " " in size else size for size in sizes)


def _local(name: str) -> str:
    """A name of the report as a local of the page: the number in `within_0.5` has a point, and others have a sign."""
    return re.sub(r"\W", "_", name)


def _of(name: str) -> str:
    return f" {name}" if name else ""


def _entry(name: str, trained: Sequence[str]) -> list[str]:
    """The entry of a loss in LOSSES."""
    quoted = [quote(each) for each in trained]
    tail = ",)," if len(quoted) == 1 else "),"
    return wrap(f"{quote(name)}: (", quoted, tail, 4)
