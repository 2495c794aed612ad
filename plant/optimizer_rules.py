"""``[optimizer]`` of the settings as a plan, with everything wrong in it said by file and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from plant import patterns
from plant.calendars import Calendars
from plant.equipment import Equipment, EquipmentId
from plant.planning_rules import PlanningRules, assemble_planning
from plant.settings_optimizer import OptimizerSettings
from plant.settings_plan import PlanSettings
from plant.share_rules import ShareRules, assemble_share


@dataclass(frozen=True, slots=True)
class Performs:
    """Who does an alternative."""

    alternative: str
    equipment: EquipmentId
    program: str | None = None
    """A glob; None: whatever the program."""


@dataclass(frozen=True, slots=True)
class OptimizerPlan:
    """How routes are recommended at a site."""

    settings: OptimizerSettings = field(default_factory=OptimizerSettings)
    inbox: Path | None = None
    """Folder whose files are imported."""
    performs: tuple[Performs, ...] = ()
    wanted: bool = False
    planning: PlanningRules = field(default_factory=PlanningRules, compare=False)
    """How orders are planned; nothing is learned anew where only this changes."""
    share: ShareRules | None = field(default=None, compare=False)
    """How centres are shared with other factories; None: none is."""

    def __bool__(self) -> bool:
        """Whether the settings ask for an optimizer."""
        return self.wanted

    def alternative(self, equipment: EquipmentId, program: str) -> str | None:
        """Return the alternative that is at work where equipment runs a program; None where the settings name none."""
        for one in self.performs:
            if one.equipment == equipment and (one.program is None or patterns.matches(one.program, program)):
                return one.alternative
        return None


def assemble_optimizer(
    root: EquipmentId,
    folder: Path,
    equipment: Mapping[EquipmentId, Equipment],
    heads: list[tuple[str, OptimizerSettings]],
    problems: list[str],
    calendars: Calendars | None = None,
    time_zone: str = "UTC",
) -> OptimizerPlan:
    """Return the plan; adds to ``problems`` what is wrong: ``[optimizer]`` given twice, unknown equipment, the same told twice."""
    problems.extend(f"{place}: stands in {heads[0][0]} already" for place, _ in heads[1:])
    if not heads:
        return OptimizerPlan()
    place, settings = heads[0]
    told: dict[tuple[str, str | None], int] = {}
    performs = []
    for number, one in enumerate(settings.performs, 1):
        path = EquipmentId(f"{root}/{one.equipment}")
        if path not in equipment:
            problems.append(f"{place}.performs[{number}].equipment: there is no equipment '{one.equipment}'; name it in 'equipment'")
        if (one.equipment, one.program) in told:
            before = told[one.equipment, one.program]
            problems.append(f"{place}.performs[{number}]: performs[{before}] says of the same equipment and program what it does")
        told.setdefault((one.equipment, one.program), number)
        performs.append(Performs(one.alternative, path, one.program))
    planning = assemble_planning(root, equipment, calendars or Calendars(), f"{place}.plan", settings.plan, problems, time_zone)
    share = assemble_share(root, equipment, calendars or Calendars(), f"{place}.share", settings.share, problems, time_zone)
    inbox = None if settings.inbox is None else folder / settings.inbox
    # what is planned and shared stands in 'planning' and 'share' alone: a change of it is none of what is learned
    learned = settings.model_copy(update={"plan": PlanSettings(), "share": None})
    return OptimizerPlan(learned, inbox, tuple(performs), wanted=True, planning=planning, share=share)
