from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Hashable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from plant.signals import DataType
from plant.status import OVERFLOW_BIT
from simulators.feed import Scan, Variable
from simulators.fleet import Fleet
from simulators.machines.robot import ROBOT
from simulators.opcua_encoding import ReadEncoder, read_response
from simulators.plant_feed import PlantFeed
from simulators.protection import USER, ensure_protection
from tests.simulators.conftest import FAST, NAMESPACE, SMALL, CountingFeed, connected, serving


async def _nodes(client: Client, count: int) -> list[Any]:
    index = await client.get_namespace_index(NAMESPACE)
    return [client.get_node(ua.NodeId(f"cell/machine/v{n}", index)) for n in range(count)]  # type: ignore[arg-type]


async def _read(client: Client, nodes: list[Any], times: ua.TimestampsToReturn = ua.TimestampsToReturn.Both) -> list[Any]:
    wanted = [ua.ReadValueId(NodeId=node.nodeid, AttributeId=AttributeIds.Value) for node in nodes]
    values: list[Any] = await client.uaclient.read(ua.ReadParameters(NodesToRead=wanted, TimestampsToReturn=times))
    return values


async def test_a_batched_read_never_mixes_two_scans_and_carries_the_times_of_its_scan() -> None:
    async with serving(CountingFeed(40, scan_us=2_000)) as server, connected(server) as client:
        nodes = await _nodes(client, 40)
        seen = set()
        for _ in range(150):
            values = await _read(client, nodes)
            numbers = {value.Value.Value for value in values}
            assert len(numbers) == 1
            (number,) = numbers
            times = {value.SourceTimestamp for value in values} | {value.ServerTimestamp for value in values}
            assert {round(time.timestamp() * 1e6) for time in times} == {round(number * 2_000)}
            seen.add(number)
        assert len(seen) > 20


async def test_two_reads_within_one_scan_give_the_same_source_time() -> None:
    async with serving(CountingFeed(3, scan_us=3_600_000_000)) as server, connected(server) as client:
        nodes = await _nodes(client, 3)
        first = await _read(client, nodes)
        second = await _read(client, nodes)
        assert [value.SourceTimestamp for value in first] == [value.SourceTimestamp for value in second]


async def test_only_the_timestamps_asked_for_are_returned() -> None:
    async with serving(CountingFeed(1)) as server, connected(server) as client:
        nodes = await _nodes(client, 1)
        for times, source, there in [
            (ua.TimestampsToReturn.Source, True, False),
            (ua.TimestampsToReturn.Server, False, True),
            (ua.TimestampsToReturn.Neither, False, False),
            (ua.TimestampsToReturn.Both, True, True),
        ]:
            for _ in range(2):  # the second one comes from the prepared layout
                (value,) = await _read(client, nodes, times)
                assert (value.SourceTimestamp is not None, value.ServerTimestamp is not None) == (source, there)


async def test_a_read_of_more_nodes_than_the_server_offers_is_refused_and_the_limit_is_told() -> None:
    async with serving(CountingFeed(6), limits=SMALL) as server, connected(server) as client:
        nodes = await _nodes(client, 6)
        limit = client.get_node(ua.NodeId(ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead))  # type: ignore[arg-type]
        assert await limit.read_value() == 5
        with pytest.raises(UaStatusCodeError) as refused:
            await _read(client, nodes)
        assert refused.value.code == StatusCodes.BadTooManyOperations
        assert len(await _read(client, nodes[:5])) == 5


