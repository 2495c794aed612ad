"""A factory whose recommendations are delivered, as its pages show it: windows and drafts, deliveries in each stage, modes, controllers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plant.deliveries import Draft, Kind, Quantity, SetPart
from plant.delivery_messages import sign
from plant.delivery_modes import ControllerStanding, Dropped, Mode
from plant.process_windows import ProcessWindow, parse_windows
from plant.recommendations import Estimate, Stage
from plant.tuning import Proposal, Purpose, Safety, TuningTarget
from storage.database import Connection
from storage.deliveries import Step, propose, send, step
from storage.delivery_modes import ask_closed_loop, confirm_closed_loop, drop_mode, set_mode, write_standings
from storage.process_windows import write_windows
from storage.trials import accept_recipe, add_proposal, change_proposal
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


CONTROLLERS = """
[delivery]

[[delivery.controllers]]
way = "rest"
id = "cell-1-plc"
work_units = ["welding/cell-1/robot-1", "welding/cell-1/robot-2"]
heartbeat_seconds = 5

[[delivery.controllers]]
way = "rest"
id = "line-1-spindles"
work_units = ["assembly/line-1/*"]
heartbeat_seconds = 5

[[delivery.controllers]]
way = "rest"
id = "mes"
work_units = ["mes"]
takes = ["route", "job"]
"""
KEY = b"k" * 32


@dataclass(frozen=True)
class Numbers:
    """The deliveries that the stage has, by what is interesting about them."""

    waiting: int
    doubted: int
    carried: int
    sent: int
    declined: int
    changeover: int
    window_draft: int


def fill(connection: Connection, now_us: int) -> Numbers:
    """Fill windows, deliveries in each stage, modes and controllers."""
    draft = fill_windows(connection, now_us)
    numbers = fill_deliveries(connection, now_us, draft)
    fill_modes(connection, now_us)
    return numbers


def parameters(source: str, values: dict[str, tuple[float, str]], *, unit: str = ROBOT, program: str = "WPS-1003", **more: Any) -> Draft:
    """A message that sets parameters."""
    told = tuple(Quantity(name, value, each) for name, (value, each) in values.items())
    facts: dict[str, Any] = {"reason": "trial of proposal 12: improve", "window_version": 3, "valid_seconds": 60.0} | more
    return Draft(
        kind=Kind.PARAMETERS, work_unit=unit, source=source, slot=f"parameters:{program}", program=program, parameters=told, **facts
    )


def fill_deliveries(connection: Connection, now_us: int, window_draft: int) -> Numbers:
    """Bring deliveries to where people meet them."""
    basis: dict[str, Any] = {"basis_from_us": now_us - 300 * MINUTE_US, "basis_to_us": now_us - 30 * MINUTE_US}
    first = {"current": (246.0, "A"), "voltage": (27.3, "V"), "travel_speed": (408.0, "mm/min")}
    carried = made(connection, parameters("tuning:111", first, approved_by="zhang.min", **basis), now_us - 95 * MINUTE_US)
    sent_at = now_us - 94 * MINUTE_US
    go(connection, [carried], sent_at)
    read = [{"name": name, "value": value, "unit": unit} for name, (value, unit) in first.items()]
    step(
        connection,
        [
            Step(carried, Stage.ACCEPTED, sent_at + 4_000, "cell-1-plc"),
            Step(carried, Stage.EXECUTED, sent_at + 5_800, "cell-1-plc", detail={"read_by": "leadhand", "read": read, "seconds": 0.0058}),
            Step(
                carried,
                Stage.MEASURED,
                now_us - 40 * MINUTE_US,
                "line",
                detail={"measured": [{"name": "first_pass", "value": 0.957, "unit": "1"}]},
            ),
        ],
    )
    doubted = made(
        connection, parameters("tuning:112", {**first, "current": (250.0, "A")}, approved_by="zhang.min", **basis), now_us - 20 * MINUTE_US
    )
    go(connection, [doubted], now_us - 19 * MINUTE_US)
    wrong = {"read_by": "leadhand", "read": [*read[1:], {"name": "current", "value": 246.0, "unit": "A"}], "seconds": 0.0071}
    step(
        connection,
        [
            Step(doubted, Stage.ACCEPTED, now_us - 19 * MINUTE_US + 3_900, "cell-1-plc"),
            Step(doubted, Stage.IN_DOUBT, now_us - 19 * MINUTE_US + 7_100, "delivery", "read_back", "current is 246 A, not 250 A", wrong),
        ],
    )
    tuned = TuningTarget(PRESS, "SB-36")
    accepted, tried = {"torque": 845.0, "final_angle": 74.0}, {"torque": 851.0, "final_angle": 76.0}
    proposal = Proposal(
        *(tuned, Purpose.IMPROVE, tried, accepted, accepted, Estimate(0.985, 0.97, 0.993), Estimate(0.96, 0.94, 0.97)),
        *((Safety("clamp_force", "kN", Estimate(512.0, 505.0, 519.0), 490.0, 540.0),), ("the bound rises",), 6, "surface+gp/1:abc", 1, 1.0),
    )
    number = add_proposal(connection, proposal, windows_version=3, now_us=now_us - 10 * MINUTE_US)
    change_proposal(connection, number, Stage.APPROVED, actor="zhang.min", now_us=now_us - 4 * MINUTE_US)
    waiting = made(
        connection,
        parameters(
            f"tuning:{number}",
            {"torque": (851.0, "N.m"), "final_angle": (76.0, "deg")},
            unit=PRESS,
            program="SB-36",
            **basis,
        ),
        now_us - 3 * MINUTE_US,
    )
    old = made(
        connection,
        parameters("tuning:130", {"torque": (818.0, "N.m"), "final_angle": (74.0, "deg")}, unit=PRESS, program="SB-24", **basis),
        now_us - 45 * MINUTE_US,
    )
    step(connection, [Step(old, Stage.DECLINED, now_us - 44 * MINUTE_US, "zhang.min", "not_now", "shift change")])
    route = Draft(
        kind=Kind.ROUTE,
        work_unit="mes",
        source="recommendation:5",
        slot="route:ZE215-boom",
        valid_seconds=600.0,
        product="ZE215-boom",
        steps=("cut: plasma-2", "bevel: robot-b", "tack: station-3", "weld: robot-1 WPS-1003", "machine: borer-1", "paint: line-2"),
        reason="cheaper by 3.1 % than the route in use",
        approved_by="zhang.min",
        **basis,
    )
    sent = made(connection, route, now_us - MINUTE_US)
    go(connection, [sent], now_us - 5_000_000)
    numbers = []
    for unit, parts in (
        (ROBOT, (SetPart("robot_program", "boom-215", "7"), SetPart("recipe", "WPS-1003", "3"))),
        (PRESS, (SetPart("torque_program", "SB-24", "2"), SetPart("vision_recipe", "ring-24", "1"))),
    ):
        numbers.append(
            made(
                connection,
                Draft(
                    kind=Kind.CHANGEOVER,
                    work_unit=unit,
                    source="changeover:cell-1:J-7:10:2",
                    slot="changeover",
                    valid_seconds=120.0,
                    product="ZE215-1",
                    job="J-7",
                    parts=parts,
                    group="changeover:cell-1:J-7:10:2",
                    reason="cell-1 is switched over for ZE215-1: weld of job J-7 comes next",
                    approved_by="zhang.min",
                ),
                now_us - 8 * MINUTE_US,
            )
        )
    go(connection, numbers, now_us - 7 * MINUTE_US)
    for number, switched in zip(
        numbers,
        ({"kind": "recipe", "name": "WPS-1003", "version": "3"}, {"kind": "torque_program", "name": "SB-24", "version": "2"}),
        strict=True,
    ):
        at = now_us - 7 * MINUTE_US
        step(
            connection,
            [
                Step(number, Stage.ACCEPTED, at + 5_000, "cell-1-plc"),
                Step(number, Stage.EXECUTED, at + 900_000, "cell-1-plc", detail={"parts": [switched]}),
            ],
        )
    hold = Draft(
        kind=Kind.HOLD,
        work_unit=PRESS,
        source="joint:88",
        slot="part:ZE215-00417",
        valid_seconds=3600.0,
        serial="ZE215-00417",
        reason="bolt 14: the mark is turned by 9.5 degrees; the angle at the end is below its window",
        approved_by="judge",
    )
    held = made(connection, hold, now_us - 2 * MINUTE_US)
    go(connection, [held], now_us - 2 * MINUTE_US + 200_000)
    step(connection, [Step(held, Stage.ACCEPTED, now_us - 2 * MINUTE_US + 300_000, "line-1-spindles")])
    refused = made(
        connection, parameters("tuning:129", {**first, "current": (279.0, "A")}, approved_by="zhang.min", **basis), now_us - 30 * MINUTE_US
    )
    step(
        connection, [Step(refused, Stage.REFUSED, now_us - 30 * MINUTE_US + 90_000, "gate", "above", "current would be 279 A, above 276 A")]
    )
    return Numbers(waiting, doubted, carried, sent, old, numbers[0], window_draft)


def made(connection: Connection, draft: Draft, now_us: int) -> int:
    """Propose a delivery and return its number."""
    number = propose(connection, [draft], now_us)[0]
    assert number is not None
    return number


def go(connection: Connection, numbers: list[int], now_us: int) -> None:
    """Send approved deliveries, as the process does."""
    sent = send(
        connection, numbers, now_us, actor="delivery", sign=lambda _message, text: sign(text, "cell-1-plc", KEY), check=lambda _signed: None
    )
    assert len(sent) == len(numbers)


def fill_modes(connection: Connection, now_us: int) -> None:
    """Set modes: a closed loop at work, one that fell back, one asked for, one in the shadow; and what is heard of controllers."""
    ask_closed_loop(connection, ROBOT, actor="zhang.min", now_us=now_us - 130 * MINUTE_US, hours=8, reason="night shift")
    confirm_closed_loop(connection, ROBOT, actor="wang.fang", now_us=now_us - 128 * MINUTE_US)
    drop_mode(connection, ROBOT, Dropped.READ_BACK, now_us=now_us - 19 * MINUTE_US + 8_000, note="current is 246 A, not 250 A")
    ask_closed_loop(
        connection, "welding/cell-1/robot-2", actor="zhang.min", now_us=now_us - 60 * MINUTE_US, hours=6, reason="as on robot 1"
    )
    confirm_closed_loop(connection, "welding/cell-1/robot-2", actor="wang.fang", now_us=now_us - 58 * MINUTE_US)
    ask_closed_loop(connection, PRESS, actor="zhang.min", now_us=now_us - 2 * MINUTE_US, hours=4, reason="until the end of the shift")
    set_mode(connection, "paint/booth", Mode.SHADOW, actor="engineer", now_us=now_us - 3000 * MINUTE_US, reason="first weeks")
    write_standings(
        connection,
        [
            ControllerStanding(ROBOT, now_us - 1_000_000, now_us - 500_000, False, 2, "EXECUTE", "opcua_jobs"),
            ControllerStanding("welding/cell-1/robot-2", now_us - 1_200_000, now_us - 500_000, False, 0, "IDLE", "mqtt"),
            ControllerStanding(PRESS, now_us - 48_000_000, now_us - 500_000, True, 2, "STOPPED", "rest"),
            ControllerStanding("mes", now_us - 2_000_000, now_us - 500_000, False, 0, "", "rest"),
        ],
    )
