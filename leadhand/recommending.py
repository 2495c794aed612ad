"""Recommendations from files: read all, learn, answer for each product, write whole or not at all."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import typer

from leadhand.console import Console
from optimizer.advice import Adviser, Circumstances, advise, adviser
from optimizer.files import read_history, read_products
from optimizer.new_product import DEFAULT_NAME, described
from optimizer.sheets import sheet_html
from optimizer.todays_load import read_load
from plant.clock import Clock
from plant.errors import Rejected, SettingsError
from plant.network_file import load_network
from plant.process_network import ProcessNetwork
from plant.process_windows import read_windows
from plant.products import ProductTable
from plant.recommendations import (
    Answer,
    Recommendation,
    RecommendationFile,
    material_change,
    read_recommendations,
    write_recommendations,
)

_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for."""

    network: Path
    history: Path
    products: Path
    out: Path
    windows: Path | None = None
    product: tuple[str, ...] = ()
    feature: tuple[str, ...] = ()
    only_new: bool = False
    own_routes: bool = False
    today: Path | None = None
    sheet: Path | None = None
    before: Path | None = None
    made_at: str | None = None
    valid_days: float = 30.0
    seed: int = 1
    as_json: bool = False


def recommend_from_files(wanted: Wanted, console: Console, clock: Clock) -> None:
    """Write recommendations and print a table of them. Raises SettingsError where a file or an argument is wrong, before any work."""
    made_at = _made_at(wanted.made_at, clock)
    network = load_network(wanted.network)
    windows = None if wanted.windows is None else read_windows(wanted.windows)
    table = read_products(wanted.products, network)
    asked = _described(wanted, network, table)
    if asked is None:
        _known(wanted, table)
    load = None if wanted.today is None else read_load(_text(wanted.today), str(wanted.today), network)
    old = {} if wanted.before is None else _by_product(read_recommendations(_text(wanted.before), str(wanted.before)))
    _writable(wanted)
    console.waiting("reading the history")
    history = read_history(wanted.history, network, table)
    console.waiting(f"learning from {len(history):,} operations")
    began = clock.monotonic()
    answers_for = adviser(network, table, history, windows, seed=wanted.seed)
    console.waiting(None)
    measured = np.asarray(answers_for.known.measured.counts.sum(axis=1))
    console.said(f"{len(history):,} operations of {int((measured > 0).sum()):,} products learned in {clock.monotonic() - began:.1f} s")
    chosen = table.take(_chosen(wanted, table, measured > 0)) if asked is None else asked
    told = _answered(answers_for, chosen, wanted, Circumstances(made_at, load, wanted.own_routes, wanted.valid_days, _routes(old)), console)
    file = RecommendationFile("recommendations/1", answers_for.predictor.version, made_at, tuple(told))
    text = write_recommendations(file)
    _write(wanted.out, text)
    if wanted.sheet is not None:
        _write_sheets(wanted.sheet, network, chosen, file)
    typer.echo(text if wanted.as_json else _table(told, old), nl=not wanted.as_json)
    console.said(f"written to {wanted.out}" + (f", sheets to {wanted.sheet}" if wanted.sheet is not None else ""))


def _answered(answers_for: Adviser, chosen: ProductTable, wanted: Wanted, asked: Circumstances, console: Console) -> list[Recommendation]:
    told = []
    for number, one in enumerate(advise(answers_for, chosen, asked), 1):
        told.append(one)
        console.waiting(f"{number:,} of {len(chosen):,} products of {wanted.products.name}")
    console.waiting(None)
    return told


