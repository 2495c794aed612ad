"""Settings as services return them, and what is asked about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from plant.settings_calendars import Day

LONGEST_FILE = 1_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingsDraft(_Strict):
    """A file as it would stand."""

    file: Annotated[str, Field(min_length=1, max_length=400, description="path below the folder of site.toml")]
    content: Annotated[str, Field(max_length=LONGEST_FILE)]


class SettingsSave(SettingsDraft):
    """A file to be saved."""

    digest: Annotated[str, Field(max_length=64, description="of the file as it was when it was read: nobody else's change is lost")]
    note: Annotated[str, Field(max_length=500, description="why, for those who come after")] = ""


class RestoreDraft(_Strict):
    """An earlier version to be put in place again."""

    digest: Annotated[str, Field(max_length=64, description="of the file as it is now")]
    note: Annotated[str, Field(max_length=500)] = ""


class LimitsDraft(_Strict):
    """Limits of a rule of signals, none where there is none."""

    file: Annotated[str, Field(min_length=1, max_length=400)]
    rule: Annotated[int, Field(ge=1, le=1_000_000, description="which [[signals]] of the file, from 1")]
    low_low: Annotated[float | None, Field(allow_inf_nan=False)] = None
    low: Annotated[float | None, Field(allow_inf_nan=False)] = None
    high: Annotated[float | None, Field(allow_inf_nan=False)] = None
    high_high: Annotated[float | None, Field(allow_inf_nan=False)] = None


class ShiftDraft(_Strict):
    """Begin, end and days of a shift."""

    file: Annotated[str, Field(min_length=1, max_length=400)]
    calendar: Annotated[int, Field(ge=1, le=1_000_000, description="which [[calendars]] of the file, from 1")]
    shift: Annotated[str, Field(min_length=1, max_length=200)]
    begin: Annotated[str, Field(max_length=5, description="as 06:00, in plant time")]
    end: Annotated[str, Field(max_length=5)]
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class SettingsFileView:
    """A settings file."""

    file: str
    lines: int
    changed_us: int
    changed_by: str
    """Empty where nobody changed it here."""
    holds_secret: bool
    """Then it is not shown whole, nor changed here."""


@dataclass(frozen=True, slots=True)
class SettingsTextView:
    """What a file holds; passwords in it are not shown."""

    file: str
    content: str
    digest: str
    holds_secret: bool


@dataclass(frozen=True, slots=True)
class SettingsPartView:
    """A piece of the settings in force, and where it stands."""

    kind: str
    """The table's name, as ``signals``."""
    name: str
    facts: str
    """Its keys and values, as they stand in the file."""
    gives: int | None
    """How many equipment or signals come of it."""
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class SettingsVersionView:
    """A version of a file."""

    id: int
    file: str
    time_us: int
    actor: str
    """Empty where the file was found changed on disk."""
    kind: str
    note: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """A line of a difference."""

    kind: Literal["same", "out", "in", "place"]
    text: str


@dataclass(frozen=True, slots=True)
class SettingsCheckView:
    """What is wrong with a draft, and what it would change."""

    file: str
    content: str
    problems: tuple[str, ...]
    difference: tuple[DifferenceLine, ...]
    effects: tuple[str, ...]
    """Equipment, sources and signals that would come (+) or go (-)."""


@dataclass(frozen=True, slots=True)
class LimitRuleView:
    """A rule of signals with its limits."""

    file: str
    rule: int
    equipment: str
    name: str
    unit: str
    signals: int
    low_low: float | None
    low: float | None
    high: float | None
    high_high: float | None


@dataclass(frozen=True, slots=True)
class ShiftRuleView:
    """A shift of a calendar."""

    file: str
    calendar: int
    calendar_name: str
    equipment: str
    shift: str
    begin: str
    end: str
    days: tuple[str, ...]
