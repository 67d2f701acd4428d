"""PyTorch as a judge, in float64: values, gradients of inputs and of parameters, updater steps, clipping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, batch, compiled, input_gradients, module, small, weights
from netc.dsl import Net
from netc.dsl.words import WORDS
from uses import Use, activation_net, judged_net, layer_net, updater_net, uses

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
F = torch.nn.functional

# Both compute in float64 and differ in the order of their sums alone.
EXACT = 1e-12

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "identity": lambda x: x,
    "relu": F.relu,
    "leakyrelu": lambda x, slope=0.01: F.leaky_relu(x, slope),
    "elu": lambda x, alpha=1.0: F.elu(x, alpha),
    "selu": F.selu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "softmax": lambda x: F.softmax(x, dim=-1),
}
LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "xent": F.binary_cross_entropy,
    "mcxent": lambda p, y: F.nll_loss(torch.log(p), y) if y.dtype == torch.int64 else F.cross_entropy(torch.log(p), y),
}
# What stands before a loss of each name, as judged_net writes it.
HEADS = {"mcxent": ACTIVATIONS["softmax"], "xent": torch.sigmoid}
LAYERS: dict[str, Callable[..., Any]] = {
    "dense": lambda x, p, other, **o: F.linear(x, p["W1"].T, p.get("b1")),
    "flatten": lambda x, p, other: torch.flatten(x.reshape(-1, 2, 3), 1),
    "reshape": lambda x, p, other, shape: x.reshape(-1, *shape),
    "dropout": lambda x, p, other, rate: F.dropout(x, rate, training=False),
    "standardize": lambda x, p, other: F.batch_norm(x, x.mean(0).detach(), x.var(0, correction=0).detach(), eps=0),
    "add": lambda x, p, other: x + other,
    "concat": lambda x, p, other: torch.cat([x, other], dim=1),
}


def tensors(arrays: dict[str, Array], grad: bool = True) -> dict[str, Any]:
    return {k: torch.tensor(v, requires_grad=grad and v.dtype == np.float64) for k, v in arrays.items()}


def judge(net: Net, forward: Callable[[dict[str, Any]], Any], tolerance: float = EXACT) -> None:
    """Compare the loss and every gradient with PyTorch's, which `forward` computes from inputs, targets and weights."""
    made, rng = module(net), np.random.default_rng(13)
    inputs, targets = batch(net, rng)
    p = weights(made, net, rng, inputs)
    named = dict(zip([f.name for f in (*net.inputs, *net.targets)], [*inputs, *targets], strict=True))
    theirs = tensors({**named, **p})
    loss = forward(theirs)
    loss.backward()
    mine, grads = made.loss_and_grads(p, *inputs, *targets)
    assert_close(mine, loss.item(), tolerance, "loss")
    for name, grad in grads.items():
        assert_close(grad, theirs[name].grad.numpy(), tolerance, f"d{name}")
    program = input_gradients(net)
    found = compiled(program)({**named, **p})
    for name in [f.name for f in net.inputs]:
        assert_close(found[f"d{name}"], theirs[name].grad.numpy(), tolerance, f"d{name}")


