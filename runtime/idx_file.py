"""Arrays in IDX files, the format of MNIST, plain or gzipped; nothing beyond the declared size is ever unpacked."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from .errors import Fault, plural
from .fields import Array
from .files import LIMIT, os_faults

GZIP_MAGIC = b"\x1f\x8b"
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
# Deflate packs at most this many bytes into one, so a smaller file cannot hold what it declares.
DEFLATE_RATIO = 1032


def is_idx(head: bytes) -> bool:
    """Whether a file that begins so is IDX: two zeros, a known type, one axis or more."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in TYPES and head[3] > 0


def is_gzipped_idx(path: Path) -> bool:
    """Whether a gzip file holds IDX."""
    try:
        with os_faults(path), gzip.open(path) as file:
            return is_idx(file.read(4))
    except (EOFError, zlib.error, Fault):
        return False


def read_idx(path: Path) -> Array:
    """The array of an IDX file in the machine's byte order."""
    with os_faults(path), path.open("rb") as raw:
        size = path.stat().st_size
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        try:
            if packed:
                with gzip.GzipFile(fileobj=raw) as file:
                    return _read(path, file, size * DEFLATE_RATIO)
            return _read(path, raw, size)
        except EOFError:
            raise Fault("data-format", "the gzip file ends too early; it was cut off", str(path)) from None
        except (zlib.error, gzip.BadGzipFile) as error:
            raise Fault("data-format", f"the gzip file is damaged: {error}", str(path)) from None
        except MemoryError:
            raise Fault("data-too-large", "it does not fit into this machine's memory", str(path)) from None


def _read(path: Path, file: IO[bytes] | gzip.GzipFile, most: int) -> Array:
    head = file.read(4)
    if not is_idx(head):
        raise Fault("data-format", "it does not begin as an IDX file does", str(path))
    axes = head[3]
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise Fault("data-format", "it ends within its header", str(path))
    shape = struct.unpack(f">{axes}I", sizes)
    dtype = np.dtype(TYPES[head[2]])
    return _values(path, file, shape, dtype, most).astype(dtype.newbyteorder("="), copy=False)


def _values(
    path: Path, file: IO[bytes] | gzip.GzipFile, shape: tuple[int, ...], dtype: np.dtype[np.generic], most: int
) -> Array:
    declared = math.prod(shape) * dtype.itemsize
    if len(shape) > 32:
        raise Fault("data-format", f"its header declares {len(shape)} axes", str(path))
    if declared > LIMIT:
        message = f"its header declares {plural(declared, 'byte')}, more than the limit of {LIMIT:,}"
        raise Fault("data-too-large", message, str(path))
    if declared > most:
        message = f"its header declares {plural(declared, 'byte')}, which a file of this size cannot hold"
        raise Fault("data-format", message, str(path))
    buffer = bytearray()
    while len(buffer) <= declared:
        part = file.read(min(1 << 20, declared + 1 - len(buffer)))
        if not part:
            break
        buffer += part
    if len(buffer) != declared:
        held = "more" if len(buffer) > declared else f"only {len(buffer):,}"
        raise Fault("data-format", f"its header declares {plural(declared, 'byte')}, but it holds {held}", str(path))
    return np.frombuffer(buffer, dtype=dtype).reshape(shape)
