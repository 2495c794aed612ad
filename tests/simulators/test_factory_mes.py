"""The simulated MES takes routes and keeps them; PLM and MES speak to Leadhand over REST as a strict reader takes it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plant.clock import SystemClock
from plant.deliveries import Kind, Message
from plant.delivery_messages import message_text, sign
from plant.design_changes import InForce, change_problems, read_design_change
from plant.errors import Rejected, Unavailable
from simulators.controller_reading import Order
from simulators.controller_rules import Said
from simulators.factory_floor import rows_of
from simulators.factory_jobs import Workshop
from simulators.factory_mes import WORK_UNIT, Mes, mes_controller
from simulators.factory_orders import OrderDesk
from simulators.factory_planner import Works
from simulators.factory_plm import Plm, station_controllers
from simulators.factory_truth import truth_of
from simulators.rest_client import RestClient
from tests.ports import free_port

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
KEYS = {"mes": b"k" * 32}


class Heard(ThreadingHTTPServer):
    """A server that keeps what it is told, and answers as it was set to."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str], Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Listens)


class _Listens(BaseHTTPRequestHandler):
    server: Heard

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b'{"detail": "as it is"}')

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def leadhand() -> Iterator[Heard]:
    server = Heard()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join(30)
    server.server_close()


def client(server: Heard) -> RestClient:
    return RestClient(f"http://127.0.0.1:{server.server_address[1]}", "lh_secret")


def route(product: str, *steps: str, number: int = 1) -> tuple[str, str]:
    message = Message(
        id=f"00000000-0000-4000-8000-{number:012d}",
        kind=Kind.ROUTE,
        work_unit=WORK_UNIT,
        counter=1,
        issued_us=NOW,
        expires_us=NOW + 60 * SECOND,
        product=product,
        steps=steps,
    )
    text = message_text(message)
    return text, sign(text, "mes", KEYS["mes"])


def test_a_route_is_taken_once_it_is_executed_and_outlives_a_restart(tmp_path: Path) -> None:
    mes = Mes.of(tmp_path / "routes.json")
    controller = mes_controller(mes, KEYS, tmp_path / "memory.json")
    taken = controller.take(*route("M001", "cut-1", "weld-2"), NOW)
    assert taken is not None
    assert taken.said is Said.ACCEPTED
    assert mes.routes() == {}
    (executed,) = controller.tick(NOW + 5 * SECOND)
    assert executed.said is Said.EXECUTED, "and nothing is said to be measured: the history tells that"
    assert mes.routes() == {"M001": ("cut-1", "weld-2")}
    assert Mes.of(tmp_path / "routes.json").routes() == mes.routes()
    again = mes_controller(mes, KEYS, tmp_path / "memory.json").take(*route("M002", "cut-1", number=2), NOW)
    assert again is not None
    assert (again.said, again.reason) == (Said.REFUSED, "counter"), "it remembers what it took"


def test_orders_are_brought_over_rest_with_their_due_time(leadhand: Heard, tmp_path: Path) -> None:
    clock = SystemClock()
    desk = OrderDesk(tmp_path, ["M001"], np.random.default_rng(1), clock, client(leadhand))
    desk.take(3)
    ((path, headers, body),) = leadhand.told
    assert (path, headers["Authorization"]) == ("/api/v1/orders", "Bearer lh_secret")
    assert [one["product"] for one in body["orders"]] == ["M001"] * 3
    assert all(one["due_us"] > clock.now_us() for one in body["orders"])
    assert list(tmp_path.iterdir()) == []


def test_customers_order_over_rest_once_the_products_are_known(leadhand: Heard, tmp_path: Path) -> None:
    (tmp_path / "first-products.csv").write_text("product")
    desk = OrderDesk(tmp_path, ["M001"], np.random.default_rng(1), SystemClock(), client(leadhand), first=2)
    desk.take_due()
    assert leadhand.told == []
    (tmp_path / "first-products.csv").unlink()
    desk.take_due()
    desk.take_due()
    assert [len(body["orders"]) for _, _, body in leadhand.told] == [2]


def test_a_design_change_of_the_simulated_plm_names_what_the_plant_knows(leadhand: Heard) -> None:
    works = Works(truth_of(1001))
    plm = Plm(works, client(leadhand), np.random.default_rng(1), SystemClock())
    change = read_design_change(plm.following())
    known = InForce(works.network, works.products.at(works.products.positions[change.product]))
    problems = [one for one in change_problems(change, known) if not one.startswith("stations:")]
    assert problems == []
    plm.tell_due()
    assert leadhand.told == [], "it waits a while before the first one"


def test_what_leadhand_says_no_to_is_not_tried_again_and_what_is_away_is(leadhand: Heard) -> None:
    leadhand.status = 422
    with pytest.raises(Rejected, match="as it is"):
        client(leadhand).post("/api/v1/orders", {})
    leadhand.status = 503
    with pytest.raises(Unavailable):
        client(leadhand).post("/api/v1/orders", {}, key="K-1")
    assert leadhand.told[-1][1]["Idempotency-Key"] == "K-1"
    with pytest.raises(Unavailable):
        RestClient(f"http://127.0.0.1:{free_port()}", "lh_secret").post("/", {})


def test_each_station_has_a_controller_of_its_own_with_its_programs(tmp_path: Path) -> None:
    network = Works(truth_of(1001)).network
    found = station_controllers(network, {"stations": b"s" * 32}, tmp_path / "stations", Workshop(SystemClock()))
    assert {each.rules.work_unit for each in found} == {one.work_unit for one in network.alternatives}
    assert len({each.rules.memory for each in found}) == len(found)
    programs = {(each.rules.work_unit, one.program) for each in found for one in each.rules.programs}
    assert programs == {(one.work_unit, one.program) for one in network.alternatives if one.program}


def job(works: Works) -> Order:
    alternative = works.network.operations[0].alternatives[0].id
    product = works.products.ids[0]
    return Order("a" * 8, "job", "cut-1", 1, NOW, NOW, job="JO-1", serial="S-9", product=product, steps=(alternative,))


def test_a_job_takes_what_it_takes_in_truth_and_is_reported_once_with_its_own_serial() -> None:
    works, workshop = Works(truth_of(1001)), Workshop(SystemClock())
    order = job(works)
    assert workshop.lasts(order) > 0, "nothing is known yet of what it takes"
    workshop.made(order)
    assert workshop.reports() == []
    workshop.begin(works, 1)
    lasted = workshop.lasts(order)
    workshop.made(order)
    ((done, told, began_us),) = workshop.reports()
    assert workshop.reports() == []
    (row,) = rows_of(told, works, done.job, begin_us=began_us, decided_by="leadhand", serial=done.serial)
    assert row[:3] == ["JO-1", "S-9", works.products.ids[0]]
    assert abs((float(row[6]) + float(row[8])) * 60e6 - lasted) < 1e5
    assert abs(began_us + lasted - SystemClock().now_us()) < 60e6
