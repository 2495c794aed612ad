"""How signals stand, as columns: pure functions from newest values, limits and sources to states, and up the hierarchy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.views import SEVERITY, SignalState
from plant.status import SEVERITY_MASK, UNCERTAIN

STATES: tuple[SignalState, ...] = tuple(sorted(SignalState, key=lambda s: (SEVERITY[s], list(SignalState).index(s))))
"""States in rising order of severity: a state's number is its position here, so the worst of many is their maximum."""
CODE: dict[SignalState, int] = {state: number for number, state in enumerate(STATES)}
SEVERITY_OF_CODE: npt.NDArray[np.int8] = np.array([SEVERITY[s] for s in STATES], np.int8)


def judge(
    value: npt.NDArray[np.float64],
    status: npt.NDArray[np.uint32],
    known: npt.NDArray[np.bool_],
    source_alive: npt.NDArray[np.bool_],
    limits: npt.NDArray[np.float64],
) -> npt.NDArray[np.int8]:
    """Return, shape (n,), the code of each signal's state.

    ``value`` is NaN where there is no number; ``known`` says where anything was stored; ``limits``, shape (n, 4), holds low_low, low,
    high, high_high with NaN for none. A bad status counts more than silence, silence more than limits: what is not known to be
    true any more raises no alarm of its own.
    """
    state = np.zeros(len(value), np.int8)
    state[value < limits[:, 1]] = CODE[SignalState.LOW]
    state[value > limits[:, 2]] = CODE[SignalState.HIGH]
    state[value < limits[:, 0]] = CODE[SignalState.LOW_LOW]
    state[value > limits[:, 3]] = CODE[SignalState.HIGH_HIGH]
    bits = status & np.uint32(SEVERITY_MASK)
    uncertain = (bits == UNCERTAIN) & (state == 0)
    state[uncertain] = CODE[SignalState.UNCERTAIN]
    state[~source_alive] = CODE[SignalState.STALE]
    state[bits > UNCERTAIN] = CODE[SignalState.BAD]
    state[~known] = CODE[SignalState.NO_VALUE]
    return state


def raise_up(
    state: npt.NDArray[np.int8], equipment: npt.NDArray[np.intp], parent: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each node (worst state code, signals, signals not normal) at or below it.

    ``equipment`` holds the node of each signal; ``parent`` the node above each node, -1 for the root, parents before children.
    """
    nodes = len(parent)
    worst = np.zeros(nodes, np.int8)
    np.maximum.at(worst, equipment, state)
    signals = np.bincount(equipment, minlength=nodes)
    exceptions = np.bincount(equipment[SEVERITY_OF_CODE[state] > 0], minlength=nodes)
    for node in range(nodes - 1, 0, -1):
        above = parent[node]
        if above >= 0:
            worst[above] = max(worst[above], worst[node])
            signals[above] += signals[node]
            exceptions[above] += exceptions[node]
    return worst, signals, exceptions
