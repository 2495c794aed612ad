"""The reference line of an excavator factory, served over OPC UA and MQTT by one process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from plant.clock import Clock
from plant.signals import DataType
from protocols.mqtt_client import MqttEndpoint
from protocols.sparkplug_payload import Value
from simulators.faults import Fault
from simulators.feed import Scan
from simulators.fleet import Fleet, fleet_sizes
from simulators.machines.agv import AGV
from simulators.machines.booth import BOOTH
from simulators.machines.cutter import CUTTER
from simulators.machines.mill import MILL
from simulators.machines.model import MachineKind
from simulators.machines.nutrunner import NUTRUNNER
from simulators.machines.robot import ROBOT
from simulators.machines.stand import STAND
from simulators.mqtt_publisher import Broker, Publisher
from simulators.opcua_conditions import DeviceAlarm
from simulators.opcua_server import Protection, SimulatedServer
from simulators.open_protocol import Controller
from simulators.open_protocol_settings import ControllerSettings
from simulators.plant_alarms import alarms_at, changes
from simulators.plant_feed import SCAN_US, PlantFeed
from simulators.plant_site import ENTERPRISE, NAMESPACE, SITE, SPEAK_SCANS, Group, write_plant_site
from simulators.recipe_book import RecipeBook
from simulators.site_file import MqttPlace, OpcUaPlace, SparkplugPlace, ToolPlace
from simulators.sparkplug_node import DeviceMetric, EdgeNode, Speaker
from simulators.tightening import JointFault
from simulators.welded import Welded


@dataclass(frozen=True, slots=True)
class _Place:
    kind: MachineKind
    center: str
    """Area and work center."""
    unit: str
    usual: int
    source: str


_LINE = (
    _Place(CUTTER, "cutting/plate-shop", "cutter", 4, "fabrication"),
    _Place(ROBOT, "welding/boom-line", "robot", 6, "fabrication"),
    _Place(MILL, "machining/frame-line", "mill", 5, "machining"),
    _Place(NUTRUNNER, "assembly/main-line", "nutrunner", 2, "machining"),
    _Place(BOOTH, "painting/paint-shop", "booth", 2, "paint-shop"),
    _Place(AGV, "assembly/transport", "agv", 8, "shop-floor"),
    _Place(STAND, "commissioning/test-field", "stand", 4, "shop-floor"),
)
OPCUA_SOURCES = ("fabrication", "machining")
MQTT_SOURCE = "shop-floor"
TOOL_SOURCE = "bearing-tools"
SPARKPLUG_SOURCE = "paint-shop"
SPARKPLUG_NODE = f"{SITE}/{SPARKPLUG_SOURCE}"
"""Group and edge node."""

_ALARM_SECONDS = 1.0
_BOLTS = 36
"""Of a slewing bearing."""
_BEHIND_MOST = 100
"""Scans a publisher catches up with after a standstill; what is older is lost, and the sequence numbers show it."""


@dataclass(frozen=True, slots=True)
class PlantSettings:
    """What is simulated, and where it is offered."""

    seed: int
    units: int
    """How many devices in all; 0 for the usual line."""
    takt_seconds: float
    host: str
    opcua_port: int
    """Port of the first OPC UA server, the others follow; 0 for free ones."""
    site_out: Path
    spindles: int = 0
    """How many spindles tighten slewing bearings and report over Open Protocol; 0 for none."""
    alarms: bool = False
    """Whether the OPC UA servers tell alarms of their machines as events."""
    cameras: bool = False
    """Whether the settings name stations with cameras."""
    routes: str | None = None
    """Folder, relative to the settings, that an optimizer imports; None: they ask for none."""
    delivery: bool = False
    """Whether the settings name controllers that take what was approved."""
    recipes: Path | None = None
    """The book of recipes that the first robot welds by; None: it needs none."""


class Line:
    """All machines of the line: the same seed gives the same plant."""

    def __init__(self, seed: int, units: int = 0, takt_seconds: float = 60.0) -> None:
        sizes = fleet_sizes(units, [place.usual for place in _LINE])
        self.groups = tuple(
            Group(Fleet(place.kind, _paths(place, size), seed, takt_seconds), place.center, place.unit, place.source)
            for place, size in zip(_LINE, sizes, strict=True)
        )

    def of_source(self, source: str) -> list[Group]:
        """Return the groups that one source gives."""
        return [group for group in self.groups if group.source == source]

    def faults(self, from_us: int, to_us: int) -> list[Fault]:
        """Return what is wrong with which machine when, in order of time."""
        found = [fault for group in self.groups for fault in group.fleet.faults(from_us, to_us)]
        return sorted(found, key=lambda fault: (fault.from_us, fault.equipment))

    @property
    def first_robot(self) -> str:
        """Return the path of the welding robot whose recipe is fine-tuned."""
        return next(group.fleet.paths[0] for group in self.groups if group.fleet.kind is ROBOT)

    @property
    def signals(self) -> int:
        """How many signals there are in all."""
        return sum(len(group.fleet.paths) * len(group.fleet.kind.signals) for group in self.groups)


def _paths(place: _Place, size: int) -> tuple[str, ...]:
    width = len(str(size))
    return tuple(f"{place.center}/{place.unit}-{number:0{width}d}" for number in range(1, size + 1))


async def run_plant(
    settings: PlantSettings,
    clock: Clock,
    protection: Protection,
    password_file: Path | None,
    broker: Broker | None,
    mqtt_place: MqttPlace | None,
    announce: Callable[[dict[str, Any]], None],
    stop: asyncio.Event,
) -> None:
    """Serve the line until told to stop."""
    line = Line(settings.seed, settings.units, settings.takt_seconds)
    touch = None if settings.recipes is None else Welded(RecipeBook(settings.recipes), line.first_robot).touch
    servers: dict[str, SimulatedServer] = {}
    async with contextlib.AsyncExitStack() as stack:
        for number, source in enumerate(OPCUA_SOURCES):
            feed = PlantFeed([group.fleet for group in line.of_source(source)], touch=touch)
            port = settings.opcua_port + number if settings.opcua_port else 0
            server = SimulatedServer(
                feed, clock, namespace=NAMESPACE, name=f"Leadhand plant, {source}", host=settings.host, port=port, protection=protection
            )
            await server.start()
            stack.push_async_callback(server.stop)
            servers[source] = server
            if settings.alarms:
                task = asyncio.create_task(_raise_forever(server, [group.fleet for group in line.of_source(source)], clock))
                stack.push_async_callback(_cancelled, task)
        places: dict[str, OpcUaPlace | MqttPlace | SparkplugPlace] = {
            source: OpcUaPlace(server.url, protection.certificate, next(iter(protection.users), None), password_file, settings.alarms)
            for source, server in servers.items()
        }
        topics: list[str] = []
        if broker is not None and mqtt_place is not None:
            places[MQTT_SOURCE] = mqtt_place
            publisher = Publisher(broker, f"leadhand-plant-{settings.seed}-{clock.now_us()}", version=mqtt_place.version)
            publisher.start()
            stack.callback(publisher.stop)
            gateways = [Gateway(group) for group in line.of_source(MQTT_SOURCE)]
            topics = [gateway.topic for gateway in gateways]
            task = asyncio.create_task(_publish_forever(gateways, publisher, clock))
            stack.push_async_callback(_cancelled, task)
            places[SPARKPLUG_SOURCE] = SparkplugPlace(
                mqtt_place.url,
                SPARKPLUG_NODE,
                version=mqtt_place.version,
                username=mqtt_place.username,
                password_file=mqtt_place.password_file,
            )
            spoken = [Gateway(group) for group in line.of_source(SPARKPLUG_SOURCE)]
            node = _edge_node(spoken, broker, mqtt_place, f"leadhand-plant-{settings.seed}-edge-{clock.now_us()}", clock)
            node.start()
            stack.callback(node.stop)
            task = asyncio.create_task(_speak_forever(spoken, node, clock))
            stack.push_async_callback(_cancelled, task)
        tools = [await _tools(settings, clock, stack)] if settings.spindles else []
        offered = [group for group in line.groups if group.source in places]
        write_plant_site(
            settings.site_out,
            offered,
            places,
            tools,
            cameras=settings.cameras,
            routes=settings.routes,
            delivery=mqtt_place if settings.delivery else None,
        )
        announce(
            {
                "opcua": [server.url for server in servers.values()],
                "mqtt": None if broker is None else broker.url,
                "topics": topics,
                "devices": sum(len(group.fleet.paths) for group in offered),
                "signals": sum(len(group.fleet.paths) * len(group.fleet.kind.signals) for group in offered),
                "tools": [f"op://{tool.host}:{tool.port}" for tool in tools],
                "interval_us": SCAN_US,
                "seed": settings.seed,
            }
        )
        await stop.wait()


async def _tools(settings: PlantSettings, clock: Clock, stack: contextlib.AsyncExitStack) -> ToolPlace:
    """Let a slewing-bearing station tighten; 36 bolts are done within a takt."""
    # a controller counts on: its numbers are where they would be had it always run
    first = clock.now_us() // 1_000_000 % 100_000_000 * settings.spindles + 1
    controller = Controller(clock, ControllerSettings(spindles=settings.spindles), seed=settings.seed, first_id=first)
    await controller.start(settings.host)
    stack.push_async_callback(controller.stop)
    task = asyncio.create_task(_tighten_forever(controller, settings.takt_seconds * settings.spindles / _BOLTS))
    stack.push_async_callback(_cancelled, task)
    return ToolPlace(TOOL_SOURCE, controller.port, settings.host, "assembly/main-line/bearing-station", "Slewing-bearing station")


class Gateway:
    """Sends the machines of a work center as one JSON object a scan: ``{"time": ms, "seq": n, "agv-1": {"x": ...}}``."""

    def __init__(self, group: Group) -> None:
        self.topic = f"{ENTERPRISE}/{SITE}/{group.center}"
        self.feed = PlantFeed([group.fleet])
        self._units = [path.rpartition("/")[2] for path in group.fleet.paths]
        self._signals = group.fleet.kind.signals
        self._names = [signal.name for signal in group.fleet.kind.signals]
        types = [signal.data_type for signal in group.fleet.kind.signals]
        self._texts = [place for place, data_type in enumerate(types) if data_type.is_text]
        self._booleans = [place for place, data_type in enumerate(types) if data_type is DataType.BOOLEAN]
        self._integers = [
            place for place, kind in enumerate(types) if kind not in (DataType.DOUBLE, DataType.FLOAT, DataType.STRING, DataType.BOOLEAN)
        ]
        self._sequence = 0

    def message(self, scan: Scan) -> bytes:
        """Return the message of one scan; each call counts the sequence number on. A bad value is null."""
        content: dict[str, Any] = {"time": scan.source_us // 1000, "seq": self._sequence}
        for unit, row in self.rows(scan).items():
            content[unit] = dict(zip(self._names, row, strict=True))
        self._sequence += 1
        return orjson.dumps(content)

    def rows(self, scan: Scan) -> dict[str, list[Any]]:
        """Return the values of one scan by unit, None for a bad one."""
        width = len(self._names)
        numbers: list[Any] = scan.number.tolist()
        for place, code in enumerate(scan.status.tolist() if scan.status.any() else ()):
            if code:
                numbers[place] = None
        rows: dict[str, list[Any]] = {}
        texts = iter(scan.text)
        for number, unit in enumerate(self._units):
            row = numbers[number * width : (number + 1) * width]
            for place in self._texts:
                row[place] = next(texts)
            for place in self._booleans:
                row[place] = None if row[place] is None else bool(row[place])
            for place in self._integers:
                row[place] = None if row[place] is None else int(row[place])
            rows[unit] = row
        return rows

    def metrics(self) -> dict[str, list[DeviceMetric]]:
        """Return what each unit tells of, with unit and range as a birth gives them."""
        found = []
        for signal in self._signals:
            told: dict[str, Value] = {"engUnit": signal.unit} if signal.unit else {}
            if signal.low is not None and signal.high is not None and signal.data_type is not DataType.BOOLEAN:
                told |= {"engLow": float(signal.low), "engHigh": float(signal.high)}
            found.append(DeviceMetric(signal.name, signal.data_type, told))
        return dict.fromkeys(self._units, found)

    def skip(self, count: int) -> None:
        """Count messages that are lost, so that who listens can tell."""
        self._sequence += count


async def _publish_forever(gateways: Sequence[Gateway], publisher: Publisher, clock: Clock) -> None:
    """Send each scan once, on the absolute grid; scans that passed meanwhile are sent late, not left out."""
    log = structlog.get_logger()
    done = clock.now_us() // SCAN_US
    was_lost = 0
    while True:
        await asyncio.sleep(((done + 1) * SCAN_US - clock.now_us()) / 1e6)
        now = clock.now_us() // SCAN_US
        if now - done > _BEHIND_MOST:
            for gateway in gateways:
                gateway.skip(now - done - _BEHIND_MOST)
            log.warning("scans lost", count=now - done - _BEHIND_MOST, reason="the simulator stood still")
            done = now - _BEHIND_MOST
        for number in range(done + 1, now + 1):
            for gateway in gateways:
                publisher.send(gateway.topic, gateway.message(gateway.feed.at(number)))
        done = max(done, now)
        if publisher.lost and not was_lost:
            log.warning("messages lost", reason="the broker is away and the queue is full", broker_connected=publisher.connected)
        was_lost = publisher.lost


def _edge_node(gateways: Sequence[Gateway], broker: Broker, place: MqttPlace, client_id: str, clock: Clock) -> EdgeNode:
    devices = {unit: metrics for gateway in gateways for unit, metrics in gateway.metrics().items()}
    endpoint = MqttEndpoint(
        broker.host,
        broker.port,
        client_id,
        "5" if place.version == "5" else "3.1.1",
        broker.tls,
        username=broker.username,
        password=broker.password,
    )
    return EdgeNode(Speaker(SPARKPLUG_NODE, devices, "leadhand"), endpoint, clock)


async def _speak_forever(gateways: Sequence[Gateway], node: EdgeNode, clock: Clock) -> None:
    """Give the edge node each tenth scan, on the absolute grid."""
    step = SPEAK_SCANS * SCAN_US
    done = clock.now_us() // step
    while True:
        await asyncio.sleep(((done + 1) * step - clock.now_us()) / 1e6)
        done = max(done + 1, clock.now_us() // step)
        number = done * SPEAK_SCANS
        rows = {unit: row for gateway in gateways for unit, row in gateway.rows(gateway.feed.at(number)).items()}
        node.update(number * SCAN_US // 1000, rows)


async def _raise_forever(server: SimulatedServer, fleets: Sequence[Fleet], clock: Clock) -> None:
    """Tell the alarms of some machines as they come and go, within a second."""
    known: dict[tuple[str, str], DeviceAlarm] = {}
    while True:
        now_us = clock.now_us()
        now = alarms_at(fleets, now_us)
        await server.tell(changes(known, now, now_us))
        known = now
        await asyncio.sleep(_ALARM_SECONDS)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _tighten_forever(controller: Controller, every_seconds: float) -> None:
    """Tighten a slewing bearing after the other, all spindles at once; now and then a bolt is not OK."""
    spindles = controller.settings.spindles
    faults = [fault for fault in JointFault if fault is not JointFault.NONE]
    for number in itertools.count():
        for turn in range(max(1, _BOLTS // spindles)):
            await asyncio.sleep(every_seconds)
            wrong = (number * 7 + turn * 3) % 23 == 5
            fault = {1 + (number + turn) % spindles: faults[(number + turn) % len(faults)]}
            controller.tighten(f"EX-{20_260_000 + number:08d}", _BOLTS, fault if wrong else None)
