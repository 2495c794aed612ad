"""English words of ours on a page: names, and what devices and other programs say, are theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

from babel.messages.pofile import read_po

from dashboard.texts import catalogue_file
from tests.dashboard.page_audit import Eye, settle

_NAMES: Final = {"admin", "English", "Administrator"}
_WORD: Final = re.compile(r"(?<![\w-])[A-Za-z]{3,}(?![\w-])")
_NO_SENTENCE: Final = re.compile(r"\S*[/_=:.\d]\S*")
"""Addresses, numbers, names with a digit in them."""
_TEXTS: Final = """() => {
  const found = [];
  const ours = element => element && element.checkVisibility() && !element.closest("script, style, code, pre, [lang=en]");
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (ours(walk.currentNode.parentElement)) found.push(walk.currentNode.textContent.trim());
  for (const name of ["title", "placeholder", "aria-label"])
    for (const element of document.querySelectorAll(`[${name}]`)) if (ours(element)) found.push(element.getAttribute(name));
  return [...new Set(found)].filter(text => /[A-Za-z]{3}/.test(text));
}"""


@lru_cache(maxsize=1)
def _english_of_ours() -> frozenset[str]:
    """The words of our English texts but those that stand in Chinese ones too: OEE, CSV, OPC."""

    def words(language: str) -> set[str]:
        with catalogue_file(language).open("rb") as file:
            texts = [str(message.string) for message in read_po(file, locale=language) if message.id]
        return {word.lower() for text in texts for word in re.findall(r"[A-Za-z]{3,}", re.sub(r"\{\w+\}", "", text))}

    return frozenset(words("en") - words("zh"))


def words_of(files: Iterable[Path]) -> set[str]:
    """Return the words of files."""
    return {word.lower() for file in files for word in re.findall(r"[A-Za-z]{3,}", file.read_text("utf-8"))}


def english(texts: list[str], theirs: set[str]) -> list[str]:
    """Return the texts that hold English words of ours, with the words."""
    found = []
    for text in texts:
        words = [word for word in _WORD.findall(_NO_SENTENCE.sub(" ", text)) if word not in _NAMES]
        ours = [word for word in words if word.lower() in _english_of_ours() and word.lower() not in theirs]
        if ours:
            found.append(f"{text[:120]} ({', '.join(ours[:5])})")
    return found


def english_on(look: Eye, address: str, path: str, theirs: set[str], *, seconds: float = 20) -> list[str]:
    """Open a page and return its texts that hold English words of ours."""
    look.page.goto(address + path, wait_until="commit")
    settle(look, path, seconds=seconds)
    return [f"{path}: {each}" for each in english(look.page.evaluate(_TEXTS), theirs)]
