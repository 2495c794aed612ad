"""Nests as kept: proposed by the optimizer, released by a person, cut; and what each does to stock and to part orders.

A nest that is released holds its sheets and its parts. Once it is cut, its parts are made and its remnants lie in stock. Each step is one
transaction with its row on the audit trail, and tells the channel ``nests``; callers add nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.genealogy import record_cut
from storage.part_orders import PARTS_ORDERED
from storage.stock import STOCKED

NESTED: Final = "nests"
"""The channel; its payload is the nest's number, empty for several."""
_KEPT: Final = 2000
"""Nests whose files are kept, the newest."""
_COLUMNS: Final = (
    "SELECT n.id, n.made_time, n.centre, n.from_time, n.to_time, n.material, n.thickness_mm, n.state, n.state_time, n.actor, n.figures, "
    "n.seconds, n.basis, n.nest IS NOT NULL AS whole FROM nest n"
)
_LOCKS: Final = (
    "SELECT FROM stock_sheet WHERE id IN (SELECT stock_sheet_id FROM nest_sheet WHERE nest_id = %s) ORDER BY id FOR UPDATE",
    "SELECT FROM part_order WHERE id IN (SELECT part_order_id FROM nest_part WHERE nest_id = %s) ORDER BY id FOR UPDATE",
)
"""What another releases or cuts at this moment is waited for."""


class NestState(StrEnum):
    """How far a nest is."""

    PROPOSED = "proposed"
    RELEASED = "released"
    """A person said that it is cut so; its sheets and parts are taken."""
    CUT = "cut"
    WITHDRAWN = "withdrawn"
    """A person took its release, or itself, back."""
    SUPERSEDED = "superseded"
    """Another proposal took its place."""


@dataclass(frozen=True, slots=True)
class SheetTaken:
    """A layout of a nest: from which stock, how often, and what goes back of each copy."""

    stock_sheet: int
    copies: int
    remnants_mm: tuple[tuple[float, float], ...] = ()
    """Width and height."""


@dataclass(frozen=True, slots=True)
class NewNest:
    """A nest that the independent check found without fault, to be kept."""

    centre: str
    from_us: int
    to_us: int
    material: str
    thickness_mm: float
    problem: str
    """A nest-problem/1 file."""
    nest: str
    """A nest/1 file."""
    figures: Mapping[str, Any]
    seconds: float
    basis: str
    """What it was made from."""
    sheets: tuple[SheetTaken, ...]
    """In the order of the nest's sheets."""
    pieces: Mapping[int, int]
    """By part order's id."""


@dataclass(frozen=True, slots=True)
class StoredNest:
    """A nest without its files."""

    id: int
    made_us: int
    centre: str
    from_us: int
    to_us: int
    material: str
    thickness_mm: float
    state: NestState
    state_us: int
    actor: str
    figures: Mapping[str, Any]
    seconds: float
    basis: str
    whole: bool
    """Whether its files are still kept."""


@dataclass(frozen=True, slots=True)
class NestFiles:
    """What a nest is, for ``plant.nest_file``."""

    id: int
    problem: str
    nest: str


@dataclass(frozen=True, slots=True)
class NestedPart:
    """Pieces of a part order in a nest."""

    nest: int
    state: NestState
    centre: str
    from_us: int
    pieces: int


