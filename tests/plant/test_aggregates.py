"""Aggregates against the worked examples of OPC 10000-13, annex A: historians 1 to 4, values and status codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from plant import aggregates as agg
from plant.aggregate_bounds import History, Rules
from plant.aggregates import IGNITION, Aggregate, aggregate
from plant.status import BAD, BAD_NO_DATA, GOOD, UNCERTAIN, UNCERTAIN_DATA_SUB_NORMAL

SECOND = 1_000_000
_IRREGULAR = ((2, 10), (25, 20), (28, 25), (39, 30), (42, None), (48, 40), (52, 50), (72, 60), (77, 70), (83, 70), (86, 80), (90, 90))
_FLAGS = (1, 0, 1, 1, None, 1, 0, 0, 1, 1, 0, 1)


def history(points: list[tuple[int, float | None, int]], until: int | None = None) -> History:
    return History(
        np.array([t * SECOND for t, _, _ in points], np.int64),
        np.array([np.nan if v is None else v for _, v, _ in points], np.float64),
        np.array([s for _, _, s in points], np.uint32),
        None if until is None else until * SECOND,
    )


def _irregular(values: tuple[float | None, ...]) -> History:
    status = {42: BAD, 77: UNCERTAIN}
    return history([(t, v, status.get(t, GOOD)) for (t, _), v in zip(_IRREGULAR, values, strict=True)])


_ONE = history([(10 * n, 10.0 * n, {4: BAD, 7: UNCERTAIN}.get(n, GOOD)) for n in range(1, 10)])
_TWO = _irregular(tuple(v for _, v in _IRREGULAR))
_FOUR = _irregular(_FLAGS)
HISTORIANS = {
    1: (_ONE, Rules(treat_uncertain_as_bad=False)),
    2: (_TWO, Rules()),
    3: (_TWO, Rules(stepped=True, percent_bad=50, percent_good=50)),
    4: (_FOUR, Rules(stepped=True)),
}
_BITS = {"C": agg.CALCULATED, "I": agg.INTERPOLATED, "P": agg.PARTIAL, "M": agg.MULTIPLE_VALUES}
_CODES = {"G": GOOD, "U": UNCERTAIN_DATA_SUB_NORMAL, "u": UNCERTAIN}


@dataclass(frozen=True)
class Table:
    """One table of the annex: a row is the time where it is not the interval's start, value and status (first letter, then bits)."""

    wanted: Aggregate
    historian: int
    seconds: int
    rows: str


