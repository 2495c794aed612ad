"""Grafana's dashboards as Grafana would ask them: macros and variables of a query filled in as its PostgreSQL data source does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DASHBOARDS = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards"
SQL_SOURCE = "grafana-postgresql-datasource"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    board: str
    panel: str
    kind: str
    """The kind of panel."""
    format: str
    """``table`` or ``time_series``."""
    sql: str
    """With macros and variables."""


def boards() -> dict[str, dict[str, Any]]:
    """Return the dashboards by the name of their file."""
    return {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(DASHBOARDS.glob("*.json"))}


def queries(board: dict[str, Any]) -> Iterator[Query]:
    """Yield each SQL query of a dashboard's panels."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            if target["datasource"]["type"] == SQL_SOURCE:
                yield Query(board["title"], panel["title"], panel["type"], target["format"], target["rawSql"])


def filled(sql: str, since: datetime, until: datetime, variables: dict[str, list[str]]) -> str:
    """Return a query as Grafana sends it: macros of time, then variables, quoted as Grafana quotes a list for SQL."""
    first, last = (f"'{time.astimezone(UTC).isoformat().replace('+00:00', 'Z')}'" for time in (since, until))
    sql = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN {first} AND {last}", sql)
    sql = sql.replace("$__timeFrom()", first).replace("$__timeTo()", last)
    for name, values in variables.items():
        quoted = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        sql = sql.replace(f"${name}", values[0] if name == "rollup" else quoted)
    return sql
