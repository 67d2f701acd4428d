"""Every primitive, by its own cases: value, shape, gradient, and both of its spellings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from harness import (
    assert_close,
    assert_slopes,
    at_kink,
    case_type,
    compiled,
    narrow,
    onnx_model,
    op_program,
    run_numpy,
    run_onnx,
    sample,
    sizes,
    with_gradients,
)
from netc.codegen.autodiff import backward
from netc.codegen.simplify import Simplifier, simplify
from netc.dsl import ops
from netc.dsl.ir import OPS, Builder, Op, Program
from netc.dsl.ops.elementwise import flat

# Ops whose test rows cannot be cases of arguments, and why; each is tested below by what stands after it.
WITHOUT_CASES = {
    "constant": "has no arguments: test_numbers",
    "literal": "has no arguments, and prints the name of an array of the page: test_literal",
    "arange": "has no arguments: test_arange",
    "max_pool_grad": "its third argument follows from the second: test_images",
    "chosen": "how many rows it gives is known only at run time: test_chosen",
    "put_back": "how many rows it takes is known only at run time: test_chosen",
    "fill": "has no arguments: test_fill",
    "blocks": "has no arguments: test_blocks_of_numbers",
    "scan": "its attribute is a program: test_cells",
    "eye": "has no arguments: test_identity in test_initializers",
    "draw_normal": "random: the initializers' statistics in test_initializers",
    "draw_uniform": "random: the initializers' statistics in test_initializers",
    "draw_orthogonal": "random: the initializers' statistics in test_initializers",
    "draw_truncated": "random: the initializers' statistics in test_initializers",
    "draw_binomial": "random: the initializers' statistics in test_initializers",
}
# Metrics, data statistics and initializers run on the host alone, so these have no graph.
RANDOM = {name for name, where in WITHOUT_CASES.items() if where.startswith("random")}
SCORES = {"confusion", "top_k", "roc_auc", "pr_auc", "calibration"}
WITHOUT_ONNX = {"spread", *SCORES, "literal", "fill", "blocks", "eye", *RANDOM}
# Beside the records' own cases: arrays that are broadcast on both sides, more axes, and reductions over several.
BROADCAST = [("N,1", "4"), ("4", "N,4"), ("", "N,4"), ("N,1", "N,4"), ("N,2,3", "2,1"), ("", "")]
PAIRED = ("add", "sub", "mul", "maximum", "minimum", "greater", "less_equal")
AXES = [((1, 2), False), ((2,), True), ((0, 2), False), ((0, 1, 2), True)]
MORE: list[Any] = [(OPS[name], texts, {}) for name in PAIRED for texts in BROADCAST]
MORE += [(OPS["div"], (a, f"{b} in positive"), {}) for a, b in BROADCAST]
MORE += [(OPS["pow"], (f"{a} in positive", b), {}) for a, b in BROADCAST]
MORE += [(OPS["where"], (f"{a} of bool", a, b), {}) for a, b in BROADCAST] + [
    (OPS["where"], ("N,1 of bool", "4", ""), {})
]
MORE += [
    (OPS["mask"], texts, {}) for texts in (("N,4", "N,1 of bool"), ("4", "N,4 of bool"), ("N,2,3", "N,2,3 of bool"))
]
MORE += [(OPS[n], ("N,2,3",), {"axes": a, "keepdims": k}) for n in ("total", "mean", "amax", "amin") for a, k in AXES]
MORE += [(OPS[name], ("4",), {}) for name in ("neg", "tanh", "square")]
MORE += [(OPS["size"], ("N,2,3",), {"axes": a}) for a in ((0, 2), (1, 2))]
MORE += [(OPS["broadcast_like"], ("3", "N,2,3"), {}), (OPS["expand_dims"], ("N,4",), {"axis": 2})]
MORE += [(OPS["matmul"], ("3,N", "N,2"), {}), (OPS["argmax"], ("N,4",), {"axis": 0})]
ROWS = [*((op, texts, attrs) for op in OPS.values() for texts, attrs in op.cases), *MORE]
# In a run in float64; a size is a number that takes the precision of the array beside it.
NUMPY_TYPES = {"f32": np.float64, "f64": np.float64, "i64": np.int64, "bool": np.bool_}
# float32 has 24 bits: 32 roundings of the largest value.
SINGLE = 2e-6


def row_id(value: Any) -> str | None:
    if isinstance(value, Op):
        return value.name
    return " | ".join(value) if isinstance(value, tuple) else None


every_row = pytest.mark.parametrize(("op", "texts", "attrs"), ROWS, ids=row_id)


def arguments(program: Program, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {i.name: sample(i.value.type, rng) for i in program.inputs}


def expected(op: Op, given: dict[str, Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    found = reference.OPS[op.name](*given.values(), **attrs)
    return found if isinstance(found, tuple) else (found,)


def number_type(program: Program, dtype: str) -> Any:
    """The type of a result; ids and bytes have no precision, so numbers that are made of them are float32."""
    exact = bool(program.inputs) and all(i.value.type.dtype in ("i64", "u8") for i in program.inputs)
    return np.float32 if exact and dtype == "f32" else NUMPY_TYPES[dtype]


def runnable(program: Program) -> Program:
    """The program as it is, or expanded where its op is a formula without a spelling of its own."""
    return simplify(program) if any(e.op.numpy is None for e in program.equations) else program


def expanded(program: Program) -> Program:
    return Simplifier(program, expand=True).simplified(program)


def test_every_op_has_cases_and_a_reference():
    bare = {name for name, op in OPS.items() if not op.cases}
    assert bare == set(WITHOUT_CASES)
    assert set(OPS) - set(reference.OPS) == RANDOM | {"scan"}
    # A constant becomes an initializer of the graph.
    assert {name for name, op in OPS.items() if op.onnx is None and op.body is None} == WITHOUT_ONNX | {"constant"}


@every_row
def test_value_and_shape(op: Op, texts: tuple[str, ...], attrs: dict[str, Any]):
    program = op_program(op, texts, attrs)
    for seed in range(3):
        given = arguments(program, seed)
        found = run_numpy(runnable(program), given)
        for (name, value), exact in zip(program.results.items(), expected(op, given, attrs), strict=True):
            assert np.shape(found[name]) == sizes(value.type.shape)
            assert_close(found[name], exact, 1e-13, f"{op.name} {name}")
            wanted = int if op.name == "size" else number_type(program, value.type.dtype)
            assert np.asarray(found[name]).dtype == wanted


@every_row
def test_numpy_is_onnx(op: Op, texts: tuple[str, ...], attrs: dict[str, Any]):
    if op.name in WITHOUT_ONNX:
        assert op.onnx is None
        return
    program = op_program(op, texts, attrs)
    model = onnx_model(expanded(program) if op.onnx is None else program)
    for seed in range(2):
        given = narrow(arguments(program, seed))
        exact = expected(op, {k: np.float64(v) if v.dtype == np.float32 else v for k, v in given.items()}, attrs)
        printed = run_numpy(runnable(program), given)
        for reference_runtime in (False, True):
            found = run_onnx(model, given, reference_runtime)
            for (name, value), right in zip(program.results.items(), exact, strict=True):
                what = f"{op.name} {name}, reference runtime: {reference_runtime}"
                assert_close(found[name], right, SINGLE, what)
                assert_close(found[name], printed[name], 2 * SINGLE, what)
                assert np.asarray(found[name]).shape == sizes(value.type.shape)


@every_row
def test_computes_in_the_precision_it_is_given(op: Op, texts: tuple[str, ...], attrs: dict[str, Any]):
    if op.name in ("cast", "size", *SCORES):
        return  # a cast's very meaning is another precision, a size is a whole number, and scores are of counts
    program = op_program(op, texts, attrs)
    for given in (narrow(arguments(program, 0)), arguments(program, 0)):
        widths = {v.dtype for v in given.values() if v.dtype.kind == "f"}
        for name, value in run_numpy(runnable(program), given).items():
            if program.results[name].type.dtype == "f32":
                assert {np.asarray(value).dtype} == (widths or {np.dtype(np.float32)}), op.name


def gradient_check(op: Op, texts: tuple[str, ...], attrs: dict[str, Any]) -> int:
    """Compare a row's own gradient with central differences in float64; return how often a kink made a point move."""
    program = with_gradients(op_program(op, texts, attrs))
    run = compiled(program)
    rng = np.random.default_rng(11)
    given = {i.name: sample(i.value.type, rng) for i in program.inputs}
    moves, checked = 0, 0
    for name in [n for n in given if f"d{n}" in program.results and n != "c"]:

        def loss(x: Any, name: str = name) -> float:
            return float((run({**given, name: x})["r0"] * given["c"]).sum())

        while at_kink(loss, given[name]):
            moves += 1
            assert moves < 50, f"{op.name} has kinks everywhere"
            given[name] = sample(next(i.value.type for i in program.inputs if i.name == name), rng)
        found = run(given)
        assert_slopes(found[f"d{name}"], loss, given[name], f"{op.name} d{name}")
        checked += 1
    assert checked, f"{op.name} has a gradient that no case reaches"
    return moves


