"""A controller's file of one tightening (JSON, format ``channel``) read into a curve; what is damaged or not as promised is refused.

Nothing is guessed: a missing column, a number that is none, a name given twice, a unit that nobody knows end the reading with Rejected.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from plant.errors import Rejected
from plant.joint_curves import MOST_CURVE_SAMPLES, Column, CurveStep, CurveWindow, JointCurve, Quantity

MOST_BYTES: Final = 16_000_000
_MOST_STEPS: Final = 50
_MOST_FUNCTIONS: Final = 60
_LARGEST: Final = 1e7
_UNITS: Final = {"Nm": 1.0, "N.m": 1.0, "N·m": 1.0, "kNm": 1000.0, "cNm": 0.01, "Ncm": 0.01, "ft lb": 1.3558179, "in lb": 0.11298483}
_RESULTS: Final = {"OK": True, "NOK": False}
_FUNCTION: Final = re.compile(r"(TF|MFs?) (Torque|Angle|Time)(Min|Max)?\Z")
_QUANTITIES: Final = {"Torque": Quantity.TORQUE, "Angle": Quantity.ANGLE, "Time": Quantity.TIME}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\Z")


def read_controller_file(path: Path) -> JointCurve:
    """Return the curve that a file holds. Raises Rejected for one that cannot be read, with what is wrong and where."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Rejected(f"{path}: larger than {MOST_BYTES // 1_000_000} MB, which no tightening is")
        content = path.read_bytes()
    except OSError as error:
        raise Rejected(f"{path}: {error.strerror or error}") from error
    try:
        return controller_curve(content)
    except Rejected as error:
        raise Rejected(f"{path}: {error}") from error


def controller_curve(content: bytes) -> JointCurve:
    """Return the curve that the bytes of a controller file tell. Raises Rejected for all that is not exactly such a file."""
    if len(content) > MOST_BYTES:
        raise Rejected(f"more than {MOST_BYTES // 1_000_000} MB, which no tightening is")
    try:
        told = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Rejected(f"no JSON: {error}") from error
    file = _mapping(told, "the file")
    if _text(file, "format", "") != "channel":
        raise Rejected("format: only 'channel' is known")
    factor = _UNITS.get(_text(file, "torque unit", ""))
    if factor is None:
        raise Rejected(f"torque unit: {file['torque unit']!r} is none of {', '.join(_UNITS)}")
    taken = _text(file, "date", "")
    if not _DATE.match(taken):
        raise Rejected(f"date: {taken!r} is no date and time")
    steps = file.get("tightening steps")
    if not isinstance(steps, list) or not 0 < len(steps) <= _MOST_STEPS:
        raise Rejected(f"tightening steps: a list of 1 to {_MOST_STEPS} is expected")
    return _curve(file, [_mapping(step, f"tightening steps[{number}]") for number, step in enumerate(steps)], factor, taken)


def _curve(file: Mapping[str, Any], steps: list[Mapping[str, Any]], factor: float, taken: str) -> JointCurve:
    read: list[CurveStep] = []
    columns: list[tuple[Column, Column, Column]] = []
    unread: list[str] = []
    slopes: list[Column | None] = []
    first = 0
    for number, step in enumerate(steps):
        place = f"tightening steps[{number}]"
        elapsed, torque, angle, gradient = _graph(step, place)
        read.append(_step(step, place, first, factor, unread))
        columns.append((elapsed, torque * factor, angle))
        slopes.append(None if gradient is None else gradient * factor)
        first += len(elapsed)
        if first > MOST_CURVE_SAMPLES:
            raise Rejected(f"more than {MOST_CURVE_SAMPLES} samples, which no tightening has")
    elapsed, torque, angle = (np.concatenate(column) for column in zip(*columns, strict=True))
    ok = _result(file, "")
    quality = str(file.get("quality code", "1")).strip()
    errors = [] if quality == "1" or not ok else [f"quality code {quality}"]
    program = f"{_text(file, 'prg name', '')} {_text(file, 'prg date', '') if 'prg date' in file else ''}".strip()
    return JointCurve(
        program,
        *(elapsed, torque, angle, tuple(read), ok),
        part=str(file.get("id code", "")),
        taken=taken,
        spindle=str(file.get("spindle id", "")),
        tool=str(file.get("tool serial", "")),
        errors=tuple(errors),
        gradient=None if any(slope is None for slope in slopes) else np.concatenate([slope for slope in slopes if slope is not None]),
        unread=tuple(unread),
    )


def _step(step: Mapping[str, Any], place: str, first: int, factor: float, unread: list[str]) -> CurveStep:
    """Return a step with its windows; names of functions that are not known here are added to ``unread``."""
    functions = step.get("tightening functions")
    if not isinstance(functions, list) or not 0 < len(functions) <= _MOST_FUNCTIONS:
        raise Rejected(f"{place}.tightening functions: a list is expected")
    stop: tuple[Quantity, float, float | None] | None = None
    ends: dict[Quantity, dict[str, tuple[float, float | None]]] = {}
    for number, told in enumerate(functions):
        where = f"{place}.tightening functions[{number}]"
        function = _mapping(told, where)
        name = _text(function, "name", where)
        known = _FUNCTION.match(name)
        if known is None or (known[1] == "TF") == (known[3] is not None):
            unread.append(name)
            continue
        quantity = _QUANTITIES[known[2]]
        worth = factor if quantity is Quantity.TORQUE else 1.0
        wanted, reached = _number(function, "nom", where) * worth, _maybe(function, "act", where)
        reached = None if reached is None else reached * worth
        if known[1] != "TF":
            if known[3] in ends.setdefault(quantity, {}):
                raise Rejected(f"{where}: '{name}' stands there twice")
            ends[quantity][known[3]] = (wanted, reached)
        elif stop is not None:
            raise Rejected(f"{where}: a second function that ends the step")
        else:
            stop = (quantity, wanted, reached)
    if stop is None:
        raise Rejected(f"{place}: nothing ends this step (no 'TF')")
    last = _text(step, "last cmd", place)
    if last != f"TF {next(word for word, quantity in _QUANTITIES.items() if quantity is stop[0])}":
        unread.append(f"ended by {last}")
    speed = _number(step, "speed", place) if "speed" in step else 0.0
    return CurveStep(
        _text(step, "name", place),
        *(first, *stop, speed),
        windows=tuple(_window(quantity, told, place) for quantity, told in sorted(ends.items())),
        ok=_result(step, place),
    )


def _window(quantity: Quantity, ends: Mapping[str, tuple[float, float | None]], place: str) -> CurveWindow:
    low, high = ends.get("Min"), ends.get("Max")
    if low is not None and high is not None and low[1] != high[1]:
        raise Rejected(f"{place}: {quantity} is told twice, as {low[1]} and {high[1]}")
    reached = low[1] if low is not None else high[1] if high is not None else None
    return CurveWindow(quantity, None if low is None else low[0], None if high is None else high[0], reached)


def _graph(step: Mapping[str, Any], place: str) -> tuple[Column, Column, Column, Column | None]:
    """Return time, torque, angle and, where it is told, gradient of a step."""
    graph = _mapping(step.get("graph"), f"{place}.graph")
    columns = [_column(graph, f"{name} values", place) for name in ("time", "torque", "angle")]
    gradient = _column(graph, "gradient values", place) if "gradient values" in graph else None
    sizes = {len(column) for column in [*columns, *([] if gradient is None else [gradient])]}
    if len(sizes) != 1:
        raise Rejected(f"{place}.graph: time, torque, angle and gradient have different numbers of samples")
    return columns[0], columns[1], columns[2], gradient


def _column(graph: Mapping[str, Any], name: str, place: str) -> Column:
    values = graph.get(name)
    if not isinstance(values, list) or not 0 < len(values) <= MOST_CURVE_SAMPLES:
        raise Rejected(f"{place}.graph.{name}: a list of numbers is expected")
    if any(type(value) not in {int, float} or not -_LARGEST < value < _LARGEST for value in values):
        raise Rejected(f"{place}.graph.{name}: not all are numbers that can be")
    return np.array(values, np.float64)


def _mapping(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Rejected(f"{place}: an object is expected")
    return value


def _text(told: Mapping[str, Any], key: str, place: str) -> str:
    value = told.get(key)
    if not isinstance(value, str) or len(value) > 200 or "\0" in value:
        raise Rejected(f"{place + '.' if place else ''}{key}: a text is expected")
    return value


def _number(told: Mapping[str, Any], key: str, place: str) -> float:
    value = told.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not -_LARGEST < value < _LARGEST:
        raise Rejected(f"{place}.{key}: a number is expected")
    return float(value)


def _maybe(told: Mapping[str, Any], key: str, place: str) -> float | None:
    return None if told.get(key) is None else _number(told, key, place)


def _result(told: Mapping[str, Any], place: str) -> bool:
    word = _text(told, "result", place)
    if word not in _RESULTS:
        raise Rejected(f"{place + '.' if place else ''}result: {word!r} is neither OK nor NOK")
    return _RESULTS[word]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise Rejected("a name is given twice in one object")
    return told


def _no_number(word: str) -> float:
    raise Rejected(f"{word} is no number")
