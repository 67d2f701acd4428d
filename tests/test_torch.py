"""PyTorch as a judge, in float64: values, gradients of inputs and of parameters, updater steps, clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from harness import Array, assert_close, batch, compiled, extras, input_gradients, module, small, weights
from netc.dsl import Net
from netc.dsl.types import POSITIVE, SIMPLEX, UNIT
from netc.dsl.words import WORDS
from uses import Use, activation_net, judged_net, layer_net, targets_of, updater_net, uses

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
F = torch.nn.functional

# Both compute in float64 and differ in the order of their sums alone.
EXACT = 1e-12


def rational_tanh(x: Any) -> Any:
    a = (2 * x / 3).abs()
    return 1.7159 * torch.sign(x) * (1 - 1 / (1 + a + a**2 + 1.41645 * a**4))


# PyTorch has no cube, crelu, rationaltanh and rectifiedtanh; its automatic gradient judges their formulas.
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "identity": lambda x: x,
    "cube": lambda x: x**3,
    "step": lambda x: torch.heaviside(x, torch.zeros((), dtype=x.dtype)).detach() + 0 * x,
    "relu": F.relu,
    "relu6": F.relu6,
    "leakyrelu": lambda x, slope=0.01: F.leaky_relu(x, slope),
    "thresholdedrelu": lambda x, theta=1.0: F.threshold(x, theta, 0.0),
    "crelu": lambda x: torch.cat([F.relu(x), F.relu(-x)], dim=-1),
    "elu": lambda x, alpha=1.0: F.elu(x, alpha),
    "celu": lambda x, alpha=1.0: F.celu(x, alpha),
    "selu": F.selu,
    "gelu": lambda x, approximate=False: F.gelu(x, approximate="tanh" if approximate else "none"),
    "swish": lambda x, beta=1.0: F.silu(x * beta) / beta,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "hardtanh": F.hardtanh,
    "rectifiedtanh": lambda x: F.relu(torch.tanh(x)),
    "rationaltanh": rational_tanh,
    "softsign": F.softsign,
    "sigmoid": torch.sigmoid,
    # F.hardsigmoid has a gradient of single precision.
    "hardsigmoid": lambda x, slope=1 / 6: F.hardtanh(slope * x + 0.5, 0.0, 1.0),
    "logsigmoid": F.logsigmoid,
    "softmax": lambda x: F.softmax(x, dim=-1),
    "logsoftmax": lambda x: F.log_softmax(x, dim=-1),
    "glu": F.glu,
}


def weighed(each: Any, weights: Any = None, reduce: str = "mean") -> Any:
    """Elements of a loss, times their output's weight, reduced over an example; then the mean."""
    each = each if weights is None else each * torch.tensor(weights, dtype=torch.float64)
    return getattr(each.flatten(1), reduce)(1).mean()


def elements(function: Callable[..., Any], reduce: str = "mean") -> Callable[..., Any]:
    """A loss that PyTorch has for each element."""
    return lambda p, y, weights=None, **o: weighed(function(p, y, reduction="none", **o), weights, reduce)


def smoothed_xent(p: Any, y: Any, smoothing: float = 0.0, weights: Any = None) -> Any:
    return weighed(F.binary_cross_entropy(p, y * (1 - smoothing) + smoothing / 2, reduction="none"), weights)


def cross_entropy(p: Any, y: Any, smoothing: float = 0.0, weights: Any = None) -> Any:
    """PyTorch's takes scores, of which the logarithms of probabilities are such; its mean divides by the weights."""
    weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    return F.cross_entropy(torch.log(p), y, weight=weights, label_smoothing=smoothing, reduction="none").mean()


def mixture(p: Any, y: Any, mixtures: int) -> Any:
    """PyTorch's own mixture of independent normal distributions."""
    d = torch.distributions
    shares, spans, means = p.split([mixtures, mixtures, mixtures * y.shape[1]], dim=1)
    deviations = torch.exp(spans)[:, :, None].expand(-1, -1, y.shape[1])
    parts = d.Independent(d.Normal(means.reshape(len(p), mixtures, -1), deviations), 1)
    return -d.MixtureSameFamily(d.Categorical(logits=shares), parts).log_prob(y).mean()


