"""The simulated factory's PLM: now and then a product is made otherwise, and Leadhand is told over REST; stations acknowledge it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.process_network import ProcessNetwork
from plant.products import FeatureKind, Product
from simulators.controller import Controller
from simulators.controller_check import ProgramLimits
from simulators.controller_rules import ControllerRules
from simulators.factory_jobs import Workshop
from simulators.factory_planner import Works
from simulators.rest_client import RestClient

STATIONS: Final = "stations"
"""Id in the settings of the controllers that acknowledge design changes."""
_FIRST_SECONDS: Final = 120.0
_EVERY_SECONDS: Final = 1200.0
_THINKS_US: Final = 3_000_000


def design_change(product: Product, feature: str, version: str, number: str) -> dict[str, Any]:
    """Return a change that makes one measure of a product a little larger, as PLM tells it."""
    value = product.features[feature]
    if isinstance(value, str):
        raise Rejected(f"'{feature}' of {product.id} is no number")
    return {
        "leadhand": "design-change/1",
        "number": number,
        "product": product.id,
        "version": version,
        "title": f"{feature} a little larger",
        "reason": "field reports",
        "author": "plm",
        "effective_from": f"{product.id}-1000",
        "features": {feature: round(float(value) * 1.03, 2)},
    }


class Plm:
    """Tells a design change some minutes after the factory began, and then now and then."""

    def __init__(self, works: Works, leadhand: RestClient, chance: np.random.Generator, clock: Clock) -> None:
        self._works, self._leadhand, self._chance, self._clock = works, leadhand, chance, clock
        self._begun = f"{clock.now_us() // 1_000_000:x}".upper()
        self._count = 0
        self._due = clock.monotonic() + _FIRST_SECONDS
        self._log = structlog.get_logger(process="plm")

    def tell_due(self) -> None:
        """Tell the next change where it is time for one; what Leadhand refuses is said in the log and told no more."""
        if self._clock.monotonic() < self._due:
            return
        change = self.following()
        try:
            self._leadhand.post("/api/v1/design-changes", change, key=str(change["number"]))
        except Unavailable:
            self._due = self._clock.monotonic() + 10.0
            return
        except Rejected as error:
            self._log.warning("a design change was refused", change=change["number"], reason=str(error))
        self._count += 1
        self._due = self._clock.monotonic() + _EVERY_SECONDS

    def following(self) -> dict[str, Any]:
        """Return the change that is told next."""
        works = self._works
        made = np.flatnonzero(works.truth.products.made)
        product = works.products.at(int(made[(7 * self._count + int(self._begun[-4:], 16)) % len(made)]))
        numbers = [one.name for one in works.products.features if one.kind is FeatureKind.NUMBER]
        feature = numbers[self._count % len(numbers)]
        number = f"DC-{self._begun}-{self._count + 1}"
        return design_change(product, feature, f"{self._begun}.{self._count + 1}", number)


def station_controllers(network: ProcessNetwork, keys: Mapping[str, bytes], folder: Path, workshop: Workshop) -> list[Controller]:
    """Return the controllers of all work units: they acknowledge design changes and make jobs by the programs they have."""
    units: dict[str, dict[str, None]] = {}
    for one in network.alternatives:
        units.setdefault(one.work_unit, {}).update({one.program: None} if one.program else {})
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [
        Controller(
            ControllerRules(
                work_unit=unit,
                keys=keys,
                programs=tuple(ProgramLimits(program, 1, ()) for program in programs),
                work_us=_THINKS_US,
                memory=folder / f"{unit.replace('/', '-')}.json",
                lasts=workshop.lasts,
                measure=workshop.made,
            )
        )
        for unit, programs in units.items()
    ]
