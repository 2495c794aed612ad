"""Customers of the simulated factory: now and then one orders, and the order is laid into a folder as an ERP does."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from simulators.rest_client import RestClient

COLUMNS: Final = ("order", "product", "customer", "quantity", "due", "priority")
_CUSTOMERS: Final = ("Miller Earthworks", "Nordic Quarry", "Li & Sons", "Port of Sines", "Alpine Roads", "Delta Mining")
_EVERY_SECONDS: Final = 240.0
_MOST_WAITING: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class OrderDesk:
    """Where orders come in."""

    def __init__(
        self,
        folder: Path,
        products: Sequence[str],
        chance: np.random.Generator,
        clock: Clock,
        leadhand: RestClient | None = None,
        *,
        first: int = 0,
    ) -> None:
        """``leadhand``: the MES brings orders over REST; without it they are laid into the folder. ``first``: so many come at once."""
        self._leadhand, self._first = leadhand, first
        self._folder, self._products, self._chance, self._clock = folder, products, chance, clock
        self._begun = f"{clock.now_us() // 1_000_000:x}".upper()
        self._count = 0
        self._due = clock.monotonic() + _EVERY_SECONDS

    def take_due(self) -> None:
        """Take the next order where it is time for one; over REST the first ones once the products were taken out of the folder."""
        if self._first and (self._leadhand is None or not any(self._folder.glob("first-*"))):
            self.take(self._first)
            self._first = 0
        if self._clock.monotonic() >= self._due:
            self._due = self._clock.monotonic() + _EVERY_SECONDS
            self.take(1)

    def take(self, count: int) -> None:
        """Bring so many orders, whole or not at all; none while nobody takes them."""
        rows = [self._order() for _ in range(count)]
        if self._leadhand is not None:
            try:
                self._leadhand.post("/api/v1/orders", {"orders": [_record(row) for row in rows]})
            except (Unavailable, Rejected) as error:
                structlog.get_logger(process="mes").warning("orders were not taken", reason=str(error))
            return
        if sum(1 for _ in self._folder.glob("orders-*.csv")) >= _MOST_WAITING:
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
        name = f"orders-{self._clock.now_us()}.csv"
        fresh = self._folder / f".{name}"
        fresh.write_text(text.getvalue(), encoding="utf-8")
        fresh.replace(self._folder / name)

    def _order(self) -> list[str]:
        self._count += 1
        quantity = int(self._chance.choice([1, 1, 1, 2, 3]))
        hours = 8 + float(self._chance.exponential(10.0))
        due = _EPOCH + timedelta(microseconds=self._clock.now_us()) + timedelta(hours=hours)
        priority = int(self._chance.choice([3, 5, 5, 5, 7, 9]))
        customer = str(self._chance.choice(_CUSTOMERS))
        product = str(self._chance.choice(list(self._products)))
        told = due.isoformat(timespec="minutes").replace("+00:00", "Z")
        return [f"CO-{self._begun}-{self._count}", product, customer, str(quantity), told, str(priority)]


def _record(row: Sequence[str]) -> dict[str, Any]:
    """Return an order as Leadhand takes it over REST."""
    told = dict(zip(COLUMNS, row, strict=True))
    due = datetime.fromisoformat(told["due"])
    return {
        "number": told["order"],
        "product": told["product"],
        "customer": told["customer"],
        "quantity": int(told["quantity"]),
        "due_us": (due - _EPOCH) // timedelta(microseconds=1),
        "priority": int(told["priority"]),
    }
