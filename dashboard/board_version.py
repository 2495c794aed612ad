"""Of which version the board's own files are: a screen that shows another one loads itself again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent
_FILES: Final = ("assets/10_stream.js", "assets/96_andon.js", "assets/leadhand.css", "assets/andon.css", "pages/andon.py", "views_andon.py")


def _version() -> str:
    found = hashlib.sha256()
    for name in _FILES:
        found.update((_FOLDER / name).read_bytes())
    return found.hexdigest()[:12]


BOARD_VERSION: Final = _version()
