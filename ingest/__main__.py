"""The ingest process: ``python -m ingest``. Builds everything and hands it down."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from ingest.logs import log_to_stderr
from ingest.zygote import Zygote, come_first
from plant.errors import SettingsError, Unavailable


def main(arguments: list[str] | None = None) -> int:
    """Read all sources of a site until told to stop; returns the exit code."""
    options = _parse(arguments)
    log_to_stderr()
    url = os.environ.get("LEADHAND_DATABASE_URL", "")
    if not url:
        sys.stderr.write("LEADHAND_DATABASE_URL is not set: name the database in it, e.g. postgresql://user:password@host/leadhand\n")
        return 2
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    # it loads the protocols while this process loads the storage: twice as fast where there are two processors
    come_first()
    zygote = Zygote()
    zygote.start()
    from ingest.process import ingest

    try:
        ingest(url, options, stop, zygote)
    except (SettingsError, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        zygote.close()
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ingest", description="Read all sources of a site into the database, losing nothing unseen."
    )
    parser.add_argument("--site", type=Path, required=True, help="the site's settings file")
    parser.add_argument("--home", type=Path, required=True, help="folder for spool, certificates and secrets")
    parser.add_argument("--only", default="*", help="glob over source ids: read these only")
    parser.add_argument("--processes", type=int, default=0, help="most processes that cyclic sources are spread over; 0: one a processor")
    parser.add_argument(
        "--sync-ms", type=float, default=30.0, help="how long a record waits for others to be synced with; MQTT syncs at once"
    )
    parser.add_argument(
        "--ship-ms", type=float, help="time between two shipments to the database; return_interval_ms of the site if not given"
    )
    parser.add_argument("--spool-gb", type=float, default=4.0, help="most that the spool may hold while the database is away")
    options = parser.parse_args(arguments)
    for name in ("sync_ms", "ship_ms", "spool_gb"):
        if getattr(options, name) is not None and not getattr(options, name) > 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
