"""``leadhand up SITE``: the real thing. Sources are read even while the database is still away."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leadhand import programs
from leadhand.child import Program
from leadhand.console import Console
from leadhand.databases import connected
from leadhand.home import Home
from leadhand.session import supervised
from leadhand.settings import HomeSettings, load_settings
from leadhand.starting import dashboard_port, needs_broker, reported, start_database
from leadhand.supervisor import Supervisor
from plant.clock import Clock
from plant.errors import Unavailable
from plant.site import Site, load_site
from protocols.ports import is_free
from storage.migrations import migrate
from storage.people import ensure_first_admin

_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Plan:
    home: Home
    settings: HomeSettings
    site: Path
    port: int


def run_up(home: Home, site: Path, port: int | None, console: Console, clock: Clock) -> int:
    """Run everything for a real site until it is stopped; returns the exit code."""
    factory = load_site(site)
    home.create()
    settings = load_settings(home.settings)
    chosen = dashboard_port(settings.dashboard.host, port or settings.dashboard.port, must=True, console=console)
    plan = _Plan(home, settings, site, chosen)
    with supervised(home, "up", console, clock) as supervisor:
        supervisor.facts["site"] = str(site)
        beside = _broker(plan, factory)
        try:
            url = start_database(supervisor, home, settings, beside)
        except Unavailable as error:
            if settings.database.url is None:
                raise
            console.trouble(f"{error}; sources are read meanwhile, and kept in {home.path / 'spool'}")
            url = settings.database.url
            supervisor.start([programs.ingest(home, site, url)])
            _wait_for_database(supervisor, url, clock)
        if not supervisor.stop_asked:
            with reported(supervisor, url, clock):
                supervisor.start(_others(plan, url, factory, supervisor))
                _welcome(supervisor, url, f"http://{settings.dashboard.host}:{chosen}", console, clock)
                supervisor.watch(lambda: False)
    return 0


def _broker(plan: _Plan, factory: Site) -> tuple[Program, ...]:
    port = plan.settings.mqtt.port
    wanted = plan.settings.mqtt.url is None and needs_broker([source.url for source in factory.sources], port)
    return programs.embedded_broker(plan.home, port).programs if wanted and is_free("127.0.0.1", port) else ()


def _others(plan: _Plan, url: str, factory: Site, supervisor: Supervisor) -> list[Program]:
    wanted = [
        programs.upkeep(plan.home, url, plan.settings.storage.budget_gb),
        programs.ingest(plan.home, plan.site, url),
        programs.monitor(plan.site, url),
        *([programs.vision(plan.home, plan.site, url)] if factory.vision or factory.joint_groups else []),
        *([programs.optimizer(plan.site, url)] if factory.optimizer else []),
        *([programs.delivery(plan.home, plan.site, url)] if factory.delivery else []),
        programs.dashboard(plan.home, plan.site, url, plan.settings.dashboard, plan.port),
    ]
    return [program for program in wanted if program.name not in supervisor.children]


def _wait_for_database(supervisor: Supervisor, url: str, clock: Clock) -> None:
    due = 0.0

    def answers() -> bool:
        nonlocal due
        if clock.monotonic() < due:
            return False
        due = clock.monotonic() + _AGAIN_SECONDS
        try:
            migrate(url)
        except Unavailable:
            return False
        return True

    supervisor.watch(answers)


def _welcome(supervisor: Supervisor, url: str, address: str, console: Console, clock: Clock) -> None:
    supervisor.facts["address"] = address
    with connected(url) as connection:
        first = ensure_first_admin(connection, clock)
    console.good(f"all is running; the dashboard is at {address}")
    if first is not None:
        console.said(f"  the first account is '{first.name}' with password {first.password}: shown this once, so change it now")
