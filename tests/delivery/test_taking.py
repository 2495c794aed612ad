"""What people approved becomes a delivery once, whatever is killed meanwhile; and what became of it comes back to what it came from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from delivery.taking_changes import follow_changes, take_changes
from delivery.taking_changes import source_of as change_source
from delivery.taking_routes import follow_routes, missing, take_routes
from delivery.taking_routes import source_of as route_source
from delivery.taking_tuning import follow_tuning, take_tuning
from delivery.taking_tuning import source_of as tuning_source
from plant.deliveries import Kind, Quantity
from plant.design_changes import ChangeStage, Effect, read_design_change
from plant.recommendations import Answer, Estimate, Gain, Recommendation, RouteEstimate, Stage
from plant.tuning import Outcome, Proposal, Purpose, Trial, TuningTarget
from storage.database import Connection, connect
from storage.deliveries import Delivery, Step, read_deliveries, step
from storage.design_changes import add_design_change, read_stored_change, withdraw_design_change
from storage.process_windows import read_windows, write_windows
from storage.recommendations import RealisedGain, add_recommendation, change_stage, read_recommendation, write_realised_gain
from storage.trials import accept_recipe, add_proposal, add_trial, change_proposal, judge_trial, read_proposal, read_trials
from storage.tuning_readbacks import read_readbacks
from tests.databases import fresh_database
from tests.delivery.taken import NOW, SECOND, carried_out, controller, of_source, places, sent, stage_of

MES = places(controller("mes", "mes", takes=(Kind.ROUTE,)), controller("cells", "robot-*", "laser-*"))
COST = Estimate(100.0, 90.0, 112.0)
PROPOSED = Recommendation(
    product="EX-22",
    answer=Answer.RECOMMENDED,
    route=("cut-laser-1", "weld-robot-2"),
    predicted=RouteEstimate(COST, Estimate(60.0, 55.0, 68.0), Estimate(0.95, 0.9, 0.98)),
    gain=Gain(8.0, 3.0, 12.0, "current"),
    valid_until=datetime.fromtimestamp(NOW / 1e6, UTC) + timedelta(days=30),
)
WINDOWS = """
[[windows]]
work_unit = "{unit}"
program = "P-7"
version = 5
author = "li.wei"
approver = "chen.hao"
parameters = [{{ name = "current", unit = "A", low = 200.0, high = 280.0, step = 10.0, dead_band = 1.0 }}]
"""


@pytest.fixture(scope="module")
def url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    with fresh_database(postgres_server, migrated_template) as made:
        yield made


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with connect(url, application="test") as made:
        yield made


def approved_route(connection: Connection, product: str) -> int:
    number = add_recommendation(connection, replace(PROPOSED, product=product), model_version="m1", made_us=NOW)
    change_stage(connection, number, Stage.APPROVED, time_us=NOW, actor="anna")
    return number


def stage_of_route(connection: Connection, number: int) -> Stage | None:
    found = read_recommendation(connection, number)
    assert found is not None
    return found.stage


def test_an_approved_route_is_told_to_the_one_that_takes_routes_once_and_by_who_approved_it(connection: Connection) -> None:
    number = approved_route(connection, "EX-1")
    assert take_routes(connection, MES, NOW) == 1
    assert take_routes(connection, MES, NOW + SECOND) == 0
    one = of_source(connection, route_source(number))
    assert (one.draft.work_unit, one.draft.steps, one.draft.product) == ("mes", PROPOSED.route, "EX-1")
    assert (one.stage, one.approved_by) == (Stage.APPROVED, "anna")
    assert one.draft.reason.startswith("costs 8 less per order than the current route (3 to 12)")


def test_two_processes_that_take_at_once_tell_a_route_once(url: str, connection: Connection) -> None:
    number = approved_route(connection, "EX-2")
    meet = threading.Barrier(2)
    new: list[int] = []

    def take() -> None:
        with connect(url, application="test") as own:
            meet.wait(30)
            new.append(take_routes(own, MES, NOW))

    threads = [threading.Thread(target=take) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(new) == [0, 1]
    assert len(read_deliveries(connection, source=route_source(number))) == 1


def test_a_route_goes_where_its_delivery_goes_and_the_measured_gain_comes_back(connection: Connection) -> None:
    number = approved_route(connection, "EX-3")
    take_routes(connection, MES, NOW)
    delivery = of_source(connection, route_source(number)).number
    sent(connection, delivery)
    follow_routes(connection, NOW)
    assert stage_of_route(connection, number) is Stage.SENT
    step(connection, [Step(delivery, one, NOW + 2 * SECOND, "mes") for one in (Stage.ACCEPTED, Stage.EXECUTED)])
    assert follow_routes(connection, NOW + 3 * SECOND) == 2
    assert follow_routes(connection, NOW + 3 * SECOND) == 0
    assert stage_of_route(connection, number) is Stage.EXECUTED
    write_realised_gain(connection, number, RealisedGain(NOW, 31, 62, NOW, NOW + SECOND, 7.5, 6.0, 9.0))
    change_stage(connection, number, Stage.MEASURED, time_us=NOW + 4 * SECOND)
    assert follow_routes(connection, NOW + 5 * SECOND) == 1
    detail = of_source(connection, route_source(number)).stage_detail
    assert detail is not None
    assert (detail["orders"], detail["measured"][0]) == (31, {"name": "gain", "value": 7.5, "unit": "1"})


@pytest.mark.parametrize(("product", "until"), [("EX-4", Stage.REFUSED), ("EX-5", Stage.EXPIRED), ("EX-6", Stage.IN_DOUBT)])
def test_a_route_that_is_refused_comes_too_late_or_is_in_doubt_says_so(connection: Connection, product: str, until: Stage) -> None:
    number = approved_route(connection, product)
    take_routes(connection, MES, NOW)
    carried_out(connection, of_source(connection, route_source(number)).number, until=until, reason="no_capacity")
    follow_routes(connection, NOW)
    found = read_recommendation(connection, number)
    assert found is not None
    assert (found.stage, found.stage_reason, found.stage_actor) == (until, "no_capacity", "line")


def test_a_route_that_our_own_check_keeps_back_is_refused_and_never_was_sent(connection: Connection) -> None:
    number = approved_route(connection, "EX-7")
    take_routes(connection, MES, NOW)
    step(connection, [Step(of_source(connection, route_source(number)).number, Stage.REFUSED, NOW, "gate", "stale")])
    follow_routes(connection, NOW)
    found = read_recommendation(connection, number)
    assert found is not None
    assert (found.stage, found.stage_actor, found.stage_reason) == (Stage.REFUSED, "gate", "stale")


def test_steps_that_were_taken_already_are_not_taken_again() -> None:
    path = [Stage.PROPOSED, Stage.APPROVED, Stage.SENT, Stage.IN_DOUBT, Stage.ACCEPTED, Stage.EXECUTED]
    assert missing(Stage.APPROVED, path) == path[2:]
    assert missing(Stage.IN_DOUBT, path) == path[4:]
    assert missing(Stage.EXECUTED, path) == []


def proposed(connection: Connection, target: TuningTarget, parameters: dict[str, float]) -> int:
    """Return a proposal that was approved."""
    proposal = Proposal(
        target=target,
        purpose=Purpose.IMPROVE,
        parameters=parameters,
        base={"current": 240.0},
        accepted={"current": 240.0},
        first_pass=Estimate(0.95, 0.9, 0.98),
        accepted_first_pass=Estimate(0.9, 0.88, 0.92),
        safety=(),
        reasons=("better",),
        window_version=5,
        model="gp",
        trials=1,
        trust=1.0,
    )
    number = add_proposal(connection, proposal, windows_version=1, now_us=NOW)
    change_proposal(connection, number, Stage.APPROVED, actor="q.wang", now_us=NOW)
    return number


def target_of(connection: Connection, unit: str) -> tuple[TuningTarget, int]:
    """Return a target with its window, accepted recipe and a proposal that was approved."""
    target = TuningTarget(unit, "P-7")
    known = read_windows(connection)
    text = "".join(WINDOWS.format(unit=name) for name in [*(one.work_unit for one in (known.windows if known else ())), unit])
    write_windows(connection, text, actor="li.wei", now_us=NOW)
    accept_recipe(connection, target, {"current": 240.0}, actor="chen.hao", reason="qualified", now_us=NOW)
    add_trial(connection, Trial("home", target, {"current": 240.0}, 60, 54, 1, {}, NOW), actor="w.li", now_us=NOW)
    return target, proposed(connection, target, {"current": 245.0})


def test_a_trial_becomes_parameters_with_units_and_window_and_its_read_back_confirms_it(connection: Connection) -> None:
    target, number = target_of(connection, "robot-1")
    assert take_tuning(connection, MES, NOW) == 1
    assert take_tuning(connection, MES, NOW) == 0
    delivery = of_source(connection, tuning_source(number))
    assert (delivery.draft.parameters, delivery.draft.window_version) == ((Quantity("current", 245.0, "A"),), 5)
    assert (delivery.draft.program, delivery.approved_by, delivery.stage) == ("P-7", "q.wang", Stage.APPROVED)
    carried_out(connection, delivery.number, detail={"read": [{"name": "current", "value": 245.0, "unit": "A"}]})
    assert follow_tuning(connection, MES, NOW) == 1
    stored = read_proposal(connection, number)
    assert stored is not None
    assert (stored.stage, stored.stage_actor) == (Stage.EXECUTED, "line")
    (read,) = read_readbacks(connection, number)
    assert read.confirmed
    add_trial(connection, Trial("t-1", target, {"current": 245.0}, 60, 58, 0, {}, NOW), actor="cell", now_us=NOW, proposal=number)
    judge_trial(connection, read_trials(connection, target)[-1], Outcome.BETTER, expected=0.9, evidence=-3.0, now_us=NOW)
    assert follow_tuning(connection, MES, NOW) == 1
    detail = of_source(connection, tuning_source(number)).stage_detail
    assert detail is not None
    assert [round(one["value"], 3) for one in detail["measured"]] == [0.967, 0.067, 60.0]


def after(connection: Connection, delivery: int) -> Delivery:
    return next(one for one in read_deliveries(connection, after=delivery) if one.draft.source.endswith(f":after:{delivery}"))


def test_after_a_trial_that_was_worse_the_accepted_recipe_is_put_in_force_again(connection: Connection) -> None:
    target, number = target_of(connection, "robot-2")
    take_tuning(connection, MES, NOW)
    first = of_source(connection, tuning_source(number)).number
    carried_out(connection, first)
    follow_tuning(connection, MES, NOW)
    assert take_tuning(connection, MES, NOW) == 0, "the trial is being made"
    add_trial(connection, Trial("t-1", target, {"current": 245.0}, 60, 30, 9, {}, NOW), actor="cell", now_us=NOW, proposal=number)
    judge_trial(connection, read_trials(connection, target)[-1], Outcome.WORSE, expected=0.9, evidence=9.0, now_us=NOW)
    assert take_tuning(connection, MES, NOW) == 1
    back = after(connection, first)
    assert (back.draft.parameters, back.approved_by) == ((Quantity("current", 240.0, "A"),), "chen.hao")
    assert follow_tuning(connection, MES, NOW) == 0, "the recipe before is not in force yet"
    carried_out(connection, back.number)
    assert follow_tuning(connection, MES, NOW) == 1
    assert stage_of(connection, first) is Stage.ROLLED_BACK
    assert take_tuning(connection, MES, NOW) == 0


def test_what_a_controller_measured_is_the_result_of_the_trial_and_the_next_trial_begins_from_the_accepted_recipe(
    connection: Connection,
) -> None:
    target, number = target_of(connection, "robot-4")
    take_tuning(connection, MES, NOW)
    first = of_source(connection, tuning_source(number)).number
    carried_out(connection, first)
    told = {"parts": 60.0, "good": 58.0, "scrapped": 1.0, "penetration": 4.2}
    measured = [{"name": name, "value": value, "unit": "1"} for name, value in told.items()]
    step(connection, [Step(first, Stage.MEASURED, NOW + SECOND, "robot-4", detail={"measured": measured})])
    while follow_tuning(connection, MES, NOW + 2 * SECOND):
        pass
    made = read_trials(connection, target)[-1]
    assert (made.trial.parts, made.trial.good, made.trial.scrapped, made.trial.responses) == (60, 58, 1, {"penetration": 4.2})
    assert (made.proposal, made.actor) == (number, "robot-4")
    judge_trial(connection, made, Outcome.BETTER, expected=0.9, evidence=-3.0, now_us=NOW)
    following = proposed(connection, target, {"current": 246.0})
    assert take_tuning(connection, MES, NOW) == 1
    back = after(connection, first)
    assert read_deliveries(connection, source=tuning_source(following)) == []
    carried_out(connection, back.number)
    assert take_tuning(connection, MES, NOW) == 1
    assert of_source(connection, tuning_source(following)).stage is Stage.APPROVED


def test_a_trial_that_a_controller_refuses_gives_way_to_the_next_one(connection: Connection) -> None:
    _, number = target_of(connection, "robot-3")
    take_tuning(connection, MES, NOW)
    carried_out(connection, of_source(connection, tuning_source(number)).number, until=Stage.REFUSED, reason="busy")
    follow_tuning(connection, MES, NOW)
    stored = read_proposal(connection, number)
    assert stored is not None
    assert stored.stage is Stage.DECLINED
    assert stored.stage_reason.endswith("refused: busy")


def test_where_no_controller_takes_parameters_a_trial_stays_with_people(connection: Connection) -> None:
    _, number = target_of(connection, "press-1")
    take_tuning(connection, MES, NOW)
    assert read_deliveries(connection, source=tuning_source(number)) == []


def changed(connection: Connection, number: str, stations: list[str]) -> int:
    told: dict[str, Any] = {"number": number, "product": f"ARM-{number}", "version": "B", "effective_from": "EX-100"}
    change = read_design_change({**told, "features": {"plate_mm": 25}, "title": "thicker plate"})
    effect = Effect("feature", "feature", {"feature": "plate_mm", "after": "25", "before": "16"}, ("laser-1",))
    return add_design_change(connection, change, [effect], stations, time_us=NOW, sent_by="plm")


def test_each_station_is_told_a_design_change_and_its_yes_comes_back(connection: Connection) -> None:
    number = changed(connection, "DC-1", ["laser-1", "robot-9"])
    assert take_changes(connection, MES, NOW) == 2
    found = {one.draft.work_unit: one for one in read_deliveries(connection, source=change_source(number))}
    assert found["laser-1"].draft.reason.startswith("DC-1, version B from EX-100: thicker plate. plate_mm becomes 25 instead of 16.")
    assert found["robot-9"].draft.serial == "EX-100"
    carried_out(connection, found["laser-1"].number, until=Stage.ACCEPTED)
    assert follow_changes(connection, MES, NOW) == 1
    one = read_stored_change(connection, number)
    assert one is not None
    assert [(each.station, each.accepted, each.sent_us is not None) for each in one.stations] == [
        ("laser-1", True, True),
        ("robot-9", None, False),
    ]
    carried_out(connection, found["robot-9"].number)
    follow_changes(connection, MES, NOW)
    one = read_stored_change(connection, number)
    assert one is not None
    assert one.stage is ChangeStage.IN_FORCE


def test_a_station_that_refuses_a_change_keeps_it_from_all_and_nobody_else_is_asked(connection: Connection) -> None:
    number = changed(connection, "DC-2", ["laser-1", "robot-9"])
    take_changes(connection, MES, NOW)
    found = {one.draft.work_unit: one for one in read_deliveries(connection, source=change_source(number))}
    carried_out(connection, found["laser-1"].number, until=Stage.REFUSED, reason="no_fixture")
    follow_changes(connection, MES, NOW)
    follow_changes(connection, MES, NOW)
    one = read_stored_change(connection, number)
    assert one is not None
    assert (one.stage, one.stations[0].note) == (ChangeStage.REFUSED, "no_fixture")
    assert stage_of(connection, found["robot-9"].number) is Stage.DECLINED


def test_a_change_that_was_taken_back_is_told_to_nobody(connection: Connection) -> None:
    number = changed(connection, "DC-3", ["laser-1"])
    withdraw_design_change(connection, number, time_us=NOW, actor="plm", note="wrong drawing")
    take_changes(connection, MES, NOW)
    assert read_deliveries(connection, source=change_source(number)) == []
