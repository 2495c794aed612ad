"""The cells that fine-tuning is judged by."""

import hashlib
import json

from simulators.weld_cell import weld_cell
from simulators.weld_cell_torque import torque_cell
from simulators.weld_cell_truth import VERSION, Cell


def _printed(cell: Cell) -> str:
    run = cell.run(cell.start, 80)
    told = {
        "start": cell.start,
        "good": int(run.good.sum()),
        "scrapped": int(run.scrapped.sum()),
        "responses": {name: round(value, 5) for name, value in run.responses.items()},
        "yield": round(cell.true_yield(cell.start), 5),
        "windows": cell.windows_toml(),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def test_the_cells_are_frozen() -> None:
    assert VERSION == "cell/1"
    assert [_printed(make(seed)) for make in (weld_cell, torque_cell) for seed in (1, 2)] == [
        "bc9ab5c329806b80",
        "74094f0ee78ab58f",
        "6565edb477129878",
        "880dc00cbdd51763",
    ]


def test_a_cell_can_become_better_than_its_accepted_recipe() -> None:
    for cell in (weld_cell(1001), torque_cell(1001)):
        assert cell.best_yield() > cell.true_yield(cell.start) + 0.05


def test_a_cell_makes_good_parts_as_often_as_its_hidden_truth_says() -> None:
    cell = weld_cell(1002)
    made = [cell.run(cell.start, 100).good.mean() for _ in range(40)]
    assert abs(sum(made) / 40 - cell.true_yield(cell.start)) < 0.04
