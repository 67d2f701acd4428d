"""Values that blocks are given: they mean what they mean written out, and each mistake is told where it is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import assert_close, batch, extras, module, narrow, run_onnx, weights
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net, Source, check, load_text
from netc.dsl.diagnostics import Diagnostic
from test_gradients import gradients_of_weights
from uses import EXACT, SINGLE, check_steps

LISTS = "input x: f32[6]\ninput q: f32[6]\ntarget y: f32[2]\n"
STEPS = "input x: f32[T, 4] lengths=true\ninput z: token(5)[S] lengths=true\ninput h0: f32[3]\ntarget y: f32[T, 2]\n"
JOIN = "def block join(other, n) {\n    a = other -> dense n\n    in -> dense n -> tanh -> add a\n}\n"

# What is written with values that blocks are given, and the same written out.
WRITTEN_OUT = {
    "a named value, an input, and by its key": (
        LISTS,
        JOIN + "h = q -> dense 4\nk = x -> tanh\nk -> join h 3 -> join x 5 -> join n=2 other=h",
        "h = q -> dense 4\nk = x -> tanh\na = h -> dense 3\nj = k -> dense 3 -> tanh -> add a\n"
        "b = x -> dense 5\nl = j -> dense 5 -> tanh -> add b\nc = h -> dense 2\nl -> dense 2 -> tanh -> add c",
    ),
    "in, and a parameter handed on": (
        LISTS,
        "def block outer(m) {\n    s = m -> dense 6\n    in -> inner s -> inner in -> inner m\n}\n"
        "def block inner(v) { dense 6 -> tanh -> add v }\nh = x -> add q\nh -> outer q -> outer h -> dense 2",
        "h = x -> add q\ns = q -> dense 6\n"
        "c = h -> dense 6 -> tanh -> add s -> dense 6 -> tanh -> add h -> dense 6 -> tanh -> add q\n"
        "t = h -> dense 6\n"
        "c -> dense 6 -> tanh -> add t -> dense 6 -> tanh -> add c -> dense 6 -> tanh -> add h -> dense 2",
    ),
    "in branches and iterations": (
        LISTS,
        "def block deep(m, n) {\n    if n > 1 { m -> add in } else { relu }\n"
        "    repeat n { dense 6 -> tanh -> add m }\n}\n"
        "h = q -> dense 6\nx -> deep h 2 -> deep h 1 -> dense 2",
        "h = q -> dense 6\nh -> add x -> dense 6 -> tanh -> add h -> dense 6 -> tanh -> add h\n"
        "relu -> dense 6 -> tanh -> add h -> dense 2",
    ),
    "a value that is the result": (
        LISTS,
        "def block pick(m, first) { if first { m } else { add m } }\n"
        "h = q -> dense 6\nk = x -> tanh -> pick h true\nk -> add x -> pick k false -> pick h false -> dense 2",
        "h = q -> dense 6\nh -> add x -> add h -> add h -> dense 2",
    ),
    "in a part": (
        LISTS,
        "part twin {\n    h = dense 6 -> tanh\n    in -> dense 6 -> join h 6\n}\n"
        + JOIN
        + "x -> twin -> add q -> dense 2",
        "a = x -> dense 6 -> tanh\nb = x -> dense 6\nc = a -> dense 6\n"
        "b -> dense 6 -> tanh -> add c -> add q -> dense 2",
    ),
    "first states": (
        STEPS,
        "def block read(h, c) { lstm 3 h=h c=c -> dense 4 }\nk = z -> embedding 3 -> gru 3 -> last_step\n"
        "x -> read h0 k -> read h=k c=h0 -> read k k -> dense 2",
        "k = z -> embedding 3 -> gru 3 -> last_step\nx -> lstm 3 h=h0 c=k -> dense 4 -> lstm 3 h=k c=h0 -> dense 4\n"
        "lstm 3 h=k c=k -> dense 4 -> dense 2",
    ),
    "ids": (
        STEPS,
        "def block look(text) {\n    e = text -> embedding 4\n    in -> attention e heads=2 bias=false -> add in\n}\n"
        "h = h0 -> repeat_like x\nx -> concat h -> dense 4 -> look z -> look z -> attention -> dense 2",
        "h = h0 -> repeat_like x\na = x -> concat h -> dense 4\ne = z -> embedding 4\n"
        "b = a -> attention e heads=2 bias=false -> add a\nf = z -> embedding 4\n"
        "b -> attention f heads=2 bias=false -> add b -> attention -> dense 2",
    ),
    "steps behind a prefix": (
        STEPS,
        "def block both(h, m) { bidirectional gru 3 h=h -> dense 4 -> attention m heads=2 bias=false }\n"
        "e = z -> embedding 2\nx -> both h0 e -> both h=h0 m=x -> dense 2",
        "e = z -> embedding 2\nx -> bidirectional gru 3 h=h0 -> dense 4 -> attention e heads=2 bias=false\n"
        "bidirectional gru 3 h=h0 -> dense 4 -> attention x heads=2 bias=false -> dense 2",
    ),
}


def net_of(name: str, which: int) -> Net:
    """The net of a row, with blocks or without."""
    fields, *texts = WRITTEN_OUT[name]
    return load_text(f"net small\n{fields}{texts[which]}\nloss mse\nupdater sgd\n")


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_values_mean_what_they_mean_written_out(name: str):
    net, plain = net_of(name, 0), net_of(name, 1)
    made, other, rng = module(net), module(plain), np.random.default_rng(2)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    order = dict(zip(net.weights, plain.weights, strict=True))
    q = {order[k]: v for k, v in p.items()}
    assert_close(made.predict(p, *inputs), other.predict(q, *inputs), EXACT)
    loss, grads = made.loss_and_grads(p, *inputs, *targets, **extras(made, net))
    expected, others = other.loss_and_grads(q, *inputs, *targets)
    assert_close(loss, expected, EXACT)
    for own, grad in grads.items():
        assert_close(grad, others[order[own]], EXACT, own)


def test_headings_call_values_as_the_use_does():
    """Also what a block hands on; where that is its own input, which has no name, the parameter has one."""
    blocks = "def block look(p, m) { attention p -> add m -> add in }\ndef block twice(k) { look k k -> look k in }\n"
    text = f"{LISTS.replace('[6]', '[T, 6]')}{blocks}h = x -> dense 6\nh -> look q x -> twice x -> globalmaxpool\n"
    net = load_text(f"net small\n{text}dense 2\nloss mse\nupdater sgd\n")
    titles = [layer.section.title for layer in net.layers]
    assert titles[1:4] == ["attention q", "add x", "add in"]
    assert titles[4:10] == ["attention x", "add x", "add in", "attention x", "add m", "add in"]


@pytest.mark.parametrize("name", ["in, and a parameter handed on", "first states", "steps behind a prefix"])
def test_gradients(name: str):
    assert gradients_of_weights(net_of(name, 0)) < 20


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_graphs(name: str):
    net = net_of(name, 0)
    made, rng = module(net), np.random.default_rng(2)
    inputs, _ = batch(net, rng)
    p = narrow(weights(made, net, rng, inputs))
    given = narrow(dict(zip([f.name for f in net.inputs], inputs, strict=True)))
    (found,) = run_onnx(to_onnx(net, p), given).values()
    assert_close(found, made.predict(p, *given.values()), SINGLE)
    check_steps(net, 2)


# Mistakes -------------------------------------------------------------------------------------------------------------


def said(chains: str) -> list[Diagnostic]:
    text = f"net small\n{LISTS}{chains}\ndense 2\nloss mse\nupdater sgd\n"
    return check(Source("spec.net", text))[1].ordered()


def where(diagnostic: Diagnostic) -> tuple[str, str, list[str]]:
    """The code of a diagnostic, and the texts of its place and its uses."""
    assert diagnostic.place is not None
    texts = [p.source.text[p.start : p.end] for p in (diagnostic.place, *diagnostic.uses)]
    return diagnostic.code, texts[0], texts[1:]


ADD = "def block b(m) { add m }\nx -> add q -> "
FAULTS: dict[str, tuple[str, list[Any]]] = {
    "a value for a number": (
        "def block b(n) { dense n }\nx -> add q -> b q",
        [("not-constant", "n", ["b q"])],
    ),
    "a value for a number, handed on": (
        "def block b(n) { dense (2*n) }\ndef block c(k) { b k }\nx -> add q -> c q",
        [("not-constant", "n", ["b k", "c q"])],
    ),
    "a value for true or false": (
        "def block b(n) { dense 6 bias=n }\nx -> add q -> b q",
        [("bad-option", "n", ["b q"])],
    ),
    "a value for an initializer": (
        "def block b(n) { dense 6 init=n }\nx -> add q -> b q",
        [("bad-option", "n", ["b q"])],
    ),
    "a value for a condition": (
        "def block b(n) { if n { relu } else { tanh } }\nx -> add q -> b q",
        [("not-constant", "n", ["b q"])],
    ),
    "a number for a value": (f"{ADD}b 3", [("unknown-name", "m", ["b 3"])]),
    "a number for a source": (
        "def block b(m) { m -> dense 6 }\nx -> add q -> b 3",
        [("unknown-name", "m", ["b 3"])],
    ),
    "arithmetic on a value": (f"{ADD}b (2*q)", [("not-constant", "q", [])]),
    "a list of values": (f"{ADD}b [q]", [("not-constant", "q", [])]),
    "nothing of that name": (f"{ADD}b foo", [("unknown-name", "foo", [])]),
    "a target": (f"{ADD}b y", [("unknown-name", "y", [])]),
    "a part": ("part g { dense 6 }\n" + ADD + "g -> b g", [("unknown-name", "g", [])]),
    "in outside of a block": (f"{ADD}b in", [("unknown-name", "in", [])]),
    "a value that is named below": (ADD + "b h\nh = q -> dense 6", [("unknown-name", "h", [])]),
    "a value of the net around": (
        "def block b(m) { add m }\ndef block c() { b h }\nh = q -> dense 6\nx -> c -> add h",
        [("unknown-name", "h", ["c"])],
    ),
    "a part takes no values": ("part g { dense 6 }\nx -> add q -> g q", [("too-many-options", "q", [])]),
    "nothing uses it": (
        "def block b(m, n) { dense n }\nx -> add q -> b q 6",
        [("unused", "m", [])],
    ),
    "nothing uses it, which is called like a word": (
        "def block b(tanh) { dense 6 -> tanh }\nx -> add q -> b q",
        [("unused", "tanh", ["b q"])],
    ),
    "nothing uses a constant": ("def block b(m, n=6) { dense 6 -> add m }\nx -> b q", [("unused", "n=6", [])]),
    "nothing uses in": (
        "def block b(m) { m -> dense 6 }\nx -> add q -> b q",
        [("unused", "b", ["b q"])],
    ),
    "nothing uses in of a block within another": (
        "def block b(m) { repeat 2 { m -> tanh } }\ndef block c(m) { relu -> b m }\nx -> add q -> c q",
        [("unused", "b", ["b m", "c q"])],
    ),
    "only the other branch uses in, so that an input is left behind": (
        "def block b(m, n) { if n { dense 6 } else { m -> dense 6 } }\nx -> add q -> b q false",
        [("unused", "x", [])],
    ),
    "in goes through": (
        "def block b(m, n) {\n    repeat n { dense 6 -> add m }\n}\nx -> add q -> b q 0",
        [],
    ),
    "only the other branch uses it": (
        "def block b(m) {\n    if false { add m }\n    dense 6\n}\nx -> add q -> b q",
        [],
    ),
    "its name is taken": (
        "def block b(m) {\n    m = dense 6\n    add m\n}\nx -> add q -> b q",
        [("duplicate-name", "m", ["b q"])],
    ),
    "its name is taken in an iteration": (
        "def block b(m) {\n    repeat 2 {\n        m = dense 6\n        add m\n    }\n}\nx -> add q -> b q",
        [("duplicate-name", "m", ["b q"])],
    ),
    "a name that no function could have": (
        "def block b(class) { add class }\nx -> b q",
        [("unsafe-name", "class", [])],
    ),
    "a shape that does not fit": (
        "def block b(m) { add m }\nh = q -> dense 4\nx -> b h",
        [("shape-mismatch", "add m", ["b h"])],
    ),
    "a value is no default": (
        "def block b(m=q) { add m }\nx -> add q -> b q",
        [("not-constant", "q", [])],
    ),
    "a value is at fault": (
        "def block b(m) { add m }\nh = q -> dens 6\nx -> b h",
        [("unknown-word", "dens", [])],
    ),
    "what is not run knows the parameter": (
        "def block b(m) {\n    m -> dense 6\n    add m\n}\nif false { b q }\nx -> add q",
        [],
    ),
    "a parameter like a constant of the file": (
        "let m = 2\ndef block b(m) { dense 6 -> add m }\nx -> add q -> b q -> dense m",
        [],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str):
    text, expected = FAULTS[name]
    assert [where(d) for d in said(text)] == expected


def test_a_page_has_no_function_that_nothing_calls():
    """A block that is used once is written where it stands; the second use of one makes it a function."""
    block = LISTS + "def block wide(m) { dense 6 -> tanh -> add m }\n"
    alone = load_text(f"net small\n{block}x -> wide q -> dense 2\nloss mse\nupdater sgd\n")
    again = load_text(f"net small\n{block}x -> wide q -> wide q -> dense 2\nloss mse\nupdater sgd\n")
    assert "named(" not in to_numpy(alone)
    assert to_numpy(again).count("def named(") == 1 and to_numpy(again).count("named(") > 1


def test_the_first_weights_of_a_block_fit_into_their_lines():
    """Names within the function of a block are longer than those of a use."""
    block = STEPS.replace("input z: token(5)[S] lengths=true\n", "") + "def block b(h, n) { gru n h=h -> rnn n h=h }\n"
    net = load_text(f"net small\n{block}x -> b h0 3 -> b h=h0 n=3 -> dense 2\nloss mse\nupdater adam\n")
    function = to_numpy(net).partition("def b_init(")[2].partition("\n\n\n")[0]
    assert "U2" in function and max(map(len, function.splitlines())) <= 88
