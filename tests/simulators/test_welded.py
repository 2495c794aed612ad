"""A robot that is trimmed at its pendant: its arc, its parts and its counters show it, until a program is loaded anew."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from plant.errors import SettingsError
from plant.inspections import Subject
from simulators.cameras import View, shots
from simulators.fleet import Fleet
from simulators.machines.robot import ROBOT
from simulators.pendant import ROBOT_PATH, SAMPLE_PARTS, Pendant
from simulators.plant import Line
from simulators.plant_feed import PlantFeed
from simulators.recipe_book import AHEAD_US, Recipe, RecipeBook, Sample
from simulators.robot_parts import serial_at
from simulators.weld_cell import weld_cell
from simulators.welded import Welded

BEGIN = 1_795_000_000_000_000
MINUTE = 60_000_000
NAMES = [signal.name for signal in ROBOT.signals]


def fleet() -> Fleet:
    return Fleet(ROBOT, (ROBOT_PATH, "welding/boom-line/robot-2"), 1, 60.0)


def told(book: RecipeBook, times: list[int]) -> np.ndarray:
    """Return what both robots tell at some moments, shape (instants, machines, signals)."""
    time_us = np.array(times, np.int64)
    number, _ = fleet().values(time_us)
    Welded(book, ROBOT_PATH).touch(fleet(), time_us, number)
    return number.reshape(len(times), 2, len(NAMES))


def of(values: np.ndarray, name: str, robot: int = 0) -> np.ndarray:
    return values[:, robot, NAMES.index(name)]


def poor_from(path: Path, from_us: int, until_us: int | None) -> RecipeBook:
    book = RecipeBook(path)
    book.add(Recipe(from_us, 0.0, {"wire_feed": 7.9}, {"wire_feed": 0.89}, trimmed=True))
    if until_us is not None:
        book.add(Recipe(until_us, 0.9, {"wire_feed": 9.2}, {"wire_feed": 1.03}))
    return book


@pytest.fixture
def times() -> list[int]:
    return [BEGIN + second * 1_000_000 for second in range(0, 1200, 3)]


def test_a_robot_without_a_trim_tells_what_it_always_told(tmp_path: Path, times: list[int]) -> None:
    number, _ = fleet().values(np.array(times, np.int64))
    assert (told(RecipeBook(tmp_path / "none.json"), times).ravel() == number.ravel()).all()


def test_while_it_is_trimmed_its_arc_is_beyond_the_limit_and_before_and_after_it_is_not(tmp_path: Path, times: list[int]) -> None:
    from_us, until_us = BEGIN + 5 * MINUTE, BEGIN + 10 * MINUTE
    values = told(poor_from(tmp_path / "book.json", from_us, until_us), times)
    at = np.array(times)
    trimmed = (at >= from_us) & (at < until_us)
    # where the arc burns fully
    burns = of(values, "current") > 200
    voltage = of(values, "voltage")
    assert (trimmed & burns).sum() > 20
    assert np.mean(voltage[trimmed & burns] > 36) > 0.5, "an alarm comes within a second, from values of 30 ms"
    assert (voltage[~trimmed] < 36).all()
    assert (of(values, "voltage", 1) < 36).all(), "the robot beside it goes on as before"


def test_each_part_it_makes_meanwhile_is_scrap_and_counters_only_rise(tmp_path: Path, times: list[int]) -> None:
    from_us, until_us = BEGIN + 5 * MINUTE, BEGIN + 10 * MINUTE
    at = np.array(times)
    values = told(poor_from(tmp_path / "book.json", from_us, until_us), times)
    parts, good, scrap = (of(values, name) for name in ("parts", "good_parts", "scrap_parts"))
    assert (good + scrap == parts).all()
    assert (np.diff(good) >= 0).all()
    assert (np.diff(scrap) >= 0).all()
    trimmed = (at >= from_us) & (at < until_us)
    made = parts[trimmed][-1] - parts[trimmed][0]
    assert made >= 2
    assert scrap[trimmed][-1] - scrap[trimmed][0] == made
    ended = np.flatnonzero(np.diff(parts)) + 1
    throats = of(values, "weld_throat")
    assert all(throats[place] < 4.5 for place in ended if trimmed[place])
    later = [place for place in ended if at[place] > until_us + MINUTE]
    assert np.mean([throats[place] > 4.5 for place in later]) > 0.7


def test_a_part_that_would_have_been_scrap_anyway_is_counted_once(tmp_path: Path) -> None:
    times = [BEGIN + minute * MINUTE for minute in range(0, 300, 2)]
    values = told(poor_from(tmp_path / "book.json", BEGIN + MINUTE, None), times)
    good, scrap = of(values, "good_parts"), of(values, "scrap_parts")
    assert scrap[-1] - scrap[0] > 200
    assert (np.diff(good) >= 0).all()
    assert good[-1] - good[0] <= 1


def test_a_moment_that_is_asked_again_is_the_same_when_more_recipes_have_come(tmp_path: Path, times: list[int]) -> None:
    from_us, until_us = BEGIN + 5 * MINUTE, BEGIN + 10 * MINUTE
    early = [time for time in times if time < until_us]
    before = told(poor_from(tmp_path / "one.json", from_us, None), early)
    after = told(poor_from(tmp_path / "two.json", from_us, until_us), early)
    assert (before == after).all()


def test_the_line_serves_what_its_first_robot_welds(tmp_path: Path) -> None:
    line = Line(1)
    assert line.first_robot == ROBOT_PATH
    book = poor_from(tmp_path / "book.json", BEGIN, None)
    fleets = [group.fleet for group in line.of_source("fabrication")]
    plain, trimmed = PlantFeed(fleets), PlantFeed(fleets, touch=Welded(book, ROBOT_PATH).touch)
    number = (BEGIN + MINUTE) // plain.scan_us
    differs = plain.at(number + 200).number != trimmed.at(number + 200).number
    names = [(*variable.folders, variable.name) for variable in plain.variables]
    assert {"/".join(names[place][:3]) for place in np.flatnonzero(differs)} <= {ROBOT_PATH}


def test_somebody_trims_it_once_while_it_welds_and_a_program_that_is_loaded_takes_the_trim_away(tmp_path: Path) -> None:
    book, cell = RecipeBook(tmp_path / "book.json"), weld_cell(1001)
    pendant = Pendant(book, 45.0)
    pendant.begin(cell, cell.start, BEGIN)
    now = BEGIN
    while len(book.recipes()) < 2:
        now += 500_000
        pendant.tick(now)
        assert now < BEGIN + 5 * MINUTE
    assert now >= BEGIN + 45_000_000
    usual, trimmed = book.recipes()
    assert not usual.poor
    assert trimmed.poor
    assert trimmed.trimmed
    assert trimmed.from_us == now + AHEAD_US
    for _ in range(140):
        now += 500_000
        pendant.tick(now)
    sample = book.recipes()[-1].sample
    assert sample is not None
    assert sample.parts == SAMPLE_PARTS
    assert sample.good < SAMPLE_PARTS / 2
    pendant.load({**cell.start, "wire_feed": 9.2}, now)
    assert not book.recipes()[-1].trimmed
    assert book.recipes()[-1].parameters["wire_feed"] == 9.2
    assert book.at(now) == book.recipes()[1], "what readers have computed ahead stays true"


def test_a_book_keeps_what_it_was_told_and_a_broken_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "book.json"
    RecipeBook(file).add(Recipe(BEGIN, 0.1, {"voltage": 26.0}, {"voltage": 1.0}, trimmed=True))
    RecipeBook(file).note_sample(Sample(20, 3, 2, {"width": 9.6}))
    (kept,) = RecipeBook(file).recipes()
    assert kept == Recipe(BEGIN, 0.1, {"voltage": 26.0}, {"voltage": 1.0}, True, Sample(20, 3, 2, {"width": 9.6}))
    file.write_text("{")
    with pytest.raises(SettingsError, match="book of recipes"):
        RecipeBook(file).recipes()


def test_cameras_look_more_often_at_what_comes_out_badly_and_at_all_else_still() -> None:
    views = [View("boom-seam-1", "seam", Subject.WELDS), View("boom-seam-2", "seam", Subject.WELDS)]
    found = [shot.view.station for shot in islice(shots(views, 1, 0, lambda view: ("SN-1", 0.0 if view is views[1] else 0.9)), 6)]
    assert found.count("boom-seam-2") == 3 + found[::2].count("boom-seam-2")
    assert found.count("boom-seam-1") >= 1
    assert {shot.part for shot in islice(shots(views, 1), 2)} == {"BOOM-000000", "BOOM-000001"}


def test_a_camera_reads_the_serial_number_that_the_robot_tells() -> None:
    first = Fleet(ROBOT, (ROBOT_PATH,), 1, 60.0)
    now = BEGIN
    while True:
        values, _ = first.values(np.array([now], np.int64))
        code = int(values[0, NAMES.index("serial")])
        if code:
            break
        now += 5_000_000
    word = next(signal.text for signal in ROBOT.signals if signal.name == "serial")
    assert word is not None
    assert serial_at(first, now) == word(code)
