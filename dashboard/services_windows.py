"""Process windows: versions, what differs between them, what is in use inside of them; drafts, which another person approves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_windows import (
    InUseView,
    LimitChangeView,
    ProcessWindowView,
    WindowChangeView,
    WindowDraftDraft,
    WindowDraftView,
    WindowLimitView,
    WindowParameterView,
    WindowRefusalDraft,
    WindowSetView,
    WindowVersionView,
)
from plant.clock import Clock
from plant.errors import Rejected
from plant.process_windows import JointLimit, ProcessWindow, ResponseLimit, WindowSet, parse_windows
from plant.window_changes import WindowChange, key_of, window_changes
from storage import window_drafts
from storage.database import Connection, Pool
from storage.people import Role
from storage.window_drafts import DraftStage, WindowDraft
from storage.windows_in_use import InUse, read_in_use


class WindowService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def versions(self, most: int = 100) -> list[WindowVersionView]:
        """Return the versions of the set, the newest first."""
        with self._pool.connection() as connection:
            return _versions(connection, most)

    def windows(self, version: int | None = None) -> WindowSetView:
        """Return a version of the set, the one in force where none is named; what is in use stands in that one only."""
        with self._pool.connection() as connection:
            known = _versions(connection, 10_000)
            found = next((one for one in known if (one.in_force if version is None else one.version == version)), None)
            if found is None and version is not None:
                raise Rejected(f"there is no version {version} of the process windows")
            if found is None:
                return WindowSetView(None, ())
            windows = _set(connection, found.version)
            used = read_in_use(connection) if found.in_force else []
        return WindowSetView(found, tuple(_window(one, [each for each in used if _holds(windows, one, each)]) for one in windows.windows))

    def text(self, version: int | None = None) -> str:
        """Return a version of the set as it was written, that in force where none is named."""
        with self._pool.connection() as connection:
            if version is None:
                version = next((one.version for one in _versions(connection, 10_000) if one.in_force), 0)
            return window_drafts.read_version_text(connection, version)

    def changes(self, older: int, newer: int) -> list[WindowChangeView]:
        """Return what differs between two versions; 0 stands for none at all."""
        with self._pool.connection() as connection:
            before = _set(connection, older) if older else None
            return [_change(one) for one in window_changes(before, _set(connection, newer))]

    def drafts(self, most: int = 50) -> list[WindowDraftView]:
        """Return drafts, those that wait first."""
        with self._pool.connection() as connection:
            return [_draft(connection, one) for one in window_drafts.read_drafts(connection, most)]

    def draft(self, number: int) -> WindowDraftView:
        """Return one draft."""
        with self._pool.connection() as connection:
            return _one_draft(connection, number)

    def waiting(self) -> int:
        """Return how many drafts wait to be decided."""
        with self._pool.connection() as connection:
            return window_drafts.waiting_drafts(connection)

    def propose(self, who: Person, draft: WindowDraftDraft) -> WindowDraftView:
        """Keep a window as a draft. For engineers; audited."""
        require(who, Role.ENGINEER)
        told = draft.model_dump(exclude={"note"})
        window = ProcessWindow.model_validate({**told, "version": 1, "author": who.name, "approver": f"not {who.name}"})
        with self._pool.connection() as connection:
            number = window_drafts.add_draft(
                connection, window, author=who.name, note=_clean(draft.note), now_us=self._clock.now_us(), address=who.address
            )
            return _one_draft(connection, number)

    def approve(self, who: Person, number: int) -> WindowDraftView:
        """Put a draft in force. For approvers other than its author; audited."""
        require(who, Role.APPROVER)
        with self._pool.connection() as connection:
            window_drafts.approve_draft(connection, number, actor=who.name, now_us=self._clock.now_us(), address=who.address)
            return _one_draft(connection, number)

    def decline(self, who: Person, number: int, draft: WindowRefusalDraft) -> WindowDraftView:
        """Decline a draft for a reason. For approvers; audited."""
        require(who, Role.APPROVER)
        return self._end(who, number, DraftStage.DECLINED, draft)

    def withdraw(self, who: Person, number: int, draft: WindowRefusalDraft) -> WindowDraftView:
        """Take back one's own draft. For engineers; audited."""
        require(who, Role.ENGINEER)
        return self._end(who, number, DraftStage.WITHDRAWN, draft)

    def _end(self, who: Person, number: int, stage: DraftStage, draft: WindowRefusalDraft) -> WindowDraftView:
        with self._pool.connection() as connection:
            window_drafts.end_draft(
                *(connection, number, stage),
                actor=who.name,
                reason=_clean(draft.reason),
                now_us=self._clock.now_us(),
                address=who.address,
            )
            return _one_draft(connection, number)


def _versions(connection: Connection, most: int) -> list[WindowVersionView]:
    return [
        WindowVersionView(one.version, one.time_us, one.actor, one.windows, one.in_force, one.sha256)
        for one in window_drafts.read_versions(connection, most)
    ]


def _set(connection: Connection, version: int) -> WindowSet:
    return parse_windows(window_drafts.read_version_text(connection, version), f"version {version}")


def _holds(windows: WindowSet, window: ProcessWindow, used: InUse) -> bool:
    """Return whether a window is the one that holds for what is in use."""
    try:
        return windows.of(used.work_unit, used.program, used.job) is window
    except Rejected:
        return False


def _window(window: ProcessWindow, used: Iterable[InUse] = ()) -> ProcessWindowView:
    lately = list(used)
    return ProcessWindowView(
        *(window.work_unit, window.program, window.job, window.version, window.author, window.approver),
        tuple(
            WindowParameterView(
                *(one.name, one.unit, one.low, one.high, one.step, one.rate, one.dead_band),
                tuple(
                    InUseView(each.program, each.job, each.parameters[one.name], each.since_us, each.source, each.actor)
                    for each in lately
                    if one.name in each.parameters
                ),
            )
            for one in window.parameters
        ),
        tuple(_limit(one) for one in window.joint_limits),
        tuple(_limit(one) for one in window.responses),
        window.objective.scrap_max,
    )


def _limit(one: JointLimit | ResponseLimit) -> WindowLimitView:
    of = one.parameters if isinstance(one, JointLimit) else ()
    return WindowLimitView(one.name, one.unit, one.low, one.high, of)


def _change(one: WindowChange) -> WindowChangeView:
    limits = tuple(LimitChangeView(**{**asdict(each), "side": each.side.value}) for each in one.limits)
    return WindowChangeView(
        *(one.work_unit, one.program, one.job, one.what.value, one.version_before, one.version_after, one.silent), limits
    )


def _one_draft(connection: Connection, number: int) -> WindowDraftView:
    found = window_drafts.read_draft(connection, number)
    if found is None:
        raise Rejected(f"there is no draft {number}")
    return _draft(connection, found)


def _draft(connection: Connection, one: WindowDraft) -> WindowDraftView:
    base = _set(connection, one.base).windows if one.base else ()
    before = [each for each in base if key_of(each) == key_of(one.window)]
    changes = window_changes(WindowSet(tuple(before)), WindowSet((one.window,)))
    return WindowDraftView(
        *(one.id, _window(one.window), one.base, one.note, one.author, one.time_us, one.stage.value, one.decided_by, one.decided_us),
        *(one.reason, one.version, tuple(_change(each) for each in changes)),
    )


def _clean(words: str) -> str:
    return words.replace("\0", "").strip()
