"""Where a walk through plans stands, as tables that compiled code changes in place: few, and of one type, so that compiling is quick."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plant.plan_problem import Ticks

# rows of ``Walk.cells``, columns over operations: what the shop says ...
PREVIOUS: Final = 0
"""The one before in its job, or -1."""
FOLLOWING: Final = 1
LAG: Final = 2
"""Least time after the one before."""
HEAD: Final = 3
"""No earlier start."""
STILL: Final = 4
"""1 where its time is fixed."""
ONLY: Final = 5
"""The one mode it may have, or -1."""
MODE_AT: Final = 6
MODE_TO: Final = 7
# ... and where the walk stands: heads and tails, and as they are while one operation is taken out
R: Final = 8
Q: Final = 9
P: Final = 10
RN: Final = 11
QN: Final = 12
GAP: Final = 13
"""Setup before it."""
BEFORE: Final = 14
"""On its unit."""
AFTER: Final = 15
ON: Final = 16
SPOT: Final = 17
"""On its unit."""
STATE: Final = 18
MODE: Final = 19
RANK: Final = 20
"""In the order of heads."""
WAITS: Final = 21
# rows that are lists
ORDER: Final = 22
PATH: Final = 23
ENDS: Final = 24
"""The last operations of jobs, then -1."""
CHANGED: Final = 25
BEST_MODE: Final = 26
BEST_ORDER: Final = 27
ROWS: Final = 28
# rows of ``Walk.modes``
UNIT: Final = 0
DURATION: Final = 1
NEEDS: Final = 2
"""The setup state."""
# rows of ``Walk.units``
SETUP_AT: Final = 0
STATES: Final = 1
FIRST_STATE: Final = 2
OPENS: Final = 3
"""No setup before."""
FILLED: Final = 4
FIRM: Final = 5
"""How many stand fixed at its beginning."""
# ``Walk.figures``
MOVES: Final = 0
BEST: Final = 1
LENGTH: Final = 2
FOUND_AT: Final = 3
LUCK: Final = 4
"""Drawn from, never 0."""
VALUE: Final = 5
WAY: Final = 6
TIES: Final = 7
CHOSEN: Final = 8
CHOSEN_MODE: Final = 9
CHOSEN_SPOT: Final = 10
ANY: Final = 11
OTHER: Final = 12
OTHER_MODE: Final = 13
OTHER_SPOT: Final = 14
FIGURES: Final = 15

Table = NDArray[np.int64]


class Walk(NamedTuple):
    """A shop whose jobs are lines of operations, and where a walk through its plans stands; it changes as the walk goes on."""

    cells: Table
    modes: Table
    units: Table
    setup: Ticks
    sequence: Table
    """(units, operations): the order on each unit, as many of a row as FILLED says."""
    tabu_unit: Table
    """(operations, units): until which move it does not go there."""
    tabu_pair: Table
    """(operations, operations): until which move the first does not come before the second; (0, 0) where there are too many."""
    figures: Ticks
