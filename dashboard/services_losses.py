"""States, losses and OEE: figures of any span, worked out from the stored intervals each time, so that each opens down to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dashboard import viewing_losses
from dashboard.context import Person
from dashboard.services_people import require
from dashboard.viewing_losses import oee_view, slice_view, unit_view
from dashboard.views_losses import (
    CounterNoteView,
    OeeView,
    ParetoView,
    PiecesView,
    ReasonView,
    ShiftView,
    SliceView,
    StepView,
    UnitView,
    WordDraft,
    WordView,
)
from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.errors import Rejected, SettingsError
from plant.losses import Planned, Slice
from plant.oee import Made, counts_pieces, grouped, oee, pareto
from plant.site import Site, load_site
from plant.states import StateModel
from storage import states
from storage.audit import add_audit
from storage.database import Pool
from storage.losses import read_slices
from storage.people import Role

DAY_US: Final = 86_400_000_000
MOST_DAYS: Final = 32
_FRESH_US: Final = 15_000_000
"""What is younger is not judged yet: samples take some seconds to arrive and to be followed."""
_LATE_US: Final = 60_000_000
GROUPS: Final = ("equipment", "shift", "day", "hour", "team", "product", "order")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which time and which pieces are asked for; an empty filter takes all."""

    from_us: int
    to_us: int
    equipment: str = ""
    """This one and all below it."""
    shift: str = ""
    product: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All slices and pieces of what is asked for."""

    slices: list[Slice]
    made: list[Made]
    models: dict[EquipmentId, StateModel]
    without_calendar: bool

    def uncounted(self) -> list[EquipmentId]:
        """Return the equipment that counts nothing, where others do: what does not count its pieces has no OEE."""
        found = [unit for unit, model in self.models.items() if not counts_pieces(model)]
        return found if len(found) < len(self.models) else []

    def rated(self) -> list[Slice]:
        """Return the slices without those of such equipment."""
        left_out = set(self.uncounted())
        return [one for one in self.slices if one.equipment not in left_out] if left_out else self.slices


class SiteReader:
    """The settings, read anew when their file changes; a file that went wrong changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0
        self._site: Site | None = None

    def site(self) -> Site:
        """Return them. Raises Rejected where they never could be read."""
        try:
            changed = self._path.stat().st_mtime_ns
            if self._site is None or changed != self._seen:
                self._site, self._seen = load_site(self._path), changed
        except (OSError, SettingsError) as error:
            if self._site is None:
                raise Rejected(f"the settings cannot be read: {error}") from error
        return self._site


