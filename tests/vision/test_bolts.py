from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from plant.bolts import BoltState
from plant.inspections import Decision, frame_hash
from simulators.bolt_draws import Crop
from simulators.bolt_scenes import crop_scene, render, view_scene
from vision.bolt_circle import CameraLens, CircleDrawing
from vision.bolt_finding import BoltPlace
from vision.bolt_looks import BoltNets, BoltView, look_at_bolts
from vision.bolt_maps import shipped_net
from vision.bolts import BoltInspector
from vision.bolts_of_circle import held_against, located
from vision.frames import Frame, Pixels
from vision.shipped import nets_with


def frame(pixels: Pixels) -> Frame:
    return Frame(pixels, frame_hash(pixels.tobytes()), "", "", "", 0)


def seen_as(view: BoltView, _frame: Frame) -> BoltView:
    return view


def test_the_shipped_net_calls_no_loosened_bolt_ok_and_the_same_picture_gets_the_same_verdict() -> None:
    for seed in range(2):
        scene = crop_scene(seed, Crop(radius_px=(46, 48), margin=(1.8, 1.85), off_centre=0.05), state=BoltState.LOOSENED)
        view = BoltView(mirrored=scene.lens.mirrored)
        inspector = BoltInspector(BoltNets(shipped_net()), functools.partial(seen_as, view))
        pixels = render(scene).pixels
        first, again = (inspector.inspect(frame(pixels)) for _ in range(2))
        assert first.decision is not Decision.OK
        assert (first.decision, first.findings, first.reasons) == (again.decision, again.findings, again.reasons)


def test_a_picture_without_bolts_is_not_decidable() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(60, 190, (200, 240, 3)).astype(np.uint8)
    for pixels in (noise, np.full((200, 240, 3), 120, np.uint8)):
        found = BoltInspector(BoltNets(shipped_net()), lambda _frame: BoltView()).inspect(frame(pixels))
        assert found.decision is not Decision.OK


@dataclass(frozen=True)
class GivenPlaces:
    """A detector that finds what it is told to."""

    given: list[BoltPlace]

    def places(self, _pixels: Pixels) -> list[BoltPlace]:
        return self.given


def test_each_bolt_of_a_wide_view_is_told_once_with_its_number_also_where_none_or_two_were_found() -> None:
    scene = view_scene(49_500_002, good=True)
    shown, lens = render(scene), scene.lens
    middle = min(shown.truths, key=lambda truth: np.hypot(truth.base_px[0] - lens.width / 2, truth.base_px[1] - lens.height / 2))
    camera = CameraLens(lens.focal_px, lens.centre_px, lens.distortion, lens.mirrored)
    drawing = CircleDrawing(scene.diameter_mm, scene.count)
    view = BoltView(mirrored=lens.mirrored, circle=drawing, lens=camera, middle_bolt=middle.number)
    places = [BoltPlace(truth.top_px, truth.radius_px, 0.9, hole=False) for truth in shown.truths if truth is not middle]
    first = places[0]
    twice = BoltPlace((first.centre_px[0] + 15, first.centre_px[1] - 15), 1.3 * first.radius_px, 0.5, hole=False)
    nets = replace(nets_with(None), wide=GivenPlaces([*places, twice]))

    findings = BoltInspector(nets, functools.partial(seen_as, view)).inspect(frame(shown.pixels)).findings

    assert sorted(each.measures["bolt_number"] for each in findings) == sorted(truth.number for truth in shown.truths)
    where = {truth.number: (truth.x_mm, truth.y_mm) for truth in shown.truths}
    told = {int(each.measures["bolt_number"]): each for each in findings}
    assert "x_mm" not in told[middle.number].measures, "the circle was not located by it"
    for number, each in told.items():
        if number != middle.number:
            assert np.hypot(each.measures["x_mm"] - where[number][0], each.measures["y_mm"] - where[number][1]) < 0.6


def test_a_bolt_that_is_not_where_it_seemed_neither_moves_the_circle_nor_is_judged_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = view_scene(49_500_002, good=True)
    shown, lens = render(scene), scene.lens
    camera = CameraLens(lens.focal_px, lens.centre_px, lens.distortion, lens.mirrored)
    view = BoltView(mirrored=lens.mirrored, circle=CircleDrawing(scene.diameter_mm, scene.count), lens=camera)
    looked = look_at_bolts(shown.pixels, nets_with(None), view)
    whole, _ = located(looked, view, shown.pixels)
    assert whole is not None
    assert len(whole.by) == 5
    wrong = looked[1]
    moved = replace(wrong, window=replace(wrong.window, left=wrong.window.left + 8, top=wrong.window.top - 6))
    circle, reasons = located([moved if each is wrong else each for each in looked], view, shown.pixels)
    assert circle is not None
    assert not reasons
    assert all(each is not moved for each in circle.by)
    assert circle.number(moved) == whole.number(wrong), "it still is known which bolt it is"

    kept, anew = held_against(circle, [looked[0], moved], shown.pixels, nets_with(None), view)
    assert kept is looked[0]
    assert anew.reading.mark is not None
    assert wrong.reading.mark is not None
    assert abs(anew.reading.mark.angle_deg - wrong.reading.mark.angle_deg) < 1.5
    monkeypatch.setattr("vision.bolts_of_circle.look_at_bolt", lambda *_: moved)
    (still,) = held_against(circle, [moved], shown.pixels, nets_with(None), view)
    assert (still.reading.decision, still.reading.mark) == (Decision.NOT_DECIDABLE, None)
    assert [reason.code for reason in still.reading.reasons] == ["bolt_beside"]


def test_a_bolt_from_near_is_found_whatever_the_size_of_its_picture() -> None:
    nets = nets_with(None)
    for radius in (46, 110, 160):
        scene = crop_scene(236_000_003, Crop(radius_px=(radius, radius + 1), margin=(2.2, 2.4), off_centre=0.1), state=BoltState.LOOSENED)
        shown = render(scene)
        looked = look_at_bolts(shown.pixels, nets, BoltView(mirrored=scene.lens.mirrored))
        truth = min(shown.truths, key=lambda one: np.hypot(*(np.array(one.top_px) - shown.pixels.shape[0] / 2)))
        assert len(looked) == 1
        assert np.hypot(*(np.array(looked[0].base_px()) - truth.base_px)) < 0.1 * truth.radius_px
        assert looked[0].reading.decision is not Decision.OK
