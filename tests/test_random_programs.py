"""Two thousand random programs: built, proven, executed a second time by onnx.reference, and counted word by word.

A release has programs of its own, which its version is the seed of, so that a run that passes passes again.
`NETC_SEED=random` draws others, by a seed that is printed, and `NETC_SEED=abc` those of a seed;
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

import numpy as np
import pytest
from harness import SIZES, module, run_numpy, sample, sizes
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
from netc.dsl.parse import parse
from netc.dsl.train_sentence import TRAIN as TRAIN_OPTIONS
from netc.dsl.universal import UNIVERSAL
from netc.dsl.unparse import unparse
from netc.dsl.words import WORDS, Scheduled
from netc.runtime import Session, trainer_of
from random_formulas import DEFINED
from random_nets import random_spec
from reference_ops import interpreted

QUICK, ALL, CHUNK = 30, 2_000, 20
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
        "lengths",
        "several losses",
        "trains",
        "with",
        "threshold best",
        "threshold cost",
        "threshold number or costs",
    ),
]
# A window cuts the series of a file, which random programs have not: test_recurrent and test_series have it.
TRAIN = [name for name in TRAIN_OPTIONS if name not in ("epochs", "batch", "seed", "window")]


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
    rng = np.random.default_rng(len(name))
    page, made = to_numpy(net), module(net)
    weights = sampling.perturbed(net, made.init(1), key="random")
    model, step = to_onnx(net, weights), None if net.solver else to_step(net)
    proof = prove(net, page, model, step, weights, trained=False)
    assert proof.ok, proof.differing
    the_reference_agrees(net, page, model, step, weights)
    inferred_shapes_run(net, rng)
    compiling_again_gives_the_same_bytes(net, page, model, step, weights)
    canonical_text_is_the_same_net(net)
    return all(slope.ok or idle(net, slope.name) for slope in proof.slopes)


def idle(net: Net, slope: str) -> bool:
    """Whether a weight has no gradient in theory: a number that all scores of a step get changes no softmax of them."""
    weight = net.weights.get(slope.split()[-1])
    return weight is not None and weight.name.startswith("bk") and bool(IDLE.match(weight.section.title))


def net_of(name: str) -> Net:
    net, report = check(Source("random.net", random_spec(name).text))
    assert net is not None, "\n".join(map(render, report.ordered()))
    return net


def the_reference_agrees(net: Net, page: str, model: Any, step: Any, weights: Any) -> None:
    """Predictions, decisions and a training step by ONNX's own interpreter are as near as those of ONNX Runtime."""
    trainer, ledger = trainer_of(page, "random.py"), Ledger()
    outputs = Session(model.SerializeToString(), provider="cpu", threads=1).outputs
    Subject(net, trainer, weights, interpreted(model), outputs, "prediction").compare(ledger, sampling.batch(net, 5))
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
    for name in [n for n in net.programs if not n.startswith(("init", "update"))]:
        program = Simplifier(net.programs[name], expand=True).simplified(net.programs[name])
        # How often the loss has fallen goes by a name that no parameter can have.
        inputs = tuple(replace(i, name=i.name.replace(".", "_")) for i in program.inputs)
        program = replace(program, inputs=inputs)
        values = {f"v{i}": value for i, value in enumerate(v for e in program.equations for v in e.results)}
        given = {i.name: sample(i.value.type, rng) for i in program.inputs}
        given |= {f.name: rng.integers(1, SIZES[f.counts] + 1, 5) for f in net.inputs if f.counts}
        found = run_numpy(replace(program, results=values), given)
        for key, value in values.items():
            # How many rows of a batch count nothing but its lengths say.
            free = [str(d).endswith("*") for d in value.type.shape]
            shape = [0 if f else d for f, d in zip(free, sizes(value.type.shape), strict=True)]
            there = [0 if f else d for f, d in zip(free, np.shape(found[key]), strict=True)]
            assert there == shape, f"{name}: {value.hint} has {there}, not {shape}"
    for name, value in module(net).init(1).items():
        known = net.weights.get(name) or net.states[name]
        assert value.shape == known.shape and value.dtype == np.float32, name


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
    seed, found = os.environ.get("NETC_SEED") or metadata.version("netc"), Findings()
    if seed == "random":
        seed = secrets.token_hex(4)
    parts = [[f"{seed}/{i}" for i in range(start, start + CHUNK)] for start in range(0, ALL, CHUNK)]
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
