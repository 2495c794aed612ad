"""Aggregates of what is stored: gaps are bad data, rollups and samples tell the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from plant.aggregate_bounds import Rules
from plant.aggregates import CALCULATED, INFO, Aggregate
from plant.errors import Rejected
from plant.ledger import Gap, GapReason
from plant.status import BAD, UNCERTAIN_DATA_SUB_NORMAL
from storage import aggregates
from storage.aggregates import read_aggregate
from storage.database import Connection, connect
from storage.rollups import roll_up
from tests.storage.small_plant import MINUTE, PATHS, SECOND, SOURCE, an_hour_ago, number_of, samples_of, shipper_of


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as made:
        yield made


def test_rollups_and_samples_tell_the_same(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = an_hour_ago()
    shipper = shipper_of(connection)
    times = begin + np.arange(0, 10 * MINUTE, SECOND // 2)
    values = 10 + np.random.default_rng(2).normal(size=len(times))
    status = np.where(np.random.default_rng(3).random(len(times)) < 0.01, BAD, 0).astype(np.uint32)
    shipper.ship(samples_of(PATHS[0], times, values, status=status))
    roll_up(connection)
    signal = number_of(connection, PATHS[0])
    tiers: list[Any] = []
    real = aggregates._tier

    def told(*args: Any) -> Any:
        tiers.append(real(*args))
        return tiers[-1]

    monkeypatch.setattr(aggregates, "_tier", told)
    for wanted in (Aggregate.MINIMUM, Aggregate.MAXIMUM, Aggregate.RANGE, Aggregate.COUNT, Aggregate.AVERAGE):
        fast = read_aggregate(connection, signal, wanted, begin, begin + 10 * MINUTE, MINUTE)
        # uncertain samples that are not bad can only be told from the samples themselves
        slow = read_aggregate(connection, signal, wanted, begin, begin + 10 * MINUTE, MINUTE, Rules(treat_uncertain_as_bad=False))
        assert fast.value == pytest.approx(slow.value, nan_ok=True)
        if wanted not in {Aggregate.MINIMUM, Aggregate.MAXIMUM}:
            assert fast.status.tolist() == slow.status.tolist()
    assert tiers[1::2] == [None] * 5
    assert tiers[::2] == ["1m"] * 5


def test_a_gap_is_bad_data_until_the_next_sample(connection: Connection) -> None:
    begin = an_hour_ago()
    shipper = shipper_of(connection)
    times = np.concatenate([np.arange(0, 20), np.arange(50, 61)]) * SECOND + begin
    gap = Gap(SOURCE, begin + 20 * SECOND, begin + 50 * SECOND, 30, GapReason.DISCONNECTED)
    shipper.ship(samples_of(PATHS[0], times, np.full(len(times), 4.0)), gaps=(gap,))
    signal = number_of(connection, PATHS[0])
    share = read_aggregate(connection, signal, Aggregate.PERCENT_GOOD, begin, begin + MINUTE)
    assert share.value[0] == pytest.approx(50, abs=0.01)
    mean = read_aggregate(connection, signal, Aggregate.TIME_AVERAGE_2, begin, begin + MINUTE, 20 * SECOND)
    assert mean.value[0] == pytest.approx(4)
    assert mean.status[1] & 0x80000000
    assert mean.status[2] == UNCERTAIN_DATA_SUB_NORMAL | INFO | CALCULATED


def test_what_is_too_much_or_not_there_is_refused(connection: Connection) -> None:
    shipper_of(connection)
    with pytest.raises(Rejected, match="no signal 99"):
        read_aggregate(connection, 99, Aggregate.COUNT, 0, SECOND)
    with pytest.raises(Rejected, match="intervals at once"):
        read_aggregate(connection, 1, Aggregate.COUNT, 0, 10**12, SECOND)
