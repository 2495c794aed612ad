"""Plays a recording through a real OPC UA server or as MQTT messages."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson

from plant.clock import Clock
from plant.errors import SettingsError
from simulators.mqtt_publisher import Broker, Publisher
from simulators.opcua_server import Protection, SimulatedServer
from simulators.recording import Recording
from simulators.rows import RowFeed, Timing
from simulators.site_file import MqttPlace, OpcUaPlace, replay_site

NAMESPACE = "urn:leadhand:recording"
UNIT = ("recorded", "line", "machine")
"""Area, work center and work unit of the one machine that a recording stands for."""
TOPIC = "replay/recording/" + "/".join(UNIT)

PayloadForm = Literal["object", "value", "samples", "float32"]
Announce = Callable[[dict[str, Any]], None]
_LAST_ACKNOWLEDGEMENT_SECONDS = 5.0
_LAST_LOOK_SECONDS = 0.5
"""How long the last row still stands after it was taken, so that a reader's next tick is answered too."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What is played and how."""

    recording: Recording
    timing: Timing
    site_out: Path
    lossless: bool = True
    once: bool = False


async def replay_opcua(
    replay: Replay,
    clock: Clock,
    host: str,
    port: int,
    protection: Protection,
    password_file: Path | None,
    announce: Announce,
    stop: asyncio.Event,
) -> None:
    """Serve the rows over OPC UA until the last one was taken (``once``) or until stopped."""
    feed = RowFeed(replay.recording, UNIT, replay.timing, lossless=replay.lossless, once=replay.once)
    server = SimulatedServer(feed, clock, namespace=NAMESPACE, name="Leadhand recording", host=host, port=port, protection=protection)
    await server.start()
    try:
        place = OpcUaPlace(server.url, protection.certificate, next(iter(protection.users), None), password_file)
        replay_site(replay.site_out, replay.recording, UNIT, place, NAMESPACE, replay.timing)
        announce({"url": server.url, "port": server.port, **_facts(replay)})
        while not stop.is_set() and not feed.finished:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.02)
            if replay.once and not replay.lossless:
                feed.read(clock.now_us(), "clock", frozenset())
        if feed.finished:
            await asyncio.sleep(_LAST_LOOK_SECONDS)
    finally:
        await server.stop()


def replay_mqtt(
    replay: Replay,
    clock: Clock,
    broker: Broker,
    form: PayloadForm,
    version: str,
    mqtt_place: MqttPlace,
    announce: Announce,
    stop: threading.Event,
) -> None:
    """Send the rows as MQTT messages; each waits for its acknowledgement. Raises SettingsError when the form can't carry the recording."""
    encode = _encoder(replay.recording, form)
    publisher = Publisher(broker, f"leadhand-replay-{clock.now_us()}", version=version)
    publisher.start()
    try:
        publisher.wait_connected(10.0)
        replay_site(replay.site_out, replay.recording, UNIT, mqtt_place, TOPIC, replay.timing)
        announce({"url": broker.url, "topic": TOPIC, **_facts(replay)})
        started = clock.monotonic()
        row = 0
        while not stop.is_set() and not (replay.once and row >= len(replay.recording)):
            if stop.wait(max(0.0, started + row * replay.timing.interval_us / 1e6 - clock.monotonic())):
                break
            for topic, payload in encode(row, replay.timing.row_us(row)):
                if replay.lossless:
                    publisher.deliver(topic, payload, stop)
                else:
                    publisher.send(topic, payload)
            row += 1
        if not replay.lossless:
            publisher.flush(_LAST_ACKNOWLEDGEMENT_SECONDS)
    finally:
        publisher.stop()


def _facts(replay: Replay) -> dict[str, Any]:
    return {
        "rows": len(replay.recording),
        "signals": len(replay.recording.names),
        "start_us": replay.timing.start_us,
        "interval_us": replay.timing.interval_us,
        "lossless": replay.lossless,
        "skipped": list(replay.recording.skipped),
    }


def _encoder(recording: Recording, form: PayloadForm) -> Callable[[int, int], Iterator[tuple[str, bytes]]]:
    """Return what makes the messages of a row; refuses at once a recording that the form can't carry exactly."""
    if form == "float32":
        return _float32_encoder(recording)
    if not recording.is_finite:
        raise SettingsError("the recording holds numbers that are infinite or not a number, which JSON cannot carry: use --via opcua")

    def cells(row: int) -> list[tuple[str, float | str | None]]:
        at = row % len(recording)
        texts = iter(recording.text[at])
        return [
            (name, next(texts) if text else None if empty else number)
            for name, text, number, empty in zip(
                recording.names, recording.is_text, recording.number[at].tolist(), recording.empty[at].tolist(), strict=True
            )
        ]

    def as_object(row: int, time_us: int) -> Iterator[tuple[str, bytes]]:
        yield TOPIC, orjson.dumps({"time": time_us, "seq": row, **dict(cells(row))})

    def as_values(row: int, time_us: int) -> Iterator[tuple[str, bytes]]:
        for name, value in cells(row):
            yield f"{TOPIC}/{name}", orjson.dumps({"time": time_us, "seq": row, "value": value})

    def as_samples(row: int, time_us: int) -> Iterator[tuple[str, bytes]]:
        yield TOPIC, orjson.dumps([{"name": name, "time": time_us, "seq": row, "value": value} for name, value in cells(row)])

    reserved = {"time", "seq"} & set(recording.names)
    if form == "object" and reserved:
        raise SettingsError(
            f"the recording has a column '{min(reserved)}', which the payload form 'object' needs for itself: use --payload samples"
        )
    return {"object": as_object, "value": as_values, "samples": as_samples}[form]


def _float32_encoder(recording: Recording) -> Callable[[int, int], Iterator[tuple[str, bytes]]]:
    if any(recording.is_text):
        column = recording.columns[recording.is_text.index(True)]
        raise SettingsError(f"column '{column}' is text, which float32 cannot carry: use --payload object")
    if recording.empty.any():
        raise SettingsError("the recording has empty cells, which float32 cannot carry: use --payload object")
    short = recording.number.astype("<f4")
    inexact = ~((short.astype(np.float64) == recording.number) | np.isnan(recording.number)).all(axis=0)
    if inexact.any():
        column = recording.columns[int(inexact.argmax())]
        raise SettingsError(f"column '{column}' holds numbers that float32 cannot carry exactly: use --payload object")

    def as_float32(row: int, _time_us: int) -> Iterator[tuple[str, bytes]]:
        yield TOPIC, short[row % len(recording)].tobytes()

    return as_float32
