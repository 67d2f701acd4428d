"""What becomes of errors on the command line: exit codes, one JSON object, colour on terminals, never a traceback."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from netc.dsl.codes import CODES
from netc.runtime import CODES as RUNTIME_CODES
from road import ENV, NETC, Done, netc, process

SPEC = """net flowers
let width = 4
input x: f32[2]
target y: class("a", "b")
dense width -> tanh
dense 2 -> softmax
loss mcxent
updater adam lr=1e-2
metric accuracy
train epochs=2 batch=4 validation=25%
data "flowers.csv"
"""
ROWS = "p,q,y\n" + "".join(f"{i},{i % 3},{'ab'[i % 2]}\n" for i in range(12))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spec.net").write_text(SPEC)
    (tmp_path / "flowers.csv").write_text(ROWS)
    (tmp_path / "wrong.net").write_text(SPEC.replace("dense 2", "dnse 2").replace("adam", "adm"))
    (tmp_path / "binary.net").write_bytes(bytes(range(256)))
    return tmp_path


def quiet(done: Done) -> Done:
    """Itself, where it says nothing that only its authors could read."""
    for text in (done.out, done.err):
        assert "Traceback" not in text and 'File "' not in text, text
    return done


# Exit codes -----------------------------------------------------------------------------------------------------------

ENDS = {
    "check spec.net": 0,
    "check spec.net -D width=64": 0,
    "check wrong.net": 1,
    "check nowhere.net": 1,
    "check .": 1,
    "check binary.net": 1,
    "check flowers.csv": 1,
    "check spec.net/inside": 1,
    "check spec.net -D wide=3": 1,
    "check spec.net -D width=many": 1,
    "check spec.net -D width=": 1,
    "check spec.net -D width=1+": 1,
    "check spec.net -D width=0": 1,
    "check spec.net -D width=true": 1,
    "check spec.net -D width=1e999": 1,
    "check spec.net --memory 1e-7": 1,
    "explain no-such-code": 1,
    "words no_such_word": 1,
    "train spec.net --data nowhere.csv": 1,
    "train spec.net --data z=flowers.csv": 1,
    "build spec.net --weights flowers.csv": 1,
    "build spec.net -o flowers.csv": 1,
    "run nowhere.onnx --data flowers.csv": 1,
    "run spec.net --data flowers.csv": 1,
    "run spec.net": 1,
    "": 2,
    "chekc spec.net": 2,
    "check": 2,
    "check spec.net wrong.net": 2,
    "check spec.net --fast": 2,
    "check spec.net --memory much": 2,
    "check spec.net --memory nan": 2,
    "check spec.net --memory 0": 2,
    "check spec.net -D width": 2,
    "check spec.net -D =3": 2,
    "check spec.net -D width=3 -D width=4": 2,
    "build spec.net --opset 99": 2,
    "train spec.net --engine torch": 2,
}


@pytest.mark.parametrize(("line", "code"), ENDS.items(), ids=[line or "nothing" for line in ENDS])
def test_exit_code(line: str, code: int, folder: Path) -> None:
    done = quiet(netc(*line.split(), cwd=folder))
    assert done.code == code, done.err
    assert not done.err if code == 0 else done.err
    assert code != 1 or done.err.startswith("error["), done.err


REPORTING = [
    line for line, code in ENDS.items() if line.split()[:1] in (["check"], ["build"], ["train"], ["run"]) if code
]


@pytest.mark.parametrize("line", REPORTING)
def test_failure_is_one_json_object(line: str, folder: Path) -> None:
    done = quiet(netc(*line.split(), "--json", cwd=folder))
    assert done.code == ENDS[line] and not done.err
    found = json.loads(done.out)
    assert found["ok"] is False and found["diagnostics"]
    for diagnostic in found["diagnostics"]:
        assert diagnostic.keys() == {"severity", "code", "message", "place", "uses", "also", "where", "help"}
        assert diagnostic["code"] in CODES | RUNTIME_CODES and diagnostic["message"]


def test_json_tells_places(folder: Path) -> None:
    found = netc("check", "wrong.net", "--json", cwd=folder).json["diagnostics"]
    places = [(d["code"], d["place"]["line"], d["place"]["column"], d["place"]["end_column"]) for d in found]
    assert places == [("unknown-word", 6, 1, 5), ("unknown-word", 8, 9, 12)]
    assert {d["place"]["file"] for d in found} == {"wrong.net"}
    assert [d["help"] for d in found] == ["did you mean dense?", "did you mean adam?"]


def test_json_has_no_numbers_that_are_none(folder: Path) -> None:
    first = "from netc.codegen import memory\nmemory.memory = lambda net: {'numpy': float('nan')}"
    done = netc("check", "spec.net", "--json", cwd=folder, first=first).ok()
    assert json.loads(done.out, parse_constant=pytest.fail)["memory"] == {"numpy": None}


def test_warnings_go_with_a_success(folder: Path) -> None:
    (folder / "warned.net").write_text(SPEC.replace("x:", "relu:"))
    done = netc("check", "warned.net", cwd=folder).ok()
    assert done.err.startswith("warning[hidden-word]") and "flowers" in done.out
    (warning,) = netc("check", "warned.net", "--json", cwd=folder).ok().json["diagnostics"]
    assert warning["severity"] == "warning"


# Standard input, -D and files -----------------------------------------------------------------------------------------


def test_standard_input(folder: Path) -> None:
    assert "flowers" in netc("check", "-", cwd=folder, stdin=SPEC).ok().out
    assert "flowers" in netc("check", "-", cwd=folder, stdin="\ufeff" + SPEC.replace("\n", "\r\n")).ok().out
    done = netc("check", "-", cwd=folder, stdin=SPEC.replace("dense 2", "dense 0"))
    assert done.code == 1 and "--> <stdin>:6:7" in done.err
    assert netc("check", "-", cwd=folder, stdin="").refused("missing-net")
    spec = SPEC.replace("dense width", 'dense width init=npz("w.npz", "W")')
    netc("check", "-", cwd=folder, stdin=spec).refused("bad-archive", "a spec from standard input has no folder")


def test_standard_input_of_bytes(folder: Path) -> None:
    run = subprocess.run([NETC, "check", "-"], input=b"net caf\xe9\n", env=ENV, capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (1, b"")
    assert run.stderr.startswith(b"error[unreadable]: standard input is not UTF-8: byte 7 is 0xe9")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("'3'", "quotes"),
        ("3\nnet other", "bad-constant"),
        ("# 3", "incomplete-sentence"),
        ("3 -> relu", "broken-chain"),
    ],
)
def test_defines_are_values_alone(value: str, code: str, folder: Path) -> None:
    done = netc("check", "spec.net", "-D", f"width={value}", "--json", cwd=folder)
    assert done.code == 1
    assert done.json["diagnostics"][0]["code"] == code


def test_every_define_at_fault_is_told(folder: Path) -> None:
    done = netc("check", "wrong.net", "-D", "width=many", "-D", "wdth=3", "-D", "a b=3", cwd=folder)
    told = [line[6 : line.find("]")] for line in done.err.splitlines() if line.startswith("error[")]
    assert sorted(told) == ["bad-constant", "unknown-define", "unknown-define", "unknown-word", "unknown-word"]


def test_an_endless_file_is_not_read_to_its_end() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero")
    netc("check", "/dev/zero").refused("too-long")


def test_a_file_without_permission(folder: Path) -> None:
    (folder / "spec.net").chmod(0)
    if os.access(folder / "spec.net", os.R_OK):
        pytest.skip("this user may read everything")
    netc("check", "spec.net", cwd=folder).refused("unreadable", "Permission denied")


def test_a_folder_without_permission(folder: Path) -> None:
    """The system's refusal is told as it is, and nothing is left behind."""
    first = "import pathlib\ndef no(self, *args, **kwargs): raise PermissionError(13, 'Permission denied', str(self))\n"
    done = quiet(netc("build", "spec.net", "-o", "out", cwd=folder, first=f"{first}pathlib.Path.mkdir = no"))
    done.refused("system", "out: Permission denied")
    assert not (folder / "out").exists()


