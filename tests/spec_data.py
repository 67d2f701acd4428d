"""Where each real spec has its data from: its own file in specs/, the folder shared/data beside this one, or this test.

A spec whose file lies beside it needs nothing. Another's file is looked for by its name in shared/data, and the test is
skipped where that is missing. A spec without a sentence `data` takes images: the digits, made 28 x 28 and in [-1, 1].
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from road import SPECS, Array, scratch

SHARED = SPECS.parent.parent / "shared" / "data"


def shared(name: str) -> Path:
    """A file of the folder shared/data; the test is skipped where it is missing."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return path


def source(spec: Path) -> tuple[str | Path, ...]:
    """What `netc train` is told of a spec's data."""
    said = re.search(r'^data\s+"(.*?)"', spec.read_text("utf-8"), re.M)
    if said is None:
        return "--data", _saved_images()
    return () if (spec.parent / said[1]).exists() else ("--data", shared(said[1]))


@cache
def images() -> Array:
    """The digits, each pixel three by three, with a border, in [-1, 1]."""
    pixels = np.loadtxt(SPECS / "data" / "digits.csv", delimiter=",", skiprows=1)[:, :64].reshape(-1, 8, 8)
    large = np.pad(np.kron(pixels, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
    return (large / 8 - 1).reshape(len(large), 784).astype(np.float32)


@cache
def _saved_images() -> Path:
    path = scratch("images") / "images.npz"
    np.savez(path, image=images())
    return path
