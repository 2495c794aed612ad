"""Tightenings as services return them: frozen, without NaN or infinity, times as ``*_us`` since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TighteningView:
    """One tightening as reported; None where the controller did not say."""

    id: int
    source: str
    equipment: str
    station: int
    spindle: int
    tightening_id: int
    time_us: int
    received_us: int
    verdict: str
    kind: str
    fetched: bool
    """Asked for afterwards: limits and curve are missing then."""
    has_curve: bool
    controller: str
    program: int | None
    program_name: str
    strategy: str
    job: int | None
    part: str
    identifiers: tuple[str, ...]
    bolt: int | None
    """Number of the bolt, or its position in the batch."""
    batch_size: int | None
    batch_counter: int | None
    batch_verdict: str
    sync_id: int | None
    torque_nm: float | None
    torque_min_nm: float | None
    torque_max_nm: float | None
    torque_target_nm: float | None
    torque_status: str | None
    angle_deg: float | None
    angle_min_deg: float | None
    angle_max_deg: float | None
    angle_target_deg: float | None
    angle_status: str | None
    rundown_angle_deg: float | None
    prevail_torque_nm: float | None
    current_percent: float | None
    errors: tuple[str, ...]
    """What went wrong, in words."""
    customer_error: str
    tool: str
    tool_calibrated_us: int | None
    stages: tuple[tuple[float, float], ...]
    """Torque in N.m and angle in degrees that each stage ended with."""


@dataclass(frozen=True, slots=True)
class CurveView:
    """Torque over angle of one tightening, as columns of equal length; None where a quantity was not traced."""

    id: int
    tightening_id: int
    time_us: int
    elapsed_ms: list[float]
    torque_nm: list[float | None] | None
    angle_deg: list[float | None] | None
    steps: list[int]
    """First sample of each step of the program."""
    packed_bytes: int
    """What the curve takes in the database."""


@dataclass(frozen=True, slots=True)
class SpindleView:
    """How one spindle did over a span."""

    source: str
    equipment: str
    station: int
    spindle: int
    ok: int
    not_ok: int
    undecided: int
    last_us: int
    mean_torque_nm: float | None
    """Of those that are OK."""
    tool: str
    tool_calibrated_us: int | None
    without_curve: int
    fetched: int
