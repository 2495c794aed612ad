from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leadhand.labelling import export_labels
from plant.errors import Rejected, Unavailable
from plant.frame_triggers import FrameTrigger, trigger_of_json, trigger_of_name
from plant.inspections import Decision, Reason, Subject
from plant.settings_vision import RetentionSettings, VisionSettings
from storage.database import Connection, connect
from storage.evidence import EvidenceFolder
from storage.frame_inbox import FrameInbox
from storage.inspections import WantedInspections, read_drift, read_inspections, read_refused
from storage.review import Label, LabelBox, add_label, count_queue, labelled_pictures, read_labels, read_queue
from tests.databases import fresh_database
from tests.vision.bench import DAY_US, PLAN, TAKEN_US, Judge, build
from tests.vision.pictures import drop, jpeg, png, scene
from vision.frames import Pixels
from vision.judging import tidy
from vision.labelled import read_labelled


@pytest.fixture(scope="module")
def module_database_url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    with fresh_database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture
def connection(module_database_url: str) -> Iterator[Connection]:
    """A connection to a database without inspections; the audit trail of former tests stays."""
    with connect(module_database_url, application="test") as opened:
        opened.execute("TRUNCATE picture, inspection, inspection_label, refused_frame")
        yield opened


def test_a_picture_becomes_an_inspection_with_its_evidence_and_leaves_the_inbox(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, Judge())
    content = jpeg()
    room.drop("one.jpg", content)
    assert room.judged() == 1
    (stored,) = room.stored()
    assert stored.inspection.decision is Decision.OK
    assert (stored.inspection.part, stored.inspection.station, stored.inspection.view) == ("P1", "boom-1", "left")
    assert (stored.inspection.model_sha256, stored.inspection.calibration) == ("a" * 64, "cal-1")
    assert stored.inspection.findings[0].measures == {"length_mm": 1.5}
    assert stored.inspection.latency_us > 0
    assert room.bench.evidence.read(stored.inspection.frame_sha256) == content
    assert not list(room.folder.iterdir())


def test_without_a_model_every_weld_is_not_decidable(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, None)
    for seed in range(5):
        room.drop(f"{seed}.jpg", jpeg(scene(seed)), part=f"P{seed}")
    assert room.judged() == 5
    stored = room.stored()
    assert [one.inspection.decision for one in stored] == [Decision.NOT_DECIDABLE] * 5
    assert {one.inspection.reasons[0].code for one in stored} == {"no_model"}


def woven(pixels: Pixels) -> Pixels:
    """Return what a damaged table of a JPEG makes of a part: every second row stands out."""
    made = pixels.copy()
    made[48:112:2, 48:144] = 255 - made[48:112:2, 48:144] // 2
    return made


def torn(pixels: Pixels) -> Pixels:
    """Return a picture as a JPEG shows it whose data are damaged near its middle: all behind the damage is brighter."""
    behind = np.zeros(pixels.shape[:2], np.int16)
    row = pixels.shape[0] // 16 * 8
    behind[row : row + 8, pixels.shape[1] // 3 :] = 25
    behind[row + 8 :] = 25
    return np.asarray(np.clip(pixels.astype(np.int16) + behind[..., None], 0, 255), np.uint8)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda pixels: (pixels * 0.05).astype(np.uint8), "dark"),
        (lambda pixels: np.clip(pixels.astype(int) + 200, 0, 255).astype(np.uint8), "overexposed"),
        (lambda pixels: np.full_like(pixels, pixels.mean()), "blurred"),
        (torn, "torn"),
        (woven, "torn"),
    ],
)
def test_a_poor_picture_is_not_decidable_and_its_model_is_not_asked(
    tmp_path: Path, connection: Connection, change: object, code: str
) -> None:
    judge = Judge()
    room = build(tmp_path, connection, judge)
    assert callable(change)
    room.drop("one.png", png(change(scene())))
    room.judged()
    (stored,) = room.stored()
    assert stored.inspection.decision is Decision.NOT_DECIDABLE
    assert code in {reason.code for reason in stored.inspection.reasons}
    assert judge.looked == 0


@pytest.mark.parametrize(
    ("taken_us", "codes"),
    [
        (TAKEN_US, []),
        (1_798_760_000_000_000, ["calibration_expired"]),  # 2026-12-31T23:33 is its last day; one day later it is over
        (1_760_000_000_000_000, ["calibration_later"]),
    ],
)
def test_a_calibration_holds_for_its_days(tmp_path: Path, connection: Connection, taken_us: int, codes: list[str]) -> None:
    room = build(tmp_path, connection, Judge())
    room.drop("one.jpg", jpeg(), taken_us=taken_us + (DAY_US if "calibration_expired" in codes else 0))
    room.judged()
    (stored,) = room.stored()
    assert [reason.code for reason in stored.inspection.reasons] == codes
    assert stored.inspection.decision is (Decision.NOT_DECIDABLE if codes else Decision.OK)


