"""Becomes another program that the kernel asks to end when leadhand dies.

Run as a script: ``tied.py PARENT PROGRAM ARGUMENTS...``. The request (PR_SET_PDEATHSIG) must be made by the child itself and
survives exec, so this asks for it and then turns into the program. Only the standard library.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the program named by the arguments."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main()
