"""Deliveries, answers of controllers and modes, on each database."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import psycopg
import pytest

from plant.deliveries import Answer, Draft, Kind, Message, Quantity, SignedMessage, Verdict, may_become
from plant.delivery_messages import read_message, sign, signature_holds
from plant.delivery_modes import ControllerStanding, Dropped, Mode, mode_now
from plant.errors import Rejected
from plant.recommendations import Stage
from storage.audit import add_audit, read_audit, verify_audit
from storage.database import Connection, listen
from storage.deliveries import (
    DELIVERIES,
    Step,
    delivery_of_message,
    open_deliveries,
    propose,
    read_counters,
    read_deliveries,
    read_delivery,
    read_steps,
    send,
    step,
    take_step,
)
from storage.delivery_answers import DELIVERY_ANSWERS, add_answer, answers_to, read_answer, take_answers, waiting_answers
from storage.delivery_modes import (
    ask_closed_loop,
    asked_loops,
    confirm_closed_loop,
    drop_mode,
    newest_modes,
    read_modes,
    read_standings,
    set_mode,
    write_standings,
)
from tests.storage.conftest import Database

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
KEY = b"k" * 32
DRAFT = Draft(
    kind=Kind.PARAMETERS,
    work_unit="welding/robot-2",
    source="tuning:7",
    slot="parameters:seam-1",
    valid_seconds=60.0,
    program="seam-1",
    parameters=(Quantity("current", 221.5, "A"), Quantity("voltage", 24.0, "V")),
    window_version=3,
    basis_from_us=NOW - 3600 * SECOND,
    basis_to_us=NOW - SECOND,
    approved_by="anna",
)


@pytest.fixture
def plain(database_url: str) -> Database:
    """One kind of database is enough for what is the same SQL on each."""
    return Database("embedded", database_url)


def signed(message: Message, text: str) -> str:
    assert message.counter >= 1
    return sign(text, "k1", KEY)


def sent(connection: Connection, *numbers: int | None, later_us: int = 0) -> list[SignedMessage]:
    return send(
        connection, [one for one in numbers if one is not None], NOW + later_us, actor="delivery", sign=signed, check=lambda _: None
    )


def test_what_a_person_approved_goes_out_signed_and_counted_and_each_step_is_on_the_audit_trail(database: Database) -> None:
    with database.connect() as connection:
        (number,) = propose(connection, [DRAFT], NOW)
        (message,) = sent(connection, number)
        one = read_delivery(connection, message.number)

        assert one is not None
        assert (one.stage, one.counter, one.approved_by, one.draft) == (Stage.SENT, 1, "anna", DRAFT)
        assert one.signed == message
        assert read_message(message.text) == message.message
        assert signature_holds(message.text, message.signature, {"k1": KEY})
        assert not signature_holds(message.text.replace("221.5", "321.5"), message.signature, {"k1": KEY})
        assert message.message.expires_us == NOW + 60 * SECOND
        assert delivery_of_message(connection, message.message.id) == one
        assert [(two.before, two.after, two.actor) for two in read_steps(connection, message.number)] == [
            (None, Stage.PROPOSED, "optimizer"),
            (Stage.PROPOSED, Stage.APPROVED, "anna"),
            (Stage.APPROVED, Stage.SENT, "delivery"),
        ]
        assert [(two.act, two.actor) for two in reversed(read_audit(connection))] == [
            ("delivery.proposed", "optimizer"),
            ("delivery.approved", "anna"),
            ("delivery.sent", "delivery"),
        ]
        assert verify_audit(connection) is None


def test_the_database_lets_a_stage_become_what_the_stage_machine_says_and_nothing_else(plain: Database) -> None:
    """Each pair of stages is tried by the database's own guard."""
    wrong = []
    with plain.connect() as connection:
        (number,) = propose(connection, [DRAFT], NOW)
        sent(connection, number)
        for now, then in product(Stage, Stage):
            with connection.transaction(force_rollback=True):
                connection.execute("ALTER TABLE delivery DISABLE TRIGGER delivery_guard")
                connection.execute("UPDATE delivery SET stage = %s", [now.value])
                connection.execute("ALTER TABLE delivery ENABLE TRIGGER delivery_guard")
                try:
                    with connection.transaction():
                        connection.execute("UPDATE delivery SET stage = %s, stage_actor = 'anna', stage_reason = 'other'", [then.value])
                    allowed = True
                except psycopg.errors.CheckViolation:
                    allowed = False
                if allowed != may_become(now, then):
                    wrong.append((now, then))
    assert wrong == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE delivery SET document = '{}'",
        "UPDATE delivery SET stage = 'accepted', stage_actor = 'x', text = 'other'",
        "UPDATE delivery SET stage = 'accepted', stage_actor = 'x', counter = counter + 1",
        "UPDATE delivery SET stage = 'accepted', stage_actor = 'x', approved_by = 'eve'",
        "UPDATE delivery SET stage = 'accepted', stage_actor = ''",
        "UPDATE delivery SET stage = 'refused', stage_actor = 'x', stage_reason = ''",
        "DELETE FROM delivery",
        "DELETE FROM delivery_step",
        "UPDATE delivery_step SET actor = 'eve'",
        "UPDATE delivery_counter SET counter = 0",
        (
            "INSERT INTO delivery_mode (work_unit, mode, time, until_time, actor, second) "
            "VALUES ('w', 'closed_loop', now(), now() + interval '1 hour', 'Anna', ' anna')"
        ),
        (
            "INSERT INTO delivery_mode (work_unit, mode, time, until_time, actor, second) "
            "VALUES ('w', 'closed_loop', now(), now() + interval '9 hours', 'anna', 'ben')"
        ),
    ],
)
def test_the_database_keeps_what_was_sent_as_it_was_sent(plain: Database, change: str) -> None:
    with plain.connect() as connection:
        sent(connection, *propose(connection, [DRAFT], NOW))

        with pytest.raises(psycopg.Error):
            connection.execute(change)


