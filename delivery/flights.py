"""Deliveries that are under way, in memory: what was sent, to whom, how far it has come. The database is the truth; this follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from plant.deliveries import UNDER_WAY, Message, SignedMessage
from plant.delivery_rules import DeliveryPlan
from plant.recommendations import Stage
from plant.settings_delivery import Controller
from storage.deliveries import Delivery


@dataclass(slots=True)
class Flight:
    """One delivery under way."""

    signed: SignedMessage
    controller: str
    """Id of the controller that it goes to; empty where the settings name none any more."""
    stage: Stage
    slot: str = ""
    """What it occupies at its work unit."""
    doubt: str = ""
    """Why it is in doubt."""
    stage_us: int = 0
    committed: float | None = None
    """When SENT was committed, on a clock that never steps; None where another process did it."""
    handed: bool = False
    """Given to the way by this process: never again."""
    asked: float = float("-inf")
    """When its controller was last asked what became of it."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Answers to one message are weighed one after the other."""

    @property
    def number(self) -> int:
        """Of the delivery."""
        return self.signed.number

    @property
    def message(self) -> Message:
        """What was sent."""
        return self.signed.message


class Flights:
    """All that is under way, by the id of the message."""

    def __init__(self, plan: DeliveryPlan) -> None:
        self._plan = plan
        self._by_id: dict[str, Flight] = {}

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, message_id: str) -> Flight | None:
        """Return what is under way of a message, None where nothing is."""
        return self._by_id.get(message_id)

    def add(self, flight: Flight) -> Flight:
        """Follow a delivery from now on; what is known of it already stays."""
        return self._by_id.setdefault(flight.message.id, flight)

    def forget(self, flight: Flight) -> None:
        """Follow it no longer."""
        self._by_id.pop(flight.message.id, None)

    def controller(self, message: Message) -> Controller | None:
        """Return who takes a message by the settings."""
        return self._plan.controller(message.work_unit, message.kind)

    def sent(self, signed: SignedMessage, slot: str, committed: float) -> Flight:
        """Return a message as it is followed that this process has just made SENT."""
        return Flight(signed, self._id(signed.message), Stage.SENT, slot, stage_us=signed.message.issued_us, committed=committed)

    def stored(self, delivery: Delivery) -> Flight:
        """Return a delivery as it is followed, by its row. Raises Rejected where it was never sent."""
        signed, doubt = delivery.signed, delivery.stage_reason if delivery.stage is Stage.IN_DOUBT else ""
        return Flight(signed, self._id(signed.message), delivery.stage, delivery.draft.slot, doubt, delivery.stage_us)

    def _id(self, message: Message) -> str:
        takes = self.controller(message)
        return "" if takes is None else takes.id


def is_under_way(stage: Stage) -> bool:
    """Return whether something is still waited for."""
    return stage in UNDER_WAY
