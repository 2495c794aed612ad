"""What ``leadhand demo`` costs at its usual size: share of all cores, memory, signals and interval.

``python benchmarks/demo_cost.py [--seconds 60]`` starts the demo afresh, waits until it runs, watches the whole tree of processes,
and ends with exit code 1 where a figure promised is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

MOST_SHARE = 0.60
MOST_BYTES = 1_500_000_000
FEWEST_SIGNALS = 500
OURSELVES = "leadhand and guard"
_SETTLING_SECONDS = 10.0
_LOOK_SECONDS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadhand-cost-") as folder:
        home = Path(folder) / "home"
        command = [sys.executable, "-m", "leadhand", "demo", "--home", str(home), "--port", str(_free_port())]
        begin = time.monotonic()
        process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1], stderr=subprocess.DEVNULL)
        try:
            _wait_until_live(process, home)
            print(f"first start          {time.monotonic() - begin:.1f} s to the live page")
            time.sleep(_SETTLING_SECONDS)
            return _measure(process, home, given.seconds)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(90)


def _measure(process: subprocess.Popen[bytes], home: Path, seconds: float) -> int:
    roots = _roots(process, home)
    before, begin, highest = _cpu_by_root(roots), time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        time.sleep(_LOOK_SECONDS)
        highest = max(highest, _memory(roots))
    elapsed, after = time.monotonic() - begin, _cpu_by_root(roots)
    cores = os.cpu_count() or 1
    used = {name: (after[name] - before[name]) / elapsed for name in roots}
    share = sum(used.values()) / cores
    sources = _status(home)["sources"]
    signals = _signals(home)
    achieved = {source["source"]: (source["requested_us"], source["achieved_us"], source["lateness_p99_us"]) for source in sources}
    print(f"load of the machine  {os.getloadavg()[0]:.1f} (other work on it makes the share larger)")
    for name, cpu in sorted(used.items(), key=lambda item: -item[1]):
        print(f"  {name:<18} {cpu:6.1%} of one core, {_memory({name: roots[name]}) / 1e6:7.1f} MB")
    print(f"share of {cores} cores     {share:.1%}  (promised: at most {MOST_SHARE:.0%})")
    print(f"memory (PSS, most)   {highest / 1e6:,.0f} MB  (promised: at most {MOST_BYTES / 1e6:,.0f} MB)")
    print(f"signals              {signals}  (promised: at least {FEWEST_SIGNALS})")
    for name, (requested, got, late) in sorted(achieved.items()):
        print(f"  {name:<18} wanted {_ms(requested)}, achieved {_ms(got)}, late p99 {_ms(late)}")
    return 0 if share <= MOST_SHARE and highest <= MOST_BYTES and signals >= FEWEST_SIGNALS else 1


def _roots(process: subprocess.Popen[bytes], home: Path) -> dict[str, list[int]]:
    entries = json.loads((home / "run" / "status.json").read_text())["processes"]
    roots = {entry["name"]: [pid for pid in (entry["pid"], entry["server_pid"]) if pid] for entry in entries}
    started = {pid for pids in roots.values() for pid in pids}
    roots[OURSELVES] = [process.pid, *(c.pid for c in psutil.Process(process.pid).children() if c.pid not in started)]
    return roots


def _processes(name: str, pids: list[int]) -> list[psutil.Process]:
    """Return the processes of one part; the database has some that come and go meanwhile."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            for process in [root] if name == OURSELVES else [root, *root.children(recursive=True)]:
                found[process.pid] = process
    return list(found.values())


def _cpu_by_root(roots: dict[str, list[int]]) -> dict[str, float]:
    return {name: sum(_cpu(process, name) for process in _processes(name, pids)) for name, pids in roots.items()}


def _cpu(process: psutil.Process, name: str) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        ended = 0.0 if name == OURSELVES else times.children_user + times.children_system
        return float(times.user + times.system + ended)
    return 0.0


def _memory(roots: dict[str, list[int]]) -> int:
    total = 0
    for process in {p.pid: p for name, pids in roots.items() for p in _processes(name, pids)}.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            total += int(process.memory_full_info().pss)
    return total


def _wait_until_live(process: subprocess.Popen[bytes], home: Path) -> None:
    while True:
        if process.poll() is not None:
            raise SystemExit("the demo did not start; run 'leadhand demo' to see why")
        status = home / "run" / "status.json"
        if status.exists() and "address" in json.loads(status.read_text()):
            return
        time.sleep(0.1)


def _status(home: Path) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "-m", "leadhand", "status", "--json", "--home", str(home)],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        check=False,
    )
    state: dict[str, Any] = json.loads(told.stdout)
    return state


def _signals(home: Path) -> int:
    from plant.site import load_site

    return len(load_site(home / "site.toml").signals)


def _ms(us: int | None) -> str:
    return "-" if us is None else f"{us / 1000:.2f} ms"


def _free_port() -> int:
    from protocols.ports import free_port

    return free_port()


if __name__ == "__main__":
    sys.exit(main())
