"""A bench with an inspector that decides as it is told, for tests of judging and of pages."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from plant.clock import SystemClock
from plant.inspections import Decision, Finding, Inspection, Reason, Subject
from plant.settings_vision import CalibrationSettings, StationSettings, ViewSettings, VisionSettings
from plant.vision_rules import VisionPlan
from storage.database import Connection
from storage.evidence import EvidenceFolder
from storage.frame_inbox import FrameInbox
from storage.inspections import StoredInspection, WantedInspections, read_inspections
from tests.vision.pictures import drop
from vision.frames import Frame
from vision.judging import Bench, Source, judge_waiting
from vision.unjudged import NoModel

TAKEN_US = 1_780_000_000_000_000  # 2026-05-28
DAY_US = 86_400_000_000
CALIBRATION = CalibrationSettings(id="cal-1", date=dt.date(2026, 1, 1), expires=dt.date(2026, 12, 31), px_per_mm=4.0)
VIEWS = (ViewSettings(id="left", subject=Subject.WELDS, calibration=CALIBRATION), ViewSettings(id="top", subject=Subject.BOLTS))
PLAN = VisionPlan(VisionSettings(), (), (StationSettings(id="boom-1", equipment="line/robot", views=VIEWS),))


@dataclass
class Judge:
    """An inspector that decides as it is told."""

    decision: Decision = Decision.OK
    confidence: float = 0.95
    subject: Subject = Subject.WELDS
    model_sha256: str = "a" * 64
    fails: bool = False
    looked: int = 0

    def inspect(self, frame: Frame) -> Inspection:
        self.looked += 1
        if self.fails:
            raise ZeroDivisionError
        finding = Finding("surface_pores", (10.0, 20.0, 60.0, 50.0), self.confidence, {"length_mm": 1.5}, self.decision, (Reason("dark"),))
        where = (frame.sha256, frame.station, frame.view, frame.part, frame.taken_us)
        return Inspection(*where, Subject.WELDS, self.model_sha256, "", self.decision, (finding,))


@dataclass
class Room:
    """A bench with its inbox and database."""

    bench: Bench
    source: Source
    connection: Connection
    folder: Path

    def judged(self, most: int = 100) -> int:
        return judge_waiting(self.bench, self.source, self.connection, most)

    def drop(self, name: str, content: bytes, part: str = "P1", view: str = "left", taken_us: int = TAKEN_US) -> Path:
        return drop(self.folder, name, content, {"station": "boom-1", "view": view, "part": part, "taken_us": taken_us})

    def stored(self) -> list[StoredInspection]:
        return read_inspections(self.connection, WantedInspections())


def build(tmp_path: Path, connection: Connection, judge: Judge | None, plan: VisionPlan = PLAN, shadow: Judge | None = None) -> Room:
    folder = tmp_path / "inbox"
    bench = Bench(
        plan,
        {Subject.WELDS: NoModel(Subject.WELDS) if judge is None else judge, Subject.BOLTS: NoModel(Subject.BOLTS)},
        EvidenceFolder(tmp_path / "evidence"),
        tmp_path / "refused",
        SystemClock(),
        {} if shadow is None else {Subject.WELDS: shadow},
    )
    return Room(bench, Source(FrameInbox(folder, 100), "inbox"), connection, folder)
