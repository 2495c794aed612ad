"""What the settings say about states, reasons and counts, and what is said where they are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from plant.errors import SettingsError
from plant.settings import SiteFile
from plant.settings_states import state_named
from plant.site import Site, site_of
from plant.states import EquipmentState, Loss, OperationMode, Test, loss_of

MILL = "machining/line/mill-1"
GOOD: dict[str, Any] = {
    "equipment": "machining/**",
    "rules": [
        {"signal": "fault", "equals": [1], "state": "Aborted", "reason": "breakdown/spindle"},
        {"signal": "state", "texts": ["cutting*"], "state": "Executing", "also": [{"signal": "power", "above": 0.5}]},
    ],
    "otherwise": {"state": "idle"},
    "good": [{"signal": "parts", "rollover": 4_000_000}],
    "planned_run_time": [{"product": "O41*", "seconds": 55}, {"seconds": 60}],
}


def site_with(**changes: Any) -> Site:
    signals = [("state", "string"), ("power", "double"), ("fault", "boolean"), ("parts", "uint32")]
    settings = {
        "site": {"enterprise": "acme", "id": "north"},
        "equipment": [{"path": "machining/line/mill-{1..2}"}],
        "sources": [{"protocol": "opcua", "id": "plc", "url": "opc.tcp://plc:4840"}],
        "signals": [
            {"equipment": "machining/line/*", "name": name, "source": "plc", "address": f"nsu=u;s={{unit}}.{name}", "data_type": kind}
            for name, kind in signals
        ],
        "reasons": [{"path": "breakdown", "loss": "breakdown", "names": {"zh": "故障"}}, {"path": "breakdown/spindle"}],
        "states": [GOOD | {"equipment": "machining/line/*"} | changes],
    }
    return site_of(SiteFile.model_validate(settings))


def test_one_entry_gives_a_model_to_each_equipment_that_fits() -> None:
    states = site_with().states
    assert [model.equipment.rpartition("/")[2] for model in states.models] == ["mill-1", "mill-2"]
    rule = states.models[1].rules[1]
    assert rule.state is EquipmentState.EXECUTE
    assert [(c.signal.rpartition("/")[2], c.test) for c in rule.conditions] == [("state", Test.TEXTS), ("power", Test.ABOVE)]
    assert [states.models[0].run_time_us(name) for name in ("O4101", "X")] == [55_000_000, 60_000_000]


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ("Executing", "execute"),
        ("NotAvailable", "not_available"),
        ("out of service", "aborted"),
        ("Unholding", "unholding"),
        ("Held", "held"),
    ],
)
def test_states_are_known_by_the_names_of_packml_and_of_opc_40001(written: str, state: str) -> None:
    assert state_named(written).value == state


def test_each_state_says_its_name_in_opc_40001_and_what_its_time_is() -> None:
    assert {state.machinery for state in EquipmentState} == {"Executing", "NotExecuting", "OutOfService", "NotAvailable", ""}
    assert loss_of(EquipmentState.EXECUTE, OperationMode.PROCESSING) is Loss.PRODUCTION
    assert loss_of(EquipmentState.EXECUTE, OperationMode.SETUP) is Loss.SETUP
    assert loss_of(EquipmentState.UNKNOWN, OperationMode.SETUP) is Loss.UNKNOWN


def test_a_reason_counts_as_the_one_above_it_says_and_has_names_by_language() -> None:
    tree = site_with().states.reasons
    assert tree.loss("breakdown/spindle") is Loss.BREAKDOWN
    assert tree.name("breakdown/spindle", "zh") == "故障 / spindle"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"rules": [{"signal": "stat", "texts": ["x"], "state": "idle"}]},
            r"states\[1\].rules\[1\].signal: .*has no signal 'stat'; it has: fault",
        ),
        ({"rules": [{"signal": "state", "above": 1, "state": "idle"}]}, r"rules\[1\]: signal 'state' is string: look at it by 'texts'"),
        ({"rules": [{"signal": "power", "texts": ["x"], "state": "idle"}]}, r"rules\[1\]: signal 'power' is double: look at it by numbers"),
        ({"rules": [{"signal": "power", "above": 1, "state": "idle", "reason": "lunch"}]}, r"reason: there is no reason 'lunch'"),
        ({"good": [{"signal": "state"}]}, r"good\[1\].signal: 'state' is text"),
        ({"equipment": "painting/*"}, r"states\[1\].equipment: no equipment fits 'painting/\*'"),
    ],
)
def test_the_check_says_what_is_wrong_and_where(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        site_with(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rules": [{"signal": "power", "above": 1, "state": "runing"}]}, "'runing' is no state; PackML has"),
        ({"rules": [{"signal": "power", "above": 1, "below": 2, "state": "idle"}]}, "not above and below"),
        ({"rules": [{"signal": "power", "state": "idle"}]}, "not none"),
        ({"produced": [{"signal": "parts"}]}, "count 'good' or 'produced', not both"),
        ({"reasons": [{"path": "a b"}]}, "Extra inputs"),
    ],
)
def test_words_that_mean_nothing_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        site_with(**changes)
