"""Process plans as graphs: AND in any order, OR as choices, joins; lowered to operations, arcs, choices and branches.

Three parts: ``out``, a node and those that follow it, of which ``(a,b)`` are an OR; ``in``, a node where an OR ends and the last node
of each of its branches; ``info``, what a node is: start, end, supernode (nothing is done) or ways, each a machine and a time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from plant.errors import SettingsError
from plant.plan_problem import ALWAYS, Job, PlanProblem, WorkUnit

_NOTHING_DONE = ("start", "end", "supernode")
_GROUP = re.compile(r"\(([^()]*)\)")
_BRANCH = tuple[int, ...]
"""Choice and side, from the outermost: (3, 0, 7, 1) is side 1 of choice 7, which stands in side 0 of choice 3."""


@dataclass(slots=True)
class _Graph:
    place: str
    units: int = 0
    line_of: dict[int, int] = field(default_factory=dict)
    follows: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    choices: dict[int, list[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(list))
    joins: dict[int, list[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(list))
    kinds: dict[int, str] = field(default_factory=dict)
    ways: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def wrong(self, node: int, what: str) -> SettingsError:
        line = self.line_of.get(node)
        return SettingsError(f"{self.place}: {'' if line is None else f'line {line}: '}node {node}: {what}")

    def after(self, node: int) -> list[int]:
        return [*self.follows.get(node, ()), *(one for group in self.choices.get(node, ()) for one in group)]


def read_ipps(text: str, place: str) -> PlanProblem:
    """Return the problem that a text says. Raises SettingsError that names file and line."""
    graph = _read(text, place)
    order, job_of = _walked(graph)
    branch_of, sides = _branches(graph, order)
    numbered = {side: row for row, side in enumerate(sorted(sides))}
    choices = sorted({side[:-1] for side in numbered}, key=lambda path: (len(path), path))
    choice_row = {path: row for row, path in enumerate(choices)}
    done = sorted(graph.ways)
    row_of = {node: row for row, node in enumerate(done)}
    pairs = sorted({(row_of[node], row_of[then]) for node in done for then in _next_done(graph, node)})
    ways = [(row_of[node], unit, lasts) for node in done for unit, lasts in graph.ways[node]]
    columns = np.array(ways, np.int64).reshape(-1, 3)
    arcs = np.array(pairs, np.int32).reshape(-1, 2)
    return PlanProblem(
        name=Path(place).stem,
        units=tuple(WorkUnit(f"M{row + 1}") for row in range(graph.units)),
        jobs=tuple(Job(f"J{row + 1}") for row in range(1 + max(job_of.values()))),
        operation_job=np.array([job_of[node] for node in done], np.int32),
        operation_name=[f"node {node}" for node in done],
        operation_branch=np.array([numbered[branch_of[node]] if branch_of[node] else ALWAYS for node in done], np.int32),
        mode_operation=columns[:, 0].astype(np.int32),
        mode_unit=(columns[:, 1] - 1).astype(np.int32),
        mode_duration=columns[:, 2].copy(),
        mode_setup=np.full(len(ways), -1, np.int32),
        mode_name=[""] * len(ways),
        arc_before=arcs[:, 0].copy(),
        arc_after=arcs[:, 1].copy(),
        arc_least=np.zeros(len(arcs), np.int64),
        arc_most=np.full(len(arcs), -1, np.int64),
        branch_choice=np.array([choice_row[side[:-1]] for side in sorted(numbered)], np.int32),
        choice_branch=np.array([numbered[path[:-1]] if path[:-1] else ALWAYS for path in choices], np.int32),
    )


def _read(text: str, place: str) -> _Graph:
    graph = _Graph(place)
    part, head = "", ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        if line in {"out", "in", "info"}:
            part = line
        elif not part:
            if head:
                raise SettingsError(f"{place}: line {number}: write jobs, machines and nodes in one line, and then a line 'out'")
            head = line
        elif part == "info":
            _read_info(graph, line, number)
        else:
            _read_links(graph, part, line, number)
    _checked(graph, head)
    return graph


def _checked(graph: _Graph, head: str) -> None:
    """Take the counts of the first line and hold them against the nodes."""
    place = graph.place
    counts = [_number(word, place, 1) for word in head.split()[:3]]
    if len(counts) < 2 or not graph.kinds:
        raise SettingsError(f"{place}: write jobs, machines and nodes in the first line, then parts 'out', 'in' and 'info'")
    graph.units = counts[1]
    starts = sum(kind == "start" for kind in graph.kinds.values())
    if starts != counts[0]:
        raise SettingsError(f"{place}: line 1: says {counts[0]} jobs, and {starts} nodes are a start")
    if len(counts) > 2 and counts[2] != len(graph.kinds):
        raise SettingsError(f"{place}: line 1: says {counts[2]} nodes, and 'info' tells of {len(graph.kinds)}")
    for node, ways in graph.ways.items():
        for unit, _ in ways:
            if not 1 <= unit <= graph.units:
                raise graph.wrong(node, f"machine {unit}: there are {graph.units}, numbered from 1")


def _read_links(graph: _Graph, part: str, line: str, number: int) -> None:
    groups = [tuple(_number(word, graph.place, number) for word in found.replace(",", " ").split()) for found in _GROUP.findall(line)]
    plain = [_number(word, graph.place, number) for word in _GROUP.sub(" ", line).split()]
    if not plain or not all(groups):
        raise SettingsError(f"{graph.place}: line {number}: write a node and then nodes or groups such as (3,4)")
    node = plain[0]
    if part == "in":
        graph.joins[node] += groups
        return
    graph.line_of.setdefault(node, number)
    graph.follows[node] += plain[1:]
    graph.choices[node] += groups


def _read_info(graph: _Graph, line: str, number: int) -> None:
    words = line.split()
    node = _number(words[0], graph.place, number)
    if node in graph.kinds:
        raise SettingsError(f"{graph.place}: line {number}: node {node} is told twice")
    graph.line_of[node] = number
    if words[1:] and words[1].lower() in _NOTHING_DONE:
        graph.kinds[node] = words[1].lower()
        return
    told = [_number(word, graph.place, number) for word in words[1:]]
    if not told or len(told) != 1 + 2 * told[0] or not told[0]:
        what = f"start, end, supernode, or how many ways and for each machine and time; found '{' '.join(words[1:])[:60]}'"
        raise SettingsError(f"{graph.place}: line {number}: node {node}: write {what}")
    graph.kinds[node] = "done"
    graph.ways[node] = list(zip(told[1::2], told[2::2], strict=True))


def _number(word: str, place: str, line: int) -> int:
    try:
        found = float(word)
    except ValueError as error:
        raise SettingsError(f"{place}: line {line}: '{word[:40]}' is no number") from error
    if not found.is_integer() or not 0 <= found < 1 << 40:
        raise SettingsError(f"{place}: line {line}: '{word[:40]}' is no whole number from 0")
    return int(found)


def _walked(graph: _Graph) -> tuple[list[int], dict[int, int]]:
    """Return the nodes so that each comes after those before it, and the job of each."""
    before = _counted(graph)
    starts = sorted(node for node, kind in graph.kinds.items() if kind == "start")
    job_of = {node: job for job, node in enumerate(starts)}
    waiting, order = list(reversed(starts)), []
    while waiting:
        node = waiting.pop()
        order.append(node)
        for then in graph.after(node):
            if job_of.setdefault(then, job_of[node]) != job_of[node]:
                raise graph.wrong(then, "follows nodes of two jobs")
            before[then] -= 1
            if not before[then]:
                waiting.append(then)
    missing = sorted(set(graph.kinds) - set(order))
    if missing:
        raise graph.wrong(missing[0], "cannot be reached from a start, or follows itself")
    return order, job_of


def _counted(graph: _Graph) -> dict[int, int]:
    """Return how many nodes come directly before each."""
    before: dict[int, int] = dict.fromkeys(graph.kinds, 0)
    for node in (*graph.follows, *graph.choices):
        if node not in graph.kinds:
            raise graph.wrong(node, "is not told of in 'info'")
    for node in graph.kinds:
        for then in graph.after(node):
            if then not in before:
                raise graph.wrong(node, f"is followed by {then}, which is not told of in 'info'")
            before[then] += 1
    return before


def _branches(graph: _Graph, order: list[int]) -> tuple[dict[int, _BRANCH], set[_BRANCH]]:
    """Return the branch that each node stands in, () above all choices, and all branches."""
    arrives: dict[int, dict[int, _BRANCH]] = defaultdict(dict)
    found: dict[int, _BRANCH] = {}
    sides: set[_BRANCH] = set()
    choice = 0
    for node in order:
        found[node] = _joined(graph, node, arrives[node], sides)
        for then in graph.follows.get(node, ()):
            arrives[then][node] = found[node]
        for group in graph.choices.get(node, ()):
            for side, then in enumerate(group):
                arrives[then][node] = (*found[node], choice, side)
                sides.add((*found[node], choice, side))
            choice += 1
    return found, sides


def _joined(graph: _Graph, node: int, arrives: dict[int, _BRANCH], sides: set[_BRANCH]) -> _BRANCH:
    ended: set[int] = set()
    meets: list[_BRANCH] = []
    for group in graph.joins.get(node, ()):
        strange = [last for last in group if last not in arrives]
        if strange:
            raise graph.wrong(node, f"'in' tells that an OR ends here after {strange[0]}, which it does not follow")
        ended |= set(group)
        meets.append(_ended(graph, node, {arrives[last] for last in group}, sides))
    meets += [branch for last, branch in arrives.items() if last not in ended]
    deepest = max(meets, key=len, default=())
    if any(deepest[: len(branch)] != branch for branch in meets):
        raise graph.wrong(node, "follows nodes of several branches of an OR; tell in 'in' where the OR ends")
    return deepest


def _ended(graph: _Graph, node: int, branches: set[_BRANCH], sides: set[_BRANCH]) -> _BRANCH:
    """Return where the choice stands whose branches end here; each choice inside must have ended with all its sides."""
    while len(branches) > 1:
        deepest = max(branches, key=len)
        choice = deepest[:-1]
        if not choice:
            break
        wanted = {side for side in sides if side[:-1] == choice}
        if not wanted <= branches:
            break
        branches = (branches - wanted) | {choice[:-1]}
    if len(branches) != 1:
        raise graph.wrong(node, "an OR ends here, and 'in' does not name the last node of each of its branches")
    return next(iter(branches))


def _next_done(graph: _Graph, node: int) -> set[int]:
    """Return the operations that follow, over nodes at which nothing is done."""
    found: set[int] = set()
    seen: set[int] = set()
    waiting = graph.after(node)
    while waiting:
        then = waiting.pop()
        if then in graph.ways:
            found.add(then)
        elif then not in seen:
            seen.add(then)
            waiting += graph.after(then)
    return found
