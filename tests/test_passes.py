"""Simplification, as program text before and after: every rule fires, and none changes a value."""

from __future__ import annotations

import inspect
import re
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from harness import assert_close, narrow, run_numpy, sample
from netc.codegen import simplify as simplify_module
from netc.codegen.rules import RULES
from netc.codegen.simplify import Simplifier, simplify
from netc.dsl.ir import Builder, Op, Program
from simplified import AFTER, program_of


def body(program: Program) -> str:
    """The equations of a program without its inputs, with values numbered from 0."""
    lines = [line for line in str(program).splitlines() if not line.startswith("example ")]
    numbers: dict[str, str] = {}
    return re.sub(r"%\d+", lambda m: numbers.setdefault(m[0], f"%{len(numbers)}"), "\n".join(lines))


@pytest.mark.parametrize("name", AFTER)
def test_simplify(name: str):
    make, expected = AFTER[name]
    assert body(simplify(program_of(make))) == dedent(expected).strip()


@pytest.mark.parametrize("name", AFTER)
def test_simplify_changes_no_value(name: str):
    make, _ = AFTER[name]
    before = program_of(make)
    after = simplify(before)
    if "TWO" in str(before):
        return
    rng = np.random.default_rng(1)
    given = {i.name: sample(i.value.type, rng) for i in before.inputs}
    # xent of tanh takes logarithms, so the arguments are small and positive.
    given |= {k: 0.1 + 0.2 * abs(v) for k, v in given.items() if v.dtype == np.float64}
    exact = 1e-14
    if "= cast(" in str(before):
        given, exact = narrow(given), 0
    bare = before if all(e.op.numpy or e.op.name == "constant" for e in before.equations) else None
    expected = run_numpy(bare or Unruled(before).simplified(before), given)["r"]
    assert_close(run_numpy(after, given)["r"], expected, exact, name)
    assert_close(run_numpy(simplify(after), given)["r"], expected, exact, name)


@pytest.mark.parametrize("name", AFTER)
def test_simplify_twice_is_once(name: str):
    once = simplify(program_of(AFTER[name][0]))
    assert body(simplify(once)) == body(once)


class Unruled(Simplifier):
    """Expands what has no spelling, and applies no rule."""

    def emit(self, op: Op, *args: Any, **attrs: Any) -> Any:
        tensors = self.lift(args)
        if op.body is not None and op.numpy is None:
            return op.body(*tensors, **attrs)
        return Builder.emit(self, op, *tensors, **attrs)


def test_every_rule_fires(monkeypatch: pytest.MonkeyPatch):
    """A rule that no formula above and no word's net reaches is dead, or untested."""
    fired: set[str] = set()

    def watched(rule: Any) -> Any:
        def run(*args: Any, **attrs: Any) -> Any:
            found = rule(*args, **attrs)
            if found is not None:
                fired.add(rule.__name__)
            return found

        run.__signature__ = inspect.signature(rule)  # pyright: ignore[reportFunctionMemberAccess]
        return run

    rules = {name: [watched(rule) for rule in found] for name, found in RULES.items()}
    monkeypatch.setattr(simplify_module, "RULES", rules)
    for make, _ in AFTER.values():
        simplify(program_of(make))
    assert {rule.__name__ for found in RULES.values() for rule in found} == fired
