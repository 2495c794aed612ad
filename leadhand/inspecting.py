"""Pictures of a folder inspected, and models judged on labelled ones, for the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plant.errors import SettingsError
from plant.inspections import Decision, Inspection, Reason, frame_hash, inspection_record, reason_words
from vision.assessing import evaluate_detector
from vision.frames import Frame
from vision.image_headers import RefusedImage
from vision.images import PICTURE_EXTENSIONS, ImageLimits, decode
from vision.inspecting import Inspector
from vision.labelled import read_labelled
from vision.mark_evaluating import gathered, mark_figures
from vision.mark_labels import read_marked, shipped_poses
from vision.mark_net import MarkNet
from vision.onnx_models import load_maps, load_model, read_sheet
from vision.presence import evaluate_presence, load_presence
from vision.welds import SHIPPED, shipped_welds


def inspect_welds(folder: Path) -> dict[str, Any]:
    """Return an inspection of each picture in a folder, in order of their names."""
    return inspect_folder(folder, shipped_welds())


def inspect_folder(folder: Path, inspector: Inspector) -> dict[str, Any]:
    """Return what an inspector says of each picture in a folder; a file that is no picture is NOT_DECIDABLE, with the reason."""
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in PICTURE_EXTENSIONS)
    if not paths:
        raise SettingsError(f"{folder} holds no picture ({', '.join(sorted(PICTURE_EXTENSIONS))})")
    told = [_told(path, folder, _inspected(path, inspector)) for path in paths]
    count = {decision.value: sum(one["decision"] == decision.value for one in told) for decision in Decision}
    return {"subject": inspector.subject.value, "model_sha256": inspector.model_sha256, "decisions": count, "pictures": told}


def evaluate(is_shipped: bool, model: Path | None, data: Path) -> dict[str, Any]:
    """Return the figures of the shipped model of welds, or of a model file, on labelled pictures."""
    if is_shipped == (model is not None):
        raise SettingsError("name either a model that comes with Leadhand, e.g. 'welds', or a file: --model M.onnx")
    path = SHIPPED if model is None else model
    sheet = read_sheet(path)
    if sheet.task == "marks":
        return {"task": "marks", **_evaluate_marks(path, data)}
    pictures = read_labelled(data, sheet.classes)
    if sheet.task == "presence":
        return {"task": "presence", **evaluate_presence(load_presence(path), pictures)}
    return {"task": "detect", **evaluate_detector(load_model(path), pictures)}


def _evaluate_marks(path: Path, data: Path) -> dict[str, Any]:
    marked = read_marked(data)
    crops, passed = gathered(marked, range(len(marked.bolts)), shipped_poses())
    return {**mark_figures(MarkNet(load_maps(path)), crops), "passed_over": {"bolts": len(passed), "some": passed}}


def shown(told: Mapping[str, Any], *, as_json: bool, lines: list[str]) -> str:
    """Return what is printed."""
    return json.dumps(told, indent=2) if as_json else "\n".join(lines)


def inspection_lines(told: Mapping[str, Any]) -> list[str]:
    """Return one line for each picture, and one for all."""
    lines = []
    for one in told["pictures"]:
        kinds = ", ".join(sorted({finding["kind"] for finding in one["findings"]}))
        why = " ".join(one["words"])
        lines.append(f"{one['picture']}: {one['decision']}{f' ({kinds})' if kinds else ''} {why}".rstrip())
    return [*lines, ", ".join(f"{count} {name}" for name, count in told["decisions"].items())]


def figure_lines(told: Mapping[str, Any]) -> list[str]:
    """Return the figures of a model, one a line."""
    lines = []
    for name, value in told.items():
        if isinstance(value, dict) and {"hits", "of", "low", "high"} <= set(value):
            lines.append(f"{name}: {value['hits']} of {value['of']} (95 %: {100 * value['low']:.1f} to {100 * value['high']:.1f} %)")
        elif name == "classes":
            lines += [f"  {label}: AP50 {one['ap50']}, F1 {one['f1']}, {one['labels']} labels" for label, one in value.items()]
        elif not isinstance(value, dict | list):
            lines.append(f"{name}: {value}")
    return lines


def _inspected(path: Path, inspector: Inspector) -> Inspection:
    content = path.read_bytes()
    sha256 = frame_hash(content)
    try:
        pixels = decode(content, ImageLimits(), path.name)
    except RefusedImage as error:
        return _refused(sha256, path, inspector, error.reason)
    return inspector.inspect(Frame(pixels, sha256, path.stem, "", "", 0))


def _refused(sha256: Any, path: Path, inspector: Inspector, reason: Reason) -> Inspection:
    return Inspection(
        *(sha256, "", "", path.stem, 0, inspector.subject, inspector.model_sha256, "", Decision.NOT_DECIDABLE), reasons=(reason,)
    )


def _told(path: Path, folder: Path, found: Inspection) -> dict[str, Any]:
    reasons = [*found.reasons, *(reason for one in found.findings for reason in one.reasons)]
    record = inspection_record(found)
    return {"picture": path.relative_to(folder).as_posix(), **record, "words": list(dict.fromkeys(reason_words(one) for one in reasons))}
