"""Tightenings: what a tool reported of one bolt, and the curve of torque and angle it drew.

A curve comes as traces, one a quantity, each a column of 16-bit numbers and what one of them is worth; it is kept in exactly
these numbers, so nothing of it is rounded away.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.equipment import EquipmentId
from plant.errors import Rejected
from plant.signals import SourceId
from plant.verdict import Verdict

MOST_SAMPLES: Final = 99_999
"""Samples of one trace: five digits tell how many there are (Open Protocol R 2.8, MID 0900)."""


class AgainstLimits(StrEnum):
    """How a value stands to its limits."""

    LOW = "low"
    OK = "ok"
    HIGH = "high"


class ResultKind(StrEnum):
    """What a result tells of (MID 0061 revision 3, result type)."""

    TIGHTENING = "tightening"
    LOOSENING = "loosening"
    BATCH_INCREMENT = "batch_increment"
    BATCH_DECREMENT = "batch_decrement"
    BYPASSED = "bypassed"
    JOB_ABORTED = "job_aborted"
    SYNC_TIGHTENING = "sync_tightening"
    REFERENCE_SETUP = "reference_setup"


class TraceKind(StrEnum):
    """Which quantity a trace is of."""

    ANGLE = "angle"
    TORQUE = "torque"
    CURRENT = "current"
    GRADIENT = "gradient"
    STROKE = "stroke"
    FORCE = "force"


@dataclass(frozen=True, slots=True)
class Stage:
    """Torque and angle that one stage of a tightening ended with."""

    torque_nm: float
    angle_deg: float


@dataclass(frozen=True, slots=True)
class TighteningResult:
    """One tightening as reported. None where the controller does not say: a smaller revision, or a field it does not support."""

    source: SourceId
    equipment: EquipmentId
    tightening_id: int
    """Rises by one with each result of the controller, up to 4,294,967,295."""
    time_us: int
    """When the tool ended, by the controller's clock."""
    received_us: int
    verdict: Verdict
    station: int = 1
    spindle: int = 1
    controller: str = ""
    fetched: bool = False
    """Asked for afterwards, because it came while nobody listened: limits and program name are not told then."""
    kind: ResultKind = ResultKind.TIGHTENING
    program: int | None = None
    """The parameter set."""
    program_name: str = ""
    program_changed_us: int | None = None
    strategy: int | None = None
    """How the tool was controlled; see ``strategy_name``."""
    strategy_options: int | None = None
    job: int | None = None
    job_sequence: int | None = None
    batch_size: int | None = None
    batch_counter: int | None = None
    """Which of the batch this was: the bolt's position in its pattern."""
    batch_verdict: Verdict = Verdict.UNDEFINED
    sync_id: int | None = None
    """The same for all spindles that tightened at once."""
    part: str = ""
    """VIN or serial number."""
    identifiers: tuple[str, ...] = ()
    """Further identifiers, in the controller's order."""
    bolt: int | None = None
    """Number of the bolt, where the controller names bolts."""
    torque_nm: float | None = None
    torque_min_nm: float | None = None
    torque_max_nm: float | None = None
    torque_target_nm: float | None = None
    torque_status: AgainstLimits | None = None
    angle_deg: float | None = None
    angle_min_deg: float | None = None
    angle_max_deg: float | None = None
    angle_target_deg: float | None = None
    angle_status: AgainstLimits | None = None
    rundown_angle_deg: float | None = None
    rundown_angle_min_deg: float | None = None
    rundown_angle_max_deg: float | None = None
    rundown_angle_status: AgainstLimits | None = None
    prevail_torque_nm: float | None = None
    prevail_torque_min_nm: float | None = None
    prevail_torque_max_nm: float | None = None
    self_tap_torque_nm: float | None = None
    current_percent: float | None = None
    errors: int = 0
    """Bits of what went wrong; see ``error_names``."""
    customer_error: str = ""
    tool: str = ""
    """Serial number of the tool."""
    tool_calibrated_us: int | None = None
    stages: tuple[Stage, ...] = ()

    @property
    def bolt_number(self) -> int | None:
        """The number of the bolt, or its position in the batch where bolts have no numbers."""
        return self.batch_counter if self.bolt is None else self.bolt


@dataclass(frozen=True, slots=True)
class TighteningTrace:
    """One quantity over time of one tightening, packed."""

    source: SourceId
    equipment: EquipmentId
    tightening_id: int
    time_us: int
    received_us: int
    station: int
    spindle: int
    """0 where the controller does not say: the tightening's id tells."""
    kind: TraceKind
    resolution: float
    """What one count is worth, in the unit of the kind: N.m, deg, A, N.m/deg, mm or N."""
    samples: int
    packed: bytes
    """The counts; see ``pack_counts``."""
    intervals: tuple[tuple[int, float], ...] = ()
    """(first sample, microseconds to the next one) of each stretch of one speed."""
    steps: tuple[int, ...] = ()
    """First sample of each step of the program."""
    bolt: int | None = None


