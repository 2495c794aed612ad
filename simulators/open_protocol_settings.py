"""What a simulated tightening controller is and can, and what goes wrong on its link when that is commanded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from simulators.tightening import Program


class LinkFault(StrEnum):
    """What goes wrong once on the way, when it is commanded."""

    DROP_ACK = "drop_ack"
    """The next acknowledgement is not heard: the telegram is sent again."""
    DUPLICATE = "duplicate"
    """The next result is sent twice."""
    SKIP_ID = "skip_id"
    """The next result gets no number before its own: one is missing for good."""
    CUT = "cut"
    """The link breaks within the next result."""
    MALFORMED = "malformed"
    """The next result comes with letters for digits; asked for, it is whole."""
    SILENT = "silent"
    """From now on nothing is answered, while the link stands."""


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What a simulated controller is and can."""

    name: str = "Slewing bearing"
    spindles: int = 4
    program: Program = field(default_factory=Program)
    start_revision: int = 5
    result_revision: int = 7
    has_traces: bool = True
    stored_results: int = 500
    """So many of the last results can be asked for by their id."""
    keeps_unsent: bool = True
    """Whether results that nobody took are sent when a client subscribes again."""
    timeout_seconds: float = 15.0
    resend_seconds: float = 5.0
    end_binary: bool = True
    """Whether a NUL stands behind binary data: many controllers send one, the specification has none."""
    tool: str = "A4420817"
    calibrated: datetime = datetime(2026, 3, 17, 8, 30, tzinfo=UTC)
