"""The check of a controller in Python and the one in structured text are the same check."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from simulators import controller_check
from simulators.controller_check import Code, Formula, ProgramLimits, Situation, check_order
from simulators.controller_reading import Order, read_order
from tests.delivery.gate_messages import NOW_US
from tests.delivery.gate_wrongs import messages
from tests.simulators.structured_text import constants, function_block, struct

TEXT = (Path(__file__).parents[2] / "docs" / "plc" / "leadhand_check.st").read_text("utf-8")
RENAMED = {"PROGRAM_UNKNOWN": "PROGRAM", "STEP_TOO_LARGE": "STEP"}
"""Names that are words of the language."""
FIGURES = ("CLOCK_SKEW_US", "LONGEST_US", "HOUR_US", "SLACK", "JOINT_SLACK")


def test_codes_and_constants_are_the_same_in_both() -> None:
    found = constants(TEXT)
    codes = {RENAMED.get(name, name): value for name, value in found.items() if name not in FIGURES}
    assert codes == {one.name: one.value for one in Code}
    assert {name: found[name] for name in FIGURES} == {name: getattr(controller_check, name) for name in FIGURES}


def inputs(order: Order, known: Situation) -> dict[str, Any]:
    """What a controller's own program would give to the function block."""
    message = struct(
        sId=order.id,
        sKind=order.kind,
        sWorkUnit=order.work_unit,
        nCounter=order.counter,
        nIssued=order.issued_us,
        nExpires=order.expires_us,
        sJob=order.job,
        sProgram=order.program,
        sSerial=order.serial,
        nWindowVersion=order.window_version,
        nParameters=len(order.parameters),
        aParameters=[struct(sName=name, fValue=value, xNumber=math.isfinite(value), sUnit=unit) for name, value, unit in order.parameters],
        nParts=len(order.parts),
        aParts=[struct(sKind=kind, sName=name, sVersion=version) for kind, name, version in order.parts],
    )
    parts = [struct(sKind=kind, sName=name) for kind, name in sorted(known.parts or ())]
    return {
        "stMessage": message,
        "xSigned": True,
        "xReadable": True,
        "nNow": NOW_US,
        "sWorkUnit": known.work_unit,
        "xAiOff": known.ai_off,
        "xLocal": known.local,
        "nCounter": known.counter,
        "nKinds": len(known.kinds),
        "aKinds": sorted(known.kinds),
        "nPrograms": len(known.programs),
        "aPrograms": [_program(one, known) for one in known.programs],
        "xAnyPart": known.parts is None,
        "nParts": len(parts),
        "aParts": parts,
        "nOffsets": len(known.offsets),
        "aOffsets": [struct(sUnit=unit, fMost=most) for unit, most in known.offsets.items()],
    }


def _program(limits: ProgramLimits, known: Situation) -> Any:
    parameters = [
        struct(
            sName=one.name,
            sUnit=one.unit,
            fLow=one.low,
            fHigh=one.high,
            fStep=one.step,
            fRate=one.rate,
            fDeadBand=one.dead_band,
            fPresent=known.values.get(one.name, 0.0),
            xPresent=one.name in known.values,
            nChanged=known.changed_us.get(one.name, 0),
            xChanged=one.name in known.changed_us,
        )
        for one in limits.parameters
    ]
    joints = [
        struct(
            nFormula=int(one.formula),
            nMembers=len(one.members),
            aMembers=list(one.members),
            aWeights=list(one.weights),
            fLow=max(one.low, -1e300),
            fHigh=min(one.high, 1e300),
        )
        for one in limits.joints
    ]
    return struct(
        sProgram=limits.program,
        sJob=limits.job,
        nVersion=limits.version,
        nParameters=len(parameters),
        aParameters=parameters,
        nJoints=len(joints),
        aJoints=joints,
    )


def test_the_structured_text_says_the_same_of_thousands_of_messages() -> None:
    block = function_block(TEXT)
    seen = Counter[Code]()
    formulas = set[Formula]()
    for one in messages(seed=31, many=2_000):
        order = read_order(one.text)
        if order is None:
            continue
        checked = check_order(order, one.situation, NOW_US)
        code, wrong = block(inputs(order, one.situation))
        assert Code(code) is checked.code, (one.how, one.text)
        if wrong >= 0 and checked.code is not Code.OK:
            assert order.parameters[wrong][0] == checked.name
        seen[checked.code] += 1
        formulas |= {joint.formula for limits in one.situation.programs for joint in limits.joints}
    assert formulas == set(Formula)
    # those that come before a message is read are not among them
    assert set(Code) - {Code.SIGNATURE, Code.UNREADABLE} == set(seen)


@pytest.mark.parametrize(
    ("signed", "readable", "code"), [(False, False, Code.SIGNATURE), (False, True, Code.SIGNATURE), (True, False, Code.UNREADABLE)]
)
def test_what_is_not_signed_is_not_looked_at(signed: bool, readable: bool, code: Code) -> None:
    order = Order("", "parameters", "other", 0, 0, 0)
    given = inputs(order, Situation("mine", {})) | {"xSigned": signed, "xReadable": readable}
    assert function_block(TEXT)(given) == (code, -1)


def test_of_several_programs_the_one_for_the_job_holds() -> None:
    block = function_block(TEXT)
    limit = controller_check.ParameterLimit("current", "A", 0.0, 100.0, 100.0)
    narrow = controller_check.ParameterLimit("current", "A", 0.0, 10.0, 100.0)
    of_any, of_one = ProgramLimits("P1", 1, (limit,)), ProgramLimits("P1", 2, (narrow,), job="J1")
    for programs in ((of_any, of_one), (of_one, of_any)):
        known = Situation("weld-1", {}, programs)
        for job, version, value, code in (
            ("J1", 2, 50.0, Code.ABOVE),
            ("J1", 1, 5.0, Code.WINDOW),
            ("J2", 1, 50.0, Code.OK),
            ("", 1, 50.0, Code.OK),
        ):
            order = Order(
                "x", "parameters", "weld-1", 1, NOW_US, NOW_US + 1, job, "P1", parameters=(("current", value, "A"),), window_version=version
            )
            assert check_order(order, known, NOW_US).code is code
            assert block(inputs(order, known))[0] == code
