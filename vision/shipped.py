"""Which inspectors look, by subject: those whose model is here; for the others nothing is ever OK."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from plant.errors import Rejected, SettingsError
from plant.inspections import Subject
from plant.vision_rules import VisionPlan
from vision.bolt_maps import MODEL_FILE, shipped_net
from vision.bolts import BoltInspector, BoltView
from vision.inspecting import Inspector
from vision.onnx_models import load_model
from vision.unjudged import NoModel
from vision.welds import SHIPPED, WeldInspector

_log: Final = structlog.get_logger(__name__)


def make_inspectors(plan: VisionPlan) -> dict[Subject, Inspector]:
    """Return one inspector for each subject; one without a model where none is needed, none is here, or it cannot be used."""
    wanted = {view.subject for station in plan.stations for view in station.views}
    makers: dict[Subject, tuple[Path, Callable[[], Inspector]]] = {
        Subject.WELDS: (SHIPPED, lambda: WeldInspector(load_model(SHIPPED), plan.view)),
        Subject.BOLTS: (MODEL_FILE, lambda: BoltInspector(shipped_net(), lambda _frame: BoltView())),
    }
    made: dict[Subject, Inspector] = {subject: NoModel(subject) for subject in Subject}
    for subject, (file, make) in makers.items():
        if subject in wanted and file.exists():
            try:
                made[subject] = make()
            except (Rejected, ValueError) as error:
                _log.warning("a model cannot be used: nothing of its subject is decided", subject=subject.value, reason=str(error))
    return made


def make_shadows(plan: VisionPlan) -> dict[Subject, Inspector]:
    """Return the candidates that the settings name. Raises SettingsError for one that cannot be used."""
    if plan.settings.shadow_welds is None:
        return {}
    path = Path(plan.folder / plan.settings.shadow_welds)
    try:
        return {Subject.WELDS: WeldInspector(load_model(path), plan.view)}
    except (Rejected, ValueError, OSError) as error:
        raise SettingsError(f"vision: shadow_welds: {path} cannot be used: {error}") from error
