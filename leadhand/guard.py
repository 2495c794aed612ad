"""The process that outlives a killed leadhand just long enough to stop what it started.

Run as a script, with the grace in seconds as argument and a pipe as standard input. ``+123`` puts a process group in its care,
``-123`` takes it out. The end of the pipe means that leadhand is gone: then all groups left are told to end, and killed where they
do not. Only the standard library, no site packages: it must be small, and it must start before anything else does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Watch over process groups until the pipe ends, then clear away those that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        change, group = line[0], int(line[1:])
        (groups.add if change == "+" else groups.discard)(group)
    clear(groups, float(sys.argv[1]))


def clear(groups: set[int], grace_seconds: float) -> None:
    """Ask process groups to end, and kill those that have not within the grace given."""
    end = time.monotonic() + grace_seconds
    for group in groups:
        send(group, signal.SIGTERM)
    while groups and time.monotonic() < end:
        groups &= living_groups()
        time.sleep(0.05)
    for group in groups:
        send(group, signal.SIGKILL)


def send(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group; one that is gone already is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def living_groups() -> set[int]:
    """Return the process groups that have a member which runs; one that has ended but that nobody has waited for does not count."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, _parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if state not in "ZX":
                    found.add(int(group))
    return found


if __name__ == "__main__":
    main()
