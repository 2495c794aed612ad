"""A Sparkplug host application without its connection: messages and moments go in, what they mean for our signals comes out.

Edge nodes send with QoS 0 and report by exception, so a lost message is known by its number only, and who does not have the latest
births cannot tell what an alias means. The rule here: no value is given to a signal unless a birth vouches for it. After a hole in the
numbers a birth may have been lost, so what comes by alias is held, a rebirth is asked for, and what was held is kept where the new birth
means the same by its aliases. All times are microseconds; nothing here looks at a clock.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from plant.errors import Rejected
from plant.signals import DataType
from protocols.sparkplug_events import Changed, Event, Missing, Rebirth, Refused, Stale, Standing, Untold
from protocols.sparkplug_payload import decode
from protocols.sparkplug_sessions import NO_TABLE, NUMBERS, Device, Message, Node, Session, in_order
from protocols.sparkplug_tables import Samples, Table, Wanted, agree, by_name_only, missing_of, samples_of, table_of, whole_number
from protocols.sparkplug_topics import BDSEQ, MetricAddress, NodeTopic, parse_topic

_BEHIND: Final = 128
"""A number that is farther ahead than this is taken as one from behind."""
_MOST_HELD: Final = 2000
_MOST_HELD_BYTES: Final = 8_000_000
_LONGEST_PAUSE_US: Final = 300_000_000
_DEATH_REMEMBERED_US: Final = 30_000_000


@dataclass(frozen=True, slots=True)
class HostRules:
    """How patient a host is; microseconds."""

    reorder_us: int = 2_000_000
    """How long a message that is missing may still come (the specification's Reorder Timeout)."""
    rebirth_us: int = 10_000_000
    """One rebirth request for an edge node in so long a time at most."""
    hold_us: int = 30_000_000
    """How long messages wait for the birth that explains them."""
    requests_a_second: int = 10
    """Rebirth requests to all edge nodes together: a plant of nodes must not be asked all at once."""
    max_payload_bytes: int = 1_000_000


class SparkplugHost:
    """Follows the edge nodes that ``addresses`` name. ``events`` gives what happened since it was asked last, in order."""

    def __init__(self, addresses: Sequence[MetricAddress], types: Sequence[DataType], rules: HostRules) -> None:
        self._rules = rules
        self._nodes: dict[str, Node] = {}
        self._events: list[Event] = []
        self._allowed = float(rules.requests_a_second)
        self._allowed_us = 0
        for place, (address, data_type) in enumerate(zip(addresses, types, strict=True)):
            node = self._nodes.setdefault(address.node, Node({"": Wanted()}, {}))
            if address.device:
                node.devices.setdefault(address.device, Device())
            node.wanted.setdefault(address.device, Wanted()).add(place, address, data_type)

    def events(self) -> list[Event]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    def standings(self) -> Iterator[Standing]:
        """Return how each edge node and its devices are."""
        for name, node in self._nodes.items():
            yield Standing(name, node.online, node.since_us)
            for device, one in node.devices.items():
                yield Standing(f"{name}/{device}", one.online if node.online else node.online, max(one.since_us, node.since_us))

    def connected(self, now_us: int) -> None:
        """Be told that the broker is there: nodes that are not born again by themselves are asked soon."""
        for node in self._nodes.values():
            self._wish(node, "the host has (re)connected")
            node.asks = 0
            node.asked_us = now_us - self._rules.rebirth_us + self._rules.reorder_us

    def disconnected(self, now_us: int) -> None:
        """Be told that the broker is away: nobody knows any more how the nodes are."""
        for name, node in self._nodes.items():
            if node.online:
                self._gone(name, node, now_us, "the connection to the broker was lost")
            node.online = None

    def stop(self, now_us: int) -> None:
        """Be told that the host ends: what waits is accounted for."""
        for name, node in self._nodes.items():
            self._end_early(name, node)
            self._give_up(name, node, now_us)
            count = 0
            while node.held:
                count += node.drop_held()
            self._refuse(name, count, "the host stopped before a birth explained them")

    def take(self, topic: str, content: bytes, now_us: int, *, oversized: int = 0) -> bool:
        """Take one message; False where it is none of an edge node that is followed."""
        told = parse_topic(topic)
        node = None if told is None else self._nodes.get(told.node)
        if told is None or node is None:
            return False
        node.heard_us = now_us
        try:
            if oversized:
                raise Rejected(f"{oversized:,} bytes are more than max_payload_bytes allows")  # noqa: TRY301 - one way to refuse
            payload = decode(content, self._rules.max_payload_bytes)
        except Rejected as error:
            self._unreadable(told, node, str(error))
            return True
        message = Message(told, payload, now_us, zlib.crc32(content), len(content))
        if told.kind == "NBIRTH":
            self._node_birth(node, message)
        elif told.kind == "NDEATH":
            self._node_death(node, message)
        else:
            self._numbered(node, message)
        return True

    def tick(self, now_us: int) -> None:
        """Let time pass: windows close, requests become due."""
        self._allowed = min(
            self._rules.requests_a_second, self._allowed + (now_us - self._allowed_us) * self._rules.requests_a_second / 1_000_000
        )
        self._allowed_us = now_us
        for name, node in self._nodes.items():
            session = node.session
            if session is not None and session.ahead and now_us - session.ahead_since_us >= self._rules.reorder_us:
                self._give_up(name, node, now_us)
            if node.early and now_us - node.early[0].came_us >= self._rules.reorder_us:
                self._end_early(name, node)
            while node.held and now_us - node.held[0].came_us >= self._rules.hold_us:
                self._refuse(name, node.drop_held(), "no birth came that explains them")
            for device, one in node.devices.items():
                if one.due_us and now_us >= one.due_us:
                    one.due_us = 0
                    self._device_gone(name, node, device, now_us, "not born again after its edge node")
            self._ask(name, node, now_us)

    # births and deaths

    def _node_birth(self, node: Node, message: Message) -> None:
        name, payload, now = message.topic.node, message.payload, message.came_us
        old = node.session
        if (
            old is not None
            and not node.doubtful
            and old.seen.get(payload.sequence or 0) == message.print_of
            and old.birth_ms == payload.time_ms
        ):
            return
        if old is not None:
            self._part(name, node, old, payload.time_ms, now)
        number = payload.sequence or 0
        table = table_of(payload, node.wanted[""])
        node.former = old or node.former
        node.session = session = Session(
            whole_number(payload, BDSEQ), payload.time_ms, (number + 1) % NUMBERS, {"": table}, seen={number: message.print_of}
        )
        node.doubtful = False
        node.wish, node.asks = "", 0
        if not node.online:
            node.since_us = now
            self._events.append(Changed(name, "", online=True, why="born"))
        node.online = True
        for one in node.devices.values():
            one.due_us = now + self._rules.reorder_us + self._rules.hold_us // 10
        self._tell(name, node, "", table)
        self._samples(samples_of(payload, table, node.wanted[""], now, birth=True))
        self._release(name, node, session, "")
        death, node.death = node.death, None
        if (
            death is not None
            and death[0] == session.bd_seq
            and payload.time_ms * 1000 <= death[1]
            and now - death[1] < _DEATH_REMEMBERED_US
        ):
            self._gone(name, node, now, "its death came before its birth")

    def _node_death(self, node: Node, message: Message) -> None:
        number, session, now = whole_number(message.payload, BDSEQ), node.session, message.came_us
        if session is None or (number is not None and session.bd_seq is not None and number != session.bd_seq):
            # a death of an earlier session, or one that has overtaken its birth
            if number is not None and not (session is None and node.online is False):
                node.death = (number, now)
            return
        self._gone(message.topic.node, node, now, "its death was told")

    def _gone(self, name: str, node: Node, now_us: int, why: str) -> None:
        session = node.session
        self._end_early(name, node)
        if session is not None:
            self._give_up(name, node, now_us)
            node.former = session
        node.session, node.doubtful, node.wish = None, False, ""
        node.online, node.since_us = False, now_us
        places = list(node.wanted[""].places)
        for device, one in node.devices.items():
            if one.online is not False:
                places += node.wanted[device].places
                one.since_us = now_us
            one.online, one.due_us = False, 0
        self._events.append(Changed(name, "", online=False, why=why))
        self._events.append(Stale(tuple(places), now_us, why))

    def _device_gone(self, name: str, node: Node, device: str, at_us: int, why: str) -> None:
        one = node.devices.get(device)
        if one is None or one.online is False:
            return
        was_online, one.online, one.since_us, one.due_us = one.online, False, at_us, 0
        self._events.append(Changed(name, device, online=False, why=why))
        if was_online:
            self._events.append(Stale(tuple(node.wanted[device].places), at_us, why))

    # messages with numbers

    def _numbered(self, node: Node, message: Message) -> None:
        session, number = node.session, message.payload.sequence
        name = message.topic.node
        if session is None or node.doubtful:
            self._hold(name, node, message)
            return
        if number is None:
            self._apply(name, node, session, message)
            return
        number %= NUMBERS
        distance = (number - session.expected) % NUMBERS
        if node.former is not None and node.former.sent_before(session, message, fits=distance == 0):
            self._late(name, node, node.former, message)
        elif distance == 0:
            self._step(name, node, session, message)
            while (following := session.ahead.pop(session.expected, None)) is not None:
                self._step(name, node, session, following)
            if session.ahead:
                session.ahead_since_us = min(one.came_us for one in session.ahead.values())
        elif session.seen.get(number) == message.print_of:
            self._double(node, session, message)
        elif distance < _BEHIND:
            self._wait(name, node, session, number, message)
        else:
            self._behind(name, node, session, number, message)

    def _behind(self, name: str, node: Node, session: Session, number: int, message: Message) -> None:
        """Take a message whose place in the order has passed."""
        if number in session.guessed:
            session.guessed.discard(number)
            self._apply(name, node, session, message)
        elif message.payload.time_ms >= session.newest_ms > 0 and len(node.early) < _BEHIND:
            node.early.append(message)
        else:
            self._late(name, node, session, message)

    def _step(self, name: str, node: Node, session: Session, message: Message) -> None:
        number = session.expected
        session.expected = (number + 1) % NUMBERS
        session.newest_ms = max(session.newest_ms, message.payload.time_ms)
        if 0 < message.payload.time_ms < session.birth_ms:
            session.guessed.add(number)
        else:
            session.guessed.discard(number)
        session.seen[number] = message.print_of
        session.seen.pop((number - _BEHIND) % NUMBERS, None)
        self._apply(name, node, session, message)

    def _wait(self, name: str, node: Node, session: Session, number: int, message: Message) -> None:
        if number in session.ahead:
            self._double(node, session, message)
            return
        if not session.ahead:
            session.ahead_since_us = message.came_us
        session.ahead[number] = message
        if self._rules.reorder_us == 0 or len(session.ahead) >= _BEHIND - 1:
            self._give_up(name, node, message.came_us)

    def _apply(self, name: str, node: Node, session: Session, message: Message) -> None:
        device, kind = message.topic.device, message.topic.kind
        if kind == "DBIRTH":
            self._device_birth(name, node, session, message)
        elif kind == "DDEATH":
            sent_us = message.payload.time_ms * 1000
            at_us = sent_us if 0 < message.came_us - sent_us < _LONGEST_PAUSE_US else message.came_us
            session.tables.pop(device, None)
            self._device_gone(name, node, device, at_us, "its death was told")
        else:
            table = session.tables.get(device)
            if table is None:
                self._unborn_device(name, node, message)
            else:
                self._data(name, node, table, message)

    def _device_birth(self, name: str, node: Node, session: Session, message: Message) -> None:
        device = message.topic.device
        one, wanted = node.devices.get(device), node.wanted.get(device)
        if one is None or wanted is None:
            return
        table = session.tables[device] = table_of(message.payload, wanted)
        one.due_us = 0
        if not one.online:
            one.online, one.since_us = True, message.came_us
            self._events.append(Changed(name, device, online=True, why="born"))
        self._tell(name, node, device, table)
        self._samples(samples_of(message.payload, table, wanted, message.came_us, birth=True))
        self._release(name, node, session, device)

    def _unborn_device(self, name: str, node: Node, message: Message) -> None:
        if message.topic.device in node.wanted:
            self._wish(node, "data of a device that was not born")
            self._data(name, node, NO_TABLE, message)

    def _data(self, name: str, node: Node, table: Table, message: Message) -> None:
        wanted = node.wanted.get(message.topic.device)
        if wanted is None:
            return
        samples = samples_of(message.payload, table, wanted, message.came_us)
        if samples.unknown:
            self._refuse(name, samples.unknown, "metrics by an alias that no birth has told of")
            self._wish(node, "an alias that no birth has told of")
        self._samples(samples)

    def _double(self, node: Node, session: Session, message: Message) -> None:
        wanted = node.wanted.get(message.topic.device)
        if wanted is None or message.topic.kind not in {"NDATA", "DDATA"}:
            return
        samples = samples_of(message.payload, session.tables.get(message.topic.device, NO_TABLE), wanted, message.came_us)
        samples.duplicate = True
        self._samples(samples)

    def _late(self, name: str, node: Node, session: Session, message: Message) -> None:
        """Keep values that come after their place in the order has passed."""
        device, payload = message.topic.device, message.payload
        if message.topic.kind not in {"NDATA", "DDATA"}:
            self._wish(node, "a birth or death came after its place in the order")
            return
        if device not in node.wanted:
            return
        table, now = session.tables.get(device, NO_TABLE), NO_TABLE
        if node.session is not None:
            now = node.session.tables.get(device, NO_TABLE)
        vouched = 0 < session.birth_ms <= payload.time_ms and (node.session is None or agree(payload, table, now))
        if vouched or by_name_only(payload):
            self._data(name, node, table, message)
        else:
            self._refuse(name, node.perhaps_ours(message), "they came late, and aliases may mean something else by now")

    # holes

    def _give_up(self, name: str, node: Node, now_us: int) -> None:
        """Wait no longer for what is missing: tell of the hole, hold what came behind it, ask for a rebirth."""
        session = node.session
        if session is None or not session.ahead:
            return
        waiting, session.ahead = in_order(session), {}
        self._missed(name, session, waiting, now_us)
        node.doubtful = True
        self._wish(node, "a hole in the sequence")
        for message in waiting:
            self._hold(name, node, message)

    def _end_early(self, name: str, node: Node) -> None:
        """Take what overtook no birth as what it seemed to be: late."""
        early, node.early = node.early, []
        for message in early:
            if node.session is None:
                self._hold(name, node, message)
            else:
                self._late(name, node, node.session, message)

    def _part(self, name: str, node: Node, old: Session, birth_ms: int, now_us: int) -> None:
        """Divide what waits for a missing message when a birth comes: it overtook the birth, or there was a hole before it."""
        early, node.early = node.early, []
        for message in early:
            if message.payload.time_ms > birth_ms:
                self._keep_held(name, node, message)
            else:
                self._late(name, node, old, message)
        waiting, old.ahead = in_order(old), {}
        before = [message for message in waiting if message.payload.time_ms <= birth_ms]
        if before:
            self._missed(name, old, before, now_us)
        for message in waiting:
            self._keep_held(name, node, message)

    def _missed(self, name: str, session: Session, found: Sequence[Message], now_us: int) -> None:
        """Tell how many messages are missing before those that were found, and expect what follows them."""
        last = (found[-1].payload.sequence or 0) % NUMBERS
        count = (last - session.expected) % NUMBERS + 1 - len(found)
        session.expected = (last + 1) % NUMBERS
        first = min(message.came_us for message in found)
        if count > 0:
            self._events.append(Missing(name, count, first, max(now_us, first + 1)))

    def _hold(self, name: str, node: Node, message: Message) -> None:
        """Hold a message until a birth vouches for its aliases; what names its metrics needs none."""
        kind, device, sequence = message.topic.kind, message.topic.device, message.payload.sequence
        if node.session is not None and sequence is not None and (sequence - node.session.expected) % NUMBERS < _BEHIND:
            self._missed(name, node.session, [message], message.came_us)
        if node.online is False and node.former is not None and node.was_underway(node.former, message):
            self._late(name, node, node.former, message)
            return
        self._wish(node, "messages before a birth")
        if kind in {"NDATA", "DDATA"} and by_name_only(message.payload):
            self._data(name, node, NO_TABLE, message)
        elif device in node.wanted or kind != "DDATA":
            self._keep_held(name, node, message)

    def _keep_held(self, name: str, node: Node, message: Message) -> None:
        node.keep_held(message)
        while len(node.held) > _MOST_HELD or node.held_bytes > _MOST_HELD_BYTES:
            self._refuse(name, node.drop_held(), "too many messages wait for a birth")

    def _release(self, name: str, node: Node, session: Session, device: str) -> None:
        """Give the messages that waited for a birth their meaning."""
        waited, node.held, node.held_bytes = list(node.held), deque(), 0
        later: list[Message] = []
        # what was sent in the same millisecond came before the birth, unless nothing is known that it could belong to
        first_ms = session.birth_ms + (node.former is not None)
        for message in waited:
            if not device and message.payload.time_ms >= first_ms:
                later.append(message)
            elif message.topic.device != device:
                self._keep_held(name, node, message)
            else:
                self._explain(name, node, session, message)
        for message in later:
            self._numbered(node, message)

    def _explain(self, name: str, node: Node, session: Session, message: Message) -> None:
        """Keep a message from before a birth where both births mean the same by its aliases."""
        device, kind = message.topic.device, message.topic.kind
        if kind not in {"NDATA", "DDATA"}:
            return
        former = node.former
        before = None if former is None or message.payload.time_ms < former.birth_ms else former.tables.get(device)
        after = session.tables.get(device)
        if after is not None and before is not None and agree(message.payload, before, after):
            self._data(name, node, before, message)
        else:
            count = node.perhaps_ours(message)
            self._refuse(name, count, "the birth after a hole does not vouch for their aliases")

    # what goes out

    def _unreadable(self, told: NodeTopic, node: Node, why: str) -> None:
        session = node.session
        if session is not None and told.kind not in {"NBIRTH", "NDEATH"}:
            # it has come, and is not missing as well
            session.expected = (session.expected + 1) % NUMBERS
        self._refuse(told.node, 1, why)
        self._wish(node, "a payload that cannot be read")

    def _refuse(self, name: str, count: int, why: str) -> None:
        if count:
            self._events.append(Refused(name, count, why))

    def _tell(self, name: str, node: Node, device: str, table: Table) -> None:
        places = missing_of(table, node.wanted[device])
        if places or table.unreadable:
            self._events.append(Untold(name, tuple(places), tuple(table.unreadable)))

    def _samples(self, samples: Samples) -> None:
        if len(samples) or samples.mismatched or samples.transient:
            self._events.append(samples)

    @staticmethod
    def _wish(node: Node, why: str) -> None:
        node.wish = node.wish or why

    def _ask(self, name: str, node: Node, now_us: int) -> None:
        if not node.wish or self._allowed < 1:
            return
        # who is heard of is asked at a steady pace, who is silent ever more seldom
        silent = node.heard_us < node.asked_us
        pause = min(_LONGEST_PAUSE_US, self._rules.rebirth_us << min(node.asks, 8)) if silent else self._rules.rebirth_us
        if now_us - node.asked_us < pause:
            return
        node.asks = node.asks + 1 if silent else 0
        node.asked_us = now_us
        self._allowed -= 1
        self._events.append(Rebirth(name, node.wish))
