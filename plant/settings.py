"""What ``site.toml`` may say, as types: unknown keys are refused, each error names its key."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from plant.settings_alarms import AlarmSettings
from plant.settings_calendars import CalendarSettings
from plant.settings_charts import ChartSettings
from plant.settings_condition import ConditionWatchSettings
from plant.settings_delivery import DeliverySettings
from plant.settings_events import EventSettings
from plant.settings_joints import JointGroupSettings
from plant.settings_notices import MailSettings, NoticeSettings, ReceiverSettings
from plant.settings_opcua import OpcUaAddress, OpcUaSecurity
from plant.settings_optimizer import OptimizerSettings
from plant.settings_reports import ReportSettings
from plant.settings_states import ReasonSettings, StateSettings
from plant.settings_vision import CameraSettings, StationSettings, VisionSettings
from plant.signals import DataType, StoreRule
from plant.strict import Strict as _Strict
from plant.strict import segment as _segment
from plant.strict import zone as _zone


class SiteSettings(_Strict):
    """The factory itself."""

    enterprise: Annotated[str, Field(description="first segment of every equipment path")]
    id: Annotated[str, Field(description="second segment of every equipment path")]
    name: str = ""
    time_zone: Annotated[str, Field(description="IANA name of the plant's time zone, for display and shifts only")] = "UTC"

    _segments = field_validator("enterprise", "id")(_segment)

    _known_zone = field_validator("time_zone")(_zone)


class EquipmentSettings(_Strict):
    """One node, or many by ``{1..20}`` ranges in the path."""

    path: Annotated[str, Field(description="path below the site: area/work-center/work-unit, with {1..20} or {a,b} for many")]
    name: Annotated[str, Field(description="shown name; {path} and {unit} are replaced")] = ""
    kind: Annotated[str, Field(description="what it is, e.g. welding_robot")] = ""


class RangeSettings(_Strict):
    """A closed interval."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> RangeSettings:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        return self


class LimitSettings(_Strict):
    """Where a value stops being normal; must rise from low_low to high_high."""

    low_low: float | None = None
    low: float | None = None
    high: float | None = None
    high_high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> LimitSettings:
        given = [v for v in (self.low_low, self.low, self.high, self.high_high) if v is not None]
        if given != sorted(set(given)):
            raise ValueError("limits must rise: low_low < low < high < high_high")
        return self


class SignalSettings(_Strict):
    """One rule that gives signals to all equipment that fits its glob."""

    equipment: Annotated[str, Field(description="glob over equipment paths below the site; * stays within a segment, ** does not")]
    name: Annotated[str, Field(description="signal name, with {1..6} or {x,y,z} for many")]
    source: Annotated[str, Field(description="id of the source that is read")]
    address: Annotated[str, Field(description="how the source names it; {equipment}, {unit}, {signal}, {site}, {enterprise} are replaced")]
    data_type: DataType = DataType.DOUBLE
    unit: Annotated[str, Field(description="UCUM code, empty for counts and text")] = ""
    range: RangeSettings | None = None
    limits: LimitSettings = LimitSettings()
    sampling_interval_ms: Annotated[float | None, Field(gt=0, le=86_400_000, description="the source's interval where not given")] = None
    store: StoreRule = StoreRule.NEW_SOURCE_TIME
    deadband: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False, description="changes up to this, in the unit, are counted as filtered"),
    ] = None
    deadband_percent: Annotated[float | None, Field(ge=0, le=100, description="the same in percent of 'range'")] = None
    description: str = ""

    @model_validator(mode="after")
    def _one_deadband(self) -> SignalSettings:
        given = self.deadband is not None, self.deadband_percent is not None
        if all(given):
            raise ValueError("give 'deadband' or 'deadband_percent', not both")
        if given[1] and self.range is None:
            raise ValueError("'deadband_percent' is a share of 'range': give the signal a range")
        if any(given) and self.data_type.is_text:
            raise ValueError('a text has no deadband: use store = "on_change"')
        return self


class SourceBase(_Strict):
    """What every kind of source may say."""

    process: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="name of the reader process; sources that give the same name share one"),
    ] = None


