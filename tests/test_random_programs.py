"""Two thousand random programs: built, proven, executed a second time by onnx.reference, and counted word by word.

A release has programs of its own, which its version is the seed of, and each run two hundred more, of a fresh seed.
`NETC_SEED=random` draws all of them so, by a seed that is printed, and `NETC_SEED=abc` those of a seed;
`NETC_PROGRAMS="abc/17.0 abc/18.1"` looks at single ones in the quick form.
"""

from __future__ import annotations

import os
import re
import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from importlib import metadata
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from harness import SIZES, assert_close, batch, extras, module, run_numpy, sample, sizes
from harness import weights as weights_of
from netc.cli import sampling
from netc.cli.differences import Ledger
from netc.cli.proof import prove
from netc.cli.prove_predictions import Subject
from netc.cli.prove_training import Steps
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.codegen.simplify import Simplifier
from netc.dsl import Net, Source, check, load_text
from netc.dsl.diagnostics import render
from netc.dsl.functions import FUNCTIONS
from netc.dsl.kinds import KINDS
from netc.dsl.longest import shortest
from netc.dsl.parse import parse
from netc.dsl.train_sentence import TRAIN as TRAIN_OPTIONS
from netc.dsl.universal import UNIVERSAL
from netc.dsl.unparse import unparse
from netc.dsl.words import WORDS, Scheduled
from netc.runtime import Session, trainer_of
from random_formulas import DEFINED
from random_nets import random_spec
from reference_ops import interpreted
from uses import EXACT

QUICK, ALL, FRESH, CHUNK = 30, 2_000, 200, 20
# How often each is in all of them, options aside, and within how many programs each is there at all.
LEAST, MOST = 10, 3_000
# The words whose bias of keys does nothing, as their manuals say.
IDLE = re.compile(r"(learned_)?attention\b")
# So often another program is drawn where a gradient has no signal, as behind a relu that is off for every example.
DRAWN = 10
SENTENCES = [
    *(f"def {kind}" for kind in (*DEFINED, "block")),
    *(
        "part",
        "use of a part",
        "use of a block",
        "value given to a block",
        "repeat",
        "if",
        "output",
        "targets",
        "noise normal",
        "noise uniform",
    ),
    *(
        "over time",
        "target over time",
        "windows over time",
        "lengths",
        "steps within steps",
        "several losses",
        "trains",
        "with",
        "threshold best",
        "threshold cost",
        "threshold number or costs",
    ),
]
TRAIN = [name for name in TRAIN_OPTIONS if name not in ("epochs", "batch", "seed")]


@dataclass
class Findings:
    """What came of some programs: how often each word was in one that was proven, and what was wrong."""

    used: Counter[tuple[str, str]] = field(default_factory=lambda: Counter[tuple[str, str]]())
    proven: int = 0
    redrawn: int = 0
    faults: list[str] = field(default_factory=lambda: [])

    def add(self, other: Findings) -> None:
        self.used += other.used
        self.proven += other.proven
        self.redrawn += other.redrawn
        self.faults += other.faults

    def look(self, seed: str) -> None:
        """Draw a program until every gradient has a signal, which is no fault of any artifact, and count it."""
        for attempt in range(DRAWN):
            name = f"{seed}.{attempt}"
            try:
                if holds(name):
                    self.proven += 1
                    self.used += random_spec(name).used
                    return
            except Exception as error:
                self.faults.append(f"{name}: {type(error).__name__}: {error}")
                return
            self.redrawn += 1
        self.faults.append(f"{seed}: no signal in {DRAWN} programs")


# Properties of one program ------------------------------------------------------------------------------------------


