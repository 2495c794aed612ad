"""``leadhand share``: a file in, checked shares out; for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leadhand.__main__ import app
from plant.errors import SettingsError
from plant.plan_file import plan_text
from plant.share_file import write_share
from plant.share_pieces import SharesFile
from tests.optimizer.sharing.share_shops import drawn_shop


@pytest.fixture
def week(tmp_path: Path) -> Path:
    file = tmp_path / "week.json"
    file.write_text(plan_text(write_share(drawn_shop(1))))
    return file


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_week_is_shared_for_programs_and_written(week: Path) -> None:
    told = _run("share", week, "--json", "--rule", "proportional", "--output", week.with_name("shares.json"))
    assert told.exit_code == 0, told.output
    shares = SharesFile.model_validate_json(told.stdout)
    assert shares.verified
    assert shares.rule.value == "proportional"
    assert shares.worse_than_promised == 0
    assert week.with_name("shares.json").read_text() == told.stdout


def test_a_week_is_shared_for_people(week: Path) -> None:
    told = _run("share", week, "--keeps", "pace")
    assert told.exit_code == 0, told.output
    assert "fairness" in told.stdout
    assert "verified: each order is in each period at least as far as alone" in told.stdout


def test_why_an_order_gets_what_it_gets_is_told(week: Path) -> None:
    told = _run("share", week, "--why", "O7")
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("O7 of factory")
    assert "  - it" in told.stdout
    asked = json.loads(_run("share", week, "--why", "O7", "--json").stdout)
    assert asked["name"] == "O7"
    assert asked["reasons"]


def test_an_order_that_is_not_there_is_a_wrong_argument(week: Path) -> None:
    with pytest.raises(SettingsError, match="has no such order"):
        CliRunner().invoke(app, ["share", str(week), "--why", "O777"], catch_exceptions=False)
