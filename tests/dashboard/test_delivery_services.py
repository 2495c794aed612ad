"""What the pages about deliveries, modes, windows and the audit trail call: who may do what, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.context import Person
from dashboard.services_audit import ANCHORS, AuditService
from dashboard.services_deliveries import DeliveryService
from dashboard.services_modes import ModeService
from dashboard.services_windows import WindowService
from dashboard.views_deliveries import ApprovalDraft, DeclineDraft, SettleDraft
from dashboard.views_modes import DropDraft, LoopConfirmDraft, LoopDraft, ModeDraft
from dashboard.views_windows import WindowDraftDraft, WindowRefusalDraft
from plant.clock import Clock, SystemClock
from plant.deliveries import Kind
from plant.delivery_modes import ControllerStanding
from plant.errors import Rejected, SettingsError
from plant.process_windows import parse_windows
from plant.recommendations import Declined, Stage
from storage.audit import audit_anchor
from storage.audit_anchors import add_anchor
from storage.audit_reading import AuditWish
from storage.database import Pool, connect
from storage.delivery_modes import write_standings
from storage.people import Role
from tests.dashboard.delivery_stage import CONTROLLERS, PRESS, ROBOT, Numbers, fill, made, parameters
from tests.dashboard.running import SITE
from tests.databases import fresh_database

CLOCK: Clock = SystemClock()
ROBOT_2 = "welding/cell-1/robot-2"


def person(name: str, role: Role) -> Person:
    return Person(name, name, role)


VIEWER, INSPECTOR, ENGINEER = (person(role.value, role) for role in (Role.VIEWER, Role.INSPECTOR, Role.ENGINEER))
APPROVER, OTHER, ADMIN = person("wang.fang", Role.APPROVER), person("chen.hao", Role.APPROVER), person("admin", Role.ADMIN)


class Floor:
    """The services on a database of their own."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home
        site = home / "site.toml"
        site.write_text(SITE.replace('include = ["sources.d/*.toml"]', "") + CONTROLLERS)
        self.pool = Pool(url, 2, "test")
        self.deliveries, self.windows = DeliveryService(self.pool, CLOCK), WindowService(self.pool, CLOCK)
        self.modes, self.audit = ModeService(self.pool, CLOCK, site), AuditService(self.pool, CLOCK, home)
        with connect(url, application="test") as connection:
            self.numbers: Numbers = fill(connection, CLOCK.now_us())

    def propose(self, source: str) -> int:
        """A delivery that waits for a person."""
        with connect(self.url, application="test") as connection:
            return made(connection, parameters(source, {"current": (240.0, "A")}, program=source), CLOCK.now_us())

    def mode(self, unit: str) -> str:
        return next(one.mode for one in self.modes.modes() if one.work_unit == unit)


