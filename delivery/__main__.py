"""The delivery process: ``python -m delivery --site site.toml --home HOME``. It alone holds credentials to speak to machines."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import threading
from pathlib import Path
from typing import Final

import structlog

from delivery.desk import NAME
from delivery.keys import KeyFolder
from delivery.known_ways import make_ways
from delivery.taking import run_taking
from delivery.worker import Worker
from plant.clock import Clock, SystemClock
from plant.errors import SettingsError
from plant.site import Site, load_site
from plant.watch import SettingsWatch
from storage.process import run_process, say_ready

_SWITCH_SECONDS: Final = 0.0005
_STOP_SECONDS: Final = 0.1
_WATCH_SECONDS: Final = 2.0
_TAKING_SECONDS: Final = 15.0


def main(arguments: list[str] | None = None) -> int:
    """Deliver what was approved until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m delivery", description="Bring what was approved to line controllers, and their answers back."
    )
    parser.add_argument("--site", type=Path, required=True, help="settings of the factory")
    parser.add_argument("--home", type=Path, help="folder for keys and certificates; that of the settings where not given")
    options = parser.parse_args(arguments)
    home = options.site.parent if options.home is None else options.home
    return run_process(lambda url, stop: deliver(options.site, home / "delivery", url, SystemClock(), stop))


def deliver(path: Path, folder: Path, url: str, clock: Clock, stop: threading.Event) -> int:
    """Deliver until told to stop; returns the exit code. Changed settings are taken up within seconds; wrong ones change nothing."""
    log = structlog.get_logger(process=NAME)
    settings = SettingsWatch(path)
    site = load_site(path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_ways(site, folder, clock)
    # what is under way does not wait for the thread of the database to give way (5 ms otherwise), nor for garbage of the start
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.freeze()
    say_ready(wanted=bool(site.delivery), controllers=len(site.delivery.settings.controllers))
    while not stop.is_set():
        _with(site, folder, url, clock, stop, settings)
        if not stop.is_set():
            try:
                fresh = load_site(path)
                make_ways(fresh, folder, clock)
            except SettingsError as error:
                log.warning("the settings changed and are wrong; the old ones stay in force", problems=error.problems)
            else:
                site = fresh
                log.info("the settings were read anew")
    return 0


def _with(site: Site, folder: Path, url: str, clock: Clock, stop: threading.Event, settings: SettingsWatch) -> None:
    """Deliver with some settings until told to stop, or they change."""
    over = threading.Event()
    taking = threading.Thread(target=run_taking, args=(url, site, clock, over), name="delivery-taking", daemon=True)
    taking.start()
    try:
        asyncio.run(_work(site, folder, url, clock, stop, settings))
    finally:
        over.set()
        taking.join(_TAKING_SECONDS)


async def _work(site: Site, folder: Path, url: str, clock: Clock, stop: threading.Event, settings: SettingsWatch) -> None:
    keys = KeyFolder(folder / "keys")
    ended = asyncio.Event()
    worker = Worker(site.delivery, make_ways(site, folder, clock, keys=keys), keys.key, url, clock)
    at_work = asyncio.create_task(worker.run(ended))
    looked = clock.monotonic()
    try:
        while not stop.is_set() and not at_work.done():
            await asyncio.sleep(_STOP_SECONDS)
            if clock.monotonic() - looked >= _WATCH_SECONDS:
                looked = clock.monotonic()
                if settings.changed():
                    break
    finally:
        ended.set()
        await at_work


if __name__ == "__main__":
    sys.exit(main())
