"""The graphs of every spec: valid, named after the spec, complete in their metadata, and right in a second reading."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from harness import assert_close, batch, extras, module, small
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import Net, load
from netc.runtime import Metadata, trainer_of
from onnx import ModelProto, checker, shape_inference
from reference_ops import interpreted
from road import SPECS, arrays, netc, scratch

ALL = sorted(path.stem for path in SPECS.glob("*.net"))
# Where a solver moves the weights no step is a graph, and `targets` leaves it out.
STEPPED = [name for name in ALL if "step" in load(SPECS / f"{name}.net").wanted]
GRAPHS = [(name, ".onnx") for name in ALL] + [(name, ".step.onnx") for name in STEPPED]


@cache
def built(name: str, opset: int = 21) -> Path:
    netc("build", SPECS / f"{name}.net", "-o", folder := scratch(name) / "out", "--opset", str(opset)).ok()
    return folder


@cache
def net_of(name: str) -> Net:
    return load(SPECS / f"{name}.net")


def model_of(name: str, kind: str, opset: int = 21) -> ModelProto:
    return onnx.load(built(name, opset) / f"{name}{kind}")


def meta_of(model: ModelProto) -> dict[str, Any]:
    return json.loads({prop.key: prop.value for prop in model.metadata_props}["netc"])


@pytest.mark.parametrize(("name", "kind"), GRAPHS)
def test_the_checker_and_strict_inference_pass(name: str, kind: str) -> None:
    model = model_of(name, kind)
    checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert (model.opset_import[0].domain, model.opset_import[0].version, model.ir_version) == ("", 21, 10)
    assert len(model.opset_import) == 1, "operators outside of the standard"
    # What inference finds for the outputs is what the graph declares.
    declared = {o.name: o.type for o in model.graph.output}
    assert {o.name: o.type for o in inferred.graph.output} == declared


@pytest.mark.parametrize(("name", "kind"), GRAPHS)
def test_each_node_says_from_which_line_it_comes(name: str, kind: str) -> None:
    model, lines = model_of(name, kind), (SPECS / f"{name}.net").read_text("utf-8").splitlines()
    places = [[p.value for p in node.metadata_props if p.key == "source"] for node in model.graph.node]
    told = [place[0] for place in places if place]
    for place in told:
        file, line = re.fullmatch(r"(.+?):(\d+)(?::\d+)?", place).groups()  # type: ignore[union-attr]
        assert file == f"{name}.net"
        assert lines[int(line) - 1].split("#")[0].strip(), f"{place} is an empty line"
    # Decisions are the compiler's own and come from no line; they are called after their output.
    bare = [node.output[0] for node, place in zip(model.graph.node, places, strict=True) if not place]
    decided = tuple(f"{output.name}_" for output in net_of(name).outputs if kind == ".onnx")
    assert all(each.startswith(decided) for each in bare), bare


@pytest.mark.parametrize(("name", "kind"), GRAPHS)
def test_the_metadata_are_complete(name: str, kind: str) -> None:
    net, model = net_of(name), model_of(name, kind)
    meta = meta_of(model)
    text = (SPECS / f"{name}.net").read_text("utf-8")
    assert (meta["spec"], meta["spec_file"], meta["name"], model.graph.name) == (text, f"{name}.net", name, name)
    assert meta["spec_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert meta["spec_sha256"][:16] in (built(name) / f"{name}.py").read_text("utf-8")
    assert (meta["trained"], meta["defines"]) == (False, {})
    said = re.search(r'^data\s+"(.*?)"', text, re.M)
    assert (meta["data"] or {}).get("file") == (said and said[1])
    asked = net.given if kind == ".onnx" else net.inputs
    assert [f["name"] for f in (*meta["inputs"], *meta.get("noises", ()))] == [f.name for f in asked]
    assert [f["name"] for f in meta["targets"]] == [f.name for f in net.targets]
    assert meta["train"]["epochs"] == int(re.search(r"^train +epochs=(\d+)", text, re.M)[1])  # type: ignore[index]
    Metadata.from_json(json.dumps(meta))


def test_labels_travel_with_the_model() -> None:
    meta = meta_of(model_of("iris", ".onnx"))
    labels = ["setosa", "versicolor", "virginica"]
    assert meta["targets"][0]["labels"] == labels
    assert [(o["name"], o["role"]) for o in meta["outputs"]] == [
        ("species", "prediction"),
        ("species_class", "class"),
        ("species_label", "label"),
    ]
    assert meta["outputs"][0]["labels"] == labels
    docs = {f["name"]: f["doc"] for f in meta_of(model_of("two_heads", ".onnx"))["inputs"]}
    assert docs == {"sample": "Everything that was measured but the alcohol."}


@pytest.mark.parametrize("name", ALL)
def test_one_name_everywhere(name: str) -> None:
    """The archive's, init's and the initializers'."""
    net, held = net_of(name), arrays(built(name) / f"{name}.npz")
    model = model_of(name, ".onnx")
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    read = {i.name for i in net.programs["predict"].of("weight", "state")}
    assert read <= stored.keys() and not stored.keys() & (held.keys() - read)
    for key in read:
        assert np.array_equal(stored[key], held[key]) and stored[key].dtype == held[key].dtype, key
    assert not any(i.name in stored for i in model.graph.input)
    nodes = [node.name for node in model.graph.node]
    assert len(set(nodes)) == len(nodes) and all(nodes)


