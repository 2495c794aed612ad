"""History judged again gives the same journal, byte for byte, however it was cut when it was judged first."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from monitor.rerun import rerun_alarms
from plant.alarms import ActionKind
from storage.alarms import ask
from tests.monitor.alarm_plant import SECOND, Plant, Row, alarm, robot_site, without_sources

CURRENT = {"equipment": "line/cell/robot", "signal": "current"}
RULES = (
    {**CURRENT, "kind": "high", "on_delay_seconds": 0.1, "deadband": 5, "latching": True},
    {**CURRENT, "kind": "low", "off_delay_seconds": 0.2, "suppressed_while": {"signal": "state", "values": [0]}},
    {**CURRENT, "kind": "rate", "limit": 300, "window_seconds": 0.1},
    {**CURRENT, "kind": "deviation", "limit": 30, "set_point_signal": "target", "on_delay_seconds": 0.05},
    {"equipment": "line/cell/robot", "signal": "state", "kind": "discrete", "values": [3]},
    {"equipment": "line/cell/robot", "signal": "program", "kind": "discrete", "texts": ["SERVICE"]},
)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """A plant with alarms of all kinds."""
    started = Plant(database_url, robot_site(*without_sources(), *RULES, limits={"low": 20, "high": 80, "high_high": 95}))
    yield started
    started.close()


def rows(chance: random.Random, from_us: int, to_us: int) -> list[Row]:
    """What the robot tells in a span: walks, rests, holes and values that are none."""
    found: list[Row] = []
    time = from_us + chance.randrange(20_000)
    while time < to_us:
        found.append(("current", time, None if chance.random() < 0.02 else round(chance.uniform(0, 110))))
        if chance.random() < 0.2:
            found.append(("target", time, float(chance.choice([20, 50, 80]))))
        if chance.random() < 0.1:
            found.append(("state", time, float(chance.choice([0, 1, 3]))))
        if chance.random() < 0.1:
            found.append(("program", time, None, chance.choice(["WELD", "SERVICE"])))
        time += chance.choice([30_000, 30_000, 30_000, 400_000])
    return found


def work(plant: Plant, seed: int, records: int) -> None:
    """Ship records, and let operators act, the monitor look and be killed, as chance has it."""
    chance = random.Random(seed)  # noqa: S311 - a test
    at = 0
    names = [alarm(name) for name in ("current:high", "current:low", "current:rate", "state:discrete")]
    for _ in range(records):
        end = at + chance.choice([200_000, SECOND])
        plant.ship(rows(chance, at, end), end)
        at = end
        if chance.random() < 0.6:
            plant.step()
        if chance.random() < 0.3:
            action = chance.choice([ActionKind.ACKNOWLEDGE, ActionKind.RESET, ActionKind.REMOVE, ActionKind.RETURN])
            ask(plant.connection, [chance.choice(names)], action, who="ann", requested_us=plant.begin + at, reason="because")
        if chance.random() < 0.15:
            plant.restart()
    plant.step()


def test_the_journal_made_again_from_the_samples_is_the_same(plant: Plant) -> None:
    work(plant, 7, 40)
    found = rerun_alarms(plant.connection, plant.site, 0, plant.begin + 3600 * SECOND)
    assert found.difference is None
    assert found.stored == found.remade > 100
    assert found.stored_digest == found.remade_digest
    half = rerun_alarms(plant.connection, plant.site, 0, plant.begin + 10 * SECOND)
    assert half.difference is None
    assert 0 < half.stored < found.stored


def test_a_line_that_was_tampered_with_is_named(plant: Plant) -> None:
    work(plant, 8, 10)
    plant.connection.execute("ALTER TABLE alarm_journal DISABLE TRIGGER alarm_journal_is_final")
    plant.connection.execute("UPDATE alarm_journal SET time_us = time_us + 1 WHERE seq = (SELECT max(seq) FROM alarm_journal)")
    found = rerun_alarms(plant.connection, plant.site, 0, plant.begin + 3600 * SECOND)
    assert found.difference is not None
    assert found.stored_digest != found.remade_digest


def test_each_line_of_the_journal_follows_from_the_one_before(plant: Plant) -> None:
    work(plant, 9, 40)
    journal = plant.journal()
    assert [entry.seq for entry in journal] == list(range(1, len(journal) + 1))
    stands: dict[str, str] = {}
    decided: dict[str, int] = {}
    for entry in journal:
        assert entry.before.value == stands.get(entry.alarm, "normal")
        assert entry.decided_us >= decided.get(entry.alarm, 0)
        stands[entry.alarm], decided[entry.alarm] = entry.after.value, entry.decided_us
