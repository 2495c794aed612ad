"""``python -m simulators replay|plant|cameras|floor|cell``: a simulated factory as a process."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from plant.clock import Clock, SystemClock
from plant.errors import Rejected, SettingsError, Unavailable
from plant.memory import give_back

if TYPE_CHECKING:
    from simulators.mqtt_publisher import Broker
    from simulators.opcua_server import Protection
    from simulators.replay import Replay
    from simulators.site_file import MqttPlace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one simulator until it is done or told to stop; return the exit code. Each loads what it needs, and no more."""
    _set_up_logging()
    given = _parser().parse_args(arguments)
    try:
        if given.command == "replay":
            _replay(given, SystemClock())
        elif given.command == "cameras":
            _cameras(given, SystemClock())
        elif given.command == "floor":
            _floor(given, SystemClock())
        elif given.command == "cell":
            _cell(given, SystemClock())
        else:
            _plant(given, SystemClock())
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201  # problems as text
        return 2
    except (Unavailable, Rejected) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators", description="A factory that speaks the real protocols.")
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser("replay", help="play a CSV recording through a real OPC UA server or as MQTT messages")
    replay.add_argument("file", type=Path, metavar="FILE.csv")
    replay.add_argument("--via", choices=("opcua", "mqtt"), required=True)
    replay.add_argument("--speed", type=float, default=1.0, help="times faster than recorded (default 1)")
    replay.add_argument("--period-ms", type=float, default=100.0, help="how far the rows lie apart in the recording (default 100)")
    replay.add_argument("--once", action="store_true", help="end after the last row was taken; else begin again")
    replay.add_argument("--real-time", action="store_true", help="rows come and go by the clock; the default waits until each was taken")
    replay.add_argument("--port", type=int, default=0, help="OPC UA port (default: a free one)")
    replay.add_argument("--mqtt-url", help="broker, mqtt://host:port; user and password by LEADHAND_MQTT_USER and LEADHAND_MQTT_PASSWORD")
    replay.add_argument("--mqtt-version", choices=("5", "3.1.1"), default="5")
    replay.add_argument("--hold", action="store_true", help="MQTT: wait for SIGUSR1 before the first row, so that a subscriber is there")
    replay.add_argument("--payload", choices=("object", "value", "samples", "float32"), default="object", help="form of the MQTT messages")
    _add_common(replay)
    plant = commands.add_parser(
        "plant", help="the reference line: cutters, robots, nutrunners, machining centres, booths, AGVs, test stands"
    )
    plant.add_argument("--seed", type=int, default=1, help="the same seed gives the same plant, faults and values")
    plant.add_argument(
        "--opcua-port", type=int, default=0, help="port of the first OPC UA server, the second takes the next (default: free)"
    )
    plant.add_argument("--mqtt-url", help="broker, mqtt://host:port; without it nothing is sent by MQTT")
    plant.add_argument("--mqtt-version", choices=("5", "3.1.1"), default="5")
    plant.add_argument("--units", type=int, default=0, metavar="N", help="how many devices in all (default: the reference line)")
    plant.add_argument(
        "--spindles",
        type=int,
        default=0,
        metavar="N",
        help="spindles of a slewing-bearing station that speaks Open Protocol (default: none)",
    )
    plant.add_argument("--alarms", action="store_true", help="the OPC UA servers tell alarms of their machines as events")
    plant.add_argument("--cameras", action="store_true", help="the settings name stations with cameras; 'cameras' gives their pictures")
    plant.add_argument("--routes", metavar="FOLDER", help="the settings ask for an optimizer that imports files from this folder")
    plant.add_argument(
        "--delivery", action="store_true", help="the settings name controllers that take what was approved (needs --mqtt-url)"
    )
    plant.add_argument("--recipes", type=Path, metavar="FILE", help="book of recipes that the first robot welds by, as 'cell' writes it")
    plant.add_argument("--takt-seconds", type=float, default=60.0, help="one machine each so many seconds (the real line: 360)")
    _add_common(plant)
    cameras = commands.add_parser("cameras", help="pictures of seams and bolts, laid into a folder as cameras do")
    cameras.add_argument("--site", type=Path, required=True, help="settings that name the stations")
    cameras.add_argument("--folder", type=Path, required=True, help="where pictures wait to be looked at")
    cameras.add_argument("--seed", type=int, default=1)
    cameras.add_argument("--every-seconds", type=float, default=10.0, help="one picture each so many seconds (default 10)")
    cameras.add_argument("--recipes", type=Path, metavar="FILE", help="book of recipes by which the first station's robot welds")
    floor = commands.add_parser("floor", help="orders made by a simulated factory's planners, laid into a folder as an MES does")
    floor.add_argument("--folder", type=Path, required=True, help="where files of operations wait to be imported")
    floor.add_argument("--set", type=Path, required=True, metavar="DIR", help="where the factory's route set is; it is made if not there")
    floor.add_argument("--rows", type=int, default=8000, help="about so many operations in a set that is made (default 8000)")
    floor.add_argument("--seed", type=int, required=True, help="of the factory, as python -m simulators.factory is given")
    floor.add_argument("--every-seconds", type=float, default=5.0, help="one file each so many seconds (default 5)")
    floor.add_argument("--orders", type=int, default=2, help="orders in a file (default 2)")
    floor.add_argument("--mqtt-url", help="broker behind which its MES takes routes; without it there is none")
    floor.add_argument("--leadhand-url", help="where orders and design changes are told over REST, with the token LEADHAND_TOKEN")
    cell = _add_cell(commands)
    for each in (floor, cell):
        each.add_argument("--keys", type=Path, metavar="FOLDER", help="where the keys of controllers lie, NAME.key")
        each.add_argument("--prefix", default="acme/north", help="with what topics begin (default acme/north)")
    return parser


