"""Engineering units as OPC UA servers give them (UNECE recommendation 20, or free text), as UCUM codes."""

from __future__ import annotations

from typing import Final

_BY_CODE: Final[dict[str, str]] = {
    "MTR": "m",
    "DMT": "dm",
    "CMT": "cm",
    "MMT": "mm",
    "4H": "um",
    "KMT": "km",
    "MTK": "m2",
    "CMK": "cm2",
    "MMK": "mm2",
    "MTQ": "m3",
    "CMQ": "cm3",
    "LTR": "L",
    "MLT": "mL",
    "KGM": "kg",
    "GRM": "g",
    "TNE": "t",
    "SEC": "s",
    "C26": "ms",
    "B98": "us",
    "MIN": "min",
    "HUR": "h",
    "DAY": "d",
    "CEL": "Cel",
    "KEL": "K",
    "FAH": "[degF]",
    "PAL": "Pa",
    "A97": "hPa",
    "KPA": "kPa",
    "MPA": "MPa",
    "BAR": "bar",
    "MBR": "mbar",
    "NEW": "N",
    "B47": "kN",
    "NU": "N.m",
    "B48": "kN.m",
    "VLT": "V",
    "2Z": "mV",
    "KVT": "kV",
    "AMP": "A",
    "4K": "mA",
    "OHM": "Ohm",
    "WTT": "W",
    "KWT": "kW",
    "MAW": "MW",
    "WHR": "W.h",
    "KWH": "kW.h",
    "JOU": "J",
    "KJO": "kJ",
    "HTZ": "Hz",
    "KHZ": "kHz",
    "MHZ": "MHz",
    "P1": "%",
    "59": "[ppm]",
    "RPM": "/min",
    "RPS": "/s",
    "MTS": "m/s",
    "2X": "m/min",
    "C16": "mm/s",
    "KMH": "km/h",
    "MSK": "m/s2",
    "DD": "deg",
    "C81": "rad",
    "2A": "rad/s",
    "E96": "deg/s",
    "L2": "L/min",
    "E32": "L/h",
    "MQH": "m3/h",
    "2N": "dB",
    "C62": "1",
}
_BY_TEXT: Final[dict[str, str]] = {
    "°c": "Cel",
    "degc": "Cel",
    "°f": "[degF]",
    "°": "deg",
    "deg": "deg",
    "%": "%",
    "rpm": "/min",
    "1/min": "/min",
    "u/min": "/min",
    "r/min": "/min",
    "nm": "N.m",
    "n·m": "N.m",
    "n.m": "N.m",
    "ω": "Ohm",
    "µm": "um",
    "m³/h": "m3/h",
    "m³": "m3",
    "m²": "m2",
    "m/s²": "m/s2",
    "l/min": "L/min",
    "kwh": "kW.h",
    "wh": "W.h",
    "l": "L",
}
_SAME: Final = frozenset(_BY_CODE.values())
_NAMESPACE: Final = "http://www.opcfoundation.org/UA/units/un/cefact"


def unit_number(code: str) -> int:
    """Return the number that stands for a UNECE code: its characters as bytes, highest first (OPC 10000-8, 5.6.3)."""
    return int.from_bytes(code.encode("ascii"), "big")


_BY_NUMBER: Final = {unit_number(code): ucum for code, ucum in _BY_CODE.items()}


def ucum_of(namespace: str, number: int, name: str) -> str:
    """Return the UCUM code of a unit, empty where it is not known for sure."""
    if namespace.startswith(_NAMESPACE) and number in _BY_NUMBER:
        return _BY_NUMBER[number]
    plain = name.strip()
    return plain if plain in _SAME else _BY_TEXT.get(plain.lower(), "")
