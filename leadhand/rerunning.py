"""What came of judging history again, for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.rerun import Rerun


def rerun_table(found: Rerun) -> str:
    """Return a few lines that say whether the journal is the same, and where it first differs."""
    lines = [
        f"alarms from {_shown(found.from_us)} to {_shown(found.to_us)}, {found.samples:,} samples judged again",
        f"journal  {found.stored:>10,} lines  sha256 {found.stored_digest}",
        f"remade   {found.remade:>10,} lines  sha256 {found.remade_digest}",
    ]
    if found.difference is None:
        return "\n".join([*lines, "the same, byte for byte"])
    stored, remade = found.difference
    return "\n".join(
        [*lines, "first difference:", f"  journal  {stored.rstrip() or 'nothing'}", f"  remade   {remade.rstrip() or 'nothing'}"]
    )


def _shown(time_us: int) -> str:
    if not time_us:
        return "the begin"
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us):%Y-%m-%d %H:%M:%S} UTC"
