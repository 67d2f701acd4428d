"""Simplification, as program text before and after: every rule fires, and none changes a value."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from harness import assert_close, narrow, run_numpy, sample
from netc.codegen import simplify as simplify_module
from netc.codegen.rules import RULES
from netc.codegen.simplify import Simplifier, simplify
from netc.dsl import ops
from netc.dsl.ir import Builder, Op, Program, Tensor
from netc.dsl.types import Type

Make = Callable[..., Tensor]
TYPES = {
    "x": Type("f32", ("N", 3)),
    "y": Type("f32", ("N", 3)),
    "c": Type("bool", ("N", 3)),
    "k": Type("i64", ("N",), ops.arange.type(stop=3).domain),  # pyright: ignore[reportAttributeAccessIssue]
    "n": Type("f32", ()),
    "v": Type("f32", ("N",)),
}


def program_of(make: Make) -> Program:
    """The program of a formula; its parameters are inputs of the types above."""
    builder = Builder()
    given = [builder.input("example", name, TYPES[name]) for name in inspect.signature(make).parameters]
    return builder.program("formula", {"r": make(*given)}).check()


def body(program: Program) -> str:
    """The equations of a program without its inputs, with values numbered from 0."""
    lines = [line for line in str(program).splitlines() if not line.startswith("example ")]
    numbers: dict[str, str] = {}
    return re.sub(r"%\d+", lambda m: numbers.setdefault(m[0], f"%{len(numbers)}"), "\n".join(lines))


def twice_negative(x: Tensor) -> Tensor:
    return ops.elementwise.neg(ops.elementwise.neg(x))


AFTER: dict[str, tuple[Make, str]] = {
    "softmax and mcxent are one gate": (
        lambda x, k: ops.mcxent(ops.softmax(x), k),
        """
        %0:losses: f32[N], %1:probs: f32[N, 3] = softmax_mcxent(x, k)
        return r = %0:losses
        """,
    ),
    "sigmoid and xent are one gate": (
        lambda x, y: ops.xent(ops.sigmoid(x), y),
        """
        %0: f32[N, 3] = softplus(x)
        %1: f32[N, 3] = mul(x, y)
        %2: f32[N, 3] = sub(%0, %1)
        return r = %2
        """,
    ),
    "the logarithm of a softmax": (
        lambda x: ops.log(ops.softmax(x)),
        """
        %0: f32[N, 3] = log_softmax(x)
        return r = %0
        """,
    ),
    "the logarithm of a softmax that is kept above nothing": (
        lambda x: ops.log(ops.maximum(ops.softmax(x), 1e-30)),
        """
        %0: f32[N, 3] = log_softmax(x)
        return r = %0
        """,
    ),
    "the logarithm of a softmax above a half is something else": (
        lambda x: ops.log(ops.maximum(ops.softmax(x), 0.5)),
        """
        %0: f32[N, 3] = softmax(x)
        %1: f32[] = constant(number=0.5, dtype='f32', name='')
        %2: f32[N, 3] = maximum(%0, %1)
        %3: f32[N, 3] = log(%2)
        return r = %3
        """,
    ),
    "xent of what is no sigmoid": (
        lambda x, y: ops.xent(ops.tanh(x), y),
        """
        %0: f32[N, 3] = tanh(x)
        %1: f32[] = constant(number=1e-30, dtype='f32', name='')
        %2: f32[N, 3] = maximum(%0, %1)
        %3: f32[N, 3] = log(%2)
        %4: f32[N, 3] = mul(y, %3)
        %5: f32[] = constant(number=1, dtype='f32', name='')
        %6: f32[N, 3] = sub(%5, y)
        %7: f32[N, 3] = sub(%5, %0)
        %8: f32[N, 3] = maximum(%7, %1)
        %9: f32[N, 3] = log(%8)
        %10: f32[N, 3] = mul(%6, %9)
        %11: f32[N, 3] = add(%4, %10)
        %12: f32[N, 3] = neg(%11)
        return r = %12
        """,
    ),
    "numbers fold": (
        lambda x: x * (Tensor.__mul__(x.builder.constant(2), 3) + 1) - x.builder.constant(6) / 4,
        """
        %0: f32[] = constant(number=7, dtype='f32', name='')
        %1: f32[N, 3] = mul(%0, x)
        %2: f32[] = constant(number=1.5, dtype='f32', name='')
        %3: f32[N, 3] = sub(%1, %2)
        return r = %3
        """,
    ),
    "a named number is a setting and does not fold": (
        lambda x: x * (x.builder.constant(2, name="TWO") * 3),
        """
        %0: f32[] = constant(number=2, dtype='f32', name='TWO')
        %1: f32[] = constant(number=3, dtype='f32', name='')
        %2: f32[] = mul(%0, %1)
        %3: f32[N, 3] = mul(x, %2)
        return r = %3
        """,
    ),
    "factors in a row": (
        lambda x: 2 * (x * 0.25 * 3),
        """
        %0: f32[] = constant(number=1.5, dtype='f32', name='')
        %1: f32[N, 3] = mul(%0, x)
        return r = %1
        """,
    ),
    "1, 0 and two signs vanish": (
        lambda x: (twice_negative(x * 1 / 1) + 0 - 0) * 1,
        """
        return r = x
        """,
    ),
    "a sum with a negative is a difference, and the reverse": (
        lambda x, y: (x + (-y)) * (x - (-y)),
        """
        %0: f32[N, 3] = sub(x, y)
        %1: f32[N, 3] = add(x, y)
        %2: f32[N, 3] = mul(%0, %1)
        return r = %2
        """,
    ),
    "0 in every element is nothing": (
        lambda x: x + ops.broadcast_like(x.builder.constant(0), x) - ops.broadcast_like(x.builder.constant(0), x),
        """
        return r = x
        """,
    ),
    "a number spread over an array is that number": (
        lambda x, y, n: ops.broadcast_like(n, x) * y,
        """
        %0: f32[N, 3] = mul(n, y)
        return r = %0
        """,
    ),
    "a reciprocal is a divisor": (
        lambda x, n: ops.broadcast_like(1 / n, x) * x,
        """
        %0: f32[N, 3] = div(x, n)
        return r = %0
        """,
    ),
    "a negative factor of every element": (
        lambda x, y, n: x + (-ops.broadcast_like(1 / n, x)) * y,
        """
        %0: f32[N, 3] = div(y, n)
        %1: f32[N, 3] = sub(x, %0)
        return r = %1
        """,
    ),
    "what is divided by one number": (
        lambda x, y, n: x / n - y / n,
        """
        %0: f32[N, 3] = sub(x, y)
        %1: f32[N, 3] = div(%0, n)
        return r = %1
        """,
    ),
    "a choice of nothing is a mask": (
        lambda x, c: ops.where(c, x, 0),
        """
        %0: f32[N, 3] = mask(x, c)
        return r = %0
        """,
    ),
    "two choices by one condition are one": (
        lambda x, y, c: ops.where(c, x, 0) + ops.where(c, 0, y) * x,
        """
        %0: f32[N, 3] = mul(y, x)
        %1: f32[N, 3] = where(c, x, %0)
        return r = %1
        """,
    ),
    "what a condition chose its opposite need not choose again": (
        lambda x, y: ops.mask(ops.where(x > 0, 0, y), x <= 0),
        """
        %0: f32[] = constant(number=0, dtype='f32', name='')
        %1: bool[N, 3] = greater(x, %0)
        %2: f32[N, 3] = where(%1, %0, y)
        return r = %2
        """,
    ),
    "the mean of means": (
        lambda x: ops.mean(ops.mean(x, axes=(1,), keepdims=False), axes=(0,), keepdims=False),
        """
        %0: f32[] = mean(x, axes=(0, 1), keepdims=False)
        return r = %0
        """,
    ),
    "shapes that cancel": (
        lambda x: ops.transpose(ops.transpose(ops.reshape(ops.broadcast_like(x, x), shape=("N", 3)))),
        """
        return r = x
        """,
    ),
    "a cast to what it is": (
        lambda x: ops.cast(x, dtype="f32"),
        """
        return r = x
        """,
    ),
    "equal equations are one": (
        lambda x: ops.exp(x) * ops.exp(x),
        """
        %0: f32[N, 3] = exp(x)
        %1: f32[N, 3] = mul(%0, %0)
        return r = %1
        """,
    ),
    "a size that is known": (
        lambda x: x / ops.size(x, axes=(1,)),
        """
        %0: f32[] = constant(number=3, dtype='f32', name='')
        %1: f32[N, 3] = div(x, %0)
        return r = %1
        """,
    ),
}  # fmt: skip


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
        tensors = self._lift(args)
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
