"""A real machine's recording goes through real protocols into a real database, and comes out bit for bit."""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from plant.clock import SystemClock
from storage.database import connect
from storage.postgres import EmbeddedPostgres
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("LEADHAND_SHARED_DATA") or ROOT.parent / "shared" / "data")
RECORDINGS = SHARED / "cnc_mill"
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
TEXT_COLUMNS = ("Machining_Process", "tool_condition")
PREFIX = "replay/recording/recorded/line/machine/"

Column = list[tuple[float | None, str | None]]


@dataclass(frozen=True)
class Stored:
    """One recording after its way into the database."""

    home: Path
    file: Path
    told: str


def recording(name: str) -> Path:
    file = RECORDINGS / name
    if not file.exists():
        message = f"{file} is missing; LEADHAND_SHARED_DATA names the folder of shared data"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return file


def leadhand(*words: str | Path, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leadhand", *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )


@contextmanager
def mosquitto(folder: Path) -> Iterator[str]:
    if not Path(MOSQUITTO).exists():
        message = "mosquitto is not installed: apt-get install mosquitto"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n")
    broker = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        broker.terminate()
        broker.wait(60)


def replayed(file: Path, folder: Path, via: str, *, speed: float = 5.0) -> Stored:
    """Play one recording: ``opcua``, ``mosquitto`` (Debian's), or ``embedded`` (our own MQTT broker)."""
    home = folder / "home"
    words: list[str | Path] = ["replay", file, "--via", "opcua" if via == "opcua" else "mqtt", "--speed", f"{speed:g}", "--once", "--store"]
    words += ["--home", home]
    if via == "mosquitto":
        with mosquitto(folder) as url:
            done = leadhand(*words, "--mqtt-url", url)
    else:
        done = leadhand(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return Stored(home, file, done.stdout)


@pytest.fixture(scope="module", params=["opcua", *(pytest.param(broker, marks=pytest.mark.heavy) for broker in ("mosquitto", "embedded"))])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    # a broker keeps what comes fast; of an OPC UA server each value must be read while it stands
    speed = 5.0 if request.param == "opcua" else 20.0
    return replayed(recording("experiment_05.csv"), tmp_path_factory.mktemp(request.param), request.param, speed=speed)


def columns_of(file: Path) -> dict[str, list[str]]:
    """Return the cells of a file by column, without the first one, which counts the rows."""
    with file.open(newline="") as lines:
        header, *rows = list(csv.reader(lines))
    return {name: [row[place] for row in rows] for place, name in enumerate(header) if place}


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def assert_equal_to_file(found: dict[str, Column], file: Path) -> None:
    written = columns_of(file)
    assert set(found) == {PREFIX + name for name in written}
    for name, cells in written.items():
        samples = found[PREFIX + name]
        assert len(samples) == len(cells), f"{name}: {len(samples)} samples of {len(cells)} rows"
        if name in TEXT_COLUMNS:
            assert [text for _, text in samples] == cells, name
            assert all(value is None for value, _ in samples)
        else:
            values = [value for value, _ in samples]
            assert all(value is not None for value in values), name
            assert [bits(value) for value in values if value is not None] == [bits(float(cell)) for cell in cells], name


def assert_exported_whole(stored: Stored, folder: Path) -> None:
    out = folder / "all.parquet"
    done = leadhand("export", "samples", "--signals", "**", "--parquet", out, "--home", stored.home)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(out)
    assert table.column_names == ["time", "signal", "value", "text", "status"]
    found: dict[str, Column] = {}
    times: dict[str, list[int]] = {}
    columns = [table["signal"].cast("string").to_pylist(), table["time"].cast("int64").to_pylist()]
    for signal, when, value, text in zip(*columns, table["value"].to_pylist(), table["text"].to_pylist(), strict=True):
        found.setdefault(signal, []).append((value, text))
        times.setdefault(signal, []).append(when)
    assert_equal_to_file(found, stored.file)
    first = next(iter(times.values()))
    assert all(later > earlier for earlier, later in pairwise(first)), "each row once, in order"
    assert all(column == first for column in times.values()), "all columns of a row bear one time"
    assert set(table["status"].to_pylist()) == {0}


def assert_ledger_exact(stored: Stored) -> None:
    done = leadhand("ledger", "--json", "--home", stored.home)
    assert done.returncode == 0, done.stdout + done.stderr
    (account,) = json.loads(done.stdout)
    written = columns_of(stored.file)
    assert account["stored"] == len(written) * len(next(iter(written.values())))
    assert (account["rejected"], account["duplicate"], account["in_spool"], account["unexplained"]) == (0, 0, 0, 0)
    assert account["expected"] == account["stored"] + account["unchanged"] + account["filtered"] + account["gap"]


def test_each_number_and_text_of_a_recording_is_exported_bit_for_bit_once_and_in_order(stored: Stored, tmp_path: Path) -> None:
    assert_exported_whole(stored, tmp_path)


def test_the_view_for_people_holds_the_recording_bit_for_bit(stored: Stored) -> None:
    server = EmbeddedPostgres(stored.home / "postgres", clock=SystemClock())
    url = server.start()
    try:
        with connect(url, application="test", read_only=True) as connection:
            found: dict[str, Column] = {}
            for signal, value, text in connection.execute("SELECT signal, value, text FROM v_samples ORDER BY signal, time"):
                found.setdefault(signal, []).append((value, text))
    finally:
        server.stop()
    assert_equal_to_file(found, stored.file)


def test_the_ledger_of_a_recording_adds_up_to_the_sample(stored: Stored) -> None:
    assert_ledger_exact(stored)
    assert "the ledger adds up" in stored.told


def test_a_recording_is_exported_as_csv_with_all_digits(stored: Stored, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = leadhand("export", "samples", "--signals", "**/X1_OutputPower", "--csv", out, "--home", stored.home)
    assert done.returncode == 0, done.stderr
    with out.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [bits(float(row["value"])) for row in rows] == [bits(float(cell)) for cell in columns_of(stored.file)["X1_OutputPower"]]
    assert all(row["time"].endswith("Z") and row["text"] == "" and row["status"] == "0" for row in rows)


@pytest.mark.heavy
@pytest.mark.parametrize("via", ["opcua", "mosquitto"])
@pytest.mark.parametrize("number", range(1, 11))
def test_all_recordings_survive_both_protocols(number: int, via: str, tmp_path: Path) -> None:
    kept = replayed(recording(f"experiment_{number:02d}.csv"), tmp_path, via, speed=10.0)
    assert_exported_whole(kept, tmp_path)
    assert_ledger_exact(kept)
