"""Raw pixels: bytes go into the trainer and into the exported model, and their scaling travels in the graph."""

from __future__ import annotations

import numpy as np
import pytest
from harness import Array, assert_close, batch, module, narrow, run_onnx, small, weights
from netc.codegen import to_onnx
from onnx import TensorProto
from reference.layers import rescaled, standardized
from uses import SINGLE, check_steps

SCALINGS = {
    "scale 0.00392156862745098": lambda x: x * 0.00392156862745098,
    "shift -128 -> scale 0.0078125": lambda x: (x - 128.0) / 128,
    "standardize": standardized,
    "standardize per=channel": lambda x: standardized(x, per="channel"),
    "rescale": rescaled,
    "rescale per=channel": lambda x: rescaled(x, per="channel"),
}


@pytest.mark.parametrize("text", SCALINGS)
@pytest.mark.parametrize("given", ["u8[3, 4, 5]", "u8[1, 6, 6]"])
def test_the_exported_model_takes_bytes(text: str, given: str):
    net = small(f"scaled = x -> {text}\noutput scaled\nscaled -> conv 2 3x3 -> relu -> flatten -> dense 2", given=given)
    made, rng = module(net), np.random.default_rng(7)
    (x,), _ = batch(net, rng)
    p = weights(made, net, rng, (x,))
    exact = SCALINGS[text](x)
    assert_close(made.predict(p, x), exact, 1e-6, "statistics are kept in float32")
    model = to_onnx(net, p)
    assert [i.type.tensor_type.elem_type for i in model.graph.input] == [TensorProto.UINT8]
    for reference in (False, True):
        assert_close(run_onnx(model, {"x": x}, reference)["scaled"], made.predict(narrow(p), x), SINGLE)
    check_steps(net, 2, text)


def test_predictions_of_a_convolution_on_bytes():
    """The same weights give the same from bytes and from the numbers that they stand for."""
    chains = "standardize per=channel -> conv 4 3x3 pad=1 -> relu -> maxpool 2x2 -> flatten -> dense 2"
    net, plain = small(chains, given="u8[3, 8, 8]"), small(chains, given="f32[3, 8, 8]")
    made, rng = module(net), np.random.default_rng(8)
    (x,), _ = batch(net, rng)
    p = weights(made, net, rng, (x,))
    exact = module(plain).predict(p, x.astype(np.float64))
    assert_close(run_onnx(to_onnx(net, p), {"x": x})["y"], exact, SINGLE)
    assert_close(made.predict(narrow(p), x), exact, SINGLE)


def fitted(text: str, x: Array, given: str) -> dict[str, Array]:
    made = module(small(f"{text} -> flatten -> dense 2", given=given))
    p = made.init(0)
    made.fit(p, x)
    return p


def test_a_constant_channel():
    x = np.zeros((4, 2, 3, 3), np.float32)
    x[:, 0] = 7
    x[:, 1] = np.arange(36).reshape(4, 3, 3)
    p = fitted("standardize per=channel", x, "f32[2, 3, 3]")
    assert p["mean"].tolist() == [7, 17.5] and p["deviation"][0] == 1
    assert p["deviation"].shape == (2,) and np.isclose(p["deviation"][1], np.arange(36).std())
    p = fitted("rescale per=channel", x, "f32[2, 3, 3]")
    assert p["lowest"].tolist() == [7, 0] and p["width"].tolist() == [1, 35]


def test_of_features_each_is_a_channel():
    x = np.random.default_rng(3).standard_normal((5, 6))
    found = [fitted(f"standardize per={per}", x, "f32[6]")["deviation"].tolist() for per in ("channel", "element")]
    assert found[0] == found[1]


def test_statistics_are_of_the_images_as_they_are():
    """What changes images at random does not change what is learned from them."""
    x = np.random.default_rng(3).integers(0, 256, (5, 1, 4, 4), np.uint8)
    plain = fitted("standardize per=channel", x, "u8[1, 4, 4]")
    moved = fitted("flip -> random_shift 1 -> cutout 2 -> standardize per=channel", x, "u8[1, 4, 4]")
    assert plain["mean"] == moved["mean"] and plain["deviation"] == moved["deviation"]
