"""Updaters and schedules against their formulas, in the trainer's page and in the step graph."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, assert_close, compiled, module, onnx_model, session, small, update
from netc.dsl.ir import Program
from netc.dsl.prune import prune
from netc.dsl.types import Type
from netc.dsl.words import WORDS
from uses import ALTERNATIVES, StepGraph, Use, updater_net, uses

STEPS = 10


def gradients(rng: np.random.Generator) -> dict[str, Array]:
    """Gradients of every size, some of them exactly 0."""
    sizes = {"W1": (6, 4), "b1": (4,), "W2": (4, 2), "b2": (2,)}
    found = {k: rng.standard_normal(s) * 10 ** rng.uniform(-3, 2, s) for k, s in sizes.items()}
    found["W1"][0] = 0
    return found


def expected(use: Use, p: dict[str, Array], each: list[dict[str, Array]], rates: list[float] | None = None) -> Any:
    """The weights and the state after all steps, by the reference."""
    function = reference.UPDATERS[use.word.name]
    options = {k: v for k, v in (("lr", reference.RATES.get(use.word.name)),) if v} | use.options
    p, states = dict(p), {k: {} for k in p}
    for t, grads in enumerate(each, 1):
        given = options | ({"lr": rates[t - 1]} if rates else {})
        p = {k: function(p[k], grads[k], states[k], t, **given) for k in p}
    return p, {f"{k}.{m}": v for k, s in states.items() for m, v in s.items()}


@pytest.mark.parametrize("use", uses("updater"), ids=str)
def test_updater(use: Use):
    """Ten steps from given gradients, in float64, to the last digits; the state has the names that the file says."""
    made = module(updater_net(use))
    rng = np.random.default_rng(3)
    p = {k: v.astype(np.float64) for k, v in made.init(1).items()}
    each = [gradients(rng) for _ in range(STEPS)]
    right, state = expected(use, p, each)
    moments = made.init_updater(p)
    assert set(moments) == set(state) and all(np.all(v == v.ravel()[0]) for v in moments.values())
    for t, grads in enumerate(each, 1):
        made.update(p, moments, grads, t, 0.5)
    for name in p:
        assert_close(p[name], right[name], 1e-13, name)
    for name in state:
        assert np.allclose(moments[name], state[name], rtol=1e-12, atol=0), name


@pytest.mark.parametrize("use", uses("updater"), ids=str)
def test_an_option_has_an_effect(use: Use):
    """So that a forgotten one cannot pass the test above by chance."""
    if use.text == use.word.example:
        return
    rng = np.random.default_rng(3)
    p, each = gradients(rng), [gradients(rng) for _ in range(3)]
    plain, _ = expected(Use(use.word, "", {}), p, each)
    moved, _ = expected(use, p, each)
    assert max(np.abs(plain[k] - moved[k]).max() for k in p) > 1e-4


@pytest.mark.parametrize("step", [1, 2, 10, 1000, 10**6])
def test_bias_correction_is_computed_in_float64(step: int):
    """float32's 1 - 0.999^t is wrong by 1e-4 at the first step."""
    net = updater_net(Use(WORDS["updater", "adam"], "adam lr=1", {}))
    made = module(net)
    p = {k: np.zeros_like(v) for k, v in made.init(0).items()}
    grads = {k: np.ones_like(v) for k, v in p.items()}
    moments = made.init_updater(p)
    made.update(p, moments, grads, step, 0.0)
    m, v = 0.1 / (1 - 0.9**step), -0.001 / math.expm1(step * math.log(0.999))
    right = -m / (math.sqrt(v) + 1e-8)
    assert p["W1"].dtype == np.float32 and moments["W1.m"].dtype == np.float32
    assert np.allclose(p["W1"], right, rtol=4e-7, atol=0)


# Schedules ------------------------------------------------------------------------------------------------------------


def rate_of(made: Any, step: int, epoch: float, *drops: dict[str, int]) -> float:
    """The rate with which the page's sgd moves a weight: from 0, against a gradient of 1."""
    p = {k: np.zeros(v.shape) for k, v in made.init(0).items()}
    made.update(p, {}, {k: np.ones(v.shape) for k, v in p.items()}, step, epoch, *drops)
    (rate,) = {float(v) for w in p.values() for v in w.ravel()}
    return -rate


POINTS = [0, 1e-9, 0.3, 0.5, 1, 1.99, 2, 2.5, 3, 4.75, 5, 6.999, 7, 7.5, 10, 19.5, 20, 20.5, 33, 250]


