"""What operations really took: one row for each operation done, as columns; 20 million rows fit into a gigabyte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

NOT_TOLD: Final = -1
"""In a column of codes: the row does not say."""
_EARLIEST_US: Final = 315_532_800_000_000
"""1980."""
_LATEST_US: Final = 4_102_444_800_000_000
"""2100."""
_VOCABULARIES: Final = {
    "product": "products",
    "alternative": "alternatives",
    "order": "orders",
    "serial": "serials",
    "decided_by": "deciders",
}
_MUST_BE_TOLD: Final = ("product", "alternative")

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OperationHistory:
    """Operations done, as columns of equal length. NaN is: not measured. Codes are positions in their vocabulary."""

    products: tuple[str, ...]
    alternatives: tuple[str, ...]
    """The operation is not kept: an alternative is one way to do one operation."""
    product: Codes
    alternative: Codes
    started_us: npt.NDArray[np.int64]
    """UTC."""
    duration_min: Floats
    """Without rework; always there, and above 0."""
    first_pass: npt.NDArray[np.bool_]
    """Whether it was right the first time."""
    rework_min: Floats
    energy_kwh: Floats
    wear: Floats
    propensity: Floats
    """How probable this alternative was when it was chosen, 0 to 1."""
    scrapped: npt.NDArray[np.bool_]
    order: Codes
    """The job order; rows of one order and product are one run of a route. NOT_TOLD where not known."""
    serial: Codes
    decided_by: Codes
    orders: tuple[str, ...] = ()
    """Their names; empty where ``order`` was read as bare numbers, to save room."""
    serials: tuple[str, ...] = ()
    deciders: tuple[str, ...] = ()
    parameters: Mapping[str, Floats] = field(default_factory=dict)
    """By name: what a parameter really was (``p_current_a`` of a file is ``current_a`` here)."""

    def __post_init__(self) -> None:
        n = len(self.product)
        for name, column in self._columns().items():
            if len(column) != n:
                raise ValueError(f"column '{name}' holds {len(column)} operations, 'product' holds {n}")
        for name, vocabulary in _VOCABULARIES.items():
            codes, known = getattr(self, name), len(getattr(self, vocabulary))
            if not n or (not known and name not in _MUST_BE_TOLD):
                continue
            least = 0 if name in _MUST_BE_TOLD else NOT_TOLD
            if int(codes.min()) < least or int(codes.max()) >= known:
                raise ValueError(f"column '{name}' holds codes that its vocabulary of {known} does not know")

    def __len__(self) -> int:
        return len(self.product)

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Self:
        """Return the chosen operations (a mask, positions or a slice), in the order chosen, with the same vocabularies."""
        told: dict[str, Any] = {name: column[chosen] for name, column in self._columns(parameters=False).items()}
        return replace(self, **told, parameters={name: column[chosen] for name, column in self.parameters.items()})

    def of(self, alternative: str) -> Self:
        """Return what was done by one alternative; empty where nothing was."""
        if alternative not in self.alternatives:
            return self.take(slice(0, 0))
        return self.take(self.alternative == self.alternatives.index(alternative))

    def with_vocabularies(self, products: Sequence[str], alternatives: Sequence[str]) -> Self:
        """Return the same rows with codes by these vocabularies; rows of products or alternatives that they lack are left out."""
        product = _recoded(self.product, self.products, products)
        alternative = _recoded(self.alternative, self.alternatives, alternatives)
        known = (product >= 0) & (alternative >= 0)
        kept = self if bool(known.all()) else self.take(known)
        return replace(
            kept,
            products=tuple(products),
            alternatives=tuple(alternatives),
            product=product if kept is self else product[known],
            alternative=alternative if kept is self else alternative[known],
        )

    def _columns(self, *, parameters: bool = True) -> dict[str, npt.NDArray[Any]]:
        named = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}
        return named | {f"p_{name}": column for name, column in self.parameters.items()} if parameters else named


def operation_history(
    products: Sequence[str],
    alternatives: Sequence[str],
    columns: Mapping[str, npt.NDArray[Any]],
    *,
    orders: Sequence[str] = (),
    serials: Sequence[str] = (),
    deciders: Sequence[str] = (),
    parameters: Mapping[str, npt.NDArray[Any]] | None = None,
) -> OperationHistory:
    """Return a history from the columns there are; those that may be missing are filled with what means 'not measured'.

    Needed: ``product``, ``alternative``, ``started_us``, ``duration_min``, ``first_pass``. Columns that are filled take no room.
    """
    n = len(columns["product"])

    def column(name: str, kind: type[np.generic], missing: float) -> Any:
        if name in columns:
            return np.ascontiguousarray(columns[name], kind)
        return np.broadcast_to(np.asarray(missing, kind), n)

    floats = {name: column(name, np.float32, np.nan) for name in ("rework_min", "energy_kwh", "wear", "propensity")}
    codes = {name: column(name, np.int32, NOT_TOLD) for name in ("order", "serial", "decided_by")}
    return OperationHistory(
        products=tuple(products),
        alternatives=tuple(alternatives),
        product=np.ascontiguousarray(columns["product"], np.int32),
        alternative=np.ascontiguousarray(columns["alternative"], np.int32),
        started_us=np.ascontiguousarray(columns["started_us"], np.int64),
        duration_min=np.ascontiguousarray(columns["duration_min"], np.float32),
        first_pass=np.ascontiguousarray(columns["first_pass"], np.bool_),
        scrapped=column("scrapped", np.bool_, False),
        orders=tuple(orders),
        serials=tuple(serials),
        deciders=tuple(deciders),
        parameters={name: np.ascontiguousarray(of, np.float32) for name, of in (parameters or {}).items()},
        **floats,
        **codes,
    )


def empty_history(products: Sequence[str] = (), alternatives: Sequence[str] = ()) -> OperationHistory:
    """Return a history without rows."""
    none = np.empty(0)
    needed = ("product", "alternative", "started_us", "duration_min", "first_pass")
    return operation_history(products, alternatives, dict.fromkeys(needed, none))


def concatenated(histories: Sequence[OperationHistory]) -> OperationHistory:
    """Return all rows as one history, in the order given; vocabularies may differ. Bare order numbers are kept apart by part."""
    if not histories:
        return empty_history()
    if len(histories) == 1:
        return histories[0]
    words: dict[str, Any] = {}
    for column, vocabulary in _VOCABULARIES.items():
        known: dict[str, int] = {}
        parts: list[Codes] = []
        bare = 0
        for history in histories:
            codes, names = getattr(history, column), getattr(history, vocabulary)
            if names:
                lookup = np.fromiter((known.setdefault(name, len(known)) for name in names), np.int32, len(names))
                parts.append(np.where(codes >= 0, lookup[codes], NOT_TOLD).astype(np.int32))
            else:
                parts.append(np.where(codes >= 0, codes + bare, NOT_TOLD).astype(np.int32))
                bare += int(codes.max()) + 1 if len(codes) and column not in _MUST_BE_TOLD else 0
        if known and bare:
            raise ValueError(f"column '{column}' has names in some parts and bare numbers in others")
        words |= {column: np.concatenate(parts), vocabulary: tuple(known)}
    plain = ("started_us", "duration_min", "first_pass", "rework_min", "energy_kwh", "wear", "propensity", "scrapped")
    joined: dict[str, Any] = {name: np.concatenate([getattr(history, name) for history in histories]) for name in plain}
    names = dict.fromkeys(name for history in histories for name in history.parameters)
    parameters = {
        name: np.concatenate([h.parameters.get(name, np.broadcast_to(np.float32(np.nan), len(h))) for h in histories]) for name in names
    }
    return OperationHistory(**words, **joined, parameters=parameters)


def wrong_values(history: OperationHistory) -> dict[str, tuple[npt.NDArray[np.bool_], str]]:
    """Return, by column, which rows hold what cannot be, and what a person should do; only columns with something wrong."""
    duration, propensity = history.duration_min, history.propensity
    told: dict[str, tuple[npt.NDArray[np.bool_], str]] = {
        "started_at": (
            (history.started_us < _EARLIEST_US) | (history.started_us > _LATEST_US),
            "write a time between 1980 and 2100, such as 2026-11-01T06:30:00Z",
        ),
        "duration_min": (~(np.isfinite(duration) & (duration > 0)), "write how many minutes it took, above 0"),
        "propensity": (
            ~(np.isnan(propensity) | ((propensity > 0) & (propensity <= 1))),
            "write the probability with which it was chosen, above 0 and at most 1, or leave it empty",
        ),
    }
    for name in ("rework_min", "energy_kwh", "wear"):
        column = getattr(history, name)
        told[name] = (~(np.isnan(column) | ((column >= 0) & np.isfinite(column))), "write a number that is not below 0, or leave it empty")
    for name, column in history.parameters.items():
        told[f"p_{name}"] = (np.isinf(column), "write a finite number, or leave it empty")
    return {name: found for name, found in told.items() if bool(found[0].any())}


def _recoded(codes: Codes, old: Sequence[str], new: Sequence[str]) -> Codes:
    at = {name: position for position, name in enumerate(new)}
    lookup = np.array([at.get(name, NOT_TOLD) for name in old] or [NOT_TOLD], np.int32)
    return lookup[codes]
