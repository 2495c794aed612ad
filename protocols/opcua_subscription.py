"""One subscription with its monitored items: every message accounted for by its number, or known to be lost.

asyncua's Subscription is not used: it does not check numbers while it runs, drops what it cannot decode without a word, and its
watchdog ends at its first failure. Here several PublishRequests wait at the server at all times; a number that is skipped is asked for
again (Republish) and counted as lost only when the server has it no more; silence longer than three keep-alives is an error.
OPC 10000-4, 5.14.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from plant.errors import Unavailable
from protocols.opcua_connection import SerialisedRequest, Socket
from protocols.opcua_events import RawEvents, event_filter
from protocols.opcua_link import TOO_MUCH, Link, ServiceFailed, status_name
from protocols.opcua_notifications import Changes, Message, NotificationDecoder

MOST_QUEUED: Final = 10_000
"""Values that the server is asked to keep for one item, at most: 5 minutes of 30 ms."""
_KEEP_ALIVE_SECONDS: Final = 1.0
_SILENT_PERIODS: Final = 3
_SILENT_LOOKS: Final = 6
_LEAST_IN_FLIGHT, _MOST_IN_FLIGHT = 3, 10
_IN_FLIGHT_MS: Final = 500
"""PublishRequests wait at the server for about so long, that a slow network holds up nothing."""
_MOST_AT_ONCE: Final = 20_000
"""Values in one message: what waited during an outage must not come as one message larger than we take."""
_MOST_ASKED_AGAIN: Final = 1000
_MOST_MALFORMED: Final = 10
_START_TIME: Final = ua.NodeId(2257)  # type: ignore[arg-type]
_LAST_NUMBER: Final = 2**32 - 1
_FILTER_REFUSED: Final = frozenset(
    int(code)
    for code in (
        StatusCodes.BadMonitoredItemFilterInvalid,
        StatusCodes.BadMonitoredItemFilterUnsupported,
        StatusCodes.BadFilterNotAllowed,
    )
)
_OVER: Final = frozenset(int(code) for code in (StatusCodes.BadNoSubscription, StatusCodes.BadSubscriptionIdInvalid))
_TOO_MANY_REQUESTS: Final = int(StatusCodes.BadTooManyPublishRequests)
_ITEM_GONE: Final = int(StatusCodes.BadMonitoredItemIdInvalid)


def _encoding(name: str) -> int:
    return int(getattr(ObjectIds, f"{name}_Encoding_DefaultBinary"))


class SubscriptionLost(Unavailable):
    """The subscription is over, or silent; the session may live. Make a new one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the server."""

    publishing_ms: float
    sampling_ms: float
    outage_seconds: float = 10.0
    """For so long the server shall keep values while we are away: its queues and the subscription's lifetime follow from it."""

    @property
    def queue_size(self) -> int:
        """How many values the server shall keep for each item."""
        span = max(self.outage_seconds * 1000, 2 * self.publishing_ms)
        return min(MOST_QUEUED, max(2, math.ceil(span / self.sampling_ms)))


