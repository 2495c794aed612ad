"""Between us and a controller anybody may stand: messages come twice, late, out of order, changed, to somebody else; so do answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import cast

import pytest

from delivery.flights import Flights
from delivery.pulses import Pulses
from delivery.ways import Beat
from delivery.writer import Entry, Writer
from plant.deliveries import Draft, Kind, Quantity, SignedMessage
from plant.delivery_modes import Dropped, Mode, ModeRow
from plant.delivery_rules import DeliveryPlan
from plant.errors import Rejected
from plant.recommendations import Stage
from plant.settings_delivery import DeliverySettings
from simulators.controller_rules import Behaviour
from storage.delivery_modes import ask_closed_loop, confirm_closed_loop, newest_mode
from storage.delivery_troubles import TroubleKind
from tests.databases import fresh_database
from tests.delivery.loopback import Loopback
from tests.delivery.stage import CLOCK, House, draft, house
from tests.delivery.way_parts import KEY, PATIENCE, controller
from tests.ingest.parts import until

UNITS = [f"press-{number}" for number in range(30)]
_fresh = count()
Bend = Callable[[SignedMessage], list[tuple[str, str, str]]]
"""What becomes of a message on the wire: to whom which text comes with which signature."""


@dataclass
class Wire(Loopback):
    """A way whose wire somebody else holds."""

    bends: dict[str, Bend] = field(default_factory=dict)

    async def send(self, signed: SignedMessage) -> None:
        bend = self.bends.get(signed.message.work_unit)
        if bend is None:
            await super().send(signed)
            return
        self.sent.append(signed)
        await asyncio.sleep(0)
        for one in bend(signed):
            self.deliver(*one)

    def deliver(self, unit: str, text: str, signature: str, now_us: int | None = None) -> None:
        self._say(unit, self.controllers[unit].take(text, signature, now_us or CLOCK.now_us()))


@pytest.fixture(scope="module")
def wire() -> Wire:
    return Wire("cell", {unit: controller(unit) for unit in UNITS})


@pytest.fixture(scope="module")
def plant(postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory, wire: Wire) -> Iterator[House]:
    times = {"answer_seconds": 0.4, "done_seconds": 30.0, "heartbeat_seconds": 60.0}
    with (
        fresh_database(postgres_server, migrated_template) as url,
        house(url, tmp_path_factory.mktemp("delivery"), [wire], UNITS, keys={"cell": KEY}, **times) as one,
    ):
        yield one
        one.assert_audited()


@pytest.fixture
def unit() -> str:
    """A work unit that no other test touches."""
    return UNITS[next(_fresh)]


def value(wire: Wire, unit: str) -> float:
    return wire.controllers[unit].values()["current"].value


def done(wire: Wire, unit: str) -> int:
    return len(wire.controllers[unit].executions)


def pass_on(plant: House, wire: Wire, unit: str) -> int:
    """Send one more message, straight, so that a controller knows that it will never take an older one."""
    wire.bends.pop(unit, None)
    (number,) = plant.propose(draft(unit, value=220.0, slot="parameters:P1:after"))
    plant.until(number, Stage.EXECUTED, seconds=PATIENCE)
    return number


def test_a_message_that_is_played_again_and_again_is_done_once(plant: House, wire: Wire, unit: str) -> None:
    seen: list[tuple[str, str, str]] = []

    def again(signed: SignedMessage) -> list[tuple[str, str, str]]:
        seen.append((unit, signed.text, signed.signature))
        return seen * 3

    wire.bends[unit] = again
    for at, number in enumerate(plant.propose(draft(unit, value=210.0), draft(unit, value=230.0, slot="parameters:P1:2"))):
        plant.until(number, Stage.EXECUTED, seconds=PATIENCE)
        assert done(wire, unit) >= at + 1
    assert done(wire, unit) == 2
    assert len({one.counter for one in wire.controllers[unit].executions}) == 2


def test_of_two_messages_that_change_places_the_overtaken_one_is_refused(plant: House, wire: Wire, unit: str) -> None:
    held: list[SignedMessage] = []

    def reorder(signed: SignedMessage) -> list[tuple[str, str, str]]:
        held.append(signed)
        return [] if len(held) < 2 else [(unit, one.text, one.signature) for one in sorted(held, key=lambda one: -one.message.counter)]

    wire.bends[unit] = reorder
    numbers = plant.propose(draft(unit, value=210.0), draft(unit, value=230.0, slot="parameters:P1:2"))
    until(lambda: len(held) == 2, PATIENCE)
    by_counter = [one.number for one in sorted(held, key=lambda one: one.message.counter)]
    assert sorted(by_counter) == sorted(numbers)
    plant.until(by_counter[1], Stage.EXECUTED, seconds=PATIENCE)
    # by its refusal, or because its controller says when asked that it has taken a later one
    overtaken = plant.until(by_counter[0], Stage.REFUSED, Stage.EXPIRED, seconds=PATIENCE)
    assert overtaken.stage_reason in ("counter", "not_taken")
    assert done(wire, unit) == 1


def test_a_message_that_comes_when_it_has_expired_is_refused_by_the_controller(plant: House, wire: Wire, unit: str) -> None:
    def delay(signed: SignedMessage) -> list[tuple[str, str, str]]:
        # it comes just then by the controller's own clock
        wire.deliver(unit, signed.text, signed.signature, signed.message.expires_us)
        return []

    wire.bends[unit] = delay
    (number,) = plant.propose(draft(unit))
    refused = plant.until(number, Stage.REFUSED, seconds=PATIENCE)
    assert (refused.stage_actor, refused.stage_reason) == ("cell", "expired")
    assert (done(wire, unit), value(wire, unit)) == (0, 200.0)


@pytest.mark.parametrize("how", ["value", "unit", "signature", "key"])
def test_a_message_that_was_changed_on_the_way_does_nothing(plant: House, wire: Wire, unit: str, how: str) -> None:
    def tamper(signed: SignedMessage) -> list[tuple[str, str, str]]:
        text = {"value": signed.text.replace("210.0", "240.0"), "unit": signed.text.replace('"A"', '"kA"')}.get(how, signed.text)
        digits = signed.signature.partition(".")[2]
        signature = {"signature": f"cell.{digits[::-1]}", "key": f"shop.{digits}"}.get(how, signed.signature)
        assert (text, signature) != (signed.text, signed.signature)
        return [(unit, text, signature)]

    wire.bends[unit] = tamper
    (number,) = plant.propose(draft(unit))
    until(lambda: number in [one.number for one in wire.sent], PATIENCE)
    assert (done(wire, unit), value(wire, unit)) == (0, 200.0)
    pass_on(plant, wire, unit)
    assert plant.until(number, Stage.EXPIRED, seconds=PATIENCE).stage_reason == "not_taken"
    assert done(wire, unit) == 1


def test_a_message_that_reaches_another_machine_does_nothing_there(plant: House, wire: Wire, unit: str) -> None:
    other = UNITS[next(_fresh)]
    wire.bends[unit] = lambda signed: [(other, signed.text, signed.signature)]
    (number,) = plant.propose(draft(unit))
    until(lambda: number in [one.number for one in wire.sent], PATIENCE)
    assert (done(wire, other), done(wire, unit)) == (0, 0)
    pass_on(plant, wire, unit)
    # what the other one said of it did not count either
    assert plant.until(number, Stage.EXPIRED, seconds=PATIENCE).stage_reason == "not_taken"
    assert value(wire, other) == 200.0


def test_a_message_for_another_program_does_not_even_leave(plant: House, wire: Wire, unit: str) -> None:
    (number,) = plant.propose(draft(unit, program="P9"))
    assert plant.until(number, Stage.REFUSED, seconds=PATIENCE).stage_reason == "no_window"
    assert number not in [one.number for one in wire.sent]


@pytest.mark.parametrize("behaviour", [Behaviour.SLOW, Behaviour.TWICE])
def test_answers_that_come_late_or_twice_count_once(plant: House, wire: Wire, unit: str, behaviour: Behaviour) -> None:
    # late: after the time within which it should have said a word
    wire.controllers[unit] = controller(unit, behaviour=behaviour, slow_us=600_000)
    (number,) = plant.propose(draft(unit))
    plant.until(number, Stage.EXECUTED, seconds=PATIENCE)
    path = plant.path(number)
    assert len(path) == len(set(path))
    assert (done(wire, unit), value(wire, unit)) == (1, 210.0)


def test_a_controller_that_never_took_a_message_says_so_and_it_is_not_sent_again(plant: House, wire: Wire, unit: str) -> None:
    wire.controllers[unit].behaviour = Behaviour.DEAF
    (number,) = plant.propose(draft(unit))
    until(lambda: number in [one.number for one in wire.sent], PATIENCE)
    wire.controllers[unit].behaviour = Behaviour.OBEDIENT
    pass_on(plant, wire, unit)
    assert plant.until(number, Stage.EXPIRED, seconds=PATIENCE).stage_reason == "not_taken"
    assert [one.number for one in wire.sent].count(number) == 1
    assert done(wire, unit) == 1


def closed_loop(plant: House, unit: str) -> None:
    ask_closed_loop(plant.connection, unit, actor="anna", now_us=CLOCK.now_us(), hours=1.0)
    confirm_closed_loop(plant.connection, unit, actor="berta", now_us=CLOCK.now_us())


def mode(plant: House, unit: str) -> Mode | None:
    row = newest_mode(plant.connection, unit)
    return None if row is None else row.mode


@pytest.mark.parametrize("wrong", [210_000.0, 0.21, 301.0, 280.0, -210.0])
def test_what_an_optimizer_proposes_wrongly_never_leaves_and_its_loop_ends(plant: House, wire: Wire, unit: str, wrong: float) -> None:
    """A thousandfold, a thousandth, outside, too far at once, another sign."""
    closed_loop(plant, unit)
    (number,) = plant.propose(draft(unit, value=wrong, approved_by=""))
    refused = plant.until(number, Stage.REFUSED, seconds=PATIENCE)
    assert refused.stage_actor == "gate"
    assert refused.approved_by == "closed loop (anna, berta)"
    until(lambda: mode(plant, unit) is Mode.ADVISORY, PATIENCE)
    assert number not in [one.number for one in wire.sent]
    assert done(wire, unit) == 0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_even_proposed(plant: House, unit: str, wrong: float) -> None:
    with pytest.raises((Rejected, ValueError)):
        plant.propose(draft(unit, value=wrong))


def test_a_loop_that_swings_to_and_fro_is_ended(plant: House, wire: Wire, unit: str) -> None:
    (first,) = plant.propose(draft(unit, value=200.0))
    plant.until(first, Stage.EXECUTED, seconds=PATIENCE)
    closed_loop(plant, unit)
    ends = []
    for turn in range(6):
        (number,) = plant.propose(draft(unit, value=210.0 if turn % 2 == 0 else 200.0, approved_by=""))
        ends.append(plant.until(number, Stage.EXECUTED, Stage.REFUSED, seconds=PATIENCE))
        if ends[-1].stage is Stage.REFUSED:
            break
    assert (ends[-1].stage, ends[-1].stage_reason) == (Stage.REFUSED, "swings")
    until(lambda: mode(plant, unit) is Mode.ADVISORY, PATIENCE)
    # there, back, there: two turns, and not a third
    assert len(ends) == 4
    assert done(wire, unit) == 4


class _Told:
    """In place of the writer: what it would have written."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def put(self, entry: Entry) -> None:
        self.entries.append(entry)


