"""Requests and responses over MQTT 5: on both brokers, what is sent once is sent once, and what came in is acknowledged when it is done."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from plant.errors import Unavailable
from protocols.mqtt_broker import EmbeddedBroker
from protocols.mqtt_client import MqttEndpoint, MqttState
from protocols.mqtt_packets import Letter
from protocols.mqtt_requests import MqttRequests
from tests.ingest.parts import Mosquitto
from tests.listener import Listener
from tests.ports import free_port

_PATIENCE = 30.0


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module", params=["mosquitto", "embedded"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("broker")
    if request.param == "mosquitto":
        mosquitto = Mosquitto(folder)
        yield mosquitto.start()
        mosquitto.stop()
        return
    embedded = EmbeddedBroker(folder / "broker")
    yield embedded.start()
    embedded.stop()


def endpoint(port: int, name: str, *, session_seconds: int = 0) -> MqttEndpoint:
    return MqttEndpoint("127.0.0.1", port, name, session_seconds=session_seconds)


@asynccontextmanager
async def listener(port: int, name: str, *filters: str, session_seconds: int = 0) -> AsyncIterator[tuple[MqttRequests, list[Letter]]]:
    """Someone on the broker, and what came to him; nothing is acknowledged by itself."""
    letters: list[Letter] = []
    one = MqttRequests(endpoint(port, name, session_seconds=session_seconds), filters, letters.append)
    await one.open()
    try:
        await until(lambda: one.connected)
        yield one, letters
    finally:
        await one.close()


async def test_a_request_bears_its_properties_and_its_answer_comes_back(port: int) -> None:
    async with listener(port, "cell", "a/+/ask") as (cell, asked), listener(port, "house", "a/+/answer") as (house, answers):
        request = Letter(
            "a/unit-1/ask", b"{}", response_topic="a/unit-1/answer", correlation=b"\0\1", user={"signature": "k.ab"}, expires_seconds=30
        )
        assert await house.publish(request, _PATIENCE)
        await until(lambda: bool(asked))
        (came,) = asked
        assert (came.payload, came.response_topic, came.correlation) == (b"{}", "a/unit-1/answer", b"\0\1")
        assert came.user == {"signature": "k.ab"}
        assert came.expires_seconds is not None
        assert came.expires_seconds <= 30
        assert not came.retain
        assert await cell.publish(Letter(came.response_topic, b"yes", correlation=came.correlation), _PATIENCE)
        await until(lambda: bool(answers))
        assert (answers[0].payload, answers[0].correlation) == (b"yes", b"\0\1")


async def test_what_was_not_acknowledged_comes_again_to_who_comes_back(port: int) -> None:
    async with listener(port, "sender") as (sender, _):
        async with listener(port, "keeper", "b/answer", session_seconds=600) as (keeper, letters):
            for n in range(3):
                assert await sender.publish(Letter("b/answer", str(n).encode()), _PATIENCE)
            await until(lambda: len(letters) == 3)
            keeper.acknowledge(letters[0])
            keeper.acknowledge(letters[2])  # it waits for the one before it
        async with listener(port, "keeper", "b/answer", session_seconds=600) as (keeper, letters):
            await until(lambda: len(letters) >= 2)
            assert [letter.payload for letter in letters[:2]] == [b"1", b"2"]
            for letter in letters:
                keeper.acknowledge(letter)


@pytest.mark.heavy
async def test_what_expired_while_its_receiver_was_away_is_never_given_to_him(port: int) -> None:
    async with listener(port, "sender") as (sender, _):
        async with listener(port, "sleeper", "c/message", session_seconds=600):
            pass
        assert await sender.publish(Letter("c/message", b"old", expires_seconds=1), _PATIENCE)
        assert await sender.publish(Letter("c/message", b"new", expires_seconds=600), _PATIENCE)
        await asyncio.sleep(2.5)  # its expiry is a time of the broker's
        async with listener(port, "sleeper", "c/message", session_seconds=600) as (sleeper, letters):
            await until(lambda: bool(letters))
            assert [letter.payload for letter in letters] == [b"new"]
            sleeper.acknowledge(letters[0])


async def test_a_hundred_at_once_keep_their_order_and_none_waits_for_ever(port: int) -> None:
    async with listener(port, "many", "d/+") as (many, letters), listener(port, "sender") as (sender, _):
        went = await asyncio.gather(*(sender.publish(Letter("d/x", str(n).encode()), _PATIENCE) for n in range(100)))
        assert all(went)
        await until(lambda: len(letters) >= 20)
        acknowledged = 0

        def all_came() -> bool:
            nonlocal acknowledged
            for letter in letters[acknowledged:]:
                many.acknowledge(letter)
            acknowledged = len(letters)
            return acknowledged == 100

        await until(all_came)
        assert [int(letter.payload) for letter in letters] == list(range(100))


async def test_without_a_broker_nothing_is_sent_and_the_link_comes_back_with_it(tmp_path: Path) -> None:
    states: list[MqttState] = []
    port = free_port()
    one = MqttRequests(endpoint(port, "lonely"), ["e/x"], lambda _letter: None, lambda state, _why: states.append(state))
    await one.open()
    await until(lambda: MqttState.AWAY in states)
    with pytest.raises(Unavailable):
        await one.publish(Letter("e/x", b""), 1.0)
    assert not one.publish_unconfirmed(Letter("e/x", b""))
    broker = EmbeddedBroker(tmp_path / "broker", port=port)
    try:
        await asyncio.to_thread(broker.start)
        await until(lambda: one.connected)
        await asyncio.to_thread(broker.stop)
        await until(lambda: not one.connected)
        await asyncio.to_thread(broker.start)
        await until(lambda: one.connected)
        assert await one.publish(Letter("e/x", b""), _PATIENCE)
    finally:
        await one.close()
        await asyncio.to_thread(broker.stop)


async def test_a_message_without_a_word_from_the_broker_is_in_doubt_and_not_sent_again() -> None:
    """A server that takes the connection as a broker does, and acknowledges nothing."""
    came = bytearray()
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00")
        while data := await reader.read(1000):
            came.extend(data)
            if b"payload" in data and connections == 1:
                break
        writer.close()

    server = Listener(socket.create_server(("127.0.0.1", 0)), serve)
    one = MqttRequests(endpoint(server.port, "unsure", session_seconds=60), (), lambda _letter: None)
    await one.open()
    try:
        await until(lambda: one.connected)
        assert not await one.publish(Letter("f/x", b"payload"), _PATIENCE), "the link was lost: nobody knows"
        await until(lambda: one.connected and connections > 1)
        assert not await one.publish(Letter("f/x", b"another"), 0.2), "no word in time: nobody knows"
        assert came.count(b"payload") == 1
    finally:
        await one.close()
        await server.end()
