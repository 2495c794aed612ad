"""Solving in a process of its own: ``python -m optimizer.plan_child``. What solvers take of memory and time ends with it.

A line of JSON comes in: a problem, the plan that stands, how long to search. Lines of JSON go out: progress, then the plan. Where who
asked is gone, so is this process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, TextIO


def main() -> int:
    """Solve what comes in; returns the exit code."""
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    answer = solved(told, sys.stdout)
    _say(sys.stdout, {"answer": answer})
    return 0


def solved(told: dict[str, Any], out: TextIO) -> dict[str, Any]:
    """Return what came of a request, saying meanwhile how far it is."""
    from optimizer.planning import Progress, plan
    from plant.plan_file import read_plan, read_problem, write_plan
    from plant.plans import Infeasible, OutOfTime

    problem = read_problem(told["problem"])
    begin = None if told.get("plan") is None else read_plan(told["plan"], problem)

    def heard(one: Progress) -> None:
        _say(out, {"seconds": round(one.seconds, 3), "objective": int(one.objective), "bound": int(one.bound), "by": one.by})

    found = plan(problem, seconds=told["seconds"], seed=told["seed"], workers=told["workers"], begin_with=begin, on_progress=heard)
    if isinstance(found, Infeasible):
        return {"infeasible": list(found.why)}
    if isinstance(found, OutOfTime):
        return {"out_of_time": found.seconds}
    return {
        "plan": write_plan(problem, found.plan),
        "objective": int(found.objective),
        "bound": int(found.bound),
        "by": found.by,
        "wall_seconds": found.wall_s,
        "cpu_seconds": found.cpu_s,
    }


def _say(out: TextIO, told: dict[str, Any]) -> None:
    out.write(json.dumps(told) + "\n")
    out.flush()


def _leave_with_parent() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
