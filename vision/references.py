"""References of programs that come with Leadhand; a site's own are learned from its own good runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vision.envelope import Reference, read_reference

_FOLDER: Final = Path(__file__).parent / "references"


def shipped_reference(program: str) -> Reference | None:
    """Return the shipped reference of a program (``program_print``), None where there is none."""
    path = _FOLDER / f"{program}.json"
    return read_reference(path) if path.is_file() else None
