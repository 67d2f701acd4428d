"""Random targets of random nets: each with the head that predicts it, its loss, its metrics and its threshold."""

from __future__ import annotations

import random
from dataclasses import dataclass

from netc.dsl import vocabulary
from netc.dsl.advice import activation_for
from netc.dsl.kinds import NUMBERS
from netc.dsl.types import POSITIVE, REAL, SIGNED_UNIT, SIMPLEX, UNIT
from netc.dsl.words import WORDS, Word
from random_words import Own, Pen, Written

assert vocabulary.__all__

LOSSES, METRICS = ([w for w in WORDS.values() if w.kind == kind] for kind in ("loss", "metric"))
TUNING = [w.name for w in METRICS if w.score]
# What ends a chain, and the values that it gives.
ENDS = {"softmax": SIMPLEX, "sigmoid": UNIT, "tanh": SIGNED_UNIT, "softplus": POSITIVE, "": REAL}


@dataclass(frozen=True)
class Measured:
    """A metric with its options."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A target with the head that predicts it, its loss and its metrics."""

    type: str
    units: int
    end: str
    word: str
    options: tuple[str, ...]
    metrics: tuple[Measured, ...]
    # The name of the steps at each of which it is predicted, if any.
    steps: str = ""

    def loss(self, *compared: str) -> str:
        """The loss as a spec writes it, with what it compares where that is said."""
        return called(self.word, *compared, *self.options)

    def measured(self, *compared: str) -> list[str]:
        """The metrics as a spec writes them."""
        return [called(m.name, *compared, *m.options) for m in self.metrics]

    def threshold(self, chance: random.Random, validation: bool) -> str:
        """What may decide of its prediction, in one of the ways that fit; nothing where there is nothing to decide."""
        kind = self.type.split("(")[0].split("[")[0]
        if (kind, self.end) not in (("binary", "sigmoid"), ("class", "softmax")):
            return ""
        if kind == "class" and self.units > 2:
            rows = [[0 if i == j else chance.randint(1, 9) for j in range(self.units)] for i in range(self.units)]
            return str(rows)
        ways = [f"{chance.uniform(0.1, 0.9):.3f}", f"cost(fp={chance.randint(1, 5)}, fn=2)", "[[0, 3], [2, -1]]"]
        return chance.choice([*ways, *([f"best({chance.choice(TUNING)})"] * 3 if validation else [])])


def called(word: str, *arguments: str) -> str:
    """A word with what stands in its parentheses, if anything."""
    return f"{word}({', '.join(arguments)})" if arguments else word


def target_of(pen: Pen, steps: str = "") -> Target:
    """A target, and a loss that takes it; at each of some steps, or for whole examples."""
    chance = pen.chance
    own = [o for o in pen.own if o.kind == "loss"]
    # What looks at the features of an example takes no steps, and labels in a row are aligned with steps alone.
    fitting = [w for w in LOSSES if not (w.features and steps) and not (w.aligns and (not steps or "," in steps))]
    fitting = [w for w in fitting for _ in range(1 + 4 * w.aligns)]
    if steps and "," not in steps and not steps.isidentifier():
        # No target has such steps as windows leave.
        own, fitting = [], [w for w in LOSSES if w.aligns]
    word = chance.choice(own if own and pen.maybe(0.7) else fitting)
    # A loss of the spec's own takes whatever a target may be.
    kind = chance.choice(word.targets if isinstance(word, Word) else list(NUMBERS))
    needs = word.needs(kind) if isinstance(word, Word) else REAL
    several = needs.simplex is not None or kind in ("simplex", "class") or word.name == "cosine_proximity"
    units = chance.randint(2, 4) if several else chance.randint(1, 3)
    end = activation_for(needs) or chance.choice(["", "", "tanh", "sigmoid"])
    labels = ", ".join(f'"l{i}"' for i in range(units))
    of_classes = chance.choice([f"class({units})", f"class({labels})"])
    type = of_classes if kind == "class" else f"{kind}[{units}]"
    if isinstance(word, Word) and word.aligns:
        type = f"{of_classes}[{chance.choice(('2', 'L'))}]"
    elif steps:
        type = f"{of_classes}[{steps}]" if kind == "class" else f"{kind}[{steps}, {units}]"
    given = judging(pen, word, units, 0.3)
    options = tuple(pen.write(word, given, named=True))
    pen.count("target", kind)
    if isinstance(word, Word) and word.predicts:
        # A prediction of another shape than the target's goes with no metric, and gets no activation.
        wide = word.predicts(("N", units), **{name: w.value for name, w in given.items()})[1]
        return Target(type, wide, "", word.name, options, (), steps)
    if end:
        pen.count("activation", end)
    # Labels in a row have no step of their own, at which a metric would compare.
    alone = isinstance(word, Word) and word.aligns
    metrics = () if alone else tuple(metrics_of(pen, kind, end, units))
    return Target(type, units, end, word.name, options, metrics, steps)


def metrics_of(pen: Pen, kind: str, end: str, units: int) -> list[Measured]:
    """Some of the metrics that fit a target and its head."""
    fitting = [m for m in METRICS if kind in m.targets and ENDS[end].within(m.needs(kind))]
    words: list[Word | Own] = [*pen.chance.sample(fitting, pen.chance.randint(0, len(fitting)))]
    words += [o for o in pen.own if o.kind == "metric"]
    return [Measured(w.name, tuple(pen.write(w, judging(pen, w, units, 0.5), named=True))) for w in words]


def judging(pen: Pen, word: Word | Own, units: int, share: float) -> dict[str, Written]:
    """Options of a loss or a metric: lists have a number for each unit, and what is counted is counted among these."""
    found: dict[str, Written] = {}
    # What is counted has a default that is too much for a few units.
    for option in [o for o in word.options.values() if o.required or o.kind.form == "whole" or pen.maybe(share)]:
        low, high = max(option.kind.low, 0.1), min(option.kind.high, 3.0)
        match option.kind.form:
            case "numbers":
                value = [round(pen.chance.uniform(low, high), 3) for _ in range(units)]
                found[option.name] = Written(str(value), tuple(value))
            case "whole":
                found[option.name] = pen.whole(1, max(units - 1, 1))
            case _:
                found[option.name] = pen.number(low, high * 0.9)
    return found
