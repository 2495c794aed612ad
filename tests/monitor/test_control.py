"""Charts that follow a real database: one point a part, limits frozen after phase 1, nothing lost or doubled however it is cut."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from monitor.chart_values import Counted, Gathered, Stream, by_time, by_trigger, shares
from monitor.control import Control, make_control
from plant.charts import Rule, Taken
from plant.clock import SystemClock
from plant.errors import Rejected
from plant.samples import concatenate, empty
from plant.settings import SiteFile
from plant.shipment import Shipment
from plant.signals import SignalPath
from plant.site import Site, site_of
from storage import charts
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.samples import SampleWriter
from storage.tightening import Wanted, read_tightenings
from tests.storage.small_plant import SECOND, SOURCE, Shipper, an_hour_ago, samples_of
from tests.storage.test_tightening import RESULT

MILL = "acme/north/machining/line/mill-1"
BORE = f"bore:{MILL}"


def charted(*rules: dict[str, Any]) -> Site:
    kinds = {"bore": "double", "parts": "uint32", "scrap": "uint32", "step": "string"}
    signals = [
        {"equipment": "machining/line/*", "name": name, "source": SOURCE, "address": f"nsu=u;s={name}", "data_type": kind}
        for name, kind in kinds.items()
    ]
    tools = {"protocol": "open_protocol", "id": "tools", "url": "op://tool:4545", "equipment": "line/bearing", "allow_insecure": True}
    bore = {"id": "bore", "equipment": "machining/line/*", "signal": "bore", "trigger": "parts", "low": 9.0, "high": 11.0}
    settings = {
        "site": {"enterprise": "acme", "id": "north"},
        "equipment": [{"path": "machining/line/mill-1"}, {"path": "line/bearing"}],
        "sources": [{"protocol": "opcua", "id": SOURCE, "url": "opc.tcp://plc:4840"}, tools],
        "signals": signals,
        "charts": list(rules) or [bore],
    }
    return site_of(SiteFile.model_validate(settings))


def bores(count: int, *, off: dict[int, float] | None = None) -> list[float]:
    values = 10 + 0.1 * np.random.default_rng(7).normal(size=count)
    for number, shift in (off or {}).items():
        values[number - 1] += shift
    return [round(value, 4) for value in values.tolist()]


def ship_parts(shipper: Shipper, begin: int, values: list[float], first: int = 0) -> None:
    """One part every 2 s: its bore is known when the counter rises."""
    for number, value in enumerate(values, first):
        at = begin + 2 * number * SECOND
        times = [at, at + SECOND]
        shipper.ship(
            concatenate(
                [
                    samples_of(SignalPath(f"{MILL}/bore"), times, [value, value]),
                    samples_of(SignalPath(f"{MILL}/parts"), times, [float(number), float(number)]),
                ]
            )
        )


def pass_time(shipper: Shipper, begin: int, count: int) -> None:
    """Something comes later, so that nothing of before can come any more."""
    shipper.ship(samples_of(SignalPath(f"{MILL}/scrap"), [begin + (2 * count + 10) * SECOND], [0.0]))


def run(connection: Connection, site: Site, *, anew: bool = False) -> None:
    follower = Control(site)
    while follower.step(connection):
        if anew:
            follower = Control(site)
    follower.step(connection)


def of(connection: Connection, key: str = BORE) -> charts.StoredChart:
    return next(one for one in charts.read_charts(connection) if one.key == key)


@pytest.fixture
def connection(database_url: str) -> Any:
    with connect(database_url, application="test") as made:
        yield made


def test_a_site_without_charts_needs_no_follower() -> None:
    bare = replace(charted(), charts=())
    assert make_control(bare, SystemClock()) is None


def test_limits_are_learnt_from_phase_1_then_frozen_and_points_beyond_them_are_told(connection: Connection) -> None:
    site = charted()
    register_site(connection, site)
    begin, shipper = an_hour_ago(), Shipper(connection)
    values = bores(42, off={35: 0.8})
    ship_parts(shipper, begin, values)
    pass_time(shipper, begin, len(values))
    run(connection, site)
    chart = of(connection)
    points = charts.read_points(connection, chart.id)
    # the first value of the counter ends no part
    assert [point.mean for point in points] == values[1:]
    phase = charts.read_phases(connection, chart.id)[0]
    assert (phase.first_number, phase.last_number, phase.points) == (1, 25, 25)
    learnt = np.array(values[1:26])
    assert phase.center == pytest.approx(learnt.mean())
    assert phase.sigma == pytest.approx(np.abs(np.diff(learnt)).mean() / 1.128379, rel=1e-6)
    assert {point.phase for point in points} == {1}
    broken = [v for _, _, v in charts.read_violations(connection, begin, begin + 200 * SECOND, chart=chart.id) if v.rule is Rule.BEYOND]
    assert {v.number for v in broken if v.part == "location"} == {34}
    assert chart.n == 41
    names = {index["name"]: index for index in chart.indices}
    assert {"Cp", "Cpk", "Pp", "Ppk"} <= set(names)
    assert all(index["n"] == 41 and not index["enough"] for index in names.values())


def test_a_failed_part_in_phase_1_does_not_widen_the_limits_and_is_told(connection: Connection) -> None:
    site = charted()
    register_site(connection, site)
    begin, shipper = an_hour_ago(), Shipper(connection)
    ship_parts(shipper, begin, bores(40, off={12: 5.0}))
    pass_time(shipper, begin, 40)
    run(connection, site)
    (phase,) = charts.read_phases(connection, of(connection).id)
    assert phase.points == 24
    assert phase.sigma < 0.15
    found = charts.read_violations(connection, begin, begin + 200 * SECOND)
    assert 11 in {v.number for _, _, v in found if v.part == "location" and v.rule is Rule.BEYOND}
    assert len({v.number for _, _, v in found}) < 6


def test_restarts_and_other_cuts_of_the_stream_give_the_same_points(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    site = charted()
    register_site(connection, site)
    begin, shipper = an_hour_ago(), Shipper(connection)
    values = bores(60, off={40: 1.0})
    for number in range(0, 60, 4):
        ship_parts(shipper, begin, values[number : number + 4], number)
        follower = Control(site)
        follower.step(connection)
    pass_time(shipper, begin, 60)
    run(connection, site)
    chart = of(connection)
    piecewise = (charts.read_points(connection, chart.id), charts.read_phases(connection, chart.id), chart.indices)
    told = charts.read_violations(connection, 0, begin + 10_000 * SECOND)
    for table in ("chart_violation", "chart_capability", "chart_phase", "chart_point", "monitor_progress"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    monkeypatch.setattr("monitor.control._SPAN_US", 7_300_000)
    run(connection, site, anew=True)
    again = of(connection)
    assert (charts.read_points(connection, again.id), charts.read_phases(connection, again.id), again.indices) == piecewise
    assert charts.read_violations(connection, 0, begin + 10_000 * SECOND) == told


def test_a_person_has_limits_made_anew_without_the_points_whose_cause_is_known(connection: Connection) -> None:
    site = charted({"id": "bore", "equipment": "machining/line/*", "signal": "bore", "trigger": "parts", "phase_1": 10})
    register_site(connection, site)
    begin, shipper = an_hour_ago(), Shipper(connection)
    values = bores(31, off={25: 3.0})
    ship_parts(shipper, begin, values)
    pass_time(shipper, begin, len(values))
    run(connection, site)
    chart = of(connection)
    now = begin + 100 * SECOND
    with connection.transaction(), connection.cursor() as cursor:
        charts.add_note(cursor, chart.id, 24, time_us=now, actor="ann", cause="tool broke", comment="", leave_out=True)
        assert charts.add_wish(cursor, chart.id, time_us=now, actor="ann") == 30
    ship_parts(shipper, begin + 100 * SECOND, bores(5), 31)
    pass_time(shipper, begin + 100 * SECOND, 36)
    run(connection, site)
    old, new = charts.read_phases(connection, chart.id)
    assert (old.phase, new.phase, new.from_number, new.asked_by, new.points) == (1, 2, 31, "ann", 10)
    assert new.center == pytest.approx(np.mean([v for n, v in enumerate(values[20:31], 20) if n != 24]))
    assert {p.phase for p in charts.read_points(connection, chart.id, 30)} == {2}
    assert charts.read_wishes(connection) == []
    with pytest.raises(Rejected, match="no point 99"), connection.cursor() as cursor:
        charts.add_note(cursor, chart.id, 99, time_us=now, actor="ann", cause="x", comment="", leave_out=False)


def test_a_tool_has_a_chart_for_each_spindle_and_program_and_its_capability(connection: Connection) -> None:
    torque = {"id": "torque", "equipment": "line/bearing", "tightening": "torque", "low": 900, "high": 1000, "tool": True}
    wrong = {"id": "wrong", "equipment": "line/bearing", "tightening": "verdict", "kind": "p", "every_seconds": 60, "phase_1": 5}
    site = charted(torque, wrong)
    register_site(connection, site)
    rng, begin = np.random.default_rng(3), an_hour_ago()
    writer, spool = SampleWriter(connection), uuid4()
    for number in range(60):
        told = replace(
            RESULT,
            tightening_id=number,
            time_us=begin + 20 * number * SECOND,
            spindle=1 + number % 2,
            program=4,
            torque_nm=float(rng.normal(950, 4)),
        )
        writer.ship(Shipment(spool, number + 1, number + 1, empty(), tightenings=(told,)))
    assert len(read_tightenings(connection, Wanted())) == 60
    run(connection, site)
    run(connection, site)
    one = of(connection, "torque:acme/north/line/bearing:1:4")
    assert (one.points, one.spindle, one.program, one.tool) == (30, 1, 4, True)
    assert [index["name"] for index in one.indices] == ["Cm", "Cmk"]
    assert one.indices[0]["value"] == pytest.approx(100 / (6 * (one.sigma_overall or 0)))
    assert (one.n, one.indices[1]["enough"]) == (30, False)
    shares_of = charts.read_points(connection, of(connection, "wrong:acme/north/line/bearing:2:4").id)
    assert {(point.size, point.mean) for point in shares_of[1:]} <= {(1, 1.0), (2, 1.0)}


def stream(*rows: tuple[int, int, float]) -> Stream:
    return Stream(
        np.array([r for r, _, _ in rows], np.int64), np.array([t for _, t, _ in rows], np.int64), np.array([v for _, _, v in rows])
    )


def test_a_part_has_the_values_between_two_changes_of_its_trigger() -> None:
    values = stream(*((n, n, float(n * n)) for n in range(10)))
    parts = stream((0, 0, 1.0), (3, 3, 2.0), (5, 5, np.nan), (7, 7, 3.0))
    wanted: dict[Taken, list[float]] = {Taken.LAST: [9, 49], Taken.MAX: [9, 49], Taken.MIN: [0, 16], Taken.MEAN: [3.5, 31.5]}
    for taken, found in wanted.items():
        told, state = by_trigger(Gathered(), values, parts, taken)
        assert told == [(3, found[0]), (7, found[1])]
        assert (state.code, state.count) == (3.0, 2)


def test_a_step_gives_the_values_within_it_only() -> None:
    values = stream(*((n, n, float(n)) for n in range(10)))
    step = stream((0, 0, 5.0), (2, 2, 8.0), (6, 6, 5.0), (8, 8, 8.0))
    told, _ = by_trigger(Gathered(), values, step, Taken.MEAN, 8.0)
    assert told == [(6, 4.5)]


def test_it_does_not_matter_where_a_stream_is_cut() -> None:
    rng = random.Random(11)  # noqa: S311 - no secret
    rows = sorted((rng.randrange(300), rng.randrange(300), float(rng.randrange(9))) for _ in range(200))
    marks = sorted((rng.randrange(300), rng.randrange(300), float(rng.randrange(3))) for _ in range(60))
    whole, _ = by_trigger(Gathered(), stream(*rows), stream(*marks), Taken.MEAN)
    timed, _ = by_time(Gathered(), stream(*rows), Taken.MEAN, 20)
    counted, _ = shares(Counted(), stream(*marks), stream(*rows), 20)
    for _ in range(30):
        cuts = [0, *sorted(rng.sample(range(1, 300), 4)), 300]
        gathered, by, at = Gathered(), Gathered(), Counted()
        pieces, spans, told = [], [], []
        for low, high in itertools.pairwise(cuts):
            own = stream(*(row for row in rows if low <= row[0] < high))
            mark = stream(*(row for row in marks if low <= row[0] < high))
            found, gathered = by_trigger(gathered, own, mark, Taken.MEAN)
            pieces += found
            found, by = by_time(by, own, Taken.MEAN, 20)
            spans += found
            share, at = shares(at, mark, own, 20)
            told += share
        assert pieces == whole
        assert spans == timed
        assert told == counted


def test_shares_count_what_two_counters_rose_by() -> None:
    parts = stream((1, 1, 100.0), (5, 5, 104.0), (12, 12, 110.0), (25, 25, 3.0), (31, 31, 4.0))
    scrap = stream((1, 1, 7.0), (6, 6, 8.0), (13, 13, 10.0))
    found, _ = shares(Counted(), parts, scrap, 10)
    assert found == [(10, 1, 4), (20, 2, 6), (30, 0, 3)]
