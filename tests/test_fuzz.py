"""Random and mutated specs through the whole front end: a net, or diagnostics, and soon."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from types import FrameType
from typing import NoReturn

import pytest
from mutations import text_of
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.dsl import Net, Source, check
from netc.dsl.diagnostics import CODES, Diagnostic, as_json, render

FIXED, ALL, CHUNK = 1_200, 201_200, 2_000
# Every so many accepted nets, one is printed and exported.
BUILT_EVERY = 25
LONGEST = 1.0


@dataclass
class Findings:
    """What came of a range of seeds."""

    accepted: int = 0
    built: int = 0
    codes: Counter[str] = field(default_factory=lambda: Counter[str]())
    slowest: tuple[float, int] = (0.0, -1)
    faults: list[str] = field(default_factory=lambda: [])

    def add(self, other: Findings) -> None:
        self.accepted += other.accepted
        self.built += other.built
        self.codes += other.codes
        self.slowest = max(self.slowest, other.slowest)
        self.faults += other.faults

    def __str__(self) -> str:
        seconds, seed = self.slowest
        return (
            f"{self.accepted} accepted, {self.built} built, slowest {seconds:.3f} s (seed {seed}), {dict(self.codes)}"
        )


def explored(seeds: Iterable[int]) -> Findings:
    """Check the texts of some seeds."""
    found = Findings()
    signal.signal(signal.SIGALRM, stuck)
    for seed in seeds:
        signal.alarm(20)
        try:
            look(seed, found)
        except Exception as error:
            found.faults.append(f"seed {seed}: {type(error).__name__}: {error}")
        finally:
            signal.alarm(0)
    return found


def stuck(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError("no answer in 20 s")


def look(seed: int, found: Findings) -> None:
    text = text_of(seed)
    began = time.process_time()
    net, report = check(Source("spec.net", text))
    seconds = time.process_time() - began
    if seconds > LONGEST / 2:
        # Once more, lest another process's work be blamed on this text.
        began = time.process_time()
        check(Source("spec.net", text))
        seconds = min(seconds, time.process_time() - began)
    found.slowest = max(found.slowest, (seconds, seed))
    assert seconds < LONGEST, f"{seconds:.2f} s"
    assert (net is None) == report.failed, "a net and errors, or neither"
    for diagnostic in report.ordered():
        sound(diagnostic, text)
    found.codes.update({d.code for d in report.diagnostics})
    if net is not None:
        found.accepted += 1
        if found.accepted % BUILT_EVERY == 1 and net.parameters < 10_000:
            build(net)
            found.built += 1


def sound(diagnostic: Diagnostic, text: str) -> None:
    assert diagnostic.code in CODES and diagnostic.message
    assert render(diagnostic) and as_json(diagnostic)
    if diagnostic.place is not None:
        assert 0 <= diagnostic.place.start <= diagnostic.place.end <= len(text)


def build(net: Net) -> None:
    """Print and export a net; what is printed is Python that runs."""
    printed = to_numpy(net)
    space: dict[str, object] = {"__name__": net.name}
    exec(compile(printed, f"{net.name}.py", "exec"), space)
    init = space["init"]
    assert callable(init)
    serialized(to_onnx(net, init(1)))
    if net.trains and not net.solver:
        serialized(to_step(net))


def test_random_specs() -> None:
    check(Source("warm.net", "net warm"))
    found = explored(range(FIXED))
    assert not found.faults, "\n".join(found.faults[:10])
    # The texts reach past the parser, and through all of the front end.
    assert found.accepted > FIXED // 100 and found.built, found
    assert len(found.codes) > 45, sorted(set(CODES) - set(found.codes))


@pytest.mark.exhaustive
@pytest.mark.skipif("NETC_EXHAUSTIVE" not in os.environ, reason="make test-all runs it")
def test_two_hundred_thousand_random_specs() -> None:
    found = Findings()
    starts = range(FIXED, ALL, CHUNK)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for part in pool.map(explored, [range(start, start + CHUNK) for start in starts]):
            found.add(part)
    print(found, file=sys.stderr)
    assert not found.faults, "\n".join(found.faults[:20])
    assert found.built >= 200
