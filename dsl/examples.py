"""The smallest spec around each word's example, as a user writes it; the manual shows it, and a test compiles each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .kinds import NUMBERS
from .types import BATCH, NON_NEGATIVE, POSITIVE, SIGNED_UNIT, SIMPLEX, UNIT, Domain
from .words import Word

# The chain that ends in what a loss or a metric needs.
HEADS: Mapping[Domain, str] = {
    SIMPLEX: "dense 3 -> softmax",
    UNIT: "dense 3 -> sigmoid",
    SIGNED_UNIT: "dense 3 -> tanh",
    POSITIVE: "dense 3 -> softplus",
    NON_NEGATIVE: "dense 3 -> softplus",
}
TARGETS: Mapping[str, str] = {"class": "class(3)"} | {kind: f"{kind}[3]" for kind in NUMBERS}
# Layers over steps, which give steps.
STEPPED = (
    "attention",
    "learned_attention",
    "dot_attention",
    "additive_attention",
    "positions",
    "learned_positions",
    "rnn",
    "lstm",
    "graves_lstm",
    "gru",
    "reverse_time",
    "bidirectional",
    "time_distributed",
)
# What must stand before a layer for it to have something to do.
BEFORE: Mapping[str, str] = {
    **dict.fromkeys(("flatten", "permute", "unstack", "instancenorm"), "reshape [2, 3] -> "),
    **dict.fromkeys((*STEPPED, "attention_pool", "last_step"), "reshape [3, 2] -> "),
    "cells": "reshape [3, 2] -> lstm 3 -> ",
    "batch_to_space": "space_to_batch 2 -> ",
}
# What must stand behind a layer for its examples to be whole again.
BEHIND: Mapping[str, str] = {"space_to_batch": " -> batch_to_space 2"}
# The chain of the value that a layer names, where it is not a plain one.
BESIDE_IT: Mapping[str, str] = {"repeat_like": "steps = reshape [3, 2] -> tanh"}
# Layers that give an example more axes than one, of which the next layer wants one.
MORE_AXES = ("reshape", "permute", "repeat_vector", "stack", "instancenorm", "cells", "repeat_like", *STEPPED)
# What layers over images are shown with.
IMAGE = "f32[4, 4, 6]"
# Activations through which no slope leads: what stands before them cannot be trained.
FLAT = ("step",)


@dataclass(frozen=True)
class Example:
    """The sentence of a spec that uses a word, and the whole spec."""

    line: str
    given: str = "f32[6]"
    target: str = "f32[2]"
    before: tuple[str, ...] = ()
    chain: str = ""
    after: str = "dense 2"
    loss: str = "mse"
    updater: str = "adam"
    more: tuple[str, ...] = ()

    @property
    def spec(self) -> str:
        """A spec that compiles, in which the line stands."""
        chains = (*self.before, self.chain or "dense 16 -> tanh", self.after)
        judged = (f"loss {self.loss}", f"updater {self.updater}", *self.more)
        fields = ("net example", f"input x: {self.given}", f"target y: {self.target}")
        return "\n\n".join("\n".join(filter(None, lines)) for lines in (fields, chains, judged)) + "\n"


def example_of(word: Word) -> Example:
    """The example of a word, in the sentence and the spec that its kind asks for."""
    return KINDS[word.kind](word)


def head_of(word: Word, target: str, options: Mapping[str, object]) -> str:
    """The last chain before a loss or a metric on a kind of target."""
    if word.predicts:
        return f"dense {word.predicts((BATCH, 3), **options)[1]}"
    return HEADS.get(word.needs(target), "dense 3")


def _chained(chain: str, **parts: str) -> Example:
    return replace(Example(chain, chain=chain), **parts)


def _activation(word: Word) -> Example:
    if word.gives == "probs":
        return _chained(f"dense 3 -> {word.example}", target=TARGETS["class"], loss="mcxent", after="")
    return _chained(f"dense 16{' frozen=true' if word.name in FLAT else ''} -> {word.example}")


def _layer(word: Word) -> Example:
    after = "flatten -> dense 2" if word.name in MORE_AXES or word.image else "dense 2"
    given = "category(4)" if word.ids else IMAGE if word.image else "f32[6]"
    if word.joins:
        beside = BESIDE_IT.get(word.name, "other = dense 6 -> tanh")
        return replace(_chained(f"x -> {word.example}", after=after), before=(beside,))
    return _chained(BEFORE.get(word.name, "") + word.example + BEHIND.get(word.name, ""), after=after, given=given)


def _loss(word: Word) -> Example:
    target = word.targets[0]
    options = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)\b(?!\.)", word.example)}
    head = head_of(word, target, options)
    if word.aligns:
        return Example(f"loss {word.example}", "f32[T, 6]", "class(3)[2]", chain="rnn 4", after=head, loss=word.example)
    return Example(f"loss {word.example}", target=TARGETS[target], after=head, loss=word.example)


# What a metric is reported beside, by the kind of target: the last chain and the loss.
BESIDE = {"class": (HEADS[SIMPLEX], "mcxent"), "simplex": (HEADS[SIMPLEX], "mcxent"), "binary": (HEADS[UNIT], "xent")}


def _metric(word: Word) -> Example:
    target, line = word.targets[0], f"metric {word.example}"
    head, loss = BESIDE.get(target, ("dense 3", "mse"))
    return Example(line, target=TARGETS[target], after=head, loss=loss, more=(line,))


def _updater(word: Word) -> Example:
    return Example(f"updater {word.example}", updater=word.example)


def _solver(word: Word) -> Example:
    # A solver looks for the length of a step, which no graph of one step can do.
    return replace(_updater(word), more=("targets numpy inference",))


def _schedule(word: Word) -> Example:
    moves = f"sgd lr={word.example}"
    return Example(f"updater {moves}", updater=moves)


def _init(word: Word) -> Example:
    # As many outputs as inputs, as identity needs.
    return _chained(f"dense 16 init={word.example}", given="f32[16]")


KINDS: Mapping[str, Callable[[Word], Example]] = {
    "layer": _layer,
    "activation": _activation,
    "loss": _loss,
    "metric": _metric,
    "updater": _updater,
    "solver": _solver,
    "schedule": _schedule,
    "init": _init,
}
