"""``[[condition]]`` of the settings as plans, with everything wrong in them said by file and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plant import patterns
from plant.condition import ConditionPlan, EnergySignal, WearRule
from plant.equipment import Equipment, EquipmentId
from plant.settings_condition import ConditionWatchSettings
from plant.signals import Signal, SignalPath

Placed = Iterable[tuple[str, ConditionWatchSettings]]
"""Each with the place in the settings where it stands, for error texts."""


def assemble_condition(
    root: EquipmentId, equipment: Mapping[EquipmentId, Equipment], signals: Iterable[Signal], placed: Placed, problems: list[str]
) -> tuple[ConditionPlan, ...]:
    """Return how each equipment is watched; adds to ``problems`` what is wrong: unknown equipment or signals, one watched twice."""
    below = {path.removeprefix(root + "/"): path for path in equipment if path.startswith(root + "/")}
    known = {signal.path: signal for signal in signals}
    found: dict[EquipmentId, tuple[ConditionPlan, str]] = {}
    for place, settings in placed:
        fitting = [path for short, path in below.items() if patterns.matches(settings.equipment, short)]
        if not fitting:
            problems.append(f"{place}.equipment: no equipment fits '{settings.equipment}'; there is e.g. '{next(iter(below), 'none')}'")
        # a glob such as ** fits lines and halls too: those without the counter are not meant, unless none has it
        fitting = [path for path in fitting if SignalPath(f"{path}/{settings.parts}") in known] or fitting[:1]
        for path in fitting:
            wrong = list(_wrong(settings, path, known))
            problems.extend(f"{place}.{words}" for words in wrong)
            if wrong:
                break
            if path in found:
                problems.append(f"{place}.equipment: '{path}' is watched already, in {found[path][1]}")
                break
            found[path] = (_plan(settings, path), place)
    return tuple(plan for plan, _ in found.values())


def _wrong(settings: ConditionWatchSettings, equipment: EquipmentId, known: Mapping[SignalPath, Signal]) -> Iterable[str]:
    numbers = [(f"signals[{n}]", name) for n, name in enumerate(settings.signals, 1)]
    numbers += [("energy.signal", settings.energy.signal)] if settings.energy is not None else []
    numbers += [("wear.signal", settings.wear.signal)] if settings.wear is not None else []
    words = [(key, getattr(settings, key)) for key in ("parts", "step", "program", "running", "tool_life")]
    for key, name in [*numbers, *words]:
        if name is None:
            continue
        signal = known.get(SignalPath(f"{equipment}/{name}"))
        if signal is None:
            yield f"{key}: there is no signal '{name}' of '{equipment}'"
        elif signal.data_type.is_text and (key, name) in numbers:
            yield f"{key}: '{name}' is a text; a number is needed"


def _plan(settings: ConditionWatchSettings, equipment: EquipmentId) -> ConditionPlan:
    def path(name: str) -> SignalPath:
        return SignalPath(f"{equipment}/{name}")

    def maybe(name: str | None) -> SignalPath | None:
        return None if name is None else path(name)

    energy, wear = settings.energy, settings.wear
    return ConditionPlan(
        equipment=equipment,
        signals=tuple(path(name) for name in dict.fromkeys(settings.signals)),
        parts=path(settings.parts),
        step=maybe(settings.step),
        program=maybe(settings.program),
        running=None if settings.running is None else (path(settings.running), settings.running_values),
        tool_life=maybe(settings.tool_life),
        on_tool_change=settings.on_tool_change,
        least_parts=settings.least_parts,
        parts_per_false_call=settings.parts_per_false_call,
        longest_part_us=round(settings.longest_part_minutes * 60e6),
        energy=None if energy is None else EnergySignal(path(energy.signal), energy.reads == "meter", energy.factor),
        wear=None if wear is None else WearRule(path(wear.signal), wear.step, wear.worn_percent),
    )
