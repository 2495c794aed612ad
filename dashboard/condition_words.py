"""Sentences about condition, made of codes and numbers in the reader's language."""

from __future__ import annotations

from typing import Any

from dashboard.pages.parts import NONE_SHOWN
from dashboard.texts import Texts

FEATURES = ("mean", "peak", "spread", "tilt", "duration")


def sentence(reason: dict[str, Any], step: str, occurrence: int, t: Texts) -> str:
    """Return why something is not as usual, as a sentence."""
    code, _, side = str(reason["code"]).partition("_")
    words: dict[str, object] = {
        "signal": reason["signal"],
        "partner": reason["partner"] or t("step duration"),
        "step": _place(step, occurrence, t),
        "off": _off(reason, t, up=side != "low"),
        "parts": reason["parts"],
    }
    return _SAYS.get(code if code != "level" else "level", _level)(t, words)


def _level(t: Texts, words: dict[str, object]) -> str:
    return t("{signal} in {step}: {off} its own baseline for {parts} parts", **words)


def _peak(t: Texts, words: dict[str, object]) -> str:
    return t("peak of {signal} in {step}: {off} its own baseline for {parts} parts", **words)


def _noise(t: Texts, words: dict[str, object]) -> str:
    return t("noise of {signal} within {step}: {off} its own baseline for {parts} parts", **words)


def _tilt(t: Texts, words: dict[str, object]) -> str:
    return t("{signal} rises or falls otherwise than usual within {step}, for {parts} parts", **words)


def _duration(t: Texts, words: dict[str, object]) -> str:
    return t("duration of {step}: {off} its own baseline for {parts} parts", **words)


def _apart(t: Texts, words: dict[str, object]) -> str:
    return t("{signal} no longer goes with {partner} in {step}", **words)


def _scatter(t: Texts, words: dict[str, object]) -> str:
    return t("{signal} in {step} differs more from part to part than usual", **words)


def _still(t: Texts, words: dict[str, object]) -> str:
    return t("{signal} in {step} hardly changes any more from part to part", **words)


_SAYS = {
    "level": _level,
    "peak": _peak,
    "noise": _noise,
    "tilt": _tilt,
    "duration": _duration,
    "apart": _apart,
    "scatter": _scatter,
    "still": _still,
}


def _place(step: str, occurrence: int, t: Texts) -> str:
    if not step:
        return t("the part")
    return t("step '{step}'", step=step) if occurrence == 1 else t("step '{step}' (time {n})", step=step, n=occurrence)


def _off(reason: dict[str, Any], t: Texts, *, up: bool) -> str:
    percent = reason["percent"]
    if percent is None:
        number = f"{abs(reason['deviations']):.1f}"
        return t("{n} deviations above", n=number) if up else t("{n} deviations below", n=number)
    number = f"{abs(percent):.1f}" if abs(percent) < 10 else f"{abs(percent):.0f}"
    return t("{n} % above", n=number) if up else t("{n} % below", n=number)


def feature_words(feature: str, t: Texts) -> str:
    """Return the name of a feature."""
    words = {"mean": t("mean"), "peak": t("peak"), "spread": t("noise"), "tilt": t("tilt"), "duration": t("duration")}
    return words.get(feature, feature)


def severity_words(severity: str, t: Texts) -> str:
    """Return how much a finding asks for, as a word."""
    return {"slight": t("slight"), "clear": t("clear"), "strong": t("strong")}.get(severity, severity)


def answer_words(answer: str | None, t: Texts) -> str:
    """Return what a person said, as a word."""
    words = {"confirmed": t("confirmed"), "false_call": t("false call"), "tool_changed": t("tool changed")}
    return NONE_SHOWN if answer is None else words.get(answer, answer)


def outlook_words(outlook: str, parts: float | None, low: float | None, high: float | None, t: Texts) -> str:
    """Return what is to be expected of a tool, as a sentence."""
    if outlook == "trend" and parts is not None and low is not None and high is not None:
        return t("{n} parts left (90 %: {low} to {high})", n=round(parts), low=round(low), high=round(high))
    words = {
        "no_evidence": t("not enough evidence"),
        "no_limit": t("no limit known: nobody said when it is worn"),
        "no_trend": t("no trend"),
        "worn": t("beyond its limit"),
    }
    return words.get(outlook, outlook)
