"""Which inspectors look, by subject: those whose model is here; for the others nothing is ever OK."""

from __future__ import annotations

from plant.inspections import Subject
from plant.vision_rules import VisionPlan
from vision.inspecting import Inspector
from vision.unjudged import NoModel


def make_inspectors(plan: VisionPlan) -> dict[Subject, Inspector]:  # noqa: ARG001 - what a plan says of seams goes to its inspector
    """Return one inspector for each subject."""
    return {subject: NoModel(subject) for subject in Subject}


def make_shadows(plan: VisionPlan) -> dict[Subject, Inspector]:  # noqa: ARG001 - see above
    """Return the candidates that the settings name."""
    return {}
