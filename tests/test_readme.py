"""What README.md and docs/artifacts.md show is what happens: every command runs, every snippet is in a real file."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from netc.codegen import to_numpy
from netc.dsl import load_text
from netc.runtime import trainer_of
from road import ENV, SPECS, alone, netc, scratch

ROOT = SPECS.parent
PAGES = ("README.md", "docs/artifacts.md")
README = (ROOT / "README.md").read_text("utf-8")
ARTIFACTS = (ROOT / "docs" / "artifacts.md").read_text("utf-8")

# What each command of the pages is with a file in each placeholder; those of pip and make are tested where they belong.
COMMANDS = {
    "netc check SPEC": "netc check specs/iris.net",
    "netc build SPEC -o DIR": "netc build specs/iris.net -o again",
    "netc build specs/iris.net -o out": "netc build specs/iris.net -o out",
    "netc train SPEC": "netc train specs/iris.net",
    # Its text is not beside the specs: test_going_on writes on from one of its own.
    'netc run shakespeare.onnx --text "ROMEO:"': "netc run --help",
    "netc run MODEL.onnx --data FILE": "netc run out/iris.onnx --data specs/data/iris.csv",
    "netc plot SPEC": "netc plot cosine(0.1,epochs=20)",
    "netc words [NAME]": "netc words dense",
    "netc words adam": "netc words adam",
    "netc explain CODE": "netc explain shape-mismatch",
    "python iris.py DATA.npz": "python out/iris.py data.npz",
    "python NAME.py DATA.npz": "python out/iris.py data.npz",
    "make run": "",
    "pip install .": "test_package.py",
    "pip install '.[cuda]'": "test_package.py",
    "pip install '.[images]'": "test_package.py",
}
TUNED = """net tuned
input x: f32[4]
target y: binary
dense 4 -> tanh -> dropout 10% -> dense 1 -> sigmoid
threshold y best(f1)
loss xent
updater adam
train validation=20%
"""
# The words of the text that only name the command.
NAMES = {"netc build", "netc train", "netc words", "netc run", "netc check", "netc explain"}


@cache
def place() -> Path:
    """A folder as a reader has it who has built the iris net."""
    folder = scratch("readme")
    shutil.copytree(SPECS, folder / "specs")
    table = np.loadtxt(SPECS / "data" / "iris.csv", delimiter=",", skiprows=1, usecols=range(4))
    np.savez(folder / "data.npz", flower=table, species=np.repeat([0, 1, 2], 50))
    netc("build", "specs/iris.net", "-o", "out", cwd=folder).ok()
    return folder


def shown() -> set[str]:
    found = {
        c for page in PAGES for c in re.findall(r"`((?:netc|python|make|pip) [^`]*)`", (ROOT / page).read_text("utf-8"))
    }
    return found - NAMES


def test_every_command_of_the_pages_has_a_row() -> None:
    assert shown() == set(COMMANDS)


@pytest.mark.parametrize("command", sorted(c for c in COMMANDS if COMMANDS[c].startswith(("netc", "python"))))
def test_a_command_of_the_pages_runs(command: str) -> None:
    verb, *arguments = COMMANDS[command].split()
    folder = place()
    if verb == "netc":
        assert netc(*arguments, cwd=folder).ok().out
    else:
        alone(folder / arguments[0], *arguments[1:], cwd=folder).ok()
        alone(folder / arguments[0], *arguments[1:], "--check", cwd=folder).ok()
        assert (folder / "iris.npz").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")
def test_make_runs_what_the_pages_say() -> None:
    for target in re.findall(r"^make ([\w-]+)", README, re.M) + ["test-all", "check", "bench"]:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
        if target == "run":
            assert "netc train specs/digits.net -o build/digits --force" in done.stdout


def blocks(text: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)


def test_the_spec_of_the_readme_is_the_file() -> None:
    assert (SPECS / "iris.net").read_text("utf-8") in blocks(README)


def test_the_words_of_the_readme_work() -> None:
    (own,) = [block for block in blocks(README) if block.startswith("def activation")]
    (place() / "own.net").write_text(
        f"net own\ninput x: f32[4]\ntarget y: f32\n{own}"
        "dense 8 -> wavy depth=0.3 -> dense 1\nloss tilted\nupdater careful lr=1e-2\n",
        "utf-8",
    )
    netc("build", "own.net", "-o", "own", cwd=place()).ok()


def test_the_middle_of_iris_py_is_really_in_it() -> None:
    (middle,) = [block for block in blocks(README) if block.startswith("    # 1  dense 16 -> tanh")]
    assert middle in (place() / "out" / "iris.py").read_text("utf-8")


def test_what_comes_out_is_listed() -> None:
    listed = re.findall(r"^\| `(iris[\w.]*)` \|", README, re.M)
    assert sorted(listed) == sorted(p.name for p in (place() / "out").glob("iris*"))
    assert "`netc.manifest.json`" in ARTIFACTS and (place() / "out" / "netc.manifest.json").exists()


def test_the_functions_of_the_page_are_those_of_the_file() -> None:
    """Each function that docs/artifacts.md promises is there, with the parameters that it names."""
    text = (place() / "out" / "iris.py").read_text("utf-8")
    rows = re.findall(r"^\| (`\w+\(.*?) \|", ARTIFACTS, re.M)
    promised = [name for row in rows for name in re.findall(r"`(\w+)\(", row)]
    assert {"init", "fit", "predict", "loss_and_grads", "update", "train", "check"} <= set(promised)
    missing = [name for name in promised if f"\ndef {name}(" not in text]
    # iris tunes and draws nothing; a net with a tuned threshold and dropout does.
    assert missing == ["tune", "draw"]
    assert trainer_of(text, "iris.py").draw is None
    tuned = to_numpy(load_text(TUNED))
    assert all(f"\ndef {name}(" in tuned for name in missing)


def test_the_imports_of_the_readme_work() -> None:
    lines = re.findall(r"`(from netc[^`]*)`", README)
    assert len(lines) == 3
    for line in lines:
        subprocess.run([sys.executable, "-c", line], env=ENV, check=True)


def test_the_options_of_the_readme_exist() -> None:
    for command, options in {
        "train": ("--engine", "--provider", "--resume", "-D"),
        "build": ("-o", "--opset", "--force"),
    }.items():
        said = netc(command, "--help").ok().out
        assert all(option in said for option in options)


def test_the_links_of_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text("utf-8")):
            assert (ROOT / page).parent.joinpath(link).exists(), f"{page} links to {link}"
