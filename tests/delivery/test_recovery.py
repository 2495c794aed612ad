"""What a delivery process does that was stopped, that lost its database, or that stands beside another one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from delivery.desk import Desk
from delivery.heartbeats import Heartbeats
from delivery.keys import KeyFolder
from delivery.known_ways import make_ways
from delivery.sending import Outbox
from delivery.ways import Beat
from delivery.writer import Entry, Writer
from plant.deliveries import Kind, SignedMessage
from plant.delivery_modes import ControllerStanding, Dropped, Mode
from plant.delivery_rules import DeliveryPlan
from plant.errors import SettingsError, Unavailable
from plant.recommendations import Stage
from plant.settings_delivery import DeliverySettings
from plant.site import load_site
from simulators.controller_rules import Behaviour
from storage.audit import verify_audit
from storage.database import Connection, connect
from storage.deliveries import Step, propose, read_delivery, read_steps
from storage.delivery_modes import ask_closed_loop, confirm_closed_loop, newest_mode
from storage.process_windows import write_windows
from tests.databases import fresh_database
from tests.delivery.loopback import Loopback
from tests.delivery.stage import CLOCK, House, draft, house, windows_of
from tests.delivery.way_parts import KEY, controller
from tests.ingest.parts import until

UNITS = [f"weld-{number}" for number in range(12)]
PLAN = DeliveryPlan(
    DeliverySettings.model_validate({"controllers": [{"way": "rest", "id": "cell", "work_units": ["*"], "takes": list(Kind)}]}),
    Path(),
    wanted=True,
)


@pytest.fixture(scope="module")
def url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    with fresh_database(postgres_server, migrated_template) as made:
        yield made


@pytest.fixture
def plant(url: str, tmp_path: Path) -> Iterator[House]:
    way = Loopback("cell", {unit: controller(unit) for unit in UNITS})
    with house(url, tmp_path, [way], UNITS, keys={"cell": KEY}, answer_seconds=600.0, done_seconds=600.0, heartbeat_seconds=300.0) as one:
        yield one
        one.assert_audited()


def way_of(plant: House) -> Loopback:
    (way,) = plant.ways.values()
    assert isinstance(way, Loopback)
    return way


def cut(connection: Connection) -> None:
    """End all connections of delivery, as a server that goes away does."""
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'leadhand delivery'")


def test_a_process_that_was_stopped_asks_what_became_of_what_it_had_sent_and_sends_nothing_again(plant: House) -> None:
    way = way_of(plant)
    quick, slow = way.controllers["weld-0"], way.controllers["weld-1"]
    # they do what they are told, and nobody hears it
    quick.behaviour = slow.behaviour = Behaviour.SILENT
    done, lost = plant.propose(draft("weld-0"), draft("weld-1"))
    until(lambda: len(quick.executions) + len(slow.executions) == 2, 10)
    plant.stop()
    assert plant.delivery(done).stage is Stage.SENT
    quick.behaviour = slow.behaviour = Behaviour.OBEDIENT
    slow.forgot, slow._said = True, {}
    plant.start()
    plant.until(done, Stage.EXECUTED)
    assert plant.path(done) == [Stage.PROPOSED, Stage.APPROVED, Stage.SENT, Stage.ACCEPTED, Stage.EXECUTED]
    # the other one has forgotten: nobody can tell, so it waits for its deadline
    assert plant.delivery(lost).stage is Stage.SENT
    assert sorted(one.number for one in way.sent) == sorted([done, lost])
    plant.stop()
    plant.settings = DeliverySettings.model_validate(
        plant.settings.model_dump() | {"controllers": [plant.settings.controllers[0].model_dump() | {"answer_seconds": 0.2}]}
    )
    plant.start()
    assert plant.until(lost, Stage.IN_DOUBT).stage_reason == "no_answer"
    assert len(way.sent) == 2


def test_with_the_database_cut_again_and_again_each_message_is_sent_once_and_none_is_lost(plant: House) -> None:
    way, numbers = way_of(plant), []
    for turn in range(3):
        numbers += plant.propose(*(draft(unit, value=200.0 + turn) for unit in UNITS[2:]))
        cut(plant.connection)
        for number in numbers[-len(UNITS[2:]) :]:
            plant.until(number, Stage.EXECUTED, seconds=30)
    sent = [one.number for one in way.sent]
    assert sorted(sent) == sorted(numbers)
    assert all(len(way.controllers[unit].executions) == 3 for unit in UNITS[2:])
    assert verify_audit(plant.connection) is None


def test_a_closed_loop_that_nobody_kept_alive_is_advisory_when_the_process_comes_back(plant: House) -> None:
    plant.stop()
    ask_closed_loop(plant.connection, "weld-99", actor="anna", now_us=CLOCK.now_us() - 600_000_000, hours=1.0)
    confirm_closed_loop(plant.connection, "weld-99", actor="berta", now_us=CLOCK.now_us() - 500_000_000)
    plant.start()

    def advisory() -> bool:
        row = newest_mode(plant.connection, "weld-99")
        return row is not None and row.mode is Mode.ADVISORY and row.reason.startswith("restart")

    until(advisory, 10)


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with connect(url, application="test") as made:
        yield made


def test_a_commit_whose_answer_was_lost_is_looked_up_and_its_message_leaves_once(url: str, connection: Connection) -> None:
    write_windows(connection, windows_of(UNITS), actor="anna", now_us=CLOCK.now_us())
    outbox = Outbox(PLAN, lambda _: KEY, CLOCK)
    numbers = propose(connection, [draft("weld-10"), draft("weld-11"), draft("weld-9")], CLOCK.now_us())
    ours, theirs, nobodys = (number for number in numbers if number is not None)

    def sent(number: int) -> SignedMessage:
        with connect(url, application="test") as lost:
            (one,) = outbox.send(lost, [one for one in outbox.look(lost).approved if one.number == number], {}).messages
            return one

    mine, other = sent(ours), sent(theirs)
    # these commits took place, and their answers never came; of the second, another process had made its own message meanwhile
    outbox._unsure = {ours: mine, theirs: replace(other, text=other.text.replace("210.0", "211.0")), nobodys: replace(mine, number=nobodys)}
    (found,) = outbox.looked_up(connection).messages
    assert (found.number, outbox.unsure) == (ours, False)
    assert outbox.looked_up(connection).messages == ()
    assert [one.stage for number in (ours, theirs, nobodys) if (one := read_delivery(connection, number)) is not None] == [
        *(Stage.SENT, Stage.SENT, Stage.APPROVED),
    ]


async def test_a_second_process_stands_by(url: str) -> None:
    first, second = (Desk(url, (), lambda: None) for _ in range(2))
    try:
        assert await first.ask(lambda _: 1) == 1
        with pytest.raises(Unavailable, match="another delivery process"):
            await second.ask(lambda _: 2)
        await first.close()
        assert await second.ask(lambda _: 2) == 2
    finally:
        await second.close()


async def test_a_desk_that_was_cut_says_so_once_and_is_back(url: str, connection: Connection) -> None:
    woken = asyncio.Event()
    desk = Desk(url, ("some_channel",), woken.set)
    try:
        await desk.ask(lambda _: None)
        connection.execute("NOTIFY some_channel")
        await asyncio.wait_for(woken.wait(), 60)
        await desk.ask(lambda _: None)
        woken.clear()
        cut(connection)
        # the connection that ended wakes whoever waits for news
        await asyncio.wait_for(woken.wait(), 60)
        with pytest.raises(Unavailable):
            await desk.ask(lambda one: one.execute("SELECT 1"))
        await desk.ask(lambda one: one.execute("SELECT 1"))
        assert desk.connects == 2
    finally:
        await desk.close()


async def test_two_that_wait_for_each_other_are_told_apart_by_the_server_and_the_job_is_done_again(url: str) -> None:
    tries = []

    def job(_: Connection) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise psycopg.errors.DeadlockDetected("deadlock detected")
        return "done"

    desk = Desk(url, (), lambda: None)
    try:
        assert await desk.ask(job) == "done"
        assert (len(tries), desk.connects) == (2, 1)
    finally:
        await desk.close()


async def test_what_was_written_before_its_answer_got_lost_is_not_written_twice(url: str, connection: Connection) -> None:
    (number,) = propose(connection, [draft("weld-9", approved_by="")], CLOCK.now_us())
    assert number is not None

    class Forgetful(Desk):
        """Loses the answer of the first commit."""

        lost = False

        async def ask(self, job: Any) -> Any:
            found = await super().ask(job)
            if not self.lost:
                self.lost = True
                raise Unavailable("the answer got lost")
            return found

    desk = Forgetful(url, (), lambda: None)
    writer = Writer(desk, CLOCK)
    running = asyncio.create_task(writer.run())
    try:
        now = CLOCK.now_us()
        entries = [
            Entry(steps=(Step(number, Stage.APPROVED, now, "anna"),)),
            Entry(steps=(Step(number, Stage.DECLINED, now + 1, "anna", "late"),)),
        ]
        assert await asyncio.wait_for(asyncio.gather(*(writer.put(one) for one in entries)), 60) == [True, True]
        assert [one.after for one in read_steps(connection, number)] == [Stage.PROPOSED, Stage.APPROVED, Stage.DECLINED]
        assert not await writer.put(Entry(steps=(Step(number, Stage.SENT, now, "delivery"),)))
        assert writer.idle
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await desk.close()


def test_a_controller_is_lost_after_three_of_its_heartbeats_and_not_because_we_were_away() -> None:
    beats, second = Heartbeats(), 1_000_000
    beats.begin({"u": ControllerStanding("u", heard_us=0, way="cell")}, {"u": 5 * second}, 100 * second)
    assert not beats.silent("u", 110 * second)
    # but nothing leaves before it is heard again
    assert not beats.fresh("u", 100 * second)
    assert beats.silent("u", 116 * second)
    assert beats.lost(116 * second, {}).keys() == {"u"}
    beats.beat("u", "cell", 5 * second, Beat(120 * second, counter=7))
    assert (beats.silent("u", 134 * second), beats.fresh("u", 130 * second), beats.fresh("u", 133 * second)) == (False, True, False)
    ahead = beats.trouble("u", 121 * second, 6)
    assert ahead is not None
    assert ahead.why is Dropped.COUNTER
    assert beats.trouble("u", 121 * second, 7) is None
    assert beats.lost(121 * second, {"u": 7}) == {}
    assert beats.trouble("never", 121 * second, 0) is None
    mute = beats.trouble("never", 200 * second, 0, since_us=150 * second)
    assert mute is not None
    assert mute.why is Dropped.HEARTBEAT
    assert [one.counter for one in beats.standings()] == [7]
    assert beats.standings() == ()


def test_a_key_is_made_once_and_must_not_be_seen_by_others(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "keys")
    made = keys.key("cell")
    assert len(made) == 32
    assert keys.path("cell").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert KeyFolder(tmp_path / "keys").key("cell") == made
    assert sorted(one.name for one in (tmp_path / "keys").iterdir()) == ["cell.key"]
    keys.path("cell").chmod(0o640)
    with pytest.raises(SettingsError, match="others than its owner"):
        KeyFolder(tmp_path / "keys").key("cell")
    keys.path("short").write_text("abcd\n")
    keys.path("short").chmod(0o600)
    with pytest.raises(SettingsError, match="64 hexadecimal digits"):
        KeyFolder(tmp_path / "keys").key("short")


def test_each_controller_of_the_settings_has_its_way(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(
        """
        [site]
        enterprise = "acme"
        id = "north"
        [delivery]
        [[delivery.controllers]]
        way = "rest"
        id = "mes"
        work_units = ["*"]
        takes = ["route"]
        [[delivery.controllers]]
        way = "mqtt"
        id = "cell"
        work_units = ["weld-*"]
        url = "mqtt://127.0.0.1:1883"
        allow_anonymous = true
        """
    )
    ways = make_ways(load_site(tmp_path / "site.toml"), tmp_path / "delivery", CLOCK)
    assert {name: way.controller for name, way in ways.items()} == {"mes": "mes", "cell": "cell"}
    with pytest.raises(SettingsError, match="no way 'mqtt'"):
        make_ways(load_site(tmp_path / "site.toml"), tmp_path / "delivery", CLOCK, {"rest": "delivery.rest"})


def test_a_commit_that_failed_leaves_it_unsure_and_what_was_not_committed_never_leaves(connection: Connection) -> None:
    write_windows(connection, windows_of(UNITS), actor="anna", now_us=CLOCK.now_us())
    outbox = Outbox(PLAN, lambda _: KEY, CLOCK)
    (number,) = propose(connection, [draft("weld-8")], CLOCK.now_us())
    connection.execute("CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no commit''; END'")
    connection.execute(
        "CREATE CONSTRAINT TRIGGER fails AFTER UPDATE ON delivery DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fails()"
    )
    try:
        with pytest.raises(psycopg.Error, match="no commit"):
            outbox.send(connection, [one for one in outbox.look(connection).approved if one.number == number], {})
    finally:
        connection.execute("DROP FUNCTION fails CASCADE")
    assert outbox.unsure
    assert outbox.looked_up(connection).messages == ()
    assert not outbox.unsure