def test_the_same_picture_of_the_same_part_is_judged_once(tmp_path: Path, connection: Connection) -> None:
    judge = Judge()
    room = build(tmp_path, connection, judge)
    for name in ("one.jpg", "two.jpg", "three.jpg"):
        room.drop(name, jpeg())
    assert room.judged() == 3
    assert (judge.looked, len(room.stored())) == (1, 1)


def test_the_same_picture_of_another_part_is_never_ok(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, Judge())
    room.drop("one.jpg", jpeg(), part="P1")
    room.drop("two.jpg", jpeg(), part="P2")
    room.judged()
    decisions = {one.inspection.part: one.inspection for one in room.stored()}
    assert decisions["P1"].decision is Decision.OK
    assert decisions["P2"].decision is Decision.NOT_DECIDABLE
    assert [reason.code for reason in decisions["P2"].reasons] == ["repeated"]


def test_an_inspector_that_fails_leaves_the_picture_undecided_and_the_next_one_is_judged(tmp_path: Path, connection: Connection) -> None:
    judge = Judge(fails=True)
    room = build(tmp_path, connection, judge)
    room.drop("one.jpg", jpeg(), part="P1")
    room.judged()
    judge.fails = False
    room.drop("two.jpg", jpeg(scene(2)), part="P2")
    room.judged()
    by_part = {one.inspection.part: one.inspection for one in room.stored()}
    assert by_part["P1"].decision is Decision.NOT_DECIDABLE
    assert by_part["P1"].reasons[0] == Reason("inspector_failed", {"why": "ZeroDivisionError"})
    assert by_part["P2"].decision is Decision.OK


def test_what_is_no_picture_is_recorded_with_its_reason_set_aside_and_stops_nothing(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, Judge())
    room.drop("empty.jpg", b"")
    room.drop("cut.jpg", jpeg()[:500])
    room.drop("lying.png", jpeg())
    room.drop("zip.jpg", jpeg() + b"PK\x03\x04")
    room.drop("elsewhere.jpg", jpeg(), view="nowhere")
    drop(room.folder, "words.jpg", jpeg(), {"station": "boom-1", "view": "left", "colour": "blue"})
    drop(room.folder, "other.jpg", jpeg(), {"station": "boom-1", "view": "left", "sha256": "0" * 64})
    room.drop("good.jpg", jpeg(scene(3)))
    assert room.judged() == 8
    assert [one.inspection.decision for one in room.stored()] == [Decision.OK]
    refused = {one.name: one.reason.code for one in read_refused(connection)}
    assert refused == {
        "empty.jpg": "empty",
        "cut.jpg": "truncated",
        "lying.png": "wrong_extension",
        "zip.jpg": "trailing_data",
        "elsewhere.jpg": "no_view",
        "words.jpg": "no_metadata",
        "other.jpg": "other_bytes",
    }
    assert not list(room.folder.iterdir())
    assert len(list((tmp_path / "refused").iterdir())) == 7


def test_a_picture_that_says_nothing_of_itself_waits_a_little_and_is_refused_then(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, Judge())
    path = drop(room.folder, "IMG_0001.jpg", jpeg())
    assert room.judged() == 0
    os.utime(path, (1, 1))
    assert room.judged() == 1
    assert [one.reason.code for one in read_refused(connection)] == ["no_metadata"]


def test_unfinished_files_are_not_looked_at(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, Judge())
    for name in ("boom-1__left__P1.jpg.part", ".boom-1__left__P1.jpg", "boom-1__left__P1.tmp"):
        (room.folder / name).write_bytes(jpeg())
    (room.folder / "boom-1__left__P1").mkdir()
    assert room.judged() == 0


def test_a_candidate_judges_beside_and_decides_nothing(tmp_path: Path, connection: Connection) -> None:
    shadow = Judge(Decision.NOK, model_sha256="b" * 64)
    room = build(tmp_path, connection, Judge(), shadow=shadow)
    room.drop("one.jpg", jpeg())
    room.judged()
    assert [one.inspection.decision for one in room.stored()] == [Decision.OK]
    (beside,) = read_inspections(connection, WantedInspections(shadow=True))
    assert (beside.inspection.decision, beside.inspection.model_sha256) == (Decision.NOK, "b" * 64)
    assert count_queue(connection) == 0


