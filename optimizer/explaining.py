"""Why a route is recommended, in sentences and numbers that add up: steps, rules, nearest products, what lacks, what to watch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.networks import Graph
from optimizer.predictions import Evidence
from optimizer.route_estimates import AlternativeCosts, Expected, step_estimate
from plant.errors import Rejected
from plant.process_windows import WindowSet
from plant.recommendations import Estimate, InsteadOf, Missing, Removed, StepReason, WatchPoint

_FEW_ROWS: Final = 100
_LOW_YIELD: Final = 0.97
_WIDE: Final = 0.15
"""Of the expected duration: half of an interval that is worth a word."""
_EDGE: Final = 0.1
"""Of a window's width: how near to its edge is near."""
_EACH: Final = 2

EVIDENCE_WORDS: Final[Mapping[Evidence, str]] = {
    Evidence.FEW_ROWS: "too few measurements",
    Evidence.FEW_PRODUCTS: "measurements of too few different products",
    Evidence.FEATURE_OUTSIDE: "a feature of the product lies outside of what was measured",
    Evidence.NEW_CATEGORY: "a category of the product was never measured",
    Evidence.FAR_FROM_ALL: "no product like this one was measured",
    Evidence.TOO_UNSURE: "the prediction is too unsure to choose by",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """The route that the steps are compared with, and what differences are multiplied by."""

    positions: Sequence[int]
    shrinkage: float


def step_reasons(
    graph: Graph,
    expected: Expected,
    costs: AlternativeCosts,
    route: Sequence[int],
    compared: Compared | None,
    near: npt.NDArray[np.int64],
) -> tuple[StepReason, ...]:
    """Return what each step costs and saves; the differences sum up to the gain. ``near``: measurements of the nearest products."""
    alternatives = graph.network.alternatives
    old = {} if compared is None else {alternatives[at].operation: at for at in compared.positions}
    shrinkage = 1.0 if compared is None else compared.shrinkage
    told = []
    for at in route:
        one = alternatives[at]
        before = old.pop(one.operation, None)
        difference = 0.0
        if compared is not None:
            difference = shrinkage * ((0.0 if before is None else float(costs.mean[before])) - float(costs.mean[at]))
        told.append(
            StepReason(
                operation=one.operation,
                alternative=one.id,
                work_unit=one.work_unit,
                program=one.program or None,
                tool=one.tool or None,
                parameters=dict(one.parameters),
                cost=Estimate(float(costs.mean[at]), float(costs.low[at]), float(costs.high[at])),
                duration_min=step_estimate(expected.duration_min, at),
                first_pass=step_estimate(expected.first_pass, at),
                count=int(expected.count[at]),
                nearest_count=int(near[at]),
                instead_of=None if before is None else InsteadOf(alternatives[before].id, float(costs.mean[before])),
                difference=difference,
            )
        )
    for operation, at in old.items():
        cost = float(costs.mean[at])
        told.append(StepReason(operation=operation, instead_of=InsteadOf(alternatives[at].id, cost), difference=shrinkage * cost))
    return tuple(told)


def removed_by_rules(graph: Graph, removed: Sequence[tuple[str, str]], windows: Mapping[str, str]) -> tuple[Removed, ...]:
    """Return each alternative that rules or process windows take out, with the sentence why."""
    texts = {rule.id: rule.text for rule in graph.network.rules}
    told = [Removed(alternative, rule, texts[rule]) for alternative, rule in removed]
    return tuple(told + [Removed(alternative, "process window", text) for alternative, text in windows.items()])


def missing_evidence(
    graph: Graph, left: npt.NDArray[np.bool_], expected: Expected, evidence: Sequence[Evidence], about: str
) -> tuple[Missing, ...]:
    """Return, for each operation that has no alternative left to choose from, what lacks; once, where it is the product as a whole."""
    told = []
    if about:
        told.append(Missing("", "not_supported", about))
    for operation, start, stop in zip(graph.network.operations, graph.starts, graph.stops, strict=True):
        name = operation.name or operation.id
        here = np.arange(start, stop)[left[start:stop]]
        if not len(here):
            told.append(Missing(operation.id, "no_alternative", f"{name}: rules and process windows leave no alternative for this product"))
        elif not expected.supported[here].any() and not (about and expected.count[here].any()):
            told.append(Missing(operation.id, _code(expected, here), f"{name}: {_lacking(graph, expected, evidence, here)}"))
    return tuple(told)


def _code(expected: Expected, here: npt.NDArray[np.intp]) -> str:
    return "not_supported" if expected.count[here].any() else "never_measured"


def _lacking(graph: Graph, expected: Expected, evidence: Sequence[Evidence], here: npt.NDArray[np.intp]) -> str:
    if not expected.count[here].any():
        return f"none of its {len(here)} alternatives was ever measured"
    most = int(here[np.argmax(expected.count[here])])
    words = EVIDENCE_WORDS.get(evidence[most], "not enough evidence")
    return f"{words} ('{graph.network.alternatives[most].id}' has the most measurements: {int(expected.count[most]):,})"


def watch_points(
    graph: Graph,
    expected: Expected,
    route: Sequence[int],
    near: npt.NDArray[np.int64],
    windows: WindowSet | None,
) -> tuple[WatchPoint, ...]:
    """Return what to look at on the first parts: steps that are unsure, that yield least, that were hardly done, near a window's edge."""
    at = np.array(list(route), np.intp)
    alternatives = graph.network.alternatives
    d, y = expected.duration_min, expected.first_pass
    told: list[WatchPoint] = []

    def add(position: int, code: str, text: str, values: dict[str, float | str]) -> None:
        one = alternatives[position]
        told.append(WatchPoint(one.operation, one.id, code, f"{one.operation} on {one.work_unit}: {text}", values))

    half = (d.high - d.low)[at] / 2 / np.maximum(d.mean[at], 1e-9)
    for position in at[np.argsort(-half, kind="stable")[:1]]:
        low, high = float(d.low[position]), float(d.high[position])
        if (high - low) / 2 >= _WIDE * float(d.mean[position]):
            add(
                int(position),
                "wide_interval",
                f"it may take {low:.1f} to {high:.1f} minutes; time the first parts",
                {"low": low, "high": high},
            )
    for position in at[np.argsort(y.mean[at], kind="stable")[:_EACH]]:
        share = float(y.mean[position])
        if share < _LOW_YIELD:
            text = f"{100 * share:.1f} % are expected to pass at the first go; inspect each of the first parts"
            add(int(position), "low_yield", text, {"first_pass": share})
    for position in at[np.argsort(expected.count[at], kind="stable")[:_EACH]]:
        rows = int(expected.count[position])
        if rows < _FEW_ROWS:
            add(int(position), "few_rows", f"only {rows} measurements", {"count": float(rows)})
        elif not near[position]:
            add(int(position), "no_near_rows", "none of the nearest products was made on it", {"count": float(rows)})
    return tuple(told + _near_edges(graph, route, windows))


def _near_edges(graph: Graph, route: Sequence[int], windows: WindowSet | None) -> list[WatchPoint]:
    told: list[WatchPoint] = []
    for position in route:
        one = graph.network.alternatives[position]
        if windows is None or not one.parameters:
            continue
        try:
            window = windows.of(one.work_unit, one.program)
        except Rejected:
            continue
        for limit in window.parameters:
            value = one.parameters.get(limit.name, math.nan)
            if min(value - limit.low, limit.high - value) < _EDGE * (limit.high - limit.low):
                text = (
                    f"{one.operation} on {one.work_unit}: {limit.name} {value:g} {limit.unit} is near the edge of its process window, "
                    f"{limit.low:g} to {limit.high:g} {limit.unit}"
                )
                values: dict[str, float | str] = {"parameter": limit.name, "value": value, "low": limit.low, "high": limit.high}
                told.append(WatchPoint(one.operation, one.id, "near_window_edge", text, values))
    return told
