"""What ``site.toml`` may say of alarms, as types."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from plant.alarms import FOUND, AlarmKind
from plant.charts import Rule
from plant.condition import Severity
from plant.strict import Strict

Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]

OF_SOURCES: Final = frozenset({AlarmKind.SILENT, AlarmKind.DISCONNECTED, AlarmKind.GAP})
"""Kinds that watch a source, not a signal."""
_NEEDS_LIMIT: Final = frozenset({AlarmKind.RATE, AlarmKind.DEVIATION, AlarmKind.STALE})
_ONLY_FOR: Final = {
    "window_seconds": {AlarmKind.RATE},
    "set_point": {AlarmKind.DEVIATION},
    "set_point_signal": {AlarmKind.DEVIATION},
    "values": {AlarmKind.DISCRETE},
    "texts": {AlarmKind.DISCRETE},
    "chart": {AlarmKind.CHART},
    "rules": {AlarmKind.CHART},
    "severity": {AlarmKind.CONDITION},
}
_WITHOUT_DEADBAND: Final = OF_SOURCES | FOUND | {AlarmKind.DISCRETE, AlarmKind.STALE}
_WITHOUT_DELAYS: Final = OF_SOURCES | {AlarmKind.STALE}


class SuppressionSettings(Strict):
    """While a signal has one of these values the alarm means nothing by design."""

    signal: Annotated[str, Field(description="name of a signal of the same equipment, or a path below the site; {equipment} is replaced")]
    values: tuple[Finite, ...] = ()
    texts: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> SuppressionSettings:
        if not self.values and not self.texts:
            raise ValueError("give 'values' or 'texts': while the signal has one of them, the alarm is suppressed")
        return self


class AlarmSettings(Strict):
    """One rule that gives an alarm to all signals, or sources, that fit; a later rule changes what an earlier one gave."""

    equipment: Annotated[
        str | None, Field(description="glob over equipment paths below the site; * stays within a segment, ** does not")
    ] = None
    signal: Annotated[str | None, Field(description="glob over names of signals")] = None
    source: Annotated[str | None, Field(description="glob over ids of sources, for the kinds silent, disconnected and gap")] = None
    kind: Literal[
        "high_high",
        "high",
        "low",
        "low_low",
        "rate",
        "deviation",
        "discrete",
        "stale",
        "silent",
        "disconnected",
        "gap",
        "chart",
        "condition",
    ]
    name: Annotated[
        str | None,
        Field(pattern=r"^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$", description="behind the colon of the alarm's id; the kind where not given"),
    ] = None
    enabled: Annotated[bool, Field(description="false takes the alarm away from what fits")] = True
    limit: Annotated[
        Finite | None,
        Field(description="in the signal's unit; per second for rate; in seconds for stale, silent, disconnected and gap"),
    ] = None
    deadband: Annotated[float | None, Field(ge=0, allow_inf_nan=False, description="how far the value must come back")] = None
    on_delay_seconds: Seconds | None = None
    off_delay_seconds: Seconds | None = None
    priority: Literal["urgent", "high", "medium", "low"] | None = None
    latching: Annotated[bool | None, Field(description="stays until an operator resets it")] = None
    window_seconds: Annotated[float | None, Field(gt=0, le=3600, description="rate: the span over which the change is taken")] = None
    set_point: Annotated[Finite | None, Field(description="deviation: what the value should be")] = None
    set_point_signal: Annotated[
        str | None, Field(description="deviation: signal of the same equipment, or path below the site, that tells what it should be")
    ] = None
    values: Annotated[tuple[Finite, ...], Field(description="discrete: numbers that mean the alarm")] = ()
    texts: Annotated[tuple[str, ...], Field(description="discrete: texts that mean the alarm")] = ()
    chart: Annotated[str | None, Field(description="chart: glob over ids of [[charts]]; all where not given")] = None
    rules: Annotated[
        tuple[Rule, ...], Field(description="chart: rules whose violation means the alarm; all of the chart's where not given")
    ] = ()
    severity: Annotated[Severity | None, Field(description="condition: from this one on; slight where not given")] = None
    suppressed_while: SuppressionSettings | None = None
    message: Annotated[str | None, Field(description="what is wrong; {equipment}, {unit} and {signal} are replaced")] = None
    response: Annotated[str | None, Field(description="what the operator shall do")] = None

    @model_validator(mode="after")
    def _fits_kind(self) -> AlarmSettings:
        kind = AlarmKind(self.kind)
        _check_places(self, kind)
        for key, kinds in _ONLY_FOR.items():
            if getattr(self, key) not in (None, ()) and kind not in kinds:
                raise ValueError(f"'{key}' means nothing for the kind '{kind.value}'")
        if self.deadband is not None and kind in _WITHOUT_DEADBAND:
            raise ValueError(f"'deadband' means nothing for the kind '{kind.value}'")
        if kind in _WITHOUT_DELAYS and (self.on_delay_seconds is not None or self.off_delay_seconds is not None):
            raise ValueError(f"'{kind.value}' has no delays: its limit says after how many seconds it comes")
        if self.set_point is not None and self.set_point_signal is not None:
            raise ValueError("give 'set_point' or 'set_point_signal', not both")
        if self.limit is not None and self.limit <= 0 and kind in _NEEDS_LIMIT | OF_SOURCES:
            raise ValueError(f"the limit of '{kind.value}' must be above 0")
        return self


def _check_places(rule: AlarmSettings, kind: AlarmKind) -> None:
    if kind in OF_SOURCES:
        if rule.source is None or rule.equipment is not None or rule.signal is not None:
            raise ValueError(f"'{kind.value}' watches sources: give 'source', not 'equipment' and 'signal'")
    elif kind in FOUND:
        if rule.equipment is None or rule.signal is not None or rule.source is not None:
            raise ValueError(f"'{kind.value}' is found of equipment: give 'equipment', not 'signal' or 'source'")
        for key in ("limit", "on_delay_seconds", "off_delay_seconds", "suppressed_while"):
            if getattr(rule, key) is not None:
                raise ValueError(f"'{key}' means nothing for the kind '{kind.value}'")
    elif rule.equipment is None or rule.signal is None or rule.source is not None:
        raise ValueError(f"'{kind.value}' watches signals: give 'equipment' and 'signal', not 'source'")
