"""What equipment did, from a real database: nothing lost or doubled by restarts, and people's words beside what the rules told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from monitor.state_follower import StateFollower, packed, unpacked
from monitor.state_rerun import rerun_states
from plant.ledger import Gap, GapReason
from plant.samples import SampleBatch, concatenate
from plant.settings import SiteFile
from plant.signals import SignalPath
from plant.site import Site, site_of
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.states import (
    forget_states_before,
    read_counter_notes,
    read_intervals,
    read_pieces,
    read_said_reasons,
    read_states_now,
    say_reason,
)
from tests.storage.small_plant import SECOND, SOURCE, Shipper, an_hour_ago, samples_of

MILL = "acme/north/machining/line/mill-1"


def site_with_states() -> Site:
    kinds = {"state": "string", "power": "double", "parts": "uint32", "program": "string"}
    settings = {
        "site": {"enterprise": "acme", "id": "north"},
        "equipment": [{"path": "machining/line/mill-1"}],
        "sources": [{"protocol": "opcua", "id": SOURCE, "url": "opc.tcp://plc:4840"}],
        "signals": [
            {"equipment": "machining/line/*", "name": name, "source": SOURCE, "address": f"nsu=u;s={name}", "data_type": kind}
            for name, kind in kinds.items()
        ],
        "states": [
            {
                "equipment": "machining/line/*",
                "rules": [{"signal": "state", "texts": ["cutting"], "also": [{"signal": "power", "above": 1}], "state": "execute"}],
                "otherwise": {"state": "idle"},
                "good": [{"signal": "parts"}],
                "product": "program",
            }
        ],
    }
    return site_of(SiteFile.model_validate(settings))


def second_of(number: int, begin: int) -> SampleBatch:
    """Samples of one second of the mill: it cuts 20 of 30 seconds, and finishes a part with each cut."""
    at, phase = begin + number * SECOND, number % 30
    state = "cutting" if phase < 20 else "probing"
    times = at + np.arange(0, SECOND, 100_000)
    count = len(times)
    return concatenate(
        [
            samples_of(SignalPath(f"{MILL}/state"), times, [None] * count, text=[state] * count),
            samples_of(SignalPath(f"{MILL}/power"), times, [9.0 if phase < 20 else 0.2] * count),
            samples_of(SignalPath(f"{MILL}/parts"), times, [float(7 + (number + 10) // 30)] * count),
            samples_of(SignalPath(f"{MILL}/program"), times, [None] * count, text=[f"O{4101 + number // 60}"] * count),
        ]
    )


def told(connection: Connection, begin: int) -> list[tuple[float, float, str, str]]:
    found = read_intervals(connection, [MILL], begin - SECOND, begin + 10_000 * SECOND)
    return [((i.from_us - begin) / SECOND, (i.to_us - begin) / SECOND, i.state.value, i.product) for i in found]


def follow(connection: Connection, site: Site, *, anew: int = 0, ship: Sequence[tuple[Shipper, int, int]] = ()) -> None:
    follower = StateFollower(site)
    for number, (shipper, second, begin) in enumerate(ship):
        shipper.ship(second_of(second, begin))
        if anew and number % anew == 0:
            follower = StateFollower(site)
        follower.step(connection)
    while follower.step(connection):
        pass


@pytest.mark.parametrize("anew", [0, 3])
def test_intervals_and_pieces_are_the_same_with_restarts_and_in_one_go(database_url: str, anew: int) -> None:
    site, begin = site_with_states(), an_hour_ago()
    with connect(database_url, application="test") as connection:
        register_site(connection, site)
        shipper = Shipper(connection)
        if anew:
            follow(connection, site, anew=anew, ship=[(shipper, n, begin) for n in range(70)])
        else:
            shipper.ship(concatenate([second_of(n, begin) for n in range(70)]))
            follow(connection, site)
        found = told(connection, begin)
        assert found[:5] == [
            *((0, 20, "execute", "O4101"), (20, 30, "idle", "O4101"), (30, 50, "execute", "O4101"), (50, 60, "idle", "O4101")),
            (60, pytest.approx(found[4][1]), "execute", "O4102"),
        ]
        assert 64 < found[4][1] < 68
        pieces = read_pieces(connection, [MILL], begin, begin + 100 * SECOND)
        assert [((p.time_us - begin) // SECOND, p.kind, p.product, p.pieces) for p in pieces] == [
            *((20, "good", "O4101", 1), (50, "good", "O4101", 1)),
        ]
        now = read_states_now(connection, [MILL])
        assert [one.since_us for one in now.values()] == [begin + 60 * SECOND]


def test_a_gap_in_the_samples_is_an_unknown_state(database_url: str) -> None:
    site, begin = site_with_states(), an_hour_ago()
    with connect(database_url, application="test") as connection:
        register_site(connection, site)
        shipper = Shipper(connection)
        gap = Gap(SOURCE, begin + 3 * SECOND, begin + 15 * SECOND, 480, GapReason.DISCONNECTED)
        shipper.ship(concatenate([second_of(n, begin) for n in (0, 1, 2, 15, 16, 17, 18, 19, 20, 21)]), gaps=(gap,))
        follow(connection, site)
        assert [(a, b, state) for a, b, state, _ in told(connection, begin)][:3] == [
            (0, 8, "execute"),
            (8, 15.001, "unknown"),
            (15.001, pytest.approx(18, abs=1.2), "execute"),
        ]


def test_what_is_remembered_survives_being_packed(database_url: str) -> None:
    site, begin = site_with_states(), an_hour_ago()
    with connect(database_url, application="test") as connection:
        register_site(connection, site)
        Shipper(connection).ship(concatenate([second_of(n, begin) for n in range(10)]))
        follower = StateFollower(site)
        follower.step(connection)
        assert follower._remembered is not None
        assert unpacked(packed(follower._remembered)) == follower._remembered


def test_a_persons_word_stands_beside_what_the_rules_told(database_url: str) -> None:
    site, begin = site_with_states(), an_hour_ago()
    with connect(database_url, application="test") as connection:
        register_site(connection, site)
        Shipper(connection).ship(concatenate([second_of(n, begin) for n in range(40)]))
        follow(connection, site)
        say_reason(connection, MILL, (begin + 20 * SECOND, begin + 30 * SECOND), "setup/tool", "new face mill", "engineer")
        (said,) = read_said_reasons(connection, [MILL], begin, begin + 100 * SECOND)
        assert (said.reason, said.actor, said.from_us) == ("setup/tool", "engineer", begin + 20 * SECOND)
        assert told(connection, begin)[1][2] == "idle"
        assert read_counter_notes(connection, [MILL], begin, begin + 100 * SECOND) == []
        assert forget_states_before(connection, begin + 25 * SECOND) == 1


def test_history_judged_again_gives_the_same_intervals_and_pieces(database_url: str) -> None:
    site, begin = site_with_states(), an_hour_ago()
    with connect(database_url, application="test") as connection:
        register_site(connection, site)
        shipper = Shipper(connection)
        gap = Gap(SOURCE, begin + 33 * SECOND, begin + 45 * SECOND, 480, GapReason.DISCONNECTED)
        follow(connection, site, anew=4, ship=[(shipper, n, begin) for n in range(30)])
        shipper.ship(concatenate([second_of(n, begin) for n in range(45, 99)]), gaps=(gap,))
        follow(connection, site)
        found = rerun_states(connection, site, begin + 20 * SECOND, begin + 90 * SECOND)
        assert found.difference is None
        assert found.stored == found.remade > 6
        connection.execute("UPDATE state_interval SET reason = 'changed' WHERE from_time > to_timestamp(%s)", [begin / 1e6 + 50])
        changed = rerun_states(connection, site, begin + 20 * SECOND, begin + 90 * SECOND).difference
        assert changed is not None
        assert "changed" in changed[0]
