"""Nesting in a process of its own: ``python -m optimizer.nest_child``, asked by ``optimizer.child``.

What comes in is ``{"problem": a nest-problem/1 file, "seconds", "seed", "workers"}``; the nest that goes out was checked by code of no
solver, with each fault.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any


def main() -> int:
    """Answer one request; returns the exit code."""
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    sys.stdout.write(json.dumps({"answer": _nested(told)}) + "\n")
    sys.stdout.flush()
    return 0


def _nested(told: dict[str, Any]) -> dict[str, Any]:
    from optimizer.nesting.checking import nest_faults
    from optimizer.nesting.nesting import nest
    from plant.nest_keeping import read_kept_problem, write_nest

    problem = read_kept_problem(told["problem"])
    found = nest(problem, seconds=told["seconds"], seed=told["seed"], workers=told["workers"])
    return {"nest": write_nest(problem, found), "faults": nest_faults(problem, found)}


def _leave_with_parent() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
