"""A factory's own data comes in with clear words for each wrong row, and goes out again as it came in."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from leadhand.__main__ import app
from optimizer.files import write_history, write_products
from plant.errors import SettingsError
from plant.network_file import network_json
from storage.audit import read_audit
from storage.database import connect
from storage.operation_history import count_history
from tests.optimizer.works import network, orders, products

WINDOWS = """
[[windows]]
work_unit = "robot-new"
version = 1
author = "li.wei"
approver = "ann"
parameters = [{ name = "current_a", unit = "A", low = 200, high = 300, step = 10 }]
"""


class Stage:
    """A home on a database, and files to bring in."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "settings.toml").write_text(f'[database]\nurl = "{url}"\n')
        (self.home / "settings.toml").chmod(0o600)
        (folder / "network.json").write_text(json.dumps(network_json(network())))
        write_products(folder / "products.csv", products())
        write_history(folder / "history.parquet", [orders(60)], network())
        (folder / "windows.toml").write_text(WINDOWS)

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def run(self, *words: str) -> Result:
        done = CliRunner().invoke(app, [*words, "--home", str(self.home)])
        if isinstance(done.exception, SettingsError):
            raise done.exception
        return done

    def rows(self) -> int:
        with connect(self.url, application="test") as connection:
            return count_history(connection).rows


@pytest.fixture
def stage(tmp_path: Path, database_url: str) -> Stage:
    return Stage(tmp_path, database_url)


def filled(stage: Stage) -> None:
    for noun, name in (("network", "network.json"), ("products", "products.csv"), ("history", "history.parquet")):
        done = stage.run("import", noun, stage.file(name), "--by", "li.wei")
        assert done.exit_code == 0, done.output


def test_what_was_imported_is_exported_again_and_imported_twice_is_there_once(stage: Stage) -> None:
    filled(stage)
    assert "1 windows are in force as version 1" in stage.run("import", "windows", stage.file("windows.toml")).output
    assert stage.rows() == 180
    assert "180 were there already" in stage.run("import", "history", stage.file("history.parquet")).output
    assert "12 were there already" in stage.run("import", "products", stage.file("products.csv")).output
    assert "were there already" in stage.run("import", "network", stage.file("network.json")).output
    assert stage.rows() == 180
    for ending in ("csv", "xlsx", "parquet"):
        assert stage.run("export", "history", stage.file(f"out.{ending}")).exit_code == 0
        assert stage.run("export", "products", stage.file(f"made.{ending}")).exit_code == 0
        again = stage.run("import", "history", stage.file(f"out.{ending}"))
        assert "180 were there already" in again.output, ending
        assert "12 were there already" in stage.run("import", "products", stage.file(f"made.{ending}")).output
    assert stage.run("export", "network", stage.file("again.json")).exit_code == 0
    assert json.loads((stage.folder / "again.json").read_text()) == network_json(network())
    with connect(stage.url, application="test") as connection:
        told = [(entry.actor, entry.subject) for entry in read_audit(connection)]
    assert ("li.wei", "process network") in told
    assert ("li.wei", "products") in told
    assert ("li.wei", "operation history") in told


def test_wrong_rows_are_named_and_nothing_is_written_unless_they_are_to_be_skipped(stage: Stage) -> None:
    filled(stage)
    stage.run("export", "history", stage.file("out.xlsx"))
    book = openpyxl.load_workbook(stage.folder / "out.xlsx")
    sheet = book.active
    header = [cell.value for cell in sheet[1]]
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, header.index("order") + 1).value = f"NEW-{row}"
    sheet.cell(5, header.index("alternative") + 1).value = "robot-9"
    sheet.cell(9, header.index("duration_min") + 1).value = -3
    book.save(stage.folder / "out.xlsx")
    with pytest.raises(SettingsError) as told:
        stage.run("import", "history", stage.file("out.xlsx"))
    words = str(told.value)
    assert "row 5" in words
    assert "robot-9" in words
    assert "row 9, column 'duration_min'" in words
    assert stage.rows() == 180, "all or nothing"
    dry = stage.run("import", "history", stage.file("out.xlsx"), "--skip-bad", "--dry-run")
    assert "178 operations are right; 2 wrong rows left out; nothing was written" in dry.output
    assert stage.rows() == 180
    done = stage.run("import", "history", stage.file("out.xlsx"), "--skip-bad")
    assert "178 operations added; 2 wrong rows left out" in done.output
    assert stage.rows() == 358


def test_it_is_told_what_comes_first(stage: Stage) -> None:
    done = stage.run("import", "history", stage.file("history.parquet"))
    assert done.exit_code == 1
    assert "no process network was imported yet" in str(done.exception)
    (stage.folder / "wrong.json").write_text(json.dumps({**network_json(network()), "netwrok": 1}))
    with pytest.raises(SettingsError, match=r"wrong\.json: netwrok: unknown key"):
        stage.run("import", "network", stage.file("wrong.json"))


def test_changeover_sets_tell_what_they_change_before_they_are_in_force(stage: Stage) -> None:
    text = Path("docs/examples/changeovers/changeovers.toml").read_text("utf-8")
    told = Path(stage.file("sets.toml"))
    told.write_text(text.replace('name = "F-light"\nversion = "A"', 'name = "F-light"\nversion = "D"'), encoding="utf-8")

    dry = stage.run("import", "changeovers", str(told), "--dry-run")
    done = stage.run("import", "changeovers", str(told), "--by", "li.wei")

    assert "+ part fixture F-light D" in dry.output
    assert "incomplete: welding/cell-1, ZE75*: fixture F-light in version A is not known" in dry.output
    assert "nothing was written" in dry.output
    assert "6 changeover sets are in force as version 1" in done.output
