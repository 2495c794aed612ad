"""What variables and methods of our own OPC UA server bear: messages to variants, and arguments to values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from asyncua import ua

from plant.deliveries import Quantity, SetPart, SignedMessage
from protocols.opcua_isa95 import time_of
from protocols.opcua_serving_nodes import node_id

METHODS: Final[Mapping[str, tuple[tuple[tuple[str, ua.VariantType, bool], ...], tuple[tuple[str, ua.VariantType, bool], ...]]]] = {
    "Accept": ((("Id", ua.VariantType.String, False),), (("Said", ua.VariantType.String, False),)),
    "Refuse": (
        (("Id", ua.VariantType.String, False), ("Reason", ua.VariantType.String, False)),
        (("Said", ua.VariantType.String, False),),
    ),
    "Report": (
        (
            ("Id", ua.VariantType.String, False),
            ("Result", ua.VariantType.String, False),
            ("Reason", ua.VariantType.String, False),
            ("Names", ua.VariantType.String, True),
            ("Values", ua.VariantType.Double, True),
            ("Units", ua.VariantType.String, True),
            ("Parts", ua.VariantType.String, True),
        ),
        (("Said", ua.VariantType.String, False),),
    ),
    "Heartbeat": (
        (("AiOff", ua.VariantType.Boolean, False), ("Counter", ua.VariantType.UInt64, False), ("State", ua.VariantType.String, False)),
        (("Pulse", ua.VariantType.UInt32, False), ("Mode", ua.VariantType.String, False), ("Time", ua.VariantType.DateTime, False)),
    ),
}
"""Arguments and results of the methods: name, type, whether it is an array."""


class WrongArguments(Exception):
    """Arguments that say nothing."""


def argument(name: str, kind: ua.VariantType, array: bool) -> ua.Argument:
    """Return the description of an argument."""
    made = ua.Argument()
    made.Name = name
    made.DataType = node_id(int(kind.value))
    made.ValueRank = 1 if array else -1
    made.ArrayDimensions = []
    return made


def fits(given: ua.Variant, kind: ua.VariantType, *, array: bool) -> bool:
    """Return whether an argument is of the type wanted; an array may be null."""
    if array and given.Value is None:
        return True
    return given.VariantType == kind and bool(given.is_array) == array and (array or given.Value is not None)


def value_of(given: ua.Variant, *, array: bool) -> Any:
    """Return the value of an argument."""
    return list(given.Value or []) if array else given.Value


def quantities(values: Mapping[str, Any]) -> tuple[Quantity, ...]:
    """Return the read-back or measured values of a report. Raises WrongArguments where the arrays are not of one length."""
    names, numbers, units = values["Names"], values["Values"], values["Units"]
    if not len(names) == len(numbers) == len(units):
        raise WrongArguments
    return tuple(Quantity(name or "", float(number), unit or "1") for name, number, unit in zip(names, numbers, units, strict=True))


def parts_of(texts: Sequence[str]) -> tuple[SetPart, ...]:
    """Return what is switched on, of kind, name, version, kind, name, version... Raises WrongArguments."""
    if len(texts) % 3:
        raise WrongArguments
    return tuple(SetPart(texts[at] or "", texts[at + 1] or "", texts[at + 2] or "") for at in range(0, len(texts), 3))


def variant_of(value: Any) -> ua.Variant:
    """Return a value of a result as a variant."""
    if isinstance(value, list | tuple):
        kind = ua.VariantType.Double if isinstance(value, tuple) else ua.VariantType.String
        return ua.Variant(list(value), kind, is_array=True)
    if isinstance(value, bool):
        return ua.Variant(value, ua.VariantType.Boolean)
    if isinstance(value, int):
        return ua.Variant(value, ua.VariantType.Int32)
    if isinstance(value, float):
        return ua.Variant(value, ua.VariantType.Double)
    return ua.Variant(value, ua.VariantType.String if isinstance(value, str) else ua.VariantType.DateTime)


def values_of(offered: Sequence[SignedMessage]) -> dict[str, ua.Variant]:
    """Return the variables of a work unit: the oldest open message in full, and the texts of all."""
    text = ua.VariantType.String
    first = offered[0] if offered else None
    message = None if first is None else first.message
    parameters = () if message is None else message.parameters
    parts = () if message is None else message.parts
    return {
        "Open": ua.Variant(len(offered), ua.VariantType.UInt32),
        "Id": ua.Variant("" if message is None else message.id, text),
        "Kind": ua.Variant("" if message is None else message.kind.value, text),
        "Counter": ua.Variant(0 if message is None else message.counter, ua.VariantType.UInt64),
        "Issued": ua.Variant(time_of(0 if message is None else message.issued_us), ua.VariantType.DateTime),
        "Expires": ua.Variant(time_of(0 if message is None else message.expires_us), ua.VariantType.DateTime),
        "Job": ua.Variant("" if message is None else message.job, text),
        "Program": ua.Variant("" if message is None else message.program, text),
        "Product": ua.Variant("" if message is None else message.product, text),
        "Serial": ua.Variant("" if message is None else message.serial, text),
        "Reason": ua.Variant("" if message is None else message.reason, text),
        "WindowVersion": ua.Variant(0 if message is None else message.window_version or 0, ua.VariantType.UInt32),
        "Names": ua.Variant([one.name for one in parameters], text, is_array=True),
        "Values": ua.Variant([float(one.value) for one in parameters], ua.VariantType.Double, is_array=True),
        "Units": ua.Variant([one.unit for one in parameters], text, is_array=True),
        "Parts": ua.Variant([word for one in parts for word in (one.kind, one.name, one.version)], text, is_array=True),
        "Steps": ua.Variant([] if message is None else list(message.steps), text, is_array=True),
        "Message": ua.Variant("" if first is None else first.text, text),
        "Signature": ua.Variant("" if first is None else first.signature, text),
        "Messages": ua.Variant([one.text for one in offered], text, is_array=True),
        "Signatures": ua.Variant([one.signature for one in offered], text, is_array=True),
    }
