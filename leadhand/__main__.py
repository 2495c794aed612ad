"""The one command of Leadhand: ``leadhand --help`` explains it."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leadhand.alarming import alarms_app
from leadhand.auditing import audit_app
from leadhand.condition_commands import condition_app
from leadhand.console import Console
from leadhand.factory_commands import evaluate, simulate_app
from leadhand.home import DEMO, open_home, used_home
from leadhand.importing import export_history, export_network, export_products, import_app
from leadhand.joint_command import joint
from leadhand.nest_command import nest
from leadhand.plan_commands import plan, verify
from leadhand.recommend_command import recommend
from leadhand.sequence_command import sequence
from leadhand.share_command import share
from leadhand.table_exporting import export_tables
from leadhand.times import time_us
from leadhand.tuning_command import tune
from leadhand.vision_commands import inspect_app, vision_app
from plant.clock import SystemClock
from plant.errors import Rejected, SettingsError, Unavailable

if TYPE_CHECKING:
    from storage.database import Connection

OK, FAILED, WRONG_SETTINGS = 0, 1, 2

_HELP = """Leadhand sees every machine of a factory each 30 ms, remembers it, and shows it.

[bold]First steps[/bold]

  leadhand demo                       a simulated factory on this machine

  leadhand check site.toml            is my description of the factory right?

  leadhand up site.toml               the real thing

  leadhand status                     is all well?

Exit codes: 0 all is well, 1 it failed, 2 settings or arguments are wrong."""

app = typer.Typer(
    name="leadhand", help=_HELP, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False
)
export_app = typer.Typer(help="Take data out: 'leadhand export samples --help'.", no_args_is_help=True)
people_app = typer.Typer(help="Local accounts: add people, set passwords, list them.", no_args_is_help=True)
app.add_typer(export_app, name="export")
app.add_typer(import_app, name="import")
export_app.command("network")(export_network)
export_app.command("products")(export_products)
export_app.command("history")(export_history)
export_app.command("tables")(export_tables)
app.add_typer(people_app, name="people")
app.add_typer(audit_app, name="audit")
app.add_typer(alarms_app, name="alarms")
app.add_typer(condition_app, name="condition")
app.command()(joint)
app.command()(nest)
app.command()(share)
app.command()(plan)
app.command()(verify)
app.command()(recommend)
app.command()(sequence)
app.command()(tune)
app.command()(evaluate)
app.add_typer(simulate_app, name="simulate")
app.add_typer(inspect_app, name="inspect")
app.add_typer(vision_app, name="vision")
monitor_app = typer.Typer(help="What the monitor made of samples, looked at again.", no_args_is_help=True)
app.add_typer(monitor_app, name="monitor")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Folder of settings, data, logs. Else $XDG_DATA_HOME/leadhand.", show_default=False),
]
PortOption = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port of the dashboard; else by settings.toml, or 8050.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
_DEMO_HOME = "Folder of the demo. Else $XDG_DATA_HOME/leadhand-demo."


class Via(StrEnum):
    """How a recording reaches us."""

    OPCUA = "opcua"
    MQTT = "mqtt"


class RoleName(StrEnum):
    """The roles, by name."""

    VIEWER = "viewer"
    INSPECTOR = "inspector"
    ENGINEER = "engineer"
    APPROVER = "approver"
    ADMIN = "admin"


@app.command()
def demo(
    home: Annotated[Path | None, typer.Option("--home", metavar="DIR", help=_DEMO_HOME, show_default=False)] = None,
    port: PortOption = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same plant, faults and values.")] = 1,
    units: Annotated[int | None, typer.Option(min=1, help="How many devices. Else the reference line.", show_default=False)] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Run, drain, and print each source's ledger and lateness.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a whole simulated factory on this machine: database, broker, machines, ingest, dashboard.

    Examples: leadhand demo          leadhand demo --headless --seconds 60 --json
    """
    from leadhand.demo import DemoOptions, run_demo

    options = DemoOptions(port, seed, units, headless, seconds, as_json)
    with Console() as console:
        raise typer.Exit(run_demo(open_home(home, DEMO), options, console, SystemClock()))


@app.command()
def check(site: Annotated[Path, typer.Argument(metavar="SITE", help="The site.toml to read, with all it includes.")]) -> None:
    """Read the description of a factory and tell all that is wrong with it. Connects to nothing.

    Example: leadhand check site.toml
    """
    from leadhand.checking import summary
    from plant.site import load_site
    from plant.site_problems import problems

    read = load_site(site)
    wrong = problems(read, site)
    if wrong:
        raise SettingsError(wrong)
    typer.echo(summary(read, site))


