"""The monitor process: ``python -m monitor --site site.toml``."""

from __future__ import annotations

import argparse
import sys
import threading
from functools import partial
from pathlib import Path

import structlog

from monitor import alarm_follower, condition, control, notice_sending, notices, shift_reports
from monitor.followers import Follower, Following, MakeFollower
from monitor.state_follower import make_state_follower
from plant.clock import Clock, SystemClock
from plant.errors import SettingsError
from plant.site import Site, load_site
from plant.watch import SettingsWatch
from storage.process import run_process, say_ready

FOLLOWERS: tuple[tuple[str, MakeFollower], ...] = (
    (alarm_follower.NAME, alarm_follower.make_alarms),
    (notices.NAME, notices.make_planner),
    (notice_sending.NAME, notice_sending.make_sender),
    ("states", make_state_follower),
    (control.NAME, control.make_control),
    (condition.NAME, condition.make_condition),
    (shift_reports.NAME, shift_reports.make_reporter),
)
"""By name; they run side by side."""
_STOP_SECONDS = 10.0
_WATCH_SECONDS = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Follow what the database that LEADHAND_DATABASE_URL names receives until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m monitor", description="Turn samples into alarms, states, losses, charts and wear.")
    parser.add_argument("--site", type=Path, required=True, help="settings of the factory")
    options = parser.parse_args(arguments)
    return run_process(lambda url, stop: follow(options.site, url, SystemClock(), stop, FOLLOWERS))


def follow(path: Path, url: str, clock: Clock, stop: threading.Event, makers: tuple[tuple[str, MakeFollower], ...]) -> int:
    """Run the followers that a site asks for until told to stop; returns the exit code. Changed settings are taken up within seconds.

    Raises SettingsError where they are wrong at the begin; later the old ones stay in force.
    """
    log = structlog.get_logger(process="monitor")
    watch = SettingsWatch(path)
    running = _started(load_site(path), url, clock, makers)
    say_ready(followers=[one.name for one in running])
    while not stop.wait(_WATCH_SECONDS):
        if not watch.changed():
            continue
        try:
            site = load_site(path)
        except SettingsError as error:
            log.warning("the settings changed and are wrong; the old ones stay in force", problems=error.problems)
            continue
        _stop(running)
        running = _started(site, url, clock, makers)
        log.info("the settings were read anew", followers=[one.name for one in running])
    _stop(running)
    return 0


def _started(site: Site, url: str, clock: Clock, makers: tuple[tuple[str, MakeFollower], ...]) -> list[Following]:
    wanted = [(name, make) for name, make in makers if make(site, clock) is not None]
    running = [Following(name, partial(_made, make, site, clock), url) for name, make in wanted]
    for one in running:
        one.start()
    return running


def _stop(running: list[Following]) -> None:
    for one in running:
        one.end()
    late = [one.name for one in running if not one.stop(_STOP_SECONDS)]
    if late:
        structlog.get_logger(process="monitor").warning("stopped within a step, which the database takes back", followers=late)


def _made(make: MakeFollower, site: Site, clock: Clock) -> Follower:
    follower = make(site, clock)
    assert follower is not None  # noqa: S101 - asked before
    return follower


if __name__ == "__main__":
    sys.exit(main())
