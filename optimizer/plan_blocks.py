"""Which operations of a list are bound to each other, so that they must be put together."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.plan_shape import Shape


def blocks(shape: Shape, order: Sequence[int], mode: Sequence[int]) -> list[list[int]]:
    """Return the list as blocks, each at the place of its first operation, each with what it has to wait for before it."""
    rows: dict[int, list[int]] = {}
    for at in order:
        if shape.start[at] is None:
            rows.setdefault(shape.job[at], []).append(at)
    block_of: dict[int, list[int]] = {}
    for mine in rows.values():
        until = _bound(shape, mine, mode)
        row = 0
        while row < len(mine):
            end, at_row = until[row], row
            while at_row <= end:
                end = max(end, until[at_row])
                at_row += 1
            block = mine[row : end + 1]
            block_of.update((at, block) for at in block)
            row = end + 1
    return [block_of[at] for at in order if at in block_of and block_of[at][0] == at]


def _bound(shape: Shape, mine: list[int], mode: Sequence[int]) -> list[int]:
    """Return of each operation of a job, in the order of the list, the row of the last that is bound to its end."""
    units = shape.problem.units
    place = {at: row for row, at in enumerate(mine)}
    until = list(range(len(mine)))
    for row, at in enumerate(mine):
        if row and units[shape.unit[mode[at]]].buffer is not None:
            until[row - 1] = max(until[row - 1], row)
        for before, _, most in shape.before[at]:
            if most >= 0 and before in place:
                until[place[before]] = max(until[place[before]], row)
    return until
