"""What tests of taking have in common: a site's places, and deliveries that somebody carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from delivery.places import Places
from plant.deliveries import Kind, Message
from plant.delivery_messages import sign
from plant.delivery_rules import DeliveryPlan
from plant.recommendations import Stage
from plant.settings_delivery import DeliverySettings, RestController
from storage.database import Connection
from storage.deliveries import Delivery, Step, read_deliveries, read_delivery, send, step

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
ALL = tuple(Kind)


def controller(name: str, *units: str, takes: tuple[Kind, ...] = ALL) -> RestController:
    return RestController(id=name, work_units=units, takes=takes, way="rest", valid_seconds=60.0)


def places(*controllers: RestController, **rest: Any) -> Places:
    return Places(DeliveryPlan(DeliverySettings(controllers=controllers), wanted=True), "acme/north", **rest)


def of_source(connection: Connection, source: str) -> Delivery:
    (found,) = read_deliveries(connection, source=source)
    return found


def sent(connection: Connection, number: int, time_us: int = NOW) -> None:
    def signature(message: Message, text: str) -> str:
        return sign(text, message.work_unit.replace("/", "-"), b"k" * 32)

    assert send(connection, [number], time_us, actor="delivery", sign=signature, check=lambda _: None)


def carried_out(
    connection: Connection, number: int, *, until: Stage = Stage.EXECUTED, reason: str = "", detail: Mapping[str, Any] | None = None
) -> None:
    """Bring an approved delivery to where a controller brings it."""
    sent(connection, number)
    ways = {
        Stage.ACCEPTED: [Stage.ACCEPTED],
        Stage.EXECUTED: [Stage.ACCEPTED, Stage.EXECUTED],
        Stage.REFUSED: [Stage.REFUSED],
        Stage.EXPIRED: [Stage.EXPIRED],
        Stage.IN_DOUBT: [Stage.IN_DOUBT],
    }
    steps = [Step(number, stage, NOW + SECOND, "line", reason) for stage in ways[until]]
    steps[-1] = replace(steps[-1], detail=detail)
    assert all(step(connection, steps))


def stage_of(connection: Connection, number: int) -> Stage:
    found = read_delivery(connection, number)
    assert found is not None
    return found.stage
