"""``python -m simulators.factory_score DIR R.json``: how good recommendations are, by the truth of a simulated factory.

Products never made and like those that were are what counts; those far outside must be told apart. Exit code 1 when a figure that
must be kept is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from plant.errors import SettingsError
from simulators.factory_answers import Answer, read_answers
from simulators.factory_figures import Coverage, coverage_of
from simulators.factory_reference import Reference, read_reference

COVERAGE: Final = (0.88, 0.95)
STEP_COVERAGE: Final = 0.85
REGRET: Final = 3.5
RATIO: Final = (0.9, 1.1)
ANSWERED: Final = 0.9


@dataclass(frozen=True, slots=True)
class Must:
    """A figure that must be kept."""

    name: str
    value: float | None
    wanted: str
    kept: bool

    def line(self) -> str:
        """Return a line for people."""
        shown = "not told" if self.value is None else f"{self.value:.3g}"
        return f"  {'kept  ' if self.kept else 'MISSED'}  {self.name}: {shown} ({self.wanted})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; return 0 when all that must be is kept, 1 when not, 2 when a file is wrong."""
    parser = argparse.ArgumentParser(prog="python -m simulators.factory_score", description="How good recommendations are, by the truth.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="what 'python -m simulators.factory' wrote")
    parser.add_argument("answers", type=Path, metavar="R.json")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args(arguments)
    try:
        reference = read_reference(given.folder)
        answers = read_answers(given.answers, reference.products, reference.alternatives)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    figures, musts = judged(reference, answers)
    if given.as_json:
        print(json.dumps(figures | {"musts": [_must_json(must) for must in musts]}, indent=1))  # noqa: T201
    else:
        print("\n".join(lines(figures, musts)))  # noqa: T201
    return 0 if all(must.kept for must in musts) else 1


def judged(reference: Reference, answers: dict[str, Answer]) -> tuple[dict[str, Any], list[Must]]:
    """Return all figures, and those that must be kept."""
    new = [product for product, told in reference.products.items() if not told.made and not told.outside]
    outside = [product for product, told in reference.products.items() if told.outside]
    answered = {product: answers[product] for product in new if product in answers and answers[product].answer == "recommended"}
    outside_answered = sum(product in answers and answers[product].answer != "not_enough_evidence" for product in outside)
    faults = {
        answer.product: found
        for answer in answers.values()
        if answer.route and (found := reference.checker.faults(reference.products[answer.product].features, answer.route))
    }
    sound = {product: answer for product, answer in answered.items() if not reference.checker_faults_way(faults.get(product, []))}
    regret = {product: reference.cost(product, answer.route) / reference.oracle(product) - 1 for product, answer in sound.items()}
    base = {name: [values[name] / reference.oracle(p) - 1 for p in new if name in (values := reference.baselines(p))] for name in _BASES}
    coverage = coverage_of(reference, [answers[product] for product in new if product in answers])
    gains = {"new": _gains(reference, sound), "made": _gains(reference, _made(reference, answers, faults))}
    worst = max(regret, key=lambda product: regret[product]) if regret else None
    figures = {
        "products": len(reference.products),
        "new": len(new),
        "answered": len(answered) / len(new),
        "outside": len(outside),
        "outside_answered": outside_answered,
        "regret_percent": _percent(list(regret.values())),
        "regret_worst_percent": None if worst is None else round(100 * regret[worst], 3),
        "regret_worst_product": worst,
        "baselines_percent": {name: _percent(values) for name, values in base.items()},
        "coverage": coverage.as_json(),
        "gains": gains,
        "rule_violations": sum(len(found) for found in faults.values()),
        "violations": dict(list(faults.items())[:10]),
        "truth": reference.head,
    }
    return figures, _musts(figures, coverage)


_SPLITS: Final = {"by_step": "step", "by_step_uniform": "step, each alternative alike", "by_family": "family"}
_BASES: Final = ("planner", "nearest_usual", "nearest_best")


def _musts(figures: dict[str, Any], coverage: Coverage) -> list[Must]:
    regret, base = figures["regret_percent"], figures["baselines_percent"]
    ratio = figures["gains"]["new"]["ratio"]
    low, high = COVERAGE
    least = min(coverage.by_step.values(), default=None)
    return [
        Must("rule violations", figures["rule_violations"], "0", figures["rule_violations"] == 0),
        Must("share answered", figures["answered"], f">= {ANSWERED}", figures["answered"] >= ANSWERED),
        Must("answers outside the support", figures["outside_answered"], "0", figures["outside_answered"] == 0),
        Must("mean regret, %", regret, f"<= {REGRET}", regret is not None and regret <= REGRET),
        Must(
            "mean regret against the nearest product's best, %",
            regret,
            f"< {base['nearest_best']}",
            regret is not None and base["nearest_best"] is not None and regret < base["nearest_best"],
        ),
        Must("mean regret against planners, %", regret, f"< {base['planner']}", regret is not None and regret < (base["planner"] or -1)),
        Must(
            "coverage of 90 % intervals",
            coverage.logged,
            f"{low} to {high}",
            coverage.logged is not None and low <= coverage.logged <= high,
        ),
        Must("coverage of the worst step", least, f">= {STEP_COVERAGE}", least is not None and least >= STEP_COVERAGE),
        Must("predicted / realised gain", ratio, f"{RATIO[0]} to {RATIO[1]}", ratio is not None and RATIO[0] <= ratio <= RATIO[1]),
    ]


def _made(reference: Reference, answers: dict[str, Answer], faults: dict[str, list[str]]) -> dict[str, Answer]:
    return {
        product: answer
        for product, answer in answers.items()
        if reference.products[product].made and answer.answer == "recommended" and product not in faults
    }


def _gains(reference: Reference, answers: dict[str, Answer]) -> dict[str, Any]:
    """Predicted and realised gains, summed; how many were made worse, and by how much on average."""
    predicted, realised = [], []
    for product, answer in answers.items():
        if (
            answer.gain is not None
            and answer.compared
            and not reference.checker.faults(reference.products[product].features, answer.compared)
        ):
            predicted.append(answer.gain)
            realised.append(reference.cost(product, answer.compared) - reference.cost(product, answer.route))
    worse = [-gain for gain in realised if gain < 0]
    total = sum(realised)
    return {
        "told": len(predicted),
        "predicted_mean": _mean(predicted),
        "realised_mean": _mean(realised),
        "ratio": round(sum(predicted) / total, 4) if total > 0 else None,
        "made_worse": len(worse),
        "made_worse_mean": _mean(worse),
    }


def lines(figures: dict[str, Any], musts: list[Must]) -> list[str]:
    """Return the figures for people."""
    head, base, coverage, gains = figures["truth"], figures["baselines_percent"], figures["coverage"], figures["gains"]
    regrets = (
        f"regret: recommended {_shown(figures['regret_percent'])} % (worst {_shown(figures['regret_worst_percent'])} %, "
        f"{figures['regret_worst_product'] or 'none'}); planner {_shown(base['planner'])} %, nearest product's usual "
        f"{_shown(base['nearest_usual'])} %, nearest product's best {_shown(base['nearest_best'])} %"
    )
    covered = (
        f"coverage of 90 % intervals: chosen as planners do {_shown(coverage['logged'])}, "
        f"each alternative alike {_shown(coverage['uniform'])}, recommended steps {_shown(coverage['recommended'])}; "
        f"{100 * coverage['told']:.0f} % of usable alternatives have an interval"
    )
    told = [
        f"factory {head['seed']}, truth {head['truth']}, version {head['version']}; {figures['new']} products never made",
        f"answered {100 * figures['answered']:.0f} %; of {figures['outside']} products far outside {figures['outside_answered']} answered",
        regrets,
        covered,
        f"  mean width {_shown(coverage['mean_width'])} of the mean",
        *(f"  by {words}: {_listed(coverage[key])}" for key, words in _SPLITS.items()),
    ]
    for name, words in (("new", "never made"), ("made", "made")):
        of = gains[name]
        told.append(
            f"gain, products {words}: predicted {_shown(of['predicted_mean'])}, realised {_shown(of['realised_mean'])}, "
            f"ratio {_shown(of['ratio'])}; {of['made_worse']} of {of['told']} made worse"
            + (f", by {_shown(of['made_worse_mean'])} on average" if of["made_worse"] else "")
        )
    told.append(f"rule violations: {figures['rule_violations']}")
    told += [f"  {product}: {fault}" for product, found in figures["violations"].items() for fault in found[:3]]
    return [*told, "must:", *(must.line() for must in musts)]


def _listed(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in shares.items())


def _must_json(must: Must) -> dict[str, Any]:
    return {"name": must.name, "value": must.value, "wanted": must.wanted, "kept": must.kept}


def _percent(values: list[float]) -> float | None:
    return round(100 * float(np.mean(values)), 3) if values else None


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
