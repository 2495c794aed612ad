"""What the gate lets out, and what a controller's own check lets in: a million messages, right ones and wrong ones of forty-three kinds.

``python -m benchmarks.delivery_gate [--messages 1000000] [--seed N]``. The truth of each message is known from how it was made, in whole
numbers, without any code of either check. Exits 1 where a single wrong message passes either of them, or where fewer than 99 % of the right
ones pass. Wrong in a way that a controller cannot know (approvals, modes, what recommendations rest on) counts for the gate alone.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter

from delivery.gate import refusals
from simulators.controller_check import Code, check
from tests.delivery.gate_messages import NOW_US, Made
from tests.delivery.gate_wrongs import messages

NEEDED = 0.99


def main() -> int:
    """Print what passed, by how it was made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    told = parser.parse_args()
    print(f"seed {told.seed}, {told.messages:,} messages, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors")
    made, out, taken = Counter[str](), Counter[str](), Counter[str]()
    unknowing, through = Counter[str](), list[tuple[str, Made]]()
    gate_s = controller_s = 0.0
    began = time.process_time()
    for one in messages(told.seed, told.messages):
        made[one.how] += 1
        start = time.thread_time()
        left = not refusals(one.text, one.signature, one.standing)
        between = time.thread_time()
        code = check(one.text, one.signature, one.situation, NOW_US).code
        gate_s += between - start
        controller_s += time.thread_time() - between
        out[one.how] += left
        taken[one.how] += code is Code.OK
        unknowing[one.how] += one.taken is None
        if left and not one.good:
            through.append(("gate", one))
        if code is Code.OK and one.taken is False:
            through.append(("controller", one))
    cpu_s = time.process_time() - began
    print(f"{'how it was made':24}{'messages':>10}{'out of the gate':>18}{'into the controller':>22}")
    for how in sorted(made):
        rest = "  (it cannot know)" if unknowing[how] == made[how] else ""
        print(f"{how:24}{made[how]:10,}{out[how]:18,}{taken[how]:22,}{rest}")
    right = sum(many for how, many in made.items() if how.startswith("valid"))
    passed = [sum(many for how, many in which.items() if how.startswith("valid")) for which in (out, taken)]
    print(f"right messages that pass: gate {passed[0] / right:.4%}, controller {passed[1] / right:.4%} (needed {NEEDED:.0%})")
    print(f"wrong messages that pass: gate {_many(through, 'gate')}, controller {_many(through, 'controller')} (needed 0)")
    each = [f"{seconds / told.messages * 1e6:.0f} us" for seconds in (gate_s, controller_s)]
    print(f"CPU {cpu_s:.0f} s; of a message the gate takes {each[0]}, the check of a controller {each[1]}")
    for who, one in through[:10]:
        print(f"PASSED {who}: {one.how}: {one.text[:600]} {one.signature}", file=sys.stderr)
    return int(bool(through) or min(passed) < NEEDED * right)


def _many(through: list[tuple[str, Made]], who: str) -> int:
    return sum(whose == who for whose, _ in through)


if __name__ == "__main__":
    sys.exit(main())
