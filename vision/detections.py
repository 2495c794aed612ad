"""What a detector found in one picture: boxes, how sure it is of each, what each is; for bolts the points of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Classes: TypeAlias = npt.NDArray[np.int64]
MOST_BOXES: Final = 300
"""In one picture."""
Chosen: TypeAlias = npt.NDArray[np.bool_] | npt.NDArray[np.int64] | slice


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Columns of equal length, the surest first where a model made them."""

    xyxy: Floats
    """Shape (n, 4): x and y of the left upper corner, x and y of the right lower one, in pixels of the picture."""
    confidence: Floats
    class_id: Classes
    keypoints: Floats | None = None
    """Shape (n, k, 3): x, y and visibility 0 to 1 of each point; None for a model without points."""

    def __post_init__(self) -> None:
        count = len(self.confidence)
        if self.xyxy.shape != (count, 4) or self.confidence.shape != (count,) or self.class_id.shape != (count,):
            raise ValueError(
                f"boxes {self.xyxy.shape}, confidence {self.confidence.shape} and class {self.class_id.shape} do not belong together"
            )
        if self.keypoints is not None and (self.keypoints.ndim != 3 or len(self.keypoints) != count or self.keypoints.shape[2] != 3):
            raise ValueError(f"key points of shape {self.keypoints.shape} do not belong to {count} boxes")

    def __len__(self) -> int:
        return len(self.confidence)

    def __getitem__(self, chosen: Chosen) -> Detections:
        points = None if self.keypoints is None else self.keypoints[chosen]
        return Detections(self.xyxy[chosen], self.confidence[chosen], self.class_id[chosen], points)

    def rows(self) -> Iterator[tuple[tuple[float, float, float, float], float, int]]:
        """Return box, confidence and class of each, one after the other."""
        for box, confidence, class_id in zip(self.xyxy.tolist(), self.confidence.tolist(), self.class_id.tolist(), strict=True):
            yield (box[0], box[1], box[2], box[3]), confidence, class_id


def no_detections(keypoints: int = 0) -> Detections:
    """Return what is found where nothing is."""
    points = np.zeros((0, keypoints, 3), np.float32) if keypoints else None
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), points)


def overlap(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the intersection over union of each box (n, 4) with each other box (m, 4), shape (n, m); 0 for boxes without area."""
    left, right = np.asarray(one, np.float64).reshape(-1, 1, 4), np.asarray(other, np.float64).reshape(1, -1, 4)
    sides = np.clip(np.minimum(left[..., 2:], right[..., 2:]) - np.maximum(left[..., :2], right[..., :2]), 0, None)
    shared = sides[..., 0] * sides[..., 1]
    both = _area(left) + _area(right) - shared
    shares: npt.NDArray[np.float64] = np.divide(shared, both, out=np.zeros_like(shared), where=both > 0)
    return shares


def _area(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    sides = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float64)


def thinned(found: Detections, most_overlap: float) -> Detections:
    """Return detections without those that a surer one of their class overlaps more; the surest first, at most ``MOST_BOXES``."""
    return found[strongest(found.xyxy, found.confidence, found.class_id, most_overlap)[:MOST_BOXES]]


def strongest(boxes: Floats, confidence: Floats, class_id: Classes, most_overlap: float) -> npt.NDArray[np.int64]:
    """Return the places of the boxes that stay, the surest first: a box gives way to a surer one of its class that overlaps it more."""
    order = np.argsort(-confidence, kind="stable")
    kept: list[int] = []
    # Boxes of unlike classes are pushed apart, so one pass serves all.
    apart = boxes.astype(np.float64) + class_id[:, None] * (float(np.abs(boxes).max(initial=0.0)) * 2 + 1)
    areas = _area(apart)
    while order.size:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        sides = np.clip(np.minimum(apart[first, 2:], apart[rest, 2:]) - np.maximum(apart[first, :2], apart[rest, :2]), 0, None)
        shared = sides[:, 0] * sides[:, 1]
        order = rest[shared <= most_overlap * (areas[first] + areas[rest] - shared)]
    return np.array(kept, dtype=np.int64)
