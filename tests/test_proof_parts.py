"""The parts of the proof: what a value without signal is, where a loss has a kink, and what the artifacts are fed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import small
from netc.cli import sampling
from netc.cli.differences import ENDLESS, Ledger, Values
from netc.cli.proof import Proof, prove
from netc.cli.rounding import coupled, directionless, jumping, may_jump, rounded, rounding
from netc.cli.slopes import MOVES, NEARBY, STEEP, STEP, Point, Slope, check, groups
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import Net, load_text
from netc.runtime import Fault, trainer_of

# Values -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exact", "silent"),
    [
        (np.zeros((4, 3)), "it is all zero"),
        (np.full((4, 3), 0.5), "its elements are all equal"),
        (np.tile([0.2, 0.3, 0.5], (4, 1)), "it is the same for every example"),
        (np.array([[0.2, 0.8], [0.4, 0.6]]), ""),
    ],
)
def test_a_value_without_signal(exact: Any, silent: str) -> None:
    ledger = Ledger()
    single = exact.astype(np.float32)
    ledger.compare("y", "prediction", Values(single, single, exact), examples=True)
    (row,) = ledger.rows
    assert (row.status, row.reason) == (("not proven", silent) if silent else ("ok", ""))


def test_a_difference_is_held_against_the_float32_files_own_on_both_scales() -> None:
    exact = np.array([100.0, 200.0])
    single = exact.astype(np.float32)
    for relative, start, status in ((0.9e-5, None, "ok"), (1.2e-5, None, "differs"), (0.9e-5, exact - 0.1, "differs")):
        ledger = Ledger()
        graph = (exact * (1 + relative)).astype(np.float32)
        ledger.compare("W", "weight", Values(graph, single, exact, None if start is None else start.astype(np.float32)))
        assert ledger.rows[0].status == status, (relative, start)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_graph_that_gives_no_number_differs(value: float) -> None:
    exact = np.array([0.25, 0.5])
    ledger = Ledger()
    ledger.compare("y", "loss", Values(np.array([0.25, value], np.float32), exact.astype(np.float32), exact))
    assert ledger.rows[0].status == "differs"


@pytest.mark.parametrize(
    ("graph", "stretched", "status"),
    [
        ([1, 2, np.nan, -np.inf], False, "not finite"),
        ([1, 2.1, np.nan, -np.inf], False, "differs"),
        ([1, 2, np.nan, np.inf], False, "differs"),
        ([1, 2, np.inf, -np.inf], False, "differs"),
        ([1, 2, 3, -np.inf], False, "differs"),
        ([1, np.nan, np.nan, -np.inf], False, "differs"),
        ([1, 2, np.nan, 4], True, "ok"),
        ([1, 2.1, np.nan, 4], True, "differs"),
    ],
)
def test_what_is_not_finite_is_the_same_and_told(graph: Any, stretched: bool, status: str) -> None:
    """The numbers beside it are compared as ever; examples far beyond usual ones say nothing where it is not."""
    exact, ledger = np.array([1, 2, np.nan, -np.inf]), Ledger()
    single, given = exact.astype(np.float32), np.array(graph, np.float32)
    ledger.compare("y", "loss", Values(given, single, exact, beside=single), stretched=stretched)
    assert ledger.rows[0].status == status


def test_where_the_last_bit_decides_what_is_not_finite_nothing_is_compared() -> None:
    exact, ledger = np.array([1, 2, 3.5e38]), Ledger()
    file, beside, graph = (np.array([1, 2, end], np.float32) for end in (np.inf, 3.4e38, 3.4e38))
    ledger.compare("y", "loss", Values(graph, file, exact, beside=beside))
    assert ledger.rows[0].status == "not finite"


# Kinks --------------------------------------------------------------------------------------------------------------


def checked(loss: Callable[[Any], float], gradient: Callable[[Any], Any], at: Callable[[int], Any]) -> Slope:
    """The check of one weight `w` under a loss, at the point after so many moves."""

    def point(moved: int) -> Point:
        w = np.asarray(at(moved), np.float64)
        near = np.nextafter(w, np.inf)
        beside = lambda: (loss(near), {"w": gradient(near)})  # noqa: E731
        return Point({"w": w}, lambda p: loss(p["w"]), loss(w), {"w": gradient(w)}, beside)

    return check(("w",), point, lambda key: np.random.default_rng(abs(hash(key)) % 2**32))


def relu_loss(w: Any) -> float:
    return float(np.maximum(w, 0).sum() + 0.3)


def relu_gradient(w: Any) -> Any:
    return (w > 0).astype(np.float64)


def absolute(w: Any) -> float:
    return float(np.abs(w).sum() + 0.3)


POINT = np.array([0.5, -0.7, 0.2])
AT_KINK = np.array([0.0, -0.7, 0.2])


def test_a_point_at_a_kink_is_moved_and_counted() -> None:
    slope = checked(relu_loss, relu_gradient, lambda moved: AT_KINK if moved < 2 else POINT)
    assert (slope.status, slope.moved) == ("ok", 6)


@pytest.mark.parametrize("share", [1e-3, 0.1, 0.3, 1 / 3, 0.5, 0.9])
def test_a_kink_anywhere_within_the_step_is_seen(share: float) -> None:
    for step, moved in ((NEARBY, 3), (STEP, 3 if share * STEP < NEARBY else 0)):
        near = np.array([share * step])
        slope = checked(relu_loss, relu_gradient, lambda moved, near=near: near if moved == 0 else POINT[:1])
        assert (slope.status, slope.moved) == ("ok", moved)


def test_agreement_at_a_kink_proves_nothing() -> None:
    # Central differences of |w| at 0 are 0, and so is sign(0): a gradient that is always 0 there would pass
    slope = checked(absolute, np.sign, lambda moved: np.zeros(3))
    assert (slope.status, slope.moved) == ("not proven", 3 * MOVES)


def test_a_wrong_gradient_is_no_kink() -> None:
    for factor in (-1.0, 0.0, 1.0001):
        slope = checked(lambda w: float(np.sin(w).sum() + 2), lambda w, f=factor: f * np.cos(w), lambda moved: POINT)
        assert (slope.status, slope.moved) == ("differs", 0)


def strongly_bent(w: Any) -> float:
    """As a norm of a single number that is nearly 0, whose third derivative is 1e11 times its first."""
    return float(np.sum(w / np.sqrt(w**2 + 1e-9)) + 2)


def slope_of_bent(w: Any) -> Any:
    return 1e-9 / (w**2 + 1e-9) ** 1.5


def test_a_slope_that_differences_miss_is_extrapolated() -> None:
    near = np.array([4e-4, 0.3])
    slope = checked(strongly_bent, slope_of_bent, lambda moved: near)
    assert (slope.status, slope.moved) == ("ok", 0) and slope.error < 1e-6
    for factor in (-1.0, 0.0, 1.0001):
        wrong = checked(strongly_bent, lambda w, f=factor: f * slope_of_bent(w), lambda moved: near)
        assert wrong.status == "differs"


@pytest.mark.parametrize("seed", range(5))
def test_a_gradient_that_is_rounding_alone_is_not_proven(seed: int) -> None:
    """Terms that cancel each other leave a loss of 0 and a gradient of some last bits, which says nothing."""
    terms = np.random.default_rng(seed).standard_normal(40)

    def balanced(part: Any) -> float:
        return float((terms * part).sum() - (terms[::-1] * part).sum())

    slope = checked(
        lambda w: balanced(np.tanh(w)), lambda w: balanced(1 / np.cosh(w) ** 2) * np.ones(1), lambda moved: POINT[:1]
    )
    assert (slope.status, slope.moved) == ("not proven", 3 * MOVES)
    assert slope.reason in ("the loss hardly depends on it", "its gradient is all zero")


def test_a_gradient_of_nothing_is_not_proven() -> None:
    slope = checked(lambda w: 2.0, np.zeros_like, lambda moved: POINT)
    assert (slope.status, slope.reason) == ("not proven", "its gradient is all zero")
    faint = checked(lambda w: 2.0 + 1e-9 * float(w.sum()), lambda w: np.full_like(w, 1e-9), lambda moved: POINT)
    assert faint.status == "not proven"


# What is fed --------------------------------------------------------------------------------------------------------


def test_examples_lie_in_their_domains_and_cover_the_classes() -> None:
    net = load_text(
        "net fields\ninput a: unit[3]\ninput b: positive[2]\ninput c: binary[4]\ninput d: f32\ntarget y: class(7)\n"
        "a -> concat b c d -> dense 7 -> softmax\nloss mcxent\nupdater sgd\ntrain epochs=1 batch=9\n"
    )
    batch = sampling.batch(net, 9, factor=100.0)
    a, b, c, d = batch.inputs
    assert a.min() >= 0 and a.max() <= 1 and len(np.unique(a)) > 20
    assert b.min() > 0
    assert set(np.unique(c)) == {0, 1}
    assert d.shape == (9, 1) and {array.dtype for array in batch.inputs} == {np.dtype(np.float32)}
    assert set(batch.targets[0]) == set(range(7)) and batch.targets[0].dtype == np.int64
    assert [len(sampling.batch(net, size)) for size in sampling.sizes(9)] == [1, 9, 3]


def test_clocks_are_in_the_middle_of_training_and_inside_the_warm_up() -> None:
    net = load_text(
        "net clocks\ninput x: f32\ntarget y: f32\ndense 1\nloss mse\n"
        "updater sgd lr=cosine(0.1, epochs=10, warmup=2)\ntrain epochs=10 batch=9\n"
    )
    epochs = [clock.epoch for clock in sampling.clocks(net)]
    assert min(epochs) == 0 and max(epochs) > 9
    assert any(0 < epoch < 2 for epoch in epochs) and any(4 < epoch < 7 for epoch in epochs)
    assert any(epoch % 1 for epoch in epochs)
    assert min(clock.step for clock in sampling.clocks(net)) > 1


EVERY = """
net fields
input a: f32[3]
input b: binary[3]
input c: u8[3]
target y: class(2)
c -> logsigmoid -> concat a b -> dense 2 -> softmax
loss mcxent
updater sgd
train epochs=1 batch=9 class_weight=[0.1, 0.7]
"""


def test_another_last_bit_is_given_to_numbers_that_may_be_any() -> None:
    net = load_text(EVERY)
    batch = sampling.batch(net, 9)
    (a, b, c), (y,) = batch.inputs, batch.targets
    near = sampling.batch_beside(net, batch)
    assert 0 < np.abs(near.inputs[0] - a).max() < 1e-6 and (near.inputs[0] != a).all()
    assert all((x == z).all() for x, z in zip((*near.inputs[1:], *near.targets), (b, c, y), strict=True))
    for _, other in sampling.around(net, {}, batch):
        assert 1e-4 < np.abs(other.inputs[0] - a).max() < 0.1 and (other.inputs[1] == b).all()


def test_the_file_in_float64_computes_with_pixels_in_float64() -> None:
    """Where no weight tells the precision."""
    net = load_text("net pixels\ninput x: u8[3]\nlogsigmoid\ntargets inference\n")
    (x,) = sampling.batch(net, 9).inputs
    found = trainer_of(to_numpy(net), "pixels.py").precise.predict({}, x)
    assert found.dtype == np.float64
    assert np.abs(found + np.log1p(np.exp(-x.astype(np.float64)))).max() < 1e-15


# What is together ---------------------------------------------------------------------------------------------------


def test_very_many_weights_share_directions() -> None:
    names = tuple(f"W{i}" for i in range(2000))
    shared = groups(names, 1)
    assert tuple(name for group in shared for name in group) == names
    assert len(shared) * len(names) <= 60_000
    assert groups(names[:200], 1) == [(name,) for name in names[:200]]


# Rounding -------------------------------------------------------------------------------------------------------------


def seen(*numbers: float, dtype: Any = np.float32) -> list[tuple[Any, dict[str, Any]]]:
    """A loss of 1 and the gradient of a weight, as a run sees them."""
    return [(dtype(1), {"W": np.array(numbers, dtype)})]


def test_what_float32_does_not_know_of_a_gradient() -> None:
    exact = seen(1e-18, 0.5, 0.0, 3e-5, dtype=np.float64)
    # A zero beside noise may be noise in another order of adding; what has digits is compared.
    assert rounding(exact, seen(1e-11, 0.5, 0.0, 3e-5))["W"].tolist() == [True, False, True, False]
    assert rounding(exact, seen(0.0, 0.5, 0.0, 6e-5))["W"].tolist() == [True, False, True, True]
    assert rounding(exact, seen(1e-11, 0.5, 0.0, 3e-5), coupled=("W",))["W"].all()
    known = seen(0.0, 0.5, dtype=np.float64)
    assert rounding(known, seen(0.0, 0.5), seen(0.0, 0.5000001)) == {}


def test_what_is_wrong_about_a_graph_is_no_rounding() -> None:
    rng = np.random.default_rng(2)
    none, noise = np.zeros(3), 1e-6 * rng.standard_normal((8, 3))
    assert rounded((none, np.full(3, 0.5) * (1 + 1e-3 * k)) for k in range(8)).max() < 2e-3
    assert 3e-7 < rounded((none, each) for each in noise).min() < 3e-6
    assert (rounded((each, none) for each in noise) == np.abs(noise).max(axis=0)).all()


@pytest.mark.parametrize(("per", "found"), [("weight", {"b1"}), ("layer", set[str]()), ("all", set[str]())])
def test_a_gradient_of_zero_has_no_direction(per: str, found: set[str]) -> None:
    net = load_text(small("dense 2").source.text + f"train epochs=2 renormalize=true norm_per={per}\n")
    free = {"W1": np.array([[3.0, 0.0], [0.0, 4.0]]), "b1": np.zeros(2)}
    bound = {"W1": free["W1"] / 5, "b1": np.zeros(2)}
    assert directionless(net, free, bound).keys() == found
    assert directionless(small("dense 2"), free, free) == {}


def test_where_a_step_jumps() -> None:
    p, grads = {"W": np.zeros(3)}, {"W": np.array([1.0, 1e-8, -0.3])}
    by_sign = jumping(lambda g: {"W": -0.1 * np.sign(g["W"])}, p, grads)
    assert by_sign["W"].tolist() == [False, True, False]
    by_size = jumping(
        lambda g: {"W": -0.1 * np.ones(3) / (np.abs(g["W"]) + 1e-8)}, p, {"W": np.array([1.0, 0.0, -0.3])}
    )
    assert by_size["W"].tolist() == [False, True, False]
    assert jumping(lambda g: {"W": -0.1 * g["W"]}, p, grads) == {}


def test_updaters_that_may_jump() -> None:
    words = ("sgd", "momentum", "nesterovs", "adam", "lion", "rmsprop")
    nets = {word: small("dense 2", updater=word) for word in words}
    jumping = [word for word, net in nets.items() if may_jump(net.programs[net.losses[0].updater.key])]
    assert jumping == ["adam", "lion", "rmsprop"]


def test_updaters_that_look_at_a_weight_as_a_whole() -> None:
    nets = {word: small("dense 2", updater=word) for word in ("lamb", "adam", "lion")}
    assert {word: coupled(net) for word, net in nets.items()} == {"lamb": {"W1", "b1"}, "adam": set(), "lion": set()}


@pytest.mark.parametrize("updater", ["adamw", "lion", "lamb", "rmsprop"])
def test_a_gradient_that_is_zero_in_theory_is_not_held_against_the_graph(updater: str) -> None:
    """What is before a length of 1 of a single feature has no slope, but for rounding, which these updaters blow up."""
    net = small("dense 4 name=free\nreshape [4, 1] -> l2normalize -> flatten -> dense 2", updater=f"{updater} lr=0.1")
    text = to_numpy(net)
    weights = trainer_of(text, "small.py").init(1)
    proof = prove(net, text, to_onnx(net, weights), to_step(net), weights, trained=False)
    assert proof.ok, proof.differing
    silent = {row.name: row.reason for row in proof.rows if row.status == "not proven" and row.what == "weight"}
    assert silent == dict.fromkeys(("W_free.next", "b_free.next"), "its gradient is less than float32 shows")


def proof_of(net: Net, size: float | None = None) -> Proof:
    """The proof of a net, with first weights or with weights of a size."""
    text = to_numpy(net)
    weights = trainer_of(text, "small.py").init(1)
    weights = weights if size is None else {name: size * np.ones_like(w) for name, w in weights.items()}
    return prove(net, text, to_onnx(net, weights), to_step(net), weights, trained=size is not None)


def test_numbers_that_overflow_are_told_and_no_fault() -> None:
    proof = proof_of(small("dense 4\n" + "cube -> cube\n" * 4 + "dense 2 name=end", updater="adam"), 1e30)
    assert proof.ok and "NOT FINITE" in proof.summary, proof.differing
    assert {ENDLESS, "the loss is not finite"} <= {reason for _, reason in proof.endless}
    assert proof.to_json()["not_finite"][0].keys() == {"name", "reason"}


def test_a_slope_that_is_not_finite_is_the_spec_s_fault() -> None:
    """The loss is finite: sqrt(abs(x)) behind relu has no slope where relu is off, and a step would leave no weight."""
    root = "def activation root(x) = sqrt(abs(x))\n"
    proof = proof_of(small(f"{root}dense 3 -> relu -> root -> dense 2"))
    assert ("W1, gradient", STEEP) in proof.differing
    refusal = proof.refusal()
    assert isinstance(refusal, Fault) and refusal.code == "not-finite"
    assert proof_of(small(f"{root.replace('abs(x)', '0.01 + abs(x)')}dense 3 -> relu -> root -> dense 2")).ok


def test_a_net_without_weights_is_proven() -> None:
    net = load_text("net q\ninput x: f32[2, 4, 4]\nmaxpool 2x2\ntargets inference\n")
    text = to_numpy(net)
    assert prove(net, text, to_onnx(net, {}), None, {}, trained=False).ok
