"""Layers in which each step looks at others: by products of projections, by a small net, or by queries of its own."""

from __future__ import annotations

from typing import Annotated

from .. import ops
from ..context import net, weight
from ..ir import Tensor
from ..types import Dim, show_shape
from ..words import Flag, Initializer, Kind, Number, Positive, ScheduledUnit, WordError, layer
from .axes import need_features_last, placed
from .fan_initializers import XAVIER
from .initializers import ZEROS
from .noise import acts, kept

Heads = Annotated[int | None, Kind("whole", "a whole number of at least 1", 1)]


def need_steps(x: Tensor, word: str) -> None:
    """Raise unless an example is steps, each with its features on the last axis."""
    need_features_last(x)
    if len(x.shape) > 2 and x.axis == len(x.shape) - 1:
        return
    gives = f"{net().previous} gives {show_shape(x.shape)}"
    if len(x.shape) == 2:
        message, help = f"{word} needs steps with features, but {gives}", "put reshape before it, as in reshape [3, 2]"
    else:
        order = [*range(1, len(x.shape) - 1), 0]
        message = f"{word} needs features on the last axis, but {gives}, whose channels come first"
        help = f"put permute {order} before {word}"
    raise WordError("shape-mismatch", message, help)


def _remembered(x: Tensor, memory: Tensor | None, word: str) -> Tensor:
    """What the steps look at: another value over steps of the same examples, or themselves."""
    need_steps(x, word)
    if memory is None:
        return x
    need_steps(memory, word)
    if x.shape[:-2] != memory.shape[:-2]:
        message = f"{word} has {show_shape(x.shape)}, and looks at {show_shape(memory.shape)}"
        raise WordError("shape-mismatch", message, "both have the same axes before those of steps and features")
    return memory


def _need_same(x: Tensor, memory: Tensor, word: str) -> None:
    """Raise where scores are products of features that differ in their number."""
    if x.features != memory.features:
        message = f"{word} multiplies features, of which {show_shape(x.shape)} and {show_shape(memory.shape)} differ"
        raise WordError("shape-mismatch", message, "put a dense layer before it, or take attention, which projects")


# What counts ----------------------------------------------------------------------------------------------------------


def _kept(x: Tensor, memory: Tensor, rank: int, causal: bool) -> Tensor | None:
    """Which steps of the memory each step sees, as it broadcasts over scores of a rank; None where it sees all."""
    counted = net().mask(memory, len(memory.shape) - 2)
    if counted is not None:
        *lead, steps = counted.shape
        counted = ops.reshape(counted, shape=(*lead, *[1] * (rank - 1 - len(lead)), steps))
    if not causal:
        return counted
    if x.shape[-2] != memory.shape[-2]:
        message = f"causal needs as many steps of what it looks at, but has {show_shape(x.shape)}"
        raise WordError("bad-option", f"{message} and {show_shape(memory.shape)}", "take causal away")
    seen = ops.causal(x).named("seen")
    return seen if counted is None else ops.logical_and(counted, seen).named("seen")


def _shares(scores: Tensor, keep: Tensor | None, dropout: Number) -> Tensor:
    """What each step takes of each other one: the softmax of its scores, of which training may drop some."""
    shares = ops.softmax(scores) if keep is None else ops.masked_softmax(scores, keep)
    shares = shares.named("shares")
    if not acts(dropout):
        return shares
    return ops.mask(shares / (1 - dropout), kept(shares.shape, dropout)).named("shares")


# Heads ----------------------------------------------------------------------------------------------------------------


def _size(units: int, heads: int, word: str) -> int:
    """The features of one head."""
    size, left = divmod(units, heads)
    if left:
        message = f"{word} has {heads} heads, and {units} units"
        raise WordError("bad-option", message, "the number of units is a multiple of the heads")
    return size


def _projected(x: Tensor, name: str, units: int, init: Initializer, bias: Initializer | None) -> Tensor:
    z = x @ weight(f"W{name}", (x.outputs, units), init)
    return z if bias is None else z + weight(f"b{name}", (units,), bias)


def _heard(q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None, dropout: Number) -> Tensor:
    """What each query hears of the values."""
    scores = (q.named("q") @ ops.transposed(k)).named("scores")
    return _shares(scores, keep, dropout) @ v


