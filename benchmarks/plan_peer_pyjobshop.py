"""PyJobShop on one instance, in an interpreter that has it: the instance as JSON comes in, what it found as JSON goes out.

``modes``: task, machine, duration; ``arcs``: task, task; ``setups``: machine, task, task, duration.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main() -> None:
    from pyjobshop import Model  # type: ignore[import-not-found]  # it is in the other interpreter

    asked: dict[str, Any] = json.load(sys.stdin)
    model = Model()
    machines = [model.add_machine() for _ in range(asked["machines"])]
    jobs = [model.add_job() for _ in range(asked["jobs"])]
    tasks = [model.add_task(job=jobs[job]) for job in asked["tasks"]]
    for task, machine, duration in asked["modes"]:
        model.add_mode(tasks[task], machines[machine], duration)
    for before, after in asked["arcs"]:
        model.add_end_before_start(tasks[before], tasks[after])
    for machine, before, after, duration in asked["setups"]:
        model.add_setup_time(machines[machine], tasks[before], tasks[after], duration)
    begun, cpu = time.monotonic(), time.process_time()
    result = model.solve(
        solver="ortools", time_limit=asked["seconds"], display=False, num_workers=asked["workers"], random_seed=asked["seed"]
    )
    found = result.objective if result.best is not None and result.best.tasks else None
    said = {
        "found": None if found is None or found == float("inf") else round(found),
        "bound": round(result.lower_bound),
        "status": result.status.value,
        "wall_s": time.monotonic() - begun,
        "cpu_s": time.process_time() - cpu,
    }
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) == 1 and not sys.stdin.isatty():
        main()
    else:
        print(__doc__)
