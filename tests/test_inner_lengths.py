"""Sentences of words, [S, T]: what is padding within a step, and steps that are padding as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import assert_close, batch, loaded, module, narrow, run_onnx, weights
from netc.cli.table import columns_of
from netc.codegen import to_onnx
from netc.dsl import Net, SpecError, load_text
from netc.runtime import Fault, Session, read
from test_gradients import gradients_of_inputs, gradients_of_weights
from uses import EXACT, SINGLE, check_steps

CELL = """def cell leaky(units) {
    weight W: [in.features, units]
    state h = ones(units)
    h = 0.8 * h + tanh(in @ W)
    return h
}
"""
# What makes a vector of the words of each sentence, and of a sentence alone where that is written otherwise.
INNER = {
    "attention": "attention heads=2 -> globalmaxpool",
    "causal": "positions -> attention causal=true rotary=true -> globalsumpool",
    "shared keys": "attention heads=2 kv_heads=1 -> globalnormpool",
    "dot": "dot_attention -> globalavgpool",
    "additive": "additive_attention 3 -> attention_pool 3",
    "learned": "learned_attention 2 heads=2 -> each flatten",
    "lstm": "each lstm 3 -> each last_step",
    "both ways": "each bidirectional gru 3 -> each last_step",
    "turned": "each reverse_time -> each rnn 3 -> each last_step",
    "peepholes": "each bidirectional graves_lstm 2 mode=sum -> each globalavgpool",
    "cell": "each leaky 3 -> each globalmaxpool",
    "conv": "each conv 3 3 pad=same -> relu -> globalavgpool",
    "causal conv": "each conv 3 2 pad=causal -> each attention_pool",
    "largest": "globalmaxpool",
    "mean": "globalavgpool",
    "last": "each last_step",
    "rows": "each attention heads=2 -> layernorm -> each globalmaxpool",
    "bags": "a = text -> embedding 3 bag=mean padding=1\nb = text -> embedding 2 bag=sum\na -> concat b",
}
OUTER = "attention heads=1 -> lstm 3 -> last_step -> dense 3 name=last -> softmax"
S, T = 4, 5


def documents(name: str) -> Net:
    return net_of("token(5)[S, T] lengths=true", INNER[name].replace("each", "time_distributed"), OUTER)


def net_of(given: str, *chains: str) -> Net:
    """A net over what is given that ends with the chains, whose last value is an output if it is no prediction."""
    lines = ["embedding 4"] * (given.startswith("token") and "bag" not in chains[0]) + list(chains)
    *head, last = "\n".join(lines).split("\n")
    if "softmax" not in last:
        last = f"v = {last}\noutput v\nv -> dense 3 name=extra -> softmax"
    fields = f"input text: {given}\ntarget kind: class(3)"
    body = "\n".join([*head, last, "loss mcxent", "updater sgd", ""])
    return loaded(f"net small\n{CELL * ('leaky' in body)}{fields}\n{body}")


def examples(net: Net, rng: np.random.Generator) -> tuple[Any, ...]:
    """Four documents; the first has one sentence, the last all."""
    (text, sentences, words), (kind,) = batch(net, rng, 4, {"S": S, "T": T})
    sentences[:] = 1, 3, 2, S
    words[:] = rng.integers(1, T + 1, words.shape)
    words[3, 0], words[1, 1] = T, 1
    words[np.arange(S) >= sentences[:, None]] = 0
    return text, sentences, words, kind


@pytest.mark.parametrize("name", INNER)
def test_a_document_is_its_sentences(name: str):
    """Sentence by sentence of their words alone, then the document of these alone, by nets that know no padding."""
    net, rng = documents(name), np.random.default_rng(5)
    text, sentences, words, _ = examples(net, rng)
    made = module(net)
    p = weights(made, net, rng, ())
    chain = INNER[name].replace("each ", "")
    one = net_of("token(5)[T]", chain)
    vector = module(one)
    width = one.outputs[0].type.shape[-1]
    whole = net_of(f"f32[S, {width}]", OUTER)
    known = dict(zip(whole.weights, [k for k in net.weights if k not in one.weights], strict=True))
    p |= {k: np.zeros(one.weights[k].shape) for k in ("W_extra", "b_extra")}
    found = made.predict(p, text, sentences, words)
    for i, n in enumerate(sentences):
        each = [vector.predict(p, text[i : i + 1, s, : words[i, s]]) for s in range(n)]
        alone = module(whole).predict({k: p[v] for k, v in known.items()}, np.stack(each, axis=1))
        assert_close(found[i : i + 1], alone, EXACT)


@pytest.mark.parametrize("name", INNER)
def test_padding_changes_nothing(name: str):
    """Neither what padded words are, nor padded sentences and how many words they seem to have, nor more padding."""
    net, rng = documents(name), np.random.default_rng(6)
    text, sentences, words, kind = examples(net, rng)
    made = module(net)
    p = weights(made, net, rng, ())
    counted = np.arange(T) < words[..., None]
    other = np.where(counted, text, rng.integers(0, 5, text.shape))
    seeming = np.where(np.arange(S) < sentences[:, None], words, rng.integers(0, T + 1, words.shape))
    longer = np.pad(text, ((0, 0), (0, 2), (0, 3)), constant_values=3), sentences, np.pad(words, ((0, 0), (0, 2)))
    found, (loss, grads) = made.predict(p, text, sentences, words), made.loss_and_grads(p, text, sentences, words, kind)
    for given in ((other, sentences, words), (other, sentences, seeming), longer):
        assert_close(made.predict(p, *given), found, EXACT)
        again, others = made.loss_and_grads(p, *given, kind)
        assert_close(again, loss, EXACT)
        for k in grads:
            assert_close(others[k], grads[k], EXACT, k)


# One of each kind: the others differ in what they compute, and not in what counts.
TRAINED = ("learned", "both ways", "largest", "mean", "bags")


@pytest.mark.parametrize("name", TRAINED)
def test_trained(name: str):
    net = documents(name)
    gradients_of_weights(net)
    check_steps(net, 3, name)


@pytest.mark.parametrize("name", ["attention", "cell", "conv", "turned", "largest"])
def test_gradients_of_inputs(name: str):
    gradients_of_inputs(net_of("f32[S, T, 4] lengths=true", INNER[name].replace("each", "time_distributed"), OUTER))


SERVING = ["attention", "learned", "both ways", "turned", "cell", "causal conv", "largest", "last", "bags"]


@pytest.mark.parametrize("name", SERVING)
def test_one_model_serves_every_length(name: str):
    net, rng = documents(name), np.random.default_rng(2)
    made = module(net)
    p = weights(made, net, rng, ())
    model = to_onnx(net, p)
    for count, steps in ((1, {"S": 1, "T": 1}), (3, {"S": 7, "T": 20})):
        inputs, _ = batch(net, rng, count, steps)
        given = {f.name: v for f, v in zip(net.inputs, inputs, strict=True)}
        exact = made.predict(p, *inputs)
        assert_close(made.predict(narrow(p), *inputs), exact, SINGLE, name)
        for reference in (False, True):
            assert_close(run_onnx(model, given, reference)["kind"], exact, SINGLE, f"{name} {count}")


# What is compared at each word ----------------------------------------------------------------------------------------

HEADS = {
    "class(3)[S, T]": ("dense 3 -> softmax", "mcxent", "accuracy"),
    "f32[S, T, 2]": ("dense 2", "mse", "mae"),
    "binary[S, T]": ("dense 1 -> sigmoid", "xent", "f1"),
}


@pytest.mark.parametrize("target", HEADS)
def test_losses_and_metrics_are_of_the_words_that_count(target: str):
    """The loss of a batch is the mean over the words of all documents, as if they were examples of one word each."""
    head, loss, metric = HEADS[target]
    text = f"net small\ninput x: f32[{{}}4]{{}}\ntarget y: {{}}\n{head}\nloss {loss}\nupdater sgd\nmetric {metric}\n"
    net = load_text(text.format("S, T, ", " lengths=true", target))
    plain = load_text(text.format("", "", target.replace("[S, T]", "").replace("S, T, ", "")))
    made, rng = module(net), np.random.default_rng(3)
    (x, sentences, words), (y,) = batch(net, rng, 4, {"S": S, "T": T})
    p = weights(made, net, rng, ())
    sentences[:] = 1, 3, 2, S
    counted = (np.arange(S) < sentences[:, None])[..., None] & (np.arange(T) < words[..., None])
    found, exact = (
        made.loss_and_grads(p, x, sentences, words, y),
        module(plain).loss_and_grads(p, x[counted], y[counted]),
    )
    assert_close(found[0], exact[0], EXACT)
    for k in p:
        assert_close(found[1][k], exact[1][k], EXACT, k)
    mine = made.evaluate(p, (x, sentences, words), (y,))
    its = module(plain).evaluate(p, (x[counted],), (y[counted],))
    for key, value in its.items():
        assert_close(mine[key], value, EXACT, key)
    check_steps(net, 3, target)


def test_words_that_look_at_others():
    """Words of a sentence look at other words of it, whose number is told besides; that of sentences is told once."""
    chain = "x -> attention m heads=2 -> additive_attention m -> dense 2\nloss mse\nupdater sgd\n"
    fields = "input x: f32[S, T, 4] lengths=true\ninput m: f32[S, R, 4] lengths=true\ntarget y: f32[S, T, 2]\n"
    net = load_text(f"net small\n{fields}{chain}")
    fields = "input x: f32[T, 4]\ninput m: f32[R, 4]\ntarget y: f32[T, 2]\n"
    one, made, rng = module(load_text(f"net small\n{fields}{chain}")), module(net), np.random.default_rng(3)
    assert [f.name for f in net.inputs] == ["x", "x_lengths", "x_T_lengths", "m", "m_R_lengths"]
    inputs, _ = batch(net, rng, 3, {"S": S, "T": T, "R": 4})
    x, sentences, words, m, others = inputs
    p = weights(made, net, rng, ())
    found = made.predict(p, *(v for f, v in zip(net.inputs, inputs, strict=True) if f in net.given))
    for i, n in enumerate(sentences):
        for s in range(n):
            t = words[i, s]
            alone = one.predict(p, x[i : i + 1, s, :t], m[i : i + 1, s, : others[i, s]])
            assert_close(found[i, s, :t], alone[0], EXACT)


def test_words_of_one_number_for_all_sentences():
    """Where another input tells how many words an example has, that holds in each of its sentences."""
    chain = "v = x -> attention heads=2 -> globalavgpool\noutput v\nw = z -> last_step\noutput w"
    text = f"net small\ninput x: f32[S, T, 4]\ninput z: f32[T, 2] lengths=true\ntarget y: f32[2]\n{chain}\n"
    net = load_text(f"{text}v -> globalmaxpool -> concat w -> dense 2\nloss mse\nupdater sgd\n")
    made, rng = module(net), np.random.default_rng(3)
    (x, z, words), _ = batch(net, rng, 4, {"S": S, "T": T})
    p = weights(made, net, rng, ())
    found = made.predict(p, x, z, words)[0]
    for i, n in enumerate(words):
        alone = made.predict(p, x[i : i + 1, :, :n], z[i : i + 1, :n], words[i : i + 1])[0]
        assert_close(found[i : i + 1], alone, EXACT)
    gradients_of_weights(net)


def test_a_distance_is_of_the_words_that_count():
    text = "net small\ninput x: f32[S, T, 4] lengths=true\ntarget y: f32\na = x -> dense 4\nx -> l2distance a\n"
    net = load_text(text + "loss mse\nupdater sgd\n")
    made, rng = module(net), np.random.default_rng(3)
    (x, sentences, words), _ = batch(net, rng, 4, {"S": S, "T": T})
    p = weights(made, net, rng, ())
    counted = np.arange(T) < words[..., None]
    far = np.linalg.norm((x - x @ p["W1"] - p["b1"]) * counted[..., None], axis=3)
    assert_close(made.predict(p, x, sentences, words)[:, 0], np.linalg.norm(far, axis=(1, 2)), EXACT)


# Faults ---------------------------------------------------------------------------------------------------------------

REFUSED = {
    "last_step -> lstm 3 -> last_step -> dense 2": "lstm goes over T in [T, 3], and x_T_lengths tells how many",
    "last_step -> globalavgpool -> dense 2": "globalavgpool goes over T in [T, 4], and x_T_lengths tells how many",
    "permute [1, 0, 2] -> globalavgpool -> last_step -> dense 2": "goes over T in [T, S, 4]",
    "reverse_time -> globalavgpool -> last_step -> dense 2": "reverse_time turns S, of which each has a number of T",
    "time_distributed batchnorm -> globalavgpool -> last_step -> dense 2": "says that some are padding",
    "time_distributed rescale -> globalavgpool -> last_step -> dense 2": "learns from all steps that count",
    "lstm 3 -> last_step -> dense 2": "lstm needs steps of features, but x gives [S, T, 4]",
    "time_distributed standardize -> globalavgpool -> last_step -> dense 2": "learns from all steps that count",
    "avg -> last_step -> dense 2": "mean goes over steps, and lengths=true says that some are padding",
    "globalavgpool -> last_step -> dense 2 ¦ input z: f32[T]": "z has T by itself, and x_T_lengths tells",
    "globalavgpool -> last_step -> dense 2 ¦ input z: f32[R, T] lengths=true": "z has T by itself, and x_T_lengths",
    "globalavgpool -> last_step -> dense 2 ¦ target z: f32[T]": "z has T by itself, and x_T_lengths tells",
    "globalavgpool -> last_step -> dense 2 ¦ input x_T_lengths: f32": "x_T_lengths is already declared",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str):
    chain, _, more = text.partition(" ¦ ")
    own = "def layer avg() { return mean(in, axis=1) }\n" * ("avg " in chain[:4])
    given = f"{own}input x: f32[S, T, 4] lengths=true\n{more}\n"
    with pytest.raises(SpecError) as caught:
        load_text(f"net small\n{given}target y: f32[2]\nx -> {chain}\nloss mse\nupdater sgd\n")
    assert any(REFUSED[text] in d.message for d in caught.value.diagnostics), str(caught.value)


def test_words_whose_number_is_that_of_examples():
    """A sentence that becomes an example has no lengths of whole documents."""
    text = "net small\ninput x: f32[S, T, 4]\ninput z: f32[T, 2] lengths=true\ntarget y: f32[2]\nw = z -> last_step\n"
    chain = "x -> time_distributed lstm 3 -> time_distributed last_step -> last_step -> concat w -> dense 2"
    with pytest.raises(SpecError, match="whose lengths are those of whole examples"):
        load_text(f"{text}{chain}\nloss mse\nupdater sgd\n")


# Data -----------------------------------------------------------------------------------------------------------------

TAGS = """net tags
input text: token(5)[S, T] lengths=true
target tag: class("a", "b", "c")[S, T]
seen = embedding 4 -> time_distributed gru 3
p = seen -> dense 3 -> softmax
output p
document = seen -> globalavgpool -> last_step
output document
loss mcxent(p, tag)
updater adam
"""
WRONG: dict[str, tuple[Any, str]] = {
    "padding has no words": ([[2, 1, 3], [1, 1, 1]], r"text_T_lengths\[0, 2\] is 3, but text_lengths\[0\] is 2"),
    "a sentence that counts has words": (
        [[2, 0, 0], [1, 1, 1]],
        r"text_T_lengths\[0, 1\] is 0, but text_lengths\[0\] is 2",
    ),
    "no more than there are": ([[2, 5, 0], [1, 1, 1]], r"text_T_lengths\[0, 1\] is 5, but there are only 4 steps"),
    "no fewer than none": ([[2, 1, -1], [1, 1, 1]], "-1 is no number of steps"),
    "whole numbers": ([[2, 1.5, 0], [1, 1, 1]], "1.5 is no number of steps"),
    "none of no sentence": (np.zeros((2, 0), int), r"expected \(N, S\), got \(2, 0\)"),
    "numbers": ([["2"], ["3"]], "the number of T of each S takes numbers"),
    "of each sentence": ([2, 3], r"expected \(N, S\), got \(2,\)"),
    "of as many sentences": ([[2, 1], [1, 1]], "text has 3 steps, but text_T_lengths has 2, and both are called S"),
}


def test_predictions_of_words_that_count():
    """What is padding is no row of the table."""
    net = load_text(TAGS)
    session = Session(to_onnx(net, module(net).init(0)).SerializeToString())
    text, sentences, words = np.arange(24).reshape(2, 3, 4) % 5, [2, 3], np.array([[2, 1, 0], [1, 4, 2]])
    found = session.predict(text=text, text_lengths=sentences, text_T_lengths=words)
    columns = columns_of(session, found, {("S",): sentences, ("S", "T"): words})
    rows = list(zip(columns["example"], columns["step_0"], columns["step_1"], strict=True))
    assert rows == [(i, s, t) for i, n in enumerate(sentences) for s in range(n) for t in range(words[i, s])]


@pytest.mark.parametrize("name", WRONG)
def test_lengths_that_cannot_be(name: str):
    words, message = WRONG[name]
    net = load_text(TAGS)
    session = Session(to_onnx(net, module(net).init(0)).SerializeToString())
    with pytest.raises(Fault, match=message):
        session.run(text=np.zeros((2, 3, 4), int), text_lengths=[2, 3], text_T_lengths=words)


def test_what_is_empty_is_named():
    session = Session(to_onnx(net := load_text(TAGS), module(net).init(0)).SerializeToString())
    with pytest.raises(Fault, match=r"got \(2, 0, 4\)") as caught:
        session.run(text=np.zeros((2, 0, 4), int), text_lengths=[2, 3], text_T_lengths=np.ones((2, 3), int))
    assert str(caught.value.help) == "S is 0 here, and there is at least 1 step"


def test_padding_is_not_too_short_for_windows():
    """A sentence that is padding has no words; that it has some is no matter of windows."""
    text = TAGS.replace('class("a", "b", "c")[S, T]', "class(3)[S]").replace(
        "time_distributed gru 3", "time_distributed conv 3 3 -> time_distributed last_step"
    )
    net = load_text(text.replace("document = seen -> globalavgpool -> last_step\noutput document\n", ""))
    session = Session(to_onnx(net, module(net).init(0)).SerializeToString())
    with pytest.raises(Fault, match=r"text_T_lengths\[0, 2\] is 2, but text_lengths\[0\] is 2") as caught:
        session.run(text=np.zeros((2, 3, 4), int), text_lengths=[2, 3], text_T_lengths=[[4, 3, 2], [3, 3, 3]])
    assert caught.value.where == "the input"


def test_a_table_has_no_words_within_its_rows(tmp_path: Any):
    net, path = load_text(TAGS), tmp_path / "data.csv"
    path.write_text("text,tag\n1,a\n2,b\n")
    session = Session(to_onnx(net, module(net).init(0)).SerializeToString())
    with pytest.raises(Fault, match="text holds several T in each step") as caught:
        read(session.metadata, [path], None, need_targets=False)
    assert "(N, S, T)" in str(caught.value.help)


PLACES = {
    "maxpool 2 stride=1 pad=1 -> globalavgpool": 2,
    "maxpool 2 stride=1 pad=1 -> time_distributed last_step": 2,
    "conv 4 3 -> time_distributed last_step": 3,
    "conv 4 3 stride=2 pad=1 -> globalmaxpool": 1,
}


@pytest.mark.parametrize("chain", PLACES)
def test_a_sentence_of_padding_has_no_places_for_windows(chain: str) -> None:
    """However wide the margins are: what is made of it is 0."""
    fields = "input x: f32[S, T, 4] lengths=true\ntarget y: f32[S, 2]\n"
    net = loaded(f"net small\n{fields}time_distributed {chain} -> dense 2 name=last\nloss mse\nupdater sgd\n")
    made, rng, least = module(net), np.random.default_rng(2), PLACES[chain]
    (x, sentences, words), _ = batch(net, rng, 3, {"S": S, "T": 3})
    sentences[:] = 1, 3, S
    words[:] = np.where(np.arange(S) < sentences[:, None], rng.integers(least, 4, words.shape), 0)
    p = weights(made, net, rng, ())
    exact = made.predict(p, x, sentences, words)
    assert_close(exact[words == 0], np.tile(p["b_last"], (4, 1)), EXACT)
    single = {"x": x.astype(np.float32), "x_lengths": sentences, "x_T_lengths": words}
    assert_close(run_onnx(to_onnx(net, p), single)["y"], exact, SINGLE)
