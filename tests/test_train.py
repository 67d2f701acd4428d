"""The loop: the same bits as the file's own, early stop, the guard against NaN, Ctrl-C, and both engines."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import (
    Examples,
    Fault,
    Interrupted,
    Metadata,
    NumpyEngine,
    Observer,
    OnnxEngine,
    Record,
    Result,
    Start,
    examples_of,
    prepare_folder,
    train,
    trainer_of,
)
from netc.runtime.checkpoint import path_of
from stand_in import flowers, metadata_json, same, step_graph, trainer_text

METADATA = Metadata.from_json(metadata_json())
EXAMPLES = examples_of(METADATA, flowers())


def trainer(**options: Any) -> Any:
    return trainer_of(trainer_text(**options), "flowers.py")


def own_loop(text: str) -> tuple[dict[str, np.ndarray], list[Any]]:
    """What the file's own train() does, run as the file."""
    names: dict[str, Any] = {}
    exec(compile(text, "flowers.py", "exec"), names)
    return names["train"](**flowers())


class Watch(Observer):
    """Keeps what it is told."""

    def __init__(self, on: Callable[[int, int], None] = lambda epoch, batch: None):
        self.start: Start | None = None
        self.batches: list[tuple[int, int, int]] = []
        self.records: list[Record] = []
        self.result: Result | None = None
        self.on = on

    def on_start(self, start: Start) -> None:
        self.start = start

    def on_batch(self, epoch: int, batch: int, batches: int, losses: tuple[float, ...]) -> None:
        self.batches.append((epoch, batch, batches))
        self.on(epoch, batch)

    def on_epoch(self, record: Record) -> None:
        self.records.append(record)

    def on_end(self, result: Result) -> None:
        self.result = result


def test_the_same_bits_as_the_files_own_loop(tmp_path: Path) -> None:
    kept, log = own_loop(trainer_text())
    result = train(trainer(), METADATA, EXAMPLES, folder=tmp_path, checkpoint_every=0)
    assert same(result.weights, kept)
    assert [(r.losses["loss"], dict(r.validation)) for r in result.history] == log
    assert result.steps == 5 * 5


def test_early_stop_restores_the_best() -> None:
    text = trainer_text(epochs=60, patience=3, rate=0.3)
    kept, log = own_loop(text)
    result = train(trainer_of(text, "f.py"), METADATA, EXAMPLES)
    assert len(log) < 60, "the example has to stop early"
    assert same(result.weights, kept)
    losses = [r.validation["loss"] for r in result.history]
    assert (len(losses), result.stopped_early) == (len(log), True)
    assert result.best_epoch == 1 + losses.index(min(losses)) == len(losses) - 3
    found = trainer().metrics(trainer().predict(result.weights, *held()[0]), *held()[1])
    assert found["loss"] == min(losses)


def held() -> tuple[Any, Any]:
    rows = trainer().split(90)[1]
    return (flowers()["flower"][rows],), (flowers()["species"][rows],)


def test_what_the_observer_sees(tmp_path: Path) -> None:
    watch = Watch()
    result = train(trainer(epochs=2), METADATA, EXAMPLES, folder=tmp_path, observer=watch)
    assert watch.start is not None
    assert (watch.start.training, watch.start.validation, watch.start.batches) == (72, 18, 5)
    assert (watch.start.engine, watch.start.provider, watch.start.resumed) == ("numpy", "cpu", False)
    assert watch.batches == [(epoch, batch, 5) for epoch in (1, 2) for batch in range(1, 6)]
    assert [r.epoch for r in watch.records] == [1, 2]
    assert watch.result == result


def test_history_csv(tmp_path: Path) -> None:
    result = train(trainer(epochs=3), METADATA, EXAMPLES, folder=tmp_path)
    lines = (tmp_path / "history.csv").read_bytes().decode().split("\n")
    assert lines[0] == "epoch,loss,val_loss,val_accuracy"
    assert lines[-1] == ""
    for line, record in zip(lines[1:-1], result.history, strict=True):
        epoch, *values = line.split(",")
        assert int(epoch) == record.epoch
        assert [float(v) for v in values] == [*record.losses.values(), *record.validation.values()]


def test_without_validation_all_examples_train() -> None:
    text = trainer_text(epochs=2)
    for name in ("def split", "def evaluate", "def metrics"):
        text = text.replace(name, name.replace("def ", "def no_"))
    text = text.replace("VALIDATION = 0.2", "").replace("EARLY_STOP = 100", "")
    watch = Watch()
    result = train(trainer_of(text, "f.py"), METADATA, EXAMPLES, observer=watch)
    assert watch.start is not None
    assert (watch.start.training, watch.start.validation) == (90, 0)
    assert [dict(r.validation) for r in result.history] == [{}, {}]
    assert result.steps == 12


