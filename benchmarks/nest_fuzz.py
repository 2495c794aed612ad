"""Malformed parts among good ones: each is told by its place and name, the rest of its job is laid and checked; no crash, none in silence.

``python -m benchmarks.nest_fuzz [--parts 10000] [--seed 1] [--each 48]``. Jobs of two good parts and dozens of malformed ones are read,
nested and checked as ``leadhand nest`` does: outlines that cross themselves or lie on a line, holes outside, wrong units, larger than
any sheet, NaN and huge numbers, wrong types, keys unknown or said twice, drawings that are cut off, open, damaged. Besides, one file in
twenty is wrong as a whole. A finding names seed and job. Prints what was told how often by kind; exits 1 on any crash or silence.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from ezdxf.filemanagement import new

from optimizer.nesting.checking import nest_faults
from optimizer.nesting.nesting import nest
from plant.errors import SettingsError
from plant.nest_file import ReadNest, read_nest_problem
from plant.nest_pieces import LayersPiece
from plant.nests import LeftReason, NestProblem, Shape
from protocols.dxf import read_parts

SHEET = {"name": "S355-12 3000x1500", "width": 3000, "height": 1500, "quantity": 2}
GOOD: list[dict[str, Any]] = [
    {"name": "good plate", "rectangle": [400, 300], "quantity": 3},
    {"name": "good gusset", "outline": [[0, 0], [350, 0], [0, 250]], "holes": [{"circle": 60, "at": [90, 80]}], "quantity": 2},
]
Part = dict[str, Any]
Drawings = dict[str, bytes]


def _ring(chance: Random, corners: int = 12, size: float = 300.0) -> list[list[float]]:
    """Return a sound outline: a star seen from its middle."""
    reach = [size * chance.uniform(0.4, 1.0) for _ in range(corners)]
    return [
        [round(far * math.cos(2 * math.pi * k / corners), 3), round(far * math.sin(2 * math.pi * k / corners), 3)]
        for k, far in enumerate(reach)
    ]


def _crossing(chance: Random, _: Drawings) -> Part:
    ring = _ring(chance)
    at = chance.randrange(len(ring))
    ring[at], ring[(at + 5) % 12] = ring[(at + 5) % 12], ring[at]
    return {"outline": ring}


def _touching(chance: Random, _: Drawings) -> Part:
    ring = _ring(chance)
    at = chance.randrange(len(ring))
    ring.insert((at + 5) % 12, ring[at])
    return {"outline": ring}


def _spike(chance: Random, _: Drawings) -> Part:
    ring = _ring(chance)
    at = chance.randrange(1, len(ring))
    return {"outline": [*ring[: at + 1], [ring[at][0] * 3, ring[at][1] * 3], *ring[at:]]}


def _flat(chance: Random, _: Drawings) -> Part:
    slope = chance.uniform(-3, 3)
    return {"outline": [[x, slope * x] for x in (chance.uniform(0, 900) for _ in range(chance.randrange(3, 9)))]}


def _few(chance: Random, _: Drawings) -> Part:
    corner = [chance.uniform(0, 900), chance.uniform(0, 900)]
    return {"outline": [corner] * chance.randrange(6) + ([[0, 0]] if chance.random() < 0.5 else [])}


def _small(chance: Random, _: Drawings) -> Part:
    factor = chance.uniform(1e-6, 2.5e-3)
    return {"outline": [[x * factor, y * factor] for x, y in _ring(chance)]}


def _vast(chance: Random, _: Drawings) -> Part:
    factor = chance.choice((1e3, 1e4, 1e6, 1e9))
    return {"outline": [[x * factor, y * factor] for x, y in _ring(chance)]}


def _too_large(chance: Random, _: Drawings) -> Part:
    return {"rectangle": [chance.uniform(3001, 40_000), chance.uniform(20, 900)]}


def _too_wide(chance: Random, _: Drawings) -> Part:
    return {"circle": chance.uniform(1501, 20_000), "rotations": "any"}


def _no_number(chance: Random, _: Drawings) -> Part:
    ring: list[list[Any]] = [list(corner) for corner in _ring(chance)]
    ring[chance.randrange(12)][chance.randrange(2)] = chance.choice((math.nan, math.inf, -math.inf, 10**400, 1e308, -1e300))
    return {"outline": ring}


_TAKEN: dict[str, tuple[object, ...]] = {
    "material": ("", "three", "3"),
    "grain": (None, -1, 1.5),
    "due": (None,),
    "thickness": (1.5,),
    "holes": ([],),
    "outline": (),
    "rectangle": (),
    "circle": (),
    "ring": (),
    "quantity": (),
    "priority": (),
}
"""By key: what is right of what is tried."""


def _wrong_type(chance: Random, _: Drawings) -> Part:
    key = chance.choice(list(_TAKEN))
    tried: tuple[Any, ...] = (None, True, "three", "3", [], {}, [[]], {"a": 1}, "", -1, 1.5, [1, 2, 3])
    value = chance.choice([one for one in tried if one not in _TAKEN[key]])
    shape: Part = {} if key in {"outline", "rectangle", "circle", "ring"} else {"circle": 100}
    return shape | {key: value}


def _wrong_corner(chance: Random, _: Drawings) -> Part:
    ring: list[Any] = list(_ring(chance))
    ring[chance.randrange(12)] = chance.choice((None, "corner", [], [1], [1, 2, 3], {}, [[1, 2]], ["1", "2"], [True, 2], 7))
    return {"outline": ring}


def _unknown_key(chance: Random, _: Drawings) -> Part:
    return {"circle": 200, chance.choice(("colour", "qty", "Outline", "width", "demand", "", "é", "x" * 500)): chance.random()}


def _two_shapes(chance: Random, _: Drawings) -> Part:
    return {"circle": 200, chance.choice(("rectangle", "ring")): [300, 200]}


def _no_shape(chance: Random, _: Drawings) -> Part:
    return {"quantity": chance.randrange(1, 9)}


def _hole_outside(chance: Random, _: Drawings) -> Part:
    return {
        "rectangle": [300, 200],
        "holes": [{"circle": chance.uniform(5, 90), "at": [chance.choice((-400, 700)), chance.uniform(-900, 900)]}],
    }


def _hole_across(chance: Random, _: Drawings) -> Part:
    return {
        "rectangle": [300, 200],
        "holes": [{"circle": chance.uniform(40, 90), "at": [chance.choice((0, 300)), chance.uniform(20, 180)]}],
    }


def _holes_in_holes(chance: Random, _: Drawings) -> Part:
    outer = {"circle": 150, "at": [150, 100]}
    return {"rectangle": [300, 200], "holes": [outer, {"circle": chance.uniform(5, 140), "at": [chance.uniform(140, 160), 100]}]}


def _inside_out(chance: Random, _: Drawings) -> Part:
    return {"ring": [chance.uniform(10, 100), chance.uniform(100, 500)]}


def _deep(chance: Random, _: Drawings) -> Part:
    nested: Any = 1
    for _step in range(chance.choice((3, 50, 600))):
        nested = [nested] if chance.random() < 0.5 else {"outline": nested}
    return {chance.choice(("outline", "holes", "rectangle", "layers")): nested}


def _many_corners(chance: Random, _: Drawings) -> Part:
    return {"outline": _ring(chance, 10_001 + chance.randrange(3_000))}


def _bad_quantity(chance: Random, _: Drawings) -> Part:
    return {"circle": 100, "quantity": chance.choice((-1, 100_001, 10**30, 0.5, "1", None, [], True, math.nan))}


def _bad_time(chance: Random, _: Drawings) -> Part:
    return {
        "circle": 100,
        "due": chance.choice(("soon", "2026-13-01", "2026-02-30", "26-1-1", "", 20261224, "1999-01-01", "2026-12-24T25:00")),
    }


def _bad_rotation(chance: Random, _: Drawings) -> Part:
    return {"circle": 100, "rotations": chance.choice(([], "all", ["0"], [math.nan], [1e9], {"a": 1}, 90, [None], "ANY"))}


def _no_drawing(chance: Random, _: Drawings) -> Part:
    return {"dxf": chance.choice(("gone.dxf", "../../gone.dxf", "/gone", "a\0b.dxf", "x" * 250, ""))}


def _drawn(chance: Random, drawings: Drawings, content: bytes) -> Part:
    name = f"{len(drawings)}-{chance.random()}.dxf"
    drawings[name] = content
    return {"dxf": name}


def _document(draw: Callable[[Any, Any], object], unit: int = 4) -> bytes:
    document: Any = new("R2010", units=unit)
    draw(document, document.modelspace())
    text = io.StringIO()
    document.write(text)
    return text.getvalue().encode()


def _square(_: Any, space: Any) -> None:
    space.add_lwpolyline([(0, 0), (400, 0), (400, 200), (0, 200)], close=True)
    space.add_circle((100, 100), 40)


_WHOLE = _document(_square)


def _cut_off(chance: Random, drawings: Drawings) -> Part:
    return _drawn(chance, drawings, _WHOLE[: chance.randrange(len(_WHOLE) - 5)])


def _noise(chance: Random, drawings: Drawings) -> Part:
    return _drawn(chance, drawings, chance.randbytes(chance.randrange(5_000)) + chance.choice((b"", b"\n0\nEOF\n")))


def _no_section(chance: Random, drawings: Drawings) -> Part:
    """Lines of the part lost: all entities, or as many as leave it open."""
    begin, end = _WHOLE.index(b"ENTITIES"), _WHOLE.index(b"OBJECTS")
    return _drawn(chance, drawings, _WHOLE[:begin] + b"ENTITIES\n  0\nENDSEC\n  0\nSECTION\n  2\n" + _WHOLE[end:])


def _open_line(chance: Random, drawings: Drawings) -> Part:
    gap = chance.uniform(0.2, 90)
    corners = [(0, 0), (400, 0), (400, 200), (0, 200), (0, gap)]
    return _drawn(chance, drawings, _document(lambda _, space: space.add_lwpolyline(corners)))


def _drawn_wrong(chance: Random, drawings: Drawings) -> Part:
    kinds: list[Callable[[Any, Any], object]] = [
        lambda _, space: space.add_lwpolyline([(0, 0), (400, 200), (400, 0), (0, 200)], close=True),
        lambda _, space: space.add_lwpolyline([(0, 0), (400, 0), (800, 0)], close=True),
        lambda _, space: space.add_circle((0, 0), chance.choice((0.1, 1e6, 1e12))),
        lambda _, space: space.add_solid([(0, 0), (1, 0), (1, 1)]),
        lambda _, space: space.add_line((0, 0, 0), (0, 0, 300)),
        lambda _, space: space.add_text("only words"),
        lambda _, space: [space.add_circle((x, 0), 40) for x in (0, 500)],
        lambda _, space: space.add_blockref("nowhere", (0, 0)),
    ]
    return _drawn(chance, drawings, _document(chance.choice(kinds)))


def _drawn_unit(chance: Random, drawings: Drawings) -> Part:
    return _drawn(chance, drawings, _document(_square, chance.choice((3, 7, 8, 9, 12, 13, 20))))


def _drawn_no_number(chance: Random, drawings: Drawings) -> Part:
    begin = _WHOLE.index(b"ENTITIES")
    word = chance.choice((b"nan", b"inf", b"1e400", b"word", b"", b"400,0"))
    return _drawn(chance, drawings, _WHOLE[:begin] + _WHOLE[begin:].replace(b"400.0", word, 1))


KINDS: dict[str, Callable[[Random, Drawings], Part]] = {
    "outline crosses itself": _crossing,
    "outline touches itself": _touching,
    "outline runs back": _spike,
    "no area": _flat,
    "less than 3 corners": _few,
    "unit: too small": _small,
    "unit: too large": _vast,
    "longer than any sheet": _too_large,
    "wider than any sheet": _too_wide,
    "no number, or huge": _no_number,
    "wrong type": _wrong_type,
    "wrong corner": _wrong_corner,
    "unknown key": _unknown_key,
    "two shapes": _two_shapes,
    "no shape": _no_shape,
    "hole outside": _hole_outside,
    "hole across the outline": _hole_across,
    "hole in a hole": _holes_in_holes,
    "ring inside out": _inside_out,
    "deep": _deep,
    "too many corners": _many_corners,
    "quantity": _bad_quantity,
    "due": _bad_time,
    "rotations": _bad_rotation,
    "no drawing": _no_drawing,
    "drawing cut off": _cut_off,
    "drawing of noise": _noise,
    "drawing without lines": _no_section,
    "drawing open": _open_line,
    "drawing wrong": _drawn_wrong,
    "drawing's unit": _drawn_unit,
    "drawing: no number": _drawn_no_number,
}


def _said_twice(text: str, chance: Random) -> str:
    return text.replace('"circle": 200', '"circle": 200, "circle": 300', 1) if chance.random() < 0.5 else text


def _whole(chance: Random, text: str) -> bytes:
    """Return a file that is wrong as a whole."""
    raw = text.encode()
    at = chance.randrange(1, len(raw) - 2)
    return chance.choice(
        (
            raw[:at],
            raw[:at] + b"\xff\xfe" + raw[at:],
            raw.replace(b"nest-problem/1", b"nest-problem/9"),
            raw.replace(b'"parts"', b'"pieces"', 1),
            raw.replace(b'"unit": "mm"', b'"unit": "yard"'),
            raw.replace(b'"sheets": [', b'"sheets": 3, "rest": ['),
            b"[" * chance.choice((1, 2_000, 200_000)),
            b"",
            b"null",
            b"[]",
            chance.randbytes(200),
            b'{"a":' * 100_000,
        )
    )


def _job(chance: Random, count: int, drawings: Drawings) -> tuple[str, list[str]]:
    """Return a job's file, and the kind of each part in it."""
    told: list[tuple[str, Part]] = [("", part) for part in GOOD]
    for _ in range(count):
        kind = chance.choice(list(KINDS))
        part = KINDS[kind](chance, drawings)
        told.append((kind, {"name": f"bad {chance.randrange(10**9)}"} | part))
    chance.shuffle(told)
    file = {"leadhand": "nest-problem/1", "name": "fuzz", "unit": "mm", "rules": {"kerf": 2, "gap": 6, "margin": 8}}
    text = json.dumps(file | {"parts": [part for _, part in told], "sheets": [SHEET]})
    return _said_twice(text, chance), [kind for kind, _ in told]


