"""Messages out of a stream of bytes: the same that paho finds, however the stream is cut, and nothing but messages."""

from __future__ import annotations

import itertools
import resource
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from paho.mqtt.enums import CallbackAPIVersion

from protocols.mqtt_client import MqttConnection, MqttEndpoint, MqttMessage
from protocols.mqtt_frames import Published, Scanner
from tests.ingest.parts import until

LIMIT = 500


def variable(number: int) -> bytes:
    encoded = b""
    while True:
        number, low = number >> 7, number & 127
        encoded += bytes([low | (128 if number else 0)])
        if not number:
            return encoded


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + variable(len(body)) + body


def publish(topic: bytes, payload: bytes, *, qos: int = 0, number: int = 7, flags: int = 0, properties: bytes | None = b"") -> bytes:
    head = len(topic).to_bytes(2, "big") + topic + (number.to_bytes(2, "big") if qos else b"")
    return packet(0x30 | qos << 1 | flags, head + (b"" if properties is None else variable(len(properties)) + properties) + payload)


def string(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


words = st.text("abcdefghijklmnopqrstuvwxyz/é", min_size=1, max_size=12).map(str.encode)
properties = st.lists(
    st.one_of(
        st.integers(0, 1).map(lambda n: bytes([0x01, n])),
        st.integers(0, 2**32 - 1).map(lambda n: b"\x02" + n.to_bytes(4, "big")),
        words.map(lambda w: b"\x03" + string(w)),
        words.map(lambda w: b"\x08" + string(w)),
        st.binary(max_size=9).map(lambda w: b"\x09" + string(w)),
        st.integers(1, 200_000).map(lambda n: b"\x0b" + variable(n)),
        st.tuples(words, words).map(lambda w: b"\x26" + string(w[0]) + string(w[1])),
    ),
    max_size=4,
    unique_by=lambda p: p[0],
).map(b"".join)


@st.composite
def packets(draw: st.DrawFn, *, version5: bool) -> bytes:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return b"\xd0\x00"
    if kind == 1:
        number = draw(st.integers(1, 65535)).to_bytes(2, "big")
        return packet(0x90, number + (b"\x00" if version5 else b"") + b"\x00")
    qos = draw(st.integers(0, 1))
    payload = draw(st.binary(max_size=200)) if kind < 9 else bytes(draw(st.integers(LIMIT - 20, 70_000)))
    return publish(
        draw(words),
        payload,
        qos=qos,
        number=draw(st.integers(1, 65535)),
        flags=draw(st.integers(0, 1)) | (draw(st.integers(0, 1)) << 3 if qos else 0),
        properties=draw(properties) if version5 else None,
    )


@dataclass
class Heard:
    messages: list[tuple[str, bytes, int, bool, bool, int]] = field(default_factory=list)
    others: bytes = b""


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    at = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[a:b] for a, b in itertools.pairwise(at)]


def scanned(pieces: Iterable[bytes], *, version5: bool, limit: int = LIMIT) -> Heard:
    """What our scan finds, and what it leaves to paho."""
    scanner, heard = Scanner(version5=version5, max_payload_bytes=limit), Heard()
    for piece in pieces:
        scanner.feed(piece)
        for _ in range(len(piece) + 10):
            found, other = scanner.scan()
            note(found, heard)
            heard.others += other
            if not found and not other:
                break
        else:
            raise AssertionError("the scan does not end")
    return heard


def note(found: Published, heard: Heard) -> None:
    assert len(found.topics) == len(found.payloads) == len(found.headers) == len(found.packet_ids)
    assert found.size == sum(map(len, found.payloads))
    for n, topic in enumerate(found.topics):
        first, payload = found.headers[n], found.payloads[n]
        payload = b"too large" if n in found.oversized else payload
        heard.messages.append((topic, payload, first >> 1 & 3, bool(first & 1), bool(first & 8), found.packet_ids[n]))


def heard_by_paho(stream: bytes, *, version5: bool) -> Heard:
    """What paho itself makes of the stream."""
    protocol = paho.MQTTv5 if version5 else paho.MQTTv311
    client, heard = paho.Client(CallbackAPIVersion.VERSION2, "reader", protocol=protocol, manual_ack=True), Heard()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    client._sock = ours

    def on_message(_client: Any, _userdata: Any, m: paho.MQTTMessage) -> None:
        payload = bytes(m.payload) if len(m.payload) <= LIMIT else b"too large"
        heard.messages.append((m.topic, payload, m.qos, m.retain, m.dup, m.mid))

    client.on_message = on_message

    def write() -> None:
        theirs.sendall(stream)
        theirs.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    until(lambda: client._packet_read() == paho.MQTT_ERR_CONN_LOST, 10, 0)
    writer.join()
    client._sock = None
    ours.close()
    theirs.close()
    return heard


@pytest.mark.parametrize("version5", [True, False], ids=["mqtt 5", "mqtt 3.1.1"])
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_messages_are_those_that_paho_finds_however_the_stream_is_cut(version5: bool, data: st.DataObject) -> None:
    sent = data.draw(st.lists(packets(version5=version5), max_size=12))
    places = data.draw(st.lists(st.integers(0, 100_000), max_size=12))
    stream = b"".join(sent)
    ours = scanned(cut(stream, places), version5=version5)
    assert ours.messages == heard_by_paho(stream, version5=version5).messages
    assert ours.others == b"".join(one for one in sent if one[0] & 0xF0 != 0x30)


