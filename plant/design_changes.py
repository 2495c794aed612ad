"""Design changes: a new version of a product as PLM tells it, what of the plant in force it touches, and which version holds for a serial.

Values and pure functions. A change is read strictly; it is in force once each station that it touches has acknowledged it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, model_validator

from plant.errors import SettingsError
from plant.process_network import ProcessNetwork
from plant.products import Feature, FeatureKind, Product
from plant.route_rules import allowed
from plant.strict import Strict

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Setting = Word | Number | bool
_DIGITS: Final = re.compile(r"(\d+)")
_MOST: Final = 500


class ChangeStage(StrEnum):
    """How far a design change has come."""

    WAITING = "waiting"
    """For the acknowledgement of stations."""
    IN_FORCE = "in_force"
    REFUSED = "refused"
    """By a station, so that it never comes into force."""
    WITHDRAWN = "withdrawn"


class Limits(Strict):
    """Between what a value must lie."""

    low: Number
    high: Number

    @model_validator(mode="after")
    def _ordered(self) -> Limits:
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} must lie below high {self.high:g}")
        return self


class TighteningChange(Strict):
    """New limits of a tightening program at a station."""

    station: Annotated[Word, Field(description="equipment that tightens, as in v_tightening")]
    program: Annotated[int, Field(ge=0, le=9999)]
    torque_nm: Limits | None = None
    angle_deg: Limits | None = None

    @model_validator(mode="after")
    def _something(self) -> TighteningChange:
        if self.torque_nm is None and self.angle_deg is None:
            raise ValueError("give 'torque_nm' or 'angle_deg', or both")
        return self


class VisionChange(Strict):
    """A new value of a setting by which a view of a vision station judges."""

    station: Word
    view: Word
    setting: Annotated[Word, Field(description="e.g. seam.level, seam.plate_mm, bolts.count")]
    value: Setting


class DesignChange(Strict):
    """A new version of a product, effective from a serial number."""

    leadhand: Annotated[Literal["design-change/1"], Field(description="the format")] = "design-change/1"
    number: Annotated[Word, Field(description="by which PLM knows the change")]
    product: Word
    version: Word
    title: Annotated[str, Field(max_length=500)] = ""
    reason: Annotated[str, Field(max_length=2000)] = ""
    author: Annotated[str, Field(max_length=200)] = ""
    effective_from: Annotated[Word, Field(description="serial number of the first part that is made so")]
    features: Annotated[
        dict[Word, Word | Number], Field(default_factory=dict, max_length=_MOST, description="features that change, with their new values")
    ]
    operations_added: Annotated[tuple[Word, ...], Field(max_length=_MOST)] = ()
    operations_removed: Annotated[tuple[Word, ...], Field(max_length=_MOST)] = ()
    alternatives_removed: Annotated[tuple[Word, ...], Field(max_length=_MOST, description="that may not be used any more")] = ()
    programs: Annotated[dict[Word, Word], Field(default_factory=dict, max_length=_MOST, description="by alternative: its new program")]
    tightening: Annotated[tuple[TighteningChange, ...], Field(max_length=_MOST)] = ()
    vision: Annotated[tuple[VisionChange, ...], Field(max_length=_MOST)] = ()
    stations: Annotated[tuple[Word, ...], Field(max_length=_MOST, description="more stations that must acknowledge it")] = ()

    @model_validator(mode="after")
    def _changes_something(self) -> DesignChange:
        changes = (self.features, self.operations_added, self.operations_removed, self.alternatives_removed, self.programs)
        if not any((*changes, self.tightening, self.vision)):
            raise ValueError("it changes nothing: give features, operations, programs, tightening or vision limits")
        both = set(self.operations_added) & set(self.operations_removed)
        if both:
            raise ValueError(f"operation '{min(both)}' is added and removed")
        return self


@dataclass(frozen=True, slots=True)
class InForce:
    """What a change is compared with: the plant as it works now. What is not known is empty."""

    network: ProcessNetwork | None = None
    product: Product | None = None
    tightening: Mapping[tuple[str, int], tuple[Limits | None, Limits | None]] = field(default_factory=dict)
    """Of torque and angle, by station and program, as the tools last reported them."""
    vision: Mapping[tuple[str, str, str], Setting] = field(default_factory=dict)
    """By station, view and setting."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that a change does to what is in force: a code with words in ``EFFECT_WORDS`` and the values in them."""

    kind: str
    """feature, route, program, tightening or vision."""
    code: str
    values: Mapping[str, str | float]
    stations: tuple[str, ...] = ()
    """Who has to know."""