class LossService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path) -> None:
        self._pool, self._clock = pool, clock
        self._settings = SiteReader(site_file)

    def site(self) -> Site:
        """Return the settings of the factory as they are in force."""
        return self._settings.site()

    def equipment(self) -> list[tuple[str, str]]:
        """Return path and name of all equipment whose state is followed, in the order of the settings."""
        site = self._settings.site()
        names = {node.id: node.name for node in site.equipment}
        return [(model.equipment, names.get(model.equipment, model.equipment)) for model in site.states.models]

    def units(self, equipment: str = "", language: str = "en") -> list[UnitView]:
        """Return what each equipment does now."""
        site = self._settings.site()
        names = {node.id: node.name for node in site.equipment}
        models = self._models(site, equipment)
        now_us = self._clock.now_us()
        with self._pool.connection() as connection:
            found = states.read_states_now(connection, [model.equipment for model in models])
        views = []
        for model in models:
            one = found.get(model.equipment)
            late = one is None or now_us - one.to_us > _LATE_US
            calendar = site.calendars.of(model.equipment)
            shift = None if calendar is None else calendar.shift_at(now_us)
            views.append(unit_view(model, names.get(model.equipment, ""), one, shift, site.states.reasons, language, late=late))
        return views

    def gather(self, asked: Asked) -> Gathered:
        """Return all slices and pieces of what is asked for. What is younger than some seconds is left out: it is not judged yet."""
        if not 0 <= asked.from_us < asked.to_us:
            raise Rejected("'from' must lie before 'to', both as microseconds since 1970")
        if asked.to_us - asked.from_us > MOST_DAYS * DAY_US:
            raise Rejected(f"ask for at most {MOST_DAYS} days at once")
        site = self._settings.site()
        models = {model.equipment: model for model in self._models(site, asked.equipment)}
        to_us = min(asked.to_us, self._clock.now_us() - _FRESH_US)
        if asked.from_us >= to_us or not models:
            return Gathered([], [], models, False)
        with self._pool.connection() as connection:
            found = read_slices(connection, models, site.states.reasons, site.calendars, (asked.from_us, to_us))
            made = states.read_pieces(connection, list(models), asked.from_us, to_us)
        without = any(site.calendars.of(unit) is None for unit in models)
        return Gathered(*_chosen(found, made, asked), models, without)

    def figures(self, asked: Asked, by: str = "") -> list[OeeView]:
        """Return the figures of all that is asked for, or of each group: by equipment, shift, day, hour, team, product or order."""
        return self.figures_of(self.gather(asked), by)

    def figures_of(self, gathered: Gathered, by: str = "") -> list[OeeView]:
        """Return the figures of what was gathered."""
        if not by:
            return [oee_view("", oee(gathered.rated(), gathered.made, gathered.models), without_calendar=gathered.without_calendar)]
        if by not in GROUPS:
            raise Rejected(f"there is no group '{by}'; there are: {', '.join(GROUPS)}")
        site = self._settings.site()
        keys = _Keys(site, by)
        found = grouped(
            gathered.slices if by == "equipment" else gathered.rated(), gathered.made, gathered.models, keys.of_slice, keys.of_made
        )
        views = [oee_view(key, one, without_calendar=gathered.without_calendar) for key, one in found.items()]
        return sorted(views, key=lambda one: one.group) if by != "equipment" else views

    def waterfall_of(self, gathered: Gathered) -> list[StepView]:
        """Return the steps from calendar time to what was made well; they add up to the microsecond."""
        steps = oee(gathered.rated(), gathered.made, gathered.models).waterfall()
        return [StepView(step.name, step.us, step.is_sum) for step in steps]

    def six_losses(self, asked: Asked) -> dict[str, int | None]:
        """Return the six big losses in microseconds."""
        gathered = self.gather(asked)
        return oee(gathered.rated(), gathered.made, gathered.models).six_big_losses()

    def pareto_of(self, gathered: Gathered, language: str = "en") -> list[ParetoView]:
        """Return what planned time was lost to, the costliest first."""
        reasons = self._settings.site().states.reasons
        lines = pareto(gathered.rated())
        whole = sum(line.us for line in lines) or 1
        return [
            ParetoView(
                *(line.loss.value, line.reason, reasons.name(line.reason, language), line.us, line.us / whole, line.stops, line.longest_us)
            )
            for line in lines
        ]

    def slices_of(
        self, gathered: Gathered, *, loss: str = "", reason: str | None = None, most: int = 5000, language: str = "en", merged: bool = False
    ) -> list[SliceView]:
        """Return the slices behind a figure, the newest last; ``merged`` leaves parts and products undivided.

        Those of one ``loss`` are the ones that the Pareto sums up.
        """
        reasons = self._settings.site().states.reasons
        chosen = [
            one
            for one in (gathered.rated() if loss else gathered.slices)
            if (not loss or (one.loss == loss and one.planned is Planned.SHIFT)) and reason in {None, one.reason}
        ]
        if merged:
            chosen = viewing_losses.merged(chosen)
        return [slice_view(one, reasons.name(one.reason, language)) for one in chosen[:most]]

    def pieces(self, asked: Asked) -> list[PiecesView]:
        """Return the pieces made, second by second."""
        made = self.gather(asked).made
        return [PiecesView(one.equipment, one.time_us, one.kind, one.product, one.order, one.pieces) for one in made]

    def counter_notes(self, asked: Asked) -> list[CounterNoteView]:
        """Return what counters did that is no production, the newest first."""
        units = [model.equipment for model in self._models(self._settings.site(), asked.equipment)]
        with self._pool.connection() as connection:
            found = states.read_counter_notes(connection, units, asked.from_us, asked.to_us)
        return [CounterNoteView(one.equipment, one.time_us, one.signal, one.fault, one.before, one.after) for one in found]

    def shifts(self, equipment: str, from_us: int, to_us: int) -> list[ShiftView]:
        """Return the shifts of an equipment that touch a span."""
        if not 0 <= from_us < to_us or to_us - from_us > 400 * DAY_US:
            raise Rejected("'from' must lie before 'to', by at most 400 days, both as microseconds since 1970")
        site = self._settings.site()
        calendar = site.calendars.of(equipment or site.path)
        if calendar is None and not equipment and site.calendars.all:
            calendar = site.calendars.all[-1][1]
        return [
            ShiftView(one.name, one.day.isoformat(), one.team, one.from_us, one.to_us, one.planned_us, one.breaks)
            for one in (calendar.shifts(from_us, to_us) if calendar is not None else [])
        ]

    def reasons(self, language: str = "en") -> list[ReasonView]:
        """Return the tree of reasons, each after the one above it."""
        tree = self._settings.site().states.reasons
        return [ReasonView(one.path, tree.name(one.path, language), tree.loss(one.path)) for one in tree.reasons]

    def words(self, asked: Asked) -> list[WordView]:
        """Return what people said of spans, in the order in which they did."""
        units = [model.equipment for model in self._models(self._settings.site(), asked.equipment)]
        with self._pool.connection() as connection:
            found = states.read_said_reasons(connection, units, asked.from_us, asked.to_us)
        return [WordView(w.id, w.equipment, w.from_us, w.to_us, w.reason, w.note, w.actor, w.made_us) for w in found]

    def say(self, who: Person, draft: WordDraft) -> WordView:
        """Keep what a person says of a span; what the rules told stays visible beside it. For inspectors; it is audited."""
        require(who, Role.INSPECTOR)
        site = self._settings.site()
        if site.states.model(draft.equipment) is None:
            raise Rejected(f"no states are followed of '{draft.equipment}'")
        if not 0 <= draft.from_us < draft.to_us or draft.to_us - draft.from_us > MOST_DAYS * DAY_US:
            raise Rejected(f"a span begins before it ends and lasts at most {MOST_DAYS} days")
        if draft.reason and not site.states.reasons.knows(draft.reason):
            raise Rejected(f"there is no reason '{draft.reason}'")
        span = (draft.from_us, draft.to_us)
        now_us = self._clock.now_us()
        with self._pool.connection() as connection, connection.transaction():
            before = states.read_said_reasons(connection, [draft.equipment], *span)
            number = states.say_reason(connection, draft.equipment, span, draft.reason, draft.note, who.name)
            previous = [{"from_us": w.from_us, "to_us": w.to_us, "reason": w.reason, "by": w.actor} for w in before[-5:]]
            next_ = {"from_us": draft.from_us, "to_us": draft.to_us, "reason": draft.reason, "note": draft.note}
            add_audit(
                connection,
                time_us=now_us,
                actor=who.name,
                act="state.reason",
                subject=draft.equipment,
                previous=previous,
                next_=next_,
                address=who.address,
            )
        return WordView(number, draft.equipment, *span, draft.reason, draft.note, who.name, now_us)

    def _models(self, site: Site, equipment: str) -> list[StateModel]:
        if not equipment:
            return list(site.states.models)
        return [one for one in site.states.models if one.equipment == equipment or one.equipment.startswith(equipment + "/")]


