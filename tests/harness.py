"""Runs programs and nets in every printing that the project has: NumPy text, ONNX Runtime, onnx.reference."""

from __future__ import annotations

import inspect
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnxruntime as ort
from netc.codegen import to_numpy
from netc.codegen.autodiff import _fit, backward
from netc.codegen.body import Body, Names
from netc.codegen.functions import GLOBALS
from netc.codegen.gradients import loss_and_grads
from netc.codegen.graph import DTYPES, Graph, add_program
from netc.codegen.kernels import kernel_name
from netc.codegen.loop_page import LoopFunctions
from netc.codegen.simplify import Simplifier
from netc.dsl import Net, load_text
from netc.dsl.ir import OPS, Backward, Builder, Op, Program, Tensor
from netc.dsl.prune import prune
from netc.dsl.types import BINARY, PIXEL, POSITIVE, REAL, SIMPLEX, UNIT, Domain, Shape, Type
from netc.runtime.module import takes, time_of
from onnx import ModelProto, checker, helper
from reference_ops import interpreted
from sizes import SIZES, N, sizes

Array = np.ndarray[Any, Any]
# How many numbers of an array are moved one by one where a slope is checked.
FEW = sys.maxsize if "NETC_EXHAUSTIVE" in os.environ else 12
DOMAINS = {"real": REAL, "positive": POSITIVE, "unit": UNIT, "simplex": SIMPLEX}
ort.set_default_logger_severity(3)


# Cases of ops ---------------------------------------------------------------------------------------------------------


def case_type(text: str) -> Type:
    """The Type that a case such as "N,4 in unit" or "N of 3" or "N,4 of bool" or "" stands for."""
    dims, _, domain = text.partition(" in ")
    dims, _, kind = dims.partition(" of ")
    shape: Shape = tuple(int(d) if d.isdigit() else d for d in dims.split(",") if d)
    if kind == "bool":
        return Type("bool", shape, BINARY)
    if kind == "u8":
        return Type("u8", shape, PIXEL)
    if ".." in kind:
        low, high = map(int, kind.split(".."))
        return Type("i64", shape, Domain(low, high, False, False, whole=True))
    if kind:
        return Type("i64", shape, Domain(0, int(kind) - 1, False, False, whole=True))
    return Type("f32", shape, DOMAINS[domain or "real"])


def sample(type: Type, rng: np.random.Generator, steps: Mapping[str, int] = SIZES) -> Array:
    """Numbers of a type, float64 where it is a floating-point one; they keep away from the ends of their domain."""
    shape = sizes(type.shape, steps)
    if type.dtype == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if type.dtype in ("i64", "u8"):
        high = int(min(type.domain.high, 50))  # the clock has no end
        return rng.integers(int(type.domain.low), high + 1, shape, DTYPES[type.dtype])
    if type.domain.simplex is not None:
        raw = rng.uniform(0.2, 1, shape)
        return raw / raw.sum(axis=-1, keepdims=True)
    if type.domain.low >= 0:
        high = min(type.domain.high, 3.0)
        return rng.uniform(0.05 * high, 0.95 * high, shape)
    return rng.uniform(-2.5, 2.5, shape)


def op_program(op: Op, texts: Sequence[str], attrs: Mapping[str, Any]) -> Program:
    """The program of one equation; its inputs are x0, x1, … and its results r0, r1, …"""
    builder = Builder()
    args = [builder.input("example", f"x{i}", case_type(text)) for i, text in enumerate(texts)]
    found = builder.emit(op, *args, **attrs)
    results = found if isinstance(found, tuple) else (found,)
    return builder.program(op.name, {f"r{i}": r for i, r in enumerate(results)}).check()


def with_gradients(program: Program) -> Program:
    """The program of one equation with an input `c`, the gradient of r0, and results `dX` for each float input X.

    Nothing is simplified on the way, and no other op takes part, so that the record's own gradient is what runs. An op
    that is a formula over others is differentiated through them.
    """
    (equation,) = program.equations
    if equation.op.grad is None:
        return _through_the_body(program)
    builder = Builder(list(program.equations), list(program.inputs))
    results = [Tensor(builder, value) for value in program.results.values()]
    c = builder.input("example", "c", Type(results[0].type.dtype, results[0].shape))
    args = tuple(Tensor(builder, a) for a in equation.args)
    rest = [None] * (len(results) - 1)
    found = equation.op.grad(Backward(args, tuple(results), equation.attrs), c, *rest)
    named = {f"dx{i}": _fit(g, args[i]) for i, g in enumerate(found) if g is not None}
    return builder.program(program.name, {"r0": results[0], **named}).check()


