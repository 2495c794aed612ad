"""Calls of people at stations, and screens on the wall, as they are kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plant.clock import SystemClock
from plant.errors import Rejected
from storage.andon_calls import Asker, Whom, add_call, answer_call, end_call, read_answers, read_calls, read_open_calls
from storage.audit import read_audit, verify_audit
from storage.database import Connection, connect
from storage.screens import add_screen, end_screen, open_screen, read_screen, read_screens

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND
LINE, STATION = "a/b/c/line", "a/b/c/line/station"
LI, WANG = Asker("li", "Li Wei", "10.0.0.7"), Asker("wang", "Wang Fang")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as open_one:
        open_one.execute("INSERT INTO equipment (path, name, level) VALUES (%s, 'Line', 'work_center')", [LINE])
        open_one.execute("INSERT INTO equipment (path, name, level) VALUES (%s, 'Station', 'work_unit')", [STATION])
        yield open_one


def test_a_call_stands_until_it_is_done_and_each_step_is_audited(connection: Connection) -> None:
    call, new = add_call(connection, STATION, Whom.MAINTENANCE, "oil on the floor", LI, NOW)
    assert new
    assert read_open_calls(connection) == (call,)
    answered = answer_call(connection, call.id, WANG, NOW + 90 * SECOND)
    assert (answered.answerer, answered.answered_us) == ("Wang Fang", NOW + 90 * SECOND)
    done = end_call(connection, call.id, "hose changed", WANG, NOW + 600 * SECOND)
    assert (done.ender, done.outcome) == ("Wang Fang", "hose changed")
    assert read_open_calls(connection) == ()
    assert [(e.actor, e.act, e.subject) for e in reversed(read_audit(connection))] == [
        ("li", "andon.call", f"call {call.id}"),
        ("wang", "andon.answer", f"call {call.id}"),
        ("wang", "andon.done", f"call {call.id}"),
    ]
    assert verify_audit(connection) is None


def test_who_is_called_already_is_not_called_twice(connection: Connection) -> None:
    first, _ = add_call(connection, STATION, Whom.MATERIAL, "wire", LI, NOW)
    again, new = add_call(connection, STATION, Whom.MATERIAL, "wire!", WANG, NOW + SECOND)
    assert (again, new) == (first, False)
    other, new = add_call(connection, STATION, Whom.QUALITY, "", LI, NOW)
    assert new
    assert {call.id for call in read_open_calls(connection)} == {first.id, other.id}
    end_call(connection, first.id, "", WANG, NOW + 2 * SECOND)
    assert add_call(connection, STATION, Whom.MATERIAL, "", LI, NOW + 3 * SECOND)[1]


def test_of_two_who_come_the_first_one_comes(connection: Connection) -> None:
    call, _ = add_call(connection, STATION, Whom.LEAD_HAND, "", LI, NOW)
    answer_call(connection, call.id, WANG, NOW)
    with pytest.raises(Rejected, match="Wang Fang comes already"):
        answer_call(connection, call.id, LI, NOW)
    end_call(connection, call.id, "", LI, NOW)
    with pytest.raises(Rejected, match="ended by Li Wei"):
        end_call(connection, call.id, "", WANG, NOW)
    for wrong in (lambda: add_call(connection, "no/such", Whom.QUALITY, "", LI, NOW), lambda: answer_call(connection, 999, LI, NOW)):
        with pytest.raises(Rejected, match="there is no"):
            wrong()


def test_times_to_answer_are_told_by_whom_for_a_place_and_below(connection: Connection) -> None:
    for n, (whom, after) in enumerate(((Whom.MAINTENANCE, 60), (Whom.MAINTENANCE, 120), (Whom.MAINTENANCE, 600), (Whom.QUALITY, None))):
        at = NOW + n * 1000 * SECOND
        call, _ = add_call(connection, STATION, whom, "", LI, at)
        if after is not None:
            answer_call(connection, call.id, WANG, at + after * SECOND)
            end_call(connection, call.id, "", WANG, at + 2 * after * SECOND)
    maintenance, quality = read_answers(connection, LINE, NOW, NOW + 10_000 * SECOND)
    assert (maintenance.calls, maintenance.answered, maintenance.waiting) == (3, 3, 0)
    assert (maintenance.answered_p50_seconds, maintenance.done_p50_seconds) == (120, 240)
    assert maintenance.answered_p90_seconds == pytest.approx(504)
    assert (quality.calls, quality.answered, quality.waiting, quality.answered_p50_seconds) == (1, 0, 1, None)
    assert read_answers(connection, "a/b/c/lin", NOW, NOW + 10_000 * SECOND) == []
    assert [call.whom for call in read_calls(connection, LINE, NOW, NOW + 1500 * SECOND, 10)] == [Whom.MAINTENANCE] * 2


def test_a_view_tells_calls_to_other_tools(connection: Connection) -> None:
    call, _ = add_call(connection, STATION, Whom.MAINTENANCE, "oil", LI, NOW)
    answer_call(connection, call.id, WANG, NOW + 90 * SECOND)
    with connection.transaction():
        connection.execute("SET LOCAL ROLE leadhand_reader")
        row = connection.execute("SELECT equipment, whom, caller, answered_after_seconds, done_time FROM v_andon_calls").fetchone()
    assert row == (STATION, "maintenance", "Li Wei", 90.0, None)


class _Clock(SystemClock):
    at_us = NOW

    def now_us(self) -> int:
        return self.at_us


def test_the_link_of_a_screen_is_good_once_and_in_time(connection: Connection) -> None:
    clock = _Clock()
    screen, link = add_screen(connection, "Hall 2", "/andon", "admin", 60, clock)
    opened, secret = open_screen(connection, link, "10.0.0.9", clock)
    assert (opened.id, opened.name, opened.client) == (screen.id, "Hall 2", "10.0.0.9")
    with pytest.raises(Rejected, match="used before or ran out"):
        open_screen(connection, link, "", clock)
    _, late = add_screen(connection, "Hall 3", "/andon", "admin", 60, clock)
    clock.at_us += 61 * SECOND
    with pytest.raises(Rejected, match="used before or ran out"):
        open_screen(connection, late, "", clock)
    clock.at_us += 3650 * 86_400 * SECOND
    found = read_screen(connection, secret)
    assert found is not None
    assert found.id == screen.id
    end_screen(connection, screen.id, clock)
    assert read_screen(connection, secret) is None
    assert [one.name for one in read_screens(connection)] == ["Hall 3", "Hall 2"]
    kept = connection.execute("SELECT link_hash, secret_hash FROM screen WHERE id = %s", [screen.id]).fetchone()
    assert kept == (None, None)
