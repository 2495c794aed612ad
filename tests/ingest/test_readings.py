from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ingest.readings import ReadingTable, TickOutcome
from plant.equipment import EquipmentId
from plant.samples import FLAG_TIME_NOT_OF_SOURCE, NO_TIME
from plant.signals import DataType, Signal, SignalPath, SourceId, StoreRule
from plant.status import BAD_COMMUNICATION_ERROR, BAD_NODE_ID_UNKNOWN
from protocols.opcua_values import ReadColumns

NOW = 1_800_000_000_000_000
DOUBLE = 11
STRING = 12


def signals(*rules: StoreRule) -> list[Signal]:
    return [
        Signal(SignalPath(f"a/b/s{n}"), EquipmentId("a/b"), f"s{n}", DataType.DOUBLE, "", SourceId("s"), f"n{n}", 30_000, rule)
        for n, rule in enumerate(rules)
    ]


def read(
    value: Sequence[float],
    source_us: Sequence[int],
    *,
    status: int = 0,
    type_id: int = DOUBLE,
    server_us: int = NO_TIME,
    text: Sequence[str | None] | None = None,
) -> ReadColumns:
    n = len(value)
    has = np.full(n, status < 0x80000000 and type_id == DOUBLE)
    return ReadColumns(
        np.where(has, np.array(value), np.nan),
        has,
        np.full(n, status, np.uint32),
        np.array(source_us, np.int64),
        np.full(n, server_us),
        np.zeros(n, np.int64),
        np.full(n, type_id, np.uint8),
        None if text is None else np.array(text, np.object_),
    )


class Table:
    def __init__(self, *rules: StoreRule, last_us: Sequence[int] | None = None) -> None:
        n = len(rules)
        self.table = ReadingTable(signals(*rules), np.array(last_us or [NO_TIME] * n, np.int64), 40)
        self.places = np.arange(n)
        self.now = NOW

    def take(self, columns: ReadColumns, pinned: int = DOUBLE) -> TickOutcome:
        self.now += 30_000
        return self.table.take(self.now, columns, self.places, np.full(len(self.places), pinned, np.uint8))


def test_a_source_time_met_again_is_unchanged() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME)
    outcomes = [table.take(read([1.5], [NOW + at])) for at in (0, 0, 30_000, 30_000, 60_000)]
    assert [(o.stored, o.unchanged) for o in outcomes] == [(1, 0), (0, 1), (1, 0), (0, 1), (1, 0)]
    batch = table.table.harvest()
    assert batch.time_us.tolist() == [NOW, NOW + 30_000, NOW + 60_000]
    assert batch.flags.tolist() == [0, 0, 0]


def test_every_read_keeps_each_read_at_its_own_time() -> None:
    table = Table(StoreRule.EVERY_READ)
    outcomes = [table.take(read([1.5], [NOW])) for _ in range(3)]
    assert sum(o.stored for o in outcomes) == 3
    batch = table.table.harvest()
    assert batch.time_us.tolist() == [NOW, NOW + 60_000, NOW + 90_000]
    assert batch.flags.tolist() == [0, FLAG_TIME_NOT_OF_SOURCE, FLAG_TIME_NOT_OF_SOURCE]


def test_on_change_counts_the_rest_as_filtered_and_knows_nan_and_minus_zero() -> None:
    table = Table(StoreRule.ON_CHANGE)
    outcomes = [table.take(read([value], [NOW + n])) for n, value in enumerate((0.0, 0.0, -0.0, np.nan, np.nan, 1.0))]
    assert [(o.stored, o.filtered) for o in outcomes] == [(1, 0), (0, 1), (1, 0), (1, 0), (0, 1), (1, 0)]


def test_on_change_keeps_a_change_of_status() -> None:
    table = Table(StoreRule.ON_CHANGE)
    assert table.take(read([1.0], [NOW])).stored == 1
    assert table.take(read([1.0], [NOW + 1], status=BAD_COMMUNICATION_ERROR)).stored == 1
    batch = table.table.harvest()
    assert batch.status.tolist() == [0, BAD_COMMUNICATION_ERROR]
    assert batch.has_value.tolist() == [True, False]
    assert np.isnan(batch.value[1])


@pytest.mark.parametrize("wrong", [-11_644_473_600_000_000, 0, 9_200_000_000_000_000, NO_TIME])
def test_an_impossible_source_time_is_replaced_and_flagged(wrong: int) -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME)
    table.take(read([1.0], [wrong], server_us=NOW - 5))
    table.take(read([2.0], [wrong]))
    assert table.take(read([2.0], [wrong])).unchanged == 1
    batch = table.table.harvest()
    assert batch.time_us.tolist() == [NOW - 5, NOW + 60_000]
    assert batch.flags.tolist() == [FLAG_TIME_NOT_OF_SOURCE] * 2


