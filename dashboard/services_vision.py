"""Inspections: lists, pictures with their overlays, the review queue, what inspectors answer, and pictures sent in."""

from __future__ import annotations

from pathlib import Path

from dashboard.context import Person
from dashboard.inspection_words import reason_sentence
from dashboard.services_people import require
from dashboard.texts import texts_of
from dashboard.views_vision import (
    BoxView,
    DriftView,
    FoundView,
    InspectionView,
    LabelDraft,
    LabelView,
    ReasonView,
    RefusedView,
    TakenView,
)
from plant.clock import Clock
from plant.errors import Rejected, SettingsError
from plant.frame_triggers import FrameTrigger
from plant.inspections import Decision, Reason, Subject, checked_hash
from plant.settings_vision import VisionSettings
from plant.site import load_site
from storage import inspections, review
from storage.database import Pool
from storage.evidence import EvidenceFolder
from storage.frame_inbox import FrameInbox
from storage.inspections import StoredInspection, WantedInspections
from storage.people import Role, Scope
from storage.review import Label, LabelBox

_DAY_US = 86_400_000_000
_MEDIA = {"JPEG": "image/jpeg", "PNG": "image/png", "BMP": "image/bmp"}


class VisionService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path, home: Path) -> None:
        self._pool, self._clock, self._site_file, self._home = pool, clock, site_file, home
        self._evidence = EvidenceFolder(home / "evidence")

    def inspections(
        self,
        *,
        subject: str | None = None,
        station: str | None = None,
        part: str | None = None,
        decision: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        before: int | None = None,
        shadow: bool = False,
        most: int = 100,
        language: str = "en",
    ) -> list[InspectionView]:
        """Return inspections, those taken last first. ``before``: the number of the last one of the page before."""
        wanted = WantedInspections(
            *(from_us, to_us, _subject(subject), station or None, (part or "").replace("\0", "") or None, _decision(decision), before),
            *(shadow, most),
        )
        with self._pool.connection() as connection:
            return [_view(one, language) for one in inspections.read_inspections(connection, wanted)]

    def inspection(self, number: int, language: str = "en") -> InspectionView:
        """Return one inspection."""
        with self._pool.connection() as connection:
            found = inspections.read_inspection(connection, number)
        if found is None:
            raise Rejected(f"there is no inspection {number}")
        return _view(found, language)

    def queue(self, subject: str | None = None, most: int = 50, language: str = "en") -> list[InspectionView]:
        """Return what waits for a person, the most uncertain first."""
        with self._pool.connection() as connection:
            return [_view(one, language) for one in review.read_queue(connection, _subject(subject), most)]

    def waiting(self) -> int:
        """Return how many inspections wait for a person."""
        with self._pool.connection() as connection:
            return review.count_queue(connection)

    def picture(self, sha256: str) -> tuple[bytes, str]:
        """Return the bytes of a kept picture and their media type."""
        checked = checked_hash(sha256)
        with self._pool.connection() as connection:
            kind = inspections.picture_kind(connection, checked)
        content = None if kind is None else self._evidence.read(checked)
        if content is None:
            raise Rejected("this picture is not kept, or not any more")
        return content, _MEDIA.get(kind or "", "application/octet-stream")

    def labels(self, number: int) -> list[LabelView]:
        """Return what was said of an inspection, the newest first."""
        with self._pool.connection() as connection:
            found = review.read_labels(connection, number)
        return [
            LabelView(
                *(one.id, one.inspection, one.time_us, one.actor, one.decision.value, one.accepted),
                *(tuple(BoxView(box.kind, box.box_px) for box in one.boxes), one.comment),
            )
            for one in found
        ]

    def label(self, who: Person, number: int, draft: LabelDraft) -> None:
        """Keep what an inspector says of an inspection: it becomes a label, audited. For inspectors."""
        require(who, Role.INSPECTOR)
        found = self.inspection(number)
        if draft.boxes is None:
            boxes = tuple(LabelBox(one.kind, one.box_px) for one in found.findings)
        else:
            boxes = tuple(LabelBox(one.kind, _inside(one.box_px, found.width, found.height)) for one in draft.boxes)
        now_us = self._clock.now_us()
        label = Label(number, now_us, who.name, draft.decision, draft.boxes is None, boxes, draft.comment)
        keep_us = now_us + round(self._settings().retention.labelled_days * _DAY_US)
        with self._pool.connection() as connection:
            review.add_label(connection, label, keep_us, who.address)

    def take(self, who: Person, content: bytes, trigger: FrameTrigger) -> TakenView:
        """Put a picture where it waits to be looked at; what it shows is checked there. For inspectors, and tokens that send pictures."""
        require(who, Role.INSPECTOR, Scope.FRAMES)
        settings = self._settings()
        if len(content) > settings.max_megabytes * 1e6:
            raise Rejected(f"a picture may have {settings.max_megabytes:g} MB at most")
        named = trigger.model_copy(update={"came_from": f"rest:{who.name}"[:200], "taken_us": trigger.taken_us or self._clock.now_us()})
        return TakenView(FrameInbox(self._home / "vision" / "inbox", settings.queue).put(content, named))

    def refused(self, most: int = 100, language: str = "en") -> list[RefusedView]:
        """Return the files that were not taken, the newest first."""
        with self._pool.connection() as connection:
            found = inspections.read_refused(connection, most)
        return [
            RefusedView(
                *(one.id, one.time_us, one.came_from, one.name, one.sha256, one.bytes, one.station, one.view, one.part),
                _reason(one.reason, language),
            )
            for one in found
        ]

    def drift(self) -> list[DriftView]:
        """Return how the pictures of each view are now, against its first ones."""
        with self._pool.connection() as connection:
            found = inspections.read_drift(connection)
        return [
            DriftView(
                *(one.station, one.view, one.frames, one.brightness, one.brightness_now, one.brightness_sigmas, one.sharpness),
                *(one.sharpness_now, one.sharpness_sigmas),
            )
            for one in found
        ]

    def _settings(self) -> VisionSettings:
        try:
            return load_site(self._site_file).vision.settings
        except SettingsError:  # the file is being changed: what holds by default holds
            return VisionSettings()


