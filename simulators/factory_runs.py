"""Operations played one after the other by the hidden truth: a history that planners made, or what somebody else chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from plant.operation_history import OperationHistory, operation_history
from simulators.factory_planner import Works
from simulators.factory_shape import NEW_CELL_DAY, OPERATIONS
from simulators.factory_truth import BEGIN_US, DAY_US, NOW_US, REWORK_FIXED_MIN, REWORK_SHARE, Codes, Floats, stream

ROUTES_EACH = 60
_LATE_ROUTES = 6
"""Of them, so many were made when the newest cell was there."""
_LOST_ENERGY, _LOST_WEAR = 0.03, 0.05
"""Shares of rows in which the meter said nothing."""
_CUT, _WELD = OPERATIONS.index("cut"), OPERATIONS.index("weld")
MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The routes that the plant uses."""

    product: Codes
    routes: Codes
    """One a row: alternatives by operation, -1 where one is not done."""
    from_us: npt.NDArray[np.int64]
    uses: Codes
    """How often each is used in the history."""

    def names(self, works: Works) -> list[dict[str, object]]:
        """Return the routes as network.json says them."""
        ids, listed = works.truth.products.ids, works.network.alternatives
        return [
            {"id": f"R{at + 1:05d}", "product": ids[product], "alternatives": [listed[a].id for a in route if a >= 0]}
            for at, (product, route) in enumerate(zip(self.product.tolist(), self.routes.tolist(), strict=True))
        ]

    def current(self, works: Works) -> dict[str, str]:
        """Return for each product made the route that is used most."""
        told = {}
        for product in np.unique(self.product):
            mine = np.flatnonzero(self.product == product)
            told[works.truth.products.ids[product]] = f"R{mine[int(self.uses[mine].argmax())] + 1:05d}"
        return told


