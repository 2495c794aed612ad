from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from plant.errors import Rejected, SettingsError, Unavailable
from protocols.mqtt_broker import EmbeddedBroker
from protocols.mqtt_client import AckToken, MqttConnection, MqttEndpoint, MqttMessage, MqttState, topic_matches
from protocols.mqtt_link import Link
from tests.ingest.parts import Mosquitto, answers, until
from tests.ports import free_port

Version = Literal["5", "3.1.1"]
BrokerKind = tuple[Literal["mosquitto", "iotcore"], Version]
KINDS: list[BrokerKind] = [("mosquitto", "5"), ("mosquitto", "3.1.1"), ("iotcore", "5"), ("iotcore", "3.1.1")]


class Inbox:
    """Takes messages; ``full`` makes it refuse them."""

    def __init__(self) -> None:
        self.messages: list[MqttMessage] = []
        self.states: list[tuple[MqttState, str, bool]] = []
        self.full = False

    def take(self, message: MqttMessage) -> bool:
        if self.full:
            return False
        self.messages.append(message)
        return True

    def state(self, state: MqttState, detail: str, session_kept: bool) -> None:
        self.states.append((state, detail, session_kept))

    def of(self, topic: str) -> list[MqttMessage]:
        """Late echoes of probes come between."""
        return [message for message in self.messages if message.topic == topic]

    @property
    def tokens(self) -> list[AckToken]:
        return [message.token for message in self.messages]


@pytest.fixture(params=KINDS, ids="-".join)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, Version]]:
    name, version = request.param
    if name == "mosquitto":
        mosquitto = Mosquitto(tmp_path)
        yield mosquitto.start(), version
        mosquitto.stop()
        return
    embedded = EmbeddedBroker(tmp_path / "broker")
    embedded.start()
    yield embedded.port if version == "5" else embedded.port_v311, version
    embedded.stop()


Opener = Callable[..., tuple[MqttConnection, Inbox]]


@pytest.fixture
def opener(broker: tuple[int, Version]) -> Iterator[Opener]:
    opened: list[MqttConnection] = []

    def open_one(
        client: str = "reader", *filters: tuple[str, int], session_seconds: int = 3600, keepalive: int = 5
    ) -> tuple[MqttConnection, Inbox]:
        inbox = Inbox()
        endpoint = MqttEndpoint("127.0.0.1", broker[0], client, broker[1], session_seconds=session_seconds, keepalive_seconds=keepalive)
        connection = MqttConnection(endpoint, inbox.take, inbox.state)
        connection.subscribe(filters)
        connection.start()
        connection.wait_connected(60)
        opened.append(connection)
        return connection, inbox

    yield open_one
    for connection in opened:
        connection.stop()


def settled(connection: MqttConnection, inbox: Inbox) -> None:
    """Wait until the subscription is in force: messages to oneself come back, down to the last, and are acknowledged."""
    sent = itertools.count()
    last = b""

    def echoed() -> bool:
        nonlocal last
        last = b"%d" % next(sent)
        connection.publish("probe/x", last, 1, 60)
        return bool(inbox.of("probe/x"))

    until(echoed, 10, 0.05)
    # one that came later, unacknowledged, would be in front of all that a test sends
    until(lambda: any(message.payload == last for message in inbox.of("probe/x")), 10)
    connection.acknowledge(inbox.tokens)
    inbox.messages.clear()


def test_messages_come_whole_and_in_order(opener: Opener) -> None:
    connection, inbox = opener("reader", ("a/+/c", 1), ("probe/#", 1))
    settled(connection, inbox)
    sender, _ = opener("sender", session_seconds=0)
    payloads = [b"%d" % n + bytes(range(256)) for n in range(40)]
    for payload in payloads:
        sender.publish("a/b/c", payload)
    sender.flush(60)
    until(lambda: len(inbox.of("a/b/c")) >= 20, 10)
    done = 0
    while len(inbox.of("a/b/c")) < 40:
        seen = len(inbox.tokens)
        connection.acknowledge(inbox.tokens[done:seen])
        done = seen
        until(lambda: len(inbox.tokens) > done, 10)  # noqa: B023
    assert [m.payload for m in inbox.of("a/b/c")] == payloads


def test_each_message_comes_with_its_own_topic_also_under_wildcards(opener: Opener) -> None:
    connection, inbox = opener("reader", ("a/+/c", 1), ("probe/#", 1))
    settled(connection, inbox)
    sender, _ = opener("sender", session_seconds=0)
    for n in range(12):
        sender.publish(f"a/{n % 3}/c", b"%d" % (n % 3))
    sender.flush(60)
    until(lambda: len(inbox.messages) >= 12, 10)
    assert all(message.topic == f"a/{message.payload.decode()}/c" for message in inbox.messages)


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(opener: Opener) -> None:
    connection, inbox = opener("reader", ("t", 1), ("probe/#", 1))
    settled(connection, inbox)
    sender, _ = opener("sender", session_seconds=0)
    for n in range(6):
        sender.publish("t", b"%d" % n, 1, 60)
    until(lambda: len(inbox.of("t")) == 6, 10)
    first = inbox.of("t")
    connection.acknowledge([m.token for m in first[:3]])
    # the acknowledgements are behind this in the stream, and the answer is in front of what we wait for
    connection.publish("probe/x", b"", 1, 60)
    connection.stop()

    _again, second = opener("reader", ("t", 1))

    until(lambda: len(second.of("t")) >= 3, 10)
    assert [m.payload for m in second.of("t")] == [b"3", b"4", b"5"]
    assert second.states[0] == (MqttState.CONNECTED, "", True)


