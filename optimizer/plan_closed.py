"""Closed time: when work that pauses over it ends, and where work that must not touch it fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

Span = tuple[int, int]


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the same time as spans in order, apart from each other."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return tuple(out)


def without(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """Return what is left of spans where what is taken is cut out."""
    cuts = merged(taken)
    out: list[Span] = []
    for start, end in spans:
        at = start
        for low, high in cuts:
            if high <= at or low >= end:
                continue
            if low > at:
                out.append((at, low))
            at = max(at, high)
        if at < end:
            out.append((at, end))
    return tuple(out)


def paused_end(start: int, duration: int, closed: Sequence[Span]) -> int:
    """Return when work ends that starts at ``start`` and pauses over closed time."""
    end = start + duration
    for low, high in closed:
        if high <= start:
            continue
        if low >= end:
            break
        end += high - max(low, start)
    return end


def opens(at: int, closed: Sequence[Span]) -> int:
    """Return the first tick from ``at`` on that is not closed."""
    for low, high in closed:
        if low > at:
            break
        at = max(at, high)
    return at


def clear(start: int, end: int, closed: Sequence[Span]) -> int | None:
    """Return the end of the first closed time that [start, end) touches, None where it touches none."""
    for low, high in closed:
        if low >= end:
            break
        if high > start and end > start:
            return high
    return None


def in_order(spans: Sequence[Span]) -> bool:
    """Tell whether spans are in order and apart from each other."""
    return all(one[1] <= two[0] for one, two in pairwise(spans))
