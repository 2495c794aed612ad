"""Products are read strictly: each wrong cell is told by row and column, and good rows stay good."""

from __future__ import annotations

import numpy as np
import pytest

from plant.products import FeatureDefinition, FeatureKind, Product, column_problems, product_table, read_products
from plant.table_rows import RowProblem, row_words

FEATURES = (FeatureDefinition("tonnage_t", "t"), FeatureDefinition("grade", kind=FeatureKind.CATEGORY))


def test_products_are_read_as_columns() -> None:
    table, problems = read_products(
        FEATURES, [(2, {"product": "EX-10", "family": "mini", "tonnage_t": "10.5", "grade": "S355"}), (3, _row("EX-20", 20, "S960"))]
    )
    assert problems == ()
    assert table.ids == ("EX-10", "EX-20")
    assert table.numbers["tonnage_t"].tolist() == [10.5, 20.0]
    assert table.product("EX-20") == Product("EX-20", "mini", {"tonnage_t": 20.0, "grade": "S960"})
    assert "EX-10" in table
    assert table.take(np.array([False, True])).ids == ("EX-20",)


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        (("", 1, "S355"), "product", "is empty"),
        (("EX-1", "10,5", "S355"), "tonnage_t", "write a number in t with a decimal point, not '10,5'"),
        (("EX-1", "", "S355"), "tonnage_t", "is empty"),
        (("EX-1", "nan", "S355"), "tonnage_t", "write a number"),
        (("EX-1", True, "S355"), "tonnage_t", "write a number"),
        (("EX-1", 1e300, "S355"), "tonnage_t", "cannot be"),
        (("EX-1", 1, None), "grade", "is empty"),
        (("EX-1", 1, "a" * 300), "grade", "has 300 characters"),
        (("EX-0", 1, "S355"), "product", "stands in row 2 already"),
    ],
)
def test_a_wrong_cell_is_told_and_the_other_rows_are_kept(row: tuple[str, object, object], column: str, said: str) -> None:
    table, problems = read_products(FEATURES, [(2, _row("EX-0", 5, "S355")), (3, _row(*row))])
    [problem] = problems
    assert (problem.row, problem.column) == (3, column)
    assert said in problem.reason
    assert table.ids == ("EX-0",)


def test_a_header_must_name_all_features_and_nothing_else() -> None:
    told = column_problems(FEATURES, ["product", "family", "grade", "grade", "colour"])
    assert {problem.column for problem in told} == {"tonnage_t", "colour", "grade"}
    assert column_problems(FEATURES, ["grade", "family", "tonnage_t", "product"]) == []


def test_many_problems_are_told_in_part_and_counted() -> None:
    words = row_words("p.csv", [RowProblem(row, "x", "is empty") for row in range(2, 102)], most=3)
    assert words[0] == "p.csv: row 2, column 'x': is empty"
    assert words[-1] == "p.csv: 97 further problems in 97 rows"


def test_columns_of_unequal_length_are_refused() -> None:
    table = product_table(FEATURES, [Product("a", "f", {"tonnage_t": 1.0, "grade": "S355"})])
    with pytest.raises(ValueError, match="'family' holds 0 products, 'product' holds 1"):
        type(table)(FEATURES, table.ids, (), table.numbers, table.categories)


def _row(product: str, tonnage: object, grade: object) -> dict[str, object]:
    return {"product": product, "family": "mini", "tonnage_t": tonnage, "grade": grade}
