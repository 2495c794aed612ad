"""Each process of a running demo is killed (SIGKILL) again and again; then the ledger must be exact and hold every row.

``python -m benchmarks.kill_each [--cycles 20] [--resume FILE]``: in each cycle every process is killed once, and must run again before the
next; the server behind the embedded database and broker is killed too, not only its launcher. A release wants ``--cycles 200 --resume
FILE``, which goes on where it was stopped. Exits 1 when a ledger is not exact.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from protocols.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
_LONGEST_SECONDS = 90.0
_PART = 10
"""Cycles on one demo; what a run that is stopped loses at most."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--resume", type=Path, metavar="FILE", help="remember here what is done, and go on from it")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("LEADHAND_SEED", "1")))
    given = parser.parse_args()
    print(f"seed {given.seed}, load {os.getloadavg()[0]:.1f}")
    parts: list[dict[str, Any]] = []
    if given.resume is not None and given.resume.exists():
        parts = json.loads(given.resume.read_text())
    while (done := sum(part["cycles"] for part in parts)) < given.cycles:
        cycles = min(_PART, given.cycles - done)
        parts.append({"cycles": cycles, **_run(cycles, random.Random(f"{given.seed} {len(parts)}"))})  # noqa: S311
        if given.resume is not None:
            beside = given.resume.with_suffix(".new")
            beside.write_text(json.dumps(parts))
            beside.replace(given.resume)
    return _tell(parts)


def _run(cycles: int, chance: random.Random) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="leadhand-kill-") as folder:
        home, result = Path(folder) / "home", Path(folder) / "result.json"
        command = [sys.executable, "-m", "leadhand", "demo", "--home", str(home), "--port", str(free_port()), "--headless", "--json"]
        with result.open("w") as out, (Path(folder) / "said.txt").open("w") as said:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=said)
            try:
                back = _kill_all(process, home, cycles, chance)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(180)
        return {"back": back, "result": json.loads(result.read_text())}


def _kill_all(process: subprocess.Popen[bytes], home: Path, cycles: int, chance: random.Random) -> dict[str, list[float]]:
    _until(lambda: "address" in _status(home), process)
    back: dict[str, list[float]] = {}
    for _ in range(cycles):
        names = [entry["name"] for entry in _status(home)["processes"]]
        chance.shuffle(names)
        for name in names:
            time.sleep(chance.uniform(0.5, 2.0))
            entry = _entry(home, name)
            server = entry["server_pid"]
            pid = server if server is not None and chance.random() < 0.5 else entry["pid"]
            begin = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            _until(lambda n=name, e=entry: _runs_again(_entry(home, n), e["restarts"]), process)
            back.setdefault(name, []).append(time.monotonic() - begin)
    return back


def _tell(parts: list[dict[str, Any]]) -> int:
    for name in sorted({name for part in parts for name in part["back"]}):
        seconds = [second for part in parts for second in part["back"].get(name, [])]
        print(
            f"{name:<10} killed {len(seconds)} times (a loss in more than {min(1.0, 3 / len(seconds)):.1%} of kills is ruled out at 95 %), "
            f"ran again after {sum(seconds) / len(seconds):.1f} s on average, {max(seconds):.1f} s at most"
        )
    for part in parts:
        for source in part["result"]["sources"]:
            print(
                f"  {source['source']:<12} expected {source['expected']:,}, stored {source['stored']:,}, gap {source['gap']:,} "
                f"{source['gaps_by_reason']}, unexplained {source['unexplained']}, rows in the database {source['rows_in_database']:,}"
            )
    exact = all(part["result"]["ok"] for part in parts)
    print("the ledger is exact" if exact else "THE LEDGER IS NOT EXACT")
    return 0 if exact else 1


def _runs_again(entry: dict[str, Any], restarts: int) -> bool:
    return bool(entry["restarts"] > restarts and entry["state"] == "running")


def _status(home: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((home / "run" / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return state


def _entry(home: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in _status(home)["processes"] if entry["name"] == name)
    return found


def _until(true: Any, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _LONGEST_SECONDS
    while not true():
        if process.poll() is not None:
            raise SystemExit("the demo ended; run 'leadhand demo' to see why")
        if time.monotonic() > end:
            raise SystemExit("a killed process did not come back")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
