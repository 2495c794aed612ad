"""Routes for those who weigh time, yield or energy otherwise: none of them is beaten in everything."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.networks import best_way, graph_of, keeps_ties
from optimizer.pareto import MOST_POINTS, Measures, loss_of, pareto_routes
from tests.optimizer.random_networks import all_routes, random_network


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(0, 3))
def test_no_route_of_the_network_beats_one_that_is_shown(seed: int, operations: int, tied: int) -> None:
    network = random_network(seed, operations, tied=tied)
    rng = np.random.default_rng(seed)
    n = len(network.alternatives)
    cost, minutes, energy = rng.uniform(1, 10, n), rng.uniform(1, 10, n), rng.uniform(1, 10, n)
    measures = Measures(cost, minutes, loss_of(rng.uniform(0.8, 1.0, n)), energy)
    graph = graph_of(network)
    best = best_way(graph, cost)
    routes = all_routes(network)
    assert (best is None) == (not routes)
    if best is None:
        return

    shown = pareto_routes(graph, measures, best)

    assert shown[0] == ("recommended", best.positions)
    assert len(shown) <= MOST_POINTS
    assert len({label for label, _ in shown}) == len(shown)
    assert len({frozenset(positions) for _, positions in shown}) == len(shown)
    assert all(keeps_ties(graph, positions) for _, positions in shown)
    columns = (cost, minutes, measures.loss, energy)
    sums = {route: tuple(math.fsum(column[list(route)]) for column in columns) for route in routes}
    for (_, one), route in itertools.product(shown, routes):
        assert not all(other < mine - 1e-6 for other, mine in zip(sums[route], sums[one], strict=True))
    for label, at in (("fastest", 1), ("highest_yield", 2), ("least_energy", 3)):
        told = dict(shown).get(label)
        if told is not None:
            assert sums[told][at] <= min(total[at] for total in sums.values()) + 1e-6


def test_a_factory_without_measured_energy_still_gets_its_choice() -> None:
    network = random_network(3, 6)
    rng = np.random.default_rng(3)
    cost = rng.uniform(1, 10, len(network.alternatives))
    graph = graph_of(network)
    best = best_way(graph, cost)
    assert best is not None

    shown = pareto_routes(graph, Measures(cost, rng.uniform(1, 10, len(cost)), loss_of(rng.uniform(0.8, 1, len(cost)))), best)

    assert not {"least_energy"} & {label for label, _ in shown}