@layer("attention", example="attention heads=2", aliases=("self_attention", "multi_head_attention"), gives="attended")
def attention(
    x: Tensor,
    memory: Tensor | None = None,
    heads: Positive = 1,
    kv_heads: Heads = None,
    units: Heads = None,
    causal: Flag = False,
    rotary: Flag = False,
    dropout: ScheduledUnit = 0.0,
    bias: Flag = True,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """Each step takes a mean of all steps, weighted by how its query fits their keys; with heads, several such means.

    A named value is what the steps look at in the place of themselves: keys and values come from it, queries from the
    current value. Steps that are padding are not looked at. causal=true hides what comes later. kv_heads= lets groups
    of heads share keys and values, and rotary=true turns queries and keys by angles that grow with the step, so that
    scores depend on distances. units= is the number of features that come out, by default as many as go in. dropout=
    drops a share of the weights of steps in training. Wq is (in, units), Wk and Wv are (in, units / heads * kv_heads),
    Wo is (units, units). Unless rotary turns it bk does nothing: it adds one number to all scores of a step.

    Formula: f(x) = softmax(q @ k^T / sqrt(d)) @ v @ Wo + bo for q = x @ Wq + bq, k = m @ Wk + bk, v = m @ Wv + bv,
    each head with its d features of q, k and v, and m = memory or x
    Source: Vaswani et al. 2017, Attention is all you need; kv_heads from Ainslie et al. 2023, GQA: training generalized
    multi-query transformer models; rotary from Su et al. 2021, RoFormer: enhanced transformer with rotary position
    embedding, with the two numbers of a pair in either half of a head.
    Deeplearning4j: SelfAttentionLayer, and AttentionVertex for another memory; neither has biases, causal or dropout.
    Keras: MultiHeadAttention, whose key_dim is units / heads; GroupQueryAttention has kv_heads.
    PyTorch: MultiheadAttention, whose in_proj_weight holds Wq, Wk and Wv transposed below each other.
    """
    memory = _remembered(x, memory, "attention")
    units, groups = units or x.features, kv_heads or heads
    size, shared = _size(units, heads, "attention"), heads // groups
    if heads % groups:
        message = f"attention has {heads} heads, and {groups} of keys and values"
        raise WordError("bad-option", message, "heads is a multiple of kv_heads")
    if rotary and size % 2:
        message = f"rotary turns pairs of features, and a head has {size}"
        raise WordError("bad-option", message, "choose another number of heads or units")
    start = bias_init if bias else None
    q = ops.split_heads(_projected(x, "q", units, init, start) / size**0.5, heads=groups)
    k, v = (ops.split_heads(_projected(memory, n, groups * size, init, start), heads=groups).named(n) for n in "kv")
    if shared > 1:
        q = ops.split_heads(q, heads=shared)
        k, v = (ops.expand_dims(each, axis=len(each.shape) - 2) for each in (k, v))
    if rotary:
        q, k = ops.rotated(q, way=1), ops.rotated(k, way=1)
    heard = _heard(q, k, v, _kept(x, memory, len(q.shape), causal), dropout)
    heard = ops.join_heads(heard) if shared > 1 else heard
    return placed(_projected(ops.join_heads(heard).named("heard"), "o", units, init, start), False)


@layer("learned_attention", example="learned_attention 3", gives="attended", aliases=("learned_self_attention",))
def learned_attention(
    x: Tensor,
    queries: Positive,
    heads: Positive = 1,
    units: Heads = None,
    dropout: ScheduledUnit = 0.0,
    bias: Flag = True,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """A given number of means of all steps, weighted by how queries that are weights fit the keys of the steps.

    So steps of any number give [queries, units]. Steps that are padding are not looked at. Q is (queries, units), Wk
    and Wv are (in, units), Wo is (units, units); units are as many as go in unless told.

    Formula: f(x) = softmax(Q @ k^T / sqrt(d)) @ v @ Wo + bo for k = x @ Wk + bk and v = x @ Wv + bv, each head with its
    d features of Q, k and v
    Source: Lee et al. 2019, Set transformer: a framework for attention-based permutation-invariant neural networks,
    whose pooling has more layers behind it.
    Deeplearning4j: LearnedSelfAttentionLayer, whose queries are projected once more, and which has no biases.
    Keras: has none.
    PyTorch: has none; MultiheadAttention with a parameter for its queries.
    """
    need_steps(x, "learned_attention")
    units = units or x.features
    size, start = _size(units, heads, "learned_attention"), bias_init if bias else None
    q = ops.split_heads(weight("Q", (queries, units), init) / size**0.5, heads=heads)
    k, v = (ops.split_heads(_projected(x, n, units, init, start), heads=heads).named(n) for n in "kv")
    heard = _heard(q, k, v, _kept(x, x, len(k.shape), False), dropout)
    return placed(_projected(ops.join_heads(heard).named("heard"), "o", units, init, start), False)


# Without projections of values ----------------------------------------------------------------------------------------


@layer("dot_attention", example="dot_attention", gives="attended")
def dot_attention(
    x: Tensor,
    memory: Tensor | None = None,
    scaled: Flag = True,
    causal: Flag = False,
    dropout: ScheduledUnit = 0.0,
) -> Tensor:
    """Each step takes a mean of all steps, weighted by their products with it; it has no weights.

    A named value is what the steps look at in the place of themselves. Steps that are padding are not looked at.
    causal=true hides what comes later. dropout= drops a share of the weights of steps in training.

    Formula: f(x) = softmax(x @ m^T / sqrt(d)) @ m for d features and m = memory or x; scaled=false leaves sqrt(d) out
    Source: Vaswani et al. 2017, Attention is all you need; without scaling Luong et al. 2015, Effective approaches to
    attention-based neural machine translation.
    Deeplearning4j: SelfAttentionLayer with one head and projectInput(false).
    Keras: Attention, which does not scale.
    PyTorch: torch.nn.functional.scaled_dot_product_attention.
    """
    memory = _remembered(x, memory, "dot_attention")
    _need_same(x, memory, "dot_attention")
    scores = x @ ops.transposed(memory)
    # ONNX Runtime loses a node where two factors stand before a product: scores are scaled behind it.
    scores = (scores / x.features**0.5 if scaled else scores).named("scores")
    shares = _shares(scores, _kept(x, memory, len(scores.shape), causal), dropout)
    return placed(shares @ memory, False)


@layer("additive_attention", example="additive_attention", gives="attended")
def additive_attention(
    x: Tensor,
    memory: Tensor | None = None,
    units: Heads = None,
    causal: Flag = False,
    dropout: ScheduledUnit = 0.0,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """Each step takes a mean of all steps, weighted by scores that a small net gives to it and each of them.

    A named value is what the steps look at in the place of themselves. Steps that are padding are not looked at.
    causal=true hides what comes later. dropout= drops a share of the weights of steps in training. Wq is (in, units),
    Wk is (features of the memory, units), v is (units, 1); units are as many as the features of x unless told.

    Formula: f(x)[t] = sum over s of a[t, s] * m[s] for a[t] = softmax over s of v . tanh(x[t] @ Wq + m[s] @ Wk + bk)
    and m = memory or x
    Source: Bahdanau et al. 2015, Neural machine translation by jointly learning to align and translate.
    Deeplearning4j: RecurrentAttentionLayer scores so, with the last state of its recurrent layer for x.
    Keras: AdditiveAttention, which has v alone, and leaves both projections to layers before it.
    PyTorch: has none.
    """
    memory = _remembered(x, memory, "additive_attention")
    units = units or x.features
    q = _projected(x, "q", units, init, None).named("q")
    k = _projected(memory, "k", units, init, bias_init).named("k")
    lead = len(x.shape) - 2
    both = ops.expand_dims(q, axis=lead + 1) + ops.expand_dims(k, axis=lead)
    hidden = ops.tanh(both).named("hidden")
    rows: tuple[Dim, ...] = (*x.shape[:-1], memory.shape[-2])
    scores = ops.reshape(hidden @ weight("v", (units, 1), init), shape=rows).named("scores")
    shares = _shares(scores, _kept(x, memory, len(scores.shape), causal), dropout)
    return placed(shares @ memory, False)


@layer("attention_pool", example="attention_pool", gives="pooled")
def attention_pool(
    x: Tensor, units: Heads = None, bias: Flag = True, init: Initializer = XAVIER, bias_init: Initializer = ZEROS
) -> Tensor:
    """One mean of all steps, weighted by scores that a small net gives to each of them.

    Steps that are padding have no weight. Of a text as sentences of words it leaves sentences: the steps are those on
    the axis before the features. W is (in, units), b (units) and v (units, 1); units are as many as go in unless told.

    Formula: f(x) = sum over t of a[t] * x[t] for a = softmax over t of v . tanh(x[t] @ W + b)
    Source: Yang et al. 2016, Hierarchical attention networks for document classification.
    Deeplearning4j: has none; LearnedSelfAttentionLayer with one query comes near.
    Keras: has none.
    PyTorch: has none.
    """
    need_steps(x, "attention_pool")
    units = units or x.features
    hidden = ops.tanh(_projected(x, "", units, init, bias_init if bias else None)).named("hidden")
    scores = ops.transposed(hidden @ weight("v", (units, 1), init)).named("scores")
    shares = _shares(scores, _kept(x, x, len(scores.shape), False), 0.0)
    means = (shares @ x).named("means")
    return placed(ops.reshape(means, shape=(*x.shape[:-2], x.features)), False)
