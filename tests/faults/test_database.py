"""Rows 7, 54-60, 62: the database is away, slow, locked, full, refuses us or its answer is lost; nothing is lost or stored twice."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from storage.database import Connection, connect
from tests.databases import database_of
from tests.faults.device import Devices, devices
from tests.faults.proxy import Cut, Link, Proxies
from tests.faults.rig import NO_MOUNTS, OWN_MOUNTS, Rig, mounts_work, mqtt_source, opcua_source
from tests.faults.stage import Press, database_link
from tests.ingest.parts import PATIENCE, REPOSITORY, Mosquitto, until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def plant() -> Iterator[Devices]:
    with devices(1) as running:
        yield running


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    one = Mosquitto(tmp_path_factory.mktemp("broker"), "max_queued_messages 100000")
    one.start()
    yield one
    one.stop()


class Stage:
    """A press and a machine read into a database over a link of its own."""

    def __init__(self, folder: Path, url: str, broker: Mosquitto, plant: Devices, name: str, link: Link, link_url: str) -> None:
        self.press = Press(broker.port, name)
        self.name = name
        self.link = link
        sources = {name: mqtt_source(name, broker.port), "machine": opcua_source("machine", plant.ports[0])}
        self.rig = Rig(folder, url, sources)
        self.rig.start(url=link_url)
        self.rig.until_state("connected", name, "machine")
        self.press.start()
        self.rig.until_stored_again(name, "machine")

    def sends(self, more: int) -> None:
        """Return once so many more messages were sent."""
        goal = self.press.sent + more
        until(lambda: self.press.sent >= goal, 30)

    def end(self) -> None:
        """Stop everything; nothing may be lost or stored twice."""
        rig = self.rig
        self.press.finish()
        until(lambda: rig.totals(self.name).stored >= 3 * self.press.sent, 60, 0.2)
        rig.until_stored_again("machine")
        rig.stop()
        rig.assert_exact(self.name, "machine")
        rig.assert_every_tick("machine")
        assert rig.totals(self.name).gap == 0
        assert [int(value or 0) for _, value, *_ in rig.values(self.name, "counter")] == list(range(self.press.sent))


@pytest.fixture
def stage(
    tmp_path: Path, database_url: str, broker: Mosquitto, plant: Devices, proxies: Proxies, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    name = f"press-{abs(hash(request.node.name)) % 10_000}"
    with database_link(proxies, database_url) as (link, url):
        one = Stage(tmp_path, database_url, broker, plant, name, link, url)
        try:
            yield one
        finally:
            one.press.halt()
            one.press.connection.stop()
            one.rig.close()


@pytest.mark.heavy
def test_an_answer_to_commit_that_is_lost_stores_nothing_twice(stage: Stage) -> None:
    committing = [False]
    cuts = [0]

    def hear(content: bytes) -> bytes:
        # 'COMMIT' goes through; its answer does not come back
        if b"COMMIT" in content:
            committing[0] = True
        return content

    def answer(content: bytes) -> bytes:
        if committing[0] and cuts[0] < 5 and b"COMMIT" in content:
            committing[0] = False
            cuts[0] += 1
            raise Cut
        committing[0] = False
        return content

    stage.link.to_server, stage.link.to_client = hear, answer
    until(lambda: cuts[0] >= 5, 60)
    stage.link.to_server = stage.link.to_client = None
    stage.end()


@pytest.mark.heavy
def test_while_the_database_is_away_memory_stays_flat_and_what_waited_goes_in_order_afterwards(stage: Stage) -> None:
    rig = stage.rig
    stage.link.close()
    stage.sends(150)
    before = sum(one.memory_info().rss for one in rig.family())
    size = sum(path.stat().st_size for path in rig.spool.glob("*.seg"))
    stage.sends(500)
    after = sum(one.memory_info().rss for one in rig.family())
    assert after - before < 20_000_000
    assert sum(path.stat().st_size for path in rig.spool.glob("*.seg")) > size
    waited = stage.press.sent
    stage.link.open()

    def drained() -> bool:
        counters = [int(value or 0) for _, value, *_ in rig.values(stage.name, "counter")]
        assert counters == list(range(len(counters))), "something later was stored before something earlier"
        return len(counters) >= waited

    until(drained, 30, 0.1)
    stage.end()


@pytest.mark.heavy
def test_a_locked_table_holds_up_shipping_only_and_nothing_piles_up(stage: Stage) -> None:
    rig = stage.rig
    with connect(rig.url, application="lock") as other, other.transaction():
        other.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        stage.sends(250)
        waiting = other.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
        assert waiting is not None
        assert waiting[0] <= 4, "connections pile up before the lock"
        assert len(stage.link.connections) < 12
    stage.end()


@pytest.mark.heavy
def test_a_database_that_lets_nobody_in_is_tried_again_and_told(stage: Stage) -> None:
    rig = stage.rig
    server = database_of(rig.url, "postgres")
    name = urlsplit(rig.url).path[1:]

    def shut(allow: str) -> None:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}")
            if allow == "false":
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    shut("false")
    try:
        until(lambda: "the database is away" in rig.log, 20)
        attempts, began = len(stage.link.connections), time.monotonic()
        stage.sends(200)
        assert len(stage.link.connections) - attempts < 20 + 5 * (time.monotonic() - began)
    finally:
        shut("true")
    until(lambda: "the database takes samples" in rig.log, 20)
    stage.end()


@pytest.mark.heavy
def test_a_password_that_was_changed_is_told_and_the_old_one_back_goes_on(
    tmp_path: Path, database_url: str, broker: Mosquitto, plant: Devices, proxies: Proxies
) -> None:
    role = "rotating"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"DROP ROLE IF EXISTS {role}")
        admin.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'one'")
    with database_link(proxies, database_url) as (link, url):
        mine = urlsplit(url)._replace(netloc=f"{role}:one@").geturl()
        stage = Stage(tmp_path, database_url, broker, plant, "press-password", link, mine)
        try:
            with psycopg.connect(database_url, autocommit=True) as admin:
                admin.execute(f"ALTER ROLE {role} PASSWORD 'two'")
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role])
                until(lambda: "the database is away" in stage.rig.log and "password" in stage.rig.log, 20)
                stage.sends(100)
                admin.execute(f"ALTER ROLE {role} PASSWORD 'one'")
            stage.end()
        finally:
            stage.press.halt()
            stage.press.connection.stop()
            stage.rig.close()
            with psycopg.connect(database_url, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role])
                admin.execute(f"DROP OWNED BY {role}")
                admin.execute(f"DROP ROLE {role}")


def _terminated(database: Connection) -> int:
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ 'shipper'"
    return len(database.execute(statement).fetchall())


@pytest.mark.heavy
def test_a_killed_backend_and_a_broken_link_in_mid_copy_store_all_once(stage: Stage) -> None:
    rig = stage.rig
    cuts = [0]

    def break_in_copy(content: bytes) -> bytes:
        if b"PGCOPY\n" in content and cuts[0] < 4:
            cuts[0] += 1
            raise Cut
        return content

    stage.link.to_server = break_in_copy
    until(lambda: cuts[0] >= 4, 60)
    stage.link.to_server = None
    with connect(rig.url, application="test") as database:
        for _ in range(3):
            until(lambda: _terminated(database) > 0, 20)
            rig.until_stored(stage.name, 30)
    stage.end()


@pytest.mark.heavy
@pytest.mark.skipif(not mounts_work(), reason=NO_MOUNTS)
def test_a_database_whose_disk_is_full_takes_all_once_there_is_room(tmp_path: Path, broker: Mosquitto, plant: Devices) -> None:
    folder = tmp_path / "pg"
    folder.mkdir()
    with (tmp_path / "server.log").open("ab") as log:
        mount = 'mount -t tmpfs -o size=160m,mode=755 none "$1" && shift && exec "$@"'
        command = [*OWN_MOUNTS, "sh", "-c", mount, "sh", str(folder), sys.executable, "-m", "tests.faults.small_postgres", str(folder)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=REPOSITORY)
    assert server.stdin is not None
    assert server.stdout is not None
    rig: Rig | None = None
    press = Press(broker.port, "full")
    try:
        line = server.stdout.readline()
        assert line, (tmp_path / "server.log").read_text()[-2000:]
        inside = f"/proc/{server.pid}/root"
        url = json.loads(line)["url"].replace("host=%2F", f"host={inside.replace('/', '%2F')}%2F")
        rig = Rig(tmp_path / "rig", url, {"full": mqtt_source("full", broker.port), "machine": opcua_source("machine", plant.ports[0])})
        rig.start()
        rig.until_state("connected", "full", "machine")
        press.start()
        rig.until_stored_again("full", "machine")
        filler = Path(f"{inside}{folder}/filler")
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass
        until(lambda: re.search(r"No space left|the database is away|is full", rig.log if rig else "") is not None, 60)
        goal = press.sent + 100
        until(lambda: press.sent > goal, 20)
        filler.unlink()
        press.finish()
        until(lambda: rig is not None and rig.totals("full").stored >= 3 * press.sent, 90, 0.3)
        rig.until_stored_again("machine")
        rig.stop()
        rig.assert_exact("full", "machine")
        rig.assert_every_tick("machine")
        assert rig.totals("full").gap == 0
    finally:
        press.halt()
        press.connection.stop()
        if rig is not None:
            rig.close()
        server.stdin.close()
        server.wait(40 * PATIENCE)
        server.stdout.close()
