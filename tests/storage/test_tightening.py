"""Tightenings as stored, on each database."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.errors import Rejected
from plant.samples import empty
from plant.settings import SiteFile
from plant.shipment import Shipment
from plant.signals import SourceId
from plant.site import site_of
from plant.tightening import AgainstLimits, ResultKind, Stage, TighteningResult, TighteningTrace, TraceKind, pack_counts
from plant.verdict import Verdict
from storage.catalogue import read_catalogue, register_site
from storage.counting import count_rows
from storage.database import Connection
from storage.samples import SampleWriter
from storage.tightening import Wanted, forget_before, newest_of, read_curve, read_tightening, read_tightenings
from storage.upkeep import Upkeep
from tests.storage.conftest import Database

SOURCE = SourceId("tools")
STATION = EquipmentId("acme/north/line/bearing")
TIME = 1_790_000_000_000_000
RESULT = TighteningResult(
    SOURCE,
    STATION,
    4_294_967_295,
    TIME,
    TIME + 5,
    Verdict.NOT_OK,
    station=2,
    spindle=7,
    controller="Nord 'A'",
    fetched=True,
    kind=ResultKind.SYNC_TIGHTENING,
    program=999,
    program_name="M24",
    program_changed_us=TIME - 1,
    strategy=4,
    strategy_options=2047,
    job=9999,
    job_sequence=65_535,
    batch_size=36,
    batch_counter=36,
    batch_verdict=Verdict.OK,
    sync_id=65_535,
    part="EX-焊 1",
    identifiers=("a", "b"),
    bolt=12,
    torque_nm=950.25,
    torque_min_nm=900.0,
    torque_max_nm=1000.0,
    torque_target_nm=950.0,
    torque_status=AgainstLimits.HIGH,
    angle_deg=-1.5,
    angle_status=AgainstLimits.LOW,
    rundown_angle_deg=1500.0,
    rundown_angle_status=AgainstLimits.OK,
    errors=(1 << 63) - 1,
    customer_error="E1",
    tool="A1",
    tool_calibrated_us=TIME - 7,
    stages=(Stage(150.0, 1.0), Stage(950.0, 90.0)),
)
COUNTS = np.array([0, -5, 300, 32767, -32768], np.int16)


def trace(
    kind: TraceKind, counts: np.ndarray[tuple[int], np.dtype[np.int16]] = COUNTS, number: int = RESULT.tightening_id
) -> TighteningTrace:
    return TighteningTrace(
        SOURCE, STATION, number, TIME, TIME, 1, 0, kind, 0.5, len(counts), pack_counts(counts), ((0, 1000.0), (3, 500.0)), (0, 3), 12
    )


def prepared(connection: Connection) -> SampleWriter:
    file = {
        "site": {"enterprise": "acme", "id": "north"},
        "equipment": [{"path": "line/bearing"}],
        "sources": [
            {"protocol": "open_protocol", "id": SOURCE, "url": "op://h", "equipment": "line/bearing", "allow_insecure": True},
        ],
    }
    register_site(connection, site_of(SiteFile.model_validate(file)))
    return SampleWriter(connection)


def test_a_tightening_comes_back_as_it_was_told(database: Database) -> None:
    bare = TighteningResult(SOURCE, STATION, 1, TIME - 1, TIME, Verdict.UNDEFINED)
    with database.connect() as connection:
        prepared(connection).ship(Shipment(uuid4(), 1, 1, empty(), tightenings=(RESULT, bare)))
        found = read_tightenings(connection, Wanted())
        assert [one.result for one in found] == [RESULT, bare]
        assert read_tightening(connection, found[0].id) == found[0]
        assert read_tightening(connection, 0) is None
        assert newest_of(connection, SOURCE) == (RESULT.tightening_id, TIME)
        assert [source.insecure for source in read_catalogue(connection).sources] == [True]


def test_torque_and_angle_make_one_curve_in_whichever_shipment_they_come(database: Database) -> None:
    with database.connect() as connection:
        writer, spool = prepared(connection), uuid4()
        writer.ship(Shipment(spool, 1, 1, empty(), tightenings=(RESULT,), traces=(trace(TraceKind.ANGLE), trace(TraceKind.CURRENT))))
        writer.ship(Shipment(spool, 2, 2, empty(), traces=(trace(TraceKind.TORQUE, COUNTS[:4]),)))
        assert not writer.ship(Shipment(spool, 2, 2, empty(), traces=(trace(TraceKind.TORQUE, COUNTS[:2]),)))
        assert count_rows(connection)[SOURCE] == 4
        (found,) = read_tightenings(connection, Wanted())
        assert found.has_curve
        curve = read_curve(connection, found.id)
    assert curve is not None
    assert curve.angle_deg is not None
    assert curve.torque_nm is not None
    np.testing.assert_array_equal(curve.angle_deg, COUNTS * 0.5)
    np.testing.assert_array_equal(curve.torque_nm, [*(COUNTS[:4] * 0.5), np.nan])
    assert curve.elapsed_us.tolist() == [0.0, 1000.0, 2000.0, 3000.0, 3500.0]
    assert curve.steps == (0, 3)


def test_a_number_given_anew_is_another_tightening(database: Database) -> None:
    again = replace(RESULT, time_us=TIME + 86_400_000_000, part="other")
    with database.connect() as connection:
        writer, spool = prepared(connection), uuid4()
        writer.ship(Shipment(spool, 1, 1, empty(), tightenings=(RESULT, again), traces=(trace(TraceKind.TORQUE),)))
        assert [(one.result.part, one.has_curve) for one in read_tightenings(connection, Wanted())] == [("other", False), ("EX-焊 1", True)]


def test_a_tightening_at_an_impossible_time_is_refused_and_nothing_of_its_shipment_stays(database: Database) -> None:
    with database.connect() as connection:
        writer = prepared(connection)
        with pytest.raises(Rejected):
            writer.ship(Shipment(uuid4(), 1, 1, empty(), tightenings=(RESULT, replace(RESULT, time_us=2**62))))
        assert read_tightenings(connection, Wanted()) == []


def test_old_tightenings_and_older_curves_are_given_up(database: Database) -> None:
    with database.connect() as connection:
        young = replace(RESULT, tightening_id=2, time_us=TIME + 10)
        prepared(connection).ship(Shipment(uuid4(), 1, 1, empty(), tightenings=(RESULT, young), traces=(trace(TraceKind.TORQUE),)))
        assert forget_before(connection, TIME, TIME) == (0, 0)
        assert forget_before(connection, TIME + 1, TIME + 1) == (1, 1)
        assert [one.result for one in read_tightenings(connection, Wanted())] == [young]
        Upkeep(connection, budget_bytes=None, clock=SystemClock()).run_once()
        assert [one.result for one in read_tightenings(connection, Wanted())] == [young]
