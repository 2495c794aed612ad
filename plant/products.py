"""Products and what is known of them before they are made: a table of features that a factory names itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from plant.table_rows import RowProblem

Feature = float | str

ID_COLUMN: Final = "product"
FAMILY_COLUMN: Final = "family"
RESERVED: Final = frozenset({ID_COLUMN, FAMILY_COLUMN})
LONGEST: Final = 200
"""Characters of an id, a family or a category."""
_LARGEST: Final = 1e12


class FeatureKind(StrEnum):
    """What a feature's values are."""

    NUMBER = "number"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """One thing known of each product: weld length, plate thickness, grade of steel."""

    name: str
    unit: str = ""
    """UCUM code; empty for counts and categories."""
    kind: FeatureKind = FeatureKind.NUMBER


@dataclass(frozen=True, slots=True)
class Product:
    """One product: a model, or a version of one."""

    id: str
    family: str
    features: Mapping[str, Feature]
    """All features that the factory names: numbers and categories."""


@dataclass(frozen=True, slots=True)
class ProductTable:
    """Products as columns of equal length, in the order given; an id is there once."""

    features: tuple[FeatureDefinition, ...]
    ids: tuple[str, ...]
    families: tuple[str, ...]
    numbers: Mapping[str, npt.NDArray[np.float64]]
    """Of each feature of kind number; always finite."""
    categories: Mapping[str, tuple[str, ...]]
    """Of each feature of kind category."""
    positions: Mapping[str, int] = field(init=False, repr=False, compare=False)
    """Where a product stands, by its id."""

    def __post_init__(self) -> None:
        n = len(self.ids)
        columns = {FAMILY_COLUMN: len(self.families)} | {name: len(of) for name, of in (*self.numbers.items(), *self.categories.items())}
        for name, length in columns.items():
            if length != n:
                raise ValueError(f"column '{name}' holds {length} products, 'product' holds {n}")
        asked = {FeatureKind.NUMBER: self.numbers, FeatureKind.CATEGORY: self.categories}
        for feature in self.features:
            if feature.name not in asked[feature.kind]:
                raise ValueError(f"there is no column of the {feature.kind.value} '{feature.name}'")
        if len(self.numbers) + len(self.categories) != len(self.features):
            raise ValueError("there are columns that are no feature")
        positions = {product: at for at, product in enumerate(self.ids)}
        if len(positions) != n:
            raise ValueError("a product is there twice")
        object.__setattr__(self, "positions", positions)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, product: str) -> bool:
        return product in self.positions

    def product(self, product: str) -> Product:
        """Return one product; KeyError where there is none."""
        return self.at(self.positions[product])

    def at(self, position: int) -> Product:
        """Return the product of one row."""
        values: dict[str, Feature] = {
            feature.name: float(self.numbers[feature.name][position])
            if feature.kind is FeatureKind.NUMBER
            else self.categories[feature.name][position]
            for feature in self.features
        }
        return Product(self.ids[position], self.families[position], values)

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Self:
        """Return the chosen products (a mask or positions), in the order chosen."""
        at = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return type(self)(
            self.features,
            tuple(self.ids[i] for i in at),
            tuple(self.families[i] for i in at),
            {name: column[at] for name, column in self.numbers.items()},
            {name: tuple(column[i] for i in at) for name, column in self.categories.items()},
        )


def product_table(features: tuple[FeatureDefinition, ...], products: Iterable[Product]) -> ProductTable:
    """Return products as columns; KeyError where one lacks a feature."""
    rows = tuple(products)
    return ProductTable(
        features,
        tuple(row.id for row in rows),
        tuple(row.family for row in rows),
        {f.name: np.array([row.features[f.name] for row in rows], np.float64) for f in features if f.kind is FeatureKind.NUMBER},
        {f.name: tuple(str(row.features[f.name]) for row in rows) for f in features if f.kind is FeatureKind.CATEGORY},
    )


def read_products(
    features: tuple[FeatureDefinition, ...], rows: Iterable[tuple[int, Mapping[str, object]]]
) -> tuple[ProductTable, tuple[RowProblem, ...]]:
    """Return the products of the good rows, and what is wrong with each cell of the others.

    ``rows``: the row's number in its file and its cells by column; a cell is text, a number or None.
    """
    problems: list[RowProblem] = []
    found: dict[str, Product] = {}
    lines: dict[str, int] = {}
    for row, cells in rows:
        before = len(problems)
        product = _product(features, row, cells, problems)
        if product.id and product.id in lines:
            problems.append(RowProblem(row, ID_COLUMN, f"'{product.id}' stands in row {lines[product.id]} already; take one of them out"))
        lines.setdefault(product.id, row)
        if len(problems) == before:
            found[product.id] = product
    return product_table(features, found.values()), tuple(problems)


def column_problems(features: tuple[FeatureDefinition, ...], columns: Iterable[str]) -> list[RowProblem]:
    """Return what is wrong with a table's header: columns that are missing, unknown or there twice."""
    there = list(columns)
    known = [ID_COLUMN, FAMILY_COLUMN, *(feature.name for feature in features)]
    told = [
        RowProblem(1, name, "is missing; each product needs a value of each feature that the network names")
        for name in known
        if name not in there
    ]
    for name in dict.fromkeys(there):
        if name not in known:
            told.append(RowProblem(1, name, "is no feature of the network; take the column out, or name it in 'features' of the network"))
        if there.count(name) > 1:
            told.append(RowProblem(1, name, "is there twice; take one of them out"))
    return told


def _product(features: tuple[FeatureDefinition, ...], row: int, cells: Mapping[str, object], problems: list[RowProblem]) -> Product:
    product, family = (_text(row, name, cells.get(name), problems) for name in (ID_COLUMN, FAMILY_COLUMN))
    values: dict[str, Feature] = {}
    for feature in features:
        given = cells.get(feature.name)
        if feature.kind is FeatureKind.CATEGORY:
            values[feature.name] = _text(row, feature.name, given, problems)
        else:
            values[feature.name] = _number(row, feature, given, problems)
    return Product(product, family, values)


def _text(row: int, column: str, given: object, problems: list[RowProblem]) -> str:
    text = "" if given is None or (isinstance(given, float) and math.isnan(given)) else str(given).strip()
    if not text:
        problems.append(RowProblem(row, column, "is empty"))
    elif len(text) > LONGEST:
        problems.append(RowProblem(row, column, f"has {len(text)} characters; {LONGEST} are the most"))
    elif "\0" in text:
        problems.append(RowProblem(row, column, "holds the character NUL, which no database keeps"))
    return text


def _number(row: int, feature: FeatureDefinition, given: object, problems: list[RowProblem]) -> float:
    unit = f" in {feature.unit}" if feature.unit else ""
    if given is None or (isinstance(given, str) and not given.strip()):
        problems.append(RowProblem(row, feature.name, f"is empty; write a number{unit}, an estimate where it was not measured"))
        return math.nan
    try:
        value = math.nan if isinstance(given, bool) or not isinstance(given, (str, int, float)) else float(given)
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        problems.append(RowProblem(row, feature.name, f"write a number{unit} with a decimal point, not '{str(given)[:40]}'"))
    elif abs(value) > _LARGEST:
        problems.append(RowProblem(row, feature.name, f"{value:g} cannot be; it must lie between -1e12 and 1e12"))
    return value
