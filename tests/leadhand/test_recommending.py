"""``leadhand recommend``: from the files of a factory to a file of recommendations, the same each time, clear where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from leadhand.__main__ import app
from optimizer.files import write_history, write_network, write_products
from plant.errors import SettingsError
from plant.products import Product, product_table
from plant.recommendations import Answer, RecommendationFile, read_recommendations
from tests.optimizer.works import BEST, WORST, features, network, orders, products

NEW = {"EX-3b": (11.4, 40.0), "EX-77": (300.0, 900.0)}
"""One like those that were made, and one far beyond."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("works")
    write_network(made / "network.json", network())
    known = products()
    rows = [known.at(at) for at in range(len(known))]
    rows += [Product(name, "excavator", {"tonnage_t": tonnage, "weld_length_m": weld}) for name, (tonnage, weld) in NEW.items()]
    write_products(made / "products.csv", product_table(network().features, rows))
    write_history(made / "history.parquet", [orders(480)], network())
    return made


def _recommend(folder: Path, *more: str, out: str = "R.json") -> tuple[RecommendationFile, str]:
    given = ["--network", folder / "network.json", "--history", folder / "history.parquet", "--products", folder / "products.csv"]
    told = CliRunner().invoke(app, ["recommend", *map(str, given), "--out", str(folder / out), *more], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return read_recommendations((folder / out).read_bytes(), out), told.output


def test_files_in_recommendations_out(folder: Path) -> None:
    file, output = _recommend(folder, "--sheet", str(folder / "sheets"))

    by_product = {one.product: one for one in file.items}
    assert len(by_product) == 14
    assert by_product["EX-3"].route == BEST
    assert by_product["EX-3"].answer is Answer.RECOMMENDED
    against = by_product["EX-3"].against.current
    assert against is not None
    assert against.route == WORST
    assert against.gain.low > 0
    assert by_product["EX-3b"].route == BEST
    assert by_product["EX-3b"].against.nearest is not None
    assert by_product["EX-77"].answer is Answer.NOT_ENOUGH_EVIDENCE
    assert "tonnage_t 300" in (by_product["EX-77"].reason or "")
    assert "13 recommended, 1 not enough evidence" in output
    assert {path.stem for path in (folder / "sheets").iterdir()} == set(by_product)


def test_the_same_files_give_the_same_bytes(folder: Path) -> None:
    time = ("--made-at", "2026-11-20T08:00:00+08:00")
    first, _ = _recommend(folder, *time, out="one.json")
    _recommend(folder, *time, out="two.json")

    assert (folder / "one.json").read_bytes() == (folder / "two.json").read_bytes()
    assert first.made_at.isoformat() == "2026-11-20T00:00:00+00:00"


def test_only_what_is_asked_for_is_answered(folder: Path) -> None:
    new, _ = _recommend(folder, "--only-new", out="new.json")
    two, _ = _recommend(folder, "--product", "EX-1", "--product", "EX-5", out="two-products.json")

    assert [one.product for one in new.items] == list(NEW)
    assert [one.product for one in two.items] == ["EX-1", "EX-5"]


def test_asked_again_it_tells_that_nothing_is_new(folder: Path) -> None:
    _recommend(folder, "--product", "EX-1", out="old.json")
    _, output = _recommend(folder, "--product", "EX-1", "--before", str(folder / "old.json"), out="again.json")

    assert "nothing new" in output


def test_a_product_never_made_is_answered_from_its_features_alone(folder: Path) -> None:
    more = ("--feature", "tonnage_t=12", "--feature", "weld_length_m=40.5", "--product", "EX-9000")
    file, output = _recommend(folder, *more, out="features.json")

    assert [(one.product, one.route) for one in file.items] == [("EX-9000", BEST)]
    assert "EX-9000" in output


def test_todays_load_gives_a_route_of_today(folder: Path) -> None:
    load = {"leadhand": "load/1", "work_units": {"robot-new": {"unavailable": True, "why": "broken"}}}
    (folder / "load.json").write_text(json.dumps(load))

    file, _ = _recommend(folder, "--product", "EX-1", "--today", str(folder / "load.json"), out="today.json")

    today = file.items[0].today
    assert today is not None
    assert today.route == ("laser", "robot-old", "booth")
    assert today.avoided == {"robot-new": "broken"}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--product", "EX-99"), "--product EX-99: .* has no product of that name"),
        (("--feature", "tonnage_t=12"), "feature 'weld_length_m'"),
        (("--feature", "tonnage_t"), "--feature tonnage_t: write NAME=VALUE"),
        (("--feature", "tonnage_t=1", "--feature", "tonnage_t=2"), "--feature tonnage_t: is given twice"),
        (("--feature", "tonnage_t=1", "--product", "EX-1"), "has a product of that name"),
        (("--made-at", "noon"), "--made-at: 'noon' is no time"),
        (("--windows", "{0}/none.toml"), "none.toml: cannot be read"),
        (("--today", "{0}/network.json"), r"network\.json: "),
        (("--out", "{0}/nowhere/R.json"), "there is no folder"),
        (("--only-new", "--product", "EX-1"), "all have rows in the history"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(folder: Path, more: tuple[str, ...], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        _recommend(folder, *(one.format(folder) for one in more), out="wrong.json")

    assert not (folder / "wrong.json").exists()


def test_a_features_cell_that_is_no_number_is_told_by_row_and_column(folder: Path, tmp_path: Path) -> None:
    text = (folder / "products.csv").read_text().replace(f"{features(2)['tonnage_t']:g}", "heavy", 1)
    (tmp_path / "products.csv").write_text(text)

    with pytest.raises(SettingsError, match=r"products\.csv: row \d+, column 'tonnage_t'"):
        _recommend(folder, "--products", str(tmp_path / "products.csv"), out="wrong.json")


def test_a_window_keeps_a_route_out(folder: Path, tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads((folder / "network.json").read_text())
    for operation in content["operations"]:
        for alternative in operation["alternatives"]:
            if alternative["id"] == "robot-new":
                alternative["parameters"] = {"current_a": 400.0}
    (tmp_path / "network.json").write_text(json.dumps(content))
    (tmp_path / "windows.toml").write_text(
        '[[windows]]\nwork_unit = "robot-new"\nversion = 1\nauthor = "Ann"\napprover = "Bob"\n'
        'parameters = [{ name = "current_a", unit = "A", low = 200.0, high = 300.0, step = 10.0 }]\n'
    )

    more = ("--network", str(tmp_path / "network.json"), "--windows", str(tmp_path / "windows.toml"), "--product", "EX-1")
    file, _ = _recommend(folder, *more, out="window.json")

    assert file.items[0].route == ("laser", "robot-old", "booth")
    assert [(one.alternative, one.rule) for one in file.items[0].removed] == [("robot-new", "process window")]
