"""The programs of Leadhand and how each is started."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from leadhand.child import Program
from leadhand.home import Home
from leadhand.settings import DashboardSettings
from protocols.ports import free_port, is_free

BROKER_USER = "leadhand"
ROUTES_INBOX = "routes/inbox"
"""Folder of a demo's home whose files of operations are imported."""
_FLOOR_SEEDS = 1000
"""The factories below are for figures: nobody develops on them."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Pictures are judged one after the other, and learning has time: more threads would only take the cores of what reads the machines."""
_GIVES_BACK = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "262144"}
"""Learning takes much memory for a short time: glibc then gives it back. Seen: 236 MB in place of 290."""
_DATABASE_STOP_SECONDS = 45.0
_FIRST_START_SECONDS = 120.0
"""A first start makes a database; on a busy machine that takes its time."""


def database(home: Home, buffers_mb: int | None = None) -> Program:
    """Return the embedded PostgreSQL; ``buffers_mb`` is how much of its pages it keeps in memory, where not as usual."""
    buffers = () if buffers_mb is None else ("--buffers-mb", str(buffers_mb))
    return Program(
        "database",
        ("-m", "leadhand.embedded", "database", "--home", str(home.path), *buffers),
        ready_seconds=_FIRST_START_SECONDS,
        stop_seconds=_DATABASE_STOP_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class Broker:
    """The MQTT broker that simulators use."""

    url: str
    """Without user and password."""
    environment: Mapping[str, str]
    """User and password, where a command line cannot show them."""
    programs: tuple[Program, ...] = ()
    """What must run for it to be there."""


def embedded_broker(home: Home, port: int) -> Broker:
    """Return the embedded MQTT broker on a port of 127.0.0.1; only user 'leadhand' is let in, with a random password of this home."""
    arguments = ("-m", "leadhand.embedded", "broker", "--home", str(home.path), "--port", str(port))
    environment = {"LEADHAND_MQTT_USER": BROKER_USER, "LEADHAND_MQTT_PASSWORD": broker_password(home)}
    return Broker(f"mqtt://127.0.0.1:{port}", environment, (Program("broker", arguments),))


def broker_at(url: str) -> Broker:
    """Return the broker that a URL with or without user and password names."""
    parts = urlsplit(url)
    environment = {} if parts.username is None else {"LEADHAND_MQTT_USER": unquote(parts.username)}
    if parts.password is not None:
        environment["LEADHAND_MQTT_PASSWORD"] = unquote(parts.password)
    return Broker(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", environment)


def broker_password(home: Home) -> str:
    """Return the password of the embedded broker's user, made at random at the first call."""
    file = home.path / "secrets" / "mqtt-password"
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(secrets.token_hex(16) + "\n")
    return file.read_text().strip()


def upkeep(home: Home, database_url: str, budget_gb: float) -> Program:
    """Return what keeps the database in shape, and anchors the audit trail in a file beside it."""
    arguments = ("-m", "storage", "--budget-gb", f"{budget_gb:g}", "--anchors", str(home.anchors))
    return Program("upkeep", arguments, _database(database_url), stop_seconds=15.0)


def ingest(home: Home, site: Path, database_url: str) -> Program:
    """Return what reads the sources."""
    arguments = ("-m", "ingest", "--site", str(site), "--home", str(home.path))
    return Program("ingest", arguments, _database(database_url), ready_seconds=60.0, stop_seconds=20.0)


def monitor(site: Path, database_url: str) -> Program:
    """Return what turns samples into alarms, states, losses, charts and wear."""
    return Program("monitor", ("-m", "monitor", "--site", str(site)), _database(database_url), ready_seconds=60.0, stop_seconds=15.0)


def vision(home: Home, site: Path, database_url: str) -> Program:
    """Return what looks at pictures of bolts and welds."""
    arguments = ("-m", "vision", "--site", str(site), "--home", str(home.path))
    return Program("vision", arguments, {**_database(database_url), **_ONE_THREAD}, ready_seconds=60.0, stop_seconds=20.0)


def optimizer(site: Path, database_url: str) -> Program:
    """Return what learns from measured history, and recommends routes."""
    environment = {**_database(database_url), **_ONE_THREAD, **_GIVES_BACK}
    return Program("optimizer", ("-m", "optimizer", "--site", str(site)), environment, ready_seconds=60.0, stop_seconds=20.0)


def delivery(home: Home, site: Path, database_url: str) -> Program:
    """Return what brings to line controllers what was approved, and their answers back; it alone has credentials for them."""
    arguments = ("-m", "delivery", "--site", str(site), "--home", str(home.path))
    return Program("delivery", arguments, {**_database(database_url), **_ONE_THREAD}, ready_seconds=60.0, stop_seconds=20.0)


def dashboard(home: Home, site: Path, database_url: str, settings: DashboardSettings, port: int) -> Program:
    """Return the pages and the REST server."""
    arguments = ["-m", "dashboard", "--home", str(home.path), "--site", str(site), "--host", settings.host, "--port", str(port)]
    arguments += ["--idle-minutes", str(settings.idle_minutes), "--longest-hours", str(settings.longest_hours)]
    arguments += ["--most-sessions", str(settings.most_sessions)]
    arguments += [] if settings.public_url is None else ["--public-url", settings.public_url]
    arguments += [] if settings.oidc is None else ["--oidc", settings.oidc.model_dump_json(exclude_defaults=True)]
    return Program("dashboard", tuple(arguments), _database(database_url), ready_seconds=90.0)


def plant_simulator(
    site_out: Path,
    *,
    seed: int,
    broker: Broker,
    units: int | None,
    spindles: int = 0,
    alarms: bool = False,
    cameras: bool = False,
    routes: bool = False,
    delivery: bool = False,
) -> Program:
    """Return a simulated plant that writes its own site file."""
    arguments = ["-m", "simulators", "plant", "--seed", str(seed), "--opcua-port", str(free_ports(2)), "--mqtt-url", broker.url]
    arguments += [] if units is None else ["--units", str(units)]
    arguments += ["--spindles", str(spindles)] if spindles else []
    arguments += ["--alarms"] * alarms + ["--cameras"] * cameras + ["--routes", ROUTES_INBOX] * routes
    arguments += ["--delivery"] * delivery
    return Program("simulator", (*arguments, "--site-out", str(site_out)), broker.environment, ready_seconds=60.0)


def camera_simulator(home: Home, site: Path, *, seed: int) -> Program:
    """Return simulated cameras that look at the stations a site names."""
    folder = home.path / "vision" / "inbox"
    arguments = ("-m", "simulators", "cameras", "--site", str(site), "--folder", str(folder), "--seed", str(seed))
    return Program("cameras", arguments, _ONE_THREAD, ready_seconds=60.0)


def tuned_cell(home: Home, database_url: str, *, seed: int, broker: Broker) -> Program:
    """Return a simulated welding cell that is fine-tuned: its controller takes the trials that people approve."""
    environment = {**_database(database_url), **_ONE_THREAD, **broker.environment}
    arguments = ("-m", "leadhand.tuned_cell", "--seed", str(seed), "--mqtt-url", broker.url, "--keys", str(delivery_keys(home)))
    memory = home.path / "simulated" / "welding-robot.json"
    return Program("tuned-cell", (*arguments, "--memory", str(memory)), environment, ready_seconds=120.0)


def floor_simulator(home: Home, *, seed: int, broker: Broker, leadhand_url: str, token: str) -> Program:
    """Return a simulated factory that goes on making orders, by routes that its MES takes; its route set is made at the first start."""
    arguments = ["-m", "simulators", "floor", "--folder", str(home.path / ROUTES_INBOX), "--set", str(home.path / "routes" / "set")]
    arguments += ["--mqtt-url", broker.url, "--keys", str(delivery_keys(home)), "--seed", str(_FLOOR_SEEDS + seed)]
    arguments += ["--leadhand-url", leadhand_url]
    environment = {**_ONE_THREAD, **broker.environment, "LEADHAND_TOKEN": token}
    return Program("floor", tuple(arguments), environment, ready_seconds=120.0)


def delivery_keys(home: Home) -> Path:
    """Return the folder of the keys that messages to controllers are signed with."""
    return home.path / "delivery" / "keys"


def replay_simulator(
    site_out: Path, *, file: Path, via: str, broker: Broker | None, speed: float, once: bool, hold: bool = False
) -> Program:
    """Return a recording that is played as a device; it writes its own site file. With ``hold`` it begins at SIGUSR1 (MQTT only)."""
    arguments = ["-m", "simulators", "replay", str(file), "--via", via, "--speed", f"{speed:g}", "--site-out", str(site_out)]
    arguments += ["--port", str(free_ports(1))] if broker is None else ["--mqtt-url", broker.url]
    arguments += ["--once"] * once + ["--hold"] * hold
    environment = {} if broker is None else broker.environment
    return Program("simulator", tuple(arguments), environment, ready_seconds=60.0, ends=once)


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """Return the first of so many ports in a row that nobody listens on now."""
    while True:
        first = free_port(host)
        if first + count <= 65536 and all(is_free(host, first + further) for further in range(count)):
            return first


def _database(url: str) -> dict[str, str]:
    return {"LEADHAND_DATABASE_URL": url}
