"""``[vision]``, cameras and stations of the settings as one plan, with everything wrong in them said by file and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from plant.equipment import Equipment, EquipmentId
from plant.settings_vision import CameraSettings, StationSettings, ViewSettings, VisionSettings

T = TypeVar("T", CameraSettings, StationSettings)


@dataclass(frozen=True, slots=True)
class VisionPlan:
    """Where pictures come from and how each is looked at."""

    settings: VisionSettings = field(default_factory=VisionSettings)
    cameras: tuple[CameraSettings, ...] = ()
    stations: tuple[StationSettings, ...] = ()
    equipment: Mapping[str, EquipmentId] = field(default_factory=dict)
    """At which equipment each station stands."""
    folder: Path = Path()
    """What paths in the settings are relative to."""

    def __bool__(self) -> bool:
        """Whether anything is looked at."""
        return bool(self.stations)

    def view(self, station: str, view: str) -> ViewSettings | None:
        """Return a view of a station, None where the settings name none."""
        return next((found for one in self.stations if one.id == station and (found := one.view(view)) is not None), None)


def assemble_vision(
    root: EquipmentId,
    folder: Path,
    equipment: Mapping[EquipmentId, Equipment],
    heads: list[tuple[str, VisionSettings]],
    cameras: Iterable[tuple[str, CameraSettings]],
    stations: Iterable[tuple[str, StationSettings]],
    problems: list[str],
) -> VisionPlan:
    """Return the plan; adds to ``problems`` what is wrong: unknown equipment, cameras or stations, an id given twice."""
    problems.extend(f"{place}: stands in {heads[0][0]} already" for place, _ in heads[1:])
    known_cameras = _once("camera", cameras, problems)
    known = _once("station", stations, problems)
    for place, station in known.values():
        if EquipmentId(f"{root}/{station.equipment}") not in equipment:
            problems.append(f"{place}.equipment: there is no equipment '{station.equipment}'; name it in 'equipment'")
        for number, view in enumerate(station.views, 1):
            if view.camera is not None and view.camera not in known_cameras:
                problems.append(f"{place}.views[{number}].camera: there is no camera '{view.camera}'; name it in 'cameras'")
    for place, camera in known_cameras.values():
        _check_camera(place, camera, {name: station for name, (_, station) in known.items()}, problems)
    return VisionPlan(
        heads[0][1] if heads else VisionSettings(),
        tuple(camera for _, camera in known_cameras.values()),
        tuple(station for _, station in known.values()),
        {name: EquipmentId(f"{root}/{station.equipment}") for name, (_, station) in known.items()},
        folder,
    )


def _once(kind: str, entries: Iterable[tuple[str, T]], problems: list[str]) -> dict[str, tuple[str, T]]:
    known: dict[str, tuple[str, T]] = {}
    for place, entry in entries:
        if entry.id in known:
            problems.append(f"{place}.id: there is a {kind} '{entry.id}' already, in {known[entry.id][0]}")
        known.setdefault(entry.id, (place, entry))
    return known


def _check_camera(place: str, camera: CameraSettings, stations: Mapping[str, StationSettings], problems: list[str]) -> None:
    if camera.station is None:
        return
    station = stations.get(camera.station)
    if station is None:
        problems.append(f"{place}.station: there is no station '{camera.station}'; name it in 'stations'")
    elif camera.view is not None and station.view(camera.view) is None:
        problems.append(f"{place}.view: station '{camera.station}' has no view '{camera.view}'")
