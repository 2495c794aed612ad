from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ingest.record_bytes import content_of, decode_record, encode, encode_record, open_body, open_record
from ingest.records import RECORD, Mark, Record, SourceState, step_of
from plant.errors import Rejected
from plant.samples import FLAG_TIME_NOT_OF_SOURCE, NO_TIME, empty
from tests.ingest.test_shipping import PATHS, assert_same, record


def first_version_of(one: Record, before: int) -> bytes:
    """The record as the first release wrote it."""
    samples = one.samples
    columns: list[tuple[str, int, bytes]] = [
        ("<i8", 0, getattr(samples, name).astype("<i8").tobytes())
        for name in ("signal", "time_us", "server_time_us", "received_time_us", "status", "flags", "has_value")
    ]
    columns.append(("<f8", 0, samples.value.tobytes()))
    mark = [one.mark.end_us, one.mark.interval_us, one.mark.signals, [], [list(pair) for pair in one.mark.sequences]]
    names = ("expected", "stored", "unchanged", "filtered", "duplicate", "rejected", "gap")
    ledger = [
        [
            line.minute_us,
            [getattr(line.counts, name) for name in names],
            line.complete,
            line.ticks,
            [[place, int(count)] for place, count in enumerate(line.lateness) if count],
        ]
        for line in one.ledger
    ]
    gaps = [[gap.from_us, gap.to_us, gap.count, gap.reason.value, gap.signal, gap.detail] for gap in one.gaps]
    text = None if samples.text is None else samples.text.tolist()
    return msgspec.msgpack.encode([1, one.source, before, mark, ledger, gaps, list(samples.paths), len(samples), columns, text])


def test_a_spool_of_the_first_release_is_still_read() -> None:
    one = record(4)
    content = first_version_of(one, 17)
    again, before = decode_record(content)
    assert before == 17
    assert_same(one, again)
    opened, before = open_record(content)
    assert (before, opened.samples, opened.step.expected) == (17, len(one.samples), one.expected)


def test_who_opens_a_record_knows_all_of_it_but_its_samples() -> None:
    one = record(2)
    opened = open_body(encode(one).body)
    assert_same(replace(one, samples=empty(PATHS)), opened.record)
    assert opened.samples == len(one.samples)
    assert opened.step.mark == one.mark
    assert decode_record(content_of(opened, 5))[1] == 5
    assert_same(one, decode_record(content_of(opened, 5))[0])


@given(some.lists(some.tuples(some.integers(0, 2), some.integers(0, 9), some.booleans()), max_size=12), some.booleans())
def test_the_newest_source_times_are_those_of_the_samples_in_whatever_order(rows: list[tuple[int, int, bool]], ordered: bool) -> None:
    if ordered:
        rows = sorted(rows)
    one = record(1, count=4)
    few = one.samples.take(np.arange(len(rows)))
    for place, (signal, time_us, foreign) in enumerate(rows):
        few.signal[place], few.time_us[place], few.flags[place] = signal, time_us, FLAG_TIME_NOT_OF_SOURCE * foreign
    told = replace(one, samples=few)
    assert_same(told, decode_record(encode_record(told, 0))[0])
    state = SourceState(Mark(0))
    state.take(open_body(encode(told).body).step)
    for place, path in enumerate(PATHS):
        times = [time_us for signal, time_us, foreign in rows if signal == place and not foreign]
        assert state.times_for((path,)).tolist() == [max(times, default=NO_TIME)]
    assert step_of(told).paths == tuple(path for place, path in enumerate(PATHS) if any(row[0] == place for row in rows))


@settings(deadline=None)
@given(some.binary(max_size=60), some.integers(0, 400), some.integers(1, 255))
def test_bytes_that_are_no_record_are_rejected_and_raise_nothing_else(noise: bytes, at: int, change: int) -> None:
    good = bytearray(encode_record(record(1), 3))
    good[at % len(good)] ^= change
    for content in (noise, b"\x02" + noise, bytes(good), bytes(good[: at % len(good)])):
        for read in (decode_record, open_record):
            try:
                read(content)
            except Rejected:
                continue


def test_a_record_of_a_later_version_is_told_as_such() -> None:
    content = bytearray(encode_record(record(1), 3))
    content[0] = 9
    with pytest.raises(Rejected, match="version 9"):
        decode_record(bytes(content))


def test_the_paths_of_two_records_of_the_same_signals_are_one_tuple() -> None:
    one, other = (decode_record(encode_record(record(n), 0))[0] for n in (1, 2))
    assert one.samples.paths is other.samples.paths
    assert RECORD == 1
