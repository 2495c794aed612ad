"""Strips: all parts lie on them, checked by other code, and there is a best so far whenever the search ends."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optimizer.nesting.checking import strip_faults
from optimizer.nesting.compaction import compact
from optimizer.nesting.packers import Packer, Strip, StripItem
from optimizer.nesting.regions import convex_pieces
from optimizer.nesting.strips import StripProgress, pack_strip
from plant.errors import Rejected
from plant.nest_figures import strip_density
from plant.nest_file import read_nest_problem
from plant.nests import Floats, NestPart, PackedStrip, Placements, Shape, StripProblem, rectangle, ring_area

_SHARED = (
    Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[3].parent / "shared" / "data") / "optimizer" / "nesting"
)
_ELL = np.array([(0.0, 0.0), (300.0, 0.0), (300.0, 80.0), (90.0, 80.0), (90.0, 250.0), (0.0, 250.0)])


def _gon(corners: int, radius_mm: float) -> Floats:
    angles = 2 * np.pi * np.arange(corners) / corners
    return radius_mm * np.column_stack([np.cos(angles), np.sin(angles)])


def _mixed(distance_mm: float = 0.0) -> StripProblem:
    parts = (
        NestPart("ell", Shape(_ELL), 4),
        NestPart("five corners", Shape(_gon(5, 90.0)), 3, rotations_deg=None),
        NestPart("bar", rectangle(400.0, 60.0), 2, rotations_deg=(0.0, 180.0)),
    )
    return StripProblem("mixed", parts, 600.0, distance_mm)


@pytest.mark.parametrize("distance_mm", [0.0, 7.5])
def test_a_strip_holds_all_parts_without_a_fault(distance_mm: float) -> None:
    problem = _mixed(distance_mm)
    strip = pack_strip(problem, seconds=1.0)
    assert strip_faults(problem, strip) == []
    assert strip_density(problem, strip) > 0.5


def test_parts_drawn_far_from_their_origin_are_packed_as_well() -> None:
    near = _mixed(5.0)
    far = [replace(part, shape=Shape(part.shape.outline + np.array([3.1e6, -2.7e6]))) for part in near.parts]
    problem = replace(near, parts=tuple(far))
    strip = pack_strip(problem, seconds=1.0)
    assert strip_faults(problem, strip) == []
    assert strip_density(problem, strip) > 0.5


def test_a_part_as_high_as_the_strip_stands_upright_where_that_is_shorter_and_the_search_ends_at_once() -> None:
    problem = StripProblem("upright", (NestPart("plate", rectangle(100.0, 50.0), 3),), 100.0)
    strip = pack_strip(problem, seconds=60.0)
    assert strip.length_mm == pytest.approx(150.0, abs=1e-3)
    assert strip_faults(problem, strip) == []


def test_a_stop_gives_the_best_so_far_and_each_layout_told_of_is_shorter() -> None:
    told: list[StripProgress] = []
    problem = _mixed()
    strip = pack_strip(problem, seconds=60.0, on_progress=told.append, stop=lambda: bool(told))
    assert strip_faults(problem, strip) == []
    lengths = [one.length_mm for one in told]
    assert lengths == sorted(lengths, reverse=True)
    assert strip.length_mm <= lengths[-1] + 1e-9


def test_an_interrupt_gives_the_best_so_far() -> None:
    def interrupt(_: StripProgress) -> None:
        raise KeyboardInterrupt

    problem = _mixed()
    assert strip_faults(problem, pack_strip(problem, seconds=60.0, on_progress=interrupt)) == []


def test_a_part_higher_than_the_strip_is_told_by_name() -> None:
    problem = StripProblem("low", (NestPart("mast", rectangle(300.0, 200.0), 1, rotations_deg=(0.0,)),), 199.0)
    with pytest.raises(Rejected, match="mast"):
        pack_strip(problem, seconds=1.0)


def test_no_parts_make_a_strip_of_no_length() -> None:
    assert pack_strip(StripProblem("nothing", (), 100.0), seconds=1.0).length_mm == 0.0


def test_a_search_that_fails_inside_says_so_and_the_next_one_runs() -> None:
    too_high = Strip(10.0, (StripItem(0, _gon(4, 100.0), 1, (0.0,)),), 2.0, 1)
    sound = Strip(200.0, (StripItem(7, _gon(4, 50.0), 1, (0.0,)),), 1.0, 1, enough_mm=200.0)
    with Packer() as packer:
        packer.begin(too_high)
        assert packer.wait(10.0)
        assert packer.found() == []
        assert packer.problem
        packer.begin(sound)
        assert packer.wait(10.0)
        assert [int(row) for row in packer.found()[-1].placements.part] == [7]
        assert not packer.problem


def test_what_an_earlier_search_says_late_is_not_taken_for_the_next_ones() -> None:
    one = Strip(200.0, (StripItem(7, _gon(4, 50.0), 1, (0.0,)),), 5.0, 1, enough_mm=200.0)
    with Packer() as packer:
        packer.begin(one)
        assert packer.wait(20.0)
        packer.begin(one)
        # the first search's last words come now, as they do where two cores are busy
        packer._take({"job": 1, "length": 1.0, "placed": [(0, 0.0, 0.0, 0.0)]})
        packer._take({"job": 1, "problem": "it was stopped"})
        packer._take({"job": 1, "ended": True})
        assert not packer._idle.is_set()
        assert packer.wait(20.0)
        assert not packer.problem
        assert min(layout.length_mm for layout in packer.found()) > 1.0


def test_convex_pieces_cover_a_shape_once() -> None:
    for outline in (_ELL, _gon(7, 10.0), rectangle(3.0, 2.0).outline):
        pieces = convex_pieces(outline)
        assert sum(ring_area(piece) for piece in pieces) == pytest.approx(ring_area(outline))
        for piece in pieces:
            edges = np.roll(piece, -1, axis=0) - piece
            after = np.roll(edges, -1, axis=0)
            assert (edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0] >= 0).all()
    assert len(convex_pieces(_ELL)) == 2


def test_pressing_together_closes_what_is_open_and_lets_nothing_overlap() -> None:
    parts = (NestPart("ell", Shape(_ELL), 2, rotations_deg=(0.0, 180.0)), NestPart("bar", rectangle(100.0, 60.0), 1))
    problem = StripProblem("open", parts, 400.0)
    loose = Placements(
        np.array([0, 0, 1], np.int32), np.array([3.0, 640.0, 700.0]), np.array([1.0, 260.0, 20.0]), np.array([0.0, 180.0, 0.0])
    )
    length, moved = compact([part.shape.outline for part in parts], loose, 400.0, float("inf"))
    assert length < 500.0
    assert strip_faults(problem, PackedStrip(length, moved)) == []


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["albano", "jakobs1", "marques", "shirts", "swim", "trousers"])
def test_the_published_nests_come_out_without_a_fault(name: str) -> None:
    if not _SHARED.is_dir():
        pytest.skip(f"{_SHARED} is missing; LEADHAND_SHARED_DATA names the folder of shared data")
    problem = read_nest_problem((_SHARED / f"{name}.json").read_bytes(), name).problem
    assert isinstance(problem, StripProblem)
    strip = pack_strip(problem, seconds=5.0)
    assert strip_faults(problem, strip) == []
    assert strip_density(problem, strip) > 0.6
