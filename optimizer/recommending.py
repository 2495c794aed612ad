"""The recommendation for a product: rules prune, only what measurements cover is chosen from, the optimum is exact, its reasons add up.

``recommender`` reads a network and a history once; ``recommend`` then takes what is expected of one product and answers in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.explaining import Compared, missing_evidence, removed_by_rules, step_reasons, watch_points
from optimizer.measured_routes import MeasuredRoutes, measured_routes
from optimizer.networks import Graph, Positions, Way, best_known, best_way, graph_of, keeps_ties
from optimizer.pareto import Measures, loss_of, pareto_routes
from optimizer.predictions import Evidence
from optimizer.route_estimates import AlternativeCosts, Expected, alternative_costs, gain_interval, route_estimate
from optimizer.verifying import recommendation_faults
from plant.errors import Rejected
from plant.operation_history import OperationHistory
from plant.process_network import ProcessNetwork, route_fault
from plant.process_windows import Broken, Setpoints, WindowSet, check
from plant.products import Product, ProductTable
from plant.recommendations import (
    Against,
    Answer,
    Comparison,
    Gain,
    MeasuredInterval,
    Missing,
    NearestProduct,
    ParetoPoint,
    Recommendation,
    StepReason,
    Today,
)
from plant.route_rules import allowed

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
VALID_DAYS: Final = 30.0
_CHANGE: Final = 0.01
"""Of a step's cost: a change of one step that is expected to save less is not proposed."""


@dataclass(frozen=True, slots=True)
class UnitLoad:
    """How a work unit stands today."""

    extra_min: float = 0.0
    """Minutes that a part waits for it."""
    unavailable: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Recommender:
    """What is the same for all products of a factory."""

    graph: Graph
    measured: MeasuredRoutes
    fixed_costs: Floats
    windows: WindowSet | None
    outside: Mapping[str, str]
    """Alternatives whose parameters lie outside of their process window, and how."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: a product, what is expected of it, and the circumstances."""

    product: Product
    expected: Expected
    evidence: Sequence[Evidence]
    made_at: datetime
    about: str = ""
    """What lacks of the product as a whole; else empty."""
    today: Mapping[str, UnitLoad] | None = None
    before: tuple[str, ...] = ()
    """The route that was proposed before, if one was."""
    own_routes: bool = False
    """Whether only routes that the factory has may be proposed."""
    shrinkage: float = 1.0
    propensity: float = 1.0
    valid_days: float = VALID_DAYS


@dataclass(frozen=True, slots=True)
class _Case:
    """What was found out about a question on the way to its answer."""

    asked: Asked
    costs: AlternativeCosts
    objective: Floats
    """``inf`` where an alternative may not be used."""
    left: Mask
    near: list[tuple[int, float]]
    near_counts: npt.NDArray[np.int64]
    base: Recommendation


def recommender(
    network: ProcessNetwork, products: ProductTable, history: OperationHistory, windows: WindowSet | None = None
) -> Recommender:
    """Return what is needed to answer questions about any product, made once."""
    graph = graph_of(network)
    fixed = np.array([alternative.fixed_cost for alternative in network.alternatives], np.float64)
    return Recommender(graph, measured_routes(graph, products, history), fixed, windows, _outside(network, windows))


def recommend(known: Recommender, asked: Asked) -> Recommendation:
    """Return the answer to a question. Each route in it was checked by code that has no part in finding it."""
    case = _case(known, asked)
    best, route_id = _best(known, case)
    answer = _not_enough(known, case) if best is None else _proposal(known, case, best, route_id)
    faults = recommendation_faults(known.graph.network, asked.product, answer, known.outside)
    if faults:
        raise Rejected(f"no recommendation for '{asked.product.id}': " + "; ".join(faults))
    return answer


def _case(known: Recommender, asked: Asked) -> _Case:
    graph, expected = known.graph, asked.expected
    rules = allowed(graph.network, asked.product)
    left = rules.alternatives.copy()
    for name in known.outside:
        left[graph.network.positions[name]] = False
    costs = alternative_costs(graph.network.cost, known.fixed_costs, expected)
    usable = left & expected.supported & np.isfinite(costs.mean)
    near = known.measured.nearest(asked.product)
    rows = [row for row, _ in near]
    counts = known.measured.counts
    d = expected.duration_min
    base = Recommendation(
        product=asked.product.id,
        answer=Answer.NOT_ENOUGH_EVIDENCE,
        shrinkage=asked.shrinkage,
        removed=removed_by_rules(graph, rules.removed, known.outside),
        nearest_products=tuple(
            NearestProduct(known.measured.products.ids[row], distance, int(counts[row].sum())) for row, distance in near
        ),
        valid_until=asked.made_at + timedelta(days=asked.valid_days),
        intervals={
            one.id: MeasuredInterval(
                (float(d.mean[at]), float(d.low[at]), float(d.high[at])), int(expected.count[at]), supported=bool(expected.supported[at])
            )
            for at, one in enumerate(graph.network.alternatives)
            if left[at] and np.isfinite(d.mean[at]) and np.isfinite(d.low[at]) and np.isfinite(d.high[at])
        },
        propensity=asked.propensity,
    )
    objective = np.where(usable, costs.objective, math.inf)
    return _Case(asked, costs, objective, left, near, counts[rows].sum(axis=0), base)


