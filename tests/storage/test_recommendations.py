"""Recommendations, requests of new products and keyed writes, on each database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product

import psycopg
import pytest

from plant.errors import Rejected
from plant.recommendations import Answer, Estimate, Gain, Recommendation, RouteEstimate, Stage, may_become
from storage.database import Connection, listen
from storage.new_products import ANSWERED, ASKED, answer_request, ask_new_product, fail_request, read_request, waiting_requests
from storage.recommendations import (
    RECOMMENDED,
    CoverageRow,
    RealisedGain,
    RouteModel,
    add_recommendation,
    change_stage,
    expire_recommendations,
    newest_recommendation,
    read_coverage,
    read_models,
    read_recommendation,
    read_recommendations,
    read_stage_changes,
    write_coverage,
    write_model,
    write_realised_gain,
)
from storage.write_keys import write_once
from tests.storage.conftest import Database

NOW = 1_800_000_000_000_000
DAY_US = 86_400_000_000
COST = Estimate(100.0, 90.0, 112.0)
PROPOSED = Recommendation(
    product="EX-22",
    answer=Answer.RECOMMENDED,
    route=("cut-laser-1", "weld-robot-2"),
    predicted=RouteEstimate(COST, Estimate(60.0, 55.0, 68.0), Estimate(0.95, 0.9, 0.98)),
    gain=Gain(8.0, 3.0, 12.0, "current"),
    valid_until=datetime.fromtimestamp(NOW / 1e6, UTC) + timedelta(days=30),
)
KEEP = replace(PROPOSED, answer=Answer.KEEP_CURRENT, reason="No other route is better beyond doubt.", gain=None)


@pytest.fixture
def plain(database_url: str) -> Database:
    """One kind of database is enough for what is the same SQL on each."""
    return Database("embedded", database_url)


def added(connection: Connection, one: Recommendation = PROPOSED, *, later_us: int = 0, asked_by: str = "") -> int:
    return add_recommendation(connection, one, model_version="m1", made_us=NOW + later_us, family="20 t", asked_by=asked_by)


def told(connection: Connection, most: int) -> list[tuple[str, str]]:
    return [(one.channel, one.payload) for one in connection.notifies(timeout=20, stop_after=most)]


def test_a_recommendation_comes_back_whole_and_both_page_and_process_are_told(database: Database) -> None:
    with database.connect() as connection, database.connect() as hearer:
        if not database.is_timescale:  # the engine in WebAssembly tells other connections nothing
            listen(hearer, RECOMMENDED)
        number = added(connection)
        if not database.is_timescale:
            assert told(hearer, 1) == [(RECOMMENDED, str(number))]
        one = read_recommendation(connection, number)
        assert one is not None
        assert (one.recommendation, one.stage, one.family, one.model_version) == (PROPOSED, Stage.PROPOSED, "20 t", "m1")
        assert newest_recommendation(connection, "EX-22") == one
        assert read_recommendation(connection, number + 1) is None
        row = connection.execute("SELECT product, gain_low, cost_mean, route, stage FROM v_recommendations").fetchone()
        assert row == ("EX-22", 3.0, 100.0, ["cut-laser-1", "weld-robot-2"], "proposed")


def test_the_database_lets_a_stage_become_what_the_stage_machine_says_and_nothing_else(plain: Database) -> None:
    """Each pair of stages is tried by the database's own guard."""
    wrong = []
    with plain.connect() as connection:
        added(connection)
        for now, then in product(Stage, Stage):
            with connection.transaction(force_rollback=True):
                connection.execute("ALTER TABLE recommendation DISABLE TRIGGER recommendation_guard")
                connection.execute("UPDATE recommendation SET stage = %s", [now.value])
                connection.execute("ALTER TABLE recommendation ENABLE TRIGGER recommendation_guard")
                try:
                    with connection.transaction():
                        connection.execute(
                            "UPDATE recommendation SET stage = %s, stage_actor = 'anna', stage_reason = 'other'", [then.value]
                        )
                    allowed = True
                except psycopg.errors.CheckViolation:
                    allowed = False
                if allowed != (now is then or may_become(now, then)):
                    wrong.append((now, then))
    assert wrong == []


def test_each_stage_is_written_down_with_who_when_and_why(database: Database) -> None:
    with database.connect() as connection:
        number = added(connection)
        change_stage(connection, number, Stage.APPROVED, time_us=NOW + 5, actor="anna", note="seen on the floor")
        change_stage(connection, number, Stage.SENT, time_us=NOW + 6)
        changes = read_stage_changes(connection, number)
        assert [(c.before, c.after, c.actor) for c in changes] == [
            (None, Stage.PROPOSED, ""),
            (Stage.PROPOSED, Stage.APPROVED, "anna"),
            (Stage.APPROVED, Stage.SENT, ""),
        ]
        assert (changes[1].time_us, changes[1].note) == (NOW + 5, "seen on the floor")
        with pytest.raises(psycopg.errors.RaiseException):
            connection.execute("DELETE FROM recommendation_change")
        with pytest.raises(psycopg.errors.RaiseException):
            connection.execute("UPDATE recommendation SET route = '{}'")


