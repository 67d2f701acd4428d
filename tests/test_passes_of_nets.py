"""Passes over whole nets: what the way back computes, what equations remember, and that all of it takes linear time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable

import pytest
from harness import gradient, small
from netc.codegen import to_numpy
from netc.codegen.step import step_program
from netc.dsl import load_text, ops
from netc.dsl.ir import Program
from netc.dsl.types import Type
from simplified import program_of


def lines_of(program: Program, undoing: bool) -> list[str]:
    return [f"{e.op.name}" for e in program.equations if (e.undoes is not None) == undoing]


BACKWARD: dict[str, tuple[dict[str, str], list[str]]] = {
    "softmax and mcxent": (
        {"chains": "dense 3 -> softmax", "target": "class(3)", "loss": "mcxent"},
        ["size", "softmax_mcxent_grad", "div", "total", "transpose", "matmul"],
    ),
    "sigmoid and xent": (
        {"chains": "dense 3 -> sigmoid", "target": "binary[3]", "loss": "xent"},
        ["size", "sub", "div", "total", "transpose", "matmul"],
    ),
    "leakyrelu": (
        {"chains": "dense 2 -> leakyrelu"},
        ["size", "constant", "mul", "div", "mul", "where", "total", "transpose", "matmul"],
    ),
    "relu": (
        {"chains": "dense 2 -> relu"},
        ["size", "constant", "mul", "div", "greater", "mask", "total", "transpose", "matmul"],
    ),
}


@pytest.mark.parametrize("name", BACKWARD)
def test_way_back(name: str):
    """Nothing is computed on the way back that a person would not write."""
    parts, expected = BACKWARD[name]
    assert lines_of(gradient(small(**parts)), undoing=True) == expected


def test_first_layer_has_no_input_gradient():
    """x @ W needs W's gradient, not that of x: one product forward and one back."""
    program = gradient(small("dense 4"  " -> tanh -> dense 2"))  # fmt: skip
    assert [e.op.name for e in program.equations].count("matmul") == 5
    frozen = gradient(small("dense 4 frozen=true -> tanh -> dense 2"))
    assert [e.op.name for e in frozen.equations].count("matmul") == 3


def test_a_gradient_that_weights_share_has_the_name_of_the_first():
    """Which of them is the first is not left to where values lie in memory."""
    net = small("\n".join([*(f"{n} = x -> dense 2 name={n}" for n in "abcd"), "x -> dense 2 -> add a b c d"]))
    page = to_numpy(net)
    assert '"b_a": db_a' in page and all(f'"b_{n}": db_a' in page for n in "bcd")
    assert all(to_numpy(load_text(net.source.text, net.source.name)) == page for _ in range(3))


def test_origins_and_sections_are_kept():
    """Every equation knows its line, and a backward one the section that it undoes."""
    net = small("dense 4 -> tanh\ndense 2 -> sigmoid", target="binary[2]", loss="xent")
    for equation in gradient(net).equations:
        assert equation.origin, equation.op.name
        assert equation.section is not None
        if equation.undoes:
            assert equation.section is equation.undoes.section
    titles = [e.section.title for e in gradient(net).equations if e.section and e.undoes]
    assert list(dict.fromkeys(titles)) == ["loss", "dense 2 -> sigmoid", "dense 4 -> tanh"]


def test_the_checker_sees_a_broken_program():
    program = program_of(lambda x: ops.exp(ops.tanh(x)))
    tanh, exp = program.equations
    for broken in ([exp, tanh], [exp], [tanh, tanh, exp], [tanh]):
        with pytest.raises(AssertionError):
            program.with_equations(broken).check()
    exp.results[0].type = Type("f32", ("N", 4))
    with pytest.raises(AssertionError, match="type"):
        program.check()


def test_unrolled_update_of_the_step_has_no_settings():
    """In the graph a setting is a plain number, so that it folds."""
    program = step_program(small("dense 2", updater="adam"))
    assert not any(e.attrs.get("name") for e in program.equations if e.op.name == "constant")
    assert {i.role for i in program.inputs} == {"example", "target", "weight", "moment", "clock"}


# Time -----------------------------------------------------------------------------------------------------------------

DEEP: dict[str, Callable[[int], str]] = {
    "layers": lambda n: "dense 4 -> tanh\n" * n + "dense 2",
    "activations in one chain": lambda n: "dense 4" + " -> gelu" * (n // 2) + "\ndense 2",
    "one value read by every layer": lambda n: "dense 6 -> tanh -> add x\n" * n + "dense 2",
}


def seconds(chains: str) -> float:
    """How long the passes take by themselves: Python's collector walks all that a test run has left, ever so often."""
    net = small(chains)
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        gradient(net)
        step_program(net)
        to_numpy(net)
        return time.process_time() - start
    finally:
        gc.enable()


def grows(times: Iterable[float]) -> bool:
    """Whether four times the net takes more than eight times as long; quadratic time would take sixteen."""
    first, *_, last = times
    return last > 8 * max(first, 0.02)


@pytest.mark.parametrize("name", DEEP)
def test_linear_time(name: str):
    # What else the machine does may spoil a timing, but not three of them.
    assert any(not grows([seconds(DEEP[name](n)) for n in (60, 240)]) for _ in range(3))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", DEEP)
def test_linear_time_of_a_thousand_layers(name: str):
    times = [min(seconds(DEEP[name](n)) for _ in range(3)) for n in (250, 500, 1000)]
    assert not grows(times), times
    assert times[-1] < 20
