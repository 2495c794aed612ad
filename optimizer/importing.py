"""Files of a route set into storage: read whole and checked before anything is written, and who imported is on record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optimizer.files import read_history, read_products
from plant.changeover_file import changed, incomplete, parse_changeovers
from plant.errors import Rejected, SettingsError
from plant.network_file import load_network
from plant.process_network import ProcessNetwork
from plant.process_windows import parse_windows
from plant.products import ProductTable
from plant.table_rows import RowProblem
from storage import changeover_sets, operation_history, process_networks, process_windows, products
from storage.audit import add_audit
from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Wish:
    """How to import."""

    actor: str
    now_us: int
    skip_bad: bool = False
    """Import the good rows though others are wrong; else nothing is imported then."""
    dry_run: bool = False
    """Read and check, and write nothing."""
    on_record: bool = True
    """Whether the audit trail tells of each file of history; a machine that brings one a minute would fill it."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    rows: int
    """Good ones."""
    added: int = 0
    changed: int = 0
    same: int = 0
    problems: tuple[RowProblem, ...] = ()
    """Of the rows that were left out."""
    version: int | None = None
    """Of a network or of process windows, where the file is another than the one in force."""


@dataclass(frozen=True, slots=True)
class KnownSet:
    """The network and the products that rows of a history may name."""

    network: ProcessNetwork
    products: ProductTable


def known_set(connection: Connection) -> KnownSet:
    """Return what storage holds. Raises Rejected where no network was imported yet."""
    stored = process_networks.read_network(connection)
    if stored is None:
        raise Rejected("no process network was imported yet; do that first: leadhand import network network.json")
    return KnownSet(stored.network, products.read_products(connection, stored.network.features)[0])


def import_network(connection: Connection, path: Path, wish: Wish) -> Imported:
    """Put the network of a file in force. Raises SettingsError that names each thing wrong."""
    network = load_network(path)
    counted = len(network.alternatives)
    if wish.dry_run:
        return Imported(counted)
    version = process_networks.write_network(connection, network, actor=wish.actor, now_us=wish.now_us)
    return Imported(counted, added=counted if version else 0, same=0 if version else counted, version=version)


def import_windows(connection: Connection, path: Path, wish: Wish) -> Imported:
    """Put the process windows of a file in force. Raises SettingsError that names each thing wrong."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    counted = len(parse_windows(text, str(path)).windows)
    if wish.dry_run:
        return Imported(counted)
    version = process_windows.write_windows(connection, text, actor=wish.actor, now_us=wish.now_us, place=str(path))
    return Imported(counted, added=counted if version else 0, same=0 if version else counted, version=version)


def import_changeovers(connection: Connection, path: Path, wish: Wish) -> Imported:
    """Put the changeover sets of a file in force. Raises SettingsError that names each thing wrong."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    counted = len(parse_changeovers(text, str(path)).sets)
    if wish.dry_run:
        return Imported(counted)
    version = changeover_sets.write_changeovers(connection, text, actor=wish.actor, now_us=wish.now_us, place=str(path))
    return Imported(counted, added=counted if version else 0, same=0 if version else counted, version=version)


def changeover_news(connection: Connection, path: Path) -> tuple[str, ...]:
    """Return what the sets of a file would change of those in force, and what keeps sets from being complete, in words."""
    book = parse_changeovers(path.read_text("utf-8"), str(path))
    stored = changeover_sets.read_changeovers(connection)
    return (*changed(None if stored is None else stored.book, book), *(f"incomplete: {one}" for one in incomplete(book)))


def import_products(connection: Connection, path: Path, wish: Wish) -> Imported:
    """Keep the products of a file. Raises SettingsError with each wrong cell, unless bad rows are skipped."""
    network = known_set(connection).network
    problems: list[RowProblem] = []
    table = read_products(path, network, problems if wish.skip_bad else None)
    if wish.dry_run:
        return Imported(len(table), problems=tuple(problems))
    written = products.write_products(connection, table, actor=wish.actor, now_us=wish.now_us)
    return Imported(len(table), len(written.added), len(written.changed), written.same, tuple(problems))


def import_history(connection: Connection, path: Path, wish: Wish, known: KnownSet | None = None) -> Imported:
    """Keep the operations of a file that are not there yet. Raises SettingsError with each wrong cell, unless bad rows are skipped."""
    known = known or known_set(connection)
    problems: list[RowProblem] = []
    history = read_history(path, known.network, known.products, problems if wish.skip_bad else None, names=True)
    if wish.dry_run:
        return Imported(len(history), problems=tuple(problems))
    operations = {alternative.id: alternative.operation for alternative in known.network.alternatives}
    written = operation_history.write_history(connection, history, operations)
    if wish.on_record:
        bad = len({problem.row for problem in problems})
        what = {"file": path.name, "rows": len(history), "added": written.added, "there_already": written.known, "left_out": bad}
        add_audit(connection, time_us=wish.now_us, actor=wish.actor, act="import", subject="operation history", next_=what)
    return Imported(len(history), written.added, 0, written.known, tuple(problems))