def test_what_is_declined_has_a_reason_and_what_is_approved_was_not_asked_for_by_the_same_person(plain: Database) -> None:
    with plain.connect() as connection:
        number = added(connection, asked_by="anna")
        for stage, words in (
            (Stage.DECLINED, {"actor": "anna"}),
            (Stage.DECLINED, {"reason": "quality"}),
            (Stage.APPROVED, {"actor": "anna"}),
            (Stage.APPROVED, {}),
            (Stage.MEASURED, {"actor": "bert"}),
        ):
            with pytest.raises(Rejected):
                change_stage(connection, number, stage, time_us=NOW, **words)
        with pytest.raises(Rejected, match="not valid any more"):
            change_stage(connection, number, Stage.APPROVED, time_us=NOW + 40 * DAY_US, actor="bert")
        change_stage(connection, number, Stage.APPROVED, time_us=NOW, actor="bert")
        with pytest.raises(Rejected):
            change_stage(connection, number, Stage.APPROVED, time_us=NOW, actor="carl")


def test_a_newer_answer_takes_the_place_of_an_open_proposal(plain: Database) -> None:
    with plain.connect() as connection:
        first = added(connection)
        second = added(connection, later_us=10)
        third = added(connection, KEEP, later_us=20)
        found = {one.id: (one.stage, one.superseded_by, one.stage_reason) for one in read_recommendations(connection)}
        assert found == {
            first: (Stage.EXPIRED, second, "superseded"),
            second: (Stage.EXPIRED, third, "superseded"),
            third: (None, None, ""),
        }
        assert [one.id for one in read_recommendations(connection, newest=True)] == [third]
        with pytest.raises(Rejected):
            change_stage(connection, third, Stage.APPROVED, time_us=NOW, actor="anna")


def test_proposals_expire_when_their_time_is_over(plain: Database) -> None:
    with plain.connect() as connection:
        number = added(connection)
        assert expire_recommendations(connection, NOW + DAY_US) == []
        assert expire_recommendations(connection, NOW + 31 * DAY_US) == [number]
        assert read_recommendations(connection, stages=[Stage.EXPIRED])[0].stage_reason == "time"


def test_what_a_recommendation_brought_stands_beside_what_was_predicted(plain: Database) -> None:
    with plain.connect() as connection:
        number = added(connection)
        for later, gain in ((1, 4.0), (2, 6.0)):
            write_realised_gain(connection, number, RealisedGain(NOW + later, 12 * later, 70, NOW - 10, NOW, gain, gain - 3, gain + 3))
        (one,) = read_recommendations(connection, realised=True)
        assert one.realised == RealisedGain(NOW + 2, 24, 70, NOW - 10, NOW, 6.0, 3.0, 9.0)
        assert connection.execute("SELECT predicted_mean, realised_mean FROM v_recommendation_gains ORDER BY time").fetchall() == [
            (8.0, 4.0),
            (8.0, 6.0),
        ]


def test_models_and_how_well_their_intervals_cover_are_kept(plain: Database) -> None:
    with plain.connect() as connection:
        write_model(connection, RouteModel("m1", NOW, 190_000, 100, NOW - DAY_US, NOW, {"coverage": 0.91}))
        write_model(connection, RouteModel("m1", NOW + 1, 190_000, 100, None, None, {"coverage": 0.92}))
        (model,) = read_models(connection)
        assert (model.made_us, model.figures) == (NOW, {"coverage": 0.92})
        rows = [CoverageRow(NOW + n, "m1", "weld", "20 t", "duration_min", 100, 90 + n, 4.5) for n in (0, 1)]
        write_coverage(connection, rows)
        assert read_coverage(connection) == rows[1:]
        with pytest.raises(Rejected):
            write_coverage(connection, [replace(rows[0], inside=101)])


def test_a_request_of_a_new_product_is_answered_once(plain: Database) -> None:
    with plain.connect() as connection, plain.connect() as hearer:
        listen(hearer, ASKED)
        listen(hearer, ANSWERED)
        features: dict[str, float | str] = {"tonnage": 21.5, "grade": "S690"}
        ask = partial(ask_new_product, connection, product="NEW-1", features=features, time_us=NOW, asked_by="anna")
        number = ask()
        (waiting,) = waiting_requests(connection)
        assert (waiting.id, waiting.features, waiting.state) == (number, {"tonnage": 21.5, "grade": "S690"}, "waiting")
        answer_request(connection, number, PROPOSED, model_version="m1", time_us=NOW + 1)
        assert told(hearer, 2) == [(ASKED, str(number)), (ANSWERED, str(number))]
        one = read_request(connection, number)
        assert one is not None
        assert (one.state, one.answer, one.model_version) == ("answered", PROPOSED, "m1")
        with pytest.raises(Rejected):
            fail_request(connection, number, "too late", time_us=NOW)
        second = ask()
        fail_request(connection, second, "There is no network yet.", time_us=NOW)
        assert waiting_requests(connection) == []


def test_a_write_with_a_key_is_done_once(plain: Database) -> None:
    done: list[int] = []

    def write(_connection: Connection) -> dict[str, int]:
        done.append(1)
        return {"id": len(done)}

    with plain.connect() as connection:

        def ask(key: str, body: object = 1, *, actor: str = "plm", time_us: int = NOW) -> object:
            return write_once(connection, actor=actor, key=key, act="design_change.add", body=body, time_us=time_us, write=write)

        assert ask("k1") == ask("k1") == {"id": 1}
        with pytest.raises(Rejected, match="another write"):
            ask("k1", 2)
        assert ask("k1", actor="mes") == {"id": 2}
        assert (ask(""), ask("")) == ({"id": 3}, {"id": 4})
        assert ask("k1", time_us=NOW + 8 * DAY_US) == {"id": 5}, "a key holds for a week"
        with pytest.raises(Rejected):
            ask("k" * 300)
