"""Search over lists and modes where vehicles carry the parts, compiled: simulated annealing, in pieces that a thread can end between."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer import plan_carrying
from optimizer.plan_carrying import Laid, Walk
from optimizer.plan_compiling import compiled
from optimizer.plan_shop import Shop

_carry = compiled(plan_carrying.carry)


@compiled
def _draw(luck: NDArray[np.uint64]) -> float:
    """Return a number in [0, 1)."""
    x = luck[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    luck[0] = x
    return float(x >> np.uint64(11)) / 9007199254740992.0


@compiled
def _shift(walk: Walk, at: int, to: int) -> None:
    """Take an operation out of the list and put it in again at another place."""
    v = walk.order[at]
    step = 1 if to > at else -1
    while at != to:
        other = walk.order[at + step]
        walk.order[at] = other
        walk.place[other] = at
        at += step
    walk.order[to] = v
    walk.place[v] = to


@compiled
def _span(shop: Shop, walk: Walk, v: int) -> tuple[int, int]:
    """Return between which places of the list an operation may stand."""
    low, high = 0, walk.order.shape[0] - 1
    for k in range(shop.before_at[v], shop.before_at[v + 1]):
        low = max(low, walk.place[shop.before[k]] + 1)
    for k in range(shop.after_at[v], shop.after_at[v + 1]):
        high = min(high, walk.place[shop.after[k]] - 1)
    return low, high


@compiled
def anneal(shop: Shop, vehicles: int, walk: Walk, out: Laid, moves: int, hot: float, cold: float, best: float, target: float) -> float:
    """Search for so many moves while it cools down, and return what the best costs; ``walk`` holds its list. Ends at the target."""
    count = walk.order.shape[0]
    cost, soft = _carry(shop, vehicles, walk.order, walk.mode, out, np.inf)
    energy = cost + 0.02 * soft
    heat, cooling = hot, (cold / hot) ** (1.0 / max(moves, 1))
    for _ in range(moves):
        heat *= cooling
        v = walk.order[int(_draw(walk.luck) * count)]
        at, kept = walk.place[v], walk.mode[v]
        to = at
        ways = shop.mode_at[v + 1] - shop.mode_at[v]
        choice = _draw(walk.luck)
        if ways > 1 and choice < 0.4 and shop.fixed_mode[v] < 0:
            walk.mode[v] = shop.mode_at[v] + int(_draw(walk.luck) * ways)
        if walk.mode[v] == kept or choice < 0.15:
            low, high = _span(shop, walk, v)
            near = _draw(walk.luck)
            reach = 1 + int(near * near * near * count)
            low, high = max(low, at - reach), min(high, at + reach)
            if high > low:
                to = low + int(_draw(walk.luck) * (high - low + 1))
        if to == at and walk.mode[v] == kept:
            continue
        _shift(walk, at, to)
        limit = energy - heat * np.log(max(_draw(walk.luck), 1e-12))
        new, soft = _carry(shop, vehicles, walk.order, walk.mode, out, limit)
        if new + 0.02 * soft <= limit:
            energy = new + 0.02 * soft
            if new < best:
                best = new
                walk.best_order[:] = walk.order
                walk.best_mode[:] = walk.mode
                if best <= target:
                    return best
        else:
            _shift(walk, to, at)
            walk.mode[v] = kept
    return best