@pytest.fixture(scope="module")
def floor(postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    with fresh_database(postgres_server, migrated_template) as url:
        made_floor = Floor(url, tmp_path_factory.mktemp("home"))
        try:
            yield made_floor
        finally:
            made_floor.pool.close()


def test_a_delivery_tells_what_was_before_what_is_to_be_and_what_was_read_back(floor: Floor) -> None:
    doubted = floor.deliveries.delivery(floor.numbers.doubted)
    (current, *_) = doubted.values
    assert (current.name, current.before, current.value, current.readback) == ("current", 246, 250, 246)
    assert (current.low, current.high, current.unit) == (205, 276, "A")
    assert (doubted.before, doubted.window_version, doubted.window_in_force) == (f"delivery {floor.numbers.carried}", 3, 3)
    assert [one.after for one in doubted.history] == ["proposed", "approved", "sent", "accepted", "in_doubt"]
    assert (doubted.history[-1].reason, doubted.line.counter) == ("read_back", 2)
    assert doubted.text is not None
    assert floor.deliveries.delivery(floor.numbers.carried).before == "recipe"


def test_of_a_changeover_the_others_that_are_one_with_it_are_told_and_what_was_read_back(floor: Floor) -> None:
    found = floor.deliveries.delivery(floor.numbers.changeover)
    assert [one.work_unit for one in found.beside] == [PRESS]
    assert {one.kind: (f"{one.name} {one.version}", one.readback) for one in found.parts} == {
        "robot_program": ("boom-215 7", ""),
        "recipe": ("WPS-1003 3", "WPS-1003 3"),
    }


def test_lists_are_those_asked_for(floor: Floor) -> None:
    assert {one.number for one in floor.deliveries.lines(stages=[Stage.IN_DOUBT])} == {floor.numbers.doubted}
    assert {one.kind for one in floor.deliveries.lines(kinds=[Kind.CHANGEOVER])} == {"changeover"}
    assert {one.work_unit for one in floor.deliveries.lines(work_unit=PRESS)} == {PRESS}
    newest, *_ = floor.deliveries.lines(most=1)
    assert all(one.number < newest.number for one in floor.deliveries.lines(before=newest.number))
    carried = floor.deliveries.carried(["tuning:111", "tuning:99"])
    assert {source: [one.stage for one in each] for source, each in carried.items()} == {"tuning:111": ["measured"]}


def test_only_approvers_decide_and_what_was_decided_stays(floor: Floor) -> None:
    number, other, before = floor.propose("a"), floor.propose("b"), floor.deliveries.waiting().proposed
    for who in (VIEWER, INSPECTOR, ENGINEER):
        with pytest.raises(PermissionError):
            floor.deliveries.approve(who, number, ApprovalDraft())
        with pytest.raises(PermissionError):
            floor.deliveries.decline(who, number, DeclineDraft(reason=Declined.NOT_NOW))
    approved = floor.deliveries.approve(APPROVER, number, ApprovalDraft(note="looked at"))
    declined = floor.deliveries.decline(APPROVER, other, DeclineDraft(reason=Declined.QUALITY, note="too hot"))
    assert (approved.line.stage, approved.line.approved_by, approved.line.stage_note) == ("approved", "wang.fang", "looked at")
    assert (declined.line.stage, declined.line.stage_reason, declined.line.stage_note) == ("declined", "quality", "too hot")
    assert floor.deliveries.waiting().proposed == before - 2
    with pytest.raises(Rejected, match="is declined and cannot become approved"):
        floor.deliveries.approve(APPROVER, other, ApprovalDraft())
    assert floor.deliveries.decline(APPROVER, number, DeclineDraft(reason=Declined.NOT_NOW)).line.stage == "declined"


def test_what_is_in_doubt_is_settled_by_whom_looked_and_said_what_was_seen(floor: Floor) -> None:
    number, draft = floor.numbers.doubted, SettleDraft(found="rolled_back", note="the panel shows 246 A")
    with pytest.raises(PermissionError):
        floor.deliveries.settle(VIEWER, number, draft)
    with pytest.raises(Rejected, match="is not in doubt"):
        floor.deliveries.settle(INSPECTOR, floor.numbers.carried, draft)
    with pytest.raises(ValueError, match="note"):
        SettleDraft(found="executed", note="")
    settled = floor.deliveries.settle(INSPECTOR, number, draft)
    assert (settled.line.stage, settled.line.stage_reason, settled.line.stage_actor) == ("rolled_back", "settled", "inspector")
    newest, *_ = floor.audit.entries(ADMIN, AuditWish(act="delivery.*", subject=f"delivery {number}"))
    assert (newest.actor, newest.act, newest.next["note"]) == ("inspector", "delivery.rolled_back", "the panel shows 246 A")


def test_modes_tell_why_they_hold_and_how_controllers_do(floor: Floor) -> None:
    found = {one.work_unit: one for one in floor.modes.modes()}
    fell, loop, asked = found[ROBOT], found[ROBOT_2], found[PRESS]
    assert (fell.mode, fell.dropped, fell.reason, fell.controller) == ("advisory", "read_back", "current is 246 A, not 250 A", "cell-1-plc")
    assert (loop.mode, loop.actor, loop.second, loop.dropped) == ("closed_loop", "zhang.min", "wang.fang", "")
    assert asked.asked is not None
    assert (asked.mode, asked.asked.actor, asked.asked.hours, asked.ai_off) == ("advisory", "zhang.min", 4, True)
    assert (found["mes"].mode, found["mes"].since_us, found["mes"].way) == ("advisory", None, "rest")
    assert [one.mode for one in floor.modes.changes(ROBOT)] == ["advisory", "closed_loop"]


def test_a_closed_loop_needs_two_persons_and_a_machine_that_wants_it(floor: Floor) -> None:
    unit = "mes"
    asked = LoopDraft(work_unit=unit, hours=2, reason="trial run")
    for who in (VIEWER, INSPECTOR, ENGINEER):
        with pytest.raises(PermissionError):
            floor.modes.ask(who, asked)
    floor.modes.ask(APPROVER, asked)
    with pytest.raises(Rejected, match="another person must"):
        floor.modes.confirm(APPROVER, LoopConfirmDraft(work_unit=unit))
    assert floor.modes.confirm(OTHER, LoopConfirmDraft(work_unit=unit)).mode == "closed_loop"
    with pytest.raises(Rejected, match="AI off"):
        floor.modes.confirm(OTHER, LoopConfirmDraft(work_unit=PRESS))
    with pytest.raises(Rejected, match="set it to advisory first"):
        floor.modes.ask(APPROVER, LoopDraft(work_unit="paint/booth", hours=2, reason="trial run"))
    with pytest.raises(ValueError, match="less than or equal to 8"):
        LoopDraft(work_unit=unit, hours=9, reason="trial run")


def test_inspectors_lower_a_mode_and_approvers_raise_it(floor: Floor) -> None:
    unit = "cutting"
    with pytest.raises(PermissionError):
        floor.modes.set(VIEWER, ModeDraft(work_unit=unit, mode="off", reason="fumes"))
    assert floor.modes.set(INSPECTOR, ModeDraft(work_unit=unit, mode="off", reason="fumes")).mode == "off"
    with pytest.raises(PermissionError):
        floor.modes.set(ENGINEER, ModeDraft(work_unit=unit, mode="advisory", reason="all well"))
    assert floor.mode(unit) == "off"
    assert floor.modes.set(APPROVER, ModeDraft(work_unit=unit, mode="advisory", reason="all well")).mode == "advisory"


def test_one_act_ends_all_closed_loops_and_those_asked_for(floor: Floor) -> None:
    with connect(floor.url, application="test") as connection:
        write_standings(connection, [ControllerStanding("x-1"), ControllerStanding("x-2")])
    floor.modes.ask(APPROVER, LoopDraft(work_unit="x-1", hours=1, reason="trial run"))
    floor.modes.confirm(OTHER, LoopConfirmDraft(work_unit="x-1"))
    floor.modes.ask(APPROVER, LoopDraft(work_unit="x-2", hours=1, reason="trial run"))
    with pytest.raises(PermissionError):
        floor.modes.drop_all(VIEWER, DropDraft(reason="smoke in cell 1"))
    ended = floor.modes.drop_all(INSPECTOR, DropDraft(reason="smoke in cell 1")).work_units
    assert {"x-1", "x-2"} <= set(ended)
    after = {one.work_unit: one for one in floor.modes.modes()}
    assert all((one.mode != "closed_loop", one.asked) == (True, None) for one in after.values())
    assert after["paint/booth"].mode == "shadow"
    assert floor.modes.drop_all(INSPECTOR, DropDraft(reason="smoke in cell 1")).work_units == ()


def test_windows_tell_what_is_in_use_inside_of_them_and_what_changed(floor: Floor) -> None:
    found = floor.windows.windows()
    assert found.version is not None
    used = {one.program: {each.name: [use.value for use in each.in_use] for each in one.parameters} for one in found.windows}
    assert used["WPS-1003"]["current"] == [246]
    assert used["SB-*"]["torque"] == [812, 845]
    (change,) = floor.windows.changes(1, 2)
    assert [(one.name, one.field, one.before, one.after, one.side) for one in change.limits] == [("torque", "high", 880, 860, "narrower")]
    assert parse_windows(floor.windows.text(1)) != parse_windows(floor.windows.text())
    assert [one.version_after for one in floor.windows.changes(0, 1)] == [3, 1]
    with pytest.raises(Rejected, match="no version 99"):
        floor.windows.windows(99)


def test_a_window_is_proposed_by_an_engineer_and_approved_by_an_approver(floor: Floor) -> None:
    known = parse_windows(floor.windows.text()).windows[1].model_dump(include={"work_unit", "program", "job", "parameters"})
    known["parameters"] = [each | {"step": each["step"] * 2} for each in known["parameters"]]
    draft = WindowDraftDraft.model_validate({**known, "note": "fewer trials"})
    for who in (VIEWER, INSPECTOR, APPROVER):
        with pytest.raises(PermissionError):
            floor.windows.propose(who, draft)
    number = floor.windows.propose(ENGINEER, draft).id
    with pytest.raises(PermissionError):
        floor.windows.approve(ENGINEER, number)
    kept = floor.windows.approve(APPROVER, number)
    assert (kept.stage, kept.window.version, kept.window.approver) == ("approved", 4, "wang.fang")
    assert {(one.field, one.side) for one in kept.changes[0].limits} == {("step", "wider")}
    with pytest.raises(Rejected, match="decided already"):
        floor.windows.decline(APPROVER, number, WindowRefusalDraft(reason="too late"))
    waits = floor.windows.draft(floor.numbers.window_draft)
    assert [(one.name, one.field, one.side) for one in waits.changes[0].limits] == [
        ("current", "low", "wider"),
        ("current", "rate", "wider"),
        ("voltage", "high", "narrower"),
    ]


def test_the_audit_trail_is_searched_checked_and_held_against_its_anchors(floor: Floor) -> None:
    with pytest.raises(PermissionError):
        floor.audit.check(APPROVER)
    with connect(floor.url, application="test") as connection:
        anchor = audit_anchor(connection, CLOCK.now_us())
    assert anchor is not None
    add_anchor(floor.home / ANCHORS, anchor)
    floor.propose("c")
    found = floor.audit.check(ADMIN)
    head = floor.audit.head(ADMIN)
    assert (found.holds, found.entries > anchor.id, found.anchors) == (True, True, 1)
    assert (found.entries, found.hash) == (head.entries, head.hash)
    drafts = floor.audit.entries(ADMIN, AuditWish(actor="LI.WEI", act="windows.*", subject="spindles"))
    assert {(one.actor, one.act) for one in drafts} == {("li.wei", "windows.draft")}
    assert floor.audit.entries(ADMIN, AuditWish(subject="100%")) == []
    assert {row.actor for row in floor.audit.rows(ADMIN, AuditWish(actor="gate"))} == {"gate"}
    last = floor.audit.entries(ADMIN, AuditWish(), 2)[-1]
    assert floor.audit.entries(ADMIN, AuditWish(before=last.id), 1)[0].id == last.id - 1
    (floor.home / ANCHORS).write_text('{"time_us": 1, "id": 1, "hash": "00"}\n', "utf-8")
    other = floor.audit.check(ADMIN)
    assert (other.holds, other.rewritten_at and other.rewritten_at.id) == (False, 1)
    (floor.home / ANCHORS).write_text("no anchor\n", "utf-8")
    with pytest.raises(SettingsError, match="line 1"):
        floor.audit.check(ADMIN)
