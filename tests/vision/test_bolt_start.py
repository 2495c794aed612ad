from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.bolts import BoltState
from simulators.bolt_draws import Crop
from simulators.bolt_scenes import crop_scene, render
from tests.vision.bolt_truth import middle_truth, true_maps
from vision.bolt_maps import Window, cut
from vision.bolt_near import shipped_eyes
from vision.bolt_pose import plane_of, standing, started
from vision.bolt_reading import BoltLimits, read_bolt
from vision.bolt_start import shipped_starts
from vision.mark_net import RADIUS_PX, SIDE_PX
from vision.nut_shape import NutSizes

CROP = Crop(radius_px=(46, 50), margin=(1.8, 1.85), off_centre=0.05)
LEANING = np.array([114.0, 110.0, np.log(2.5), 0.25, 0.1, 0.3, 0.0024, 18.8, 4.25])


def test_a_pose_is_started_alike_by_its_outline_and_by_a_look_at_the_whole() -> None:
    centre, affine, _ = plane_of(LEANING, 0.0)
    base, _, _ = plane_of(LEANING, -23.05)
    by_outline = started(centre, affine, base)
    by_look = standing(centre, base, float(np.exp(by_outline[2])), float(by_outline[5]))
    assert np.allclose(by_outline, by_look)
    assert np.allclose(by_look[3:5], LEANING[3:5], atol=0.03)


def test_a_bolt_is_found_though_its_outline_was_taken_far_beside_it_and_too_large() -> None:
    eyes, off = shipped_eyes(), []
    for seed in range(300, 306):
        scene = replace(crop_scene(seed, CROP, state=BoltState.PRESENT), cover=None)
        shown = render(scene)
        maps, scale = true_maps(shown)
        shape = read_bolt(maps, NutSizes(), BoltLimits(), mirrored=scene.lens.mirrored, picture_scale=scale).shape
        assert shape is not None
        beside = np.array([9.0, -9.0]) * shape.radius_px  # in mm
        wrong = replace(shape, centre_px=shape.centre_px + beside, base_px=shape.base_px + beside, affine=shape.affine * 1.15)
        window = Window(scale / 2 - 0.5, scale / 2 - 0.5, scale)
        look = eyes.look(shown.pixels, wrong, window, maps, NutSizes(), mirrored=scene.lens.mirrored)
        assert look is not None
        truth = middle_truth(shown)
        seen = np.array(window.to_picture(*look.shape.centre_px))
        off.append(float(np.hypot(*(seen - truth.top_px))) / truth.radius_px * NutSizes().corner_mm)
    assert np.median(off) < 0.25
    assert sorted(off)[-2] < 1.0, "one of six may be lost, and says so by its covariance"


@pytest.mark.heavy
def test_the_look_at_the_whole_tells_within_some_mm_where_a_bolt_stands_and_how_its_hexagon_is_turned() -> None:
    starts, ends = shipped_starts(), []
    for seed in range(320, 340):
        shown = render(replace(crop_scene(seed, CROP, state=BoltState.LOOSENED), cover=None))
        truth, side = middle_truth(shown), shown.pixels.shape[0]
        middle = (side - 1) / 2
        square, window = cut(shown.pixels, (middle, middle), SIDE_PX / 2 / RADIUS_PX * truth.radius_px, SIDE_PX)
        stand = starts.stand(square)
        for seen, true in ((stand.top, truth.top_px), (stand.base, truth.base_px)):
            ends.append(float(np.hypot(*(np.array(window.to_picture(*seen)) - true))) / truth.radius_px * NutSizes().corner_mm)
    assert np.median(ends) < 2.0
