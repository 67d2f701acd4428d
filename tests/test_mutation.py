"""The suite sees what is wrong: each gradient's sign flipped, each spelling spoilt, and mistakes that people make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import test_gradients
import test_ops
import test_updaters
import test_words
from harness import Array, batch, case_type, forget, gradient, module, numeric_gradient, op_program, small, weights
from netc.dsl import Net
from netc.dsl.ir import OPS, Backward, Builder, Equation, Op, Program, Tensor, handles
from netc.dsl.ops import matmul, mean, softmax, transpose
from netc.dsl.ops.elementwise import flat
from netc.dsl.words import WORDS, Clock, Update
from uses import Use, judged_net, nets_around

Cases = list[tuple[Op, tuple[str, ...], dict[str, Any]]]


@contextmanager
def changed(record: Any, **facts: Any) -> Iterator[None]:
    """A frozen record with other facts, until the end."""
    before = {name: getattr(record, name) for name in facts}
    forget()
    try:
        for name, fact in facts.items():
            object.__setattr__(record, name, fact)
        yield
    finally:
        for name, fact in before.items():
            object.__setattr__(record, name, fact)
        forget()


def killed(check: Callable[[], Any]) -> bool:
    """Whether a check fails; a wrong shape, which the IR's own checker or NumPy finds, is seen as well."""
    try:
        check()
    except (AssertionError, ValueError):
        return True
    return False


def rows_of(op: Op) -> Cases:
    return [row for row in test_ops.ROWS if row[0] is op]


def gradient_checks(op: Op) -> None:
    for row in [row for row in test_ops.DIFFERENTIABLE if row[0] is op]:
        test_ops.gradient_check(*row)


def value_checks(op: Op) -> None:
    for row in rows_of(op):
        test_ops.test_value_and_shape(*row)


def graph_checks(op: Op) -> None:
    for row in rows_of(op):
        test_ops.test_numpy_is_onnx(*row)


# Gradients of ops -----------------------------------------------------------------------------------------------------


def outputs_of(op: Op) -> int:
    """How many gradients an op's `grad` returns that are not None."""
    _, texts, attrs = rows_of(op)[0]
    builder = Builder()
    args = tuple(builder.input("example", f"a{i}", case_type(text)) for i, text in enumerate(texts))
    results = handles(builder.emit(op, *args, **attrs))
    first = builder.input("example", "g", results[0].type)
    assert op.grad is not None
    found = op.grad(Backward(args, results, attrs), first, *[None] * (len(results) - 1))
    return sum(part is not None for part in found)


def flipped(op: Op, which: int | None) -> Callable[..., Any]:
    """The op's gradient with the sign of one of its parts flipped, or of all."""
    grad = op.grad
    assert grad is not None

    def wrong(b: Backward, *given: Any) -> tuple[Tensor | None, ...]:
        parts = list(grad(b, *given))
        there = [i for i, part in enumerate(parts) if part is not None]
        for i in there if which is None else [there[which]]:
            parts[i] = -parts[i]
        return tuple(parts)

    return wrong


# Those without cases of arguments are checked beside each other in test_ops.
WITH_GRADIENT = [op for op in OPS.values() if op.grad not in (None, flat) and op.cases]
FLIPS = [(op, which) for op in WITH_GRADIENT for which in (None, *range(outputs_of(op)))]


@pytest.mark.parametrize("op", WITH_GRADIENT, ids=lambda op: op.name)
def test_the_check_passes_unless_something_is_wrong(op: Op):
    gradient_checks(op)


@pytest.mark.parametrize(("op", "which"), FLIPS, ids=lambda v: v.name if isinstance(v, Op) else str(v))
def test_a_flipped_sign_is_seen(op: Op, which: int | None):
    with changed(op, grad=flipped(op, which)):
        assert killed(lambda: gradient_checks(op)), f"nobody saw the gradient of {op.name} flipped"


@pytest.mark.parametrize("op", WITH_GRADIENT, ids=lambda op: op.name)
def test_a_lost_factor_is_seen(op: Op):
    """A gradient that is wrong by a thousandth is wrong."""
    grad = op.grad
    assert grad is not None
    with changed(op, grad=lambda b, *g: tuple(None if d is None else 1.001 * d for d in grad(b, *g))):
        assert killed(lambda: gradient_checks(op)), f"nobody saw the gradient of {op.name} stretched"


# Formulas lead back through ops that no word of the vocabulary does.
FORMULAS = """
def activation own(x) = sin(x) * cos(0.5 * x) + log(1 + x^2) + max(x, keep=true) - 0.5 * min(x, keep=true)
def layer tied(units) {
    weight W: [in.features, units]
    return in @ W @ transpose(W) - max(in @ W)
}
dense 4 -> own -> tied 3 -> own -> dense 2
"""


