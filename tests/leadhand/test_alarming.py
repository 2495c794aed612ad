"""``leadhand alarms``: a site's alarms out to a table and back in."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leadhand.alarming import alarms_app
from plant.alarms import AlarmKind
from plant.errors import SettingsError
from plant.site import load_site
from tests.leadhand.test_commands import SITE

LIMITED = SITE.replace('address = "nsu=urn:acme;s={unit}.{signal}"', 'address = "nsu=urn:acme;s={unit}.{signal}"\nlimits = { high = 80 }')
CHARTED = """
[[charts]]
id = "axis"
equipment = "welding/*/*"
signal = "axis-1"
every_seconds = 60

[[alarms]]
equipment = "**"
kind = "chart"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(LIMITED + CHARTED)
    return path


def alarms(*words: str | Path) -> Result:
    return CliRunner().invoke(alarms_app, [str(word) for word in words])


def test_all_alarms_are_listed_with_limit_and_priority(site: Path) -> None:
    lines = [line.split("\t") for line in alarms("list", site).output.splitlines()]
    by_name = {line[0]: line[1:] for line in lines}
    assert by_name["welding/cell-1/robot-2/axis-1:high"] == ["high", "medium", "80", ""]
    assert by_name["welding/cell-1/robot-2:chart-axis"] == ["chart", "medium", "", "robot-2: axis-1 is out of control"]
    assert len(lines) == 3 * 2 + 3 + 3


@pytest.mark.parametrize("name", ["alarms.csv", "table.xlsx"])
def test_a_table_that_goes_out_and_comes_back_changes_nothing_and_one_that_was_edited_what_it_says(
    site: Path, tmp_path: Path, name: str
) -> None:
    file = tmp_path / f"out-{name}"
    assert "9 alarms written" in alarms("export", site, file).output
    assert "0 added, 0 changed, 0 removed" in alarms("import", site, file, "--complete").output
    edited = tmp_path / "edited.csv"
    alarms("export", site, edited)
    edited.write_text(edited.read_text("utf-8-sig").replace("axis-1:high,yes,high,medium,80", "axis-1:high,yes,high,urgent,75", 1))
    said = alarms("import", site, edited).output
    assert "~ welding/cell-1/robot-1/axis-1:high: priority medium -> urgent, limit 80 -> 75" in said
    assert "nothing is changed yet: say --apply" in said
    assert all(one.limit in {0.0, 10.0, 60.0, 80.0} for one in load_site(site).alarms)
    assert "applied" in alarms("import", site, edited, "--apply").output
    changed = [one for one in load_site(site).alarms if one.kind is AlarmKind.HIGH and one.limit == 75]
    assert [one.id for one in changed] == ["acme/north/welding/cell-1/robot-1/axis-1:high"]
    assert sum(one.kind is AlarmKind.CHART for one in load_site(site).alarms) == 3


def test_a_row_that_is_wrong_is_named_and_nothing_is_changed(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("alarm,kind,limit\nwelding/cell-1/robot-1/axis-1:high,high,a lot\n")
    result = alarms("import", site, file, "--apply")
    assert isinstance(result.exception, SettingsError)
    assert "row 2, limit: 'a lot' is no number" in str(result.exception)
    assert not (tmp_path / "alarms.csv").exists()
    missing = alarms("import", site, tmp_path / "nothing.csv")
    assert isinstance(missing.exception, SettingsError)