def holds(name: str) -> bool:
    """Whether the gradients of a program have signals; everything else holds, or an assertion fails."""
    net = net_of(name)
    if net is None:
        return False
    rng = np.random.default_rng(len(name))
    page, made = to_numpy(net), module(net)
    weights = sampling.perturbed(net, made.init(1), key="random")
    model, step = to_onnx(net, weights), None if net.solver else to_step(net)
    proof = prove(net, page, model, step, weights, trained=False)
    assert proof.ok, proof.differing
    # Streams are as many as the examples of a batch, or fewer.
    with patch.dict(SIZES, N=min(SIZES["N"], net.train["batch"]) if net.streams else SIZES["N"]):
        the_reference_agrees(net, page, model, step, weights)
        inferred_shapes_run(net, rng)
        padding_changes_nothing(net, rng)
        the_report_is_of_the_losses(net, rng)
    compiling_again_gives_the_same_bytes(net, page, model, step, weights)
    canonical_text_is_the_same_net(net)
    return all(slope.ok or idle(net, slope.name) for slope in proof.slopes)


def idle(net: Net, slope: str) -> bool:
    """Whether a weight has no gradient in theory: a number that all scores of a step get changes no softmax of them."""
    weight = net.weights.get(slope.split()[-1])
    return weight is not None and weight.name.startswith("bk") and bool(IDLE.match(weight.section.title))


def net_of(name: str) -> Net | None:
    """The net of a program; None where what stands behind weights is always the same number, as own words make it."""
    net, report = check(Source("random.net", random_spec(name).text))
    codes = {d.code for d in report.ordered() if d.severity == "error"}
    assert net is not None or codes == {"nothing-to-train"}, "\n".join(map(render, report.ordered()))
    return net


def the_reference_agrees(net: Net, page: str, model: Any, step: Any, weights: Any) -> None:
    """Predictions, decisions and a training step by ONNX's own interpreter are as near as those of ONNX Runtime."""
    trainer, ledger, examples = trainer_of(page, "random.py"), Ledger(), sampling.batch(net, SIZES["N"])
    outputs = Session(model.SerializeToString(), provider="cpu", threads=1).outputs
    Subject(net, trainer, weights, interpreted(model), outputs, "prediction").compare(ledger, examples)
    rows = list(ledger.rows)
    if step is not None:
        steps = Steps(net, trainer, step, weights)
        run = interpreted(step)
        steps.run = lambda feeds: list(run(feeds).values())
        clock = sampling.clocks(net)[0]
        steps.step(steps.start(clock), clock)
        rows += steps.ledger.rows
    wrong = [(row.name, row.what, row.shown) for row in rows if row.status == "differs"]
    assert not wrong, f"onnx.reference: {wrong}"


def inferred_shapes_run(net: Net, rng: np.random.Generator) -> None:
    """Every value of every program, with words that are formulas written out."""
    least, steps = dict.fromkeys(SIZES, 1) | shortest(net), enough(net)
    for name in [n for n in net.programs if not n.startswith(("init", "update"))]:
        program = Simplifier(net.programs[name], expand=True).simplified(net.programs[name])
        # How often the loss has fallen goes by a name that no parameter can have.
        inputs = tuple(replace(i, name=i.name.replace(".", "_")) for i in program.inputs)
        program = replace(program, inputs=inputs)
        values = {f"v{i}": value for i, value in enumerate(v for e in program.equations for v in e.results)}
        given = {i.name: sample(i.value.type, rng, steps) for i in program.inputs}
        for told in [f for f in net.inputs if f.counts]:
            shape = sizes(told.type.shape, steps)
            given[told.name] = rng.integers(least[told.counts], steps[told.counts] + 1, shape)
        with np.errstate(all="ignore"):  # a variance may be drawn below 0; what counts are shapes
            found = run_numpy(replace(program, results=values), given)
        for key, value in values.items():
            # How many rows of a batch count nothing but its lengths say.
            free = [str(d).endswith("*") for d in value.type.shape]
            shape = [0 if f else d for f, d in zip(free, sizes(value.type.shape, steps), strict=True)]
            there = [0 if f else d for f, d in zip(free, np.shape(found[key]), strict=True)]
            assert there == shape, f"{name}: {value.hint} has {there}, not {shape}"
    for name, value in module(net).init(1).items():
        known = net.weights.get(name) or net.states[name]
        assert value.shape == known.shape and value.dtype == np.float32, name