def test_pictures_wait_where_they_are_while_the_database_is_away(tmp_path: Path, module_database_url: str, connection: Connection) -> None:
    connection.close()
    room = build(tmp_path, connection, Judge())
    room.drop("one.jpg", jpeg())
    with pytest.raises(Unavailable):
        room.judged()
    assert len(list(room.folder.iterdir())) == 2
    with connect(module_database_url, application="test") as again:
        assert replace(room, connection=again).judged() == 1
        assert len(read_inspections(again, WantedInspections())) == 1


def test_the_queue_begins_with_the_most_uncertain_and_an_answer_takes_it_out(tmp_path: Path, connection: Connection) -> None:
    judge = Judge(Decision.REVIEW)
    room = build(tmp_path, connection, judge)
    for number, confidence in enumerate((0.9, 0.52, 0.7)):
        judge.confidence = confidence
        room.drop(f"{number}.jpg", jpeg(scene(number)), part=f"P{number}")
        room.judged()
    room.drop("dark.jpg", jpeg((scene(9) * 0.05).astype(np.uint8)), part="P9")
    room.judged()
    assert [one.inspection.part for one in read_queue(connection)] == ["P1", "P2", "P0", "P9"]
    first = read_queue(connection)[0]
    box = LabelBox("surface_pores", (10.0, 20.0, 60.0, 50.0))
    add_label(connection, Label(first.id, TAKEN_US, "anna", Decision.NOK, True, (box,)), TAKEN_US)
    assert [one.inspection.part for one in read_queue(connection)] == ["P2", "P0", "P9"]
    (label,) = read_labels(connection, first.id)
    assert (label.actor, label.decision, label.boxes) == ("anna", Decision.NOK, (box,))
    audit = connection.execute("SELECT actor, act FROM audit WHERE subject = %s", [str(first.id)]).fetchall()
    assert audit == [("anna", "inspection.label")]
    with pytest.raises(Rejected):
        add_label(connection, Label(10**9, TAKEN_US, "anna", Decision.OK, True, ()), TAKEN_US)
    with pytest.raises(Rejected):
        add_label(connection, Label(first.id, TAKEN_US, "anna", Decision.REVIEW, True, ()), TAKEN_US)


def test_an_answer_is_corrected_by_a_newer_one_and_never_changed(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, Judge(Decision.REVIEW))
    room.drop("one.jpg", jpeg())
    room.judged()
    (stored,) = room.stored()
    box = LabelBox("crater", (1.0, 2.0, 30.0, 40.0))
    add_label(connection, Label(stored.id, TAKEN_US, "anna", Decision.OK, True, ()), TAKEN_US)
    add_label(connection, Label(stored.id, TAKEN_US + 1, "ben", Decision.NOK, False, (box,)), TAKEN_US)
    assert [label.actor for label in read_labels(connection, stored.id)] == ["ben", "anna"]
    (picture,) = labelled_pictures(connection, Subject.WELDS)
    assert (picture.decision, picture.actor, picture.boxes, picture.width) == (Decision.NOK, "ben", (box,), 320)
    with pytest.raises(Exception, match="never changed"):
        connection.execute("UPDATE inspection_label SET actor = 'eve'")


def test_answers_are_exported_as_pictures_and_labels_that_training_reads(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, Judge(Decision.REVIEW))
    for number in range(3):
        room.drop(f"{number}.jpg", jpeg(scene(number)), part=f"P{number}")
    room.judged()
    pores = LabelBox("surface_pores", (80.0, 60.0, 160.0, 120.0))
    answers = [(Decision.NOK, (pores,)), (Decision.OK, ()), (Decision.NOT_DECIDABLE, ())]
    by_part = sorted(room.stored(), key=lambda one: one.inspection.part)
    for stored, (decision, boxes) in zip(by_part, answers, strict=True):
        add_label(connection, Label(stored.id, TAKEN_US, "anna", decision, True, boxes), TAKEN_US)
    out = tmp_path / "labels-of-inspectors"
    assert export_labels(connection, room.bench.evidence, out, Subject.WELDS) == (2, ["surface_pores"])
    first, second = (by_part[number].inspection.frame_sha256 for number in (0, 1))
    assert (out / "labels" / f"{first}.txt").read_text() == "0 0.375000 0.375000 0.250000 0.250000\n"
    assert (out / "labels" / f"{second}.txt").read_text() == ""
    assert (out / "images" / f"{first}.jpg").read_bytes() == jpeg(scene(0))
    assert read_labelled(out).classes == ("surface_pores",)


