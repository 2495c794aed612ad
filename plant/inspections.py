"""What looking at a picture of a part gave: findings with their measures, a decision, and the reasons for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NewType

from plant.errors import Rejected
from plant.inspection_words import REASON_WORDS

FrameHash = NewType("FrameHash", str)
"""The sha256 of a picture's bytes, 64 small hexadecimal digits: its id everywhere, which tells nothing of where it lies."""

_HASH = re.compile(r"[0-9a-f]{64}\Z")


class Subject(StrEnum):
    """What a picture is looked at for."""

    WELDS = "welds"
    BOLTS = "bolts"


class Decision(StrEnum):
    """What is to become of the part."""

    OK = "ok"
    NOK = "nok"
    REVIEW = "review"
    """It was seen well enough, and the answer is not certain enough: a person looks."""
    NOT_DECIDABLE = "not_decidable"
    """It could not be judged at all (dark, blurred, no calibration, no model): look again, or a person looks."""


_GRAVITY: Final = (Decision.OK, Decision.REVIEW, Decision.NOT_DECIDABLE, Decision.NOK)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was decided: a code that has words (``reason_words``) and the values that stand in them."""

    code: str
    values: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a picture."""

    kind: str
    """What it is: a class of the model, e.g. ``surface_pores`` or ``bolt``."""
    box_px: tuple[float, float, float, float]
    """x and y of its left upper corner, x and y of its right lower corner, in pixels of the picture."""
    confidence: float
    measures: Mapping[str, float] = field(default_factory=dict)
    """By names that end with their unit: ``length_mm``, ``angle_deg``."""
    decision: Decision = Decision.OK
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """One look at one part. The same picture, model and calibration always give the same findings, decision and reasons."""

    frame_sha256: FrameHash
    station: str
    view: str
    part: str
    """Serial number; empty where nobody told it."""
    taken_us: int
    """When the camera was triggered."""
    subject: Subject
    model_sha256: str
    """Empty where no model judged."""
    calibration: str
    """Id of the calibration by which pixels are millimetres; empty where there is none."""
    decision: Decision
    findings: tuple[Finding, ...] = ()
    reasons: tuple[Reason, ...] = ()
    latency_us: int = 0
    """From the bytes in hand to the decision."""


def frame_hash(content: bytes) -> FrameHash:
    """Return the id of a picture."""
    return FrameHash(hashlib.sha256(content).hexdigest())


def checked_hash(word: str) -> FrameHash:
    """Return the id of a picture that somebody names. Raises Rejected for what is none."""
    if not _HASH.match(word):
        raise Rejected("the id of a picture is 64 hexadecimal digits, 0-9 and a-f")
    return FrameHash(word)


def gravest(decisions: Iterable[Decision]) -> Decision:
    """Return the decision over all: NOK if one is, else NOT_DECIDABLE, else REVIEW; OK only when all are, and for none at all."""
    return max(decisions, key=_GRAVITY.index, default=Decision.OK)


def uncertainty(inspection: Inspection) -> float:
    """Return how uncertain an inspection is, 0 to 1: what a review queue is ordered by.

    A finding is the less certain the nearer its confidence is to one half; one that has its own REVIEW counts fully so. A picture that
    could not be judged teaches a model little, so it comes last.
    """
    if inspection.decision is Decision.NOT_DECIDABLE:
        return 0.0
    unsure = [1 - abs(2 * min(1.0, max(0.0, one.confidence)) - 1) for one in inspection.findings]
    asked = [0.5 + value / 2 for one, value in zip(inspection.findings, unsure, strict=True) if one.decision is Decision.REVIEW]
    if inspection.decision is Decision.REVIEW and not asked:
        asked = [1.0]
    return max([*asked, *(value / 2 for value in unsure)], default=0.0)


def reason_words(reason: Reason) -> str:
    """Return a reason as an English sentence; one without words is told by its code."""
    words = REASON_WORDS.get(reason.code)
    if words is None:
        return reason.code
    try:
        return words.format(**{name: shown(value) for name, value in reason.values.items()})
    except (KeyError, IndexError, ValueError):
        return reason.code


def shown(value: str | float) -> str:
    """Return a value as it stands in words: numbers with four figures at most."""
    return value if isinstance(value, str) else f"{value:.4g}"


def inspection_record(inspection: Inspection) -> dict[str, Any]:
    """Return an inspection as JSON values; ``inspection_of`` reads it again."""
    return {
        "frame_sha256": inspection.frame_sha256,
        "station": inspection.station,
        "view": inspection.view,
        "part": inspection.part,
        "taken_us": inspection.taken_us,
        "subject": inspection.subject.value,
        "model_sha256": inspection.model_sha256,
        "calibration": inspection.calibration,
        "decision": inspection.decision.value,
        "findings": [finding_record(one) for one in inspection.findings],
        "reasons": [reason_record(one) for one in inspection.reasons],
        "latency_us": inspection.latency_us,
    }


def inspection_of(record: Mapping[str, Any]) -> Inspection:
    """Return the inspection that a record holds. Raises Rejected for what is none."""
    try:
        return Inspection(
            frame_sha256=checked_hash(record["frame_sha256"]),
            station=str(record["station"]),
            view=str(record["view"]),
            part=str(record["part"]),
            taken_us=int(record["taken_us"]),
            subject=Subject(record["subject"]),
            model_sha256=str(record["model_sha256"]),
            calibration=str(record["calibration"]),
            decision=Decision(record["decision"]),
            findings=tuple(finding_of(one) for one in record["findings"]),
            reasons=tuple(reason_of(one) for one in record["reasons"]),
            latency_us=int(record["latency_us"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(f"this is no record of an inspection: {error}") from error


def finding_record(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON values."""
    return {
        "kind": finding.kind,
        "box_px": [round(float(corner), 2) for corner in finding.box_px],
        "confidence": round(float(finding.confidence), 4),
        "measures": {name: round(float(value), 4) for name, value in finding.measures.items()},
        "decision": finding.decision.value,
        "reasons": [reason_record(one) for one in finding.reasons],
    }


def finding_of(record: Mapping[str, Any]) -> Finding:
    """Return the finding that a record holds. Raises KeyError, TypeError or ValueError for what is none."""
    left, top, right, bottom = (float(corner) for corner in record["box_px"])
    return Finding(
        kind=str(record["kind"]),
        box_px=(left, top, right, bottom),
        confidence=float(record["confidence"]),
        measures={str(name): float(value) for name, value in record["measures"].items()},
        decision=Decision(record["decision"]),
        reasons=tuple(reason_of(one) for one in record["reasons"]),
    )


def reason_record(reason: Reason) -> dict[str, Any]:
    """Return a reason as JSON values."""
    return {"code": reason.code, "values": dict(reason.values)}


def reason_of(record: Mapping[str, Any]) -> Reason:
    """Return the reason that a record holds. Raises KeyError or TypeError for what is none."""
    return Reason(str(record["code"]), dict(record["values"]))
