"""The best way through a network is the best of all, as trying all shows; with ties and limits too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.networks import Limit, best_known, best_way, graph_of, keeps_ties, known_routes
from tests.optimizer.random_networks import all_routes, random_network

SEEDS = st.integers(0, 2**32 - 1)


def _costs(seed: int, n: int, banned: float = 0.15) -> np.ndarray:
    rng = np.random.default_rng(seed)
    costs = rng.uniform(1, 10, n).round(rng.integers(0, 3))
    costs[rng.random(n) < banned] = math.inf
    return costs


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SEEDS, st.integers(1, 8), st.integers(0, 5))
def test_no_other_route_is_cheaper_whatever_rules_tie_its_operations(seed: int, operations: int, tied: int) -> None:
    network = random_network(seed, operations, tied=tied)
    costs = _costs(seed, len(network.alternatives))

    found = best_way(graph_of(network), costs)

    totals = [math.fsum(costs[list(route)]) for route in all_routes(network)]
    best = min(totals, default=math.inf)
    assert (found is None) == (not math.isfinite(best))
    if found is not None:
        assert found.positions in set(all_routes(network))
        assert found.total == pytest.approx(best, abs=1e-9)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SEEDS, st.integers(1, 7), st.integers(0, 3), st.floats(0.2, 1.0))
def test_no_other_route_within_a_limit_is_cheaper(seed: int, operations: int, tied: int, share: float) -> None:
    network = random_network(seed, operations, tied=tied)
    costs = _costs(seed, len(network.alternatives))
    minutes = np.random.default_rng(seed + 1).uniform(0, 5, len(costs))
    most = share * 3.5 * operations

    found = best_way(graph_of(network), costs, Limit(minutes, most))

    totals = [math.fsum(costs[list(route)]) for route in all_routes(network) if math.fsum(minutes[list(route)]) <= most]
    best = min(totals, default=math.inf)
    assert (found is None) == (not math.isfinite(best))
    if found is not None:
        assert found.total == pytest.approx(best, abs=1e-9)
        assert math.fsum(minutes[list(found.positions)]) <= most + 1e-6


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SEEDS, st.integers(0, 4))
def test_the_best_of_the_factorys_own_routes_keeps_the_ties(seed: int, tied: int) -> None:
    free, tied_network = random_network(seed, 5), random_network(seed, 5, tied=tied)
    graph = graph_of(tied_network)
    costs = _costs(seed, len(free.alternatives), banned=0.0)
    every = all_routes(free)
    names = [tuple(free.alternatives[at].id for at in route) for route in every]

    known = known_routes(graph, names, [f"r{at}" for at in range(len(names))])
    found = best_known(known, costs)

    kept = [route for route in every if keeps_ties(graph, route)]
    assert sorted(kept) == sorted(all_routes(tied_network))
    assert (found is None) == (not kept)
    if found is not None:
        assert found[1] == pytest.approx(min(math.fsum(costs[list(route)]) for route in kept))
        assert known.ids[found[0]] == f"r{known.rows[found[0]]}"


def test_a_large_network_is_searched_exactly_in_a_moment() -> None:
    network = random_network(7, 60, 12, tied=8)
    graph = graph_of(network)
    rng = np.random.default_rng(1)
    costs, minutes = rng.uniform(1, 10, len(network.alternatives)), rng.uniform(0, 5, len(network.alternatives))

    free = best_way(graph, costs)

    assert free is not None
    spent = math.fsum(minutes[list(free.positions)])
    within = best_way(graph, costs, Limit(minutes, 0.8 * spent))
    assert within is not None
    assert within.total >= free.total