def test_starting_weights_take_the_place_of_init_and_fit() -> None:
    first = train(trainer(epochs=1), METADATA, EXAMPLES)
    again = train(trainer(epochs=1), METADATA, EXAMPLES, weights=first.weights)
    assert again.history[0].validation["loss"] < first.history[0].validation["loss"]
    assert np.array_equal(again.weights["mean1"], first.weights["mean1"])
    with pytest.raises(Fault) as caught:
        train(trainer(), METADATA, EXAMPLES, weights={"W1": np.zeros((4, 8))})
    assert caught.value.code == "weights-mismatch"


@pytest.mark.parametrize("count", [1, 4])
def test_a_split_that_leaves_nothing(count: int) -> None:
    examples = examples_of(METADATA, {name: array[:count] for name, array in flowers().items()})
    with pytest.raises(Fault) as caught:
        train(trainer(), METADATA, examples)
    assert caught.value.code == "split-empty"


# the onnx engine ------------------------------------------------------------------------------------------------------


def test_the_onnx_engine_agrees_with_the_file_after_100_steps() -> None:
    numpy, onnx = (
        train(trainer(epochs=20), METADATA, EXAMPLES, engine=engine)
        for engine in (None, OnnxEngine(step_graph(), "cpu", threads=1))
    )
    assert numpy.steps == onnx.steps == 100
    for mine, theirs in zip(onnx.history, numpy.history, strict=True):
        assert mine.losses == pytest.approx(theirs.losses, abs=1e-4)
        assert mine.validation["loss"] == pytest.approx(theirs.validation["loss"], abs=1e-4)
    predictions = [trainer().predict(r.weights, flowers()["flower"]) for r in (numpy, onnx)]
    np.testing.assert_allclose(predictions[0], predictions[1], atol=1e-4)
    assert list(onnx.weights) == list(numpy.weights)


def test_the_onnx_engine_leaves_the_callers_arrays_alone() -> None:
    made = trainer()
    weights = made.init(7)
    moments = made.init_updater(weights)
    engine = OnnxEngine(step_graph(), "cpu", threads=1)
    engine.start(weights, moments, (flowers()["flower"],), (flowers()["species"],))
    before = engine.weights()
    kept = {name: array.copy() for name, array in before.items()}
    for step in (1, 2, 3):
        engine.step(np.arange(8), made.draw(0, step, 8), step, 0.0)
    assert same(before, kept)
    assert same(before, made.init(7))
    assert not same(engine.weights(), kept)


def test_one_step_of_both_engines_in_every_batch_size() -> None:
    made = trainer()
    arrays = (flowers()["flower"],), (flowers()["species"],)
    engines: list[Any] = [NumpyEngine(made), OnnxEngine(step_graph(), "cpu", threads=1)]
    for engine in engines:
        weights = made.init(7)
        engine.start(weights, made.init_updater(weights), *arrays)
    for step, size in enumerate((16, 1, 16, 5, 1, 16), 1):
        batch = np.arange(step, step + size)
        losses = [engine.step(batch, made.draw(0, step, size), step, 2.0 + step / 6) for engine in engines]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        for name, array in engines[0].weights().items():
            np.testing.assert_allclose(engines[1].weights()[name], array, atol=1e-5)
        for name, array in engines[0].moments().items():
            np.testing.assert_allclose(engines[1].moments()[name], array, atol=1e-6)


def test_a_step_graph_of_another_net_is_refused() -> None:
    made = trainer_of(trainer_text().replace('"b1"', '"c1"'), "f.py")
    with pytest.raises(Fault) as caught:
        train(made, METADATA, EXAMPLES, engine=OnnxEngine(step_graph(), "cpu"))
    assert caught.value.code == "model-foreign"


# the guard ------------------------------------------------------------------------------------------------------------


