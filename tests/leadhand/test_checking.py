"""``leadhand check`` tells what is wrong although each key by itself is right; ``leadhand ledger`` says what its numbers mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leadhand.accounting import account_of, conclusion
from leadhand.checking import summary
from leadhand.discovering_births import BrokerAccess, find_metrics
from plant.clock import SystemClock
from plant.errors import SettingsError, Unavailable
from plant.ledger import Counts, LedgerLine, no_lateness
from plant.signals import SourceId
from plant.site import load_site
from plant.site_problems import problems
from tests.leadhand.test_commands import leadhand
from tests.ports import free_port

SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "hall/line/press"

[[sources]]
protocol = "mqtt"
id = "press"
url = "mqtt://127.0.0.1:1883"
allow_anonymous = true
{source}
topics = [{{ filter = "hall/#", {topic} }}]

[[signals]]
equipment = "hall/line/press"
name = "force"
source = "press"
address = "{address}"
"""


def site_with(folder: Path, *, address: str = "hall/press", topic: str = 'payload = "value"', source: str = "") -> Path:
    path = folder / "site.toml"
    path.write_text(SITE.format(address=address, topic=topic, source=source))
    return path


def told_of(path: Path) -> list[str]:
    return problems(load_site(path), path)


def test_a_right_site_has_no_problems_and_one_signal_is_one_signal(tmp_path: Path) -> None:
    path = site_with(tmp_path)
    assert told_of(path) == []
    assert "1 signal, sends when it likes" in summary(load_site(path), path)
    assert "in all: 1 signal," in summary(load_site(path), path)


@pytest.mark.parametrize(
    ("address", "topic", "words"),
    [
        ("yard/press", 'payload = "value"', "no filter of 'topics' covers 'yard/press' (there is: hall/#); correct the address"),
        ("hall/{machine}", 'payload = "value"', "nothing replaces {machine}; known are {equipment}, {unit}"),
        ("hall/press#force", 'payload = "value"', "single values; leave '#force' out"),
        ("hall/press", 'payload = "object"', "holds many values; write hall/press#key"),
        ("hall/press#first", 'payload = "float32"', "hall/press#0 is the first"),
        ("hall/press#vals", 'payload = "array", value_key = "values"', "value_key is 'values', but its signals ask for '#vals'"),
    ],
)
def test_an_address_that_can_bring_no_value_is_told_with_what_to_do(tmp_path: Path, address: str, topic: str, words: str) -> None:
    path = site_with(tmp_path, address=address, topic=topic)
    (told,) = told_of(path)
    assert told.startswith(f"{path}: source 'press': ")
    assert words in told


@pytest.mark.parametrize(("address", "key"), [("hall/press", "values"), ("hall/press#values", "values"), ("hall/press#vals", None)])
def test_an_array_may_be_named_by_its_key_or_be_the_only_one(tmp_path: Path, address: str, key: str | None) -> None:
    more = "" if key is None else f', value_key = "{key}"'
    assert told_of(site_with(tmp_path, address=address, topic=f'payload = "array"{more}')) == []


def test_a_password_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = site_with(tmp_path, source='username = "lead"\npassword_file = "secret"')
    (told,) = told_of(path)
    assert f"password_file: {tmp_path / 'secret'} cannot be read (No such file or directory)" in told
    (tmp_path / "secret").write_text("s3cret\n")
    assert told_of(path) == []


def test_many_problems_of_a_kind_are_counted(tmp_path: Path) -> None:
    path = site_with(tmp_path, address="yard/{signal}")
    path.write_text(path.read_text().replace('name = "force"', 'name = "force-{1..40}"'))
    told = told_of(path)
    assert len(told) == 11
    assert told[-1].endswith("and 30 more like these")


def test_the_command_ends_with_its_code_for_wrong_settings(tmp_path: Path) -> None:
    path = site_with(tmp_path, address="yard/press")
    told = leadhand("check", path)
    assert (told.returncode, told.stdout) == (2, "")
    assert "no filter of 'topics' covers 'yard/press'" in told.stderr


@pytest.mark.parametrize(
    ("source", "more", "words"),
    [
        ('share = "a/b"', "", "sources[1].share: write a name without '/', '+', '#' and spaces, not \"a/b\""),
        (
            "",
            '[ingest]\nreturn_interval_ms = "5 min"\n',
            "ingest.return_interval_ms: write a number of milliseconds (300000 are 5 minutes)",
        ),
    ],
)
def test_a_value_of_the_wrong_form_is_told_with_the_right_one(tmp_path: Path, source: str, more: str, words: str) -> None:
    path = site_with(tmp_path, source=source)
    path.write_text(path.read_text() + more)
    with pytest.raises(SettingsError) as caught:
        load_site(path)
    assert words in caught.value.problems[0]


def test_a_source_that_is_subscribed_to_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[site]\nenterprise = "acme"\nid = "north"\n[[equipment]]\npath = "hall/line/press"\n[[sources]]\nprotocol = "opcua"\n'
        'id = "plc"\nurl = "opc.tcp://127.0.0.1:4840"\ninterval_ms = 50\nread = "subscription"\n'
        '[[signals]]\nequipment = "**/press"\nname = "force"\nsource = "plc"\naddress = "ns=2;s=force"\n'
    )
    assert "1 signal, by subscription, sampled each 50 ms" in summary(load_site(path), path)


def test_an_address_that_discover_cannot_ask_is_told_with_those_it_can() -> None:
    told = leadhand("discover", "http://x")
    assert told.returncode == 2
    assert "write opc.tcp://host:port, or mqtt://host:port" in told.stderr


def test_a_broker_that_does_not_answer_discover_is_told_with_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    from protocols.mqtt_client import MqttConnection

    wait = MqttConnection.wait_connected
    monkeypatch.setattr(MqttConnection, "wait_connected", lambda self, _: wait(self, 0.3))
    with pytest.raises(Unavailable, match="check host, port and firewall, and whether a broker runs there"):
        find_metrics(BrokerAccess(f"mqtt://127.0.0.1:{free_port()}"), SystemClock())


def test_the_ledger_ends_with_what_its_numbers_mean() -> None:
    line = LedgerLine(SourceId("press"), 60_000_000, Counts(10, 8, gap=2), True, 10, no_lateness())
    right = account_of(SourceId("press"), line, None)
    assert conclusion([right], []).startswith("It adds up: every sample that was expected is stored or accounted for. 2 could not be taken")
    wrong = replace(right, unexplained=3)
    told = conclusion([right], [replace(wrong, minute_us=60_000_000)])
    assert told.startswith("It does not add up: 3 samples of press at 1970-01-01 00:01 are unexplained")
    assert "'leadhand ledger --minutes --source press'" in told
    assert "no source was read" in conclusion([], [])
