"""What a simulated device can do, and no more: a simulator must not be kinder than a controller."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """What the device can do, as it says itself."""

    max_nodes_per_read: int = 1000
    max_monitored_items_per_call: int = 1000
    min_sampling_us: int = 30_000
    max_queue_size: int = 100
    min_publishing_ms: float = 10.0