def _best(known: Recommender, case: _Case) -> tuple[Way | None, str | None]:
    """Return the best route, with the factory's own name where it has one. What hardly gains against the current route is not changed."""
    objective = case.objective.copy()
    current = _current(known, case)
    if current is not None:
        others = np.ones(len(objective), np.bool_)
        others[list(current)] = False
        objective[others] *= 1.0 + _CHANGE
    if case.asked.own_routes:
        found = best_known(known.measured.routes, objective)
        if found is None:
            return None, None
        row, _ = found
        return _own_way(known, row, case.objective), known.measured.routes.ids[row] or None
    return best_way(known.graph, objective), None


def _own_way(known: Recommender, row: int, objective: Floats) -> Way:
    nothing = len(known.graph.network.alternatives)
    positions = tuple(int(at) for at in known.measured.routes.positions[row] if at != nothing)
    return Way(positions, math.fsum(objective[list(positions)]))


def _current(known: Recommender, case: _Case) -> Positions | None:
    """Return the current route, where there is one that can still be judged and may still be used."""
    network = known.graph.network
    route = network.current_route(case.asked.product.id)
    if route is None:
        return None
    positions = tuple(network.positions[alternative] for alternative in route.alternatives)
    usable = np.isfinite(case.objective[list(positions)]).all() and keeps_ties(known.graph, positions)
    return positions if usable else None


def _proposal(known: Recommender, case: _Case, best: Way, route_id: str | None) -> Recommendation:
    asked, network = case.asked, known.graph.network
    current = _current(known, case)
    new = best.positions
    forbidden = current is None and network.current_route(asked.product.id) is not None
    against = _against(known, case, new, current)
    main = against.current or against.nearest
    answer, reason = Answer.RECOMMENDED, None
    if forbidden:
        reason = "the current route cannot be judged, or may no longer be used: a rule, a process window or lacking evidence is against it"
    if current is not None and against.current is not None:
        if set(new) == set(current):
            answer, reason = Answer.KEEP_CURRENT, "no route is expected to cost less than the current one"
        elif against.current.gain.low <= 0.0:
            gain = against.current.gain
            answer = Answer.KEEP_CURRENT
            reason = f"the best other route would save {gain.mean:.2f} ({gain.low:.2f} to {gain.high:.2f}), which is not beyond doubt"
    if answer is Answer.KEEP_CURRENT and current is not None:
        best = Way(current, math.fsum(case.objective[list(current)]))
        against = _against(known, case, current, current)
        main, route_id = against.current, network.current.get(asked.product.id)
    steps, main = _explained(known, case, best.positions, main)
    if main is not None and main.gain.against == "current":
        against = replace(against, current=main)
    elif main is not None:
        against = replace(against, nearest=main)
    return replace(
        case.base,
        answer=answer,
        reason=reason,
        route=_names(known, best.positions),
        route_id=route_id,
        predicted=route_estimate(asked.expected, case.costs, best.positions),
        against=against,
        gain=None if main is None else main.gain,
        steps=steps,
        pareto=_pareto(known, case, best),
        today=_today(known, case, best.positions),
        watch=watch_points(known.graph, asked.expected, best.positions, case.near_counts, known.windows),
    )


def _explained(
    known: Recommender, case: _Case, route: Sequence[int], main: Comparison | None
) -> tuple[tuple[StepReason, ...], Comparison | None]:
    """Return the reasons by step, and the comparison with its gain as their exact sum."""
    compared = None
    if main is not None:
        compared = Compared([known.graph.network.positions[name] for name in main.route], case.asked.shrinkage)
    steps = step_reasons(known.graph, case.asked.expected, case.costs, route, compared, case.near_counts)
    if main is None:
        return steps, None
    mean = math.fsum(step.difference for step in steps)
    gain = main.gain
    return steps, replace(main, gain=Gain(mean, min(gain.low, mean), max(gain.high, mean), gain.against))


def _against(known: Recommender, case: _Case, new: Positions, current: Positions | None) -> Against:
    network, asked = known.graph.network, case.asked

    def compared(positions: Positions, against: str) -> Comparison:
        gain = gain_interval(asked.expected, case.costs, new, positions, asked.shrinkage)
        route = route_estimate(asked.expected, case.costs, positions)
        return Comparison(_names(known, positions), route, Gain(gain.mean, gain.low, gain.high, against))

    before = None
    if asked.before and route_fault(network, asked.before) is None:
        positions = tuple(network.positions[name] for name in asked.before)
        if np.isfinite(case.costs.mean[list(positions)]).all():
            before = compared(positions, "proposed")
    return Against(
        current=None if current is None else replace(compared(current, "current"), route_id=network.current.get(asked.product.id)),
        nearest=_nearest(known, case, new),
        proposed=before,
    )


