"""The latest tightening and the latest inspection of each station, by the names that our own OPC UA server shows them with.

Names are those of OPC 40001-101 (ResultId, ResultEvaluation, CreationTime, PartId, JobId), of OPC 40450-1 for what was measured, and of
OPC 40100-1 (InternalRecipeId, InternalConfigurationId) where they fit. They are plain values; conformance is not claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from delivery.places import Places
from plant.inspections import Decision
from plant.verdict import Verdict
from storage.database import Connection
from storage.inspections import StoredInspection, WantedInspections, read_inspections
from storage.tightening import StoredTightening, Wanted, read_tightenings

TIGHTENING: Final = "Tightening"
INSPECTION: Final = "Inspection"
_EVALUATIONS: Final = {Verdict.UNDEFINED: 0, Verdict.OK: 1, Verdict.NOT_OK: 2, Verdict.NOT_DECIDABLE: 3}
"""ResultEvaluationEnum of OPC 40001-101."""
_DECISIONS: Final = {Decision.OK: 1, Decision.NOK: 2, Decision.REVIEW: 3, Decision.NOT_DECIDABLE: 3}


@dataclass(frozen=True, slots=True)
class StationResult:
    """The latest of one kind at one station."""

    station: str
    """Its work unit."""
    kind: str
    values: Mapping[str, Any]


def read_latest_results(connection: Connection, places: Places, most: int) -> list[StationResult]:
    """Return the newest result of each kind and station among the ``most`` newest. Raises Unavailable."""
    found: dict[tuple[str, str], StationResult] = {}
    for tightened in read_tightenings(connection, Wanted(most=most)):
        station = places.unit_of(tightened.result.equipment)
        found.setdefault((station, TIGHTENING), StationResult(station, TIGHTENING, tightening_values(tightened)))
    for looked in read_inspections(connection, WantedInspections(most=most)):
        station = places.unit_of(places.equipment_of(looked.inspection.station))
        found.setdefault((station, INSPECTION), StationResult(station, INSPECTION, inspection_values(looked)))
    return list(found.values())


def tightening_values(stored: StoredTightening) -> dict[str, Any]:
    """Return what is shown of a tightening."""
    result = stored.result
    measured = [("Torque", result.torque_nm, "N.m"), ("Angle", result.angle_deg, "deg")]
    known = [(name, value, unit) for name, value, unit in measured if value is not None]
    return {
        "ResultId": str(result.tightening_id),
        "ResultEvaluation": _EVALUATIONS[result.verdict],
        "CreationTime": _time(result.time_us),
        "PartId": result.part,
        "JobId": "" if result.job is None else str(result.job),
        "ProgramName": result.program_name,
        "Spindle": result.spindle,
        "Names": [name for name, _, _ in known],
        "MeasuredValues": tuple(float(value) for _, value, _ in known),
        "Units": [unit for _, _, unit in known],
    }


def inspection_values(stored: StoredInspection) -> dict[str, Any]:
    """Return what is shown of an inspection."""
    inspection = stored.inspection
    return {
        "ResultId": str(stored.id),
        "ResultEvaluation": _DECISIONS[inspection.decision],
        "CreationTime": _time(inspection.taken_us),
        "PartId": inspection.part,
        "InternalRecipeId": inspection.view,
        "InternalConfigurationId": inspection.calibration,
        "Subject": inspection.subject.value,
        "Kinds": [one.kind for one in inspection.findings if one.decision is Decision.NOK],
        "Reasons": [one.code for one in inspection.reasons],
    }


def _time(time_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