async def test_every_built_in_number_text_and_status_is_encoded_as_asyncua_reads_it() -> None:
    types = [data_type for data_type in DataType if data_type not in (DataType.INT64, DataType.UINT64)]
    variables = [Variable(("m",), f"{data_type}-{n}", data_type) for n in range(3) for data_type in types]
    rng = np.random.default_rng(7)
    number = rng.integers(0, 100, len(variables)).astype(float)
    status = np.zeros(len(variables), np.uint32)
    status[3], status[7] = 0x80310000, 0x40900000
    texts = [f"Grüße {n} 焊接" for n in range(3)]
    scan = Scan(1_700_000_000_123_456, 1_700_000_000_200_000, number, texts, status)
    order = rng.permutation(len(variables)).tolist()
    encoder = ReadEncoder(variables, order, with_source=True, with_server=True)
    for _ in range(2):
        buffer = Buffer(read_response(42, 1_700_000_000_300_000, encoder.encode(scan)))
        response = struct_from_binary(ua.ReadResponse, buffer)
        assert len(buffer) == 0
        assert response.ResponseHeader.RequestHandle == 42
        text = dict(zip([p for p, v in enumerate(variables) if v.data_type.is_text], texts, strict=True))
        for place, value in zip(order, response.Results, strict=True):
            assert value.StatusCode.value == status[place]
            assert round(value.SourceTimestamp.timestamp() * 1e6) == scan.source_us
            if place == 3:
                assert value.Value is None or value.Value.Value is None
            else:
                expected = text.get(place, bool(number[place]) if variables[place].data_type is DataType.BOOLEAN else number[place])
                assert value.Value.Value == expected
        scan = Scan(scan.source_us + 1, scan.server_us, number, texts, status)


def test_doubles_are_encoded_bit_for_bit() -> None:
    hard = np.array([0.1, -0.0, 5e-324, 1.7976931348623157e308, np.nan, np.inf, 198.0, -1.42e-06])
    variables = [Variable((), f"v{n}", DataType.DOUBLE) for n in range(len(hard))]
    encoder = ReadEncoder(variables, range(len(hard)), with_source=False, with_server=False)
    encoded = encoder.encode(Scan(0, 0, hard, (), np.zeros(len(hard), np.uint32)))
    assert encoded[4:] == b"".join(b"\x01\x0b" + struct.pack("<d", value) for value in hard)


class _Changes:
    def __init__(self) -> None:
        self.values: list[Any] = []

    def datachange_notification(self, _node: Any, _value: Any, data: Any) -> None:
        self.values.append(data.monitored_item.Value)


async def _monitored(client: Client, node: Any, publishing_ms: float, sampling_ms: float, queue: int, count: int) -> tuple[Any, list[Any]]:
    """What was granted, and so many values or more."""
    handler = _Changes()
    params = ua.CreateSubscriptionParameters(publishing_ms, 3000, 10000, 0, True, 0)
    subscription = await client.create_subscription(params, handler)
    asked = ua.MonitoringParameters(1, sampling_ms, None, queue, True)
    asked.Filter = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValueTimestamp, 0, 0.0)
    wanted = ua.ReadValueId(NodeId=node.nodeid, AttributeId=AttributeIds.Value)
    granted: list[Any] = []
    create = subscription.server.create_monitored_items

    async def remembered(params: Any) -> Any:
        granted.extend(results := await create(params))
        return results

    subscription.server.create_monitored_items = remembered  # type: ignore[method-assign]
    request = ua.MonitoredItemCreateRequest(wanted, ua.MonitoringMode.Reporting, asked)
    await subscription.create_monitored_items([request])
    async with asyncio.timeout(60):
        while len(handler.values) < count:  # noqa: ASYNC110 - they come by a callback
            await asyncio.sleep(0.02)
    await subscription.delete()
    return granted[0], handler.values


async def test_a_queue_that_overflows_keeps_the_newest_and_marks_the_oldest_kept() -> None:
    async with serving(CountingFeed(1, scan_us=10_000), limits=FAST) as server, connected(server) as client:
        (node,) = await _nodes(client, 1)
        granted, values = await _monitored(client, node, publishing_ms=500, sampling_ms=10, queue=4, count=9)
        assert (granted.RevisedSamplingInterval, granted.RevisedQueueSize) == (10.0, 4)
        later = values[1:9]
        marked = [bool(value.StatusCode.value & OVERFLOW_BIT) for value in later]
        assert marked == [True, False, False, False] * 2
        numbers = [value.Value.Value for value in later]
        assert np.diff(numbers).tolist()[:3] == [1, 1, 1]
        assert numbers[4] - numbers[3] > 20
        assert all(value.StatusCode.is_good() for value in later)


