"""The planner at work on a real database: orders become a plan, the plant disturbs it, people move and undo it, and nothing gets lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from optimizer.plan_pass import PlanPass
from optimizer.plan_standing import Place, places
from plant.clock import SystemClock
from plant.customer_orders import CustomerOrder, JobOrderState, OrderState
from plant.equipment import EquipmentId
from plant.operation_history import operation_history
from plant.plan_check import plan_faults
from plant.plan_file import read_plan, read_problem
from plant.planning_rules import PlanningRules
from plant.products import product_table
from plant.settings_plan import PlanSettings
from plant.states import EquipmentState, OperationMode, StateInterval
from storage.audit import verify_audit
from storage.customer_orders import cancel_order, read_stored_order, read_stored_orders, write_orders
from storage.database import Connection, connect
from storage.disturbances import NewDisturbance, add_disturbance, end_disturbance, read_disturbances
from storage.job_orders import read_job_orders
from storage.operation_history import write_history
from storage.optimizer_jobs import JobState, read_jobs
from storage.plan_edits import EditState, NewEdit, add_edit, read_edits, read_locks
from storage.plans import (
    PlanKind,
    PlanRole,
    PlanVersion,
    ask_adopt,
    ask_replan,
    ask_undo,
    ask_what_if,
    read_plan_content,
    read_plans,
    read_standing,
)
from storage.process_networks import write_network
from storage.products import write_products
from storage.states import add_states
from tests.optimizer.ordered_works import MINUTES, network, products

CLOCK = SystemClock()
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as made:
        works = network()
        write_network(made, works, actor="li.wei", now_us=CLOCK.now_us())
        write_products(made, product_table(works.features, products().values()), actor="li.wei", now_us=CLOCK.now_us())
        yield made


def rules(**told: Any) -> PlanningRules:
    """Without searching in the background, where nothing else is said."""
    given = {"standard_minutes": MINUTES, "frozen_minutes": 0, "improve_seconds": 0, **told}
    return PlanningRules(PlanSettings.model_validate(given), root="acme/north")


def order(connection: Connection, number: str, product: str = "EX-5", quantity: int = 1, **told: Any) -> None:
    one = CustomerOrder(number, product, "Miller", quantity, **told)
    assert write_orders(connection, [one], source="rest", actor="erp", now_us=CLOCK.now_us()).added


def live(connection: Connection) -> PlanVersion:
    version = read_standing(connection, PlanRole.LIVE)
    assert version is not None
    return version


def stood(connection: Connection, number: int | None = None) -> dict[tuple[str, str], Place]:
    """Return where everything stands, once it was checked anew from what is kept."""
    content = read_plan_content(connection, live(connection).id if number is None else number)
    assert content is not None
    problem = read_problem(content.problem)
    plan = read_plan(content.plan, problem)
    assert plan_faults(problem, plan) == ()
    return places(problem, plan)


def until(planner: PlanPass, connection: Connection, done: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, [(job.kind, job.state, job.step, job.problem) for job in read_jobs(connection)]
        planner.step(connection, None)
        time.sleep(0.01)


def test_orders_of_which_nothing_is_known_yet_are_told_why_and_make_no_plan_of_nothing(database_url: str, connection: Connection) -> None:
    planner = PlanPass(database_url, rules(), CLOCK)
    order(connection, "A-3", "EX-99")
    planner.step(connection, None)
    assert read_standing(connection, PlanRole.LIVE) is None
    assert read_plans(connection) == []
    (waiting,) = read_job_orders(connection)
    assert "no product 'EX-99'" in waiting.problem
    order(connection, "A-1")
    planner.step(connection, None)
    assert live(connection).jobs == 1


def test_orders_become_a_plan_with_promises_and_nothing_new_is_said_while_nothing_changes(
    database_url: str, connection: Connection
) -> None:
    planner = PlanPass(database_url, rules(), CLOCK)
    planner.step(connection, None)
    assert read_standing(connection, PlanRole.LIVE) is None
    order(connection, "A-1", quantity=2, due_us=CLOCK.now_us() + DAY)
    order(connection, "A-2", "EX-30")
    order(connection, "A-3", "EX-99")
    planner.step(connection, None)
    first = live(connection)
    assert (first.reason, first.jobs, first.actor, first.parent) == ("first", 3, "", None)
    assert {job for job, _ in stood(connection)} == {"A-1-1", "A-1-2", "A-2"}
    assert "no product 'EX-99'" in read_job_orders(connection, order="A-3")[0].problem
    told = read_stored_order(connection, "A-1")
    assert told is not None
    assert told.promise is not None
    assert (told.promise.due_probability or 0) > 0.95
    assert told.promise.planned_end_us == max(place.end_us for (job, _), place in stood(connection).items() if job.startswith("A-1"))
    missing = read_stored_order(connection, "A-3")
    assert missing is not None
    assert missing.promise is None
    for _ in range(3):
        planner.step(connection, None)
    assert live(connection).id == first.id
    order(connection, "A-4")
    planner.step(connection, None)
    second = live(connection)
    assert (second.reason, second.parent, second.moved) == ("orders", first.id, 0)
    assert second.causes == ({"what": "orders", "added": ["A-4"], "gone": [], "changed": []},)
    cancel_order(connection, "A-2", actor="anna", now_us=CLOCK.now_us())
    planner.step(connection, None)
    assert {job for job, _ in stood(connection)} == {"A-1-1", "A-1-2", "A-4"}
    assert verify_audit(connection) is None


def test_a_unit_that_is_down_moves_the_plan_at_once_and_its_recovery_is_known(database_url: str, connection: Connection) -> None:
    planner = PlanPass(database_url, rules(alternatives="route", weights={"moved": 0}, first_seconds=60), CLOCK)
    order(connection, "A-1", release_us=CLOCK.now_us() + 10 * MINUTE)
    planner.step(connection, None)
    before = stood(connection)
    now_us = CLOCK.now_us()
    down = NewDisturbance("breakdown", "welding/cell", "rest", now_us, now_us + 5 * HOUR, actor="anna")
    number = add_disturbance(connection, down, now_us=now_us)
    planner.step(connection, None)
    moved = live(connection)
    assert moved.reason == "shifted"
    assert [(cause["kind"], cause["subject"], cause["ended"]) for cause in moved.causes] == [("breakdown", "welding/cell", False)]
    after = stood(connection)
    assert after["A-1", "weld"].start_us >= now_us + 5 * HOUR - 1_000_000 > before["A-1", "weld"].start_us
    assert after["A-1", "cut"] == before["A-1", "cut"], "what has nothing to do with it stays"
    assert moved.moved == 2
    told = read_stored_order(connection, "A-1")
    assert told is not None
    assert told.promise is not None
    assert told.promise.plan == moved.id
    end_disturbance(connection, number, now_us=CLOCK.now_us(), actor="anna")
    planner.step(connection, None)
    assert live(connection).id == moved.id, "moving to the right leaves what stands; a search brings it forward"
    ask_replan(connection, actor="anna", now_us=CLOCK.now_us())
    until(planner, connection, lambda: read_jobs(connection)[0].state is JobState.DONE)
    assert live(connection).reason == "improved"
    assert live(connection).actor == "anna"
    assert stood(connection)["A-1", "weld"].start_us < now_us + 2 * HOUR
    assert read_jobs(connection)[0].answer is not None


def test_people_move_lock_and_undo_and_what_cannot_be_is_refused_with_the_reason(database_url: str, connection: Connection) -> None:
    planner = PlanPass(database_url, rules(), CLOCK)
    order(connection, "A-1")
    planner.step(connection, None)
    first, before = live(connection), stood(connection)
    later = before["A-1", "paint"].start_us + 3 * HOUR
    add_edit(connection, NewEdit(first.id, "move", "A-1", "paint", "paint/booth", None, later), actor="anna", now_us=CLOCK.now_us())
    add_edit(connection, NewEdit(first.id, "move", "A-1", "cut", "paint/booth"), actor="ben", now_us=CLOCK.now_us())
    too_soon = before["A-1", "cut"].start_us - DAY
    add_edit(connection, NewEdit(first.id, "move", "A-1", "bend", "bend/brake", None, too_soon), actor="ben", now_us=CLOCK.now_us())
    planner.step(connection, None)
    edited = live(connection)
    assert (edited.reason, edited.actor, edited.parent) == ("edit", "anna", first.id)
    assert abs(stood(connection)["A-1", "paint"].start_us - later) < 1_000_000
    refused = read_edits(connection, states=[EditState.REFUSED])
    assert len(refused) == 2
    assert "cannot be done on paint/booth" in refused[1].answer
    assert refused[0].answer
    (lock,) = read_locks(connection)
    assert lock.became == edited.id
    order(connection, "A-2")
    planner.step(connection, None)
    assert abs(stood(connection)["A-1", "paint"].start_us - later) < 1_000_000, "a person's lock holds when orders come"
    unlock = NewEdit(live(connection).id, "unlock", "A-1", "paint")
    add_edit(connection, unlock, actor="anna", now_us=CLOCK.now_us())
    planner.step(connection, None)
    assert read_locks(connection) == []
    ask_undo(connection, actor="anna", now_us=CLOCK.now_us(), number=first.id)
    planner.step(connection, None)
    undone = live(connection)
    assert undone.reason == "undo"
    now = stood(connection)
    assert now["A-1", "paint"].start_us == before["A-1", "paint"].start_us
    assert ("A-2", "cut") in now, "what came since is in it"
    assert read_jobs(connection)[0].answer == {"version": undone.id, "changed": True}


def test_a_what_if_is_made_beside_the_plan_and_can_be_followed(database_url: str, connection: Connection) -> None:
    planner = PlanPass(database_url, rules(alternatives="route"), CLOCK)
    order(connection, "A-1")
    planner.step(connection, None)
    first = live(connection)
    now_us = CLOCK.now_us()
    down = {"kind": "breakdown", "subject": "paint/booth", "from_us": now_us, "until_us": now_us + 9 * HOUR}
    rush = {"number": "R-1", "product": "EX-30", "quantity": 2, "priority": 9}
    ask_what_if(connection, "booth down", actor="anna", now_us=now_us, disturbances=[down], orders=[rush])
    planner.step(connection, None)
    (what_if,) = read_plans(connection, kind=PlanKind.WHAT_IF)
    assert (what_if.name, what_if.parent, what_if.actor, what_if.jobs) == ("booth down", first.id, "anna", 3)
    thought = stood(connection, what_if.id)
    assert thought["A-1", "paint"].start_us >= now_us + 9 * HOUR - 1_000_000
    assert ("R-1-2", "cut") in thought
    assert live(connection).id == first.id
    assert [one.order.number for one in read_stored_orders(connection)] == ["A-1"]
    ask_adopt(connection, what_if.id, actor="anna", now_us=CLOCK.now_us())
    planner.step(connection, None)
    adopted = live(connection)
    assert (adopted.reason, adopted.actor) == ("adopted", "anna")
    assert stood(connection)["A-1", "paint"] == thought["A-1", "paint"]
    assert {job for job, _ in stood(connection)} == {"A-1"}, "orders that were only thought of are not made"
    ask_what_if(connection, "nonsense", actor="anna", now_us=now_us, disturbances=[{"kind": "breakdown"}])
    planner.step(connection, None)
    assert "cannot be understood" in read_jobs(connection)[0].problem


def test_an_edit_of_a_what_if_makes_another_version_of_it_and_leaves_the_plan_that_is_followed(
    database_url: str, connection: Connection
) -> None:
    planner = PlanPass(database_url, rules(alternatives="route"), CLOCK)
    order(connection, "A-1", release_us=CLOCK.now_us() + 2 * HOUR)
    planner.step(connection, None)
    first, followed = live(connection), stood(connection)
    now_us = CLOCK.now_us()
    down = {"kind": "breakdown", "subject": "paint/booth", "from_us": now_us, "until_us": now_us + 9 * HOUR}
    ask_what_if(connection, "booth down", actor="anna", now_us=now_us, disturbances=[down], orders=[{"number": "R-1", "product": "EX-30"}])
    planner.step(connection, None)
    (thought,) = read_plans(connection, kind=PlanKind.WHAT_IF)
    late = now_us + 20 * HOUR
    good = add_edit(connection, NewEdit(thought.id, "move", "A-1", "cut", start_us=late), actor="ben", now_us=now_us)
    bad = add_edit(connection, NewEdit(thought.id, "move", "A-1", "nothing"), actor="ben", now_us=now_us)
    planner.step(connection, None)

    assert live(connection).id == first.id
    assert stood(connection) == followed
    assert read_locks(connection) == []
    edits = {one.id: one for one in read_edits(connection)}
    assert (edits[bad].state, edits[bad].became) == (EditState.REFUSED, None)
    assert edits[good].state is EditState.TAKEN
    (made, before) = read_plans(connection, kind=PlanKind.WHAT_IF)
    assert (made.id, made.name, made.actor, before.id) == (edits[good].became, "booth down", "ben", thought.id)
    now = stood(connection, made.id)
    assert now["A-1", "cut"].start_us >= late - MINUTE
    assert now["A-1", "paint"].start_us >= now_us + 9 * HOUR - 1_000_000, "what was thought of before still holds"
    assert ("R-1", "cut") in now or ("R-1-1", "cut") in now


def test_what_has_begun_is_moved_by_nobody_and_who_asks_is_told(database_url: str, connection: Connection) -> None:
    planner = PlanPass(database_url, rules(alternatives="route"), CLOCK)
    order(connection, "A-1")
    planner.step(connection, None)
    begun = stood(connection)["A-1", "cut"]
    until(planner, connection, lambda: CLOCK.now_us() > begun.start_us + 1_000_000)
    late = begun.start_us + 20 * HOUR
    asked = add_edit(connection, NewEdit(live(connection).id, "move", "A-1", "cut", start_us=late), actor="ben", now_us=CLOCK.now_us())
    planner.step(connection, None)
    (edit,) = read_edits(connection)
    assert (edit.id, edit.state) == (asked, EditState.REFUSED)
    assert "has begun" in edit.answer
    assert stood(connection)["A-1", "cut"].start_us == begun.start_us


def test_what_the_plant_reports_is_a_fact_and_orders_end_by_it(database_url: str, connection: Connection) -> None:
    planner = PlanPass(database_url, rules(reports=True, alternatives="route"), CLOCK)
    order(connection, "A-1")
    planner.step(connection, None)
    route = ["laser", "brake", "mill", "cell-P1", "booth"]
    begin = CLOCK.now_us() - 4 * HOUR
    columns: dict[str, Any] = {
        "product": [0] * 5,
        "alternative": list(range(5)),
        "order": [0] * 5,
        "serial": [0] * 5,
        "started_us": [begin + step * 40 * MINUTE for step in range(5)],
        "duration_min": [20.0] * 5,
        "first_pass": [True] * 5,
    }
    told = operation_history(["EX-5"], route, {name: np.array(values) for name, values in columns.items()}, orders=["A-1"], serials=["A-1"])
    operations = {one.id: one.operation for one in network().alternatives}
    write_history(connection, told.take(slice(0, 2)), operations)
    until(planner, connection, lambda: read_job_orders(connection)[0].job.state is JobOrderState.STARTED)
    now = stood(connection)
    assert abs(now["A-1", "cut"].start_us - begin) < 1_000_000
    assert now["A-1", "bevel"].start_us >= begin + 60 * MINUTE - 1_000_000
    write_history(connection, told.take(slice(2, 5)), operations)
    planner = PlanPass(database_url, rules(reports=True, alternatives="route"), CLOCK)
    until(planner, connection, lambda: read_stored_orders(connection)[0].state is OrderState.DONE)
    (job,) = read_job_orders(connection)
    assert (job.reported, job.ended_us) == (True, begin + 180 * MINUTE)


def test_a_part_that_vision_finds_bad_is_done_again_and_only_once(database_url: str, connection: Connection) -> None:
    planner = PlanPass(database_url, rules(alternatives="route"), CLOCK)
    order(connection, "A-1")
    planner.step(connection, None)
    cut = stood(connection)["A-1", "cut"]
    until(planner, connection, lambda: CLOCK.now_us() > cut.start_us + 1_000_000)
    hold = NewDisturbance("quality_hold", "A-1", "vision", CLOCK.now_us(), key="i1", document={"operation": "cut", "hold": "repeat"})
    add_disturbance(connection, hold, now_us=CLOCK.now_us())
    planner.step(connection, None)
    again = stood(connection)
    assert again["A-1", "cut again"].start_us >= again["A-1", "cut"].end_us
    assert again["A-1", "bend"].start_us >= again["A-1", "cut again"].end_us
    version = live(connection).id
    order(connection, "A-2")
    planner.step(connection, None)
    assert live(connection).id != version
    assert stood(connection)["A-1", "cut again"] == again["A-1", "cut again"]
    assert len(read_disturbances(connection)) == 1


def test_a_unit_whose_state_says_that_it_stands_is_down_until_it_runs_again(database_url: str, connection: Connection) -> None:
    told: dict[str, Any] = {"unit": "paint/booth", "equipment": "paint/booth", "calendar": "always"}
    planner = PlanPass(database_url, rules(units=[told], alternatives="route", least_down_seconds=5, assumed_down_minutes=300), CLOCK)
    path = EquipmentId("acme/north/paint/booth")
    connection.execute("INSERT INTO equipment (path, level, name) VALUES (%s, 'work_unit', 'booth')", [path])
    order(connection, "A-1")
    planner.step(connection, None)
    first = live(connection)

    def state(what: EquipmentState, since_us: int, to_us: int, reason: str = "") -> None:
        interval = StateInterval(path, since_us, to_us, what, OperationMode.PROCESSING, reason, since_us=since_us)
        with connection.transaction():
            add_states(connection, [interval], [], [])

    now_us = CLOCK.now_us()
    state(EquipmentState.HELD, now_us - 120_000_000, now_us - 60_000_000, "setup/changeover")
    planner.step(connection, None)
    assert read_disturbances(connection) == [], "a changeover is no breakdown"
    state(EquipmentState.HELD, now_us - 60_000_000, now_us)
    until(planner, connection, lambda: live(connection).id != first.id)
    (down,) = read_disturbances(connection)
    assert (down.told.kind, down.told.subject, down.told.source, down.ended_us) == ("breakdown", "paint/booth", "monitor", None)
    assert stood(connection)["A-1", "paint"].start_us >= now_us + 4 * HOUR
    state(EquipmentState.EXECUTE, now_us, now_us + 60_000_000)
    until(planner, connection, lambda: read_disturbances(connection)[0].ended_us is not None)


def test_times_that_are_learned_a_little_otherwise_make_no_new_version_and_others_do(database_url: str, connection: Connection) -> None:
    order(connection, "A-1")
    PlanPass(database_url, rules(alternatives="route"), CLOCK).step(connection, None)
    first = live(connection)
    slightly = {name: minutes + 0.2 for name, minutes in MINUTES.items()}
    PlanPass(database_url, rules(alternatives="route", standard_minutes=slightly), CLOCK).step(connection, None)
    assert live(connection).id == first.id
    much = {name: minutes * 1.5 for name, minutes in MINUTES.items()}
    PlanPass(database_url, rules(alternatives="route", standard_minutes=much), CLOCK).step(connection, None)
    assert (live(connection).parent, live(connection).reason) == (first.id, "replan")
    order(connection, "A-2")
    PlanPass(database_url, rules(alternatives="route", standard_minutes=much), CLOCK).step(connection, None)
    assert live(connection).reason == "orders", "also where another optimizer takes it up"
