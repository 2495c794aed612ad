"""Each message of a subscription reaches us once and in order, or is known to be lost."""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plant.errors import Unavailable
from plant.signals import DataType
from plant.status import OVERFLOW_BIT
from protocols.opcua_client import OpcUaEndpoint, OpcUaSession, ResolvedNode, Subscription, SubscriptionLost, Wish, open_session
from protocols.opcua_connection import service_result
from protocols.opcua_notifications import NotificationDecoder
from simulators.device_limits import DeviceLimits
from simulators.opcua_server import SimulatedServer
from tests.ingest.parts import PATIENCE
from tests.node_parts import Node
from tests.ports import free_port
from tests.protocols.opcua_servers import ServerProcess, asyncua_server
from tests.simulators.conftest import NAMESPACE, CountingFeed, serving

SCAN_US = 20_000
LIMITS = DeviceLimits(min_sampling_us=SCAN_US, max_queue_size=1000, max_monitored_items_per_call=7)
WISH = Wish(publishing_ms=50, sampling_ms=20, outage_seconds=10)


@asynccontextmanager
async def device(count: int = 20, **options: Any) -> AsyncIterator[SimulatedServer]:
    async with serving(CountingFeed(count, SCAN_US), **{"limits": LIMITS, **options}) as server:
        yield server


@asynccontextmanager
async def session_with(url: str) -> AsyncIterator[OpcUaSession]:
    session = await open_session(OpcUaEndpoint(url, policy="None", mode="None", timeout_seconds=2.0))
    try:
        yield session
    finally:
        await session.close()


async def nodes_of(session: OpcUaSession, addresses: list[str], data_type: DataType = DataType.DOUBLE) -> dict[int, Any]:
    found = await session.resolve(addresses, [data_type] * len(addresses))
    return {place: node.node_id for place, node in enumerate(found) if isinstance(node, ResolvedNode)}


async def subscribed(session: OpcUaSession, count: int = 20, wish: Wish = WISH) -> Subscription:
    subscription = await session.subscribe(wish)
    nodes = await nodes_of(session, [f"nsu={NAMESPACE};s=cell/machine/v{n}" for n in range(count)])
    assert await subscription.add(nodes) == {}
    return subscription


class Seen:
    """The numbers that came, by handle, and what was lost."""

    def __init__(self) -> None:
        self.numbers: dict[int, list[int]] = {}
        self.lost = 0
        self.overflows = 0
        self.again = 0

    async def take(self, subscription: Subscription, until: int) -> None:
        """Receive until each handle has so many numbers more."""
        goal = {handle: len(self.numbers.get(handle, ())) + until for handle in subscription.handles}
        async with asyncio.timeout(10 * PATIENCE):
            while any(len(self.numbers.get(handle, ())) < least for handle, least in goal.items()):
                delivery = await subscription.receive()
                self.lost += delivery.lost
                self.again += delivery.again
                for changes in delivery.changes:
                    self.overflows += int(np.count_nonzero(changes.columns.status & OVERFLOW_BIT))
                    for handle, value in zip(changes.handle.tolist(), changes.columns.value.tolist(), strict=True):
                        self.numbers.setdefault(handle, []).append(int(value))

    @property
    def steps(self) -> set[int]:
        """By how much the numbers of any node rose."""
        return {after - before for numbers in self.numbers.values() for before, after in itertools.pairwise(numbers)}


async def test_every_sample_comes_once_and_in_order_and_what_was_granted_is_told() -> None:
    async with device() as server, session_with(server.url) as session:
        subscription, seen = await subscribed(session), Seen()
        await seen.take(subscription, 30)
        assert seen.steps == {1}
        assert seen.lost == 0
        assert subscription.handles == set(range(20))
        granted = subscription.granted
        assert (granted.publishing_ms, granted.sampling_ms, granted.queue_size) == (50, 20, 500)
        assert granted.outage_seconds == 10
        await subscription.delete()


async def test_what_the_server_gives_less_of_is_shown() -> None:
    poor = DeviceLimits(min_sampling_us=100_000, max_queue_size=3, min_publishing_ms=200)
    async with device(2, limits=poor) as server, session_with(server.url) as session:
        subscription = await subscribed(session, 2)
        granted = subscription.granted
        assert (granted.publishing_ms, granted.sampling_ms, granted.queue_size) == (200, 100, 3)
        assert math.isclose(granted.outage_seconds, 0.3)
        subscription.stop()


