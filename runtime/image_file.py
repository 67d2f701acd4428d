"""One image file as an array of bytes, channels first: PNG and JPEG, by Pillow, bounded before they are decoded."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import Fault
from .fields import Array
from .files import os_faults
from .metadata import Field

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
FORMATS = ("PNG", "JPEG")
# A file of more bytes, or that declares more pixels, is refused unread.
FILE_LIMIT = 1 << 28
PIXEL_LIMIT = 1 << 26
# What each number of channels is called by Pillow.
MODES = {1: "L", 3: "RGB"}
# Pillow's modes of at most 8 bits a channel.
EIGHT_BITS = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


def is_image(head: bytes) -> bool:
    """Whether a file that begins so is PNG or JPEG."""
    return head.startswith(IMAGE_MAGIC)


def holds_images(field: Field) -> bool:
    """Whether a field's type is that of grey or RGB images."""
    return not field.rule.ids and (len(field.shape) == 2 or (len(field.shape) == 3 and field.shape[0] in MODES))


def image_shape(field: Field, source: str) -> tuple[int, int, int]:
    """Channels, height and width of a field that holds images; Fault where it holds something else."""
    if holds_images(field) and not field.steps:
        channels, height, width = field.fixed if len(field.shape) == 3 else (1, *field.fixed)
        return channels, height, width
    message = f"{field.name}: {field.text} is no image, which has 1 or 3 channels, a height and a width"
    raise Fault("data-shape", message, source, "declare it channels first, as in u8[3, 64, 64]")


def read_image(path: Path, field: Field, resize: bool) -> Array:
    """The bytes of an image in a field's shape: grey or RGB, upright as its EXIF says.

    An image of another size is a Fault, or with `resize` all of it is brought to that size, bilinear over all pixels
    that a new one covers.
    """
    shape = image_shape(field, str(path))
    data = _bytes(path)
    try:
        from PIL import Image
    except ImportError:
        message = "PNG and JPEG are read by Pillow, which is not installed"
        raise Fault("pillow-missing", message, str(path), 'pip install "netc[images]"') from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged EXIF, which matters to nobody
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _pixels(path, image, field, shape, resize)
        except Fault:
            raise
        except Image.DecompressionBombError:
            raise _too_many(path) from None
        except MemoryError:
            raise Fault("data-too-large", "it does not fit into this machine's memory", str(path)) from None
        except Image.UnidentifiedImageError:
            raise Fault("data-format", "it is neither PNG nor JPEG, or it is damaged", str(path)) from None
        except Exception as error:  # a damaged image raises whatever a decoder can
            message = f"the image is damaged: {str(error)[:120] or type(error).__name__}"
            raise Fault("data-format", message, str(path)) from None


def _bytes(path: Path) -> bytes:
    with os_faults(path):
        # A pipe or a device would be waited for.
        if path.exists() and not path.is_file():
            raise Fault("file-unreadable", "it is no regular file", str(path))
        if path.stat().st_size > FILE_LIMIT:
            raise Fault("data-too-large", f"it is larger than {FILE_LIMIT:,} bytes", str(path))
        return path.read_bytes()


def _too_many(path: Path) -> Fault:
    return Fault("data-too-large", f"the image declares more than {PIXEL_LIMIT:,} pixels", str(path))


def _pixels(path: Path, image: Image, field: Field, shape: tuple[int, int, int], resize: bool) -> Array:
    from PIL import ImageOps
    from PIL.Image import Resampling

    channels, height, width = shape
    if image.width * image.height > PIXEL_LIMIT:
        raise _too_many(path)
    _check_kind(path, image)
    # Only now are pixels decoded.
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data and _lowest(image.convert("RGBA").getchannel("A")) < 255:
        message = "parts of the image are transparent, and what lies behind them is not said"
        raise Fault("data-value", message, str(path), "save it on a background, without transparency")
    image = image.convert(MODES[channels])
    if image.size != (width, height):
        if not resize:
            message = f"{field.name}: the image is {image.height} high and {image.width} wide, and {field.text} is not"
            raise Fault("data-shape", message, str(path), 'bring all to that size: --resize, or `data "…" resize=true`')
        image = image.resize((width, height), Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


def _check_kind(path: Path, image: Image) -> None:
    if image.mode not in EIGHT_BITS:
        message = f"its pixels have more than 8 bits a channel (Pillow's mode {image.mode})"
        raise Fault("data-dtype", message, str(path), "save it with 8 bits a channel, or the numbers in an .npz")
    if image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
        raise Fault("data-format", "it is an animation and not one image", str(path))


def _lowest(band: Image) -> int:
    return int(np.asarray(band, np.uint8).min())
