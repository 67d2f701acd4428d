"""Character models learn Shakespeare: what they make of the last tenth of the text, which they were not trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import road
from netc.runtime import Session

TEXT = road.SPECS.parent.parent / "shared" / "data" / "tinyshakespeare.txt"
# So many characters are told from those before them.
WINDOW = 64
# Of each spec: its epochs, so many of which are enough, the engine, and the nats a character that the loss stays below.
MODELS = {
    "shakespeare": ("epochs=5", "epochs=2", "numpy", 1.9),
    "shakespeare_transformer": ("epochs=3", "epochs=1", "onnx", 2.0),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MODELS)
def test_characters_are_told_as_stated(name: str, tmp_path: Path) -> None:
    if not TEXT.exists():
        pytest.skip(f"{TEXT} is not on this machine")
    whole, part, engine, most = MODELS[name]
    spec = Path(shutil.copytree(road.SPECS / "sequences", tmp_path / "specs")) / f"{name}.net"
    spec.write_text(spec.read_text().replace(whole, part))
    road.process("train", spec, "--data", TEXT, "--engine", engine, "-o", tmp_path / "run").ok()
    assert loss(tmp_path / "run" / f"{name}.onnx", TEXT.read_text()) < most


def loss(model: Path, text: str) -> float:
    """The mean loss of a character of the last tenth of a text, each window read for itself."""
    session = Session(model)
    (given,) = session.inputs
    number = {character: i for i, character in enumerate(given.labels or ())}
    ids = np.array([number[character] for character in text[-len(text) // 10 :]])
    count = (len(ids) - 1) // WINDOW
    x, y = (ids[k : k + count * WINDOW].reshape(count, WINDOW) for k in (0, 1))
    found = session.run(**{given.name: x})["next"]
    return float(-np.mean(np.log(np.take_along_axis(found, y[:, :, None], axis=2))))
