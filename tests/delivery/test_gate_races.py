"""A mode that is switched, a window that is changed, a switch that is thrown while recommendations are open: what is old is void."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from delivery.sending import Look, Outbox
from delivery.standing import UnitFacts
from plant.clock import SystemClock
from plant.deliveries import Draft, Kind, Quantity
from plant.delivery_modes import Mode
from plant.delivery_rules import DeliveryPlan
from plant.errors import Unavailable
from plant.recommendations import Stage
from plant.settings_delivery import DeliverySettings
from simulators.controller import Controller
from simulators.controller_check import ParameterLimit, ProgramLimits
from simulators.controller_rules import ControllerRules, Said
from storage.database import Connection, connect
from storage.deliveries import Step, propose, read_delivery, step
from storage.delivery_modes import ask_closed_loop, confirm_closed_loop, set_mode
from storage.process_windows import write_windows
from tests.databases import fresh_database

KEY = bytes(range(32))
SECOND = 1_000_000
PLAN = DeliveryPlan(
    DeliverySettings.model_validate({"controllers": [{"way": "rest", "id": "cell", "work_units": ["*"], "takes": list(Kind)}]}),
    Path(),
    wanted=True,
)
_units = count()


@dataclass
class SetClock:
    """A clock that stands until it is told to go."""

    us: int = field(default_factory=lambda: SystemClock().now_us())

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1e6

    def sleep(self, seconds: float) -> None:
        self.us += round(seconds * 1e6)


def window_text(unit: str, version: int, high: float) -> str:
    return (
        f'[[windows]]\nwork_unit = "{unit}"\nprogram = "P1"\nversion = {version}\nauthor = "anna"\napprover = "berta"\n'
        f'[[windows.parameters]]\nname = "current"\nunit = "A"\nlow = 100.0\nhigh = {high}\nstep = 50.0\n'
    )


def limits(version: int, high: float) -> ProgramLimits:
    return ProgramLimits("P1", version, (ParameterLimit("current", "A", 100.0, high, 50.0),))


def draft(unit: str, value: float, version: int, now_us: int, *, approved_by: str = "anna", valid_seconds: float = 60.0) -> Draft:
    return Draft(
        kind=Kind.PARAMETERS,
        work_unit=unit,
        source=f"test:{uuid4()}",
        slot=f"parameters:{uuid4()}",
        valid_seconds=valid_seconds,
        program="P1",
        parameters=(Quantity("current", value, "A"),),
        window_version=version,
        basis_from_us=now_us - 3600 * SECOND,
        basis_to_us=now_us - SECOND,
        approved_by=approved_by,
    )


@pytest.fixture(scope="module")
def database(postgres_server: str, migrated_template: str) -> Iterator[str]:
    with fresh_database(postgres_server, migrated_template) as url:
        yield url


class OpenRecommendations(RuleBasedStateMachine):
    """Drafts are made, approved, looked at and sent in any order with whatever people and machines do in between.

    What leaves was allowed at that moment: by the mode, by who approved it, by the window in force, by the switch, by the heartbeat; and
    the controller, whose engineer typed in the same window, takes it.
    """

    connection: ClassVar[Connection]
    left: ClassVar[int] = 0
    kept: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        self.clock = SetClock()
        self.unit = f"weld-{next(_units)}"
        self.outbox = Outbox(PLAN, lambda _controller: KEY, self.clock)
        self.mode, self.until_us = Mode.ADVISORY, 0
        self.version, self.high = 1, 300.0
        self.off = False
        self.heard_us = self.clock.us
        self.look: Look | None = None
        self.made: dict[int, float] = {}
        self.current: float | None = None
        self.counters: list[int] = []
        write_windows(self.connection, window_text(self.unit, 1, 300.0), actor="anna", now_us=self.clock.us)
        rules = ControllerRules(work_unit=self.unit, keys={"cell": KEY}, programs=(limits(1, 300.0),))
        self.controller = Controller(rules)

    @rule(value=st.sampled_from([200.0, 210.0, 99.0, 100.0, 150.0, 240.0, 260.0, 300.0, 301.0]), nobody=st.booleans(), old=st.booleans())
    def recommend(self, value: float, nobody: bool, old: bool) -> None:
        version = max(1, self.version - 1) if old else self.version
        made = draft(self.unit, value, version, self.clock.us, approved_by="" if nobody else "carl")
        for number in propose(self.connection, [made], self.clock.us):
            assert number is not None
            self.made[number] = value

    @rule()
    def approve(self) -> None:
        step(self.connection, [Step(number, Stage.APPROVED, self.clock.us, "carl") for number in self.made])

    @rule(mode=st.sampled_from([Mode.OFF, Mode.SHADOW, Mode.ADVISORY]))
    def switch(self, mode: Mode) -> None:
        set_mode(self.connection, self.unit, mode, actor="anna", now_us=self.clock.us)
        self.mode = mode

    @rule(hours=st.sampled_from([0.01, 1.0]))
    def close_the_loop(self, hours: float) -> None:
        ask_closed_loop(self.connection, self.unit, actor="anna", now_us=self.clock.us, hours=hours)
        confirm_closed_loop(self.connection, self.unit, actor="berta", now_us=self.clock.us)
        self.mode, self.until_us = Mode.CLOSED_LOOP, self.clock.us + round(hours * 3600 * SECOND)

    @rule(high=st.sampled_from([220.0, 250.0, 300.0]))
    def change_the_window(self, high: float) -> None:
        self.version, self.high = self.version + 1, high
        write_windows(self.connection, window_text(self.unit, self.version, high), actor="anna", now_us=self.clock.us)
        self.controller.situation.programs = (limits(self.version, high),)

    @rule(off=st.booleans())
    def throw_the_switch(self, off: bool) -> None:
        self.off = off

    @rule(seconds=st.sampled_from([1, 20, 61, 1000]), heard=st.booleans())
    def time_goes_by(self, seconds: int, heard: bool) -> None:
        self.clock.sleep(seconds)
        if heard:
            self.heard_us = self.clock.us

    @rule()
    def hear(self) -> None:
        self.heard_us = self.clock.us

    @rule()
    def look_at_what_waits(self) -> None:
        self.look = self.outbox.look(self.connection)

    @precondition(lambda self: bool(self.made))
    @rule(again=st.booleans())
    def send(self, again: bool) -> None:
        """What was seen to wait is sent, however long ago that was."""
        if self.look is None or not again:
            self.look = self.outbox.look(self.connection)
        mine = [one for one in self.look.approved if one.draft.work_unit == self.unit]
        facts = {self.unit: UnitFacts(self.heard_us, self.off, 0, watched=True)}
        for one in mine:
            self.one(self.outbox.send(self.connection, [one], facts).messages, one.number)

    def one(self, messages: tuple[Any, ...], number: int) -> None:
        OpenRecommendations.kept += not messages
        for signed in messages:
            OpenRecommendations.left += 1
            loops = self.mode is Mode.CLOSED_LOOP and self.clock.us < self.until_us
            row = read_delivery(self.connection, number)
            assert row is not None
            assert self.mode in (Mode.ADVISORY, Mode.CLOSED_LOOP)
            assert row.approved_by == "carl" or (row.approved_by == "closed loop (anna, berta)" and loops)
            assert not self.off
            assert self.clock.us - self.heard_us <= 15 * SECOND
            assert signed.message.window_version == self.version
            value = self.made[number]
            assert 100.0 <= value <= self.high
            assert self.current is None or abs(value - self.current) <= 50.0
            assert signed.message.counter > max(self.counters, default=0)
            self.counters.append(signed.message.counter)
            taken = self.controller.take(signed.text, signed.signature, self.clock.us)
            assert taken is not None
            assert taken.said is Said.ACCEPTED, taken
            self.controller.tick(self.clock.us)
            done = [Step(number, stage, self.clock.us, "cell") for stage in (Stage.ACCEPTED, Stage.EXECUTED)]
            assert step(self.connection, done) == [True, True]
            self.current = value

    @invariant()
    def the_controller_did_nothing_else(self) -> None:
        if hasattr(self, "controller"):
            assert [one.counter for one in self.controller.executions] == self.counters
            found = self.controller.situation.values.get("current")
            assert found == self.current


def test_what_leaves_was_allowed_at_that_moment_whatever_happened_in_between(database: str) -> None:
    random = Random(5)  # noqa: S311 - for trials
    OpenRecommendations.left = OpenRecommendations.kept = 0
    with connect(database, application="test") as connection:
        OpenRecommendations.connection = connection
        for _ in range(3):
            play = OpenRecommendations()
            play.begin()
            for _ in range(60):
                _any_of(random, play)
                play.the_controller_did_nothing_else()
    # it was no empty play: many left, many were kept
    assert OpenRecommendations.left >= 10
    assert OpenRecommendations.kept >= 10


def _any_of(random: Random, play: OpenRecommendations) -> None:
    what = random.choices(range(9), [6, 1, 6, 2, 1, 1, 1, 2, 2])[0]
    if what == 0:
        play.recommend(random.choice([200.0, 210.0, 190.0, 240.0, 250.0, 301.0]), random.random() < 0.3, random.random() < 0.2)
    elif what == 1:
        play.approve()
    elif what == 2:
        play.send(random.random() < 0.4)
    elif what == 3:
        play.switch(random.choice([Mode.OFF, Mode.SHADOW, Mode.ADVISORY, Mode.ADVISORY, Mode.ADVISORY]))
    elif what == 4:
        play.close_the_loop(random.choice([0.01, 1.0]))
    elif what == 5:
        play.change_the_window(random.choice([220.0, 300.0]))
    elif what == 6:
        play.throw_the_switch(random.random() < 0.3)
    elif what == 7:
        play.time_goes_by(random.choice([1, 20, 61]), random.random() < 0.5)
    else:
        play.hear()


@pytest.mark.heavy
def test_what_leaves_was_allowed_at_that_moment_in_many_plays(database: str) -> None:
    with connect(database, application="test") as connection:
        OpenRecommendations.connection = connection
        run_state_machine_as_test(OpenRecommendations, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))


@pytest.mark.parametrize("what", ["mode", "window"])
def test_a_switch_of_mode_or_window_waits_for_what_is_just_leaving_and_holds_for_all_after_it(database: str, what: str) -> None:
    clock, unit, tried = SetClock(), f"weld-{next(_units)}", list[str]()

    def switch(connection: Connection) -> None:
        if what == "mode":
            set_mode(connection, unit, Mode.OFF, actor="anna", now_us=clock.us)
        else:
            write_windows(connection, window_text(unit, 8, 300.0), actor="anna", now_us=clock.us)

    with connect(database, application="test") as ours, connect(database, application="test") as theirs:
        write_windows(ours, window_text(unit, 7, 300.0), actor="anna", now_us=clock.us)
        theirs.execute("SET lock_timeout = '100ms'")

        def key(_controller: str) -> bytes:
            # the gate has read mode and window, and nothing is committed yet: now somebody wants to change them
            if not tried:
                try:
                    switch(theirs)
                    tried.append("switched")
                except Unavailable:
                    tried.append("waits")
            return KEY

        outbox = Outbox(PLAN, key, clock)
        facts = {unit: UnitFacts(clock.us, watched=True)}
        propose(ours, [draft(unit, 200.0, 7, clock.us), draft(unit, 210.0, 7, clock.us)], clock.us)
        first, second = (one for one in outbox.look(ours).approved if one.draft.work_unit == unit)
        assert len(outbox.send(ours, [first], facts).messages) == 1
        assert tried == ["waits"]
        switch(theirs)
        assert outbox.send(ours, [replace(second)], facts).messages == ()
        row = read_delivery(ours, second.number)
        assert row is not None
        assert row.stage is (Stage.EXPIRED if what == "mode" else Stage.REFUSED)
        assert row.stage_reason == ("mode_off" if what == "mode" else "window")
