"""What a Sparkplug B metric costs, from the bytes of a message to the column of a record; beside it what others pay to read one.

    python -m benchmarks.sparkplug [--rounds 7]

Ours is decoding, the host's state machine (numbers, aliases) and the table of a record. Beside it, on the same bytes: protobuf's C
parser alone, with reading one attribute of each metric, and what a host does that reads alias, time, type, flags and value of each
metric as attributes; and orjson on the same values as JSON. Processor time, the median of some rounds. Exit code 1 when a metric of
messages of 100 costs more than 8 us (350,000 values a second in arrays of 100 leave 2.9 us on a quiet core; twice that is alarm).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import orjson

from ingest.sparkplug_values import SparkplugTable
from plant.equipment import EquipmentId
from plant.signals import DataType, Signal, SignalPath, SourceId
from protocols import sparkplug_payload
from protocols.sparkplug_host import HostRules, SparkplugHost
from protocols.sparkplug_payload import Metric, MetricType, encode
from protocols.sparkplug_tables import Samples
from protocols.sparkplug_topics import BDSEQ, address_of, topic_of

START_MS = 1_790_000_000_000
METRICS = 60_000
MOST_US = 8.0


def messages(size: int) -> list[bytes]:
    """Messages of ``size`` metrics by alias, numbered on."""
    count = max(2, METRICS // size)
    return [
        encode(
            START_MS + n,
            n % 256,
            [Metric("", place / 7 + n, MetricType.DOUBLE, alias=place, time_ms=START_MS + n) for place in range(size)],
        )
        for n in range(1, count + 1)
    ]


def host_of(size: int) -> tuple[SparkplugHost, SparkplugTable]:
    """A host whose edge node was born."""
    signals = [
        Signal(SignalPath(f"a/b/s{n}"), EquipmentId("a/b"), f"s{n}", DataType.DOUBLE, "", SourceId("x"), f"g/n:s{n}", 0)
        for n in range(size)
    ]
    host = SparkplugHost([address_of(one.address) for one in signals], [one.data_type for one in signals], HostRules())
    table = SparkplugTable(signals, [0] * size)
    born = [Metric(BDSEQ, 0, MetricType.INT64)] + [Metric(f"s{n}", 0.0, MetricType.DOUBLE, alias=n) for n in range(size)]
    host.take(topic_of("NBIRTH", "g/n"), encode(START_MS, 0, born), START_MS * 1000)
    host.events()
    return host, table


def ours(contents: list[bytes], size: int) -> Callable[[], None]:
    def run() -> None:
        host, table = host_of(size)
        topic = topic_of("NDATA", "g/n")
        for n, content in enumerate(contents):
            now_us = (START_MS + n) * 1000
            host.take(topic, content, now_us)
            for event in host.events():
                assert isinstance(event, Samples)
                table.take(event, now_us)
        assert len(table.harvest()) == len(contents) * size

    return run


def parser(contents: list[bytes]) -> None:
    for content in contents:
        sparkplug_payload._Payload.FromString(content)  # noqa: SLF001 - the parser alone


def one_attribute(contents: list[bytes]) -> None:
    for content in contents:
        for metric in sparkplug_payload._Payload.FromString(content).metrics:  # noqa: SLF001
            metric.double_value  # noqa: B018


def all_attributes(contents: list[bytes]) -> None:
    for content in contents:
        for metric in sparkplug_payload._Payload.FromString(content).metrics:  # noqa: SLF001
            kind = metric.WhichOneof("value")
            (metric.name, metric.alias, metric.timestamp, metric.datatype, metric.is_historical, metric.is_null, getattr(metric, kind))


def as_json(contents: list[bytes]) -> None:
    for content in contents:
        orjson.loads(content)


def cost_us(run: Callable[[], object], metrics: int, rounds: int) -> float:
    """Processor time for each metric."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        run()
        taken.append(time.process_time() - begin)
    return statistics.median(taken) / metrics * 1e6


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    words.add_argument("--rounds", type=int, default=7)
    rounds = words.parse_args().rounds
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"load {load:.1f} on {cores} cores; protobuf parses by {sparkplug_payload.BACKEND}; us of processor time a metric")
    print(f"{'metrics a message':>18} {'ours':>8} {'parser':>8} {'1 field':>8} {'7 fields':>9} {'orjson':>8} {'ours : 7 fields':>16}")
    worst = 0.0
    for size in (1, 10, 100, 1000):
        contents = messages(size)
        texts = [orjson.dumps([{"alias": n, "t": START_MS, "type": 10, "v": n / 7 + k} for n in range(size)]) for k in range(len(contents))]
        total = len(contents) * size
        mine = cost_us(ours(contents, size), total, rounds)
        peers = [cost_us(partial(each, contents), total, rounds) for each in (parser, one_attribute, all_attributes)]
        json_us = cost_us(partial(as_json, texts), total, rounds)
        print(f"{size:>18} {mine:>8.2f} {peers[0]:>8.3f} {peers[1]:>8.3f} {peers[2]:>9.3f} {json_us:>8.3f} {mine / peers[2]:>16.1f}")
        if size == 100:
            worst = mine
    good = worst <= MOST_US
    print(f"{'ok' if good else 'MISSED'}: {worst:.2f} us a metric in messages of 100, at most {MOST_US:g}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
