"""Running a model: inputs checked by name, dtype and shape, any batch size, and an honest provider."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Fault, OnnxEngine, Session, examples_of, ort, train, trainer_of
from netc.runtime.metadata import Metadata
from stand_in import LABELS, field, flowers, graph, inference_graph, metadata_json, step_graph, trainer_text

TRAINER = trainer_of(trainer_text(), "flowers.py")


@pytest.fixture(scope="module")
def model() -> bytes:
    return inference_graph(TRAINER.init(7))


@pytest.fixture(scope="module")
def session(model: bytes) -> Session:
    return Session(model, "cpu")


def fault_of(session: Session, **arrays: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        session.run(**arrays)
    return caught.value


def test_it_says_what_it_is(session: Session) -> None:
    assert [(f.name, f.shape) for f in session.inputs] == [("flower", (4,))]
    assert [o.name for o in session.outputs] == ["species", "species_class", "species_label"]
    assert (session.provider, session.provider_reason) == ("cpu", "asked for")
    assert session.metadata.name == "flowers"


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_any_batch(session: Session, count: int) -> None:
    flower = flowers(count)["flower"]
    results = session.run(flower=flower)
    np.testing.assert_allclose(results["species"], TRAINER.predict(TRAINER.init(7), flower), atol=1e-6)
    assert results["species_class"].tolist() == results["species"].argmax(axis=1).tolist()
    assert results["species_label"].tolist() == [LABELS[i] for i in results["species_class"]]


def test_a_batch_of_none(session: Session) -> None:
    results = session.run(flower=np.empty((0, 4)))
    assert {name: (a.shape, a.dtype.kind) for name, a in results.items()} == {
        "species": ((0, 3), "f"),
        "species_class": ((0,), "i"),
        "species_label": ((0,), "O"),
    }


def test_results_outlive_the_session(model: bytes) -> None:
    flower = flowers(50)["flower"]
    first = Session(model, "cpu").run(flower=flower)
    gc.collect()
    kept = {name: array.copy() for name, array in first.items()}
    Session(model, "cpu").run(flower=flower + 1)
    assert all(np.array_equal(first[name], kept[name]) for name in kept)


def test_predict(session: Session) -> None:
    prediction = session.predict(flower=flowers(5)["flower"])["species"]
    assert prediction.values.shape == (5, 3)
    np.testing.assert_allclose(prediction.values.sum(axis=1), 1, atol=1e-6)
    assert prediction.ids is not None
    assert prediction.labels == [LABELS[i] for i in prediction.ids]


@pytest.mark.parametrize("flower", [[[1, 2, 3, 4]], np.array([[1, 2, 3, 4]], np.int8), np.ones((1, 4), np.float64)])
def test_safe_casts(session: Session, flower: Any) -> None:
    expected = session.run(flower=np.asarray(flower, np.float32))["species"]
    assert np.array_equal(session.run(flower=flower)["species"], expected)


INPUT_FAULTS = [
    ({}, "model-input", "the input flower (f32[4]) is missing", None),
    ({"flowr": [[1, 2, 3, 4]]}, "model-input", "the model has no input flowr", "did you mean flower?"),
    ({"flower": [[1, 2, 3, 4]], "zz": 1}, "model-input", "no input zz", "the inputs are flower"),
    ({"flower": [1, 2, 3, 4]}, "data-shape", "expected (N, 4), got (4,)", None),
    ({"flower": [[1, 2, 3]]}, "data-shape", "expected (N, 4), got (1, 3)", None),
    ({"flower": [[1, 2, 3, 4], [1]]}, "data-shape", "differ in length", None),
    ({"flower": [["a", "b", "c", "d"]]}, "data-dtype", "takes numbers", None),
    ({"flower": [[1, 2, 3, 1e300]]}, "data-value", "too large for float32", None),
    ({"flower": [[1, 2, 3, float("nan")]]}, "data-missing-value", "nan is missing", None),
    ({"flower": [[1, 2, 3, None]]}, "data-pickled", "Python objects", None),
]


@pytest.mark.parametrize(("arrays", "code", "message", "help"), INPUT_FAULTS)
def test_input_faults(session: Session, arrays: Any, code: str, message: str, help: str | None) -> None:
    fault = fault_of(session, **arrays)
    assert (fault.code, message in fault.message) == (code, True), fault
    assert help is None or fault.help == help


def test_inputs_of_different_lengths() -> None:
    metadata = metadata_json(inputs=[field("a"), field("b")], outputs=[{"name": "c", "shape": [1]}])
    floats = ("float32", ["N", 1])
    both = Session(graph("c = Add(a, b)", {"a": floats, "b": floats}, {"c": floats}, {}, metadata), "cpu")
    assert both.run(a=[1, 2], b=[[3], [4]])["c"].tolist() == [[4], [6]]
    assert fault_of(both, a=[1, 2], b=[3]).code == "data-count"


def test_an_input_may_be_called_self_or_arrays() -> None:
    metadata = metadata_json(inputs=[field("self"), field("arrays")], outputs=[{"name": "c", "shape": [1]}])
    floats = ("float32", ["N", 1])
    odd = Session(
        graph("c = Add(self, arrays)", {"self": floats, "arrays": floats}, {"c": floats}, {}, metadata), "cpu"
    )
    assert odd.run(**{"self": [1], "arrays": [2]})["c"].tolist() == [[3]]


def test_decisions_and_labels_as_inputs() -> None:
    outputs = [
        {"name": "p", "shape": [1], "kind": "binary"},
        {"name": "p_decision", "role": "decision", "of": "p"},
    ]
    metadata = metadata_json(inputs=[field("kind", "class", [], ["no", "yes"])], outputs=outputs)
    body = "f = Cast(kind) to=1\np = Unsqueeze(f, axis)\nyes = GreaterOrEqual(p, half)\np_decision = Cast(yes) to=7"
    constants = {"axis": np.array([1]), "half": np.array(0.5, np.float32)}
    results = {"p": ("float32", ["N", 1]), "p_decision": ("int64", ["N", 1])}
    made = Session(graph(body, {"kind": ("int64", ["N"])}, results, constants, metadata), "cpu")
    prediction = made.predict(kind=np.array(["yes", "no"]))["p"]
    assert (prediction.ids, prediction.labels) == (pytest.approx(np.array([[1], [0]])), None)
    assert fault_of(made, kind=["maybe"]).code == "data-label"
    assert fault_of(made, kind=[2]).code == "data-value"


def test_models_that_cannot_be_used(tmp_path: Path, model: bytes) -> None:
    floats = ("float32", ["N", 1])
    plain = graph("y = Neg(x)", {"x": floats}, {"y": floats}, {}, None)
    newer = model.replace(b"\x08\x0a", b"\x08\x63", 1)
    cases: list[tuple[Any, str, str]] = [
        (plain, "model-foreign", "it was not made by netc"),
        (graph("y = Neg(x)", {"x": floats}, {"y": floats}, {}, "{"), "model-foreign", "malformed"),
        (graph("y = Neg(x)", {"x": floats}, {"y": floats}, {}, metadata_json()), "model-foreign", "do not agree"),
        (step_graph(), "model-foreign", "do not agree"),
        (b"", "model-unreadable", ""),
        (b"junk", "model-unreadable", "protobuf"),
        (model[: len(model) // 2], "model-unreadable", ""),
        (newer, "model-unreadable", "IR version"),
        (tmp_path / "nowhere.onnx", "file-missing", "no such file"),
        (tmp_path, "file-unreadable", "folder"),
    ]
    for source, code, message in cases:
        with pytest.raises(Fault) as caught:
            Session(source, "cpu")
        assert (caught.value.code, message in caught.value.message) == (code, True), caught.value


def test_an_engine_needs_a_step_graph(model: bytes) -> None:
    with pytest.raises(Fault, match="not a step graph"):
        OnnxEngine(model, "cpu")


def test_a_failing_run_is_a_fault() -> None:
    """A graph that loads and then divides its batch by a reshape that only fits three."""
    metadata = metadata_json(inputs=[field("x")], outputs=[{"name": "y", "shape": [3]}])
    floats = ("float32", ["N", 1])
    model = graph(
        "y = Reshape(x, three)", {"x": floats}, {"y": ("float32", ["M", 3])}, {"three": np.array([1, 3])}, metadata
    )
    session = Session(model, "cpu")
    assert session.run(x=[1, 2, 3])["y"].tolist() == [[1, 2, 3]]
    assert fault_of(session, x=[1, 2]).code == "model-failed"


def test_threads(model: bytes) -> None:
    flower = flowers()["flower"]
    one, two = (Session(model, "cpu", threads=n).run(flower=flower)["species"] for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_auto_says_what_it_chose_and_why(model: bytes) -> None:
    session = Session(model)
    obstacle = ort.cuda_obstacle()
    if session.provider == "cpu":
        assert session.provider_reason
        assert obstacle is None or obstacle in session.provider_reason
    else:
        assert (obstacle, session.provider_reason) == (None, "the session got CUDA")


def test_cuda_refuses_to_be_cpu(model: bytes) -> None:
    if Session(model).provider == "cuda":
        pytest.skip("this machine has CUDA, so there is nothing to refuse")
    for make in (lambda: Session(model, "cuda"), lambda: OnnxEngine(step_graph(), "cuda")):
        with pytest.raises(Fault) as caught:
            make()
        assert caught.value.code == "provider-missing"
        assert "CUDA was asked for" in caught.value.message


def test_the_missing_library_is_named(model: bytes) -> None:
    if "CUDAExecutionProvider" not in ort.runtime().get_available_providers():
        pytest.skip("the installed onnxruntime has no CUDA provider")
    obstacle = ort.cuda_obstacle()
    if obstacle is None:
        pytest.skip("no library is missing on this machine")
    assert ".so" in obstacle
    assert "is missing" in obstacle


def test_a_session_that_silently_fell_back_is_refused(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was obtained counts, not what was asked: here nothing seems to be missing, and the session is on the CPU."""
    if Session(model).provider == "cuda":
        pytest.skip("this machine has CUDA")
    monkeypatch.setattr(ort, "cuda_obstacle", lambda: None)
    with pytest.raises(Fault, match="could not start CUDA"):
        Session(model, "cuda")
    fallen = Session(model, "auto")
    assert fallen.provider == "cpu"
    assert "could not start CUDA" in fallen.provider_reason


