"""What an answer means, and what silence does: pure functions, each case against the stages that the database allows."""

from __future__ import annotations

from itertools import product

import pytest

from delivery.answers import NO_ANSWER, NOT_DONE, READ_BACK, SEND, Said, meaning
from delivery.deadlines import ALLOWANCE_US, due, without_answer
from delivery.flights import Flight
from delivery.read_backs import is_read_back, unlike
from delivery.ways import NotTaken, ReadBack, Taken
from plant.deliveries import Kind, Message, Quantity, SetPart, SignedMessage, Verdict, may_become
from plant.recommendations import Stage
from plant.settings_delivery import RestController, ToleranceSettings

NOW = 1_800_000_000_000_000
MESSAGE = Message(
    id="m",
    kind=Kind.PARAMETERS,
    work_unit="weld-1",
    counter=7,
    issued_us=NOW,
    expires_us=NOW + 60_000_000,
    parameters=(Quantity("current", 8.9, "A"), Quantity("speed", 400.0, "mm/min")),
)
CONTROLLER = RestController(way="rest", id="cell", work_units=("*",), answer_seconds=30.0, done_seconds=100.0)


def flight(stage: Stage, doubt: str = "", **message: object) -> Flight:
    told = MESSAGE if not message else Message(**{name: getattr(MESSAGE, name) for name in MESSAGE.__slots__} | message)
    return Flight(SignedMessage(1, told, "", ""), "cell", stage, doubt=doubt, stage_us=NOW)


@pytest.mark.parametrize("doubt", [NO_ANSWER, NOT_DONE, SEND, READ_BACK])
@pytest.mark.parametrize("faults", [(), ("current is 1 A, not 2",)])
def test_whatever_is_said_whenever_it_leads_only_where_a_delivery_may_go(doubt: str, faults: tuple[str, ...]) -> None:
    for stage, verdict in product(Stage, Verdict):
        what = meaning(stage, doubt if stage is Stage.IN_DOUBT else "", Said(verdict=verdict, unlike=faults))
        now = stage
        for turn in what.turns:
            assert may_become(now, turn.stage), (stage, verdict, turn)
            if turn.stage in (Stage.REFUSED, Stage.ROLLED_BACK, Stage.IN_DOUBT):
                assert turn.reason
            now = turn.stage
        assert (what.taken is Taken.STEP) == bool(what.turns)
        # said again at once, it changes nothing more
        again = meaning(now, what.turns[-1].reason if now is Stage.IN_DOUBT and what.turns else doubt, Said(verdict=verdict, unlike=faults))
        assert not again.turns, (stage, verdict)


def test_done_is_done_only_where_it_was_read_back_alike() -> None:
    alike = meaning(Stage.ACCEPTED, "", Said(verdict=Verdict.EXECUTED))
    other = meaning(Stage.ACCEPTED, "", Said(verdict=Verdict.EXECUTED, unlike=("current is 1 A, not 2",)))
    assert [one.stage for one in alike.turns] == [Stage.EXECUTED]
    assert [(one.stage, one.reason, one.note) for one in other.turns] == [(Stage.IN_DOUBT, READ_BACK, "current is 1 A, not 2")]
    assert other.unlike


def test_a_word_of_the_controller_does_not_settle_what_was_read_back_otherwise() -> None:
    assert not meaning(Stage.IN_DOUBT, READ_BACK, Said(verdict=Verdict.EXECUTED)).turns
    assert not meaning(Stage.IN_DOUBT, READ_BACK, Said(verdict=Verdict.ACCEPTED)).turns
    assert not meaning(Stage.IN_DOUBT, READ_BACK, Said(verdict=Verdict.REFUSED)).turns
    assert [one.stage for one in meaning(Stage.IN_DOUBT, READ_BACK, Said(verdict=Verdict.EXECUTED, read=True)).turns] == [Stage.EXECUTED]


@pytest.mark.parametrize("stage", [Stage.PROPOSED, Stage.APPROVED, Stage.DECLINED, Stage.REFUSED, Stage.EXPIRED])
def test_a_controller_that_did_what_nobody_sent_it_is_a_contradiction(stage: Stage) -> None:
    what = meaning(stage, "", Said(verdict=Verdict.EXECUTED))
    assert (what.taken, what.turns, what.contradicts) == (Taken.REFUSED, (), True)


