"""Nests from files: read the parts, search while a person looks on, check, print, draw and write."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from leadhand.console import Console
from leadhand.searches import check_writable, errors_told_apart, interrupts, read_file, write_file
from plant.clock import Clock
from plant.errors import Rejected, SettingsError
from plant.nest_answers import LEFT_WORDS, nest_json, strip_json
from plant.nest_drawing import as_sheet, sheet_svg
from plant.nest_figures import Utilisation, sheet_utilisation, strip_density, utilisation
from plant.nest_file import ReadNest, read_nest_problem
from plant.nest_pieces import LayersPiece
from plant.nests import CutSheet, Nest, NestPart, NestProblem, PackedStrip, Shape, StripProblem, area_mm2
from plant.plan_file import plan_text
from plant.strict_json import most

OK, NOTHING_LAID = 0, 1
_METRIC_WORDS = {
    "gross": "gross (parts / sheets)",
    "credited": "credited (remnants that go back count as not used)",
    "net": "net of kerf, gap and margin",
    "net_credited": "net of kerf, gap and margin, remnants credited",
}


@dataclass(frozen=True, slots=True)
class WantedNest:
    """What a person asked for."""

    file: Path
    seconds: float = 60.0
    seed: int = 1
    workers: int = 2
    output: Path | None = None
    svg: Path | None = None
    dxf: Path | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class _Searched:
    """What a search gave, and what it took."""

    found: Nest | PackedStrip
    seconds: float
    cpu_seconds: float
    interrupted: bool


def nest_file(wanted: WantedNest, console: Console, clock: Clock) -> int:
    """Print the best nest found for a file, and write it where asked. Return the exit code. Raises SettingsError before any work."""
    read = read_nest_problem(read_file(wanted.file, "a file of parts"), str(wanted.file), _drawings(wanted.file.parent))
    problem = read.problem
    _refuse_nothing(read, wanted)
    check_writable(wanted.output)
    for option, folder in (("--svg", wanted.svg), ("--dxf", wanted.dxf)):
        _make_folder(option, folder)
    console.said(f"{problem.name}: {_size(problem)}; at most {wanted.seconds:g} s, Ctrl-C gives the best so far")
    for words in most([one.words() for one in read.refused], str(wanted.file)):
        console.trouble(words)
    searched = _searched(problem, wanted, console, clock)
    _checked(problem, searched.found, wanted)
    told = {
        "verified": True,
        "seconds": round(searched.seconds, 3),
        "cpu_seconds": round(searched.cpu_seconds, 3),
        "seed": wanted.seed,
        "workers": wanted.workers,
    } | ({"interrupted": True} if searched.interrupted else {})
    if isinstance(problem, StripProblem) and isinstance(searched.found, PackedStrip):
        answer, lines = strip_json(read, problem, searched.found, told), list(_strip_lines(problem, searched))
        drawn = [("strip", *as_sheet(problem, searched.found))] if len(searched.found.placements.part) else []
        laid = len(searched.found.placements.part)
    elif isinstance(problem, NestProblem) and isinstance(searched.found, Nest):
        answer, lines = nest_json(read, problem, searched.found, told), list(_nest_lines(problem, searched.found, searched))
        drawn = [(f"layout-{number:03d}", problem, cut) for number, cut in enumerate(searched.found.sheets, 1)]
        laid = answer["parts_laid"]
    _write(wanted, plan_text(answer), drawn)
    typer.echo(plan_text(answer) if wanted.as_json else "\n".join(lines), nl=not wanted.as_json)
    for folder in (wanted.output, wanted.svg, wanted.dxf):
        if folder is not None:
            console.said(f"written to {folder}")
    return OK if laid or not problem.parts else NOTHING_LAID


def _refuse_nothing(read: ReadNest, wanted: WantedNest) -> None:
    """Raise SettingsError where no part is left to be laid although some were asked for."""
    if read.problem.parts:
        return
    refused = [f"{wanted.file}: {one.words()}" for one in read.refused]
    if any(one.what == "part" for one in read.refused):
        raise SettingsError(most(refused, str(wanted.file)))


def _searched(problem: NestProblem | StripProblem, wanted: WantedNest, console: Console, clock: Clock) -> _Searched:
    from optimizer.nesting.nesting import nest
    from optimizer.nesting.strip_shapes import with_fewer_corners
    from optimizer.nesting.strips import pack_strip

    told: list[str] = []
    began, cpu = clock.monotonic(), _cpu_seconds()

    with errors_told_apart(), interrupts() as interrupted:

        def looked_on() -> bool:
            console.waiting(f"{clock.monotonic() - began:,.1f} s: {told[-1] if told else 'looking for a first layout'}")
            return interrupted.is_set()

        asked: dict[str, Any] = {"seconds": wanted.seconds, "seed": wanted.seed, "workers": wanted.workers, "stop": looked_on}
        found: Nest | PackedStrip
        if isinstance(problem, StripProblem):
            found = pack_strip(
                with_fewer_corners(problem),
                on_progress=lambda now: told.append(f"length {now.length_mm:,.6g}, density {100 * now.density:.2f} %"),
                **asked,
            )
        else:
            found = nest(
                problem,
                on_progress=lambda now: told.append(f"{now.laid:,} of {now.asked:,} parts on {now.sheets:,} sheets"),
                **asked,
            )
    console.waiting(None)
    return _Searched(found, clock.monotonic() - began, _cpu_seconds() - cpu, interrupted.is_set())


def _checked(problem: NestProblem | StripProblem, found: Nest | PackedStrip, wanted: WantedNest) -> None:
    from optimizer.nesting.checking import nest_faults, strip_faults

    faults = (
        strip_faults(problem, found)
        if isinstance(problem, StripProblem) and isinstance(found, PackedStrip)
        else nest_faults(problem, found)
        if isinstance(problem, NestProblem) and isinstance(found, Nest)
        else ["it is of another kind than what was asked for"]
    )
    if faults:
        raise Rejected("\n".join([f"{wanted.file}: the nest found breaks rules, and is not given:", *faults[:50]]))


def _cpu_seconds() -> float:
    """Return what this process and those that it has waited for took."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def _drawings(folder: Path) -> Callable[[str, LayersPiece], Shape]:
    """Return what reads drawings beside a file: only where one is named is the library loaded."""

    def drawing(name: str, layers: LayersPiece) -> Shape:
        from protocols.dxf import read_parts

        parts = read_parts(read_file(folder / name, "a drawing"), name, cut=layers.cut, ignore=layers.ignore)
        if len(parts) != 1:
            raise SettingsError(f"dxf: {name} holds {len(parts)} parts; a drawing of one part is needed")
        return parts[0]

    return drawing