async def test_a_queue_large_enough_loses_nothing_and_a_queue_of_one_is_never_marked() -> None:
    async with serving(CountingFeed(1, scan_us=10_000), limits=FAST) as server, connected(server) as client:
        (node,) = await _nodes(client, 1)
        granted, values = await _monitored(client, node, publishing_ms=50, sampling_ms=10, queue=800, count=60)
        assert granted.RevisedQueueSize == 800
        assert set(np.diff([value.Value.Value for value in values])) == {1.0}
    async with serving(CountingFeed(1, scan_us=10_000), limits=FAST) as server, connected(server) as client:
        (node,) = await _nodes(client, 1)
        granted, values = await _monitored(client, node, publishing_ms=200, sampling_ms=10, queue=0, count=4)
        assert granted.RevisedQueueSize == 1
        assert np.median(np.diff([value.Value.Value for value in values])) > 10, "most are lost between two publishings"
        assert not any(value.StatusCode.value for value in values)


class _SlowFeed(CountingFeed):
    """A device on a busy machine: each of its answers takes a tenth of a second."""

    def read(self, now_us: int, reader: Hashable, positions: frozenset[int]) -> Scan:
        time.sleep(0.1)
        return super().read(now_us, reader, positions)


async def test_items_whose_creation_takes_long_get_no_scan_twice() -> None:
    async with serving(_SlowFeed(3, scan_us=10_000), limits=FAST) as server, connected(server) as client:
        nodes = await _nodes(client, 3)
        seen: dict[str, list[float]] = {}
        handler = SimpleNamespace(datachange_notification=lambda node, value, _data: seen.setdefault(str(node), []).append(value))
        subscription = await client.create_subscription(50, handler)
        await subscription.subscribe_data_change(nodes, queuesize=800, sampling_interval=ua.Double(10))
        async with asyncio.timeout(60):
            while len(seen) < 3 or min(map(len, seen.values())) < 30:  # noqa: ASYNC110 - they come by a callback
                await asyncio.sleep(0.02)
        await subscription.delete()
    assert {step for values in seen.values() for step in np.diff(values).tolist()} == {1.0}


async def test_the_sampling_interval_is_granted_in_whole_scans_and_kept() -> None:
    async with serving(CountingFeed(1, scan_us=10_000), limits=FAST) as server, connected(server) as client:
        (node,) = await _nodes(client, 1)
        granted, values = await _monitored(client, node, publishing_ms=20, sampling_ms=35, queue=20, count=15)
        assert granted.RevisedSamplingInterval == 40.0
        assert set(np.diff([value.Value.Value for value in values[1:]])) == {4.0}
    async with serving(CountingFeed(1), limits=SMALL) as server, connected(server) as client:
        (node,) = await _nodes(client, 1)
        granted, _ = await _monitored(client, node, publishing_ms=20, sampling_ms=1, queue=20, count=0)
        assert (granted.RevisedSamplingInterval, granted.RevisedQueueSize) == (30.0, 10)


