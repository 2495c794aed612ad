"""Overall equipment effectiveness by ISO 22400-2, from slices of time and pieces made; sums are whole microseconds and whole pieces.

Formulas as the standard gives them (the letters are its time elements and quantities, see ``plant.losses``):

    availability = APT / PBT                     effectiveness = PRI * PQ / APT              quality ratio = GQ / PQ
    OEE index = availability * effectiveness * quality ratio
    NEE index = AUPT / PBT * effectiveness * quality ratio
    utilization efficiency = APT / AUBT          allocation efficiency = AUBT / PBT          technical efficiency = APT / (APT + ADET)
    setup ratio = AUST / AUPT                    scrap ratio = SQ / PQ                       rework ratio = RQ / PQ

What cannot be known is None, never 0 or 100 %: effectiveness without a planned run time, quality without a count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from plant.equipment import EquipmentId
from plant.losses import Planned, Slice
from plant.states import Loss, MicroStops, StateModel

_HOUR_US: Final = 3_600_000_000
DELAYS: Final = (Loss.BREAKDOWN, Loss.MINOR_STOP, Loss.WAITING)
"""Of which actual unit delay time ADET is made."""
DOWNS: Final = (Loss.MAINTENANCE, Loss.IDLE, Loss.OFF)
"""Of which actual unit down time ADOT is made."""


@dataclass(frozen=True, slots=True)
class Made:
    """Pieces that an equipment made in one second. ``kind``: good, scrap, rework, produced, undecided."""

    equipment: EquipmentId
    time_us: int
    kind: str
    product: str
    order: str
    pieces: int


@dataclass(frozen=True, slots=True)
class Quantities:
    """Pieces by quality; None where nothing counts them."""

    produced: int | None = None
    """PQ."""
    good: int | None = None
    """GQ."""
    scrap: int | None = None
    """SQ."""
    rework: int | None = None
    """RQ."""


@dataclass(frozen=True, slots=True)
class Times:
    """The time elements of a span, in microseconds; they add up exactly."""

    calendar_us: int
    not_planned_us: int
    break_us: int
    losses: Mapping[Loss, int]
    """Of planned busy time, each kind of loss and production itself."""
    produced_unplanned_us: int = 0
    """Production outside of planned time: in none of the figures."""
    minor_in_production_us: int = 0
    """Minor stops that APT holds, where the settings count them as a loss of effectiveness."""

    @property
    def pbt_us(self) -> int:
        """Planned busy time."""
        return self.calendar_us - self.not_planned_us - self.break_us

    @property
    def apt_us(self) -> int:
        """Actual production time."""
        return self.losses.get(Loss.PRODUCTION, 0) + self.minor_in_production_us

    @property
    def aust_us(self) -> int:
        """Actual unit setup time."""
        return self.losses.get(Loss.SETUP, 0)

    @property
    def adet_us(self) -> int:
        """Actual unit delay time."""
        return sum(self.losses.get(loss, 0) for loss in DELAYS) - self.minor_in_production_us

    @property
    def adot_us(self) -> int:
        """Actual unit down time."""
        return sum(self.losses.get(loss, 0) for loss in DOWNS)

    @property
    def unknown_us(self) -> int:
        """Planned time of which nobody can tell what it went to."""
        return self.losses.get(Loss.UNKNOWN, 0)

    @property
    def aupt_us(self) -> int:
        """Actual unit processing time."""
        return self.apt_us + self.aust_us

    @property
    def aubt_us(self) -> int:
        """Actual unit busy time."""
        return self.aupt_us + self.adet_us


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the waterfall from calendar time down to what was made well."""

    name: str
    us: int
    is_sum: bool
    """Whether it is what is left, not what is lost."""


