"""The monitor's process with its alarms alone: ``python -m tests.monitor.only_alarms SITE``, for tests that kill it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from monitor.alarm_follower import NAME, make_alarms
from monitor.followers import Follower, Following
from plant.clock import SystemClock
from plant.site import load_site


def made() -> Follower:
    """The follower of the site that the command line names."""
    follower = make_alarms(load_site(Path(sys.argv[1])), SystemClock())
    assert follower is not None
    return follower


if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    following = Following(NAME, made, os.environ["LEADHAND_DATABASE_URL"])
    following.start()
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    stop.wait()
    following.stop(10)
