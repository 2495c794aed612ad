"""Who is told of an alarm, when, and by what; whatever is killed, away or slow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from monitor.mails import send_mail
from monitor.notice_sending import NoticeSender
from monitor.notice_words import subject, text
from monitor.notices import NoticePlanner
from monitor.webhooks import post, secret_of, signature
from plant.alarms import AlarmEvent, AlarmState
from plant.errors import Rejected, SettingsError, Unavailable
from plant.notices import Channel, NoticeKind
from plant.site import Site
from storage.database import Connection, connect
from storage.notices import StoredNotice, read_notices, try_again
from tests.ingest.parts import until
from tests.monitor.alarm_parts import Journal, ManualClock, alarm, site_with
from tests.monitor.mail_server import mail_server, make_certificate
from tests.monitor.webhook_server import webhook_server

SECOND_US, MINUTE_US = 1_000_000, 60_000_000
RECEIVERS = """
[mail]
host = "127.0.0.1"
port = 9
security = "none"
allow_insecure = true
sender = "leadhand@acme.example"

[[receivers]]
name = "shift"
webhook = "http://127.0.0.1:9/hook"

[[receivers]]
name = "foreman"
mail = ["foreman@acme.example"]

[[receivers]]
name = "manager"
webhook = "http://127.0.0.1:9/manager"
"""
RULE = """
[[notices]]
name = "welding"
equipment = "welding/**"
to = ["shift"]
escalate = [{ after_minutes = 10, to = ["foreman"] }, { after_minutes = 30, to = ["manager"] }]
repeat_minutes = 20
say_end = true
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as open_one:
        yield open_one


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def settle(planner: NoticePlanner, connection: Connection) -> None:
    while planner.step(connection):
        pass


def told(connection: Connection) -> list[tuple[str, str, str]]:
    """(receiver, kind, state) of all notices, the oldest first."""
    found = read_notices(connection, most=1000)
    return [(n.receiver, n.kind.value, n.state) for n in sorted(found, key=lambda n: (n.made_us, n.receiver))]


def test_who_does_not_acknowledge_has_others_told_and_told_again(connection: Connection, clock: ManualClock, tmp_path: Path) -> None:
    site = site_with(tmp_path, RECEIVERS + RULE)
    journal, planner = Journal(connection, site, clock), NoticePlanner(site, clock)
    settle(planner, connection)
    journal.rise(alarm(1))
    settle(planner, connection)
    assert told(connection) == [("shift", "raised", "pending")]
    clock.sleep(9 * 60)
    settle(planner, connection)
    assert len(told(connection)) == 1
    clock.sleep(60)
    settle(planner, connection)
    assert told(connection)[1:] == [("foreman", "escalated", "pending")]
    clock.sleep(600)
    settle(planner, connection)
    assert told(connection)[2:] == [("shift", "repeated", "pending")]
    clock.sleep(600)
    settle(planner, connection)
    assert told(connection)[3:] == [("foreman", "repeated", "pending"), ("manager", "escalated", "pending")]
    clock.sleep(60)
    journal.acknowledge(alarm(1), "ann")
    settle(planner, connection)
    assert told(connection)[5:] == [(name, "ended", "pending") for name in ("foreman", "manager", "shift")]
    said = read_notices(connection, receiver="manager", most=1)[0].content
    assert (said["alarms"][0]["who"], said["alarms"][0]["state"], said["site"]) == ("ann", "acknowledged", "Acme North")
    clock.sleep(86_400)
    settle(planner, connection)
    assert len(told(connection)) == 8


def test_an_alarm_that_comes_and_goes_unseen_is_one_case_and_one_that_is_seen_and_comes_again_is_two(
    connection: Connection, clock: ManualClock, tmp_path: Path
) -> None:
    site = site_with(tmp_path, RECEIVERS + RULE)
    journal, planner = Journal(connection, site, clock), NoticePlanner(site, clock)
    settle(planner, connection)
    for _ in range(3):
        journal.rise(alarm(1))
        settle(planner, connection)
        clock.sleep(5)
        journal.write(alarm(1), AlarmState.RETURNED, AlarmEvent.INACTIVE)
        settle(planner, connection)
    assert told(connection) == [("shift", "raised", "pending")]
    journal.write(alarm(1), AlarmState.NORMAL, AlarmEvent.ACKNOWLEDGE, who="ann")
    journal.rise(alarm(1))
    settle(planner, connection)
    assert [kind for _, kind, _ in told(connection)].count("raised") == 2


