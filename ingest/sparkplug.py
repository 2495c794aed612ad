"""One Sparkplug B source: we are the host application of its edge nodes.

Births, data and deaths come with QoS 0 and a clean session, as the specification demands: what is lost on the way is lost, and only the
sequence numbers tell. So nothing is sent again for a record that could not be kept; it becomes a gap.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from ingest.account import Account
from ingest.cuts import is_cut
from ingest.health import SourceHealth
from ingest.records import Mark, Record, SourceState, merged, without_samples
from ingest.sparkplug_values import SparkplugTable
from ingest.writer import RecordWriter, Submission
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.ledger import Gap, GapReason, minute_of
from plant.samples import NO_TIME
from plant.signals import Signal, SourceId
from protocols.mqtt_client import AckToken, MqttConnection, MqttEndpoint, MqttMessage, MqttState, Will
from protocols.sparkplug_events import Changed, Missing, Rebirth, Refused, Stale, Standing, Untold
from protocols.sparkplug_host import HostRules, SparkplugHost
from protocols.sparkplug_tables import Samples
from protocols.sparkplug_topics import HostState, address_of, filters_of, rebirth_request, says_offline, topic_of

_WAITING: Final = 20_000
_MOST_WAITING_BYTES: Final = 64_000_000
_LARGEST_GROUP: Final = 2000
_BEAT_SECONDS: Final = 0.1
_REFUSED_PAUSE_SECONDS: Final = 10.0
_GOODBYE_SECONDS: Final = 2.0
_LAST_WORD_SECONDS: Final = 0.3
_MOST_NAMED: Final = 50
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Who the host is, and to whom it listens."""

    state: HostState
    groups: tuple[str, ...]
    rules: HostRules