@dataclass(frozen=True, slots=True)
class TighteningCurve:
    """Torque over angle of one tightening, as columns of equal length n; a quantity that was not traced is None."""

    source: SourceId
    tightening_id: int
    time_us: int
    spindle: int
    elapsed_us: npt.NDArray[np.float64]
    """Time since the first sample."""
    torque_nm: npt.NDArray[np.float64] | None
    angle_deg: npt.NDArray[np.float64] | None
    steps: tuple[int, ...]
    """First sample of each step of the program."""
    packed_bytes: int

    def __len__(self) -> int:
        return len(self.elapsed_us)


def pack_counts(counts: npt.NDArray[np.int16]) -> bytes:
    """Return a trace's counts, small: differences, their high and low bytes apart, deflated. Nothing is lost.

    Second differences are larger on measured curves: 1.6 instead of 1.3 bytes for a pair of torque and angle.
    """
    ahead = np.diff(counts.astype("<i4"), prepend=0).astype("<i4")
    return zlib.compress(ahead.view(np.uint8).reshape(-1, 4).T.tobytes(), 9)


def unpack_counts(packed: bytes, samples: int) -> npt.NDArray[np.int16]:
    """Return the counts of a trace of so many samples. Raises Rejected for bytes that hold no such trace."""
    if not 0 <= samples <= MOST_SAMPLES:
        raise Rejected(f"a trace of {samples} samples is none")
    inflater = zlib.decompressobj()
    try:
        planes = inflater.decompress(packed, 4 * samples + 1)
    except zlib.error as error:
        raise Rejected(f"a packed trace cannot be read: {error}") from error
    if len(planes) != 4 * samples or not inflater.eof:
        raise Rejected(f"a packed trace does not hold {samples} samples")
    ahead = np.frombuffer(planes, np.uint8).reshape(4, samples).T.copy().view("<i4").reshape(samples)
    return np.cumsum(ahead, dtype=np.int32).astype(np.int16)


def elapsed_us(intervals: tuple[tuple[int, float], ...], samples: int) -> npt.NDArray[np.float64]:
    """Return when each sample was taken, microseconds since the first; shape (samples,), zeros where no interval is known."""
    steps = np.zeros(samples)
    for first, interval_us in intervals:
        steps[max(0, first) :] = interval_us
    return np.concatenate([np.zeros(min(1, samples)), np.cumsum(steps[:-1])]) if samples else steps


_ERRORS: Final = (
    *("rundown angle above limit", "rundown angle below limit", "torque above limit", "angle above limit", "self-tap torque above limit"),
    *("self-tap torque below limit", "prevailing torque above limit", "prevailing torque below limit", "prevailing torque not compensated"),
    *("current above limit", "post view torque below limit", "post view torque above limit", "post view angle too small", "trigger lost"),
    *("torque below target", "tool hot", "multistage aborted", "rehit", "DS measurement failed", "current limit reached", "time ran out"),
    *("fastener removal limit exceeded", "drive disabled", "transducer lost", "transducer shorted", "transducer corrupt"),
    *("synchronisation timed out", "dynamic current below limit", "dynamic current above limit", "angle above monitored limit"),
    *("yield: nut off", "yield: too few samples", "drive deactivated", "tool stalled", "drive hot", "gradient above limit"),
    *("gradient below limit", "reaction bar failed", "snug above limit", "cycle aborted", "necking", "loosened", "too fast"),
    *("no residual torque", "positioning failed", "snug below monitored limit", "snug above monitored limit"),
    *("dynamic current too low", "dynamic current too high", "reported late"),
)
"""Bits 1 to 32 of the tightening error status, then those of the second status (MID 0061 revisions 2 and 6)."""

ERROR_NAMES: Final = frozenset(_ERRORS)


def error_names(bits: int) -> list[str]:
    """Return what went wrong in words; a bit without a name is told by its number."""
    return [_ERRORS[bit] if bit < len(_ERRORS) else f"error bit {bit + 1}" for bit in range(64) if bits >> bit & 1]


def error_bit(name: str) -> int:
    """Return the bit that a name stands for. Raises ValueError for a name that none has."""
    return 1 << _ERRORS.index(name)


_STRATEGIES: Final = (
    *("", "torque control", "torque control, angle monitoring", "torque and angle control", "angle control, torque monitoring"),
    *("DS control", "DS control, torque monitoring", "reverse angle", "reverse torque", "click wrench", "spindle forward"),
    *("torque or angle control", "spindle reverse", "home position forward", "EP monitoring", "yield", "EP fixed", "EP control"),
    *("EP angle shutoff", "yield or torque control", "snug gradient", "residual torque over time", "residual torque over angle"),
    *("breakaway peak", "loosen and tighten", "home position reverse", "prevailing torque compensation with snug"),
)


def strategy_name(number: int | None) -> str:
    """Return a strategy in words; empty where it is unknown."""
    return _STRATEGIES[number] if number is not None and 0 <= number < len(_STRATEGIES) else ""
