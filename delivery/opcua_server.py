"""The way to controllers that come for their messages: they lie open at our own OPC UA server until they are answered, or expire.

All controllers of this way share one server. A controller is reached while it has a session; what was offered before stays open meanwhile.
An answer is acknowledged by the method's result, and only once it is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Final

import structlog

from delivery.opcua_endpoints import password_of, quiet
from delivery.places import places_of
from delivery.rest import Asks
from delivery.station_results import read_latest_results
from delivery.ways import Beat, Ears, NotTaken, Pulse, ReadBack, Setup, Way
from plant.deliveries import Answer, SignedMessage, Verdict
from plant.errors import Rejected, SettingsError, Unavailable
from plant.settings_delivery import OpcUaServerController
from protocols.opcua_serving import Account, Answered, DeliveryServer, HeardBeat, Listeners
from protocols.pki import read_certificate
from protocols.ports import free_port

_ANY: Final = frozenset("*?[")
_LEAST_PAUSE, _MOST_PAUSE = 1.0, 30.0
_RESULTS_SECONDS: Final = 1.0
_RESULTS_AT_FIRST, _RESULTS_THEN = 1000, 100
_log = structlog.get_logger("delivery")


def make_ways(setup: Setup) -> Sequence[Way]:
    """Return one way for each controller; they share a server. Nothing listens yet. Raises SettingsError."""
    wanted = [one for one in setup.controllers if isinstance(one, OpcUaServerController)]
    desk = _Desk(setup, wanted)
    return [ServerWay(one, setup, desk) for one in wanted]


class _Desk:
    """The one server, open while any of its ways is; ``attach`` it to the database, and the latest results are shown too."""

    def __init__(self, setup: Setup, controllers: Sequence[OpcUaServerController]) -> None:
        settings = setup.site.delivery.settings.server
        if settings is None:
            raise SettingsError("a controller with way 'opcua_server' needs [delivery.server]")
        self._ways: dict[str, ServerWay] = {}
        self._open: set[str] = set()
        self._starting: asyncio.Task[None] | None = None
        self.listening = False
        self._places = places_of(setup.site)
        self._database: Asks | None = None
        self.server = DeliveryServer(
            host=settings.host,
            port=settings.port,
            folder=setup.folder,
            policies=settings.security,
            allow_none=settings.allow_none,
            accounts=[_account(one, setup) for one in controllers],
            clock=setup.clock,
            listeners=Listeners(self._answered, self._beat),
        )

    def attach(self, database: Asks) -> None:
        """Use this database."""
        self._database = database

    async def join(self, way: ServerWay) -> None:
        """Let a way in; the first one has the server started."""
        self._ways[way.account] = way
        self._open.add(way.controller)
        if self._starting is None:
            quiet()
            self._starting = asyncio.create_task(self._start())

    async def leave(self, way: ServerWay) -> None:
        """Let a way go; with the last one the server ends."""
        self._open.discard(way.controller)
        if self._open or self._starting is None:
            return
        starting, self._starting = self._starting, None
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        self.listening = False
        await self.server.stop()

    async def _start(self) -> None:
        pause = _LEAST_PAUSE
        while not self.listening:
            try:
                await self.server.start(free_port)
                for way in self._ways.values():
                    await way.show_all()
                self.listening = True
                _log.info("controllers that come are served", at=self.server.url)
            except (Unavailable, Rejected, OSError) as error:
                _log.warning("controllers cannot come yet", reason=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MOST_PAUSE)
        if self._database is not None:
            await self._show_results(self._database)

    async def _show_results(self, database: Asks) -> None:
        """Show what is new at the stations, while anybody is there to see it."""
        most = _RESULTS_AT_FIRST
        while True:
            if self.server.connected:
                try:
                    for one in await database.ask(partial(read_latest_results, places=self._places, most=most)):
                        await self.server.show_result(one.station, one.kind, one.values)
                    most = _RESULTS_THEN
                except Unavailable as error:
                    _log.debug("the latest results are not known", reason=str(error))
            await asyncio.sleep(_RESULTS_SECONDS)

    async def _answered(self, said: Answered) -> str:
        return await self._ways[said.account].take(said)

    def _beat(self, beat: HeardBeat) -> None:
        self._ways[beat.account].hear(beat)


class ServerWay:
    """One controller that comes to us."""

    def __init__(self, settings: OpcUaServerController, setup: Setup, desk: _Desk) -> None:
        self._settings = settings
        self._clock = setup.clock
        self._desk = desk
        self._ears: Ears | None = None
        self._offered: dict[str, dict[str, SignedMessage]] = {}
        """By work unit and id, the oldest first."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def controller(self) -> str:
        """The id of the controller in the settings."""
        return self._settings.id

    def attach(self, desk: Asks) -> None:
        """Use this database for the latest results of the stations."""
        self._desk.attach(desk)

    @property
    def account(self) -> str:
        """By what name it connects."""
        return _account_name(self._settings)

    async def open(self, ears: Ears) -> None:
        """Begin; the server starts by itself."""
        self._ears = ears
        for unit in self._settings.work_units:
            if not _ANY.intersection(unit):
                self._offered.setdefault(unit, {})
        await self._desk.join(self)

    async def close(self) -> None:
        """Let go of everything."""
        await self._desk.leave(self)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reaches(self, work_unit: str) -> bool:  # noqa: ARG002 - one session is for all of them
        """Whether its controller has a session now."""
        return self._desk.listening and self.account in self._desk.server.connected

    async def send(self, signed: SignedMessage) -> None:
        """Let the message lie open for its work unit."""
        if not self._desk.listening:
            raise Unavailable("our OPC UA server does not listen yet")
        unit = signed.message.work_unit
        self._offered.setdefault(unit, {})[signed.message.id] = signed
        await self._show(unit, signed)

    async def ask(self, signed: SignedMessage) -> Answer | NotTaken | None:
        """Offer a message again that was not answered, as after a restart; what became of it only the controller can say."""
        if not self._desk.listening:
            raise Unavailable("our OPC UA server does not listen yet")
        if self._clock.now_us() < signed.message.expires_us:
            unit = signed.message.work_unit
            if signed.message.id not in self._offered.setdefault(unit, {}):
                self._offered[unit][signed.message.id] = signed
                await self._show(unit, signed)
        return None

    async def read_back(self, signed: SignedMessage) -> ReadBack | None:  # noqa: ARG002 - what is in force comes with its report
        """Return None: the controller says itself what is in force."""
        return None

    async def pulse(self, pulses: Sequence[Pulse]) -> None:
        """Let each work unit's controller see our heartbeat."""
        if not self._desk.listening:
            raise Unavailable("our OPC UA server does not listen yet")
        now_us = self._clock.now_us()
        for one in pulses:
            await self._desk.server.show_pulse(one.work_unit, one.number, one.mode.value)
            late = [key for key, signed in self._offered.get(one.work_unit, {}).items() if signed.message.expires_us <= now_us]
            if late:
                self._take_back(one.work_unit, late)
                await self._show(one.work_unit)
            # a work unit's nodes are made when it is met first: others are heard between two of them
            await asyncio.sleep(0)

    def settled(self, signed: SignedMessage) -> None:
        """Take a message back."""
        unit = signed.message.work_unit
        if signed.message.id in self._offered.get(unit, {}):
            self._take_back(unit, [signed.message.id])
            task = asyncio.create_task(self._show_quietly(unit))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def show_all(self) -> None:
        """Let everything lie open that is offered: the server is new."""
        for unit in self._offered:
            await self._show(unit)

    async def take(self, said: Answered) -> str:
        """Hand an answer on and return what became of it, once it is committed. Raises Unavailable."""
        if self._ears is None:
            raise Unavailable("the way is closed")
        is_measured = said.verdict is Verdict.MEASURED
        answer = Answer(
            message_id=said.message_id,
            work_unit=said.work_unit,
            verdict=said.verdict,
            time_us=self._clock.now_us(),
            reason=said.reason,
            readback=() if is_measured else said.quantities,
            parts=said.parts,
            measured=said.quantities if is_measured else (),
            actor=said.account,
            key=f"{said.message_id}-{said.verdict}",
        )
        return (await self._ears.told(answer)).value

    def hear(self, beat: HeardBeat) -> None:
        """Hand a sign of life on."""
        if self._ears is not None:
            self._ears.beat(beat.work_unit, Beat(self._clock.now_us(), beat.ai_off, beat.counter, beat.state))

    def _take_back(self, unit: str, ids: Sequence[str]) -> None:
        for one in ids:
            self._offered[unit].pop(one, None)

    async def _show(self, unit: str, new: SignedMessage | None = None) -> None:
        await self._desk.server.show(unit, list(self._offered[unit].values()), new=new)

    async def _show_quietly(self, unit: str) -> None:
        try:
            await self._show(unit)
        except Unavailable:
            return


def _account(settings: OpcUaServerController, setup: Setup) -> Account:
    files = setup.site.delivery.folder
    certificate = None
    if settings.certificate_file is not None:
        try:
            certificate = read_certificate(files / settings.certificate_file)
        except Rejected as error:
            raise SettingsError(str(error)) from error
    password = password_of(files, settings.password_file) if settings.username is not None else None
    return Account(_account_name(settings), _own(settings.work_units), password, certificate)


def _account_name(settings: OpcUaServerController) -> str:
    return settings.username if settings.username is not None else settings.id


def _own(patterns: Sequence[str]) -> Callable[[str], bool]:
    @lru_cache(maxsize=4096)
    def sees(work_unit: str) -> bool:
        return any(fnmatchcase(work_unit, pattern) for pattern in patterns)

    return sees
