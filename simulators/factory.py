"""``python -m simulators.factory --seed S --out DIR``: a route set of a simulated factory, with its hidden truth in ``DIR/truth``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plant.operation_history import NOT_TOLD, OperationHistory
from simulators.factory_planner import Works
from simulators.factory_runs import history_of
from simulators.factory_shape import OPERATIONS
from simulators.factory_shape import network as network_content
from simulators.factory_truth import NOW_US, VERSION, Kind, truth_of

ROWS: Final = 190_000
_PLANNER_DRAWS: Final = 400


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one route set; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m simulators.factory", description="A route set of a simulated factory, and its truth.")
    parser.add_argument("--seed", type=int, required=True, help="the same seed gives the same factory; develop on 1001 and above")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="empty or not there")
    parser.add_argument("--truth", choices=[kind.value for kind in Kind], default=Kind.PLAIN.value)
    parser.add_argument("--rows", type=int, default=ROWS, help="about so many operations in the history")
    given = parser.parse_args(arguments)
    if given.rows < 1000 or given.seed < 0:
        print("--rows must be 1000 or more, --seed 0 or more", file=sys.stderr)  # noqa: T201
        return 2
    out: Path = given.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        print(f"--out {out}: is there and not empty; name a folder that is empty or not there", file=sys.stderr)  # noqa: T201
        return 2
    told = write_set(out, given.seed, Kind(given.truth), given.rows)
    print(json.dumps(told))  # noqa: T201
    return 0


def write_set(out: Path, seed: int, kind: Kind = Kind.PLAIN, rows: int = ROWS) -> dict[str, Any]:
    """Write network.json, products.csv, history.parquet and truth/; return what there is."""
    works = Works(truth_of(seed, kind))
    (out / "truth").mkdir(parents=True, exist_ok=True)
    catalogue, parts = history_of(works, rows)
    written = _write_history(parts, out / "history.parquet")
    told = network_content(works.network.name) | {"routes": catalogue.names(works), "current": catalogue.current(works)}
    (out / "network.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (out / "products.csv").write_text(_products_csv(works), encoding="utf-8")
    _write_truth(works, out / "truth")
    head = {"leadhand": "factory-truth/1", "version": VERSION, "seed": seed, "truth": kind.value, "now_us": NOW_US}
    (out / "truth" / "truth.json").write_text(json.dumps(head) + "\n", encoding="utf-8")
    return {"out": str(out), "products": len(works.products), "routes": len(catalogue.uses), "operations": written, **head}


def _write_history(parts: Any, path: Path) -> int:
    written, writer = 0, None
    for part in parts:
        table = _table(part)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=500_000)
        written += table.num_rows
    if writer is not None:
        writer.close()
    return written


def _table(history: OperationHistory) -> pa.Table:
    def coded(codes: Any, names: Sequence[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes == NOT_TOLD), pa.array(names, pa.string()))

    operations = np.array([OPERATIONS.index(next(o for o in OPERATIONS if _is_of(a, o))) for a in history.alternatives])
    columns = {
        "order": pa.array(np.array(history.orders)[history.order]),
        "serial": pa.array(np.array(history.serials)[history.serial]),
        "product": coded(history.product, history.products),
        "operation": coded(operations[history.alternative], OPERATIONS),
        "alternative": coded(history.alternative, history.alternatives),
        "started_at": pa.array(history.started_us, pa.timestamp("us", tz="UTC")),
        **{name: _measured(getattr(history, name)) for name in ("duration_min", "rework_min", "energy_kwh", "wear", "propensity")},
        "first_pass": pa.array(history.first_pass),
        "scrapped": pa.array(history.scrapped),
        "decided_by": coded(history.decided_by, history.deciders),
        **{f"p_{name}": _measured(column) for name, column in history.parameters.items()},
    }
    return pa.table(columns)


def _is_of(alternative: str, operation: str) -> bool:
    return alternative.startswith(f"{operation}-") and not any(
        other != operation and other.startswith(operation) and alternative.startswith(f"{other}-") for other in OPERATIONS
    )


def _measured(column: Any) -> pa.Array:
    return pa.array(np.round(column, 4), pa.float32(), mask=np.isnan(column))


def _products_csv(works: Works) -> str:
    table = works.products
    names = [feature.name for feature in table.features]
    lines = [",".join(["product", "family", *names])]
    for at in range(len(table)):
        product = table.at(at)
        values = [f"{value:g}" if isinstance(value, float) else str(value) for value in (product.features[name] for name in names)]
        lines.append(",".join([product.id, product.family, *values]))
    return "\n".join(lines) + "\n"


def _write_truth(works: Works, folder: Path) -> None:
    truth, listed = works.truth, works.network.alternatives
    n, k = truth.log_minutes.shape
    costs, minutes = works.costs(), truth.minutes()
    usable = works.allowed & truth.allowed_now(NOW_US)
    rng = np.random.default_rng([VERSION, truth.seed, 5])
    rows = {"product": [], "made": [], "outside": [], "oracle_route": [], "oracle_cost": [], "planner_cost": []}  # type: dict[str, list[Any]]
    odds = np.zeros((n, k))
    for product in range(n):
        best, cost = works.best_route(product)
        drawn = works.draw(product, _PLANNER_DRAWS, rng)
        rows["product"].append(truth.products.ids[product])
        rows["made"].append(bool(truth.products.made[product]))
        rows["outside"].append(bool(truth.products.outside[product]))
        rows["oracle_route"].append([listed[a].id for a in best if a >= 0])
        rows["oracle_cost"].append(cost)
        rows["planner_cost"].append(float(works.route_costs(product, drawn).mean()))
        odds[product] = np.bincount(drawn[drawn >= 0], minlength=k) / _PLANNER_DRAWS
    pq.write_table(pa.table(rows), folder / "products.parquet")
    by_row = {
        "product": np.repeat(truth.products.ids, k),
        "alternative": np.tile([a.id for a in listed], n),
        "usable": usable.ravel(),
        "duration_min": minutes.ravel(),
        "log_median": (truth.log_minutes + truth.drift(np.arange(k), NOW_US)).ravel(),
        "log_sigma": np.tile(truth.log_sigma, n),
        "delay_share": np.full(n * k, truth.delay_share),
        "delay_mean": np.full(n * k, truth.delay_mean),
        "first_pass": truth.first_pass.ravel(),
        "energy_kwh": (truth.energy_kwh * np.exp(truth.drift(np.arange(k), NOW_US))).ravel(),
        "wear": truth.wear.ravel(),
        "cost": costs.ravel(),
        "planner_odds": odds.ravel(),
    }
    pq.write_table(pa.table(by_row), folder / "truth.parquet")
    first, second = np.nonzero(truth.pair_log)
    names = np.array([a.id for a in listed])
    pairs = {"first": names[first], "second": names[second], "log_minutes": truth.pair_log[first, second]}
    pq.write_table(pa.table(pairs), folder / "pairs.parquet")


if __name__ == "__main__":
    sys.exit(main())
