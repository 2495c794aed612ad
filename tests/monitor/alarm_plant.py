"""A small plant whose samples are shipped by hand, and its alarms, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import numpy as np

from monitor.alarm_follower import AlarmFollower
from plant.alarms import AlarmId
from plant.clock import SystemClock
from plant.samples import NO_TIME, SampleBatch
from plant.settings import SiteFile
from plant.shipment import Shipment, SourceStand
from plant.signals import SignalPath, SourceId
from plant.site import Site, site_of
from storage.alarms import Entry, read_journal
from storage.catalogue import register_site
from storage.database import connect
from storage.samples import SampleWriter

SECOND = 1_000_000
ROBOT = "acme/north/line/cell/robot"
SOURCE = SourceId("plc")
Row = tuple[str, int, float | None] | tuple[str, int, float | None, str | None]
"""Name of the signal, microseconds since the begin, value, text."""


def robot_site(*alarms: dict[str, Any], limits: dict[str, float] | None = None) -> Site:
    """One robot with a current that has limits, a target, a state and a program."""
    of_robot = {"equipment": "line/cell/robot", "source": SOURCE}
    return site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "acme", "id": "north"},
                "equipment": [{"path": "line/cell/robot"}],
                "sources": [{"protocol": "opcua", "id": SOURCE, "url": "opc.tcp://plc:4840"}],
                "signals": [
                    {**of_robot, "name": "current", "address": "c", "unit": "A", "limits": limits or {"high": 80}},
                    {**of_robot, "name": "target", "address": "t"},
                    {**of_robot, "name": "state", "address": "s", "data_type": "int32"},
                    {**of_robot, "name": "program", "address": "p", "data_type": "string"},
                ],
                "alarms": list(alarms),
            }
        )
    )


def alarm(name: str) -> AlarmId:
    """The id of an alarm of the robot, e.g. ``current:high``."""
    return AlarmId(f"{ROBOT}/{name}")


def without_sources() -> list[dict[str, Any]]:
    """Rules that take the alarms of sources away, which only the clock on the wall decides."""
    return [{"source": "*", "kind": kind, "enabled": False} for kind in ("silent", "disconnected", "gap")]


class Plant:
    """Ships samples of the robot, as a gateway would, and follows them with the monitor's own part."""

    def __init__(self, url: str, site: Site, *, lag_us: int = 20_000) -> None:
        self.url, self.site, self.lag_us = url, site, lag_us
        self.connection = connect(url, application="test plant")
        register_site(self.connection, site)
        now = SystemClock().now_us()
        self.begin = now - now % (60 * SECOND) - 600 * SECOND
        self._spool, self._record = uuid4(), 0
        self._writer = SampleWriter(self.connection)
        self.follower = AlarmFollower(site, SystemClock())
        self.connection_of_monitor = connect(url, application="test monitor")

    def close(self) -> None:
        """Close both connections."""
        self.connection.close()
        self.connection_of_monitor.close()

    def ship(self, rows: Sequence[Row], until_us: int, *, late: bool = False) -> None:
        """Ship one record: samples, and until when the source is complete; times since the begin."""
        whole = [row if len(row) == 4 else (*row, None) for row in rows]
        paths = tuple(dict.fromkeys(SignalPath(f"{ROBOT}/{row[0]}") for row in whole))
        times = np.array([self.begin + row[1] for row in whole], np.int64)
        texts = np.empty(len(whole), np.object_)
        texts[:] = [row[3] for row in whole]
        samples = SampleBatch(
            paths,
            np.array([paths.index(SignalPath(f"{ROBOT}/{row[0]}")) for row in whole], np.int32),
            times,
            np.full(len(whole), NO_TIME),
            times + self.lag_us,
            np.array([np.nan if row[2] is None else row[2] for row in whole], np.float64),
            np.array([row[2] is not None for row in whole], np.bool_),
            np.zeros(len(whole), np.uint32),
            np.zeros(len(whole), np.int16),
            texts if any(text is not None for text in texts) else None,
        )
        self._record += 1
        end = None if late else self.begin + until_us + self.lag_us
        stand = SourceStand(SOURCE, 0, end, 30_000, 4)
        self._writer.ship(Shipment(self._spool, self._record, self._record, samples, stands=(stand,)))

    def step(self) -> None:
        """Let the monitor look until nothing waits."""
        while self.follower.step(self.connection_of_monitor):
            pass

    def restart(self) -> None:
        """Forget all that the monitor had in memory, as a kill does."""
        self.connection_of_monitor.close()
        self.connection_of_monitor = connect(self.url, application="test monitor")
        self.follower = AlarmFollower(self.site, SystemClock())

    def journal(self) -> list[Entry]:
        """The whole journal."""
        return read_journal(self.connection, most=None)

    def told(self) -> list[tuple[str, str, str, str, int]]:
        """The journal in short: alarm, event, state before and after, and the time since the begin."""
        return [
            (e.alarm.removeprefix(f"{ROBOT}/"), e.event.value, e.before.value, e.after.value, e.time_us - self.begin)
            for e in self.journal()
        ]