async def test_messages_that_did_not_arrive_are_asked_for_again_and_nothing_is_missing() -> None:
    async with device() as server, session_with(server.url) as session:
        subscription, seen = await subscribed(session), Seen()
        await seen.take(subscription, 5)
        server.nodes.messages_to_lose = 2
        await seen.take(subscription, 20)
        assert (seen.steps, seen.lost, seen.again) == ({1}, 0, 2)
        assert subscription.republished == 2
        subscription.stop()


async def test_messages_that_the_server_has_no_more_are_counted_as_lost() -> None:
    async with device() as server, session_with(server.url) as session:
        subscription, seen = await subscribed(session), Seen()
        await seen.take(subscription, 5)
        server.nodes.refuses_republish = True
        server.nodes.messages_to_lose = 3
        await seen.take(subscription, 20)
        assert seen.lost == 3
        assert max(seen.steps) > 3
        subscription.stop()


async def test_a_link_that_breaks_while_messages_are_asked_for_again_hides_none_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def breaks(number: int) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise Unavailable("the link broke")

    async with device() as server, session_with(server.url) as session:
        subscription, seen = await subscribed(session), Seen()
        await seen.take(subscription, 5)
        monkeypatch.setattr(subscription, "_republish", breaks)
        server.nodes.messages_to_lose = 2
        with pytest.raises(Unavailable, match="the link broke"):
            await seen.take(subscription, 100)
        assert subscription.handover().expected == asked[0]
        subscription.stop()


async def test_a_silent_subscription_is_found_within_three_keep_alives_each_time() -> None:
    async with device(1) as server, session_with(server.url) as session:
        for _ in range(2):
            server.nodes.publishes_nothing = False
            subscription = await subscribed(session, 1)
            await subscription.receive()
            server.nodes.publishes_nothing = True
            began = time.monotonic()
            with pytest.raises(SubscriptionLost, match="silent"):
                await Seen().take(subscription, 1000)
            assert time.monotonic() - began < PATIENCE * 3 * subscription.granted.keep_alive_seconds
            assert not session.lost.is_set()
            subscription.stop()


async def test_a_quiet_subscription_lives_by_its_keep_alives() -> None:
    async with device(1) as server, session_with(server.url) as session:
        subscription, seen = await subscribed(session, 1), Seen()
        await seen.take(subscription, 3)
        server.nodes.frozen = True
        empty = 0
        async with asyncio.timeout(3.5 * PATIENCE):
            while empty < 2:
                empty += not (await subscription.receive()).changes
        subscription.stop()


async def test_a_subscription_that_the_server_ends_is_lost_with_the_servers_reason() -> None:
    async with device(1) as server, session_with(server.url) as session:
        subscription, seen = await subscribed(session, 1), Seen()
        await seen.take(subscription, 2)
        await server.end_subscriptions(0x800A0000)
        with pytest.raises(SubscriptionLost, match="BadTimeout"):
            await seen.take(subscription, 1000)
        subscription.stop()


async def test_monitored_items_that_the_server_forgot_are_found_and_made_anew() -> None:
    async with device() as server, session_with(server.url) as session:
        subscription = await subscribed(session)
        assert await subscription.missing() == set()
        server.forget_items(3)
        gone = await subscription.missing()
        assert len(gone) == 3
        assert subscription.handles == set(range(20)) - gone
        nodes = await nodes_of(session, [f"nsu={NAMESPACE};s=cell/machine/v{n}" for n in range(20)])
        await subscription.add({handle: nodes[handle] for handle in gone})
        assert await subscription.missing() == set()
        subscription.stop()


async def test_a_lost_connection_costs_nothing_where_the_server_hands_the_subscription_over() -> None:
    async with device() as server:
        async with session_with(server.url) as session:
            subscription, seen = await subscribed(session), Seen()
            await seen.take(subscription, 10)
            server.drop_connections()
            with pytest.raises(Unavailable):
                await seen.take(subscription, 1000)
            before = subscription.handover()
            subscription.stop()
        await asyncio.sleep(0.5)
        async with session_with(server.url) as session:
            again = await session.take_over(before)
            assert again is not None
            await seen.take(again, 40)
            assert (seen.steps, seen.lost) == ({1}, 0)
            again.stop()


