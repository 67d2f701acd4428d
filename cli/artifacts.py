"""The artifacts of a net in a folder: made in memory, proven, and then written, never over a file that was edited."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..codegen import fold_norms, serialized, to_numpy, to_onnx, to_step
from ..codegen.norm_folding import Folded
from ..dsl import Net
from ..dsl.diagnostics import refuse
from ..runtime import Fault, Trainer, load_weights, trainer_of
from ..runtime.files import remove_leftovers, write_atomically

MANIFEST = "netc.manifest.json"


@dataclass(frozen=True)
class Artifacts:
    """What a net compiles to; `trainer_text` and `step` are there also where the spec does not want their files."""

    net: Net
    trainer_text: str
    model: Any
    step: Any
    weights: Mapping[str, Any]
    trained: bool
    folded: Folded | None = None

    def files(self) -> dict[str, bytes]:
        """The contents of the wanted files by name."""
        name, wanted = self.net.name, self.net.wanted
        found: dict[str, bytes] = {}
        if "numpy" in wanted:
            found[f"{name}.py"] = self.trainer_text.encode()
        if "inference" in wanted:
            found[f"{name}.onnx"] = serialized(self.model)
        if "step" in wanted:
            found[f"{name}.step.onnx"] = serialized(self.step)
        stream = io.BytesIO()
        np.savez(stream, **self.weights)
        found[f"{name}.npz"] = stream.getvalue()
        return found


def compile_net(
    net: Net, weights: Mapping[str, Any], trained: bool, opset: int, text: str = "", fold: bool = False
) -> Artifacts:
    """Compile a net with the given weights and state; `fold` leaves batchnorm out of the model where it can."""
    step = to_step(net, opset) if net.trains and not net.solver else None
    folded = fold_norms(net) if fold else None
    model = to_onnx(net, weights, opset, trained, folded)
    return Artifacts(net, text or to_numpy(net), model, step, weights, trained, folded)


def trainer(net: Net, text: str) -> Trainer:
    """The net's own trainer, imported."""
    return trainer_of(text, f"{net.name}.py")


def given_weights(net: Net, path: Path, like: Mapping[str, Any]) -> dict[str, Any]:
    """The weights and state of an archive, as `like` has them; Fault where a spread is none."""
    found = load_weights(path, like)
    for name, state in net.states.items():
        low = float(found[name].min())
        if low < state.domain.low or (low == state.domain.low and state.domain.low_open):
            message = f"{name} holds {low:g}, where a spread lies in {state.domain}"
            raise Fault("weights-mismatch", message, str(path))
    return found


def file_names(net: Net) -> list[str]:
    """The names of the files that a net's spec wants."""
    ends = {"numpy": ".py", "inference": ".onnx", "step": ".step.onnx"}
    return [f"{net.name}{end}" for want, end in ends.items() if want in net.wanted] + [f"{net.name}.npz"]


def write(folder: Path, files: Mapping[str, bytes], force: bool) -> None:
    """Write files and the manifest of their hashes; SpecError where one was edited since, unless `force`."""
    if not force:
        refuse_edited(folder, files)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder, (*files, MANIFEST))
    hashes = _manifest(folder)
    new = {name: [_hash(content)] for name, content in files.items()}
    # While files are being replaced the manifest knows both, so that no crash makes one of ours look edited.
    _write_manifest(folder, hashes | {name: [*hashes.get(name, []), *digest] for name, digest in new.items()})
    for name, content in files.items():
        write_atomically(folder / name, lambda file, content=content: file.write(content))
    _write_manifest(folder, hashes | new)


def refuse_edited(folder: Path, names: Iterable[str]) -> None:
    """SpecError where a file of these names is not as netc wrote it."""
    hashes = _manifest(folder)
    for name in names:
        path = folder / name
        if path.exists() and _hash(path.read_bytes()) not in hashes.get(name, []):
            why = "was edited since netc wrote it" if name in hashes else "was not written by netc"
            help = "build into another folder with -o, or overwrite it with --force"
            raise refuse("edited-file", f"{path} {why}, and would be overwritten", help)


def as_written(folder: Path, names: Iterable[str]) -> bool:
    """Whether the files of these names are all there, as netc wrote them."""
    hashes, paths = _manifest(folder), [folder / name for name in names]
    return all(path.is_file() and _hash(path.read_bytes()) in hashes.get(path.name, []) for path in paths)


def _write_manifest(folder: Path, hashes: Mapping[str, list[str]]) -> None:
    text = json.dumps({name: " ".join(digests) for name, digests in sorted(hashes.items())}, indent=2) + "\n"
    write_atomically(folder / MANIFEST, lambda file: file.write(text.encode()))


def _manifest(folder: Path) -> dict[str, list[str]]:
    """The hashes that each file may have: one, or two where a crash left open which of them it has."""
    try:
        found: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {str(name): str(digests).split() for name, digests in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
