"""Activations that keep within bounds, those over all features, and the plain ones."""

from __future__ import annotations

from .. import ops
from ..context import net
from ..ir import Tensor
from ..words import PositiveReal, WordError, activation
from .axes import need_features_last, turned, turned_back


@activation("identity", example="identity", aliases=("linear",))
def identity(x: Tensor) -> Tensor:
    """The value as it is.

    Formula: f(x) = x
    Source: definition.
    Deeplearning4j: IDENTITY.
    Keras: linear.
    PyTorch: Identity.
    """
    return x


@activation("cube", example="cube")
def cube(x: Tensor) -> Tensor:
    """The third power.

    Formula: f(x) = x^3
    Source: Chen and Manning 2014, A fast and accurate dependency parser using neural networks.
    Deeplearning4j: CUBE.
    Keras: has none.
    PyTorch: has none.
    """
    return x**3


@activation("step", example="step", aliases=("heaviside",))
def step(x: Tensor) -> Tensor:
    """1 above 0, else 0; its slope is 0, so layers before it learn nothing through it.

    Formula: f(x) = 1 for x > 0, else 0
    Source: McCulloch and Pitts 1943, A logical calculus of the ideas immanent in nervous activity.
    Deeplearning4j: has none.
    Keras: has none.
    PyTorch: torch.heaviside(x, 0).
    """
    return ops.heaviside(x)


# Within bounds --------------------------------------------------------------------------------------------------------


