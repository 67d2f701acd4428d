"""What falls when the loss stays where it is: its rule, beside that of PyTorch, and the loops that count by it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from harness import module, small, spec
from matrix import data, write_spec
from netc.codegen import to_numpy, to_step
from netc.codegen.onnx_file import serialized
from netc.dsl import Net, SpecError, load_text
from netc.runtime import Examples, NumpyEngine, Observer, OnnxEngine, train, trainer_of
from netc.runtime.metadata import Metadata
from netc.runtime.watching import Watch
from road import alone, assert_same_bits, netc

# The rule, tried on losses of several kinds: the options as the language and as PyTorch write them.
RULES: dict[str, dict[str, float]] = {
    "defaults": {},
    "short": {"factor": 0.5, "patience": 2},
    "none": {"factor": 0.9, "patience": 0},
    "cooldown": {"patience": 1, "cooldown": 3, "factor": 0.7},
    "cooldown of one": {"patience": 0, "cooldown": 1, "factor": 0.7},
    "threshold": {"patience": 1, "threshold": 0.05, "factor": 0.5},
    "exact": {"patience": 1, "threshold": 0.0, "factor": 0.5},
    "min_delta": {"patience": 1, "threshold": 0.0, "min_delta": 0.02, "factor": 0.5},
    "low": {"patience": 0, "factor": 0.3, "low": 0.01},
    "eps": {"patience": 0, "factor": 0.5, "eps": 0.01},
    "to nothing": {"patience": 0, "factor": 0.0},
}


def losses(seed: int) -> list[float]:
    """Losses of 120 epochs: falling and noisy, in steps, negative, or the same all along; some are not numbers."""
    rng = np.random.default_rng(seed)
    falling = np.exp(-np.arange(120) / rng.uniform(3, 60)) * (1 + rng.uniform(0, 0.3) * rng.standard_normal(120))
    stairs = np.repeat(np.sort(rng.uniform(0, 1, 12))[::-1], 10)
    kinds = [falling, stairs, falling - 2, np.full(120, 0.7), np.where(rng.random(120) < 0.1, np.nan, falling)]
    return [float(v) for v in kinds[seed % len(kinds)]]


def net_of(options: dict[str, float], rate: float = 0.3) -> Net:
    given = "".join(f", {name}={value}" for name, value in options.items())
    return small("dense 2", updater=f"sgd lr=plateau({rate}{given})")


def counted(made: Any, each: list[float]) -> list[int]:
    counts: dict[str, Any] = {}
    return [made.plateau(counts, loss)["lr"] for loss in each]


def rates(made: Any, falls: list[int]) -> list[float]:
    """The rate with which sgd moves a weight."""
    found: list[float] = []
    for count in falls:
        p = {k: np.zeros(v.shape) for k, v in made.init(0).items()}
        made.update(p, {}, {k: np.ones(v.shape) for k, v in p.items()}, 1, 0.0, {"lr": count})
        found.append(-float(p["W1"][0, 0]))
    return found


@pytest.mark.parametrize("name", RULES)
def test_the_rule(name: str):
    made = module(net_of(RULES[name]))
    for seed in range(15):
        each = losses(seed)
        right = reference.schedules.fallen(each, 0.3, **RULES[name])
        falls = counted(made, each)
        assert falls == [count for count, _ in right], seed
        assert rates(made, falls) == pytest.approx([value for _, value in right], rel=1e-12), seed


@pytest.mark.parametrize("name", RULES)
def test_the_rule_in_torch(name: str):
    """After each epoch the rate is that of PyTorch's schedule, to the last digits of its repeated products."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
    made = module(net_of(RULES[name]))
    options: dict[str, Any] = {"min_lr" if k == "low" else k: v for k, v in RULES[name].items()}
    if "min_delta" in options:
        options |= {"threshold": options.pop("min_delta"), "threshold_mode": "abs"}
    for seed in range(15):
        steps = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(steps, **options)
        right: list[float] = []
        for loss in losses(seed):
            schedule.step(loss)
            right.append(steps.param_groups[0]["lr"])
        assert rates(made, counted(made, losses(seed))) == pytest.approx(right, rel=1e-12), seed


@pytest.mark.parametrize("name", RULES)
def test_a_loss_that_never_improves(name: str):
    """What netc plot draws, and by what the bounds of an option are checked."""
    net = net_of(RULES[name])
    falls = counted(module(net), [0.7] * 60)
    (plateau,) = net.plateaus
    assert [int(n) for n in plateau.falls(np.arange(1, 61))] == falls
    assert list(plateau.falls([0.0, 0.99])) == [0, 0] and plateau.falls(1.5) == plateau.falls(1)


