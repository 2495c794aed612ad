"""Cells of a column as numbers, times, answers and codes, all rows at once; what cannot be read is told by a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from optimizer.table_files import Cells

Mask = npt.NDArray[np.bool_]
UNKNOWN: Final = -1
EMPTY: Final = -2
_YES: Final = {"true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False, "no": False}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def numbers(cells: Cells) -> tuple[npt.NDArray[np.float64], Mask]:
    """Return numbers, NaN where a cell is empty, and which cells hold something that is none."""
    if isinstance(cells, pa.Array) and (
        pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_decimal(cells.type)
    ):
        told = np.asarray(cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
        return told, np.zeros(len(told), np.bool_)
    values = _objects(cells)
    told = np.asarray(pd.to_numeric(_series(values), errors="coerce"), np.float64)
    booleans = np.fromiter((isinstance(value, bool) for value in values), np.bool_, len(values))
    wrong = (np.isnan(told) & ~_empty(values)) | booleans
    return told, wrong


def answers(cells: Cells) -> tuple[Mask, Mask, Mask]:
    """Return which cells say yes, which are empty, and which say neither yes nor no."""
    if isinstance(cells, pa.Array) and pa.types.is_boolean(cells.type):
        empty = np.asarray(pc.is_null(cells).to_numpy(zero_copy_only=False), np.bool_)
        yes = np.asarray(pc.fill_null(cells, False).to_numpy(zero_copy_only=False), np.bool_)
        return yes, empty, np.zeros(len(yes), np.bool_)
    values = _objects(cells)
    words = [value if value is None or isinstance(value, bool) else str(value).strip().casefold() for value in values]
    told = [word if isinstance(word, bool) else _YES.get(word or "") for word in words]
    yes = np.fromiter((answer is True for answer in told), np.bool_, len(told))
    empty = _empty(values)
    unclear = np.fromiter((answer is None for answer in told), np.bool_, len(told)) & ~empty
    return yes, empty, unclear


def times_us(cells: Cells) -> tuple[npt.NDArray[np.int64], Mask, Mask]:
    """Return times in microseconds since 1970, which cells are empty, and which are no time. Without a zone it is UTC."""
    if isinstance(cells, pa.Array) and (pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type)):
        empty = np.asarray(pc.is_null(cells).to_numpy(zero_copy_only=False), np.bool_)
        plain = cells.cast(pa.timestamp("us", tz=getattr(cells.type, "tz", None)), safe=False).cast(pa.int64())
        return np.asarray(pc.fill_null(plain, 0).to_numpy(zero_copy_only=False), np.int64), empty, np.zeros(len(empty), np.bool_)
    values = _objects(cells)
    empty = _empty(values)
    texts = [_time_text(value) for value in values]
    parsed = pd.to_datetime(_series(texts), errors="coerce", utc=True, format="ISO8601")
    wrong = np.asarray(parsed.isna(), np.bool_) & ~empty
    whole = parsed.fillna(pd.Timestamp(0, tz="UTC")).dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    return np.asarray(whole, np.int64), empty, wrong


def codes(cells: Cells, vocabulary: Mapping[str, int]) -> tuple[npt.NDArray[np.int32], list[str | None]]:
    """Return each cell's position in a vocabulary (UNKNOWN, or EMPTY), and all different words of the column."""
    at, words = _encoded(cells)
    lookup = np.array([EMPTY if not word else vocabulary.get(word, UNKNOWN) for word in words] or [EMPTY], np.int32)
    return lookup[at], words


def grown_codes(cells: Cells, vocabulary: dict[str, int]) -> npt.NDArray[np.int32]:
    """Return each cell's position in a vocabulary that takes up new words; UNKNOWN where it is empty."""
    at, words = _encoded(cells)
    lookup = np.array([UNKNOWN if not word else vocabulary.setdefault(word, len(vocabulary)) for word in words] or [UNKNOWN], np.int32)
    return lookup[at]


def marks(cells: Cells) -> npt.NDArray[np.uint64]:
    """Return a number for each cell that is the same for the same word, and 0 where it is empty: names that nobody needs to keep."""
    at, words = _encoded(cells)
    texts = np.array([word or "" for word in words] or [""], object)
    hashed = np.asarray(pd.util.hash_array(texts, categorize=False), np.uint64) | np.uint64(1)
    return np.asarray(np.where(texts == "", np.uint64(0), hashed)[at], np.uint64)


def text_at(cells: Cells, at: int) -> str:
    """Return what stands in one cell, for an error text."""
    value = cells[at].as_py() if isinstance(cells, pa.Array) else cells[at]
    return str(value)[:40]


def _encoded(cells: Cells) -> tuple[npt.NDArray[np.int64], list[str | None]]:
    """Return for each cell the position of its word, and the words without space around them."""
    if isinstance(cells, pa.Array):
        coded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
        words: list[str | None] = [None if word is None else _word(word) for word in coded.dictionary.to_pylist()]
        at = np.asarray(pc.fill_null(coded.indices.cast(pa.int64()), len(words)).to_numpy(zero_copy_only=False), np.int64)
        return at, [*words, None]
    at_of: dict[Any, int] = {}
    places = np.fromiter((at_of.setdefault(cell, len(at_of)) for cell in cells), np.int64, len(cells))
    return places, [None if cell is None else _word(cell) for cell in at_of]


def _word(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # Excel keeps order 4711 as 4711.0
    return "" if isinstance(value, float) and value != value else str(value).strip()  # noqa: PLR0124  # NaN


def _series(values: Sequence[Any]) -> pd.Series[Any]:
    return pd.Series(values, dtype=object)


def _objects(cells: Cells) -> Sequence[object]:
    return cells.to_pylist() if isinstance(cells, pa.Array) else cells


def _empty(values: Sequence[object]) -> Mask:
    return np.fromiter((value is None or (isinstance(value, str) and not value.strip()) for value in values), np.bool_, len(values))


def _time_text(value: object) -> str | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    text = value.strip() if isinstance(value, str) else ""
    # a bare number would be taken as nanoseconds, or as a year
    return text if "-" in text[1:] else None
