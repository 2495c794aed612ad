"""The schedule and the orders over REST and on their pages: seen, asked why, moved by hand, tried as what-if."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from plant.clock import SystemClock
from storage.audit import read_audit
from storage.database import connect
from storage.optimizer_jobs import begin_job, move_job, read_jobs
from storage.people import Role, Scope
from storage.plan_edits import EditState, answer_edits, read_edits
from storage.plans import PLAN_JOB, PLAN_JOBS, PlanKind, ask_replan
from tests.dashboard.browser import chromium, until, visitor
from tests.dashboard.plan_stage import MINUTE_US, StagedPlan, break_down, fill_plan, keep, moved
from tests.dashboard.running import RunningDashboard

NOW = SystemClock().now_us()
READY = "[data-schedule][data-drawn]"


@pytest.fixture(scope="module")
def staged(dashboard: RunningDashboard) -> StagedPlan:
    """The plan that the dashboard shows."""
    with connect(dashboard.database_url, application="test") as connection:
        return fill_plan(connection, NOW)


def last_of_a_job(client: httpx.Client) -> dict[str, Any]:
    """Return the operation that ends last: nothing comes after it on its unit or of its part."""
    rows = client.get("/api/v1/plan/versions/live/operations", params={"most": 5000}).json()
    found: dict[str, Any] = max(rows, key=lambda row: row["end_us"])
    return found


def test_the_plan_comes_over_rest_whole_as_rows_and_as_columns(dashboard: RunningDashboard, staged: StagedPlan) -> None:
    with dashboard.program(Scope.READ) as client:
        stands = client.get("/api/v1/plan").json()
        assert (stands["live"]["id"], stands["reference"]["id"], stands["live"]["moved"]) == (staged.number, staged.reference, 3)
        drawn = client.get("/api/v1/plan/versions/live/drawing").json()
        operations, jobs = drawn["operations"], drawn["jobs"]
        count = int((staged.plan.mode >= 0).sum())
        assert {len(column) for column in operations.values()} == {count}
        assert sorted(set(operations["lock"])) == [0, 1, 2]
        assert sum(1 for ticks in operations["moved"] if ticks) == 3, "three stand ten minutes earlier than in the reference plan"
        assert any(at < start for at, start in zip(operations["setup"], operations["start"], strict=True)), "robots are set up"
        assert [late > 0 for late in jobs["late"]] == [end > due for end, due in zip(jobs["end"], jobs["due"], strict=True)]
        assert any(jobs["late"])
        first = client.get("/api/v1/plan/versions/live/operations", params={"most": 40}).json()
        rest = client.get("/api/v1/plan/versions/live/operations", params={"after": first[-1]["row"], "most": 5000}).json()
        assert [row["row"] for row in first + rest] == operations["row"]
        late = client.get("/api/v1/plan/versions/live/operations", params={"late": True}).json()
        assert {row["job"] for row in late} == {name for name, ticks in zip(jobs["name"], jobs["late"], strict=True) if ticks}
        compared = client.get("/api/v1/plan/compare").json()
        assert (compared["before"], compared["after"], compared["shifted"], len(compared["rows"])) == (
            staged.reference,
            staged.number,
            3,
            3,
        )
        assert {row["moved_us"] for row in compared["rows"]} == {-10 * MINUTE_US}
        row = late[0]["row"]
        told = client.get(f"/api/v1/plan/versions/live/operations/{row}", params={"language": "zh"}).json()
        assert told["why_late"][0]["code"] == "late"
        assert "比交期晚" in told["why_late"][0]["words"]
        assert told["why_here"]
        assert [one["is_planned"] for one in told["alternatives"]].count(True) == 1
        worth = client.get(f"/api/v1/plan/versions/{staged.number}/measures").json()
        assert worth["late_jobs"] == sum(1 for ticks in jobs["late"] if ticks)
        assert [one["id"] for one in client.get("/api/v1/plan/versions", params={"kind": "live"}).json()][-1] == staged.reference
        for wrong in ("/versions/999999", "/versions/x", "/versions/live/operations/99999", "/versions?kind=best", "/jobs/999999"):
            told = client.get(f"/api/v1/plan{wrong}")
            assert (told.status_code, bool(told.json()["error"])) == (409, True), wrong


def test_an_edit_is_checked_in_words_kept_once_and_audited(dashboard: RunningDashboard, staged: StagedPlan) -> None:
    with dashboard.client(Role.ENGINEER) as engineer, dashboard.client(Role.INSPECTOR) as inspector:
        last = last_of_a_job(engineer)
        path = f"/api/v1/plan/versions/{staged.number}"
        other = engineer.get(f"{path}/operations", params={"unit": last["unit"]}).json()[0]
        clash = engineer.post(f"{path}/check", json={"operation": last["row"], "start_us": other["end_us"] + 24 * 60 * MINUTE_US})
        assert clash.status_code == 200, clash.text
        early = engineer.post(f"{path}/check", json={"operation": last["row"], "start_us": NOW - 60 * MINUTE_US}).json()
        assert early["faults"], "nothing can be done in the past"
        wrong_unit = engineer.post(f"{path}/check", json={"operation": last["row"], "unit": "laser-1"}).json()
        assert "laser-1" in " ".join(wrong_unit["faults"])
        later = {"operation": last["row"], "start_us": last["start_us"] + 5 * MINUTE_US}
        assert inspector.post(f"{path}/check", json=later).json()["faults"] == []
        draft = {**later, "plan": staged.number, "act": "move", "note": "fixture comes late"}
        assert inspector.post("/api/v1/plan/edits", json=draft).status_code == 403
        refused = engineer.post("/api/v1/plan/edits", json={**draft, "start_us": NOW - 60 * MINUTE_US})
        assert (refused.status_code, bool(refused.json()["error"])) == (409, True)
        kept = engineer.post("/api/v1/plan/edits", json=draft, headers={"Idempotency-Key": "e-1"})
        assert kept.status_code == 201, kept.text
        again = engineer.post("/api/v1/plan/edits", json=draft, headers={"Idempotency-Key": "e-1"})
        assert again.json()["id"] == kept.json()["id"]
        assert (kept.json()["job"], kept.json()["state"], kept.json()["start_us"]) == (last["job"], "waiting", later["start_us"])
        assert engineer.get("/api/v1/plan").json()["waiting_edits"] == 1
    with connect(dashboard.database_url, application="test") as connection:
        (edit,) = read_edits(connection, states=[EditState.WAITING])
        assert (edit.edit.work_unit, edit.actor) == (last["unit"], "engineer")
        assert read_audit(connection, most=1)[0].act == "move"
        answer_edits(connection, {edit.id: (EditState.REFUSED, "the fixture is taken then")}, now_us=NOW)


def test_the_planner_is_asked_and_disturbances_come_once_by_key(dashboard: RunningDashboard, staged: StagedPlan) -> None:
    with dashboard.client(Role.ENGINEER) as engineer, dashboard.program(Scope.PLAN) as mes, dashboard.client(Role.VIEWER) as viewer:
        told = {"kind": "breakdown", "subject": "cnc-1", "key": "mes-17", "until_us": NOW + 60 * MINUTE_US, "note": "spindle"}
        first = mes.post("/api/v1/plan/disturbances", json=told)
        assert first.status_code == 201, first.text
        assert mes.post("/api/v1/plan/disturbances", json=told).json()["id"] == first.json()["id"]
        assert viewer.post("/api/v1/plan/disturbances", json=told).status_code == 403
        assert mes.post("/api/v1/plan/disturbances", json={"kind": "slow_unit", "subject": "cnc-1"}).status_code == 422, "no factor"
        lane = next(unit for unit in engineer.get("/api/v1/plan/versions/live/drawing").json()["units"] if unit["name"] == "cnc-1")
        assert lane["stops"][0][2] == "spindle"
        assert mes.post(f"/api/v1/plan/disturbances/{first.json()['id']}/end", json={}).json()["ended_us"]
        assert mes.post(f"/api/v1/plan/disturbances/{first.json()['id']}/end", json={}).status_code == 409
        assert engineer.get("/api/v1/plan/disturbances").json() == []
        job = mes.post("/api/v1/plan/jobs")
        assert (job.status_code, job.json()["state"]) == (202, "waiting")
        asked = {"name": "cnc-1 down", "disturbances": [{"kind": "breakdown", "subject": "cnc-1", "until_us": NOW + 90 * MINUTE_US}]}
        copied = engineer.post("/api/v1/plan/what-if", json={**asked, "priorities": [{"order": "SO-1002", "priority": 9}]})
        assert (copied.status_code, copied.json()["subject"]) == (202, "cnc-1 down")
        assert engineer.post("/api/v1/plan/what-if", json={**asked, "priorities": [{"order": "SO-9", "priority": 9}]}).status_code == 409
        assert engineer.post("/api/v1/plan/undo", json={}).json()["subject"] == str(staged.reference)
        assert engineer.post(f"/api/v1/plan/versions/{staged.number}/adopt").status_code == 409, "only what-ifs are taken over"
        assert len(engineer.get("/api/v1/plan").json()["jobs"]) == 3
    with connect(dashboard.database_url, application="test") as connection:
        kinds = {job.kind for job in read_jobs(connection, kinds=PLAN_JOBS)}
        assert kinds == {"plan", "plan_what_if", "plan_undo"}


def test_orders_come_many_at_once_by_number_change_split_and_end(dashboard: RunningDashboard, staged: StagedPlan) -> None:
    assert staged.number
    with dashboard.program(Scope.ORDERS) as erp, dashboard.client(Role.ENGINEER) as engineer, dashboard.client(Role.VIEWER) as viewer:
        drafts = [{"number": f"PO-{n}", "product": "EX-20", "quantity": 3, "due_us": NOW + n * 60 * MINUTE_US} for n in (1, 2)]
        said = erp.post("/api/v1/orders", params={"only_say": True}, json={"orders": drafts}).json()
        assert (said["added"], said["written"]) == (["PO-1", "PO-2"], False)
        assert erp.post("/api/v1/orders", json={"orders": drafts}).json()["added"] == ["PO-1", "PO-2"]
        again = erp.post("/api/v1/orders", json={"orders": [drafts[0], {**drafts[1], "priority": 8}]}).json()
        assert (again["same"], [one["after"] for one in again["changed"]]) == (1, [{"priority": 8}])
        wrong = erp.post("/api/v1/orders", json={"orders": [{**drafts[0], "serials": ["a"]}, {**drafts[0], "release_us": NOW * 2}]})
        assert (wrong.status_code, len(wrong.json()["problems"])) == (422, 3), wrong.text
        assert viewer.put("/api/v1/orders/PO-1", json=drafts[0]).status_code == 403
        assert engineer.patch("/api/v1/orders/PO-1", json={"priority": 9}).json()["priority"] == 9
        parts = engineer.post("/api/v1/orders/PO-1/split", json={"number": "PO-1B", "quantity": 1}).json()
        assert [(one["number"], one["quantity"]) for one in parts] == [("PO-1", 2), ("PO-1B", 1)]
        assert engineer.post("/api/v1/orders/PO-1/split", json={"number": "PO-1C", "quantity": 2}).status_code == 409
        assert len(engineer.get("/api/v1/orders/PO-2/parts").json()) == 3
        assert engineer.post("/api/v1/orders/PO-2/cancel", json={"note": "withdrawn"}).json()["state"] == "cancelled"
        assert engineer.post("/api/v1/orders/PO-2/cancel", json={}).status_code == 409
        page = viewer.get("/api/v1/orders", params={"most": 2}).json()
        rest = viewer.get("/api/v1/orders", params={"before": page[-1]["id"], "most": 1000}).json()
        numbers = [one["number"] for one in page + rest]
        assert len(numbers) == len(set(numbers))
        assert {"PO-1", "PO-1B", "PO-2", "SO-1001", "SO-1010"} <= set(numbers)
        promised = viewer.get("/api/v1/orders/SO-1005").json()
        assert promised["ready_95_us"] > promised["planned_end_us"]
        assert 0 < promised["due_probability"] < 1
        assert viewer.get("/api/v1/orders/nothing").status_code == 409
        assert viewer.get("/api/v1/orders/table").content.startswith(b"PK")


def point_of(page: Page, name: str) -> tuple[float, float]:
    """Return where an operation's middle is on the screen."""
    script = """name => { const s = document.querySelector('[data-schedule]').schedule, o = s.plan.byName.get(name), lane = s.laneOf(o);
        s.scroller.scrollIntoView({ block: 'center', behavior: 'instant' }); s.show(s.plan.fromMs[o]); s.lift(lane);
        const box = s.canvas.getBoundingClientRect(), middle = (s.plan.fromMs[o] + s.plan.toMs[o]) / 2;
        return [box.left + s.left + (middle - s.fromMs) * s.perMs, box.top + 44 + lane.top - s.scroller.scrollTop + lane.height / 2]; }"""
    x, y = page.evaluate(script, name)
    return float(x), float(y)


