"""The report of a shift as one object that JSON holds (``shift-report/1``): figures with what they were made of, to be checked.

Moments are ``*_us`` (microseconds since 1970 UTC), spans of time ``us`` or ``*_us`` too, ratios from 0 on, None where unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from plant.calendars import Shift
from plant.equipment import EquipmentId
from plant.losses import Slice
from plant.oee import Made, Oee, counts_pieces, grouped, oee, pareto
from plant.states import ReasonTree, StateModel

FORM: Final = "shift-report/1"
Content = dict[str, Any]
_MOST_LOSSES: Final = 15
COMPARED: Final = ("oee", "availability", "effectiveness", "quality_ratio", "produced", "good", "scrap", "rework", "failures", "unknown_us")
"""Figures that stand beside those of the shift before."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose report it is."""

    site: str
    root: EquipmentId
    line: EquipmentId
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Work:
    """What the equipment of a line did and made in a shift."""

    slices: Sequence[Slice]
    made: Sequence[Made]
    models: Mapping[EquipmentId, StateModel]
    names: Mapping[EquipmentId, str]
    reasons: ReasonTree


def report_content(place: Place, shift: Shift, to_us: int, made_us: int, work: Work, told: Mapping[str, Any]) -> Content:
    """Return a report. ``to_us``: up to when, which is earlier than the end of a shift that still runs. ``told``: the other sections."""
    counting = {unit for unit, model in work.models.items() if counts_pieces(model)} or set(work.models)
    rated = [one for one in work.slices if one.equipment in counting]  # what does not count its pieces has no OEE
    whole = oee(rated, work.made, work.models)
    by_unit = grouped(work.slices, work.made, work.models, lambda one: one.equipment, lambda one: one.equipment)
    return {
        "leadhand": FORM,
        "site": place.site,
        "root": str(place.root),
        "line": str(place.line),
        "line_name": place.name,
        "time_zone": place.time_zone,
        "shift": shift.name,
        "day": shift.day.isoformat(),
        "team": shift.team,
        "from_us": shift.from_us,
        "to_us": shift.to_us,
        "until_us": to_us,
        "made_us": made_us,
        "planned_us": shift.planned_us,
        "figures": figures_of(whole),
        "units": [{"equipment": unit, "name": work.names.get(EquipmentId(unit), unit), **figures_of(one)} for unit, one in by_unit.items()],
        "losses": _losses(rated, work.reasons),
        **told,
    }


def figures_of(one: Oee) -> Content:
    """Return the figures of ISO 22400-2 with the times and pieces that they are made of."""
    return {
        "oee": one.oee,
        "availability": one.availability,
        "effectiveness": one.effectiveness,
        "quality_ratio": one.quality_ratio,
        "pbt_us": one.times.pbt_us,
        "apt_us": one.times.apt_us,
        "planned_run_us": one.planned_run_us,
        "unknown_us": one.times.unknown_us,
        "produced": one.quantities.produced,
        "good": one.quantities.good,
        "scrap": one.quantities.scrap,
        "rework": one.quantities.rework,
        "failures": one.failures,
        "minor_stops": one.minor_stops,
        "mtbf_us": None if one.mtbf_us is None else round(one.mtbf_us),
        "mttr_us": None if one.mttr_us is None else round(one.mttr_us),
        "without_run_time": list(one.without_run_time),
    }


def compared(content: Mapping[str, Any], number: int | None = None) -> Content:
    """Return what of a report stands in that of the next shift."""
    return {
        "id": number,
        "shift": content["shift"],
        "day": content["day"],
        "team": content["team"],
        "from_us": content["from_us"],
        "figures": {key: content["figures"].get(key) for key in COMPARED},
        "alarms": content["alarms"]["count"],
        "not_ok": content["quality"]["not_ok"],
        "missed": content["samples"]["gap"],
    }


def summary(content: Mapping[str, Any]) -> Content:
    """Return what lists and messages tell of a report."""
    return {
        **{key: content[key] for key in ("line", "line_name", "site", "shift", "day", "team", "from_us", "to_us", "made_us")},
        **{key: content["figures"][key] for key in ("oee", "availability", "effectiveness", "quality_ratio", "produced", "good", "scrap")},
        "alarms": content["alarms"]["count"],
        "not_ok": content["quality"]["not_ok"],
        "missed": content["samples"]["gap"],
    }


def _losses(slices: Iterable[Slice], reasons: ReasonTree) -> list[Content]:
    lines = pareto(slices)
    whole = sum(line.us for line in lines) or 1
    return [
        {
            "loss": line.loss.value,
            "reason": line.reason,
            "name": {language: reasons.name(line.reason, language) for language in ("en", "zh")},
            "us": line.us,
            "share": line.us / whole,
            "stops": line.stops,
            "longest_us": line.longest_us,
        }
        for line in lines[:_MOST_LOSSES]
    ]
