"""Writes that carry a key: one that is asked again (the answer was lost on the way) does nothing and gives the first answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from psycopg.types.json import Jsonb

from plant.errors import Rejected
from storage.database import Connection, moment, translate_errors

_KEPT_US: Final = 7 * 86_400_000_000
MOST_LETTERS: Final = 200


def write_once(
    connection: Connection, *, actor: str, key: str, act: str, body: object, time_us: int, write: Callable[[Connection], Any]
) -> Any:
    """Return what ``write`` gave (JSON), now or when this actor used this key first; keys hold for a week.

    All of it is one transaction: what failed was never asked. Raises Rejected where the key was used for something else.
    """
    if not key:
        with translate_errors(), connection.transaction():
            return write(connection)
    if len(key) > MOST_LETTERS or not key.isprintable():
        raise Rejected(f"an Idempotency-Key is printable text of {MOST_LETTERS} letters at most")
    mark = hashlib.sha256(json.dumps([act, body], sort_keys=True, ensure_ascii=True).encode()).digest()
    with translate_errors(), connection.transaction():
        connection.execute("DELETE FROM write_key WHERE time < %s", [moment(max(0, time_us - _KEPT_US))])
        fresh = connection.execute(
            "INSERT INTO write_key (actor, key, time, act, print) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING key",
            [actor, key, moment(time_us), act, mark],
        ).fetchone()
        if fresh is None:
            row = connection.execute("SELECT print, answer FROM write_key WHERE actor = %s AND key = %s", [actor, key]).fetchone()
            if row is None or bytes(row[0]) != mark:
                raise Rejected("this Idempotency-Key was used for another write already")
            return row[1]
        answer = write(connection)
        connection.execute("UPDATE write_key SET answer = %s WHERE actor = %s AND key = %s", [Jsonb(answer), actor, key])
    return answer
