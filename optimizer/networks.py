"""The best way through a network of operations, exactly: nested AND and OR with additive costs, rules that tie operations, and limits.

Without ties the optimum is a sum of minima, found from the leaves up. With ties that sum is the bound of a branch and bound, so the
answer is the same as that of trying all. A limit on a second measure (epsilon-constraint) makes the sums fronts of two measures.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from optimizer.fronts import Front, joined, of_points, one_of
from plant.errors import Rejected
from plant.process_network import Node, OneOf, ProcessNetwork, Step
from plant.route_rules import ties

Costs: TypeAlias = npt.NDArray[np.float64]
Positions: TypeAlias = tuple[int, ...]
_MOST_BRANCHES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Place:
    """A node of the network, with what is below it as numbers."""

    operations: int
    """Bits of all operations that can occur below."""
    at: int
    """The operation, where it is one; else -1."""
    children: tuple[Place, ...] = ()
    choice: bool = False
    """Whether one of the children is taken instead of all."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where ``chosen`` is in a route, one of ``needs`` must be (where it names any), and none of ``excludes`` may be."""

    chosen: int
    needs: Positions
    excludes: Positions


@dataclass(frozen=True, slots=True)
class Graph:
    """A network made ready for searching: alternatives are positions in ``ProcessNetwork.alternatives``."""

    network: ProcessNetwork
    root: Place
    starts: npt.NDArray[np.intp]
    """The first alternative of each operation."""
    stops: npt.NDArray[np.intp]
    operation_of: npt.NDArray[np.intp]
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """A route as positions, in the order of the network, and its total."""

    positions: Positions
    total: float


@dataclass(frozen=True, slots=True)
class Limit:
    """A second measure, at least 0 for each alternative, whose sum may not be above ``most``."""

    measure: Costs
    most: float


@dataclass(frozen=True, slots=True, order=True)
class _Restricted:
    """A branch of the search: what may not, and what must be chosen."""

    banned: frozenset[int] = frozenset()
    required: frozenset[int] = frozenset()


def graph_of(network: ProcessNetwork) -> Graph:
    """Return a network made ready for searching."""
    numbers = {operation.id: at for at, operation in enumerate(network.operations)}
    counts = np.array([len(operation.alternatives) for operation in network.operations], np.intp)
    stops = np.cumsum(counts)
    positions = network.positions
    bounds = tuple(
        Bound(positions[tie.if_chosen], _known(positions[one] for one in tie.needs), _known(positions[one] for one in tie.excludes))
        for tie in ties(network)
    )
    return Graph(
        network, _place(network.root, numbers), np.asarray(stops - counts), stops, np.repeat(np.arange(len(counts)), counts), bounds
    )


def best_way(graph: Graph, costs: Costs, limit: Limit | None = None) -> Way | None:
    """Return the cheapest way that keeps all ties, and the limit if there is one; None where there is none.

    An alternative that may not be used costs ``inf``. Of equals, the one that stands first in the network is returned.
    """
    start = _Restricted()
    way = _relaxed(graph, costs, start, limit)
    if way is None:
        return None
    counter = itertools.count()
    waiting = [(way.total, next(counter), way, start)]
    seen = {start}
    while waiting:
        _, number, way, restricted = heapq.heappop(waiting)
        broken = next(_broken(graph.bounds, frozenset(way.positions)), None)
        if broken is None:
            return way
        if number > _MOST_BRANCHES:
            raise Rejected(f"the rules tie so many operations that no best route was found in {_MOST_BRANCHES:,} tries; merge some of them")
        for branch in _branches(broken, frozenset(way.positions), restricted):
            if branch in seen:
                continue
            seen.add(branch)
            found = _relaxed(graph, costs, branch, limit)
            if found is not None:
                heapq.heappush(waiting, (found.total, next(counter), found, branch))
    return None


def keeps_ties(graph: Graph, positions: Collection[int]) -> bool:
    """Whether a route keeps all rules between operations."""
    return next(_broken(graph.bounds, frozenset(positions)), None) is None


@dataclass(frozen=True, slots=True)
class KnownRoutes:
    """Many routes as a table of positions, made once; shorter routes are filled up with a position that costs nothing."""

    ids: tuple[str, ...]
    positions: npt.NDArray[np.int32]
    rows: npt.NDArray[np.intp]
    """Which of the factory's routes each row is."""


def known_routes(graph: Graph, routes: Iterable[Sequence[str]], ids: Iterable[str]) -> KnownRoutes:
    """Return routes as a table; those that break a tie are left out."""
    given = list(routes)
    width = max((len(route) for route in given), default=0)
    nothing = len(graph.network.alternatives)
    names = list(ids)
    table = np.full((len(given), width), nothing, np.int32)
    known = graph.network.positions
    for row, route in enumerate(given):
        table[row, : len(route)] = [known[alternative] for alternative in route]
    kept = np.ones(len(given), np.bool_)
    for bound in graph.bounds:
        has = (table == bound.chosen).any(axis=1)
        if bound.needs:
            kept &= ~has | np.isin(table, bound.needs).any(axis=1)
        kept &= ~has | ~np.isin(table, bound.excludes).any(axis=1)
    rows = np.flatnonzero(kept)
    return KnownRoutes(tuple(names[row] for row in rows), table[rows], rows)


