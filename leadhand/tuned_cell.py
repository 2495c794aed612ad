"""The demo's welding cell that is fine-tuned: it comes with a history, and from then on its controller takes the trials people approve.

``python -m leadhand.tuned_cell --seed 1 ...``: a first start brings its process window, its accepted recipe and some trials, as a plant has
them when fine-tuning begins. Then this process becomes the simulated cell itself, which knows no database: what is to be tried is sent to
its controller, and the controller says what came of it.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import IO, Any, Final, NoReturn

import structlog

from plant.clock import Clock, SystemClock
from plant.errors import Rejected, Unavailable
from plant.recommendations import Stage
from plant.tuning import Trial, TuningTarget
from storage.database import Connection, connect
from storage.process import run_process
from storage.process_windows import read_window_text, write_windows
from storage.trials import StoredProposal, accept_recipe, add_trial, change_proposal, open_proposal, read_accepted, read_trials

WHO: Final = "demo"
"""Who runs trials here, and approved those before the demo began."""
_SEEDS: Final = 1000
"""The cells below are for figures: nobody develops on them."""
_FIRST_TRIALS: Final = 12
_PARTS: Final = 60
_LOOK_SECONDS: Final = 2.0
_TRIAL_US: Final = 7_200_000_000
"""Time between two trials of those before the demo."""


@dataclass(frozen=True, slots=True)
class SimulatedCell:
    """A simulated cell in a process of its own, which is asked line by line."""

    process: subprocess.Popen[str]
    facts: dict[str, Any]

    @property
    def target(self) -> TuningTarget:
        """What is tuned."""
        return TuningTarget(self.facts["work_unit"], self.facts["program"])

    def run(self, parameters: dict[str, float], parts: int) -> dict[str, Any]:
        """Return what the cell made."""
        source, sink = _pipes(self.process)
        sink.write(json.dumps({"parameters": parameters, "parts": parts}) + "\n")
        sink.flush()
        return _answered(source)


def begin_cell(seed: int) -> SimulatedCell:
    """Return a cell that was just started; ``end_cell`` ends it."""
    command = [sys.executable, "-m", "simulators.weld_cell", "--serve", "--seed", str(seed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return SimulatedCell(process, _answered(_pipes(process)[0]))


def end_cell(cell: SimulatedCell) -> None:
    """End a cell."""
    source, sink = _pipes(cell.process)
    sink.close()
    cell.process.wait(timeout=30)
    source.close()


def bring_history(connection: Connection, cell: SimulatedCell, now_us: int, trials: int = _FIRST_TRIALS) -> None:
    """Store window, accepted recipe and trials of a cell as of the days before; nothing where it has trials already."""
    if read_trials(connection, cell.target, 1):
        return
    # seen by others when it is whole: an optimizer at work proposes from then on
    with connection.transaction():
        _bring(connection, cell, now_us, trials)


def _bring(connection: Connection, cell: SimulatedCell, now_us: int, trials: int) -> None:
    # learning takes time and memory, and a second start needs none of it
    from optimizer.tuning_pass import tuning_pass

    target, start = cell.target, dict(cell.facts["start"])
    begun = now_us - trials * _TRIAL_US
    before = read_window_text(connection) or ""
    if f'program = "{target.program}"' not in before:
        write_windows(connection, f"{before}\n{_without_rates(cell.facts['windows'])}", actor=WHO, now_us=begun)
    accept_recipe(connection, target, start, actor=WHO, reason="as the welding procedure was qualified", now_us=begun)
    for number in range(trials):
        at = begun + number * _TRIAL_US
        asked = open_proposal(connection, target) if number >= 2 else None
        if asked is not None:
            change_proposal(connection, asked.id, Stage.APPROVED, actor=WHO, now_us=at)
        _try(connection, cell, asked, start, f"t-{number + 1}", at)
        tuning_pass(connection, at)


def _without_rates(windows: str) -> str:
    """Return a window without its limits an hour: a demo's trials follow each other within minutes."""
    return "\n".join(line for line in windows.splitlines() if not line.startswith("rate = ")) + "\n"


