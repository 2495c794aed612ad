"""What differs from picture to picture of a bolt circle, drawn at random: nuts and marks, metals and dirt, lamps, optics, cables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.bolts import BoltState
from simulators.bolt_lens import Optics
from simulators.bolt_light import Colour, Lamp, Metal, Stroke
from simulators.bolt_surfaces import Part, Shape

Numbers = npt.NDArray[np.float64]

PAINTS: Final[tuple[Colour, ...]] = (
    (0.03, 0.60, 0.85),  # yellow
    (0.02, 0.03, 0.60),  # red
    (0.85, 0.85, 0.85),  # white
    (0.55, 0.15, 0.03),  # blue
    (0.08, 0.45, 0.05),  # green
    (0.02, 0.22, 0.85),  # orange
    (0.45, 0.12, 0.80),  # pink
    (0.60, 0.50, 0.05),  # turquoise
)
FLANGES: Final[tuple[Colour, ...]] = (
    (0.30, 0.29, 0.28),  # machined
    (0.18, 0.18, 0.18),
    (0.07, 0.07, 0.07),  # phosphated
    (0.42, 0.42, 0.40),  # zinc
    (0.05, 0.07, 0.16),  # red primer
    (0.28, 0.27, 0.25),  # grey primer
    (0.03, 0.32, 0.55),  # yellow machine paint
    (0.06, 0.10, 0.05),  # olive
)
NUTS: Final[tuple[Colour, ...]] = ((0.35, 0.35, 0.35), (0.08, 0.08, 0.08), (0.20, 0.20, 0.21), (0.28, 0.38, 0.42), (0.50, 0.49, 0.48))
_APART: Final = 0.28
"""A mark is drawn in a colour that stands out from nut and flange: whoever paints it sees to that."""


@dataclass(frozen=True, slots=True)
class Crop:
    """How a bolt lies in its crop."""

    radius_px: tuple[float, float] = (24.0, 70.0)
    """Of the nut's corners."""
    margin: tuple[float, float] = (1.75, 2.1)
    """Half the crop's side, in radii."""
    off_centre: float = 0.25
    """How far the bolt is off the middle, in radii."""


def drawn_place(
    rng: np.random.Generator, at_mm: tuple[float, float], around: float, state: BoltState, profile: str
) -> tuple[Shape, Stroke]:
    """Return what stands at a place of the circle in a given state, and its mark."""
    shift = profile == "shift"
    head = bool(rng.random() < 0.3)
    missing = state is BoltState.MISSING
    shape = Shape(
        *at_mm,
        nut=not missing,
        washer=state is not BoltState.WASHER_MISSING and not (missing and rng.random() < 0.85),
        washer_mm=float(rng.uniform(3.5, 5.0)),
        nut_mm=15.0 if head else float(rng.uniform(19.0, 22.0)),
        end_mm=0.0 if head else float(rng.uniform(0.5, 9.0)),
        turn_deg=float(rng.uniform(0, 60)),
        chamfer=float(rng.uniform(0.95, 1.16) if shift else rng.uniform(0.88, 1.02)),
    )
    return shape, _stroke(rng, around, state, profile, head=head)


def _stroke(rng: np.random.Generator, around: float, state: BoltState, profile: str, *, head: bool) -> Stroke:
    neat = 1.0 if profile == "sloppy" else 0.5
    absent = int(rng.integers(0, 3)) if state is BoltState.MARK_ABSENT else -1  # 0: both, 1: the nut's, 2: the flange's
    turned = float(rng.normal(0, 0.25))
    if state is BoltState.LOOSENED:
        size = rng.uniform(5, 15) if rng.random() < 0.4 else rng.uniform(15, 60)
        turned = float(size * rng.choice([1, 1, -1]))
    smear = float(rng.uniform(25, 80) * rng.choice([-1, 1])) if state is BoltState.MARK_SMEARED else 0.0
    outwards = np.rad2deg(around) + (rng.normal(0, 25) if rng.random() < 0.6 else rng.uniform(0, 360))
    return Stroke(
        colour=PAINTS[0],
        direction_deg=float(outwards),
        beside_mm=float(rng.normal(0, 0.8)) * (1.0 if profile == "sloppy" else 0.3),
        width_mm=float(rng.uniform(2.5, 5.0)),
        inner_mm=float(rng.uniform(0.0, 6.0) if head else rng.uniform(9.0, 13.0)),
        outer_mm=float(rng.uniform(28.5, 36.0)),
        turned_deg=turned,
        washer_deg=float(turned * rng.uniform(0, 1)) if rng.random() < 0.3 else 0.0,
        rough=float(rng.uniform(0.2, 1.2)) * neat,
        worn=float(max(rng.normal(0.1, 0.12), 0)) * neat,
        on_nut=absent not in {0, 1},
        on_flange=absent not in {0, 2},
        smear_deg=smear,
        over_thread=bool(rng.random() < 0.25) and state is not BoltState.LOOSENED,
        bend=float(rng.normal(0, 0.0012)) if profile == "shift" else 0.0,
    )


def drawn_paint(rng: np.random.Generator, flange: Colour, nut: Colour) -> Colour:
    """Return a colour of paint that stands out from flange and nut."""

    def eye(colour: Colour) -> npt.NDArray[np.float64]:
        seen: npt.NDArray[np.float64] = np.array(colour) ** (1 / 2.2)
        return seen

    apart = [p for p in PAINTS if min(np.linalg.norm(eye(p) - eye(flange)), np.linalg.norm(eye(p) - eye(nut))) > _APART]
    one = apart[int(rng.integers(len(apart)))]
    tone = rng.uniform(0.75, 1.1)
    return (float(one[0] * tone), float(one[1] * tone), float(one[2] * tone))


