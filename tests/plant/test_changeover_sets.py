"""Changeover sets: what makes one complete, and when the first part may be let in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plant.changeover_file import changed, incomplete, parse_changeovers
from plant.changeover_sets import ChangeoverBook, Fault, InCharge, PartKind, Readback, changeover_faults, readback_faults
from plant.errors import Rejected, SettingsError
from plant.plan_changeovers import plan_changeovers
from plant.plan_problem import Job, PlanProblem, WorkUnit
from plant.plans import Plan
from plant.process_windows import parse_windows

TEXT = Path("docs/examples/changeovers/changeovers.toml").read_text("utf-8")
CELL = "welding/cell-1"
WINDOW = """
[[windows]]
work_unit = "welding/cell-1"
program = "P1"
version = 1
author = "a"
approver = "b"
parameters = [{ name = "current", unit = "A", low = 200.0, high = 300.0, step = 10.0 }]
"""


@pytest.fixture
def book() -> ChangeoverBook:
    return parse_changeovers(TEXT)


def faults(book: ChangeoverBook, model: str, charge: InCharge | None = None, **other: object) -> set[Fault]:
    one = book.of(CELL, model).model_copy(update=other)
    return {fault.fault for fault in changeover_faults(book, one, model, charge or InCharge())}


def test_the_set_that_names_the_model_closest_holds(book: ChangeoverBook) -> None:
    closer = book.sets[0].model_copy(update={"model": "ZE75-X", "version": 9})
    more = replace(book, sets=(*book.sets, closer))

    assert more.of(CELL, "ZE75-X").version == 9
    assert more.of(CELL, "ZE75-Y").version == 2
    with pytest.raises(Rejected, match="no changeover set"):
        more.of(CELL, "XR900")


def test_a_set_of_which_all_is_there_known_valid_and_fits_is_complete(book: ChangeoverBook) -> None:
    assert incomplete(book) == ()
    assert faults(book, "ZE75-1") == set()


def test_what_keeps_a_set_from_being_complete_is_said_one_by_one(book: ChangeoverBook) -> None:
    heavy = book.of(CELL, "ZE215-1")
    assert heavy.recipe is not None
    assert faults(book, "ZE75-1", fixture=None) == {Fault.MISSING, Fault.NEEDS}
    assert faults(book, "ZE75-1", recipe=heavy.recipe.model_copy(update={"version": "99"})) == {Fault.UNKNOWN}
    assert faults(book, "ZE75-1", fixture=heavy.fixture) == {Fault.OTHER_MODEL, Fault.NEEDS}
    light = book.of(CELL, "ZE75-1")
    assert faults(book, "ZE215-1", recipe=light.recipe) == {Fault.OTHER_MODEL, Fault.EXCLUDES}
    ring = book.of("assembly/line-1", "ZE75-1")
    assert faults(book, "ZE75-1", vision_recipe=ring.vision_recipe) == {Fault.OTHER_UNIT}


def test_recipes_need_a_process_window_and_vision_recipes_the_model_in_charge(book: ChangeoverBook) -> None:
    parts = tuple(
        part.model_copy(update={"inspection_model": "abcdef12"}) if part.kind is PartKind.VISION_RECIPE else part for part in book.parts
    )
    tied = ChangeoverBook(book.units, parts, book.sets)

    assert faults(tied, "ZE75-1", InCharge(parse_windows(WINDOW), frozenset({"abcdef1234"}))) == set()
    assert faults(tied, "ZE215-1", InCharge(parse_windows(WINDOW), frozenset({"ffff"}))) == {Fault.NO_WINDOW, Fault.NOT_IN_CHARGE}


def test_the_first_part_is_let_in_only_when_all_that_was_read_back_agrees(book: ChangeoverBook) -> None:
    one = book.of(CELL, "ZE75-1")
    good = {kind: Readback(chosen.name, chosen.version, 100) for kind, chosen in one.parts.items()}
    assert readback_faults(one, good, 100) == ()

    def told(**changes: Readback) -> list[Fault]:
        return [fault.fault for fault in readback_faults(one, good | {PartKind(kind): read for kind, read in changes.items()}, 100)]

    assert told(fixture=Readback("F-heavy", "B", 100)) == [Fault.OTHER_READ]
    assert told(recipe=Readback("P1", "3", 100)) == [Fault.OTHER_READ]
    assert told(recipe=Readback("P1", "4", 99)) == [Fault.READ_BEFORE]
    assert told(torque_program=Readback("SB-24", "2", 100)) == [Fault.NOT_IN_SET]
    assert [fault.fault for fault in readback_faults(one, {}, 100)] == [Fault.NOT_READ] * 4
    words = readback_faults(one, good | {PartKind.FIXTURE: Readback("F-heavy", "B", 100)}, 100)[0].words
    assert words == "fixture: F-light A should be there, F-heavy B is"


def test_nobody_approves_what_he_wrote_and_each_wrong_key_is_named() -> None:
    with pytest.raises(SettingsError, match=r"parts\[1\]: 'approver' must be another person"):
        parse_changeovers(TEXT.replace('approver = "chen.hao"', 'approver = " Li.Wei"', 1))
    with pytest.raises(SettingsError, match=r"sets\[1\].fixtures: Extra inputs"):
        parse_changeovers(TEXT.replace("fixture = {", "fixtures = {", 1))
    with pytest.raises(SettingsError, match=r"sets\[2\]: the same work_unit and model as sets\[1\]"):
        parse_changeovers(TEXT.replace('model = "ZE215*"\nversion', 'model = "ZE75*"\nversion', 1))
    with pytest.raises(SettingsError, match="neither TOML nor JSON"):
        parse_changeovers("[[sets")


def test_what_another_file_changes_is_told(book: ChangeoverBook) -> None:
    other = parse_changeovers(TEXT.replace('name = "F-light"\nversion = "A"', 'name = "F-light"\nversion = "D"'))

    assert changed(book, other) == ("+ part fixture F-light D", "- part fixture F-light A")
    assert "welding/cell-1, ZE75*: fixture F-light in version A is not known, or nobody approved it" in incomplete(other)


def test_a_plan_says_where_a_unit_is_switched_and_what_is_missing_there(book: ChangeoverBook) -> None:
    models = ("ZE75-1", "ZE75-2", "ZE215-1", "XR900")
    problem = PlanProblem(
        name="cell",
        units=(WorkUnit(CELL), WorkUnit("painting/booth-1")),
        jobs=tuple(Job(f"machine {at}", product=model) for at, model in enumerate(models)),
        operation_job=np.array([0, 1, 2, 3, 3], np.int32),
        operation_name=("weld",) * 4 + ("paint",),
        operation_branch=np.full(5, -1, np.int32),
        mode_operation=np.arange(5, dtype=np.int32),
        mode_unit=np.array([0, 0, 0, 0, 1], np.int32),
        mode_duration=np.full(5, 10, np.int64),
        mode_setup=np.full(5, -1, np.int32),
        mode_name=("",) * 5,
        arc_before=np.empty(0, np.int32),
        arc_after=np.empty(0, np.int32),
        arc_least=np.empty(0, np.int64),
        arc_most=np.empty(0, np.int64),
    )
    start = np.array([0, 10, 20, 30, 40], np.int64)
    plan = Plan(np.arange(5, dtype=np.int32), start, start + 10)

    found = plan_changeovers(problem, plan, book)

    assert [(one.operation, one.before, one.complete) for one in found] == [(0, -1, True), (2, 1, True), (3, 2, False)]
    assert [fault.words for fault in found[2].faults] == ["welding/cell-1 has no changeover set for XR900"]