def test_pictures_go_by_verdict_and_what_was_found_stays(tmp_path: Path, connection: Connection) -> None:
    settings = VisionSettings(retention=RetentionSettings(ok_days=1e-9))
    judge = Judge()
    room = build(tmp_path, connection, judge, replace(PLAN, settings=settings))
    room.drop("ok.jpg", jpeg(scene(1)), part="P1")
    room.judged()
    judge.decision = Decision.NOK
    room.drop("nok.jpg", jpeg(scene(2)), part="P2")
    room.judged()
    assert tidy(room.bench, connection) == 1
    kept = {one.inspection.part: one.has_picture for one in room.stored()}
    assert kept == {"P1": False, "P2": True}
    gone = next(one for one in room.stored() if one.inspection.part == "P1")
    assert room.bench.evidence.read(gone.inspection.frame_sha256) is None
    assert tidy(room.bench, connection) == 0


def test_beyond_the_disk_budget_ok_pictures_go_first(tmp_path: Path, connection: Connection) -> None:
    judge = Judge(Decision.NOK)
    room = build(tmp_path, connection, judge)
    room.drop("nok.jpg", jpeg(scene(1)), part="P1")
    room.judged()
    judge.decision = Decision.OK
    for number in (2, 3):
        room.drop(f"{number}.jpg", jpeg(scene(number)), part=f"P{number}")
        room.judged()
    sizes = [len(jpeg(scene(number))) for number in (1, 2, 3)]
    small = VisionSettings(budget_gb=(sizes[0] + sizes[2] + 10) / 1e9)
    bench = replace(room.bench, plan=replace(PLAN, settings=small))
    assert tidy(bench, connection) == 1
    assert {one.inspection.part: one.has_picture for one in room.stored()} == {"P1": True, "P2": False, "P3": True}


def test_evidence_cannot_be_asked_for_by_a_path(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path / "evidence")
    (tmp_path / "secret").write_bytes(b"secret")
    sha256 = folder.keep(b"a picture")
    for word in ("../secret", "../../secret", sha256[:-1], sha256.upper(), f"{sha256}/", "", "a/b", "\0" * 64, sha256 + "\n"):
        with pytest.raises(Rejected):
            folder.read(word)
    assert folder.read("0" * 64) is None
    path = tmp_path / "evidence" / sha256[:2] / sha256[2:4] / sha256
    path.write_bytes(b"another picture")
    with pytest.raises(Rejected, match="changed"):
        folder.read(sha256)


def test_the_inbox_takes_so_many_pictures_and_no_more(tmp_path: Path) -> None:
    inbox = FrameInbox(tmp_path, 2)
    trigger = FrameTrigger(station="boom-1", view="left", part="P1", taken_us=1)
    for _ in range(2):
        inbox.put(jpeg(), trigger)
    with pytest.raises(Unavailable, match="2 pictures wait"):
        inbox.put(jpeg(), trigger)
    first = inbox.waiting()[0]
    assert inbox.trigger(first) == trigger
    inbox.done(first)
    assert len(inbox.waiting()) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("boom-1__left__SN-77__1780000000000000.jpg", ("boom-1", "left", "SN-77", TAKEN_US)),
        ("boom-1__left__SN-77__1780000000.jpg", ("boom-1", "left", "SN-77", TAKEN_US)),
        ("boom-1__left__SN-77.jpg", ("boom-1", "left", "SN-77", None)),
        ("IMG_0001.jpg", None),
        ("../x__left__P.jpg", None),
    ],
)
def test_a_name_may_say_what_a_picture_shows(name: str, expected: tuple[str, str, str, int | None] | None) -> None:
    found = trigger_of_name(name)
    assert (None if found is None else (found.station, found.view, found.part, found.taken_us)) == expected


def test_a_folder_of_one_view_takes_names_as_parts() -> None:
    found = trigger_of_name("SN-12.png", "boom-1", "left")
    assert found is not None
    assert (found.station, found.view, found.part) == ("boom-1", "left", "SN-12")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"station": "a"}', b'{"station":"a","view":"b","taken_us":-1}', b"[" * 100_000])
def test_a_damaged_file_beside_a_picture_is_said_to_be_so(content: bytes) -> None:
    with pytest.raises(Rejected):
        trigger_of_json(content)


def test_a_view_whose_pictures_change_shows_in_the_drift(tmp_path: Path, connection: Connection) -> None:
    room = build(tmp_path, connection, None)
    for number in range(40):
        brightness = 0.5 if number >= 30 else 1.0 + number % 3 * 0.02
        room.drop(f"{number}.jpg", jpeg((scene(number) * brightness).clip(0, 255).astype(np.uint8)), part=f"P{number}")
    assert room.judged() == 40
    (drift,) = read_drift(connection, learn=15, last=8)
    assert drift.frames == 15
    assert drift.brightness_sigmas is not None
    assert drift.brightness_sigmas < -3
    assert drift.brightness_now < drift.brightness
