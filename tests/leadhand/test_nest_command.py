"""``leadhand nest``: a file in, a checked nest out; for people and for programs."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from leadhand.__main__ import app
from plant.errors import Rejected, SettingsError
from plant.nests import PackedStrip, Placements
from protocols.dxf import read_parts

_PLATE: dict[str, Any] = {"name": "plate", "rectangle": [300, 200], "quantity": 4, "factory": "cranes"}
_SHEET: dict[str, Any] = {"name": "S", "width": 1000, "height": 500, "quantity": 2}


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _nested(file: Path, *words: object) -> dict[str, Any]:
    told = _run("nest", file, "--seconds", 1, "--json", *words)
    assert told.exit_code == 0, told.output
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def _written(folder: Path, *parts: object, **more: object) -> Path:
    file = folder / "week.json"
    told = {"leadhand": "nest-problem/1", "name": "week 7", "rules": {"kerf": 2, "gap": 8, "margin": 10}, "sheets": [_SHEET]}
    file.write_text(json.dumps(told | {"parts": parts} | more), "utf-8")
    return file


def _strip(folder: Path, *items: object, height: float = 30) -> Path:
    file = folder / "strip.json"
    file.write_text(json.dumps({"name": "few", "items": items, "strip_height": height}), "utf-8")
    return file


def _item(name: int, data: object, demand: int = 1, **more: object) -> dict[str, object]:
    return {"id": name, "demand": demand, "shape": {"type": "simple_polygon", "data": data}, "allowed_orientations": [0, 180]} | more


_SQUARE = [[0, 0], [0, 10], [10, 10], [10, 0], [0, 0]]


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Result]:
    """A week's parts on sheets, written, drawn and told in each way."""
    folder = tmp_path_factory.mktemp("week")
    file = _written(
        folder,
        _PLATE,
        {"name": "bow", "outline": [[0, 0], [100, 100], [100, 0], [0, 100]]},
        {"name": "giant", "rectangle": [4000, 300]},
        {"name": "none", "rectangle": [40, 30], "quantity": 0},
    )
    told = _run(
        *("nest", file, "--seconds", 1, "--output", folder / "nest.json", "--svg", folder / "a" / "svg", "--dxf", folder / "dxf"),
    )
    assert told.exit_code == 0, told.output
    return folder, json.loads((folder / "nest.json").read_text("utf-8")), told


def test_a_file_in_a_checked_nest_out(sheets: tuple[Path, dict[str, Any], Result]) -> None:
    _, found, _ = sheets
    assert (found["leadhand"], found["kind"], found["name"], found["unit"], found["verified"]) == ("nest/1", "sheets", "week 7", "mm", True)
    assert (found["parts_asked"], found["parts_laid"], found["parts_left"], found["sheets_cut"]) == (5, 4, 1, 1)
    assert found["seed"] == 1
    assert min(found["seconds"], found["cpu_seconds"]) >= 0
    (layout,) = found["layouts"]
    assert (layout["sheet"], layout["sheet_number"], layout["copies"], layout["width"]) == ("S", 1, 1, 1000)
    assert [(one["part"], one["number"]) for one in layout["placements"]] == [("plate", 1)] * 4
    assert {"x", "y", "rotation", "order"} <= set(layout["placements"][0])
    assert found["utilisation"]["gross"] == pytest.approx(4 * 60_000 / 500_000)
    assert set(found["utilisation"]) == set(found["utilisation_is"]) == {"gross", "credited", "net", "net_credited"}


def test_what_is_not_laid_is_told_by_name_and_reason(sheets: tuple[Path, dict[str, Any], Result]) -> None:
    _, found, told = sheets
    assert [(one["part"], one["number"], one["quantity"], one["reason"]) for one in found["left"]] == [("giant", 3, 1, "too_large")]
    assert [(one["what"], one["number"], one["name"]) for one in found["refused"]] == [("part", 2, "bow")]
    assert found["not_asked"] == ["none"]
    assert "part 2 (bow) is left aside: the outline crosses or touches itself near (50, 50)" in told.stderr
    assert "not laid: 1 x giant: it is larger than any sheet" in told.stdout


def test_people_see_every_metric_by_its_name(sheets: tuple[Path, dict[str, Any], Result]) -> None:
    _, _, told = sheets
    assert "4 of 5 parts laid on 1 sheet" in told.stdout
    assert " 48.00 % gross (parts / sheets)" in told.stdout
    for words in ("% credited", "% net of kerf, gap and margin", "remnants credited", "verified: it keeps every rule", "4 x plate"):
        assert words in told.stdout
    assert "week 7: 5 parts of 2 kinds, 2 sheets in stock" in told.stderr


def test_layouts_are_drawn_for_people_and_for_the_machine(sheets: tuple[Path, dict[str, Any], Result]) -> None:
    folder, _, _ = sheets
    drawing = ET.parse(folder / "a" / "svg" / "layout-001.svg")  # noqa: S314 - our own drawing
    assert len([one for one in drawing.iter() if (one.get("class") or "").startswith("part f0") and one.tag.endswith("path")]) == 4
    assert len(read_parts((folder / "dxf" / "layout-001.dxf").read_bytes(), "layout")) == 4