EFFECT_WORDS: Final = {
    "feature": "{feature} becomes {after} instead of {before}.",
    "feature_first": "{feature} becomes {after}; it was not known before.",
    "operation_added": "Operation {operation} is added; it can be done at {stations}.",
    "operation_removed": "Operation {operation} is not done any more.",
    "step_removed": "{alternative} at {station} may not be used any more, and the current route uses it: another route is needed.",
    "alternative_removed": "{alternative} at {station} may not be used any more; the current route does not use it.",
    "step_forbidden": "With the new features rule {rule} forbids {alternative} at {station}, which the current route uses: {text}",
    "alternative_forbidden": "With the new features rule {rule} forbids {alternative} at {station}: {text}",
    "alternative_allowed": "With the new features {alternative} at {station} is not forbidden any more.",
    "program": "{alternative} at {station} runs program {after} instead of {before}.",
    "program_first": "{alternative} at {station} runs program {after}; it named none before.",
    "torque": "Torque of program {program} at {station}: {after} N·m instead of {before}.",
    "torque_first": "Torque of program {program} at {station}: {after} N·m; no limits were seen of it yet.",
    "angle": "Angle of program {program} at {station}: {after}° instead of {before}.",
    "angle_first": "Angle of program {program} at {station}: {after}°; no limits were seen of it yet.",
    "vision": "{setting} of view {view} at {station}: {after} instead of {before}.",
    "vision_first": "{setting} of view {view} at {station}: {after}; the settings did not say it.",
}
"""In English, by code; the dashboard translates them."""


def read_design_change(record: object) -> DesignChange:
    """Return the change that a JSON value tells. Raises SettingsError with a sentence for each wrong key."""
    try:
        return DesignChange.model_validate(record)
    except ValidationError as error:
        raise SettingsError(
            [
                f"{'.'.join(str(step) for step in one['loc']) or 'design change'}: {one['msg'].removeprefix('Value error, ')}"
                for one in error.errors(include_url=False)
            ]
        ) from error


def design_change_schema() -> dict[str, Any]:
    """Return the JSON schema of what PLM sends."""
    return DesignChange.model_json_schema()


def change_problems(change: DesignChange, now: InForce) -> list[str]:
    """Return what a change names and the plant does not know, a sentence each; empty where all is known."""
    told: list[str] = []
    network = now.network
    if network is None:
        if change.features or change.operations_added or change.operations_removed or change.alternatives_removed or change.programs:
            told.append("there is no process network yet, so features, operations and programs mean nothing; import one first")
    else:
        known = {feature.name: feature for feature in network.features}
        for name, value in change.features.items():
            if name not in known:
                told.append(f"features.{name}: is no feature of the network; there are: {', '.join(known)}")
            elif (known[name].kind is FeatureKind.NUMBER) != (not isinstance(value, str)):
                told.append(f"features.{name}: write a {'number' if known[name].kind is FeatureKind.NUMBER else 'text'}, not {value!r}")
        operations = {operation.id for operation in network.operations}
        for key, names in (("operations_added", change.operations_added), ("operations_removed", change.operations_removed)):
            told += [f"{key}: there is no operation '{name}' in the network" for name in names if name not in operations]
        for key, names in (("alternatives_removed", change.alternatives_removed), ("programs", tuple(change.programs))):
            told += [f"{key}: there is no alternative '{name}' in the network" for name in names if name not in network.positions]
    if not told and not stations_of(change, now):
        told.append(f"stations: no station is known that makes '{change.product}'; name those that must acknowledge the change")
    return told


def new_product(change: DesignChange, now: InForce) -> Product | None:
    """Return the product as it will be, None where it is not known what it is now."""
    if now.product is None:
        return None
    changed: dict[str, Feature] = {**now.product.features, **change.features}
    return replace(now.product, id=versioned(change.product, change.version), features=changed)


def versioned(product: str, version: str) -> str:
    """Return the id of a version of a product."""
    return f"{product}@{version}"


def effects(change: DesignChange, now: InForce) -> tuple[Effect, ...]:
    """Return what a change does to what is in force, the route first; empty where all is so already."""
    return (*_route_effects(change, now), *_feature_effects(change, now), *_tightening_effects(change, now), *_vision_effects(change, now))


def stations_of(change: DesignChange, now: InForce) -> tuple[str, ...]:
    """Return the stations that must acknowledge a change: those that make the product now, those it touches, those it names."""
    found = dict.fromkeys(_route_stations(change, now))
    for effect in effects(change, now):
        found.update(dict.fromkeys(effect.stations))
    return tuple(dict.fromkeys([*found, *change.stations]))


def stage_of(answers: Iterable[bool | None]) -> ChangeStage:
    """Return how far a change has come by what its stations say: yes, no, or nothing yet."""
    said = list(answers)
    if any(answer is False for answer in said):
        return ChangeStage.REFUSED
    return ChangeStage.IN_FORCE if all(said) else ChangeStage.WAITING


