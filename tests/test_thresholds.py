"""Thresholds: what decides on the page, in metrics and in the graph, and what a spec may not say of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, module, narrow, run_onnx, small
from netc.cli.proof import prove
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.dsl import Net, SpecError
from netc.runtime import Session

BINARY = {"chains": "dense 1 -> sigmoid", "target": "binary", "loss": "xent"}
COLUMNS = {"chains": "dense 3 -> sigmoid", "target": "binary[3]", "loss": "xent"}
TWO = {"chains": "dense 2 -> softmax", "target": 'class("no", "yes")', "loss": "mcxent"}
THREE = {"chains": "dense 3 -> softmax", "target": "class(3)", "loss": "mcxent"}
STEPS = {
    "chains": "repeat_vector 2 -> time_distributed dense 2 -> softmax",
    "target": 'class("no", "yes")[2]',
    "loss": "mcxent",
}
WITHIN = {"chains": "dense 2 -> softmax", "given": "f32[S, T, 6]", "target": "class(2)[S, T]", "loss": "mcxent"}
METRICS = ("accuracy", "f1", "gmeasure", "mcc", "kappa")
SPLIT = "train validation=25% epochs=6 batch=8 seed=3"


def net(parts: dict[str, str], threshold: str, metrics: str = "accuracy f1", more: str = SPLIT) -> Net:
    return small(**parts, updater="adam lr=0.05", more=f"threshold y {threshold}\nmetric {metrics}\n{more}")


def data(parts: dict[str, str], count: int = 60, seed: int = 5) -> tuple[Array, Array]:
    """Inputs, and a target that depends on them and on chance, with few ones."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 6)).astype(np.float32)
    columns = 3 if "3" in parts["target"] else 1
    y = (x[:, :columns] + 0.5 * rng.standard_normal((count, columns)) > 0.6).astype(np.float32)
    if parts["target"].startswith("class"):
        return x, (y.sum(axis=1) if columns > 1 else y[:, 0]).astype(np.int64) % 3
    return x, y


def probabilities(parts: dict[str, str], rng: np.random.Generator, count: int = 30) -> Array:
    """Predictions with ties."""
    raw = rng.integers(1, 20, (count, 2 if parts is TWO else 3 if "3" in parts["target"] else 1)) / 20
    return raw / raw.sum(axis=1, keepdims=True) if parts["target"].startswith("class") else raw


# Deciding -------------------------------------------------------------------------------------------------------------


def test_a_number_decides():
    made = module(net(BINARY, "0.3", more=""))
    assert made.THRESHOLD_Y == 0.3
    p, y = np.array([[0.2], [0.3], [0.31], [0.9]]), np.array([0.0, 0, 1, 1])
    assert made.metrics(p, y)["accuracy"] == 0.75, "at the threshold it is decided for 1"
    made.THRESHOLD_Y = 0.305
    assert made.metrics(p, y)["accuracy"] == 1, "it is a setting of the page"


def test_a_number_decides_for_the_second_of_two_classes():
    made = module(net(TWO, "30%", more=""))
    p, y = np.array([[0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]), np.array([0, 1, 1])
    assert made.metrics(p, y)["accuracy"] == made.metrics(p, y)["f1"] == 1


@pytest.mark.parametrize("parts", [BINARY, COLUMNS, TWO], ids=["one", "columns", "classes"])
def test_metrics_by_a_threshold_are_those_of_moved_probabilities(parts: dict[str, str]):
    rng = np.random.default_rng(1)
    p, y = probabilities(parts, rng), data(parts, 30)[1]
    found = module(net(parts, "0.35", " ".join(METRICS), more="")).metrics(p, y)
    ones = p[:, 1:] if parts is TWO else p
    decided = np.where(ones >= 0.35, 0.9, 0.1)
    decided = np.hstack([1 - decided, decided]) if parts is TWO else decided
    for name in METRICS:
        assert found[name] == pytest.approx(reference.METRICS[name](decided, y)), name


def test_costs_of_classes_decide():
    """By the least expected cost, from the definition; ties go to the first decision."""
    costs = [[0, 1, 4], [2, -1, 3], [6, 4, 0.5]]
    made = module(net(THREE, f"cost({costs})", "accuracy", more=""))
    assert costs == made.COSTS_Y
    p = np.random.default_rng(2).dirichlet((1, 1, 1), 200)
    expected = [[sum(row[t] * costs[t][d] for t in range(3)) for d in range(3)] for row in p.tolist()]
    chosen = np.array([row.index(min(row)) for row in expected])
    assert len(set(chosen)) == 3 and (chosen != p.argmax(axis=1)).any()
    assert made.metrics(p, chosen)["accuracy"] == 1
    even = module(net(THREE, "[[0, 1, 9], [1, 0, 9], [9, 9, 0]]", "accuracy", more=""))
    assert even.metrics(np.array([[0.5, 0.5, 0]]), np.array([0]))["accuracy"] == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cost(fp=1, fn=5)", 1 / 6),
        ("cost(2, 2)", 0.5),
        ("[[0, 1], [5, 0]]", 1 / 6),
        ("cost([[0, 1], [5, 0]])", 1 / 6),
        ("[[-1, 2], [1, 0]]", 3 / 4),
    ],
)
def test_costs_of_truth_values_come_to_a_threshold(text: str, value: float):
    """Elkan's: the least expected cost, from the definition, turns exactly there."""
    made = module(net(BINARY, text, more=""))
    assert pytest.approx(value, rel=1e-15) == made.THRESHOLD_Y
    of_classes = module(net(TWO, text, more=""))
    p = np.linspace(0.01, 0.99, 197)
    p = p[np.abs(p - value) > 1e-6]
    decided = (p >= value).astype(int)
    assert made.metrics(p[:, None], decided)["accuracy"] == 1
    assert of_classes.metrics(np.stack([1 - p, p], axis=1), decided)["accuracy"] == 1


