"""What holds for every net: random small ones that are valid, and names and texts that are hostile."""

from __future__ import annotations

import ast
import builtins
import keyword
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Array, batch, extras, module, narrow, run_numpy, run_onnx, sample, weights
from hypothesis import HealthCheck, given, settings
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.codegen.simplify import Simplifier
from netc.dsl import Net, Source, check, load_text
from netc.dsl.declared import unsafe
from netc.dsl.diagnostics import render
from netc.dsl.parse import parse
from netc.dsl.unparse import unparse
from netc.runtime import OnnxEngine
from random_nets import spec_of
from trees import RESERVED, TREES
from uses import StepGraph

QUICK, ALL, CHUNK = 60, 2_000, 20
# A float32 result may be off by so much of the largest value, or by eight times what float32 costs the trainer itself.
SINGLE, WORSE = 1e-5, 8
exhaustive = pytest.mark.skipif("NETC_EXHAUSTIVE" not in os.environ, reason="make test-all runs it")


# Random nets ----------------------------------------------------------------------------------------------------------


def net_of(seed: int) -> Net:
    net, report = check(Source(f"net{seed}.net", spec_of(seed)))
    assert net is not None, "\n".join(map(render, report.ordered()))
    return net


def holds(seed: int) -> None:
    """All properties of one net."""
    net = net_of(seed)
    rng = np.random.default_rng(seed)
    inferred_shapes_run(net, rng)
    compiling_twice_gives_the_same_bytes(net)
    canonical_text_is_the_same_net(net)
    made = module(net)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    graphs_predict_what_numpy_predicts(net, made, p, inputs)
    graphs_step_as_numpy_steps(net, made, p, [*inputs, *targets])


def inferred_shapes_run(net: Net, rng: np.random.Generator) -> None:
    """Every value of every program, with words that are formulas written out."""
    for name in net.programs.keys() - {"init", "update"}:
        program = Simplifier(net.programs[name], expand=True).simplified(net.programs[name])
        values = {f"v{i}": value for i, value in enumerate(v for e in program.equations for v in e.results)}
        found = run_numpy(replace(program, results=values), {i.name: sample(i.value.type, rng) for i in program.inputs})
        for key, value in values.items():
            shape = tuple(5 if d == "N" else d for d in value.type.shape)
            assert np.shape(found[key]) == shape, f"{name}: {value.hint} has {np.shape(found[key])}, not {shape}"
    for name, value in module(net).init(1).items():
        known = net.weights.get(name) or net.states[name]
        assert value.shape == known.shape and value.dtype == np.float32, name


def compiling_twice_gives_the_same_bytes(net: Net) -> None:
    again = load_text(net.source.text, net.source.name)
    assert to_numpy(net) == to_numpy(again)
    first = module(net).init(1)
    assert serialized(to_onnx(net, first)) == serialized(to_onnx(again, first))
    assert serialized(to_step(net)) == serialized(to_step(again))


def canonical_text_is_the_same_net(net: Net) -> None:
    text = unparse(parse(net.source))
    again = load_text(text, net.source.name)
    assert meaning(net) == meaning(again)
    assert unparse(parse(again.source)) == text


def meaning(net: Net) -> tuple[Any, ...]:
    """All that a net says, but for where its spec says it, and for how its values are called on the page."""
    fields = [(f.name, f.role, f.kind, f.shape, f.labels) for f in (*net.inputs, *net.targets)]
    programs = {
        name: re.sub(r"  # line \d+|(?<=[0-9]):[A-Za-z_]\w*", "", str(program))
        for name, program in net.programs.items()
    }
    made = [(w.name, w.shape, w.init.text, w.l1, w.l2, w.frozen) for w in net.weights.values()]
    return net.name, fields, [o.name for o in net.outputs], made, programs, net.train, net.settings


