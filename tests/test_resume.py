"""`netc train` killed or interrupted at any moment and resumed ends in the bits of a run that was let alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matrix import data, examples, home, trained, write_spec
from netc.cli.progress import Lines
from netc.runtime import Start, claimed
from road import ENV, NETC, Done, arrays, assert_same_bits, history, netc

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")

# The net with everything that a checkpoint has to keep: statistics, draws, a schedule, two moments, two outputs.
NET = "two"
EPOCHS = 300
SEED = os.environ.get("NETC_SEED", 6)
# A checkpoint after each step, where the command line saves every two seconds: a kill then falls between other things.
OFTEN = "import netc.runtime\nnetc.runtime.train.__kwdefaults__['checkpoint_every'] = {}\n"
RUN = "import sys\nfrom netc.cli.main import run\nsys.exit(run(sys.argv[1:]))"


RESUMED = {
    (0, 0): "resumed from the beginning: no batch was done yet",
    (0, 3): "resumed in epoch 1 of 5, after batch 3 of 8",
    (2, 0): "resumed after epoch 2 of 5",
    (2, 7): "resumed in epoch 3 of 5, after batch 7 of 8",
    (5, 0): "resumed after epoch 5 of 5",
}


@pytest.mark.parametrize("done", RESUMED)
def test_where_a_resumed_run_goes_on(done: tuple[int, int], capsys: pytest.CaptureFixture[str]):
    Lines().on_start(Start("net", "numpy", "cpu", "", 64, 0, 5, 8, *done, True, ("loss",)))
    assert RESUMED[done] in capsys.readouterr().out.splitlines()


def long_spec(folder: Path, epochs: int = EPOCHS) -> Path:
    spec = write_spec(NET, folder)
    text = spec.read_text("utf-8").replace("epochs=10", f"epochs={epochs}")
    spec.write_text(text.replace("clip_norm=1", f"clip_norm=1 early_stop={epochs}"), encoding="utf-8")
    return spec


@cache
def whole(engine: str, epochs: int = EPOCHS) -> Path:
    """The folder of a run that nobody disturbed."""
    folder = home() / f"long-{engine}-{epochs}"
    folder.mkdir()
    options = ("--data", data(), "--engine", engine, "--provider", "cpu", "--threads", "1")
    netc("train", long_spec(folder, epochs), *options, "-o", folder / "out").ok()
    return folder / "out"


def start(spec: Path, engine: str, *more: str, every: float | None = None) -> subprocess.Popen[str]:
    """`netc train` in its own process, up to its first words, which it says when training begins."""
    args = ["train", spec, "--data", data(), "--engine", engine, "--provider", "cpu", "--threads", "1"]
    args += ["-o", spec.parent / "out", *more]
    command = [NETC] if every is None else [sys.executable, "-c", OFTEN.format(every) + RUN]
    process = subprocess.Popen(
        [*map(str, command), *map(str, args)], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "held out for validation" in line:
            return process
    raise AssertionError(f"training did not begin: {process.stderr and process.stderr.read()}")


def end(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=120)
    return Done(process.returncode, out, err)


def assert_the_same(folder: Path, expected: Path) -> None:
    assert_same_bits(folder / f"{NET}.npz", expected / f"{NET}.npz")
    for name in ("history.csv", f"{NET}.py", f"{NET}.onnx", f"{NET}.step.onnx", f"{NET}.npz", "netc.manifest.json"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
    assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []


# Killed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_kill_9_at_random_moments(engine: str, tmp_path: Path) -> None:
    spec, kills, rng = long_spec(tmp_path), 0, random.Random(SEED)
    epochs: list[int] = []
    for attempt in range(30):
        process = start(spec, engine, *["--resume"] * bool(attempt), every=0.02)
        if kills < 4:
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
        done = end(process)
        kills += done.code == -signal.SIGKILL
        epochs.append(len(history(tmp_path / "out")))
        if done.code != -signal.SIGKILL:
            done.ok()
            break
    assert kills >= 3, f"only {kills} kills came in time, after {epochs} epochs"
    assert 0 < epochs[-2] < EPOCHS, "the last process had nothing to go on from, or nothing to do"
    assert_the_same(tmp_path / "out", whole(engine))


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_kill_9_of_the_plain_command(engine: str, tmp_path: Path) -> None:
    """With the checkpoints where a user has them, two seconds apart."""
    spec, rng = long_spec(tmp_path, 6000), random.Random(SEED)
    done = Done(-signal.SIGKILL, "", "")
    for attempt in range(4):
        process = start(spec, engine, *["--resume"] * bool(attempt))
        if attempt < 3:
            time.sleep(rng.uniform(0.5, 4))
            process.kill()
        done = end(process)
    done.ok()
    assert_the_same(tmp_path / "out", whole(engine, 6000))


# Where a process may die while it exports: before each of its renames, or after the last; all else is in memory.
DIES = """
import os, signal, pathlib
replace, left = pathlib.Path.replace, [{number}]
def dying(self, to):
    left[0] -= pathlib.Path(to).name in {names}
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, to)
pathlib.Path.replace = dying
"""
EXPORTED = ("netc.manifest.json", "adam.py", "adam.onnx", "adam.step.onnx", "adam.npz")


@pytest.mark.parametrize("number", range(1, 7))
def test_a_crash_while_exporting_is_recovered_from(number: int, tmp_path: Path) -> None:
    """The export writes the manifest, four artifacts, and the manifest again."""
    spec = write_spec("adam", tmp_path)
    options = (spec, "--data", data(), "--provider", "cpu", "-o", tmp_path / "out")
    first = DIES.format(names=EXPORTED, number=number)
    assert netc("train", *options, first=first).code == -signal.SIGKILL
    have = {path.name for path in (tmp_path / "out").iterdir()}
    assert have.issuperset(EXPORTED[: number - 1]) and have.isdisjoint(EXPORTED[number - 1 :])
    if number == 3:
        netc("train", *options).refused("run-exists", "--resume")
    netc("train", *options, "--resume").ok()
    expected = trained("adam")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in expected.iterdir())
    assert_same_bits(tmp_path / "out" / "adam.npz", expected / "adam.npz")


def test_a_crash_while_replacing_leaves_files_that_are_netc_s_own(tmp_path: Path) -> None:
    """Old or new, each file is known, so that a build needs no --force; an edited one is still refused."""
    spec = write_spec("adam", tmp_path)
    netc("build", spec, "-o", tmp_path / "out").ok()
    spec.write_text(spec.read_text("utf-8").replace("lr=1e-2", "lr=3e-2"), encoding="utf-8")
    first = DIES.format(names=EXPORTED, number=3)
    assert netc("build", spec, "-o", tmp_path / "out", first=first).code == -signal.SIGKILL
    assert "LR = 0.03" in (tmp_path / "out" / "adam.py").read_text("utf-8")
    netc("build", spec, "-o", tmp_path / "out").ok()
    with (tmp_path / "out" / "adam.py").open("a", encoding="utf-8") as file:
        file.write("# mine\n")
    netc("build", spec, "-o", tmp_path / "out").refused("edited-file", "adam.py was edited since")


# Interrupted ----------------------------------------------------------------------------------------------------------


def test_ctrl_c_saves_and_says_so(tmp_path: Path) -> None:
    spec = long_spec(tmp_path)
    process = start(spec, "numpy")
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    done = end(process)
    assert done.code == 130, done.err
    checkpoint = tmp_path / "out" / f"{NET}.checkpoint.npz"
    told = " ".join(done.err.split())
    assert told.startswith("interrupted in epoch") and f"saved in {checkpoint}: go on with --resume" in told
    assert "Traceback" not in done.err
    reached = len(history(tmp_path / "out"))
    assert reached < EPOCHS
    again = end(start(spec, "numpy", "--resume")).ok()
    assert len(again.out.splitlines()) > EPOCHS - reached
    assert_the_same(tmp_path / "out", whole("numpy"))


def test_ctrl_c_before_training_begins(tmp_path: Path) -> None:
    """While the data are read, say: no traceback, and nothing that stands in the way of the next run."""
    spec = write_spec("adam", tmp_path)
    first = "import netc.runtime.reader as r, os, signal\nr.npz_names = lambda _: os.kill(os.getpid(), signal.SIGINT)"
    options = (spec, "--data", data(), "-o", tmp_path / "out")
    done = netc("train", *options, first=first)
    assert (done.code, "Traceback" in done.err) == (130, False), done.err
    netc("train", *options).ok()


# Refused --------------------------------------------------------------------------------------------------------------


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    spec = write_spec("adam", tmp_path)
    done = netc("train", spec, "--data", data(), "-o", tmp_path / "out", "--resume").ok()
    assert "there is nothing to resume, so the run starts afresh" in done.out
    assert_same_bits(tmp_path / "out" / "adam.npz", trained("adam") / "adam.npz")


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Path, list[str | Path]]:
    """A spec with a constant, and the options of its finished run."""
    spec = write_spec("adam", tmp_path)
    spec.write_text(
        spec.read_text("utf-8").replace("dense 8", "dense (width)").replace("net adam\n", "net adam\nlet width = 8\n")
    )
    options = ["--data", tmp_path / "data.npz", "-o", tmp_path / "out"]
    netc("train", spec, *options).ok()
    return spec, options


def test_a_finished_run_is_not_overwritten_unasked(finished: tuple[Path, list[str | Path]]) -> None:
    spec, options = finished
    before = {path: path.read_bytes() for path in (spec.parent / "out").iterdir()}
    netc("train", spec, *options).refused("run-exists", "--force", "--resume")
    netc("build", spec, "-o", spec.parent / "out").refused("run-exists", "training adam", "--force")
    assert {path: path.read_bytes() for path in (spec.parent / "out").iterdir()} == before
    netc("train", spec, *options, "--resume").ok()
    after = {path: path.read_bytes() for path in (spec.parent / "out").iterdir()}
    assert after == before, "resuming a finished run changes nothing"
    netc("train", spec, *options, "-D", "width=5", "--force").ok()
    assert arrays(spec.parent / "out" / "adam.npz")["W1"].shape == (4, 5)


def test_a_folder_is_for_one_run_at_a_time(finished: tuple[Path, list[str | Path]]) -> None:
    """What began while another run was at work would mix its files with the other's."""
    spec, options = finished
    folder = spec.parent / "out"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with claimed(folder):
        for option in ("--resume", "--force"):
            netc("train", spec, *options, option).refused("run-exists", "another run is at work in it")
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    netc("train", spec, *options, "--resume").ok()


