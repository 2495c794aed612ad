"""One MQTT source: messages become samples, and a message is acknowledged only when its samples are durable."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import structlog

from ingest.account import Account
from ingest.health import SourceHealth
from ingest.messages import MessageTable
from ingest.records import Mark, Record, SourceState
from ingest.topics import Arrival, Topic, plan_topics
from ingest.writer import RecordWriter, Submission
from plant.clock import Clock
from plant.errors import Rejected
from plant.ledger import GapReason, minute_of
from plant.samples import NO_TIME
from plant.settings import MqttTopicSettings
from plant.signals import Signal, SourceId
from protocols.mqtt_client import AckToken, MqttConnection, MqttEndpoint, MqttMessage, MqttState
from protocols.mqtt_payloads import PayloadColumns, decode

_WAITING: Final = 4000
_LINGER_SECONDS: Final = 0.1
_GROUP: Final = 16
"""Messages that end the lingering: mosquitto sends no more than 20 before it hears of one."""
_LARGEST_GROUP: Final = 2000
_REFUSED_PAUSE_SECONDS: Final = 10.0
_log = structlog.get_logger(__name__)


class MqttSubscriber:
    """Takes the messages of one source in a thread of its own."""

    def __init__(
        self,
        source: SourceId,
        signals: Sequence[Signal],
        topics: Sequence[MqttTopicSettings],
        endpoint: Callable[[], MqttEndpoint],
        writer: RecordWriter,
        health: SourceHealth,
        clock: Clock,
        state: SourceState | None,
        *,
        connect: Callable[..., MqttConnection] = MqttConnection,
    ) -> None:
        self._source = source
        self._signals = tuple(signals)
        self._filters = [(topic.filter, topic.qos) for topic in topics]
        self._endpoint = endpoint
        self._writer = writer
        self.health = health
        self._clock = clock
        self._connect = connect
        self._account = Account(source)
        self._topics, self._unfit = plan_topics(topics, self._signals)
        self._table = MessageTable(self._signals, self._stored_times(state))
        self._restore(state)
        self._ended_us = None if state is None else state.mark.end_us
        self._queue: queue.Queue[MqttMessage] = queue.Queue(_WAITING)
        self._tokens: list[AckToken] = []
        self._numbers: dict[str, int] = {}
        self._unnumbered = 0
        self._run_number = 0
        self._since_us = 0
        self._started_over = threading.Event()
        self._fresh_session = threading.Event()
        self._connections = 0
        self._poisoned = 0
        self._stopping = threading.Event()
        self._connection: MqttConnection | None = None
        self._thread = threading.Thread(target=self._run, name=f"mqtt {source}", daemon=True)

    def start(self) -> None:
        """Begin to listen; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask to end; the last record is submitted before the thread ends."""
        self._stopping.set()

    def join(self, seconds: float) -> bool:
        """Return whether the thread has ended within some seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def disconnect(self) -> None:
        """Leave the broker: after the last record is durable, so that its messages are acknowledged."""
        if self._connection is not None:
            self._connection.stop()

    def _run(self) -> None:
        self._since_us = self._clock.now_us()
        if self._unfit:
            _log.warning("signals fit no topic of their source", source=self._source, count=len(self._unfit), first=self._unfit[0])
        while not self._stopping.is_set() and self._connection is None:
            try:
                connection = self._connect(self._endpoint(), self._take, self._on_state)
                connection.subscribe(self._filters)
                connection.start()
                self._connection = connection
            except Exception as error:  # noqa: BLE001 - one source must never stop for good
                if not isinstance(error, Rejected):
                    _log.exception("a source cannot be reached; trying again", source=self._source, error=repr(error))
                self.health.say("refused", str(error), self._clock.now_us())
                self._stopping.wait(_REFUSED_PAUSE_SECONDS)
        while not self._stopping.is_set():
            try:
                self._gather()
            except Exception as error:  # noqa: BLE001 - one source must never stop for good
                _log.exception("the reader of a source failed; going on", source=self._source, error=repr(error))
                self._begin_again()
        self._drain()
        self._flush(last=True)
        self.health.say("stopped", "", self._clock.now_us())

    def _take(self, message: MqttMessage) -> bool:
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            return False
        return True

    def _gather(self) -> None:
        """Take messages until a group is worth a sync."""
        if self._started_over.is_set():
            self._begin_again()
        if self._fresh_session.is_set():
            self._note_fresh_session()
        try:
            self._message(self._queue.get(timeout=0.25))
        except queue.Empty:
            self._flush_if_due()
            return
        deadline = self._clock.monotonic() + _LINGER_SECONDS
        taken = 1
        while taken < _LARGEST_GROUP:
            left = deadline - self._clock.monotonic()
            try:
                # once a group is full, only what waits already is taken
                message = self._queue.get_nowait() if len(self._tokens) >= _GROUP else self._queue.get(timeout=max(0.0, left))
            except queue.Empty:
                break
            self._message(message)
            taken += 1
            if left <= 0 and len(self._tokens) < _GROUP:
                break
        if self._tokens:
            self._flush()
        else:
            self._flush_if_due()

    def _drain(self) -> None:
        """Take what waits already; what comes later is sent again, as it is not acknowledged."""
        for _ in range(_WAITING):
            try:
                self._message(self._queue.get_nowait())
            except queue.Empty:
                return

    def _message(self, message: MqttMessage) -> None:
        now = self._clock.now_us()
        if minute_of(now) != minute_of(self._since_us):
            self._flush(last=True)
        if message.qos:
            self._tokens.append(message.token)
        topic = self._topics.get(message.topic)
        if topic is None:
            return
        if message.oversized:
            self._poison(message, topic, f"{message.oversized:,} bytes are more than max_payload_bytes allows", now)
            return
        try:
            columns = decode(topic.form, topic.keys, message.payload)
        except Rejected as error:
            self._poison(message, topic, str(error), now)
            return
        if columns.sequence is None and not message.retain:
            self._account.complete = False
        if topic.arrive(message, columns) is Arrival.DUPLICATE:
            self._account.count(now, duplicate=len(columns))
        else:
            self._keep(message, topic, columns, now)

    def _keep(self, message: MqttMessage, topic: Topic, columns: PayloadColumns, now: int) -> None:
        """Keep what a new message says, after accounting for those missing before it."""
        if topic.skipped:
            detail = f"{topic.skipped} messages of '{topic.name}' are missing"
            self._account.missed(now, now + 1, topic.skipped * max(1, len(columns)), GapReason.SEQUENCE, None, detail)
        if topic.sequence is not None and not message.retain:
            self._numbers[topic.name] = topic.sequence
        outcome = self._table.take(now, columns, topic.places, retained=message.retain)
        self._account.count(now, stored=outcome.stored, filtered=outcome.filtered, duplicate=outcome.duplicate)
        if not message.qos:
            self._unnumbered += outcome.stored
        if len(outcome.mismatched):
            paths = [self._signals[place].path for place in outcome.mismatched.tolist()]
            self._account.grow(now, now + 1, paths, GapReason.TYPE, "another data type")

    def _poison(self, message: MqttMessage, topic: Topic, why: str, now: int) -> None:
        """Count a payload that cannot be read as rejected, and keep a sample of such payloads in the log."""
        self._account.count(now, rejected=len(topic.keys))
        topic.unread += not message.retain
        self._poisoned += 1
        if self._poisoned & (self._poisoned - 1) == 0:
            _log.warning(
                "a payload was rejected",
                source=self._source,
                topic=message.topic,
                reason=why,
                payload=repr(message.payload[:120]),
                rejected_so_far=self._poisoned,
            )

    def _flush_if_due(self) -> None:
        now = self._clock.now_us()
        if minute_of(now) != minute_of(self._since_us):
            self._flush(last=True)
        elif self._tokens or now - self._since_us >= 1_000_000:
            self._flush()

    def _flush(self, *, last: bool = False) -> None:
        """Submit what was gathered as one record; its messages are acknowledged when it is durable."""
        now = self._clock.now_us()
        if last:
            self._account.close_open()
        from_us, self._since_us = self._since_us, now
        tokens, self._tokens = self._tokens, []
        if self._account.idle and not len(self._table):
            # only messages that carry none of our signals
            self._acknowledge(tokens)
            return
        mark = Mark(now, 0, len(self._signals), self._account.open, tuple(self._numbers.items()))
        record = self._account.record(mark, self._table.harvest())
        self._account.complete = True
        self._numbers = {}
        self.health.note(record, from_us, now)
        on_durable = (lambda: self._acknowledge(tokens)) if tokens else None
        again = bool(tokens) and self._unnumbered == 0
        self._unnumbered = 0
        if not self._writer.submit(Submission(record, on_durable, self._on_lost, again, self._run_number)):
            self._on_lost(record)

    def _acknowledge(self, tokens: list[AckToken]) -> None:
        if self._connection is not None and tokens:
            self._connection.acknowledge(tokens)

    def _on_lost(self, record: Record) -> None:
        """Be told, in the writer's thread, that a record was not kept: the broker must send its messages again."""
        del record
        self._started_over.set()

    def _begin_again(self) -> None:
        """Go back to what is durable, and have the broker send the rest again."""
        self._stopping.wait(0.5)
        self._started_over.clear()
        self._run_number += 1
        if self._connection is not None:
            self._connection.reconnect()
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        self._tokens = []
        self._numbers = {}
        self._account = Account(self._source)
        state = self._writer.state_of(self._source)
        self._table.forget(self._stored_times(state))
        self._restore(state)

    def _on_state(self, state: MqttState, detail: str, session_kept: bool) -> None:
        now = self._clock.now_us()
        if state is MqttState.CONNECTED:
            self._connections += 1
            self.health.reconnects = self._connections - 1
            if not session_kept:
                self._fresh_session.set()
        if self.health.say(state.value, detail, now):
            _log.info("source " + state.value, source=self._source, detail=detail, session_kept=session_kept)
            if state is MqttState.AWAY:
                self._ended_us = now

    def _note_fresh_session(self) -> None:
        """Tell that messages may be missing: the broker kept none while we were away. Only sequence numbers tell how many."""
        self._fresh_session.clear()
        if self._ended_us is None:
            return
        reason = GapReason.DISCONNECTED if self._connections > 1 else GapReason.STOPPED
        detail = "the broker kept no session: what was sent meanwhile is missing"
        self._account.missed(self._ended_us, self._clock.now_us(), 0, reason, None, detail)
        self._ended_us = None

    def _stored_times(self, state: SourceState | None) -> npt.NDArray[np.int64]:
        paths = tuple(signal.path for signal in self._signals)
        return np.full(len(paths), NO_TIME) if state is None else state.times_for(paths)

    def _restore(self, state: SourceState | None) -> None:
        times = self._stored_times(state)
        numbers = {} if state is None else state.sequences
        for topic in self._topics.values():
            # a sender whose clock was ahead and is right now must not wait for that time to come
            newest = min(int(times[topic.places].max()), self._clock.now_us())
            topic.resume(numbers.get(topic.name), newest)
