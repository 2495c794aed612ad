"""Fine-tuning as services return it: frozen, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from plant.recommendations import Declined, Estimate
from plant.strict import Strict

Word = Annotated[str, Field(min_length=1, max_length=400)]
Values = Annotated[dict[str, Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=20)]


@dataclass(frozen=True, slots=True)
class TuningLine:
    """One program that is tuned."""

    work_unit: str
    program: str
    job: str
    trials: int
    stage: str | None
    """Of the open proposal: proposed, approved or executed; None where there is none."""
    purpose: str | None
    refusal: str | None
    """Why nothing is proposed, as a word."""
    accepted_first_pass: Estimate | None


@dataclass(frozen=True, slots=True)
class ParameterView:
    """One parameter: its window, the accepted value, and the proposed one."""

    name: str
    unit: str
    low: float
    high: float
    step: float
    accepted: float | None
    proposed: float | None
    delta: float | None


@dataclass(frozen=True, slots=True)
class SafetyView:
    """What is expected of a quality, and what it must be inside."""

    name: str
    unit: str
    expected: Estimate
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ReadBackView:
    """What a device said of the proposed program."""

    time_us: int
    actor: str
    confirmed: bool
    differences: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ProposalChangeView:
    """One thing that happened to a proposal."""

    time_us: int
    before: str | None
    after: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProposalView:
    """A proposal, whole."""

    id: int
    made_us: int
    stage: str
    purpose: str
    parameters: dict[str, float]
    deltas: dict[str, float]
    accepted: dict[str, float]
    first_pass: Estimate
    accepted_first_pass: Estimate
    safety: tuple[SafetyView, ...]
    reasons: tuple[str, ...]
    trials: int
    trust: float
    model: str
    windows_version: int
    history: tuple[ProposalChangeView, ...]
    readbacks: tuple[ReadBackView, ...]


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial, and what became of it."""

    id: int
    name: str
    ended_us: int
    parameters: dict[str, float]
    parts: int
    good: int
    scrapped: int | None
    responses: dict[str, float]
    proposal: int | None
    outcome: str | None
    """better, same or worse (rolled back); None: of the accepted recipe, or not judged yet."""
    actor: str


@dataclass(frozen=True, slots=True)
class RollbackView:
    """A trial that was taken back, and the evidence."""

    time_us: int
    proposal: int
    parameters: dict[str, float]
    back_to: dict[str, float]
    parts: int
    good: int
    expected: float
    odds: float
    """How many times likelier worse is than as good."""


@dataclass(frozen=True, slots=True)
class PolicyView:
    """A person's leave to run trials without being asked for each one."""

    id: int
    enabled_by: str
    until_us: int
    budget: int
    used: int
    largest_delta: float


@dataclass(frozen=True, slots=True)
class TuningView:
    """All about one program that is tuned."""

    work_unit: str
    program: str
    job: str
    window_version: int | None
    author: str
    approver: str
    parameters: tuple[ParameterView, ...]
    accepted_version: int | None
    accepted_by: str
    accepted_us: int | None
    proposal: ProposalView | None
    """The open one, or None."""
    refusal: str | None
    refusal_words: str
    best: dict[str, float] | None
    """The recipe of those tried that is the best beyond doubt."""
    best_first_pass: Estimate | None
    trials: tuple[TrialView, ...]
    """Oldest first."""
    proposals: tuple[ProposalView, ...]
    """The newest first, without what happened to each."""
    rollbacks: tuple[RollbackView, ...]
    policy: PolicyView | None


class TargetDraft(Strict):
    """Which program is meant."""

    work_unit: Word
    program: Word
    job: Annotated[str, Field(max_length=400)] = ""


class TuningApprovalDraft(Strict):
    """A person's yes."""

    note: Annotated[str, Field(max_length=1000)] = ""


class TuningDeclineDraft(Strict):
    """A person's no, and why."""

    reason: Declined
    note: Annotated[str, Field(max_length=1000)] = ""


@dataclass(frozen=True, slots=True)
class ConfirmedView:
    """Whether what the device holds is what was approved."""

    confirmed: bool


@dataclass(frozen=True, slots=True)
class KeptView:
    """The number under which something was kept."""

    id: int


@dataclass(frozen=True, slots=True)
class AcceptedView:
    """The version that a recipe has now."""

    version: int


class TrialDraft(TargetDraft):
    """A trial as measured."""

    trial: Annotated[str, Field(min_length=1, max_length=200)]
    parameters: Values
    parts: Annotated[int, Field(ge=1, le=1_000_000)]
    good: Annotated[int, Field(ge=0)]
    scrapped: Annotated[int | None, Field(ge=0)] = None
    responses: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    ended_us: Annotated[int | None, Field(ge=0, le=2**62)] = None
    proposal: Annotated[int | None, Field(ge=1, lt=2**63)] = None


class AcceptDraft(TargetDraft):
    """A recipe that a person accepts."""

    parameters: Values
    reason: Annotated[str, Field(min_length=3, max_length=1000)]


class PolicyDraft(TargetDraft):
    """Leave to run trials for a while."""

    hours: Annotated[float, Field(gt=0, le=24 * 31)]
    budget: Annotated[int, Field(ge=1, le=100)]
    largest_delta: Annotated[float, Field(gt=0, le=1)] = 1.0


class ReadBackDraft(Strict):
    """What a device says of the program after it was written."""

    program: Word
    version: Annotated[str, Field(max_length=200)]
    values: Values
    units: Annotated[dict[str, str], Field(max_length=20)]
    stored: bool | None = None