@pytest.mark.parametrize("version5", [True, False], ids=["mqtt 5", "mqtt 3.1.1"])
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_bytes_hang_the_scan_or_make_it_fail(version5: bool, data: st.DataObject) -> None:
    sent = data.draw(st.lists(packets(version5=version5) | st.binary(max_size=40), max_size=8))
    stream = bytearray(b"".join(sent))
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6)):
        if stream:
            stream[place % len(stream)] = byte
    places = data.draw(st.lists(st.integers(0, 5000), max_size=8))
    whole = scanned([bytes(stream)], version5=version5)
    assert scanned(cut(bytes(stream), places), version5=version5) == whole, "the cuts change nothing"


def test_each_single_cut_gives_the_same_messages() -> None:
    stream = publish(b"a/b", b"1.5", qos=1, number=300) + b"\xd0\x00" + publish(b"a/c", b"x" * 300) + publish(b"a", b"")
    whole = scanned([stream], version5=True)
    assert [m[0] for m in whole.messages] == ["a/b", "a/c", "a"]
    for place in range(len(stream)):
        assert scanned([stream[:place], stream[place:]], version5=True) == whole
    assert scanned([stream[n : n + 1] for n in range(len(stream))], version5=True) == whole


def test_an_alias_stands_for_the_topic_it_was_given_with() -> None:
    stream = publish(b"hall/press", b"1", properties=b"\x23\x00\x05") + publish(b"", b"2", properties=b"\x23\x00\x05")
    assert [m[:2] for m in scanned([stream], version5=True).messages] == [("hall/press", b"1"), ("hall/press", b"2")]
    unknown = publish(b"", b"2", properties=b"\x23\x00\x06")
    assert scanned([unknown], version5=True) == Heard([], unknown), "what cannot be resolved is left to paho"


def test_a_topic_that_is_no_utf_8_is_told_apart_and_takes_no_other_message_with_it() -> None:
    scanner = Scanner(version5=False, max_payload_bytes=LIMIT)
    odd = publish(b"\xff\xfe", b"1", qos=1, number=9, properties=None)
    scanner.feed(odd + publish(b"ok", b"2", properties=None) + odd)
    found, _ = scanner.scan()
    assert (found.topics, found.unnamed) == (["ok"], [9, 9])


@pytest.mark.parametrize("version5", [True, False], ids=["mqtt 5", "mqtt 3.1.1"])
def test_a_payload_of_a_quarter_gigabyte_is_refused_by_its_size_without_being_kept(version5: bool) -> None:
    size = 256_000_000
    head = publish(b"huge", b"", qos=1, number=11, properties=b"" if version5 else None)
    body = head[2:]
    scanner = Scanner(version5=version5, max_payload_bytes=1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scanner.feed(b"\x32" + variable(len(body) + size) + body)
    piece = bytes(1_000_000)
    for _ in range(size // len(piece)):
        assert not scanner.scan()[0]
        scanner.feed(piece)
    scanner.feed(publish(b"next", b"1", properties=b"" if version5 else None))
    found, other = scanner.scan()
    assert (found.topics, found.packet_ids[0], found.oversized, other) == (["huge", "next"], 11, {0: size}, b"")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "kilobytes"


class Broker:
    """Accepts a client, says what it is told to, and keeps what it hears."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.heard = b""

    @property
    def port(self) -> int:
        port: int = self.server.getsockname()[1]
        return port

    def accept(self) -> None:
        self.link, _ = self.server.accept()
        self.link.recv(4096)
        self.link.sendall(b"\x20\x02\x00\x00")
        self.reader = threading.Thread(target=self._listen, daemon=True)
        self.reader.start()

    def _listen(self) -> None:
        while True:
            try:
                heard = self.link.recv(65536)
            except OSError:
                return
            if not heard:
                return
            self.heard += heard

    def close(self) -> None:
        self.link.close()
        self.server.close()
        self.reader.join(60)


def test_acknowledgements_of_many_messages_leave_in_one_piece_and_in_order() -> None:
    broker, got = Broker(), list[MqttMessage]()
    endpoint = MqttEndpoint("127.0.0.1", broker.port, "reader", "3.1.1")
    connection = MqttConnection(endpoint, lambda m: got.append(m) or True)  # type: ignore[func-returns-value]
    connection.start()
    broker.accept()
    broker.link.sendall(b"".join(publish(b"t", b"%d" % n, qos=1, number=n, properties=None) for n in range(1, 3001)))
    until(lambda: len(got) == 3000, 10)
    connection.acknowledge([m.token for m in got])
    until(lambda: len(broker.heard) >= 12_000, 10)
    assert broker.heard == b"".join(b"\x40\x02" + n.to_bytes(2, "big") for n in range(1, 3001))
    connection.stop()
    broker.close()


def test_a_broker_whose_messages_wait_for_room_is_not_taken_for_dead() -> None:
    broker, room, got = Broker(), threading.Event(), list[str]()

    def take(found: Published, _connection: int) -> bool:
        if room.is_set():
            got.extend(found.topics)
        return room.is_set()

    endpoint = MqttEndpoint("127.0.0.1", broker.port, "reader", "3.1.1", keepalive_seconds=1)
    states: list[str] = []
    connection = MqttConnection(endpoint, None, lambda state, *_: states.append(state), on_batch=take)
    connection.start()
    broker.accept()
    broker.link.sendall(publish(b"t", b"1", properties=None) * 1000)
    until(lambda: broker.heard.count(b"\xc0\x00") >= 3, 15)
    room.set()
    until(lambda: len(got) == 1000, 10)
    assert states == ["connected"]
    connection.stop()
    broker.close()
