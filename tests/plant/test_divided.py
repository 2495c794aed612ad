"""Sources that several processes read."""

from __future__ import annotations

from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.divided import topic_fits
from plant.errors import SettingsError
from plant.settings import MqttSourceSettings, SiteFile
from plant.signals import SourceId
from plant.site import Site, site_of


def site(**more: Any) -> Site:
    source = {"protocol": "mqtt", "id": "hall", "url": "mqtt://127.0.0.1:1883", "allow_anonymous": True}
    source |= {"topics": [{"filter": "b/+/fast", "qos": 0}, {"filter": "b/#", "qos": 1}], **more}
    signals = [
        {"equipment": "line/*", "name": name, "source": "hall", "address": f"b/{{unit}}{end}"} for name, end in (("x", ""), ("y", "/fast"))
    ]
    return site_of(
        SiteFile.model_validate(
            {
                "site": {"enterprise": "acme", "id": "north"},
                "equipment": [{"path": "line/unit-{1..40}"}],
                "sources": [source],
                "signals": signals,
            }
        )
    )


def test_each_topic_belongs_to_one_process_which_subscribes_to_it_by_name() -> None:
    divided = site(processes=3, client_id="lh")
    assert [source.id for source in divided.sources] == ["hall-1", "hall-2", "hall-3"]
    found = []
    for source in divided.sources:
        assert isinstance(source, MqttSourceSettings)
        MqttSourceSettings.model_validate(source.model_dump())
        topics = {topic.filter: topic.qos for topic in source.topics}
        signals = divided.signals_of(SourceId(source.id))
        assert {signal.address for signal in signals} == set(topics)
        assert all(qos == (0 if name.endswith("/fast") else 1) for name, qos in topics.items())
        assert len(signals) > 10
        found += [signal.path for signal in signals]
    assert sorted(found) == sorted(signal.path for signal in site().signals)
    assert len({source.process for source in divided.sources}) == 3
    assert [source.client_id for source in divided.sources if isinstance(source, MqttSourceSettings)] == ["lh-1", "lh-2", "lh-3"]


def test_a_shared_subscription_gives_all_signals_to_each_process() -> None:
    divided = site(processes=2, share="leadhand")
    assert [len(divided.signals_of(SourceId(source.id))) for source in divided.sources] == [80, 80]
    assert len(divided.signals) == 80
    assert [len(source.topics) for source in divided.sources if isinstance(source, MqttSourceSettings)] == [2, 2]


def test_one_process_changes_nothing() -> None:
    assert [source.id for source in site().sources] == ["hall"]


def test_a_share_with_a_slash_is_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        site(share="a/b")


def test_a_source_that_has_the_name_of_a_part_is_told() -> None:
    file = {"protocol": "mqtt", "url": "mqtt://h:1", "allow_anonymous": True, "topics": [{"filter": "a"}]}
    both = [{**file, "id": "hall", "processes": 2}, {**file, "id": "hall-2"}]
    with pytest.raises(SettingsError, match="there is a source 'hall-2' already"):
        site_of(SiteFile.model_validate({"site": {"enterprise": "a", "id": "b"}, "sources": both}))


levels = st.lists(st.sampled_from(["a", "b", "", "$x"]), min_size=1, max_size=4).map("/".join)
filters = st.lists(st.sampled_from(["a", "b", "", "+", "$x"]), min_size=1, max_size=4).map("/".join) | levels.map(lambda one: one + "/#")


@given(filters, levels)
def test_a_topic_fits_a_filter_as_a_broker_sees_it(wanted: str, topic: str) -> None:
    if wanted and topic:
        assert topic_fits(wanted, topic) is paho.topic_matches_sub(wanted, topic)
