from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ingest.groups import Wanted, assign
from plant.equipment import EquipmentId
from plant.ledger import GapReason
from plant.settings import MqttSourceSettings, MqttTopicSettings, OpcUaSourceSettings
from plant.settings_opcua import OpcUaSecurity
from plant.signals import DataType, Signal, SignalPath, SourceId
from storage.database import Connection, connect
from storage.health import read_sources
from storage.ledger import read_gaps
from tests.ingest.parts import PATIENCE, REPOSITORY, Child, alive, start_ingest, start_plant, until
from tests.ingest.test_process import FOREVER, INTERVAL_US, assert_every_tick_counted, assert_ledger_exact, signals_of, totals_of


def cyclic(name: str, signals: int, interval_ms: float = 30, process: str | None = None) -> tuple[SourceId, Wanted]:
    settings = OpcUaSourceSettings(
        protocol="opcua",
        id=name,
        url="opc.tcp://127.0.0.1:4840",
        interval_ms=interval_ms,
        security=OpcUaSecurity(policy="None", mode="None"),
        allow_insecure=True,
        process=process,
    )
    return SourceId(name), Wanted(settings, signals_named(name, signals, round(interval_ms * 1000)))


def sending(name: str) -> tuple[SourceId, Wanted]:
    settings = MqttSourceSettings(
        protocol="mqtt", id=name, url="mqtt://127.0.0.1", topics=(MqttTopicSettings(filter="#"),), allow_anonymous=True
    )
    return SourceId(name), Wanted(settings, signals_named(name, 10, 0))


def signals_named(source: str, count: int, interval_us: int) -> tuple[Signal, ...]:
    return tuple(
        Signal(
            SignalPath(f"a/b/{source}-{n}"), EquipmentId("a/b"), f"{source}-{n}", DataType.DOUBLE, "", SourceId(source), "x", interval_us
        )
        for n in range(count)
    )


def assigned(wanted: dict[SourceId, Wanted], known: dict[str, str], processes: int) -> dict[str, str]:
    groups = assign(wanted, {SourceId(source): name for source, name in known.items()}, processes)
    return {str(source): name for source, name in groups.items()}


def test_small_sources_share_one_process_and_those_that_send_by_themselves_another() -> None:
    groups = assigned(dict([cyclic("a", 10), cyclic("b", 10), cyclic("c", 900), sending("m"), sending("n")]), {}, 8)
    assert groups["a"] == groups["b"] == groups["c"]
    assert groups["m"] == groups["n"] != groups["a"]
    source, what = cyclic("d", 10)
    subscribed = replace(what, settings=what.settings.model_copy(update={"read": "subscription"}))
    assert assigned({source: subscribed}, {}, 8) == {"d": groups["m"]}


def test_a_large_load_is_spread_over_the_processors_and_no_further() -> None:
    wanted = dict(cyclic(f"s{n}", 3000) for n in range(8))
    groups = assigned(wanted, {}, 2)
    assert [list(groups.values()).count(name) for name in sorted(set(groups.values()))] == [4, 4]
    assert len(set(assigned(wanted, {}, 64).values())) == 8
    assert len(set(assigned(wanted, {}, 1).values())) == 1


def test_a_source_that_names_its_process_is_read_there_and_others_stay_where_they_are() -> None:
    wanted = dict([cyclic("a", 10, process="paint"), cyclic("b", 10, process="paint"), cyclic("c", 10)])
    groups = assigned(wanted, {}, 4)
    assert groups["a"] == groups["b"] == "paint"
    assert groups["c"] != "paint"
    large = dict(cyclic(f"s{n}", 3000) for n in range(4))
    before = assigned(large, {}, 2)
    less = {source: what for source, what in large.items() if source != "s0"}
    after = assigned(less, before, 2)
    assert all(after[source] == before[source] for source in less if before[source] in set(after.values()))


