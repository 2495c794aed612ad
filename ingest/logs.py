"""What the processes of the ingest say: one JSON object a line, to stderr."""

from __future__ import annotations

import logging
import sys

import structlog


def log_to_stderr() -> None:
    """Have all that is logged in this process go to stderr."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    # asyncua reports at each failed attempt what we say once
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
