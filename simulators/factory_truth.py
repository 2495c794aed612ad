"""The hidden truth of a simulated factory: what each way to do an operation really takes for each product.

``plain``: smooth laws and log-normal scatter. ``harsh``: besides, products of features and steps in them, a feature that nobody measures,
operations that influence each other, and outliers. The truth is frozen: VERSION and a pinned hash say so, and predictions are developed
on seeds from 1001 on.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators.factory_shape import BEGIN, DAYS, FEATURES, GRADES, GROWS, NEW_CELL, OPERATIONS, alternatives, operation_codes

VERSION: Final = 1
MODELS: Final = 100
NEW: Final = 60
"""Products never made, like the others."""
OUTSIDE: Final = 4
"""Products never made that are far larger than all that were: no honest answer is possible."""
DAY_US: Final = 86_400_000_000
BEGIN_US: Final = int(BEGIN.timestamp()) * 1_000_000
NOW_US: Final = BEGIN_US + DAYS * DAY_US
WORSE_DAY: Final = 235
"""When one welding cell becomes slower."""
WORSE: Final = 1.15
REWORK_FIXED_MIN: Final = 60.0
REWORK_SHARE: Final = 0.8

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_FAMILIES: Final = ("compact", "midi", "standard", "large", "mining")
_FAMILY_FROM_T: Final = (9.0, 14.0, 20.0, 26.0)
_HARDNESS: Final = (0.0, 0.7, 1.1)
_GRADE_SHARES: Final = (0.6, 0.3, 0.1)
_MIDDLE: Final = np.array([17.5, 25.0, 0.3, 60.0, 250.0, 0.0])
_SPREAD: Final = np.array([8.0, 10.0, 0.55, 25.0, 95.0, 1.0])


class Kind(StrEnum):
    """Which truth."""

    PLAIN = "plain"
    HARSH = "harsh"


@dataclass(frozen=True, slots=True)
class Products:
    """Products as columns; those made first, then those never made."""

    ids: tuple[str, ...]
    families: tuple[str, ...]
    features: Floats
    """One column for each of ``FEATURES``; the grade as a position in ``GRADES``."""
    made: npt.NDArray[np.bool_]
    outside: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true, as tables of products (rows) by alternatives (columns)."""

    seed: int
    kind: Kind
    products: Products
    operation: Codes
    """Of each alternative: position in ``OPERATIONS``."""
    unit: Codes
    """Of each alternative: its work unit as a number."""
    log_minutes: Floats
    """Natural logarithm of the median duration, before drift."""
    first_pass: Floats
    energy_kwh: Floats
    """Mean, before drift."""
    wear: Floats
    log_sigma: Floats
    """Of each alternative."""
    delay_share: float
    """Share of operations that are delayed."""
    delay_mean: float
    """Mean of what a delay adds, as a share of the duration."""
    pair_log: Floats
    """Log factor on a cell's welding time by cutting alternative (rows) and welding alternative (columns); 0 where there is none."""
    wave: Floats
    """Of each work unit: amplitude and phase of its slow drift."""
    worse_unit: int
    since_us: npt.NDArray[np.int64]
    """Of each alternative."""

    def drift(self, alternative: Codes, time_us: npt.NDArray[np.int64] | int) -> Floats:
        """Return the log factor on durations at a time."""
        days = (np.asarray(time_us, np.float64) - BEGIN_US) / DAY_US
        unit = self.unit[alternative]
        slow = self.wave[unit, 0] * np.sin(2 * np.pi * (days / 200.0 + self.wave[unit, 1]))
        worse = np.where((unit == self.worse_unit) & (days >= WORSE_DAY), np.log(WORSE), 0.0)
        return np.asarray(slow + worse, np.float64)

    def minutes(self, time_us: int = NOW_US) -> Floats:
        """Return the mean duration of each product by each alternative at a time."""
        mean = np.exp(self.log_sigma**2 / 2) * (1 + self.delay_share * self.delay_mean)
        shift = self.drift(np.arange(len(self.operation)), time_us)
        return np.asarray(np.exp(self.log_minutes + shift) * mean, np.float64)

    def allowed_now(self, time_us: int) -> npt.NDArray[np.bool_]:
        """Return which alternatives there are at a time."""
        return np.asarray(self.since_us <= time_us, np.bool_)


def truth_of(seed: int, kind: Kind = Kind.PLAIN) -> Truth:
    """Return the truth that a seed gives; the same in each run."""
    listed = alternatives()
    operation = np.array(operation_codes(listed))
    units = sorted({str(a["work_unit"]) for a in listed})
    unit = np.array([units.index(str(a["work_unit"])) for a in listed])
    products = _products(stream(seed, "products"))
    z = standard(products.features)
    harsh = kind is Kind.HARSH
    log_minutes = _durations(stream(seed, "durations"), z, operation)
    quality = _quality(stream(seed, "quality"), z, operation)
    if harsh:
        more_log, more_quality = _surprises(stream(seed, "surprises"), z, operation)
        log_minutes, quality = log_minutes + more_log, quality + more_quality
    rng = stream(seed, "wear")
    k = len(operation)
    energy = np.exp(log_minutes) * rng.uniform(0.5, 1.5, k)
    wear = np.exp(0.4 * log_minutes + rng.normal(0, 0.25, k) + 0.15 * z[:, [1]]) * 0.15
    rng = stream(seed, "drift")
    wave = np.column_stack([rng.uniform(0.0, 0.03, len(units)), rng.random(len(units))])
    cells = [n for n, name in enumerate(units) if name.startswith("welding/cell-") and not name.endswith(NEW_CELL)]
    since = np.array([BEGIN_US if "since" not in a else BEGIN_US + 250 * DAY_US for a in listed])
    return Truth(
        seed=seed,
        kind=kind,
        products=products,
        operation=operation,
        unit=unit,
        log_minutes=log_minutes,
        first_pass=1 / (1 + np.exp(-quality)),
        energy_kwh=energy,
        wear=wear,
        log_sigma=stream(seed, "scatter").uniform(0.09, 0.15, k),
        delay_share=0.04 if harsh else 0.0,
        delay_mean=0.8 if harsh else 0.0,
        pair_log=_pairs(stream(seed, "pairs"), operation, unit) if harsh else np.zeros((k, k)),
        wave=wave,
        worse_unit=int(rng.choice(cells)),
        since_us=since,
    )


