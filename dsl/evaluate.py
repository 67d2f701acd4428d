"""The values of a program of single numbers, such as a schedule, by the same spelling that the page has."""

from __future__ import annotations

import math
from functools import cache
from types import CodeType
from typing import Any

import numpy as np

from .ir import Equation, Program


def evaluate(program: Program, given: dict[str, Any]) -> dict[str, Any]:
    """The results of a program whose inputs and values are all scalars, at one moment or at an array of them."""
    values: dict[Any, Any] = {i.value: given[i.name] for i in program.inputs}
    with np.errstate(all="ignore"):
        for equation in program.equations:
            values[equation.result] = _computed(equation, [values[a] for a in equation.args])
    return {name: values[value] for name, value in program.results.items()}


def _computed(equation: Equation, args: list[Any]) -> Any:
    op, attrs = equation.op, equation.attrs
    if op.name == "constant":
        return np.float64(attrs["number"])
    if op.name == "cast":
        return args[0]
    assert op.numpy is not None, op.name
    # A list is spelled out rather than by the name that it has on the page.
    plain = {**attrs, "name": ""} if "name" in attrs else attrs
    template = op.numpy if isinstance(op.numpy, str) else op.numpy(*(a.type for a in equation.args), **plain)
    kernels = {kernel.__name__.removesuffix("_kernel"): kernel for kernel in op.kernels}
    names = {**dict(zip(op.arguments, args, strict=True)), **plain, **kernels}
    return eval(_compiled(template), {"np": np, "math": math, **names})  # the text is an op's own, never the user's


@cache
def _compiled(template: str) -> CodeType:
    return compile(template, "<op>", "eval")
