from __future__ import annotations

import json

import numpy as np

from ingest.messages import MessageTable
from ingest.topics import Arrival, Topic, plan_topics
from plant.equipment import EquipmentId
from plant.samples import FLAG_RETAINED, FLAG_TIME_NOT_OF_SOURCE, NO_TIME
from plant.settings import MqttTopicSettings
from plant.signals import DataType, Signal, SignalPath, SourceId, StoreRule
from protocols.mqtt_client import AckToken, MqttMessage
from protocols.mqtt_payloads import decode

NOW = 1_800_000_000_000_000
TOPICS = [MqttTopicSettings(filter="hall/+/state", payload="object", time_unit="us"), MqttTopicSettings(filter="plain/#", payload="value")]


def signal(address: str, data_type: DataType = DataType.DOUBLE, store: StoreRule = StoreRule.NEW_SOURCE_TIME) -> Signal:
    return Signal(SignalPath(f"a/{address}"), EquipmentId("a"), address, data_type, "", SourceId("s"), address, 0, store)


def the_topic() -> Topic:
    return plan_topics(TOPICS, [signal("hall/press/state#x")])[0]["hall/press/state"]


def arrive(topic: Topic, *, dup: bool = False, retain: bool = False, **state: float) -> Arrival:
    payload = json.dumps(state).encode()
    message = MqttMessage(topic.name, payload, 1, retain, dup, AckToken(1, 1))
    return topic.arrive(message, decode(topic.form, topic.keys, payload))


def test_topics_are_planned_from_addresses_and_what_fits_none_is_told() -> None:
    signals = [signal("hall/press/state#a"), signal("hall/press/state#b"), signal("plain/x"), signal("elsewhere#a"), signal("plain/y#k")]
    topics, unfit = plan_topics(TOPICS, signals)
    assert topics["hall/press/state"].places.tolist() == [0, 1]
    assert [key.name for key in topics["hall/press/state"].keys] == ["a", "b"]
    assert topics["plain/x"].places.tolist() == [2]
    assert unfit == ["elsewhere#a", "plain/y#k"]


def test_skipped_numbers_are_counted_and_numbers_met_again_are_duplicates() -> None:
    topic = the_topic()
    assert arrive(topic, x=1, seq=10, time=NOW) is Arrival.NEW
    assert topic.skipped == 0
    assert arrive(topic, x=1, seq=14, time=NOW + 1) is Arrival.NEW
    assert topic.skipped == 3
    assert arrive(topic, x=1, seq=14, time=NOW + 1, dup=True) is Arrival.DUPLICATE
    assert arrive(topic, x=1, seq=11, time=NOW) is Arrival.DUPLICATE
    assert topic.skipped == 0


def test_a_sender_that_starts_again_is_not_taken_for_a_double() -> None:
    topic = the_topic()
    arrive(topic, x=1, seq=5000, time=NOW)
    assert arrive(topic, x=1, seq=0, time=NOW + 10) is Arrival.NEW
    assert arrive(topic, x=1, seq=1, time=NOW + 20) is Arrival.NEW
    assert topic.skipped == 0


def test_numbers_go_on_behind_what_was_durable_before_a_restart() -> None:
    topic = the_topic()
    topic.resume(7, NOW)
    assert arrive(topic, x=1, seq=7, time=NOW) is Arrival.DUPLICATE
    assert arrive(topic, x=1, seq=9, time=NOW + 1) is Arrival.NEW
    assert topic.skipped == 1


def test_without_numbers_the_same_message_with_its_time_is_a_double() -> None:
    topic = the_topic()
    assert arrive(topic, x=1, time=NOW) is Arrival.NEW
    assert arrive(topic, x=2, time=NOW + 1) is Arrival.NEW
    assert arrive(topic, x=1, time=NOW) is Arrival.DUPLICATE
    assert arrive(topic, x=3, time=NOW - 300_000_000) is Arrival.NEW, "late, but new"
    topic.resume(None, NOW + 1)
    assert arrive(topic, x=2, time=NOW + 1) is Arrival.DUPLICATE
    assert arrive(topic, x=4, time=NOW + 2) is Arrival.NEW


def test_values_without_number_or_time_are_never_taken_for_doubles() -> None:
    topic = the_topic()
    assert arrive(topic, x=1) is Arrival.NEW
    assert arrive(topic, x=1) is Arrival.NEW


def test_a_retained_message_met_at_each_connect_is_stored_once_and_flagged() -> None:
    topic = the_topic()
    assert arrive(topic, retain=True, x=1, time=NOW) is Arrival.NEW
    assert arrive(topic, retain=True, x=1, time=NOW) is Arrival.DUPLICATE
    table = MessageTable([signal("hall/press/state#x")], np.array([NO_TIME]))
    table.take(NOW, decode(topic.form, topic.keys, b'{"x": 1}'), topic.places, retained=True)
    assert table.harvest().flags.tolist() == [FLAG_RETAINED | FLAG_TIME_NOT_OF_SOURCE]


def test_values_keep_their_times_and_impossible_times_are_ours() -> None:
    topic = the_topic()
    table = MessageTable([signal("hall/press/state#x")], np.array([NO_TIME]))
    for number, time in enumerate((NOW - 5, -11_644_473_600_000_000, NOW + 10**14)):
        payload = json.dumps({"x": number, "seq": number, "time": time}).encode()
        assert table.take(NOW + number, decode(topic.form, topic.keys, payload), topic.places, retained=False).stored == 1
    batch = table.harvest()
    assert batch.time_us.tolist() == [NOW - 5, NOW + 1, NOW + 2]
    assert batch.flags.tolist() == [0, FLAG_TIME_NOT_OF_SOURCE, FLAG_TIME_NOT_OF_SOURCE]


def test_on_change_filters_equal_values_and_a_wrong_type_is_told() -> None:
    topics, _ = plan_topics(TOPICS, [signal("plain/x", store=StoreRule.ON_CHANGE)])
    topic = topics["plain/x"]
    table = MessageTable([signal("plain/x", store=StoreRule.ON_CHANGE)], np.array([NO_TIME]))
    outcomes = [table.take(NOW, decode(topic.form, topic.keys, word), topic.places, retained=False) for word in (b"1", b"1", b"2", b"true")]
    assert [(o.stored, o.filtered, len(o.mismatched)) for o in outcomes] == [(1, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]