def enough(net: Net) -> dict[str, int]:
    """Sizes with which windows find a place, and examples of several lengths do."""
    return SIZES | {name: max(SIZES[name], size + 1) for name, size in shortest(net).items()}


def padding_changes_nothing(net: Net, rng: np.random.Generator) -> None:
    """The loss and its gradients are the same whatever stands where lengths say that nothing counts."""
    told = {f.counts for f in net.inputs if f.counts}
    if not told or len(net.losses) > 1:
        return
    made, fields = module(net), (*net.inputs, *net.targets)
    inputs, targets = batch(net, rng, SIZES["N"], enough(net))
    for own, array in zip(net.inputs, inputs, strict=True):
        if own.counts and not own.shape:
            np.maximum(array, shortest(net).get(own.counts, 1), out=array)
    lengths = {f.counts: array for f, array in zip(net.inputs, inputs, strict=True) if f.counts}
    p, given = weights_of(made, net, rng, inputs), extras(made, net, count=SIZES["N"], steps=enough(net))
    other = [padded(f, array, lengths) for f, array in zip(fields, [*inputs, *targets], strict=True)]
    function = getattr(made, net.losses[0].function)
    loss, grads, *_ = function(p, *inputs, *targets, **given)
    again, others, *_ = function(p, *other, **given)
    if not np.isfinite(loss):
        return  # ctc, of too few steps for the labels
    assert_close(again, loss, EXACT, "padding and the loss")
    for name, grad in grads.items():
        assert_close(others[name], grad, EXACT, f"padding and {name}")


def the_report_is_of_the_losses(net: Net, rng: np.random.Generator) -> None:
    """What a page reports of a set is what it trains on, where training does nothing else than prediction."""
    made, programs = module(net), [net.programs[loss.key] for loss in net.losses]
    if net.running or any(p.of("draw", "clock") for p in programs) or not hasattr(made, "evaluate"):
        return
    inputs, targets = batch(net, rng, SIZES["N"], enough(net))
    p, given = weights_of(made, net, rng, inputs), extras(made, net, count=SIZES["N"], steps=enough(net))
    if saturated(getattr(made, "compared", made.predict)(p, *inputs)):
        return
    reported = made.evaluate(p, inputs, targets)
    for loss in net.losses:
        trained, *_ = getattr(made, loss.function)(p, *inputs, *targets, **given)
        if np.isfinite(trained) and "penalty" not in net.programs[loss.key].results:
            assert_close(reported[loss.name or "loss"], trained, EXACT, f"the report and {loss.name or 'the loss'}")


def saturated(predictions: Any) -> bool:
    """Whether a share is so near to 0 or 1 that it has lost digits, which training keeps by its gates."""
    arrays = predictions if isinstance(predictions, tuple) else (predictions,)
    near = [np.minimum(a, 1 - a) for a in arrays if a.size and a.min() >= 0 and a.max() <= 1]
    return any(a.min() < 1e-5 for a in near)


def padded(field: Any, array: Any, lengths: dict[str, Any]) -> Any:
    """An array of a field with another example's values for padding."""
    keep = np.ones(array.shape, bool)
    for axis, dim in enumerate(field.shape if not field.counts else (), 1):
        if dim in lengths:
            counted = np.arange(array.shape[axis]) < lengths[dim][..., None]
            keep &= counted.reshape(*counted.shape, *[1] * (array.ndim - counted.ndim))
    return np.where(keep, array, np.roll(array, 1, axis=0))


def compiling_again_gives_the_same_bytes(net: Net, page: str, model: Any, step: Any, weights: Any) -> None:
    again = load_text(net.source.text, net.source.name)
    assert page == to_numpy(again)
    assert serialized(model) == serialized(to_onnx(again, weights))
    assert step is None or serialized(step) == serialized(to_step(again))


def canonical_text_is_the_same_net(net: Net) -> None:
    text = unparse(parse(net.source))
    again = load_text(text, net.source.name)
    assert meaning(net) == meaning(again)
    assert unparse(parse(again.source)) == text


