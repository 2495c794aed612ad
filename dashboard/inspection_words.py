"""What inspections decided, and why, in the reader's language."""

from __future__ import annotations

import re
from typing import Final

from dashboard.texts import Texts
from plant.inspection_words import REASON_WORDS
from plant.inspections import Decision, Reason, shown
from plant.joint_words import FAULT_WORDS

_FAULTS: Final = frozenset(FAULT_WORDS.values())
_SHARE: Final = re.compile(r"(?P<what>angle|share of the closing angle) from (?P<percent>\d+) % of the torque (?:to the next tenth|on)")


def reason_sentence(reason: Reason, t: Texts) -> str:
    """Return a reason as a sentence; one without words is told by its code."""
    words = REASON_WORDS.get(reason.code)
    if words is None:
        return reason.code
    try:
        return t(words).format(**{name: phrase_words(shown(value), t) for name, value in reason.values.items()})
    except (KeyError, IndexError, ValueError):
        return reason.code


def phrase_words(phrase: str, t: Texts) -> str:
    """Return a value of a reason that is a phrase of ours in the reader's language; all else stays as it is."""
    if phrase in _FAULTS:
        return t(phrase)
    words = {
        "torque": t("torque"),
        "time": t("time"),
        "angle": t("angle"),
        "speed": t("speed"),
        "lowest torque": t("lowest torque"),
        "usual torque": t("usual torque"),
        "highest torque": t("highest torque"),
        "peak torque": t("peak torque"),
        "last torque": t("last torque"),
        "trembling of torque": t("trembling of torque"),
        "fall of torque": t("fall of torque"),
        "jump of the angle": t("jump of the angle"),
        "turn backwards": t("turn backwards"),
        "time without turning": t("time without turning"),
        "rise of torque": t("rise of torque"),
        "angle from 40 % to 98 % of the torque": t("angle from 40 % to 98 % of the torque"),
        "angle from 40 % of the torque to the end": t("angle from 40 % of the torque to the end"),
        "work of tightening, as a share of the target torque": t("work of tightening, as a share of the target torque"),
        "torque at the beginning": t("torque at the beginning"),
        "torque at the end": t("torque at the end"),
        "whole angle": t("whole angle"),
        "angle at the beginning": t("angle at the beginning"),
        "number of samples": t("number of samples"),
        "torque that stands alone": t("torque that stands alone"),
        "torque lost after the stop": t("torque lost after the stop"),
        "no curve": t("no curve"),
        "no reason told": t("no reason told"),
        "not judged": t("not judged"),
    }
    step, colon, what = phrase.rpartition(": ")
    share = _SHARE.fullmatch(phrase)
    if share is not None:
        said = "angle from {percent} % of the torque to the next tenth", "share of the closing angle from {percent} % of the torque on"
        return t(said[share["what"] == "share of the closing angle"], percent=share["percent"])
    return f"{step}{colon}{words[what]}" if what in words else phrase


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
