"""What goes wrong in the demo, is seen, understood, acted on, and what it brings: by the real parts, within six minutes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from dashboard.services_tour import Chapter, TourService
from leadhand.demo_story import Story
from leadhand.tuned_cell import tuned_target
from plant.clock import SystemClock
from storage.database import Pool, connect
from storage.trials import read_trials
from tests.ingest.parts import PATIENCE
from tests.leadhand.test_demo import running_demo
from tests.ports import free_port

NOW = 1_795_000_000_000_000
SECOND = 1_000_000
WAIT = 45 * SECOND
TARGET = tuned_target(1)
TRIM = {"from_us": NOW + 60 * SECOND, "parameters": {"wire_feed": 7.9}, "trimmed": True, "sample": None}
SAMPLE = {"parts": 20, "good": 3, "scrapped": 5, "responses": {"width": 9.6}}


def test_seams_that_were_looked_at_by_hand_are_entered_once_and_then_a_visitor_has_time(database_url: str, tmp_path: Path) -> None:
    book = tmp_path / "recipes.json"
    story = Story(book, TARGET, NOW, WAIT)
    with connect(database_url, application="test") as connection:
        assert not story.look(connection, NOW)
        assert story.holds(NOW + 299 * SECOND), "nothing is decided before it went wrong"
        assert not story.holds(NOW + 301 * SECOND), "a robot that is never trimmed keeps nothing waiting"
        book.write_text(json.dumps([TRIM]))
        assert not story.look(connection, NOW + 100 * SECOND)
        assert story.holds(NOW + 301 * SECOND)
        book.write_text(json.dumps([TRIM | {"sample": SAMPLE}]))
        assert story.look(connection, NOW + 120 * SECOND)
        assert not story.look(connection, NOW + 125 * SECOND)
        assert story.holds(NOW + 164 * SECOND)
        assert not story.holds(NOW + 165 * SECOND)
        (kept,) = read_trials(connection, TARGET)
        assert (kept.trial.parts, kept.trial.good, dict(kept.trial.parameters)) == (20, 3, {"wire_feed": 7.9})


def test_a_trim_of_an_earlier_start_is_over(database_url: str, tmp_path: Path) -> None:
    book = tmp_path / "recipes.json"
    book.write_text(json.dumps([TRIM | {"sample": SAMPLE}]))
    later = Story(book, TARGET, NOW + 3600 * SECOND, WAIT)
    with connect(database_url, application="test") as connection:
        assert not later.look(connection, NOW + 3700 * SECOND)
        assert later.holds(NOW + 3700 * SECOND)


@pytest.mark.heavy
@pytest.mark.timeout(600 * PATIENCE)
def test_the_demo_tells_its_story_within_six_minutes_and_each_chapter_in_its_turn(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_demo(home, free_port()):
        url = json.loads((home / "run" / "database.out").read_text())["url"]
        pool = Pool(url, 1, "test", statement_seconds=20)
        service = TourService(pool, SystemClock(), home)
        seen: dict[Chapter, float] = {}
        begun = time.monotonic()
        while len(seen) < len(Chapter):
            story = service.story()
            for chapter, _ in story.reached:
                seen.setdefault(chapter, round(time.monotonic() - begun, 1))
            assert time.monotonic() - begun < 360 * PATIENCE, f"{seen}, {story.facts}"
            time.sleep(1)
        pool.close()
    assert list(seen) == list(Chapter)
    since = dict(story.reached)
    assert since[Chapter.ALARM] < since[Chapter.PROPOSED] < since[Chapter.EXECUTED] <= since[Chapter.GAIN]
    assert max(since[Chapter.PICTURE], since[Chapter.CHART], since[Chapter.LOSS]) > since[Chapter.ALARM]
    facts = story.facts
    assert facts.carried is not None
    assert facts.carried.approved_by == "demo"
    assert facts.proposed is not None
    assert {name: value for name, value, _ in facts.carried.read} == pytest.approx(dict(facts.proposed.parameters))
    assert facts.sample is not None
    assert facts.result is not None
    assert facts.sample.good / facts.sample.parts < 0.5 < facts.result.good / facts.result.parts
