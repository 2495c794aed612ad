"""What commands that search for a while have in common: Ctrl-C keeps the best so far, files are read and written with care."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog

from plant.errors import Rejected, SettingsError

_LARGEST_BYTES = 200_000_000


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set; a second Ctrl-C breaks off at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def errors_told_apart() -> Iterator[None]:
    """Let only errors be logged, and on standard error: standard output is what was asked for."""
    before = structlog.get_config()
    to_people = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), logger_factory=to_people)
    try:
        yield
    finally:
        structlog.configure(**before)


def read_file(path: Path, what: str) -> bytes:
    """Return what a file holds; ``what`` it should be. Raises SettingsError."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise SettingsError(f"{path}: holds more than {_LARGEST_BYTES // 1_000_000} MB; is it {what}?")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def check_writable(output: Path | None) -> None:
    """Find out before the search whether what it gives can be written. Raises SettingsError."""
    if output is None:
        return
    if not output.absolute().parent.is_dir():
        raise SettingsError(f"--output {output}: there is no folder {output.parent}")
    if output.is_dir():
        raise SettingsError(f"--output {output}: is a folder; name a file")


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file that is never there in part. Raises Rejected."""
    fresh = path.with_name(path.name + ".part")
    try:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(fresh, path)  # noqa: PTH105
    except OSError as error:
        raise Rejected(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
