"""Pictures for tests: made here, the same in each run."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

from vision.frames import Pixels


def scene(seed: int = 0, width: int = 320, height: int = 240) -> Pixels:
    """Return a picture with enough on it to be judged."""
    draws = np.random.default_rng(seed)
    coarse = draws.integers(30, 200, (height // 8, width // 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def jpeg(pixels: Pixels | None = None, quality: int = 90) -> bytes:
    found, content = cv2.imencode(".jpg", scene() if pixels is None else pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert found
    return content.tobytes()


def png(pixels: Pixels | None = None) -> bytes:
    found, content = cv2.imencode(".png", scene() if pixels is None else pixels)
    assert found
    return content.tobytes()


def bmp(pixels: Pixels | None = None) -> bytes:
    found, content = cv2.imencode(".bmp", scene() if pixels is None else pixels)
    assert found
    return content.tobytes()


def turned(content: bytes, orientation: int) -> bytes:
    """Return a JPEG that says by EXIF that it is turned."""
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]


def commented(content: bytes, words: bytes) -> bytes:
    """Return a JPEG with a comment."""
    return content[:2] + b"\xff\xfe" + struct.pack(">H", len(words) + 2) + words + content[2:]


def huge_png(side: int = 30_000) -> bytes:
    """Return a small PNG that says it is huge: black, so that it deflates to nearly nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    packed = zlib.compress(bytes(1 + side) * 16)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def drop(folder: Path, name: str, content: bytes, beside: dict[str, object] | None = None) -> Path:
    """Lay a picture into a folder as a camera does: what it shows first, then the picture by a rename."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if beside is not None:
        path.with_suffix(".json").write_text(json.dumps(beside))
    made = folder / f".{name}"
    made.write_bytes(content)
    made.rename(path)
    return path
