"""The part of the monitor that raises alarms: follows what storage receives, takes what people ask for, writes the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from monitor.alarm_state import Remembered, pack_state
from monitor.alarm_watch import Seen, Silence, Sources, Suppressions, ends_of_shelving
from monitor.alarms import LIMITS, Conditions, Happening, Lives
from monitor.delivered import DeliveryAlarms
from monitor.feed import FeedState
from monitor.followers import Follower
from monitor.found import FoundAlarms
from monitor.series import DERIVED
from monitor.told import Heard, ToldAlarms
from plant.alarms import AlarmDefinition, AlarmEvent, AlarmId, AlarmKind
from plant.clock import Clock
from plant.site import Site
from storage.alarm_inputs import Checkpoint, Observation, add_observations, last_inputs, write_checkpoint
from storage.alarm_sources import read_signs
from storage.alarms import (
    ASKED,
    Action,
    Standing,
    add_entries,
    answer_actions,
    last_seq,
    read_actions,
    read_standings,
    register_alarms,
    register_told,
    write_standings,
)
from storage.database import Connection, listen
from storage.feed import NEWS, Shipped, await_news, drop_old, read_begin, read_news, read_numbers, read_sources_of
from storage.progress import read_progress, write_progress

NAME: Final = "alarms"
_WAIT_SECONDS: Final = 0.25
_WATCH_SECONDS: Final = 1.0
_SAVE_SECONDS: Final = 5.0
_MOST_READ: Final = 1_000_000
"""Samples that are read at once where digests are missing."""
_CHECKPOINT_US: Final = 3_600_000_000
_INPUTS_KEPT_US: Final = 600_000_000


def make_alarms(site: Site, clock: Clock) -> Follower | None:
    """Return the follower of a site's alarms, None where it has none."""
    return AlarmFollower(site, clock) if site.alarms or ToldAlarms(site) or DeliveryAlarms(site) else None


