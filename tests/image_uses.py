"""Uses of layers over images without weights: odd sizes, steps beyond the window, margins, one pixel, each rank."""

from __future__ import annotations

from typing import Any

from harness import small
from netc.dsl import Net
from netc.dsl.examples import BEFORE, BEHIND
from netc.dsl.words import WORDS
from uses import Use, write

# The image, and its windows.
WINDOWS: list[tuple[str, dict[str, Any]]] = [
    ("f32[2, 9]", {"size": 2}),
    ("f32[1, 7]", {"size": 3, "stride": 1, "pad": 1}),
    ("f32[2, 8]", {"size": 2, "stride": 3}),
    ("f32[2, 7, 6]", {"size": (3, 2), "stride": (2, 3)}),
    ("f32[1, 9, 6]", {"size": 3, "stride": 2, "pad": "same"}),
    ("f32[2, 4, 6]", {"size": 3, "stride": 1, "pad": ((0, 2), (1, 0))}),
    ("f32[3, 1, 1]", {"size": 1}),
    ("f32[1, 1, 1]", {"size": 3, "pad": 1}),
    ("f32[2, 8, 8]", {"size": 2}),
    ("f32[1, 6, 4, 3]", {"size": 2, "stride": (1, 2, 1), "pad": "same"}),
    ("f32[2, 3, 3, 4]", {"size": (2, 3, 2)}),
]
POOLS = ("maxpool", "avgpool", "sumpool", "normpool")
GLOBAL = ("globalmaxpool", "globalavgpool", "globalsumpool", "globalnormpool")
IMAGES = ("f32[3, 7]", "f32[2, 1, 1]", "f32[2, 3, 4]", "f32[1, 2, 3, 2]")
RESIZED: list[tuple[str, str, dict[str, Any]]] = [
    ("adaptive_avgpool", "f32[2, 7]", {"size": 3}),
    ("adaptive_avgpool", "f32[2, 7, 4]", {"size": (3, 6)}),
    ("adaptive_avgpool", "f32[1, 6, 4]", {"size": (3, 2)}),
    ("adaptive_avgpool", "f32[1, 1, 1]", {"size": 3}),
    ("adaptive_avgpool", "f32[1, 4, 3, 6]", {"size": (3, 3, 4)}),
    ("upsample", "f32[2, 4]", {"factor": 3}),
    ("upsample", "f32[2, 3, 4]", {"factor": (1, 2)}),
    ("upsample", "f32[1, 2, 3, 2]", {"factor": 2}),
    ("upsample", "f32[2, 4]", {"factor": 3, "mode": "bilinear"}),
    ("upsample", "f32[2, 1, 4]", {"factor": 2, "mode": "bilinear"}),
    ("upsample", "f32[1, 3, 4]", {"factor": (4, 1), "mode": "bilinear"}),
    ("upsample", "f32[1, 2, 3, 2]", {"factor": 2, "mode": "bilinear"}),
    ("zeropad", "f32[2, 3]", {"margin": ((0, 2),)}),
    ("zeropad", "f32[1, 2, 3]", {"margin": (1, 2)}),
    ("zeropad", "f32[1, 2, 1, 2]", {"margin": ((1, 0), (0, 1), (1, 1))}),
    ("crop", "f32[2, 6]", {"margin": ((0, 2),)}),
    ("crop", "f32[1, 7, 4]", {"margin": ((1, 2), (0, 3))}),
    ("crop", "f32[1, 3, 4, 3]", {"margin": 1}),
    ("space_to_depth", "f32[2, 6, 3]", {"block": 3}),
    ("depth_to_space", "f32[8, 1, 3]", {"block": 2}),
    ("space_to_batch", "f32[2, 4]", {"block": 2}),
    ("space_to_batch", "f32[2, 6, 2]", {"block": 2}),
    ("batch_to_space", "f32[1, 2, 2, 4]", {"block": 2}),
]


def use(name: str, options: dict[str, Any]) -> Use:
    """A use of a word with options by name; the reference gets one for each axis only where the text has that."""
    return Use(WORDS["layer", name], " ".join([name, *(f"{k}={write(v)}" for k, v in options.items())]), options)


def net_of(given: str, text: str) -> Net:
    """A net that predicts a layer's value from an image that weights scale."""
    name = text.split()[0]
    text = f"{BEFORE.get(name, '')}{text}{BEHIND.get(name, '')}"
    chain = f"value = x -> elementwise -> {text}\noutput value\nvalue -> flatten -> dense 2 name=last"
    return small(chain, given=given)


ROWS = [(given, use(name, options)) for name in POOLS for given, options in WINDOWS]
ROWS += [(given, use("avgpool", {**o, "count_pad": False})) for given, o in WINDOWS if "pad" in o]
ROWS += [(given, use("normpool", {**o, "p": p})) for given, o in WINDOWS[3:6] for p in (1, 3, 2.5)]
ROWS += [(given, use(name, {})) for name in GLOBAL for given in IMAGES]
ROWS += [(given, use("globalnormpool", {"p": p})) for given, p in zip(IMAGES, (3, 1, 2.5, 4), strict=True)]
ROWS += [(given, use(name, options)) for name, given, options in RESIZED]
