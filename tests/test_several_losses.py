"""Several losses: each trains what it names, by its own updater, one after the other; PyTorch is the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Array, assert_gradient, module, narrow, numeric_gradient, run_onnx
from netc.cli.proof import prove
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.dsl import Net, load, load_text
from netc.runtime import Metadata, NumpyEngine, Observer, OnnxEngine, examples_of, prepare_folder, train, trainer_of
from road import SPECS, alone, arrays, netc

GAN = """
net gan
input image: f32[6]
noise z: normal[3]
part generator     { dense 5 -> leakyrelu 0.2 -> dense 6 -> tanh }
part discriminator { dense 4 -> leakyrelu 0.2 -> dense 1 -> sigmoid }
fake = z -> generator
real_score = image -> discriminator
fake_score = fake -> discriminator
loss critic = xent(real_score, 1) + xent(fake_score, 0) trains discriminator with adam(2e-2, beta1=0.5)
loss forger = xent(fake_score, 1)                       trains generator     with adam(1e-2, beta1=0.5)
output fake
train epochs=4 batch=8 seed=5
"""
# Both losses move the body, one updater is the net's, and all that a loss can have is there.
BOTH = """
net both
input x: f32[4]
target y: class(3)
target t: f32
body = x -> dense 8 l2=1e-2 name=body -> tanh -> dropout 20%
kind = body -> dense 3 name=kind -> softmax
height = body -> dense 1 name=height
output kind
output height
loss sort = mcxent(kind, y) trains body, kind with adam(1e-2)
loss size = mse(height, t)
updater nesterovs lr=cosine(1e-2, epochs=4)
metric accuracy(kind, y) r2(height, t)
train epochs=4 batch=8 seed=5 validation=25% clip_norm=1
"""
ROWS = 40


@cache
def net(text: str) -> Net:
    return load_text(text)


def data(made: Net) -> dict[str, Array]:
    """Examples of each field in float64, exact in float32."""
    rng = np.random.default_rng(7)
    drawn = {f.name: np.float64(np.float32(rng.uniform(-1, 1, (ROWS, *f.shape)))) for f in made.fields}
    return drawn | {f.name: rng.integers(0, f.classes, ROWS) for f in made.fields if f.classes}


def batch_of(made: Net, step: int, size: int = 8) -> list[Array]:
    held = data(made)
    return [held[f.name][step * size : (step + 1) * size] for f in made.fields]


def start(made: Net) -> tuple[Any, dict[str, Array], dict[str, Array]]:
    """The trainer, weights with biases away from 0, and the updaters' first state, in float64."""
    emitted, rng = module(made), np.random.default_rng(3)
    p = {k: np.float64(np.float32(v + rng.uniform(-0.2, 0.2, v.shape))) for k, v in emitted.init(1).items()}
    return emitted, p, emitted.init_updater(p)


def step(
    emitted: Any, p: dict[str, Array], moments: dict[str, Array], examples: list[Array], number: int
) -> list[float]:
    """One step as the page's own loop takes it; the losses."""
    given = {"draws": emitted.draw(0, number, len(examples[0]))}
    given |= {"clip_norm": emitted.CLIP_NORM} if hasattr(emitted, "CLIP_NORM") else {}
    found: list[float] = []
    for name in emitted.LOSSES:
        loss, grads = getattr(emitted, f"{name}_and_grads")(p, *examples, **given)
        assert tuple(grads) == emitted.LOSSES[name]
        own = getattr(emitted, f"update_{name}", None)
        if own is None:
            emitted.update(p, moments, grads, number, 0.25 * number, name)
        else:
            own(p, moments, grads, number, 0.25 * number)
        found.append(float(loss))
    return found


# PyTorch --------------------------------------------------------------------------------------------------------------