# Those of time, and those that count how often they have fallen.
TIMED, WATCHING = ([u for u in uses("schedule") if u.word.watches == watches] for watches in (False, True))


@pytest.mark.parametrize("use", WATCHING, ids=str)
def test_schedule_by_falls(use: Use):
    made = module(small("dense 2", updater=f"sgd lr={use.text}"))
    for falls in (0, 1, 2, 3, 7, 40):
        right = reference.SCHEDULES[use.word.name](falls, **use.options)
        assert rate_of(made, 12345, 9.5, {"lr": falls}) == pytest.approx(right, rel=1e-12, abs=1e-16), falls


@pytest.mark.parametrize("use", TIMED, ids=str)
def test_schedule_by_epochs(use: Use):
    made = module(small("dense 2", updater=f"sgd lr={use.text}"))
    for epoch in POINTS:
        right = reference.SCHEDULES[use.word.name](epoch, **use.options)
        assert rate_of(made, 12345, epoch) == pytest.approx(right, rel=1e-12, abs=1e-16), epoch


@pytest.mark.parametrize("use", TIMED, ids=str)
def test_schedule_by_steps(use: Use):
    text = use.text.replace(")", ", per=step)")
    made = module(small("dense 2", updater=f"sgd lr={text}"))
    for step in (1, 2, 3, 5, 7, 10, 19, 20, 21, 40, 1000):
        right = reference.SCHEDULES[use.word.name](step, **use.options)
        assert rate_of(made, step, 0.123) == pytest.approx(right, rel=1e-12, abs=1e-16), step
    explicit = module(small("dense 2", updater=f"sgd lr={use.text.replace(')', ', per=epoch)')}"))
    assert rate_of(explicit, 99, 2.5) == rate_of(module(small("dense 2", updater=f"sgd lr={use.text}")), 1, 2.5)


@pytest.mark.parametrize(
    ("name", "per"),
    [(w.name, per) for w in WORDS.values() if w.kind == "schedule" for per in ["epoch", "step"][: 2 - w.watches]],
)
def test_schedule_in_the_step_graph(name: str, per: str):
    """The graph computes it in float64 too: what moves differs in float32's last digit alone."""
    text = WORDS["schedule", name].example.replace(")", f", per={per})")
    net = small("dense 2", updater=f"sgd lr={text}")
    made = module(net)
    p = made.init(0)
    rng = np.random.default_rng(0)
    batch = [rng.standard_normal((5, 6)).astype(np.float32), np.full((5, 2), 1e4, np.float32)]
    graph = StepGraph(net, p, {})
    for step, epoch in ((1, 0.0), (3, 0.3), (7, 1.0), (19, 4.999), (20, 5.0), (400, 19.5), (10**6, 40.0)):
        graph.p, q = dict(p), dict(p)
        graph.step(batch, step, epoch, None)
        _, grads = made.loss_and_grads(q, *batch)
        update(made, q, {}, grads, step, epoch)
        for weight in p:
            assert_close(graph.p[weight], q[weight], 1e-6, f"{weight} at {step}, {epoch}")


@pytest.mark.parametrize("use", [*uses("schedule"), *uses("updater")], ids=str)
def test_numbers_of_the_host_in_float64(use: Use):
    """The graph has them to float64's last digits: a rate by its closed form, others by the page's own Python."""
    kind = use.word.kind
    net = small("dense 2", updater=f"sgd lr={use.text}") if kind == "schedule" else updater_net(use)
    program = net.programs["update"]
    values = [e.results[0] for e in program.equations if e.results[0].type == Type("f64", (), e.results[0].type.domain)]
    taken = {i.name for i in program.inputs}
    results = {value.hint + "_" * (value.hint in taken) or f"part{i}": value for i, value in enumerate(values)}
    scalar = [i for i in program.inputs if not i.value.type.shape]
    inputs = tuple(replace(i, name=i.name.replace(".", "_")) for i in scalar)
    scalars = prune(Program("scalars", inputs, program.equations, results))
    plain = scalars.with_equations(
        replace(e, attrs={**e.attrs, "name": ""}) if e.op.name == "constant" else e for e in scalars.equations
    )
    runner, run = session(onnx_model(plain)), compiled(plain)
    for step, epoch in itertools.product((1, 2, 10, 10**5), POINTS):
        given: dict[str, Any] = {"step": step, "epoch": float(epoch), "product": 0.3, "drops_lr": int(epoch)}
        feed = {i.name: np.array(given[i.name]) for i in runner.get_inputs()}
        found = dict(zip([o.name for o in runner.get_outputs()], runner.run(None, feed), strict=True))
        printed = run({i.name: given[i.name] for i in plain.inputs})
        for name, value in found.items():
            assert value.dtype == np.float64
            assert float(value) == pytest.approx(float(printed[name]), rel=1e-14, abs=1e-17), (name, step, epoch)
        if kind == "schedule":
            right = reference.SCHEDULES[use.word.name](int(epoch) if use.word.watches else epoch, **use.options)
            assert float(found["lr"]) == pytest.approx(right, rel=1e-12, abs=1e-16)


