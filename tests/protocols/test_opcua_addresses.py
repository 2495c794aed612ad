"""Addresses say what is meant on whatever server they meet, or why they say nothing there."""

from __future__ import annotations

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from protocols.opcua_addresses import AddressProblem, named_by, node_address, path_address
from protocols.opcua_units import ucum_of, unit_number

NAMESPACES = ("http://opcfoundation.org/UA/", "urn:server", "http://acme.com/UA/Line:1/", "http://acme.com/UA/", "urn:a;i=5")


@pytest.mark.parametrize(
    ("address", "node"),
    [
        ("nsu=http://acme.com/UA/;s=Robot.3;x", "ns=3;s=Robot.3;x"),
        ("nsu=urn:server;i=4294967295", "ns=1;i=4294967295"),
        ("ns=0;i=2258", "i=2258"),
        ("i=2258", "i=2258"),
        ("ns=1;s=local", "ns=1;s=local"),
        ("nsu=urn:server;g=12345678-1234-5678-1234-567812345678", "ns=1;g=12345678-1234-5678-1234-567812345678"),
    ],
)
def test_node_ids_are_found_by_the_uri_of_their_namespace(address: str, node: str) -> None:
    named = named_by(address, NAMESPACES)
    assert named.node_id == ua.NodeId.from_string(node)
    assert named.warning is None


def test_bytes_as_identifiers_are_taken() -> None:
    named = named_by("nsu=urn:server;b=AAH/", NAMESPACES)
    assert named.node_id is not None
    assert named.node_id.Identifier == b"\x00\x01\xff"
    assert node_address(named.node_id, NAMESPACES) == "nsu=urn:server;b=AAH/"


def test_an_index_is_taken_with_a_warning() -> None:
    assert "write nsu=<uri>" in (named_by("ns=2;s=x", NAMESPACES).warning or "")
    assert "write nsu=<uri>" in (named_by("/Objects/2:x", NAMESPACES).warning or "")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "is no address"),
        ("Robot", "is no address"),
        ("nsu=urn:server", "is no address"),
        ("nsu=urn:nobody;i=1", "no namespace 'urn:nobody'"),
        ("nsu=urn:server;i=x", "malformed"),
        ("nsu=urn:server;i=4294967296", "malformed"),
        ("nsu=urn:server;g=1", "malformed"),
        ("nsu=urn:server;b=!", "malformed"),
        ("ns=70000;i=1", "no more than 65535"),
        ("/Objects//x", "empty"),
        ("/", "empty"),
        ("/Objects/nsu=urn:nobody:x", "no namespace that"),
    ],
)
def test_an_address_that_names_nothing_says_why(address: str, reason: str) -> None:
    with pytest.raises(AddressProblem, match=reason) as problem:
        named_by(address, NAMESPACES)
    assert problem.value.status >= 0x80000000


names = st.builds(ua.QualifiedName, st.text(min_size=1, max_size=8), st.integers(0, len(NAMESPACES) - 1))


@given(st.lists(names, min_size=1, max_size=5))
def test_any_path_that_is_found_leads_back_to_its_node(path: list[ua.QualifiedName]) -> None:
    assert list(named_by(path_address(path, NAMESPACES), NAMESPACES).path) == path


@given(st.one_of(st.integers(0, 2**32 - 1), st.text(min_size=1), st.uuids(), st.binary(min_size=1)), st.integers(0, 3))
def test_any_node_id_that_is_found_leads_back_to_its_node(identifier: object, namespace: int) -> None:
    node = ua.NodeId(identifier, namespace)  # type: ignore[arg-type]
    assert named_by(node_address(node, NAMESPACES), NAMESPACES).node_id == node


@given(st.text())
def test_any_text_is_an_address_or_has_a_reason(address: str) -> None:
    try:
        named_by(address, NAMESPACES)
    except AddressProblem as problem:
        if not problem.reason:
            raise


def test_units_are_known_by_their_unece_number_and_by_usual_words() -> None:
    cefact = "http://www.opcfoundation.org/UA/units/un/cefact"
    assert unit_number("CEL") == 4408652
    assert ucum_of(cefact, 4408652, "whatever") == "Cel"
    assert ucum_of("", -1, "°C") == "Cel"
    assert ucum_of("", -1, " mm/s ") == "mm/s"
    assert ucum_of("", -1, "rpm") == "/min"
    assert ucum_of("urn:own:units", 4408652, "furlong") == ""
