"""The values of many payloads as columns, and the pieces these are joined from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocols.mqtt_payloads import PayloadColumns

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
NO_SEQUENCE: Final = -1


@dataclass(frozen=True, slots=True)
class ManyColumns:
    """The values of m messages as columns of equal length n, in the order of their messages."""

    message: Ints
    """Position of the message each value came in."""
    key: Ints
    """Position in the keys that were asked for."""
    fit: npt.NDArray[np.uint8]
    value: Floats
    time_us: Ints
    before_us: Ints
    """Where there is no time: how long before the message the value was true."""
    text: npt.NDArray[np.object_] | None
    sequence: Ints
    """The number of each message, shape (m,); -1 where it carries none."""
    unreadable: dict[int, str]
    """Why a message could not be read, by its position."""

    def __len__(self) -> int:
        return len(self.key)


class Parts:
    """Pieces of columns as they are found."""

    def __init__(self, m: int) -> None:
        self.odd: list[int] = []
        """Messages that must be read one by one."""
        self.sequence = np.full(m, NO_SEQUENCE, np.int64)
        self._pieces: list[tuple[Ints, Ints, npt.NDArray[np.uint8], Floats, Ints, Ints]] = []
        self._texts: list[npt.NDArray[np.object_] | None] = []

    def add(
        self, message: Ints, key: Ints, value: Floats, time_us: Ints, *, before_us: Ints | None = None, text: Any = None, fit: Any = None
    ) -> None:
        """Take values of several messages; all numbers where ``fit`` does not say otherwise."""
        n = len(message)
        if not n:
            return
        before = np.zeros(n, np.int64) if before_us is None else before_us
        self._pieces.append((message, key, np.zeros(n, np.uint8) if fit is None else fit, value, time_us, before))
        self._texts.append(text)

    def add_one(self, n: int, columns: PayloadColumns) -> None:
        """Take one message that was read by itself."""
        if columns.sequence is not None:
            self.sequence[n] = columns.sequence
        size = len(columns)
        text = None
        if columns.text is not None:
            text = np.empty(size, np.object_)
            text[:] = columns.text
        self.add(
            np.full(size, n),
            columns.key.astype(np.int64),
            columns.value,
            columns.time_us,
            before_us=columns.before_us,
            text=text,
            fit=columns.fit,
        )

    def without(self, messages: Sequence[int]) -> None:
        """Drop what was taken of some messages."""
        gone = np.zeros(len(self.sequence), np.bool_)
        gone[messages] = True
        self._texts = [None if t is None else t[~gone[p[0]]] for t, p in zip(self._texts, self._pieces, strict=True)]
        self._pieces = [tuple(column[~gone[p[0]]] for column in p) for p in self._pieces]  # type: ignore[misc]

    def joined(self, unreadable: dict[int, str]) -> ManyColumns:
        """Return all as columns in the order of the messages."""
        pieces, texts = self._pieces, self._texts
        if not pieces:
            none = np.empty(0, np.int64)
            return ManyColumns(none, none, np.empty(0, np.uint8), np.empty(0), none, none, None, self.sequence, unreadable)
        columns: list[Any] = list(pieces[0]) if len(pieces) == 1 else [np.concatenate(column) for column in zip(*pieces, strict=True)]
        text: npt.NDArray[np.object_] | None = None
        if any(one is not None for one in texts):
            filled = [np.full(len(p[0]), None, np.object_) if t is None else t for p, t in zip(pieces, texts, strict=True)]
            text = np.concatenate(filled)
        message = columns[0]
        if len(message) > 1 and bool((message[1:] < message[:-1]).any()):
            order = np.argsort(message, kind="stable")
            columns = [column[order] for column in columns]
            text = None if text is None else text[order]
        message, key, fit, value, time_us, before_us = columns
        return ManyColumns(message, key, fit, value, time_us, before_us, text, self.sequence, unreadable)


def merged_columns(parts: Sequence[tuple[npt.NDArray[np.intp], ManyColumns]], m: int) -> ManyColumns:
    """Return columns of different forms as one, in the order of the messages; with each the positions of its messages."""
    sequence = np.full(m, -1, np.int64)
    unreadable: dict[int, str] = {}
    for at, columns in parts:
        sequence[at] = columns.sequence
        unreadable.update((int(at[n]), why) for n, why in columns.unreadable.items())
    message = np.concatenate([at[columns.message] for at, columns in parts])
    order = np.argsort(message, kind="stable")
    text = None
    if any(columns.text is not None for _, columns in parts):
        texts = [np.full(len(columns), None, np.object_) if columns.text is None else columns.text for _, columns in parts]
        text = np.concatenate(texts)[order]
    joined = [
        np.concatenate([getattr(columns, name) for _, columns in parts])[order] for name in ("key", "fit", "value", "time_us", "before_us")
    ]
    key, fit, value, time_us, before_us = joined
    return ManyColumns(message[order], key, fit, value, time_us, before_us, text, sequence, unreadable)
