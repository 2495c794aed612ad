"""What waits in the spool is read in pieces, each frame once, whatever its size."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import numpy as np

from ingest.files import SystemFiles
from ingest.records import RECORD
from ingest.spool import Spool
from ingest.tail import Tail


def test_a_backlog_is_read_in_pieces_each_frame_once_though_one_is_larger_than_a_piece(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    sizes = [700_000, 10, 900_000, 9_000_000, 20, 1_500_000, 1_500_000, 1_500_000, 30]
    spool = Spool(tmp_path, SystemFiles(), new_id=uuid4)
    spool.open(lambda _: None)
    contents = [random.bytes(size) for size in sizes]
    for content in contents:
        spool.append(1, RECORD, content)
    spool.sync()
    tail, read = Tail(spool, 0), []
    while frames := tail.read(1):
        read += [frame.content for frame in frames]
    behind = Tail(spool, 6).read(10)
    spool.close()
    assert read == contents
    assert [frame.content for frame in behind] == contents[6:]
    assert len(tail._ahead) == 0


def test_behind_damage_wider_than_a_piece_the_next_frame_is_read(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    spool = Spool(tmp_path, SystemFiles(), new_id=uuid4)
    spool.open(lambda _: None)
    for size in (100, 5_000_000, 200):
        spool.append(1, RECORD, random.bytes(size))
    spool.sync()
    path = spool.segments_behind(0)[0]
    content = bytearray(path.read_bytes())
    content[1_000:4_000_000] = bytes(3_999_000)
    path.write_bytes(content)
    frames = Tail(spool, 0).read(10)
    tail = Tail(spool, frames[-1].number)
    more = tail.read(10)
    spool.close()
    assert [frame.number for frame in (*frames, *more)] == [1, 3]
