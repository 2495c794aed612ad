"""People of the simulated factory: now and then one at a station calls another, who says that he comes, and after a while it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from simulators.rest_client import RestClient

_FIRST_SECONDS: Final = 60.0
_EVERY_SECONDS: Final = (90.0, 210.0)
_ANSWERED_SECONDS: Final = (20.0, 75.0)
_DONE_SECONDS: Final = (60.0, 180.0)
_AT_ONCE: Final = 2
_AGAIN_SECONDS: Final = 10.0
ROOT: Final = "acme/north"
"""As the simulated line is called; not imported from there, since all its machines would come along."""
MATTERS: Final = (
    ("welding/boom-line/robot-2", "material", "wire is running out", "Chen Yu"),
    ("assembly/main-line/bearing-station", "quality", "bolt seat has a burr", "Zhao Min"),
    ("machining/frame-line/mill-3", "maintenance", "chips block the conveyor", "Wu Tao"),
    ("painting/paint-shop/booth-1", "quality", "orange peel on the counterweight", "Xu Jing"),
    ("commissioning/test-field/stand-2", "lead_hand", "crane is needed", "Ma Chao"),
    ("cutting/plate-shop/cutter-1", "material", "the next plate is not here", "He Ping"),
    ("welding/boom-line/robot-5", "maintenance", "clamp does not open", "Chen Yu"),
)
"""Where, whom, what is the matter, who calls."""
HELPERS: Final = {"maintenance": "Wang Lei", "material": "Sun Fang", "quality": "Li Na", "lead_hand": "Zhang Wei"}


@dataclass(frozen=True, slots=True)
class _Standing:
    number: int
    whom: str
    answered: bool
    due: float


class CallDesk:
    """Calls, comes and is done, each when it is time; what Leadhand refuses is said in the log and done with."""

    def __init__(self, leadhand: RestClient, seed: int, clock: Clock) -> None:
        self._leadhand, self._clock = leadhand, clock
        self._chance = np.random.default_rng([seed, 0x616E])
        self._count = int(self._chance.integers(len(MATTERS)))
        self._due = clock.monotonic() + _FIRST_SECONDS
        self._standing: list[_Standing] = []
        self._log = structlog.get_logger(process="people of the floor")

    def take_due(self) -> None:
        """Do what is due; while Leadhand is away nothing is lost, only later."""
        now = self._clock.monotonic()
        for one in [one for one in self._standing if one.due <= now]:
            self._standing.remove(one)
            following = self._go_on(one)
            if following is not None:
                self._standing.append(following)
        if now >= self._due:
            self._due = now + self._between(_EVERY_SECONDS)
            if len(self._standing) < _AT_ONCE:
                self._call()

    def _call(self) -> None:
        place, whom, note, person = MATTERS[self._count % len(MATTERS)]
        self._count += 1
        draft = {"equipment": f"{ROOT}/{place}", "whom": whom, "note": note, "person": person}
        try:
            made: dict[str, Any] = self._leadhand.post("/api/v1/andon/calls", draft)
        except Unavailable:
            self._due = self._clock.monotonic() + _AGAIN_SECONDS
            return
        except Rejected as error:
            self._log.warning("a call was refused", equipment=draft["equipment"], reason=str(error))
            return
        self._standing.append(_Standing(int(made["id"]), whom, False, self._in(_ANSWERED_SECONDS)))

    def _go_on(self, one: _Standing) -> _Standing | None:
        """Come to a call, or end it; return what is due next of it."""
        step = "done" if one.answered else "answer"
        try:
            self._leadhand.post(f"/api/v1/andon/calls/{one.number}/{step}", {"person": HELPERS[one.whom]})
        except Unavailable:
            return _Standing(one.number, one.whom, one.answered, self._clock.monotonic() + _AGAIN_SECONDS)
        except Rejected:  # a visitor was quicker
            return None if one.answered else _Standing(one.number, one.whom, True, self._in(_DONE_SECONDS))
        return None if one.answered else _Standing(one.number, one.whom, True, self._in(_DONE_SECONDS))

    def _in(self, span: tuple[float, float]) -> float:
        return self._clock.monotonic() + self._between(span)

    def _between(self, span: tuple[float, float]) -> float:
        return float(self._chance.uniform(*span))
