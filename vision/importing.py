"""Labels of others into YOLO's layout: Pascal VOC (one XML a picture) and COCO (one JSON for all); what cannot be taken stops it all.

VOC boxes with exchanged corners are set right (44 % of the files of one public set had them, and a training drops such a picture whole with
one line in a log); boxes that reach beyond their picture are cut off there. A box without area, or a picture without labels, is an error.
"""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plant.errors import Rejected
from vision.images import PICTURE_EXTENSIONS, ImageLimits, probe
from vision.labelled import truth_line

_MOST_BYTES = 256 * 1024 * 1024
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Imported:
    """One picture with its boxes in pixels, as another tool wrote them."""

    picture: Path
    boxes: tuple[tuple[str, float, float, float, float], ...]
    """Class, and two opposite corners."""


@dataclass(slots=True)
class ImportReport:
    """What was taken over, and what was set right on the way."""

    pictures: int = 0
    boxes: int = 0
    turned: int = 0
    """Boxes whose corners were exchanged."""
    cut: int = 0
    """Boxes that reached beyond their picture."""
    classes: list[str] = field(default_factory=list)


def import_labels(source: Path, pictures: Path, out: Path, classes: Sequence[str] = ()) -> ImportReport:
    """Write ``out/images``, ``out/labels`` and ``out/classes.txt``. ``source`` is a folder of VOC files or a COCO file.

    Raises Rejected with everything that is wrong, before anything is written.
    """
    if out.exists() and any(out.iterdir()):
        raise Rejected(f"{out} is not empty")
    problems: list[str] = []
    found = list(_voc(source, pictures, problems) if source.is_dir() else _coco(source, pictures, problems))
    labelled = {one.picture.name for one in found}
    here = sorted(path for path in pictures.rglob("*") if path.suffix.lower() in PICTURE_EXTENSIONS)
    problems += [f"{path.name}: no label file names this picture" for path in here if path.name not in labelled]
    names = list(classes) or sorted({box[0] for one in found for box in one.boxes})
    report = ImportReport(classes=names)
    lines = {one.picture: _lines(one, names, report, problems) for one in found}
    stems = [path.stem for path in lines]
    problems += [f"{stem}: two pictures have this name" for stem in sorted({stem for stem in stems if stems.count(stem) > 1})]
    if problems or not lines:
        rest = [f"... and {len(problems) - _MOST_TOLD} more"] if len(problems) > _MOST_TOLD else []
        raise Rejected("\n".join([f"nothing was imported from {source}:", *(problems[:_MOST_TOLD] or ["it holds no labels"]), *rest]))
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for picture, text in lines.items():
        shutil.copyfile(picture, out / "images" / picture.name)
        (out / "labels" / f"{picture.stem}.txt").write_text(text, encoding="utf-8")
    (out / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    report.pictures = len(lines)
    return report


def _lines(one: Imported, names: Sequence[str], report: ImportReport, problems: list[str]) -> str:
    try:
        header = probe(one.picture.read_bytes(), ImageLimits(), one.picture.name)
    except (OSError, Rejected) as error:
        problems.append(f"{one.picture.name}: {error}")
        return ""
    text = ""
    for name, *corners in one.boxes:
        if name not in names:
            problems.append(f"{one.picture.name}: '{name}' is none of the classes")
            continue
        left, right = sorted((corners[0], corners[2]))
        top, bottom = sorted((corners[1], corners[3]))
        report.turned += [left, top, right, bottom] != corners
        inside = [max(0.0, left), max(0.0, top), min(float(header.width), right), min(float(header.height), bottom)]
        report.cut += inside != [left, top, right, bottom]
        if not (inside[2] - inside[0] >= 1 and inside[3] - inside[1] >= 1):
            problems.append(f"{one.picture.name}: a box of '{name}' has no area inside the picture")
            continue
        shares = (inside[0] / header.width, inside[1] / header.height, inside[2] / header.width, inside[3] / header.height)
        text += truth_line(names.index(name), shares)
        report.boxes += 1
    return text


def _voc(folder: Path, pictures: Path, problems: list[str]) -> Iterator[Imported]:
    for path in sorted(folder.rglob("*.xml")):
        try:
            root = _xml(path)
            picture = _picture(pictures, root.findtext("filename") or "", path.stem)
            boxes = tuple(_voc_box(one) for one in root.iter("object"))
        except (OSError, ET.ParseError, ValueError, TypeError, Rejected) as error:
            problems.append(f"{path.name}: {error}")
            continue
        yield Imported(picture, boxes)


def _xml(path: Path) -> ET.Element:
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise Rejected("it defines entities")
    return ET.fromstring(content)  # noqa: S314 - without entities, which were refused above


def _voc_box(told: ET.Element) -> tuple[str, float, float, float, float]:
    left, top, right, bottom = (float(told.findtext(f"bndbox/{name}") or "nothing") for name in ("xmin", "ymin", "xmax", "ymax"))
    return (told.findtext("name") or "").strip(), left, top, right, bottom


def _coco(path: Path, pictures: Path, problems: list[str]) -> Iterator[Imported]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise Rejected(f"{path}: larger than {_MOST_BYTES // 1024 // 1024} MB")
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = {one["id"]: str(one["name"]) for one in told["categories"]}
        files = {one["id"]: str(one["file_name"]) for one in told["images"]}
        boxes: dict[Any, list[tuple[str, float, float, float, float]]] = {one: [] for one in files}
        for one in told["annotations"]:
            left, top, width, height = (float(value) for value in one["bbox"])
            boxes[one["image_id"]].append((names[one["category_id"]], left, top, left + width, top + height))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Rejected(f"{path} is no COCO file: {error!r}") from error
    for number, name in files.items():
        try:
            picture = _picture(pictures, name, "")
        except Rejected as error:
            problems.append(str(error))
            continue
        yield Imported(picture, tuple(boxes[number]))


def _picture(folder: Path, name: str, stem: str) -> Path:
    """Return the picture that a label file names, by its last part only; else the one that has the label file's name."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    names = [last, *(f"{stem}{end}" for end in sorted(PICTURE_EXTENSIONS) if stem)]
    found = next((folder / one for one in names if one and (folder / one).is_file()), None)
    if found is None:
        raise Rejected(f"there is no picture '{last or stem}' in {folder}")
    return found
