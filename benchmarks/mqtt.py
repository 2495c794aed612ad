"""MQTT at scale: from mosquitto to durable rows in the embedded PostgreSQL, publisher and broker on the same cores.

    python -m benchmarks.mqtt [--seconds 10] [--only single-0,single-1,arrays-0,arrays-1,naive,burst,overload] [--burst-seconds 60]

* ``single-0``, ``single-1``: one value a message with its time and number, QoS 0 (must: 50,000 messages/s) and QoS 1.
* ``arrays-0``, ``arrays-1``: JSON arrays of 100 values with time, step and number, QoS 0 (must: 350,000 values/s) and QoS 1.
* ``naive``: the same single messages through paho, ``json.loads`` and COPY with ``write_row``, a batch each 0.25 s.
* ``burst``: ten times the usual rate for a while at QoS 1: nothing may be lost, and 120 s later nothing may wait.
* ``overload``: a reader that stands still for half of the time, at QoS 0, with a broker that sheds: what is missing must be a gap, exactly.

A rate is messages divided by the time from the first one published to the last row committed. The whole ingest runs: reader
process, spool with fdatasync, shipper. Prints one JSON line for each part; exits with 1 when a must is missed or a sample unexplained.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from plant.clock import SystemClock
from plant.ledger import Counts
from storage.database import Connection, connect
from storage.ledger import read_gaps, read_ledger
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.ingest.parts import REPOSITORY, Child, Mosquitto, start_ingest, until

TOPICS = 1000
WIDTH = 100
_FOREVER = 4_000_000_000_000_000
_MUST = {"single": 50_000, "arrays": 350_000}
_SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/unit-{{1..{topics}}}"

[[sources]]
protocol = "mqtt"
id = "hall"
url = "mqtt://127.0.0.1:{port}"
allow_anonymous = true
topics = [{{ filter = "b/#", payload = "{payload}", time_unit = "us", qos = {qos} }}]

[[signals]]
equipment = "hall/line/*"
name = "force"
source = "hall"
address = "b/{{unit}}"
unit = "kN"
"""


@dataclass(frozen=True)
class Stream:
    """What is published: messages of one kind at rates, one after the other: (messages a second, seconds)."""

    payload: str
    qos: int
    steps: tuple[tuple[float, float], ...]
    seed: int

    @property
    def messages(self) -> int:
        """How many messages that are."""
        return sum(round(rate * seconds) for rate, seconds in self.steps)


def packets(stream: Stream, start_us: int) -> list[bytes]:
    """Return the PUBLISH packets (MQTT 3.1.1), message by message over all topics in turn."""
    rng = np.random.default_rng(stream.seed)
    step_us = round(TOPICS * 1e6 / max(rate for rate, _ in stream.steps))
    if stream.payload == "array":
        texts = [",".join(f"{x:.3f}" for x in row) for row in rng.normal(100, 15, (500, WIDTH))]
    else:
        texts = [f"{x:.3f}" for x in rng.normal(100, 15, 10_000)]
    heads = [len(name).to_bytes(2, "big") + name for name in (b"b/unit-%d" % (n + 1) for n in range(TOPICS))]
    made = []
    for n in range(stream.messages):
        turn, place = divmod(n, TOPICS)
        text = texts[n % len(texts)]
        moment = start_us + turn * step_us + place
        if stream.payload == "array":
            payload = f'{{"time":{moment},"dt":{step_us / WIDTH},"seq":{turn},"value":[{text}]}}'.encode()
        else:
            payload = f'{{"value":{text},"time":{moment},"seq":{turn}}}'.encode()
        body = heads[place] + ((n % 65_535 + 1).to_bytes(2, "big") if stream.qos else b"") + payload
        size = len(body)
        length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
        made.append((b"\x32" if stream.qos else b"\x30") + length + body)
    return made


