"""``leadhand tune``: trials and windows from files, proposals to a file."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from optimizer.tuning import propose
from optimizer.tuning_files import answers_record, read_trials
from plant.errors import SettingsError
from plant.process_windows import read_windows
from plant.tuning import Proposal, Refusal, TuningTarget


def tune_files(history: Path, windows: Path, out: Path, *, cell: str | None, budget: int, seed: int) -> None:
    """Write what to try next at each program of the trials. Raises SettingsError for what is wrong with a file."""
    known = read_windows(windows)
    table = read_trials(history, known)
    wanted = [target for target in table.trials if cell is None or cell in {target.work_unit, f"{target.work_unit}/{target.program}"}]
    if not wanted:
        there = ", ".join(f"{target.work_unit}/{target.program}" for target in table.trials)
        raise SettingsError(f"--cell: there is no trial of '{cell}'; there are trials of: {there}")
    answers = [
        propose(known, target, table.trials[target], accepted=table.accepted.get(target), budget=budget, seed=seed) for target in wanted
    ]
    record = answers_record(answers, history=history.name, windows=windows.name, seed=seed)
    try:
        out.write_text(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    except OSError as error:
        raise SettingsError(f"--out: {out} cannot be written: {error}") from error
    for answer in answers:
        typer.echo(_line(answer))
    typer.echo(f"{out}: {len(answers)} programs")


def _line(answer: Proposal | Refusal) -> str:
    if isinstance(answer, Refusal):
        return f"{_named(answer.target)}: nothing is proposed: {answer.words}"
    deltas = ", ".join(f"{name} {delta:+g}" for name, delta in answer.deltas.items()) or "the accepted recipe once more"
    now, then = answer.accepted_first_pass, answer.first_pass
    return (
        f"{_named(answer.target)}: {answer.purpose.value}: {deltas}; first pass {then.mean:.1%} ({then.low:.1%} to {then.high:.1%}), "
        f"accepted {now.mean:.1%}; {answer.reasons[0]}"
    )


def _named(target: TuningTarget) -> str:
    return target.words
