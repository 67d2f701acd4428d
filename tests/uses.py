"""Every use of every word that is tested, its example and each option away from its default, and nets around them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from harness import Array, assert_close, batch, extras, falls, module, narrow, session, small, update, weights
from netc.codegen import to_step
from netc.dsl import Net, vocabulary
from netc.dsl.examples import BEFORE, BEHIND, BESIDE, BESIDE_IT, FLAT, IMAGE, TARGETS, head_of
from netc.dsl.words import WORDS, Word

assert vocabulary.__all__

# How near values are in float64, and in float32.
EXACT, SINGLE = 1e-12, 1e-5

# What an option is set to so that it differs from its default, and visibly so; a new option needs a line here. A line
# for one word alone has the word's name before its own: "elu.alpha".
ALTERNATIVES: dict[str, Any] = {
    "adaptive_avgpool.size": (3, 4),
    "alpha": 2.0,
    "anneal": 1.5,
    "approximate": True,
    "at": (0, 2, 7),
    "attention.units": 4,
    "axes": (1, 0),
    "axis": 1,
    "batchnorm.scale": False,
    "bag": "mean",
    "beta": 2.0,
    "beta1": 0.5,
    "beta2": 0.6,
    "beta_init": "ones",
    "bias": False,
    "bias_init": "ones",
    "bidirectional.mode": "multiply",
    "c": "other",
    "bins": 3,
    "block": 2,
    "center_loss.alpha": 0.2,
    "centered": True,
    "chance": 0.7,
    "channels": 2,
    "cooldown": 2,
    "cosine.low": 0.05,
    "count_pad": False,
    "causal": True,
    "cutout.size": (3, 1),
    "crop.margin": ((1, 0), (2, 1)),
    "decay": 0.6,
    "delta": 0.4,
    "dilation": (1, 2),
    "deviation": 0.2,
    "dropout": 0.4,
    "end": 0.6,
    "epochs": 7.0,
    "eps": 0.1,
    "every": 2.0,
    "factor": 0.7,
    "first": 0,
    "focal.alpha": 0.7,
    "forget_bias": 2.0,
    "gain": 2.0,
    "gamma": 0.5,
    "gamma_init": "constant(0.5)",
    "groupnorm.groups": 3,
    "groupnorm.scale": False,
    "groups": 2,
    "h": "other",
    "heads": 2,
    "high": 0.7,
    "history": 2,
    "index": 0,
    "init": "he",
    "instancenorm.scale": False,
    "k": 1,
    "kernel": (2, 3),
    "kv_heads": 1,
    "l2distance.eps": 2.0,
    "l2normalize.eps": 3.0,
    "last": 4,
    "layernorm.scale": False,
    "low": -0.2,
    "longest": 5,
    "lrn.k": 2.0,
    "lrn.size": 3,
    "lr": 0.05,
    "map.rate": (0.3, 0.7, 0.2),
    "margin": ((0, 1), (2, 0)),
    "mean": 0.5,
    "middle": 4.0,
    "min_delta": 0.2,
    "mixtures": 3,
    "mode": "bilinear",
    "momentum": 0.5,
    "momentum_decay": 5.0,
    "mult": 2.0,
    "multiplier": 3,
    "offset": 0.7,
    "output_pad": (0, 1),
    "p": 3.0,
    "pad": ((1, 0), (0, 1)),
    "padding": 2,
    "part": 0,
    "parts": 3,
    "patience": 1,
    "per": "channel",
    "peak": 0.6,
    "plateau.low": 0.05,
    "power": 2.0,
    "q": 0.8,
    "queries": 2,
    "random_crop.pad": (1, 0),
    "random_crop.size": (2, 5),
    "random_shift.pixels": (1, 2),
    "rate": 0.3,
    "recurrent_init": "he",
    "restarts": True,
    "rho": 0.6,
    "rotary": True,
    "rmsnorm.scale": False,
    "scale": 2.0,
    "scaled": False,
    "shape": (3, 2),
    "size": (3, 2),
    "shift": False,
    "slope": 0.3,
    "smoothing": 0.3,
    "stride": (1, 3),
    "theta": 0.3,
    "threshold": 0.4,
    "times": 2,
    "trials": 6,
    "units": 3,
    "upsample.factor": (3, 1),
    "value": -0.7,
    "warmup": 3.0,
    "weight_decay": 0.3,
    "weights": (0.5, 2.0, 5.0),
}
# Options that a word takes only together, or that show only together.
TOGETHER = {
    "avgpool.count_pad": ("size", "pad", "count_pad"),
    "low": ("low", "high"),
    "high": ("low", "high"),
    "cosine.low": ("low",),
    "cosine.mult": ("restarts", "mult"),
    "cycle.factor": ("anneal", "factor"),
    "output_pad": ("stride", "output_pad"),
    "plateau.low": ("low",),
    "attention.kv_heads": ("heads", "kv_heads"),
    "attention.units": ("heads", "units"),
    "lion.weight_decay": ("lr", "weight_decay"),
}
# In percent of targets near 0 slopes are so steep that larger steps would only amplify what rounding leaves.
UPDATERS = {"mape": "sgd lr=1e-6"}


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
    return f"[{', '.join(map(write, value))}]" if isinstance(value, tuple) else str(value)


def read(text: str) -> Any:
    if text.startswith("["):
        return tuple(read(v.strip()) for v in text[1:-1].split(","))
    if text in ("true", "false"):
        return text == "true"
    if text in ("valid", "same", "causal", "nearest", "bilinear", "channel", "mean", "sum"):
        return text
    if re.fullmatch(r"\d+(x\d+)+", text):
        return tuple(map(int, text.split("x")))
    if re.fullmatch(r"\d+", text):
        return int(text)
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def example(word: Word) -> Use:
    """The word's own example."""
    rest = "" if word.prefix else word.example.removeprefix(word.name).strip().removeprefix("(").removesuffix(")")
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
    given |= {k: other_value(word, k) for k in TOGETHER.get(f"{word.name}.{name}", TOGETHER.get(name, (name,)))}
    if word.options[name].default is not None and not hasattr(word.options[name].default, "make"):
        assert given[name] != word.options[name].default, f"{word.name} {name} is its default"
    parts = [f"{k}={write(v)}" for k, v in given.items()]
    call = word.kind in ("schedule", "init", "loss", "metric")
    operands = word.operands[:1] if word.joins and word.kind == "layer" else ()
    start = word.example if word.prefix else word.name
    text = f"{word.name}({', '.join(parts)})" if call else " ".join([start, *operands, *parts])
    return Use(word, text, given)


