"""Norms on images of every rank, and what batchnorm keeps: running statistics from step to step, and who moves them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, assert_close, batch, module, narrow, run_onnx, small, spec, weights
from netc.codegen import to_numpy, to_onnx
from netc.dsl import Net, Source, SpecError, check, load_text
from reference import norms
from uses import EXACT, SINGLE, check_steps, data

# Features, and images of one to three axes of places.
SHAPES = {"features": "[12]", "line": "[3, 4]", "image": "[3, 2, 2]", "volume": "[3, 2, 2, 1]"}


def norm_net(shape: str, word: str, more: str = "") -> Net:
    """A net that predicts what a norm gives of x in a shape, and trains a dense layer behind it."""
    chains = f"value = x -> reshape {shape} -> {word}\noutput value\nvalue -> flatten -> dense 2 name=last"
    return small(chains, given="f32[12]", more=more)


def shaped(x: Array, shape: str) -> Array:
    return x.reshape(len(x), *(int(n) for n in shape[1:-1].split(",")))


def trained(net: Net, steps: int = 5, rows: int = 7) -> tuple[Any, dict[str, Array], list[Array]]:
    """The module, the weights after some steps, and the batches of inputs that they saw."""
    made, rng = module(net), np.random.default_rng(3)
    p = weights(made, net, rng, ())
    moments, seen = made.init_updater(p), list[Array]()
    for step in range(1, steps + 1):
        inputs, targets = batch(net, rng, rows)
        seen.append(inputs[0])
        _, grads, state = made.loss_and_grads(p, *inputs, *targets)
        made.update(p, moments, grads, step, 0.0)
        p.update(state)
    return made, p, seen


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.1, 0.5, 1])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_running_statistics(shape: str, momentum: float):
    """Towards the mean and the unbiased variance of each batch, in plain numbers; prediction goes by them."""
    net = norm_net(shape, f"batchnorm momentum={momentum}")
    made, p, seen = trained(net)
    channels = shaped(seen[0], shape).shape[1]
    mean, var = np.zeros(channels), np.ones(channels)
    for x in seen:
        values = [norms.channel(shaped(x, shape), c) for c in range(channels)]
        for c, each in enumerate(values):
            unbiased = norms.variance(each) * len(each) / (len(each) - 1)
            mean[c] += momentum * (reference.mean(each) - mean[c])
            var[c] += momentum * (unbiased - var[c])
    assert_close(p["mean1"], mean, EXACT)
    assert_close(p["var1"], var, EXACT)
    x = shaped(seen[0], shape)
    exact = norms.scaled(x, p["gamma1"], p["beta1"], mean, var, 1e-5)
    assert_close(made.predict(p, seen[0]), exact, EXACT)
    # Every example by itself: what else is in its batch is nothing to it.
    assert_close(made.predict(p, seen[0][:1]), exact[:1], EXACT)


@pytest.mark.parametrize("word", ["batchnorm", "layernorm", "groupnorm 3", "instancenorm", "rmsnorm", "lrn 3 beta=2"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_rank(shape: str, word: str):
    """The file, the inference graph and ten training steps agree on features and images of every rank."""
    if (word, shape) == ("instancenorm", SHAPES["features"]):
        return  # refused below
    net = norm_net(shape, word, "train batch=4")
    made, p, _ = trained(net) if net.running else (*data(net)[:2], None)
    x = np.random.default_rng(2).normal(size=(5, 12))
    found = run_onnx(to_onnx(net, narrow(p)), {"x": x.astype(np.float32)})["value"]
    assert_close(found, made.predict(p, x), SINGLE, word)
    check_steps(net, what=word)


IMAGES: dict[str, Any] = {
    "layernorm": lambda x: norms.normalize(x, (1,), 1e-5)[0],
    "groupnorm 1": lambda x: norms.normalize(x, (1, 2, 3), 1e-5)[0],
    "instancenorm": lambda x: norms.normalize(x, (2, 3), 1e-5)[0],
    "rmsnorm": lambda x: x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-5),
    "lrn 3": lambda x: x / (1 + 1e-4 / 3 * norms.neighbours(x * x, 3)) ** 0.75,
}


@pytest.mark.parametrize("word", IMAGES)
def test_on_images(word: str):
    """Channels stand first: over the channels of a place, over all, over the places, over the nearest channels."""
    made, p, (x,), _ = data(norm_net("[3, 2, 2]", word))
    normal = IMAGES[word](shaped(x, "[3, 2, 2]"))
    for name, operation in (("gamma1", np.multiply), ("beta1", np.add)):
        normal = operation(normal, p[name][:, None, None]) if name in p else normal
    assert_close(made.predict(p, x), normal, EXACT)


def test_a_sequence_has_its_features_last():
    net = small(
        "value = x -> embedding 3 -> batchnorm\noutput value\nvalue -> flatten -> dense 2", given="category(4)[6]"
    )
    made, p, seen = trained(net, steps=1)
    table = weights(made, net, np.random.default_rng(3), ())["W1"]
    first = table[seen[0]].reshape(-1, 3)
    assert_close(p["mean2"], 0.1 * first.mean(axis=0), EXACT)
    check_steps(net, what="a sequence")


# Hard inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("word", ["batchnorm", "layernorm", "groupnorm 3", "instancenorm", "rmsnorm", "lrn"])
@pytest.mark.parametrize("value", [0.0, 3.0, 1e10, -1e-20])
def test_constant_and_extreme_inputs_stay_finite(word: str, value: float, dtype: Any):
    net = norm_net("[3, 2, 2]", word)
    made = module(net)
    p = {k: v.astype(dtype) for k, v in made.init(1).items()}
    x, y = np.full((4, 12), value, dtype), np.ones((4, 2), dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, grads, *state = made.loss_and_grads(p, x, y)
        found = [loss, *grads.values(), *(a for s in state for a in s.values()), made.predict(p, x)]
    assert all(np.all(np.isfinite(a)) for a in found)


def test_a_constant_feature_becomes_beta():
    made, p, (x,), (y,) = data(small("value = batchnorm\noutput value\nvalue -> dense 2"))
    x = x.copy()
    x[:, 2] = 0.25
    _, grads, state = made.loss_and_grads(p, x, y)
    assert grads["gamma1"][2] == 0 and state["var1"][2] == 0.9
    assert state["mean1"][2] == pytest.approx(0.025)


def test_a_batch_of_one_value_gives_beta_and_moves_no_statistic():
    net = small("dense 4 bias=false -> batchnorm -> dense 2")
    made, p, (x,), (y,) = data(net)
    loss, grads, state = made.loss_and_grads(p, x[:1], y[:1])
    assert_close(loss, np.mean((p["beta2"] @ p["W3"] + p["b3"] - y[:1]) ** 2), EXACT)
    assert not grads["W1"].any() and not grads["gamma2"].any() and grads["beta2"].all()
    assert all(np.array_equal(state[name], p[name]) for name in net.running)
    # An image of one example has several values of each channel.
    made, p, (x,), (y,) = data(norm_net("[3, 2, 2]", "batchnorm"))
    assert not np.array_equal(made.loss_and_grads(p, x[:1], y[:1])[2]["var1"], p["var1"])


# Who moves what -------------------------------------------------------------------------------------------------------


def test_options():
    bare = small("batchnorm scale=false shift=false -> dense 2")
    assert list(bare.weights) == ["W2", "b2"] and bare.running == ("mean1", "var1")
    check_steps(bare)
    with pytest.raises(SpecError, match="batchnorm has no weights, so lr_scale does nothing"):
        small("batchnorm scale=false shift=false lr_scale=2 -> dense 2")


@pytest.mark.parametrize("options", ["", " scale=false shift=false"])
def test_frozen_statistics_do_not_move_and_normalise_in_training(options: str):
    net = small(f"dense 4 -> batchnorm frozen=true{options} -> dense 2")
    assert net.running == () and set(net.states) == {"mean2", "var2"}
    made, p, (x,), (y,) = data(net)
    p |= {"mean2": np.array([0.5, -1, 0, 2]), "var2": np.array([0.1, 4, 1, 2.0])}
    loss, grads = made.loss_and_grads(p, x, y)
    assert_close(loss, np.mean((made.predict(p, x) - y) ** 2), EXACT)
    assert list(grads) == ["W1", "b1", "W3", "b3"]
    check_steps(net)


def test_a_part_keeps_one_set_moved_by_each_use_in_turn():
    part = "part p { dense 3 bias=false -> batchnorm momentum=0.5 }\n"
    net = small(part + "a = x -> p\nb = a -> dense 6 -> p\nb -> concat a -> dense 2")
    made, p, (x,), (y,) = data(net)
    assert net.running == ("p_mean2", "p_var2")
    state = made.loss_and_grads(p, x, y)[2]
    first = x @ p["p_W1"]
    a = norms.batchnorm(first, p["p_gamma2"], p["p_beta2"], np.zeros(3), np.ones(3), 1e-5, 0.5)[0]
    second = (a @ p["W1"] + p["b1"]) @ p["p_W1"]
    mean = 0.5 * (0.5 * first.mean(axis=0)) + 0.5 * second.mean(axis=0)
    assert_close(state["p_mean2"], mean, EXACT)
    check_steps(net)


GAN = """net gan
input image: f32[6]
noise z: normal[4]
part generator { dense 5 bias=false -> batchnorm -> relu -> dense 6 }
part critic { dense 5 bias=false -> batchnorm -> relu -> dense 1 -> sigmoid }
fake = z -> generator
real_score = image -> critic
fake_score = fake -> critic
loss judge = xent(real_score, 1) + xent(fake_score, 0) trains critic with sgd(0.1)
loss forger = xent(fake_score, 1) trains generator with sgd(0.1)
output fake
train batch=5
"""


def test_each_loss_moves_the_statistics_of_what_it_trains():
    net = load_text(GAN)
    judge, forger = net.losses
    assert judge.moved == ("critic_mean2", "critic_var2")
    assert forger.moved == ("generator_mean2", "generator_var2")
    made, rng = module(net), np.random.default_rng(1)
    (x,), _ = batch(net, rng)
    p, draws = weights(made, net, rng, ()), made.draw(0, 1, len(x))
    assert set(made.judge_and_grads(p, x, draws=draws)[2]) == set(judge.moved)
    assert set(made.forger_and_grads(p, x, draws=draws)[2]) == set(forger.moved)


def test_a_loss_moves_by_the_uses_that_it_sees_alone():
    """Both uses of the critic are before the judge, and one of them before the forger, which here trains all."""
    net = load_text(GAN.replace(" trains generator", ""))
    made, rng = module(net), np.random.default_rng(1)
    (x,), _ = batch(net, rng)
    p, draws = weights(made, net, rng, ()), made.draw(0, 1, len(x))
    name = "critic_mean2"
    both, one = (f(p, x, draws=draws)[2][name] for f in (made.judge_and_grads, made.forger_and_grads))
    real = 0.9 * p[name] + 0.1 * (x @ p["critic_W1"]).mean(axis=0)
    # The fake one moves what the real one left, or what was there.
    assert_close(both - one, 0.9 * real - 0.9 * p[name], EXACT)


NESTED = """def block inner() { dense 6 bias=false -> batchnorm -> tanh }
def block outer() { inner -> inner -> add in }
repeat 3 { outer }
dense 2
"""


@pytest.mark.parametrize("given", ["f32[6]", "f32[4]"])
def test_blocks_hand_their_statistics_out(given: str):
    """As functions of the page, in one another too: they leave what the net with everything written out leaves."""
    net = small(f"dense 6\n{NESTED}" if given == "f32[4]" else NESTED, given=given)
    made, p, (x,), (y,) = data(net)
    assert len(net.running) == 12 and "state1" in to_numpy(net)
    chains = "\n".join(
        f"s{i} = dense 6 bias=false -> batchnorm -> tanh -> dense 6 bias=false -> batchnorm -> tanh -> add s{i - 1}"
        for i in (1, 2, 3)
    )
    start = "s0 = dense 6" if given == "f32[4]" else "s0 = x -> scale 1"
    flat = small(f"{start}\n{chains}\ns3 -> dense 2", given=given)
    names = dict(zip([*net.weights, *net.states], [*flat.weights, *flat.states], strict=True))
    loss, grads, state = made.loss_and_grads(p, x, y)
    exact, others, left = module(flat).loss_and_grads({names[name]: array for name, array in p.items()}, x, y)
    assert_close(loss, exact, EXACT)
    for mine, theirs in ((grads, others), (state, left)):
        assert {names[name] for name in mine} == set(theirs)
        for name, array in mine.items():
            assert_close(array, theirs[names[name]], EXACT, name)
    check_steps(net)


# Steps ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [False, True], ids=["steps", "steps within steps"])
def test_batchnorm_is_of_the_steps_that_count_as_pytorch_s_is_of_their_rows(inner: bool):
    """What stands in padding changes nothing: neither the loss nor a gradient, nor what is kept."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
    shape = "[S, T, 3]" if inner else "[T, 3]"
    fields = f"input x: f32{shape} lengths=true\ntarget y: f32{shape.replace('3', '2')}\n"
    net = load_text(f"net n\n{fields}dense 4 bias=false -> batchnorm momentum=0.3 -> dense 2\nloss mse\nupdater sgd\n")
    made, rng = module(net), np.random.default_rng(5)
    lengths = [np.array([3, 1]), np.array([[4, 1, 2], [3, 0, 0]])] if inner else [np.array([4, 1])]
    x, y = (rng.standard_normal((2, *([3, 4] if inner else [4]), size)) for size in (3, 2))
    keep = np.arange(4) < lengths[-1][..., None]
    p = {name: np.float64(value) + 0.1 * rng.standard_normal(value.shape) for name, value in made.init(1).items()}
    p["var2"] = abs(p["var2"])
    loss, grads, state = made.loss_and_grads(p, x, *lengths, y)
    w = {name: torch.tensor(value, requires_grad=name in grads) for name, value in p.items()}
    normal = torch.nn.functional.batch_norm(
        torch.tensor(x[keep]) @ w["W1"], w["mean2"], w["var2"], w["gamma2"], w["beta2"], True, 0.3
    )
    theirs = torch.nn.functional.mse_loss(normal @ w["W3"] + w["b3"], torch.tensor(y[keep]))
    theirs.backward()
    assert_close(loss, theirs.item(), EXACT)
    for name, grad in grads.items():
        assert_close(grad, w[name].grad.numpy(), EXACT, name)
    for name in ("mean2", "var2"):
        assert_close(state[name], w[name].numpy(), EXACT, name)
    other = np.where(keep[..., None], x, 9.0)
    again, other_grads, _ = made.loss_and_grads(p, other, *lengths, y)
    assert again == loss and all(np.array_equal(other_grads[name], grad) for name, grad in grads.items())


