from __future__ import annotations

import socket
from pathlib import Path

import pytest

from protocols import ports


def test_a_free_port_lies_below_those_that_the_system_gives_out_and_can_be_listened_on() -> None:
    for _ in range(50):
        port = ports.free_port()
        assert port < ports._first_given_out()
        with socket.create_server(("127.0.0.1", port)):
            assert not ports.is_free("127.0.0.1", port)


def test_where_the_system_gives_out_nearly_all_ports_it_is_asked_for_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = tmp_path / "range"
    given.write_text("1024\t65535\n")
    monkeypatch.setattr(ports, "_RANGE", given)
    assert ports.is_free("127.0.0.1", ports.free_port())
