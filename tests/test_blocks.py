"""Blocks as functions of the page: they compute what the page without them does, and stand there once."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import batch, extras, module, weights
from netc.codegen import to_numpy
from netc.codegen.block_page import BlockPage
from netc.dsl import Net, load_text

HEAD = "net deep\ninput x: f32[6]\ninput p: f32[3]\ntarget y: class(3)\n"
TAIL = "dense 3 -> softmax\nloss mcxent\nupdater adam\n"
RESIDUAL = """
def block residual(units) {
    skip = in
    in -> dense units -> relu -> dense units -> add skip -> relu
}
"""

JOIN = """
def block join(other) {
    in -> dense 4 bias=false -> tanh -> dense (1 + 3) -> add other
}
"""

# What stands between the head and the tail, and the functions that the page has for it.
CASES: dict[str, tuple[str, list[str]]] = {
    "alike": (
        RESIDUAL + "x -> concat p -> dense 6\nresidual 6\nresidual 6\n",
        ["residual", "residual_grad"],
    ),
    "of other widths": (
        RESIDUAL + "x -> concat p -> dense 9 -> residual 9\ndense 4\nresidual 4\n",
        ["residual", "residual_grad"],
    ),
    # The first use has no gradient to give to its input, so it is another function, which one use has not.
    "on the inputs": (RESIDUAL + "x -> concat p -> residual 9\nresidual 9\n", ["residual_predict"]),
    "used once": (RESIDUAL + "x -> concat p -> residual 9\n", []),
    "two forms": (
        "def block unit(n, wide=false) {\n  if wide { in -> dense n -> tanh }\n  dense n -> relu\n}\n"
        "x -> concat p -> dense 4\nunit 4\nunit 5 wide=true\nunit 4\nunit 3 wide=true\n",
        ["unit", "unit_grad", "unit_2", "unit_2_grad"],
    ),
    "in one another": (
        RESIDUAL
        + "def block stage(n) {\n  dense n\n  repeat 2 { residual n }\n}\n"
        + "x -> concat p -> dense 4 -> stage 4 -> stage 5\n",
        [f"{name}{end}" for name in ("residual", "stage") for end in ("", "_grad")],
    ),
    "dropout, l2 and a frozen layer": (
        "def block unit(n) {\n  in -> dense n l2=0.1 l1=0.01 -> dropout 30% -> dense n frozen=true -> tanh\n}\n"
        "x -> concat p -> dense 4 -> unit 4 -> unit 5\n",
        ["unit_predict", "unit", "unit_grad"],
    ),
    "seen again later": (
        RESIDUAL + "a = x -> concat p -> dense 6 -> residual 6\nb = residual 6\nb -> add a -> residual 6 -> concat b\n",
        ["residual", "residual_grad"],
    ),
    "at the input": (
        "def block unit(n) {\n  in -> dense n -> tanh\n}\na = x -> unit 4\nb = p -> unit 4\na -> add b -> unit 3\n",
        ["unit", "unit_grad"],
    ),
    "named as the page's own": (
        "def block train(n) {\n  in -> dense n -> tanh\n}\nx -> concat p -> dense 4 -> train 4 -> train 5\n",
        ["train_2", "train_2_grad"],
    ),
    "without anything to keep": (
        "def block twice() {\n  skip = in\n  in -> add skip\n}\nx -> concat p -> dense 4 -> twice -> twice\n",
        ["twice", "twice_grad"],
    ),
    "of other rates": (
        "def block unit(n, rate) {\n  in -> dense n -> dropout rate -> tanh\n}\n"
        "x -> concat p -> dense 4 -> unit 4 10% -> unit 4 20% -> unit 5 35%\n",
        ["unit_predict", "unit", "unit_grad"],
    ),
    "as usual in one use": (
        "def block unit(n, eps=0.00001) {\n  in -> dense n -> batchnorm eps=eps -> tanh\n}\n"
        "x -> concat p -> dense 4 -> unit 4 -> unit 4 eps=0.01 -> unit 5\n",
        ["unit", "unit_grad"],
    ),
    "batchnorm": (
        "def block unit(n) {\n  in -> dense n -> batchnorm -> tanh\n}\n"
        "def block stage(n) {\n  dense n\n  repeat 2 { unit n }\n}\n"
        "x -> concat p -> dense 4 -> stage 4 -> stage 5 -> unit 3\n",
        ["unit", "unit_grad", "stage", "stage_grad"],
    ),
    "given a value": (
        JOIN + "a = p -> dense 4\nx -> dense 4 -> join a -> join a -> join a\n",
        ["join", "join_grad"],
    ),
    "given several": (
        "def block mix(left, right, n) {\n  in -> dense n -> tanh -> add right left\n}\n"
        "a = p -> dense 4\nb = x -> dense 4\nc = b -> tanh -> mix a right=b n=4\n"
        "c -> mix left=b n=4 right=a -> mix a b 4\n",
        ["mix", "mix_grad"],
    ),
    # The gradient of an input is asked for by nobody, so these are other functions.
    "given inputs": (
        "def block join(other) {\n  a = other -> dense 6\n  in -> dense 6 -> tanh -> add a\n}\n"
        "a = p -> dense 6\nx -> dense 6 -> join x -> join a -> join x -> join a\n",
        ["join", "join_grad", "join_2", "join_2_grad"],
    ),
    "given the value that goes in": (
        JOIN + "x -> concat p -> dense 4 -> pair -> pair\ndef block pair() {\n  join in -> join in\n}\n",
        ["join", "join_grad", "join_2", "join_2_grad", "pair", "pair_grad"],
    ),
    "given the same value twice": (
        "def block mix(left, right) {\n  in -> dense 4 -> tanh -> add right left\n}\n"
        "a = p -> dense 4\nx -> dense 4 -> mix a a -> mix a a\n",
        ["mix", "mix_grad"],
    ),
    "handed on": (
        JOIN + "def block stage(seen, held) {\n  s = dense 4 -> join seen -> join seen -> add seen\n"
        "  s -> join held -> join s -> add s\n}\n"
        "a = p -> dense 4\nb = x -> dense 4\nc = b -> tanh -> stage a b\nc -> stage a b -> stage a c\n",
        ["join", "join_grad", "stage", "stage_grad"],
    ),
    "given a value that it normalises": (
        "def block look(seen) {\n  a = seen -> layernorm\n  in -> layernorm -> add a -> dense 4 -> add seen\n}\n"
        "a = p -> dense 4\nx -> dense 4 -> look a -> look a\n",
        ["look", "look_grad"],
    ),
    "called as the page's own names": (
        "def block f(p, saved, W1, np, x) {\n  in -> dense 4 -> add p saved W1 -> dropout 10% -> add np x\n}\n"
        "a = p -> dense 4\nb = x -> dense 4\nc = a -> tanh\nd = tanh\ne = tanh\n"
        "dense 4 -> f a b c d e -> f a b c d e\n",
        ["f", "f_grad", "f_predict"],
    ),
}


def deep(name: str, more: str = "") -> Net:
    return load_text(HEAD + CASES[name][0] + TAIL + more)


def without_functions(net: Net, monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(BlockPage, "folded", lambda self, training, resting: (training, resting))
        return module(replace(net))


def functions(text: str) -> list[str]:
    return re.findall(r"^def (\w+)\(p, name", text, re.MULTILINE)


@pytest.mark.parametrize("name", CASES)
def test_a_page_has_each_function_once(name: str):
    assert sorted(functions(to_numpy(deep(name)))) == sorted(CASES[name][1])


# What train may ask for besides, after which gradients come from a dict of all.
BOUNDS = ["clip_norm=0.1", "clip_value=0.01", "renormalize=true norm_per=weight", "clip_norm=0.1 norm_per=layer"]
ROWS = [(name, "") for name in CASES]
ROWS += [(name, bound) for name in ("alike", "dropout, l2 and a frozen layer") for bound in BOUNDS]


@pytest.mark.parametrize(("name", "bound"), ROWS)
def test_functions_compute_what_the_flat_page_does(name: str, bound: str, monkeypatch: pytest.MonkeyPatch):
    net = deep(name, f"train {bound}\n" if bound else "")
    made, flat = module(net), without_functions(net, monkeypatch)
    rng = np.random.default_rng(1)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    more = extras(made, net)
    assert np.array_equal(made.predict(p, *inputs), flat.predict(p, *inputs))
    loss, grads, *state = made.loss_and_grads(p, *inputs, *targets, **more)
    expected, others, *left = flat.loss_and_grads(p, *inputs, *targets, **more)
    assert loss == expected and list(grads) == list(others) == list(net.trained)
    for found, right in zip([grads, *state], [others, *left], strict=True):
        assert found.keys() == right.keys() and all(np.array_equal(found[n], right[n]) for n in found)


def test_a_loss_that_trains_what_follows_blocks(monkeypatch: pytest.MonkeyPatch):
    """Its way on has no way back through them, and goes by the statistics of the batch all the same."""
    chains = CASES["batchnorm"][0] + "q = dense 3 name=end -> softmax\n"
    losses = "loss all = mcxent(q, y)\nloss more = mcxent(q, y) trains end\nupdater adam\n"
    net = load_text(HEAD + chains + losses)
    made, flat = module(net), without_functions(net, monkeypatch)
    rng = np.random.default_rng(1)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    assert 'stage(p_, "stage1", z1)[0]' in to_numpy(net)
    for name in ("all_and_grads", "more_and_grads"):
        loss, grads, state = getattr(made, name)(p, *inputs, *targets)
        expected, others, left = getattr(flat, name)(p, *inputs, *targets)
        assert loss == expected and all(np.array_equal(grads[n], others[n]) for n in others)
        assert state.keys() == left.keys() and all(np.array_equal(state[n], left[n]) for n in left)


@pytest.mark.parametrize("bound", BOUNDS)
def test_what_bounds_each_layer_takes_gradients_by_themselves(bound: str):
    found = functions(to_numpy(deep("alike", f"train {bound}\n")))
    assert found == (["residual_predict"] if "layer" in bound else ["residual", "residual_grad"])


def test_the_page_grows_by_lines_of_calls_alone():
    def lines(count: int) -> int:
        text = HEAD + RESIDUAL + "x -> concat p -> dense 6\n" + f"repeat {count} {{ residual 6 }}\n" + TAIL
        return len(to_numpy(load_text(text)).splitlines())

    # Three calls with their headings, of two lines or three, four weights in init, a row of `W` and `b`, two layers.
    assert (lines(20) - lines(10)) / 10 <= 20


def test_ruff(tmp_path: Path):
    for name in CASES:
        (tmp_path / f"{name.replace(' ', '_').replace(',', '')}.py").write_text(to_numpy(deep(name)))
    for command in (["check"], ["format", "--check"]):
        run = [sys.executable, "-m", "ruff", *command, "--isolated", str(tmp_path)]
        done = subprocess.run(run, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
