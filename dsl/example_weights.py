"""How much each example counts in the losses: by its class, and by a target that holds its weight."""

from __future__ import annotations

from .compare import Comparison
from .ir import Tensor
from .net import Field
from .ops import cast, lookup, total, vector
from .resolve import Spec

# What a weight may be: never negative, since weights are divided by their sum.
KINDS = ("positive", "unit", "count")


class ExampleWeights:
    """The weights that `class_weight=` and `sample_weight=` of train ask for."""

    def __init__(self, spec: Spec):
        self.spec, self.report = spec, spec.scope.report
        self.sample = self._sample()
        self.classed = self._classed()

    def of(self, comparison: Comparison, losses: Tensor) -> Tensor | None:
        """One number an example, (N,), or None where all count the same; `losses` are what it is for."""
        found: list[Tensor] = []
        if self.classed is not None:
            y = comparison.target(self.classed)
            ids = y if y.type.dtype == "i64" else cast(total(y, axes=(1,), keepdims=False), dtype="i64")
            table = vector(losses, values=self.spec.train["class_weight"], name="CLASS_WEIGHT")
            found.append(lookup(table, ids))
        if self.sample is not None:
            found.append(total(comparison.target(self.sample), axes=(1,), keepdims=False))
        if not found:
            return None
        return (found[0] if len(found) == 1 else found[0] * found[1]).named("counts")

    def _sample(self) -> Field | None:
        """The target that `sample_weight` names."""
        name, place = self.spec.train["sample_weight"], self.spec.train_places.get("sample_weight")
        if name is None:
            return None
        field = self.spec.fields.get(name)
        if field is None or field.role != "target":
            help = f"declare it: target {name}: positive"
            self.report.error("unknown-name", f"sample_weight names a target, and {name} is none", place, help)
            return None
        if name in self.spec.faulty:
            return None
        if field.kind not in KINDS or field.shape != (1,):
            message = f"a weight is one number an example that is not negative, but {name} is {field.text}"
            self.report.error("bad-option", message, place, f"declare it: target {name}: positive, or unit, or count")
            return None
        return field

    def _classed(self) -> Field | None:
        """The only target that has classes."""
        weights, place = self.spec.train["class_weight"], self.spec.train_places.get("class_weight")
        if weights is None:
            return None
        fields = [f for f in self.spec.of("target") if f.kind == "class" or (f.kind, f.shape) == ("binary", (1,))]
        if len(fields) != 1:
            found = f"there are {len(fields)} such targets" if fields else "there is no such target"
            message = f"class_weight is for the only target of type class or binary, and {found}"
            help = "give each example its weight: sample_weight=NAME"
            self.report.error("ambiguous-target", message, place, help)
            return None
        (field,) = fields
        if field.name in self.spec.faulty:
            return None
        if len(weights) != (field.classes or 2):
            message = f"{field.name} has {field.classes or 2} classes, and class_weight lists {len(weights)} numbers"
            self.report.error("bad-option", message, place, "list one for each class, in their order")
            return None
        return field
