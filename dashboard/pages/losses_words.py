"""States, losses and durations of the page of losses as people read them."""

from __future__ import annotations

from dashboard.pages.parts import NONE_SHOWN
from dashboard.texts import Texts

LOOKS = {
    "production": "normal",
    "setup": "waiting",
    "breakdown": "critical",
    "minor_stop": "warning",
    "waiting": "warning",
    "maintenance": "waiting",
    "idle": "waiting",
    "off": "stale",
    "unknown": "bad",
}
"""By kind of loss, how a state is drawn."""


def loss_words(loss: str, t: Texts) -> str:
    """Return a kind of loss as people read it."""
    words = {
        "production": t("Production"),
        "setup": t("Setup"),
        "breakdown": t("Breakdown"),
        "minor_stop": t("Minor stop"),
        "waiting": t("Waiting"),
        "maintenance": t("Maintenance"),
        "idle": t("Idle, no order"),
        "off": t("Switched off"),
        "unknown": t("State unknown"),
    }
    return words.get(loss, loss)


def state_words(name: str, t: Texts) -> str:
    """Return a state of PackML as people read it."""
    words = {
        "clearing": t("Clearing"),
        "stopped": t("Stopped"),
        "starting": t("Starting"),
        "idle": t("Idle"),
        "suspended": t("Suspended"),
        "execute": t("Execute"),
        "stopping": t("Stopping"),
        "aborting": t("Aborting"),
        "aborted": t("Aborted"),
        "holding": t("Holding"),
        "held": t("Held"),
        "unholding": t("Unholding"),
        "suspending": t("Suspending"),
        "unsuspending": t("Unsuspending"),
        "resetting": t("Resetting"),
        "completing": t("Completing"),
        "complete": t("Complete"),
        "not_available": t("Not available"),
        "unknown": t("Unknown"),
    }
    return words.get(name, name)


def spell(us: int | None, t: Texts) -> str:
    """Return a duration exactly enough to add up by eye: seconds, or hours and minutes."""
    if us is None:
        return NONE_SHOWN
    if abs(us) < 60_000_000:
        return t("{n} s", n=f"{us / 1e6:.1f}")
    minutes, seconds = divmod(round(abs(us) / 1e6), 60)
    hours, minutes = divmod(minutes, 60)
    sign = "\N{MINUS SIGN}" if us < 0 else ""
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d}"


def percent(ratio: float | None) -> str:
    """Return a ratio in percent, a dash where it is not known."""
    return NONE_SHOWN if ratio is None else f"{100 * ratio:.1f} %"
