"""Artifacts and data to results: reading data, training, running models; it never sees the language."""

from .checkpoint import claimed, prepare_folder
from .data import Examples, examples_of, read
from .engines import Engine, NumpyEngine, OnnxEngine
from .errors import CODES, Fault, Interrupted
from .generate import forecast, write_on
from .history import Record
from .metadata import Field, Metadata, Output
from .module import Trainer, load_trainer, trainer_of
from .observer import Observer, Result, Start
from .session import Prediction, Session
from .train import train
from .weights import load_weights, save_weights

__all__ = [
    "CODES",
    "Engine",
    "Examples",
    "Fault",
    "Field",
    "Interrupted",
    "Metadata",
    "NumpyEngine",
    "Observer",
    "OnnxEngine",
    "Output",
    "Prediction",
    "Record",
    "Result",
    "Session",
    "Start",
    "Trainer",
    "claimed",
    "examples_of",
    "forecast",
    "load_trainer",
    "load_weights",
    "prepare_folder",
    "read",
    "save_weights",
    "train",
    "trainer_of",
    "write_on",
]
