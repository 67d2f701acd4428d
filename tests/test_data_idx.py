"""IDX files, plain and gzipped: every type of value, and headers that lie."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Fault, Metadata, read
from netc.runtime import idx_file as idx_module
from stand_in import field, metadata_json

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
DIGIT = field("digit", "class", [], None, 10)
IMAGE = field("image", shape=[1, 2, 3])


def net(inputs: Any, targets: Any, **data: Any) -> Metadata:
    return Metadata.from_json(metadata_json(inputs=inputs, targets=targets, data=data or None))


def caught_fault(run: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    return caught.value


def idx_bytes(array: np.ndarray, kind: int = 0x08) -> bytes:
    big = array.astype(array.dtype.newbyteorder(">"))
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + big.tobytes()


IDX_TYPES = [
    (0x08, np.uint8),
    (0x09, np.int8),
    (0x0B, np.int16),
    (0x0C, np.int32),
    (0x0D, np.float32),
    (0x0E, np.float64),
]


@pytest.mark.parametrize(("kind", "dtype"), IDX_TYPES)
@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path: Path, kind: int, dtype: Any, packed: bool) -> None:
    images = np.arange(-6, 6).astype(dtype).reshape(2, 2, 3)
    digits = np.array([3, 7], np.uint8)
    pack = gzip.compress if packed else bytes
    (tmp_path / "images").write_bytes(pack(idx_bytes(images, kind)))
    (tmp_path / "digits").write_bytes(pack(idx_bytes(digits)))
    examples = read(net([IMAGE], [DIGIT]), [f"image={tmp_path}/images", f"digit={tmp_path}/digits"])
    np.testing.assert_array_equal(examples.arrays["image"], images.astype(np.float32).reshape(2, 1, 2, 3))
    np.testing.assert_array_equal(examples.arrays["digit"], [3, 7])


def test_files_of_fields_in_the_spec(tmp_path: Path) -> None:
    (tmp_path / "i.idx").write_bytes(idx_bytes(np.zeros((2, 2, 3), np.uint8)))
    (tmp_path / "d.csv").write_text("digit\n1\n2\n")
    data = {"bind": {"image": {"file": "i.idx"}, "digit": {"file": "d.csv"}}}
    assert read(net([IMAGE], [DIGIT], **data), base=tmp_path).arrays["digit"].tolist() == [1, 2]
    mixed = net([IMAGE], [DIGIT], file="d.csv", bind={"image": {"file": "i.idx"}})
    assert read(mixed, base=tmp_path).count == 2


def idx_faults() -> dict[str, tuple[bytes, str]]:
    whole = idx_bytes(np.zeros((2, 2, 3), np.uint8))
    lie = whole[:4] + struct.pack(">3I", 2**31, 2**31, 2**31)
    packed = gzip.compress(whole)
    return {
        "cut": (whole[:-1], "data-format"),
        "too long": (whole + b"\0", "data-format"),
        "no header": (whole[:7], "data-format"),
        "overflow": (lie, "data-too-large"),
        "plausible lie": (whole[:4] + struct.pack(">3I", 2**20, 2, 3) + whole[16:], "data-format"),
        "gzip cut": (packed[:-9], "data-format"),
        "gzip without end": (packed[:-4], "data-format"),
        "gzip damaged": (packed[:12] + b"\xff\xff" + packed[14:], "data-format"),
        "gzip checksum": (packed[:-8] + b"abcd" + packed[-4:], "data-format"),
        "gzip of a lie": (gzip.compress(lie), "data-too-large"),
        "gzip of a small lie": (gzip.compress(whole[:4] + struct.pack(">3I", 2**20, 2, 3)), "data-format"),
        "gzip too long": (gzip.compress(whole + b"\0" * 5_000_000), "data-format"),
        "gzip of text": (gzip.compress(b"1,2,3\n"), "data-format"),
        "many axes": (b"\0\0\x08\xff" + struct.pack(">255I", *[1] * 255) + b"\0", "data-format"),
    }


@pytest.mark.parametrize("name", list(idx_faults()))
def test_idx_fault(tmp_path: Path, name: str) -> None:
    data, code = idx_faults()[name]
    (tmp_path / "i").write_bytes(data)
    (tmp_path / "d").write_bytes(idx_bytes(np.zeros(2, np.uint8)))
    fault = caught_fault(lambda: read(net([IMAGE], [DIGIT]), [f"image={tmp_path}/i", f"digit={tmp_path}/d"]))
    assert (fault.code, fault.where) == (code, f"{tmp_path}/i"), fault


def test_no_more_than_the_declared_bytes_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((2, 2, 3), np.uint8)) + b"\0" * 50_000_000))
    read_bytes = 0
    plain = idx_module.gzip.GzipFile.read

    def counted(self: Any, size: int = -1) -> bytes:
        nonlocal read_bytes
        part = plain(self, size)
        read_bytes += len(part)
        return part

    monkeypatch.setattr(idx_module.gzip.GzipFile, "read", counted)
    assert caught_fault(lambda: idx_module.read_idx(path)).code == "data-format"
    assert read_bytes <= 4 + 12 + 12 + 1


def test_mnist() -> None:
    images, labels = (SHARED / f"mnist-10k-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1"))
    if not images.exists():
        pytest.skip(f"{images} is not on this machine")
    examples = read(net([field("image", shape=[1, 28, 28])], [DIGIT]), [f"image={images}", f"digit={labels}"])
    assert examples.arrays["image"].shape == (10_000, 1, 28, 28)
    assert examples.arrays["digit"][:5].tolist() == [7, 2, 1, 0, 4]
    assert examples.arrays["image"].max() == 255
