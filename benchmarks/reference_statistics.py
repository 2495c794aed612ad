"""Our statistics beside the published ones: NIST StRD, NIST/SEMATECH e-Handbook, tables of textbooks. Exit 1 where a given digit differs.

A double cannot hold most decimals, so the statistics of the doubles differ from the certified ones, whoever computes them. Two things are
proved for each StRD set: the definitions in exact fractions give each certified digit from the decimals, and our doubles give, to 14
digits, what exact fractions give from the same doubles. The column 'digits' tells how many certified ones are left then.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import numpy as np

from benchmarks import reference_sets as sets
from monitor import capability, charts
from monitor.statistics import autocorrelation_of, deviation_of, mean_of

_NAMES = ("mean", "standard deviation", "lag-1 autocorrelation")


@dataclass(frozen=True, slots=True)
class Line:
    """One statistic: published, ours, and whether they agree to the digits given."""

    of: str
    what: str
    published: str
    ours: str
    right: bool
    remark: str = ""


def lines() -> Iterator[Line]:
    """Yield each published statistic beside ours."""
    yield from _strd()
    yield from _factors()
    yield from _handbook()
    yield from _capability()
    yield from _run_lengths()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print those that agree too where there are many")
    options = parser.parse_args(arguments)
    wrong = total = 0
    for line in lines():
        total += 1
        wrong += not line.right
        if options.all or not line.right or line.of not in {"factors", "run length", "EWMA points", "CUSUM sums"}:
            print(f"{'ok   ' if line.right else 'WRONG'} {line.of:<22}{line.what:<28}{line.published:>22} {line.ours:>24}  {line.remark}")
    print(f"{total - wrong} of {total} published statistics reproduced to the digits given; load {os.getloadavg()[0]:.1f}")
    return 1 if wrong else 0


def _strd() -> Iterator[Line]:
    for name, (words, *certified) in sets.STRD.items():
        values = np.array([float(word) for word in words.split()])
        decimals = _exact([Fraction(word) for word in words.split()])
        doubles = _exact([Fraction(value) for value in values.tolist()])
        ours = (mean_of(values), deviation_of(values), autocorrelation_of(values))
        for what, published, true, stored, got in zip(_NAMES, certified, decimals, doubles, ours, strict=True):
            defined = _rounded(true, published) == Decimal(published)
            kept = _digits(Decimal(got), stored)
            remark = f"digits {min(15, _digits(Decimal(got), Decimal(published))):.0f}, of the doubles {min(15, kept):.0f}"
            yield Line(name, what, published, f"{got:.15g}", defined and kept >= 14, remark)


def _exact(values: list[Fraction]) -> tuple[Decimal, Decimal, Decimal]:
    context = Context(prec=60)
    mean = sum(values, Fraction()) / len(values)
    apart = [value - mean for value in values]
    squares = sum((a * a for a in apart), Fraction())
    variance = squares / (len(values) - 1)
    products = sum((a * b for a, b in itertools.pairwise(apart)), Fraction())
    deviation = context.sqrt(_decimal(variance, context))
    return _decimal(mean, context), deviation, _decimal(products / squares, context)


def _decimal(value: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def _rounded(value: Decimal, published: str) -> Decimal:
    return value.quantize(Decimal(published), rounding=ROUND_HALF_EVEN, context=Context(prec=60))


def _digits(got: Decimal, true: Decimal) -> float:
    if got == true:
        return 17.0
    return -math.log10(abs(float((got - true) / true)))


def _same(of: str, what: str, published: str, ours: float, *, remark: str = "", units: int = 0) -> Line:
    """Compare to the digits given; ``units``: so many in the last place for a source that cut instead of rounding."""
    last = Decimal(1).scaleb(Decimal(published).as_tuple().exponent)  # type: ignore[arg-type]  # a published number is finite
    right = abs(Decimal(ours) - Decimal(published)) <= last * (Decimal("0.5000001") + units)
    return Line(of, what, published, f"{ours:.6f}", right, remark)


def _factors() -> Iterator[Line]:
    for n, published in sets.FACTORS.items():
        d2, d3, c4 = charts.d2(n), charts.d3(n), charts.c4(n)
        b4 = 1 + 3 * math.sqrt(1 - c4**2) / c4
        ours = (d2, d3, c4, 3 / (d2 * math.sqrt(n)), max(0.0, 1 - 3 * d3 / d2), 1 + 3 * d3 / d2, b4)
        for name, value, got in zip(("d2", "d3", "c4", "A2", "D3", "D4", "B4"), published, ours, strict=True):
            yield _same("factors", f"{name}, n = {n}", value, got)


def _handbook() -> Iterator[Line]:
    single, ranges = charts.individuals(sets.FLOW_RATES, d2_of_two=1.128)
    yield _same("individuals", "mean", "50.81", single.limits.center)
    yield _same("individuals", "mean moving range", "1.8778", ranges.limits.center)
    yield _same("individuals", "upper limit", "55.8041", float(single.limits.high), remark="with d2 = 1.128 as the handbook has it")
    yield _same("individuals", "lower limit", "45.8159", float(single.limits.low))
    smooth = charts.ewma(sets.EWMA_VALUES, 50.0, 2.0539, weight=0.3, before=None)
    yield _same("EWMA", "upper limit for ever", "52.5884", float(smooth.limits.high))
    yield _same("EWMA", "lower limit for ever", "47.4115", float(smooth.limits.low), remark="the handbook cuts 47.41157", units=1)
    for number, (published, got) in enumerate(zip(sets.EWMA_POINTS, smooth.points.tolist(), strict=True), 1):
        yield _same("EWMA points", f"{number}", published, got, units=1)
    sums = charts.cusum(sets.CUSUM_VALUES, 325.0, allowance=0.3175, decision=4.1959)
    for number, (high, low) in enumerate(zip(sets.CUSUM_HIGH, sets.CUSUM_LOW, strict=True), 1):
        yield _same("CUSUM sums", f"{number} upwards", high, float(sums.high[number - 1]), units=1)
        yield _same("CUSUM sums", f"{number} downwards", low, float(sums.low[number - 1]), units=1)
    yield _same("CUSUM", "first signal", "14", float(np.flatnonzero(sums.beyond)[0] + 1))
    share = charts.proportions(sets.WAFERS, np.full(30, 50))
    yield _same("p chart", "mean share", "0.2313", share.limits.center)
    yield _same("p chart", "upper limit", "0.4102", float(share.limits.high[0]))
    yield _same("p chart", "lower limit", "0.0524", float(share.limits.low[0]))


def _capability() -> Iterator[Line]:
    # values whose mean is 16 and whose deviation is 2, exactly
    values = 16 + 2 * math.sqrt(49 / 50) * np.tile([1.0, -1.0], 25)
    tolerance = capability.Tolerance(8, 20, 14)
    told = capability.performance(values, tolerance)
    assert told.potential is not None
    yield _same("capability", "Cp, 8 to 20, s 2", "1.0", told.potential.value)
    yield _same("capability", "Cpk, mean 16", "0.6667", told.actual.value)
    centred = capability.taguchi(16.0, 2.0, 50, tolerance)
    assert centred is not None
    yield _same("capability", "Cpm, target 14", "0.707", centred.value)
    low, high = capability.cp_interval(2.29, 19)
    yield _same("capability", "Cp 2.29, n 20, lower", "1.57", low, remark="Montgomery, example 8.4")
    yield _same("capability", "Cp 2.29, n 20, upper", "3.01", high)
    low, high = capability.cpk_interval(1.33, 20, 19)
    yield _same("capability", "Cpk 1.33, n 20, lower", "0.88", low, remark="Montgomery, example 8.5: Bissell's interval")
    yield _same("capability", "Cpk 1.33, n 20, upper", "1.78", high)


def _run_lengths() -> Iterator[Line]:
    for decision, published in sets.RUN_LENGTHS.items():
        for shift, length in published.items():
            yield _same("run length", f"h {decision:g}, shift {shift:g}", length, charts.cusum_run_length(0.5, decision, shift))


if __name__ == "__main__":
    sys.exit(main())