def graphs_predict_what_numpy_predicts(net: Net, made: Any, p: dict[str, Array], inputs: list[Array]) -> None:
    model = to_onnx(net, narrow(p))
    for count in (1, 5):
        few = [x[:count] for x in inputs]
        given = narrow({f.name: x for f, x in zip(net.inputs, few, strict=True)})
        exact, single = made.predict(p, *few), made.predict(narrow(p), *given.values())
        found = run_onnx(model, given)
        names = [o.name for o in net.outputs]
        for name, wide, own in zip(names, as_tuple(exact), as_tuple(single), strict=True):
            assert own.dtype == found[name].dtype == np.float32
            agree(found[name], wide, own, name)


def graphs_step_as_numpy_steps(net: Net, made: Any, p: dict[str, Array], data: list[Array]) -> None:
    """Two steps, since the first of an updater with moments is special."""
    p, single = dict(p), narrow(p)
    graph = StepGraph(net, dict(single), made.init_updater(single))
    moments = made.init_updater(p)
    few = list(narrow(dict(enumerate(data))).values())
    for step in (1, 2):
        epoch = 0.25 * step
        given = extras(made, net, epoch=0, step=step, count=len(data[0]))
        loss = graph.step(few, step, epoch, given.get("draws"))
        exact_loss, grads = made.loss_and_grads(p, *data, **given)
        own_loss, own_grads = made.loss_and_grads(single, *few, **given)
        agree(loss, exact_loss, own_loss, "loss")
        # An updater that divides by the size of a gradient makes rounding errors of a small one large.
        noise = {k: WORSE * np.abs(grads[k] - own_grads[k]).max(initial=0) for k in grads}
        exact = moved(made, p, moments, grads, step, epoch)
        shaken = [
            moved(made, p, moments, {k: g + s * noise[k] for k, g in grads.items()}, step, epoch) for s in (-1, 1)
        ]
        own = moved(made, single, narrow(moments), own_grads, step, epoch)
        for name, value in {**graph.p, **graph.moments}.items():
            reach = max(float(np.abs(other[name] - exact[name]).max(initial=0)) for other in shaken)
            agree(value, exact[name], own[name], name, reach)
        # All go on from one place.
        single, graph.p = ({k: own[k] for k in p} for _ in range(2))
        graph.moments = {k: own[k] for k in moments}
        p, moments = ({k: np.float64(own[k]) for k in state} for state in (p, moments))


def moved(made: Any, p: dict[str, Array], moments: dict[str, Array], grads: Any, step: int, epoch: float) -> Any:
    """Weights and moments after an update, which sets entries of the dicts that it is given."""
    p, moments = dict(p), dict(moments)
    made.update(p, moments, grads, step, epoch)
    return {**p, **moments}


def agree(found: Any, exact: Any, own: Any, what: str, reach: float = 0.0) -> None:
    """What float32 computes is exact up to rounding, what float32 costs the trainer, and the reach of noise."""
    found, exact, own = (np.asarray(v, np.float64) for v in (found, exact, own))
    assert found.shape == exact.shape == own.shape, what
    scale = max(1.0, float(np.abs(exact).max(initial=0)))
    allowed = max(SINGLE * scale, WORSE * float(np.abs(own - exact).max(initial=0)), reach)
    error = float(np.abs(found - exact).max(initial=0))
    assert error <= allowed, f"{what}: off by {error:.3g}, allowed {allowed:.3g}"


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("seed", range(QUICK))
def test_random_net(seed: int) -> None:
    holds(seed)


def faults_of(seeds: range) -> list[str]:
    faults: list[str] = []
    for seed in seeds:
        try:
            holds(seed)
        except Exception as error:
            faults.append(f"net {seed}: {type(error).__name__}: {error}")
    return faults


@pytest.mark.exhaustive
@exhaustive
def test_two_thousand_random_nets() -> None:
    parts = [range(start, start + CHUNK) for start in range(QUICK, ALL, CHUNK)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        faults = [fault for part in pool.map(faults_of, parts) for fault in part]
    assert not faults, "\n".join(faults[:20])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES)
