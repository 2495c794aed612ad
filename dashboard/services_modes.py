"""Modes of work units: what holds and why, how each controller does; set, asked for, confirmed by another person, dropped all at once."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_modes import (
    AskedView,
    DropDraft,
    DroppedView,
    LoopConfirmDraft,
    LoopDraft,
    ModeChangeView,
    ModeDraft,
    ModeView,
    TroubleView,
)
from plant.clock import Clock
from plant.delivery_modes import CONFIRM_SECONDS, AskedLoop, ControllerStanding, Dropped, Mode, ModeRow, mode_now
from plant.errors import Rejected, SettingsError
from plant.settings_delivery import Controller, DeliverySettings
from plant.site import load_site
from storage.database import Connection, Pool
from storage.deliveries import read_counters
from storage.delivery_modes import (
    DELIVERY,
    ask_closed_loop,
    asked_loops,
    confirm_closed_loop,
    newest_modes,
    read_modes,
    read_standings,
    set_mode,
)
from storage.delivery_reading import UnitCounts, read_unit_counts
from storage.delivery_troubles import standing_troubles
from storage.people import Role

_ORDER: Final = (Mode.OFF, Mode.SHADOW, Mode.ADVISORY, Mode.CLOSED_LOOP)
_NOBODY: Final = UnitCounts(0, 0, 0)


class ModeService:
    """Each call reads the database in the calling thread. Raises Rejected for what may not be, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path) -> None:
        self._pool, self._clock, self._site_file = pool, clock, site_file

    def modes(self) -> list[ModeView]:
        """Return all work units that something is or may be delivered to, by name."""
        now_us, settings = self._clock.now_us(), self._settings()
        with self._pool.connection() as connection:
            rows, standings, counts = newest_modes(connection), read_standings(connection), read_unit_counts(connection)
            asked = {one.work_unit: one for one in asked_loops(connection, now_us)}
            given = read_counters(connection)
            troubles: dict[str, list[TroubleView]] = {}
            for one in standing_troubles(connection):
                troubles.setdefault(one.work_unit, []).append(TroubleView(one.kind.value, one.time_us, one.words))
        named = {name for one in settings.controllers for name in one.work_units if not set("*?[") & set(name)}
        units = sorted({*rows, *standings, *counts, *asked, *named})
        return [
            _view(
                *(unit, rows.get(unit), asked.get(unit), standings.get(unit), counts.get(unit, _NOBODY), given.get(unit, 0)),
                *(tuple(troubles.get(unit, ())), _controller(settings, unit), now_us),
            )
            for unit in units
        ]

    def changes(self, work_unit: str | None = None, most: int = 100) -> list[ModeChangeView]:
        """Return what happened to modes, the newest first."""
        with self._pool.connection() as connection:
            found = read_modes(connection, work_unit or None, most)
        return [
            ModeChangeView(*(one.number, one.work_unit, one.mode.value, one.time_us, one.until_us, one.actor, one.second, one.reason))
            for one in found
        ]

    def longest_hours(self) -> float:
        """Return how long a closed loop may last."""
        return self._settings().closed_loop_hours

    def set(self, who: Person, draft: ModeDraft) -> ModeView:
        """Set another mode: a lower one for inspectors, a higher one for approvers; audited."""
        require(who, Role.INSPECTOR)
        unit, mode = _clean(draft.work_unit), Mode(draft.mode)
        with self._pool.connection() as connection, connection.transaction():
            now = self._now(connection, unit)
            if _ORDER.index(mode) > _ORDER.index(now):
                require(who, Role.APPROVER)
            set_mode(
                *(connection, unit, mode),
                actor=who.name,
                now_us=self._clock.now_us(),
                reason=_clean(draft.reason),
                address=who.address,
            )
        return self._one(unit)

    def ask(self, who: Person, draft: LoopDraft) -> ModeView:
        """Ask for a closed loop, as the first of two persons. For approvers; audited."""
        require(who, Role.APPROVER)
        unit, longest = _clean(draft.work_unit), self.longest_hours()
        if draft.hours > longest:
            raise Rejected(f"a closed loop lasts at most {longest:g} hours here, not {draft.hours:g}")
        with self._pool.connection() as connection:
            if self._now(connection, unit) in (Mode.OFF, Mode.SHADOW):
                raise Rejected(f"'{unit}' is {self._now(connection, unit).value}: set it to advisory first")
            _switched_on(connection, unit)
            ask_closed_loop(
                *(connection, unit),
                actor=who.name,
                now_us=self._clock.now_us(),
                hours=draft.hours,
                reason=_clean(draft.reason),
                address=who.address,
            )
        return self._one(unit)

    def confirm(self, who: Person, draft: LoopConfirmDraft) -> ModeView:
        """Begin a closed loop, as the second of two persons. For approvers; audited."""
        require(who, Role.APPROVER)
        unit = _clean(draft.work_unit)
        with self._pool.connection() as connection:
            _switched_on(connection, unit)
            confirm_closed_loop(connection, unit, actor=who.name, now_us=self._clock.now_us(), address=who.address)
        return self._one(unit)

    def drop_all(self, who: Person, draft: DropDraft) -> DroppedView:
        """End all closed loops, and those that are asked for, at once. For inspectors; audited."""
        require(who, Role.INSPECTOR)
        now_us = self._clock.now_us()
        with self._pool.connection() as connection, connection.transaction():
            looping = {unit for unit, row in newest_modes(connection).items() if mode_now([row], now_us) is Mode.CLOSED_LOOP}
            asked = {one.work_unit for one in asked_loops(connection, now_us)}
            for unit in sorted(looping | asked):
                set_mode(
                    *(connection, unit, Mode.ADVISORY), actor=who.name, now_us=now_us, reason=_clean(draft.reason), address=who.address
                )
        return DroppedView(tuple(sorted(looping | asked)))

    def _now(self, connection: Connection, unit: str) -> Mode:
        return mode_now(read_modes(connection, unit, 1), self._clock.now_us())

    def _one(self, unit: str) -> ModeView:
        return next(one for one in self.modes() if one.work_unit == unit)

    def _settings(self) -> DeliverySettings:
        try:
            return load_site(self._site_file).delivery.settings
        except SettingsError:  # the file is being changed: modes are shown without their controllers
            return DeliverySettings()