def test_what_changed_is_refused(finished: tuple[Path, list[str | Path]]) -> None:
    spec, options = finished
    before = (spec.parent / "out" / "adam.checkpoint.npz").read_bytes()
    text = spec.read_text("utf-8")
    netc("train", spec, *options, "--resume", "-D", "width=9").refused("checkpoint-mismatch", "the definitions (-D)")
    netc("train", spec, *options, "--resume", "--engine", "onnx").refused("checkpoint-mismatch", "the engine")
    spec.write_text(text.replace("epochs=10", "epochs=11"), encoding="utf-8")
    netc("train", spec, *options, "--resume").refused("checkpoint-mismatch", "the spec changed since")
    spec.write_text(text, encoding="utf-8")
    other = examples()
    other["x"][7, 2] += np.float32(0.25)
    np.savez(spec.parent / "data.npz", **other)
    netc("train", spec, *options, "--resume").refused("checkpoint-mismatch", "the data changed since")
    assert (spec.parent / "out" / "adam.checkpoint.npz").read_bytes() == before


def test_an_edited_artifact_is_not_overwritten(finished: tuple[Path, list[str | Path]]) -> None:
    spec, options = finished
    file = spec.parent / "out" / "adam.py"
    file.write_text(file.read_text("utf-8") + "# mine\n", encoding="utf-8")
    netc("train", spec, *options, "--resume").refused("edited-file", "adam.py was edited since", "--force")
    assert file.read_text("utf-8").endswith("# mine\n")
