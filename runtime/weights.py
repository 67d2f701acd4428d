"""NAME.npz: weights and state under the names that `init()` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .errors import Fault, did_you_mean, listed
from .fields import Array
from .files import head_of
from .module import Arrays
from .npz_file import ZIP_MAGIC, Header, npz_names, read_npz, write_npz


def save_weights(path: Path, weights: Mapping[str, Array]) -> None:
    """Write NAME.npz atomically: exactly these keys, never pickled."""
    write_npz(path, weights)


def load_weights(path: Path, like: Mapping[str, Array]) -> Arrays:
    """Read weights, which must have the names and shapes of `like`, the result of `init()`.

    Raises Fault: `weights-mismatch`, and those of reading an archive.
    """
    if head_of(path, 4) not in ZIP_MAGIC:
        raise Fault("data-format", "it is not an .npz archive", str(path))
    names = npz_names(path)
    missing = [name for name in like if name not in names]
    unknown = [name for name in names if name not in like]
    if missing or unknown:
        told = [f"{listed(missing)} missing"] * bool(missing) + [f"{listed(unknown)} unknown"] * bool(unknown)
        help = did_you_mean(missing[0], unknown) if missing else None
        raise Fault("weights-mismatch", f"its arrays are not those of the net: {' and '.join(told)}", str(path), help)

    def accept(name: str, header: Header) -> None:
        if header.shape != like[name].shape:
            message = f"{name} has the shape {header.shape}, where the net needs {like[name].shape}"
            raise Fault("weights-mismatch", message, str(path))
        if header.dtype.kind not in "fiu":
            raise Fault("weights-mismatch", f"{name} holds {header.dtype}, not numbers", str(path))

    return checked_weights(read_npz(path, accept), like, str(path))


def checked_weights(weights: Mapping[str, Array], like: Mapping[str, Array], where: str | None = None) -> Arrays:
    """Weights in the dtypes and order of `like`; Fault `weights-mismatch` where they do not fit or are not finite."""
    if set(weights) != set(like):
        wrong = listed(sorted(set(weights) ^ set(like)))
        raise Fault("weights-mismatch", f"the weights are not those of the net: {wrong}", where)
    result: Arrays = {}
    for name, start in like.items():
        if weights[name].shape != start.shape:
            message = f"{name} has the shape {weights[name].shape}, where the net needs {start.shape}"
            raise Fault("weights-mismatch", message, where)
        with np.errstate(over="ignore"):
            result[name] = np.array(weights[name], dtype=start.dtype, order="C")
        if not np.isfinite(result[name]).all():
            raise Fault("weights-mismatch", f"{name} holds a value that is not finite in {start.dtype}", where)
    return result