# Diagnostics ----------------------------------------------------------------------------------------------------------

WRONG = {
    "reshape [4, 3] -> groupnorm 3": ("shape-mismatch", "groupnorm makes 3 groups, but reshape gives 4 channels"),
    "groupnorm 12": ("shape-mismatch", "groupnorm normalises over the numbers of a group, of which x gives one: [12]"),
    "instancenorm": ("shape-mismatch", "instancenorm needs channels with places, but x gives [12]"),
    "reshape [12, 1, 1] -> instancenorm": ("shape-mismatch", "instancenorm normalises over the places of a channel"),
    "dense 1 -> layernorm": ("shape-mismatch", "layernorm normalises over features, of which dense gives one: [1]"),
    "lrn 4": ("bad-option", "lrn looks at as many channels on either side, so its size is odd, and not 4"),
    "batchnorm momentum=0": ("bad-option", "momentum of batchnorm is a number above 0, of at most 1"),
    "batchnorm momentum=1.5": ("bad-option", "momentum of batchnorm is a number above 0, of at most 1"),
    "batchnorm eps=0": ("bad-option", "eps of batchnorm is a number of at least 1e-12"),
    "batchnorm scale=false gamma_init=he": ("unknown-option", "gamma_init does nothing here"),
    "batchnorm -> standardize": ("learned-from-weights", "standardize learns from the data"),
    "batchnorm scale=false shift=false -> standardize": ("learned-from-weights", "standardize learns from the data"),
}


