"""Messages by the million, right ones and wrong ones, with the truth of each as it is known from how it was made.

All figures are whole numbers of a parameter's smallest place, so that the truth is reckoned without floating point and without any code
of the checks that are tried. The text is written by hand here, too. ``benchmarks.delivery_gate`` runs a million of them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from random import Random
from typing import Any, Final
from uuid import UUID

from delivery.gate import Standing
from plant.delivery_modes import Mode
from plant.process_windows import JointLimit, ParameterWindow, ProcessWindow
from simulators.controller_check import Situation, program_limits

NOW_US: Final = 1_800_000_000_000_000
SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
UNITS: Final = ("A", "V", "mm/min", "N.m", "Cel", "bar", "1", "%", "kJ/mm", "L/min")


@dataclass(frozen=True, slots=True)
class Tuned:
    """One parameter; all figures in its smallest place, ``10 ** -places``."""

    name: str
    unit: str
    places: int
    low: int
    high: int
    step: int
    dead_band: int
    rate: int | None
    now: int
    changed_us: int | None

    def written(self, figure: int) -> str:
        """As a number of JSON."""
        if not self.places:
            return str(figure)
        whole, rest = divmod(abs(figure), 10**self.places)
        return f"{'-' if figure < 0 else ''}{whole}.{rest:0{self.places}d}"

    def exact(self, figure: int) -> Fraction:
        return Fraction(figure, 10**self.places)

    def keeps(self, figure: Any, now_us: int) -> bool:
        """Whether it may be set to a figure, whole or a fraction: the truth."""
        change = abs(figure - self.now)
        if not self.low <= figure <= self.high or change > self.step or 0 < change < self.dead_band:
            return False
        return self.rate is None or self.changed_us is None or bool(change * HOUR_US <= self.rate * max(0, now_us - self.changed_us))


@dataclass(frozen=True, slots=True)
class Tied:
    """A joint limit: what it ties, exactly."""

    limit: JointLimit
    value: Callable[[Sequence[Fraction]], Fraction | None]
    low: Fraction
    high: Fraction

    def keeps(self, values: Sequence[Fraction], margin: Fraction = Fraction(0)) -> bool:
        found = self.value(values)
        return found is not None and self.low - margin * abs(found) <= found <= self.high + margin * abs(found)


@dataclass(frozen=True, slots=True)
class Scene:
    """A work unit with a program, its window, what is in use, and a key."""

    work_unit: str
    program: str
    job: str
    version: int
    tuned: tuple[Tuned, ...]
    tied: tuple[Tied, ...]
    key_id: str
    key: bytes
    standing: Standing
    situation: Situation
    any_job: bool
    """Whether its window holds for whatever job."""

    def keeps(self, figures: Sequence[int], now_us: int = NOW_US, margin: Fraction = Fraction(0)) -> bool:
        """Whether its parameters may be set so."""
        if not all(one.keeps(figure, now_us) for one, figure in zip(self.tuned, figures, strict=True)):
            return False
        values = [one.exact(figure) for one, figure in zip(self.tuned, figures, strict=True)]
        return all(one.keeps(values, margin) for one in self.tied)


@dataclass(frozen=True, slots=True)
class Made:
    """A message, what is known beside it, and what must become of it."""

    how: str
    """How it was made wrong; ``valid...`` for a right one."""
    text: str
    signature: str
    standing: Standing
    situation: Situation
    good: bool
    """Whether it may leave the house."""
    taken: bool | None
    """Whether a controller may take it; None: it cannot know."""


@dataclass(slots=True)
class Draft:
    """A message that is being made."""

    scene: Scene
    told: dict[str, str]
    """Key and value as JSON, in order."""
    figures: list[int]
    parameters: list[list[str]]
    """Name, value and unit as JSON."""
    standing: dict[str, Any] = field(default_factory=dict)
    situation: dict[str, Any] = field(default_factory=dict)
    signed: Callable[[str, Scene], tuple[str, str]] | None = None
    """Makes text and signature otherwise than it should be."""
    space: str = ""

    def text(self) -> str:
        space = self.space
        if self.parameters:
            several = (f'{{"name":{name},"value":{value},"unit":{unit}}}' for name, value, unit in self.parameters)
            self.told["parameters"] = f"[{f',{space}'.join(several)}]"
        return "{" + ",".join(f'{space}"{key}":{space}{value}' for key, value in self.told.items()) + space + "}"


def moment(time_us: int) -> str:
    """As a message bears a time."""
    second, micros = divmod(time_us, SECOND_US)
    return f'"{_second(second)}.{micros:06d}Z"'


@lru_cache(100_000)
def _second(second: int) -> str:
    return (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def signature_of(text: str, scene: Scene) -> str:
    return f"{scene.key_id}.{hmac.new(scene.key, text.encode(errors='surrogatepass'), hashlib.sha256).hexdigest()}"


def identity(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128)))


# --- scenes -----------------------------------------------------------------------------------------------------------------------------


def make_scene(random: Random, number: int) -> Scene:
    """Return a work unit somewhere, with a window nobody has seen before."""
    tuned = tuple(_tuned(random, place) for place in range(random.randint(1, 5)))
    tied = tuple(_tied(random, tuned))
    work_unit, program, job = f"line-{number % 7}/weld-{number}", f"P{random.randint(1, 99)}", random.choice(("", "J1", "tower/12"))
    version = random.randint(1, 40)
    windows = [
        ProcessWindow(
            work_unit=work_unit,
            program=random.choice((program, f"{program[:1]}*", "*")),
            job=random.choice(("*", job)) if job else "*",
            version=version,
            author="ada",
            approver="bob",
            parameters=tuple(_window_of(one) for one in tuned),
            joint_limits=tuple(one.limit for one in tied),
        ),
        # those of others must not be taken for its own
        _other_window(f"{work_unit}0", "*", tuned[0], version),
        _other_window(work_unit, f"{program}-old", tuned[0], version),
    ]
    random.shuffle(windows)
    key = random.randbytes(32)
    current = {one.name: (float(one.written(one.now)), one.unit) for one in tuned}
    changed_us = {one.name: one.changed_us for one in tuned if one.changed_us is not None}
    counter = random.choice((0, random.randint(1, 10**6)))
    loops = random.random() < 0.3
    standing = Standing(
        now_us=NOW_US,
        work_unit=work_unit,
        keys={f"key-{number}": key},
        mode=Mode.CLOSED_LOOP if loops else Mode.ADVISORY,
        mode_until_us=NOW_US + HOUR_US if loops else None,
        approved_by="closed loop (ada, bob)" if loops else "carl",
        heard_us=NOW_US - SECOND_US,
        silence_us=random.choice((None, 15 * SECOND_US)),
        stale_us=24 * HOUR_US,
        counter=counter,
        used=frozenset({identity(random) for _ in range(3)}),
        windows=tuple(windows),
        current=current,
        program=random.choice(("", program)),
        changed_us=changed_us,
        recent=[{one.name: float(one.written(one.now)) for one in tuned}],
        programs=random.choice((None, frozenset({program, "P-other"}))),
        parts=random.choice((None, frozenset({("recipe", "r1", "3"), ("fixture", "f1", "1")}))),
    )
    window = next(one for one in windows if one.work_unit == work_unit and not one.program.endswith("-old"))
    limits = program_limits(window, program, "" if window.job == "*" else job)
    values = {name: value for name, (value, _) in current.items()}
    parts = frozenset({("recipe", "r1"), ("fixture", "f1")})
    situation = Situation(work_unit, {f"key-{number}": key}, (limits,), parts=parts, counter=counter, values=values, changed_us=changed_us)
    return Scene(work_unit, program, job, version, tuned, tied, f"key-{number}", key, standing, situation, window.job == "*")


def _tuned(random: Random, place: int) -> Tuned:
    places = random.choice((0, 0, 1, 1, 2, 3))
    low = random.choice((0, random.randint(1, 500), random.randint(-400, -1), random.randint(1000, 90_000)))
    width = random.randint(20, 5000)
    step = random.randint(2, max(2, width // random.randint(2, 10)))
    dead_band = random.choice((0, 0, 1, random.randint(1, step)))
    changed_us = random.choice((None, NOW_US - random.randint(1, 5 * HOUR_US)))
    rate = random.choice((None, random.randint(1, 20 * step)))
    # wide enough that there is something on either side to be wrong with
    now = low + random.randint(0, width)
    return Tuned(
        f"p{place}.{random.choice(('current', 'speed', 'torque', 'température'))}",
        random.choice(UNITS),
        places,
        low,
        low + width,
        step,
        dead_band,
        rate,
        now,
        changed_us,
    )


def _window_of(one: Tuned) -> ParameterWindow:
    return ParameterWindow(
        name=one.name,
        unit=one.unit,
        low=float(one.written(one.low)),
        high=float(one.written(one.high)),
        step=float(one.written(one.step)),
        rate=None if one.rate is None else float(one.written(one.rate)),
        dead_band=float(one.written(one.dead_band)),
    )


def _other_window(work_unit: str, program: str, one: Tuned, version: int) -> ProcessWindow:
    wide = ParameterWindow(name=one.name, unit=one.unit, low=-1e9, high=1e9, step=1e9)
    return ProcessWindow(work_unit=work_unit, program=program, version=version, author="ada", approver="bob", parameters=(wide,))


def _tied(random: Random, tuned: tuple[Tuned, ...]) -> Iterator[Tied]:
    present = [one.exact(one.now) for one in tuned]
    if len(tuned) >= 2 and random.random() < 0.3:
        weights = (random.randint(1, 9), -random.randint(1, 9))

        def linear(values: Sequence[Fraction]) -> Fraction:
            return weights[0] * values[0] + weights[1] * values[1]

        made = {tuned[0].name: float(weights[0]), tuned[1].name: float(weights[1])}
        low, high = _around(linear(present))
        yield Tied(JointLimit(name="sum", formula="linear", weights=made, low=float(low), high=float(high)), linear, low, high)
    if len(tuned) >= 3 and present[2] > 0 and tuned[2].low > 0 and random.random() < 0.3:

        def ratio(values: Sequence[Fraction]) -> Fraction | None:
            return values[1] / values[2] if values[2] else None

        low, high = _around(present[1] / present[2])
        limit = JointLimit(name="ratio", formula="ratio", over=tuned[1].name, under=tuned[2].name, low=float(low), high=float(high))
        yield Tied(limit, ratio, low, high)
    if len(tuned) >= 4 and tuned[3].low > 0 and random.random() < 0.3:

        def heat(values: Sequence[Fraction]) -> Fraction | None:
            return values[0] * values[1] * 60 / (values[3] * 1000) * Fraction(4, 5) if values[3] else None

        found = heat(present)
        assert found is not None
        low, high = _around(found)
        names = {"voltage": tuned[0].name, "current": tuned[1].name, "speed": tuned[3].name}
        limit = JointLimit(name="heat", formula="heat_input", efficiency=0.8, low=float(low), high=float(high), **names)
        yield Tied(limit, heat, low, high)


def _around(value: Fraction) -> tuple[Fraction, Fraction]:
    """Return limits around a value that are short decimals, so that a float is exactly what is meant."""
    width = abs(value) / 20 + Fraction(1, 1000)
    low, high = (Fraction(round((value + sign * width) * 1000), 1000) for sign in (-1, 1))
    return min(low, Fraction(round(value * 1000) - 1, 1000)), max(high, Fraction(round(value * 1000) + 1, 1000))


# --- right messages ---------------------------------------------------------------------------------------------------------------------


def _head(random: Random, scene: Scene, kind: str) -> dict[str, str]:
    issued_us = NOW_US - random.randint(0, 3 * SECOND_US)
    told = {
        "leadhand": '"delivery/1"',
        "id": f'"{identity(random)}"',
        "kind": f'"{kind}"',
        "work_unit": f'"{scene.work_unit}"',
        "counter": str(scene.standing.counter + random.choice((1, 1, 1, random.randint(1, 10**5)))),
        "issued": moment(issued_us),
        "expires": moment(NOW_US + random.randint(1, 300) * SECOND_US),
    }
    if scene.job:
        told["job"] = f'"{scene.job}"'
    basis = NOW_US - random.randint(SECOND_US, 20 * HOUR_US)
    told["basis"] = f'{{"from":{moment(basis - HOUR_US)},"to":{moment(basis)}}}'
    return told


def right_parameters(random: Random, scene: Scene) -> Draft:
    """Return a message that sets parameters and keeps everything."""
    figures = [one.now for one in scene.tuned]
    for _ in range(20):
        tried = [_figure(random, one) for one in scene.tuned]
        if scene.keeps(tried):
            figures = tried
            break
    told = _head(random, scene, "parameters")
    told["program"] = f'"{scene.program}"'
    told["window_version"] = str(scene.version)
    parameters = [
        [f'"{one.name}"', _as_number(random, one, figure), f'"{one.unit}"'] for one, figure in zip(scene.tuned, figures, strict=True)
    ]
    if random.random() < 0.3:
        together = list(zip(parameters, strict=True))
        random.shuffle(together)
        parameters = [one for (one,) in together]
    draft = Draft(scene, told, figures, parameters)
    if random.random() < 0.1:
        draft.space = random.choice((" ", "\n  ", "\t"))
    return draft


def _figure(random: Random, one: Tuned) -> int:
    """Return a figure that is likely to be kept: often at the very end of what is allowed."""
    if random.random() < 0.2:
        return one.now
    low, high = max(one.low, one.now - one.step), min(one.high, one.now + one.step)
    return random.choice((low, high, random.randint(low, high), one.now + one.dead_band, one.now - one.dead_band))


def _as_number(random: Random, one: Tuned, figure: int) -> str:
    """The same number in one of the ways in which JSON may write it."""
    way = random.random()
    if way < 0.9:
        return one.written(figure)
    return f"{figure}e-{one.places}" if way < 0.95 else f"{one.written(figure)}{'0' if one.places else '.0'}"


def right_other(random: Random, scene: Scene) -> Draft:
    """Return a message of another kind that may leave."""
    kind = random.choice(("job", "route", "changeover", "hold", "release", "offsets", "design_change"))
    told = _head(random, scene, kind)
    draft = Draft(scene, told, [], [])
    if kind in ("job", "route", "design_change"):
        told["product"], told["serial"] = '"TWR-7"', '"0001"'
    if kind == "job":
        told["program"] = f'"{scene.program}"'
    if kind == "route":
        told["steps"] = '["cut","weld-2"]'
    if kind == "changeover":
        told["parts"] = '[{"kind":"recipe","name":"r1","version":"3"},{"kind":"fixture","name":"f1","version":"1"}]'
    if kind in ("hold", "release"):
        told["serial"], told["reason"] = '"S 1"', '"pore of 3.2 mm \\u2013 limit 2"'
    if kind == "offsets":
        draft.parameters = [[f'"bolt_{n}.x"', f"{random.randint(-9999, 10000)}e-3", '"mm"'] for n in range(random.randint(1, 12))]
    return draft


def finished(draft: Draft, how: str, *, good: bool, taken: bool | None) -> Made:
    """Sign a draft, and put beside it what is known."""
    text = draft.text()
    signature = signature_of(text, draft.scene)
    if draft.signed is not None:
        text, signature = draft.signed(text, draft.scene)
    standing = replace(draft.scene.standing, **draft.standing) if draft.standing else draft.scene.standing
    situation = replace(draft.scene.situation, **draft.situation) if draft.situation else draft.scene.situation
    return Made(how, text, signature, standing, situation, good, taken)