def test_a_runtime_without_cuda(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort.runtime(), "get_available_providers", lambda: ["CPUExecutionProvider"])
    ort.cuda_obstacle.cache_clear()
    try:
        with pytest.raises(Fault) as caught:
            Session(model, "cuda")
        assert "onnxruntime-gpu" in (caught.value.help or "")
        assert "no CUDA provider" in Session(model, "auto").provider_reason
    finally:
        ort.cuda_obstacle.cache_clear()


def test_both_distributions_are_told(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "both_installed", lambda: True)
    monkeypatch.setattr(ort, "cuda_obstacle", lambda: "something is missing")
    assert "overwrite each other" in Session(model, "auto").provider_reason
    with pytest.raises(Fault, match="overwrite each other"):
        Session(model, "cuda")


def test_an_unknown_provider_is_a_mistake_of_the_caller(model: bytes) -> None:
    with pytest.raises(ValueError, match="tpu"):
        Session(model, "tpu")  # type: ignore[arg-type]


def test_nothing_is_printed(model: bytes, tmp_path: Path) -> None:
    """ONNX Runtime's C++ side writes to file descriptor 2 when CUDA's libraries are missing."""
    path = tmp_path / "m.onnx"
    path.write_bytes(model)
    code = f"from netc.runtime import Session; Session({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_onnxruntime_is_imported_only_when_needed() -> None:
    code = "import sys, netc.runtime; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


def test_ctrl_c_waits_for_the_end_of_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that Ctrl-C breaks off is an ImportError, and no interruption."""
    done: list[str] = []

    def imported(name: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append(name)

    monkeypatch.setattr(ort.importlib, "import_module", imported)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            ort.runtime()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["onnxruntime"]


def test_cuda_agrees_with_the_cpu(model: bytes) -> None:
    if Session(model).provider != "cuda":
        pytest.skip(f"no CUDA here: {Session(model).provider_reason}")
    flower = flowers(200)["flower"]
    here, there = Session(model, "cuda").run(flower=flower), Session(model, "cpu").run(flower=flower)
    np.testing.assert_allclose(here["species"], there["species"], atol=1e-5)
    assert here["species_label"].tolist() == there["species_label"].tolist()
    metadata = Metadata.from_json(metadata_json())
    examples = examples_of(metadata, flowers(90))
    losses = [
        train(TRAINER, metadata, examples, engine=OnnxEngine(step_graph(), provider)).history[-1].losses["loss"]
        for provider in ("cuda", "cpu")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
