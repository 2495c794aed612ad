"""The demo's welding cell that is fine-tuned: a simulated cell makes the trials that people approve on the page.

``python -m leadhand.tuned_cell --seed 1``: a first start brings its process window, its accepted recipe and some trials, as a plant has
them when fine-tuning begins; from then on each approved proposal is run some seconds later, and its result told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import IO, Any, Final

import structlog

from optimizer.tuning_pass import tuning_pass
from optimizer.tuning_rollback import weigh_trial
from plant.clock import Clock, SystemClock
from plant.errors import Rejected, Unavailable
from plant.recommendations import Stage
from plant.tuning import Trial, TuningTarget
from storage.database import Connection, connect
from storage.process import run_process, say_ready
from storage.process_windows import read_window_text, write_windows
from storage.trials import StoredProposal, accept_recipe, add_trial, change_proposal, open_proposal, read_trials

WHO: Final = "demo"
"""Who runs trials here, and approved those before the demo began."""
_SEEDS: Final = 1000
"""The cells below are for figures: nobody develops on them."""
_FIRST_TRIALS: Final = 12
_PARTS: Final = 60
_LOOK_SECONDS: Final = 2.0
_RUN_US: Final = 15_000_000
"""How long after its approval a trial has been run, shortened as the demo's takt is."""
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
    target, start = cell.target, dict(cell.facts["start"])
    begun = now_us - trials * _TRIAL_US
    before = read_window_text(connection) or ""
    if f'program = "{target.program}"' not in before:
        write_windows(connection, f"{before}\n{cell.facts['windows']}", actor=WHO, now_us=begun)
    accept_recipe(connection, target, start, actor=WHO, reason="as the welding procedure was qualified", now_us=begun)
    for number in range(trials):
        at = begun + number * _TRIAL_US
        asked = open_proposal(connection, target) if number >= 2 else None
        if asked is not None:
            change_proposal(connection, asked.id, Stage.APPROVED, actor=WHO, now_us=at)
        _try(connection, cell, asked, start, f"t-{number + 1}", at)
        tuning_pass(connection, at)


def run_approved(connection: Connection, cell: SimulatedCell, now_us: int) -> bool:
    """Run the approved proposal whose time has come, and tell its result; return whether there was one."""
    asked = open_proposal(connection, cell.target)
    if asked is None or asked.stage is not Stage.APPROVED or now_us < asked.stage_us + _RUN_US:
        return False
    if any(one.proposal == asked.id for one in read_trials(connection, cell.target, 5)):
        return False
    _try(connection, cell, asked, dict(asked.proposal.accepted), f"t-p{asked.id}", now_us)
    return True


def _try(connection: Connection, cell: SimulatedCell, asked: StoredProposal | None, home: dict[str, float], name: str, now_us: int) -> None:
    parameters = home if asked is None else dict(asked.proposal.parameters)
    made = cell.run(parameters, _PARTS)
    parts = _PARTS if asked is None else weigh_trial(asked.proposal.accepted_first_pass.mean, made["good"]).parts
    trial = Trial(
        *(name, cell.target, parameters, parts, sum(made["good"][:parts]), sum(made["scrapped"][:parts])),
        {key: round(value, 3) for key, value in made["responses"].items()},
        now_us,
    )
    add_trial(connection, trial, actor=WHO, now_us=now_us, proposal=None if asked is None else asked.id)


def serve(url: str, seed: int, clock: Clock, stop: threading.Event) -> int:
    """Run approved trials until told to stop; wait while the database is away. Returns the exit code."""
    log = structlog.get_logger(process="tuned-cell")
    cell = begin_cell(_SEEDS + seed)
    try:
        say_ready(program=cell.target.program)
        while not stop.is_set():
            try:
                with connect(url, application="leadhand tuned-cell") as connection:
                    bring_history(connection, cell, clock.now_us())
                    while not stop.wait(_LOOK_SECONDS):
                        run_approved(connection, cell, clock.now_us())
            except (Unavailable, Rejected) as error:
                log.warning("cannot go on yet", reason=str(error))
                if cell.process.poll() is not None:
                    return 1
                stop.wait(_LOOK_SECONDS)
    finally:
        end_cell(cell)
    return 0


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
    """Run the demo's cell until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m leadhand.tuned_cell", description="The demo's welding cell that is fine-tuned.")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    return run_process(lambda url, stop: serve(url, options.seed, SystemClock(), stop))


if __name__ == "__main__":
    sys.exit(main())
