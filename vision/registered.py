"""Which models judge, as the register has it: taken up while pictures come, so that an approval needs no restart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import structlog

from plant.clock import Clock
from plant.errors import Rejected
from plant.inspections import Subject
from storage.database import Connection
from storage.models import ModelFile, ModelStage, RegisteredModel, read_models, register_shipped
from vision.inspecting import Inspector
from vision.judging import Bench
from vision.onnx_models import load_maps, load_model
from vision.shipped import FILES, make_inspector
from vision.unjudged import NoModel

RELEASE: Final = "Leadhand"
"""Who answers for the models that come with the program."""
_WATCH_SECONDS: Final = 2.0
_log = structlog.get_logger(__name__)
_Standing: TypeAlias = tuple[tuple[Subject, ModelStage, str], ...]


class Register:
    """Keeps a bench to what the register says."""

    def __init__(self, folder: Path, clock: Clock, shipped: Mapping[Subject, Path] = FILES) -> None:
        """``folder`` keeps the files of models that were added, each named by its hash."""
        self._folder = folder
        self._clock = clock
        self._shipped = shipped
        self._due: float | None = None
        self._stands: _Standing = ()

    def taken_up(self, bench: Bench, connection: Connection) -> Bench:
        """Return the bench with the models that the register names now; asked once in some seconds, the same bench in between."""
        now = self._clock.monotonic()
        if self._due is None:
            self._register(bench, connection)
        elif now < self._due:
            return bench
        self._due = now + _WATCH_SECONDS
        models = [one for one in read_models(connection) if one.stage is not ModelStage.RETIRED]
        stands = tuple((one.file.subject, one.stage, one.file.sha256) for one in models)
        if stands == self._stands:
            return bench
        self._stands = stands
        inspectors, shadows = dict(bench.inspectors), dict(bench.shadows)
        for one in models:
            if _is_wanted(bench, one.file.subject):
                self._take(bench, one, inspectors if one.stage is ModelStage.ACTIVE else shadows)
        kept = {one.file.subject for one in models if one.stage is ModelStage.SHADOW}
        added = {path.stem for path in self._folder.glob("*.onnx")}
        for subject in [name for name, one in shadows.items() if name not in kept and one.model_sha256 in added]:
            del shadows[subject]
        return replace(bench, inspectors=inspectors, shadows=shadows)

    def _register(self, bench: Bench, connection: Connection) -> None:
        for subject, path in self._shipped.items():
            if path.exists() and _is_wanted(bench, subject):
                register_shipped(connection, model_file(path, subject, shipped=True), release=RELEASE, time_us=self._clock.now_us())

    def _take(self, bench: Bench, model: RegisteredModel, into: dict[Subject, Inspector]) -> None:
        """Put a model where it judges; one that cannot be used decides nothing, and no other one in its place."""
        subject, sha256 = model.file.subject, model.file.sha256
        if subject in into and into[subject].model_sha256 == sha256:
            return
        try:
            into[subject] = self._inspector(bench, model)
        except (Rejected, ValueError, OSError) as error:
            _log.warning("a registered model cannot be used", subject=subject.value, sha256=sha256, stage=model.stage, reason=str(error))
            into.pop(subject, None)
            if model.stage is ModelStage.ACTIVE:
                into[subject] = NoModel(subject)

    def _inspector(self, bench: Bench, model: RegisteredModel) -> Inspector:
        path = self._shipped[model.file.subject] if model.file.shipped else model_path(self._folder, model.file.sha256)
        made = make_inspector(model.file.subject, path, bench.plan)
        if made.model_sha256 != model.file.sha256:
            raise Rejected(f"{path} is not the model that was registered: its bytes changed")
        return made


def model_path(folder: Path, sha256: str) -> Path:
    """Return where the file of a model that was added lies."""
    return folder / f"{sha256}.onnx"


def model_file(path: Path, subject: Subject, *, shipped: bool = False) -> ModelFile:
    """Return what is kept of a model's file. Raises Rejected for one that cannot judge its subject, or does not say how good it is."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Rejected(f"{path}: {error.strerror or error}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if subject is Subject.BOLTS:
        load_maps(path)
        card = _card(path)
        return ModelFile(
            *(subject, sha256, path.stem, len(content), str(card.get("licence", "AGPL-3.0-or-later")), str(card.get("data_sha256", ""))),
            *({}, card, shipped),
        )
    sheet = load_model(path).sheet
    if sheet is None:
        raise Rejected(f"{path} holds no sheet: it was not made by 'leadhand vision train'")
    thresholds: dict[str, Any] = {
        **dict(zip(sheet.classes, sheet.thresholds, strict=True)),
        "ok_below": sheet.ok_below,
        "nok_from": sheet.nok_from,
        "most_overlap": sheet.most_overlap,
    }
    return ModelFile(
        *(subject, sha256, path.stem, len(content), sheet.licence, sheet.data.manifest_sha256, thresholds, sheet.figures, shipped)
    )


def _card(path: Path) -> dict[str, Any]:
    """Return what the JSON file beside a model says of it; nothing where there is none."""
    try:
        told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_wanted(bench: Bench, subject: Subject) -> bool:
    return any(view.subject is subject for station in bench.plan.stations for view in station.views)