def drag(page: Page, name: str, minutes: float) -> None:
    """Drag an operation by so many minutes."""
    x, y = point_of(page, name)
    pixels = minutes * 60_000 * float(page.evaluate("() => document.querySelector('[data-schedule]').schedule.perMs"))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + pixels / 2, y, steps=2)
    page.mouse.move(x + pixels, y)
    page.mouse.up()


def test_the_schedule_is_drawn_says_why_takes_a_drag_and_refuses_another_in_words(dashboard: RunningDashboard, staged: StagedPlan) -> None:
    assert staged.number
    with dashboard.client(Role.ENGINEER) as engineer:
        last = last_of_a_job(engineer)
        kept_before = len(engineer.get("/api/v1/plan/edits").json())
    name = f"{last['operation']} · {last['job']}"
    with connect(dashboard.database_url, application="test") as connection:
        ask_replan(connection, actor="engineer", now_us=NOW)
        begin_job(connection, [PLAN_JOB], NOW)
        (running,) = [job for job in read_jobs(connection, kinds=[PLAN_JOB]) if job.state == "running"]
        move_job(connection, running.id, 0.4, "local search", NOW)
    with chromium() as browser, visitor(browser, dashboard.url, dashboard.session(Role.ENGINEER), width=1366) as (page, _):
        page.goto(f"{dashboard.url}/schedule?find={last['job']}")
        page.locator(READY).wait_for()
        expect(page.locator("#schedule-why h2")).to_have_text("cut")
        expect(page.locator("#schedule-head")).to_contain_text("40%")
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.evaluate("() => { const s = document.querySelector('[data-schedule]').schedule; s.whole(false); }")
        x, y = point_of(page, name)
        page.mouse.click(x, y)
        expect(page.locator("#schedule-why h2")).to_have_text(last["operation"])
        expect(page.locator("#schedule-why")).to_contain_text("bay-")
        until(page, "name => document.querySelector('[data-schedule]').dataset.chosen === name", name)
        drag(page, name, -200)
        expect(page.locator(".schedule-said.wrong")).to_contain_text("cannot go to")
        until(page, "() => document.querySelector('[data-schedule]').dataset.refused === '1'")
        with dashboard.client(Role.VIEWER) as viewer:
            assert len(viewer.get("/api/v1/plan/edits").json()) == kept_before, "what was refused is not kept"
        drag(page, name, 30)
        until(page, "() => document.querySelector('[data-schedule]').dataset.kept === '1'")
        expect(page.locator(".schedule-said.good")).to_contain_text("locked by you")
        with dashboard.client(Role.VIEWER) as viewer:
            newest = viewer.get("/api/v1/plan/edits", params={"most": 1}).json()[0]
        assert (newest["job"], newest["actor"], newest["start_us"] > last["start_us"]) == (last["job"], "engineer", True)


