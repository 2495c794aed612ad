"""Job orders, job responses and their states as OPC 10031-4 (ISA-95 Job Control, version 2) encodes them, to bytes and back.

The types are written out here because what a server tells of its own types may differ, and asyncua keeps such types for all servers at
once by namespace index, which is another one at each server. What comes is walked before it is believed. Structures with optional fields:
OPC 10000-6, 5.2.7; node ids: the nodeset of http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final

from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary

from protocols.opcua_attributes import localized_text_at, text_at, variant_at
from protocols.opcua_binary import Malformed, after, after_node_id, after_variant, byte_at, int32_at
from protocols.opcua_decoder import TICKS_1601_TO_1970
from protocols.opcua_units import ucum_of

NAMESPACE: Final = "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/"
MACHINERY_JOBS: Final = "http://opcfoundation.org/UA/Machinery/Jobs/"
RECEIVER_TYPES: Final = (1002, 1008)
"""ISA95JobOrderReceiverObjectType, ISA95JobOrderReceiverSubStatesType."""
PROVIDER_TYPE: Final = 1003
"""ISA95JobResponseProviderObjectType."""
JOB_ORDER: Final = 5014
JOB_RESPONSE: Final = 5026
JOB_ORDER_AND_STATE: Final = 5032
"""Default Binary encodings."""

_UCUM: Final = "http://unitsofmeasure.org"
_MOST_DEPTH: Final = 8
_MOST_ITEMS: Final = 10_000


class JobState(IntEnum):
    """Numbers of the states of a job order (table 13 of the nodeset's state machine)."""

    NOT_ALLOWED_TO_START = 1
    ALLOWED_TO_START = 2
    RUNNING = 3
    INTERRUPTED = 4
    ENDED = 5
    ABORTED = 6


STATE_NAMES: Final = {
    JobState.NOT_ALLOWED_TO_START: "NotAllowedToStart",
    JobState.ALLOWED_TO_START: "AllowedToStart",
    JobState.RUNNING: "Running",
    JobState.INTERRUPTED: "Interrupted",
    JobState.ENDED: "Ended",
    JobState.ABORTED: "Aborted",
}

NO_ERROR: Final = 1 << 0
UNKNOWN_JOB_ORDER: Final = 1 << 1
INVALID_STATUS: Final = 1 << 3
UNABLE_TO_ACCEPT: Final = 1 << 4
INVALID_REQUEST: Final = 1 << 32
"""Bits of a ReturnStatus (annex B.2); 33 to 63 are the implementation's own."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """ISA95ParameterDataType: something named, its value, and its unit where it has one."""

    id: str
    value: Any
    """bool, int (as UInt64), float, str or a tuple of str."""
    unit: str = ""
    """UCUM code."""
    parts: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """ISA95MaterialDataType, as far as it is used."""

    definition: str = ""
    lot: str = ""
    sublot: str = ""
    use: str = ""


@dataclass(frozen=True, slots=True)
class JobOrder:
    """ISA95JobOrderDataType, as far as it is used."""

    id: str
    description: str = ""
    work_masters: tuple[str, ...] = ()
    start_us: int | None = None
    end_us: int | None = None
    priority: int | None = None
    parameters: tuple[Parameter, ...] = ()
    equipment: tuple[str, ...] = ()
    materials: tuple[Material, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """ISA95StateDataType: one level of a state; the first of several is the state, the rest are within it."""

    number: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class JobResponse:
    """ISA95JobResponseDataType, as far as it is used."""

    id: str
    job_order: str
    states: tuple[State, ...]
    data: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderAndState:
    """ISA95JobOrderAndStateDataType."""

    order: JobOrder
    states: tuple[State, ...]


# --- to bytes


def job_order_bytes(order: JobOrder) -> bytes:
    """Return the body of an ISA95JobOrderDataType."""
    fields = (
        None if not order.description else _texts([order.description]),
        None if not order.work_masters else _array([_masked(_string(one), (None, None)) for one in order.work_masters]),
        None if order.start_us is None else _time(order.start_us),
        None if order.end_us is None else _time(order.end_us),
        None if order.priority is None else struct.pack("<h", order.priority),
        None if not order.parameters else _array([_parameter(one) for one in order.parameters]),
        None,
        None if not order.equipment else _array([_masked(_string(one), (None,) * 5) for one in order.equipment]),
        None,
        None if not order.materials else _array([_material(one) for one in order.materials]),
    )
    return _masked(_string(order.id), fields)


def job_response_bytes(response: JobResponse) -> bytes:
    """Return the body of an ISA95JobResponseDataType: its first optional fields stand between the others."""
    data = None if not response.data else _array([_parameter(one) for one in response.data])
    mask = 0 if data is None else 1 << 3
    parts = (_string(response.id), _string(response.job_order), _array([_state(one) for one in response.states]), data or b"")
    return struct.pack("<I", mask) + b"".join(parts)


def order_and_state_bytes(entry: OrderAndState) -> bytes:
    """Return the body of an ISA95JobOrderAndStateDataType."""
    return job_order_bytes(entry.order) + _array([_state(one) for one in entry.states])


def structure(namespace: int, encoding: int, body: bytes) -> ua.ExtensionObject:
    """Return a structure as methods and variables bear it; ``namespace`` is the index of ``NAMESPACE`` at this server."""
    return ua.ExtensionObject(TypeId=ua.NodeId(encoding, namespace), Body=body)  # type: ignore[arg-type]


def _masked(first: bytes, optional: tuple[bytes | None, ...]) -> bytes:
    mask = sum(1 << position for position, field in enumerate(optional) if field is not None)
    return struct.pack("<I", mask) + first + b"".join(field for field in optional if field is not None)


def _parameter(one: Parameter, depth: int = 0) -> bytes:
    unit = None if not one.unit else _unit(one.unit)
    parts = None if not one.parts else _array([_parameter(part, depth + 1) for part in one.parts])
    return _masked(_string(one.id) + variant_to_binary(_variant(one.value)), (None, unit, parts))


def _variant(value: Any) -> ua.Variant:
    if isinstance(value, bool):
        return ua.Variant(value, ua.VariantType.Boolean)
    if isinstance(value, datetime):
        return ua.Variant(value, ua.VariantType.DateTime)
    if isinstance(value, int):
        return ua.Variant(value, ua.VariantType.UInt64)
    if isinstance(value, float):
        return ua.Variant(value, ua.VariantType.Double)
    if isinstance(value, tuple):
        return ua.Variant(list(value), ua.VariantType.String, is_array=True)
    return ua.Variant(value, ua.VariantType.String)


def _material(one: Material) -> bytes:
    given = (None, one.definition or None, one.lot or None, one.sublot or None, None, one.use or None, None, None, None)
    return _masked(b"", tuple(None if text is None else _string(text) for text in given))


def _unit(ucum: str) -> bytes:
    return _string(_UCUM) + struct.pack("<i", -1) + _localized(ucum) + _localized("")


def _state(one: State) -> bytes:
    # a path of no elements: the state machine's own states need none
    return _array([]) + _localized(one.text) + struct.pack("<I", one.number)


def _array(items: list[bytes]) -> bytes:
    return struct.pack("<i", len(items)) + b"".join(items)


def _texts(texts: list[str]) -> bytes:
    return _array([_localized(text) for text in texts])


def _localized(text: str) -> bytes:
    return b"\x02" + _string(text) if text else b"\x00"


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<i", len(raw)) + raw


def _time(time_us: int) -> bytes:
    return struct.pack("<q", time_us * 10 + TICKS_1601_TO_1970)


def time_of(time_us: int) -> Any:
    """Return a time as OPC UA variants bear it; asyncua has a name of its own for datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)


