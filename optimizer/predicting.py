"""Measured history to what a product will take on each alternative: trained once, asked in milliseconds.

Durations, energy, wear and minutes of rework are modelled as logarithms, yield as log odds, for each operation by itself with all its
alternatives together (``pooled_regression.py``). Bounds are calibrated with products as units (``conformal.py``), what lies outside of
the measurements is told (``support.py``), and the level is that of the end of the history (``levels.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.cells import (
    LOGGED,
    Spans,
    Sums,
    Yields,
    first_means,
    gathered,
    least_of,
    logs_of,
    slices,
    spans_of,
    spread_around,
    yields_of,
)
from optimizer.conformal import bounds, folds_of, no_scores
from optimizer.features import Basis, basis_of
from optimizer.one_thread import one_thread
from optimizer.operation_models import HeldOut, LogModel, YieldModel, centre_of, fit_log, fit_odds, hold_out_log
from optimizer.pooled_yield import chance_of, expected_chance
from optimizer.predictions import Band, Draws, Evidence, Predictions
from optimizer.support import Support, judged, support_of
from plant.errors import Rejected
from plant.operation_history import OperationHistory
from plant.process_network import ProcessNetwork
from plant.products import ProductTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDS: Final = 10
_LEAST_ROWS: Final = 10
_LEAST_PRODUCTS: Final = 3
_MOST_UNSURE: Final = 0.35
"""Standard deviation of the logarithm of an expected duration beyond which nothing is chosen by it."""
_MOST_UNSURE_YIELD: Final = 0.2
_MOST_SCORED: Final = 300
"""Products by which intervals are calibrated; more sharpen nothing."""
_SHARE_SIDE: Final = 1.645


@dataclass(frozen=True, slots=True)
class OperationModel:
    """All that is known of one operation; alternatives are a slice of the network's."""

    alternatives: slice
    measures: Mapping[str, LogModel]
    """Of those that were measured."""
    odds: YieldModel


