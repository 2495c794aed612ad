"""Changeover sets in the database: versions that stay, one in force, who brought them in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from plant.errors import Rejected, SettingsError
from storage.audit import read_audit
from storage.changeover_sets import read_changeovers, read_in_charge, write_changeovers
from storage.database import Connection

TEXT = Path("docs/examples/changeovers/changeovers.toml").read_text("utf-8")


@pytest.fixture
def connection(database_url: str) -> Any:
    with psycopg.connect(database_url, autocommit=True, options="-c TimeZone=UTC") as made:
        yield made


def test_another_version_is_put_in_force_and_the_one_before_stays(connection: Connection) -> None:
    assert read_changeovers(connection) is None

    first = write_changeovers(connection, TEXT, actor="li.wei", now_us=1_000_000)
    same = write_changeovers(connection, TEXT, actor="li.wei", now_us=2_000_000)
    other = TEXT.replace('name = "seam-fillet"\nversion = "3"', 'name = "seam-fillet"\nversion = "4"')
    second = write_changeovers(connection, other, actor="chen.hao", now_us=3_000_000)

    assert (first, same, second) == (1, None, 2)
    stored = read_changeovers(connection)
    assert stored is not None
    assert (stored.version, stored.time_us, stored.actor) == (2, 3_000_000, "chen.hao")
    assert connection.execute("SELECT version, in_force FROM v_changeover_books ORDER BY version").fetchall() == [(1, False), (2, True)]
    entry = read_audit(connection, most=1)[0]
    assert (entry.actor, entry.subject) == ("chen.hao", "changeover sets")
    assert entry.next["changes"] == ["+ part vision_recipe seam-fillet 4", "- part vision_recipe seam-fillet 3"]


def test_wrong_sets_change_nothing_and_somebody_answers_for_them(connection: Connection) -> None:
    with pytest.raises(SettingsError):
        write_changeovers(connection, TEXT.replace("needs", "neds", 1), actor="li.wei", now_us=1)
    with pytest.raises(Rejected, match="say who"):
        write_changeovers(connection, TEXT, actor=" ", now_us=1)

    assert read_changeovers(connection) is None
    assert read_in_charge(connection).windows is None
