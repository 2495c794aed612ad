"""A factory whose recommendations are delivered, as its pages show it: windows and drafts, deliveries in each stage, modes, controllers."""

from __future__ import annotations

from plant.process_windows import ProcessWindow, parse_windows
from plant.tuning import TuningTarget
from storage.database import Connection
from storage.process_windows import write_windows
from storage.trials import accept_recipe
from storage.window_drafts import DraftStage, add_draft, approve_draft, end_draft

ROBOT = "welding/cell-1/robot-1"
PRESS = "assembly/line-1/spindles"
MINUTE_US = 60_000_000
WINDOWS = f"""
# Limits of the welding cell, after the trials of spring.
[[windows]]
work_unit = "{ROBOT}"
program = "WPS-1003"
version = 3
author = "li.wei"
approver = "zhang.min"

[[windows.parameters]]
name = "current"
unit = "A"
low = 205
high = 276
step = 10
rate = 20
dead_band = 1

[[windows.parameters]]
name = "voltage"
unit = "V"
low = 23.8
high = 30.1
step = 0.8
rate = 1.6
dead_band = 0.1

[[windows.parameters]]
name = "travel_speed"
unit = "mm/min"
low = 310
high = 510
step = 25
rate = 50
dead_band = 5

[[windows.joint_limits]]
name = "heat_input"
formula = "heat_input"
voltage = "voltage"
current = "current"
speed = "travel_speed"
unit = "kJ/mm"
low = 0.714
high = 1.238

[[windows.responses]]
name = "penetration"
unit = "mm"
low = 3.34

[[windows]]
work_unit = "{PRESS}"
program = "SB-*"
version = 1
author = "li.wei"
approver = "zhang.min"

[[windows.parameters]]
name = "torque"
unit = "N.m"
low = 780
high = 880
step = 10
dead_band = 2

[[windows.parameters]]
name = "final_angle"
unit = "deg"
low = 60
high = 100
step = 5
"""


def fill_windows(connection: Connection, now_us: int) -> int:
    """Bring in two versions, a draft that was declined, one that became the third version, one of ``engineer`` that waits: its number."""
    hour_us = 60 * MINUTE_US
    write_windows(connection, WINDOWS, actor="zhang.min", now_us=now_us - 200 * hour_us)
    write_windows(
        connection,
        WINDOWS.replace("high = 880", "high = 860").replace("version = 1", "version = 2"),
        actor="zhang.min",
        now_us=now_us - 90 * hour_us,
    )
    robot, spindles = parse_windows(WINDOWS).windows
    declined = add_draft(
        connection, _with(robot, "current", high=290.0), author="li.wei", note="thicker plate", now_us=now_us - 50 * hour_us
    )
    end_draft(
        connection,
        declined,
        DraftStage.DECLINED,
        actor="zhang.min",
        reason="no trial above 276 A shows the penetration",
        now_us=now_us - 49 * hour_us,
    )
    approved = add_draft(
        connection, _with(spindles, "torque", high=870.0), author="li.wei", note="bolts of class 12.9", now_us=now_us - 30 * hour_us
    )
    approve_draft(connection, approved, actor="zhang.min", now_us=now_us - 29 * hour_us)
    recipe = {"current": 243.0, "voltage": 27.1, "travel_speed": 402.0}
    accept_recipe(connection, TuningTarget(ROBOT, "WPS-1003"), recipe, actor="zhang.min", reason="as tried", now_us=now_us - 20 * hour_us)
    for program, torque in (("SB-24", 812.0), ("SB-36", 845.0)):
        accept_recipe(
            connection,
            TuningTarget(PRESS, program),
            {"torque": torque, "final_angle": 74.0},
            actor="zhang.min",
            reason="as released",
            now_us=now_us - 19 * hour_us,
        )
    wider = _with(_with(robot, "current", low=200.0, rate=None), "voltage", high=29.6)
    note = "The new wire holds at 200 A: trials t-81 to t-96 had no lack of fusion."
    return add_draft(connection, wider, author="engineer", note=note, now_us=now_us - hour_us)


def _with(window: ProcessWindow, name: str, **changes: float | None) -> ProcessWindow:
    told = window.model_dump()
    told["parameters"] = [each | changes if each["name"] == name else each for each in told["parameters"]]
    return ProcessWindow.model_validate(told)
