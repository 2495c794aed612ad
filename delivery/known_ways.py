"""Which module speaks which way; a module is loaded only where a controller of the settings needs it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from delivery.keys import KeyFolder
from delivery.ways import MakeWays, Setup, Way
from plant.clock import Clock
from plant.errors import SettingsError
from plant.site import Site

MODULES: Final[Mapping[str, str]] = {
    "opcua_jobs": "delivery.opcua_jobs",
    "opcua_server": "delivery.opcua_server",
    "mqtt": "delivery.mqtt",
    "sparkplug": "delivery.sparkplug",
    "rest": "delivery.rest",
}
"""By the word ``way`` of a controller's settings."""


def make_ways(
    site: Site, folder: Path, clock: Clock, modules: Mapping[str, str] = MODULES, *, keys: KeyFolder | None = None
) -> dict[str, Way]:
    """Return the way to each controller of the settings, by its id. Nothing connects yet. Raises SettingsError.

    ``keys``: of controllers; in the folder ``keys`` where not given.
    """
    key = (keys or KeyFolder(folder / "keys")).key
    found: dict[str, Way] = {}
    wanted = site.delivery.settings.controllers
    for name in dict.fromkeys(one.way for one in wanted):
        if name not in modules:
            raise SettingsError(f"delivery.controllers: there is no way '{name}'")
        make = cast("MakeWays", import_module(modules[name]).make_ways)
        own = folder / name
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        for way in make(Setup(site, tuple(one for one in wanted if one.way == name), own, clock, key)):
            found[way.controller] = way
    return found
