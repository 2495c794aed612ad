"""From ``[[alarms]]`` rules to the alarms of what the monitor finds: charts out of control, and equipment that does not work as usual.

There is none without a rule: who charts fifty characteristics by eight rules does not want an operator called for each point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from plant import patterns
from plant.alarm_rules import given_by
from plant.alarms import FOUND, AlarmDefinition, AlarmId, AlarmKind
from plant.charts import RULES, Characteristic
from plant.condition import ConditionPlan, Severity
from plant.equipment import EquipmentId
from plant.settings_alarms import AlarmSettings
from plant.signals import SignalPath

_OF_CHART: Final = ("{chart} is out of control", "Look at the chart, find what changed, and note the cause at the point")
_OF_CONDITION: Final = ("{unit} does not work as usual", "Look at the reasons on the page of the condition, and answer the finding")
_SEVERITIES: Final = tuple(Severity)


def with_found(
    root: EquipmentId,
    base: Sequence[AlarmDefinition],
    rules: Iterable[tuple[str, AlarmSettings]],
    charts: Sequence[Characteristic],
    plans: Sequence[ConditionPlan],
    problems: list[str],
) -> tuple[AlarmDefinition, ...]:
    """Return the alarms of a site with those of charts and of condition behind them; what is wrong is added to ``problems``."""
    found = {definition.id: definition for definition in base}
    for place, rule in rules:
        kind = AlarmKind(rule.kind)
        if kind not in FOUND:
            continue
        fresh = list(_of_charts(root, rule, charts) if kind is AlarmKind.CHART else _of_plans(root, rule, plans))
        if not fresh:
            problems.append(f"{place}: {_why_none(root, rule, charts, plans)}")
        if kind is AlarmKind.CHART:
            problems.extend(_never(place, rule, charts, fresh))
        for made in fresh:
            if not rule.enabled:
                found.pop(made.id, None)
                continue
            known = found.get(made.id)
            unit = str(made.equipment).rpartition("/")[2]
            chart = next((one.name for one in charts if one.id == made.chart), "")
            words = {"equipment": str(made.equipment)[len(root) + 1 :], "unit": unit, "chart": chart}
            given = given_by(rule, words)
            if known is None:
                message, response = _OF_CHART if kind is AlarmKind.CHART else _OF_CONDITION
                given = {"message": message.format(**words), "response": response} | given
            if rule.rules:
                given["texts"] = tuple(each.value for each in rule.rules)
            if rule.severity is not None:
                given["texts"] = tuple(each.value for each in _SEVERITIES[_SEVERITIES.index(rule.severity) :])
            found[made.id] = replace(known or made, **given)
    return tuple(found.values())


def _of_charts(root: EquipmentId, rule: AlarmSettings, charts: Sequence[Characteristic]) -> Iterator[AlarmDefinition]:
    for one in charts:
        fits = patterns.matches(rule.equipment or "", one.equipment[len(root) + 1 :]) and patterns.matches(rule.chart or "*", one.group)
        if fits:
            name = AlarmId(f"{one.equipment}:{rule.name or rule.kind}-{one.group}")
            yield AlarmDefinition(name, SignalPath(""), AlarmKind.CHART, equipment=one.equipment, chart=one.id)


def _of_plans(root: EquipmentId, rule: AlarmSettings, plans: Sequence[ConditionPlan]) -> Iterator[AlarmDefinition]:
    for one in plans:
        if patterns.matches(rule.equipment or "", one.equipment[len(root) + 1 :]):
            name = AlarmId(f"{one.equipment}:{rule.name or rule.kind}")
            everything = tuple(each.value for each in _SEVERITIES)
            yield AlarmDefinition(name, SignalPath(""), AlarmKind.CONDITION, equipment=one.equipment, texts=everything)


def _why_none(root: EquipmentId, rule: AlarmSettings, charts: Sequence[Characteristic], plans: Sequence[ConditionPlan]) -> str:
    if AlarmKind(rule.kind) is AlarmKind.CONDITION:
        there = next((str(one.equipment)[len(root) + 1 :] for one in plans), None)
        return f"no equipment that [[condition]] watches fits '{rule.equipment}'" + (f"; there is e.g. '{there}'" if there else "")
    there = next((f"'{one.group}' of '{str(one.equipment)[len(root) + 1 :]}'" for one in charts), None)
    return f"no chart '{rule.chart or '*'}' of equipment that fits '{rule.equipment}'" + (f"; there is e.g. {there}" if there else "")


def _never(place: str, rule: AlarmSettings, charts: Sequence[Characteristic], fresh: Sequence[AlarmDefinition]) -> list[str]:
    """Return what is wrong where none of a rule's patterns is ever looked for on a chart."""
    wanted = {one.chart for one in fresh}
    bad = [one for one in charts if one.id in wanted and rule.rules and not set(rule.rules) & set(RULES[one.rules])]
    return [f"{place}.rules: the chart '{bad[0].group}' is judged by '{bad[0].rules.value}', which has none of them"] if bad else []
