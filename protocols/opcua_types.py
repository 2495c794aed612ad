"""OPC UA built-in types and the data types that signals are pinned to."""

from __future__ import annotations

from typing import Final

from plant.signals import DataType

TYPE_IDS: Final[dict[DataType, int]] = {
    DataType.BOOLEAN: 1,
    DataType.SBYTE: 2,
    DataType.BYTE: 3,
    DataType.INT16: 4,
    DataType.UINT16: 5,
    DataType.INT32: 6,
    DataType.UINT32: 7,
    DataType.INT64: 8,
    DataType.UINT64: 9,
    DataType.FLOAT: 10,
    DataType.DOUBLE: 11,
    DataType.STRING: 12,
}
"""The id of the built-in type that each data type is sent as (OPC 10000-6, 5.1.2)."""

DATA_TYPES: Final[dict[int, DataType]] = {type_id: data_type for data_type, type_id in TYPE_IDS.items()}
"""The data type of each built-in type that a signal may be pinned to."""
