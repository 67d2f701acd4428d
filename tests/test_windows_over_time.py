"""Windows over steps of any number: what they leave, graphs at several lengths, sequences that are too short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import assert_close, batch, module, weights
from netc.cli import sampling
from netc.cli.check import summary
from netc.cli.proof import prove
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.dsl import Net, SpecError, load_text
from netc.dsl.derived_steps import Steps, derived, factors, spaced
from netc.dsl.longest import longest, shortest
from netc.runtime import Fault, Session
from reference_ops import interpreted
from road import netc, process

SPEECH = """net speech
input  x: f32[T, 4] lengths=true
target y: class(4)[S]
conv 6 5 stride=2 pad=2 -> relu -> conv 6 3 stride=2 groups=2 -> tanh -> lstm 5 -> dense 4 -> softmax
loss   ctc
updater adam lr=0.02
train  epochs=40 batch=8 seed=1
"""


def net_of(chain: str, given: str = "f32[T, 4]", target: str = "f32", loss: str = "mse", more: str = "") -> Net:
    return load_text(f"net small\ninput x: {given}\ntarget y: {target}\n{chain}\nloss {loss}\nupdater sgd\n{more}\n")


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["T", "T-2", "T+1", "T//2", "(T-3)//4", "(S_1+5)//12"])
def test_names_say_what_they_stand_for(text: str):
    steps = derived(text)
    assert steps and steps.name == text
    found = [steps.of(n) for n in range(8, 30)]
    assert found == [eval(spaced(text), {steps.base: n}) for n in range(8, 30)]
    for number in (1, 3):
        assert steps.of(steps.least(number)) == number and steps.of(steps.least(number) - 1) == number - 1
        assert steps.of(steps.most(number)) == number and steps.of(steps.most(number) + 1) == number + 1
    assert factors(f"N*({text})") == ["N", text]


def test_no_other_dimension_is_a_number_of_steps():
    assert [derived(d) for d in (3, "3", "N*T", "4N", "2*S+1", "T//", "")] == [None] * 7


def test_windows_over_windows_are_counted_in_one_division():
    """Any two windows after another leave as many places as the one name says, for every number of steps."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        steps, places, least = Steps("T"), np.arange(1, 200), 1
        for _ in range(rng.integers(1, 4)):
            reach, stride = (int(n) for n in rng.integers(1, 6, 2))
            added = int(rng.integers(0, 2 * reach - 1))
            steps = steps.windows(added, reach, stride)
            places = np.where(places < 1, 0, (places + added - reach) // stride + 1)
            least = max(least, steps.least())
        assert [steps.of(size) for size in range(least, 200)] == places[least - 1 :].tolist()


def test_a_net_says_how_many_steps_it_gives():
    net = net_of("conv 6 5 stride=2 pad=2 -> conv 6 3 -> maxpool 2 -> learned_positions 9 -> last_step -> dense 1")
    lines = "\n".join(summary(net))
    assert "[(T+1)//2, 6]" in lines and "[(T-3)//2, 6]" in lines and "[(T-3)//4, 6]" in lines
    assert shortest(net) == {"T": 7} and longest(net) == {"T": 42}


def test_work_and_memory_are_those_of_the_steps_that_are_left():
    whole, half = (net_of(f"conv 8 1{s} -> conv 8 1 -> last_step -> dense 1") for s in ("", " stride=2"))
    assert half.layers[1].flops == whole.layers[1].flops // 2


# Artifacts ------------------------------------------------------------------------------------------------------------

CHAINS = (
    "conv 6 3 stride=2 pad=1 -> relu -> avgpool 3 stride=2 pad=1 count_pad=false -> last_step",
    "depthwise 3 stride=3 pad=1 -> tanh -> maxpool 2 stride=1 pad=[[1, 0]] -> globalavgpool",
    "separable 4 2 stride=2 -> dropout 30% -> bidirectional gru 3 -> attention heads=2 -> layernorm -> attention_pool",
    "a = normpool 2\nb = x -> sumpool 2\nb -> add a -> concat b -> positions -> globalmaxpool",
)


@pytest.mark.parametrize("given", ["f32[T, 4]", "f32[T, 4] lengths=true"])
@pytest.mark.parametrize("chain", CHAINS)
def test_one_model_takes_every_length(chain: str, given: str):
    net = net_of(f"{chain} -> dense 1", given)
    made, rng = module(net), np.random.default_rng(2)
    p = made.init(1)
    model = to_onnx(net, p)
    session, again = Session(serialized(model), provider="cpu"), interpreted(model)
    for steps in (7, 8, 9, 50):
        x = rng.standard_normal((3, steps, 4)).astype(np.float32)
        arrays = {"x": x} | ({"x_lengths": np.array([steps, 5, 6])} if "lengths" in given else {})
        right = made.predict(p, *arrays.values())
        assert_close(session.run(**arrays)["y"], right, 1e-5, f"{steps}")
        assert_close(again(arrays)["y"], right, 1e-5, f"{steps}")


@pytest.mark.parametrize(
    ("steps", "given"), [(10, "f32[T, 4]"), *((n, "f32[T, 4] lengths=true") for n in range(10, 14))]
)
@pytest.mark.parametrize("chain", CHAINS)
def test_steps_of_training_are_equal(chain: str, steps: int, given: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "STEPS", (steps,))
    net = net_of(f"{chain} -> dense 1", given)
    assert sampling.steps_of(net) == {"T": steps}
    p = module(net).init(1)
    assert prove(net, to_numpy(net), to_onnx(net, p), to_step(net), p, False).ok


def test_an_example_gives_the_same_alone_and_beside_longer_ones():
    net = net_of(
        "conv 6 3 stride=2 pad=1 -> relu -> maxpool 3 stride=2 pad=1 -> last_step -> dense 1", "f32[T, 4] lengths=true"
    )
    made, rng = module(net), np.random.default_rng(3)
    (x, lengths), _ = batch(net, rng, 6, {"T": 11})
    p = weights(made, net, rng, [x, lengths])
    together = made.predict(p, x, lengths)
    for i, n in enumerate(lengths):
        assert_close(together[i : i + 1], made.predict(p, x[i : i + 1, :n], lengths[i : i + 1]), 1e-12)


def test_a_loss_counts_the_steps_that_are_left():
    text = "net small\ninput x: f32[T, 4] lengths=true\ntarget y: f32\np = conv 3 3 stride=2 pad=1 -> tanh\noutput p\n"
    text += "z = p -> last_step -> dense 1\noutput z\nloss near = mse(p, 0.5)\nloss fit = mse(z, y)\nupdater sgd\n"
    net = load_text(text)
    made, rng = module(net), np.random.default_rng(3)
    (x, lengths), _ = batch(net, rng, 6, {"T": 11})
    p = weights(made, net, rng, [x, lengths])
    values = dict(zip([o.name for o in net.outputs], made.predict(p, x, lengths), strict=True))["p"]
    counted = np.concatenate([rows[: (n + 1) // 2] for rows, n in zip(values, lengths, strict=True)])
    assert_close(made.near_and_grads(p, x, lengths, np.zeros((6, 1)))[0], ((counted - 0.5) ** 2).mean(), 1e-12)


def test_speech_learns(tmp_path: Path):
    """Tones of three kinds, each of some steps: strided convolutions, an lstm and ctc find them."""
    rng = np.random.default_rng(5)
    words = [rng.permutation([1, 2, 3])[: rng.integers(1, 4)] for _ in range(48)]
    examples = [np.concatenate([np.eye(4)[[word] * rng.integers(8, 12)] for word in spoken]) for spoken in words]
    lengths = np.array([len(each) for each in examples])
    x = np.stack([np.pad(each, ((0, lengths.max() - len(each)), (0, 0))) for each in examples])
    y = np.stack([np.pad(word, (0, 3 - len(word))) for word in words])
    np.savez(tmp_path / "d.npz", x=x.astype(np.float32), x_lengths=lengths, y=y)
    (tmp_path / "speech.net").write_text(SPEECH)
    spec, data, out = (str(tmp_path / name) for name in ("speech.net", "d.npz", "out"))
    done = netc("train", spec, "--data", data, "-o", out)
    assert done.code == 0, done.err
    session = Session(tmp_path / "out" / "speech.onnx", provider="cpu")
    best = session.run(x=x.astype(np.float32), x_lengths=lengths)["y"].argmax(axis=2)
    heard = []
    for ids, count in zip(best, (lengths - 1) // 4, strict=True):
        runs = [k for i, k in enumerate(ids[:count]) if i == 0 or ids[i - 1] != k]
        heard.append([k for k in runs if k])
    right = [found == list(word) for found, word in zip(heard, words, strict=True)]
    assert np.mean(right) > 0.9
    done = netc("run", str(tmp_path / "out" / "speech.onnx"), "--data", data)
    assert done.code == 0 and len(done.out.splitlines()) == 1 + sum((lengths - 1) // 4), done.err


# Faults ---------------------------------------------------------------------------------------------------------------


def test_sequences_that_are_too_short_are_refused_with_the_fewest_steps():
    net = net_of("conv 6 5 -> maxpool 2 -> last_step -> dense 1", "f32[T, 4] lengths=true")
    p = module(net).init(1)
    session = Session(serialized(to_onnx(net, p)), provider="cpu")
    x = np.zeros((2, 9, 4), np.float32)
    assert session.run(x=x, x_lengths=[6, 9])["y"].shape == (2, 1)
    with pytest.raises(Fault, match="x has 5 steps, and the windows of the net need 6"):
        session.run(x=x[:, :5], x_lengths=[5, 5])
    with pytest.raises(Fault, match=r"x_lengths\[1\] is 5, and the windows of the net need 6 steps"):
        session.run(x=x, x_lengths=[6, 5])


@pytest.mark.parametrize(("steps", "lengths", "said"), [(5, 6, "5 steps, which need 6"), (9, 5, "not in [6, ")])
def test_the_page_refuses_them_too(steps: int, lengths: int, said: str, tmp_path: Path):
    net = net_of(
        "conv 6 5 -> maxpool 2 -> last_step -> dense 1", "f32[T, 4] lengths=true", more="train epochs=1 batch=2"
    )
    arrays: dict[str, Any] = {"x": np.zeros((4, steps, 4), np.float32), "y": np.zeros((4, 1), np.float32)}
    np.savez(tmp_path / "d.npz", x_lengths=np.full(4, lengths), **arrays)
    with pytest.raises(SystemExit, match=r".*") as found:
        module(net).load(str(tmp_path / "d.npz"))
    assert said in str(found.value)


TWO = """net two
input  x: f32[T, 3] lengths=true
input  z: f32[S, 3] lengths=true
target y: class(3)[L]
a = x -> conv 4 3 -> globalmaxpool
b = z -> conv 4 5 stride=2
a -> repeat_like b -> concat b -> lstm 3 -> dense 3 -> softmax
loss   ctc
updater sgd
"""


def test_tables_of_steps_are_in_the_order_of_the_net(tmp_path: Path):
    """And not in that of a hash, which each process seeds otherwise."""
    (tmp_path / "two.net").write_text(TWO)
    for seed in ("1", "4"):
        process("build", tmp_path / "two.net", "-o", tmp_path / seed, PYTHONHASHSEED=seed).ok()
    assert 'SHORTEST = {"T": 3, "S": 5}' in (tmp_path / "1" / "two.py").read_text()
    for file in (tmp_path / "1").iterdir():
        assert file.read_bytes() == (tmp_path / "4" / file.name).read_bytes(), file.name


FAULTS = {
    "conv 4 3 stride=2 -> dense 1 ¦ f32[T]": "windows make (T-1)//2 of T steps",
    "a = conv 4 3\nx -> conv 4 1 -> add a -> last_step -> dense 1 ¦ f32": "windows make T-2 of T steps",
    "conv 4 3 stride=2 pad=same -> last_step -> dense 1 ¦ f32": "pad=same of conv adds beside a stride of 2 depends on",
    "maxpool 2 pad=same -> last_step -> dense 1 ¦ f32": "pad=same of maxpool adds beside a stride of 2 depends on",
    "maxpool 2 pad=2 -> last_step -> dense 1 ¦ f32": "a window 2 could see nothing else",
    "conv 4 2 dilation=1000000000 -> last_step -> dense 1 ¦ f32": "conv would need sequences of more than",
    "deconv 4 2 stride=2 -> last_step -> dense 1 ¦ f32": "deconv needs steps of a known number",
    "locally_connected 4 2 -> last_step -> dense 1 ¦ f32": "locally_connected needs steps of a known number",
    "learned_positions 3 -> conv 4 4 -> last_step -> dense 1 ¦ f32": "4 steps, and learned_positions has places for 3",
    "conv 4 4 -> last_step -> dense 1 ¦ f32\ntrain window=3": "need examples of 4 steps, and train window=3 cuts them",
    "upsample 2 -> last_step -> dense 1 ¦ f32": "upsample needs steps of a known number",
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults(text: str):
    chain, target = text.split(" ¦ ")
    with pytest.raises(SpecError) as found:
        net_of(chain, target=target)
    (fault,) = found.value.diagnostics
    assert FAULTS[text] in f"{fault.message} {fault.help}" and fault.help
