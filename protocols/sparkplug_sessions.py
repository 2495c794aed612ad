"""What a Sparkplug host application remembers of an edge node: its session, its devices, the messages that wait."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from protocols.sparkplug_payload import Payload
from protocols.sparkplug_tables import Table, Wanted, agree
from protocols.sparkplug_topics import NodeTopic

NUMBERS: Final = 256
"""Messages of a session are numbered modulo this."""
NO_TABLE: Final = Table()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an edge node, and when it came."""

    topic: NodeTopic
    payload: Payload
    came_us: int
    print_of: int
    """A checksum of its bytes, to know doubles by."""
    size: int


@dataclass(slots=True)
class Session:
    """What one birth of an edge node began."""

    bd_seq: int | None
    birth_ms: int
    expected: int
    tables: dict[str, Table]
    ahead: dict[int, Message] = field(default_factory=dict)
    ahead_since_us: int = 0
    newest_ms: int = 0
    """When the newest message in order was sent."""
    guessed: set[int] = field(default_factory=set)
    """Numbers taken by messages that were sent before the birth, by their own word: another may come with the same number."""
    seen: dict[int, int] = field(default_factory=dict)
    """What came under the latest numbers, to know doubles by."""

    def sent_before(self, session: Session, message: Message, *, fits: bool) -> bool:
        """Return whether a message belongs to this session and not to the one after it.

        One that fits the order of that may be of a clock set back since.
        """
        if not 0 < message.payload.time_ms < session.birth_ms or session.seen.get(message.payload.sequence or 0) == message.print_of:
            return False
        device = message.topic.device
        return not fits or not agree(message.payload, self.tables.get(device, NO_TABLE), session.tables.get(device, NO_TABLE))


@dataclass(slots=True)
class Device:
    """How a device behind an edge node is."""

    online: bool | None = None
    since_us: int = 0
    due_us: int = 0
    """By then it must have been born again after its node; 0 where it was."""


@dataclass(slots=True)
class Node:
    """An edge node, what is wanted of it and of its devices, and how it is."""

    wanted: dict[str, Wanted]
    devices: dict[str, Device]
    session: Session | None = None
    former: Session | None = None
    doubtful: bool = False
    """A hole in the numbers: a birth may be missing, so the session's aliases are not trusted until the next one."""
    online: bool | None = None
    since_us: int = 0
    heard_us: int = 0
    early: list[Message] = field(default_factory=list)
    """What seems to come late, but was sent after all that came in order: it may have overtaken a birth."""
    held: deque[Message] = field(default_factory=deque)
    held_bytes: int = 0
    death: tuple[int, int] | None = None
    """Number and moment of a death that fitted no session: it may have overtaken its birth."""
    wish: str = ""
    """Why a rebirth is wanted; empty when none is."""
    asked_us: int = 0
    asks: int = 0

    def keep_held(self, message: Message) -> None:
        """Hold a message until a birth explains it."""
        self.held.append(message)
        self.held_bytes += message.size

    def drop_held(self) -> int:
        """Drop the oldest message that is held; return how many values it may have had for us."""
        message = self.held.popleft()
        self.held_bytes -= message.size
        return self.perhaps_ours(message)

    def perhaps_ours(self, message: Message) -> int:
        """Return how many values of a message may be our signals': those by name are known, those by alias as far as a birth told."""
        wanted = self.wanted.get(message.topic.device)
        if wanted is None or message.topic.kind not in {"NDATA", "DDATA", "DBIRTH"}:
            return 0
        former = self.session or self.former
        aliases = {} if former is None else former.tables.get(message.topic.device, NO_TABLE).aliases
        entries = [wanted.entry(row.name, row.datatype) if row.name else aliases.get(row.alias) for row in message.payload.metrics]
        return sum(1 if entry is None else len(entry.targets) for entry in entries)

    def was_underway(self, former: Session, message: Message) -> bool:
        """Return whether a message was sent before the death of its node that came before it."""
        if not 0 < message.payload.time_ms * 1000 <= self.since_us or message.payload.sequence != former.expected:
            return False
        former.expected = (former.expected + 1) % NUMBERS
        return True


def in_order(session: Session) -> list[Message]:
    """Return what came ahead of its place, in its order."""
    return [session.ahead[number] for number in sorted(session.ahead, key=lambda number: (number - session.expected) % NUMBERS)]
