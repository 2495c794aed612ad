"""Reading a spool behind its writer: each durable frame once, in order, stepping over damage."""

from __future__ import annotations

from pathlib import Path

from ingest.segments import HEAD, Frame, scan
from ingest.spool import Spool


class Tail:
    """A place in a spool. Frames up to ``after`` have been read."""

    def __init__(self, spool: Spool, after: int) -> None:
        self._spool = spool
        self.after = after
        self._path: Path | None = None
        self._offset = 0
        self._ahead: list[Frame] = []

    def go_to(self, after: int) -> None:
        """Read on behind ``after``."""
        self.after = after
        self._path = None
        self._ahead.clear()

    def read(self, most_samples: int, most_bytes: int = 64_000_000) -> list[Frame]:
        """Return the next durable frames, at least one if there is one, up to so many samples and bytes."""
        durable = self._spool.durable
        self._fill(durable)
        taken: list[Frame] = []
        samples = size = 0
        while self._ahead and self._ahead[0].number <= durable:
            frame = self._ahead[0]
            if taken and (samples + frame.samples > most_samples or size + len(frame.content) > most_bytes):
                break
            taken.append(self._ahead.pop(0))
            samples += frame.samples
            size += len(frame.content)
            self.after = frame.number
        return taken

    def _fill(self, durable: int) -> None:
        if self._ahead or self.after >= durable:
            return
        for path in self._spool.segments_behind(self.after):
            if path != self._path:
                self._path, self._offset = path, HEAD.size
            found = scan(self._spool.read(path, self._offset), self._spool.seed)
            # what lies behind the last durable frame may be half written: it is looked at again
            ready = [place for place, frame in enumerate(found.frames) if frame.number <= durable]
            if ready:
                self._offset += found.ends[ready[-1]]
            self._ahead = [found.frames[place] for place in ready if found.frames[place].number > self.after]
            if self._ahead:
                return
