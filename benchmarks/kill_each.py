"""Each process of a running demo is killed (SIGKILL) again and again; then the ledger must be exact and hold every row.

``python benchmarks/kill_each.py [--rounds 20]``: in each round every process is killed once, and must run again before the next.
The server behind the embedded database and broker is killed too, not only its launcher.
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

from leadhand.programs import free_port

ROOT = Path(__file__).resolve().parents[1]
_LONGEST_SECONDS = 90.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadhand-kill-") as folder:
        home, result = Path(folder) / "home", Path(folder) / "result.json"
        command = [sys.executable, "-m", "leadhand", "demo", "--home", str(home), "--port", str(free_port()), "--headless", "--json"]
        with result.open("w") as out, (Path(folder) / "said.txt").open("w") as said:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=said)
            try:
                back = _kill_all(process, home, given.rounds, random.Random(given.seed))  # noqa: S311
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(180)
        return _tell(json.loads(result.read_text()), back)


def _kill_all(process: subprocess.Popen[bytes], home: Path, rounds: int, chance: random.Random) -> dict[str, list[float]]:
    _until(lambda: "address" in _status(home), process)
    back: dict[str, list[float]] = {}
    for _ in range(rounds):
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


def _tell(result: dict[str, Any], back: dict[str, list[float]]) -> int:
    for name, seconds in sorted(back.items()):
        mean = sum(seconds) / len(seconds)
        print(f"{name:<10} killed {len(seconds)} times, ran again after {mean:.1f} s on average, {max(seconds):.1f} s at most")
    for source in result["sources"]:
        print(
            f"  {source['source']:<12} expected {source['expected']:,}, stored {source['stored']:,}, gap {source['gap']:,} "
            f"{source['gaps_by_reason']}, unexplained {source['unexplained']}, rows in the database {source['rows_in_database']:,}"
        )
    print("the ledger is exact" if result["ok"] else "THE LEDGER IS NOT EXACT")
    return 0 if result["ok"] else 1


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