@pytest.mark.heavy
def test_the_keys_and_the_form_do_what_the_mouse_does_and_a_new_plan_is_drawn_by_itself(
    dashboard: RunningDashboard, staged: StagedPlan
) -> None:
    with dashboard.client(Role.ENGINEER) as engineer:
        last = last_of_a_job(engineer)
    with chromium() as browser:
        with visitor(browser, dashboard.url, dashboard.session(Role.VIEWER), width=1024, theme="dark", language="zh") as (page, _):
            page.goto(f"{dashboard.url}/schedule")
            page.locator(READY).focus()
            page.keyboard.press("ArrowRight")
            page.locator("#schedule-why h2").wait_for()
            until(page, "() => document.querySelector('[data-schedule]').dataset.chosen !== ''")
            expect(page.locator(".schedule-form")).to_be_hidden()
            page.get_by_text("以表格显示").click()
            expect(page.locator(".schedule-table table.list tbody tr").nth(10)).to_be_visible()
            assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            page.get_by_role("button", name="按订单").click()
            until(page, "() => document.querySelector('[data-schedule]').dataset.lanes === '15'")
        with visitor(browser, dashboard.url, dashboard.session(Role.ENGINEER)) as (page, _):
            page.goto(f"{dashboard.url}/schedule")
            page.locator(READY).wait_for()
            choose = "name => { const s = document.querySelector('[data-schedule]').schedule; s.choose(s.plan.byName.get(name)); }"
            page.evaluate(choose, f"{last['operation']} · {last['job']}")
            page.locator(f".schedule-form[data-ready='{last['row']}']").wait_for()
            page.locator(READY).focus()
            page.keyboard.press("m")
            expect(page.locator(".schedule-form select")).to_be_focused()
            page.locator(".schedule-form input").fill("2020-01-01T08:00")
            page.locator(".schedule-form input").press("Enter")
            expect(page.locator(".schedule-said.wrong")).to_contain_text("cannot go to")
            page.get_by_role("button", name="Lock here").click()
            expect(page.locator(".schedule-said.good")).to_contain_text("Locked where it stands.")
            with connect(dashboard.database_url, application="test") as connection:
                newer = keep(
                    connection, staged.problem, moved(staged.problem, staged.plan), NOW, parent=staged.number, count=3, reason="repaired"
                )
                break_down(connection, "robot-2", NOW)
                keep(
                    connection, staged.problem, staged.plan, NOW, kind=PlanKind.WHAT_IF, name="other shift", parent=newer, reason="what_if"
                )
            until(page, "number => document.querySelector('[data-schedule]').dataset.drawn === String(number)", newer)
            expect(page.locator("#schedule-head")).to_contain_text("repaired")
            expect(page.locator("#schedule-lists")).to_contain_text("wire feeder jammed")
            page.get_by_role("button", name="Take over").click()
            expect(page.locator("#schedule-said")).to_contain_text("taken over")
            page.locator("#what-if-name").fill("laser-1 down")
            page.locator("#what-if-ask").click()
            expect(page.locator("#what-if-said")).to_contain_text("say what is otherwise")
            page.locator("#what-if-order").fill("SO-1003")
            page.locator("#what-if-priority").fill("9")
            page.locator("#what-if-ask").click()
            expect(page.locator("#what-if-said")).to_contain_text("It is tried")


