"""Reasons why a joint is not released, in English, by code; the dashboard translates them. ``{name}`` is a value of the reason."""

from __future__ import annotations

from typing import Final

CURVE_REASONS: Final[dict[str, str]] = {
    "tool_not_ok": "The tool itself says NOK: {why}.",
    "window_low": "{step}: {quantity} {value} {unit} is below its window, {low} {unit} at least.",
    "window_high": "{step}: {quantity} {value} {unit} is above its window, {high} {unit} at most.",
    "target_missed": "{step}: ended at {value} {unit}, its target is {target} {unit}.",
    "not_monitored": "{step}: risk category {risk} needs a window of torque and one of angle; the program has no window of {quantity}.",
    "result_contradicts": "The file says OK, and these steps say NOK: {steps}.",
    "unread": "The controller tells what is not understood here: {names}.",
    "too_few_samples": "The curve has {samples} samples, too few to judge.",
    "time_stands": "Time does not go on in the curve.",
    "samples_missing": "Samples are missing for {seconds} s.",
    "step_jumps": "{step}: the angle jumps by {angle_deg} degrees where the step begins.",
    "step_jumps_torque": "{step}: torque jumps by {torque_nm} N.m where the step begins.",
    "angle_jumps": "{step}: the angle jumps by {angle_deg} degrees from one sample to the next, as no tool turns.",
    "torque_jumps": "{step}: torque jumps by {torque_nm} N.m from one sample to the next.",
    "gradient_contradicts": "{step}: the controller's own gradient and its torque differ by {torque_nm} N.m.",
    "after_release": "After the tool was let go, torque is {torque_nm} N.m and the angle moves by {angle_deg} degrees.",
    "not_told": "{step}: the controller does not say what {quantity} it reached.",
    "reached_contradicts_torque_nm": "{step}: the controller says {said} N.m, its curve shows {shown} N.m.",
    "reached_contradicts_angle_deg": "{step}: the controller says {said} degrees, its curve shows {shown} degrees.",
    "reached_contradicts_seconds": "{step}: the controller says {said} s, its curve shows {shown} s.",
    "no_reference": "There is no reference of good runs of this program: nobody can say what is usual.",
    "other_program": "The reference is of another program: names, targets, speeds or windows differ.",
    "thin_reference": "The reference knows {runs} good runs only: coarse faults are found, fine ones may not be.",
    "unusual": "{what} is {value} {unit}; good runs of this program have {low} to {high} {unit}.",
    "never_reached": "{what} cannot be told: the curve does not come so far.",
    "suspected": "This looks like: {fault}.",
}
"""Why a curve of torque and angle is not released."""

JOINT_REASONS: Final[dict[str, str]] = {
    "learning": "What good runs of this program look like is being learned; {needed} of them are needed.",
    "decided": "{actor} decided: {note}",
    "no_curve": "There is no curve of torque and angle of this joint.",
    "no_picture": "No picture of this joint's mark has been judged yet.",
    "curve_nok": "Torque and angle are not as they should be.",
    "curve_review": "Torque and angle must be looked at by a person.",
    "curve_not_decidable": "Torque and angle cannot be judged.",
    "mark_nok": "The mark says that the bolt is not as it was tightened: {why}.",
    "mark_review": "The mark must be looked at by a person.",
    "mark_not_decidable": "The mark cannot be judged.",
    "disagree_mark": "Torque and angle are good, and the picture is not: a person decides which is right.",
    "disagree_curve": "The picture is good, and torque and angle are not: a person decides which is right.",
    "order_wrong": "Bolt {bolt} was tightened as number {place}; the plan has it as number {planned}.",
    "order_unknown": "Whether the bolts were tightened in the planned order cannot be told: {why}.",
    "tightened_again": "The bolt was tightened {times} times.",
    "no_serial": "The controller did not say which part this is.",
    "no_tool": "The controller did not say which tool it was.",
    "tool_uncalibrated": "Nobody knows when tool {tool} was calibrated.",
    "tool_expired": "Tool {tool} was calibrated {days} days before; {limit} days are allowed.",
    "picture_uncalibrated": "The picture's camera has no calibration.",
    "other_program_used": "Program {program} was used; this joint needs {planned}.",
    "other_spindle": "Spindle {spindle} tightened this bolt; the plan says spindle {planned}.",
    "bolts_missing": "{missing} of {bolts} bolts have no record yet.",
    "simulation_only": "How sure this kind of fault is found was shown on simulated joints only.",
}
"""Why a joint, made of curve, picture and order, is not released."""

FAULT_WORDS: Final[dict[str, str]] = {
    "cross_thread": "a thread that is crossed",
    "stripped_thread": "a thread that gives way",
    "run_down_short": "a run-down that is too short (washer doubled, bolt too short, something between)",
    "run_down_long": "a run-down that is too long (washer missing, other bolt)",
    "stick_slip": "stick-slip",
    "prevailing_high": "too much prevailing torque (dirt, paint, damaged thread)",
    "prevailing_lost": "prevailing torque lost (no patch, worn nut)",
    "yields": "a bolt that yields (wrong grade, friction low, driven too far)",
    "soft_joint": "a joint that closes late or settles (paint, burr, gasket)",
    "stiff_joint": "a joint that is too stiff (bolt meets the ground, friction high, gain of the transducer)",
    "weak_joint": "a joint that is too weak (friction low, gain of the transducer)",
    "re_hit": "a bolt that was tight already",
    "slipped": "a socket that slipped",
    "premature_stop": "a tool that stopped too early",
    "overdriven": "a tool that stopped too late",
    "transducer_offset": "a transducer that does not begin at zero",
    "encoder": "an angle encoder that loses counts, or angle and torque of different spindles",
}
"""What an unusual curve looks like; a suspicion, no finding."""
