"""The only importer of onnxruntime: a detector that ultralytics exported, run without torch.

One thread a model, so that eight cameras share two cores by order and not by fight, and so that the same picture gives the same boxes to
the last bit. Prepared and read as ultralytics does it: the boxes agree within a pixel.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime

from plant.errors import Rejected
from vision.detections import MOST_BOXES, Detections, Floats, no_detections, strongest
from vision.frames import Pixels
from vision.model_sheets import SHEET_KEY, ModelSheet, sheet_of

MOST_BYTES: Final = 64 * 1024 * 1024
_GREY: Final = 114  # what ultralytics fills the rim of a picture with
_LARGE: Final = 3 * 512 * 512
"""Numbers of a picture that a net takes much memory for; what it took is given back after it, and kept after smaller ones."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture was fitted into a model's square: ``model = picture * scale + (left, top)``."""

    scale: float
    left: int
    top: int


class DetectionModel:
    """One loaded model."""

    def __init__(
        self, session: Any, sha256: str, classes: tuple[str, ...], size_px: int, keypoints: int, sheet: ModelSheet | None = None
    ) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.sha256 = sha256
        self.classes = classes
        self.size_px = size_px
        self.keypoints = keypoints
        """How many points each box has; 0 for a detector of boxes alone."""
        self.sheet = sheet
        """What the model says of itself; None for one that was not made here."""

    def detect(self, pixels: Pixels, least_confidence: float = 0.25, most_overlap: float = 0.7) -> Detections:
        """Return what is in a picture, the surest first; at most 300."""
        return self.look(pixels, least_confidence, most_overlap)[0]

    def look(self, pixels: Pixels, least_confidence: float = 0.25, most_overlap: float = 0.7) -> tuple[Detections, Floats | None]:
        """Return what is in a picture, and its features where the model gives them. With an overlap of 1 no box gives way to another."""
        planes, fit = planes_of(pixels, self.size_px)
        answers = self._session.run(None, {self._input: planes})
        features = answers[1][0] if len(answers) > 1 else None
        return self._read(answers[0][0], fit, pixels.shape[:2], least_confidence, most_overlap), features

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
        if most_overlap < 1:
            kept = strongest(boxes, confidence, class_id, most_overlap)[:MOST_BOXES]
        else:
            kept = np.argsort(-confidence, kind="stable")
        points: Floats | None = None
        if self.keypoints:
            points = chosen[4 + count :, kept].T.reshape(-1, self.keypoints, 3).copy()
            points[..., :2] = _back(points[..., :2], fit, shape)
        corners = _back(boxes[kept].reshape(-1, 2, 2), fit, shape).reshape(-1, 4)
        return Detections(corners, np.ascontiguousarray(confidence[kept]), class_id[kept].astype(np.int64), points)


class ChannelModel:
    """The first layers of a detector: channels of a picture, fine ones and coarse ones."""

    def __init__(self, session: Any, sha256: str, size_px: int, sheet: ModelSheet | None) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.sha256 = sha256
        self.size_px = size_px
        self.sheet = sheet

    def channels(self, pixels: Pixels) -> list[Floats]:
        """Return the channels of a picture, each of shape (channels, rows, columns) over the whole of it."""
        square = cv2.resize(pixels, (self.size_px, self.size_px), interpolation=cv2.INTER_AREA)
        planes = cv2.dnn.blobFromImage(square, 1 / 255, swapRB=True)
        return [answer[0] for answer in self._session.run(None, {self._input: planes})]


class MapModel:
    """A net that gives maps: a number for each class and place of a picture."""

    def __init__(self, session: Any, sha256: str) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.sha256 = sha256

    def maps(self, pixels: Pixels) -> Floats:
        """Return (classes, h, w) of a picture whose sides are multiples of 16."""
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None].astype(np.float32))
        how = onnxruntime.RunOptions()
        if planes.size > _LARGE:
            how.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return np.asarray(self._session.run(None, {self._input: planes}, how)[0][0], np.float32)


