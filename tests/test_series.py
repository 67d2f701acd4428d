"""Data over time: texts, windows over a series, sequences by an id, and splits that see nothing of the future."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import module
from netc.codegen.onnx_file import metadata
from netc.dsl import Source, check, load_text
from netc.dsl.series import overlap
from netc.runtime import Examples, Fault, Metadata, read

Array = np.ndarray[Any, Any]
TEXT = "input text: token({0})[T]\ntarget next: class({0})[T]\nembedding 4 -> dense {1} -> softmax\nloss mcxent\n"
CSV = "day,a,b\n" + "".join(f"{i},{i},{10 * i}\n" for i in range(1, 11))
STATIONS = "place,x,y\n" + "".join(f"{p},{x},{y}\n" for p, x, y in [("b", 1, 0), ("a", 5, 1), ("b", 2, 0), ("b", 3, 0)])


def spec(body: str, train: str, data: str) -> str:
    return f"net n\n{body}updater adam\ntrain epochs=2 batch=4 {train}\ndata {data}\n"


def text_spec(symbols: str = "4", count: int = 4, train: str = "window=3", data: str = "") -> str:
    return spec(TEXT.format(symbols, count), train, f'"a.txt" next=shift(text) {data}')


def numbers(given: str, target: str, train: str = "", data: str = '"d.csv"') -> str:
    """A net of the input x and the target y, whose chain is of no matter."""
    flat = "globalavgpool -> " if "T" in given and "T" not in target else ""
    return spec(f"input x: {given}\ntarget y: {target}\n{flat}dense 1\nloss mse\n", train, data)


def told(text: str) -> Metadata:
    """What the artifacts of a spec say of it."""
    return Metadata.from_json(json.dumps(metadata(load_text(text), [], False)))


@pytest.fixture
def examples(tmp_path: Path) -> Callable[..., Examples]:
    """Reads the examples of a spec from files that hold some text."""

    def made(text: str, **options: Any) -> Examples:
        (tmp_path / "a.txt").write_bytes(options.get("content", b"abacad\n"))
        (tmp_path / "d.csv").write_text(options.get("csv", CSV), encoding="utf-8")
        given = [str(tmp_path / name) for name in options.get("sources", ())]
        return read(told(text), given, tmp_path, need_targets=options.get("targets", True))

    return made


def refused(run: Callable[[], object], code: str, *words: str) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    assert caught.value.code == code
    assert all(word in f"{caught.value} {caught.value.help}" for word in words), caught.value
    return caught.value


# Text -----------------------------------------------------------------------------------------------------------------


def test_a_text_of_other_characters_is_other_data_though_its_ids_are_the_same(examples: Any) -> None:
    first, other = (examples(text_spec("5", 5), content=content) for content in (b"abacad\n", b"ebecef\n"))
    renamed = examples(text_spec("5", 5), content=b"bcbdbe\n")
    assert all(np.array_equal(first.arrays[name], renamed.arrays[name]) for name in ("text", "next"))
    assert len({first.digest(), renamed.digest(), other.digest()}) == 3


def test_the_characters_of_a_text_are_its_symbols(examples: Any) -> None:
    found = examples(text_spec("5", 5))
    assert found.labels == {"text": ("\n", "a", "b", "c", "d"), "next": ("\n", "a", "b", "c", "d")}
    assert found.arrays["text"].tolist() == [[1, 2, 1], [3, 1, 4]]
    assert found.arrays["next"].tolist() == [[2, 1, 3], [1, 4, 0]]
    assert found.arrays["text"].dtype == np.int64


def test_named_symbols_keep_their_order_and_may_be_missing(examples: Any) -> None:
    found = examples(text_spec('"a", "é", "d", "c", "b", "\\n"', 6))
    assert found.labels["text"] == ("a", "é", "d", "c", "b", "\n")
    assert found.arrays["text"].tolist() == [[0, 4, 0], [3, 0, 2]]


def test_nothing_of_a_text_is_changed(examples: Any) -> None:
    """Carriage returns are characters, and a mark of the byte order is none."""
    found = examples(text_spec("4", 4, "window=1"), content="\ufeffa\r\né".encode())
    assert found.labels["text"] == ("\n", "\r", "a", "é")
    assert found.arrays["text"].tolist() == [[2], [1], [0]]


@pytest.mark.parametrize(
    ("text", "content", "code", "words"),
    [
        (text_spec("4", 4), b"abacad\n", "data-alphabet", ("token(4)", "5 characters", "class(5)")),
        (text_spec('"a", "bc"', 2), b"abc", "data-alphabet", ("'bc'", "single characters")),
        (text_spec('"a", "b"', 2), b"aab\nbca\n", "data-label", ("a.txt:1:4", "'\\n'", "a.txt:2:2", "'c'")),
        (text_spec("3", 3), b"abc", "data-series", ("3 steps", "a window needs 3 steps and 1 more")),
        (text_spec(), b"ab\ncd\xff", "data-encoding", ("a.txt:2",)),
        (text_spec(), b"", "data-empty", ("no character",)),
    ],
)
def test_a_text_that_does_not_fit(examples: Any, text: str, content: bytes, code: str, words: tuple[str, ...]) -> None:
    refused(lambda: examples(text, content=content), code, *words)


def test_a_table_of_symbols_is_no_text(examples: Any, tmp_path: Path) -> None:
    text = text_spec('"u", "v"', 2, "window=2").replace("a.txt", "d.csv")
    found = examples(text, csv="text\nu\nv\nv\n")
    assert (found.arrays["text"].tolist(), found.arrays["next"].tolist()) == ([[0, 1]], [[1, 1]])


# Windows --------------------------------------------------------------------------------------------------------------

# The type of the input, of the target, the train sentence, the data sentence; of the days 1 to 10, b is ten times a.
WINDOWS = [
    ("f32[T]", "f32[T]", "window=4", "x=a y=shift(x)", [[1, 2, 3, 4], [5, 6, 7, 8]], [[2, 3, 4, 5], [6, 7, 8, 9]]),
    ("f32[T]", "f32[T]", "window=4", "x=a y=b", [[1, 2, 3, 4], [5, 6, 7, 8]], [[10, 20, 30, 40], [50, 60, 70, 80]]),
    ("f32[T]", "f32[T]", "window=4", "x=a y=b horizon=5", [[1, 2, 3, 4]], [[60, 70, 80, 90]]),
    ("f32[T]", "f32[T]", "window=6", "x=a y=shift(x) stride=3", [[1, 2, 3, 4, 5, 6], [4, 5, 6, 7, 8, 9]], None),
    (
        "f32[T]",
        "f32",
        "window=7",
        "x=a y=shift(x)",
        [[*range(1, 8)], [*range(2, 9)], [*range(3, 10)]],
        [[8], [9], [10]],
    ),
    ("f32[T]", "f32", "window=7", "x=a y=b", None, [[70], [80], [90], [100]]),
    ("f32[7]", "f32", "window=7", "x=a y=shift(x) horizon=2", None, [[9], [10]]),
    ("f32[7]", "f32", "window=7", "x=a y=a horizon=3", [[*range(1, 8)]], [[10]]),
    ("f32[7]", "f32", "window=7", "x=a y=shift(x) stride=2", None, [[8], [10]]),
    ("f32[T, 2]", "f32[2]", "window=9", "x=[a, b] y=shift(x)", None, [[10, 100]]),
]


@pytest.mark.parametrize(("given", "target", "train", "data", "x", "y"), WINDOWS)
def test_windows(examples: Any, given: str, target: str, train: str, data: str, x: Any, y: Any) -> None:
    found = examples(_two(given, target, train, data))
    for name, wanted in (("x", x), ("y", y)):
        if wanted is not None:
            assert found.arrays[name].reshape(np.shape(wanted)).tolist() == wanted


def _two(given: str, target: str, train: str, data: str) -> str:
    text = numbers(given, target, train, f'"d.csv" {data}')
    return text.replace("dense 1", "dense 2") if target == "f32[2]" else text


def test_it_is_told_what_is_left_out(examples: Any) -> None:
    found = examples(numbers("f32[T]", "f32[T]", "window=4", '"d.csv" x=a y=shift(x)'))
    assert found.notes[-1] == "2 windows of 4 steps; 1 step at the end in none of them"


def test_arrays_are_series_or_windows_by_their_shape(examples: Any, tmp_path: Path) -> None:
    text = numbers("f32[T]", "f32[T]", "window=4", '"d.csv" x=a y=shift(x)')
    np.savez(tmp_path / "series.npz", x=np.arange(1, 11))
    np.savez(tmp_path / "windows.npz", x=np.ones((3, 4)), y=np.zeros((3, 4)))
    assert examples(text, sources=["series.npz"]).arrays["x"].tolist() == examples(text).arrays["x"].tolist()
    assert examples(text, sources=["windows.npz"]).arrays["x"].shape == (3, 4, 1)


def test_without_targets_the_last_window_ends_with_the_series(examples: Any) -> None:
    found = examples(numbers("f32[7]", "f32", "window=7", '"d.csv" x=a y=shift(x)'), targets=False)
    assert found.arrays["x"][-1].tolist() == [4, 5, 6, 7, 8, 9, 10] and "y" not in found.arrays


def test_a_column_of_the_input_is_a_target_only_ahead(examples: Any) -> None:
    text = numbers("f32[7]", "f32", "window=7", '"d.csv" x=a y=a')
    refused(lambda: examples(text), "data-binding", "column a is given twice", "horizon=1")


# Sequences by an id ---------------------------------------------------------------------------------------------------


def test_rows_of_one_id_are_a_sequence(examples: Any) -> None:
    """In the order in which they begin; shorter ones are padded, and their lengths tell by how much."""
    text = numbers("f32[T] lengths=true", "f32[T]", "", '"d.csv" id=place')
    found = examples(text, csv=STATIONS)
    assert found.arrays["x"][:, :, 0].tolist() == [[1, 2, 3], [5, 5, 5]]
    assert found.arrays["x_lengths"].tolist() == [3, 1]


def test_one_target_for_a_sequence(examples: Any) -> None:
    text = numbers("f32[T] lengths=true", "f32", "", '"d.csv" id=1')
    assert examples(text, csv=STATIONS).arrays["y"].tolist() == [[0], [1]]
    refused(lambda: examples(text, csv=STATIONS.replace("3,0", "3,7")), "data-series", "y has no steps", "0.0 and 7.0")


def test_windows_do_not_reach_from_one_sequence_into_another(examples: Any) -> None:
    text = numbers("f32[T]", "f32[T]", "window=2", '"d.csv" id=place x=x y=shift(x) stride=1')
    found = examples(text, csv=STATIONS)
    assert (found.arrays["x"][:, :, 0].tolist(), found.count) == ([[1, 2]], 1)


def test_sequences_that_cannot_be(examples: Any, tmp_path: Path) -> None:
    uneven = numbers("f32[T]", "f32[T]", "", '"d.csv" id=place')
    refused(lambda: examples(uneven, csv=STATIONS), "data-series", "from 1 to 3 steps", "lengths=true")
    refused(lambda: examples(uneven.replace("id=place", "id=town")), "data-binding", "id: there is no column town")
    windowed = numbers("f32[T]", "f32[T]", "window=2", '"d.csv" id=place x=x y=shift(x)')
    np.savez(tmp_path / "s.npz", x=np.arange(9))
    refused(lambda: examples(windowed, sources=["s.npz"]), "data-binding", "id=place groups the rows of one CSV file")


# What a spec may say --------------------------------------------------------------------------------------------------

SAID = [
    (numbers("f32[4]", "f32", "window=8"), "window=8 cuts a series into examples, and x has no such steps"),
    (numbers("f32[S, T, 2]", "f32[S, T]", "window=8"), "window=8 is one number of steps, and x has two, S and T"),
    (numbers("f32[4]", "f32", "", '"d.csv" id=p'), "id is about steps, and no input has any"),
    (numbers("f32[4]", "f32", "", '"d.csv" horizon=1'), "horizon is about steps, and no input has any"),
    (numbers("f32[T]", "f32[T]", "", '"d.csv" stride=2'), "stride is the way from one window to the next"),
    (numbers("f32[T]", "f32[T]", "window=4", '"d.csv" stride=0'), "stride of data is a whole number of steps"),
    (numbers("f32[T]", "f32[T]", "window=4", '"d.csv" id=[p]'), "id of data is the column whose values"),
    (numbers("f32[T]", "f32[T]", "window=0.5"), "window"),
    (numbers("f32[T]", "f32[T]", "", '"d.csv" y=shift(3)'), "shift takes the name of an input"),
    (numbers("f32[T]", "f32[T]", "", '"d.csv" x=shift(x)'), "x is an input, and shift(...) says what a target is"),
    (numbers("f32[T]", "f32[T]", "", '"d.csv" y=shift(z)'), "z is not an input, and shift(...) takes one"),
    (numbers("f32[4]", "f32", "", '"d.csv" y=shift(x)'), "x has no steps, so nothing is one on"),
    (numbers("f32[T, 2]", "f32[T]", "", '"d.csv" y=shift(x)'), "y is f32[T, 1], which is no step of x, f32[T, 2]"),
    (text_spec("4", 4).replace("class(4)", "class(5)"), "next is class(5)[T], which is no step of text, token(4)[T]"),
]


@pytest.mark.parametrize(("text", "message"), SAID)
def test_what_a_spec_cannot_say(text: str, message: str) -> None:
    errors = [d for d in check(Source("spec.net", text))[1].ordered() if d.severity == "error"]
    assert any(message in d.message for d in errors), [d.message for d in errors]


# Splits ---------------------------------------------------------------------------------------------------------------

# What is predicted, for each step or for the window, and the lengths of windows and of the ways between them.
SPLITS = [("f32[T]", 4, 4), ("f32[T]", 4, 1), ("f32[T]", 6, 4), ("f32", 4, 1), ("f32", 4, 3)]


@pytest.mark.parametrize(("target", "window", "stride"), SPLITS)
def test_no_row_that_trains_sees_a_step_that_is_predicted_later(target: str, window: int, stride: int) -> None:
    text = numbers("f32[T]", target, f"window={window} validation=25%", f'"d.csv" y=shift(x) stride={stride}')
    made = module(load_text(text))
    training, held = made.split(40)
    assert training.tolist() == list(range(len(training))) and held.tolist() == list(range(30, 40))
    first = held[0] * stride + 1 + (0 if target == "f32[T]" else window - 1)
    last = training[-1] * stride + window
    assert last < first
    # One row more would see it: no more is left out than has to be.
    assert last + stride >= first


def test_the_future_changes_nothing_that_training_sees(examples: Any) -> None:
    """Not the examples, not what standardize learns, not the weights: only the report on the rows held out."""
    text = numbers("f32[3]", "f32", "window=3 validation=30% seed=2", '"d.csv" x=a y=shift(x)')
    text = text.replace("dense 1", "standardize -> dense 1")
    made, csv = module(load_text(text)), CSV.splitlines(keepends=True)
    ends: list[list[Array]] = []
    for future in (csv[-2:], ["9,-77,0\n", "10,1e6,0\n"]):
        found = examples(text, csv="".join(csv[:-2] + future))
        training, _ = made.split(found.count)
        p = made.train([found.arrays["x"]], [found.arrays["y"]])
        ends.append([found.arrays["x"][training], found.arrays["y"][training], *p.values()])
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))
    assert len(ends[0][0]) == 5


def test_rows_that_are_no_series_are_drawn() -> None:
    net = load_text(numbers("f32[T]", "f32[T]", "validation=25%", '"d.csv" id=place'))
    assert overlap(net) == 0
    assert module(net).split(40)[1].tolist() != list(range(30, 40))


def test_streams_are_stepped_through_side_by_side() -> None:
    """Every row once, each stream in time order, and those that end sooner are the last."""
    text = numbers("f32[T]", "f32[T]", "window=4", '"d.csv" y=shift(x)').replace("dense 1", "rnn 3 -> dense 1")
    made = module(load_text(text))
    parts = [part.tolist() for part in made.batches(np.arange(10), 3)]
    assert parts == [[0, 3, 6, 8], [1, 4, 7, 9], [2, 5]]
    assert made.batches(np.arange(10), 0)[0].tolist() == parts[0]
    assert [part.tolist() for part in made.batches(np.arange(2), 0)] == [[0, 1]]
