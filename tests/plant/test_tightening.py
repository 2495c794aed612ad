from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from plant.errors import SettingsError
from plant.settings import OpenProtocolSourceSettings, SiteFile
from plant.signals import SourceId
from plant.site import Site, site_of

TOOLS = {"protocol": "open_protocol", "id": "tools", "url": "op://10.0.0.1", "equipment": "line/bearing", "allow_insecure": True}


def site_with(**more: Any) -> Site:
    head = {"enterprise": "acme", "id": "north", "time_zone": "Asia/Shanghai"}
    file = {"site": head, "equipment": [{"path": "line/bearing"}], "sources": [{**TOOLS, **more}]}
    return site_of(SiteFile.model_validate(file))


def test_a_controllers_clock_is_in_the_sites_zone_unless_it_names_another() -> None:
    source = site_with().source(SourceId("tools"))
    assert isinstance(source, OpenProtocolSourceSettings)
    assert source.time_zone == "Asia/Shanghai"
    other = site_with(time_zone="Europe/Berlin").source(SourceId("tools"))
    assert isinstance(other, OpenProtocolSourceSettings)
    assert other.time_zone == "Europe/Berlin"


def test_the_station_must_be_equipment_of_the_site() -> None:
    with pytest.raises(SettingsError, match=r"sources\[1\].equipment: there is no equipment 'line/other'"):
        site_with(equipment="line/other")


def test_a_controller_gives_no_signals() -> None:
    file = {
        "site": {"enterprise": "acme", "id": "north"},
        "equipment": [{"path": "line/bearing"}],
        "sources": [TOOLS],
        "signals": [{"equipment": "line/bearing", "name": "torque", "source": "tools", "address": "x"}],
    }
    with pytest.raises(SettingsError, match="'tools' reports tightenings, it gives no signals"):
        site_of(SiteFile.model_validate(file))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"allow_insecure": False}, "neither passwords nor encryption"),
        ({"url": "tcp://10.0.0.1"}, "write op://host"),
        ({"url": "op://10.0.0.1:4545:1"}, "write op://host"),
        ({"time_zone": "Shanghai"}, "is no time zone"),
        ({"keepalive_seconds": 14}, "less than or equal to 10"),
        ({"revision": 8}, "revision"),
        ({"spindles": [0]}, "greater than or equal to 1"),
        ({"password_file": "x"}, "password_file"),
    ],
)
def test_a_wrong_key_of_a_controller_is_told_before_anything_connects(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        site_with(**more)
