"""Texts to read, and short ways to ask what was read of one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from netc.dsl import syntax as s
from netc.dsl.diagnostics import Diagnostic, SpecError
from netc.dsl.parse import parse
from netc.dsl.source import Source

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.net"))


def tree(text: str) -> s.Tree:
    return parse(Source("spec.net", text))


def only(text: str) -> Any:
    (sentence,) = tree(text).sentences
    return sentence


def errors(text: str) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        tree(text)
    return list(caught.value.diagnostics)


def codes(text: str) -> list[tuple[str, int]]:
    """The codes of a text's errors and the lines where they are."""
    return [(error.code, error.place.line if error.place else 0) for error in errors(text)]


def source_of(node: s.Node) -> str:
    return node.place.source.text[node.place.start : node.place.end]


SENTENCES = [
    ("net iris", s.Header),
    ("let width = 2 * 64", s.Let),
    ("input flower: f32[4]", s.Declaration),
    ("input text: f32[T, 8] lengths=true", s.Declaration),
    ('target species: class("setosa", "versicolor")', s.Declaration),
    ("target text: class(65)[T]", s.Declaration),
    ("noise z: normal[64]", s.Declaration),
    ("dense 16", s.Chain),
    ("dense 16 -> tanh", s.Chain),
    ("skip = in -> conv channels 1x1 stride=stride bias=false -> batchnorm", s.Chain),
    ("a -> concat b", s.Chain),
    ("bidirectional lstm 64", s.Chain),
    ("output fake", s.Output),
    ("output p = h -> dense 1", s.Output),
    ("threshold spam 0.4", s.Threshold),
    ("threshold spam best(f1)", s.Threshold),
    ("threshold spam [[0, 1], [5, 0]]", s.Threshold),
    ("loss mcxent", s.Loss),
    ("loss huber delta=2", s.Loss),
    ("loss mse(price, y) + 0.3 * mcxent(kind, k)", s.Loss),
    ("loss critic = xent(a, 1) + xent(b, 0) trains discriminator with adam(2e-4, beta1=0.5)", s.Loss),
    ("loss mse trains a, b with adam", s.Loss),
    ("updater adam lr=cosine(1e-3, epochs=20, warmup=1)", s.Updater),
    ("metric accuracy f1 top_k(5)", s.Metric),
    ("metric f1(kind, k)", s.Metric),
    ("train epochs=100 batch=16 seed=7 validation=20% class_weight=[1, 2.5]", s.Train),
    ('data "iris.csv"', s.Data),
    ('data "f.csv" x=age..income y=label z=1..4 w="a column" v=[a, b] next=shift(text)', s.Data),
    ("targets numpy inference", s.Targets),
    ("part generator { dense 256 -> leakyrelu 0.2 }", s.Part),
    ("def block residual(channels, stride=1) { in -> dense channels\nadd in }", s.Definition),
    ("def activation mish(x) = x * tanh(softplus(x))", s.Definition),
    ("def loss huber(p, y, delta=1.0) = mean(abs(p - y))", s.Definition),
    ("def metric close(p, y) = mean(p == y)", s.Definition),
    ("def init tiny() = 1e-3", s.Definition),
    ("def schedule halve(lr) = lr * 0.5^epoch", s.Definition),
    ("def layer scale() { weight g: [in.features] init=ones\nreturn in * g }", s.Definition),
    ("def cell step(n) { if n > 1 { return in } else { return -in } }", s.Definition),
    ("def updater plain(lr=0.1) { state m = zeros\nw = w - lr * g }", s.Definition),
    ("repeat 3 { dense 16 -> relu }", s.Repeat),
    ("if deep and not (wide or n >= 3) { relu } else { tanh }", s.If),
    ('import "common.net"', s.Import),
]


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
