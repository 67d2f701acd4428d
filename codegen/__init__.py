"""From Programs to files: the NumPy trainer and the ONNX graphs.

`to_numpy`, `to_onnx` and `to_step` are imported where they are used, since the onnx package takes long to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .norm_folding import fold_norms
    from .numpy_file import to_numpy
    from .onnx_file import serialized, to_onnx, to_step

__all__ = ["fold_norms", "serialized", "to_numpy", "to_onnx", "to_step"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    homes = {
        "to_numpy": "numpy_file",
        "to_onnx": "onnx_file",
        "to_step": "onnx_file",
        "serialized": "onnx_file",
        "fold_norms": "norm_folding",
    }
    if name not in homes:
        raise AttributeError(name)
    return getattr(import_module(f".{homes[name]}", __name__), name)