def propose_nest(connection: Connection, new: NewNest, *, now_us: int) -> int:
    """Keep a proposal and return its number; one of the same centre, period, material and thickness that is only proposed ends.

    The caller has checked it: nothing unverified is kept.
    """
    with translate_errors(), connection.transaction():
        _supersede(connection, new.centre, new.from_us, new.material, new.thickness_mm, now_us)
        row = connection.execute(
            "INSERT INTO nest (made_time, centre, from_time, to_time, material, thickness_mm, state, state_time, problem, nest, figures, "
            "seconds, basis) VALUES (%(now)s, %(centre)s, %(from)s, %(to)s, %(material)s, %(thickness)s, 'proposed', %(now)s, %(problem)s, "
            "%(nest)s, %(figures)s, %(seconds)s, %(basis)s) RETURNING id",
            {
                "now": moment(now_us),
                "centre": new.centre,
                "from": moment(new.from_us),
                "to": moment(new.to_us),
                "material": new.material,
                "thickness": new.thickness_mm,
                "problem": new.problem,
                "nest": new.nest,
                "figures": Jsonb(dict(new.figures)),
                "seconds": new.seconds,
                "basis": new.basis,
            },
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING
        cursor = connection.cursor()
        cursor.executemany(
            "INSERT INTO nest_part (nest_id, part_order_id, pieces) VALUES (%s, %s, %s)",
            [(row[0], order, pieces) for order, pieces in new.pieces.items()],
        )
        cursor.executemany(
            "INSERT INTO nest_sheet (nest_id, place, stock_sheet_id, copies, remnants) VALUES (%s, %s, %s, %s, %s)",
            [
                (row[0], place, one.stock_sheet, one.copies, Jsonb([list(size) for size in one.remnants_mm]))
                for place, one in enumerate(new.sheets, 1)
            ],
        )
        connection.execute(
            "UPDATE nest SET problem = NULL, nest = NULL WHERE nest IS NOT NULL AND id <= %s AND state NOT IN ('proposed', 'released')",
            [row[0] - _KEPT],
        )
        notify(connection, NESTED, str(row[0]))
    return int(row[0])


def end_proposals(connection: Connection, keep: Sequence[int], *, now_us: int) -> int:
    """End proposals but for those to keep: nobody needs them any more. Return how many ended."""
    with translate_errors(), connection.transaction():
        ended = connection.execute(
            "UPDATE nest SET state = 'superseded', state_time = %s WHERE state = 'proposed' AND NOT id = ANY (%s)",
            [moment(now_us), list(keep)],
        ).rowcount
        if ended:
            notify(connection, NESTED, "")
    return ended


def release_nest(connection: Connection, nest: int, *, actor: str, now_us: int, note: str = "", address: str = "") -> None:
    """Let a proposed nest be cut: its sheets and its parts are taken. Raises Rejected where they are not there any more."""
    with translate_errors(), connection.transaction():
        _move(connection, nest, NestState.PROPOSED, NestState.RELEASED, actor, now_us)
        for lock in _LOCKS:
            connection.execute(lock, [nest])
        for name, free, copies in connection.execute(
            "SELECT s.name, s.quantity, sum(t.copies) FROM nest_sheet t JOIN stock_sheet s ON s.id = t.stock_sheet_id WHERE t.nest_id = %s "
            "GROUP BY s.id HAVING s.quantity < sum(t.copies)",
            [nest],
        ).fetchall():
            raise Rejected(f"nest {nest} cannot be released: {copies} sheets of '{name}' are needed and {free} are free; it is made anew")
        for number, waiting, pieces in connection.execute(
            "SELECT o.number, CASE WHEN o.state = 'open' THEN o.quantity - o.released - o.made ELSE 0 END, p.pieces FROM nest_part p "
            "JOIN part_order o ON o.id = p.part_order_id WHERE p.nest_id = %s "
            "AND (o.state <> 'open' OR o.quantity - o.released - o.made < p.pieces)",
            [nest],
        ).fetchall():
            raise Rejected(
                f"nest {nest} cannot be released: it has {pieces} pieces of order '{number}', of which {waiting} are still wanted"
            )
        _take(connection, nest, moment(now_us), 1)
        _told(connection, nest, "release", actor, now_us, note, address)


def withdraw_nest(connection: Connection, nest: int, *, actor: str, now_us: int, note: str = "", address: str = "") -> None:
    """Take a release back: its sheets are free and its parts wait again. Raises Rejected where it is not released."""
    with translate_errors(), connection.transaction():
        _move(connection, nest, NestState.RELEASED, NestState.WITHDRAWN, actor, now_us)
        _take(connection, nest, moment(now_us), -1)
        _told(connection, nest, "withdraw", actor, now_us, note, address)


def cut_nest(connection: Connection, nest: int, *, actor: str, now_us: int, note: str = "", address: str = "") -> tuple[str, ...]:
    """Say that a released nest is cut: its parts are made, its remnants lie in stock. Return the remnants' names.

    Raises Rejected where it is not released.
    """
    with translate_errors(), connection.transaction():
        _move(connection, nest, NestState.RELEASED, NestState.CUT, actor, now_us)
        given = {"nest": nest, "now": moment(now_us), "actor": actor}
        connection.execute(
            "UPDATE part_order o SET released = o.released - p.pieces, made = o.made + p.pieces, changed_time = %(now)s, "
            "state = CASE WHEN o.state = 'open' AND o.made + p.pieces = o.quantity THEN 'done' ELSE o.state END, "
            "state_time = CASE WHEN o.state = 'open' AND o.made + p.pieces = o.quantity THEN %(now)s ELSE o.state_time END "
            "FROM nest_part p WHERE p.part_order_id = o.id AND p.nest_id = %(nest)s",
            given,
        )
        connection.execute(
            "UPDATE stock_sheet s SET reserved = s.reserved - t.copies, changed_time = %(now)s "
            "FROM (SELECT stock_sheet_id, sum(copies) AS copies FROM nest_sheet WHERE nest_id = %(nest)s GROUP BY 1) t "
            "WHERE t.stock_sheet_id = s.id",
            given,
        )
        names = connection.execute(
            "INSERT INTO stock_sheet (name, width_mm, height_mm, material, thickness_mm, grain_deg, quantity, remnant, place, "
            "origin_nest_id, added_time, changed_time, actor) "
            "SELECT concat('R', %(nest)s::bigint, '-', t.place, '-', r.ordinality), (r.value->>0)::float8, (r.value->>1)::float8, "
            "s.material, s.thickness_mm, s.grain_deg, t.copies, true, s.place, %(nest)s, %(now)s, %(now)s, %(actor)s "
            "FROM nest_sheet t JOIN stock_sheet s ON s.id = t.stock_sheet_id "
            "CROSS JOIN LATERAL jsonb_array_elements(t.remnants) WITH ORDINALITY r WHERE t.nest_id = %(nest)s RETURNING name",
            given,
        ).fetchall()
        files = read_nest_files(connection, nest)
        told = (None, None) if files is None else (files.problem, files.nest)
        record_cut(connection, nest, actor=actor, now_us=now_us, problem=told[0], layouts=told[1])
        _told(connection, nest, "cut", actor, now_us, note, address)
    return tuple(row[0] for row in names)


def read_nests(
    connection: Connection,
    *,
    states: Sequence[NestState] | None = None,
    centre: str | None = None,
    before: int | None = None,
    most: int = 200,
) -> list[StoredNest]:
    """Return nests, the newest first; ``before`` pages back from a nest's number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"{_COLUMNS} WHERE (%(states)s::text[] IS NULL OR n.state = ANY (%(states)s)) "
            "AND (%(centre)s::text IS NULL OR n.centre = %(centre)s) AND (%(before)s::bigint IS NULL OR n.id < %(before)s) "
            "ORDER BY n.id DESC LIMIT %(most)s",
            {
                "states": None if states is None else [state.value for state in states],
                "centre": centre,
                "before": before,
                "most": max(1, min(most, 5000)),
            },
        ).fetchall()
    return [_nest(row) for row in rows]


def read_nest(connection: Connection, nest: int) -> StoredNest | None:
    """Return one nest, None where there is none of this number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"{_COLUMNS} WHERE n.id = %s", [nest]).fetchone()
    return None if row is None else _nest(row)


