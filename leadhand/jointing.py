"""``leadhand joint``: the verdict on tightenings, from the files that their controller wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from plant.errors import Rejected
from plant.inspections import Decision, reason_record, reason_words
from plant.joint_curves import JointCurve, program_print
from plant.joints import CurveVerdict, Risk
from vision.controller_files import read_controller_file
from vision.curve_consistency import contradictions
from vision.envelope import Reference, learn, read_reference, reference_record
from vision.joint_verdict import judge_curve
from vision.references import shipped_reference

_MOST_FILES = 20_000
_OK, _NOT_OK, _WRONG = 0, 1, 2


def judge_files(curves: Sequence[Path], reference: Path | None, risk: Risk, *, as_json: bool) -> int:
    """Print the verdict on each file; return 0 where all are OK, 1 where one is not, 2 where one cannot be read."""
    known = _Known(reference)
    told = [_judged(path, known, risk) for path in curves]
    if as_json:
        typer.echo(json.dumps(told[0] if len(told) == 1 else told, indent=2, ensure_ascii=False))
    else:
        for one in told:
            typer.echo(_text(one))
    if any("error" in one for one in told):
        return _WRONG
    return _OK if all(one["decision"] == Decision.OK.value for one in told) else _NOT_OK


class _Known:
    """References as the caller gave them; a folder is read once, and a curve that lies in it never judges itself."""

    def __init__(self, given: Path | None) -> None:
        self._folder: list[tuple[str, JointCurve]] | None = None
        self._file: Reference | None = None
        self._learned: dict[tuple[str, str], Reference | None] = {}
        if given is not None and given.is_dir():
            self._folder = list(_good_runs(given))
        elif given is not None:
            self._file = read_reference(given)

    def of(self, curve: JointCurve, content: str) -> Reference | None:
        if self._file is not None:
            return self._file
        if self._folder is None:
            return shipped_reference(program_print(curve))
        program = program_print(curve)
        itself = content if any(content == other for other, _ in self._folder) else ""
        if (program, itself) not in self._learned:
            runs = [run for other, run in self._folder if other != content and program_print(run) == program]
            try:
                self._learned[program, itself] = learn(runs) if runs else None
            except Rejected:
                self._learned[program, itself] = None
        return self._learned[program, itself]


def _good_runs(folder: Path) -> list[tuple[str, JointCurve]]:
    """Return the runs of a folder that their tool calls OK and that agree with themselves; what is none is passed over."""
    found = []
    for path in sorted(folder.rglob("*.json"))[:_MOST_FILES]:
        try:
            run = read_controller_file(path)
        except Rejected:
            continue
        if run.tool_ok and not contradictions(run):
            found.append((_content(path), run))
    return found


def _judged(path: Path, known: _Known, risk: Risk) -> dict[str, Any]:
    try:
        curve = read_controller_file(path)
        verdict = judge_curve(curve, known.of(curve, _content(path)), risk)
    except Rejected as error:
        return {"file": str(path), "decision": Decision.NOT_DECIDABLE.value, "error": str(error), "reasons": [str(error)]}
    return {
        "file": str(path),
        "decision": verdict.decision.value,
        "part": curve.part,
        "program": curve.program,
        "taken": curve.taken,
        "risk": risk.value,
        "reasons": [reason_words(reason) for reason in verdict.reasons],
        "codes": [reason_record(reason) for reason in verdict.reasons],
        "features": dict(verdict.measures),
        "reference": _reference(verdict),
        "validated_on": "good runs: real and simulated tightenings; faults: simulated tightenings only",
    }


def _reference(verdict: CurveVerdict) -> dict[str, Any] | None:
    if verdict.distance is None:
        return None
    return {"runs": verdict.reference_runs, "distance": round(verdict.distance, 3), "review_at": round(verdict.review_at or 0.0, 3)}


def _text(told: dict[str, Any]) -> str:
    lines = [f"{told['file']}: {told['decision'].upper().replace('_', ' ')}"]
    lines += [f"  {reason}" for reason in told["reasons"]]
    return "\n".join(lines)


def learn_files(paths: Sequence[Path], out: Path) -> int:
    """Write the reference of good runs, given as files or folders."""
    files = [file for path in paths for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]
    reference = learn([read_controller_file(path) for path in files])
    out.write_text(json.dumps(reference_record(reference), indent=1) + "\n", "utf-8")
    typer.echo(f"{out}: {reference.runs} good runs of '{reference.name}', {len(reference.names)} features")
    return _OK


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
