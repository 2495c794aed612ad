"""Attributes of nodes as Python values: the few kinds that describe a node, decoded without asyncua's trust in counts."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary

from protocols.opcua_binary import (
    HAS_STATUS,
    HAS_VALUE,
    Malformed,
    after_bytes,
    after_data_value,
    after_node_id,
    after_variant,
    check_end_of_results,
    int32_at,
)

_NUMBERS: Final = {1: "<?", 2: "<b", 3: "<B", 4: "<h", 5: "<H", 6: "<i", 7: "<I", 8: "<q", 9: "<Q", 10: "<f", 11: "<d", 13: "<q", 19: "<I"}


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure, still in bytes."""

    type_id: ua.NodeId
    body: bytes


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """One attribute: its StatusCode and its value, None where there is none or it is of no kind wanted here."""

    status: int
    value: Any

    @property
    def is_bad(self) -> bool:
        """Whether the server refused it."""
        return self.status >= 0x80000000


def attribute_values(reply: bytes, start: int, count: int) -> list[AttributeValue]:
    """Return the results of a Read of ``count`` attributes. Raises Malformed."""
    if int32_at(reply, start) != count:
        raise Malformed(f"{int32_at(reply, start)} values for {count} attributes")
    values, position = [], start + 4
    for _ in range(count):
        end = after_data_value(reply, position)
        values.append(_attribute_value(reply, position))
        position = end
    check_end_of_results(reply, position)
    return values


def _attribute_value(reply: bytes, position: int) -> AttributeValue:
    mask = reply[position]
    behind, value = position + 1, None
    if mask & HAS_VALUE:
        behind = after_variant(reply, position + 1)
        value = variant_at(reply, position + 1)
    status = int32_at(reply, behind) & 0xFFFFFFFF if mask & HAS_STATUS else 0
    return AttributeValue(status, value)


def variant_at(reply: bytes, position: int) -> Any:
    """Return the value of a Variant whose bounds have been checked; None for one of no kind wanted here."""
    encoding, start = reply[position], position + 1
    form = _NUMBERS.get(encoding)
    if form is not None:
        return struct.unpack_from(form, reply, start)[0]
    if encoding == 12:
        return text_at(reply, start)[0]
    if encoding == 15:
        return reply[start + 4 : after_bytes(reply, start)]
    if encoding in {17, 18}:
        return nodeid_from_binary(Buffer(reply, start))
    if encoding == 20:
        return text_at(reply, start + 2)[0]
    if encoding == 21:
        return localized_text_at(reply, start)[0]
    if encoding == 22:
        return _structure(reply, start)
    if encoding == 0x80 | 12:
        texts, place = [], start + 4
        for _ in range(max(int32_at(reply, start), 0)):
            text, place = text_at(reply, place)
            texts.append(text)
        return texts
    return None


def text_at(reply: bytes, position: int) -> tuple[str, int]:
    """Return the String at a position (what is no UTF-8 replaced, null as empty) and the position behind it. Raises Malformed."""
    end = after_bytes(reply, position)
    return reply[position + 4 : end].decode(errors="replace"), end


def localized_text_at(reply: bytes, position: int) -> tuple[str, int]:
    """Return the text of the LocalizedText at a position and the position behind it. Raises Malformed."""
    mask, end, text = reply[position], position + 1, ""
    if mask & 1:
        _, end = text_at(reply, end)
    if mask & 2:
        text, end = text_at(reply, end)
    return text, end


def _structure(reply: bytes, position: int) -> Structure:
    behind = after_node_id(reply, position)
    type_id = nodeid_from_binary(Buffer(reply, position))
    if reply[behind] != 1:
        return Structure(type_id, b"")
    end = after_bytes(reply, behind + 1)
    return Structure(type_id, reply[behind + 5 : end])
