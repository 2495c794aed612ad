"""The simulated factory goes on: orders are made one after the other, and what they took is laid into a folder as an MES does."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from plant.clock import Clock
from plant.operation_history import OperationHistory
from simulators.controller_reading import Order
from simulators.factory_calls import CallDesk
from simulators.factory_jobs import Workshop
from simulators.factory_orders import OrderDesk
from simulators.factory_parts import PartsDesk
from simulators.factory_planner import Works
from simulators.factory_plates import PlateDesk
from simulators.factory_plm import Plm
from simulators.factory_runs import Floor
from simulators.factory_shape import OPERATIONS
from simulators.factory_truth import truth_of
from simulators.rest_client import RestClient

_MOST_WAITING: Final = 20
_FIRST_ORDERS: Final = 8
"""That have come in when the factory begins."""
_AT_WORK: Final = 3
"""Of the routes that the MES was told, so many, the newest, are worked by at once, ..."""
_EACH: Final = 3
_ENOUGH: Final = 45
"""... each with so many orders in a file, until there were so many."""
_DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = (
    *("order", "serial", "product", "operation", "alternative", "started_at", "duration_min", "first_pass", "rework_min", "energy_kwh"),
    *("wear", "scrapped", "decided_by", "p_current_a"),
)


def run_floor(
    folder: Path,
    kept: Path,
    rows: int,
    seed: int,
    every_seconds: float,
    at_once: int,
    clock: Clock,
    announce: Callable[[dict[str, Any]], None],
    stop: threading.Event,
    routes: Callable[[], Mapping[str, tuple[str, ...]]] = dict,
    leadhand: RestClient | None = None,
    workshop: Workshop | None = None,
) -> None:
    """Lay a file of orders that were done into a folder each so many seconds until told to stop; none while nobody takes them out.

    ``kept``: where the factory's route set is; at the first start it is made with about so many ``rows`` of history, and its products and
    history are the first files in the folder. ``routes``: by product what the MES was told; some orders are made so, too.
    ``leadhand``: where customers' orders, design changes, orders of plate parts and calls of people are told over REST; without it
    customers' orders are laid into the folder.
    ``workshop``: what stations make when they are told jobs of the plan; it is reported with the rest.
    """
    works = Works(truth_of(seed))
    begun_us = clock.now_us()
    shop = _Shop(works, Floor(works, begun_us // 1_000_000 % 1_000_000), np.random.default_rng([seed, begun_us // 1_000_000]), clock)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (kept / "network.json").exists():
        make_set(kept, seed, rows, folder)
    announce({"network": str(kept / "network.json"), "folder": str(folder), "every_seconds": every_seconds})
    desk = OrderDesk(folder, [works.truth.products.ids[at] for at in shop.made], shop.chance, clock, leadhand, first=_FIRST_ORDERS)
    plm = None if leadhand is None else Plm(works, leadhand, shop.chance, clock)
    plates = None if leadhand is None else PlateDesk(leadhand, seed, clock)
    calls = None if leadhand is None else CallDesk(leadhand, seed, clock)
    parts = None if leadhand is None else PartsDesk(leadhand, clock)
    if workshop is not None:
        workshop.begin(works, begun_us // 1_000_000 % 999_983)
    desk.take_due()
    while not stop.wait(every_seconds):
        desk.take_due()
        if plm is not None:
            plm.tell_due()
        if plates is not None:
            plates.take_due()
        if calls is not None:
            calls.take_due()
        if sum(1 for _ in folder.glob("floor-*.csv")) < _MOST_WAITING:
            reports = [] if workshop is None else workshop.reports()
            done = [*shop.planned(at_once), *shop.told(routes()), *shop.reported(reports)]
            lay(folder, f"floor-{clock.now_us()}", done)
            if parts is not None:
                parts.tell(done)


class _Shop:
    """Where orders are made: each takes what it takes in truth, and is a few rows of text."""

    def __init__(self, works: Works, floor: Floor, chance: np.random.Generator, clock: Clock) -> None:
        self.chance = chance
        self.made = np.flatnonzero(works.truth.products.made)
        self._works, self._floor, self._clock = works, floor, clock
        self._begun = f"{clock.now_us() // 1_000_000:x}"
        self._count = 0
        self._by_told: dict[tuple[str, tuple[str, ...]], int] = {}

    def planned(self, at_once: int) -> list[list[str]]:
        """Return so many orders as the factory's planners have them made, begun the day before."""
        done: list[list[str]] = []
        for _ in range(at_once):
            self._floor.time_us = self._clock.now_us() - _DAY_US
            product = int(self.chance.choice(self.made))
            route = self._works.draw(product, 1, self.chance)[0]
            steps = tuple(self._works.network.alternatives[at].id for at in route if at >= 0)
            told = self._floor.perform(self._works.truth.products.ids[product], steps)
            done += rows_of(told, self._works, self._order())
        return done

    def told(self, routes: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
        """Return some orders by each of the newest routes that the MES was told, until there were enough of them."""
        done: list[list[str]] = []
        known = [(name, steps) for name, steps in routes.items() if name in self._works.products.positions]
        for product, steps in known[-_AT_WORK:]:
            made_so = self._by_told.get((product, steps), 0)
            for _ in range(_EACH if made_so < _ENOUGH else 0):
                self._floor.time_us = begin_us = self._clock.now_us()
                told = self._floor.perform(product, steps)
                done += rows_of(told, self._works, self._order(), begin_us=begin_us, decided_by="leadhand")
            self._by_told[product, steps] = made_so + _EACH
        return done

    def reported(self, reports: Iterable[tuple[Order, OperationHistory, int]]) -> list[list[str]]:
        """Return jobs of the plan that were done."""
        return [
            row
            for job, told, began_us in reports
            for row in rows_of(told, self._works, job.job, begin_us=began_us, decided_by="leadhand", serial=job.serial)
        ]

    def _order(self) -> str:
        self._count += 1
        return f"{self._begun}-{self._count - 1}".upper()


def make_set(kept: Path, seed: int, rows: int, folder: Path) -> None:
    """Write a route set, whole or not at all, and lay its products and then its history into a folder."""
    fresh = kept.with_name(f".{kept.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(kept, ignore_errors=True)
    # a process of its own: what writes Parquet takes 60 MB, which this one need not keep
    command = [sys.executable, "-m", "simulators.factory", "--seed", str(seed), "--out", str(fresh), "--rows", str(rows)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for name in ("products.csv", "history.parquet"):
        shutil.copyfile(fresh / name, folder / f".{name}")
        (folder / f".{name}").replace(folder / f"first-{name}")
    fresh.replace(kept)


def rows_of(
    told: OperationHistory, works: Works, order: str, *, begin_us: int | None = None, decided_by: str = "planner", serial: str = ""
) -> list[list[str]]:
    """Return what an order took as rows of text; ``begin_us``: all of it was begun then, since a demo has no days to wait.

    ``serial``: of the part, where the order is a job order of the plan and bears its own name.
    """
    alternatives = works.network.alternatives

    def number(column: Any, row: int) -> str:
        return "" if np.isnan(column[row]) else f"{float(column[row]):.4f}"

    return [
        [
            order if serial else f"J-{order}",
            serial or f"S-{order}",
            told.products[told.product[row]],
            OPERATIONS[works.truth.operation[told.alternative[row]]],
            alternatives[told.alternative[row]].id,
            _time(int(told.started_us[row]) if begin_us is None else begin_us + row),
            number(told.duration_min, row),
            str(bool(told.first_pass[row])).lower(),
            *(number(column, row) for column in (told.rework_min, told.energy_kwh, told.wear)),
            str(bool(told.scrapped[row])).lower(),
            decided_by,
            number(told.parameters["current_a"], row),
        ]
        for row in range(len(told))
    ]


def _time(time_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")


def lay(folder: Path, name: str, rows: Sequence[Sequence[str]]) -> None:
    """Lay rows into a folder as a CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    fresh = folder / f".{name}.csv"
    fresh.write_text(text.getvalue(), encoding="utf-8")
    fresh.replace(folder / f"{name}.csv")
