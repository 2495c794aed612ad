"""Every parser of foreign bytes gets damaged and random inputs: 0 crashes, 0 hangs over a second, nothing raised but what is declared.

``python -m benchmarks.fuzz [--inputs 30000] [--only NAME] [--seed N] [--jobs 2]``; a release wants ``--inputs 1000000``. A finding names
parser, seed and batch: ``--only NAME --seed N --batch B`` has it again. Exits 1 on any finding.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import multiprocessing
import os
import resource
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from types import FrameType
from uuid import UUID

import numpy as np
import structlog
from asyncua import ua

from ingest.record_bytes import decode_record, decode_snapshot, encode_record, encode_snapshot
from ingest.records import Mark, Record, SourceState
from ingest.segments import Frame, decode_head, encode_frame, encode_head, scan, seed_of
from ingest.spool import Spool
from plant.clock import SystemClock
from plant.errors import Rejected, SettingsError, Unavailable
from plant.ledger import Counts, Gap, GapReason, LedgerLine
from plant.samples import SampleBatch
from plant.signals import DataType, SignalPath, SourceId
from plant.site import load_site
from protocols import mqtt_payloads, open_protocol, sparkplug_payload, sparkplug_topics
from protocols.mqtt_client import topic_matches
from protocols.mqtt_frames import Scanner
from protocols.mqtt_many import ManyPayloads
from protocols.mqtt_payloads import PayloadForm, SignalKey
from protocols.opcua_connection import service_result
from protocols.opcua_decoder import ReplyDecoder
from protocols.opcua_notifications import NotificationDecoder
from protocols.open_protocol_messages import parse_message
from protocols.open_protocol_results import parse_result, parse_spindles
from protocols.open_protocol_traces import parse_plot, parse_subscription, parse_trace
from tests.faults.broker import publish
from tests.faults.disk import SimulatedDisk
from tests.faults.rig import mqtt_source, opcua_source
from tests.protocols import test_open_protocol as telegrams
from tests.protocols.test_opcua_decoder import Record as SentValue
from tests.protocols.test_opcua_decoder import reply, scalar, string
from tests.protocols.test_opcua_subscription import response

_BATCH = 1000
_LONGEST_SECONDS = 1.0
_DEAD_SECONDS = 20.0
_MOST_MEMORY = 4_000_000_000
_MAGIC = (0, 1, 0x7F, 0x80, 0xFF, 0xFE, 0x20, 0x22, 0x2C, 0x5B, 0x7B)
_LENGTHS = tuple(struct.pack("<i", n) for n in (-1, 0, 1, 2**31 - 1, -(2**31), 65_536, 1_000_000))

Read = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Parser:
    """What is fed: valid inputs to start from, what makes a reader for one batch, what it may raise, and how much it costs."""

    name: str
    seeds: Sequence[bytes]
    reader: Callable[[], Read]
    declared: tuple[type[Exception], ...] = ()
    share: float = 1.0
    """Of the inputs asked for; slow ones get fewer, and say so."""


@dataclass(slots=True)
class Tally:
    """What became of a batch."""

    inputs: int = 0
    taken: int = 0
    refused: int = 0
    cpu_seconds: float = 0.0
    slowest_seconds: float = 0.0
    findings: list[str] = field(default_factory=list)


class _Hangs(BaseException):
    """Raised by the alarm in the middle of a parser."""


def damaged(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Return an input: mostly a valid one with some bytes wrong, missing, doubled or of another; sometimes nothing but noise."""
    dice = chance.random()
    if dice < 0.06:
        return chance.randbytes(chance.randrange(0, 80))
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(1, 5)):
        size = len(content)
        at = chance.randrange(size + 1)
        kind = chance.randrange(7)
        if kind == 0 and size:
            content[min(at, size - 1)] = chance.choice(_MAGIC)
        elif kind == 1 and size:
            content[min(at, size - 1)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del content[at : at + chance.randrange(1, 20)]
        elif kind == 3:
            content[at:at] = content[at : at + chance.randrange(1, 40)]
        elif kind == 4:
            content[at : at + 4] = chance.choice(_LENGTHS)
        elif kind == 5:
            other = chance.choice(seeds)
            cut = chance.randrange(len(other) + 1)
            content[at:] = other[cut : cut + 4000]
        else:
            del content[at:]
    return bytes(content)


def _opcua_read() -> Parser:
    values = [SentValue(scalar(11, 1.5), 0, 134_398_201_610_311_191), SentValue(scalar(6, 7)), SentValue(string(b"run"), 0x80050000)]
    values += [SentValue(scalar(1, True)), SentValue(None, 0x80340000), SentValue(string("Gr\u00fc\u00dfe".encode()), None, 1, 2, 3, 4)]
    seeds = [reply(values), reply(values[:1] * 20), reply(values * 5), reply([SentValue(b"\x8b\x02\0\0\0" + bytes(16))])]

    def reader() -> Read:
        decoders = {count: ReplyDecoder(count) for count in (1, len(values), 20, 30)}
        for one, count in zip(seeds, (len(values), 20, 30, 1), strict=True):
            decoders[count].decode(one, 0)

        def read(content: bytes) -> object:
            count = struct.unpack_from("<i", content)[0] if len(content) >= 4 else 0
            return decoders.get(count, decoders[len(values)]).decode(content, 0)

        return read

    return Parser("OPC UA ReadResponse", seeds, reader, (Unavailable,))


def _opcua_notifications() -> Parser:
    double, text = ua.Variant(2.5, ua.VariantType.Double), ua.Variant("x", ua.VariantType.String)
    many = [(number, ua.Variant(number, ua.VariantType.Int32), 0) for number in range(12)]
    seeds = [response([(1, double, 0)]), response([(2, text, 0x480), (3, double, 0)]), response(many), response([])]

    def reader() -> Read:
        decoder = NotificationDecoder()
        starts = [service_result(seed)[2] for seed in seeds]
        for seed, start in zip(seeds, starts, strict=True):
            decoder.published(seed, start)
        return lambda content: decoder.published(content, starts[0])

    return Parser("OPC UA DataChangeNotification", seeds, reader, (Unavailable,))


def _opcua_results() -> Parser:
    seeds = [response([]), b"\x01\x00\x7a\x02" + bytes(30)]
    return Parser("OPC UA service header", seeds, lambda: service_result, (Unavailable,))


def _mqtt_stream(version5: bool) -> Parser:
    def packet(topic: bytes, payload: bytes, number: int) -> bytes:
        if not version5:
            return publish(topic, payload, number)
        properties = b"\x03\x23\x00\x01" if number % 2 else b"\x00"
        body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", number) + properties + payload
        return bytes([0x32, len(body)]) + body

    stream = b"".join(packet(b"a/%d" % (n % 4), b"%d" % n * (n % 9), n) for n in range(20))
    seeds = [stream, packet(b"", b"1", 1) + packet(b"t", b"2", 3), b"\xd0\x00" + stream[:60], stream[:37] + b"\x90\x03\x00\x01\x01"]

    def read(content: bytes) -> object:
        scanner = Scanner(version5=version5, max_payload_bytes=300)
        half = len(content) // 2
        found = 0
        for piece in (content[:half], content[half:]):
            if piece:
                scanner.feed(piece)
            while True:
                published, other = scanner.scan()
                if not published and not other:
                    break
                found += len(published.topics) + len(published.unnamed) + len(other)
                if found > 10 * len(content) + 10:
                    raise RuntimeError("it gives more than it got")
        return found

    return Parser(f"MQTT {'5' if version5 else '3.1.1'} stream", seeds, lambda: read)


_KEYS = tuple(SignalKey(name, kind) for name, kind in (("a", DataType.DOUBLE), ("b", DataType.INT64), ("c", DataType.STRING)))
_PAYLOADS: dict[str, list[bytes]] = {
    "value": [b"1.5", b"-7", b'"run"', b"true", b'{"time": 1700000000000, "value": 2.5, "seq": 4}', b"null"],
    "object": [
        b'{"time": 1700000000000, "seq": 7, "a": 1.5, "b": 12345678901, "c": "Gr\xc3\xbc\xc3\x9fe", "d": {"e": [1, 2]}}',
        b'{"time": "2026-01-02T03:04:05Z", "a": null, "b": true}',
    ],
    "samples": [b'[{"name": "a", "time": 1700000000000, "value": 1.5}, {"name": "c", "value": "x"}]', b"[]"],
    "float32": [struct.pack("<3f", 1.5, -0.0, float("nan")), bytes(400)],
    "array": [
        b'{"time": 1700000000000, "interval": 10, "seq": 3, "values": [1, 2.5, null, 4]}',
        b"\x84\xa4time\xcf\x00\x00\x01\x8b\xcf\xe5h\x00\xa8interval\x0a\xa3seq\x03\xa6values\x93\x01\xcb\x3f\xf8\0\0\0\0\0\0\xc0",
    ],
}


def _payloads() -> Iterator[Parser]:
    for kind, seeds in _PAYLOADS.items():
        form = PayloadForm(kind)  # type: ignore[arg-type]
        keys = _KEYS
        if kind == "value":
            keys = (SignalKey("", DataType.DOUBLE),)
        elif kind in ("float32", "array"):
            keys = tuple(SignalKey(str(n), DataType.DOUBLE) for n in range(3)) if kind == "float32" else (SignalKey("", DataType.DOUBLE),)

        def one(content: bytes, form: PayloadForm = form, keys: tuple[SignalKey, ...] = keys) -> object:
            return mqtt_payloads.decode(form, keys, content)

        def many(form: PayloadForm = form, keys: tuple[SignalKey, ...] = keys, seeds: list[bytes] = seeds) -> Read:
            reader = ManyPayloads(form, keys)
            return lambda content: reader.decode([seeds[0], content, seeds[-1], content])

        yield Parser(f"MQTT payload {kind}", seeds, lambda one=one: one, (Rejected,))  # type: ignore[misc]
        yield Parser(f"MQTT payloads {kind}, many", seeds, many)


def _sparkplug() -> Iterator[Parser]:
    kinds = sparkplug_payload.MetricType
    metric = sparkplug_payload.Metric
    metrics = [
        metric("bdSeq", 3, kinds.INT64),
        metric("level", 1.5, kinds.DOUBLE, alias=7),
        metric("mode", "run", kinds.STRING, alias=8, properties={"unit": "mm"}),
        metric("flag", value=True, datatype=kinds.BOOLEAN, alias=9),
    ]
    plain = sparkplug_payload.encode(1_700_000_000_000, 5, metrics)
    seeds = [plain, sparkplug_payload.encode(1, None, []), gzip.compress(plain)]

    def read(content: bytes) -> object:
        found = sparkplug_payload.decode(content)
        for row in found.metrics:
            try:
                sparkplug_payload.value_of(row.datatype, row.field, row.raw)
                sparkplug_payload.properties_of(row.properties)
            except Rejected:
                continue
        return found

    yield Parser("Sparkplug B payload", seeds, lambda: read, (Rejected,))
    topics = [b"spBv1.0/plant/DDATA/node/device", b"spBv1.0/plant/NBIRTH/node", b"STATE/host", b"node/device/metric", b"[]"]

    def topic(content: bytes) -> object:
        text = content.decode("utf-8", "replace")
        sparkplug_topics.says_offline(content)
        sparkplug_topics.parse_topic(text)
        return sparkplug_topics.address_of(text)

    yield Parser("Sparkplug topics and states", topics, lambda: topic, (Rejected, ValueError))


def _open_protocol() -> Iterator[Parser]:
    whole = [telegrams.STARTED, telegrams.ALARM, telegrams.TOOL, telegrams.JOB, telegrams.RESULT]
    parses = (parse_result, parse_trace, parse_message, parse_spindles, parse_plot, parse_subscription)

    def read(content: bytes) -> object:
        if len(content) >= 20:
            content = b"%04d" % min(9999, len(content)) + content[4:]
        told = open_protocol.parse_telegram(content)
        refusals = 0
        for parse in parses:
            try:
                parse(told)
            except Rejected:
                refusals += 1
        return refusals

    yield Parser("Open Protocol telegrams", [bytes(one) for one in whole], lambda: read, (Rejected,))
    stream = b"".join(bytes(one) + b"\0" for one in whole)

    def frames(content: bytes) -> object:
        framer = open_protocol.Framer()
        half = len(content) // 2
        return [frame for piece in (content[:half], content[half:]) for frame in framer.feed(piece)]

    yield Parser("Open Protocol stream", [stream, stream[:77]], lambda: frames, (Rejected,))


def _record() -> Record:
    n = 6
    source = SourceId("press")
    samples = SampleBatch(
        (SignalPath("a/b/x"), SignalPath("a/b/y")),
        np.array([0, 0, 0, 1, 1, 1], np.int32),
        np.arange(n, dtype=np.int64) + 1_700_000_000_000_000,
        np.arange(n, dtype=np.int64),
        np.arange(n, dtype=np.int64),
        np.linspace(0, 1, n),
        np.ones(n, np.bool_),
        np.zeros(n, np.uint32),
        np.zeros(n, np.int16),
        np.array([None, None, None, "x", "yy", None], np.object_),
    )
    line = LedgerLine(source, 1_700_000_000_000_000 // 60_000_000 * 60_000_000, Counts(9, n, 0, 0, 0, 0, 3), ticks=3)
    gap = Gap(source, 1, 2, 3, GapReason.OVERRUN, SignalPath("a/b/x"), "late")
    return Record(source, samples, (line,), (gap,), Mark(1_700_000_001_000_000, 30_000, 2, (gap,), (("t", 9),)))


def _spool() -> Iterator[Parser]:
    spool = UUID(int=77)
    seed = seed_of(spool)
    segment = encode_head(spool, 1) + b"".join(encode_frame(Frame(n, 1, 1, b"x" * n), seed) for n in range(1, 12))

    def read(content: bytes) -> object:
        head = decode_head(content)
        return scan(content, seed if head is None else seed_of(head[0]), 0 if head is None else 36)

    yield Parser("spool segment", [segment, segment + bytes(300)], lambda: read)
    record = encode_record(_record(), 5)
    yield Parser("spool record", [record], lambda: decode_record, (Rejected,))
    state = SourceState(Mark(1), 5, (SignalPath("a/b/x"),), np.array([7], np.int64), {"t": 3})
    yield Parser("spool snapshot", [encode_snapshot({SourceId("press"): state})], lambda: decode_snapshot, (Rejected,))
    cursor = json.dumps({"spool": str(spool), "released": 4, "notes": {"press": [4, 99]}}).encode()

    def reader() -> Read:
        folder = Path(tempfile.mkdtemp(prefix="leadhand-fuzz-"))

        def open_with(content: bytes) -> object:
            disk = SimulatedDisk(Random(1))  # noqa: S311
            disk.replace(folder / "cursor", content)
            one = Spool(folder, disk, new_id=lambda: spool)
            try:
                one.open(lambda _: None)
            finally:
                one.close()
            return one.last

        return open_with

    yield Parser("spool cursor", [cursor], reader, (SettingsError,), 0.2)


def _topics() -> Parser:
    seeds = [b"a/b/c\0a/+/c", b"$SYS/x\0#", b"plant/line/1/x\0plant/#", b"\0"]

    def read(content: bytes) -> object:
        topic, _, wanted = content.decode("utf-8", "replace").partition("\0")
        return topic_matches(wanted, topic)

    return Parser("topics and filters", seeds, lambda: read, (ValueError,))


def _site() -> Parser:
    head = '[site]\nenterprise = "acme"\nid = "north"\n[[equipment]]\npath = "hall/line/{1..3}"\n'
    names = ("press", "one")
    more = "".join(f'[[equipment]]\npath = "hall/line/{name}"\n' for name in names)
    seeds = [(head + more + mqtt_source("press", 1883) + opcua_source("one", 4840)).encode(), head.encode()]

    def reader() -> Read:
        path = Path(tempfile.mkdtemp(prefix="leadhand-fuzz-")) / "site.toml"

        def read(content: bytes) -> object:
            path.write_bytes(content)
            return load_site(path)

        return read

    return Parser("site.toml", seeds, reader, (SettingsError,), 0.05)


def parsers() -> list[Parser]:
    """Return all parsers."""
    found = [_opcua_read(), _opcua_notifications(), _opcua_results(), _mqtt_stream(True), _mqtt_stream(False)]
    return [*found, *_payloads(), *_sparkplug(), *_open_protocol(), *_spool(), _topics(), _site()]


def run_batch(parser: Parser, seed: int, batch: int, inputs: int) -> Tally:
    """Feed one batch; its inputs follow from parser, seed and batch."""
    chance = Random(f"{parser.name} {seed} {batch}")  # noqa: S311
    read = parser.reader()
    tally = Tally()
    began = time.process_time()
    for number in range(inputs):
        content = damaged(chance, parser.seeds)
        start = time.perf_counter()
        try:
            signal.setitimer(signal.ITIMER_REAL, _LONGEST_SECONDS)
            read(content)
            tally.taken += 1
        except parser.declared:
            tally.refused += 1
        except _Hangs:
            tally.findings.append(f"HANG batch {batch} input {number}: {content[:200].hex()}")
        except Exception as error:  # noqa: BLE001 - whatever else comes out is a finding
            tally.findings.append(f"CRASH batch {batch} input {number}: {error!r}: {content[:200].hex()}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        tally.slowest_seconds = max(tally.slowest_seconds, time.perf_counter() - start)
    tally.inputs = inputs
    tally.cpu_seconds = time.process_time() - began
    return tally


def _alarm(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Hangs


def _work(pipe: Connection, seed: int) -> None:
    """Run batches as they are asked for, in a process of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, _alarm)
    known = parsers()
    while True:
        try:
            place, batch, inputs = pipe.recv()
        except EOFError:
            return
        pipe.send((place, batch, run_batch(known[place], seed, batch, inputs)))


class _Worker:
    def __init__(self, seed: int) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, seed), daemon=True)
        self.process.start()
        theirs.close()
        self.job: tuple[int, int, int] | None = None
        self.since = time.monotonic()

    def give(self, job: tuple[int, int, int]) -> None:
        self.job, self.since = job, time.monotonic()
        self.pipe.send(job)

    def done(self, *, answered: bool) -> Tally | None:
        """Return what became of the batch; a tally without inputs where the process died or answers no more."""
        if self.job is None:
            return None
        if answered:
            try:
                tally: Tally = self.pipe.recv()[2]
            except EOFError:
                return Tally(findings=[f"CRASH of the process in batch {self.job[1]}"])
            return tally
        # what answers to no alarm stands in machine code
        if time.monotonic() - self.since > _DEAD_SECONDS + self.job[2] * 0.05:
            return Tally(findings=[f"HANG without answer in batch {self.job[1]}"])
        return None

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _run_all(known: list[Parser], jobs: list[tuple[int, int, int]], seed: int, workers: int) -> list[Tally]:
    totals = [Tally() for _ in known]
    running = [_Worker(seed) for _ in range(workers)]
    while jobs or any(worker.job is not None for worker in running):
        for worker in running:
            if worker.job is None and jobs:
                worker.give(jobs.pop())
        ready = wait([worker.pipe for worker in running if worker.job is not None], timeout=1.0)
        for place, worker in enumerate(running):
            done = worker.done(answered=worker.pipe in ready)
            if done is None or worker.job is None:
                continue
            _add(totals[worker.job[0]], done)
            worker.job = None
            if not done.inputs:
                worker.end()
                running[place] = _Worker(seed)
    for worker in running:
        worker.end()
    return totals


def _add(total: Tally, one: Tally) -> None:
    total.inputs += one.inputs
    total.taken += one.taken
    total.refused += one.refused
    total.cpu_seconds += one.cpu_seconds
    total.slowest_seconds = max(total.slowest_seconds, one.slowest_seconds)
    total.findings += one.findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=30_000, help="for each parser; slow ones get the share that is shown")
    parser.add_argument("--only", default="", help="parsers whose name holds this")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("LEADHAND_SEED", "1")))
    parser.add_argument("--batch", type=int, help="this batch alone")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    known = parsers()
    jobs = []
    for place, one in enumerate(known):
        if options.only.lower() not in one.name.lower():
            continue
        if options.batch is not None:
            jobs.append((place, options.batch, _BATCH))
            continue
        left = max(1, round(options.inputs * one.share))
        jobs += [(place, batch, min(_BATCH, left - batch * _BATCH)) for batch in range(-(-left // _BATCH))]
    chosen = {job[0] for job in jobs}
    jobs.sort(key=lambda job: (-job[1], job[0]))
    load, began = os.getloadavg()[0], SystemClock().monotonic()
    totals = _run_all(known, jobs, options.seed, options.jobs)
    seconds = SystemClock().monotonic() - began
    print(f"seed {options.seed}, load {load:.1f} before, {options.jobs} processes, {seconds:.0f} s")
    print(f"{'parser':<32}{'inputs':>10}{'taken':>10}{'refused':>10}{'per CPU s':>11}{'slowest ms':>12}{'crashes':>9}{'hangs':>7}")
    for place in sorted(chosen):
        total = totals[place]
        hangs = sum(finding.startswith("HANG") for finding in total.findings)
        rate = total.inputs / max(total.cpu_seconds, 1e-9)
        print(
            f"{known[place].name:<32}{total.inputs:>10,}{total.taken:>10,}{total.refused:>10,}{rate:>11,.0f}"
            f"{total.slowest_seconds * 1000:>12.1f}{len(total.findings) - hangs:>9}{hangs:>7}"
        )
        for finding in total.findings[:5]:
            print(f"    {finding}")
    found = sum(len(totals[place].findings) for place in chosen)
    print(f"{sum(totals[place].inputs for place in chosen):,} inputs, {sum(totals[place].cpu_seconds for place in chosen):.0f} CPU s")
    print("0 crashes, 0 hangs" if not found else f"{found} FINDINGS")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
