"""Process windows as services return them: frozen, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from plant.process_windows import JointLimit, Objective, ParameterWindow, ResponseLimit
from plant.strict import Strict


@dataclass(frozen=True, slots=True)
class InUseView:
    """A value that is in use inside a window: that of an accepted recipe, or of the newest delivery that was executed."""

    program: str
    job: str
    value: float
    since_us: int
    source: str
    """``recipe`` or ``delivery``."""
    actor: str


@dataclass(frozen=True, slots=True)
class WindowParameterView:
    """What one parameter may be, and what is in use."""

    name: str
    unit: str
    low: float
    high: float
    step: float
    rate: float | None
    """Largest change in an hour."""
    dead_band: float
    in_use: tuple[InUseView, ...]


@dataclass(frozen=True, slots=True)
class WindowLimitView:
    """A limit of several parameters together, or of a measured quality."""

    name: str
    unit: str
    low: float | None
    high: float | None
    of: tuple[str, ...]
    """Parameters that it ties; none for a quality."""


@dataclass(frozen=True, slots=True)
class ProcessWindowView:
    """One process window."""

    work_unit: str
    program: str
    job: str
    version: int
    author: str
    approver: str
    parameters: tuple[WindowParameterView, ...]
    joint_limits: tuple[WindowLimitView, ...]
    responses: tuple[WindowLimitView, ...]
    scrap_max: float


@dataclass(frozen=True, slots=True)
class WindowVersionView:
    """One version of the set of windows."""

    version: int
    time_us: int
    actor: str
    windows: int
    in_force: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class WindowSetView:
    """A version of the set, whole."""

    version: WindowVersionView | None
    """None: none were ever imported."""
    windows: tuple[ProcessWindowView, ...]


@dataclass(frozen=True, slots=True)
class LimitChangeView:
    """One limit that is another one now."""

    of: str
    name: str
    field: str
    before: float | str | None
    after: float | str | None
    unit: str
    side: str
    """``wider``, ``narrower`` or ``other``."""


@dataclass(frozen=True, slots=True)
class WindowChangeView:
    """What became of one window."""

    work_unit: str
    program: str
    job: str
    what: str
    """``added``, ``removed`` or ``changed``."""
    version_before: int | None
    version_after: int | None
    silent: bool
    """Whether limits changed without a new version of the window."""
    limits: tuple[LimitChangeView, ...]


@dataclass(frozen=True, slots=True)
class WindowDraftView:
    """A window as an engineer wrote it, what it would change, and what was decided."""

    id: int
    window: ProcessWindowView
    base: int
    note: str
    author: str
    time_us: int
    stage: str
    """``waiting``, ``approved``, ``declined`` or ``withdrawn``."""
    decided_by: str
    decided_us: int | None
    reason: str
    set_version: int | None
    changes: tuple[WindowChangeView, ...]
    """Against the set that it was written for."""


class WindowDraftDraft(Strict):
    """A window as an engineer proposes it; version, author and approver come by themselves."""

    work_unit: Annotated[str, Field(min_length=1, max_length=400)]
    program: Annotated[str, Field(min_length=1, max_length=200)] = "*"
    job: Annotated[str, Field(min_length=1, max_length=200)] = "*"
    parameters: Annotated[tuple[ParameterWindow, ...], Field(min_length=1, max_length=20)]
    joint_limits: Annotated[tuple[JointLimit, ...], Field(max_length=20)] = ()
    responses: Annotated[tuple[ResponseLimit, ...], Field(max_length=20)] = ()
    objective: Objective = Objective()
    note: Annotated[str, Field(min_length=3, max_length=1000, description="why; it is shown to who decides")]


class WindowRefusalDraft(Strict):
    """Why a draft is declined or withdrawn."""

    reason: Annotated[str, Field(min_length=3, max_length=1000)]
