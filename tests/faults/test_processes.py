"""Rows 63-66: processes that are killed, without memory or descriptors, or standing still; only they suffer, every tick is told of."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.faults.device import Devices, devices
from tests.faults.proxy import Proxies
from tests.faults.rig import Rig, mqtt_source, opcua_source
from tests.faults.stage import Press
from tests.ingest.parts import Mosquitto, alive, until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def plant() -> Iterator[Devices]:
    with devices(1) as running:
        yield running


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    one = Mosquitto(tmp_path_factory.mktemp("broker"), "max_queued_messages 100000")
    one.start()
    yield one
    one.stop()


class Stage:
    """A press, and two machines over links of their own; each source may be read by another process."""

    def __init__(self, rig: Rig, press: Press) -> None:
        self.rig = rig
        self.press = press

    def begin(self) -> None:
        self.rig.start("--processes", "3")
        self.rig.until_state("connected", self.press.source, "one", "two")
        if not self.press.is_alive():
            self.press.start()
        self.rig.until_stored_again(self.press.source, "one", "two")

    def end(self) -> None:
        rig, press = self.rig, self.press
        press.finish()
        until(lambda: rig.totals(press.source).stored >= 3 * press.sent, 60, 0.2)
        rig.stop()
        rig.assert_exact(press.source, "one", "two")
        rig.assert_every_tick("one", "two")
        assert [int(value or 0) for _, value, *_ in rig.values(press.source, "counter")] == list(range(press.sent))
        assert rig.totals(press.source).gap == 0


@pytest.fixture
def stage(
    tmp_path_factory: pytest.TempPathFactory,
    database_url: str,
    plant: Devices,
    broker: Mosquitto,
    proxies: Proxies,
    request: pytest.FixtureRequest,
) -> Iterator[Stage]:
    name = f"press-{abs(hash(request.node.name)) % 10_000}"
    links = {source: proxies.link(("127.0.0.1", plant.ports[0])) for source in ("one", "two")}
    sources = {source: opcua_source(source, link.port) for source, link in links.items()} | {name: mqtt_source(name, broker.port)}
    rig = Rig(tmp_path_factory.mktemp("processes"), database_url, sources)
    one = Stage(rig, Press(broker.port, name))
    try:
        yield one
    finally:
        one.press.halt()
        one.press.connection.stop()
        rig.close()


def test_each_process_killed_in_turn_loses_no_message_and_tells_of_every_tick(stage: Stage, seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    began = time.monotonic()
    stage.begin()
    first_seconds = time.monotonic() - began
    rig = stage.rig
    for _ in range(3):
        family = rig.family()
        victim = chance.choice(family)
        time.sleep(chance.random() / 2)
        if victim.pid == family[0].pid:
            assert rig.child is not None
            rig.child.kill()
            until(lambda: not alive(family[1:]), 2)  # noqa: B023
            began = time.monotonic()
            stage.begin()
        else:
            victim.kill()
            began = time.monotonic()
            rig.until_stored_again(stage.press.source, "one", "two", more=3)
        # 5 s on a machine that does nothing else; where others work, a first start took long as well
        assert time.monotonic() - began < max(15, 3 * first_seconds)
    stage.end()


def test_a_process_that_is_told_to_stop_loses_nothing_and_leaves_nobody(stage: Stage) -> None:
    stage.begin()
    for _ in range(2):
        family = stage.rig.family()
        stage.rig.stop()
        assert not alive(family)
        stage.begin()
    stage.end()


def test_a_process_without_memory_takes_no_other_with_it_and_comes_back(stage: Stage) -> None:
    stage.begin()
    rig = stage.rig
    starved = rig.family()[-1]
    limit = starved.memory_info().vms - 50_000_000
    resource.prlimit(starved.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    time.sleep(1.5)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(starved.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    rig.until_stored_again(stage.press.source, "one", "two", seconds=60)
    stage.end()


def test_without_file_descriptors_links_wait_and_come_back_once_there_are_some(stage: Stage, proxies: Proxies) -> None:
    stage.begin()
    rig = stage.rig
    family = rig.family()
    for one in family:
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (one.num_fds(), 4096))
    for link in proxies._links:
        if link.alive:
            link.reset()
    # the database cannot be told either: it needs a descriptor too
    until(lambda: all(_went_away(rig, source) for source in ("one", "two")), 30)
    until(lambda: "Too many open files" in rig.log or "Errno 24" in rig.log, 30)
    assert all(one.is_running() for one in family)
    for one in family:
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (1024, 4096))
    rig.until_state("connected", "one", "two", seconds=60)
    rig.until_stored_again("one", "two")
    stage.end()


def _went_away(rig: Rig, source: str) -> bool:
    return any('"source away"' in line and f'"{source}"' in line for line in rig.log.splitlines())


def test_a_standstill_of_all_processes_is_a_gap_and_writes_nothing_from_the_past(stage: Stage) -> None:
    stage.begin()
    rig = stage.rig
    family = rig.family()
    for one in family:
        os.kill(one.pid, signal.SIGSTOP)
    from_us = time.time_ns() // 1000
    time.sleep(4)
    to_us = time.time_ns() // 1000
    for one in reversed(family):
        os.kill(one.pid, signal.SIGCONT)
    rig.until_state("connected", stage.press.source, "one", "two", seconds=60)
    rig.until_stored_again(stage.press.source, "one", "two")
    stage.end()
    for source in ("one", "two"):
        told = [gap for gap in rig.gaps(source) if gap.from_us < to_us and gap.to_us > from_us]
        assert sum(gap.count for gap in told) >= 3 * 33
        assert not [t for t, *_ in rig.values(source, "level") if from_us + 300_000 < t < to_us - 300_000]
