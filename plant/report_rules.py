"""``[reports]`` of the settings as a plan: which lines, by their paths, and where their reports go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plant import patterns
from plant.equipment import EquipmentId
from plant.settings_reports import ReportSettings

_MINUTE_US: Final = 60_000_000
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class ReportPlan:
    """Which lines have reports of their shifts, and where these go."""

    lines: tuple[EquipmentId, ...] = ()
    to: tuple[str, ...] = ()
    folder: Path | None = None
    language: str = "en"
    after_us: int = 2 * _MINUTE_US
    catch_up_us: int = 3 * _DAY_US


def assemble_reports(
    root: EquipmentId,
    folder: Path,
    equipment: Collection[EquipmentId],
    followed: Sequence[EquipmentId],
    receivers: Collection[str],
    given: Sequence[tuple[str, ReportSettings]],
    problems: list[str],
) -> ReportPlan:
    """Return the plan; adds what is wrong to ``problems``. ``followed``: equipment whose states are followed.

    Where no lines are named, a line is what stands right above followed work units.
    """
    problems.extend(f"{place}: stands in {given[0][0]} already" for place, _ in given[1:])
    place, settings = given[0] if given else ("reports", ReportSettings())
    above = dict.fromkeys(EquipmentId(unit.rpartition("/")[0]) for unit in followed)
    lines = [line for line in above if line.startswith(root + "/")] or ([root] if root in above else [])
    if settings.lines:
        below = [path for path in equipment if path.startswith(root + "/")]
        problems.extend(
            f"{place}.lines: no equipment fits '{glob}'; there is e.g. '{next(iter(below), 'none')}'"
            for glob in settings.lines
            if not any(patterns.matches(glob, path.removeprefix(root + "/")) for path in below)
        )
        lines = [path for path in below if any(patterns.matches(glob, path.removeprefix(root + "/")) for glob in settings.lines)]
    problems.extend(
        f"{place}.to: there is no receiver '{name}'; there are: {', '.join(sorted(receivers)) or 'none'}"
        for name in settings.to
        if name not in receivers
    )
    return ReportPlan(
        tuple(lines),
        settings.to,
        None if settings.folder is None else folder / settings.folder,
        settings.language,
        round(settings.after_minutes * _MINUTE_US),
        round(settings.catch_up_days * _DAY_US),
    )
