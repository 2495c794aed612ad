"""What every machine tells of itself, whatever it makes: its state, why it stands, its part, its counters, its power."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from plant.signals import DataType
from simulators.machines.model import Columns, FaultModel, Moments, SignalModel, words, words_signal

MODELS: Final = tuple(f"EX-{tonnes:02d}{letter}" for tonnes in range(5, 30) for letter in "ABCD")
"""A hundred excavators from 5 t to 30 t."""
_PARTS_OF_AN_ORDER: Final = 4
_STATES: Final = ("Stopped", "Execute", "Suspended", "Held", "Aborted")
_REASONS: Final = ("", "starved", "blocked", "break", "changeover", "tool_change", "short_stop")
_POWER_SHARE: Final = np.array([0.35, 1.0, 0.85, 0.85, 0.6])
"""Of the power at idle, by state."""
_MOST_PARTS: Final = 4_000_000


def unit_signals(faults: Sequence[FaultModel], most_kw: float, *, makes: bool = True, tool: bool = False) -> tuple[SignalModel, ...]:
    """Return the signals that every machine has; one that makes nothing has no part and no counters."""
    reasons = (*_REASONS, *(f"breakdown_{fault.name}" for fault in faults))
    state = (
        words_signal("packml_state", words(*_STATES), "state by PackML"),
        words_signal("stop_reason", words(*reasons), "why the machine stands"),
        SignalModel("active_power", "kW", 0, most_kw, description="electrical power of the whole machine"),
    )
    part = (
        words_signal("product", _named(lambda code: MODELS[code % len(MODELS)]), "excavator model of the part in work"),
        words_signal("job_order", _named(lambda code: f"JO-{code % 1_000_000_000:09d}"), "job order of the part in work"),
        words_signal("serial", _named(lambda code: f"SN-{code % 1_000_000_000:09d}"), "serial number of the part in work"),
        _counter("parts", "parts made, good and scrap"),
        _counter("good_parts", "good parts made"),
        _counter("scrap_parts", "scrap parts made"),
    )
    wears = (SignalModel("tool_parts", "", 0, 10_000, data_type=DataType.UINT16, decimals=0, description="parts made with this tool"),)
    resting = (*state[:2], *(part if makes else ()), *(wears if tool else ()))
    return (state[2], *(replace(signal, rests=True) for signal in resting))


def unit_values(m: Moments, idle_kw: float, process_kw: Columns) -> Mapping[str, Columns]:
    """Return the values of those signals; the power is that at idle, by state, and that of the process."""
    work = m.work
    # serial numbers of machines of a kind differ in their last digits
    serial = work.number % 1_000_000 * 1000 + (m.trait(99) * 1000).astype(np.int64)
    order = work.number // _PARTS_OF_AN_ORDER
    product = (m.draw_of(98, order) * len(MODELS)).astype(np.int64)
    return {
        "packml_state": work.state.astype(float),
        "stop_reason": work.reason.astype(float),
        "product": np.where(work.present, 1 + product, 0).astype(float),
        "job_order": np.where(work.present, 1 + serial // 1000 // _PARTS_OF_AN_ORDER * 1000 + serial % 1000, 0).astype(float),
        "serial": np.where(work.present, 1 + serial, 0).astype(float),
        "parts": (work.made % _MOST_PARTS).astype(float),
        "good_parts": ((work.made - work.scrap) % _MOST_PARTS).astype(float),
        "scrap_parts": (work.scrap % _MOST_PARTS).astype(float),
        "tool_parts": work.tool_parts.astype(float),
        "active_power": idle_kw * _POWER_SHARE[work.state] * (1 + 0.01 * m.hiss(90)) + process_kw,
    }


def characteristic(m: Moments, key: int, target: float, deviation: float, drift: float, scrap: float) -> Columns:
    """Return what is measured of each part when it is finished: about a target, with a slow drift; scrap parts lie at ``scrap``."""
    value = target + deviation * m.measured(key) + drift * m.wander_before(key, 12)
    return np.where(m.work.was_scrap, scrap + deviation * m.measured(key), value)


def _named(text: Callable[[int], str]) -> Callable[[int], str]:
    """Return what names the numbers from 1 on; 0 is nothing."""
    return lambda code: "" if code == 0 else text(int(code) - 1)


def _counter(name: str, description: str) -> SignalModel:
    return SignalModel(name, "", 0, _MOST_PARTS, data_type=DataType.UINT32, decimals=0, description=description)
