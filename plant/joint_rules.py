"""``[[joint_groups]]`` of the settings as plans, with everything wrong in them said by file and key."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from plant.equipment import EquipmentId
from plant.joints import JointGroupPlan
from plant.settings_joints import JointGroupSettings


def assemble_joints(
    root: EquipmentId, equipment: Collection[EquipmentId], placed: Iterable[tuple[str, JointGroupSettings]], problems: list[str]
) -> tuple[JointGroupPlan, ...]:
    """Return the groups; adds to ``problems`` what is wrong: unknown equipment, an id given twice, a station with two groups."""
    found: dict[str, JointGroupPlan] = {}
    stations: dict[EquipmentId, str] = {}
    for place, told in placed:
        station = EquipmentId(f"{root}/{told.equipment}")
        if station not in equipment:
            problems.append(f"{place}.equipment: there is no equipment '{told.equipment}'; name it in 'equipment'")
        if told.id in found:
            problems.append(f"{place}.id: there is a joint group '{told.id}' already")
        if station in stations:
            problems.append(f"{place}.equipment: '{told.equipment}' tightens joint group '{stations[station]}' already")
        stations[station] = told.id
        found[told.id] = JointGroupPlan(
            *(told.id, told.name or told.id, station, told.bolts, told.risk, told.programs, told.order, told.places),
            *(told.picture, told.camera_station, told.calibration_days, told.learn_runs),
        )
    return tuple(found.values())
