"""What came of judging history again, for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.rerun import Rerun
from monitor.state_rerun import StateRerun


def rerun_table(found: Rerun | StateRerun) -> str:
    """Return a few lines that say whether what is stored is the same, and where it first differs."""
    name = "alarms" if isinstance(found, Rerun) else "states"
    samples = f", {found.samples:,} samples judged again" if isinstance(found, Rerun) else ""
    lines = [
        f"{name} from {_shown(found.from_us)} to {_shown(found.to_us)}{samples}",
        f"stored   {found.stored:>10,} lines  sha256 {found.stored_digest}",
        f"remade   {found.remade:>10,} lines  sha256 {found.remade_digest}",
    ]
    if found.difference is None:
        return "\n".join([*lines, "the same, byte for byte"])
    stored, remade = found.difference
    return "\n".join(
        [*lines, "first difference:", f"  stored   {stored.rstrip() or 'nothing'}", f"  remade   {remade.rstrip() or 'nothing'}"]
    )


def _shown(time_us: int) -> str:
    if not time_us:
        return "the begin"
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us):%Y-%m-%d %H:%M:%S} UTC"
