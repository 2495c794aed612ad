"""One MQTT source: messages become samples, and a message is acknowledged only when its samples are durable.

Messages come, are read, judged and kept many at a time. What the broker sends again when it is not acknowledged (QoS 1) and what it
does not (QoS 0) go into records of their own: when the spool is full, the first is asked for again and the second is a gap.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt
import structlog

from ingest.account import Account
from ingest.cuts import is_cut, seconds_to_cut
from ingest.health import SourceHealth
from ingest.messages import MessageTable, Rows
from ingest.records import Mark, Record, SourceState
from ingest.topics import Came, Doubles, judge, plan_topics
from ingest.waiting import WAITING_BYTES, Batch, Waiting
from ingest.writer import RecordWriter, Submission
from plant.clock import Clock
from plant.errors import Rejected
from plant.ledger import GapReason, minute_of
from plant.samples import NO_TIME
from plant.settings import MqttTopicSettings
from plant.signals import Signal, SourceId
from protocols.mqtt_client import MqttConnection, MqttEndpoint, MqttState
from protocols.mqtt_frames import Published
from protocols.mqtt_many import ManyPayloads
from protocols.mqtt_many_columns import ManyColumns, merged_columns
from protocols.mqtt_payloads import PayloadForm, SignalKey

_IDLE_SECONDS: Final = 0.25
_LINGER_SECONDS: Final = 0.1
_GROUP: Final = 16
"""Messages that end the lingering when no more come: a broker may send no more than 20 before it hears of one."""
_SILENCE_SECONDS: Final = 0.02
_LARGEST_GROUP: Final = 100_000
"""Samples that are a record's worth."""
_REFUSED_PAUSE_SECONDS: Final = 10.0
_FULL_PAUSE_SECONDS: Final = 0.02
_LAST_PATIENCE_SECONDS: Final = 5.0
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Gathering:
    """What becomes the next record: its samples, its account, and what is acknowledged with it."""

    account: Account
    table: MessageTable
    offered_again: bool
    since_us: int = 0
    numbers: dict[str, int] = field(default_factory=dict)
    packet_ids: list[int] = field(default_factory=list)
    connection: int = 0


