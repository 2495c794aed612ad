"""What every process around the database begins with: its log, the database's URL, and the wish to stop."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

import structlog

from plant.errors import SettingsError
from plant.memory import give_back

WRONG_SETTINGS = 2
"""Exit code of a process that a person must set right before it is started again."""


def run_process(work: Callable[[str, threading.Event], int]) -> int:
    """Run ``work`` with the URL that LEADHAND_DATABASE_URL names and an event that SIGTERM and SIGINT set; returns the exit code.

    What it logs goes to stderr, one JSON object a line; so does what is wrong in its settings, as text.
    """
    log_to_stderr()
    url = os.environ.get("LEADHAND_DATABASE_URL", "")
    if not url:
        sys.stderr.write("LEADHAND_DATABASE_URL is not set: name the database in it, e.g. postgresql://user:password@host/leadhand\n")
        return WRONG_SETTINGS
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        return work(url, stop)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS


def log_to_stderr() -> None:
    """Have all that is logged in this process go to stderr, one JSON object a line; other libraries' loggers from WARNING on."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def say_ready(**facts: object) -> None:
    """Write the one line on stdout that tells whoever started the process that it is ready, and what it found."""
    sys.stdout.write(json.dumps({"ready": True, **facts}) + "\n")
    sys.stdout.flush()
    give_back()