@app.command()
def schema(
    settings: Annotated[bool, typer.Option("--settings", help="The schema of settings.toml instead of site.toml.")] = False,
) -> None:
    """Print the JSON schema of site.toml, for editors that check while you type.

    Example: leadhand schema > site.schema.json
    """
    from leadhand.settings import settings_schema
    from plant.site import site_schema

    typer.echo(json.dumps(settings_schema() if settings else site_schema(), indent=2))


@app.command()
def up(
    site: Annotated[Path, typer.Argument(metavar="SITE", help="The site.toml of your factory.")],
    home: HomeOption = None,
    port: PortOption = None,
) -> None:
    """Run everything for a real site, until Ctrl-C or SIGTERM.

    Example: leadhand up site.toml --home /srv/leadhand
    """
    from leadhand.up import run_up

    with Console() as console:
        raise typer.Exit(run_up(open_home(home), site.absolute(), port, console, SystemClock()))


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Tell how the processes and sources are. Exit code 1 when something needs a look.

    Example: leadhand status --json
    """
    from leadhand.statuses import lines, read_state

    clock = SystemClock()
    state = read_state(used_home(home), clock)
    typer.echo(json.dumps(state, indent=1) if as_json else "\n".join(lines(state, clock)))
    raise typer.Exit(FAILED if state["trouble"] else OK)


@app.command()
def ledger(
    home: HomeOption = None,
    hours: Annotated[float, typer.Option(min=0, max=100_000, help="How far to look back.")] = 24.0,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From then on, in place of --hours: 2026-11-22T06:00, UTC.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until then; now where not given.")] = None,
    source: Annotated[str | None, typer.Option(metavar="ID", help="One source only.")] = None,
    minutes: Annotated[bool, typer.Option("--minutes", help="One line for each minute.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell for each source where its samples went; exit code 1 when that does not add up, in sum or in any minute.

    Example: leadhand ledger --since 2026-11-22T06:00 --until 2026-11-22T14:00 --source press-4 --minutes
    """
    from leadhand.accounting import asked_span, conclusion, read_accounts, read_minutes, table
    from leadhand.databases import connected, open_database
    from leadhand.settings import load_settings

    clock, place = SystemClock(), used_home(home)
    from_us, to_us = asked_span(since, until, hours, clock.now_us())
    with open_database(place, load_settings(place.settings), clock) as url, connected(url, read_only=True) as connection:
        accounts = read_accounts(connection, from_us, to_us, source)
        by_minute = read_minutes(connection, from_us, to_us, source)
        if source is not None and not accounts:
            known = ", ".join(account.source for account in read_accounts(connection, from_us, to_us)) or "none yet"
            raise SettingsError(f"--source: there is no source '{source}'; there is: {known}")
    shown = by_minute if minutes else accounts
    typer.echo(json.dumps([account.as_json() for account in shown], indent=1) if as_json else table(shown))
    if not as_json:
        typer.echo(conclusion(accounts, by_minute))
    raise typer.Exit(FAILED if any(account.unexplained for account in (*accounts, *by_minute)) else OK)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A recording: a header, then one row for each moment.")],
    via: Annotated[Via, typer.Option(help="Through a real OPC UA server, or as MQTT messages.")],
    speed: Annotated[float, typer.Option(min=0.001, help="Times faster than recorded.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="End after the last row was taken; else begin again.")] = False,
    store: Annotated[bool, typer.Option("--store", help="Also take it in: database and ingest run too, to the proof.")] = False,
    home: HomeOption = None,
    mqtt_url: Annotated[str | None, typer.Option(metavar="URL", help="A broker; with --store, else the embedded one.")] = None,
) -> None:
    """Play a recording as if the machine stood here; no row passes before it was taken.

    Example: leadhand replay mill.csv --via opcua --speed 10 --once --store
    """
    from leadhand.replaying import ReplayOptions, play, play_and_store

    options = ReplayOptions(file.absolute(), via.value, speed, once, mqtt_url)
    place = open_home(home)
    if via is Via.MQTT and mqtt_url is None and not store:
        raise SettingsError("--via mqtt needs --mqtt-url mqtt://host:port, or --store, which brings a broker along")
    if not store:
        place.create()
        raise typer.Exit(play(options, place.path / "replay.toml"))
    with Console() as console:
        raise typer.Exit(play_and_store(options, place, console, SystemClock()))


@app.command()
def discover(
    url: Annotated[str, typer.Argument(metavar="URL", help="opc.tcp://host:port, or mqtt(s)://host:port for Sparkplug B")],
    out: Annotated[Path | None, typer.Option(metavar="SITE.toml", help="Write to a file.", show_default=False)] = None,
    username: Annotated[str | None, typer.Option(help="User at the server.", show_default=False)] = None,
    password_file: Annotated[Path | None, typer.Option(metavar="FILE", help="File that holds the password.", show_default=False)] = None,
    server_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate to trust.", show_default=False)] = None,
    allow_insecure: Annotated[bool, typer.Option("--allow-insecure", help="Connect without signing and encryption.")] = False,
    most: Annotated[int, typer.Option(min=1, help="How many variables at most.")] = 20_000,
    group: Annotated[list[str] | None, typer.Option(help="Sparkplug group to listen to; all if not given.", show_default=False)] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long to listen to Sparkplug edge nodes.")] = 15.0,
    home: HomeOption = None,
) -> None:
    """Ask an OPC UA server, or the Sparkplug edge nodes on a broker, what they have, and propose a site file that reads it.

    Example: leadhand discover opc.tcp://press-4:4840 --out site.toml
    """
    from leadhand.discovering import Access, find_variables, proposal, write

    if url.startswith(("mqtt://", "mqtts://")):
        from leadhand.discovering_births import BrokerAccess, births_proposal, find_metrics

        broker = BrokerAccess(url, tuple(group or ("+",)), seconds, username, password_file)
        metrics = find_metrics(broker, SystemClock())
        if out is None:
            typer.echo(births_proposal(broker, metrics), nl=False)
            return
        write(births_proposal(broker, metrics), out)
        typer.echo(f"{len(metrics):,} metrics found; read {out} over, name your plant in it, then: leadhand check {out}")
        return
    if not url.startswith("opc.tcp://"):
        raise SettingsError(f"URL: '{url}' cannot be asked; write opc.tcp://host:port, or mqtt://host:port for Sparkplug B")
    access = Access(url, allow_insecure, username, password_file, server_certificate)
    found = find_variables(access, open_home(home), most)
    if out is None:
        typer.echo(proposal(access, found), nl=False)
        return
    write(proposal(access, found), out)
    typer.echo(f"{len(found):,} variables found; read {out} over, name your plant in it, then: leadhand check {out}")


@export_app.callback()
def _export() -> None:
    """Take data out of the database."""


@export_app.command("samples")
def export_samples_(
    signals: Annotated[str, typer.Option(metavar="GLOB", help="Which signals: * stays within a part of the path, ** does not.")],
    csv: Annotated[Path | None, typer.Option("--csv", metavar="OUT", help="Write CSV.", show_default=False)] = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", metavar="OUT", help="Write Parquet.", show_default=False)] = None,
    from_time: Annotated[str | None, typer.Option("--from", metavar="TIME", help="ISO 8601; else UTC.", show_default=False)] = None,
    to_time: Annotated[str | None, typer.Option("--to", metavar="TIME", help="ISO 8601, exclusive.", show_default=False)] = None,
    home: HomeOption = None,
) -> None:
    """Write samples to a file, with the columns time, signal, value, text, status, by signal and time.

    Example: leadhand export samples --signals '**/robot-3/current' --from 2026-11-01 --parquet out.parquet
    """
    from leadhand.databases import connected, open_database
    from leadhand.exporting import some, write_csv, write_parquet
    from leadhand.settings import load_settings
    from storage.export import export_samples

    if (csv is None) == (parquet is None):
        raise SettingsError("say either --csv OUT or --parquet OUT")
    from_us, to_us = time_us("--from", from_time), time_us("--to", to_time)
    place = used_home(home)
    with open_database(place, load_settings(place.settings), SystemClock()) as url, connected(url, read_only=True) as connection:
        sought = f"signals '{signals}', from {from_time or 'the beginning'} to {to_time or 'now'}"
        frames = some(export_samples(connection, signals, from_us, to_us), sought)
        rows = write_csv(frames, csv) if csv is not None else write_parquet(frames, parquet or Path())
    typer.echo(f"{rows:,} samples written to {csv or parquet}", err=True)


@monitor_app.callback()
def _monitor() -> None:
    """Look again at what the monitor made of samples."""


@monitor_app.command("rerun")
def monitor_rerun(
    site: Annotated[Path, typer.Argument(metavar="SITE", help="The site.toml that the monitor follows.")],
    from_time: Annotated[str, typer.Option("--from", metavar="TIME", help="ISO 8601; else UTC.")],
    to_time: Annotated[str | None, typer.Option("--to", metavar="TIME", help="ISO 8601, exclusive; now where not given.")] = None,
    follower: Annotated[str, typer.Option(metavar="NAME", help="alarms or states.")] = "alarms",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the journal of alarms, or the states, again from the stored samples, and compare byte for byte. Exit code 1 when they differ.

    Example: leadhand monitor rerun site.toml --from 2026-11-21 --to 2026-11-22 --follower states
    """
    from dataclasses import asdict

    from leadhand.databases import connected, open_database
    from leadhand.rerunning import rerun_table
    from leadhand.settings import load_settings
    from monitor.rerun import rerun_alarms
    from monitor.state_rerun import rerun_states
    from plant.site import load_site

    if follower not in {"alarms", "states"}:
        raise typer.BadParameter(f"'{follower}' cannot be run again; there are: alarms, states", param_hint="--follower")
    clock, place = SystemClock(), used_home(home)
    factory = load_site(site)
    from_us, to_us = time_us("--from", from_time) or 0, time_us("--to", to_time) or clock.now_us()
    with open_database(place, load_settings(place.settings), clock) as url, connected(url) as connection:
        judge_again = rerun_states if follower == "states" else rerun_alarms
        found = judge_again(connection, factory, from_us, to_us)
    typer.echo(json.dumps(asdict(found), indent=1) if as_json else rerun_table(found))
    raise typer.Exit(OK if found.difference is None else FAILED)


@people_app.command("add")
def people_add(
    name: Annotated[str, typer.Argument(help="Login name: lower-case letters, digits, '.', '_', '-'.")],
    role: Annotated[RoleName, typer.Option(help="What the person may do.")] = RoleName.VIEWER,
    full_name: Annotated[str, typer.Option(help="The person's name as shown.")] = "",
    home: HomeOption = None,
) -> None:
    """Add an account; the password is asked for, or read from standard input.

    Example: leadhand people add li.wei --role engineer --full-name 'Li Wei'
    """
    from leadhand import peopling
    from storage.people import Role

    password = peopling.ask_password(name)
    with _people(home) as connection:
        peopling.add(connection, name=name, full_name=full_name, role=Role(role.value), password=password, clock=SystemClock())
    typer.echo(f"'{name}' may log in as {role.value}")


@people_app.command("password")
def people_password(name: Annotated[str, typer.Argument(help="Login name.")], home: HomeOption = None) -> None:
    """Set a new password; it is asked for, or read from standard input.

    Example: leadhand people password admin
    """
    from leadhand import peopling

    password = peopling.ask_password(name)
    with _people(home) as connection:
        peopling.change_password(connection, name=name, password=password, clock=SystemClock())
    typer.echo(f"'{name}' has a new password; all sessions of this account have ended")


@people_app.command("link")
def people_link(
    name: Annotated[str, typer.Argument(help="Login name.")] = "admin",
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long the link is good.")] = 15,
    home: HomeOption = None,
) -> None:
    """Print a link that logs a person in once, without a password.

    Example: leadhand people link admin
    """
    from leadhand import peopling

    with _people(home) as connection:
        secret = peopling.link(connection, name=name, seconds=minutes * 60, clock=SystemClock())
    address = (used_home(home).read_status() or {}).get("address", "http://127.0.0.1:8050")
    typer.echo(f"{address}/login?link={secret}")


@people_app.command("list")
def people_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List all accounts.

    Example: leadhand people list
    """
    from leadhand import peopling

    with _people(home) as connection:
        accounts = peopling.listing(connection)
    if as_json:
        typer.echo(json.dumps(accounts, indent=1))
        return
    for account in accounts:
        notes = " (disabled)" * bool(account["disabled"]) + " (password of the first start)" * bool(account["password_is_first"])
        typer.echo(f"{account['name']:<20} {account['role']:<10} {account['full_name']}{notes}")


@contextmanager
def _people(home: Path | None) -> Iterator[Connection]:
    from leadhand.databases import opened

    with opened(used_home(home), make=True) as connection:
        yield connection


def _left_at_once(code: object) -> None:
    """End now where a search has not yet heard that it is over: a solver that Python's end breaks off would abort."""
    if any(thread.daemon and thread.name.startswith(("plan-", "vehicles-", "cp-sat")) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else OK if code is None else FAILED)


def main() -> None:
    """Run the command line; each error becomes a sentence and an exit code."""
    try:
        app(prog_name="leadhand")
    except SystemExit as leaving:
        _left_at_once(leaving.code)
        raise
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        sys.exit(WRONG_SETTINGS)
    except (Unavailable, Rejected) as error:
        typer.echo(str(error), err=True)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