def test_another_type_is_told_and_not_kept() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME, StoreRule.NEW_SOURCE_TIME)
    columns = read([1.0, 2.0], [NOW, NOW])
    columns.type_id[1] = STRING
    outcome = table.take(columns)
    assert outcome.stored == 1
    assert outcome.mismatched.tolist() == [1]


def test_a_node_that_is_gone_is_told_and_the_others_are_kept() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME, StoreRule.EVERY_READ)
    columns = read([1.0, 2.0], [NOW, NOW])
    columns.status[1] = BAD_NODE_ID_UNKNOWN
    outcome = table.take(columns)
    assert (outcome.stored, outcome.unchanged, outcome.filtered) == (1, 0, 0)
    assert outcome.gone.tolist() == [1]


def test_every_signal_of_every_tick_has_one_outcome() -> None:
    rng = np.random.default_rng(3)
    n = 60
    table = Table(*rng.choice(list(StoreRule), n))
    for _ in range(35):
        columns = read(rng.integers(0, 2, n).astype(float).tolist(), (NOW + rng.integers(0, 3, n)).tolist())
        columns.status[rng.random(n) < 0.1] = BAD_NODE_ID_UNKNOWN
        columns.type_id[rng.random(n) < 0.1] = STRING
        outcome = table.take(columns)
        assert outcome.stored + outcome.unchanged + outcome.filtered + len(outcome.mismatched) + len(outcome.gone) == n


def test_what_was_stored_before_a_restart_is_not_stored_again() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME, last_us=[NOW])
    assert table.take(read([1.0], [NOW])).unchanged == 1
    assert table.take(read([1.0], [NOW + 1])).stored == 1


def test_what_could_not_be_made_durable_is_stored_at_the_next_read() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME)
    table.take(read([1.0], [NOW]))
    table.table.forget(table.table.harvest())
    assert table.take(read([1.0], [NOW])).stored == 1


def test_what_was_made_durable_is_not_stored_again_because_a_later_sample_was_lost() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME, StoreRule.NEW_SOURCE_TIME)
    table.take(read([1.0, 1.0], [NOW, NOW]))
    table.table.harvest()
    table.take(read([1.0, 2.0], [NOW, NOW + 1]))
    table.table.forget(table.table.harvest())
    outcome = table.take(read([1.0, 2.0], [NOW, NOW + 1]))
    assert (outcome.stored, outcome.unchanged) == (1, 1)


def test_a_text_that_no_database_keeps_is_told_and_the_others_are_kept() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME, StoreRule.NEW_SOURCE_TIME)
    outcome = table.take(read([np.nan, np.nan], [NOW, NOW], type_id=STRING, text=["a\0b", "run"]), pinned=STRING)
    assert (outcome.stored, outcome.unchanged, outcome.filtered) == (1, 0, 0)
    assert outcome.unkeepable.tolist() == [0]
    batch = table.table.harvest()
    assert batch.text is not None
    assert batch.text.tolist() == ["run"]


def test_a_servers_word_that_it_dropped_values_is_told_once_for_each_value_kept() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME)
    told = [table.take(read([1.0], [NOW + at], status=0x480)).overflowed.tolist() for at in (0, 0, 1)]
    assert told == [[0], [], [0]]
    assert not len(table.take(read([1.0], [NOW + 2], status=0x80)).overflowed), "without its info type the bit means nothing"


def test_text_is_compared_and_kept() -> None:
    table = Table(StoreRule.ON_CHANGE)
    for word in ("run", "run", "stop", ""):
        table.take(read([np.nan], [NOW], type_id=STRING, text=[word]), pinned=STRING)
    batch = table.table.harvest()
    assert batch.text is not None
    assert batch.text.tolist() == ["run", "stop", ""]
    assert not batch.has_value.any()


def test_a_harvest_is_ordered_by_signal_and_starts_afresh() -> None:
    table = Table(StoreRule.NEW_SOURCE_TIME, StoreRule.NEW_SOURCE_TIME)
    for n in range(3):
        table.take(read([n, 10 + n], [NOW + n, NOW + n]))
    batch = table.table.harvest()
    assert batch.signal.tolist() == [0, 0, 0, 1, 1, 1]
    assert batch.value.tolist() == [0, 1, 2, 10, 11, 12]
    assert len(table.table.harvest()) == 0


def test_a_text_that_comes_back_after_no_text_is_a_change() -> None:
    table = Table(StoreRule.ON_CHANGE)
    words: list[list[str | None] | None] = [["run"], None, ["run"]]
    assert [table.take(read([np.nan], [NOW], type_id=STRING, text=text), pinned=STRING).stored for text in words] == [1, 1, 1]


def test_a_value_stored_before_a_restart_is_no_change() -> None:
    table = Table(StoreRule.ON_CHANGE, last_us=[NOW])
    assert [table.take(read([5.0], [NOW + at])).stored for at in (0, 0, 1, 2)] == [0, 0, 1, 0]
