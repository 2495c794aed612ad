"""Mixed models in order on a line: what is promised of an order, against every order there is and against other code."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from leadhand.__main__ import app
from optimizer.sequence_exchanges import exchange
from optimizer.sequencing import goal_chasing, level_bound, machines_in_turn, most_even, sequence
from plant.errors import SettingsError
from plant.mix_file import read_mix
from plant.model_mix import Mix, Option, Station, Weights, mix_faults, mix_measures, sequence_faults

EXAMPLE = Path("docs/examples/sequence/mix.json")


def unhurried() -> float:
    """Return a time that does not pass: what comes out does not hang on how fast this machine is."""
    return 0.0


def mix_of(
    machines: int,
    models: int,
    seed: int,
    options: tuple[tuple[int, int], ...] = ((1, 2), (2, 3)),
    *,
    filled: float = 0.9,
    before: int = 2,
    windows: bool = True,
) -> Mix:
    """Return a random mix whose options are had by at most ``filled`` of the places that their ratios leave."""
    random = np.random.default_rng(seed)
    model = np.sort(random.integers(models, size=machines)).astype(np.int32)
    counts = np.bincount(model, minlength=models)
    has = np.zeros((models, len(options)), bool)
    for at, (most, of) in enumerate(options):
        had = 0
        for one in random.permutation(models):
            if had + counts[one] <= filled * machines * most / of:
                has[one, at] = True
                had += counts[one]
    latest = np.full(machines, machines - 1, np.int32)
    if windows:
        latest[random.integers(machines)] = machines // 2
    return Mix(
        name="random",
        takt_s=360.0,
        models=tuple(f"M{at}" for at in range(models)),
        options=tuple(Option(f"option {at}", *one) for at, one in enumerate(options)),
        has=has,
        stations=tuple(Station(f"station {at}", 45.0) for at in range(3)),
        work_s=random.integers(290, 420, (3, models)).astype(float),
        setup_s=random.integers(0, 300, (models, models)) * (1.0 - np.eye(models)),
        machines=tuple(f"no. {at}" for at in range(machines)),
        model=model,
        earliest=np.zeros(machines, np.int32),
        latest=latest,
        before=random.integers(models, size=before).astype(np.int32),
        weights=Weights(),
    )


@pytest.mark.parametrize("seed", range(3))
def test_no_order_of_all_there_are_is_better_for_a_small_mix(seed: int) -> None:
    mix = mix_of(6, 4, seed)
    least = min(mix_measures(mix, np.array(order, np.int32)).cost for order in permutations(range(6)))

    assert sequence(mix, seed=seed, clock=unhurried).measures.cost == pytest.approx(least)


@pytest.mark.parametrize("counts", [(3, 2, 1), (4, 1, 1), (2, 2, 2), (5, 2), (1, 1, 1, 3)])
def test_the_bound_of_the_variation_is_the_least_of_all_orders(counts: tuple[int, ...]) -> None:
    models = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    mix = mix_of(len(models), len(counts), 0, (), before=0, windows=False)
    mix = Mix(**{name: getattr(mix, name) for name in mix.__slots__} | {"model": models})
    least = min(mix_measures(mix, np.array(order, np.int32)).model_variation for order in permutations(range(len(models))))

    assert level_bound(mix) == pytest.approx(least)
    even = machines_in_turn(mix, most_even(np.array(counts)))
    assert mix_measures(mix, even).model_variation == pytest.approx(least)


@pytest.mark.parametrize("seed", range(6))
def test_what_exchanges_say_they_gain_is_what_counting_afresh_finds(seed: int) -> None:
    mix = mix_of(60, 9, seed, ((1, 2), (2, 5), (1, 4)), filled=1.1, before=seed)
    start = machines_in_turn(mix, mix.model)

    now, best, gain = exchange(mix, start, 3_000, (50.0, 1.0), seed)

    assert sorted(best) == sorted(now) == list(range(60))
    assert gain > 0
    assert mix_measures(mix, start).cost - mix_measures(mix, best).cost == pytest.approx(gain)


def test_an_order_keeps_every_ratio_and_is_nearly_as_even_as_any() -> None:
    mix = mix_of(200, 20, 3, ((1, 3), (2, 5)), filled=0.9)

    found = sequence(mix, seed=1, clock=unhurried)

    assert found.faults == ()
    assert found.measures.ratios_kept
    assert found.bound <= found.measures.model_variation
    assert found.measures.cost < 0.5 * mix_measures(mix, goal_chasing(mix)).cost


def test_the_same_mix_and_seed_give_the_same_order() -> None:
    mix = mix_of(40, 6, 5)

    assert list(sequence(mix, seed=2, clock=unhurried).order) == list(sequence(mix, seed=2, clock=unhurried).order)


def test_without_time_an_order_comes_from_goal_chasing_alone() -> None:
    mix = mix_of(60, 8, 1)

    found = sequence(mix, seconds=0)

    assert sorted(found.order) == list(range(60))
    assert found.by in {"goal chasing", "most even order"}


def test_what_is_wrong_with_an_order_is_said_in_words() -> None:
    mix = read_mix(EXAMPLE.read_text("utf-8"), "mix.json")
    in_rows = np.arange(len(mix.machines), dtype=np.int32)
    twice = in_rows.copy()
    twice[0] = 1

    assert "machine K-2201 of order 77120 is not in the order" in sequence_faults(mix, twice)
    assert "machine ZE75G #1 is 2 times in the order" in sequence_faults(mix, twice)
    assert "long_stick: 3 of places 1 to 3, 2 of 3 may be" in sequence_faults(mix, in_rows)
    assert "machine K-2201 of order 77120 has place 41, after its last, 6" in sequence_faults(mix, in_rows[::-1].copy())


def test_a_ratio_goes_on_from_what_is_on_the_line_already() -> None:
    text = {
        "leadhand": "mix/1",
        "takt_s": 60,
        "options": [{"name": "heavy", "at_most": 1, "of": 2}],
        "before": ["A"],
        "models": [{"name": "A", "count": 1, "options": ["heavy"]}, {"name": "B", "count": 1}],
    }
    mix = read_mix(json.dumps(text), "mix.json")

    assert sequence_faults(mix, np.array([0, 1], np.int32)) == ("heavy: 2 of places 1 to 1, 1 of 2 may be",)
    assert sequence(mix, clock=unhurried).faults == ()


def test_work_beyond_takt_and_drift_is_counted_as_a_person_does() -> None:
    # takt 100 s, drift 20 s; work 110, 115, 90: late 10; 10 + 115 - 100 = 25, 5 beyond, late 20; 20 + 90 - 100 = 10
    text = {
        "leadhand": "mix/1",
        "takt_s": 100,
        "stations": [{"name": "cab", "drift_s": 20}],
        "models": [{"name": str(work), "count": 1, "work_s": {"cab": work}} for work in (110, 115, 90)],
    }

    assert mix_measures(read_mix(json.dumps(text), "mix.json"), np.array([0, 1, 2], np.int32)).utility_s == {"cab": 5.0}


def test_a_ratio_that_no_order_can_keep_is_told_by_counting() -> None:
    text = {
        "leadhand": "mix/1",
        "takt_s": 60,
        "options": [{"name": "heavy", "at_most": 1, "of": 3}],
        "models": [{"name": "A", "count": 4, "options": ["heavy"]}, {"name": "B", "count": 5}],
    }
    mix = read_mix(json.dumps(text), "mix.json")

    assert mix_faults(mix) == ("heavy: 4 machines have it, but of 9 only 3 can where 1 of 3 may",)
    assert len(sequence(mix, clock=unhurried).faults) > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"takt_s": 0}, "mix.json: takt_s: Input should be greater than 0"),
        ({"tackt": 1}, "mix.json: tackt: unknown key"),
        ({"before": ["ZE1"]}, "mix.json: before[1]: there is no model 'ZE1'"),
        ({"options": []}, "mix.json: models[1] ZE75G: there is no option 'long_stick'"),
        (
            {"machines": [{"name": "K", "model": "ZE75G", "earliest": 5, "latest": 4}]},
            "mix.json: machines[1]: latest (4) must not be before",
        ),
        (
            {"setups": [{"name": "paint", "states": ["a", "b"], "seconds": [[0]]}]},
            "mix.json: setups[1]: 'seconds' must have 2 rows of 2 numbers",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_key(change: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as told:
        read_mix(json.dumps(json.loads(EXAMPLE.read_text("utf-8")) | change), "mix.json")

    assert any(one.startswith(words) for one in told.value.problems)


def test_a_file_becomes_an_order_at_the_command_line() -> None:
    told = CliRunner().invoke(app, ["sequence", str(EXAMPLE), "--json", "--seed", "3", "--seconds", "3600"])

    assert told.exit_code == 0
    record = json.loads(told.stdout)
    assert record["verified"] is True
    assert len(record["sequence"]) == 41
    assert record["ratios_broken"] == {"heavy_boom": 0, "long_stick": 0}
    assert next(one["place"] for one in record["sequence"] if one["machine"].startswith("K-2201")) <= 6
    assert record["model_variation_bound"] <= record["model_variation"]
