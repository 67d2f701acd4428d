"""Checkpoints: killed at any moment and resumed, a run ends in the same bits; what changed or broke is refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Fault, Metadata, Observer, OnnxEngine, Start, examples_of, prepare_folder, train, trainer_of
from netc.runtime import checkpoint as checkpoints
from netc.runtime.files import write_atomically
from stand_in import flowers, metadata_json, same, step_graph, trainer_text

HERE = Path(__file__).resolve().parent
METADATA = Metadata.from_json(metadata_json())
EXAMPLES = examples_of(METADATA, flowers())


class Watch(Observer):
    def __init__(self, stop_at: int | None = None):
        self.stop_at = stop_at
        self.steps = 0
        self.start: Start | None = None

    def on_start(self, start: Start) -> None:
        self.start = start

    def on_batch(self, epoch: int, batch: int, batches: int, losses: tuple[float, ...]) -> None:
        self.steps += 1
        if self.steps == self.stop_at:
            raise RuntimeError("the process dies here")


def run(folder: Path, stop_at: int | None = None, resume: bool = True, **changes: Any) -> tuple[Any, Watch]:
    watch = Watch(stop_at)
    settings: dict[str, Any] = {"metadata": METADATA, "examples": EXAMPLES, "checkpoint_every": 0} | changes
    made = settings.pop("trainer", None) or trainer_of(trainer_text(), "flowers.py")
    return train(made, folder=folder, resume=resume, observer=watch, **settings), watch


# killed ---------------------------------------------------------------------------------------------------------------


def spawn(folder: Path, engine: str, sleep: float, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "crash_run.py"), str(folder), engine, str(sleep), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_kill_9_at_random_moments(tmp_path: Path, engine: str) -> None:
    with spawn(tmp_path / "whole", engine, 0) as whole:
        assert whole.wait(120) == 0
    moments = random.Random(os.environ.get("NETC_SEED", 5))
    folder, kills = tmp_path / "killed", 0
    for attempt in range(40):
        with spawn(folder, engine, 0.004, *["resume"] * bool(attempt)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if kills < 6:
                time.sleep(moments.uniform(0, 0.06))
                process.kill()
            done = process.wait(120)
        kills += done == -signal.SIGKILL
        if done == 0:
            break
    assert kills >= 3, f"only {kills} kills came in time"
    for name in ("flowers.npz", "history.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [p.name for p in folder.iterdir() if p.name.endswith(".part")] == []


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_dying_after_each_step_in_turn(tmp_path: Path, engine: str) -> None:
    """Every step boundary is a place to resume from: with one step a life, the run still ends in the same bits."""

    def made() -> Any:
        return OnnxEngine(step_graph(), "cpu", threads=1) if engine == "onnx" else None

    (tmp_path / "whole").mkdir()
    whole, _ = run(tmp_path / "whole", resume=False, engine=made())
    folder = tmp_path / "many"
    folder.mkdir()
    for _ in range(24):
        # The second step dies before it is saved, so each life saves one step.
        with pytest.raises(RuntimeError):
            run(folder, stop_at=2, engine=made())
    result, _ = run(folder, engine=made())
    assert same(result.weights, whole.weights)
    assert result.history == whole.history


def test_a_finished_run_can_be_resumed_and_does_nothing(tmp_path: Path) -> None:
    first, _ = run(tmp_path, resume=False)
    again, watch = run(tmp_path)
    assert watch.steps == 0
    assert watch.start is not None
    assert (watch.start.resumed, watch.start.epoch) == (True, 5)
    assert same(first.weights, again.weights)
    assert (first.history, first.steps) == (again.history, again.steps)


def test_an_early_stopped_run_keeps_its_best_weights_when_resumed(tmp_path: Path) -> None:
    made = trainer_of(trainer_text(epochs=60, patience=3, rate=0.3), "f.py")
    first, watch = run(tmp_path, resume=False, trainer=made)
    (tmp_path / "b").mkdir()
    with pytest.raises(RuntimeError):
        run(tmp_path / "b", stop_at=watch.steps - 2, trainer=made)
    again, _ = run(tmp_path / "b", trainer=made)
    assert same(first.weights, again.weights)
    assert (
        (first.best_epoch, first.stopped_early) == (again.best_epoch, again.stopped_early) == (first.best_epoch, True)
    )


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    _, watch = run(tmp_path)
    assert watch.start is not None
    assert watch.start.resumed is False
    assert watch.start.notes == ("there is nothing to resume, so the run starts afresh",)


# what changed ---------------------------------------------------------------------------------------------------------


def interrupted(folder: Path) -> Path:
    with pytest.raises(RuntimeError):
        run(folder, stop_at=7, resume=False)
    return checkpoints.path_of(folder, "flowers")


def other_examples() -> Any:
    arrays = flowers()
    arrays["flower"][3, 1] = np.nextafter(arrays["flower"][3, 1], np.float32(9))
    return examples_of(METADATA, arrays)


CHANGES = [
    (lambda: {"metadata": Metadata.from_json(metadata_json(spec_sha256="1" * 64))}, "the spec changed since"),
    (lambda: {"metadata": Metadata.from_json(metadata_json(defines={"width": 9}))}, "the definitions (-D) changed"),
    (lambda: {"examples": other_examples()}, "the data changed since"),
    (lambda: {"engine": OnnxEngine(step_graph(), "cpu")}, "the engine changed since"),
    (lambda: {"weights": trainer_of(trainer_text(), "f.py").init(8)}, "the starting weights changed since"),
    (
        lambda: {
            "metadata": Metadata.from_json(metadata_json(spec_sha256="1" * 64)),
            "trainer": trainer_of(trainer_text().replace("8", "9"), "f.py"),
        },
        "the spec and the weights' names or shapes changed since",
    ),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_what_changed_is_refused_by_name(tmp_path: Path, change: Any, message: str) -> None:
    path = interrupted(tmp_path)
    before = path.read_bytes()
    with pytest.raises(Fault) as caught:
        run(tmp_path, **change())
    assert (caught.value.code, message in caught.value.message) == ("checkpoint-mismatch", True), caught.value
    assert path.read_bytes() == before


def test_another_machine_is_only_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    _, watch = run(tmp_path)
    assert watch.start is not None
    assert [note for note in watch.start.notes if "OMP_NUM_THREADS" in note and "is 17 now" in note]


# what broke -----------------------------------------------------------------------------------------------------------


def rewritten(path: Path, change: Any) -> None:
    """The checkpoint with its record changed."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    record = json.loads(arrays["run"].tobytes())
    change(record, arrays)
    arrays["run"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)