class OpcUaSourceSettings(SourceBase):
    """An OPC UA server that is read cyclically, or that sends by subscription where cyclic reading is not wanted."""

    protocol: Literal["opcua"]
    id: str
    url: OpcUaAddress
    interval_ms: Annotated[
        float, Field(gt=0, le=3_600_000, description="one batched Read of all signals, or one sample of the server's, each so many ms")
    ] = 30.0
    read: Annotated[
        Literal["cyclic", "subscription", "events"],
        Field(description="we ask at each tick, the server samples and sends, or it is its events (alarms and conditions) that are read"),
    ] = "cyclic"
    read_events: Annotated[bool, Field(description="read its events too, as a source of their own: id-events")] = False
    events: Annotated[EventSettings, Field(description="which events, and whose they are")] = EventSettings()
    publishing_interval_ms: Annotated[float, Field(ge=5, le=60_000, description="how often the server sends, for subscriptions")] = 250.0
    outage_seconds: Annotated[
        float, Field(ge=0, le=3600, description="for so long the server keeps values of a subscription while we are away")
    ] = 10.0
    security: OpcUaSecurity = OpcUaSecurity()
    allow_insecure: Annotated[bool, Field(description="must be true for security policy None; shown on the dashboard")] = False
    username: str | None = None
    password_file: Annotated[str | None, Field(description="file that holds the password, readable by its owner only")] = None
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 4.0
    max_nodes_per_read: Annotated[
        int | None, Field(ge=1, description="below the server's own limit, for servers that promise too much")
    ] = None
    profile: Annotated[
        Literal[
            "siemens-s7-1500",
            "br-automation",
            "omron-nj-nx",
            "phoenix-plcnext",
            "schneider-m580",
            "ge-rx3i",
            "beckhoff-twincat",
            "codesys",
            "rockwell-kepware",
        ]
        | None,
        Field(description="kind of controller, for bounds that it does not announce; else found by what the server says of itself"),
    ] = None

    _id = field_validator("id")(_segment)

    @property
    def tells_events(self) -> bool:
        """Whether its events are read, and no signals."""
        return self.read == "events"

    @model_validator(mode="after")
    def _insecure_by_name(self) -> OpcUaSourceSettings:
        if self.read == "events" and self.read_events:
            raise ValueError("read = \"events\" reads events already: leave out 'read_events'")
        if self.security.policy == "None" and not self.allow_insecure:
            raise ValueError("security policy None needs 'allow_insecure = true'")
        if self.security.policy == "None" and self.username is not None:
            raise ValueError("a password is not sent over security policy None: give the connection a policy, or take out 'username'")
        return self


class MqttTopicSettings(_Strict):
    """Which topics to subscribe to, and what their payloads look like.

    ``value``: one number or text a message; the signal's address is the topic. ``object``: a JSON object; the address is
    ``topic#key`` (nested keys by dots). ``samples``: a JSON array of objects with name, time and value; the address is
    ``topic#name``. ``float32``: little-endian float32 numbers; the address is ``topic#position``. ``array``: a JSON or MessagePack
    object with arrays of numbers, the time of the first and the time from one to the next; the address is ``topic#key``, or
    ``topic`` for the array under value_key, which may also be the whole payload.
    """

    filter: Annotated[str, Field(description="MQTT topic filter, + and # allowed")]
    payload: Literal["value", "object", "samples", "float32", "array"] = "value"
    qos: Literal[0, 1] = 1
    time_key: Annotated[str, Field(description="key of the time: ISO 8601, or a number since 1970 by time_unit")] = "time"
    time_unit: Literal["s", "ms", "us", "ns"] = "ms"
    value_key: str = "value"
    name_key: str = "name"
    sequence_key: Annotated[str, Field(description="key of a number that rises by one a message; makes loss and doubles countable")] = "seq"
    interval_key: Annotated[str, Field(description="of an array: key of the time from one value to the next, by time_unit")] = "dt"
    interval_ms: Annotated[float | None, Field(gt=0, le=86_400_000, description="of an array: the same where payloads do not say it")] = (
        None
    )

    @field_validator("filter")
    @classmethod
    def _legal_filter(cls, value: str) -> str:
        parts = value.split("/")
        if (
            not value
            or "\0" in value
            or any(("+" in p and p != "+") or ("#" in p and (p != "#" or i != len(parts) - 1)) for i, p in enumerate(parts))
        ):
            raise ValueError(f"'{value}' is no MQTT topic filter: '+' stands alone in a level, '#' alone in the last one")
        return value


