"""Which part a camera at a robot looks at, by the line's own plan, and how its seams are likely to be, by the robot's recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from plant.site import load_site
from simulators.fleet import Fleet
from simulators.machines.robot import ROBOT
from simulators.recipe_book import RecipeBook

_TAKT_SECONDS: Final = 60.0
_BACK_US: Final = 60_000_000
_MOST_BACK: Final = 12
_WORD: Final = next(signal.text for signal in ROBOT.signals if signal.name == "serial")
_PLACE: Final = [signal.name for signal in ROBOT.signals].index("serial")


class RobotParts:
    """The parts before the cameras of a site's robots; the same seed as the line's gives the line's own serial numbers."""

    def __init__(self, site: Path, seed: int, usual: float, book: RecipeBook | None) -> None:
        found = load_site(site)
        kinds = {str(one.id): one.kind for one in found.equipment}
        root = f"{found.path}/"
        at = {station: str(path) for station, path in found.vision.equipment.items()}
        robots = {station: path.removeprefix(root) for station, path in at.items() if kinds.get(path) == ROBOT.name}
        self._fleets = {station: Fleet(ROBOT, (path,), seed, _TAKT_SECONDS) for station, path in robots.items()}
        self._first = min(robots.values(), default="")
        self._usual, self._book = usual, book

    def before(self, station: str, now_us: int) -> tuple[str, float] | None:
        """Return the serial number before a station's camera, and how likely that part is good; None where it is no robot's."""
        fleet = self._fleets.get(station)
        serial = "" if fleet is None else serial_at(fleet, now_us)
        if fleet is None or not serial:
            return None
        recipe = self._book.at(now_us) if self._book is not None and fleet.paths[0] == self._first else None
        return serial, self._usual if recipe is None or not recipe.poor else recipe.good


def serial_at(fleet: Fleet, now_us: int) -> str:
    """Return the serial number of the part that the first machine of a fleet works on, or of the one before; empty where there was none."""
    for back in range(_MOST_BACK):
        number, _ = fleet.values(np.array([now_us - back * _BACK_US], np.int64))
        code = int(number[0, _PLACE])
        if code and _WORD is not None:
            return _WORD(code)
    return ""
