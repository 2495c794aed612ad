"""Programs as optimal + delta, and what devices say of them."""

import pytest

from plant.errors import Rejected
from plant.program_deltas import BaseProgram, Delta, NotConfirmed, ProgramRecord, ReadBack, delta_of, unlike

BASE = BaseProgram("robot", "WPS-7", "12", {"current": 240.0, "wire_feed": 8.9}, {"current": "A", "wire_feed": "m/min"})


def _read(**changed: object) -> ReadBack:
    told: dict[str, object] = {
        "program": "WPS-7",
        "version": "12",
        "values": {"current": 240.0, "wire_feed": 9.03},
        "units": {"current": "A", "wire_feed": "m/min"},
        "stored": True,
    }
    return ReadBack(**{**told, **changed})  # type: ignore[arg-type]


def test_a_program_is_its_base_and_its_deltas() -> None:
    record = delta_of(BASE, {"current": 240.0, "wire_feed": 9.03}, {"wire_feed": 0.02})
    assert record.deltas == (Delta("wire_feed", 0.13, "m/min", 0.02),)
    assert record.values == {"current": 240.0, "wire_feed": 9.03}


def test_a_change_counts_only_when_the_device_says_so() -> None:
    record = delta_of(BASE, {"wire_feed": 9.03}, {"wire_feed": 0.02})
    assert unlike(record, _read()) == ()
    assert unlike(record, _read(values={"current": 240.0, "wire_feed": 9.05})) == ()
    kinds: dict[NotConfirmed, dict[str, object]] = {
        NotConfirmed.OTHER_VALUE: {"values": {"current": 240.0, "wire_feed": 9.06}},
        NotConfirmed.MISSING: {"values": {"current": 240.0}},
        NotConfirmed.OTHER_UNIT: {"units": {"current": "A", "wire_feed": "mm/s"}},
        NotConfirmed.NOT_STORED: {"stored": None},
        NotConfirmed.OTHER_PROGRAM: {"program": "WPS-8"},
        NotConfirmed.OTHER_VERSION: {"version": "13"},
    }
    for kind, changed in kinds.items():
        assert [one.kind for one in unlike(record, _read(**changed))] == [kind]


def test_a_parameter_without_delta_must_be_read_back_exactly() -> None:
    record = delta_of(BASE, {"wire_feed": 9.03}, {"wire_feed": 0.02, "current": 5.0})
    found = unlike(record, _read(values={"current": 241.0, "wire_feed": 9.03}))
    assert [(one.kind, one.name) for one in found] == [(NotConfirmed.OTHER_VALUE, "current")]


def test_a_delta_in_another_unit_or_of_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(Rejected, match="the delta is in V"):
        ProgramRecord(BASE, (Delta("current", 1.0, "V"),))
    with pytest.raises(Rejected, match="has no parameter 'gas'"):
        delta_of(BASE, {"gas": 1.0}, {})
