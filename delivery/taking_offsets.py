"""Where bolts really are becomes offsets for the spindles that tighten them; what was not located well enough becomes none, and says so."""

from __future__ import annotations

import json
import math
from typing import Final

from delivery.places import Places
from plant.deliveries import Draft, Kind, Quantity
from plant.inspections import Finding, reason_words
from plant.recommendations import Stage
from storage.database import Connection
from storage.deliveries import Step, propose, step
from storage.inspections import StoredInspection
from storage.progress import read_progress, write_progress
from storage.verdicts import bolt_looks, last_seen

ACTOR: Final = "delivery"
_FOLLOWER: Final = "delivery offsets"
NOT_LOCATED: Final = "circle"
TOO_UNSURE: Final = "covariance"
TOO_FAR: Final = "offset"


def take_offsets(connection: Connection, places: Places, now_us: int) -> int:
    """Propose offsets for each picture in which bolts were located since the last pass; return how many there were."""
    stations = [name for name in places.locating if places.takes(_unit(places, name), Kind.OFFSETS) is not None]
    if not stations:
        return 0
    stands = read_progress(connection, _FOLLOWER)
    if stands is None:
        write_progress(connection, _FOLLOWER, now_us, json.dumps(last_seen(connection).inspection).encode())
        return 0
    looks = bolt_looks(connection, int(json.loads(stands.state)), stations)
    if not looks:
        return 0
    with connection.transaction():
        new = sum(_take(connection, places, look, now_us) for look in looks if look.inspection.part)
        write_progress(connection, _FOLLOWER, now_us, json.dumps(looks[-1].id).encode())
    return new


def _unit(places: Places, station: str) -> str:
    return places.unit_of(places.equipment_of(station))


def _take(connection: Connection, places: Places, look: StoredInspection, now_us: int) -> int:
    one, unit = look.inspection, _unit(places, look.inspection.station)
    controller = places.takes(unit, Kind.OFFSETS)
    if controller is None:
        return 0
    refused = _refused(places, look)
    found = [] if refused and refused[0] == NOT_LOCATED else _located(look)
    draft = Draft(
        kind=Kind.OFFSETS,
        work_unit=unit,
        source=f"offsets:{look.id}",
        slot="offsets",
        valid_seconds=controller.valid_seconds,
        serial=one.part,
        parameters=tuple(
            Quantity(f"bolt_{_bolt(finding)}_{axis}", round(finding.measures[f"offset_{axis}_mm"], 3), "mm")
            for finding in found
            for axis in ("x", "y")
        ),
        reason=f"bolts of {one.part} as {one.station} saw them in {one.view}",
        basis_from_us=one.taken_us,
        basis_to_us=one.taken_us,
    )
    (number,) = propose(connection, [draft], now_us)
    if number is None:
        return 0
    if refused is not None:
        step(connection, [Step(number, Stage.DECLINED, now_us, ACTOR, *refused)])
    return 1


def _located(look: StoredInspection) -> list[Finding]:
    needed = {"bolt_number", "offset_x_mm", "offset_y_mm", "sigma_mm"}
    found = [one for one in look.inspection.findings if needed <= set(one.measures)]
    return sorted(found, key=_bolt)


def _bolt(finding: Finding) -> int:
    return int(finding.measures["bolt_number"])


def _refused(places: Places, look: StoredInspection) -> tuple[str, str] | None:
    """Return why no spindle may be moved by a picture, as a word and a sentence; None: it may."""
    settings = places.plan.settings
    found = _located(look)
    told = [reason for reason in look.inspection.reasons if reason.code.startswith("circle")]
    if told or not found:
        return NOT_LOCATED, "; ".join(map(reason_words, told)) or "no bolt was located on the circle"
    numbers = [_bolt(one) for one in found]
    if len(numbers) != len(set(numbers)):
        return NOT_LOCATED, "two bolts have the same place on the circle"
    for one in found:
        sigma = one.measures["sigma_mm"]
        if not math.isfinite(sigma) or sigma > settings.offsets_sigma_mm:
            return TOO_UNSURE, f"bolt {_bolt(one)} is known to {sigma:.2f} mm only; {settings.offsets_sigma_mm:g} mm are allowed"
        off = math.hypot(one.measures["offset_x_mm"], one.measures["offset_y_mm"])
        if not off <= settings.offsets_most_mm:
            return TOO_FAR, f"bolt {_bolt(one)} is {off:.2f} mm off; spindles are moved by {settings.offsets_most_mm:g} mm at most"
    return None