def test_random_trees_have_answers(tree: Any) -> None:
    net, report = check(Source("spec.net", unparse(tree)))
    assert (net is None) == report.failed
    assert "".join(map(render, report.ordered())) or net


# Hostile names --------------------------------------------------------------------------------------------------------

FULL = """net {net}
input {0}: f32[3]
input {1}: f32
target {2}: class(3)
target {3}: f32
let {4} = 20%
{5} = {0} -> standardize -> dense 4 name={6} -> relu -> dropout {4} name={7}
{8} = {5} -> concat {1} -> dense 3 -> softmax
{9} = {5} -> dense 1 name={8} l2=1e-3
output {8}
output {9}
loss mcxent({8}, {2}) + 0.5 * mse({9}, {3})
updater adam lr=cosine(1e-2, epochs=5, warmup=1)
metric accuracy({8}, {2}) f1({8}, {2}) r2({9}, {3})
train epochs=3 batch=4 validation=25% early_stop=2 clip_norm=1
"""
PLAIN = ("xa", "xb", "ya", "yb", "ca", "va", "na", "nb", "vb", "vc")


def named(names: tuple[str, ...], net: str = "plain") -> Net:
    return load_text(FULL.format(*names, net=net))


def used_by_pages() -> list[str]:
    """Every identifier of Python's builtins and of a page that uses most there is, and names of graphs."""
    page = to_numpy(named(PLAIN))
    words = {word for node in ast.walk(ast.parse(page)) for word in identifiers(node)}
    words |= set(dir(builtins)) | set(keyword.softkwlist) | set(re.findall(r"[A-Za-z]\w*", page))
    words |= {"N", "Add", "Constant", "ai", "onnx", "netc", "loss_next", "W1_VALUES", "lr", "LR", "train", "net"}
    for own in [
        name for node in to_onnx(named(PLAIN), module(named(PLAIN)).init(1)).graph.node for name in node.output
    ]:
        words |= set(re.findall(r"[A-Za-z]\w*", own))
    return sorted(
        word for word in words - set(PLAIN) if word.isidentifier() and word not in RESERVED and not unsafe(word)
    )


def identifiers(node: ast.AST) -> list[str]:
    return [value for _, value in ast.iter_fields(node) if isinstance(value, str)]


HOSTILE = used_by_pages()
# In how many ways names are dealt out to the places where they can stand: in one by make test, in all by make test-all.
WAYS = len(PLAIN) if "NETC_EXHAUSTIVE" in os.environ else 1


def hostile_nets(way: int) -> list[tuple[str, ...]]:
    """Each hostile name once, each time with others in the other places."""
    shuffled = random.Random(way).sample(HOSTILE, len(HOSTILE))
    shuffled += shuffled[: -len(shuffled) % len(PLAIN)]
    return [tuple(shuffled[i : i + len(PLAIN)]) for i in range(0, len(shuffled), len(PLAIN))]


@pytest.mark.parametrize("way", range(WAYS))
def test_hostile_names(way: int, tmp_path: Path) -> None:
    """Nets that differ in names alone compute the same, to the last bit, and their pages are clean."""
    plain = run_of(named(PLAIN))
    for i, names in enumerate(hostile_nets(way)):
        net = named(names, f"net{i}")
        for found, expected in zip(run_of(net), plain, strict=True):
            np.testing.assert_array_equal(found, expected, str(names))
        (tmp_path / f"net{i}.py").write_text(to_numpy(net), "utf-8")
    clean(tmp_path)


