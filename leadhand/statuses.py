"""What ``leadhand status`` tells: the processes by the status file, the sources by the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from leadhand.databases import connected, open_database
from leadhand.home import Home
from leadhand.settings import load_settings
from plant.clock import Clock
from plant.errors import Unavailable
from storage.health import SourceReport, read_sources

_STALE_US = 15_000_000


def read_state(home: Home, clock: Clock) -> dict[str, Any]:
    """Return how a home is: whether leadhand runs on it, its processes, its sources, and in ``trouble`` what a person should look at."""
    status = home.read_status() if home.is_locked() else None
    if status is None:
        return {"running": False, "home": str(home.path), "trouble": ["leadhand does not run on this home"], "processes": [], "sources": []}
    state = {"running": True, **status, "sources": [], "trouble": []}
    trouble: list[str] = state["trouble"]
    if clock.now_us() - status["updated_us"] > _STALE_US:
        trouble.append("leadhand has not told of itself for 15 s or more: it may be stopped or starved")
    trouble += [f"{entry['name']} is {entry['state']}" for entry in status["processes"] if entry["state"] != "running"]
    try:
        sources = _sources(home, clock)
    except Unavailable as error:
        trouble.append(str(error))
        return state
    state["sources"] = [asdict(report) for report in sources]
    trouble += [f"source {report.source} is {report.state}: {report.detail}" for report in sources if report.state != "connected"]
    return state


def _sources(home: Home, clock: Clock) -> list[SourceReport]:
    with open_database(home, load_settings(home.settings), clock) as url, connected(url, read_only=True) as connection:
        return read_sources(connection)


def lines(state: dict[str, Any], clock: Clock) -> Iterator[str]:
    """Return a state as lines for a person."""
    if not state["running"]:
        yield f"leadhand does not run on {state['home']}"
        return
    yield f"leadhand {state['mode']} runs on {state['home']} (process {state['pid']})"
    if "address" in state:
        yield f"dashboard: {state['address']}"
    for entry in state["processes"]:
        since = _ago(clock.now_us() - entry["since_us"])
        again = f", restarted {entry['restarts']} times" if entry["restarts"] else ""
        yield f"  {entry['name']:<12} {entry['state']} for {since}{again}"
    for source in state["sources"]:
        yield f"  source {source['source']:<20} {source['state']}{_pace(source)}, {source['in_spool']:,} samples in the spool"
    yield "all is well" if not state["trouble"] else "look at: " + "; ".join(state["trouble"])


def _pace(source: dict[str, Any]) -> str:
    wanted, achieved, late = source["requested_us"], source["achieved_us"], source["lateness_p99_us"]
    words = f", wanted each {wanted / 1000:g} ms" if wanted else ""
    words += f", achieved {achieved / 1000:.2f} ms" if achieved else ""
    return words + (f", late p99 {late / 1000:.2f} ms" if late is not None else "")


def _ago(us: int) -> str:
    seconds = us // 1_000_000
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
