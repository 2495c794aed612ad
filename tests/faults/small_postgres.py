"""A PostgreSQL in a folder (a small disk of its own), migrated; prints its URL and lives until its standard input ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from plant.clock import SystemClock
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres

_SMALL = {"max_wal_size": "32MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}


def main() -> None:
    """Serve."""
    server = EmbeddedPostgres(Path(sys.argv[1]) / "p", clock=SystemClock(), settings=_SMALL)
    url = server.start()
    migrate(url)
    print(json.dumps({"url": url}), flush=True)  # noqa: T201
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
