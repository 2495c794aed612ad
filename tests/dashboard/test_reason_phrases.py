from __future__ import annotations

import pytest

from dashboard.inspection_words import reason_sentence
from dashboard.texts import texts_of
from plant.inspections import Reason
from plant.joint_words import FAULT_WORDS


@pytest.mark.parametrize(
    "reason",
    [
        Reason("suspected", {"fault": FAULT_WORDS["cross_thread"]}),
        Reason("tool_not_ok", {"why": "no curve"}),
        Reason("order_unknown", {"why": "not judged"}),
        Reason("unusual", {"what": "3: peak torque", "value": 1.0, "low": 2.0, "high": 3.0, "unit": ""}),
        Reason("never_reached", {"what": "angle from 70 % of the torque to the next tenth"}),
        Reason("circle_off", {"off": 2.4, "limit": 1.5}),
        Reason("bolt_beside", {"off": 3.1, "limit": 1.0}),
        Reason("harsh", {"value": 8218, "limit": 6000.0}),
        Reason("circle_unsure", {"sigma": 0.7, "limit": 0.5}),
    ],
)
def test_a_reason_said_in_chinese_holds_no_english_phrase(reason: Reason) -> None:
    said = reason_sentence(reason, texts_of("zh"))
    assert not any(letter.isascii() and letter.isalpha() for letter in said.replace("mm", "").replace("NOK", ""))


def test_a_phrase_that_is_not_ours_stays_as_it_was_told() -> None:
    assert "E-4711 {x}" in reason_sentence(Reason("tool_not_ok", {"why": "E-4711 {x}"}), texts_of("zh"))