def _reader(drawings: Drawings) -> Callable[[str, LayersPiece], Shape]:
    def read(name: str, layers: LayersPiece) -> Shape:
        if name not in drawings:
            raise SettingsError(f"{name[:60]}: there is no such file")
        parts = read_parts(drawings[name], name, cut=layers.cut, ignore=layers.ignore)
        if len(parts) != 1:
            raise SettingsError(f"dxf: {name} holds {len(parts)} parts; a drawing of one part is needed")
        return parts[0]

    return read


def _silent(read: ReadNest, kinds: list[str], job: str, text: str) -> tuple[Counter[str], list[str]]:
    """Return how often each kind was told, and what was told of none, of another, or without words."""
    problem = read.problem
    assert isinstance(problem, NestProblem)
    found = nest(problem, seconds=0.4, workers=1)
    findings = [f"{job}: {fault}" for fault in nest_faults(problem, found)]
    words = {one.number: one.words() for one in read.refused if one.what == "part"}
    words |= {
        read.numbers[left.part]: f"{problem.parts[left.part].name}: {left.reason.value}"
        for left in found.left
        if left.reason is LeftReason.TOO_LARGE
    }
    told: Counter[str] = Counter()
    names = json.loads(text)["parts"]
    for number, kind in enumerate(kinds, 1):
        if not kind:
            if number in words:
                findings.append(f"{job}: the good part {number} is left aside: {words[number]}")
            continue
        told[kind] += 1
        if number not in words:
            findings.append(f"{job}: part {number} ({kind}) was not told: {json.dumps(names[number - 1])[:200]}")
        elif names[number - 1]["name"] not in words[number]:
            findings.append(f"{job}: part {number} ({kind}) is told without its name: {words[number][:200]}")
    laid = Counter(read.numbers[row] for cut in found.sheets for row in np.repeat(cut.placements.part, cut.copies).tolist())
    asked = sum(part["quantity"] for part in GOOD)
    if sum(laid.values()) != asked:
        findings.append(f"{job}: {sum(laid.values())} parts are laid, and {asked} good ones are asked for")
    return told, findings