def best_known(routes: KnownRoutes, costs: Costs) -> tuple[int, float] | None:
    """Return the row of the cheapest of many routes and its total; None where none may be used."""
    if not len(routes.rows):
        return None
    totals = np.append(costs, 0.0)[routes.positions].sum(axis=1)
    best = int(np.argmin(totals))
    return (best, float(totals[best])) if math.isfinite(totals[best]) else None


def _place(node: Node, numbers: dict[str, int]) -> Place:
    if isinstance(node, Step):
        at = numbers[node.operation]
        return Place(1 << at, at)
    children = tuple(_place(child, numbers) for child in node.nodes)
    operations = 0
    for child in children:
        operations |= child.operations
    return Place(operations, -1, children, isinstance(node, OneOf))


def _relaxed(graph: Graph, costs: Costs, restricted: _Restricted, limit: Limit | None) -> Way | None:
    """Return the cheapest way that keeps a restriction and the limit, whatever the ties say."""
    if restricted.banned or restricted.required:
        costs = costs.copy()
        costs[list(restricted.banned)] = math.inf
    must = 0
    for position in restricted.required:
        operation = int(graph.operation_of[position])
        must |= 1 << operation
        kept = costs[position]
        costs[graph.starts[operation] : graph.stops[operation]] = math.inf
        costs[position] = kept
    if limit is not None:
        return _within(graph, costs, must, limit)
    total, positions = _cheapest(graph, graph.root, costs, must)
    return Way(positions, total) if math.isfinite(total) else None


def _cheapest(graph: Graph, place: Place, costs: Costs, must: int) -> tuple[float, Positions]:
    if place.at >= 0:
        start = int(graph.starts[place.at])
        at = start + int(np.argmin(costs[start : graph.stops[place.at]]))
        return float(costs[at]), (at,)
    if place.choice:
        best: tuple[float, Positions] = (math.inf, ())
        for child in place.children:
            if must & place.operations & ~child.operations:
                continue
            found = _cheapest(graph, child, costs, must)
            if found[0] < best[0]:
                best = found
        return best
    parts = [_cheapest(graph, child, costs, must) for child in place.children]
    return math.fsum(part[0] for part in parts), tuple(itertools.chain.from_iterable(part[1] for part in parts))


def _within(graph: Graph, costs: Costs, must: int, limit: Limit) -> Way | None:
    front = _front(graph, graph.root, costs, must, limit)
    if front is None:
        return None
    positions = front.way(0)  # by rising cost: the first is the cheapest that keeps the limit
    return Way(positions, math.fsum(costs[list(positions)]))


def _front(graph: Graph, place: Place, costs: Costs, must: int, limit: Limit) -> Front | None:
    """Return all ways below a node that none beats in cost and limited measure at once; None where there is none."""
    if place.at >= 0:
        start, stop = int(graph.starts[place.at]), int(graph.stops[place.at])
        return of_points(costs[start:stop], limit.measure[start:stop], start, limit.most)
    if place.choice:
        open_ones = [child for child in place.children if not must & place.operations & ~child.operations]
        fronts = [front for child in open_ones if (front := _front(graph, child, costs, must, limit)) is not None]
        return one_of(fronts)
    whole: Front | None = None
    for child in place.children:
        part = _front(graph, child, costs, must, limit)
        if part is None:
            return None
        whole = part if whole is None else joined(whole, part, limit.most)
        if whole is None:
            return None
    return whole


def _broken(bounds: tuple[Bound, ...], chosen: frozenset[int]) -> Iterator[Bound]:
    for bound in bounds:
        if bound.chosen in chosen and ((bound.needs and chosen.isdisjoint(bound.needs)) or not chosen.isdisjoint(bound.excludes)):
            yield bound


def _branches(broken: Bound, chosen: frozenset[int], now: _Restricted) -> Iterator[_Restricted]:
    """Give restrictions that between them leave all ways that keep a tie, and each of which forbids the broken way."""
    if broken.chosen not in now.required:
        yield _Restricted(now.banned | {broken.chosen}, now.required)
    if broken.needs and chosen.isdisjoint(broken.needs):
        for needed in broken.needs:
            if needed not in now.banned:
                yield _Restricted(now.banned, now.required | {needed})
        return
    excluded = chosen.intersection(broken.excludes)
    if excluded.isdisjoint(now.required):
        yield _Restricted(now.banned | excluded, now.required)


def _known(positions: Iterable[int]) -> Positions:
    return tuple(sorted(positions))