class MqttSubscriber:
    """Takes the messages of one source in a thread of its own. ``share``: readers that subscribe by the same name share the messages."""

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
        share: str | None = None,
        connect: Callable[..., MqttConnection] = MqttConnection,
    ) -> None:
        self._source = source
        self._signals = tuple(signals)
        self._share = share
        self._endpoint = endpoint
        self._writer = writer
        self.health = health
        self._clock = clock
        self._connect = connect
        self._topics, self._unfit = plan_topics(topics, self._signals, shared=share is not None)
        self._filters = _filters(topics, share)
        self._plan()
        times = self._stored_times(state)
        self._again = _Gathering(Account(source), MessageTable(self._signals, times), offered_again=True)
        self._once = _Gathering(Account(source), MessageTable(self._signals, times), offered_again=False)
        self._doubles = Doubles()
        self._restore(state)
        self._ended_us = None if state is None else state.mark.end_us
        self._waiting = Waiting()
        self._window = 0
        self._enough = _GROUP
        """Messages that are a group: as many as the broker sends before it waits to hear of them."""
        self._unheard = False
        self._run_number = 0
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

    def _plan(self) -> None:
        """Find for each topic its place, who reads its payloads, and where its keys begin in the list of all keys."""
        self._place_of = {topic.name: place for place, topic in enumerate(self._topics)}
        forms: dict[tuple[PayloadForm, tuple[SignalKey, ...]], int] = {}
        self._reads_as = np.array([forms.setdefault((one.form, one.keys), len(forms)) for one in self._topics], np.int64)
        self._payloads = [ManyPayloads(form, keys) for form, keys in forms]
        sizes = [len(topic.places) for topic in self._topics]
        self._first_key = np.cumsum([0, *sizes])[:-1].astype(np.int64)
        self._signal_of = np.concatenate([topic.places for topic in self._topics]) if self._topics else np.empty(0, np.int64)
        # values in the last message of each topic that could be read: as many are in one that cannot be
        self._usual = np.array(sizes, np.int64)
        # a topic on which QoS 0 was met once: its messages do not all come again
        self._lossy = np.zeros(len(self._topics), np.bool_)

    def _run(self) -> None:
        self._again.since_us = self._once.since_us = self._clock.now_us()
        if self._unfit:
            _log.warning("signals fit no topic of their source", source=self._source, count=len(self._unfit), first=self._unfit[0])
        while not self._stopping.is_set() and self._connection is None:
            try:
                connection = self._connect(self._endpoint(), None, self._on_state, on_batch=self._take)
                connection.subscribe(self._filters)
                self._window = connection.window
                self._enough = max(_GROUP, self._window // 4)
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
        # what comes later is sent again, as it is not acknowledged
        self._messages(self._waiting.get(0))
        self._flush(last=True)
        self.health.say("stopped", "", self._clock.now_us())

    def _take(self, found: Published, connection: int) -> bool:
        return self._waiting.put(found, connection, self._clock.now_us())

    def _gather(self) -> None:
        """Take messages until a group is worth a sync."""
        self.health.beat()
        if self._started_over.is_set():
            self._begin_again()
        if self._fresh_session.is_set():
            self._note_fresh_session()
        batches = self._waiting.get(min(_IDLE_SECONDS, seconds_to_cut(self._clock.now_us())))
        if batches and self._unheard:
            # the broker sent more before it heard of the last group: it did not wait for that
            self._enough = max(_GROUP, self._window // 4)
        deadline = self._clock.monotonic() + _LINGER_SECONDS
        news, messages, size = batches, 0, 0
        while news:
            messages += sum(len(batch.found) for batch in news)
            size += sum(batch.found.size for batch in news)
            left = deadline - self._clock.monotonic()
            if left <= 0 or messages >= self._enough or size >= WAITING_BYTES:
                break
            # a broker that waits to hear of its messages is silent, one that has more is not
            news = self._waiting.get(min(left, _SILENCE_SECONDS) if messages >= _GROUP else left)
            if not news and messages >= _GROUP:
                # next time its silence is not waited for
                self._enough = messages
            batches += news
        self._messages(batches)
        self._flush_if_due()

    def _messages(self, batches: Sequence[Batch], *, once_only: bool = False) -> None:
        """Read, judge and keep messages; ``once_only``: but for those that the broker sends again."""
        for connection, run in groupby(batches, lambda batch: batch.connection):
            whole, times = Published(), []
            for batch in run:
                times.append(np.full(len(batch.found), batch.received_us))
                whole.add(batch.found)
            self._messages_of(whole, connection, np.concatenate(times), once_only=once_only)

    def _messages_of(self, found: Published, connection: int, received_us: npt.NDArray[np.int64], *, once_only: bool) -> None:
        now = self._clock.now_us()
        if minute_of(now) != minute_of(self._again.since_us):
            self._flush(last=True)
        get = self._place_of.get
        topic = np.array([get(name, -1) for name in found.topics], np.int64)
        headers = np.frombuffer(bytes(found.headers), np.uint8)
        acknowledged = (headers & 6) != 0
        known = topic >= 0
        self._lossy[topic[known & ~acknowledged]] = True
        lossy = known & self._lossy[topic]
        chosen = lossy if once_only else known
        if not once_only:
            self._note_packets(found, connection, acknowledged, lossy)
        if not chosen.any():
            return
        at = np.flatnonzero(chosen)
        payloads = found.payloads if len(at) == len(found) else [found.payloads[n] for n in at.tolist()]
        columns = self._read(topic[at], payloads)
        for n in np.flatnonzero(np.isin(at, list(found.oversized))).tolist() if found.oversized else ():
            columns.unreadable[n] = f"{found.oversized[int(at[n])]:,} bytes are more than max_payload_bytes allows"
        self._keep(topic[at], payloads, columns, headers[at], received_us[at])

    def _note_packets(self, found: Published, connection: int, acknowledged: npt.NDArray[np.bool_], lossy: npt.NDArray[np.bool_]) -> None:
        """Remember what is to be acknowledged, each with the record that its samples stand in."""
        if not acknowledged.any():
            return
        for gathering, chosen in ((self._again, acknowledged & ~lossy), (self._once, acknowledged & lossy)):
            if gathering.connection != connection:
                gathering.connection, gathering.packet_ids = connection, []
            if chosen.all():
                gathering.packet_ids += found.packet_ids
            elif chosen.any():
                gathering.packet_ids += [found.packet_ids[n] for n in np.flatnonzero(chosen).tolist()]

    def _read(self, topic: npt.NDArray[np.int64], payloads: Sequence[bytes]) -> ManyColumns:
        """Return what payloads say; ``key`` counts through all keys of all topics."""
        form = self._reads_as[topic]
        forms = [0] if len(self._payloads) == 1 else np.flatnonzero(np.bincount(form)).tolist()
        if len(forms) == 1:
            columns: ManyColumns = self._payloads[forms[0]].decode(payloads)
        else:
            columns = merged_columns(
                [
                    (at, self._payloads[one].decode([payloads[n] for n in at.tolist()]))
                    for one in forms
                    for at in (np.flatnonzero(form == one),)
                ],
                len(payloads),
            )
        columns.key[:] += self._first_key[topic[columns.message]]
        return columns

    def _keep(
        self,
        topic: npt.NDArray[np.int64],
        payloads: Sequence[bytes],
        columns: ManyColumns,
        headers: npt.NDArray[np.uint8],
        received_us: npt.NDArray[np.int64],
    ) -> None:
        m, now = len(topic), int(received_us[-1])
        readable = np.ones(m, np.bool_)
        retain, dup = (headers & 1) != 0, (headers & 8) != 0
        if columns.unreadable:
            readable[list(columns.unreadable)] = False
        newest = np.full(m, NO_TIME)
        np.maximum.at(newest, columns.message, columns.time_us)
        verdicts = judge(self._topics, Came(topic, payloads, columns.sequence, newest, readable, retain, dup), self._doubles)
        rows = np.bincount(columns.message, minlength=m)
        lossy = self._lossy[topic]
        if verdicts.skipped:
            self._after_gap()
        for gathering, chosen in ((self._again, ~lossy), (self._once, lossy)):
            if chosen.any():
                self._keep_in(gathering, chosen, topic, columns, verdicts.new, readable, retain, rows, received_us)
        for n, count in verdicts.skipped:
            gathering, one = self._once if lossy[n] else self._again, self._topics[int(topic[n])]
            detail = f"{count} messages of '{one.name}' are missing"
            gathering.account.missed(now, now + 1, count * max(1, int(rows[n])), GapReason.SEQUENCE, None, detail)
        for n, why in columns.unreadable.items():
            gathering, one = self._once if lossy[n] else self._again, self._topics[int(topic[n])]
            gathering.account.count(now, rejected=max(1, int(self._usual[topic[n]])))
            self._poison(one.name, payloads[n], why)

    def _keep_in(
        self,
        gathering: _Gathering,
        chosen: npt.NDArray[np.bool_],
        topic: npt.NDArray[np.int64],
        columns: ManyColumns,
        new: npt.NDArray[np.bool_],
        readable: npt.NDArray[np.bool_],
        retain: npt.NDArray[np.bool_],
        rows: npt.NDArray[np.int64],
        received_us: npt.NDArray[np.int64],
    ) -> None:
        """Keep what is new of the chosen messages in one gathering, and count all of them."""
        numbered = columns.sequence >= 0
        if self._share is not None or bool((chosen & readable & ~numbered & ~retain).any()):
            gathering.account.complete = False
        fresh = chosen & new
        doubled = int(rows[chosen & readable & ~new].sum())
        touched = np.flatnonzero(np.bincount(topic[fresh & ~retain & numbered])).tolist()
        gathering.numbers.update((one.name, one.sequence) for one in map(self._topics.__getitem__, touched) if one.sequence is not None)
        last = np.flatnonzero(chosen & readable)
        self._usual[topic[last]] = rows[last]
        message = columns.message
        found = Rows(
            self._signal_of[columns.key],
            columns.fit,
            columns.value,
            columns.time_us,
            columns.before_us,
            columns.text,
            numbered[message],
            retain[message],
        )
        if not fresh.all():
            found, message = found.take(fresh[message]), message[fresh[message]]
        outcome = gathering.table.take(received_us[message], found)
        now = int(received_us[-1])
        counts = {"stored": outcome.stored, "filtered": outcome.filtered, "duplicate": outcome.duplicate + doubled}
        if any(counts.values()):
            gathering.account.count(now, **counts)
        if len(outcome.mismatched):
            paths = [self._signals[place].path for place in outcome.mismatched.tolist()]
            gathering.account.grow(now, now + 1, paths, GapReason.TYPE, "another data type, or a text that cannot be kept")

    def _poison(self, topic: str, payload: bytes, why: str) -> None:
        """Keep a sample of the payloads that cannot be read in the log."""
        self._poisoned += 1
        if self._poisoned & (self._poisoned - 1) == 0:
            _log.warning(
                "a payload was rejected",
                source=self._source,
                topic=topic,
                reason=why,
                payload=repr(payload[:120]),
                rejected_so_far=self._poisoned,
            )

    def _flush_if_due(self) -> None:
        now = self._clock.now_us()
        if minute_of(now) != minute_of(self._again.since_us):
            self._flush(last=True)
            return
        for gathering in (self._again, self._once):
            if gathering.packet_ids or is_cut(gathering.since_us, now) or len(gathering.table) >= _LARGEST_GROUP:
                self._flush_one(gathering)

    def _flush(self, *, last: bool = False) -> None:
        for gathering in (self._again, self._once):
            self._flush_one(gathering, last=last)

    def _flush_one(self, gathering: _Gathering, *, last: bool = False) -> None:
        """Submit what was gathered as one record; its messages are acknowledged when it is durable."""
        now = self._clock.now_us()
        account = gathering.account
        if last:
            account.close_open()
        from_us, gathering.since_us = gathering.since_us, now
        packet_ids, gathering.packet_ids = gathering.packet_ids, []
        acknowledge = partial(self._acknowledge, packet_ids, gathering.connection) if packet_ids else None
        self._unheard = self._unheard or bool(packet_ids)
        if account.idle and not len(gathering.table):
            # only messages that carry none of our signals
            if acknowledge is not None:
                acknowledge()
            return
        mark = Mark(now, 0, len(self._signals), account.open, tuple(gathering.numbers.items()))
        record = account.record(mark, gathering.table.harvest())
        account.complete = True
        gathering.numbers = {}
        self.health.note(record, from_us, now)
        again = gathering.offered_again and bool(packet_ids)
        # what became a gap is told of, so it is not asked for again
        on_lost = self._on_lost if again else None if acknowledge is None else lambda _: acknowledge()
        self._submit(Submission(record, acknowledge, on_lost, again, self._run_number))

    def _submit(self, submission: Submission) -> None:
        """Hand a record on; while there is no room for it nothing more is taken from the broker."""
        given_up = None
        while not self._writer.submit(submission):
            if self._stopping.is_set():
                given_up = given_up or self._clock.monotonic() + _LAST_PATIENCE_SECONDS
                if self._clock.monotonic() >= given_up:
                    _log.error("the last record of a source found no room", source=self._source, samples=len(submission.record.samples))
                    return
            self._clock.sleep(_FULL_PAUSE_SECONDS)

    def _acknowledge(self, packet_ids: list[int], connection: int) -> None:
        self._unheard = False
        if self._connection is not None:
            self._connection.acknowledge_all(packet_ids, connection)

    def _on_lost(self, record: Record) -> None:
        """Be told, in the writer's thread, that a record was not kept: the broker must send its messages again."""
        del record
        self._started_over.set()

    def _begin_again(self) -> None:
        """Go back to what is durable, and have the broker send the rest again; what it does not send again is kept."""
        self._stopping.wait(0.5)
        self._started_over.clear()
        self._run_number += 1
        if self._connection is not None:
            self._connection.reconnect()
        self._messages(self._waiting.get(0), once_only=True)
        self._flush_one(self._once)
        self._again.packet_ids = []
        self._again.numbers = {}
        self._again.account = Account(self._source)
        state = self._writer.state_of(self._source)
        self._again.table.forget(self._stored_times(state))
        self._doubles.forget()
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
        self._again.account.missed(self._ended_us, self._clock.now_us(), 0, reason, None, detail)
        self._after_gap()
        self._ended_us = None

    def _after_gap(self) -> None:
        self._again.table.after_gap()
        self._once.table.after_gap()

    def _stored_times(self, state: SourceState | None) -> npt.NDArray[np.int64]:
        paths = tuple(signal.path for signal in self._signals)
        return np.full(len(paths), NO_TIME) if state is None else state.times_for(paths)

    def _restore(self, state: SourceState | None) -> None:
        times = self._stored_times(state)
        numbers = {} if state is None else state.sequences
        for topic, lossy in zip(self._topics, self._lossy.tolist(), strict=True):
            if not lossy:
                # a sender whose clock was ahead and is right now must not wait for that time to come
                newest = min(int(times[topic.places].max()), self._clock.now_us())
                topic.resume(numbers.get(topic.name), newest)


def _filters(topics: Sequence[MqttTopicSettings], share: str | None) -> list[tuple[str, int]]:
    before = "" if share is None else f"$share/{share}/"
    return [(before + topic.filter, topic.qos) for topic in topics]
