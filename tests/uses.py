"""Every use of every word that is tested, its example and each option away from its default, and nets around them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from harness import Array, extras, session, small
from netc.codegen import to_step
from netc.dsl import Net, vocabulary
from netc.dsl.types import SIMPLEX, UNIT
from netc.dsl.words import WORDS, Word

assert vocabulary.__all__

# What an option is set to so that it differs from its default, and visibly so; a new option needs a line here. A line
# for one word alone has the word's name before its own: "elu.alpha".
ALTERNATIVES: dict[str, Any] = {
    "alpha": 2.0,
    "beta1": 0.5,
    "beta2": 0.6,
    "bias": False,
    "bias_init": "ones",
    "decay": 0.6,
    "deviation": 0.2,
    "epochs": 7.0,
    "eps": 0.1,
    "every": 2.0,
    "factor": 0.7,
    "gain": 2.0,
    "high": 0.7,
    "init": "he",
    "low": -0.2,
    "lr": 0.05,
    "mean": 0.5,
    "momentum": 0.5,
    "rate": 0.3,
    "shape": (3, 2),
    "slope": 0.3,
    "units": 3,
    "value": -0.7,
    "warmup": 3.0,
    "weight_decay": 0.3,
}
# Options that a word takes only together.
TOGETHER = {"low": ("low", "high"), "high": ("low", "high")}
HEADS = {SIMPLEX: "dense 3 -> softmax", UNIT: "dense 3 -> sigmoid"}
TARGETS = {"class": "class(3)", "binary": "binary[3]", "unit": "unit[3]", "positive": "positive[3]", "f32": "f32[3]"}


@dataclass(frozen=True)
class Use:
    """A word with options, as a spec writes it and as a reference takes it."""

    word: Word
    text: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.word.kind} {self.text}"


def write(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def read(text: str) -> Any:
    if text.startswith("["):
        return tuple(int(v) for v in text[1:-1].split(","))
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"\d+", text):
        return int(text)
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def example(word: Word) -> Use:
    """The word's own example."""
    rest = word.example.removeprefix(word.name).strip().removeprefix("(").removesuffix(")")
    free = iter(word.options)
    options: dict[str, Any] = {}
    for token in re.findall(r"\w*=?\[[^\]]*\]|[^\s,]+", rest):
        key, equals, value = token.rpartition("=")
        if word.operands and not equals:
            continue
        options[key or next(free)] = read(value)
    return Use(word, word.example, options)


def other_value(word: Word, option: str) -> Any:
    """What an option is set to in the tests of a word."""
    return ALTERNATIVES.get(f"{word.name}.{option}", ALTERNATIVES.get(option))


def alternative(word: Word, name: str) -> Use:
    """A use of the word with one option (and those that belong to it) away from its default."""
    given = {k: v for k, v in example(word).options.items() if word.options[k].required}
    given |= {k: other_value(word, k) for k in TOGETHER.get(name, (name,))}
    if word.options[name].default is not None and not hasattr(word.options[name].default, "make"):
        assert given[name] != word.options[name].default, f"{word.name} {name} is its default"
    parts = [f"{k}={write(v)}" for k, v in given.items()]
    call = word.kind in ("schedule", "init", "loss", "metric")
    operands = word.operands[:1] if word.kind == "layer" else ()
    text = f"{word.name}({', '.join(parts)})" if call else " ".join([word.name, *operands, *parts])
    return Use(word, text, given)


def uses(*kinds: str) -> list[Use]:
    """All uses of the words of some kinds."""
    found: list[Use] = []
    for word in [w for w in WORDS.values() if w.kind in kinds]:
        found += [example(word), *(alternative(word, name) for name in word.options)]
    return found


# Nets -----------------------------------------------------------------------------------------------------------------

# What must stand before a word for it to have something to do.
BEFORE = {"flatten": "reshape [2, 3] -> "}


def layer_net(use: Use) -> Net:
    """A net that predicts the layer's value from x, and trains a dense layer behind it."""
    other = "other = x -> dense 6 name=other -> tanh\n" if use.word.operands else ""
    start = BEFORE.get(use.word.name, "")
    return small(f"{other}value = x -> {start}{use.text}\noutput value\nvalue -> flatten -> dense 2 name=last")


def activation_net(use: Use) -> Net:
    """A net that predicts the activation of x @ W1 + b1."""
    return small(f"value = dense 4 -> {use.text}\noutput value\nvalue -> dense 2")


def judged_net(use: Use, target: str) -> Net:
    """A net with a loss, or with a metric beside a fitting loss, on a target of a kind."""
    head = HEADS.get(use.word.prediction, "dense 3")
    loss, more = use.text, ""
    if use.word.kind == "metric":
        more = f"metric {use.text}"
        head = {"class": HEADS[SIMPLEX], "binary": HEADS[UNIT]}.get(target, "dense 3")
        loss = {"class": "mcxent", "binary": "xent"}.get(target, "mse")
    return small(f"dense 4 -> tanh -> {head}", target=TARGETS[target], loss=loss, more=more)


def updater_net(use: Use) -> Net:
    """A net of two layers and an updater."""
    return small("dense 4 -> tanh\ndense 2", updater=use.text)


def nets_around(use: Use) -> list[Net]:
    """The nets that show what a use computes."""
    match use.word.kind:
        case "layer":
            return [layer_net(use)]
        case "activation":
            return [activation_net(use)]
        case "loss" | "metric":
            return [judged_net(use, target) for target in use.word.targets]
        case "updater":
            return [updater_net(use)]
        case "schedule":
            return [small("dense 4 -> tanh\ndense 2", updater=f"sgd lr={use.text}")]
        case "init":
            bias = f" bias_init={use.text}" if use.word.name != "orthogonal" else ""
            return [small(f"dense 4 init={use.text}{bias} -> tanh\ndense 2")]
        case kind:
            raise AssertionError(f"a {kind} needs a net of its own here")


# Training steps -------------------------------------------------------------------------------------------------------


class StepGraph:
    """The step graph of a net in ONNX Runtime, with its weights and moments between steps."""

    def __init__(self, net: Net, p: dict[str, Array], moments: dict[str, Array]):
        self.net = net
        self.runner: ort.InferenceSession = session(to_step(net))
        self.p, self.moments = dict(p), dict(moments)

    def step(self, batch: list[Array], number: int, epoch: float, draws: dict[str, Array] | None) -> float:
        fields = [f.name for f in (*self.net.inputs, *self.net.targets)]
        clock = {"step": np.array(number), "epoch": np.array(epoch)}
        feed = {**dict(zip(fields, batch, strict=True)), **self.p, **self.moments, **clock, **(draws or {})}
        wanted = {i.name for i in self.runner.get_inputs()}
        assert wanted <= set(feed)
        outputs = self.runner.run(None, {k: v for k, v in feed.items() if k in wanted})
        found = dict(zip([o.name for o in self.runner.get_outputs()], outputs, strict=True))
        for state in (self.p, self.moments):
            state.update({k: found[f"{k}.next"] for k in state if f"{k}.next" in found})
        return float(found["loss"])


def numpy_step(
    made: Any, net: Net, p: dict[str, Array], moments: dict[str, Array], batch: list[Array], number: int, epoch: float
) -> float:
    """One step of the trainer's own."""
    given = extras(made, net, epoch=int(epoch), step=number, count=len(batch[0]))
    loss, grads = made.loss_and_grads(p, *batch, **given)
    made.update(p, moments, grads, number, epoch)
    return float(loss)
