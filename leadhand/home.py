"""The folder that one installation keeps everything in: its settings, data, logs and what runs now."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadhand.processes import is_running
from plant.errors import Rejected, SettingsError

DEMO = "leadhand-demo"
_FOLDERS = ("postgres", "spool", "pki/own", "pki/trusted", "secrets", "logs", "run", "sources.d")


@dataclass(frozen=True, slots=True)
class Home:
    """Where things stand in one home folder."""

    path: Path

    @property
    def site(self) -> Path:
        """The settings of the factory."""
        return self.path / "site.toml"

    @property
    def settings(self) -> Path:
        """The settings of this installation."""
        return self.path / "settings.toml"

    @property
    def postgres(self) -> Path:
        """The data of the embedded PostgreSQL."""
        return self.path / "postgres"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.path / "logs"

    @property
    def anchors(self) -> Path:
        """How the audit trail stood, hour by hour."""
        return self.path / "audit-anchors.jsonl"

    @property
    def run(self) -> Path:
        """What is true only while leadhand runs: lock, status, ready lines."""
        return self.path / "run"

    @property
    def status(self) -> Path:
        """The state of all processes, rewritten each second or so."""
        return self.run / "status.json"

    def create(self) -> None:
        """Make the folders that are missing; nobody but their owner may look into them."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in _FOLDERS:
                (self.path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{self.path}: the home folder cannot be made: {error.strerror}; choose another with --home DIR") from error

    def is_locked(self) -> bool:
        """Return whether a leadhand runs on this home now."""
        try:
            with (self.run / "leadhand.lock").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def locked(self, wait_seconds: float = 15.0) -> Iterator[int]:
        """Hold this home for one leadhand alone; gives the lock's file descriptor, which the guard shares.

        A leadhand that was killed leaves the lock to its guard until all its processes are gone: that is waited for.
        A leadhand that lives is not. Raises Rejected.
        """
        self.create()
        lock = os.open(self.run / "leadhand.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait_for(lock, wait_seconds)
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            yield lock
        finally:
            os.close(lock)

    def _wait_for(self, lock: int, wait_seconds: float) -> None:
        end = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(lock, 20, 0).decode() or "?"
                if _lives(holder) or time.monotonic() > end:
                    raise Rejected(
                        f"{self.path}: another leadhand (process {holder}) runs here; stop it, or choose another folder with --home DIR"
                    ) from None
                time.sleep(0.1)
            else:
                return

    def read_status(self) -> dict[str, Any] | None:
        """Return what the status file says, or None where there is none."""
        try:
            status: dict[str, Any] = json.loads(self.status.read_bytes())
        except (OSError, ValueError):
            return None
        return status

    def write_status(self, status: dict[str, Any]) -> None:
        """Put a new status file in the place of the old one, at once."""
        new = self.status.with_suffix(".new")
        new.write_text(json.dumps(status, indent=1))
        new.replace(self.status)


def default_home(name: str) -> Path:
    """Return the folder ``name`` below the user's data folder (XDG_DATA_HOME)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / name


def open_home(path: Path | None, name: str = "leadhand") -> Home:
    """Return the home that a person named, or the default one."""
    return Home((path or default_home(name)).expanduser().absolute())


def used_home(path: Path | None) -> Home:
    """Return the home that a person named; else the default one, or the demo's where only that was ever used."""
    home, demo = open_home(path), open_home(None, DEMO)
    return demo if path is None and not home.path.exists() and demo.path.exists() else home


def _lives(pid: str) -> bool:
    return pid.isdigit() and is_running(int(pid))
