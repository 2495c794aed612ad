"""The condition of a machine, from its samples in the database: findings with reasons, energy, tools, and what people answer."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator

import numpy as np
import pytest

from monitor.condition import ConditionFollower
from monitor.condition_memory import new_memory, pack, pieces_of, unpack
from plant.condition import Answer
from plant.equipment import EquipmentId
from storage import condition as stored
from storage.condition import StreamKey
from storage.database import Connection, connect
from tests.monitor.condition_stage import PART_US, START_US, UNIT, Machine, follow, site

_FOREVER = START_US + 10**15


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as connection:
        yield connection


def tables(connection: Connection) -> list[object]:
    """All results, without the numbers that the database gives and when a row was written."""
    return [
        stored.read_parts(connection, UNIT, START_US, _FOREVER),
        [(f.program, f.step, f.begin_us, f.end_us, f.severity, f.ratio, f.parts, f.reasons) for f in stored.read_findings(connection)],
        stored.read_tools(connection),
        [
            (key, [(b.from_us, b.middle, b.low, b.high, b.parts) for b in stored.read_baselines(connection, number)])
            for number, key in stored.read_streams(connection, UNIT)
        ],
    ]


def test_a_step_that_takes_more_load_than_usual_is_found_with_its_reason(connection: Connection) -> None:
    machine = Machine(connection, site())
    machine.make([0.0] * 40 + [0.3] * 8)
    follow(connection, machine.site)
    [found] = stored.read_findings(connection)
    assert (found.equipment, found.program, found.step, found.end_us) == (UNIT, "O1", "Face", None)
    assert found.begin_us <= START_US + 46 * PART_US
    reason = next(one for one in found.reasons if one["signal"] == "load")
    assert reason["code"] in {"level_high", "peak_high"}
    assert reason["percent"] == pytest.approx(30, abs=6)
    assert {one["signal"] for one in found.reasons} <= {"load", "vibration"}


def test_a_machine_as_usual_gives_no_finding_and_parts_have_energy(connection: Connection) -> None:
    machine = Machine(connection, site())
    machine.make([0.0] * 60)
    follow(connection, machine.site)
    assert stored.read_findings(connection) == []
    parts = stored.read_parts(connection, UNIT, START_US, _FOREVER)
    assert len(parts) == 58  # the begin of the first was not seen, the end of the last not yet
    whole_kwh = (0.1 * 3 + 0.9 * 6) * PART_US / 1e6 / 3600
    assert parts[0].energy_kwh == pytest.approx(whole_kwh, rel=0.02)
    assert parts[0].idle_kwh == pytest.approx(0.1 * 3 * PART_US / 1e6 / 3600, rel=0.2)
    assert not parts[-1].judged
    assert parts[0].judged


def test_whatever_the_pieces_and_restarts_the_results_are_the_same(connection: Connection, postgres_server: str) -> None:
    del postgres_server
    machine = Machine(connection, site(tool_life="tool_parts", wear={"signal": "load", "step": "Face", "worn_percent": 40}))
    for piece in range(6):
        machine.make([0.0] * 5 + [0.02 * piece] * 5, tool_parts=1)
        ConditionFollower(machine.site).step(connection)  # each time another follower, as after a restart
    follow(connection, machine.site)
    in_pieces = tables(connection)
    connection.execute(
        "TRUNCATE condition_state, condition_piece, condition_part, condition_baseline, condition_finding, condition_tool, "
        "condition_answer CASCADE"
    )
    follow(connection, machine.site)
    assert tables(connection) == in_pieces


def test_a_new_program_has_a_baseline_of_its_own_and_is_not_called(connection: Connection) -> None:
    machine = Machine(connection, site())
    machine.make([0.0] * 30)
    machine.make([0.6] * 6, program="O2")
    follow(connection, machine.site)
    assert stored.read_findings(connection) == []
    streams = {key: number for number, key in stored.read_streams(connection, UNIT)}
    other = [number for key, number in streams.items() if key.program == "O2"]
    assert other
    assert all(stored.read_baselines(connection, number) == [] for number in other)


def test_a_false_call_widens_the_baseline_and_a_changed_tool_begins_a_new_one(connection: Connection) -> None:
    machine = Machine(connection, site())
    machine.make([0.0] * 40 + [0.3] * 8)
    follow(connection, machine.site)
    [found] = stored.read_findings(connection, only_open=True)
    stored.add_answer(connection, found, Answer.FALSE_CALL, "ada", "harder blanks", 1)
    machine.make([0.3] * 12)
    follow(connection, machine.site)
    assert stored.read_findings(connection, only_open=True) == []
    assert len(stored.read_findings(connection)) == 1
    stored.add_answer(connection, EquipmentId(UNIT), Answer.TOOL_CHANGED, "ada", "", 2)
    machine.make([0.8] * 8)
    follow(connection, machine.site)
    assert stored.read_findings(connection, only_open=True) == []
    assert [tool.end_us is None for tool in stored.read_tools(connection)] == [True, False]


def test_a_tool_that_wears_has_a_remaining_use_with_an_interval_and_one_that_does_not_has_none(connection: Connection) -> None:
    machine = Machine(connection, site(tool_life="tool_parts", wear={"signal": "load", "step": "Face", "worn_percent": 40}))
    machine.make([0.0] * 20, tool_parts=1)
    machine.make([0.02 * part for part in range(13)], tool_parts=1)
    follow(connection, machine.site)
    now, before = stored.read_tools(connection)
    assert (before.outlook, before.remaining) == ("no_trend", None)
    assert now.outlook == "trend"
    assert now.remaining_low is not None
    assert now.remaining_high is not None
    assert now.remaining_low <= 9 <= now.remaining_high
    assert now.remaining == pytest.approx(9, abs=5)


def test_a_standstill_is_no_part(connection: Connection) -> None:
    machine = Machine(connection, site(longest_part_minutes=2))
    machine.make([0.0] * 5, waits=3600)
    machine.make([0.0] * 5)
    follow(connection, machine.site)
    parts = stored.read_parts(connection, UNIT, START_US, _FOREVER)
    assert max(part.end_us - part.begin_us for part in parts) == PART_US
    assert len(parts) == 7


def pieces(connection: Connection) -> dict[str, int]:
    """Of each piece that is remembered, when it was written."""
    return dict(connection.execute("SELECT name, xmin::text::bigint FROM condition_piece").fetchall())


def test_only_what_a_part_changed_is_written_and_other_settings_begin_anew_once(connection: Connection) -> None:
    machine = Machine(connection, site())
    machine.make([0.0] * 60)
    follow(connection, machine.site)
    before = pieces(connection)
    machine.make([0.0] * 2)
    follow(connection, machine.site)
    after = pieces(connection)
    written = {name for name in after if before.get(name) != after[name]}
    assert {"watch mean", "watch recent"} <= written
    # twelve parts are enough and forty-eight are gathered: what is usual is known and stays
    assert not {name for name in written if name.startswith("watch buffer") or name in {"streams", "watch middle", "watch limit"}}
    fewer = site(least_parts=8)
    machine.make([0.0] * 2)
    follow(connection, fewer)
    assert len([name for name in pieces(connection) if name.startswith("watch buffer")]) == 4
    machine.make([0.0] * 8)
    for _ in range(2):
        follow(connection, fewer)
    machine.make([0.0] * 2)
    follow(connection, fewer)
    learned = [b.parts for number, _ in stored.read_streams(connection, UNIT) for b in stored.read_baselines(connection, number)]
    assert 8 in learned


def test_what_a_former_version_remembered_in_one_piece_is_gone_on_with() -> None:
    plan = site().condition[0]
    memory = new_memory(plan, START_US)
    _ = [memory.watch.add(number % 2, 0) for number in range(3)]
    for part in range(20):
        memory.watch.take(np.array([1.0, 2.0, 3.0]) + 0.1 * np.sin(part * np.arange(1.0, 4.0)))
    memory.streams = [StreamKey("O1", "Face", 0, "load", f"f{number}") for number in range(3)]
    memory.numbers, memory.contexts, memory.told = [1, 2, 3], {("O1", "Face", 0): 0}, [12, 12, 12]
    whole = {name: column for name, column in memory.watch.pieces().items() if not name.startswith("buffer")}
    rows = [column for name, column in memory.watch.pieces().items() if name.startswith("buffer")]
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **whole, buffer=np.concatenate(rows))
    head = {
        "whole": True,
        "before": {},
        "findings": [],
        "told": memory.told,
        "tool": None,
        "life": None,
        "worn_at": [],
        "streams": [["O1", "Face", 0, "load", f"f{number}"] for number in range(3)],
        "numbers": memory.numbers,
        "contexts": [["O1", "Face", 0, 0]],
    }
    packed = zlib.compress(json.dumps(head).encode())
    again = unpack(plan, START_US, len(packed).to_bytes(4, "big") + packed + out.getvalue(), {})
    assert (again.streams, again.numbers, again.contexts) == (memory.streams, memory.numbers, memory.contexts)
    np.testing.assert_equal(again.watch.pieces(), memory.watch.pieces())
    kept = pieces_of(again)
    np.testing.assert_equal(unpack(plan, START_US, pack(again), kept).watch.pieces(), memory.watch.pieces())
    assert pieces_of(again) == {}