def two_layers(activation: Callable[..., Any], options: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    def forward(v: dict[str, Any]) -> Any:
        h = activation(v["x"] @ v["W1"] + v["b1"], **options)
        return F.mse_loss(h @ v["W2"] + v["b2"], v["y"])

    return forward


@pytest.mark.parametrize("use", uses("activation"), ids=str)
def test_activation(use: Use):
    judge(activation_net(use), two_layers(ACTIVATIONS[use.word.name], use.options))


JUDGED = [(use, target) for use in uses("loss") for target in use.word.targets]


@pytest.mark.parametrize(("use", "target"), JUDGED, ids=str)
def test_loss(use: Use, target: str):
    name = use.word.name

    def forward(v: dict[str, Any]) -> Any:
        scores = torch.tanh(v["x"] @ v["W1"] + v["b1"]) @ v["W2"] + v["b2"]
        return LOSSES[name](HEADS.get(name, lambda s: s)(scores), v["y"])

    judge(judged_net(use, target), forward)


@pytest.mark.parametrize("use", uses("layer"), ids=str)
def test_layer(use: Use):
    def forward(v: dict[str, Any]) -> Any:
        other = torch.tanh(v["x"] @ v["W_other"] + v["b_other"]) if "W_other" in v else None
        value = LAYERS[use.word.name](v["x"], v, other, **use.options)
        return F.mse_loss(torch.flatten(value, 1) @ v["W_last"] + v["b_last"], v["y"])

    if use.word.name == "dropout":
        return  # what it drops in training is its own draw: test_dropout
    judge(layer_net(use), forward, 1e-6 if use.word.name == "standardize" else EXACT)


def test_dropout():
    """The share and the scale are PyTorch's: the mean of many values stays, and so does the mean of their squares."""
    net = small("dropout 30% -> dense 2")
    made = module(net)
    (uniform,) = made.draw(0, 1, 20_000).values()
    mine = (uniform >= 0.3) / 0.7
    theirs = F.dropout(torch.ones(uniform.shape), 0.3).numpy()
    for power in (1, 2):
        assert abs((mine**power).mean() - (theirs**power).mean()) < 0.02
    assert np.allclose(np.unique(mine), np.unique(theirs))


def test_judges_are_complete():
    for kind, table in (("activation", ACTIVATIONS), ("loss", LOSSES), ("layer", LAYERS), ("updater", OPTIMIZERS)):
        assert {name for k, name in WORDS if k == kind} == set(table)


@pytest.mark.parametrize("name", ["relu", "leakyrelu", "elu", "selu"])
def test_slope_at_zero(name: str):
    net = small(f"dense 4 -> {name} -> dense 2")
    made, rng = module(net), np.random.default_rng(1)
    (x,), (y,) = batch(net, rng)
    p = weights(made, net, rng, (x,))
    p["b1"] = p["b1"] * 0
    theirs = tensors({"y": y, **p})
    z = (torch.tensor(x * 0) @ theirs["W1"]) + theirs["b1"]
    F.mse_loss(ACTIVATIONS[name](z) @ theirs["W2"] + theirs["b2"], theirs["y"]).backward()
    _, grads = made.loss_and_grads(p, x * 0, y)
    assert_close(grads["b1"], theirs["b1"].grad.numpy(), EXACT)


# Penalties and clipping -----------------------------------------------------------------------------------------------


def test_penalties():
    def forward(v: dict[str, Any]) -> Any:
        data = F.mse_loss(torch.tanh(v["x"] @ v["W1"] + v["b1"]) @ v["W2"] + v["b2"], v["y"])
        l1 = 0.3 * v["W1"].abs().sum() + 0.1 * v["W2"].abs().sum()
        return data + l1 + 0.5 * 0.2 * (v["W1"] ** 2).sum()

    judge(small("dense 4 l1=0.3 l2=0.2 -> tanh\ndense 2 l1=0.1"), forward)


@pytest.mark.parametrize("limit", [0.01, 0.3, 1e6])
def test_clip_norm(limit: float):
    net = small("dense 4 -> tanh\ndense 2", more=f"train clip_norm={limit}")
    made, rng = module(net), np.random.default_rng(1)
    (x,), (y,) = batch(net, rng)
    p = weights(made, net, rng, (x,))
    theirs = tensors({"x": x, "y": y, **p})
    two_layers(torch.tanh, {})(theirs).backward()
    torch.nn.utils.clip_grad_norm_([theirs[k] for k in net.trained], limit)
    _, grads = made.loss_and_grads(p, x, y, clip_norm=made.CLIP_NORM)
    for name in net.trained:
        assert_close(grads[name], theirs[name].grad.numpy(), EXACT, name)


# Updaters -------------------------------------------------------------------------------------------------------------


def optimizer(kind: Any, *, betas: bool = False, **fixed: Any) -> Callable[[list[Any], dict[str, Any]], Any]:
    def make(parameters: list[Any], options: dict[str, Any]) -> Any:
        given = dict(options)
        if betas:
            given["betas"] = (given.pop("beta1", 0.9), given.pop("beta2", 0.999))
        if "decay" in given:
            given["alpha"] = given.pop("decay")
        return kind(parameters, **{**fixed, **given})

    return make


# PyTorch's own defaults hold, but for what has none there: the rates of sgd and nesterovs, and nesterovs' momentum.
OPTIMIZERS = {
    "sgd": optimizer(torch.optim.SGD),
    "nesterovs": optimizer(torch.optim.SGD, nesterov=True, lr=0.1, momentum=0.9),
    "adam": optimizer(torch.optim.Adam, betas=True),
    "adamw": optimizer(torch.optim.AdamW, betas=True),
    "rmsprop": optimizer(torch.optim.RMSprop),
}
BARE = [Use(word, word.name, {}) for (kind, _), word in WORDS.items() if kind == "updater"]


@pytest.mark.parametrize("use", [*BARE, *uses("updater")], ids=str)
def test_ten_steps(use: Use):
    """Ten steps of training, from the same weights and batches, end in the same weights."""
    net = updater_net(use)
    made, rng = module(net), np.random.default_rng(2)
    batches = [batch(net, rng) for _ in range(10)]
    p = weights(made, net, rng, ())
    theirs = tensors(p)
    steps = OPTIMIZERS[use.word.name]([theirs[k] for k in net.trained], use.options)
    moments = made.init_updater(p)
    for number, ((x,), (y,)) in enumerate(batches, 1):
        steps.zero_grad()
        two_layers(torch.tanh, {})({"x": torch.tensor(x), "y": torch.tensor(y), **theirs}).backward()
        steps.step()
        _, grads = made.loss_and_grads(p, x, y)
        made.update(p, moments, grads, number, 0.0)
        for name in p:
            assert_close(p[name], theirs[name].detach().numpy(), 1e-11, f"{name} after step {number}")


def test_a_schedule_in_torch():
    """One epoch a step: half a cosine without restarts is PyTorch's CosineAnnealingLR, and step is its StepLR."""
    for text, make in {
        "cosine(0.1, epochs=20)": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=20),
        "step(0.1, every=3, factor=0.5)": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=3, gamma=0.5),
        "exponential(0.1, factor=0.9)": lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.9),
    }.items():
        made = module(small("dense 2", updater=f"sgd lr={text}"))
        w = torch.zeros(1, requires_grad=True)
        steps = torch.optim.SGD([w], lr=0.1)
        schedule = make(steps)
        for epoch in range(20):
            p = {"W1": np.zeros(1)}
            made.update(p, {}, {"W1": np.ones(1)}, 1, float(epoch))
            assert -p["W1"][0] == pytest.approx(schedule.get_last_lr()[0], rel=1e-10, abs=1e-15), (text, epoch)
            steps.step()
            schedule.step()


@pytest.mark.parametrize(
    ("text", "torchs"), [("orthogonal", "orthogonal_"), ("he", "kaiming_normal_"), ("xavier", "xavier_normal_")]
)
def test_initializers_have_torchs_deviation(text: str, torchs: str):
    net = small(f"dense 300 init={text} name=wide\ndense 2")
    mine = module(net).init(0)["W_wide"]
    theirs = getattr(torch.nn.init, torchs)(torch.empty(300, 6)).numpy()  # PyTorch's weight is (out, in)
    # Four standard errors of the difference of two deviations of 1,800 numbers.
    assert abs(mine.std() / theirs.std() - 1) < 4 / np.sqrt(mine.size)
