"""Has something changed? Each number of each part against its own baseline, with limits that follow from a wanted rate of false calls.

Of each number several things are watched: its level, how it goes with the number that usually moves with it, how it jumps from part to
part, and how far off it is on either side. Each is averaged with fading memory (EWMA), fast and slow. In control such an average is nearly
normal, with a variance that follows from the memory, from the number's own autocorrelation, and from how few parts its baseline was
learned from. The limit is the quantile of Student's t at which all averages looked at in one part together are beyond theirs once in so
many parts. ``docs/condition.md`` derives it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import special

from monitor.baselines import Baseline, Numbers, learn, partners

LEVEL, PAIR, JUMP, FAR, APART = 0, 1, 2, 3, 4
"""What is watched of a number: its level, how it goes with its partner, how it jumps from part to part, how far it is from its middle
on either side, and how far apart from its partner on either side."""
_ALL_KINDS: Final = (LEVEL, PAIR, JUMP, FAR, APART)
_MEMORIES: Final = ((LEVEL, 0.25), (LEVEL, 0.08), (PAIR, 0.25), (PAIR, 0.08), (JUMP, 0.1), (FAR, 0.12), (APART, 0.12))
_KINDS: Final = np.array([kind for kind, _ in _MEMORIES])
_LAMBDAS: Final = np.array([memory for _, memory in _MEMORIES])
_CLIP_SHARE = 0.8
"""Of the limit: one strange part, however strange, is never a change."""
_ABOVE_REFERENCE = 1.25
"""No limit lies closer than this to what the reference itself reached: for heavy tails and slow wanderings that no formula knows."""
_QUIET = 0.6
_PLAIN, _FAR_OFF = 0.7, 2.5
_RECENT = 32
_ROWS = 8
"""Parts of the buffer that are remembered as one piece."""
_GROWTH = (1.0, 1.5, 2.0, 3.0, 4.0)
"""A baseline is learned anew, from more parts, at these multiples of the least number; then it stands."""
ENDS_BELOW = 0.5
"""A change is over when its averages are below this share of their limits."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How to watch."""

    least_parts: int = 100
    """From so many parts on there is a baseline."""
    parts_per_false_call: float = 5000.0
    margin: float = 1.25
    """By how much limits are widened for noise that is not as the formula has it (heavy tails).

    ``python -m benchmarks.drifts --calibrate`` measures it on machines of its own.
    """
    memory_margin: float = 0.38
    """And by how much more at most for noise that remembers longer than the reference lasts, which then tells little of it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A number that is not as usual any more."""

    number: int
    """Which one, as counted by the watch."""
    kind: int
    partner: int
    """The number that it no longer goes with, -1 for other kinds."""
    ratio: float
    """How far beyond the limit; 1 is at it."""
    deviations: float
    """How far from its middle, in its own deviations; for jumps of the jumps."""
    level: float
    """Mean of the last parts."""
    middle: float
    """What is usual."""
    parts: int
    """For how many parts it has been off."""


@dataclass(slots=True)
class _State:
    """Columns over the numbers watched (n), all that is remembered from part to part."""

    group: npt.NDArray[np.int64]
    context: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    """Parts in the buffer."""
    buffer: Numbers
    """(most, n)"""
    middle: Numbers
    deviation: Numbers
    partner: npt.NDArray[np.int64]
    slope: Numbers
    shift: Numbers
    """(kinds, n): what level, pair and jump are about in units of ``deviation``."""
    scale: Numbers
    """(kinds, n): and how much they scatter; NaN where that is not watched."""
    mean: Numbers
    """(memories, n): the fading averages."""
    spread: Numbers
    """(memories, n): their deviation in control."""
    limit: Numbers
    """(memories, n): in units of ``spread``."""
    floor: Numbers
    """(memories, n): the least limit, by what the reference itself reached."""
    freedom: Numbers
    """(memories, n): how many independent parts the deviation is known from."""
    before: Numbers
    """z of the part before."""
    recent: Numbers
    """(recent, n): the last values, newest first."""
    run: npt.NDArray[np.int64]
    learned: npt.NDArray[np.int64]
    """From how many parts the baseline was learned; 0 for none yet."""
    memory: Numbers
    """Sum of the autocorrelations: how long a deviation is remembered."""
    widened: Numbers
    """How many times wider people made a baseline by calling a change usual."""
    tests: npt.NDArray[np.int64]
    """(1,): how many averages are looked at in one part."""