# Faults of ours, and interruptions ------------------------------------------------------------------------------------

BROKEN = "from netc.cli import check\ndef command(*_): raise {}\ncheck.read_spec = command"


@pytest.mark.parametrize("as_object", [False, True])
def test_a_bug_of_ours(as_object: bool, folder: Path) -> None:
    options = ["--json"] * as_object
    done = quiet(netc("check", "spec.net", *options, cwd=folder, first=BROKEN.format("ValueError('oh')")))
    assert done.code == 70
    said = done.json["diagnostics"][0]["help"] if as_object else done.err
    assert "[internal]" in done.err or done.json["diagnostics"][0]["code"] == "internal"
    report = Path(said.split()[-1])
    assert "ValueError: oh" in report.read_text() and "Traceback" in report.read_text()
    report.unlink()


def test_a_bug_where_nothing_can_be_written(folder: Path) -> None:
    first = BROKEN.format("ValueError('oh')") + "\nimport tempfile\ntempfile.tempdir = '/nowhere'"
    done = quiet(netc("check", "spec.net", cwd=folder, first=first))
    assert done.code == 70 and "ValueError: oh" in done.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("KeyboardInterrupt", 130, "interrupted"),
        ("MemoryError", 1, "there is not enough memory"),
        (f"OSError({errno.ENOSPC}, 'No space left on device', 'out/flowers.npz')", 1, "out/flowers.npz: No space"),
        ("RecursionError('too deep')", 70, "this is a bug of netc"),
    ],
)
def test_other_errors(error: str, code: int, said: str, folder: Path) -> None:
    done = quiet(netc("check", "spec.net", cwd=folder, first=BROKEN.format(error)))
    assert done.code == code and said in done.err
    done = quiet(netc("check", "spec.net", "--json", cwd=folder, first=BROKEN.format(error)))
    assert done.code == code and done.json["ok"] is False and not done.err.strip()


