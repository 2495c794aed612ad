"""People of the simulated factory call, come and are done, whatever Leadhand does meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plant.clock import SystemClock
from plant.errors import Rejected, Unavailable
from simulators.factory_calls import HELPERS, MATTERS, ROOT, CallDesk
from simulators.plant import Line
from simulators.plant_site import ENTERPRISE, SITE
from simulators.rest_client import RestClient


class _Clock(SystemClock):
    at = 0.0

    def monotonic(self) -> float:
        return self.at


@dataclass(frozen=True, slots=True)
class _Leadhand(RestClient):
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)

    def post(self, path: str, record: dict[str, Any], key: str = "") -> Any:  # noqa: ARG002
        if self.fails:
            raise self.fails.pop()
        self.told.append((path, record))
        return {"id": len(self.told)}


def _run(desk: CallDesk, clock: _Clock, seconds: int) -> None:
    for _ in range(seconds):
        clock.at += 1
        desk.take_due()


def test_each_call_is_answered_and_done() -> None:
    clock, leadhand = _Clock(), _Leadhand("http://x", "t")
    _run(CallDesk(leadhand, 1, clock), clock, 3600)
    paths = [path for path, _ in leadhand.told]
    calls = [n for n, path in enumerate(paths, 1) if path.endswith("/calls")]
    assert 15 <= len(calls) <= 40
    for number in calls[:-2]:
        assert paths.index(f"/api/v1/andon/calls/{number}/answer") < paths.index(f"/api/v1/andon/calls/{number}/done")
    assert all(record["person"] in HELPERS.values() for path, record in leadhand.told if not path.endswith("/calls"))


def test_nothing_is_lost_while_leadhand_is_away_and_a_visitor_may_be_quicker() -> None:
    clock, leadhand = _Clock(), _Leadhand("http://x", "t")
    desk = CallDesk(leadhand, 1, clock)
    leadhand.fails.append(Unavailable("away"))
    _run(desk, clock, 75)
    assert len(leadhand.told) == 1
    leadhand.fails.extend([Rejected("done already"), Unavailable("away")])
    _run(desk, clock, 400)
    assert [path for path, _ in leadhand.told if path.endswith("/1/done")]
    assert leadhand.fails == []


def test_people_stand_at_stations_that_the_line_has() -> None:
    assert f"{ENTERPRISE}/{SITE}" == ROOT
    stations = {path for group in Line(1).groups for path in group.fleet.paths} | {"assembly/main-line/bearing-station"}
    assert {place for place, *_ in MATTERS} <= stations