@dataclass(frozen=True, slots=True)
class Oee:
    """The figures of a span. A ratio is a number from 0 on, None where it cannot be known."""

    times: Times
    quantities: Quantities
    planned_run_us: int | None
    """PRI * PQ over all products; None where the planned run time of a product that was made is not known."""
    good_run_us: int | None
    """PRI * GQ."""
    without_run_time: tuple[str, ...]
    """Products that were made and have no planned run time."""
    pieces_unplanned: int
    """Made outside of planned time: in none of the figures."""
    failures: int
    minor_stops: int
    edge_us: int = 0
    """Planned run time of one piece of each equipment: so much of what was made may have been begun before the span."""

    @property
    def availability(self) -> float | None:
        """APT / PBT."""
        return _ratio(self.times.apt_us, self.times.pbt_us)

    @property
    def availability_at_most(self) -> float | None:
        """What availability would be had all unknown time been production."""
        return _ratio(self.times.apt_us + self.times.unknown_us, self.times.pbt_us)

    @property
    def effectiveness(self) -> float | None:
        """PRI * PQ / APT. Above 1 means that the planned run time is set wrong; it is not cut."""
        return None if self.planned_run_us is None else _ratio(self.planned_run_us, self.times.apt_us)

    @property
    def run_time_is_wrong(self) -> bool:
        """Whether more was made than the planned run time allows, pieces begun before the span left aside."""
        return self.planned_run_us is not None and self.planned_run_us > self.times.apt_us + self.edge_us

    @property
    def quality_ratio(self) -> float | None:
        """GQ / PQ."""
        return _ratio(self.quantities.good, self.quantities.produced)

    @property
    def oee(self) -> float | None:
        """OEE index."""
        return _product(self.availability, self.effectiveness, self.quality_ratio)

    @property
    def nee(self) -> float | None:
        """NEE index: OEE with setup within availability."""
        return _product(_ratio(self.times.aupt_us, self.times.pbt_us), self.effectiveness, self.quality_ratio)

    @property
    def utilization_efficiency(self) -> float | None:
        """APT / AUBT."""
        return _ratio(self.times.apt_us, self.times.aubt_us)

    @property
    def allocation_efficiency(self) -> float | None:
        """AUBT / PBT."""
        return _ratio(self.times.aubt_us, self.times.pbt_us)

    @property
    def technical_efficiency(self) -> float | None:
        """APT / (APT + ADET)."""
        return _ratio(self.times.apt_us, self.times.apt_us + self.times.adet_us)

    @property
    def setup_ratio(self) -> float | None:
        """AUST / AUPT."""
        return _ratio(self.times.aust_us, self.times.aupt_us)

    @property
    def scrap_ratio(self) -> float | None:
        """SQ / PQ."""
        return _ratio(self.quantities.scrap, self.quantities.produced)

    @property
    def rework_ratio(self) -> float | None:
        """RQ / PQ."""
        return _ratio(self.quantities.rework, self.quantities.produced)

    @property
    def pieces_per_hour(self) -> float | None:
        """PQ by hour of actual unit busy time."""
        share = _ratio(self.quantities.produced, self.times.aubt_us)
        return None if share is None else share * _HOUR_US

    @property
    def mtbf_us(self) -> float | None:
        """Mean operating time between failures: APT by failure."""
        return self.times.apt_us / self.failures if self.failures else None

    @property
    def mttr_us(self) -> float | None:
        """Mean time to restoration: time of breakdown by failure."""
        return self.times.losses.get(Loss.BREAKDOWN, 0) / self.failures if self.failures else None

    def waterfall(self) -> list[Step]:
        """Return the steps; each sum is the sum before it less the losses between. Speed may be negative where a run time is wrong."""
        t = self.times
        steps = [Step("calendar", t.calendar_us, True), Step("not_planned", t.not_planned_us, False), Step("break", t.break_us, False)]
        steps.append(Step("planned_busy", t.pbt_us, True))
        for loss in (*DOWNS, Loss.UNKNOWN, *reversed(DELAYS)):
            lost = t.losses.get(loss, 0) - (t.minor_in_production_us if loss is Loss.MINOR_STOP else 0)
            steps.append(Step(loss.value, lost, False))
        steps += [Step("setup", t.aust_us, False), Step("production", t.apt_us, True)]
        if self.planned_run_us is not None and self.good_run_us is not None:
            speed = t.apt_us - t.minor_in_production_us - self.planned_run_us
            if t.minor_in_production_us:
                steps.append(Step("minor_stop_in_production", t.minor_in_production_us, False))
            steps += [Step("speed", speed, False), Step("quality", self.planned_run_us - self.good_run_us, False)]
            steps.append(Step("fully_productive", self.good_run_us, True))
        return steps

    def six_big_losses(self) -> dict[str, int | None]:
        """Return the six big losses in microseconds; None where it cannot be known. Rejects at start-up are not told from others."""
        t = self.times.losses
        known = self.planned_run_us is not None and self.good_run_us is not None
        speed = self.times.apt_us - self.times.minor_in_production_us - (self.planned_run_us or 0)
        return {
            "breakdowns": t.get(Loss.BREAKDOWN, 0),
            "setup_and_adjustment": t.get(Loss.SETUP, 0),
            "idling_and_minor_stops": t.get(Loss.MINOR_STOP, 0) + t.get(Loss.WAITING, 0),
            "reduced_speed": speed if known else None,
            "defects": (self.planned_run_us or 0) - (self.good_run_us or 0) if known else None,
            "startup_rejects": None,
        }


