from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from plant.bolts import BoltState
from plant.errors import Rejected
from simulators.bolt_draws import Crop
from simulators.bolt_scenes import crop_scene
from simulators.camera_labels import STATES, label_line, write_folder
from tests.vision.pictures import png
from vision.mark_evaluating import gathered, mark_figures
from vision.mark_labels import _direction, read_marked, shipped_poses
from vision.mark_net import Planes, shipped_marks

LINE = "0 0.5 0.5 0.4 0.4 0.6 0.5 2 0.65 0.5 2 0.75 0.5 2 0.85 0.52 2"


def labelled(folder: Path, *lines: str, classes: str = "present\nmark_absent\n") -> Path:
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text(classes)
    (folder / "images" / "a.png").write_bytes(png())
    (folder / "labels" / "a.txt").write_text("\n".join(lines))
    return folder


def test_a_label_tells_state_box_and_ends_of_the_mark(tmp_path: Path) -> None:
    hidden = "1 0.5 0.5 0.4 0.4 0 0 0 0 0 0 0.75 0.5 2 0.85 0.52 2"
    ((first, second),) = read_marked(labelled(tmp_path, LINE, hidden)).bolts
    assert first.state is BoltState.PRESENT
    assert first.seen == (True, True)
    assert first.xyxy.tolist() == pytest.approx([0.3, 0.3, 0.7, 0.7])
    assert first.ends[1, 1].tolist() == [0.85, 0.52]
    assert (second.state, second.seen) == (BoltState.MARK_ABSENT, (False, True))


@pytest.mark.parametrize(
    ("line", "classes", "says"),
    [
        ("0 0.5 0.5 0.4 0.4", "present", "a bolt has 16"),
        (LINE.replace("0.6 ", "x "), "present", "no number"),
        ("7" + LINE[1:], "present", "class 7 has no name"),
        (LINE.replace("0.4 0.4", "0.4 0"), "present", "no area"),
        (LINE.replace("0.65 0.5", "0.6 0.5"), "present", "both ends"),
        (LINE.replace("0.4 0.4", "0.01 0.01"), "present", "far from its bolt"),
        (LINE, "bolt", "classes.txt must name"),
    ],
)
def test_a_label_that_cannot_be_is_told_with_its_place_and_nothing_begins(tmp_path: Path, line: str, classes: str, says: str) -> None:
    with pytest.raises(Rejected, match=says) as told:
        read_marked(labelled(tmp_path, line, classes=classes))
    assert "a." in str(told.value) or "classes.txt" in str(told.value)


def test_a_direction_is_that_on_the_bolt_not_that_in_the_picture() -> None:
    lean = np.array([[2.0, 0.3], [0.1, 1.4]])
    planes = Planes(np.array([[100.0, 90.0], [104.0, 95.0]]), np.stack([lean, 1.1 * lean]), np.array([[0.002, -0.001], [0.002, -0.001]]))
    for plane, degrees in ((0, 25.0), (1, -140.0)):
        way = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
        mm = np.array([10.0, 30.0])[:, None] * way
        ends = planes.centres[plane] + (mm / (1 + mm @ planes.recede[plane])[:, None]) @ planes.maps[plane].T
        assert np.rad2deg(_direction(ends, planes, plane)) == pytest.approx(degrees, abs=1e-6)


def test_the_simulated_labels_are_those_of_the_scene() -> None:
    for number, state in enumerate(STATES):
        scene = crop_scene(900 + number, Crop((46, 50), (1.8, 1.9), 0.05), state=state)
        words = label_line(scene).split()
        assert STATES[int(words[0])] is state
        assert len(words) == 17
        seen = {words[7], words[10]}
        assert seen == ({"2"} if scene.places[1].stroke.on_nut and state is not BoltState.MARK_SMEARED else {"0"})


@pytest.mark.heavy
def test_labels_and_poses_of_the_shipped_nets_give_the_angles_that_the_shipped_net_of_marks_reads(tmp_path: Path) -> None:
    cv2.setNumThreads(1)
    write_folder(tmp_path, 24, 7)
    marked = read_marked(tmp_path)
    crops, passed = gathered(marked, range(24), shipped_poses())
    assert len(crops) + len(passed) == 24
    assert len(crops) >= 16
    figures = mark_figures(shipped_marks(), crops)
    assert figures["angles"] >= 8
    assert figures["angle_error_median_deg"] < 2.0
