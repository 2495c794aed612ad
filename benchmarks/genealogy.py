"""Genealogy with a million rows of what is built in: trees, recalls, searches, a serial whole, and telling.

``python -m benchmarks.genealogy [--rows 1000000] [--seed 1] [--turns 40]``: a database of its own on disk is filled by SQL with vehicles
that hold sub-assemblies that hold lots (a lot goes into some hundred pieces), then each question is asked so often, of other names each
time, and 10,000 rows are told in requests of 1000. Printed: median, p95 and slowest of each in milliseconds, CPU of both ends of a
question, the load. Exits 1 where a figure is missed: a serial, a tree, a search by a piece of a name within 0.5 s at p95; the recall of
a lot within 1 s; that of the largest lot (one in a hundred pieces) within 3 s; telling 1000 rows a second.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from plant.clock import SystemClock
from plant.genealogy import BuiltIn, Item, ItemKind
from storage.database import Connection, connect
from storage.genealogy import write_built_in
from storage.genealogy_names import search_names
from storage.genealogy_trace import read_jobs, read_operations, read_tightenings_of
from storage.genealogy_trees import read_components, read_recall, read_uses, starts_of
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres

_OF_A_VEHICLE = 10
"""Rows: it holds three sub-assemblies and two lots; each sub-assembly holds a lot, one of them two."""
_FILL = """
INSERT INTO genealogy_item (kind, name, heat, told_time, actor)
    SELECT 'serial', 'EX-' || to_char(n, 'FM00000000'), '', now(), 'b' FROM generate_series(1::bigint, %(vehicles)s) n
    UNION ALL SELECT 'serial', k || '-' || to_char(n, 'FM00000000'), '', now(), 'b'
        FROM generate_series(1, %(vehicles)s) n, unnest(ARRAY['BOOM', 'ARM', 'RING']) k
    UNION ALL SELECT 'lot', 'LOT-' || to_char(n, 'FM000000'), 'H' || n %% 5000, now(), 'b' FROM generate_series(1, %(lots)s) n;
