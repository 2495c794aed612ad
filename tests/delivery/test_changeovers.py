"""A unit is switched over as one: read back and let go, or brought back; and the plan's next jobs are told once, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from delivery.changeovers import carry_on, take_changeovers
from delivery.live_plan import LivePlan
from delivery.taking_jobs import take_jobs
from plant.deliveries import Kind
from plant.plan_file import write_plan, write_problem
from plant.plan_problem import PlanProblem
from plant.planning_rules import PlanningRules
from plant.plans import Plan
from plant.recommendations import Stage
from plant.settings_plan import PlanSettings
from storage.changeover_sets import write_changeovers
from storage.database import Connection, connect
from storage.deliveries import Delivery, Step, read_deliveries, step
from storage.delivery_troubles import TroubleKind, standing_troubles
from storage.plans import NewPlan, PlanKind, add_plan
from tests.databases import fresh_database
from tests.delivery.taken import NOW, SECOND, carried_out, controller, places, sent, stage_of
from tests.plant.small_shop import shop, stands

MORE = """
[[sets]]
work_unit = "assembly/line-1"
model = "{model}*"
version = 1
author = "li.wei"
approver = "chen.hao"
torque_program = {{ name = "SB-{bolts}", version = "{program}" }}
vision_recipe = {{ name = "ring-{bolts}", version = "{recipe}" }}
"""
TEXT = Path("docs/examples/changeovers/changeovers.toml").read_text("utf-8")
TEXT += MORE.format(model="ZE135", bolts=24, program=2, recipe=1) + MORE.format(model="ZE305", bolts=36, program=5, recipe=2)
UNIT = "assembly/line-1"
MINUTE = 60
RULES = PlanningRules(PlanSettings(frozen_minutes=10.0))
LINE = (Kind.CHANGEOVER, Kind.JOB, Kind.HOLD, Kind.RELEASE)
APART = places(
    controller("tools", f"{UNIT}/torque_program", takes=(Kind.CHANGEOVER,)),
    controller("cameras", f"{UNIT}/vision_recipe", takes=(Kind.CHANGEOVER,)),
    controller("line", "*", takes=LINE),
    planning=RULES,
)
ONE = places(controller("line", "*", takes=LINE), planning=RULES)
NUMBERS = count(1)


@pytest.fixture(scope="module")
def connection(postgres_server: str, migrated_template: str) -> Iterator[Connection]:
    with fresh_database(postgres_server, migrated_template) as url, connect(url, application="test") as made:
        write_changeovers(made, TEXT, actor="li.wei", now_us=NOW)
        yield made


def problem_of(*jobs: tuple[str, str, str], origin_us: int = NOW) -> PlanProblem:
    """Return jobs of one operation each: job, product, unit (and another that could do it)."""
    made = shop({job: [("mount", [(unit, 300), ("assembly/line-9", 300)])] for job, _, unit in jobs}, tick_s=1.0, origin_us=origin_us)
    return replace(made, jobs=tuple(replace(one, product=product) for one, (_, product, _) in zip(made.jobs, jobs, strict=True)))


def planned(connection: Connection, problem: PlanProblem, plan: Plan) -> int:
    for job in problem.jobs:
        connection.execute(
            "INSERT INTO customer_order (number, product, customer, quantity, priority, received_time, state_time, changed_time, actor, "
            "note, source) VALUES (%(n)s, %(p)s, '', 1, 5, now(), now(), now(), 't', '', 'file') ON CONFLICT DO NOTHING",
            {"n": job.name, "p": job.product},
        )
        connection.execute(
            "INSERT INTO job_order (name, customer_order_id, place, serial, state_time) VALUES (%(n)s, "
            "(SELECT id FROM customer_order WHERE number = %(n)s), 1, 'S-' || %(n)s, now()) ON CONFLICT DO NOTHING",
            {"n": job.name},
        )
    told: dict[str, Any] = {"objective": 0, "bound": None, "seconds": 0.1, "measures": {}, "jobs": len(problem.jobs)}
    new = NewPlan(PlanKind.LIVE, "first", write_problem(problem), write_plan(problem, plan), **told, operations=len(problem.jobs))
    return add_plan(connection, new, now_us=NOW)


def next_changeover(connection: Connection, product: str, at: Any = APART) -> list[Delivery]:
    """Plan a job that needs a changeover soon, and return the messages that are proposed for it."""
    job = f"CO-{next(NUMBERS)}"
    problem = problem_of((job, product, UNIT))
    planned(connection, problem, stands(problem, 5 * MINUTE))
    take_changeovers(connection, at, LivePlan(), NOW)
    return members(connection, job)


def members(connection: Connection, job: str) -> list[Delivery]:
    return [one for one in read_deliveries(connection, oldest_first=True, most=1000) if one.draft.group and f":{job}:" in one.draft.group]


def again(connection: Connection, one: Delivery) -> list[Delivery]:
    """Return the messages of the group once the process has looked until nothing is left to do."""
    while carry_on(connection, APART, NOW + 2 * SECOND):
        pass
    return read_deliveries(connection, group=one.draft.group, oldest_first=True)


def approve(connection: Connection, one: Delivery) -> None:
    assert step(connection, [Step(one.number, Stage.APPROVED, NOW, "anna")]) == [True]


def switched(connection: Connection, one: Delivery, **other: str) -> None:
    """Carry out a changeover at its device, and read back what it has; ``other``: another version than was asked for."""
    parts = [{"kind": each.kind, "name": each.name, "version": other.get(each.kind, each.version)} for each in one.draft.parts]
    carried_out(connection, one.number, detail={"read_by": "leadhand", "parts": parts})


def kinds(found: list[Delivery]) -> list[tuple[Kind, str, Stage]]:
    return [(one.draft.kind, one.draft.work_unit.removeprefix(UNIT), one.stage) for one in found]


def told(connection: Connection) -> list[str]:
    """Return what people are told of changeovers now."""
    return [one.words for one in standing_troubles(connection) if (one.work_unit, one.kind) == (UNIT, TroubleKind.CHANGEOVER)]


def test_each_device_is_sent_its_part_and_the_first_part_is_let_in_when_all_were_read_back(connection: Connection) -> None:
    found = next_changeover(connection, "ZE75-1")
    assert kinds(found) == [
        (Kind.CHANGEOVER, "/torque_program", Stage.PROPOSED),
        (Kind.CHANGEOVER, "/vision_recipe", Stage.PROPOSED),
    ]
    assert again(connection, found[0]) == found, "nothing happens before a person has approved"
    approve(connection, found[1])
    tool, camera, hold = again(connection, found[0])
    assert (tool.stage, tool.approved_by, hold.draft.kind, hold.draft.serial) == (Stage.APPROVED, "anna", Kind.HOLD, f"S-{tool.draft.job}")
    carried_out(connection, hold.number)
    switched(connection, tool)
    assert len(again(connection, tool)) == 3, "half of it lets nothing in"
    switched(connection, camera)
    release = again(connection, tool)[-1]
    assert (release.draft.kind, release.stage, release.approved_by) == (Kind.RELEASE, Stage.APPROVED, "anna")
    carried_out(connection, release.number)
    again(connection, tool)
    assert stage_of(connection, hold.number) is Stage.ROLLED_BACK
    assert next_changeover(connection, "ZE75-1") == [], "the unit has it already"


def test_a_part_that_nobody_read_back_lets_nothing_in(connection: Connection) -> None:
    found = next_changeover(connection, "ZE215-1")
    approve(connection, found[0])
    tool, camera, _ = again(connection, found[0])
    switched(connection, tool)
    carried_out(connection, camera.number, detail={"read_by": ""})
    assert [one for one in again(connection, tool) if one.draft.kind is Kind.RELEASE] == []
    assert told(connection) == ["vision recipe: nothing was read back"]


def test_where_one_device_refuses_the_others_go_back_to_what_they_had(connection: Connection) -> None:
    before = next_changeover(connection, "ZE135-1")
    approve(connection, before[0])
    for one in again(connection, before[0])[:2]:
        switched(connection, one)
    again(connection, before[0])
    found = next_changeover(connection, "ZE305-1")
    approve(connection, found[0])
    tool, camera, _ = again(connection, found[0])
    switched(connection, tool)
    sent(connection, camera.number)
    step(connection, [Step(camera.number, Stage.REFUSED, NOW, "cameras", "no_recipe")])
    back = again(connection, tool)[-1]
    assert (back.draft.kind, back.draft.work_unit, back.stage) == (Kind.CHANGEOVER, f"{UNIT}/torque_program", Stage.APPROVED)
    assert back.draft.parts == before[0].draft.parts
    switched(connection, back)
    done = again(connection, tool)
    assert stage_of(connection, tool.number) is Stage.ROLLED_BACK
    assert [one for one in done if one.draft.kind is Kind.RELEASE] == []
    assert told(connection) == [f"delivery {camera.number} is refused: no_recipe"]


def test_who_declines_one_message_declines_the_whole(connection: Connection) -> None:
    tool, camera = next_changeover(connection, "ZE305-1")
    step(connection, [Step(camera.number, Stage.DECLINED, NOW, "anna", "not_now")])
    again(connection, tool)
    assert stage_of(connection, tool.number) in {Stage.EXPIRED, Stage.DECLINED}
    assert stage_of(connection, camera.number) is Stage.DECLINED


def test_a_unit_with_one_controller_gets_one_message(connection: Connection) -> None:
    (one,) = next_changeover(connection, "ZE305-1", ONE)
    assert (one.draft.work_unit, [part.kind for part in one.draft.parts]) == (UNIT, ["torque_program", "vision_recipe"])


def test_a_process_that_was_killed_anywhere_lets_nothing_in_twice_and_nothing_half(connection: Connection) -> None:
    """Every pass is made by a process that knows nothing of the one before, with a stop after each single step."""
    found = next_changeover(connection, "ZE215-2")
    approve(connection, found[0])
    for _ in range(3):
        carry_on(connection, APART, NOW + 2 * SECOND)
        take_changeovers(connection, APART, LivePlan(), NOW + 2 * SECOND)
    tool, camera, _ = again(connection, found[0])
    for one in (camera, tool):
        switched(connection, one)
        for _ in range(2):
            carry_on(connection, APART, NOW + 2 * SECOND)
    releases = [one for one in read_deliveries(connection, group=tool.draft.group) if one.draft.kind is Kind.RELEASE]
    assert len(releases) == 1
    assert told(connection) == [], "what people were told of the changeover before is over"


def jobs(connection: Connection, job: str) -> list[tuple[str, Stage, str]]:
    found = [one for one in read_deliveries(connection, oldest_first=True, most=1000) if one.draft.job == job and not one.draft.group]
    return [(one.draft.work_unit, one.stage, one.draft.kind.value) for one in found]


def test_what_starts_soon_is_told_once_and_what_starts_later_is_not(connection: Connection) -> None:
    problem = problem_of(("J-1", "ZE75-1", "weld-1"), ("J-2", "ZE75-1", "weld-1"))
    planned(connection, problem, stands(problem, 2 * MINUTE, 60 * MINUTE))
    live = LivePlan()
    assert take_jobs(connection, ONE, live, NOW) == 1
    assert take_jobs(connection, ONE, live, NOW) == 0
    (one,) = [one for one in read_deliveries(connection, kinds=[Kind.JOB]) if one.draft.job == "J-1"]
    assert (one.draft.serial, one.draft.product, one.draft.reason) == ("S-J-1", "ZE75-1", one.draft.reason)
    assert one.draft.reason.startswith("mount, planned to start at ")
    assert jobs(connection, "J-2") == []


def test_a_job_that_the_plan_moved_is_taken_back_and_told_where_it_is_made_now(connection: Connection) -> None:
    problem = problem_of(("J-3", "ZE75-1", "weld-3"))
    planned(connection, problem, stands(problem, 2 * MINUTE))
    take_jobs(connection, ONE, LivePlan(), NOW)
    planned(connection, problem, stands(problem, 2 * MINUTE, modes=[1]))
    take_jobs(connection, ONE, LivePlan(), NOW)
    take_jobs(connection, ONE, LivePlan(), NOW)
    assert jobs(connection, "J-3") == [("weld-3", Stage.DECLINED, "job"), ("assembly/line-9", Stage.PROPOSED, "job")]


def test_a_job_that_its_controller_has_already_is_held_there_when_the_plan_moves_it(connection: Connection) -> None:
    problem = problem_of(("J-4", "ZE75-1", "weld-4"))
    planned(connection, problem, stands(problem, 2 * MINUTE))
    take_jobs(connection, ONE, LivePlan(), NOW)
    (one,) = [one for one in read_deliveries(connection, kinds=[Kind.JOB]) if one.draft.job == "J-4"]
    approve(connection, one)
    carried_out(connection, one.number, until=Stage.ACCEPTED)
    assert take_jobs(connection, ONE, LivePlan(), NOW) == 0
    planned(connection, problem, stands(problem, 2 * MINUTE, modes=[1]))
    take_jobs(connection, ONE, LivePlan(), NOW)
    take_jobs(connection, ONE, LivePlan(), NOW)
    told = jobs(connection, "J-4")
    assert sorted(told) == [
        ("assembly/line-9", Stage.PROPOSED, "job"),
        ("weld-4", Stage.ACCEPTED, "job"),
        ("weld-4", Stage.APPROVED, "hold"),
    ]


def test_a_part_that_was_held_because_its_job_went_elsewhere_is_let_go_once_it_was_made_there(connection: Connection) -> None:
    problem = problem_of(("J-6", "ZE75-1", "weld-6"))
    planned(connection, problem, stands(problem, 2 * MINUTE))
    take_jobs(connection, ONE, LivePlan(), NOW)

    def told_of(kind: Kind) -> list[Delivery]:
        return [one for one in read_deliveries(connection, kinds=[kind], oldest_first=True, most=1000) if one.draft.job == "J-6"]

    approve(connection, told_of(Kind.JOB)[0])
    carried_out(connection, told_of(Kind.JOB)[0].number, until=Stage.ACCEPTED)
    planned(connection, problem, stands(problem, 2 * MINUTE, modes=[1]))
    take_jobs(connection, ONE, LivePlan(), NOW)
    (hold,) = told_of(Kind.HOLD)
    carried_out(connection, hold.number)
    take_jobs(connection, ONE, LivePlan(), NOW)
    assert told_of(Kind.RELEASE) == []
    elsewhere = told_of(Kind.JOB)[1]
    approve(connection, elsewhere)
    carried_out(connection, elsewhere.number)
    take_jobs(connection, ONE, LivePlan(), NOW)
    (release,) = told_of(Kind.RELEASE)
    assert (release.draft.work_unit, release.draft.serial, release.stage) == ("weld-6", "S-J-6", Stage.APPROVED)
    carried_out(connection, release.number)
    take_jobs(connection, ONE, LivePlan(), NOW)
    assert stage_of(connection, hold.number) is Stage.ROLLED_BACK


def test_a_job_that_a_person_declined_is_not_asked_for_again(connection: Connection) -> None:
    problem = problem_of(("J-5", "ZE75-1", "weld-5"))
    planned(connection, problem, stands(problem, 2 * MINUTE))
    take_jobs(connection, ONE, LivePlan(), NOW)
    (one,) = [one for one in read_deliveries(connection, kinds=[Kind.JOB]) if one.draft.job == "J-5"]
    step(connection, [Step(one.number, Stage.DECLINED, NOW, "anna", "not_now")])
    take_jobs(connection, ONE, LivePlan(), NOW)
    assert jobs(connection, "J-5") == [("weld-5", Stage.DECLINED, "job")]


def test_a_plan_in_which_nothing_is_planned_yet_tells_nobody_anything(connection: Connection) -> None:
    told: dict[str, Any] = {"objective": 0, "bound": None, "seconds": 0.1, "measures": {}, "jobs": 0, "operations": 0}
    add_plan(connection, NewPlan(PlanKind.LIVE, "first", '{"leadhand":"plan-problem/1"}', '{"leadhand":"plan/1"}', **told), now_us=NOW)
    live = LivePlan()
    assert take_jobs(connection, ONE, live, NOW) == 0
    assert take_changeovers(connection, ONE, live, NOW) == 0
