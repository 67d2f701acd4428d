"""Attention and layers over steps, where their number is known only at run time: padding, causes, lengths, exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attention_uses import USES, net_of
from harness import Array, assert_close, batch, module, narrow, run_onnx, weights
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net, SpecError, load, load_text
from netc.runtime import Fault, Session
from test_gradients import gradients_of_inputs, gradients_of_weights
from uses import EXACT, SINGLE, check_steps

# Chains from ids that end in what a class is told by; none of them may see padding.
CHAINS = {
    "attention": "embedding 6 padding=0 -> positions -> attention heads=2 -> globalmaxpool",
    "causal": "embedding 6 -> attention heads=2 causal=true rotary=true kv_heads=1 units=4 -> globalavgpool",
    "learned": "embedding 4 -> learned_positions 9 -> learned_attention 2 heads=2 -> flatten",
    "additive": "embedding 4 -> additive_attention 3 -> attention_pool",
    "dot": "embedding 4 -> dot_attention -> globalsumpool",
    "conv": "embedding 4 -> conv 5 3 pad=same -> relu -> conv 3 2 pad=causal dilation=2 -> layernorm -> globalnormpool",
    "bags": "a = embedding 4 bag=mean padding=1\nb = text -> embedding 3 bag=sum\na -> concat b",
}


def classifier(name: str, lengths: bool = True) -> Net:
    given = f"input text: token(5)[T]{' lengths=true' if lengths else ''}\ntarget kind: class(3)"
    return load_text(f"net small\n{given}\n{CHAINS[name]} -> dense 3 name=last -> softmax\nloss mcxent\nupdater sgd\n")


@pytest.mark.parametrize("name", CHAINS)
def test_padding_changes_nothing(name: str):
    """An example among longer ones is what it is alone, whatever its padding holds; so are loss and gradients."""
    net = classifier(name)
    made, rng = module(net), np.random.default_rng(4)
    (text, _), (kind,) = batch(net, rng, 4, {"T": 7})
    p, lengths = weights(made, net, rng, ()), np.array([3, 7, 1, 4])
    other = np.where(np.arange(7) < lengths[:, None], text, 4 - text)
    found = made.predict(p, text, lengths)
    assert_close(made.predict(p, other, lengths), found, EXACT)
    for i, n in enumerate(lengths):
        assert_close(made.predict(p, text[i : i + 1, :n], lengths[i : i + 1]), found[i : i + 1], EXACT)
    loss, grads = made.loss_and_grads(p, text, lengths, kind)
    again, others = made.loss_and_grads(p, other, lengths, kind)
    assert_close(again, loss, EXACT)
    assert all(np.allclose(others[k], grads[k], rtol=1e-12, atol=1e-14) for k in grads)


@pytest.mark.parametrize("name", CHAINS)
def test_trained(name: str):
    net = classifier(name)
    gradients_of_weights(net)
    check_steps(net, 3, name)


@pytest.mark.parametrize(("word", "options", "other"), USES, ids=str)
def test_gradients(word: str, options: dict[str, Any], other: bool):
    net = net_of(word, options, other, masked=True)
    gradients_of_weights(net)
    gradients_of_inputs(net)


def test_causal_attention_sees_nothing_later():
    """A step's value stays as it is when later ones change, or are not there yet; the first sees itself alone."""
    chain = "attention heads=2 causal=true -> conv 4 3 pad=causal -> attention causal=true rotary=true"
    net = load_text(f"net small\ninput x: f32[T, 4]\ntarget y: f32[T, 4]\n{chain}\nloss mse\nupdater sgd\n")
    made, rng = module(net), np.random.default_rng(0)
    (x,), _ = batch(net, rng, 2, {"T": 6})
    p = weights(made, net, rng, (x,))
    found = made.predict(p, x)
    for t in range(1, 6):
        later = x.copy()
        later[:, t:] += rng.standard_normal(later[:, t:].shape)
        assert_close(made.predict(p, later)[:, :t], found[:, :t], EXACT)
        assert_close(made.predict(p, x[:, :t]), found[:, :t], EXACT)
        assert not np.allclose(made.predict(p, later)[:, t], found[:, t])


ONE_MODEL = [("attention", False), ("attention", True), ("causal", False), ("additive", True), ("conv", True)]


@pytest.mark.parametrize(("name", "lengths"), [*ONE_MODEL, ("dot", True), ("bags", True), ("bags", False)])
def test_one_model_serves_every_length(name: str, lengths: bool):
    net = classifier(name, lengths)
    made, rng = module(net), np.random.default_rng(2)
    p = weights(made, net, rng, ())
    model = to_onnx(net, p)
    sizes = [(1, 1), (64, 7), (1, 500), (2, 500)] if name != "additive" else [(1, 1), (64, 7), (1, 500)]
    for count, steps in sizes:
        inputs, _ = batch(net, rng, count, {"T": steps})
        given = {f.name: v for f, v in zip(net.inputs, inputs, strict=True)}
        exact = made.predict(p, *inputs)
        assert_close(made.predict(narrow(p), *inputs), exact, SINGLE, name)
        for reference in (False, True) if count * steps <= 500 else (False,):
            assert_close(run_onnx(model, given, reference)["kind"], exact, SINGLE, f"{name} {count} {steps}")


