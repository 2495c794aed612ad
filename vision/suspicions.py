"""What an unusual curve looks like: a word for the person who goes to see, never a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from plant.inspections import Reason
from plant.joint_curves import JointCurve
from plant.joint_words import FAULT_WORDS
from vision.curve_features import BANDS, Features
from vision.envelope import Reference, Unusual

_CLOSING: Final = tuple(f"band_{round(100 * share)}" for share in BANDS[2:-1])
_MOST: Final = 2


class Signs:
    """Which features are unusual, and to which side."""

    def __init__(self, curve: JointCurve, told: Features, reference: Reference, far: Sequence[Unusual]) -> None:
        self._side: Mapping[str, int] = {one.name: 0 if not np.isfinite(one.value) else 1 if one.value > one.high else -1 for one in far}
        self._last = len(curve.steps)
        self._bands = [(told[name] - float(reference.middle[reference.names.index(name)])) for name in _CLOSING]

    def up(self, *names: str) -> bool:
        """Whether one of these is too large."""
        return any(self._side.get(name) == 1 for name in names)

    def down(self, *names: str) -> bool:
        """Whether one of these is too small."""
        return any(self._side.get(name) == -1 for name in names)

    def last_up(self, *names: str) -> bool:
        """Whether one of these features of the last step is too large."""
        return self.up(*(f"{self._last}.{name}" for name in names))

    def last_down(self, *names: str) -> bool:
        """Whether one of these features of the last step is too small."""
        return self.down(*(f"{self._last}.{name}" for name in names))

    @property
    def unreached(self) -> bool:
        """Whether the target torque was never there."""
        return any(side == 0 for side in self._side.values())

    @property
    def stiffness(self) -> float:
        """How much steeper than usual the joint closed, as a logarithm; 0 where that cannot be told."""
        bands = [value for value in self._bands if np.isfinite(value)]
        return -float(np.median(bands)) if bands else 0.0


def _re_hit(signs: Signs) -> bool:
    return signs.up("begin_torque") and signs.down("1.angle_deg") and signs.down("1.seconds") and signs.up("1.torque_middle")


def _encoder(signs: Signs) -> bool:
    return signs.last_up("still_seconds", "angle_jump_deg", "angle_back_deg") or signs.last_down("speed")


def _yields(signs: Signs) -> bool:
    return signs.unreached or signs.up("share_90", "share_80") or (signs.last_up("torque_peak") and signs.last_up("angle_deg"))


_LOOKS: Final[tuple[tuple[str, Callable[[Signs], bool]], ...]] = (
    ("re_hit", _re_hit),
    ("transducer_offset", lambda signs: signs.up("begin_torque") and signs.up("1.torque_low") and not signs.down("1.angle_deg")),
    ("transducer_offset", lambda signs: signs.down("begin_torque")),
    ("slipped", lambda signs: signs.last_up("angle_jump_deg") and signs.last_up("drop")),
    ("encoder", _encoder),
    ("cross_thread", lambda signs: signs.up("1.torque_high", "1.torque_middle") and signs.down("1.angle_deg")),
    ("prevailing_high", lambda signs: signs.up("1.torque_high", "1.torque_middle", "1.torque_low")),
    ("prevailing_lost", lambda signs: signs.down("1.torque_high", "1.torque_middle") and not signs.down("1.angle_deg")),
    ("stripped_thread", lambda signs: signs.unreached and signs.last_up("drop")),
    ("stick_slip", lambda signs: signs.last_up("drop", "roughness")),
    ("premature_stop", lambda signs: signs.last_down("torque_peak") and not signs.last_up("angle_deg", "seconds")),
    ("yields", _yields),
    ("overdriven", lambda signs: signs.last_up("torque_peak")),
    ("soft_joint", lambda signs: signs.up("settled") or signs.up("share_40", "share_50")),
    ("run_down_long", lambda signs: signs.up("1.angle_deg", "1.seconds")),
    ("run_down_short", lambda signs: signs.down("1.angle_deg", "1.seconds")),
    ("stiff_joint", lambda signs: signs.stiffness > 0.06),
    ("weak_joint", lambda signs: signs.stiffness < -0.06),
)


def suspicions(curve: JointCurve, told: Features, reference: Reference, far: Sequence[Unusual]) -> list[Reason]:
    """Return what the curve looks like, the likeliest first; nothing where it is as usual."""
    if not far:
        return []
    signs = Signs(curve, told, reference, far)
    found = list(dict.fromkeys(name for name, looks in _LOOKS if looks(signs)))[:_MOST]
    return [Reason("suspected", {"fault": FAULT_WORDS[name]}) for name in found]
