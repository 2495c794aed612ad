"""What the tests of faults share: the seed of the run, links that break, a database for a whole module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import fresh_database
from tests.faults.proxy import Proxies, seed_of_run


@pytest.fixture(scope="module")
def seed() -> int:
    """The seed of this run, printed with a failure; LEADHAND_SEED has it again."""
    return seed_of_run()


@pytest.fixture(scope="module")
def proxies(seed: int) -> Iterator[Proxies]:
    with Proxies(seed) as running:
        yield running


@pytest.fixture(scope="module")
def module_url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database that the tests of a module share."""
    with fresh_database(postgres_server, migrated_template) as url:
        yield url
