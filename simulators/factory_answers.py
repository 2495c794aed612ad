"""What somebody recommends, read from R.json, and checked against network.json by code that knows nothing of the optimizer's.

Any maker's file will do: per product an answer and a route; intervals, gains and comparisons where there are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from plant.errors import SettingsError

FORMAT: Final = "recommendations/1"
_LARGEST: Final = 1e300
ANSWERS: Final = ("recommended", "keep_current", "not_enough_evidence")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one product."""

    product: str
    answer: str
    route: tuple[str, ...] = ()
    gain: float | None = None
    compared: tuple[str, ...] = ()
    """The route that the gain is told against."""
    intervals: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    """Duration of one operation by alternative: mean, low, high; only where the maker says that data supports it."""


def read_answers(path: Path, products: Collection[str], alternatives: Collection[str]) -> dict[str, Answer]:
    """Return the answers by product. Raises SettingsError that names file, item and key of all that is wrong."""
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: is no JSON: {error}") from error
    if not isinstance(told, dict) or told.get("leadhand") != FORMAT:
        raise SettingsError(f'{path}: leadhand: write "leadhand": "{FORMAT}" in an object')
    items = told.get("items")
    if not isinstance(items, list):
        raise SettingsError(f"{path}: items: write a list with one object for each product")
    problems: list[str] = []
    found: dict[str, Answer] = {}
    for at, item in enumerate(items, 1):
        answer = _answer(item, f"{path}: items[{at}]", alternatives, problems)
        if answer is None:
            continue
        if answer.product not in products:
            problems.append(f"{path}: items[{at}].product: '{answer.product}' stands in no row of products.csv")
        elif answer.product in found:
            problems.append(f"{path}: items[{at}].product: '{answer.product}' is answered already")
        else:
            found[answer.product] = answer
    if problems:
        more = len(problems) - 50
        raise SettingsError([*problems[:50], *([f"{path}: {more:,} further problems"] if more > 0 else [])])
    return found


def _answer(item: object, place: str, alternatives: Collection[str], problems: list[str]) -> Answer | None:
    if not isinstance(item, dict) or not isinstance(item.get("product"), str):
        problems.append(f"{place}.product: write an object with the id of a product")
        return None
    before = len(problems)
    if item.get("answer") not in ANSWERS:
        problems.append(f"{place}.answer: write one of {', '.join(ANSWERS)}")
    route = _route(item.get("route", []), f"{place}.route", alternatives, problems)
    if item.get("answer") == "recommended" and not route:
        problems.append(f"{place}.route: is missing; 'recommended' needs the alternatives of a route")
    gain, compared = _gain(item, place, alternatives, problems)
    intervals = _intervals(item.get("intervals") or {}, f"{place}.intervals", alternatives, problems)
    return Answer(item["product"], item["answer"], route, gain, compared, intervals) if len(problems) == before else None


def _route(told: object, place: str, alternatives: Collection[str], problems: list[str]) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(name, str) for name in told):
        problems.append(f"{place}: write a list of ids of alternatives")
        return ()
    problems += [f"{place}: there is no alternative '{name}' in network.json" for name in told if name not in alternatives]
    return tuple(told)


def _gain(item: Mapping[str, Any], place: str, alternatives: Collection[str], problems: list[str]) -> tuple[float | None, tuple[str, ...]]:
    gain = item.get("gain")
    if gain is None:
        return None, ()
    if not isinstance(gain, dict) or not _finite(gain.get("mean")) or not isinstance(gain.get("against"), str):
        problems.append(f"{place}.gain: write an object with the numbers mean, low, high and 'against': current or nearest")
        return None, ()
    against = item.get("against")
    compared = against.get(gain["against"]) if isinstance(against, dict) else None
    if not isinstance(compared, dict) or "route" not in compared:
        problems.append(f"{place}.against.{gain['against']}.route: is missing; the gain is told against it")
        return None, ()
    return float(gain["mean"]), _route(compared["route"], f"{place}.against.{gain['against']}.route", alternatives, problems)


def _intervals(told: object, place: str, alternatives: Collection[str], problems: list[str]) -> dict[str, tuple[float, float, float]]:
    if not isinstance(told, dict):
        problems.append(f"{place}: write an object by ids of alternatives")
        return {}
    found: dict[str, tuple[float, float, float]] = {}
    for name, value in told.items():
        if name not in alternatives:
            problems.append(f"{place}.{name}: there is no such alternative in network.json")
            continue
        numbers = value.get("duration_min") if isinstance(value, dict) else None
        if not isinstance(numbers, list) or len(numbers) != 3 or not all(_finite(number) for number in numbers):
            problems.append(f"{place}.{name}.duration_min: write three numbers: mean, low, high")
        elif not numbers[1] <= numbers[0] <= numbers[2]:
            problems.append(f"{place}.{name}.duration_min: low, mean and high must stand in this order of size: {numbers}")
        elif value.get("supported", True):
            found[name] = (float(numbers[0]), float(numbers[1]), float(numbers[2]))
    return found


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


class Checker:
    """Says whether a product may be made by a route, from network.json alone."""

    def __init__(self, network: Mapping[str, Any]) -> None:
        self._network = network
        self._alternatives = {a["id"]: {**a, "operation": o["id"]} for o in network["operations"] for a in o["alternatives"]}
        self._all_ways = self._ways(network["network"])

    def faults(self, features: Mapping[str, float | str], route: Collection[str]) -> list[str]:
        """Return a sentence for each thing wrong with a route."""
        told = []
        operations = [self._alternatives[name]["operation"] for name in route]
        if sorted(operations) not in self._all_ways:
            told.append(f"operations {', '.join(sorted(operations))} are no way through the network")
        for rule in self._network.get("rules", []):
            if "remove" in rule:
                told += [f"{name}: {rule['text']}" for name in route if self._removes(rule, features, name)]
            elif rule["if_chosen"] in route:
                needs, excludes = rule.get("needs", []), rule.get("excludes", [])
                if (needs and not set(needs) & set(route)) or set(excludes) & set(route):
                    told.append(f"{rule['if_chosen']}: {rule['text']}")
        return told

    def _ways(self, node: Any) -> list[list[str]]:
        if isinstance(node, str):
            return [[node]]
        if "one_of" in node:
            return [way for child in node["one_of"] for way in self._ways(child)]
        ways: list[list[str]] = [[]]
        for child in node.get("sequence") or node["any_order"]:
            ways = [sorted([*way, *more]) for way in ways for more in self._ways(child)]
        return ways

    def _removes(self, rule: Mapping[str, Any], features: Mapping[str, float | str], name: str) -> bool:
        conditions = rule.get("if", [])
        for condition in conditions if isinstance(conditions, list) else [conditions]:
            value: Any = features[condition["feature"]]
            if "is" in condition and value != condition["is"]:
                return False
            if "in" in condition and value not in condition["in"]:
                return False
            if "above" in condition and not value > condition["above"]:
                return False
            if "below" in condition and not value < condition["below"]:
                return False
        alternative = {**self._alternatives[name], "alternative": name}
        return all(alternative.get(key, "") == wanted for key, wanted in rule["remove"].items())
