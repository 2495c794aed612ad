"""Where the files of an ingest lie: apart from the protocols, which the process that holds the spool does not load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plant.errors import Rejected


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie: the home folder, and the folder that relative file names in the settings start from."""

    home: Path
    settings: Path

    def file(self, name: str | None) -> Path | None:
        """Return a file that the settings name."""
        return None if name is None else self.settings / name

    def password(self, name: str | None) -> str | None:
        """Return what a password file holds, without its line end. Raises Rejected, naming the file, when it cannot be read."""
        path = self.file(name)
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Rejected(f"the password file {path} cannot be read: {error}") from error
