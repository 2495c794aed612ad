"""What all pieces of ``site.toml`` have in common, so that each subject's settings can stand in a file of their own."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, field_validator

from plant.equipment import SEGMENT, SEGMENT_RULE


class Strict(BaseModel):
    """A frozen piece of a settings file: unknown keys are refused, and so is what no database keeps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _keepable(cls, value: object) -> object:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("holds the character NUL, which no database keeps")
        return value


def segment(value: str) -> str:
    """Return what may be a segment of a path; ValueError where it may not."""
    if not SEGMENT.match(value):
        raise ValueError(f"'{value}' {SEGMENT_RULE}")
    return value


def zone(value: str) -> str:
    """Return the IANA name of a time zone that is known here; ValueError where it is not."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{value}' is no time zone; write an IANA name such as 'Europe/Berlin'") from error
    return value
