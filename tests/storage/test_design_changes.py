"""Design changes and what stations say of them, on each database."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest

from plant.design_changes import ChangeStage, Effect, read_design_change
from plant.errors import Rejected
from storage.database import connect
from storage.design_changes import (
    StationAnswer,
    add_design_change,
    answer_design_change,
    mark_sent,
    read_design_changes,
    read_effective,
    read_stored_change,
    tightening_in_force,
    withdraw_design_change,
)
from tests.storage.conftest import Database

NOW = 1_800_000_000_000_000
FIRST = {"number": "DC-1", "product": "ARM-1", "version": "B", "effective_from": "EX-100", "features": {"plate_mm": 25}}
EFFECT = Effect("feature", "feature", {"feature": "plate_mm", "after": "25", "before": "16"}, ("laser-1",))


def test_a_change_is_in_force_once_each_station_has_acknowledged_and_no_sooner(database: Database) -> None:
    change = read_design_change(FIRST)
    with database.connect() as connection:
        number = add_design_change(connection, change, [EFFECT], ["laser-1", "robot-2"], time_us=NOW, sent_by="plm")
        one = read_stored_change(connection, number)
        assert one is not None
        assert (one.change, one.effects, one.stage, one.sent_by) == (change, (EFFECT,), ChangeStage.WAITING, "plm")
        mark_sent(connection, number, "laser-1", NOW + 1)
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE design_change SET stage = 'in_force'")
        with pytest.raises(psycopg.errors.RaiseException):
            connection.execute("UPDATE design_change SET effects = '[]'")
        say = partial(answer_design_change, connection, number, accepted=True, time_us=NOW + 2, actor="anna")
        assert say("laser-1") is ChangeStage.WAITING
        assert read_effective(connection, "ARM-1") == []
        for station in ("laser-1", "paint-1"):
            with pytest.raises(Rejected, match="waits for no answer"):
                say(station)
        assert say("robot-2") is ChangeStage.IN_FORCE
        assert read_effective(connection, "ARM-1") == [("EX-100", "B")]
        (one,) = read_design_changes(connection, product="ARM-1", stage=ChangeStage.IN_FORCE)
        assert one.stations[0] == StationAnswer("laser-1", NOW + 1, True, NOW + 2, "anna", "")
        assert connection.execute("SELECT stations, acknowledged, stage FROM v_design_changes").fetchone() == (2, 2, "in_force")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE design_change_station SET accepted = false")


def test_a_change_that_a_station_refuses_never_holds_and_a_version_comes_once(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        number = add_design_change(connection, read_design_change(FIRST), [], ["laser-1", "robot-2"], time_us=NOW, sent_by="plm")
        for again in (FIRST, {**FIRST, "number": "DC-2"}, {**FIRST, "version": "C"}):
            with pytest.raises(Rejected, match="known already"):
                add_design_change(connection, read_design_change(again), [], ["laser-1"], time_us=NOW, sent_by="plm")
        refused = answer_design_change(connection, number, "robot-2", accepted=False, time_us=NOW, actor="bert", note="no fixture")
        assert refused is ChangeStage.REFUSED
        with pytest.raises(Rejected, match="waits for nobody"):
            answer_design_change(connection, number, "laser-1", accepted=True, time_us=NOW, actor="anna")
        with pytest.raises(Rejected):
            withdraw_design_change(connection, number, time_us=NOW, actor="plm", note="")
        second = read_design_change({**FIRST, "number": "DC-2", "version": "C"})
        number = add_design_change(connection, second, [], ["laser-1"], time_us=NOW, sent_by="plm")
        withdraw_design_change(connection, number, time_us=NOW, actor="plm", note="drawing was wrong")
        assert [(one.stage, one.stage_note) for one in read_design_changes(connection)] == [
            (ChangeStage.WITHDRAWN, "drawing was wrong"),
            (ChangeStage.REFUSED, "no fixture"),
        ]
        assert tightening_in_force(connection, ["bolting-1"]) == {}
