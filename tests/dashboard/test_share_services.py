"""Part orders, stock, nests and shares over REST: each role does what it may, wrong rows are told, a nest goes its steps."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dashboard.context import Person
from dashboard.factory_hues import factory_hue
from dashboard.services_part_orders import PartOrderService
from dashboard.spreadsheets import read_xlsx, write_xlsx
from plant.clock import SystemClock
from plant.errors import SettingsError
from plant.nest_keeping import write_nest_problem
from plant.nests import NestPart, NestProblem, StockSheet, rectangle
from storage.audit import read_audit
from storage.database import Pool, connect
from storage.people import Role, Scope
from tests.dashboard.running import RunningDashboard
from tests.dashboard.share_stage import StagedShare, fill_orders_and_stock, keep_nests, keep_shares

NOW = SystemClock().now_us()
DAY_US = 86_400_000_000
PLATE = {"factory": "crane", "part": "web", "material": "S690QL", "thickness_mm": 12}
ENGINEER = Person("engineer", "Engineer", Role.ENGINEER)


@pytest.fixture(scope="module")
def staged(dashboard: RunningDashboard) -> StagedShare:
    """Orders of four factories, sheets, two proposed nests, hours shared out."""
    with connect(dashboard.database_url, application="test") as connection:
        found = fill_orders_and_stock(connection, NOW)
        assert keep_nests(connection, NOW) == [1, 2]
        assert keep_shares(connection, NOW) == 1
    return found


def test_part_orders_come_many_at_once_and_a_wrong_row_is_told_while_the_others_are_kept(dashboard: RunningDashboard) -> None:
    rows: list[Any] = [
        {"number": "A-1", **PLATE, "quantity": 4, "rectangle": {"width_mm": 500, "height_mm": 200}, "due_us": NOW + DAY_US},
        {"number": "A-2", **PLATE, "quantity": 0, "rectangle": {"width_mm": 500, "height_mm": 200}},
        {"number": "A-3", **PLATE, "circle": {"diameter_mm": 400, "hole_mm": 150}},
        {"number": "A-4", **PLATE, "shape": {"outline": [[0, 0], [100, 100], [100, 0], [0, 100]]}},
        {"number": "A-5", **PLATE},
        {"number": "A-1", **PLATE, "circle": {"diameter_mm": 10}},
        {"number": "A-6", "factory": "crane", "part": "clip", "kind": "stamping", "hours": 0.01, "quantity": 10},
        "no order at all",
    ]
    with dashboard.program(Scope.ORDERS) as erp, dashboard.client(Role.INSPECTOR) as inspector, dashboard.client(Role.VIEWER) as viewer:
        said = erp.post("/api/v1/part-orders", params={"only_say": True}, json={"orders": rows}).json()
        assert (said["added"], said["written"]) == (["A-1", "A-3", "A-6"], False)
        assert viewer.get("/api/v1/part-orders/A-1").status_code == 409, "nothing was written"
        told = erp.post("/api/v1/part-orders", json={"orders": rows})
        assert told.status_code == 200, told.text
        refused = {one["row"]: " ".join(one["problems"]) for one in told.json()["refused"]}
        assert set(refused) == {2, 4, 5, 6, 8}
        for row, words in ((2, "quantity"), (4, "crosses"), (5, "one of rectangle, circle, shape"), (6, "row 1 already")):
            assert words in refused[row], refused[row]
        assert erp.post("/api/v1/part-orders", json={"orders": rows[:1]}).json()["same"] == 1
        assert inspector.post("/api/v1/part-orders", json={"orders": rows[:1]}).status_code == 403
        assert erp.post("/api/v1/part-orders", json={"orders": []}).status_code == 422
        ring = viewer.get("/api/v1/part-orders/A-3").json()
        assert (len(ring["holes"]), ring["order"]["waiting"], ring["order"]["kind"]) == (1, 1, "cutting")
        assert 0.99 < ring["order"]["area_mm2"] / (3.14159 * (200**2 - 75**2)) < 1.02
        assert erp.post("/api/v1/part-orders/A-6/made", json={"pieces": 11}).status_code == 409
        assert erp.post("/api/v1/part-orders/A-6/made", json={"pieces": 10}).json()["order"]["state"] == "done"
        assert erp.post("/api/v1/part-orders/A-1/made", json={"pieces": 1}).status_code == 409, "what is cut is made by its nest"
        assert viewer.delete("/api/v1/part-orders/A-1").status_code == 403
        assert erp.delete("/api/v1/part-orders/A-1", params={"note": "changed"}).json()["order"]["state"] == "cancelled"
        assert erp.delete("/api/v1/part-orders/A-1").status_code == 409
        found = viewer.get("/api/v1/part-orders", params={"find": "a-", "state": "open", "most": 5}).json()
        assert [one["number"] for one in found] == ["A-3"]
        assert viewer.get("/api/v1/part-orders", params={"state": "late"}).status_code == 409
        assert "A-3" in viewer.get("/api/v1/part-orders", params={"format": "csv"}).text
    with connect(dashboard.database_url, application="test") as connection:
        assert {one.act for one in read_audit(connection, most=3)} == {"import", "made", "cancel"}


@pytest.fixture(scope="module")
def service(dashboard: RunningDashboard) -> Iterator[PartOrderService]:
    """The service that reads files, as the page calls it."""
    pool = Pool(dashboard.database_url, 1, "test")
    yield PartOrderService(pool, SystemClock())
    pool.close()


def test_a_table_a_problem_and_a_drawing_bring_part_orders_and_tell_what_is_wrong(service: PartOrderService) -> None:
    given = {"factory": "crane", "material": "S690QL", "thickness_mm": "12", "quantity": "3", "due": "2026-12-24"}
    head = "order;factory;part;quantity;width_mm;height_mm;material;thickness_mm;due\n"
    table = head + (
        "T-1;crane;web;2;400;300;S355J2;10;2026-12-24\n;crane;web;2;400;300;S355J2;10;\nT-3;crane;web;two;400;300;S355J2;10;24/12\n"
    )
    told = service.take_in(ENGINEER, table.encode(), "parts.csv", "Europe/Berlin", {}, only_say=True)
    assert told.added == ("T-1",)
    assert [(one.row, len(one.problems)) for one in told.refused] == [(3, 1), (4, 2)]
    problem = NestProblem(
        "p", (NestPart("side", rectangle(300, 200), 5), NestPart("rib", rectangle(90, 60), 2)), (StockSheet("s", 2000, 1000, 1),)
    )
    text = json.loads(write_nest_problem(problem))
    text["parts"].append({"name": "bow", "outline": [[0, 0], [9, 9], [9, 0], [0, 9]]})
    told = service.take_in(ENGINEER, json.dumps(text).encode(), "job 7.json", "UTC", given, only_say=True)
    assert told.added == ("job 7-1", "job 7-2")
    assert [(one.row, one.number) for one in told.refused] == [(3, "bow")]
    told = service.take_in(ENGINEER, json.dumps(text).encode(), "job 7.json", "UTC", {}, only_say=True)
    assert (told.added, len(told.refused)) == ((), 3), "nobody said whose parts they are"
    for name, content in (
        ("x.csv", b"order,colour\n1,red"),
        ("x.xlsx", b"PK"),
        ("x.json", b"{"),
        ("x.dxf", b"no drawing"),
        ("x.pdf", b"%PDF"),
    ):
        with pytest.raises(SettingsError, match="x"):
            service.take_in(ENGINEER, content, name, "UTC", given, only_say=True)


def test_the_empty_table_is_read_back_as_it_was_written(dashboard: RunningDashboard, service: PartOrderService) -> None:
    with dashboard.client(Role.VIEWER) as viewer:
        content = viewer.get("/api/v1/part-orders/table").content
    head, *rows = read_xlsx(content)
    wanted = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["order"] for row in wanted] == ["PO-1001", "PO-1002", "PO-1003"]
    wanted[2] |= {"thickness_mm": ""}
    again = write_xlsx("x", head, [[row[name] for name in head] for row in wanted], frozenset(), {})
    told = service.take_in(ENGINEER, again, "orders.xlsx", "Europe/Berlin", {}, only_say=True)
    assert (told.added, told.refused) == (("PO-1001", "PO-1002", "PO-1003"), ())


def test_stock_is_added_counted_and_refused_where_it_is_another_sheet(dashboard: RunningDashboard) -> None:
    sheet = {"name": "P-77", "width_mm": 6000, "height_mm": 2000, "quantity": 2, "material": "S960QL", "thickness_mm": 15, "grain_deg": 0}
    with dashboard.program(Scope.ORDERS) as erp, dashboard.client(Role.VIEWER) as viewer:
        assert erp.post("/api/v1/stock", json={"sheets": [sheet], "place": "hall 1"}).json() == {"added": ["P-77"], "refused": {}}
        assert erp.post("/api/v1/stock", json={"sheets": [{**sheet, "width_mm": 5000}]}).json()["refused"].keys() == {"P-77"}
        assert erp.post("/api/v1/stock", json={"sheets": [sheet, sheet]}).status_code == 422
        assert viewer.post("/api/v1/stock", json={"sheets": [sheet]}).status_code == 403
        assert erp.patch("/api/v1/stock/P-77", json={"free": 7, "note": "counted"}).status_code == 204
        assert erp.patch("/api/v1/stock/P-78", json={"free": 7}).status_code == 409
        assert erp.patch("/api/v1/stock/P-77", json={"free": -1}).status_code == 422
        (found,) = viewer.get("/api/v1/stock", params={"material": "S960QL"}).json()
        assert (found["free"], found["reserved"], found["area_m2"], found["place"]) == (7, 0, 12.0, "hall 1")


def test_a_nest_is_drawn_released_cut_and_its_remnant_names_it(dashboard: RunningDashboard, staged: StagedShare) -> None:
    assert staged.orders
    with dashboard.client(Role.ENGINEER) as engineer, dashboard.client(Role.VIEWER) as viewer:
        lines = viewer.get("/api/v1/nests", params={"state": ["proposed", "released"]}).json()
        assert [one["id"] for one in lines] == [2, 1]
        told = viewer.get("/api/v1/nests/1").json()
        assert set(told["utilisation"]) == {"gross", "credited", "net", "net_credited"}
        assert sum(one["parts"] * one["copies"] for one in told["sheets"]) == told["nest"]["parts"]
        assert sum(one["pieces"] for one in told["orders"]) == told["nest"]["parts"]
        svg = viewer.get("/api/v1/nests/1/sheets/1/sheet.svg", params={"theme": "light", "legend": False})
        assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml")
        drawn = ET.fromstring(svg.text)  # noqa: S314 - our own drawing
        parts = [one for one in drawn.iter() if one.tag.endswith("path") and "part" in one.get("class", "")]
        first = told["sheets"][0]
        assert len(parts) == len(first["drawn"]) == first["parts"]
        for part, row in list(zip(parts, first["drawn"], strict=True))[:20]:
            order = told["orders"][row]
            hue = factory_hue(order["factory"], told["factories"], "light")
            place = part.get("class", "").split()[1]
            assert f".{place}{{fill:{hue.replace('74%', 'var(--tone)')}}}" in svg.text
            assert order["number"] in (part[0].text or "")
        dxf = viewer.get("/api/v1/nests/1/sheets/1/sheet.dxf")
        assert (dxf.status_code, b"CUT_OUTER" in dxf.content) == (200, True)
        assert viewer.get("/api/v1/nests/1/sheets/99/sheet.svg").status_code == 409
        assert viewer.post("/api/v1/nests/1/release", json={}).status_code == 403
        assert engineer.post("/api/v1/nests/1/cut", json={}).status_code == 409, "only what is released is cut"
        moved = engineer.post("/api/v1/nests/1/release", json={"note": "urgent"}).json()
        assert (moved["nest"]["state"], moved["nest"]["actor"]) == ("released", "engineer")
        order = told["orders"][0]["number"]
        assert viewer.get(f"/api/v1/part-orders/{order}").json()["order"]["released"] == told["orders"][0]["pieces"]
        assert any(one["reserved"] for one in viewer.get("/api/v1/stock").json())
        assert engineer.post("/api/v1/nests/1/withdraw", json={}).json()["nest"]["state"] == "withdrawn"
        assert viewer.get(f"/api/v1/part-orders/{order}").json()["order"]["released"] == 0
        assert engineer.post("/api/v1/nests/2/release", json={}).status_code == 200
        with dashboard.program(Scope.ORDERS) as mes:
            assert mes.post("/api/v1/nests/2/withdraw", json={}).status_code == 403
            cut = mes.post("/api/v1/nests/2/cut", json={}).json()
        assert cut["nest"]["state"] == "cut"
        remnants = [one for one in viewer.get("/api/v1/stock").json() if one["origin_nest"] == 2]
        assert sorted(one["name"] for one in remnants) == sorted(cut["remnants"])
        assert cut["remnants"], "the last sheet is not full"


def test_shares_tell_hours_by_factory_and_each_order_why(dashboard: RunningDashboard, staged: StagedShare) -> None:
    assert staged.orders
    with dashboard.client(Role.VIEWER) as viewer:
        told = viewer.get("/api/v1/shares").json()
        version = told["version"]
        assert (version["id"], version["rule"], version["whole"]) == (1, "max_min", True)
        assert 0.25 <= version["jain_worst"] <= version["jain"] <= 1
        names = [one["name"] for one in told["factories"]]
        assert names == ["aerial platform", "concrete pump", "crane", "excavator"]
        for one in told["factories"]:
            got = sum(sum(centre["got"][one["name"]]) for centre in told["centres"])
            assert got == pytest.approx(one["got"], abs=0.01)
            assert len(one["owed"]) == len(told["periods"]) + 1
        for centre in told["centres"]:
            for at, capacity in enumerate(centre["capacity"]):
                assert sum(hours[at] for hours in centre["got"].values()) <= capacity + 1e-3
        assert sum(one["lent"] for one in told["factories"]) == pytest.approx(sum(one["borrowed"] for one in told["factories"]), abs=1e-3)
        rows = viewer.get("/api/v1/shares/orders").json()
        assert {one["factory"] for one in rows} <= set(names)
        number = next(one["part_order"] for one in rows if one["hours"] > 0)
        assert {one["part_order"] for one in viewer.get("/api/v1/shares/orders", params={"number": number}).json()} == {number}
        english = viewer.get(f"/api/v1/part-orders/{number}").json()
        chinese = viewer.get(f"/api/v1/part-orders/{number}", params={"language": "zh"}).json()
        assert english["work"]
        assert [one["code"] for one in english["why"]] == [one["code"] for one in chinese["why"]]
        assert all("{" not in one["words"] and one["words"].endswith(".") for one in english["why"])
        assert all(one["words"].endswith("。") for one in chinese["why"])
        assert viewer.get("/api/v1/shares/1").json()["version"] == version
        assert viewer.get("/api/v1/shares/2").status_code == 409
        assert viewer.get("/api/v1/shares/orders", params={"number": "nothing"}).status_code == 409
        assert [one["id"] for one in viewer.get("/api/v1/shares/versions").json()] == [1]


def test_the_dashboard_loads_no_geometry_and_no_drawings_before_it_is_asked() -> None:
    code = "import sys, dashboard.__main__; print(' '.join(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in said.stdout.split()}
    assert "dashboard" in loaded
    assert not loaded & {"ezdxf", "shapely", "spyrrow", "scipy", "numba", "optimizer"}


def test_a_workbook_of_nothing_is_told(service: PartOrderService) -> None:
    empty = write_xlsx("x", ("order", "factory", "part"), [], frozenset(), {})
    with pytest.raises(SettingsError, match="no row"):
        service.take_in(ENGINEER, empty, "orders.xlsx", "UTC", {}, only_say=True)
