"""Globs and brace ranges over slash paths, so that one rule can speak of ten thousand signals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")
_LARGEST_EXPANSION = 1_000_000


def expand(template: str) -> list[str]:
    """Return all strings that ``{1..20}``, ``{01..20}`` and ``{x,y,z}`` in a template stand for, in order.

    A leading zero in the first number sets the width. Other braces (``{equipment}``) are left as they are.
    Raises ValueError for a range that runs backwards or for more than a million strings.
    """
    out = [""]
    end = 0
    for match in _BRACES.finditer(template):
        choices = list(_choices(match))
        if len(out) * len(choices) > _LARGEST_EXPANSION:
            raise ValueError(f"'{template}' stands for more than {_LARGEST_EXPANSION:,} names")
        head = template[end : match.start()]
        out = [prefix + head + choice for prefix in out for choice in choices]
        end = match.end()
    return [prefix + template[end:] for prefix in out]


def _choices(match: re.Match[str]) -> Iterator[str]:
    if match[3] is not None:
        yield from (choice.strip() for choice in match[3].split(","))
        return
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise ValueError(f"the range '{match[0]}' runs backwards: write {{{last}..{first}}}")
    if last - first >= _LARGEST_EXPANSION:
        raise ValueError(f"the range '{match[0]}' stands for more than {_LARGEST_EXPANSION:,} names")
    width = len(match[1]) if match[1].startswith("0") else 0
    yield from (f"{number:0{width}d}" for number in range(first, last + 1))


@lru_cache(maxsize=4096)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Return what matches a slash path: ``*`` and ``?`` stay inside a segment, ``**`` stands for any number of segments."""
    parts = []
    segments = pattern.split("/")
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == "**":
            parts.append(".*" if last else "(?:[^/]+/)*")
            continue
        words = "".join("[^/]*" if c == "*" else "[^/]" if c == "?" else re.escape(c) for c in segment)
        parts.append(words if last else words + "/")
    return re.compile("".join(parts) + r"\Z")


def matches(pattern: str, path: str) -> bool:
    """Return whether a slash path fits a glob."""
    return compile_glob(pattern).match(path) is not None
