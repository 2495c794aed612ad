"""Reading a spool behind its writer: each durable frame once, in order, stepping over damage."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ingest.segments import HEAD, Frame, scan
from ingest.spool import Spool

_PIECE_BYTES: Final = 2_000_000
"""Read at once: a whole segment, and its frames beside it, would be most of the memory of a backlog."""


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
            while self._read_piece(path, durable):
                if self._ahead:
                    return

    def _read_piece(self, path: Path, durable: int) -> bool:
        """Read on in a segment; return whether there were durable frames."""
        most = _PIECE_BYTES
        while True:
            content = self._spool.read(path, self._offset, most)
            found = scan(content, self._spool.seed)
            if found.frames or len(content) < most:
                break
            most *= 4  # one frame is larger, or so much is damaged
        # what lies behind the last durable frame may be half written: it is looked at again
        ready = [place for place, frame in enumerate(found.frames) if frame.number <= durable]
        if ready:
            self._offset += found.ends[ready[-1]]
        self._ahead = [found.frames[place] for place in ready if found.frames[place].number > self.after]
        return bool(ready)
