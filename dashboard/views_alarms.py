"""Alarms as services return them: frozen, without NaN or infinity, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, model_validator

Action = Literal["acknowledge", "reset", "shelve", "unshelve", "remove_from_service", "return_to_service"]


@dataclass(frozen=True, slots=True)
class AlarmView:
    """How one alarm stands."""

    alarm: str
    signal: str
    equipment: str
    source: str
    kind: str
    priority: str
    """urgent, high, medium or low."""
    state: str
    active: bool
    since_us: int | None
    """Since when it is in this state."""
    active_since_us: int | None
    value: float | None
    """That began or ended it."""
    text: str | None
    unit: str
    limit: float | None
    message: str
    response: str
    """What the operator shall do."""
    shelved_until_us: int | None
    who: str
    reason: str
    source_acknowledged: bool | None
    seq: int
    """Its last line in the journal."""


@dataclass(frozen=True, slots=True)
class AlarmCountsView:
    """What the bar above every page says."""

    unacknowledged: int
    annunciated: int
    silenced: int
    """Shelved, suppressed by design or out of service."""
    priority: str | None
    """The most urgent one that nobody has acknowledged."""


@dataclass(frozen=True, slots=True)
class AlarmLineView:
    """One line of the journal."""

    seq: int
    time_us: int
    decided_us: int
    alarm: str
    signal: str
    equipment: str
    source: str
    kind: str
    priority: str
    message: str
    event: str
    before: str
    after: str
    active: bool
    value: float | None
    text: str | None
    unit: str
    limit: float | None
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmActionView:
    """What was asked for and what became of it."""

    id: int
    alarm: str
    action: str
    who: str
    reason: str
    until_us: int | None
    requested_us: int
    outcome: str | None
    """applied or rejected; None while it waits for the monitor."""
    answer: str


@dataclass(frozen=True, slots=True)
class RepeatedView:
    """An alarm that came often."""

    alarm: str
    message: str
    count: int


@dataclass(frozen=True, slots=True)
class StandingView:
    """An alarm that stands for long."""

    alarm: str
    message: str
    since_us: int


@dataclass(frozen=True, slots=True)
class FloodView:
    """One flood of alarms."""

    from_us: int
    to_us: int
    count: int
    peak: int


@dataclass(frozen=True, slots=True)
class AlarmRatesView:
    """How much alarms asked of operators over a span, against EEMUA 191 and ISA-18.2."""

    from_us: int
    to_us: int
    operators: int
    count: int
    average_per_ten_minutes: float
    """Per operator; 1 is very likely acceptable, 2 the most that can be managed."""
    peak_per_ten_minutes: float
    share_above_ten: float
    """Share of ten-minute intervals with more than ten; less than 0.01 is wanted."""
    share_in_flood: float
    performance: str
    """predictive, robust, stable, reactive or overloaded."""
    per_interval: list[int]
    floods: list[FloodView]
    shares: dict[str, float]
    """Of each priority among what was annunciated; 0.05 high, 0.15 medium and 0.80 low are wanted."""
    frequent: list[RepeatedView]
    frequent_share: float
    chattering: list[RepeatedView]
    fleeting: list[RepeatedView]
    standing: list[StandingView]


@dataclass(frozen=True, slots=True)
class NoticeView:
    """One notice to one receiver by one way."""

    id: str
    channel: str
    rule: str
    receiver: str
    kind: str
    alarms: list[str]
    priority: str | None
    due_us: int
    made_us: int
    state: str
    attempts: int
    next_us: int | None
    ended_us: int | None
    why: str


@dataclass(frozen=True, slots=True)
class ReceiverView:
    """Somebody who can be told; of a webhook the host only."""

    name: str
    webhook_host: str
    mail: list[str]


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell that a table changes."""

    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeView:
    """What a table changes of one alarm."""

    alarm: str
    cells: list[CellView]


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """What a table of alarms would change, or changed."""

    added: list[str]
    changed: list[ChangeView]
    removed: list[str]
    applied: bool


class TableDraft(BaseModel):
    """A table of alarms: a CSV file or an .xlsx workbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: Annotated[Base64Bytes, Field(description="the file, in base64")]
    complete: Annotated[bool, Field(description="alarms that the table does not name are taken away")] = False


class AlarmActionDraft(BaseModel):
    """An action on one alarm or several."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    alarms: Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Field(min_length=1, max_length=5000)]
    reason: Annotated[str, Field(max_length=500, description="needed for shelving and for taking out of service")] = ""
    minutes: Annotated[float | None, Field(gt=0, le=10_080, description="shelve: for how long")] = None
    seen: Annotated[
        dict[str, int] | None,
        Field(description="the journal line (seq) of each alarm as it was seen; one that came again since is not acknowledged"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _whole_characters(cls, value: Any) -> Any:
        given = value if isinstance(value, dict) else {}
        alarms = given.get("alarms")
        texts = [given.get("reason"), *(alarms if isinstance(alarms, list) else ())]
        if any(isinstance(text, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text) for text in texts):
            raise ValueError("holds half a character or NUL, which no database keeps")
        return value

    @model_validator(mode="after")
    def _whole(self) -> AlarmActionDraft:
        if self.action == "shelve" and self.minutes is None:
            raise ValueError("an alarm is shelved for a time only: give 'minutes'")
        if self.action != "shelve" and self.minutes is not None:
            raise ValueError(f"'minutes' means nothing for '{self.action}'")
        if self.action in {"shelve", "remove_from_service"} and not self.reason.strip():
            raise ValueError("say why in 'reason': it stands in the journal")
        return self
