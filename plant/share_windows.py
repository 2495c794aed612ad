"""Hours of a shared centre as windows of the clock: one factory after the other, so that each knows when a centre works for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plant.calendars import Span

_HOUR_US = 3_600_000_000


def windows(open_spans: Sequence[Span], hours: Mapping[str, float]) -> dict[str, tuple[Span, ...]]:
    """Return for each factory when a centre works for it, in the order given, one after the other from the first open moment on.

    ``hours`` are of the clock (machine hours by machines and availability). Raises ValueError where they are more than is open.
    """
    left = list(open_spans)
    found: dict[str, tuple[Span, ...]] = {}
    for factory, wanted in hours.items():
        need_us, got = int(wanted * _HOUR_US), []
        while need_us > 0:
            if not left:
                raise ValueError(f"{factory} is given {need_us / _HOUR_US:.3f} hours more than are open")
            begin, end = left.pop(0)
            taken = min(need_us, end - begin)
            got.append((begin, begin + taken))
            need_us -= taken
            if begin + taken < end:
                left.insert(0, (begin + taken, end))
        found[factory] = tuple(got)
    return found


def outside(spans: Sequence[Span], from_us: int, to_us: int) -> tuple[Span, ...]:
    """Return what of a span is in none of some spans, in order."""
    found, begin = [], from_us
    for one_from, one_to in sorted(spans):
        if one_from > begin:
            found.append((begin, min(one_from, to_us)))
        begin = max(begin, one_to)
    if begin < to_us:
        found.append((begin, to_us))
    return tuple(span for span in found if span[0] < span[1])
