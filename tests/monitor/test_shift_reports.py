"""Each shift of each line gets its report once, whoever is killed; it says what the other figures say, and reaches whom settings name."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from monitor.notice_words import document, subject, text
from monitor.shift_reports import ShiftReporter, make_reporter
from plant.clock import Clock, SystemClock
from plant.equipment import EquipmentId
from plant.errors import SettingsError
from plant.ledger import Counts, Gap, GapReason, LedgerLine, minute_of
from plant.losses import Planned
from plant.report_document import report_document
from plant.report_words import ReportWords, all_said, sections_of, title_of
from plant.samples import empty
from plant.shipment import Shipment
from plant.signals import SourceId
from plant.site import Site, load_site
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.losses import read_slices
from storage.notices import read_notices
from storage.samples import SampleWriter
from storage.shift_reports import add_note, read_reports
from tests.dashboard.running import ROOT
from tests.dashboard.running import SITE as FACTORY
from tests.dashboard.test_losses import HOUR, SECOND, SETTINGS, history
from tests.ingest.parts import start

LINE = EquipmentId(f"{ROOT}/welding/cell-1")
REPORTS = """
[[receivers]]
name = "lead"
webhook = "http://127.0.0.1:1/hook"
mail = ["lead@example.com"]
language = "zh"

[mail]
host = "127.0.0.1"
port = 25
security = "none"
allow_insecure = true
sender = "leadhand@example.com"

