"""How a signal's settings name a node of an OPC UA server, and what that is on a server whose namespaces are known.

``nsu=<uri>;s=...`` (also ``i=``, ``g=``, ``b=``), ``ns=0;i=...``, or a browse path from the root
``/Objects/nsu=<uri>:Line1/nsu=<uri>:Robot3``. In a path's names ``/``, ``:`` and ``&`` are written with ``&`` before them.
A namespace is named by its URI because its index may be another one after a restart of the server, and the same node id then is
another machine's.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

_NODE_ID: Final = re.compile(r"(?:nsu=(?P<uri>.*?);|ns=(?P<index>\d+);)?(?P<kind>[isgb])=(?P<identifier>.+)", re.DOTALL)
_INDEXED: Final = re.compile(r"(\d+):")
_EXAMPLES: Final = "write 'nsu=<uri>;s=<name>', 'nsu=<uri>;i=<number>', 'ns=0;i=<number>' or '/Objects/nsu=<uri>:<name>/...'"


class AddressProblem(Exception):
    """An address that names nothing on this server."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Named:
    """What an address names: a node id or a path of browse names from the root, and what a person should know about it."""

    node_id: ua.NodeId | None
    path: tuple[ua.QualifiedName, ...]
    warning: str | None


def named_by(address: str, namespaces: Sequence[str]) -> Named:
    """Return what an address names on a server with these namespaces. Raises AddressProblem."""
    if address.startswith("/"):
        path, by_index = _path(address, namespaces)
        return Named(None, path, _warning(address) if by_index else None)
    match = _NODE_ID.fullmatch(address)
    if match is None:
        raise AddressProblem(int(StatusCodes.BadNodeIdInvalid), f"'{address}' is no address; {_EXAMPLES}")
    uri, index = match["uri"], int(match["index"] or 0)
    namespace = _index_of(uri, namespaces) if uri is not None else index
    if namespace > 65_535:
        raise AddressProblem(int(StatusCodes.BadNodeIdInvalid), f"'{address}': there are no more than 65535 namespaces")
    node_id = _node_id(address, match["kind"], match["identifier"], namespace)
    return Named(node_id, (), _warning(address) if uri is None and index > 1 else None)


def node_address(node_id: ua.NodeId, namespaces: Sequence[str]) -> str:
    """Return the address of a node, with its namespace's URI."""
    number = node_id.NamespaceIndex
    space = "ns=0" if number == 0 else f"nsu={namespaces[number]}" if 0 < number < len(namespaces) else f"ns={number}"
    identifier = node_id.Identifier
    if isinstance(identifier, int):
        return f"{space};i={identifier}"
    if isinstance(identifier, uuid.UUID):
        return f"{space};g={identifier}"
    if isinstance(identifier, bytes):
        return f"{space};b={base64.b64encode(identifier).decode()}"
    return f"{space};s={identifier}"


def path_address(names: Sequence[ua.QualifiedName], namespaces: Sequence[str]) -> str:
    """Return the browse path of names from the root, with their namespaces' URIs."""
    return "".join(f"/{_segment(name, namespaces)}" for name in names)


def _segment(name: ua.QualifiedName, namespaces: Sequence[str]) -> str:
    text = re.sub(r"([&/:])", r"&\1", name.Name or "")
    number = name.NamespaceIndex
    if number == 0:
        return f"&{text}" if text.startswith("nsu=") else text
    return f"nsu={namespaces[number]}:{text}" if number < len(namespaces) else f"{number}:{text}"


def _path(address: str, namespaces: Sequence[str]) -> tuple[tuple[ua.QualifiedName, ...], bool]:
    names, rest, by_index = [], address, False
    while rest:
        rest = rest[1:]
        namespace = 0
        if rest.startswith("nsu="):
            # URIs hold slashes and colons themselves; the server's own list tells where one ends. The longest that fits is it.
            fitting = [uri for uri in namespaces if uri and rest.startswith(f"nsu={uri}:")]
            if not fitting:
                raise AddressProblem(
                    int(StatusCodes.BadNodeIdUnknown), f"'{address}': the server has no namespace that '{rest[:80]}' begins with"
                )
            uri = max(fitting, key=len)
            namespace, rest = _index_of(uri, namespaces), rest[5 + len(uri) :]
        elif (indexed := _INDEXED.match(rest)) is not None:
            namespace, rest = int(indexed[1]), rest[indexed.end() :]
            by_index = by_index or namespace > 1
        name, rest = _name(rest)
        if not name or namespace > 65_535:
            raise AddressProblem(int(StatusCodes.BadBrowseNameInvalid), f"'{address}': a name in the path is empty; {_EXAMPLES}")
        names.append(ua.QualifiedName(name, namespace))
    return tuple(names), by_index


def _name(rest: str) -> tuple[str, str]:
    """Return a path's next name, its escapes taken out, and what follows it."""
    letters: list[str] = []
    position = 0
    while position < len(rest) and rest[position] != "/":
        if rest[position] == "&":
            position += 1
        letters.append(rest[position : position + 1])
        position += 1
    return "".join(letters), rest[position:]


def _index_of(uri: str, namespaces: Sequence[str]) -> int:
    try:
        return list(namespaces).index(uri)
    except ValueError:
        known = ", ".join(f"'{known}'" for known in namespaces[1:9])
        reason = f"the server has no namespace '{uri}'; it has {known or 'none of its own'}"
        raise AddressProblem(int(StatusCodes.BadNodeIdUnknown), reason) from None


def _node_id(address: str, kind: str, identifier: str, namespace: int) -> ua.NodeId:
    try:
        if kind == "i":
            return ua.NodeId(_uint32(identifier), namespace)  # type: ignore[arg-type]
        if kind == "g":
            return ua.NodeId(uuid.UUID(identifier), namespace)  # type: ignore[arg-type]
        if kind == "b":
            return ua.NodeId(base64.b64decode(identifier, validate=True), namespace)  # type: ignore[arg-type]
    except (ValueError, binascii.Error) as error:
        raise AddressProblem(int(StatusCodes.BadNodeIdInvalid), f"'{address}': {kind}= is malformed: {error}") from error
    return ua.NodeId(identifier, namespace)  # type: ignore[arg-type]


def _uint32(digits: str) -> int:
    number = int(digits)
    if not 0 <= number < 2**32:
        raise ValueError("not within 0 and 2**32")
    return number


def _warning(address: str) -> str:
    return f"'{address}' names a namespace by its index, which may be another machine's after a restart; write nsu=<uri> instead"
