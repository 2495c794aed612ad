"""One excavator on a stage, known by all there is: order, route, operations, states, an alarm, joints, a picture, parts in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from plant.alarms import AlarmEvent, AlarmId
from plant.customer_orders import CustomerOrder
from plant.equipment import EquipmentId
from plant.genealogy import BuiltIn, Item, ItemKind, MaterialLot, Relation
from plant.inspections import Decision, Reason
from plant.joints import JointState, Risk
from plant.reported_operations import Reported, Visit, history_of
from plant.states import EquipmentState, OperationMode, StateInterval
from plant.verdict import Verdict
from storage.alarms import register_alarms
from storage.customer_orders import write_orders
from storage.database import Connection, connect
from storage.deliveries import propose
from storage.evidence import EvidenceFolder
from storage.genealogy import write_built_in, write_lots
from storage.genealogy_names import gather_names
from storage.joints import JointRecord, add_joint, write_reference
from storage.operation_history import write_history
from storage.states import add_states
from storage.tightening import Wanted, read_tightenings
from tests.dashboard.delivery_stage import parameters
from tests.dashboard.route_stage import fill_routes
from tests.dashboard.running import ROOT, RunningDashboard
from tests.dashboard.test_alarms import happen
from tests.dashboard.test_tightening import STATION, store_tightenings
from tests.vision.bench import Judge, build
from tests.vision.pictures import jpeg, scene

SERIAL: Final = "EX-20260001"
"""Five of the stage's tightenings are of it, one of them not OK."""
ORDER: Final = "SO-7"
PRODUCT: Final = "ARM-22"
ROBOT: Final = f"{ROOT}/welding/cell-1/robot-2"
MINUTE_US: Final = 60_000_000


def fill_genealogy(dashboard: RunningDashboard, folder: Path) -> None:
    """Store all of it, around now."""
    now = dashboard.clock.now_us()
    store_tightenings(dashboard.database_url, now)
    with connect(dashboard.database_url, application="test") as connection:
        fill_routes(connection, now)
        job = _ordered(connection, now)
        _made(connection, now, job)
        register_alarms(connection, str(dashboard.site.path), [(one, "A") for one in dashboard.site.alarms], now - 30 * MINUTE_US)
        happen(connection, AlarmId(f"{ROBOT}/current:high"), AlarmEvent.ACTIVE, now - 10 * MINUTE_US)
        _joined(connection, now)
        built = build(folder, connection, Judge(decision=Decision.NOK))
        room = replace(built, bench=replace(built.bench, evidence=EvidenceFolder(dashboard.home / "evidence")))
        room.drop("seam.jpg", jpeg(scene(3)), part=SERIAL, taken_us=now - 5 * MINUTE_US)
        room.judged()
        draft = parameters("tuning:7", {"voltage": (31.0, "V")}, unit="welding/cell-1/robot-2", serial=SERIAL)
        assert propose(connection, [draft], now - 21 * MINUTE_US) != [None]
        _built_in(connection, now, job)
        gather_names(connection)
    dashboard.wait_until_read()


def _ordered(connection: Connection, now: int) -> str:
    order = CustomerOrder(ORDER, PRODUCT, "Nordbau", 2, now + 86_400_000_000, serials=(SERIAL, "EX-20260002"))
    write_orders(connection, [order], source="rest", actor="erp", now_us=now - 200 * MINUTE_US)
    row = connection.execute("SELECT name FROM job_order WHERE serial = %s", [SERIAL]).fetchone()
    assert row is not None
    return str(row[0])


def _made(connection: Connection, now: int, job: str) -> None:
    """Two operations by the route that was recommended, and the robot's own word that it had the piece."""
    cut, weld = (EquipmentId(f"{ROOT}/{place}") for place in ("laser-1", "welding/cell-1/robot-2"))
    done = [
        Reported(
            Visit(cut, PRODUCT, job, SERIAL, now - 120 * MINUTE_US, now - 89 * MINUTE_US, 31 * MINUTE_US, 0), "cut-laser", True, False, 4.5
        ),
        Reported(
            Visit(weld, PRODUCT, job, SERIAL, now - 18 * MINUTE_US, now - 6 * MINUTE_US, 12 * MINUTE_US, 0),
            "weld-robot-2",
            False,
            False,
            9.0,
        ),
    ]
    write_history(connection, history_of(done), {"cut-laser": "cut", "weld-robot-2": "weld"})
    begin, end = now - 18 * MINUTE_US, now - 6 * MINUTE_US
    words = (EquipmentState.EXECUTE, OperationMode.PROCESSING, "", PRODUCT, job, SERIAL)
    with connection.transaction():
        add_states(connection, [StateInterval(EquipmentId(ROBOT), begin, end, *words, begin)], [], [])


def _joined(connection: Connection, now: int) -> None:
    """A joint for each tightening of the piece; that of the one that is not OK is for a person."""
    band = {"angle_deg": [-1.0, 0.0], "low_nm": [1.0, 2.0], "high_nm": [3.0, 4.0]}
    write_reference(connection, "p1", "M24", 100, now, {"runs": 100, "band": band})
    for one in read_tightenings(connection, Wanted(part=SERIAL)):
        wrong = one.result.verdict is not Verdict.OK
        record = JointRecord(
            *("bearing", STATION, SERIAL, (one.result.batch_counter or 8) - 7, one.result.time_us, now, 5, Risk.A),
            JointState.CASE if wrong else JointState.RELEASED,
            Decision.NOK if wrong else Decision.OK,
            (Reason("suspected", {"fault": "stick-slip"}),) if wrong else (),
            tightening=one.id,
            program_print="p1",
            curve=Decision.NOK if wrong else Decision.OK,
            measures={"torque_nm": one.result.torque_nm or 0.0},
        )
        add_joint(connection, record)


def _built_in(connection: Connection, now: int, job: str) -> None:
    """The excavator holds a boom made from plates of a heat, and bolts of a lot that went into another one too."""
    piece, boom = Item(ItemKind.SERIAL, SERIAL), Item(ItemKind.SERIAL, "BOOM-000077")
    bolts, plate = Item(ItemKind.LOT, "BOLT-LOT-9"), Item(ItemKind.LOT, "PLATE-S690-4")
    write_lots(
        connection, [MaterialLot(plate, "S690QL", "north mill", "H-4711", "3.1", 11.8, "t")], actor="erp", now_us=now - 300 * MINUTE_US
    )
    rows = [
        BuiltIn(boom, plate, now - 200 * MINUTE_US, Relation.MADE_FROM),
        BuiltIn(piece, boom, now - 100 * MINUTE_US, place="boom", work_unit="bay-1", job_order=job),
        BuiltIn(piece, bolts, now - MINUTE_US, place="slewing bearing", quantity=36.0, unit="1", work_unit="bearing", job_order=job),
        BuiltIn(Item(ItemKind.SERIAL, "EX-20260000"), bolts, now - 2 * MINUTE_US, quantity=36.0, unit="1"),
    ]
    assert write_built_in(connection, rows, source="rest", actor="mes", now_us=now).added == len(rows)