def test_artifact_differs(folder: Path) -> None:
    first = "from netc.cli import scores\nscores.agree = lambda served, own: False"
    netc("train", "spec.net", "-o", "out", cwd=folder, first=first).refused(
        "artifact-differs", "the exported model scores"
    )


def test_interrupted_while_it_trains(folder: Path) -> None:
    (folder / "long.net").write_text(SPEC.replace("epochs=2", "epochs=1000000"))
    command = [NETC, "train", "long.net", "-o", "out"]
    run = subprocess.Popen(command, cwd=folder, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (folder / "out" / "flowers.checkpoint.npz").exists() and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130 and "--resume" in said and "Traceback" not in said


# Terminals and pipes --------------------------------------------------------------------------------------------------


def test_colour_on_terminals_alone(folder: Path) -> None:
    assert "\x1b" not in netc("check", "wrong.net", cwd=folder).err
    if sys.platform == "win32":
        pytest.skip("no pseudo-terminals")
    shown = on_terminal("check", "wrong.net", cwd=folder)
    assert "\x1b[31m\x1b[1merror[unknown-word]\x1b[0m" in shown
    plain = netc("check", "wrong.net", cwd=folder).err
    assert strip(shown).split() == plain.split()


def on_terminal(*args: str, cwd: Path) -> str:
    """What a command line writes to a terminal."""
    import pty

    ours, theirs = pty.openpty()
    subprocess.run([NETC, *args], cwd=cwd, env=ENV, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    found = b""
    try:
        while piece := os.read(ours, 4096):
            found += piece
    except OSError:
        pass  # so Linux says that the other end is closed
    os.close(ours)
    return found.decode()


def strip(text: str) -> str:
    return "".join(piece.partition("m")[2] if i else piece for i, piece in enumerate(text.split("\x1b[")))


@pytest.mark.parametrize("line", ["words", "explain", "check spec.net", "check spec.net --json", "check --help"])
def test_a_reader_that_goes_away(line: str, folder: Path) -> None:
    run = subprocess.Popen([NETC, *line.split()], cwd=folder, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdout and run.stderr
    run.stdout.close()
    said = run.stderr.read()
    run.stderr.close()
    assert run.wait(60) in (0, 1) and b"Traceback" not in said and b"Exception" not in said, said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_json_on_a_full_disk(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [NETC, "explain", "no-such-code", "--json"], [NETC, "words", "--json"]
        runs = [subprocess.run(c, env=ENV, stdout=full, stderr=subprocess.PIPE, check=False) for c in command]
    for run in runs:
        said = run.stderr.decode()
        assert run.returncode in (1, 2) and said.count("\n") == 1 and "Traceback" not in said, said
    assert "error[system]: standard output: No space left on device" in runs[1].stderr.decode()


def test_ctrl_c_while_packages_are_imported() -> None:
    """It ends netc as it does later, without a traceback."""
    hook = "lambda name, *_: os.kill(os.getpid(), signal.SIGINT) if name == 'netc.dsl' else None"
    code = f"import os, signal, sys\nsys.meta_path.insert(0, type('Hook', (), {{'find_spec': staticmethod({hook})}}))"
    command = [sys.executable, "-c", f"{code}\nimport netc.cli.main"]
    done = subprocess.run(command, env=ENV, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_letters_that_the_output_does_not_have(folder: Path) -> None:
    (folder / "spec.net").write_text(SPEC.replace('"a", "b"', '"ä", "b"').replace("dense 2", "dense ä"), "utf-8")
    done = process("check", "spec.net", cwd=folder, PYTHONIOENCODING="ascii")
    assert done.code == 1 and "error[bad-character]" in done.err
    done = process("check", "spec.net", "--json", cwd=folder, PYTHONIOENCODING="ascii")
    assert "ä" in done.json["diagnostics"][0]["message"]