# --- from bytes


def read_job_order(body: bytes) -> JobOrder:
    """Return what the body of an ISA95JobOrderDataType says. Raises Malformed."""
    reader = _Reader(body)
    order = reader.job_order()
    reader.check_end()
    return order


def read_job_response(body: bytes) -> JobResponse:
    """Return what the body of an ISA95JobResponseDataType says. Raises Malformed."""
    reader = _Reader(body)
    mask = reader.mask()
    identifier = reader.text()
    if mask & 1:
        reader.localized()
    job_order = reader.text()
    for bit in (1, 2):
        if mask & 1 << bit:
            reader.time_us()
    states = reader.states()
    data = reader.parameters() if mask & 8 else ()
    for bit, each in ((4, reader.personnel), (5, reader.personnel), (6, reader.personnel), (7, reader.material)):
        if mask & 1 << bit:
            reader.many(each)
    reader.check_end()
    return JobResponse(identifier, job_order, states, data)


def read_order_and_state(body: bytes) -> OrderAndState:
    """Return what the body of an ISA95JobOrderAndStateDataType says. Raises Malformed."""
    reader = _Reader(body)
    order = reader.job_order()
    states = reader.states()
    reader.check_end()
    return OrderAndState(order, states)


def structures_at(reply: bytes, position: int) -> list[bytes]:
    """Return the bodies of the structures in the Variant at a position (one, or an array) whose bounds have been checked."""
    encoding, place = reply[position], position + 1
    if encoding == 22:
        count = 1
    elif encoding in {0x80 | 22, 0xC0 | 22}:
        count, place = max(int32_at(reply, place), 0), place + 4
    else:
        return []
    bodies = []
    for _ in range(count):
        behind = after_node_id(reply, place)
        kind = byte_at(reply, behind)
        length = max(int32_at(reply, behind + 1), 0) if kind else 0
        place = behind + (5 if kind else 1)
        bodies.append(reply[place : after(reply, place, length)] if kind == 1 else b"")
        place += length
    return bodies


