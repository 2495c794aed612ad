"""Changeover sets: all that a work unit must have switched before the first part of another model, checked as one.

A recipe, a torque program, a vision recipe, a robot program and a fixture, each with its version. A set is complete when every part that
the unit needs is there, known and approved, meant for this unit and this model, and fits the others; only then may it be carried out, and
the first part is let in only when all that was read back agrees (``readback_faults``). Sets are written by a person and approved by
another; they are read from a file, nothing learns them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from plant.errors import Rejected
from plant.process_windows import WindowSet
from plant.strict import Strict

Text = Annotated[str, Field(min_length=1, max_length=200)]
Person = Annotated[str, Field(min_length=1, max_length=100)]
Version = Annotated[str, Field(min_length=1, max_length=80)]


class PartKind(StrEnum):
    """What can be switched."""

    RECIPE = "recipe"
    TORQUE_PROGRAM = "torque_program"
    VISION_RECIPE = "vision_recipe"
    ROBOT_PROGRAM = "robot_program"
    FIXTURE = "fixture"


class Tie(Strict):
    """Another part that one goes with, or does not."""

    kind: PartKind
    name: Text
    versions: Annotated[tuple[Version, ...], Field(description="any where none is given")] = ()

    def holds_for(self, other: Chosen) -> bool:
        """Whether a chosen part is the one that is meant."""
        return fnmatchcase(other.name, self.name) and (not self.versions or other.version in self.versions)


class Part(Strict):
    """A program, a recipe or a fixture in one version, as it was approved."""

    kind: PartKind
    name: Text
    version: Version
    work_units: Annotated[tuple[Text, ...], Field(description="where it may be used; * and ? stand for any letters")] = ("*",)
    models: Annotated[tuple[Text, ...], Field(description="models that it is valid for; * and ? stand for any letters")] = ("*",)
    author: Person
    approver: Person
    needs: tuple[Tie, ...] = ()
    excludes: tuple[Tie, ...] = ()
    inspection_model: Annotated[
        str, Field(pattern=r"^([0-9a-f]{6,64})?$", description="vision recipes: first digits of the hash of the model that judges")
    ] = ""

    @model_validator(mode="after")
    def _sound(self) -> Part:
        _two_persons(self.author, self.approver)
        if self.inspection_model and self.kind is not PartKind.VISION_RECIPE:
            raise ValueError("'inspection_model' is for vision recipes only")
        return self


class Chosen(Strict):
    """A part of a set by name and version."""

    name: Text
    version: Version


class ChangeoverSet(Strict):
    """What one work unit must have for a model, or for models of one kind."""

    work_unit: Text
    model: Annotated[str, Field(min_length=1, max_length=200, description="* and ? stand for any letters")]
    version: Annotated[int, Field(strict=True, ge=1)]
    author: Person
    approver: Person
    recipe: Chosen | None = None
    torque_program: Chosen | None = None
    vision_recipe: Chosen | None = None
    robot_program: Chosen | None = None
    fixture: Chosen | None = None

    @model_validator(mode="after")
    def _sound(self) -> ChangeoverSet:
        _two_persons(self.author, self.approver)
        if not self.parts:
            raise ValueError("a set has one part at least: recipe, torque_program, vision_recipe, robot_program or fixture")
        return self

    @property
    def parts(self) -> dict[PartKind, Chosen]:
        """What it is made of."""
        chosen = {kind: getattr(self, kind.value) for kind in PartKind}
        return {kind: one for kind, one in chosen.items() if one is not None}


class UnitNeeds(Strict):
    """Which parts a work unit cannot do without."""

    work_unit: Text
    needs: Annotated[tuple[PartKind, ...], Field(min_length=1)]


class ChangeoverFile(Strict):
    """A file of changeover sets."""

    units: Annotated[tuple[UnitNeeds, ...], Field(min_length=1)]
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=20_000)]
    sets: Annotated[tuple[ChangeoverSet, ...], Field(max_length=50_000)] = ()


def _two_persons(author: str, approver: str) -> None:
    if author.strip().casefold() == approver.strip().casefold():
        raise ValueError(f"'approver' must be another person than 'author' ({author}): nobody approves what he wrote")


@dataclass(frozen=True, slots=True)
class ChangeoverBook:
    """All changeover sets of a factory."""

    units: tuple[UnitNeeds, ...]
    parts: tuple[Part, ...]
    sets: tuple[ChangeoverSet, ...]
    _known: dict[tuple[PartKind, str, str], Part] = field(default_factory=dict)

    def needs(self, work_unit: str) -> tuple[PartKind, ...]:
        """Return the parts that a work unit needs; none where it is not listed: nothing is switched there."""
        return next((one.needs for one in self.units if one.work_unit == work_unit), ())

    def part(self, kind: PartKind, chosen: Chosen) -> Part | None:
        """Return a part, None where nobody approved such a one."""
        if not self._known:
            self._known.update({(one.kind, one.name, one.version): one for one in self.parts})
        return self._known.get((kind, chosen.name, chosen.version))

    def of(self, work_unit: str, model: str) -> ChangeoverSet:
        """Return the one set that holds; of several the one that names the most letters. Rejected where none does, or two alike."""
        found = sorted(
            (one for one in self.sets if one.work_unit == work_unit and fnmatchcase(model, one.model)),
            key=lambda one: (_letters(one.model), one.version),
            reverse=True,
        )
        if not found:
            raise Rejected(f"there is no changeover set of '{work_unit}' for model '{model}'")
        if len(found) > 1 and (_letters(found[0].model), found[0].version) == (_letters(found[1].model), found[1].version):
            raise Rejected(f"two changeover sets of '{work_unit}' hold alike for model '{model}'; make one of them more exact")
        return found[0]


def _letters(pattern: str) -> int:
    return len(pattern.replace("*", "").replace("?", ""))


@dataclass(frozen=True, slots=True)
class InCharge:
    """What stands outside of the book and parts must agree with."""

    windows: WindowSet | None = None
    """None: there are none, and recipes are not held against them."""
    inspection_models: frozenset[str] | None = None
    """Hashes of the models that are in charge of judging pictures; None: not known here."""


class Fault(StrEnum):
    """What keeps a set from being complete, or a unit from being released."""

    NO_SET = "no_set"
    MISSING = "missing"
    UNKNOWN = "unknown"
    OTHER_UNIT = "other_unit"
    OTHER_MODEL = "other_model"
    NEEDS = "needs"
    EXCLUDES = "excludes"
    NO_WINDOW = "no_window"
    NOT_IN_CHARGE = "not_in_charge"
    NOT_READ = "not_read"
    READ_BEFORE = "read_before"
    OTHER_READ = "other_read"
    NOT_IN_SET = "not_in_set"


FAULT_WORDS: Final[Mapping[Fault, str]] = {
    Fault.NO_SET: "{unit} has no changeover set for {model}",
    Fault.MISSING: "{unit} needs a {kind}, and the set has none",
    Fault.UNKNOWN: "{kind} {name} in version {version} is not known, or nobody approved it",
    Fault.OTHER_UNIT: "{kind} {name} {version} is not for {unit}",
    Fault.OTHER_MODEL: "{kind} {name} {version} is not valid for {model}",
    Fault.NEEDS: "{kind} {name} {version} goes with {other_kind} {other}, and the set has {found}",
    Fault.EXCLUDES: "{kind} {name} {version} does not go with {other_kind} {other}",
    Fault.NO_WINDOW: "recipe {name} has no process window at {unit}",
    Fault.NOT_IN_CHARGE: "vision recipe {name} {version} is for model {digits}, which is not in charge",
    Fault.NOT_READ: "{kind}: nothing was read back",
    Fault.READ_BEFORE: "{kind}: what was read back is from before the change",
    Fault.OTHER_READ: "{kind}: {name} {version} should be there, {found} is",
    Fault.NOT_IN_SET: "{kind}: {found} is switched on, and the set has none",
}
KIND_WORDS: Final[Mapping[PartKind, str]] = {kind: kind.value.replace("_", " ") for kind in PartKind}


@dataclass(frozen=True, slots=True)
class SetFault:
    """One thing that is wrong, as values that can be put in any language."""

    fault: Fault
    values: Mapping[str, str]

    @property
    def words(self) -> str:
        """A sentence for people."""
        shown = {key: KIND_WORDS[PartKind(value)] if key.endswith("kind") else value for key, value in self.values.items()}
        return FAULT_WORDS[self.fault].format(**shown)


def changeover_faults(book: ChangeoverBook, one: ChangeoverSet, model: str, charge: InCharge = InCharge()) -> tuple[SetFault, ...]:
    """Return all that keeps a set from being carried out for a model; none: it is complete."""
    parts = one.parts
    found = [SetFault(Fault.MISSING, {"unit": one.work_unit, "kind": kind}) for kind in book.needs(one.work_unit) if kind not in parts]
    for kind, chosen in parts.items():
        told = {"kind": kind.value, "name": chosen.name, "version": chosen.version}
        part = book.part(kind, chosen)
        if part is None:
            found.append(SetFault(Fault.UNKNOWN, told))
            continue
        if not any(fnmatchcase(one.work_unit, pattern) for pattern in part.work_units):
            found.append(SetFault(Fault.OTHER_UNIT, told | {"unit": one.work_unit}))
        if not any(fnmatchcase(model, pattern) for pattern in part.models):
            found.append(SetFault(Fault.OTHER_MODEL, told | {"model": model}))
        found += _ties(part, told, parts)
        found += _outside(part, told, one.work_unit, charge)
    return tuple(found)


def _ties(part: Part, told: dict[str, str], parts: Mapping[PartKind, Chosen]) -> list[SetFault]:
    found = []
    for tie in part.needs:
        other = parts.get(tie.kind)
        if other is None or not tie.holds_for(other):
            has = "none" if other is None else f"{other.name} {other.version}"
            found.append(SetFault(Fault.NEEDS, told | {"other_kind": tie.kind.value, "other": _meant(tie), "found": has}))
    for tie in part.excludes:
        other = parts.get(tie.kind)
        if other is not None and tie.holds_for(other):
            found.append(SetFault(Fault.EXCLUDES, told | {"other_kind": tie.kind.value, "other": f"{other.name} {other.version}"}))
    return found


def _meant(tie: Tie) -> str:
    return f"{tie.name} {' or '.join(tie.versions)}".strip()


def _outside(part: Part, told: dict[str, str], work_unit: str, charge: InCharge) -> list[SetFault]:
    if part.kind is PartKind.RECIPE and charge.windows is not None:
        try:
            charge.windows.of(work_unit, part.name)
        except Rejected:
            return [SetFault(Fault.NO_WINDOW, told | {"unit": work_unit})]
    models = charge.inspection_models
    if part.inspection_model and models is not None and not any(one.startswith(part.inspection_model) for one in models):
        return [SetFault(Fault.NOT_IN_CHARGE, told | {"digits": part.inspection_model[:12]})]
    return []


@dataclass(frozen=True, slots=True)
class Readback:
    """What a device says that it has switched on."""

    name: str
    version: str
    time_us: int
    """When it was read."""


def readback_faults(one: ChangeoverSet, readbacks: Mapping[PartKind, Readback], not_before_us: int) -> tuple[SetFault, ...]:
    """Return why the first part must not be let in yet; none: all that was read back since then agrees with the set.

    A device that has switched on what the set does not have is a fault too: nobody checked that it goes with the rest.
    """
    found = []
    for kind, chosen in one.parts.items():
        read = readbacks.get(kind)
        if read is None:
            found.append(SetFault(Fault.NOT_READ, {"kind": kind.value}))
        elif read.time_us < not_before_us:
            found.append(SetFault(Fault.READ_BEFORE, {"kind": kind.value}))
        elif (read.name, read.version) != (chosen.name, chosen.version):
            has = f"{read.name} {read.version}".strip() or "nothing"
            found.append(SetFault(Fault.OTHER_READ, {"kind": kind.value, "name": chosen.name, "version": chosen.version, "found": has}))
    for kind, read in readbacks.items():
        if kind not in one.parts and read.name:
            found.append(SetFault(Fault.NOT_IN_SET, {"kind": kind.value, "found": f"{read.name} {read.version}".strip()}))
    return tuple(found)


def set_record(one: ChangeoverSet) -> dict[str, Any]:
    """Return a set for the audit trail and for programs."""
    return one.model_dump(mode="json", exclude_none=True)