@activation("sigmoid", example="sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """The logistic function, which rises from 0 to 1.

    Formula: f(x) = 1 / (1 + exp(-x))
    Source: definition.
    Deeplearning4j: SIGMOID.
    Keras: sigmoid.
    PyTorch: Sigmoid.
    """
    return ops.sigmoid(x)


@activation("hardsigmoid", example="hardsigmoid", aliases=("hard_sigmoid",))
def hardsigmoid(x: Tensor, slope: PositiveReal | None = None) -> Tensor:
    """A sigmoid made of straight lines; unless given, the slope is 1/6.

    Formula: f(x) = min(max(slope * x + 0.5, 0), 1)
    Source: Courbariaux et al. 2015, BinaryConnect; with the slope 1/6 in Howard et al. 2019, Searching for MobileNetV3.
    Deeplearning4j: HARDSIGMOID, which is hardsigmoid slope=0.2.
    Keras: hard_sigmoid, whose slope was 0.2 before Keras 3.
    PyTorch: Hardsigmoid.
    """
    rise = x / 6 if slope is None else slope * x
    return ops.clip(rise + 0.5, low=0, high=1)


@activation("logsigmoid", example="logsigmoid", aliases=("log_sigmoid",))
def logsigmoid(x: Tensor) -> Tensor:
    """The logarithm of the sigmoid.

    Formula: f(x) = -log(1 + exp(-x))
    Source: definition.
    Deeplearning4j: has none.
    Keras: log_sigmoid.
    PyTorch: LogSigmoid.
    """
    return -ops.softplus(-x)


@activation("tanh", example="tanh")
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, which rises from -1 to 1.

    Formula: f(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))
    Source: definition.
    Deeplearning4j: TANH.
    Keras: tanh.
    PyTorch: Tanh.
    """
    return ops.tanh(x)


@activation("hardtanh", example="hardtanh", aliases=("hard_tanh",))
def hardtanh(x: Tensor) -> Tensor:
    """x itself, held between -1 and 1.

    Formula: f(x) = min(max(x, -1), 1)
    Source: Collobert 2004, Large scale machine learning.
    Deeplearning4j: HARDTANH.
    Keras: hard_tanh.
    PyTorch: Hardtanh.
    """
    return ops.clip(x, low=-1, high=1)


@activation("rectifiedtanh", example="rectifiedtanh", aliases=("rectified_tanh",))
def rectifiedtanh(x: Tensor) -> Tensor:
    """The positive part of tanh.

    Formula: f(x) = max(tanh(x), 0)
    Source: definition.
    Deeplearning4j: RECTIFIEDTANH.
    Keras: has none.
    PyTorch: has none.
    """
    return ops.maximum(ops.tanh(x), 0)


@activation("rationaltanh", example="rationaltanh", aliases=("rational_tanh",))
def rationaltanh(x: Tensor) -> Tensor:
    """LeCun's scaled tanh, 1.7159 * tanh(2 x / 3), by a quotient of polynomials in place of tanh.

    Formula: f(x) = 1.7159 * sign(x) * (1 - 1 / (1 + a + a^2 + 1.41645 * a^4)), a = 2 |x| / 3
    Source: LeCun et al. 1998, Efficient backprop; Anguita et al. 1993, Speed improvement of the back-propagation
    on current generation workstations.
    Deeplearning4j: RATIONALTANH.
    Keras: has none.
    PyTorch: has none.
    """
    return 1.7159 * ops.rational_tanh(2 * x / 3)


@activation("softsign", example="softsign")
def softsign(x: Tensor) -> Tensor:
    """A curve like tanh that nears -1 and 1 slowly.

    Formula: f(x) = x / (1 + |x|)
    Source: Bergstra et al. 2009, Quadratic polynomials learn better image features.
    Deeplearning4j: SOFTSIGN.
    Keras: softsign.
    PyTorch: Softsign.
    """
    return ops.softsign(x)


# Over the features ----------------------------------------------------------------------------------------------------


@activation("softmax", gives="probs", example="softmax")
def softmax(x: Tensor) -> Tensor:
    """Probabilities over the features.

    Formula: f(x) = exp(x) / sum(exp(x))
    Source: Bridle 1990, Probabilistic interpretation of feedforward classification network outputs.
    Deeplearning4j: SOFTMAX.
    Keras: softmax.
    PyTorch: Softmax(dim=1).
    """
    _check_scores("softmax", x, "use sigmoid with xent for two classes, or give the layer before it one output a class")
    return turned_back(ops.softmax(turned(x)), x)


@activation("logsoftmax", example="logsoftmax", aliases=("log_softmax",))
def logsoftmax(x: Tensor) -> Tensor:
    """The logarithms of the probabilities over the features.

    Formula: f(x) = x - log(sum(exp(x)))
    Source: definition.
    Deeplearning4j: has none.
    Keras: log_softmax.
    PyTorch: LogSoftmax(dim=1).
    """
    _check_scores("logsoftmax", x, "use logsigmoid for two classes, or give the layer before it one output a class")
    return turned_back(ops.log_softmax(turned(x)), x)


def _check_scores(word: str, x: Tensor, help: str) -> None:
    if x.features == 1:
        constant = {"softmax": 1, "logsoftmax": 0}[word]
        raise WordError("softmax-of-one", f"{word} over one feature is {constant} whatever the input", help)
    if x.type.domain.simplex is not None:
        message = f"{net().previous} already gives probabilities that sum to 1; a second softmax flattens them"
        raise WordError("softmax-twice", message, "take one of them away")


@activation("glu", example="glu")
def glu(x: Tensor) -> Tensor:
    """The first half of the features, gated by the sigmoid of the second half.

    Formula: f(a, b) = a * sigmoid(b)
    Source: Dauphin et al. 2017, Language modeling with gated convolutional networks.
    Deeplearning4j: has none.
    Keras: glu.
    PyTorch: GLU.
    """
    need_features_last(x)
    half, odd = divmod(x.features, 2)
    if odd:
        message = f"glu halves the features, but {net().previous} gives {x.features}"
        raise WordError("shape-mismatch", message, "give the layer before it an even number of outputs")
    axis = x.axis
    gate = ops.sigmoid(ops.slice_axis(x, axis=axis, start=half, stop=2 * half)).named("gate")
    return ops.slice_axis(x, axis=axis, start=0, stop=half).named("gated") * gate
