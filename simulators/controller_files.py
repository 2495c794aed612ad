"""Curves as a controller writes them to a file: JSON, one object a tightening, four figures a sample (torque, angle, gradient, time)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from plant.joint_curves import Column, CurveStep, JointCurve, Quantity


def controller_file(curve: JointCurve, cycle: int = 1) -> str:
    """Return the file of a tightening."""
    ended = curve.steps[-1]
    content = {
        "format": "channel",
        "node id": "0.1",
        "nr": 1,
        "result": "OK" if curve.tool_ok else "NOK",
        "prg nr": 1,
        "prg name": curve.program,
        "prg date": "2026-01-01 00:00:00",
        "cycle": cycle,
        "nominal torque": 2000,
        "date": "2026-01-02 03:04:05",
        "id code": curve.part,
        "torque unit": "Nm",
        "last cmd": "TF Torque",
        "quality code": "    1" if curve.tool_ok else "    2",
        "total time": f"{curve.elapsed_s[-1]:.1f}",
        "tool serial": curve.tool,
        "spindle id": curve.spindle,
        "tightening steps": [_step(curve, number, step, last=step is ended) for number, step in enumerate(curve.steps)],
    }
    return json.dumps(content, separators=(", ", ": "))


def _step(curve: JointCurve, number: int, step: CurveStep, *, last: bool) -> dict[str, Any]:
    samples = curve.samples_of(number)
    angle, torque, elapsed = curve.angle_deg[samples], curve.torque_nm[samples], curve.elapsed_s[samples]
    functions: list[dict[str, Any]] = [{"name": f"TF {_name(step.control)}", "nom": step.target, "act": _figure(step.reached)}]
    for window in step.windows:
        for end, value in (("Min", window.low), ("Max", window.high)):
            if value is not None:
                functions.append({"name": f"MF{'s' if end == 'Max' else ''} {_name(window.quantity)}{end}", "nom": value})
                functions[-1]["act"] = _figure(window.reached)
    return {
        "step type": "standard",
        "row": str(number + 2),
        "column": "A",
        "name": step.name,
        "last cmd": f"TF {_name(step.control)}",
        "quality code": "    1" if step.ok else "    2",
        "speed": step.speed,
        "category": 3 if last else 0,
        "result": "OK" if step.ok else "NOK",
        "tightening functions": functions,
        "graph": {
            "angle values": [round(float(value), 3) for value in angle],
            "torque values": [round(float(value), 3) for value in torque],
            "gradient values": [round(float(value), 4) for value in _gradient(curve)[samples]],
            "time values": [round(float(value), 4) for value in elapsed],
        },
    }


def _gradient(curve: JointCurve) -> Column:
    """Return the slope of torque over angle through the last six samples."""
    turned = np.lib.stride_tricks.sliding_window_view(np.pad(curve.angle_deg, (5, 0), mode="edge"), 6)
    raised = np.lib.stride_tricks.sliding_window_view(np.pad(curve.torque_nm, (5, 0), mode="edge"), 6)
    apart = turned - turned.mean(axis=1, keepdims=True)
    spread = np.square(apart).sum(axis=1)
    return np.asarray(np.where(spread > 1e-6, (apart * raised).sum(axis=1) / np.maximum(spread, 1e-6), 0.0), np.float64)


def _figure(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _name(quantity: Quantity) -> str:
    return {Quantity.TORQUE: "Torque", Quantity.ANGLE: "Angle", Quantity.TIME: "Time"}[quantity]
