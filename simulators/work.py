"""When a machine works, on which part, and why it stands: a plan that a seed spreads over its time, the same whenever it is asked for.

Time is cut into slots of one takt and shifts of ten slots. Each shift of a machine begins with a changeover and has one break; some slots
are lost to breakdowns after faults or for want of material. In the others one part is made, with short waits and stops around it. How
many parts there were before a slot has a closed form, so counters go on for ever without being counted.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulators import noise
from simulators.faults import offset_us, planned
from simulators.machines.model import SHIFT_SLOTS, MachineKind, Reason, Steps, UnitState, Work

BREAK_PLACE: Final = 5
_LOST: Final = (0.2, 1.0)
"""Slots that a machine loses in a shift, on average, from the best to the worst of machines; in one shift from none to two."""
_GROUP: Final = 16
_SCRAPPED: Final = (0.1, 0.8)
"""Scrap parts in a group, on average, from the best to the worst of machines; in one group from none to two."""
WORKING: Final = 0.80
"""Share of a slot that the work on a part takes."""
_TOOL_CHANGE: Final = 0.08
_LOST_KEY, _PLACE_KEY, _SLOT_KEY, _SCRAP_KEY = 7101, 7102, 7103, 7104


def work_of(kind: MachineKind, seeds: npt.NDArray[np.uint64], time_us: npt.NDArray[np.int64], takt_us: int) -> Work:
    """Return what machines of a kind do at moments; ``time_us`` has the shape (machines, instants)."""
    shifted = time_us + offset_us(seeds, takt_us)[:, None]
    slot = shifted // takt_us
    through = (shifted - slot * takt_us) / takt_us
    first = slot.min(axis=1, keepdims=True) if slot.size else slot[:, :1]
    count = int((slot - first).max()) + 1 if slot.size else 0
    if count == 1 or count < slot.shape[1]:  # many moments lie in few slots: the plan is made once for each
        slots, where = first + np.arange(count), slot - first
    else:
        slots, where = slot, np.broadcast_to(np.arange(slot.shape[1]), slot.shape)
    plan = _Plan(kind, seeds[:, None], slots)

    rows = np.arange(len(slot))[:, None]

    def at(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return column if count == 1 else column[rows, where]  # of one slot only: it broadcasts

    lost, number, tool_begin, begin, takes = (at(each) for each in (plan.lost, plan.number, plan.tool_begin, plan.begin, plan.takes))
    pause_at, pause, tool_parts = at(plan.pause_at), at(plan.pause), at(plan.tool_parts)
    scrap_earlier, scrap_before, scrap_after = (at(each) for each in plan.scrap)
    gone = (through - begin) / takes
    resumed = gone - pause / takes
    makes = lost == Reason.NONE
    part = np.where(makes, np.clip(np.minimum(gone, np.maximum(pause_at, resumed)), 0.0, 1.0), 0.0)
    done = makes & (part >= 1.0)
    reason = np.select(
        [
            ~makes,
            through < tool_begin,
            through < begin,
            done,
            (gone > pause_at) & (resumed < pause_at),
        ],
        [lost, Reason.TOOL_CHANGE, Reason.STARVED, Reason.BLOCKED, Reason.SHORT_STOP],
        Reason.NONE,
    )
    state = _STATE_OF[np.minimum(reason, Reason.BREAKDOWN)]
    return Work(
        part=part,
        works=reason == Reason.NONE,
        state=state,
        reason=reason,
        number=number,
        present=makes & (through >= begin),
        made=number + done,
        scrap=np.where(done, scrap_after, scrap_before),
        was_scrap=np.where(done, scrap_after > scrap_before, scrap_before > scrap_earlier),
        tool_parts=tool_parts,
    )


_STATE_OF: Final = np.array(
    [
        UnitState.EXECUTE,
        UnitState.SUSPENDED,
        UnitState.SUSPENDED,
        UnitState.STOPPED,
        UnitState.HELD,
        UnitState.HELD,
        UnitState.HELD,
        UnitState.ABORTED,
    ]
)
"""By reason."""


class _Plan:
    """What each slot is for; all of shape (machines, slots)."""

    def __init__(self, kind: MachineKind, seeds: npt.NDArray[np.uint64], slots: Steps) -> None:
        shift = slots // SHIFT_SLOTS
        place = slots - shift * SHIFT_SLOTS
        before = _lost_before(seeds, shift)
        count = _lost_before(seeds, shift + 1) - before
        start, cause = _lost_place(kind, seeds, shift)
        is_lost = (place >= start) & (place < start + count)
        self.lost = np.select([place == 0, place == BREAK_PLACE, is_lost], [Reason.CHANGEOVER, Reason.BREAK, cause], Reason.NONE)
        """Why a slot makes no part; NONE where it makes one."""
        earlier = (place > 0).astype(np.int64) + (place > BREAK_PLACE) + np.clip(place - start, 0, count)
        self.number = shift * (SHIFT_SLOTS - 2) - before + place - earlier
        """Parts made before the slot."""
        dice = noise.mixed(noise.mixed(seeds, _SLOT_KEY), self.number)
        self.tool_parts = np.zeros_like(slots)
        changes = np.zeros(slots.shape, np.bool_)
        if kind.tool_life:
            self.tool_parts = (self.number + (noise.unit(noise.mixed(seeds, _SLOT_KEY)) * kind.tool_life).astype(np.int64)) % kind.tool_life
            changes = self.tool_parts == 0
        about = self.number[None] + np.array([-1, 0, 1])[:, None, None]
        self.scrap = scrap_before(seeds, about)
        """Scrap before the part before, before this one, and with it."""
        self.takes = WORKING + 0.02 * noise.bell(noise.mixed(dice, 1))
        luck = noise.unit(noise.mixed(dice, 2))
        self.pause = np.where(luck < kind.short_stops, 0.02 + 0.03 * luck / max(kind.short_stops, 1e-9), 0.0)
        low, high = kind.pauses
        self.pause_at = low + (high - low) * noise.unit(noise.mixed(dice, 3))
        self.tool_begin = np.where(changes, _TOOL_CHANGE, 0.0)
        slack = np.maximum(1.0 - self.takes - self.pause - self.tool_begin, 0.0)
        late = noise.unit(noise.mixed(dice, 4))
        self.begin = self.tool_begin + slack * np.where(late < 0.3, 0.9 * late / 0.3, 0.0)


def _lost_before(seeds: npt.NDArray[np.uint64], shift: Steps) -> Steps:
    """Return how many slots were lost before a shift."""
    return _some_of(noise.mixed(seeds, _LOST_KEY), shift, *_LOST)


def _some_of(key: npt.NDArray[np.uint64], number: Steps, least: float, most: float) -> Steps:
    """Return how often something has happened before a number: never less than before an earlier one, at each not more than twice."""
    share = least + (most - least) * noise.unit(key)
    return np.floor((number + noise.unit(noise.mixed(key, number))) * share).astype(np.int64)


def _lost_place(kind: MachineKind, seeds: npt.NDArray[np.uint64], shift: Steps) -> tuple[Steps, Steps]:
    """Return at which place of a shift its lost slots begin, and why: after a fault of the machine, or for want of material."""
    fault, first, cycles = planned(kind, seeds, shift)
    is_machine = np.array([not each.sensor for each in kind.faults])
    broken = (fault >= 0) & is_machine[np.maximum(fault, 0)]
    ends = np.minimum(first + cycles, SHIFT_SLOTS - 2)
    ends = np.where((ends == BREAK_PLACE) | (ends == BREAK_PLACE - 1), BREAK_PLACE + 1, ends)
    chance = noise.unit(noise.mixed(noise.mixed(seeds, _PLACE_KEY), shift))
    anywhere = np.array([1, 2, 3, 6, 7, 8])[(chance * 6).astype(np.int64)]
    return np.where(broken, ends, anywhere), np.where(broken, Reason.BREAKDOWN + fault, Reason.STARVED)


def scrap_before(seeds: npt.NDArray[np.uint64], number: Steps) -> Steps:
    """Return how many of the parts before a number were scrap."""
    key = noise.mixed(seeds, _SCRAP_KEY)
    group = number // _GROUP
    within = number - group * _GROUP
    before = _some_of(key, group, *_SCRAPPED)
    count = _some_of(key, group + 1, *_SCRAPPED) - before
    dice = noise.mixed(noise.mixed(key, 1), group)
    half = _GROUP // 2
    early = (noise.unit(dice) * half).astype(np.int64)
    late = half + (noise.unit(noise.mixed(dice, 1)) * half).astype(np.int64)
    return before + ((count > 0) & (within > early)) + ((count > 1) & (within > late))
