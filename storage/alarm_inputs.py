"""What history judged again needs beside samples: what the monitor observed, and how all alarms stood from hour to hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from plant.alarms import AlarmEvent, AlarmId
from storage.database import Connection, translate_errors

_MOST_CHECKPOINTS: Final = 31 * 24


@dataclass(frozen=True, slots=True)
class Observation:
    """What the monitor saw by the clock on the wall, or heard otherwise than by samples of the alarm's own signal."""

    alarm: AlarmId
    event: AlarmEvent
    time_us: int
    effective_us: int
    value: float | None = None
    text: str | None = None
    who: str = ""
    reason: str = ""
    source_acknowledged: bool | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How all alarms stood at a time: the last journal line, action and observation it knows, and the packed state."""

    at_us: int
    seq: int
    action: int
    observation: int
    state: bytes


def add_observations(connection: Connection, observations: Sequence[Observation], numbers: Mapping[AlarmId, int]) -> None:
    """Add what was observed; within the transaction that applies it."""
    with translate_errors(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO alarm_observation (alarm_id, event, time_us, effective_us, value, text, who, reason, source_acknowledged) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (numbers[o.alarm], o.event.value, o.time_us, o.effective_us, o.value, o.text, o.who, o.reason, o.source_acknowledged)
                for o in observations
            ],
        )


def read_observations(connection: Connection, *, after: int = 0, to_us: int | None = None) -> list[Observation]:
    """Return what was observed, in that order, until ``to_us`` in the order of judging."""
    with translate_errors():
        rows = connection.execute(
            "SELECT a.name, o.event, o.time_us, o.effective_us, o.value, o.text, o.who, o.reason, o.source_acknowledged, o.id "
            "FROM alarm_observation o JOIN alarm a ON a.id = o.alarm_id WHERE o.id > %s AND (%s::bigint IS NULL OR o.effective_us <= %s) "
            "ORDER BY o.id",
            [after, to_us, to_us],
        ).fetchall()
    return [Observation(AlarmId(name), AlarmEvent(event), *rest) for name, event, *rest in rows]


def last_inputs(connection: Connection) -> tuple[int, int]:
    """Return the numbers of the last action that was answered and of the last observation."""
    with translate_errors():
        row = connection.execute(
            "SELECT (SELECT coalesce(max(id), 0) FROM alarm_action WHERE outcome IS NOT NULL), "
            "(SELECT coalesce(max(id), 0) FROM alarm_observation)"
        ).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def write_checkpoint(connection: Connection, checkpoint: Checkpoint) -> None:
    """Keep how all alarms stand, for a month of hours."""
    with translate_errors():
        connection.execute(
            "INSERT INTO alarm_checkpoint (at_us, seq, action_id, observation_id, state) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [checkpoint.at_us, checkpoint.seq, checkpoint.action, checkpoint.observation, checkpoint.state],
        )
        connection.execute(
            "DELETE FROM alarm_checkpoint WHERE at_us <= (SELECT at_us FROM alarm_checkpoint ORDER BY at_us DESC OFFSET %s LIMIT 1)",
            [_MOST_CHECKPOINTS],
        )


def read_checkpoint(connection: Connection, before_us: int) -> Checkpoint | None:
    """Return the newest checkpoint that is no later than a time; the oldest of all where none is; None where there is none."""
    with translate_errors():
        row = connection.execute(
            "SELECT at_us, seq, action_id, observation_id, state FROM alarm_checkpoint "
            "ORDER BY at_us > %s, CASE WHEN at_us > %s THEN at_us ELSE -at_us END LIMIT 1",
            [before_us, before_us],
        ).fetchone()
    return None if row is None else Checkpoint(row[0], row[1], row[2], row[3], bytes(row[4]))
