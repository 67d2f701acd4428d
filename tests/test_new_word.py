"""A new word is one function: the activation of CONTRIBUTING.md, added at run time, gets every check of the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import reference
import test_gradients
import test_words
from harness import small
from netc.dsl import SpecError
from netc.dsl.vocabulary import activations
from netc.dsl.words import WORDS, Word, unregister
from uses import Use, activation_net, alternative, example

GUIDE = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"
ONE = 'net small\ninput x: f32[6]\ntarget y: f32[2]\ndense 4 -> {}\ndense 2\nloss mse\nupdater sgd\n'  # fmt: skip


@pytest.fixture
def gaussian(monkeypatch: pytest.MonkeyPatch) -> Iterator[Word]:
    """The guide's own code, run as if it stood in the family's file."""
    (code,) = re.findall(r"```python\n(@activation.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    exec(code, dict(vars(activations)))
    word = WORDS["activation", "gaussian"]
    monkeypatch.setitem(reference.ACTIVATIONS, "gaussian", reference.each(lambda x: 2.718281828459045 ** (-x * x)))
    yield word
    unregister(word)


@pytest.fixture
def scaled() -> Iterator[Word]:
    """An activation with an option."""

    @activations.activation("scaled", example="scaled 3", aliases=("stretched",))
    def stretch(x: activations.Tensor, by: activations.PositiveReal = 2.0) -> activations.Tensor:
        """tanh(x), stretched by a number."""
        return by * activations.ops.tanh(x)

    assert stretch
    word = WORDS["activation", "scaled"]
    yield word
    unregister(word)


def all_checks(use: Use) -> None:
    test_words.test_use_compiles(use)
    test_words.test_activation_value(use)
    test_words.test_inference_graph(use)
    test_words.test_training_steps(use)
    test_gradients.test_gradients_of_weights(use)
    test_gradients.test_gradients_of_inputs(use)
    for dtype in (np.float32, np.float64):
        test_words.test_activation_saturated(use, dtype)


def test_the_guides_activation(gaussian: Word):
    all_checks(example(gaussian))
    (output,) = activation_net(example(gaussian)).outputs
    assert str(output.type) == "f32[N, 4]" and str(output.type.domain) == "(0, 1]"
    assert gaussian.doc.startswith("A bump around 0.")


def test_an_option_is_checked_like_any_other(
    scaled: Word, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    tanh = reference.ACTIVATIONS["tanh"]
    monkeypatch.setitem(reference.ACTIVATIONS, "scaled", lambda x, by=2.0: by * tanh(x))
    monkeypatch.setitem(__import__("uses").ALTERNATIVES, "by", 0.7)
    all_checks(example(scaled))
    all_checks(alternative(scaled, "by"))
    assert str(small("dense 2 -> stretched 3").outputs[0].type.domain) == "(-3, 3)"
    with pytest.raises(SpecError, match="by of scaled is a number above 0"):
        small("dense 2 -> scaled 0")


def test_it_is_gone_afterwards():
    for name in ("gaussian", "scaled", "stretched"):
        with pytest.raises(SpecError, match=f"{name} is not the name of"):
            small(f"dense 4 -> {name}\ndense 2")
