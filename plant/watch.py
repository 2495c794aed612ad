"""Notices that settings files changed."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path

Stamp = tuple[int, int, int]


class SettingsWatch:
    """Looks at a settings file, all that it includes and its table of alarms; ``changed`` compares with the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._includes: dict[Path, tuple[Stamp, tuple[str, ...]]] = {}
        self._seen = self._look()

    def changed(self) -> bool:
        """Return whether a file is new, gone or other than at the last look."""
        now = self._look()
        changed = now != self._seen
        self._seen = now
        return changed

    def _look(self) -> dict[Path, Stamp]:
        found: dict[Path, Stamp] = {}
        waiting = [self._path]
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            try:
                state = path.stat()
            except OSError:
                continue
            found[path] = stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            for pattern in self._patterns(path, stamp):
                waiting.extend([Path(pattern)] if Path(pattern).is_absolute() else path.parent.glob(pattern))
        return found

    def _patterns(self, path: Path, stamp: Stamp) -> tuple[str, ...]:
        last = self._includes.get(path)
        if last is not None and last[0] == stamp:
            return last[1]
        patterns: tuple[str, ...] = ()
        with contextlib.suppress(OSError, ValueError):
            known = tomllib.loads(path.read_text(encoding="utf-8"))
            named = (*known.get("include", ()), known.get("alarm_table"))
            patterns = tuple(word for word in named if isinstance(word, str) and word)
        self._includes[path] = (stamp, patterns)
        return patterns