async def test_faults_are_seen_by_a_client() -> None:
    async with serving(CountingFeed(3, scan_us=5_000)) as server, connected(server) as client:
        nodes = await _nodes(client, 3)
        server.nodes.bad["cell/machine/v1"] = 0x80050000
        for _ in range(3):
            values = await _read(client, nodes)
            assert [value.StatusCode.value for value in values] == [0, 0x80050000, 0]
            assert values[1].Value is None or values[1].Value.Value is None
        server.nodes.bad.clear()
        server.nodes.frozen = True
        first = await _read(client, nodes)
        await asyncio.sleep(0.02)
        assert (await _read(client, nodes))[0].SourceTimestamp == first[0].SourceTimestamp
        server.nodes.frozen = False
        assert (await _read(client, nodes))[0].SourceTimestamp > first[0].SourceTimestamp
        server.nodes.retype("cell/machine/v1", DataType.STRING)
        for _ in range(2):
            values = await _read(client, nodes)
            assert [value.Value.VariantType for value in values] == [ua.VariantType.Double, ua.VariantType.String, ua.VariantType.Double]
            assert values[1].Value.Value == str(values[0].Value.Value)
        assert await nodes[1].read_data_type_as_variant_type() is ua.VariantType.String
        server.nodes.retype("cell/machine/v1", DataType.FLOAT)
        assert (await _read(client, nodes))[1].Value.VariantType is ua.VariantType.Float
        await server.remove("cell/machine/v2")
        values = await _read(client, nodes)
        assert [value.StatusCode.value for value in values] == [0, 0, StatusCodes.BadNodeIdUnknown]
        server.nodes.silent = True
        with pytest.raises((TimeoutError, UaError)):
            await asyncio.wait_for(_read(client, nodes), 0.3)
        server.nodes.silent = False


async def test_the_order_of_namespaces_can_be_swapped() -> None:
    async with serving(CountingFeed(1), namespaces=["urn:other", NAMESPACE]) as server, connected(server) as client:
        assert (await client.get_namespace_array())[2:] == ["urn:other", NAMESPACE]
        (node,) = await _nodes(client, 1)
        assert node.nodeid.NamespaceIndex == 3
        assert (await node.read_value()) > 0


async def test_without_insecure_only_named_users_over_an_encrypted_channel_are_let_in(tmp_path: Path) -> None:
    protection, password_file = await ensure_protection(tmp_path / "server")
    assert password_file.stat().st_mode & 0o777 == 0o600
    mine, _ = await ensure_protection(tmp_path / "client")
    async with serving(CountingFeed(2), protection=protection) as server:
        plain = Client(server.url, timeout=3)
        with pytest.raises((UaError, ConnectionError, asyncio.TimeoutError)):
            await plain.connect()
        for password, welcome in (("wrong", False), (password_file.read_text().strip(), True)):
            client = Client(server.url, timeout=30)
            client.application_uri = "urn:leadhand:simulator"
            await client.set_security(
                SecurityPolicyBasic256Sha256, str(mine.certificate), str(mine.private_key), server_certificate=str(protection.certificate)
            )
            client.set_user(USER)
            client.set_password(password)
            if not welcome:
                with pytest.raises((UaError, ConnectionError)):
                    await client.connect()
                continue
            async with client:
                for _ in range(3):
                    assert len(await _read(client, await _nodes(client, 2))) == 2


async def test_a_server_without_security_refuses_to_listen_beyond_this_machine() -> None:
    with pytest.raises(ValueError, match="loopback"):
        async with serving(CountingFeed(1), host="0.0.0.0"):  # noqa: S104
            pass


async def test_units_and_ranges_can_be_discovered() -> None:
    async with serving(PlantFeed([Fleet(ROBOT, ("welding/line/robot-1",), 1, 60.0)])) as server, connected(server) as client:
        index = await client.get_namespace_index(NAMESPACE)
        node = client.get_node(ua.NodeId("welding/line/robot-1/current", index))  # type: ignore[arg-type]
        properties: dict[Any, Any] = {(await p.read_browse_name()).Name: await p.read_value() for p in await node.get_properties()}
        assert properties["EngineeringUnits"].DisplayName.Text == "A"
        assert (properties["EURange"].Low, properties["EURange"].High) == (0, 450)


def test_a_port_that_is_taken_is_said_so() -> None:
    async def run() -> None:
        async with serving(CountingFeed(1)) as server:
            with pytest.raises(Exception, match="another port"):
                async with serving(CountingFeed(1), port=server.port):
                    pass

    asyncio.run(run())