TABLES = [
    Table(
        Aggregate.INTERPOLATIVE,
        1,
        5,
        "- - 10/G 15/GI 20/G 25/GI 30/G 35/UI 40/UI 45/UI 50/G 55/GI 60/G 65/UI 70/u 75/UI 80/G 85/GI 90/G 90/UI",
    ),
    Table(
        Aggregate.INTERPOLATIVE,
        2,
        5,
        "- 11.304/GI 13.478/GI 15.652/GI 17.826/GI 20/G 25.909/GI 28.182/GI 31.111/UI 36.667/UI 45/GI 51.500/GI 54/GI 56.500/GI 59/GI "
        "62.727/UI 67.273/UI 76.667/GI 90/G",
    ),
    Table(
        Aggregate.TIME_AVERAGE,
        1,
        5,
        "- - 12.5/GC 17.5/GC 22.5/GC 27.5/GC 32.5/UC 37.5/UC 42.5/UC 47.5/UC 52.5/GC 57.5/GC 62.5/UC 67.5/UC 72.5/UC 77.5/UC "
        "82.5/GC 87.5/GC 90/UC 90/UC",
    ),
    Table(
        Aggregate.TIME_AVERAGE_2,
        1,
        5,
        "- - 12.5/GC 17.5/GC 22.5/GC 27.5/GC 30/UC 30/UC - - 52.5/GC 57.5/GC 62.5/UC 67.5/UC 72.5/UC 77.5/UC 82.5/GC 87.5/GC 90/UCP -",
    ),
    Table(
        Aggregate.TIME_AVERAGE_2,
        2,
        5,
        "10.652/UCP 12.391/GC 14.565/GC 16.739/GC 18.913/GC 23.682/GC 27.046/GC 29.273/UC 30/UC 42.5/UC 49.45/GC 52.75/GC 55.25/GC "
        "57.75/GC 59.8/UC",
    ),
    Table(Aggregate.MINIMUM_ACTUAL_TIME, 1, 16, "10@10/GP 20@20/G - 50@50/G - 80@80/GP -"),
    Table(Aggregate.MINIMUM_ACTUAL_TIME, 2, 16, "2@10/GP 25@20/G 39@30/U 48@40/G 72@60/U 83@70/GP -"),
    Table(Aggregate.MINIMUM_ACTUAL_TIME, 3, 16, "2@10/GP 25@20/G 39@30/U 48@40/G 72@60/U 83@70/GP -"),
    Table(Aggregate.MAXIMUM_ACTUAL_TIME, 1, 16, "10@10/GP 30@30/G - 60@60/G - 90@90/GP -"),
    Table(Aggregate.MAXIMUM_ACTUAL_TIME, 2, 16, "2@10/GP 28@25/G 39@30/U 52@50/G 72@60/U 90@90/GP -"),
    Table(Aggregate.MINIMUM_2, 1, 16, "10/UCP 16/UI 30/UI 50/UC 64/UI 80/UP -"),
    Table(Aggregate.MINIMUM_2, 2, 16, "10/UCP 16.087/GI 26.818/UI 40/G 56/UI 70/UCP -"),
    Table(Aggregate.MINIMUM_2, 3, 16, "10/GCP 10/GI 25/GI 40/G 50/GI 70/GCP -"),
    Table(Aggregate.MINIMUM_ACTUAL_TIME_2, 1, 16, "10@10/UP 16@16/UI 32@30/UI 50@50/U 64@64/UI 80@80/UP -"),
    Table(Aggregate.MINIMUM_ACTUAL_TIME_2, 2, 16, "2@10/UP 16@16.087/GI 32@26.818/UI 48@40/G 64@56/UI 83@70/UP -"),
    Table(Aggregate.MINIMUM_ACTUAL_TIME_2, 3, 16, "2@10/GP 16@10/GI 32@25/GI 48@40/G 64@50/GI 83@70/GP -"),
    Table(Aggregate.MAXIMUM_ACTUAL_TIME_2, 1, 16, "15.999@16/UIP 30@30/UM 32@30/UI 63.999@64/UI 79.999@80/UI 90@90/UP -"),
    Table(Aggregate.MAXIMUM_ACTUAL_TIME_2, 2, 16, "15.999@16.087/UIP 31.999@26.818/GI 47.999@40/UI 63.999@56/GI 72@60/U 90@90/UP -"),
    Table(Aggregate.MAXIMUM_ACTUAL_TIME_2, 3, 16, "2@10/GP 28@25/G 39@30/G 52@50/G 72@60/G 90@90/GP -"),
    Table(Aggregate.DURATION_IN_STATE_ZERO, 4, 16, "0/UCP 3000/GC 0/UC 12000/GC 13000/UC 4000/UCP -"),
    Table(Aggregate.DURATION_IN_STATE_NON_ZERO, 4, 16, "14000/UCP 13000/GC 10000/UC 4000/GC 0/UC 3001/UCP -"),
    Table(Aggregate.START_BOUND, 1, 16, "-P 16/GI 30/UI - 64/UI 80/GP -"),
    Table(Aggregate.START_BOUND, 2, 16, "-P 16.087/GI 26.818/GI 40/G 56/GI -P -"),
    Table(Aggregate.START_BOUND, 3, 16, "-P 10/GI 25/GI 40/G 50/GI -P -"),
    Table(Aggregate.DURATION_GOOD, 1, 16, "6000/GCP 16000/GC 0/GC 14000/GC 0/GC 10001/GCP -"),
    Table(Aggregate.DURATION_GOOD, 2, 16, "14000/GCP 16000/GC 10000/GC 16000/GC 13000/GC 7001/GCP -"),
    Table(Aggregate.DURATION_GOOD, 3, 16, "14000/GCP 16000/GC 10000/GC 16000/GC 13000/GC 7001/GCP -"),
    Table(Aggregate.VARIANCE_SAMPLE, 1, 20, "0/GCP 50/GC 0/UC 0/UC 50/GCP"),
    Table(Aggregate.VARIANCE_SAMPLE, 2, 20, "0/GCP 25/GC 50/UC 0/UC 100/GCP"),
    Table(Aggregate.VARIANCE_SAMPLE, 3, 20, "0/GCP 25/GC 50/UC 0/UC 100/GCP"),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.wanted}-{table.historian}")
