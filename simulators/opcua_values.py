"""The nodes of a simulated device and how they are read, with the faults that tests switch on."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

from plant.clock import Clock
from plant.signals import DataType
from plant.status import BAD, SEVERITY_MASK
from simulators.feed import Feed, Scan, Variable, texts_of
from simulators.opcua_encoding import VARIANT, ReadEncoder

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WITH_SOURCE = (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
_WITH_SERVER = (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)


class DeviceNodes:
    """The variables of a feed as nodes. Faults (``silent``, ``frozen``, ``bad`` and others) may be set at any time."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self.feed = feed
        self.clock = clock
        self.silent = False
        """Requests stay unanswered; the connection stays open."""
        self.publishes_nothing = False
        """Subscriptions say nothing, not even that they live; everything else is answered."""
        self.messages_to_lose = 0
        """So many of the next messages with changes do not reach the client."""
        self.refuses_republish = False
        self.refuses_transfer = False
        self.bad: dict[str, int] = {}
        """StatusCode by identifier of the variables that are not well."""
        self.generation = 0
        """Rises when what a node is has changed, so that remembered requests are looked at anew."""
        self._variables = list(feed.variables)
        self._frozen: Scan | None = None
        self._ids: dict[ua.NodeId, int] = {}
        self._aspace: Any = None
        self._text_number = {position: number for number, position in enumerate(texts_of(feed.variables))}
        self._own_texts = texts_of(feed.variables)
        self._spoiled: tuple[Scan, tuple[tuple[str, int], ...], Scan] | None = None

    @property
    def frozen(self) -> bool:
        """Whether values and times stand still."""
        return self._frozen is not None

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._frozen = self.feed.read(self.clock.now_us(), "frozen", frozenset()) if frozen else None
        self.feed.forget("frozen")

    def position(self, node: ua.NodeId) -> int | None:
        """Return which variable a node is, or None."""
        return self._ids.get(node)

    def scan(self, reader: Hashable, positions: frozenset[int]) -> Scan:
        """Return the scan that answers one Read as a whole."""
        return self.as_shown(self._frozen or self.feed.read(self.clock.now_us(), reader, positions))

    def as_shown(self, scan: Scan) -> Scan:
        """Return a scan with the statuses of ``bad`` and the texts of numbers that became text."""
        if not self.bad and len(self._own_texts) == len(self._text_number):
            return scan
        bad = tuple(self.bad.items())
        if self._spoiled is None or self._spoiled[0] is not scan or self._spoiled[1] != bad:
            status = scan.status.copy()
            for position, variable in enumerate(self.feed.variables):
                if variable.identifier in self.bad:
                    status[position] = self.bad[variable.identifier]
            told = dict(zip(self._own_texts, scan.text, strict=True))
            text = [told.get(position, str(scan.number[position])) for position in self._text_number]
            self._spoiled = (scan, bad, dataclasses.replace(scan, status=status, text=text))
        return self._spoiled[2]

    def retype(self, identifier: str, data_type: DataType) -> None:
        """Let a number have another type from now on, as after a change of the controller's program; a number may become text."""
        for node, position in self._ids.items():
            variable = self._variables[position]
            if variable.identifier == identifier:
                self._variables[position] = dataclasses.replace(variable, data_type=data_type)
                said = ua.DataValue(ua.Variant(node_id(VARIANT[data_type][0])))
                self._aspace[node].attributes[AttributeIds.DataType].value = said
        self._text_number = {position: number for number, position in enumerate(texts_of(self._variables))}
        self._spoiled = None
        self.generation += 1

    def encoder(self, params: ua.ReadParameters) -> ReadEncoder | None:
        """Return what encodes the answer, or None where the request asks for more than values of these nodes."""
        nodes = []
        for wanted in params.NodesToRead:
            position = self._ids.get(wanted.NodeId)
            if position is None or wanted.AttributeId != AttributeIds.Value or wanted.IndexRange:
                return None
            nodes.append(position)
        times = params.TimestampsToReturn
        return ReadEncoder(self._variables, nodes, with_source=times in _WITH_SOURCE, with_server=times in _WITH_SERVER)

    def read(self, params: ua.ReadParameters, reader: Hashable) -> list[ua.DataValue]:
        """Return the answer to any Read as asyncua's objects: all values of these nodes from one scan."""
        places = [self._ids.get(w.NodeId) if w.AttributeId == AttributeIds.Value else None for w in params.NodesToRead]
        positions = frozenset(place for place in places if place is not None)
        scan = self.scan(reader, positions) if positions else None
        return [
            self._aspace.read_attribute_value(wanted.NodeId, wanted.AttributeId)
            if place is None or scan is None
            else self.value(scan, place, params.TimestampsToReturn)
            for wanted, place in zip(params.NodesToRead, places, strict=True)
        ]

    def value(self, scan: Scan, position: int, times: ua.TimestampsToReturn) -> ua.DataValue:
        """Return one value of a scan as asyncua's object."""
        code = int(scan.status[position])
        return ua.DataValue(
            Value=None if code & SEVERITY_MASK == BAD else self._variant(scan, position),
            StatusCode=status_code(code),
            SourceTimestamp=time_of(scan.source_us) if times in _WITH_SOURCE else None,
            ServerTimestamp=time_of(scan.server_us) if times in _WITH_SERVER else None,
        )

    def _variant(self, scan: Scan, position: int) -> ua.Variant:
        data_type = self._variables[position].data_type
        variant_type = ua.VariantType(VARIANT[data_type][0])
        if data_type.is_text:
            return ua.Variant(scan.text[self._text_number[position]], variant_type)
        number = np.float64(scan.number[position]).astype(VARIANT[data_type][1])
        return ua.Variant(bool(number) if data_type is DataType.BOOLEAN else number.item(), variant_type)

    async def add_to(self, server: Server, namespace: int) -> None:
        """Put folders and variables into the address space, with units and ranges where they are known."""
        self._aspace = server.iserver.aspace
        folders: dict[tuple[str, ...], Any] = {(): server.nodes.objects}
        for position, variable in enumerate(self.feed.variables):
            for depth in range(1, len(variable.folders) + 1):
                path = variable.folders[:depth]
                if path not in folders:
                    folders[path] = await folders[path[:-1]].add_folder(
                        node_id("/".join(path), namespace), ua.QualifiedName(path[-1], namespace)
                    )
            node = node_id(variable.identifier, namespace)
            await _add(folders[variable.folders], variable, node, namespace)
            self._ids[node] = position

    async def remove(self, server: Server, identifier: str) -> None:
        """Take a node away; who reads it is told that it is unknown."""
        for node, position in list(self._ids.items()):
            if self.feed.variables[position].identifier == identifier:
                del self._ids[node]
                self.generation += 1
                await server.delete_nodes([server.get_node(node)])


