"""Steps that count and steps that do not: in what is learned from the data, and in losses over two lengths."""

from __future__ import annotations

import numpy as np
import pytest
from harness import assert_close, batch, module, small, weights
from netc.cli.table import columns_of
from netc.codegen import to_onnx
from netc.dsl import SpecError, load_text
from netc.runtime import Session
from reference.layers import rescaled, standardized
from uses import SINGLE

N = 5
KEPT = {"standardize": ("mean", "deviation"), "rescale": ("lowest", "width")}


@pytest.mark.parametrize("per", ["element", "channel"])
@pytest.mark.parametrize("given", ["f32[T, 3]", "f32[T, 3] lengths=true", "f32[S, T, 3]", "f32[S, T, 3] lengths=true"])
@pytest.mark.parametrize("word", KEPT)
def test_statistics_are_those_of_all_steps_that_count(word: str, given: str, per: str):
    """Where run time knows the number of steps, one mean and one deviation of each feature serve all of them."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((N, 4, 3) if given.startswith("f32[T") else (N, 2, 4, 3)) * [1, 5, 0.1]
    lengths = [rng.integers(1, 5, N)] if "lengths" in given else []
    if lengths and "S" in given:
        lengths = [rng.integers(1, 3, N), rng.integers(1, 5, (N, 2))]
    chain = f"value = {word} per={per}\noutput value\nvalue -> globalavgpool -> flatten -> dense 2"
    if "S" in given:
        chain = f"value = {word} per={per}\noutput value\nvalue -> time_distributed last_step -> last_step -> dense 2"
    made = module(small(chain, given=given))
    p = made.init(1)
    made.fit(p, x, *lengths)
    rows = x.reshape(-1, 3)
    if len(lengths) == 1:
        rows = np.concatenate([each[:n] for each, n in zip(x, *lengths, strict=True)])
    elif lengths:
        parts = [x[i, s, : lengths[1][i, s]] for i, n in enumerate(lengths[0]) for s in range(n)]
        rows = np.concatenate(parts)
    exact = (standardized if word == "standardize" else rescaled)(rows)
    found = (rows - p[KEPT[word][0]]) / p[KEPT[word][1]]
    assert p[KEPT[word][0]].shape == (3,)
    assert_close(found, exact, 1e-5)


def test_a_step_counts_where_both_of_its_lengths_say_so():
    text = """net words
input x: f32[S, T, 3]
input w: f32[S, 2] lengths=true
input z: f32[T, 2] lengths=true
target y: class(3)[S, T]
seen = z -> gru 3 frozen=true -> last_step
output seen
heard = w -> last_step
output heard
p = x -> dense 3 -> softmax
output p
loss mcxent(p, y)
updater sgd
metric accuracy(p, y)
"""
    made, rng = module(load_text(text)), np.random.default_rng(1)
    x, z, y = rng.standard_normal((4, 3, 5, 3)), rng.standard_normal((4, 5, 2)), rng.integers(0, 3, (4, 3, 5))
    w = rng.standard_normal((4, 3, 2))
    sentences, words = np.array([1, 3, 2, 3]), np.array([5, 2, 4, 1])
    p = {name: w.astype(float) for name, w in made.init(1).items()}
    probs = np.exp(x @ p["W2"] + p["b2"]) if "W2" in p else np.exp(x @ p["W1"] + p["b1"])
    probs /= probs.sum(axis=-1, keepdims=True)
    counted = [(i, s, t) for i in range(4) for s in range(sentences[i]) for t in range(words[i])]
    exact = np.mean([-np.log(probs[at][y[at]]) for at in counted])
    assert_close(made.loss_and_grads(p, x, w, sentences, z, words, y)[0], exact, 1e-12)


def test_a_loss_of_its_own_shape_sees_each_step() -> None:
    """mixture_density needs three numbers a step for one mixture of a number a step."""
    text = "net m\ninput x: f32[T, 3]\ntarget y: f32[T]\ndense 3\nloss mixture_density(mixtures=1)\nupdater adam\n"
    made = module(load_text(text, "m.net"))
    loss, grads = made.loss_and_grads(made.init(1), np.ones((2, 4, 3), np.float32), np.ones((2, 4), np.float32))
    assert np.isfinite(loss) and grads["W1"].shape == (3, 3)


def test_losses_of_steps_and_of_examples_are_two_sentences() -> None:
    text = "net m\ninput x: f32[T, 3]\ntarget y: f32[T]\ntarget z: f32\np = x -> dense 1\nq = p -> last_step\n"
    text += "output p\noutput q\nloss mse(p, y) + mse(q, z)\nupdater adam\n"
    with pytest.raises(SpecError, match="for each step, and the other one for each example"):
        load_text(text, "m.net")


@pytest.mark.parametrize("loss", ["fmeasure", "own"])
def test_losses_of_all_steps_together_are_refused_where_some_are_padding(loss: str) -> None:
    own = "def loss own(p, y) = mean(square(p - batch_mean(p)) + y)\n" * (loss == "own")
    text = f"net m\n{own}input x: f32[T, 3]{{}}\ntarget y: binary[T, 2]\ndense 2 -> sigmoid\nloss {loss}\nupdater sgd\n"
    assert load_text(text.format(""))
    with pytest.raises(SpecError, match=f"{loss} takes all steps of a batch together"):
        load_text(text.format(" lengths=true"))


UNREAD = {
    "f32[T, 3]": ("f32[T, 2]", "dense 2"),
    "f32[S, T, 3]": ("f32[S, T, 2]", "dense 2"),
    "f32[S, T, 2]": ("f32[S, 2]", "globalavgpool -> dense 2"),
    "f32[T, 4]": ("class(3)[L]", "maxpool 2 -> dense 3 -> softmax"),
}


@pytest.mark.parametrize("given", UNREAD)
def test_predictions_are_asked_for_the_lengths_of_their_steps(given: str):
    """Where no node reads how many steps count, the rows of the table do, which are those that count."""
    target, chain = UNREAD[given]
    loss = "ctc" if "class" in target else "mse"
    text = f"net small\ninput x: {given} lengths=true\ntarget y: {target}\n{chain}\nloss {loss}\nupdater sgd\n"
    net = load_text(text)
    assert net.given == net.inputs
    made, rng = module(net), np.random.default_rng(3)
    inputs, _ = batch(net, rng, 3, {"S": 3, "T": 4, "L": 2})
    p = weights(made, net, rng, ())
    named = dict(zip((f.name for f in net.inputs), inputs, strict=True))
    session = Session(to_onnx(net, p).SerializeToString(), "cpu")
    assert {f.name for f in session.inputs} == set(named)
    found = session.predict(**named)
    assert_close(found["y"].values, made.predict(p, *inputs), SINGLE)
    columns = columns_of(session, found, {(*f.shape, f.counts): named[f.name] for f in net.inputs if f.counts})
    (_, lengths, *inner), over = inputs, 2 if "maxpool" in chain else 1
    counted = inner[0][np.arange(3) < lengths[:, None]] if given == "f32[S, T, 3]" else lengths // over
    assert len(columns["example"]) == counted.sum()
