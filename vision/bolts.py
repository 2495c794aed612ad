"""The inspector of bolts: finds them, reads each, locates the circle where the camera is calibrated, and judges the picture."""

from __future__ import annotations

import time
from collections.abc import Callable

from plant.inspections import Decision, Finding, Inspection, Reason, Subject, gravest
from plant.settings_bolts import BoltCircleSettings
from vision import frame_checks
from vision.bolt_circle import CameraLens, CircleDrawing
from vision.bolt_looks import BoltNets, BoltView, LookedAt, look_at_bolts, net_limits
from vision.bolts_of_circle import Located, held_against, located, not_found
from vision.frames import Frame
from vision.nut_shape import NutSizes
from vision.unjudged import undecided


class BoltInspector:
    """Judges pictures of bolts. Needs no database and no site."""

    subject = Subject.BOLTS

    def __init__(self, nets: BoltNets, view_of: Callable[[Frame], BoltView]) -> None:
        """``view_of`` tells what is known of a frame's view."""
        self._nets = nets
        self._view_of = view_of

    @property
    def model_sha256(self) -> str:
        """Return which net looks."""
        return self._nets.parts.sha256

    def inspect(self, frame: Frame) -> Inspection:
        """Return what was found of each bolt, and the decision over all. A picture without bolts is not decidable."""
        began = time.perf_counter()
        view = self._view_of(frame)
        poor = frame_checks.poor(frame_checks.statistics_of(frame), view.checks)
        if poor:
            return undecided(frame, self.subject, tuple(poor), self.model_sha256)
        looked = look_at_bolts(frame.pixels, self._nets, view)
        circle, told = located(looked, view, frame.pixels)
        if circle is not None:
            looked = held_against(circle, looked, frame.pixels, self._nets, view)
            looked += not_found(circle, looked, frame.pixels, self._nets, view)
        findings = tuple(_finding(each, circle, view) for each in looked)
        decision = gravest(finding.decision for finding in findings) if findings else Decision.NOT_DECIDABLE
        reasons = list(told) if findings else [Reason("no_bolts")]
        if view.bolts is not None and len(findings) < view.bolts:
            decision = gravest([decision, Decision.NOT_DECIDABLE])
            reasons.append(Reason("too_few_bolts", {"found": len(findings), "expected": view.bolts}))
        return Inspection(
            *(frame.sha256, frame.station, frame.view, frame.part, frame.taken_us, self.subject, self.model_sha256, ""),
            *(decision, findings, tuple(reasons), round((time.perf_counter() - began) * 1e6)),
        )


def _finding(each: LookedAt, circle: Located | None, view: BoltView) -> Finding:
    reading, radius = each.reading, each.place.radius_px
    x, y = each.place.centre_px
    measures = {"radius_px": radius}
    if reading.shape is not None:
        radius = reading.shape.radius_px * view.sizes.corner_mm * each.window.scale
        x, y = each.window.to_picture(float(reading.shape.centre_px[0]), float(reading.shape.centre_px[1]))
        base = each.base_px()
        measures |= {"radius_px": radius, "centre_x_px": x, "centre_y_px": y, "base_x_px": base[0], "base_y_px": base[1]}
    if reading.mark is not None:
        measures |= {"angle_deg": reading.mark.angle_deg, "angle_interval_deg": reading.half_interval_deg}
    if circle is not None:
        measures |= circle.measures(each)
    kind = reading.state.value if reading.decision is not Decision.NOT_DECIDABLE else "bolt"
    measures = {name: float(value) for name, value in measures.items()}
    return Finding(kind, (x - radius, y - radius, x + radius, y + radius), each.place.share, measures, reading.decision, reading.reasons)


def bolt_view(settings: BoltCircleSettings, size_px: tuple[int, int]) -> BoltView:
    """Return what settings say of a view whose pictures have this width and height."""
    circle = None if settings.diameter_mm is None or settings.count is None else CircleDrawing(settings.diameter_mm, settings.count)
    centre = settings.centre_px or (size_px[0] / 2 - 0.5, size_px[1] / 2 - 0.5)
    lens = None if settings.focal_px is None else CameraLens(settings.focal_px, centre, settings.distortion, settings.mirrored)
    return BoltView(
        NutSizes(settings.across_flats_mm, settings.washer_mm),
        net_limits(settings.loosened_deg),
        settings.mirrored,
        circle,
        lens,
        settings.middle_bolt,
        settings.expected,
        settings.radius_px,
    )
