"""A history put together part by part: cells become columns of codes and numbers, and each wrong cell a sentence."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from optimizer import table_cells
from optimizer.table_files import Part
from plant.operation_history import NOT_TOLD, OperationHistory, empty_history, operation_history, wrong_values
from plant.process_network import ProcessNetwork
from plant.products import ProductTable
from plant.table_rows import RowProblem

REQUIRED: Final = ("product", "operation", "alternative", "started_at", "duration_min", "first_pass")
OPTIONAL: Final = ("order", "serial", "rework_min", "energy_kwh", "wear", "scrapped", "propensity", "decided_by")
_NUMBERS: Final = ("duration_min", "rework_min", "energy_kwh", "wear", "propensity")
_MOST_PROBLEMS: Final = 100_000

Mask = npt.NDArray[np.bool_]


class HistoryReader:
    """Takes parts of a table; gives the history of all good rows."""

    def __init__(self, network: ProcessNetwork, products: ProductTable, *, names: bool, known_only: bool) -> None:
        self.more_problems = 0
        """Wrong rows beyond those that were told one by one."""
        self._network = network
        self._products = products
        self._names = names
        self._known_only = known_only
        self._operations = {operation.id: at for at, operation in enumerate(network.operations)}
        self._operation_of = np.array([self._operations[a.operation] for a in network.alternatives], np.int32)
        self._columns: dict[str, list[npt.NDArray[Any]]] = {}
        self._parameters: dict[str, list[npt.NDArray[np.float32]]] = {}
        self._vocabularies: dict[str, dict[str, int]] = {"order": {}, "serial": {}, "decided_by": {}}
        self._lengths: list[int] = []

    def take(self, part: Part, problems: list[RowProblem]) -> None:
        """Add a part's good rows, and what is wrong with the others to ``problems``."""
        wrong: dict[str, list[tuple[Mask, str]]] = {}
        columns, left_out = self._named(part, wrong)
        columns |= self._measured(part, wrong)
        parameters = {name[2:]: self._number(part, name, wrong).astype(np.float32) for name in part.columns if name.startswith("p_")}
        bad = left_out.copy()
        for told in wrong.values():
            for mask, _ in told:
                bad |= mask
        checked = operation_history(
            self._products.ids,
            tuple(a.id for a in self._network.alternatives),
            {name: column for name, column in columns.items() if name not in {"order", "serial", "decided_by"}}
            | {name: np.maximum(columns[name], 0) for name in ("product", "alternative")},
            parameters=parameters,
        ) if part.length else empty_history()  # fmt: skip
        for name, (mask, reason) in wrong_values(checked).items():
            already = [found for found, _ in wrong.get(name, [])]
            fresh = mask & ~np.logical_or.reduce(already) if already else mask
            wrong.setdefault(name, []).append((fresh, reason))
            bad |= mask
        self._tell(part, wrong, left_out, problems)
        good = ~bad
        for name, column in columns.items():
            self._columns.setdefault(name, []).append(column if bool(good.all()) else column[good])
        self._keep_parameters(parameters, good)
        self._lengths.append(int(good.sum()))

    def history(self) -> OperationHistory:
        """Return all good rows."""
        alternatives = tuple(a.id for a in self._network.alternatives)
        if not self._lengths:
            return empty_history(self._products.ids, alternatives)
        # marks first: to number them takes the most room
        names = sorted(self._columns, key=lambda name: name != "order")
        columns = {name: _joined(self._columns, name, numbered=name == "order" and not self._names) for name in names}
        parameters = {name: np.concatenate(parts) for name, parts in self._parameters.items()}
        orders, serials, deciders = (tuple(self._vocabularies[name]) for name in ("order", "serial", "decided_by"))
        return operation_history(
            self._products.ids, alternatives, columns, orders=orders, serials=serials, deciders=deciders, parameters=parameters
        )

    def _named(self, part: Part, wrong: dict[str, list[tuple[Mask, str]]]) -> tuple[dict[str, npt.NDArray[Any]], Mask]:
        """Codes of what has names; and which rows are of something that is not asked about."""
        product, _ = table_cells.codes(part.columns["product"], self._products.positions)
        alternative, _ = table_cells.codes(part.columns["alternative"], self._network.positions)
        operation, _ = table_cells.codes(part.columns["operation"], self._operations)
        left_out = np.zeros(part.length, np.bool_)
        if self._known_only:
            left_out = (product == table_cells.UNKNOWN) | (alternative == table_cells.UNKNOWN)
        for name, codes, hint in (
            ("product", product, "stands in no row of the products; add it there, with its features"),
            ("alternative", alternative, "is no alternative of the network; add it to its operation"),
            ("operation", operation, "is no operation of the network"),
        ):
            wrong[name] = [(codes == table_cells.EMPTY, "is empty"), (codes == table_cells.UNKNOWN, hint)]
        other = (alternative >= 0) & (operation >= 0) & (self._operation_of[np.maximum(alternative, 0)] != operation)
        wrong["operation"].append((other, "is not the operation of this row's alternative"))
        columns: dict[str, npt.NDArray[Any]] = {"product": product, "alternative": alternative}
        for name in ("order", "serial"):
            if name in part.columns and self._names:
                columns[name] = table_cells.grown_codes(part.columns[name], self._vocabularies[name])
        if "order" in part.columns and not self._names:
            columns["order"] = table_cells.marks(part.columns["order"])
        if "decided_by" in part.columns:
            columns["decided_by"] = table_cells.grown_codes(part.columns["decided_by"], self._vocabularies["decided_by"])
        return columns, left_out

    def _measured(self, part: Part, wrong: dict[str, list[tuple[Mask, str]]]) -> dict[str, npt.NDArray[Any]]:
        times, empty, unclear = table_cells.times_us(part.columns["started_at"])
        wrong["started_at"] = [(empty, "is empty"), (unclear, "is no time; write it as 2026-11-01T06:30:00Z")]
        columns: dict[str, npt.NDArray[Any]] = {"started_us": times}
        for name in ("first_pass", "scrapped"):
            if name not in part.columns:
                continue
            yes, empty, unclear = table_cells.answers(part.columns[name])
            wrong[name] = [(unclear, "is neither true nor false")]
            if name == "first_pass":
                wrong[name].append((empty, "is empty; write true or false"))
            columns[name] = yes
        for name in _NUMBERS:
            if name in part.columns:
                columns[name] = self._number(part, name, wrong).astype(np.float32)
        return columns

    def _number(self, part: Part, name: str, wrong: dict[str, list[tuple[Mask, str]]]) -> npt.NDArray[np.float64]:
        told, unclear = table_cells.numbers(part.columns[name])
        if bool(unclear.any()):
            wrong.setdefault(name, []).append((unclear, "is no number; write it with a decimal point, or leave it empty"))
        with np.errstate(over="ignore"):
            return np.where(np.abs(told) > 1e30, np.inf, told)

    def _tell(self, part: Part, wrong: dict[str, list[tuple[Mask, str]]], left_out: Mask, problems: list[RowProblem]) -> None:
        for name, told in wrong.items():
            for mask, reason in told:
                for at in np.flatnonzero(mask & ~left_out).tolist():
                    if len(problems) >= _MOST_PROBLEMS:
                        self.more_problems += 1
                        continue
                    shown = "" if "empty" in reason[:9] else f"'{table_cells.text_at(part.columns[name], at)}': "
                    problems.append(RowProblem(part.row(at), name, f"{shown}{reason}"))

    def _keep_parameters(self, parameters: dict[str, npt.NDArray[np.float32]], good: Mask) -> None:
        for name, column in parameters.items():
            self._parameters.setdefault(name, []).append(column[good])


def _joined(columns: dict[str, list[npt.NDArray[Any]]], name: str, *, numbered: bool) -> npt.NDArray[Any]:
    """Parts are given free as they are joined: two copies of one column at most are there at once."""
    parts = columns.pop(name)
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
    parts.clear()
    return _numbered(joined) if numbered else joined


def _numbered(marks: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return small numbers for marks; NOT_TOLD where a mark is 0."""
    known = np.unique(marks)
    numbered = np.searchsorted(known, marks).astype(np.int32)
    if len(known) and known[0] == 0:
        numbered -= 1
    return np.asarray(np.where(marks == 0, np.int32(NOT_TOLD), numbered), np.int32)
