"""Our own styles and scripts as one file of each kind: a browser asks twice instead of forty times, and once for each version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

ASSETS: Final = Path(__file__).parent / "assets"
EARLY: Final = "05_early.js"
"""Stands in the page by itself, before all others."""
_STYLE: Final = re.compile(r'<link rel="stylesheet" href="[^"]*/assets/[^"]*">\s*')
_SCRIPT: Final = re.compile(r'<script src="[^"]*/assets/[^"]*"></script>\s*')
_KINDS: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_FOR_A_YEAR: Final = "private, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    content: bytes
    kind: str


class Bundle:
    """The files of the folder in the order of their names, those in folders below after them, as Dash orders them too."""

    def __init__(self, assets: Path = ASSETS) -> None:
        self._styles, self._scripts = _joined(assets, ".css", b"\n"), _joined(assets, ".js", b"\n;\n")

    def styles(self, html: str) -> str:
        """Return the links of a page with one for all of our styles."""
        return _STYLE.sub("", html) + f'<link rel="stylesheet" href="/bundle/{self._styles.name}">'

    def scripts(self, html: str) -> str:
        """Return the scripts of a page with one for all of ours, before the first of Dash's."""
        return f'<script src="/bundle/{self._scripts.name}"></script>\n' + _SCRIPT.sub("", html)

    def routes(self) -> APIRouter:
        """Return the route of both files."""
        router = APIRouter(include_in_schema=False)
        files = {file.name: file for file in (self._styles, self._scripts)}

        @router.get("/bundle/{name}")
        def bundle(name: str) -> Response:
            if name not in files:
                raise HTTPException(404, "this version of the pages is no more: load the page anew")
            file = files[name]
            return Response(file.content, media_type=file.kind, headers={"Cache-Control": _FOR_A_YEAR})

        return router


def _joined(assets: Path, suffix: str, between: bytes) -> _File:
    found = sorted((path for path in assets.rglob(f"*{suffix}") if path.name != EARLY), key=lambda path: (path.parent != assets, path))
    content = between.join(path.read_bytes() for path in found)
    return _File(f"pages-{sha256(content).hexdigest()[:16]}{suffix}", content, _KINDS[suffix])
