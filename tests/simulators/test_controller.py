"""A simulated controller does what a real one must, and misbehaves as told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plant.deliveries import Kind, Message, Quantity, SetPart
from plant.delivery_messages import message_text, sign
from simulators.controller import Controller
from simulators.controller_check import ParameterLimit, ProgramLimits
from simulators.controller_rules import Behaviour, ControllerRules, Report, Said, State

KEY = b"k" * 32
NOW = 1_800_000_000_000_000
SECOND = 1_000_000
LIMITS = ProgramLimits(
    "P1", 3, (ParameterLimit("current", "A", 100.0, 300.0, 10.0, 0.0, 1.0), ParameterLimit("speed", "mm/min", 100.0, 600.0, 20.0))
)
RULES = ControllerRules(
    work_unit="weld-1",
    keys={"c1": KEY},
    programs=(LIMITS,),
    values={"current": 200.0, "speed": 300.0},
    parts={"recipe": ("a", "1"), "fixture": ("f", "1")},
)
SET = (Quantity("current", 205.0, "A"), Quantity("speed", 310.0, "mm/min"))


def signed(counter: int, kind: Kind = Kind.PARAMETERS, **told: Any) -> tuple[str, str]:
    if kind is Kind.PARAMETERS:
        told = {"program": "P1", "window_version": 3, "parameters": SET} | told
    message = Message(
        id=f"00000000-0000-4000-8000-{counter:012d}",
        kind=kind,
        work_unit="weld-1",
        counter=counter,
        issued_us=NOW,
        expires_us=NOW + 60 * SECOND,
        **told,
    )
    text = message_text(message)
    return text, sign(text, "c1", KEY)


def words(reports: list[Report]) -> list[tuple[int, str]]:
    return [(int(one.message_id[-3:], 16), one.said.value) for one in reports]


def test_it_accepts_carries_out_and_reads_back() -> None:
    one = Controller(RULES)
    accepted = one.take(*signed(1), NOW)
    assert accepted is not None
    assert accepted.said is Said.ACCEPTED
    (executed,) = one.tick(NOW)
    assert (executed.said, executed.values) == (Said.EXECUTED, SET)
    assert one.values()["current"].value == 205.0
    assert [(done.counter, done.time_us) for done in one.executions] == [(1, NOW)]


def test_the_same_message_again_is_answered_and_done_once() -> None:
    one = Controller(RULES)
    one.take(*signed(1), NOW)
    one.tick(NOW)
    again = one.take(*signed(1), NOW + SECOND)
    assert again is not None
    assert again.said is Said.EXECUTED
    assert one.tick(NOW + SECOND) == []
    assert len(one.executions) == 1
    # even when it would be refused by now
    one.behaviour = Behaviour.AI_OFF
    late = one.take(*signed(1), NOW + 90 * SECOND)
    assert late is not None
    assert late.said is Said.EXECUTED


def test_what_is_not_signed_is_nobodys_message() -> None:
    one = Controller(RULES)
    text, signature = signed(1)
    for wrong in (signature[:-1] + ("0" if signature[-1] != "0" else "1"), "", "c2" + signature[2:]):
        refused = one.take(text, wrong, NOW)
        assert refused is not None
        assert (refused.message_id, refused.reason) == ("", "signature")
    assert one.tick(NOW) == []
    assert (one.executions, one.situation.counter) == ([], 0)


@pytest.mark.parametrize(
    ("behaviour", "at_once", "later", "set_to"),
    [
        (Behaviour.OBEDIENT, "accepted", [(1, "executed")], 205.0),
        (Behaviour.SLOW, None, [(1, "accepted"), (1, "executed")], 205.0),
        (Behaviour.REFUSING, "refused", [], 200.0),
        (Behaviour.LYING, "accepted", [(1, "executed")], 200.0),
        (Behaviour.TWICE, "accepted", [(1, "accepted"), (1, "executed"), (1, "executed")], 205.0),
        (Behaviour.SILENT, None, [], 205.0),
        (Behaviour.DEAF, None, [], 200.0),
        (Behaviour.CRASHING, "accepted", [], 200.0),
        (Behaviour.WRONG_COUNTER, "refused", [], 200.0),
        (Behaviour.FAILING, "accepted", [(1, "failed")], 200.0),
        (Behaviour.DRIFTING, "accepted", [(1, "executed")], 205.0 * 1.05),
        (Behaviour.AI_OFF, "refused", [], 200.0),
    ],
)
def test_each_behaviour_says_and_does_what_it_is_for(
    behaviour: Behaviour, at_once: str | None, later: list[tuple[int, str]], set_to: float
) -> None:
    one = Controller(replace(RULES, behaviour=behaviour))
    first = one.take(*signed(1), NOW)
    assert (None if first is None else first.said.value) == at_once
    said = [report for second in range(12) for report in one.tick(NOW + second * SECOND)]
    assert words(said) == later
    assert one.values()["current"].value == set_to


def test_one_that_replays_says_old_answers_and_answers_to_nothing() -> None:
    one = Controller(replace(RULES, behaviour=Behaviour.REPLAYING))
    for counter, current in ((1, 205.0), (2, 210.0)):
        one.take(*signed(counter, parameters=(Quantity("current", current, "A"), SET[1])), NOW)
        said = one.tick(NOW)
    known = {"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"}
    assert known < {report.message_id for report in said}


def test_a_loss_of_power_between_yes_and_deed_is_no_deed_and_is_told_where_memory_holds(tmp_path: Path) -> None:
    rules = replace(RULES, behaviour=Behaviour.CRASHING, memory=tmp_path / "plc.json")
    one = Controller(rules)
    one.take(*signed(1), NOW)
    assert one.tick(NOW) == []
    assert not one.powered
    assert one.take(*signed(2), NOW + SECOND) is None
    (failed,) = one.tick(NOW + 2 * SECOND)
    assert (failed.said, failed.reason) == (Said.FAILED, "power_lost")
    # the counter outlives it: the message that was lost is not done when it comes again, and a new one is
    again = one.take(*signed(1), NOW + 3 * SECOND)
    assert again is not None
    assert again.said is Said.FAILED
    assert one.executions == []
    one.take(*signed(2), NOW + 3 * SECOND)
    one.tick(NOW + 3 * SECOND)
    assert [done.counter for done in one.executions] == [2]
    # and another one built on the same memory knows it all
    other = Controller(rules, NOW)
    known = other.what_of("00000000-0000-4000-8000-000000000002", NOW)
    assert known is not None
    assert known.said is Said.EXECUTED
    assert other.values()["current"].value == 205.0
    never = other.what_of("00000000-0000-4000-8000-000000000009", NOW)
    assert never is not None
    assert never.said is Said.NOT_TAKEN


def test_without_memory_nobody_can_tell_what_was() -> None:
    one = Controller(replace(RULES, behaviour=Behaviour.CRASHING))
    one.take(*signed(1), NOW)
    one.tick(NOW)
    one.tick(NOW + 3 * SECOND)
    assert one.powered
    assert one.what_of("00000000-0000-4000-8000-000000000001", NOW + 3 * SECOND) is None
    life = one.life(NOW + 3 * SECOND)
    assert life is not None
    assert life.counter == 0


def test_a_changeover_that_stops_half_way_is_undone_or_shows_the_mixture() -> None:
    parts = (SetPart("recipe", "b", "2"), SetPart("fixture", "g", "1"))
    for undone in (True, False):
        one = Controller(replace(RULES, behaviour=Behaviour.HALFWAY, rolls_back=undone))
        one.take(*signed(1, Kind.CHANGEOVER, parts=parts), NOW)
        (said,) = one.tick(NOW)
        assert said.said is (Said.ROLLED_BACK if undone else Said.FAILED)
        assert said.parts == one.switched()
        assert {part.name for part in one.switched()} == ({"a", "f"} if undone else {"b", "f"})
    one = Controller(RULES)
    one.take(*signed(1, Kind.CHANGEOVER, parts=parts), NOW)
    assert one.tick(NOW)[0].parts == (SetPart("fixture", "g", "1"), SetPart("recipe", "b", "2"))


def test_jobs_are_made_one_after_the_other_and_a_held_part_waits_for_its_release() -> None:
    one = Controller(replace(RULES, job_us=10 * SECOND))
    for counter in (1, 2):
        one.take(*signed(counter, Kind.JOB, job=f"J{counter}", program="P1", serial=f"S{counter}"), NOW)
    assert one.tick(NOW) == []
    assert one.tick(NOW + SECOND) == []
    assert one.state.value == "Execute"
    one.take(*signed(3, Kind.HOLD, serial="S1", reason="pore"), NOW + 2 * SECOND)
    assert words(one.tick(NOW + 2 * SECOND)) == [(3, "executed")]
    assert (one.state, one.held) == (State.HELD, {"S1": "pore"})
    assert one.tick(NOW + 30 * SECOND) == []
    one.take(*signed(4, Kind.RELEASE, serial="S1"), NOW + 31 * SECOND)
    assert words(one.tick(NOW + 31 * SECOND)) == [(4, "executed")]
    assert words(one.tick(NOW + 32 * SECOND)) == [(1, "executed")]
    assert words([report for second in range(33, 50) for report in one.tick(NOW + second * SECOND)]) == [(2, "executed")]
    assert one.state.value == "Idle"


def test_without_our_heartbeat_it_goes_back_to_its_own_set_points_step_by_step() -> None:
    one = Controller(replace(RULES, watchdog_us=2 * SECOND))
    for counter, current in enumerate((210.0, 220.0, 225.0), 1):
        one.pulse(NOW)
        one.take(*signed(counter, parameters=(Quantity("current", current, "A"), Quantity("speed", 300.0, "mm/min"))), NOW)
        one.tick(NOW)
    seen = []
    for cycle in range(1, 60):
        one.tick(NOW + cycle * SECOND // 10)
        seen.append(one.values()["current"].value)
    # within the time of the watchdog and one cycle, and never by more than a step
    assert seen[:20] == [225.0] * 20
    assert seen[20:24] == [215.0, 205.0, 200.0, 200.0]
    life = one.life(NOW + 6 * SECOND)
    assert life is not None
    assert life.local
    refused = one.take(*signed(9), NOW + 6 * SECOND)
    assert refused is not None
    assert refused.reason == "local"
    one.pulse(NOW + 7 * SECOND)
    taken = one.take(*signed(10), NOW + 7 * SECOND)
    assert taken is not None
    assert taken.said is Said.ACCEPTED
