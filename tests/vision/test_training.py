"""Training, where the extra ``train`` is at hand: in this Python, or in the one that LEADHAND_TRAIN_PYTHON names.

The extra weighs 1.5 GB, so no test installs it; without it these tests are left out and say so. By hand:

    python -m venv ~/train && ~/train/bin/pip install -e '.[train]'
    LEADHAND_TRAIN_PYTHON=~/train/bin/python make test-heavy
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from leadhand.inspecting import evaluate
from simulators.camera_labels import write_folder
from simulators.seam_scenes import render_seam
from vision.onnx_models import load_model, read_sheet
from vision.training import train_installed

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("LEADHAND_TRAIN_PYTHON") or (sys.executable if train_installed() else "")
GUARD = """
import json, socket, sys
TOLD = []
def no(name):
    def refuse(*given, **named):
        TOLD.append(f"{name} {given[-1:]}")
        raise OSError("no connection is to be made")
    return refuse
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, no(name))
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, no(name))
"""
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not PYTHON, reason="the extra 'train' (1.5 GB) is not here: name a Python that has it in LEADHAND_TRAIN_PYTHON"),
]


def run(code: str, *words: str | Path) -> dict[str, Any]:
    """Return what a piece of Python prints as its last line of JSON, with the training's packages and no way out."""
    done = subprocess.run(
        [PYTHON, "-c", GUARD + code, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def station(folder: Path, count: int = 20) -> None:
    """Write pictures of bright squares, each with its label."""
    draws = np.random.default_rng(3)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("square\n")
    for number in range(count):
        pixels = draws.integers(40, 80, (96, 96, 3)).astype(np.uint8)
        left, top = draws.integers(8, 56, 2)
        pixels[top : top + 28, left : left + 28] = draws.integers(180, 255, 3)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), pixels)
        corners = f"{left / 96} {top / 96} {(left + 28) / 96} {top / 96} {(left + 28) / 96} {(top + 28) / 96}"
        box = f"{(left + 14) / 96} {(top + 14) / 96} {28 / 96} {28 / 96}"
        (folder / "labels" / f"{number}.txt").write_text(f"0 {box}\n" + (f"0 {corners}\n" if number % 3 == 0 else ""))


def test_a_detector_is_taught_by_the_command_and_makes_no_connection(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "m.onnx"
    station(data)
    told = run(
        """
from pathlib import Path
from leadhand.teaching import DetectorWish, detector
told = detector(Path(sys.argv[1]), Path(sys.argv[2]), DetectorWish((), "", 1, 96, 1, None, "", None))
print(json.dumps({"connections": TOLD, "told": told}))
""",
        data,
        out,
    )
    assert told["connections"] == []
    assert told["told"]["pictures"] == 4, "a fifth is held out"
    assert read_sheet(out).classes == ("square",)
    assert load_model(out).size_px == 96
    assert sorted(path.name for path in (data / "labels").iterdir()) == sorted(f"{number}.txt" for number in range(20)), (
        "nothing is left behind in the user's folder"
    )


def test_an_exported_model_gives_the_boxes_of_ultralytics_within_a_pixel(tmp_path: Path) -> None:
    out, pictures = tmp_path / "start.onnx", []
    for seed in range(8):
        pictures.append(tmp_path / f"{seed}.png")
        cv2.imwrite(str(pictures[-1]), render_seam(seed, size=480).pixels[:360])
    found = run(
        """
from pathlib import Path
import cv2, numpy as np
from vision.training import _ultralytics, export_onnx, installed_start
start = installed_start()
if start is None:
    print(json.dumps({"start": False}))
    sys.exit()
export_onnx(start, Path(sys.argv[1]), 320)
with _ultralytics(Path(sys.argv[1]).parent) as yolo:
    model = yolo(str(start))
    answers = []
    for path in sys.argv[2:]:
        boxes = model.predict(cv2.imread(path), imgsz=320, conf=0.002, iou=0.7, rect=False, verbose=False)[0].boxes
        answers.append([[*map(float, box), float(sure), int(kind)] for box, sure, kind in zip(boxes.xyxy, boxes.conf, boxes.cls)])
print(json.dumps({"start": True, "answers": answers, "connections": TOLD}))
""",
        out,
        *pictures,
    )
    if not found["start"]:
        pytest.skip("the package of the weights to begin with is not installed")
    assert found["connections"] == []
    model, count = load_model(out), 0
    for path, theirs in zip(pictures, found["answers"], strict=True):
        ours = model.detect(np.asarray(cv2.imread(str(path)), np.uint8), 0.002, 0.7)
        sure = [row for row in theirs if row[4] > 0.003]  # one that is hardly sure enough may fall on either side
        for *box, _, kind in sure:
            apart = np.abs(ours.xyxy[ours.class_id == kind] - np.array(box)).max(axis=1)
            assert apart.min() <= 1.0
            count += 1
    assert count > 10


def test_a_detector_is_validated_without_a_connection(tmp_path: Path) -> None:
    station(tmp_path / "data")
    found = run(
        """
import json
from pathlib import Path
from vision.training import TrainPlan, _ultralytics, train_detector
folder, work = Path(sys.argv[1]), Path(sys.argv[2])
weights = train_detector(TrainPlan(tuple(sorted((folder / "images").iterdir())), ("square",), 96, 1), work)
sheet = work / "data.yaml"
sheet.write_text(json.dumps({"path": str(folder), "train": "images", "val": "images", "names": {0: "square"}}))
with _ultralytics(work) as yolo:
    figures = yolo(str(weights)).val(data=str(sheet), imgsz=96, device="cpu", workers=0, plots=False, verbose=False, project=str(work))
print(json.dumps({"map50": float(figures.box.map50), "connections": TOLD}))
""",
        tmp_path / "data",
        tmp_path / "work",
    )
    assert found["connections"] == []
    assert 0 <= found["map50"] <= 1


def test_a_net_of_marks_is_taught_from_labels_and_begins_where_the_shipped_one_stands(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", 40, 3)
    told = run(
        """
from pathlib import Path
from leadhand.teaching import marks
told = marks(Path(sys.argv[1]), Path(sys.argv[2]), 1, 1, None)
print(json.dumps({"connections": TOLD, "told": told}))
""",
        tmp_path / "data",
        tmp_path / "m.onnx",
    )
    assert told["connections"] == []
    assert told["told"]["bolts"] + told["told"]["passed_over"]["bolts"] >= 8, (
        "each labelled bolt of the fifth is judged, or told to be passed over"
    )
    assert told["told"]["angle_error_median_deg"] < 3
    assert read_sheet(tmp_path / "m.onnx").task == "marks"
    figures = evaluate(False, tmp_path / "m.onnx", tmp_path / "data")
    assert figures["task"] == "marks"
    assert figures["bolts"] > told["told"]["bolts"]