def test_the_same_source_is_proposed_once_and_a_newer_one_of_the_slot_stands_for_it(database: Database) -> None:
    with database.connect() as connection:
        (first,) = propose(connection, [DRAFT], NOW)
        assert propose(connection, [DRAFT], NOW) == [None]
        (second,) = propose(connection, [replace(DRAFT, source="tuning:8", approved_by="")], NOW + 1)

        assert [(one.number, one.stage, one.stage_reason) for one in read_deliveries(connection)] == [
            (second, Stage.PROPOSED, ""),
            (first, Stage.EXPIRED, "superseded"),
        ]
        assert sent(connection, first, second) == []


def test_of_one_slot_one_message_is_under_way_and_counters_rise_by_work_unit(database: Database) -> None:
    with database.connect() as connection:
        (first,) = propose(connection, [DRAFT], NOW)
        (message,) = sent(connection, first)
        second, third, other = propose(
            connection,
            [
                replace(DRAFT, source="tuning:8"),
                replace(DRAFT, source="tuning:9", slot="parameters:seam-2"),
                replace(DRAFT, source="tuning:9", work_unit="welding/robot-3"),
            ],
            NOW + 1,
        )
        went = sent(connection, second, third, other, later_us=2)
        assert [(one.number, one.message.counter) for one in went] == [(third, 2), (other, 1)]

        assert first is not None
        step(connection, [Step(first, Stage.ACCEPTED, NOW + 3, "plc"), Step(first, Stage.EXECUTED, NOW + 3, "plc", detail={"read": 221.5})])
        assert [one.number for one in sent(connection, second, later_us=4)] == [second]
        assert read_counters(connection) == {"welding/robot-2": 3, "welding/robot-3": 1}
        assert message.message.counter == 1
        assert verify_audit(connection) is None


