"""Recommendations, new products and design changes over REST and on their pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from plant.clock import SystemClock
from storage.audit import read_audit
from storage.database import connect
from storage.design_changes import read_effective
from storage.new_products import answer_request, fail_request, read_requests, waiting_requests
from storage.people import Role, Scope
from tests.dashboard.browser import chromium, until, visitor
from tests.dashboard.route_stage import MODEL, NEW_FEATURES, fill_routes, no_evidence, proposal
from tests.dashboard.running import RunningDashboard

NOW = SystemClock().now_us()
CHANGE: dict[str, Any] = {
    "number": "DC-2031",
    "product": "ARM-30",
    "version": "C",
    "title": "Thinner side plates",
    "effective_from": "EX-4120",
    "features": {"plate_mm": 22},
}


class Optimizer:
    """What answers requests of new products here, in the place of the real one."""

    def __init__(self, url: str) -> None:
        self._url, self._ended = url, threading.Event()
        self._thread = threading.Thread(target=self._answer)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _answer(self) -> None:
        with connect(self._url, application="test") as connection:
            while not self._ended.wait(0.02):
                for one in waiting_requests(connection):
                    if one.product.startswith("bad"):
                        fail_request(connection, one.id, "no model has been trained yet", time_us=NOW)
                        continue
                    far = float(one.features["tonnage"]) > 50
                    answer = no_evidence(NOW, one.product) if far else proposal(NOW, one.product)
                    answer_request(connection, one.id, answer, model_version=MODEL, time_us=NOW)


@pytest.fixture(scope="module")
def numbers(dashboard: RunningDashboard) -> dict[str, int]:
    """Numbers of the recommendations that the dashboard shows, by what they are."""
    with connect(dashboard.database_url, application="test") as connection:
        return fill_routes(connection, NOW)


@pytest.fixture
def engineer(dashboard: RunningDashboard, numbers: dict[str, int]) -> Iterator[httpx.Client]:
    assert numbers
    with dashboard.client(Role.ENGINEER) as client:
        yield client


def test_recommendations_come_over_rest_with_gain_evidence_and_what_they_brought(engineer: httpx.Client, numbers: dict[str, int]) -> None:
    told = engineer.get("/api/v1/recommendations", params={"product": "ARM-20"}).json()
    first = next(one for one in told if one["id"] == numbers["open"])
    assert (first["id"], first["stage"], first["gain_low"], first["changed_steps"], first["least_count"]) == (
        *(numbers["open"], "proposed", 12.0, 2, 96),
    )
    one = engineer.get(f"/api/v1/recommendations/{numbers['open']}").json()
    assert sum(step["difference"] for step in one["recommendation"]["steps"]) == pytest.approx(one["recommendation"]["gain"]["mean"])
    told = engineer.get("/api/v1/recommendations", params={"realised": True}).json()
    measured = next(one for one in told if one["id"] == numbers["measured"])
    assert (measured["realised"]["gain"], measured["stage"]) == (28.4, "executed")
    history = engineer.get(f"/api/v1/recommendations/{numbers['measured']}").json()["history"]
    assert [(each["after"], each["actor"]) for each in history] == [("proposed", ""), ("approved", "anna"), ("executed", "")]
    assert engineer.get("/api/v1/recommendations/coverage").json()[0]["coverage"] == pytest.approx(401 / 510)
    assert engineer.get("/api/v1/recommendations/models").json()[0]["version"] == MODEL
    assert [one["current_route"][0] for one in engineer.get("/api/v1/products").json() if one["current_route"]] == ["cut-plasma"] * 2
    assert [one["id"] for one in engineer.get("/api/v1/routes", params={"product": "ARM-20"}).json()] == ["R-20"]
    for wrong in ("?stage=fine", "?answer=fine", "/999999"):
        assert engineer.get(f"/api/v1/recommendations{wrong}").status_code == 409


def test_a_decision_is_an_approvers_has_a_reason_is_kept_once_and_audited(dashboard: RunningDashboard, numbers: dict[str, int]) -> None:
    path = f"/api/v1/recommendations/{numbers['open']}"
    with dashboard.client(Role.ENGINEER) as engineer, dashboard.client(Role.APPROVER) as approver:
        assert engineer.post(f"{path}/approve", json={}).status_code == 403
        assert approver.post(f"{path}/decline", json={}).status_code == 422
        assert approver.post(f"{path}/decline", json={"reason": "other"}).status_code == 409
        with connect(dashboard.database_url, application="test") as connection:
            second = fill_again(connection)
        assert approver.post(f"{path}/approve", json={}).status_code == 409, "a newer one stands for it"
        path = f"/api/v1/recommendations/{second}"
        key = {"Idempotency-Key": "k-1"}
        declined = approver.post(f"{path}/decline", json={"reason": "capacity", "note": "until the fair"}, headers=key)
        assert declined.status_code == 200, declined.text
        assert (declined.json()["line"]["stage"], declined.json()["stage_reason"]) == ("declined", "capacity")
        again = approver.post(f"{path}/decline", json={"reason": "capacity", "note": "until the fair"}, headers=key)
        assert (again.status_code, again.json()["line"]["stage"]) == (200, "declined")
        assert approver.post(f"{path}/decline", json={"reason": "quality"}, headers=key).status_code == 409
        assert approver.post(f"{path}/approve", json={}).status_code == 409
    with connect(dashboard.database_url, application="test") as connection:
        acts = [(entry.act, entry.next["reason"]) for entry in read_audit(connection, most=5) if entry.act.startswith("recommendation.")]
    assert acts == [("recommendation.decline", "capacity")]


def fill_again(connection: Any) -> int:
    return fill_routes(connection, NOW)["open"]


def test_who_asked_for_a_route_does_not_approve_it(dashboard: RunningDashboard, numbers: dict[str, int]) -> None:
    from storage.recommendations import add_recommendation

    assert numbers
    with connect(dashboard.database_url, application="test") as connection:
        asked = proposal(NOW, "ARM-OWN")
        number = add_recommendation(connection, asked, model_version=MODEL, made_us=NOW, asked_by=Role.APPROVER.value)
    with dashboard.client(Role.APPROVER) as same, dashboard.client(Role.ADMIN) as other:
        refused = same.post(f"/api/v1/recommendations/{number}/approve", json={})
        assert (refused.status_code, "somebody else" in refused.json()["error"]) == (409, True)
        assert other.post(f"/api/v1/recommendations/{number}/approve", json={"note": "ok"}).json()["line"]["stage"] == "approved"


def test_a_new_product_is_answered_in_one_call_and_refused_where_its_features_are_wrong(
    dashboard: RunningDashboard, engineer: httpx.Client
) -> None:
    asked = {"product": "ARM-24", "features": NEW_FEATURES}
    wrong = engineer.post("/api/v1/new-product", json={"product": "X", "features": {**NEW_FEATURES, "tonnage": "heavy", "colour": "red"}})
    assert wrong.status_code == 422
    assert {problem.split(":")[0] for problem in wrong.json()["problems"]} == {"tonnage", "colour"}
    late = engineer.post("/api/v1/new-product", params={"wait_seconds": 0}, json=asked, headers={"Idempotency-Key": "n-1"})
    assert (late.status_code, late.json()["state"]) == (202, "waiting")
    with Optimizer(dashboard.database_url), dashboard.program(Scope.ROUTES) as mes:
        again = engineer.post("/api/v1/new-product", params={"wait_seconds": 60}, json=asked, headers={"Idempotency-Key": "n-1"})
        assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, late.json()["id"], "answered")
        assert again.json()["answer"]["route"][0] == "cut-laser"
        far = {"product": "ARM-90", "features": {**NEW_FEATURES, "tonnage": 90}}
        told = mes.post("/api/v1/new-product", params={"wait_seconds": 60}, json=far).json()
        assert (told["answer"]["answer"], told["answer"]["route"]) == ("not_enough_evidence", [])
        failed = mes.post("/api/v1/new-product", params={"wait_seconds": 60}, json={**asked, "product": "bad"}).json()
        assert (failed["state"], failed["problem"]) == ("failed", "no model has been trained yet")
        assert mes.get("/api/v1/new-product").status_code == 403
    with dashboard.client(Role.INSPECTOR) as inspector:
        assert inspector.post("/api/v1/new-product", json=asked).status_code == 403
    assert {one["name"]: one["kind"] for one in engineer.get("/api/v1/new-product/features").json()}["grade"] == "category"


def test_a_design_change_is_compared_waits_for_each_station_and_then_holds_from_its_serial(
    dashboard: RunningDashboard, engineer: httpx.Client
) -> None:
    with dashboard.program(Scope.DESIGN) as plm, dashboard.program(Scope.STATIONS) as station:
        assert plm.post("/api/v1/design-changes", json={**CHANGE, "features": {"weight": 1}}).status_code == 422
        sent = plm.post("/api/v1/design-changes", json=CHANGE, headers={"Idempotency-Key": "dc-1"})
        assert sent.status_code == 201, sent.text
        again = plm.post("/api/v1/design-changes", json=CHANGE, headers={"Idempotency-Key": "dc-1"})
        assert (again.status_code, again.json()["id"]) == (201, sent.json()["id"])
        assert plm.post("/api/v1/design-changes", json=CHANGE).status_code == 409
        told = sent.json()
        assert [effect["code"] for effect in told["effects"]] == ["alternative_allowed", "feature"]
        chinese = engineer.get(f"/api/v1/design-changes/{told['id']}", params={"language": "zh"}).json()
        assert chinese["effects"][1]["words"] == "plate_mm 由 30 改为 22。"
        with connect(dashboard.database_url, application="test") as connection:
            (request,) = read_requests(connection, design_change=told["id"])
        assert (request.product, request.features["plate_mm"], request.id) == ("ARM-30@C", 22, told["request"])
        stations = [one["station"] for one in told["stations"]]
        assert stations == ["booth", "cnc-2", "plasma-1", "robot-2"]
        path = f"/api/v1/design-changes/{told['id']}"
        assert plm.post(f"{path}/acknowledge", json={"station": stations[0]}).status_code == 403
        assert station.post(f"{path}/acknowledge", json={"station": stations[0], "accepted": False}).status_code == 409, "no reason"
        for name in stations:
            assert version_of(engineer) is None
            said = station.post(f"{path}/acknowledge", json={"station": name})
        assert (said.status_code, said.json()["stage"]) == (200, "in_force")
        assert version_of(engineer) == "C"
        assert version_of(engineer, "EX-4119") is None
    with connect(dashboard.database_url, application="test") as connection:
        assert read_effective(connection, "ARM-30") == [("EX-4120", "C")]
        acts = {entry.act for entry in read_audit(connection, most=20)}
    assert {"design_change.add", "design_change.answer"} <= acts


def version_of(client: httpx.Client, serial: str = "EX-4121") -> str | None:
    answer = client.get("/api/v1/design-changes/version", params={"product": "ARM-30", "serial": serial})
    version: str | None = answer.json()["version"]
    return version


def test_the_pages_show_why_take_a_decision_find_a_route_and_hear_a_station(dashboard: RunningDashboard, numbers: dict[str, int]) -> None:
    assert numbers
    with connect(dashboard.database_url, application="test") as connection:
        number = fill_again(connection)
    change = {**CHANGE, "number": "DC-9", "product": "ARM-20", "features": {}, "programs": {"cut-plasma": "P12"}}
    with dashboard.client(Role.ADMIN) as admin:
        changed = admin.post("/api/v1/design-changes", json=change).json()["id"]
    with chromium() as browser, visitor(browser, dashboard.url, dashboard.session(Role.ADMIN), width=1366) as (page, _):
        page.goto(f"{dashboard.url}/recommendations?id={number}")
        expect(page.locator("#recommendation-shown .gain .big")).to_have_text("+31.5")
        expect(page.locator(".route-steps")).to_contain_text("The steps add up to +31.5.")
        expect(page.locator("#recommendation-shown .pareto-dot")).to_have_count(4)
        expect(page.locator("#recommendation-learned")).to_contain_text("+28.4")
        page.get_by_role("button", name="Decline", exact=True).click()
        expect(page.locator("#recommendation-said")).to_contain_text("Choose the reason")
        page.get_by_role("button", name="Approve", exact=True).click()
        expect(page.locator("#recommendation-shown .vision-head .state")).to_have_text("approved")
        until(page, "() => document.querySelector('.recommendation-list').dataset.opensReady === '1'")
        page.locator("#recommendation-list [data-open]", has_text="ARM-30").click()
        expect(page.locator("#recommendation-shown > h2")).to_have_text("ARM-30")
        expect(page.locator("#recommendation-shown")).to_contain_text("no route is expected to cost less")
        page.goto(f"{dashboard.url}/new-product")
        page.locator("#new-product-name").fill("ARM-25")
        for name in ("tonnage", "plate_mm", "weld_length"):
            page.locator(f'input[id*="\\"{name}\\""]').fill(str(NEW_FEATURES[name]))
        page.locator('button[id*="\\"grade\\""]').click()
        page.get_by_role("option", name="S690").click()
        with Optimizer(dashboard.database_url):
            page.locator("#new-product-ask").click()
            expect(page.locator(".sheet h2")).to_have_text("ARM-25")
        expect(page.locator(".sheet")).to_contain_text("laser-1")
        page.goto(f"{dashboard.url}/design-changes?id={changed}")
        expect(page.locator("#design-change-shown")).to_contain_text("cut-plasma at plasma-1 runs program P12 instead of P11.")
        page.get_by_role("button", name="Acknowledge").first.click()
        expect(page.locator("#design-change-shown")).to_contain_text("acknowledged")
