"""``/api/v1``: what it says, what it refuses, and that each change is written down."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from plant.ledger import Gap, GapReason
from plant.settings import OpcUaSourceSettings
from plant.signals import SourceId
from plant.site import load_site
from storage.people import Role, Scope
from tests.dashboard.running import PASSWORD, ROBOT, ROOT, RunningDashboard


@pytest.fixture(scope="module")
def viewer(dashboard: RunningDashboard) -> Iterator[httpx.Client]:
    with dashboard.client(Role.VIEWER) as client:
        _wait_until_read(client)
        yield client


@pytest.fixture
def engineer(dashboard: RunningDashboard) -> Iterator[httpx.Client]:
    with dashboard.client(Role.ENGINEER) as client:
        yield client


@pytest.fixture
def admin(dashboard: RunningDashboard) -> Iterator[httpx.Client]:
    with dashboard.client(Role.ADMIN) as client:
        yield client


def _wait_until_read(client: httpx.Client) -> None:
    """Follow the stream for two reads, so that what was just stored is known."""
    with client.stream("GET", "/live", params={"topics": "health"}) as answer:
        ticks = 0
        for line in answer.iter_lines():
            ticks += line.startswith("id: ")
            if ticks == 3:
                return


def _strict(answer: httpx.Response) -> Any:
    """The JSON of an answer; NaN and infinity, which JSON does not know, are failures."""
    assert answer.status_code == 200, answer.text

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(answer.text, parse_constant=refuse)


def test_the_hierarchy_carries_the_worst_state_upwards(viewer: httpx.Client) -> None:
    nodes = {node["id"]: node for node in _strict(viewer.get("/api/v1/equipment"))}
    assert nodes["acme"]["parent"] is None
    assert nodes[ROBOT]["parent"] == f"{ROOT}/welding/cell-1"
    assert nodes[ROBOT]["name"] == "Robot robot-1"
    assert (nodes[ROBOT]["severity"], nodes[ROBOT]["signals"], nodes[ROBOT]["exceptions"]) == (0, 3, 0)
    assert nodes[f"{ROOT}/welding/cell-1/robot-2"]["state"] == "high_high"
    assert nodes[f"{ROOT}/welding/cell-1/robot-3"]["state"] == "bad"
    assert (nodes["acme"]["state"], nodes["acme"]["signals"]) == ("high_high", 13)
    assert next(iter(nodes)) == "acme"


def test_signals_are_found_by_equipment_glob_and_source(viewer: httpx.Client) -> None:
    def paths(**wanted: Any) -> list[str]:
        return [s["path"] for s in _strict(viewer.get("/api/v1/signals", params=wanted))]

    assert paths(equipment=ROBOT) == [f"{ROBOT}/current", f"{ROBOT}/program", f"{ROBOT}/voltage"]
    assert len(paths(equipment=f"{ROOT}/welding", below=True)) == 12
    assert paths(equipment=f"{ROOT}/welding") == []
    assert len(paths(glob="acme/**/current")) == 4
    assert paths(source="booth") == [f"{ROOT}/paint/booth/temperature"]
    first = _strict(viewer.get("/api/v1/signals", params={"equipment": ROBOT}))[0]
    assert _strict(viewer.get(f"/api/v1/signals/{first['id']}")) == first
    assert (first["high_high"], first["range_high"], first["unit"]) == (250, 300, "A")
    assert viewer.get("/api/v1/signals/999999").status_code == 409
    assert viewer.get("/api/v1/signals/x").status_code == 422


def test_newest_values_keep_status_text_and_what_json_cannot_say(viewer: httpx.Client, dashboard: RunningDashboard) -> None:
    ids = {s["path"]: s["id"] for s in _strict(viewer.get("/api/v1/signals"))}
    infinite, bad = f"{ROOT}/welding/cell-1/robot-4/voltage", f"{ROOT}/welding/cell-1/robot-3/current"
    dashboard.store(infinite, [dashboard.clock.now_us()], [float("-inf")])
    _wait_until_read(viewer)
    wanted = [ids[infinite], ids[bad], ids[f"{ROBOT}/program"], ids[f"{ROOT}/paint/booth/temperature"]]
    answers = _strict(viewer.get("/api/v1/latest", params={"signal": wanted}))
    assert [a["signal"] for a in answers] == wanted
    assert (answers[0]["value"], answers[0]["text"], answers[0]["good"]) == (None, "-Infinity", True)
    assert (answers[1]["value"], answers[1]["status"], answers[1]["status_name"]) == (None, 0x80310000, "BadNoCommunication")
    assert (answers[2]["value"], answers[2]["text"]) == (None, "weld-A / 焊接")
    assert (answers[3]["time_us"], answers[3]["state"]) == (None, "no_value")
    assert viewer.get("/api/v1/latest", params={"signal": [1, 999999]}).status_code == 409
    worst = _strict(viewer.get("/api/v1/exceptions"))
    assert worst[0]["severity"] == 3
    assert [e["severity"] for e in worst] == sorted((e["severity"] for e in worst), reverse=True)


def test_a_window_holds_its_extremes_and_breaks_at_gaps(viewer: httpx.Client, dashboard: RunningDashboard) -> None:
    signal = next(s["id"] for s in _strict(viewer.get("/api/v1/signals")) if s["path"] == f"{ROBOT}/voltage")
    now = dashboard.clock.now_us()
    asked: dict[str, Any] = {"signal": signal, "from_us": now - 300_000_000, "to_us": now, "points": 50}
    window = _strict(viewer.get("/api/v1/window", params=asked))[0]
    assert 8 <= len(window["time_us"]) <= 110
    assert window["time_us"] == sorted(window["time_us"])
    known = [v for v in window["high"] if v is not None]
    assert max(known) == pytest.approx(140, abs=0.1)
    assert min(v for v in window["low"] if v is not None) == pytest.approx(100, abs=0.1)
    gap = _strict(viewer.get("/api/v1/gaps", params={"from_us": asked["from_us"], "to_us": now}))[0]
    assert (gap["source"], gap["count"], gap["reason"]) == ("robots", 10, "overrun")
    assert window["last"][window["time_us"].index(gap["from_us"])] is None
    raw = _strict(viewer.get("/api/v1/window", params={**asked, "points": 5000}))[0]
    assert sum(raw["count"]) == sum(window["count"]) == 2000


@pytest.mark.parametrize(
    "asked",
    [
        {"from_us": 5, "to_us": 5},
        {"from_us": 9, "to_us": 5},
        {"from_us": 0, "to_us": 10**18},
        {"from_us": -(10**30), "to_us": 0},
        {"from_us": "x", "to_us": 1},
        {"from_us": 0, "to_us": 1, "points": 0},
        {"from_us": 0, "to_us": 1, "points": 10**9},
        {"from_us": 0, "to_us": 1, "signal": list(range(1, 80))},
        {"from_us": 0, "to_us": 1, "signal": 999999},
        {"to_us": 1},
    ],
)
def test_impossible_windows_are_refused_with_words(viewer: httpx.Client, asked: dict[str, Any]) -> None:
    answer = viewer.get("/api/v1/window", params={"signal": 1, **asked})
    assert answer.status_code in {409, 422}
    assert answer.json()["error"]


def test_the_ledger_adds_up_as_stored(viewer: httpx.Client, dashboard: RunningDashboard) -> None:
    now = dashboard.clock.now_us()
    span = {"from_us": now - 3_600_000_000, "to_us": now + 60_000_000}
    line = next(entry for entry in _strict(viewer.get("/api/v1/ledger", params=span)) if entry["source"] == "robots")
    assert (line["expected"], line["stored"], line["gap"], line["unexplained"]) == (1000, 900, 10, 0)
    assert line["lateness_p50_us"] < 200 < line["lateness_p99_us"]
    total = _strict(viewer.get("/api/v1/ledger/totals", params=span))
    assert [(t["source"], t["minute_us"], t["expected"]) for t in total] == [("robots", None, 1000)]
    texts = next(s["id"] for s in _strict(viewer.get("/api/v1/signals")) if s["path"] == f"{ROBOT}/program")
    assert [t["text"] for t in _strict(viewer.get(f"/api/v1/signals/{texts}/texts", params=span))] == ["weld-A / 焊接"]


def test_metrics_say_what_prometheus_understands(dashboard: RunningDashboard, viewer: httpx.Client) -> None:
    with dashboard.program(Scope.METRICS) as program:
        answer = program.get("/metrics")
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    states = {(s.labels["source"], s.labels["state"]) for s in found["leadhand_source_state"].samples if s.value == 1}
    assert states == {("robots", "connected"), ("booth", "away")}
    samples = {s.labels["went"]: s.value for s in found["leadhand_samples"].samples if s.labels["source"] == "robots"}
    assert (samples["expected"], samples["stored"], samples["gap"]) == (1000, 900, 10)
    assert found["leadhand_database_up"].samples[0].value == 1
    assert found["leadhand_signals"].samples[0].value == 13
    assert found["leadhand_process_up"].samples[0].labels == {"process": "ingest"}
    assert {"leadhand_http_answers", "leadhand_database_bytes", "leadhand_source_data_age_seconds"} <= set(found)
    assert viewer.get("/metrics").status_code == 200


def _draft(name: str = "press", **changes: Any) -> dict[str, Any]:
    return {
        "source": {"protocol": "opcua", "id": name, "url": "opc.tcp://10.0.0.9:4840", "username": "reader", **changes},
        "equipment": [{"path": f"forming/{name}", "name": 'Press "1" \\ 冲压', "kind": "press"}],
        "signals": [
            {"equipment": f"forming/{name}", "name": "force", "source": name, "address": "nsu=urn:p;s=\U0001f600force", "unit": "N",
             "limits": {"high": 12.5}}
        ],
        "password": "secret of the press",
    }  # fmt: skip


def test_a_source_is_checked_saved_read_and_deleted(dashboard: RunningDashboard, engineer: httpx.Client, admin: httpx.Client) -> None:
    draft = _draft()
    checked = engineer.post("/api/v1/sources/check", json=draft).json()
    assert (checked["problems"], checked["signals"]) == ([], 1)
    assert not (dashboard.home / "sources.d" / "press.toml").exists(), "a check writes nothing"
    assert engineer.put("/api/v1/sources/press", json=draft).status_code == 200
    file = dashboard.home / "sources.d" / "press.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert tomllib.loads(file.read_text())["signals"][0]["address"] == "nsu=urn:p;s=\U0001f600force"
    secret = dashboard.home / "secrets" / "press.password"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("secret of the press", 0o600)
    site = load_site(dashboard.site_file)
    press = site.source(SourceId("press"))
    assert isinstance(press, OpcUaSourceSettings)
    assert press.password_file == str(secret)
    kept = engineer.get("/api/v1/sources/press").json()
    assert kept["source"]["url"] == "opc.tcp://10.0.0.9:4840"
    assert "secret of the press" not in json.dumps(kept) + file.read_text()
    changed = {**draft, "source": {**draft["source"], "interval_ms": 100.0}, "password": None}
    assert engineer.put("/api/v1/sources/press", json=changed).status_code == 200
    assert engineer.delete("/api/v1/sources/press").status_code == 204
    assert not file.exists()
    assert not secret.exists()
    load_site(dashboard.site_file)
    entries = [e for e in admin.get("/api/v1/audit").json() if e["subject"] == "press"][:3]
    assert [e["act"] for e in entries] == ["source.delete", "source.save", "source.save"]
    assert (entries[1]["previous"]["source"].get("interval_ms"), entries[1]["next"]["source"]["interval_ms"]) == (None, 100.0)
    assert (entries[2]["previous"], entries[2]["actor"], entries[2]["address"]) == (None, "engineer", "127.0.0.1")
    assert entries[0]["next"] is None
    assert "secret of the press" not in json.dumps(entries)


def test_what_would_break_the_settings_is_not_saved(dashboard: RunningDashboard, engineer: httpx.Client) -> None:
    before = {p: p.read_bytes() for p in dashboard.home.rglob("*.toml")}
    stolen = _draft("robots")
    unknown = _draft()
    unknown["signals"][0]["source"] = "nothing"
    insecure = _draft(security={"policy": "None", "mode": "None"})
    for draft, status in ((stolen, 422), (unknown, 422), (insecure, 422), ({**_draft(), "extra": 1}, 422), (_draft("../x"), 422)):
        answer = engineer.put(f"/api/v1/sources/{draft['source']['id'].replace('/', '%2F')}", json=draft)
        assert answer.status_code in {status, 404}, answer.text
    problems = engineer.post("/api/v1/sources/check", json=stolen).json()["problems"]
    assert any("there is a source 'robots' already" in p and str(dashboard.home) in p for p in problems)
    assert engineer.delete("/api/v1/sources/robots").status_code == 409, "it stands in a file written by hand"
    assert engineer.put("/api/v1/sources/other", json=_draft()).status_code == 409
    assert {p: p.read_bytes() for p in dashboard.home.rglob("*.toml")} == before


def test_a_site_file_without_an_include_gets_one(dashboard: RunningDashboard, engineer: httpx.Client) -> None:
    content = dashboard.site_file.read_text()
    dashboard.site_file.write_text(content.replace('include = ["sources.d/*.toml"]', "# by hand"))
    try:
        assert engineer.put("/api/v1/sources/press", json=_draft()).status_code == 200
        assert any(s.id == "press" for s in load_site(dashboard.site_file).sources)
        assert "# by hand" in dashboard.site_file.read_text()
        assert engineer.delete("/api/v1/sources/press").status_code == 204
    finally:
        dashboard.site_file.write_text(content)


def test_looking_into_a_server_that_is_away_says_so(engineer: httpx.Client) -> None:
    asked = {"url": "opc.tcp://127.0.0.1:1", "security": {"policy": "None", "mode": "None"}, "allow_insecure": True}
    answer = engineer.post("/api/v1/sources/discover", json=asked)
    assert answer.status_code == 503
    assert "127.0.0.1:1" in answer.json()["error"]
    assert engineer.post("/api/v1/sources/discover", json={**asked, "allow_insecure": False}).status_code == 409


def test_accounts_and_tokens_live_through_the_api(dashboard: RunningDashboard, admin: httpx.Client) -> None:
    made = admin.post("/api/v1/accounts", json={"name": "eve", "full_name": "Eve", "role": "viewer", "password": PASSWORD})
    assert (made.status_code, made.json()["role"]) == (201, "viewer")
    assert admin.post("/api/v1/accounts", json={"name": "eve", "role": "viewer", "password": PASSWORD}).status_code == 409
    assert admin.post("/api/v1/accounts", json={"name": "bob", "role": "viewer", "password": "short"}).status_code == 409
    assert admin.post("/api/v1/accounts", json={"name": "bob", "role": "god", "password": PASSWORD}).status_code == 422
    assert admin.put("/api/v1/accounts/eve/password", json={"new": PASSWORD + " 2"}).status_code == 204
    changed = admin.put("/api/v1/accounts/eve", json={"full_name": "Eve", "role": "engineer", "disabled": True}).json()
    assert (changed["role"], changed["disabled"]) == ("engineer", True)
    issued = admin.post("/api/v1/tokens", json={"name": "cell 1", "scopes": ["read"], "valid_days": 1}).json()
    program = httpx.Client(base_url=dashboard.url, headers={"Authorization": f"Bearer {issued['secret']}"})
    with program:
        assert program.get("/api/v1/me").json()["scopes"] == ["read"]
        assert admin.delete(f"/api/v1/tokens/{issued['token']['id']}").json()["revoked_us"] is not None
        assert program.get("/api/v1/me").status_code == 401
    assert issued["secret"] not in admin.get("/api/v1/tokens").text
    trail = admin.get("/api/v1/audit").text
    assert PASSWORD not in trail
    assert issued["secret"] not in trail
    acts = {e["act"] for e in json.loads(trail)}
    assert {"account.add", "account.password", "account.change", "token.issue", "token.revoke"} <= acts


def test_ones_own_password_needs_the_old_one(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.APPROVER) as client:
        assert client.put("/api/v1/me/password", json={"old": "wrong", "new": PASSWORD + " 2"}).status_code == 409
        assert client.put("/api/v1/me/password", json={"new": PASSWORD + " 2"}).status_code == 409
        assert client.put("/api/v1/me/password", json={"old": PASSWORD, "new": PASSWORD + " 2"}).status_code == 204
        assert client.get("/api/v1/me").status_code == 401, "all sessions of the account end"


_HOSTILE = (
    b"",
    b"null",
    b"[]",
    b"1e400",
    b'"x"',
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"url": NaN, "name": NaN, "source": Infinity}',
    b'{"name": "\\ud800", "full_name": "\\u0000", "role": "viewer", "password": "a good long password \\ud800"}',
    b'{"name": "\\u0000", "scopes": ["read"], "valid_days": 1}',
    b'{"name": "x", "scopes": ["read"], "valid_days": 1e308}',
    b'{"url": "opc.tcp://\\u0000", "security": {"policy": "None", "mode": "None"}, "allow_insecure": true}',
    b'{"old": "\\ud800", "new": "\\ud800\\ud800 a long password"}',
)


def test_hostile_bodies_are_refused_never_a_failure(dashboard: RunningDashboard, admin: httpx.Client) -> None:
    wrong = []
    paths = [("POST", "/accounts"), ("POST", "/tokens"), ("POST", "/sources/discover"), ("POST", "/sources/check"), ("PUT", "/sources/x")]
    for method, path in [*paths, ("PUT", "/accounts/admin"), ("PUT", "/accounts/viewer/password"), ("PUT", "/me/password")]:
        for body in _HOSTILE:
            answer = admin.request(method, f"/api/v1{path}", content=body, headers={"Content-Type": "application/json"})
            if not 400 <= answer.status_code < 500 and answer.status_code != 503:
                wrong.append(f"{method} {path} {body[:60]!r}: {answer.status_code}")
    queries = (
        "signals/%00",
        "signals?glob=%00**",
        "latest?signal=99999999999999999999",
        "audit?before=99999999999999999999",
        "signals?glob=[[",
    )
    wrong += [query for query in queries if admin.get(f"/api/v1/{query}").status_code >= 500]
    with dashboard.client() as nobody:
        for form in (b"name=%00&password=%00", b"name=%ED%A0%80&password=%ED%A0%80", b"link=%00", b"=&&=", b"\xff"):
            answer = nobody.post("/login", content=form, headers={"Content-Type": "application/x-www-form-urlencoded"})
            if answer.status_code != 403:
                wrong.append(f"login {form!r}: {answer.status_code}")
    assert wrong == []


def test_the_schema_describes_answers_and_drafts(viewer: httpx.Client) -> None:
    schema = _strict(viewer.get("/api/v1/openapi.json"))
    assert schema["openapi"].startswith("3.1")
    assert {"WindowView", "SourceDraft", "SourceView", "LedgerView", "AuditEntryView"} <= set(schema["components"]["schemas"])
    for methods in schema["paths"].values():
        for described in methods.values():
            assert described["summary"]


def test_nothing_in_the_log_is_a_failure(dashboard: RunningDashboard) -> None:
    log = Path(dashboard.log).read_text()
    assert "Traceback" not in log
    assert "secret" not in log


def test_ledger_and_gaps_come_as_csv_in_which_no_text_is_a_formula(viewer: httpx.Client, dashboard: RunningDashboard) -> None:
    now = dashboard.clock.now_us()
    dashboard.ship(gaps=(Gap(SourceId("robots"), now - 3_000_000, now - 2_000_000, 7, GapReason.TAKEOVER, None, "=1+1"),))
    asked: dict[str, str | int] = {"from_us": now - 3_600_000_000, "to_us": now, "format": "csv"}
    ledger = viewer.get("/api/v1/ledger", params=asked)
    assert ledger.headers["content-type"].startswith("text/csv")
    assert ledger.text.splitlines()[0].startswith("source,minute_time,complete,expected")
    gaps = viewer.get("/api/v1/gaps", params={**asked, "source": "robots"})
    line = next(one for one in gaps.text.splitlines() if "takeover" in one)
    assert line.endswith(",'=1+1")
    assert viewer.get("/api/v1/gaps", params={**asked, "format": "xml"}).status_code == 422