def sabotaged(step: int, what: str) -> Any:
    """A trainer that goes wrong in one step, which it knows by the random numbers of that step."""
    mask = trainer().draw((step - 1) // 5, step, 16 if step % 5 else 8)["keep"] != 0
    this_step = f'np.array_equal(draws["keep"] != 0, {mask.tolist()})'
    return trainer_of(trainer_text(sabotage=f"if {this_step}: {what}"), "flowers.py")


GUARDED = [
    (8, 'grads["W2"][3, 1] = np.nan', "epoch 2, batch 3 of 5, step 8", "the gradient of W2 is nan at [3, 1]"),
    (1, 'grads["b1"][0] = -np.inf', "epoch 1, batch 1 of 5, step 1", "the gradient of b1 is -inf at [0]"),
    (
        12,
        "loss = np.float32(np.nan)",
        "epoch 3, batch 2 of 5, step 12",
        "the loss is nan; inputs and weights are finite",
    ),
    (3, "loss = np.float32(np.inf)", "epoch 1, batch 3 of 5, step 3", "the loss is inf"),
    (10, 'grads["b2"][0] = np.nan', "epoch 2, batch 5 of 5, step 10", "the gradient of b2 is nan at [0]"),
    (25, 'grads["b2"][0] = np.nan', "epoch 5, batch 5 of 5, step 25", "the gradient of b2 is nan at [0]"),
]


@pytest.mark.parametrize(("step", "what", "where", "message"), GUARDED)
@pytest.mark.parametrize("every", [0, 1000])
def test_the_first_bad_value_is_named(
    tmp_path: Path, step: int, what: str, where: str, message: str, every: float
) -> None:
    with pytest.raises(Fault) as caught:
        train(sabotaged(step, what), METADATA, EXAMPLES, folder=tmp_path, checkpoint_every=every)
    fault = caught.value
    assert (fault.code, fault.where) == ("not-finite", where)
    assert message in fault.message
    assert path_of(tmp_path, "flowers").exists()


def test_a_bad_input_is_named() -> None:
    arrays = flowers()
    train_rows = trainer().split(90)[0]
    row = int(train_rows[11])
    arrays["flower"][row, 2] = np.inf
    with pytest.raises(Fault) as caught:
        train(trainer(), METADATA, Examples(arrays, 90))
    assert f"flower of example {row} is inf" in caught.value.message


def test_a_rate_that_overflows_names_a_weight() -> None:
    with pytest.raises(Fault) as caught:
        train(trainer(rate=1e39), METADATA, EXAMPLES)
    assert caught.value.where == "epoch 1, batch 1 of 5, step 1"
    assert "the weight W1 became" in caught.value.message


def test_the_guard_with_the_onnx_engine(tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        train(trainer(rate=1e39), METADATA, EXAMPLES, engine=OnnxEngine(step_graph(rate=1e39), "cpu"), folder=tmp_path)
    assert (caught.value.code, caught.value.where) == ("not-finite", "epoch 1, batch 1 of 5, step 1")
    assert "the weight W1 became" in caught.value.message


# Ctrl-C ---------------------------------------------------------------------------------------------------------------


def press(epoch: int, batch: int) -> Callable[[int, int], None]:
    def on(e: int, b: int) -> None:
        if (e, b) == (epoch, batch):
            os.kill(os.getpid(), signal.SIGINT)

    return on


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
@pytest.mark.parametrize(("epoch", "batch"), [(1, 1), (2, 3), (3, 5), (5, 5)])
def test_ctrl_c_saves_and_resuming_ends_in_the_same_bits(tmp_path: Path, engine: str, epoch: int, batch: int) -> None:
    def made() -> Any:
        return OnnxEngine(step_graph(), "cpu", threads=1) if engine == "onnx" else NumpyEngine(trainer())

    whole = train(trainer(), METADATA, EXAMPLES, engine=made(), folder=prepare_folder(tmp_path / "a", "flowers"))
    folder = prepare_folder(tmp_path / "b", "flowers")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as caught:
        train(trainer(), METADATA, EXAMPLES, engine=made(), folder=folder, observer=Watch(press(epoch, batch)))
    assert signal.getsignal(signal.SIGINT) is before
    assert (caught.value.checkpoint, caught.value.epoch) == (path_of(folder, "flowers"), epoch)
    assert caught.value.batch == batch
    watch = Watch()
    resumed = train(trainer(), METADATA, EXAMPLES, engine=made(), folder=folder, resume=True, observer=watch)
    assert watch.start is not None
    assert (watch.start.resumed, watch.start.epoch, watch.start.batch) == (True, epoch - 1, batch)
    assert same(resumed.weights, whole.weights)
    assert resumed.history == whole.history
    assert (tmp_path / "a" / "history.csv").read_bytes() == (folder / "history.csv").read_bytes()


def test_ctrl_c_within_a_step_waits_for_its_end(tmp_path: Path) -> None:
    """The signal comes between gradients and update; the checkpoint is one of whole steps."""
    hit = "import os, signal; HITS.append(1); len(HITS) == 7 and os.kill(os.getpid(), signal.SIGINT)"
    text = trainer_text(sabotage=hit).replace("RATE =", "HITS = []\nRATE =")
    with pytest.raises(Interrupted) as caught:
        train(trainer_of(text, "flowers.py"), METADATA, EXAMPLES, folder=tmp_path)
    assert (caught.value.epoch, caught.value.batch) == (2, 2)
    resumed = train(trainer(), METADATA, EXAMPLES, folder=tmp_path, resume=True)
    assert same(resumed.weights, train(trainer(), METADATA, EXAMPLES).weights)


def test_a_second_ctrl_c_interrupts_at_once(tmp_path: Path) -> None:
    hit = "import os, signal; HITS.append(1); len(HITS) == 7 and [os.kill(os.getpid(), signal.SIGINT) for _ in '12']"
    text = trainer_text(sabotage=hit).replace("RATE =", "HITS = []\nRATE =")
    with pytest.raises(Interrupted):
        train(trainer_of(text, "flowers.py"), METADATA, EXAMPLES, folder=tmp_path)
    resumed = train(trainer(), METADATA, EXAMPLES, folder=tmp_path, resume=True)
    assert same(resumed.weights, train(trainer(), METADATA, EXAMPLES).weights)


def test_ctrl_c_without_a_folder() -> None:
    with pytest.raises(Interrupted) as caught:
        train(trainer(), METADATA, EXAMPLES, observer=Watch(press(1, 2)))
    assert caught.value.checkpoint is None