def drawn_metals(rng: np.random.Generator, profile: str) -> tuple[dict[int, Metal], Colour]:
    """Return how each part looks and the colour of the marks."""
    flange, nut = (choices[int(rng.integers(len(choices)))] for choices in (FLANGES, NUTS))
    washer = nut if rng.random() < 0.5 else NUTS[int(rng.integers(len(NUTS)))]
    dirt = {"rust": float(max(rng.normal(0.05, 0.18), 0)), "oil": float(max(rng.normal(0.1, 0.2), 0))}
    pattern = ("cells", "grit")[int(rng.integers(2))] if profile == "shift" else "fine"
    metals = {
        Part.FLANGE: _metal(rng, flange, pattern, dirt),
        Part.WASHER: _metal(rng, washer, pattern, dirt),
        Part.NUT_TOP: _metal(rng, nut, pattern, dirt),
        Part.BOLT_END: _metal(rng, NUTS[int(rng.integers(len(NUTS)))], pattern, dirt),
        Part.HOLE: Metal((0.012, 0.012, 0.012), 0.0, 1.0, 0.5, 10.0, 0.0, 0.0, 0.0, 0.0),
    }
    metals[Part.NUT_SIDE] = metals[Part.NUT_TOP]
    return {int(part): metal for part, metal in metals.items()}, drawn_paint(rng, flange, nut)


def _metal(rng: np.random.Generator, colour: Colour, pattern: str, dirt: dict[str, float]) -> Metal:
    tone = float(np.exp(rng.normal(0, 0.2)))
    return Metal(
        (colour[0] * tone, colour[1] * tone, colour[2] * tone),
        gloss=float(rng.uniform(0.02, 0.5)),
        hardness=float(np.exp(rng.uniform(np.log(4), np.log(60)))),
        grain=float(rng.uniform(0.02, 0.2)),
        grain_mm=float(np.exp(rng.uniform(np.log(3), np.log(20)))),
        bumps=float(rng.uniform(0.0, 0.12)),
        rust=dirt["rust"] * float(rng.uniform(0.3, 1.5)),
        oil=dirt["oil"] * float(rng.uniform(0.3, 1.5)),
        scratches=float(max(rng.normal(0.1, 0.25), 0)),
        pattern=pattern,
    )


def drawn_lamps(rng: np.random.Generator, eye_mm: Numbers, middle_mm: Numbers, profile: str) -> tuple[tuple[Lamp, ...], Colour]:
    """Return one to three lamps, one of them perhaps at the lens, and what comes from all around."""
    strength = float(np.exp(rng.normal(-0.1, 0.35)))
    count = int(rng.integers(2, 5)) if profile == "shift" else int(rng.integers(1, 3))
    lamps = []
    for _ in range(count):
        around, high, far = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(18, 85)), rng.uniform(250, 1500)
        at = (
            float(middle_mm[0] + far * np.cos(high) * np.cos(around)),
            float(middle_mm[1] + far * np.cos(high) * np.sin(around)),
            float(far * np.sin(high)),
        )
        if rng.random() < 0.25:
            at = (float(eye_mm[0] + rng.normal(0, 15)), float(eye_mm[1] + rng.normal(0, 15)), float(eye_mm[2]))
        warm = rng.normal(0, 0.25 if profile == "shift" else 0.1)
        share = strength / count * float(rng.uniform(0.5, 1.5))
        lamps.append(Lamp(at, (share * (1 - warm), share, share * (1 + warm)), float(rng.uniform(0.6, 8.0))))
    all_around = strength * float(rng.uniform(0.15, 0.6))
    return tuple(lamps), (all_around, all_around, all_around * float(rng.uniform(0.9, 1.1)))


def drawn_optics(rng: np.random.Generator, focal_px: float, distance_mm: float, *, round_view: bool = False) -> Optics:
    """Return blur, depth of field, motion, noise, vignette, tone and compression."""
    scale = focal_px / distance_mm  # px for one mm on the flange
    return Optics(
        exposure=float(np.exp(rng.uniform(np.log(0.18), np.log(1.15)))),
        blur_px=float(rng.uniform(0.3, 1.1)),
        defocus_px_per_mm=float(rng.uniform(0, 0.02) * scale),
        focus_mm=distance_mm + float(rng.normal(0, 12)),
        motion_px=float(rng.uniform(0.5, 4.0)) if rng.random() < 0.25 else 0.0,
        motion_deg=float(rng.uniform(0, 180)),
        noise=float(rng.uniform(0.001, 0.012)),
        shot_noise=float(rng.uniform(0.0, 0.03)),
        vignette=float(rng.uniform(0, 0.5)),
        gamma=float(rng.uniform(1.8, 2.4)),
        jpeg=int(rng.integers(70, 97)) if rng.random() < 0.5 else None,
        round_view=round_view,
    )


def drawn_cover(rng: np.random.Generator, size: tuple[int, int]) -> Numbers | None:
    """Return a cable across the picture, in one of eight pictures: its points in px, then its width and its grey."""
    if rng.random() > 0.12:
        return None
    width, height = size
    start = np.array([rng.uniform(0, width), 0.0]) if rng.random() < 0.5 else np.array([0.0, rng.uniform(0, height)])
    end = np.array([width, height]) - start + rng.normal(0, 0.1, 2) * [width, height]
    bow = rng.normal(0, 0.12) * min(width, height)
    along = np.linspace(0, 1, 24)[:, None]
    normal = np.array([-(end - start)[1], (end - start)[0]]) / max(float(np.linalg.norm(end - start)), 1.0)
    points = start + along * (end - start) + np.sin(np.pi * along) * bow * normal
    thick = rng.uniform(0.05, 0.28) * min(width, height, 320)
    return np.vstack([points, [[thick, rng.uniform(0.02, 0.4)]]])
