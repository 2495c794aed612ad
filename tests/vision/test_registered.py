"""Which model judges: the register, the shadow, approvals with a name, and what the vision process takes up of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from leadhand import model_register
from leadhand.home import Home
from plant.clock import SystemClock
from plant.errors import Rejected
from plant.inspections import Decision, Subject
from storage.audit import read_audit, verify_audit
from storage.database import Connection, connect
from storage.models import (
    ModelFile,
    ModelStage,
    add_model,
    approve_model,
    compare_shadow,
    read_models,
    register_shipped,
    retire_model,
)
from storage.review import Label, add_label
from tests.databases import fresh_database
from tests.vision.bench import TAKEN_US, Judge, build
from tests.vision.pictures import jpeg, scene
from vision.model_sheets import with_sheet
from vision.onnx_models import read_sheet
from vision.registered import RELEASE, Register, model_file, model_path
from vision.shipped import FILES
from vision.welds import SHIPPED


class HandClock(SystemClock):
    """A clock whose seconds go on when told."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


HASHES = ("1" * 64, "2" * 64, "3" * 64)


@pytest.fixture(scope="module")
def module_database_url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    with fresh_database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture
def connection(module_database_url: str) -> Iterator[Connection]:
    with connect(module_database_url, application="test") as opened:
        opened.execute("TRUNCATE picture, inspection, inspection_label, refused_frame, vision_model")
        yield opened


def file(sha256: str, *, shipped: bool = False) -> ModelFile:
    return ModelFile(Subject.WELDS, sha256, "net", 7, "MIT", "f" * 64, {"crater": 0.4}, {"map50": 0.9}, shipped)


def stages(connection: Connection) -> dict[str, str]:
    return {one.file.sha256[0]: one.stage.value for one in read_models(connection)}


def test_a_new_model_judges_in_the_shadow_until_a_person_answers_for_it(connection: Connection) -> None:
    register_shipped(connection, file(HASHES[0], shipped=True), release=RELEASE, time_us=TAKEN_US)
    added = add_model(connection, file(HASHES[1]), actor="li.wei", time_us=TAKEN_US + 1)
    assert (added.stage, added.added_by, added.approver) == (ModelStage.SHADOW, "li.wei", "")
    for nobody in ("", "  "):
        with pytest.raises(Rejected, match="say who"):
            approve_model(connection, HASHES[1], approver=nobody, time_us=TAKEN_US + 2)
    approved = approve_model(connection, HASHES[1][:8], approver="ana", time_us=TAKEN_US + 3)
    assert (approved.stage, approved.approver, approved.approved_us) == (ModelStage.ACTIVE, "ana", TAKEN_US + 3)
    assert stages(connection) == {"1": "retired", "2": "active"}
    acts = [(one.act, one.actor, one.subject[0]) for one in read_audit(connection, most=4)]
    assert acts[:3] == [
        ("vision.model.approve", "ana", "2"),
        ("vision.model.retire", "ana", "1"),
        ("vision.model.add", "li.wei", "2"),
    ]
    assert verify_audit(connection) is None


def test_one_model_a_subject_is_in_charge_and_one_in_the_shadow(connection: Connection) -> None:
    add_model(connection, file(HASHES[1]), actor="li.wei", time_us=TAKEN_US)
    add_model(connection, file(HASHES[2]), actor="li.wei", time_us=TAKEN_US + 1)
    assert stages(connection) == {"2": "retired", "3": "shadow"}
    with pytest.raises(Rejected, match="shadow already"):
        add_model(connection, file(HASHES[2]), actor="li.wei", time_us=TAKEN_US + 2)
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE vision_model SET stage = 'active', approver = '' WHERE stage = 'shadow'")
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("UPDATE vision_model SET stage = 'shadow'")


def test_what_is_retired_gives_its_place_back_to_the_model_that_came_with_the_program(connection: Connection) -> None:
    register_shipped(connection, file(HASHES[0], shipped=True), release=RELEASE, time_us=TAKEN_US)
    add_model(connection, file(HASHES[1]), actor="li.wei", time_us=TAKEN_US + 1)
    approve_model(connection, HASHES[1], approver="ana", time_us=TAKEN_US + 2)
    register_shipped(connection, file(HASHES[2], shipped=True), release=RELEASE, time_us=TAKEN_US + 3)
    assert stages(connection) == {"1": "retired", "2": "active", "3": "retired"}, "a new release takes no approved model's place"
    retire_model(connection, HASHES[1], actor="ana", time_us=TAKEN_US + 4)
    assert stages(connection) == {"1": "retired", "2": "retired", "3": "active"}
    with pytest.raises(Rejected, match="approve another"):
        retire_model(connection, HASHES[2], actor="ana", time_us=TAKEN_US + 5)
    for wrong, why in (("abc", "6 digits"), ("999999", "no models begin")):
        with pytest.raises(Rejected, match=why):
            retire_model(connection, wrong, actor="ana", time_us=TAKEN_US + 6)