def test_a_link_that_breaks_while_a_message_is_written_neither_fails_nor_counts_it_as_unsent(opener: Opener) -> None:
    reader, inbox = opener("reader", ("broken/#", 1), ("probe/#", 1))
    settled(reader, inbox)
    sender, _ = opener("sender", session_seconds=0)
    for n in range(2):
        until(lambda: sender.connected, 10)
        link = sender._client.socket()
        assert isinstance(link, Link)
        link.shutdown(socket.SHUT_WR)
        sender.publish("broken/x", b"%d" % n)
        until(lambda: sender.unacknowledged == 0, 20)
    until(lambda: len({m.payload for m in inbox.of("broken/x")}) == 2, 10)


def test_a_full_reader_gets_everything_once_it_has_room(opener: Opener) -> None:
    connection, inbox = opener("reader", ("t", 1), ("probe/#", 1), keepalive=2)
    settled(connection, inbox)
    inbox.full = True
    sender, _ = opener("sender", session_seconds=0)
    for n in range(5):
        sender.publish("t", b"%d" % n, 1, 60)
    threading.Event().wait(0.3)
    assert inbox.messages == []
    inbox.full = False
    until(lambda: {m.payload for m in inbox.of("t")} == {b"0", b"1", b"2", b"3", b"4"}, 20)


def test_an_exception_in_the_reader_does_not_end_the_connection(opener: Opener) -> None:
    connection, inbox = opener("reader", ("t", 1), ("probe/#", 1))
    settled(connection, inbox)
    seen: list[bytes] = []

    def explode(message: MqttMessage) -> bool:
        seen.extend([message.payload] if message.topic == "t" else [])
        raise ValueError("poison")

    connection._take = explode
    sender, _ = opener("sender", session_seconds=0)
    for n in range(3):
        sender.publish("t", b"%d" % n, 1, 60)
    until(lambda: len(seen) == 3, 10)
    assert connection.connected


def test_old_tokens_acknowledge_nothing_on_a_new_connection(opener: Opener) -> None:
    connection, inbox = opener("reader", ("t", 1), ("probe/#", 1))
    settled(connection, inbox)
    sender, _ = opener("sender", session_seconds=0)
    sender.publish("t", b"x", 1, 60)
    until(lambda: len(inbox.of("t")) == 1, 10)
    connection.reconnect()
    until(lambda: len(inbox.of("t")) == 2, 15)
    connection.acknowledge([m.token for m in inbox.of("t")[:1]])
    connection.reconnect()
    until(lambda: len(inbox.of("t")) == 3, 15)
    assert {m.payload for m in inbox.of("t")} == {b"x"}


def test_a_broker_that_is_not_there_is_unavailable() -> None:
    inbox = Inbox()
    connection = MqttConnection(MqttEndpoint("127.0.0.1", free_port(), "reader"), inbox.take, inbox.state)
    connection.start()
    with pytest.raises(Unavailable, match="no MQTT connection"):
        connection.wait_connected(0.5)
    assert inbox.states
    assert inbox.states[0][0] is MqttState.AWAY
    with pytest.raises(Unavailable):
        connection.publish("t", b"x", 1, 0.2)
    with pytest.raises(Rejected, match="cannot carry"):
        connection.publish("a/#", b"x", 1, 0.2)
    connection.stop()


def test_a_broker_that_never_answers_does_not_hang_us() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connection = MqttConnection(MqttEndpoint("127.0.0.1", silent.getsockname()[1], "reader", keepalive_seconds=2))
        connection.start()
        with pytest.raises(Unavailable):
            connection.wait_connected(1)
        connection.stop()
        assert not connection._thread.is_alive()


def test_an_unusable_ca_file_is_rejected_by_name(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"nowhere\.pem"):
        MqttConnection(MqttEndpoint("127.0.0.1", 8883, "reader", tls=True, ca_file=tmp_path / "nowhere.pem"))


@pytest.mark.parametrize(
    ("wanted", "topic", "fits"),
    [("a/+/c", "a/b/c", True), ("a/#", "a", True), ("a/#", "a/b/c", True), ("a/+", "a/b/c", False), ("#", "$SYS/x", False)],
)
def test_topics_fit_filters(wanted: str, topic: str, fits: bool) -> None:
    assert topic_matches(wanted, topic) is fits


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_embedded_broker_lets_in_its_users_only(tmp_path: Path, version: Version) -> None:
    broker = EmbeddedBroker(tmp_path, users={"leadhand": "Secret_1"})
    broker.start()
    port = broker.port if version == "5" else broker.port_v311
    try:
        for user, password, allowed in (("leadhand", "Secret_1", True), ("leadhand", "wrong", False), (None, None, False)):
            connection = MqttConnection(MqttEndpoint("127.0.0.1", port, "reader", version, username=user, password=password))
            connection.start()
            if allowed:
                connection.wait_connected(60)
            else:
                with pytest.raises(Unavailable):
                    connection.wait_connected(0.8)
            connection.stop()
    finally:
        broker.stop()


def test_the_embedded_broker_keeps_its_secrets_private_and_frees_its_ports(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, users={"leadhand": "Secret_1"})
    port = broker.start()
    assert broker.start() == port
    assert (tmp_path / "broker.toml").stat().st_mode & 0o777 == 0o600
    assert "0.0.0.0" not in (tmp_path / "broker.toml").read_text()  # noqa: S104
    broker.stop()
    broker.stop()
    assert broker.pid is None
    assert not answers(port)
    assert broker.start() == port
    broker.stop()


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unavailable, match="taken by another program"):
            EmbeddedBroker(tmp_path, port=taken.getsockname()[1]).start()


def test_a_user_that_would_break_the_settings_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="broker user"):
        EmbeddedBroker(tmp_path, users={'x"\n[evil]': "y"})
