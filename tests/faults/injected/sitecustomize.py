"""Faults in every Python process that is started with this folder on PYTHONPATH, whatever it is made of inside.

``LEADHAND_FAULTS`` names a JSON file that a test may rewrite at any time: ``clock_us`` (how far our clock is ahead),
``hosts`` (what names resolve to; a name with "" is not known), ``write_errno`` and ``sync_errno`` (what the spool's files answer).
Pauses between attempts are short, so that an hour's patience takes a second. Each record that the spool does not take is told on
standard error, with its source.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_LONGEST = {"_LONGEST_PAUSE_SECONDS": 1.5, "_REFUSED_PAUSE_SECONDS": 1.0, "_ASK_AGAIN_SECONDS": 1.0, "_SPAN_SECONDS": 1.0}
"""Constants of the product, and what they are here at most."""


class _ShortPauses:
    """Finds the modules of the product and shortens their pauses once they are loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(("ingest.", "protocols.")):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        loader: Any = None if spec is None else spec.loader
        if loader is None:
            return spec
        load = loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            for constant, most in _LONGEST.items():
                if hasattr(module, constant):
                    setattr(module, constant, min(most, getattr(module, constant)))
            if name == "ingest.writer":
                _tell_of_losses(module)

        loader.exec_module = loaded
        return spec


def _tell_of_losses(module: Any) -> None:
    lose = module.SpoolWriter._lose

    def lost(self: Any, submission: Any, detail: str) -> None:
        lose(self, submission, detail)
        sys.stderr.write(json.dumps({"event": "a record was lost", "source": submission.record.source}) + "\n")

    module.SpoolWriter._lose = lost


class _Faults:
    """The file's content, read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] = (0, 0)
        self._said: dict[str, Any] = {}

    def get(self, name: str, otherwise: Any) -> Any:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._said = json.loads(self._path.read_text())
                self._stamp = stamp
        except (OSError, ValueError):
            return otherwise
        return self._said.get(name, otherwise)


def _inject(faults: _Faults) -> None:
    import ingest.files
    import plant.clock

    now_us = plant.clock.SystemClock.now_us
    resolve = socket.getaddrinfo
    write, sync = ingest.files.SystemFile.write, ingest.files.SystemFile.sync

    def shifted(self: Any) -> int:
        return now_us(self) + int(faults.get("clock_us", 0))

    def resolved(host: Any, *more: Any, **named: Any) -> Any:
        known = faults.get("hosts", {}).get(host if isinstance(host, str) else None)
        if known == "":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(known or host, *more, **named)

    def written(self: Any, content: bytes, at: int) -> int:
        number = faults.get("write_errno", 0)
        if number:
            raise OSError(number, os.strerror(number))
        return write(self, content, at)

    def synced(self: Any) -> None:
        number = faults.get("sync_errno", 0)
        if number:
            raise OSError(number, os.strerror(number))
        sync(self)

    plant.clock.SystemClock.now_us = shifted  # type: ignore[method-assign]
    socket.getaddrinfo = resolved
    ingest.files.SystemFile.write = written  # type: ignore[method-assign]
    ingest.files.SystemFile.sync = synced  # type: ignore[method-assign]


if os.environ.get("LEADHAND_FAULTS"):
    sys.meta_path.insert(0, _ShortPauses())
    _inject(_Faults(Path(os.environ["LEADHAND_FAULTS"])))