def test_a_check_that_says_no_keeps_the_message_in_the_house(database: Database) -> None:
    with database.connect() as connection:
        good, bad = propose(connection, [DRAFT, replace(DRAFT, work_unit="welding/robot-9")], NOW)
        assert good is not None
        assert bad is not None
        went = send(
            connection,
            [good, bad],
            NOW,
            actor="delivery",
            sign=signed,
            check=lambda one: (Stage.REFUSED, "current above 220 A") if one.message.work_unit.endswith("9") else None,
        )

        assert [one.number for one in went] == [good]
        refused = read_delivery(connection, bad)
        assert refused is not None
        assert (refused.stage, refused.stage_reason, refused.counter, refused.text) == (Stage.REFUSED, "current above 220 A", None, None)
        assert [one.number for one in open_deliveries(connection)] == [good]


def test_late_double_and_unknown_steps_are_left_out_and_keep_no_other_from_being_taken(database: Database) -> None:
    with database.connect() as connection:
        (number,) = propose(connection, [DRAFT], NOW)
        assert number is not None
        sent(connection, number)
        asked = [
            Step(number, Stage.MEASURED, NOW, "plc"),
            Step(number, Stage.ACCEPTED, NOW, "plc"),
            Step(number, Stage.ACCEPTED, NOW, "plc"),
            Step(999_999, Stage.ACCEPTED, NOW, "plc"),
            Step(number, Stage.EXECUTED, NOW, "plc"),
            Step(number, Stage.EXPIRED, NOW, "delivery", "time"),
        ]
        assert step(connection, asked) == [False, True, False, False, True, False]
        with pytest.raises(Rejected, match="is executed and cannot become accepted"):
            take_step(connection, Step(number, Stage.ACCEPTED, NOW, "plc"))
        with pytest.raises(Rejected, match="is not there"):
            take_step(connection, Step(number + 1, Stage.ACCEPTED, NOW, "plc"))
        assert verify_audit(connection) is None
        assert len(read_audit(connection)) == len(read_steps(connection, number)) == 5


def test_a_row_of_the_audit_trail_that_somebody_changed_is_found(plain: Database) -> None:
    with plain.connect() as connection:
        sent(connection, *propose(connection, [DRAFT], NOW))
        add_audit(connection, time_us=NOW, actor="anna", act="large", subject="numbers", next_={"x": [1e300, 1.0, 1e-9, -2.5e17]})
        assert verify_audit(connection) is None

        connection.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        connection.execute("UPDATE audit SET actor = 'eve' WHERE act = 'delivery.approved'")
        assert verify_audit(connection) == 2


def test_an_answer_sent_again_with_its_key_is_one_answer(database: Database) -> None:
    answer = Answer(
        message_id="m",
        work_unit="welding/robot-2",
        verdict=Verdict.EXECUTED,
        time_us=NOW,
        readback=(Quantity("current", 221.4, "A"),),
        actor="robot-2",
        key="a-1",
    )
    with database.connect() as connection, database.connect() as hearer:
        if not database.is_timescale:  # the engine in WebAssembly tells other connections nothing
            listen(hearer, DELIVERY_ANSWERS)
        number = add_answer(connection, answer)
        if not database.is_timescale:
            assert [one.payload for one in hearer.notifies(timeout=20, stop_after=1)] == [str(number)]
        assert add_answer(connection, replace(answer, time_us=NOW + 9)) == number
        with pytest.raises(Rejected, match="new key"):
            add_answer(connection, replace(answer, verdict=Verdict.FAILED))
        with pytest.raises(Rejected, match="new key"):
            add_answer(connection, replace(answer, readback=()))
        assert add_answer(connection, replace(answer, actor="robot-3")) != number

        (waiting, _) = waiting_answers(connection)
        assert waiting.answer == answer
        take_answers(connection, {number: "late"}, NOW + 5)
        assert [one.number for one in waiting_answers(connection)] == [number + 2] or len(waiting_answers(connection)) == 1
        taken = read_answer(connection, number)
        assert taken is not None
        assert (taken.taken_us, taken.outcome) == (NOW + 5, "late")
        assert len(answers_to(connection, ["m"])) == 2


