"""The words of reasons in English, by code; the dashboard translates them. ``{name}`` is a value of the reason."""

from __future__ import annotations

from typing import Final

from plant.bolt_words import BOLT_REASONS
from plant.joint_words import CURVE_REASONS, JOINT_REASONS

FRAME_REASONS: Final = {
    "no_model": "There is no model for {subject} here: nothing was judged.",
    "no_calibration": "The view has no calibration: pixels cannot be told in millimetres.",
    "calibration_expired": "Calibration '{calibration}' was valid until {expires}.",
    "calibration_later": "Calibration '{calibration}' was made on {date}, after the picture.",
    "dark": "The picture is too dark: mean brightness {value}, {limit} at least.",
    "overexposed": "The picture is overexposed: {value} % of it is white, {limit} % at most.",
    "blurred": "The picture is not sharp: {value}, {limit} at least.",
    "flat": "Most of the picture is one colour: {value} % of it, {limit} % at most.",
    "harsh": "The picture is harsher than cameras make them ({value}, {limit} at most): its file is damaged.",
    "torn": "The picture is torn by a straight step ({value}, {limit} at most): its file is damaged.",
    "repeated": "This very picture was told to be of part '{part}' already: the camera repeats itself.",
    "inspector_failed": "The inspection failed: {why}.",
}
"""Why a picture cannot be judged, whatever it is looked at for."""

REFUSED_REASONS: Final = {
    "empty": "The file holds nothing.",
    "too_many_bytes": "The file has {bytes} bytes, {limit} at most are taken.",
    "unknown_format": "The file is no JPEG, PNG or BMP picture.",
    "wrong_extension": "The file is named '{name}' and holds a {format} picture.",
    "damaged_header": "The {format} header is damaged: {why}.",
    "too_large": "The picture has {width} x {height} pixels, {limit} million at most are taken.",
    "too_small": "The picture has {width} x {height} pixels, {limit} on each side at least are taken.",
    "truncated": "The {format} picture ends too early.",
    "trailing_data": "{bytes} bytes follow the end of the {format} picture.",
    "foreign_content": "The picture holds another file within it ({what}).",
    "turned": "The picture says that it is turned (EXIF orientation {orientation}); the camera must give it upright.",
    "unsupported": "The {format} picture is of a kind that is not taken: {why}.",
    "damaged": "The {format} picture cannot be decoded: {why}.",
    "no_view": "The settings name no view '{view}' of station '{station}'.",
    "other_bytes": "The picture is not the one that was sent: its sha256 differs from the one told.",
    "no_metadata": "Nobody says which part, station and view this is: {why}.",
}
"""Why a file is no picture to be looked at."""

WELD_REASONS: Final = {
    "unfamiliar": "The picture does not look like those the model learned from: distance {value}, {limit} at most.",
    "no_seam": "No sound seam was found, and no fault: silence is no proof.",
    "unsure": "Perhaps {kind}, with confidence {confidence}: a person looks.",
    "unknown_imperfection": "{kind} is no imperfection that the limits name.",
    "not_validated_on_real": "Finding {kind} was not validated on real pictures.",
    "by_application": "{kind} (ISO 6520-1 {code}): ISO 5817 leaves it to the application, clause {clause}.",
    "depth_not_seen": "{kind} (ISO 6520-1 {code}): level {level} limits its depth (ISO 5817, {clause}), which a picture does not show.",
    "not_permitted": "{kind} (ISO 6520-1 {code}) is not permitted in level {level} (ISO 5817, {clause}).",
    "pore_allowed": "Pore of {value} mm; level {level} allows {limit} mm (ISO 5817, {clause}).",
    "pore_too_large": "Pore of {value} mm; level {level} allows {limit} mm at most (ISO 5817, {clause}).",
}
"""Why a weld is judged as it is."""

REASON_WORDS: Final[dict[str, str]] = {**FRAME_REASONS, **REFUSED_REASONS, **WELD_REASONS, **BOLT_REASONS, **CURVE_REASONS, **JOINT_REASONS}
"""All. Codes of one subject are added where they are judged, in a table of their own."""