def test_a_gan_is_pytorchs() -> None:
    """Two optimizers and detach, as every PyTorch GAN is written; five steps in float64."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
    functional = torch.nn.functional
    made = net(GAN)
    emitted, p, moments = start(made)
    theirs = {k: torch.tensor(v, requires_grad=True) for k, v in p.items()}

    def part(x: Any, name: str, end: Any) -> Any:
        h = functional.leaky_relu(x @ theirs[f"{name}_W1"] + theirs[f"{name}_b1"], 0.2)
        return end(h @ theirs[f"{name}_W2"] + theirs[f"{name}_b2"])

    def optimizer(name: str, lr: float) -> Any:
        return torch.optim.Adam([w for k, w in theirs.items() if k.startswith(name)], lr=lr, betas=(0.5, 0.999))

    critic, forger = optimizer("discriminator", 2e-2), optimizer("generator", 1e-2)
    for number in range(1, 6):
        examples = batch_of(made, (number - 1) % 5)
        z = torch.tensor(np.float64(emitted.draw(0, number, 8)["z"]))
        image, ones, zeros = torch.tensor(examples[0]), torch.ones((8, 1)).double(), torch.zeros((8, 1)).double()
        fake = part(z, "generator", torch.tanh)
        scores = part(image, "discriminator", torch.sigmoid), part(fake.detach(), "discriminator", torch.sigmoid)
        losses = [functional.binary_cross_entropy(scores[0], ones) + functional.binary_cross_entropy(scores[1], zeros)]
        critic.zero_grad()
        losses[0].backward()
        critic.step()
        # The forger is judged by the critic that has just learned.
        losses.append(functional.binary_cross_entropy(part(fake, "discriminator", torch.sigmoid), ones))
        forger.zero_grad()
        losses[1].backward()
        forger.step()
        assert step(emitted, p, moments, examples, number) == pytest.approx([x.item() for x in losses], rel=1e-9)
    for name, weight in p.items():
        np.testing.assert_allclose(weight, theirs[name].detach().numpy(), atol=1e-9, err_msg=name)


# Gradients and steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [GAN, BOTH], ids=["gan", "both"])
def test_gradients_are_slopes_of_their_own_loss(text: str) -> None:
    made = net(text)
    emitted, p, _ = start(made)
    examples, given = batch_of(made, 0), {"draws": emitted.draw(0, 1, 8)}
    for loss in made.losses:
        function = getattr(emitted, loss.function)
        value, grads = function(p, *examples, **given)
        for name in loss.trained:

            def at(w: Array, of: Any = function, name: str = name) -> float:
                return float(of({**p, name: w}, *examples, **given)[0])

            numeric = numeric_gradient(at, p[name])
            assert_gradient(grads[name], numeric, float(value), f"d{name} of {loss.name}")


def test_what_each_loss_trains() -> None:
    sort, size = net(BOTH).losses
    assert sort.trained == ("W_body", "b_body", "W_kind", "b_kind")
    assert size.trained == ("W_body", "b_body", "W_height", "b_height"), "all that it depends on"
    assert (sort.updater.key, size.updater.key) == ("update_sort", "update")
    assert {s.name for s in net(BOTH).settings} >= {"SORT_LR", "SORT_BETA1", "LR_EPOCHS", "MOMENTUM"}
    assert {"sort.W_body.m", "sort.W_body.v", "size.W_body.v"} < set(net(BOTH).moments), "states that do not collide"
    critic, forger = net(GAN).losses
    assert {name.rstrip("12") for name in critic.trained} == {"discriminator_W", "discriminator_b"}
    assert {name.rstrip("12") for name in forger.trained} == {"generator_W", "generator_b"}


def test_l2_counts_in_every_loss_that_trains_the_weight() -> None:
    made = net(BOTH)
    emitted, p, _ = start(made)
    plain = module(load_text(BOTH.replace(" l2=1e-2", "")))
    examples, given = batch_of(made, 0), {"draws": emitted.draw(0, 1, 8)}
    added = 0.5 * 1e-2 * np.sum(p["W_body"] ** 2)
    for loss in made.losses:
        mine, its = (getattr(m, loss.function)(p, *examples, **given) for m in (emitted, plain))
        assert mine[0] - its[0] == pytest.approx(added, rel=1e-9)
        np.testing.assert_allclose(mine[1]["W_body"] - its[1]["W_body"], 1e-2 * p["W_body"], atol=1e-12)


@pytest.mark.parametrize("text", [GAN, BOTH], ids=["gan", "both"])
def test_ten_steps_are_the_step_graphs(text: str) -> None:
    """Each with the weights that the former loss and the former step left."""
    made = net(text)
    emitted, p, moments = start(made)
    model = to_step(made)
    names = Metadata.from_json(model.metadata_props[0].value).step
    assert names is not None and list(names.losses) == [loss.name for loss in made.losses]
    mine = {k: np.float32(v) for k, v in (p | moments).items()}
    for number in range(1, 11):
        examples = batch_of(made, (number - 1) % 5)
        losses = step(emitted, p, moments, examples, number)
        feeds: dict[str, Any] = dict(zip([f.name for f in made.fields], examples, strict=True)) | mine
        feeds = narrow(feeds) | emitted.draw(0, number, 8)
        feeds |= {"step": np.array(number), "epoch": np.array(0.25 * number)}
        found = run_onnx(model, {i.name: feeds[i.name] for i in model.graph.input})
        assert [float(found[output]) for output in names.losses.values()] == pytest.approx(losses, abs=1e-5)
        mine |= {name: found[output] for name, output in names.next.items()}
    for name, value in (p | moments).items():
        np.testing.assert_allclose(mine[name], value, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("text", [GAN, BOTH], ids=["gan", "both"])
def test_the_pages_own_training_is_the_runtimes_and_both_engines_agree(text: str, tmp_path: Path) -> None:
    made = net(text)
    (tmp_path / f"{made.name}.net").write_text(text, encoding="utf-8")
    np.savez(tmp_path / "data.npz", **{k: np.float32(v) if v.dtype == float else v for k, v in data(made).items()})
    for engine in ("numpy", "onnx"):
        options = ("--data", tmp_path / "data.npz", "--engine", engine, "--provider", "cpu", "-o", tmp_path / engine)
        said = netc("train", tmp_path / f"{made.name}.net", *options).ok().out
        assert all(f"  {loss.name} " in said for loss in made.losses)
    mine, its = (arrays(tmp_path / engine / f"{made.name}.npz") for engine in ("numpy", "onnx"))
    header = (tmp_path / "numpy" / "history.csv").read_text("utf-8").splitlines()[0]
    assert header.startswith(f"epoch,{','.join(loss.name for loss in made.losses)}")
    file = tmp_path / "numpy" / f"{made.name}.py"
    alone(file, tmp_path / "data.npz", cwd=tmp_path).ok()
    own = arrays(tmp_path / f"{made.name}.npz")
    for name, array in own.items():
        assert array.tobytes() == mine[name].tobytes(), name
        np.testing.assert_allclose(its[name], array, atol=1e-4, err_msg=name)
    checked = alone(file, tmp_path / "data.npz", "--check", cwd=tmp_path).ok().out
    assert all(loss.function in checked for loss in made.losses)


class Dies(Observer):
    """A process that ends at a batch, without a chance to save."""

    def __init__(self, at: int):
        self.left = at

    def on_batch(self, epoch: int, batch: int, batches: int, losses: tuple[float, ...]) -> None:
        assert len(losses) == 2
        self.left -= 1
        if not self.left:
            raise RuntimeError("killed")


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(engine: str, tmp_path: Path) -> None:
    made = net(BOTH)
    step_graph = serialized(to_step(made))
    metadata = Metadata.from_json(to_step(made).metadata_props[0].value)
    examples = examples_of(metadata, {k: np.float32(v) if v.dtype == float else v for k, v in data(made).items()})

    def run(folder: Path, observer: Observer, resume: bool = False) -> Mapping[str, Array]:
        trainer = trainer_of(to_numpy(made), "both.py")
        chosen = NumpyEngine(trainer) if engine == "numpy" else OnnxEngine(step_graph, "cpu", threads=1)
        prepare_folder(folder, "both", resume=resume)
        options: dict[str, Any] = {"engine": chosen, "folder": folder, "resume": resume, "observer": observer}
        return train(trainer, metadata, examples, **options, checkpoint_every=0).weights

    whole = run(tmp_path / "whole", Observer())
    for at in (3, 5):
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path / "parts", Dies(at), resume=at > 3)
    resumed = run(tmp_path / "parts", Observer(), resume=True)
    assert {k: v.tobytes() for k, v in resumed.items()} == {k: v.tobytes() for k, v in whole.items()}
    histories = [(tmp_path / name / "history.csv").read_bytes() for name in ("parts", "whole")]
    assert histories[0] == histories[1] and histories[0].startswith(b"epoch,sort,size,val_sort,val_size,")


# The proof ------------------------------------------------------------------------------------------------------------


def proven(made: Net, text: str = "", step_of: Net | None = None) -> bool:
    text = text or to_numpy(made)
    weights = trainer_of(text, f"{made.name}.py").init(1)
    return prove(made, text, to_onnx(made, weights), to_step(step_of or made), weights, False).ok


def test_the_proof_sees_a_wrong_step() -> None:
    made = net(GAN)
    assert proven(made)
    assert not proven(made, step_of=replace(made, losses=made.losses[::-1])), "the losses step in another order"
    wrong = (
        ("ddiscriminator_z2 = (fake_score - 1) / part", "ddiscriminator_z2 = fake_score / part"),
        ("FORGER_BETA1 = 0.5", "FORGER_BETA1 = 0.6"),
        ('"generator_b2": dgenerator_b2', '"generator_b2": dgenerator_b2, "discriminator_b2": np.ones(1)'),
    )
    for right, mistake in wrong:
        text = to_numpy(made)
        assert right in text, right
        try:
            seen = not proven(made, text.replace(right, mistake))
        except KeyError:
            seen = True  # the updater has no state of a weight that the loss must not move
        assert seen, mistake


def test_the_proof_sees_a_loss_that_does_not_see_what_the_former_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from netc.codegen import step as module_of_steps

    class Forgetful(module_of_steps.Simplifier):
        """Keeps giving out the weights with which the step began."""

        def replay(self, equation: Any) -> None:
            self.known |= {i.value: module_of_steps.Tensor(self, i.value) for i in self.inputs}
            super().replay(equation)

    made = net(GAN)
    right = to_step(made)
    monkeypatch.setattr(module_of_steps, "Simplifier", Forgetful)
    assert serialized(to_step(made)) != serialized(right)
    assert not proven(made)


# One loss -------------------------------------------------------------------------------------------------------------

ONE = "net one\ninput x: f32[4]\ntarget y: f32\ndense 3 name=first -> tanh\ndense 1 name=last\n{}\ntrain epochs=1\n"


def test_one_loss_trains_what_it_names_by_its_own_updater() -> None:
    made = load_text(ONE.format("loss mse trains last with sgd(0.1)").replace("name=first", "name=first frozen=true"))
    assert (made.losses[0].name, made.losses[0].trained) == ("", ("W_last", "b_last"))
    assert {"loss_and_grads", "update"} <= set(vars(module(made)))
    assert [s.name for s in made.settings] == ["LR"], "without a name there is nothing to tell apart"
    assert proven(made)


def test_a_name_of_one_loss_is_used() -> None:
    made = load_text(ONE.format("loss error = mse\nupdater sgd"))
    emitted = module(made)
    assert list(emitted.LOSSES) == ["error"] and callable(emitted.error_and_grads)
    assert proven(made)


def test_the_gan_of_the_language_page(tmp_path: Path) -> None:
    """As it stands in specs: both losses move, on images of noise as well as on others, and the model makes images."""
    made = load(SPECS / "gan.net")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "images.npz", image=np.tanh(rng.normal(size=(192, 784))).astype(np.float32))
    spec = tmp_path / "gan.net"
    spec.write_text((SPECS / "gan.net").read_text("utf-8").replace("epochs=20", "epochs=2"), encoding="utf-8")
    netc("train", spec, "--data", tmp_path / "images.npz", "-o", tmp_path / "run").ok()
    rows = [line.split(",") for line in (tmp_path / "run" / "history.csv").read_text("utf-8").splitlines()]
    assert rows[0] == ["epoch", "critic", "forger"]
    assert all(abs(float(a) - float(b)) > 1e-3 for a, b in zip(rows[1][1:], rows[2][1:], strict=True))
    trained, first = arrays(tmp_path / "run" / "gan.npz"), module(made).init(5)
    assert all(np.abs(trained[name] - first[name]).max() > 1e-4 for name in first)
    images = netc("run", tmp_path / "run" / "gan.onnx", "--count", "2", "--json").ok().json["predictions"]
    assert (len(images), {len(column) for column in images.values()}) == (784, {2})
