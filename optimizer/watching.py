"""Predicted against what came: how often intervals held, which alternatives moved, what recommendations really brought."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import structlog

from optimizer.drift import DriftWatch, followed
from optimizer.knowledge import Basis, Knowledge, with_predictor
from optimizer.predictions import Band, Predictions
from optimizer.realised import OrderCosts, realised_gain
from plant.clock import Clock
from plant.operation_history import OperationHistory
from plant.recommendations import Stage
from storage.database import Connection
from storage.operation_history import read_history, read_pieces
from storage.optimizer_watch import Drift, read_mark, write_drifts, write_mark
from storage.products import write_current_routes
from storage.recommendations import (
    CoverageRow,
    RouteModel,
    StoredRecommendation,
    change_stage,
    read_coverage,
    read_recommendations,
    write_coverage,
    write_model,
    write_realised_gain,
)

_MARK: Final = "watch"
_AT_ONCE: Final = 5000
"""Rows looked at in one step: who asks meanwhile waits no longer."""
_MEASURES: Final = ("duration_min", "energy_kwh", "wear")
_WATCHED: Final = (Stage.APPROVED, Stage.ACCEPTED, Stage.EXECUTED, Stage.MEASURED)
_MEASURED_ORDERS: Final = 30
"""So many orders say what a recommendation brought."""


class Watching:
    """Looks at each row of the history that came after what was learned, once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._drift = DriftWatch()
        self._version = ""
        self._basis: Basis | None = None
        self._predicted: Predictions | None = None
        self._counts: dict[tuple[str, str, str], tuple[int, int, float]] = {}

    def step(self, connection: Connection, known: Knowledge) -> Knowledge | None:
        """Look at the next rows; return what is known after them, None where there were no more.

        Where a machine works at another level than was learned, what is known has another version afterwards.
        """
        after = max(read_mark(connection, _MARK), known.basis.mark)
        found = next(read_pieces(connection, after=after, most=_AT_ONCE), None)
        if found is None:
            return None
        history, mark = found
        predicted = self._predictions(connection, known)
        fresh = history.with_vocabularies(known.products.ids, predicted.alternatives)
        counted = self._coverage(known, predicted, fresh)
        with connection.transaction():
            write_coverage(connection, [self._row(known, key) for key in counted])
            self._realise(connection, known, fresh)
            now = self._levelled(connection, known, fresh)
            write_mark(connection, _MARK, mark)
        return now

    def _levelled(self, connection: Connection, known: Knowledge, fresh: OperationHistory) -> Knowledge:
        """Return what is known with machines at the level at which they work now."""
        before = known.adviser.predictor
        self._drift, after, changes = followed(self._drift, known.network, before, known.products, fresh)
        if not changes:
            return known
        now_us = self._clock.now_us()
        total = np.exp(after.shifts - before.shifts)
        drifts = [
            Drift(name, "duration_min", before.version, now_us, float(total[at]), sum(c.rows for c in changes if name in c.alternatives))
            for at, name in enumerate(after.alternatives)
            if total[at] != 1.0
        ]
        write_drifts(connection, drifts)
        moved = {one.alternative: round(100 * (one.ratio - 1), 1) for one in drifts}
        figures = {"version": after.version, "of": before.version, "moved_percent": moved}
        write_model(connection, RouteModel(after.version, now_us, known.rows, len(known.products), known.first_us, known.last_us, figures))
        structlog.get_logger(process="optimizer").info("machines work at another level", moved_percent=moved, version=after.version)
        return replace(known, adviser=with_predictor(known.adviser, after))

    def _predictions(self, connection: Connection, known: Knowledge) -> Predictions:
        if self._predicted is None or self._version != known.version:
            self._predicted = known.adviser.predictor.predict(known.products)
            if self._basis is not known.basis:
                self._basis, self._drift = known.basis, DriftWatch()
            self._version = known.version
            rows = read_coverage(connection, model_version=known.version)
            self._counts = {(row.operation, row.family, row.measure): (row.n, row.inside, (row.width or 0.0) * row.n) for row in rows}
        return self._predicted

    def _coverage(self, known: Knowledge, predicted: Predictions, fresh: OperationHistory) -> list[tuple[str, str, str]]:
        """Count what lay inside; return which counts changed. Where there was not enough evidence, nothing was promised."""
        supported = predicted.supported[fresh.product, fresh.alternative]
        operations = [alternative.operation for alternative in known.network.alternatives]
        changed = []
        for measure in _MEASURES:
            band: Band = getattr(predicted, measure)
            value = np.asarray(getattr(fresh, measure), np.float64)
            low, high = band.low[fresh.product, fresh.alternative], band.high[fresh.product, fresh.alternative]
            judged = supported & np.isfinite(value) & np.isfinite(low) & np.isfinite(high)
            inside = judged & (low <= value) & (value <= high)
            families = np.array([known.products.families[at] for at in fresh.product[judged]], object)
            steps = np.array([operations[at] for at in fresh.alternative[judged]], object)
            for step, family in sorted(set(zip(steps, families, strict=True))):
                some = (steps == step) & (families == family)
                key = (str(step), str(family), measure)
                n, good, width = self._counts.get(key, (0, 0, 0.0))
                fresh_width = float((high - low)[judged][some].sum())
                self._counts[key] = (n + int(some.sum()), good + int(inside[judged][some].sum()), width + fresh_width)
                changed.append(key)
        return changed

    def _row(self, known: Knowledge, key: tuple[str, str, str]) -> CoverageRow:
        n, inside, width = self._counts[key]
        return CoverageRow(self._clock.now_us(), known.version, *key, n, inside, width / max(n, 1))

    def _realise(self, connection: Connection, known: Knowledge, fresh: OperationHistory) -> None:
        made = {known.products.ids[at] for at in np.unique(fresh.product)}
        for one in read_recommendations(connection, stages=_WATCHED):
            if one.recommendation.product in made:
                self._realise_one(connection, known, one)

    def _realise_one(self, connection: Connection, known: Knowledge, one: StoredRecommendation) -> None:
        """Compare the orders made by the recommended route since it was approved with what was expected of the route before it."""
        said, now_us = one.recommendation, self._clock.now_us()
        history, _ = read_history(
            connection, products=[said.product], from_us=one.stage_us if one.realised is None else one.realised.from_us
        )
        costs = OrderCosts.of(known.network, history, said.route)
        gain = realised_gain(said, costs, now_us)
        if gain is None:
            return
        if one.stage in {Stage.APPROVED, Stage.ACCEPTED}:
            change_stage(connection, one.id, Stage.EXECUTED, time_us=now_us)
            write_current_routes(connection, {said.product: (said.route_id or "", said.route)}, actor="optimizer", now_us=now_us)
        elif one.stage is Stage.EXECUTED and gain.orders >= _MEASURED_ORDERS:
            change_stage(connection, one.id, Stage.MEASURED, time_us=now_us)
        write_realised_gain(connection, one.id, gain)
