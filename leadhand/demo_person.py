"""Who decides in the demo where nobody does: after a while, one thing at a time, and it says so by name.

In a plant a person approves; this is here so that a visitor sees without a click how a recommendation is sent, executed and measured.
"""

from __future__ import annotations

from typing import Final

from leadhand.console import Console
from leadhand.demo_story import Story
from plant.clock import Clock
from plant.deliveries import Kind
from plant.errors import Rejected, Unavailable
from plant.recommendations import Answer, Stage
from storage.audit import add_audit
from storage.database import Connection, connect
from storage.deliveries import Step, read_deliveries, step
from storage.nests import NestState, cut_nest, read_nests, release_nest
from storage.recommendations import StoredRecommendation, change_stage, read_recommendations
from storage.trials import change_proposal, open_proposal, tuned_targets

WHO: Final = "demo"
WAIT_SECONDS: Final = 45.0
"""So long a visitor has for deciding by himself."""
_LOOK_SECONDS: Final = 5.0
_TRIAL_SECONDS: Final = 180.0
"""From one trial of fine-tuning that the demo approves to the next."""
_NEST_SECONDS: Final = 120.0
"""From one nest that the demo releases to the next, and from a release until it is cut: far less than cutting takes."""
_UNDER_WAY: Final = (Stage.APPROVED, Stage.SENT, Stage.ACCEPTED, Stage.IN_DOUBT, Stage.EXECUTED)
_JOB_NOTE: Final = "the demo follows its plan by itself"
_NOTE: Final = f"nobody decided within {WAIT_SECONDS:g} s: the demo approves by itself, so that it goes on"


class DemoPerson:
    """Looks now and then for what waits; from ``looks`` to ``close`` it holds a connection."""

    def __init__(self, url: str, console: Console, clock: Clock, story: Story | None = None) -> None:
        self._url, self._console, self._clock, self._story = url, console, clock, story
        self._connection: Connection | None = None
        self._due = clock.monotonic() + WAIT_SECONDS
        self._route_due = self._trial_due = self._nest_due = 0.0

    def looks(self) -> bool:
        """Approve what has waited long enough, at most each few seconds; return False: the demo goes on."""
        if self._clock.monotonic() < self._due:
            return False
        self._due = self._clock.monotonic() + _LOOK_SECONDS
        try:
            if self._connection is None:
                self._connection = connect(self._url, application="leadhand demo", statement_seconds=5)
            for words in self._decide(self._connection):
                self._console.said(f"  {words}: approved by the demo, since nobody decided")
        except (Unavailable, Rejected):
            self.close()  # the next look tries again
        return False

    def _decide(self, connection: Connection) -> list[str]:
        now_us, now = self._clock.now_us(), self._clock.monotonic()
        approve_jobs(connection, now_us)
        if self._story is not None and self._story.look(connection, now_us):
            self._console.said("  seams of robot-1 looked at by hand: entered by the demo")
        waits = self._story is not None and self._story.holds(now_us)
        trials = approve_trials(connection, now_us) if now >= self._trial_due and not waits else []
        routes = approve_route(connection, now_us) if now >= self._route_due else []
        cut_nests(connection, now_us)
        nests = release_nests(connection, now_us) if now >= self._nest_due else []
        self._nest_due = now + _NEST_SECONDS if nests else self._nest_due
        self._trial_due = now + _TRIAL_SECONDS if trials else self._trial_due
        self._route_due = now + WAIT_SECONDS if routes else self._route_due
        return [*trials, *routes, *nests]

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def approve_trials(connection: Connection, now_us: int, wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """Approve trials of fine-tuning that waited so long, and return what they are of."""
    before_us = now_us - round(wait_seconds * 1e6)
    told = []
    for target in tuned_targets(connection):
        waiting = open_proposal(connection, target)
        if waiting is not None and waiting.stage is Stage.PROPOSED and waiting.made_us < before_us:
            change_proposal(connection, waiting.id, Stage.APPROVED, actor=WHO, reason=_NOTE, now_us=now_us)
            told.append(f"a trial of {target.words}")
    return told


def approve_jobs(connection: Connection, now_us: int) -> int:
    """Approve what the plan starts next, at once: a plan that somebody had to begin piece by piece would soon be late. Return how many."""
    waiting = read_deliveries(connection, kinds=[Kind.JOB], stages=[Stage.PROPOSED], most=100)
    return sum(step(connection, [Step(one.number, Stage.APPROVED, now_us, WHO, note=_JOB_NOTE) for one in waiting]))


def approve_route(connection: Connection, now_us: int, wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """Approve the route that gains most of those that waited so long, and return of which product it is; none while one is under way."""
    before_us = now_us - round(wait_seconds * 1e6)
    if read_recommendations(connection, stages=_UNDER_WAY, most=1):
        return []
    routes = read_recommendations(connection, stages=[Stage.PROPOSED], answer=Answer.RECOMMENDED)
    old = [one for one in routes if one.made_us < before_us and one.recommendation.valid_until.timestamp() * 1e6 > now_us]
    return [_approve(connection, max(old, key=_gain), now_us)] if old else []


def release_nests(connection: Connection, now_us: int, wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """Release the nest that is cut first, of those that waited so long, and return what it is of; none while one is being cut."""
    if read_nests(connection, states=[NestState.RELEASED], most=1):
        return []
    waiting = read_nests(connection, states=[NestState.PROPOSED], most=500)
    old = [one for one in waiting if one.made_us < now_us - round(wait_seconds * 1e6)]
    if not old:
        return []
    first = min(old, key=lambda one: (one.from_us, one.id))
    release_nest(connection, first.id, actor=WHO, now_us=now_us, note=_NOTE)
    return [f"nest {first.id} at {first.centre}"]


def cut_nests(connection: Connection, now_us: int, after_seconds: float = _NEST_SECONDS) -> int:
    """Say of what the demo released so long ago that it is cut. Return how many."""
    released = read_nests(connection, states=[NestState.RELEASED], most=100)
    done = [one for one in released if one.actor == WHO and one.state_us < now_us - round(after_seconds * 1e6)]
    for one in done:
        cut_nest(connection, one.id, actor=WHO, now_us=now_us, note="the demo's cutting takes two minutes")
    return len(done)


def _gain(one: StoredRecommendation) -> float:
    gain = one.recommendation.gain
    return 0.0 if gain is None else gain.mean


def _approve(connection: Connection, one: StoredRecommendation, now_us: int) -> str:
    product = one.recommendation.product
    with connection.transaction():
        change_stage(connection, one.id, Stage.APPROVED, time_us=now_us, actor=WHO, note=_NOTE)
        told = {"stage": Stage.APPROVED.value, "note": _NOTE}
        add_audit(
            connection,
            time_us=now_us,
            actor=WHO,
            act="recommendation.stage",
            subject=f"recommendation {one.id} of {product}",
            previous={"stage": Stage.PROPOSED.value},
            next_=told,
        )
    return f"the route of {product}"