@dataclass(frozen=True, slots=True)
class LogDurations:
    """Logarithms of durations, products x alternatives; NaN where nothing was measured."""

    mean: Floats
    variance: Floats
    """How unsure the mean is for this product."""
    noise: Floats
    """Per alternative: variance of a single operation around it."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """What was learned. The same history and seed give the same."""

    alternatives: tuple[str, ...]
    basis: Basis
    support: Support
    operations: tuple[OperationModel, ...]
    """Those of which something was measured."""
    made: ProductTable
    """Products of the history."""
    count: Ints
    products_behind: Ints
    scrapped: Floats
    spans: Spans
    shifts: Floats
    """Per alternative: how far the logarithm of duration moved since the training, as a drift watch found."""
    version: str

    def predict(self, products: ProductTable) -> Predictions:
        """Return what is expected of products; of one that was made, with what is its own."""
        columns = self.basis.columns(products)
        shape = (len(products), len(self.alternatives))
        bands = {name: _empty_band(shape) for name in (*LOGGED, "first_pass")}
        unsure, unsure_yield = np.full(shape, np.inf), np.full(shape, np.inf)
        made = self._made(products)
        for operation in self.operations:
            at = operation.alternatives
            for name, model in operation.measures.items():
                band, spread = _log_band(model, columns, made)
                _put(bands[name], at, band)
                if name == "duration_min":
                    unsure[:, at] = spread
            band = _yield_band(operation.odds, columns, made)
            _put(bands["first_pass"], at, band)
            unsure_yield[:, at] = (band.high - band.low) / (2 * _SHARE_SIDE)
        if self.shifts.any():
            moved = np.exp(self.shifts)
            for name in ("duration_min",):
                bands[name] = Band(bands[name].mean * moved, bands[name].low * moved, bands[name].high * moved)
        evidence, about = self._evidence(products, unsure, unsure_yield)
        return Predictions(
            products.ids,
            self.alternatives,
            **bands,
            scrapped=self.scrapped,
            duration_unsure=unsure,
            count=self.count,
            products_behind=self.products_behind,
            evidence=evidence,
            about=about,
            version=self.version,
        )

    def draw(self, products: ProductTable, count: int, seed: int) -> Draws:
        """Return expected values as they may truly be; the same seed gives the same."""
        random = np.random.default_rng(seed)
        columns = self.basis.columns(products)
        made = self._made(products)
        shape = (count, len(products), len(self.alternatives))
        found = {name: np.full(shape, np.nan) for name in ("duration_min", "energy_kwh", "wear", "first_pass")}
        for operation in self.operations:
            # What nobody wrote down of a product lengthens its time and its energy alike.
            own = random.standard_normal((count, len(products)))
            for name in ("duration_min", "energy_kwh", "wear"):
                model = operation.measures.get(name)
                if model is not None:
                    logs = _drawn(model, model.coefficients - model.fit.coefficients, columns, made, own, random)
                    found[name][:, :, operation.alternatives] = np.exp(logs) * model.factor
            apart = random.standard_normal(own.shape)
            odds = _drawn(operation.odds, np.zeros(operation.odds.fit.base.shape), columns, made, apart, random)
            found["first_pass"][:, :, operation.alternatives] = chance_of(odds + operation.odds.shift)
        found["duration_min"] *= np.exp(self.shifts)
        return Draws(found["duration_min"], found["first_pass"], found["energy_kwh"], found["wear"])

    def log_durations(self, products: ProductTable) -> LogDurations:
        """Return what is expected of the logarithm of single durations, level shifts included."""
        columns, made = self.basis.columns(products), self._made(products)
        shape = (len(products), len(self.alternatives))
        mean, variance, noise = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[1], np.nan)
        for operation in self.operations:
            model = operation.measures.get("duration_min")
            if model is not None:
                at = operation.alternatives
                middle, unsure, own = _mean_and_variance(model, model.coefficients, columns, made)
                mean[:, at], variance[:, at], noise[at] = middle, unsure + own, model.noise
        return LogDurations(mean + self.shifts, variance, noise)

    def shifted(self, shifts: Mapping[str, float]) -> Predictor:
        """Return the same with durations of alternatives at a new level: logarithms added to what was moved before."""
        moved = self.shifts.copy()
        positions = {name: at for at, name in enumerate(self.alternatives)}
        for name, by in shifts.items():
            moved[positions[name]] += by
        told = hashlib.sha256(self.version.encode() + moved.tobytes()).hexdigest()[:16]
        return replace(self, shifts=moved, version=told)

    def _made(self, products: ProductTable) -> Ints:
        """Return where each product stands among those made, -1 where it is new or has other features now."""
        found = np.full(len(products), -1)
        for row, name in enumerate(products.ids):
            at = self.made.positions.get(name)
            if at is not None and self.made.at(at) == products.at(row):
                found[row] = at
        return found

    def _evidence(self, products: ProductTable, unsure: Floats, unsure_yield: Floats) -> tuple[NDArray[np.object_], tuple[str, ...]]:
        told = judged(self.support, self.basis, products)
        evidence = np.full(unsure.shape, Evidence.ENOUGH, dtype=object)
        evidence[(unsure > _MOST_UNSURE) | (unsure_yield > _MOST_UNSURE_YIELD)] = Evidence.TOO_UNSURE
        for row, (kind, _) in enumerate(told):
            if kind is not Evidence.ENOUGH:
                evidence[row] = kind
        evidence[:, self.products_behind < _LEAST_PRODUCTS] = Evidence.FEW_PRODUCTS
        evidence[:, self.count < _LEAST_ROWS] = Evidence.FEW_ROWS
        return evidence, tuple(text for _, text in told)


@one_thread()
def train(network: ProcessNetwork, products: ProductTable, history: OperationHistory, *, seed: int) -> Predictor:
    """Return what the history says of the network's alternatives; rows of products or alternatives not given are left out.

    Raises Rejected where nothing is left.
    """
    names = tuple(alternative.id for alternative in network.alternatives)
    rows = history.with_vocabularies(products.ids, names)
    if not len(rows):
        raise Rejected("the history holds no operation of these products on the network's alternatives: there is nothing to learn from")
    behind = np.bincount(rows.product, minlength=len(products))
    made = products.take(behind > 0)
    if len(made) < len(products):
        rows = rows.with_vocabularies(made.ids, names)
    random = np.random.default_rng(seed)
    basis = basis_of(made)
    columns = basis.columns(made)
    shape = (len(made), len(names))
    spans = spans_of(rows, *shape)
    yields = yields_of(rows, spans, shape)
    parts = _parts(network, yields)
    sums = {name: found for name in LOGGED if (found := _sums(rows, name, spans, columns, basis.groups, parts, shape)) is not None}
    folds = folds_of(np.arange(len(made)), _FOLDS, random)
    operations: list[OperationModel] = []
    held: dict[str, HeldOut] = {name: HeldOut(np.full(shape, np.nan), np.full(shape, np.nan)) for name in sums}
    for at, grows in parts:
        measures: dict[str, LogModel] = {}
        for name, of_all in sums.items():
            part = _part(of_all, at)
            if not part.count.any():
                continue
            grown = [basis.slopes(made, feature) for feature in grows.get(name, ()) if any(s.name == feature for s in basis.numbers)]
            measures[name] = fit_log(columns, basis.groups, part, grown)
            out = hold_out_log(columns, basis.groups, part, measures[name], folds, grown)
            held[name].centre[:, at], held[name].variance[:, at] = out.centre, out.variance
        part_yields = Yields(yields.count[:, at], yields.good[:, at])
        operations.append(OperationModel(at, measures, fit_odds(columns, basis.groups, part_yields, folds)))
    calibrated = _calibrated(rows, spans, operations, held, random)
    count = yields.count.sum(axis=(0, 2)).astype(np.int64)
    predictor = Predictor(
        names,
        basis,
        support_of(basis, made),
        calibrated,
        made,
        count,
        (yields.count.sum(axis=2) > 0).sum(axis=0).astype(np.int64),
        _scrapped(rows, count, parts),
        spans,
        np.zeros(len(names)),
        "",
    )
    return replace(predictor, version=_version(predictor))


def _parts(network: ProcessNetwork, yields: Yields) -> list[tuple[slice, Mapping[str, tuple[str, ...]]]]:
    """Return the alternatives of each operation of which something was measured, and what each grows with."""
    found: list[tuple[slice, Mapping[str, tuple[str, ...]]]] = []
    begin = 0
    for operation in network.operations:
        at = slice(begin, begin + len(operation.alternatives))
        begin = at.stop
        if yields.count[:, at].any():
            found.append((at, operation.increases_with))
    return found


def _sums(
    rows: OperationHistory,
    measure: str,
    spans: Spans,
    columns: Floats,
    groups: Ints,
    parts: list[tuple[slice, Mapping[str, tuple[str, ...]]]],
    shape: tuple[int, int],
) -> Sums | None:
    least = least_of(rows, measure)
    if least == 0.0:
        return None
    count, mean = first_means(rows, measure, least, shape)
    centre = np.zeros(shape)
    for at, _ in parts:
        if count[:, at].any():
            centre[:, at] = centre_of(columns, groups, count[:, at], mean[:, at])
    return gathered(rows, measure, least, spans, centre, spread_around(rows, measure, least, centre))


def _part(sums: Sums, at: slice) -> Sums:
    return Sums(sums.count[:, at], sums.total[:, at], sums.plain[:, at], sums.noise[at], sums.ratio_noise[at])


def _calibrated(
    rows: OperationHistory, spans: Spans, operations: list[OperationModel], held: Mapping[str, HeldOut], random: np.random.Generator
) -> tuple[OperationModel, ...]:
    """Return the operations with bounds that hold for products never made."""
    alternatives = next(iter(held.values())).centre.shape[1]
    products = len(rows.products)
    chosen = np.sort(random.permutation(products)[:_MOST_SCORED])
    seat = np.full(products, -1)
    seat[chosen] = np.arange(len(chosen))
    operation_of = np.full(alternatives, -1)
    for number, operation in enumerate(operations):
        operation_of[operation.alternatives] = number
    found = {number: dict(operation.measures) for number, operation in enumerate(operations)}
    for name, out in held.items():
        noise, level = np.full(alternatives, np.nan), np.zeros((alternatives, spans.count))
        for operation in operations:
            if name in operation.measures:
                noise[operation.alternatives] = operation.measures[name].noise
                level[operation.alternatives] = operation.measures[name].level
        spread = np.sqrt(out.variance + noise)
        scores = no_scores(alternatives, len(chosen))
        least = least_of(rows, name)
        for part in slices(rows):
            at, _, logs = logs_of(rows, name, part, least)
            product, alternative = rows.product[part][at].astype(np.int64), rows.alternative[part][at].astype(np.int64)
            seated = seat[product] >= 0
            at, logs, product, alternative = at[seated], logs[seated], product[seated], alternative[seated]
            moved = level[alternative, spans.of(rows.started_us[part][at])]
            scores.add(alternative, seat[product], (logs - moved - out.centre[product, alternative]) / spread[product, alternative])
        low, high = bounds(scores, operation_of)
        for number, operation in enumerate(operations):
            if name in operation.measures:
                found[number][name] = replace(operation.measures[name], low=low[operation.alternatives], high=high[operation.alternatives])
    return tuple(replace(operation, measures=found[number]) for number, operation in enumerate(operations))


def _scrapped(rows: OperationHistory, count: Ints, parts: list[tuple[slice, Mapping[str, tuple[str, ...]]]]) -> Floats:
    """Return the probability of scrap per alternative; few rows lean on their operation."""
    scrapped = np.zeros(len(count))
    if rows.scrapped.strides != (0,):
        for part in slices(rows):
            scrapped += np.bincount(rows.alternative[part], rows.scrapped[part], minlength=len(count))
    found = np.zeros(len(count))
    for at, _ in parts:
        usual = scrapped[at].sum() / max(1.0, float(count[at].sum()))
        found[at] = (scrapped[at] + 50.0 * usual) / (count[at] + 50.0)
    return found


def _mean_and_variance(model: LogModel | YieldModel, coefficients: Floats, columns: Floats, made: Ints) -> tuple[Floats, Floats, Floats]:
    """Return the answer, its variance, and what besides is a product's own and not known; products x alternatives."""
    mean = columns @ coefficients.T
    variance = model.fit.variances(columns)
    own = np.full(mean.shape, model.unknown)
    known = made >= 0
    if known.any():
        mean[known] += model.effects[made[known]]
        variance[known] = model.effect_variance[made[known]]
        own[known] = 0.0
    return mean, variance, own


