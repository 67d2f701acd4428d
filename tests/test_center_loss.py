"""center_loss: what it costs, how its centers move, where they are kept, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from harness import Array, assert_close, batch, module, narrow, small, weights
from netc.cli.proof import prove
from netc.codegen import to_numpy, to_onnx, to_step
from netc.dsl import Net, SpecError
from reference.losses import center_loss, moved_centers
from road import netc
from uses import EXACT, check_steps

CHAINS = "features = dense 4 -> tanh\np = features -> dense 3 -> softmax\noutput p"
LOSS = "mcxent(p, y) + 0.3 * center_loss(features, y, alpha=0.2)"
THREE = "net three\ninput x: f32[6]\ntarget y: class(3)\n" + CHAINS + "\n"


def faces(loss: str = LOSS, chains: str = CHAINS, more: str = "", **parts: str) -> Net:
    return small(chains, target="class(3)", loss=loss, more=more, **parts)


def started(net: Net) -> tuple[Any, dict[str, Array], Any]:
    """The module, weights and centers away from 0, and a generator."""
    made, rng = module(net), np.random.default_rng(4)
    p = weights(made, net, rng, ())
    return made, {k: rng.normal(size=v.shape) if k in net.running else v for k, v in p.items()}, rng


def test_the_value_and_the_centers_after_each_step():
    """In plain numbers, over batches of which some lack a class."""
    net = faces(more="metric accuracy(p, y)")
    made, p, rng = started(net)
    for rows in (7, 1, 2):
        (x,), (y,) = batch(net, rng, rows)
        features = np.tanh(x @ p["W1"] + p["b1"])
        told = reference.LOSSES["mcxent"](made.predict(p, x), y)
        exact = reference.mean(told) + 0.3 * reference.mean(center_loss(features, y, 0.2, p["centers"]))
        loss, _, state = made.loss_and_grads(p, x, y)
        assert_close(loss, exact, EXACT)
        assert_close(state["centers"], moved_centers(features, y, 0.2, p["centers"]), EXACT)
        judged = made.evaluate(p, (x,), (y,))
        assert_close(judged["loss"], exact, EXACT)
        p.update(state)


@pytest.mark.parametrize("alpha", [0, 0.2, 1])
def test_training_is_that_of_pytorch(alpha: float):
    """Five steps of the paper's algorithm by hand: autograd with constant centers, SGD, then the centers by alpha."""
    torch = pytest.importorskip("torch")
    net = faces(LOSS.replace("0.2", str(alpha)), updater="sgd lr=0.3")
    made, p, rng = started(net)
    theirs = {k: torch.tensor(v, requires_grad=k != "centers") for k, v in p.items()}
    moments = made.init_updater(p)
    for step in range(1, 6):
        (x,), (y,) = batch(net, rng, 6)
        _, grads, state = made.loss_and_grads(p, x, y)
        made.update(p, moments, grads, step, 0.0)
        p.update(state)
        features = torch.tanh(torch.tensor(x) @ theirs["W1"] + theirs["b1"])
        labels, centers = torch.tensor(y), theirs["centers"]
        apart = features - centers[labels]
        loss = torch.nn.functional.cross_entropy(features @ theirs["W2"] + theirs["b2"], labels)
        (loss + 0.3 * 0.5 * (apart**2).sum(dim=1).mean()).backward()
        with torch.no_grad():
            sums = torch.zeros_like(centers).index_add(0, labels, apart)
            centers += alpha * sums / (1 + torch.bincount(labels, minlength=3))[:, None]
            for name in net.trained:
                theirs[name] -= 0.3 * theirs[name].grad
                theirs[name].grad = None
    for name, mine in p.items():
        assert_close(mine, theirs[name].detach().numpy(), EXACT, name)


def test_the_step_graph_moves_them_too():
    check_steps(faces(more="train batch=4"), what="center_loss")


def test_the_model_needs_no_centers_and_the_weights_hold_them():
    net = faces()
    p = module(net).init(1)
    assert p["centers"].shape == (3, 4) and net.running == ("centers",) and "centers" not in net.trained
    assert "centers" not in {t.name for t in to_onnx(net, narrow(p)).graph.initializer}
    proof = prove(net, to_numpy(net), to_onnx(net, p), to_step(net), p, False)
    assert proof.ok and "centers.next" in {row.name for row in proof.rows}
    assert [output.target for output in net.outputs] == [net.targets[0]]


