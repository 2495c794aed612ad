"""The tiles of the andon board, from what was read of all stations in one go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from dashboard import viewing_andon
from dashboard.reading import Read
from dashboard.states import STATES
from dashboard.viewing_alarms import UNSEEN
from dashboard.viewing_andon import Doing, Seen
from dashboard.views_andon import OutputView, TileView
from plant.calendars import Shift, Span
from plant.equipment import EquipmentId
from plant.oee import counts_pieces
from plant.site import Site
from plant.states import StateInterval, StateModel
from storage.andon_board import Held, Pieces
from storage.andon_calls import Answers
from storage.catalogue import EquipmentRow

_LATE_US: Final = 60_000_000
_Any = TypeVar("_Any")


@dataclass(frozen=True, slots=True)
class Shop:
    """What was last read of all stations, in one go."""

    read_us: int
    states: Mapping[EquipmentId, StateInterval] = field(default_factory=dict)
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    pieces: Mapping[str, Pieces] = field(default_factory=dict)
    run_seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    joints: Mapping[str, Held] = field(default_factory=dict)
    pictures: Mapping[str, Held] = field(default_factory=dict)
    answers: Sequence[Answers] = ()
    database: bool = True


class Tiles:
    """Makes the tiles of one board."""

    def __init__(self, site: Site, read: Read, shop: Shop, names: Mapping[str, str], language: str, now_us: int) -> None:
        self._site, self._read, self._shop, self._names, self._now_us = site, read, shop, names, now_us
        self._models: dict[str, StateModel] = {model.equipment: model for model in site.states.models}
        self._alarms = _by_unit((str(one.definition.equipment), one) for one in read.alarms)
        self._calls = _by_unit((one.equipment, one) for one in read.calls)
        reasons = site.states.reasons
        self._words = {reason.path: reasons.name(reason.path, language).rpartition(" / ")[2] for reason in reasons.reasons}

    def of(self, row: EquipmentRow) -> TileView:
        """Return the tile of one work unit."""
        unit = str(row.id)
        model, shift, pieces = self._models.get(unit), self._shop.shifts.get(unit), self._shop.pieces.get(unit)
        doing = None if model is None else self._doing(model)
        run_us = None if model is None or doing is None else model.run_time_us(doing.product)
        rest = [] if shift is None else [(max(begin, self._now_us), end) for begin, end in shift.planned() if end > self._now_us]
        planned_now = shift is None or any(begin == self._now_us for begin, _ in rest)
        needs = viewing_andon.needs(self._seen(unit, doing, run_us, planned_now=planned_now), self._now_us)
        return TileView(
            equipment=unit,
            name=row.name,
            line=self._names.get(unit.rpartition("/")[0], ""),
            state=STATES[self._read.worst[self._read.plan.node[row.id]]].value if doing is None else doing.loss.value,
            reason="" if doing is None else self._words.get(doing.reason, ""),
            since_us=None if doing is None else doing.since_us,
            severity=viewing_andon.severity_of(doing, needs),
            product="" if doing is None else doing.product,
            part="" if doing is None else doing.part,
            needs=needs,
            unacknowledged=sum(one.state in UNSEEN for one in self._alarms.get(unit, ())),
            takt=viewing_andon.takt(doing, run_us, pieces),
            output=None if model is None or shift is None else self._output(unit, model, pieces, rest, doing),
        )

    def _doing(self, model: StateModel) -> Doing:
        interval = self._shop.states.get(model.equipment)
        late = interval is None or self._now_us - interval.to_us > _LATE_US
        return viewing_andon.doing(model, interval, self._site.states.reasons, late=late)

    def _seen(self, unit: str, doing: Doing | None, run_us: int | None, *, planned_now: bool) -> Seen:
        return Seen(
            doing=doing,
            run_us=run_us,
            planned_now=planned_now,
            alarms=self._alarms.get(unit, ()),
            calls=self._calls.get(unit, ()),
            joints=self._shop.joints.get(unit),
            pictures=self._shop.pictures.get(unit),
            words=self._words,
        )

    def _output(self, unit: str, model: StateModel, pieces: Pieces | None, rest: Sequence[Span], doing: Doing | None) -> OutputView | None:
        rest_us = sum(end - begin for begin, end in rest)
        return viewing_andon.output(model, pieces, self._shop.run_seconds.get(unit, {}), rest_us, doing, counts=counts_pieces(model))


def work_units(read: Read) -> list[EquipmentRow]:
    """Return the equipment that nothing belongs to, in the order of the settings."""
    above = {row.parent for row in read.plan.equipment}
    return [row for row in read.plan.equipment if row.id not in above]


def names_of(read: Read) -> dict[str, str]:
    """Return the name of each equipment by its path."""
    return {str(row.id): row.name for row in read.plan.equipment}


def _by_unit(found: Iterable[tuple[str, _Any]]) -> dict[str, list[_Any]]:
    units: dict[str, list[_Any]] = {}
    for unit, one in found:
        units.setdefault(unit, []).append(one)
    return units