def read_nest_files(connection: Connection, nest: int) -> NestFiles | None:
    """Return what a nest is; None where there is none of this number, or its files are forgotten."""
    with translate_errors():
        row = connection.execute("SELECT id, problem, nest FROM nest WHERE id = %s AND nest IS NOT NULL", [nest]).fetchone()
    return None if row is None else NestFiles(*row)


def sheets_of(connection: Connection, nest: int) -> list[SheetTaken]:
    """Return from which stock a nest's layouts are cut, in their order."""
    with translate_errors():
        rows = connection.execute(
            "SELECT stock_sheet_id, copies, remnants FROM nest_sheet WHERE nest_id = %s ORDER BY place", [nest]
        ).fetchall()
    return [SheetTaken(row[0], row[1], tuple((one[0], one[1]) for one in row[2])) for row in rows]


def nests_mark(connection: Connection) -> str:
    """Return text that differs once a nest came or went another step."""
    with translate_errors():
        row = connection.execute("SELECT concat_ws(' ', count(*), max(id), max(state_time)) FROM nest").fetchone()
    return str(row)


def pieces_in(connection: Connection, nest: int) -> list[tuple[str, int]]:
    """Return the numbers of the part orders that lie in a nest, each with its pieces."""
    with translate_errors():
        return connection.execute(
            "SELECT o.number, p.pieces FROM nest_part p JOIN part_order o ON o.id = p.part_order_id WHERE p.nest_id = %s ORDER BY o.number",
            [nest],
        ).fetchall()


