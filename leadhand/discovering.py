"""What ``leadhand discover`` tells: the variables of an OPC UA server as a site file to start from."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from leadhand.home import Home
from plant.errors import Rejected
from protocols.opcua_client import OpcUaEndpoint
from protocols.opcua_discovery import FoundVariable, discover
from protocols.pki import ensure_own_certificate

_APPLICATION_URI = "urn:leadhand:client"
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Access:
    """How a person wants the server to be reached."""

    url: str
    insecure: bool = False
    username: str | None = None
    password_file: Path | None = None
    server_certificate: Path | None = None


def find_variables(access: Access, home: Home, most: int) -> list[FoundVariable]:
    """Return the server's variables. Raises Unavailable or Rejected."""
    logging.getLogger("asyncua").addHandler(logging.NullHandler())  # what goes wrong is told once, as our error
    return asyncio.run(discover(_endpoint(access, home), most))


def _endpoint(access: Access, home: Home) -> OpcUaEndpoint:
    password = None if access.password_file is None else _password(access.password_file)
    if access.insecure:
        return OpcUaEndpoint(access.url, policy="None", mode="None")
    home.create()
    certificate, key = ensure_own_certificate(home.path / "pki" / "own", _APPLICATION_URI)
    return OpcUaEndpoint(
        access.url,
        username=access.username,
        password=password,
        server_certificate=access.server_certificate,
        trust=home.path / "pki" / "trusted",
        own_certificate=certificate,
        own_key=key,
        application_uri=_APPLICATION_URI,
    )


def _password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"the password file {file} cannot be read: {error}") from error


def write(text: str, out: Path) -> None:
    """Write a site file where there is none yet. Raises Rejected."""
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Rejected(f"{out}: exists already; name another file, or remove it first") from error
    except OSError as error:
        raise Rejected(f"{out}: cannot be written: {error.strerror or error}") from error


def proposal(access: Access, variables: Sequence[FoundVariable]) -> str:
    """Return a site file that reads all variables that a signal can be pinned to, one work unit for each folder they stand in."""
    return "\n".join(_lines(access, variables)) + "\n"


def _lines(access: Access, variables: Sequence[FoundVariable]) -> Iterator[str]:
    source = _segment(urlsplit(access.url).hostname or "server")
    usable = [variable for variable in variables if variable.data_type is not None]
    yield f"# Proposed by 'leadhand discover {access.url}': {len(usable)} signals; name enterprise, site and equipment as your plant does."
    if len(usable) < len(variables):
        yield f"# {len(variables) - len(usable)} variables hold arrays, structures or dates and are left out."
    yield from ("", "[site]", 'enterprise = "enterprise"', 'id = "site"', "")
    yield from ("[[sources]]", 'protocol = "opcua"', f"id = {_text(source)}", f"url = {_text(access.url)}", "interval_ms = 30")
    yield from _security(access)
    yield ""
    places = _placed(usable)
    for unit in dict.fromkeys(place for place, _, _ in places):
        yield from ("[[equipment]]", f"path = {_text(unit)}", "")
    for unit, name, variable in places:
        yield from _signal(source, unit, name, variable)


def _security(access: Access) -> Iterator[str]:
    if access.insecure:
        yield from ('security = { policy = "None", mode = "None" }', "allow_insecure = true")
        return
    if access.server_certificate is not None:
        yield f"security = {{ server_certificate = {_text(str(access.server_certificate.absolute()))} }}"
    if access.username is not None and access.password_file is not None:
        yield from (f"username = {_text(access.username)}", f"password_file = {_text(str(access.password_file.absolute()))}")


def _signal(source: str, unit: str, name: str, variable: FoundVariable) -> Iterator[str]:
    yield from ("[[signals]]", f"equipment = {_text(unit)}", f"name = {_text(name)}", f"source = {_text(source)}")
    yield f"address = {_text(variable.address)}"
    yield f'data_type = "{variable.data_type.value if variable.data_type else "double"}"'
    if variable.unit:
        yield f"unit = {_text(variable.unit)}"
    if variable.range is not None and variable.range.low < variable.range.high:
        yield f"range = {{ low = {variable.range.low!r}, high = {variable.range.high!r} }}"
    if variable.description:
        yield f"description = {_text(variable.description)}"
    yield ""


def _placed(variables: Sequence[FoundVariable]) -> list[tuple[str, str, FoundVariable]]:
    """Return unit path, signal name and variable; names that would meet twice are told apart by a number."""
    taken: dict[tuple[str, str], int] = {}
    placed = []
    for variable in variables:
        folders = [_segment(part) for part in variable.folders]
        unit = "/".join(["area", "line", *(["-".join(folders)] if folders else ["machine"])])
        name = _segment(variable.name)
        count = taken[unit, name] = taken.get((unit, name), 0) + 1
        placed.append((unit, name if count == 1 else f"{name}-{count}", variable))
    return placed


def _segment(word: str) -> str:
    return _ILLEGAL.sub("-", word).strip("-_") or "unnamed"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
