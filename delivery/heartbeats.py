"""Signs of life both ways: what was heard of controllers, which of them are lost, switched off or counting otherwise. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from delivery.ways import Beat
from plant.delivery_modes import ControllerStanding, Dropped

LOST_TIMES: Final = 3.0
"""A controller is lost after so many of its heartbeats in silence."""
FRESH_TIMES: Final = 2.5
"""Nothing is sent from then on: the gate would refuse what comes a moment later for good."""
_EXPECTED_US: Final = 5_000_000
"""Of a controller that was never heard."""


@dataclass(slots=True)
class _Heard:
    way: str
    every_us: int
    beat: Beat
    told_us: int | None = None
    changed: bool = True


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a work unit's controller now."""

    why: Dropped
    words: str


class Heartbeats:
    """What was heard of each work unit's controller; the caller says what time it is."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}
        self._mute_us: int | None = None

    def begin(self, standings: Mapping[str, ControllerStanding], every_us: Mapping[str, int], now_us: int) -> None:
        """Go on from what was kept. Silence before now is nobody's fault: it counts from now on."""
        self._mute_us = now_us
        for unit, one in standings.items():
            if one.heard_us is not None:
                beat = Beat(one.heard_us, one.ai_off, one.counter or None, one.state)
                self._heard[unit] = _Heard(one.way, every_us.get(unit, 5_000_000), beat, one.told_us, changed=False)

    def beat(self, work_unit: str, way: str, every_us: int, beat: Beat) -> None:
        """Take a sign of life."""
        known = self._heard.get(work_unit)
        self._heard[work_unit] = _Heard(way, every_us, beat, None if known is None else known.told_us)

    def told(self, work_units: Iterable[str], now_us: int) -> None:
        """Note that these were told that we are alive."""
        for unit in work_units:
            known = self._heard.get(unit)
            if known is not None:
                known.told_us, known.changed = now_us, True

    def units(self) -> list[str]:
        """Return the work units of which anything was ever heard."""
        return sorted(self._heard)

    def silent(self, work_unit: str, now_us: int) -> bool:
        """Return whether a controller that was heard before is lost. While this process was away nobody listened: that is no silence."""
        one = self._heard.get(work_unit)
        if one is None:
            return False
        since_us = max(one.beat.heard_us, self._mute_us or 0)
        return now_us - since_us > LOST_TIMES * one.every_us

    def fresh(self, work_unit: str, now_us: int) -> bool:
        """Return whether a controller was heard so lately that it will not count as lost before a message leaves; or never was heard."""
        one = self._heard.get(work_unit)
        return one is None or now_us - one.beat.heard_us < FRESH_TIMES * one.every_us

    def ai_off(self, work_unit: str) -> bool:
        """Return whether the switch at the machine forbids everything from outside."""
        one = self._heard.get(work_unit)
        return one is not None and one.beat.ai_off

    def last(self, work_unit: str) -> Beat | None:
        """Return the last sign of life of a work unit's controller, None where there never was one."""
        one = self._heard.get(work_unit)
        return None if one is None else one.beat

    def trouble(self, work_unit: str, now_us: int, given: int | None, *, since_us: int | None = None) -> Trouble | None:
        """Return what is wrong, the worst first.

        ``given``: the highest counter that we ever gave. ``since_us``: a sign of life is expected since then, from one never heard too.
        """
        one = self._heard.get(work_unit)
        if one is None:
            mute = since_us is not None and now_us - max(since_us, self._mute_us or 0) > LOST_TIMES * _EXPECTED_US
            return Trouble(Dropped.HEARTBEAT, "its controller was never heard") if mute else None
        if one.beat.ai_off:
            return Trouble(Dropped.AI_OFF, "the switch at the machine")
        if self.silent(work_unit, now_us):
            seconds = (now_us - one.beat.heard_us) / 1e6
            return Trouble(Dropped.HEARTBEAT, f"its controller was not heard for {seconds:.0f} s")
        if one.beat.counter is not None and one.beat.counter > (given or 0):
            return Trouble(Dropped.COUNTER, f"its controller has taken {one.beat.counter}, we gave {given or 0} at most")
        return None

    def lost(self, now_us: int, given: Mapping[str, int]) -> dict[str, Trouble]:
        """Return all work units that are lost or count otherwise. There are a thousand: nothing is asked of those that are well."""
        mute_us, found = self._mute_us or 0, {}
        for unit, one in self._heard.items():
            beat = one.beat
            silent = now_us - max(beat.heard_us, mute_us) > LOST_TIMES * one.every_us
            if silent or (beat.counter is not None and beat.counter > given.get(unit, 0)):
                wrong = self.trouble(unit, now_us, given.get(unit))
                if wrong is not None and wrong.why in (Dropped.HEARTBEAT, Dropped.COUNTER):
                    found[unit] = wrong
        return found

    def standings(self) -> tuple[ControllerStanding, ...]:
        """Return what changed since this was asked last, to be kept."""
        found = []
        for unit, one in self._heard.items():
            if one.changed:
                one.changed = False
                beat = one.beat
                found.append(ControllerStanding(unit, beat.heard_us, one.told_us, beat.ai_off, beat.counter or 0, beat.state, one.way))
        return tuple(found)