def _nearest(known: Recommender, case: _Case, new: Positions) -> Comparison | None:
    """Return the best measured route of the nearest product whose route this product may take."""
    measured, asked = known.measured, case.asked
    for product, distance in case.near:
        for row, cost in measured.measured_ways(product):
            way = _own_way(known, row, case.objective)
            if not math.isfinite(way.total):
                continue
            gain = gain_interval(asked.expected, case.costs, new, way.positions, asked.shrinkage)
            return Comparison(
                _names(known, way.positions),
                route_estimate(asked.expected, case.costs, way.positions),
                Gain(gain.mean, gain.low, gain.high, "nearest"),
                product=measured.products.ids[product],
                distance=distance,
                measured_cost=cost,
                route_id=measured.routes.ids[row] or None,
            )
    return None


def _not_enough(known: Recommender, case: _Case) -> Recommendation:
    asked = case.asked
    missing = missing_evidence(known.graph, case.left, asked.expected, asked.evidence, asked.about)
    if best_way(known.graph, np.where(case.left, 0.0, math.inf)) is None:
        first = missing[0].text if missing else "the rules between operations leave no way"
        reason = f"rules and process windows leave no way to make this product: {first}"
        missing = missing or (Missing("", "no_alternative", first),)
    elif asked.own_routes and best_way(known.graph, case.objective) is not None:
        reason = "none of the factory's own routes may be used for this product; ask without that restriction"
    else:
        reason = asked.about or "; ".join(one.text for one in missing[:3]) or "what was measured covers no whole way through the network"
    return replace(case.base, reason=reason, missing=missing)


def _pareto(known: Recommender, case: _Case, best: Way) -> tuple[ParetoPoint, ...]:
    expected, graph = case.asked.expected, known.graph
    energy = expected.energy_kwh.mean
    usable = np.isfinite(case.objective)
    measures = Measures(
        case.objective,
        expected.duration_min.mean,
        loss_of(expected.first_pass.mean),
        np.where(usable, energy, 0.0) if np.isfinite(energy[usable]).all() else None,
    )
    told = []
    for label, positions in pareto_routes(graph, measures, best):
        at = list(positions)
        told.append(
            ParetoPoint(
                label=label,
                route=_names(known, positions),
                cost=math.fsum(case.costs.mean[at]),
                duration_min=math.fsum(expected.duration_min.mean[at]),
                first_pass=float(np.prod(expected.first_pass.mean[at])),
                energy_kwh=math.fsum(energy[at]) if np.isfinite(energy[at]).all() else None,
            )
        )
    return tuple(told)


def _today(known: Recommender, case: _Case, route: Positions) -> Today | None:
    """Return the best route as the work units stand today; None where that was not asked, or there is none."""
    load = case.asked.today
    if load is None:
        return None
    network = known.graph.network
    units = [load.get(alternative.work_unit, UnitLoad()) for alternative in network.alternatives]
    waiting = np.array([unit.extra_min for unit in units], np.float64)
    down = np.array([unit.unavailable for unit in units], np.bool_)
    costs = np.where(down, math.inf, case.objective + network.cost.per_minute * waiting)
    way = best_way(known.graph, costs)
    if way is None:
        return None
    predicted = route_estimate(case.asked.expected, case.costs, way.positions)
    extra = math.fsum(waiting[list(way.positions)])
    spent = extra * network.cost.per_minute
    usual = math.fsum(costs[list(route)]) - math.fsum(case.costs.risk[list(route)]) if not down[list(route)].any() else None
    left = {network.alternatives[at].work_unit for at in set(route) - set(way.positions)}
    left -= {network.alternatives[at].work_unit for at in way.positions}
    shift = replace(
        predicted,
        cost=replace(predicted.cost, mean=predicted.cost.mean + spent, low=predicted.cost.low + spent, high=predicted.cost.high + spent),
        duration_min=replace(
            predicted.duration_min,
            mean=predicted.duration_min.mean + extra,
            low=predicted.duration_min.low + extra,
            high=predicted.duration_min.high + extra,
        ),
    )
    return Today(_names(known, way.positions), shift, extra, usual, {unit: _why(load.get(unit, UnitLoad())) for unit in sorted(left)})


def _why(load: UnitLoad) -> str:
    if load.unavailable:
        return load.why or "it is not available"
    if not load.extra_min:
        return "another one suits better"
    return f"{load.extra_min:g} minutes of waiting" + (f": {load.why}" if load.why else "")


def _names(known: Recommender, positions: Sequence[int]) -> tuple[str, ...]:
    return tuple(known.graph.network.alternatives[at].id for at in positions)


def _outside(network: ProcessNetwork, windows: WindowSet | None) -> dict[str, str]:
    """Return the alternatives whose parameters a process window forbids, and how."""
    told: dict[str, str] = {}
    hard = {Broken.BELOW, Broken.ABOVE, Broken.NO_NUMBER, Broken.JOINT_LIMIT}
    for one in network.alternatives:
        if windows is None or not one.parameters:
            continue
        broken = [each.words for each in check(windows, Setpoints(one.work_unit, one.program, one.parameters), None) if each.kind in hard]
        if broken:
            told[one.id] = "; ".join(broken)
    return told
