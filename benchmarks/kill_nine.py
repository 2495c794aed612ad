"""kill -9 of ingest, broker and database in turn while numbered messages come: what is lost, what is double.

``python -m benchmarks.kill_nine [--cycles 20] [--only ingest|broker|database] [--state FILE]``. With ``--state`` the kinds that are done
are remembered, so that a run that was broken off goes on. Prints one JSON line for each kind; fails on anything lost or double.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from plant.clock import SystemClock
from plant.ledger import Counts
from storage.database import Connection, connect
from storage.ledger import read_ledger
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.ingest.parts import Child, Mosquitto, start_ingest, until, write_mqtt_site
from tests.ingest.senders import Sender

_FOREVER = 4_000_000_000_000_000
_KINDS = ("ingest", "broker", "database")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--only", choices=_KINDS)
    parser.add_argument("--state", type=Path)
    options = parser.parse_args()
    done = json.loads(options.state.read_text()) if options.state is not None and options.state.exists() else {}
    for kind in [options.only] if options.only else _KINDS:
        if kind not in done:
            with tempfile.TemporaryDirectory(prefix="lh") as folder:
                done[kind] = _run(kind, options.cycles, Path(folder))
            if options.state is not None:
                options.state.write_text(json.dumps(done))
        sys.stdout.write(json.dumps(done[kind]) + "\n")
        sys.stdout.flush()
    return 0 if all(one["lost_unexplained"] == 0 and one["double"] == 0 and one["unexplained"] == 0 for one in done.values()) else 1


def _run(kind: str, cycles: int, home: Path) -> dict[str, object]:
    broker = Mosquitto(home, "max_queued_messages 100000")
    broker.start()
    server = EmbeddedPostgres(home / "postgres", clock=SystemClock())
    url = server.start()
    migrate(url)
    site = write_mqtt_site(home / "site.toml", broker.port)
    ingest = start_ingest(site, home / "home", url)
    until(lambda: "source connected" in ingest.log.read_text(), 30)
    sender = Sender(broker.port)
    sender.start()
    try:
        for cycle in range(cycles):
            time.sleep(1.0 + 0.21 * (cycle % 4))
            ingest = _kill(kind, ingest, broker, server, sender, lambda: start_ingest(site, home / "home", url))
        time.sleep(2)
        # one more after the last kill shows by its number what is missing before it
        sender.halt()
        until(lambda: sender.connection.connected, 30)
        sender.send()
        sender.finish()
        with connect(url, application="benchmark") as database:
            until(lambda: _arrived(database, 3 * sender.sent), 120, 0.25)
            ingest.stop()
            return {"kind": kind, "cycles": cycles, **_facts(database, sender.sent)}
    finally:
        if ingest.process.poll() is None:
            ingest.stop()
        server.stop()
        broker.stop()


def _kill(kind: str, ingest: Child, broker: Mosquitto, server: EmbeddedPostgres, sender: Sender, again: Callable[[], Child]) -> Child:
    if kind == "ingest":
        ingest.kill()
        return again()
    if kind == "broker":
        broker.kill()
        broker.start()
        until(lambda: sender.connection.connected, 30)
    else:
        if server.pid is not None:
            os.kill(server.pid, signal.SIGKILL)
        time.sleep(0.2)
        server.start()
    return ingest


def _totals(database: Connection) -> Counts:
    return sum((line.counts for line in read_ledger(database, 0, _FOREVER)), Counts())


def _arrived(database: Connection, expected: int) -> bool:
    totals = _totals(database)
    return totals.stored + totals.gap >= expected


def _facts(database: Connection, sent: int) -> dict[str, object]:
    totals = _totals(database)
    row = database.execute("SELECT count(*), count(DISTINCT (signal_id, time)) FROM sample").fetchone() or (0, 0)
    return {
        "messages": sent,
        "samples_sent": 3 * sent,
        "stored": totals.stored,
        "gap_told": totals.gap,
        "duplicates_kept_out": totals.duplicate,
        "lost_unexplained": 3 * sent - totals.stored - totals.gap,
        "double": row[0] - row[1],
        "rows_not_in_ledger": row[0] - totals.stored,
        "unexplained": totals.unexplained(),
    }


if __name__ == "__main__":
    sys.exit(main())
