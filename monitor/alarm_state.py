"""What the alarms must remember, packed: by the numbers of signals and alarms, so that it fits again after settings changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.feed import FeedState
from monitor.limits import NEVER, LimitState
from monitor.series import Kept, as_lists, of_lists
from plant.alarms import AlarmDefinition, AlarmId, AlarmLife, AlarmState
from storage.alarms import Standing


class _Limits(msgspec.Struct, array_like=True):
    alarm: bytes
    active: bytes
    since_us: bytes
    received_us: bytes
    value: bytes


class _Life(msgspec.Struct, array_like=True):
    alarm: str
    active: bool
    annunciation: str
    shelved_until_us: int | None
    suppressed: bool
    out_of_service: bool
    source_acknowledged: bool | None


class _State(msgspec.Struct):
    after: dict[int, int]
    until: dict[int, int]
    signal: bytes
    newest_us: bytes
    received_us: bytes
    limits: _Limits
    derived: _Limits
    kept: dict[int, list[list[float]]]
    lives: list[_Life]
    inputs: dict[str, int]


class Remembered:
    """A packed state that was opened; each part is fitted to the signals and alarms of now."""

    def __init__(self, packed: bytes) -> None:
        self._state = msgspec.msgpack.decode(packed, type=_State)

    @property
    def inputs(self) -> dict[AlarmId, int]:
        """The place of the last input of alarms that had one lately."""
        return {AlarmId(name): place for name, place in self._state.inputs.items()}

    @property
    def after(self) -> dict[int, int]:
        """For each source, by number, the last shipment that was judged."""
        return dict(self._state.after)

    def feed(self, signals: Sequence[int], after: Mapping[int, int]) -> FeedState:
        """Return how far each signal is; ``after``: where sources begin that are new."""
        fresh = FeedState.fresh(len(signals), {**after, **self._state.after})
        fresh.until |= self._state.until
        known = {number: n for n, number in enumerate(np.frombuffer(self._state.signal, np.int32).tolist())}
        newest, received = np.frombuffer(self._state.newest_us, np.int64), np.frombuffer(self._state.received_us, np.int64)
        for place, number in enumerate(signals):
            n = known.get(number)
            if n is not None:
                fresh.newest_us[place], fresh.received_us[place] = newest[n], received[n]
        return fresh

    def limits(self, alarms: Sequence[int]) -> LimitState:
        """Return where the limits stand of alarms given by their numbers."""
        return _fitted(self._state.limits, alarms)

    def derived(self, alarms: Sequence[int]) -> tuple[LimitState, dict[int, Kept]]:
        """Return where the derived series stand, and what they remember."""
        places = {number: place for place, number in enumerate(alarms)}
        kept = of_lists({places[number]: lists for number, lists in self._state.kept.items() if number in places})
        return _fitted(self._state.derived, alarms), kept

    def standings(self, numbers: Mapping[AlarmId, int], definitions: Sequence[AlarmDefinition]) -> list[Standing]:
        """Return how the alarms stood."""
        lives = {life.alarm: life for life in self._state.lives}
        found = []
        for what in definitions:
            one = lives.get(what.id)
            life = AlarmLife()
            if one is not None:
                annunciation = AlarmState(one.annunciation)
                life = AlarmLife(one.active, annunciation, one.shelved_until_us, one.suppressed, one.out_of_service)
            told = None if one is None else one.source_acknowledged
            found.append(Standing(numbers[what.id], what, "", False, life, source_acknowledged=told))
        return found


def pack_state(
    feed: FeedState,
    signals: Sequence[int],
    limits: tuple[LimitState, Sequence[int]],
    derived: tuple[LimitState, Sequence[int], Mapping[int, Kept]],
    unusual: Iterable[Standing],
    inputs: Mapping[AlarmId, int],
) -> bytes:
    """Return what must be remembered; alarms are given by their numbers, and standings only where they are not as at first."""
    lives = [
        _Life(
            *(s.definition.id, s.life.active, s.life.annunciation.value, s.life.shelved_until_us, s.life.suppressed),
            *(s.life.out_of_service, s.source_acknowledged),
        )
        for s in unusual
    ]
    state = _State(
        feed.after,
        feed.until,
        np.asarray(signals, np.int32).tobytes(),
        feed.newest_us.tobytes(),
        feed.received_us.tobytes(),
        _sparse(*limits),
        _sparse(*derived[:2]),
        as_lists({derived[1][place]: kept for place, kept in derived[2].items()}),
        lives,
        {str(name): place for name, place in inputs.items()},
    )
    return msgspec.msgpack.encode(state)


def _sparse(state: LimitState, alarms: Sequence[int]) -> _Limits:
    some: npt.NDArray[np.intp] = np.flatnonzero(state.active | (state.since_us != NEVER))
    numbers = np.asarray(alarms, np.int32)[some]
    columns = (state.active[some], state.since_us[some], state.received_us[some], state.value[some])
    return _Limits(numbers.tobytes(), *(column.tobytes() for column in columns))


def _fitted(packed: _Limits, alarms: Sequence[int]) -> LimitState:
    fresh = LimitState.fresh(len(alarms))
    numbers = np.frombuffer(packed.alarm, np.int32).tolist()
    places = {number: place for place, number in enumerate(alarms)}
    some = [n for n, number in enumerate(numbers) if number in places]
    at = [places[numbers[n]] for n in some]
    fresh.active[at] = np.frombuffer(packed.active, np.bool_)[some]
    fresh.since_us[at] = np.frombuffer(packed.since_us, np.int64)[some]
    fresh.received_us[at] = np.frombuffer(packed.received_us, np.int64)[some]
    fresh.value[at] = np.frombuffer(packed.value, np.float64)[some]
    return fresh