def test_what_is_shelved_is_quiet(connection: Connection, clock: ManualClock, tmp_path: Path) -> None:
    site = site_with(tmp_path, RECEIVERS + RULE)
    journal, planner = Journal(connection, site, clock), NoticePlanner(site, clock)
    settle(planner, connection)
    journal.rise(alarm(1))
    settle(planner, connection)
    journal.write(alarm(1), AlarmState.SHELVED, AlarmEvent.SHELVE, who="ann", reason="sensor is changed")
    clock.sleep(3600)
    settle(planner, connection)
    assert [kind for _, kind, _ in told(connection)] == ["raised", "ended"]


def test_a_planner_killed_and_built_anew_says_nothing_twice_and_forgets_nothing(
    connection: Connection, clock: ManualClock, tmp_path: Path
) -> None:
    site = site_with(tmp_path, RECEIVERS + RULE)
    journal = Journal(connection, site, clock)
    settle(NoticePlanner(site, clock), connection)
    for robot in range(1, 6):
        journal.rise(alarm(robot))
        settle(NoticePlanner(site, clock), connection)
    clock.sleep(600)
    for _ in range(3):
        settle(NoticePlanner(site, clock), connection)
    kinds = [kind for _, kind, _ in told(connection)]
    assert (kinds.count("raised"), kinds.count("escalated"), len(kinds)) == (5, 5, 10)


def test_the_first_start_tells_of_what_stands_unacknowledged_and_not_of_what_is_over(
    connection: Connection, clock: ManualClock, tmp_path: Path
) -> None:
    site = site_with(tmp_path, RECEIVERS + RULE)
    journal = Journal(connection, site, clock)
    journal.rise(alarm(1))
    journal.acknowledge(alarm(1))
    journal.rise(alarm(2))
    settle(NoticePlanner(site, clock), connection)
    assert [n.alarms for n in read_notices(connection)] == [(alarm(2),)]


def test_in_a_flood_one_notice_tells_of_many_but_the_urgent_ones_go_alone(
    connection: Connection, clock: ManualClock, tmp_path: Path
) -> None:
    rule = '[[notices]]\nname = "all"\nto = ["shift", "foreman"]\n'
    site = site_with(
        tmp_path,
        RECEIVERS + rule + '[[alarms]]\nequipment = "welding/cell-1/*"\nsignal = "current"\nkind = "high_high"\npriority = "urgent"\n',
    )
    journal, planner = Journal(connection, site, clock), NoticePlanner(site, clock)
    settle(planner, connection)
    for robot in range(1, 21):
        journal.rise(alarm(robot))
        clock.sleep(2)
        settle(planner, connection)
    kinds = told(connection)
    assert kinds.count(("shift", "raised", "pending")) == 10
    assert kinds.count(("shift", "raised", "gathered")) == 10
    journal.rise(alarm(1, "high_high"))
    settle(planner, connection)
    assert told(connection).count(("shift", "raised", "pending")) == 11
    clock.sleep(300)
    settle(planner, connection)
    digests = [n for n in read_notices(connection, states=["pending"]) if n.kind is NoticeKind.DIGEST]
    assert sorted((n.receiver, n.content["count"], len(n.alarms)) for n in digests) == [("foreman", 10, 10), ("shift", 10, 10)]
    clock.sleep(700)
    settle(planner, connection)
    assert read_notices(connection, states=["gathered"]) == []


