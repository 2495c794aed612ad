"""Job orders become a problem to plan: the network's ways as operations with alternatives and branches, and the rules of the site.

What is planned of a job is its product's way through the AND/OR network. Where somebody decided its route, that is kept; else all that
rules, process windows and measurements leave is open, and ties between operations are kept by the product's route.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from optimizer.order_expectations import Expectation
from plant.customer_orders import JobOrder, order_weight
from plant.plan_problem import ALWAYS, Job, Objective, PlanProblem, WorkUnit
from plant.planning_rules import PlanningRules
from plant.process_network import AnyOrder, Node, OneOf, ProcessNetwork, Step
from plant.process_network import Sequence as InOrder
from plant.promises import Spread
from plant.route_rules import ties

HORIZON_US: Final = 120 * 86_400_000_000
"""Shifts are known so far ahead; what comes later is planned as if units were always there."""
_HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Ordered:
    """A problem made from orders, and what belongs to it."""

    problem: PlanProblem
    spread: Spread
    left_out: Mapping[str, str]
    """By job order: why it is in no plan."""


@dataclass(slots=True)
class _Columns:
    """What grows while jobs are laid out."""

    units: dict[str, int] = field(default_factory=dict)
    states: list[dict[str, int]] = field(default_factory=list)
    """Of each unit: its setup states by name."""
    jobs: list[Job] = field(default_factory=list)
    operation_job: list[int] = field(default_factory=list)
    operation_name: list[str] = field(default_factory=list)
    operation_branch: list[int] = field(default_factory=list)
    mode_operation: list[int] = field(default_factory=list)
    mode_unit: list[int] = field(default_factory=list)
    mode_duration: list[int] = field(default_factory=list)
    mode_setup: list[int] = field(default_factory=list)
    mode_name: list[str] = field(default_factory=list)
    needs: list[tuple[int, int, int]] = field(default_factory=list)
    arcs: list[tuple[int, int]] = field(default_factory=list)
    branch_choice: list[int] = field(default_factory=list)
    choice_branch: list[int] = field(default_factory=list)
    spread: list[tuple[float, float, float, float]] = field(default_factory=list)


def ordered(
    jobs: Sequence[JobOrder],
    expected: Mapping[str, Expectation],
    network: ProcessNetwork,
    rules: PlanningRules,
    *,
    origin_us: int,
    now_us: int,
) -> Ordered:
    """Return the problem that job orders are. ``expected``: by product. A job that cannot be made is left out, and why is told."""
    columns = _Columns()
    left_out: dict[str, str] = {}
    for job in jobs:
        one = expected[job.product]
        usable, problem = _usable(network, one, job, rules)
        if problem:
            left_out[job.id] = problem
            continue
        columns.jobs.append(_job(job, one, rules, origin_us))
        _Layer(columns, network, one, usable, rules).lay(network.root, ALWAYS)
    return Ordered(_problem(columns, rules, origin_us, now_us), _spread(columns, rules), left_out)


def origin_of(now_us: int, earliest_us: int | None, rules: PlanningRules) -> int:
    """Return where ticks are counted from: a whole hour no later than all that is planned."""
    first = now_us if earliest_us is None else min(earliest_us, now_us)
    return first - first % max(_HOUR_US, rules.tick_us)


def _usable(
    network: ProcessNetwork, one: Expectation, job: JobOrder, rules: PlanningRules
) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], str]:
    """Return which alternatives a job may be made by, and why it cannot be made (empty: it can)."""
    nothing = np.zeros(len(network.alternatives), np.bool_)
    if one.problem:
        return nothing, one.problem
    decided = job.alternatives or (one.route if rules.settings.alternatives == "route" else ())
    if decided:
        lacking = [name for name in decided if name not in network.positions or not one.usable[network.positions[name]]]
        if lacking:
            return nothing, f"its route names '{lacking[0]}', which rules or lacking measurements are against"
        for name in decided:
            nothing[network.positions[name]] = True
        if not _is_possible(network, network.root, nothing):
            return nothing, "its route is no whole way through the network"
        return nothing, ""
    usable = one.usable & ~_too_slow(network, one, rules.settings.spread_percent)
    chosen = {network.positions[name] for name in one.route}
    usable[list(chosen)] = True
    for tie in ties(network):
        _keep_tie(network, usable, chosen, tie.if_chosen, tie.needs, tie.excludes)
    return usable, ""


def _too_slow(network: ProcessNetwork, one: Expectation, percent: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Of each operation what takes far longer than its shortest alternative."""
    slow = np.zeros(len(network.alternatives), np.bool_)
    for operation in network.operations:
        at = [network.positions[alternative.id] for alternative in operation.alternatives]
        usable = [row for row in at if one.usable[row]]
        if usable:
            limit = min(one.minutes[row] for row in usable) * (1 + percent / 100)
            slow[at] = ~(one.minutes[at] <= limit)
    return slow


