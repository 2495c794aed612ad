"""Witness marks as people label them, and what the net of marks learns from: crops of bolts, their poses, which way their marks point.

Pictures lie in ``images``, labels in ``labels`` beside it, in YOLO's form for key points: a line for each bolt with class, box of the nut
(centre, width, height) and four points x, y, v: the mark's inner and outer end on the nut, its inner and outer end on the flange; v is 0
where that part of the mark is not to be seen. ``classes.txt`` names the classes by the states of a bolt: ``present``, ``loosened``,
``washer_missing``, ``mark_absent``, ``mark_smeared``. The pose of each bolt is not asked of anybody: the shipped nets tell it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from plant.bolts import BoltState
from plant.errors import Rejected
from vision.bolt_circle import CameraLens
from vision.bolt_finding import BoltPlace
from vision.bolt_looks import BoltNets, BoltView, look_at_bolt
from vision.bolt_maps import BoltMaps, MapSource, Window, shipped_net
from vision.bolt_near import NearEyes, NearLook
from vision.bolt_pose import EdgeNet, shipped_edges
from vision.bolt_start import StartNet, shipped_starts
from vision.detections import Floats
from vision.frames import Pixels
from vision.labelled import Labelled, LabelledSet, Truth, class_names, groups_of, label_path, pictures_of, refuse, text_lines
from vision.mark_net import MarkLook, MarkNet, Planes
from vision.nut_shape import Numbers, NutShape, NutSizes

_POINTS: Final = 4
_NUMBERS: Final = 4 + 3 * _POINTS
_STATES: Final = frozenset(BoltState) - {BoltState.MISSING}
_LONGEST: Final = 4.0
"""Shares of the box that an end of the mark may lie from its middle."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBolt:
    """What a person says of one bolt in a picture."""

    state: BoltState
    xyxy: Floats
    """Box of the nut, as shares of the picture."""
    ends: Numbers
    """(2, 2, 2): inner and outer end of the mark on the nut and on the flange, as shares of the picture."""
    seen: tuple[bool, bool]
    """Whether there is a mark on the nut, and on the flange."""