"""
_EDGES = """
INSERT INTO genealogy_built_in (into_id, component_id, relation, place, built_time, told_time, source, actor, single)
SELECT e.into_id, e.component_id, e.relation, e.place, now() - e.n * interval '1 minute', now(), 'b', 'b', e.single FROM (
    SELECT n, n::bigint AS into_id, %(vehicles)s + (n - 1) * 3 + k AS component_id, 'built_in' AS relation, k::text AS place, true AS single
        FROM generate_series(1::bigint, %(vehicles)s) n, generate_series(1, 3) k
    UNION ALL SELECT n, n, 4 * %(vehicles)s + 1 + (n * 7919 + k * 104729) %% %(lots)s, 'built_in', 'lot ' || k, false
        FROM generate_series(1::bigint, %(vehicles)s) n, generate_series(1, 2) k
    UNION ALL SELECT n, %(vehicles)s + n, 4 * %(vehicles)s + 1 + (n * 7907) %% %(lots)s, 'made_from', '', false
        FROM generate_series(1::bigint, 3 * %(vehicles)s) n
    UNION ALL SELECT n, %(vehicles)s + n * 3, 4 * %(vehicles)s + 1 + (n * 7901) %% %(lots)s, 'made_from', 'second', false
        FROM generate_series(1::bigint, %(vehicles)s) n
    UNION ALL SELECT n, %(vehicles)s + n * 3, 4 * %(vehicles)s + 1, 'built_in', 'large', false
        FROM generate_series(1::bigint, %(vehicles)s) n WHERE n %% 100 = 0
) e
"""


def fill(connection: Connection, rows: int) -> tuple[int, int]:
    """Fill a database with so many rows; return how many vehicles and lots there are."""
    vehicles = rows // _OF_A_VEHICLE + rows // _OF_A_VEHICLE // 9
    lots = max(10, vehicles // 50)
    given = {"vehicles": vehicles, "lots": lots}
    connection.execute(_FILL.strip().rstrip(";"), given)
    connection.execute(_EDGES, given)
    connection.execute("VACUUM ANALYZE genealogy_item, genealogy_built_in")
    return vehicles, lots


def cpu_seconds(connection: Connection) -> float:
    """Return what this process and its server process used so far: wall times of a busy machine say little."""
    fields = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(connection: Connection, name: str, limit: float, turns: int, ask: Callable[[int], object]) -> list[str]:
    """Ask so often, print what it took, and return what was missed."""
    times = []
    used = cpu_seconds(connection)
    for turn in range(turns):
        begin = time.perf_counter()
        ask(turn)
        times.append(time.perf_counter() - begin)
    used = (cpu_seconds(connection) - used) / turns
    times.sort()
    p95 = times[min(len(times) - 1, round(0.95 * (len(times) - 1)))]
    word = "PASS" if p95 <= limit else "MISSED"
    figures = (
        f"median {1000 * statistics.median(times):7.1f} ms  p95 {1000 * p95:7.1f}  slowest {1000 * times[-1]:7.1f}  CPU {1000 * used:6.1f}"
    )
    print(f"{name:42} {figures}  limit {1000 * limit:.0f}  {word}", flush=True)
    return [] if p95 <= limit else [f"{name}: p95 {p95:.2f} s > {limit} s"]


def told(connection: Connection, count: int, each: int) -> float:
    """Tell so many rows in requests of ``each``; return rows a second."""
    begin = time.perf_counter()
    for start in range(0, count, each):
        rows = [
            BuiltIn(Item(ItemKind.SERIAL, f"NEW-{n // 10}"), Item(ItemKind.LOT, f"LOT-{1 + n % 900:06d}"), 1_800_000_000_000_000 + n)
            for n in range(start, start + each)
        ]
        write_built_in(connection, rows, source="rest", actor="b", now_us=1_800_000_000_000_000)
    return count / (time.perf_counter() - begin)


def serial_whole(connection: Connection, name: str) -> None:
    """What the page of a serial asks of the tables that this benchmark fills."""
    (start,) = starts_of(connection, "serial", name)
    read_components(connection, start)
    read_uses(connection, start)
    read_jobs(connection, name)
    read_operations(connection, name)
    read_tightenings_of(connection, name)


def run(connection: Connection, rows: int, turns: int, seed: int) -> list[str]:
    """Fill, ask, and return what was missed."""
    begin = time.perf_counter()
    vehicles, lots = fill(connection, rows)
    counted = connection.execute(
        "SELECT count(*), pg_size_pretty(pg_total_relation_size('genealogy_built_in')) FROM genealogy_built_in"
    ).fetchone()
    assert counted is not None
    print(f"{counted[0]:,} rows ({counted[1]}), {vehicles:,} vehicles, {lots:,} lots, filled in {time.perf_counter() - begin:.0f} s")
    draw = random.Random(seed)  # noqa: S311
    names = [f"EX-{draw.randint(1, vehicles):08d}" for _ in range(turns)]
    lot_names = [f"LOT-{draw.randint(2, lots):06d}" for _ in range(turns)]
    heats = [f"H{draw.randint(1, min(4999, lots))}" for _ in range(turns)]
    pieces = [names[turn][5:] for turn in range(turns)]
    missed = asked(connection, "a serial: trees, jobs, operations, bolts", 0.5, turns, lambda turn: serial_whole(connection, names[turn]))
    missed += asked(
        connection,
        "where-used tree of a lot, 500 branches",
        0.5,
        turns,
        lambda turn: read_uses(connection, starts_of(connection, "lot", lot_names[turn])[0]),
    )
    missed += asked(
        connection,
        "recall of a lot, each piece once",
        1.0,
        turns,
        lambda turn: read_recall(connection, starts_of(connection, "lot", lot_names[turn])),
    )
    missed += asked(
        connection, "recall of a heat", 1.0, turns, lambda turn: read_recall(connection, starts_of(connection, "heat", heats[turn]))
    )
    found = len(read_recall(connection, starts_of(connection, "lot", "LOT-000001")))
    missed += asked(
        connection,
        f"recall of the largest lot, {found:,} pieces",
        3.0,
        max(3, turns // 8),
        lambda _: read_recall(connection, starts_of(connection, "lot", "LOT-000001")),
    )
    missed += asked(connection, "search by the middle of a name", 0.5, turns, lambda turn: search_names(connection, pieces[turn]))
    missed += asked(connection, "search that fits a great many", 0.5, max(3, turns // 4), lambda _: search_names(connection, "000"))
    used = cpu_seconds(connection)
    rate = told(connection, 10_000, 1000)
    used = (cpu_seconds(connection) - used) / 10
    word = "PASS" if rate >= 1000 else "MISSED"
    print(f"{'telling, requests of 1000 rows':44} {rate:,.0f} rows a second  CPU {1000 * used:.0f} ms a request  limit 1,000  {word}")
    return missed + ([] if rate >= 1000 else [f"telling: {rate:.0f} rows a second < 1000"])


def main() -> int:
    """Run as the command line asks; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.genealogy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"seed {given.seed}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="leadhand-genealogy-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg", clock=SystemClock())
        url = server.start()
        try:
            migrate(url)
            with connect(url, application="benchmark") as connection:
                missed = run(connection, given.rows, given.turns, given.seed)
        finally:
            server.stop()
    times = os.times()
    print(f"CPU {times.user + times.system:.1f} s of this process, load {os.getloadavg()[0]:.1f}")
    for words in missed:
        print(f"MISSED {words}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
