"""What is known of a work unit, beside a message, when the message would leave: gathered for the gate, from the database alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from delivery.gate import OFFSETS, Standing
from delivery.gate_windows import window_for
from delivery.heartbeats import LOST_TIMES
from plant.deliveries import Draft, Kind
from plant.delivery_modes import Mode, ModeRow, mode_now
from plant.errors import SettingsError, Unavailable
from plant.process_windows import ProcessWindow
from plant.settings_delivery import Controller
from storage.changeover_sets import read_changeovers
from storage.database import Connection
from storage.deliveries import Delivery, read_counters
from storage.delivery_inputs import Used, changeover_version, read_used
from storage.delivery_modes import newest_modes
from storage.process_windows import read_windows, windows_version


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What the process itself knows of a work unit's controller."""

    heard_us: int | None = None
    ai_off: bool = False
    counter: int = 0
    """The highest that it says it has taken."""
    watched: bool = False
    """Whether signs of life are expected of it."""


@dataclass(slots=True)
class Known:
    """What the database says, for some deliveries at one moment."""

    modes: Mapping[str, ModeRow]
    counters: dict[str, int]
    windows: Mapping[str, tuple[ProcessWindow, ...]]
    used: Mapping[tuple[str, str, str], Used]
    parts: frozenset[tuple[str, str, str]] | None


@dataclass(slots=True)
class Gatherer:
    """Reads what the gate needs; what changes by versions is read again when the version does. For the database's thread."""

    stale_us: int
    offsets_mm: float
    """Spindles are moved so far either way at most."""
    _windows_version: int = -1
    _windows: dict[str, tuple[ProcessWindow, ...]] = field(default_factory=dict)
    _parts_version: int = -1
    _parts: frozenset[tuple[str, str, str]] | None = None

    def gather(self, connection: Connection, deliveries: Sequence[Delivery]) -> Known:
        """Return what is known now."""
        drafts = [one.draft for one in deliveries]
        targets = sorted({_target(one) for one in drafts if one.parameters and one.kind in (Kind.PARAMETERS, Kind.JOB)})
        return Known(
            newest_modes(connection),
            read_counters(connection),
            self._windows_now(connection) if targets else {},
            read_used(connection, targets) if targets else {},
            self._parts_now(connection) if any(one.kind is Kind.CHANGEOVER for one in drafts) else None,
        )

    def standing(
        self, known: Known, one: Delivery, controller: Controller, key: bytes, facts: UnitFacts, inputs: str, now_us: int
    ) -> Standing:
        """Return what is known beside one message."""
        draft = one.draft
        row = known.modes.get(draft.work_unit)
        windows = known.windows.get(draft.work_unit, ())
        used = known.used.get(_target(draft))
        return Standing(
            now_us=now_us,
            work_unit=draft.work_unit,
            keys={controller.id: key},
            mode=mode_of(row, now_us),
            mode_until_us=None if row is None else row.until_us,
            approved_by=one.approved_by,
            ai_off=facts.ai_off,
            heard_us=facts.heard_us,
            silence_us=round(LOST_TIMES * controller.heartbeat_seconds * 1e6) if facts.watched else None,
            inputs=inputs,
            stale_us=self.stale_us,
            counter=max(known.counters.get(draft.work_unit, 0), facts.counter),
            windows=windows,
            current=None if used is None else _with_units(used, windows, draft),
            changed_us={} if used is None else used.changed_us,
            recent=() if used is None else used.recent,
            parts=known.parts,
            offsets=OFFSETS | {"mm": self.offsets_mm},
        )

    def _windows_now(self, connection: Connection) -> dict[str, tuple[ProcessWindow, ...]]:
        version = windows_version(connection)
        if version != self._windows_version:
            try:
                found = read_windows(connection)
            except SettingsError as error:
                raise Unavailable(f"the process windows in force cannot be read: {error}") from error
            by_unit: dict[str, list[ProcessWindow]] = {}
            for one in () if found is None else found.windows:
                by_unit.setdefault(one.work_unit, []).append(one)
            self._windows = {unit: tuple(windows) for unit, windows in by_unit.items()}
            self._windows_version = version
        return self._windows

    def _parts_now(self, connection: Connection) -> frozenset[tuple[str, str, str]] | None:
        version = changeover_version(connection)
        if version != self._parts_version:
            try:
                found = read_changeovers(connection)
            except SettingsError as error:
                raise Unavailable(f"the changeover sets in force cannot be read: {error}") from error
            self._parts = None if found is None else frozenset((one.kind.value, one.name, one.version) for one in found.book.parts)
            self._parts_version = version
        return self._parts


def mode_of(row: ModeRow | None, now_us: int) -> Mode:
    """Return the mode that the newest row of a work unit makes."""
    return mode_now([] if row is None else [row], now_us)


def _target(draft: Draft) -> tuple[str, str, str]:
    return draft.work_unit, draft.program, draft.job


def _with_units(used: Used, windows: Sequence[ProcessWindow], draft: Draft) -> dict[str, tuple[float, str]] | None:
    """Return what is in use; an accepted recipe bears no units: those of its window are meant."""
    if used.current is None:
        return None
    window = window_for(windows, *_target(draft))
    units = {} if window is None else {one.name: one.unit for one in window.parameters}
    return {name: (value, unit or units.get(name, "1")) for name, (value, unit) in used.current.items()}
