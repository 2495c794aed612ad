"""What is charted, and the words of control charts: kinds, rules, parts of a chart. Values only, no samples."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

from plant.equipment import EquipmentId
from plant.signals import SignalPath

ChartId = NewType("ChartId", str)
"""The id of the settings, a colon and the equipment's path; for tightenings spindle and program too: ``bore:.../mill-1``."""


class ChartKind(StrEnum):
    """The kinds of control charts; one set of limits and rules each."""

    INDIVIDUALS = "individuals"
    """Single values and their moving ranges of two (I-MR)."""
    XBAR_R = "xbar_r"
    XBAR_S = "xbar_s"
    EWMA = "ewma"
    CUSUM = "cusum"
    P = "p"
    """Share of defective parts, samples of any size."""

    @property
    def has_spread(self) -> bool:
        """Whether a second chart shows the spread: moving range, range or standard deviation."""
        return self in {ChartKind.INDIVIDUALS, ChartKind.XBAR_R, ChartKind.XBAR_S}


class Taken(StrEnum):
    """Which of the values between two triggers makes the value of a part."""

    LAST = "last"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"


class Tightened(StrEnum):
    """What of a tightening is charted."""

    TORQUE = "torque"
    ANGLE = "angle"
    VERDICT = "verdict"
    """Whether it is OK; for p charts."""


class Rule(StrEnum):
    """Patterns that chance alone seldom makes; the point named is the last one of its pattern."""

    BEYOND = "beyond_limits"
    RUN_9 = "nine_on_one_side"
    RUN_8 = "eight_on_one_side"
    TREND = "six_rising_or_falling"
    ALTERNATING = "fourteen_alternating"
    TWO_OF_THREE = "two_of_three_beyond_2_sigma"
    FOUR_OF_FIVE = "four_of_five_beyond_1_sigma"
    STRATIFIED = "fifteen_within_1_sigma"
    MIXED = "eight_outside_1_sigma"


class RuleSet(StrEnum):
    """Which rules are looked at; run lengths differ, so each set is named."""

    NELSON = "nelson"
    """Nelson 1984: rules 1 to 8, a run is 9 points."""
    WESTERN_ELECTRIC = "western_electric"
    """Western Electric 1956: the four zone rules, a run is 8 points."""
    WESTERN_ELECTRIC_ALL = "western_electric_all"
    """The same with the supplementary patterns: trend, alternation, stratification, mixture."""
    LIMITS = "limits"
    """A point beyond its limits, nothing else."""


RULES: Final[dict[RuleSet, tuple[Rule, ...]]] = {
    RuleSet.NELSON: (
        *(Rule.BEYOND, Rule.RUN_9, Rule.TREND, Rule.ALTERNATING, Rule.TWO_OF_THREE, Rule.FOUR_OF_FIVE, Rule.STRATIFIED, Rule.MIXED),
    ),
    RuleSet.WESTERN_ELECTRIC: (Rule.BEYOND, Rule.TWO_OF_THREE, Rule.FOUR_OF_FIVE, Rule.RUN_8),
    RuleSet.WESTERN_ELECTRIC_ALL: (
        *(Rule.BEYOND, Rule.TWO_OF_THREE, Rule.FOUR_OF_FIVE, Rule.RUN_8, Rule.TREND, Rule.ALTERNATING, Rule.STRATIFIED, Rule.MIXED),
    ),
    RuleSet.LIMITS: (Rule.BEYOND,),
}
"""The rules of each set, in the order in which its source numbers them."""


class ChartPart(StrEnum):
    """Which of the two charts of a characteristic."""

    LOCATION = "location"
    SPREAD = "spread"


@dataclass(frozen=True, slots=True)
class Characteristic:
    """What is charted of one equipment, and how. Specification limits in the unit of the value."""

    id: ChartId
    group: str
    """Id of the settings that give it."""
    name: str
    equipment: EquipmentId
    kind: ChartKind
    unit: str
    signal: SignalPath | None = None
    """What is measured; of a p chart a counter of defective parts. None for tightenings."""
    trigger: SignalPath | None = None
    """A change of it ends a part; of a p chart a counter of all parts."""
    step: str | None = None
    """Value of the trigger while which values count."""
    taken: Taken = Taken.LAST
    every_us: int | None = None
    """Without a trigger, and for p charts: how long one value is gathered."""
    tightened: Tightened | None = None
    program: int | None = None
    subgroup: int = 1
    phase_1: int = 25
    """Points from which limits are estimated; then they stay."""
    phase_1_leave_out: bool = True
    """Whether points of phase 1 beyond their trial limits do not count."""
    low: float | None = None
    high: float | None = None
    target: float | None = None
    rules: RuleSet = RuleSet.NELSON
    weight: float = 0.2
    """EWMA: of the newest value."""
    width: float = 3.0
    """EWMA: sigmas from centre to limit."""
    allowance: float = 0.5
    """CUSUM: k, in sigmas."""
    decision: float = 5.0
    """CUSUM: h, in sigmas."""
    mean: float | None = None
    """Given with ``sigma``: limits need no phase 1."""
    sigma: float | None = None
    tool: bool = False
    """Capability of a tool (Cm, Cmk) instead of a process."""
