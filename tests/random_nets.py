"""Random small nets that are valid by construction, over all words and all their options; one seed gives one spec."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from netc.dsl import vocabulary
from netc.dsl.types import SIMPLEX, UNIT
from netc.dsl.words import WORDS, Option, Word

assert vocabulary.__all__

Shape = tuple[int, ...]
UPDATERS, SCHEDULES, INITS = ([w for w in WORDS.values() if w.kind == kind] for kind in ("updater", "schedule", "init"))
ACTIVATIONS = [w for w in WORDS.values() if w.kind == "activation"]
LOSSES, METRICS = ([w for w in WORDS.values() if w.kind == kind] for kind in ("loss", "metric"))
KINDS = ("f32", "unit", "positive", "binary")


@dataclass
class Writer:
    """A spec under construction; `values` are the named values and their shapes, not all of which are used yet."""

    chance: random.Random
    lines: list[str] = field(default_factory=lambda: [])
    lets: list[str] = field(default_factory=lambda: [])
    values: dict[str, Shape] = field(default_factory=lambda: {})
    unused: list[str] = field(default_factory=lambda: [])
    names: int = 0
    weighted: bool = False

    # Numbers and options ----------------------------------------------------------------------------------------------

    def number(self, low: float, high: float) -> str:
        """A number between two bounds, in one of the ways in which it can be written."""
        value = round(self.chance.uniform(low, high), 3)
        value = value if low < value < high else (low + high) / 2
        forms = [f"{value:g}", f"{100 * value:g}%", f"{value:e}"]
        if value > 0:
            forms.append(f"({value / 2:g} + {value / 2:g})")
        return self.named(self.chance.choice(forms))

    def named(self, text: str) -> str:
        """Sometimes the constant goes by a name."""
        if self.chance.random() < 0.9:
            return text
        self.lets.append(f"let c{len(self.lets)} = {text}")
        return f"c{len(self.lets) - 1}"

    def size(self, most: int = 6) -> int:
        return self.chance.randint(1, most)

    def option(self, option: Option, word: Word) -> str:
        """A value that the option takes."""
        kind = option.kind
        low, high = max(kind.low, -2.0), min(kind.high, 2.0)
        match kind.form:
            case "whole":
                return self.named(str(self.chance.randint(max(1, int(kind.low)), 6)))
            case "real":
                return self.number(low, high)
            case "setting":
                return self.number(low, 1.0) if kind.high == 1 or kind.low_open else self.number(0.1, 1.0)
            case "flag":
                return self.chance.choice(["true", "false"])
            case "rate":
                return self.number(0.001, 0.1) if self.chance.random() < 0.6 else self.schedule()
            case "init":
                return self.initializer(bias=option.name.startswith("bias"))
            case form:
                raise AssertionError(f"{word.name}: how is a {form} written?")

    def options(self, word: Word, share: float = 0.4) -> list[str]:
        """Some of a word's options, by name."""
        found = {
            o.name: self.option(o, word) for o in word.options.values() if o.required or self.chance.random() < share
        }
        return [f"{name}={value}" for name, value in found.items()]

    def schedule(self) -> str:
        word = self.chance.choice(SCHEDULES)
        if word.name == "cosine":
            return f"cosine({self.number(0.001, 0.1)}, epochs={self.number(3, 9)}, warmup={self.number(0.5, 2.5)})"
        per = ["per=step"] if self.chance.random() < 0.4 else []
        return f"{word.name}({', '.join([*self.options(word), *per])})"

    def initializer(self, bias: bool) -> str:
        word = self.chance.choice([w for w in INITS if w.name != "orthogonal" or not bias])
        if word.name == "uniform":
            return self.chance.choice(["uniform", f"uniform({self.number(-1, -0.1)}, {self.number(0.1, 1)})"])
        given = self.options(word)
        return f"{word.name}({', '.join(given)})" if given else self.chance.choice([word.name, self.number(-0.5, 0.5)])

    # Chains -----------------------------------------------------------------------------------------------------------

    def fresh(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"

    def universal(self, last: bool) -> list[str]:
        """Options that every layer with weights takes."""
        given = [f"{o}={self.number(0.001, 0.1)}" for o in ("l1", "l2") if self.chance.random() < 0.1]
        # The head trains, so that there is something to train.
        given += ["frozen=true"] * (self.chance.random() < 0.05 and not last)
        return given + [f"name={self.fresh('layer')}"] * (self.chance.random() < 0.15)

    def dense(self, units: int, last: bool = False) -> str:
        self.weighted = True
        extra = [o for o in self.options(WORDS["layer", "dense"]) if not o.startswith("units")]
        if "bias=false" in extra:
            extra = [o for o in extra if not o.startswith("bias_init")]
        return " ".join(["dense", self.named(str(units)), *extra, *self.universal(last)])

    def activation(self, shape: Shape) -> str:
        word = self.chance.choice([w for w in ACTIVATIONS if w.name != "softmax"])
        return " ".join([word.name, *self.options(word)])

    def link(self, shape: Shape) -> tuple[list[str], Shape]:
        """Words that can stand after a value of a shape, and the shape that they give."""
        roll, size = self.chance.random(), 1
        for dim in shape:
            size *= dim
        if roll < 0.1:
            return [f"dropout {self.number(0.05, 0.6)}"], shape
        if roll < 0.15 and not self.weighted:
            return ["standardize"], shape
        if roll < 0.25:
            parts = [d for d in range(1, size + 1) if size % d == 0]
            first = self.chance.choice(parts)
            made = self.chance.choice([(first, size // first), (size,), (1, first, size // first)])
            return [f"reshape {list(made)}"], made
        if roll < 0.4:
            return [self.activation(shape)], shape
        if roll < 0.55:
            same = [v for v, s in self.values.items() if s == shape]
            like = [v for v, s in self.values.items() if s[:-1] == shape[:-1]]
            word, known = self.chance.choice([("add", same), ("concat", like)])
            if known:
                others = self.chance.choices(known, k=self.chance.choice((1, 1, 2)))
                self.unused = [v for v in self.unused if v not in others]
                wide = shape[-1] + sum(self.values[v][-1] for v in others)
                return [" ".join([word, *others])], shape if word == "add" else (*shape[:-1], min(wide, wide))
        units = self.size(8)
        flat = [] if len(shape) == 1 else ["flatten"]
        return [*flat, self.dense(units), *([self.activation((units,))] if self.chance.random() < 0.7 else [])], (
            units,
        )

    def links(self, shape: Shape, count: int) -> tuple[list[str], Shape]:
        found: list[str] = []
        for _ in range(count):
            more, shape = self.link(shape)
            found += more
        return found, shape

    def head(self, source: str, shape: Shape, units: int, end: str) -> str:
        flat = ["flatten"] if len(shape) > 1 else []
        return " -> ".join([source, *flat, self.dense(units, last=True), *([end] if end else [])])


@dataclass(frozen=True)
class Target:
    """A target with the head that predicts it, its loss and its metrics."""

    type: str
    units: int
    end: str
    loss: str
    metrics: tuple[str, ...]


def target_of(chance: random.Random) -> Target:
    """A target, and a loss that takes it."""
    word = chance.choice(LOSSES)
    kind = chance.choice(word.targets)
    units = chance.randint(2, 4) if word.prediction == SIMPLEX else chance.randint(1, 3)
    end = {SIMPLEX: "softmax", UNIT: "sigmoid"}.get(word.prediction)
    if end is None:
        end = chance.choice(["", "", "tanh", "sigmoid"])
    labels = ", ".join(f'"l{i}"' for i in range(units))
    type = {"class": chance.choice([f"class({units})", f"class({labels})"])}.get(kind, f"{kind}[{units}]")
    within = {"softmax": UNIT, "sigmoid": UNIT}.get(end)
    fitting = [m.name for m in METRICS if kind in m.targets and (m.prediction != UNIT or within == UNIT)]
    if kind == "class":
        fitting = [m.name for m in METRICS if "class" in m.targets]
    return Target(type, units, end, word.name, tuple(chance.sample(fitting, chance.randint(0, len(fitting)))))


def spec_of(seed: int) -> str:
    """The text of a valid spec."""
    chance = random.Random(seed)
    writer = Writer(chance)
    inputs = {
        f"x{i}": tuple(writer.size(4) for _ in range(chance.choice((1, 1, 1, 2, 3))))
        for i in range(chance.choice((1, 1, 2)))
    }
    targets = [target_of(chance) for _ in range(chance.choice((1, 1, 1, 2)))]
    declared = [f"input {x}: {chance.choice(KINDS)}{list(shape)}" for x, shape in inputs.items()]
    declared += [f"target y{i}: {target.type}" for i, target in enumerate(targets)]
    body = list(inputs)
    chains: list[str] = []
    for x in body:
        words, shape = writer.links(inputs[x], chance.randint(1, 4))
        chains.append(f"{x}_v = {' -> '.join([x, *words])}")
        writer.values[f"{x}_v"] = shape
        writer.unused.append(f"{x}_v")
    heads: list[str] = []
    for i, target in enumerate(targets):
        source = writer.unused.pop() if writer.unused else chance.choice(list(writer.values))
        words, shape = writer.links(writer.values[source], chance.randint(0, 3))
        source = " -> ".join([source, *words])
        if i == len(targets) - 1:
            for extra in [v for v in writer.unused if v != source.split()[0]]:
                chains.append(f"{extra}_flat = {extra} -> flatten")
                source, shape = f"{source} -> flatten -> concat {extra}_flat", (1,)
            writer.unused.clear()
        head = writer.head(source, shape, target.units, target.end)
        heads.append(head if len(targets) == 1 else f"output p{i} = {head}")
    return "\n".join([f"net net{seed}", *writer.lets, *declared, *chains, *heads, *trained(writer, targets)]) + "\n"


def trained(writer: Writer, targets: list[Target]) -> list[str]:
    """How the net is trained: loss, updater, metrics and train."""
    chance = writer.chance
    lets = len(writer.lets)
    if len(targets) == 1:
        weight = f"{writer.number(0.1, 2)} * " if chance.random() < 0.2 else ""
        loss, metrics = f"{weight}{targets[0].loss}", list(targets[0].metrics)
    else:
        terms = [f"{writer.number(0.1, 2)} * {t.loss}(p{i}, y{i})" for i, t in enumerate(targets)]
        loss = " + ".join(terms)
        metrics = [f"{m}(p{i}, y{i})" for i, t in enumerate(targets) for m in t.metrics]
    updater = chance.choice(UPDATERS)
    lines = [f"loss {loss}", " ".join(["updater", updater.name, *writer.options(updater)])]
    lines += [f"metric {' '.join(metrics)}"] if metrics else []
    validation = chance.random() < 0.5
    given = {
        "epochs": chance.randint(1, 5),
        "batch": chance.randint(1, 9),
        "seed": chance.randint(0, 99),
        "validation": "25%" if validation else None,
        "early_stop": chance.choice((None, 2)) if validation else None,
        "clip_norm": chance.choice((None, None, 0.5)),
    }
    lines.append("train " + " ".join(f"{k}={v}" for k, v in given.items() if v is not None))
    return [*writer.lets[lets:], *lines]
