"""What a host makes of births, numbers and deaths, message by message, on a clock of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.signals import DataType
from plant.status import BAD, BAD_DATA_UNAVAILABLE, UNCERTAIN_LAST_USABLE_VALUE
from protocols.sparkplug_events import Changed, Event, Missing, Rebirth, Refused, Stale, Untold
from protocols.sparkplug_host import HostRules, SparkplugHost
from protocols.sparkplug_payload import Metric, MetricType, Value, encode
from protocols.sparkplug_tables import Samples
from protocols.sparkplug_topics import BDSEQ, address_of, filters_of, parse_topic, topic_of

START_US = 1_790_000_000_000_000
SECOND = 1_000_000
T = TypeVar("T")


@dataclass
class Edge:
    """An edge node that numbers what it sends, and the clock."""

    node: str = "hall/paint"
    bd_seq: int = 0
    sequence: int = 0
    now_us: int = START_US
    aliases: dict[str, int] = field(default_factory=dict)

    def message(self, kind: str, metrics: Sequence[Metric], device: str = "", *, numbered: bool = True) -> tuple[str, bytes]:
        number = self.sequence if numbered else None
        if numbered:
            self.sequence = (self.sequence + 1) % 256
        return topic_of(kind, self.node, device), encode(self.now_us // 1000, number, metrics)

    def birth(self, values: dict[str, float], *, shift: int = 0) -> tuple[str, bytes]:
        self.sequence = 0
        self.aliases = {name: (n + shift) % len(values) for n, name in enumerate(values)}
        told = [Metric(BDSEQ, self.bd_seq, MetricType.INT64), Metric("Node Control/Rebirth", value=False, datatype=MetricType.BOOLEAN)]
        told += [Metric(name, value, MetricType.DOUBLE, alias=self.aliases[name]) for name, value in values.items()]
        return self.message("NBIRTH", told)

    def death(self, bd_seq: int | None = None) -> tuple[str, bytes]:
        number = self.bd_seq if bd_seq is None else bd_seq
        return self.message("NDEATH", [Metric(BDSEQ, number, MetricType.INT64)], numbered=False)

    def data(self, **values: float) -> tuple[str, bytes]:
        return self.message(
            "NDATA", [Metric(value=value, datatype=MetricType.DOUBLE, alias=self.aliases[name]) for name, value in values.items()]
        )


class Host:
    """A host of some signals, and what came out of it."""

    def __init__(self, *addresses: str, types: Sequence[DataType] | None = None, rules: HostRules | None = None) -> None:
        self.host = SparkplugHost(
            [address_of(address) for address in addresses], types or [DataType.DOUBLE] * len(addresses), rules or HostRules()
        )
        self.all: list[Event] = []

    def take(self, edge: Edge, *messages: tuple[str, bytes]) -> list[Event]:
        for topic, content in messages:
            self.host.take(topic, content, edge.now_us)
        return self._out()

    def pass_time(self, edge: Edge, microseconds: int) -> list[Event]:
        for _ in range(10):
            edge.now_us += microseconds // 10
            self.host.tick(edge.now_us)
        return self._out()

    def _out(self) -> list[Event]:
        events = self.host.events()
        self.all += events
        return events


def of(events: Sequence[Event], kind: type[T]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def values(events: Sequence[Event]) -> list[tuple[int, float]]:
    return [pair for one in of(events, Samples) if not one.duplicate for pair in zip(one.place, one.value, strict=True)]


def trouble(host: Host) -> list[Event]:
    return [event for event in host.all if isinstance(event, Missing | Refused | Rebirth)]


def both() -> tuple[Host, Edge]:
    """A host of two signals of an edge node that was born."""
    host, edge = Host("hall/paint:level", "hall/paint:flow"), Edge()
    host.take(edge, edge.birth({"level": 1.0, "flow": 2.0}))
    assert values(host.all) == [(0, 1.0), (1, 2.0)]
    edge.now_us += SECOND
    return host, edge


def test_values_by_alias_reach_the_signals_that_the_birth_named() -> None:
    host, edge = both()
    events = host.take(edge, edge.data(flow=5.0), edge.data(level=4.0, flow=6.0))
    assert values(events) == [(1, 5.0), (0, 4.0), (1, 6.0)]
    assert of(events, Samples)[0].time_us == [edge.now_us // 1000 * 1000]
    assert not trouble(host)


def test_messages_out_of_order_are_put_in_order_when_the_missing_one_comes_in_time() -> None:
    host, edge = both()
    first, second, third = edge.data(level=1.0), edge.data(level=2.0), edge.data(level=3.0)
    assert values(host.take(edge, first, third)) == [(0, 1.0)]
    host.pass_time(edge, SECOND)
    assert values(host.take(edge, second)) == [(0, 2.0), (0, 3.0)]
    host.pass_time(edge, 5 * SECOND)
    assert not trouble(host)


def test_a_skipped_number_becomes_a_gap_and_one_rebirth_request_and_what_followed_is_kept() -> None:
    host, edge = both()
    edge.data(level=1.0)
    edge.data(level=1.5)
    assert values(host.take(edge, edge.data(level=2.0))) == []
    events = host.pass_time(edge, 3 * SECOND)
    assert [event.count for event in of(events, Missing)] == [2]
    assert [event.node for event in of(events, Rebirth)] == ["hall/paint"]
    for _ in range(20):
        host.take(edge, edge.data(flow=7.0))
        host.pass_time(edge, SECOND // 10)
    assert len(of(host.all, Rebirth)) == 1
    assert values(host.take(edge, edge.birth({"level": 8.0, "flow": 9.0}))) == [(0, 8.0), (1, 9.0), (0, 2.0), *[(1, 7.0)] * 20]
    assert of(host.all, Refused) == []
    assert [event.count for event in of(host.all, Missing)] == [2]


def test_after_a_hole_no_value_is_kept_when_the_next_birth_means_something_else_by_its_alias() -> None:
    host, edge = both()
    edge.data(level=1.0)
    host.take(edge, edge.data(level=2.0))
    host.pass_time(edge, 3 * SECOND)
    assert values(host.take(edge, edge.birth({"level": 8.0, "flow": 9.0}, shift=1))) == [(0, 8.0), (1, 9.0)]
    assert sum(event.count for event in of(host.all, Refused)) == 1


def test_an_edge_node_that_does_not_answer_is_asked_once_in_ten_seconds_and_its_values_are_counted_as_rejected() -> None:
    host, edge = both()
    edge.data(level=1.0)
    sent = 0
    for _ in range(600):
        host.take(edge, edge.data(flow=7.0))
        sent += 1
        host.pass_time(edge, SECOND // 10)
    host.pass_time(edge, 31 * SECOND)
    assert 6 <= len(of(host.all, Rebirth)) <= 11
    assert sum(event.count for event in of(host.all, Refused)) == sent
    assert values(host.all) == [(0, 1.0), (1, 2.0)]


def test_an_unknown_alias_is_counted_and_asked_about_and_the_rest_of_its_message_kept() -> None:
    host, edge = both()
    unknown = Metric(value=3.0, datatype=MetricType.DOUBLE, alias=77)
    known = Metric(value=4.0, datatype=MetricType.DOUBLE, alias=edge.aliases["level"])
    events = host.take(edge, edge.message("NDATA", [unknown, known]))
    assert values(events) == [(0, 4.0)]
    assert [event.count for event in of(events, Refused)] == [1]
    host.pass_time(edge, SECOND)
    host.take(edge, edge.message("NDATA", [unknown]))
    host.pass_time(edge, 8 * SECOND)
    assert len(of(host.all, Rebirth)) == 1


def test_a_missed_birth_is_asked_for_and_values_by_name_are_kept_meanwhile() -> None:
    host, edge = Host("hall/paint:level"), Edge(sequence=57, aliases={"level": 0})
    host.host.connected(edge.now_us)
    assert values(host.take(edge, edge.data(level=1.0))) == []
    by_name = edge.message("NDATA", [Metric("level", 2.0, MetricType.DOUBLE)])
    assert values(host.take(edge, by_name)) == [(0, 2.0)]
    events = host.pass_time(edge, 4 * SECOND)
    assert [event.node for event in of(events, Rebirth)] == ["hall/paint"]
    assert values(host.take(edge, edge.birth({"level": 3.0}))) == [(0, 3.0)]
    assert sum(event.count for event in of(host.all, Refused)) == 1, "nobody can tell what the alias meant before this birth"


def test_a_birth_that_its_data_overtook_explains_them() -> None:
    host, edge = Host("hall/paint:level"), Edge()
    birth = edge.birth({"level": 1.0})
    data = edge.data(level=2.0)
    assert values(host.take(edge, data)) == []
    assert values(host.take(edge, birth)) == [(0, 1.0), (0, 2.0)]
    assert of(host.all, Refused) == []


def test_a_rebirth_that_is_overtaken_by_all_that_follows_it_loses_nothing() -> None:
    host, edge = Host("hall/paint:level", "hall/paint/booth-1:heat"), Edge()

    def device(value: float) -> tuple[str, bytes]:
        return edge.message("DBIRTH", [Metric("heat", value, MetricType.DOUBLE, alias=7)], "booth-1")

    def heat(value: float) -> tuple[str, bytes]:
        return edge.message("DDATA", [Metric(value=value, datatype=MetricType.DOUBLE, alias=7)], "booth-1")

    host.take(edge, edge.birth({"level": 1.0}), device(2.0))
    for _ in range(40):
        edge.now_us += 10_000
        host.take(edge, heat(3.0))
    host.all.clear()
    edge.now_us += 10_000
    birth = edge.birth({"level": 4.0})
    edge.now_us += 1000
    host.take(edge, device(5.0), heat(6.0), edge.data(level=7.0))
    host.pass_time(edge, SECOND)
    assert values(host.all) == []
    host.take(edge, birth)
    host.pass_time(edge, 30 * SECOND)
    assert values(host.all) == [(0, 4.0), (1, 5.0), (1, 6.0), (0, 7.0)]
    assert not trouble(host)
    assert of(host.all, Stale) == []


def test_data_from_before_a_rebirth_that_come_after_it_are_read_by_what_the_former_birth_said() -> None:
    host, edge = both()
    late = edge.data(level=2.5)
    edge.now_us += SECOND
    host.take(edge, edge.birth({"level": 3.0, "flow": 4.0}))
    assert values(host.take(edge, late)) == [(0, 2.5)]
    assert values(host.take(edge, edge.data(level=5.0))) == [(0, 5.0)]


def test_data_from_before_a_rebirth_with_other_aliases_never_become_another_signals_value() -> None:
    host, edge = both()
    late = edge.data(level=2.5)
    edge.now_us += SECOND
    host.take(edge, edge.birth({"level": 3.0, "flow": 4.0}, shift=1))
    events = host.take(edge, late)
    assert values(events) == []
    assert [event.count for event in of(events, Refused)] == [1]


def test_the_same_message_twice_is_a_double() -> None:
    host, edge = both()
    message = edge.data(level=2.0)
    events = host.take(edge, message, message)
    assert values(events) == [(0, 2.0)]
    assert [one.duplicate for one in of(events, Samples)] == [False, True]


def test_a_death_makes_all_signals_of_the_node_and_its_devices_stale_once() -> None:
    host, edge = Host("hall/paint:level", "hall/paint/booth-1:heat", "hall/other:x"), Edge()
    host.take(edge, edge.birth({"level": 1.0}), edge.message("DBIRTH", [Metric("heat", 2.0, MetricType.DOUBLE)], "booth-1"))
    edge.now_us += SECOND
    events = host.take(edge, edge.death(), edge.death())
    assert [(event.places, event.at_us) for event in of(events, Stale)] == [((0, 1), edge.now_us)]
    assert [one.online for one in host.host.standings()] == [False, False, None]
    assert of(host.pass_time(edge, 60 * SECOND), Rebirth) == []


def test_the_death_of_an_earlier_session_is_ignored() -> None:
    host, edge = both()
    edge.bd_seq = 1
    host.take(edge, edge.birth({"level": 1.0, "flow": 2.0}))
    edge.now_us += SECOND
    assert of(host.take(edge, edge.death(0)), Stale) == []
    assert values(host.take(edge, edge.data(level=3.0))) == [(0, 3.0)]
    assert len(of(host.take(edge, edge.death(1)), Stale)) == 1


def test_a_death_that_overtakes_its_birth_counts() -> None:
    host, edge = Host("hall/paint:level"), Edge(bd_seq=4)
    birth = edge.birth({"level": 1.0})
    edge.now_us += SECOND
    host.take(edge, edge.death())
    events = host.take(edge, birth)
    assert values(events) == [(0, 1.0)]
    assert [event.places for event in of(events, Stale)] == [(0,)]


def test_a_node_that_always_uses_the_same_number_of_birth_comes_back_after_its_death() -> None:
    host, edge = Host("hall/paint:level"), Edge()
    host.take(edge, edge.death())
    edge.now_us += SECOND
    events = host.take(edge, edge.birth({"level": 1.0}))
    assert of(events, Stale) == []
    assert [event.online for event in of(events, Changed)] == [True]


def test_the_death_of_a_device_concerns_its_signals_only() -> None:
    host, edge = Host("hall/paint:level", "hall/paint/booth-1:heat", "hall/paint/booth-2:heat"), Edge()
    heat = [Metric("heat", 2.0, MetricType.DOUBLE, alias=9)]
    host.take(edge, edge.birth({"level": 1.0}), edge.message("DBIRTH", heat, "booth-1"), edge.message("DBIRTH", heat, "booth-2"))
    edge.now_us += SECOND
    assert [event.places for event in of(host.take(edge, edge.message("DDEATH", [], "booth-1")), Stale)] == [(1,)]
    by_alias = [Metric(value=3.0, datatype=MetricType.DOUBLE, alias=9)]
    assert values(host.take(edge, edge.message("DDATA", by_alias, "booth-2"))) == [(2, 3.0)]
    events = host.take(edge, edge.message("DDATA", by_alias, "booth-1"))
    assert values(events) == []
    assert [event.count for event in of(events, Refused)] == [1]


def test_a_device_that_is_not_born_again_with_its_node_becomes_stale() -> None:
    host, edge = Host("hall/paint/booth-1:heat"), Edge()
    host.take(edge, edge.birth({"level": 1.0}), edge.message("DBIRTH", [Metric("heat", 2.0, MetricType.DOUBLE)], "booth-1"))
    edge.now_us += SECOND
    host.take(edge, edge.birth({"level": 1.0}))
    assert of(host.pass_time(edge, 2 * SECOND), Stale) == [], "its birth may take a while"
    assert [event.places for event in of(host.pass_time(edge, 10 * SECOND), Stale)] == [(0,)]


def test_a_lost_broker_makes_all_stale_and_a_new_connection_asks_for_births() -> None:
    host, edge = both()
    host.host.disconnected(edge.now_us)
    assert [event.places for event in of(host.host.events(), Stale)] == [(0, 1)]
    host.host.connected(edge.now_us)
    assert len(of(host.pass_time(edge, 5 * SECOND), Rebirth)) == 1
    edge.data(level=1.0)
    assert values(host.take(edge, edge.data(level=2.0))) == [], "its number tells nothing yet"
    edge.now_us += SECOND
    assert values(host.take(edge, edge.birth({"level": 3.0, "flow": 4.0}))) == [(0, 3.0), (1, 4.0), (0, 2.0)]


def test_a_plant_of_nodes_is_not_asked_all_at_once_and_the_silent_ever_more_seldom() -> None:
    host, edge = Host(*[f"hall/node-{n}:level" for n in range(100)]), Edge()
    host.host.connected(edge.now_us)
    for _ in range(60):
        assert len(of(host.pass_time(edge, SECOND), Rebirth)) <= 20
    asked = [event.node for event in of(host.all, Rebirth)]
    assert len(set(asked)) == 100
    host.pass_time(edge, 600 * SECOND)
    before = len(of(host.all, Rebirth))
    host.pass_time(edge, 60 * SECOND)
    assert len(of(host.all, Rebirth)) - before < 100


def test_signals_that_a_birth_does_not_tell_of_are_named() -> None:
    host, edge = Host("hall/paint:level", "hall/paint:Level"), Edge()
    (event,) = of(host.take(edge, edge.birth({"level": 1.0})), Untold)
    assert event.places == (1,), "names differ by case"


@pytest.mark.parametrize(
    ("data_type", "kind", "value", "number", "text"),
    [
        (DataType.INT16, MetricType.INT16, -30000, -30000.0, None),
        (DataType.UINT64, MetricType.UINT64, 2**64 - 1, float(2**64 - 1), str(2**64 - 1)),
        (DataType.DOUBLE, MetricType.INT32, -7, -7.0, None),
        (DataType.BOOLEAN, MetricType.BOOLEAN, True, 1.0, None),
        (DataType.INT64, MetricType.DATETIME, 1_790_000_000_000, 1.79e12, None),
        (DataType.STRING, MetricType.TEXT, "电流", None, "电流"),
    ],
)
def test_each_type_reaches_a_signal_pinned_to_it(
    data_type: DataType, kind: MetricType, value: Value, number: float | None, text: str | None
) -> None:
    host, edge = Host("hall/paint:x", types=[data_type]), Edge()
    (samples,) = of(host.take(edge, edge.message("NBIRTH", [Metric("x", value, kind)])), Samples)
    assert samples.text == [text]
    assert samples.has_value == [number is not None]
    assert number is None or samples.value == [number]


@pytest.mark.parametrize(
    ("data_type", "kind", "value"),
    [(DataType.SBYTE, MetricType.INT16, 128), (DataType.DOUBLE, MetricType.STRING, "1"), (DataType.INT32, MetricType.DOUBLE, 1.0),
     (DataType.BOOLEAN, MetricType.INT8, 1), (DataType.STRING, MetricType.STRING, "a\0b"), (DataType.DOUBLE, MetricType.BYTES, b"1")],
)  # fmt: skip
def test_a_value_of_another_type_is_a_mismatch_and_no_value(data_type: DataType, kind: MetricType, value: Value) -> None:
    host, edge = Host("hall/paint:x", types=[data_type]), Edge()
    (samples,) = of(host.take(edge, edge.message("NBIRTH", [Metric("x", value, kind)])), Samples)
    assert (len(samples), samples.mismatched) == (0, [0])


def test_null_quality_history_and_transience_are_kept_apart() -> None:
    host, edge = both()
    alias = edge.aliases["level"]

    def one(value: float | None, *, historical: bool = False, transient: bool = False, quality: int | None = None) -> Samples:
        told: dict[str, Value] = {} if quality is None else {"Quality": quality}
        metric = Metric("", value, MetricType.DOUBLE, alias, 0, historical, transient, told)
        (samples,) = of(host.take(edge, edge.message("NDATA", [metric])), Samples)
        return samples

    assert (one(None).status, one(None).has_value) == ([BAD_DATA_UNAVAILABLE], [False])
    assert one(1.0, historical=True).historical == [True]
    assert (one(1.0, transient=True).transient, len(one(1.0, transient=True))) == (1, 0)
    assert [one(1.0, quality=code).status for code in (192, 0, 500)] == [[0], [BAD], [UNCERTAIN_LAST_USABLE_VALUE]]


def test_one_element_of_an_array_is_a_signal() -> None:
    host, edge = Host("hall/paint:forces[1]", "hall/paint:odd[7]", "hall/paint:forces[9]"), Edge()
    told = [Metric("forces", [1.5, 2.5], MetricType.DOUBLE_ARRAY), Metric("odd[7]", 3.5, MetricType.DOUBLE)]
    (samples,) = of(host.take(edge, edge.message("NBIRTH", told)), Samples)
    assert list(zip(samples.place, samples.value, strict=True)) == [(0, 2.5), (1, 3.5)]
    assert samples.mismatched == [2]


def test_a_payload_that_cannot_be_read_counts_once_and_is_not_missing_as_well() -> None:
    host, edge = both()
    topic, _ = edge.data(level=1.0)
    host.take(edge, (topic, b"\xff\xff"), edge.data(level=2.0))
    assert [event.count for event in of(host.all, Refused)] == [1]
    host.pass_time(edge, 5 * SECOND)
    assert of(host.all, Missing) == []
    assert values(host.all)[-1] == (0, 2.0)


def test_topics_and_addresses_are_those_of_the_specification() -> None:
    assert topic_of("DDATA", "g/n", "d") == "spBv1.0/g/DDATA/n/d"
    assert parse_topic("spBv1.0/g/NDATA/n/d") is parse_topic("spBv1.0/g/NCMD/n") is parse_topic("spBv1.0/STATE/h") is None
    assert ("spBv1.0/g/DDEATH/+/+", 1) in filters_of(["g", "g"])
    assert len(filters_of(["g", "g"])) == 6
    address = address_of("g/00%3A1A/d:Motor/Temp: inlet")
    assert (address.node, address.device, address.metric) == ("g/00:1A", "d", "Motor/Temp: inlet")
    for wrong in ("g:x", "g/n", "g/n/d/e:x", "g/n:", "g//n:x", "g/+:x"):
        with pytest.raises(ValueError, match="no address"):
            address_of(wrong)


KINDS = ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA", "NCMD", "STATE", "")


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.booleans(), st.binary(max_size=40), st.integers(0, 3 * SECOND)), max_size=30))
@settings(deadline=None, max_examples=60)
def test_no_message_whatever_it_holds_makes_the_host_fail(messages: list[tuple[str, bool, bytes, int]]) -> None:
    host, edge = both()
    for kind, device, content, pause in messages:
        host.take(edge, (topic_of(kind, edge.node, "d" if device else ""), content))
        host.pass_time(edge, pause)


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_whatever_is_lost_doubled_or_overtaken_no_signal_gets_anothers_value_and_all_is_accounted_for(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    names = [f"m{n}" for n in range(5)]
    host, edge = Host(*[f"hall/paint:{name}" for name in names]), Edge()
    births, sent, lost, doubled = 0, 0, 0, 0
    host.take(edge, edge.birth({name: float(n) for n, name in enumerate(names)}))
    delayed: list[tuple[str, bytes]] = []
    for _ in range(300):
        edge.now_us += chance.randrange(1000, 400_000)
        asked = of(host.pass_time(edge, 10), Rebirth)
        if asked or chance.random() < 0.01:
            host.take(edge, edge.birth({name: float(n) for n, name in enumerate(names)}, shift=chance.choice([0, 0, 1, 3])))
            births += 1
            continue
        place = chance.randrange(len(names))
        message = edge.data(**{names[place]: place + 1000.0 * chance.randrange(1, 1000)})
        sent += 1
        fate = chance.random()
        if fate < 0.03:
            lost += 1
        elif fate < 0.1:
            delayed.append(message)
        else:
            host.take(edge, message)
            if fate > 0.97:
                host.take(edge, message)
                doubled += 1
        if delayed and chance.random() < 0.5:
            host.take(edge, delayed.pop(0))
    host.take(edge, *delayed)
    host.pass_time(edge, 3 * SECOND)
    host.pass_time(edge, 40 * SECOND)
    host.host.stop(edge.now_us)
    host._out()
    got = values(host.all)
    assert all(value % 1000 == place for place, value in got)
    kept = sum(value >= 1000 for _, value in got)
    twice = sum(len(one) for one in of(host.all, Samples) if one.duplicate)
    refused = sum(event.count for event in of(host.all, Refused))
    missing = sum(event.count for event in of(host.all, Missing))
    # what a birth cuts off cannot be missed: the numbers begin anew. What comes after it was given up counts twice.
    assert kept + refused + twice <= sent + doubled
    assert kept + refused + twice >= sent + doubled - lost
    assert missing <= lost + 40
