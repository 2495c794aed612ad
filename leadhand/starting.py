"""What demo, up and replay have in common: the database and the broker come first, and both may be somebody else's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from leadhand import programs
from leadhand.child import Program
from leadhand.console import Console
from leadhand.home import Home
from leadhand.reporting import Reporter
from leadhand.settings import HomeSettings
from leadhand.supervisor import Supervisor
from plant.clock import Clock
from plant.errors import SettingsError
from protocols.ports import free_port, is_free
from storage.migrations import migrate


def start_database(
    supervisor: Supervisor, home: Home, settings: HomeSettings, beside: Sequence[Program] = (), *, buffers_mb: int | None = None
) -> str:
    """Return the URL of the database with its tables made; starts the embedded one, and ``beside`` side by side, where wanted.

    ``buffers_mb`` is what the embedded one keeps of its pages in memory, where that is to be less than usual.
    """
    given = settings.database.url
    if given is not None:
        supervisor.start(beside)
        url = given
    else:
        url = str(supervisor.start([programs.database(home, buffers_mb), *beside])[0]["url"])
    migrate(url)
    return url


@contextmanager
def reported(supervisor: Supervisor, url: str, clock: Clock) -> Iterator[None]:
    """Have the state of all processes written to the database meanwhile."""
    reporter = Reporter(url, clock)
    supervisor.on_status(lambda: reporter.note(supervisor.children.values()))
    try:
        yield
    finally:
        reporter.close()


def broker_for(settings: HomeSettings, home: Home) -> programs.Broker:
    """Return the broker that simulators use: the one that settings name, or the embedded one."""
    if settings.mqtt.url is not None:
        return programs.broker_at(settings.mqtt.url)
    return programs.embedded_broker(home, free_port())


def dashboard_port(host: str, wanted: int, *, must: bool, console: Console) -> int:
    """Return the port of the dashboard: the wanted one, or a free one where it is taken and nobody insists on it."""
    if is_free(host, wanted):
        return wanted
    if must:
        raise SettingsError(f"port {wanted} on {host} is taken by another program; choose another with --port, or in settings.toml")
    other = free_port(host)
    console.trouble(f"port {wanted} is taken by another program; the dashboard uses {other}")
    return other


def needs_broker(urls: Sequence[str], port: int) -> bool:
    """Return whether one of the sources' URLs means the embedded broker of this home."""
    parts = [urlsplit(url) for url in urls if url.startswith("mqtt://")]
    return any(part.hostname in {"127.0.0.1", "localhost", "::1"} and (part.port or 1883) == port for part in parts)
