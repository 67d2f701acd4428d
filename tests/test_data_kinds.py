"""Counts, shares, pixels and categories as data: what each kind takes, how it is stored, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Fault, Metadata, Session, examples_of, read
from netc.runtime.metadata import Field
from stand_in import field, graph, metadata_json
from test_data_idx import idx_bytes

COLOR = field("color", "category", [], ["red", "green", "blue"])
PAIR = field("pair", "category", [2], ["red", "green", "blue"])
CODE = field("code", "category", [], None, 12)
MIX = field("mix", "simplex", [3])
VISITS = field("visits", "count")
IMAGE = field("image", "u8", [1, 2, 2])
Y = field("y")


def net(*fields: dict[str, Any]) -> Metadata:
    return Metadata.from_json(metadata_json(inputs=fields, targets=[Y]))


def taken(kind: dict[str, Any], values: Any) -> np.ndarray:
    return examples_of(net(kind), {kind["name"]: np.asarray(values)}, need_targets=False).arrays[kind["name"]]


def fault_of(run: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    return caught.value


TAKEN: list[tuple[dict[str, Any], Any, Any]] = [
    (COLOR, ["green", "red"], np.array([1, 0])),
    (COLOR, [b"green", b"blue"], np.array([1, 2])),
    (COLOR, [[2], [0]], np.array([2, 0])),
    (COLOR, np.array([2, 0], np.uint8), np.array([2, 0])),
    (PAIR, [["green", "red"], ["red", "blue"]], np.array([[1, 0], [0, 2]])),
    (CODE, [11.0, 0.0], np.array([11, 0])),
    (MIX, [[0.5, 0.25, 0.25], [1, 0, 0]], np.float32([[0.5, 0.25, 0.25], [1, 0, 0]])),
    (MIX, [[0.333, 0.333, 0.333]], np.float32([[0.333, 0.333, 0.333]])),
    (VISITS, [0, 7], np.float32([[0], [7]])),
    (VISITS, [3.0], np.float32([[3]])),
    (IMAGE, np.arange(4, dtype=np.uint8).reshape(1, 2, 2), np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)),
    (IMAGE, [[[[0.0, 255.0], [7, 1]]]], np.uint8([[[[0, 255], [7, 1]]]])),
]


@pytest.mark.parametrize(("kind", "values", "expected"), TAKEN)
def test_taken(kind: dict[str, Any], values: Any, expected: np.ndarray) -> None:
    found = taken(kind, values)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


REFUSED: list[tuple[dict[str, Any], Any, str, str]] = [
    (COLOR, ["gren"], "data-label", "'gren' is no label of color"),
    (COLOR, [3], "data-value", "3 is no category id: they go from 0 to 2"),
    (COLOR, [-1], "data-value", "-1 is no category id"),
    (COLOR, [0.5], "data-value", "is not a whole number, so it is no category id"),
    (COLOR, [np.nan], "data-missing-value", "is missing"),
    (
        COLOR,
        [1j],
        "data-dtype",
        "category(3) takes category ids, which are whole numbers, but the array holds complex128",
    ),
    (COLOR, np.eye(3), "data-shape", "expected (N,), got (3, 3)"),
    (CODE, ["red"], "data-dtype", "category(12) takes category ids, which are whole numbers, but the array holds text"),
    (MIX, [[0.5, 0.25, 0.2]], "data-value", "mix: the values sum to 0.95, and not to 1"),
    (MIX, [[1.5, -0.25, -0.25]], "data-value", "1.5 lies outside 0..1"),
    (MIX, [[np.inf, 0, 0]], "data-value", "is not finite"),
    (VISITS, [-1], "data-value", "-1 is no count"),
    (VISITS, [1.5], "data-value", "1.5 is no count"),
    (VISITS, [1e39], "data-value", "is too large for float32"),
    (VISITS, ["3"], "data-dtype", "count takes numbers, but the array holds text"),
    (IMAGE, [[[0, 256], [0, 0]]], "data-value", "256 is no whole number from 0 to 255"),
    (IMAGE, [[[0, -1], [0, 0]]], "data-value", "-1 is no whole number from 0 to 255"),
    (IMAGE, [[[0, 0.5], [0, 0]]], "data-value", "0.5 is no whole number from 0 to 255"),
]


@pytest.mark.parametrize(("kind", "values", "code", "message"), REFUSED)
def test_refused(kind: dict[str, Any], values: Any, code: str, message: str) -> None:
    fault = fault_of(lambda: taken(kind, values))
    assert fault.code == code
    assert message in fault.message


def test_helps() -> None:
    assert fault_of(lambda: taken(COLOR, ["gren"])).help == "did you mean green?"
    assert "seem to count from 1" in str(fault_of(lambda: taken(COLOR, [1, 2, 3])).help)
    assert "argmax" in str(fault_of(lambda: taken(COLOR, np.ones((4, 3)))).help)
    assert "unit or f32" in str(fault_of(lambda: taken(IMAGE, [[[0.5, 0], [0, 0]]])).help)


def test_the_place_of_a_wrong_sum_is_its_example() -> None:
    mix = field("mix", "simplex", [2, 3])
    values = np.full((4, 2, 3), 1 / 3)
    values[2, 1, 0] = 0.2
    assert fault_of(lambda: taken(mix, values)).where == "arrays, mix[2, 1, 0]"


def test_sums_beyond_what_is_told_are_counted() -> None:
    fault = fault_of(lambda: taken(MIX, np.zeros((40, 3))))
    assert fault.message.endswith("; and 35 more")


# Files ----------------------------------------------------------------------------------------------------------------


def csv(folder: Path, text: str) -> Path:
    path = folder / "d.csv"
    path.write_text(text)
    return path


def test_columns_of_strings(tmp_path: Path) -> None:
    table = csv(tmp_path, 'color,visits,code,y\n red ,3,11,1\n"blue",0,0,2\n')
    found = read(net(COLOR, VISITS, CODE), [table]).arrays
    np.testing.assert_array_equal(found["color"], [0, 2])
    np.testing.assert_array_equal(found["code"], [11, 0])
    np.testing.assert_array_equal(found["visits"], [[3], [0]])


def test_several_columns_of_one_alphabet(tmp_path: Path) -> None:
    found = read(net(PAIR), [csv(tmp_path, "a,b,y\nred,blue,1\ngreen,red,2\n")]).arrays
    np.testing.assert_array_equal(found["pair"], [[0, 2], [1, 0]])
    assert found["pair"].dtype == np.int64


def test_a_column_may_hold_ids(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(net(COLOR), [csv(tmp_path, "color,y\n2,1\n0,2\n")]).arrays["color"], [2, 0])


CELLS = [
    ("color,y\nred,1\ngren,2\n", "data-label", "d.csv:3, column 1 (color)", "did you mean green?"),
    ("color,y\nred,1\n,2\n", "data-missing-value", "d.csv:3, column 1 (color)", "fill missing values"),
    ("color,y\nred,1\nNA,2\n", "data-missing-value", "d.csv:3, column 1 (color)", "fill missing values"),
    ("color,y\n0,1\n7,2\n", "data-label", "d.csv:3, column 1 (color)", "None"),
]


@pytest.mark.parametrize(("text", "code", "where", "help"), CELLS)
def test_bad_cells(tmp_path: Path, text: str, code: str, where: str, help: str) -> None:
    fault = fault_of(lambda: read(net(COLOR), [csv(tmp_path, text)]))
    assert (fault.code, fault.where, help in str(fault.help)) == (code, f"{tmp_path}/{where}", True), fault


def test_sums_in_a_table(tmp_path: Path) -> None:
    fault = fault_of(lambda: read(net(MIX), [csv(tmp_path, "a,b,c,y\n0.5,0.5,0,1\n0.5,0.4,0,1\n")]))
    assert (fault.where, "sum to 0.9" in fault.message) == (f"{tmp_path}/d.csv:3, column 1 (a)", True)


def test_archives_hold_strings_or_ids(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", color=np.array(["blue", "red"]), y=np.ones(2))
    np.savez(tmp_path / "i.npz", color=np.array([2, 0]), y=np.ones(2))
    for name in ("s.npz", "i.npz"):
        np.testing.assert_array_equal(read(net(COLOR), [tmp_path / name]).arrays["color"], [2, 0])


def test_idx_bytes_stay_bytes(tmp_path: Path) -> None:
    """Raw pixels are not scaled on the way, and neither are they where the field holds numbers."""
    images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    (tmp_path / "images").write_bytes(idx_bytes(images))
    for kind, dtype in (("u8", np.uint8), ("f32", np.float32), ("count", np.float32)):
        image = field("image", kind, [1, 2, 2])
        found = read(net(image), [f"image={tmp_path}/images"], need_targets=False).arrays["image"]
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, images.reshape(2, 1, 2, 2))


# Models ---------------------------------------------------------------------------------------------------------------


def session_of(kind: dict[str, Any], dtype: str) -> Session:
    """A model that gives its input back as numbers."""
    metadata = metadata_json(inputs=[kind], outputs=[{"name": "p", "shape": kind["shape"]}])
    shape = ["N", *kind["shape"]]
    body = f"p = Cast({kind['name']}) to=1"
    return Session(graph(body, {kind["name"]: (dtype, shape)}, {"p": ("float32", shape)}, {}, metadata), "cpu")


def test_a_session_takes_labels() -> None:
    session = session_of(COLOR, "int64")
    said: list[Any] = [["green", "red"], np.array(["green", "red"]), np.array(["green", "red"], object), [1, 0]]
    for values in said:
        np.testing.assert_array_equal(session.run(color=values)["p"], [1, 0])
    assert fault_of(lambda: session.run(color=["pink"])).code == "data-label"
    assert fault_of(lambda: session.run(color=np.array(["red", None], object))).code == "data-pickled"


def test_a_session_takes_pixels() -> None:
    session = session_of(IMAGE, "uint8")
    for values in (np.full((1, 2, 2), 255, np.uint8), np.full((1, 1, 2, 2), 255.0)):
        assert session.run(image=values)["p"].tolist() == [[[[255, 255], [255, 255]]]]
    assert session.run(image=np.empty((0, 1, 2, 2)))["p"].shape == (0, 1, 2, 2)
    assert fault_of(lambda: session.run(image=np.full((1, 2, 2), 256))).code == "data-value"


@pytest.mark.parametrize(
    ("entry", "text"),
    [(COLOR, "category(3)"), (PAIR, "category(3)[2]"), (MIX, "simplex[3]"), (VISITS, "count"), (IMAGE, "u8[1, 2, 2]")],
)
def test_field_text(entry: dict[str, Any], text: str) -> None:
    (found,) = net(entry).inputs
    assert isinstance(found, Field)
    assert found.text == text


BROKEN = [{**COLOR, "classes": 2}, {**CODE, "classes": None}, {**COLOR, "labels": [1, 2, 3]}, {**COLOR, "kind": "tag"}]


@pytest.mark.parametrize("entry", BROKEN)
def test_malformed_metadata(entry: dict[str, Any]) -> None:
    assert fault_of(lambda: net(entry)).code == "model-foreign"