def test_a_net_that_is_only_exported_has_none():
    assert "centers" not in faces(more="targets inference").states


def test_every_use_keeps_its_own_and_the_users_names_win():
    chains = "centers = dense 4 -> tanh\np = centers -> dense 3 -> softmax\noutput p"
    net = faces("mcxent(p, y) + center_loss(centers, y) + 0.1 * center_loss(p, y)", chains)
    assert {name: net.states[name].shape for name in net.running} == {"centers2": (3, 4), "centers3": (3, 3)}
    check_steps(net, steps=2)


def test_each_of_several_losses_moves_its_own():
    """In the order of the text, whatever it trains."""
    losses = "first = mcxent(p, y) + center_loss(features, y) trains one, head"
    more = "loss second = mse(q, 1) + 0.1 * center_loss(q, y) trains two"
    chains = (
        CHAINS.replace("dense 4", "dense 4 name=one").replace("dense 3", "dense 3 name=head")
        + "\nq = features -> dense 2 name=two"
    )
    net = faces(losses, chains, more)
    assert {loss.name: loss.moved for loss in net.losses} == {"first": ("centers",), "second": ("centers2",)}
    text, p = to_numpy(net), module(net).init(1)
    assert prove(net, text, to_onnx(net, p), to_step(net), p, False).ok


def test_a_solver_moves_them_once_an_iteration():
    net = faces(more="targets numpy inference", updater="lbfgs")
    p = module(net).init(1)
    assert prove(net, to_numpy(net), to_onnx(net, p), None, p, False).ok


WRONG = {
    "mcxent(p, y) + center_loss(image, y)": (
        "shape-mismatch",
        "center_loss looks at one axis of features, but this is [2",
    ),
    "mcxent(p, y) + center_loss(features, p)": (
        "target-mismatch",
        "center_loss takes a target of type class, but this",
    ),
    "mcxent(p, y) + center_loss(features, z)": ("target-mismatch", "center_loss takes a target of type class, but the"),
    "mcxent(p, y) + center_loss(features, y, alpha=2)": ("bad-option", "alpha of center_loss is a number from 0 to 1"),
}


@pytest.mark.parametrize("loss", WRONG)
def test_refused(loss: str):
    chains = "target z: f32[4]\nimage = reshape [2, 3]\nfeatures = x -> dense 4\np = features -> dense 3 -> softmax"
    also = " + mse(features, z) + mse(image, 1)"
    with pytest.raises(SpecError) as caught:
        faces(loss + also, chains)
    code, message = WRONG[loss]
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert caught.value.diagnostics[0].message.startswith(message)


def test_steps_are_no_features():
    """Of any number of them no flatten makes one list."""
    chains = "features = gru 4\np = features -> last_step -> dense 3 -> softmax"
    with pytest.raises(SpecError) as caught:
        small(chains, given="f32[T, 2]", target="class(3)", loss="mcxent(p, y) + center_loss(features, y)")
    assert caught.value.diagnostics[0].help == "end its chain with last_step, or with globalavgpool"


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_both_engines_train_with_them(engine: str, tmp_path: Path):
    """The centers end among the features of their classes, and are written beside the weights."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    np.savez(tmp_path / "d.npz", x=rng.normal(size=(90, 6)) + 3 * np.eye(6)[y], y=y)
    text = THREE + f"loss {LOSS}\nupdater adam lr=0.02\ntrain epochs=20 batch=15 validation=20%\n"
    (tmp_path / "three.net").write_text(text, encoding="utf-8")
    options = ("--data", tmp_path / "d.npz", "-o", tmp_path / "run", "--engine", engine)
    netc("train", tmp_path / "three.net", *options).ok()
    p = dict(np.load(tmp_path / "run" / "three.npz"))
    features = np.tanh(np.load(tmp_path / "d.npz")["x"] @ p["W1"] + p["b1"])
    means = np.stack([features[y == k].mean(axis=0) for k in range(3)])
    assert np.abs(p["centers"] - means).max() < 0.1 and np.abs(means[0] - means[1]).max() > 0.5
