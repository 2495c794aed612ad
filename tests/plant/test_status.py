import numpy as np
import pytest

from plant import status


@pytest.mark.parametrize(
    ("code", "good", "severity", "name"),
    [
        (0x00000000, True, "good", "Good"),
        (0x00000480, True, "good", "Good"),
        (0x40900000, False, "uncertain", "UncertainLastUsableValue"),
        (0x80340000, False, "bad", "BadNodeIdUnknown"),
        (0x80AB0000, False, "bad", "Bad 0x80AB0000"),
    ],
)
def test_the_two_highest_bits_decide(code: int, good: bool, severity: str, name: str) -> None:
    assert status.is_good(code) is good
    assert status.severity(code) == severity
    assert status.describe(code) == name
    assert status.good_mask(np.array([code], np.uint32)).tolist() == [good]