BREAKS = [
    lambda path: path.write_bytes(path.read_bytes()[:-30]),
    lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"x" * 1000),
    lambda path: rewritten(path, lambda record, arrays: record.update(version=99)),
    lambda path: rewritten(path, lambda record, arrays: record.pop("state")),
    lambda path: rewritten(path, lambda record, arrays: record["state"].update(epoch="one")),
    lambda path: rewritten(path, lambda record, arrays: record["state"].update(surprise=1)),
    lambda path: rewritten(path, lambda record, arrays: arrays.pop("weights/W1")),
    lambda path: rewritten(path, lambda record, arrays: record.update(history=[{"epoch": 1}])),
    lambda path: np.savez(path.open("wb"), run=np.array([1, 2], np.uint8)),
    lambda path: np.savez(path.open("wb"), other=np.ones(2)),
]


@pytest.mark.parametrize("number", range(len(BREAKS)))
def test_a_broken_checkpoint_is_a_fault(tmp_path: Path, number: int) -> None:
    path = interrupted(tmp_path)
    BREAKS[number](path)
    with pytest.raises(Fault) as caught:
        run(tmp_path)
    assert (caught.value.code, caught.value.where) == ("checkpoint-corrupt", str(path))


def test_a_flipped_bit_anywhere_in_the_values_is_seen(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    data = bytearray(path.read_bytes())
    with np.load(path) as archive:
        at = bytes(data).index(archive["weights/W1"].tobytes())
    data[at + 17] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(Fault, match="CRC"):
        run(tmp_path)


# folders --------------------------------------------------------------------------------------------------------------


def test_a_run_is_never_overwritten_unasked(tmp_path: Path) -> None:
    folder = prepare_folder(tmp_path / "new" / "run", "flowers")
    assert folder.is_dir()
    run(folder, resume=False)
    with pytest.raises(Fault) as caught:
        prepare_folder(folder, "flowers")
    assert caught.value.code == "run-exists"
    assert "flowers.checkpoint.npz and history.csv" in caught.value.message
    assert prepare_folder(folder, "flowers", resume=True) == folder
    with pytest.raises(Fault):
        prepare_folder(folder, "other", resume=True)
    assert (folder / "history.csv").exists()
    prepare_folder(folder, "flowers", force=True)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    for folder in (tmp_path / "f", tmp_path / "f" / "g"):
        with pytest.raises(Fault) as caught:
            prepare_folder(folder, "flowers")
        assert caught.value.code == "file-unreadable"


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".flowers.checkpoint.npz.abc.part").write_text("half")
    (tmp_path / ".mine.part").write_text("not ours")
    prepare_folder(tmp_path, "flowers")
    assert [p.name for p in tmp_path.iterdir()] == [".mine.part"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_atomically(path, lambda file: file.write(b"old"))

    def fail(file: Any) -> None:
        file.write(b"new")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_order_of_an_atomic_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is durable before the rename, and the rename before the call returns."""
    seen: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append("fsync"), sync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (seen.append("rename"), replace(self, to))[1])
    write_atomically(tmp_path / "f", lambda file: file.write(b"x"))
    assert seen == ["fsync", "rename", "fsync"]
