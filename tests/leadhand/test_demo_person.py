"""The demo decides where nobody does: one route at a time, the best of those that waited, and it says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from leadhand.demo_person import WHO, approve_jobs, approve_route, cut_nests, release_nests
from plant.deliveries import Draft, Kind
from plant.nests import StockSheet, rectangle
from plant.part_orders import PartOrder, WorkKind
from plant.recommendations import Answer, Estimate, Gain, Recommendation, RouteEstimate, Stage
from storage.audit import read_audit, verify_audit
from storage.database import connect
from storage.deliveries import propose, read_delivery
from storage.nests import NestState, NewNest, SheetTaken, propose_nest, read_nests, release_nest
from storage.part_orders import read_part_orders, write_part_orders
from storage.recommendations import add_recommendation, change_stage, read_recommendation
from storage.stock import add_sheets, read_stock

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
COST = Estimate(100.0, 90.0, 112.0)
PROPOSED = Recommendation(
    product="EX-1",
    answer=Answer.RECOMMENDED,
    route=("cut-1", "weld-2"),
    predicted=RouteEstimate(COST, Estimate(60.0, 55.0, 68.0), Estimate(0.95, 0.9, 0.98)),
    gain=Gain(8.0, 3.0, 12.0, "current"),
    valid_until=datetime.fromtimestamp(NOW / 1e6, UTC) + timedelta(days=30),
)


def test_the_best_route_that_waited_is_approved_and_no_other_before_it_was_measured(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        less = add_recommendation(connection, PROPOSED, model_version="m", made_us=NOW)
        most = add_recommendation(
            connection, replace(PROPOSED, product="EX-2", gain=Gain(20.0, 9.0, 30.0, "current")), model_version="m", made_us=NOW
        )
        assert approve_route(connection, NOW + 10 * SECOND) == []
        assert approve_route(connection, NOW + 60 * SECOND) == ["the route of EX-2"]
        found = read_recommendation(connection, most)
        assert found is not None
        assert (found.stage, found.stage_actor) == (Stage.APPROVED, WHO)
        assert found.stage_note.startswith("nobody decided")
        assert read_audit(connection, most=1)[0].actor == WHO
        assert approve_route(connection, NOW + 120 * SECOND) == []
        for stage in (Stage.SENT, Stage.ACCEPTED, Stage.EXECUTED, Stage.MEASURED):
            change_stage(connection, most, stage, time_us=NOW + 130 * SECOND)
        assert approve_route(connection, NOW + 140 * SECOND) == ["the route of EX-1"]
        found = read_recommendation(connection, less)
        assert found is not None
        assert found.stage is Stage.APPROVED


def test_the_demo_follows_its_plan_and_approves_nothing_else_that_a_person_must(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        job = Draft(kind=Kind.JOB, work_unit="weld-1", source="job:J-1:weld:1", slot="job:J-1:weld", valid_seconds=60.0, job="J-1")
        held = Draft(kind=Kind.RELEASE, work_unit="weld-1", source="hold:1", slot="part:S-1", valid_seconds=60.0, serial="S-1")
        first, second = propose(connection, [job, held], NOW)
        assert approve_jobs(connection, NOW + SECOND) == 1
        assert approve_jobs(connection, NOW + SECOND) == 0
        stages = [None if number is None else read_delivery(connection, number) for number in (first, second)]
        assert [one.stage for one in stages if one is not None] == [Stage.APPROVED, Stage.PROPOSED]
        assert verify_audit(connection) is None


def test_the_demo_releases_one_nest_after_the_other_and_cuts_only_its_own(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        web = PartOrder("W-1", "cranes", "web", 9, WorkKind.CUTTING, rectangle(800, 400), "S355J2", 12.0)
        write_part_orders(connection, [web], source="rest", actor="erp", now_us=NOW)
        add_sheets(connection, [StockSheet("H-1", 4000, 2000, 9, "S355J2", 12.0)], actor="store", now_us=NOW)
        order, sheet = read_part_orders(connection)[0].id, read_stock(connection)[0].id
        days = [
            NewNest("laser", NOW + day, NOW + day + 1, "S355J2", 12.0, "", "", {}, 0.0, "", (SheetTaken(sheet, 1),), {order: 3})
            for day in (2, 1, 3)
        ]
        later, first, by_hand = (propose_nest(connection, one, now_us=NOW) for one in days)
        assert release_nests(connection, NOW + 10 * SECOND) == []
        assert release_nests(connection, NOW + 60 * SECOND) == [f"nest {first} at laser"]
        assert release_nests(connection, NOW + 90 * SECOND) == []
        release_nest(connection, by_hand, actor="eva", now_us=NOW + 90 * SECOND)
        assert cut_nests(connection, NOW + 100 * SECOND) == 0
        assert cut_nests(connection, NOW + 400 * SECOND) == 1
        states = {one.id: one.state for one in read_nests(connection)}
        assert states == {first: NestState.CUT, later: NestState.PROPOSED, by_hand: NestState.RELEASED}
