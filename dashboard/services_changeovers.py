"""Changeover sets: whether each is complete, which is next at each work unit, and whether what was read back agrees."""

from __future__ import annotations

from dashboard.plan_book import PlanBook
from dashboard.plan_drawing import clock_of
from dashboard.texts import Texts, texts_of
from dashboard.views_changeovers import (
    ChangeoverSetView,
    ChangeoversView,
    NextChangeoverView,
    ReadbackCheckDraft,
    ReadbackCheckView,
    SetFaultView,
)
from plant.changeover_sets import (
    FAULT_WORDS,
    KIND_WORDS,
    InCharge,
    PartKind,
    Readback,
    SetFault,
    changeover_faults,
    readback_faults,
)
from plant.clock import Clock
from plant.errors import Rejected
from plant.plan_changeovers import plan_changeovers
from storage.changeover_sets import StoredBook, read_changeovers, read_in_charge
from storage.database import Pool


class ChangeoverService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, book: PlanBook) -> None:
        self._pool, self._clock, self._book = pool, clock, book

    def sets(self, language: str = "en") -> ChangeoversView:
        """Return all sets in force, each with what keeps it from being complete."""
        stored, charge = self._stored()
        if stored is None:
            return ChangeoversView(None, None, "", ())
        t, shown = texts_of(language), []
        for one in stored.book.sets:
            faults = changeover_faults(stored.book, one, one.model, charge)
            parts = {kind.value: f"{chosen.name} {chosen.version}" for kind, chosen in one.parts.items()}
            told = tuple(_fault(fault, t) for fault in faults)
            shown.append(ChangeoverSetView(one.work_unit, one.model, one.version, one.author, one.approver, parts, not faults, told))
        return ChangeoversView(stored.version, stored.time_us, stored.actor, tuple(shown))

    def upcoming(self, language: str = "en") -> list[NextChangeoverView]:
        """Return for each work unit that is switched at all what it is switched to next, by the live plan."""
        stored, charge = self._stored()
        if stored is None:
            return []
        t, found = texts_of(language), {}
        try:
            live = self._book.read(None)
        except Rejected:  # there is no plan yet
            live = None
        if live is not None:
            origin_us, tick_us = clock_of(live.problem, live.version.made_us)
            now_us = self._clock.now_us()
            for one in plan_changeovers(live.problem, live.plan, stored.book, charge):
                unit, start_us = live.problem.units[one.unit].name, origin_us + one.start * tick_us
                if unit in found or start_us < now_us:
                    continue
                job = live.problem.jobs[live.problem.operation_job[one.operation]].name
                told = tuple(_fault(fault, t) for fault in one.faults)
                version = None if one.set is None else one.set.version
                found[unit] = NextChangeoverView(unit, one.model, job, start_us, version, one.complete, told)
        nothing = {one.work_unit: NextChangeoverView(one.work_unit, "", "", None, None, True, ()) for one in stored.book.units}
        return [found.get(unit, none) for unit, none in nothing.items()]

    def check(self, draft: ReadbackCheckDraft, language: str = "en") -> ReadbackCheckView:
        """Return whether what was read back agrees with the set of a unit and model, and the set is complete."""
        stored, charge = self._stored()
        if stored is None:
            raise Rejected("no changeover sets were imported yet: leadhand import changeovers SETS.toml")
        unknown = [one.kind for one in draft.readbacks if one.kind not in set(PartKind)]
        if unknown:
            raise Rejected(f"there is no part '{unknown[0]}'; there are: {', '.join(PartKind)}")
        wanted = stored.book.of(draft.work_unit, draft.model)
        read = {PartKind(one.kind): Readback(one.name, one.version, one.time_us) for one in draft.readbacks}
        faults = (*changeover_faults(stored.book, wanted, draft.model, charge), *readback_faults(wanted, read, draft.not_before_us))
        return ReadbackCheckView(not faults, tuple(_fault(fault, texts_of(language)) for fault in faults))

    def _stored(self) -> tuple[StoredBook | None, InCharge]:
        with self._pool.connection() as connection:
            return read_changeovers(connection), read_in_charge(connection)


def _fault(fault: SetFault, t: Texts) -> SetFaultView:
    """Return a fault with its sentence in the reader's language."""
    shown = {key: t(KIND_WORDS[PartKind(value)]) if key.endswith("kind") else value for key, value in fault.values.items()}
    return SetFaultView(fault.fault.value, dict(fault.values), t(FAULT_WORDS[fault.fault]).format(**shown))
