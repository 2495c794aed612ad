"""What stands in for an inspector where there is no model: nothing is ever OK."""

from __future__ import annotations

from plant.inspections import Decision, Inspection, Reason, Subject
from vision.frames import Frame


class NoModel:
    """An inspector that can judge nothing, and says so."""

    model_sha256 = ""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def inspect(self, frame: Frame) -> Inspection:
        """Return NOT_DECIDABLE."""
        return undecided(frame, self.subject, (Reason("no_model", {"subject": self.subject.value}),))


def undecided(frame: Frame, subject: Subject, reasons: tuple[Reason, ...], model_sha256: str = "", calibration: str = "") -> Inspection:
    """Return the inspection of a frame that cannot be judged."""
    return Inspection(
        *(frame.sha256, frame.station, frame.view, frame.part, frame.taken_us, subject, model_sha256, calibration),
        Decision.NOT_DECIDABLE,
        reasons=reasons,
    )