@pytest.mark.parametrize("name", STEPPED)
def test_the_step_has_the_same_names(name: str) -> None:
    """Its inputs are the data's, the archive's, the updater's, the draws and the clock."""
    net, step = net_of(name), model_of(name, ".step.onnx")
    names = meta_of(step)["step"]
    assert {*names["weights"], *names["state"]} == set(arrays(built(name) / f"{name}.npz"))
    inputs = [*names["weights"], *names["state"], *names["moments"], *names["draws"].values(), *names["clock"].values()]
    fields = [f.name for f in (*net.inputs, *net.targets)]
    assert sorted(i.name for i in step.graph.input) == sorted([*fields, *inputs])
    assert sorted(o.name for o in step.graph.output) == sorted(
        [*(loss["output"] for loss in names["losses"]), *names["next"].values()]
    )


@pytest.mark.parametrize(("name", "kind"), GRAPHS)
def test_the_batch_axis_is_dynamic_and_named(name: str, kind: str) -> None:
    net, model = net_of(name), model_of(name, kind)
    fields = {f.name for f in (*net.fields, *net.noises)} | set(meta_of(model).get("step", {}).get("draws", {}))
    batched = [i for i in model.graph.input if i.name in fields]
    batched += [o for o in model.graph.output if kind == ".onnx"]
    assert batched
    for value in batched:
        dims = value.type.tensor_type.shape.dim
        assert dims[0].dim_param == "N" and all(d.HasField("dim_value") for d in dims[1:]), value.name


@pytest.mark.parametrize("name", ALL)
def test_the_reference_implementation_agrees_with_the_file(name: str) -> None:
    """ONNX's own evaluator, which shares nothing with the runtime that the proof ran."""
    net = net_of(name)
    made = trainer_of(to_numpy(net), f"{name}.py")
    rng = np.random.default_rng(4)
    xs, _ = batch(net, rng, 6)
    drawn = {noise.name: rng.normal(size=(6, *noise.shape)) for noise in net.noises}
    every = dict(zip([f.name for f in net.inputs], xs, strict=True)) | drawn
    # Ids of categories stay whole numbers.
    inputs = [a if (a := every[f.name]).dtype == np.int64 else a.astype(np.float32) for f in net.given]
    p = {
        key: value + 0.1 * np.abs(rng.normal(size=value.shape)).astype(np.float32)
        for key, value in made.init(1).items()
    }
    model = model_of(name, ".onnx")
    for tensor in model.graph.initializer:
        if tensor.name in p:
            tensor.CopyFrom(onnx.numpy_helper.from_array(p[tensor.name], tensor.name))
    found = interpreted(model)(dict(zip([f.name for f in net.given], inputs, strict=True))).values()
    expected = made.predict(p, *inputs)
    for mine, theirs in zip(found, expected if isinstance(expected, tuple) else (expected,), strict=False):
        assert_close(mine, theirs, 1e-5)


@pytest.mark.parametrize("name", STEPPED)
def test_the_reference_implementation_takes_the_file_s_step(name: str) -> None:
    net = net_of(name)
    made = module(net)
    rng = np.random.default_rng(5)
    xs, ys = batch(net, rng, 6)
    examples = [a if a.dtype == np.int64 else a.astype(np.float32) for a in (*xs, *ys)]
    p = {
        key: value + 0.1 * np.abs(rng.normal(size=value.shape)).astype(np.float32)
        for key, value in made.init(1).items()
    }
    moments = {
        key: np.abs(0.1 * rng.normal(size=value.shape)).astype(np.float32)
        for key, value in made.init_updater(p).items()
    }
    options = extras(made, net, epoch=1, step=3, count=6)
    model = model_of(name, ".step.onnx")
    feed = {f.name: a for f, a in zip((*net.inputs, *net.targets), examples, strict=True)}
    feed |= p | moments | options.get("draws", {}) | {"step": np.int64(3), "epoch": np.float64(1.25)}
    found = interpreted(model)(feed)
    for each in trainer_of(to_numpy(net), f"{name}.py").losses:
        loss, grads = each.and_grads(p, *examples, **options)
        each.update(p, moments, grads, 3, 1.25)
        assert_close(found[each.name], loss, 1e-5)
    for key, output in meta_of(model)["step"]["next"].items():
        assert_close(found[output], (p | moments)[key], 1e-5, key)


@pytest.mark.parametrize("opset", range(18, 24))
def test_every_opset_is_executed(opset: int) -> None:
    """Built with its proof, and then run once more in sessions of its own."""
    name = "two_heads"
    folder = built(name, opset)
    rng = np.random.default_rng(6)
    sample = rng.normal(size=(5, 12)).astype(np.float32)
    results = []
    for each in (folder, built(name)):
        session = onnxruntime.InferenceSession(each / f"{name}.onnx", providers=["CPUExecutionProvider"])
        results.append(session.run(["kind", "strength"], {"sample": sample}))
    for mine, theirs in zip(*results, strict=True):
        assert_close(mine, theirs, 1e-6)
    for kind in (".onnx", ".step.onnx"):
        model = model_of(name, kind, opset)
        assert model.opset_import[0].version == opset
        checker.check_model(model, full_check=True)
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert (folder / f"{name}.py").read_bytes() == (built(name) / f"{name}.py").read_bytes()


def test_a_convolution_has_its_bias_as_an_argument():
    """In both graphs, as the operators of ONNX have it."""
    net = small("conv 3 2x2 -> relu -> deconv 2 2x2 groups=1 -> flatten -> dense 2", given="f32[2, 4, 4]")
    for model in (to_onnx(net, module(net).init(1)), to_step(net)):
        forward = [n for n in model.graph.node if n.op_type in ("Conv", "ConvTranspose")][:2]
        assert [list(n.input)[1:] for n in forward] == [["W1", "b1"], ["W2", "b2"]]
