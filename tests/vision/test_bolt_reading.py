from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.bolts import BoltState
from plant.inspections import Decision
from simulators.bolt_draws import Crop
from simulators.bolt_scenes import Rendered, Scene, crop_scene, render
from tests.vision.bolt_truth import middle_truth, true_maps
from vision.bolt_maps import BoltMaps, Seen
from vision.bolt_reading import BoltLimits, BoltReading, read_bolt
from vision.nut_shape import NutSizes

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
    assert np.median(errors) < 1.2


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
