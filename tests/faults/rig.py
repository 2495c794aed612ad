"""A small plant around a real ingest process and a real database, and the ledger as the judge of every fault."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from ingest.ticks import ticks_between
from plant.ledger import Counts, Gap, GapReason
from plant.signals import SourceId
from storage.database import Connection, connect
from storage.health import read_sources
from storage.ledger import read_gaps, read_ledger
from tests.faults.device import NAMESPACE
from tests.ingest.parts import PATIENCE, REPOSITORY, Child, alive, spool_states, until

FOREVER = 4_000_000_000_000_000
INTERVAL_US = 100_000
_INJECTED = Path(__file__).parent / "injected"
_TYPES = {"level": "double", "count": "int32", "mode": "string"}


def opcua_source(name: str, port: int, *, host: str = "127.0.0.1", more: str = "") -> str:
    """A source of the three signals of a device, read each 100 ms."""
    wanted = more if "timeout_seconds" in more else f"timeout_seconds = 1.0\n{more}"
    insecure = "" if "[sources.security]" in more else 'allow_insecure = true\nsecurity = { policy = "None", mode = "None" }\n'
    lines = f'[[sources]]\nprotocol = "opcua"\nid = "{name}"\nurl = "opc.tcp://{host}:{port}/"\ninterval_ms = 100\n{insecure}{wanted}\n'
    for signal, data_type in _TYPES.items():
        lines += signal_of(name, signal, f"nsu={NAMESPACE};s=m/{signal}", data_type)
    return lines


def mqtt_source(name: str, port: int, *, payload: str = "object", more: str = "", signals: str = "") -> str:
    """A source of three signals in numbered JSON objects on the topic ``<name>/state``."""
    wanted = more if "version" in more else f'version = "5"\n{more}'
    lines = (
        f'[[sources]]\nprotocol = "mqtt"\nid = "{name}"\nurl = "mqtt://127.0.0.1:{port}"\n'
        f"allow_anonymous = true\nkeepalive_seconds = 2\n{wanted}\n"
        f'topics = [{{ filter = "{name}/#", payload = "{payload}", time_unit = "us" }}]\n'
    )
    if signals:
        return lines + signals
    for signal, data_type in (("counter", "int64"), ("force", "double"), ("mode", "string")):
        lines += signal_of(name, signal, f"{name}/state#{signal}", data_type)
    return lines


def signal_of(source: str, name: str, address: str, data_type: str = "double", more: str = "") -> str:
    """One signal of the equipment that is named as its source."""
    return (
        f'[[signals]]\nequipment = "hall/line/{source}"\nname = "{name}"\nsource = "{source}"\naddress = "{address}"\n'
        f'data_type = "{data_type}"\n{more}\n'
    )


class Rig:
    """The ingest over some sources. ``faults`` changes what the process is made to suffer from inside (see the folder ``injected``)."""

    def __init__(self, folder: Path, database_url: str, sources: dict[str, str], *, injected: bool = True) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.home = folder / "home"
        self.url = database_url
        self.site = folder / "site.toml"
        self.child: Child | None = None
        self._injected = injected
        self._faults = folder / "faults.json"
        self.faults()
        self.write(sources)

    def write(self, sources: dict[str, str]) -> None:
        """Write the site's settings."""
        equipment = "".join(f'[[equipment]]\npath = "hall/line/{name}"\n' for name in sources)
        # a name beside it first: the ingest watches this file
        beside = self.site.with_suffix(".new")
        beside.write_text('[site]\nenterprise = "acme"\nid = "north"\n' + equipment + "".join(sources.values()))
        beside.replace(self.site)

    def faults(self, **said: object) -> None:
        """Say what the processes started from here suffer from inside from now on."""
        beside = self._faults.with_suffix(".new")
        beside.write_text(json.dumps(said))
        beside.replace(self._faults)

    def start(self, *more: str, url: str | None = None, spool_bytes: int = 0) -> Child:
        """Start the ingest and wait until it is ready; ``spool_bytes`` gives its spool a disk of its own of that size."""
        child = self.launch(*more, url=url, spool_bytes=spool_bytes)
        assert child.process.stdout is not None
        ready, _, _ = select.select([child.process.stdout], [], [], 30 * PATIENCE)
        line = child.process.stdout.readline() if ready else b""
        if not line:
            child.kill()
            raise AssertionError(f"the ingest was not ready: {self.log[-3000:]}")
        child.facts = json.loads(line)
        return child

    def launch(self, *more: str, url: str | None = None, spool_bytes: int = 0, spool_options: str = "rw") -> Child:
        """Start the ingest and wait for nothing."""
        self.home.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "LEADHAND_DATABASE_URL": url or self.url,
        }
        if self._injected:
            environment |= {"LEADHAND_FAULTS": str(self._faults), "PYTHONPATH": os.pathsep.join([str(_INJECTED), str(REPOSITORY)])}
        command = [sys.executable, "-m", "ingest", "--site", str(self.site), "--home", str(self.home), "--ship-ms", "200", *more]
        if spool_bytes:
            (self.home / "spool").mkdir(exist_ok=True, mode=0o700)
            mount = f'mount -t tmpfs -o size={spool_bytes},mode=700,{spool_options} none "$1" && shift && exec "$@"'
            command = [*OWN_MOUNTS, "sh", "-c", mount, "sh", str(self.home / "spool"), *command]
        log = self.home / "ingest.log"
        with log.open("ab") as said:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, cwd=REPOSITORY, env=environment)
        self.child = Child(process, {}, log)
        return self.child

    @property
    def spool(self) -> Path:
        """The spool's folder as the running ingest sees it."""
        assert self.child is not None
        return Path(f"/proc/{self.child.pid}/root{self.home}/spool")

    def stop(self) -> None:
        """SIGTERM; it must end with 0."""
        child, self.child = self.child, None
        assert child is not None
        code = child.stop()
        assert code == 0, f"the ingest ended with {code}: {self.log[-3000:]}"

    def kill(self) -> None:
        """Kill -9 the ingest and every process it has made."""
        assert self.child is not None
        family = self.family()
        self.child.kill()
        for one in family[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        until(lambda: not alive(family[1:]), 10)
        self.child = None

    def family(self) -> list[psutil.Process]:
        """The ingest and all processes below it."""
        assert self.child is not None
        parent = psutil.Process(self.child.pid)
        return [parent, *parent.children(recursive=True)]

    @property
    def log(self) -> str:
        return (self.home / "ingest.log").read_text()

    def lost_records(self, source: str) -> int:
        """How many records of a source the spool did not take."""
        return self.log.count(f'{{"event": "a record was lost", "source": "{source}"}}')

    def close(self) -> None:
        """End whatever still runs."""
        child = self.child
        if child is None:
            return
        if child.process.poll() is None:
            self.kill()
        if child.process.stdout is not None:
            child.process.stdout.close()

    @contextmanager
    def database(self) -> Iterator[Connection]:
        with connect(self.url, application="test") as connection:
            yield connection

    def states(self) -> dict[str, str]:
        """How each source is, as the database has it."""
        with self.database() as database:
            return {report.source: report.state for report in read_sources(database)}

    def since_us(self, source: str, state: str) -> int | None:
        """Since when a source is in a state, as its reader says; None when it is in another."""
        with self.database() as database:
            return next((one.since_us for one in read_sources(database) if (one.source, one.state) == (source, state)), None)

    def until_state(self, state: str, *sources: str, seconds: float = 40) -> None:
        """Return once the sources were reported to be in a state."""
        until(lambda: all(self.states().get(source) == state for source in sources), seconds, 0.1)

    def until_stored(self, source: str, more: int = 1, seconds: float = 40) -> None:
        """Return once so many more samples of a source are in the database: it is read."""
        goal = self.totals(source).stored + more
        until(lambda: self.totals(source).stored >= goal, seconds, 0.1)

    def until_stored_again(self, *sources: str, more: int = 12, seconds: float = 40) -> None:
        """Return once each of the sources has so many more samples in the database: all are read."""
        goals = {source: self.totals(source).stored + more for source in sources}
        until(lambda: all(self.totals(source).stored >= goal for source, goal in goals.items()), seconds, 0.2)

    def totals(self, source: str) -> Counts:
        with self.database() as database:
            return sum((line.counts for line in read_ledger(database, 0, FOREVER, SourceId(source))), Counts())

    def gaps(self, source: str, *reasons: GapReason) -> list[Gap]:
        """The gaps of a source, the oldest first."""
        with self.database() as database:
            found = read_gaps(database, 0, FOREVER, SourceId(source), most=100_000)
        return sorted((gap for gap in found if not reasons or gap.reason in reasons), key=lambda gap: (gap.from_us, gap.to_us))

    def values(self, source: str, name: str) -> list[tuple[int, float | None, str | None, int, int]]:
        """Time, number, text, status and flags of the samples of a signal, by time."""
        with self.database() as database:
            rows = database.execute(
                "SELECT (extract(epoch FROM time) * 1000000)::int8, value, text, status::int8, flags FROM sample "
                "JOIN signal ON signal.id = signal_id JOIN source ON source.id = source_id "
                "WHERE source.name = %s AND signal.name = %s ORDER BY time, value",
                [source, name],
            ).fetchall()
        return [(int(t), v, x, int(s), int(f)) for t, v, x, s, f in rows]

    def assert_exact(self, *sources: str) -> None:
        """Every minute of every source adds up; rows, counts and gap records say the same; no row stands twice."""
        with self.database() as database:
            for line in read_ledger(database, 0, FOREVER):
                assert line.counts.unexplained() == 0, line
            for source in sources:
                totals = self.totals(source)
                row = database.execute(
                    "SELECT count(*), count(DISTINCT (signal_id, time, received_time, value, text)) FROM sample "
                    "JOIN signal ON signal.id = signal_id JOIN source ON source.id = source_id WHERE source.name = %s",
                    [source],
                ).fetchone()
                assert row is not None
                assert row[0] == row[1], f"{row[0] - row[1]} rows of {source} stand twice"
                assert row[0] == totals.stored, f"{source}: {row[0]} rows, the ledger says {totals.stored}"
                told = sum(gap.count for gap in self.gaps(source) if gap.reason is not GapReason.TYPE)
                assert told == totals.gap, f"{source}: gap records tell of {told}, the ledger of {totals.gap}"

    def assert_every_tick(self, *sources: str, signals: int = 3, interval_us: int = INTERVAL_US) -> None:
        """From the first tick to the last of a stopped ingest, each tick of each signal of a cyclic source was expected once."""
        with spool_states(self.home) as state_of:
            ends = {source: state_of(source) for source in sources}
        for source, state in ends.items():
            assert state is not None, source
            expected = self.totals(source).expected
            firsts = self._first_ticks(source, interval_us)
            possible = [signals * ticks_between(first, state.mark.end_us, interval_us) for first in firsts]
            assert expected in possible, f"{source}: {expected} samples expected, {possible} ticks went by"

    def _first_ticks(self, source: str, interval_us: int) -> list[int]:
        """Where the first gap begins, or the first sample, whose read may have begun some ticks earlier."""
        with self.database() as database:
            row = database.execute(
                "SELECT (extract(epoch FROM min(received_time)) * 1000000)::int8 FROM sample JOIN signal ON signal.id = signal_id "
                "JOIN source ON source.id = source_id WHERE source.name = %s",
                [source],
            ).fetchone()
        gaps = [gap.from_us for gap in self.gaps(source)]
        firsts = [] if row is None or row[0] is None else [int(row[0]) // interval_us * interval_us]
        begins = min([*gaps, *firsts])
        return [begins - earlier * interval_us for earlier in range(4)]


OWN_MOUNTS = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]


@functools.cache
def mounts_work() -> bool:
    """Whether this system lets us mount small disks of our own."""
    command = [*OWN_MOUNTS, "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


NO_MOUNTS = "this system lets nobody mount a small disk (unshare -m): a full disk cannot be tried here"


def gap_seconds(gaps: Sequence[Gap]) -> float:
    """How long some gaps last together."""
    return sum(gap.to_us - gap.from_us for gap in gaps) / 1e6
