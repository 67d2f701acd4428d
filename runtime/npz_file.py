"""Arrays in .npz and .npy files, bounded before they are read and never unpickled."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import Fault, plural
from .fields import Array
from .files import LIMIT, os_faults, write_atomically

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
NPY_MAGIC = b"\x93NUMPY"
# More members than any net has weights.
MEMBERS = 100_000

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    RuntimeError,  # an unknown compression, or a password
    KeyError,
    SyntaxError,
)


@dataclass(frozen=True)
class Header:
    """What an .npy header declares."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """The size of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


Accept = Callable[[str, Header], None]


def read_npz(path: Path, accept: Accept | None = None, names: Iterable[str] | None = None) -> dict[str, Array]:
    """The entries of an archive by name, all of them or those of `names` that it has.

    `accept` sees each entry's header before its values are read and raises where they are not wanted.
    """
    with os_faults(path), _damage(path), zipfile.ZipFile(path) as archive:
        members = _members(path, archive)
        wanted = [name for name in members if names is None or name in set(names)]
        headers = {name: _declared(path, archive, members[name], name) for name in wanted}
        _check_total(path, sum(header.bytes for header in headers.values()))
        for name, header in headers.items():
            if accept is not None:
                accept(name, header)
        return {name: _read(path, archive, members[name]) for name in wanted}


def npz_names(path: Path) -> list[str]:
    """The names of an archive's entries."""
    with os_faults(path), _damage(path), zipfile.ZipFile(path) as archive:
        return list(_members(path, archive))


def npz_shape(path: Path, name: str) -> tuple[int, ...] | None:
    """The shape of an archive's entry, None where there is none of that name."""
    with os_faults(path), _damage(path), zipfile.ZipFile(path) as archive:
        members = _members(path, archive)
        return _declared(path, archive, members[name], name).shape if name in members else None


def read_npy(path: Path, accept: Accept | None = None) -> Array:
    """The array of an .npy file."""
    with os_faults(path), _damage(path), path.open("rb") as file:
        header = _header(path, file, path.name)
        _check_size(path, path.name, header, path.stat().st_size - file.tell())
        if accept is not None:
            accept(path.name, header)
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays atomically, uncompressed; the same arrays give the same bytes."""

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.asarray(array, order="C"), allow_pickle=False)

    write_atomically(path, write)


class _damage:  # noqa: N801 - read as a verb: `with _damage(path)`
    """Turn what zipfile and NumPy raise on a damaged file into a Fault."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MemoryError):
            raise Fault("data-too-large", "it does not fit into this machine's memory", str(self.path)) from None
        if isinstance(error, BROKEN):
            raise Fault("data-format", f"the archive is damaged: {str(error)[:120]}", str(self.path)) from None


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > MEMBERS:
        raise Fault(
            "data-too-large", f"the archive has {plural(len(entries), 'member')}, more than {MEMBERS:,}", str(path)
        )
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name in members:
            raise Fault("data-format", f"the archive has two entries {name[:60]!r}", str(path))
        if entry.filename.endswith(".npy"):
            members[name] = entry
    return members


def _declared(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Header:
    """The header of an entry, whose size must be what the zip directory says of it."""
    with archive.open(member) as file:
        header = _header(path, file, name)
        _check_size(path, name, header, member.file_size - file.tell())
    return header


def _header(path: Path, file: IO[bytes], name: str) -> Header:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"{name!r} has the .npy version {version}")
    try:
        shape, _, dtype = readers[version](file)
    except Exception as error:  # NumPy parses the header as Python, and a hostile one raises whatever a parser can
        raise ValueError(f"the header of {name!r} cannot be read: {error}") from None
    if dtype.hasobject:
        message = f"{name!r} holds pickled Python objects; reading them could run code, so it is never done"
        raise Fault(
            "data-pickled", message, str(path), "save plain numbers or strings: `np.asarray(values, dtype=np.float32)`"
        )
    if any(size < 0 for size in shape):
        raise ValueError(f"{name!r} declares the shape {shape}")
    return Header(shape, dtype)


def _check_size(path: Path, name: str, header: Header, held: int) -> None:
    _check_total(path, header.bytes)
    if header.bytes != held:
        declared = f"{name!r} declares {plural(header.bytes, 'byte')} and holds {plural(max(held, 0), 'byte')}"
        raise Fault("data-format", declared, str(path))


def _check_total(path: Path, size: int) -> None:
    if size > LIMIT:
        raise Fault(
            "data-too-large", f"it declares {plural(size, 'byte')}, more than the limit of {LIMIT:,}", str(path)
        )


def _read(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    with archive.open(member) as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
        # Reading to the end lets zipfile compare the checksum.
        file.read(1)
        return array
