"""What ``[reports]`` in ``site.toml`` may say: which lines have reports of their shifts, where they go and to whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from plant.strict import Strict


class ReportSettings(Strict):
    """Reports of shifts. Without this section each line whose states are followed has them, kept in the database alone."""

    lines: Annotated[
        tuple[str, ...],
        Field(description="globs over equipment paths below the site, each a line; all that hold a followed work unit where not given"),
    ] = ()
    to: Annotated[tuple[str, ...], Field(description="names of receivers that each report is sent to")] = ()
    folder: Annotated[str | None, Field(description="folder that each report is written into as HTML, relative to this file")] = None
    language: Annotated[Literal["en", "zh"], Field(description="language of the files in the folder")] = "en"
    after_minutes: Annotated[float, Field(ge=0.1, le=240, description="made so long after the shift ended, when late samples are in")] = 2.0
    catch_up_days: Annotated[float, Field(ge=0, le=31, description="shifts that ended while nothing ran get theirs, so many days back")] = (
        3.0
    )