def test_a_new_release_takes_the_place_of_the_old_one(connection: Connection) -> None:
    for place in (0, 1, 1):
        register_shipped(connection, file(HASHES[place], shipped=True), release=RELEASE, time_us=TAKEN_US + place)
    assert stages(connection) == {"1": "retired", "2": "active"}


def test_a_shadow_is_compared_with_what_decided_and_with_what_people_answered(tmp_path: Path, connection: Connection) -> None:
    add_model(connection, file(HASHES[1]), actor="li.wei", time_us=TAKEN_US)
    candidate = Judge(Decision.NOK, model_sha256=HASHES[1])
    room = build(tmp_path, connection, Judge(Decision.OK))
    room.bench = replace(room.bench, shadows={Subject.WELDS: candidate})
    for seed in range(3):
        candidate.decision = Decision.OK if seed == 2 else Decision.NOK
        room.drop(f"{seed}.jpg", jpeg(scene(seed=seed)), part=f"P{seed}")
        room.judged()
    answered = next(one for one in room.stored() if one.inspection.part == "P0")
    add_label(connection, Label(answered.id, TAKEN_US, "ana", Decision.NOK, accepted=False, boxes=()), TAKEN_US)
    found = compare_shadow(connection, HASHES[1])
    assert (found.pictures, found.alike) == (3, 1)
    assert found.pairs == {(Decision.OK, Decision.NOK): 2, (Decision.OK, Decision.OK): 1}
    assert (found.answered, found.right_in_charge, found.right_in_shadow) == (1, 0, 1)
    assert (found.passed_in_charge, found.passed_in_shadow) == (1, 0)


def test_the_process_takes_up_what_is_approved_and_nothing_judges_in_place_of_a_model_that_was_changed(
    tmp_path: Path, connection: Connection
) -> None:
    clock = HandClock()
    folder = tmp_path / "models"
    folder.mkdir()
    register = Register(folder, clock, {Subject.WELDS: SHIPPED})
    bench = build(tmp_path / "room", connection, None).bench
    bench = register.taken_up(bench, connection)
    shipped = read_models(connection)[0]
    assert (shipped.stage, shipped.approver, shipped.file.shipped) == (ModelStage.ACTIVE, RELEASE, True)
    assert bench.inspectors[Subject.WELDS].model_sha256 == shipped.file.sha256

    new = tmp_path / "new.onnx"
    new.write_bytes(with_sheet(SHIPPED.read_bytes(), read_sheet(SHIPPED).model_copy(update={"ok_below": 0.01})))
    told = model_file(new, Subject.WELDS)
    assert told.thresholds["ok_below"] == 0.01
    model_path(folder, told.sha256).write_bytes(new.read_bytes())
    add_model(connection, told, actor="li.wei", time_us=TAKEN_US)
    assert register.taken_up(bench, connection) is bench, "it is asked once in some seconds"
    clock.seconds += 5
    bench = register.taken_up(bench, connection)
    assert bench.shadows[Subject.WELDS].model_sha256 == told.sha256
    assert bench.inspectors[Subject.WELDS].model_sha256 == shipped.file.sha256

    approve_model(connection, told.sha256, approver="ana", time_us=TAKEN_US)
    clock.seconds += 5
    bench = register.taken_up(bench, connection)
    assert (bench.inspectors[Subject.WELDS].model_sha256, bench.shadows) == (told.sha256, {})

    model_path(folder, told.sha256).write_bytes(SHIPPED.read_bytes())
    again = Register(folder, clock, {Subject.WELDS: SHIPPED}).taken_up(build(tmp_path / "again", connection, None).bench, connection)
    assert again.inspectors[Subject.WELDS].model_sha256 == ""


@pytest.mark.parametrize("subject", list(FILES))
def test_the_models_that_come_with_the_program_say_what_they_are(subject: Subject) -> None:
    told = model_file(FILES[subject], subject, shipped=True)
    assert told.licence == "AGPL-3.0-or-later"
    assert told.figures


def test_an_added_model_is_kept_under_its_hash_and_told_in_a_line(tmp_path: Path, connection: Connection) -> None:
    made = model_register.add(connection, Home(tmp_path), SHIPPED, Subject.WELDS, "li.wei", SystemClock())
    assert model_path(tmp_path / "vision" / "models", made.file.sha256).read_bytes() == SHIPPED.read_bytes()
    (line,) = model_register.lines(read_models(connection))
    for word in ("welds", "shadow", made.file.sha256[:12], "added by li.wei", "macro_f1"):
        assert word in line
    assert model_register.record(made)["stage"] == "shadow"
    no_detector = FILES[Subject.BOLTS].with_name("backbone.onnx")
    with pytest.raises(Rejected, match="no detector"):
        model_register.add(connection, Home(tmp_path), no_detector, Subject.WELDS, "li.wei", SystemClock())
