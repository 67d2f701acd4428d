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
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import batch, module, narrow, run_onnx
from hypothesis import HealthCheck, given, settings
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.dsl import Net, Source, check, load_text
from netc.dsl.declared import unsafe
from netc.dsl.diagnostics import render
from netc.dsl.unparse import unparse
from netc.runtime import OnnxEngine
from trees import RESERVED, TREES


@settings(
    max_examples=300 if "NETC_EXHAUSTIVE" in os.environ else 30, deadline=None, suppress_health_check=list(HealthCheck)
)
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
    # By make test every second name.
    for i, names in enumerate(hostile_nets(way)[:: 1 if WAYS > 1 else 2]):
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
    predicted = made.predict(p, *inputs)
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
