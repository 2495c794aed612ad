from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ingest.deadbands import StoredValues, Values, outside, widths_of
from ingest.readings import ReadingTable
from plant.errors import SettingsError
from plant.samples import NO_TIME
from plant.settings import SiteFile
from plant.signals import Range, Signal, StoreRule
from plant.site import site_of
from plant.status import BAD_COMMUNICATION_ERROR
from protocols.opcua_values import ReadColumns
from tests.ingest.test_readings import DOUBLE, NOW, read, signals

UNCERTAIN = 0x40000000
NUMBERS = some.one_of(some.floats(), some.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, math.inf, -math.inf, math.nan]))
STATUSES = some.sampled_from([0, UNCERTAIN, BAD_COMMUNICATION_ERROR])


def passes(value: float, has: bool, status: int, stored: float, stored_has: bool, stored_status: int, width: float | None) -> bool:
    """The rule for one value, word by word."""
    if width is None or status != stored_status or status >= 0x80000000:
        return True
    if not has or not stored_has:
        return True
    if math.isnan(value) or math.isnan(stored):
        return math.isnan(value) != math.isnan(stored)
    if value == stored:
        return False
    return abs(value - stored) > width


CASES = some.tuples(NUMBERS, some.booleans(), STATUSES, NUMBERS, some.booleans(), STATUSES, some.none() | some.floats(0, 1e9))


@given(some.lists(CASES, min_size=1, max_size=20))
def test_many_values_are_judged_as_one_is(cases: list[tuple[float, bool, int, float, bool, int, float | None]]) -> None:
    columns = list(zip(*cases, strict=True))
    now, stored = (Values(np.array(columns[at]), np.array(columns[at + 1]), np.array(columns[at + 2], np.uint32)) for at in (0, 3))
    widths = np.array([math.nan if width is None else width for width in columns[6]])
    assert outside(now, stored, widths).tolist() == [passes(*case) for case in cases]


@given(some.lists(some.tuples(some.integers(0, 2), NUMBERS, some.booleans(), STATUSES, some.booleans()), max_size=25), some.integers(0, 25))
def test_many_values_of_one_signal_at_once_are_judged_in_the_order_they_came(
    rows: list[tuple[int, float, bool, int, bool]], cut: int
) -> None:
    widths = [None, 0.5, 100.0]
    stored = StoredValues(np.array([math.nan, 0.5, 100.0]))
    last: dict[int, tuple[float, bool, int]] = {}
    wanted, found = [], []
    for part in (rows[:cut], rows[cut:]):
        for signal, value, has, status, keep in part:
            passing = not keep or signal not in last or passes(value, has, status, *last[signal], widths[signal])
            wanted.append(not passing)
            if keep and passing:
                last[signal] = (value, has, status)
        columns = [np.array([row[at] for row in part]) for at in range(5)]
        values = Values(columns[1].astype(float), columns[2].astype(bool), columns[3].astype(np.uint32))
        found += stored.dropped(columns[0].astype(np.intp), values, columns[4].astype(bool)).tolist()
    assert found == wanted


def table_of(*changed: Signal) -> ReadingTable:
    return ReadingTable(changed, np.full(len(changed), NO_TIME), 40)


def kept(table: ReadingTable, reads: list[ReadColumns]) -> tuple[list[float], int]:
    filtered = 0
    for tick, one in enumerate(reads):
        outcome = table.take(NOW + tick * 30_000, one, np.arange(len(table.paths)), np.full(len(table.paths), DOUBLE, np.uint8))
        assert outcome.stored + outcome.filtered + outcome.unchanged == len(table.paths)
        filtered += outcome.filtered
    return table.harvest().value.tolist(), filtered


def reads_of(*values: float) -> list[ReadColumns]:
    return [read([value], [NOW + tick * 30_000]) for tick, value in enumerate(values)]


