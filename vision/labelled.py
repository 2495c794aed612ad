"""Pictures with what a person says is in them, in YOLO's layout: ``images/a.jpg``, ``labels/a.txt``, and perhaps ``index.csv``.

A label file has a line for each thing: class, centre x, centre y, width, height as shares of the picture; or class and the corners of a
polygon. An empty file says that nothing is there; a missing one says nothing, so it is an error.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from plant.errors import Rejected
from vision.detections import Classes, Floats
from vision.frames import Pixels
from vision.image_headers import RefusedImage
from vision.images import PICTURE_EXTENSIONS, ImageLimits, decode, probe

_GROUP_COLUMNS: Final = ("near_duplicate_cluster", "cluster", "group")
_MOST_TOLD: Final = 20
_LEAST_SIDE: Final = 1e-4
"""Share of a picture; a box is not narrower."""
_INSIDE: Final = 0.5
"""Share of a label that lies in its picture: hand-drawn ones reach beyond, and are cut off there."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a person says is in one picture."""

    xyxy: Floats
    """Shape (n, 4), as shares of the picture's width and height."""
    class_id: Classes

    def in_pixels(self, pixels: Pixels) -> Floats:
        """Return the boxes in pixels of a picture."""
        height, width = pixels.shape[:2]
        return np.asarray(self.xyxy * np.array([width, height, width, height], np.float32), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One picture and its truth."""

    path: Path
    truth: Truth
    group: str
    """Pictures of one group show nearly the same, so they stand on one side of every split."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """All pictures of a folder."""

    pictures: tuple[Labelled, ...]
    classes: tuple[str, ...]
    split_by: str
    """What a group is: a column of ``index.csv``, or ``content`` where there is none."""

    def manifest(self) -> str:
        """Return the sha256 over names, contents and labels: the same set gives the same."""
        lines = (f"{one.path.name} {_sha256(one.path)} {_sha256(label_path(one.path))}\n" for one in self.pictures)
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def read_labelled(folder: Path, classes: Sequence[str] = ()) -> LabelledSet:
    """Return the labelled pictures of a folder, in order of their names.

    Class names come from ``classes``, else from ``classes.txt`` or ``data.json`` in the folder, else they are ``class 0``, ``class 1`` ...
    Raises Rejected with all that is wrong: a picture without label file, labels that no picture has, a line that is no label, a picture
    that cannot be decoded. Nothing is left out in silence.
    """
    paths, problems = pictures_of(folder)
    pictures: list[Labelled] = []
    groups, split_by = groups_of(folder)
    for path in paths:
        try:
            truth = read_truth(label_path(path))
        except Rejected as error:
            problems.append(f"{path.name}: {error}")
            continue
        pictures.append(Labelled(path, truth, groups.get(path.name) or _sha256(path)))
    names = tuple(classes) or class_names(folder)
    most = max((int(one.truth.class_id.max(initial=-1)) for one in pictures), default=-1)
    if names and most >= len(names):
        problems.append(f"class {most} is used, and there are {len(names)} names")
    refuse(folder, problems)
    return LabelledSet(tuple(pictures), names or tuple(f"class {number}" for number in range(most + 1)), split_by)


def pictures_of(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the sound pictures of a folder of labelled ones, by name, and all that is wrong with its files. Raises Rejected."""
    images = folder / "images"
    if not images.is_dir():
        raise Rejected(f"{folder} has no folder 'images'; labelled pictures lie in 'images', their labels in 'labels' beside it")
    paths = sorted(path for path in images.rglob("*") if path.suffix.lower() in PICTURE_EXTENSIONS)
    problems = [] if paths else [f"there is no picture in {images}"]
    sound = []
    for path in paths:
        try:
            probe(path.read_bytes(), ImageLimits(), path.name)
        except (RefusedImage, OSError) as error:
            problems.append(f"{path.name}: {error}")
        else:
            sound.append(path)
    known = {label_path(path) for path in paths}
    problems += [f"{path.name}: no picture has this name" for path in sorted((folder / "labels").rglob("*.txt")) if path not in known]
    return sound, problems


def refuse(folder: Path, problems: Sequence[str]) -> None:
    """Raise Rejected with what is wrong with a folder, where anything is."""
    if problems:
        rest = [f"... and {len(problems) - _MOST_TOLD} more"] if len(problems) > _MOST_TOLD else []
        raise Rejected("\n".join([f"{folder} cannot be used as it is:", *problems[:_MOST_TOLD], *rest]))


def read_picture(path: Path) -> Pixels:
    """Return the pixels of a picture file. Raises Rejected."""
    try:
        return decode(path.read_bytes(), ImageLimits(), path.name)
    except OSError as error:
        raise Rejected(f"{path}: {error.strerror or error}") from error
    except RefusedImage as error:
        raise Rejected(f"{path}: {error}") from error


def some_pictures(pictures: Sequence[Labelled], most: int = 96) -> Iterator[Pixels]:
    """Give the pixels of some pictures, evenly from all; always the same."""
    for place in range(0, len(pictures), max(1, len(pictures) // most)):
        yield read_picture(pictures[place].path)


def label_path(picture: Path) -> Path:
    """Return where the labels of a picture are: ``images/a.jpg`` has ``labels/a.txt``."""
    parts = list(picture.parts)
    if "images" not in parts:
        raise Rejected(f"{picture}: a picture lies under a folder 'images', its labels under 'labels' beside it")
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts).with_suffix(".txt")


def read_truth(path: Path) -> Truth:
    """Return what a label file says. Raises Rejected for a file that is missing or holds a line that is no label."""
    rows = [_row(line, place) for line, place in text_lines(path)]
    boxes = np.array([row[1] for row in rows], np.float32).reshape(-1, 4)
    return Truth(boxes, np.array([row[0] for row in rows], np.int64))


def text_lines(path: Path) -> list[tuple[str, str]]:
    """Return each line of a label file that is not empty, and which it is. Raises Rejected."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"its label file {path.name} cannot be read") from error
    return [(line, f"{path.name} line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _row(line: str, place: str) -> tuple[int, tuple[float, float, float, float]]:
    words = line.split()
    try:
        class_id, numbers = int(words[0]), np.array([float(word) for word in words[1:]])
    except ValueError as error:
        raise Rejected(f"{place} holds something that is no number") from error
    if class_id < 0 or not np.isfinite(numbers).all():
        raise Rejected(f"{place} holds a number that cannot be")
    if len(numbers) == 4:
        centre, half = numbers[:2], numbers[2:] / 2
        corners = np.concatenate((centre - half, centre + half))
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        points = numbers.reshape(-1, 2)
        corners = np.concatenate((points.min(axis=0), points.max(axis=0)))
    else:
        raise Rejected(f"{place} has {len(numbers)} numbers; a box has 4, a polygon 6 or more")
    left, top, right, bottom = np.clip(corners, 0, 1).tolist()
    whole = float((corners[2] - corners[0]) * (corners[3] - corners[1]))
    if corners[0] < corners[2] and corners[1] < corners[3] and (right - left) * (bottom - top) < _INSIDE * whole:
        raise Rejected(f"{place} lies outside its picture: take that line out")
    if right - left < _LEAST_SIDE or bottom - top < _LEAST_SIDE:
        raise Rejected(f"{place} has no area")
    return class_id, (left, top, right, bottom)


def truth_line(class_id: int, xyxy: Iterable[float]) -> str:
    """Return one line of a label file for a box in shares of its picture."""
    left, top, right, bottom = xyxy
    return f"{class_id} {(left + right) / 2:.6f} {(top + bottom) / 2:.6f} {right - left:.6f} {bottom - top:.6f}\n"


def folds(pictures: Sequence[Labelled], count: int) -> list[list[int]]:
    """Return the places of the pictures in ``count`` parts of like size, always the same; a group is never divided."""
    members: dict[str, list[int]] = {}
    for place, one in enumerate(pictures):
        members.setdefault(one.group, []).append(place)
    order = sorted(members, key=lambda group: (-len(members[group]), hashlib.sha256(group.encode()).hexdigest()))
    parts: list[list[int]] = [[] for _ in range(count)]
    for group in order:
        min(parts, key=len).extend(members[group])
    return [sorted(part) for part in parts]


def groups_of(folder: Path) -> tuple[dict[str, str], str]:
    """Return the group of each picture by its name, and by what they are grouped; none where the folder has no table of them."""
    index = folder / "index.csv"
    if not index.exists():
        return {}, "content"
    try:
        rows = list(csv.DictReader(io.StringIO(index.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Rejected(f"{index} cannot be read as a table: {error}") from error
    column = next((name for name in _GROUP_COLUMNS if rows and name in rows[0]), None)
    if column is None or "image" not in rows[0]:
        return {}, "content"
    return {row["image"]: row[column] for row in rows if row[column]}, column


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes that a folder tells; none where it tells none. Raises Rejected."""
    plain, sheet = folder / "classes.txt", folder / "data.json"
    try:
        if plain.exists():
            return tuple(name.strip() for name in plain.read_text(encoding="utf-8").splitlines() if name.strip())
        if sheet.exists():
            return tuple(str(name) for name in json.loads(sheet.read_text(encoding="utf-8"))["names"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Rejected(f"the names of the classes in {folder} cannot be read: {error}") from error
    return ()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
