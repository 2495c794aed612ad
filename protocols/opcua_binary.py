"""Walking through OPC UA bytes without trusting them: each length is checked before it is believed.

asyncua's own decoder takes counts at their word (a 5-byte Variant, an array of 2**31 nulls, keeps it busy for minutes), so a
reply is walked here first. Nothing here builds values; it tells where things are. OPC 10000-6, 5.2.
"""

from __future__ import annotations

import struct
from typing import Final

MOST_DEPTH: Final = 16
"""Variants within Variants, diagnostics within diagnostics: deeper than any device sends."""

FIXED_SIZES: Final[dict[int, int]] = {
    1: 1,
    2: 1,
    3: 1,
    4: 2,
    5: 2,
    6: 4,
    7: 4,
    8: 8,
    9: 8,
    10: 4,
    11: 8,
    13: 8,
    14: 16,
    19: 4,
}
"""Size of the built-in types that always take as many bytes."""

HAS_VALUE: Final = 1
HAS_STATUS: Final = 2
HAS_SOURCE_TIME: Final = 4
HAS_SERVER_TIME: Final = 8
HAS_SOURCE_PICOSECONDS: Final = 16
HAS_SERVER_PICOSECONDS: Final = 32
_KNOWN_DATA_VALUE_BITS: Final = 63

_INT32 = struct.Struct("<i")


class Malformed(Exception):
    """The bytes are no OPC UA reply: a length lies, or there is too little or too much."""


def int32_at(buffer: bytes, position: int) -> int:
    """Return the 32-bit integer at a position."""
    if position + 4 > len(buffer):
        raise Malformed(f"ends at byte {len(buffer)} within a length")
    value: int = _INT32.unpack_from(buffer, position)[0]
    return value


def after(buffer: bytes, position: int, size: int) -> int:
    """Return the position ``size`` bytes on, which must still be in the buffer."""
    end = position + size
    if end > len(buffer):
        raise Malformed(f"ends at byte {len(buffer)}, {end} were announced")
    return end


def after_bytes(buffer: bytes, position: int) -> int:
    """Return the position behind a String or ByteString."""
    length = int32_at(buffer, position)
    return after(buffer, position + 4, max(length, 0))


def byte_at(buffer: bytes, position: int) -> int:
    """Return one byte."""
    if position >= len(buffer):
        raise Malformed(f"ends at byte {len(buffer)}")
    return buffer[position]


def after_node_id(buffer: bytes, position: int) -> int:
    """Return the position behind a NodeId or ExpandedNodeId."""
    encoding = byte_at(buffer, position)
    kind = encoding & 0x3F
    if kind in {0, 1, 2}:
        end = after(buffer, position, (2, 4, 7)[kind])
    elif kind in {3, 5}:
        end = after_bytes(buffer, position + 3)
    elif kind == 4:
        end = after(buffer, position, 19)
    else:
        raise Malformed(f"node id of unknown kind {kind}")
    if encoding & 0x80:
        end = after_bytes(buffer, end)
    if encoding & 0x40:
        end = after(buffer, end, 4)
    return end


def after_extension_object(buffer: bytes, position: int) -> int:
    """Return the position behind an ExtensionObject; its body is not looked into."""
    end = after_node_id(buffer, position)
    encoding = byte_at(buffer, end)
    if encoding > 2:
        raise Malformed(f"extension object of unknown encoding {encoding}")
    return after_bytes(buffer, end + 1) if encoding else end + 1


def after_localized_text(buffer: bytes, position: int) -> int:
    """Return the position behind a LocalizedText."""
    mask = byte_at(buffer, position)
    end = position + 1
    if mask & 1:
        end = after_bytes(buffer, end)
    if mask & 2:
        end = after_bytes(buffer, end)
    return end


def after_diagnostic_info(buffer: bytes, position: int, depth: int = 0) -> int:
    """Return the position behind a DiagnosticInfo."""
    if depth > MOST_DEPTH:
        raise Malformed("diagnostics nested too deep")
    mask = byte_at(buffer, position)
    end = after(buffer, position + 1, 4 * (mask & 15).bit_count())
    if mask & 16:
        end = after_bytes(buffer, end)
    if mask & 32:
        end = after(buffer, end, 4)
    if mask & 64:
        end = after_diagnostic_info(buffer, end, depth + 1)
    return end