@pytest.mark.heavy
def test_the_page_of_orders_adds_imports_with_a_preview_and_leads_to_why(dashboard: RunningDashboard, staged: StagedPlan) -> None:
    assert staged.number
    table = "order;product;quantity;due\nIM-1;EX-05;2;2027-01-15\nIM-2;EX-30;1;2027-01-16 12:00\n"
    wrong = "order;product;quantity;due\nIM-1;EX-05;many;soon\n"
    with chromium() as browser, visitor(browser, dashboard.url, dashboard.session(Role.ENGINEER), width=1366) as (page, _):
        page.goto(f"{dashboard.url}/orders?number=SO-1005")
        expect(page.locator("#orders-shown h2")).to_have_text("Order SO-1005")
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.locator('input[id*="priority"][id*="order-field"]').fill("7")
        page.get_by_role("button", name="Change", exact=True).click()
        expect(page.locator("#orders-said")).to_contain_text("is changed")
        for name, text in (("order", "NEW-1"), ("product", "EX-20"), ("due", "soon")):
            page.locator(f"#orders-new-{name}").fill(text)
        page.locator("#orders-add").click()
        expect(page.locator("#orders-added")).to_contain_text("write a date or a time")
        page.locator("#orders-new-due").fill("2027-02-01 14:00")
        page.locator("#orders-add").click()
        expect(page.locator("#orders-shown h2")).to_have_text("Order NEW-1")
        chooser = page.locator("#orders-table input[type=file]")
        chooser.set_input_files({"name": "wrong.csv", "mimeType": "text/csv", "buffer": wrong.encode()})
        expect(page.locator("#orders-table-said")).to_contain_text("row 2, column 'quantity'")
        chooser.set_input_files({"name": "orders.csv", "mimeType": "text/csv", "buffer": table.encode()})
        expect(page.locator("#orders-table-said")).to_contain_text("2 new, 0 changed")
        page.get_by_role("button", name="Import these").click()
        expect(page.locator("#orders-table-said")).to_contain_text("They are kept")
        until(page, "() => document.querySelector('.orders-list').dataset.opensReady === '1'")
        page.locator("#orders-list [data-open-word='SO-1001']").click()
        expect(page.locator("#orders-shown h2")).to_have_text("Order SO-1001")
        page.get_by_role("link", name="Why then").click()
        page.locator(READY).wait_for()
        until(page, "() => document.querySelector('[data-schedule]').dataset.chosen.endsWith('SO-1001')")
