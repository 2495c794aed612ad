from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.bolts import BoltState
from plant.inspections import Decision
from simulators.bolt_draws import Crop
from simulators.bolt_scenes import Scene, crop_scene, render, view_scene
from tests.vision.bolt_truth import middle_truth, true_maps
from vision.bolt_circle import CameraLens, CircleDrawing
from vision.bolt_looks import BoltView, look_at_bolts
from vision.bolt_maps import STEP_PX, Seen, Window
from vision.bolt_near import NearLook
from vision.bolt_reading import BoltLimits, BoltReading, read_bolt
from vision.bolts_of_circle import located
from vision.mark_net import COLUMNS, FLANGE_MM, NUT_MM, MarkLook, shipped_marks, unrolled
from vision.nut_shape import NutShape, NutSizes
from vision.shipped import nets_with
from vision.witness_mark import strokes

CROP = Crop(radius_px=(46, 50), margin=(1.8, 1.85), off_centre=0.05)


def test_a_ring_of_the_nut_becomes_a_row_and_a_turn_becomes_a_shift() -> None:
    side, mm = 228, 2.5
    y, x = np.mgrid[:side, :side] - 113.5
    around = np.arctan2(y, x)
    wheel = np.repeat(((around + np.pi) / (2 * np.pi) * 255)[..., None], 3, axis=2).astype(np.uint8)
    maps, middle = np.stack([np.eye(2) * mm] * 2), np.full((2, 2), 113.5)
    straight = unrolled(wheel, middle, maps, np.zeros((2, 2)), np.zeros(2))
    assert straight.shape == (len(NUT_MM) + len(FLANGE_MM), COLUMNS, 3)
    inside = straight[6:40, 5:-5, 0].astype(float)
    assert np.abs(inside - np.linspace(0, 255, COLUMNS)[5:-5]).max() < 5, "a column is a direction, from the left round to the left"
    turned = unrolled(wheel, middle, maps, np.zeros((2, 2)), np.array([np.pi / 2, 0.0]))
    assert np.abs(turned[10, 5:180, 0].astype(float) - inside[4, :175] - 64).max() < 5, "a roll of the nut moves the nut's rows only"
    assert (turned[24:] == straight[24:]).all()


def read(scene: Scene, off_deg: float, *, there: float = 1.0, smeared: float = 0.0, open_mm: float = 0.05) -> BoltReading:
    """Read a bolt whose mark a net sees at another angle than it has."""
    shown = render(scene)
    maps, scale = true_maps(shown)
    angle = middle_truth(shown).angle_deg

    def look(shape: NutShape) -> NearLook:
        mark = MarkLook(angle + off_deg, 0.2, 0.1, 0.0, there, there, smeared, 0.0, 0.0)
        clear = np.ones_like(maps.paint)
        seen = strokes(maps.paint, maps.parts[Seen.NUT_TOP], maps.parts[Seen.FLANGE], clear, shape, NutSizes(), STEP_PX)
        return NearLook(shape, mark, seen, 0.999, 0.5, np.array([open_mm, open_mm]))

    return read_bolt(maps, NutSizes(), BoltLimits(), mirrored=scene.lens.mirrored, picture_scale=scale, look=look)


def test_where_stroke_and_net_differ_the_interval_grows_and_nothing_is_ok() -> None:
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    agreed, apart = read(scene, 0.0), read(scene, 8.0)
    assert agreed.decision is Decision.OK
    assert apart.half_interval_deg > agreed.half_interval_deg + 10
    assert apart.decision is Decision.REVIEW


def test_a_mark_that_the_net_does_not_see_or_sees_smeared_goes_to_a_person() -> None:
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    for reading, code in ((read(scene, 0.0, there=0.02), "mark_faint"), (read(scene, 0.0, smeared=0.9), "mark_smeared")):
        assert reading.decision is Decision.REVIEW
        assert reading.reasons[0].code == code


def test_a_bolt_whose_edges_leave_its_axis_open_is_not_judged() -> None:
    scene = replace(crop_scene(440, CROP, state=BoltState.PRESENT), cover=None)
    reading = read(scene, 0.0, open_mm=0.4)
    assert (reading.decision, reading.reasons[0].code) == (Decision.NOT_DECIDABLE, "bolt_unclear")


@pytest.mark.heavy
def test_the_shipped_net_finds_the_angle_of_rendered_bolts_with_its_sign_also_in_a_mirror() -> None:
    net, mirrors, errors = shipped_marks(), set(), []
    for seed in range(300, 309):
        scene = replace(crop_scene(seed, CROP, state=BoltState.LOOSENED), cover=None)
        shown = render(scene)
        maps, scale = true_maps(shown)
        shape = read_bolt(maps, NutSizes(), BoltLimits(), mirrored=scene.lens.mirrored, picture_scale=scale).shape
        if shape is None:
            continue
        look = net.look(shown.pixels, shape, Window(scale / 2 - 0.5, scale / 2 - 0.5, scale), NutSizes(), mirrored=scene.lens.mirrored)
        mirrors.add(scene.lens.mirrored)
        errors.append(abs((look.angle_deg - middle_truth(shown).angle_deg + 180) % 360 - 180))
    assert mirrors == {True, False}
    assert len(errors) >= 7
    assert np.median(errors) < 3


@pytest.mark.heavy
def test_all_bolts_of_a_wide_view_are_found_and_located_though_plain_flange_looks_like_a_nut() -> None:
    scene = view_scene(49_500_002, good=True)
    shown, lens = render(scene), scene.lens
    camera = CameraLens(lens.focal_px, lens.centre_px, lens.distortion, lens.mirrored)
    view = BoltView(mirrored=lens.mirrored, circle=CircleDrawing(scene.diameter_mm, scene.count), lens=camera)
    looked = look_at_bolts(shown.pixels, nets_with(None), view)
    assert len(looked) == len(shown.truths) == 5
    middle = np.array([lens.width / 2, lens.height / 2])
    number = min(shown.truths, key=lambda truth: float(np.hypot(*(middle - truth.base_px)))).number
    circle, _ = located(looked, replace(view, middle_bolt=number), shown.pixels)
    assert circle is not None
    where = {truth.number: (truth.x_mm, truth.y_mm) for truth in shown.truths}
    off = [np.hypot(*(found - where[int(place) + 1])) for place, found in zip(circle.pose.places, circle.pose.found_mm, strict=True)]
    assert np.max(off) < 0.6
