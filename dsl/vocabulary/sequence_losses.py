"""Losses of whole sequences, whose labels have no step of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import ops
from ..ir import Tensor
from ..loop import loop_of
from ..ops.ctc import NEVER, all_steps, at_end, may_skip, shifted, with_blanks
from ..ops.losses import TINY
from ..ops.steps import counted
from ..types import SIMPLEX
from ..words import loss

NAMES = ("scores", "seen", "counts", "free")


def _step(scores: Tensor, seen: Tensor, counts: Tensor, free: Tensor) -> Sequence[Tensor]:
    """The logs of all ways to each place: from itself, from the one before, or past a blank."""
    one, two = shifted(scores, by=1, fill=NEVER), shifted(scores, by=2, fill=NEVER)
    two = ops.where(free, two, NEVER)
    top = ops.maximum(ops.maximum(scores, one), two).named("top")
    ways = ops.exp(scores - top) + ops.exp(one - top) + ops.exp(two - top)
    new = top + ops.log(ways) + seen
    scores = ops.where(ops.expand_dims(counts, axis=1), new, scores).named("scores")
    return scores, scores


@loss("ctc", prediction=SIMPLEX, targets=("class",), aligns=True, example="ctc")
def ctc(p: Tensor, y: Tensor, lengths: Tensor | None) -> Tensor:
    """Cross-entropy of labels whose places among the steps are not known: connectionist temporal classification.

    Class 0 is the blank; labels are padded with it. Where there are too few steps for the labels, of which equal
    neighbours need one between them, the loss is infinite.

    Formula: L = -log(sum of the probabilities of all ways to write the labels with repetitions and blanks)
    Source: Graves et al. 2006, Connectionist Temporal Classification.
    Deeplearning4j: has none.
    Keras: keras.losses.CTC, whose labels are padded with 0.
    PyTorch: CTCLoss(reduction="none"), with blank=0 and the lengths of labels beside them.
    """
    logs = ops.log(ops.maximum(p, TINY)).named("logs")
    way = ops.onehot(with_blanks(y), classes=p.outputs)
    seen = (logs @ ops.permute(way, axes=(0, 2, 1))).named("seen")
    keep = counted(all_steps(p) if lengths is None else lengths, p).named("counted")
    never = ops.broadcast_like(p.builder.constant(NEVER), ops.pick(seen, index=0))
    first = shifted(never, by=1, fill=0.0).named("first")  # as if a blank stood before the first step
    free = may_skip(y).named("free")
    loop = loop_of("ctc", _step, (first.type,), (seen.type, keep.type), (free.type,), names=NAMES)
    (scores,) = ops.scan.scan(first, seen, keep, free, loop=loop)
    losses = -ops.logsumexp(ops.where(at_end(y), ops.last(scores), NEVER))
    return ops.where(losses > -NEVER / 2, math.inf, losses)