def nests_of(connection: Connection, part_order: int) -> list[NestedPart]:
    """Return the nests that hold pieces of a part order, the newest first; superseded ones are not among them."""
    with translate_errors():
        rows = connection.execute(
            "SELECT n.id, n.state, n.centre, n.from_time, p.pieces FROM nest_part p JOIN nest n ON n.id = p.nest_id "
            "WHERE p.part_order_id = %s AND n.state <> 'superseded' ORDER BY n.id DESC LIMIT 500",
            [part_order],
        ).fetchall()
    return [NestedPart(row[0], NestState(row[1]), row[2], micros(row[3]), row[4]) for row in rows]


def _supersede(connection: Connection, centre: str, from_us: int, material: str, thickness_mm: float, now_us: int) -> None:
    connection.execute(
        "UPDATE nest SET state = 'superseded', state_time = %s WHERE state = 'proposed' AND centre = %s AND from_time = %s "
        "AND material = %s AND thickness_mm = %s",
        [moment(now_us), centre, moment(from_us), material, thickness_mm],
    )


def _move(connection: Connection, nest: int, before: NestState, after: NestState, actor: str, now_us: int) -> None:
    row = connection.execute("SELECT state FROM nest WHERE id = %s FOR UPDATE", [nest]).fetchone()
    if row is None:
        raise Rejected(f"there is no nest {nest}")
    if row[0] != before.value:
        raise Rejected(f"nest {nest} is {row[0]}; only what is {before.value} can be {after.value}")
    connection.execute("UPDATE nest SET state = %s, state_time = %s, actor = %s WHERE id = %s", [after.value, moment(now_us), actor, nest])


def _take(connection: Connection, nest: int, now: Any, sign: int) -> None:
    """Take sheets and parts of a nest, or give them back."""
    given = {"nest": nest, "now": now, "sign": sign}
    connection.execute(
        "UPDATE stock_sheet s SET quantity = s.quantity - %(sign)s * t.copies, reserved = s.reserved + %(sign)s * t.copies, "
        "changed_time = %(now)s FROM (SELECT stock_sheet_id, sum(copies)::integer AS copies FROM nest_sheet WHERE nest_id = %(nest)s "
        "GROUP BY 1) t WHERE t.stock_sheet_id = s.id",
        given,
    )
    connection.execute(
        "UPDATE part_order o SET released = o.released + %(sign)s * p.pieces, changed_time = %(now)s FROM nest_part p "
        "WHERE p.part_order_id = o.id AND p.nest_id = %(nest)s",
        given,
    )


def _told(connection: Connection, nest: int, act: str, actor: str, now_us: int, note: str, address: str) -> None:
    for channel in (NESTED, STOCKED, PARTS_ORDERED):
        notify(connection, channel, str(nest) if channel == NESTED else "")
    what = {"note": note.replace("\0", "")}
    add_audit(connection, time_us=now_us, actor=actor, act=act, subject=f"nest {nest}", next_=what, address=address)


def _nest(row: Mapping[str, Any]) -> StoredNest:
    return StoredNest(
        row["id"],
        micros(row["made_time"]),
        row["centre"],
        micros(row["from_time"]),
        micros(row["to_time"]),
        row["material"],
        row["thickness_mm"],
        NestState(row["state"]),
        micros(row["state_time"]),
        row["actor"],
        row["figures"],
        row["seconds"],
        row["basis"],
        row["whole"],
    )
