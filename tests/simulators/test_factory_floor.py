"""A simulated factory goes on: its first files are products and history, then orders come that a strict reader takes."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from optimizer.files import read_history, read_products
from plant.clock import SystemClock
from plant.network_file import load_network
from simulators.factory_floor import run_floor


def test_orders_that_a_simulated_factory_lays_down_are_read_without_a_problem(tmp_path: Path) -> None:
    folder, kept, stop = tmp_path / "in", tmp_path / "set", threading.Event()
    told: list[dict[str, Any]] = []
    work = (folder, kept, 1000, 1001, 0.05, 2, SystemClock(), told.append, stop)
    floor = threading.Thread(target=run_floor, args=work)
    floor.start()
    try:
        end = time.monotonic() + 120
        while len(list(folder.glob("floor-*.csv"))) < 3:
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        stop.set()
        floor.join(60)
    assert told[0]["network"] == str(kept / "network.json")
    network = load_network(kept / "network.json")
    products = read_products(folder / "first-products.csv", network)
    first = read_history(folder / "first-history.parquet", network, products, names=True)
    assert len(first) > 500
    orders: list[str] = []
    for path in sorted(folder.glob("floor-*.csv")):
        history = read_history(path, network, products, names=True)
        assert len(history) >= 2 * 5, "two orders of some operations"
        orders += sorted(set(history.orders))
    assert len(set(orders)) == len(orders)
    assert not set(orders) & set(first.orders)
