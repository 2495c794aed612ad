"""Tightenings on their page and over REST, in both languages and both themes."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from plant.equipment import EquipmentId
from plant.samples import empty
from plant.settings import SiteFile
from plant.shipment import Shipment
from plant.signals import SourceId
from plant.site import site_of
from plant.tightening import AgainstLimits, TighteningResult, TighteningTrace, TraceKind, pack_counts
from plant.verdict import Verdict
from simulators.tightening import COUNTS_PER_DEG, COUNTS_PER_NM, SAMPLE_US, JointFault, Program, Tightened, tighten
from storage.catalogue import register_site
from storage.database import connect
from storage.people import Role
from storage.samples import SampleWriter
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard

SOURCE = SourceId("bearing-tools")
STATION = EquipmentId("works/hall/assembly/line/bearing")
PROGRAM = Program()
FAULTS = {5: JointFault.YIELD, 10: JointFault.LOW_TORQUE}


def result_of(number: int, one: Tightened, time_us: int) -> TighteningResult:
    return TighteningResult(
        SOURCE,
        STATION,
        number,
        time_us,
        time_us + 40_000,
        Verdict.OK if one.ok else Verdict.NOT_OK,
        spindle=1 + number % 4,
        program=PROGRAM.number,
        program_name=PROGRAM.name,
        strategy=2,
        batch_size=36,
        batch_counter=number,
        part=f"EX-{2026_0000 + number // 8:08d}",
        torque_nm=one.torque_nm,
        torque_min_nm=PROGRAM.torque_min_nm,
        torque_max_nm=PROGRAM.torque_max_nm,
        torque_target_nm=PROGRAM.torque_target_nm,
        torque_status=one.torque_status,
        angle_deg=one.angle_deg,
        angle_min_deg=PROGRAM.angle_min_deg,
        angle_max_deg=PROGRAM.angle_max_deg,
        angle_status=one.angle_status,
        errors=one.errors,
        tool="A4420811",
        tool_calibrated_us=1_773_736_200_000_000,
    )


def traces_of(number: int, one: Tightened, time_us: int) -> list[TighteningTrace]:
    steps = tuple(np.cumsum([0, *one.stages[:3]]).tolist())
    columns = {TraceKind.TORQUE: (one.torque_counts, 1 / COUNTS_PER_NM), TraceKind.ANGLE: (one.angle_counts, 1 / COUNTS_PER_DEG)}
    return [
        TighteningTrace(
            *(SOURCE, STATION, number, time_us, time_us, 1, 0, kind, worth, len(counts), pack_counts(counts)),
            *(((0, float(SAMPLE_US)),), steps),
        )
        for kind, (counts, worth) in columns.items()
    ]


def store_tightenings(url: str, now_us: int) -> list[Tightened]:
    """Twelve tightenings, two of them not OK, the last one without a curve."""
    site = site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "works", "id": "hall"},
                "equipment": [{"path": "assembly/line/bearing", "name": "Bearing station", "kind": "tightening_station"}],
                "sources": [
                    {
                        "protocol": "open_protocol",
                        "id": SOURCE,
                        "url": "op://127.0.0.1",
                        "equipment": "assembly/line/bearing",
                        "allow_insecure": True,
                    }
                ],
            }
        )
    )
    made = [tighten(PROGRAM, number, FAULTS.get(number, JointFault.NONE)) for number in range(1, 13)]
    times = [now_us - (12 - n) * 5_000_000 for n in range(12)]
    results = tuple(result_of(n + 1, one, time_us) for n, (one, time_us) in enumerate(zip(made, times, strict=True)))
    traces = tuple(
        trace for n, (one, time_us) in enumerate(zip(made[:-1], times[:-1], strict=True)) for trace in traces_of(n + 1, one, time_us)
    )
    with connect(url, application="test") as connection:
        register_site(connection, site)
        SampleWriter(connection).ship(Shipment(uuid4(), 1, 1, empty(), tightenings=results, traces=traces))
    return made


@pytest.fixture(scope="module")
def made(dashboard: RunningDashboard) -> list[Tightened]:
    made = store_tightenings(dashboard.database_url, dashboard.clock.now_us())
    dashboard.wait_until_read()
    return made


@pytest.fixture
def viewer(dashboard: RunningDashboard, made: list[Tightened]) -> Iterator[httpx.Client]:
    del made
    with dashboard.client(Role.VIEWER) as client:
        yield client


def test_results_are_listed_by_filter_the_newest_first(viewer: httpx.Client) -> None:
    everything = viewer.get("/api/v1/tightenings").json()
    assert [one["tightening_id"] for one in everything] == list(range(12, 0, -1))
    wrong = viewer.get("/api/v1/tightenings", params={"verdict": "not_ok"}).json()
    assert [one["tightening_id"] for one in wrong] == [10, 5]
    assert "angle above limit" in wrong[1]["errors"]
    of_part = viewer.get("/api/v1/tightenings", params={"part": "EX-20260001", "spindle": 1}).json()
    assert [one["tightening_id"] for one in of_part] == [12, 8]
    assert viewer.get("/api/v1/tightenings", params={"equipment": "works/hall/assembly"}).json() == everything
    assert viewer.get("/api/v1/tightenings", params={"equipment": "works/hall/assem"}).json() == []
    rest = viewer.get("/api/v1/tightenings", params={"before": everything[3]["id"], "most": 2}).json()
    assert rest == everything[4:6]


def test_a_result_stands_with_its_limits_and_its_curve(viewer: httpx.Client, made: list[Tightened]) -> None:
    first = viewer.get("/api/v1/tightenings").json()[-1]
    assert viewer.get(f"/api/v1/tightenings/{first['id']}").json() == first
    assert (first["torque_min_nm"], first["torque_max_nm"], first["torque_status"]) == (902.5, 997.5, AgainstLimits.OK)
    assert (first["strategy"], first["bolt"], first["has_curve"]) == ("torque control, angle monitoring", 1, True)
    curve = viewer.get(f"/api/v1/tightenings/{first['id']}/curve").json()
    np.testing.assert_allclose(curve["torque_nm"], made[0].torque_counts / COUNTS_PER_NM)
    np.testing.assert_allclose(curve["angle_deg"], made[0].angle_counts / COUNTS_PER_DEG)
    assert curve["elapsed_ms"][:3] == [0.0, 2.0, 4.0]
    assert curve["steps"] == [0, *np.cumsum(made[0].stages[:3]).tolist()]


def test_what_is_not_there_and_what_is_no_filter_is_refused_in_words(viewer: httpx.Client) -> None:
    last = viewer.get("/api/v1/tightenings").json()[0]
    for path, words in (
        (f"/api/v1/tightenings/{last['id']}/curve", "there is no curve of tightening"),
        ("/api/v1/tightenings/999999", "there is no tightening 999999"),
        ("/api/v1/tightenings?verdict=fine", "there is no verdict 'fine'"),
    ):
        answer = viewer.get(path)
        assert answer.status_code == 409
        assert words in answer.json()["error"]


def test_spindles_are_counted(viewer: httpx.Client, dashboard: RunningDashboard) -> None:
    now = dashboard.clock.now_us()
    counted = viewer.get("/api/v1/tightenings/spindles", params={"from_us": 0, "to_us": now}).json()
    assert [(one["spindle"], one["ok"], one["not_ok"], one["without_curve"]) for one in counted] == [
        (1, 3, 0, 1),
        (2, 2, 1, 0),
        (3, 2, 1, 0),
        (4, 3, 0, 0),
    ]


def test_tightenings_are_for_people_who_are_logged_in(dashboard: RunningDashboard) -> None:
    with dashboard.client() as nobody:
        assert nobody.get("/api/v1/tightenings").status_code == 401


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.browser
@pytest.mark.parametrize(("language", "theme", "words"), [("en", "light", "Tightening"), ("zh", "dark", "拧紧")])
def test_a_person_finds_why_a_bolt_was_not_ok(
    dashboard: RunningDashboard, made: list[Tightened], chrome: Browser, language: str, theme: str, words: str
) -> None:
    del made
    with visitor(chrome, dashboard.url, dashboard.session(), language=language, theme=theme) as (page, _):
        page.goto(dashboard.url + "/tightening")
        expect(page.locator("h1")).to_have_text(words)
        expect(page.locator("#tightening-results tbody tr")).to_have_count(12)
        expect(page.locator("[data-curve][data-drawn] canvas").first).to_be_visible()
        page.locator("#tightening-part").fill("EX-20260000")
        page.locator("#tightening-part").press("Enter")
        expect(page.locator("#tightening-results tbody tr")).to_have_count(7)
        page.locator("#tightening-results tr", has=page.locator(".state.critical")).locator("button").click()
        expect(page.locator("[data-curve] dd").first).to_have_text("5")
        assert "?result=" in page.url
        for button in page.locator("[data-curve] .trend-tools button").all():
            button.click()
            expect(page.locator("[data-curve] canvas").first).to_be_visible()


@pytest.mark.browser
def test_a_part_that_nobody_tightened_is_said_to_have_no_results(
    dashboard: RunningDashboard, made: list[Tightened], chrome: Browser
) -> None:
    del made
    with visitor(chrome, dashboard.url, dashboard.session()) as (page, _):
        page.goto(dashboard.url + "/tightening?result=1")
        page.locator("#tightening-part").fill("<b>nobody")
        page.locator("#tightening-part").press("Enter")
        expect(page.locator("#tightening-results")).to_contain_text("No tightening fits.")


@pytest.mark.browser
def test_a_new_result_comes_by_itself_and_nothing_is_drawn_again_without_one(
    dashboard: RunningDashboard, made: list[Tightened], chrome: Browser
) -> None:
    row = "#tightening-results tbody tr"
    with visitor(chrome, dashboard.url, dashboard.session()) as (page, _):
        page.goto(dashboard.url + "/tightening")
        expect(page.locator(row)).to_have_count(12)
        with page.expect_response(lambda answer: "tightening-results" in (answer.request.post_data or "") and "spindles" in answer.text()):
            page.evaluate(f"() => {{ window.firstRow = document.querySelector('{row}'); }}")
        assert page.evaluate("() => window.firstRow.isConnected")
        late = result_of(13, made[0], dashboard.clock.now_us())
        with connect(dashboard.database_url, application="test") as connection:
            SampleWriter(connection).ship(Shipment(uuid4(), 1, 1, empty(), tightenings=(late,), traces=()))
        expect(page.locator(row)).to_have_count(13)
