"""Simulated cameras: pictures of seams and of bolts, laid into a folder as a camera does, with what they show beside them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from plant.clock import Clock
from plant.errors import SettingsError
from plant.inspections import Subject
from plant.memory import give_back
from plant.site import load_site
from simulators.bolt_scenes import render, view_scene
from simulators.recipe_book import POOR, RecipeBook
from simulators.robot_parts import RobotParts
from simulators.seam_scenes import render_seam

_GOOD: Final = 0.8
"""Share of parts that are made without imperfections."""
_POOR: Final = 0.04
"""Share of pictures that are dark or out of focus: a lamp fails, a lens gets dirty."""
_BURNT: Final = ("burn_through",)
"""What seams have that were welded with too little wire for their heat."""
_QUALITY: Final = 92
_MOST_WAITING: Final = 20


@dataclass(frozen=True, slots=True)
class View:
    """What one camera looks at."""

    station: str
    view: str
    subject: Subject


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture and what it shows."""

    view: View
    part: str
    pixels: npt.NDArray[np.uint8]


def views_of(site: Path) -> list[View]:
    """Return the views that settings name. Raises SettingsError where there are none."""
    stations = load_site(site).vision.stations
    if not stations:
        raise SettingsError(f"{site}: stations: names none, so no camera looks at anything")
    return [View(station.id, view.id, view.subject) for station in stations for view in station.views]


Look = Callable[[View], tuple[str, float] | None]
"""What is before a camera now: the serial number of the part, and how likely it is good; None where nobody knows."""


def shots(views: Sequence[View], seed: int, first: int = 0, look: Look = lambda _: None) -> Iterator[Shot]:
    """Yield pictures without end, view after view: the same seed gives the same ones of the same parts."""
    number = first
    while True:
        draws = np.random.default_rng([seed, number])
        view = _next(views, number, look)
        part, likely = look(view) or (f"BOOM-{number:06d}", _GOOD)
        good = bool(draws.random() < likely)
        scene = seed * 1_000_003 + number
        if view.subject is Subject.WELDS:
            kinds = () if good else _BURNT if likely < POOR else None
            pixels = render_seam(scene, kinds).pixels
            yield Shot(view, part, pixels if likely < POOR else _spoilt(pixels, draws))
        else:
            yield Shot(view, f"BEARING-{number:06d}", _spoilt(np.asarray(render(view_scene(scene, good=good)).pixels, np.uint8), draws))
        number += 1


def _next(views: Sequence[View], number: int, look: Look) -> View:
    """Return whose turn it is; where parts come out badly every second picture is of them, as people look there more often then."""
    poor = [view for view in views if (seen := look(view)) is not None and seen[1] < POOR] if number % 2 else []
    return poor[0] if poor else views[number % len(views)]


def drop(folder: Path, name: str, shot: Shot, taken_us: int) -> None:
    """Lay a picture into a folder: what it shows first, then the picture by a rename."""
    there, content = cv2.imencode(".jpg", shot.pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert there  # noqa: S101 - an encoder in memory
    told = {"station": shot.view.station, "view": shot.view.view, "part": shot.part, "taken_us": taken_us, "came_from": "simulated camera"}
    for end, written in ((".json", json.dumps(told).encode()), (".jpg", content.tobytes())):
        made = folder / f".{name}{end}"
        made.write_bytes(written)
        made.replace(folder / f"{name}{end}")


def run_cameras(
    site: Path,
    folder: Path,
    seed: int,
    every_seconds: float,
    recipes: Path | None,
    clock: Clock,
    announce: Callable[[dict[str, Any]], None],
    stop: threading.Event,
) -> None:
    """Lay a picture into a folder each so many seconds until told to stop; none while nobody takes them out.

    ``recipes``: the book by which the first robot welds; its seams look like that.
    """
    cv2.setNumThreads(1)
    views = views_of(site)
    parts = RobotParts(site, seed, _GOOD, None if recipes is None else RecipeBook(recipes))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    begun_us = clock.now_us()
    taken = shots(views, seed, begun_us // 1_000_000 % 900_000, lambda view: parts.before(view.station, clock.now_us()))
    announce({"folder": str(folder), "views": [f"{view.station}/{view.view}" for view in views], "every_seconds": every_seconds})
    count = 0
    while not stop.wait(every_seconds):
        if sum(1 for _ in folder.glob("camera-*.jpg")) < _MOST_WAITING:
            drop(folder, f"camera-{begun_us}-{count}", next(taken), clock.now_us())
            count += 1
            give_back()


def _spoilt(pixels: npt.NDArray[np.uint8], draws: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a picture as it is, or seldom dark or out of focus."""
    chance = float(draws.random())
    if chance < _POOR / 2:
        return np.asarray(pixels * 0.06, np.uint8)
    if chance < _POOR:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 9.0), np.uint8)
    return pixels
