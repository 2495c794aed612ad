"""Whether what a message rests on is to be trusted: nothing goes out on bad, stale or gapped measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from plant.clock import Clock
from plant.deliveries import Draft, Kind
from storage.database import Connection
from storage.delivery_inputs import MeasuredNow, measured_now, missed

MOST_MISSING: Final = 0.01
"""Share of a basis that may be missing."""
_KEPT_SECONDS: Final = 1.0
_KEPT_BASES: Final = 1000
_RESTS: Final = frozenset({Kind.PARAMETERS, Kind.OFFSETS, Kind.ROUTE, Kind.JOB})


@dataclass(frozen=True, slots=True)
class InputFault:
    """Why inputs are not to be trusted."""

    words: str
    lasting: bool
    """Whether waiting does not mend it: the past does not change."""


class Inputs:
    """Looks at how work units are and were measured; what was just looked at is not looked at again. For the database's thread."""

    def __init__(self, clock: Clock, stale_us: int) -> None:
        self._clock = clock
        self._stale_us = stale_us
        self._now: dict[str, tuple[float, MeasuredNow | None]] = {}
        self._past: dict[tuple[str, int, int], str] = {}

    def prepare(self, connection: Connection, drafts: list[Draft]) -> None:
        """Look at all work units of drafts at once."""
        now = self._clock.monotonic()
        units = {one.work_unit for one in drafts if _rests(one)}
        old = sorted(unit for unit in units if unit not in self._now or now - self._now[unit][0] > _KEPT_SECONDS)
        if old:
            found = measured_now(connection, old)
            self._now |= {unit: (now, found.get(unit)) for unit in old}

    def fault(self, connection: Connection, draft: Draft, now_us: int) -> InputFault | None:
        """Return why a draft's inputs are not to be trusted; None where they are, or where it rests on none."""
        if not _rests(draft):
            return None
        if draft.basis_to_us is not None and now_us - draft.basis_to_us > self._stale_us:
            return InputFault(f"stale: the newest measurement is {(now_us - draft.basis_to_us) / 1e6:.0f} s old", lasting=True)
        if draft.basis_from_us is not None and draft.basis_to_us is not None and draft.basis_from_us < draft.basis_to_us:
            words = self._gapped(connection, draft.work_unit, draft.basis_from_us, draft.basis_to_us)
            if words:
                return InputFault(words, lasting=True)
        kept = self._now.get(draft.work_unit)
        now = None if kept is None else kept[1]
        if now is None:
            return None
        if now.bad is not None:
            return InputFault(f"bad: {now.bad}", lasting=False)
        return None if now.stale is None else InputFault(f"stale: {now.stale}", lasting=False)

    def _gapped(self, connection: Connection, unit: str, from_us: int, to_us: int) -> str:
        key = (unit, from_us, to_us)
        known = self._past.get(key)
        if known is not None:
            return known
        found = missed(connection, unit, from_us, to_us)
        share = found.missing / found.expected if found.expected > 0 else 0.0
        away = found.away_seconds / ((to_us - from_us) / 1e6)
        words = f"gapped: {max(share, away):.1%} of its measurements is missing" if max(share, away) > MOST_MISSING else ""
        if len(self._past) >= _KEPT_BASES:
            self._past.clear()
        self._past[key] = words
        return words


def _rests(draft: Draft) -> bool:
    return draft.kind in _RESTS and (draft.basis_to_us is not None or draft.kind in (Kind.PARAMETERS, Kind.OFFSETS))
