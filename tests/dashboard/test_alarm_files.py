"""Alarms go out to a spreadsheet and come back the same; what is wrong is told by row and column; nothing changes half-way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from dashboard.alarm_files import TABLE, apply_import, export_csv, export_xlsx, plan_import
from dashboard.spreadsheets import read_xlsx
from plant.alarm_table import COLUMNS, cells_of, read_csv, read_rows, write_table
from plant.alarms import AlarmId
from plant.errors import SettingsError
from plant.site import Site, load_site
from tests.monitor.alarm_parts import SITE

RULES = """
[[signals]]
equipment = "welding/cell-1/*"
name = "mode"
source = "robots"
address = "acme/{unit}/mode"
data_type = "string"

[[alarms]]
equipment = "**"
signal = "current"
kind = "high"
deadband = 2.5
on_delay_seconds = 0.3
priority = "low"
message = "=SUM(A1)"
response = "-1 turn; 'slowly', \\"please\\""
suppressed_while = { signal = "mode", texts = ["setup", "a; b", "[c"] }

[[alarms]]
equipment = "**"
signal = "current"
kind = "rate"
limit = 12.5
window_seconds = 2.5
latching = true

[[alarms]]
equipment = "**"
signal = "current"
kind = "deviation"
name = "off"
limit = 5
set_point = -0.1

[[alarms]]
equipment = "**"
signal = "mode"
kind = "discrete"
texts = ["fault", "E;1"]

[[alarms]]
equipment = "**"
signal = "current"
kind = "stale"
limit = 30
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    site_file = tmp_path / "site.toml"
    site_file.write_text(SITE + RULES)
    return site_file


def edited(site: Site, which: str, **cells: str) -> bytes:
    """The exported row of one alarm with some cells changed, as CSV."""
    row = dict(zip(COLUMNS, cells_of(site.path, next(one for one in site.alarms if one.id.endswith(which))), strict=True))
    return write_table([tuple({**row, **cells}.values())]).encode()


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_what_is_exported_and_imported_again_changes_nothing(file: Path, form: str) -> None:
    site = load_site(file)
    content = (export_csv if form == "csv" else export_xlsx)(site.alarms, site.path)
    planned = plan_import(file, content, complete=True)
    assert not planned.difference
    assert planned.content == write_table([])
    rows, problems = read_rows(read_csv(content) if form == "csv" else read_xlsx(content))
    assert (problems, [row.cells for row in rows]) == ([], [cells_of(site.path, one) for one in site.alarms])


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20)
FLOAT = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT, FLOAT, st.floats(0, 1e9), st.integers(0, 86_400_000_000), st.booleans())
def test_any_alarm_survives_the_table(
    tmp_path_factory: pytest.TempPathFactory, message: str, response: str, limit: float, deadband: float, delay: int, latching: bool
) -> None:
    site = _site(tmp_path_factory)
    row = dict(zip(COLUMNS, [""] * len(COLUMNS), strict=True))
    row |= {"alarm": "welding/cell-1/robot-1/current:mine", "enabled": "yes", "kind": "low", "priority": "urgent", "limit": repr(limit)}
    row |= {"deadband": repr(deadband), "on_delay_seconds": repr(delay / 1e6), "latching": "yes" if latching else "no"}
    row |= {"message": message, "response": response}
    first = plan_import(site, write_table([tuple(row.values())]).encode())
    folder = site.parent
    (folder / TABLE).write_text(first.content, encoding="utf-8", newline="")
    made = next(one for one in load_site(site).alarms if one.id.endswith(":mine"))
    (folder / TABLE).write_text(write_table([]))
    assert (made.message, made.response, made.limit, made.deadband, made.on_delay_us, made.latching) == (
        *(message, response, limit, deadband, delay, latching),
    )


_SITES: list[Path] = []


def _site(factory: pytest.TempPathFactory) -> Path:
    if not _SITES:
        folder = factory.mktemp("site")
        (folder / "site.toml").write_text(f'alarm_table = "{TABLE}"\n' + SITE)
        (folder / TABLE).write_text(write_table([]))
        _SITES.append(folder / "site.toml")
    return _SITES[0]


