"""Uses of norms, on features and on images of one to three axes: each option, groups of each size, and two channels."""

from __future__ import annotations

from typing import Any

from harness import small
from image_uses import use
from netc.dsl import Net
from uses import Use

# What a norm is given, by the number of axes behind its channels.
SHAPES = ("f32[6]", "f32[6, 3]", "f32[6, 2, 3]", "f32[6, 2, 1, 2]")
AFFINE: list[dict[str, Any]] = [{}, {"eps": 0.1}, {"scale": False}, {"shift": False}, {"scale": False, "shift": False}]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "layernorm": AFFINE,
    "groupnorm": [{"groups": 3, **given} for given in AFFINE] + [{"groups": 1}],
    "instancenorm": AFFINE,
    "rmsnorm": [{}, {"eps": 0.1}, {"scale": False}],
    "lrn": [{}, {"size": 3, "alpha": 0.5}, {"size": 1, "k": 2.0}, {"size": 13, "alpha": 2.0, "beta": 0.5}],
}


def net_of(given: str, text: str, first: str = "") -> Net:
    """A net that predicts what a norm gives of features or, behind a word over images, of channels."""
    first = first or ("" if given == SHAPES[0] else "zeropad 0 -> ")
    chain = f"value = x -> {first}{text}\noutput value\nvalue -> flatten -> dense 2 name=last"
    return small(chain, given=given)


# Features have no places, and so nothing that instancenorm could go over.
ROWS: list[tuple[str, Use]] = [
    (given, use(name, options))
    for name, ways in OPTIONS.items()
    for given in SHAPES[name == "instancenorm" :]
    for options in ways
]
