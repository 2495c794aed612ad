"""A monitor that makes reports of shifts and nothing else, for a test that kills it."""

from __future__ import annotations

import sys
from pathlib import Path

from monitor import shift_reports
from monitor.__main__ import follow
from plant.clock import SystemClock
from storage.process import run_process

if __name__ == "__main__":
    makers = ((shift_reports.NAME, shift_reports.make_reporter),)
    sys.exit(run_process(lambda url, stop: follow(Path(sys.argv[1]), url, SystemClock(), stop, makers)))
