from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from plant.bolts import BoltState
from plant.inspections import Decision
from simulators.bolt_draws import Crop
from simulators.bolt_scenes import Rendered, Scene, crop_scene, render
from tests.vision.bolt_truth import middle_truth, true_maps
from vision.bolt_maps import STEP_PX, BoltLooks, BoltMaps, Seen, look_steadily
from vision.bolt_near import NearLook
from vision.bolt_paint import paint_by_colour
from vision.bolt_reading import MEASURED_DEG, BoltLimits, BoltReading, read_bolt
from vision.frames import Pixels
from vision.mark_net import MarkLook
from vision.nut_shape import NutShape, NutSizes
from vision.witness_mark import strokes

CROP = Crop(radius_px=(46, 50), margin=(1.8, 1.85), off_centre=0.05)


def looked(seed: int, state: BoltState) -> tuple[Scene, Rendered, BoltReading]:
    scene = replace(crop_scene(seed, CROP, state=state), cover=None)
    shown = render(scene)
    maps, scale = true_maps(shown)
    return scene, shown, read_bolt(maps, NutSizes(), BoltLimits(), mirrored=scene.lens.mirrored, picture_scale=scale)


def test_the_angle_of_the_mark_is_found_with_its_sign_also_in_a_mirror() -> None:
    mirrors, errors = set(), []
    for seed in range(300, 309):
        scene, shown, reading = looked(seed, BoltState.LOOSENED)
        truth = middle_truth(shown)
        if reading.mark is None or min(reading.values.get("nut_mm2", 0), reading.values.get("flange_mm2", 0)) < 9:
            continue
        mirrors.add(scene.lens.mirrored)
        assert np.sign(reading.mark.angle_deg) == np.sign(truth.angle_deg)
        errors.append(abs(reading.mark.angle_deg - truth.angle_deg))
    assert mirrors == {True, False}
    assert len(errors) >= 5
    assert np.median(errors) < 0.8


def test_no_loosened_bolt_and_none_without_washer_bolt_or_mark_is_ok() -> None:
    for state in (BoltState.LOOSENED, BoltState.MISSING, BoltState.WASHER_MISSING, BoltState.MARK_ABSENT):
        for seed in range(400, 403):
            _, _, reading = looked(seed, state)
            assert reading.decision is not Decision.OK, (state, seed)


@pytest.mark.parametrize("state", [BoltState.MISSING, BoltState.WASHER_MISSING])
def test_a_missing_bolt_and_a_missing_washer_are_named(state: BoltState) -> None:
    named = [looked(seed, state)[2] for seed in range(420, 423)]
    assert all(reading.state is state for reading in named)
    assert all(reading.decision in {Decision.NOK, Decision.REVIEW} for reading in named)


def test_good_bolts_are_ok() -> None:
    decisions = [looked(seed, BoltState.PRESENT)[2].decision for seed in range(440, 446)]
    assert decisions.count(Decision.OK) >= 4
    assert decisions.count(Decision.NOK) <= 1


def test_an_interval_that_reaches_over_the_limit_asks_a_person() -> None:
    _, _, reading = looked(440, BoltState.PRESENT)
    assert reading.mark is not None
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    maps, scale = true_maps(render(scene))
    narrow = BoltLimits(loosened_deg=abs(reading.mark.angle_deg) + 0.5 * reading.half_interval_deg)
    again = read_bolt(maps, NutSizes(), narrow, mirrored=scene.lens.mirrored, picture_scale=scale)
    assert again.decision is Decision.REVIEW