@dataclass(frozen=True, slots=True, eq=False)
class MarkedSet:
    """All pictures of a folder, with the bolts in each."""

    pictures: LabelledSet
    bolts: tuple[tuple[LabelledBolt, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class MarkedCrop:
    """One bolt as the net of marks is given it."""

    square: Pixels
    planes: Planes
    directions: Numbers
    """(2,): of the mark on nut and flange, radians in the sense of the picture; nothing where it is not seen."""
    seen: tuple[bool, bool]
    smeared: bool
    no_washer: bool

    def row(self) -> Numbers:
        """Return its truth as one row: poses of both planes (16), directions (2), what is there (4), how much is covered (0)."""
        there = [*self.seen, self.smeared, self.no_washer, 0.0]
        return np.concatenate(
            [np.ravel(each) for each in (self.planes.centres, self.planes.maps, self.planes.recede, self.directions, there)]
        )


def read_marked(folder: Path) -> MarkedSet:
    """Return the labelled bolts of a folder. Raises Rejected with all that is wrong; nothing is left out in silence."""
    paths, problems = pictures_of(folder)
    names = class_names(folder)
    states = [next((state for state in _STATES if state.value == name), None) for name in names]
    if not names or None in states:
        known = ", ".join(sorted(state.value for state in _STATES))
        problems.append(f"classes.txt must name the classes of the labels, each one of: {known}")
    pictures, bolts = [], []
    groups, split_by = groups_of(folder)
    for path in paths:
        try:
            rows = [_bolt(line, place, states) for line, place in text_lines(label_path(path))]
        except Rejected as error:
            problems.append(f"{path.name}: {error}")
            continue
        boxes = np.array([row.xyxy for row in rows], np.float32).reshape(-1, 4)
        group = groups.get(path.name) or hashlib.sha256(path.read_bytes()).hexdigest()
        pictures.append(Labelled(path, Truth(boxes, np.array([names.index(row.state.value) for row in rows], np.int64)), group))
        bolts.append(tuple(rows))
    refuse(folder, problems)
    return MarkedSet(LabelledSet(tuple(pictures), names, split_by), tuple(bolts))


def _bolt(line: str, place: str, states: Sequence[BoltState | None]) -> LabelledBolt:
    words = line.split()
    try:
        class_id, numbers = int(words[0]), np.array([float(word) for word in words[1:]])
    except ValueError as error:
        raise Rejected(f"{place} holds something that is no number") from error
    if len(numbers) != _NUMBERS or not np.isfinite(numbers).all():
        raise Rejected(
            f"{place} has {len(numbers)} numbers; a bolt has {_NUMBERS}: box of the nut (4), four ends of the mark (x, y, v each)"
        )
    state = states[class_id] if 0 <= class_id < len(states) else None
    if state is None:
        raise Rejected(f"{place}: class {class_id} has no name")
    middle, size, points = numbers[:2], numbers[2:4], numbers[4:].reshape(2, 2, 3)
    if (size <= 0).any() or (middle < 0).any() or (middle > 1).any():
        raise Rejected(f"{place}: its box has no area, or lies outside its picture")
    seen = tuple(bool((each[:, 2] > 0).all()) for each in points)
    for there, each in zip(seen, points, strict=True):
        if there and (np.abs(each[:, :2] - middle) > _LONGEST * size).any():
            raise Rejected(f"{place}: an end of the mark lies far from its bolt")
        if there and np.allclose(each[0, :2], each[1, :2]):
            raise Rejected(f"{place}: both ends of the mark are at one place")
    box = np.concatenate((middle - size / 2, middle + size / 2)).astype(np.float32)
    return LabelledBolt(state, box, points[..., :2], (seen[0], seen[1]))


@dataclass(frozen=True, slots=True)
class PoseNets:
    """What tells the pose of a bolt."""

    parts: MapSource
    starts: StartNet
    edges: EdgeNet


def shipped_poses() -> PoseNets:
    """Return the nets that come with Leadhand. Raises Rejected where one is missing."""
    return PoseNets(shipped_net(), shipped_starts(), shipped_edges())


def crops_of(pixels: Pixels, bolts: Sequence[LabelledBolt], nets: PoseNets) -> list[MarkedCrop | None]:
    """Return a crop of each labelled bolt of a picture; None where the shipped nets cannot tell its pose, or it is too small."""
    size = np.array([pixels.shape[1], pixels.shape[0]])
    return [_crop(pixels, bolt, size, nets) for bolt in bolts]


def _crop(pixels: Pixels, bolt: LabelledBolt, size: Numbers, nets: PoseNets) -> MarkedCrop | None:
    corners = bolt.xyxy.reshape(2, 2) * size
    middle, radius = corners.mean(axis=0), float((corners[1] - corners[0]).max()) / 2
    kept = _Kept(nets)
    place = BoltPlace((float(middle[0]), float(middle[1])), radius, 1.0, hole=False)
    look_at_bolt(pixels, place, BoltNets(nets.parts, near=kept), BoltView())
    if kept.found is None:
        return None
    square, planes, to_square = kept.found
    ends = bolt.ends * size
    directions = [_direction(to_square(each), planes, plane) for plane, each in enumerate(ends)]
    smeared, bare = bolt.state is BoltState.MARK_SMEARED, bolt.state is BoltState.WASHER_MISSING
    return MarkedCrop(square, planes, np.where(bolt.seen, directions, 0.0), bolt.seen, smeared, bare)


def _direction(ends: Numbers, planes: Planes, plane: int) -> float:
    """Return which way a line points, from its inner end to its outer, in a plane that is seen in perspective."""
    flat = (ends - planes.centres[plane]) @ np.linalg.inv(planes.maps[plane]).T
    mm = flat / (1 - flat @ planes.recede[plane])[:, None]
    away = mm[1] - mm[0]
    return float(np.arctan2(away[1], away[0]))


class _Kept(NearEyes):
    """Eyes that keep what the net of marks would have been given."""

    def __init__(self, nets: PoseNets) -> None:
        self._given = _Given()
        super().__init__(nets.starts, nets.edges, self._given)
        self.found: tuple[Pixels, Planes, _Placed] | None = None

    def look(
        self,
        pixels: Pixels,
        shape: NutShape,
        window: Window,
        maps: BoltMaps,
        sizes: NutSizes,
        *,
        mirrored: bool,
        lens: CameraLens | None = None,
    ) -> NearLook | None:
        seen = super().look(pixels, shape, window, maps, sizes, mirrored=mirrored, lens=lens)
        if seen is not None and self._given.square is not None and self._given.planes is not None:
            planes = self._given.planes
            at = np.array(window.to_picture(float(seen.shape.centre_px[0]), float(seen.shape.centre_px[1])))
            one = float(np.sqrt(abs(np.linalg.det(seen.shape.affine)) / abs(np.linalg.det(planes.maps[0])))) * window.scale
            self.found = self._given.square, planes, _Placed(at, one, planes.centres[0])
        return seen


class _Given(MarkNet):
    """Takes the place of the net of marks, and remembers what it is asked."""

    def __init__(self) -> None:
        self.square: Pixels | None = None
        self.planes: Planes | None = None

    def look_at(self, square: Pixels, pose: Planes, *, mirrored: bool, turns: int = 0) -> MarkLook:
        del mirrored, turns
        self.square, self.planes = square, pose
        return MarkLook(0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """How a square without a lens lies in its picture."""

    at_px: Numbers
    scale: float
    square_px: Numbers

    def __call__(self, points: Numbers) -> Numbers:
        """Return points of the picture as points of the square."""
        return np.asarray((points - self.at_px) / self.scale + self.square_px, np.float64)