def _try(connection: Connection, cell: SimulatedCell, asked: StoredProposal | None, home: dict[str, float], name: str, now_us: int) -> None:
    from optimizer.tuning_rollback import weigh_trial

    parameters = home if asked is None else dict(asked.proposal.parameters)
    made = cell.run(parameters, _PARTS)
    parts = _PARTS if asked is None else weigh_trial(asked.proposal.accepted_first_pass.mean, made["good"]).parts
    trial = Trial(
        *(name, cell.target, parameters, parts, sum(made["good"][:parts]), sum(made["scrapped"][:parts])),
        {key: round(value, 3) for key, value in made["responses"].items()},
        now_us,
    )
    add_trial(connection, trial, actor=WHO, now_us=now_us, proposal=None if asked is None else asked.id)


def begin(url: str, seed: int, clock: Clock, stop: threading.Event) -> dict[str, float] | None:
    """Bring what is there before the demo, and return the set points in force; None where it is to stop. Waits for the database."""
    log = structlog.get_logger(process="tuned-cell")
    cell: SimulatedCell | None = None
    try:
        while not stop.is_set():
            try:
                with connect(url, application="leadhand tuned-cell") as connection:
                    target = tuned_target(seed)
                    if not read_trials(connection, target, 1):
                        cell = cell or begin_cell(_SEEDS + seed)
                        bring_history(connection, cell, clock.now_us())
                    accepted = read_accepted(connection, target)
                    return {} if accepted is None else dict(accepted.parameters)
            except (Unavailable, Rejected) as error:
                log.warning("cannot go on yet", reason=str(error))
                if cell is not None and cell.process.poll() is not None:
                    raise
                stop.wait(_LOOK_SECONDS)
    finally:
        if cell is not None:
            end_cell(cell)
    return None


def tuned_target(seed: int) -> TuningTarget:
    """Return what is tuned in the demo of a seed."""
    return TuningTarget(*cell_name(_SEEDS + seed))


def cell_name(seed: int) -> tuple[str, str]:
    """Return work unit and program of the cell of a seed."""
    return "welding-robot", f"WPS-{seed}"


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdout is None or process.stdin is None:
        raise Unavailable("the simulated cell has no pipes")
    return process.stdout, process.stdin


def _answered(source: IO[str]) -> dict[str, Any]:
    line = source.readline()
    if not line:
        raise Unavailable("the simulated cell has ended")
    told: dict[str, Any] = json.loads(line)
    return told


def main(arguments: list[str] | None = None) -> int:
    """Bring the history, then become the demo's cell; returns the exit code where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m leadhand.tuned_cell", description="The demo's welding cell that is fine-tuned.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mqtt-url", required=True, help="broker behind which its controller takes messages")
    parser.add_argument("--keys", required=True, metavar="FOLDER", help="where the keys of controllers lie")
    parser.add_argument("--memory", required=True, metavar="FILE", help="where its controller remembers what it took")
    parser.add_argument("--recipes", metavar="FILE", help="book of recipes, where the cell says what it welds by")
    parser.add_argument("--trim-after", metavar="SECONDS", help="somebody trims it at the pendant then")
    options = parser.parse_args(arguments)
    found: list[dict[str, float]] = []

    def work(url: str, stop: threading.Event) -> int:
        values = begin(url, options.seed, SystemClock(), stop)
        if values is not None and not stop.is_set():
            found.append(values)
        return 0

    code = run_process(work)
    if code == 0 and found:
        _become_cell(options, found[0])
    return code


def _become_cell(options: argparse.Namespace, values: dict[str, float]) -> NoReturn:
    """Go on as the simulated cell in this process, which was forked and so shares what it has loaded; it knows no database any more."""
    os.environ.pop("LEADHAND_DATABASE_URL", None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # until the cell listens
    sys.argv = ["simulators", "cell", "--seed", str(_SEEDS + options.seed), "--values", json.dumps(values), "--mqtt-url", options.mqtt_url]
    sys.argv += ["--keys", options.keys, "--memory", options.memory]
    if options.recipes is not None:
        sys.argv += ["--recipes", options.recipes, "--plant-seed", str(options.seed)]
    if options.trim_after is not None:
        sys.argv += ["--trim-after", options.trim_after]
    runpy.run_module("simulators", run_name="__main__", alter_sys=True)
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