DIFFERENTIABLE = [
    row
    for row in ROWS
    if (row[0].grad not in (None, flat) or row[0].body is not None) and any(" of " not in text for text in row[1])
]


@pytest.mark.parametrize(("op", "texts", "attrs"), DIFFERENTIABLE, ids=row_id)
def test_gradient(op: Op, texts: tuple[str, ...], attrs: dict[str, Any]):
    gradient_check(op, texts, attrs)


@pytest.mark.parametrize(("op", "texts", "attrs"), [row for row in ROWS if "like" in row[0].arguments], ids=row_id)
def test_of_what_a_result_is_like_only_the_shape_counts(op: Op, texts: tuple[str, ...], attrs: dict[str, Any]):
    program = op_program(op, texts, attrs)
    given, like = arguments(program, 0), f"x{op.arguments.index('like')}"
    moved = run_numpy(program, {**given, like: 3 - 2 * given[like]})
    assert all(np.array_equal(moved[name], value) for name, value in run_numpy(program, given).items())
    assert op.grad is flat or f"d{like}" not in with_gradients(program).results


def test_chosen():
    """Rows that count, and these in their places again, each with the gradient of the other."""
    builder = Builder()
    x, c, keep = (
        builder.input("example", n, case_type(t)) for n, t in (("x", "N,2"), ("c", "N,2"), ("keep", "N of bool"))
    )
    some = OPS["chosen"](x, keep)
    back = OPS["put_back"](some * some, keep)
    loss = OPS["total"](back * c, axes=(0, 1), keepdims=False)
    dx = backward(builder, builder.program("chosen", {"loss": loss}), loss.value, {x.value})[x.value]
    program = builder.program("chosen", {"some": some, "back": back, "dx": dx}).check()
    given = {"x": np.arange(10, dtype=np.float32).reshape(5, 2), "c": np.arange(3, 13, dtype=np.float32).reshape(5, 2)}
    for kept in ([True, False, True, False, True], [False, False, True, False, False], [False, True, True, True, True]):
        given["keep"] = np.array(kept)
        ours = reference.OPS["chosen"](given["x"], given["keep"])
        there = reference.OPS["put_back"](ours * ours, given["keep"])
        wanted = {"some": ours, "back": there, "dx": 2 * given["x"] * given["c"] * given["keep"][:, None]}
        model = onnx_model(program)
        for found in (run_numpy(program, given), run_onnx(model, given), run_onnx(model, given, True)):
            assert all(np.array_equal(found[name], value) for name, value in wanted.items())


