from __future__ import annotations

import functools

import numpy as np

from plant.bolts import BoltState
from plant.inspections import Decision, frame_hash
from simulators.bolt_draws import Crop
from simulators.bolt_scenes import crop_scene, render
from vision.bolt_maps import shipped_net
from vision.bolts import BoltInspector, BoltNets, BoltView
from vision.frames import Frame, Pixels


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
