from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from ingest.messages import MessageTable, Rows, RowsOutcome
from ingest.topics import Arrival, Came, Doubles, Topic, judge, plan_topics
from plant.equipment import EquipmentId
from plant.samples import FLAG_RETAINED, FLAG_TIME_NOT_OF_SOURCE, NO_TIME
from plant.settings import MqttTopicSettings
from plant.signals import DataType, Signal, SignalPath, SourceId, StoreRule
from protocols.mqtt_payloads import decode

NOW = 1_800_000_000_000_000
TOPICS = [MqttTopicSettings(filter="hall/+/state", payload="object", time_unit="us"), MqttTopicSettings(filter="plain/#", payload="value")]


def signal(address: str, data_type: DataType = DataType.DOUBLE, store: StoreRule = StoreRule.NEW_SOURCE_TIME) -> Signal:
    return Signal(SignalPath(f"a/{address}"), EquipmentId("a"), address, data_type, "", SourceId("s"), address, 0, store)


def the_topic() -> Topic:
    return plan_topics(TOPICS, [signal("hall/press/state#x")])[0][0]


class Inlet:
    """Judges messages of one topic one by one."""

    def __init__(self) -> None:
        self.topic = the_topic()
        self.doubles = Doubles()

    def arrive(self, *, dup: bool = False, retain: bool = False, **state: float) -> Arrival:
        payload = json.dumps(state).encode()
        columns = decode(self.topic.form, self.topic.keys, payload)
        return self.topic.arrive(self.doubles, payload, columns.sequence, int(columns.time_us.max()), retain=retain, dup=dup)

    @property
    def skipped(self) -> int:
        return self.topic.skipped


def take(table: MessageTable, topic: Topic, payload: bytes, received_us: int, *, retained: bool = False) -> RowsOutcome:
    columns = decode(topic.form, topic.keys, payload)
    n = len(columns)
    rows = Rows(
        topic.places[columns.key],
        columns.fit,
        columns.value,
        columns.time_us,
        np.zeros(n, np.int64),
        None if columns.text is None else np.array(columns.text, np.object_),
        np.full(n, columns.sequence is not None),
        np.full(n, retained),
    )
    return table.take(received_us, rows)


def test_topics_are_planned_from_addresses_and_what_fits_none_is_told() -> None:
    signals = [signal("hall/press/state#a"), signal("hall/press/state#b"), signal("plain/x"), signal("elsewhere#a"), signal("plain/y#k")]
    topics, unfit = plan_topics(TOPICS, signals)
    assert [topic.name for topic in topics] == ["hall/press/state", "plain/x"]
    assert topics[0].places.tolist() == [0, 1]
    assert [key.name for key in topics[0].keys] == ["a", "b"]
    assert topics[1].places.tolist() == [2]
    assert unfit == ["elsewhere#a", "plain/y#k"]


def test_skipped_numbers_are_counted_and_numbers_met_again_are_duplicates() -> None:
    inlet = Inlet()
    assert inlet.arrive(x=1, seq=10, time=NOW) is Arrival.NEW
    assert inlet.skipped == 0
    assert inlet.arrive(x=1, seq=14, time=NOW + 1) is Arrival.NEW
    assert inlet.skipped == 3
    assert inlet.arrive(x=1, seq=14, time=NOW + 1, dup=True) is Arrival.DUPLICATE
    assert inlet.arrive(x=1, seq=11, time=NOW) is Arrival.DUPLICATE
    assert inlet.skipped == 0


def test_a_sender_that_starts_again_is_not_taken_for_a_double() -> None:
    inlet = Inlet()
    inlet.arrive(x=1, seq=5000, time=NOW)
    assert inlet.arrive(x=1, seq=0, time=NOW + 10) is Arrival.NEW
    assert inlet.arrive(x=1, seq=1, time=NOW + 20) is Arrival.NEW
    assert inlet.skipped == 0


def test_numbers_go_on_behind_what_was_durable_before_a_restart() -> None:
    inlet = Inlet()
    inlet.topic.resume(7, NOW)
    assert inlet.arrive(x=1, seq=7, time=NOW) is Arrival.DUPLICATE
    assert inlet.arrive(x=1, seq=9, time=NOW + 1) is Arrival.NEW
    assert inlet.skipped == 1


def test_without_numbers_the_same_message_with_its_time_is_a_double() -> None:
    inlet = Inlet()
    assert inlet.arrive(x=1, time=NOW) is Arrival.NEW
    assert inlet.arrive(x=2, time=NOW + 1) is Arrival.NEW
    assert inlet.arrive(x=1, time=NOW) is Arrival.DUPLICATE
    assert inlet.arrive(x=3, time=NOW - 300_000_000) is Arrival.NEW, "late, but new"
    inlet.topic.resume(None, NOW + 1)
    assert inlet.arrive(x=2, time=NOW + 1) is Arrival.DUPLICATE
    assert inlet.arrive(x=4, time=NOW + 2) is Arrival.NEW


def test_values_without_number_or_time_are_never_taken_for_doubles() -> None:
    inlet = Inlet()
    assert inlet.arrive(x=1) is Arrival.NEW
    assert inlet.arrive(x=1) is Arrival.NEW