class PatchModel:
    """A net that tells some numbers of each place of many small patches."""

    def __init__(self, session: Any, sha256: str) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.sha256 = sha256

    def told(self, planes: Floats) -> Floats:
        """Return (n, places, numbers) of patches (n, channels, places, across)."""
        return np.asarray(self._session.run(None, {self._input: planes})[0], np.float32)


def load_patches(path: Path) -> PatchModel:
    """Return the net of patches in a file. Raises Rejected for a file that holds none."""
    session, sha256, _ = _opened(path, sizes_vary=True)
    shapes = [one.shape for one in (*session.get_inputs(), *session.get_outputs())]
    if len(shapes) != 2 or len(shapes[0]) != 4 or len(shapes[1]) != 3:
        raise Rejected(f"{path} is no net that tells of patches")
    return PatchModel(session, sha256)


def load_maps(path: Path) -> MapModel:
    """Return the net of maps in a file. Raises Rejected for a file that holds none."""
    session, sha256, _ = _opened(path, sizes_vary=True)
    if len(session.get_inputs()) != 1 or session.get_inputs()[0].shape[:2] != [1, 3] or len(session.get_outputs()) != 1:
        raise Rejected(f"{path} is no net that makes maps of a picture")
    return MapModel(session, sha256)


def load_model(path: Path) -> DetectionModel:
    """Return the detector in a file. Raises Rejected for a file that holds none as ultralytics exports it."""
    session, sha256, told = _opened(path)
    try:
        names = ast.literal_eval(told["names"])
        classes = tuple(str(names[place]) for place in range(len(names)))
        points = int(ast.literal_eval(told["kpt_shape"])[0]) if "kpt_shape" in told else 0
        shape, answers = session.get_inputs()[0].shape, session.get_outputs()[0].shape
        if shape[:2] != [1, 3] or shape[2] != shape[3] or answers[1] != 4 + len(classes) + 3 * points:
            raise Rejected(f"{path}: {len(classes)} classes and {points} points do not go with input {shape} and output {answers}")
        return DetectionModel(session, sha256, classes, int(shape[2]), points, _sheet(told, path))
    except (KeyError, ValueError, SyntaxError, IndexError, TypeError) as error:
        raise Rejected(f"{path} is no detector as ultralytics exports it: {error}") from error


def load_channels(path: Path) -> ChannelModel:
    """Return the first layers of a detector in a file. Raises Rejected for a file that holds something else."""
    session, sha256, told = _opened(path)
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or shape[:2] != [1, 3] or shape[2] != shape[3] or any(len(one.shape) != 4 for one in session.get_outputs()):
        raise Rejected(f"{path} holds no first layers of a detector")
    return ChannelModel(session, sha256, int(shape[2]), _sheet(told, path))


def read_sheet(path: Path) -> ModelSheet:
    """Return what the model in a file says of itself. Raises Rejected for a model that says nothing."""
    sheet = _sheet(_opened(path)[2], path)
    if sheet is None:
        raise Rejected(f"{path} holds no sheet: it was not made by 'leadhand vision train'")
    return sheet


def _sheet(told: Mapping[str, str], path: Path) -> ModelSheet | None:
    return sheet_of(told[SHEET_KEY], path) if SHEET_KEY in told else None


def _opened(path: Path, *, sizes_vary: bool = False) -> tuple[Any, str, Mapping[str, str]]:
    """Return a session on one thread, the file's sha256 and its metadata.

    Memory is laid out ahead for each size of picture, so not where they vary.
    """
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
    options.enable_mem_pattern = not sizes_vary
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base
        raise Rejected(f"{path} is no ONNX model that can be run: {str(error)[:200]}") from error
    return session, hashlib.sha256(content).hexdigest(), session.get_modelmeta().custom_metadata_map


def planes_of(pixels: Pixels, size_px: int) -> tuple[Floats, Fit]:
    """Return a picture as a detector takes it, shape (1, 3, size, size), and how it was fitted."""
    square, fit = letterbox(pixels, size_px)
    return np.asarray(cv2.dnn.blobFromImage(square, 1 / 255, swapRB=True), np.float32), fit


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