# Words over images behind one with weights, so that a gradient leads through them.
IMAGES = [
    *("maxpool 2x2", "avgpool 2x2 stride=1", "normpool 2x2", "globalmaxpool", "adaptive_avgpool 3x4", "upsample 2"),
    *("upsample 2 mode=bilinear", "zeropad 1", "crop 1", "space_to_depth 2", "batchnorm", "groupnorm 2", "lrn"),
    *("deconv 3 2x2", "depthwise 2x2", "locally_connected 2 2x2", "conv 3 3x3 stride=2", "batchnorm frozen=true"),
    *("flip", "random_shift 1", "random_crop 2x3", "cutout 2"),
]
# Words over steps behind weights.
STEPS = [
    "dense 3 -> reverse_time -> rnn 3 -> last_step -> dense 2",
    "dense 3 -> last_step -> repeat_like x -> time_distributed dense 2 -> last_step",
]


def nets_by_op() -> dict[str, list[Net]]:
    """Nets in whose loss each op stands."""
    found: dict[str, list[Net]] = {}
    nets = [small(text) for text in test_gradients.NETS.values()]
    nets += [small("dense 6 -> reshape [2, 3]", target="f32[2, 3]")]
    nets += [small(FORMULAS), small("dense 6 -> tanh -> repeat_vector 2 -> permute [1, 0] -> unstack 1 -> dense 2")]
    nets += [small(f"conv 4 2x2 pad=same -> {chain} -> flatten -> dense 2", given="f32[2, 4, 6]") for chain in IMAGES]
    # Over one axis, since two flips cancel each other.
    nets += [small("conv 4 2 -> upsample 2 mode=bilinear -> flatten -> dense 2", given="f32[2, 6]")]
    nets += [small(chain, given=f"f32[T, 4]{lengths}") for chain in STEPS for lengths in ("", " lengths=true")]
    nets += [small("dense 3 -> softmax", given="f32[T, 4]", target="class(3)[T]", loss="mcxent")]
    nets += [small("dense 3 -> softmax", given="f32[T, 4]", target="class(3)[2]", loss="ctc")]
    nets += [n for use in test_gradients.DIFFERENTIATED for n in nets_around(use)]
    for net in nets:
        for name in {e.op.name for e in all_of(gradient(net)) if e.undoes is None}:
            found.setdefault(name, []).append(net)
    return found


def all_of(program: Program) -> Iterator[Equation]:
    """The equations of a program, and of what goes over its steps."""
    for equation in program.equations:
        yield equation
        if "loop" in equation.attrs:
            yield from all_of(equation.attrs["loop"].program)


def test_flips_are_seen_in_nets():
    """A wrong gradient of any op on a word's way back is seen in `loss_and_grads` as a whole, too."""
    nets, seen = nets_by_op(), set[str]()
    for op in WITH_GRADIENT:
        with changed(op, grad=flipped(op, None)):
            if any(killed(lambda net=net: test_gradients.gradients_of_weights(net)) for net in nets.get(op.name, [])):
                seen.add(op.name)
    # Nothing of this version leads back through these, so only their own cases see them.
    bare = {"broadcast_like", "cast", "pad", "reshape_like", "turned"}
    assert {op.name for op in WITH_GRADIENT} - seen == bare


# Spellings ------------------------------------------------------------------------------------------------------------


def gives_truth(op: Op) -> bool:
    return op_program(op, *op.cases[0]).results["r0"].type.dtype == "bool"


SPELLED = [op for op in OPS.values() if isinstance(op.numpy, str) and op.cases]
# A truth value has no sign, and is spoilt by its contrary.
BOOLEAN = {op.name for op in OPS.values() if op.cases and gives_truth(op)}
# A sign changes no zeros, which are spoilt by a one.
ZEROS = {"nothing"}


def spoilt(op: Op) -> str:
    """The op's spelling, made wrong."""
    if len(op_program(op, *op.cases[0]).results) > 1:
        return f"tuple(-part for part in {op.numpy})"
    if op.name in ZEROS:
        return f"1 + {op.numpy}"
    return f"np.logical_not({op.numpy})" if op.name in BOOLEAN else f"-({op.numpy})"


@pytest.mark.parametrize("op", SPELLED, ids=lambda op: op.name)
def test_a_spoilt_spelling_is_seen(op: Op):
    with changed(op, numpy=spoilt(op)):
        assert killed(lambda: value_checks(op)), f"nobody saw that the page computes -{op.name}"


GRAPHED = [op for op in OPS.values() if op.onnx is not None and op.cases and op.name not in BOOLEAN]


