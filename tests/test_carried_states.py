"""Windows of a series: recurrent layers go on from what they left at the end of the window before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import assert_close, assert_gradient, batch, module, numeric_gradient, weights
from netc.dsl import SpecError, load_text
from test_recurrent import MASKED, STEPS, over_time
from uses import EXACT, check_steps

CARRIED = ["rnn 3", "gru 3", "lstm 3", "lstm 3 -> cells", "graves_lstm 3", "own 3", "lstm 3 -> own 2 -> gru 3"]


@pytest.mark.parametrize("chain", CARRIED)
def test_windows_carry_their_state(chain: str):
    """Window after window gives what one long series gives, and a gradient sees no further than its window."""
    chain = f"{chain} -> dense 2"
    windows, whole = (over_time(chain, **STEPS, more=f"train batch=5{more}") for more in (" window=3", ""))
    made, rng = module(windows), np.random.default_rng(6)
    (x,), (y,) = batch(whole, rng, 5, {"T": 9})
    p = weights(made, windows, rng, ())
    kept = [name for name, state in windows.states.items() if state.carried]
    assert kept
    p |= {name: rng.standard_normal(p[name].shape) for name in kept}  # of the epoch before, which is forgotten
    exact, _ = module(whole).loss_and_grads({k: v for k, v in p.items() if k not in kept}, x, y)
    losses = []
    for number in range(3):
        at = {"step": number + 1, "epoch": number / 3}
        part = x[:, 3 * number : 3 * number + 3], y[:, 3 * number : 3 * number + 3]
        loss, grads, state = made.loss_and_grads(p, *part, **at)
        for name, grad in grads.items():

            def moved(w: Any, name: str = name, now: Any = p, part: Any = part, at: Any = at) -> float:
                return float(made.loss_and_grads({**now, name: w}, *part, **at)[0])

            assert_gradient(grad, numeric_gradient(moved, p[name]), float(loss), name)
        assert set(state) == set(kept)
        p |= state
        losses.append(loss)
    assert_close(np.mean(losses), exact, EXACT)


@pytest.mark.parametrize("chain", CARRIED[2:])
def test_steps_of_windows(chain: str):
    check_steps(over_time(f"{chain} -> dense 2", **STEPS, more="train batch=5 window=3"), 4, chain)


@pytest.mark.parametrize("chain", CARRIED)
def test_padding_carries_nothing(chain: str):
    """What a window leaves is the state at its last step that counts, whatever stands behind that."""
    net = over_time(f"{chain} -> dense 2", **MASKED, more="train batch=5 window=4")
    made, rng = module(net), np.random.default_rng(6)
    (x, lengths), (y,) = batch(net, rng, 5, {"T": 4})
    p, start = weights(made, net, rng, ()), {"step": 1, "epoch": 0.0}
    _, _, state = made.loss_and_grads(p, x, lengths, y, **start)
    assert state and min(lengths) < 4
    for i, n in enumerate(lengths):
        one = x[i : i + 1, :n], lengths[i : i + 1], y[i : i + 1, :n]
        *_, alone = made.loss_and_grads(p, *one, **start)
        for name, value in state.items():
            assert_close(value[i], alone[name][0], EXACT, name)


def test_windows_of_several_series_or_losses_begin_at_nothing():
    text = (
        "net n\ninput x: f32[T, 3]\ntarget y: f32[T, 2]\np = rnn 3 -> dense 2\nupdater sgd\ntrain window=3\noutput p\n"
    )
    assert load_text(f"{text}loss mse(p, y)\n").streams
    assert not load_text(f"{text}loss a = mse(p, y)\nloss b = mae(p, y)\n").streams
    assert load_text(f'{text}loss mse(p, y)\ndata "a.csv" x=[a, b, c] y=[d, e]\n').streams
    assert not load_text(f'{text}loss mse(p, y)\ndata "a.csv" x=[a, b, c] y=[d, e] id=f\n').streams


def test_a_part_that_carries_is_used_once():
    with pytest.raises(SpecError, match="rnn carries its state from window to window, and is used more than once"):
        over_time("part l { rnn 3 }\nl -> l -> dense 2", **STEPS, more="train window=3")


def test_a_solver_looks_at_all_windows_at_once():
    text = "net n\ninput x: f32[T, 3]\ntarget y: f32[T, 2]\nrnn 3 -> dense 2\nloss mse\ntrain window=3\n"
    assert load_text(f"{text}updater sgd\n").streams
    assert not load_text(f"{text}updater lbfgs\ntargets numpy inference\n").streams


def test_streams_that_end_keep_their_state():
    net = over_time("own 3 -> dense 2", **STEPS, more="train batch=5 window=3")
    made, rng = module(net), np.random.default_rng(6)
    (x,), (y,) = batch(net, rng)
    p = weights(made, net, rng, ())
    *_, first = made.loss_and_grads(p, x, y, step=1, epoch=0.0)
    *_, state = made.loss_and_grads(p | first, x[:3], y[:3], step=2, epoch=0.5)
    for name, value in state.items():
        assert np.array_equal(value[3:], first[name][3:]) and not np.array_equal(value[:3], first[name][:3])