@pytest.mark.parametrize("chain", WRONG)
def test_refused(chain: str):
    with pytest.raises(SpecError) as caught:
        small(f"{chain} -> flatten -> dense 2", given="f32[12]")
    code, message = WRONG[chain]
    assert [(d.code, d.message[: len(message)]) for d in caught.value.diagnostics] == [(code, message)]


def test_a_batch_of_one_is_refused():
    with pytest.raises(SpecError, match="batchnorm has one value of each feature in a batch of 1"):
        small("dense 4 bias=false -> batchnorm -> dense 2", more="train batch=1")
    assert norm_net("[3, 2, 2]", "batchnorm", "train batch=1")


@pytest.mark.parametrize(
    ("chain", "warned"),
    [
        ("dense 4 -> batchnorm", ["dense"]),
        ("dense 4 -> batchnorm frozen=true", []),
        ("dense 4 -> layernorm", []),
        ("dense 4 -> tanh -> batchnorm", []),
        ("dense 4 bias=false -> batchnorm", []),
        ("z = dense 4\nz -> batchnorm -> add z", []),
        ("reshape [3, 2, 1] -> elementwise -> instancenorm -> flatten", ["elementwise"]),
    ],
)
def test_a_bias_that_does_nothing_is_told(chain: str, warned: list[str]):
    net, report = check(Source("small.net", spec(f"{chain} -> dense 2")))
    assert net is not None
    assert [(d.code, d.severity, d.message.partition(" does")[0]) for d in report.ordered()] == [
        ("useless-bias", "warning", f"the bias of {word}") for word in warned
    ]


