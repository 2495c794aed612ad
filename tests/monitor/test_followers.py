"""A follower goes on where it was, whatever happens to it or to the database, and holds up no other."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from monitor.__main__ import follow
from monitor.followers import Follower, Following
from plant.clock import Clock, SystemClock
from plant.errors import Unavailable
from plant.site import Site
from storage.database import Connection, connect
from storage.progress import hold_follower, read_progress, write_progress
from tests.ingest.parts import until


@dataclass
class Counter:
    """Counts to a number, one a step, in a table of its own."""

    name: str = "counter"
    pause_seconds: float = 0.01
    last: int = 20
    troubles: list[Exception] = field(default_factory=list)
    reached: int | None = None

    def step(self, connection: Connection) -> bool:
        """Count one on."""
        if self.reached is None:
            known = read_progress(connection, self.name)
            self.reached = 0 if known is None else known.done_us
        with connection.transaction():
            self.reached += 1
            connection.execute("INSERT INTO counted VALUES (%s)", [self.reached])
            if self.troubles and self.reached % 5 == 0:
                raise self.troubles.pop()
            write_progress(connection, self.name, self.reached, b"")
        if self.reached == self.last:
            threading.Event().wait(0.01)
        return self.reached < self.last


@pytest.fixture
def counted(database_url: str) -> str:
    """A database with a place to count in; a number that comes twice is refused."""
    with connect(database_url, application="test") as connection:
        connection.execute("CREATE TABLE counted (n bigint PRIMARY KEY)")
    return database_url


def numbers(url: str) -> list[int]:
    """What was counted so far."""
    with connect(url, application="test") as connection:
        return [n for (n,) in connection.execute("SELECT n FROM counted ORDER BY n").fetchall()]


def test_a_follower_that_fails_is_built_anew_and_leaves_nothing_out_or_twice(counted: str) -> None:
    troubles: list[Exception] = [ValueError("a bug"), Unavailable("the database is away")]
    made: list[Counter] = []

    def make() -> Follower:
        made.append(Counter(troubles=troubles))
        return made[-1]

    following = Following("counter", make, counted)
    following.start()
    until(lambda: numbers(counted)[-1:] >= [20], 30)
    assert following.stop(10)
    assert numbers(counted) == list(range(1, len(numbers(counted)) + 1))
    assert len(made) == 3
    assert following.failures == 1


def test_a_follower_whose_connection_is_cut_goes_on(counted: str) -> None:
    following = Following("counter", lambda: Counter(last=10**9), counted)
    following.start()
    until(lambda: len(numbers(counted)) > 3, 30)
    with psycopg.connect(counted, autocommit=True) as connection:
        cut = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'leadhand monitor counter'"
        ).fetchone()
    assert cut == (1,)
    reached = len(numbers(counted))
    until(lambda: len(numbers(counted)) > reached + 3, 30)
    assert following.stop(10)
    assert following.failures == 0
    assert numbers(counted) == list(range(1, len(numbers(counted)) + 1))


def test_of_two_monitors_one_follows_and_the_other_takes_over(counted: str) -> None:
    with connect(counted, application="test") as first:
        assert hold_follower(first, "counter")
        following = Following("counter", Counter, counted)
        following.start()
        with connect(counted, application="test") as other:
            assert not hold_follower(other, "counter")
        assert numbers(counted) == []
    until(lambda: len(numbers(counted)) >= 20, 30)
    assert following.stop(10)


def test_changed_settings_are_taken_up_and_wrong_ones_leave_the_old_in_force(counted: str, tmp_path: Path) -> None:
    settings = tmp_path / "site.toml"
    (tmp_path / "alarms.csv").write_text("")
    seen: list[str] = []

    def make(site: Site, _clock: Clock) -> Follower:
        seen.append(site.name)
        return Counter(last=10**9)

    def write(name: str, *more: str) -> None:
        (tmp_path / "new").write_text("\n".join(["[site]", 'enterprise = "acme"', 'id = "north"', f'name = "{name}"', *more]))
        (tmp_path / "new").rename(settings)

    write("first")
    stop = threading.Event()
    process = threading.Thread(target=follow, args=(settings, counted, SystemClock(), stop, (("counter", make),)))
    process.start()
    try:
        until(lambda: len(numbers(counted)) > 0, 30)
        write("wrong", "nonsense = 1")
        write("second")
        until(lambda: "second" in seen, 30)
        reached = len(numbers(counted))
        until(lambda: len(numbers(counted)) > reached, 30)
    finally:
        stop.set()
        process.join(60)
    assert not process.is_alive()
    assert "wrong" not in seen
    assert numbers(counted) == list(range(1, len(numbers(counted)) + 1))
