"""The words that a user defines: each kind beside the built-in word of the same formula, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from harness import assert_close, module, narrow, run_onnx, small, spec
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net, Source, SpecError, check, load, load_text
from netc.dsl.diagnostics import Diagnostic, render
from test_gradients import gradients_of_weights
from test_words import EXACT, SINGLE, check_steps, data

DOCS = Path(__file__).parent.parent / "docs" / "language.md"

# Definitions, and nets that use them beside the same nets of built-in words.
PAIRS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "an activation": (
        "def activation own(x) = x * tanh(softplus(x))",
        {"chains": "dense 4 -> own\ndense 2"},
        {"chains": "dense 4 -> mish\ndense 2"},
    ),
    "an activation with an option": (
        "def activation own(x, slope=0.01) = where(x > 0, x, slope * x)",
        {"chains": "dense 4 -> own 0.3 -> own\ndense 2"},
        {"chains": "dense 4 -> leakyrelu 0.3 -> leakyrelu\ndense 2"},
    ),
    "an activation of activations": (
        "def activation own(x) = half(relu(x)) + half(relu(x))\ndef activation half(x, by=2) = x / by",
        {"chains": "dense 4 -> own\ndense 2"},
        {"chains": "dense 4 -> relu\ndense 2"},
    ),
    "a loss": (
        "def loss own(p, y) = mean((p - y)^2)",
        {"chains": "dense 4 -> tanh\ndense 2", "loss": "own"},
        {"chains": "dense 4 -> tanh\ndense 2", "loss": "mse"},
    ),
    "a loss with an option": (
        "def loss own(p, y, delta=1.0) ="
        " mean(where(abs(p - y) < delta, 0.5 * (p - y)^2, delta * (abs(p - y) - 0.5 * delta)))",
        {"chains": "p = dense 4 -> tanh -> dense 2", "loss": "0.5 * own(p, y, delta=0.5) + mae(p, y)"},
        {"chains": "p = dense 4 -> tanh -> dense 2", "loss": "0.5 * huber(p, y, delta=0.5) + mae(p, y)"},
    ),
    "a loss of classes": (
        "def loss own(p, y) = -sum(y * log(p))",
        {"chains": "dense 4 -> tanh -> dense 3 -> softmax", "loss": "own", "target": "class(3)"},
        {"chains": "dense 4 -> tanh -> dense 3 -> softmax", "loss": "mcxent", "target": "class(3)"},
    ),
    "a loss of truth values": (
        "def loss own(p, y) = -mean(y * log(p) + (1 - y) * log(1 - p))",
        {"chains": "dense 4 -> tanh -> dense 2 -> sigmoid", "loss": "own", "target": "binary[2]"},
        {"chains": "dense 4 -> tanh -> dense 2 -> sigmoid", "loss": "xent", "target": "binary[2]"},
    ),
    "a layer": (
        "def layer own(units, bias=true) {\n    weight W: [in.features, units] init=xavier\n    if bias {\n"
        "        weight b: [units]\n        return in @ W + b\n    }\n    return in @ W\n}",
        {"chains": "own 4 l2=0.1 -> tanh -> own 4 bias=false frozen=true\nown 2 name=last bias_l2=0.2"},
        {"chains": "dense 4 l2=0.1 -> tanh -> dense 4 bias=false frozen=true\ndense 2 name=last bias_l2=0.2"},
    ),
    "a layer whose weights have options": (
        "def layer own(units, init=normal(0, 0.1), decay=0.2) {\n"
        "    weight W: [in.features, units] init=init l2=decay\n"
        "    weight b: [units] init=ones l2=(decay / 2)\n    return in @ W + b\n}",
        {"chains": "own 4 -> tanh -> own 4 init=he decay=0.3\ndense 2"},
        {
            "chains": "dense 4 init=normal(0, 0.1) bias_init=ones l2=0.2 bias_l2=0.1 -> tanh"
            " -> dense 4 init=he bias_init=ones l2=0.3 bias_l2=0.15\ndense 2"
        },
    ),
    "an initializer": (
        "def init own(gain=1) = gain * sqrt(2 / (fan_in + fan_out)) * normal()",
        {"chains": "dense 4 init=own(2) -> tanh\ndense 2 init=own"},
        {"chains": "dense 4 init=normal(0, 2 * (2 / 10)^0.5) -> tanh\ndense 2 init=xavier"},
    ),
    "a schedule": (
        "def schedule own(rate, every, factor=0.1) = rate * factor^floor(t / every)",
        {"chains": "dense 2", "updater": "sgd lr=own(0.1, 2, factor=0.5)"},
        {"chains": "dense 2", "updater": "sgd lr=step(0.1, 2, factor=0.5)"},
    ),
    "a schedule by steps": (
        "def schedule own(rate, every, factor=0.1) = rate * factor^floor(step / every)",
        {"chains": "dense 2", "updater": "sgd lr=own(0.1, 2, factor=0.5)"},
        {"chains": "dense 2", "updater": "sgd lr=step(0.1, 2, factor=0.5, per=step)"},
    ),
    "a schedule of epochs, by choices": (
        "def schedule own(rate) = rate * where(epoch < 1, 1, 0.5) * (epoch >= 0 or step < 3)",
        {"chains": "dense 2", "updater": "sgd lr=own(0.1)"},
        {"chains": "dense 2", "updater": "sgd lr=map([0, 1], [0.1, 0.05])"},
    ),
    "an updater": (
        "def updater own(lr=1e-4, beta1=0.9, beta2=0.99) {\n    state m = zeros\n"
        "    w = w - lr * sign(beta1 * m + (1 - beta1) * g)\n    m = beta2 * m + (1 - beta2) * g\n}",
        {"chains": "dense 4 -> tanh\ndense 2", "updater": "own lr=cosine(1e-2, epochs=4) beta1=0.8"},
        {"chains": "dense 4 -> tanh\ndense 2", "updater": "lion lr=cosine(1e-2, epochs=4) beta1=0.8"},
    ),
    "an updater with bias corrections": (
        "def updater own(lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8) {\n    state m = zeros\n    state v = zeros\n"
        "    m = beta1 * m + (1 - beta1) * g\n    v = beta2 * v + (1 - beta2) * g^2\n"
        "    step = lr / (1 - beta1^t)\n    w = w - step * m / (sqrt(v / (1 - beta2^t)) + eps)\n}",
        {"chains": "dense 4 -> tanh\ndense 2", "updater": "own lr=0.01"},
        {"chains": "dense 4 -> tanh\ndense 2", "updater": "adam lr=0.01"},
    ),
    "an updater with a flag and a number that decide": (
        "def updater own(lr=0.1, momentum=0.9, nesterov=false) {\n    state v = zeros\n    v = momentum * v + g\n"
        "    if nesterov and momentum > 0 {\n        w = w - lr * (g + momentum * v)\n"
        "    } else {\n        w = w - lr * v\n    }\n}",
        {"chains": "dense 4 -> tanh\ndense 2", "updater": "own nesterov=true"},
        {"chains": "dense 4 -> tanh\ndense 2", "updater": "nesterovs"},
    ),
}


def pair(name: str) -> tuple[Net, Net]:
    definition, mine, theirs = PAIRS[name]
    return small(f"{definition}\n{mine['chains']}", **{k: v for k, v in mine.items() if k != "chains"}), small(**theirs)


@pytest.mark.parametrize("name", PAIRS)
def test_same_as_the_vocabulary(name: str):
    """The same weights, losses, gradients and ten steps, to the last digits of float64."""
    nets = pair(name)
    (mine, p, inputs, targets), (theirs, q, *_) = (data(net) for net in nets)
    # A layer whose l1 or l2 is its weights' own is what differs in text, not in what it computes.
    assert {k: v.shape for k, v in p.items()} == {k: v.shape for k, v in q.items()}
    for key in p:
        assert_close(p[key], q[key], 1e-7, key)
    p = dict(q)
    found, exact = mine.loss_and_grads(p, *inputs, *targets), theirs.loss_and_grads(q, *inputs, *targets)
    assert_close(found[0], exact[0], EXACT, "loss")
    for key in exact[1]:
        assert_close(found[1][key], exact[1][key], EXACT, key)
    moments, others = mine.init_updater(p), theirs.init_updater(q)
    for step in range(1, 11):
        mine.update(p, moments, mine.loss_and_grads(p, *inputs, *targets)[1], step, step / 4)
        theirs.update(q, others, theirs.loss_and_grads(q, *inputs, *targets)[1], step, step / 4)
        for key in p:
            assert_close(p[key], q[key], 1e-11, f"{key} after step {step}")


@pytest.mark.parametrize("name", PAIRS)
def test_everywhere(name: str):
    """The file, the graphs and the slopes agree as they do for the vocabulary's words."""
    net, _ = pair(name)
    made, p, (x,), _ = data(net)
    given = {"x": x.astype(np.float32)}
    printed = made.predict(narrow(p), given["x"])
    for reference_runtime in (False, True):
        found = run_onnx(to_onnx(net, p), given, reference_runtime)[net.outputs[0].name]
        assert_close(found, printed, SINGLE, name)
    check_steps(net, 5, name)
    gradients_of_weights(net)


