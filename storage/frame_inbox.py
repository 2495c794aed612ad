"""Pictures that wait to be looked at: files in a folder, so that whoever brings them may forget them once they are there.

A picture is there when it has its name, so it is written under another one and renamed, after the JSON file that says what it shows
(``frame.jpg`` and ``frame.json``). Names that begin with a dot or end with ``.part`` or ``.tmp`` are not looked at.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plant.errors import Rejected, Unavailable
from plant.frame_triggers import FrameTrigger, trigger_of_json, trigger_of_name
from plant.inspections import FrameHash, frame_hash

_UNFINISHED: Final = (".part", ".tmp", ".json")
_SUFFIX: Final = ".frame"
"""Of pictures that were put here by us: their bytes say what they are."""


@dataclass(frozen=True, slots=True)
class WaitingFrame:
    """A file that waits."""

    path: Path
    bytes: int
    came_us: int
    """When it got its name, as far as the file system knows."""


class FrameInbox:
    """One folder of waiting pictures. Anybody may put pictures in; one process at a time takes them out."""

    def __init__(self, folder: Path, most: int, *, station: str | None = None, view: str | None = None) -> None:
        self.folder = folder
        self._most = most
        self._station = station
        self._view = view
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, content: bytes, trigger: FrameTrigger) -> FrameHash:
        """Return the id of a picture once it is here for good. Raises Unavailable where too many wait or the disk does not take it."""
        if self.is_full():
            raise Unavailable(f"{self._most} pictures wait already: send this one again later")
        stem = uuid.uuid4().hex
        beside, path = self.folder / f"{stem}.json", self.folder / f"{stem}{_SUFFIX}"
        try:
            _write(beside, trigger.model_dump_json(exclude_none=True).encode())
            _write(path, content)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise Unavailable(f"{self.folder}: a picture cannot be kept: {error.strerror or error}") from error
        return frame_hash(content)

    def is_full(self) -> bool:
        """Return whether as many pictures wait as may."""
        return len(self.waiting()) >= self._most

    def waiting(self) -> list[WaitingFrame]:
        """Return what waits, in the order in which it came."""
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED) or not entry.is_file(follow_symlinks=False):
                        continue
                    try:
                        state = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    found.append(WaitingFrame(Path(entry.path), state.st_size, state.st_mtime_ns // 1000))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"{self.folder}: cannot be read: {error.strerror or error}") from error
        return sorted(found, key=lambda one: (one.came_us, one.path.name))

    def trigger(self, frame: WaitingFrame) -> FrameTrigger:
        """Return what a picture shows. Raises Rejected where neither a JSON file beside it nor its name says so."""
        beside = self._beside(frame.path)
        if beside is not None:
            try:
                return trigger_of_json(beside.read_bytes())
            except OSError as error:
                raise Rejected("the file beside it cannot be read") from error
        found = trigger_of_name(frame.path.name, self._station, self._view)
        if found is None:
            raise Rejected("there is no JSON file beside it, and its name is not station__view__part")
        return found

    def has_trigger(self, frame: WaitingFrame) -> bool:
        """Return whether a JSON file lies beside a picture or its name says enough."""
        return self._beside(frame.path) is not None or trigger_of_name(frame.path.name, self._station, self._view) is not None

    def done(self, frame: WaitingFrame) -> None:
        """Take a picture out. It goes before what lies beside it: a kill between the two leaves nothing that is looked at."""
        beside = self._beside(frame.path)
        frame.path.unlink(missing_ok=True)
        if beside is not None:
            beside.unlink(missing_ok=True)

    def set_aside(self, frame: WaitingFrame, folder: Path, most: int) -> None:
        """Move a file that was refused to another folder, where the newest ``most`` are kept."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._beside(frame.path)
        os.replace(frame.path, folder / f"{frame.came_us}-{frame.path.name}"[:200])  # noqa: PTH105 - Path.replace is the same
        if beside is not None:
            beside.unlink(missing_ok=True)
        kept = sorted((one for one in folder.iterdir() if one.is_file()), key=lambda one: one.stat().st_mtime_ns)
        for old in kept[: max(0, len(kept) - most)]:
            old.unlink(missing_ok=True)

    def _beside(self, path: Path) -> Path | None:
        return next((one for one in (path.with_suffix(".json"), path.with_name(path.name + ".json")) if one.is_file()), None)


def _write(path: Path, content: bytes) -> None:
    made = path.with_name(f".{path.name}")
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
