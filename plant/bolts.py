"""What can be seen of a bolt: its state by the picture.

Angles are counter-clockwise as seen on the nut, which loosens a right-hand thread.
"""

from __future__ import annotations

from enum import StrEnum


class BoltState(StrEnum):
    """What a picture says about a bolt."""

    PRESENT = "present"
    """Bolt, nut and washer are there and the mark is one line."""
    MISSING = "missing"
    WASHER_MISSING = "washer_missing"
    MARK_ABSENT = "mark_absent"
    """No mark on the nut, or none on the flange."""
    MARK_SMEARED = "mark_smeared"
    LOOSENED = "loosened"
    """The nut's part of the mark stands at an angle to the flange's."""
