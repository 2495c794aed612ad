from __future__ import annotations

import numpy as np
import pytest

from plant.errors import Rejected
from simulators.bolt_lens import Lens, look_at, project
from vision.bolt_circle import CameraLens, CircleDrawing, CirclePose, CircleRefusedError, Numbers, locate, places_px, spindle_offsets

DRAWING = CircleDrawing(1100.0, 36)


def camera(*, mirrored: bool, tilt: float = 12.0) -> Lens:
    turn, shift = look_at(np.array([540.0, 0.0, 0.0]), 600.0, tilt, 40.0, 25.0)
    return Lens(1280, 960, 1500.0, (639.5, 479.5), (-0.08, 0.0), turn, shift, mirrored)


def bolts(places: list[int], noise: np.random.Generator | None = None) -> Numbers:
    angles = 2 * np.pi * np.array(places) / 36
    flat = 550 * np.column_stack([np.cos(angles), np.sin(angles)])
    if noise is not None:
        flat = flat + noise.normal(0, 0.12, flat.shape)
    return np.column_stack([flat, np.zeros(len(places))])


def located(lens: Lens, points: Numbers, drawing: CircleDrawing = DRAWING) -> CirclePose:
    near = project(lens, np.array([[550.0, 0.0, 0.0], [551.0, 0.0, 0.0], [550.0, 1.0, 0.0]]))
    plane = np.column_stack([near[1] - near[0], near[2] - near[0]])
    told = CameraLens(lens.focal_px, lens.centre_px, lens.distortion, lens.mirrored)
    return locate(points, plane, drawing, told, nearest=(float(near[0][0]), float(near[0][1])))


@pytest.mark.parametrize("mirrored", [False, True])
def test_bolts_are_located_within_half_a_millimetre_and_numbered_right_also_in_a_mirror(mirrored: bool) -> None:
    rng = np.random.default_rng(4)
    errors: list[float] = []
    for tilt in (0.5, 12.0, 24.0):
        lens = camera(mirrored=mirrored, tilt=tilt)
        true = bolts([-3, -2, -1, 0, 1, 2], rng)
        pose = located(lens, project(lens, true) + rng.normal(0, 0.3, (6, 2)))
        assert pose.places.tolist() == [33, 34, 35, 0, 1, 2]
        errors += np.hypot(*(pose.found_mm - true[:, :2]).T).tolist()
    assert np.quantile(errors, 0.95) < 0.5


def test_a_mirror_that_nobody_told_of_counts_the_bolts_the_other_way() -> None:
    seen = project(camera(mirrored=True), bolts([-3, -2, -1, 0, 1, 2]))
    places = None
    try:
        places = located(camera(mirrored=False), seen).places.tolist()
    except Rejected:
        return
    assert places != [33, 34, 35, 0, 1, 2]


def test_the_covariance_tells_how_far_off_the_places_are() -> None:
    rng = np.random.default_rng(5)
    lens = camera(mirrored=False)
    pulls = []
    for _ in range(5):
        true = bolts([-3, -2, -1, 0, 1, 2])
        pose = located(lens, project(lens, true) + rng.normal(0, 0.4, (6, 2)))
        off = pose.found_mm - true[:, :2]
        pulls += [float(o @ np.linalg.inv(c) @ o) / 2 for o, c in zip(off, pose.covariance_mm2, strict=True)]
    assert 0.1 < np.mean(pulls) < 2.0


@pytest.mark.parametrize("mirrored", [False, True])
def test_places_without_a_bolt_are_told_where_the_camera_would_see_them(mirrored: bool) -> None:
    lens = camera(mirrored=mirrored)
    pose = located(lens, project(lens, bolts([-3, -2, 0, 1, 2])))
    told = CameraLens(lens.focal_px, lens.centre_px, lens.distortion, lens.mirrored)
    places = places_px(pose, DRAWING, told)
    assert np.abs(places[[33, 34, 35, 0, 1, 2, 3]] - project(lens, bolts([-3, -2, -1, 0, 1, 2, 3]))).max() < 0.5


@pytest.mark.parametrize("mirrored", [False, True])
def test_bolts_are_counted_from_the_place_in_the_middle_also_where_no_bolt_is_found_there(mirrored: bool) -> None:
    lens = camera(mirrored=mirrored)
    whole = located(lens, project(lens, bolts([-3, -2, -1, 0, 1, 2])))
    pose = located(lens, project(lens, bolts([-3, -2, -1, 1, 2])))
    assert pose.places.tolist() == [33, 34, 35, 1, 2]
    kept = [0, 1, 2, 4, 5]
    assert np.abs(pose.found_mm - whole.found_mm[kept]).max() < 0.05
    assert np.abs(pose.turn - whole.turn).max() < 1e-3


def test_a_circle_that_fits_badly_is_refused_as_unsure() -> None:
    lens = camera(mirrored=False)
    seen = project(lens, bolts([-2, -1, 0, 1]))
    assert located(lens, seen).residual_mm < 0.05
    seen[1] += [3.0, 3.0]
    with pytest.raises(CircleRefusedError) as refused:
        located(lens, seen)
    assert refused.value.reason.code == "circle_unsure"


def test_a_circle_that_does_not_fit_is_refused() -> None:
    lens = camera(mirrored=False)
    seen = project(lens, bolts([-3, -2, -1, 0, 1, 2]))
    with pytest.raises(Rejected, match="at least"):
        located(lens, seen[:3])
    with pytest.raises(Rejected):
        located(lens, seen, CircleDrawing(1100.0, 48))
    moved = seen.copy()
    moved[2] += [25, 12]
    with pytest.raises(Rejected):
        located(lens, moved)


def test_spindles_get_a_row_for_each_bolt() -> None:
    lens = camera(mirrored=False)
    rows = spindle_offsets(located(lens, project(lens, bolts([0, 1, 2, 3, 4]))))
    assert [row["bolt"] for row in rows] == [1, 2, 3, 4, 5]
    assert all(abs(row["offset_x_mm"]) < 0.05 and row["sigma_x_mm"] > 0 for row in rows)
