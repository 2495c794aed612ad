"""kill -9 of the delivery process while messages pass, before controllers over MQTT that keep their counter.

    python -m benchmarks.delivery_kill_nine [--cycles 200] [--units 100] [--seed 1]

In each cycle the process is started by its command, messages are approved while it sends, and it is killed at a random moment: before a
commit, between the commit and the broker, between the broker and the answer. The controllers live on in another thread and write down what
they really did. At the end a process brings all to its end, and what is said is compared with what was done: nothing twice, nothing
claimed that was not done, nothing denied that was, the rest in doubt for a person; each step on the audit trail, whose chain holds, and in
which a row that is changed behind its trigger's back is found. Exit code 1 where one of these is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

from plant.clock import SystemClock
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.delivery.killing import rig
from tests.ingest.parts import Mosquitto


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.2f}, {os.cpu_count()} processors, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="leadhand-kills-") as name:
        folder = Path(name)
        server = EmbeddedPostgres(folder / "pg", clock=SystemClock())
        url = server.start()
        broker = Mosquitto(folder, "max_queued_messages 100000")
        broker.start()
        try:
            migrate(url)
            (folder / "rig").mkdir()
            began, units = time.monotonic(), [f"weld-{number}" for number in range(options.units)]
            with rig(url, folder / "rig", broker.port, units, options.seed) as one:
                for cycle in range(options.cycles):
                    one.cycle()
                    if cycle % 20 == 19:
                        print(f"  {cycle + 1} kills after {time.monotonic() - began:.0f} s", flush=True)
                one.settle()
                ended = one.ended()
        finally:
            broker.stop()
            server.stop()
    cpu = sum(psutil.Process().cpu_times()[:2])
    print(f"{options.cycles} kills in {time.monotonic() - began:.0f} s, {cpu:.1f} CPU s of controllers and this")
    print(f"  {ended.proposed} messages: {ended.stages}")
    print(f"  carried out {ended.executed}, twice {ended.twice} (must: 0)")
    print(f"  said to be executed and never done {ended.claimed} (must: 0); said not to be taken, and done {ended.unasked} (must: 0)")
    print(f"  neither ended nor in doubt {ended.open} (must: 0); steps without a row of the audit trail {ended.unaudited} (must: 0)")
    chain = "holds" if ended.broken is None else f"is broken at {ended.broken}"
    print(f"  the audit chain {chain}; a row of it that was changed is {'found' if ended.found else 'NOT found'}")
    print(f"  a message done twice in more than {min(1.0, 3 / max(1, options.cycles)):.1%} of kills is ruled out at 95 % (rule of three)")
    print(f"load {os.getloadavg()[0]:.2f} at the end; {'all figures held' if ended.well else 'MISSED'}")
    return 0 if ended.well else 1


if __name__ == "__main__":
    sys.exit(main())