def _view(stored: StoredInspection, language: str) -> InspectionView:
    one = stored.inspection
    return InspectionView(
        id=stored.id,
        frame=one.frame_sha256,
        has_picture=stored.has_picture,
        width=stored.width,
        height=stored.height,
        station=one.station,
        view=one.view,
        part=one.part,
        taken_us=one.taken_us,
        stored_us=stored.stored_us,
        subject=one.subject.value,
        decision=one.decision.value,
        reasons=tuple(_reason(reason, language) for reason in one.reasons),
        findings=tuple(
            FoundView(
                *(found.kind, found.box_px, found.confidence, dict(found.measures), found.decision.value),
                tuple(_reason(reason, language) for reason in found.reasons),
            )
            for found in one.findings
        ),
        uncertainty=stored.uncertainty,
        answered=stored.answered,
        model_sha256=one.model_sha256,
        calibration=one.calibration,
        latency_us=one.latency_us,
        shadow=stored.shadow,
    )


def _reason(reason: Reason, language: str) -> ReasonView:
    return ReasonView(reason.code, dict(reason.values), reason_sentence(reason, texts_of(language)))


def _inside(box: tuple[float, float, float, float], width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise Rejected(f"a box must lie within the picture of {width} x {height} pixels")
    return box


def _subject(word: str | None) -> Subject | None:
    if not word:
        return None
    if word not in set(Subject):
        raise Rejected(f"there is no subject '{word}'; there are: {', '.join(Subject)}")
    return Subject(word)


def _decision(word: str | None) -> Decision | None:
    if not word:
        return None
    if word not in set(Decision):
        raise Rejected(f"there is no decision '{word}'; there are: {', '.join(Decision)}")
    return Decision(word)