def _log_band(model: LogModel, columns: Floats, made: Ints) -> tuple[Band, Floats]:
    mean, variance, own = _mean_and_variance(model, model.coefficients, columns, made)
    spread = np.sqrt(variance + own + model.noise)
    expected = np.exp(mean + 0.5 * own) * model.factor
    band = Band(expected, np.exp(mean + model.low * spread), np.exp(mean + model.high * spread))
    # A long tail can lift the mean above where most lie; a bound on the wrong side of the mean would tell nobody anything.
    ordered = Band(expected, np.minimum(band.low, expected), np.maximum(band.high, expected))
    return ordered, np.sqrt(variance + np.minimum(own, model.fit.spread.cell))


def _yield_band(model: YieldModel, columns: Floats, made: Ints) -> Band:
    mean, variance, own = _mean_and_variance(model, model.fit.coefficients, columns, made)
    mean = mean + model.shift
    spread = np.sqrt(variance + own)
    return Band(expected_chance(mean, variance + own), chance_of(mean - _SHARE_SIDE * spread), chance_of(mean + _SHARE_SIDE * spread))


def _drawn(model: LogModel | YieldModel, bent: Floats, columns: Floats, made: Ints, own: Floats, random: np.random.Generator) -> Floats:
    """Return answers as they may be, draws x products x alternatives; ``own``: what is each product's own, in spreads."""
    answers: Floats = np.einsum("pd,nad->npa", columns, model.fit.drawn(len(own), random) + bent, optimize=True)
    apart = random.standard_normal(answers.shape)
    spread = model.fit.spread
    answers += np.sqrt(spread.product) * own[:, :, None] + np.sqrt(spread.cell) * apart
    known = made >= 0
    if known.any():
        at = made[known]
        mean = columns[known] @ (model.fit.coefficients + bent).T + model.effects[at]
        answers[:, known] = mean + np.sqrt(model.effect_variance[at]) * apart[:, known]
    return answers


def _empty_band(shape: tuple[int, int]) -> Band:
    return Band(np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan))


def _put(band: Band, at: slice, part: Band) -> None:
    band.mean[:, at], band.low[:, at], band.high[:, at] = part.mean, part.low, part.high


def _version(predictor: Predictor) -> str:
    """Return a hash of all that predicts."""
    told = hashlib.sha256()
    for operation in predictor.operations:
        for name, model in sorted(operation.measures.items()):
            told.update(name.encode())
            for column in (model.coefficients, model.factor, model.low, model.high, model.effects):
                told.update(np.ascontiguousarray(column).tobytes())
        told.update(np.ascontiguousarray(operation.odds.fit.coefficients).tobytes())
    return told.hexdigest()[:16]
