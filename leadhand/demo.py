"""``leadhand demo``: a whole factory on this machine, everything embedded."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

from delivery.keys import KeyFolder
from leadhand import programs
from leadhand.accounting import Account, account_of, minus, table
from leadhand.child import Program
from leadhand.console import Console
from leadhand.databases import connected
from leadhand.demo_person import WAIT_SECONDS, DemoPerson
from leadhand.demo_story import TRIM_SECONDS, Story, book_of, with_book
from leadhand.home import Home
from leadhand.processes import Usage, usage_of
from leadhand.session import supervised
from leadhand.settings import load_settings
from leadhand.starting import broker_for, dashboard_port, reported, start_database
from leadhand.supervisor import Supervisor
from leadhand.tuned_cell import tuned_target
from plant.clock import Clock
from plant.errors import SettingsError
from plant.ledger import Gap, LedgerLine
from plant.network_file import load_network
from plant.signals import SourceId
from plant.site import load_site
from storage.counting import Piece, count_pieces, moved_between, rows_since
from storage.health import read_sources
from storage.ledger import read_gaps, read_totals
from storage.people import Scope, ensure_first_admin, issue_login_link, issue_token, read_tokens, revoke_token
from storage.process_networks import write_network

_LINK_SECONDS = 3600
_SYSTEMS = "demo: MES, PLM and people"
_TOKEN_SECONDS = 30 * 86_400
_SPINDLES = 4
"""Of the slewing-bearing station."""
_BUFFERS_MB = 40
"""What the system keeps of the database's files does for the rest: the demo writes much and reads little that is old."""
_ALWAYS = (0, 253_370_764_800_000_000)
"""Until the year 9999."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a person chose."""

    port: int | None = None
    seed: int = 1
    units: int | None = None
    headless: bool = False
    seconds: float | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    """The database at one moment."""

    totals: dict[SourceId, LedgerLine]
    rows: dict[Piece, tuple[SourceId, int]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What running cost."""

    seconds: float
    cpu_share: float
    """Of all cores, 0 to 1."""
    memory_bytes: int
    processes: int


def run_demo(home: Home, options: DemoOptions, console: Console, clock: Clock) -> int:
    """Run the demo until it is stopped, or for the seconds given; returns the exit code."""
    home.create()
    settings = load_settings(home.settings)
    port = dashboard_port(settings.dashboard.host, options.port or settings.dashboard.port, must=options.port is not None, console=console)
    begin, since_us = clock.monotonic(), clock.now_us()
    for controller in ("mes", "welding-robot", "stations"):
        # as an engineer gives a controller its key, before anything is sent
        KeyFolder(programs.delivery_keys(home)).key(controller)
    results: dict[str, object] | None = None
    with supervised(home, "demo", console, clock) as supervisor:
        broker = broker_for(settings, home)
        plant = programs.plant_simulator(
            home.site,
            seed=options.seed,
            broker=broker,
            units=options.units,
            spindles=_SPINDLES,
            alarms=True,
            cameras=True,
            routes=True,
            delivery=True,
        )
        supervisor.launch([with_book(plant, home)])
        early = _has_site(home)
        url = start_database(supervisor, home, settings, broker.programs, buffers_mb=_BUFFERS_MB)
        with reported(supervisor, url, clock):
            before = _look(url) if options.headless else None
            dashboard = programs.dashboard(home, home.site, url, settings.dashboard, port)
            supervisor.launch([programs.upkeep(home, url, settings.storage.budget_gb), *([dashboard] if early else [])])
            supervisor.wait(["simulator"])
            supervisor.launch([programs.ingest(home, home.site, url), programs.monitor(home.site, url), *([] if early else [dashboard])])
            supervisor.wait(["upkeep", "ingest", "monitor", "dashboard"])
            cameras = with_book(programs.camera_simulator(home, home.site, seed=options.seed), home)
            supervisor.launch([programs.vision(home, home.site, url), cameras])
            address = f"http://{settings.dashboard.host}:{port}"
            floor = programs.floor_simulator(home, seed=options.seed, broker=broker, leadhand_url=address, token=_token(url, clock))
            supervisor.launch([floor, programs.optimizer(home.site, url), programs.delivery(home, home.site, url)])
            supervisor.launch([_trimmed(programs.tuned_cell(home, url, seed=options.seed, broker=broker), home)])
            _welcome(supervisor, url, address, clock.monotonic() - begin, console, clock)
            _bring_network(supervisor, url, clock)
            story = Story(book_of(home), tuned_target(options.seed), since_us, round(WAIT_SECONDS * 1e6))
            cost = _watch(supervisor, DemoPerson(url, console, clock, story), options.seconds, clock)
            if before is not None:
                achieved = _achieved(url)
                supervisor.stop(["ingest"])
                results = _results(before, _look(url), url, since_us, achieved, cost)
    if results is None:
        return 0
    _print(results, as_json=options.as_json)
    return 0 if results["ok"] else 1


def _trimmed(cell: Program, home: Home) -> Program:
    """Return the welding cell as one that somebody trims, once, after a while."""
    return replace(with_book(cell, home), arguments=(*with_book(cell, home).arguments, "--trim-after", f"{TRIM_SECONDS:g}"))


def _token(url: str, clock: Clock) -> str:
    """Return a token for the simulated MES, PLM and people: they bring orders and design changes and call, and may do nothing else."""
    with connected(url) as connection:
        for known in read_tokens(connection):
            if known.name == _SYSTEMS and known.revoked_us is None:
                revoke_token(connection, known.id, clock)
        _, secret = issue_token(
            connection,
            name=_SYSTEMS,
            scopes=(Scope.ORDERS, Scope.DESIGN, Scope.ALARMS),
            valid_seconds=_TOKEN_SECONDS,
            created_by="demo",
            clock=clock,
        )
    return secret


def _bring_network(supervisor: Supervisor, url: str, clock: Clock) -> None:
    """Import the simulated factory's network once it is there; the optimizer takes the rest from its folder."""
    (facts,) = supervisor.wait(["floor"])
    network = load_network(Path(str(facts["network"])))
    with connected(url) as connection:
        write_network(connection, network, actor="demo", now_us=clock.now_us())


def _has_site(home: Home) -> bool:
    """Return whether a former start left a site file that the dashboard can begin with, beside the simulator that writes it anew."""
    try:
        load_site(home.site)
    except SettingsError:
        return False
    return True


def _welcome(supervisor: Supervisor, url: str, address: str, seconds: float, console: Console, clock: Clock) -> None:
    supervisor.facts["address"] = address
    with connected(url) as connection:
        first = ensure_first_admin(connection, clock)
        link = issue_login_link(connection, "admin", _LINK_SECONDS, clock)
    console.good(f"the factory runs after {seconds:.1f} s")
    console.said("")
    console.said(f"  Dashboard   {address}")
    console.said(f"  Log in by   {address}/login?link={link}   (once, within {_LINK_SECONDS // 60} min)")
    if first is not None:
        console.said(f"  or as       {first.name} with password {first.password}   (shown this once)")
    console.said("  Stop with   Ctrl-C")
    console.said("")


def _watch(supervisor: Supervisor, person: DemoPerson, seconds: float | None, clock: Clock) -> Cost:
    roots = [os.getpid(), *(child.server_pid for child in supervisor.children.values() if child.server_pid is not None)]
    begin, first = clock.monotonic(), usage_of(roots)
    supervisor.watch(person.looks, seconds)
    person.close()
    last: Usage = usage_of(roots)
    elapsed = max(clock.monotonic() - begin, 1e-9)
    share = (last.cpu_seconds - first.cpu_seconds) / elapsed / (os.cpu_count() or 1)
    return Cost(elapsed, share, last.memory_bytes, last.processes)


def _look(url: str) -> _Look:
    with connected(url, read_only=True) as connection:
        return _Look(read_totals(connection, *_ALWAYS), count_pieces(connection))


def _achieved(url: str) -> dict[SourceId, int | None]:
    with connected(url, read_only=True) as connection:
        return {report.source: report.achieved_us for report in read_sources(connection)}


def _gaps_by_reason(gaps: list[Gap]) -> dict[SourceId, dict[str, int]]:
    found: dict[SourceId, dict[str, int]] = {}
    for gap in gaps:
        reasons = found.setdefault(gap.source, {})
        reasons[gap.reason.value] = reasons.get(gap.reason.value, 0) + gap.count
    return found


def _results(before: _Look, after: _Look, url: str, since_us: int, achieved: dict[SourceId, int | None], cost: Cost) -> dict[str, object]:
    with connected(url, read_only=True) as connection:
        reports = {report.source: report for report in read_sources(connection)}
        gaps = _gaps_by_reason(read_gaps(connection, since_us, _ALWAYS[1], most=1_000_000))
    stored, moved = rows_since(before.rows, after.rows), moved_between(before.rows, after.rows)
    sources, ok, beside = [], True, 0
    for source, line in sorted(after.totals.items()):
        earlier = before.totals.get(source)
        counts = line.counts if earlier is None else minus(line.counts, earlier.counts)
        lateness = line.lateness if earlier is None else line.lateness - earlier.lateness
        account = account_of(source, replace(line, counts=counts, lateness=lateness), reports.get(source))
        account = replace(account, achieved_us=achieved.get(source))
        rows = stored.get(source, 0)
        beside += rows - account.stored
        ok = ok and account.unexplained == 0 and (rows == account.stored or source in moved)
        sources.append({**account.as_json(), "rows_in_database": rows, "gaps_by_reason": gaps.get(source, {})})
    return {
        "ok": ok and beside == 0 and bool(sources),
        "seconds": round(cost.seconds, 3),
        "unexplained": sum(int(str(source["unexplained"])) for source in sources),
        "rows_beside_the_ledger": beside,
        "cpu_share": round(cost.cpu_share, 4),
        "cores": os.cpu_count(),
        "memory_bytes": cost.memory_bytes,
        "processes": cost.processes,
        "sources": sources,
    }


def _print(results: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(results, indent=1) + "\n")
        return
    known = {field.name for field in fields(Account)}
    entries = results["sources"]
    assert isinstance(entries, list)  # noqa: S101 - made above
    accounts = [Account(**{name: value for name, value in entry.items() if name in known}) for entry in entries]
    sys.stdout.write(table(accounts) + "\n")
    sys.stdout.write(
        f"it {'adds up' if results['ok'] else 'DOES NOT ADD UP'}: {results['unexplained']} unexplained, "
        f"{results['rows_beside_the_ledger']} rows beside the ledger; {float(str(results['cpu_share'])):.0%} of {results['cores']} cores, "
        f"{int(str(results['memory_bytes'])) / 1e6:,.0f} MB\n"
    )
