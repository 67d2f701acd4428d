"""The proof in every build: the graphs executed and compared with the file, and the file's gradients with differences.

    prove(net, trainer_text, model, step, weights, trained, folded) -> Proof

`model` is the inference graph, `step` the step graph or None, each a ModelProto or its bytes; `weights` are what the
model holds, and `folded` says what became of them there where norms were folded into them. A Proof has `rows` (see
differences.Row), `slopes` (see slopes.Slope), `unproven`, `notes`, `ok`, `seconds` and `to_json()`;
show_proof.render(proof, width=80) gives its lines.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from ..codegen import fold_norms, to_numpy, to_onnx, to_step
from ..codegen.norm_folding import Folded
from ..dsl.net import Net
from ..runtime import Fault, trainer_of
from ..runtime.fields import Array
from . import sampling
from .differences import EXACT, UNLIKE, Difference, Row, Status, short
from .prove_predictions import predictions
from .prove_training import Training, reaching_gain, training
from .slopes import STEEP, Slope
from .smaller import smaller

# What is said of a large net.
SHORT = "a large net: compared in one step, and its gradients along one direction of all weights"
# What to do where values are not finite.
HELP = "give formulas what they have a finite value and slope for, as in 1 / max(x, 1e-3) and sqrt(x + 1e-6)"


@dataclass(frozen=True)
class Proof:
    """What was compared, how far it differs, and what could not be proven.

    A large net is compared at few points, and `smaller` is the full proof of a smaller net of the same text, if there
    is one; `of` says which net a proof is of where it is not the spec's own.
    """

    rows: tuple[Row, ...]
    slopes: tuple[Slope, ...]
    notes: tuple[str, ...]
    seconds: float
    gain: float = 1.0
    of: str = ""
    smaller: Proof | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing differs; what is not proven is told by `unproven`."""
        return not self.differing

    @property
    def unproven(self) -> list[tuple[str, str]]:
        """Each value that says nothing, and why, in the smaller net neither."""
        known = {name for name, _ in self.smaller.with_status("ok")} if self.smaller else set[str]()
        return [(name, reason) for name, reason in self.with_status("not proven") if name not in known]

    @property
    def endless(self) -> list[tuple[str, str]]:
        """Each value that is inf or nan for examples that the types allow, though the artifacts agree on it."""
        less = self.smaller
        more = [(f"{name}, with {less.of}", reason) for name, reason in less.endless] if less else []
        return [*self.with_status("not finite"), *more]

    @property
    def differing(self) -> list[tuple[str, str]]:
        """Each value that is wrong, and what about it."""
        less = self.smaller
        wrong = [(f"{name}, with {less.of}", reason) for name, reason in less.differing] if less else []
        return [*self.with_status("differs"), *wrong]

    def with_status(self, status: Status) -> list[tuple[str, str]]:
        """The values of a status, and what there is to say of each."""
        rows = [(f"{row.name}, {row.what}", row.reason) for row in self.rows if row.status == status]
        return rows + [(f"{s.name}, gradient", s.reason) for s in self.slopes if s.status == status]

    @property
    def proven(self) -> int:
        """How many values are proven, gradients among them."""
        return sum(each.ok for each in (*self.rows, *self.slopes))

    @property
    def largest(self) -> Difference:
        """The comparison that is nearest to its limit."""
        nearest = max(self.rows, key=lambda row: row.difference.ratio, default=None)
        return nearest.difference if nearest else EXACT

    @property
    def summary(self) -> str:
        """The proof in a line."""
        if not self.ok:
            count = len(self.rows) + len(self.slopes)
            return f"NOT proved: {len(self.differing)} of {count} values differ"
        nearest = self.largest
        largest = f"largest difference {nearest.error:.1e} (limit {short(nearest.limit)})"
        found = f"proved: {self.proven} values, {largest}, {len(self.unproven)} not proven"
        return f"{found}, and {len(self.endless)} NOT FINITE" if self.endless else found

    def refusal(self) -> Exception:
        """What to raise where something differs: the spec is at fault if all of it is not finite, else netc."""
        wrong = [f"{name}: {reason}" for name, reason in self.differing]
        if all(reason in (UNLIKE, STEEP) for _, reason in self.differing):
            # The gradient is the cause of what a step makes of it.
            return Fault("not-finite", next((each for each in wrong if each.endswith(STEEP)), wrong[0]), None, HELP)
        return RuntimeError(f"the artifacts differ from each other; nothing was written: {'; '.join(wrong[:3])}")

    def to_json(self) -> dict[str, Any]:
        """The proof as an object for programs; what is not a number is told as text."""
        return {
            "ok": self.ok,
            "summary": self.summary,
            "proven": self.proven,
            "values": [_plain(row) for row in self.rows],
            "gradients": [_plain(slope) for slope in self.slopes],
            "not_finite": [{"name": name, "reason": reason} for name, reason in self.endless],
            "unproven": [{"name": name, "reason": reason} for name, reason in self.unproven],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
            **({"of": self.of} if self.of else {}),
            **({"smaller": self.smaller.to_json()} if self.smaller else {}),
        }


def prove(
    net: Net,
    trainer_text: str,
    model: Any,
    step: Any,
    weights: Mapping[str, Array],
    trained: bool,
    folded: Folded | None = None,
) -> Proof:
    """Execute the artifacts and compare them."""
    began = time.perf_counter()
    with np.errstate(all="ignore"):
        less = _smaller(net, model, step is not None, folded is not None) if sampling.large(net) else None
        trainer = trainer_of(trainer_text, f"{net.name}.py")
        first = trainer.init(int(net.train["seed"] or 0))
        trains = step is not None or net.solver is not None
        gain = less.gain if less else reaching_gain(net, trainer, first) if trains else 1.0
        rows = predictions(net, trainer, model, first, dict(weights), trained, gain, folded)
        notes = [*(folded.notes if folded else ()), *_notes(net, gain)]
        found = training(net, trainer, step, first, gain) if trains else Training([], [], [])
    rows, notes, seconds = (*rows, *found.rows), (*notes, *found.notes), time.perf_counter() - began
    return Proof(rows, tuple(found.slopes), notes, seconds, gain, smaller=less)


def _smaller(net: Net, model: Any, steps: bool, folded: bool) -> Proof | None:
    """The proof of a smaller net that is compiled as this one was."""
    made = smaller(net)
    if made is None:
        return None
    text, opset = to_numpy(made), next(each.version for each in model.opset_import if not each.domain)
    weights = trainer_of(text, f"{made.name}.py").init(int(made.train["seed"] or 0))
    found = fold_norms(made) if folded else None
    step = to_step(made, opset) if steps else None
    proof = prove(made, text, to_onnx(made, weights, opset, folded=found), step, weights, False, found)
    return replace(proof, of=" ".join(f"{name}={value}" for name, value in made.defines.items()))


def _notes(net: Net, gain: float) -> list[str]:
    notes = [SHORT] if sampling.large(net) else []
    count, batch = sampling.rows(net), int(net.train["batch"] or 0)
    if count < batch:
        notes.append(f"proven on {count} of a batch's {batch} examples")
    if gain != 1.0:
        notes.append(f"proven with the first weights times {gain:g}, so that signals reach every weight")
    return notes


def _plain(record: Row | Slope) -> dict[str, Any]:
    return {name: _finite(value) for name, value in asdict(record).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in cast("dict[str, Any]", value).items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
