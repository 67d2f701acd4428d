"""Formulas and what simplification makes of them, as program text."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from netc.dsl import ops
from netc.dsl.ir import Builder, Program, Tensor
from netc.dsl.types import Domain, Type

Make = Callable[..., Tensor]
TYPES = {
    "x": Type("f32", ("N", 3)),
    "y": Type("f32", ("N", 3)),
    "c": Type("bool", ("N", 3)),
    "k": Type("i64", ("N",), ops.arange.type(stop=3).domain),  # pyright: ignore[reportAttributeAccessIssue]
    "n": Type("f32", ()),
    "v": Type("f32", ("N",)),
    "s": Type("f32", ("N", "T", 3)),
    "w": Type("i64", ("N",), Domain(1, 3, False, False, whole=True)),
}


def program_of(make: Make) -> Program:
    """The program of a formula; its parameters are inputs of the types above."""
    builder = Builder()
    given = [builder.input("example", name, TYPES[name]) for name in inspect.signature(make).parameters]
    return builder.program("formula", {"r": make(*given)}).check()


def twice_negative(x: Tensor) -> Tensor:
    return ops.elementwise.neg(ops.elementwise.neg(x))


def placed(x: Tensor, start: int, stop: int) -> Tensor:
    """Some columns of x where they stand, among zeros."""
    part = ops.slice_axis(x, axis=1, start=start, stop=stop)
    return ops.shape.pad_axis(part, axis=1, start=start, stop=stop, like=x.shape)


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
    "the logarithm of a softplus that is kept above nothing": (
        lambda x: ops.log(ops.maximum(ops.softplus(x), ops.losses.TINY)),
        """
        %0: f32[N, 3] = log_softplus(x)
        return r = %0
        """,
    ),
    "the logarithm of exp": (
        lambda x: ops.log(ops.exp(x)) * 2,
        """
        %0: f32[] = constant(number=2, dtype='f32', name='')
        %1: f32[N, 3] = mul(%0, x)
        return r = %1
        """,
    ),
    "listed numbers stand beside what was there first": (
        lambda x, y: ops.square(x - y) * ops.vector(ops.square(x - y), values=(1.0, 2.0, 0.5), name=""),
        """
        %0: f32[N, 3] = sub(x, y)
        %1: f32[N, 3] = square(%0)
        %2: f32[3] = vector(x, values=(1.0, 2.0, 0.5), name='')
        %3: f32[N, 3] = mul(%1, %2)
        return r = %3
        """,
    ),
    "listed numbers stand beside what has the precision of the run": (
        lambda k, v: ops.vector(ops.cast(k, dtype="f32") * v, values=(1.0, 2.0), name=""),
        """
        %0: f32[2] = vector(v, values=(1.0, 2.0), name='')
        return r = %0
        """,
    ),
    "the mean of copies of one number": (
        lambda n, v: ops.mean(ops.broadcast_like(ops.exp(n), v), axes=(0,), keepdims=False),
        """
        %0: f32[] = exp(n)
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
    "the logarithm of a sigmoid, and of what it leaves": (
        lambda x, y: ops.log(ops.maximum(ops.sigmoid(x), 1e-30)) + y * ops.log(1 - ops.sigmoid(x)),
        """
        %0: f32[N, 3] = neg(x)
        %1: f32[N, 3] = softplus(%0)
        %2: f32[N, 3] = neg(%1)
        %3: f32[N, 3] = softplus(x)
        %4: f32[N, 3] = neg(%3)
        %5: f32[N, 3] = mul(y, %4)
        %6: f32[N, 3] = add(%2, %5)
        return r = %6
        """,
    ),
    "the logarithm of a number": (
        lambda x: x * ops.log(x.builder.constant(2)),
        """
        %0: f32[] = constant(number=0.6931471805599453, dtype='f32', name='')
        %1: f32[N, 3] = mul(%0, x)
        return r = %1
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
    "0 of an array is nothing": (
        lambda x, y: x - 0 * y,
        """
        return r = x
        """,
    ),
    "a number spread over an array is added as that number": (
        lambda x, n: x - ops.broadcast_like(n, x),
        """
        %0: f32[N, 3] = sub(x, n)
        return r = %0
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
    "a product transposed": (
        lambda x: ops.transposed(ops.transposed(ops.stack(x, x)) @ ops.stack(x, x)),
        """
        %0: f32[N, 2, 3] = stack(x, x)
        %1: f32[N, 3, 2] = transposed(%0)
        %2: f32[N, 3, 3] = matmul(%1, %0)
        return r = %2
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
    "small powers": (
        lambda x: x**2 + x**1,
        """
        %0: f32[N, 3] = square(x)
        %1: f32[N, 3] = add(%0, x)
        return r = %1
        """,
    ),
    "the negative of a product with one": (
        lambda x, y: -(-x * y),
        """
        %0: f32[N, 3] = mul(x, y)
        return r = %0
        """,
    ),
    "two parts that fill one another's margins": (
        lambda x: placed(x, 1, 3) + placed(x, 0, 1),
        """
        %0: f32[N, 2] = slice(x, axis=1, start=1, stop=3)
        %1: f32[N, 1] = slice(x, axis=1, start=0, stop=1)
        %2: f32[N, 3] = concat(%1, %0, axis=1)
        return r = %2
        """,
    ),
    "a choice divided": (
        lambda x, y: ops.where(x > 0, 0, x) / (1 + ops.square(y)),
        """
        %0: f32[] = constant(number=0, dtype='f32', name='')
        %1: bool[N, 3] = greater(x, %0)
        %2: f32[N, 3] = square(y)
        %3: f32[] = constant(number=1, dtype='f32', name='')
        %4: f32[N, 3] = add(%3, %2)
        %5: f32[N, 3] = div(x, %4)
        %6: f32[N, 3] = where(%1, %0, %5)
        return r = %6
        """,
    ),
    "the gradient of a vector that was spread over images": (
        lambda x: ops.reshape(ops.reshape(ops.total(x, axes=(0,), keepdims=False), shape=(3, 1, 1)), shape=(1, 3)),
        """
        %0: f32[3] = total(x, axes=(0,), keepdims=False)
        %1: f32[1, 3] = reshape(%0, shape=(1, 3))
        return r = %1
        """,
    ),
    "a product broadcasts by itself": (
        lambda x, y: ops.broadcast_like(ops.total(x, axes=(1,), keepdims=True), x) * y,
        """
        %0: f32[N, 1] = total(x, axes=(1,), keepdims=True)
        %1: f32[N, 3] = mul(%0, y)
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
    "what stands before steps in reverse": (
        lambda s, w: ops.nothing(ops.reverse_steps(ops.reverse(s, axis=1), w), units=2),
        """
        %0: f32[N, 2] = nothing(s, units=2)
        return r = %0
        """,
    ),
    "the steps that count are those of an input": (
        lambda s, w: ops.where(ops.expand_dims(ops.steps.counted(w, ops.tanh(s)), axis=2), s, 0),
        """
        %0: bool[N, T] = counted(w, s)
        %1: bool[N, T, 1] = expand_dims(%0, axis=2)
        %2: f32[] = constant(number=0, dtype='f32', name='')
        %3: f32[N, T, 3] = where(%1, s, %2)
        return r = %3
        """,
    ),
}  # fmt: skip
