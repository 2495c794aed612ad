"""Sharing and nesting at work on a real database: orders become hours, hours become nests, and this site's plan keeps to both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from optimizer.plan_centres import shared_centres
from optimizer.plan_pass import PlanPass
from optimizer.share_pass import SharePass
from plant.clock import SystemClock
from plant.customer_orders import CustomerOrder
from plant.nest_keeping import read_kept_problem, read_nest
from plant.nests import StockSheet, rectangle
from plant.part_orders import PartOrder, WorkKind
from plant.plan_file import read_problem
from plant.planning_rules import PlanningRules
from plant.products import product_table
from plant.settings_plan import PlanSettings
from plant.settings_share import ShareSettings
from plant.share_rules import ShareRules
from storage.customer_orders import write_orders
from storage.database import Connection, connect
from storage.nests import NestState, cut_nest, nests_of, read_nest_files, read_nests, release_nest
from storage.part_orders import cancel_part_order, read_part_order, write_part_orders
from storage.plans import PlanRole, read_plan_content, read_standing
from storage.process_networks import write_network
from storage.products import write_products
from storage.shares import newest_shares, parts_ready, read_order_shares
from storage.stock import add_sheets, read_stock
from tests.optimizer.ordered_works import MINUTES, network, products

CLOCK = SystemClock()
HOUR = 3_600_000_000
DAY = 24 * HOUR
WEB = PartOrder("W-1", "excavators", "web", 30, WorkKind.CUTTING, rectangle(800, 400), "S355J2", 12.0, (0.0, 90.0), due_us=None)
LUG = PartOrder("L-1", "cranes", "lug", 12, WorkKind.CUTTING, rectangle(300, 300), "S355J2", 12.0, None)
THICK = PartOrder("T-1", "cranes", "base", 2, WorkKind.CUTTING, rectangle(500, 500), "S690QL", 40.0, None)
CLIP = PartOrder("C-1", "cranes", "clip", 100, WorkKind.STAMPING, None, "DC04", 2.0, hours=0.01)
SHEETS = (StockSheet("H-12", 4000, 2000, 5, "S355J2", 12.0, 0.0), StockSheet("R-12", 1500, 900, 1, "S355J2", 12.0, 0.0, remnant=True))


def rules(*, day_begins_in: int = 0, **told: Any) -> ShareRules:
    """Rules of a day that begins ``day_begins_in`` hours from this one; without it the whole day is ahead, whatever the hour is."""
    begins = (CLOCK.now_us() // HOUR + day_begins_in) % 24
    speeds = [{"up_to_mm": 50, "mm_per_minute": 1000, "kerf_mm": 2, "gap_mm": 6, "margin_mm": 10}]
    centres = [
        {"name": "laser", "kind": "cutting", "calendar": "always", "speeds": speeds, "unit": "cut/*"},
        {"name": "press", "kind": "stamping", "calendar": "always"},
    ]
    factories = [{"name": "excavators", "own": True}, {"name": "cranes"}]
    given = {"factories": factories, "centres": centres, "horizon_days": 3, "nest_seconds": 2, "day_begins_hour": begins, **told}
    return ShareRules(ShareSettings.model_validate(given), root="acme/north")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as made:
        add_sheets(made, SHEETS, actor="store", now_us=CLOCK.now_us())
        yield made


def bring(connection: Connection, *orders: PartOrder) -> None:
    assert not write_part_orders(connection, orders, source="rest", actor="erp", now_us=CLOCK.now_us()).refused


def work(sharing: SharePass, connection: Connection) -> None:
    """Let it work until nothing is due."""
    until = time.monotonic() + 60
    sharing.step(connection)
    while sharing.at_work or sharing.step(connection):
        assert time.monotonic() < until
        time.sleep(0.02)
        sharing.step(connection)


def test_orders_become_hours_with_reasons_and_verified_nests_and_what_is_cut_comes_back(connection: Connection) -> None:
    sharing = SharePass(rules(), CLOCK)
    sharing.begin()
    bring(connection, WEB, LUG, THICK, CLIP)
    work(sharing, connection)
    held = newest_shares(connection)
    assert held is not None
    assert held.orders == 4
    assert all(one.ready_us is not None and one.reasons for one in read_order_shares(connection))
    (nest,) = [one for one in read_nests(connection, states=[NestState.PROPOSED]) if one.material == "S355J2"]
    assert nest.figures["parts"] == 42
    files = read_nest_files(connection, nest.id)
    assert files is not None
    problem = read_kept_problem(files.problem)
    found = read_nest(files.nest, problem)
    assert {part.factory for part in problem.parts} == {"excavators", "cranes"}
    # nothing in stock is thick enough: told, and nothing else is held up
    thick = next(one for one in read_nests(connection) if one.material == "S690QL")
    assert thick.figures["left"] == [{"order": "T-1", "part": "base", "quantity": 2, "reason": "no_sheet"}]
    release_nest(connection, nest.id, actor="eva", now_us=CLOCK.now_us())
    work(sharing, connection)
    assert [one.id for one in read_nests(connection, states=[NestState.RELEASED])] == [nest.id]
    remnants = cut_nest(connection, nest.id, actor="eva", now_us=CLOCK.now_us())
    assert len(remnants) == sum(len(cut.remnants) for cut in found.sheets)
    web = read_part_order(connection, "W-1")
    assert web is not None
    assert web.made == 30


def test_a_nest_of_the_same_parts_and_sheets_is_not_made_again_and_a_cancelled_order_leaves_it(connection: Connection) -> None:
    sharing = SharePass(rules(), CLOCK)
    sharing.begin()
    bring(connection, WEB, LUG)
    work(sharing, connection)
    (first,) = read_nests(connection, states=[NestState.PROPOSED])
    bring(connection, CLIP)
    work(sharing, connection)
    (same,) = read_nests(connection, states=[NestState.PROPOSED])
    assert same.id == first.id
    cancel_part_order(connection, "L-1", actor="anna", now_us=CLOCK.now_us())
    work(sharing, connection)
    (other,) = read_nests(connection, states=[NestState.PROPOSED])
    assert other.id != first.id
    assert other.figures["parts"] == 30
    lug = read_part_order(connection, "L-1")
    assert lug is not None
    assert nests_of(connection, lug.id) == []
    cancel_part_order(connection, "W-1", actor="anna", now_us=CLOCK.now_us())
    work(sharing, connection)
    assert read_nests(connection, states=[NestState.PROPOSED]) == []


def test_what_does_not_fit_in_the_rest_of_a_day_is_nested_for_the_next_and_no_piece_is_lost(connection: Connection) -> None:
    sharing = SharePass(rules(day_begins_in=1), CLOCK)
    sharing.begin()
    bring(connection, replace(WEB, quantity=60))
    work(sharing, connection)
    nests = read_nests(connection, states=[NestState.PROPOSED])
    assert sum(one.figures["parts"] for one in nests) + sum(left["quantity"] for one in nests for left in one.figures["left"]) == 60
    assert max(one.to_us for one in nests) > (CLOCK.now_us() // HOUR + 2) * HOUR


def test_an_optimizer_that_is_killed_while_it_nests_leaves_nothing_half_and_another_goes_on(connection: Connection) -> None:
    sharing = SharePass(rules(), CLOCK)
    sharing.begin()
    bring(connection, WEB)
    sharing.step(connection)
    assert sharing.at_work
    sharing.end()
    assert newest_shares(connection) is None
    another = SharePass(rules(), CLOCK)
    another.begin()
    work(another, connection)
    assert len(read_nests(connection, states=[NestState.PROPOSED])) == 1


def test_an_order_that_no_centre_takes_is_told_and_the_others_are_shared(connection: Connection) -> None:
    sharing = SharePass(rules(), CLOCK)
    sharing.begin()
    bring(connection, WEB, replace(LUG, number="X-1", factory="pumps"), replace(THICK, number="X-2", thickness_mm=60.0))
    work(sharing, connection)
    held = newest_shares(connection)
    assert held is not None
    assert (held.orders, held.figures["left_out_count"]) == (1, 2)
    assert "no factory 'pumps'" in held.figures["left_out"]["X-1"]
    assert "no centre takes it" in held.figures["left_out"]["X-2"]


def test_the_plan_waits_for_parts_of_the_centres_and_keeps_to_its_hours_there(database_url: str, connection: Connection) -> None:
    works = network()
    write_network(connection, works, actor="li.wei", now_us=CLOCK.now_us())
    write_products(connection, product_table(works.features, products().values()), actor="li.wei", now_us=CLOCK.now_us())
    share = rules()
    sharing = SharePass(share, CLOCK)
    sharing.begin()
    bring(connection, replace(WEB, for_order="A-1"), replace(LUG, quantity=2000))
    work(sharing, connection)
    ready = parts_ready(connection)["A-1"]
    assert ready > CLOCK.now_us()
    orders = [CustomerOrder("A-1", "EX-5", "Miller"), CustomerOrder("A-2", "EX-5", "Miller")]
    write_orders(connection, orders, source="rest", actor="erp", now_us=CLOCK.now_us())
    planning = PlanningRules(
        PlanSettings.model_validate({"standard_minutes": MINUTES, "frozen_minutes": 0, "improve_seconds": 0}), root="acme/north"
    )
    plan = PlanPass(database_url, planning, CLOCK, share)
    plan.begin()
    plan.step(connection, None)
    version = read_standing(connection, PlanRole.LIVE)
    assert version is not None
    content = read_plan_content(connection, version.id)
    assert content is not None
    problem = read_problem(content.problem)
    assert problem.origin_us is not None
    assert problem.tick_s is not None
    released = {job.order: job.release * problem.tick_s * 1e6 + problem.origin_us for job in problem.jobs}
    assert released["A-1"] >= ready
    assert released["A-2"] <= CLOCK.now_us()
    closed = shared_centres(connection, share).closed
    assert [glob for glob, _ in closed] == ["cut/*"]
    held = newest_shares(connection)
    assert held is not None
    own = [one for one in held.windows if one["factory"] == "excavators"]
    cutting = [unit for unit in problem.units if unit.name.startswith("cut/")]
    assert cutting
    for unit in cutting:
        for one in own:
            begin, end = ((one[name] - problem.origin_us) / 1e6 / problem.tick_s for name in ("from", "to"))
            assert all(until <= begin + 1 or start >= end - 1 for start, until in unit.closed)
        assert any(until - start > 3600 / problem.tick_s for start, until in unit.closed)


def test_remnants_in_stock_are_cut_before_whole_sheets(connection: Connection) -> None:
    sharing = SharePass(rules(), CLOCK)
    sharing.begin()
    bring(connection, replace(WEB, quantity=2))
    work(sharing, connection)
    (nest,) = read_nests(connection, states=[NestState.PROPOSED])
    release_nest(connection, nest.id, actor="eva", now_us=CLOCK.now_us())
    assert {one.sheet.name: one.reserved for one in read_stock(connection)} == {"R-12": 1, "H-12": 0}


def test_while_a_plan_is_searched_hours_are_shared_and_no_nest_is_begun(connection: Connection) -> None:
    sharing = SharePass(rules(), CLOCK)
    sharing.begin()
    bring(connection, WEB)
    until = time.monotonic() + 60
    while newest_shares(connection) is None:
        sharing.step(connection, searching=True)
        assert time.monotonic() < until
    assert not sharing.at_work
    work(sharing, connection)
    assert len(read_nests(connection, states=[NestState.PROPOSED])) == 1
