import time
import tomllib
from pathlib import Path

import pytest

from plant.equipment import Level
from plant.errors import SettingsError
from plant.settings import SiteFile
from plant.signals import DataType, Range, StoreRule
from plant.site import load_site, site_of, site_schema

SITE = """
[site]
enterprise = "acme"
id = "north"
name = "North works"
time_zone = "Europe/Berlin"

[[equipment]]
path = "welding/cell-{1..2}/robot-{1..3}"
name = "Robot {unit}"
kind = "welding_robot"

[[sources]]
protocol = "opcua"
id = "cells"
url = "opc.tcp://127.0.0.1:4840"

[[signals]]
equipment = "welding/*/robot-*"
name = "{current,voltage}"
source = "cells"
address = "nsu=urn:acme:cells;s={equipment}.{signal}"
unit = "A"
range = { low = 0, high = 600 }
store = "on_change"
"""


def written(folder: Path, text: str, name: str = "site.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_site(path)
    return caught.value.problems


def test_one_rule_gives_signals_to_all_equipment_that_fits(tmp_path: Path) -> None:
    site = load_site(written(tmp_path, SITE))
    assert len(site.signals) == 12
    first = site.signals[0]
    assert first.path == "acme/north/welding/cell-1/robot-1/current"
    assert first.address == "nsu=urn:acme:cells;s=welding/cell-1/robot-1.current"
    assert (first.interval_us, first.data_type, first.store) == (30_000, DataType.DOUBLE, StoreRule.ON_CHANGE)
    assert first.range == Range(0, 600)


def test_the_levels_above_stand_before_what_hangs_below_them(tmp_path: Path) -> None:
    site = load_site(written(tmp_path, SITE))
    ids = [node.id for node in site.equipment]
    assert ids[:4] == ["acme", "acme/north", "acme/north/welding", "acme/north/welding/cell-1"]
    assert all(node.parent is None or ids.index(node.parent) < ids.index(node.id) for node in site.equipment)
    levels = {node.id: node.level for node in site.equipment}
    assert levels["acme/north/welding/cell-1"] is Level.WORK_CENTER  # type: ignore[index]
    robot = site.equipment[4]
    assert (robot.level, robot.name, robot.kind) == (Level.WORK_UNIT, "Robot robot-1", "welding_robot")


def test_a_file_may_include_others(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    written(tmp_path / "lines", '[[equipment]]\npath = "painting/booth-1/cabin"\n', "paint.toml")
    site = load_site(written(tmp_path, 'include = ["lines/*.toml"]\n' + SITE))
    assert site.equipment[-1].id == "acme/north/painting/booth-1/cabin"


@pytest.mark.parametrize(
    ("change", "with_", "says"),
    [
        ('unit = "A"', 'unitt = "A"', ["site.toml: signals[1].unitt: unknown key"]),
        ('unit = "A"', "unit = 3", ["site.toml: signals[1].unit:", "valid string, not 3"]),
        ('equipment = "welding/*/robot-*"', 'equipment = "wending/*"', ["signals[1].equipment: no equipment fits 'wending/*'"]),
        ('source = "cells"', 'source = "cell"', ["signals[1].source: unknown source 'cell'", "cells"]),
        ("{equipment}.{signal}", "{signal}", ["signals[1].address: 'nsu=urn:acme:cells;s=current'", "each address may be read once"]),
        ("low = 0, high = 600", "low = 600, high = 0", ["signals[1].range: low (600) must be below high (0)"]),
        ("Europe/Berlin", "Europe/Atlantis", ["site.time_zone", "no time zone", "IANA"]),
        ("[site]", "[site", ["site.toml: not TOML", "line 2"]),
        ("robot-{1..3}", "robot-{3..1}", ["equipment[1].path: the range '{3..1}' runs backwards"]),
        ("robot-{1..3}", "röbot", ["equipment[1].path: 'röbot'", "A-Z"]),
        ("opc.tcp://127.0.0.1:4840", "http://x", ["sources[1].url: write opc.tcp://host:port"]),
        ("opc.tcp://127.0.0.1:4840", "opc.tcp://press-4", ["sources[1].url: write opc.tcp://host:port"]),
        ('"{current,voltage}"', '"{current,current}"', ["signals[1]: gives 'acme/north/welding/cell-1/robot-1/current' again"]),
        ('id = "cells"', 'id = "cells"\nsecurity = { policy = "None", mode = "None" }', ["sources[1]", "allow_insecure = true"]),
        ('unit = "A"', "sampling_interval_ms = 100", ["signals[1].sampling_interval_ms", "each 30 ms"]),
    ],
)
def test_each_mistake_is_named_with_file_key_and_what_is_expected(tmp_path: Path, change: str, with_: str, says: list[str]) -> None:
    assert change in SITE
    text = "\n".join(problems_of(written(tmp_path, SITE.replace(change, with_))))
    for words in says:
        assert words in text


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = SITE.replace('unit = "A"', 'foo = 1\nbar = "x"').replace("127.0.0.1:4840", "127.0.0.1:4840\nextra = 1", 1)
    assert len(problems_of(written(tmp_path, SITE.replace('unit = "A"', "foo = 1\nbar = 2")))) == 2
    assert problems_of(written(tmp_path, text))


def test_a_missing_file_and_an_empty_include_are_said(tmp_path: Path) -> None:
    assert "there is no such file" in problems_of(tmp_path / "none.toml")[0]
    assert "finds no file" in problems_of(written(tmp_path, 'include = ["more/*.toml"]\n' + SITE))[0]


def test_only_the_first_file_names_the_site(tmp_path: Path) -> None:
    written(tmp_path, '[site]\nenterprise = "b"\nid = "c"\n', "other.toml")
    assert "only the first file" in problems_of(written(tmp_path, 'include = ["other.toml"]\n' + SITE))[0]


def test_mqtt_without_a_user_must_be_allowed_by_name() -> None:
    source = {"protocol": "mqtt", "id": "m", "url": "mqtt://127.0.0.1", "topics": [{"filter": "a/#"}]}
    with pytest.raises(ValueError, match="allow_anonymous"):
        SiteFile.model_validate({"sources": [source]})
    SiteFile.model_validate({"sources": [{**source, "allow_anonymous": True}]})


@pytest.mark.parametrize("wrong", ["a/#/b", "a+", "", "a/b#"])
def test_an_impossible_topic_filter_is_refused(wrong: str) -> None:
    source = {"protocol": "mqtt", "id": "m", "url": "mqtt://127.0.0.1", "allow_anonymous": True, "topics": [{"filter": wrong}]}
    with pytest.raises(ValueError, match="topic filter"):
        SiteFile.model_validate({"sources": [source]})


def test_the_schema_knows_every_key_of_the_example() -> None:
    schema = site_schema()
    for key, entries in tomllib.loads(SITE).items():
        assert key in schema["properties"]
        assert entries


def test_ten_thousand_signals_need_one_rule_and_load_fast() -> None:
    text = SITE.replace("cell-{1..2}", "cell-{1..50}").replace("robot-{1..3}", "robot-{1..100}")
    started = time.process_time()
    site = site_of(SiteFile.model_validate(tomllib.loads(text)))
    assert len(site.signals) == 10_000
    assert time.process_time() - started < 10


@pytest.mark.parametrize("key", ["unit", "address", "description"])
def test_a_text_that_no_database_keeps_is_told_before_anything_connects(tmp_path: Path, key: str) -> None:
    path = tmp_path / "site.toml"
    text = SITE if key != "description" else SITE + 'description = "d"\n'
    line = next(line for line in text.splitlines() if line.startswith(f"{key} ="))
    path.write_text(text.replace(line, line[:-1] + '\\u0000"'))
    with pytest.raises(SettingsError, match=rf"{key}.*NUL"):
        load_site(path)
