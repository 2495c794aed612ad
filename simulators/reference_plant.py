"""The reference excavator plant as something to be planned: 100 models of 5 t to 30 t, one machine every six minutes.

Plates are cut, bent and bevelled (in any order), welded, machined and painted on parallel units, then the machine passes ten stations of
a mixed-model line and is commissioned. Upstream units are set up between families; the line is not. Customer orders are for one to twelve
machines of a model; the material of ten machines is released each hour, and some are there at the beginning. All is drawn by the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plant.model_mix import Mix, Option, Station
from plant.plan_problem import Job, Objective, PlanProblem, Transport, WorkUnit

TAKT_S: Final = 360
WAVE: Final = 10
"""Machines whose material is released at once, each hour of the line."""
POOL: Final = 20
"""Machines whose material is there at the beginning."""
MODELS: Final = 100
_HOUR: Final = 3600
_MOST_OF_AN_ORDER: Final = 12
_LIGHT_T, _HEAVY_T, _MIDDLE_T = 5.0, 30.0, 14.0
_PROMISED_H: Final = (5.5, 10.0)
_LINE_LOAD: Final = 0.97


@dataclass(frozen=True, slots=True)
class Shop:
    """Parallel work units that do one operation."""

    operation: str
    units: int
    minutes: float
    """Of a machine, on the average of the mix."""
    grows: float
    """By how much a machine of double weight takes longer, as a share."""
    families: int = 1
    setup_min: float = 0.0


SHOPS: Final = (
    Shop("cut", 6, 29.0, 0.3, 4, 3.0),
    Shop("bend", 3, 13.5, 0.25, 3, 2.0),
    Shop("bevel", 3, 13.0, 0.25),
    Shop("weld", 13, 64.0, 0.35, 5, 8.0),
    Shop("machine", 5, 23.5, 0.3, 3, 4.0),
    Shop("paint", 4, 19.0, 0.2, 4, 4.0),
)
COMMISSION: Final = Shop("commission", 4, 19.0, 0.2)
STATIONS: Final = (
    *("undercarriage", "slewing ring", "engine", "hydraulics", "cab", "counterweight", "boom", "stick", "wiring"),
    "line end",
)
OPTIONS: Final = (Option("heavy boom", 1, 2), Option("long stick", 1, 3), Option("blade", 1, 2))
_OPTION_STATION: Final = {"heavy boom": "boom", "long stick": "stick", "blade": "undercarriage"}
_OPTION_S: Final = 70.0
_OPTION_ROOM: Final = 0.6
"""Of the machines that could have an option so many have it at most."""
_WAITING_AT_A_STATION: Final = 1
_WAITING_AT_THE_END: Final = 12
_DRIFT_S: Final = 90.0


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePlant:
    """A plant and what it has to make."""

    problem: PlanProblem
    """One job for each machine; ticks are seconds."""
    line: tuple[int, ...]
    """Work units of the stations, first to last."""
    mix: Mix
    """The same machines in the same rows, as what goes onto the line."""
    tonnage_t: NDArray[np.float64]
    """By model."""


def reference_plant(machines: int, seed: int) -> ReferencePlant:
    """Return the plant with so many machines ordered; the same seed gives the same plant and orders."""
    random = np.random.default_rng([7, seed])
    tonnage = np.round(np.linspace(_LIGHT_T, _HEAVY_T, MODELS), 1)
    has = _options(random, tonnage)
    wanted = random.dirichlet(np.full(MODELS, 3.0))
    model, order, wave = _orders(random, machines, wanted)
    _sell_less(random, has, np.bincount(model, minlength=MODELS) / machines)
    work = _station_work(random, tonnage, has, np.bincount(model, minlength=MODELS) / machines)
    jobs = _jobs(random, model, order, wave)
    problem = _problem(random, jobs, model, tonnage, work, seed)
    line = tuple(at for at, unit in enumerate(problem.units) if unit.group == "line")
    mix = Mix(
        name=problem.name,
        takt_s=float(TAKT_S),
        models=tuple(f"ZE{tonnage_t * 10:.0f}-{at}" for at, tonnage_t in enumerate(tonnage)),
        options=OPTIONS,
        has=has,
        stations=tuple(Station(name, _DRIFT_S) for name in STATIONS),
        work_s=work.astype(np.float64),
        setup_s=np.zeros((MODELS, MODELS)),
        machines=tuple(job.name for job in jobs),
        model=model,
        earliest=(wave * WAVE).astype(np.int32),
        latest=np.full(machines, machines - 1, np.int32),
    )
    return ReferencePlant(problem, line, mix, tonnage)


def _options(random: np.random.Generator, tonnage: NDArray[np.float64]) -> NDArray[np.bool_]:
    middle = (tonnage - _LIGHT_T) / (_HEAVY_T - _LIGHT_T)
    chance = np.stack([0.05 + 0.55 * middle, np.full(len(tonnage), 0.2), 0.6 - 0.5 * middle], axis=1)
    return random.random((len(tonnage), len(OPTIONS))) < chance


def _sell_less(random: np.random.Generator, has: NDArray[np.bool_], share: NDArray[np.float64]) -> None:
    """Take options from models until the line has room for those that are left, with some to spare."""
    for at, option in enumerate(OPTIONS):
        for model in random.permutation(len(has)):
            if share @ has[:, at] <= _OPTION_ROOM * option.at_most / option.of:
                break
            has[model, at] = False


def _orders(
    random: np.random.Generator, machines: int, wanted: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return of each machine its model, its customer order and the wave it is released with."""
    model: list[int] = []
    order: list[int] = []
    while len(model) < machines:
        count = min(int(random.integers(1, _MOST_OF_AN_ORDER + 1)), machines - len(model))
        number = order[-1] + 1 if order else 0
        model += [int(random.choice(len(wanted), p=wanted))] * count
        order += [number] * count
    return np.array(model, np.int32), np.array(order, np.int32), np.maximum(0, (np.arange(machines) - POOL) // WAVE + 1).astype(np.int32)


def _station_work(
    random: np.random.Generator, tonnage: NDArray[np.float64], has: NDArray[np.bool_], share: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return (stations, models): seconds of work; of the mix ordered each station has the same load on the average."""
    grows = random.uniform(0.05, 0.4, len(STATIONS))
    work = (tonnage / _MIDDLE_T) ** grows[:, None] + random.normal(0, 0.08, (len(STATIONS), len(tonnage)))
    work *= TAKT_S * _LINE_LOAD
    for at, option in enumerate(OPTIONS):
        work[STATIONS.index(_OPTION_STATION[option.name])] += _OPTION_S * has[:, at]
    work *= (TAKT_S * _LINE_LOAD / (work @ share))[:, None]
    # the last station lets machines out by the takt and has time for each
    work[-1] = 0.8 * TAKT_S
    return np.maximum(60, np.round(work)).astype(np.int64)


def _jobs(random: np.random.Generator, model: NDArray[np.int32], order: NDArray[np.int32], wave: NDArray[np.int32]) -> tuple[Job, ...]:
    promised = random.uniform(*_PROMISED_H, int(order.max()) + 1)
    urgent = random.random(int(order.max()) + 1) < 0.1
    return tuple(
        Job(
            name=f"machine {at + 1}",
            release=int(wave[at]) * WAVE * TAKT_S,
            due=int(wave[at]) * WAVE * TAKT_S + int(promised[order[at]] * _HOUR),
            weight=3 if urgent[order[at]] else 1,
            order=f"order {order[at] + 1}",
            product=f"model {model[at]}",
        )
        for at in range(len(model))
    )


def _problem(
    random: np.random.Generator,
    jobs: tuple[Job, ...],
    model: NDArray[np.int32],
    tonnage: NDArray[np.float64],
    work: NDArray[np.int64],
    seed: int,
) -> PlanProblem:
    shops = (*SHOPS, COMMISSION)
    units, place, first_unit = _units(shops)
    weight = np.log2(tonnage / _MIDDLE_T)
    share = np.bincount(model, minlength=MODELS) / len(model)
    minutes = {}
    for shop in shops:
        drawn = 1 + shop.grows * weight + random.normal(0, 0.06, MODELS)
        minutes[shop.operation] = shop.minutes * drawn / (drawn @ share)
    family = {shop.operation: random.integers(shop.families, size=MODELS) for shop in shops}
    operation_job: list[int] = []
    names: list[str] = []
    modes: list[tuple[int, int, int, int]] = []
    arcs: list[tuple[int, int]] = []
    for job, kind in enumerate(model):
        at = len(names)
        for shop in SHOPS:
            seconds = round(60 * float(minutes[shop.operation][kind]))
            state = int(family[shop.operation][kind]) if shop.families > 1 else -1
            modes += [(len(names), first_unit[shop.operation] + one, seconds, state) for one in range(shop.units)]
            names.append(shop.operation)
        for station, name in enumerate(STATIONS):
            modes.append((len(names), first_unit["line"] + station, int(work[station, kind]), -1))
            names.append(name)
        seconds = round(60 * float(minutes[COMMISSION.operation][kind]))
        modes += [(len(names), first_unit[COMMISSION.operation] + one, seconds, -1) for one in range(COMMISSION.units)]
        names.append(COMMISSION.operation)
        operation_job += [job] * (len(names) - at)
        # cut; then bend and bevel in any order; then one after the other
        arcs += [(at, at + 1), (at, at + 2), (at + 1, at + 3), (at + 2, at + 3)]
        arcs += [(one, one + 1) for one in range(at + 3, len(names) - 1)]
    columns = np.array(modes, np.int64)
    before, after = np.array(arcs, np.int32).T
    return PlanProblem(
        name=f"reference plant, {len(jobs)} machines, seed {seed}",
        units=units,
        jobs=jobs,
        operation_job=np.array(operation_job, np.int32),
        operation_name=tuple(names),
        operation_branch=np.full(len(names), -1, np.int32),
        mode_operation=columns[:, 0].astype(np.int32),
        mode_unit=columns[:, 1].astype(np.int32),
        mode_duration=columns[:, 2].copy(),
        mode_setup=columns[:, 3].astype(np.int32),
        mode_name=("",) * len(columns),
        arc_before=before.copy(),
        arc_after=after.copy(),
        arc_least=np.zeros(len(arcs), np.int64),
        arc_most=np.full(len(arcs), -1, np.int64),
        transport=Transport(_travel(), np.array(place, np.int32), 0, None),
        objective=Objective(makespan=0, tardiness=10, setup=0, flow=1),
        tick_s=1.0,
    )


def _units(shops: tuple[Shop, ...]) -> tuple[tuple[WorkUnit, ...], list[int], dict[str, int]]:
    """Return all units, the place of each, and the first unit of each shop and of the line."""
    units: list[WorkUnit] = []
    place: list[int] = []
    first: dict[str, int] = {}
    for at, shop in enumerate(shops):
        if shop is COMMISSION:
            first["line"] = len(units)
            waits = [None, *([_WAITING_AT_A_STATION] * (len(STATIONS) - 2)), _WAITING_AT_THE_END]
            units += [WorkUnit(name, buffer=most, group="line") for name, most in zip(STATIONS, waits, strict=True)]
            place += [at] * len(STATIONS)
        first[shop.operation] = len(units)
        setup = round(60 * shop.setup_min) * (1 - np.eye(shop.families, dtype=np.int64)) if shop.families > 1 else None
        units += [WorkUnit(f"{shop.operation}-{one + 1}", setup=setup, group=shop.operation) for one in range(shop.units)]
        place += [at + (shop is COMMISSION)] * shop.units
    return tuple(units), place, first


def _travel() -> NDArray[np.int64]:
    """Return the seconds from shop to shop: 40 s to load and unload, 25 s for each hall between."""
    places = np.arange(len(SHOPS) + 2)
    apart = np.abs(places[:, None] - places[None, :])
    return np.where(apart > 0, 40 + 25 * apart, 0).astype(np.int64)