def test_longer_than_the_learned_positions():
    net = classifier("learned")
    made = module(net)
    p, text = made.init(0), np.zeros((1, 10), np.int64)
    assert made.predict(p, text[:, :9], np.array([9])).shape == (1, 3)
    with pytest.raises(ValueError, match="9 positions, not 10"):
        made.predict(p, text, np.array([10]))
    session = Session(to_onnx(net, p).SerializeToString())
    assert session.run(text=text[:, :9], text_lengths=[9])["kind"].shape == (1, 3)
    with pytest.raises(Fault, match="10 steps, and the net has places for 9"):
        session.run(text=text, text_lengths=[10])


REFUSED = {
    "attention heads=4": ("bad-option", "multiple of the heads"),
    "attention heads=2 rotary=true": ("bad-option", "another number of heads"),
    "attention heads=6 kv_heads=4": ("bad-option", "multiple of kv_heads"),
    "attention other causal=true": ("bad-option", "take causal away"),
    "attention flat": ("shape-mismatch", "reshape"),
    "dot_attention other": ("shape-mismatch", "projects"),
    "conv 4 3 pad=same stride=2": ("bad-option", "pad as a number"),
    "deconv 4 3": ("shape-mismatch", "globalmaxpool"),
    "crop 1": ("shape-mismatch", "globalmaxpool"),
    "time_distributed batchnorm": ("shape-mismatch", "without time_distributed"),
    "groupnorm 2": ("shape-mismatch", "layernorm"),
    "instancenorm": ("shape-mismatch", "layernorm"),
    "add other": ("shape-mismatch", "two numbers of steps"),
}


@pytest.mark.parametrize("use", REFUSED)
def test_refused(use: str):
    code, help = REFUSED[use]
    text = "net small\ninput x: f32[T, 6] lengths=true\ninput other: f32[S, 5]\ninput flat: f32[6]\ntarget y: f32[2]\n"
    more = "mse(p, y) + mse(q, flat) + mse(r, y)"
    chains = f"p = x -> {use} -> globalmaxpool -> dense 2\nq = flat -> dense 6\nr = other -> globalmaxpool -> dense 2\n"
    with pytest.raises(SpecError) as caught:
        load_text(f"{text}{chains}output p\noutput q\noutput r\nloss {more}\nupdater sgd\n")
    found = caught.value.diagnostics[0]
    assert found.code == code and help in str(found.help), found


SEQUENCES = Path(__file__).resolve().parent.parent / "specs" / "sequences"
# Of each spec its parameters, and the functions into which its page is divided: embedding 65 * 128, four decoders of
# 4 * 128^2, two norms of 256 and 2 * 128 * 512 + 640, a norm and 129 * 65; embedding 5000 * 100, twice 4 * 100^2
# with pools of 101 * 64 + 64, and 101 * 5; and embeddings of 10 and 11, two encoders of 4 * 32^2, two norms and
# 2 * 32 * 128 + 160, two decoders with another 4 * 32^2 and norm, two norms and 33 * 10.
SPECS = {
    "shakespeare_transformer": (808_001, ("attending", "attending_grad", "decoder_grad", "feed_forward_grad")),
    "documents": (593_561, ("split_heads", "masked_softmax")),
    "reversal": (59_754, ("encoder", "cross_decoder", "cross_decoder_grad", "cross_attending", "cross_attending_grad")),
}


@pytest.mark.parametrize("name", SPECS)
def test_spec(name: str):
    parameters, functions = SPECS[name]
    net = load(SEQUENCES / f"{name}.net")
    assert net.parameters == parameters
    page = to_numpy(net)
    assert all(f"\ndef {function}(" in page for function in functions)


def test_a_block_is_told_of_once():
    """The decoder of an encoder's value is a function of both, and gives back the gradients of both."""
    page = to_numpy(load(SEQUENCES / "reversal.net"))
    assert "def cross_decoder(p, name, x, memory, counted, counted2):" in page
    assert page.count("    dplaced2, dencoded2, grads3 = cross_decoder_grad(") == 1
    assert page.count("dencoded = dencoded2 + dencoded\n") == 1


def test_a_decoder_learns_what_an_encoder_has_read():
    """A small reversal.net after some steps, which then writes by itself: each digit from those that it has written."""
    net, rng = load(SEQUENCES / "reversal.net", {"width": "16"}), np.random.default_rng(0)
    made, longest = module(net), 3

    def rows(count: int) -> list[Array]:
        """Digits, how many of them count, what was written before each, how many, and what is to be written."""
        lengths = rng.integers(1, longest + 1, count)
        digits = rng.integers(0, 10, (count, longest))
        after = np.array([[*d[:n][::-1], *[0] * (longest - n)] for d, n in zip(digits, lengths, strict=True)])
        return [digits, lengths, np.hstack([np.full((count, 1), 10), after[:, :-1]]), lengths, after]

    p = made.init(1)
    moments = made.init_updater(p)
    for step in range(1, 151):
        _, grads = made.loss_and_grads(p, *rows(64))
        made.update(p, moments, grads, step, 0.0)
    digits, lengths, before, _, after = rows(200)
    session = Session(to_onnx(net, p).SerializeToString())
    written = before[:, :1]
    for steps in range(1, longest + 1):
        given = {"given": digits, "given_lengths": lengths, "before": written, "before_lengths": np.full(200, steps)}
        found = session.run(**given)["after"]
        written = np.hstack([written, found[:, -1:].argmax(axis=-1)])
    counted = np.arange(longest) < lengths[:, None]
    # One of ten digits is right by chance.
    assert np.mean((written[:, 1:] == after)[counted]) > 0.8
