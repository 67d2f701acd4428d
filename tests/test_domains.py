"""Domains: what an op gives lies in the interval that is inferred for it, and nets that break one are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from harness import Array, case_type, compiled, op_program, small
from netc.codegen.simplify import simplify
from netc.dsl import SpecError, load_text, ops
from netc.dsl.derived_steps import derived, factors
from netc.dsl.ir import OPS, Builder, Op, Tensor
from netc.dsl.types import (
    BINARY,
    NON_NEGATIVE,
    OPEN_UNIT,
    POSITIVE,
    REAL,
    SIGNED_UNIT,
    SIMPLEX,
    UNIT,
    Dim,
    Domain,
    Type,
    point,
)

ROWS, STEPS = 100, 3
WHOLE = Domain(-3, 4, False, False, whole=True)
SHIFTED = [Domain(2, 3, False, True), Domain(-3, -2, True, False), Domain(-1, 2), Domain(0.3, 0.7), Domain(-0.6, 1.4)]
INTERVALS = [REAL, POSITIVE, NON_NEGATIVE, -POSITIVE, UNIT, OPEN_UNIT, SIGNED_UNIT, WHOLE, BINARY, *SHIFTED]
INTERVALS += [point(0), point(1), point(2), point(-1.5)]
CASES = [(op, texts, attrs) for op in OPS.values() for texts, attrs in op.cases]


def row_id(value: Any) -> str | None:
    if isinstance(value, Op):
        return value.name
    return " | ".join(value) if isinstance(value, tuple) else None


def ends(domain: Domain) -> list[float]:
    """The ends that belong to a domain, and numbers very near those that do not; infinity is 5 or so."""
    low = domain.low if math.isfinite(domain.low) else min(-5.0, domain.high - 5)
    high = domain.high if math.isfinite(domain.high) else max(5.0, domain.low + 5)
    nudge = 1e-9 * max(1.0, high - low)
    return [low + nudge * domain.low_open, high - nudge * domain.high_open]


def values(type: Type, rng: np.random.Generator) -> Array:
    """Values of a type, at the ends of its domain more often than not."""
    shape = tuple(_size(d) for d in type.shape)
    domain = type.domain
    if type.dtype == "bool":
        return rng.random(shape) < 0.5
    if domain.simplex is not None:
        raw = rng.exponential(size=shape) ** 3
        return raw / raw.sum(axis=-1, keepdims=True)
    low, high = ends(domain)
    inside = rng.uniform(low, high, shape)
    if domain.whole:
        return np.clip(np.round(inside), math.ceil(domain.low), math.floor(domain.high)).astype(
            np.int64 if type.dtype == "i64" else float
        )
    choice = rng.integers(0, 4, shape)
    # 0 and 1 are where functions turn; both only where they belong.
    turn = np.clip(rng.integers(0, 2, shape), low, high).astype(float)
    return np.select([choice == 0, choice == 1, choice == 2], [low, high, turn], inside)


def _size(dim: Dim) -> int:
    """A size for a dimension; `N*T` are the steps of all rows."""
    if isinstance(dim, int):
        return dim
    return math.prod(ROWS if d == "N" else steps.of(STEPS) if (steps := derived(d)) else STEPS for d in factors(dim))


def choices(text: str) -> list[Type]:
    """The types that an argument may have in place of its case's."""
    given = case_type(text)
    if given.dtype != "f32" or given.domain.simplex is not None:
        return [given]
    return [replace(given, domain=d) for d in INTERVALS if d.within(given.domain) and (d.low > 0 or " in " not in text)]


def assert_within(found: Array, type: Type, what: str) -> None:
    domain, found = type.domain, np.asarray(found).astype(float)
    room = 1e-12 * max(1.0, float(np.abs(found).max()))
    assert found.min() >= domain.low - room and found.max() <= domain.high + room, f"{what}: outside {domain}"
    if domain.low_open and math.isfinite(domain.low):
        assert found.min() > domain.low, f"{what}: reaches the open end of {domain}"
    if domain.high_open and math.isfinite(domain.high):
        assert found.max() < domain.high, f"{what}: reaches the open end of {domain}"
    assert not domain.whole or np.array_equal(found, np.round(found)), f"{what}: not whole"
    if domain.simplex is not None:
        assert np.allclose(found.sum(axis=domain.simplex), 1), f"{what}: does not sum to 1"


