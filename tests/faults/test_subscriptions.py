"""Rows 15 and 16: subscriptions whose messages are lost, or that fall silent, down to the ledger in the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plant.ledger import GapReason
from tests.faults.device import Devices, devices
from tests.faults.rig import Rig, opcua_source
from tests.ingest.parts import until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
TOLD = 'read = "subscription"\npublishing_interval_ms = 100\ntimeout_seconds = 10.0\n'


@pytest.fixture(scope="module")
def plant() -> Iterator[Devices]:
    with devices(1) as running:
        yield running


def test_messages_lost_for_good_and_a_subscription_that_falls_silent_are_gaps_in_the_ledger(
    tmp_path: Path, database_url: str, plant: Devices
) -> None:
    rig = Rig(tmp_path, database_url, {"told": opcua_source("told", plant.ports[0], more=TOLD)})
    rig.start()
    try:
        rig.until_state("connected", "told")
        rig.until_stored_again("told")
        plant.tell(0, "lose", count=2, for_good=False)
        rig.until_stored_again("told")
        assert not rig.gaps("told", GapReason.SEQUENCE), "what was sent again is not lost"
        plant.tell(0, "lose", count=2, for_good=True)
        until(lambda: bool(rig.gaps("told", GapReason.SEQUENCE)), 90, 0.2)
        plant.tell(0, "lose", count=0, for_good=False)
        before = len(rig.gaps("told", GapReason.DISCONNECTED))
        plant.tell(0, "publishes_nothing", on=True)
        rig.until_state("away", "told")
        plant.tell(0, "publishes_nothing", on=False)
        rig.until_state("connected", "told")
        rig.until_stored_again("told")
        rig.stop()
        assert len(rig.gaps("told", GapReason.DISCONNECTED)) > before
        rig.assert_exact("told")
    finally:
        plant.tell(0, "publishes_nothing", on=False)
        plant.tell(0, "lose", count=0, for_good=False)
        rig.close()
