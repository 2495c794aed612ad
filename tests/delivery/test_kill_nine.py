"""kill -9 of the delivery process while messages pass: nothing is done twice, and what nobody knows is said to be so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.delivery.killing import rig
from tests.ingest.parts import Mosquitto


@pytest.mark.heavy
def test_killed_twenty_times_nothing_is_executed_twice_nor_lost_sight_of(database_url: str, tmp_path: Path) -> None:
    mosquitto = Mosquitto(tmp_path)
    mosquitto.start()
    try:
        with rig(database_url, tmp_path, mosquitto.port, [f"weld-{number}" for number in range(100)], seed=1) as one:
            for _ in range(20):
                one.cycle()
            one.settle()
            ended = one.ended()
            assert ended.well, (ended, (tmp_path / "log").read_text()[-4000:])
            assert ended.stages.get("executed", 0) > 0
    finally:
        mosquitto.stop()
