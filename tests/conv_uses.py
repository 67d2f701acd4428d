"""Uses of layers whose filters slide: odd sizes, strides beyond the window, margins, one pixel, groups, each rank."""

from __future__ import annotations

from typing import Any

from harness import small
from image_uses import use
from netc.dsl import Net
from uses import Use

# Of each word what it is given, and its options by name.
SLIDING: list[tuple[str, str, dict[str, Any]]] = [
    ("conv", "f32[2, 7, 6]", {"channels": 3, "kernel": (3, 2)}),
    ("conv", "f32[1, 9, 6]", {"channels": 2, "kernel": 3, "stride": 2, "pad": "same"}),
    ("conv", "f32[2, 6, 7]", {"channels": 2, "kernel": (2, 4), "pad": "same"}),
    ("conv", "f32[2, 8, 7]", {"channels": 2, "kernel": 2, "stride": (3, 4)}),
    ("conv", "f32[2, 6, 7]", {"channels": 2, "kernel": (2, 3), "dilation": (3, 2), "pad": "same", "stride": (1, 2)}),
    ("conv", "f32[2, 4, 6]", {"channels": 3, "kernel": 3, "pad": ((0, 2), (1, 0)), "stride": 2}),
    ("conv", "f32[4, 5, 4]", {"channels": 6, "kernel": 2, "groups": 2, "pad": 1}),
    ("conv", "f32[3, 1, 1]", {"channels": 2, "kernel": 1}),
    ("conv", "f32[2, 1, 1]", {"channels": 2, "kernel": 3, "pad": (1, 2)}),
    ("conv", "f32[3, 5, 4]", {"channels": 2, "kernel": 1, "stride": 2}),
    ("conv", "f32[2, 8]", {"channels": 3, "kernel": 3, "pad": "causal", "dilation": 2}),
    ("conv", "f32[2, 9]", {"channels": 3, "kernel": 4, "pad": "same", "stride": 2}),
    ("conv", "f32[1, 7]", {"channels": 2, "kernel": 7, "bias": False}),
    ("conv", "f32[2, 3, 4, 3]", {"channels": 2, "kernel": 2, "pad": "same"}),
    ("conv", "f32[2, 4, 3, 5]", {"channels": 4, "kernel": (2, 1, 3), "stride": (2, 1, 1), "groups": 2}),
    ("conv", "f32[4, 9]", {"channels": 2, "kernel": 2, "stride": 3, "groups": 2, "pad": ((0, 1),)}),
    (
        "conv",
        "f32[1, 4, 3, 4]",
        {
            "channels": 2,
            "kernel": (1, 2, 2),
            "stride": (2, 3, 1),
            "dilation": (1, 1, 2),
            "pad": ((0, 0), (1, 0), (2, 0)),
        },
    ),
    ("deconv", "f32[2, 3, 4]", {"channels": 3, "kernel": 3, "stride": 2, "pad": 1, "output_pad": 1}),
    ("deconv", "f32[2, 3, 2]", {"channels": 2, "kernel": (3, 2), "stride": (2, 3), "dilation": 2}),
    ("deconv", "f32[2, 2, 3]", {"channels": 2, "kernel": 4, "stride": 2, "pad": "same"}),
    ("deconv", "f32[2, 2, 3]", {"channels": 2, "kernel": 1, "stride": 3, "pad": "same"}),
    ("deconv", "f32[4, 2, 3]", {"channels": 6, "kernel": 2, "groups": 2, "pad": ((0, 1), (1, 0))}),
    ("deconv", "f32[2, 4]", {"channels": 3, "kernel": 3, "stride": 2, "output_pad": 1}),
    ("deconv", "f32[3, 1, 1]", {"channels": 2, "kernel": 3}),
    ("deconv", "f32[2, 2, 2, 2]", {"channels": 2, "kernel": 2, "stride": (2, 1, 2), "bias": False}),
    ("deconv", "f32[2, 4]", {"channels": 2, "kernel": 3, "dilation": 2, "pad": ((1, 2),)}),
    (
        "deconv",
        "f32[2, 2, 1, 2]",
        {"channels": 2, "kernel": 3, "stride": 2, "pad": 1, "output_pad": (1, 0, 1), "groups": 2},
    ),
    ("depthwise", "f32[3, 5, 4]", {"kernel": 3, "pad": "same", "multiplier": 2}),
    ("depthwise", "f32[2, 6, 5]", {"kernel": (2, 3), "stride": 2, "dilation": (2, 1)}),
    ("depthwise", "f32[3, 6]", {"kernel": 3, "pad": 1}),
    ("depthwise", "f32[2, 3, 3, 2]", {"kernel": 2}),
    ("depthwise", "f32[2, 1, 1]", {"kernel": 2, "pad": ((1, 0), (0, 1)), "multiplier": 3}),
    ("depthwise", "f32[3, 8]", {"kernel": 2, "stride": 3, "bias": False}),
    ("separable", "f32[3, 5, 4]", {"channels": 2, "kernel": 3, "pad": "same", "stride": 2}),
    ("separable", "f32[2, 4, 5]", {"channels": 5, "kernel": (2, 3), "multiplier": 2, "dilation": (3, 1)}),
    ("separable", "f32[2, 6]", {"channels": 3, "kernel": 3, "bias": False}),
    ("separable", "f32[1, 1, 1]", {"channels": 2, "kernel": (2, 1), "pad": ((0, 1), (0, 0))}),
    (
        "separable",
        "f32[2, 3, 2, 4]",
        {"channels": 2, "kernel": 2, "stride": (1, 1, 3), "pad": ((1, 0), (0, 0), (0, 0))},
    ),
    ("locally_connected", "f32[2, 1, 1]", {"channels": 3, "kernel": 1}),
    ("locally_connected", "f32[2, 4, 5]", {"channels": 3, "kernel": (2, 3)}),
    ("locally_connected", "f32[2, 5, 4]", {"channels": 2, "kernel": 3, "stride": 2, "pad": "same"}),
    ("locally_connected", "f32[2, 7]", {"channels": 2, "kernel": 3, "dilation": 2, "bias": False}),
    ("locally_connected", "f32[1, 5]", {"channels": 2, "kernel": 2, "stride": 3, "pad": ((1, 0),)}),
]
ROWS: list[tuple[str, Use]] = [(given, use(name, options)) for name, given, options in SLIDING]


def net_of(given: str, text: str, first: str = "") -> Net:
    """A net that predicts a layer's value, which a dense layer stands behind, and sometimes another before it."""
    chain = f"value = x -> {first}{text}\noutput value\nvalue -> flatten -> dense 2 name=last"
    return small(chain, given=given)
