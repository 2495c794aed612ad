"""One picture from the inbox to a stored inspection. Whatever it is, the next one gets its turn."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.frame_triggers import FrameTrigger
from plant.inspections import FrameHash, Inspection, Reason, Subject, frame_hash
from plant.settings_vision import ViewSettings
from plant.vision_rules import VisionPlan
from storage import inspections
from storage.database import Connection
from storage.evidence import EvidenceFolder
from storage.frame_inbox import FrameInbox, WaitingFrame
from storage.inspections import PictureFacts, RefusedFrame
from vision import frame_checks
from vision.frames import Frame
from vision.image_headers import RefusedImage
from vision.images import ImageLimits, decode, probe
from vision.inspecting import Inspector
from vision.unjudged import undecided

_PATIENCE_US: Final = 3_000_000
"""For the file that says what a picture shows: some systems write it after the picture."""
_REFUSED_KEPT: Final = 200
_DAY_US: Final = 86_400_000_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bench:
    """All that judging needs."""

    plan: VisionPlan
    inspectors: Mapping[Subject, Inspector]
    evidence: EvidenceFolder
    refused: Path
    """Where files go that were not taken."""
    clock: Clock
    shadows: Mapping[Subject, Inspector]
    """Candidates that judge beside, and decide nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that pictures come from, and what is known of them."""

    inbox: FrameInbox
    name: str
    exif_rotation: str = "refuse"


def judge_waiting(bench: Bench, source: Source, connection: Connection, most: int) -> int:
    """Judge what waits, at most so many pictures; return how many were taken out. Raises Unavailable: they stay where they are."""
    done = 0
    for waiting in source.inbox.waiting():
        if done >= most:
            break
        if not source.inbox.has_trigger(waiting) and bench.clock.now_us() - waiting.came_us < _PATIENCE_US:
            continue
        _judge_file(bench, source, connection, waiting)
        done += 1
    return done


def _judge_file(bench: Bench, source: Source, connection: Connection, waiting: WaitingFrame) -> None:
    begin = bench.clock.monotonic()
    trigger: FrameTrigger | None = None
    content = b""
    try:
        content = _content(bench, waiting)
        try:
            trigger = source.inbox.trigger(waiting)
        except Rejected as error:
            raise RefusedImage(Reason("no_metadata", {"why": str(error)[:200]})) from error
        judge(bench, source, connection, content, trigger, waiting, begin)
    except FileNotFoundError:
        return
    except RefusedImage as error:
        _refuse(bench, source, connection, waiting, trigger, content, error.reason)
    else:
        source.inbox.done(waiting)


def judge(
    bench: Bench, source: Source, connection: Connection, content: bytes, trigger: FrameTrigger, waiting: WaitingFrame, begin: float
) -> None:
    """Look at one picture and store what was found. Raises RefusedImage for what is no picture to be looked at."""
    sha256 = frame_hash(content)
    if trigger.sha256 is not None and trigger.sha256 != sha256:
        raise RefusedImage(Reason("other_bytes"))
    view = bench.plan.view(trigger.station, trigger.view)
    if view is None:
        raise RefusedImage(Reason("no_view", {"station": trigger.station, "view": trigger.view}))
    taken_us = waiting.came_us if trigger.taken_us is None else trigger.taken_us
    header = probe(content, _limits(bench, source), _name(trigger, waiting))
    pixels = decode(content, _limits(bench, source))
    measured = frame_checks.measure(pixels)
    frame = Frame(pixels, sha256, trigger.part, trigger.station, trigger.view, taken_us, measured)
    facts = PictureFacts(
        *(header.kind, len(content), pixels.shape[1], pixels.shape[0]),
        *(measured.brightness, measured.sharpness, measured.white_percent),
    )
    reasons = (*frame_checks.poor(measured, view.checks), *frame_checks.expired(view, taken_us), *_repeated(connection, frame))
    found: list[tuple[Inspection, bool]] = []
    for inspector, shadow in _judges(bench, view.subject):
        empty = undecided(frame, view.subject, reasons, inspector.model_sha256, _calibration(view))
        if inspections.has_inspection(connection, empty, shadow=shadow):
            continue
        judged = empty if reasons else _inspected(inspector, frame, empty)
        found.append((replace(judged, latency_us=round((bench.clock.monotonic() - begin) * 1e6)), shadow))
    if found:
        bench.evidence.keep(content)
        now_us = bench.clock.now_us()
        days = max(bench.plan.settings.retention.days(one.decision) for one, _ in found)
        inspections.add_inspections(connection, found, facts, now_us, now_us + round(days * _DAY_US))


def _judges(bench: Bench, subject: Subject) -> list[tuple[Inspector, bool]]:
    shadow = bench.shadows.get(subject)
    return [(bench.inspectors[subject], False), *([] if shadow is None else [(shadow, True)])]


def _repeated(connection: Connection, frame: Frame) -> list[Reason]:
    """Return that the very same bytes were told to be of another part: two pictures of a living camera never are alike."""
    other = inspections.other_part(connection, frame.sha256, frame.station, frame.view, frame.part)
    return [] if other is None else [Reason("repeated", {"part": other})]


def _inspected(inspector: Inspector, frame: Frame, empty: Inspection) -> Inspection:
    """Return what an inspector says; NOT_DECIDABLE where it fails."""
    try:
        judged = inspector.inspect(frame)
    except Exception as error:  # noqa: BLE001 - whatever fails in it, the next picture gets its turn
        _log.exception("an inspection failed", frame=frame.sha256, station=frame.station, view=frame.view)
        return replace(empty, reasons=(Reason("inspector_failed", {"why": type(error).__name__}),))
    return replace(judged, model_sha256=empty.model_sha256, calibration=empty.calibration)


def _calibration(view: ViewSettings) -> str:
    return "" if view.calibration is None else view.calibration.id


def _limits(bench: Bench, source: Source) -> ImageLimits:
    settings = bench.plan.settings
    return ImageLimits(
        most_bytes=round(settings.max_megabytes * 1e6),
        most_pixels=round(settings.max_megapixels * 1e6),
        exif_rotation="turn" if source.exif_rotation == "turn" else "refuse",
    )


def _name(trigger: FrameTrigger, waiting: WaitingFrame) -> str:
    return trigger.name or ("" if waiting.path.suffix == ".frame" else waiting.path.name)


def _content(bench: Bench, waiting: WaitingFrame) -> bytes:
    """Return the bytes of a file, one more than may be where it is too large."""
    try:
        with waiting.path.open("rb") as file:
            return file.read(round(bench.plan.settings.max_megabytes * 1e6) + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(f"{waiting.path}: cannot be read: {error.strerror or error}") from error


def _refuse(
    bench: Bench,
    source: Source,
    connection: Connection,
    waiting: WaitingFrame,
    trigger: FrameTrigger | None,
    content: bytes,
    reason: Reason,
) -> None:
    told = trigger or FrameTrigger(station="", view="")
    refused = RefusedFrame(
        *(bench.clock.now_us(), told.came_from or source.name, told.name or waiting.path.name, _hash_of(waiting, content), waiting.bytes),
        *(reason, told.station, told.view, told.part),
    )
    inspections.add_refused(connection, refused)
    with contextlib.suppress(FileNotFoundError):
        source.inbox.set_aside(waiting, bench.refused, _REFUSED_KEPT)


def _hash_of(waiting: WaitingFrame, content: bytes) -> FrameHash:
    if len(content) == waiting.bytes:
        return frame_hash(content)
    with waiting.path.open("rb") as file:
        return FrameHash(hashlib.file_digest(file, "sha256").hexdigest())


def tidy(bench: Bench, connection: Connection) -> int:
    """Take pictures off the disk whose time is over or that the budget has no room for; return how many went."""
    now_us = bench.clock.now_us()
    ids = inspections.pictures_to_forget(connection, now_us, round(bench.plan.settings.budget_gb * 1e9))
    for one in ids:
        bench.evidence.forget(one)
    if ids:
        inspections.note_forgotten(connection, ids, now_us)
    inspections.forget_before(connection, now_us - round(bench.plan.settings.retention.inspections_days * _DAY_US))
    return len(ids)
