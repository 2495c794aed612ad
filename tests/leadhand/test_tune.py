"""``leadhand tune`` on files: the documented example, each file type, and a sentence for each wrong row."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from leadhand.__main__ import app
from optimizer.tuning_files import read_trials
from plant.errors import SettingsError
from plant.process_windows import read_windows

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "tuning"


def _tune(history: Path, out: Path, *more: str) -> str:
    told = CliRunner().invoke(
        app,
        ["tune", "--history", str(history), "--windows", str(EXAMPLE / "windows.toml"), "--out", str(out), *more],
        catch_exceptions=False,
    )
    assert told.exit_code == 0, told.output
    return told.output


def test_the_documented_example_gives_the_documented_answer(tmp_path: Path) -> None:
    out = tmp_path / "R.json"
    said = _tune(EXAMPLE / "trials.csv", out)
    made, documented = json.loads(out.read_text("utf-8")), json.loads((EXAMPLE / "proposals.json").read_text("utf-8"))
    assert made.keys() == documented.keys()
    assert made["items"][0].keys() == documented["items"][0].keys()
    assert (made["leadhand"], made["items"][0]["answer"]) == ("tuning/1", "proposal")
    assert "first pass" in said
    schema = json.loads((EXAMPLE / "proposals.schema.json").read_text("utf-8"))
    assert set(schema["properties"]["items"]["items"]["oneOf"][0]["required"]) <= made["items"][0].keys()


def test_csv_xlsx_and_parquet_say_the_same(tmp_path: Path) -> None:
    with (EXAMPLE / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    book = openpyxl.Workbook()
    assert book.active is not None
    typed: list[list[float | str]] = [[*rows[0]], *([_typed(cell) for cell in row] for row in rows[1:])]
    for row in typed:
        book.active.append(row)
    book.save(tmp_path / "trials.xlsx")
    pq.write_table(pa.table({name: [row[at] for row in typed[1:]] for at, name in enumerate(rows[0])}), tmp_path / "trials.parquet")
    windows = read_windows(EXAMPLE / "windows.toml")
    tables = [read_trials(path, windows) for path in (EXAMPLE / "trials.csv", tmp_path / "trials.xlsx", tmp_path / "trials.parquet")]
    assert tables[0] == tables[1] == tables[2]
    assert sum(map(len, tables[0].trials.values())) == 14


def _typed(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("current", "abc", "row 2, column 'current': 'abc' is no number"),
        ("current", "", "row 2, column 'current': is empty; each parameter of the window needs a number"),
        ("voltage", "26,3", "row 2, column 'voltage': '26,3' is no number; write a point, not a comma"),
        ("voltage", "inf", "row 2, column 'voltage': 'inf' is no finite number"),
        ("good", "61", "row 2, column 'good': trial t-1: 61 of 60 parts cannot be good"),
        ("parts", "1.5", "row 2, column 'parts': 1.5 is no count of parts"),
        ("trial", "t-2", "row 3, column 'trial': 't-2' stands in row 2 already"),
        ("program", "other", "row 2, column 'program': there is no process window for program 'other'"),
        ("ended_at", "yesterday", "row 2, column 'ended_at': 'yesterday' is no time"),
        ("accepted", "maybe", "row 2, column 'accepted': 'maybe' is neither true nor false"),
        ("penetration", "deep", "row 2, column 'penetration': 'deep' is no number"),
    ],
)
def test_a_wrong_cell_is_said_with_file_row_and_column(column: str, value: str, told: str, tmp_path: Path) -> None:
    with (EXAMPLE / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [{**row, "ended_at": "", "accepted": ""} for row in rows]
    rows[0][column] = value
    with (tmp_path / "trials.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(SettingsError) as error:
        read_trials(tmp_path / "trials.csv", read_windows(EXAMPLE / "windows.toml"))
    assert any(told in problem for problem in error.value.problems), error.value.problems


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"parts,good\n", "holds no trial"),
        ("a.csv", b"parts,good,colour\n", "column 'colour' is neither a parameter nor a response"),
        ("a.csv", b"parts,parts,good\n", "column 'parts' is there twice"),
        ("a.csv", b"parts\n", "column 'good' is missing"),
        ("a.csv", b"parts,good\n\xff\xfe\x00", "cannot be read as CSV"),
        ("a.xlsx", b"PK\x03\x04 nonsense", "cannot be read as XLSX"),
        ("a.parquet", b"PAR1 nonsense", "cannot be read as PARQUET"),
        ("a.txt", b"parts,good\n", "give trials as .csv, .xlsx or .parquet"),
    ],
)
def test_a_file_that_is_none_is_refused_with_a_reason(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        read_trials(tmp_path / name, read_windows(EXAMPLE / "windows.toml"))


def test_an_accepted_recipe_is_the_one_that_the_file_marks(tmp_path: Path) -> None:
    with (EXAMPLE / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    path = tmp_path / "trials.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*rows[0], "accepted", "x_note"])
        writer.writerows([*row, "true" if row[0] == "t-4" else "", "anything"] for row in rows[1:])
    out = tmp_path / "R.json"
    _tune(path, out, "--cell", "welding-robot")
    (item,) = json.loads(out.read_text("utf-8"))["items"]
    assert [f"{item['accepted'][name]:g}" for name in ("current", "voltage")] == rows[4][3:5]


def test_a_cell_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no trial of 'press'; there are trials of: welding-robot/WPS-1003"):
        _tune(EXAMPLE / "trials.csv", tmp_path / "R.json", "--cell", "press")
