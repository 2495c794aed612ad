"""OPC UA StatusCodes, kept whole: 32 bits, the two highest are the severity (OPC 10000-4, 7.38)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

GOOD = 0x00000000
UNCERTAIN = 0x40000000
BAD = 0x80000000
BAD_COMMUNICATION_ERROR = 0x80050000
BAD_NO_COMMUNICATION = 0x80310000
BAD_NODE_ID_UNKNOWN = 0x80340000
BAD_DATA_UNAVAILABLE = 0x809E0000
BAD_TYPE_MISMATCH = 0x80740000
BAD_NO_DATA = 0x809B0000
UNCERTAIN_DATA_SUB_NORMAL = 0x40A40000
UNCERTAIN_LAST_USABLE_VALUE = 0x40900000
GOOD_LOCAL_OVERRIDE = 0x00960000
OVERFLOW_BIT = 0x00000080
"""InfoType DataValue + Overflow: the server's queue was full and it dropped at least one value before this one."""

SEVERITY_MASK = 0xC0000000

_NAMES = {
    GOOD: "Good",
    UNCERTAIN: "Uncertain",
    BAD: "Bad",
    BAD_COMMUNICATION_ERROR: "BadCommunicationError",
    BAD_NO_COMMUNICATION: "BadNoCommunication",
    BAD_NODE_ID_UNKNOWN: "BadNodeIdUnknown",
    BAD_DATA_UNAVAILABLE: "BadDataUnavailable",
    BAD_TYPE_MISMATCH: "BadTypeMismatch",
    BAD_NO_DATA: "BadNoData",
    UNCERTAIN_DATA_SUB_NORMAL: "UncertainDataSubNormal",
    UNCERTAIN_LAST_USABLE_VALUE: "UncertainLastUsableValue",
    GOOD_LOCAL_OVERRIDE: "GoodLocalOverride",
}


def is_good(status: int) -> bool:
    """Return whether the severity bits of one StatusCode are 00."""
    return status & SEVERITY_MASK == 0


def good_mask(status: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Return, shape (n,), where the severity bits are 00."""
    good: npt.NDArray[np.bool_] = (status & np.uint32(SEVERITY_MASK)) == 0
    return good


def severity(status: int) -> str:
    """Return ``good``, ``uncertain`` or ``bad``."""
    bits = status & SEVERITY_MASK
    return "good" if bits == 0 else "uncertain" if bits == UNCERTAIN else "bad"


def describe(status: int) -> str:
    """Return the standard's name where it is known, else the severity and the code in hex."""
    known = _NAMES.get(status & 0xFFFF0000)
    return known if known is not None else f"{severity(status).capitalize()} 0x{status:08X}"