def _made_at(given: str | None, clock: Clock) -> datetime:
    if given is None:
        return datetime.fromtimestamp(clock.now_us() // 1_000_000, UTC)
    try:
        time = datetime.fromisoformat(given)
    except ValueError as error:
        raise SettingsError(f"--made-at: '{given}' is no time; write e.g. 2026-11-01T06:30:00Z") from error
    return time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _described(wanted: Wanted, network: ProcessNetwork, table: ProductTable) -> ProductTable | None:
    """Return the product that the arguments describe; None where they describe none."""
    if not wanted.feature:
        return None
    wrong = [given for given in wanted.feature if "=" not in given]
    if wrong:
        raise SettingsError([f"--feature {given}: write NAME=VALUE, e.g. tonnage_t=22.5" for given in wrong])
    names = [given.partition("=")[0].strip() for given in wanted.feature]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError([f"--feature {name}: is given twice" for name in twice])
    if len(wanted.product) > 1 or wanted.only_new:
        raise SettingsError("--feature describes one product: name it by one --product, and leave out --only-new")
    name = wanted.product[0] if wanted.product else DEFAULT_NAME
    if name in table:
        raise SettingsError(f"--product {name}: {wanted.products} has a product of that name; give the new one another name")
    return described(network, {name: given.partition("=")[2].strip() for name, given in zip(names, wanted.feature, strict=True)}, name)


def _known(wanted: Wanted, table: ProductTable) -> None:
    unknown = [name for name in wanted.product if name not in table]
    if unknown:
        raise SettingsError([f"--product {name}: {wanted.products} has no product of that name" for name in unknown])


def _writable(wanted: Wanted) -> None:
    """Find out before minutes of work whether what they give can be written."""
    if not wanted.out.absolute().parent.is_dir():
        raise SettingsError(f"--out {wanted.out}: there is no folder {wanted.out.parent}")
    if wanted.out.is_dir():
        raise SettingsError(f"--out {wanted.out}: is a folder; name a file")
    if wanted.sheet is not None and wanted.sheet.exists() and not wanted.sheet.is_dir():
        raise SettingsError(f"--sheet {wanted.sheet}: is a file; name a folder")


def _chosen(
    wanted: Wanted, table: ProductTable, made: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    chosen = np.array([not wanted.product or name in wanted.product for name in table.ids], np.bool_)
    if wanted.only_new:
        chosen &= ~made
    if not chosen.any():
        raise SettingsError(f"no product of {wanted.products} is asked for" + (": all have rows in the history" if wanted.only_new else ""))
    return chosen


def _by_product(file: RecommendationFile) -> dict[str, Recommendation]:
    return {one.product: one for one in file.items}


def _routes(old: dict[str, Recommendation]) -> dict[str, tuple[str, ...]]:
    return {name: one.route for name, one in old.items() if one.answer is Answer.RECOMMENDED}


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".part")
    try:
        fresh.write_text(text, "utf-8")
        os.replace(fresh, path)  # noqa: PTH105
    except OSError as error:
        raise Rejected(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)


def _write_sheets(folder: Path, network: ProcessNetwork, products: ProductTable, file: RecommendationFile) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Rejected(f"{folder}: cannot be made: {error.strerror or error}") from error
    taken: set[str] = set()
    for row, one in enumerate(file.items):
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", one.product).strip(".") or "product"
        name = plain if plain.casefold() not in taken else f"{plain}-{row + 1}"
        taken.add(name.casefold())
        text = sheet_html(products.at(row), network.features, one, file.model_version, f"{file.made_at:%Y-%m-%d %H:%M} UTC")
        _write(folder / f"{name}.html", text)


def _table(told: list[Recommendation], old: dict[str, Recommendation]) -> str:
    lines = [f"{'product':<14} {'answer':<20} {'cost':>9} {'minutes':>9} {'yield %':>8} {'saves, 90 % interval':>26}  against"]
    lines += [_line(one, old) for one in told[:_SHOWN]]
    if len(told) > _SHOWN:
        lines.append(f"... and {len(told) - _SHOWN:,} more")
    counts = {answer: sum(one.answer is answer for one in told) for answer in Answer}
    lines.append(", ".join(f"{count:,} {answer.value.replace('_', ' ')}" for answer, count in counts.items() if count))
    return "\n".join(lines)


def _line(one: Recommendation, old: dict[str, Recommendation]) -> str:
    head = f"{one.product:<14} {one.answer.value.replace('_', ' '):<20} "
    if one.predicted is None:
        return head + (one.reason or "")
    gain = "" if one.gain is None else f"{one.gain.mean:.1f} ({one.gain.low:.1f} to {one.gain.high:.1f})"
    news = ""
    if old:
        change = material_change(old.get(one.product), one)
        news = "  nothing new" if change is None else f"  new: {change.value}"
    costs, minutes, passes = one.predicted.cost.mean, one.predicted.duration_min.mean, 100 * one.predicted.first_pass.mean
    return f"{head}{costs:>9.1f} {minutes:>9.1f} {passes:>8.1f} {gain:>26}  {'' if one.gain is None else one.gain.against}{news}"