def run_of(net: Net) -> list[Any]:
    """What a net's page computes in a step, and its graph predicts, with weights that do not depend on names."""
    made, rng = module(net), np.random.default_rng(3)
    inputs, targets = batch(net, rng)
    p = {k: np.float32(rng.uniform(-1, 1, v.shape)) for k, v in made.init(1).items()}
    made.fit(p, *inputs)
    inputs, targets = (list(narrow(dict(enumerate(data))).values()) for data in (inputs, targets))
    draws = {k: np.full_like(v, 0.5) for k, v in made.draw(0, 1, 5).items()}
    loss, grads = made.loss_and_grads(p, *inputs, *targets, draws=draws, clip_norm=made.CLIP_NORM)
    predicted = as_tuple(made.predict(p, *inputs))
    served = run_onnx(to_onnx(net, p), {f.name: x for f, x in zip(net.inputs, inputs, strict=True)})
    engine = OnnxEngine(serialized(to_step(net)), "cpu", 1)
    engine.start(p, moments := made.init_updater(p), tuple(inputs), tuple(targets))
    step = engine.step(np.arange(5), draws, 1, 0.5)
    made.update(p, moments, grads, 1, 0.5)
    metrics = made.metrics(*predicted, *targets).values()
    assert list(served)[: len(net.outputs)] == [o.name for o in net.outputs]
    moved = [*engine.weights().values(), *engine.moments().values()]
    return [loss, step, *moved, *grads.values(), *predicted, *served.values(), *p.values(), *moments.values(), *metrics]


def clean(folder: Path) -> None:
    """The linter and the formatter have nothing to say of the pages in a folder."""
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(folder)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stdout[-3000:] + done.stderr


# Hostile texts --------------------------------------------------------------------------------------------------------

TEXTS = [
    *('say "yes"', "it's", "back\\slash", "\\N{BULLET} \\x41 \\", '"""', "'''", "{{ name }}", "{% raw %}{# no #}"),
    *(
        "{p}",
        "%s %d %",
        "# no comment",
        "é ü ß 漢字 🧠",
        "a\u0301",
        "\ufb01",
        "x" * 300,
        "word " * 60,
        "-> relu",
        "None",
    ),
    *("", "\t tab", "&amp; <b>", "__import__('os')", "\\", "\\\\", 'ends in "', "${HOME} $(ls)", "a, b; c", "0 1 2"),
    *("\\u0041", "noqa", "fmt: off", "type: ignore"),
]


def with_texts(doc: str, labels: list[str]) -> str:
    quoted = ", ".join(f'"{escaped(label)}"' for label in labels)
    lines = "\n".join(f"## {line}".rstrip() for line in doc.split("\n"))
    sentences = ["net texts", "input x: f32[4]", f"target y: class({quoted})", f"p = dense {len(labels)} -> softmax"]
    sentences += ["output p", "loss mcxent", "updater sgd", 'data "a.csv"']
    comment = f"# {doc.splitlines()[0] if doc else ''}"
    return "".join(f"{comment}\n{lines}\n{sentence} {comment}\n" for sentence in sentences)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


def test_hostile_texts(tmp_path: Path) -> None:
    """Whatever stands in doc comments and labels reaches the artifacts as it is, and harms none of them."""
    labels = [text for text in TEXTS if text] + ["two\nlines", '"']
    docs = [text for text in TEXTS if "\t" not in text]
    for i, doc in enumerate([*docs, "\n\n".join(docs)]):
        net = load_text(with_texts(doc, labels))
        page = to_numpy(net)
        (tmp_path / f"texts{i}.py").write_text(page, "utf-8")
        space: dict[str, Any] = {"__name__": "texts"}
        exec(compile(page, "texts.py", "exec"), space)
        assert net.doc == "\n".join(line.rstrip() for line in doc.split("\n"))
        p = space["init"](1)
        x = np.float32(np.random.default_rng(1).normal(size=(7, 4)))
        model = to_onnx(net, p)
        found = run_onnx(model, {"x": x})
        assert model.graph.doc_string == net.doc
        assert [labels[k] for k in found["p_class"]] == found["p_label"].tolist()
        assert found["p_class"].tolist() == space["predict"](p, x).argmax(axis=1).tolist()
        serialized(to_step(net))
    clean(tmp_path)
