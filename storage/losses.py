"""Where the time of equipment went over a span, from what is stored of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plant.calendars import Calendars
from plant.equipment import EquipmentId
from plant.losses import Slice, Word, slices
from plant.states import ReasonTree, StateModel
from storage import states
from storage.database import Connection


def read_slices(
    connection: Connection,
    models: Mapping[EquipmentId, StateModel],
    reasons: ReasonTree,
    calendars: Calendars,
    span: tuple[int, int],
) -> list[Slice]:
    """Return the slices of some equipment over a span, those of each whole and in order, from when it was first known on."""
    from_us, to_us = span
    margin = max((model.micro_stop_us for model in models.values()), default=0)
    begins = states.read_first_known(connection, list(models))
    intervals: dict[EquipmentId, list[Any]] = {}
    for interval in states.read_intervals(connection, list(models), from_us - margin, to_us + margin):
        intervals.setdefault(interval.equipment, []).append(interval)
    words: dict[EquipmentId, list[Word]] = {}
    for said in states.read_said_reasons(connection, list(models), from_us, to_us):
        words.setdefault(said.equipment, []).append(Word(said.id, said.from_us, said.to_us, said.reason, said.note, said.actor))
    found: list[Slice] = []
    for unit, model in models.items():
        begin = max(from_us, begins.get(unit, to_us))
        found += slices(model, reasons, calendars.of(unit), intervals.get(unit, []), words.get(unit, []), (begin, to_us))
    return found