def test_defaults_are_those_of_torch():
    assert net_of({}).plateaus[0].options == {
        **{"rate": 0.3, "factor": 0.1, "patience": 10, "threshold": 1e-4},
        **{"min_delta": 0.0, "cooldown": 0, "low": 0.0, "eps": 1e-8},
    }


# Wherever a schedule may stand ----------------------------------------------------------------------------------------

# Each falls by itself, some of them in most epochs.
CHAINS = (
    "dense 4 l2=plateau(0.1, factor=0.5, patience=0, low=1e-3) name=hidden -> tanh\n"
    "dropout plateau(0.4, factor=0.5, patience=1) -> dense 2 l1=plateau(0.01, patience=0, threshold=0.9)"
)
UPDATER = "nesterovs lr=plateau(0.1, factor=0.5, patience=0, threshold=0.3) momentum=plateau(0.9, patience=2, warmup=2)"


@cache
def examples() -> Examples:
    rng = np.random.default_rng(0)
    return Examples({"x": np.float32(rng.standard_normal((40, 6))), "y": np.float32(rng.standard_normal((40, 2)))}, 40)


@cache
def watching(more: str) -> Net:
    return load_text(spec(CHAINS, updater=UPDATER) + f"train epochs=12 batch=8 {more}\n")


class Drops(NumpyEngine):
    """Notes what has fallen how often in each step."""

    def step(self, batch: Any, draws: Any, step: int, epoch: float, drops: Any = None) -> tuple[float, ...]:
        seen = self.__dict__.setdefault("seen", [])
        seen.append({name: drops[name] for name in NAMES})
        return super().step(batch, draws, step, epoch, drops)


NAMES = ("hidden_l2", "dropout1_rate", "layer2_l1", "lr", "momentum")


@pytest.mark.parametrize("more", ["validation=25%", ""])
def test_each_has_a_count_of_its_own(more: str):
    net = watching(more)
    assert {p.name for p in net.plateaus} == set(NAMES)
    trainer = trainer_of(to_numpy(net), "small.py")
    meta = Metadata.from_json(next(m.value for m in to_step(net).metadata_props if m.key == "netc"))
    engine = Drops(trainer)
    result = train(trainer, meta, examples(), engine=engine)
    watched = [(r.validation or r.losses)["loss"] for r in result.history]
    batches = result.steps // len(result.history)
    for plateau in net.plateaus:
        falls = [count for count, _ in reference.schedules.fallen(watched, **plateau.options)]
        assert [seen[plateau.name] for seen in engine.__dict__["seen"][::batches]] == [0, *falls[:-1]]
    ends = engine.__dict__["seen"][-1]
    assert len({ends[name] for name in NAMES}) > 2, f"they fall alike: {ends}"


@pytest.mark.parametrize("more", ["validation=25%", "", "validation=25% early_stop=3"])
def test_page_and_engines_agree(more: str):
    """The page's own loop ends in the bits of the runtime's, and the step graph follows the falls."""
    net = watching(more)
    trainer, step = trainer_of(to_numpy(net), "small.py"), serialized(to_step(net))
    meta = Metadata.from_json(next(m.value for m in to_step(net).metadata_props if m.key == "netc"))
    mine = train(trainer, meta, examples())
    other = train(trainer, meta, examples(), engine=OnnxEngine(step, "cpu", 1))
    assert Watch(trainer, mine.history).drops == Watch(trainer, other.history).drops
    for a, b in zip(mine.history, other.history, strict=True):
        assert a.losses["loss"] == pytest.approx(b.losses["loss"], rel=1e-4)
    page = module(net).train([examples().arrays["x"]], [examples().arrays["y"]])
    assert all(np.array_equal(page[k], v) for k, v in mine.weights.items())


class Stops(Observer):
    """Stops a run like Ctrl-C does, in the middle of an epoch."""

    def __init__(self, step: int):
        self.left = step

    def on_batch(self, epoch: int, batch: int, batches: int, losses: tuple[float, ...]) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