class _Keys:
    """To which group slices and pieces belong."""

    def __init__(self, site: Site, by: str) -> None:
        self._site, self._by = site, by

    def of_slice(self, one: Slice) -> str | None:
        if self._by == "equipment":
            return one.equipment
        if self._by in {"product", "order"}:
            return one.product if self._by == "product" else one.order
        return self._in_time(one.equipment, one.from_us, one)

    def of_made(self, one: Made) -> str | None:
        if self._by == "equipment":
            return one.equipment
        if self._by in {"product", "order"}:
            return one.product if self._by == "product" else one.order
        return self._in_time(one.equipment, one.time_us, None)

    def _in_time(self, equipment: str, time_us: int, one: Slice | None) -> str | None:
        calendar = self._site.calendars.of(equipment)
        if self._by == "hour":
            return str(time_us - time_us % 3_600_000_000)
        shift = one.shift if one is not None else None if calendar is None else calendar.shift_at(time_us)
        if self._by == "shift":
            return None if shift is None else f"{shift.day.isoformat()} {shift.name}"
        if self._by == "team":
            return None if shift is None or not shift.team else shift.team
        if shift is not None:
            return shift.day.isoformat()
        return calendar.day_of(time_us).isoformat() if calendar is not None else None


def _chosen(found: list[Slice], made: list[Made], asked: Asked) -> tuple[list[Slice], list[Made]]:
    if asked.shift:
        found = [one for one in found if one.shift is not None and one.shift.name == asked.shift]
    if asked.product:
        found = [one for one in found if one.product == asked.product]
        made = [one for one in made if one.product == asked.product]
    if asked.order:
        found = [one for one in found if one.order == asked.order]
        made = [one for one in made if one.order == asked.order]
    return found, made
