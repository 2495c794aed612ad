"""The few things the spool asks of a file system, so that a test can take away what was not synced."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol


class File(Protocol):
    """An open file."""

    def write(self, content: bytes, at: int) -> int:
        """Return how many bytes were written at an offset; may be fewer than given. Raises OSError."""
        ...

    def sync(self) -> None:
        """Return once all that was written is durable. Raises OSError; after that nothing more may be believed of this file."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file. Raises OSError."""
        ...

    def close(self) -> None:
        """Let go of the file; never raises."""
        ...


class Files(Protocol):
    """A folder's file system."""

    def create(self, path: Path) -> File:
        """Return a new file open for writing; OSError when there is one already."""
        ...

    def open(self, path: Path) -> File:
        """Return a file that is there, open for writing."""
        ...

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, sorted."""
        ...

    def read(self, path: Path, at: int = 0, most: int = -1) -> bytes:
        """Return bytes from an offset, all that follow when ``most`` is negative."""
        ...

    def replace(self, path: Path, content: bytes) -> None:
        """Put a whole small file in the place of another, durably: after a crash there is the old one or the new one."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a file; none there is fine."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return once the names in a folder are durable."""
        ...


class SystemFile:
    """A file of the operating system."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, content: bytes, at: int) -> int:
        """Return how many bytes were written at an offset; may be fewer than given."""
        return os.pwrite(self._descriptor, content, at)

    def sync(self) -> None:
        """Return once all that was written is durable."""
        os.fdatasync(self._descriptor)

    def truncate(self, size: int) -> None:
        """Cut the file."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


class SystemFiles:
    """The operating system's files."""

    def create(self, path: Path) -> SystemFile:
        """Return a new file open for writing."""
        return SystemFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def open(self, path: Path) -> SystemFile:
        """Return a file that is there, open for writing."""
        return SystemFile(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, sorted."""
        return sorted(entry.name for entry in folder.iterdir())

    def read(self, path: Path, at: int = 0, most: int = -1) -> bytes:
        """Return bytes from an offset."""
        with path.open("rb") as file:
            file.seek(at)
            return file.read(most)

    def replace(self, path: Path, content: bytes) -> None:
        """Put a whole small file in the place of another, durably."""
        beside = path.with_name(path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        self.sync_folder(path.parent)

    def unlink(self, path: Path) -> None:
        """Remove a file; none there is fine."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Return once the names in a folder are durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
