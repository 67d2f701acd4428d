"""The one place that touches ONNX Runtime: sessions, what provider they really got, and its errors as faults."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import io
import os
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib import metadata as packages
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .errors import Fault
from .files import head_of
from .interrupt import Interrupts

Provider: TypeAlias = Literal["auto", "cpu", "cuda"]
Device: TypeAlias = Literal["cpu", "cuda"]
# A SessionOptions, InferenceSession, IOBinding or OrtValue: the package has no types of its own for them.
Ort: TypeAlias = Any

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
# TensorFloat-32 keeps 10 bits of a product's factors, which no float32 result survives.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
SILENT = 4
BOTH_INSTALLED = (
    "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files: "
    "uninstall both, then install the one you want"
)


@dataclass(frozen=True)
class Opened:
    """A session, the provider that it got, and why that one."""

    session: Ort
    provider: Device
    reason: str


def runtime() -> Ort:
    """The onnxruntime package, imported when first needed and kept from writing to the terminal.

    Ctrl-C waits for the end of the import, which would fail and not be interrupted.
    """
    with _quiet(), Interrupts() as stop:
        module: Any = importlib.import_module("onnxruntime")
    if stop.asked:
        raise KeyboardInterrupt
    module.set_default_logger_severity(SILENT)
    return module


def version() -> str:
    """The installed version of ONNX Runtime."""
    return str(runtime().__version__)


def both_installed() -> bool:
    """Whether the CPU and the GPU distribution share this environment."""
    return _installed("onnxruntime") and _installed("onnxruntime-gpu")


def _installed(name: str) -> bool:
    try:
        packages.distribution(name)
    except packages.PackageNotFoundError:
        return False
    return True


def open_session(model: str | Path | bytes, provider: Provider = "auto", threads: int | None = None) -> Opened:
    """Load a model. `cuda` is refused unless the session gets it; `auto` takes it where it can be had."""
    if provider not in ("auto", "cpu", "cuda"):
        raise ValueError(f"provider {provider!r} is none of auto, cpu and cuda")
    if provider == "cpu":
        return Opened(_load(model, [CPU], threads), "cpu", "asked for")
    if provider == "cuda" and both_installed():
        raise Fault("provider-missing", BOTH_INSTALLED)
    obstacle = cuda_obstacle()
    if obstacle is None:
        session = _load(model, [(CUDA, CUDA_OPTIONS), CPU], threads, fall_back=provider == "auto")
        if CUDA in session.get_providers():
            return Opened(session, "cuda", "asked for" if provider == "cuda" else "the session got CUDA")
        obstacle = "ONNX Runtime could not start CUDA: no usable NVIDIA GPU or driver"
    if provider == "cuda":
        raise Fault("provider-missing", f"CUDA was asked for, but {obstacle}", None, _cure(obstacle))
    note = f"; {BOTH_INSTALLED}" if both_installed() else ""
    return Opened(_load(model, [CPU], threads), "cpu", obstacle + note)


def _cure(obstacle: str) -> str:
    if "no CUDA provider" in obstacle:
        return "install onnxruntime-gpu in place of onnxruntime, or use `--provider cpu`"
    return "`pip install 'netc[cuda]'` brings CUDA's libraries; a driver comes with the system; or use `--provider cpu`"


@functools.cache
def cuda_obstacle() -> str | None:
    """Why this machine cannot have CUDA, naming the missing library; None where nothing is known to be missing."""
    ort = runtime()
    if CUDA not in ort.get_available_providers():
        return "the installed onnxruntime has no CUDA provider"
    if not sys.platform.startswith("linux"):
        return None
    with _quiet(), contextlib.suppress(Exception):
        ort.preload_dlls()
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        driver = "libcuda.so.1, the NVIDIA driver, is missing"
    else:
        driver = None
    missing = _unloadable(Path(ort.__file__).parent / "capi")
    return " and ".join(found for found in (missing, driver) if found) or None


def _unloadable(folder: Path) -> str | None:
    """What the dynamic linker misses of the CUDA provider's libraries."""
    try:
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        library, _, rest = str(error).partition(": ")
        return f"{Path(library).name} is missing" if "No such file" in rest else f"{library}: {rest}"
    return None


def _load(model: str | Path | bytes, providers: list[Any], threads: int | None, fall_back: bool = False) -> Ort:
    ort = runtime()
    where = None if isinstance(model, bytes) else str(model)
    if not isinstance(model, bytes):
        head_of(Path(model), 1)
    options = ort.SessionOptions()
    options.log_severity_level = SILENT
    options.use_deterministic_compute = True
    # A plan of the memory of a whole run would be kept beside what the run before it took, and saves no time.
    options.enable_mem_pattern = False
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    source = model if isinstance(model, bytes) else str(model)
    try:
        with _quiet():
            return ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:
        if fall_back:
            return _load(model, [CPU], threads)
        if providers[0] != CPU and _loads_on_cpu(model, threads):
            raise Fault("provider-missing", f"CUDA was asked for, but: {tidy(error)}", where, _cure("")) from None
        raise Fault("model-unreadable", tidy(error), where) from None


def _loads_on_cpu(model: str | Path | bytes, threads: int | None) -> bool:
    try:
        _load(model, [CPU], threads)
    except Fault:
        return False
    return True


def value(array: Any, device: Device) -> Ort:
    """An OrtValue of an array: on the CPU it shares the array's memory, on CUDA it is a copy."""
    return runtime().OrtValue.ortvalue_from_numpy(array, device, 0)


def guarded(run: Callable[[], Any], where: str) -> Any:
    """Call into the runtime; what it raises becomes a Fault."""
    try:
        return run()
    except Exception as error:
        raise Fault("model-failed", tidy(error), where) from None


def tidy(error: BaseException) -> str:
    """An error of the runtime without its prefix, its source paths and its line breaks."""
    text = " ".join(str(error).split())
    text = text.rpartition("[ONNXRuntimeError] : ")[2]
    return (text or type(error).__name__)[:400]


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep what the runtime's C++ side and its fallback print off the terminal."""
    with contextlib.redirect_stdout(io.StringIO()), _no_stderr():
        yield


@contextlib.contextmanager
def _no_stderr() -> Generator[None]:
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
