"""``leadhand export tables`` writes stable views whole, in each form."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest

from plant.errors import SettingsError
from storage.database import connect
from storage.shift_reports import add_note
from tests.leadhand.test_importing import Stage


@pytest.fixture
def stage(tmp_path: Path, database_url: str) -> Stage:
    made = Stage(tmp_path, database_url)
    with connect(database_url, application="test") as connection:
        for hour in range(3):
            add_note(connection, "acme/north/line", 1_795_000_000_000_000 + hour * 3_600_000_000, "ann", f"=note {hour}")
    return made


def test_tables_are_listed_and_written_in_each_form(stage: Stage) -> None:
    listed = stage.run("export", "tables")
    assert "v_shift_notes" in listed.output
    assert "time, line, actor, text, id" in listed.output
    for form in ("csv", "xlsx", "parquet"):
        done = stage.run("export", "tables", "v_shift_notes", "v_ledger", "--form", form, "--out", stage.file("out"))
        assert done.exit_code == 0, done.output
    out = stage.folder / "out"
    assert pq.read_table(out / "v_shift_notes.parquet").num_rows == 3
    assert "'=note 0" in (out / "v_shift_notes.csv").read_text()
    assert openpyxl.load_workbook(out / "v_shift_notes.xlsx").worksheets[0].max_row == 4
    assert len(list(out.iterdir())) == 6


def test_a_span_is_kept_to_and_what_is_unknown_is_refused(stage: Stage) -> None:
    begin = "2026-11-18T12:00:00"
    stage.run("export", "tables", "v_shift_notes", "--from", begin, "--out", stage.file("out"))
    assert pq.read_table(stage.folder / "out" / "v_shift_notes.parquet").num_rows == 2
    assert stage.run("export", "tables", "v_nothing", "--out", stage.file("out")).exit_code != 0
    with pytest.raises(SettingsError, match="there is no form 'pdf'"):
        stage.run("export", "tables", "v_ledger", "--form", "pdf")
