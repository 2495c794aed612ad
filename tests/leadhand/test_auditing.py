"""``leadhand audit``: a trail that was changed, cut or rewritten is found, also by whoever may write to the whole database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leadhand.auditing import CHANGED, checked
from plant.errors import SettingsError
from storage.audit import Told, add_audits, audit_anchor, audit_state
from storage.audit_anchors import add_anchor, read_anchors
from storage.database import Connection, connect

NOW = 1_800_000_000_000_000


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as made:
        add_audits(
            made, [Told(NOW + number, "anna", "window.approved", f"window {number}", None, {"high": 0.1 * number}) for number in range(9)]
        )
        yield made


def changed(connection: Connection, statement: str) -> None:
    connection.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
    connection.execute(statement)
    connection.execute("ALTER TABLE audit ENABLE TRIGGER ALL")


def rewritten(connection: Connection) -> None:
    """Write the whole trail anew with another actor, every hash right in itself."""
    changed(connection, "DELETE FROM audit")
    add_audits(
        connection, [Told(NOW + number, "eve", "window.approved", f"window {number}", None, {"high": 0.1 * number}) for number in range(9)]
    )


def test_a_trail_that_nobody_changed_holds_and_its_newest_hash_is_told(connection: Connection, tmp_path: Path) -> None:
    code, told = checked(connection, tmp_path / "none.jsonl")

    assert code == 0
    assert (told["holds"], told["entries"], told["anchors"]) == (True, 9, 0)
    assert str(told["head"]) in str(told["words"])


@pytest.mark.parametrize(
    ("statement", "at"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE id = 4", 4),
        ("UPDATE audit SET next = '{\"high\": 9}' WHERE id = 9", 9),
        ("UPDATE audit SET time_us = time_us + 1 WHERE id = 1", 1),
        ("DELETE FROM audit WHERE id = 5", 6),
        ("DELETE FROM audit WHERE id = 1", 2),
    ],
)
def test_a_changed_or_missing_entry_is_named(connection: Connection, tmp_path: Path, statement: str, at: int) -> None:
    changed(connection, statement)

    code, told = checked(connection, tmp_path / "none.jsonl")

    assert code == CHANGED
    assert told["broken_at"] == at
    assert "was CHANGED" in str(told["words"])


def test_a_trail_written_anew_or_cut_at_its_end_is_found_by_its_anchors(connection: Connection, tmp_path: Path) -> None:
    anchor = audit_anchor(connection, NOW)
    assert anchor is not None
    add_anchor(tmp_path / "anchors.jsonl", anchor)
    assert checked(connection, tmp_path / "anchors.jsonl")[0] == 0

    changed(connection, "DELETE FROM audit WHERE id > 7")
    assert audit_state(connection).holds
    assert checked(connection, tmp_path / "anchors.jsonl")[0] == CHANGED

    rewritten(connection)
    assert audit_state(connection).holds
    code, told = checked(connection, tmp_path / "anchors.jsonl")
    assert code == CHANGED
    assert "was REWRITTEN: entry 9" in str(told["words"])


def test_a_file_that_holds_no_anchors_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("{}\n", "utf-8")

    with pytest.raises(SettingsError, match="line 1 is no anchor"):
        read_anchors(tmp_path / "a")
    assert read_anchors(tmp_path / "none") == []
