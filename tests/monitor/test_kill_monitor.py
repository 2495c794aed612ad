"""The monitor is killed again and again: the journal is what it would be without."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from monitor.rerun import rerun_alarms
from plant.alarms import ActionKind
from plant.site import load_site
from storage.alarms import ask, read_actions
from storage.feed import read_marks
from storage.progress import read_progress
from tests.ingest.parts import start, until
from tests.monitor.alarm_plant import SECOND, SOURCE, Plant, alarm
from tests.monitor.test_rerun import rows

_SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "line/cell/robot"

[[sources]]
protocol = "opcua"
id = "plc"
url = "opc.tcp://plc:4840"

[[signals]]
equipment = "line/cell/robot"
name = "current"
source = "plc"
address = "c"
unit = "A"
limits = { low_low = 5, low = 20, high = 80, high_high = 95 }

[[alarms]]
equipment = "line/cell/robot"
signal = "current"
kind = "high"
latching = true
on_delay_seconds = 0.1
"""


@pytest.mark.heavy
def test_a_monitor_that_is_killed_again_and_again_loses_doubles_and_disorders_no_transition(tmp_path: Path, database_url: str) -> None:
    site = tmp_path / "site.toml"
    site.write_text(_SITE)
    plant = Plant(database_url, load_site(site))
    chance = random.Random(3)  # noqa: S311 - a test
    at = 0

    def judged() -> bool:
        known = read_progress(plant.connection, "alarms")
        return known is not None and known.done_us >= read_marks(plant.connection)[SOURCE].until_us

    try:
        for kill in range(5):
            monitor = start(["tests.monitor.only_alarms", str(site)], tmp_path / "monitor.log", {"LEADHAND_DATABASE_URL": database_url})
            try:
                before = len(plant.journal())
                for _ in range(12):
                    plant.ship([row for row in rows(chance, at, at + SECOND) if row[0] == "current"], at + SECOND)
                    at += SECOND
                    if plant.journal() and chance.random() < 0.3:
                        action = chance.choice([ActionKind.ACKNOWLEDGE, ActionKind.RESET])
                        ask(plant.connection, [alarm("current:high")], action, who="ann", requested_us=plant.begin + at)
                until(lambda before=before: len(plant.journal()) > before, 60)  # type: ignore[misc]
                if kill == 4:
                    until(judged, 60)
                    until(lambda: not read_actions(plant.connection, waiting=True), 60)
            finally:
                monitor.kill()
        journal = plant.journal()
        found = rerun_alarms(plant.connection, plant.site, 0, plant.begin + 3600 * SECOND)
    finally:
        plant.close()
    assert [entry.seq for entry in journal] == list(range(1, len(journal) + 1))
    stands: dict[str, str] = {}
    for entry in journal:
        assert entry.before.value == stands.get(entry.alarm, "normal")
        stands[entry.alarm] = entry.after.value
    assert len(journal) > 100
    assert found.difference is None
