"""What the demo's story keeps waiting, and until when; that it is told to its end: ``tests/dashboard/test_whole_demo.py``."""

from __future__ import annotations

import json
from pathlib import Path

from leadhand.demo_story import Story
from leadhand.tuned_cell import tuned_target
from storage.database import connect
from storage.trials import read_trials

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
