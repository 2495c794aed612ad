"""The delivery process as it really runs, before controllers behind a broker that keep their counter; it is killed while messages pass."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

from plant.clock import SystemClock
from plant.delivery_topics import DeliveryTopics
from plant.recommendations import Stage
from protocols.mqtt_client import MqttEndpoint
from simulators.controller import Controller
from simulators.mqtt_controller import MqttControllers
from storage.audit import verify_audit
from storage.database import Connection, connect
from storage.deliveries import Step, open_deliveries, propose, step
from storage.process_windows import write_windows
from tests.delivery.stage import draft, windows_of
from tests.delivery.way_parts import KEY, controller
from tests.ingest.parts import until

CLOCK: Final = SystemClock()
TOPICS: Final = DeliveryTopics("acme/north", "cell")
VALID_SECONDS: Final = 3.0
DONE: Final = (Stage.EXECUTED, Stage.MEASURED)
_SITE: Final = """
[site]
enterprise = "acme"
id = "north"

[delivery]
[[delivery.controllers]]
way = "mqtt"
id = "cell"
work_units = ["*"]
url = "mqtt://127.0.0.1:{port}"
allow_anonymous = true
takes = ["parameters"]
answer_seconds = {answer_seconds}
done_seconds = {answer_seconds}
heartbeat_seconds = 5.0
valid_seconds = {valid_seconds}
"""


@dataclass
class Cells:
    """Simulated controllers on a loop of their own, in this process: nothing kills them."""

    port: int
    controllers: list[Controller]
    loop: asyncio.AbstractEventLoop | None = None
    front: MqttControllers | None = None
    _thread: threading.Thread | None = None
    _over: asyncio.Event | None = None

    def start(self) -> None:
        begun = threading.Event()

        async def work() -> None:
            endpoint = MqttEndpoint("127.0.0.1", self.port, f"cells-{uuid4().hex}", session_seconds=600)
            self.front = MqttControllers(self.controllers, endpoint, TOPICS, CLOCK, tick_seconds=0.002)
            self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
            await self.front.open()
            begun.set()
            await self._over.wait()
            await self.front.close()

        self._thread = threading.Thread(target=lambda: asyncio.run(work()))
        self._thread.start()
        assert begun.wait(60)
        until(lambda: self.front is not None and self.front.connected, 30)

    def stop(self) -> None:
        if self._thread is not None and self.loop is not None and self._over is not None:
            self.loop.call_soon_threadsafe(self._over.set)
            self._thread.join(60)


@dataclass
class Ended:
    """How all messages ended, and what controllers really did."""

    proposed: int
    stages: dict[str, int]
    executed: int
    """Times that any controller carried anything out."""
    twice: int
    """Messages that were carried out more than once."""
    unasked: int
    """Carried out although they are said not to have been taken."""
    claimed: int
    """Said to be executed, and no controller did it."""
    open: int
    """Neither ended nor in doubt."""
    unaudited: int
    broken: int | None
    """Where the audit chain is broken."""
    found: bool
    """Whether a row of the trail that was changed behind its trigger's back is found."""

    @property
    def well(self) -> bool:
        """Whether every promise was kept."""
        wrong = (self.twice, self.unasked, self.claimed, self.open, self.unaudited)
        return not any(wrong) and self.broken is None and self.found and self.proposed > 0


