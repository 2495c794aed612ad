"""The numbers of a text, one after the other, each with the line it stands in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plant.errors import SettingsError

_MOST = 1 << 40


class Numbers:
    """A text of whole numbers between white space, read once from the front. ``#`` begins a comment."""

    def __init__(self, text: str, place: str) -> None:
        self.place = place
        self._words: list[str] = []
        self._lines: list[int] = []
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            self._words += words
            self._lines += [number] * len(words)
        self._at = 0

    @property
    def left(self) -> int:
        """How many are left."""
        return len(self._words) - self._at

    @property
    def line_number(self) -> int:
        """The line of the next, or of the last where none is left."""
        return self._lines[min(self._at, len(self._lines) - 1)] if self._lines else 1

    def line(self) -> list[str]:
        """Take the words up to the end of the line that comes next."""
        number, begin = self.line_number, self._at
        while self._at < len(self._words) and self._lines[self._at] == number:
            self._at += 1
        return self._words[begin : self._at]

    def count(self, line: list[str], at: int, what: str) -> int:
        """Return a word of a line taken as a count of something."""
        try:
            found = _whole(line[at])
        except ValueError as error:
            raise self.wrong(line, f"{what}: {error}") from error
        if not 1 <= found <= 1_000_000:
            raise self.wrong(line, f"{what}: {found:,} cannot be")
        return found

    def wrong(self, line: list[str], what: str) -> SettingsError:
        """Return the error about a line that was just taken."""
        number = self._lines[self._at - 1] if line else 1
        return SettingsError(f"{self.place}: line {number}: {what}; found '{' '.join(line)[:60]}'")

    def next(self, what: str, *, least: int = 0, most: int = _MOST) -> int:
        """Take one number."""
        if not self.left:
            raise SettingsError(f"{self.place}: line {self.line_number}: the file ends where {what} should follow")
        number, word = self._lines[self._at], self._words[self._at]
        try:
            found = _whole(word)
        except ValueError as error:
            raise SettingsError(f"{self.place}: line {number}: {what}: {error}") from error
        if not least <= found <= most:
            raise SettingsError(f"{self.place}: line {number}: {what}: {found:,} must be between {least} and {most:,}")
        self._at += 1
        return found

    def rest(self) -> NDArray[np.int64]:
        """Take all that are left."""
        return np.array([self.next("a setup time") for _ in range(self.left)], np.int64)


def _whole(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        pass
    try:
        number = float(word)
    except ValueError as error:
        raise ValueError(f"'{word[:40]}' is no number") from error
    if not number.is_integer() or abs(number) > _MOST:
        raise ValueError(f"'{word[:40]}' is no whole number; multiply all times by 10 or more, so that they are") from None
    return int(number)
