"""The history grows from what the plant reports: states, counters, programs, power and verdicts as stored become rows, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from optimizer.reporting import Reporting, take_reported
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.network_file import network_of
from plant.oee import Made
from plant.optimizer_rules import OptimizerPlan, Performs
from plant.reported_operations import VisitFacts, history_of, reported, visits
from plant.samples import SampleBatch
from plant.settings import SiteFile
from plant.settings_optimizer import OptimizerSettings
from plant.signals import SignalPath
from plant.site import site_of
from plant.states import EquipmentState, OperationMode, StateInterval
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.operation_history import read_history
from storage.process_networks import write_network
from storage.states import add_states
from tests.plant.route_examples import small_network
from tests.storage.small_plant import MINUTE, SECOND, Shipper, an_hour_ago, samples_of

ROBOT = EquipmentId("acme/north/line/cell/robot")
START = an_hour_ago()
E, S, U = EquipmentState.EXECUTE, EquipmentState.SUSPENDED, EquipmentState.UNKNOWN
PLAN = OptimizerPlan(
    OptimizerSettings(), performs=(Performs("weld-r1-P1", ROBOT, "BOOM-*"), Performs("weld-r1-P2", ROBOT, "ARM-*")), wanted=True
)
OPERATIONS = {"weld-r1-P1": "weld", "weld-r1-P2": "weld"}


def _span(minutes: tuple[float, float], state: EquipmentState, part: str, *, product: str = "EX-10") -> StateInterval:
    begin, end = (START + round(minute * MINUTE) for minute in minutes)
    return StateInterval(
        ROBOT, begin, end, state, OperationMode.PROCESSING, "", product if part else "", "JO-1" if part else "", part, begin
    )


SPANS = [
    _span((-10, 0), E, "SN-0"),
    _span((0, 4), E, "SN-1"),
    _span((4, 6), S, "SN-1"),
    _span((6, 10), E, "SN-1"),
    _span((10, 11), S, ""),
    _span((11, 16), E, "SN-2"),
    _span((16, 21), E, "SN-3", product="EX-20"),
    _span((21, 30), U, "SN-4"),
    _span((30, 31), E, "SN-4"),
    _span((31, 40), E, "SN-5"),
]
PIECES = [
    Made(ROBOT, START, "good", "EX-10", "JO-1", 1),
    Made(ROBOT, START + 10 * MINUTE, "good", "EX-10", "JO-1", 1),
    Made(ROBOT, START + 16 * MINUTE, "scrap", "EX-10", "JO-1", 1),
    Made(ROBOT, START + 21 * MINUTE, "good", "EX-20", "JO-1", 1),
]


def test_visits_that_were_seen_whole_become_operations_with_their_productive_time() -> None:
    seen = visits(SPANS)
    assert [visit.part for visit in seen] == ["SN-1", "SN-2", "SN-3", "SN-4"]
    told = reported(seen, PIECES, {}, dict.fromkeys(seen, "weld-r1-P1"))
    assert [(one.visit.part, one.visit.busy_us // MINUTE, one.first_pass, one.scrapped) for one in told] == [
        ("SN-1", 8, True, False),
        ("SN-2", 5, False, True),
        ("SN-3", 5, True, False),
    ]
    history = history_of(told)
    assert history.duration_min.tolist() == [8.0, 5.0, 5.0]
    assert [history.products[code] for code in history.product] == ["EX-10", "EX-10", "EX-20"]


def test_a_part_that_nothing_counted_or_judged_is_left_out() -> None:
    [first, *_] = seen = visits(SPANS)
    assert reported(seen, [], {}, dict.fromkeys(seen, "weld-r1-P1")) == []
    [bad] = reported(seen, [], {first: VisitFacts(judged_bad=True)}, dict.fromkeys(seen, "weld-r1-P1"))
    assert (bad.visit.part, bad.first_pass) == ("SN-1", False)


def test_a_good_part_that_an_inspection_refuses_was_not_right_the_first_time() -> None:
    [first, *_] = seen = visits(SPANS)
    told = reported(seen, PIECES, {first: VisitFacts(judged_bad=True)}, {first: "weld-r1-P1"})
    assert [one.first_pass for one in told] == [False]


@pytest.mark.parametrize(("from_minute", "cut"), [(0, "SN-1"), (6, "SN-1"), (11, "SN-2"), (16, "SN-3")])
def test_a_part_during_which_equipment_was_silent_is_left_out(from_minute: int, cut: str) -> None:
    silent = [replace(span, from_us=span.from_us + 2 * MINUTE) if span.from_us == START + from_minute * MINUTE else span for span in SPANS]
    seen = visits(silent)
    left = [one.visit.part for one in reported(seen, PIECES, {}, dict.fromkeys(seen, "weld-r1-P1"))]
    assert cut not in left
    assert left


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    site = site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "acme", "id": "north"},
                "equipment": [{"path": "line/cell/robot", "kind": "welding_robot"}],
                "sources": [{"protocol": "opcua", "id": "plc-1", "url": "opc.tcp://plc:4840"}],
                "signals": [
                    {"equipment": "line/cell/robot", "name": "active_power", "source": "plc-1", "address": "nsu=u;s=a", "unit": "kW"},
                    {"equipment": "line/cell/robot", "name": "program", "source": "plc-1", "address": "nsu=u;s=p", "data_type": "string"},
                ],
            }
        )
    )
    with connect(database_url, application="test") as made:
        register_site(made, site)
        shipper = Shipper(made)
        shipper.ship(_power())
        shipper.ship(
            samples_of(
                SignalPath(f"{ROBOT}/program"),
                [START - MINUTE, START + 15 * MINUTE, START + 20 * MINUTE],
                [None, None, None],
                text=["BOOM-11", "ARM-2", "TEST"],
            )
        )
        with made.transaction():
            add_states(made, SPANS, PIECES, [])
        yield made


def _power() -> SampleBatch:
    times = np.arange(START, START + 40 * MINUTE, 10 * SECOND)
    return samples_of(SignalPath(f"{ROBOT}/active_power"), times, np.where(times < START + 10 * MINUTE, 12.0, 6.0))


def _taken(connection: Connection, now_us: int) -> tuple[int, int]:
    """Rows that were added, and those known already, until there is nothing left to look at."""
    added = known = 0
    while (written := take_reported(connection, PLAN, OPERATIONS, now_us)) is not None:
        added, known = added + written.added, known + written.known
    return added, known


def test_what_is_stored_becomes_rows_once_with_program_energy_and_verdict(connection: Connection) -> None:
    now = START + 43 * MINUTE
    assert _taken(connection, now) == (2, 0)
    history, _ = read_history(connection, named=True)
    told = [
        (history.serials[history.serial[at]], history.alternatives[history.alternative[at]], round(float(history.energy_kwh[at]), 3))
        for at in range(len(history))
    ]
    assert told == [("SN-1", "weld-r1-P1", 2.0), ("SN-2", "weld-r1-P2", 0.5)]
    assert history.first_pass.tolist() == [True, False]
    assert take_reported(connection, PLAN, OPERATIONS, now) is None
    connection.execute("DELETE FROM optimizer_mark")
    assert _taken(connection, now) == (0, 2)


def test_what_the_states_do_not_reach_yet_is_taken_later(connection: Connection) -> None:
    assert _taken(connection, START + 14 * MINUTE) == (1, 0)
    assert _taken(connection, START + 43 * MINUTE) == (1, 0)


def test_settings_that_name_nobody_take_nothing(connection: Connection) -> None:
    assert take_reported(connection, replace(PLAN, performs=()), OPERATIONS, START + 43 * MINUTE) is None
    assert take_reported(connection, PLAN, {"other": "weld"}, START + 43 * MINUTE) is None


def test_a_worker_takes_what_was_reported_where_the_network_knows_the_alternative(connection: Connection) -> None:
    told = small_network()
    told["operations"][1]["alternatives"][0]["id"] = "weld-r1-P1"
    told["rules"], told["routes"], told["current"] = [], [], {}
    write_network(connection, network_of(told), actor="test", now_us=START)
    reporting = Reporting(PLAN, SystemClock())
    assert reporting.step(connection)
    while reporting.step(connection):
        pass
    history, _ = read_history(connection, named=True)
    assert history.serials == ("SN-1",)