def test_what_has_no_gradient_needs_none():
    """An op without one is flat almost everywhere, gives no numbers, is a gradient itself, or has no arguments."""
    level = {"sign", "floor", "stairs", "heaviside", "argmax", "argmin", "size", "below"}
    level |= {"sine_positions", "stand_in"}
    listed = {"vector", "lookup", "onehot", "window_shares", "interpolation", "averaging"}
    truth = {
        "numbered",
        "causal",
        "counted",
        "shorter",
        "greater",
        "less",
        "greater_equal",
        "less_equal",
        "equal",
        "not_equal",
    }
    listed |= {"nothing", "carried", "left", "all_steps", "at_end", "may_skip", "with_blanks"}
    truth |= {"logical_and", "logical_or", "logical_not"}
    gradients = {
        "softmax_mcxent_grad",
        "conv_input_grad",
        "conv_weight_grad",
        "unfold_grad",
        "scatter_add",
        *("before", "rnn_grad", "gru_grad", "lstm_grad", "graves_lstm_grad", "last_grad", "last_of_grad"),
        "below_rows",
        "log_softplus_slope",
        "avg_pool_grad",
        "avg_pool_input_grad",
        "batchnorm_grad",
        "normalize_grad",
        "crop_at_grad",
    }
    # What acts on gradients, and on weights that were moved.
    behind = {"clip_by_norm", "clip_by_value", "normalized", "non_negative", "max_norm", "min_max_norm", "unit_norm"}
    statistics = {"spread", *SCORES}
    bare = {name for name, op in OPS.items() if op.grad in (None, flat) and op.body is None}
    dual = {"chosen", "put_back"}
    assert bare == level | listed | truth | gradients | behind | statistics | set(WITHOUT_CASES) - dual


