"""Which layouts are cut how often: a linear program over the layouts known so far, and the same in whole sheets (HiGHS).

Column generation of the cutting stock problem: Gilmore and Gomory, Operations Research 9 (1961) 849.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array

from plant.nests import Floats

Ints = NDArray[np.int64]


def prices(holds: Ints, costs: Floats, plates: Ints, stock: Ints, wanted: Ints) -> Floats | None:
    """Return (kinds,) what one more of each kind costs where layouts may be cut in parts; None where there is no answer.

    ``holds`` (layouts, kinds), ``costs`` and ``plates`` (layouts,), ``stock`` (plates,), ``wanted`` (kinds,).
    """
    rows = np.vstack((-holds.T, plates[None, :] == np.arange(len(stock))[:, None]))
    # its own default bounds each copy from below by 0
    found = linprog(costs, rows.astype(np.float64), np.concatenate((-wanted, stock)).astype(np.float64), method="highs")
    return -np.asarray(found.ineqlin.marginals[: len(wanted)], np.float64) if found.status == 0 else None


def copies(holds: Ints, costs: Floats, plates: Ints, stock: Ints, wanted: Ints, seconds: float) -> Ints | None:
    """Return (layouts,) how often each is cut so that all that is wanted is there at least cost, as good as the time allows."""
    enough = LinearConstraint(csc_array(holds.T.astype(np.float64)), lb=wanted)
    there = LinearConstraint(csc_array((plates[None, :] == np.arange(len(stock))[:, None]).astype(np.float64)), ub=stock)
    found = milp(
        costs,
        constraints=[enough, there],
        integrality=np.ones(len(costs), np.int64),
        bounds=Bounds(0, np.inf),
        options={"time_limit": seconds},
    )
    return None if found.x is None else np.round(found.x).astype(np.int64)
