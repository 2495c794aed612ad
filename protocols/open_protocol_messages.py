"""What a controller tells beside its results: who it is, its tool, programs, jobs, identifiers, alarms and its clock (R 2.8.0, 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from plant.errors import Rejected
from protocols.open_protocol import (
    ALARM,
    ALARM_ACKNOWLEDGED,
    ALARM_STATUS,
    COMMAND_ACCEPTED,
    COMMAND_ERROR,
    COMMUNICATION_STARTED,
    ERRORS,
    HEADER_BYTES,
    IDENTIFIER,
    JOB_INFO,
    LINK_ERROR,
    PROGRAM_IDS_REPLY,
    PROGRAM_REPLY,
    PROGRAM_SELECTED,
    TIME_REPLY,
    TOOL_REPLY,
    Field,
    Kind,
    Telegram,
    encode_fields,
    parse_fields,
)

_TEXT, _TIME, _HUNDREDTHS = Kind.TEXT, Kind.TIME, Kind.HUNDREDTHS
Layout = tuple[Field, ...]


def _added(*groups: Layout) -> dict[int, Layout]:
    """Return the fields of each revision, where each adds to the one before."""
    return {n + 1: sum(groups[: n + 1], ()) for n in range(len(groups))}


_CONTROLLER = _added(
    (Field(1, "cell", 4), Field(2, "channel", 2), Field(3, "name", 25, _TEXT)),
    (Field(4, "supplier", 3, _TEXT),),
    (Field(5, "protocol_version", 19, _TEXT), Field(6, "controller_version", 19, _TEXT), Field(7, "tool_version", 19, _TEXT)),
    (Field(8, "rbu_type", 24, _TEXT), Field(9, "serial", 10, _TEXT)),
    (Field(10, "system_type", 3), Field(11, "system_subtype", 3)),
    (
        *(Field(12, "sequence_numbers", 1), Field(13, "linking", 1), Field(14, "station_number", 10)),
        *(Field(15, "station_name", 25, _TEXT), Field(16, "client", 1)),
    ),
)
_TOOL = _added(
    (
        *(Field(1, "serial", 14, _TEXT), Field(2, "tightenings", 10), Field(3, "calibrated", 19, _TIME)),
        Field(4, "controller_serial", 10, _TEXT),
    ),
    (
        *(Field(5, "calibration_value", 6, _HUNDREDTHS), Field(6, "serviced", 19, _TIME), Field(7, "tightenings_since_service", 10)),
        *(Field(8, "tool_type", 2), Field(9, "motor_size", 2), Field(10, "open_end", 3, _TEXT), Field(11, "version", 19, _TEXT)),
    ),
    (Field(12, "torque_most_nm", 6, _HUNDREDTHS), Field(13, "gear_ratio", 6, _HUNDREDTHS), Field(14, "full_speed", 6, _HUNDREDTHS)),
    (Field(15, "primary_tool", 2),),
    (Field(16, "model", 12, _TEXT),),
)
_PROGRAM = _added(
    (
        *(Field(1, "program", 3), Field(2, "program_name", 25, _TEXT), Field(3, "direction", 1), Field(4, "batch_size", 2)),
        *(Field(5, "torque_min_nm", 6, _HUNDREDTHS), Field(6, "torque_max_nm", 6, _HUNDREDTHS)),
        *(Field(7, "torque_target_nm", 6, _HUNDREDTHS), Field(8, "angle_min_deg", 5), Field(9, "angle_max_deg", 5)),
        Field(10, "angle_target_deg", 5),
    ),
    (Field(11, "torque_first_nm", 6, _HUNDREDTHS), Field(12, "snug_torque_nm", 6, _HUNDREDTHS)),
)


def _job(job: int) -> Layout:
    return (
        *(Field(1, "job", job), Field(2, "job_status", 1), Field(3, "counts_all", 1), Field(4, "job_size", 4), Field(5, "job_counter", 4)),
        Field(6, "time", 19, _TIME),
    )


def _alarm(code: int, first: int) -> Layout:
    return (
        *(Field(first, "code", code, _TEXT), Field(first + 1, "controller_ready", 1), Field(first + 2, "tool_ready", 1)),
        Field(first + 3, "time", 19, _TIME),
    )


_JOB_STEPS = (Field(7, "step", 3), Field(8, "steps", 3), Field(9, "step_type", 2))
_IDENTIFIERS = tuple(Field(n, "part" if n == 1 else f"identifier_{n}", 25, _TEXT) for n in range(1, 5))
_LAYOUTS: Final[Mapping[int, Mapping[int, Layout]]] = {
    COMMUNICATION_STARTED: _CONTROLLER,
    COMMAND_ERROR: {1: (Field(0, "mid", 4), Field(0, "error", 2))},
    COMMAND_ACCEPTED: {1: (Field(0, "mid", 4),)},
    PROGRAM_REPLY: _PROGRAM,
    PROGRAM_SELECTED: {1: (Field(0, "program", 3), Field(0, "program_changed", 19, _TIME))},
    JOB_INFO: {1: _job(2), 2: _job(4), 3: _job(4) + _JOB_STEPS, 4: _job(4) + _JOB_STEPS},
    TOOL_REPLY: _TOOL,
    IDENTIFIER: {1: (Field(0, "part", 25, _TEXT),), 2: _IDENTIFIERS},
    ALARM: {1: _alarm(4, 1), 2: (*_alarm(5, 1), Field(5, "text", 50, _TEXT))},
    ALARM_ACKNOWLEDGED: {1: (Field(0, "code", 4, _TEXT),)},
    ALARM_STATUS: {1: (Field(1, "active", 1), *_alarm(4, 2)), 2: (Field(1, "active", 1), *_alarm(5, 2))},
    TIME_REPLY: {1: (Field(0, "time", 19, _TIME),)},
    LINK_ERROR: {1: (Field(0, "mid", 4), Field(0, "error", 4))},
}


def message_fields(mid: int, revision: int) -> Layout:
    """Return the fields of a message in a revision. Raises Rejected where it is not known here."""
    layout = _LAYOUTS.get(mid, {}).get(revision)
    if layout is None:
        raise Rejected(f"MID {mid:04d} revision {revision} is not known")
    return layout


def parse_message(telegram: Telegram) -> dict[str, Any]:
    """Return what a message tells, by the names of its fields. Raises Rejected, saying where and what, for one that is not whole."""
    if telegram.mid == PROGRAM_IDS_REPLY:
        return {"programs": _program_ids(telegram)}
    if telegram.mid == IDENTIFIER and telegram.revision == 1 and 25 < len(telegram.data) <= 40:
        # PowerMACS sends up to 40 bytes
        return parse_fields(telegram, (Field(0, "part", len(telegram.data), _TEXT),))[0]
    values, end = parse_fields(telegram, message_fields(telegram.mid, telegram.revision))
    if telegram.data[end:].strip(b" "):
        raise Rejected(f"MID {telegram.mid:04d}, byte {HEADER_BYTES + end + 1}: {len(telegram.data) - end} bytes more than there should be")
    return values


def encode_message(mid: int, revision: int, values: Mapping[str, Any]) -> bytes:
    """Return the data field of a message. Raises Rejected for a value that does not fit."""
    if mid == PROGRAM_IDS_REPLY:
        programs: list[int] = values["programs"]
        return f"{len(programs):03d}{''.join(f'{number:03d}' for number in programs)}".encode("ascii")
    return encode_fields(values, message_fields(mid, revision))


def error_words(code: int) -> str:
    """Return an error code of MID 0004 in words."""
    return ERRORS.get(code, f"error {code:02d}")


def _program_ids(telegram: Telegram) -> list[int]:
    values, at = parse_fields(telegram, (Field(0, "count", 3),))
    count = values["count"] or 0
    # from revision 2 on, stages and types of the programs follow
    if len(telegram.data) < at + 3 * count or (telegram.revision == 1 and telegram.data[at + 3 * count :].strip(b" ")):
        raise Rejected(f"MID {telegram.mid:04d}: {count} programs are announced, {len(telegram.data) - at} bytes are there")
    values, _ = parse_fields(telegram, tuple(Field(0, str(n), 3) for n in range(count)), at)
    return [number for number in values.values() if number is not None]
