"""What becomes a delivery: what people approved, what the plan says next, what was found not OK; each once, by what it comes from.

A pass looks at stored rows alone and writes each thing in a transaction with how far it has looked, so that a process that was killed
anywhere goes on without leaving anything out or doing it twice. Afterwards it brings back what became of deliveries to what they came from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from delivery.changeovers import carry_on, take_changeovers
from delivery.live_plan import LivePlan
from delivery.places import places_of
from delivery.taking_changes import follow_changes, take_changes
from delivery.taking_jobs import take_jobs
from delivery.taking_offsets import take_offsets
from delivery.taking_routes import follow_routes, take_routes
from delivery.taking_tuning import follow_tuning, take_tuning
from delivery.taking_verdicts import take_holds, take_releases
from plant.clock import Clock
from plant.errors import Rejected, SettingsError, Unavailable
from plant.site import Site
from storage.changeover_sets import CHANGEOVERS
from storage.database import Connection, connect, heard, listen
from storage.deliveries import DELIVERIES
from storage.design_changes import CHANGED
from storage.inspections import INSPECTED
from storage.plans import PLANNED
from storage.progress import hold_follower
from storage.recommendations import RECOMMENDED
from storage.trials import TUNED

CHANNELS: Final = (RECOMMENDED, TUNED, PLANNED, CHANGEOVERS, INSPECTED, CHANGED, DELIVERIES)
"""Where it is said that there may be something to take; a pass each few seconds finds it too."""
LOOK_SECONDS: Final = 2.0
_FOLLOWER: Final = "delivery taking"
_AGAIN_SECONDS: Final = 30.0
_GATHER_SECONDS: Final = 0.25
_STATEMENT_SECONDS: Final = 60.0
_Take = Callable[[Connection, int], int]


class Taking:
    """Looks for what is to be delivered, and brings back what became of it."""

    def __init__(self, site: Site) -> None:
        places, live = places_of(site), LivePlan()
        self._log = structlog.get_logger(process="delivery")
        self._problems: dict[str, str] = {}
        self._takes: dict[str, _Take] = {
            "holds": lambda connection, now_us: take_holds(connection, places, now_us),
            "releases": lambda connection, now_us: take_releases(connection, places, now_us),
            "offsets": lambda connection, now_us: take_offsets(connection, places, now_us),
            "changeovers": lambda connection, now_us: take_changeovers(connection, places, live, now_us),
            "what became of changeovers": lambda connection, now_us: carry_on(connection, places, now_us),
            "jobs": lambda connection, now_us: take_jobs(connection, places, live, now_us),
            "routes": lambda connection, now_us: take_routes(connection, places, now_us),
            "tuning": lambda connection, now_us: take_tuning(connection, places, now_us),
            "design changes": lambda connection, now_us: take_changes(connection, places, now_us),
            "what became of routes": follow_routes,
            "what became of tuning": lambda connection, now_us: follow_tuning(connection, places, now_us),
            "what became of design changes": lambda connection, now_us: follow_changes(connection, places, now_us),
        }

    def take(self, connection: Connection, now_us: int) -> int:
        """Make one pass and return how much it brought about. Raises Unavailable while the database is away.

        What cannot be taken is said once in the log and keeps nothing else from being taken.
        """
        brought = 0
        for name, take in self._takes.items():
            try:
                brought += take(connection, now_us)
            except (Rejected, SettingsError) as error:
                self._told(name, str(error))
            else:
                self._problems.pop(name, None)
        return brought

    def _told(self, name: str, problem: str) -> None:
        if self._problems.get(name) != problem:
            self._problems[name] = problem
            self._log.warning("cannot take this", what=name, reason=problem)


def run_taking(url: str, site: Site, clock: Clock, stop: threading.Event) -> None:
    """Make passes until told to stop, with a connection of its own: what is sent meanwhile waits for none of them."""
    log = structlog.get_logger(process="delivery")
    away = ""
    while not stop.is_set():
        taking = Taking(site)
        try:
            with connect(url, application="leadhand delivery taking", statement_seconds=_STATEMENT_SECONDS) as connection:
                _begin(connection)
                while not stop.is_set():
                    brought = taking.take(connection, clock.now_us())
                    away = ""
                    # what a pass brought about may bring about more: it is looked at again at once
                    if not brought:
                        _pause(connection, stop)
                        # what is sent and answered meanwhile shares the processor with a pass: many news, one pass
                        stop.wait(_GATHER_SECONDS)
        except Unavailable as error:
            if str(error) != away:
                log.warning("cannot go on yet", reason=str(error))
            away = str(error)
            stop.wait(LOOK_SECONDS)
        except Exception:
            # what nobody thought of keeps nothing from being sent and answered; it is tried again, and said each time
            log.exception("what is to be delivered could not be looked for")
            stop.wait(_AGAIN_SECONDS)


def _begin(connection: Connection) -> None:
    if not hold_follower(connection, _FOLLOWER):
        raise Unavailable("another delivery process is at work; this one stands by")
    for channel in CHANNELS:
        listen(connection, channel)


def _pause(connection: Connection, stop: threading.Event) -> None:
    """Wait until something is said, some seconds have gone by, or it is time to stop."""
    for _ in range(8):
        if stop.is_set() or heard(connection, LOOK_SECONDS / 8, own=False):
            return