class SparkplugReader:
    """Takes the messages of one source in a thread of its own, and asks its edge nodes for births where they are needed."""

    def __init__(
        self,
        source: SourceId,
        signals: Sequence[Signal],
        settings: HostSettings,
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
        self._settings = settings
        self._endpoint = endpoint
        self._writer = writer
        self.health = health
        self._clock = clock
        self._connect = connect
        self._account = Account(source)
        addresses = [address_of(signal.address) for signal in self._signals]
        self._host = SparkplugHost(addresses, [signal.data_type for signal in self._signals], settings.rules)
        self._groups = settings.groups or tuple(dict.fromkeys(address.node.partition("/")[0] for address in addresses))
        self._table = SparkplugTable(self._signals, self._stored_times(state))
        self._ended_us = None if state is None else state.mark.end_us
        self._state_ms = 0
        self._queue: queue.Queue[MqttMessage | tuple[MqttState, str]] = queue.Queue(_WAITING)
        self._mutex = threading.Lock()
        self._waiting_bytes = 0
        self._tokens: list[AckToken] = []
        self._refused: Counter[tuple[str, str]] = Counter()
        self._untold: dict[str, int] = {}
        self._held: Record | None = None
        self._forget = threading.Event()
        self._since_us = 0
        self._connections = 0
        self._online = False
        self._changed = False
        self._stopping = threading.Event()
        self._connection: MqttConnection | None = None
        self._thread = threading.Thread(target=self._run, name=f"sparkplug {source}", daemon=True)

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
        """Leave the broker."""
        if self._connection is not None:
            self._connection.stop()

    @property
    def standings(self) -> list[Standing]:
        """How the edge nodes and devices are."""
        return list(self._host.standings())

    def _run(self) -> None:
        self._since_us = self._clock.now_us()
        while not self._stopping.is_set() and self._connection is None:
            try:
                # the specification demands a clean session: what is old news must not come as new
                endpoint = replace(self._endpoint(), session_seconds=0, will=self._will)
                connection = self._connect(endpoint, self._take, self._on_state)
                connection.subscribe([(self._settings.state.topic, 1), *filters_of(self._groups)])
                connection.start()
                self._connection = connection
            except Exception as error:  # noqa: BLE001 - one source must never stop for good
                if not isinstance(error, Rejected):
                    _log.exception("a source cannot be reached; trying again", source=self._source, error=repr(error))
                self.health.say("refused", str(error), self._clock.now_us())
                self._stopping.wait(_REFUSED_PAUSE_SECONDS)
        while not self._stopping.is_set():
            self.health.beat()
            try:
                self._gather()
            except Exception as error:  # noqa: BLE001 - one source must never stop for good
                _log.exception("the reader of a source failed; going on", source=self._source, error=repr(error))
                self._stopping.wait(0.5)
        self._take_leave()
        self._host.stop(self._clock.now_us())
        self._follow(self._clock.now_us())
        self._flush(last=True)
        self.health.say("stopped", "", self._clock.now_us())

    def _take_leave(self) -> None:
        """Tell edge nodes that we go, so that they store what comes from now on, and take what they sent before they heard of it."""
        connection = self._connection
        if connection is not None and connection.connected:
            try:
                self._say_state(connection, online=False, wait=_GOODBYE_SECONDS)
            except (Unavailable, Rejected) as error:
                _log.warning("the broker was left without a goodbye", source=self._source, reason=str(error))
        deadline = self._clock.monotonic() + _GOODBYE_SECONDS
        while self._next(_LAST_WORD_SECONDS) and self._clock.monotonic() < deadline:
            continue

    # in the connection's thread

    def _will(self) -> Will:
        self._state_ms = self._clock.now_us() // 1000
        return Will(self._settings.state.topic, self._settings.state.payload(self._state_ms, online=False), retain=True)

    def _take(self, message: MqttMessage) -> bool:
        with self._mutex:
            if self._waiting_bytes > _MOST_WAITING_BYTES:
                return False
            self._waiting_bytes += len(message.payload)
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._taken(message)
            return False
        return True

    def _taken(self, message: MqttMessage) -> None:
        with self._mutex:
            self._waiting_bytes -= len(message.payload)

    def _on_state(self, state: MqttState, detail: str, session_kept: bool) -> None:
        del session_kept
        try:
            self._queue.put((state, detail), timeout=5)
        except queue.Full:
            _log.error("a change of the connection could not be noted", source=self._source, state=state.value)

    # in ours

    def _gather(self) -> None:
        if self._next(_BEAT_SECONDS):
            for _ in range(_LARGEST_GROUP):
                if not self._next(0):
                    break
        now = self._clock.now_us()
        self._host.tick(now)
        self._follow(now)
        if self._changed and self._online:
            self._changed = False
            self.health.say("connected", self._summary(), now)
        if self._forget.is_set():
            self._forget.clear()
            self._table.forget(self._stored_times(self._writer.state_of(self._source)))
        if minute_of(now) != minute_of(self._since_us):
            self._flush(last=True)
        elif self._tokens or is_cut(self._since_us, now):
            self._flush()

    def _next(self, seconds: float) -> bool:
        """Take what waits next; False when nothing does."""
        try:
            item = self._queue.get(timeout=seconds) if seconds else self._queue.get_nowait()
        except queue.Empty:
            return False
        now = self._clock.now_us()
        if minute_of(now) != minute_of(self._since_us):
            self._flush(last=True)
        if isinstance(item, MqttMessage):
            self._taken(item)
            self._message(item, now)
        else:
            self._linked(item[0], item[1], now)
        return True

    def _message(self, message: MqttMessage, now: int) -> None:
        if message.qos:
            self._tokens.append(message.token)
        if message.topic == self._settings.state.topic:
            if says_offline(message.payload) and self._connection is not None and not self._stopping.is_set():
                self._announce()
        elif not message.retain:
            self._host.take(message.topic, message.payload, now, oversized=message.oversized)
            self._follow(now)

    def _linked(self, state: MqttState, detail: str, now: int) -> None:
        if state is MqttState.CONNECTED:
            self._connections += 1
            self.health.reconnects = self._connections - 1
            self._online = True
            self._note_absence(now)
            self._announce()
            self._host.connected(now)
            detail = self._summary()
        elif self._online:
            self._online = False
            self._ended_us = now
            self._host.disconnected(now)
            self._follow(now)
        if self.health.say(state.value, detail, now):
            _log.info("source " + state.value, source=self._source, detail=detail)

    def _note_absence(self, now: int) -> None:
        """Tell that messages may be missing: nobody kept those that were sent while we were away."""
        if self._ended_us is None:
            return
        reason = GapReason.DISCONNECTED if self._connections > 1 else GapReason.STOPPED
        self._account.missed(self._ended_us, now, 0, reason, None, "what edge nodes did not keep meanwhile is missing")
        self._account.complete = False
        self._ended_us = None

    def _announce(self) -> None:
        """Tell the edge nodes that their host is there."""
        if self._connection is None:
            return
        try:
            self._say_state(self._connection, online=True)
        except (Unavailable, Rejected) as error:
            _log.warning("edge nodes could not be told that their host is there", source=self._source, reason=str(error))

    def _say_state(self, connection: MqttConnection, *, online: bool, wait: float | None = None) -> None:
        state = self._settings.state
        moment_ms = self._state_ms if online else self._clock.now_us() // 1000
        connection.publish(state.topic, state.payload(moment_ms, online=online), 1, wait, retain=True)

    def _follow(self, now: int) -> None:
        """Do what the host found out."""
        for event in self._host.events():
            if isinstance(event, Samples):
                self._keep(event, now)
            elif isinstance(event, Stale):
                self._account.count(now, stored=self._table.spoil(event.places, event.at_us, now))
            elif isinstance(event, Missing):
                detail = f"{event.count} messages of {event.node} are missing: at least so many values"
                self._account.missed(event.from_us, event.to_us, event.count, GapReason.SEQUENCE, None, detail)
                self._table.after_gap()
                self._account.complete = False
            elif isinstance(event, Refused):
                self._account.count(now, rejected=event.count)
                self._refused[event.node, event.why] += event.count
                self._table.after_gap()
            elif isinstance(event, Untold):
                self._note_untold(event, now)
            elif isinstance(event, Rebirth):
                self._ask(event, now)
            else:
                self._changed = True
                self._note_change(event)

    def _keep(self, samples: Samples, now: int) -> None:
        if samples.duplicate:
            self._account.count(now, duplicate=len(samples) + len(samples.mismatched) + samples.transient)
            return
        kept = self._table.take(samples, now)
        self._account.count(now, stored=kept.stored, filtered=kept.filtered + samples.transient, duplicate=kept.duplicate)
        if samples.mismatched:
            paths = [self._signals[place].path for place in samples.mismatched]
            self._account.grow(now, now + 1, paths, GapReason.TYPE, "another data type")

    def _note_untold(self, event: Untold, now: int) -> None:
        paths = [self._signals[place].path for place in event.places]
        _log.warning(
            "signals are in no birth", source=self._source, node=event.node, first=paths[:3], count=len(paths), unread=event.unreadable[:3]
        )
        for path in paths[:_MOST_NAMED]:
            self._account.note(Gap(self._source, now, now + 1, 0, GapReason.NODE, path, f"no birth of {event.node} tells of it"))
        self._untold[event.node] = len(paths)

    def _ask(self, event: Rebirth, now: int) -> None:
        if self._connection is None or not self._online:
            return
        try:
            self._connection.publish(topic_of("NCMD", event.node), rebirth_request(now // 1000), 0)
        except (Unavailable, Rejected) as error:
            _log.warning("an edge node could not be asked for its births", source=self._source, node=event.node, reason=str(error))
        else:
            _log.info("an edge node is asked for its births", source=self._source, node=event.node, why=event.why)

    def _note_change(self, event: Changed) -> None:
        name = f"{event.node}/{event.device}" if event.device else event.node
        _log.info(f"{'device' if event.device else 'edge node'} {'online' if event.online else 'offline'}", name=name, why=event.why)
        if event.online:
            self._untold.pop(event.node, None) if not event.device else None

    def _summary(self) -> str:
        """Return how the edge nodes are, in words."""
        standings = [one for one in self._host.standings() if one.name.count("/") == 1]
        devices = [one for one in self._host.standings() if one.name.count("/") == 2 and one.online is False]
        away = [one for one in standings if not one.online]
        parts = [f"{len(standings) - len(away)} of {len(standings)} edge nodes online"]
        gone = [one.name for one in away]
        parts += [_since(one) for one in away[:3]]
        parts += [_since(one) for one in devices if one.name.rpartition("/")[0] not in gone][:3]
        if self._untold:
            parts.append(f"{sum(self._untold.values())} signals are in no birth")
        return "; ".join(parts)

    def _flush(self, *, last: bool = False) -> None:
        """Submit what was gathered as one record; messages of QoS 1 are acknowledged when it is durable."""
        now = self._clock.now_us()
        for (node, why), count in self._refused.items():
            self._account.note(Gap(self._source, self._since_us, now, count, GapReason.NODE, None, f"{count} values of {node}: {why}"))
        self._refused.clear()
        if last:
            self._account.close_open()
        from_us, self._since_us = self._since_us, now
        tokens, self._tokens = self._tokens, []
        if self._account.idle and not len(self._table) and self._held is None:
            self._acknowledge(tokens)
            return
        mark = Mark(now, 0, len(self._signals), self._account.open)
        record = self._account.record(mark, self._table.harvest())
        self._account.complete = True
        self.health.note(record, from_us, now)
        if self._held is not None:
            record, self._held = merged(self._held, record), None
        on_durable = (lambda: self._acknowledge(tokens)) if tokens else None
        if not self._writer.submit(Submission(record, on_durable, self._on_lost)):
            self._held = without_samples(record, GapReason.SPOOL_FULL, "the spool's disk is too slow")
            self._acknowledge(tokens)
            self._on_lost(record)

    def _acknowledge(self, tokens: list[AckToken]) -> None:
        if self._connection is not None and tokens:
            self._connection.acknowledge(tokens)

    def _on_lost(self, record: Record) -> None:
        """Be told, maybe in the writer's thread, that a record was not kept."""
        del record
        self._forget.set()

    def _stored_times(self, state: SourceState | None) -> list[int]:
        paths = tuple(signal.path for signal in self._signals)
        now = self._clock.now_us()
        # a sender whose clock was ahead and is right now must not wait for that time to come
        return [NO_TIME] * len(paths) if state is None else [min(time_us, now) for time_us in state.times_for(paths).tolist()]


def _since(one: Standing) -> str:
    if one.online is None:
        return f"{one.name} not heard of yet"
    return f"{one.name} offline since {datetime.fromtimestamp(one.since_us / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
