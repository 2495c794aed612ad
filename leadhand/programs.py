"""The programs of Leadhand and how each is started."""

from __future__ import annotations

import socket
from pathlib import Path

from leadhand.child import Program
from leadhand.home import Home

_DATABASE_STOP_SECONDS = 45.0
_FIRST_START_SECONDS = 120.0
"""A first start makes a database; on a busy machine that takes its time."""


def database(home: Home) -> Program:
    """Return the embedded PostgreSQL."""
    return Program(
        "database",
        ("-m", "leadhand.embedded", "database", "--home", str(home.path)),
        ready_seconds=_FIRST_START_SECONDS,
        stop_seconds=_DATABASE_STOP_SECONDS,
    )


def broker(home: Home, port: int) -> Program:
    """Return the embedded MQTT broker on a port of 127.0.0.1."""
    return Program("broker", ("-m", "leadhand.embedded", "broker", "--home", str(home.path), "--port", str(port)))


def upkeep(database_url: str, budget_gb: float) -> Program:
    """Return what keeps the database in shape."""
    return Program("upkeep", ("-m", "storage", "--budget-gb", f"{budget_gb:g}"), _database(database_url), stop_seconds=15.0)


def ingest(home: Home, site: Path, database_url: str) -> Program:
    """Return what reads the sources."""
    arguments = ("-m", "ingest", "--site", str(site), "--home", str(home.path))
    return Program("ingest", arguments, _database(database_url), ready_seconds=60.0, stop_seconds=20.0)


def dashboard(home: Home, site: Path, database_url: str, host: str, port: int) -> Program:
    """Return the pages and the REST server."""
    arguments = ("-m", "dashboard", "--home", str(home.path), "--site", str(site), "--host", host, "--port", str(port))
    return Program("dashboard", arguments, _database(database_url), ready_seconds=90.0)


def plant_simulator(site_out: Path, *, seed: int, opcua_port: int, mqtt_url: str, units: int | None) -> Program:
    """Return a simulated plant that writes its own site file."""
    arguments = ["-m", "simulators", "plant", "--seed", str(seed), "--opcua-port", str(opcua_port), "--mqtt-url", mqtt_url]
    arguments += [] if units is None else ["--units", str(units)]
    return Program("simulator", (*arguments, "--site-out", str(site_out)), ready_seconds=60.0)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on now."""
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


def _database(url: str) -> dict[str, str]:
    return {"LEADHAND_DATABASE_URL": url}