@dataclass(frozen=True, slots=True)
class Granted:
    """What the server gives of it."""

    publishing_ms: float
    keep_alive_count: int
    lifetime_count: int
    sampling_ms: float = 0.0
    """The slowest item's; 0 means on each change, by the server's own event."""
    queue_size: int = 0
    """The smallest item's."""

    @property
    def keep_alive_seconds(self) -> float:
        """How long the server is silent at most."""
        return max(self.publishing_ms * max(1, self.keep_alive_count) / 1000, 0.05)

    @property
    def outage_seconds(self) -> float:
        """For how long away nothing is lost: the smaller of the queue's span and the subscription's life."""
        return min(self.queue_size * self.sampling_ms, self.lifetime_count * self.publishing_ms) / 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one message brought."""

    changes: tuple[Changes, ...]
    lost: int = 0
    """Messages before this one that the server could not send again."""
    again: bool = False
    """Whether it had to be asked for again."""
    events: tuple[RawEvents, ...] = ()


@dataclass(frozen=True, slots=True)
class Handover:
    """What a new session needs to go on with the subscription of an old one."""

    id: int
    expected: int
    granted: Granted
    items: dict[int, int]
    wish: Wish
    server_started: int
    """When the server began, as it says; 0 where it does not. Another run of it may have another subscription of the same id."""


class Subscription:
    """A subscription that publishes; handles are the caller's numbers of its nodes."""

    def __init__(self, link: Link, wish: Wish, identifier: int, granted: Granted) -> None:
        self.id = identifier
        self.granted = granted
        self.wish = wish
        self.server_started = 0
        self.republished = 0
        """Messages that were asked for again and came."""
        self.malformed = 0
        self._link = link
        self._items: dict[int, int] = {}
        self._expected = 1
        self._decoder = NotificationDecoder()
        self._acknowledge: list[int] = []
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._came: deque[asyncio.Future[bytes]] = deque()
        self._ready: deque[Delivery] = deque()
        self._news = asyncio.Event()
        self._over = ""
        self._stopped = False
        wanted = math.ceil(_IN_FLIGHT_MS / max(granted.publishing_ms, 1.0))
        self._in_flight = min(_MOST_IN_FLIGHT, max(_LEAST_IN_FLIGHT, wanted))
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = []
        self._request = SerialisedRequest(request, link.client.socket, 3600.0)
        self._without = bytes(self._request.framed[:-4])

    @property
    def handles(self) -> set[int]:
        """The nodes that are monitored."""
        return set(self._items)

    async def add(self, nodes: Mapping[int, Any], *, with_time: bool = True) -> dict[int, str]:
        """Monitor nodes by handle; return, for those that the server refuses, why.

        ``with_time``: a new source time alone is a change, as for cyclic reads; where the server knows no such filter, without. Raises
        Unavailable.
        """
        refused: dict[int, str] = {}
        left = list(nodes)
        size = self._link.limits.monitored_items_per_call
        while left:
            part = left[:size]
            try:
                results = await self._create({handle: nodes[handle] for handle in part}, with_time=with_time)
            except ServiceFailed as failure:
                if failure.code not in TOO_MUCH or size == 1:
                    raise
                size = max(1, size // 2)
                continue
            left = left[size:]
            plain = [handle for handle, result in zip(part, results, strict=True) if _code(result) in _FILTER_REFUSED]
            if plain and with_time:
                refused |= await self.add({handle: nodes[handle] for handle in plain}, with_time=False)
            for handle, result in zip(part, results, strict=True):
                if with_time and _code(result) in _FILTER_REFUSED:
                    continue
                if _code(result) >= 0x80000000:
                    refused[handle] = status_name(_code(result))
                else:
                    self._take_on(handle, result)
        return refused

    async def _create(self, nodes: dict[int, Any], *, with_time: bool) -> Sequence[ua.MonitoredItemCreateResult]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = ua.UInt32(self.id)
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToCreate = [self._item(handle, node, with_time=with_time) for handle, node in nodes.items()]
        response = await self._link.ask(request, ua.CreateMonitoredItemsResponse, _encoding("CreateMonitoredItemsResponse"))
        results = response.Results or []
        if len(results) != len(nodes):
            raise Unavailable(f"{self._link.endpoint.url}: {len(results)} answers for {len(nodes)} monitored items")
        return results

    def _item(self, handle: int, node: Any, *, with_time: bool) -> ua.MonitoredItemCreateRequest:
        asked = ua.MonitoringParameters()
        asked.ClientHandle = ua.UInt32(handle)
        asked.SamplingInterval = self.wish.sampling_ms
        asked.QueueSize = ua.UInt32(self.wish.queue_size)
        asked.DiscardOldest = True
        if with_time:
            asked.Filter = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValueTimestamp)
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor = ua.ReadValueId(node, AttributeIds.Value)
        item.MonitoringMode = ua.MonitoringMode.Reporting
        item.RequestedParameters = asked
        return item

    async def add_events(self, handle: int, notifier: Any, queue_size: int) -> str:
        """Have an object's events told; return why the server refuses, empty where it does not. Raises Unavailable."""
        asked = ua.MonitoringParameters()
        asked.ClientHandle = ua.UInt32(handle)
        asked.SamplingInterval = 0.0
        asked.QueueSize = ua.UInt32(queue_size)
        asked.DiscardOldest = True
        asked.Filter = event_filter()
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor = ua.ReadValueId(notifier, AttributeIds.EventNotifier)
        item.MonitoringMode = ua.MonitoringMode.Reporting
        item.RequestedParameters = asked
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = ua.UInt32(self.id)
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToCreate = [item]
        response = await self._link.ask(request, ua.CreateMonitoredItemsResponse, _encoding("CreateMonitoredItemsResponse"))
        results = response.Results or []
        if len(results) != 1:
            raise Unavailable(f"{self._link.endpoint.url}: {len(results)} answers for one monitored item")
        if _code(results[0]) >= 0x80000000:
            return status_name(_code(results[0]))
        self._take_on(handle, results[0])
        return ""

    def _take_on(self, handle: int, result: ua.MonitoredItemCreateResult) -> None:
        granted, first = self.granted, not self._items
        self._items[handle] = int(result.MonitoredItemId)
        sampling, queue = float(result.RevisedSamplingInterval), int(result.RevisedQueueSize)
        self.granted = replace(
            granted,
            sampling_ms=sampling if first else max(granted.sampling_ms, sampling),
            queue_size=queue if first else min(granted.queue_size, queue),
        )

    async def missing(self) -> set[int]:
        """Return the handles whose monitored items the server does not know any more; they are forgotten here. Raises Unavailable.

        Setting the mode that an item has already is the one question about items that every server answers.
        """
        gone: set[int] = set()
        asked = list(self._items.items())
        size = self._link.limits.monitored_items_per_call
        for start in range(0, len(asked), size):
            part = asked[start : start + size]
            request = ua.SetMonitoringModeRequest()
            request.Parameters.SubscriptionId = ua.UInt32(self.id)
            request.Parameters.MonitoringMode = ua.MonitoringMode.Reporting
            request.Parameters.MonitoredItemIds = [ua.UInt32(item) for _, item in part]
            response = await self._link.ask(request, ua.SetMonitoringModeResponse, _encoding("SetMonitoringModeResponse"))
            results = response.Parameters.Results or []
            gone |= {handle for (handle, _), result in zip(part, results, strict=False) if int(result.value) == _ITEM_GONE}
        for handle in gone:
            del self._items[handle]
        return gone

    def handover(self) -> Handover:
        """Return what a later session needs to go on where this one ended."""
        return Handover(self.id, self._expected, self.granted, dict(self._items), self.wish, self.server_started)

    async def receive(self) -> Delivery:
        """Return the next message's changes; an empty one for a keep-alive. Raises SubscriptionLost or Unavailable."""
        while not self._ready:
            if self._over:
                raise SubscriptionLost(self._over)
            self._send()
            if not self._came:
                await self._wait()
            while self._came and not self._over:
                await self._take(self._came.popleft())
        return self._ready.popleft()

    def rest(self) -> list[Delivery]:
        """Return what nobody has received yet: a handover goes on behind it."""
        rest = list(self._ready)
        self._ready.clear()
        return rest

    async def _wait(self) -> None:
        self._news.clear()
        silent = _SILENT_PERIODS * self.granted.keep_alive_seconds
        for _ in range(_SILENT_LOOKS):
            # time in which this process was held up counts as one look: what came meanwhile is still to be read
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(silent / _SILENT_LOOKS):
                    await self._news.wait()
                    return
        self._link.check_alive()
        raise SubscriptionLost(f"the subscription has been silent for {silent:.1f} s")

    def _send(self) -> None:
        """Have as many PublishRequests wait at the server as wanted; the first takes the acknowledgements along."""
        self._link.check_alive()
        socket = self._link.client.socket
        while len(self._waiting) < self._in_flight:
            numbers, self._acknowledge = self._acknowledge, []
            said = b"".join(struct.pack("<II", self.id, number) for number in numbers)
            self._request.framed = bytearray(self._without + struct.pack("<i", len(numbers)) + said)
            request_id, future = socket.send_raw(self._request)
            self._waiting[request_id] = future
            future.add_done_callback(lambda done, request_id=request_id: self._arrived(request_id, done))  # type: ignore[misc]

    def _arrived(self, request_id: int, future: asyncio.Future[bytes]) -> None:
        self._waiting.pop(request_id, None)
        if self._stopped:
            return
        if not future.cancelled():
            self._came.append(future)
            self._news.set()

    async def _take(self, future: asyncio.Future[bytes]) -> None:
        try:
            reply = future.result()
        except Exception as error:  # the connection broke: asyncua tells it with several kinds
            self._link.check_alive()
            raise Unavailable(f"{self._link.endpoint.url}: {error}") from error
        try:
            published = self._decoder.published(reply, self._link.body_of(reply, _encoding("PublishResponse")))
        except ServiceFailed as failure:
            self._refused(failure)
            return
        except Unavailable as error:
            self._link.check_alive()
            # its number is missing then, and is asked for again
            self.malformed += 1
            if self.malformed > _MOST_MALFORMED:
                self._over = str(error)
            return
        if published.subscription != self.id:
            return
        await self._follow(published.message, set(published.available))

    def _refused(self, failure: ServiceFailed) -> None:
        if failure.code == _TOO_MANY_REQUESTS:
            self._in_flight = max(1, len(self._waiting))
        elif failure.code in _OVER:
            self._over = f"the server has no such subscription any more: {failure}"
        else:
            self.malformed += 1
            if self.malformed > _MOST_MALFORMED:
                self._over = str(failure)

    async def _follow(self, message: Message, available: set[int]) -> None:
        """Give a message out behind those before it; what was given out already is dropped."""
        ahead = (message.number - self._expected) % _LAST_NUMBER
        if ahead >= _LAST_NUMBER // 2:
            if not message.keeps_alive:
                self._acknowledge.append(message.number)
            return
        lost = await self._ask_again(ahead, available) if ahead else 0
        self._expected = message.number
        self._give_out(message, lost)

    def _give_out(self, message: Message, lost: int = 0, *, again: bool = False) -> None:
        if not message.keeps_alive:
            self._acknowledge.append(message.number)
            self._expected = 1 if message.number == _LAST_NUMBER else message.number + 1
            self.malformed = 0
        self._ready.append(Delivery(message.changes, lost, again, message.events))
        if message.status is not None:
            self._over = f"the server ended the subscription: {status_name(message.status)}"

    async def _ask_again(self, count: int, available: set[int]) -> int:
        """Give out the messages that were skipped; return how many the server has no more.

        Those are still expected until a message after them is given out: a link that breaks meanwhile must not hide them.
        """
        lost = max(0, count - _MOST_ASKED_AGAIN)
        number = (self._expected - 1 + lost) % _LAST_NUMBER
        for _ in range(count - lost):
            number = number % _LAST_NUMBER + 1
            message = await self._republish(number)
            if message is None or message.number != number or message.keeps_alive:
                available.discard(number)
                lost += 1
                continue
            self.republished += 1
            self._give_out(message, lost, again=True)
            lost = 0
        return lost

    async def _republish(self, number: int) -> Message | None:
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = ua.UInt32(self.id)
        request.Parameters.RetransmitSequenceNumber = ua.UInt32(number)
        try:
            reply, body = await self._link.call(request, _encoding("RepublishResponse"))
            return self._decoder.republished(reply, body)
        except ServiceFailed:
            return None
        except Unavailable:
            self._link.check_alive()
            return None

    def stop(self) -> None:
        """Wait for nothing more; what still comes is dropped."""
        socket = self._link.client.uaclient.protocol
        for request_id, future in list(self._waiting.items()):
            if isinstance(socket, Socket):
                socket.abandon(request_id)
            future.cancel()
        for future in (*self._waiting.values(), *self._came):
            if not future.cancelled():
                future.exception()
        self._waiting.clear()
        self._came.clear()
        self._stopped = True

    async def delete(self) -> None:
        """End it at the server, as far as the server listens; never raises."""
        self.stop()
        request = ua.DeleteSubscriptionsRequest()
        request.Parameters.SubscriptionIds = [ua.UInt32(self.id)]
        try:
            async with asyncio.timeout(1.0):
                await self._link.call(request, _encoding("DeleteSubscriptionsResponse"))
        except (Unavailable, TimeoutError):
            return


