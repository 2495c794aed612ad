"""What inspections decided, and why, in the reader's language."""

from __future__ import annotations

from dashboard.texts import Texts
from plant.inspection_words import REASON_WORDS
from plant.inspections import Decision, Reason, shown


def reason_sentence(reason: Reason, t: Texts) -> str:
    """Return a reason as a sentence; one without words is told by its code."""
    words = REASON_WORDS.get(reason.code)
    if words is None:
        return reason.code
    try:
        return t(words).format(**{name: shown(value) for name, value in reason.values.items()})
    except (KeyError, IndexError, ValueError):
        return reason.code


def decision_words(decision: str, t: Texts) -> str:
    """Return a decision in words."""
    words = {
        Decision.OK.value: t("OK"),
        Decision.NOK.value: t("Not OK"),
        Decision.REVIEW.value: t("To review"),
        Decision.NOT_DECIDABLE.value: t("Not decidable"),
    }
    return words.get(decision, decision)


def kind_words(kind: str, t: Texts) -> str:
    """Return what was found, in words; a class of a model that has none is told by its name."""
    words = {
        "good": t("good seam"),
        "surface_pores": t("surface pores"),
        "wrong_size": t("wrong size"),
        "not_fully_soldered": t("incompletely filled"),
        "crater": t("crater"),
        "crack": t("crack"),
        "undercut": t("undercut"),
        "spatter": t("spatter"),
        "burn_through": t("burn-through"),
        "lack_of_fusion": t("lack of fusion"),
        "bolt": t("bolt"),
        "missing": t("missing bolt"),
        "present": t("bolt in place"),
        "washer_missing": t("washer missing"),
        "mark_absent": t("no mark"),
        "mark_smeared": t("mark smeared"),
        "loosened": t("loosened"),
        "washer": t("washer"),
    }
    return words.get(kind, kind.replace("_", " "))


def measure_words(name: str, value: float, t: Texts) -> str:
    """Return a measure with its unit, which its name ends with."""
    what, _, unit = name.rpartition("_")
    shown_unit = {"mm": "mm", "mm2": "mm²", "deg": "°", "percent": "%", "px": "px"}.get(unit)
    if not shown_unit or not what:
        return f"{name.replace('_', ' ')} {value:.3g}"
    words = {"length": t("length"), "width": t("width"), "diameter": t("diameter"), "angle": t("angle")}
    return f"{words.get(what, what.replace('_', ' '))} {value:.3g} {shown_unit}"
