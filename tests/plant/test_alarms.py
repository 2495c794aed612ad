from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.alarms import AlarmEvent, AlarmLife, AlarmState, lived
from plant.errors import Rejected

E = AlarmEvent
S = AlarmState


def after(*events: AlarmEvent, latching: bool = False) -> AlarmLife:
    life = AlarmLife()
    for event in events:
        life = lived(life, event, latching=latching, until_us=1)
    return life


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), S.NORMAL),
        ((E.ACTIVE,), S.UNACKNOWLEDGED),
        ((E.ACTIVE, E.ACKNOWLEDGE), S.ACKNOWLEDGED),
        ((E.ACTIVE, E.INACTIVE), S.RETURNED),
        ((E.ACTIVE, E.ACKNOWLEDGE, E.INACTIVE), S.NORMAL),
        ((E.ACTIVE, E.INACTIVE, E.ACKNOWLEDGE), S.NORMAL),
        ((E.ACTIVE, E.INACTIVE, E.ACTIVE), S.UNACKNOWLEDGED),
        ((E.ACTIVE, E.ACKNOWLEDGE, E.INACTIVE, E.ACTIVE), S.UNACKNOWLEDGED),
        ((E.ACTIVE, E.SHELVE), S.SHELVED),
        ((E.SHELVE, E.ACTIVE), S.SHELVED),
        ((E.SHELVE, E.ACTIVE, E.UNSHELVE), S.UNACKNOWLEDGED),
        ((E.ACTIVE, E.SHELVE, E.INACTIVE, E.UNSHELVE), S.NORMAL),
        ((E.ACTIVE, E.SUPPRESS), S.SUPPRESSED),
        ((E.ACTIVE, E.SUPPRESS, E.UNSUPPRESS), S.UNACKNOWLEDGED),
        ((E.ACTIVE, E.REMOVE), S.OUT_OF_SERVICE),
        ((E.SHELVE, E.REMOVE, E.ACTIVE, E.RETURN), S.UNACKNOWLEDGED),
        ((E.SUPPRESS, E.REMOVE, E.UNSUPPRESS), S.OUT_OF_SERVICE),
        ((E.SHELVE, E.SUPPRESS, E.UNSUPPRESS), S.SHELVED),
    ],
)
def test_an_alarm_lives_as_isa_18_2_draws_it(events: tuple[AlarmEvent, ...], state: AlarmState) -> None:
    assert after(*events).state is state


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((E.ACTIVE, E.INACTIVE), S.LATCHED_UNACKNOWLEDGED),
        ((E.ACTIVE, E.ACKNOWLEDGE, E.INACTIVE), S.LATCHED_ACKNOWLEDGED),
        ((E.ACTIVE, E.INACTIVE, E.ACKNOWLEDGE, E.RESET), S.NORMAL),
        ((E.ACTIVE, E.INACTIVE, E.ACTIVE), S.UNACKNOWLEDGED),
        ((E.ACTIVE, E.SHELVE, E.INACTIVE, E.UNSHELVE), S.LATCHED_UNACKNOWLEDGED),
        ((E.ACTIVE, E.ACKNOWLEDGE, E.INACTIVE, E.SUPPRESS, E.UNSUPPRESS), S.LATCHED_ACKNOWLEDGED),
    ],
)
def test_a_latching_alarm_stays_until_it_is_reset(events: tuple[AlarmEvent, ...], state: AlarmState) -> None:
    assert after(*events, latching=True).state is state


@pytest.mark.parametrize(
    ("events", "forbidden", "why"),
    [
        ((E.ACTIVE,), E.RESET, "only a latched alarm"),
        ((E.ACTIVE, E.INACTIVE), E.RESET, "acknowledge"),
        ((E.ACTIVE, E.SHELVE), E.ACKNOWLEDGE, "shelved"),
        ((E.REMOVE,), E.SHELVE, "out of service"),
        ((E.SUPPRESS,), E.SHELVE, "suppressed"),
    ],
)
def test_what_a_person_may_not_do_is_refused_with_the_reason(events: tuple[AlarmEvent, ...], forbidden: AlarmEvent, why: str) -> None:
    life = after(*events, latching=True)
    with pytest.raises(Rejected, match=why):
        lived(life, forbidden, latching=True, until_us=1)


def test_nobody_shelves_an_alarm_for_ever() -> None:
    with pytest.raises(Rejected, match="until when"):
        lived(AlarmLife(), E.SHELVE)


@given(st.lists(st.sampled_from(AlarmEvent), max_size=30), st.booleans())
def test_an_alarm_that_is_active_and_not_silenced_is_always_seen(events: list[AlarmEvent], latching: bool) -> None:
    life = AlarmLife()
    for event in events:
        try:
            life = lived(life, event, latching=latching, until_us=1)
        except Rejected:
            continue
        silenced = life.out_of_service or life.suppressed or life.shelved_until_us is not None
        assert life.state.annunciated is not silenced or life.state is S.NORMAL
        if life.active and not silenced:
            assert life.state in {S.UNACKNOWLEDGED, S.ACKNOWLEDGED}
        if not life.active:
            assert life.state not in {S.UNACKNOWLEDGED, S.ACKNOWLEDGED}
        if not latching:
            assert life.state not in {S.LATCHED_ACKNOWLEDGED, S.LATCHED_UNACKNOWLEDGED}
