"""Rows 1-6 and 8: a device behind twelve links that break in eight ways at once, and one source that must not notice."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest

from plant.ledger import GapReason
from tests.faults.device import devices
from tests.faults.proxy import Flapping, Link, Proxies
from tests.faults.rig import Rig, gap_seconds, opcua_source
from tests.ingest.parts import PATIENCE, alive, until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
AWAY = (GapReason.DISCONNECTED, GapReason.TIMEOUT)
PATIENT = "timeout_seconds = 10.0\n"


@dataclass
class Scene:
    """What was done to the links and what was seen meanwhile; the ingest has stopped."""

    rig: Rig
    links: dict[str, Link]
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    found_seconds: dict[str, float] = field(default_factory=dict)
    states: dict[str, set[str]] = field(default_factory=dict)
    descriptors: tuple[int, int] = (0, 0)
    threads: tuple[int, int] = (0, 0)
    flapped: int = 0
    silent_seconds: float = 0.0
    attempts: list[list[float]] = field(default_factory=list)


def _now_us() -> int:
    return time.time_ns() // 1000


def _descriptors(rig: Rig) -> tuple[int, int]:
    family = rig.family()
    return sum(one.num_fds() for one in family), sum(one.num_threads() for one in family)


def _away_after(scene: Scene, source: str, from_us: int) -> None:
    until(lambda: scene.rig.since_us(source, "away") is not None, 20, 0.05)
    scene.found_seconds[source] = ((scene.rig.since_us(source, "away") or _now_us()) - from_us) / 1e6


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, module_url: str, proxies: Proxies) -> Iterator[Scene]:
    names = ["steady", "cut", "hole", "slow", "sliced", "flap", "name", "silent", "crowd-1", "crowd-2", "crowd-3", "crowd-4"]
    with devices(1) as plant:
        device = ("127.0.0.1", plant.ports[0])
        links = {name: proxies.link(device) for name in names}
        # where a broken link is told of at once, a busy device must not be taken for one
        patient = {"steady", "cut", "slow", "sliced"}
        sources = {name: opcua_source(name, links[name].port, more=PATIENT if name in patient else "") for name in names}
        # the same port at another address of this machine
        moved = proxies.link(device, host="127.0.0.3", port=links["name"].port, closed=True)
        sources["name"] = opcua_source("name", links["name"].port, host="device.test")
        rig = Rig(tmp_path_factory.mktemp("links"), module_url, sources)
        scene = Scene(rig, links)
        links["silent"].silent = True
        rig.faults(hosts={"device.test": "127.0.0.1"})
        rig.start()
        try:
            rig.until_state("connected", *(name for name in names if name != "silent"))
            rig.until_stored("steady", 30)
            _break_all(scene, moved)
            rig.until_state("connected", *names)
            rig.until_stored_again(*names)
            rig.stop()
            yield scene
        finally:
            rig.close()


def _break_all(scene: Scene, moved: Link) -> None:
    rig, links = scene.rig, scene.links
    before = _descriptors(rig)
    flapping = Flapping(links["flap"], 0.5, 0.4)
    flapping.start()
    links["slow"].delay_seconds, links["slow"].jitter_seconds = 0.25, 0.3
    links["sliced"].slice_bytes = 8
    crowd = [links[f"crowd-{n}"] for n in (1, 2, 3, 4)]
    taken = [len(link.connections) for link in crowd]
    rig.faults(hosts={"device.test": ""})
    links["name"].close()
    began, from_us = time.monotonic(), _now_us()
    watches = [threading.Thread(target=_away_after, args=(scene, name, from_us)) for name in ("cut", "hole", "name")]
    for watch in watches:
        watch.start()
    links["hole"].black_hole()
    links["cut"].close()
    closed_us = _now_us()
    for link in crowd:
        link.close()
    for watch in watches:
        watch.join(60)
    links["hole"].heal()
    until(lambda: time.monotonic() - began > 3, 10)
    scene.spans["cut"] = (closed_us, _now_us())
    links["cut"].open()
    for link in crowd:
        link.open()
    moved.open()
    rig.faults(hosts={"device.test": "127.0.0.3"})
    rig.until_state("connected", "cut", "name", *(f"crowd-{n}" for n in (1, 2, 3, 4)))
    scene.attempts = [link.connections[count:] for link, count in zip(crowd, taken, strict=True)]
    scene.spans["silent"] = (0, _now_us())
    scene.silent_seconds = time.monotonic() - links["silent"].connections[0]
    links["silent"].silent = False
    links["silent"].reset()
    links["slow"].delay_seconds = links["slow"].jitter_seconds = 0.0
    links["sliced"].slice_bytes = 0
    until(lambda: flapping.times >= 7, 30)
    flapping.stop()
    scene.flapped = flapping.times
    rig.until_state("connected", "flap", "silent", "hole")
    # what was in the midst of an attempt lets go of it
    with contextlib.suppress(AssertionError):
        until(lambda: all(now <= most for now, most in zip(_descriptors(rig), (before[0] + 6, before[1] + 3), strict=True)), 5)
    after = _descriptors(rig)
    scene.descriptors, scene.threads = (before[0], after[0]), (before[1], after[1])


def test_the_ledger_holds_every_tick_of_every_source_whatever_happened_to_its_link(scene: Scene) -> None:
    scene.rig.assert_exact(*scene.links)
    scene.rig.assert_every_tick(*scene.links)


def test_a_source_on_a_whole_link_does_not_notice_the_others(scene: Scene) -> None:
    connecting = scene.rig.gaps("steady", *AWAY)
    assert len(connecting) <= 1, connecting
    assert gap_seconds(connecting) < 10 * PATIENCE


def test_a_cut_link_becomes_a_gap_with_its_start_and_end(scene: Scene) -> None:
    from_us, to_us = scene.spans["cut"]
    gaps = [gap for gap in scene.rig.gaps("cut", *AWAY) if gap.to_us > from_us]
    assert gaps
    # a read was on its way when the link broke, and one more may stand in the last tick before
    assert -1_500_000 * PATIENCE < gaps[0].from_us - from_us < 1_500_000
    assert gaps[-1].to_us >= to_us - 200_000
    told = [gap for gap in scene.rig.gaps("cut") if gap.to_us > from_us]
    assert sum(gap.count for gap in told) >= 3 * (to_us - from_us - 300_000) // 100_000
    seen = [t for t, *_ in scene.rig.values("cut", "count") if from_us + 200_000 < t < to_us - 200_000]
    assert seen == []


def test_a_half_open_link_is_found_within_three_seconds_and_read_anew(scene: Scene) -> None:
    # three reads of one second each; the report comes once a second, and the machine may be busy
    assert scene.found_seconds["hole"] < 3.0 + 3.0
    away = [gap for gap in scene.rig.gaps("hole", *AWAY) if gap.reason is GapReason.TIMEOUT]
    assert away
    assert scene.rig.values("hole", "count")[-1][0] > away[-1].to_us


def test_a_slow_link_skips_reads_and_counts_them_and_reads_never_pile_up(scene: Scene) -> None:
    for name in ("slow", "sliced"):
        totals = scene.rig.totals(name)
        assert totals.stored > 0
        assert len(scene.links[name].connections) <= 3
    assert scene.rig.gaps("slow", GapReason.OVERRUN)


def test_a_flapping_link_costs_neither_descriptors_nor_threads(scene: Scene) -> None:
    assert scene.flapped >= 7
    assert scene.descriptors[1] <= scene.descriptors[0] + 6
    assert scene.threads[1] <= scene.threads[0] + 3
    assert len(scene.links["flap"].connections) <= 6 * scene.flapped


def test_a_name_that_is_unknown_for_a_while_is_asked_for_again_and_its_new_address_is_taken(scene: Scene) -> None:
    assert scene.found_seconds["name"] < 15
    assert gap_seconds(scene.rig.gaps("name", *AWAY)) > 2


def test_a_port_that_is_open_and_silent_hangs_nothing(scene: Scene) -> None:
    silent = scene.rig.gaps("silent", *AWAY)
    assert silent[-1].to_us >= scene.spans["silent"][1] - 2_000_000
    assert len(scene.links["silent"].connections) < 5 + scene.silent_seconds


def test_sources_that_lost_their_links_together_come_back_one_after_the_other(scene: Scene) -> None:
    assert all(1 <= len(attempts) <= 6 for attempts in scene.attempts), scene.attempts
    first = sorted(attempts[0] for attempts in scene.attempts)
    assert first[-1] - first[0] > 0.05, "all came at once"


def test_the_family_of_a_stopped_ingest_is_gone(scene: Scene) -> None:
    assert scene.rig.child is None
    assert not [one for one in alive(psutil.Process().children(recursive=True)) if "ingest" in one.as_dict(["cmdline"], [])["cmdline"]]
