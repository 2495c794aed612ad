"""History judged again: intervals and pieces made a second time from stored samples, and compared with those that are kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from monitor.state_follower import NAME, StateFollower, unpacked
from plant.equipment import EquipmentId
from plant.errors import Rejected
from plant.oee import Made
from plant.site import Site
from plant.states import StateInterval
from storage.database import Connection, snapshot
from storage.progress import read_progress
from storage.states import read_checkpoint, read_intervals, read_pieces

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class StateRerun:
    """What came of judging again."""

    from_us: int
    """Where it began: at the state kept last before the time asked for."""
    to_us: int
    stored: int
    """Lines of intervals and pieces as they are kept."""
    remade: int
    stored_digest: str
    """SHA-256 of the lines, by equipment and time."""
    remade_digest: str
    difference: tuple[str, str] | None
    """The first line that differs, as kept and as made again; None where there is none."""


def rerun_states(connection: Connection, site: Site, from_us: int, to_us: int) -> StateRerun:
    """Judge the states of a span again, into nothing, and compare. Raises Rejected where no state was kept so long ago.

    Compared are the intervals that began after the state kept (one an hour) and ended before ``to_us``, and the pieces counted meanwhile.
    """
    with snapshot(connection):
        kept = read_checkpoint(connection, from_us)
        known = read_progress(connection, NAME)
        if kept is None or known is None:
            raise Rejected("no state was kept so long ago: they are kept for a month, one an hour, from the first hour of the monitor on")
        remembered = unpacked(kept[1])
        # what still goes on is longer each second
        to_us = min([to_us, *(one.memory.done_us for one in unpacked(known.state).values())])
        begins = {unit: one.memory.done_us for unit, one in remembered.items()}
        made = StateFollower(site).again(connection, remembered, to_us)
        stored = read_intervals(connection, list(begins), min(begins.values(), default=0), to_us)
        pieces = read_pieces(connection, list(begins), min(begins.values(), default=0), to_us)
    last = {(one.equipment, one.from_us): one for one in made.intervals}
    lines = _lines(stored, pieces, begins, to_us), _lines(list(last.values()), made.pieces, begins, to_us)
    digests = [hashlib.sha256("\n".join(some).encode()).hexdigest() for some in lines]
    return StateRerun(kept[0], to_us, len(lines[0]), len(lines[1]), digests[0], digests[1], _difference(*lines))


def _lines(intervals: list[StateInterval], pieces: list[Made], begins: dict[EquipmentId, int], to_us: int) -> list[str]:
    found = [
        (i.equipment, i.from_us, f"{i.to_us} {i.state} {i.mode} {i.reason!r} {i.product!r} {i.order!r} {i.part!r} {i.since_us}")
        for i in intervals
        if i.equipment in begins and i.from_us > begins[i.equipment] and i.to_us < to_us
    ]
    sums: dict[tuple[EquipmentId, int, str], int] = {}
    for p in pieces:
        second = p.time_us - p.time_us % _SECOND_US
        # the seconds in which the span begins and ends may be divided
        if p.equipment in begins and begins[p.equipment] < second and second + _SECOND_US <= to_us:
            key = (p.equipment, second, f"{p.kind} {p.product!r} {p.order!r}")
            sums[key] = sums.get(key, 0) + p.pieces
    found += [(equipment, second, f"{words} {number}") for (equipment, second, words), number in sums.items()]
    return [f"{equipment} {at} {words}" for equipment, at, words in sorted(found)]


def _difference(stored: list[str], remade: list[str]) -> tuple[str, str] | None:
    for place in range(max(len(stored), len(remade))):
        pair = (stored[place] if place < len(stored) else "", remade[place] if place < len(remade) else "")
        if pair[0] != pair[1]:
            return pair
    return None
