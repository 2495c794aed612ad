"""Labels of inspectors as pictures and text files in YOLO's layout, for training."""

from __future__ import annotations

import csv
from pathlib import Path

from leadhand.databases import connected, open_database
from leadhand.home import Home
from leadhand.settings import load_settings
from plant.clock import SystemClock
from plant.inspections import Subject
from storage.database import Connection
from storage.evidence import EvidenceFolder
from storage.review import LabelBox, labelled_pictures

_ENDS = {"JPEG": "jpg", "PNG": "png", "BMP": "bmp"}


def export_of(home: Home, out: Path, subject: Subject) -> tuple[int, list[str]]:
    """Write what was answered in one installation; return as ``export_labels`` does."""
    with open_database(home, load_settings(home.settings), SystemClock()) as url, connected(url, read_only=True) as connection:
        return export_labels(connection, EvidenceFolder(home.path / "evidence"), out, subject)


def export_labels(connection: Connection, evidence: EvidenceFolder, out: Path, subject: Subject) -> tuple[int, list[str]]:
    """Write each answered picture of a subject with its newest boxes; return how many, and the classes in their order."""
    images, labels = out / "images", out / "labels"
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    found = list(labelled_pictures(connection, subject))
    classes = sorted({box.kind for one in found for box in one.boxes})
    written = 0
    with (out / "answers.csv").open("w", newline="") as file:
        index = csv.writer(file)
        index.writerow(["picture", "decision", "actor", "time_us"])
        for one in found:
            content = evidence.read(one.sha256)
            if content is None:
                continue
            name = f"{one.sha256}.{_ENDS.get(one.kind, 'jpg')}"
            (images / name).write_bytes(content)
            lines = (yolo_line(classes.index(box.kind), box, one.width, one.height) for box in one.boxes)
            (labels / f"{one.sha256}.txt").write_text("".join(lines))
            index.writerow([name, one.decision.value, one.actor, one.time_us])
            written += 1
    (out / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
    return written, classes


def yolo_line(class_id: int, box: LabelBox, width: int, height: int) -> str:
    """Return a box as YOLO writes it: class, middle and size as shares of the picture."""
    left, top, right, bottom = box.box_px
    numbers = ((left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height)
    return f"{class_id} " + " ".join(f"{number:.6f}" for number in numbers) + "\n"
