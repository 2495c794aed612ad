"""A running dashboard for all that is shipped for other tools: they only look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboard.running import RunningDashboard, run_dashboard
from tests.databases import fresh_database


@pytest.fixture(scope="package")
def dashboard(postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    """A running dashboard on a database of its own, with a small factory in it."""
    with (
        fresh_database(postgres_server, migrated_template) as url,
        run_dashboard(tmp_path_factory.mktemp("deploy"), url) as running,
    ):
        yield running
