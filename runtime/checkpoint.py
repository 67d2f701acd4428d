"""A run's whole state in one file, written atomically, and what must not have changed when it is resumed."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Fault, listed
from .files import remove_leftovers
from .history import FILE as HISTORY
from .history import Record
from .module import Arrays
from .npz_file import read_npz, write_npz

if sys.platform != "win32":
    import fcntl

VERSION = 2
_JSON = "run"


@dataclass
class State:
    """A run between two steps: all that the next step depends on, since draws come from the seed and the counters."""

    weights: Arrays
    moments: Arrays
    epoch: int = 0
    batch: int = 0
    step: int = 0
    # The sum over the epoch's examples of each loss.
    totals: list[float] = field(default_factory=list[float])
    best: float = float("inf")
    best_epoch: int | None = None
    wait: int = 0
    kept: Arrays | None = None
    history: list[Record] = field(default_factory=list[Record])
    finished: bool = False

    def copy(self) -> State:
        """A state that later steps do not reach."""
        return replace(
            self,
            weights=_copies(self.weights),
            moments=_copies(self.moments),
            totals=list(self.totals),
            history=list(self.history),
        )


@dataclass(frozen=True)
class Fingerprint:
    """What a run is: `must` be the same to resume it; where `may` differs the bits may too, which is only noted."""

    must: Mapping[str, str]
    may: Mapping[str, str]

    def check(self, saved: Fingerprint, where: str) -> list[str]:
        """The notes of what changed; Fault `checkpoint-mismatch` where it is more than a note."""
        changed = [name for name in self.must if saved.must.get(name) != self.must[name]]
        if changed:
            message = f"the checkpoint was saved by another run: {listed(changed)} changed since"
            help = "start afresh with `--force`, or in another folder with `-o`"
            raise Fault("checkpoint-mismatch", message, where, help)
        return [
            f"{name} was {saved.may.get(name, 'not recorded')} and is {value} now; the last bits may differ"
            for name, value in self.may.items()
            if saved.may.get(name) != value
        ]


def machine() -> dict[str, str]:
    """What the bits of a product of matrices depend on besides the program."""
    threads = {
        name: os.environ.get(name, "unset") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    }
    return {
        "NumPy": np.__version__,
        "the number of cores": str(os.cpu_count()),
        "the machine": platform.machine(),
        **threads,
    }


def path_of(folder: Path, name: str) -> Path:
    """Where the checkpoint of a net's run is."""
    return folder / f"{name}.checkpoint.npz"


def prepare_folder(folder: Path, name: str, *, resume: bool = False, force: bool = False) -> Path:
    """Make the folder of a run, or refuse one that holds another run: Fault `run-exists`.

    `resume` lets a run with a checkpoint go on; `force` removes what an earlier run left.
    """
    _make(folder)
    checkpoint = path_of(folder, name)
    remove_leftovers(folder, (checkpoint.name, HISTORY, f"{name}.npz"))
    marks = [path for path in (checkpoint, folder / HISTORY) if path.exists()]
    if force and not resume:
        for path in marks:
            path.unlink()
    elif marks and not (resume and checkpoint.exists()):
        message = f"it holds the results of another run: {listed(path.name for path in marks)}"
        help = "go on with `--resume`, replace it with `--force`, or choose another folder with `-o`"
        raise Fault("run-exists", message, str(folder), help)
    return folder


@contextlib.contextmanager
def claimed(folder: Path) -> Generator[None]:
    """Make the folder of a run and keep it to one run at a time, where the system can: Fault `run-exists`."""
    _make(folder)
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        help = "wait for its end, or choose another folder with `-o`"
        raise Fault("run-exists", "another run is at work in it", str(folder), help) from None
    except OSError:
        pass  # a file system without locks


def _make(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise Fault("file-unreadable", "it is a file, not a folder", str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Fault("file-unreadable", (error.strerror or str(error)).lower(), str(folder)) from None


def save(path: Path, state: State, fingerprint: Fingerprint) -> None:
    """Write a checkpoint; after a crash at any moment the old or the new one is there, whole."""
    scalars = {
        name: value for name, value in vars(state).items() if name not in ("weights", "moments", "kept", "history")
    }
    record = {
        "version": VERSION,
        "must": dict(fingerprint.must),
        "may": dict(fingerprint.may),
        "state": scalars,
        "history": [asdict(entry) for entry in state.history],
        "names": {"weights": list(state.weights), "moments": list(state.moments), "kept": state.kept is not None},
    }
    arrays = {f"weights/{name}": array for name, array in state.weights.items()}
    arrays |= {f"moments/{name}": array for name, array in state.moments.items()}
    arrays |= {f"kept/{name}": array for name, array in (state.kept or {}).items()}
    text = json.dumps(record).encode()
    write_npz(path, {_JSON: np.frombuffer(text, dtype=np.uint8), **arrays})


def load(path: Path) -> tuple[State, Fingerprint]:
    """Read a checkpoint; anything that netc would not have written is a Fault `checkpoint-corrupt`."""
    try:
        arrays = read_npz(path)
        record = json.loads(arrays[_JSON].tobytes())
        if record["version"] != VERSION:
            raise ValueError(f"its version is {record['version']}")
        return _state(arrays, record), Fingerprint(record["must"], record["may"])
    except Fault as fault:
        if fault.code in ("file-missing", "file-unreadable"):
            raise
        raise _corrupt(path, fault.message) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _corrupt(path, f"{type(error).__name__}: {error}") from None


def _corrupt(path: Path, what: str) -> Fault:
    help = "start afresh with `--force`, or in another folder with `-o`"
    return Fault("checkpoint-corrupt", f"the checkpoint cannot be read: {what}", str(path), help)


def _state(arrays: Arrays, record: dict[str, Any]) -> State:
    names = record["names"]

    def group(prefix: str, members: list[str]) -> Arrays:
        return {name: arrays[f"{prefix}/{name}"] for name in members}

    scalars = record["state"]
    kinds = {"epoch": int, "batch": int, "step": int, "totals": list, "best": float, "wait": int, "finished": bool}
    for name, kind in kinds.items():
        if type(scalars[name]) is not kind:
            raise TypeError(f"{name} is {scalars[name]!r}")
    if not all(type(total) is float for total in scalars["totals"]):
        raise TypeError(f"totals are {scalars['totals']!r}")
    return State(
        weights=group("weights", names["weights"]),
        moments=group("moments", names["moments"]),
        kept=group("kept", names["weights"]) if names["kept"] else None,
        history=[Record(**entry) for entry in record["history"]],
        **scalars,
    )


def _copies(arrays: Arrays) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}