UPDATERS = {
    "choices": "w = w - lr * g * where(t < 3, 1, 2) * where(g > 0, 1, 2) * (t > 0) + lr * (g > 1)",
    "norms": "w = w - lr * g * norm(w) / (norm(g) + mean(abs(g)) + max(abs(w)) - min(w))",
    "states": "state a = ones\n    state b = 0.5\n    a = a + abs(g)\n    b = b * a\n"
    "    w = w - lr * g / a - b * epoch",
    "an alias": "state m = zeros\n    d = g - m\n    m = g\n    w = w - lr * d",
    "own functions": "w = w - lr * soft(g) * soft(2)",
    "functions of single numbers": "a = softplus(sign(t)) * clip(t, 0, 2) * relu(epoch - 1) * sqrt(t) * (t > 1)\n"
    "    w = w - lr * a * g",
    "functions of arrays": "w = w - lr * erf(g) * sigmoid(w)",
}


@pytest.mark.parametrize("name", UPDATERS)
def test_updaters_run_in_all_engines(name: str):
    text = f"def updater own(lr=0.1) {{\n    {UPDATERS[name]}\n}}\ndef activation soft(x) = x / (1 + abs(x))"
    check_steps(small(f"{text}\ndense 4 -> soft\ndense 2", updater="own"), 6, name)


