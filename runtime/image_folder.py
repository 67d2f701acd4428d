"""Folders of images: a folder for each class with its images in it, or images alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import Fault, listed, plural
from .fields import Array, conform, label_ids
from .files import LIMIT, os_faults
from .image_file import holds_images, image_shape, read_image
from .metadata import Field


@dataclass(frozen=True)
class Folder:
    """The images of a folder in the order of their names; `classes` are the folders of classes, `of` whose each is."""

    path: Path
    files: tuple[Path, ...]
    classes: tuple[str, ...] = ()
    of: tuple[int, ...] = ()


def read_folder(path: Path, fields: Sequence[Field], resize: bool) -> tuple[dict[str, Array], list[str]]:
    """The images of a folder, and the classes that its folders stand for, for a field each; and what was decided.

    Files and folders are taken in the order of their names; those that begin with a dot are left out. Links are
    followed, as to any file.
    """
    if not any(map(holds_images, fields)):
        raise Fault("file-unreadable", "it is a folder, not a file", str(path))
    pictures, classes = [f for f in fields if not f.rule.ids], [f for f in fields if f.rule.ids]
    if len(pictures) > 1 or len(classes) > 1:
        extra = listed(f.name for f in (*pictures[1:], *classes[1:]))
        message = f"a folder holds one image and one class an example, so {extra} cannot be in it too"
        raise Fault("data-source", message, str(path), "give it a file of its own: `--data NAME=FILE`")
    for field in pictures:
        image_shape(field, str(path))
    folder = _listing(path)
    found = {f.name: _images(folder, f, resize) for f in pictures}
    notes = [f"{path.name}: {plural(len(folder.files), 'image')}"]
    for field in classes:
        ids, note = _ids(folder, field)
        found[field.name] = ids[np.array(folder.of, np.int64)]
        notes.append(note)
    return found, notes


def check_pairs(folders: Sequence[Path]) -> None:
    """Raise Fault where folders, of which each example has an image in each, call the images differently."""
    named = [(path, [file.stem for file in _listing(path).files]) for path in folders]
    for path, names in named[1:]:
        first, others = named[0]
        unlike = next(((a, b) for a, b in zip(others, names, strict=False) if a != b), None)
        if unlike is not None:
            message = f"{unlike[1]} stands where {first.name} has {unlike[0]}, so the images do not go together"
            raise Fault("data-count", message, str(path), "give the images of an example one name")


def _visible(path: Path) -> list[Path]:
    with os_faults(path):
        return sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)


def _listing(path: Path) -> Folder:
    entries = _visible(path)
    folders = [entry for entry in entries if entry.is_dir()]
    files = [entry for entry in entries if not entry.is_dir()]
    if not entries:
        raise Fault("data-empty", "there is no image in the folder", str(path))
    if not folders:
        return Folder(path, tuple(files))
    if files:
        message = f"it lies beside {plural(len(folders), 'folder')}, and a folder of classes holds nothing else"
        raise Fault("data-format", message, str(files[0]), "put each image into the folder of its class")
    inside = [_files_of(folder) for folder in folders]
    of = tuple(i for i, held in enumerate(inside) for _ in held)
    return Folder(path, tuple(file for held in inside for file in held), tuple(f.name for f in folders), of)


def _files_of(folder: Path) -> list[Path]:
    files = _visible(folder)
    if not files:
        raise Fault("data-empty", "there is no image in the folder of this class", str(folder))
    deeper = next((file for file in files if file.is_dir()), None)
    if deeper is not None:
        raise Fault("data-format", "the folder of a class holds images alone, and this is a folder", str(deeper))
    return files


def _images(folder: Folder, field: Field, resize: bool) -> Array:
    size = len(folder.files) * field.width * field.rule.dtype.itemsize
    if size > LIMIT:
        message = f"{plural(len(folder.files), 'image')} of {field.text} take {size:,} bytes, more than {LIMIT:,}"
        raise Fault("data-too-large", message, str(folder.path))
    found = np.empty((len(folder.files), *image_shape(field, str(folder.path))), np.uint8)
    for i, file in enumerate(folder.files):
        found[i] = read_image(file, field, resize)
    return conform(field, found, str(folder.path), lambda index: str(folder.files[index[0]]))


def _ids(folder: Folder, field: Field) -> tuple[Array, str]:
    """The id of each folder's class: by its label or its number, else the folders are numbered in their order."""
    names = list(folder.classes)
    if not names:
        example = listed(field.labels[:2] if field.labels else ("0", "1"))
        message = f"it holds images, and no folders that say which {field.name} each has"
        raise Fault("data-missing", message, str(folder.path), f"put the images into folders called {example} …")
    if field.labels is None and not all(name.isdecimal() for name in names):
        if len(names) != field.classes:
            message = f"it has {plural(len(names), 'folder')}, {listed(names)}, but {field.name} is {field.text}"
            raise Fault("data-label", message, str(folder.path), f"declare class({len(names)}), or name the classes")
        numbered = listed(f"{name} is {i}" for i, name in enumerate(names))
        return np.arange(len(names)), f"{folder.path.name}: numbered in the order of their names: {numbered}"
    ids, wrong = label_ids(field, names)
    if wrong:
        at, (what, help) = next(iter(wrong.items()))
        raise Fault("data-label", what, str(folder.path / names[at]), help)
    return ids, f"{folder.path.name}: {field.name} is what the folders are called"
