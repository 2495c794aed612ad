"""Pictures of bolts in a folder inspected, for the command line: each with what its sidecar file says, else with what was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from leadhand.inspecting import inspect_folder
from plant.errors import SettingsError
from plant.inspections import FrameHash, Subject, frame_hash
from plant.settings_bolts import BoltCircleSettings
from vision.bolt_looks import BoltView
from vision.bolt_maps import MODEL_FILE
from vision.bolts import BoltInspector, bolt_view
from vision.frames import Frame
from vision.images import PICTURE_EXTENSIONS
from vision.shipped import nets_with
from vision.unjudged import NoModel


def inspect_bolts(folder: Path, settings: BoltCircleSettings, marks: Path | None = None) -> dict[str, Any]:
    """Return an inspection of each picture in a folder. ``NAME.json`` beside a picture says what is different for it, by the same keys.

    ``marks``: a net of marks in place of the shipped one.
    """
    views: dict[FrameHash, BoltCircleSettings] = {}
    for path in sorted(folder.rglob("*")):
        beside = path.with_suffix(".json")
        if path.suffix.lower() in PICTURE_EXTENSIONS and beside.is_file():
            views[frame_hash(path.read_bytes())] = _sidecar(beside, settings)

    def view_of(frame: Frame) -> BoltView:
        return bolt_view(views.get(frame.sha256, settings), (frame.pixels.shape[1], frame.pixels.shape[0]))

    told = inspect_folder(folder, BoltInspector(nets_with(marks), view_of) if MODEL_FILE.exists() else NoModel(Subject.BOLTS))
    return {"validated_on": "simulated pictures only", **told}


def _sidecar(path: Path, settings: BoltCircleSettings) -> BoltCircleSettings:
    try:
        told = json.loads(path.read_text("utf-8"))
        known = {name: value for name, value in told.items() if name in BoltCircleSettings.model_fields}
        return BoltCircleSettings.model_validate({**settings.model_dump(), **known})
    except (ValueError, AttributeError, ValidationError) as error:
        raise SettingsError(f"{path}: {error}") from error