def test_statistics_that_no_loss_moves_are_refused():
    with pytest.raises(SpecError, match="no loss moves mean1 and var1"):
        small("a = batchnorm scale=false shift=false\noutput a\nb = x -> dense 2\noutput b", loss="mse(b, y)")


def test_given_variances_are_not_negative_and_given_means_are_any_number():
    states = norm_net("[3, 2, 2]", "batchnorm").states
    assert {name: str(state.domain) for name, state in states.items()} == {"mean1": "(-inf, inf)", "var1": "[0, inf)"}


# Checks on the page ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f32", "u8"])
def test_the_page_checks_what_is_taken_of_the_data_themselves_in_float64(kind: str):
    """One channel's gamma hardly matters before another batchnorm, and float32 statistics would make a fault of it."""
    chain = "batchnorm -> conv 4 3 bias=false -> batchnorm -> relu -> flatten -> dense 3 -> softmax"
    made = module(small(chain, given=f"{kind}[1, 6, 6]", target="class(3)", loss="mcxent"))
    for seed in range(4):
        rng = np.random.default_rng(seed)
        image = rng.integers(0, 256, (32, 1, 6, 6), np.uint8)
        image = image if kind == "u8" else (image / 255).astype(np.float32)
        assert made.check([image], [rng.integers(0, 3, 32)]) == []
