import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.patterns import expand, matches


@pytest.mark.parametrize(
    ("template", "strings"),
    [
        ("robot-{1..3}", ["robot-1", "robot-2", "robot-3"]),
        ("robot-{08..10}", ["robot-08", "robot-09", "robot-10"]),
        ("axis-{x,y}-{1..2}", ["axis-x-1", "axis-x-2", "axis-y-1", "axis-y-2"]),
        ("{equipment}/{a, b}", ["{equipment}/a", "{equipment}/b"]),
        ("plain", ["plain"]),
    ],
)
def test_one_rule_stands_for_many_names_in_order(template: str, strings: list[str]) -> None:
    assert expand(template) == strings


@pytest.mark.parametrize("template", ["{3..1}", "{1..2000000}", "{1..2000}{1..2000}"])
def test_a_range_that_cannot_be_meant_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"runs backwards|more than"):
        expand(template)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("welding/*/robot-*", "welding/cell-1/robot-3", True),
        ("welding/*/robot-*", "welding/cell-1/x/robot-3", False),
        ("welding/*", "welding/cell-1/robot-3", False),
        ("**", "welding/cell-1/robot-3", True),
        ("**/robot-?", "welding/cell-1/robot-3", True),
        ("**/robot-?", "robot-3", True),
        ("welding/**/current", "welding/current", True),
        ("welding/**/current", "welding/a/b/current", True),
        ("welding/**", "welding/a/b", True),
        ("weld.ng/*", "welding/a", False),
    ],
)
def test_a_star_stays_in_its_segment_and_two_stars_do_not(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, path) is fits


@given(st.lists(st.from_regex(r"[A-Za-z0-9_.+()-]{1,8}", fullmatch=True), min_size=1, max_size=6).map("/".join))
def test_a_path_without_wildcards_fits_only_itself(path: str) -> None:
    assert matches(path, path)
    assert not matches(path, path + "x")
    assert not matches(path, "x" + path)
