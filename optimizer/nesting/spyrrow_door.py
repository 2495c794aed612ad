"""Packing strips in a process of its own: ``python -m optimizer.nesting.spyrrow_door``. The one module that knows spyrrow.

spyrrow is the Python side of sparrow, an open search for strips of irregular parts (Gardeyn, Wauters, Oddone 2025, arXiv 2509.13329).
It blocks, counts in whole seconds and cannot be cancelled by a call; a process can be stopped and killed. A line of JSON comes in for
each strip and lines go out: layouts, each shorter than the one before, then that it ended. ``{"stop": true}`` ends the strip that is
being packed. Where who asked is gone, so is this process. Each line that goes out has the number (``job``) of the strip it is about.

What is asked for: ``height``, ``items`` (each with ``outline``, ``demand``, ``angles`` or null for any), ``seconds``, ``explore`` (the
share of the time for exploring, the rest is for compressing), ``seed``, ``threads``, ``enough`` (a length that ends it) and ``early``
(whether it may end where nothing better is found). It works in 32 bit: who asks leaves room for that.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from typing import Any, Final, NoReturn

import spyrrow

_LOOK_SECONDS: Final = 0.02
_FEASIBLE: Final = (spyrrow.ReportType.ExplFeas, spyrrow.ReportType.CmprFeas, spyrrow.ReportType.Final)


class _Enough(Exception):
    """The search is to end."""


class _Packing:
    """The strip that is being packed, and who looks at it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._searching = False
        signal.signal(signal.SIGUSR1, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def pack(self, asked: dict[str, Any]) -> None:
        """Pack one strip, saying each layout found."""
        reports = spyrrow.ProgressQueue()
        ended = threading.Event()
        looking = threading.Thread(target=self._look, args=(asked, reports, ended), name="look", daemon=True)
        problem, settings = _problem(asked), _settings(asked)
        looking.start()
        try:
            self._searching = True
            problem.solve(settings, reports)
            self._searching = False
        except _Enough:
            pass
        finally:
            ended.set()
            looking.join()

    def _end(self, *_: object) -> None:
        # spyrrow asks Python for signals between its tries, in this thread: an exception there ends the search
        if self._searching:
            self._searching = False
            raise _Enough

    def _look(self, asked: dict[str, Any], reports: spyrrow.ProgressQueue, ended: threading.Event) -> None:
        until = time.monotonic() + asked["seconds"]
        enough, told = asked["enough"], False
        while True:
            last = ended.wait(_LOOK_SECONDS)
            found = [one for kind, one in reports.drain() if kind in _FEASIBLE]
            if found:
                best = min(found, key=lambda one: one.width)
                _say(asked, _layout(best))
                told = told or (enough is not None and best.width <= enough)
            if last:
                return
            if told or self.stop.is_set() or time.monotonic() > until:
                os.kill(os.getpid(), signal.SIGUSR1)


def _problem(asked: dict[str, Any]) -> spyrrow.StripPackingInstance:
    items = [
        spyrrow.Item(str(row), [(x, y) for x, y in one["outline"]], one["demand"], one["angles"]) for row, one in enumerate(asked["items"])
    ]
    return spyrrow.StripPackingInstance("", asked["height"], items)


def _settings(asked: dict[str, Any]) -> spyrrow.StripPackingConfig:
    # each phase has whole seconds; the look ends the search by the true time
    exploring = max(1, round(asked["seconds"] * asked["explore"]))
    return spyrrow.StripPackingConfig(
        early_termination=asked["early"],
        total_computation_time=None,
        exploration_time=exploring,
        compression_time=max(1, round(asked["seconds"] - exploring)),
        num_workers=asked["threads"],
        seed=asked["seed"],
    )


def _layout(found: spyrrow.StripPackingSolution) -> dict[str, Any]:
    return {"length": found.width, "placed": [(int(one.id), *one.translation, one.rotation) for one in found.placed_items]}


def _say(asked: dict[str, Any], told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"job": asked["job"], **told}) + "\n")
    sys.stdout.flush()


def _hear(asked: queue.SimpleQueue[dict[str, Any]], packing: _Packing) -> NoReturn:
    for line in sys.stdin:
        told = json.loads(line)
        if "stop" in told:
            packing.stop.set()
        else:
            packing.stop.clear()
            asked.put(told)
    os._exit(0)


def main() -> NoReturn:
    """Pack what comes in until nobody asks any more."""
    packing = _Packing()
    asked: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(asked, packing), name="hear", daemon=True).start()
    while True:
        one = asked.get()
        try:
            packing.pack(one)
        except BaseException as error:  # noqa: BLE001 - a panic of spyrrow is no Exception; it is told, and the next strip comes
            _say(one, {"problem": repr(error)})
        _say(one, {"ended": True})


if __name__ == "__main__":
    main()
