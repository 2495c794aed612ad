from __future__ import annotations

import weakref
from dataclasses import replace

from ingest.health import SourceHealth
from ingest.records import Mark
from plant.ledger import LedgerLine
from tests.ingest.test_shipping import SOURCE, record


def test_the_health_of_a_source_keeps_no_samples_in_memory() -> None:
    health = SourceHealth(SOURCE, 30_000, insecure=True, now_us=0)
    one = record(1)
    values = weakref.ref(one.samples.value)
    newest = int(one.samples.time_us.max())
    health.note(one, newest, newest + 1_000_000)
    del one
    assert values() is None
    report = health.report(newest, 0, 0)
    assert report.last_sample_us == newest
    assert report.achieved_us == 200_000


def test_nobody_granted_what_a_source_sends_by_itself_and_the_achieved_interval_is_that_of_the_samples_that_came() -> None:
    health = SourceHealth(SOURCE, 30_000, insecure=True, now_us=0)
    health.say("connected", "", 0)
    assert health.report(0, 0, 0).achieved_us is None
    for second in (0, 2):  # and a silent one between them
        sent = record(1)
        own = tuple(LedgerLine(SOURCE, line.minute_us, line.counts) for line in sent.ledger)
        start = second * 1_000_000
        health.note(replace(sent, ledger=own, mark=Mark(start + 1_000_000, 0, len(sent.samples.paths))), start, start + 1_000_000)
    report = health.report(3_000_000, 0, 0)
    assert (report.requested_us, report.granted_us) == (30_000, None)
    assert report.achieved_us == 300_000, "five samples of each signal, twice, in three seconds"
    assert health.report(600_000_000, 0, 0).achieved_us is None, "long ago is not now"


def test_a_cyclic_source_is_granted_the_interval_it_is_read_at_while_it_is_connected() -> None:
    health = SourceHealth(SOURCE, 30_000, insecure=True, now_us=0)
    one = record(1)
    health.note(one, 0, 1_000_000)
    assert health.report(1_000_000, 0, 0).granted_us is None
    health.say("connected", "", 0)
    assert health.report(1_000_000, 0, 0).granted_us == one.mark.interval_us
