"""What can hold an operation where it is: one word for each rule of a plan."""

from __future__ import annotations

from enum import StrEnum


class Holds(StrEnum):
    """What an operation waits for, or is kept by."""

    NOTHING = "nothing"
    """It could start earlier."""
    NOW = "now"
    """It starts as early as anything can."""
    RELEASE = "release"
    """The job is not released before, or its material is not there."""
    PART = "part"
    """What is done to the part before."""
    LEAST = "least"
    """A least time after an operation before: cooling, drying."""
    MOST = "most"
    """A most time to an operation after it: started earlier, it would end too early."""
    WAY = "way"
    """The way of the part to the unit."""
    VEHICLE = "vehicle"
    """The vehicle that carries the part is busy before."""
    UNIT = "unit"
    """The operation before it on the unit."""
    SETUP = "setup"
    """The setup after the operation before it on the unit."""
    NEXT_LOCKED = "next_locked"
    """It does not fit before an operation that is locked on the unit, or on the vehicle."""
    CLOSED = "closed"
    """The unit is closed: a shift, maintenance, a breakdown."""
    RESOURCE = "resource"
    """People or fixtures that others need before."""
    BUFFER = "buffer"
    """There is no room before the unit that the part goes to next."""
    LOCK = "lock"
    """It is locked to its place by a person."""
    FROZEN = "frozen"
    """It lies in the frozen zone."""
    STARTED = "started"
    """It has started."""