class Watch:
    """Watches the numbers of one machine, part by part. All it knows is in ``packed``: it goes on the same after a restart."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._most = round(rule.least_parts * _GROWTH[-1])
        self._points = {round(rule.least_parts * share) for share in _GROWTH}
        rows = {"shift": len(_ALL_KINDS), "scale": len(_ALL_KINDS), "buffer": self._most, "recent": _RECENT}
        rows |= dict.fromkeys(("mean", "spread", "limit", "floor", "freedom"), len(_MEMORIES))
        whole = {"group", "context", "count", "partner", "run", "learned"}
        empty: dict[str, Any] = {
            field.name: np.zeros((rows[field.name], 0) if field.name in rows else 0, np.int64 if field.name in whole else np.float64)
            for field in fields(_State)
        }
        self._s = _State(**(empty | {"tests": np.zeros(1, np.int64)}))

    def __len__(self) -> int:
        return len(self._s.count)

    def add(self, group: int, context: int) -> int:
        """Take in one more number and return its place. Pairs are sought within a context, between groups (signals)."""
        s = self._s
        fresh: dict[str, Any] = {"group": group, "context": context, "partner": -1, "scale": np.nan, "limit": np.inf}
        fresh |= {"spread": 1.0, "freedom": 1.0}
        fresh |= {
            "memory": 0.0,
            "buffer": np.nan,
            "recent": np.nan,
            "before": np.nan,
            "middle": np.nan,
            "deviation": np.nan,
            "widened": 1.0,
        }
        for field in fields(_State):
            if field.name == "tests":
                continue
            old = getattr(s, field.name)
            column = np.full((*old.shape[:-1], 1), fresh.get(field.name, 0), old.dtype)
            setattr(s, field.name, np.concatenate([old, column], axis=-1))
        return len(s.count) - 1

    @property
    def learned(self) -> npt.NDArray[np.int64]:
        """From how many parts each baseline was learned; 0 where there is not enough evidence yet."""
        return self._s.learned

    @property
    def count(self) -> npt.NDArray[np.int64]:
        """How many parts were gathered for each baseline."""
        return self._s.count

    def band(self, number: int) -> tuple[float, float, float] | None:
        """Return middle and the limits that a lasting level may not leave, None where there is no baseline."""
        s = self._s
        if not s.learned[number]:
            return None
        slow = 1  # of _MEMORIES: level with the longer memory
        half = float(s.deviation[number] * s.spread[slow, number] * s.limit[slow, number])
        middle = float(s.middle[number])
        return middle, middle - half, middle + half

    def take(self, value: Numbers) -> list[Call]:
        """Take in the numbers of one part (NaN where it had none) and return what is not as usual, the farthest off first."""
        s = self._s
        known = np.isfinite(value)
        judged = known & (s.learned > 0)
        calls: list[Call] = []
        s.recent[1:, known] = s.recent[:-1, known]
        s.recent[0, known] = value[known]
        if judged.any():
            y = self._off(value, judged)
            active = np.isfinite(y)
            self._limit_all(int(active.sum()))
            bound = _CLIP_SHARE * s.limit * s.spread / np.sqrt(_LAMBDAS / (2 - _LAMBDAS))[:, None]
            bound = np.maximum(bound, 3.0)
            y = np.clip(y, -bound, bound)
            keep = 1 - _LAMBDAS[:, None]
            s.mean = np.where(active, keep * s.mean + _LAMBDAS[:, None] * y, s.mean)
            z = np.where(judged, (value - s.middle) / np.where(judged, s.deviation, 1.0), 0.0)
            same = np.abs(z) > 1
            s.run = np.where(judged, np.where(same & ((z > 0) == (s.mean[0] > 0)), s.run + 1, 0), s.run)
            s.before = np.where(judged, z, s.before)
            calls = self._calls(known)
        self._gather(value, known)
        return calls

    def ratios(self) -> Numbers:
        """Return for each number how near its limits it is, 1 being at one."""
        s = self._s
        with np.errstate(invalid="ignore"):
            far = np.abs(s.mean) / (s.spread * s.limit)
        nearest: Numbers = np.nan_to_num(far).max(axis=0, initial=0.0)
        return nearest

    def forget(self, numbers: npt.NDArray[np.bool_]) -> None:
        """Learn baselines anew from the next part on: after a tool was changed, or a machine repaired."""
        s = self._s
        s.count[numbers] = 0
        s.learned[numbers] = 0
        s.run[numbers] = 0
        s.buffer[:, numbers] = np.nan
        s.recent[:, numbers] = np.nan
        s.before[numbers] = np.nan
        s.mean[:, numbers] = 0.0
        s.limit[:, numbers] = np.inf
        s.scale[:, numbers] = np.nan
        s.partner[numbers] = -1
        s.widened[numbers] = 1.0

    def widen(self, numbers: npt.NDArray[np.bool_]) -> None:
        """Take what was called a change as usual from now on: baselines then hold both what was and what is."""
        s = self._s
        for number in np.flatnonzero(numbers & (s.learned > 0)).tolist():
            now = s.recent[: max(6, min(int(s.run[number]), _RECENT)), number]
            now = now[np.isfinite(now)]
            if not len(now):
                continue
            low, high = np.quantile(now, [0.1, 0.9])
            far = max(abs(low - s.middle[number]), abs(high - s.middle[number])) / s.deviation[number]
            slow = float(s.spread[1, number] * s.limit[1, number])
            s.widened[number] = max(float(s.widened[number]), 1.0, 1.3 * float(far) / max(slow, 1e-9))
            s.mean[:, number] = 0.0
            s.run[number] = 0
        s.tests[0] = 0  # limits are set anew with the next part

    def pieces(self) -> dict[str, Numbers | npt.NDArray[np.int64]]:
        """Return all that it knows by name. Most of it stays as it is from part to part; the buffer grows by its last rows."""
        found = {field.name: getattr(self._s, field.name) for field in fields(_State) if field.name != "buffer"}
        return found | {f"buffer {row}": self._s.buffer[row : row + _ROWS] for row in range(0, self._most, _ROWS)}

    def go_on(self, pieces: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what ``pieces`` gave. What was made under another least number of parts begins anew."""
        rows = sorted((name for name in pieces if name.startswith("buffer ")), key=lambda name: int(name.partition(" ")[2]))
        buffer = np.concatenate([pieces[name] for name in rows]) if rows else np.asarray(pieces["buffer"])
        if buffer.shape[0] != self._most:
            for group, context in zip(pieces["group"].tolist(), pieces["context"].tolist(), strict=True):
                self.add(group, context)
            return
        whole = {field.name: np.array(pieces[field.name]) for field in fields(_State) if field.name != "buffer"}
        self._s = _State(**whole, buffer=np.array(buffer))

    def unpack(self, packed: bytes) -> None:
        """Go on from what was kept in one piece, as former versions did."""
        with np.load(io.BytesIO(packed)) as held:
            self.go_on({name: held[name] for name in held.files})

    def _off(self, value: Numbers, judged: npt.NDArray[np.bool_]) -> Numbers:
        """Return by memory how far off each number is, in units of its scatter in control; NaN where that is not watched."""
        s = self._s
        z = np.where(judged, (value - s.middle) / np.where(judged, s.deviation, 1.0), np.nan)
        with_partner = np.where(s.partner >= 0, z - s.slope * z[s.partner], np.nan)
        with np.errstate(invalid="ignore"):
            jump = np.sqrt(np.abs(z - s.before))
            apart = np.sqrt(np.abs(with_partner))
            kinds = (np.stack([z, with_partner, jump, np.sqrt(np.abs(z)), apart]) - s.shift) / s.scale
        off: Numbers = kinds[_KINDS]
        return off

    def _calls(self, known: npt.NDArray[np.bool_]) -> list[Call]:
        s = self._s
        with np.errstate(invalid="ignore"):
            ratio = np.where(known[None, :], np.abs(s.mean) / (s.spread * s.limit), 0.0)
        beyond = np.nan_to_num(ratio).max(axis=0)
        found = []
        for number in np.flatnonzero(beyond > 1).tolist():
            memory = int(np.argmax(np.nan_to_num(ratio[:, number])))
            level = int(np.argmax(np.nan_to_num(ratio[:2, number])))
            if ratio[level, number] > min(1.0, _PLAIN * beyond[number]) or abs(s.mean[level, number]) > _FAR_OFF:
                memory = level  # above or below itself says more to people than all else
            parts = int(max(s.run[number], 1))
            last = s.recent[: min(parts, 8), number]
            kind = int(_KINDS[memory])
            found.append(
                Call(
                    number,
                    kind,
                    int(s.partner[number]) if kind in (PAIR, APART) else -1,
                    float(beyond[number]),
                    float(s.mean[memory, number]),
                    float(np.nanmean(last)) if np.isfinite(last).any() else float(s.middle[number]),
                    float(s.middle[number]),
                    parts,
                )
            )
        return sorted(found, key=lambda call: -call.ratio)

    def _gather(self, value: Numbers, known: npt.NDArray[np.bool_]) -> None:
        s = self._s
        quiet = known & (s.count < self._most)
        if not quiet.any():
            return
        calm = quiet & ((s.learned == 0) | (self.ratios() < _QUIET))
        where = np.flatnonzero(calm)
        s.buffer[s.count[where], where] = value[where]
        s.count[where] += 1
        due = where[np.isin(s.count[where], list(self._points))]
        for parts in np.unique(s.count[due]).tolist():
            self._learn(due[s.count[due] == parts], parts)

    def _learn(self, numbers: npt.NDArray[np.int64], parts: int) -> None:
        s = self._s
        reference = s.buffer[:parts, numbers]
        base = learn(reference)
        first = s.learned[numbers] == 0
        old_middle, old_deviation = s.middle[numbers], s.deviation[numbers]
        z = (reference - base.middle) / base.deviation
        kinds = np.full((5, parts, len(numbers)), np.nan)
        kinds[LEVEL] = z
        kinds[FAR] = np.sqrt(np.abs(z))
        kinds[JUMP, 1:] = np.sqrt(np.abs(np.diff(z, axis=0)))
        s.partner[numbers], s.slope[numbers] = -1, 0.0
        for context in np.unique(s.context[numbers]).tolist():
            own = np.flatnonzero(s.context[numbers] == context)
            for column, partner, slope in partners(z[:, own], s.group[numbers[own]]):
                s.partner[numbers[own[column]]] = numbers[own[partner]]
                s.slope[numbers[own[column]]] = slope
                kinds[PAIR, :, own[column]] = z[:, own[column]] - slope * z[:, own[partner]]
        kinds[APART] = np.sqrt(np.abs(kinds[PAIR]))
        s.middle[numbers], s.deviation[numbers] = base.middle, base.deviation
        s.learned[numbers] = parts
        s.memory[numbers] = base.follows.sum(axis=0)
        # an average goes on across the change of units; a first one begins at rest
        moved = np.where(first, 0.0, (s.mean[:2][:, numbers] * old_deviation + old_middle - base.middle) / base.deviation)
        s.mean[:, numbers] = 0.0
        s.mean[:2, numbers] = np.nan_to_num(moved)
        for kind in _ALL_KINDS:
            self._spreads(kind, numbers, kinds[kind], base)
        s.tests[0] = 0

    def _spreads(self, kind: int, numbers: npt.NDArray[np.int64], y: Numbers, base: Baseline) -> None:
        """Set what one kind of average scatters by in control: by its autocorrelation, and by what the reference shows."""
        s = self._s
        watched = np.isfinite(y).sum(axis=0) >= 3
        own = base if kind == LEVEL else learn(np.where(watched, y, 0.0))
        s.shift[kind, numbers] = 0.0 if kind == LEVEL else own.middle
        s.scale[kind, numbers] = np.where(watched, 1.0 if kind == LEVEL else own.deviation, np.nan)
        u = np.nan_to_num((y - s.shift[kind, numbers]) / s.scale[kind, numbers])
        u = np.clip(u, -_QUIET * 8, _QUIET * 8)
        for memory in np.flatnonzero(kind == _KINDS).tolist():
            fade = float(_LAMBDAS[memory])
            model = own.faded(fade)
            average, highest, power = np.zeros(len(numbers)), np.zeros(len(numbers)), np.zeros(len(numbers))
            for row in u:
                average = (1 - fade) * average + fade * row
                highest = np.maximum(highest, np.abs(average))
                power += average**2
            s.spread[memory, numbers] = np.sqrt(np.maximum(model, power / len(u)))
            s.floor[memory, numbers] = highest / s.spread[memory, numbers] * _ABOVE_REFERENCE
            s.freedom[memory, numbers] = own.freedom()

    def _limit_all(self, active: int) -> None:
        """Share the wanted rate of false calls among all averages that one part is judged by."""
        s = self._s
        if active <= s.tests[0]:
            return
        s.tests[0] = active
        chance = 1 / (self.rule.parts_per_false_call * active)
        known = np.isfinite(s.scale[_KINDS]) & (s.learned > 0)
        quantile = -special.stdtrit(np.where(known, s.freedom, 10.0), chance / 2)
        limit = np.maximum(quantile, s.floor) * (self.rule.margin + self.rule.memory_margin * s.memory / (s.memory + 2))
        limit *= s.widened
        s.limit = np.where(known, limit, np.inf)
