"""A small factory and samples of it, for tests of storage."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from plant.clock import SystemClock
from plant.ledger import Gap, LedgerLine
from plant.samples import NO_TIME, SampleBatch
from plant.settings import SiteFile
from plant.shipment import Shipment
from plant.signals import SignalPath, SourceId
from plant.site import Site, site_of
from storage.catalogue import register_site
from storage.database import Connection
from storage.samples import SampleWriter

SOURCE = SourceId("plc-1")
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
PATHS = tuple(SignalPath(f"acme/north/line/cell/robot/{name}") for name in ("current", "voltage", "speed", "program"))


def small_site(names: str = "{current,voltage,speed}") -> Site:
    """Three numeric signals and a text of one robot, read by one OPC UA source."""
    return site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "acme", "id": "north"},
                "equipment": [{"path": "line/cell/robot", "kind": "welding_robot"}],
                "sources": [{"protocol": "opcua", "id": SOURCE, "url": "opc.tcp://plc:4840"}],
                "signals": [
                    {"equipment": "line/cell/robot", "name": names, "source": SOURCE, "address": "nsu=u;s={signal}", "unit": "A"},
                    {
                        "equipment": "line/cell/robot",
                        "name": "program",
                        "source": SOURCE,
                        "address": "nsu=u;s=p",
                        "data_type": "string",
                    },
                ],
            }
        )
    )


def an_hour_ago() -> int:
    """The start of a minute at least one hour ago and within one whole hour, microseconds."""
    now = SystemClock().now_us()
    return now - now % HOUR - 2 * HOUR


def samples_of(
    signal: SignalPath,
    time_us: Sequence[int] | npt.NDArray[np.int64],
    value: Sequence[float | None] | npt.NDArray[np.float64],
    *,
    status: Sequence[int] | npt.NDArray[np.uint32] | None = None,
    text: Sequence[str | None] | None = None,
    flags: int = 0,
    has_server_time: bool = True,
) -> SampleBatch:
    """Samples of one signal; a value of None is none."""
    times = np.asarray(time_us, np.int64)
    count = len(times)
    has = np.ones(count, np.bool_) if isinstance(value, np.ndarray) else np.array([v is not None for v in value], np.bool_)
    values = value if isinstance(value, np.ndarray) else np.array([np.nan if v is None else v for v in value], np.float64)
    texts = None
    if text is not None:
        texts = np.empty(count, np.object_)
        texts[:] = list(text)
    return SampleBatch(
        (signal,),
        np.zeros(count, np.int32),
        times,
        times + 1 if has_server_time else np.full(count, NO_TIME, np.int64),
        times + 2,
        values,
        has,
        np.zeros(count, np.uint32) if status is None else np.asarray(status, np.uint32),
        np.full(count, flags, np.int16),
        texts,
    )


class Shipper:
    """Ships batches as the records of one spool, one after another."""

    def __init__(self, connection: Connection, spool: UUID | None = None) -> None:
        self.connection = connection
        self.writer = SampleWriter(connection)
        self.spool = spool or uuid4()
        self.last = 0

    def ship(self, samples: SampleBatch, ledger: tuple[LedgerLine, ...] = (), gaps: tuple[Gap, ...] = ()) -> bool:
        """Ship one batch as the next record."""
        self.last += 1
        return self.writer.ship(Shipment(self.spool, self.last, self.last, samples, ledger, gaps))


def shipper_of(connection: Connection) -> Shipper:
    """Register the small site and return what ships its samples."""
    register_site(connection, small_site())
    return Shipper(connection)


def number_of(connection: Connection, path: SignalPath) -> int:
    """The number of a signal."""
    row = connection.execute("SELECT id FROM signal WHERE path = %s", [path]).fetchone()
    assert row is not None
    return int(row[0])
