"""``leadhand condition``: learn from recordings whether a tool is worn, say how good that is, and judge others by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monitor.recordings import labelled, read_experiment, read_experiments
from monitor.wear import Judged, by_pieces, by_raw_means, leave_one_out, load_model, save_model
from plant.errors import SettingsError


def evaluate(folder: Path) -> dict[str, Any]:
    """Return how well recordings are judged by models that never saw them, beside raw means."""
    experiments = labelled(read_experiments(folder))
    ours, plain = leave_one_out(experiments, by_pieces), leave_one_out(experiments, by_raw_means)
    return {
        "recordings": [
            {"name": name, "worn": bool(worn), "score": round(float(score), 3)}
            for name, worn, score in zip(ours.names, ours.worn, ours.score, strict=True)
        ],
        "model": _figures(ours),
        "raw_means": _figures(plain),
        "proves": bool(ours.balanced_low > 0.5 and ours.chance < 0.05),
    }


def _figures(judged: Judged) -> dict[str, Any]:
    return {
        "balanced_accuracy": round(judged.balanced_accuracy, 3),
        "balanced_accuracy_95": [round(judged.balanced_low, 3), round(judged.balanced_high, 3)],
        "auroc": round(judged.auroc, 3),
        "auroc_95": [round(judged.auroc_low, 3), round(judged.auroc_high, 3)],
        "chance_of_such_an_auroc": round(judged.chance, 4),
    }


def evaluation_lines(told: dict[str, Any]) -> list[str]:
    """Return an evaluation for people."""
    lines = [f"{'worn' if one['worn'] else 'unworn':7s} {one['score']:.2f}  {one['name']}" for one in told["recordings"]]
    for name, key in (("model", "model"), ("raw means", "raw_means")):
        figures = told[key]
        low, high = figures["balanced_accuracy_95"]
        area_low, area_high = figures["auroc_95"]
        lines.append(
            f"{name}: balanced accuracy {figures['balanced_accuracy']:.2f} [{low:.2f}, {high:.2f}], AUROC {figures['auroc']:.2f} "
            f"[{area_low:.2f}, {area_high:.2f}]; by chance alone {100 * figures['chance_of_such_an_auroc']:.1f} %"
        )
    words = (
        "these recordings tell worn tools from others" if told["proves"] else "so few recordings prove nothing: the bounds hold a coin too"
    )
    return [*lines, words]


def train(folder: Path, file: Path) -> dict[str, Any]:
    """Write a model learned from all recordings in a folder, and its card beside it; return the card."""
    return save_model(file, labelled(read_experiments(folder)))


def judge(model: Path, recording: Path) -> dict[str, Any]:
    """Return how worn the tool of one recording looks; 0.5 is undecided."""
    known, experiment = load_model(model), read_experiment(recording)
    if experiment.pieces.shape[1] != known.n_features_in_:
        raise SettingsError(f"{model}: was trained on other columns; train it anew")
    score = float(known.predict_proba(experiment.pieces)[:, 1].mean())
    return {"recording": experiment.name, "score": round(score, 3), "pieces": len(experiment.pieces)}


def shown(told: dict[str, Any], *, as_json: bool, lines: list[str]) -> str:
    """Return a result for programs or for people."""
    return json.dumps(told, indent=1) if as_json else "\n".join(lines)