def _keep_tie(
    network: ProcessNetwork,
    usable: np.ndarray[tuple[int], np.dtype[np.bool_]],
    chosen: set[int],
    if_chosen: str,
    needs: frozenset[str],
    excludes: frozenset[str],
) -> None:
    """Leave only what cannot break a tie: the route keeps it, so what could break it beside the route is taken out."""
    if network.positions[if_chosen] not in chosen:
        usable[network.positions[if_chosen]] = False
        return
    for name in excludes:
        usable[network.positions[name]] = False
    if needs:
        kept = {network.positions[name] for name in needs} & chosen
        operations = {network.alternatives[row].operation for row in kept}
        for operation in operations:
            for alternative in network.operation(operation).alternatives:
                row = network.positions[alternative.id]
                usable[row] = usable[row] and (row in chosen or alternative.id in needs)


def _is_possible(network: ProcessNetwork, node: Node, usable: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bool:
    if isinstance(node, Step):
        return any(usable[network.positions[one.id]] for one in network.operation(node.operation).alternatives)
    below = (_is_possible(network, child, usable) for child in node.nodes)
    return any(below) if isinstance(node, OneOf) else all(below)


class _Layer:
    """Lays one job's way out as rows."""

    def __init__(
        self,
        columns: _Columns,
        network: ProcessNetwork,
        one: Expectation,
        usable: np.ndarray[tuple[int], np.dtype[np.bool_]],
        rules: PlanningRules,
    ) -> None:
        self._columns, self._network, self._one, self._usable, self._rules = columns, network, one, usable, rules
        self._names: dict[str, int] = {}

    def lay(self, node: Node, branch: int) -> tuple[list[int], list[int]]:
        """Add a node's operations; return those that can be first and those that can be last."""
        if isinstance(node, Step):
            row = self._operation(node.operation, branch)
            return [row], [row]
        if isinstance(node, OneOf):
            return self._one_of(node, branch)
        parts = [self.lay(child, branch) for child in node.nodes]
        if isinstance(node, AnyOrder):
            return [row for firsts, _ in parts for row in firsts], [row for _, lasts in parts for row in lasts]
        assert isinstance(node, InOrder)  # noqa: S101 - there are no others
        for (_, lasts), (firsts, _) in itertools.pairwise(parts):
            self._columns.arcs += [(before, after) for before in lasts for after in firsts]
        return parts[0][0], parts[-1][1]

    def _one_of(self, node: OneOf, branch: int) -> tuple[list[int], list[int]]:
        possible = [child for child in node.nodes if _is_possible(self._network, child, self._usable)]
        if len(possible) == 1:
            return self.lay(possible[0], branch)
        choice = len(self._columns.choice_branch)
        self._columns.choice_branch.append(branch)
        firsts: list[int] = []
        lasts: list[int] = []
        for child in possible:
            self._columns.branch_choice.append(choice)
            first, last = self.lay(child, len(self._columns.branch_choice) - 1)
            firsts += first
            lasts += last
        return firsts, lasts

    def _operation(self, name: str, branch: int) -> int:
        columns, row = self._columns, len(self._columns.operation_job)
        times = self._names[name] = self._names.get(name, 0) + 1
        columns.operation_job.append(len(columns.jobs) - 1)
        columns.operation_name.append(name if times == 1 else f"{name} ({times})")
        columns.operation_branch.append(branch)
        for alternative in self._network.operation(name).alternatives:
            at = self._network.positions[alternative.id]
            if self._usable[at]:
                self._mode(row, name, alternative.id, alternative.work_unit, alternative.program, at)
        return row

    def _mode(self, row: int, operation: str, name: str, unit: str, program: str, at: int) -> None:
        columns, one, rules = self._columns, self._one, self._rules
        number = columns.units.setdefault(unit, len(columns.units))
        if number == len(columns.states):
            columns.states.append({})
        state = rules.setup_state(unit, one.family, program, one.product)
        mode = len(columns.mode_operation)
        columns.mode_operation.append(row)
        columns.mode_unit.append(number)
        columns.mode_duration.append(max(1, rules.ticks(float(one.minutes[at]))))
        columns.mode_setup.append(columns.states[number].setdefault(state, len(columns.states[number])) if state else -1)
        columns.mode_name.append(name)
        columns.needs += [(mode, resource, amount) for resource, amount in rules.needs(operation, unit, name)]
        columns.spread.append((float(one.log_sd[at]), float(one.rework[at]), float(one.rework_min[at]), float(one.scrap[at])))


def _job(job: JobOrder, one: Expectation, rules: PlanningRules, origin_us: int) -> Job:
    tick = rules.tick_us
    release = 0 if job.release_us is None else max(0, -((origin_us - job.release_us) // tick))
    due = None if job.due_us is None else (job.due_us - origin_us) // tick
    return Job(job.id, release, due, order_weight(job.priority), job.order, job.product, one.family)


def _problem(columns: _Columns, rules: PlanningRules, origin_us: int, now_us: int) -> PlanProblem:
    def ints(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.array(values, np.int32)

    ticks = HORIZON_US // rules.tick_us
    weights = rules.settings.weights
    needs = np.array(columns.needs, np.int32).reshape(-1, 3)
    arcs = np.array(columns.arcs, np.int32).reshape(-1, 2)
    return PlanProblem(
        "plan of the site",
        tuple(_unit(name, columns.states[at], rules, origin_us, ticks) for name, at in columns.units.items()),
        tuple(columns.jobs),
        ints(columns.operation_job),
        tuple(columns.operation_name),
        ints(columns.operation_branch),
        ints(columns.mode_operation),
        ints(columns.mode_unit),
        np.array(columns.mode_duration, np.int64),
        ints(columns.mode_setup),
        tuple(columns.mode_name),
        arcs[:, 0],
        arcs[:, 1],
        np.zeros(len(arcs), np.int64),
        np.full(len(arcs), -1, np.int64),
        ints(columns.branch_choice),
        ints(columns.choice_branch),
        rules.resources(origin_us, ticks),
        needs[:, 0],
        needs[:, 1],
        needs[:, 2],
        rules.transport(list(columns.units)),
        (),
        -((origin_us - now_us) // rules.tick_us),
        Objective(weights.makespan, weights.tardiness, weights.setup, 0, weights.flow),
        tick_s=rules.settings.tick_seconds,
        origin_us=origin_us,
    )


def _unit(name: str, states: Mapping[str, int], rules: PlanningRules, origin_us: int, ticks: int) -> WorkUnit:
    told = rules.unit(name)
    return WorkUnit(
        name,
        rules.setups(name, list(states)),
        -1,
        told.setup_with_part,
        rules.closed(rules.calendar(name), origin_us, ticks),
        told.pauses,
        told.buffer,
        told.group or name.partition("/")[0],
    )


def _spread(columns: _Columns, rules: PlanningRules) -> Spread:
    told = np.array(columns.spread, np.float64).reshape(-1, 4)
    return Spread(told[:, 0], told[:, 1], told[:, 2] * 60_000_000 / rules.tick_us, told[:, 3])
