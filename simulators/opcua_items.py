"""Monitored items as a controller has them: their own sampling interval, and a queue that overflows and says so.

asyncua's server hands each write to each item at once, takes queue size 0 as endless and never sets the Overflow bit; samples would
never be lost there, and a client that loses them on real controllers would pass its tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from plant.status import OVERFLOW_BIT
from simulators.device_limits import DeviceLimits
from simulators.feed import Scan
from simulators.opcua_values import DeviceNodes, status_code

_DATA_VALUE_INFO = 0x00000400
"""InfoType DataValue: the info bits, Overflow among them, mean something (OPC 10000-4, 7.39)."""


class DeviceSubscriptions(SubscriptionService):
    """asyncua's subscriptions, with our monitored items for the nodes of the device."""

    def __init__(self, aspace: Any, server: Any, nodes: DeviceNodes, limits: DeviceLimits) -> None:
        super().__init__(aspace, server)
        self._device = nodes
        self._limits = limits

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """Return the created subscription; its publishing interval is no shorter than the device can do."""
        params.RequestedPublishingInterval = max(params.RequestedPublishingInterval, self._limits.min_publishing_ms)
        result = await super().create_subscription(params, self._faulty(callback), session_id, request_callback)
        subscription = self.subscriptions[result.SubscriptionId]
        subscription.monitored_item_srv = _Items(subscription, self.aspace, self._device, self._limits)
        return result

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        """Return a message once more. Raises ServiceError where it is not kept: asyncua answers with an empty message then."""
        subscription = self.subscriptions.get(params.SubscriptionId)
        if subscription is None:
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
        message = subscription.republish(params.RetransmitSequenceNumber)
        if self._device.refuses_republish or not message.NotificationData:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        return message

    async def transfer_subscriptions(
        self, params: ua.TransferSubscriptionsParameters, session_id: ua.NodeId, callback: Callable[..., Any]
    ) -> list[ua.TransferResult]:
        """Hand subscriptions to another session; asyncua would go on to wait for PublishRequests of the old one."""
        if self._device.refuses_transfer:
            raise ServiceError(StatusCodes.BadServiceUnsupported)
        results = await super().transfer_subscriptions(params, session_id, self._faulty(callback))
        for number in params.SubscriptionIds:
            if number in self.subscriptions:
                self.subscriptions[number].pub_request_callback = callback.__self__.get_publish_request  # type: ignore[attr-defined]
        return results

    def _faulty(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Return what sends a PublishResponse, unless a fault is switched on."""

        async def send(result: ua.PublishResult, *request: Any) -> None:
            device = self._device
            told = bool(result.NotificationMessage.NotificationData)
            if device.publishes_nothing or (told and device.messages_to_lose > 0):
                device.messages_to_lose -= told
                return
            await callback(result, *request)

        return send

    async def end_all(self, status: int) -> None:
        """Tell all subscriptions' clients that they are over."""
        for subscription in list(self.subscriptions.values()):
            await subscription.enqueue_statuschange(status_code(status))
            subscription._startup = True  # noqa: SLF001  # it publishes next time though no value changed

    def forget_items(self, count: int) -> None:
        """Lose some monitored items of each subscription, as controllers do after a download."""
        for subscription in self.subscriptions.values():
            items = subscription.monitored_item_srv
            if isinstance(items, _Items):
                items.forget(count)


@dataclass(slots=True, eq=False)
class _Item:
    """One monitored item on a node of the device."""

    id: int
    position: int
    handle: int
    interval_us: int
    queue_size: int
    discard_oldest: bool
    mode: ua.MonitoringMode
    with_time: bool
    """Whether a new source time alone is a change."""
    deadband: float
    times: ua.TimestampsToReturn
    first_us: int | None
    """The scan that its first value is of, until a later one came: those before are not its own, however long its creation took."""
    last: ua.DataValue | None = None


class _Items(MonitoredItemService):
    def __init__(self, subscription: InternalSubscription, aspace: Any, nodes: DeviceNodes, limits: DeviceLimits) -> None:
        super().__init__(subscription, aspace)
        self._device = nodes
        self._limits = limits
        self._items: dict[int, _Item] = {}
        self._sampler: asyncio.Task[None] | None = None

    async def create_monitored_items(self, params: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        if len(params.ItemsToCreate) > self._limits.max_monitored_items_per_call:
            raise ServiceError(StatusCodes.BadTooManyOperations)
        results = []
        # before the first value of each is taken: a scan that passes meanwhile is sampled too
        begun_us = self._device.clock.now_us()
        for wanted in params.ItemsToCreate:
            position = self._device.position(wanted.ItemToMonitor.NodeId)
            if position is None or wanted.ItemToMonitor.AttributeId != AttributeIds.Value:
                one = ua.CreateMonitoredItemsParameters(params.SubscriptionId, params.TimestampsToReturn, [wanted])
                results += await super().create_monitored_items(one)
            else:
                results.append(self._create(wanted, position, params.TimestampsToReturn))
        if self._items and self._sampler is None:
            self._sampler = asyncio.create_task(self._sample_forever(begun_us))
        return results

    def _create(self, wanted: ua.MonitoredItemCreateRequest, position: int, times: ua.TimestampsToReturn) -> ua.MonitoredItemCreateResult:
        asked = wanted.RequestedParameters
        self._monitored_item_counter += 1
        with_time, deadband = _filter(asked.Filter)
        first = self._device.scan("items", frozenset())
        item = _Item(
            self._monitored_item_counter,
            position,
            asked.ClientHandle,
            self._revised_interval_us(asked.SamplingInterval),
            self._revised_queue(asked.QueueSize),
            bool(asked.DiscardOldest),
            wanted.MonitoringMode,
            with_time,
            deadband,
            times,
            first.source_us,
        )
        self._items[item.id] = item
        self._take(item, first)
        return ua.MonitoredItemCreateResult(
            MonitoredItemId=item.id, RevisedSamplingInterval=item.interval_us / 1000, RevisedQueueSize=item.queue_size
        )

    def modify_monitored_items(self, params: ua.ModifyMonitoredItemsParameters) -> list[ua.MonitoredItemModifyResult]:
        results = []
        for wanted in params.ItemsToModify:
            item = self._items.get(wanted.MonitoredItemId)
            if item is None:
                results.append(ua.MonitoredItemModifyResult(StatusCode=status_code(StatusCodes.BadMonitoredItemIdInvalid)))
                continue
            asked = wanted.RequestedParameters
            item.handle = asked.ClientHandle
            item.interval_us = self._revised_interval_us(asked.SamplingInterval)
            item.queue_size = self._revised_queue(asked.QueueSize)
            item.with_time, item.deadband = _filter(asked.Filter)
            results.append(ua.MonitoredItemModifyResult(RevisedSamplingInterval=item.interval_us / 1000, RevisedQueueSize=item.queue_size))
        return results

    def delete_monitored_items(self, ids: list[int]) -> list[ua.StatusCode]:
        results = []
        for number in ids:
            if self._items.pop(number, None) is None:
                results += super().delete_monitored_items([number])
            else:
                self.isub._triggered_datachanges.pop(number, None)  # noqa: SLF001  # the only way to what waits for publishing
                results.append(ua.StatusCode())
        return results

    def forget(self, count: int) -> None:
        """Lose some items without a word."""
        for number in list(self._items)[:count]:
            del self._items[number]

    def delete_all_monitored_items(self) -> None:
        super().delete_all_monitored_items()
        self._items.clear()
        if self._sampler is not None:
            self._sampler.cancel()
            self._sampler = None

    async def set_monitoring_mode(self, mode: ua.MonitoringMode, ids: list[int]) -> list[ua.StatusCode]:
        results = []
        for number in ids:
            if number in self._items:
                self._items[number].mode = mode
                results.append(ua.StatusCode())
            else:
                results += await super().set_monitoring_mode(mode, [number])
        return results

    def _revised_interval_us(self, asked_ms: float) -> int:
        """Return a whole number of device scans: 0 asks for the fastest, below 0 for the publishing interval (OPC 10000-4, 7.21)."""
        if math.isnan(asked_ms) or asked_ms < 0:
            asked_ms = self.isub.data.RevisedPublishingInterval
        scan_us = self._device.feed.scan_us
        fastest = max(self._limits.min_sampling_us, scan_us)
        return max(fastest, math.ceil(round(asked_ms * 1000) / scan_us) * scan_us)

    def _revised_queue(self, asked: int) -> int:
        return min(max(int(asked), 1), self._limits.max_queue_size)

    async def _sample_forever(self, done_us: int) -> None:
        """Take the samples of all items after ``done_us``, each at the multiples of its interval; scans that passed are not skipped."""
        device = self._device
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                scan_us = device.feed.scan_us
                now_us = device.clock.now_us()
                await asyncio.sleep(((now_us // scan_us + 1) * scan_us - now_us) / 1e6)
                now_us = device.clock.now_us()
                if not device.frozen and not device.silent:
                    for scan in device.feed.scans(done_us, now_us):
                        self._sample(device.as_shown(scan))
                done_us = now_us

    def _sample(self, scan: Scan) -> None:
        scan_us = self._device.feed.scan_us
        number = scan.source_us // scan_us
        for item in self._items.values():
            if item.first_us is not None and scan.source_us <= item.first_us:
                continue
            item.first_us = None
            if number % (item.interval_us // scan_us) == 0:
                self._take(item, scan)

    def _take(self, item: _Item, scan: Scan) -> None:
        if item.mode == ua.MonitoringMode.Disabled:
            return
        value = self._device.value(scan, item.position, ua.TimestampsToReturn.Both)
        if item.last is not None and not _changed(item, item.last, value):
            return
        item.last = value
        if item.mode == ua.MonitoringMode.Reporting:
            self._queue(item, self._device.value(scan, item.position, item.times))

    def _queue(self, item: _Item, value: ua.DataValue) -> None:
        queue = self.isub._triggered_datachanges.setdefault(item.id, [])  # noqa: SLF001  # what the next publishing takes along
        notification = ua.MonitoredItemNotification(ClientHandle=item.handle, Value=value)
        if len(queue) < item.queue_size:
            queue.append(notification)
            return
        if item.queue_size == 1:
            queue[:] = [notification]  # a queue of one is a buffer and never overflows (OPC 10000-4, 5.13.1.5)
        elif item.discard_oldest:
            queue.pop(0)
            queue.append(notification)
            queue[0] = _overflowed(queue[0])
        else:
            queue[-1] = _overflowed(notification)


def _overflowed(notification: ua.MonitoredItemNotification) -> ua.MonitoredItemNotification:
    status = notification.Value.StatusCode
    code = (0 if status is None else status.value) | _DATA_VALUE_INFO | OVERFLOW_BIT
    return ua.MonitoredItemNotification(
        ClientHandle=notification.ClientHandle, Value=dataclasses.replace(notification.Value, StatusCode=status_code(code))
    )


def _changed(item: _Item, old: ua.DataValue, new: ua.DataValue) -> bool:
    if old.StatusCode != new.StatusCode:
        return True
    if item.with_time and old.SourceTimestamp != new.SourceTimestamp:
        return True
    before = None if old.Value is None else old.Value.Value
    after = None if new.Value is None else new.Value.Value
    if item.deadband and isinstance(before, int | float) and isinstance(after, int | float):
        return abs(after - before) > item.deadband
    return bool(before != after)


def _filter(wanted: Any) -> tuple[bool, float]:
    """Return whether a new source time is a change, and the absolute deadband."""
    if not isinstance(wanted, ua.DataChangeFilter):
        return False, 0.0
    deadband = wanted.DeadbandValue if wanted.DeadbandType == ua.DeadbandType.Absolute else 0.0
    return wanted.Trigger == ua.DataChangeTrigger.StatusValueTimestamp, float(deadband)