def test_what_is_covered_small_or_empty_is_not_decidable() -> None:
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    maps, scale = true_maps(render(scene))
    small = read_bolt(maps, NutSizes(), BoltLimits(), mirrored=False, picture_scale=0.2)
    assert (small.decision, small.reasons[0].code) == (Decision.NOT_DECIDABLE, "bolt_small")
    parts = maps.parts.copy()
    half = parts.shape[2] // 2
    parts[:, :, :half] = 0
    parts[Seen.COVER, :, :half] = 1
    hidden = read_bolt(BoltMaps(parts, maps.paint), NutSizes(), BoltLimits(), mirrored=False, picture_scale=scale)
    assert hidden.decision is Decision.NOT_DECIDABLE
    empty = np.zeros_like(maps.parts)
    empty[Seen.FLANGE] = 1
    nothing = read_bolt(BoltMaps(empty, np.zeros_like(maps.paint)), NutSizes(), BoltLimits(), mirrored=False)
    assert nothing.decision is Decision.NOT_DECIDABLE


def test_a_washer_that_the_whole_does_not_look_like_asks_a_person_however_much_of_its_ring_seems_there() -> None:
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    maps, scale = true_maps(render(scene))

    def read(no_washer: float) -> BoltReading:
        looks = BoltLooks(1 - no_washer, no_washer, 0.0, 0.0, 0.0)
        told = replace(maps, looks=looks)
        return read_bolt(told, NutSizes(), BoltLimits(), mirrored=scene.lens.mirrored, picture_scale=scale)

    assert read(0.01).decision is Decision.OK
    doubtful, missing = read(0.9), read(0.999)
    assert (doubtful.state, doubtful.decision) == (BoltState.WASHER_MISSING, Decision.REVIEW)
    assert (missing.state, missing.decision) == (BoltState.WASHER_MISSING, Decision.NOK)


def test_a_nut_that_is_surely_turned_is_not_ok_whatever_is_thought_of_its_washer() -> None:
    scene = replace(crop_scene(300, CROP, state=BoltState.LOOSENED), cover=None)
    maps, scale = true_maps(render(scene))
    doubted = replace(maps, looks=BoltLooks(0.1, 0.9, 0.0, 0.0, 0.0))
    for told in (maps, doubted):
        reading = read_bolt(told, NutSizes(), BoltLimits(), mirrored=scene.lens.mirrored, picture_scale=scale)
        assert (reading.state, reading.decision) == (BoltState.LOOSENED, Decision.NOK)


def test_where_the_drawing_has_no_washer_none_is_missed() -> None:
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    maps, scale = true_maps(render(scene))
    told = replace(maps, looks=BoltLooks(0.0, 1.0, 0.0, 0.0, 0.0))
    reading = read_bolt(told, NutSizes(washer_mm=0), BoltLimits(), mirrored=scene.lens.mirrored, picture_scale=scale)
    assert reading.state is not BoltState.WASHER_MISSING


def test_paint_is_told_by_its_colour_where_the_net_draws_its_edges_broad() -> None:
    square = np.full((96, 96, 3), (90, 90, 90), np.uint8)
    square[20:76, 40:52] = (30, 180, 220)
    true = np.zeros((48, 48), np.float32)
    true[10:38, 20:26] = 1
    broad = np.asarray(cv2.GaussianBlur(true, (0, 0), 1.5), np.float32)
    parts = np.zeros((7, 48, 48), np.float32)
    parts[Seen.FLANGE] = 1
    told = paint_by_colour(square, BoltMaps(parts, broad)).paint
    assert np.abs(told - true).mean() < 0.6 * np.abs(broad - true).mean()
    grey = paint_by_colour(np.full_like(square, 90), BoltMaps(parts, broad)).paint
    assert np.array_equal(grey, broad)