def readers_of(ingest: Child) -> list[psutil.Process]:
    """The reader processes, which are the children of the one that they are forked from."""
    found: list[psutil.Process] = []
    for zygote in psutil.Process(ingest.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += zygote.children()
    return found


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as connection:
        yield connection


def apart(site: Path) -> None:
    """Give each source of the site a process of its own, named like itself."""
    lines = []
    for line in site.read_text().splitlines():
        lines.append(line)
        if line.startswith("id = ") and "[[sources]]" in lines[-4:]:
            lines.append("process = " + line.removeprefix("id = "))
    site.write_text("\n".join(lines) + "\n")


def stored(database: Connection, source: str) -> int:
    return totals_of(database, source).stored


def harm_readers(tmp_path: Path, url: str, database: Connection, harms: list[signal.Signals], pause: float) -> list[str]:
    """Harm the process of one source again and again; return the log."""
    plant = start_plant(tmp_path / "plant" / "site.toml", "--insecure", "--units", "8")
    home = tmp_path / "home"
    site = tmp_path / "plant" / "site.toml"
    apart(site)
    plant.process.send_signal(signal.SIGSTOP)  # the first tick is then known, because it is missed
    ingest = start_ingest(site, home, url)
    try:
        time.sleep(0.2)
        plant.process.send_signal(signal.SIGCONT)
        until(lambda: len(lines := signals_of(database)) == 2 and all(stored(database, source) for source in lines), 20)
        signals = signals_of(database)
        spared = {one.pid for one in readers_of(ingest)}
        for harm in harms:
            victim = max(readers_of(ingest), key=lambda one: (one.create_time(), one.pid))
            spared &= {one.pid for one in readers_of(ingest)} - {victim.pid}
            os.kill(victim.pid, harm)
            until(lambda old=victim.pid: old not in {one.pid for one in readers_of(ingest)} and len(readers_of(ingest)) == 2, 20)  # type: ignore[misc]
            if harm is signal.SIGKILL:
                before = {source: stored(database, source) for source in signals}
                until(lambda: all(stored(database, source) > count for source, count in before.items()), 20)  # noqa: B023
            time.sleep(pause)
        assert spared, "the other process was left alone"
        assert spared <= {one.pid for one in readers_of(ingest)}
        until(lambda: {report.state for report in read_sources(database)} == {"connected"}, 10)
        assert ingest.stop() == 0
        assert_ledger_exact(database, list(signals))
        for source, count in signals.items():
            assert_every_tick_counted(database, home, source, count)
        stopped = [gap for gap in read_gaps(database, 0, FOREVER, most=100_000) if gap.reason is GapReason.STOPPED]
        assert len(stopped) >= len(harms)
        if set(harms) == {signal.SIGKILL}:
            missed = sorted(gap.to_us - gap.from_us for gap in stopped)
            assert missed[len(missed) // 2] < 4_000_000 * PATIENCE, "a second of records not handed over, and the start"
            assert missed[0] >= INTERVAL_US
        by_source = {source: [gap for gap in stopped if gap.source == source] for source in signals}
        spared_source = min(by_source, key=lambda source: len(by_source[source]))
        assert sum(gap.to_us - gap.from_us for gap in by_source[spared_source]) <= 20 * PATIENCE * INTERVAL_US, "at the end of the run only"
        return ingest.log.read_text().splitlines()
    finally:
        if ingest.process.poll() is None:
            ingest.stop()
        plant.stop()


@pytest.mark.heavy
def test_a_killed_reader_process_starts_anew_and_its_missing_ticks_become_a_gap(
    tmp_path: Path, database_url: str, database: Connection
) -> None:
    log = harm_readers(tmp_path, database_url, database, [signal.SIGKILL] * 2, 0)
    assert sum("was killed by signal 9" in line for line in log) == 2


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_twenty_kills_of_a_reader_process_leave_every_tick_accounted_for(tmp_path: Path, database_url: str, database: Connection) -> None:
    harm_readers(tmp_path, database_url, database, [signal.SIGKILL] * 20, 1)


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_a_reader_process_that_hangs_is_killed_and_starts_anew(tmp_path: Path, database_url: str, database: Connection) -> None:
    log = harm_readers(tmp_path, database_url, database, [signal.SIGSTOP], 2)
    assert any("silent" in line for line in log)


@pytest.mark.heavy
def test_when_the_process_that_readers_come_from_dies_they_read_on_and_the_next_one_comes_from_a_new_one(
    tmp_path: Path, database_url: str, database: Connection
) -> None:
    plant = start_plant(tmp_path / "plant" / "site.toml", "--insecure", "--units", "8")
    ingest = start_ingest(tmp_path / "plant" / "site.toml", tmp_path / "home", database_url)
    try:
        (zygote,) = psutil.Process(ingest.pid).children()
        until(lambda: bool(zygote.children()), 20)
        (reader, *_) = zygote.children()
        zygote.kill()
        until(lambda: bool(signals_of(database)), 20)
        first = next(iter(signals_of(database)))
        before = stored(database, first)
        until(lambda: stored(database, first) > before, 20)
        assert reader.is_running()
        reader.kill()
        until(lambda: bool(readers_of(ingest)), 30)
        before = stored(database, first)
        until(lambda: stored(database, first) > before, 30)
        parts = readers_of(ingest)
        ingest.kill()
        # no reader goes on without the process that holds the spool
        until(lambda: not alive(parts), 2)
    finally:
        if ingest.process.poll() is None:
            ingest.stop()
        plant.stop()


def test_settings_that_only_say_how_values_are_judged_start_no_reader_anew(tmp_path: Path, database_url: str, database: Connection) -> None:
    site = tmp_path / "plant" / "site.toml"
    plant = start_plant(site, "--insecure", "--units", "8")
    ingest = start_ingest(site, tmp_path / "home", database_url)
    try:
        until(lambda: {report.state for report in read_sources(database)} == {"connected"}, 20)
        for file in site.parent.rglob("*.toml"):
            file.write_text(file.read_text().replace('description = "', 'description = "Anew: ').replace("high_high = ", "high_high = 1"))
        until(lambda: "the settings were read anew" in ingest.log.read_text(), 20)
        until(lambda: bool(database.execute("SELECT 1 FROM signal WHERE description LIKE 'Anew: %'").fetchone()), 20)
        assert "sources were started anew" not in ingest.log.read_text()
        assert ingest.log.read_text().count('"source connected"') == len(signals_of(database))
    finally:
        assert ingest.stop() == 0
        plant.stop()


def test_the_process_that_holds_the_spool_loads_no_protocol() -> None:
    asked = "import sys, ingest.process; print([name for name in sys.modules if name.split('.')[0] in ('asyncua', 'paho', 'protocols')])"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=True)
    assert said.stdout == "[]\n"