def _code(result: ua.MonitoredItemCreateResult) -> int:
    return int(result.StatusCode.value)


async def subscribe(link: Link, wish: Wish) -> Subscription:
    """Return a new subscription without items. Raises Unavailable."""
    keep_alive = max(1, math.ceil(_KEEP_ALIVE_SECONDS * 1000 / wish.publishing_ms))
    lifetime = max(3 * keep_alive, math.ceil((wish.outage_seconds + 10) * 1000 / wish.publishing_ms))
    request = ua.CreateSubscriptionRequest()
    request.Parameters.RequestedPublishingInterval = wish.publishing_ms
    request.Parameters.RequestedLifetimeCount = ua.UInt32(lifetime)
    request.Parameters.RequestedMaxKeepAliveCount = ua.UInt32(keep_alive)
    request.Parameters.MaxNotificationsPerPublish = ua.UInt32(_MOST_AT_ONCE)
    request.Parameters.PublishingEnabled = True
    response = await link.ask(request, ua.CreateSubscriptionResponse, _encoding("CreateSubscriptionResponse"))
    given = response.Parameters
    granted = Granted(float(given.RevisedPublishingInterval), int(given.RevisedMaxKeepAliveCount), int(given.RevisedLifetimeCount))
    subscription = Subscription(link, wish, int(given.SubscriptionId), granted)
    subscription.server_started = await _started(link)
    return subscription