def _view(
    unit: str,
    row: ModeRow | None,
    asked: AskedLoop | None,
    standing: ControllerStanding | None,
    counts: UnitCounts,
    given: int,
    troubles: tuple[TroubleView, ...],
    controller: Controller | None,
    now_us: int,
) -> ModeView:
    mode = Mode.ADVISORY if row is None else mode_now([row], now_us)
    ended = row is not None and row.mode is Mode.CLOSED_LOOP and mode is not Mode.CLOSED_LOOP
    dropped, words = "", "" if row is None else row.reason
    if ended:
        dropped, words = Dropped.EXPIRED.value, ""
    elif row is not None and row.actor == DELIVERY:
        dropped, _, words = row.reason.partition(": ")
    heard = standing or ControllerStanding(unit)
    return ModeView(
        work_unit=unit,
        mode=mode.value,
        since_us=None if row is None else row.until_us if ended else row.time_us,
        until_us=None if row is None or ended else row.until_us,
        actor="" if row is None else DELIVERY if ended else row.actor,
        second="" if row is None or ended else row.second,
        reason=words,
        dropped=dropped,
        asked=None
        if asked is None
        else AskedView(asked.actor, asked.time_us, asked.time_us + CONFIRM_SECONDS * 1_000_000, asked.hours, asked.reason),
        controller="" if controller is None else controller.id,
        way=heard.way or ("" if controller is None else controller.way),
        heartbeat_seconds=None if controller is None else controller.heartbeat_seconds,
        heard_us=heard.heard_us,
        told_us=heard.told_us,
        ai_off=heard.ai_off,
        state=heard.state,
        counter=heard.counter,
        counter_given=given,
        proposed=counts.proposed,
        under_way=counts.under_way,
        in_doubt=counts.in_doubt,
        troubles=troubles,
    )


def _controller(settings: DeliverySettings, unit: str) -> Controller | None:
    return next((one for one in settings.controllers if any(fnmatchcase(unit, pattern) for pattern in one.work_units)), None)


def _switched_on(connection: Connection, unit: str) -> None:
    """Raise Rejected where the machine's own switch is at AI off."""
    standing = read_standings(connection, unit).get(unit)
    if standing is not None and standing.ai_off:
        raise Rejected(f"the switch at '{unit}' is at AI off")


def _clean(words: str) -> str:
    return words.replace("\0", "").strip()
