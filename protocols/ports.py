"""Ports for programs that are started in a moment.

A port that was asked of the system and let go again may be given to any connection that goes out meanwhile; so ports are taken from
below the range that the system gives out by itself.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Final

_LOWEST: Final = 15_000
_FEWEST: Final = 1_000
_TRIES: Final = 200
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on now."""
    past = _first_given_out()
    for _ in range(_TRIES if past - _LOWEST >= _FEWEST else 0):
        port = _LOWEST + secrets.randbelow(past - _LOWEST)
        if is_free(host, port):
            return port
    with socket.socket() as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Return whether one could listen on a port."""
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return False
    return True


def _first_given_out() -> int:
    """Return the lowest port that the system gives out by itself."""
    try:
        return int(_RANGE.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