RATED = [name for (kind, name), word in WORDS.items() if kind == "updater" and "lr" in word.options]


@pytest.mark.parametrize("name", RATED)
def test_every_updater_takes_a_schedule(name: str):
    word = WORDS["updater", name]
    use = Use(word, f"{name} lr=exponential(0.1, factor=0.5)", {})
    made = module(updater_net(use))
    rng = np.random.default_rng(5)
    p = {k: v.astype(np.float64) for k, v in made.init(1).items()}
    each, epochs = [gradients(rng) for _ in range(4)], [0.0, 0.5, 1.0, 2.25]
    right, _ = expected(use, p, each, [0.1 * 0.5**e for e in epochs])
    moments = made.init_updater(p)
    for t, (grads, epoch) in enumerate(zip(each, epochs, strict=True), 1):
        made.update(p, moments, grads, t, epoch)
    assert all(np.allclose(p[k], right[k], rtol=1e-12, atol=1e-14) for k in p)


def test_settings_are_on_the_page():
    """A reader changes a number at the top, and the training changes."""
    use = Use(WORDS["updater", "adam"], "adam lr=cosine(0.1, epochs=20, warmup=2) beta1=0.8", {})
    made = module(updater_net(use))
    assert (made.LR, made.LR_EPOCHS, made.LR_WARMUP, made.BETA1, made.BETA2) == (0.1, 20, 2, 0.8, 0.999)
    made = module(small("dense 2", updater="sgd lr=0.5"))
    assert rate_of(made, 1, 0) == 0.5
    made.LR = 0.25
    assert rate_of(made, 1, 0) == 0.25


# Clipping -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.01, 0.3, 1e6])
def test_clip_norm(limit: float):
    net = small("dense 4 -> tanh\ndense 2", more=f"train clip_norm={limit}")
    made, plain = module(net), module(small("dense 4 -> tanh\ndense 2"))
    rng = np.random.default_rng(0)
    p = {k: v.astype(np.float64) for k, v in made.init(1).items()}
    x, y = rng.standard_normal((5, 6)), rng.standard_normal((5, 2))
    loss, grads = plain.loss_and_grads(p, x, y)
    clipped_loss, clipped = made.loss_and_grads(p, x, y, clip_norm=limit)
    right = reference.clip_by_norm(np.array(limit), *grads.values())
    assert clipped_loss == loss and limit == made.CLIP_NORM
    for name, value in zip(grads, right, strict=True):
        assert_close(clipped[name], value, 1e-14, name)
    norm = math.sqrt(sum((g**2).sum() for g in clipped.values()))
    assert norm <= limit and (limit < 1e6) == (norm < 0.9 * math.sqrt(sum((g**2).sum() for g in grads.values())))
    free = made.loss_and_grads(p, x, y)[1]
    assert all(np.array_equal(free[k], grads[k]) for k in grads)


def test_penalties_are_added_after_clipping():
    net = small("dense 4 l2=0.5 -> tanh\ndense 2", more="train clip_norm=0.01")
    made, plain = module(net), module(small("dense 4 -> tanh\ndense 2", more="train clip_norm=0.01"))
    rng = np.random.default_rng(0)
    p = {k: v.astype(np.float64) for k, v in made.init(1).items()}
    x, y = rng.standard_normal((5, 6)), rng.standard_normal((5, 2))
    _, held = made.loss_and_grads(p, x, y, clip_norm=0.01)
    _, free = plain.loss_and_grads(p, x, y, clip_norm=0.01)
    assert_close(held["W1"], free["W1"] + 0.5 * p["W1"], 1e-14)
    assert all(np.array_equal(held[k], free[k]) for k in ("b1", "W2", "b2"))


def test_alternatives_are_used():
    used = {name for word in WORDS.values() for option in word.options for name in (option, f"{word.name}.{option}")}
    assert set(ALTERNATIVES) <= used, "an alternative that no word has is a leftover"
