"""The andon board as services return it: frozen, without NaN or infinity, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator

from plant.strict import Strict
from storage.andon_calls import Whom

Why = Literal["call", "breakdown", "waiting", "alarms", "joints", "pictures"]
Severity = Literal[0, 1, 2, 3]
"""0 normal, 1 not known for sure, 2 needs somebody, 3 needs somebody now."""


@dataclass(frozen=True, slots=True)
class CallView:
    """Somebody was called to a station."""

    id: int
    equipment: str
    name: str
    """Of the equipment, as people read it."""
    whom: str
    note: str
    called_us: int
    caller: str
    answered_us: int | None
    """When somebody said that he comes."""
    answerer: str
    done_us: int | None
    ender: str
    outcome: str


@dataclass(frozen=True, slots=True)
class AnswersView:
    """How soon those who are called come, over a span; None where none came."""

    whom: str
    calls: int
    answered: int
    waiting: int
    """Neither answered nor done."""
    answered_p50_seconds: float | None
    answered_p90_seconds: float | None
    done_p50_seconds: float | None


@dataclass(frozen=True, slots=True)
class NeedView:
    """Whom a station needs, why and since when."""

    whom: str
    why: Why
    severity: Severity
    since_us: int | None
    words: str
    """What is known of it: the reason, the alarm's message, the caller's note."""
    count: int
    call: int | None
    """Number of the call that stands for it; None: nobody was called."""
    answerer: str
    """Who comes; empty: nobody yet."""
    answered_us: int | None


@dataclass(frozen=True, slots=True)
class TaktView:
    """The piece that is made now: planned run time of one, and since when."""

    run_us: int
    begin_us: int


@dataclass(frozen=True, slots=True)
class OutputView:
    """What a station made in its shift against what its planned run times allow."""

    made: int
    scrap: int
    planned: int | None
    """By now; None where no planned run time is known."""
    planned_whole: int | None
    """By the end of the shift, if what is made now is made until then."""


@dataclass(frozen=True, slots=True)
class TileView:
    """One work unit."""

    equipment: str
    name: str
    line: str
    """Name of what it belongs to."""
    state: str
    """What its time goes to (production, breakdown, waiting ...); where no states are followed, how its signals stand."""
    reason: str
    since_us: int | None
    severity: Severity
    product: str
    part: str
    needs: tuple[NeedView, ...]
    """The most urgent first."""
    unacknowledged: int
    takt: TaktView | None
    output: OutputView | None


@dataclass(frozen=True, slots=True)
class ShiftNowView:
    """A shift that runs."""

    name: str
    team: str
    from_us: int
    to_us: int
    is_break: bool
    units: int
    """How many of the units shown work in it."""


@dataclass(frozen=True, slots=True)
class BoardView:
    """The board of a site, an area or a line."""

    place: str
    name: str
    time_us: int
    """The server's clock."""
    read_us: int
    """When the database was last read for it."""
    database: Literal["ok", "away"]
    version: str
    """Of the board's own page: a browser that shows another one loads it again."""
    shifts: tuple[ShiftNowView, ...]
    tiles: tuple[TileView, ...]
    answers: tuple[AnswersView, ...]
    """Of the calls of the last 24 hours."""


class CallDraft(Strict):
    """A call for somebody to come."""

    equipment: Annotated[str, Field(min_length=1, max_length=1000, description="path of the station or machine")]
    whom: Whom
    note: Annotated[str, Field(max_length=200, description="what is the matter, in a few words")] = ""
    person: Annotated[str, Field(max_length=100, description="who calls, where a program tells it; of a person his own name is kept")] = ""

    @field_validator("note", "person")
    @classmethod
    def _spoken(cls, value: str) -> str:
        return value.strip()


class StepDraft(Strict):
    """Somebody comes to a call, or ends it."""

    note: Annotated[str, Field(max_length=200, description="what was done, when it ends")] = ""
    person: Annotated[str, Field(max_length=100, description="who comes, where a program tells it; of a person his own name is kept")] = ""

    @field_validator("note", "person")
    @classmethod
    def _spoken(cls, value: str) -> str:
        return value.strip()


@dataclass(frozen=True, slots=True)
class ScreenView:
    """A screen on the wall."""

    id: int
    name: str
    address: str
    created_by: str
    created_us: int
    state: Literal["waiting", "shown", "silent", "ran_out", "ended"]
    """Its link waits to be opened; it shows its page; nothing was heard of it for some minutes; nobody opened its link; it was ended."""
    link_until_us: int
    opened_us: int | None
    seen_us: int | None
    client: str
    ended_us: int | None


@dataclass(frozen=True, slots=True)
class NewScreenView:
    """A screen just made; its link is shown this once."""

    screen: ScreenView
    link: str
    """Path on this server: to be opened once, on the screen itself."""


class ScreenDraft(Strict):
    """A screen that is to show a page without anybody logged in."""

    name: Annotated[str, Field(min_length=1, max_length=100, description="where it hangs")]
    place: Annotated[str, Field(max_length=1000, description="path of the site, area or line that it shows; empty: the site")] = ""
    language: Literal["en", "zh"] = "en"
    theme: Literal["light", "dark"] = "dark"