def stream(seed: int, subject: str) -> np.random.Generator:
    """Return random numbers of their own for a subject, so that a change of one leaves the others as they are."""
    return np.random.default_rng([VERSION, seed, zlib.crc32(subject.encode())])


def standard(features: Floats) -> Floats:
    """Return features as the laws take them: the middle is 0, a usual spread is 1."""
    told = features.copy()
    told[:, 2] = np.asarray(_HARDNESS)[features[:, 2].astype(int)]
    return np.asarray((told - _MIDDLE) / _SPREAD, np.float64)


def _products(rng: np.random.Generator) -> Products:
    inside = _drawn(rng, rng.uniform(5.0, 30.0, MODELS + NEW))
    outside = _drawn(rng, rng.uniform(55.0, 75.0, OUTSIDE))
    features = np.concatenate([inside, outside])
    n = len(features)
    families = tuple(_FAMILIES[sum(tonnage >= edge for edge in _FAMILY_FROM_T)] for tonnage in features[:, 0])
    names = [f"M{at + 1:03d}" if at < MODELS else f"N{at + 1 - MODELS:02d}" for at in range(n)]
    return Products(tuple(names), families, features, np.arange(n) < MODELS, np.arange(n) >= MODELS + NEW)


def _drawn(rng: np.random.Generator, tonnage: Floats) -> Floats:
    n = len(tonnage)
    plate = np.clip(4 + 1.2 * tonnage + rng.normal(0, 4, n), 4, None)
    grade = rng.choice(len(GRADES), n, p=_GRADE_SHARES).astype(float)
    weld = np.clip(8 + 3 * tonnage + rng.normal(0, 6, n), 3, None)
    bolts = np.clip(40 + 12 * tonnage + rng.normal(0, 30, n), 10, None)
    drawn = np.column_stack([tonnage, plate, grade, weld, bolts, rng.normal(0, 1, n)])
    return np.column_stack([np.round(column, digits) for column, digits in zip(drawn.T, (2, 1, 0, 1, 0, 2), strict=True)])


def _durations(rng: np.random.Generator, z: Floats, operation: Codes) -> Floats:
    k = len(operation)
    slopes = rng.normal(0.17, 0.085, (k, z.shape[1]))
    for name, features in GROWS.items():
        for feature in features:
            at = FEATURES.index(feature)
            rows = operation == OPERATIONS.index(name)
            slopes[rows, at] = np.maximum(slopes[rows, at], 0.03)
    level = rng.normal(3.0, 0.13, k)
    parts = np.isin(operation, [OPERATIONS.index("weld-root"), OPERATIONS.index("weld-fill")])
    return np.asarray(np.where(parts, level - 0.85, level) + z @ slopes.T, np.float64)


def _quality(rng: np.random.Generator, z: Floats, operation: Codes) -> Floats:
    k = len(operation)
    direction = rng.normal(0, 1, (k, z.shape[1])) / z.shape[1] ** 0.5
    best = rng.uniform(-1.4, 1.4, k)
    steep = rng.uniform(0.25, 0.8, k)
    level = rng.normal(3.4, 0.5, k)
    parts = np.isin(operation, [OPERATIONS.index("weld-root"), OPERATIONS.index("weld-fill")])
    return np.asarray(np.where(parts, level + 0.6, level) - steep * np.clip(z @ direction.T - best, -3, 3) ** 2, np.float64)


def _surprises(rng: np.random.Generator, z: Floats, operation: Codes) -> tuple[Floats, Floats]:
    """What no additive law holds: products of two features, a step at thick plates, a feature nobody measures, and chance by product."""
    k, features = len(operation), z.shape[1]
    more_log = np.zeros((len(z), k))
    cut = np.clip(z, -2.5, 2.5)
    for at in range(k):
        first, second = rng.choice(features, 2, replace=False)
        more_log[:, at] = rng.normal(0, 0.05) * cut[:, first] * cut[:, second] + rng.normal(0, 0.05) * (z[:, 1] > rng.uniform(-0.8, 0.8))
    unseen = rng.normal(0, 1, (len(z), 1))
    more_log += unseen * rng.normal(0, 0.015, k) + rng.normal(0, 0.01, more_log.shape)
    first, second = rng.integers(0, features, (2, k))
    more_quality = rng.normal(0, 0.15, k) * cut[:, first] * cut[:, second] + unseen * rng.normal(0, 0.1, k)
    return more_log, np.asarray(more_quality, np.float64)


def _pairs(rng: np.random.Generator, operation: Codes, unit: Codes) -> Floats:
    """How a cut edge changes the time of welding in a cell: the same for all programs of the cell."""
    k = len(operation)
    made = np.zeros((k, k))
    cuts, welds = np.flatnonzero(operation == OPERATIONS.index("cut")), np.flatnonzero(operation == OPERATIONS.index("weld"))
    cells = sorted(set(unit[welds].tolist()))
    effect = rng.normal(0, 0.04, (len(cuts), len(cells)))
    effect -= effect.mean(axis=0)
    made[np.ix_(cuts, welds)] = effect[:, [cells.index(int(cell)) for cell in unit[welds]]]
    return made
