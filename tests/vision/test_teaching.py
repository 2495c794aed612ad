"""A detector's figures, labelled pictures, presence taught without torch, and what becomes of a weld."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from leadhand.inspecting import inspect_welds
from plant.errors import Rejected
from plant.inspections import Decision, frame_hash
from plant.settings_seams import SeamSettings
from plant.weld_limits import judge_imperfection, most_pore_mm
from vision.assessing import Looked, evaluate_detector, fixed_on
from vision.deciding import choose_limits, decide
from vision.detections import Detections, no_detections, overlap, strongest
from vision.evaluating import Compared, Share, average_precision, detector_figures
from vision.familiarity import MOST_STRANGE, colour_distance, colour_statistics, learn_colours
from vision.frames import Frame, Pixels
from vision.labelled import LabelledSet, folds, read_labelled, read_truth
from vision.onnx_models import letterbox, load_model, read_sheet
from vision.presence import evaluate_presence, load_presence, train_presence
from vision.training import KNOWN_STARTS, allow
from vision.welds import SHIPPED, shipped_welds

SHARED = Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def test_columns_that_do_not_belong_together_are_no_detections() -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        Detections(np.zeros((2, 4), np.float32), np.zeros(3, np.float32), np.zeros(3, np.int64))


def test_a_box_gives_way_to_a_surer_one_of_its_class_only() -> None:
    found = boxes((0, 0, 10, 10, 0.9, 0), (1, 0, 11, 10, 0.8, 0), (1, 0, 11, 10, 0.7, 1), (50, 50, 60, 60, 0.2, 0))
    assert strongest(found.xyxy, found.confidence, found.class_id, 0.5).tolist() == [0, 2, 3]
    assert overlap(found.xyxy[:1], found.xyxy[1:2])[0, 0] == pytest.approx(90 / 110)


def test_a_picture_keeps_its_shape_in_the_square_of_a_model() -> None:
    square, fit = letterbox(np.full((100, 200, 3), 7, np.uint8), 320)
    assert (fit.scale, fit.left, fit.top) == (1.6, 0, 80)
    assert square.shape == (320, 320, 3)
    assert square[79, 0, 0] == 114
    assert square[80, 0, 0] == 7


def test_zero_of_a_hundred_is_at_most_three_point_six_percent() -> None:
    low, high = Share(0, 100).bounds()
    assert low == 0
    assert high == pytest.approx(0.0362, abs=1e-4)
    assert Share(5, 100).bounds() == pytest.approx((0.0164, 0.1128), abs=1e-4)


def test_average_precision_is_the_area_below_the_envelope() -> None:
    assert average_precision(np.array([True, True]), 2) == pytest.approx(0.995)  # as COCO's 101 points have it
    assert average_precision(np.array([False, False]), 2) == 0
    assert average_precision(np.array([True, False, True, False]), 4) < average_precision(np.array([True, True, False, False]), 4)


def test_each_true_box_is_found_once() -> None:
    twice = boxes((0, 0, 10, 10, 0.9, 0), (0, 0, 10, 9, 0.8, 0), (0, 0, 10, 10, 0.7, 1))
    one = Compared(twice, np.array([[0, 0, 10, 10]], np.float32), np.array([0]))
    figures = detector_figures([one], ["a", "b"], [0.5, 0.5])
    first = figures.classes[0]
    assert (first.recall.hits, first.recall.of, first.precision.of) == (1, 1, 2)
    assert first.f1 == pytest.approx(2 / 3)
    assert figures.map50 == first.ap50  # a class without labels counts in no mean


def test_how_much_boxes_may_overlap_is_fixed_on_pictures_held_out() -> None:
    draws = np.random.default_rng(2)
    looked = []
    for _ in range(12):
        left = float(draws.integers(0, 40))
        twice = boxes((left, 0, left + 20, 20, 0.9, 0), (left + 8, 0, left + 28, 20, 0.8, 0))  # they share .43 of what both cover
        looked.append(Looked(twice, np.array([[left, 0, left + 20, 20]], np.float32), np.array([0]), None))
    fixed = fixed_on(looked, 1, None)
    assert fixed.most_overlap < 0.43
    assert len(looked[0].thinned(fixed.most_overlap).found) == 1
    both = [replace(one, true_xyxy=one.found.xyxy, true_class=one.found.class_id) for one in looked]
    assert fixed_on(both, 1, None).most_overlap > 0.42, "where things do stand so near, both stay"


def test_colours_that_no_picture_had_are_far_from_the_known_ones() -> None:
    draws = np.random.default_rng(4)
    plain = [np.asarray(cv2.resize(draws.integers(60, 160, (8, 8, 1), np.uint8), (64, 64)), np.uint8) for _ in range(9)]
    grey = [one[..., None].repeat(3, axis=2) for one in plain]
    known = learn_colours(np.stack([colour_statistics(one) for one in grey]))
    pink = grey[0].copy()
    pink[20:] = np.clip(pink[20:] + np.array([0, -60, 90], np.int16), 0, 255).astype(np.uint8)
    brighter = np.clip(grey[1].astype(np.int16) + 40, 0, 255).astype(np.uint8)
    assert (
        colour_distance(known, colour_statistics(brighter))
        < MOST_STRANGE
        < colour_distance(known, colour_statistics(np.asarray(pink, np.uint8)))
    )


def test_silence_is_not_ok() -> None:
    seam = boxes((0, 0, 100, 20, 0.9, 0))
    fault = boxes((0, 0, 100, 20, 0.9, 0), (5, 5, 9, 9, 0.6, 1))
    assert decide(seam, 0, 0.5, 0.1, 0.4) is Decision.OK
    assert decide(no_detections(), 0, 0.5, 0.1, 0.4) is Decision.REVIEW
    assert decide(fault, 0, 0.5, 0.1, 0.4) is Decision.NOK
    assert decide(fault, 0, 0.5, 0.1, 0.7) is Decision.REVIEW


def test_limits_fixed_on_pictures_that_overlap_leave_a_tenth_to_a_person() -> None:
    rng = np.random.default_rng(5)
    scores = [*rng.beta(2, 8, 300), *rng.beta(8, 2, 300)]
    faulty = [False] * 300 + [True] * 300
    ok_below, nok_from = choose_limits(scores, faulty)
    between = [ok_below <= score < nok_from for score in scores]
    assert ok_below <= nok_from
    assert sum(between) <= 60
    assert sum(score < ok_below for score, bad in zip(scores, faulty, strict=True) if bad) <= 3


def test_where_pictures_are_told_apart_well_ok_stops_at_what_sound_ones_score() -> None:
    sound, bad = np.linspace(0.0, 0.1, 101), np.linspace(0.6, 0.9, 101)
    ok_below, nok_from = choose_limits([*sound, *bad], [False] * 101 + [True] * 101)
    assert 0.09 < ok_below < 0.12
    assert ok_below <= nok_from < 0.6


@pytest.mark.parametrize(
    ("level", "plate_mm", "diameter_mm", "decision"),
    [
        ("B", 10.0, 0.1, Decision.NOK),
        ("C", 10.0, 1.4, Decision.OK),
        ("C", 10.0, 1.7, Decision.NOK),
        ("C", 3.0, 0.1, Decision.NOK),
        ("D", 10.0, 2.3, Decision.OK),
        ("D", 40.0, 3.1, Decision.NOK),
    ],
)
def test_a_pore_is_judged_by_the_level_of_its_seam(level: str, plate_mm: float, diameter_mm: float, decision: Decision) -> None:
    seam = SeamSettings.model_validate({"level": level, "plate_mm": plate_mm, "weld_mm": 20.0 if plate_mm > 20 else 8.0})
    judged, reasons = judge_imperfection("surface_pores", {"diameter_mm": diameter_mm}, seam)
    assert judged is decision
    assert reasons[0].values["code"] == "2017"
    assert most_pore_mm(seam) <= 3.0


def test_what_a_picture_cannot_show_goes_to_a_person_and_what_was_only_rendered_says_so() -> None:
    seam = SeamSettings(level="D", plate_mm=10, weld_mm=6)
    assert judge_imperfection("crater", {}, seam)[0] is Decision.REVIEW
    assert judge_imperfection("crater", {}, None)[0] is Decision.NOK
    judged, reasons = judge_imperfection("crack", {}, seam)
    assert judged is Decision.NOK
    assert reasons[-1].code == "not_validated_on_real"
    assert judge_imperfection("rust", {}, seam)[0] is Decision.REVIEW


def test_a_picture_that_would_be_left_out_stops_a_training(tmp_path: Path) -> None:
    station(tmp_path, 4)
    (tmp_path / "labels" / "1.txt").write_text("0 0.5 0.5 -0.2 0.1\n")
    (tmp_path / "labels" / "2.txt").unlink()
    (tmp_path / "labels" / "other.txt").write_text("")
    with pytest.raises(Rejected) as told:
        read_labelled(tmp_path)
    for name in ("1.png", "2.png", "other.txt"):
        assert name in str(told.value)


def test_a_label_that_reaches_beyond_its_picture_is_cut_off_and_one_outside_stops_a_training(tmp_path: Path) -> None:
    label = tmp_path / "a.txt"
    label.write_text("0 0.05 0.5 0.2 0.2\n")
    assert read_truth(label).xyxy[0] == pytest.approx([0.0, 0.4, 0.15, 0.6])
    for outside in ("0 -0.05 0.5 0.2 0.2", "0 320 240 40 40"):
        label.write_text(f"{outside}\n")
        with pytest.raises(Rejected, match="outside its picture"):
            read_truth(label)


def test_nearly_equal_pictures_stand_on_one_side_of_every_split(tmp_path: Path) -> None:
    station(tmp_path, 12)
    rows = "".join(f"{number}.png,{number // 4}\n" for number in range(12))
    (tmp_path / "index.csv").write_text(f"image,near_duplicate_cluster\n{rows}")
    pictures = read_labelled(tmp_path).pictures
    for part in folds(pictures, 3):
        groups = {pictures[place].group for place in part}
        assert sorted(part) == [place for place, one in enumerate(pictures) if one.group in groups]


def test_presence_is_taught_by_pictures_alone_and_right_on_new_ones(tmp_path: Path) -> None:
    station(tmp_path / "old", 30)
    station(tmp_path / "new", 12, seed=9)
    sheet = train_presence(read_labelled(tmp_path / "old", ("there", "gone")), tmp_path / "m.onnx", "old")
    again = train_presence(read_labelled(tmp_path / "old", ("there", "gone")), tmp_path / "again.onnx", "old")
    assert (sheet.slots, sheet.figures, sheet.data) == (again.slots, again.figures, again.data)
    assert len(sheet.slots) == 2
    told = evaluate_presence(load_presence(tmp_path / "m.onnx"), read_labelled(tmp_path / "new", sheet.classes))
    assert told["slots"] == 24
    assert told["mistakes"] == []
    assert told["right"]["hits"] >= 22
    assert read_sheet(tmp_path / "m.onnx") == sheet


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    for load in (load_model, load_presence, read_sheet):
        with pytest.raises(Rejected, match=r"m\.onnx"):
            load(tmp_path / "m.onnx")


def test_weights_that_nobody_knows_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"could run code")
    with pytest.raises(Rejected, match="not on the list"):
        allow(tmp_path / "w.pt")
    assert all(len(known) == 64 for known in KNOWN_STARTS)


def test_the_same_frame_and_model_give_the_same_verdict_and_noise_is_never_ok(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (240, 320, 3), np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 3)
    (tmp_path / "pictures").mkdir()
    for name, pixels in (("noise", noise), ("soft", blurred), ("black", np.zeros_like(noise))):
        cv2.imwrite(str(tmp_path / "pictures" / f"{name}.png"), pixels)
    (tmp_path / "pictures" / "text.png").write_bytes(b"no picture")
    first, second = inspect_welds(tmp_path / "pictures"), inspect_welds(tmp_path / "pictures")
    assert first == second
    assert first["decisions"]["ok"] == 0
    assert first["decisions"]["not_decidable"] >= 2
    frame = Frame(noise, frame_hash(noise.tobytes()), "p", "s", "v", 0)
    assert shipped_welds().inspect(frame).model_sha256 == load_model(SHIPPED).sha256


def test_real_photos_of_welds_are_found_as_people_found_them() -> None:
    folder = SHARED / "vision" / "weld_surface"
    if not folder.is_dir():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{folder} is missing; LEADHAND_SHARED_DATA names the folder of shared data")
    model = load_model(SHIPPED)
    whole = read_labelled(folder, model.classes)
    held = folds(whole.pictures, 5)[0][::8]  # of the fifth that the model never saw
    told = evaluate_detector(model, LabelledSet(tuple(whole.pictures[place] for place in held), whole.classes, whole.split_by))
    assert told["pictures"] >= 20
    assert told["map50"] >= 0.7
    assert told["missed"]["hits"] <= 1


def test_inspecting_needs_no_torch() -> None:
    words = "import sys; import leadhand.inspecting, leadhand.teaching; sys.exit('torch' in sys.modules or 'ultralytics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False, timeout=150).returncode == 0


def station(folder: Path, count: int, seed: int = 1) -> None:
    """Lay down pictures of a board with two places: a dark disc is there, or a small hole only; light, place and noise vary."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for number in range(count):
        gone = (number % 2, number // 2 % 2)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), board(gone, rng))
        lines = [f"{class_id} {0.25 + 0.5 * place} 0.5 0.45 0.8\n" for place, class_id in enumerate(gone)]
        (folder / "labels" / f"{number}.txt").write_text("".join(lines))


def board(gone: tuple[int, int], rng: np.random.Generator) -> Pixels:
    pixels = np.full((160, 240, 3), (90, 150, 200), np.float32)
    for place, empty in enumerate(gone):
        centre = (60 + 120 * place + int(rng.integers(-12, 13)), 80 + int(rng.integers(-12, 13)))
        cv2.circle(pixels, centre, 5 if empty else 26, (40, 40, 40) if empty else (120, 120, 120), -1)
        if not empty:
            cv2.rectangle(pixels, (centre[0] - 8, centre[1] - 8), (centre[0] + 8, centre[1] + 8), (60, 60, 60), -1)
    lit = pixels * rng.uniform(0.6, 1.2) + rng.normal(0, 4, pixels.shape)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
