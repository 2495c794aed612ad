"""What an inspector of one subject is: a frame in, an inspection out, nothing else touched."""

from __future__ import annotations

from typing import Protocol

from plant.inspections import Inspection, Subject
from vision.frames import Frame


class Inspector(Protocol):
    """Judges the frames of one subject. The same frame gives the same findings, decision and reasons."""

    @property
    def subject(self) -> Subject:
        """What it looks for."""
        ...

    @property
    def model_sha256(self) -> str:
        """Which model judges; empty where none does."""
        ...

    def inspect(self, frame: Frame) -> Inspection:
        """Return what was found and decided. It may raise; then the frame is NOT_DECIDABLE and the next one is looked at."""
        ...