def catalogue_of(works: Works, rows: int) -> Catalogue:
    """Return the routes that planners made for the products made, used so often that there are about ``rows`` operations."""
    rng = stream(works.truth.seed, "catalogue")
    each = int(np.clip(rows // (8 * 100), 1, ROUTES_EACH))
    late = _LATE_ROUTES if each == ROUTES_EACH else each // 10
    products, routes, since = [], [], []
    for product in np.flatnonzero(works.truth.products.made):
        early = _distinct(works, int(product), each - late, rng, BEGIN_US, None)
        both = _distinct(works, int(product), each, rng, NOW_US, early) if late else early
        products.append(np.full(len(both), product))
        routes.append(both)
        since.append(np.where(np.arange(len(both)) < len(early), BEGIN_US, BEGIN_US + NEW_CELL_DAY * DAY_US))
    made = np.concatenate(routes)
    done = (made >= 0).sum(axis=1).mean() * len(made)
    uses = np.maximum(1, np.round(rng.integers(2, 7, len(made)) * rows / (4 * done))).astype(np.int64)
    return Catalogue(np.concatenate(products), made, np.concatenate(since), uses)


def _distinct(works: Works, product: int, count: int, rng: np.random.Generator, time_us: int, known: Codes | None) -> Codes:
    found = {} if known is None else dict.fromkeys(map(tuple, known.tolist()))
    for _ in range(200):
        found |= dict.fromkeys(map(tuple, works.draw(product, count, rng, time_us).tolist()))
        if len(found) >= count:
            break
    return np.array(list(found)[:count])


def orders_of(catalogue: Catalogue, seed: int) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Return the route and start of each order, by time."""
    rng = stream(seed, "orders")
    route = np.repeat(np.arange(len(catalogue.uses)), catalogue.uses)
    begin = catalogue.from_us[route]
    start = begin + (rng.random(len(route)) * (NOW_US - begin)).astype(np.int64)
    at = np.argsort(start, kind="stable")
    return route[at], start[at]


def history_of(works: Works, rows: int, *, chunk: int = 250_000) -> tuple[Catalogue, Iterator[OperationHistory]]:
    """Return the catalogue and the history in parts, by time; planners chose, and how probable each choice was is told."""
    catalogue = catalogue_of(works, rows)
    route, start = orders_of(catalogue, works.truth.seed)
    odds = _propensities(catalogue)

    def parts() -> Iterator[OperationHistory]:
        rng = stream(works.truth.seed, "operations")
        for begin in range(0, len(route), chunk):
            mine = route[begin : begin + chunk]
            early = (start[begin : begin + chunk] < BEGIN_US + NEW_CELL_DAY * DAY_US).astype(int)
            yield _played(
                works, catalogue.product[mine], catalogue.routes[mine], start[begin : begin + chunk], rng,
                first=begin, propensity=odds[early, mine], decided_by="planner",
            )  # fmt: skip

    return catalogue, parts()


def _propensities(catalogue: Catalogue) -> Floats:
    """How probable each step of each route is among the routes of its product: late (0) and early (1), by use."""
    late = catalogue.from_us > BEGIN_US
    span = (NOW_US - catalogue.from_us) / DAY_US
    made = np.ones((2, *catalogue.routes.shape))
    for early in (0, 1):
        rate = catalogue.uses / span * (~late if early else 1.0)
        for product in np.unique(catalogue.product):
            mine = np.flatnonzero(catalogue.product == product)
            for at in range(catalogue.routes.shape[1]):
                chosen = catalogue.routes[mine, at]
                total = rate[mine][chosen >= 0].sum()
                for alternative in np.unique(chosen[chosen >= 0]):
                    same = mine[chosen == alternative]
                    made[early, same, at] = max(rate[same].sum() / total, 1e-9) if total > 0 else 1.0
    return made


def _played(
    works: Works, product: Codes, routes: Codes, start_us: npt.NDArray[np.int64], rng: np.random.Generator,
    *, first: int = 0, propensity: Floats | None = None, decided_by: str = "planner", extra: Floats | None = None,
) -> OperationHistory:  # fmt: skip
    """Return what happened: one row for each operation of each order, order by order. ``extra``: log factors besides the truth's drift."""
    truth = works.truth
    order, step = np.nonzero(routes >= 0)
    alternative, made = routes[order, step], product[order]
    pair = np.zeros(len(order))
    welded = step == _WELD
    pair[welded] = truth.pair_log[routes[order[welded], _CUT], alternative[welded]]
    shift = truth.drift(alternative, start_us[order]) + pair + (0.0 if extra is None else extra[alternative])
    n = len(order)
    noise = rng.normal(0, 1, n) * truth.log_sigma[alternative]
    delay = np.where(rng.random(n) < truth.delay_share, rng.exponential(truth.delay_mean or 1.0, n), 0.0)
    minutes = np.exp(truth.log_minutes[made, alternative] + shift + noise) * (1 + delay)
    good = rng.random(n) < truth.first_pass[made, alternative]
    rework = np.where(good, 0.0, (REWORK_FIXED_MIN + REWORK_SHARE * minutes) * rng.lognormal(-0.02, 0.2, n))
    scrapped = ~good & (rng.random(n) < 0.01)
    energy = truth.energy_kwh[made, alternative] * np.exp(shift) * rng.lognormal(-0.0032, 0.08, n)
    wear = truth.wear[made, alternative] * rng.lognormal(-0.005, 0.1, n)
    energy[rng.random(n) < _LOST_ENERGY] = np.nan
    wear[rng.random(n) < _LOST_WEAR] = np.nan
    current = np.array([a.parameters.get("current_a", np.nan) for a in works.network.alternatives])[alternative]
    columns = {
        "product": made,
        "alternative": alternative,
        "started_us": _starts(order, start_us, minutes + rework),
        "duration_min": minutes,
        "first_pass": good,
        "rework_min": rework,
        "energy_kwh": energy,
        "wear": wear,
        "scrapped": scrapped,
        "order": order,
        "serial": order,
        "decided_by": np.zeros(n),
    }
    if propensity is not None:
        columns["propensity"] = propensity[order, step]
    names = [f"J{first + at + 1:07d}" for at in range(len(routes))]
    return operation_history(
        truth.products.ids,
        tuple(a.id for a in works.network.alternatives),
        columns,
        orders=names,
        serials=[f"S{name[1:]}" for name in names],
        deciders=(decided_by,),
        parameters={"current_a": current * rng.normal(1, 0.01, n)},
    )


def _starts(order: Codes, start_us: npt.NDArray[np.int64], minutes: Floats) -> npt.NDArray[np.int64]:
    """Each operation starts when the one before it in its order ended."""
    ended = np.cumsum(minutes)
    before = ended - minutes
    head = np.searchsorted(order, order)
    return start_us[order] + ((before - before[head]) * MINUTE_US).astype(np.int64)


@dataclass
class Floor:
    """A shop floor that does what it is told, for evaluations that go on in time. Each call gives new chance."""

    works: Works
    seed: int
    time_us: int = NOW_US
    _done: int = 0
    _rng: np.random.Generator = field(init=False)
    _extra: Floats = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.works.truth.seed, self.seed, 77])
        self._extra = np.zeros(len(self.works.network.alternatives))

    def worsen(self, work_unit: str, factor: float) -> None:
        """Make a work unit slower from now on (faster where below 1)."""
        for at, alternative in enumerate(self.works.network.alternatives):
            if alternative.work_unit == work_unit:
                self._extra[at] += np.log(factor)

    def true_costs(self) -> Floats:
        """Return the true expected cost of each product by each alternative now."""
        return self.works.costs(self.time_us, np.exp(self._extra))

    def perform(
        self, product: str, route: tuple[str, ...], *, decided_by: str = "planner", propensity: dict[str, float] | None = None
    ) -> OperationHistory:
        """Return what one order really took: a row for each operation; time goes on by its duration."""
        at = self.works.network.positions
        row = np.full((1, len(OPERATIONS)), -1)
        for alternative in route:
            row[0, self.works.truth.operation[at[alternative]]] = at[alternative]
        odds = None
        if propensity is not None:
            odds = np.array([[propensity.get(self.works.network.alternatives[a].id, np.nan) if a >= 0 else np.nan for a in row[0]]])
        made = np.array([self.works.products.positions[product]])
        told = _played(
            self.works, made, row, np.array([self.time_us]), self._rng,
            first=10_000_000 + self._done, propensity=odds, decided_by=decided_by, extra=self._extra,
        )  # fmt: skip
        self._done += 1
        self.time_us = int(told.started_us[-1]) + int(
            (float(told.duration_min[-1]) + float(np.nan_to_num(told.rework_min[-1]))) * MINUTE_US
        )
        return told
