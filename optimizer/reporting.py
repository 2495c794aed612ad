"""The history grows from what the plant reports: finished visits of parts become rows, each once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.optimizer_rules import OptimizerPlan
from plant.reported_operations import Visit, VisitFacts, history_of, reported, visits
from storage.database import Connection
from storage.operation_history import Written, write_history
from storage.optimizer_watch import read_mark, write_mark
from storage.process_networks import network_version, read_network
from storage.reported_operations import read_visit_facts
from storage.states import read_intervals, read_pieces, read_states_now

MARK: Final = "reported"
_HOUR_US: Final = 3_600_000_000
AT_ONCE_US: Final = _HOUR_US // 2
"""So much is looked at in one call: power is averaged over its samples."""
_LONGEST_US: Final = 24 * _HOUR_US
"""A part that is longer than this on one equipment is not an operation but something left lying."""
_LOOK_SECONDS: Final = 30.0
_SETTLE_US: Final = 120_000_000
"""For so long after its end a visit waits for counters, verdicts and pictures that belong to it."""


class Reporting:
    """Looks now and then for operations that the plant finished."""

    def __init__(self, plan: OptimizerPlan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._due = 0.0
        self._version = 0
        self._operations: dict[str, str] = {}

    def step(self, connection: Connection) -> bool:
        """Keep what was finished, a piece at a time; return whether more waits. Nothing to do where the settings name no ``performs``."""
        if not self._plan.performs or self._clock.monotonic() < self._due:
            return False
        version = network_version(connection)
        if version != self._version:
            stored = read_network(connection)
            self._operations = {} if stored is None else {a.id: a.operation for a in stored.network.alternatives}
            self._version = version
        if take_reported(connection, self._plan, self._operations, self._clock.now_us()) is not None:
            return True
        self._due = self._clock.monotonic() + _LOOK_SECONDS
        return False


def take_reported(
    connection: Connection, plan: OptimizerPlan, operations: Mapping[str, str], now_us: int, *, known_products: frozenset[str] | None = None
) -> Written | None:
    """Keep the operations that were finished since the last call, in half an hour at most; None where there is nothing to look at yet.

    ``operations``: by alternative, its operation. Killed at any point, the next call finds the same rows, and those kept stay once.
    """
    equipment = sorted({performs.equipment for performs in plan.performs if performs.alternative in operations})
    if not equipment:
        return None
    after = read_mark(connection, MARK) or now_us - _LONGEST_US
    until = min(now_us, max((state.to_us for state in read_states_now(connection, equipment).values()), default=0)) - _SETTLE_US
    until = min(until, after + AT_ONCE_US)
    if until <= after:
        return None
    seen = [v for v in _finished(connection, equipment, after, until) if known_products is None or v.product in known_products]
    facts = read_visit_facts(connection, seen)
    alternatives = {
        visit: alternative
        for visit in seen
        if (alternative := plan.alternative(visit.equipment, _program(facts, visit))) is not None and alternative in operations
    }
    made = read_pieces(connection, equipment, after - _LONGEST_US, until + 1_000_000) if alternatives else []
    history = history_of(reported(seen, made, facts, alternatives))
    written = write_history(connection, history, operations)
    write_mark(connection, MARK, until)
    return written


def _finished(connection: Connection, equipment: list[EquipmentId], after: int, until: int) -> list[Visit]:
    """Return the visits that ended in a span."""
    intervals = read_intervals(connection, equipment, after - _LONGEST_US, until + _SETTLE_US)
    return [visit for visit in visits(intervals) if after < visit.to_us <= until]


def _program(facts: Mapping[Visit, VisitFacts], visit: Visit) -> str:
    fact = facts.get(visit)
    return "" if fact is None or fact.program is None else fact.program
