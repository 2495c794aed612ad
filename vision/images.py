"""Pictures from bytes that anybody may have sent: the whole structure is read before a decoder sees a single byte.

A decoder is handed only pictures whose size is known and bearable, whose end is there, and behind whose end nothing lies; of PNG only
the chunks that hold the picture. JPEG is decoded by libjpeg-turbo with its warnings as errors: cv2 fills what is missing with grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
import simplejpeg

from plant.inspections import Reason
from vision.frames import Pixels
from vision.image_headers import ImageHeader, RefusedImage, probe_bmp, probe_jpeg, probe_png

_TURNS: Final = {
    2: (None, 1),
    3: (cv2.ROTATE_180, None),
    4: (None, 0),
    5: (cv2.ROTATE_90_CLOCKWISE, 1),
    6: (cv2.ROTATE_90_CLOCKWISE, None),
    7: (cv2.ROTATE_90_COUNTERCLOCKWISE, 1),
    8: (cv2.ROTATE_90_COUNTERCLOCKWISE, None),
}
"""Rotation, then flip (1: left and right are exchanged), by EXIF orientation."""
_EXTENSIONS: Final = {"jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "png": "PNG", "bmp": "BMP", "dib": "BMP"}
PICTURE_EXTENSIONS: Final = frozenset(f".{end}" for end in _EXTENSIONS)
"""Of the files that are pictures, with their dot, small."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is taken as a picture."""

    most_bytes: int = 25_000_000
    most_pixels: int = 50_000_000
    least_side: int = 16
    exif_rotation: Literal["refuse", "turn"] = "refuse"
    """What becomes of pictures that say they are turned."""


def decode(content: bytes, limits: ImageLimits, name: str = "") -> Pixels:
    """Return the pixels of a picture. Raises RefusedImage; nothing was decoded then unless the picture's data themselves are damaged.

    ``name``: the file's name where it has one; its extension must not lie.
    """
    header = probe(content, limits, name)
    pixels = _pixels(header)
    if pixels.shape[:2] != (header.height, header.width):
        why = f"{pixels.shape[1]} x {pixels.shape[0]} pixels came out of {header.width} x {header.height}"
        raise RefusedImage(Reason("damaged", {"format": header.kind, "why": why}))
    return _upright(pixels, header.orientation)


def probe(content: bytes, limits: ImageLimits, name: str = "") -> ImageHeader:
    """Return what the structure of a picture says, with nothing decoded. Raises RefusedImage."""
    if not content:
        raise RefusedImage(Reason("empty"))
    if len(content) > limits.most_bytes:
        raise RefusedImage(Reason("too_many_bytes", {"bytes": str(len(content)), "limit": str(limits.most_bytes)}))
    if content.startswith(b"\xff\xd8\xff"):
        header = probe_jpeg(content)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        header = probe_png(content)
    elif content.startswith(b"BM"):
        header = probe_bmp(content)
    else:
        raise RefusedImage(Reason("unknown_format"))
    _check_name(header, name)
    size = {"width": str(header.width), "height": str(header.height)}
    if header.width * header.height > limits.most_pixels:
        raise RefusedImage(Reason("too_large", {**size, "limit": limits.most_pixels / 1e6}))
    if min(header.width, header.height) < limits.least_side:
        raise RefusedImage(Reason("too_small", {**size, "limit": str(limits.least_side)}))
    if header.orientation != 1 and limits.exif_rotation == "refuse":
        raise RefusedImage(Reason("turned", {"orientation": str(header.orientation)}))
    return header


def _check_name(header: ImageHeader, name: str) -> None:
    _, dot, end = name.rpartition(".")
    if dot and _EXTENSIONS.get(end.lower()) != header.kind:
        raise RefusedImage(Reason("wrong_extension", {"name": name[-80:], "format": header.kind}))


def _pixels(header: ImageHeader) -> Pixels:
    try:
        if header.kind == "JPEG":
            decoded: Pixels = simplejpeg.decode_jpeg(header.content, "BGR", strict=True)
            return decoded
        found = cv2.imdecode(np.frombuffer(header.content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except (ValueError, cv2.error) as error:
        raise RefusedImage(Reason("damaged", {"format": header.kind, "why": str(error).strip().splitlines()[-1][:120]})) from error
    if found is None:
        raise RefusedImage(Reason("damaged", {"format": header.kind, "why": "the decoder gives nothing"}))
    return np.asarray(found, np.uint8)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    rotation, flip = _TURNS.get(orientation, (None, None))
    if rotation is not None:
        pixels = np.asarray(cv2.rotate(pixels, rotation), np.uint8)
    if flip is not None:
        pixels = np.asarray(cv2.flip(pixels, flip), np.uint8)
    return pixels
