"""The delivery process: what was approved is sent once, answered, read back, and never lost sight of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from delivery.ways import InDoubt
from plant.deliveries import Answer, Quantity, Verdict
from plant.delivery_modes import Mode
from plant.errors import Unavailable
from plant.recommendations import Stage
from simulators.controller_rules import Behaviour
from storage.audit import read_audit
from storage.deliveries import Step, step, take_step
from storage.delivery_answers import add_answer, read_answer
from storage.delivery_modes import ask_closed_loop, confirm_closed_loop, newest_mode, read_standings, set_mode
from storage.delivery_troubles import TroubleKind, standing_troubles
from storage.process_windows import write_windows
from tests.databases import fresh_database
from tests.delivery.loopback import Loopback
from tests.delivery.stage import CLOCK, House, draft, house, windows_of
from tests.delivery.way_parts import KEY, controller
from tests.ingest.parts import until

UNITS = [f"weld-{number}" for number in range(40)]
HASTY = ["hasty-0", "hasty-1"]
_fresh = count()


@pytest.fixture(scope="module")
def way() -> Loopback:
    return Loopback("cell", {unit: controller(unit) for unit in UNITS})


@pytest.fixture(scope="module")
def hasty() -> Loopback:
    """A controller that must answer, and be done, at once."""
    times = {"answer_seconds": 0.3, "done_seconds": 0.3}
    return Loopback("hasty", {unit: controller(unit, "hasty") for unit in HASTY}, settings=times)


@pytest.fixture(scope="module")
def plant(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory, way: Loopback, hasty: Loopback
) -> Iterator[House]:
    times = {"answer_seconds": 600.0, "done_seconds": 600.0, "heartbeat_seconds": 300.0}
    keys = {"cell": KEY, "hasty": KEY}
    with (
        fresh_database(postgres_server, migrated_template) as url,
        house(url, tmp_path_factory.mktemp("delivery"), [way, hasty], [*UNITS, *HASTY], keys=keys, **times) as one,
    ):
        yield one
        one.assert_audited()


@pytest.fixture
def unit() -> str:
    """A work unit that no other test touches."""
    return UNITS[next(_fresh)]


def sends(way: Loopback, number: int) -> int:
    return [one.number for one in way.sent].count(number)


def closed_loop(plant: House, unit: str) -> None:
    ask_closed_loop(plant.connection, unit, actor="anna", now_us=CLOCK.now_us(), hours=1.0)
    confirm_closed_loop(plant.connection, unit, actor="berta", now_us=CLOCK.now_us())


def mode(plant: House, unit: str) -> Mode | None:
    row = newest_mode(plant.connection, unit)
    return None if row is None else row.mode


def test_what_was_approved_is_sent_executed_and_read_back(plant: House, way: Loopback, unit: str) -> None:
    (number,) = plant.propose(draft(unit, value=220.0))
    done = plant.until(number, Stage.EXECUTED)
    assert plant.path(number) == [Stage.PROPOSED, Stage.APPROVED, Stage.SENT, Stage.ACCEPTED, Stage.EXECUTED]
    assert sends(way, number) == 1
    assert way.controllers[unit].values()["current"].value == 220.0
    assert done.stage_detail is not None
    assert done.stage_detail["read"] == [{"name": "current", "value": 220.0, "unit": "A"}]
    assert done.stage_detail["seconds"] > 0
    until(lambda: done.message_id in way.settled_ids, 5)


def test_nothing_leaves_before_a_person_approved_it(plant: House, way: Loopback, unit: str) -> None:
    waiting, other = plant.propose(draft(unit, approved_by=""), draft(unit, slot="parameters:P2", program="P1"))
    plant.until(other, Stage.EXECUTED)
    assert (plant.delivery(waiting).stage, sends(way, waiting)) == (Stage.PROPOSED, 0)
    take_step(plant.connection, Step(waiting, Stage.APPROVED, CLOCK.now_us(), "anna"))
    plant.until(waiting, Stage.EXECUTED)


def test_the_gate_keeps_back_what_lies_outside_its_window(plant: House, way: Loopback, unit: str) -> None:
    (number,) = plant.propose(draft(unit, value=400.0))
    refused = plant.until(number, Stage.REFUSED)
    assert (refused.stage_actor, refused.stage_reason, sends(way, number)) == ("gate", "above", 0)
    assert "300" in refused.stage_note


def test_a_recommendation_is_void_when_its_window_was_changed_meanwhile(plant: House, way: Loopback, unit: str) -> None:
    way.away = True
    try:
        (number,) = plant.propose(draft(unit))
        text = windows_of([one for one in [*UNITS, *HASTY] if one != unit]) + windows_of([unit]).replace("version = 3", "version = 4")
        write_windows(plant.connection, text, actor="anna", now_us=CLOCK.now_us())
        assert plant.delivery(number).stage is Stage.APPROVED
    finally:
        way.away = False
    assert plant.until(number, Stage.REFUSED).stage_reason == "window"


def test_what_a_controller_refuses_is_refused_with_its_reason(plant: House, way: Loopback, unit: str) -> None:
    way.controllers[unit].behaviour = Behaviour.REFUSING
    (number,) = plant.propose(draft(unit))
    refused = plant.until(number, Stage.REFUSED)
    assert (refused.stage_actor, refused.stage_reason) == ("cell", "not_ready")


def test_what_could_not_be_carried_out_is_rolled_back(plant: House, way: Loopback, unit: str) -> None:
    way.controllers[unit].behaviour = Behaviour.FAILING
    (number,) = plant.propose(draft(unit))
    assert plant.until(number, Stage.ROLLED_BACK).stage_reason == "fault"


def test_a_controller_that_lies_is_found_by_reading_back_and_its_loop_ends(plant: House, way: Loopback, unit: str) -> None:
    (honest,) = plant.propose(draft(unit, value=200.0))
    plant.until(honest, Stage.EXECUTED)
    way.controllers[unit].behaviour = Behaviour.LYING
    closed_loop(plant, unit)
    way.reads.add(unit)
    (number,) = plant.propose(draft(unit, approved_by=""))
    doubtful = plant.until(number, Stage.IN_DOUBT)
    assert doubtful.approved_by == "closed loop (anna, berta)"
    assert (doubtful.stage_reason, doubtful.stage_note) == ("read_back", "current is 200 A, not 210")
    until(lambda: mode(plant, unit) is Mode.ADVISORY, 5)
    kinds = {TroubleKind.READ_BACK, TroubleKind.MODE_DROP}
    until(lambda: {one.kind for one in standing_troubles(plant.connection) if one.work_unit == unit} == kinds, 5)
    take_step(plant.connection, Step(number, Stage.ROLLED_BACK, CLOCK.now_us(), "anna", "looked"))
    set_mode(plant.connection, unit, Mode.ADVISORY, actor="anna", now_us=CLOCK.now_us())
    until(lambda: not [one for one in standing_troubles(plant.connection) if one.work_unit == unit], 5)


def test_answers_said_twice_and_old_ones_and_those_to_nothing_change_nothing(plant: House, way: Loopback, unit: str) -> None:
    way.controllers[unit].behaviour = Behaviour.REPLAYING
    first, second = plant.propose(draft(unit), draft(unit, slot="parameters:P2", value=230.0))
    plant.until(first, Stage.EXECUTED)
    plant.until(second, Stage.EXECUTED)
    assert len(way.controllers[unit].executions) == 2

    def refused() -> list[str]:
        said = (one for one in read_audit(plant.connection) if one.act == "delivery.answer_refused")
        return [one.next["why"] for one in said if one.next["work_unit"] == unit]

    until(lambda: bool(refused()), 5)
    assert all("no such message" in why for why in refused())


def test_of_a_controller_that_never_says_a_word_it_is_asked_what_became(plant: House, hasty: Loopback) -> None:
    hasty.controllers["hasty-0"].behaviour = Behaviour.SILENT
    (number,) = plant.propose(draft("hasty-0"))
    plant.until(number, Stage.EXECUTED, seconds=30)
    assert sends(hasty, number) == 1


def test_what_nobody_can_know_is_in_doubt_until_a_person_settles_it_and_keeps_its_slot(plant: House, hasty: Loopback) -> None:
    unit = "hasty-1"
    hasty.controllers[unit].behaviour = Behaviour.CRASHING
    hasty.controllers[unit].rules = replace(hasty.controllers[unit].rules, down_us=0)
    (number,) = plant.propose(draft(unit))
    doubtful = plant.until(number, Stage.IN_DOUBT, seconds=30)
    assert doubtful.stage_reason == "not_done"
    until(lambda: (unit, TroubleKind.IN_DOUBT) in {(one.work_unit, one.kind) for one in standing_troubles(plant.connection)}, 5)
    # its counter is gone: it would take older ones again, and ours are higher than any of them
    other, later = plant.propose(draft(unit, slot="parameters:P2")), plant.propose(draft(unit, value=215.0))
    plant.until(other[0], Stage.EXECUTED, seconds=30)
    assert plant.delivery(later[0]).stage is Stage.APPROVED
    take_step(plant.connection, Step(number, Stage.REFUSED, CLOCK.now_us(), "anna", "looked at the machine"))
    plant.until(later[0], Stage.EXECUTED, seconds=30)
    until(lambda: unit not in {one.work_unit for one in standing_troubles(plant.connection)}, 5)


def test_what_surely_did_not_arrive_expires_and_is_not_sent_again(plant: House, way: Loopback, unit: str) -> None:
    way.failure = Unavailable("no route")
    try:
        (number,) = plant.propose(draft(unit))
        expired = plant.until(number, Stage.EXPIRED)
    finally:
        way.failure = None
    assert (expired.stage_reason, expired.stage_note, sends(way, number)) == ("not_sent", "no route", 0)


def test_of_what_may_have_arrived_a_late_answer_tells(plant: House, way: Loopback, unit: str) -> None:
    way.failure = InDoubt("the line broke")
    try:
        (number,) = plant.propose(draft(unit))
        doubtful = plant.until(number, Stage.IN_DOUBT)
    finally:
        way.failure = None
    assert doubtful.stage_reason == "send"
    late = Answer(message_id=doubtful.message_id, work_unit=unit, verdict=Verdict.EXECUTED, time_us=CLOCK.now_us(), actor="cell", key="k1")
    row = add_answer(plant.connection, replace(late, readback=(Quantity("current", 210.0, "A"),)))
    done = plant.until(number, Stage.EXECUTED)
    assert plant.path(number)[-2:] == [Stage.IN_DOUBT, Stage.EXECUTED]
    assert (done.stage_actor, sends(way, number)) == ("cell", 0)
    until(lambda: (found := read_answer(plant.connection, row)) is not None and found.taken_us is not None and not found.outcome, 5)


def test_answers_that_come_as_rows_of_another_unit_or_of_nothing_are_told_why_they_do_not_count(plant: House, unit: str) -> None:
    (number,) = plant.propose(draft(unit))
    sent = plant.until(number, Stage.EXECUTED)
    told = Answer(message_id=sent.message_id, work_unit="elsewhere", verdict=Verdict.FAILED, time_us=CLOCK.now_us(), actor="cell")
    rows = [add_answer(plant.connection, told), add_answer(plant.connection, replace(told, message_id="none"))]
    until(lambda: all((found := read_answer(plant.connection, row)) is not None and found.outcome != "" for row in rows), 5)
    assert plant.delivery(number).stage is Stage.EXECUTED


def test_what_is_approved_waits_while_its_controller_is_away(plant: House, way: Loopback, unit: str) -> None:
    way.away = True
    try:
        (number,) = plant.propose(draft(unit))
        (other,) = plant.propose(draft(unit, slot="parameters:P2", value=500.0))
        assert plant.delivery(number).stage is Stage.APPROVED
    finally:
        way.away = False
    plant.until(number, Stage.EXECUTED)
    plant.until(other, Stage.REFUSED)
    assert sends(way, number) == 1


def test_shadow_makes_and_checks_and_never_sends(plant: House, way: Loopback, unit: str) -> None:
    set_mode(plant.connection, unit, Mode.SHADOW, actor="anna", now_us=CLOCK.now_us())
    fine, wrong = plant.propose(draft(unit, approved_by=""), draft(unit, approved_by="", value=400.0, slot="parameters:P2"))
    assert plant.until(fine, Stage.EXPIRED).stage_reason == "mode_shadow"
    assert plant.until(wrong, Stage.REFUSED).stage_reason == "above"
    assert sends(way, fine) + sends(way, wrong) == 0
    assert not way.controllers[unit].executions


def test_off_sends_nothing_and_keeps_nothing_for_later(plant: House, way: Loopback, unit: str) -> None:
    set_mode(plant.connection, unit, Mode.OFF, actor="anna", now_us=CLOCK.now_us())
    numbers = plant.propose(draft(unit), draft(unit, approved_by="", slot="parameters:P2"))
    for number in numbers:
        assert plant.until(number, Stage.EXPIRED).stage_reason == "mode_off"
    assert not way.controllers[unit].executions


def test_a_closed_loop_ends_when_the_gate_refuses_what_it_proposes(plant: House, way: Loopback, unit: str) -> None:
    closed_loop(plant, unit)
    # read back by nobody so far: the first step is a person's
    (number,) = plant.propose(draft(unit, approved_by=""))
    refused = plant.until(number, Stage.REFUSED)
    assert (refused.stage_reason, refused.approved_by) == ("not_read_back", "closed loop (anna, berta)")
    until(lambda: mode(plant, unit) is Mode.ADVISORY, 5)
    row = newest_mode(plant.connection, unit)
    assert row is not None
    assert row.reason.startswith("gate")
    assert sends(way, number) == 0


def test_what_a_closed_loop_approved_does_not_outlive_it(plant: House, way: Loopback, unit: str) -> None:
    way.away = True
    try:
        closed_loop(plant, unit)
        (number,) = plant.propose(draft(unit, approved_by=""))
        plant.until(number, Stage.APPROVED)
        set_mode(plant.connection, unit, Mode.ADVISORY, actor="anna", now_us=CLOCK.now_us())
        assert plant.until(number, Stage.EXPIRED).stage_reason == "loop_ended"
    finally:
        way.away = False


def test_the_switch_at_the_machine_holds_everything_back_and_ends_the_loop(plant: House, way: Loopback, unit: str) -> None:
    closed_loop(plant, unit)
    way.controllers[unit].behaviour = Behaviour.AI_OFF
    until(lambda: mode(plant, unit) is Mode.ADVISORY, 10)
    row = newest_mode(plant.connection, unit)
    assert row is not None
    assert row.reason.startswith("ai_off")
    until(lambda: read_standings(plant.connection, unit)[unit].ai_off, 5)
    (number,) = plant.propose(draft(unit))
    (other,) = plant.propose(draft(UNITS[-1]))
    plant.until(other, Stage.EXECUTED)
    assert plant.delivery(number).stage is Stage.APPROVED
    way.controllers[unit].behaviour = Behaviour.OBEDIENT
    plant.until(number, Stage.EXECUTED)


def test_a_controller_that_counts_otherwise_gets_nothing_and_an_alarm(plant: House, way: Loopback, unit: str) -> None:
    way.controllers[unit].behaviour = Behaviour.WRONG_COUNTER
    until(lambda: (unit, TroubleKind.COUNTER) in {(one.work_unit, one.kind) for one in standing_troubles(plant.connection)}, 10)
    (number,) = plant.propose(draft(unit))
    assert plant.until(number, Stage.REFUSED).stage_reason == "counter"
    assert sends(way, number) == 0


def test_nothing_is_sent_that_rests_on_old_measurements(plant: House, way: Loopback, unit: str) -> None:
    old = CLOCK.now_us() - 90_000_000_000
    (number,) = plant.propose(draft(unit, basis_from_us=old - 1_000_000, basis_to_us=old))
    assert plant.until(number, Stage.REFUSED).stage_reason in ("stale", "inputs")
    assert sends(way, number) == 0


@pytest.mark.usefixtures("plant")
def test_every_work_unit_is_told_that_we_are_alive(way: Loopback, unit: str) -> None:
    until(lambda: unit in way.pulses, 5)
    assert way.pulses[unit].mode is Mode.ADVISORY


def test_what_is_sent_by_other_steps_than_the_allowed_ones_is_left_out(plant: House, unit: str) -> None:
    (number,) = plant.propose(draft(unit, approved_by=""))
    assert step(plant.connection, [Step(number, Stage.EXECUTED, CLOCK.now_us(), "anna")]) == [False]
