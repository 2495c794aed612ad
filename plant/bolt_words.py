"""The words of reasons about bolts in English, by code."""

from __future__ import annotations

from typing import Final

BOLT_REASONS: Final = {
    "no_bolts": "No bolt was found in the picture.",
    "too_few_bolts": "{found} of {expected} bolts were found.",
    "bolt_missing": "The bolt is missing: its hole is seen.",
    "washer_missing": "The washer is missing.",
    "washer_unsure": "Perhaps the washer is missing: a person looks.",
    "bolt_not_found": "No nut was found where a bolt should be.",
    "bolt_small": "The bolt is too small in the picture: radius {radius} px, {limit} px at least.",
    "bolt_covered": "Something covers {percent} % of the bolt.",
    "bolt_unclear": "What is seen does not fit a hexagon.",
    "mark_absent": "There is no mark on the nut or on the flange.",
    "mark_faint": "The mark is hardly seen: a person looks.",
    "mark_smeared": "The mark is smeared: a person looks.",
    "bolt_turned": "The nut is turned by {angle} degrees (+- {half}), {limit} at most.",
    "bolt_turn_unsure": "Perhaps the nut is turned: {angle} degrees (+- {half}), {limit} at most.",
    "circle_refused": "The bolt circle could not be located: {why}.",
    "circle_no_nut": "The bolt circle could not be located: no nut was found.",
    "circle_few_bolts": "The bolt circle could not be located: {found} bolts were found, {least} at least are needed.",
    "circle_other": "The bolt circle could not be located: the bolts do not stand as {count} on a circle of {diameter} mm do.",
    "circle_off": "The bolt circle could not be located: its bolts are {off} mm off, {limit} mm at most.",
    "bolt_beside": "The bolt seems to stand {off} mm beside its place on the circle, {limit} mm at most: it was not made out rightly.",
    "circle_unsure": "The bolt circle could not be located well enough: a place has a standard error of {sigma} mm, {limit} mm at most.",
    "simulated_only": "The model of bolts was validated on simulated pictures only.",
}
"""Why a bolt is judged as it is."""
