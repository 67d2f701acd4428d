"""How much each example counts in the losses: by its class, and by a target that holds its weight."""

from __future__ import annotations

from .compare import Comparison
from .declared import a_kind
from .diagnostics import did_you_mean
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
        counts = comparison.over_time.counts(losses)
        if counts is not None:
            found.append(counts)
        if self.classed is not None:
            of_classes = self._of_classes(comparison, losses, self.classed)
            found += [] if of_classes is None else [of_classes]
        if self.sample is not None:
            each = total(comparison.target(self.sample), axes=(1,), keepdims=False)
            found.append(comparison.over_time.spread(each, losses))
        if not found:
            return None
        product = found[0]
        for factor in found[1:]:
            product = product * factor
        return product.named("counts")

    def _of_classes(self, comparison: Comparison, losses: Tensor, classed: Field) -> Tensor | None:
        """What the class of an example says of its rows, and that of a step of it; of other rows this says nothing."""
        y = comparison.target(classed)
        table = vector(losses, values=self.spec.train["class_weight"], name="CLASS_WEIGHT")
        if classed.kind == "class" and classed.shape:
            ids = comparison.over_time.labels(y, losses)
            return None if ids is None else lookup(table, ids)
        ids = y if y.type.dtype == "i64" else cast(total(y, axes=(1,), keepdims=False), dtype="i64")
        return comparison.over_time.spread(lookup(table, ids), losses)

    def _sample(self) -> Field | None:
        """The target that `sample_weight` names."""
        name = self.spec.train["sample_weight"]
        if name is None:
            return None
        field = self.spec.fields.get(name)
        if field is None or field.role != "target":
            return self._no_target(name, field)
        if name in self.spec.faulty:
            return None
        if not self.spec.targets:
            message = f"{name} is the only target, and as the weight of the examples it is nothing to predict"
            return self._fault(name, message, "declare another for the weights: target w: positive")
        if field.kind not in KINDS or field.shape != (1,):
            message = f"a weight is one number an example that is not negative, but {name} is {field.text}"
            return self._fault(name, message, f"declare it: target {name}: positive, or unit, or count")
        return field

    def _fault(self, name: str, message: str, help: str) -> None:
        """Report a target that cannot be the weight; what is compared with it is not to blame."""
        self.report.error("bad-option", message, self.spec.train_places.get("sample_weight"), help)
        self.spec.faulty.add(name)

    def _no_target(self, name: str, field: Field | None) -> None:
        """Report a name that is no target's."""
        targets = [target.name for target in self.spec.of("target")]
        help = did_you_mean(name, targets) or f"declare it: target {name}: positive"
        found = f"nothing is named {name}"
        if field is not None:
            found = f"{name} is {a_kind(field.role)}"
            help = f"declare it as a target in place of the {field.role}: target {name}: positive"
        elif name in self.spec.places:
            found, help = f"{name} is a name of the net", "declare a target for the weights: target w: positive"
        message = f"sample_weight names a target, and {found}"
        self.report.error("unknown-name", message, self.spec.train_places.get("sample_weight"), help)

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
