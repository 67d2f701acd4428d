"""`netc run --text` and `--steps`: character models write on and models of series forecast, by what they predict."""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from harness import module
from netc.codegen import serialized, to_onnx
from netc.dsl import load_text
from netc.runtime import Fault, Session, forecast, write_on
from road import SPECS, Array, netc, scratch

LOGITS = [[0.5, -1.0, 2.0], [1.5, 1.0, -2.0], [0.0, 3.0, 1.0]]
# A table of which character follows which.
BIGRAMS = f"""net bigrams
input text: token("a", "b", "c")[T]
target next: class("a", "b", "c")[T]
embedding 3 init={LOGITS} -> softmax
loss mcxent
updater adam
train window=4
data "a.txt" next=shift(text)
"""
# What is said depends on all that is seen.
COUNTED = """net counted
input text: token("a", "b", "c")[T] lengths=true
target next: class("a", "b", "c")
embedding 5 -> globalavgpool -> dense 3 -> softmax
loss mcxent
updater adam
train window=4 seed=3
data "a.txt" next=shift(text)
"""
SERIES = """net series
input x: f32[3]
target y: f32
dense 1 bias=false init=[[0.5], [-1.25], [1.5]]
loss mse
updater adam
train window=3
data "d.csv" x=level y=shift(x)
"""


@cache
def session(text: str) -> Session:
    """The exported model of a spec with its first weights."""
    net = load_text(text)
    return Session(serialized(to_onnx(net, module(net).init(net.train["seed"]))), "cpu")


def refused(run: Any, code: str, *words: str) -> None:
    with pytest.raises(Fault) as caught:
        run()
    assert caught.value.code == code
    assert all(word in f"{caught.value} {caught.value.help}" for word in words), caught.value


