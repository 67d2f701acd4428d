"""Random small programs that are valid by construction, over all words and all their options; one seed gives one spec.

What a word takes and gives is asked of its record, so that a new word needs nothing here. Not written, and why:
`import`, `data` and an `npz` initializer name files beside the spec (test_import, test_data and test_initializers have
them); a spec for inference alone has no step to compare (test_build); and what is `not-yet` is refused.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from netc.dsl.derived_steps import derived
from netc.dsl.example_weights import KINDS as WEIGHING
from netc.dsl.kinds import KINDS, LAWS
from netc.dsl.train_sentence import NORMALISATIONS
from netc.dsl.types import PIXEL, SIMPLEX, Domain, Type
from netc.dsl.universal import OF_MOVING
from netc.dsl.words import WORDS
from random_bodies import body
from random_chains import Chains, Value
from random_formulas import DEFINED, definition
from random_steps import end, links, over_time, steps_of
from random_targets import Target, called, target_of
from random_words import EPOCHS, Definition, Own, Pen

INPUTS = [name for name, kind in KINDS.items() if "input" in kind.roles]
UPDATERS, SOLVERS = ([w for w in WORDS.values() if w.kind == kind] for kind in ("updater", "solver"))
# What brings numbers that may be large to the size of 1.
TAMED = ("standardize", "rescale")
NORMALISED = {"clip_norm": "0.5", "clip_value": "0.1", "renormalize": "true"}
assert set(NORMALISED) == set(NORMALISATIONS)


@dataclass(frozen=True)
class RandomSpec:
    """The text of a program, and how often it uses each word, option, sentence and function, by kind and name."""

    text: str
    used: Counter[tuple[str, str]]


@dataclass
class Writer:
    """A spec under construction."""

    pen: Pen
    chains: Chains
    definitions: list[Definition] = field(default_factory=lambda: [])
    declared: list[str] = field(default_factory=lambda: [])
    body: list[str] = field(default_factory=lambda: [])
    targets: list[Target] = field(default_factory=lambda: [])
    # Values over steps that nothing makes a list of, each of which a target of its own is compared with.
    steps: list[Value] = field(default_factory=lambda: [])
    # The names that losses and metrics compare, and the layers that end in each; outputs that are said.
    heads: list[str] = field(default_factory=lambda: [])
    ends: list[str] = field(default_factory=lambda: [])
    # Whether each target has a loss of its own.
    several: bool = False
    # Whether every input has steps, which windows cut, and of how many steps they are at least.
    stepped: bool = True
    fewest: int = 2

    def uses(self, kind: str, name: str) -> bool:
        """Whether something written so far uses a word."""
        bodies = (body.definition for body in self.chains.bodies)
        return any(used[kind, name] for used in (self.pen.used, *(d.used for d in (*self.definitions, *bodies))))

    # Fields -----------------------------------------------------------------------------------------------------------

    def over_time(self, name: str, steps: str, inner: str, keep: bool) -> None:
        """An input over steps, and the first sentences, which make a list of numbers of it or `keep` the steps.

        Within each of the steps there may be others.
        """
        text, chain, value = over_time(self.chains, name, steps, inner)
        self.declared.append(f"input {name}: {text}")
        self.stepped &= not inner or f"{steps}, {inner}" not in text
        self.need(value)
        if len(value.type.shape) > 2 and keep:
            self.steps.append(replace(value, name=f"{name}_s"))
            self.body.append(f"{name}_s = {chain}")
            return
        if len(value.type.shape) > 2:
            words, value = end(self.chains, value)
            chain = " -> ".join([chain, *words])
        self.body += self.chains.grown(chain, value, f"{name}_v", self.pen.chance.randint(0, 2))

    def need(self, value: Value) -> None:
        """Have windows cut so many steps as those over the steps of a value need."""
        found = map(derived, steps_of(value))
        self.fewest = max([self.fewest, *(steps.least() for steps in found if steps)])

    def given(self, name: str) -> None:
        """An input, and the first sentence that makes numbers of it."""
        kind = self.pen.chance.choice(INPUTS)
        self.pen.count("input", kind)
        shape = [self.pen.chance.randint(1, 4) for _ in range(self.pen.chance.choice((1, 1, 2, 3, 3)))]
        if kind == "simplex":
            shape[-1] += 1
        record, words = KINDS[kind], list[str]()
        value = Value(name, Type("f32", ("N", *shape), record.domain))
        text = f"{kind}{shape}"
        if record.named:
            classes = self.pen.chance.randint(2, 5)
            labels = ", ".join(f'"l{i}"' for i in range(classes))
            text = f"{kind}({self.pen.chance.choice([str(classes), labels])}){shape}"
            domain = Domain(0, classes - 1, False, False, whole=True)
            value = Value(name, Type("i64", ("N",) if shape == [1] else ("N", *shape), domain))
        elif record.domain in (PIXEL, KINDS["count"].domain) and self.pen.maybe(0.8):
            words.append(self.pen.chance.choice(TAMED))
            self.pen.count("layer", words[0])
        self.declared.append(f"input {name}: {text}")
        self.body += self.chains.grown(" -> ".join([name, *words]), value, f"{name}_v", self.pen.chance.randint(1, 4))

    def noise(self) -> None:
        law, size = self.pen.chance.choice(LAWS), self.pen.chance.randint(1, 3)
        self.pen.count("sentence", f"noise {law}")
        self.declared.append(f"noise z: {law}[{size}]")
        self.body += self.chains.grown("z", Value("z", Type("f32", ("N", size)), True), "z_v", 1)

    # Heads ------------------------------------------------------------------------------------------------------------

    def stepwise(self, index: int, target: Target, value: Value) -> None:
        """The chain that predicts a target at each step."""
        self.pen.count("sentence", "target over time")
        words, after = links(self.chains, value, self.pen.chance.randint(0, 1), keeping=True)
        self.ends.append(f"end{index}" if self.pen.maybe(0.5) else "")
        last = self.chains.dense(after, target.units, True, self.ends[-1])
        self.heads.append(f"p{index}")
        self.body.append(f"p{index} = {' -> '.join(filter(None, [value.name, *words, last, target.end]))}")

    def head(self, index: int, target: Target, last: bool) -> None:
        """The chain that predicts a target; the last one takes all that nothing has used yet."""
        chains, name = self.chains, f"p{index}"
        source = chains.unused.pop() if chains.unused else self.pen.chance.choice(list(chains.values))
        value = chains.values[source]
        words, value = chains.links(value, self.pen.chance.randint(0, 3 if value.type.dtype == "f32" else 1))
        source = " -> ".join([source, *words])
        while last and chains.unused:
            source, value = self.joined(source, value)
        flat, value = chains.flat(value)
        self.ends.append(f"end{index}" if self.pen.maybe(0.5) else "")
        links = [
            source,
            *flat,
            chains.dense(value, target.units, True, self.ends[-1]),
            *([target.end] if target.end else []),
        ]
        self.heads.append(name)
        self.body.append(f"{name} = {' -> '.join(links)}")
        chains.values[name] = Value(name, Type("f32", ("N", target.units), SIMPLEX), True)

    def joined(self, source: str, value: Value) -> tuple[str, Value]:
        """One of the values that nothing has used, beside a value."""
        other = self.chains.unused.pop()
        flat, more = self.chains.flat(self.chains.values[other])
        if flat:
            self.body.append(f"{other}_flat = {other} -> flatten")
            other = f"{other}_flat"
        flat, value = self.chains.flat(value)
        self.pen.count("layer", "concat")
        wide = value.shape[0] + more.shape[0]
        return " -> ".join([source, *flat, f"concat {other}"]), Value("", Type("f32", ("N", wide)), True)

    def outputs(self) -> list[str]:
        """The sentences of what the model gives; a single target's prediction needs none."""
        alone = len(self.heads) == 1 and not self.several and self.pen.maybe(0.7)
        if alone:
            self.body[-1] = self.body[-1].partition(" = ")[2]
            self.heads = ["y0"]
            return []
        self.pen.count("sentence", "output")
        return [f"output {head}" for head in self.heads]

    # Training ---------------------------------------------------------------------------------------------------------

    def losses(self, said: bool) -> tuple[list[str], bool]:
        """The sentences of the losses, and whether they all have an updater of their own."""
        pen = self.pen
        compared = [t.loss(f"p{i}", f"y{i}") if said else t.loss() for i, t in enumerate(self.targets)]
        if not self.several:
            terms = [f"{pen.number(0.1, 2).text} * {c}" if len(compared) > 1 or pen.maybe(0.2) else c for c in compared]
            return [f"loss {pen.chance.choice((' + ', ' + 0.5 * ')).join(terms)}"], False
        pen.count("sentence", "several losses")
        own = [pen.maybe(0.4) for _ in compared]
        lines = [f"loss loss{i} = {c}{self.own_updater(own[i])}" for i, c in enumerate(compared)]
        named = [end for end in self.ends if end]
        if named:
            # What a part of the net is trained by besides; all of it is trained by the others.
            pen.count("sentence", "trains")
            end = pen.chance.choice(named)
            own.append(pen.maybe(0.4))
            lines.append(f"loss more = {self.extra(self.ends.index(end))} trains {end}{self.own_updater(own[-1])}")
        return lines, all(own)

    def extra(self, index: int) -> str:
        """Another loss of a prediction, with a number in the target's place."""
        return f"0.3 * mse(p{index}, 0.4)"

    def own_updater(self, own: bool) -> str:
        if not own:
            return ""
        self.pen.count("sentence", "with")
        name, options = self.updater()
        return f" with {called(name, *options)}"

    def updater(self) -> tuple[str, list[str]]:
        """An updater that can do what the layers ask for."""
        pen, asked = self.pen, self.chains.asked & {"lr_scale", "weight_decay", "bias_weight_decay"}
        own: list[Own] = [o for o in pen.own if o.kind == "updater"]
        words = [*own * 9, *(w for w in UPDATERS if "lr" in w.options or not asked)]
        word = pen.chance.choice(words)
        options = pen.options(word)
        if asked and "weight_decay" in options and "(" in options["weight_decay"].text:
            del options["weight_decay"]  # a schedule, which a layer's own number cannot replace
        return word.name, pen.write(word, options)

    def training(self) -> list[str]:
        """The sentences of training."""
        pen = self.pen
        said = self.heads != ["y0"]
        losses, owned = self.losses(said)
        named = self.several
        solved = not named and not self.chains.asked & {*OF_MOVING} and pen.maybe(0.25)
        word = pen.chance.choice(SOLVERS)
        name, options = (word.name, pen.write(word, pen.options(word))) if solved else self.updater()
        lines = [*losses, *([] if owned else [" ".join(["updater", name, *options])])]
        measured = [m for i, t in enumerate(self.targets) for m in t.measured(*((f"p{i}", f"y{i}") if said else ()))]
        lines += [f"metric {' '.join(measured)}"] if measured else []
        # Beside a solver a plateau looks at rows that are held out.
        validation = pen.maybe(0.5) or (solved and self.uses("schedule", "plateau"))
        for head, target in zip(self.heads, self.targets, strict=True):
            # What is tuned is tuned for whole examples.
            way = target.threshold(pen.chance, validation and "," not in target.steps) if pen.maybe(0.5) else ""
            if way:
                pen.count("sentence", f"threshold {way.partition('(')[0] if '(' in way else 'number or costs'}")
                lines.append(f"threshold {head} {way}")
        lines.append("train " + " ".join(f"{k}={v}" for k, v in self.train(validation, named, solved).items()))
        if solved or pen.maybe(0.1):
            wanted = ["numpy", "inference", *([] if solved else ["step"])]
            pen.count("sentence", "targets")
            lines.append(f"targets {' '.join(pen.chance.sample(wanted, len(wanted)))}")
        return lines

    def train(self, validation: bool, named: bool, solved: bool) -> dict[str, str]:
        """The options of the sentence `train`."""
        pen, chance = self.pen, self.pen.chance
        found = {"epochs": str(chance.randint(1, EPOCHS - 1)), "seed": str(chance.randint(0, 99))}
        if not solved:
            # Of one value of each feature batchnorm leaves nothing, which is refused.
            found["batch"] = str(chance.randint(1 + self.uses("layer", "batchnorm"), 9))
            found |= self.normalised()
        if validation:
            found["validation"] = "25%"
            found |= {"early_stop": "2"} if not named and pen.maybe(0.5) else {}
        classes = [t for t in self.targets if t.type.startswith("class(") or t.type == "binary[1]"]
        if len(classes) == 1 and classes[0].word != "ctc" and pen.maybe(0.3):
            count = classes[0].units if "class" in classes[0].type else 2
            found["class_weight"] = str([round(chance.uniform(0.2, 4), 2) for _ in range(count)])
        if pen.maybe(0.15):
            self.declared.append(f"target weight: {chance.choice(WEIGHING)}")
            found["sample_weight"] = "weight"
        if self.stepped and pen.maybe(0.6):
            found["window"] = str(max(self.fewest, chance.randint(2, 6)))
        for name in found:
            pen.count("train", name)
        return found

    def normalised(self) -> dict[str, str]:
        if self.pen.maybe(0.6):
            return {}
        name = self.pen.chance.choice(list(NORMALISED))
        per = {} if name == "clip_value" or self.pen.maybe(0.3) else {"norm_per": self.pen.chance.choice(PER)}
        return {name: NORMALISED[name], **per}


