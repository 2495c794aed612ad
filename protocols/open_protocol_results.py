"""Results of tightenings as Open Protocol tells them: MID 0061, 0065 and 0101, in all revisions (R 2.8.0, 5.8 and 5.12).

Torque comes in N.m unless revision 3 names another unit; it leaves here in N.m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from plant.errors import Rejected
from plant.tightening import AgainstLimits, ResultKind, Stage
from plant.verdict import Verdict
from protocols.open_protocol import (
    HEADER_BYTES,
    OLD_RESULT_REPLY,
    RESULT,
    SPINDLES_RESULT,
    Field,
    Kind,
    Telegram,
    encode_fields,
    parse_fields,
)

_TEXT, _TIME, _HUNDREDTHS = Kind.TEXT, Kind.TIME, Kind.HUNDREDTHS

RESULT_REVISIONS: Final = (7, 6, 5, 4, 3, 2, 1)
"""What is asked for, the best first. 998 (stages) and 999 (light) are for controllers that have no better one."""
MOST_ID: Final = 4_294_967_295
_MOST_SPINDLES: Final = 50

_CELL = (Field(1, "cell", 4), Field(2, "channel", 2), Field(3, "controller", 25, _TEXT), Field(4, "part", 25, _TEXT))
_FIRST: Final = (
    *_CELL,
    *(Field(5, "job", 2), Field(6, "program", 3), Field(7, "batch_size", 4), Field(8, "batch_counter", 4)),
    *(Field(9, "verdict", 1), Field(10, "torque_status", 1), Field(11, "angle_status", 1)),
    *(Field(12, "torque_min_nm", 6, _HUNDREDTHS), Field(13, "torque_max_nm", 6, _HUNDREDTHS)),
    *(Field(14, "torque_target_nm", 6, _HUNDREDTHS), Field(15, "torque_nm", 6, _HUNDREDTHS)),
    *(Field(16, "angle_min_deg", 5), Field(17, "angle_max_deg", 5), Field(18, "angle_target_deg", 5), Field(19, "angle_deg", 5)),
    *(Field(20, "time", 19, _TIME), Field(21, "program_changed", 19, _TIME), Field(22, "batch_verdict", 1), Field(23, "tightening_id", 10)),
)
_SECOND: Final = (
    *_CELL,
    *(Field(5, "job", 4), Field(6, "program", 3), Field(7, "strategy", 2), Field(8, "strategy_options", 5)),
    *(Field(9, "batch_size", 4), Field(10, "batch_counter", 4), Field(11, "verdict", 1), Field(12, "batch_verdict", 1)),
    *(Field(13, "torque_status", 1), Field(14, "angle_status", 1), Field(15, "rundown_angle_status", 1), Field(16, "current_status", 1)),
    *(Field(17, "self_tap_status", 1), Field(18, "prevail_torque_status", 1), Field(19, "prevail_compensate_status", 1)),
    *(Field(20, "errors", 10), Field(21, "torque_min_nm", 6, _HUNDREDTHS), Field(22, "torque_max_nm", 6, _HUNDREDTHS)),
    *(Field(23, "torque_target_nm", 6, _HUNDREDTHS), Field(24, "torque_nm", 6, _HUNDREDTHS)),
    *(Field(25, "angle_min_deg", 5), Field(26, "angle_max_deg", 5), Field(27, "angle_target_deg", 5), Field(28, "angle_deg", 5)),
    *(Field(29, "rundown_angle_min_deg", 5), Field(30, "rundown_angle_max_deg", 5), Field(31, "rundown_angle_deg", 5)),
    *(Field(32, "current_min_percent", 3), Field(33, "current_max_percent", 3), Field(34, "current_percent", 3)),
    *(Field(35, "self_tap_torque_min_nm", 6, _HUNDREDTHS), Field(36, "self_tap_torque_max_nm", 6, _HUNDREDTHS)),
    *(Field(37, "self_tap_torque_nm", 6, _HUNDREDTHS), Field(38, "prevail_torque_min_nm", 6, _HUNDREDTHS)),
    *(Field(39, "prevail_torque_max_nm", 6, _HUNDREDTHS), Field(40, "prevail_torque_nm", 6, _HUNDREDTHS)),
    *(Field(41, "tightening_id", 10), Field(42, "job_sequence", 5), Field(43, "sync_id", 5), Field(44, "tool", 14, _TEXT)),
    *(Field(45, "time", 19, _TIME), Field(46, "program_changed", 19, _TIME)),
)
_ADDED: Final[Mapping[int, tuple[Field, ...]]] = {
    3: (Field(47, "program_name", 25, _TEXT), Field(48, "torque_unit", 1), Field(49, "kind", 2)),
    4: tuple(Field(50 + n, f"identifier_{n + 2}", 25, _TEXT) for n in range(3)),
    5: (Field(53, "customer_error", 4, _TEXT),),
    6: (Field(54, "prevail_compensate_nm", 6, _HUNDREDTHS), Field(55, "errors_2", 10)),
    7: (Field(56, "compensated_angle_deg", 7, _HUNDREDTHS), Field(57, "exact_angle_deg", 7, _HUNDREDTHS)),
    998: (Field(56, "stages", 2), Field(57, "stage_results", 2)),
}
_LIGHT: Final = (
    *(Field(0, "part", 25, _TEXT), Field(0, "job", 2), Field(0, "program", 3), Field(0, "batch_size", 4), Field(0, "batch_counter", 4)),
    *(Field(0, "batch_verdict", 1), Field(0, "verdict", 1), Field(0, "torque_status", 1), Field(0, "angle_status", 1)),
    *(Field(0, "torque_nm", 6, _HUNDREDTHS), Field(0, "angle_deg", 5), Field(0, "time", 19, _TIME)),
    *(Field(0, "program_changed", 19, _TIME), Field(0, "tightening_id", 10)),
)
_OLD_FIRST: Final = (
    *(Field(1, "tightening_id", 10), Field(2, "part", 25, _TEXT), Field(3, "program", 3), Field(4, "batch_counter", 4)),
    *(Field(5, "verdict", 1), Field(6, "torque_status", 1), Field(7, "angle_status", 1), Field(8, "torque_nm", 6, _HUNDREDTHS)),
    *(Field(9, "angle_deg", 5), Field(10, "time", 19, _TIME), Field(11, "batch_verdict", 1)),
)
_OLD_SECOND: Final = (
    *(Field(1, "tightening_id", 10), Field(2, "part", 25, _TEXT), Field(3, "job", 4), Field(4, "program", 3), Field(5, "strategy", 2)),
    *(Field(6, "strategy_options", 5), Field(7, "batch_size", 4), Field(8, "batch_counter", 4), Field(9, "verdict", 1)),
    *(Field(10, "batch_verdict", 1), Field(11, "torque_status", 1), Field(12, "angle_status", 1), Field(13, "rundown_angle_status", 1)),
    *(Field(14, "current_status", 1), Field(15, "self_tap_status", 1), Field(16, "prevail_torque_status", 1)),
    *(Field(17, "prevail_compensate_status", 1), Field(18, "errors", 10), Field(19, "torque_nm", 6, _HUNDREDTHS)),
    *(Field(20, "angle_deg", 5), Field(21, "rundown_angle_deg", 5), Field(22, "current_percent", 3)),
    *(Field(23, "self_tap_torque_nm", 6, _HUNDREDTHS), Field(24, "prevail_torque_nm", 6, _HUNDREDTHS), Field(25, "job_sequence", 5)),
    *(Field(26, "sync_id", 5), Field(27, "tool", 14, _TEXT), Field(28, "time", 19, _TIME)),
)
_OLD_ADDED: Final[Mapping[int, tuple[Field, ...]]] = {
    3: (Field(29, "torque_unit", 1), Field(30, "kind", 2)),
    4: tuple(Field(31 + n, f"identifier_{n + 2}", 25, _TEXT) for n in range(3)),
    5: (Field(34, "customer_error", 4, _TEXT),),
    6: (Field(35, "prevail_compensate_nm", 6, _HUNDREDTHS), Field(36, "errors_2", 10)),
    7: (Field(37, "station_number", 10), Field(38, "station_name", 25, _TEXT)),
}
_SPINDLES: Final = (
    *(Field(1, "spindles", 2), Field(2, "part", 25, _TEXT), Field(3, "job", 2), Field(4, "program", 3), Field(5, "batch_size", 4)),
    *(Field(6, "batch_counter", 4), Field(7, "batch_verdict", 1), Field(8, "torque_min_nm", 6, _HUNDREDTHS)),
    *(Field(9, "torque_max_nm", 6, _HUNDREDTHS), Field(10, "torque_target_nm", 6, _HUNDREDTHS), Field(11, "angle_min_deg", 5)),
    *(Field(12, "angle_max_deg", 5), Field(13, "angle_target_deg", 5), Field(14, "program_changed", 19, _TIME)),
    *(Field(15, "time", 19, _TIME), Field(16, "sync_id", 5), Field(17, "verdict", 1)),
)
_SPINDLE: Final = (
    *(Field(0, "spindle", 2), Field(0, "channel", 2), Field(0, "verdict", 1), Field(0, "torque_status", 1)),
    *(Field(0, "torque_nm", 6, _HUNDREDTHS), Field(0, "angle_status", 1), Field(0, "angle_deg", 5)),
)
_STAGE: Final = (Field(0, "torque_nm", 6, _HUNDREDTHS), Field(0, "angle_deg", 5))

_NM_PER_UNIT: Final = {1: 1.0, 2: 1.3558179483314, 3: 0.1129848290276167, 4: 9.80665, 5: 0.0980665, 6: 0.00706155181422604, 8: 0.01}
_PERCENT: Final = 7
_TORQUES: Final = (
    *("torque_nm", "torque_min_nm", "torque_max_nm", "torque_target_nm", "prevail_torque_nm", "prevail_torque_min_nm"),
    *("prevail_torque_max_nm", "self_tap_torque_nm"),
)
_KINDS: Final = dict(enumerate(ResultKind, 1))
_AGAINST: Final = {0: AgainstLimits.LOW, 1: AgainstLimits.OK, 2: AgainstLimits.HIGH}
_VERDICTS: Final = {0: Verdict.NOT_OK, 1: Verdict.OK}
_COPIED: Final = (
    *("tightening_id", "time", "controller", "part", "program", "program_name", "program_changed", "strategy", "strategy_options", "job"),
    *("job_sequence", "batch_size", "batch_counter", "sync_id", "tool", "customer_error", "torque_nm", "torque_min_nm", "torque_max_nm"),
    *("torque_target_nm", "angle_deg", "angle_min_deg", "angle_max_deg", "angle_target_deg", "rundown_angle_deg", "rundown_angle_min_deg"),
    *("rundown_angle_max_deg", "prevail_torque_nm", "prevail_torque_min_nm", "prevail_torque_max_nm", "self_tap_torque_nm"),
    "current_percent",
)


def result_fields(revision: int) -> tuple[Field, ...]:
    """Return the fields of MID 0061 in a revision, without the stages of revision 998. Raises Rejected for an unknown one."""
    if revision == 999:
        return _LIGHT
    if revision == 1:
        return _FIRST
    last = 6 if revision == 998 else revision
    if not 2 <= last <= 7:
        raise Rejected(f"MID 0061 has no revision {revision}")
    return sum((_ADDED[n] for n in range(3, last + 1)), _SECOND) + (_ADDED[998] if revision == 998 else ())


def old_result_fields(revision: int) -> tuple[Field, ...]:
    """Return the fields of MID 0065 in a revision. Raises Rejected for an unknown one."""
    if revision == 1:
        return _OLD_FIRST
    if not 2 <= revision <= 7:
        raise Rejected(f"MID 0065 has no revision {revision}")
    return sum((_OLD_ADDED[n] for n in range(3, revision + 1)), _OLD_SECOND)


def parse_result(telegram: Telegram) -> dict[str, Any]:
    """Return what MID 0061 or 0065 tells, by the names of TighteningResult; ``time`` and ``program_changed`` without a zone.

    Raises Rejected, saying where and what, for a telegram that is not whole or holds what its revision does not.
    """
    if telegram.mid == RESULT:
        values, end = parse_fields(telegram, result_fields(telegram.revision))
    elif telegram.mid == OLD_RESULT_REPLY:
        values, end = parse_fields(telegram, old_result_fields(telegram.revision))
    else:
        raise Rejected(f"MID {telegram.mid:04d} is no result")
    stages: tuple[Stage, ...] = ()
    if "stage_results" in values:
        stages, end = _stages(telegram, values, end)
    _nothing_left(telegram, end)
    return _told(telegram, values) | {"stages": stages}


def parse_spindles(telegram: Telegram) -> list[dict[str, Any]]:
    """Return what MID 0101 tells of each spindle that tightened at once; the sync id stands for the tightening id.

    Revisions 4 and 5 (presses, other units) are not taken. Raises Rejected as ``parse_result`` does.
    """
    if telegram.mid != SPINDLES_RESULT or telegram.revision > 3:
        raise Rejected(f"MID {telegram.mid:04d} revision {telegram.revision} is no result of spindles up to revision 3")
    common, end = parse_fields(telegram, _SPINDLES)
    count = common.pop("spindles")
    if count is None or not 1 <= count <= _MOST_SPINDLES or common["sync_id"] is None:
        raise Rejected(f"MID 0101: a result of {count} spindles with the sync id {common['sync_id']} is none")
    if telegram.data[end : end + 2] != b"18":
        raise Rejected(f"MID 0101, byte {HEADER_BYTES + end + 1}: field 18 stands here, not {telegram.data[end : end + 2]!r}")
    end += 2
    found = []
    for _ in range(count):
        own, end = parse_fields(telegram, _SPINDLE, end)
        # one digit tells of the angle: 0 is NOK here, whichever way
        angle = own.pop("angle_status")
        told = _told(telegram, common | own | {"tightening_id": common["sync_id"]})
        found.append(told | {"spindle": own["spindle"], "angle_status": AgainstLimits.OK if angle == 1 else None, "stages": ()})
    _nothing_left(telegram, end)
    return found


def encode_result(values: Mapping[str, Any], revision: int, *, old: bool = False) -> bytes:
    """Return the data field of MID 0061, or of MID 0065, for values by the names of its fields (stages: pairs of torque and angle)."""
    stages = values.get("stage_values", ())
    content = encode_fields(values, old_result_fields(revision) if old else result_fields(revision))
    if revision == 998 and not old:
        pairs = [{"torque_nm": torque, "angle_deg": angle} for torque, angle in stages]
        content += b"58" + b"".join(encode_fields(pair, _STAGE) for pair in pairs)
    return content


def encode_spindles(common: Mapping[str, Any], spindles: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the data field of MID 0101 revision 1."""
    return encode_fields({**common, "spindles": len(spindles)}, _SPINDLES) + b"18" + b"".join(encode_fields(s, _SPINDLE) for s in spindles)


