from __future__ import annotations

import pytest

from tests.faults import catalogue
from tests.faults.catalogue import ROWS, Row


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, bool]]:
    return catalogue.existing_tests()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}")
def test_each_fault_names_a_test_that_exists_or_says_why_there_is_none(row: Row, known: dict[str, dict[str, bool]]) -> None:
    assert row.tests or row.reason, f"fault {row.number} is neither tried nor explained"
    for file, name in row.tests:
        assert name in known.get(file, {}), f"fault {row.number} names {file}::{name}, which is not there"


def test_the_catalogue_holds_all_71_faults_in_order() -> None:
    assert [row.number for row in ROWS] == [*range(1, 67), "72a", "72b", "72c", "72d", "72e"]


def test_the_page_of_faults_shows_the_table_as_it_is() -> None:
    page = catalogue._PAGE.read_text()
    assert page.endswith("\n".join(catalogue.table()) + "\n"), "python -m tests.faults.catalogue --write puts it right"
