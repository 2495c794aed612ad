"""What is charted stands in site.toml, and what is wrong with it is said by file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from plant.charts import ChartKind, RuleSet, Taken, Tightened
from plant.errors import SettingsError
from plant.site import Site, load_site

_SITE = """
site = { enterprise = "acme", id = "north" }
[[equipment]]
path = "machining/line/mill-{1..2}"
name = "Mill {unit}"
[[equipment]]
path = "assembly/bay/station"
[[sources]]
protocol = "opcua"
id = "mills"
url = "opc.tcp://127.0.0.1:4840"
security = { policy = "None", mode = "None" }
allow_insecure = true
[[signals]]
equipment = "machining/line/mill-*"
name = "{bore,parts,scrap}"
source = "mills"
address = "ns=1;s={equipment}/{signal}"
unit = "mm"
[[signals]]
equipment = "machining/line/mill-*"
name = "step"
source = "mills"
data_type = "string"
address = "ns=1;s={equipment}/{signal}"
"""


def site(tmp_path: Path, charts: str) -> Site:
    path = tmp_path / "site.toml"
    path.write_text(_SITE + charts)
    return load_site(path)


def test_one_rule_gives_a_chart_to_each_equipment_that_fits(tmp_path: Path) -> None:
    found = site(
        tmp_path,
        """
        [[charts]]
        id = "bore"
        equipment = "machining/**"
        signal = "bore"
        trigger = "parts"
        kind = "xbar_r"
        low = 119.97
        high = 120.03
        rules = "western_electric"
        [[charts]]
        id = "torque"
        name = "Torque at {unit}"
        equipment = "assembly/bay/station"
        tightening = "torque"
        tool = true
        """,
    ).charts
    assert [one.id for one in found] == [
        "bore:acme/north/machining/line/mill-1",
        "bore:acme/north/machining/line/mill-2",
        "torque:acme/north/assembly/bay/station",
    ]
    bore, _, torque = found
    assert (bore.subgroup, bore.kind, bore.rules, bore.taken, bore.unit) == (
        5,
        ChartKind.XBAR_R,
        RuleSet.WESTERN_ELECTRIC,
        Taken.LAST,
        "mm",
    )
    assert bore.trigger == "acme/north/machining/line/mill-1/parts"
    assert bore.name == "Mill mill-1: bore"
    assert (torque.tightened, torque.unit, torque.name, torque.tool) == (Tightened.TORQUE, "N.m", "Torque at station", True)


@pytest.mark.parametrize(
    ("chart", "words"),
    [
        ('equipment = "machining/**"\nsignal = "bore"', "give 'trigger' or 'every_seconds'"),
        ('equipment = "machining/**"\nsignal = "nothing"\ntrigger = "parts"', "charts[1].signal: there is no signal 'nothing'"),
        ('equipment = "machining/**"\nsignal = "step"\ntrigger = "parts"', "'step' is a text"),
        ('equipment = "painting/**"\nsignal = "bore"\ntrigger = "parts"', "no equipment fits 'painting/**'"),
        ('equipment = "**"\ntightening = "torque"\nkind = "p"\nevery_seconds = 60', 'tightening = "verdict"'),
        ('equipment = "**"\ntightening = "torque"\nlow = 5\nhigh = 4', "'low' must lie below 'high'"),
        ('equipment = "**"\ntightening = "torque"\nsubgroup = 5', "individuals has subgroups of 1"),
        ('equipment = "**"\ntightening = "torque"\nmean = 5', "'mean' and 'sigma' together"),
        ('equipment = "**"\ntightening = "torque"\ncolour = 5', "unknown key"),
        ('equipment = "machining/**"\nsignal = "scrap"\nkind = "p"\nevery_seconds = 60', "a counter of all parts"),
    ],
)
def test_what_is_wrong_is_said_by_file_and_key(tmp_path: Path, chart: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        site(tmp_path, f'[[charts]]\nid = "one"\n{chart}\n')
    assert words in str(caught.value)
    assert "site.toml: charts[1]" in str(caught.value)


def test_an_id_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    one = '[[charts]]\nid = "one"\nequipment = "assembly/bay/station"\ntightening = "angle"\n'
    with pytest.raises(SettingsError, match="there is a chart 'one' already"):
        site(tmp_path, one + one)
