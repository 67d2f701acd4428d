"""Opening, recognising and atomically writing files, with faults in place of OSError."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

from .errors import Fault

# No file or archive member may declare more than this: 8 GiB.
LIMIT = 8 << 30


@contextlib.contextmanager
def os_faults(path: Path) -> Generator[None]:
    """Turn OSError around the use of a path into a Fault."""
    try:
        yield
    except FileNotFoundError:
        raise Fault("file-missing", "there is no such file", str(path)) from None
    except OSError as error:
        raise Fault("file-unreadable", (error.strerror or str(error)).lower(), str(path)) from None


def head_of(path: Path, count: int = 4096) -> bytes:
    """The first bytes of a file."""
    if path.is_dir():
        raise Fault("file-unreadable", "it is a folder, not a file", str(path))
    with os_faults(path), path.open("rb") as file:
        return file.read(count)


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that after a crash at any moment either the old or the new one is there, whole.

    A temporary file in the same folder, fsync, rename, fsync of the folder.
    """
    with os_faults(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _umask() -> int:
    """The process's mask of file modes, which mkstemp does not apply."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable; a system that cannot open folders needs no such step."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, names: tuple[str, ...]) -> None:
    """Delete temporary files that a killed process left of these names."""
    for name in names:
        for part in folder.glob(f".{name}.*.part"):
            part.unlink(missing_ok=True)