def test_a_rule_speaks_of_its_alarms_and_shifts_only(connection: Connection, clock: ManualClock, tmp_path: Path) -> None:
    more = """
[[calendars]]
name = "two shifts"
equipment = "**"
shifts = [
    { name = "early", from = "06:00", to = "14:00", days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] },
    { name = "late", from = "14:00", to = "22:00", days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] },
]

[[notices]]
name = "early, robot 1"
alarms = "welding/cell-1/robot-1/*"
shifts = ["early"]
to = ["shift"]

[[notices]]
name = "late-high-high"
alarms = "**/*:high_high"
shifts = ["late"]
to = ["manager"]
""".replace("early, robot 1", "early-robot-1").replace('"two shifts"', '"two-shifts"')
    site = site_with(tmp_path, RECEIVERS + more)
    journal, planner = Journal(connection, site, clock), NoticePlanner(site, clock)
    day_us = 86_400_000_000
    for hour, robot, kind in ((5, 1, "high"), (9, 1, "high_high"), (9, 2, "high"), (13, 3, "high_high"), (13, 4, "high")):
        clock.us = 1_790_000_000_000_000 // day_us * day_us + hour * 3600 * SECOND_US  # plant time is two hours ahead
        settle(planner, connection)
        journal.rise(alarm(robot, kind))
        settle(planner, connection)
    assert [(n.receiver, n.alarms[0]) for n in reversed(read_notices(connection))] == [
        ("shift", alarm(1)),
        ("shift", alarm(1, "high_high")),
        ("manager", alarm(3, "high_high")),
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('[[receivers]]\nname = "a"\n', "give 'webhook', 'mail', or both"),
        ('[[receivers]]\nname = "a"\nwebhook = "http://example.com/x"\n', "http:// to another machine"),
        ('[[receivers]]\nname = "a"\nwebhook = "ftp://example.com/x"\n', "is no address"),
        ('[[receivers]]\nname = "a"\nwebhook = "https://u:p@example.com/x"\n', "holds no password"),
        ('[[receivers]]\nname = "a"\nmail = ["a@example.com"]\n', "no [mail] says which server"),
        ('[[receivers]]\nname = "a"\nmail = ["a b@example.com"]\n', "is no e-mail address"),
        ('[[notices]]\nname = "n"\nto = ["nobody"]\n', "there is no receiver 'nobody'"),
        ('[[notices]]\nname = "n"\nto = ["shift"]\nshifts = ["night"]\n' + RECEIVERS, "no calendar has a shift 'night'"),
        ('[[notices]]\nname = "n"\nto = ["shift"]\nequipment = "paint/*"\n' + RECEIVERS, "no equipment fits 'paint/*'"),
        ('[mail]\nhost = "m"\nsender = "a@b.c"\nsecurity = "none"\n', "allow_insecure"),
        ('[mail]\nhost = "m"\nsender = "a@b.c"\nusername = "u"\n', "'username' and 'password_file' together"),
    ],
)
def test_wrong_settings_are_refused_in_words(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(SettingsError, match=r"site\.toml") as found:
        site_with(tmp_path, more)
    assert words in str(found.value)


def post_site(folder: Path, url: str, more: str = "") -> Site:
    return site_with(
        folder, f'[[receivers]]\nname = "shift"\nwebhook = "{url}"\ntimeout_seconds = 5\n{more}\n[[notices]]\nname = "n"\nto = ["shift"]\n'
    )


def send_until(sender: NoticeSender, connection: Connection, state: str, count: int) -> list[StoredNotice]:
    """Let the sender work until so many notices are in a state."""

    def reached() -> bool:
        sender.step(connection)
        return len(read_notices(connection, states=[state])) >= count

    until(reached, 60)
    return read_notices(connection, states=[state])


def test_a_webhook_gets_each_notice_signed_with_its_id(connection: Connection, clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("whsec_c2VjcmV0IG9mIHRoZSBwbGFudA==\n")
    with webhook_server() as hook:
        site = post_site(tmp_path, hook.url, 'secret_file = "secret"')
        journal, planner = Journal(connection, site, clock), NoticePlanner(site, clock)
        settle(planner, connection)
        journal.rise(alarm(1))
        settle(planner, connection)
        sent = send_until(NoticeSender(site, clock), connection, "sent", 1)[0]
        headers, body = hook.got[0]
        assert headers["webhook-id"] == str(sent.id) == hook.said[0]["id"]
        assert headers["webhook-signature"] == signature(b"secret of the plant", sent.id, int(headers["webhook-timestamp"]), body)
        assert hook.said[0]["alarms"][0] | {"message": ""} == sent.content["alarms"][0] | {"message": ""}
        assert (sent.attempts, sent.why) == (1, "")


def test_a_receiver_that_is_away_is_tried_again_with_the_same_id_and_its_troubles_are_told(
    connection: Connection, clock: ManualClock, tmp_path: Path
) -> None:
    with webhook_server() as hook:
        hook.answer = 503
        site = post_site(tmp_path, hook.url)
        journal, planner, sender = Journal(connection, site, clock), NoticePlanner(site, clock), NoticeSender(site, clock)
        settle(planner, connection)
        journal.rise(alarm(1))
        settle(planner, connection)
        until(lambda: bool(sender.step(connection)) or bool(read_notices(connection)[0].attempts), 60)
        assert "says 503" in read_notices(connection)[0].why
        sender.step(connection)
        assert len(hook.got) == 1  # not at once
        hook.answer = 200
        clock.sleep(6)
        send_until(sender, connection, "sent", 1)
        assert len({headers["webhook-id"] for headers, _ in hook.got}) == 1
        assert len(hook.got) == 2


def test_a_sender_killed_after_sending_sends_again_with_the_same_id(connection: Connection, clock: ManualClock, tmp_path: Path) -> None:
    with webhook_server() as hook:
        site = post_site(tmp_path, hook.url)
        journal = Journal(connection, site, clock)
        settle(NoticePlanner(site, clock), connection)
        journal.rise(alarm(1))
        settle(NoticePlanner(site, clock), connection)
        NoticeSender(site, clock).step(connection)
        until(lambda: len(hook.got) == 1, 60)  # sent, and then nobody noted it
        send_until(NoticeSender(site, clock), connection, "sent", 1)
        assert [headers["webhook-id"] for headers, _ in hook.got] == [hook.said[0]["id"]] * 2


def test_a_receiver_that_hangs_holds_up_no_other(connection: Connection, clock: ManualClock, tmp_path: Path) -> None:
    with webhook_server() as slow, webhook_server() as quick:
        slow.hang.clear()
        site = site_with(
            tmp_path,
            f'[[receivers]]\nname = "slow"\nwebhook = "{slow.url}"\n[[receivers]]\nname = "quick"\nwebhook = "{quick.url}"\n'
            '[[notices]]\nname = "n"\nto = ["slow", "quick"]\n',
        )
        journal, planner, sender = Journal(connection, site, clock), NoticePlanner(site, clock), NoticeSender(site, clock)
        settle(planner, connection)
        for robot in range(1, 4):
            journal.rise(alarm(robot))
        settle(planner, connection)
        found = send_until(sender, connection, "sent", 3)
        assert {n.receiver for n in found} == {"quick"}
        assert len(slow.got) == 1
        slow.hang.set()
        send_until(sender, connection, "sent", 6)
        assert [said["alarms"][0]["alarm"] for said in slow.said] == [alarm(robot) for robot in range(1, 4)]


def test_what_is_refused_for_good_is_given_up_and_can_be_sent_again_by_hand(
    connection: Connection, clock: ManualClock, tmp_path: Path
) -> None:
    with webhook_server() as hook:
        hook.answer = 404
        site = post_site(tmp_path, hook.url)
        journal, planner, sender = Journal(connection, site, clock), NoticePlanner(site, clock), NoticeSender(site, clock)
        settle(planner, connection)
        journal.rise(alarm(1))
        settle(planner, connection)
        failed = send_until(sender, connection, "failed", 1)[0]
        assert "says 404" in failed.why
        hook.answer = 200
        assert try_again(connection, failed.id, Channel.WEBHOOK)
        assert not try_again(connection, failed.id, Channel.WEBHOOK)
        send_until(sender, connection, "sent", 1)


def test_a_redirect_is_not_followed_and_an_unknown_certificate_not_trusted(tmp_path: Path, clock: ManualClock) -> None:
    certificate = make_certificate(tmp_path)
    with webhook_server() as hook, webhook_server(certificate) as secure:
        hook.answer = 307
        receiver = post_site(tmp_path, hook.url).notices.receivers[0]
        with pytest.raises(Unavailable, match="says 307"):
            post(receiver, read_id(), b"{}", clock.us)
        assert len(hook.got) == 1
        with pytest.raises(Unavailable, match=r"certificate of 127\.0\.0\.1 is not trusted"):
            post(post_site(tmp_path, secure.url).notices.receivers[0], read_id(), b"{}", clock.us)
        post(post_site(tmp_path, secure.url, 'ca_file = "server.pem"').notices.receivers[0], read_id(), b"{}", clock.us)
        assert len(secure.got) == 1


def read_id() -> UUID:
    return UUID("0c7c1cbe-1f0e-4d8a-9c39-0e6f6a5f2a11")


MAIL = """
[mail]
host = "127.0.0.1"
port = {port}
security = "{security}"
ca_file = "server.pem"
sender = "leadhand@acme.example"
username = "plant"
password_file = "password"
timeout_seconds = 5
[[receivers]]
name = "foreman"
mail = ["foreman@acme.example", "second@acme.example"]
language = "zh"
[[notices]]
name = "n"
to = ["foreman"]
"""


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_email_goes_out_by_tls_with_a_password_in_the_receivers_language(
    connection: Connection, clock: ManualClock, tmp_path: Path, security: str, capfd: pytest.CaptureFixture[str]
) -> None:
    certificate = make_certificate(tmp_path)
    (tmp_path / "password").write_text("seldom guessed\n")
    with mail_server(certificate, tls=security == "tls", password="seldom guessed") as server:
        site = site_with(tmp_path, MAIL.format(port=server.port, security=security))
        journal, planner, sender = Journal(connection, site, clock), NoticePlanner(site, clock), NoticeSender(site, clock)
        settle(planner, connection)
        journal.rise(alarm(1))
        settle(planner, connection)
        sent = send_until(sender, connection, "sent", 1)[0]
        letter = server.received[0]
        assert letter["Message-ID"] == f"<{sent.id}@acme.example>"
        assert letter["To"] == "foreman@acme.example, second@acme.example"
        assert "新报警" in letter["Subject"]
        assert "231.5 A (限值 200)" in letter.get_content()
        (tmp_path / "password").write_text("wrong")
        journal.rise(alarm(2))
        settle(planner, connection)
        until(lambda: bool(sender.step(connection)) or any(n.attempts for n in read_notices(connection, states=["pending"])), 60)
        assert "535" in read_notices(connection, states=["pending"])[0].why
    assert "guessed" not in capfd.readouterr().err


def test_a_mail_server_that_refuses_an_address_is_told_and_one_that_is_away_is_asked_again(tmp_path: Path, clock: ManualClock) -> None:
    with mail_server() as server:
        site = site_with(tmp_path, RECEIVERS.replace("port = 9", f"port = {server.port}"))
        mail, to = site.notices.mail, ("a@acme.example", "b@acme.example")
        assert mail is not None
        send_mail(mail, to, read_id(), "one\r\nBcc: x@acme.example", "text", clock.us)
        assert (server.received[0]["Subject"], server.received[0]["Bcc"]) == ("one Bcc: x@acme.example", None)
        server.refuse["b@acme.example"] = "550 nobody here"
        with pytest.raises(Rejected, match=r"b@acme\.example: 550 nobody here"):
            send_mail(mail, to, read_id(), "two", "text", clock.us)
        server.refuse = dict.fromkeys(to, "450 later")
        with pytest.raises(Unavailable, match="450 later"):
            send_mail(mail, to, read_id(), "three", "text", clock.us)
        server.down = True
        with pytest.raises(Unavailable):
            send_mail(mail, to, read_id(), "four", "text", clock.us)


def test_a_secret_is_text_or_base64() -> None:
    assert secret_of("abc") == b"abc"
    assert secret_of("whsec_YWJj") == b"abc"
    with pytest.raises(Rejected):
        secret_of("whsec_?")
    with pytest.raises(Rejected):
        secret_of("")


def test_a_digest_and_a_test_read_well() -> None:
    said = {"kind": "test", "site": "Acme", "rule": "", "alarms": [], "count": 0}
    assert subject(said, "en") == "[Leadhand] test notice · Acme"
    assert "Nothing happened" in text(said, "1", "en", "UTC")


def test_no_thread_of_a_sender_outlives_its_sending(connection: Connection, clock: ManualClock, tmp_path: Path) -> None:
    with webhook_server() as hook:
        site = post_site(tmp_path, hook.url)
        journal, planner, sender = Journal(connection, site, clock), NoticePlanner(site, clock), NoticeSender(site, clock)
        settle(planner, connection)
        journal.rise(alarm(1))
        settle(planner, connection)
        send_until(sender, connection, "sent", 1)
        until(lambda: not any(thread.name.startswith("notices to") for thread in threading.enumerate()), 60)