def test_a_strip_of_sparrow_is_packed_and_told(tmp_path: Path) -> None:
    found = _nested(_strip(tmp_path, _item(7, _SQUARE, 6), _item(9, _SQUARE, 0)), "--seed", 5)
    assert (found["kind"], found["name"], found["strip_height"], found["items"], found["seed"]) == ("strip", "few", 30, 6, 5)
    assert found["verified"] is True
    assert found["density"] == pytest.approx(600 / (30 * found["strip_length"]))
    assert found["density_percent"] == pytest.approx(100 * found["density"])
    assert 20 <= found["strip_length"] <= 30
    assert {one["item_id"] for one in found["placements"]} == {7}
    assert {"rotation", "x", "y"} <= set(found["placements"][0])
    assert found["not_asked"] == ["9"]


def test_odd_outlines_of_others_are_packed(tmp_path: Path) -> None:
    round_one = [[5 * math.cos(turn / 2_500 * math.pi), 5 * math.sin(turn / 2_500 * math.pi)] for turn in range(5_000)]
    file = _strip(
        tmp_path,
        _item(1, _SQUARE[::-1]),
        _item(2, round_one),
        _item(3, [[0, 0], [4, 4]]),
        {"id": "left-2", "demand": 1, "shape": {"type": "rectangle", "data": {"x_min": 3, "y_min": -9, "width": 4, "height": 5}}},
        _item(5, [[1e6, 1e6], [1e6 + 8, 1e6], [1e6, 1e6 + 8]], allowed_orientations=None),
    )
    found = _nested(file)
    assert sorted(str(one["item_id"]) for one in found["placements"]) == ["1", "2", "5", "left-2"]
    assert found["refused"][0]["problems"] == ["the outline has 2 different corners; at least 3"]


def test_a_strip_of_nothing_is_no_error(tmp_path: Path) -> None:
    found = _nested(_strip(tmp_path, _item(9, _SQUARE, 0)))
    assert (found["strip_length"], found["density"], found["placements"]) == (0, 0, [])


def test_where_every_part_is_wrong_the_file_is(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        CliRunner().invoke(app, ["nest", str(_written(tmp_path, {"name": "x", "circle": -1}, {"name": "y"}))], catch_exceptions=False)
    assert len(caught.value.problems) == 2
    assert "week.json: part 1 (x) is left aside: circle: Input should be greater than 0, not -1" in caught.value.problems[0]


def test_nothing_laid_is_told_by_the_exit_code(tmp_path: Path) -> None:
    told = _run("nest", _written(tmp_path, {"name": "giant", "rectangle": [4000, 300]}), "--seconds", 1, "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["left"][0]["reason"] == "too_large"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--output", "no/where/nest.json"), "--output no/where/nest.json: there is no folder no/where"),
        (("--svg", "week.json"), "--svg week.json: is no folder that can be made"),
        (("--dxf", "week.json/x"), "--dxf week.json/x: is no folder that can be made"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], problem: str
) -> None:
    file = _written(tmp_path, _PLATE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        CliRunner().invoke(app, ["nest", str(file), *words], catch_exceptions=False)
    assert problem in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        CliRunner().invoke(app, ["nest", str(tmp_path / "x.json")], catch_exceptions=False)


def test_a_nest_that_breaks_a_rule_is_never_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bent(*_: object, **__: object) -> PackedStrip:
        nothing = Placements(*(column for column in _zeros(2)))
        return PackedStrip(10.0, nothing)

    monkeypatch.setattr("optimizer.nesting.strips.pack_strip", bent)
    file = _strip(tmp_path, _item(1, _SQUARE, 2))
    with pytest.raises(Rejected) as caught:
        CliRunner().invoke(app, ["nest", str(file), "--json"], catch_exceptions=False)
    assert "the nest found breaks rules, and is not given" in str(caught.value)
    assert "overlap by 100 mm2" in str(caught.value)


def _zeros(count: int) -> tuple[Any, Any, Any, Any]:
    import numpy as np

    return np.zeros(count, np.int32), np.zeros(count), np.zeros(count), np.zeros(count)


@pytest.mark.heavy
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_gives_the_best_so_far(tmp_path: Path) -> None:
    file = _strip(tmp_path, _item(7, _SQUARE, 20), _item(8, [[0, 0], [7, 0], [3, 9]], 20))
    words = [sys.executable, "-m", "leadhand", "nest", str(file), "--seconds", "300", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asked:
        assert asked.stderr is not None
        assert "40 parts" in asked.stderr.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            asked.wait(10)
        asked.send_signal(signal.SIGINT)
        out, _ = asked.communicate(timeout=60)
    assert asked.returncode == 0
    found = json.loads(out)
    assert found["interrupted"] is True
    assert found["verified"] is True
    assert len(found["placements"]) == 40
