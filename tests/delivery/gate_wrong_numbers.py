"""What can be wrong with the numbers, names and units of a message, each with the truth: who must refuse it."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from random import Random

from plant.delivery_modes import Mode
from tests.delivery.gate_messages import HOUR_US, NOW_US, UNITS, Draft

Wrong = Callable[[Random, Draft], bool | None]
"""Makes a draft wrong. True: the controller must refuse it too; False: it cannot know; None: nothing could be made wrong here."""


def _value(draft: Draft, place: int, token: str) -> None:
    name = json.dumps(draft.scene.tuned[place].name, ensure_ascii=False)
    next(one for one in draft.parameters if one[0] == name)[1] = token


def _place(random: Random, draft: Draft) -> int:
    return random.randrange(len(draft.scene.tuned))


def _set(_random: Random, draft: Draft, place: int, figure: int) -> bool | None:
    """Set a parameter, and tell by whole numbers whether that is wrong now, plainly enough for floating point."""
    one = draft.scene.tuned[place]
    figures = list(draft.figures)
    figures[place] = figure
    if draft.scene.keeps(figures, NOW_US, Fraction(1, 10**6)):
        return None
    _value(draft, place, one.written(figure))
    return True


# --- numbers ----------------------------------------------------------------------------------------------------------------------------


def no_number(random: Random, draft: Draft) -> bool:
    tokens = (
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "null",
        "true",
        '"5"',
        "[]",
        "{}",
        "",
        "0x10",
        "1_0",
        "01",
        "+1",
        "1.",
        ".5",
        "--1",
        "1e",
        "\u0661",
    )
    _value(draft, _place(random, draft), random.choice(tokens))
    return True


def huge(random: Random, draft: Draft) -> bool:
    tokens = ("1e308", "-1e308", "1e309", "-1e400", "1e999999999", "9" * 400, f"1{'0' * 30}", "1e-999999999999", "123456789012345678901")
    token = random.choice(tokens)
    place = _place(random, draft)
    if token == "1e-999999999999" and draft.scene.keeps([0 if n == place else figure for n, figure in enumerate(draft.figures)]):
        token = "1e308"
    _value(draft, place, token)
    return True


def outside(random: Random, draft: Draft) -> bool | None:
    place = _place(random, draft)
    one = draft.scene.tuned[place]
    return _set(random, draft, place, random.choice((one.low - 1, one.high + 1, one.low - random.randint(1, 10**6), one.high * 2 + 1)))


def just_outside(random: Random, draft: Draft) -> bool:
    """By less than its smallest place, as a reckoning in floating point may leave it."""
    place = _place(random, draft)
    one = draft.scene.tuned[place]
    figure, sign = random.choice(((one.low, -1), (one.high, 1)))
    exact = float(one.written(figure))
    _value(draft, place, repr(exact + sign * max(abs(exact), 1e-6) * 3e-16))
    return True


def thousandfold(random: Random, draft: Draft) -> bool | None:
    place = _place(random, draft)
    figure = draft.figures[place]
    factor = random.choice((1000, 60, 1_000_000))
    return _set(random, draft, place, random.choice((figure * factor, figure // factor, -figure)))


def step(random: Random, draft: Draft) -> bool | None:
    place = _place(random, draft)
    one = draft.scene.tuned[place]
    return _set(random, draft, place, one.now + random.choice((-1, 1)) * (one.step + random.choice((1, 1, random.randint(1, 1000)))))


def dead_band(random: Random, draft: Draft) -> bool | None:
    place = _place(random, draft)
    one = draft.scene.tuned[place]
    if one.dead_band < 2:
        return None
    return _set(random, draft, place, one.now + random.choice((-1, 1)) * random.randint(1, one.dead_band - 1))


def rate(random: Random, draft: Draft) -> bool | None:
    place = _place(random, draft)
    one = draft.scene.tuned[place]
    if one.rate is None or one.changed_us is None:
        return None
    most = one.rate * (NOW_US - one.changed_us) // HOUR_US
    return _set(random, draft, place, one.now + random.choice((-1, 1)) * (most + 1))


def joint(random: Random, draft: Draft) -> bool | None:
    """Each alone is allowed, together they are not."""
    scene = draft.scene
    if not scene.tied:
        return None
    for _ in range(30):
        figures = [random.choice((one.now - one.step, one.now + one.step, one.low, one.high)) for one in scene.tuned]
        alone = all(one.keeps(figure, NOW_US) for one, figure in zip(scene.tuned, figures, strict=True))
        if alone and not scene.keeps(figures, NOW_US, Fraction(1, 10**6)):
            for place, one in enumerate(scene.tuned):
                _value(draft, place, one.written(figures[place]))
            return True
    return None


def swings(random: Random, draft: Draft) -> bool | None:
    """A closed loop that goes back and forth."""
    place = _place(random, draft)
    one, scene = draft.scene.tuned[place], draft.scene
    other = one.now + random.choice((-1, 1)) * max(1, one.dead_band)
    to_and_fro = [float(one.written(other if n % 2 else one.now)) for n in range(random.randint(5, 9))]
    if to_and_fro[-1] != float(one.written(one.now)):
        to_and_fro.append(float(one.written(one.now)))
    figures = list(draft.figures)
    figures[place] = other
    if not scene.keeps(figures):
        return None
    _value(draft, place, one.written(other))
    draft.standing |= {"recent": [{one.name: value} for value in to_and_fro], "approved_by": "closed loop (ada, bob)"}
    draft.standing |= {"mode": Mode.CLOSED_LOOP, "mode_until_us": NOW_US + HOUR_US}
    return False


# --- names and units --------------------------------------------------------------------------------------------------------------------


def unit(random: Random, draft: Draft) -> bool:
    one = random.choice(draft.parameters)
    right = json.loads(one[2])
    wrong = random.choice(
        [*(other for other in UNITS if other != right), right.lower() + "x", f"k{right}", f"m{right}", f"{right} ", "", "µ"]
    )
    one[2] = json.dumps(wrong, ensure_ascii=False)
    return True


def unknown(random: Random, draft: Draft) -> bool:
    one = random.choice(draft.parameters)
    name = json.loads(one[0])
    wrong = random.choice((name.upper() + "_", name + " ", "", name[1:], "voltage_x"))
    if random.random() < 0.5:
        draft.parameters.append([json.dumps(wrong), "1", '"1"'])
    else:
        one[0] = json.dumps(wrong)
    return True


def missing(random: Random, draft: Draft) -> bool:
    draft.parameters.pop(random.randrange(len(draft.parameters)))
    draft.told.pop("parameters", None)
    return True


def given_twice(random: Random, draft: Draft) -> bool:
    draft.parameters.append(list(random.choice(draft.parameters)))
    return True
