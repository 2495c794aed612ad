"""Which imperfections of a weld's surface a drawing allows: named by ISO 6520-1, judged by ISO 5817:2014, table 1, columns B, C and D.

======================  =====  ======  ===============================================================================================
imperfection            6520   clause  limit (t plate, s butt weld, a throat of a fillet weld, d diameter, h height or depth, in mm)
======================  =====  ======  ===============================================================================================
surface pore            2017   1.3     D: d <= 0.3 s or a, at most 3 when t > 3; C: d <= 0.2 s or a, at most 2, only when t > 3; B: none
end crater pipe         2025   1.4     D: h <= 0.2 t, at most 2; C: h <= 0.1 t, at most 1, only when t > 3; B: none
incompletely filled     511    1.14    by depth h, each level; a seam that is not there over a length is in no level
wrong dimensions        521    1.20-   by throat, each level
lack of fusion          401    1.5     none in any level (micro ones in D aside)
crack                   100    1.1     none in any level
crater crack            104    1.2     none in any level
undercut                501    1.7     by depth h, each level
burn-through            510    1.15    none in any level
spatter                 602    1.23    by application
======================  =====  ======  ===============================================================================================

A picture shows no depth. Where a limit is one of depth, what is seen is refused when no depth is allowed, and a person is asked otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from plant.inspections import Decision, Reason
from plant.settings_seams import SeamSettings


class By(StrEnum):
    """What decides whether an imperfection is allowed."""

    NEVER = "never"
    DIAMETER = "diameter"
    DEPTH = "depth"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class Imperfection:
    """One kind of imperfection."""

    code: str
    """Number in ISO 6520-1."""
    clause: str
    """Number in table 1 of ISO 5817."""
    by: By
    real: bool = True
    """Whether finding it was validated on real pictures; otherwise on rendered ones only."""


IMPERFECTIONS: Final = MappingProxyType(
    {
        "surface_pores": Imperfection("2017", "1.3", By.DIAMETER),
        "crater": Imperfection("2025", "1.4", By.DEPTH),
        "not_fully_soldered": Imperfection("511", "1.14", By.NEVER),
        "wrong_size": Imperfection("521", "1.20", By.NEVER),
        "crack": Imperfection("100", "1.1", By.NEVER, real=False),
        "crater_crack": Imperfection("104", "1.2", By.NEVER, real=False),
        "lack_of_fusion": Imperfection("401", "1.5", By.NEVER, real=False),
        "undercut": Imperfection("501", "1.7", By.DEPTH, real=False),
        "burn_through": Imperfection("510", "1.15", By.NEVER, real=False),
        "spatter": Imperfection("602", "1.23", By.APPLICATION, real=False),
    }
)
"""By the name that a model gives them."""

_THIN_MM: Final = 3.0
_PORE_SHARE: Final = MappingProxyType({"D": (0.3, 3.0), "C": (0.2, 2.0)})
"""Of s or a, and at most so many mm."""


def most_pore_mm(seam: SeamSettings) -> float:
    """Return the largest diameter of a surface pore that a seam allows; 0 where none is."""
    if seam.level == "B" or (seam.level == "C" and seam.plate_mm <= _THIN_MM):
        return 0.0
    share, most = _PORE_SHARE[seam.level]
    return share * seam.weld_mm if seam.plate_mm <= _THIN_MM else min(share * seam.weld_mm, most)


def judge_imperfection(kind: str, measures: Mapping[str, float], seam: SeamSettings | None) -> tuple[Decision, tuple[Reason, ...]]:
    """Return what one imperfection means for a seam, and why. A seam of which nothing is known is judged as level B."""
    known = IMPERFECTIONS.get(kind)
    if known is None:
        return Decision.REVIEW, (Reason("unknown_imperfection", {"kind": kind}),)
    level = "B" if seam is None else seam.level
    told: dict[str, str | float] = {"kind": kind, "code": known.code, "clause": known.clause, "level": level}
    unproven = () if known.real else (Reason("not_validated_on_real", {"kind": kind}),)
    if known.by is By.APPLICATION:
        return Decision.REVIEW, (Reason("by_application", told), *unproven)
    if known.by is By.DEPTH and seam is not None and _depth_allowed(known, seam):
        return Decision.REVIEW, (Reason("depth_not_seen", told), *unproven)
    if known.by is By.DIAMETER and seam is not None:
        limit = most_pore_mm(seam)
        found = measures.get("diameter_mm")
        if limit > 0 and found is None:
            return Decision.REVIEW, (Reason("no_calibration"),)
        if limit > 0 and found is not None:
            words = {**told, "value": round(found, 2), "limit": round(limit, 2)}
            if found <= limit:
                return Decision.OK, (Reason("pore_allowed", words), *unproven)
            return Decision.NOK, (Reason("pore_too_large", words), *unproven)
    return Decision.NOK, (Reason("not_permitted", told), *unproven)


def _depth_allowed(known: Imperfection, seam: SeamSettings) -> bool:
    """Whether the level allows any depth at all."""
    if known.code == "2025":
        return seam.level == "D" or (seam.level == "C" and seam.plate_mm > _THIN_MM)
    return True
