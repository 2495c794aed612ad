"""Ports for what tests start. None is of the range from which the system gives out ports by itself.

A port that was asked of the system and let go again may be given to any connection that goes out meanwhile; and whoever connects
to such a port while nobody listens there may even reach himself. Here neither can happen.
"""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path
from typing import Final

_LOWEST: Final = 10_000
_WORKERS: Final = 16
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port where nobody listens, and that nobody is given by chance."""
    first, past = _own_ports()
    while True:
        port = random.randrange(first, past)  # noqa: S311 - no secret
        with socket.socket() as probe:
            # as servers do: what lingers of earlier connections is no hindrance
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port


def _own_ports() -> tuple[int, int]:
    """The ports of this worker of a run of tests: from, up to and without."""
    try:
        given = int(_RANGE.read_text("ascii").split()[0])
    except (OSError, ValueError):
        given = 32_768
    past = max(2 * _LOWEST, given)
    width = (past - _LOWEST) // _WORKERS
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0) % _WORKERS
    return _LOWEST + worker * width, _LOWEST + (worker + 1) * width