def test_an_import_says_what_it_changes_and_changes_it_at_once(file: Path) -> None:
    site = load_site(file)
    planned = plan_import(file, edited(site, "robot-3/current:high", limit="190", priority="urgent"))
    assert [(change.alarm, change.cells) for change in planned.difference.changed] == [
        ("welding/cell-1/robot-3/current:high", (("priority", "low", "urgent"), ("limit", "200", "190")))
    ]
    assert load_site(file) == site
    apply_import(file, planned)
    after = load_site(file)
    assert file.read_text().startswith('alarm_table = "alarms.csv"\n')
    assert [one.limit for one in after.alarms if one.id == AlarmId("acme/north/welding/cell-1/robot-3/current:high")] == [190.0]
    assert len(after.alarms) == len(site.alarms)
    gone = plan_import(file, edited(after, "robot-4/current:rate", enabled="no"))
    assert gone.difference.removed == ("welding/cell-1/robot-4/current:rate",)
    apply_import(file, gone)
    added = plan_import(file, edited(after, "robot-5/current:rate", alarm="welding/cell-1/robot-5/current:faster", limit="99"))
    assert added.difference.added == ("welding/cell-1/robot-5/current:faster",)
    apply_import(file, added)
    assert len((file.parent / TABLE).read_text().splitlines()) == 4
    back = plan_import(file, export_csv(site.alarms, site.path), complete=True)
    apply_import(file, back)
    assert sorted(load_site(file).alarms, key=lambda one: one.id) == sorted(site.alarms, key=lambda one: one.id)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"limit": "much"}, "row 2, limit: 'much' is no number"),
        ({"limit": "nan"}, "row 2, limit: Input should be a finite number"),
        ({"kind": "higher"}, "row 2, kind: "),
        ({"priority": "very"}, "row 2, priority: "),
        ({"latching": "perhaps"}, "row 2, latching: 'perhaps' is neither yes nor no"),
        ({"alarm": "current:high"}, "row 2, alarm: names no equipment"),
        ({"alarm": "welding/cell-9/robot-1/current:high"}, "row 2, alarm: there is no signal"),
        ({"limit": "300"}, "limits of 'acme/north/welding/cell-1/robot-3/current' must rise"),
        ({"window_seconds": "3"}, "'window_seconds' means nothing for the kind 'high'"),
        ({"suppressed_while_signal": "welding/cell-1/robot-3/nothing"}, "there is no signal"),
    ],
)
def test_what_is_wrong_is_told_by_row_and_column(file: Path, cells: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as found:
        plan_import(file, edited(load_site(file), "robot-3/current:high", **cells))
    assert words in str(found.value)
    assert not (file.parent / TABLE).exists()


def test_a_table_of_another_country_and_hostile_ones_are_read_as_what_they_are(file: Path) -> None:
    site = load_site(file)
    german = edited(site, "robot-3/current:rate", limit="190.5").decode().replace(",", ";").replace("190.5", "190,5").replace("2.5", "2,5")
    head = german.splitlines()[0]
    assert plan_import(file, german.encode("utf-8-sig")).difference.changed[0].cells == (("limit", "12.5", "190.5"),)
    for content, words in (
        (b"", "is missing"),
        (b"\xff\xfe", "not UTF-8"),
        (b"PK\x03\x04nonsense", "no .xlsx workbook"),
        (f"{head};colour\n".encode(), "row 1, colour: there is no such column"),
        (b"alarm,kind\na:b,high,,,x\n", "row 2: has more cells than the head"),
    ):
        with pytest.raises(SettingsError) as found:
            plan_import(file, content)
        assert words in str(found.value)


def test_no_cell_is_a_formula_in_a_spreadsheet(file: Path, tmp_path: Path) -> None:
    site = load_site(file)
    lines = export_csv(site.alarms, site.path).decode("utf-8-sig")
    assert "'=SUM(A1)" in lines
    assert ",=SUM" not in lines
    book = tmp_path / "alarms.xlsx"
    book.write_bytes(export_xlsx(site.alarms, site.path))
    kinds = {cell.data_type for row in load_workbook(book).worksheets[0].iter_rows() for cell in row if cell.value is not None}
    assert kinds <= {"s", "n"}


def test_a_table_that_changed_meanwhile_is_not_written_over(file: Path) -> None:
    site = load_site(file)
    one, other = (plan_import(file, edited(site, f"robot-{n}/current:high", limit="190")) for n in (1, 2))
    apply_import(file, one)
    with pytest.raises(SettingsError, match="changed meanwhile"):
        apply_import(file, other)