def test_a_closed_loop_needs_two_persons_and_falls_back_by_itself(database: Database) -> None:
    unit = "welding/robot-2"
    with database.connect() as connection:
        assert newest_modes(connection) == {}
        with pytest.raises(Rejected, match="two persons"):
            set_mode(connection, unit, Mode.CLOSED_LOOP, actor="anna", now_us=NOW)
        with pytest.raises(Rejected, match="nobody asked"):
            confirm_closed_loop(connection, unit, actor="ben", now_us=NOW)
        ask_closed_loop(connection, unit, actor="anna", now_us=NOW, hours=2)
        with pytest.raises(Rejected, match="another person"):
            confirm_closed_loop(connection, unit, actor=" Anna", now_us=NOW)
        assert [one.actor for one in asked_loops(connection, NOW)] == ["anna"]
        with pytest.raises(Rejected, match="ask again"):
            confirm_closed_loop(connection, unit, actor="ben", now_us=NOW + 16 * 60 * SECOND)
        with pytest.raises(Rejected, match="8 hours"):
            ask_closed_loop(connection, unit, actor="anna", now_us=NOW, hours=8.5)
        row = confirm_closed_loop(connection, unit, actor="ben", now_us=NOW + SECOND)

        assert (row.actor, row.second, row.until_us) == ("anna", "ben", NOW + SECOND + 7200 * SECOND)
        assert mode_now([newest_modes(connection)[unit]], NOW + 7000 * SECOND) is Mode.CLOSED_LOOP
        assert mode_now([newest_modes(connection)[unit]], NOW + 7201 * SECOND) is Mode.ADVISORY
        dropped = drop_mode(connection, unit, Dropped.READ_BACK, now_us=NOW + 60 * SECOND, note="current 180 A, sent 221.5 A")
        assert dropped is not None
        assert (dropped.mode, dropped.actor) == (Mode.ADVISORY, "delivery")
        assert drop_mode(connection, unit, Dropped.READ_BACK, now_us=NOW + 61 * SECOND) is None
        assert [one.mode for one in read_modes(connection, unit)] == [Mode.ADVISORY, Mode.CLOSED_LOOP]
        assert verify_audit(connection) is None


def test_what_was_last_heard_of_a_controller_is_kept_and_its_counter_never_falls(database: Database) -> None:
    with database.connect() as connection:
        write_standings(connection, [ControllerStanding("a", NOW, NOW, counter=7, way="mqtt"), ControllerStanding("b")])
        write_standings(connection, [ControllerStanding("a", None, NOW + 5, ai_off=True, counter=3, state="Execute", way="mqtt")])

        assert read_standings(connection) == {
            "a": ControllerStanding("a", NOW, NOW + 5, ai_off=True, counter=7, state="Execute", way="mqtt"),
            "b": ControllerStanding("b"),
        }


def test_everybody_is_told_of_a_new_delivery_and_of_each_step(plain: Database) -> None:
    with plain.connect() as connection, plain.connect() as hearer:
        listen(hearer, DELIVERIES)
        (number,) = propose(connection, [DRAFT], NOW)
        assert number is not None
        assert [one.channel for one in hearer.notifies(timeout=20, stop_after=1)] == [DELIVERIES]
        sent(connection, number)
        assert [one.channel for one in hearer.notifies(timeout=20, stop_after=1)] == [DELIVERIES]
        step(connection, [Step(number, Stage.REFUSED, NOW, "plc", "busy")])
        assert [one.channel for one in hearer.notifies(timeout=20, stop_after=1)] == [DELIVERIES]
