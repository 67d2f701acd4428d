"""What the emitted trainer has because its spec tunes thresholds: on the rows held out, once training is over."""

from __future__ import annotations

from typing import Any

from ..dsl.net import Output, Tuning, counting
from ..dsl.ops.scores import BEST_THRESHOLD
from ..dsl.over_time import steps_of
from .functions import Functions
from .simplify import simplify
from .spelling import quote, wrap


class ThresholdPage:
    """Prints `tune`, and the score of counts of each metric by which it tunes."""

    def __init__(self, page: Functions):
        self.net, self.page = page.net, page
        found = [(o, o.threshold.tuned) for o in self.net.outputs if o.threshold and o.threshold.tuned]
        self.tuned: list[tuple[Output, Tuning]] = found

    def parts(self) -> dict[str, Any]:
        """What the template sets into the page."""
        metrics, losses = self.net.programs["metrics"], self.net.losses
        states = [f"p[{quote(i.name)}]" for i in metrics.of("state")]
        penalised = any(loss.penalty in self.net.programs for loss in losses)
        judge = wrap(f"{'report =' if penalised else 'return'} metrics(", ["*outputs", "*targets", *states], ")", 4)
        return {
            "tune": self._tune() if self.tuned else "",
            "judge": "\n".join(judge),
            "tables": any(value.type.shape for value in metrics.results.values()),
        }

    def _tune(self) -> str:
        """The score functions, and then the one that sets the thresholds."""
        self.page.kernels.add(BEST_THRESHOLD)
        scores = {tuning.metric: self._score(tuning) for _, tuning in self.tuned}
        what = f"{self.tuned[0][1].state} to where {self.tuned[0][1].metric}" if len(self.tuned) == 1 else ""
        doc = f"Set {what or 'each threshold to where its score'} is highest on rows that did not train."
        lines = ["def tune(p, inputs, targets):", f'    """{doc}"""', "    outputs = predictions(p, inputs)"]
        for output, tuning in self.tuned:
            counted, *given = self._compared(output, tuning)
            lines += [f"    counted = {counted}"] if counted else []
            given.append(f"{tuning.metric}_score")
            lines += wrap(f"p[{quote(tuning.state)}] = best_threshold(", given, ")", 4)
        return "\n\n\n".join([*scores.values(), "\n".join(lines)])

    def _score(self, tuning: Tuning) -> str:
        body, _ = self.page.body(simplify(tuning.score))
        statements = body.statements()
        lines = [
            f"def {tuning.metric}_score(tp, fp, fn, tn):",
            f'    """Return {tuning.metric}, from counts of decisions that are right and wrong."""',
            *(statement.lines("    ") for statement in statements),
        ]
        return "\n".join([*lines, f"    return {body.final('score')}"])

    def _compared(self, output: Output, tuning: Tuning) -> tuple[str, str, str]:
        """Which steps count, if not all do, and of what the metrics look at the probabilities of 1 and the truth."""
        programs, target = self.net.programs, output.target
        assert target is not None
        judged = list(programs.get("compared", programs["predict"]).results.values())
        place = judged.index(programs["predict"].results[output.name])
        p, y = f"outputs[{place}]", f"targets[{self.net.targets.index(target)}]"
        ones = "[..., 1:]" if target.kind == "class" else ""
        if not steps_of(output.type, target):
            return "", p + ones, y
        lengths = counting(self.net.inputs, target.shape[0])
        if lengths is not None:
            told = f"inputs[{self.net.inputs.index(lengths)}]"
            return f"np.arange({y}.shape[1]) < {told}[:, None]", f"{p}[counted]{ones}", f"{y}[counted]"
        columns = ", ".join(map(str, (-1, *tuning.shape)))
        return "", f"{p}{ones}.reshape({columns})", f"{y}.reshape({columns})"