# Texts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_characters_come_as_often_as_their_chances_to_the_power_say(temperature: float) -> None:
    found = write_on(session(BIGRAMS), "a", 4000, temperature, 1)
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (["abc".index(c) for c in found[:-1]], ["abc".index(c) for c in found[1:]]), 1)
    shares = np.exp(np.array(LOGITS) / temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    counts = pairs.sum(axis=1, keepdims=True)
    # Four and a half deviations of a share among so many draws.
    assert np.all(abs(pairs - counts * shares) <= 4.5 * np.sqrt(counts * shares * (1 - shares)) + 1)


def test_a_seed_makes_a_text_and_another_seed_another() -> None:
    texts = [write_on(session(BIGRAMS), "ab", 50, 1.0, seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert all(len(text) == 52 and text.startswith("ab") for text in texts)
    assert write_on(session(BIGRAMS), "abc", 0, 1.0, 1) == "abc"


def test_at_temperature_0_the_most_probable_follows() -> None:
    assert write_on(session(BIGRAMS), "b", 6, 0, 1) == write_on(session(BIGRAMS), "b", 6, 0, 9) == "bacbacb"
    assert write_on(session(BIGRAMS), "b", 6, 1e-300, 1) == "bacbacb"


def test_the_model_sees_its_last_window() -> None:
    net = load_text(COUNTED)
    made = module(net)
    p, ids = made.init(3), [0, 1, 1, 2, 0, 2, 1]
    for _ in range(20):
        ids.append(int(made.predict(p, np.array([ids[-4:]]), np.array([4]))[0].argmax()))
    assert write_on(session(COUNTED), "abbcacb", 20, 0, 1) == "".join("abc"[i] for i in ids)


def test_a_model_that_carried_its_state_sees_all() -> None:
    text = BIGRAMS.replace(f"embedding 3 init={LOGITS}", "embedding 4 -> rnn 5 -> dense 3")
    net = load_text(text)
    made = module(net)
    p, ids = made.init(1), [0, 1]
    for _ in range(20):
        ids.append(int(made.predict(p, np.array([ids]))[0, -1].argmax()))
    assert net.streams
    assert write_on(session(text), "ab", 20, 0, 1) == "".join("abc"[i] for i in ids)


def test_texts_that_cannot_be_gone_on_with() -> None:
    refused(lambda: write_on(session(BIGRAMS), "abd", 3, 1, 1), "data-label", "the text:1:3", "'d'")
    refused(lambda: write_on(session(BIGRAMS), "", 3, 1, 1), "data-series", "nothing to begin with")
    windows = session(COUNTED.replace("globalavgpool", "conv 4 3 -> globalavgpool"))
    refused(lambda: write_on(windows, "a", 3, 1, 1), "data-series", "the windows of the net need 3 characters", "is 1")
    fixed = BIGRAMS.replace("[T]", "[4]")
    refused(lambda: write_on(session(fixed), "abc", 3, 1, 1), "data-series", "before 4 characters", "are 3")
    assert write_on(session(fixed), "abca", 3, 0, 1) == "abcabac"[:4] + write_on(session(BIGRAMS), "a", 3, 0, 1)[1:]
    refused(lambda: write_on(session(SERIES), "abc", 3, 1, 1), "model-kind", "x is f32[3]")
    longer = BIGRAMS.replace('"a"', '"aa"')
    refused(lambda: write_on(session(longer), "b", 3, 1, 1), "model-kind", "not single characters")
    other = BIGRAMS.replace('class("a", "b", "c")[T]', 'class("a", "b", "d")[T]').replace("next=shift(text)", "")
    refused(lambda: write_on(session(other), "b", 3, 1, 1), "model-kind", "one output of the labels of text")


# Series ---------------------------------------------------------------------------------------------------------------


def linear(known: list[float], weights: list[float], ahead: int, count: int) -> list[float]:
    """What follows by a weighted sum of the steps that lie `ahead` before."""
    values = list(known)
    for at in range(len(known), len(known) + count):
        last = at - ahead + 1
        values.append(sum(w * v for w, v in zip(weights, values[last - len(weights) : last], strict=True)))
    return values[len(known) :]


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_a_forecast_is_made_of_what_is_known_and_of_itself(ahead: int, tmp_path: Path) -> None:
    text = SERIES.replace("y=shift(x)", f"y=level horizon={ahead}")
    (tmp_path / "d.csv").write_text("level\n1\n2\n4\n3\n2.5\n-1\n", encoding="utf-8")
    _, (found,) = forecast(session(text), [str(tmp_path / "d.csv")], 7)
    wanted = linear([1, 2, 4, 3, 2.5, -1], [0.5, -1.25, 1.5], ahead, 7)
    assert found.shape == (7, 1)
    np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-5, atol=1e-5)


def test_several_columns_and_sequences_go_on_each_by_itself(tmp_path: Path) -> None:
    text = """net series
input x: f32[T, 2]
target y: f32[T, 2]
dense 2 bias=false init=[[0.5, -1], [0.25, 2]]
loss mse
updater adam
data "d.csv" id=place x=[a, b] y=shift(x)
"""
    rows = "place,a,b\nu,1,2\nv,3,5\nu,4,-1\n"
    (tmp_path / "d.csv").write_text(rows, encoding="utf-8")
    _, found = forecast(session(text), [str(tmp_path / "d.csv")], 3)
    for start, array in zip(([4, -1], [3, 5]), found, strict=True):
        step = np.array(start, np.float64)
        for row in array:
            step = step @ np.array([[0.5, -1], [0.25, 2]])
            np.testing.assert_allclose(row, step, rtol=1e-5)


def test_series_that_cannot_be_gone_on_with(tmp_path: Path) -> None:
    path = str(tmp_path / "d.csv")
    Path(path).write_text("level,other\n1,3\n2,5\n", encoding="utf-8")
    np.savez(tmp_path / "cut.npz", x=np.ones((5, 3)))
    refused(lambda: forecast(session(SERIES), [path], 2), "data-series", "before 3 steps", "are 2")
    refused(lambda: forecast(session(SERIES), [str(tmp_path / "cut.npz")], 2), "data-series", "are cut already")
    other = SERIES.replace("y=shift(x)", "y=other")
    refused(lambda: forecast(session(other), [path], 2), "model-kind", "later step of x")
    refused(lambda: forecast(session(BIGRAMS), [path], 2), "model-kind", "series is of numbers", "--text")


# The command ----------------------------------------------------------------------------------------------------------

READER = """net reader
input text: token(7)[T]
target next: class(7)[T]
embedding 4 -> dense 7 -> softmax
loss mcxent
updater adam lr=0.1
metric accuracy
train epochs=30 batch=4 window=4 validation=20%
data "a.txt" next=shift(text)
"""


@cache
def reader(engine: str) -> Path:
    """A model that was trained on a text."""
    folder = scratch(f"reader_{engine}")
    (folder / "spec.net").write_text(READER, "utf-8")
    (folder / "a.txt").write_text("to be or\n" * 30, "utf-8")
    netc("train", folder / "spec.net", "--engine", engine, "-o", folder / "out").ok()
    return folder / "out" / "reader.onnx"


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_a_model_that_learned_from_a_text_writes_on(engine: str) -> None:
    """Its alphabet, which the spec does not name, travels in the model."""
    held = Session(reader(engine), "cpu")
    assert held.inputs[0].labels == held.outputs[0].labels == tuple("\n beort")
    done = netc("run", reader(engine), "--text", "to", "--length", "12", "--temperature", "0").ok()
    assert done.out.startswith("to") and len(done.out) == 15
    assert held.run(text=[["t", "o"]])["next_label"].shape == (1, 2)


def test_what_is_built_with_trained_weights_knows_the_alphabet(tmp_path: Path) -> None:
    """By the model that lies beside them; weights alone have none, which is said."""
    model = reader("numpy")
    spec, weights = model.parent.parent / "spec.net", model.with_suffix(".npz")
    built = netc("build", spec, "--weights", weights, "-o", tmp_path / "out").ok()
    assert "the alphabet is that of" in built.out
    options = ("--text", "to b", "--length", "9", "--seed", "1")
    texts = [netc("run", path, *options).ok().out for path in (model, tmp_path / "out" / "reader.onnx")]
    assert texts[0] == texts[1] and texts[0].startswith("to b")
    (tmp_path / "alone.npz").write_bytes(weights.read_bytes())
    alone = netc("build", spec, "--weights", tmp_path / "alone.npz", "-o", tmp_path / "more").ok()
    assert "does not know its alphabet" in " ".join(alone.out.split())
    assert "nothing says which characters" in netc("run", tmp_path / "more" / "reader.onnx", *options).err


def test_training_goes_on_with_the_alphabet_of_the_weights(tmp_path: Path) -> None:
    """Another text means the same characters by the same ids, or is refused."""
    model = reader("numpy")
    given = (model.parent.parent / "spec.net", "--weights", model.with_suffix(".npz"), "--data", tmp_path / "b.txt")
    (tmp_path / "b.txt").write_text("ro be to\n" * 30, "utf-8")
    assert "the alphabet is that of" in netc("train", *given, "-o", tmp_path / "out").ok().out
    assert Session(tmp_path / "out" / "reader.onnx", "cpu").inputs[0].labels == tuple("\n beort")
    (tmp_path / "b.txt").write_text("ra be ta\n" * 30, "utf-8")
    netc("train", *given, "-o", tmp_path / "other").refused("data-label", "'a' is no symbol of text")


def test_a_text_as_json_and_as_a_file(tmp_path: Path) -> None:
    options = ("--text", "to b", "--temperature", "0.8", "--seed", "5")
    said = netc("run", reader("numpy"), *options, "--json").ok().json
    netc("run", reader("numpy"), *options, "-o", tmp_path / "t.txt").ok()
    assert (said["ok"], len(said["text"])) == (True, 204)
    assert (tmp_path / "t.txt").read_bytes().decode() == said["text"]


def test_predictions_over_steps_have_a_row_for_each_step() -> None:
    done = netc("run", reader("numpy"), "--data", reader("numpy").parent.parent / "a.txt").ok()
    header, *rows = csv.reader(io.StringIO(done.out))
    assert header[:5] == ["example", "step", "next", "p_next_\\n", "p_next_ "]
    assert [row[:2] for row in rows[:5]] == [["0", "0"], ["0", "1"], ["0", "2"], ["0", "3"], ["1", "0"]]
    assert "67 windows of 4 steps; 2 steps at the end in none of them" in done.err


def test_a_row_of_padding_is_left_out(tmp_path: Path) -> None:
    text = "net n\ninput x: f32[T] lengths=true\ntarget y: f32[T]\ntarget z: f32\na = dense 1\nb = a -> globalavgpool\n"
    (tmp_path / "s.net").write_text(
        f"{text}output a\noutput b\nloss one = mse(a, y)\nloss two = mse(b, z)\nupdater adam\n", "utf-8"
    )
    netc("build", tmp_path / "s.net", "-o", tmp_path).ok()
    np.savez(tmp_path / "d.npz", x=np.arange(6).reshape(2, 3), x_lengths=[1, 3])
    done = netc("run", tmp_path / "n.onnx", "--data", tmp_path / "d.npz").ok()
    header, *rows = csv.reader(io.StringIO(done.out))
    assert header == ["example", "step", "a", "b"]
    assert [row[:2] for row in rows] == [["0", "0"], ["1", "0"], ["1", "1"], ["1", "2"]]
    assert len({row[3] for row in rows[1:]}) == 1


USAGES = [
    (("--length", "3"), "--text TEXT"),
    (("--temperature", "1"), "--text TEXT"),
    (("--text", "a", "--steps", "3"), "in the place of"),
    (("--text", "a", "--data", "d.csv"), "in the place of"),
    (("--text", "a", "--temperature", "-1"), "0 or a number above"),
    (("--text", "a", "--temperature", "nan"), "0 or a number above"),
    (("--text", "a", "-o", "t.csv"), ".txt"),
    (("--steps", "3"), "--data FILE"),
]


@pytest.mark.parametrize(("options", "words"), USAGES)
def test_options_that_do_not_go_together(options: tuple[str, ...], words: str) -> None:
    netc("run", reader("numpy"), *options).refused_as_usage(words)


# Sunspots -------------------------------------------------------------------------------------------------------------


@cache
def sunspots() -> tuple[Path, Array]:
    """The trained model, and the series."""
    netc("train", SPECS / "sunspots.net", "-o", folder := scratch("sunspots") / "out").ok()
    months = np.loadtxt(SPECS / "data" / "sunspots.csv", delimiter=",", skiprows=1, usecols=1)
    return folder / "sunspots.onnx", months


def test_sunspots_are_told_a_tenth_better_than_by_persistence() -> None:
    """By at least 9 % in the last fifth of the months, of which nothing was seen in training."""
    model, months = sunspots()
    first = len(months) - round(0.2 * (len(months) - 24))
    x = np.stack([months[at - 24 : at] for at in range(first, len(months))]).astype(np.float32)
    run = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run
    told = run(["next"], {"past": x})[0][:, 0]
    ours, theirs = (np.sqrt(np.mean((p - months[first:]) ** 2)) for p in (told, months[first - 1 : -1]))
    assert ours <= 0.91 * theirs, (ours, theirs)


def test_a_year_of_sunspots(tmp_path: Path) -> None:
    model, months = sunspots()
    data = ("--data", SPECS / "data" / "sunspots.csv", "--steps", "12")
    done = netc("run", model, *data).ok()
    header, *rows = csv.reader(io.StringIO(done.out))
    told = netc("run", model, *data, "--json").ok().json["predictions"]
    netc("run", model, *data, "-o", tmp_path / "year.npz").ok()
    assert header == ["step", "next"] == list(told) and "12 steps on" in done.err
    assert [int(row[0]) for row in rows] == told["step"] == list(range(1, 13))
    with np.load(tmp_path / "year.npz") as held:
        assert held["next"].shape == (1, 12, 1)
        np.testing.assert_allclose(held["next"].ravel(), told["next"], rtol=1e-6)
    run = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run
    known = months.astype(np.float32)
    for value in told["next"]:
        after = run(["next"], {"past": known[None, -24:]})[0][0, 0]
        assert after == pytest.approx(value, rel=1e-5)
        known = np.append(known, after)