def _stages(telegram: Telegram, values: Mapping[str, Any], at: int) -> tuple[tuple[Stage, ...], int]:
    count = values["stage_results"] or 0
    if telegram.data[at : at + 2] != b"58":
        raise Rejected(f"MID 0061 revision 998, byte {HEADER_BYTES + at + 1}: field 58 stands here, not {telegram.data[at : at + 2]!r}")
    at += 2
    stages = []
    for _ in range(count):
        stage, at = parse_fields(telegram, _STAGE, at)
        stages.append(Stage(stage["torque_nm"] or 0.0, float(stage["angle_deg"] or 0)))
    return tuple(stages), at


def _nothing_left(telegram: Telegram, end: int) -> None:
    # some controllers fill up with blanks
    if telegram.data[end:].strip(b" "):
        raise Rejected(
            f"MID {telegram.mid:04d} revision {telegram.revision}, byte {HEADER_BYTES + end + 1}: "
            f"{len(telegram.data) - end} bytes more than this revision has"
        )


def _told(telegram: Telegram, values: Mapping[str, Any]) -> dict[str, Any]:
    where = f"MID {telegram.mid:04d} revision {telegram.revision}"
    told = {name: values[name] for name in _COPIED if name in values}
    number = told.get("tightening_id")
    if number is None or number < 0:
        raise Rejected(f"{where}: {number} is no tightening id")
    if told.get("time") is None:
        raise Rejected(f"{where}: a result without a time")
    told["verdict"] = _VERDICTS.get(values.get("verdict", -1), Verdict.UNDEFINED)
    told["batch_verdict"] = _VERDICTS.get(values.get("batch_verdict", -1), Verdict.UNDEFINED)
    for name in ("torque_status", "angle_status", "rundown_angle_status"):
        if values.get(name) is not None:
            told[name] = _AGAINST.get(values[name])
    first, second = values.get("errors") or 0, values.get("errors_2") or 0
    if not (0 <= first < 1 << 32 and 0 <= second < 1 << 31):
        raise Rejected(f"{where}: error bits {first} and {second} are more than 32")
    told["errors"] = first | second << 32
    told["kind"] = _KINDS.get(values.get("kind") or 1, ResultKind.TIGHTENING)
    told["identifiers"] = tuple(word for n in (2, 3, 4) if (word := values.get(f"identifier_{n}")))
    if values.get("exact_angle_deg") is not None:
        told["angle_deg"] = values["exact_angle_deg"]
    _in_newton_metres(told, values.get("torque_unit"), where)
    for name, value in told.items():
        if name.endswith("_deg") and value is not None:
            told[name] = float(value)
    return told


def _in_newton_metres(told: dict[str, Any], unit: int | None, where: str) -> None:
    if unit in (None, 0, 1):
        return
    if unit == _PERCENT:
        # a share of an unknown torque is no torque
        told.update({name: None for name in _TORQUES if name in told})
        return
    if unit not in _NM_PER_UNIT:
        raise Rejected(f"{where}: torque in the unknown unit {unit}")
    told.update({name: told[name] * _NM_PER_UNIT[unit] for name in _TORQUES if told.get(name) is not None})
