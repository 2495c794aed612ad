"""The newest sample of each signal, kept apart so that no page ever searches history for it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt

from plant.samples import SampleBatch
from storage.database import Connection, translate_errors

_LIVE = """
INSERT INTO latest AS l (signal_id, time, received_time, value, status, flags, text)
SELECT n.s, timestamptz 'epoch' + t * interval '1 microsecond', timestamptz 'epoch' + r * interval '1 microsecond', v, q, f, x
FROM unnest(%b::int4[], %b::int8[], %b::int8[], %b::float8[], %b::int4[], %b::int2[], %b::text[])
    WITH ORDINALITY AS n (s, t, r, v, q, f, x, o)
JOIN signal g ON g.id = n.s JOIN source c ON c.id = g.source_id LEFT JOIN source_lease e ON e.source = c.name
WHERE %b::uuid IS NULL OR e.spool IS NULL OR e.spool = %b
ORDER BY o
ON CONFLICT (signal_id) DO UPDATE SET
    time = excluded.time, received_time = excluded.received_time, value = excluded.value,
    status = excluded.status, flags = excluded.flags, text = excluded.text
WHERE excluded.time >= l.time OR l.time > now() + interval '1 minute'
"""
"""Older raw samples that are shipped later leave it as it is, by the same rule."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest sample of each signal that has one, as columns of equal length, by signal number."""

    signal_id: npt.NDArray[np.int32]
    time_us: npt.NDArray[np.int64]
    received_time_us: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    has_value: npt.NDArray[np.bool_]
    status: npt.NDArray[np.uint32]
    text: npt.NDArray[np.object_]
    stale: npt.NDArray[np.bool_]
    """Whether it is not known any more if it is still so: its source, or the gateway that reads it, is silent."""


def read_latest(connection: Connection) -> Latest:
    """Return the newest sample of every signal; a good one that is stale comes with the status UncertainLastUsableValue."""
    with translate_errors():
        rows = connection.cursor(binary=True).execute(
            "SELECT signal_id, (extract(epoch FROM time) * 1000000)::int8, (extract(epoch FROM received_time) * 1000000)::int8, "
            "coalesce(value, 'NaN'), value IS NOT NULL, status, text, stale FROM latest_now ORDER BY signal_id"
        )
        columns = list(zip(*rows.fetchall(), strict=True)) or [()] * 8
    text = np.empty(len(columns[6]), np.object_)
    text[:] = columns[6]
    return Latest(
        np.array(columns[0], np.int32),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.int64),
        np.array(columns[3], np.float64),
        np.array(columns[4], np.bool_),
        np.array(columns[5], np.int32).view(np.uint32),
        text,
        np.array(columns[7], np.bool_),
    )


class LiveWriter:
    """What writes newest values ahead of raw samples, over one connection; keeps the numbers of signals it has met.

    ``spool``: write only what is read by its leases; None for all.
    """

    def __init__(self, connection: Connection, spool: UUID | None) -> None:
        self._connection = connection
        self._spool = spool
        self._signals: dict[str, int] = {}

    def write(self, newest: SampleBatch) -> int:
        """Put one sample of each signal in place of an older one; return how many were put. Signals not registered yet wait."""
        names = [newest.paths[place] for place in newest.signal.tolist()]
        with translate_errors():
            if not all(name in self._signals for name in names):
                self._signals = dict(self._connection.execute("SELECT path, id FROM signal").fetchall())
            known = np.array([self._signals.get(name, 0) for name in names], np.int32)
            order = np.argsort(known, kind="stable")
            order = order[known[order] > 0]
            if not len(order):
                return 0
            values = [v if has else None for v, has in zip(newest.value[order].tolist(), newest.has_value[order].tolist(), strict=True)]
            done = self._connection.execute(
                _LIVE,
                [
                    known[order].tolist(),
                    newest.time_us[order].tolist(),
                    newest.received_time_us[order].tolist(),
                    values,
                    newest.status[order].view(np.int32).tolist(),
                    newest.flags[order].tolist(),
                    [None] * len(order) if newest.text is None else newest.text[order].tolist(),
                    self._spool,
                    self._spool,
                ],
            )
            return done.rowcount
