"""The delivery process at work in a thread, before a real database and simulated controllers; what it did is read from the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from delivery.keys import KeyFolder
from delivery.ways import Way
from delivery.worker import Worker
from plant.clock import SystemClock
from plant.deliveries import Draft, Kind, Quantity
from plant.delivery_rules import DeliveryPlan
from plant.recommendations import Stage
from plant.settings_delivery import DeliverySettings
from storage.audit import verify_audit
from storage.database import Connection, connect
from storage.deliveries import Delivery, propose, read_delivery, read_steps
from storage.process_windows import write_windows
from tests.ingest.parts import until

CLOCK: Final = SystemClock()
CURRENT: Final = "current"
WINDOWS: Final = """
[[windows]]
work_unit = "{unit}"
program = "P1"
job = "*"
version = 3
author = "anna"
approver = "berta"
[[windows.parameters]]
name = "current"
unit = "A"
low = 100.0
high = 300.0
step = 50.0
"""


def windows_of(units: Sequence[str]) -> str:
    return "\n".join(WINDOWS.format(unit=unit) for unit in units)


def draft(unit: str, *, value: float = 210.0, approved_by: str = "anna", **more: Any) -> Draft:
    """The wish to set the current of program P1."""
    now = CLOCK.now_us()
    given: dict[str, Any] = {
        "kind": Kind.PARAMETERS,
        "work_unit": unit,
        "source": f"test:{uuid4()}",
        "slot": "parameters:P1",
        "valid_seconds": 60.0,
        "program": "P1",
        "parameters": (Quantity(CURRENT, value, "A"),),
        "window_version": 3,
        "basis_from_us": now - 3_600_000_000,
        "basis_to_us": now - 1_000_000,
        "approved_by": approved_by,
    }
    return Draft(**{**given, **more})


@dataclass
class House:
    """One worker, its ways and its database."""

    url: str
    folder: Path
    ways: Mapping[str, Way]
    settings: DeliverySettings
    connection: Connection
    keys: KeyFolder
    error: list[BaseException] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop | None = None
    _stop: asyncio.Event | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        begun = threading.Event()

        async def work() -> None:
            self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            plan = DeliveryPlan(self.settings, self.folder, wanted=True)
            worker = Worker(plan, self.ways, self.keys.key, self.url, CLOCK)
            begun.set()
            await worker.run(self._stop)

        def run() -> None:
            try:
                asyncio.run(work())
            except BaseException as error:  # noqa: BLE001 - told by stop
                self.error.append(error)

        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert begun.wait(60)

    def stop(self) -> None:
        if self._thread is not None and self.loop is not None and self._stop is not None:
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(60)
            assert not self._thread.is_alive()
            self._thread = None
        assert not self.error, self.error

    def propose(self, *drafts: Draft) -> list[int]:
        return [number for number in propose(self.connection, drafts, CLOCK.now_us()) if number is not None]

    def delivery(self, number: int) -> Delivery:
        found = read_delivery(self.connection, number)
        assert found is not None
        return found

    def until(self, number: int, *stages: Stage, seconds: float = 10) -> Delivery:
        until(lambda: self.delivery(number).stage in stages, seconds)
        return self.delivery(number)

    def path(self, number: int) -> list[Stage]:
        return [one.after for one in read_steps(self.connection, number)]

    def assert_audited(self) -> None:
        """Each step stands in the audit trail, and its chain holds."""
        assert verify_audit(self.connection) is None
        row = self.connection.execute(
            "SELECT (SELECT count(*) FROM delivery_step), (SELECT count(*) FROM audit WHERE act = ANY (%s::text[]))",
            [[f"delivery.{one.value}" for one in Stage]],
        ).fetchone()
        assert row is not None
        assert row[0] == row[1] > 0


@contextmanager
def house(
    url: str, folder: Path, ways: Sequence[Way], units: Sequence[str], *, keys: Mapping[str, bytes] | None = None, **settings: Any
) -> Iterator[House]:
    """A worker at work; ``settings`` are those of each controller, ``units`` have process windows."""
    made = KeyFolder(folder / "keys")
    for controller, key in (keys or {}).items():
        (folder / "keys").mkdir(mode=0o700, exist_ok=True)
        made.path(controller).write_text(key.hex())
        made.path(controller).chmod(0o600)
    common = {"way": "rest", "takes": list(Kind), **settings}
    controllers = [
        common | {"id": way.controller, "work_units": list(getattr(way, "controllers", units))} | getattr(way, "settings", {})
        for way in ways
    ]
    with connect(url, application="test") as connection:
        write_windows(connection, windows_of(units), actor="anna", now_us=CLOCK.now_us())
        one = House(url, folder, {way.controller: way for way in ways}, DeliverySettings(controllers=controllers), connection, made)
        one.start()
        try:
            yield one
        finally:
            one.stop()