def uses(*kinds: str) -> list[Use]:
    """All uses of the words of some kinds."""
    found: list[Use] = []
    # A loss that aligns whole sequences has steps, which no net of these has: test_ctc.
    for word in [w for w in WORDS.values() if w.kind in kinds and not w.aligns]:
        found += [example(word), *(alternative(word, name) for name in word.options)]
    return found


# Nets -----------------------------------------------------------------------------------------------------------------


def layer_net(use: Use) -> Net:
    """A net that predicts the layer's value from x, and trains a dense layer behind it."""
    begins = any(option in use.options for option in ("h", "c"))
    units = use.options["units"] if begins else 6
    other = f"other = x -> dense {units} name=other -> tanh\n" if use.word.joins or begins else ""
    other = f"{BESIDE_IT[use.word.name]}\n" if use.word.name in BESIDE_IT else other
    start = BEFORE.get(use.word.name, "")
    given = "category(4)[6]" if use.word.ids else IMAGE if use.word.image else "f32[6]"
    chain = f"{start}{use.text}{BEHIND.get(use.word.name, '')}"
    chains = f"{other}value = x -> {chain}\noutput value\nvalue -> flatten -> dense 2 name=last"
    return small(chains, given=given)


def activation_net(use: Use) -> Net:
    """A net that predicts the activation of x @ W1 + b1."""
    frozen = " frozen=true" if use.word.name in FLAT else ""
    return small(f"value = dense 4{frozen} -> {use.text}\noutput value\nvalue -> dense 2")