def test_the_examples_of_the_standard_come_out(table: Table) -> None:
    data, rules = HISTORIANS[table.historian]
    told = aggregate(table.wanted, data, 0, 100 * SECOND, table.seconds * SECOND, rules)
    wanted: list[tuple[float, float | None, int]] = []
    found: list[tuple[float, float | None, int]] = []
    for row, time, value, status in zip(table.rows.split(), told.time_us.tolist(), told.value.tolist(), told.status.tolist(), strict=False):
        start = len(wanted) * table.seconds
        if row.startswith("-"):
            wanted.append((float(start), None, BAD_NO_DATA | (agg.INFO | agg.PARTIAL if row == "-P" else 0)))
        else:
            number, _, letters = row.partition("/")
            at, _, figure = number.rpartition("@")
            bits = sum(_BITS[letter] for letter in letters[1:])
            wanted.append((float(at or start), float(figure), _CODES[letters[0]] | (agg.INFO | bits if bits else 0)))
        found.append((time / SECOND, None if np.isnan(value) else round(value, 3), status))
    readable = [(t, v, f"{s:08X}") for t, v, s in found]
    # the annex rounds halves its own way
    assert [(t, v is None, f"{s:08X}") for t, v, s in found] == [(t, v is None, f"{s:08X}") for t, v, s in wanted], readable
    assert [v for _, v, _ in found if v is not None] == pytest.approx([v for _, v, _ in wanted if v is not None], abs=0.00101)


def test_each_aggregate_gives_an_answer_for_each_interval_and_bad_data_never_give_a_good_one() -> None:
    bad = history([(n, None, BAD) for n in range(60)])
    for wanted in Aggregate:
        for data, rules in HISTORIANS.values():
            assert len(aggregate(wanted, data, 0, 100 * SECOND, 7 * SECOND, rules)) == 15
        told = aggregate(wanted, bad, 10 * SECOND, 50 * SECOND, 0)
        if not np.isnan(told.value[0]) and wanted not in {Aggregate.DURATION_GOOD, Aggregate.DURATION_BAD, Aggregate.WORST_QUALITY}:
            assert wanted in {
                *(Aggregate.PERCENT_GOOD, Aggregate.PERCENT_BAD, Aggregate.WORST_QUALITY_2, Aggregate.COUNT),
                Aggregate.NUMBER_OF_TRANSITIONS,
            }
        empty = aggregate(wanted, history([]), 0, SECOND)
        assert (np.isnan(empty.value[0]), empty.status[0]) == (True, BAD_NO_DATA)


def test_a_value_that_rests_is_known_until_its_source_is() -> None:
    resting = history([(0, 5.0, GOOD)], until=60)
    told = aggregate(Aggregate.TIME_AVERAGE_2, resting, 0, 90 * SECOND, 30 * SECOND, Rules(stepped=True))
    assert told.value.tolist()[:2] == [5.0, 5.0]
    assert told.status.tolist()[:2] == [agg.INFO | agg.CALCULATED] * 2
    share = aggregate(Aggregate.PERCENT_GOOD, resting, 0, 80 * SECOND, 0, Rules(stepped=True))
    assert share.value[0] == pytest.approx(75, abs=0.01)
    assert aggregate(Aggregate.COUNT, resting, 30 * SECOND, 60 * SECOND).value[0] == 0


def test_a_slope_goes_on_beyond_the_data_only_where_the_rules_say_so() -> None:
    rising = history([(0, 0.0, GOOD), (10, 10.0, GOOD)])
    sloped = aggregate(Aggregate.INTERPOLATIVE, rising, 15 * SECOND, 20 * SECOND, 0, Rules(sloped_extrapolation=True))
    stepped = aggregate(Aggregate.INTERPOLATIVE, rising, 15 * SECOND, 20 * SECOND, 0)
    assert (sloped.value[0], stepped.value[0]) == (15.0, 10.0)
    assert sloped.status[0] == UNCERTAIN_DATA_SUB_NORMAL | agg.INFO | agg.INTERPOLATED


def test_totals_are_averages_times_seconds() -> None:
    data, rules = HISTORIANS[1]
    average = aggregate(Aggregate.TIME_AVERAGE, data, 10 * SECOND, 30 * SECOND, 5 * SECOND, rules)
    total = aggregate(Aggregate.TOTAL, data, 10 * SECOND, 30 * SECOND, 5 * SECOND, rules)
    assert total.value.tolist() == (average.value * 5).tolist()


def test_ignitions_names_mean_standard_aggregates() -> None:
    assert IGNITION["Average"] is Aggregate.TIME_AVERAGE_2
    assert IGNITION["PctGood"] is Aggregate.PERCENT_GOOD


def test_a_span_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie before"):
        aggregate(Aggregate.COUNT, _ONE, 5, 5)
