"""The known architectures in specs/: parameters and work are those of the papers, and both engines predict the same.

Work is counted as two operations for each multiplication and addition of convolutions and dense layers; pooling,
norms and activations come on top, less than 3 % of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from harness import module
from netc.codegen import to_onnx
from netc.dsl import Net, load
from netc.runtime import Session

SPECS = Path(__file__).resolve().parent.parent / "specs" / "architectures"


@dataclass(frozen=True)
class Known:
    """What is known of an architecture: its parameters, millions of multiplications and additions for an example.

    `small` is what makes it small enough to run in a test.
    """

    parameters: int
    millions: float
    small: dict[str, str] = field(default_factory=dict[str, str])


# Parameters are those of torchvision's models, which are the papers' where these tell them; multiplications and
# additions are those that its documentation lists as GFLOPS. What is not from there:
# lenet5: 156 + 2,416 + 48,120 + 10,164 + 850; each filter of the second layer sees all 6 maps, as is common.
#     Products: 6 * 25 * 28 * 28 + 16 * 150 * 10 * 10 + 400 * 120 + 120 * 84 + 84 * 10.
# resnet8: 144 + 32 in front, blocks of 4,864 + 96, 14,336 + 192 and 57,344 + 384, and 650.
# mobilenet: table 8 of Howard et al. 2017 has 569 million and 4.2 million parameters.
# unet: 2,480 + 13,888 + 55,424 on the way down, 8,224 + 27,712 and 2,064 + 6,944 on the way up, and 17.
KNOWN = {
    "lenet5": Known(61_706, 0.41652),
    "resnet8": Known(78_042, 9.49),
    "alexnet": Known(61_100_840, 714, {"size": "64", "width": "8"}),
    "vgg16": Known(138_357_544, 15_470, {"size": "32", "width": "8"}),
    "squeezenet": Known(1_235_496, 349, {"size": "48"}),
    "resnet18": Known(11_689_512, 1_814, {"size": "40"}),
    "mobilenet": Known(4_231_976, 569, {"size": "64", "width": "8"}),
    "unet": Known(116_753, 99.1, {"size": "32"}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_parameters_and_work_are_the_papers(name: str) -> None:
    known, net = KNOWN[name], load(SPECS / f"{name}.net")
    assert net.parameters == known.parameters
    counted = sum(layer.flops for layer in net.layers) / 2e6
    assert known.millions <= counted <= 1.03 * known.millions, counted


def ran(net: Net) -> tuple[np.ndarray, np.ndarray]:
    """What the file and the inference graph predict for two images, after the running statistics have moved."""
    made = module(net)
    p, rng = made.init(1), np.random.default_rng(1)
    for name in net.states:
        p[name] += 0.05 * rng.standard_normal(p[name].shape).astype(np.float32)
    x = rng.standard_normal((2, *net.inputs[0].shape)).astype(np.float32)
    session = Session(to_onnx(net, p).SerializeToString())
    theirs = session.run(**{net.inputs[0].name: x})[net.outputs[0].name]
    return made.predict(p, x), theirs


@pytest.mark.parametrize("name", KNOWN)
def test_the_file_and_the_graph_predict_the_same(name: str) -> None:
    found, theirs = ran(load(SPECS / f"{name}.net", KNOWN[name].small))
    assert found.shape == theirs.shape and found.std() > 0
    # Sums of up to 9,216 products in float32, one after the other in up to 27 layers
    assert np.abs(found - theirs).max() <= 1e-4 * np.abs(found).max()
