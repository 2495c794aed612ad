"""Alarms that the machines of the line raise by themselves, as conditions of asyncua's server."""

from __future__ import annotations

import asyncio

from protocols.opcua_client import OpcUaEndpoint, Subscription, Wish, open_session
from protocols.opcua_events import REFRESH_END, REFRESH_START, Event, named_events, notifier_of, refresh_conditions
from simulators.opcua_conditions import DeviceAlarm
from simulators.plant import Line
from simulators.plant_alarms import alarms_at, changes
from tests.simulators.conftest import NAMESPACE, CountingFeed, serving

START_US = 1_790_000_000_000_000


def test_alarms_come_are_acknowledged_and_go_within_minutes() -> None:
    fleets = [group.fleet for group in Line(1).groups]
    known: dict[tuple[str, str], DeviceAlarm] = {}
    told: dict[tuple[str, str], list[DeviceAlarm]] = {}
    for now_us in range(START_US, START_US + 1_200_000_000, 5_000_000):
        now = alarms_at(fleets, now_us)
        for alarm in changes(known, now, now_us):
            told.setdefault((alarm.source, alarm.name), []).append(alarm)
        known = now
    assert len(told) > 20
    firsts = sorted(alarms[0].time_us for alarms in told.values())
    assert firsts[2] < START_US + 300_000_000, "nobody waits long for an alarm"
    whole = [alarms for alarms in told.values() if not alarms[-1].retained]
    assert len(whole) > 10
    for alarms in whole:
        assert alarms[-1].acknowledged
        assert not alarms[-1].active
        assert [alarm.time_us for alarm in alarms] == sorted(alarm.time_us for alarm in alarms)


async def _take(subscription: Subscription, namespaces: tuple[str, ...], until: str | int) -> list[Event]:
    """Return the events up to one of a type, or so many."""
    found: list[Event] = []
    async with asyncio.timeout(30):
        while not (found and found[-1].type == until) and len(found) != until:
            delivery = await subscription.receive()
            found += [event for raw in delivery.events for event in named_events(raw, namespaces)]
    return found


async def test_a_server_tells_how_its_alarms_stand_and_tells_them_anew_when_asked() -> None:
    hot = DeviceAlarm("cell/machine", "hot", "it is hot", 700, active=True, acknowledged=False, time_us=START_US)
    worn = DeviceAlarm("cell/machine", "worn", "a tool is worn", 450, active=True, acknowledged=True, time_us=START_US, user="operator")
    over = DeviceAlarm("cell/machine", "worn", "a tool is worn", 450, active=False, acknowledged=True, time_us=START_US + 5)
    async with serving(CountingFeed(2)) as server:
        await server.tell([hot])
        session = await open_session(OpcUaEndpoint(server.url, policy="None", mode="None"))
        subscription = await session.subscribe(Wish(50, 1000))
        notifier = notifier_of("ns=0;i=2253", session.namespaces)
        assert await subscription.add_events(0, notifier, 100) == ""
        assert await subscription.add_events(1, notifier_of(f"nsu={NAMESPACE};s=cell/machine/v0", session.namespaces), 100) != ""
        await server.tell([worn, over])
        first, second = await _take(subscription, session.namespaces, 2)
        assert (first.text("condition_name"), first.flag("active"), first.flag("acknowledged"), first.flag("retain")) == (
            *("worn", True, True, True),
        )
        assert (first.text("message"), first.fields["severity"], first.fields["time"]) == ("a tool is worn", 450, START_US)
        assert (first.text("source_node"), first.text("user")) == (f"nsu={NAMESPACE};s=cell/machine", "operator")
        assert (second.flag("active"), second.flag("retain")) == (False, False)
        await refresh_conditions(session.link, subscription.id)
        start, again, end = await _take(subscription, session.namespaces, REFRESH_END)
        assert (start.type, end.type) == (REFRESH_START, REFRESH_END)
        assert (again.text("condition_name"), again.flag("active"), again.text("condition")) == (
            *("hot", True, f"nsu={NAMESPACE};s=cell/machine/alarms/hot"),
        )
        await subscription.delete()
        await session.close()