def meaning(net: Net) -> tuple[Any, ...]:
    """All that a net says, but for where its spec says it, and for how its values are called on the page."""
    fields = [(f.name, f.role, f.kind, f.shape, f.labels) for f in (*net.inputs, *net.targets)]
    programs = {
        name: re.sub(r"  # line \d+|(?<=[0-9]):[A-Za-z_]\w*", "", str(program))
        for name, program in net.programs.items()
    }
    made = [(w.name, w.shape, w.init.text, plain(w.l1), plain(w.l2), w.frozen) for w in net.weights.values()]
    decided = [
        (o.name, o.threshold and (o.threshold.number, o.threshold.costs, o.threshold.setting)) for o in net.outputs
    ]
    return net.name, fields, decided, made, programs, net.train, net.settings


def plain(number: Any) -> Any:
    """A number, or what a schedule says."""
    return (number.word.name, number.options, number.per) if isinstance(number, Scheduled) else number


# The runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", os.environ.get("NETC_PROGRAMS", "").split() or [f"fixed/{i}" for i in range(QUICK)])
def test_random_program(seed: str) -> None:
    found = Findings()
    found.look(seed)
    assert not found.faults, "\n".join(found.faults)


def findings_of(seeds: list[str]) -> Findings:
    found = Findings()
    for seed in seeds:
        found.look(seed)
    return found


@pytest.mark.exhaustive
@pytest.mark.skipif("NETC_EXHAUSTIVE" not in os.environ, reason="make test-all runs it")
def test_two_thousand_random_programs(record_property: Callable[[str, object], None]) -> None:
    fresh, found = secrets.token_hex(4), Findings()
    asked = os.environ.get("NETC_SEED")
    seed, more = (fresh if asked == "random" else asked, 0) if asked else (metadata.version("netc"), FRESH)
    parts = [[f"{seed}/{i}" for i in range(start, start + CHUNK)] for start in range(0, ALL, CHUNK)]
    parts += [[f"{fresh}/{i}" for i in range(start, start + CHUNK)] for start in range(0, more, CHUNK)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for part in pool.map(findings_of, parts):
            found.add(part)
    record_property("aloud", table(found, seed))
    assert not found.faults, f"NETC_SEED={seed}\n" + "\n".join(found.faults[:20])
    # Each option of each word is there too, but chance may leave one of hundreds in a few programs.
    rare = [key for key in known() if found.used[key] < (1 if key[0] == "option" else LEAST)]
    assert not rare, f"NETC_SEED={seed}: in too few programs: {rare}"


# Coverage -------------------------------------------------------------------------------------------------------------


def known() -> list[tuple[str, str]]:
    """Everything that a program may use, by kind and name: all words of the vocabulary, and all of the sentences."""
    found = list(WORDS)
    found += [(role, name) for name, kind in KINDS.items() for role in kind.roles if role != "noise"]
    found += [("function", name) for name in FUNCTIONS] + [("sentence", name) for name in SENTENCES]
    found += [("train", name) for name in TRAIN] + [("option", f"any.{name}") for name in UNIVERSAL]
    return found + [("option", f"{w.name}.{name}") for w in WORDS.values() for name in w.options]


def table(found: Findings, seed: str) -> str:
    """How often each was used, a line for each kind."""
    kinds = dict.fromkeys(kind for kind, _ in known())
    lines = [f"{found.proven} random programs proven, NETC_SEED={seed}; {found.redrawn} others had no signal somewhere"]
    for kind in kinds:
        counts = [f"{name} {found.used[k, name]}" for k, name in known() if k == kind]
        lines.append(f"{kind}: {', '.join(counts)}")
    return "\n".join(lines)


def test_the_generator_knows_all_there_is() -> None:
    """Each word, sentence, option and function is in some of the first programs: nothing is left out in silence."""
    left = set(known())
    for i in range(MOST):
        left -= {*random_spec(f"known/{i}").used}
        if not left:
            return
    raise AssertionError(f"in none of {MOST:,} programs: {sorted(left)}")
