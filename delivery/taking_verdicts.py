"""A part that was found not OK is held where it is, and goes on when a person has decided; pictures and joints alike.

Holding is the safe side and waits for nobody's approval. Letting go is a person's decision alone: what was not OK must have been called OK
by a person, each picture and each joint of the part at that work unit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from delivery.places import Places
from plant.deliveries import Draft, Kind
from plant.inspections import reason_words
from plant.recommendations import Stage
from storage.database import Connection
from storage.deliveries import OPEN, Delivery, Step, read_deliveries, step
from storage.delivery_origins import propose_new
from storage.progress import read_progress, write_progress
from storage.verdicts import Bad, Seen, bad_inspections, bad_joints, bad_labels, last_seen, still_bad

ACTOR: Final = "delivery"
JUDGE: Final = "vision"
"""Approves a hold where no person found the fault: holding needs no other leave."""
RELEASED: Final = "released"
_FOLLOWER: Final = "delivery verdicts"
_LONG_SECONDS: Final = 28_800.0
"""A part that is not OK is held however late its controller hears of it, for a shift at least."""
_AGAIN: Final = 200
"""What was written by two at once may become visible in another order: so much is looked at once more."""
_STANDING: Final = (*OPEN, Stage.EXECUTED, Stage.MEASURED)
_SOURCES: Final[tuple[tuple[str, Callable[[Connection, int], list[Bad]]], ...]] = (
    ("inspection", bad_inspections),
    ("label", bad_labels),
    ("joint", bad_joints),
)


def take_holds(connection: Connection, places: Places, now_us: int) -> int:
    """Propose a hold for each part that was found not OK since the last pass and is not held yet; return how many are new.

    A first pass begins with what comes from then on: parts of before have left.
    """
    if not any(Kind.HOLD in one.takes for one in places.plan.settings.controllers):
        return 0
    stands = read_progress(connection, _FOLLOWER)
    if stands is None:
        first = asdict(last_seen(connection))
        write_progress(connection, _FOLLOWER, now_us, _packed(first, first))
        return 0
    begin, seen = _unpacked(stands.state)
    found = {name: read(connection, max(begin[name], seen[name] - _AGAIN)) for name, read in _SOURCES}
    fresh = {name: max([seen[name], *(one.id for one in bad)]) for name, bad in found.items()}
    with connection.transaction():
        new = 0
        for name, bad in found.items():
            for one in bad:
                new += _hold(connection, places, f"{name}:{one.id}", one, now_us)
        if fresh != seen:
            write_progress(connection, _FOLLOWER, now_us, _packed(begin, fresh))
    return new


def _packed(begin: dict[str, int], seen: dict[str, int]) -> bytes:
    return json.dumps({"begin": begin, "seen": seen}).encode()


def _unpacked(state: bytes) -> tuple[dict[str, int], dict[str, int]]:
    told = json.loads(state)
    return asdict(Seen(**told["begin"])), asdict(Seen(**told["seen"]))


def _hold(connection: Connection, places: Places, source: str, one: Bad, now_us: int) -> int:
    unit = places.unit_of(places.equipment_of(one.place))
    controller = places.takes(unit, Kind.HOLD)
    if controller is None or _holds(connection, unit, one.part) or not still_bad(connection, one.part, *_seen_at(places, unit))[0]:
        return 0
    words = "; ".join(dict.fromkeys(map(reason_words, one.reasons)))
    draft = Draft(
        kind=Kind.HOLD,
        work_unit=unit,
        source=source,
        slot=f"part:{one.part}",
        valid_seconds=max(_LONG_SECONDS, controller.valid_seconds),
        serial=one.part,
        reason=(words or f"{one.part} is not OK")[:2000],
        basis_from_us=one.time_us,
        basis_to_us=one.time_us,
        approved_by=one.actor or JUDGE,
    )
    return propose_new(connection, [draft], now_us)


def _holds(connection: Connection, unit: str, part: str) -> list[Delivery]:
    """Return the holds of a part that stand: under way, or in force."""
    standing = read_deliveries(connection, work_unit=unit, kinds=[Kind.HOLD], stages=_STANDING, most=1000)
    return [one for one in standing if one.draft.serial == part]


def take_releases(connection: Connection, places: Places, now_us: int) -> int:
    """Propose to let go each held part that persons have called OK; a hold whose release was carried out is over. Return how many steps."""
    steps = 0
    for hold in read_deliveries(connection, kinds=[Kind.HOLD], stages=_STANDING, most=1000):
        if not hold.draft.serial or hold.draft.source.partition(":")[0] not in dict(_SOURCES):
            continue
        steps += _release(connection, places, hold, now_us)
    return steps


def release_source(hold: int) -> str:
    """Return what a delivery says that lets go what another one held."""
    return f"hold:{hold}"


def _release(connection: Connection, places: Places, hold: Delivery, now_us: int) -> int:
    unit, part = hold.draft.work_unit, hold.draft.serial
    known = read_deliveries(connection, work_unit=unit, source=release_source(hold.number), most=1)
    if known:
        done = known[0].stage in {Stage.EXECUTED, Stage.MEASURED} and hold.stage in {Stage.EXECUTED, Stage.MEASURED}
        over = Step(hold.number, Stage.ROLLED_BACK, now_us, known[0].approved_by or ACTOR, RELEASED, f"delivery {known[0].number}")
        return sum(step(connection, [over])) if done else 0
    controller = places.takes(unit, Kind.RELEASE)
    if controller is None:
        return 0
    bad, actor = still_bad(connection, part, *_seen_at(places, unit))
    if bad or not actor:
        return 0
    draft = Draft(
        kind=Kind.RELEASE,
        work_unit=unit,
        source=release_source(hold.number),
        # the slot of the hold: it is let go only after the hold was answered
        slot=hold.draft.slot,
        valid_seconds=max(_LONG_SECONDS, controller.valid_seconds),
        serial=part,
        reason=f"{actor} decided that {part} is OK",
        approved_by=actor,
    )
    return propose_new(connection, [draft], now_us)


def _seen_at(places: Places, unit: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return the camera stations and the equipment whose verdicts mean a work unit."""
    stations = [name for name in places.cameras if places.unit_of(places.equipment_of(name)) == unit]
    equipment = [str(group.equipment) for group in places.joint_groups if places.unit_of(str(group.equipment)) == unit]
    return stations, equipment
