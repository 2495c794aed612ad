"""Adding a source on the page: discover a real OPC UA server, choose, check, save."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.server.server import Server
from playwright.sync_api import Page, expect

from plant.signals import SignalPath
from plant.site import load_site
from storage.people import Role
from tests.dashboard.browser import WAIT_MS, chromium, until, visitor
from tests.dashboard.running import RunningDashboard
from tests.dashboard.stage import dashboard_before, make_stage
from tests.databases import fresh_database
from tests.ingest.parts import PATIENCE
from tests.protocols.opcua_servers import started

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def opc_ua_server() -> Iterator[str]:
    """The address of an OPC UA server without security that offers three variables."""
    ready, address = threading.Event(), []
    loop: asyncio.AbstractEventLoop
    ended: asyncio.Event

    async def serve() -> None:
        nonlocal loop, ended
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        server = Server()
        await server.init()
        server.set_endpoint("opc.tcp://127.0.0.1:0/")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace("urn:acme:press")
        press = await server.nodes.objects.add_object(ua.NodeId.from_string(f"ns={index};s=press"), f"{index}:Press")
        await press.add_variable(ua.NodeId.from_string(f"ns={index};s=force"), f"{index}:Force kN", 12.5)
        await press.add_variable(ua.NodeId.from_string(f"ns={index};s=strokes"), f"{index}:Strokes", 7, ua.VariantType.Int32)
        await press.add_variable(ua.NodeId.from_string(f"ns={index};s=mode"), f"{index}:Mode", "auto")
        async with started(server):
            port = server.bserver._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            address.append(f"opc.tcp://127.0.0.1:{port}/")
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30 * PATIENCE)
    yield address[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join(60)
    assert not thread.is_alive()


def test_an_engineer_adds_a_source_by_discovering_choosing_checking_and_saving(
    postgres_server: str, migrated_template: str, tmp_path: Path, opc_ua_server: str
) -> None:
    with contextlib.ExitStack() as open_things:
        url = open_things.enter_context(fresh_database(postgres_server, migrated_template))
        stage = make_stage(tmp_path / "home", url)
        open_things.callback(stage.close)
        address = open_things.enter_context(dashboard_before(stage))
        browser = open_things.enter_context(chromium())
        with visitor(browser, address, stage.session("engineer"), theme="dark", height=1400) as (page, _):
            page.goto(address + "/sources")
            page.get_by_label("Address of the server").fill(opc_ua_server)
            _choose_policy_none(page)
            page.locator("#add-discover").click()
            expect(page.locator("#add-found .notice")).to_contain_text("allow_insecure")
            page.get_by_label("Allow a connection without security").check()
            page.locator("#add-discover").click()
            expect(page.locator("#add-found .notice")).to_contain_text("variables found", timeout=WAIT_MS)
            _lies_in_rows_within_its_frame(page)
            page.get_by_label("Name of the source").fill("press plc")
            page.locator("#add-discover").click()
            expect(page.locator("#add-discover[data-loading]")).to_have_count(1)
            expect(page.locator("#add-discover[data-loading]")).to_have_count(0, timeout=WAIT_MS)
            expect(page.get_by_label("Name of the source")).to_have_value("press plc")
            expect(page.locator("#add-result")).to_be_empty()
            for name in ("Force kN", "Mode"):
                row = page.locator(".ag-center-cols-container .ag-row", has=page.get_by_text(name, exact=True))
                row.first.locator("input[type=checkbox]").check()
            page.get_by_label("Equipment (area/line/unit)").fill("forming/line-7/press-1")
            page.locator("#add-check").click()
            expect(page.locator("#add-result .notice.wrong")).to_contain_text("press plc")
            expect(page.locator("#add-save")).to_be_disabled()
            page.get_by_label("Name of the source").fill("press-plc")
            page.locator("#add-check").click()
            expect(page.locator("#add-result .notice")).to_contain_text("No problem found: 2 signals")
            page.locator("#add-save").click()
            expect(page.locator("#add-result .notice")).to_contain_text("Saved")
        signals = {signal.path: signal for signal in load_site(stage.site_file).signals}
        force = signals[SignalPath("acme/north/forming/line-7/press-1/Force-kN")]
        assert force.address == "nsu=urn:acme:press;s=force"
        assert SignalPath("acme/north/forming/line-7/press-1/Mode") in signals


def test_a_grid_that_does_not_come_is_told_and_asked_for_again(dashboard: RunningDashboard) -> None:
    with chromium() as browser, visitor(browser, dashboard.url, dashboard.session(Role.ENGINEER)) as (page, watch):
        page.goto(dashboard.url + "/sources")
        grid = "**/" + str(page.locator("meta[name=leadhand-grid]").get_attribute("content")).rpartition("/")[2]
        page.route(grid, lambda route: route.abort())
        watch.outage = True
        page.locator("#add-discover").click()
        expect(page.locator("#add-found .notice.wrong")).to_contain_text("could not be loaded whole")
        page.unroute(grid)
        watch.outage = False
        page.locator("#add-discover").click()
        expect(page.locator("#add-found .notice.wrong")).not_to_contain_text("could not be loaded whole", timeout=WAIT_MS)


def _lies_in_rows_within_its_frame(page: Page) -> None:
    heights = "() => [...document.querySelectorAll('#add-grid .ag-row')].map(row => row.getBoundingClientRect().height)"
    until(page, f"() => ({heights})().length > 0")
    assert all(20 < height < 60 for height in page.evaluate(heights))
    assert page.evaluate("document.documentElement.scrollHeight") < 3000
    assert page.evaluate("getComputedStyle(document.querySelector('#add-grid .ag-root-wrapper')).backgroundColor") == "rgb(29, 34, 38)"


def _choose_policy_none(page: Page) -> None:
    page.get_by_label("Security policy").first.click()
    page.get_by_role("option", name="None", exact=True).click()
