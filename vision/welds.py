"""Looks at welds: finds imperfections of the surface, measures them, and judges them by what the drawing asks of the seam."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from plant.inspections import Decision, Finding, Inspection, Reason, Subject, gravest
from plant.settings_seams import SeamSettings
from plant.settings_vision import FrameCheckSettings, ViewSettings
from plant.weld_limits import judge_imperfection
from vision import frame_checks
from vision.deciding import fault_score
from vision.detections import Detections, Floats
from vision.familiarity import MOST_STRANGE, colour_distance, colour_statistics, distance
from vision.frames import Frame
from vision.model_sheets import ModelSheet
from vision.onnx_models import DetectionModel, load_model
from vision.unjudged import undecided

SHIPPED: Final = Path(__file__).parent / "models" / "welds.onnx"


def no_view(_station: str, _view: str) -> ViewSettings | None:
    """Return None: pictures of a folder have no settings."""
    return None


class WeldInspector:
    """Judges pictures of welds by one model. OK needs a sound seam in sight, no fault, and a picture like those the model knows."""

    subject: Subject = Subject.WELDS

    def __init__(self, model: DetectionModel, view_of: Callable[[str, str], ViewSettings | None] = no_view) -> None:
        """``view_of`` gives the settings of a station's view, with calibration and seam."""
        if model.sheet is None:
            raise ValueError("this model holds no sheet")
        self._model = model
        self._sheet: ModelSheet = model.sheet
        self._view_of = view_of
        self._sound = self._sheet.classes.index(self._sheet.sound) if self._sheet.sound else None

    @property
    def model_sha256(self) -> str:
        """Hash of the model's file."""
        return self._model.sha256

    def inspect(self, frame: Frame) -> Inspection:
        """Return what was found in a frame and decided of it."""
        view = self._view_of(frame.station, frame.view)
        poor = frame_checks.poor(frame_checks.statistics_of(frame), FrameCheckSettings() if view is None else view.checks)
        if view is not None:
            poor += frame_checks.expired(view, frame.taken_us)
        calibration = view.calibration if view is not None else None
        calibration_id = "" if calibration is None else calibration.id
        if poor:
            return undecided(frame, self.subject, tuple(poor), self.model_sha256, calibration_id)
        least = min(*self._sheet.thresholds, self._sheet.ok_below)
        found, features = self._model.look(frame.pixels, least, self._sheet.most_overlap)
        seam = view.seam if view is not None else None
        scale = None if calibration is None else calibration.px_per_mm
        findings = tuple(self._finding(found[place : place + 1], scale, seam) for place in range(len(found)) if self._shown(found, place))
        reasons = (*self._reasons(found, features), *self._strange(frame))
        decision = gravest([*(one.decision for one in findings), *([Decision.REVIEW] if reasons else [])])
        return Inspection(
            *(frame.sha256, frame.station, frame.view, frame.part, frame.taken_us, self.subject, self.model_sha256, calibration_id),
            decision,
            findings,
            reasons,
        )

    def _shown(self, found: Detections, place: int) -> bool:
        class_id, confidence = int(found.class_id[place]), float(found.confidence[place])
        if class_id == self._sound:
            return confidence >= self._sheet.thresholds[class_id]
        return confidence >= min(self._sheet.thresholds[class_id], self._sheet.ok_below)

    def _finding(self, one: Detections, px_per_mm: float | None, seam: SeamSettings | None) -> Finding:
        box, confidence, class_id = next(one.rows())
        kind = self._sheet.classes[class_id]
        measures = measures_mm(kind, box, px_per_mm)
        if class_id == self._sound or confidence < self._sheet.ok_below:
            return Finding(kind, box, confidence, measures)
        decision, reasons = judge_imperfection(kind, measures, seam)
        if decision is Decision.NOK and confidence < self._sheet.nok_from:
            decision, reasons = Decision.REVIEW, (Reason("unsure", {"kind": kind, "confidence": round(confidence, 2)}), *reasons)
        return Finding(kind, box, confidence, measures, decision, reasons)

    def _strange(self, frame: Frame) -> list[Reason]:
        """Return that no picture it learned from had colours like these: what is pink or striped is damaged, or no weld."""
        if not self._sheet.colours:
            return []
        away = colour_distance(self._sheet.colours, colour_statistics(frame.pixels))
        return [Reason("unfamiliar", {"value": round(away, 2), "limit": MOST_STRANGE})] if away > MOST_STRANGE else []

    def _reasons(self, found: Detections, features: Floats | None) -> tuple[Reason, ...]:
        """Return why the picture as a whole is not OK, though no fault was found in it."""
        reasons = []
        if self._sheet.familiar is not None and features is not None:
            away, limit = distance(self._sheet.familiar, features), self._sheet.familiar.limit
            if away > limit:
                reasons.append(Reason("unfamiliar", {"value": round(away, 2), "limit": round(limit, 2)}))
        if self._sound is not None and fault_score(found, self._sound) < self._sheet.ok_below:
            sound = found.confidence[found.class_id == self._sound]
            if not bool((sound >= self._sheet.thresholds[self._sound]).any()):
                reasons.append(Reason("no_seam"))
        return tuple(reasons)


def measures_mm(kind: str, box: tuple[float, float, float, float], px_per_mm: float | None) -> dict[str, float]:
    """Return length and width of a box in mm, of a pore its diameter; nothing without calibration.

    A box is drawn around what it holds, so it measures too large and never too small.
    """
    if px_per_mm is None:
        return {}
    sides = sorted(((box[2] - box[0]) / px_per_mm, (box[3] - box[1]) / px_per_mm), reverse=True)
    if kind == "surface_pores":
        return {"diameter_mm": sides[0]}
    return {"length_mm": sides[0], "width_mm": sides[1]}


def shipped_welds(view_of: Callable[[str, str], ViewSettings | None] = no_view) -> WeldInspector:
    """Return the inspector with the model that comes with Leadhand."""
    return WeldInspector(load_model(SHIPPED), view_of)
