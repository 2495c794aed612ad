"""A problem of nesting and its nest come back as they were kept."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from plant.errors import SettingsError
from plant.nest_keeping import read_kept_problem, read_nest, write_nest, write_nest_problem
from plant.nests import CutSheet, CuttingRules, LeftPart, LeftReason, Nest, NestProblem, Placements, Rectangle
from simulators.plate_parts import RULES, plate_problem


def same(one: object, other: object) -> bool:
    return json.dumps(asdict(one), default=np.ndarray.tolist) == json.dumps(asdict(other), default=np.ndarray.tolist)  # type: ignore[call-overload]


def kept() -> NestProblem:
    return plate_problem(7, 900)


def test_a_problem_comes_back_part_by_part_and_to_the_last_digit() -> None:
    problem = kept()
    assert len({part.factory for part in problem.parts}) == 4
    assert any(part.shape.holes for part in problem.parts)
    assert same(read_kept_problem(write_nest_problem(problem)), problem)
    rules = (*RULES[:-1], CuttingRules(1 / 3, 0.1, 7.7, (900.0, 400.0)))
    assert same(read_kept_problem(write_nest_problem(replace(problem, rules=rules))), replace(problem, rules=rules))


def test_a_nest_comes_back_to_the_last_digit() -> None:
    problem = kept()
    laid = Placements(np.array([3, 0, 3], np.int32), np.array([1 / 3, 2.0, 5e3]), np.array([0.1, 7.0, 9.0]), np.array([0.0, 90.0, 12.3]))
    nest = Nest((CutSheet(2, 4, laid, (Rectangle(1.5, 2.5, 700.25, 400.0),)),), (LeftPart(1, 2, LeftReason.STOCK_USED_UP),))
    text = write_nest(problem, nest, {"seconds": 1.0})
    assert same(read_nest(text, problem), nest)
    assert json.loads(text)["seconds"] == 1.0


def test_a_nest_of_another_problem_and_a_broken_part_are_told() -> None:
    problem = kept()
    laid = Placements(np.array([len(problem.parts) - 1], np.int32), np.zeros(1), np.zeros(1), np.zeros(1))
    text = write_nest(problem, Nest((CutSheet(0, 1, laid),)))
    with pytest.raises(SettingsError, match="names parts or sheets that the problem has not"):
        read_nest(text, replace(problem, parts=problem.parts[:-1]))
    with pytest.raises(SettingsError, match="no nest on sheets"):
        read_nest('{"leadhand": "nest/1", "kind": "strip"}', problem)
    broken = json.loads(write_nest_problem(problem))
    broken["parts"][0]["outline"] = [[0, 0], [1, 1]]
    with pytest.raises(SettingsError, match="part 1"):
        read_kept_problem(json.dumps(broken))
