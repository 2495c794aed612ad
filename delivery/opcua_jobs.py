"""The way to controllers with a job order receiver (OPC 10031-4): each message is a job order that is stored and started there.

What becomes of it is asked for in the same request and again after 1, 2, 4... ms, as most controllers are done by then; what takes longer
is told by a subscription to the list of orders, and looked at once a second besides, so neither a slow publishing interval nor a lost
notification holds anything up. This is the only place that writes to machines over OPC UA: method calls, and our own heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from asyncio import Future
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import structlog

from delivery.opcua_endpoints import endpoint_of, quiet
from delivery.ways import Beat, Ears, InDoubt, NotTaken, Pulse, ReadBack, Setup, Taken, Way
from plant.deliveries import Answer, Quantity, SetPart, SignedMessage, Verdict
from plant.errors import Rejected, SettingsError, Unavailable
from plant.settings_delivery import OpcUaJobsController
from protocols.opcua_client import OpcUaSession, open_session
from protocols.opcua_isa95 import JobResponse
from protocols.opcua_job_messages import job_order, parts_of, quantities_of, reason_of, refusal, verdict_of
from protocols.opcua_jobs import CallRefused, JobReceiver, Unanswered, find_receiver
from protocols.opcua_nodes import NodeBook

_UNIT: Final = "{work_unit}"
_NAME: Final = "{name}"
_ANY: Final = frozenset("*?[")
_QUICK_SECONDS: Final = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
_LOOK_SECONDS: Final = 1.0
_HEAR_SECONDS: Final = 2.0
_HEARD_AT_ONCE: Final = 25
_MOST_ASKED_SINGLY: Final = 16
_LEAST_PAUSE, _MOST_PAUSE = 0.2, 15.0
_REFUSED_PAUSE: Final = 30.0
_SERVER_STATE: Final = "ns=0;i=2259"
_FINAL: Final = frozenset({Verdict.EXECUTED, Verdict.FAILED, Verdict.REFUSED})


def make_ways(setup: Setup) -> Sequence[Way]:
    """Return one way for each controller. Nothing connects yet. Raises SettingsError."""
    return [JobsWay(one, setup) for one in setup.controllers if isinstance(one, OpcUaJobsController)]


@dataclass(slots=True, eq=False)
class _Connection:
    """What is open: everything in it ends with the session."""

    session: OpcUaSession
    book: NodeBook
    receivers: dict[str, JobReceiver]
    """By address; the empty one is found by its type."""


class JobsWay:
    """One controller that we call."""

    def __init__(self, settings: OpcUaJobsController, setup: Setup) -> None:
        self._settings = settings
        self._setup = setup
        self._ears: Ears | None = None
        self._log: Any = structlog.get_logger("delivery", controller=settings.id)
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._now: _Connection | None = None
        self._followed: dict[str, SignedMessage] = {}
        """Messages that it was given and is not done with, by id."""
        self._quick: set[str] = set()
        self._news = asyncio.Event()
        self._counted: dict[str, int] = {}
        """The highest counter that each work unit was seen with."""
        self._units = dict.fromkeys(unit for unit in settings.work_units if not _ANY.intersection(unit))

    @property
    def controller(self) -> str:
        """The id of the controller in the settings."""
        return self._settings.id

    async def open(self, ears: Ears) -> None:
        """Begin; connecting goes on by itself."""
        endpoint_of(self._settings, self._setup)
        quiet()
        self._ears = ears
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Let go of everything."""
        tasks = [*self._tasks, *([] if self._keeper is None else [self._keeper])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def reaches(self, work_unit: str) -> bool:
        """Whether a message would go out now."""
        self._units.setdefault(work_unit)
        return self._now is not None and not self._now.session.lost.is_set()

    async def send(self, signed: SignedMessage) -> None:
        """Have the message stored and started as a job order."""
        if self._setup.clock.now_us() >= signed.message.expires_us:
            raise Unavailable("it expired before it could be sent")
        receiver = await self._receiver(signed.message.work_unit)
        try:
            status, response = await receiver.store_and_start(job_order(signed))
        except CallRefused as error:
            self._tell(signed, Verdict.REFUSED, str(error))
            return
        except Unanswered as error:
            raise InDoubt(str(error)) from error
        reason = refusal(status)
        if reason:
            self._tell(signed, Verdict.REFUSED, reason)
            return
        self._follow(signed)
        self._tell(signed, Verdict.ACCEPTED)
        if response is None or not self._take(signed, response):
            self._spawn(self._look_soon(signed, receiver, _QUICK_SECONDS[response is not None :]))

    async def ask(self, signed: SignedMessage) -> Answer | NotTaken | None:
        """Return what became of a message. Not taken is certain only of a controller that counts, and has not begun to count anew."""
        receiver = await self._receiver(signed.message.work_unit)
        try:
            response = await receiver.response(signed.message.id)
        except Rejected as error:
            raise Unavailable(str(error)) from error
        if response is not None:
            answer = self._answer(signed, response)
            if answer.verdict not in _FINAL:
                self._follow(signed)
            return answer
        work_unit = signed.message.work_unit
        counter = await self._counter(work_unit)
        # a controller that lost its memory counts from nothing, and may have done it before
        known = counter is not None and max(1, self._counted.get(work_unit, 0)) <= counter < signed.message.counter
        return NotTaken(counter) if known else None

    async def read_back(self, signed: SignedMessage) -> ReadBack | None:
        """Return what is in force by the controller's variables; None where the settings name none of them."""
        message, settings = signed.message, self._settings
        wanted = {one.name: _address(settings.parameters, message.work_unit, one.name) for one in message.parameters}
        parts = {one.kind: _address(settings.parts, message.work_unit, one.kind) for one in message.parts}
        addresses = [one for one in (*wanted.values(), *parts.values()) if one]
        if not addresses:
            return None
        connection = self._connection()
        try:
            values = dict(zip(addresses, await connection.book.read(addresses), strict=True))
        except Rejected as error:
            raise Unavailable(str(error)) from error
        units = {one.name: one.unit for one in message.parameters}
        read = []
        for name, address in wanted.items():
            value = values[address].value if address and not values[address].is_bad else None
            if isinstance(value, int | float) and not isinstance(value, bool):
                read.append(Quantity(name, float(value), units[name]))
        switched = []
        for kind, address in parts.items():
            value = values[address].value if address and not values[address].is_bad else None
            if isinstance(value, list) and len(value) == 2:
                switched.append(SetPart(kind, value[0], value[1]))
        return ReadBack(tuple(read), tuple(switched))

    async def pulse(self, pulses: Sequence[Pulse]) -> None:
        """Write our heartbeat where the settings name a place for it; the open session is a sign of life of its own."""
        self._units.update(dict.fromkeys(one.work_unit for one in pulses))
        if not self._settings.pulse:
            self._connection()
            return
        try:
            await self._connection().book.write_counts([(_of(self._settings.pulse, one.work_unit), one.number) for one in pulses])
        except Rejected as error:
            raise Unavailable(str(error)) from error

    def settled(self, signed: SignedMessage) -> None:
        """Follow it no more, and take the order off the controller's list."""
        self._followed.pop(signed.message.id, None)
        if self._now is not None:
            self._spawn(self._clear(signed))

    # --- what goes on by itself -------------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Hold a session open, as long as this way is open."""
        pause, said = _LEAST_PAUSE, ""
        while True:
            try:
                session = await open_session(endpoint_of(self._settings, self._setup))
                try:
                    await self._serve(session, said)
                    pause, said = _LEAST_PAUSE, session.lost_reason
                    self._log.warning("the controller is lost", reason=said)
                finally:
                    self._now = None
                    await session.close()
            except (Unavailable, Rejected, SettingsError) as error:
                pause = _REFUSED_PAUSE if isinstance(error, Rejected) else min(2 * pause, _MOST_PAUSE)
                if said != str(error):
                    said = str(error)
                    self._log.warning("the controller is not reached", reason=said)
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - not all at once

    async def _serve(self, session: OpcUaSession, before: str) -> None:
        receivers = {}
        if _UNIT not in self._settings.receiver:
            receivers[self._settings.receiver] = await find_receiver(session, self._settings.receiver)
        self._now = _Connection(session, NodeBook(session), receivers)
        self._log.info("the controller is reached", again=bool(before))
        self._news.set()
        tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._hear())]
        tasks += [asyncio.create_task(one.watch(self._news.set)) for one in receivers.values()]
        try:
            await session.lost.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        """See what became of the messages that are followed: when the controller's list changes, and once a second."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news.wait()
            self._news.clear()
            open_ = [one for one in self._followed.values() if one.message.id not in self._quick]
            if open_:
                try:
                    await self._look_at(open_)
                except (Unavailable, Rejected) as error:
                    self._log.debug("the controller does not tell what became of its orders", reason=str(error))

    async def _look_at(self, open_: Sequence[SignedMessage]) -> None:
        by_receiver: dict[JobReceiver, list[SignedMessage]] = {}
        for one in open_:
            by_receiver.setdefault(await self._receiver(one.message.work_unit), []).append(one)
        for receiver, messages in by_receiver.items():
            if receiver.answers_by_id and len(messages) <= _MOST_ASKED_SINGLY:
                for one in messages:
                    self._take(one, await receiver.response(one.message.id))
                continue
            states = {entry.order.id: entry.states for entry in await receiver.orders()}
            for one in messages:
                found = states.get(one.message.id)
                if found and verdict_of(found[0].number) in _FINAL:
                    self._take(one, await receiver.response(one.message.id))

    async def _look_soon(self, signed: SignedMessage, receiver: JobReceiver, pauses: Sequence[float]) -> None:
        """See at once what became of it, and a few times more."""
        self._quick.add(signed.message.id)
        try:
            for pause in pauses:
                await asyncio.sleep(pause)
                if signed.message.id not in self._followed or self._take(signed, await receiver.response(signed.message.id)):
                    return
        except (Unavailable, Rejected):
            return
        finally:
            self._quick.discard(signed.message.id)

    async def _hear(self) -> None:
        """Read the controller's own signs of life, of a few work units at a time: a message between them does not wait for all."""
        settings = self._settings
        each = (settings.ai_off, settings.counter, settings.state)
        every = min(_HEAR_SECONDS, settings.heartbeat_seconds / 2)
        while True:
            units = list(self._units)
            slices = [units[start : start + _HEARD_AT_ONCE] for start in range(0, len(units), _HEARD_AT_ONCE)] or [[]]
            for some in slices if any(each) else [units]:
                try:
                    await self._hear_of(some, each)
                except (Unavailable, Rejected) as error:
                    self._log.debug("the controller gives no sign of life", reason=str(error))
                await asyncio.sleep(every / len(slices))

    async def _hear_of(self, units: Sequence[str], each: Sequence[str]) -> None:
        addresses = [_of(one, unit) for unit in units for one in each if one] or [_SERVER_STATE]
        values = dict(zip(addresses, await self._connection().book.read(addresses), strict=True))
        for unit in units:
            own = [values[_of(one, unit)] if one else None for one in each]
            said = [one for one in own if one is not None] or list(values.values())
            if any(not one.is_bad for one in said):
                self._beat(unit, [None if one is None else one.value for one in own])

    def _beat(self, unit: str, said: Sequence[object]) -> None:
        if self._ears is not None:
            off, counter, state = said
            number = counter if isinstance(counter, int) and not isinstance(counter, bool) else None
            self._counted[unit] = max(self._counted.get(unit, 0), number or 0)
            self._ears.beat(unit, Beat(self._setup.clock.now_us(), bool(off), number, "" if state is None else str(state)))

    async def _clear(self, signed: SignedMessage) -> None:
        with contextlib.suppress(Unavailable, Unanswered, CallRefused):
            await (await self._receiver(signed.message.work_unit)).act("Clear", signed.message.id)

    # --- pieces -----------------------------------------------------------------------------------------------------------------------

    def _connection(self) -> _Connection:
        if self._now is None:
            raise Unavailable(f"controller {self.controller} is not connected")
        return self._now

    async def _receiver(self, work_unit: str) -> JobReceiver:
        connection = self._connection()
        address = _of(self._settings.receiver, work_unit)
        if address not in connection.receivers:
            try:
                found = connection.receivers[address] = await find_receiver(connection.session, address)
            except Rejected as error:
                raise Unavailable(str(error)) from error
            self._spawn(found.watch(self._news.set))
        return connection.receivers[address]

    async def _counter(self, work_unit: str) -> int | None:
        if not self._settings.counter:
            return None
        try:
            value = (await self._connection().book.read([_of(self._settings.counter, work_unit)]))[0]
        except Rejected:
            return None
        return value.value if isinstance(value.value, int) and not value.is_bad else None

    def _follow(self, signed: SignedMessage) -> None:
        self._followed[signed.message.id] = signed

    def _take(self, signed: SignedMessage, response: JobResponse | None) -> bool:
        """Tell what became of a message where it is at its end; return whether it is."""
        if response is None:
            return False
        answer = self._answer(signed, response)
        if answer.verdict not in _FINAL:
            return False
        if self._followed.pop(signed.message.id, None) is not None:
            self._say(answer)
        return True

    def _answer(self, signed: SignedMessage, response: JobResponse) -> Answer:
        verdict = verdict_of(response.states[0].number if response.states else 0, response.data)
        final = verdict is Verdict.EXECUTED
        return Answer(
            message_id=signed.message.id,
            work_unit=signed.message.work_unit,
            verdict=verdict,
            time_us=self._setup.clock.now_us(),
            reason=reason_of(response.data),
            readback=quantities_of(response) if final else (),
            parts=parts_of(response) if final else (),
            actor=self.controller,
            key=f"{signed.message.id}-{verdict}",
        )

    def _tell(self, signed: SignedMessage, verdict: Verdict, reason: str = "") -> None:
        message = signed.message
        now_us = self._setup.clock.now_us()
        self._say(
            Answer(
                message_id=message.id,
                work_unit=message.work_unit,
                verdict=verdict,
                time_us=now_us,
                reason=reason,
                actor=self.controller,
                key=f"{message.id}-{verdict}",
            )
        )

    def _say(self, answer: Answer) -> None:
        if self._ears is not None:
            self._ears.told(answer).add_done_callback(_heard)

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _heard(done: Future[Taken]) -> None:
    """An answer that was not committed is asked for again by the worker: the controller keeps its orders."""
    if not done.cancelled():
        done.exception()


def _of(address: str, work_unit: str) -> str:
    return address.replace(_UNIT, work_unit)


def _address(known: Mapping[str, str], work_unit: str, name: str) -> str:
    """Return where something is read back; empty where the settings do not say."""
    found = known.get(name) or next((address for pattern, address in known.items() if fnmatchcase(name, pattern)), "")
    return _of(found, work_unit).replace(_NAME, name)
