"""Samples out of the database, as pandas frames."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from storage.database import Connection


def export_samples(
    connection: Connection, signal_glob: str, from_us: int | None = None, to_us: int | None = None, *, rows: int = 200_000
) -> Iterator[pd.DataFrame]:
    """Yield the samples of all signals whose path fits a glob, ordered by signal and time, at most ``rows`` at once.

    Columns: time (UTC), signal, value, text, status. The frames are one consistent picture of the database.
    """
    raise NotImplementedError
