"""What is written can be read: contrast of at least 4.5 : 1 between text and ground, in both themes (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

SHEET = (Path(__file__).parents[2] / "dashboard" / "assets" / "leadhand.css").read_text(encoding="utf-8")
TEXTS = ("ink", "ink-2", "critical", "warning", "bad", "stale", "accent")
GROUNDS = ("ground", "panel")


def colours(theme: str) -> dict[str, str]:
    """The colours that one theme sets."""
    block = SHEET[SHEET.index(f'[data-mantine-color-scheme="{theme}"] {{') :].split("}")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    """Relative luminance by WCAG."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio by WCAG, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_is_the_largest_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(theme: str) -> None:
    found = colours(theme)
    pairs = [*product(TEXTS, GROUNDS), ("ink", "panel-2"), ("ink-2", "panel-2"), ("critical-ink", "critical"), ("accent-ink", "accent")]
    weak = {pair: round(contrast(found[pair[0]], found[pair[1]]), 2) for pair in pairs if contrast(found[pair[0]], found[pair[1]]) < 4.5}
    assert weak == {}


def test_nothing_in_the_sheets_and_scripts_of_ours_names_another_server() -> None:
    for file in (Path(__file__).parents[2] / "dashboard" / "assets").glob("*.*"):
        named = set(re.findall(r"https?://([\w.-]+)", file.read_text(encoding="utf-8"))) - {"www.w3.org"}
        assert named == set(), file.name
