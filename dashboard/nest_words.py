"""What states, metrics and reasons of nests are called to people."""

from __future__ import annotations

from dash.development.base_component import Component

from dashboard.pages.parts import state
from dashboard.texts import Texts

_LOOKS = {"proposed": "waiting", "released": "normal", "cut": "normal", "withdrawn": "stale", "superseded": "stale"}


def nest_state(name: str, t: Texts) -> Component:
    """Return how far a nest is: grey circles, dashed while it waits for somebody."""
    words = {
        "proposed": t("proposed"),
        "released": t("released to be cut"),
        "cut": t("cut"),
        "withdrawn": t("withdrawn"),
        "superseded": t("superseded"),
    }
    return state(_LOOKS.get(name, "stale"), words.get(name, name))


def metric_words(metric: str, t: Texts) -> tuple[str, str]:
    """Return a metric's name and what it divides by what."""
    words = {
        "gross": (t("gross"), t("area of the parts over the whole area of the sheets")),
        "credited": (t("credited"), t("area of the parts over the sheets less the remnants that go back into stock")),
        "net": (t("net"), t("parts with half the distance round each, over what may be cut of the sheets")),
        "net_credited": (t("net, credited"), t("the same, less the remnants that go back into stock")),
    }
    return words[metric]


def left_words(reason: str, t: Texts) -> str:
    """Return why a part was not laid."""
    words = {
        "no_sheet": t("there is no sheet of its material and thickness"),
        "too_large": t("it fits no sheet of its material and thickness, as it may lie"),
        "no_grain": t("it would fit, but on no sheet whose rolling direction is known"),
        "stock_used_up": t("all sheets it fits are full"),
        "stopped": t("the search ended before its turn"),
    }
    return words.get(reason, reason)
