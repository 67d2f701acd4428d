"""The loss ctc: the sum over all ways to write labels, counted one by one, and PyTorch's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from harness import module
from netc.cli import sampling
from netc.codegen import to_step
from netc.codegen.onnx_file import metadata
from netc.dsl import load_text
from netc.runtime import Fault, examples_of
from netc.runtime.metadata import Metadata
from reference.losses import ctc

SPEC = """
net ctc
input  x: f32[T, 3] lengths=true
target word: class(3)[2]
dense 3 -> softmax
loss    ctc
updater sgd lr=0.1
"""
X = np.random.default_rng(4).standard_normal((6, 4, 3))
LENGTHS = np.array([4, 3, 2, 4, 1, 4])
WORDS = np.array([[1, 2], [1, 1], [2, 1], [2, 0], [0, 0], [1, 1]])


def test_every_way_to_write_the_labels_counts() -> None:
    made = module(load_text(SPEC, "ctc.net"))
    p = {name: value.astype(float) for name, value in made.init(1).items()}
    costs = ctc(made.predict(p, X, LENGTHS), WORDS, LENGTHS)
    loss, _ = made.loss_and_grads(p, X, LENGTHS, WORDS)
    assert np.isclose(loss, np.mean(costs), rtol=1e-12)


def test_too_few_steps_cost_infinitely_much() -> None:
    made = module(load_text(SPEC, "ctc.net"))
    loss, _ = made.loss_and_grads(made.init(1), X, np.array([4, 2, 2, 4, 1, 4]), WORDS)
    assert np.isinf(loss)  # two equal labels need a blank between them


@pytest.mark.parametrize("labels", ["2", "L"])
def test_the_proof_has_steps_enough_for_the_labels(labels: str) -> None:
    """Labels may be as many as the data have, and another input has fewer steps than this one."""
    text = SPEC.replace("[2]", f"[{labels}]").replace("input ", "input s: f32[S, 2] lengths=true\ninput ")
    text = text.replace("dense", "more = s -> last_step -> dense 3\nx -> reverse_time -> rnn 3 h=more -> dense")
    net = load_text(text, "ctc.net")
    drawn = sampling.batch(net, 9)
    made = module(net)
    assert np.isfinite(made.loss_and_grads(made.init(1), *drawn.arrays)[0])
    assert to_step(net).graph.node


def read(text: str, labels: list[list[int]], lengths: list[int]) -> None:
    """Read examples of four steps as the runtime does."""
    net = load_text(text, "ctc.net")
    session = Metadata.from_json(json.dumps(metadata(net, [], False)))
    examples_of(session, {"x": X[: len(labels)], "x_lengths": np.array(lengths), "word": np.array(labels)})


SHORT = {
    "a label more than steps": (
        [[1, 0], [1, 2]],
        [4, 1],
        r"word\[1\] has 2 labels, which need 2 steps, and example 1 has 1",
    ),
    "equal neighbours": ([[1, 2], [2, 2]], [2, 2], r"word\[1\] has 2 labels, which need 3 steps, and example 1 has 2"),
    "a blank between labels": ([[1, 0], [0, 2]], [4, 4], r"word\[1, 0\] is 0, the blank, and a label follows it"),
}


@pytest.mark.parametrize("name", SHORT)
def test_labels_that_cannot_be_written_are_refused_with_their_place(name: str) -> None:
    labels, lengths, message = SHORT[name]
    with pytest.raises(Fault, match=message) as caught:
        read(SPEC, labels, lengths)
    assert (caught.value.where, bool(caught.value.help)) == ("arrays", True)


def test_windows_leave_steps_enough_for_the_labels() -> None:
    text = SPEC.replace("dense", "maxpool 2 -> dense")
    read(text, [[1, 2], [1, 0], [0, 0]], [4, 3, 2])
    with pytest.raises(Fault, match="need 2 steps, and the windows of the net leave example 1 1 of 3"):
        read(text, [[1, 2], [1, 2]], [4, 3])


ON_THE_PAGE = {
    "as many steps as it takes": ("dense", [[1, 1], [1, 0], [0, 0]], [3, 1, 1], ""),
    "a label more than steps": ("dense", [[1, 0], [1, 2]], [4, 1], "has more labels than its steps take"),
    "equal neighbours": ("dense", [[1, 2], [2, 2]], [2, 2], "has more labels than its steps take"),
    "a blank between labels": ("dense", [[1, 0], [0, 2]], [4, 4], "has 0, the blank, before another label"),
    "windows that leave fewer": ("maxpool 2 -> dense", [[1, 0], [1, 2]], [4, 3], "has more labels than its steps take"),
}


@pytest.mark.parametrize("name", ON_THE_PAGE)
def test_the_page_refuses_them_too(name: str, tmp_path: Path) -> None:
    layers, labels, lengths, message = ON_THE_PAGE[name]
    path, page = tmp_path / "data.npz", module(load_text(SPEC.replace("dense", layers), "ctc.net"))
    np.savez(path, x=X[: len(labels)], x_lengths=lengths, word=labels)
    if not message:
        page.load(path)
        return
    with pytest.raises(SystemExit) as caught:
        page.load(path)
    assert str(caught.value).endswith(message) and ("word[1]" in str(caught.value)) == ("more" in message)


def test_labels_of_steps_whose_number_is_known() -> None:
    text = SPEC.replace("[T, 3] lengths=true", "[4, 3]").replace("[2]", "[L]").replace("dense", "rnn 5 -> dense")
    net = load_text(text, "ctc.net")
    given = Metadata.from_json(json.dumps(metadata(net, [], False)))
    examples_of(given, {"x": X[:1], "word": np.array([[1, 1, 2]])})
    with pytest.raises(Fault, match="has 3 labels, which need 5 steps, and example 0 has 4"):
        examples_of(given, {"x": X[:1], "word": np.array([[1, 1, 1]])})


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; make test-all does that")
    made = module(load_text(SPEC, "ctc.net"))
    p = {name: value.astype(float) for name, value in made.init(1).items()}
    loss, grads = made.loss_and_grads(p, X, LENGTHS, WORDS)
    w = {name: torch.tensor(value, requires_grad=True) for name, value in p.items()}
    logs = torch.log_softmax(torch.tensor(X) @ w["W1"] + w["b1"], dim=2).transpose(0, 1)
    counts = torch.tensor((WORDS > 0).sum(axis=1))
    each = torch.nn.functional.ctc_loss(logs, torch.tensor(WORDS), torch.tensor(LENGTHS), counts, reduction="none")
    each.mean().backward()
    assert np.isclose(loss, each.mean().item(), rtol=1e-12)
    for name, grad in grads.items():
        assert np.allclose(grad, w[name].grad.numpy(), rtol=1e-9, atol=1e-12), name
