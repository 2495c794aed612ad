"""How work units stand today, from a file: who waits where, and what is broken. Read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from optimizer.recommending import UnitLoad
from plant.errors import SettingsError
from plant.process_network import ProcessNetwork
from plant.strict import Strict


class _Unit(Strict):
    extra_min: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)] = 0.0
    unavailable: bool = False
    why: Annotated[str, Field(max_length=200)] = ""


class _File(Strict):
    leadhand: Literal["load/1"]
    work_units: dict[str, _Unit]


def read_load(text: str | bytes, place: str, network: ProcessNetwork) -> Mapping[str, UnitLoad]:
    """Return the load by work unit. Raises SettingsError that names the file and each wrong key."""
    try:
        file = _File.model_validate_json(text)
    except ValidationError as error:
        raise SettingsError([f"{place}: {'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()]) from error
    known = {alternative.work_unit for alternative in network.alternatives}
    unknown = sorted(file.work_units.keys() - known)
    if unknown:
        raise SettingsError([f"{place}: work_units.{unit}: the network has no work unit of that name" for unit in unknown])
    return {name: UnitLoad(unit.extra_min, unit.unavailable, unit.why) for name, unit in file.work_units.items()}
