"""The only importer of onnxruntime: a detector that ultralytics exported, run without torch.

One thread a model, so that eight cameras share two cores by order and not by fight, and so that the same picture gives the same boxes to
the last bit. Prepared and read as ultralytics does it: the boxes agree within a pixel.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime

from plant.errors import Rejected
from vision.detections import Detections, Floats, no_detections, strongest
from vision.frames import Pixels

MOST_BYTES: Final = 64 * 1024 * 1024
_GREY: Final = 114  # what ultralytics fills the rim of a picture with
_MOST_BOXES: Final = 300


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture was fitted into a model's square: ``model = picture * scale + (left, top)``."""

    scale: float
    left: int
    top: int


class DetectionModel:
    """One loaded model."""

    def __init__(self, session: Any, sha256: str, classes: tuple[str, ...], size_px: int, keypoints: int) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.sha256 = sha256
        self.classes = classes
        self.size_px = size_px
        self.keypoints = keypoints
        """How many points each box has; 0 for a detector of boxes alone."""

    def detect(self, pixels: Pixels, least_confidence: float = 0.25, most_overlap: float = 0.7) -> Detections:
        """Return what is in a picture, the surest first; at most 300."""
        square, fit = letterbox(pixels, self.size_px)
        planes = cv2.dnn.blobFromImage(square, 1 / 255, swapRB=True)
        answer = self._session.run(None, {self._input: planes})[0][0]
        return self._read(answer, fit, pixels.shape[:2], least_confidence, most_overlap)

    def _read(self, answer: Floats, fit: Fit, shape: tuple[int, ...], least: float, most_overlap: float) -> Detections:
        """``answer`` is (4 + classes + 3 * points, anchors): centre and size of each box, its classes, its points."""
        count = len(self.classes)
        chosen = answer[:, answer[4 : 4 + count].max(axis=0) > least]
        if not chosen.shape[1]:
            return no_detections(self.keypoints)
        class_id = chosen[4 : 4 + count].argmax(axis=0)
        confidence = chosen[4 : 4 + count].max(axis=0)
        centre, half = chosen[:2], chosen[2:4] * np.float32(0.5)
        boxes: Floats = np.concatenate((centre - half, centre + half)).T.astype(np.float32)
        kept = strongest(boxes, confidence, class_id, most_overlap)[:_MOST_BOXES]
        points: Floats | None = None
        if self.keypoints:
            points = chosen[4 + count :, kept].T.reshape(-1, self.keypoints, 3).copy()
            points[..., :2] = _back(points[..., :2], fit, shape)
        corners = _back(boxes[kept].reshape(-1, 2, 2), fit, shape).reshape(-1, 4)
        return Detections(corners, np.ascontiguousarray(confidence[kept]), class_id[kept].astype(np.int64), points)


def load_model(path: Path) -> DetectionModel:
    """Return the model in a file. Raises Rejected for a file that holds no detector as ultralytics exports it."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Rejected(f"{path}: a model has at most {MOST_BYTES // 1024 // 1024} MB")
        content = path.read_bytes()
    except OSError as error:
        raise Rejected(f"{path}: {error.strerror or error}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # it keeps the largest it ever needed
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base
        raise Rejected(f"{path} is no ONNX model that can be run: {str(error)[:200]}") from error
    told = session.get_modelmeta().custom_metadata_map
    try:
        names = ast.literal_eval(told["names"])
        classes = tuple(str(names[place]) for place in range(len(names)))
        points = int(ast.literal_eval(told["kpt_shape"])[0]) if "kpt_shape" in told else 0
        shape, answers = session.get_inputs()[0].shape, session.get_outputs()[0].shape
        if shape[:2] != [1, 3] or shape[2] != shape[3] or answers[1] != 4 + len(classes) + 3 * points:
            raise Rejected(f"{path}: {len(classes)} classes and {points} points do not go with input {shape} and output {answers}")
        return DetectionModel(session, hashlib.sha256(content).hexdigest(), classes, int(shape[2]), points)
    except (KeyError, ValueError, SyntaxError, IndexError, TypeError) as error:
        raise Rejected(f"{path} is no detector as ultralytics exports it: {error}") from error


def letterbox(pixels: Pixels, size_px: int) -> tuple[Pixels, Fit]:
    """Return a picture fitted into a square without distorting it, its rim grey, and how it was fitted."""
    height, width = pixels.shape[:2]
    scale = min(size_px / height, size_px / width)
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    small = pixels if (across, down) == (width, height) else cv2.resize(pixels, (across, down), interpolation=cv2.INTER_LINEAR)
    left, top = round((size_px - across) / 2 - 0.1), round((size_px - down) / 2 - 0.1)
    square = np.full((size_px, size_px, 3), _GREY, np.uint8)
    square[top : top + down, left : left + across] = small
    return square, Fit(scale, left, top)


def _back(points: Floats, fit: Fit, shape: tuple[int, ...]) -> Floats:
    """Return points (..., 2) of the square as points of the picture, inside it."""
    found = (points - np.array([fit.left, fit.top], np.float32)) / np.float32(fit.scale)
    return np.asarray(np.clip(found, 0, np.array([shape[1], shape[0]], np.float32)), np.float32)
