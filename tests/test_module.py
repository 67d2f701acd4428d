"""The files beside a run: the emitted trainer as a module, and the weights under the names of init()."""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Fault, load_trainer, load_weights, save_weights, trainer_of
from stand_in import same, trainer_text


def trainer() -> Any:
    return trainer_of(trainer_text(), "flowers.py")


# importing the file ---------------------------------------------------------------------------------------------------


def test_importing_leaves_no_cache_and_shows_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "flowers.py"
    path.write_text(trainer_text())
    made = load_trainer(path)
    assert [p.name for p in tmp_path.iterdir()] == ["flowers.py"]
    assert (made.name, made.epochs, made.early_stop, made.normalisation) == ("flowers", 5, 100, {"clip_norm": 5.0})
    with pytest.raises(KeyError) as caught:
        made.predict({}, np.zeros((1, 4)))
    shown = "".join(traceback.format_exception(caught.value))
    assert 'h = np.tanh((flower - p["mean1"]) @ p["W1"] + p["b1"])' in shown
    linecache.checkcache()
    assert linecache.getline(str(path), 3) == "import hashlib\n"


@pytest.mark.parametrize(
    ("change", "message", "line"),
    [
        (("import math", "import math\nimport nowhere_to_be_found"), "ModuleNotFoundError", 5),
        (("import math", "import math\nx = = 1"), "SyntaxError", 5),
        (("def loss_and_grads", "def loss"), "the trainer lacks loss_and_grads", None),
        (("EPOCHS = 5", "EPOCHS = None"), "the trainer lacks EPOCHS", None),
        (("def split", "def splat"), "the trainer lacks split", None),
        (("import math", "import math\n1 / 0"), "ZeroDivisionError", 5),
    ],
)
def test_a_broken_trainer(tmp_path: Path, change: tuple[str, str], message: str, line: int | None) -> None:
    path = tmp_path / "f.py"
    path.write_text(trainer_text().replace(*change))
    with pytest.raises(Fault) as caught:
        load_trainer(path)
    fault = caught.value
    assert (fault.code, message in fault.message) == ("trainer-broken", True)
    assert fault.where == (f"{path}:{line}" if line else str(path))


def test_a_trainer_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_bytes(b"\xff\xfe")
    with pytest.raises(Fault, match="UTF-8"):
        load_trainer(tmp_path / "f.py")
    with pytest.raises(Fault, match="no such file"):
        load_trainer(tmp_path / "g.py")


# weights --------------------------------------------------------------------------------------------------------------


def test_weights_are_exactly_the_keys_of_init(tmp_path: Path) -> None:
    weights = trainer().init(7)
    save_weights(tmp_path / "w.npz", weights)
    assert same(load_weights(tmp_path / "w.npz", weights), weights)
    with np.load(tmp_path / "w.npz", allow_pickle=False) as plain:
        assert list(plain) == list(weights)
    first = (tmp_path / "w.npz").read_bytes()
    save_weights(tmp_path / "w.npz", weights)
    assert (tmp_path / "w.npz").read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["w.npz"]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"W1": None}, "weights-mismatch", "W1 missing"),
        ({"W9": np.ones(1)}, "weights-mismatch", "W9 unknown"),
        ({"W1": np.ones((8, 4))}, "weights-mismatch", "W1 has the shape (8, 4), where the net needs (4, 8)"),
        ({"b1": np.array(list("abcdefgh"))}, "weights-mismatch", "b1 holds <U1"),
        ({"b1": np.full(8, np.nan)}, "weights-mismatch", "b1 holds a value that is not finite"),
        ({"b1": np.full(8, 1e300)}, "weights-mismatch", "not finite in float32"),
        ({"b1": np.array([None] * 8)}, "data-pickled", "Python objects"),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, change: dict[str, Any], code: str, message: str) -> None:
    start = trainer().init(7)
    np.savez(tmp_path / "w.npz", **{k: a for k, a in (start | change).items() if a is not None})
    with pytest.raises(Fault) as caught:
        load_weights(tmp_path / "w.npz", start)
    assert (caught.value.code, message in caught.value.message) == (code, True), caught.value


def test_weights_in_another_format(tmp_path: Path) -> None:
    (tmp_path / "w.npz").write_bytes(b"not a zip")
    with pytest.raises(Fault) as caught:
        load_weights(tmp_path / "w.npz", {})
    assert caught.value.code == "data-format"
