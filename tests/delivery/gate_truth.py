"""Whether a text says what may be said, by the reader of JSON of the standard library and by fractions: the truth of random damage."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.delivery.gate_messages import EPOCH, HOUR_US, NOW_US, SECOND_US, Draft, Scene, Tuned


def conforms(text: str, draft: Draft, *, at_home: bool = True) -> bool:
    """Whether a text still says what may be said to the scene of a draft, by the reader of JSON of the standard library and fractions.

    Without ``at_home`` it is what a controller can tell, whose clock may be two seconds off and who knows nothing of measurements.
    """
    scene = draft.scene
    try:
        told = json.loads(text, parse_float=Fraction, parse_int=Fraction, parse_constant=str, object_pairs_hook=_pairs)
        right = json.loads(draft.text(), parse_float=Fraction, parse_int=Fraction)
        free = {"product", "serial", "reason", "id", "counter", "issued", "expires", "basis", "parameters", "steps"}
        free |= {"job"} if right["kind"] != "parameters" or scene.any_job else set()
        free |= set() if at_home else {"parts"}
        switched = scene.situation.parts or frozenset()
        if not at_home and any((one["kind"], one["name"]) not in switched for one in told.get("parts", [])):
            return False
        same = told.keys() == right.keys() and all(told[key] == right[key] for key in right.keys() - free)
        if not same or not _in_time(told, scene, right["kind"], at_home=at_home) or told["id"] in scene.standing.used:
            return False
        if any(
            not isinstance(told.get(key, ""), str) or (right.get(key) and not told[key]) for key in ("product", "serial", "reason", "job")
        ):
            return False
        return _settable(told, right, scene)
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return False


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)


def _in_time(told: dict[str, Any], scene: Scene, kind: str, *, at_home: bool) -> bool:
    issued, expires, begin, end = (_moment(one) for one in (told["issued"], told["expires"], told["basis"]["from"], told["basis"]["to"]))
    oldest = NOW_US - 24 * HOUR_US if kind in ("parameters", "offsets", "job", "route") else 0
    if told["basis"].keys() != {"from", "to"} or begin > end or (at_home and not oldest <= end <= NOW_US + SECOND_US):
        return False
    letters = [len(piece) for piece in told["id"].split("-")]
    counted = isinstance(told["counter"], Fraction) and scene.standing.counter < told["counter"] < 2**59
    if not counted or letters != [8, 4, 4, 4, 12] or set(told["id"]) - set("0123456789abcdef-"):
        return False
    return (
        issued <= NOW_US + (SECOND_US if at_home else 2 * SECOND_US) and expires > NOW_US and 0 < expires - issued <= 7 * 86_400 * SECOND_US
    )


def _moment(text: str) -> int:
    found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=EPOCH.tzinfo)
    if found.strftime("%Y-%m-%dT%H:%M:%S.%fZ") != text:
        raise ValueError
    return (found - EPOCH) // timedelta(microseconds=1)


def _settable(told: dict[str, Any], right: dict[str, Any], scene: Scene) -> bool:
    if not all(isinstance(one, str) for one in told.get("steps", [])):
        return False
    if right["kind"] == "offsets":
        names = [one["name"] for one in told["parameters"]]
        most = {"mm": 10, "deg": 5}
        whole = all(one.keys() == {"name", "value", "unit"} and one["name"] for one in told["parameters"])
        return whole and len(set(names)) == len(names) > 0 and all(abs(one["value"]) <= most[one["unit"]] for one in told["parameters"])
    if right["kind"] != "parameters":
        return True
    given = {one["name"]: one for one in told["parameters"] if one.keys() == {"name", "value", "unit"}}
    if len(told["parameters"]) != len(given) or given.keys() != {one.name for one in scene.tuned}:
        return False
    values = [given[one.name]["value"] for one in scene.tuned]
    if any(not isinstance(value, Fraction) or given[one.name]["unit"] != one.unit for one, value in zip(scene.tuned, values, strict=True)):
        return False
    kept = all(_keeps(one, value) for one, value in zip(scene.tuned, values, strict=True))
    return kept and all(one.keeps(values) for one in scene.tied)


def _keeps(one: Tuned, value: Fraction) -> bool:
    """As ``Tuned.keeps``, for a figure that may have more places."""
    return one.keeps(value * 10**one.places, NOW_US)