def test_silence_is_doubt_and_never_a_second_sending() -> None:
    assert not due(flight(Stage.SENT), CONTROLLER, NOW + 29_999_999)
    assert due(flight(Stage.SENT), CONTROLLER, NOW + 30_000_000)
    assert not due(flight(Stage.ACCEPTED), CONTROLLER, NOW + 99_999_999)
    assert due(flight(Stage.ACCEPTED), CONTROLLER, NOW + 100_000_000)
    # what an earlier process sent: this one asks first
    assert not due(flight(Stage.SENT), CONTROLLER, NOW + 89_999_999, begun_us=NOW + 60_000_000)
    assert due(flight(Stage.SENT), CONTROLLER, NOW + 90_000_000, begun_us=NOW + 60_000_000)
    late = NOW + 200_000_000
    sent, accepted = (without_answer(flight(stage), None, late, is_due=True) for stage in (Stage.SENT, Stage.ACCEPTED))
    assert sent is not None
    assert accepted is not None
    assert (sent.stage, sent.reason) == (Stage.IN_DOUBT, NO_ANSWER)
    assert (accepted.stage, accepted.reason) == (Stage.IN_DOUBT, NOT_DONE)
    assert without_answer(flight(Stage.SENT), None, late, is_due=False) is None
    assert without_answer(flight(Stage.IN_DOUBT, NO_ANSWER), None, late, is_due=True) is None


def test_what_was_surely_not_taken_expires_once_it_can_be_taken_no_more() -> None:
    said = NotTaken(counter=6)
    assert without_answer(flight(Stage.SENT), said, NOW + 50_000_000, is_due=True) is None
    assert without_answer(flight(Stage.SENT), said, MESSAGE.expires_us + ALLOWANCE_US - 1, is_due=True) is None
    for stage, doubt in ((Stage.SENT, ""), (Stage.IN_DOUBT, SEND), (Stage.IN_DOUBT, NO_ANSWER)):
        turn = without_answer(flight(stage, doubt), said, MESSAGE.expires_us + ALLOWANCE_US, is_due=True)
        assert turn is not None
        assert (turn.stage, turn.reason) == (Stage.EXPIRED, "not_taken")
    # a later message was taken: this one is void for its controller already
    assert without_answer(flight(Stage.SENT), NotTaken(counter=8), NOW, is_due=False) is not None
    # it took just this counter and does not know it: nobody can tell
    assert without_answer(flight(Stage.SENT), NotTaken(counter=7), NOW, is_due=False) is None
    # what it accepted and does not know any more is no case of not taken
    turn = without_answer(flight(Stage.ACCEPTED), said, MESSAGE.expires_us + ALLOWANCE_US, is_due=True)
    assert turn is not None
    assert turn.stage is Stage.IN_DOUBT
    assert without_answer(flight(Stage.IN_DOUBT, READ_BACK), said, MESSAGE.expires_us + ALLOWANCE_US, is_due=True) is None


def test_values_are_compared_with_their_units_within_what_is_allowed() -> None:
    single = ReadBack((Quantity("current", 8.899999618530273, "A"), Quantity("speed", 400.0, "mm/min")))
    assert not unlike(MESSAGE, single, ())
    off = ReadBack((Quantity("current", 8.95, "A"), Quantity("speed", 400.0, "mm/min")))
    assert unlike(MESSAGE, off, ()) == ["current is 8.95 A, not 8.9"]
    assert not unlike(MESSAGE, off, [ToleranceSettings(name="cur*", absolute=0.06)])
    assert not unlike(MESSAGE, off, [ToleranceSettings(name="current", share=0.01)])
    assert unlike(MESSAGE, off, [ToleranceSettings(name="speed", absolute=10.0)])
    milli = ReadBack((Quantity("current", 8.9, "mA"), Quantity("speed", 400.0, "mm/min")))
    assert unlike(MESSAGE, milli, ()) == ["current is 8.9 mA, asked for was 8.9 A"]
    assert unlike(MESSAGE, ReadBack((Quantity("current", float("nan"), "A"),)), ()) == [
        "current is nan A, not 8.9",
        "speed was not read back",
    ]


def test_a_changeover_is_in_force_only_as_a_whole() -> None:
    parts = (SetPart("torque_program", "T7", "2"), SetPart("robot_program", "R1", "5"))
    asked = flight(Stage.ACCEPTED, kind=Kind.CHANGEOVER, parameters=(), parts=parts).message
    assert is_read_back(asked)
    assert not unlike(asked, ReadBack(parts=parts), ())
    assert unlike(asked, ReadBack(parts=(parts[0], SetPart("robot_program", "R1", "4"))), ()) == ["robot program is R1 4, not R1 5"]
    assert unlike(asked, ReadBack(parts=parts[:1]), ()) == ["robot program was not read back"]