async def test_a_server_that_hands_nothing_over_says_so() -> None:
    async with device(1) as server, session_with(server.url) as session:
        subscription = await subscribed(session, 1)
        server.nodes.refuses_transfer = True
        assert await session.take_over(subscription.handover()) is None
        subscription.stop()


async def test_a_queue_that_overflows_is_told_by_the_overflow_bit() -> None:
    small = DeviceLimits(min_sampling_us=SCAN_US, max_queue_size=5)
    async with device(2, limits=small) as server, session_with(server.url) as session:
        subscription, seen = await subscribed(session, 2, Wish(500, 20)), Seen()
        await seen.take(subscription, 20)
        assert seen.overflows > 0
        assert max(seen.steps) > 1
        assert seen.lost == 0
        subscription.stop()


async def test_nodes_that_the_server_refuses_to_monitor_stop_no_other() -> None:
    async with device(2) as server, session_with(server.url) as session:
        nodes = await nodes_of(session, [f"nsu={NAMESPACE};s=cell/machine/v{n}" for n in range(2)])
        subscription, seen = await session.subscribe(WISH), Seen()
        refused = await subscription.add({**nodes, 7: ua.NodeId("nowhere", 2)})  # type: ignore[arg-type]
        assert list(refused) == [7]
        assert "BadNodeIdUnknown" in refused[7]
        await seen.take(subscription, 5)
        assert seen.steps == {1}
        subscription.stop()


@pytest.fixture(scope="module")
def reference() -> Iterator[ServerProcess]:
    with asyncua_server("--many", "50") as started:
        yield started


async def test_asyncuas_server_is_subscribed_to_with_texts_and_types(reference: ServerProcess) -> None:
    async with session_with(reference.url) as session:
        names = ["double", "string", "boolean", "int64"]
        found = await session.resolve(
            [f"nsu=http://types.test/UA/;s={n}" for n in names], [DataType.DOUBLE, DataType.STRING, DataType.BOOLEAN, DataType.INT64]
        )
        subscription = await session.subscribe(WISH)
        assert await subscription.add({place: n.node_id for place, n in enumerate(found) if isinstance(n, ResolvedNode)}) == {}
        values: dict[int, Any] = {}
        async with asyncio.timeout(10 * PATIENCE):
            while len(values) < 4 or values[1] != "neu":
                for changes in (await subscription.receive()).changes:
                    text = changes.columns.text
                    for place, handle in enumerate(changes.handle.tolist()):
                        said = None if text is None else text[place]
                        values[handle] = said if said is not None else float(changes.columns.value[place])
                if values.get(1) not in {None, "neu"}:
                    reference.tell("write", node="string", value="neu", kind="String")
        assert values[0] == 3.141592653589793
        assert values[2] == 1.0
        assert values[3] == "-9007199254740993"
        await subscription.delete()