class AlarmFollower:
    """Raises alarms. What it knows is in memory; on any error it is built anew and goes on from what it wrote last."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self.name = NAME
        self.pause_seconds = 0.0
        self._site = site
        self._clock = clock
        self._board: Board | None = None
        self._told = ToldAlarms(site)
        self._delivered = DeliveryAlarms(site)
        self._found = FoundAlarms(site)
        self._watched_at = self._saved_at = float("-inf")
        self._checkpoint_us = 0
        self._reread_at = 0.0

    def step(self, connection: Connection) -> bool:
        """Judge what came, apply what was asked for and what the clock brings; wait a moment where there is nothing."""
        board = self._board
        if board is None:
            board = self._begin(connection)
        elif self._site_grew(connection, board):
            with connection.transaction():
                self._save(connection, board)
            board = self._begin(connection)
        news = board.few(read_news(connection, board.conditions.feed.state.after)) if board.followed else []
        actions = read_actions(connection, waiting=True, most=1000)
        told = self._told.read(connection)
        delivered = self._delivered.read(connection)
        now = self._clock.monotonic()
        watch = now - self._watched_at >= _WATCH_SECONDS
        if not news and not actions and not told and not delivered and not watch:
            await_news(connection, _WAIT_SECONDS)
            return False
        with connection.transaction():
            # who asked for something saw what was judged before
            wrote = board.take_actions(connection, actions) if actions else False
            wrote |= board.take_news(connection, news) if news else False
            if told:
                heard = self._told.hear(told, board.lives.standings)
                wrote |= board.take_told(connection, heard, self._clock.now_us())
                self._told.done(connection, told)
            if delivered:
                wrote |= board.take_told(connection, self._delivered.hear(delivered), self._clock.now_us())
                self._delivered.done(connection, delivered)
            if watch:
                wrote |= board.watch(connection, self._clock.now_us())
                found = self._found.read(connection)
                wrote |= board.take_found(connection, self._found.hear(found, board.lives.standings))
                self._found.done(connection, found)
            if wrote or now - self._saved_at >= _SAVE_SECONDS:
                self._save(connection, board)
                self._saved_at = now
        if watch:
            self._watched_at = now
        return bool(news)

    def _begin(self, connection: Connection) -> Board:
        listen(connection, NEWS)
        listen(connection, ASKED)
        known = read_progress(connection, NAME)
        units = {signal.path: signal.unit for signal in self._site.signals}
        now_us = self._clock.now_us()
        self._found = FoundAlarms(self._site)
        alarms = self._found.begin(connection)
        given = [(d, units.get(d.signal, "") or self._found.unit(d)) for d in alarms]
        numbers = register_alarms(connection, self._site.path, given, now_us)
        board = Board(alarms, connection, numbers, None if known is None else known.state, now_us)
        self._board = board
        self._told = ToldAlarms(self._site)
        self._delivered = DeliveryAlarms(self._site)
        if known is None:
            self._keep(connection, board, 0, board.pack())
        self._reread_at = self._clock.monotonic()
        return board

    def _site_grew(self, connection: Connection, board: Board) -> bool:
        """Return whether signals or charts are registered by now that were not at the begin: a gateway does it when it first ships."""
        if not (board.missing or self._found) or self._clock.monotonic() - self._reread_at < _SAVE_SECONDS:
            return False
        self._reread_at = self._clock.monotonic()
        if self._found.grew(connection):
            return True
        if not board.missing:
            return False
        signals, _ = read_numbers(connection)
        return any(path in signals for path in board.missing)

    def _save(self, connection: Connection, board: Board) -> None:
        done_us = board.done_us
        state = board.pack()
        write_progress(connection, NAME, done_us, state)
        if done_us // _CHECKPOINT_US != self._checkpoint_us // _CHECKPOINT_US:
            if self._checkpoint_us:
                self._keep(connection, board, done_us, state)
                drop_old(connection)
            self._checkpoint_us = done_us

    def _keep(self, connection: Connection, board: Board, at_us: int, state: bytes) -> None:
        """Keep how all stands, for those who judge again."""
        actions, observations = last_inputs(connection)
        write_checkpoint(connection, Checkpoint(at_us, board.lives.seq, actions, observations, state))


class Board:
    """All alarms of a site in memory."""

    def __init__(
        self,
        definitions: Sequence[AlarmDefinition],
        connection: Connection,
        numbers: Mapping[AlarmId, int],
        packed: bytes | None,
        now_us: int,
        *,
        standings: Sequence[Standing] | None = None,
        seq: int | None = None,
    ) -> None:
        """``standings`` and ``seq``: where to begin; what the database says where not given."""
        signals, _ = read_numbers(connection)
        self.numbers = dict(numbers)
        self.conditions = conditions = Conditions(definitions, signals, Suppressions.signals(definitions))
        self.missing = [d.signal for d in definitions if d.signal and d.signal not in conditions.position]
        remembered = None if packed is None else Remembered(packed)
        source_of = read_sources_of(connection, conditions.ids)
        followed = sorted(set(source_of.values()))
        after = read_begin(connection, followed)
        if remembered is None:
            feed = FeedState.fresh(len(conditions.ids), after)
        else:
            feed = remembered.feed(conditions.ids, after)
            feed.after = {source: seq for source, seq in feed.after.items() if source in followed}
        conditions.begin([source_of[number] for number in conditions.ids], feed)
        if remembered is not None:
            derived, kept = remembered.derived(self._numbers_of(conditions.derived))
            conditions.states = (remembered.limits(self._numbers_of(conditions.limits)), derived, kept)
        self.inputs = {} if remembered is None else remembered.inputs
        known = read_standings(connection) if standings is None else standings
        wanted = {d.id: d for d in definitions}
        told = AlarmKind.TOLD
        self.lives = Lives(
            [one for one in known if one.definition.id in wanted or one.definition.kind is told],
            last_seq(connection) if seq is None else seq,
        )
        self.silence = Silence(definitions, conditions, now_us)
        self.sources = Sources(definitions, now_us)
        self.suppressions = Suppressions(definitions, conditions)

    @property
    def followed(self) -> bool:
        """Whether there is any source to follow."""
        return bool(self.conditions.feed.state.after)

    @property
    def done_us(self) -> int:
        """Until when all sources are judged, those that say nothing any more left aside."""
        return max(self.conditions.feed.state.until.values(), default=0)

    def few(self, news: list[Shipped]) -> list[Shipped]:
        """Return as much of the news as should be taken at once, each source's from its begin."""
        taken: list[Shipped] = []
        samples = 0
        for one in news:
            samples += one.samples if one.digest is None else 0
            if taken and samples > _MOST_READ:
                break
            taken.append(one)
        return taken

    def pack(self) -> bytes:
        """Return all that must be remembered."""
        limits, derived, kept = self.conditions.states
        conditions = self.conditions
        oldest = self.done_us - _INPUTS_KEPT_US
        self.inputs = {name: place for name, place in self.inputs.items() if place > oldest}
        return pack_state(
            conditions.feed.state,
            conditions.ids,
            (limits, self._numbers_of(conditions.limits)),
            (derived, self._numbers_of(conditions.derived), kept),
            self.lives.unusual.values(),
            self.inputs,
        )

    def take_news(self, connection: Connection, shipped: Sequence[Shipped]) -> bool:
        """Judge what came; return whether the journal got longer."""
        before = {}
        if self.suppressions:
            before = {name: self._place(name) for name in self.suppressions.alarms}
        news = self.conditions.feed.gather(shipped)
        found, read = self.conditions.judge(connection, news, self.suppressions.wanted(news))
        seen = self.suppressions.look(news, read, self.lives.standings)
        observed = [self._placed(one, before[one.alarm] if one.event is AlarmEvent.SUPPRESS else self._place(one.alarm)) for one in seen]
        return self._write(connection, [*(observed_now(one) for one in observed), *found], observed)

    def take_actions(self, connection: Connection, actions: Sequence[Action]) -> bool:
        """Apply what people asked for, and answer it; return whether the journal got longer."""
        placed = [(action, self._input(action.alarm, self._place(action.alarm) or action.requested_us)) for action in actions]
        wrote = self._write(connection, [asked(action, place) for action, place in placed], [], placed)
        return wrote or bool(actions)

    def take_told(self, connection: Connection, heard: Heard, now_us: int) -> bool:
        """Apply what controllers tell of their alarms; return whether the journal got longer."""
        standings = self.lives.standings
        new = [d for d in heard.definitions if d.id not in standings or _differs(standings[d.id].definition, d)]
        if new:
            self.numbers |= register_told(connection, new, now_us)
            for one in read_standings(connection, alarms=[d.id for d in new]):
                known = standings.get(one.definition.id)
                standings[one.definition.id] = one if known is None else replace(known, definition=one.definition)
        placed = [replace(one, effective_us=self._input(one.alarm, one.effective_us)) for one in heard.observations]
        return self._write(connection, [observed_now(one) for one in placed], placed)

    def take_found(self, connection: Connection, seen: Sequence[Observation]) -> bool:
        """Apply what was found by charts and of the condition; return whether the journal got longer."""
        placed = [replace(one, effective_us=self._input(one.alarm, one.effective_us)) for one in seen]
        return bool(placed) and self._write(connection, [observed_now(one) for one in placed], placed)

    def watch(self, connection: Connection, now_us: int) -> bool:
        """Look at what the clock brings; return whether the journal got longer."""
        standings = self.lives.standings
        seen = self.silence.look(self.conditions.feed.state.received_us, standings, now_us)
        seen += self.sources.look(read_signs(connection, self.sources.names), standings)
        seen += ends_of_shelving(self.lives.unusual.values(), now_us)
        observed = [self._placed(one, self._place(one.alarm) or now_us) for one in seen]
        return self._write(connection, [observed_now(one) for one in observed], observed)

    def _write(
        self,
        connection: Connection,
        happenings: Sequence[Happening],
        observed: Sequence[Observation],
        actions: Sequence[tuple[Action, int]] = (),
    ) -> bool:
        entries, rejected = self.lives.apply(happenings)
        add_observations(connection, observed, self.numbers)
        write_standings(connection, list(self.lives.changed.values()))
        self.lives.changed.clear()
        add_entries(connection, entries, self.numbers)
        answer_actions(connection, [_answered(action, place, rejected.get(action.id)) for action, place in actions])
        return bool(entries or observed)

    def _place(self, alarm: AlarmId) -> int:
        """Return where an input of an alarm stands that comes now: behind all that samples decided. 0 where no samples decide."""
        known = self.lives.standings.get(alarm)
        if known is None or known.definition.kind not in LIMITS | DERIVED:
            return 0
        return self.conditions.place(known.definition.signal)

    def _placed(self, seen: Seen, place: int) -> Observation:
        return seen.at(self._input(seen.alarm, place))

    def _input(self, alarm: AlarmId, place: int) -> int:
        """Return a place that also lies behind the alarm's inputs so far."""
        self.inputs[alarm] = max(place, self.inputs.get(alarm, 0) + 1)
        return self.inputs[alarm]

    def _numbers_of(self, definitions: Sequence[AlarmDefinition]) -> list[int]:
        return [self.numbers[d.id] for d in definitions]


def _differs(known: AlarmDefinition, now: AlarmDefinition) -> bool:
    return (known.priority, known.message) != (now.priority, now.message)


def observed_now(one: Observation) -> Happening:
    """Return what happens by an observation."""
    said = (one.value, one.text, one.who, one.reason, None, None, one.source_acknowledged)
    return Happening(one.effective_us, one.time_us, one.alarm, one.event, *said)


def asked(action: Action, place: int) -> Happening:
    """Return what happens by an action."""
    event = AlarmEvent(action.action.value)
    said = (action.who, action.reason, action.id, action.until_us)
    return Happening(place, action.requested_us, action.alarm, event, None, None, *said)


def _answered(action: Action, place: int, why: str | None) -> Action:
    outcome = "applied" if why is None else "rejected"
    given = (action.id, action.alarm, action.action, action.until_us, action.who, action.reason, action.requested_us)
    return Action(*given, place, outcome, why or "")