def publish(port: int, stream: Stream) -> None:
    """Publish a stream over a bare socket, as fast as its rates say; prints when it began, ended and the CPU seconds."""
    made = packets(stream, time.time_ns() // 1000)
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x00\x00\x06sender")
    link.recv(4)
    heard = [0]

    def listen() -> None:
        while piece := link.recv(1 << 20):
            heard[0] += len(piece) // 4

    threading.Thread(target=listen, daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began, at, cpu = time.monotonic(), 0, time.process_time()
    begins = began
    marks = [began]
    for rate, seconds in stream.steps:
        end = at + round(rate * seconds)
        first = at
        while at < end:
            due = min(end, first + int((time.monotonic() - begins) * rate))
            if due - at < min(rate / 200, end - at):
                time.sleep(0.002)
                continue
            due = min(due, at + 5000)
            link.sendall(b"".join(made[at:due]))
            at = due
            while stream.qos and at - heard[0] > 20_000:
                time.sleep(0.001)
        begins = time.monotonic()
        marks.append(begins)
    sys.stdout.write(json.dumps({"marks": marks, "cpu": time.process_time() - cpu, "messages": at}) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    link.sendall(b"\xe0\x00")


class Publisher:
    """A publisher in another process."""

    def __init__(self, port: int, stream: Stream) -> None:
        steps = json.dumps(stream.steps)
        command = [
            sys.executable,
            "-m",
            "benchmarks.mqtt",
            "--publish",
            str(port),
            stream.payload,
            str(stream.qos),
            steps,
            str(stream.seed),
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def go(self) -> None:
        """Begin to publish."""
        self._say()

    def facts(self) -> dict[str, Any]:
        """Return what it says once all is published."""
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> None:
        """Let it go."""
        self._say()
        self.process.wait(30)

    def _say(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and all that it started."""
    total = 0.0
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


class Stage:
    """A fresh database, a mosquitto and an ingest that listens to it."""

    def __init__(self, folder: Path, payload: str, qos: int, *broker: str, ingest: bool = True) -> None:
        folder.mkdir()
        self.database = EmbeddedPostgres(folder / "postgres", clock=SystemClock())
        self.url = self.database.start()
        migrate(self.url)
        self.broker = Mosquitto(folder, *broker)
        self.port = self.broker.start()
        self.broker_pid = next(
            p.pid for p in psutil.process_iter(["cmdline"]) if str(folder / "mosquitto.conf") in (p.info["cmdline"] or [])
        )
        self.ingest: Child | None = None
        if ingest:
            site = folder / "site.toml"
            site.write_text(_SITE.format(topics=TOPICS, port=self.port, payload=payload, qos=qos))
            self.ingest = start_ingest(site, folder / "home", self.url)
        self.connection: Connection = connect(self.url, application="benchmark")

    def wait_subscribed(self) -> None:
        """Return once the source is connected; its subscription is on the way then."""
        until(lambda: self._state() == "connected", 30, 0.1)
        time.sleep(0.5)

    def _state(self) -> str:
        row = self.connection.execute("SELECT state FROM source_state").fetchone()
        return "" if row is None else str(row[0])

    def counts(self) -> Counts:
        """Return the sum of the ledger."""
        total = Counts()
        for line in read_ledger(self.connection, 0, _FOREVER):
            total += line.counts
        return total

    def rows(self) -> int:
        """Return how many samples are stored."""
        return int((self.connection.execute("SELECT count(*) FROM sample").fetchone() or (0,))[0])

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each part so far."""
        pids = {"broker": self.broker_pid, "postgres": self.database.pid or 0}
        if self.ingest is not None:
            pids["ingest"] = self.ingest.pid
        spent = {name: cpu_seconds(pid) for name, pid in pids.items()}
        if self.ingest is not None:
            own = psutil.Process(self.ingest.pid).cpu_times()
            spent["of_it_spool_and_shipper"] = own.user + own.system
        return spent

    def close(self) -> None:
        """Stop all."""
        self.connection.close()
        if self.ingest is not None:
            self.ingest.stop()
        self.broker.stop()
        self.database.stop()


def through_ingest(folder: Path, name: str, payload: str, qos: int, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """Return the facts of one stream through the whole ingest."""
    width = WIDTH if payload == "array" else 1
    stage = Stage(folder / name, payload, qos, "max_queued_messages 0")
    try:
        publisher = Publisher(stage.port, Stream(payload, qos, ((rate, seconds),), seed))
        stage.wait_subscribed()
        before = stage.cpu()
        publisher.go()
        facts = publisher.facts()
        wanted = facts["messages"] * width
        wait_stored(stage, wanted, 180)
        done = time.monotonic()
        spent = {part: value - before[part] for part, value in stage.cpu().items()}
        wall = done - facts["marks"][0]
        rows, counts = stage.rows(), stage.counts()
        publisher.end()
    finally:
        stage.close()
    return {
        "part": name,
        "messages": facts["messages"],
        "published_per_second": round(facts["messages"] / (facts["marks"][-1] - facts["marks"][0])),
        "messages_per_second": round(facts["messages"] / wall),
        "values_per_second": round(wanted / wall),
        "ingest_us_per_message": round(spent["ingest"] / facts["messages"] * 1e6, 2),
        "ingest_us_per_value": round(spent["ingest"] / wanted * 1e6, 3),
        "database_us_per_value": round(spent["postgres"] / wanted * 1e6, 3),
        "values_per_core_of_ingest_and_database": round(wanted / (spent["ingest"] + spent["postgres"])),
        "cpu_seconds": {**{part: round(value, 2) for part, value in spent.items()}, "publisher": round(facts["cpu"], 2)},
        "rows": rows,
        "missing": wanted - rows,
        "unexplained": counts.unexplained(),
        "must": _MUST["arrays" if payload == "array" else "single"],
        "reached": round(wanted / wall) >= _MUST["arrays" if payload == "array" else "single"],
        "fault": wanted != rows or counts.unexplained() != 0,
        "load": os.getloadavg()[0],
    }


def wait_stored(stage: Stage, wanted: int, seconds: float) -> None:
    """Return once so many samples are committed, or no more come."""
    deadline, last = time.monotonic() + seconds, (0, time.monotonic())
    while time.monotonic() < deadline:
        stored = stage.counts().stored
        if stored >= wanted or time.monotonic() - last[1] > 15:
            return
        if stored > last[0]:
            last = (stored, time.monotonic())
        time.sleep(0.05)


def naive(folder: Path, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """Return the facts of paho + json.loads + COPY with write_row, as one would write it by hand."""
    stage = Stage(folder / "naive", "value", 0, "max_queued_messages 0", ingest=False)
    rows: list[tuple[str, int, float]] = []
    mutex, done = threading.Lock(), threading.Event()

    def on_message(_client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        found = json.loads(message.payload)
        with mutex:
            rows.append((message.topic, found["time"], found["value"]))

    stage.connection.execute("CREATE TABLE naive (topic text, time timestamptz, value float8)")
    stage.connection.execute("CREATE INDEX ON naive (topic, time)")
    stage.connection.commit()
    client = paho.Client(CallbackAPIVersion.VERSION2, "naive")
    client.on_message = on_message
    client.connect("127.0.0.1", stage.port)
    client.subscribe("b/#", 0)
    client.loop_start()
    stream = Stream("value", 0, ((rate, seconds),), seed)
    publisher = Publisher(stage.port, stream)
    stored = 0
    cpu = time.process_time()
    publisher.go()
    began = time.monotonic()
    while stored < stream.messages and time.monotonic() - began < 180:
        time.sleep(0.25)
        with mutex:
            batch, rows[:] = rows[:], []
        if not batch:
            continue
        with stage.connection.transaction(), stage.connection.cursor() as cursor, cursor.copy("COPY naive FROM STDIN") as copy:
            for topic, time_us, value in batch:
                copy.write_row((topic, np.datetime64(time_us, "us").item(), value))
        stored += len(batch)
        done.set()
    wall, spent = time.monotonic() - began, time.process_time() - cpu
    publisher.facts()
    publisher.end()
    client.disconnect()
    client.loop_stop()
    stage.close()
    return {
        "part": "naive",
        "messages": stream.messages,
        "messages_per_second": round(stored / wall),
        "client_us_per_message": round(spent / stream.messages * 1e6, 2),
        "load": os.getloadavg()[0],
    }


def burst(folder: Path, usual: float, seconds: float, seed: int) -> dict[str, Any]:
    """Return the facts of ten times the usual rate for a while."""
    stage = Stage(folder / "burst", "value", 1, "max_queued_messages 0")
    calm = 5.0
    stream = Stream("value", 1, ((usual, calm), (10 * usual, seconds), (usual, 60.0)), seed)
    try:
        publisher = Publisher(stage.port, stream)
        stage.wait_subscribed()
        memory = [0]
        stop = threading.Event()

        def watch() -> None:
            assert stage.ingest is not None
            process = psutil.Process(stage.ingest.pid)
            while not stop.wait(0.5):
                parts = [process, *process.children(recursive=True)]
                memory[0] = max(memory[0], sum(one.memory_info().rss for one in parts if one.is_running()))

        threading.Thread(target=watch, daemon=True).start()
        publisher.go()
        began = time.monotonic()
        ends = began + calm + seconds
        recovered = None
        worst = 0.0
        while time.monotonic() - began < calm + seconds + 200:
            now = time.monotonic()
            sent = usual * min(calm, now - began) + 10 * usual * max(0.0, min(seconds, now - began - calm)) + usual * max(0.0, now - ends)
            waiting = min(sent, stream.messages) - stage.counts().stored
            worst = max(worst, waiting)
            if now > ends and recovered is None and waiting < 3 * usual:
                recovered = now - ends
            if now > ends + 60 and waiting <= 0:
                break
            time.sleep(0.2)
        facts = publisher.facts()
        wait_stored(stage, stream.messages, 60)
        rows, counts = stage.rows(), stage.counts()
        stop.set()
        publisher.end()
    finally:
        stage.close()
    return {
        "part": "burst",
        "usual_per_second": usual,
        "burst_per_second": round(10 * usual * seconds / (facts["marks"][2] - facts["marks"][1])),
        "burst_seconds": seconds,
        "most_waiting": round(worst),
        "recovered_after_seconds": None if recovered is None else round(recovered, 1),
        "rss_mb": round(memory[0] / 1e6),
        "missing": stream.messages - rows,
        "doubled": counts.duplicate,
        "unexplained": counts.unexplained(),
        "fault": stream.messages != rows or counts.unexplained() != 0 or recovered is None or recovered > 120,
        "load": os.getloadavg()[0],
    }


def overload(folder: Path, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """Return the facts of a reader that stands still for a while, with a broker that sheds."""
    stage = Stage(folder / "overload", "value", 0, "max_queued_messages 1000")
    # at the end as slow as never to be shed: each topic's last number tells what was missing before
    stream = Stream("value", 0, ((rate, seconds), (1000.0, 2.0)), seed)
    try:
        publisher = Publisher(stage.port, stream)
        stage.wait_subscribed()
        publisher.go()
        assert stage.ingest is not None
        readers = psutil.Process(stage.ingest.pid).children(recursive=True)
        time.sleep(seconds / 4)
        for one in readers:
            one.suspend()
        time.sleep(seconds / 2)
        for one in readers:
            one.resume()
        facts = publisher.facts()
        wait_stored(stage, stream.messages, 10)
        rows, counts = stage.rows(), stage.counts()
        gaps = sum(gap.count for gap in read_gaps(stage.connection, 0, _FOREVER, most=10_000_000))
        publisher.end()
    finally:
        stage.close()
    return {
        "part": "overload",
        "published_per_second": round(rate * seconds / (facts["marks"][1] - facts["marks"][0])),
        "published": stream.messages,
        "rows": rows,
        "gaps": gaps,
        "unexplained": stream.messages - rows - counts.gap + counts.unexplained(),
        "fault": stream.messages != rows + counts.gap or counts.unexplained() != 0,
        "load": os.getloadavg()[0],
    }


def main() -> int:
    if sys.argv[1:2] == ["--publish"]:
        port, payload, qos, steps, seed = sys.argv[2:7]
        publish(int(port), Stream(payload, int(qos), tuple((rate, seconds) for rate, seconds in json.loads(steps)), int(seed)))
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="single-0,single-1,arrays-0,arrays-1,naive,burst,overload")
    parser.add_argument("--single-rate", type=float, default=65_000.0, help="messages/s offered")
    parser.add_argument("--arrays-rate", type=float, default=4_200.0, help="messages/s offered")
    parser.add_argument("--burst-seconds", type=float, default=15.0)
    options = parser.parse_args()
    faults = False
    with tempfile.TemporaryDirectory(prefix="lh") as name:
        folder = Path(name)
        found: dict[str, dict[str, Any]] = {}
        for part in options.only.split(","):
            kind, _, qos = part.partition("-")
            if kind == "single":
                facts = through_ingest(folder, part, "value", int(qos), options.single_rate, options.seconds, options.seed)
            elif kind == "arrays":
                facts = through_ingest(folder, part, "array", int(qos), options.arrays_rate, options.seconds, options.seed)
            elif kind == "naive":
                facts = naive(folder, options.single_rate, options.seconds / 2, options.seed)
            elif kind == "burst":
                facts = burst(folder, 4000.0, options.burst_seconds, options.seed)
            else:
                facts = overload(folder, 40_000.0, 6.0, options.seed)
            found[part] = facts
            faults = faults or bool(facts.get("fault")) or (not facts.get("reached", True) and part.endswith("-0"))
            sys.stdout.write(json.dumps({**facts, "seed": options.seed}) + "\n")
            sys.stdout.flush()
    if "naive" in found and "single-0" in found:
        ours, theirs = found["single-0"], found["naive"]
        ratio = {
            "part": "ratio",
            "throughput": round(ours["messages_per_second"] / theirs["messages_per_second"], 2),
            "client_cpu": round(theirs["client_us_per_message"] / ours["ingest_us_per_message"], 2),
        }
        sys.stdout.write(json.dumps(ratio) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