def version_for(serial: str, changes: Iterable[tuple[str, str]]) -> str | None:
    """Return which version holds for a serial number, of (effective from, version) in the order of their coming; None before the first.

    Serials are compared as people read them: ``EX-9`` comes before ``EX-10``. A change does not touch serials of another shape.
    """
    wanted, found, best = _shape(serial), None, None
    for begin, version in changes:
        words, numbers = _shape(begin)
        if words == wanted[0] and numbers <= wanted[1] and (best is None or numbers >= best):
            found, best = version, numbers
    return found


def _shape(serial: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    parts = _DIGITS.split(serial.strip())
    return tuple(parts[0::2]), tuple(int(part) for part in parts[1::2])


def _current(change: DesignChange, now: InForce) -> tuple[str, ...]:
    route = None if now.network is None else now.network.current_route(change.product)
    return () if route is None else route.alternatives


def _route_stations(change: DesignChange, now: InForce) -> tuple[str, ...]:
    if now.network is None:
        return ()
    return tuple(now.network.alternative(step).work_unit for step in _current(change, now) if step in now.network.positions)


def _route_effects(change: DesignChange, now: InForce) -> Iterator[Effect]:
    network = now.network
    if network is None:
        return
    current = set(_current(change, now))
    for operation in network.operations:
        units = tuple(dict.fromkeys(one.work_unit for one in operation.alternatives))
        used = tuple(one.work_unit for one in operation.alternatives if one.id in current)
        if operation.id in change.operations_added and not used:
            yield Effect("route", "operation_added", {"operation": operation.id, "stations": ", ".join(units)}, units)
        if operation.id in change.operations_removed:
            yield Effect("route", "operation_removed", {"operation": operation.id}, used)
    for name in change.alternatives_removed:
        if name in network.positions:
            unit = network.alternative(name).work_unit
            told = {"alternative": name, "station": unit}
            yield Effect("route", "step_removed" if name in current else "alternative_removed", told, (unit,))
    yield from _rule_effects(change, now, current)
    for name, program in change.programs.items():
        if name in network.positions and (one := network.alternative(name)).program != program:
            words = {"alternative": name, "station": one.work_unit, "after": program, "before": one.program or ""}
            yield Effect("program", "program" if one.program else "program_first", words, (one.work_unit,))


def _rule_effects(change: DesignChange, now: InForce, current: set[str]) -> Iterator[Effect]:
    network, after = now.network, new_product(change, now)
    if network is None or now.product is None or after is None or not change.features:
        return
    if any(feature.name not in after.features for feature in network.features):
        return
    texts = {rule.id: rule.text for rule in network.rules}
    before_removed = {name for name, _ in allowed(network, now.product).removed}
    after_removed = dict(allowed(network, after).removed)
    for name, rule in after_removed.items():
        if name not in before_removed:
            unit = network.alternative(name).work_unit
            told = {"rule": rule, "alternative": name, "station": unit, "text": texts.get(rule, "")}
            if name in current:
                yield Effect("route", "step_forbidden", told, (unit,))
            else:  # nothing is made there now, so nobody there has to know
                yield Effect("route", "alternative_forbidden", told)
    for name in sorted(before_removed - after_removed.keys()):
        yield Effect("route", "alternative_allowed", {"alternative": name, "station": network.alternative(name).work_unit})


def _feature_effects(change: DesignChange, now: InForce) -> Iterator[Effect]:
    known = {} if now.product is None else now.product.features
    for name, value in change.features.items():
        if name not in known:
            yield Effect("feature", "feature_first", {"feature": name, "after": _said(value)})
        elif known[name] != value:
            yield Effect("feature", "feature", {"feature": name, "after": _said(value), "before": _said(known[name])})


def _tightening_effects(change: DesignChange, now: InForce) -> Iterator[Effect]:
    for one in change.tightening:
        before = now.tightening.get((one.station, one.program), (None, None))
        for code, asked, known in (("torque", one.torque_nm, before[0]), ("angle", one.angle_deg, before[1])):
            if asked is None or asked == known:
                continue
            told = {"program": str(one.program), "station": one.station, "after": _span(asked)}
            if known is None:
                yield Effect("tightening", f"{code}_first", told, (one.station,))
            else:
                yield Effect("tightening", code, {**told, "before": _span(known)}, (one.station,))


def _vision_effects(change: DesignChange, now: InForce) -> Iterator[Effect]:
    for one in change.vision:
        known = now.vision.get((one.station, one.view, one.setting))
        if known == one.value:
            continue
        told = {"setting": one.setting, "view": one.view, "station": one.station, "after": _said(one.value)}
        if known is None:
            yield Effect("vision", "vision_first", told, (one.station,))
        else:
            yield Effect("vision", "vision", {**told, "before": _said(known)}, (one.station,))


def _said(value: Setting) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _span(limits: Limits) -> str:
    return f"{limits.low:g}\N{EN DASH}{limits.high:g}"
