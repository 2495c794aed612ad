"""Plans as kept: versions, which one stands, what people and the plant want of them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from plant.errors import Rejected
from storage import plans
from storage.audit import read_audit, verify_audit
from storage.database import Connection, connect, heard, listen
from storage.disturbances import (
    DISTURBED,
    NewDisturbance,
    add_disturbance,
    end_disturbance,
    read_asked,
    read_disturbance,
    read_disturbances,
)
from storage.optimizer_jobs import ASKED_JOBS, read_jobs
from storage.plan_edits import EDITED, EditState, NewEdit, add_edit, answer_edits, read_edits, read_locks
from storage.plans import PLANNED, NewPlan, PlanKind, PlanRole, add_plan, read_plan, read_plan_content, read_plans, read_standing

NOW = 1_800_000_000_000_000
PLAN = NewPlan(
    PlanKind.LIVE, "first", "{problem}", "{plan}", 120, 100, 0.5, {"makespan": 120, "late_jobs": 1}, 3, 12, from_us=NOW, to_us=NOW + 9
)


def hears(ears: Connection, channel: str) -> bool:
    """Return whether something is said on a channel within some seconds, whatever else is said before."""
    end = time.monotonic() + 40
    while time.monotonic() < end:
        if channel in heard(ears, 1):
            return True
    return False


def test_a_new_live_plan_stands_at_once_and_an_earlier_one_can_be_asked_back(database_url: str) -> None:
    with connect(database_url, application="test") as connection, connect(database_url, application="ears") as ears:
        for channel in (PLANNED, ASKED_JOBS):
            listen(ears, channel)
        assert read_standing(connection, PlanRole.LIVE) is None
        with pytest.raises(Rejected, match="no plan yet"):
            plans.ask_undo(connection, actor="anna", now_us=NOW)
        first = add_plan(connection, PLAN, now_us=NOW)
        assert hears(ears, PLANNED)
        causes = [{"what": "disturbance", "kind": "breakdown", "subject": "laser-1"}]
        second = add_plan(connection, replace(PLAN, reason="repaired", parent=first, moved=4, causes=causes), now_us=NOW + 1)
        live = read_standing(connection, PlanRole.LIVE)
        assert live is not None
        assert (live.id, live.parent, live.moved, list(live.roles), list(live.causes)) == (second, first, 4, [PlanRole.LIVE], causes)
        assert live.measures == {"makespan": 120, "late_jobs": 1}
        assert read_plan_content(connection, second) == plans.PlanContent(second, "{problem}", "{plan}")
        plans.set_reference(connection, first, actor="anna", now_us=NOW + 2)
        reference = read_standing(connection, PlanRole.REFERENCE)
        assert reference is not None
        assert reference.id == first
        job = plans.ask_undo(connection, actor="anna", now_us=NOW + 3)
        assert hears(ears, ASKED_JOBS)
        (asked,) = read_jobs(connection, kinds=plans.PLAN_JOBS)
        assert (asked.id, asked.kind, asked.request) == (job, plans.UNDO_JOB, {"version": first, "instead": second})
        with pytest.raises(Rejected, match="no live plan of number 77"):
            plans.ask_undo(connection, actor="anna", now_us=NOW, number=77)
        assert [(one.act, one.subject) for one in read_audit(connection, most=2)] == [
            ("undo", "plan version 1"),
            ("change", "reference plan"),
        ]
        assert verify_audit(connection) is None
        assert connection.execute("SELECT id, stands, is_reference FROM v_plan_versions ORDER BY id").fetchall() == [
            (first, False, True),
            (second, True, False),
        ]
        plans.set_reference(connection, None, actor="anna", now_us=NOW + 4)
        assert read_standing(connection, PlanRole.REFERENCE) is None


def test_a_what_if_is_a_copy_that_never_stands_and_can_be_thrown_away(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        live = add_plan(connection, PLAN, now_us=NOW)
        with pytest.raises(Rejected, match="name"):
            plans.ask_what_if(connection, " ", actor="anna", now_us=NOW)
        down = {"kind": "breakdown", "unit": "laser-1"}
        plans.ask_what_if(connection, "laser down", actor="anna", now_us=NOW, disturbances=[down])
        assert read_jobs(connection)[0].request["disturbances"] == [down]
        what_if = add_plan(connection, replace(PLAN, kind=PlanKind.WHAT_IF, name="laser down", reason="what_if", parent=live), now_us=NOW)
        standing = read_standing(connection, PlanRole.LIVE)
        assert standing is not None
        assert standing.id == live
        assert [one.id for one in read_plans(connection, kind=PlanKind.WHAT_IF, name="laser down")] == [what_if]
        with pytest.raises(Rejected, match="no what-if plan"):
            plans.ask_adopt(connection, live, actor="anna", now_us=NOW)
        plans.ask_adopt(connection, what_if, actor="anna", now_us=NOW)
        assert plans.forget_what_if(connection, "laser down", actor="anna", now_us=NOW) == 1
        gone = read_plan(connection, what_if)
        assert gone is not None
        assert not gone.whole
        assert read_plan_content(connection, what_if) is None
        with pytest.raises(Rejected, match="only the figures"):
            plans.ask_adopt(connection, what_if, actor="anna", now_us=NOW)


def test_of_old_versions_only_the_figures_stay_but_what_stands_stays_whole(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_KEPT", 3)
    with connect(database_url, application="test") as connection:
        first = add_plan(connection, PLAN, now_us=NOW)
        plans.set_reference(connection, first, actor="anna", now_us=NOW)
        numbers = [add_plan(connection, replace(PLAN, objective=at), now_us=NOW + at) for at in range(6)]
        assert [one.id for one in read_plans(connection) if one.whole] == [*reversed(numbers[-3:]), first]
        assert len(read_plans(connection)) == 7


def test_edits_wait_for_the_optimizer_and_those_taken_hold_until_they_end(database_url: str) -> None:
    with connect(database_url, application="test") as connection, connect(database_url, application="ears") as ears:
        listen(ears, EDITED)
        live = add_plan(connection, PLAN, now_us=NOW)
        move = NewEdit(live, "move", "A-1", "weld", "cell-2", "weld-2", NOW + 60_000_000, "crane is there")
        with pytest.raises(Rejected, match="no plan of number"):
            add_edit(connection, replace(move, plan=live + 5), actor="anna", now_us=NOW)
        with pytest.raises(Rejected, match="nothing that can be done"):
            add_edit(connection, replace(move, act="drop"), actor="anna", now_us=NOW)
        number = add_edit(connection, move, actor="anna", now_us=NOW)
        other = add_edit(connection, replace(move, operation="paint"), actor="anna", now_us=NOW)
        assert hears(ears, EDITED)
        assert [one.id for one in read_edits(connection, states=[EditState.WAITING])] == [other, number]
        answer_edits(
            connection, {number: (EditState.TAKEN, ""), other: (EditState.REFUSED, "the booth is closed")}, now_us=NOW, became=live
        )
        (lock,) = read_locks(connection)
        assert (lock.edit, lock.became, lock.actor) == (move, live, "anna")
        assert read_edits(connection, states=[EditState.REFUSED])[0].answer == "the booth is closed"
        answer_edits(connection, {number: (EditState.ENDED, "it is done")}, now_us=NOW + 1)
        assert read_locks(connection) == []


def test_a_disturbance_told_twice_is_one_and_one_told_by_a_person_is_on_record(database_url: str) -> None:
    with connect(database_url, application="test") as connection, connect(database_url, application="ears") as ears:
        listen(ears, DISTURBED)
        down = NewDisturbance("breakdown", "laser-1", "monitor", NOW, key="monitor laser-1 5")
        number = add_disturbance(connection, down, now_us=NOW)
        assert hears(ears, DISTURBED)
        assert add_disturbance(connection, down, now_us=NOW + 1) == number
        assert heard(ears, 0) == set()
        assert add_disturbance(connection, replace(down, until_us=NOW + 99), now_us=NOW + 2) == number
        told = read_disturbance(connection, number)
        assert told is not None
        assert told.told.until_us == NOW + 99
        end_disturbance(connection, number, now_us=NOW + 100)
        with pytest.raises(Rejected, match="goes on"):
            end_disturbance(connection, number, now_us=NOW + 101)
        assert read_audit(connection) == []
        late = NewDisturbance("late_material", "A-1", "person", NOW, NOW + 50, actor="anna", document={"days": 2})
        second = add_disturbance(connection, late, now_us=NOW, address="10.0.0.7")
        assert [one.id for one in read_disturbances(connection, only_open=True)] == [second]
        assert [one.id for one in read_asked(connection, [number, second, 99])] == [number, second]
        assert (read_audit(connection)[0].act, read_audit(connection)[0].subject) == ("disturb", "A-1")
        with pytest.raises(Rejected, match="no source"):
            add_disturbance(connection, replace(late, source="rumour"), now_us=NOW)
