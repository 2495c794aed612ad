"""Settings of shared centres: periods by the site's clock, hours of a centre, what a piece takes, windows for each factory."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from pydantic import ValidationError

from plant.calendars import Calendars
from plant.nests import Shape, rectangle
from plant.part_orders import PartOrder, WorkKind
from plant.settings_share import ShareSettings
from plant.share_rules import ShareRules, assemble_share
from plant.share_windows import outside, windows

HOUR = 3_600_000_000
LASER = {
    "name": "laser",
    "kind": "cutting",
    "calendar": "always",
    "machines": 2,
    "availability": 0.5,
    "thickness_up_to_mm": 20,
    "longest_mm": 3000,
    "sheet_minutes": 30,
    "usual_sheet_m2": 10,
    "speeds": [
        {"up_to_mm": 10, "mm_per_minute": 2000, "pierce_seconds": 3, "kerf_mm": 1, "gap_mm": 5, "margin_mm": 8},
        {"up_to_mm": 30, "mm_per_minute": 1000, "pierce_seconds": 6, "kerf_mm": 2, "gap_mm": 8, "margin_mm": 10},
    ],
}
PRESS = {"name": "press", "kind": "stamping", "calendar": "always"}


def settings(**changed: object) -> ShareSettings:
    told = {"factories": [{"name": "cranes", "weight": 3}, {"name": "excavators", "own": True}], "centres": [LASER, PRESS]}
    return ShareSettings.model_validate({**told, **changed})


def at(*when: int) -> int:
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1e6)  # type: ignore[arg-type,misc]


def test_periods_begin_with_the_one_that_goes_on_by_the_sites_clock_and_keep_to_it_when_the_clock_is_changed() -> None:
    rules = ShareRules(settings(period_hours=8, horizon_days=2), time_zone="Europe/Berlin")
    spans = rules.periods(at(2026, 3, 28, 20))
    assert len(spans) == 6
    # 14:00 to 22:00 and 22:00 to 06:00 in Berlin; the night of spring has seven hours
    assert spans[0] == (at(2026, 3, 28, 13), at(2026, 3, 28, 21))
    assert spans[1] == (at(2026, 3, 28, 21), at(2026, 3, 29, 4))
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert ShareRules(settings(), time_zone="UTC").periods(at(2026, 3, 28, 5))[0] == (at(2026, 3, 27, 6), at(2026, 3, 28, 6))


def test_a_centre_has_its_open_hours_by_machines_and_availability() -> None:
    rules = ShareRules(settings())
    laser = rules.centre("laser")
    assert laser is not None
    assert rules.capacity_hours(laser, (0, 8 * HOUR)) == pytest.approx(8 * 2 * 0.5)
    assert rules.own_factory == "excavators"


def test_a_piece_takes_its_cut_its_holes_and_its_part_of_a_sheets_handling() -> None:
    rules = ShareRules(settings())
    laser, press = rules.settings.centres
    plain = rectangle(1000, 500)
    hole = rectangle(100, 100).outline[::-1] + 50.0
    order = PartOrder("1", "cranes", "web", 5, WorkKind.CUTTING, plain, "S355J2", 8.0)
    # 3 m at 2 m a minute, one pierce of 3 s, half a square metre of the ten that take 30 minutes
    assert rules.hours(laser, order) * 3600 == pytest.approx(90 + 3 + 90)
    holed = PartOrder("2", "cranes", "web", 5, WorkKind.CUTTING, Shape(plain.outline, (hole,)), "S355J2", 20.0)
    assert rules.hours(laser, holed) * 3600 == pytest.approx((3.4 * 60) + 12 + 0.49 / 10 * 1800)
    assert rules.takes(laser, order)
    assert not rules.takes(laser, PartOrder("3", "cranes", "thick", 1, WorkKind.CUTTING, plain, "S355J2", 21.0))
    assert not rules.takes(laser, PartOrder("4", "cranes", "long", 1, WorkKind.CUTTING, rectangle(3001, 10), "S355J2", 8.0))
    stamped = PartOrder("5", "cranes", "clip", 5, WorkKind.STAMPING, hours=0.25)
    assert (rules.takes(press, stamped), rules.takes(laser, stamped), rules.hours(press, stamped)) == (True, False, 0.25)
    assert rules.cutting_rules(laser, 20.0).distance_mm == 8
    assert rules.cutting_rules(laser, 8.0).margin_mm == 8


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"factories": [{"name": "a"}, {"name": "a"}]}, "'a' is there twice"),
        ({"factories": [{"name": "a", "own": True}, {"name": "b", "own": True}]}, "only one can be this site's own"),
        ({"centres": [{**LASER, "speeds": []}]}, "needs 'speeds'"),
        ({"centres": [{**LASER, "speeds": list(reversed(LASER["speeds"]))}]}, "must rise"),  # type: ignore[call-overload]
        ({"centres": [{"name": "press", "kind": "stamping"}]}, "say when it works"),
    ],
)
def test_wrong_settings_are_told_in_words(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**changed)


def test_equipment_and_calendars_that_are_not_there_are_told_with_their_place() -> None:
    problems: list[str] = []
    told = settings(centres=[{**PRESS, "calendar": "nights"}, {"name": "saw", "kind": "stamping", "equipment": "hall/saw"}])
    assemble_share("north", {}, Calendars(), "site.toml: optimizer.share", told, problems)
    assert problems == [
        "site.toml: optimizer.share.centres[1].calendar: there is no calendar 'nights'; name it in 'calendars'",
        "site.toml: optimizer.share.centres[2].equipment: there is no equipment 'hall/saw'; name it in 'equipment'",
    ]
    assert assemble_share("north", {}, Calendars(), "", settings(enabled=False), problems) is None


def test_factories_get_a_centre_one_after_the_other_over_breaks_and_what_is_outside_is_closed() -> None:
    spans = [(0, 2 * HOUR), (3 * HOUR, 8 * HOUR)]
    found = windows(spans, {"cranes": 3.0, "excavators": 1.5, "pumps": 0.0})
    assert found == {"cranes": ((0, 2 * HOUR), (3 * HOUR, 4 * HOUR)), "excavators": ((4 * HOUR, round(5.5 * HOUR)),), "pumps": ()}
    assert outside(found["excavators"], 0, 8 * HOUR) == ((0, 4 * HOUR), (round(5.5 * HOUR), 8 * HOUR))
    assert outside((), 5, 9) == ((5, 9),)
    with pytest.raises(ValueError, match=r"pumps is given 1\.000 hours more"):
        windows(spans, {"cranes": 6.0, "pumps": 2.0})
