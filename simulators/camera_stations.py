"""The settings of the stations that simulated cameras look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from simulators.site_file import ToolPlace, text

_SEAMS: Final = 2
"""Robots whose seams are looked at."""


def camera_stations(robots: Sequence[str], tools: Sequence[ToolPlace]) -> Iterator[str]:
    """Yield a station for each of the first robots, and one for the bearings that are tightened."""
    for number, robot in enumerate(robots[:_SEAMS], 1):
        yield from _station(f"boom-seam-{number}", robot, "seam", "welds", 'id = "lamp-and-rule", px_per_mm = 9.5')
    for tool in tools[:1]:
        yield from _station("bearing-camera", tool.equipment, "ring", "bolts", 'id = "bolt-circle", px_per_mm = 3.3')


def _station(station: str, equipment: str, view: str, subject: str, calibration: str) -> Iterator[str]:
    dates = "date = 2026-01-01, expires = 2099-12-31"
    yield ""
    yield "[[stations]]"
    yield f"id = {text(station)}"
    yield f"equipment = {text(equipment)}"
    yield f"views = [{{ id = {text(view)}, subject = {text(subject)}, calibration = {{ {calibration}, {dates} }} }}]"
