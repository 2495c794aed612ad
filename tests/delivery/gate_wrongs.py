"""What can be wrong with a message, each with the truth: who must refuse it, the gate, the controller, or both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final

from plant.delivery_modes import Mode
from tests.delivery.gate_messages import (
    HOUR_US,
    NOW_US,
    SECOND_US,
    Draft,
    Made,
    Scene,
    finished,
    make_scene,
    moment,
    right_other,
    right_parameters,
    signature_of,
)
from tests.delivery.gate_truth import conforms
from tests.delivery.gate_wrong_numbers import (
    Wrong,
    dead_band,
    given_twice,
    huge,
    joint,
    just_outside,
    missing,
    no_number,
    outside,
    rate,
    step,
    swings,
    thousandfold,
    unit,
    unknown,
)

# --- for whom, when, in which order -----------------------------------------------------------------------------------------------------


def other_unit(random: Random, draft: Draft) -> bool:
    mine = draft.scene.work_unit
    draft.told["work_unit"] = json.dumps(
        random.choice((f"{mine}0", mine.upper(), mine[:-1], mine + "/", "line-1", "*", mine.replace("-", "\u2013")))
    )
    return True


def other_program(random: Random, draft: Draft) -> bool:
    mine = draft.scene.program
    draft.told["program"] = json.dumps(random.choice((f"{mine}-old", "Q1", "", "P*", mine.lower(), "*")))
    draft.standing["programs"] = frozenset({mine})
    return True


def in_use_is_another(_random: Random, draft: Draft) -> bool:
    draft.standing["program"] = "P-other"
    return False


def window(random: Random, draft: Draft) -> bool:
    """It was changed while the message was open."""
    version = draft.scene.version
    draft.told["window_version"] = random.choice((str(version + 1), str(version - 1), "null", "0", f"{version}.0", f'"{version}"', "1e9"))
    return True


def no_window(_random: Random, draft: Draft) -> bool:
    """It was taken out of force while the message was open."""
    draft.standing["windows"] = tuple(one for one in draft.scene.standing.windows if one.work_unit != draft.scene.work_unit)
    draft.situation["programs"] = ()
    return True


def expired(random: Random, draft: Draft) -> bool:
    late = random.choice((0, 1, SECOND_US, random.randint(0, 10**12)))
    issued_us, expires_us = NOW_US - late - 60 * SECOND_US, NOW_US - late
    draft.told |= {"issued": moment(issued_us), "expires": moment(expires_us)}
    return True


def future(random: Random, draft: Draft) -> bool:
    issued_us = NOW_US + 2 * SECOND_US + random.randint(1, 10**10)
    draft.told |= {"issued": moment(issued_us), "expires": moment(issued_us + 60 * SECOND_US)}
    return True


def lifetime(random: Random, draft: Draft) -> bool:
    draft.told["expires"] = moment(NOW_US + random.choice((7 * 86_400 * SECOND_US + 10, 10**15)))
    return True


def no_time(random: Random, draft: Draft) -> bool:
    tokens = (
        '"2026-13-01T00:00:00.000000Z"',
        '"2099-02-30T00:00:00.000000Z"',
        '"2099-01-01T00:00:00Z"',
        '"2099-01-01 00:00:00.000000Z"',
        "5",
    )
    odd = (
        '"2099-01-01T24:00:00.000000Z"',
        '"2099-01-01T00:00:60.000000Z"',
        '"2099-01-01T00:00:00.000000+02:00"',
        '"\u0662099-01-01T00:00:00.000000Z"',
    )
    draft.told[random.choice(("issued", "expires"))] = random.choice((*tokens, *odd, "null", '""'))
    return True


def counter(random: Random, draft: Draft) -> bool:
    last = draft.scene.standing.counter
    wrong = random.choice(
        (str(last), str(last - random.randint(0, 5)), "0", "-1", f"{last + 1}.0", f'"{last + 1}"', "true", "1e9", "9" * 30)
    )
    draft.told["counter"] = wrong
    return True


def replayed(_random: Random, draft: Draft) -> bool:
    """The whole message comes again, after it was sent once."""
    told = json.loads(draft.told["counter"])
    draft.standing |= {"counter": told, "used": frozenset({json.loads(draft.told["id"])})}
    draft.situation["counter"] = told
    return True


def overtaken(random: Random, draft: Draft) -> bool:
    """A later one was taken before it."""
    later = json.loads(draft.told["counter"]) + random.randint(1, 100)
    draft.standing["counter"] = later
    draft.situation["counter"] = later
    return True


def used_id(random: Random, draft: Draft) -> bool:
    draft.told["id"] = json.dumps(random.choice(sorted(draft.scene.standing.used)))  # type: ignore[call-overload]
    return False


# --- signatures -------------------------------------------------------------------------------------------------------------------------


def unsigned(random: Random, draft: Draft) -> bool:
    def signed(text: str, scene: Scene) -> tuple[str, str]:
        right = signature_of(text, scene)
        none = (
            "",
            scene.key_id,
            f"{scene.key_id}.",
            right[:-1],
            right.replace(".", ""),
            f"{right}0",
            right + " ",
            "." + right,
            "none." + "0" * 64,
        )
        digits = right.partition(".")[2]
        odd = (f"{scene.key_id}.{digits[:-1]}é", f"{scene.key_id}.{'0' * 64}", f"{scene.key_id}.{digits[::-1]}0", right.swapcase() + "Z")
        return text, random.choice((*none, *odd))

    draft.signed = signed
    return True


def wrong_key(random: Random, draft: Draft) -> bool:
    def signed(text: str, scene: Scene) -> tuple[str, str]:
        other = replace(scene, key=random.choice((random.randbytes(32), b"", scene.key[1:], bytes(32))))
        return text, signature_of(text, other)

    draft.signed = signed
    return True


def key_of_another(_random: Random, draft: Draft) -> bool:
    def signed(text: str, scene: Scene) -> tuple[str, str]:
        return text, signature_of(text, replace(scene, key_id=f"{scene.key_id}x"))

    draft.signed = signed
    return True


def tampered(random: Random, draft: Draft) -> bool:
    def signed(text: str, scene: Scene) -> tuple[str, str]:
        at = random.randrange(len(text))
        way = random.random()
        if way < 0.4:
            changed = text[:at] + chr(random.randint(32, 126)) + text[at + 1 :]
        elif way < 0.6:
            changed = text[:at] + text[at + 1 :]
        elif way < 0.8:
            changed = text[:at] + random.choice(("0", " ", "9", "é", "\0", "\ud800")) + text[at:]
        else:
            digits = [n for n, letter in enumerate(text) if letter in "0123456789"]
            place = random.choice(digits)
            changed = text[:place] + str((int(text[place]) + random.randint(1, 9)) % 10) + text[place + 1 :]
        return (changed if changed != text else text + " "), signature_of(text, scene)

    draft.signed = signed
    return True


# --- form -------------------------------------------------------------------------------------------------------------------------------


def form(random: Random, draft: Draft) -> bool:
    """Signed with the right key, and no message of this format."""

    def signed(text: str, scene: Scene) -> tuple[str, str]:
        wrong = random.choice(
            (
                text[: random.randint(0, len(text) - 1)],
                text + random.choice(("}", "{}", ",", "\0", "x")),
                "\ufeff" + text,
                "[" * random.randint(1, 5000),
                "[" + text + "]",
                text.replace("delivery/1", random.choice(("delivery/2", "Delivery/1", "plan/1"))),
                text.replace('"leadhand"', '"leadhands"'),
                text.replace('{"', '{"counter":999999999,"', 1) if not text.startswith("{ ") else "{}",
                text[:-1].rstrip() + ',"more":1}',
                text[:-1].rstrip() + ",}",
                text.replace('"', "'"),
                text[:-1].rstrip() + ',"reason":"' + "x" * 70_000 + '"}',
                text[:-1].rstrip() + ',"reason":"\\ud800"}',
                text[:-1].rstrip() + ',"reason":"\n"}',
                "",
                "null",
            )
        )
        return wrong, signature_of(wrong, scene)

    if "reason" in draft.told:
        del draft.told["reason"]
    draft.signed = signed
    return True


def identity_of_none(random: Random, draft: Draft) -> bool:
    right = json.loads(draft.told["id"])
    wrong: Any = random.choice(
        ("", right[:-1], right.upper() if right.upper() != right else "x", f"{{{right}}}", right + "0", 7, None, right.replace("-", ""))
    )
    draft.told["id"] = json.dumps(wrong)
    return True


# --- the plant ----------------------------------------------------------------------------------------------------------------------------


def off(random: Random, draft: Draft) -> bool:
    draft.standing["mode"] = random.choice((Mode.OFF, Mode.SHADOW))
    return False


def loop_ended(random: Random, draft: Draft) -> bool:
    until = random.choice((NOW_US, NOW_US - 1, NOW_US - HOUR_US, None))
    draft.standing |= {"mode": Mode.CLOSED_LOOP, "mode_until_us": until, "approved_by": "closed loop (ada, bob)"}
    return False


def not_approved(random: Random, draft: Draft) -> bool:
    draft.standing |= {"mode": Mode.ADVISORY, "approved_by": random.choice(("", " ", "closed loop (ada, bob)"))}
    return False


def ai_off(_random: Random, draft: Draft) -> bool:
    draft.standing["ai_off"] = True
    draft.situation["ai_off"] = True
    return True


def heartbeat(random: Random, draft: Draft) -> bool:
    heard = random.choice((None, NOW_US - 15 * SECOND_US - 1, 0))
    draft.standing |= {"heard_us": heard, "silence_us": 15 * SECOND_US}
    draft.situation["local"] = True
    return True


def inputs(random: Random, draft: Draft) -> bool:
    if random.random() < 0.5:
        draft.standing["inputs"] = random.choice(("bad quality", "a gap of 40 s", "stale"))
        return False
    end = NOW_US - 24 * HOUR_US - random.randint(1, 10**9)
    draft.told["basis"] = f'{{"from":{moment(end - HOUR_US)},"to":{moment(end)}}}'
    return False


def no_basis(_random: Random, draft: Draft) -> bool:
    del draft.told["basis"]
    draft.standing |= {"mode": Mode.CLOSED_LOOP, "mode_until_us": NOW_US + HOUR_US, "approved_by": "closed loop (ada, bob)"}
    return False


def unknown_in_use(random: Random, draft: Draft) -> bool:
    draft.standing |= {"mode": Mode.CLOSED_LOOP, "mode_until_us": NOW_US + HOUR_US, "approved_by": "closed loop (ada, bob)"}
    draft.standing["current"] = random.choice((None, {}, {one.name: (float("nan"), one.unit) for one in draft.scene.tuned}))
    return False


# --- other kinds --------------------------------------------------------------------------------------------------------------------------


def other_kind(random: Random, draft: Draft) -> bool | None:
    """What is wrong with a message that sets no parameters."""
    kind = json.loads(draft.told["kind"])
    if kind == "offsets":
        one = random.choice(draft.parameters)
        way = random.randrange(5)
        if way == 0:
            one[1] = random.choice(("10.0001", "-10.0001", "1e9", "10000", "NaN", "1e400"))
        elif way == 1:
            one[2] = random.choice(('"m"', '"um"', '"in"', '"MM"'))
        elif way == 2:
            draft.parameters.append(list(one))
        elif way == 3:
            draft.parameters = []
        else:
            one[2], one[1] = '"deg"', random.choice(("5.001", "-5.001", "90"))
        return True
    if kind in ("hold", "release"):
        draft.told.pop("serial")
        return True
    if kind == "changeover":
        draft.told["parts"] = random.choice(
            (
                "[]",
                '[{"kind":"recipe","name":"r1","version":"3"},{"kind":"recipe","name":"r1","version":"3"}]',
                '[{"kind":"recipe","name":"r9","version":"3"}]',
                '[{"kind":"engine","name":"r1","version":"3"}]',
                '[{"kind":"recipe","name":"r1"}]',
                '{"kind":"recipe","name":"r1","version":"3"}',
            )
        )
        draft.standing["parts"] = frozenset({("recipe", "r1", "3"), ("fixture", "f1", "1")})
        return True
    if kind == "job":
        draft.told["program"] = '"P-unknown"'
        draft.standing["programs"] = frozenset({draft.scene.program})
        return True
    draft.told["kind"] = random.choice(('"Route"', '"shutdown"', '""', "1", "null"))
    return True


NUMBERS: Final[tuple[Wrong, ...]] = (no_number, huge, outside, just_outside, thousandfold, step, dead_band, rate, joint, swings)
NAMES: Final[tuple[Wrong, ...]] = (unit, unknown, missing, given_twice, other_program, in_use_is_another, window, no_window)
TIMES: Final[tuple[Wrong, ...]] = (other_unit, expired, future, lifetime, no_time, counter, replayed, overtaken, used_id)
SIGNED: Final[tuple[Wrong, ...]] = (unsigned, wrong_key, key_of_another, tampered, form, identity_of_none)
PLANT: Final[tuple[Wrong, ...]] = (off, loop_ended, not_approved, ai_off, heartbeat)
RESTS: Final[tuple[Wrong, ...]] = (inputs, no_basis, unknown_in_use)
OF_PARAMETERS: Final = NUMBERS + NAMES + TIMES + SIGNED + PLANT + RESTS
OF_OTHERS: Final[tuple[Wrong, ...]] = (other_kind, other_kind, other_kind, *TIMES, *SIGNED, off, ai_off, heartbeat)


def messages(seed: int, many: int) -> Iterator[Made]:
    """Return so many messages; the same seed makes the same ones."""
    random = Random(seed)  # noqa: S311 - for trials, not for keys
    scenes = [make_scene(random, number) for number in range(200)]
    for number in range(many):
        if number % 500 == 499:
            scenes[random.randrange(len(scenes))] = make_scene(random, number)
        yield _message(random, random.choice(scenes))


def _message(random: Random, scene: Scene) -> Made:
    others = random.random() < 0.2
    draft = right_other(random, scene) if others else right_parameters(random, scene)
    kind = json.loads(draft.told["kind"])
    if random.random() < 0.3:
        return finished(draft, f"valid {kind}", good=True, taken=True)
    if random.random() < 0.1:
        return _noise(random, draft)
    for _ in range(20):
        wrong = random.choice(OF_OTHERS if others else OF_PARAMETERS)
        found = wrong(random, draft)
        if found is not None:
            return finished(draft, wrong.__name__, good=False, taken=False if found else None)
    return finished(draft, f"valid {kind}", good=True, taken=True)


# --- noise --------------------------------------------------------------------------------------------------------------------------------


def _noise(random: Random, draft: Draft) -> Made:
    """Change any letters and sign them properly: what a fault in the house itself could send. The truth is told by another reader."""
    text = draft.text()
    changed = list(text)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(changed))
        changed[at] = random.choice((chr(random.randint(32, 126)), str(random.randint(0, 9)), "", changed[random.randrange(len(changed))]))
    noisy = "".join(changed)
    draft.signed = lambda _text, scene: (noisy, signature_of(noisy, scene))
    draft.standing |= {"programs": frozenset({draft.scene.program}), "parts": frozenset({("recipe", "r1", "3"), ("fixture", "f1", "1")})}
    good = conforms(noisy, draft)
    taken = True if good else None if conforms(noisy, draft, at_home=False) else False
    return finished(draft, "noise, harmless" if good else "noise", good=good, taken=taken)
