"""Row 48 and 49: a spool and its database through any order of writes, syncs, shipments, failing disks and power cuts.

``python -m tests.faults.power --sequences 100000 [--seed N]`` runs so many orders. Each is told apart by one number, which a failure names.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import UUID

import structlog

from ingest.segments import Frame
from ingest.spool import Spool, SpoolFull
from ingest.tail import Tail
from plant.errors import SettingsError
from tests.faults.disk import Chance, PowerCut, SimulatedDisk

_RECORD, _SNAPSHOT = 1, 2
_ID = UUID(int=0x1234)


@dataclass
class Database:
    """What the database promises: a shipment and the watermark of its spool are stored together, or not at all."""

    watermark: int = 0
    rows: Counter[bytes] = field(default_factory=Counter)

    def store(self, frames: list[Frame]) -> None:
        fresh = [frame for frame in frames if frame.number > self.watermark]
        for frame in fresh:
            if frame.kind == _RECORD:
                self.rows[frame.content] += 1
        self.watermark = max([self.watermark, *(frame.number for frame in fresh)])


class Life:
    """A spool's life between its first start and the last shipment."""

    def __init__(self, chance: Chance, folder: Path) -> None:
        self.chance = chance
        self.folder = folder
        self.disk = SimulatedDisk(chance)
        self.database = Database()
        self.serial = 0
        self.pending: dict[int, bytes] = {}
        self.acknowledged: set[bytes] = set()
        self.submitted: set[bytes] = set()
        self.cuts = 0
        self.segment_bytes = chance.randrange(300, 2500)
        self.start()

    def start(self) -> None:
        """Open the spool and learn how far the database is, as the shipper does."""
        self.spool = Spool(self.folder, self.disk, new_id=lambda: _ID, segment_bytes=self.segment_bytes)
        self.spool.opening = lambda: Frame(0, 0, _SNAPSHOT, b"snapshot")
        self.spool.open(lambda _: None)
        if self.database.watermark > self.spool.last:
            self.spool.floor = self.database.watermark
        self.tail = Tail(self.spool, self.spool.cursor.released)
        self.pending.clear()

    def append(self) -> None:
        self.serial += 1
        content = b"%d;" % self.serial * self.chance.randrange(1, 180)
        with contextlib.suppress(SpoolFull):
            number = self.spool.append(1, _RECORD, content)
            assert number > self.database.watermark, "a number that the database has seen was used again"
            self.pending[number] = content
            self.submitted.add(content)

    def sync(self) -> None:
        with contextlib.suppress(SpoolFull):
            durable = self.spool.sync()
            for number in [number for number in self.pending if number <= durable]:
                self.acknowledged.add(self.pending.pop(number))

    def ship(self, *, answered: bool = True) -> bool:
        """Send the next frames; without an answer nothing is released. Return whether there were any."""
        frames = self.tail.read(5)
        if not frames:
            return False
        self.database.store(frames)
        if answered:
            self.spool.release(self.database.watermark, {})
        else:
            self.tail.go_to(self.spool.cursor.released)
        return True

    def step(self) -> None:
        dice = self.chance.random()
        if dice < 0.45:
            self.append()
        elif dice < 0.7:
            self.sync()
        else:
            self.ship(answered=self.chance.random() < 0.8)

    def power_cut(self) -> None:
        """Stop at any of the next operations on the disk; come back, perhaps to stop while coming back.

        In one case of four only the process dies: what was not synced is still there, and is lost by the next cut at the earliest.
        """
        self.disk.steps_left = self.chance.randrange(0, 14)
        with contextlib.suppress(PowerCut):
            for _ in range(6):
                self.step()
        while True:
            if self.chance.random() < 0.75:
                self.cuts += 1
                self.disk.cut()
            self.disk.steps_left = None
            self.spool._unlock()
            if self.chance.random() < 0.3:
                self.disk.steps_left = self.chance.randrange(0, 8)
            try:
                self.start()
            except (PowerCut, SettingsError):
                # a disk that fails at the start ends the process with a word; it is started again
                continue
            self.disk.steps_left = None
            return

    def end(self) -> None:
        """A disk that is well again, all shipped: what was acknowledged is stored once, and nothing else but what was submitted."""
        self.disk.sync_fails = self.disk.write_short = 0.0
        self.sync()
        while self.ship():
            pass
        lost = self.acknowledged - set(self.database.rows)
        assert not lost, f"{len(lost)} acknowledged records are lost"
        assert not [content for content, times in self.database.rows.items() if times > 1], "a record is stored twice"
        assert set(self.database.rows) <= self.submitted, "a record is stored that nobody wrote"


def live(chance: Chance, folder: Path, *, steps: int = 30) -> Life:
    """Run one life and judge it."""
    life = Life(chance, folder)
    try:
        if chance.random() < 0.3:
            life.disk.sync_fails = 0.2
        if chance.random() < 0.3:
            life.disk.write_short = 0.2
        for _ in range(steps):
            if chance.random() < 0.08:
                life.power_cut()
            else:
                life.step()
        life.power_cut()
        life.end()
    finally:
        life.spool._unlock()
    return life


def quiet() -> None:
    """No log lines: a million failing syncs would be told of."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> int:
    """Run many lives; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    quiet()
    began, cuts, stored = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="leadhand-power-") as folder:
        for number in range(options.seed, options.seed + options.sequences):
            try:
                life = live(Random(number), Path(folder))  # noqa: S311 - chance, no secret
            except AssertionError as error:
                print(f"seed {number}: {error}; again with --seed {number} --sequences 1")  # noqa: T201
                return 1
            cuts += life.cuts
            stored += len(life.database.rows)
    seconds = time.monotonic() - began
    print(  # noqa: T201
        f"{options.sequences} sequences from seed {options.seed}: {cuts} power cuts, {stored} records stored, "
        f"0 acknowledged lost, 0 double; {seconds:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
