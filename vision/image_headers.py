"""The structure of JPEG, PNG and BMP files, walked from the first byte to the last without decoding anything.

JPEG: ITU-T T.81 annex B. PNG: W3C recommendation, third edition. BMP: BITMAPINFOHEADER and its successors.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from plant.errors import Rejected
from plant.inspections import Reason, reason_words
from vision import jpeg_tables

Kind: TypeAlias = Literal["JPEG", "PNG", "BMP"]
_FOREIGN: Final = (
    b"%PDF-",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"<?php",
    b"<script",
    b"<html",
    b"\x7fELF",
    b"Rar!\x1a\x07",
    b"7z\xbc\xaf\x27\x1c",
)
"""Beginnings of other files that hide in what a decoder skips."""
_PADDING: Final = 65_536
"""Zero bytes behind the end that some cameras fill their blocks with."""
_RESTARTS: Final = range(0xD0, 0xD8)
_STANDALONE: Final = frozenset({0x01, *_RESTARTS})
_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TAKEN_SIZES: Final = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive; the others (lossless, arithmetic) come out of no camera."""
_KEPT_CHUNKS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_DEPTHS: Final = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""By colour type."""


class RefusedImage(Rejected):
    """Bytes that are no picture to be looked at; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason_words(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the structure of a picture says."""

    kind: Kind
    width: int
    height: int
    orientation: int
    """As EXIF numbers it: 1 is upright, 2 to 8 are turned or mirrored."""
    content: bytes
    """What a decoder needs to be given, nothing else."""


def probe_jpeg(content: bytes) -> ImageHeader:
    """Return the header of what begins like a JPEG. Raises RefusedImage."""
    found = _Jpeg(content)
    end = found.walk()
    rest = content[end:]
    if found.another_follows and rest.startswith(b"\xff\xd8\xff"):  # a telephone's second picture (CIPA DC-007), itself a whole JPEG
        rest = rest[_Jpeg(rest).walk() :]
    _check_rest("JPEG", rest)
    return ImageHeader("JPEG", found.width, found.height, found.orientation, content[:end])


class _Jpeg:
    """One walk over the segments of a JPEG, and what they said."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 2
        self._scanned = False
        self.width = self.height = 0
        self.orientation = 1
        self.another_follows = False

    def walk(self) -> int:
        """Return where the picture ends."""
        while (marker := self._next_marker()) != 0xD9:
            if marker == 0xD8:
                raise _damaged("JPEG", "a second picture begins within it")
            if marker not in _STANDALONE:
                self._take(marker, self._body())
        if not self._scanned:
            raise _damaged("JPEG", "it ends before its picture")
        return self._at

    def _next_marker(self) -> int:
        content, at = self._content, self._at
        if not self._scanned and at < len(content) and content[at] != 0xFF:
            raise _damaged("JPEG", "bytes stand between its segments")
        while 0 <= (at := content.find(b"\xff", at)) < len(content) - 1:
            code = content[at + 1]
            if code == 0xFF:
                at += 1
            elif code == 0 or (self._scanned and code in _RESTARTS):
                if not self._scanned:
                    raise _damaged("JPEG", "bytes stand between its segments")
                at += 2
            else:
                self._at = at + 2
                return code
        raise _truncated("JPEG")

    def _body(self) -> bytes:
        length = int.from_bytes(self._content[self._at : self._at + 2])
        if self._at + max(2, length) > len(self._content):
            raise _truncated("JPEG")
        if length < 2:
            raise _damaged("JPEG", "a segment is shorter than its own length")
        body = self._content[self._at + 2 : self._at + length]
        self._at += length
        return body

    def _take(self, marker: int, body: bytes) -> None:
        if marker in _SIZES:
            self._take_size(marker, body)
        elif marker == 0xDB:
            _check_tables(body)
        elif marker == 0xDA:
            if not self.width:
                raise _damaged("JPEG", "its picture begins before its size is told")
            self._scanned = True
        elif marker == 0xFE or 0xE0 <= marker <= 0xEF:
            _check_foreign(body)
            if marker == 0xE1 and body.startswith(b"Exif\0\0"):
                self.orientation = _orientation(body[6:])
            self.another_follows = self.another_follows or (marker == 0xE2 and body.startswith(b"MPF\0"))

    def _take_size(self, marker: int, body: bytes) -> None:
        if marker not in _TAKEN_SIZES:
            raise _unsupported("JPEG", f"coding {marker - 0xC0}")
        if self.width:
            raise _damaged("JPEG", "it tells its size twice")
        if len(body) < 6:
            raise _damaged("JPEG", "its size is cut off")
        depth, self.height, self.width, components = struct.unpack(">BHHB", body[:6])
        if depth != 8 or components not in {1, 3}:
            raise _unsupported("JPEG", f"{components} components of {depth} bits")
        if len(body) != 6 + 3 * components or not self.width or not self.height:
            raise _damaged("JPEG", "its size makes no sense")


def _check_tables(body: bytes) -> None:
    try:
        sound = all(jpeg_tables.is_sound(table) for table in jpeg_tables.tables(body))
    except ValueError as error:
        raise _damaged("JPEG", str(error)) from error
    if not sound:
        raise _damaged("JPEG", "a quantisation table is none that an encoder writes")


def probe_png(content: bytes) -> ImageHeader:
    """Return the header of what begins like a PNG. Raises RefusedImage."""
    kept, header, orientation, data, end = [content[:8]], b"", 1, False, 8
    for name, body, whole in _chunks(content):
        if (end == 8) != (name == b"IHDR"):
            raise _damaged("PNG", "its header is not its first chunk, or there are two")
        end += len(whole)
        if name in _KEPT_CHUNKS:
            kept.append(whole)
            header = body if name == b"IHDR" else header
            data = data or name == b"IDAT"
        elif not name[0] & 0x20:
            raise _unsupported("PNG", f"chunk {name.decode('latin-1')}")
        else:
            _check_foreign(body)
            orientation = _orientation(body) if name == b"eXIf" else orientation
    if not data:
        raise _damaged("PNG", "it holds no picture")
    _check_rest("PNG", content[end:])
    return ImageHeader("PNG", *_png_size(header), orientation, b"".join(kept))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Give name, body and all bytes of each chunk up to the last, IEND."""
    at, name = 8, b""
    while name != b"IEND":
        length, name = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        whole = content[at : at + 12 + length]
        if len(whole) != 12 + length:
            raise _truncated("PNG")
        if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:]) or not name.isalpha():
            raise _damaged("PNG", "a check sum does not fit")
        yield name, whole[8:-4], whole
        at += len(whole)


def _png_size(header: bytes) -> tuple[int, int]:
    if len(header) != 13:
        raise _damaged("PNG", "its header has the wrong length")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", header)
    if not 0 < width < 2**31 or not 0 < height < 2**31 or compression or filtering or interlace > 1:
        raise _damaged("PNG", "its header makes no sense")
    if depth not in _PNG_DEPTHS.get(colour, set()):
        raise _damaged("PNG", f"colour type {colour} with {depth} bits")
    return int(width), int(height)


def probe_bmp(content: bytes) -> ImageHeader:
    """Return the header of what begins like a BMP. Raises RefusedImage."""
    if len(content) < 54:
        raise _truncated("BMP")
    told, _, offset, length, width, height, planes, bits, compression = struct.unpack("<IIIIiiHHI", content[2:34])
    height = abs(height)
    if length not in {40, 52, 56, 108, 124} or planes != 1 or width <= 0 or height <= 0:
        raise _damaged("BMP", "its header makes no sense")
    if not 14 + length <= offset <= 14 + length + 4 * 256 + 16:
        raise _damaged("BMP", "its picture does not begin behind its header")
    if bits not in {8, 24, 32} or compression not in ({0, 3} if bits == 32 else {0}):
        raise _unsupported("BMP", f"{bits} bits, compression {compression}")
    end = offset + (width * bits + 31) // 32 * 4 * height
    if max(end, told) > len(content):
        raise _truncated("BMP")
    _check_rest("BMP", content[end:])
    return ImageHeader("BMP", width, height, 1, content)


def _orientation(tiff: bytes) -> int:
    """Return the orientation of an EXIF block; 1 where it tells none or cannot be read."""
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    if tiff[:2] not in {b"II", b"MM"} or len(tiff) < 8:
        return 1
    at = int.from_bytes(tiff[4:8], order)
    for entry in range(at + 2, min(at + 2 + 12 * int.from_bytes(tiff[at : at + 2], order), len(tiff) - 11), 12):
        if int.from_bytes(tiff[entry : entry + 2], order) == 0x0112:
            value = int.from_bytes(tiff[entry + 8 : entry + 10], order)
            return value if 1 <= value <= 8 else 1
    return 1


def _check_rest(kind: Kind, rest: bytes) -> None:
    if len(rest) > _PADDING or rest.strip(b"\0"):
        raise RefusedImage(Reason("trailing_data", {"format": kind, "bytes": str(len(rest))}))


def _check_foreign(body: bytes) -> None:
    found = next((words for words in _FOREIGN if words in body), None)
    if found is not None:
        raise RefusedImage(Reason("foreign_content", {"what": found.strip(b"\x7f").decode("latin-1").split("\x03")[0][:6].strip()}))


def _truncated(kind: Kind) -> RefusedImage:
    return RefusedImage(Reason("truncated", {"format": kind}))


def _damaged(kind: Kind, why: str) -> RefusedImage:
    return RefusedImage(Reason("damaged_header", {"format": kind, "why": why}))


def _unsupported(kind: Kind, why: str) -> RefusedImage:
    return RefusedImage(Reason("unsupported", {"format": kind, "why": why}))
