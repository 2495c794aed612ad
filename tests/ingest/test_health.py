from __future__ import annotations

import weakref

from ingest.health import SourceHealth
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
