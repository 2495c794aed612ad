"""The simulated welding cell behind its controller: it sets the parameters that it is sent, makes parts, and says what came out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from plant.clock import Clock
from plant.deliveries import Quantity
from plant.process_windows import parse_windows
from simulators.broker_controllers import behind_broker
from simulators.controller import Controller
from simulators.controller_check import program_limits
from simulators.controller_reading import Order
from simulators.controller_rules import ControllerRules
from simulators.mqtt_publisher import Broker
from simulators.pendant import Pendant
from simulators.weld_cell import weld_cell
from simulators.weld_cell_truth import Cell

CONTROLLER: Final = "welding-robot"
"""Its id in the settings."""
PARTS: Final = 60
"""Of a trial."""
_WORK_US: Final = 5_000_000
_LOOK_SECONDS: Final = 0.5


def windows_text(cell: Cell) -> str:
    """Return the cell's process window without its limits an hour: the demo's time is shortened."""
    return "\n".join(line for line in cell.windows_toml().splitlines() if not line.startswith("rate = ")) + "\n"


def cell_controller(
    cell: Cell,
    keys: Mapping[str, bytes],
    values: Mapping[str, float],
    memory: Path | None = None,
    loaded: Callable[[Mapping[str, float]], None] = lambda _: None,
) -> Controller:
    """Return the controller of a cell that holds these set points; ``loaded`` is told those of each program that it loads."""
    (window,) = parse_windows(windows_text(cell)).windows

    def measure(order: Order) -> tuple[Quantity, ...]:
        if order.kind != "parameters":
            return ()
        loaded({name: value for name, value, _ in order.parameters})
        run = cell.run({name: value for name, value, _ in order.parameters}, PARTS)
        counts = {"parts": PARTS, "good": int(run.good.sum()), "scrapped": int(run.scrapped.sum())}
        told = [Quantity(name, float(value)) for name, value in counts.items()]
        units = {one.name: one.unit for one in window.responses}
        return (*told, *(Quantity(name, round(value, 3), units.get(name, "1")) for name, value in run.responses.items()))

    rules = ControllerRules(
        work_unit=cell.work_unit,
        keys=keys,
        programs=(program_limits(window, cell.program),),
        values=values,
        work_us=_WORK_US,
        memory=memory,
        measure=measure,
    )
    return Controller(rules)


def run_cell(
    seed: int,
    values: Mapping[str, float],
    keys: Mapping[str, bytes],
    memory: Path,
    prefix: str,
    broker: Broker,
    clock: Clock,
    announce: Callable[[dict[str, Any]], None],
    stop: threading.Event,
    pendant: Pendant | None = None,
) -> None:
    """Be a cell behind a broker until told to stop.

    ``values``: its set points at its very first start. ``pendant``: where it says what it welds by, and is trimmed.
    """
    cell = weld_cell(seed)
    memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if pendant is None:
        controller = cell_controller(cell, keys, values or cell.start, memory)
    else:
        held = pendant
        controller = cell_controller(cell, keys, values or cell.start, memory, lambda told: held.load(told, clock.now_us()))
        held.begin(cell, {name: one.value for name, one in controller.values().items()}, clock.now_us())
    with behind_broker([controller], CONTROLLER, prefix, broker, clock):
        announce({"program": cell.program, "work_unit": cell.work_unit})
        while not stop.wait(_LOOK_SECONDS):
            if pendant is not None:
                pendant.tick(clock.now_us())
