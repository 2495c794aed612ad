"""A folder whose files are imported as they come: what an MES or an ERP drops each night, or each minute.

A file is taken once it has lain still for a second. Good rows are imported; a file with wrong rows is put aside with a text that
names them. A file that was imported by an optimizer that was killed before it could put it away is imported again: its rows are known.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog

from optimizer.importing import KnownSet, Wish, import_history, import_products, known_set
from optimizer.order_files import import_orders, is_order_header
from optimizer.table_files import ENDINGS, open_table
from plant.errors import Rejected, SettingsError
from plant.table_rows import row_words
from storage.database import Connection
from storage.process_networks import network_version
from storage.products import products_print

ACTOR: Final = "optimizer inbox"
_STILL_US: Final = 1_000_000
_KEPT: Final = 100
"""Imported files that are kept, the newest."""
_TIMES: Final = "started_at"
"""The column that tells a history from products and orders."""


class Inbox:
    """Looks into one folder."""

    def __init__(self, folder: Path, zone: str = "UTC") -> None:
        self._folder, self._zone = folder, zone
        self._known: tuple[tuple[int, str], KnownSet] | None = None
        self._problem = ""
        self._log = structlog.get_logger(process="optimizer")

    def take_one(self, connection: Connection, now_us: int) -> bool:
        """Import the oldest file that waits; return whether there was one. While no network is known, all wait."""
        path = self._oldest(now_us)
        if path is None or not network_version(connection):
            return False
        try:
            problems = self._imported(connection, path, now_us)
        except (SettingsError, Rejected) as error:
            problems = error.problems if isinstance(error, SettingsError) else [str(error)]
        if problems:
            self._log.warning("a file was put aside", file=path.name, first=problems[0], problems=len(problems))
            self._put(path, "refused").with_suffix(path.suffix + ".txt").write_text("\n".join(problems) + "\n", encoding="utf-8")
        else:
            self._put(path, "done")
        return True

    def _oldest(self, now_us: int) -> Path | None:
        problem = ""
        found: list[tuple[int, str]] = []
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in ENDINGS or not entry.is_file():
                        continue
                    changed_us = entry.stat().st_mtime_ns // 1000
                    # a clock that was set back must not keep a file waiting for ever
                    if abs(now_us - changed_us) >= _STILL_US:
                        found.append((changed_us, entry.name))
        except OSError as error:
            problem = error.strerror or str(error)
        if problem != self._problem:
            self._problem = problem
            if problem:
                self._log.warning("the inbox cannot be read: nothing is imported from it", folder=str(self._folder), problem=problem)
            else:
                self._log.info("the inbox is read again", folder=str(self._folder))
        return self._folder / min(found)[1] if found else None

    def _imported(self, connection: Connection, path: Path, now_us: int) -> list[str]:
        """Return what is wrong with rows that were left out."""
        wish = Wish(ACTOR, now_us, skip_bad=True, on_record=False)
        with open_table(path, []) as table:
            header = table.header
        if is_order_header(header):
            done = import_orders(connection, path, wish, zone=self._zone, products=self._set(connection).products.positions)
            return [*row_words(path.name, done.problems), *(f"order {name}: {why}" for name, why in done.written.refused.items())]
        if _TIMES not in header:
            return row_words(path.name, import_products(connection, path, wish).problems)
        return row_words(path.name, import_history(connection, path, wish, self._set(connection)).problems)

    def _set(self, connection: Connection) -> KnownSet:
        """Return network and products, read anew only when they changed."""
        now = (network_version(connection), products_print(connection))
        if self._known is None or self._known[0] != now:
            self._known = (now, known_set(connection))
        return self._known[1]

    def _put(self, path: Path, where: str) -> Path:
        folder = self._folder / where
        folder.mkdir(mode=0o700, exist_ok=True)
        target = folder / path.name
        path.replace(target)
        kept = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime_ns)
        for old in kept[: max(0, len(kept) - _KEPT)]:
            old.unlink(missing_ok=True)
        return target
