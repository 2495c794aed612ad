"""What a page may watch: each topic says, of one read, its whole state (for who comes new) and what changed (for all others).

``latest``: newest values of all signals; ``equipment:<path>``: of the signals at or below one equipment; ``overview``: the state of
every equipment and the exceptions; ``sources``: how each source does; ``health``: processes and the database; ``alarms``: how many must
be seen, and the number of the newest change; ``andon``: the calls of people at stations that are not done; ``signal:<id>``: every new
value of one signal as columns ``time_us``, ``low``, ``high``, ``last``, where a row of nulls breaks the line at a gap.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dashboard import states, viewing, viewing_alarms, viewing_andon
from dashboard.reading import FIRST_SPAN_US, News, Read
from plant.errors import Rejected

Message = dict[str, Any]
MOST_TOPICS = 64
"""Of one client."""


class Topic(Protocol):
    """One thing watched, shared by all who watch it."""

    def update(self, read: Read) -> Message | None:
        """Return what changed since the read before, None for nothing."""
        ...

    def whole(self, read: Read) -> Message:
        """Return all of it, as of the last update."""
        ...


def make_topic(name: str) -> Topic:
    """Return a fresh topic. Raises Rejected for a name that means none."""
    kind, _, rest = name.partition(":")
    if name == "latest":
        return LatestTopic("")
    if kind == "equipment" and rest:
        return LatestTopic(rest)
    if name == "overview":
        return OverviewTopic()
    if name == "sources":
        return SourcesTopic()
    if name == "health":
        return HealthTopic()
    if name == "alarms":
        return AlarmsTopic()
    if name == "andon":
        return AndonTopic()
    if kind == "signal" and rest.isascii() and rest.isdigit() and len(rest) < 10:
        return SignalTopic(int(rest))
    raise Rejected(
        f"there is no topic '{name[:80]}'; there are latest, equipment:<path>, overview, sources, health, alarms, andon, signal:<id>"
    )


class LatestTopic:
    """Newest values of all signals, or of those at or below one equipment."""

    def __init__(self, equipment: str) -> None:
        self._equipment = equipment
        self._plan: object = None
        self._chosen: npt.NDArray[np.intp] = np.empty(0, np.intp)
        self._seen: tuple[npt.NDArray[Any], ...] = ()

    def update(self, read: Read) -> Message | None:
        """Return the signals whose newest value or state changed; all of them when the catalogue changed."""
        fresh = read.plan is not self._plan
        if fresh:
            self._plan = read.plan
            self._chosen = np.array(
                [
                    n
                    for n, s in enumerate(read.plan.signals)
                    if not self._equipment or s.equipment == self._equipment or s.equipment.startswith(self._equipment + "/")
                ],
                np.intp,
            )
        newest = read.newest
        columns = (newest.received_time_us[self._chosen], newest.time_us[self._chosen], newest.state[self._chosen])
        if fresh:
            changed = np.ones(len(self._chosen), np.bool_)
        else:
            changed = np.logical_or.reduce([now != before for now, before in zip(columns, self._seen, strict=True)])
        self._seen = columns
        return {"signals": _values(read, self._chosen[changed])} if changed.any() else None

    def whole(self, read: Read) -> Message:
        """Return all signals of this topic."""
        return {"signals": _values(read, self._chosen)}


def _values(read: Read, chosen: npt.NDArray[np.intp]) -> Message:
    newest = read.newest
    shown = [
        viewing.number_and_text(float(v), bool(h), t)
        for v, h, t in zip(newest.value[chosen], newest.has_value[chosen], newest.text[chosen], strict=True)
    ]
    return {
        "id": read.plan.ids[chosen].tolist(),
        "time_us": viewing.times(newest.time_us[chosen]),
        "value": [number for number, _ in shown],
        "text": [text for _, text in shown],
        "status": newest.status[chosen].tolist(),
        "state": [states.STATES[code].value for code in newest.state[chosen]],
    }


class OverviewTopic:
    """The state of every equipment, and the exceptions."""

    def __init__(self) -> None:
        self._nodes: dict[str, Message] = {}
        self._exceptions: list[Message] = []

    def update(self, read: Read) -> Message | None:
        """Return the equipment whose state changed, and the exceptions where they did."""
        nodes = {
            node.id: {"severity": node.severity, "state": node.state.value, "exceptions": node.exceptions}
            for node in viewing.equipment(read)
        }
        exceptions = [
            {
                "signal": e.signal,
                "path": e.path,
                "state": e.state.value,
                "severity": e.severity,
                "value": e.value,
                "unit": e.unit,
                "time_us": e.time_us,
            }
            for e in viewing.exceptions(read)
        ]
        changed = {name: node for name, node in nodes.items() if self._nodes.get(name) != node}
        message: Message = {"equipment": changed} if changed else {}
        if exceptions != self._exceptions:
            message["exceptions"] = exceptions
        self._nodes, self._exceptions = nodes, exceptions
        return message or None

    def whole(self, read: Read) -> Message:  # noqa: ARG002
        """Return every equipment and exception."""
        return {"equipment": self._nodes, "exceptions": self._exceptions}


class SourcesTopic:
    """How each source does."""

    def update(self, read: Read) -> Message | None:
        """Return all sources: their ages change with each read."""
        return self.whole(read)

    def whole(self, read: Read) -> Message:
        """Return all sources."""
        return {"sources": [viewing.plain(source) for source in viewing.sources(read, frozenset())]}


class HealthTopic:
    """Processes and the database."""

    def update(self, read: Read) -> Message | None:
        """Return all of it: it is small."""
        return self.whole(read)

    def whole(self, read: Read) -> Message:
        """Return processes and the state of the database."""
        return {"processes": [viewing.plain(p) for p in viewing.processes(read)], "storage": viewing.plain(viewing.storage(read))}


class AlarmsTopic:
    """How many alarms there are, for the bar above every page; the lists themselves are asked for when this changes."""

    def __init__(self) -> None:
        self._message: Message = {}

    def update(self, read: Read) -> Message | None:
        """Return the counts where anything changed."""
        counts = viewing.plain(viewing_alarms.counts(read.alarms))
        message: Message = {"alarms": {**counts, "change": [len(read.alarms), max((s.seq for s in read.alarms), default=0)]}}
        if message == self._message:
            return None
        self._message = message
        return message

    def whole(self, read: Read) -> Message:  # noqa: ARG002
        """Return the counts."""
        return self._message


class AndonTopic:
    """The calls that are not done: few, so all of them each time one changes."""

    def __init__(self) -> None:
        self._calls: object = None
        self._message: Message = {}

    def update(self, read: Read) -> Message | None:
        """Return the calls where one came, was answered or ended."""
        if read.calls == self._calls:
            return None
        names = {str(row.id): row.name for row in read.plan.equipment}
        self._calls = read.calls
        self._message = {"calls": [viewing.plain(viewing_andon.call_view(one, names)) for one in read.calls]}
        return self._message

    def whole(self, read: Read) -> Message:  # noqa: ARG002
        """Return the calls."""
        return self._message


class SignalTopic:
    """Every new value of one signal; keeps the last minute for who comes new."""

    def __init__(self, signal: int) -> None:
        self.signal = signal
        self._kept: deque[tuple[int, float | None, float | None, float | None]] = deque(maxlen=20_000)

    def update(self, read: Read) -> Message | None:
        """Return the new values and gaps, None where there are none."""
        news = read.news.get(self.signal)
        if news is None:
            return None
        rows = _rows(news)
        if not rows and not news.first:
            return None
        self._kept.extend(rows)
        while self._kept and self._kept[0][0] < read.read_us - FIRST_SPAN_US:
            self._kept.popleft()
        return self._message(rows, whole=news.first)

    def whole(self, read: Read) -> Message:  # noqa: ARG002
        """Return the values of the last minute."""
        return self._message(list(self._kept), whole=True)

    def _message(self, rows: list[tuple[int, float | None, float | None, float | None]], *, whole: bool) -> Message:
        columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]
        return {"signal": self.signal, "whole": whole, **dict(zip(("point_time_us", "low", "high", "last"), columns, strict=True))}


def _rows(news: News) -> list[tuple[int, float | None, float | None, float | None]]:
    window = news.window
    points = zip(
        window.time_us.tolist(), viewing.numbers(window.low), viewing.numbers(window.high), viewing.numbers(window.last), strict=True
    )
    breaks = [(time, None, None, None) for time in news.gap_times_us]
    return sorted([*points, *breaks], key=lambda row: row[0]) if breaks else list(points)
