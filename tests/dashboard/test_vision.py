"""Inspections on their pages and over REST: pictures with what was found, the review queue and its answers, pictures sent in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from plant.inspections import Decision
from storage.database import connect
from storage.evidence import EvidenceFolder
from storage.frame_inbox import FrameInbox
from storage.people import Role, Scope
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard
from tests.vision.bench import TAKEN_US, Judge, build
from tests.vision.pictures import jpeg, scene

SPAN = {"from_us": TAKEN_US - 1, "to_us": TAKEN_US + 10}


@pytest.fixture(scope="module")
def inspected(dashboard: RunningDashboard, tmp_path_factory: pytest.TempPathFactory) -> RunningDashboard:
    """A dashboard behind which a few seams were looked at: OK, not OK, two to review, one dark, and a file that is no picture."""
    with connect(dashboard.database_url, application="test") as connection:
        judge = Judge()
        room = build(tmp_path_factory.mktemp("vision"), connection, judge)
        room = replace(room, bench=replace(room.bench, evidence=EvidenceFolder(dashboard.home / "evidence")))
        for number, (decision, confidence) in enumerate(
            [(Decision.OK, 0.97), (Decision.NOK, 0.93), (Decision.REVIEW, 0.7), (Decision.REVIEW, 0.51)]
        ):
            judge.decision, judge.confidence = decision, confidence
            room.drop(f"{number}.jpg", jpeg(scene(number)), part=f"SEAM-{number}", taken_us=TAKEN_US + number)
            room.judged()
        room.drop("dark.jpg", jpeg((scene(8) * 0.05).astype("uint8")), part="SEAM-8", taken_us=TAKEN_US + 8)
        room.drop("zip.jpg", jpeg() + b"PK\x03\x04")
        room.judged()
    return dashboard


@pytest.fixture
def viewer(inspected: RunningDashboard) -> Iterator[httpx.Client]:
    with inspected.client(Role.VIEWER) as client:
        yield client


def test_inspections_come_with_measures_and_reasons_in_the_readers_language(viewer: httpx.Client) -> None:
    found = viewer.get("/api/v1/inspections", params=SPAN).json()
    assert [one["part"] for one in found] == ["SEAM-8", "SEAM-3", "SEAM-2", "SEAM-1", "SEAM-0"]
    assert found[0]["decision"] == "not_decidable"
    assert found[0]["reasons"][0]["words"].startswith("The picture is too dark")
    assert found[3]["findings"][0]["measures"] == {"length_mm": 1.5}
    chinese = viewer.get("/api/v1/inspections", params=SPAN | {"language": "zh"}).json()
    assert chinese[0]["reasons"][0]["words"].startswith("图片过暗")
    assert [one["part"] for one in viewer.get("/api/v1/inspections", params=SPAN | {"decision": "nok"}).json()] == ["SEAM-1"]
    assert viewer.get("/api/v1/inspections", params=SPAN | {"part": "SEAM-3"}).json()[0]["id"] == found[1]["id"]
    assert viewer.get("/api/v1/inspections", params={"decision": "perhaps"}).status_code == 409


def test_a_picture_is_had_by_its_id_and_by_nothing_else(viewer: httpx.Client, inspected: RunningDashboard) -> None:
    one = viewer.get("/api/v1/inspections", params=SPAN | {"part": "SEAM-1"}).json()[0]
    picture = viewer.get(f"/api/v1/frames/{one['frame']}")
    assert (picture.content, picture.headers["content-type"]) == (jpeg(scene(1)), "image/jpeg")
    overlay = viewer.get(f"/api/v1/inspections/{one['id']}/overlay").text
    assert overlay.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 240"')
    assert "surface pores" in overlay
    for word in ("..%2f..%2fsite.toml", "%2e%2e", "A" * 64, "0" * 63, "site.toml"):
        assert viewer.get(f"/api/v1/frames/{word}").status_code in {404, 409}
    assert viewer.get(f"/api/v1/frames/{'0' * 64}").status_code == 409
    with inspected.client(None) as nobody:
        assert nobody.get(f"/api/v1/frames/{one['frame']}").status_code == 401


def test_what_was_refused_says_why(viewer: httpx.Client) -> None:
    (refused,) = viewer.get("/api/v1/frames/refused").json()
    assert (refused["name"], refused["reason"]["code"]) == ("zip.jpg", "trailing_data")
    assert refused["reason"]["words"] == "4 bytes follow the end of the JPEG picture."
    assert viewer.get("/api/v1/frames/drift").json()[0]["brightness_sigmas"] is None


def test_a_picture_sent_in_waits_in_the_inbox_with_what_it_shows(inspected: RunningDashboard, viewer: httpx.Client) -> None:
    shows = {"station": "boom-1", "view": "left", "part": "SEAM-77"}
    typed = {"Content-Type": "image/jpeg"}
    assert viewer.post("/api/v1/frames", params=shows, content=jpeg(), headers=typed).status_code == 403
    inbox = FrameInbox(inspected.home / "vision" / "inbox", 32)
    with inspected.program(Scope.FRAMES) as camera:
        answer = camera.post("/api/v1/frames", params=shows, content=jpeg(), headers=typed)
        assert answer.status_code == 202
        assert camera.post("/api/v1/frames", params={"station": "boom-1"}, content=jpeg(), headers=typed).status_code == 422
        assert camera.post("/api/v1/frames", params=shows, content=jpeg(), headers={"Content-Type": "text/html"}).status_code == 415
        assert camera.post("/api/v1/frames", params=shows, content=bytes(26_000_000), headers=typed).status_code == 409
    (waiting,) = inbox.waiting()
    trigger = inbox.trigger(waiting)
    assert (trigger.part, trigger.came_from.split(":")[0]) == ("SEAM-77", "rest")
    assert waiting.path.read_bytes() == jpeg()
    assert len(answer.json()["frame"]) == 64


def test_only_inspectors_answer_and_their_answer_is_a_label(inspected: RunningDashboard, viewer: httpx.Client) -> None:
    queue = viewer.get("/api/v1/inspections/review").json()
    assert [one["part"] for one in queue][:2] == ["SEAM-3", "SEAM-2"], "the most uncertain first"
    dark = next(one for one in queue if one["part"] == "SEAM-8")
    said = {"decision": "nok", "boxes": [{"kind": "crack", "box_px": [1, 2, 30, 40]}], "comment": "seen on the part"}
    path = f"/api/v1/inspections/{dark['id']}/labels"
    assert viewer.post(path, json=said).status_code == 403
    with inspected.client(Role.INSPECTOR) as inspector:
        outside = said | {"boxes": [{"kind": "crack", "box_px": [0, 0, 321, 10]}]}
        assert inspector.post(path, json=outside).status_code == 409
        assert inspector.post(path, json=said).status_code == 204
    (label,) = viewer.get(path).json()
    assert (label["decision"], label["accepted"], label["boxes"][0]["kind"]) == ("nok", False, "crack")
    assert dark["id"] not in {one["id"] for one in viewer.get("/api/v1/inspections/review").json()}
    with inspected.client(Role.ADMIN) as admin:
        newest = admin.get("/api/v1/audit").json()[0]
    assert (newest["act"], newest["next"]["decision"]) == ("inspection.label", "nok")


@pytest.mark.browser
def test_pictures_are_looked_at_and_answered_by_keys(inspected: RunningDashboard) -> None:
    with chromium() as browser:
        _look(browser, inspected)


def draw_a_box(page: Page) -> None:
    """Drag over the picture from a quarter of it to half its width and three fifths of its height."""
    page.locator("[data-draws] img").first.scroll_into_view_if_needed()
    place = page.locator("[data-draws] .vision-picture").bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + 0.25 * place["width"], place["y"] + 0.25 * place["height"])
    page.mouse.down()
    page.mouse.move(place["x"] + 0.5 * place["width"], place["y"] + 0.6 * place["height"], steps=4)
    page.mouse.up()


def _look(browser: Browser, inspected: RunningDashboard) -> None:
    session = inspected.session(Role.INSPECTOR)
    with visitor(browser, inspected.url, session, language="en", theme="light") as (page, _):
        page.goto(inspected.url + "/welds")
        expect(page.locator("#welds-list")).to_contain_text("SEAM-1")
        expect(page.locator("#welds-shown .vision-picture img").first).to_be_visible()
        page.locator("[data-opens-ready]").wait_for()
        page.get_by_role("button", name="Show the picture of part SEAM-1").click()
        expect(page.locator("#welds-shown")).to_contain_text("length 1.5 mm")
        expect(page.locator("#welds-refused")).to_contain_text("zip.jpg")
        page.goto(inspected.url + "/review")
        expect(page.locator("#review-shown h2")).to_have_text("SEAM-3")
        page.locator("[data-keys-ready]").wait_for()
        page.locator("[data-draws-ready]").wait_for()
        draw_a_box(page)
        page.keyboard.press("r")
        expect(page.locator("#review-said")).to_contain_text("Say what each box shows")
        page.locator("#review-drawn-rows .dash-dropdown").click()
        page.get_by_role("option", name="crack").click()
        expect(page.locator("#review-drawn-rows")).to_contain_text("crack")
        page.locator("h1").first.click()
        page.keyboard.press("r")
        expect(page.locator("#review-said")).to_contain_text("part SEAM-3 is 'Not OK'")
        expect(page.locator("#review-shown h2")).to_have_text("SEAM-2")
        page.get_by_role("button", name="Skip").click()
        expect(page.locator("#review-shown")).not_to_contain_text("SEAM-2")
    with inspected.client(Role.VIEWER) as client:
        third = client.get("/api/v1/inspections", params=SPAN | {"part": "SEAM-3"}).json()[0]
        (label,) = client.get(f"/api/v1/inspections/{third['id']}/labels").json()
    assert label["decision"] == "nok"
    drawn = label["boxes"][-1]
    assert drawn["kind"] == "crack"
    assert drawn["box_px"] == pytest.approx(
        [0.25 * third["width"], 0.25 * third["height"], 0.5 * third["width"], 0.6 * third["height"]], abs=3
    )
    with visitor(browser, inspected.url, session, language="zh", theme="dark") as (page, _):
        page.goto(inspected.url + "/review")
        expect(page.locator("#review-shown h2")).to_have_text("SEAM-2")
        expect(page.locator("#review-shown")).to_contain_text("无法判断")
