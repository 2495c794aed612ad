"""Labels of other tools come over whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from plant.errors import Rejected
from vision.importing import import_labels
from vision.labelled import read_labelled


def picture(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), np.full((100, 200, 3), 90, np.uint8))


def voc(folder: Path, name: str, *corners: float) -> None:
    folder.mkdir(exist_ok=True)
    box = "".join(f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    text = f"<annotation><filename>{name}.png</filename><object><name>pore</name><bndbox>{box}</bndbox></object></annotation>"
    (folder / f"{name}.xml").write_text(text)


def test_exchanged_corners_are_set_right_and_boxes_end_at_their_picture(tmp_path: Path) -> None:
    picture(tmp_path / "p", "a.png")
    picture(tmp_path / "p", "b.png")
    voc(tmp_path / "x", "a", 150, 80, 50, 20)
    voc(tmp_path / "x", "b", 150, 20, 260, 80)
    report = import_labels(tmp_path / "x", tmp_path / "p", tmp_path / "out")
    assert (report.pictures, report.boxes, report.turned, report.cut) == (2, 2, 1, 1)
    first, second = read_labelled(tmp_path / "out").pictures
    assert first.truth.xyxy[0] == pytest.approx([0.25, 0.2, 0.75, 0.8], abs=1e-5)
    assert second.truth.xyxy[0] == pytest.approx([0.75, 0.2, 1.0, 0.8], abs=1e-5)
    assert read_labelled(tmp_path / "out").classes == ("pore",)


def test_a_box_without_area_or_a_picture_without_labels_stops_the_import(tmp_path: Path) -> None:
    picture(tmp_path / "p", "a.png")
    picture(tmp_path / "p", "alone.png")
    voc(tmp_path / "x", "a", 50, 20, 50, 80)
    with pytest.raises(Rejected) as told:
        import_labels(tmp_path / "x", tmp_path / "p", tmp_path / "out")
    assert "no area" in str(told.value)
    assert "alone.png" in str(told.value)
    assert not (tmp_path / "out").exists()


def test_coco_files_come_over(tmp_path: Path) -> None:
    picture(tmp_path / "p", "a.png")
    told = {
        "images": [{"id": 7, "file_name": "deep/a.png"}],
        "categories": [{"id": 3, "name": "crater"}],
        "annotations": [{"image_id": 7, "category_id": 3, "bbox": [20, 10, 40, 30]}],
    }
    (tmp_path / "c.json").write_text(json.dumps(told))
    assert import_labels(tmp_path / "c.json", tmp_path / "p", tmp_path / "out").boxes == 1
    assert read_labelled(tmp_path / "out").pictures[0].truth.xyxy[0] == pytest.approx([0.1, 0.1, 0.3, 0.4], abs=1e-5)


def test_a_label_file_cannot_reach_outside_the_folder_of_pictures(tmp_path: Path) -> None:
    picture(tmp_path, "secret.png")
    (tmp_path / "p").mkdir()
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.xml").write_text("<annotation><filename>../secret.png</filename></annotation>")
    with pytest.raises(Rejected, match=r"no picture 'secret\.png'"):
        import_labels(tmp_path / "x", tmp_path / "p", tmp_path / "out")
