"""The way to controllers that fetch over REST, with the delivery process at work; the dashboard's part is tested in tests/dashboard."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import count

import pytest

from delivery.rest import RestWay, make_ways
from plant.deliveries import Answer, Kind, Quantity, Verdict
from plant.errors import SettingsError
from plant.recommendations import Stage
from plant.settings_delivery import MqttController, RestController
from storage.delivery_answers import add_answer, read_answer
from storage.delivery_modes import read_standings
from storage.rest_controllers import RestBeat, note_fetched, offers, write_beats
from tests.databases import fresh_database
from tests.delivery.stage import CLOCK, CURRENT, House, draft, house
from tests.delivery.way_parts import KEY, setup
from tests.ingest.parts import until

UNITS = [f"cell-{number}" for number in range(10)]
_fresh = count()


@pytest.fixture(scope="module")
def plant(postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    told = RestController(id="cell", way="rest", work_units=tuple(UNITS), heartbeat_seconds=600)
    (way,) = make_ways(setup(tmp_path_factory.mktemp("way"), told))
    times = {"answer_seconds": 0.5, "done_seconds": 60.0, "heartbeat_seconds": 600.0}
    with (
        fresh_database(postgres_server, migrated_template) as url,
        house(url, tmp_path_factory.mktemp("delivery"), [way], UNITS, keys={"cell": KEY}, **times) as one,
    ):
        yield one
        one.assert_audited()


@pytest.fixture
def unit() -> str:
    return UNITS[next(_fresh)]


def alive(plant: House, unit: str, **said: object) -> None:
    beat = RestBeat(unit, CLOCK.now_us(), "token 1 cell", *said.values())  # type: ignore[arg-type]
    write_beats(plant.connection, [beat])


def say(plant: House, number: int, verdict: Verdict, *readback: Quantity) -> int:
    one = plant.delivery(number)
    answer = Answer(
        message_id=one.message_id,
        work_unit=one.draft.work_unit,
        verdict=verdict,
        time_us=CLOCK.now_us(),
        readback=readback,
        actor="token 1 cell",
        key=str(uuid.uuid4()),
    )
    return add_answer(plant.connection, answer)


def test_a_message_waits_for_a_controller_that_lives_and_goes_by_rows_to_its_end(plant: House, unit: str) -> None:
    (number,) = plant.propose(draft(unit))
    assert plant.delivery(number).stage is Stage.APPROVED
    alive(plant, unit)
    plant.until(number, Stage.SENT)
    (offered,) = offers(plant.connection, [unit], CLOCK.now_us())
    assert offered.number == number
    note_fetched(plant.connection, [number], "token 1 cell", CLOCK.now_us())
    say(plant, number, Verdict.ACCEPTED)
    plant.until(number, Stage.ACCEPTED, Stage.IN_DOUBT)
    answer = say(plant, number, Verdict.EXECUTED, Quantity(CURRENT, 210.0, "A"))
    plant.until(number, Stage.EXECUTED)
    assert offers(plant.connection, [unit], CLOCK.now_us()) == []
    until(lambda: (read_answer(plant.connection, answer) or pytest.fail("it is gone")).taken_us is not None, 5)


@pytest.mark.heavy
def test_a_message_that_was_never_fetched_did_not_arrive_and_expires(plant: House, unit: str) -> None:
    alive(plant, unit)
    (number,) = plant.propose(draft(unit, valid_seconds=2.0))
    ended = plant.until(number, Stage.EXPIRED, Stage.IN_DOUBT)
    assert (ended.stage, ended.stage_reason) == (Stage.EXPIRED, "not_taken")


def test_a_message_that_was_fetched_and_not_answered_is_in_doubt(plant: House, unit: str) -> None:
    alive(plant, unit)
    (number,) = plant.propose(draft(unit))
    note_fetched(plant.connection, [number], "token 1 cell", CLOCK.now_us())
    assert plant.until(number, Stage.IN_DOUBT).stage_reason == "no_answer"


def test_a_sign_of_life_says_how_a_controller_stands(plant: House, unit: str) -> None:
    alive(plant, unit, ai_off=True, counter=7, state="Held")
    until(lambda: unit in read_standings(plant.connection), 5)
    until(lambda: read_standings(plant.connection)[unit].ai_off, 5)
    standing = read_standings(plant.connection)[unit]
    assert (standing.counter, standing.state, standing.way) == (7, "Held", "cell")
    alive(plant, unit)
    until(lambda: (read_standings(plant.connection)[unit].heard_us or 0) > (standing.heard_us or 0), 5)
    assert read_standings(plant.connection)[unit].ai_off, "what it does not say stays as it was"


async def test_without_a_database_nothing_is_known_and_nothing_reached(plant: House, unit: str) -> None:
    way = RestWay(RestController(id="cell", way="rest", work_units=("*",)), CLOCK)
    (number,) = plant.propose(draft(unit, approved_by=""))
    assert not way.reaches(unit)
    assert plant.delivery(number).stage is Stage.PROPOSED
    await way.close()


def test_settings_of_another_way_are_refused(plant: House) -> None:
    wrong = MqttController(id="cell", way="mqtt", work_units=("*",), url="mqtt://localhost", allow_anonymous=True, takes=(Kind.HOLD,))
    with pytest.raises(SettingsError):
        make_ways(setup(plant.folder, wrong))
