"""Numbers that a spec takes from an .npz archive, read without trust."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

# The largest member that is read, in bytes; an initial weight is printed into the trainer, so it is small.
LARGEST_MEMBER = 64 * 2**20


def read_entry(folder: str | None, file: str, key: str) -> Any:
    """The named array of an archive in the spec's folder or below it, as float64; ValueError says what is wrong."""
    if folder is None:
        raise ValueError("a spec from standard input has no folder to read from")
    base = Path(folder).resolve()
    path = (base / file).resolve()
    if not path.is_relative_to(base):
        raise ValueError(f"{file} lies outside the spec's folder")
    try:
        return _read(path, key)
    except (OSError, zipfile.BadZipFile, EOFError, KeyError, RuntimeError) as error:
        raise ValueError(f"{file} cannot be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def _read(path: Path, key: str) -> Any:
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        if f"{key}.npy" not in sizes:
            known = ", ".join(sorted(name.removesuffix(".npy") for name in sizes)[:10])
            raise ValueError(f"{path.name} has no entry {key}; it has {known or 'none'}")
        if sizes[f"{key}.npy"] > LARGEST_MEMBER:
            raise ValueError(f"the entry {key} of {path.name} is larger than {LARGEST_MEMBER:,} bytes")
        with archive.open(f"{key}.npy") as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=10_000)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"the entry {key} of {path.name} does not hold finite numbers")
    return array.astype(np.float64)
