"""``python -m dashboard``: what people see and the only REST server, as a process."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import urlsplit

import structlog
import typer
import uvicorn
from pydantic import ValidationError

from dashboard.delivery_board import MOST_WAITING
from dashboard.hub import Hub
from dashboard.server import Server, ServerSettings, build_server
from dashboard.shell import build_shell
from dashboard.views import SiteView
from plant.clock import SystemClock
from plant.errors import SettingsError, Unavailable
from plant.settings_oidc import OidcSettings
from plant.site import load_site
from storage.database import connect
from storage.people import SessionRules, first_password_unchanged

if TYPE_CHECKING:
    from dashboard.oidc import Provider

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class _Uvicorn(uvicorn.Server):
    """uvicorn that says when it is ready, and lets go of live streams when asked to end."""

    def __init__(self, config: uvicorn.Config, hub: Hub, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._hub, self._ready = hub, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End cleanly: uvicorn itself would raise the signal again afterwards, and the process would seem killed."""
        self._hub.stop()
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def run(
    home: Annotated[Path, typer.Option(help="home folder: settings, data, secrets")],
    site: Annotated[Path, typer.Option(help="settings of the factory")],
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on; 0 takes a free one")] = 8050,
    public_url: Annotated[
        str | None, typer.Option(help="how people reach it, e.g. https://leadhand.example.com behind a proxy with TLS")
    ] = None,
    idle_minutes: Annotated[int, typer.Option(min=1, help="a session ends after so long without use")] = 15,
    longest_hours: Annotated[int, typer.Option(min=1, help="a session ends after so long in any case")] = 12,
    most_sessions: Annotated[int, typer.Option(min=1, help="so many sessions an account may have at a time")] = 10,
    oidc: Annotated[str | None, typer.Option(help="the OpenID Connect provider, as [dashboard.oidc] of settings.toml in JSON")] = None,
    allow_first_password: Annotated[
        bool, typer.Option(help="listen beyond this machine though the first random password still holds")
    ] = False,
) -> None:
    """Serve the dashboard until SIGTERM or SIGINT."""
    _log_as_json()
    url = os.environ.get("LEADHAND_DATABASE_URL")
    if not url:
        _end(["LEADHAND_DATABASE_URL is not set: it names the PostgreSQL to use"])
    try:
        holder = _SiteHolder(site)
        if not _is_loopback(host) and not allow_first_password:
            _refuse_first_password(url, host)
        provider = None if oidc is None else _provider(oidc, home, beyond=public_url is None and not _is_loopback(host))
        listening = _listen(host, port)
    except SettingsError as error:
        _end(error.problems)
    except Unavailable as error:
        _end([f"{error}; it must be reached once before the dashboard listens on {host}"], 1)
    rules = SessionRules(idle_minutes * 60, longest_hours * 3600, most_sessions)
    secure = (public_url or "").startswith("https://")
    settings = ServerSettings(url, home, site, _hosts(host, public_url), secure, rules, public_url, provider)
    server = build_server(settings, SystemClock(), holder.view, build_shell)
    _serve(server, listening, behind_proxy=public_url is not None)


def _provider(oidc: str, home: Path, *, beyond: bool) -> Provider:
    """Return whom people log in by; ``beyond``: whether other machines come by any name. Raises SettingsError."""
    if beyond:
        raise SettingsError("dashboard.oidc needs dashboard.public_url: the provider sends people back to it")
    from dashboard.oidc import Provider  # Authlib and httpx cost memory that only who has a provider should pay

    try:
        return Provider(OidcSettings.model_validate_json(oidc), home)
    except ValidationError as error:
        raise SettingsError([f"dashboard.oidc.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]) from error


class _SiteHolder:
    """Name and time zone of the factory, read anew when its file changes; a file that went wrong changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0
        self._view = self._load()

    def view(self) -> SiteView:
        """Return the factory's path, name and time zone."""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed != self._seen:
                self._seen = changed
                self._view = self._load()
        except (OSError, SettingsError):
            pass
        return self._view

    def _load(self) -> SiteView:
        site = load_site(self._path)
        return SiteView(str(site.path), site.name, site.time_zone)


def _serve(server: Server, listening: socket.socket, *, behind_proxy: bool) -> None:
    host, port = listening.getsockname()[:2]

    def ready() -> None:
        sys.stdout.write(json.dumps({"ready": True, "host": host, "port": port, "url": f"http://{_shown(host)}:{port}/"}) + "\n")
        sys.stdout.flush()

    config = uvicorn.Config(
        server.asgi,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=30,
        limit_concurrency=1000 + MOST_WAITING,
        server_header=False,
        proxy_headers=behind_proxy,  # then, and from this machine only, the client's address is what the proxy says
        forwarded_allow_ips="127.0.0.1",
        h11_max_incomplete_event_size=64 * 1024,
    )
    _Uvicorn(config, server.hub, ready).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise SettingsError(f"{host}:{port} cannot be listened on: {error.strerror or error}; choose another --host or --port") from error
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hosts(host: str, public_url: str | None) -> frozenset[str] | None:
    """Return the names this server answers to: beyond loopback any, unless a public address is given."""
    if public_url is None and not _is_loopback(host):
        return None
    public = urlsplit(public_url).hostname if public_url else None
    return _LOOPBACK_NAMES | {host.lower()} | ({public.lower()} if public else frozenset())


def _refuse_first_password(url: str, host: str) -> None:
    connection = connect(url, application="leadhand dashboard start")
    try:
        if first_password_unchanged(connection):
            raise SettingsError(
                f"--host {host}: the random password of the first start was never changed; log in on this machine and change it, "
                "or say --allow-first-password"
            )
    finally:
        connection.close()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _log_as_json() -> None:
    """Write one JSON object a line to stderr; other libraries' loggers from WARNING on, in the same form."""
    stamp: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(processors=[*stamp, structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(structlog.processors.JSONRenderer(), foreign_pre_chain=stamp))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("dashboard").setLevel(logging.WARNING)  # Dash sets its own to INFO


def _end(problems: list[str], code: int = 2) -> NoReturn:
    for problem in problems:
        sys.stderr.write(problem + "\n")
    raise SystemExit(code)


if __name__ == "__main__":
    typer.run(run)