LOSSES: dict[str, Callable[..., Any]] = {
    "mse": elements(F.mse_loss),
    "l2": elements(F.mse_loss, "sum"),
    "mae": elements(F.l1_loss),
    "l1": elements(F.l1_loss, "sum"),
    "huber": elements(F.huber_loss),
    "cosine_proximity": lambda p, y: -F.cosine_similarity(p, y).mean(),
    "xent": smoothed_xent,
    "reconstruction_crossentropy": elements(F.binary_cross_entropy, "sum"),
    "mcxent": cross_entropy,
    "kl_divergence": elements(lambda p, y, reduction: F.kl_div(torch.log(p), y, reduction=reduction), "sum"),
    "expll": elements(lambda p, y, reduction: F.poisson_nll_loss(p, y, False, eps=0, reduction=reduction)),
    "poisson": elements(lambda p, y, reduction: F.poisson_nll_loss(p, y, reduction=reduction)),
    "mixture_density": mixture,
}
# PyTorch has none of these; tests/reference judges them alone.
OTHER_LOSSES = {"mape", "msle", "logcosh", "quantile", "rmse_xent", "focal", "hinge", "squared_hinge", "wasserstein"}
OTHER_LOSSES |= {"multilabel", "fmeasure", "center_loss"}
OTHER_LOSSES |= {"ctc"}  # which PyTorch has, and test_ctc asks
# What stands before a loss that needs such values, as judged_net writes it.
HEADS = {SIMPLEX: ACTIVATIONS["softmax"], UNIT: torch.sigmoid, POSITIVE: F.softplus}


def alpha_dropped(x: Any, keep: Any, rate: float) -> Any:
    """What PyTorch's alpha_dropout computes from what it keeps."""
    lowest = -1.7580993408473766
    a = 1 / np.sqrt((1 - rate) * (1 + rate * lowest**2))
    return a * torch.where(keep, x, torch.full_like(x, lowest)) - a * rate * lowest