def test_first_values_of_a_state():
    text = "def updater own(lr=0.1) {\n    state a = ones\n    state b = 0.5\n"
    text += "    a = a * b\n    b = b + a\n    w = w - lr * g * a\n}"
    made = module(small(f"{text}\ndense 2", updater="own"))
    p = made.init(0)
    moments = made.init_updater(p)
    assert np.all(moments["W1.a"] == 1) and np.all(moments["W1.b"] == 0.5) and moments["b1.b"].shape == (2,)
    grads = {k: np.ones_like(v) for k, v in p.items()}
    before = p["W1"].copy()
    made.update(p, moments, grads, 1, 0.0)
    assert_close(before - p["W1"], np.full_like(before, 0.05), 1e-6)
    assert np.all(moments["W1.a"] == 0.5) and np.all(moments["W1.b"] == 1)


# The samples of the language's page -----------------------------------------------------------------------------------


def library() -> str:
    found = re.findall(r"```\n(# a library: new words, in the language\n.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert len(found) == 1
    return found[0]


def test_the_library_of_the_page(tmp_path: Path):
    chains = "dense 8 -> mish -> bilinear 4 l2=0.1 -> bilinear 3 bias=false name=two -> dense 2"
    net = small(f"{library()}{chains}", loss="huber delta=0.5", updater="lion lr=1e-3")
    assert list(net.weights) == ["W1", "b1", "W2", "V2", "b2", "W_two", "V_two", "W4", "b4"]
    check_steps(net, 3)
    gradients_of_weights(net)
    page = to_numpy(net)
    assert "h1 = z1 * np.tanh(np.logaddexp(z1, 0))" in page and "# 2  bilinear 4 l2=0.1\n" in page
    (tmp_path / "common.net").write_text(library(), "utf-8")
    spec_file = tmp_path / "a.net"
    spec_file.write_text(
        spec(f'import "common.net"\n{chains}', loss="huber delta=0.5", updater="lion lr=1e-3"), "utf-8"
    )
    assert list(load(spec_file).weights) == list(net.weights)


# Names ----------------------------------------------------------------------------------------------------------------


VALUE = "value = dense 4 -> own\noutput value\nvalue -> dense 2"


def diagnostics(text: str) -> list[Diagnostic]:
    return check(Source("spec.net", text))[1].ordered()


def codes(text: str) -> list[str]:
    return [d.code for d in diagnostics(text)]


def test_a_user_s_word_wins_with_a_warning():
    net_text = spec("def activation relu(x) = 2 * x\nvalue = dense 4 -> relu\noutput value\nvalue -> dense 2")
    assert codes(net_text) == ["hidden-word"]
    made, p, (x,), _ = data(load_text(net_text))
    assert_close(made.predict(p, x), 2 * (x @ p["W1"] + p["b1"]), EXACT)
    hides = spec("def activation dense(x) = 3 * x\ndense -> flatten")
    assert codes(hides).count("hidden-word") == 1
    inner = "def activation tanh(x) = x / 2\ndef activation own(x) = tanh(x)"
    made, p, (x,), _ = data(small(f"{inner}\n{VALUE}"))
    assert_close(made.predict(p, x), 0.5 * (x @ p["W1"] + p["b1"]), EXACT)


def test_constants_are_those_of_the_place_of_the_definition():
    text = "let k = 3\ndef activation own(x, k2=k * 2) = x * k + k2"
    made, p, (x,), _ = data(small(f"{text}\n{VALUE}"))
    assert_close(made.predict(p, x), 3 * (x @ p["W1"] + p["b1"]) + 6, EXACT)
    hidden = "let k = 3\ndef activation own(x, k=1, pi=2) = x * k * pi"
    made, p, (x,), _ = data(small(f"{hidden}\n{VALUE.replace('own', 'own 5')}"))
    assert_close(made.predict(p, x), 10 * (x @ p["W1"] + p["b1"]), EXACT)


def test_the_manual_is_the_doc_comment():
    net_text = spec("## Doubles.\ndef activation own(x) = 2 * x\ndense 4 -> own\ndense 2")
    from netc.dsl.diagnostics import Report
    from netc.dsl.parse import parse
    from netc.dsl.resolve import resolve
    from netc.dsl.source import Place

    source, report = Source("spec.net", net_text), Report()
    found = resolve(parse(source), {}, None, report, Place(source, 0, 0))
    word = found.scope.find("activation", "own")
    assert word is not None and word.doc == "Doubles." and word.options == {}


def test_each_use_in_a_part_and_a_block_has_its_weights():
    layer = "def layer own(units) {\n    weight U: [in.features, units]\n    return in @ U\n}"
    text = f"{layer}\npart twice {{ own 6 }}\ndef block b(k) {{ own k -> tanh }}\ntwice -> twice -> b 5 -> b 4 -> own 2"
    assert sorted(small(text).weights) == sorted(["U1", "b1_U1", "b2_U1", "twice_U1"])


# What is refused ------------------------------------------------------------------------------------------------------

LONG = " + ".join(["x"] * 60)
HOSTILE = {
    "a definition that uses itself": ("def activation own(x) = own(x) + 1", "recursion"),
    "definitions in a circle": (
        "def activation own(x) = b(x)\ndef activation b(x) = c(x)\ndef activation c(x) = own(x)",
        "recursion",
    ),
    "doubling without end": (
        "def activation own(x) = a12(x)\n"
        + "\n".join(f"def activation a{i}(x) = a{i - 1}(x) + a{i - 1}(x)" for i in range(1, 13))
        + "\ndef activation a0(x) = x + 1",
        "too-large",
    ),
    "a long chain of definitions": (
        "def activation own(x) = a999(x)\n"
        + "\n".join(f"def activation a{i}(x) = a{i - 1}(x)" for i in range(1, 1000))
        + "\ndef activation a0(x) = x",
        "too-deep",
    ),
    "deep formulas in one another": (
        f"def activation own(x) = {'-' * 70}a(x)\n"
        f"def activation a(x) = {'-' * 70}b(x)\ndef activation b(x) = {'-' * 70}x",
        "too-deep",
    ),
    "a value that outgrows the memory": (
        "def layer own() {\n    weight a: [30000]\n    weight b: [30000, 1]\n    return in + mean(a * b)\n}",
        "too-large",
    ),
    "numbers that outgrow floats": ("def activation own(x) = x + 9^9^9^9", "bad-constant"),
    "a huge whole number": ("def activation own(x) = x * 2^60 * 3", "bad-constant"),
    "many parameters": (
        f"def activation own(x, {', '.join(f'a{i}=1' for i in range(400))}) = x",
        "unused",
    ),
    "functions of nothing": ("def activation own(x) = mean() + x", "bad-formula"),
    "too many values": (f"def activation own(x) = max({', '.join(['x'] * 200)})", "bad-formula"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_definitions(name: str):
    definitions, code = HOSTILE[name]
    found = diagnostics(spec(f"{definitions}\ndense 4 -> own\ndense 2"))
    assert {d.code for d in found} == {code}
    assert all(render(d) and d.place is not None for d in found)


TOLD = {
    "def loss own(p, y) = mean(abs(p))": "the target, which every loss is given: where it does not count, add 0 * y",
    "def metric own(p, y) = mean(y)": "the prediction, which every metric is given: where it does not count, add 0 * p",
    "def activation own(x, k=1) = x": "use it in a formula, or take it away",
    "def layer own(n) {\n    weight W: [n, in.features]\n    return in @ W.T\n}": "a matrix is turned by transpose(W)",
}


@pytest.mark.parametrize("definition", TOLD)
def test_what_helps_with_a_definition(definition: str):
    (found,) = diagnostics(spec(f"{definition}\ndense 2"))
    assert found.help and found.help.removeprefix("it is ") == TOLD[definition]


NUMBERS = {
    "a division by what may be 0": ("rate / epoch", "domain-mismatch"),
    "a negative power of what may be 0": ("rate * epoch^-1", "domain-mismatch"),
    "what no graph computes in float64": ("rate * erf(t)", "bad-formula"),
    "an activation of the net": ("rate * selu(t)", "bad-formula"),
    "a number that grows beyond all": ("rate * exp(1000 * t)", "bad-option"),
    "a negative rate": ("rate - t", "bad-option"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_refused_in_a_schedule(name: str):
    """Python would stop where a graph goes on with infinity, and the two engines would differ."""
    formula, code = NUMBERS[name]
    assert codes(spec(f"def schedule own(rate) = {formula}\ndense 2", updater="sgd lr=own(0.1)")) == [code]


def test_a_fault_is_told_once_at_the_definition():
    """However often it is used, and also where it is not used at all; what uses it is not to blame."""
    bad = "def activation own(x) = tnh(x)"
    for chains in ("dense 4 -> own -> own\ndense 2 -> own", "dense 2"):
        (found,) = diagnostics(spec(f"{bad}\n{chains}"))
        assert found.code == "unknown-word" and found.help == "did you mean tanh?" and not found.uses


def test_a_fault_of_a_use_lies_in_the_definition_and_names_the_use():
    text = spec(
        "def activation own(x) = inner(2 * x)\ndef activation inner(x) = log(x)\ndense 4 -> own -> own\ndense 2"
    )
    (found,) = diagnostics(text)
    assert found.code == "domain-mismatch" and found.place is not None and found.place.line == 5
    assert [use.line for use in found.uses] == [4, 6]


def test_domains_follow_the_formula():
    """A user's own sigmoid and softmax are known to give what the losses need; a bare value is refused."""
    own = "def activation own(x) = 1 / (1 + exp(-x))"
    assert small(f"{own}\ndense 2 -> own", target="binary[2]", loss="xent")
    with pytest.raises(SpecError, match="xent needs values"):
        small("def activation own(x) = 2 * sigmoid(x)\ndense 2 -> own", target="binary[2]", loss="xent")
    assert small("def activation own(x) = softmax(x / 2)\ndense 3 -> own", target="class(3)", loss="mcxent")


def test_one_number_an_example_is_one_feature():
    net = small("def activation total(x) = sum(x)\nvalue = dense 4 -> total\noutput value\nvalue -> dense 2")
    made, p, (x,), _ = data(net)
    assert net.outputs[0].type.shape == ("N", 1)
    assert_close(made.predict(p, x), (x @ p["W1"] + p["b1"]).sum(axis=1, keepdims=True), EXACT)


def test_settings_step_aside():
    """Options of an updater whose names are the page's own."""
    text = "def updater own(lr=0.1, seed=2, epochs=3, name=1) {\n    w = w - lr * g * seed * epochs * name\n}"
    made = module(small(f"{text}\ndense 2", updater="own seed=5"))
    assert made.SEED == 1 and made.EPOCHS == 10 and made.NAME == "small"
    p = {k: np.zeros_like(v) for k, v in made.init(0).items()}
    made.update(p, {}, {k: np.ones_like(v) for k, v in p.items()}, 1, 0.0)
    assert_close(p["W1"], np.full_like(p["W1"], -1.5), 1e-6)
