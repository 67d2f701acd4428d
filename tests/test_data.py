"""Arrays and archives: taken where they fit, bounded before they are read, and refused with a reason."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Fault, Metadata, examples_of, npz_file, read
from stand_in import LABELS, field, metadata_json

X = field("x", shape=[2])
Y = field("y")
DIGIT = field("digit", "class", [], None, 10)
IMAGE = field("image", shape=[1, 2, 3])


def net(inputs: Any = (X,), targets: Any = (Y,), **data: Any) -> Metadata:
    return Metadata.from_json(metadata_json(inputs=inputs, targets=targets, data=data or None))


def caught_fault(run: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    return caught.value


# arrays against a type ------------------------------------------------------------------------------------------------

TAKEN = [
    (field("x", shape=[2]), np.ones((3, 2), np.float64), np.float32, (3, 2)),
    (field("x", shape=[2]), np.ones((3, 2), np.uint8), np.float32, (3, 2)),
    (field("x", shape=[2]), np.ones((3, 2), np.bool_), np.float32, (3, 2)),
    (field("x"), np.ones(3), np.float32, (3, 1)),
    (field("x"), np.ones((3, 1)), np.float32, (3, 1)),
    (IMAGE, np.ones((3, 2, 3), np.uint8), np.float32, (3, 1, 2, 3)),
    (DIGIT, np.arange(3, dtype=np.uint8), np.int64, (3,)),
    (DIGIT, np.array([0.0, 9.0]), np.int64, (2,)),
    (DIGIT, np.array([[1], [2]]), np.int64, (2,)),
    (field("x", "class", [], LABELS), np.array(["virginica", "setosa"]), np.int64, (2,)),
    (field("x", "class", [], LABELS), np.array([b"virginica", b"setosa"]), np.int64, (2,)),
    (field("x", "class", [2], None, 3), np.array([[0, 2]]), np.int64, (1, 2)),
    (field("x", shape=[2]), np.asfortranarray(np.ones((3, 2), np.float32)), np.float32, (3, 2)),
]


@pytest.mark.parametrize(("kind", "array", "dtype", "shape"), TAKEN)
def test_taken(kind: dict[str, Any], array: np.ndarray, dtype: Any, shape: tuple[int, ...]) -> None:
    result = examples_of(net([kind], []), {kind["name"]: array}).arrays[kind["name"]]
    assert (result.dtype, result.shape) == (dtype, shape)
    assert result.flags.c_contiguous
    labels = kind["labels"]
    expected = [labels.index(str(v, "utf-8") if isinstance(v, bytes) else v) for v in array] if labels else array
    np.testing.assert_array_equal(result.ravel(), np.asarray(expected).ravel())


REFUSED = [
    (X, np.ones((3, 3)), "data-shape", "expected (N, 2), got (3, 3)"),
    (X, np.ones((2,)), "data-shape", "expected (N, 2), got (2,)"),
    (X, np.float32(1), "data-shape", "expected (N, 2), got ()"),
    (IMAGE, np.ones((3, 6)), "data-shape", "expected (N, 1, 2, 3), got (3, 6)"),
    (IMAGE, np.ones((3, 3, 2)), "data-shape", "got (3, 3, 2)"),
    (DIGIT, np.eye(10), "data-shape", "expected (N,), got (10, 10)"),
    (X, np.array([["1", "2"]]), "data-dtype", "f32[2] takes numbers, but the array holds text"),
    (X, np.ones((1, 2), complex), "data-dtype", "complex128"),
    (X, np.zeros((1, 2), "M8[s]"), "data-dtype", "datetime"),
    (X, np.array([[None, 1]], dtype=object), "data-pickled", "Python objects"),
    (X, np.array([[1, np.nan]]), "data-missing-value", "x: nan is missing"),
    (X, np.array([[1, np.inf]]), "data-value", "x: inf is not finite"),
    (X, np.array([[1, 1e39]]), "data-value", "too large for float32"),
    (field("x", "unit"), np.array([1, 255], np.uint8), "data-value", "x: 255 lies outside 0..1"),
    (field("x", "unit"), np.array([1.0000000001]), "data-value", "lies outside 0..1"),
    (field("x", "positive"), np.array([0.0]), "data-value", "is not above 0"),
    (field("x", "binary"), np.array([-1.0]), "data-value", "neither 0 nor 1"),
    (DIGIT, np.array([10]), "data-value", "digit: 10 is no class id: they go from 0 to 9"),
    (DIGIT, np.array([-1]), "data-value", "-1 is no class id"),
    (DIGIT, np.array([2**64 - 1], np.uint64), "data-value", "18446744073709551615 is no class id"),
    (DIGIT, np.array([1.5]), "data-value", "1.5 is not a whole number"),
    (DIGIT, np.array(["one"]), "data-dtype", "takes class ids"),
    (field("x", "class", [], LABELS), np.array(["setosa", "Setosa"]), "data-label", "'Setosa' is no label of x"),
    (X, np.ones((0, 2)), "data-empty", "no example"),
]


@pytest.mark.parametrize(("kind", "array", "code", "message"), REFUSED)
def test_refused(kind: dict[str, Any], array: Any, code: str, message: str) -> None:
    fault = caught_fault(lambda: examples_of(net([kind], []), {kind["name"]: array}))
    assert fault.code == code
    assert message in fault.message


def test_the_place_of_a_bad_value_is_its_index() -> None:
    values = np.ones((4, 1, 2, 3))
    values[2, 0, 1, 2] = np.nan
    assert caught_fault(lambda: examples_of(net([IMAGE], []), {"image": values})).where == "arrays, image[2, 0, 1, 2]"


def test_helps() -> None:
    one_hot = caught_fault(lambda: examples_of(net([DIGIT], []), {"digit": np.eye(10)}))
    assert "argmax" in (one_hot.help or "")
    from_one = caught_fault(lambda: examples_of(net([DIGIT], []), {"digit": np.arange(1, 11)}))
    assert "count from 1" in (from_one.help or "")
    flat = caught_fault(lambda: examples_of(net([IMAGE], []), {"image": np.ones((3, 6))}))
    assert "reshape(-1, 1, 2, 3)" in (flat.help or "")


def test_counts_must_agree_and_names_must_exist() -> None:
    fault = caught_fault(lambda: examples_of(net(), {"x": np.ones((3, 2)), "y": np.ones(2)}))
    assert (fault.code, "x has 3 examples and y has 2 examples" in fault.message) == ("data-count", True)
    assert caught_fault(lambda: examples_of(net(), {"x": np.ones((3, 2))})).code == "data-missing"
    unknown = caught_fault(lambda: examples_of(net([field("flower")]), {"flowr": np.ones(3)}))
    assert unknown.help == "did you mean flower?"


# archives -------------------------------------------------------------------------------------------------------------


def test_npz_by_name(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "d.npz", y=np.arange(3.0), x=np.ones((3, 2)), other=np.ones(1))
    examples = read(net(file="d.npz"), base=tmp_path)
    assert examples.arrays["y"].shape == (3, 1)
    assert list(examples.arrays) == ["x", "y"]
    assert examples.notes == ("d.npz: not used: other",)


def test_the_content_says_the_format_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    with path.open("wb") as file:
        np.savez(file, y=np.arange(3.0), x=np.ones((3, 2)))
    assert read(net(), [path]).count == 3


def test_npz_missing_entry(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", y=np.arange(3.0), flowers=np.ones((3, 2)))
    fault = caught_fault(lambda: read(net([field("flower", shape=[2])]), [tmp_path / "d.npz"]))
    assert (fault.code, fault.help) == ("data-missing", "did you mean flowers?")


def npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def header_bytes(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


class Trap:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("unpickled",))


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def hostile_archives(folder: Path) -> dict[str, tuple[Path, str]]:
    good = npy_bytes(np.ones((3, 2), np.float32))
    target = npy_bytes(np.ones(3, np.float32))
    whole = zipped(folder / "whole.npz", x=good, y=target).read_bytes()
    cut, flipped = folder / "cut.npz", folder / "flipped.npz"
    cut.write_bytes(whole[: len(whole) // 2])
    flipped.write_bytes(bytes(b ^ 0xFF if 60 < i < 90 else b for i, b in enumerate(whole)))
    objects = header_bytes((3, 2), "|O") + pickle.dumps([Trap()] * 6)
    doubled = folder / "doubled.npz"
    with zipfile.ZipFile(doubled, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("x.npy", good)
    # a bomb that is honest about itself: 40 GB of zeros, declared, though not there
    bomb = bytearray(zipped(folder / "bomb.npz", x=header_bytes((5_000_000_000, 2)), y=target).read_bytes())
    (folder / "bomb.npz").write_bytes(bytes(bomb))
    return {
        "cut": (cut, "data-format"),
        "flipped": (flipped, "data-format"),
        "pickled": (zipped(folder / "pickled.npz", x=objects, y=target), "data-pickled"),
        "doubled": (doubled, "data-format"),
        "bomb": (folder / "bomb.npz", "data-too-large"),
        "more declared": (zipped(folder / "more.npz", x=header_bytes((9, 2)) + b"\0" * 8, y=target), "data-format"),
        "less declared": (zipped(folder / "less.npz", x=header_bytes((1, 2)) + b"\0" * 80, y=target), "data-format"),
        "negative": (zipped(folder / "negative.npz", x=header_bytes((-1, 2)), y=target), "data-format"),
        "code": (zipped(folder / "code.npz", x=good[:10] + b"__import__('os')" + good[26:], y=target), "data-format"),
        "no npy": (zipped(folder / "none.npz", x=b"hello", y=target), "data-format"),
        "structured": (
            zipped(folder / "record.npz", x=header_bytes((3, 2), "|V4") + b"\0" * 24, y=target),
            "data-dtype",
        ),
        "wrong shape": (zipped(folder / "shape.npz", x=npy_bytes(np.ones((3, 5))), y=target), "data-shape"),
    }


HOSTILE = ["cut", "flipped", "pickled", "doubled", "bomb", "more declared", "less declared", "negative", "code"]
HOSTILE += ["no npy", "structured", "wrong shape"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive(tmp_path: Path, name: str) -> None:
    path, code = hostile_archives(tmp_path)[name]
    fault = caught_fault(lambda: read(net(), [path]))
    assert fault.code == code, fault
    assert fault.where is not None
    assert fault.where.startswith(str(path))


def test_the_directory_cannot_lie_about_a_size(tmp_path: Path) -> None:
    """A member that unpacks to more than the directory says is not unpacked any further."""
    path = zipped(tmp_path / "lie.npz", x=npy_bytes(np.zeros((500_000, 2), np.float32)), y=npy_bytes(np.ones(3)))
    data = bytearray(path.read_bytes())
    size = 128 + 4_000_000
    for at in [i for i in range(len(data)) if data[i : i + 4] == struct.pack("<I", size)]:
        data[at : at + 4] = struct.pack("<I", 128 + 24)
    path.write_bytes(bytes(data))
    assert caught_fault(lambda: read(net(), [path])).code == "data-format"


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz_file, "MEMBERS", 3)
    path = zipped(tmp_path / "many.npz", a=b"", b=b"", c=b"", d=b"")
    assert caught_fault(lambda: read(net(), [path])).code == "data-too-large"


def test_entries_that_nobody_asked_for_are_not_read(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "extra.npz",
        x=npy_bytes(np.ones((3, 2))),
        y=npy_bytes(np.ones(3)),
        z=header_bytes((9,), "|O") + b"trap",
    )
    assert read(net(), [path]).count == 3


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    np.save(tmp_path / "y.npy", np.ones(3))
    assert read(net(), [f"x={tmp_path}/x.npy", f"y={tmp_path}/y.npy"]).count == 3
    (tmp_path / "y.npy").write_bytes(header_bytes((3,)) + b"\0" * 4)
    fault = caught_fault(lambda: read(net(), [f"x={tmp_path}/x.npy", f"y={tmp_path}/y.npy"]))
    assert (fault.code, "declares 12 bytes and holds 4 bytes" in fault.message) == ("data-format", True)
    np.save(tmp_path / "y.npy", np.array([Trap()] * 3), allow_pickle=True)
    fault = caught_fault(lambda: read(net(), [f"x={tmp_path}/x.npy", f"y={tmp_path}/y.npy"]))
    assert fault.code == "data-pickled"


@pytest.mark.parametrize(
    ("shape", "help"),
    [
        ((4, 12), "it holds as many numbers; `array.reshape(-1, 3, 2, 2)` would make it fit"),
        ((4, 2, 2, 3), "its axes stand in another order; `array.transpose(0, 3, 1, 2)` would make it fit"),
        ((4, 5), None),
    ],
)
def test_what_would_make_an_array_fit_leaves_its_pixels_where_they_are(shape: tuple[int, ...], help: str | None):
    fault = caught_fault(lambda: examples_of(net([field("x", "u8", [3, 2, 2])], []), {"x": np.ones(shape)}))
    assert (fault.code, fault.help) == ("data-shape", help)


# which files ----------------------------------------------------------------------------------------------------------


def test_sources(tmp_path: Path) -> None:
    np.savez(tmp_path / "a=b.npz", x=np.ones((3, 2)), y=np.ones(3))
    assert read(net(), [str(tmp_path / "a=b.npz")]).count == 3
    assert read(net(file="a=b.npz"), base=tmp_path, need_targets=False).arrays.keys() == {"x"}
    np.save(tmp_path / "y.npy", np.zeros(3))
    assert not read(net(), [str(tmp_path / "a=b.npz"), f"y={tmp_path}/y.npy"]).arrays["y"].any(), "its own file wins"


@pytest.mark.parametrize(
    ("sources", "code", "message"),
    [
        ([], "data-source", "nothing says where the examples of x and y are"),
        (["x=a.npz"], "data-source", "nothing says where the examples of y are"),
        (["a.npz", "b.npz"], "data-source", "do not go together"),
        (["a.npz", "x=b.npz", "y=c.npz"], "data-source", "do not go together"),
        (["a.npz", "b.npz", "x=c.npz"], "data-source", "do not go together"),
        (["x=a.npz", "x=b.npz"], "data-source", "a field has two files"),
        (["q=a.npz"], "data-source", "the net has no input or target q"),
        (["nowhere.npz"], "file-missing", "no such file"),
        (["."], "file-unreadable", "folder"),
        (["one.npy"], "data-source", "it holds one array, but the net has x and y"),
    ],
)
def test_source_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: list[str], code: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("one.npy", np.ones((3, 2)))
    fault = caught_fault(lambda: read(net(), sources))
    assert (fault.code, message in fault.message) == (code, True), fault


def test_the_digest_sees_values_names_and_types() -> None:
    base = {"x": np.ones((3, 2)), "y": np.ones(3)}
    digest = examples_of(net(), base).digest()
    assert digest == examples_of(net(), {"y": np.ones(3), "x": np.ones((3, 2), np.float32)}).digest()
    other = np.ones((3, 2))
    other[2, 1] = 1.0000001
    assert digest != examples_of(net(), {"x": other, "y": np.ones(3)}).digest()


# metadata -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        metadata_json(version=2),
        metadata_json(name=3),
        metadata_json(inputs={}),
        metadata_json(inputs=[{"name": "x"}]),
        metadata_json(inputs=[field("x", "f64")]),
        metadata_json(inputs=[field("x", shape=[-1])]),
        metadata_json(inputs=[field("x", shape=[True])]),
        metadata_json(inputs=[field("x", "class", [])]),
        metadata_json(inputs=[field("x", "class", []) | {"classes": 2, "labels": ["a"]}]),
        metadata_json(outputs=[{"name": "y", "role": "prophecy"}]),
        metadata_json(step={"weights": []}),
        metadata_json(data={"file": 3}),
        metadata_json(data={"file": "a", "bind": {"x": 3}}),
    ],
)
def test_malformed_metadata(text: str) -> None:
    assert caught_fault(lambda: Metadata.from_json(text, "m.onnx")).code == "model-foreign"


def test_field_text() -> None:
    described = Metadata.from_json(metadata_json(inputs=[X, Y, DIGIT, IMAGE, field("u", "unit")]))
    assert [f.text for f in described.inputs] == ["f32[2]", "f32", "class(10)", "f32[1, 2, 3]", "unit"]