def judged_net(use: Use, target: str) -> Net:
    """A net with a loss, or with a metric beside a fitting loss, on a target of a kind."""
    head, loss, more = head_of(use.word, target, use.options), use.text, ""
    if use.word.aligns:
        return small(f"dense 4 -> tanh -> {head}", given="f32[T, 6]", target="class(3)[2]", loss=loss)
    if use.word.kind == "metric":
        more = f"metric {use.text}"
        head, loss = BESIDE.get(target, ("dense 3", "mse"))
    updater = UPDATERS.get(use.word.name, "sgd")
    return small(f"dense 4 -> tanh -> {head}", target=TARGETS[target], loss=loss, updater=updater, more=more)


def targets_of(use: Use) -> tuple[str, ...]:
    """The kinds of target that a use is tested with: all of an example; of options one, and one beside classes."""
    kinds = use.word.targets
    return kinds if use.text == use.word.example else kinds[: 2 if "class" in kinds else 1]


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
            return [judged_net(use, target) for target in targets_of(use)]
        case "updater":
            return [updater_net(use)]
        case "solver":
            wanted = "targets numpy inference"
            return [small("dense 4 -> tanh\ndense 2", updater=use.text, more=wanted)]
        case "schedule":
            return [small("dense 4 -> tanh\ndense 2", updater=f"sgd lr={use.text}")]
        case "init":
            bias = f" bias_init={use.text}" if use.word.name not in ("orthogonal", "identity") else ""
            units = 6 if use.word.name == "identity" else 4
            return [small(f"dense {units} init={use.text}{bias} -> tanh\ndense 2")]
        case kind:
            raise AssertionError(f"a {kind} needs a net of its own here")


def data(net: Net, seed: int = 5) -> tuple[Any, dict[str, Array], list[Array], list[Array]]:
    """The net's module, weights, inputs and targets in float64."""
    rng = np.random.default_rng(seed)
    made = module(net)
    inputs, targets = batch(net, rng)
    return made, weights(made, net, rng, inputs), inputs, targets


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
        clock |= {plateau.clock: np.array(falls(number)) for plateau in self.net.plateaus}
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
    given = extras(made, net, epoch=epoch, step=number, count=len(batch[0]))
    loss, grads, *state = made.loss_and_grads(p, *batch, **given)
    update(made, p, moments, grads, number, epoch)
    p.update(*state)
    return float(loss)


def check_steps(net: Net, steps: int = 10, what: str = "") -> None:
    """The step graph and the file make the same steps; the first, and the tenth after nine of their own."""
    made, p, inputs, targets = data(net)
    p, moments = narrow(p), None
    moments = made.init_updater(p)
    graph = StepGraph(net, p, moments)
    given = [*narrow(dict(enumerate([*inputs, *targets]))).values()]
    for number in range(1, steps + 1):
        rows = slice(0, 5 if number % 3 else 4)
        part, epoch = [a[rows] for a in given], (number - 1) / 4
        draws = extras(made, net, epoch=epoch, step=number, count=len(part[0])).get("draws")
        found = graph.step(part, number, epoch, draws)
        assert_close(found, numpy_step(made, net, p, moments, part, number, epoch), SINGLE, f"{what} loss {number}")
        if number in (1, steps):
            for mine, its in ((p, graph.p), (moments, graph.moments)):
                for name in mine:
                    # What an updater keeps as one number is float64.
                    dtype = np.float32 if mine[name].ndim else np.float64
                    assert its[name].dtype == mine[name].dtype == dtype, name
                    assert_close(its[name], mine[name], SINGLE, f"{what} {name} after step {number}")
