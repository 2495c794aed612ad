"""The tour of the demo: a chapter is told when the database shows it, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.pages.tour_words import shown, told
from dashboard.services_tour import Chapter, TourService
from dashboard.texts import texts_of
from plant.clock import SystemClock
from storage.database import Connection, Pool, connect
from tests.dashboard.tour_stage import AT_US, BEGUN_US, SERIAL, begin, demo_home, tell


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as made:
        yield made


@pytest.fixture
def tour(database_url: str, tmp_path: Path) -> Iterator[TourService]:
    pool = Pool(database_url, 1, "test", statement_seconds=10)
    yield TourService(pool, SystemClock(), demo_home(tmp_path / "home"))
    pool.close()


def reached(tour: TourService) -> list[Chapter]:
    return [chapter for chapter, _ in tour.story().reached]


def test_each_chapter_comes_when_its_rows_are_there_and_the_whole_story_is_told(connection: Connection, tour: TourService) -> None:
    assert tour.there
    assert reached(tour) == []
    begin(connection)
    chapters = list(Chapter)
    for number, chapter in enumerate(chapters):
        assert tour.story().next is chapter
        tell(connection, chapter)
        assert reached(tour) == chapters[: number + 1]
    story = tour.story()
    assert story.next is None
    assert dict(story.reached) == AT_US
    assert story.facts.violation is not None
    assert story.facts.violation.part == SERIAL, "the chart leads to the part that was in the robot"
    assert story.facts.carried is not None
    assert story.facts.carried.read == (("wire_feed", 9.08, "m/min"),)
    assert story.facts.alarm_over_us is not None
    for language in ("en", "zh"):
        t = texts_of(language)
        for chapter in chapters:
            words = told(chapter, story.facts, t)
            assert all((words.title, words.look, *(place.words for place in words.places)))
            assert shown(chapter, story.facts, t) or chapter is Chapter.RUNS
    assert shown(Chapter.GAIN, story.facts, texts_of("en")).startswith("56 of 60 good: 93%, predicted 90% (86% to 92%), before 0%")


def test_a_chapter_waits_for_the_one_before_it(connection: Connection, tour: TourService) -> None:
    begin(connection)
    for chapter in (Chapter.RUNS, Chapter.ALARM, Chapter.CHART, Chapter.LOSS):
        tell(connection, chapter)
    assert reached(tour) == [Chapter.RUNS, Chapter.ALARM]


def test_what_was_before_this_start_of_the_demo_is_not_told(connection: Connection, tour: TourService, tmp_path: Path) -> None:
    begin(connection)
    tell(connection, Chapter.RUNS)
    tell(connection, Chapter.ALARM)
    tell(connection, Chapter.PICTURE)
    status = tmp_path / "home" / "run" / "status.json"
    later_us = AT_US[Chapter.ALARM] + 5_000_000
    status.write_text(status.read_text().replace(str(BEGUN_US), str(later_us)))
    assert dict(tour.story().reached) == {Chapter.RUNS: later_us}, "the robot still runs, the alarm was before"


def test_a_plant_that_is_no_demo_has_no_tour(database_url: str, tmp_path: Path) -> None:
    pool = Pool(database_url, 1, "test", statement_seconds=10)
    assert not TourService(pool, SystemClock(), demo_home(tmp_path / "up", "up")).there
    assert not TourService(pool, SystemClock(), tmp_path / "nothing").there
    pool.close()