class Lopsided:
    """A net that sees paint a little to the left of where it is, and what is bright as paint."""

    sha256 = ""

    def look(self, pixels: Pixels) -> BoltMaps:
        small = np.asarray(cv2.resize(pixels[..., 0], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32) / 255
        return BoltMaps(np.stack([np.roll(small, -1, axis=1)] * 7), np.roll(small, -1, axis=1))


def test_what_a_net_sees_to_one_side_is_evened_out_by_turning_and_mirroring_the_picture() -> None:
    square = np.zeros((48, 48, 3), np.uint8)
    square[18:26, 22:30] = 255
    y, x = np.nonzero(square[..., 0])
    true = np.array([x.mean(), y.mean()])

    def centre(maps: BoltMaps) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        v, u = np.mgrid[:24, :24] * 2.0 + 0.5
        return np.asarray([(maps.paint * u).sum(), (maps.paint * v).sum()], np.float64) / float(maps.paint.sum())

    once, steady = (np.abs(centre(maps) - true).max() for maps in (Lopsided().look(square), look_steadily(Lopsided(), square)))
    assert once == pytest.approx(2.0, abs=0.01)
    assert steady < 0.8


def eyes_that_see(maps: BoltMaps, angle_deg: float, *, axis_mm: float, found: bool = True) -> Callable[[NutShape], NearLook]:
    """Return eyes that see the mark turned by an angle and leave the axis open by so much; ``found``: also by its colours."""

    def look(shape: NutShape) -> NearLook:
        paint = maps.paint if found else np.zeros_like(maps.paint)
        seen = strokes(paint, maps.parts[Seen.NUT_TOP], maps.parts[Seen.FLANGE], 1 - maps.parts[Seen.COVER], shape, NutSizes(), STEP_PX)
        mark = MarkLook(angle_deg, 1.2, 0.3, 0.1, 0.99, 0.99, 0.01, 0.01, 0.0)
        return NearLook(shape, mark, seen, 0.99, 0.3, np.full(2, axis_mm))

    return look


def test_a_nut_that_is_turned_by_far_is_told_so_though_its_axis_is_left_open_and_a_sound_one_is_then_never_ok() -> None:
    for seed, state, told in ((303, BoltState.LOOSENED, Decision.NOK), (440, BoltState.PRESENT, Decision.NOT_DECIDABLE)):
        scene = replace(crop_scene(seed, CROP, state=state), cover=None)
        shown = render(scene)
        maps, scale = true_maps(shown)
        true = middle_truth(shown).angle_deg
        assert abs(true) > 20 or state is BoltState.PRESENT
        read = {
            axis_mm: read_bolt(
                *(maps, NutSizes(), BoltLimits()),
                mirrored=scene.lens.mirrored,
                picture_scale=scale,
                look=eyes_that_see(maps, true, axis_mm=axis_mm),
            )
            for axis_mm in (0.03, 0.2)
        }
        assert read[0.03].decision is (Decision.NOK if state is BoltState.LOOSENED else Decision.OK)
        assert read[0.2].decision is told
        assert read[0.03].half_interval_deg <= MEASURED_DEG < read[0.2].half_interval_deg or told is Decision.NOT_DECIDABLE


def test_where_no_stroke_is_found_the_net_of_marks_can_tell_that_a_nut_is_turned_and_never_that_it_is_not() -> None:
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    maps, scale = true_maps(render(scene))
    told = [
        read_bolt(
            *(maps, NutSizes(), BoltLimits()),
            mirrored=scene.lens.mirrored,
            picture_scale=scale,
            look=eyes_that_see(maps, angle, axis_mm=0.03, found=False),
        )
        for angle in (0.0, 6.0, 30.0)
    ]
    assert [each.decision for each in told] == [Decision.REVIEW, Decision.REVIEW, Decision.NOK]
    assert told[2].state is BoltState.LOOSENED
    assert told[2].mark is None, "by how much is not told as an angle"


def test_a_mark_that_the_net_sees_turned_is_not_ok_however_straight_its_stroke_seems() -> None:
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    maps, scale = true_maps(render(scene))

    def read(angle: float) -> Decision:
        return read_bolt(
            *(maps, NutSizes(), BoltLimits()),
            mirrored=scene.lens.mirrored,
            picture_scale=scale,
            look=eyes_that_see(maps, angle, axis_mm=0.03),
        ).decision

    assert read(0.5) is Decision.OK
    assert read(3.7) is Decision.REVIEW