def test_what_no_metric_decides_by_is_not_on_the_page():
    for parts, threshold in ((BINARY, "0.3"), (THREE, "[[0, 1, 1], [1, 0, 1], [5, 5, 0]]")):
        text = to_numpy(net(parts, threshold, "log_loss"))
        assert "THRESHOLD" not in text and "COSTS" not in text


# The graph ------------------------------------------------------------------------------------------------------------

RULES = [
    (BINARY, "0.3"),
    (COLUMNS, "0.6"),
    (TWO, "0.3"),
    (BINARY, "best(f1)"),
    (COLUMNS, "best(f1)"),
    (TWO, "best(mcc)"),
    (THREE, "[[0, 1, 4], [2, 0, 3], [9, 1, 0]]"),
    (BINARY, "cost(fp=1, fn=2)"),
    (TWO, "cost(fp=1, fn=2)"),
    (STEPS, "0.3"),
    (STEPS, "cost(fp=1, fn=2)"),
    (STEPS, "best(f1)"),
]


@pytest.mark.parametrize(("parts", "threshold"), RULES, ids=str)
@pytest.mark.parametrize("in_reference", [False, True])
def test_the_graph_decides_as_the_metrics_do(parts: dict[str, str], threshold: str, in_reference: bool):
    made_net = net(parts, threshold, "accuracy")
    made, rng = module(made_net), np.random.default_rng(4)
    p = {name: value + rng.uniform(-0.3, 0.3, value.shape).astype(np.float32) for name, value in made.init(1).items()}
    p |= {name: rng.uniform(0.2, 0.8, p[name].shape).astype(np.float32) for name in made_net.tuned}
    x = rng.standard_normal((200, 6)).astype(np.float32)
    found = run_onnx(to_onnx(made_net, p), {"x": x}, in_reference)
    decided = found["y_class"] if parts["target"].startswith("class") else found["y_decision"]
    assert decided.dtype == np.int64 and 0 < decided.mean() < decided.max()
    given = {f"threshold_{name}": p[f"threshold_{name}"] for name in ["y"] if made_net.tuned}
    assert made.metrics(made.predict(p, x), decided, **given)["accuracy"] == 1
    if parts is TWO:
        assert found["y_label"].tolist() == [["no", "yes"][k] for k in decided]


def test_the_metadata_tell_how_it_is_decided():
    def told(parts: dict[str, str], threshold: str) -> Any:
        made = net(parts, threshold)
        p = module(made).init(1)
        p |= {name: np.full_like(p[name], 0.25) for name in made.tuned}
        outputs = Session(serialized(to_onnx(made, p))).outputs
        (found,) = [o.threshold for o in outputs if o.role in ("class", "decision")]
        assert all(o.threshold is None for o in outputs if o.role not in ("class", "decision"))
        return found

    assert told(BINARY, "0.4") == {"kind": "fixed", "value": 0.4}
    assert told(COLUMNS, "best(kappa)") == {"kind": "tuned", "metric": "kappa", "value": [0.25] * 3}
    assert told(TWO, "[[0, 1], [3, 0]]") == {"kind": "costs", "value": [[0, 1], [3, 0]]}


@pytest.mark.parametrize(("parts", "threshold"), RULES, ids=str)
def test_the_proof_covers_decisions(parts: dict[str, str], threshold: str):
    """It holds, says so of every decision, and does not hold of a graph that decides otherwise."""
    made, plain = net(parts, threshold), small(**parts, updater="adam lr=0.05", more=SPLIT)
    text, p = to_numpy(made), module(made).init(1)
    proof = prove(made, text, to_onnx(made, p), to_step(made), p, False)
    assert proof.ok and not proof.unproven, (proof.differing, proof.unproven)
    wrong = prove(made, text, to_onnx(plain, p), None, p, False)
    assert any(name.startswith(("y_class", "y_decision")) for name, _ in wrong.differing), wrong.differing


# Faults ---------------------------------------------------------------------------------------------------------------