class _Reader:
    """Walks along the bytes of one structure."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def check_end(self) -> None:
        if self._at != len(self._body):
            raise Malformed(f"{len(self._body) - self._at} bytes behind the end of a structure")

    def _take(self, form: str) -> Any:
        end = after(self._body, self._at, struct.calcsize(form))
        value = struct.unpack_from(form, self._body, self._at)[0]
        self._at = end
        return value

    def mask(self) -> int:
        return int(self._take("<I"))

    def text(self) -> str:
        text, self._at = text_at(self._body, self._at)
        return text

    def localized(self) -> str:
        byte_at(self._body, self._at)
        text, self._at = localized_text_at(self._body, self._at)
        return text

    def time_us(self) -> int:
        return (int(self._take("<q")) - TICKS_1601_TO_1970) // 10

    def many(self, one: Any) -> tuple[Any, ...]:
        count = max(int(self._take("<i")), 0)
        # each takes a byte at least
        if count > min(_MOST_ITEMS, len(self._body) - self._at):
            raise Malformed(f"{count} items in {len(self._body) - self._at} bytes")
        return tuple(one() for _ in range(count))

    def job_order(self) -> JobOrder:
        mask = self.mask()
        identifier = self.text()
        description = " ".join(self.many(self.localized)) if mask & 1 else ""
        masters = self.many(self._work_master) if mask & 2 else ()
        start_us = self.time_us() if mask & 4 else None
        end_us = self.time_us() if mask & 8 else None
        priority = int(self._take("<h")) if mask & 16 else None
        parameters = self.parameters() if mask & 32 else ()
        if mask & 64:
            self.many(self.personnel)
        equipment = self.many(self.personnel) if mask & 128 else ()
        if mask & 256:
            self.many(self.personnel)
        materials = self.many(self.material) if mask & 512 else ()
        return JobOrder(identifier, description, masters, start_us, end_us, priority, parameters, equipment, materials)

    def states(self) -> tuple[State, ...]:
        return self.many(self._state)

    def _state(self) -> State:
        self.many(self._path_element)
        text = self.localized()
        return State(int(self._take("<I")), text)

    def _path_element(self) -> None:
        self._at = after(self._body, after_node_id(self._body, self._at), 2)
        self._take("<H")
        self.text()

    def _work_master(self) -> str:
        mask = self.mask()
        identifier = self.text()
        if mask & 1:
            self.localized()
        if mask & 2:
            self.parameters()
        return identifier

    def parameters(self, depth: int = 0) -> tuple[Parameter, ...]:
        if depth > _MOST_DEPTH:
            raise Malformed("parameters nested too deep")
        return self.many(lambda: self._parameter(depth))

    def _parameter(self, depth: int) -> Parameter:
        mask = self.mask()
        identifier = self.text()
        start, self._at = self._at, after_variant(self._body, self._at)
        value = variant_at(self._body, start)
        if mask & 1:
            self.many(self.localized)
        unit = self._unit() if mask & 2 else ""
        parts = self.parameters(depth + 1) if mask & 4 else ()
        return Parameter(identifier, tuple(value) if isinstance(value, list) else value, unit, parts)

    def _unit(self) -> str:
        namespace, number, name = self.text(), int(self._take("<i")), self.localized()
        self.localized()
        return name if namespace == _UCUM else ucum_of(namespace, number, name)

    def personnel(self) -> str:
        """Return the id of a person, an equipment or an asset: the three types have the same fields."""
        mask = self.mask()
        identifier = self.text()
        if mask & 1:
            self.many(self.localized)
        if mask & 2:
            self.text()
        self._amount(mask >> 2)
        return identifier

    def material(self) -> Material:
        mask = self.mask()
        texts = [self.text() if mask & 1 << bit else "" for bit in range(4)]
        if mask & 16:
            self.many(self.localized)
        use = self.text() if mask & 32 else ""
        self._amount(mask >> 6)
        return Material(texts[1], texts[2], texts[3], use)

    def _amount(self, mask: int) -> None:
        if mask & 1:
            self.text()
        if mask & 2:
            self._unit()
        if mask & 4:
            self.parameters()
