"""What [[condition]] says is checked whole: unknown equipment and signals, texts where numbers are needed, one machine watched twice."""

from __future__ import annotations

import pytest

from plant.condition import OnToolChange
from plant.errors import SettingsError
from tests.monitor.condition_stage import UNIT, site


def test_a_watch_is_assembled_with_its_signals() -> None:
    [plan] = site(tool_life="tool_parts", wear={"signal": "load", "step": "Face"}, on_tool_change="new_baseline").condition
    assert plan.equipment == UNIT
    assert plan.signals == (f"{UNIT}/load", f"{UNIT}/vibration")
    assert plan.on_tool_change is OnToolChange.NEW_BASELINE
    assert len(set(plan.all_signals())) == len(plan.all_signals()) == 8


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"equipment": "mill/nowhere/*"}, "equipment: no equipment fits"),
        ({"signals": ["torque"]}, r"signals\[1\]: there is no signal 'torque'"),
        ({"signals": ["step"]}, r"signals\[1\]: 'step' is a text"),
        ({"energy": {"signal": "state"}}, "energy.signal: 'state' is a text"),
        ({"parts": "serial"}, "parts: there is no signal 'serial'"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        site(**wrong)


def test_running_needs_its_values() -> None:
    with pytest.raises(ValueError, match="'running' and 'running_values' belong together"):
        site(running_values=[])
