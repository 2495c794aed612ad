"""What a tightening controller tells, as values of ours: its own clock's times in UTC, its own names where a result has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from plant.equipment import EquipmentId
from plant.errors import Rejected
from plant.signals import SourceId
from plant.tightening import TighteningResult, TighteningTrace, pack_counts
from protocols.open_protocol import Telegram
from protocols.open_protocol_results import RESULT_REVISIONS
from protocols.open_protocol_traces import Trace

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ToolSource:
    """What is read of a controller, and where it stands."""

    id: SourceId
    equipment: EquipmentId
    zone: ZoneInfo
    """The zone of the controller's clock."""
    station: int = 0
    spindles: tuple[int, ...] = ()
    multiple: bool = False
    revisions: tuple[int, ...] = RESULT_REVISIONS
    shared_numbers: bool = False
    curves: bool = True
    alarms: bool = True


def result_of(
    source: ToolSource, told: Mapping[str, Any], telegram: Telegram, tool: Mapping[str, Any], controller: str, now_us: int, *, fetched: bool
) -> TighteningResult:
    """Return a result; ``tool`` is what the controller told of its tool. Raises Rejected for a time that is none."""
    told = dict(told)
    time, changed = told.pop("time"), told.pop("program_changed", None)
    calibrated = tool.get("calibrated")
    told["controller"] = told.get("controller") or controller
    told["tool"] = told.get("tool") or str(tool.get("serial") or "")
    told.setdefault("spindle", telegram.spindle or 1)
    return TighteningResult(
        source=source.id,
        equipment=source.equipment,
        time_us=time_us_of(source, time),
        received_us=now_us,
        station=telegram.station or source.station or 1,
        fetched=fetched,
        program_changed_us=None if changed is None else time_us_of(source, changed),
        tool_calibrated_us=None if calibrated is None else time_us_of(source, calibrated),
        **told,
    )


def trace_of(source: ToolSource, trace: Trace, telegram: Telegram, now_us: int) -> TighteningTrace:
    """Return torque or angle over time. Raises Rejected for a time that is none."""
    return TighteningTrace(
        source.id,
        source.equipment,
        trace.tightening_id,
        time_us_of(source, trace.time),
        now_us,
        telegram.station or source.station or 1,
        telegram.spindle,
        trace.kind,
        trace.resolution,
        len(trace.counts),
        pack_counts(trace.counts),
        tuple((one.first, one.interval_us) for one in trace.resolutions),
        trace.steps,
        trace.bolt,
    )


def time_us_of(source: ToolSource, time: datetime) -> int:
    """Return a controller's time in microseconds since 1970. Raises Rejected for one that no calendar has in UTC."""
    try:
        return (time.replace(tzinfo=source.zone).astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    except (OverflowError, ValueError) as error:
        raise Rejected(f"{time} is no time") from error