@pytest.mark.parametrize("rule", list(StoreRule))
def test_a_slow_drift_is_stored_in_steps_of_the_deadband_and_the_rest_is_counted_as_filtered(rule: StoreRule) -> None:
    (signal,) = signals(rule)
    values = [n / 10 for n in range(31)]
    assert kept(table_of(replace(signal, deadband=0.95)), reads_of(*values)) == ([0.0, 1.0, 2.0, 3.0], 27)
    wide = replace(signal, deadband_percent=9.5, range=Range(-5, 5))
    assert kept(table_of(wide), reads_of(*values)) == ([0.0, 1.0, 2.0, 3.0], 27)
    assert kept(table_of(signal), reads_of(*values)) == (values, 0), "off by default"


def test_another_status_and_bad_quality_pass_and_so_does_the_first_value_after_a_gap() -> None:
    (signal,) = signals(StoreRule.NEW_SOURCE_TIME)
    table = table_of(replace(signal, deadband=10.0))
    uncertain = read([1.1], [NOW + 60_000], status=UNCERTAIN)
    bad = [read([1.0], [NOW + at], status=BAD_COMMUNICATION_ERROR) for at in (90_000, 120_000)]
    again = read([1.2], [NOW + 150_000])
    values, filtered = kept(table, [*reads_of(1.0, 1.05), uncertain, *bad, again])
    assert values[:2] == [1.0, 1.1]
    assert np.isnan(values[2:4]).all()
    assert (values[4], filtered) == (1.2, 1)
    table.after_gap()
    assert kept(table, [read([1.3], [NOW + 180_000]), read([1.4], [NOW + 210_000])]) == ([1.3], 1)


def test_a_value_of_another_type_is_a_gap_after_which_the_first_value_passes() -> None:
    (signal,) = signals(StoreRule.NEW_SOURCE_TIME)
    table = table_of(replace(signal, deadband=10.0))
    table.take(NOW, read([1.0], [NOW]), np.arange(1), np.full(1, DOUBLE, np.uint8))
    outcome = table.take(NOW, read([1.0], [NOW + 30_000], type_id=6), np.arange(1), np.full(1, DOUBLE, np.uint8))
    assert len(outcome.mismatched) == 1
    assert table.take(NOW, read([1.1], [NOW + 60_000]), np.arange(1), np.full(1, DOUBLE, np.uint8)).stored == 1
    assert table.take(NOW, read([1.2], [NOW + 90_000]), np.arange(1), np.full(1, DOUBLE, np.uint8)).filtered == 1


def site_with(**rule: object) -> SiteFile:
    return SiteFile.model_validate(
        {
            "site": {"enterprise": "acme", "id": "north"},
            "equipment": [{"path": "hall/line/press"}],
            "sources": [{"protocol": "opcua", "id": "plc", "url": "opc.tcp://127.0.0.1:4840"}],
            "signals": [{"equipment": "**/press", "name": "force", "source": "plc", "address": "nsu=x;s=force", **rule}],
        }
    )


def test_a_site_file_says_the_deadband_of_its_signals() -> None:
    (one,) = site_of(site_with(deadband=0.5)).signals
    (other,) = site_of(site_with(deadband_percent=1, range={"low": 0, "high": 400})).signals
    widths = widths_of([one, other])
    assert widths is not None
    assert widths.tolist() == [0.5, 4.0]
    assert widths_of(signals(StoreRule.EVERY_READ)) is None


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"deadband": 1, "deadband_percent": 1, "range": {"low": 0, "high": 1}}, "not both"),
        ({"deadband_percent": 1}, "give the signal a range"),
        ({"deadband": 1, "data_type": "string"}, "a text has no deadband"),
        ({"deadband": -1}, "greater than or equal to 0"),
        ({"deadband_percent": 101, "range": {"low": 0, "high": 1}}, "less than or equal to 100"),
    ],
)
def test_a_deadband_that_means_nothing_is_told_with_its_key(rule: dict[str, object], said: str) -> None:
    with pytest.raises((SettingsError, ValueError), match=said):
        site_of(site_with(**rule))
