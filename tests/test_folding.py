"""`--fold`: batchnorm in the weights before it, in the inference graph alone, and what is not folded and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, batch, module, narrow, run_onnx, small, spec
from netc.cli.proof import prove
from netc.codegen import fold_norms, to_numpy, to_onnx, to_step
from netc.codegen.norm_folding import Folded
from netc.dsl import Net, load, load_text
from onnx import ModelProto, numpy_helper
from onnx import load as load_model
from road import SPECS, netc
from uses import SINGLE

# What stands before a norm, by the values that it takes: features, and images of one to three axes.
BEFORE = {
    "[12]": ["dense 4", "dense 4 bias=false"],
    "[4, 3]": ["conv 6 2 groups=2", "deconv 4 2 groups=2 bias=false", "locally_connected 2 2"],
    "[2, 3, 2]": [
        "conv 4 2x2",
        "conv 4 2x2 groups=2 bias=false",
        "deconv 4 2x2 groups=2 stride=2",
        "depthwise 2x2 multiplier=2 bias=false",
        "separable 3 2x2",
    ],
    "[2, 1, 3, 2]": ["conv 3 1x2x2 pad=same bias=false", "deconv 3 1x2x2"],
}
NORMS = ["batchnorm", "batchnorm scale=false eps=0.1", "batchnorm shift=false", "batchnorm frozen=true name=still"]
CASES = [(shape, word, NORMS[k % 4]) for shape, words in BEFORE.items() for k, word in enumerate([*words, *words[:2]])]


def drawn(net: Net, seed: int = 1) -> tuple[Any, dict[str, Array]]:
    """The module of a net, and random weights and statistics."""
    made, rng = module(net), np.random.default_rng(seed)
    return made, {
        name: (rng.uniform(0.2, 2, a.shape) if "var" in name else rng.normal(size=a.shape)).astype(np.float32)
        for name, a in made.init(1).items()
    }


def folded(net: Net, p: dict[str, Array]) -> tuple[Folded, ModelProto, dict[str, Array]]:
    """What was folded, the model, and the arrays that it holds."""
    found = fold_norms(net)
    model = to_onnx(net, p, folded=found)
    return found, model, {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def operators(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(("shape", "word", "norm"), CASES)
def test_the_folded_graph_says_what_the_file_says(shape: str, word: str, norm: str):
    net = small(
        f"value = x -> reshape {shape} -> {word} -> {norm}\noutput value\nvalue -> flatten -> dense 2", given="f32[12]"
    )
    made, p = drawn(net)
    _, model, held = folded(net, p)
    local = word.startswith("locally")
    assert ("BatchNormalization" in operators(model)) == local
    assert local or not {n for n in held if n.startswith(("gamma", "beta", "mean", "var"))}
    x = narrow({"x": batch(net, np.random.default_rng(2))[0][0]})
    for reference in (False, True):
        assert_close(run_onnx(model, x, reference)["value"], made.predict(p, x["x"]), SINGLE, word)


def test_of_a_resnet_nothing_of_its_norms_is_left():
    net = load(SPECS / "architectures" / "resnet8.net")
    p = {name: np.ones(info.shape, np.float32) for name, info in (*net.weights.items(), *net.states.items())}
    found, model, held = folded(net, p)
    assert found.notes == ("10 of 10 uses of batchnorm are folded",)
    assert set(operators(model)) == {"Conv", "Relu", "Add", "ReduceMean", "MatMul", "Softmax", "ArgMax"}
    assert operators(model).count("Add") == 4 and {name.split("_")[-1][0] for name in held if name[-1].isdigit()} == {
        "W",
        "b",
    }


def test_the_arrays_are_those_of_the_formula():
    net = small("conv 4 2x2 groups=2 bias=false -> batchnorm eps=0.5\nflatten -> dense 2", given="f32[2, 3, 3]")
    _, p = drawn(net)
    found, model, held = folded(net, p)
    factors = p["gamma2"] / np.sqrt(p["var2"] + 0.5)
    assert_close(held["W1"], p["W1"] * factors[:, None, None, None], SINGLE)
    assert_close(held["b1"], p["beta2"] - p["mean2"] * factors, SINGLE)
    assert np.array_equal(held["W3"], p["W3"]) and held.keys() >= {"W1", "b1", "W3", "b3"}
    assert found.notes == ("1 of 1 uses of batchnorm are folded",)
    meta = json.loads(next(m.value for m in model.metadata_props if m.key == "netc"))
    assert meta["folded"] == ["W1", "b1"]


def test_a_new_bias_is_called_as_the_layer_would_call_it_and_the_users_names_win():
    block = "def block unit(n) { in -> dense n bias=false name=mix -> batchnorm }"
    net = load_text(spec(f"{block}\nunit 3 -> dense 2 bias=false -> batchnorm").replace("input x", "input b1"))
    _, _, held = folded(net, drawn(net)[1])
    assert held.keys() == {"unit1_W_mix", "unit1_b_mix", "W1", "b1_"}


# What is not folded ---------------------------------------------------------------------------------------------------

KEPT = {
    "dense 4 -> relu -> batchnorm -> dense 2": "no conv, deconv, depthwise, separable or dense stands right before it",
    "z = dense 4\na = z -> batchnorm\na -> add z -> dense 2": "what it normalises is read elsewhere too",
    "part p { dense 6 }\np -> batchnorm -> p -> relu -> dense 2": "the weights before it are read elsewhere too",
    "part p { dense 6 }\np -> batchnorm -> p -> batchnorm -> dense 2": "the weights before it are read elsewhere too",
    "batchnorm -> dense 2": "no conv, deconv, depthwise, separable or dense stands right before it",
}


@pytest.mark.parametrize("chains", KEPT)
def test_what_cannot_be_folded_stays_and_is_told(chains: str):
    net = small(chains)
    made, p = drawn(net)
    found, model, held = folded(net, p)
    line = 3 + max(k for k, text in enumerate(chains.split("\n"), 1) if "batchnorm" in text)
    assert found.notes == (
        f"0 of {chains.count('batchnorm')} uses of batchnorm are folded",
        f"the batchnorm of line {line} is not folded: {KEPT[chains]}",
    )
    assert all(np.array_equal(held[name], p[name]) for name in p)
    x = narrow({"x": batch(net, np.random.default_rng(2))[0][0]})
    assert_close(run_onnx(model, x)["y"], made.predict(p, x["x"]), SINGLE)


def test_a_part_that_holds_both_is_folded_once_for_all_its_uses():
    net = small("part p { dense 6 -> batchnorm -> tanh }\np -> p -> dense 2")
    made, p = drawn(net)
    found, model, held = folded(net, p)
    assert found.notes == ("2 of 2 uses of batchnorm are folded",) and "p_gamma2" not in held
    x = narrow({"x": batch(net, np.random.default_rng(2))[0][0]})
    assert_close(run_onnx(model, x)["y"], made.predict(p, x["x"]), SINGLE)


def test_without_any_batchnorm_there_is_nothing_to_fold():
    net = small("dense 2")
    p = drawn(net)[1]
    found, model, _ = folded(net, p)
    assert found.notes == ("nothing to fold: the net has no batchnorm",)
    assert operators(model) == operators(to_onnx(net, p))


# The proof and the commands -------------------------------------------------------------------------------------------

TEXT = spec(
    "conv 4 2x2 bias=false -> batchnorm -> relu -> flatten -> dense 2", given="f32[1, 3, 3]", more="train batch=6"
)


def test_the_proof_runs_the_folded_graph():
    net = small("conv 4 2x2 bias=false -> batchnorm -> relu -> flatten -> dense 2", given="f32[1, 3, 3]")
    p = module(net).init(1)
    found, model, _ = folded(net, p)
    text, step = to_numpy(net), to_step(net)
    proof = prove(net, text, model, step, p, False, found)
    assert proof.ok and "1 of 1 uses of batchnorm are folded" in proof.notes
    # A model that holds the weights as they were, without the norm, is caught.
    (tensor,) = [t for t in model.graph.initializer if t.name == "W1"]
    tensor.raw_data = p["W1"].astype(np.float32).tobytes()
    differing = prove(net, text, model, step, p, False, found).differing
    assert ("weights, in the model", "the model has another W1") in differing


def test_build_folds_the_model_and_leaves_the_other_files(tmp_path: Path):
    (tmp_path / "small.net").write_text(TEXT, encoding="utf-8")
    done = netc("build", tmp_path / "small.net", "--fold", "-o", tmp_path / "out").ok()
    assert "note: 1 of 1 uses of batchnorm are folded" in done.out
    netc("build", tmp_path / "small.net", "-o", tmp_path / "plain").ok()
    same = {
        p.name for p in (tmp_path / "out").iterdir() if p.read_bytes() == (tmp_path / "plain" / p.name).read_bytes()
    }
    assert same == {"small.py", "small.npz", "small.step.onnx"}


def test_fold_without_a_model_is_refused(tmp_path: Path):
    done = netc("build", "-", "--fold", "-o", tmp_path, stdin=TEXT + "targets numpy\n")
    done.refused_as_usage("small has no model that could be folded: add inference to its targets")


def test_train_folds_what_it_exports(tmp_path: Path):
    (tmp_path / "small.net").write_text(TEXT.replace("batch=6", "batch=6 epochs=1"), encoding="utf-8")
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "d.npz", x=rng.normal(size=(24, 1, 3, 3)), y=rng.normal(size=(24, 2)))
    options = ("--data", tmp_path / "d.npz", "-o", tmp_path / "run", "--json")
    told = netc("train", tmp_path / "small.net", "--fold", *options).ok().json
    assert told["folded"] == ["1 of 1 uses of batchnorm are folded"] and told["proof"]["ok"]
    assert "BatchNormalization" not in operators(load_model(tmp_path / "run" / "small.onnx"))
