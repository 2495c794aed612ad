"""Every list over REST as CSV, workbook and Parquet: types kept, no text a formula, bounded memory."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

import httpx
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dashboard.exports import MEDIA, FileForm, harmless, table_bytes, write_table
from dashboard.spreadsheets import MOST_ROWS
from dashboard.tables import Column, Kind, Table, table_of
from plant.errors import Rejected
from storage.people import Role
from tests.dashboard.running import REPOSITORY, ROBOT, RunningDashboard

TIME_US = 1_795_000_000_123_456
FORMS: tuple[FileForm, ...] = ("csv", "xlsx", "parquet")
HOSTILE = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1+1", "\N{FULLWIDTH EQUALS SIGN}1+1", '=HYPERLINK("http://x")')
PLAIN = ("<img src=x onerror=alert(1)>", "Robert'); DROP TABLE sample;--", "焊接 مرحبا", "a" * 300, "&amp; \x00 \ud800 ]]>", "")


class Word(StrEnum):
    """A word of ours."""

    GOOD = "good"


@dataclass(frozen=True)
class Row:
    """One of everything."""

    id: int
    text: str
    value: float | None
    time_us: int | None
    duration_us: int
    good: bool
    word: Word
    form: Literal["a", "b"]
    pieces: tuple[int, ...]


def _rows(*texts: str) -> list[Row]:
    return [Row(2**62 + n, text, 0.1 + n, TIME_US + n, 5, True, Word.GOOD, "a", (1, 2)) for n, text in enumerate(texts)]


def _cells(content: bytes) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True))


def test_times_numbers_and_long_ids_come_back_as_they_were() -> None:
    table = table_of("rows", Row, _rows("a", "b"))
    lines = list(csv.DictReader(io.StringIO(table_bytes(table, "csv").decode())))
    assert lines[1]["time"] == "2026-11-18T11:06:40.123457Z"
    assert (lines[1]["id"], lines[1]["value"], lines[1]["good"], lines[1]["duration_us"]) == (str(2**62 + 1), "1.1", "true", "5")
    head, first, _ = _cells(table_bytes(table, "xlsx"))
    assert head == ("id", "text", "value", "time (UTC)", "duration_us", "good", "word", "form", "pieces")
    assert first == (str(2**62), "a", 0.1, datetime(2026, 11, 18, 11, 6, 40, 123000), 5, True, "good", "a", "[1,2]")  # noqa: DTZ001
    read = pq.read_table(io.BytesIO(table_bytes(table, "parquet")))
    assert read.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert read.to_pylist()[1] == {
        "id": 2**62 + 1,
        "text": "b",
        "value": 1.1,
        "time": datetime(2026, 11, 18, 11, 6, 40, 123457, UTC),
        "duration_us": 5,
        "good": True,
        "word": "good",
        "form": "a",
        "pieces": "[1,2]",
    }


def test_what_is_not_there_is_nothing_in_each_form() -> None:
    table = table_of("rows", Row, [Row(1, "a", None, None, 0, False, Word.GOOD, "b", ())])
    assert table_bytes(table, "csv").decode().splitlines()[1] == "1,a,,,0,false,good,b,[]"
    assert _cells(table_bytes(table, "xlsx"))[1][2:4] == (None, None)
    assert pq.read_table(io.BytesIO(table_bytes(table, "parquet"))).to_pylist()[0]["time"] is None
    for form in FORMS:
        assert table_bytes(table_of("rows", Row, []), form)


def test_no_text_becomes_a_formula_and_all_texts_are_kept() -> None:
    table = table_of("rows", Row, _rows(*HOSTILE, *PLAIN))
    texts = [line["text"] for line in csv.DictReader(io.StringIO(table_bytes(table, "csv").decode(), newline=""))]
    assert texts[: len(HOSTILE)] == [f"'{text}" for text in HOSTILE]
    assert texts[len(HOSTILE) : -2] == list(PLAIN[:-2])
    sheet = openpyxl.load_workbook(io.BytesIO(table_bytes(table, "xlsx"))).worksheets[0]
    cells = [sheet.cell(row, 2) for row in range(2, 2 + len(HOSTILE))]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.value for cell in cells] == [text.replace("\r", "\n") for text in HOSTILE]  # as XML reads line ends
    read = pq.read_table(io.BytesIO(table_bytes(table, "parquet")))["text"].to_pylist()
    assert read[: len(HOSTILE)] == list(HOSTILE)
    numbers = Table("n", (Column("n", Kind.NUMBER), Column("w", Kind.WHOLE)), [[(-1.5, -3)]])
    assert table_bytes(numbers, "csv").splitlines()[1] == b"-1.5,-3"


def test_a_number_that_is_none_is_no_number_in_a_workbook() -> None:
    table = Table("n", (Column("n", Kind.NUMBER),), [[(float("nan"),), (float("inf"),)]])
    assert [row[0] for row in _cells(table_bytes(table, "xlsx"))] == ["n", "nan", "inf"]


def test_harmless_leaves_what_begins_like_no_formula() -> None:
    assert [harmless(text) for text in ("a=1", "1-2", "acme/north", "")] == ["a=1", "1-2", "acme/north", ""]


def test_a_workbook_refuses_more_rows_than_a_sheet_holds_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ROWS == 2**20 - 1
    monkeypatch.setattr("dashboard.spreadsheets.MOST_ROWS", 1000)
    for rows, refused in ((1000, False), (1001, True)):
        table = Table("n", (Column("n", Kind.WHOLE),), ([(1,)] for _ in range(rows)))
        with pytest.raises(Rejected, match="CSV or Parquet") if refused else nullcontext():
            write_table(table, "xlsx", io.BytesIO())


_ASKED: dict[str, str | int] = {
    "from_us": 1_795_000_000_000_000,
    "to_us": 1_795_003_600_000_000,
    "equipment": ROBOT,
    "signal": 1,
    "id": 1,
    "aggregate": "Average",
    "interval_us": 0,
    "subject": "weld",
    "table": "v_samples",
    "part": "P-1",
    "lot": "L-1",
}


@pytest.fixture(scope="module")
def admin(dashboard: RunningDashboard) -> Iterator[httpx.Client]:
    dashboard.wait_until_read()
    with dashboard.client(Role.ADMIN) as client:
        yield client


def _lists(admin: httpx.Client) -> Iterator[tuple[str, dict[str, Any]]]:
    api = admin.get("/api/v1/openapi.json").json()
    for path, methods in api["paths"].items():
        asked = methods.get("get")
        said = (asked or {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if asked is not None and said.get("type") == "array" and "$ref" in said["items"]:
            yield path, asked


def test_every_list_over_rest_comes_in_every_form(admin: httpx.Client) -> None:
    found = dict(_lists(admin))
    assert len(found) > 60
    wrong = []
    for path, asked in found.items():
        parameters = {one["name"]: one for one in asked.get("parameters", [])}
        if "format" not in parameters:
            wrong.append(f"{path}: takes no format")
            continue
        assert set(MEDIA) < set(parameters["format"]["schema"]["enum"]), path
        address = path
        for name in (one for one in parameters if parameters[one]["in"] == "path"):
            address = address.replace("{" + name + "}", "1").replace("{" + name + ":path}", ROBOT)
        wanted = {name: _example(name, one) for name, one in parameters.items() if one["in"] == "query" and one.get("required")}
        as_json = admin.get(address, params=wanted)
        for form in FORMS:
            answer = admin.get(address, params={**wanted, "format": form})
            media = answer.headers["content-type"]
            right = media == MEDIA[form] and f'.{form}"' in answer.headers["content-disposition"] if answer.is_success else True
            if not right or answer.status_code != as_json.status_code or answer.status_code not in {200, 409}:
                wrong.append(f"{path} as {form}: {answer.status_code} {media} {answer.text[:200]}")
            elif answer.is_success:
                assert _opened(answer.content, form) == len(as_json.json()) or path.endswith(("/window", "/aggregates", "/audit")), path
    assert wrong == []


def _example(name: str, parameter: dict[str, Any]) -> str | int:
    return _ASKED.get(name, 1 if parameter["schema"].get("type") == "integer" else "x")


def _opened(content: bytes, form: FileForm) -> int:
    """Return how many rows a file has, read by a reader that is not ours."""
    if form == "csv":
        return len(list(csv.reader(io.StringIO(content.decode(), newline="")))) - 1
    return len(_cells(content)) - 1 if form == "xlsx" else pq.read_table(io.BytesIO(content)).num_rows


def test_what_is_a_moment_is_a_time_in_files_and_how_long_stays_a_number(admin: httpx.Client, dashboard: RunningDashboard) -> None:
    now = dashboard.clock.now_us()
    gaps = admin.get("/api/v1/gaps", params={"from_us": now - 3_600_000_000, "to_us": now, "format": "parquet"})
    read = pq.read_table(io.BytesIO(gaps.content))
    assert read.schema.field("from_time").type == pa.timestamp("us", tz="UTC")
    sources = pq.read_table(io.BytesIO(admin.get("/api/v1/sources", params={"format": "parquet"}).content))
    assert sources.schema.field("granted_us").type == pa.int64()


def test_a_form_that_is_none_is_refused(admin: httpx.Client) -> None:
    assert admin.get("/api/v1/equipment", params={"format": "xml"}).status_code == 422


_NOT_SAID = {"kind", "name", "line", "priority", "recommendation"}
"""Asked with what the page shows just then."""
_LINK = re.compile(r'exports\(\s*"(?P<route>/api/v1/[^"]+)",\s*t(?P<asked>.*)')


def test_what_pages_offer_for_download_is_there_in_each_form(admin: httpx.Client, dashboard: RunningDashboard) -> None:
    now = dashboard.clock.now_us()
    wrong, found = [], set()
    for file in sorted((REPOSITORY / "dashboard" / "pages").glob("*.py")):
        for link in _LINK.finditer(file.read_text(encoding="utf-8")):
            said = dict(re.findall(r'\b([a-z]\w*)="?(\w+)', link["asked"].partition("))")[0]))
            asked: dict[str, str | int] = {
                name: int(value) if value[0].isdigit() else value for name, value in said.items() if name != value
            }
            if "**" in link["asked"]:
                asked |= {"from_us": now - 3_600_000_000, "to_us": now}
            if any(name in _NOT_SAID for name in asked):
                continue
            found.add(link["route"])
            for form in FORMS:
                answer = admin.get(link["route"], params={**asked, "format": form})
                if answer.status_code != 200 or answer.headers["content-type"] != MEDIA[form]:
                    wrong.append(f"{file.name}: {link['route']} as {form}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []
    assert len(found) > 30
