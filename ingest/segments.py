"""The bytes of a spool segment: frames that are told from damage whatever happened to the file.

A segment is a head and frames. ``magic 4 | length 4 | crc 4 | number 8 | samples 4 | kind 4 | content``, little-endian. The CRC covers
all but itself and the magic, and starts from a seed made of the spool's id: a run of zeros is no frame (crc32 of nothing is 0), and a
frame of another spool is none of ours. After damage the next magic with a right CRC goes on, so one bad byte costs one frame.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from uuid import UUID

HEAD = struct.Struct("<8s16sQI")
"""Magic with version, spool id, number of the first frame, CRC."""
_HEAD_MAGIC = b"LHSPOOL1"
_FRAME = struct.Struct("<4sIIQII")
_CHECKED = struct.Struct("<IQII")
_MAGIC = b"\xa5\x4cH\x96"
FRAME_BYTES = _FRAME.size
LARGEST_CONTENT = 256_000_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its number, how many samples it holds, what kind it is, and its content."""

    number: int
    samples: int
    kind: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in a piece of a segment."""

    frames: list[Frame]
    ends: list[int]
    """Offset behind each frame."""
    end: int
    """Offset behind the last good frame."""
    damaged: int
    """Bytes that belong to no good frame, those behind ``end`` not counted."""


def seed_of(spool: UUID) -> int:
    """Return what a spool's checksums start from; never 0."""
    return zlib.crc32(spool.bytes, 0x5EED) or 1


def encode_head(spool: UUID, first: int) -> bytes:
    """Return the head of a segment whose first frame will have the number ``first``."""
    body = _HEAD_MAGIC + spool.bytes + struct.pack("<Q", first)
    return body + struct.pack("<I", zlib.crc32(body, 0x5EED))


def decode_head(content: bytes) -> tuple[UUID, int] | None:
    """Return spool id and first number, or None when this is no head of ours."""
    if len(content) < HEAD.size:
        return None
    magic, spool, first, crc = HEAD.unpack_from(content)
    if magic != _HEAD_MAGIC or zlib.crc32(content[: HEAD.size - 4], 0x5EED) != crc:
        return None
    return UUID(bytes=spool), first


def encode_frame(frame: Frame, seed: int) -> bytes:
    """Return a frame's bytes."""
    if not 0 < len(frame.content) <= LARGEST_CONTENT:
        raise ValueError(f"a frame cannot hold {len(frame.content)} bytes")
    checked = _CHECKED.pack(len(frame.content), frame.number, frame.samples, frame.kind)
    crc = zlib.crc32(frame.content, zlib.crc32(checked, seed))
    return _FRAME.pack(_MAGIC, len(frame.content), crc, frame.number, frame.samples, frame.kind) + frame.content


def scan(content: bytes, seed: int, at: int = 0) -> Scan:
    """Return the good frames of a segment from an offset on, in order, stepping over damage."""
    frames: list[Frame] = []
    ends: list[int] = []
    end = at
    damaged = 0
    position = at
    while position >= 0:
        frame = _frame_at(content, position, seed)
        if frame is not None:
            damaged += position - end
            frames.append(frame)
            position += FRAME_BYTES + len(frame.content)
            end = position
            ends.append(end)
        else:
            position = content.find(_MAGIC, position + 1)
    return Scan(frames, ends, end, damaged)


def _frame_at(content: bytes, at: int, seed: int) -> Frame | None:
    if len(content) - at < FRAME_BYTES:
        return None
    magic, length, crc, number, samples, kind = _FRAME.unpack_from(content, at)
    start = at + FRAME_BYTES
    if magic != _MAGIC or not 0 < length <= len(content) - start:
        return None
    body = content[start : start + length]
    if zlib.crc32(body, zlib.crc32(_CHECKED.pack(length, number, samples, kind), seed)) != crc:
        return None
    return Frame(number, samples, kind, body)