def _add_cell(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    cell: argparse.ArgumentParser = commands.add_parser(
        "cell", help="a welding cell behind its controller: it is sent parameters, makes parts, says what came out"
    )
    cell.add_argument("--seed", type=int, required=True, help="of the cell, as python -m simulators.weld_cell is given")
    cell.add_argument("--values", type=json.loads, default={}, help="set points at its first start, as JSON (default: its own)")
    cell.add_argument("--memory", type=Path, required=True, metavar="FILE", help="where its controller remembers counter and set points")
    cell.add_argument("--mqtt-url", required=True, help="broker behind which it takes messages")
    cell.add_argument("--recipes", type=Path, metavar="FILE", help="book of recipes, where it says what it welds by")
    cell.add_argument("--trim-after", type=float, metavar="SECONDS", help="somebody trims the recipe at the pendant then, once")
    cell.add_argument("--plant-seed", type=int, default=1, help="of the line whose first robot welds by that book (default 1)")
    return cell


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site-out", type=Path, required=True, metavar="SITE.toml", help="where the matching site settings are written")
    parser.add_argument("--host", default="127.0.0.1", help="address the OPC UA server listens on (default 127.0.0.1)")
    parser.add_argument("--insecure", action="store_true", help="OPC UA without security and users, on loopback only")
    parser.add_argument(
        "--secrets", type=Path, help="folder of certificate, key and passwords (default: simulator-secrets beside the site settings)"
    )


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format='{"level": "%(levelname)s", "event": "%(name)s: %(message)s"}')
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _announce(facts: dict[str, Any]) -> None:
    print(json.dumps({"ready": True, **facts}), flush=True)  # noqa: T201  # the one line on stdout
    give_back()


def _check_listening(given: argparse.Namespace) -> None:
    if given.insecure and given.host != "localhost" and not given.host.startswith("127."):
        raise SettingsError(f"--insecure: listens on loopback only, not on {given.host}; take --insecure or --host away")


def _secrets_folder(given: argparse.Namespace) -> Path:
    folder: Path = given.secrets or given.site_out.resolve().parent / "simulator-secrets"
    return folder


async def _protection(given: argparse.Namespace) -> tuple[Protection, Path | None]:
    from simulators.opcua_server import Protection
    from simulators.protection import ensure_protection

    if given.insecure:
        return Protection(insecure=True), None
    return await ensure_protection(_secrets_folder(given))


def _mqtt_place(given: argparse.Namespace, broker: Broker, payload: str) -> MqttPlace:
    from simulators.protection import make_private, write_secret
    from simulators.site_file import MqttPlace

    password_file = None
    if broker.username is not None:
        make_private(_secrets_folder(given))
        password_file = _secrets_folder(given) / "mqtt-password"
        write_secret(password_file, broker.password or "")
    return MqttPlace(broker.url, payload, given.mqtt_version, broker.username, password_file)  # type: ignore[arg-type]


def _replay(given: argparse.Namespace, clock: Clock) -> None:
    from simulators.mqtt_publisher import broker_of
    from simulators.recording import read_recording
    from simulators.replay import Replay, replay_mqtt
    from simulators.rows import Timing

    if not given.speed > 0 or not given.period_ms > 0:
        raise SettingsError("--speed and --period-ms must be above 0")
    recording = read_recording(given.file)
    for note in recording.skipped:
        structlog.get_logger().info("column skipped", file=str(given.file), reason=note)
    timing = Timing(clock.now_us(), round(given.period_ms * 1000), given.speed)
    replay = Replay(recording, timing, given.site_out, lossless=not given.real_time, once=given.once)
    if given.via == "opcua":
        _check_listening(given)
        asyncio.run(_replay_opcua(given, replay, clock))
        return
    if given.mqtt_url is None:
        raise SettingsError("--via mqtt needs --mqtt-url mqtt://host:port")
    broker = broker_of(given.mqtt_url)
    stop, begin = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGUSR1, lambda *_: begin.set())

    def announce(facts: dict[str, Any]) -> None:
        _announce(facts)
        while given.hold and not stop.is_set() and not begin.wait(0.1):
            pass

    replay_mqtt(replay, clock, broker, given.payload, given.mqtt_version, _mqtt_place(given, broker, given.payload), announce, stop)


