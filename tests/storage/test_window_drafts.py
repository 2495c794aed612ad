"""Process windows proposed by one person and approved by another: the database holds it, whoever asks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from plant.errors import Rejected
from plant.process_windows import ProcessWindow, parse_windows
from plant.window_changes import window_text
from storage.audit import read_audit, verify_audit
from storage.database import Connection
from storage.process_windows import read_window_text, read_windows, write_windows
from storage.window_drafts import (
    DraftStage,
    WindowDraft,
    add_draft,
    approve_draft,
    end_draft,
    read_draft,
    read_drafts,
    read_version_text,
    read_versions,
    waiting_drafts,
)
from tests.databases import fresh_database

EXAMPLE = Path("docs/examples/tuning/windows.toml").read_text("utf-8")
EXAMPLE_WINDOW = parse_windows(EXAMPLE).windows[0]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """A database that the tests share: each brings windows of its own."""
    with fresh_database(postgres_server, migrated_template) as made:
        yield made


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC") as made:
        yield made


@dataclass(frozen=True)
class Stage:
    """Two windows in force that no other test knows."""

    connection: Connection
    text: str
    window: ProcessWindow
    second: ProcessWindow
    version: int

    def in_force(self, window: ProcessWindow | None = None) -> ProcessWindow:
        windows = read_windows(self.connection)
        assert windows is not None
        return windows.of("welding-robot", (window or self.window).program)

    def draft(self, low: float = 200.0, *, window: ProcessWindow | None = None, author: str = "chen.hao") -> int:
        return add_draft(self.connection, lower(window or self.window, low), author=author, note="thicker plate", now_us=2_000_000)

    def drafts(self) -> list[WindowDraft]:
        return [one for one in read_drafts(self.connection) if one.window.program == self.window.program]


@pytest.fixture
def stage(connection: Connection) -> Stage:
    name = f"WPS-{next(NUMBERS)}"
    text = EXAMPLE.replace('"WPS-1003"', f'"{name}"')
    second = ProcessWindow.model_validate(EXAMPLE_WINDOW.model_dump() | {"program": f"{name}-second"})
    text = text + "\n" + window_text(second)
    version = write_windows(connection, text, actor="li.wei", now_us=1_000_000)
    assert version is not None
    return Stage(connection, text, parse_windows(text).windows[0], second, version)


def lower(window: ProcessWindow, low: float) -> ProcessWindow:
    told = window.model_dump()
    told["parameters"] = [each | {"low": low} if each["name"] == "current" else each for each in told["parameters"]]
    return ProcessWindow.model_validate(told)


def test_a_draft_goes_into_force_when_another_person_approves_it(stage: Stage) -> None:
    connection, before = stage.connection, waiting_drafts(stage.connection)
    number = stage.draft()
    assert (stage.in_force().parameters[0].low, waiting_drafts(connection)) == (205, before + 1)

    version = approve_draft(connection, number, actor="wang.fang", now_us=3_000_000)

    found = stage.in_force()
    assert (version, found.parameters[0].low, found.version, found.author, found.approver) == (
        *(stage.version + 1, 200, 2, "chen.hao"),
        "wang.fang",
    )
    assert stage.in_force(stage.second).parameters[0].low == 205
    assert "# The process window of a welding robot" in (read_window_text(connection) or "")
    kept = read_draft(connection, number)
    assert kept is not None
    assert (kept.stage, kept.decided_by, kept.version, kept.window) == (DraftStage.APPROVED, "wang.fang", version, found)
    newest, older = read_versions(connection)[:2]
    assert [(one.version, one.in_force, one.actor) for one in (newest, older)] == [
        (version, True, "wang.fang"),
        (stage.version, False, "li.wei"),
    ]
    assert parse_windows(read_version_text(connection, stage.version)) == parse_windows(stage.text)
    assert [one.act for one in read_audit(connection, most=3)] == ["windows.draft.approve", "import", "windows.draft"]
    assert verify_audit(connection) is None


@pytest.mark.parametrize("actor", ["chen.hao", " Chen.Hao "])
def test_nobody_approves_what_he_wrote(stage: Stage, actor: str) -> None:
    number = stage.draft()
    with pytest.raises(Rejected, match="another person"):
        approve_draft(stage.connection, number, actor=actor, now_us=3_000_000)
    with pytest.raises(psycopg.errors.CheckViolation, match="two_persons"):
        stage.connection.execute(
            "UPDATE window_draft SET stage = 'approved', decided_by = %s, decided_time = now(), version = 1 WHERE id = %s", [actor, number]
        )
    assert stage.in_force().parameters[0].low == 205


def test_a_draft_is_never_changed_and_decided_once(stage: Stage) -> None:
    number = stage.draft()
    for asked in (
        "UPDATE window_draft SET note = 'other', stage = 'declined', decided_by = 'x', decided_time = now() WHERE id = %s",
        "DELETE FROM window_draft WHERE id = %s",
    ):
        with pytest.raises(psycopg.errors.RaiseException):
            stage.connection.execute(asked, [number])
    end_draft(stage.connection, number, DraftStage.DECLINED, actor="wang.fang", reason="no trial shows it", now_us=3_000_000)
    with pytest.raises(Rejected, match=r"decided already: declined by wang\.fang"):
        approve_draft(stage.connection, number, actor="wang.fang", now_us=4_000_000)
    assert [(one.stage, one.reason) for one in stage.drafts()] == [(DraftStage.DECLINED, "no trial shows it")]


def test_only_its_author_withdraws_a_draft_and_one_waits_for_each_window(stage: Stage) -> None:
    number = stage.draft()
    with pytest.raises(Rejected, match=f"draft {number} of this window waits"):
        stage.draft(190.0, author="wang.fang")
    with pytest.raises(Rejected, match="only its author"):
        end_draft(stage.connection, number, DraftStage.WITHDRAWN, actor="wang.fang", reason="", now_us=3_000_000)
    end_draft(stage.connection, number, DraftStage.WITHDRAWN, actor="chen.hao", reason="", now_us=3_000_000)
    assert stage.draft(190.0) > number
    with pytest.raises(Rejected, match="changes nothing"):
        add_draft(stage.connection, stage.second, author="chen.hao", note="", now_us=2_000_000)


def test_a_draft_of_a_window_that_was_changed_meanwhile_is_not_put_in_force(stage: Stage) -> None:
    number = stage.draft()
    write_windows(stage.connection, stage.text.replace("high = 276\n", "high = 270\n"), actor="li.wei", now_us=2_500_000)
    with pytest.raises(Rejected, match="was changed since"):
        approve_draft(stage.connection, number, actor="wang.fang", now_us=3_000_000)
    assert stage.in_force().parameters[0].high == 270


def test_two_drafts_approved_at_once_are_both_in_force(stage: Stage, url: str) -> None:
    numbers = [stage.draft(200.0, window=one) for one in (stage.window, stage.second)]

    def approve(number: int) -> None:
        with psycopg.connect(url, autocommit=True) as own:
            approve_draft(own, number, actor="wang.fang", now_us=3_000_000)

    threads = [threading.Thread(target=approve, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [stage.in_force(one).parameters[0].low for one in (stage.window, stage.second)] == [200, 200]
