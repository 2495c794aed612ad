"""Many payloads of one form at once: the usual ones without Python's cost for each value, the odd ones one by one.

A payload is taken the quick way only where that says the same as ``decode``; whatever is doubtful (another type, a digit too
many, an empty value, a nested key) goes through ``decode`` itself, so one poisonous payload costs only its own time.
"""

from __future__ import annotations

from collections.abc import Sequence

from plant.errors import Rejected
from protocols.mqtt_many_arrays import Arrays
from protocols.mqtt_many_columns import ManyColumns, Parts
from protocols.mqtt_many_forms import Floats32, Objects, Samples, Values
from protocols.mqtt_payloads import PayloadForm, SignalKey, decode

_QUICK: dict[str, type[Values | Objects | Samples | Floats32 | Arrays]] = {
    "value": Values,
    "object": Objects,
    "samples": Samples,
    "float32": Floats32,
    "array": Arrays,
}


class ManyPayloads:
    """Reads payloads of one form that carry the same keys."""

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._form = form
        self._keys = tuple(keys)
        quick = _QUICK[form.payload]
        self._quick = quick(form, self._keys) if quick.fits(form, self._keys) else None

    def decode(self, payloads: Sequence[bytes]) -> ManyColumns:
        """Return what the payloads say; raises nothing."""
        parts = Parts(len(payloads))
        if self._quick is None:
            parts.odd = list(range(len(payloads)))
        else:
            parts = self._quick.decode(payloads)
        return self._with_odd(payloads, parts)

    def _with_odd(self, payloads: Sequence[bytes], parts: Parts) -> ManyColumns:
        unreadable: dict[int, str] = {}
        for n in parts.odd:
            try:
                columns = decode(self._form, self._keys, payloads[n])
            except Rejected as error:
                unreadable[n] = str(error)
                continue
            parts.add_one(n, columns)
        return parts.joined(unreadable)
