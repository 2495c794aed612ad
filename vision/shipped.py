"""Which inspectors look, by subject: those whose model is here; for the others nothing is ever OK."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog

from plant.errors import Rejected, SettingsError
from plant.inspections import Subject
from plant.vision_rules import VisionPlan
from vision.bolt_finding import shipped_places
from vision.bolt_looks import BoltNets, BoltView
from vision.bolt_maps import MODEL_FILE, BoltNet
from vision.bolt_near import NearEyes, shipped_eyes
from vision.bolt_pose import shipped_edges
from vision.bolt_start import shipped_starts
from vision.bolts import BoltInspector, bolt_view
from vision.frames import Frame
from vision.inspecting import Inspector
from vision.mark_net import MarkNet
from vision.onnx_models import load_maps, load_model, read_sheet
from vision.unjudged import NoModel
from vision.welds import SHIPPED, WeldInspector

_log: Final = structlog.get_logger(__name__)


FILES: Final = MappingProxyType({Subject.WELDS: SHIPPED, Subject.BOLTS: MODEL_FILE})
"""The models that come with Leadhand."""


def make_inspectors(plan: VisionPlan, files: Mapping[Subject, Path] = FILES) -> dict[Subject, Inspector]:
    """Return one inspector for each subject; one without a model where none is needed, none is here, or it cannot be used."""
    wanted = {view.subject for station in plan.stations for view in station.views}
    made: dict[Subject, Inspector] = {subject: NoModel(subject) for subject in Subject}
    for subject, file in files.items():
        if subject in wanted and file.exists():
            try:
                made[subject] = make_inspector(subject, file, plan)
            except (Rejected, ValueError) as error:
                _log.warning("a model cannot be used: nothing of its subject is decided", subject=subject.value, reason=str(error))
    return made


def make_inspector(subject: Subject, file: Path, plan: VisionPlan) -> Inspector:
    """Return the inspector of a subject with the model of a file. Raises Rejected and ValueError for one that cannot be used."""
    if subject is Subject.WELDS:
        return WeldInspector(load_model(file), plan.view)
    marks = plan.settings.marks
    return BoltInspector(nets_with(None if marks is None else plan.folder / marks, file), partial(_bolts, plan))


def nets_with(marks: Path | None, parts: Path = MODEL_FILE) -> BoltNets:
    """Return the nets that bolts are looked at with, with a net of marks of a plant's own where it has one. Raises Rejected."""
    if marks is None:
        near = shipped_eyes()
    elif read_sheet(marks).task != "marks":
        raise Rejected(f"{marks} is no net of marks: 'leadhand vision train --task marks' makes one")
    else:
        near = NearEyes(shipped_starts(), shipped_edges(), MarkNet(load_maps(marks)))
    return BoltNets(BoltNet(load_maps(parts)), shipped_places(), near)


def _bolts(plan: VisionPlan, frame: Frame) -> BoltView:
    view = plan.view(frame.station, frame.view)
    height, width = frame.pixels.shape[:2]
    return BoltView() if view is None or view.bolts is None else bolt_view(view.bolts, (width, height))


def make_shadows(plan: VisionPlan) -> dict[Subject, Inspector]:
    """Return the candidates that the settings name. Raises SettingsError for one that cannot be used."""
    welds, bolts = plan.settings.shadow_welds, plan.settings.shadow_bolts
    made: dict[Subject, Inspector] = {}
    try:
        if welds is not None:
            made[Subject.WELDS] = make_inspector(Subject.WELDS, plan.folder / welds, plan)
        if bolts is not None:
            made[Subject.BOLTS] = make_inspector(Subject.BOLTS, plan.folder / bolts, plan)
    except (Rejected, ValueError, OSError) as error:
        key = "shadow_welds" if Subject.WELDS not in made and welds is not None else "shadow_bolts"
        raise SettingsError(f"vision: {key} cannot be used: {error}") from error
    return made