def test_a_retained_message_met_at_each_connect_is_stored_once_and_flagged() -> None:
    inlet = Inlet()
    assert inlet.arrive(retain=True, x=1, time=NOW) is Arrival.NEW
    assert inlet.arrive(retain=True, x=1, time=NOW) is Arrival.DUPLICATE
    table = MessageTable([signal("hall/press/state#x")], np.array([NO_TIME]))
    take(table, inlet.topic, b'{"x": 1}', NOW, retained=True)
    assert table.harvest().flags.tolist() == [FLAG_RETAINED | FLAG_TIME_NOT_OF_SOURCE]


def test_values_keep_their_times_and_impossible_times_are_ours() -> None:
    inlet = Inlet()
    table = MessageTable([signal("hall/press/state#x")], np.array([NO_TIME]))
    for number, time in enumerate((NOW - 5, -11_644_473_600_000_000, NOW + 10**14)):
        payload = json.dumps({"x": number, "seq": number, "time": time}).encode()
        assert take(table, inlet.topic, payload, NOW + number).stored == 1
    batch = table.harvest()
    assert batch.time_us.tolist() == [NOW - 5, NOW + 1, NOW + 2]
    assert batch.flags.tolist() == [0, FLAG_TIME_NOT_OF_SOURCE, FLAG_TIME_NOT_OF_SOURCE]


def test_on_change_filters_equal_values_and_a_wrong_type_is_told() -> None:
    (topic,), _ = plan_topics(TOPICS, [signal("plain/x", store=StoreRule.ON_CHANGE)])
    table = MessageTable([signal("plain/x", store=StoreRule.ON_CHANGE)], np.array([NO_TIME]))
    outcomes = [take(table, topic, word, NOW) for word in (b"1", b"1", b"2", b"true")]
    assert [(o.stored, o.filtered, len(o.mismatched)) for o in outcomes] == [(1, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]


messages = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([-1, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 40]) | st.integers(0, 9),
        st.sampled_from([NO_TIME, *range(NOW, NOW + 6)]),
        st.sampled_from([True] * 9 + [False]),
        st.sampled_from([False] * 9 + [True]),
        st.booleans(),
    ),
    max_size=40,
)


@given(messages, st.lists(st.integers(1, 12), max_size=10), st.booleans())
@settings(max_examples=300, deadline=None)
def test_messages_judged_together_get_the_verdicts_they_get_one_by_one(
    sent: list[tuple[int, int, int, bool, bool, bool]], sizes: list[int], ordered: bool
) -> None:
    if ordered:
        # what is in good order is judged in another way
        counts = [0, 0, 0]
        for n, (place, sequence, time_us, *rest) in enumerate(sent):
            counts[place] += 1
            good, retain, dup = rest
            later = time_us + counts[place] if time_us > 0 else time_us
            sent[n] = (place, counts[place] if sequence % 5 else sequence, later, good, retain, dup)
    signals = [signal(f"hall/{name}/state#x") for name in "abc"]
    together, doubles = plan_topics(TOPICS, signals)[0], Doubles()
    alone, doubles_alone = plan_topics(TOPICS, signals)[0], Doubles()
    payloads = [f"{sequence} {time_us} {n % 3}".encode() for n, (_, sequence, time_us, *_) in enumerate(sent)]
    new: list[bool] = []
    skipped: list[tuple[int, int]] = []
    at = 0
    for size in [*sizes, len(sent)]:
        part = sent[at : at + size]
        if not part:
            break
        columns: list[Any] = [np.array(column) for column in zip(*part, strict=True)]
        came = Came(columns[0], payloads[at : at + size], *columns[1:])
        verdicts = judge(together, came, doubles)
        new += verdicts.new.tolist()
        skipped += [(at + n, count) for n, count in verdicts.skipped]
        at += size
    expected: list[bool] = []
    missing: list[tuple[int, int]] = []
    for n, (place, number, time_us, good, retained, again) in enumerate(sent):
        one = alone[place]
        if not good:
            one.unread += not retained
            expected.append(False)
            continue
        arrival = one.arrive(doubles_alone, payloads[n], None if number < 0 else number, time_us, retain=retained, dup=again)
        expected.append(arrival is Arrival.NEW)
        if expected[-1] and one.skipped:
            missing.append((n, one.skipped))
    assert new == expected
    assert skipped == missing
    assert [(t.sequence, t.newest_us, t.unread) for t in together] == [(t.sequence, t.newest_us, t.unread) for t in alone]


def test_a_time_met_twice_in_one_go_is_stored_once_and_a_number_tells_two_samples_of_one_time_apart() -> None:
    table = MessageTable([signal("hall/press/state#x")], np.array([NO_TIME]))
    three = np.zeros(3, np.int64)

    def rows(*, numbered: bool) -> Rows:
        return Rows(three, np.zeros(3, np.uint8), np.arange(3.0), np.full(3, NOW), three, None, np.full(3, numbered), np.zeros(3, np.bool_))

    assert table.take(NOW, rows(numbered=True)).stored == 3
    assert table.take(NOW, rows(numbered=False)).duplicate == 3


def test_an_array_without_a_time_is_laid_before_its_arrival() -> None:
    table = MessageTable([signal("hall/press/state#x")], np.array([NO_TIME]))
    no = np.zeros(3, np.bool_)
    before = np.array([200, 100, 0])
    table.take(NOW, Rows(np.zeros(3, np.int64), np.zeros(3, np.uint8), np.arange(3.0), np.full(3, NO_TIME), before, None, no, no))
    batch = table.harvest()
    assert batch.time_us.tolist() == [NOW - 200, NOW - 100, NOW]
    assert batch.flags.tolist() == [FLAG_TIME_NOT_OF_SOURCE] * 3
