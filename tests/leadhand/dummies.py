"""A leadhand whose processes are small dummies: ``python -m tests.leadhand.dummies HOME PORT CASE``."""

from __future__ import annotations

import sys
from pathlib import Path

from leadhand.child import Program
from leadhand.console import Console
from leadhand.home import Home
from leadhand.session import supervised
from plant.clock import SystemClock
from plant.errors import SettingsError, Unavailable

SERVER = """
import json, signal, socket, subprocess, sys, time
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
def stop(*_):
    # asked by the guard and by the kernel, whose order nobody knows: a second one would wait for the first for ever
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    below.kill(); below.wait()
    print("stopped cleanly", file=sys.stderr)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print(json.dumps({"ready": True, "port": int(sys.argv[1]), "below": below.pid}), flush=True)
while True: time.sleep(1)
"""
STUBBORN = """
import json, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"ready": True}), flush=True)
while True: time.sleep(1)
"""
NOISY = """
import sys, time
sys.stderr.write("x" * 99 + "\\n"); sys.stderr.write(("y" * 99 + "\\n") * 110_000); sys.stderr.flush()
print('{"ready": true}', flush=True)
while True:
    time.sleep(0.2)
    print("late", file=sys.stderr, flush=True)
"""
MUTE = "import time\nwhile True: time.sleep(1)"
WRONG = "import sys; print('site.toml: sources[1].url: is missing', file=sys.stderr); sys.exit(2)"
BROKEN = "import sys; print('the disk is full', file=sys.stderr); sys.exit(1)"
BRIEF = "import time; print('{\"ready\": true}', flush=True); time.sleep(0.2)"

CASES: dict[str, list[tuple[str, str]]] = {
    "calm": [("database", SERVER), ("ingest", STUBBORN.replace("SIG_IGN", "SIG_DFL"))],
    "stubborn": [("database", SERVER), ("ingest", STUBBORN)],
    "slow": [("database", SERVER), ("ingest", STUBBORN)],
    "noisy": [("database", SERVER), ("ingest", NOISY)],
    "mute": [("database", SERVER), ("ingest", MUTE)],
    "wrong": [("database", SERVER), ("ingest", WRONG)],
    "broken": [("database", SERVER), ("ingest", BROKEN)],
    "brief": [("database", SERVER), ("simulator", BRIEF)],
}


def run(home: Home, port: int, case: str) -> None:
    """Start the dummies of one case, one after the other, and watch them until a signal comes."""
    clock = SystemClock()
    with Console() as console, supervised(home, "test", console, clock, grace_seconds=2.0) as supervisor:
        for name, code in CASES[case]:
            ends = case == "brief" and name == "simulator"
            stop_seconds = 60.0 if case == "slow" else 2.0
            program = Program(name, ("-c", code, str(port)), {}, ready_seconds=3.0, stop_seconds=stop_seconds, ends=ends)
            supervisor.start([program])
        sys.stdout.write("watching\n")
        sys.stdout.flush()
        supervisor.watch(lambda: case == "brief" and supervisor.children["simulator"].pid is None)


def main() -> int:
    """Run and turn errors into exit codes as leadhand does."""
    try:
        run(Home(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3])
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
