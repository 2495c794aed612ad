"""The demo's cell: it brings a history with a proposal to decide, and its controller carries out what is sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leadhand.demo_person import WHO, approve_trials
from leadhand.tuned_cell import SimulatedCell, begin_cell, bring_history, cell_name, end_cell
from plant.deliveries import Kind, Message, Quantity
from plant.delivery_messages import message_text, sign
from plant.process_windows import parse_windows
from plant.recommendations import Stage
from simulators.cell_controller import PARTS, cell_controller, windows_text
from simulators.controller_rules import Said
from simulators.weld_cell import weld_cell
from storage.database import connect
from storage.process_windows import read_windows
from storage.trials import open_proposal, read_proposal, read_trials

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
KEYS = {"welding-robot": b"k" * 32}


@pytest.fixture
def cell() -> Iterator[SimulatedCell]:
    made = begin_cell(1001)
    yield made
    end_cell(made)


def test_a_proposal_waits_after_the_first_start_and_the_demo_decides_only_where_nobody_does(database_url: str, cell: SimulatedCell) -> None:
    assert (cell.target.work_unit, cell.target.program) == cell_name(1001)
    with connect(database_url, application="test") as connection:
        bring_history(connection, cell, NOW, trials=4)
        bring_history(connection, cell, NOW, trials=4)
        assert len(read_trials(connection, cell.target)) == 4
        assert read_windows(connection) == parse_windows(windows_text(weld_cell(1001)))
        asked = open_proposal(connection, cell.target)
        assert asked is not None
        assert asked.stage is Stage.PROPOSED
        assert approve_trials(connection, asked.made_us + 10 * SECOND) == []
        assert approve_trials(connection, asked.made_us + 60 * SECOND) == [f"a trial of {cell.target.words}"]
        done = read_proposal(connection, asked.id)
        assert done is not None
        assert (done.stage, done.stage_actor) == (Stage.APPROVED, WHO)
        assert "nobody decided" in done.stage_reason


def parameters_for(values: dict[str, float], counter: int = 1) -> tuple[str, str]:
    units = {"current": "A", "voltage": "V", "travel_speed": "mm/min", "wire_feed": "m/min"}
    message = Message(
        id=f"00000000-0000-4000-8000-{counter:012d}",
        kind=Kind.PARAMETERS,
        work_unit="welding-robot",
        counter=counter,
        issued_us=NOW,
        expires_us=NOW + 60 * SECOND,
        program="WPS-1001",
        parameters=tuple(Quantity(name, value, units[name]) for name, value in values.items()),
        window_version=1,
    )
    text = message_text(message)
    return text, sign(text, "welding-robot", KEYS["welding-robot"])


def test_the_cell_makes_parts_with_what_it_is_sent_and_tells_how_many_were_good(tmp_path: Path) -> None:
    made = weld_cell(1001)
    controller = cell_controller(made, KEYS, made.start, tmp_path / "memory.json")
    values = {**made.start, "current": made.start["current"] + 5}
    taken = controller.take(*parameters_for(values), NOW)
    assert taken is not None
    assert taken.said is Said.ACCEPTED, taken.reason
    executed, measured = controller.tick(NOW + 10 * SECOND)
    assert executed.said is Said.EXECUTED
    assert {one.name: one.value for one in executed.values} == values
    told = {one.name: one.value for one in measured.measured}
    assert measured.said is Said.MEASURED
    assert told["parts"] == PARTS
    assert 0 < told["good"] <= PARTS
    assert "penetration" in told


def test_the_cell_refuses_what_lies_outside_its_window_by_itself(tmp_path: Path) -> None:
    made = weld_cell(1001)
    controller = cell_controller(made, KEYS, made.start, tmp_path / "memory.json")
    refused = controller.take(*parameters_for({**made.start, "current": 400.0}), NOW)
    assert refused is not None
    assert (refused.said, refused.reason) == (Said.REFUSED, "above")