LAYERS: dict[str, Callable[..., Any]] = {
    **pytest.importorskip("torch_layers").LAYERS,
    "dense": lambda x, p, other, **o: F.linear(x, p["W1"].T, p.get("b1")),
    "flatten": lambda x, p, other: torch.flatten(x.reshape(-1, 2, 3), 1),
    "reshape": lambda x, p, other, shape: x.reshape(-1, *shape),
    "permute": lambda x, p, other, axes: x.reshape(-1, 2, 3).permute(0, *(a + 1 for a in axes)),
    "repeat_vector": lambda x, p, other, times: x[:, None].expand(-1, times, -1),
    "unstack": lambda x, p, other, index: x.reshape(-1, 2, 3).select(1, index),
    "subset": lambda x, p, other, first, last: x.narrow(1, first, last - first + 1),
    "split": lambda x, p, other, parts, part: torch.chunk(x, parts, dim=1)[part],
    "elementwise": lambda x, p, other, **o: x * p["W1"] + p.get("b1", 0),
    "scale": lambda x, p, other, factor: x * factor,
    "shift": lambda x, p, other, offset: x + offset,
    "l2normalize": lambda x, p, other, eps=1e-12: F.normalize(x, eps=eps),
    "prelu": lambda x, p, other, **o: F.prelu(x, p["alpha1"]),
    # These act in training alone: PyTorch computes with the trainer's own draws.
    "rrelu": lambda x, p, other, low=1 / 8, high=1 / 3: torch.where(x > 0, x, x * (low + (high - low) * p["rrelu1"])),
    "dropout": lambda x, p, other, rate: x * (p["dropout1"] >= rate) / (1 - rate),
    "spatial_dropout": lambda x, p, other, rate: x * (p["spatial_dropout1"] >= rate) / (1 - rate),
    "alpha_dropout": lambda x, p, other, rate: alpha_dropped(x, p["alpha_dropout1"] >= rate, rate),
    "gaussian_dropout": lambda x, p, other, rate: x * (1 + (rate / (1 - rate)) ** 0.5 * p["gaussian_dropout1"]),
    "gaussian_noise": lambda x, p, other, deviation: x + deviation * p["gaussian_noise1"],
    "standardize": lambda x, p, other, **o: F.batch_norm(x, x.mean(0).detach(), x.var(0, correction=0).detach(), eps=0),
    "rescale": lambda x, p, other, **o: (x - x.amin(0).detach()) / (x.amax(0) - x.amin(0)).detach(),
    "onehot": lambda x, p, other: F.one_hot(x, 4).double(),
    "add": lambda x, p, other: x + other,
    "subtract": lambda x, p, other: x - other,
    "multiply": lambda x, p, other: x * other,
    "average": lambda x, p, other: torch.stack([x, other]).mean(0),
    "maximum": lambda x, p, other: torch.maximum(x, other),
    "dot": lambda x, p, other: torch.linalg.vecdot(x, other)[:, None],
    "l2distance": lambda x, p, other, eps=1e-8: F.pairwise_distance(x, other, eps=0, keepdim=True).clamp(min=eps),
    "stack": lambda x, p, other: torch.stack([x, other], dim=1),
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
    draws = {k: np.float64(v) for k, v in extras(made, net).get("draws", {}).items()}
    given = {"draws": draws} if draws else {}
    theirs = tensors({**named, **p}) | tensors(draws, grad=False)
    loss = forward(theirs)
    loss.backward()
    mine, grads, *_ = made.loss_and_grads(p, *inputs, *targets, **given)
    assert_close(mine, loss.item(), tolerance, "loss")
    for name, grad in grads.items():
        assert_close(grad, theirs[name].grad.numpy(), tolerance, f"d{name}")
    program = input_gradients(net)
    found = compiled(program)({**named, **p, **draws})
    for name in [f.name for f in net.inputs if f.type.dtype == "f32"]:
        exact = theirs[name].grad.numpy()
        # Where no slope leads to an input, nothing is computed for it.
        assert_close(found.get(f"d{name}", np.zeros(exact.shape)), exact, tolerance, f"d{name}")


def two_layers(activation: Callable[..., Any], options: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    def forward(v: dict[str, Any]) -> Any:
        h = activation(v["x"] @ v["W1"] + v["b1"], **options)
        return F.mse_loss(h @ v["W2"] + v["b2"], v["y"])

    return forward


@pytest.mark.parametrize("use", uses("activation"), ids=str)
def test_activation(use: Use):
    judge(activation_net(use), two_layers(ACTIVATIONS[use.word.name], use.options))


JUDGED = [(u, target) for u in uses("loss") if u.word.name in LOSSES for target in targets_of(u)]


@pytest.mark.parametrize(("use", "target"), JUDGED, ids=str)
def test_loss(use: Use, target: str):
    def forward(v: dict[str, Any]) -> Any:
        scores = torch.tanh(v["x"] @ v["W1"] + v["b1"]) @ v["W2"] + v["b2"]
        p = HEADS.get(use.word.prediction, lambda s: s)(scores)
        return LOSSES[use.word.name](p, v["y"], **use.options)

    judge(judged_net(use, target), forward)


@pytest.mark.parametrize("use", uses("layer"), ids=str)
def test_layer(use: Use):
    def forward(v: dict[str, Any]) -> Any:
        other = torch.tanh(v["x"] @ v["W_other"] + v["b_other"]) if "W_other" in v else None
        value = LAYERS[use.word.name](v["x"], v, other, **use.options)
        return F.mse_loss(torch.flatten(value, 1) @ v["W_last"] + v["b_last"], v["y"])

    judge(layer_net(use), forward, 1e-6 if use.word.name in ("standardize", "rescale") else EXACT)


# A layer of noise, PyTorch's own, and the formula over the draws that both moments are taken of.
NOISE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "dropout": ("dropout 30%", lambda x: F.dropout(x, 0.3)),
    "alpha_dropout": ("alpha_dropout 30%", lambda x: F.alpha_dropout(x, 0.3, training=True)),
    "rrelu": ("rrelu 0.1 0.6", lambda x: F.rrelu(x, 0.1, 0.6, training=True)),
}


@pytest.mark.parametrize("name", NOISE)
def test_noise_has_torchs_moments(name: str):
    """The mean and the mean square of many values are those of PyTorch's own draws."""
    text, function = NOISE[name]
    (uniform,) = module(small(f"{text} -> dense 2")).draw(0, 1, 20_000).values()
    use = Use(WORDS["layer", name], text, dict(zip(WORDS["layer", name].options, numbers(text), strict=True)))
    for x in (torch.full(uniform.shape, 1.0), torch.full(uniform.shape, -1.5)):
        mine = LAYERS[name](x, {f"{name}1": torch.tensor(uniform)}, None, **use.options)
        theirs = function(x)
        for power in (1, 2):
            assert abs((mine**power).mean() - (theirs**power).mean()) < 0.02


def numbers(text: str) -> list[float]:
    return [float(t[:-1]) / 100 if t.endswith("%") else float(t) for t in text.split()[1:]]


def test_judges_are_complete():
    for kind, table in (("activation", ACTIVATIONS), ("loss", LOSSES), ("layer", LAYERS), ("updater", OPTIMIZERS)):
        others = {"updater": UNKNOWN, "loss": OTHER_LOSSES}.get(kind, set())
        assert {name for k, name in WORDS if k == kind} - others == set(table)


@pytest.mark.parametrize("name", ["relu", "leakyrelu", "elu", "celu", "selu", "relu6", "softsign"])
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


# PyTorch's own defaults hold, but for what has none there: the rates and the momenta of momentum and nesterovs.
OPTIMIZERS = {
    "none": optimizer(torch.optim.SGD, lr=0.0),
    "sgd": optimizer(torch.optim.SGD),
    "momentum": optimizer(torch.optim.SGD, lr=0.1, momentum=0.9),
    "nesterovs": optimizer(torch.optim.SGD, nesterov=True, lr=0.1, momentum=0.9),
    "adagrad": optimizer(torch.optim.Adagrad),
    "adadelta": optimizer(torch.optim.Adadelta),
    "rmsprop": optimizer(torch.optim.RMSprop),
    "adam": optimizer(torch.optim.Adam, betas=True),
    "adamw": optimizer(torch.optim.AdamW, betas=True),
    "amsgrad": optimizer(torch.optim.Adam, betas=True, amsgrad=True),
    "adamax": optimizer(torch.optim.Adamax, betas=True),
    "nadam": optimizer(torch.optim.NAdam, betas=True),
}
# What PyTorch lacks is judged by its paper's algorithm alone, in test_updaters.py.
UNKNOWN = {"lion", "adabelief", "lamb"}
BARE = [Use(word, word.name, {}) for (kind, _), word in WORDS.items() if kind == "updater"]
JUDGED_UPDATERS = [use for use in (*BARE, *uses("updater")) if use.word.name not in UNKNOWN]


@pytest.fixture
def double() -> Iterator[None]:
    """PyTorch keeps the numbers of an optimizer in its default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("use", JUDGED_UPDATERS, ids=str)
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
        "poly(0.1, epochs=8, power=2)": lambda o: torch.optim.lr_scheduler.PolynomialLR(o, total_iters=8, power=2),
        "map([0, 3, 8], [0.1, 0.02, 0.004])": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [3, 8], gamma=0.2),
        "ramp(0.05, 0.1, epochs=6)": lambda o: torch.optim.lr_scheduler.LinearLR(o, 0.5, 1.0, total_iters=6),
        "cycle(0.1, 0.4, epochs=8)": lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.1, 0.4, 4, cycle_momentum=False),
        "cosine(0.1, epochs=20, low=0.02)": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.02),
        "cosine(0.1, epochs=3, restarts=true, mult=2)": lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
            o, 3, T_mult=2
        ),
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
    ("text", "torchs"),
    {
        "orthogonal": "orthogonal_",
        "he": "kaiming_normal_",
        "he_uniform": "kaiming_uniform_",
        "xavier": "xavier_normal_",
        "xavier_uniform": "xavier_uniform_",
        "truncated_normal(0, 1)": "trunc_normal_",
    }.items(),
)
def test_initializers_have_torchs_deviation(text: str, torchs: str):
    net = small(f"dense 300 init={text} name=wide\ndense 2")
    mine = module(net).init(0)["W_wide"]
    theirs = getattr(torch.nn.init, torchs)(torch.empty(300, 6)).numpy()  # PyTorch's weight is (out, in)
    # Four standard errors of the difference of two deviations of 1,800 numbers.
    assert abs(mine.std() / theirs.std() - 1) < 4 / np.sqrt(mine.size)
