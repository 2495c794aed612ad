"""What ``leadhand sequence`` does: read a mix, put it in order, tell what the order is like."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import typer

from optimizer.sequencing import Sequence, sequence
from plant.errors import SettingsError
from plant.mix_file import read_mix
from plant.model_mix import Mix, mix_faults, mix_measures

_A_LINE: Final = 5


def sequence_file(file: Path, seconds: float, seed: int, *, as_json: bool) -> int:
    """Print the order for the mix of a file; return the exit code, 1 where it breaks a ratio or a window."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from error
    mix = read_mix(text, str(file))
    cpu = time.process_time()
    found = sequence(mix, seconds=seconds, seed=seed)
    told = sequence_record(mix, found, time.process_time() - cpu, seed)
    typer.echo(json.dumps(told, indent=1, ensure_ascii=False) if as_json else _table(mix, told))
    return 1 if found.faults else 0


def sequence_record(mix: Mix, found: Sequence, cpu_s: float, seed: int) -> dict[str, Any]:
    """Return an order and what it is like, for programs."""
    measures = mix_measures(mix, found.order)
    return {
        "leadhand": "sequence/1",
        "name": mix.name,
        "takt_s": mix.takt_s,
        "sequence": [
            {"place": at, "machine": mix.machines[row], "model": mix.models[mix.model[row]]} for at, row in enumerate(found.order, 1)
        ],
        "model_variation": round(measures.model_variation, 6),
        "model_variation_bound": round(found.bound, 6),
        "option_variation": round(measures.option_variation, 6),
        "option_variation_bound": round(found.option_bound, 6),
        "ratios_broken": measures.too_many,
        "utility_work_s": {name: round(value, 6) for name, value in measures.utility_s.items()},
        "setup_s": round(measures.setup_s, 6),
        "places_out_of_window": measures.out_of_window,
        "cost": round(measures.cost, 6),
        "faults": list(found.faults),
        "cannot_be_kept": list(mix_faults(mix)),
        "verified": not found.faults,
        "by": found.by,
        "seed": seed,
        "wall_s": round(found.seconds, 3),
        "cpu_s": round(cpu_s, 3),
    }


def _table(mix: Mix, told: dict[str, Any]) -> str:
    wide = len(str(len(mix.machines)))
    longest = max(len(one["machine"]) for one in told["sequence"])
    cells = [f"{one['place']:>{wide}} {one['machine']:<{longest}}" for one in told["sequence"]]
    lines = ["  ".join(cells[at : at + _A_LINE]).rstrip() for at in range(0, len(cells), _A_LINE)]
    utility = sum(told["utility_work_s"].values())
    lines += [
        "",
        f"variation of models   {told['model_variation']:.1f}, no order has less than {told['model_variation_bound']:.1f}",
        f"variation of options  {told['option_variation']:.1f}, no order has less than {told['option_variation_bound']:.1f}",
        f"work beyond takt and drift  {utility:.0f} s; setups {told['setup_s']:.0f} s",
        f"found in {told['wall_s']:.1f} s ({told['cpu_s']:.1f} CPU-s) by {told['by']}",
        *told["cannot_be_kept"],
        *(told["faults"] or ["checked: every machine once, every ratio and window kept"]),
    ]
    return "\n".join(lines)