async def _started(link: Link) -> int:
    answer = (await link.read_attributes([(_START_TIME, AttributeIds.Value)]))[0]
    return answer.value if isinstance(answer.value, int) and not answer.is_bad else 0


async def take_over(link: Link, before: Handover) -> Subscription | None:
    """Return the subscription of an earlier session, with what waited for us meanwhile; None where the server does not hand it over.

    Nor is it asked to when it was started anew: the same number may be another client's subscription then. Raises Unavailable when
    the session is lost.
    """
    if not before.server_started or await _started(link) != before.server_started:
        return None
    request = ua.TransferSubscriptionsRequest()
    request.Parameters.SubscriptionIds = [ua.UInt32(before.id)]
    request.Parameters.SendInitialValues = False
    try:
        response = await link.ask(request, ua.TransferSubscriptionsResponse, _encoding("TransferSubscriptionsResponse"))
    except Unavailable:
        link.check_alive()
        return None
    results = response.Parameters.Results if hasattr(response.Parameters, "Results") else response.Parameters
    if not results or int(results[0].StatusCode.value) >= 0x80000000:
        return None
    taken = Subscription(link, before.wish, before.id, before.granted)
    taken.server_started = before.server_started
    taken._items = dict(before.items)  # noqa: SLF001 - the same class
    taken._expected = before.expected  # noqa: SLF001
    kept = set(results[0].AvailableSequenceNumbers or [])
    count = 0
    while (before.expected - 1 + count) % _LAST_NUMBER + 1 in kept:
        count += 1
    await taken._ask_again(count, kept)  # noqa: SLF001
    return taken
