"""Times as people write them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from plant.errors import SettingsError


def time_us(option: str, given: str | None) -> int | None:
    """Return a time in microseconds since 1970, UTC where no zone is given; None for None. Raises SettingsError that names the option."""
    if given is None:
        return None
    try:
        time = datetime.fromisoformat(given)
    except ValueError as error:
        raise SettingsError(f"{option}: '{given}' is no time; write e.g. 2026-11-01 or 2026-11-01T06:30:00+08:00") from error
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return round((aware - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