[reports]
to = ["lead"]
folder = "reports"
catch_up_days = 1
"""


@dataclass
class Standing:
    """A clock that stands where it is put."""

    time_us: int

    def now_us(self) -> int:
        """Return where it stands."""
        return self.time_us

    def monotonic(self) -> float:
        """Return the same in seconds."""
        return self.time_us / 1e6

    def sleep(self, seconds: float) -> None:
        """Go on by some seconds."""
        self.time_us += round(seconds * 1e6)


@dataclass
class Floor:
    """A factory with thirty hours behind it."""

    site: Site
    connection: Connection
    url: str
    now_us: int
    home: Path

    def run(self, clock: Clock | None = None) -> int:
        """Let a fresh reporter do all that is due; return how many steps did something."""
        reporter = make_reporter(self.site, clock or Standing(self.now_us))
        assert isinstance(reporter, ShiftReporter)
        steps = 0
        while reporter.step(self.connection):
            steps += 1
        return steps


@pytest.fixture
def floor(tmp_path: Path, database_url: str) -> Iterator[Floor]:
    (tmp_path / "sources.d").mkdir()
    (tmp_path / "sources.d" / "states.toml").write_text(SETTINGS + REPORTS, encoding="utf-8")
    (tmp_path / "site.toml").write_text(FACTORY, encoding="utf-8")
    site = load_site(tmp_path / "site.toml")
    connection = connect(database_url, application="test")
    register_site(connection, site)
    now = SystemClock().now_us()
    history(database_url, now)
    yield Floor(site, connection, database_url, now, tmp_path)
    connection.close()


def test_a_line_is_what_stands_above_followed_work_units(floor: Floor) -> None:
    assert floor.site.reports.lines == (LINE,)


def test_each_ended_shift_has_one_report_however_often_it_is_asked(floor: Floor) -> None:
    floor.run()
    found = read_reports(floor.connection)
    calendar = floor.site.calendars.of(LINE)
    assert calendar is not None
    until = floor.now_us - floor.site.reports.after_us
    ended = [one for one in calendar.shifts(until - 24 * HOUR, until) if until - 24 * HOUR <= one.to_us <= until]
    assert [one.from_us for one in found] == [one.from_us for one in reversed(ended)]
    assert len(found) in {3, 4}
    assert floor.run() == 0
    assert [one.id for one in read_reports(floor.connection)] == [one.id for one in found]


def test_its_figures_are_those_of_the_slices_and_pieces(floor: Floor) -> None:
    floor.run()
    report = read_reports(floor.connection)[0]
    models = {model.equipment: model for model in floor.site.states.models}
    span = (report.from_us, report.to_us)
    slices = read_slices(floor.connection, models, floor.site.states.reasons, floor.site.calendars, span)
    one = report.content["figures"]
    assert one["pbt_us"] == sum(piece.us for piece in slices if piece.planned is Planned.SHIFT)
    assert one["apt_us"] == sum(piece.us for piece in slices if piece.planned is Planned.SHIFT and piece.loss.value == "production")
    assert one["oee"] == pytest.approx(one["availability"] * one["effectiveness"] * one["quality_ratio"])
    assert sum(loss["us"] for loss in report.content["losses"]) == one["pbt_us"] - one["apt_us"]
    assert len(report.content["units"]) == 4


def test_it_is_set_against_the_shift_before(floor: Floor) -> None:
    floor.run()
    newest, before, *_ = read_reports(floor.connection)
    assert newest.content["before"]["id"] == before.id
    assert newest.content["before"]["figures"]["oee"] == before.content["figures"]["oee"]
    assert read_reports(floor.connection)[-1].content["before"] is None


def test_a_shift_of_which_nothing_is_known_has_no_report(floor: Floor) -> None:
    floor.run(Standing(floor.now_us - 10 * 24 * HOUR))
    assert read_reports(floor.connection) == []


def test_the_running_shift_has_none_yet_and_gets_it_when_late_samples_are_in(floor: Floor) -> None:
    calendar = floor.site.calendars.of(LINE)
    assert calendar is not None
    running = calendar.shift_at(floor.now_us)
    assert running is not None
    floor.run(Standing(running.to_us + floor.site.reports.after_us - SECOND))
    assert running.from_us not in {one.from_us for one in read_reports(floor.connection)}
    floor.run(Standing(running.to_us + floor.site.reports.after_us))
    assert running.from_us in {one.from_us for one in read_reports(floor.connection)}


def test_killed_between_the_report_and_all_else_nothing_is_missing_and_nothing_twice(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for place in ("add_report", "add_notices", "note_written"):
        with monkeypatch.context() as patched:
            patched.setattr(f"monitor.shift_reports.{place}", killed)
            with pytest.raises(KeyboardInterrupt):
                floor.run()
    floor.run()
    reports = read_reports(floor.connection)
    notices = read_notices(floor.connection)
    assert len({one.from_us for one in reports}) == len(reports)
    assert len(notices) == 2 * len(reports)
    assert len(list((floor.home / "reports").glob("*.html"))) == len(reports)


def test_who_is_named_gets_it_by_mail_and_webhook_in_their_language(floor: Floor) -> None:
    floor.run()
    newest = read_reports(floor.connection)[0]
    said = next(one for one in read_notices(floor.connection) if one.content["report"]["from_us"] == newest.from_us).content
    assert said["summary"]["oee"] == newest.content["figures"]["oee"]
    assert "班次报告" in subject(said, "zh")
    assert "可用率" in text(said, "x", "zh", "UTC")
    assert "<h2>主要指标</h2>" in document(said, "zh")
    assert json.loads(json.dumps(said)) == said


def test_the_folder_holds_whole_files_and_a_folder_that_is_away_is_filled_later(floor: Floor) -> None:
    (floor.home / "reports").write_text("a file where the folder should be")
    floor.run()
    assert {one.written_us for one in read_reports(floor.connection)} == {None}
    (floor.home / "reports").unlink()
    floor.run()
    files = sorted((floor.home / "reports").iterdir())
    assert all(file.suffix == ".html" for file in files)
    assert all(one.written_us for one in read_reports(floor.connection))
    newest = read_reports(floor.connection)[0]
    assert report_document(newest.content, "en") in {file.read_text(encoding="utf-8") for file in files}


def test_it_tells_notes_gaps_and_the_ledger_and_no_text_is_markup(floor: Floor) -> None:
    calendar = floor.site.calendars.of(LINE)
    assert calendar is not None
    shift = [one for one in calendar.shifts(floor.now_us - 24 * HOUR, floor.now_us) if one.to_us < floor.now_us - HOUR][-1]
    add_note(floor.connection, LINE, shift.from_us + HOUR, "ann", "=1+1 <script>alert(1)</script>\nsecond line")
    source, at = SourceId("robots"), minute_of(shift.from_us + HOUR)
    gap = Gap(source, at, at + SECOND, 7, GapReason.OVERRUN, None, "slow")
    line = LedgerLine(source, at, Counts(expected=100, stored=93, gap=7))
    SampleWriter(floor.connection).ship(Shipment(uuid4(), 1, 1, empty(), (line,), (gap,)))
    floor.run()
    report = next(one for one in read_reports(floor.connection) if one.from_us == shift.from_us)
    assert (report.content["samples"]["expected"], report.content["samples"]["gap"], report.content["samples"]["not_explained"]) == (
        100,
        7,
        0,
    )
    page = report_document(report.content, "en")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "reading too slow" in page


def test_in_chinese_nothing_of_ours_is_left_in_english(floor: Floor) -> None:
    floor.run()
    content = read_reports(floor.connection)[0].content
    english, chinese = sections_of(content, "en"), sections_of(content, "zh")
    assert len(all_said(english)) == len(all_said(chinese))
    ours = {word for word in all_said(english) if word and word.isascii() and any(c.isalpha() for c in word)}
    left = ours & set(all_said(chinese)) - {"OEE", content["site"], content["line_name"]}
    assert {word for word in left if not word.startswith(("Robot", "welding", "robots", "20"))} == set()
    assert title_of(content, ReportWords("zh", "UTC")).startswith("班次报告")


def test_wrong_settings_name_key_and_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "sources.d").mkdir()
    wrong = REPORTS.replace('to = ["lead"]', 'to = ["nobody"]\nlines = ["nowhere/*"]')
    (tmp_path / "sources.d" / "states.toml").write_text(SETTINGS + wrong, encoding="utf-8")
    (tmp_path / "site.toml").write_text(FACTORY, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_site(tmp_path / "site.toml")
    assert any("reports.to: there is no receiver 'nobody'; there are: lead" in one for one in caught.value.problems)
    assert any("reports.lines: no equipment fits 'nowhere/*'" in one for one in caught.value.problems)


@pytest.mark.heavy
def test_a_monitor_that_is_killed_again_and_again_makes_each_report_and_sends_it_once(floor: Floor, tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311 - a test
    for _ in range(4):
        monitor = start(
            ["tests.monitor.only_reports", str(floor.home / "site.toml")], tmp_path / "monitor.log", {"LEADHAND_DATABASE_URL": floor.url}
        )
        time.sleep(chance.uniform(0.0, 0.3))
        monitor.kill()

    floor.run(SystemClock())
    reports, notices = read_reports(floor.connection), read_notices(floor.connection)
    assert len(reports) >= 3
    assert len({one.from_us for one in reports}) == len(reports)
    assert len({(one.id, one.channel) for one in notices}) == len(notices) == 2 * len(reports)
    assert {file.suffix for file in (floor.home / "reports").iterdir()} <= {".html", ".part"}
    assert len(list((floor.home / "reports").glob("*.html"))) == len(reports)
