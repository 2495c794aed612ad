"""States from samples: the same however time is cut, and never running where nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.counts import CounterFault, CounterSeen, count
from monitor.states import NO_SAMPLES, Memory, SignalSamples, tell
from plant.equipment import EquipmentId
from plant.signals import SignalPath
from plant.states import Condition, Counter, EquipmentState, StateInterval, StateModel, StateRule, Test

E = EquipmentId("a/b/c/d/mill")
STATE, FAULT, POWER, PARTS, PROGRAM = (SignalPath(f"{E}/{name}") for name in ("state", "fault", "power", "parts", "program"))
S = EquipmentState
SECOND = 1_000_000
MODEL = StateModel(
    E,
    (
        StateRule((Condition(FAULT, Test.EQUALS, numbers=(1.0,)),), S.ABORTED, reason="breakdown"),
        StateRule((Condition(STATE, Test.TEXTS, texts=("cut*",)), Condition(POWER, Test.ABOVE, limit=5.0)), S.EXECUTE),
        StateRule((Condition(PARTS, Test.RISES, window_us=3 * SECOND),), S.COMPLETING, may_be_missing=True),
    ),
    StateRule((), S.IDLE),
    hold_us=2 * SECOND,
    product=PROGRAM,
)


def column(*rows: tuple[float, float | str | None] | tuple[float, float | str | None, bool]) -> SignalSamples:
    """Samples as (seconds, value or text, good)."""
    text = np.empty(len(rows), np.object_)
    text[:] = [row[1] if isinstance(row[1], str) else None for row in rows]
    return SignalSamples(
        np.array([round(row[0] * SECOND) for row in rows], np.int64),
        np.array([float(row[1]) if isinstance(row[1], int | float) else np.nan for row in rows]),
        np.array([row[2] if len(row) > 2 else True for row in rows], np.bool_),
        text,
    )


ALL_WELL = {FAULT: column((0, 0)), STATE: column((0, "cutting")), POWER: column((0, 9)), PARTS: column((0, 7)), PROGRAM: column((0, "O1"))}


def told(
    samples: dict[SignalPath, SignalSamples],
    until: float,
    gaps: dict[SignalPath, list[tuple[int, int]]] | None = None,
    model: StateModel = MODEL,
) -> list[tuple[float, float, str]]:
    found = tell(model, Memory(0, {}, {}), samples, gaps or {}, round(until * SECOND))
    assert found.memory.open is not None
    return [(i.from_us / SECOND, i.to_us / SECOND, i.state.value) for i in [*found.closed, found.memory.open]]


def test_the_first_rule_that_holds_decides() -> None:
    samples = ALL_WELL | {FAULT: column((0, 0), (4, 1), (6, 0)), STATE: column((0, "cutting"), (8, "probing"))}
    assert told(samples, 10) == [(0, 4, "execute"), (4, 6, "aborted"), (6, 8, "execute"), (8, 10, "idle")]


def test_a_bad_or_missing_signal_makes_the_state_unknown_and_not_running() -> None:
    assert told(ALL_WELL | {FAULT: column((0, 0), (4, None, False), (6, 0))}, 8)[1] == (4, 6, "unknown")
    assert told(ALL_WELL | {FAULT: NO_SAMPLES}, 8) == [(0, 8, "unknown")]


def test_a_signal_that_cannot_matter_any_more_may_be_missing() -> None:
    assert told(ALL_WELL | {FAULT: column((0, 1)), POWER: NO_SAMPLES}, 8) == [(0, 8, "aborted")]
    assert told(ALL_WELL | {STATE: column((0, "probing")), POWER: NO_SAMPLES}, 8) == [(0, 8, "idle")]


def test_a_rule_that_may_be_missing_is_passed_by_but_never_lets_the_rest_be_taken_for_known() -> None:
    idle = ALL_WELL | {STATE: column((0, "probing")), PARTS: NO_SAMPLES}
    assert told(idle, 8) == [(0, 8, "unknown")]
    assert told(ALL_WELL | {PARTS: NO_SAMPLES}, 8) == [(0, 8, "execute")]


def test_a_gap_lets_the_last_value_stand_for_the_time_it_may_and_then_the_state_is_unknown() -> None:
    gaps = {POWER: [(2 * SECOND, 3 * SECOND), (3 * SECOND, 7 * SECOND)]}
    assert told(ALL_WELL, 10, gaps) == [(0, 4, "execute"), (4, 7.001, "unknown"), (7.001, 10, "execute")]
    assert told(ALL_WELL, 10, {POWER: [(2 * SECOND, 2 * SECOND + 30_000)]}) == [(0, 10, "execute")]


def test_a_source_that_falls_silent_tells_nothing_where_the_settings_say_so() -> None:
    spoken = {path: column(*((t / 2, v) for t in range(40))) for path, v in ((FAULT, 0), (STATE, "cutting"), (PARTS, 1))}
    samples = ALL_WELL | spoken | {POWER: column((0, 9), (1, 9), (6, 9), (7, 9), (8, 9), (9, 9))}
    assert told(samples, 9.4, model=replace(MODEL, silent_us=2 * SECOND, product=None)) == [
        *((0, 3, "execute"), (3, 6, "unknown"), (6, 9.4, "execute")),
    ]


def test_a_counter_that_rises_tells_a_state_for_a_time() -> None:
    samples = ALL_WELL | {STATE: column((0, "probing")), PARTS: column((0, 7), (2, 8), (4, 9), (9, 1))}
    assert told(samples, 10) == [(0, 2, "idle"), (2, 7, "completing"), (7, 10, "idle")]


def test_product_and_part_divide_an_interval_and_it_is_still_known_since_when_the_state_holds() -> None:
    found = tell(MODEL, Memory(0, {}, {}), ALL_WELL | {PROGRAM: column((0, "O1"), (3, "O2"))}, {}, 5 * SECOND)
    assert found.memory.open is not None
    assert [(i.product, i.since_us) for i in [*found.closed, found.memory.open]] == [("O1", 0), ("O2", 0)]


_VALUES = {
    FAULT: st.sampled_from([0.0, 1.0, None]),
    STATE: st.sampled_from(["cutting", "probing", None]),
    POWER: st.sampled_from([0.0, 9.0, 9.5]),
    PARTS: st.integers(0, 4),
    PROGRAM: st.sampled_from(["O1", "O2"]),
}


@st.composite
def _histories(draw: st.DrawFn) -> dict[SignalPath, SignalSamples]:
    found = {}
    for path, values in _VALUES.items():
        times = sorted(draw(st.sets(st.integers(0, 60), max_size=12)))
        found[path] = column(*((t / 2, draw(values), draw(st.integers(0, 9)) > 0) for t in times))
    return found


_GAPS = st.dictionaries(
    st.sampled_from([POWER, STATE, FAULT]),
    st.lists(st.tuples(st.integers(0, 280), st.sampled_from([1, 3, 9, 40, 90])), min_size=1, max_size=5),
)


@given(
    _histories(),
    st.lists(st.integers(1, 299), max_size=9),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([-1_001, -1_000, -999, -500, -1, 0, 1, 500, 1_000, 1_001])), max_size=6),
    st.sampled_from([0, 1, 500, 999, 1_000, 1_001, 1_500]),
    _GAPS,
    st.sampled_from([None, 4 * SECOND]),
    st.sampled_from([0, SECOND, 3 * SECOND]),
)
def test_intervals_are_the_same_however_time_is_cut(
    history: dict[SignalPath, SignalSamples],
    cuts: list[int],
    close: list[tuple[int, int]],
    hole_us: int,
    drawn: dict[SignalPath, list[tuple[int, int]]],
    silent_us: int | None,
    hold_us: int,
) -> None:
    model = replace(MODEL, silent_us=silent_us, hold_us=hold_us)
    tenth = SECOND // 10
    gaps = {path: _divided([(a * tenth, (a + n) * tenth) for a, n in spans], hole_us) for path, spans in drawn.items()}
    whole = _pieces(model, history, gaps, [30 * SECOND])
    # cuts close to where a hole between two pieces of one outage begins and ends, as well as anywhere
    ends = {cut * tenth for cut in cuts} | {max(1, min(second * SECOND + off, 30 * SECOND - 1)) for second, off in close}
    assert _pieces(model, history, gaps, [*sorted(ends), 30 * SECOND]) == whole
    assert whole[0].from_us == 0
    assert whole[-1].to_us == 30 * SECOND
    assert all(a.to_us == b.from_us for a, b in pairwise(whole))


@pytest.mark.parametrize("hold_us", [0, SECOND])
@pytest.mark.parametrize("hole_us", [0, 1, 500, 999, 1_000, 1_001, 1_500])
def test_a_cut_at_the_edge_of_a_hole_between_two_pieces_of_an_outage_changes_nothing(hole_us: int, hold_us: int) -> None:
    model = replace(MODEL, hold_us=hold_us)
    first = 5 * SECOND
    gaps = {POWER: [(3 * SECOND, first), (first + hole_us, 7 * SECOND)]}
    history = ALL_WELL | {POWER: column(*((t / 10, 9.0) for t in range(100)))}
    whole = _pieces(model, history, gaps, [10 * SECOND])
    for edge in (first, first + hole_us, first + 1_000):
        for off in (-1_001, -1_000, -1, 0, 1, 250, 1_000, 1_001):
            assert _pieces(model, history, gaps, [edge + off, 10 * SECOND]) == whole, (edge, off)


def _divided(spans: list[tuple[int, int]], hole_us: int) -> list[tuple[int, int]]:
    """Gaps as they are told: an outage piece by piece, each ending with a second, some of which do not quite touch."""
    found = []
    for a, b in spans:
        edges = [a, *range(a - a % SECOND + SECOND, b, SECOND), b]
        found += [(begin, min(b, end - (end // SECOND % 2) * hole_us)) for begin, end in pairwise(edges)]
    return [(begin, end) for begin, end in found if begin < end]


def _pieces(
    model: StateModel, history: dict[SignalPath, SignalSamples], gaps: dict[SignalPath, list[tuple[int, int]]], ends: Sequence[int]
) -> list[StateInterval]:
    memory = Memory(0, {}, {})
    found: dict[int, StateInterval] = {}
    for end in ends:
        begin = memory.done_us
        piece = {path: _cut(samples, begin, end) for path, samples in history.items()}
        # a gap is known, as stored, by what of it lies before the end of the piece
        known = {path: [(a, min(b, end)) for a, b in spans if a < end and b >= begin - model.hold_us] for path, spans in gaps.items()}
        one = tell(model, memory, piece, known, end)
        memory = one.memory
        assert memory.open is not None
        found |= {i.from_us: i for i in [*one.closed, memory.open]}
    return list(found.values())


def _cut(samples: SignalSamples, begin: int, end: int) -> SignalSamples:
    chosen = (samples.time_us >= begin) & (samples.time_us < end)
    return SignalSamples(samples.time_us[chosen], samples.value[chosen], samples.good[chosen], samples.text[chosen])


@pytest.mark.parametrize(
    ("values", "counter", "pieces", "faults"),
    [
        ([5, 6, 8, 8], Counter(PARTS), 3, []),
        ([5, 0, 2], Counter(PARTS), 2, [CounterFault.RESET]),
        ([98, 99, 1], Counter(PARTS, rollover=100), 3, []),
        ([105, 104, 106], Counter(PARTS), 2, [CounterFault.SET_BACK]),
        ([5, 5000, 5001], Counter(PARTS, most=10), 1, [CounterFault.JUMP]),
        ([5, -1, -1, 6], Counter(PARTS), 1, [CounterFault.NEGATIVE]),
        ([5, None, 6], Counter(PARTS, worth=4), 4, []),
    ],
)
def test_a_counter_counts_what_was_made_and_notes_what_cannot_have_been(
    values: list[float | None], counter: Counter, pieces: int, faults: list[CounterFault]
) -> None:
    found = count(counter, CounterSeen(), column(*((n, v, v is not None) for n, v in enumerate(values))))
    assert (int(found.pieces.sum()), [one.fault for one in found.noted]) == (pieces, faults)


@given(st.lists(st.integers(-2, 30), max_size=20), st.lists(st.integers(0, 20), max_size=4))
def test_counts_are_the_same_however_time_is_cut(values: list[int], cuts: list[int]) -> None:
    counter = Counter(PARTS, rollover=31, most=12)
    samples = column(*((n, v) for n, v in enumerate(values)))
    whole = count(counter, CounterSeen(), samples)
    seen, pieces, noted = CounterSeen(), [], []
    for begin, end in pairwise([0, *sorted(cuts), 21]):
        one = count(counter, seen, _cut(samples, begin * SECOND, end * SECOND))
        seen = one.seen
        pieces += one.pieces.tolist()
        noted += one.noted
    assert (pieces, noted, seen) == (whole.pieces.tolist(), whole.noted, whole.seen)
