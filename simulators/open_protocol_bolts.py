"""What a simulated tightening controller tells of a bolt: the fields of its result, its line in that of all spindles, its traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from plant.tightening import AgainstLimits, TraceKind
from protocols.open_protocol_results import encode_spindles
from protocols.open_protocol_traces import BOLT_NUMBER, COEFFICIENT_DIVIDES, STAGE_SAMPLES, DataField, Resolution, Trace
from simulators.tightening import COUNTS_PER_DEG, COUNTS_PER_NM, SAMPLE_US, Program, Tightened

_STATUS: Final = {AgainstLimits.LOW: 0, AgainstLimits.OK: 1, AgainstLimits.HIGH: 2}


@dataclass(frozen=True, slots=True)
class Place:
    """Which bolt of which part it is, and who tightened it when."""

    controller: str
    tool: str
    part: str
    spindle: int
    tightening_id: int
    sync_id: int
    """The same for all spindles that tightened at once."""
    batch_counter: int
    batch_size: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Bolt:
    """One result, and all that is told of it."""

    values: dict[str, Any]
    tightened: Tightened
    spindle: int


def bolt_of(place: Place, program: Program, one: Tightened) -> Bolt:
    """Return the result of one bolt with each field that any revision tells."""
    return Bolt({**_identity(place, program), **_limits(program), **_measured(program, one)}, one, place.spindle)


def _identity(place: Place, program: Program) -> dict[str, Any]:
    return {
        "cell": 1,
        "channel": place.spindle,
        "controller": place.controller,
        "part": place.part,
        "job": 1,
        "job_sequence": 1,
        "program": program.number,
        "program_name": program.name,
        "program_changed": datetime(2026, 1, 8, 10, tzinfo=UTC),
        "strategy": 2,
        "strategy_options": 3,
        "batch_size": place.batch_size,
        "batch_counter": place.batch_counter,
        "batch_verdict": int(place.batch_counter == place.batch_size),
        "tightening_id": place.tightening_id,
        "sync_id": place.sync_id,
        "tool": place.tool[:-1] + str(place.spindle % 10),
        "time": place.time,
        "torque_unit": 1,
        "kind": 1,
        "station_number": 1,
        "station_name": place.controller,
    }


def _limits(program: Program) -> dict[str, Any]:
    return {
        "torque_min_nm": program.torque_min_nm,
        "torque_max_nm": program.torque_max_nm,
        "torque_target_nm": program.torque_target_nm,
        "angle_min_deg": program.angle_min_deg,
        "angle_max_deg": program.angle_max_deg,
        "angle_target_deg": program.angle_target_deg,
        "rundown_angle_min_deg": 900,
        "rundown_angle_max_deg": 1800,
        "current_min_percent": 0,
        "current_max_percent": 999,
        "prevail_torque_min_nm": 0.0,
        "prevail_torque_max_nm": 40.0,
    }


def _measured(program: Program, one: Tightened) -> dict[str, Any]:
    return {
        "verdict": int(one.ok),
        "torque_status": _STATUS[one.torque_status],
        "angle_status": _STATUS[one.angle_status],
        "rundown_angle_status": 1,
        "current_status": 1,
        "self_tap_status": 1,
        "prevail_torque_status": 1,
        "prevail_compensate_status": 1,
        "errors": one.errors,
        "errors_2": 0,
        "torque_nm": one.torque_nm,
        "angle_deg": one.angle_deg,
        "exact_angle_deg": one.angle_deg,
        "compensated_angle_deg": one.angle_deg,
        "rundown_angle_deg": one.rundown_angle_deg,
        "current_percent": 61,
        "prevail_torque_nm": one.prevail_torque_nm,
        "stages": 2,
        "stage_results": 2,
        "stage_values": [(program.snug_nm, 0), (one.torque_nm, one.angle_deg)],
    }


def spindles_result(made: Sequence[Bolt]) -> bytes:
    """Return the data of the result that tells of all spindles at once."""
    spindles = [
        {
            "spindle": bolt.spindle,
            "channel": bolt.spindle,
            "verdict": bolt.values["verdict"],
            "torque_nm": bolt.values["torque_nm"],
            "torque_status": bolt.values["torque_status"],
            "angle_status": int(bolt.values["angle_status"] == 1),
            "angle_deg": bolt.values["angle_deg"],
        }
        for bolt in made
    ]
    return encode_spindles({**made[0].values, "verdict": int(all(bolt.tightened.ok for bolt in made))}, spindles)


def trace_of(bolt: Bolt, kind: TraceKind) -> Trace:
    """Return torque or angle of a bolt over time, in the counts of its tool."""
    one = bolt.tightened
    torque = kind is TraceKind.TORQUE
    worth = COUNTS_PER_NM if torque else COUNTS_PER_DEG
    counts = one.torque_counts if torque else one.angle_counts
    sizes = tuple(DataField(parameter, str(size)) for parameter, size in zip(STAGE_SAMPLES, one.stages, strict=True))
    fields = (DataField(COEFFICIENT_DIVIDES, str(worth)), *sizes)
    common = (DataField(BOLT_NUMBER, f"{bolt.values['batch_counter']:03d}"),)
    resolution = (Resolution(0, len(counts) - 1, SAMPLE_US),)
    return Trace(bolt.values["tightening_id"], bolt.values["time"], kind, 1, 1 / worth, counts, common, fields, resolution)
