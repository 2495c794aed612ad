"""The demo's cell: it brings a history with a proposal to decide, and runs what a person approves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from leadhand.tuned_cell import SimulatedCell, begin_cell, bring_history, end_cell, run_approved
from optimizer.tuning_pass import tuning_pass
from plant.recommendations import Stage
from storage.database import connect
from storage.process_windows import read_windows
from storage.trials import change_proposal, open_proposal, read_proposal, read_trials

NOW = 1_790_000_000_000_000


@pytest.fixture
def cell() -> Iterator[SimulatedCell]:
    made = begin_cell(1001)
    yield made
    end_cell(made)


def test_a_proposal_waits_after_the_first_start_and_an_approved_one_is_run_and_judged(database_url: str, cell: SimulatedCell) -> None:
    with connect(database_url, application="test") as connection:
        bring_history(connection, cell, NOW, trials=4)
        bring_history(connection, cell, NOW, trials=4)
        assert len(read_trials(connection, cell.target)) == 4
        windows = read_windows(connection)
        assert windows is not None
        asked = open_proposal(connection, cell.target)
        assert asked is not None
        assert asked.stage is Stage.PROPOSED
        assert not run_approved(connection, cell, NOW)
        change_proposal(connection, asked.id, Stage.APPROVED, actor="q.wang", now_us=NOW)
        assert not run_approved(connection, cell, NOW)
        assert run_approved(connection, cell, NOW + 60_000_000)
        assert not run_approved(connection, cell, NOW + 60_000_000)
        tuning_pass(connection, NOW + 61_000_000)
        done = read_proposal(connection, asked.id)
        assert done is not None
        assert done.stage in {Stage.MEASURED, Stage.ROLLED_BACK}
        assert read_trials(connection, cell.target)[-1].trial.parameters == asked.proposal.parameters
