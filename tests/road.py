"""Runs command lines of netc, each in a process of its own, and emitted files where there is NumPy alone."""

from __future__ import annotations

import atexit
import csv
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SPECS = HERE.parent / "specs"
NETC = Path(sys.executable).with_name("netc")
Array = np.ndarray[Any, Any]

# The same bits are promised for the same number of BLAS threads.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# As a user meets it, netc is compiled once and not each time that it runs.
HIDDEN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE")
ENV = {name: value for name, value in os.environ.items() if name not in HIDDEN} | THREADS


@dataclass(frozen=True)
class Done:
    """How a process ended (a negative code is a signal's) and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What --json printed."""
        return json.loads(self.out)

    def ok(self) -> Done:
        """Itself, where it succeeded."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self

    def refused(self, code: str, *words: str) -> Done:
        """Itself, where it was refused with exit code 1, a diagnostic code and these words."""
        assert (self.code, f"[{code}]" in self.err or f'"{code}"' in self.out) == (1, True), f"{self.code}: {self.err}"
        said = " ".join((self.out + self.err).split())
        assert all(word in said for word in words), said
        return self

    def refused_as_usage(self, *words: str) -> Done:
        """Itself, where the command line was at fault."""
        assert (self.code, all(word in self.err for word in words)) == (2, True), f"{self.code}: {self.err}"
        return self


def netc(*args: str | Path, cwd: Path | None = None, stdin: str = "", first: str = "") -> Done:
    """Run a command line of netc; `first` is Python that its process runs before."""
    request = {"args": [str(a) for a in args], "cwd": str(cwd or Path.cwd()), "stdin": stdin, "first": first}
    return _parent().ask(request) if sys.platform == "linux" else process(*args, cwd=cwd, stdin=stdin, first=first)


def process(*args: str | Path, cwd: Path | None = None, stdin: str = "", first: str = "", **env: str) -> Done:
    """Run a command line of netc from nothing, imports included."""
    command = [str(NETC), *map(str, args)]
    if first:
        code = f"{first}\nfrom netc.cli.main import run\nimport sys\nsys.exit(run(sys.argv[1:]))"
        command = [sys.executable, "-c", code, *map(str, args)]
    done = subprocess.run(command, cwd=cwd, input=stdin, env=ENV | env, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


class _Parent:
    """A process that has imported netc and forks for each command line, which saves the second that importing takes."""

    def __init__(self) -> None:
        command = [sys.executable, str(HERE / "road.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENV)

    def ask(self, request: dict[str, Any]) -> Done:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return Done(**json.loads(self.process.stdout.readline()))


@functools.cache
def _parent() -> _Parent:
    return _Parent()


def _serve() -> None:
    """The parent's loop, which ends with the tests that feed it."""
    import netc.codegen.numpy_file
    import netc.codegen.onnx_file
    import netc.runtime.ort

    netc.runtime.ort.runtime()
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, name) for name in ("in", "out", "err")]
            paths[0].write_text(request["stdin"], encoding="utf-8")
            child = os.fork()
            if child == 0:
                _become(request, paths)
            _, status = os.waitpid(child, 0)
            out, err = (path.read_text("utf-8") for path in paths[1:])
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "out": out, "err": err}), flush=True)


def _become(request: dict[str, Any], paths: list[Path]) -> None:
    """Turn the forked process into the one of a command line."""
    from netc.cli.main import run

    # Nothing may go on as a second parent, and nothing may keep the tests waiting.
    signal.alarm(240)
    for number, path in enumerate(paths):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, encoding="utf-8") for n, mode in enumerate("rww"))
    code = 99
    try:
        os.chdir(request["cwd"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        exec(request["first"], {})
        code = run(request["args"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def scratch(purpose: str) -> Path:
    """A new folder that lives as long as the test run, for what several test files share."""
    folder = Path(tempfile.mkdtemp(prefix=f"netc-{purpose}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# An environment with NumPy alone --------------------------------------------------------------------------------------


@functools.cache
def bare() -> Path:
    """The Python of a new environment in which NumPy is all that can be imported besides the standard library."""
    folder = scratch("bare")
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-I", "-c", show], capture_output=True, text=True, check=True).stdout.strip())
    have = Path(np.__file__).parent
    for package in (have, have.with_name("numpy.libs")):
        if package.exists():
            shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    return python


def alone(file: Path, *args: str | Path, cwd: Path) -> Done:
    """Run an emitted file where there is NumPy alone."""
    command = [str(bare()), "-I", str(file), *map(str, args)]
    done = subprocess.run(command, cwd=cwd, env=ENV, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


# Looking at artifacts -------------------------------------------------------------------------------------------------


def arrays(path: Path) -> dict[str, Array]:
    """The entries of an archive."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def assert_same_bits(found: Path, expected: Path) -> None:
    """Two archives hold the same names, shapes, types and bits."""
    mine, theirs = arrays(found), arrays(expected)
    assert list(mine) == list(theirs)
    for name, array in theirs.items():
        assert (mine[name].shape, mine[name].dtype) == (array.shape, array.dtype), name
        assert mine[name].tobytes() == array.tobytes(), f"{name} differs by {np.abs(mine[name] - array).max():.1e}"


def history(folder: Path) -> list[dict[str, str]]:
    """The lines of history.csv, none where there is none yet."""
    if not (folder / "history.csv").exists():
        return []
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    _serve()
