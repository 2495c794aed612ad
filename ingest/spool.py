"""The first durable place of every sample: append-only segments with checksums, synced in groups, released once the database has them.

Promises: what ``sync`` returned stays through a crash; a damaged byte costs one frame and never turns into a wrong one; damage never
stops the start; a number is never used twice. After an error of a sync the file is never believed again: its frames are written anew.
One process holds a spool. One thread writes; one other may read and release.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from ingest.files import File, Files
from ingest.segments import HEAD, Frame, decode_head, encode_frame, encode_head, scan, seed_of
from plant.errors import SettingsError, Unavailable

_SUFFIX = ".seg"
_CURSOR = "cursor"
_log = structlog.get_logger(__name__)


class SpoolFull(Unavailable):
    """The spool cannot take more now: its quota is reached or the disk refuses. What it took before is safe."""


class Cursor(msgspec.Struct):
    """How far the spool was released, and what the reader needs to go on from there."""

    spool: str
    released: int = 0
    notes: dict[str, tuple[int, int]] = {}
    """For each source: how many samples its released records told of, and until when."""


@dataclass(slots=True)
class _Segment:
    path: Path
    first: int
    last: int
    size: int


class Spool:
    """An open spool. ``opening`` gives the first frame of each new segment (a snapshot), so that the newest segment tells all."""

    def __init__(
        self,
        folder: Path,
        files: Files,
        *,
        new_id: Callable[[], UUID],
        segment_bytes: int = 16_000_000,
        quota_bytes: int = 4_000_000_000,
    ) -> None:
        self._folder = folder
        self._files = files
        # the newest segment is never released: it must leave room for others within the quota
        self._segment_bytes = min(segment_bytes, quota_bytes // 4)
        self._quota_bytes = quota_bytes
        self._mutex = threading.Lock()
        self._dropping = threading.Lock()
        self._segments: list[_Segment] = []
        self._file: File | None = None
        self._pending: list[Frame] = []
        self._lock: int | None = None
        self._broken = False
        self.opening: Callable[[], Frame | None] = lambda: None
        self.cursor = Cursor("")
        self.uuid = UUID(int=0)
        self.fresh = False
        """Whether this spool was made now and so knows nothing of earlier runs."""
        self.last = 0
        """The number of the last frame taken."""
        self.floor = 0
        """No new frame has a number up to this one; set by who learns that the database knows such numbers."""
        self.durable = 0
        """The number of the last frame that a crash cannot take away."""
        self.read_through = 0
        """The number of the last frame that who ships has read; segments from there on may be thinned."""
        self._thin: set[Path] = set()
        self.damaged_bytes = 0
        """Bytes met at opening that belong to no good frame."""
        self._seed = 0
        self._new_id = new_id

    def open(self, each: Callable[[Frame], None]) -> None:
        """Lock the folder, show each good frame not yet released to ``each`` in order, and get ready to append.

        Raises SettingsError when the folder cannot be used, Unavailable when another process holds it.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take_lock()
            self._recover(each)
        except OSError as error:
            self._unlock()
            raise SettingsError(
                f"the spool folder {self._folder} cannot be used ({error.strerror}): without it no sample is safe; "
                "give it an owner and rights that this process can write with"
            ) from error

    @property
    def size(self) -> int:
        """Bytes on disk."""
        with self._mutex:
            return sum(segment.size for segment in self._segments)

    def append(self, samples: int, kind: int, content: bytes) -> int:
        """Return the number of a new frame; it is durable once ``durable`` has reached it. Raises SpoolFull, then nothing was taken."""
        if self.size + len(content) > self._quota_bytes:
            raise SpoolFull(f"the spool holds its quota of {self._quota_bytes:,} bytes; is the database away?")
        if self._broken:
            self._rewrite()
        if self._file is None or self._segments[-1].size >= self._segment_bytes:
            self._roll()
        frame = Frame(max(self.last, self.floor) + 1, samples, kind, content)
        self._write(frame)
        self._pending.append(frame)
        self.last = frame.number
        return frame.number

    def sync(self) -> int:
        """Return the number of the last durable frame, all that was appended before. Raises SpoolFull when the disk refuses."""
        if self._broken:
            self._rewrite()
        if self._pending and self._file is not None:
            try:
                self._file.sync()
            except OSError as error:
                # The kernel may have dropped the pages and report success on a second try (PostgreSQL's lesson of 2018).
                _log.error("the spool's disk failed to sync; writing anew", error=str(error))
                self._broken = True
                self._rewrite()
            self._settle()
        return self.durable

    def release(self, through: int, notes: dict[str, tuple[int, int]]) -> None:
        """Forget all frames up to ``through``, which the database has. The cursor is durable before a segment goes."""
        self.cursor = Cursor(str(self.uuid), max(through, self.cursor.released), dict(notes))
        with self._mutex:
            # the newest segment tells where all sources stand: it must be durable before older ones go
            told = bool(self._segments) and self.durable >= self._segments[-1].first and self._file is not None
            done = [segment for segment in self._segments[:-1] if segment.last <= through] if told else []
        if done:
            self._drop(done)

    def thin_oldest(self, thin: Callable[[Frame], Frame]) -> bool:
        """Put thinner frames of the same numbers in place of those of the oldest segment that nobody reads; False where there is none."""
        with self._mutex:
            behind = max(self.read_through, self.cursor.released)
            left = [one for one in self._segments[:-1] if one.first > behind and one.path not in self._thin]
        if not left:
            return False
        segment = left[0]
        try:
            frames = scan(self._files.read(segment.path), self._seed, HEAD.size).frames
            content = encode_head(self.uuid, segment.first) + b"".join(encode_frame(thin(frame), self._seed) for frame in frames)
            self._files.replace(segment.path, content)
        except OSError as error:
            _log.error("the oldest samples of the spool could not give way", reason=error.strerror)
            return False
        self._thin.add(segment.path)
        with self._mutex:
            segment.size = len(content)
        return True

    def segments_behind(self, number: int) -> list[Path]:
        """Return files, in order, that may hold frames behind a number."""
        with self._mutex:
            return [segment.path for segment in self._segments if segment.last > number]

    def read(self, path: Path, at: int, most: int = -1) -> bytes:
        """Return the bytes of a segment from an offset, all that follow when ``most`` is negative."""
        return self._files.read(path, at, most)

    @property
    def seed(self) -> int:
        """What the checksums of this spool start from."""
        return self._seed

    def close(self) -> None:
        """Sync what can be synced, remember the cursor and let go. Safe to call twice."""
        if self._lock is None:
            return
        with contextlib.suppress(SpoolFull):
            self.sync()
        with contextlib.suppress(OSError):
            self._keep_cursor()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._unlock()

    def _take_lock(self) -> None:
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._unlock()
            raise Unavailable(f"another process holds the spool {self._folder}; stop it, or give this one another --home") from error

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _recover(self, each: Callable[[Frame], None]) -> None:
        self._read_cursor()
        names = [name for name in self._files.names(self._folder) if name.endswith(_SUFFIX)]
        found: list[tuple[Path, bytes, int]] = []
        for name in names:
            path = self._folder / name
            content = self._files.read(path)
            head = decode_head(content)
            if head is None:
                self.damaged_bytes += max(0, len(content))
                found.append((path, content, 0))
                continue
            if self.uuid.int == 0:
                self.uuid = head[0]
            if head[0] == self.uuid:
                found.append((path, content, head[1]))
        if self.uuid.int == 0:
            self.uuid = self._new_id()
            self.fresh = True
        self._seed = seed_of(self.uuid)
        self._take_segments(found, each)
        self.cursor.spool = str(self.uuid)
        self.durable = self.last
        try:
            self._keep_cursor()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # a disk that is full of samples gets room only by shipping them
            _log.warning("the spool's disk is full; what is in the spool is shipped all the same", folder=str(self._folder))

    def _take_segments(self, found: list[tuple[Path, bytes, int]], each: Callable[[Frame], None]) -> None:
        highest = reached = 0
        for path, content, first in found:
            result = scan(content, self._seed, HEAD.size if first else 0)
            jump = len(content) - max(result.end, HEAD.size if first else 0)
            self.damaged_bytes += result.damaged + jump
            reached = max(reached, first - 1)
            for frame in result.frames:
                if frame.number > highest:
                    each(frame)
                    highest = frame.number
            if jump:
                # a damaged tail may have held numbers that the database has seen
                reached = max(reached, highest, self.cursor.released) + 1 + jump
            elif not result.frames:
                self._files.unlink(path)
                continue
            # what survived the crash in memory only must be on disk before it may be shipped
            file = self._files.open(path)
            file.sync()
            file.close()
            self._segments.append(_Segment(path, first, highest, len(content)))
        self._files.sync_folder(self._folder)
        self.last = max(highest, self.cursor.released, reached)

    def _read_cursor(self) -> None:
        try:
            self.cursor = msgspec.json.decode(self._files.read(self._folder / _CURSOR), type=Cursor)
            self.uuid = UUID(self.cursor.spool)
        except FileNotFoundError:
            return
        except (msgspec.MsgspecError, ValueError) as error:
            # the database knows how far it is; the cursor only saves reading
            _log.warning("the spool's cursor cannot be read; starting from its first segment", error=str(error))
            self.cursor = Cursor("")

    def _keep_cursor(self) -> None:
        self._files.replace(self._folder / _CURSOR, msgspec.json.encode(self.cursor))

    def _make_room(self) -> bool:
        """Return whether old segments that the database has were still there to go: on a full disk no new one need tell of them first."""
        with self._mutex:
            done = [segment for segment in self._segments[:-1] if segment.last <= self.cursor.released]
        if done:
            self._drop(done)
        with self._mutex:
            return bool(done) and done[0] not in self._segments

    def _drop(self, done: list[_Segment]) -> None:
        with self._dropping:
            self._drop_alone(done)

    def _drop_alone(self, done: list[_Segment]) -> None:
        try:
            try:
                self._keep_cursor()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                # not a byte is left for the cursor: the oldest segment, which the database has, makes room for it
                self._files.unlink(done[0].path)
                self._keep_cursor()
            for segment in done:
                self._files.unlink(segment.path)
        except OSError as error:
            _log.warning("released spool segments could not be removed", error=str(error))
            return
        with self._mutex:
            self._segments = [segment for segment in self._segments if segment not in done]

    def _roll(self) -> None:
        """Begin a new segment. The old one is synced first, so that only one file ever holds what is not durable."""
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None
        self._begin()
        opening = self.opening()
        if opening is None:
            return
        frame = Frame(max(self.last, self.floor) + 1, 0, opening.kind, opening.content)
        try:
            self._write(frame)
        except SpoolFull:
            self._abandon()
            raise
        self._pending.append(frame)
        self.last = frame.number

    def _abandon(self) -> None:
        """Take back the newest file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        with self._mutex:
            segment = self._segments.pop()
        with contextlib.suppress(OSError):
            self._files.unlink(segment.path)

    def _begin(self) -> None:
        first = self.last + 1 if not self._pending else self._pending[0].number
        path = self._folder / f"{first:020d}{_SUFFIX}"
        for turn in range(1, 100):
            if not any(segment.path == path for segment in self._segments):
                break
            path = self._folder / f"{first:020d}-{turn:02d}{_SUFFIX}"
        head = encode_head(self.uuid, first)
        try:
            self._files.unlink(path)
            file = self._files.create(path)
            try:
                _write_whole(file, head, 0)
                self._files.sync_folder(self._folder)
            except OSError:
                file.close()
                self._files.unlink(path)
                raise
        except OSError as error:
            if error.errno == errno.ENOSPC and self._make_room():
                self._begin()
                return
            raise SpoolFull(f"the spool cannot begin a new file: {error.strerror}") from error
        self._file = file
        with self._mutex:
            self._segments.append(_Segment(path, first, self.last, len(head)))

    def _write(self, frame: Frame) -> None:
        segment = self._segments[-1]
        content = encode_frame(frame, self._seed)
        file = self._file
        if file is None:
            raise SpoolFull("the spool has no open file")
        try:
            _write_whole(file, content, segment.size)
        except OSError as error:
            # take the torn frame back; if even that fails, the next frame is written over it
            with contextlib.suppress(OSError):
                file.truncate(segment.size)
            raise SpoolFull(f"the spool cannot write: {error.strerror}") from error
        with self._mutex:
            segment.size += len(content)
            segment.last = frame.number

    def _rewrite(self) -> None:
        """Write all frames that are not durable to a new file and sync that one."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._begin()
        try:
            for frame in self._pending:
                self._write(frame)
            if self._file is not None:
                self._file.sync()
        except OSError as error:
            self._abandon()
            raise SpoolFull(f"the spool's disk does not sync: {error.strerror}") from error
        except SpoolFull:
            self._abandon()
            raise
        self._broken = False
        self._settle()

    def _settle(self) -> None:
        if self._pending:
            self.durable = self._pending[-1].number
            self._pending.clear()


def _write_whole(file: File, content: bytes, at: int) -> None:
    """Write all bytes; a write may take fewer than it was given without an error."""
    done = 0
    while done < len(content):
        written = file.write(content[done:], at + done)
        if written <= 0:
            raise OSError(28, "no space left: the file took no byte")
        done += written
