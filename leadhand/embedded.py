"""The launchers of the two embedded servers: ``python -m leadhand.embedded database|broker --home DIR [--port N] [--buffers-mb N]``.

Each stands between leadhand and a server that comes from somebody else's wheel: it starts the server, tells that it is ready,
ends when the server ends (so that leadhand starts both again) and stops the server cleanly when it is asked to end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from leadhand.home import Home
from leadhand.processes import is_running
from leadhand.programs import BROKER_USER, broker_password
from plant.clock import SystemClock
from plant.errors import Rejected, SettingsError, Unavailable

_LOOK_SECONDS = 0.3


def main() -> int:
    """Run one embedded server until it ends or we are asked to end it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=["database", "broker"])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--buffers-mb", type=int, metavar="N", help="how much of its pages the database keeps in memory")
    given = parser.parse_args()
    home = Home(given.home)
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: asked.set())
    try:
        return _database(home, given.buffers_mb, asked) if given.server == "database" else _broker(home, given.port, asked)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (Unavailable, Rejected) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _database(home: Home, buffers_mb: int | None, asked: threading.Event) -> int:
    from storage.postgres import EmbeddedPostgres

    settings = None if buffers_mb is None else {"shared_buffers": f"{buffers_mb}MB"}
    server = EmbeddedPostgres(home.postgres, clock=SystemClock(), settings=settings)
    url = server.start()
    pid = server.pid
    return _serve({"url": url, "server_pid": pid}, lambda: pid is not None and is_running(pid), server.stop, asked)


def _broker(home: Home, port: int, asked: threading.Event) -> int:
    from protocols.mqtt_broker import EmbeddedBroker

    users = {BROKER_USER: broker_password(home)}
    server = EmbeddedBroker(home.path / "broker", host="127.0.0.1", port=port, users=users)
    bound = server.start()
    pid = server.pid
    return _serve({"port": bound, "server_pid": pid}, lambda: pid is None or is_running(pid), server.stop, asked)


def _serve(facts: dict[str, object], lives: Callable[[], bool], stop: Callable[[], None], asked: threading.Event) -> int:
    sys.stdout.write(json.dumps({"ready": True, **facts}) + "\n")
    sys.stdout.flush()
    while not asked.wait(_LOOK_SECONDS):
        if not lives():
            sys.stderr.write("the server ended by itself\n")
            return 1
    stop()
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
