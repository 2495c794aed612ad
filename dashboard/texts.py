"""What people read, in their language: English is the message itself, other languages come from the Babel catalogues beside this file."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

LANGUAGES = ("en", "zh")
LANGUAGE_NAMES = {"en": "English", "zh": "中文"}
BROWSER_CONTEXT = "browser"
"""Message context (msgctxt) of what the scripts in the browser say; these are sent with each page."""

_FOLDER = Path(__file__).parent / "translations"


def catalogue_file(language: str) -> Path:
    """Return the file that holds the messages of one language."""
    return _FOLDER / language / "LC_MESSAGES" / "leadhand.po"


@lru_cache(maxsize=8)
def _catalogue(language: str) -> Catalog:
    with catalogue_file(language).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


class Texts:
    """The messages of one language. Plain ``str`` comes out: lazy strings are refused by the components."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else LANGUAGES[0]
        self._said: dict[str, str] = {}
        self._browser: dict[str, str] = {}
        for message in _catalogue(self.language):
            if isinstance(message.id, str) and message.id and isinstance(message.string, str):
                where = self._browser if message.context == BROWSER_CONTEXT else self._said
                where[message.id] = message.string or message.id

    def __call__(self, message: str, **words: object) -> str:
        """Return a message in this language with ``{name}`` replaced; one without a translation is said in English."""
        said = self._said.get(message, message)
        return said.format(**words) if words else said

    def for_browser(self) -> str:
        """Return what the scripts say, as JSON that may stand inside a script element."""
        return json.dumps(self._browser, ensure_ascii=False).replace("<", "\\u003c")


@lru_cache(maxsize=8)
def texts_of(language: str) -> Texts:
    """Return the messages of one language; English for a language that is not known."""
    return Texts(language)


def preferred_language(cookie: str | None, accept_language: str | None) -> str:
    """Return the language chosen before, else the first known one that the browser asks for, else English."""
    if cookie in LANGUAGES:
        return cookie
    for part in (accept_language or "").split(","):
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return code
    return LANGUAGES[0]