@dataclass
class Rig:
    """All that runs."""

    url: str
    folder: Path
    cells: Cells
    connection: Connection
    chance: Random
    child: subprocess.Popen[bytes] | None = None
    numbers: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Begin a delivery process, and return when it is ready."""
        environment = os.environ | {"LEADHAND_DATABASE_URL": self.url, "OMP_NUM_THREADS": "1"}
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "delivery", "--site", str(self.folder / "site.toml"), "--home", str(self.folder)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.child.stdout is not None
        assert json.loads(self.child.stdout.readline())["ready"]

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.child is not None
        self.child.kill()
        self.child.wait(60)
        if self.child.stdout is not None:
            self.child.stdout.close()

    def stop(self) -> None:
        """End it as a person does."""
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            self.child.wait(60)
        if self.child is not None and self.child.stdout is not None:
            self.child.stdout.close()

    def propose(self, count: int) -> None:
        """Approve some recommendations, each of a work unit that has none open."""
        rows = self.connection.execute(
            "SELECT work_unit FROM delivery WHERE stage IN ('proposed', 'approved', 'sent', 'accepted', 'in_doubt')"
        )
        busy = {unit for (unit,) in rows}
        free = [one.rules.work_unit for one in self.cells.controllers if one.rules.work_unit not in busy]
        units = self.chance.sample(free, min(count, len(free)))
        drafts = [draft(unit, value=200.0 + self.chance.randrange(20), valid_seconds=VALID_SECONDS) for unit in units]
        self.numbers += [number for number in propose(self.connection, drafts, CLOCK.now_us()) if number is not None]

    def sent(self) -> int:
        """How many messages were ever sent."""
        row = self.connection.execute("SELECT count(*) FROM delivery WHERE counter IS NOT NULL").fetchone()
        return 0 if row is None else int(row[0])

    def cycle(self) -> None:
        """Kill the process while messages pass: some are sent, some accepted, some done."""
        self.settle_doubts()
        self.start()
        for _ in range(self.chance.randrange(1, 6)):
            before = self.sent()
            self.propose(4)
            until(lambda before=before: self.sent() > before, 60, 0.001)  # type: ignore[misc]
        time.sleep(self.chance.uniform(0, 0.03))
        self.kill()

    def settle(self, seconds: float = 60.0) -> None:
        """Let a process bring everything to its end, or to doubt."""
        self.start()
        under_way = (Stage.APPROVED, Stage.SENT, Stage.ACCEPTED)
        until(lambda: not open_deliveries(self.connection, under_way), seconds, 0.1)
        self.stop()

    def ended(self) -> Ended:
        """Compare what is said with what was done."""
        done: dict[str, int] = {}
        for one in self.cells.controllers:
            for execution in one.executions:
                done[execution.message_id] = done.get(execution.message_id, 0) + 1
        rows = self.connection.execute("SELECT message_id::text, stage FROM delivery").fetchall()
        stages: dict[str, int] = {}
        for _, stage in rows:
            stages[stage] = stages.get(stage, 0) + 1
        never = (Stage.EXPIRED, Stage.REFUSED, Stage.DECLINED)
        audited = self.connection.execute(
            "SELECT (SELECT count(*) FROM delivery_step), (SELECT count(*) FROM audit WHERE act = ANY (%s))",
            [[f"delivery.{one.value}" for one in Stage]],
        ).fetchone()
        assert audited is not None
        return Ended(
            proposed=len(self.numbers),
            stages=stages,
            executed=sum(done.values()),
            twice=sum(count > 1 for count in done.values()),
            unasked=sum(stage in never and message in done for message, stage in rows),
            claimed=sum(stage in DONE and message not in done for message, stage in rows),
            open=len(open_deliveries(self.connection, (Stage.PROPOSED, Stage.APPROVED, Stage.SENT, Stage.ACCEPTED))),
            unaudited=audited[0] - audited[1],
            broken=verify_audit(self.connection),
            found=self._change_is_found(),
        )

    def _change_is_found(self) -> bool:
        """Change a row of the trail as who owns the database could, and put it back."""
        row = self.connection.execute("SELECT id, actor FROM audit WHERE act = 'delivery.executed' ORDER BY id LIMIT 1").fetchone()
        if row is None:
            return False
        self.connection.execute("ALTER TABLE audit DISABLE TRIGGER audit_is_final")
        self.connection.execute("UPDATE audit SET actor = 'nobody' WHERE id = %s", [row[0]])
        found = verify_audit(self.connection) == row[0]
        self.connection.execute("UPDATE audit SET actor = %s WHERE id = %s", [row[1], row[0]])
        self.connection.execute("ALTER TABLE audit ENABLE TRIGGER audit_is_final")
        return found and verify_audit(self.connection) is None

    def settle_doubts(self) -> None:
        """Say what is so of all that is in doubt, as a person who looked."""
        now = CLOCK.now_us()
        doubtful = open_deliveries(self.connection, (Stage.IN_DOUBT,))
        step(self.connection, [Step(one.number, Stage.ROLLED_BACK, now, "anna", "looked at the machine") for one in doubtful])


@contextmanager
def rig(url: str, folder: Path, port: int, units: Sequence[str], seed: int, *, answer_seconds: float = 5.0) -> Iterator[Rig]:
    """A rig on a database and a broker; the process is not started yet."""
    (folder / "site.toml").write_text(_SITE.format(port=port, answer_seconds=answer_seconds, valid_seconds=VALID_SECONDS))
    keys = folder / "delivery" / "keys"
    keys.mkdir(mode=0o700, parents=True)
    (keys / "cell.key").write_text(KEY.hex())
    (keys / "cell.key").chmod(0o600)
    cells = Cells(port, [controller(unit) for unit in units])
    cells.start()
    with connect(url, application="test") as connection:
        write_windows(connection, windows_of(units), actor="anna", now_us=CLOCK.now_us())
        one = Rig(url, folder, cells, connection, Random(seed))  # noqa: S311 - which moment is hit
        try:
            yield one
        finally:
            one.stop()
            cells.stop()
