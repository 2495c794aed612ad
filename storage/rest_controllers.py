"""Controllers that fetch their messages over REST: their signs of life, and which messages were given out to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plant.recommendations import Stage
from storage.database import Connection, micros, moment, translate_errors
from storage.deliveries import Delivery, read_deliveries


@dataclass(frozen=True, slots=True)
class RestBeat:
    """A sign of life of a controller for one work unit."""

    work_unit: str
    time_us: int
    actor: str
    ai_off: bool | None = None
    """None, here and below: it did not say, and what it said before stands."""
    counter: int | None = None
    """The highest that it has taken."""
    state: str | None = None


def write_beats(connection: Connection, beats: Sequence[RestBeat]) -> None:
    """Keep signs of life, all in one statement; an older one changes nothing, and what one does not say stays as it was."""
    with translate_errors():
        connection.execute(
            "INSERT INTO delivery_beat AS b (work_unit, time, actor, ai_off, counter, state) "
            "SELECT n.work_unit, n.time, n.actor, coalesce(n.ai_off, o.ai_off, false), coalesce(n.counter, o.counter), "
            "coalesce(n.state, o.state, '') "
            "FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::boolean[], %s::bigint[], %s::text[]) "
            "AS n (work_unit, time, actor, ai_off, counter, state) LEFT JOIN delivery_beat o USING (work_unit) "
            "ON CONFLICT (work_unit) DO UPDATE SET time = excluded.time, actor = excluded.actor, ai_off = excluded.ai_off, "
            "counter = excluded.counter, state = excluded.state WHERE excluded.time > b.time",
            [
                *([one.work_unit for one in beats], [moment(one.time_us) for one in beats], [one.actor for one in beats]),
                *([one.ai_off for one in beats], [one.counter for one in beats], [one.state for one in beats]),
            ],
        )


def read_beats(connection: Connection, after_us: int) -> list[RestBeat]:
    """Return the signs of life that came after a moment, the oldest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT work_unit, time, actor, ai_off, counter, state FROM delivery_beat WHERE time > %s ORDER BY time", [moment(after_us)]
        ).fetchall()
    return [RestBeat(row[0], micros(row[1]), *row[2:]) for row in rows]


def offers(connection: Connection, work_units: Iterable[str], now_us: int, most: int = 1000) -> list[Delivery]:
    """Return what is offered to work units now, the oldest first: sent, without an answer, and not expired."""
    found = read_deliveries(connection, work_units=sorted(work_units), stages=[Stage.SENT], oldest_first=True, most=most)
    return [one for one in found if one.expires_us is not None and one.expires_us > now_us]


def note_fetched(connection: Connection, numbers: Sequence[int], actor: str, now_us: int) -> None:
    """Keep that messages were given out; to be committed before they are."""
    if numbers:
        with translate_errors():
            connection.execute(
                "INSERT INTO delivery_fetch (delivery_number, time, actor) SELECT number, %s, %s FROM unnest(%s::bigint[]) AS n (number) "
                "ON CONFLICT DO NOTHING",
                [moment(now_us), actor, list(numbers)],
            )


def was_fetched(connection: Connection, number: int) -> bool:
    """Return whether a message was ever given out over REST."""
    with translate_errors():
        return connection.execute("SELECT FROM delivery_fetch WHERE delivery_number = %s", [number]).fetchone() is not None