async def test_a_foreign_server_is_subscribed_to_within_its_limits_and_hands_nothing_over_to_the_anonymous(
    node: Node, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, port = tmp_path_factory.mktemp("node-opcua"), free_port()
    server = ServerProcess([str(node.program), str(node.folder / "opcua_server.mjs"), str(port), str(folder), "40"], port)
    try:
        addresses = [f"nsu=http://node.test/Line:1/;i={number + 1}" for number in range(100)]
        seen = Seen()
        async with session_with(server.url) as session:
            subscription = await session.subscribe(Wish(100, 50, outage_seconds=5))
            assert await subscription.add(await nodes_of(session, addresses, DataType.INT32)) == {}
            assert session.link.limits.monitored_items_per_call == 30
            await seen.take(subscription, 5)
            assert {min(numbers) // 1000 for numbers in seen.numbers.values()} == set(range(100))
            assert await subscription.missing() == set()
            assert subscription.granted.publishing_ms == 100
            before = subscription.handover()
            session.link.client.drop("a cable is pulled")
            subscription.stop()
        async with session_with(server.url) as session:
            # it hands nothing over to nobody in particular: over security None it can't know that we are the same client
            assert await session.take_over(before) is None
    finally:
        server.kill()


values = st.one_of(
    st.floats(allow_nan=False).map(lambda v: ua.Variant(v, ua.VariantType.Double)),
    st.integers(-(2**31), 2**31 - 1).map(lambda v: ua.Variant(v, ua.VariantType.Int32)),
    st.booleans().map(lambda v: ua.Variant(v, ua.VariantType.Boolean)),
    st.text(max_size=8).map(lambda v: ua.Variant(v, ua.VariantType.String)),
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=3).map(lambda v: ua.Variant(v, ua.VariantType.Double)),
)
items = st.lists(st.tuples(st.integers(0, 2**32 - 1), values, st.sampled_from([0, 0x80050000, 0x00000480])), max_size=12)


def response(sent: list[tuple[int, ua.Variant, int]]) -> bytes:
    notification = ua.DataChangeNotification()
    notification.MonitoredItems = [
        ua.MonitoredItemNotification(ua.UInt32(handle), ua.DataValue(value, ua.StatusCode(status)))  # type: ignore[arg-type]
        for handle, value, status in sent
    ]
    said = ua.PublishResponse()
    said.Parameters.SubscriptionId = ua.UInt32(3)
    said.Parameters.NotificationMessage.SequenceNumber = ua.UInt32(9)
    said.Parameters.NotificationMessage.NotificationData = [notification]
    return struct_to_binary(said)


@settings(max_examples=100, deadline=None)
@given(st.lists(items, min_size=1, max_size=4))
def test_notifications_say_the_same_as_the_reference_decoder(messages: list[list[tuple[int, ua.Variant, int]]]) -> None:
    decoder = NotificationDecoder()
    for sent in messages:
        reply = response(sent)
        published = decoder.published(reply, service_result(reply)[2])
        theirs = struct_from_binary(ua.PublishResponse, Buffer(reply)).Parameters.NotificationMessage
        assert published.message.number == theirs.SequenceNumber
        ours = [
            (handle, changes.columns.status[n], changes.columns.value[n], None if changes.columns.text is None else changes.columns.text[n])
            for changes in published.message.changes
            for n, handle in enumerate(changes.handle.tolist())
        ]
        expected = struct_from_binary(ua.PublishResponse, Buffer(reply)).Parameters.NotificationMessage.NotificationData[0].MonitoredItems
        assert len(ours) == len(expected) == len(sent)
        for (handle, status, value, text), item in zip(ours, expected, strict=True):
            assert (handle, status) == (item.ClientHandle, item.Value.StatusCode.value)
            plain = None if item.Value.Value.is_array or status >= 0x80000000 else item.Value.Value.Value
            if isinstance(plain, str):
                assert text == plain
            elif plain is None:
                assert math.isnan(value)
            else:
                assert value == float(plain)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_notifications_are_unavailable_or_as_the_reference_reads_them(data: st.DataObject) -> None:
    decoder = NotificationDecoder()
    reply = response(data.draw(items))
    start = service_result(reply)[2]
    decoder.published(reply, start)
    damaged = bytearray(reply)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(start, len(damaged) - 1))] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x98, 3]))
    content = bytes(damaged[: data.draw(st.integers(start, len(damaged)))]) if data.draw(st.booleans()) else bytes(damaged)
    began = time.process_time()
    try:
        published = decoder.published(content, start)
    except Unavailable:
        with pytest.raises(Unavailable):
            NotificationDecoder().published(content, start)
        return
    finally:
        assert time.process_time() - began < 1.0
    fresh = NotificationDecoder().published(content, start)
    assert published.available == fresh.available
    for ours, theirs in zip(published.message.changes, fresh.message.changes, strict=True):
        np.testing.assert_array_equal(ours.handle, theirs.handle)
        np.testing.assert_array_equal(ours.columns.value, theirs.columns.value)
        np.testing.assert_array_equal(ours.columns.status, theirs.columns.status)


def test_a_count_that_lies_is_refused_at_once() -> None:
    reply = response([(1, ua.Variant(1.0, ua.VariantType.Double), 0)])
    at = reply.index(struct.pack("<iI", 1, 1))
    began = time.process_time()
    with pytest.raises(Unavailable, match="malformed"):
        NotificationDecoder().published(reply[:at] + b"\xff\xff\xff\x7f" + reply[at + 4 :], service_result(reply)[2])
    assert time.process_time() - began < 0.5