@pytest.mark.parametrize("stop", [3, 17, 30])
def test_a_resumed_run_falls_as_it_would_have(engine: str, stop: int, tmp_path: Path):
    from netc.runtime.errors import Interrupted

    net = watching("validation=25%")
    trainer, step = trainer_of(to_numpy(net), "small.py"), serialized(to_step(net))
    meta = Metadata.from_json(next(m.value for m in to_step(net).metadata_props if m.key == "netc"))

    def run(**options: Any) -> Any:
        made = NumpyEngine(trainer) if engine == "numpy" else OnnxEngine(step, "cpu", 1)
        return train(trainer, meta, examples(), engine=made, **options)

    whole = run()
    with pytest.raises(Interrupted):
        run(folder=tmp_path, observer=Stops(stop))
    resumed = run(folder=tmp_path, resume=True)
    assert resumed.history == whole.history
    assert all(resumed.weights[k].tobytes() == v.tobytes() for k, v in whole.weights.items())


def test_a_fault_after_falls_is_found_again(tmp_path: Path):
    """What was not finite is looked for with the rates that led to it."""
    from netc.runtime.errors import Fault

    text = spec("dense 4 -> tanh\ndense 2", updater="sgd lr=plateau(0.1, patience=0, factor=0.5)")
    net = load_text(text + "train epochs=9 batch=8 validation=25%\n")
    seen: list[tuple[int, int]] = []
    trainer = trainer_of(to_numpy(net), "small.py")
    meta = Metadata.from_json(next(m.value for m in to_step(net).metadata_props if m.key == "netc"))

    class Breaks(NumpyEngine):
        def step(self, batch: Any, draws: Any, step: int, epoch: float, drops: Any = None) -> tuple[float, ...]:
            found = super().step(batch, draws, step, epoch, drops)
            seen.append((step, drops["lr"]))
            return (float("nan"),) if step == 30 else found

    with pytest.raises(Fault) as fault:
        train(trainer, meta, examples(), engine=Breaks(trainer), folder=tmp_path)
    assert fault.value.code == "not-finite" and "step 30" in str(fault.value.where)
    first, again = seen[:30], seen[30:]
    assert again == first[-len(again) :] and first[-1][1] > 1


def test_several_ways_of_the_command(tmp_path: Path):
    """Built with its proof, trained, scored, and the same bits from the file alone."""
    spec_file = write_spec("plateaus", tmp_path)
    netc("build", spec_file, "-o", tmp_path / "built").ok()
    done = netc("train", spec_file, "--data", data(), "-o", tmp_path / "out").ok()
    assert "the same as the trainer's own" in done.out
    (tmp_path / "own").mkdir()
    alone(tmp_path / "out" / "plateaus.py", data(), cwd=tmp_path / "own").ok()
    assert_same_bits(tmp_path / "own" / "plateaus.npz", tmp_path / "out" / "plateaus.npz")


def test_a_solver_beside_it():
    more = "targets numpy inference\ntrain epochs=6 validation=25%"
    text = spec("dense 4 l2=plateau(0.5, patience=0, threshold=0.5) -> tanh\ndense 2", updater="lbfgs", more=more)
    net = load_text(text)
    made, trainer = module(net), trainer_of(to_numpy(net), "small.py")
    from netc.codegen import to_onnx

    first = {k: np.float32(v) for k, v in made.init(1).items()}
    meta = Metadata.from_json(next(m.value for m in to_onnx(net, first).metadata_props if m.key == "netc"))
    mine = train(trainer, meta, examples())
    page = made.train([examples().arrays["x"]], [examples().arrays["y"]])
    assert all(np.array_equal(page[k], v) for k, v in mine.weights.items())
    assert Watch(trainer, mine.history).drops["layer1_l2"] > 0


def test_a_page_without_it_has_no_word_of_it():
    plain = to_numpy(small("dense 2", updater="sgd lr=step(0.1, every=3)", more="train validation=20%"))
    assert not any(word in plain.lower() for word in ("plateau", "drops"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("plateau(0.1, low=0.2)", "plateau begins below its low"),
        ("plateau(0.1, per=step)", "cannot count steps"),
        ("plateau(0.1, factor=1)", "a number from 0 to below 1"),
        ("plateau(0.1, patience=2.5)", "a whole number of at least 0"),
    ],
)
def test_what_is_refused(given: str, said: str):
    with pytest.raises(SpecError) as error:
        small("dense 2", updater=f"sgd lr={given}")
    assert said in str(error.value)


def test_bounds_hold_however_it_falls():
    with pytest.raises(SpecError, match="this one gives 0 in epoch 2"):
        small("dense 2", updater="adam eps=plateau(0.1, factor=0, patience=0)", more="train epochs=9")
    assert small("dense 2", updater="adam eps=plateau(0.1, factor=0, patience=9)", more="train epochs=9")
