"""A loss that draws the features of a class together, around a center that the loss keeps."""

from __future__ import annotations

from .. import ops
from ..context import Keeper
from ..ir import Tensor
from ..words import Chance, loss
from .losses import example_sum


@loss("center_loss", example="center_loss", targets=("class",), features=True, keeps=True)
def center_loss(p: Tensor, y: Tensor, keeper: Keeper, alpha: Chance = 0.5) -> Tensor:
    """The squared distance of the features of an example from the center of its class, which the loss keeps.

    It stands beside a loss that tells the classes apart: loss mcxent(kind, k) + 0.003 * center_loss(features, k). The
    centers are no weights, and no updater moves them: for the gradients they are constants, and each step brings them
    nearer to the features of its batch, by alpha. Predictions do not need them.

    Formula: sum((p - centers[y])^2) / 2;
    centers'[c] = centers[c] + alpha * sum(p - centers[c]) / (1 + n), over the n examples of the batch that are c
    Source: Wen et al. 2016, A discriminative feature learning approach for deep face recognition, where alpha is 0.5.
    Deeplearning4j: CenterLossOutputLayer, alpha = 0.05, lambda = 2e-4 for the factor in front.
    Keras: has none.
    PyTorch: has none.
    """
    classes = int(y.type.domain.high) + 1
    (centers,) = keeper.running({"centers": 0.0}, (classes, p.features))
    apart = (p - ops.gather(centers, y)).named("apart")
    if keeper.learning:
        counts = ops.total(ops.onehot(y, classes=classes), axes=(0,), keepdims=False).named("counts")
        moves = ops.scatter_add(apart, y, rows=classes) / ops.expand_dims(1 + counts, axis=1)
        keeper.move({"centers": centers + alpha * moves})
    return 0.5 * example_sum(ops.square(apart))
