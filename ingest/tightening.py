"""One tightening controller: its results and curves, each acknowledged only when it is durable, and none missing unseen.

The ledger's measure are the controller's tightening ids, which rise by one: a missing one is asked for (MID 0064), and what the
controller no longer has becomes a gap. A result and a trace are one sample each to the ledger.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from ingest.account import Account
from ingest.health import SourceHealth
from ingest.records import Mark, Record
from ingest.tightening_numbers import TighteningNumbers
from ingest.tightening_values import ToolSource, result_of, time_us_of, trace_of
from ingest.writer import RecordWriter, Submission
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.ledger import GapReason
from plant.samples import empty
from plant.tightening import TighteningResult, TighteningTrace, TraceKind
from protocols import open_protocol as op
from protocols.open_protocol import REVISION_ERRORS, Telegram
from protocols.open_protocol_client import CommandRefused, OpenProtocolConnection, OpenProtocolEndpoint
from protocols.open_protocol_messages import parse_message
from protocols.open_protocol_results import RESULT_REVISIONS, parse_result, parse_spindles
from protocols.open_protocol_traces import parse_trace, trace_subscription

_MOST_FETCHED: Final = 2000
"""Missing results that are asked for one after the other; more than these become a gap at once."""
_QUIET_SECONDS: Final = 0.5
_BEAT_SECONDS: Final = 1.0
_LOST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0
_REFUSED_PAUSE_SECONDS: Final = 10.0
_TRACE_SECONDS: Final = 60.0
"""So long after its result a curve may come; later it counts as missing."""
_CLOCK_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)
_TRACES: Final = (TraceKind.TORQUE, TraceKind.ANGLE)
_ACKS: Final = {
    op.ALARM: op.ALARM_ACK,
    op.ALARM_ACKNOWLEDGED: op.ALARM_ACKNOWLEDGED_ACK,
    op.ALARM_STATUS: op.ALARM_STATUS_ACK,
    op.JOB_INFO: op.JOB_INFO_ACK,
    op.PROGRAM_SELECTED: op.PROGRAM_SELECTED_ACK,
    op.IDENTIFIER: op.IDENTIFIER_ACK,
}


class TighteningReader:
    """Reads one controller in a thread of its own; connects again by itself."""

    def __init__(
        self,
        source: ToolSource,
        endpoint: OpenProtocolEndpoint,
        writer: RecordWriter,
        health: SourceHealth,
        clock: Clock,
        *,
        seed: int,
        connect: Callable[[OpenProtocolEndpoint, Clock], OpenProtocolConnection] = OpenProtocolConnection,
    ) -> None:
        self._source = source
        self._endpoint = endpoint
        self._writer = writer
        self.health = health
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._connect = connect
        self._account = Account(source.id, complete=not source.shared_numbers)
        self._connection: OpenProtocolConnection | None = None
        self._connections = 0
        self._run_number = 0
        self._started_over = threading.Event()
        self._stopping = threading.Event()
        self._numbers = TighteningNumbers(multiple=source.multiple, shared=source.shared_numbers)
        self._awaited: dict[int, tuple[float, int, set[TraceKind]]] = {}
        self._traces_come = False
        self._tool: dict[str, Any] = {}
        self._controller = ""
        self._revision = 1
        self._old_revision: int | None = None
        self._poisoned = 0
        self._thread = threading.Thread(target=self._run, name=f"tools {source.id}", daemon=True)

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask to end; the last record is submitted before the thread ends."""
        self._stopping.set()

    def join(self, seconds: float) -> bool:
        """Return whether the thread has ended within some seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def disconnect(self) -> None:
        """Leave the controller: after the last record is durable, so that what it told is acknowledged."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self) -> None:
        self._numbers.restore(self._writer.state_of(self._source.id))
        failures = 0
        while not self._stopping.is_set():
            pause, before = _LOST_PAUSE_SECONDS, self._connections
            try:
                self._session()
            except Unavailable as error:
                self._say("away", str(error))
                failures = 0 if self._connections > before else failures + 1
                pause = min(_LONGEST_PAUSE_SECONDS, 0.25 * 2 ** min(failures, 6))
            except Rejected as error:
                self._say("refused", str(error))
                pause = _REFUSED_PAUSE_SECONDS
            except Exception as error:  # noqa: BLE001 - one source must never stop for good
                _log.exception("the reader of a source failed; going on", source=self._source.id, error=repr(error))
                self._started_over.set()
            if not self._stopping.is_set():
                self.disconnect()
                self._submit_account()
                self._rest(pause * (0.5 + self._random.random()))
        self._submit_account()
        self._say("stopped", "")

    def _rest(self, seconds: float) -> None:
        """Wait for some seconds, or until the stop, and show meanwhile that this reader lives."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self.health.beat()
            if self._stopping.wait(min(left, _BEAT_SECONDS)):
                return

    def _session(self) -> None:
        """Read until the stop, or until what was read must be read again. Raises Unavailable when the link is lost."""
        if self._started_over.is_set():
            self._begin_again()
        connection = self._connect(self._endpoint, self._clock)
        connection.alive = self.health.beat
        self._connection = connection
        facts = connection.open()
        self._controller = str(facts.get("name") or "")
        self._connections += 1
        self.health.reconnects = self._connections - 1
        self._learn_tool(connection)
        self._compare_clocks(connection)
        self._subscribe(connection)
        self._say("connected", "")
        _log.info("controller connected", source=self._source.id, controller=self._controller, revision=self._revision)
        quiet_since: float | None = self._clock.monotonic()
        while not self._stopping.is_set():
            if self._started_over.is_set():
                return
            if self._take_one(connection, 0.25):
                quiet_since = None if quiet_since is None else self._clock.monotonic()
            elif quiet_since is not None and self._clock.monotonic() - quiet_since >= _QUIET_SECONDS:
                # what the controller kept for us has come by itself; the rest is asked for
                quiet_since = None
                self._catch_up(connection)
            self._look_after_traces()

    def _take_one(self, connection: OpenProtocolConnection, seconds: float) -> bool:
        """Take the next telegram; return whether there was one."""
        try:
            telegram = connection.receive(seconds)
        except Rejected as error:
            self._poison(None, str(error))
            return True
        if telegram is None:
            return False
        if telegram.mid == op.RESULT:
            self._result(connection, telegram)
        elif telegram.mid == op.SPINDLES_RESULT:
            self._spindles(connection, telegram)
        elif telegram.mid == op.TRACE:
            self._trace(connection, telegram)
        elif telegram.mid in _ACKS:
            if telegram.mid in (op.ALARM, op.ALARM_STATUS):
                self._alarm(telegram)
            connection.send(Telegram(_ACKS[telegram.mid]))
        elif telegram.mid == op.TRACE_PLOT:
            connection.send(_accepted(op.TRACE_PLOT))
        return True

    def _result(self, connection: OpenProtocolConnection, telegram: Telegram) -> None:
        acknowledge = self._later(connection, Telegram(op.RESULT_ACK))
        try:
            result = self._made(parse_result(telegram), telegram)
        except Rejected as error:
            self._poison(telegram, str(error))
            self._submit((), (), acknowledge)
            return
        if self._numbers.knows(result):
            self._account.count(self._clock.now_us(), duplicate=1)
            self._submit((), (), acknowledge)
            return
        self._fill_gap(connection, result)
        self._keep(result, acknowledge)

    def _spindles(self, connection: OpenProtocolConnection, telegram: Telegram) -> None:
        acknowledge = self._later(connection, Telegram(op.SPINDLES_RESULT_ACK))
        try:
            results = [self._made(told, telegram) for told in parse_spindles(telegram)]
        except Rejected as error:
            self._poison(telegram, str(error))
            self._submit((), (), acknowledge)
            return
        if self._numbers.knows(results[0]):
            self._account.count(self._clock.now_us(), duplicate=len(results))
            self._submit((), (), acknowledge)
            return
        missing = self._missing_before(results[0])
        if missing:
            self._note_missing(missing, results[0].time_us, times=len(results))
        for result in results:
            self._remember(result)
        self._account.count(self._clock.now_us(), stored=len(results))
        self._submit(tuple(results), (), acknowledge)

    def _keep(self, result: TighteningResult, acknowledge: Callable[[], None] | None) -> None:
        self._remember(result)
        self._account.count(self._clock.now_us(), stored=1)
        if self._traces_come and not result.fetched:
            self._awaited[result.tightening_id] = (self._clock.monotonic(), result.time_us, set(_TRACES))
        self._submit((result,), (), acknowledge)

    def _trace(self, connection: OpenProtocolConnection, telegram: Telegram) -> None:
        acknowledge = self._later(connection, _accepted(op.TRACE))
        now = self._clock.now_us()
        try:
            kept = trace_of(self._source, parse_trace(telegram), telegram, now)
        except Rejected as error:
            self._poison(telegram, str(error))
            self._submit((), (), acknowledge)
            return
        if self._numbers.knows_trace(kept):
            self._account.count(now, duplicate=1)
            self._submit((), (), acknowledge)
            return
        self._numbers.remember_trace(kept)
        self._traces_come = True
        awaited = self._awaited.get(kept.tightening_id)
        if awaited is not None:
            awaited[2].discard(kept.kind)
            if not awaited[2]:
                del self._awaited[kept.tightening_id]
        self._account.count(now, stored=1)
        self._submit((), (kept,), acknowledge)

    def _alarm(self, telegram: Telegram) -> None:
        try:
            told = parse_message(telegram)
        except Rejected as error:
            self._poison(telegram, str(error))
            return
        active = telegram.mid == op.ALARM or bool(told.get("active"))
        if not active:
            return
        words = f"alarm {told['code']} {told.get('text', '')}".strip()
        _log.warning("a controller raised an alarm", source=self._source.id, alarm=words, tool_ready=told.get("tool_ready"))
        self._say("connected", words)

    def _learn_tool(self, connection: OpenProtocolConnection) -> None:
        """Ask for the tool's serial number and its calibration; a controller need not tell."""
        for revision in (5, 2, 1):
            try:
                self._tool = parse_message(connection.ask(Telegram(op.TOOL, revision, station=self._source.station), op.TOOL_REPLY))
            except CommandRefused as refusal:
                if refusal.code not in REVISION_ERRORS:
                    return
            except Rejected as error:
                _log.warning("what the controller tells of its tool cannot be read", source=self._source.id, reason=str(error))
                return
            else:
                return

    def _compare_clocks(self, connection: OpenProtocolConnection) -> None:
        try:
            time = parse_message(connection.ask(Telegram(op.TIME), op.TIME_REPLY)).get("time")
        except Rejected:
            return
        if time is None:
            return
        ahead = (time_us_of(self._source, time) - self._clock.now_us()) / 1e6
        if abs(ahead) > _CLOCK_SECONDS:
            _log.warning("the controller's clock is off", source=self._source.id, seconds_ahead=round(ahead), zone=str(self._source.zone))

    def _subscribe(self, connection: OpenProtocolConnection) -> None:
        source = self._source
        addressed = source.spindles or (0,)
        if source.curves:
            self._subscribe_traces(connection)
        if source.alarms:
            with contextlib.suppress(CommandRefused):
                connection.subscribe(op.ALARM_SUBSCRIBE, (1,), station=source.station, exists=11)
        for spindle in addressed:
            if source.multiple:
                self._revision = connection.subscribe(op.SPINDLES_SUBSCRIBE, (1,), station=source.station, spindle=spindle, exists=33)
            else:
                self._revision = connection.subscribe(
                    op.RESULT_SUBSCRIBE, source.revisions, station=source.station, spindle=spindle, exists=9
                )

    def _subscribe_traces(self, connection: OpenProtocolConnection) -> None:
        for kinds in (_TRACES, (TraceKind.TORQUE,)):
            request = Telegram(op.SUBSCRIBE, 1, trace_subscription(kinds), station=self._source.station)
            try:
                connection.ask(request, about=op.TRACE)
            except CommandRefused as refusal:
                if refusal.code == 71:
                    return
                self._traces_come = False
                _log.info("the controller sends no curves", source=self._source.id, reason=str(refusal))
            else:
                return

    def _catch_up(self, connection: OpenProtocolConnection) -> None:
        """Ask for what was tightened while nobody listened."""
        if self._numbers.last is None or self._source.multiple or self._source.shared_numbers:
            return
        newest = self._ask_old(connection, 0)
        if newest is None or self._numbers.knows(newest):
            return
        self._fill_gap(connection, newest)
        self._keep(newest, None)

    def _fill_gap(self, connection: OpenProtocolConnection, result: TighteningResult) -> None:
        """Ask for the results between the last one and this one; what the controller does not have is a gap."""
        missing = self._missing_before(result)
        if not missing:
            return
        lost: list[int] = list(missing[:-_MOST_FETCHED]) if len(missing) > _MOST_FETCHED else []
        for number in missing[-_MOST_FETCHED:]:
            old = self._ask_old(connection, number)
            if old is None:
                lost.append(number)
                continue
            if lost:
                self._note_missing(lost, old.time_us)
                lost = []
            self._keep(old, None)
        if lost:
            self._note_missing(lost, result.time_us)

    def _missing_before(self, result: TighteningResult) -> range:
        """Return the numbers between the last result and this one; none where the numbering began anew or is shared."""
        numbers = self._numbers
        missing = numbers.missing_before(result)
        if missing is not None:
            return missing
        detail = f"the controller numbers anew: tightening {result.tightening_id} came after {numbers.last}"
        until_us = max(result.time_us, numbers.last_us + 1)
        self._account.missed(numbers.last_us, until_us, 0, GapReason.SEQUENCE, None, detail)
        _log.warning("a controller numbers its tightenings anew", source=self._source.id, last=numbers.last, now=result.tightening_id)
        return range(0)

    def _note_missing(self, numbers: Sequence[int], until_us: int, *, times: int = 1) -> None:
        words = f"tightening {numbers[0]} is" if len(numbers) == 1 else f"tightenings {numbers[0]} to {numbers[-1]} are"
        detail = f"{words} missing, and the controller no longer has {'it' if len(numbers) == 1 else 'them'}"
        until = max(until_us, self._numbers.last_us + 1)
        self._account.missed(self._numbers.last_us or until - 1, until, len(numbers) * times, GapReason.SEQUENCE, None, detail)
        _log.warning("tightenings are missing", source=self._source.id, first=numbers[0], last=numbers[-1])
        self._numbers.last = numbers[-1]

    def _ask_old(self, connection: OpenProtocolConnection, number: int) -> TighteningResult | None:
        """Return one result by its number (0: the newest), None where the controller does not have it."""
        revisions = (
            (self._old_revision,) if self._old_revision else tuple(r for r in RESULT_REVISIONS if r <= max(1, min(self._revision, 7)))
        )
        for revision in revisions:
            request = Telegram(op.OLD_RESULT, revision, b"%010d" % number, station=self._source.station)
            try:
                reply = connection.ask(request, op.OLD_RESULT_REPLY)
                self._old_revision = revision
                return self._made(parse_result(reply), reply, fetched=True)
            except CommandRefused as refusal:
                if refusal.code not in REVISION_ERRORS:
                    return None
            except Rejected as error:
                _log.warning("an old result cannot be read", source=self._source.id, number=number, reason=str(error))
                return None
        return None

    def _made(self, told: dict[str, Any], telegram: Telegram, *, fetched: bool = False) -> TighteningResult:
        return result_of(self._source, told, telegram, self._tool, self._controller, self._clock.now_us(), fetched=fetched)

    def _remember(self, result: TighteningResult) -> None:
        self._numbers.remember(result)
        self.health.last_sample_us = result.time_us

    def _look_after_traces(self) -> None:
        now = self._clock.monotonic()
        late = [number for number, (since, _, _) in self._awaited.items() if now - since > _TRACE_SECONDS]
        if late:
            self._give_up_traces(late)
            self._submit_account()

    def _give_up_traces(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            _, time_us, kinds = self._awaited.pop(number)
            detail = f"{' and '.join(sorted(kind.value for kind in kinds))} of tightening {number}: the controller sent no curve"
            self._account.missed(time_us, time_us + 1, len(kinds), GapReason.SEQUENCE, None, detail)

    def _poison(self, telegram: Telegram | None, why: str) -> None:
        """Count a telegram that cannot be read as rejected, and keep a sample of such telegrams in the log."""
        self._account.count(self._clock.now_us(), rejected=1)
        self._poisoned += 1
        if self._poisoned & (self._poisoned - 1) == 0:
            data = "" if telegram is None else repr(telegram.data[:200])
            _log.warning("a telegram was rejected", source=self._source.id, reason=why, data=data, rejected_so_far=self._poisoned)

    def _submit_account(self) -> None:
        if not self._account.idle:
            self._submit((), (), None)

    def _submit(
        self, results: tuple[TighteningResult, ...], traces: tuple[TighteningTrace, ...], acknowledge: Callable[[], None] | None
    ) -> None:
        """Submit what was taken as one record; it is acknowledged when it is durable."""
        now = self._clock.now_us()
        told = self._account.record(Mark(now, 0, 0, (), self._numbers.to_keep), empty())
        self._account.complete = not self._source.shared_numbers
        record = Record(told.source, told.samples, told.ledger, told.gaps, told.mark, results, traces)
        self.health.note(record, now, now)
        again = acknowledge is not None or bool(results)  # sent again where not acknowledged, asked for again by its number
        submission = Submission(record, acknowledge, self._on_lost, again, self._run_number)
        if not self._writer.submit(submission):
            self._on_lost(record)

    def _later(self, connection: OpenProtocolConnection, telegram: Telegram) -> Callable[[], None]:
        """Return what acknowledges over a connection; void once it is lost, because the controller then sends again."""

        def acknowledge() -> None:
            with contextlib.suppress(Unavailable):
                connection.send(telegram)

        return acknowledge

    def _on_lost(self, record: Record) -> None:
        """Be told, in the writer's thread, that a record was not kept: the controller must send it again."""
        del record
        self._started_over.set()

    def _begin_again(self) -> None:
        """Go back to what is durable; the controller sends the rest again over a new link, or is asked for it."""
        self._started_over.clear()
        self._run_number += 1
        self._account = Account(self._source.id, complete=not self._source.shared_numbers)
        self._awaited.clear()
        self._numbers.restore(self._writer.state_of(self._source.id))

    def _say(self, state: Any, detail: str) -> None:
        if self.health.say(state, detail, self._clock.now_us()):
            _log.info("source " + state, source=self._source.id, detail=detail)


def _accepted(mid: int) -> Telegram:
    return Telegram(op.COMMAND_ACCEPTED, 1, b"%04d" % mid)
