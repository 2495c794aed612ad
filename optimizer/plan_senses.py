"""What comes between a plan and the plant, as monitor and vision stored it, becomes disturbances: each once, ended when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from optimizer.plan_standing import Place, Standing, places
from plant.clock import Clock
from plant.errors import Rejected
from plant.planning_rules import PlanningRules
from plant.states import EquipmentState, Loss, StateInterval, loss_of
from storage.database import Connection
from storage.disturbances import NewDisturbance, StoredDisturbance, add_disturbance, end_disturbance, read_disturbances
from storage.job_orders import StoredJobOrder
from storage.plan_senses import read_bad_parts, read_new_designs
from storage.states import read_states_now

_LOOK_SECONDS: Final = 2.0
_DOWN: Final = frozenset({Loss.BREAKDOWN, Loss.MAINTENANCE, Loss.OFF})
_HELD: Final = frozenset({EquipmentState.HOLDING, EquipmentState.HELD})
"""Something inside holds it up; what is starved or blocked is not down."""
_PLANNED_STOPS: Final = frozenset({"setup", "waiting", "break"})
"""First words of reasons that say that nothing is broken."""
_PAST_US: Final = 86_400_000_000
"""What was found longer ago than this, before the optimizer looked, is not planned for any more."""


class Senses:
    """Looks now and then."""

    def __init__(self, rules: PlanningRules, clock: Clock) -> None:
        self._rules, self._clock = rules, clock
        self._due = 0.0

    def step(self, connection: Connection, standing: Standing | None, jobs: Sequence[StoredJobOrder]) -> None:
        """Store what came between and what is over. ``jobs``: those that are planned."""
        if standing is None or self._clock.monotonic() < self._due:
            return
        self._due = self._clock.monotonic() + _LOOK_SECONDS
        open_now = [one for one in read_disturbances(connection, only_open=True, most=5000) if not one.told.actor]
        self._states(connection, standing, [one for one in open_now if one.told.source == "monitor"])
        serials = {one.job.serial: one.job.id for one in jobs}
        self._inspections(connection, standing, serials)
        self._designs(connection, sorted({one.job.product for one in jobs}))
        gone = [one for one in open_now if one.told.kind == "quality_hold" and one.told.subject not in serials.values()]
        for one in gone:
            self._end(connection, one.id)

    def _states(self, connection: Connection, standing: Standing, open_now: Sequence[StoredDisturbance]) -> None:
        equipment = {unit.name: path for unit in standing.problem.units if (path := self._rules.equipment(unit.name)) is not None}
        if not equipment:
            return
        states = read_states_now(connection, sorted(set(equipment.values())))
        down = {one.told.subject: one for one in open_now if one.told.kind == "breakdown"}
        for unit, path in equipment.items():
            state = states.get(path)
            if state is None or state.state is EquipmentState.UNKNOWN:
                continue
            if self._is_down(state):
                if unit not in down:
                    self._add(connection, "breakdown", unit, "monitor", state.since_us, f"monitor {unit} {state.since_us}", state.reason)
            elif unit in down and not _stands(state):
                self._end(connection, down[unit].id)

    def _is_down(self, state: StateInterval) -> bool:
        lasts = state.to_us - state.since_us
        return _stands(state) and lasts >= self._rules.settings.least_down_seconds * 1e6

    def _inspections(self, connection: Connection, standing: Standing, serials: dict[str, str]) -> None:
        if not serials:
            return
        stood = places(standing.problem, standing.plan)
        for bad in read_bad_parts(connection, sorted(serials), self._clock.now_us() - _PAST_US):
            operation = _last_begun(stood, serials[bad.part], bad.taken_us)
            if operation is not None:
                self._add(
                    connection,
                    "quality_hold",
                    serials[bad.part],
                    "vision",
                    bad.taken_us,
                    f"inspection {bad.part} {bad.station} {operation}",
                    bad.station,
                    {"operation": operation, "hold": "repeat", "inspection": bad.inspection},
                )

    def _designs(self, connection: Connection, products: Sequence[str]) -> None:
        now_us = self._clock.now_us()
        for new in read_new_designs(connection, products, now_us - _PAST_US):
            key = f"design change {new.number}"
            told = NewDisturbance(
                "design_changed",
                new.product,
                "rest",
                new.time_us,
                new.time_us,
                key,
                document={"version": new.version, "number": new.number},
            )
            if not any(one.told.key == key for one in read_disturbances(connection, kind="design_changed")):
                number = add_disturbance(connection, told, now_us=now_us)
                self._end(connection, number)

    def _end(self, connection: Connection, number: int) -> None:
        # a person may have ended it meanwhile
        with suppress(Rejected):
            end_disturbance(connection, number, now_us=self._clock.now_us())

    def _add(
        self,
        connection: Connection,
        kind: str,
        subject: str,
        source: str,
        from_us: int,
        key: str,
        note: str,
        document: dict[str, object] | None = None,
    ) -> None:
        told = NewDisturbance(kind, subject, source, from_us, None, key, note=note, document=document or {})
        add_disturbance(connection, told, now_us=self._clock.now_us())


def _stands(state: StateInterval) -> bool:
    if loss_of(state.state, state.mode) in _DOWN:
        return True
    return state.state in _HELD and state.reason.partition("/")[0] not in _PLANNED_STOPS


def _last_begun(stood: dict[tuple[str, str], Place], job: str, time_us: int) -> str | None:
    """What was done last to a part before it was looked at."""
    begun = [(place.start_us, operation) for (name, operation), place in stood.items() if name == job and place.start_us <= time_us]
    return max(begun)[1] if begun else None