SLOPES_AT_TIES = {
    # PyTorch's conventions: relu's slope at 0 is 0, abs's is sign(0) = 0; together the two slopes of a tie make 1.
    ("maximum", 0.0, 0.0): (0.0, 1.0),
    ("minimum", 0.0, 0.0): (1.0, 0.0),
    ("maximum", 2.0, 2.0): (0.0, 1.0),
    ("absolute", 0.0): (0.0,),
}


@pytest.mark.parametrize("case", SLOPES_AT_TIES, ids=str)
def test_slope_at_a_kink(case: tuple[Any, ...]):
    name, *points = case
    program = with_gradients(op_program(OPS[name], [""] * len(points), {}))
    found = run_numpy(program, {"c": np.float64(1)} | {f"x{i}": np.float64(v) for i, v in enumerate(points)})
    assert tuple(float(found[f"dx{i}"]) for i in range(len(points))) == SLOPES_AT_TIES[case]


LIMITS = {
    "tanh": [-1, 0, 1],
    "sigmoid": [0, 0.5, 1],
    "softplus": [0, np.log(2), 1e4],
    "erf": [-1, 0, 1],
    "softmax": [0, 0, 1],
    "log_softmax": [-2e4, -1e4, 0],
    "log_softplus": [-1e4, np.log(np.log(2)), np.log(1e4)],
    "logcosh": [1e4 - np.log(2), 0, 1e4 - np.log(2)],
    "steady_exp": [0, 1, np.exp(30) * (1e4 - 29)],
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturated(name: str, dtype: Any):
    program = with_gradients(op_program(OPS[name], ["N,3"], {}))
    x = np.array([[-1e4, 0, 1e4]] * 5, dtype)
    given = {"x0": x, "c": np.ones_like(x)}
    assert_close(run_numpy(op_program(OPS[name], ["N,3"], {}), given)["r0"], [LIMITS[name]] * 5, 1e-7, name)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert all(np.all(np.isfinite(v)) for v in run_numpy(program, given).values())
    if dtype == np.float32:
        assert_close(run_onnx(onnx_model(op_program(OPS[name], ["N,3"], {})), given)["r0"], [LIMITS[name]] * 5, 1e-6)


@pytest.mark.parametrize("label", [0, 2])
def test_saturated_softmax_mcxent(label: int):
    program = with_gradients(op_program(OPS["softmax_mcxent"], ["N,3", "N of 3"], {}))
    given = {"x0": np.array([[-1e4, 0, 1e4]] * 5), "x1": np.full(5, label), "c": np.ones(5)}
    found = run_numpy(program, given)
    assert_close(found["r0"], np.full(5, 2e4 if label == 0 else 0), 1e-15)
    assert_close(found["dx0"], [[-1, 0, 1] if label == 0 else [0, 0, 0]] * 5, 1e-15)


@pytest.mark.parametrize(("name", "second"), [("mcxent", "N of 3"), ("xent", "N,3 in unit")])
def test_a_probability_of_nothing_costs_much_and_not_infinitely_much(name: str, second: str):
    texts = ["N,3 in unit", second]
    program = with_gradients(op_program(OPS[name], texts, {}))
    y = np.zeros(5, int) if second == "N of 3" else np.ones((5, 3))
    c = np.ones(5 if second == "N of 3" else (5, 3))
    found = run_numpy(program, {"x0": np.array([[0.0, 1, 0]] * 5), "x1": y, "c": c})
    assert all(np.all(np.isfinite(v)) for v in found.values())
    assert found["r0"].max() >= 69


# Ops without arguments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0.0, 1.0, -2.0, 0.1, -1e-8, 1e-30, 3e15, 2**40, 1 / 3])
@pytest.mark.parametrize("name", ["", "LR"])
def test_numbers(number: float, name: str):
    builder = Builder()
    x = builder.input("example", "x", case_type(""))
    results = {"r0": x * builder.constant(number, name=name), "r1": number - x, "r2": x / number if number else x}
    program = builder.program("numbers", results)
    if name:
        text = str(simplify(program))
        assert "LR" in text
        return
    given = {"x": np.array(2.0)}
    found = run_numpy(program, given)
    assert (float(found["r0"]), float(found["r1"])) == (2 * number, number - 2)
    found = run_onnx(onnx_model(program), narrow(given))
    assert_close(found["r0"], 2 * number, 1e-7)


def test_literal():
    builder = Builder()
    values = np.array([[0.1, -2.0], [3e-9, 4.0]])
    literal = builder.emit(ops.literal, values=values, shape=(2, 2), name="W1_VALUES")
    assert literal.shape == (2, 2)
    assert ops.literal.numpy(values, (2, 2), "W1_VALUES") == "np.array(W1_VALUES)"


def test_arange():
    builder = Builder()
    program = builder.program("arange", {"r0": builder.emit(ops.arange, stop=4) + 0})
    assert run_numpy(program, {})["r0"].tolist() == [0, 1, 2, 3]
    assert run_onnx(onnx_model(program), {})["r0"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("number", [0.0, 1.0, -0.3])
@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_fill(number: float, shape: tuple[int, ...]):
    builder = Builder()
    program = builder.program("fill", {"r0": builder.emit(ops.random.fill, number=number, shape=shape)})
    assert_close(run_numpy(program, {})["r0"], reference.OPS["fill"](number, shape), 0)


def test_blocks_of_numbers():
    builder = Builder()
    program = builder.program("blocks", {"r0": builder.emit(ops.random.blocks, numbers=(0.0, 2.0, 0.5), size=2)})
    assert run_numpy(program, {})["r0"].tolist() == reference.OPS["blocks"]((0.0, 2.0, 0.5), 2).tolist()


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "log1p", "expm1"])
def test_small_values_keep_their_digits(name: str):
    """In float32, both printings are right to a few roundings of each value, and not only of the largest."""
    sizes = np.geomspace(1e-30 if name in ("log1p", "expm1") else 1e-3, 60, 400)
    x = np.float32(sizes if name == "log1p" else np.concatenate([-sizes, sizes]))[None, :]
    program = op_program(OPS[name], (f"N,{x.size}{' in positive' if name == 'log1p' else ''}",), {})
    exact = run_numpy(program, {"x0": x.astype(np.float64)})["r0"]
    for found in (run_numpy(program, {"x0": x})["r0"], run_onnx(onnx_model(program), {"x0": x})["r0"]):
        assert np.all(np.abs(found - exact) <= 1e-6 * np.abs(exact))
