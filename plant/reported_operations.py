"""Operations as the plant itself reported them: parts that were on equipment, what they took, and whether they were right. Pure functions.

A part's visit is the span in which equipment names its serial number. Its duration is the time in it in which equipment produced;
waiting and faults are not the operation's. What cannot be told is left out: a visit whose beginning was not seen, one in which the state
was unknown for long, one that nothing counted or judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from plant.equipment import EquipmentId
from plant.oee import Made
from plant.operation_history import OperationHistory, empty_history, operation_history
from plant.states import EquipmentState, Loss, StateInterval, loss_of

MINUTE_US: Final = 60_000_000
_UNKNOWN_SHARE: Final = 0.05
"""Of a visit: where the state was unknown for longer, its duration is."""
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Visit:
    """A part on equipment, from its coming to its going."""

    equipment: EquipmentId
    product: str
    order: str
    part: str
    from_us: int
    to_us: int
    busy_us: int
    """Time in which the equipment produced."""
    unknown_us: int


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """What else is stored of a visit; None where nothing is."""

    program: str | None = None
    energy_kwh: float | None = None
    judged_bad: bool | None = None
    """Whether a tightening, a joint or an inspection in it was not OK."""


@dataclass(frozen=True, slots=True)
class Reported:
    """An operation done."""

    visit: Visit
    alternative: str
    first_pass: bool
    scrapped: bool
    energy_kwh: float | None


def visits(intervals: Iterable[StateInterval]) -> list[Visit]:
    """Return the parts that came and went, by equipment and time; one whose coming or going was not seen is left out."""
    found: list[Visit] = []
    ordered = sorted(intervals, key=lambda interval: (interval.equipment, interval.from_us))
    for _, of_one in groupby(ordered, key=lambda interval: interval.equipment):
        runs = [list(run) for _, run in groupby(of_one, key=lambda i: (i.part, i.order, i.product))]
        for before, run, after in zip(runs, runs[1:], runs[2:], strict=False):
            watched = run[0].from_us - before[-1].to_us <= _SECOND_US and after[0].from_us - run[-1].to_us <= _SECOND_US
            if watched and run[0].part and run[0].product:
                found.append(_visit(run))
    return found


def _visit(run: Sequence[StateInterval]) -> Visit:
    head = run[0]
    busy = sum(i.to_us - i.from_us for i in run if loss_of(i.state, i.mode) is Loss.PRODUCTION)
    gone = run[-1].to_us - head.from_us - sum(i.to_us - i.from_us for i in run)
    unknown = gone + sum(i.to_us - i.from_us for i in run if i.state is EquipmentState.UNKNOWN)
    return Visit(head.equipment, head.product, head.order, head.part, head.from_us, run[-1].to_us, busy, unknown)


def reported(
    seen: Sequence[Visit], made: Iterable[Made], facts: Mapping[Visit, VisitFacts], alternative_of: Mapping[Visit, str]
) -> list[Reported]:
    """Return the operations that visits were, of those that the settings give an alternative.

    ``made``: pieces by second. A counter belongs to the part whose visit holds it: it may rise at the visit's end, not later.
    """
    pieces: dict[EquipmentId, list[Made]] = {}
    for one in made:
        pieces.setdefault(one.equipment, []).append(one)
    told = []
    for visit in seen:
        alternative = alternative_of.get(visit)
        if alternative is None or visit.busy_us <= 0 or visit.unknown_us > _UNKNOWN_SHARE * (visit.to_us - visit.from_us):
            continue
        # pieces are kept by whole seconds: one of the second in which the visit begins is of the part before it
        first, last = visit.from_us - visit.from_us % _SECOND_US, visit.to_us
        kinds = {piece.kind for piece in pieces.get(visit.equipment, []) if first < piece.time_us <= last}
        fact = facts.get(visit, VisitFacts())
        if not kinds & {"good", "scrap", "rework", "produced"} and fact.judged_bad is None:
            continue
        bad = bool(kinds & {"scrap", "rework"}) or bool(fact.judged_bad)
        told.append(Reported(visit, alternative, not bad, "scrap" in kinds, fact.energy_kwh))
    return told


def history_of(operations: Sequence[Reported]) -> OperationHistory:
    """Return reported operations as rows of a history."""
    if not operations:
        return empty_history()
    words: dict[str, tuple[dict[str, int], list[int]]] = {name: ({}, []) for name in ("product", "alternative", "order", "serial")}
    for one in operations:
        told = {"product": one.visit.product, "alternative": one.alternative, "order": one.visit.order, "serial": one.visit.part}
        for name, word in told.items():
            known, codes = words[name]
            codes.append(known.setdefault(word, len(known)) if word else -1)
    columns = {
        **{name: np.array(codes) for name, (_, codes) in words.items()},
        "started_us": np.array([one.visit.from_us for one in operations]),
        "duration_min": np.array([one.visit.busy_us / MINUTE_US for one in operations]),
        "first_pass": np.array([one.first_pass for one in operations]),
        "scrapped": np.array([one.scrapped for one in operations]),
        "energy_kwh": np.array([np.nan if one.energy_kwh is None else one.energy_kwh for one in operations]),
    }
    products, alternatives, orders, serials = (tuple(words[name][0]) for name in ("product", "alternative", "order", "serial"))
    return operation_history(products, alternatives, columns, orders=orders, serials=serials)
