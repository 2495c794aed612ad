"""``[optimizer]``: what is not given is the network's or off, and what is wrong is told by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from plant.equipment import EquipmentId
from plant.errors import SettingsError
from plant.optimizer_rules import OptimizerPlan
from plant.route_costs import CostWeights
from plant.site import load_site

SITE = """
site = { enterprise = "acme", id = "north" }
equipment = [{ path = "welding/robot-{1..2}" }]
"""


def plan(folder: Path, text: str) -> OptimizerPlan:
    site = folder / "site.toml"
    site.write_text(SITE + text)
    return load_site(site).optimizer


def test_without_settings_there_is_no_optimizer_and_with_an_empty_piece_it_is_careful(tmp_path: Path) -> None:
    assert not plan(tmp_path, "")
    told = plan(tmp_path, "[optimizer]\n")
    assert told
    assert told.inbox is None
    weights = CostWeights(per_minute=2, per_kwh=0.2, risk_aversion=0.4)
    assert told.settings.weights(weights) == weights


def test_prices_of_the_site_hold_over_those_of_the_network(tmp_path: Path) -> None:
    told = plan(tmp_path, "[optimizer]\nrisk_aversion = 0\ncost = { per_kwh = 0.3 }\n")
    assert told.settings.weights(CostWeights(per_minute=2, per_kwh=0.2, risk_aversion=0.4)) == CostWeights(per_minute=2, per_kwh=0.3)


def test_it_is_told_which_alternative_is_at_work_where_equipment_runs_a_program(tmp_path: Path) -> None:
    told = plan(
        tmp_path,
        """
[optimizer]
inbox = "history"
performs = [
  { alternative = "weld-boom-r1", equipment = "welding/robot-1", program = "BOOM-*" },
  { alternative = "weld-r1", equipment = "welding/robot-1" },
]
""",
    )
    robot = EquipmentId("acme/north/welding/robot-1")
    assert told.alternative(robot, "BOOM-20") == "weld-boom-r1"
    assert told.alternative(robot, "ARM-20") == "weld-r1"
    assert told.alternative(EquipmentId("acme/north/welding/robot-2"), "BOOM-20") is None
    assert told.inbox == tmp_path / "history"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[optimizer]\nlest_rows = 5", "optimizer.lest_rows: unknown key"),
        ("[optimizer]\nrisk_aversion = -1", "optimizer.risk_aversion: Input should be greater than or equal to 0"),
        ("[optimizer]\nleast_rows = 5000\nmost_rows = 1000", "most_rows (1,000) must not be below least_rows (5,000)"),
        ("[optimizer]\nperforms = [{ alternative = 'a', equipment = 'welding/robot-9' }]", "performs[1].equipment: there is no equipment"),
        (
            (
                "[[optimizer.performs]]\nalternative = 'a'\nequipment = 'welding/robot-1'\n"
                "[[optimizer.performs]]\nalternative = 'b'\nequipment = 'welding/robot-1'"
            ),
            "performs[2]: performs[1] says of the same equipment and program what it does",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as told:
        plan(tmp_path, text)
    assert words in str(told.value)


def test_two_files_must_not_both_say_how_routes_are_recommended(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("[optimizer]\n")
    (tmp_path / "site.toml").write_text('include = ["more.toml"]\n' + SITE + "[optimizer]\n")
    with pytest.raises(SettingsError, match=r"more.toml: optimizer: stands in .*site.toml: optimizer already"):
        load_site(tmp_path / "site.toml")
