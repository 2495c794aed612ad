"""The commands below ``leadhand import`` and some below ``leadhand export``: a factory's products, network, windows, history, orders."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from leadhand.home import used_home
from plant.clock import SystemClock
from plant.errors import Rejected, SettingsError
from plant.table_rows import row_words

if TYPE_CHECKING:
    from optimizer.importing import Imported, Wish
    from optimizer.order_files import ImportedOrders
    from storage.database import Connection

import_app = typer.Typer(
    help="Bring a factory's own data in: network, products, history, windows, orders. Order: network, products, history.",
    no_args_is_help=True,
)
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Folder of settings, data, logs. Else $XDG_DATA_HOME/leadhand.", show_default=False),
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Read and check all, write nothing.")]
SkipOption = Annotated[bool, typer.Option("--skip-bad", help="Import the good rows though others are wrong; else it is all or nothing.")]
ByOption = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who imports, for the audit trail; else the login name.")]
FilesArgument = Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, XLSX or Parquet files.", show_default=False)]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="File to write, whole or not at all.", show_default=False)]
_SHOWN: Final = 50


@import_app.command()
def network(
    file: Annotated[Path, typer.Argument(metavar="NETWORK.json", help="Operations, alternatives, rules, routes.")],
    home: HomeOption = None,
    dry_run: DryOption = False,
    by: ByOption = None,
) -> None:
    """Put a process network in force as a new version; the versions before it stay.

    Example: leadhand import network network.json
    """
    from optimizer.importing import import_network

    _run([file], import_network, home, by, dry_run=dry_run, skip_bad=False, noun="alternatives")


@import_app.command()
def windows(
    file: Annotated[Path, typer.Argument(metavar="WINDOWS.toml", help="Hard limits of what may be recommended.")],
    home: HomeOption = None,
    dry_run: DryOption = False,
    by: ByOption = None,
) -> None:
    """Put process windows in force as a new version.

    Example: leadhand import windows windows.toml
    """
    from optimizer.importing import import_windows

    _run([file], import_windows, home, by, dry_run=dry_run, skip_bad=False, noun="windows")


@import_app.command()
def changeovers(
    file: Annotated[Path, typer.Argument(metavar="SETS.toml", help="Changeover sets: TOML or JSON.")],
    home: HomeOption = None,
    dry_run: DryOption = False,
    by: ByOption = None,
) -> None:
    """Put changeover sets in force as a new version; what changes, and which sets are not complete, is told first.

    Example: leadhand import changeovers changeovers.toml --dry-run
    """
    from optimizer.importing import changeover_news, import_changeovers

    def one(connection: Connection, path: Path, wish: Wish) -> Imported:
        checked = import_changeovers(connection, path, replace(wish, dry_run=True))
        for sentence in changeover_news(connection, path)[:_SHOWN]:
            typer.echo(f"  {sentence}")
        return checked if wish.dry_run else import_changeovers(connection, path, wish)

    _run([file], one, home, by, dry_run=dry_run, skip_bad=False, noun="changeover sets")


@import_app.command()
def products(
    files: FilesArgument, home: HomeOption = None, dry_run: DryOption = False, skip_bad: SkipOption = False, by: ByOption = None
) -> None:
    """Keep products with their features; a product that is there already gets the features of the file.

    Example: leadhand import products products.csv
    """
    from optimizer.importing import import_products

    _run(files, import_products, home, by, dry_run=dry_run, skip_bad=skip_bad, noun="products")


@import_app.command()
def history(
    files: FilesArgument, home: HomeOption = None, dry_run: DryOption = False, skip_bad: SkipOption = False, by: ByOption = None
) -> None:
    """Keep operations that were done; those that are there already (job order, operation, serial) are not taken twice.

    Example: leadhand import history history.parquet
    """
    from optimizer.importing import import_history

    _run(files, import_history, home, by, dry_run=dry_run, skip_bad=skip_bad, noun="operations")


@import_app.command()
def orders(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, XLSX, Parquet or JSON files.", show_default=False)],
    home: HomeOption = None,
    dry_run: DryOption = False,
    skip_bad: SkipOption = False,
    by: ByOption = None,
) -> None:
    """Keep customer orders; the optimizer plans them. The same number again is the same order, changed where the file says otherwise.

    Columns: order, product; and customer, quantity, due, release, priority, serials, note as wanted. --dry-run shows what would change.

    Example: leadhand import orders orders.csv --dry-run
    """
    from optimizer.importing import Wish, known_set
    from optimizer.order_files import import_orders

    wish = Wish(_who(by), SystemClock().now_us(), skip_bad=skip_bad, dry_run=dry_run)
    zone = _zone(home)
    refused = False
    with _connection(home) as connection:
        products = frozenset(known_set(connection).products.ids)
        for file in files:
            done = import_orders(connection, file, wish, zone=zone, products=products)
            for sentence in row_words(str(file), done.problems, most=_SHOWN):
                typer.echo(sentence, err=True)
            for line in order_lines(done):
                typer.echo(f"{file}: {line}")
            refused = refused or bool(done.written.refused)
            typer.echo(f"{file}: {_orders_told(done, dry_run=dry_run)}")
    if refused:
        raise typer.Exit(1)


def order_lines(done: ImportedOrders) -> Iterator[str]:
    """Yield what changes of orders that are there, and what is refused, a line each."""
    for change in done.written.changed[:_SHOWN]:
        told = ", ".join(f"{name} {_value(name, change.before[name])} -> {_value(name, change.after[name])}" for name in change.after)
        yield f"order {change.number}: {told}"
    for number, reason in list(done.written.refused.items())[:_SHOWN]:
        yield f"order {number} stays as it is: {reason}"


def _value(name: str, value: object) -> str:
    if value is None or value in ("", []):
        return "none"
    if name.endswith("_us"):
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(str(value)))
        return time.isoformat(timespec="minutes").replace("+00:00", "Z")
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _orders_told(done: ImportedOrders, *, dry_run: bool) -> str:
    left_out = len({problem.row for problem in done.problems})
    written = done.written
    told = [f"{len(written.added):,} orders {'would be ' if dry_run else ''}added"] if written.added or not written.same else []
    told += [f"{len(written.changed):,} changed"] if written.changed else []
    told += [f"{written.same:,} were there already"] if written.same else []
    told += [f"{len(written.refused):,} refused"] if written.refused else []
    told += [f"{left_out:,} wrong rows left out"] if left_out else []
    return ", ".join(told) + ("; nothing was written" if dry_run else "")


def _zone(home: Path | None) -> str:
    """Plant time of the home's settings; UTC where there are none yet."""
    from plant.site import load_site

    place = used_home(home)
    if not place.site.exists():
        return "UTC"
    return load_site(place.site).time_zone


