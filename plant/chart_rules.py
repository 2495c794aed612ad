"""``[[charts]]`` of the settings as characteristics, with everything wrong in them said by file and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plant import patterns
from plant.charts import Characteristic, ChartId, ChartKind, Tightened
from plant.equipment import Equipment, EquipmentId
from plant.settings_charts import ChartSettings
from plant.signals import Signal, SignalPath

Placed = Iterable[tuple[str, ChartSettings]]
"""Each with the place in the settings where it stands, for error texts."""
_SIZES = {ChartKind.XBAR_R: 5, ChartKind.XBAR_S: 10}
_UNITS = {Tightened.TORQUE: "N.m", Tightened.ANGLE: "deg", Tightened.VERDICT: ""}


def assemble_charts(
    root: EquipmentId, equipment: Mapping[EquipmentId, Equipment], signals: Iterable[Signal], placed: Placed, problems: list[str]
) -> tuple[Characteristic, ...]:
    """Return what is charted; adds to ``problems`` what is wrong: unknown equipment or signals, an id given twice."""
    below = {path.removeprefix(root + "/"): node for path, node in equipment.items() if path.startswith(root + "/")}
    known = {signal.path: signal for signal in signals}
    found: list[Characteristic] = []
    places: dict[str, str] = {}
    for place, settings in placed:
        if settings.id in places:
            problems.append(f"{place}.id: there is a chart '{settings.id}' already, in {places[settings.id]}")
        places.setdefault(settings.id, place)
        fitting = [node for path, node in below.items() if patterns.matches(settings.equipment, path)]
        if not fitting:
            problems.append(f"{place}.equipment: no equipment fits '{settings.equipment}'; there is e.g. '{next(iter(below), 'none')}'")
        if settings.signal is not None:
            fitting = [node for node in fitting if SignalPath(f"{node.id}/{settings.signal}") in known] or fitting[:1]
        for node in fitting:
            wrong = _wrong_signals(settings, node.id, known)
            problems.extend(f"{place}.{words}" for words in wrong)
            if wrong:
                break
            found.append(_characteristic(settings, node, root, known))
    return tuple(found)


def _wrong_signals(settings: ChartSettings, equipment: EquipmentId, known: Mapping[SignalPath, Signal]) -> list[str]:
    wrong = []
    for key, name in (("signal", settings.signal), ("trigger", settings.trigger)):
        signal = None if name is None else known.get(SignalPath(f"{equipment}/{name}"))
        if name is not None and signal is None:
            wrong.append(f"{key}: there is no signal '{name}' of '{equipment}'")
        elif signal is not None and signal.data_type.is_text and (key == "signal" or settings.kind is ChartKind.P):
            wrong.append(f"{key}: '{name}' is a text; a chart needs a number")
    return wrong


def _characteristic(settings: ChartSettings, node: Equipment, root: EquipmentId, known: Mapping[SignalPath, Signal]) -> Characteristic:
    path, unit = node.id.removeprefix(root + "/"), node.id.rpartition("/")[2]
    signal = None if settings.signal is None else SignalPath(f"{node.id}/{settings.signal}")
    what = settings.signal or str(settings.tightening)
    name = settings.name.replace("{path}", path).replace("{unit}", unit) or f"{node.name}: {what}"
    if settings.kind is ChartKind.P:
        measured = ""
    else:
        measured = _UNITS[settings.tightening] if settings.tightening is not None else "" if signal is None else known[signal].unit
    return Characteristic(
        id=ChartId(f"{settings.id}:{node.id}"),
        group=settings.id,
        name=name,
        equipment=node.id,
        kind=settings.kind,
        unit=measured,
        signal=signal,
        trigger=None if settings.trigger is None else SignalPath(f"{node.id}/{settings.trigger}"),
        step=settings.step,
        taken=settings.take,
        every_us=None if settings.every_seconds is None else round(settings.every_seconds * 1e6),
        tightened=settings.tightening,
        program=settings.program,
        subgroup=settings.subgroup or _SIZES.get(settings.kind, 1),
        phase_1=settings.phase_1,
        phase_1_leave_out=settings.phase_1_leave_out,
        low=settings.low,
        high=settings.high,
        target=settings.target,
        rules=settings.rules,
        weight=settings.weight,
        width=settings.width,
        allowance=settings.allowance,
        decision=settings.decision,
        mean=settings.mean,
        sigma=settings.sigma,
        tool=settings.tool,
    )
