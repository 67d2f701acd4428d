"""The proof in every build: what it proves of the specs, what it catches, and what it admits that it cannot prove."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.cli import sampling
from netc.cli.differences import Ledger, Values
from netc.cli.proof import Proof, prove
from netc.cli.show_proof import render, summary
from netc.cli.slopes import MOVES, Point, Slope, check, groups
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import Net, load, load_text
from netc.runtime import trainer_of
from onnx import ModelProto, helper, numpy_helper

SPECS = sorted((Path(__file__).resolve().parent.parent / "specs").glob("*.net"))
SMALL = """
net small
input x: f32[5]
target kind: class("red", "green", "blue")
standardize -> dense 6 l2=1e-2 -> relu -> dropout 30% -> dense 4 -> tanh
dense 3 -> softmax
loss mcxent
updater nesterovs lr=cosine(0.1, epochs=10, warmup=2) momentum=0.9
train epochs=10 batch=12 seed=3
"""
YES_OR_NO = """
net judge
input x: unit[4]
target yes: binary
dense 5 -> tanh -> dense 2 frozen=true -> dense 1 -> sigmoid
loss xent
updater adam lr=1e-2
train epochs=10 batch=12 seed=3
"""


@dataclass(frozen=True)
class Built:
    """What `netc build` proves."""

    net: Net
    text: str
    model: Any
    step: Any
    weights: dict[str, Any]

    def prove(self) -> Proof:
        return prove(self.net, self.text, self.model, self.step, self.weights, False)


def build(net: Net) -> Built:
    text = to_numpy(net)
    weights = trainer_of(text, f"{net.name}.py").init(net.train["seed"])
    return Built(net, text, to_onnx(net, weights), to_step(net), weights)


def built(text: str) -> Built:
    return build(load_text(text))


def wrong(proof: Proof) -> set[str]:
    """The names of the values that differ."""
    return {name.split(",")[0] for name, _ in proof.differing}


SMALL_BUILT = built(SMALL)


# What is proven ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_is_proven_with_nothing_left_out(path: Path) -> None:
    made = build(load(path))
    proof = made.prove()
    assert (proof.differing, proof.unproven) == ([], [])
    named = {row.name for row in proof.rows}
    assert {o.name for o in made.net.outputs} | {"loss"} <= named
    assert {f"{name}.next" for name in made.net.trained} <= named
    assert {f"{name}.{m}.next" for name in made.net.trained for m in made.net.moments} <= named
    assert tuple(slope.name for slope in proof.slopes) == made.net.trained


def test_the_same_build_gives_the_same_proof_and_leaves_the_global_generator_alone() -> None:
    np.random.seed(1)
    first, second = SMALL_BUILT.prove(), SMALL_BUILT.prove()
    drawn = np.random.random()
    np.random.seed(1)
    assert drawn == np.random.random()
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)


def test_trained_weights_and_bytes_are_proven_as_well() -> None:
    rng = np.random.default_rng(0)
    weights = {n: np.asarray(w + 3 * rng.random(w.shape), np.float32) for n, w in SMALL_BUILT.weights.items()}
    model = to_onnx(SMALL_BUILT.net, weights, trained=True)
    step = SMALL_BUILT.step.SerializeToString()
    proof = prove(SMALL_BUILT.net, SMALL_BUILT.text, model.SerializeToString(), step, weights, True)
    assert proof.ok
    assert any(row.what == "prediction, trained weights" and row.ok for row in proof.rows)


def test_a_chain_of_a_hundred_layers_is_proven_in_time_and_shown_on_a_page() -> None:
    layers = "\n".join(["dense 32 -> relu"] * 100)
    proof = built(
        f"net deep\ninput x: f32[32]\ntarget y: class(10)\n{layers}\ndense 10 -> softmax\nloss mcxent\n"
        "updater adam lr=1e-3\ntrain epochs=5 batch=32 seed=1\n"
    ).prove()
    assert proof.ok and not proof.unproven
    assert len(proof.slopes) == 202 and all(slope.ok for slope in proof.slopes)
    assert proof.seconds < 15, "the whole build has 20 s"
    assert len(render(proof)) <= 30


def test_a_large_net_is_proven_on_fewer_examples_and_says_so() -> None:
    net = load_text(SMALL.replace("batch=12", "batch=500"))
    assert sampling.rows(net) == sampling.ROWS
    assert f"proven on {sampling.ROWS} of a batch's 500 examples" in build(net).prove().notes


def test_very_many_weights_share_directions() -> None:
    names = tuple(f"W{i}" for i in range(2000))
    shared = groups(names)
    assert tuple(name for group in shared for name in group) == names
    assert len(shared) * len(names) <= 60_000
    assert groups(names[:200]) == [(name,) for name in names[:200]]


# What is caught: the graphs -----------------------------------------------------------------------------------------

SWAPPED = {"Sub", "Div", "MatMul", "Greater", "GreaterOrEqual", "Less", "Where"}
REPLACED = {"Mul": "Add", "Add": "Sub", "Relu": "Identity", "Tanh": "Identity", "Log": "Identity", "Sqrt": "Identity"}


def mutants(graph: ModelProto) -> Iterator[tuple[str, ModelProto]]:
    """The graph with one node or one number wrong at a time."""
    for i, node in enumerate(graph.graph.node):
        named = f"{node.op_type} {', '.join(node.input)}"
        if node.op_type in SWAPPED and node.input[-1] != node.input[-2]:
            other = copy.deepcopy(graph)
            other.graph.node[i].input[-2:] = node.input[:-3:-1]
            yield f"swapped {named}", other
        if node.op_type in REPLACED:
            other = copy.deepcopy(graph)
            other.graph.node[i].op_type = REPLACED[node.op_type]
            yield f"replaced {named}", other
    for i, tensor in enumerate(graph.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind == "f":
            other = copy.deepcopy(graph)
            changed = np.asarray(np.where(values == 0, 0.05, values * 1.05), values.dtype)
            other.graph.initializer[i].CopyFrom(numpy_helper.from_array(changed, tensor.name))
            yield f"changed {tensor.name}", other


def caught(made: Built) -> bool:
    """Whether the proof says no, or the runtime refuses the graph."""
    from netc.runtime import Fault

    try:
        return not made.prove().ok
    except Fault:
        return True


def even(name: str, graph: ModelProto) -> bool:
    """Whether a mutant is a sign under a cosine, which is the same schedule."""
    outputs = {node.input[0]: node.output[0] for node in graph.graph.node if node.op_type == "Sub"}
    return name.startswith("swapped Sub epoch") and "epoch" in outputs


def test_no_wrong_node_or_number_of_the_step_graph_goes_unseen() -> None:
    made = [(name, graph) for name, graph in mutants(SMALL_BUILT.step) if not even(name, graph)]
    assert len(made) > 60
    assert [name for name, graph in made if not caught(replace(SMALL_BUILT, step=graph))] == []


def test_no_wrong_node_or_number_of_the_model_goes_unseen() -> None:
    for made in (SMALL_BUILT, built(YES_OR_NO)):
        assert [name for name, graph in mutants(made.model) if not caught(replace(made, model=graph))] == []


def test_a_stale_weight_is_named() -> None:
    stale = {**SMALL_BUILT.weights, "b2": np.full_like(SMALL_BUILT.weights["b2"], 1e-3)}
    model = to_onnx(SMALL_BUILT.net, stale)
    by_record = replace(SMALL_BUILT, model=model).prove()
    assert ("weights, in the model", "the model has another b2") in by_record.differing
    assert "kind" in wrong(by_record)
    assert wrong(replace(SMALL_BUILT, model=model.SerializeToString()).prove()) == {"kind"}


def test_labels_in_another_order_are_named() -> None:
    model = copy.deepcopy(SMALL_BUILT.model)
    (labels,) = [t for t in model.graph.initializer if t.string_data]
    labels.string_data[:] = [labels.string_data[i] for i in (1, 0, 2)]
    assert wrong(replace(SMALL_BUILT, model=model).prove()) == {"kind_label"}


def test_a_decision_at_another_threshold_is_named() -> None:
    made = built(YES_OR_NO)
    model = copy.deepcopy(made.model)
    (half,) = [t for t in model.graph.initializer if not t.dims]
    half.CopyFrom(numpy_helper.from_array(np.array(0.6, np.float32), half.name))
    assert wrong(replace(made, model=model).prove()) == {"yes_decision"}


def test_a_class_without_its_label_is_named() -> None:
    model = copy.deepcopy(SMALL_BUILT.model)
    (node,) = [n for n in model.graph.node if n.output[0] == "kind_label"]
    model.graph.node.remove(node)
    model.graph.output.pop()
    meta = json.loads(next(p.value for p in model.metadata_props if p.key == "netc"))
    meta["outputs"] = [o for o in meta["outputs"] if o["name"] != "kind_label"]
    helper.set_model_props(model, {"netc": json.dumps(meta)})
    assert wrong(replace(SMALL_BUILT, model=model).prove()) == {"kind"}


def test_state_that_goes_nowhere_is_named() -> None:
    step = copy.deepcopy(SMALL_BUILT.step)
    meta = json.loads(next(p.value for p in step.metadata_props if p.key == "netc"))
    meta["step"]["next"]["W1"], meta["step"]["next"]["b1"] = meta["step"]["next"]["b1"], meta["step"]["next"]["W1"]
    helper.set_model_props(step, {"netc": json.dumps(meta)})
    assert {"W1.next", "b1.next"} <= wrong(replace(SMALL_BUILT, step=step).prove())


# What is caught: the file -------------------------------------------------------------------------------------------


def gradient_lines(text: str) -> list[str]:
    body = text[text.index("    # back through the loss") : text.index("    return loss, {")]
    return re.findall(r"^    d\w+ = .*$", body, re.MULTILINE)


@pytest.mark.parametrize("change", ["-({})", "1.001 * ({})"])
def test_a_wrong_line_of_the_gradient_is_named_in_file_and_graph(change: str) -> None:
    lines = gradient_lines(SMALL_BUILT.text)
    assert len(lines) > 8
    for line in lines:
        left, _, right = line.partition(" = ")
        code, _, remark = right.partition("  #")
        text = SMALL_BUILT.text.replace(line, f"{left} = {change.format(code)}  #{remark}")
        proof = replace(SMALL_BUILT, text=text).prove()
        assert any(slope.status == "differs" for slope in proof.slopes), line
        if "-" in change:
            assert any(name.endswith(".next") for name in wrong(proof)), line


def edited(made: Built, old: str, new: str) -> Proof:
    assert made.text.count(old) == 1
    return replace(made, text=made.text.replace(old, new)).prove()


def test_a_file_that_leaves_float32_is_named() -> None:
    proof = edited(SMALL_BUILT, "        v = MOMENTUM * v + g", "        v = np.float64(MOMENTUM) * v + g")
    assert ("W1.v.next, moment", "the file gives float64 where it was given float32") in proof.differing


def test_a_frozen_weight_that_moves_is_named() -> None:
    made = built(YES_OR_NO)
    old = "        moments[f"
    assert made.text.count(old) == 1
    proof = replace(made, text=made.text.replace(old, '        p["W2"] = p["W2"] + 1e-3\n' + old)).prove()
    assert ("frozen, weights and state", "the file's update moves W2") in proof.differing


def test_weights_that_are_not_the_nets_are_named() -> None:
    fewer = {name: w for name, w in SMALL_BUILT.weights.items() if name != "extra"} | {"extra": np.zeros(2, np.float32)}
    proof = prove(SMALL_BUILT.net, SMALL_BUILT.text, SMALL_BUILT.model, SMALL_BUILT.step, fewer, False)
    assert ("weights, names and shapes", "init and the weights differ in extra") in proof.differing


# What is not proven -------------------------------------------------------------------------------------------------

DEAD = """
net dead
input x: f32[3]
target y: f32
dense 2 init=[[0, 0], [0, 0], [0, 0]] -> relu
dense 1 init=[[0], [0]]
loss mse
updater sgd lr=0.1
train epochs=5 batch=8 seed=1
"""


def test_a_dead_net_is_not_called_proven() -> None:
    proof = built(DEAD).prove()
    assert proof.unproven == [("y, prediction, first weights", "it is all zero")]
    assert summary(proof).endswith("1 not proven")


def test_a_step_too_small_for_float32_is_not_called_proven() -> None:
    proof = built(SMALL.replace("cosine(0.1, epochs=10, warmup=2)", "1e-12")).prove()
    reason = "it is, or moves by, less than float32 shows"
    assert {(name, reason) for name in ("W1.next, weight", "b3.next, weight")} <= set(proof.unproven)


@pytest.mark.parametrize(("norm", "reason"), [(1e6, "no gradient was large enough"), (1e-6, "every gradient was")])
def test_a_bound_that_is_only_seen_on_one_side_is_not_called_proven(norm: float, reason: str) -> None:
    proof = built(SMALL.replace("seed=3", f"seed=3 clip_norm={norm:f}")).prove()
    assert next(why for name, why in proof.unproven if name == "clip_norm, bound").startswith(reason)


def test_a_bound_on_the_gradients_is_seen_on_both_sides() -> None:
    proof = built(SMALL.replace("seed=3", "seed=3 clip_norm=1")).prove()
    assert proof.ok and not proof.unproven


@pytest.mark.parametrize(
    ("exact", "silent"),
    [
        (np.zeros((4, 3)), "it is all zero"),
        (np.full((4, 3), 0.5), "its elements are all equal"),
        (np.tile([0.2, 0.3, 0.5], (4, 1)), "it is the same for every example"),
        (np.array([[0.2, 0.8], [0.4, 0.6]]), ""),
    ],
)
def test_a_value_without_signal(exact: Any, silent: str) -> None:
    ledger = Ledger()
    single = exact.astype(np.float32)
    ledger.compare("y", "prediction", Values(single, single, exact), examples=True)
    (row,) = ledger.rows
    assert (row.status, row.reason) == (("not proven", silent) if silent else ("ok", ""))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_graph_that_gives_no_number_differs(value: float) -> None:
    exact = np.array([0.25, 0.5])
    ledger = Ledger()
    ledger.compare("y", "loss", Values(np.array([0.25, value], np.float32), exact.astype(np.float32), exact))
    assert ledger.rows[0].status == "differs"


# Kinks --------------------------------------------------------------------------------------------------------------


def checked(loss: Callable[[Any], float], gradient: Callable[[Any], Any], at: Callable[[int], Any]) -> Slope:
    """The check of one weight `w` under a loss, at the point after so many moves."""

    def point(moved: int) -> Point:
        w = np.asarray(at(moved), np.float64)
        return Point({"w": w}, lambda p: loss(p["w"]), loss(w), {"w": gradient(w)})

    return check(("w",), point, lambda key: np.random.default_rng(abs(hash(key)) % 2**32))


def relu_loss(w: Any) -> float:
    return float(np.maximum(w, 0).sum() + 0.3)


def relu_gradient(w: Any) -> Any:
    return (w > 0).astype(np.float64)


def absolute(w: Any) -> float:
    return float(np.abs(w).sum() + 0.3)


POINT = np.array([0.5, -0.7, 0.2])
AT_KINK = np.array([0.0, -0.7, 0.2])


def test_a_point_at_a_kink_is_moved_and_counted() -> None:
    slope = checked(relu_loss, relu_gradient, lambda moved: AT_KINK if moved < 2 else POINT)
    assert (slope.status, slope.moved) == ("ok", 6)


@pytest.mark.parametrize("share", [1e-3, 0.1, 0.3, 1 / 3, 0.5, 0.9])
def test_a_kink_anywhere_within_the_step_is_seen(share: float) -> None:
    near = np.array([share * 1e-5, -0.7, 0.2])[:1]
    slope = checked(relu_loss, relu_gradient, lambda moved: near if moved == 0 else POINT[:1])
    assert (slope.status, slope.moved) == ("ok", 3)


def test_agreement_at_a_kink_proves_nothing() -> None:
    # Central differences of |w| at 0 are 0, and so is sign(0): a gradient that is always 0 there would pass
    slope = checked(absolute, np.sign, lambda moved: np.zeros(3))
    assert (slope.status, slope.moved) == ("not proven", 3 * MOVES)


def test_a_wrong_gradient_is_no_kink() -> None:
    for factor in (-1.0, 0.0, 1.0001):
        slope = checked(lambda w: float(np.sin(w).sum() + 2), lambda w, f=factor: f * np.cos(w), lambda moved: POINT)
        assert (slope.status, slope.moved) == ("differs", 0)


def test_a_gradient_of_nothing_is_not_proven() -> None:
    slope = checked(lambda w: 2.0, np.zeros_like, lambda moved: POINT)
    assert (slope.status, slope.reason) == ("not proven", "its gradient is all zero")
    faint = checked(lambda w: 2.0 + 1e-9 * float(w.sum()), lambda w: np.full_like(w, 1e-9), lambda moved: POINT)
    assert faint.status == "not proven"


# What is fed --------------------------------------------------------------------------------------------------------


def test_examples_lie_in_their_domains_and_cover_the_classes() -> None:
    net = load_text(
        "net fields\ninput a: unit[3]\ninput b: positive[2]\ninput c: binary[4]\ninput d: f32\ntarget y: class(7)\n"
        "a -> concat b c d -> dense 7 -> softmax\nloss mcxent\nupdater sgd\ntrain epochs=1 batch=9\n"
    )
    batch = sampling.batch(net, 9, factor=100.0)
    a, b, c, d = batch.inputs
    assert a.min() >= 0 and a.max() <= 1 and len(np.unique(a)) > 20
    assert b.min() > 0
    assert set(np.unique(c)) == {0, 1}
    assert d.shape == (9, 1) and {array.dtype for array in batch.inputs} == {np.dtype(np.float32)}
    assert set(batch.targets[0]) == set(range(7)) and batch.targets[0].dtype == np.int64
    assert [len(sampling.batch(net, size)) for size in sampling.sizes(9)] == [1, 9, 3]


def test_clocks_are_in_the_middle_of_training_and_inside_the_warm_up() -> None:
    clocks = sampling.clocks(SMALL_BUILT.net)
    epochs = [clock.epoch for clock in clocks]
    assert min(epochs) == 0 and max(epochs) > 9
    assert any(0 < epoch < 2 and epoch % 1 for epoch in [*epochs, 0.5]) and any(4 < epoch < 7 for epoch in epochs)
    assert min(clock.step for clock in clocks) > 1


# What is told -------------------------------------------------------------------------------------------------------


def test_a_proof_is_json_and_fits_a_terminal() -> None:
    for made in (SMALL_BUILT, built(DEAD), built(YES_OR_NO)):
        proof = made.prove()
        told = json.loads(json.dumps(proof.to_json(), allow_nan=False))
        assert told["ok"] is True and told["proven"] == proof.proven
        assert len(told["values"]) == len(proof.rows) and len(told["gradients"]) == len(made.net.trained)
        assert all(len(line) <= 80 for line in render(proof))


def test_the_last_line_sums_up() -> None:
    proof = SMALL_BUILT.prove()
    assert re.fullmatch(
        rf"proved: {proof.proven} values, largest difference \d\.\de-\d\d \(limit 1e-05\), 0 not proven",
        render(proof)[-1],
    )
    stale = {**SMALL_BUILT.weights, "b2": np.full_like(SMALL_BUILT.weights["b2"], 1.0)}
    lines = render(replace(SMALL_BUILT, model=to_onnx(SMALL_BUILT.net, stale)).prove())
    assert lines[-1].startswith("NOT proved: 4 of ") and any("the model has another b2" in line for line in lines)
