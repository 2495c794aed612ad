from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.bolts import BoltState
from simulators.bolt_draws import Crop
from simulators.bolt_scenes import crop_scene, render
from tests.vision.bolt_truth import middle_truth, true_maps
from vision.bolt_circle import CameraLens
from vision.bolt_edges import HALF_MM, LOWER, RIM, TOP, WASHER, heights, pieces, places, projected
from vision.bolt_maps import Window
from vision.bolt_near import shipped_eyes
from vision.bolt_pose import plane_of, started
from vision.bolt_reading import BoltLimits, read_bolt
from vision.bolt_squares import Square
from vision.nut_shape import Numbers, NutSizes
from vision.witness_mark import Plane, Strokes, mark_angle

CROP = Crop(radius_px=(46, 50), margin=(1.8, 1.85), off_centre=0.05)
STRAIGHT = np.array([114.0, 114.0, np.log(2.5), 0.0, 0.0, 0.3, 0.002, 20.0, 4.2])
LEANING = np.array([114.0, 110.0, np.log(2.5), 0.25, 0.1, 0.3, 0.002, 20.0, 4.2])


def test_a_nut_seen_straight_on_shows_its_top_and_the_washer_and_a_leaning_one_also_the_sides_that_face_the_camera() -> None:
    straight, leaning, bare = pieces(STRAIGHT, 22.0), pieces(LEANING, 22.0), pieces(LEANING, 0.0)
    assert set(straight.kind) == {TOP, WASHER}
    assert set(leaning.kind) == {TOP, LOWER, WASHER, RIM}
    assert set(bare.kind) == {TOP, LOWER}
    for some in (straight, leaning):
        assert (some.kind == TOP).sum() == 6
    assert 1 <= (leaning.kind == LOWER).sum() <= 3
    px, outwards = places(LEANING, leaning)
    middle = projected(LEANING, np.zeros(3))
    top = leaning.kind == TOP
    assert (((px - middle) * outwards).sum(-1)[top] > 0).all(), "outwards is away from the axis"
    hidden = leaning.seen[leaning.kind == WASHER]
    assert not hidden.all(), "the far side of the washer is behind the nut"


def test_corners_lie_where_the_drawing_says_and_what_is_lower_is_smaller() -> None:
    corner = np.array([HALF_MM / np.cos(np.pi / 6), 0.0, 0.0])
    assert np.hypot(*(projected(STRAIGHT, corner) - STRAIGHT[:2])) == pytest.approx(2.5 * corner[0])
    low = np.append(corner[:2], heights(STRAIGHT, np.array([2.0]))[0])
    assert np.hypot(*(projected(STRAIGHT, low) - STRAIGHT[:2])) < 2.5 * corner[0] * 0.97


def test_a_pose_is_started_where_its_affine_map_says() -> None:
    centre, affine, _ = plane_of(LEANING, 0.0)
    base, _, _ = plane_of(LEANING, -24.2)
    first = started(centre, affine, base)
    assert np.allclose(first[:2], LEANING[:2])
    assert np.allclose(first[3:5], LEANING[3:5], atol=0.03)
    assert first[5] == pytest.approx(LEANING[5], abs=0.02)


def _stroke(turn: float, ends: tuple[float, float], axis: Numbers) -> Plane:
    """Return a stroke of 4 mm through the true axis, told about an axis that is off."""
    u, v = (each.ravel() for each in np.meshgrid(np.arange(-40, 40, 0.4), np.arange(-40, 40, 0.4)))
    along, beside = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    paint = (np.abs(beside) < 2) & (along > ends[0]) & (along < ends[1])
    near = (along > ends[0] - 3) & (along < ends[1] + 3) & (np.abs(beside) < 8)
    if ends[1] <= 18:
        near &= along < 18
    return Plane(np.stack([u, v], 1)[near] - axis, np.ones(int(near.sum())), paint[near].astype(np.float64))


def test_long_strokes_tell_the_angle_though_the_axis_is_off() -> None:
    off = np.array([-0.3, 0.5])
    seen = Strokes(_stroke(0.7, (1.0, 18.0), off), _stroke(0.5, (23.0, 36.0), np.zeros(2)), 0.16)
    trusting, careful = (mark_angle(seen, mirrored=True, centre_sigma_mm=sigma) for sigma in (0.001, 0.5))
    assert trusting is not None
    assert careful is not None
    true = np.rad2deg(0.2)
    assert abs(careful.angle_deg - true) < 0.7
    assert abs(careful.angle_deg - true) < 0.6 * abs(trusting.angle_deg - true)
    assert careful.sigma_deg > trusting.sigma_deg, "and says that it knows less"


@pytest.mark.heavy
def test_the_shipped_net_finds_the_axis_of_rendered_bolts_and_whether_there_is_a_washer() -> None:
    eyes, off = shipped_eyes(), []
    rims: dict[BoltState, list[float]] = {BoltState.PRESENT: [], BoltState.WASHER_MISSING: []}
    for state, told in rims.items():
        for seed in range(300, 308):
            scene = replace(crop_scene(seed, CROP, state=state), cover=None)
            shown = render(scene)
            maps, scale = true_maps(shown)
            shape = read_bolt(maps, NutSizes(), BoltLimits(), mirrored=scene.lens.mirrored, picture_scale=scale).shape
            assert shape is not None
            window = Window(scale / 2 - 0.5, scale / 2 - 0.5, scale)
            look = eyes.look(shown.pixels, shape, window, maps, NutSizes(), mirrored=scene.lens.mirrored)
            assert look is not None
            truth = middle_truth(shown)
            px = truth.radius_px / NutSizes().corner_mm
            off.append(float(np.hypot(*(np.array(window.to_picture(*look.shape.centre_px)) - truth.top_px))) / px)
            told.append(look.washer)
    assert np.median(off) < 0.2
    assert np.median(rims[BoltState.WASHER_MISSING]) < 0.92 < np.median(rims[BoltState.PRESENT])


def test_a_point_of_the_square_is_a_point_of_the_picture_and_back_also_through_a_lens() -> None:
    points = np.random.default_rng(1).uniform(20, 200, (9, 2))
    for lens in (None, CameraLens(1600, (639.5, 479.5), (-0.2, 0.02), mirrored=True)):
        square = Square(228, np.array([1000.0, 200.0]), 1.1, lens)
        assert np.allclose(square.to_picture(np.array([113.5, 113.5])), [1000, 200])
        assert np.allclose(square.from_picture(square.to_picture(points)), points, atol=1e-6)
        affine = np.array([[2.2, 0.3], [-0.1, 2.5]])
        there = square.affine(np.array([1000.0, 200.0]), affine, back=False)
        assert np.allclose(square.affine(np.array([113.5, 113.5]), there, back=True), affine, atol=1e-4)


def test_a_flange_that_a_wide_view_shows_round_at_its_rim_is_seen_obliquely_there() -> None:
    lens = CameraLens(1600, (639.5, 479.5))
    square = Square(228, np.array([639.5 + 600, 479.5]), 1.0, lens)
    round_in_the_picture = np.eye(2) * 2.5
    seen = np.linalg.svd(square.affine(square.middle_px, round_in_the_picture, back=False), compute_uv=False)
    assert seen[1] / seen[0] == pytest.approx(np.cos(np.arctan(600 / 1600)), abs=0.005)
