"""Samples as columns: many at once, never a list of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from plant.signals import SignalPath

NO_TIME = np.iinfo(np.int64).min
"""In a column of times: the source did not say."""

FLAG_TIME_NOT_OF_SOURCE = 1
"""``time_us`` is the server's or our own time, because the source gave none or an impossible one."""
FLAG_HISTORICAL = 2
"""Sent again or late by the source's own word; never shown as the live value."""
FLAG_RETAINED = 4
"""A retained MQTT message met at subscribing: true when it was sent, not necessarily now."""
FLAG_LATE = 8
"""Stored after it had been promised that all samples of its source received so far were: it is kept, and not judged."""


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples of many signals as columns of equal length n.

    ``paths`` names the signals; ``signal`` holds, for each sample, the position of its signal in ``paths``.
    """

    paths: tuple[SignalPath, ...]
    signal: npt.NDArray[np.int32]
    time_us: npt.NDArray[np.int64]
    """When it was true: the source's time; the server's or ours where FLAG_TIME_NOT_OF_SOURCE is set. Never NO_TIME."""
    server_time_us: npt.NDArray[np.int64]
    """The server's time, or NO_TIME."""
    received_time_us: npt.NDArray[np.int64]
    """Our clock."""
    value: npt.NDArray[np.float64]
    """The number; NaN where ``has_value`` is False (bad, null, or text only)."""
    has_value: npt.NDArray[np.bool_]
    """Whether there is a number: tells a measured NaN from no number at all."""
    status: npt.NDArray[np.uint32]
    """The whole OPC UA StatusCode."""
    flags: npt.NDArray[np.int16]
    text: npt.NDArray[np.object_] | None = None
    """str or None for each sample; the column is None where no sample has text. Integers beyond 2**53 carry their exact digits here too."""

    def __post_init__(self) -> None:
        n = len(self.signal)
        for name in ("time_us", "server_time_us", "received_time_us", "value", "has_value", "status", "flags"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"column '{name}' holds {len(getattr(self, name))} samples, 'signal' holds {n}")
        if self.text is not None and len(self.text) != n:
            raise ValueError(f"column 'text' holds {len(self.text)} samples, 'signal' holds {n}")

    def __len__(self) -> int:
        return len(self.signal)

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Self:
        """Return the chosen samples (a mask of shape (n,) or positions), in the order chosen."""
        return type(self)(
            self.paths,
            self.signal[chosen],
            self.time_us[chosen],
            self.server_time_us[chosen],
            self.received_time_us[chosen],
            self.value[chosen],
            self.has_value[chosen],
            self.status[chosen],
            self.flags[chosen],
            None if self.text is None else self.text[chosen],
        )


def empty(paths: tuple[SignalPath, ...] = ()) -> SampleBatch:
    """Return a batch without samples."""
    return SampleBatch(
        paths,
        np.empty(0, np.int32),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty(0, np.float64),
        np.empty(0, np.bool_),
        np.empty(0, np.uint32),
        np.empty(0, np.int16),
    )


def concatenate(batches: Sequence[SampleBatch]) -> SampleBatch:
    """Return all samples as one batch, in the order given; the batches may name different signals."""
    if len(batches) == 1:
        return batches[0]
    positions: dict[SignalPath, int] = {}
    known: dict[int, npt.NDArray[np.int32]] = {}
    signals = []
    for batch in batches:
        # batches of one source mostly share their paths
        own = known.get(id(batch.paths))
        if own is None:
            own = np.fromiter((positions.setdefault(path, len(positions)) for path in batch.paths), np.int32, len(batch.paths))
            known[id(batch.paths)] = own
        signals.append(own[batch.signal])
    if not batches:
        return empty()
    text = None
    if any(batch.text is not None for batch in batches):
        text = np.concatenate([np.full(len(b), None, np.object_) if b.text is None else b.text for b in batches])
    return SampleBatch(
        tuple(positions),
        np.concatenate(signals),
        np.concatenate([b.time_us for b in batches]),
        np.concatenate([b.server_time_us for b in batches]),
        np.concatenate([b.received_time_us for b in batches]),
        np.concatenate([b.value for b in batches]),
        np.concatenate([b.has_value for b in batches]),
        np.concatenate([b.status for b in batches]),
        np.concatenate([b.flags for b in batches]),
        text,
    )