@dataclass(frozen=True, slots=True)
class ParetoLine:
    """What one reason cost."""

    loss: Loss
    reason: str
    us: int
    stops: int
    longest_us: int


def oee(pieces_of_time: Iterable[Slice], made: Iterable[Made], models: Mapping[EquipmentId, StateModel]) -> Oee:
    """Return the figures of some slices and of the pieces made in them; of several equipment their sums."""
    slices = list(pieces_of_time)
    losses: dict[Loss, int] = {}
    calendar = unplanned = pause = outside = minor = 0
    failures: set[tuple[str, int]] = set()
    minors: set[tuple[str, int]] = set()
    for one in slices:
        us = one.to_us - one.from_us
        calendar += us
        if one.planned is Planned.SHIFT:
            losses[one.loss] = losses.get(one.loss, 0) + us
            if one.loss is Loss.BREAKDOWN:
                failures.add((one.equipment, one.stop_us))
            elif one.loss is Loss.MINOR_STOP:
                minors.add((one.equipment, one.stop_us))
                if models[one.equipment].micro_stops is MicroStops.EFFECTIVENESS:
                    minor += us
        else:
            unplanned += us if one.planned is Planned.NOT_PLANNED else 0
            pause += us if one.planned is Planned.BREAK else 0
            outside += us if one.loss is Loss.PRODUCTION else 0
    times = Times(calendar, unplanned, pause, losses, outside, minor)
    inside, outside_pieces = planned_pieces(slices, made)
    quantities, run_us, good_us, missing = _quantities(inside, models, {one.equipment for one in slices})
    longest: dict[EquipmentId, int] = {}
    for piece in inside:
        longest[piece.equipment] = max(longest.get(piece.equipment, 0), models[piece.equipment].run_time_us(piece.product) or 0)
    return Oee(times, quantities, run_us, good_us, missing, outside_pieces, len(failures), len(minors), sum(longest.values()))


def planned_pieces(slices: Sequence[Slice], made: Iterable[Made]) -> tuple[list[Made], int]:
    """Return the pieces made in planned time, and how many were made outside of it. Pieces outside of all slices are neither."""
    spans: dict[EquipmentId, list[tuple[int, int, bool]]] = {}
    for one in slices:
        rows = spans.setdefault(one.equipment, [])
        planned = one.planned is Planned.SHIFT
        if rows and rows[-1][1] == one.from_us and rows[-1][2] == planned:
            rows[-1] = (rows[-1][0], one.to_us, planned)
        else:
            rows.append((one.from_us, one.to_us, planned))
    inside: list[Made] = []
    outside = 0
    places = dict.fromkeys(spans, 0)
    for piece in sorted(made, key=lambda one: one.time_us):
        rows = spans.get(piece.equipment, [])
        at = places.get(piece.equipment, 0)
        while at < len(rows) and rows[at][1] <= piece.time_us:
            at += 1
        places[piece.equipment] = at
        if at == len(rows) or piece.time_us < rows[at][0]:
            continue
        if rows[at][2]:
            inside.append(piece)
        elif piece.kind != "undecided":
            outside += piece.pieces
    return inside, outside