def export_network(out: OutArgument, home: HomeOption = None) -> None:
    """Write the process network in force with the routes that are current now, as JSON.

    Example: leadhand export network network.json
    """
    from optimizer.files import write_network
    from optimizer.importing import known_set

    with _connection(home, read_only=True) as connection, _whole(out) as fresh:
        known = known_set(connection)
        write_network(fresh, known.network)
    typer.echo(f"{len(known.network.alternatives):,} alternatives, {len(known.network.routes):,} routes written to {out}", err=True)


def export_products(out: OutArgument, home: HomeOption = None) -> None:
    """Write all products, as CSV, XLSX or Parquet by the file's ending.

    Example: leadhand export products products.csv
    """
    from optimizer.files import write_products
    from optimizer.importing import known_set

    with _connection(home, read_only=True) as connection, _whole(out) as fresh:
        known = known_set(connection)
        write_products(fresh, known.products)
    typer.echo(f"{len(known.products):,} products written to {out}", err=True)


def export_history(out: OutArgument, home: HomeOption = None) -> None:
    """Write all operations done by alternatives of the network in force, as CSV, XLSX or Parquet by the file's ending.

    Example: leadhand export history history.parquet
    """
    from optimizer.files import write_history
    from optimizer.importing import known_set
    from storage.operation_history import count_history, read_pieces

    with _connection(home, read_only=True) as connection, _whole(out) as fresh:
        known = known_set(connection).network
        there = count_history(connection)
        names = [alternative.id for alternative in known.alternatives]
        parts = (part.with_vocabularies(part.products, names) for part, _ in read_pieces(connection, until=there.mark, named=True))
        rows = write_history(fresh, parts, known)
    gone = there.rows - rows
    left_out = f"; {gone:,} of alternatives that the network in force does not have were left out" if gone else ""
    typer.echo(f"{rows:,} operations written to {out}{left_out}", err=True)


def _run(
    files: list[Path],
    one: Callable[[Connection, Path, Wish], Imported],
    home: Path | None,
    by: str | None,
    *,
    dry_run: bool,
    skip_bad: bool,
    noun: str,
) -> None:
    from optimizer.importing import Wish

    wish = Wish(_who(by), SystemClock().now_us(), skip_bad=skip_bad, dry_run=dry_run)
    with _connection(home) as connection:
        for file in files:
            done = one(connection, file, wish)
            for sentence in row_words(str(file), done.problems, most=_SHOWN):
                typer.echo(sentence, err=True)
            typer.echo(f"{file}: {_told(done, noun, dry_run=dry_run)}")


def _told(done: Imported, noun: str, *, dry_run: bool) -> str:
    left_out = len({problem.row for problem in done.problems})
    out = f"; {left_out:,} wrong rows left out" if left_out else ""
    if dry_run:
        return f"{done.rows:,} {noun} are right{out}; nothing was written"
    if done.version is not None:
        return f"{done.rows:,} {noun} are in force as version {done.version}"
    told = [f"{done.added:,} {noun} added"] if done.added or not done.same else []
    told += [f"{done.changed:,} changed"] if done.changed else []
    told += [f"{done.same:,} were there already"] if done.same else []
    return ", ".join(told) + out


def _who(by: str | None) -> str:
    if by is not None:
        if not by.strip() or len(by) > 80 or not by.isprintable():
            raise SettingsError("--by: write a name of at most 80 letters")
        return by.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"


@contextmanager
def _connection(home: Path | None, *, read_only: bool = False) -> Iterator[Connection]:
    from leadhand.databases import connected, open_database
    from leadhand.settings import load_settings

    place = used_home(home)
    with (
        open_database(place, load_settings(place.settings), SystemClock(), make=not read_only) as url,
        connected(url, read_only=read_only) as connection,
    ):
        yield connection


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Give a file beside the wanted one, with its ending, which takes its place when all went well."""
    fresh = out.with_name(f".part-{out.name}")
    try:
        yield fresh
        fresh.replace(out)
    except OSError as error:
        raise Rejected(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
