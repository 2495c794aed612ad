"""PUBLISH and PUBACK of MQTT 5 as bytes: held against paho's own reading of them, and against bytes that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from protocols.mqtt_packets import Letter, packet_id_of, publish_packet, read_acknowledgement, read_publish

_new_properties: Callable[[int], Any] = Properties
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
TOPICS = st.text("abc/é", min_size=1, max_size=40)
LETTERS = st.builds(
    Letter,
    TOPICS,
    st.binary(max_size=300),
    response_topic=st.one_of(st.just(""), TOPICS),
    correlation=st.binary(max_size=40),
    user=st.dictionaries(TEXTS, TEXTS, max_size=3),
    content_type=st.sampled_from(["", "application/json", "text/plain"]),
    expires_seconds=st.one_of(st.none(), st.integers(1, 2**32 - 1)),
    retain=st.booleans(),
    packet_id=st.integers(0, 65_535),
)


def parts(packet: bytes) -> tuple[int, bytes]:
    """First byte, and what follows the length."""
    at = 2
    while packet[at - 1] & 128:
        at += 1
    return packet[0], packet[at:]


@given(LETTERS)
def test_a_letter_that_is_written_is_read_as_it_was(letter: Letter) -> None:
    first, body = parts(publish_packet(letter, letter.packet_id))
    assert read_publish(first, body, 0) == letter
    assert packet_id_of(first, body) == letter.packet_id


def test_paho_reads_what_we_write() -> None:
    letter = Letter("a/b", b"{}", response_topic="c", correlation=b"\1\2", user={"signature": "k.ab"}, expires_seconds=7)
    _, body = parts(publish_packet(letter, 5))
    told: Any = _new_properties(PacketTypes.PUBLISH)
    _, length = told.unpack(body[2 + 3 + 2 :])
    assert body[2 + 3 + 2 + length :] == b"{}"
    assert told.json() == {
        "PayloadFormatIndicator": 1,
        "MessageExpiryInterval": 7,
        "ContentType": "application/json",
        "ResponseTopic": "c",
        "CorrelationData": "0102",
        "UserProperty": [("signature", "k.ab")],
    }


@given(st.integers(0x30, 0x3F), st.binary(max_size=60))
def test_bytes_that_are_no_message_are_refused_and_nothing_else(first: int, body: bytes) -> None:
    for read in (lambda: read_publish(first, body, 0), lambda: read_acknowledgement(body)):
        try:
            read()
        except ValueError:
            continue
    assert 0 <= packet_id_of(first, body) <= 65_535


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "a\0"])
def test_what_is_no_topic_is_not_written(topic: str) -> None:
    with pytest.raises(ValueError, match="is no topic"):
        publish_packet(Letter(topic, b""), 1)


def test_an_acknowledgement_without_a_reason_is_success() -> None:
    assert read_acknowledgement(b"\0\5") == (5, 0)
    assert read_acknowledgement(b"\0\5\x87") == (5, 0x87)