@dataclass
class Counted:
    """What was told, and what should have been."""

    told: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    jobs: int = 0
    crashes: int = 0
    wholes: int = 0


def _count_job(counted: Counted, seed: int, count: int) -> None:
    job, chance, drawings = f"seed {seed} job {counted.jobs}", Random(seed * 1_000_003 + counted.jobs), Drawings()  # noqa: S311 - no secret
    text, kinds = _job(chance, count, drawings)
    try:
        told, findings = _silent(read_nest_problem(text, job, _reader(drawings)), kinds, job, text)
        counted.findings += findings
    except Exception as error:  # noqa: BLE001 - a crash is what is sought
        told = Counter({"(crashed)": len(kinds)})
        counted.crashes += 1
        counted.findings.append(f"{job}: crashed by {type(error).__name__}: {str(error)[:200]}")
    for _ in range(max(1, count // 20)):
        _count_whole(counted, job, _whole(chance, text), drawings)
    counted.told += told
    counted.jobs += 1


def _count_whole(counted: Counted, job: str, raw: bytes, drawings: Drawings) -> None:
    try:
        read_nest_problem(raw, job, _reader(drawings))
        counted.findings.append(f"{job}: a file that is wrong as a whole was taken: {raw[:80]!r}")
    except SettingsError as error:
        counted.wholes += 1
        if not all(problem.startswith(job) for problem in error.problems):
            counted.findings.append(f"{job}: a file is told without its name: {error.problems[0][:100]}")
    except Exception as error:  # noqa: BLE001 - as above
        counted.crashes += 1
        counted.findings.append(f"{job}: {raw[:40]!r} crashed by {type(error).__name__}: {str(error)[:200]}")


def main() -> int:
    asked = argparse.ArgumentParser(description="Malformed parts among good ones; Ctrl-C prints what was counted so far.")
    asked.add_argument("--parts", type=int, default=10_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--each", type=int, default=48)
    wanted = asked.parse_args()
    began, counted = time.monotonic(), Counted()
    with contextlib.suppress(KeyboardInterrupt):
        while counted.told.total() < wanted.parts:
            _count_job(counted, wanted.seed, min(wanted.each, wanted.parts - counted.told.total()))
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    for kind, count in sorted(counted.told.items()):
        print(f"{count:8,}  {kind}")
    print(f"{counted.told.total():,} malformed parts in {counted.jobs:,} jobs, each job's good parts laid and checked")
    print(f"{counted.wholes:,} files wrong as a whole, each told by its name")
    print(f"crashes {counted.crashes}, findings {len(counted.findings)} (silent, without a name, or the rest not laid)")
    cpu = sum(one.ru_utime + one.ru_stime for one in spent)
    print(f"seed {wanted.seed}, {time.monotonic() - began:.0f} s wall, {cpu:.0f} s CPU, load {os.getloadavg()[0]:.1f}")
    for finding in counted.findings[:20]:
        print(finding)
    return 1 if counted.findings else 0


if __name__ == "__main__":
    sys.exit(main())
