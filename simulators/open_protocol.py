"""A tightening controller that speaks Open Protocol, as strict as a device.

One client, communication start first, one telegram on its way until it is acknowledged, sent again when it is not, hanging up on
silence; results are kept for being asked for. Faults come on command.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from plant.clock import Clock
from plant.errors import Rejected
from plant.tightening import TraceKind
from protocols import open_protocol as op
from protocols.listening import stop_accepting
from protocols.open_protocol import Framer, Telegram, encode_telegram, parse_telegram
from protocols.open_protocol_messages import encode_message, parse_message
from protocols.open_protocol_results import MOST_ID, encode_result
from protocols.open_protocol_traces import encode_trace, parse_subscription, subscribed_kinds
from simulators.open_protocol_bolts import Bolt, Place, bolt_of, spindles_result, trace_of
from simulators.open_protocol_settings import ControllerSettings, LinkFault
from simulators.tightening import JointFault, tighten

_TRIES: Final = 3
_PART_BYTES: Final = 9900
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Push:
    mid: int
    content: Callable[[], bytes]
    acks: frozenset[int]


@dataclass(slots=True)
class _Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    started: bool = False
    results: int = 0
    """Revision that results are subscribed to with; 0 for none."""
    multiple: bool = False
    traces: tuple[TraceKind, ...] = ()
    alarms: bool = False
    jobs: bool = False
    programs: bool = False
    acked: asyncio.Event = field(default_factory=asyncio.Event)
    underway: _Push | None = None


class Controller:
    """A controller on a port of its own; ``tighten`` makes results. All methods belong to the event loop it was started in."""

    def __init__(self, clock: Clock, settings: ControllerSettings | None = None, *, seed: int = 1, first_id: int = 1) -> None:
        self.settings = settings or ControllerSettings()
        self._clock = clock
        self._seed = seed
        self._next_id = first_id
        self._sync = 0
        self._batch = 0
        self._part = ""
        self._stored: dict[int, Bolt] = {}
        self._queue: deque[_Push] = deque()
        self._queued = asyncio.Event()
        self._client: _Client | None = None
        self._was_subscribed = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: deque[LinkFault] = deque()
        self._silent = False
        self.made: list[Bolt] = []
        """All results made, in order."""
        self.port = 0
        self.resent = 0
        self.refused_clients = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; ``port`` then says where."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up and listen no more."""
        server, self._server = self._server, None
        if server is not None:
            await stop_accepting(server)
        self.hang_up()
        tasks = set(self._tasks)
        while tasks:
            for task in tasks:
                task.cancel()
            # a cancellation that meets what was waited for at the same moment is lost in Python 3.11: it is told again
            _, tasks = await asyncio.wait(tasks, timeout=1)

    @property
    def connected(self) -> bool:
        """Whether a client has started the communication."""
        return self._client is not None and self._client.started

    @property
    def subscribed(self) -> bool:
        """Whether results are subscribed to."""
        return self._client is not None and (self._client.results > 0 or self._client.multiple)

    @property
    def waiting(self) -> int:
        """How many telegrams wait to be sent."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether all that was to be sent has been acknowledged."""
        return not self._queue and (self._client is None or self._client.underway is None)

    def hang_up(self) -> None:
        """Break the link to the client."""
        if self._client is not None:
            self._client.writer.transport.abort()

    def fault(self, fault: LinkFault) -> None:
        """Have something go wrong, once."""
        if fault is LinkFault.SILENT:
            self._silent = True
        else:
            self._faults.append(fault)

    def speak_again(self) -> None:
        """End the silence."""
        self._silent = False

    def restart_numbering(self) -> None:
        """Begin again at 1, as after an exchange of the controller."""
        self._next_id = 1
        self._stored.clear()

    def tighten(self, part: str = "", batch_size: int = 36, faults: Mapping[int, JointFault] | None = None) -> list[Bolt]:
        """Let all spindles tighten one bolt each at once; return the results in the order they are sent."""
        if part != self._part:
            self._part, self._batch = part, 0
        self._sync = self._sync % 65_535 + 1
        time = datetime.fromtimestamp(self._clock.now_us() // 1_000_000, UTC)
        made = [self._bolt(spindle, time, batch_size, (faults or {}).get(spindle, JointFault.NONE)) for spindle in self._spindles()]
        for bolt in made:
            self.made.append(bolt)
            self._stored[bolt.values["tightening_id"]] = bolt
        while len(self._stored) > self.settings.stored_results:
            del self._stored[next(iter(self._stored))]
        self._tell(made)
        return made

    def alarm(self, code: str = "E404", *, ready: bool = True) -> None:
        """Raise an alarm."""
        if self._client is not None and self._client.alarms:
            values = {"code": code, "controller_ready": int(ready), "tool_ready": 1, "time": self._now()}
            self._push(op.ALARM, encode_message(op.ALARM, 1, values), {op.ALARM_ACK})

    def _spindles(self) -> range:
        return range(1, self.settings.spindles + 1)

    def _bolt(self, spindle: int, time: datetime, batch_size: int, fault: JointFault) -> Bolt:
        if LinkFault.SKIP_ID in self._faults:
            self._faults.remove(LinkFault.SKIP_ID)
            self._next_id += 1
        number, self._next_id = self._next_id, self._next_id % MOST_ID + 1
        self._batch = self._batch % batch_size + 1
        settings = self.settings
        place = Place(settings.name, settings.tool, self._part, spindle, number, self._sync, self._batch, batch_size, time)
        return bolt_of(place, settings.program, tighten(settings.program, self._seed * 1_000_003 + number, fault))

    def _tell(self, made: Sequence[Bolt]) -> None:
        client = self._client
        revision = client.results if client is not None else self._was_subscribed if self.settings.keeps_unsent else 0
        if client is not None and client.multiple:
            self._push(op.SPINDLES_RESULT, spindles_result(made), {op.SPINDLES_RESULT_ACK})
        if not revision:
            return
        for bolt in made:
            self._push(op.RESULT, encode_result(bolt.values, revision), {op.RESULT_ACK}, revision, bolt.spindle)
            for kind in client.traces if client is not None else ():
                self._push(op.TRACE, encode_trace(trace_of(bolt, kind), 1 if kind is TraceKind.TORQUE else 50), {op.COMMAND_ACCEPTED})

    def _push(self, mid: int, data: bytes, acks: set[int], revision: int = 1, spindle: int = 0) -> None:
        pieces = [data[at : at + _PART_BYTES] for at in range(0, len(data), _PART_BYTES)] or [b""]
        count = len(pieces) if len(pieces) > 1 else 0
        telegrams = [
            encode_telegram(
                Telegram(mid, revision, piece, station=int(spindle > 0), spindle=spindle, parts=count, part=n if count else 0),
                end_binary=self.settings.end_binary,
            )
            for n, piece in enumerate(pieces, 1)
        ]
        content = b"".join(telegrams)
        self._queue.append(_Push(mid, lambda: content, frozenset(acks)))
        while len(self._queue) > 10 * self.settings.stored_results:
            self._queue.popleft()
        self._queued.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as a task
        self._tasks.add(task)
        client = _Client(reader, writer)
        try:
            if self._client is not None:
                self.refused_clients += 1
                await reader.read(200)
                self._send(client, Telegram(op.COMMAND_ERROR, 1, b"000196"))
                await writer.drain()
                return
            self._client = client
            pusher = asyncio.create_task(self._push_all(client))
            try:
                await self._hear(client)
            finally:
                pusher.cancel()
                await asyncio.gather(pusher, return_exceptions=True)
        except (ConnectionError, TimeoutError, Rejected) as error:
            _log.info("the client is gone", reason=repr(error))
        except asyncio.CancelledError:
            pass
        finally:
            if self._client is client:
                self._leave(client)
            with contextlib.suppress(Exception):
                writer.transport.abort()
                await writer.wait_closed()
            self._tasks.discard(task)

    def _leave(self, client: _Client) -> None:
        self._client = None
        if client.underway is not None:
            self._queue.appendleft(client.underway)
        if not self.settings.keeps_unsent:
            self._queue.clear()

    async def _hear(self, client: _Client) -> None:
        framer = Framer()
        while True:
            content = await asyncio.wait_for(client.reader.read(65_536), self.settings.timeout_seconds)
            if not content:
                return
            for frame in framer.feed(content):
                if not self._silent:
                    self._answer(client, parse_telegram(frame))
            await client.writer.drain()

    def _answer(self, client: _Client, telegram: Telegram) -> None:
        mid = telegram.mid
        if mid == op.COMMUNICATION_START:
            self._start(client, telegram)
            return
        if not client.started:
            return
        if client.underway is not None and mid in client.underway.acks and mid != op.COMMAND_ACCEPTED:
            self._acknowledged(client)
        elif client.underway is not None and mid == op.COMMAND_ACCEPTED:
            if parse_message(telegram)["mid"] == client.underway.mid:
                self._acknowledged(client)
        elif mid == op.KEEP_ALIVE:
            self._send(client, telegram)
        elif mid in (op.SUBSCRIBE, op.UNSUBSCRIBE):
            self._generic(client, telegram)
        elif mid in _SIMPLE:
            getattr(self, _SIMPLE[mid])(client, telegram)
        elif mid in (op.RESULT_ACK, op.COMMAND_ACCEPTED, op.ALARM_ACK, op.ALARM_STATUS_ACK, op.PROGRAM_SELECTED_ACK, op.JOB_INFO_ACK):
            pass  # late: what it acknowledges was acknowledged or given up
        else:
            self._refuse(client, telegram, 99)

    def _acknowledged(self, client: _Client) -> None:
        if LinkFault.DROP_ACK in self._faults:
            self._faults.remove(LinkFault.DROP_ACK)
            return
        client.underway = None
        client.acked.set()

    def _start(self, client: _Client, telegram: Telegram) -> None:
        if telegram.revision > self.settings.start_revision:
            self._refuse(client, telegram, 97)
            return
        client.started = True
        values = {"cell": 1, "channel": 1, "name": self.settings.name, "supplier": "SIM", "protocol_version": "2.8.0", "system_type": 3}
        self._reply(client, op.COMMUNICATION_STARTED, telegram.revision, {**values, "serial": "SIM0001"})

    def _stop(self, client: _Client, telegram: Telegram) -> None:
        self._accept(client, telegram)
        client.started = False
        client.results, client.multiple, client.traces, client.alarms = 0, False, (), False

    def _subscribe_results(self, client: _Client, telegram: Telegram) -> None:
        revision = telegram.revision
        if client.results:
            self._refuse(client, telegram, 9)
        elif revision > self.settings.result_revision and revision not in (998, 999):
            self._refuse(client, telegram, 97)
        else:
            client.results = self._was_subscribed = revision
            self._accept(client, telegram)
            self._queued.set()

    def _unsubscribe_results(self, client: _Client, telegram: Telegram) -> None:
        if not client.results:
            self._refuse(client, telegram, 10)
            return
        client.results = self._was_subscribed = 0
        self._accept(client, telegram)

    def _subscribe_multiple(self, client: _Client, telegram: Telegram) -> None:
        if self.settings.spindles < 2:
            self._refuse(client, telegram, 30)
        elif client.multiple:
            self._refuse(client, telegram, 33)
        elif telegram.revision > 1:
            self._refuse(client, telegram, 97)
        else:
            client.multiple = True
            self._accept(client, telegram)

    def _unsubscribe_multiple(self, client: _Client, telegram: Telegram) -> None:
        if not client.multiple:
            self._refuse(client, telegram, 34)
            return
        client.multiple = False
        self._accept(client, telegram)

    def _generic(self, client: _Client, telegram: Telegram) -> None:
        mid, revision, extra = parse_subscription(telegram)
        if mid != op.TRACE or not self.settings.has_traces:
            code = 73
        elif revision != 1:
            code = 74
        elif telegram.mid == op.SUBSCRIBE and client.traces:
            code = 71
        elif telegram.mid == op.UNSUBSCRIBE and not client.traces:
            code = 72
        else:
            client.traces = subscribed_kinds(extra) if telegram.mid == op.SUBSCRIBE else ()
            self._send(client, Telegram(op.COMMAND_ACCEPTED, 1, f"{mid:04d}".encode()))
            return
        self._send(client, Telegram(op.COMMAND_ERROR, 1, f"{mid:04d}{code:02d}".encode()))

    def _old_result(self, client: _Client, telegram: Telegram) -> None:
        number = int(telegram.data) if telegram.data.isdigit() else -1
        bolt = self._stored.get(number) if number else next(reversed(self._stored.values()), None)
        if telegram.revision > self.settings.result_revision:
            self._refuse(client, telegram, 97)
        elif bolt is None:
            self._refuse(client, telegram, 15)
        else:
            data = encode_result(bolt.values, telegram.revision, old=True)
            self._send(client, Telegram(op.OLD_RESULT_REPLY, telegram.revision, data, station=1, spindle=bolt.spindle))

    def _subscribe_alarms(self, client: _Client, telegram: Telegram) -> None:
        if client.alarms:
            self._refuse(client, telegram, 11)
            return
        client.alarms = True
        self._accept(client, telegram)
        values = {"active": 0, "code": "", "controller_ready": 1, "tool_ready": 1, "time": self._now()}
        self._push(op.ALARM_STATUS, encode_message(op.ALARM_STATUS, 1, values), {op.ALARM_STATUS_ACK})

    def _unsubscribe_alarms(self, client: _Client, telegram: Telegram) -> None:
        client.alarms = False
        self._accept(client, telegram)

    def _tool(self, client: _Client, telegram: Telegram) -> None:
        values = {"serial": self.settings.tool, "tightenings": len(self.made), "calibrated": self.settings.calibrated, "model": "ST"}
        self._reply(client, op.TOOL_REPLY, telegram.revision, values, most=5)

    def _program_ids(self, client: _Client, telegram: Telegram) -> None:
        self._reply(client, op.PROGRAM_IDS_REPLY, telegram.revision, {"programs": [self.settings.program.number]}, most=1)

    def _program(self, client: _Client, telegram: Telegram) -> None:
        program = self.settings.program
        if telegram.data.strip() != b"%03d" % program.number:
            self._refuse(client, telegram, 2)
            return
        values = {
            "program": program.number,
            "program_name": program.name,
            "direction": 1,
            "torque_target_nm": program.torque_target_nm,
            "torque_min_nm": program.torque_min_nm,
            "torque_max_nm": program.torque_max_nm,
            "angle_min_deg": program.angle_min_deg,
            "angle_max_deg": program.angle_max_deg,
            "angle_target_deg": program.angle_target_deg,
            "snug_torque_nm": program.snug_nm,
        }
        self._reply(client, op.PROGRAM_REPLY, telegram.revision, values, most=2)

    def _select_program(self, client: _Client, telegram: Telegram) -> None:
        if telegram.data.strip() == b"%03d" % self.settings.program.number:
            self._accept(client, telegram)
        else:
            self._refuse(client, telegram, 2)

    def _identifier(self, client: _Client, telegram: Telegram) -> None:
        self._part, self._batch = telegram.data.decode("latin-1").strip(), 0
        self._accept(client, telegram)

    def _time(self, client: _Client, telegram: Telegram) -> None:
        self._reply(client, op.TIME_REPLY, telegram.revision, {"time": self._now()}, most=1)

    def _accepted(self, client: _Client, telegram: Telegram) -> None:
        self._accept(client, telegram)

    def _accept(self, client: _Client, telegram: Telegram) -> None:
        self._send(client, Telegram(op.COMMAND_ACCEPTED, 1, f"{telegram.mid:04d}".encode()))

    def _refuse(self, client: _Client, telegram: Telegram, code: int) -> None:
        self._send(client, Telegram(op.COMMAND_ERROR, 1, f"{telegram.mid:04d}{code:02d}".encode()))

    def _reply(self, client: _Client, mid: int, revision: int, values: Mapping[str, Any], *, most: int = 99) -> None:
        if revision > most:
            self._send(client, Telegram(op.COMMAND_ERROR, 1, f"{mid - 1:04d}97".encode()))
            return
        self._send(client, Telegram(mid, revision, encode_message(mid, revision, values)))

    def _send(self, client: _Client, telegram: Telegram) -> None:
        client.writer.write(encode_telegram(telegram))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_us() // 1_000_000, UTC)

    async def _push_all(self, client: _Client) -> None:
        """Send what waits, one after the other, each until it is acknowledged."""
        while True:
            if not self._queue or not (client.results or client.multiple or client.alarms):
                self._queued.clear()
                await self._queued.wait()
                continue
            push = client.underway = self._queue.popleft()
            client.acked.clear()
            try:
                await self._push_one(client, push)
            except ConnectionError:
                client.writer.transport.abort()
                return

    async def _push_one(self, client: _Client, push: _Push) -> None:
        content = push.content()
        if push.mid == op.RESULT:
            if self._take_fault(LinkFault.CUT):
                client.writer.write(content[: len(content) // 2])
                await client.writer.drain()
                raise ConnectionAbortedError("cut on command")
            if self._take_fault(LinkFault.MALFORMED):
                content = content[:22] + b"????" + content[26:]
        times = 2 if push.mid == op.RESULT and self._take_fault(LinkFault.DUPLICATE) else 1
        for attempt in range(_TRIES):
            if not self._silent:
                client.writer.write(content if attempt else content * times)
                self.resent += attempt > 0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.acked.wait(), self.settings.resend_seconds)
                return
        raise ConnectionAbortedError("the client does not acknowledge")

    def _take_fault(self, fault: LinkFault) -> bool:
        if fault not in self._faults:
            return False
        self._faults.remove(fault)
        return True


_SIMPLE: Final = {
    op.COMMUNICATION_STOP: "_stop",
    op.RESULT_SUBSCRIBE: "_subscribe_results",
    op.RESULT_UNSUBSCRIBE: "_unsubscribe_results",
    op.SPINDLES_SUBSCRIBE: "_subscribe_multiple",
    op.SPINDLES_UNSUBSCRIBE: "_unsubscribe_multiple",
    op.OLD_RESULT: "_old_result",
    op.ALARM_SUBSCRIBE: "_subscribe_alarms",
    op.ALARM_UNSUBSCRIBE: "_unsubscribe_alarms",
    op.TOOL: "_tool",
    op.PROGRAM_IDS: "_program_ids",
    op.PROGRAM: "_program",
    op.SELECT_PROGRAM: "_select_program",
    op.SEND_IDENTIFIER: "_identifier",
    op.TIME: "_time",
    op.SET_TIME: "_accepted",
    op.JOB_SUBSCRIBE: "_accepted",
    op.JOB_UNSUBSCRIBE: "_accepted",
    op.IDENTIFIER_SUBSCRIBE: "_accepted",
    op.IDENTIFIER_UNSUBSCRIBE: "_accepted",
}