class _SetClock:
    def __init__(self) -> None:
        self.us = CLOCK.now_us()

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1e6

    def sleep(self, seconds: float) -> None:
        self.us += round(seconds * 1e6)


def _pulses(clock: _SetClock, told: _Told, modes: Mapping[str, ModeRow]) -> Pulses:
    settings = {"controllers": [{"way": "rest", "id": "cell", "work_units": ["press-0"], "heartbeat_seconds": 5.0}]}
    plan = DeliveryPlan(DeliverySettings.model_validate(settings), wanted=True)
    pulses = Pulses(plan, {}, Flights(plan), cast("Writer", told), clock, lambda: None)
    pulses.begin({}, modes, {}, {})
    return pulses


def test_a_closed_loop_whose_controller_is_not_heard_ends_and_is_told_to_people() -> None:
    clock, told = _SetClock(), _Told()
    loop = ModeRow(1, "press-0", Mode.CLOSED_LOOP, clock.us, clock.us + 3_600_000_000, "anna", "berta")
    pulses = _pulses(clock, told, {"press-0": loop})
    for _ in range(60):
        pulses.heard("cell", "press-0", Beat(clock.us, counter=0))
        clock.sleep(1.0)
        pulses.tick()
    assert not [drop for entry in told.entries for drop in entry.drops]
    assert not pulses.withholds("press-0")
    silent_since = clock.us
    while not [drop for entry in told.entries for drop in entry.drops]:
        clock.sleep(0.5)
        pulses.tick()
        assert clock.us - silent_since < 60_000_000, "nobody noticed"
    # within three heartbeats and a moment, and from then on nothing leaves
    assert clock.us - silent_since <= 16_000_000
    assert pulses.withholds("press-0")
    (drop,) = [drop for entry in told.entries for drop in entry.drops]
    assert (drop.work_unit, drop.why) == ("press-0", Dropped.HEARTBEAT)
    assert TroubleKind.HEARTBEAT in {one.kind for entry in told.entries for one in entry.troubles if one.active}


def test_spindles_are_moved_no_farther_than_the_settings_say(plant: House, wire: Wire, unit: str) -> None:
    def offsets(*values: float) -> Draft:
        parameters = tuple(Quantity(f"bolt_{number}_x", one, "mm") for number, one in enumerate(values))
        return draft(unit, kind=Kind.OFFSETS, slot="offsets", parameters=parameters, program="", window_version=None)

    (fine,) = plant.propose(offsets(0.4, -5.0))
    plant.until(fine, Stage.EXECUTED, seconds=PATIENCE)
    (far,) = plant.propose(offsets(0.4, -5.001))
    assert plant.until(far, Stage.REFUSED, seconds=PATIENCE).stage_reason == "below"
    assert far not in [one.number for one in wire.sent]