PER = ("all", "layer", "weight")


def random_spec(seed: object) -> RandomSpec:
    """A valid program."""
    chance = random.Random(str(seed))
    pen = Pen(chance)
    writer = Writer(pen, Chains(pen), several=pen.maybe(0.25))
    pen.watched = not writer.several
    for kind in DEFINED:
        if pen.maybe(0.12):
            text, own = definition(pen, kind, f"own_{kind}")
            writer.definitions.append(text)
            pen.own.append(own)
    for kind in ("part", "block"):
        if pen.maybe(0.2):
            body(writer.chains, kind, (chance.randint(1, 5),))
    count, noisy = chance.choice((1, 1, 2)), pen.maybe(0.15)
    for index in range(count):
        stepped = pen.maybe(0.7 if any(own.kind == "cell" for own in pen.own) else 0.2)
        # Numbers a step and numbers an example are no one loss together.
        keep = (writer.several or (count == 1 and not noisy)) and pen.maybe(0.4)
        inner = "S" * (count == 1)
        writer.over_time(f"x{index}", "TS"[index], inner, keep) if stepped else writer.given(f"x{index}")
        writer.stepped &= stepped
    if noisy:
        writer.noise()
    writer.targets = [target_of(pen, ", ".join(steps_of(value))) for value in writer.steps]
    if writer.chains.values:
        writer.targets += [target_of(pen) for _ in range(chance.choice((1, 1, 1, 2)))]
    together = {"fmeasure", *(own.name for own in writer.definitions if "batch_" in own.text)}
    if any(target.steps and target.word in together for target in writer.targets):
        # Where some steps are padding, no loss takes all of them together.
        writer.declared = [line.replace(" lengths=true", "") for line in writer.declared]
    for index, target in enumerate(writer.targets):
        writer.declared.append(f"target y{index}: {target.type}")
        if index < len(writer.steps):
            writer.stepwise(index, target, writer.steps[index])
        else:
            writer.head(index, target, index == len(writer.targets) - 1)
    return written(writer)


def written(writer: Writer) -> RandomSpec:
    """The sentences in their order, without the definitions and constants that nothing came to use."""
    outputs, training = writer.outputs(), writer.training()
    sentences = [*writer.body, *outputs, *training]
    others = [*writer.definitions, *(body.definition for body in writer.chains.bodies)]
    kept: list[Definition] = []
    # What is kept may use what would else be left out.
    while found := [d for d in others if d not in kept and names(d.name, [*sentences, *(k.text for k in kept)])]:
        kept += found
    kept = [d for d in others if d in kept]
    sentences = [*writer.declared, *(d.text for d in kept), *sentences]
    lets = [f"let {let}" for let in writer.pen.lets if names(let.partition(" ")[0], sentences)]
    text = "\n".join(["net net", *lets, *sentences]) + "\n"
    return RandomSpec(text, sum((d.used for d in kept), writer.pen.used))


def names(name: str, sentences: list[str]) -> bool:
    """Whether sentences name something."""
    return any(re.search(rf"\b{name}\b", sentence) for sentence in sentences)


def spec_of(seed: object) -> str:
    """The text of a valid program."""
    return random_spec(seed).text
