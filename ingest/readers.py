"""What reads one source, made of its settings: the same in the process that holds the spool and in a reader process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from ingest.endpoints import Places, mqtt_endpoint, opcua_endpoint, open_protocol_endpoint
from ingest.event_fields import EventSource
from ingest.events import EventReader
from ingest.health import SourceHealth
from ingest.monitored import OpcUaMonitor
from ingest.sampler import OpcUaSampler
from ingest.sparkplug import HostSettings, SparkplugReader
from ingest.subscriber import MqttSubscriber
from ingest.tightening import TighteningReader
from ingest.tightening_values import ToolSource
from ingest.writer import RecordWriter
from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.events import EquipmentRule
from plant.settings import MqttSourceSettings, OpcUaSourceSettings, OpenProtocolSourceSettings, SourceSettings, SparkplugSourceSettings
from plant.signals import Signal, SourceId
from protocols.opcua_subscription import Wish
from protocols.open_protocol_results import RESULT_REVISIONS
from protocols.sparkplug_host import HostRules
from protocols.sparkplug_topics import HostState


class Reader(Protocol):
    """What reads one source."""

    health: SourceHealth

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    def stop(self) -> None:
        """Ask to end."""
        ...

    def join(self, seconds: float) -> bool:
        """Return whether it has ended within some seconds; its last record was submitted then."""
        ...


@runtime_checkable
class LeavesAfterwards(Protocol):
    """A reader that takes leave of its peer only once its last record is durable."""

    def disconnect(self) -> None:
        """Leave."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every reader is given besides its source."""

    site: EquipmentId
    writer: RecordWriter
    places: Places
    clock: Clock
    seed: int


def make_reader(settings: SourceSettings, signals: tuple[Signal, ...], around: Surroundings) -> Reader:
    """Return the reader of a source, not started. It goes on where the writer says that the source stands."""
    if isinstance(settings, OpcUaSourceSettings) and settings.tells_events:
        return _events(settings, around)
    if isinstance(settings, OpcUaSourceSettings):
        return _sampler(settings, signals, around) if settings.read == "cyclic" else _monitor(settings, signals, around)
    if isinstance(settings, SparkplugSourceSettings):
        return _sparkplug(settings, signals, around)
    if isinstance(settings, OpenProtocolSourceSettings):
        return _tightening(settings, around)
    return _subscriber(settings, signals, around)


def _sampler(settings: OpcUaSourceSettings, signals: tuple[Signal, ...], around: Surroundings) -> Reader:
    source = SourceId(settings.id)
    interval_us = round(settings.interval_ms * 1000)
    return OpcUaSampler(
        source,
        signals,
        interval_us,
        lambda: opcua_endpoint(settings, around.places, around.clock),
        around.writer,
        SourceHealth(source, interval_us, insecure=settings.security.policy == "None", now_us=around.clock.now_us()),
        around.clock,
        around.writer.state_of(source),
        seed=hash((around.seed, source)),
    )


def _tightening(settings: OpenProtocolSourceSettings, around: Surroundings) -> Reader:
    source = ToolSource(
        SourceId(settings.id),
        EquipmentId(f"{around.site}/{settings.equipment}"),
        ZoneInfo(settings.time_zone or "UTC"),
        station=settings.station,
        spindles=settings.spindles,
        multiple=settings.results == "multi_spindle",
        revisions=RESULT_REVISIONS if settings.revision is None else (settings.revision,),
        shared_numbers=settings.numbering == "shared",
        curves=settings.curves,
        alarms=settings.alarms,
    )
    return TighteningReader(
        source,
        open_protocol_endpoint(settings),
        around.writer,
        SourceHealth(source.id, None, insecure=True, now_us=around.clock.now_us()),
        around.clock,
        seed=hash((around.seed, source.id)),
    )


def _monitor(settings: OpcUaSourceSettings, signals: tuple[Signal, ...], around: Surroundings) -> Reader:
    source = SourceId(settings.id)
    interval_us = round(settings.interval_ms * 1000)
    return OpcUaMonitor(
        source,
        signals,
        Wish(settings.publishing_interval_ms, settings.interval_ms, settings.outage_seconds),
        lambda: opcua_endpoint(settings, around.places, around.clock),
        around.writer,
        SourceHealth(source, interval_us, insecure=settings.security.policy == "None", now_us=around.clock.now_us()),
        around.clock,
        around.writer.state_of(source),
        seed=hash((around.seed, source)),
    )


def _events(settings: OpcUaSourceSettings, around: Surroundings) -> Reader:
    source, wanted = SourceId(settings.id), settings.events
    return EventReader(
        EventSource(
            source,
            wanted.notifiers,
            tuple(EquipmentRule(name, EquipmentId(f"{around.site}/{below}")) for rule in wanted.equipment for name, below in rule.pairs),
            wanted.least_severity,
            wanted.conditions_only,
            wanted.queue_size,
        ),
        settings.outage_seconds,
        lambda: opcua_endpoint(settings, around.places, around.clock),
        around.writer,
        SourceHealth(source, None, insecure=settings.security.policy == "None", now_us=around.clock.now_us()),
        around.clock,
        around.writer.state_of(source),
        seed=hash((around.seed, source)),
    )


def _subscriber(settings: MqttSourceSettings, signals: tuple[Signal, ...], around: Surroundings) -> Reader:
    source = SourceId(settings.id)
    requested = None if settings.interval_ms is None else round(settings.interval_ms * 1000)
    return MqttSubscriber(
        source,
        signals,
        settings.topics,
        lambda: mqtt_endpoint(settings, around.site, around.places),
        around.writer,
        SourceHealth(source, requested, insecure=settings.username is None, now_us=around.clock.now_us()),
        around.clock,
        around.writer.state_of(source),
        share=settings.share,
    )


def _sparkplug(settings: SparkplugSourceSettings, signals: tuple[Signal, ...], around: Surroundings) -> Reader:
    source = SourceId(settings.id)
    rules = HostRules(
        reorder_us=round(settings.reorder_seconds * 1_000_000),
        rebirth_us=round(settings.rebirth_seconds * 1_000_000),
        hold_us=round(3 * settings.rebirth_seconds * 1_000_000),
        max_payload_bytes=settings.max_payload_bytes,
    )
    return SparkplugReader(
        source,
        signals,
        HostSettings(HostState(settings.host_id, settings.specification == "2.2"), settings.groups, rules),
        lambda: mqtt_endpoint(settings, around.site, around.places),
        around.writer,
        SourceHealth(source, None, insecure=settings.username is None, now_us=around.clock.now_us()),
        around.clock,
        around.writer.state_of(source),
    )
