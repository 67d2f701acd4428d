"""Files with bytes changed at random: they are read or refused, and nothing else ever happens."""

from __future__ import annotations

import gzip
import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from netc.runtime import Fault, Metadata, examples_of, read, train, trainer_of
from netc.runtime.checkpoint import load, path_of
from stand_in import field, flowers, metadata_json, trainer_text

COUNT = 5000 if os.environ.get("NETC_EXHAUSTIVE") else 150
METADATA = Metadata.from_json(
    metadata_json(inputs=[field("x", shape=[2])], targets=[field("y", "class", [], ["a", "b"])])
)
KINDS = Metadata.from_json(
    metadata_json(
        inputs=[
            field("color", "category", [], ["red", "green"]),
            field("visits", "count"),
            field("mix", "simplex", [2]),
            field("image", "u8", [2]),
        ],
        targets=[field("y", "class", [], ["a", "b"])],
        data={"bind": {"mix": {"span": [3, 4]}, "image": {"span": [5, 6]}}},
    )
)


def csv(folder: Path) -> bytes:
    return b'p,q,y\n1,2,a\n"3",4e1,b\n-5,.6,"a"\n'


def npz(folder: Path) -> bytes:
    np.savez(folder / "d.npz", x=np.ones((3, 2), np.float32), y=np.array(["a", "b", "a"]))
    return (folder / "d.npz").read_bytes()


def packed(folder: Path) -> bytes:
    np.savez_compressed(folder / "d.npz", x=np.arange(60.0).reshape(30, 2), y=np.array(["a", "b"] * 15))
    return (folder / "d.npz").read_bytes()


def kinds_csv(folder: Path) -> bytes:
    return b"color,visits,m,n,p,q,y\nred,3,0.5,0.5,0,255,a\ngreen,0,1,0,7,8,b\nred,2,.25,.75,0,0,a\n"


def kinds_npz(folder: Path) -> bytes:
    arrays = {"visits": np.arange(3), "mix": np.full((3, 2), 0.5), "image": np.zeros((3, 2), np.uint8)}
    np.savez(folder / "d.npz", color=np.array(["red", "green", "red"]), y=np.array([0, 1, 1]), **arrays)
    return (folder / "d.npz").read_bytes()


def idx(folder: Path) -> bytes:
    return b"\0\0\x0d\2" + struct.pack(">2I6f", 3, 2, *range(6))


def idx_gz(folder: Path) -> bytes:
    return gzip.compress(idx(folder))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to four bytes replaced, a piece cut out, doubled or dropped at the end."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        what = chance.randrange(6)
        if what < 3:
            changed[at] = chance.choice([0, 1, 0x22, 0x2C, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        elif what == 3 and len(changed) > 8:
            del changed[at : at + chance.randint(1, 4)]
        elif what == 4:
            changed[at:at] = changed[at : at + chance.randint(1, 8)]
        elif len(changed) > 8:
            del changed[max(4, at) :]
    return bytes(changed)


def only_faults(run: Callable[[], object]) -> None:
    began = time.monotonic()
    try:
        run()
    except Fault as fault:
        assert fault.message
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("make", [csv, npz, packed, kinds_csv, kinds_npz, idx, idx_gz])
@pytest.mark.filterwarnings("error")
def test_mutated_data(tmp_path: Path, make: Callable[[Path], bytes]) -> None:
    chance = random.Random(make.__name__)
    data, path = make(tmp_path), tmp_path / "data"
    target = tmp_path / "y.csv"
    target.write_text("y\na\nb\na\n")
    sources = [f"x={path}", f"y={target}"] if make in (idx, idx_gz) else [path]
    path.write_bytes(data)
    metadata = KINDS if make in (kinds_csv, kinds_npz) else METADATA
    assert read(metadata, sources).count in (3, 30)
    for _ in range(COUNT):
        path.write_bytes(mutated(data, chance))
        only_faults(lambda: read(metadata, sources))


@pytest.mark.filterwarnings("error")
def test_mutated_checkpoints(tmp_path: Path) -> None:
    metadata = Metadata.from_json(metadata_json())
    train(trainer_of(trainer_text(epochs=1), "f.py"), metadata, examples_of(metadata, flowers()), folder=tmp_path)
    path, chance = path_of(tmp_path, "flowers"), random.Random(1)
    data = path.read_bytes()
    for _ in range(COUNT):
        path.write_bytes(mutated(data, chance))
        only_faults(lambda: load(path))


@pytest.mark.filterwarnings("error")
def test_mutated_metadata() -> None:
    chance, data = random.Random(2), metadata_json(data={"file": "a", "bind": {"x": {"column": 3}}}).encode()
    for _ in range(COUNT * 4):
        only_faults(lambda: Metadata.from_json(mutated(data, chance).decode("utf-8", "replace")))
