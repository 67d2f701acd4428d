"""Images: folders by class and of files alone, PNG and JPEG, other sizes, and files that are damaged or lie."""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Fault, Metadata, read
from netc.runtime import image_file as image_module
from road import netc
from stand_in import field, metadata_json

pillow: Any = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install netc[images]")

GREY, COLOR = field("image", "u8", [1, 4, 5]), field("image", "u8", [3, 4, 5])
PET = field("pet", "class", [], ["cat", "dog"])
KIND = field("pet", "class", [], None, 2)
RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (6, 4, 5), np.uint8)
COLORS = RNG.integers(0, 256, (4, 5, 3), np.uint8)


def net(inputs: Any, targets: Any = (), **data: Any) -> Metadata:
    return Metadata.from_json(metadata_json(inputs=list(inputs), targets=list(targets), data=data or None))


def fault_of(run: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    return caught.value


def save(path: Path, array: Any, mode: str | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pillow.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def pets(folder: Path, names: tuple[str, str] = ("cat", "dog")) -> Path:
    """Two images of the first class and three of the second."""
    for i, name in enumerate((names[0],) * 2 + (names[1],) * 3):
        save(folder / name / f"{9 - i}.png", PIXELS[i])
    return folder


# What is read ---------------------------------------------------------------------------------------------------------


def test_a_folder_by_class(tmp_path: Path) -> None:
    """Folders and files are taken in the order of their names; what begins with a dot is left out."""
    folder = pets(tmp_path / "pets")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "cat" / ".thumb.png").write_bytes(b"x")
    found = read(net([GREY], [PET]), [str(folder)])
    assert found.arrays["image"].dtype == np.uint8 and found.arrays["pet"].dtype == np.int64
    np.testing.assert_array_equal(found.arrays["image"], PIXELS[[1, 0, 4, 3, 2], None])
    assert found.arrays["pet"].tolist() == [0, 0, 1, 1, 1]
    assert found.notes == ("pets: 5 images", "pets: pet is what the folders are called")


def test_labels_in_the_order_of_the_spec(tmp_path: Path) -> None:
    other = field("pet", "class", [], ["dog", "bird", "cat"])
    assert read(net([GREY], [other]), [pets(tmp_path)]).arrays["pet"].tolist() == [2, 2, 0, 0, 0]


def test_folders_without_labels_are_numbered(tmp_path: Path) -> None:
    found = read(net([GREY], [KIND]), [pets(tmp_path / "p")])
    assert found.arrays["pet"].tolist() == [0, 0, 1, 1, 1]
    assert found.notes[1] == "p: numbered in the order of their names: cat is 0 and dog is 1"


def test_folders_called_by_number_are_ids(tmp_path: Path) -> None:
    digit = field("digit", "class", [], None, 10)
    assert read(net([GREY], [digit]), [pets(tmp_path, ("3", "7"))]).arrays["digit"].tolist() == [3, 3, 7, 7, 7]


@pytest.mark.parametrize("kind", ["f32", "u8"])
def test_grey_and_color(tmp_path: Path, kind: str) -> None:
    """By the number of channels declared, channels first; grey is the luma of ITU-R 601-2."""
    path = save(tmp_path / "one" / "a.png", COLORS)
    color = read(net([field("image", kind, [3, 4, 5])]), [path]).arrays["image"]
    np.testing.assert_array_equal(color, COLORS.transpose(2, 0, 1)[None])
    grey = read(net([field("image", kind, [1, 4, 5])]), [path]).arrays["image"]
    luma = (COLORS @ np.array([299, 587, 114])) / 1000
    assert grey.shape == (1, 1, 4, 5) and np.abs(grey[0, 0] - luma).max() <= 1
    flat = read(net([field("image", kind, [4, 5])]), [path]).arrays["image"]
    np.testing.assert_array_equal(flat, grey[:, 0])
    gray = save(tmp_path / "two.png", PIXELS[0])
    np.testing.assert_array_equal(read(net([COLOR]), [gray]).arrays["image"][0], np.stack([PIXELS[0]] * 3))


def test_jpeg_and_other_kinds_of_png(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.arange(60, 65, dtype=np.uint8) * 2, (4, 5))
    jpeg = save(tmp_path / "a.jpg", smooth, quality=100)
    assert np.abs(read(net([GREY]), [jpeg]).arrays["image"][0, 0].astype(int) - smooth).max() <= 2
    save(tmp_path / "p" / "palette.png", COLORS, "P")
    save(tmp_path / "p" / "bits.png", PIXELS[0], "1")
    save(tmp_path / "p" / "opaque.png", COLORS, "RGBA")
    found = read(net([COLOR]), [tmp_path / "p"]).arrays["image"]
    assert set(found[0].ravel()) <= {0, 255}
    np.testing.assert_array_equal(found[1], COLORS.transpose(2, 0, 1))


def test_upright_as_the_camera_says(tmp_path: Path) -> None:
    exif = pillow.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    path = save(tmp_path / "a.png", np.rot90(PIXELS[0]), exif=exif)
    np.testing.assert_array_equal(read(net([GREY]), [path]).arrays["image"][0, 0], PIXELS[0])


def test_files_of_single_fields(tmp_path: Path) -> None:
    """Images of one folder and masks of another, or classes from elsewhere."""
    for i in range(3):
        save(tmp_path / "photos" / f"{i}.png", PIXELS[i])
        save(tmp_path / "masks" / f"{i}.png", PIXELS[i + 3])
    mask = field("mask", "f32", [1, 4, 5])
    found = read(net([GREY], [mask]), [f"image={tmp_path}/photos", f"mask={tmp_path}/masks"])
    np.testing.assert_array_equal(found.arrays["mask"], PIXELS[3:, None].astype(np.float32))
    (tmp_path / "y.csv").write_text("pet\ndog\ncat\ndog\n")
    data = {"file": "photos", "bind": {"pet": {"file": "y.csv"}}}
    assert read(net([GREY], [PET], **data), base=tmp_path).arrays["pet"].tolist() == [1, 0, 1]
    (tmp_path / "masks" / "2.png").rename(tmp_path / "masks" / "x.png")
    fault = fault_of(lambda: read(net([GREY], [mask]), [f"image={tmp_path}/photos", f"mask={tmp_path}/masks"]))
    assert fault.code == "data-count" and "x stands where photos has 2" in fault.message


def test_links_are_followed_as_to_any_file(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere.png", PIXELS[0])
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").symlink_to(tmp_path / "elsewhere.png")
    assert read(net([GREY]), [tmp_path / "p"]).count == 1


# Other sizes ----------------------------------------------------------------------------------------------------------


def triangles(row: list[float], wanted: int) -> list[float]:
    """Each new pixel a mean of the old ones around its middle, the nearer the more, within its own width."""
    step = len(row) / wanted
    width = max(step, 1.0)
    found = []
    for j in range(wanted):
        shares = [max(0.0, 1 - abs(i + 0.5 - (j + 0.5) * step) / width) for i in range(len(row))]
        found.append(sum(s * v for s, v in zip(shares, row, strict=True)) / sum(shares))
    return found


@pytest.mark.parametrize("size", [(8, 10), (4, 9), (2, 2), (13, 3), (1, 1)])
def test_resize(tmp_path: Path, size: tuple[int, int]) -> None:
    """All of the image goes into the declared size, whatever its proportions."""
    array = RNG.integers(0, 256, size, np.uint8)
    path = save(tmp_path / "a.png", array)
    columns = np.array([triangles(row, 5) for row in array.tolist()])
    exact = np.array([triangles(column, 4) for column in columns.T.tolist()]).T
    for found in (read(net([GREY]), [path], resize=True), read(net([GREY], resize=True, file="a.png"), base=tmp_path)):
        assert np.abs(found.arrays["image"][0, 0] - exact).max() <= 1.01, "each of two passes rounds to a byte"
    fault = fault_of(lambda: read(net([GREY]), [path]))
    assert (fault.code, fault.where) == ("data-shape", str(path))
    assert f"{size[0]} high and {size[1]} wide" in fault.message and "resize" in str(fault.help)


# What is refused ------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, bits: int = 8, more: bytes = b"", body: bytes = b"") -> bytes:
    """A grey PNG by hand, whose header may lie."""
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(body or b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + pixels + chunk(b"IEND", b"")


WHOLE = png(5, 4, body=b"".join(b"\0" + bytes(range(5)) for _ in range(4)))
CLEAR = np.full((4, 5, 4), 200, np.uint8)
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "data-format"),
    "text": (b"a,b\n1,2\n", "data-format"),
    "gif": (b"GIF89a" + b"\0" * 40, "data-format"),
    "head alone": (WHOLE[:8], "data-format"),
    "cut": (WHOLE[:-30], "data-format"),
    "checksum": (WHOLE[:20] + b"\1" + WHOLE[21:], "data-format"),
    "bomb": (png(60_000, 60_000), "data-too-large"),
    "smaller bomb": (png(8_200, 8_200), "data-too-large"),
    "no pixels": (png(0, 4), "data-format"),
    "too few": (png(5, 4, body=b"\0\1"), "data-format"),
    "text bomb": (png(5, 4, more=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 5_000_000))), "data-format"),
    "sixteen bits": (png(5, 4, 16, body=b"\0" * 44), "data-dtype"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("resize", [False, True])
def test_damaged_files(tmp_path: Path, name: str, resize: bool) -> None:
    data, code = FILES[name]
    folder = pets(tmp_path / "p")
    (folder / "dog" / "z.png").write_bytes(data)
    fault = fault_of(lambda: read(net([GREY], [PET]), [folder], resize=resize))
    assert (fault.code, fault.where) == (code, str(folder / "dog" / "z.png")), fault


def test_the_hand_made_png_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(WHOLE)
    assert read(net([GREY]), [tmp_path / "a.png"]).arrays["image"][0, 0].tolist() == [list(range(5))] * 4


def test_large_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", PIXELS[0])
    monkeypatch.setattr(image_module, "FILE_LIMIT", 10)
    assert fault_of(lambda: read(net([GREY]), [path])).code == "data-too-large"
    huge = field("image", "f32", [3, 60_000, 60_000])
    fault = fault_of(lambda: read(net([huge]), [tmp_path]))
    assert fault.code == "data-too-large" and fault.where == str(tmp_path)


def test_transparency_and_animation(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", CLEAR)
    fault = fault_of(lambda: read(net([COLOR]), [path]))
    assert fault.code == "data-value" and "transparent" in fault.message
    frames = [pillow.fromarray(p) for p in PIXELS[:2]]
    frames[0].save(tmp_path / "b.png", save_all=True, append_images=frames[1:])
    assert "animation" in fault_of(lambda: read(net([GREY]), [tmp_path / "b.png"])).message


def test_folders_that_are_none(tmp_path: Path) -> None:
    folder, gray = tmp_path / "p", net([GREY], [PET])
    folder.mkdir()

    def refused(code: str, where: Path, text: str, of: Metadata = gray) -> None:
        fault = fault_of(lambda: read(of, [folder]))
        assert (fault.code, fault.where) == (code, str(where)) and text in f"{fault.message} {fault.help}", fault

    refused("data-empty", folder, "no image")
    save(folder / "a.png", PIXELS[0])
    refused("data-missing", folder, "cat and dog")
    pets(folder)
    refused("data-format", folder / "a.png", "beside 2 folders")
    (folder / "a.png").unlink()
    (folder / "eel").mkdir()
    refused("data-empty", folder / "eel", "this class")
    save(folder / "eel" / "a.png", PIXELS[0])
    refused("data-label", folder / "eel", "'eel'")
    refused("data-label", folder, "3 folders, cat, dog and eel", net([GREY], [KIND]))
    (folder / "eel" / "more").mkdir()
    refused("data-format", folder / "eel" / "more", "this is a folder")
    refused("data-source", folder, "age", net([GREY], [PET, field("age")]))
    refused("file-unreadable", folder, "folder", net([field("x", shape=[4])], [PET]))


@pytest.mark.parametrize("shape", [[4, 5, 3], [20], [2, 4, 5]])
def test_a_type_that_is_no_image(tmp_path: Path, shape: list[int]) -> None:
    path = save(tmp_path / "a.png", PIXELS[0])
    fault = fault_of(lambda: read(net([field("image", "u8", shape)]), [path]))
    assert fault.code == "data-shape" and "channels first" in str(fault.help)


def test_pixels_outside_of_the_type(tmp_path: Path) -> None:
    fault = fault_of(lambda: read(net([field("image", "unit", [1, 4, 5])], [PET]), [pets(tmp_path)]))
    assert fault.code == "data-value" and str(fault.where).endswith("cat/8.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert fault_of(lambda: read(net([GREY]), [tmp_path])).code == "file-unreadable"
    (tmp_path / "a.png").unlink()
    (tmp_path / "a.png").symlink_to("nowhere")
    assert fault_of(lambda: read(net([GREY]), [tmp_path])).code == "file-missing"


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", PIXELS[0])
    monkeypatch.setitem(sys.modules, "PIL", None)
    fault = fault_of(lambda: read(net([GREY]), [path]))
    assert fault.code == "pillow-missing" and "netc[images]" in str(fault.help)


@pytest.mark.parametrize("kind", ["png", "jpg", "palette"])
def test_any_bytes(tmp_path: Path, kind: str) -> None:
    """Whatever is wrong with a file, it is an image of the declared shape or a Fault that names it."""
    mode = {"png": "RGB", "jpg": "RGB", "palette": "P"}[kind]
    path = save(tmp_path / f"a.{'jpg' if kind == 'jpg' else 'png'}", COLORS, mode)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for resize in (False, True):
        for _ in range(150):
            data = bytearray(whole)
            for at in rng.integers(3, len(data), rng.integers(1, 4)):
                data[at] = rng.integers(256)
            path.write_bytes(data[: rng.integers(3, len(data)) if rng.random() < 0.3 else None])
            try:
                assert read(net([COLOR]), [path], resize=resize).arrays["image"].shape == (1, 3, 4, 5)
            except Fault as fault:
                assert str(path) in str(fault.where) and fault.message


# From end to end ------------------------------------------------------------------------------------------------------

SPEC = """net pets
input image: u8[1, 8, 8]
target pet: class("cat", "dog")
flip -> random_shift 1 -> scale 0.00392156862745098
conv 2 3x3 -> relu -> flatten -> dense 2 -> softmax
loss mcxent
updater adam
train epochs=1 batch=3 seed=1
data "photos" resize=true
"""


def test_train_and_run(tmp_path: Path) -> None:
    """The model takes the bytes of images, and knows from the spec that they are brought to one size."""
    (tmp_path / "pets.net").write_text(SPEC)
    folder, out = pets(tmp_path / "photos"), tmp_path / "out"
    done = netc("train", tmp_path / "pets.net", "-o", out).ok()
    assert "photos: 5 images" in done.out
    run = netc("run", out / "pets.onnx", "--data", folder).ok()
    rows = run.out.splitlines()
    assert rows[0] == "pet,p_pet_cat,p_pet_dog" and len(rows) == 6
    one = netc("run", out / "pets.onnx", "--data", folder / "cat" / "8.png").ok()
    assert one.out.splitlines()[1] == rows[1]
    flat = netc("run", out / "pets.onnx", "--data", folder / "dog", "--json").ok()
    assert len(json.loads(flat.out)["predictions"]["pet"]) == 3


def test_resize_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "pets.net").write_text(SPEC.replace(" resize=true", ""))
    pets(tmp_path / "photos")
    train = ("train", tmp_path / "pets.net", "-o", tmp_path / "out")
    netc(*train).refused("data-shape", "resize=true")
    netc(*train, "--resize").ok()
    run = ("run", tmp_path / "out" / "pets.onnx", "--data", tmp_path / "photos")
    netc(*run).refused("data-shape", "--resize")
    netc(*run, "--resize").ok()


def test_resize_is_true_or_false(tmp_path: Path) -> None:
    (tmp_path / "pets.net").write_text(SPEC.replace("resize=true", "resize=3"))
    netc("check", tmp_path / "pets.net").refused("bad-option", "resize of data is true or false")