@pytest.mark.parametrize("op", GRAPHED, ids=lambda op: op.name)
def test_a_spoilt_node_is_seen(op: Op):
    right = op.onnx

    def wrong(g: Any, eq: Any, *names: str) -> Any:
        found = g.node(right, *names) if isinstance(right, str) else right(g, eq, *names)
        if op.name in ZEROS:
            return g.Add(found, g.scalar(1, eq.results[0].type))
        return tuple(g.Neg(n) for n in found) if isinstance(found, tuple) else g.Neg(found)

    with changed(op, onnx=wrong):
        assert killed(lambda: graph_checks(op)), f"nobody saw that the graph computes -{op.name}"


# Mistakes that people make --------------------------------------------------------------------------------------------


def mean_without_count(b: Backward, g: Tensor) -> tuple[Tensor, ...]:
    return (OPS["total"].grad(b, g)[0],)  # pyright: ignore[reportOptionalCall]


NET_MISTAKES: dict[str, tuple[Op, dict[str, Any]]] = {
    "1/N is missing": (mean, {"grad": mean_without_count}),
    "the weight is not transposed": (matmul, {"grad": lambda b, g: (_untransposed(b, g), transpose(b.args[0]) @ g)}),
    "softmax without its sum": (softmax, {"grad": lambda b, g: (b.results[0] * g,)}),
    "tanh' of the argument": (OPS["tanh"], {"grad": lambda b, g: (g * (1 - OPS["square"](b.args[0])),)}),
}


def _untransposed(b: Backward, g: Tensor) -> Tensor:
    right = b.args[1]
    return g @ (right if right.shape[0] == right.shape[1] else transpose(right))


@pytest.mark.parametrize("name", NET_MISTAKES)
def test_a_mistake_in_a_gradient_is_seen(name: str):
    op, facts = NET_MISTAKES[name]
    net = small("dense 6 -> tanh -> dense 6 -> softmax\ndense 2")
    test_gradients.gradients_of_weights(net)
    with changed(op, **facts):
        assert killed(lambda: test_gradients.gradients_of_weights(net)), name


def swapped(function: Callable[..., Any], one: str, other: str) -> Callable[..., Any]:
    """A word's function that takes two of its options for each other."""
    return lambda *args, **options: function(*args, **{**options, one: options[other], other: options[one]})


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("adam", "beta1", "beta2"),
        ("adamw", "lr", "weight_decay"),
        ("rmsprop", "decay", "lr"),
        ("nesterovs", "lr", "momentum"),
    ],
)
def test_options_mistaken_for_each_other_are_seen(name: str, one: str, other: str):
    word = WORDS["updater", name]
    use = Use(word, name, {})
    test_updaters.test_updater(use)
    with changed(word, options=word.options, operands=word.operands, function=swapped(word.function, one, other)):
        assert killed(lambda: test_updaters.test_updater(use))


def test_a_missing_bias_correction_is_seen():
    word = WORDS["updater", "adam"]
    right = word.function

    def wrong(w: Tensor, g: Tensor, state: Any, clock: Clock, **options: Any) -> Update:
        """Adam as it is often written from memory: the moments are not freed of their start."""
        return right(w, g, state, Clock(clock.step + 10**5, clock.epoch), **options)

    with changed(word, options=word.options, function=wrong):
        assert killed(lambda: test_updaters.test_updater(Use(word, "adam", {})))


def test_a_wrong_word_is_seen():
    """An activation, a loss and a layer that compute a little else."""
    relu, mse, dense = (WORDS[k] for k in (("activation", "relu"), ("loss", "mse"), ("layer", "dense")))
    with changed(relu, options=relu.options, function=lambda x: OPS["maximum"](x, 0.01)):
        assert killed(lambda: test_words.test_activation_value(Use(relu, "relu", {})))
    right = mse.function
    with changed(mse, options=mse.options, function=lambda p, y, **o: 0.5 * right(p, y, **o)):
        assert killed(lambda: test_words.test_loss_value(Use(mse, "mse", {}), "f32"))
    layer = dense.function
    with changed(dense, options=dense.options, operands=dense.operands, function=lambda x, **o: layer(-x, **o)):
        assert killed(lambda: test_words.test_layer_value(Use(dense, "dense 8", {"units": 8})))


def test_a_net_trained_on_transposed_targets_is_seen():
    """The numeric gradient itself depends on every number of the batch."""
    net = judged_net(Use(WORDS["loss", "mse"], "mse", {}), "f32")
    made, rng = module(net), np.random.default_rng(0)
    (x,), (y,) = batch(net, rng)
    p = weights(made, net, rng, (x,))

    def gradient(targets: Array) -> Array:
        return numeric_gradient(lambda w: float(made.loss_and_grads({**p, "b2": w}, x, targets)[0]), p["b2"])

    assert not np.allclose(gradient(y), gradient(y[::-1, ::-1]))