async def _replay_opcua(given: argparse.Namespace, replay: Replay, clock: Clock) -> None:
    from simulators.replay import replay_opcua

    protection, password_file = await _protection(given)
    await replay_opcua(replay, clock, given.host, given.port, protection, password_file, _announce, _stop_event())


def _plant(given: argparse.Namespace, clock: Clock) -> None:
    from simulators.mqtt_publisher import broker_of

    _check_listening(given)
    if given.units < 0 or not given.takt_seconds > 0 or not 0 <= given.spindles <= 36:
        raise SettingsError("--units must not be below 0, --takt-seconds must be above 0, --spindles from 0 to 36")
    broker = broker_of(given.mqtt_url) if given.mqtt_url else None
    place = None if broker is None else _mqtt_place(given, broker, "object")
    asyncio.run(_run_plant(given, clock, broker, place))


def _cameras(given: argparse.Namespace, clock: Clock) -> None:
    from simulators.cameras import run_cameras

    if not given.every_seconds > 0:
        raise SettingsError("--every-seconds must be above 0")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_cameras(given.site, given.folder, given.seed, given.every_seconds, given.recipes, clock, _announce, stop)


def _floor(given: argparse.Namespace, clock: Clock) -> None:
    from simulators.factory_floor import run_floor

    if not given.every_seconds > 0 or not 1 <= given.orders <= 1000 or given.rows < 1000:
        raise SettingsError("--every-seconds must be above 0, --orders from 1 to 1000, --rows 1000 or more")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run = partial(run_floor, given.folder, given.set, given.rows, given.seed, given.every_seconds, given.orders, clock, _announce, stop)
    if given.mqtt_url is None:
        run()
        return
    from plant.network_file import network_of
    from simulators.broker_controllers import behind_broker, key_of
    from simulators.factory_jobs import Workshop
    from simulators.factory_mes import WORK_UNIT, Mes, mes_controller
    from simulators.factory_plm import STATIONS, station_controllers
    from simulators.factory_shape import network
    from simulators.mqtt_publisher import broker_of
    from simulators.rest_client import RestClient

    given.set.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mes = Mes.of(given.set.parent / "mes-routes.json")
    controller = mes_controller(mes, key_of(_keys(given), WORK_UNIT), given.set.parent / "mes-memory.json")
    workshop = Workshop(clock)
    known = network_of(network("simulated factory"))
    stations = station_controllers(known, key_of(_keys(given), STATIONS), given.set.parent / "stations", workshop)
    broker, token = broker_of(given.mqtt_url), os.environ.get("LEADHAND_TOKEN", "")
    leadhand = RestClient(given.leadhand_url, token) if given.leadhand_url and token else None
    with (
        behind_broker([controller], WORK_UNIT, given.prefix, broker, clock),
        behind_broker(stations, STATIONS, given.prefix, broker, clock),
    ):
        run(routes=mes.routes, leadhand=leadhand, workshop=workshop)


def _cell(given: argparse.Namespace, clock: Clock) -> None:
    from simulators.broker_controllers import key_of
    from simulators.cell_controller import CONTROLLER, run_cell
    from simulators.mqtt_publisher import broker_of
    from simulators.pendant import Pendant
    from simulators.recipe_book import RecipeBook

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    keys = key_of(_keys(given), CONTROLLER)
    if given.trim_after is not None and given.recipes is None:
        raise SettingsError("--trim-after needs --recipes FILE")
    pendant = None if given.recipes is None else Pendant(RecipeBook(given.recipes), given.trim_after, given.plant_seed)
    run_cell(given.seed, given.values, keys, given.memory, given.prefix, broker_of(given.mqtt_url), clock, _announce, stop, pendant)


def _keys(given: argparse.Namespace) -> Path:
    if given.keys is None:
        raise SettingsError("--mqtt-url needs --keys FOLDER: a controller takes only what is signed with its key")
    folder: Path = given.keys
    return folder


async def _run_plant(given: argparse.Namespace, clock: Clock, broker: Broker | None, place: MqttPlace | None) -> None:
    from simulators.plant import PlantSettings, run_plant

    protection, password_file = await _protection(given)
    settings = PlantSettings(
        given.seed,
        given.units,
        given.takt_seconds,
        given.host,
        given.opcua_port,
        given.site_out,
        given.spindles,
        given.alarms,
        given.cameras,
        given.routes,
        given.delivery,
        given.recipes,
    )
    await run_plant(settings, clock, protection, password_file, broker, place, _announce, _stop_event())


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


if __name__ == "__main__":
    sys.exit(main())