class MqttSourceSettings(SourceBase):
    """An MQTT broker that is subscribed to."""

    protocol: Literal["mqtt"]
    id: str
    url: Annotated[str, Field(pattern=r"^mqtts?://", description="mqtt://host:port, or mqtts:// with TLS")]
    version: Literal["5", "3.1.1"] = "5"
    topics: Annotated[tuple[MqttTopicSettings, ...], Field(min_length=1)]
    client_id: Annotated[
        str | None, Field(description="fixed, so that the broker keeps the session; made from site and source where not given")
    ] = None
    username: str | None = None
    password_file: str | None = None
    allow_anonymous: Annotated[bool, Field(description="must be true to connect without a user; shown on the dashboard")] = False
    ca_file: Annotated[str | None, Field(description="certificate authority of the broker, for mqtts://")] = None
    keepalive_seconds: Annotated[int, Field(ge=2, le=600)] = 5
    max_payload_bytes: Annotated[int, Field(ge=1024, le=256_000_000)] = 1_000_000
    interval_ms: Annotated[
        float | None, Field(gt=0, description="how often values are wanted, for display; MQTT sources send by themselves")
    ] = None
    processes: Annotated[
        int, Field(ge=1, le=64, description="reader processes that divide the topics; each is a source of its own: id-1, id-2, ...")
    ] = 1
    share: Annotated[
        str | None,
        Field(
            pattern=r"^[^/+#\s]{1,60}$",
            description="name of a shared subscription: the broker spreads the messages of each topic over all who subscribe by it; "
            "what is missing is unknown then",
        ),
    ] = None

    _id = field_validator("id")(_segment)

    @model_validator(mode="after")
    def _anonymous_by_name(self) -> MqttSourceSettings:
        if self.username is None and not self.allow_anonymous:
            raise ValueError("give 'username' and 'password_file', or say 'allow_anonymous = true'")
        return self


SPARKPLUG_ADDRESS = re.compile(r"[^/:+#]+/[^/:+#]+(/[^/:+#]+)?:.+", re.DOTALL)


