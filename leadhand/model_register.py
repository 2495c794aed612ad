"""The register of the models that judge pictures, for the command line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from leadhand.home import Home
from plant.clock import Clock
from plant.inspections import Subject
from storage.database import Connection
from storage.models import Compared, RegisteredModel, add_model
from vision.registered import model_file, model_path


def add(connection: Connection, home: Home, path: Path, subject: Subject, actor: str, clock: Clock) -> RegisteredModel:
    """Keep a model's file in a home, and take it into the shadow. Raises Rejected for one that cannot judge."""
    file = model_file(path, subject)
    kept = model_path(home.path / "vision" / "models", file.sha256)
    kept.parent.mkdir(parents=True, exist_ok=True)
    new = kept.with_suffix(".new")
    new.write_bytes(path.read_bytes())
    new.replace(kept)  # there as a whole before anybody is told so
    return add_model(connection, file, actor=actor, time_us=clock.now_us())


def record(model: RegisteredModel) -> dict[str, Any]:
    """Return a row of the register as JSON values."""
    file = model.file
    return {
        "subject": file.subject.value,
        "sha256": file.sha256,
        "name": file.name,
        "stage": model.stage.value,
        "shipped": file.shipped,
        "bytes": file.bytes,
        "licence": file.licence,
        "manifest_sha256": file.manifest_sha256,
        "added": _time(model.added_us),
        "added_by": model.added_by,
        "approver": model.approver,
        "approved": _time(model.approved_us),
        "retired": _time(model.retired_us),
        "retired_by": model.retired_by,
        "thresholds": file.thresholds,
        "figures": file.figures,
    }


def lines(models: list[RegisteredModel]) -> list[str]:
    """Return the register for people, one model a line."""
    if not models:
        return ["no model is registered yet: the vision process registers those that come with Leadhand when it starts"]
    return [_line(one) for one in models]


def compared_record(found: Compared) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    pairs = {f"{charge.value} / {shadow.value}": count for (charge, shadow), count in sorted(found.pairs.items())}
    return {
        "pictures": found.pictures,
        "alike": found.alike,
        "in charge / in shadow": pairs,
        "answered": found.answered,
        "right": {"in_charge": found.right_in_charge, "in_shadow": found.right_in_shadow},
        "faulty_passed": {"in_charge": found.passed_in_charge, "in_shadow": found.passed_in_shadow},
    }


def compared_lines(found: Compared) -> list[str]:
    """Return a comparison for people."""
    told = [f"{found.pictures} pictures judged by both, {found.alike} alike"]
    told += [
        f"  in charge {charge.value}, in the shadow {shadow.value}: {count}"
        for (charge, shadow), count in sorted(found.pairs.items(), key=lambda pair: -pair[1])
        if charge is not shadow
    ]
    told.append(
        f"{found.answered} answered by people: right in charge {found.right_in_charge}, in the shadow {found.right_in_shadow}; "
        f"faulty ones passed: {found.passed_in_charge} and {found.passed_in_shadow}"
    )
    return told


def _line(one: RegisteredModel) -> str:
    who = f"approved by {one.approver}" if one.approver else f"added by {one.added_by}"
    figures = one.file.figures
    good = ", ".join(f"{name} {figures[name]}" for name in ("map50", "macro_f1") if figures.get(name) is not None)
    missed = figures.get("missed")
    if isinstance(missed, dict) and missed.get("of"):
        good += f"; missed {missed['hits']} of {missed['of']} (at most {100 * missed['high']:.1f} %)"
    return f"{one.file.subject.value}\t{one.stage.value}\t{one.file.sha256[:12]}\t{one.file.name}\t{who}\t{good}".rstrip()


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else dt.datetime.fromtimestamp(time_us / 1e6, dt.UTC).isoformat()