def after_variant(buffer: bytes, position: int, depth: int = 0) -> int:
    """Return the position behind a Variant."""
    if depth > MOST_DEPTH:
        raise Malformed("variants nested too deep")
    encoding = byte_at(buffer, position)
    type_id, end = encoding & 0x3F, position + 1
    if encoding & 0x80:
        end = _after_array(buffer, end, type_id, depth)
    elif type_id:
        end = _after_scalar(buffer, end, type_id, depth)
    if encoding & 0x40:
        count = int32_at(buffer, end)
        end = after(buffer, end + 4, 4 * max(count, 0))
    return end


def _after_array(buffer: bytes, position: int, type_id: int, depth: int) -> int:
    count, end = int32_at(buffer, position), position + 4
    if count <= 0:
        return end
    size = FIXED_SIZES.get(type_id)
    if size is not None:
        return after(buffer, end, size * count)
    # Each element of the other types takes at least one byte; an array of nulls takes none and is no value anybody sends.
    if type_id == 0 or count > len(buffer) - end:
        raise Malformed(f"array of {count} elements in {len(buffer) - end} bytes")
    for _ in range(count):
        end = _after_scalar(buffer, end, type_id, depth)
    return end


def _after_scalar(buffer: bytes, position: int, type_id: int, depth: int) -> int:
    size = FIXED_SIZES.get(type_id)
    if size is not None:
        return after(buffer, position, size)
    if type_id in {12, 15, 16} or type_id >= 26:
        # 26 to 31 are reserved: "decoders shall accept them and assume a ByteString" (OPC 10000-6, 5.2.2.16).
        if type_id > 31:
            raise Malformed(f"value of unknown type {type_id}")
        return after_bytes(buffer, position)
    if type_id in {17, 18}:
        return after_node_id(buffer, position)
    if type_id == 20:
        return after_bytes(buffer, after(buffer, position, 2))
    if type_id == 21:
        return after_localized_text(buffer, position)
    if type_id == 22:
        return after_extension_object(buffer, position)
    if type_id == 23:
        return after_data_value(buffer, position, depth + 1)
    if type_id == 24:
        return after_variant(buffer, position, depth + 1)
    return after_diagnostic_info(buffer, position, depth + 1)


def after_data_value(buffer: bytes, position: int, depth: int = 0) -> int:
    """Return the position behind a DataValue."""
    mask = byte_at(buffer, position)
    if mask & ~_KNOWN_DATA_VALUE_BITS:
        raise Malformed(f"data value with unknown bits 0x{mask:02X}")
    end = after_variant(buffer, position + 1, depth + 1) if mask & HAS_VALUE else position + 1
    return after(buffer, end, size_behind_value(mask))


def size_behind_value(mask: int) -> int:
    """Return how many bytes status, times and picoseconds of a DataValue take."""
    return (
        (4 if mask & HAS_STATUS else 0)
        + (8 if mask & HAS_SOURCE_TIME else 0)
        + (2 if mask & HAS_SOURCE_PICOSECONDS else 0)
        + (8 if mask & HAS_SERVER_TIME else 0)
        + (2 if mask & HAS_SERVER_PICOSECONDS else 0)
    )


def after_response_header(buffer: bytes, position: int) -> tuple[int, int]:
    """Return the service result and the position behind a ResponseHeader."""
    end = after(buffer, position, 16)
    result = int32_at(buffer, position + 12) & 0xFFFFFFFF
    end = after_diagnostic_info(buffer, end)
    count, end = int32_at(buffer, end), end + 4
    for _ in range(max(count, 0)):
        end = after_bytes(buffer, end)
    start = end
    end = after_extension_object(buffer, end)
    if end - start > 3 or buffer[end - 1] != 0:
        # asyncua would decode it with the same trust in counts; no service used here sends one.
        raise Malformed("an additional header, which no service used here has")
    return result, end


def check_end_of_results(buffer: bytes, position: int) -> None:
    """Raise Malformed unless an array of DiagnosticInfo, empty as a rule, fills the rest to the last byte."""
    count, end = int32_at(buffer, position), position + 4
    for _ in range(max(count, 0)):
        end = after_diagnostic_info(buffer, end)
    if end != len(buffer):
        raise Malformed(f"{len(buffer) - end} bytes behind the end of the reply")