FAULTS = {
    "1.5": (BINARY, "bad-option", "a number between 0 and 1; 1.5 is not"),
    "0": (BINARY, "bad-option", "a number between 0 and 1; 0 is not"),
    "true": (BINARY, "bad-option", "a number between 0 and 1"),
    "unknown": (BINARY, "unknown-name", "unknown"),
    "best(f2)": (BINARY, "unknown-word", "f2 is not the name of a metric"),
    "best(precision)": (BINARY, "bad-option", "cannot be tuned by precision alone"),
    "best(roc_auc)": (BINARY, "bad-option", "cannot be tuned by roc_auc alone"),
    "best(f1, 2)": (BINARY, "bad-option", "this is 2 values"),
    "worst(f1)": (BINARY, "unknown-word", "worst is no way to set a threshold"),
    "cost(fp=1)": (BINARY, "missing-option", "cost needs fn"),
    "cost(fp=0, fn=1)": (BINARY, "bad-option", "fp of cost is a number above 0"),
    "cost(miss=1)": (BINARY, "unknown-option", "cost has no option miss"),
    "[[0, 1], [5, 0], [1, 1]]": (BINARY, "bad-option", "2 rows"),
    "[[0, 1, 2], [5, 0, 1]]": (BINARY, "bad-option", "2 rows"),
    "[1, 2]": (BINARY, "bad-option", "2 rows"),
    "[[0, 1], [0, 5]]": (BINARY, "bad-option", "row 2"),
    '[["a", 1], [5, 0]]': (BINARY, "bad-option", "2 rows"),
    "0.4": (THREE, "bad-option", "parts two classes, but y has 3"),
    "best(f1)": (THREE, "bad-option", "parts two classes, but y has 3"),
    "best(mcc)": (WITHIN, "bad-option", "tuned for examples or their steps, but y has steps within steps"),
    "cost(fp=2, fn=1)": (THREE, "bad-option", "parts two classes, but y has 3"),
    "0.5": ({"chains": "dense 2", "target": "f32[2]", "loss": "mse"}, "target-mismatch", "there is nothing to decide"),
    "0.6": ({"chains": "dense 1", "target": "binary", "loss": "mse"}, "domain-mismatch", "needs probabilities"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_refused(text: str):
    parts, code, words = FAULTS[text]
    with pytest.raises(SpecError) as raised:
        net(parts, text, "mae" if "f32" in parts["target"] else "log_loss" if code != "domain-mismatch" else "mae")
    (found,) = raised.value.diagnostics
    assert found.code == code and words in found.message, found
    assert found.place is not None and found.place.line in (7, 8)


def test_thresholds_of_what_is_not_there():
    for more, code in (
        ("threshold z 0.4", "unknown-name"),
        ("threshold y 0.4\nthreshold y 0.5", "duplicate-sentence"),
        ("threshold y best(f1)", "missing-validation"),
    ):
        with pytest.raises(SpecError) as raised:
            small(**BINARY, more=more)
        assert [d.code for d in raised.value.diagnostics] == [code]
    text = "h = dense 4 -> sigmoid\noutput h\noutput y_score = h -> dense 1 -> sigmoid"
    with pytest.raises(SpecError) as raised:
        small(text, target="binary", loss="xent(y_score, y)", more="threshold h 0.5")
    assert [d.code for d in raised.value.diagnostics] == ["target-mismatch"]


def test_thresholds_of_a_net_whose_chains_are_at_fault_are_not_doubted():
    with pytest.raises(SpecError) as raised:
        small("dens 1 -> sigmoid", target="binary", loss="xent", more="threshold y 0.4")
    assert [d.code for d in raised.value.diagnostics] == ["unknown-word"]


def test_names_step_aside():
    """Outputs, inputs and layers may be called what the threshold's array would be."""
    more = "threshold p best(f1)\nmetric f1(p, y)\ntrain validation=25%"
    text = "threshold_p = dense 4 -> tanh\noutput threshold_p\noutput p = threshold_p -> dense 1 -> sigmoid"
    made_net = small(text, target="binary", loss="xent(p, y)", more=more)
    made = module(made_net)
    assert made_net.tuned == ("threshold_p_",) and "threshold_p_" in made.init(1)
    x, y = data(BINARY)
    p = made.init(1)
    made.tune(p, [x], [y])
    assert "f1_p_y" in made.evaluate(p, [x], [y])
    run_onnx(to_onnx(made_net, p), narrow({"x": x}))


def test_an_exported_model_keeps_what_was_tuned():
    """A spec that is only exported asks for no rows held out; its threshold comes with the weights."""
    made = net(BINARY, "best(f1)", more="targets inference")
    p = module(made).init(1) | {"threshold_y": np.array([0.9], np.float32)}
    x = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
    found = run_onnx(to_onnx(made, p), {"x": x})
    np.testing.assert_array_equal(found["y_decision"], found["y"] >= np.float32(0.9))