async def _add(folder: Any, variable: Variable, node: ua.NodeId, namespace: int) -> None:
    type_id = ua.VariantType(VARIANT[variable.data_type][0])
    start: Any = "" if variable.data_type.is_text else variable.data_type is not DataType.BOOLEAN and 0
    added = await folder.add_variable(node, ua.QualifiedName(variable.name, namespace), start, type_id)
    if variable.description:
        await added.write_attribute(AttributeIds.Description, ua.DataValue(ua.Variant(ua.LocalizedText(variable.description))))
    if variable.unit:
        await added.add_property(
            0,
            "EngineeringUnits",
            ua.EUInformation(
                NamespaceUri="http://unitsofmeasure.org",
                UnitId=-1,
                DisplayName=ua.LocalizedText(variable.unit),
                Description=ua.LocalizedText(variable.unit),
            ),
        )
    if variable.range is not None:
        await added.add_property(0, "EURange", ua.Range(Low=variable.range.low, High=variable.range.high))


def time_of(time_us: int) -> Any:
    """Return a time as asyncua wants it."""
    return _EPOCH + timedelta(microseconds=time_us)


def node_id(identifier: int | str, namespace: int = 0) -> ua.NodeId:
    """Return a NodeId with a number or a text in it."""
    return ua.NodeId(identifier, namespace)  # type: ignore[arg-type]  # asyncua's own names for int and str


def status_code(code: int) -> ua.StatusCode:
    """Return a StatusCode as asyncua's object."""
    return ua.StatusCode(code)  # type: ignore[arg-type]  # asyncua's own name for int