class SparkplugSourceSettings(SourceBase):
    """A broker on which edge nodes speak Sparkplug B; Leadhand is their host application.

    The address of a signal is ``group/edge_node:metric`` or ``group/edge_node/device:metric``; ``metric[3]`` is one element of an array.
    """

    protocol: Literal["sparkplug"]
    id: str
    url: Annotated[str, Field(pattern=r"^mqtts?://", description="mqtt://host:port, or mqtts:// with TLS")]
    version: Literal["5", "3.1.1"] = "5"
    host_id: Annotated[
        str,
        Field(pattern=r"^[^+#/]+$", description="who we are in spBv1.0/STATE/host_id; the edge nodes' primary host, where they have one"),
    ] = "leadhand"
    specification: Annotated[
        Literal["3.0", "2.2"], Field(description="2.2 for edge nodes that look for our state in STATE/host_id, as ONLINE or OFFLINE")
    ] = "3.0"
    groups: Annotated[tuple[str, ...], Field(description="group ids to listen to; those of the signals where not given")] = ()
    reorder_seconds: Annotated[float, Field(ge=0, le=600, description="how long a message missing in the sequence may still come")] = 2.0
    rebirth_seconds: Annotated[
        float, Field(ge=1, le=86_400, description="an edge node is asked for its births at most once in so many seconds")
    ] = 10.0
    client_id: Annotated[str | None, Field(description="made from site and source where not given")] = None
    username: str | None = None
    password_file: str | None = None
    allow_anonymous: Annotated[bool, Field(description="must be true to connect without a user; shown on the dashboard")] = False
    ca_file: Annotated[str | None, Field(description="certificate authority of the broker, for mqtts://")] = None
    keepalive_seconds: Annotated[int, Field(ge=2, le=600)] = 5
    max_payload_bytes: Annotated[int, Field(ge=1024, le=256_000_000)] = 1_000_000
    interval_ms: Annotated[
        float | None, Field(gt=0, description="how often values are wanted, for display; edge nodes send when values change")
    ] = None

    _id = field_validator("id")(_segment)

    @field_validator("groups")
    @classmethod
    def _legal_groups(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [group for group in groups if not group or set(group) & set("+#/")]
        if wrong:
            raise ValueError(f"'{wrong[0]}' is no group id: it is not empty and holds none of '+', '#' and '/'")
        return groups

    @model_validator(mode="after")
    def _anonymous_by_name(self) -> SparkplugSourceSettings:
        if self.username is None and not self.allow_anonymous:
            raise ValueError("give 'username' and 'password_file', or say 'allow_anonymous = true'")
        return self


def _open_protocol_address(url: str) -> str:
    if not re.match(r"op://([^/:\s\[\]]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?/?$", url):
        raise ValueError("write op://host or op://host:port (4545 where not given)")
    return url


class OpenProtocolSourceSettings(SourceBase):
    """A controller of tightening tools (Atlas Copco and others) that reports each tightening over Open Protocol."""

    protocol: Literal["open_protocol"]
    id: str
    url: Annotated[str, AfterValidator(_open_protocol_address), Field(description="op://host:port")]
    equipment: Annotated[str, Field(description="path below the site of the station whose bolts it tightens")]
    station: Annotated[int, Field(ge=0, le=99, description="station of the controller that is subscribed to; 0 leaves it blank")] = 0
    spindles: Annotated[
        tuple[Annotated[int, Field(ge=1, le=99)], ...],
        Field(description="spindles that are subscribed to one by one; empty: the controller sends those of all"),
    ] = ()
    results: Annotated[
        Literal["single", "multi_spindle"],
        Field(description="single: MID 0061, each with an id; multi_spindle: MID 0101, all spindles that tightened at once"),
    ] = "single"
    revision: Annotated[
        Literal[1, 2, 3, 4, 5, 6, 7, 998, 999] | None,
        Field(description="of MID 0061; the best that the controller has where not given. 998 tells of stages, 999 is the light one"),
    ] = None
    numbering: Annotated[
        Literal["each", "shared"],
        Field(description="each: ids rise by one on this connection, a missing one is a lost result; shared: other stations take ids too"),
    ] = "each"
    curves: Annotated[bool, Field(description="subscribe to the curves of torque and angle (MID 0900)")] = True
    alarms: Annotated[bool, Field(description="subscribe to the controller's alarms, which are shown with the source")] = True
    time_zone: Annotated[str | None, Field(description="IANA name of the controller's time zone; the site's where not given")] = None
    keepalive_seconds: Annotated[float, Field(gt=0, le=10)] = 5.0
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 3.0
    allow_insecure: Annotated[
        bool, Field(description="must be true: Open Protocol knows neither passwords nor encryption; shown on the dashboard")
    ] = False

    _id = field_validator("id")(_segment)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return None if value is None else _zone(value)

    @model_validator(mode="after")
    def _insecure_by_name(self) -> OpenProtocolSourceSettings:
        if not self.allow_insecure:
            raise ValueError("Open Protocol has neither passwords nor encryption: say 'allow_insecure = true', and keep its network apart")
        return self

    @property
    def interval_ms(self) -> float | None:
        """Results come when a tightening ends, in no interval."""
        return None


SourceSettings = Annotated[
    OpcUaSourceSettings | MqttSourceSettings | SparkplugSourceSettings | OpenProtocolSourceSettings, Field(discriminator="protocol")
]


class IngestSettings(_Strict):
    """How a gateway that reads this site ships what it read."""

    return_interval_ms: Annotated[
        float,
        Field(ge=250, le=86_400_000, description="time between two shipments of raw samples; newest values travel ahead each second"),
    ] = 500.0
    when_spool_full: Annotated[
        Literal["refuse_newest", "drop_oldest"],
        Field(description="which samples become a gap when the spool holds its quota: the new ones, or the oldest of those that wait"),
    ] = "refuse_newest"
    gateway: Annotated[str, Field(description="name of the gateway on the sources page; the machine's where not given")] = ""


class SiteFile(_Strict):
    """All that one settings file may hold; included files hold the same, without ``site`` and ``ingest``."""

    include: Annotated[tuple[str, ...], Field(description="globs of further files, relative to this one")] = ()
    site: SiteSettings | None = None
    ingest: IngestSettings | None = None
    equipment: tuple[EquipmentSettings, ...] = ()
    sources: tuple[SourceSettings, ...] = ()
    signals: tuple[SignalSettings, ...] = ()
    alarms: tuple[AlarmSettings, ...] = ()
    alarm_table: Annotated[
        str | None,
        Field(description="CSV file of alarms, relative to this one, that win over limits and rules; 'leadhand alarms import' writes it"),
    ] = None
    calendars: tuple[CalendarSettings, ...] = ()
    charts: tuple[ChartSettings, ...] = ()
    condition: tuple[ConditionWatchSettings, ...] = ()
    joint_groups: tuple[JointGroupSettings, ...] = ()
    reasons: tuple[ReasonSettings, ...] = ()
    states: tuple[StateSettings, ...] = ()
    mail: MailSettings | None = None
    receivers: tuple[ReceiverSettings, ...] = ()
    notices: tuple[NoticeSettings, ...] = ()
    reports: ReportSettings | None = None
    optimizer: OptimizerSettings | None = None
    delivery: DeliverySettings | None = None
    vision: VisionSettings | None = None
    cameras: tuple[CameraSettings, ...] = ()
    stations: tuple[StationSettings, ...] = ()
