"""Pictures on disk, named by the sha256 of their bytes. Whoever asks can name a picture, and nothing else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from plant.errors import Rejected, Unavailable
from plant.inspections import FrameHash, checked_hash, frame_hash


class EvidenceFolder:
    """A folder of pictures: ``aa/bb/aabb...``. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, content: bytes) -> FrameHash:
        """Return the id of a picture once it is on disk for good; one that is there already is left as it is.

        Raises Unavailable where the disk does not take it.
        """
        sha256 = frame_hash(content)
        path = self._path(sha256)
        try:
            if path.exists() and path.stat().st_size == len(content):
                return sha256
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(prefix=".", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(made).replace(path)
            except BaseException:
                Path(made).unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)
        except OSError as error:
            raise Unavailable(f"{self._folder}: a picture cannot be kept: {error.strerror or error}") from error
        return sha256

    def read(self, sha256: str) -> bytes | None:
        """Return the bytes of a picture, None where they are not here. Raises Rejected for no id and a changed picture."""
        path = self._path(checked_hash(sha256))
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"a picture cannot be read: {error.strerror or error}") from error
        if frame_hash(content) != sha256:
            raise Rejected("this picture was changed on disk: it is no evidence any more")
        return content

    def forget(self, sha256: str) -> bool:
        """Take a picture off the disk; return whether it was there."""
        path = self._path(checked_hash(sha256))
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Unavailable(f"a picture cannot be removed: {error.strerror or error}") from error
        return True

    def _path(self, sha256: FrameHash) -> Path:
        return self._folder / sha256[:2] / sha256[2:4] / sha256


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