@pytest.mark.parametrize(("op", "texts", "attrs"), CASES, ids=row_id)
def test_results_lie_in_the_inferred_domain(op: Op, texts: tuple[str, ...], attrs: dict[str, Any]):
    rng = np.random.default_rng(0)
    program = op_program(op, texts, attrs)
    run = compiled(simplify(program) if op.numpy is None else program)
    few = slice(None, None, {1: 1, 2: 1, 3: 4, 4: 4}.get(len(texts), 20))
    for types in product(*(choices(text)[few] for text in texts)):
        found = run({f"x{i}": values(t, rng) for i, t in enumerate(types)})
        inferred = op.type(*types, **attrs)
        inferred = inferred if isinstance(inferred, tuple) else (inferred,)
        for value, type in zip(found.values(), inferred, strict=True):
            assert_within(value, type, f"{op.name} of {' and '.join(str(t.domain) for t in types)}")


# How tight it is ------------------------------------------------------------------------------------------------------

Formula = Callable[[Tensor], Tensor]
FORMULAS: dict[str, tuple[Formula, str]] = {
    "1 / (1 + exp(-x))": (lambda x: 1 / (1 + ops.exp(-x)), "(0, 1)"),
    "sigmoid": (ops.sigmoid, "(0, 1)"),
    "exp(-x^2)": (lambda x: ops.exp(-ops.square(x)), "(0, 1]"),
    "relu": (lambda x: ops.maximum(x, 0), "[0, inf)"),
    "relu6": (lambda x: ops.minimum(ops.maximum(x, 0), 6), "[0, 6]"),
    "hardsigmoid": (lambda x: ops.minimum(ops.maximum(x + 3, 0), 6) / 6, "[0, 1]"),
    "1 - tanh^2": (lambda x: 1 - ops.square(ops.tanh(x)), "(0, 1]"),
    "(tanh + 1) / 2": (lambda x: (ops.tanh(x) + 1) / 2, "(0, 1)"),
    "|tanh|": (lambda x: ops.absolute(ops.tanh(x)), "[0, 1)"),
    "|tanh - 3|": (lambda x: ops.absolute(ops.tanh(x) - 3), "(2, 4)"),
    "floor(4 sigmoid)": (lambda x: ops.floor(4 * ops.sigmoid(x)), "whole numbers in [0, 3]"),
    "log sigmoid": (lambda x: ops.log(ops.sigmoid(x)), "(-inf, 0)"),
    "softplus": (ops.softplus, "(0, inf)"),
    "-softplus": (lambda x: -ops.softplus(x), "(-inf, 0)"),
    "sqrt(1 + x^2)": (lambda x: ops.sqrt(1 + ops.square(x)), "[1, inf)"),
    "x / (1 + |x|)": (lambda x: x / (1 + ops.absolute(x)), "(-inf, inf)"),
    "1 / (1 + x^2)": (lambda x: 1 / (1 + ops.square(x)), "(0, 1]"),
    "where": (lambda x: ops.where(x > 0, ops.sigmoid(x), -ops.sigmoid(x)), "(-1, 1)"),
    "mean of sigmoid": (lambda x: ops.mean(ops.sigmoid(x), axes=(1,), keepdims=True), "(0, 1)"),
    "total of relu": (lambda x: ops.total(ops.maximum(x, 0), axes=(1,), keepdims=True), "[0, inf)"),
    "softmax": (ops.softmax, "probabilities that sum to 1"),
    "softmax of two, side by side": (lambda x: ops.concat(ops.softmax(x), ops.sigmoid(x), axis=1), "(0, 1)"),
    "1 - softmax": (lambda x: 1 - ops.softmax(x), "(0, 1)"),
    "softmax + 0 is no softmax to the compiler": (lambda x: ops.maximum(ops.softmax(x), 0), "(0, 1)"),
    "1 / x": (lambda x: 1 / x, "(-inf, inf)"),
    "1 / (tanh - 2)": (lambda x: 1 / (ops.tanh(x) - 2), "(-1, -0.333333)"),
    "cos": (ops.cos, "[-1, 1]"),
    "log softmax": (ops.log_softmax, "(-inf, 0]"),
    "expm1 below": (lambda x: ops.expm1(ops.minimum(x, 0)), "(-1, 0]"),
    "2 * unit - 1": (lambda x: 2 * ops.sigmoid(x) - 1, "(-1, 1)"),
    "x * 0": (lambda x: x * 0, "[0, 0]"),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(name: str):
    formula, expected = FORMULAS[name]
    builder = Builder()
    found = formula(builder.input("example", "x", Type("f32", ("N", 3)))).type.domain
    assert str(found).removeprefix("whole numbers in ") == expected.removeprefix("whole numbers in ")
    assert str(replace(found, whole=False)) == str(found) or expected.startswith("whole") or name == "x * 0"


def test_within():
    assert OPEN_UNIT.within(UNIT) and UNIT.within(OPEN_UNIT), "ends may be open or closed"
    assert SIMPLEX.within(UNIT) and not UNIT.within(SIMPLEX)
    assert BINARY.within(UNIT) and not UNIT.within(BINARY)
    assert POSITIVE.within(NON_NEGATIVE) and not REAL.within(POSITIVE)
    assert point(2).within(NON_NEGATIVE) and not point(-2).within(NON_NEGATIVE)


def test_join_holds_both():
    for one, other in product(INTERVALS, INTERVALS):
        joined = one.join(other)
        assert one.within(joined) and other.within(joined) and joined == other.join(one)
        assert joined.low in (one.low, other.low) and joined.high in (one.high, other.high)


# Nets that break one --------------------------------------------------------------------------------------------------

ACCEPTED = {
    "probabilities": ("dense 3 -> softmax", "class(3)", "mcxent"),
    "sigmoid": ("dense 2 -> sigmoid", "binary[2]", "xent"),
    "own sigmoid": ("dense 2 -> tanh -> relu", "binary[2]", "xent"),
    "a number for each": ("dense 2", "f32[2]", "mse"),
    "one number": ("dense 1", "f32", "mse"),
    "softmax on binary targets": ("dense 2 -> softmax", "binary[2]", "xent"),
}
REFUSED = {
    "mcxent of numbers": ("dense 3", "class(3)", "mcxent", "domain-mismatch"),
    "mcxent of sigmoid": ("dense 3 -> sigmoid", "class(3)", "mcxent", "domain-mismatch"),
    "mcxent after dropout": ("dense 3 -> softmax -> dropout 20%", "class(3)", "mcxent", "domain-mismatch"),
    "softmax of one": ("dense 1 -> softmax", "binary", "xent", "softmax-of-one"),
    "softmax twice": ("dense 3 -> softmax -> softmax", "class(3)", "mcxent", "softmax-twice"),
    "xent of numbers": ("dense 2", "binary[2]", "xent", "domain-mismatch"),
    "xent of tanh": ("dense 2 -> tanh", "binary[2]", "xent", "domain-mismatch"),
    "xent of softplus": ("dense 2 -> softplus", "binary[2]", "xent", "domain-mismatch"),
    "too few classes": ("dense 2 -> softmax", "class(3)", "mcxent", "shape-mismatch"),
    "one for two": ("dense 1", "f32[2]", "mse", "shape-mismatch"),
    "two for one": ("dense 2", "f32", "mse", "shape-mismatch"),
    "rows": ("dense 6 -> reshape [2, 3]", "f32[6]", "mse", "shape-mismatch"),
    "mse of classes": ("dense 3", "class(3)", "mse", "target-mismatch"),
    "xent of classes": ("dense 3 -> sigmoid", "class(3)", "xent", "target-mismatch"),
    "xent of numbers as targets": ("dense 2 -> sigmoid", "f32[2]", "xent", "target-mismatch"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str):
    chains, target, loss = ACCEPTED[name]
    assert small(chains, target=target, loss=loss)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str):
    chains, target, loss, code = REFUSED[name]
    with pytest.raises(SpecError) as caught:
        small(chains, target=target, loss=loss)
    assert {d.code for d in caught.value.diagnostics} == {code}
    assert all(d.place is not None for d in caught.value.diagnostics)


def test_inputs_have_domains():
    text = (
        "net a\ninput x: {}[2]\ntarget y: binary[2]\np = x -> dropout 0\nq = x -> dense 2\noutput q\n"
        "loss xent(p, y) + mse(q, y)\nupdater sgd\n"
    )
    assert load_text(text.format("unit")).inputs[0].domain == UNIT
    with pytest.raises(SpecError, match="xent needs values"):
        load_text(text.format("f32"))