def _make_folder(option: str, folder: Path | None) -> None:
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{option} {folder}: is no folder that can be made: {error.strerror or error}") from error


def _write(wanted: WantedNest, text: str, drawn: list[tuple[str, NestProblem, CutSheet]]) -> None:
    if wanted.output is not None:
        write_file(wanted.output, text)
    for name, problem, cut in drawn:
        if wanted.svg is not None:
            write_file(wanted.svg / f"{name}.svg", sheet_svg(problem, cut))
        if wanted.dxf is not None:
            from protocols.dxf import write_sheet

            write_file(wanted.dxf / f"{name}.dxf", write_sheet(problem, cut))


def _size(problem: NestProblem | StripProblem) -> str:
    pieces = sum(part.quantity for part in problem.parts)
    words = f"{pieces:,} parts of {len(problem.parts):,} kinds"
    if isinstance(problem, StripProblem):
        return f"{words} on a strip {problem.height_mm:,.6g} high"
    return f"{words}, {sum(sheet.quantity for sheet in problem.sheets):,} sheets in stock"


def _strip_lines(problem: StripProblem, searched: _Searched) -> Iterator[str]:
    found = searched.found
    if not isinstance(found, PackedStrip):
        return
    density = strip_density(problem, found)
    yield f"density {100 * density:.3f} % (area of all parts / length x height), length {found.length_mm:,.8g}"
    yield _verified(searched)
    yield ""
    yield from _placement_lines(problem.parts, found.placements.part.tolist(), found)


def _placement_lines(parts: tuple[NestPart, ...], rows: list[int], found: PackedStrip) -> Iterator[str]:
    laid = found.placements
    for row, part in enumerate(rows):
        yield f"  {parts[part].name:<24} at {laid.x_mm[row]:>12,.3f} {laid.y_mm[row]:>12,.3f} turned {laid.rotation_deg[row]:g}"


def _nest_lines(problem: NestProblem, nest: Nest, searched: _Searched) -> Iterator[str]:
    found = utilisation(problem, nest)
    asked = sum(part.quantity for part in problem.parts)
    yield f"{found.parts:,} of {asked:,} parts laid on {found.sheets:,} sheet{'' if found.sheets == 1 else 's'}"
    yield from (f"  {100 * share:6.2f} % {_METRIC_WORDS[name]}" for name, share in found.shares().items() if found.sheets)
    yield _verified(searched)
    for number, cut in enumerate(nest.sheets, 1):
        yield _sheet_line(problem, number, cut, sheet_utilisation(problem, cut))
    for left in nest.left:
        part = problem.parts[left.part]
        yield f"  not laid: {left.quantity:,} x {part.name}{f' of {part.order}' if part.order else ''}: {LEFT_WORDS[left.reason]}"


def _sheet_line(problem: NestProblem, number: int, cut: CutSheet, figures: Utilisation) -> str:
    sheet = problem.sheets[cut.sheet]
    counts = np.bincount(cut.placements.part, minlength=len(problem.parts))
    most_area = sorted(np.flatnonzero(counts).tolist(), key=lambda row: -counts[row] * area_mm2(problem.parts[row].shape))
    names = ", ".join(f"{counts[row]} x {problem.parts[row].name}" for row in most_area[:6])
    rest = f", {len(cut.remnants)} remnant{'s' if len(cut.remnants) > 1 else ''}" if cut.remnants else ""
    more = f" and {len(most_area) - 6} others" if len(most_area) > 6 else ""
    return f"  layout {number}: {cut.copies} x {sheet.name}, {100 * figures.net:.1f} % net{rest}: {names}{more}"


def _verified(searched: _Searched) -> str:
    ended = ", interrupted" if searched.interrupted else ""
    return f"verified: it keeps every rule; {searched.seconds:.1f} s wall, {searched.cpu_seconds:.1f} s CPU{ended}"