def _through_the_body(program: Program) -> Program:
    program = Simplifier(program, expand=True).simplified(program)
    builder = Builder(list(program.equations), list(program.inputs))
    first = Tensor(builder, program.results["r0"])
    c = builder.input("example", "c", Type("f32", first.shape))
    loss = OPS["total"](first * c, axes=tuple(range(len(first.shape))), keepdims=False)
    forward = builder.program(program.name, {"loss": loss})
    wanted = {i.value: i.name for i in program.inputs if i.value.type.dtype == "f32"}
    found = backward(builder, forward, loss.value, wanted)
    return builder.program(program.name, {"r0": first} | {f"d{n}": found[v] for v, n in wanted.items()}).check()


# Printing and running -------------------------------------------------------------------------------------------------


def run_numpy(program: Program, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The results of the program's printed Python."""
    return compiled(program)(arrays)


def compiled(program: Program) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The program printed as the trainer's functions are, and executed."""
    general = {kernel_name(k): k for e in program.equations for k in e.op.kernels}
    body = Body(program, Names(GLOBALS | set(general)), loops=LoopFunctions())
    lines = body.lines(body.statements())
    finals = ", ".join(f"{name!r}: {body.final(name)}" for name in program.results)
    names = [body.names.of[i.value] for i in program.inputs]
    text = "\n".join([f"def run({', '.join(names)}):", *lines, f"    return {{{finals}}}"])
    space: dict[str, Any] = {
        "np": np,
        "math": __import__("math"),
        **body.kernels.chosen(),
        **general,
        **settings(program),
    }
    exec(compile(text, f"<{program.name}>", "exec"), space)
    return lambda arrays: space["run"](*(arrays[i.name] for i in program.inputs))


def settings(program: Program) -> dict[str, Any]:
    """The numbers that a program reads by name."""
    ops = ("constant", "stairs", "literal", "vector")
    named = [e.attrs for e in program.equations if e.op.name in ops and e.attrs.get("name")]
    found = {a["name"]: a["number"] for a in named if "number" in a}
    found |= {a["name"]: a["values"] for a in named if "values" in a}
    return found | {f"{a['name']}_AT": a["at"] for a in named if "at" in a}


def onnx_model(program: Program) -> ModelProto:
    """The program as a graph, by the code that writes every graph, with all inputs fed."""
    names = Names({i.name for i in program.inputs} | set(program.results))
    names.of.update({i.value: i.name for i in program.inputs})
    graph = Graph(names, program)
    add_program(graph, program, "", typed_nodes=True)
    for name, value in program.results.items():
        graph.nodes.append(helper.make_node("Identity", [names.of[value]], [name], name=f"out_{name}"))
    inputs = [_info(i.name, i.value.type) for i in program.inputs]
    outputs = [_info(name, value.type) for name, value in program.results.items()]
    body = helper.make_graph(graph.nodes, program.name, inputs, outputs, list(graph.constants.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    checker.check_model(model, full_check=True)
    return model


def _info(name: str, type: Type) -> Any:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[type.dtype]))
    return helper.make_tensor_value_info(name, dtype, list(type.shape))


def session(model: ModelProto) -> ort.InferenceSession:
    """The stock runtime on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run_onnx(model: ModelProto, arrays: Mapping[str, Any], reference: bool = False) -> dict[str, Any]:
    """The outputs of a graph in ONNX Runtime, or in ONNX's own reference implementation."""
    if reference:
        return interpreted(model)(arrays)
    feed = {i.name: arrays[i.name] for i in model.graph.input}
    return dict(zip([o.name for o in model.graph.output], session(model).run(None, feed), strict=True))


def narrow(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The same arrays with float64 as float32."""
    return {k: v.astype(np.float32) if np.asarray(v).dtype == np.float64 else v for k, v in arrays.items()}


# Nets -----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1000)
def loaded(text: str) -> Net:
    """The net of a text, which several tests look at."""
    return load_text(text)


# Compiled pages by the identity of their nets, which are kept so that no other net takes it.
PAGES: dict[int, tuple[Net, types.CodeType]] = {}


def module(net: Net) -> Any:
    """The net's trainer as a module of its own."""
    if id(net) not in PAGES:
        if len(PAGES) == 1000:
            PAGES.clear()
        PAGES[id(net)] = net, compile(to_numpy(net), f"{net.name}.py", "exec")
    made = types.ModuleType(net.name)
    exec(PAGES[id(net)][1], made.__dict__)
    return made


def forget() -> None:
    """Compile anew what is asked for from here on: the compiler itself has changed."""
    loaded.cache_clear()
    PAGES.clear()


def spec(
    chains: str,
    *,
    given: str = "f32[6]",
    target: str = "f32[2]",
    loss: str = "mse",
    updater: str = "sgd",
    more: str = "",
) -> str:
    """The text of a small net over x and y."""
    return f"net small\ninput x: {given}\ntarget y: {target}\n{chains}\nloss {loss}\nupdater {updater}\n{more}\n"


def gradient(net: Net) -> Program:
    """The program of the gradient of a net's only loss."""
    return loss_and_grads(net, *net.losses)


def small(chains: str, **parts: str) -> Net:
    """The net of `spec`."""
    return loaded(spec(chains, **parts))


def batch(
    net: Net, rng: np.random.Generator, count: int = N, steps: Mapping[str, int] = SIZES
) -> tuple[list[Array], list[Array]]:
    """Random inputs and targets in float64, classes and truth values whole; each class occurs where there is room."""
    given, wanted = ([field_sample(f, rng, count, steps) for f in fields] for fields in (net.inputs, net.targets))
    told = {f.counts: array for f, array in zip(net.inputs, given, strict=True) if f.counts}
    for inner in [f for f in net.inputs if f.counts and f.shape]:
        told[inner.counts][np.arange(steps[inner.shape[0]]) >= told[inner.shape[0]][:, None]] = 0
    return given, wanted


def field_sample(field: Any, rng: np.random.Generator, count: int, steps: Mapping[str, int] = SIZES) -> Array:
    shape = (count, *(steps.get(d, d) for d in field.shape))
    if field.counts:
        return rng.integers(1, steps[field.counts] + 1, shape)
    if field.classes:
        return rng.permutation(np.arange(int(np.prod(shape))) % field.classes).reshape(shape)
    if field.type.dtype == "u8":
        return rng.integers(0, 256, shape, np.uint8)
    if field.domain.whole:
        return rng.integers(0, 2 if field.kind == "binary" else 6, shape).astype(np.float64)
    if field.domain.simplex is not None:
        # Dyadic shares, which float32 holds exactly and which sum to 1 in it.
        return rng.multinomial(64, np.full(shape[-1], 1 / shape[-1]), shape[:-1]) / 64
    low, high = {"unit": (0.05, 0.95), "positive": (0.1, 2)}.get(field.kind, (-2, 2))
    # float32 holds these exactly, so that both precisions see one batch.
    return np.float64(np.float32(rng.uniform(low, high, shape)))


def weights(made: Any, net: Net, rng: np.random.Generator, inputs: Sequence[Array]) -> dict[str, Array]:
    """Weights with biases away from 0 and learned statistics, in float64 but exact in float32."""
    p = {k: v + rng.uniform(-0.3, 0.3, v.shape) if k in net.weights else v for k, v in made.init(3).items()}
    if hasattr(made, "fit"):
        made.fit(p, *inputs)
    return {k: np.float64(np.float32(v)) for k, v in p.items()}


def extras(
    made: Any, net: Net, epoch: float = 0.0, step: int = 1, count: int = N, steps: Mapping[str, int] = SIZES
) -> dict[str, Any]:
    """The keyword arguments that loss_and_grads takes besides the batch."""
    found: dict[str, Any] = {}
    if hasattr(made, "draw"):
        known = [steps[name] for name in list(inspect.signature(made.draw).parameters)[3:]]
        found["draws"] = made.draw(int(epoch), step, count, *known)
    if net.trains:
        found |= time_of(getattr(made, net.losses[0].function), step, float(epoch), fallen(made, step))
    return found | {n.lower(): getattr(made, n) for n in ("CLIP_NORM", "CLIP_VALUE", "RENORMALIZE") if hasattr(made, n)}


def falls(step: int) -> int:
    """How often whatever watches the loss has fallen when a step is made, as tests have it."""
    return step % 3


def fallen(made: Any, step: int) -> dict[str, int]:
    """The drops as the trainer takes them."""
    return dict.fromkeys(getattr(made, "PLATEAUS", {}), falls(step))


def update(made: Any, p: Any, moments: Any, grads: Any, step: int, epoch: float) -> None:
    """The trainer's own update, which takes the drops where it looks at them."""
    drops = [fallen(made, step)] if takes(made.update, "drops") else []
    made.update(p, moments, grads, step, epoch, *drops)


# Judging --------------------------------------------------------------------------------------------------------------


def assert_close(found: Any, expected: Any, relative: float, what: str = "") -> None:
    """Shapes are equal, and so are values to a share of the largest expected one or of 1."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape} instead of {expected.shape}"
    assert np.all(np.isfinite(found)), f"{what}: not finite"
    if not found.size:
        return
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    scale = max(1.0, float(np.abs(expected).max()))
    error = float(np.abs(found - expected).max())
    assert error <= relative * scale, f"{what}: off by {error:.3g} where values reach {scale:.3g}"


def numeric_gradient(function: Callable[[Array], float], x: Array, h: float = 1e-5) -> Array:
    """Central differences in each element."""
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.astype(np.float64)
        moved[index] = x[index] + h
        high = function(moved)
        moved[index] = x[index] - h
        found[index] = (high - function(moved)) / (2 * h)
    return found


def ways(x: Array) -> Iterator[Array]:
    """Moves of length 1: each number of an array by itself, or a few of many and all of them along two directions."""
    rng = np.random.default_rng(x.size)
    for index in rng.permutation(x.size)[:FEW]:
        way = np.zeros(x.shape)
        way.flat[index] = 1
        yield way
    for _ in range(2 if x.size > FEW else 0):
        way = rng.standard_normal(x.shape)
        yield way / np.linalg.norm(way)


def at_kink(function: Callable[[Array], float], x: Array) -> bool:
    """Whether a step of 1e-4 crosses a kink: there the slopes from the left and from the right differ."""
    h, here = 1e-4, function(x.astype(np.float64))
    for way in ways(x):
        right, left = (function(x + h * way) - here) / h, (here - function(x - h * way)) / h
        if abs(right - left) > 1e-2 * max(1.0, abs(right), abs(left)):
            return True
    return False


def assert_slopes(analytic: Array, function: Callable[[Array], float], x: Array, what: str, h: float = 1e-5) -> None:
    """A gradient agrees with central differences of the function along each way."""
    assert np.shape(analytic) == x.shape, f"{what}: shape {np.shape(analytic)}"
    moves = [*ways(x)]
    numeric = np.array([(function(x + h * way) - function(x - h * way)) / (2 * h) for way in moves])
    assert_gradient(np.array([np.vdot(analytic, way) for way in moves]), numeric, function(x), what)


def assert_gradient(analytic: Array, numeric: Array, loss: float, what: str) -> None:
    """The rule of the build's proof, element by element, with cancellation's 1e-9 of the loss."""
    allowed = 1e-6 * np.maximum(np.abs(analytic), np.abs(numeric)) + 1e-9 * max(1.0, abs(loss))
    error = np.abs(analytic - numeric)
    assert np.shape(analytic) == np.shape(numeric), f"{what}: shape {np.shape(analytic)}"
    assert np.all(error <= allowed), (
        f"{what}: gradient off by {float(np.max(error - allowed)):.3g}\n{analytic}\n{numeric}"
    )


def input_gradients(net: Net) -> Program:
    """The net's loss and its gradient for each input that holds numbers, as a program."""
    source = net.programs["loss"]
    builder = Simplifier(source, expand=True)
    simple = builder.simplified(source)
    wanted = {i.value: i.name for i in source.inputs if i.role == "example" and i.value.type.dtype == "f32"}
    found = backward(builder, simple, simple.results["loss"], wanted)
    results = {"loss": simple.results["loss"]} | {f"d{n}": found[v].value for v, n in wanted.items() if v in found}
    return prune(Program("inputs", tuple(builder.inputs), tuple(builder.equations), results)).check()
