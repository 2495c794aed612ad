"""A machine on a stage: it makes parts in three steps, its samples lie in a database, and the condition is followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from monitor.condition import ConditionFollower
from plant.clock import SystemClock
from plant.samples import NO_TIME, SampleBatch
from plant.settings import SiteFile
from plant.shipment import Shipment
from plant.signals import SignalPath
from plant.site import Site, site_of
from storage.catalogue import register_site
from storage.database import Connection
from storage.samples import SampleWriter

UNIT = "acme/north/mill/line/mill-1"
STEP_US = 200_000
PART_US = 12_000_000
STEPS = (("Clamp", 0.0), ("Face", 0.2), ("Drill", 0.6), ("Unclamp", 0.9))
SIGNALS = ("load", "vibration", "power", "parts", "step", "program", "state", "tool_parts")
TEXTS = frozenset({"step", "program", "state"})
START_US = SystemClock().now_us() // 1_000_000 * 1_000_000 - 86_400_000_000
"""Yesterday: raw samples of long ago are kept no more."""


def site(**watch: object) -> Site:
    """A mill that is watched; ``watch`` says more of how."""
    condition = {
        "equipment": "mill/line/*",
        "signals": ["load", "vibration"],
        "parts": "parts",
        "step": "step",
        "program": "program",
        "running": "state",
        "running_values": ["Execute"],
        "least_parts": 12,
        "energy": {"signal": "power"},
        **watch,
    }
    file = {
        "site": {"enterprise": "acme", "id": "north"},
        "equipment": [{"path": "mill/line/mill-1", "name": "Mill 1", "kind": "machining_centre"}],
        "sources": [{"protocol": "mqtt", "id": "plc", "url": "mqtt://127.0.0.1", "topics": [{"filter": "a/#"}], "allow_anonymous": True}],
        "signals": [
            {
                "equipment": "mill/line/mill-1",
                "name": name,
                "source": "plc",
                "address": f"a/{name}",
                "data_type": "string" if name in TEXTS else "double",
                "unit": {"load": "%", "vibration": "mm/s", "power": "kW"}.get(name, ""),
            }
            for name in SIGNALS
        ],
        "condition": [condition],
    }
    return site_of(SiteFile.model_validate(file))


@dataclass
class Machine:
    """Makes parts; ``wear`` is added to the load of a part as a share of it."""

    connection: Connection
    site: Site
    part_number: int = 0
    at_us: int = START_US
    seed: int = 1
    _draw: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        register_site(self.connection, self.site)
        self._draw = np.random.default_rng(self.seed)
        self._writer = SampleWriter(self.connection)
        self._spool, self._record = uuid4(), 0

    def make(self, wear: list[float], *, program: str = "O1", tool_parts: int = 1, waits: float = 0.0) -> None:
        """Make a part for each number; then nothing for ``waits`` seconds."""
        batches = []
        for share in wear:
            batches.append(self._part(share, program, tool_parts))
            tool_parts += 1
            self.part_number += 1
            self.at_us += PART_US
        for batch in batches:
            self._record += 1
            self._writer.ship(Shipment(self._spool, self._record, self._record, batch))
        self.at_us += round(waits * 1e6)

    def _part(self, wear: float, program: str, tool_parts: int) -> SampleBatch:
        n = PART_US // STEP_US
        through = np.arange(n) / n
        names, starts = [name for name, _ in STEPS], [start for _, start in STEPS]
        step = np.searchsorted(starts, through, "right") - 1
        cut = np.isin(step, [1, 2])
        usual = np.where(cut, np.array([2.0, 46.0, 30.0, 2.0])[step], 2.0)
        usual = usual * (1 + 0.02 * self._draw.normal()) * (1 + 0.03 * self._draw.normal(size=n))
        load = usual * np.where(step == 1, 1 + wear, 1.0)
        columns: dict[str, npt.NDArray[np.float64]] = {
            "load": load,
            "vibration": 0.4 + 0.03 * load * (1 + 0.05 * self._draw.normal(size=n)),
            "power": np.where(through < 0.1, 3.0, 6.0),
            "parts": np.full(n, float(self.part_number)),
            "tool_parts": np.full(n, float(tool_parts)),
        }
        texts = {
            "step": np.array(names, np.object_)[step],
            "program": np.full(n, program, np.object_),
            "state": np.where(through < 0.1, "Held", "Execute").astype(np.object_),
        }
        times = self.at_us + np.arange(n, dtype=np.int64) * STEP_US
        count = len(SIGNALS)
        value = np.full((count, n), np.nan)
        text = np.full((count, n), None, np.object_)
        for number, name in enumerate(SIGNALS):
            if name in texts:
                text[number] = texts[name]
            else:
                value[number] = columns[name]
        time = np.tile(times, count)
        return SampleBatch(
            tuple(SignalPath(f"{UNIT}/{name}") for name in SIGNALS),
            np.repeat(np.arange(count, dtype=np.int32), n),
            time,
            np.full(count * n, NO_TIME),
            time,
            value.ravel(),
            ~np.isnan(value.ravel()),
            np.zeros(count * n, np.uint32),
            np.zeros(count * n, np.int16),
            text.ravel(),
        )


def follow(connection: Connection, followed: Site) -> ConditionFollower:
    """Follow until nothing more waits."""
    follower = ConditionFollower(followed)
    while follower.step(connection):
        pass
    return follower
