"""The catalogue and the reports of health come back as they were given, on each database."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.clock import SystemClock
from plant.equipment import Level
from plant.errors import Rejected
from plant.settings import SiteFile
from plant.signals import DataType, SourceId
from plant.site import site_of
from storage.catalogue import read_catalogue, register_site
from storage.counting import count_pieces, count_rows, moved_between, rows_since
from storage.health import ProcessReport, SourceReport, read_processes, read_sources, read_storage_state, report_process, report_source
from storage.upkeep import Upkeep
from tests.storage.conftest import Database
from tests.storage.small_plant import PATHS, SECOND, SOURCE, an_hour_ago, samples_of, shipper_of, small_site

REPORT = SourceReport(SOURCE, "connected", "", 1, 30_000, None, 30_010, 40, 900, 0, 5, 0, 0, 2, False, True, 7)


def test_a_site_is_read_back_as_it_was_registered(database: Database) -> None:
    with database.connect() as connection:
        register_site(connection, small_site())
        catalogue = read_catalogue(connection)
    assert [e.level for e in catalogue.equipment] == [Level.ENTERPRISE, Level.SITE, Level.AREA, Level.WORK_CENTER, Level.WORK_UNIT]
    assert catalogue.equipment[-1].parent == catalogue.equipment[-2].id
    assert catalogue.equipment[-1].kind == "welding_robot"
    assert [signal.path for signal in catalogue.signals] == list(PATHS)
    assert catalogue.signals[-1].data_type is DataType.STRING
    assert (catalogue.sources[0].id, catalogue.sources[0].interval_us, catalogue.sources[0].insecure) == (SOURCE, 30_000, False)


def test_a_signal_that_leaves_the_settings_is_retired_and_keeps_its_number(database: Database) -> None:
    with database.connect() as connection:
        register_site(connection, small_site())
        before = {signal.path: signal.id for signal in read_catalogue(connection).signals}
        register_site(connection, small_site("{current,force}"))
        changed = {signal.path: signal for signal in read_catalogue(connection).signals}
        register_site(connection, small_site())
        after = {signal.path: signal for signal in read_catalogue(connection).signals}
    assert {path: changed[path].id for path in before} == before
    assert {path.rpartition("/")[2] for path, signal in changed.items() if signal.retired} == {"voltage", "speed"}
    assert {path.rpartition("/")[2] for path, signal in after.items() if signal.retired} == {"force"}


def test_values_of_an_edge_node_rest_without_being_stale_for_it(database: Database) -> None:
    """Sparkplug edge nodes send by exception, and die aloud."""
    broker = {"protocol": "sparkplug", "id": "paint", "url": "mqtt://b:1", "allow_anonymous": True, "interval_ms": 300}
    unit = {"equipment": "line/cell/robot", "name": "flow", "source": "paint", "address": "g/n:flow"}
    site = site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "acme", "id": "north"},
                "equipment": [{"path": "line/cell/robot"}],
                "sources": [broker, {"protocol": "opcua", "id": SOURCE, "url": "opc.tcp://plc:4840"}],
                "signals": [unit, {**unit, "name": "speed", "source": SOURCE, "address": "nsu=u;s=speed"}],
            }
        )
    )
    with database.connect() as connection:
        register_site(connection, site)
        rests = connection.execute("SELECT name, may_rest FROM signal ORDER BY name").fetchall()
    assert rests == [("flow", True), ("speed", False)]


def test_a_signal_that_becomes_another_sources_takes_its_rows_along_and_what_is_new_is_told_apart(database: Database) -> None:
    moved = SourceId("plc-2")
    start = an_hour_ago()
    with database.connect() as connection:
        shipper = shipper_of(connection)
        shipper.ship(samples_of(PATHS[0], start + np.arange(5), np.arange(5.0)))
        before = count_pieces(connection)
        site = small_site()
        others = tuple(source.model_copy(update={"id": moved}) for source in site.sources)
        register_site(connection, replace(site, sources=others, signals=tuple(replace(one, source=moved) for one in site.signals)))
        shipper.ship(samples_of(PATHS[0], start + np.arange(5, 8), np.arange(3.0)))
        assert rows_since(before, count_pieces(connection)) == {SOURCE: 0, moved: 3}
        assert count_rows(connection) == {SOURCE: 0, moved: 8}
        assert moved_between(before, count_pieces(connection)) == {SOURCE, moved}
        assert moved_between(count_pieces(connection), count_pieces(connection)) == set()


def test_reports_replace_the_last_ones(database: Database) -> None:
    process = ProcessReport("ingest", "running", 12, 3, 0, None, 4)
    with database.connect() as connection:
        register_site(connection, small_site())
        report_source(connection, REPORT)
        report_source(connection, replace(REPORT, state="away", detail="refused \0 here"))
        report_process(connection, process)
        report_process(connection, replace(process, restarts=1, last_exit=-9))
        assert read_sources(connection) == [replace(REPORT, state="away", detail="refused \ufffd here")]
        assert read_processes(connection) == [replace(process, restarts=1, last_exit=-9)]
        with pytest.raises(Rejected, match="'ghost'"):
            report_source(connection, replace(REPORT, source=SourceId("ghost")))


def test_the_storage_state_tells_the_span_that_each_tier_keeps(database: Database) -> None:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper_of(connection).ship(samples_of(PATHS[0], start + np.arange(100) * SECOND, np.arange(100.0)))
        database.settle()
        Upkeep(connection, budget_bytes=10**12, clock=SystemClock()).run_once()
        state = read_storage_state(connection)
    raw, second, minute, _ = state.tiers
    assert (raw.oldest_us, raw.newest_us) == (start, start + 99 * SECOND)
    assert (second.oldest_us, second.newest_us) == (start, start + 99 * SECOND)
    assert (minute.oldest_us, minute.newest_us) == (start, start + 60 * SECOND)
    assert raw.size_bytes > 0
    assert state.database_bytes > 1_000_000
    assert state.budget_bytes == 10**12
    assert state.is_timescale is database.is_timescale
    assert state.rollup_lag_us == 0
    assert state.upkeep_us is not None
