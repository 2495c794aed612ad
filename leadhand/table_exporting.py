"""``leadhand export tables``: stable views of the database as files, by the same way as the dashboard gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadhand.home import used_home
from leadhand.importing import HomeOption
from leadhand.times import time_us
from plant.clock import SystemClock
from plant.errors import Rejected, SettingsError


def export_tables(
    names: Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="As v_ledger, or all; none lists them.")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder that the files go into.")] = Path(),
    form: Annotated[str, typer.Option("--form", metavar="FORM", help="csv, xlsx or parquet.")] = "parquet",
    from_time: Annotated[str | None, typer.Option("--from", metavar="TIME", help="ISO 8601; else UTC.", show_default=False)] = None,
    to_time: Annotated[str | None, typer.Option("--to", metavar="TIME", help="ISO 8601, exclusive.", show_default=False)] = None,
    home: HomeOption = None,
) -> None:
    """Write stable views to files: times as times, numbers as numbers, whole or not at all.

    Example: leadhand export tables v_ledger v_shift_reports --form xlsx --from 2026-11-01 --out exports
    """
    from dashboard.export_tables import write_view
    from dashboard.exports import MEDIA
    from leadhand.databases import connected, open_database
    from leadhand.settings import load_settings
    from storage.tables import Span, read_view, read_views

    chosen = next((each for each in MEDIA if each == form), None)
    if chosen is None:
        raise SettingsError(f"--form: there is no form '{form}'; there are: {', '.join(MEDIA)}")
    span = Span(time_us("--from", from_time), time_us("--to", to_time))
    place = used_home(home)
    with open_database(place, load_settings(place.settings), SystemClock()) as url, connected(url, read_only=True) as connection:
        views = read_views(connection) if names in (["all"], None) else [read_view(connection, name) for name in names or ()]
        if names is None:
            for view in views:
                typer.echo(f"{view.name:28} {', '.join(column.name for column in view.columns)}")
            return
        for view in views:
            path = out / f"{view.name}.{form}"
            fresh = path.with_name(f".{path.name}.part")
            try:
                out.mkdir(parents=True, exist_ok=True)
                with fresh.open("wb") as file:
                    rows = write_view(connection, view, span, chosen, file)
                fresh.replace(path)
            except OSError as error:
                raise Rejected(f"{path}: cannot be written: {error.strerror or error}") from error
            finally:
                fresh.unlink(missing_ok=True)
            typer.echo(f"{path}: {rows:,} rows", err=True)
