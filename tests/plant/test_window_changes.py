"""What differs between two sets of process windows, and one window written into a text that a person wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from plant.process_windows import ProcessWindow, parse_windows
from plant.window_changes import Differs, Side, window_changes, window_text, with_window

TEXT = Path("docs/examples/tuning/windows.toml").read_text("utf-8")
WINDOW = parse_windows(TEXT).windows[0]
OTHER = window_text(ProcessWindow.model_validate(WINDOW.model_dump() | {"program": "WPS-2"}))


def changed(old: str, new: str) -> list[tuple[str, str, object, object, Side]]:
    found = window_changes(parse_windows(TEXT), parse_windows(TEXT.replace(old, new)))
    return [(one.name, one.field, one.before, one.after, one.side) for each in found for one in each.limits]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("low = 205", "low = 200", ("current", "low", 205, 200, Side.WIDER)),
        ("low = 205", "low = 210", ("current", "low", 205, 210, Side.NARROWER)),
        ("high = 30.1", "high = 30.4", ("voltage", "high", 30.1, 30.4, Side.WIDER)),
        ("step = 25", "step = 20", ("travel_speed", "step", 25, 20, Side.NARROWER)),
        ("rate = 20\n", "\n", ("current", "rate", 20, None, Side.WIDER)),
        ("dead_band = 5", "dead_band = 6", ("travel_speed", "dead_band", 5, 6, Side.OTHER)),
        ("high = 1.238\n", "\n", ("heat_input", "high", 1.238, None, Side.WIDER)),
        ('unit = "kJ/mm"', 'unit = "J/mm"', ("heat_input", "unit", "kJ/mm", "J/mm", Side.OTHER)),
        ("low = 3.34", "low = 3.5", ("penetration", "low", 3.34, 3.5, Side.NARROWER)),
        ("scrap_max = 0.06", "scrap_max = 0.1", ("scrap_max", "high", 0.06, 0.1, Side.WIDER)),
    ],
)
def test_a_change_tells_whether_more_is_allowed(old: str, new: str, told: tuple[object, ...]) -> None:
    assert changed(old, new) == [told]


def test_a_limit_that_is_gone_allows_more_and_windows_come_and_go() -> None:
    gone = TEXT[: TEXT.index("[[windows.responses]]")] + TEXT[TEXT.index("[windows.objective]") :]
    (found,) = window_changes(parse_windows(TEXT), parse_windows(gone))
    assert [(one.name, one.before, one.after, one.side) for one in found.limits][:2] == [
        ("penetration", "3.34 …", None, Side.WIDER),
        ("width", "9.7 … 11.97", None, Side.WIDER),
    ]
    both = parse_windows(TEXT + "\n" + OTHER)
    assert [(one.program, one.what) for one in window_changes(parse_windows(TEXT), both)] == [("WPS-2", Differs.ADDED)]
    assert [(one.program, one.what) for one in window_changes(both, parse_windows(OTHER))] == [("WPS-1003", Differs.REMOVED)]
    assert window_changes(None, both)[0].version_after == 1
    assert window_changes(both, both) == ()


def test_a_change_without_a_new_version_is_told_to_be_silent() -> None:
    (same,) = window_changes(parse_windows(TEXT), parse_windows(TEXT.replace("low = 205", "low = 200")))
    (raised,) = window_changes(
        parse_windows(TEXT), parse_windows(TEXT.replace("low = 205", "low = 200").replace("version = 1", "version = 2"))
    )
    assert (same.silent, raised.silent) == (True, False)


@pytest.mark.parametrize("text", [TEXT, TEXT + "\n" + OTHER, OTHER + "\n# the other robot\n" + TEXT, "windows = []", ""])
def test_a_window_is_written_into_its_place_and_remarks_stay(text: str) -> None:
    wider = ProcessWindow.model_validate(WINDOW.model_dump() | {"version": 2, "author": "li.wei", "approver": "chen.hao", "job": "*"})
    if text == "windows = []":
        text = f"windows = [ {{ work_unit = 'a', version = 1, author = 'x', approver = 'y', parameters = [{PARAMETER}] }} ]"
    before = parse_windows(text).windows if text else ()

    after = with_window(text, wider)

    kept = [one for one in parse_windows(after).windows if one.program != "WPS-1003"]
    assert kept == [one for one in before if one.program != "WPS-1003"]
    assert [one for one in parse_windows(after).windows if one.program == "WPS-1003"] == [wider]
    for remark in ("# the other robot", "# The process window of a welding robot"):
        assert (remark in after) == (remark in text)


PARAMETER = "{ name = 'p', unit = '1', low = 0, high = 1, step = 1 }"


def test_all_that_a_window_may_hold_is_written_and_read_again_alike() -> None:
    linear = {"name": "sum", "formula": "linear", "weights": {"current": 1.0, "wire feed": -2.5}, "high": 10.0}
    told = WINDOW.model_dump()
    told["parameters"] = [*told["parameters"], {"name": "wire feed", "unit": "1", "low": -1e-7, "high": 1e12, "step": 1e-9}]
    told["joint_limits"] = [*told["joint_limits"], linear]
    window = ProcessWindow.model_validate(told | {"author": 'a "quoted" \\ 作者'})
    assert parse_windows(window_text(window)).windows == (window,)