def _quantities(
    made: Iterable[Made], models: Mapping[EquipmentId, StateModel], units: set[EquipmentId]
) -> tuple[Quantities, int | None, int | None, tuple[str, ...]]:
    counting = {unit for unit in units if counts_pieces(models[unit])}
    if not counting:
        return Quantities(), None, None, ()
    kinds: dict[tuple[EquipmentId, str], dict[str, int]] = {}
    for piece in made:
        if piece.equipment in counting:
            kind = kinds.setdefault((piece.equipment, piece.product), {})
            kind[piece.kind] = kind.get(piece.kind, 0) + piece.pieces
    produced = good = scrap = rework = run_us = good_us = 0
    missing: set[str] = set()
    for (unit, product), kind in kinds.items():
        model = models[unit]
        bad, again = kind.get("scrap", 0), kind.get("rework", 0)
        whole = kind.get("produced", 0) if model.produced else kind.get("good", 0) + bad + again
        well = whole - bad - again
        produced, good, scrap, rework = produced + whole, good + well, scrap + bad, rework + again
        item_us = model.run_time_us(product)
        if item_us is None:
            missing |= {product} if whole else set()
        else:
            run_us, good_us = run_us + item_us * whole, good_us + item_us * well
    missing |= {""} if any(not models[unit].run_times for unit in counting) else set()
    judged = any(models[unit].scrap or models[unit].rework or models[unit].count_tightenings for unit in counting)
    quantities = Quantities(produced, good if judged else None, scrap if judged else None, rework if judged else None)
    if missing or counting != units:
        return quantities, None, None, tuple(sorted(missing))
    return quantities, run_us, good_us if judged else None, ()


def counts_pieces(model: StateModel) -> bool:
    """Return whether anything counts what an equipment makes."""
    return bool(model.good or model.produced or model.count_tightenings)


def pareto(slices: Iterable[Slice]) -> list[ParetoLine]:
    """Return what planned time was lost to, by kind of loss and reason, the costliest first."""
    lost: dict[tuple[Loss, str], dict[tuple[str, int], int]] = {}
    for one in slices:
        if one.planned is Planned.SHIFT and one.loss is not Loss.PRODUCTION:
            stops = lost.setdefault((one.loss, one.reason), {})
            stops[one.equipment, one.stop_us] = stops.get((one.equipment, one.stop_us), 0) + one.us
    lines = [ParetoLine(loss, reason, sum(stops.values()), len(stops), max(stops.values())) for (loss, reason), stops in lost.items()]
    return sorted(lines, key=lambda line: (-line.us, line.loss, line.reason))


def grouped(
    slices: Iterable[Slice],
    made: Iterable[Made],
    models: Mapping[EquipmentId, StateModel],
    key_of_slice: Callable[[Slice], str | None],
    key_of_made: Callable[[Made], str | None],
) -> dict[str, Oee]:
    """Return the figures group by group, in the order of the slices; a key of None leaves a piece out of all groups."""
    times: dict[str, list[Slice]] = {}
    for one in slices:
        key = key_of_slice(one)
        if key is not None:
            times.setdefault(key, []).append(one)
    pieces: dict[str, list[Made]] = {key: [] for key in times}
    for piece in made:
        group = key_of_made(piece)
        if group is not None and group in pieces:
            pieces[group].append(piece)
    return {key: oee(times[key], pieces[key], models) for key in times}


def _ratio(above: int | None, below: int | None) -> float | None:
    return above / below if above is not None and below else None


def _product(*factors: float | None) -> float | None:
    whole = 1.0
    for factor in factors:
        if factor is None:
            return None
        whole *= factor
    return whole
