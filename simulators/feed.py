"""What a simulated server offers and where its values come from: the same words for a recording and for the plant."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from plant.signals import DataType, Range


@dataclass(frozen=True, slots=True)
class Variable:
    """One node that a simulated device offers."""

    folders: tuple[str, ...]
    """Browse names of the folders it lies in, below Objects."""
    name: str
    data_type: DataType
    unit: str = ""
    """UCUM code."""
    range: Range | None = None
    description: str = ""

    @property
    def identifier(self) -> str:
        """The string part of the NodeId: folders and name, joined by slashes."""
        return "/".join((*self.folders, self.name))


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """All values of a device at one of its scans, as columns over its variables."""

    source_us: int
    """When the values were true, microseconds since 1970."""
    server_us: int
    """When the server took them over."""
    number: npt.NDArray[np.float64]
    """Shape (n,); not used where the variable is text."""
    text: Sequence[str]
    """Texts of the text variables, in the order of ``texts_of``."""
    status: npt.NDArray[np.uint32]
    """Shape (n,): OPC UA StatusCodes; a bad one has no value."""


class Feed(Protocol):
    """Where a simulated server gets its values."""

    @property
    def variables(self) -> Sequence[Variable]:
        """What is offered; the order of all columns."""
        ...

    @property
    def scan_us(self) -> int:
        """How often values change."""
        ...

    def read(self, now_us: int, reader: Hashable, positions: frozenset[int]) -> Scan:
        """Return the one scan that a whole Read of these positions answers with; ``reader`` tells sessions apart."""
        ...

    def forget(self, reader: Hashable) -> None:
        """Forget a session that ended."""
        ...

    def scans(self, after_us: int, until_us: int) -> Iterable[Scan]:
        """Return each scan in (after, until], oldest first: what monitored items sample."""
        ...


def texts_of(variables: Sequence[Variable]) -> list[int]:
    """Return the positions of the text variables."""
    return [position for position, variable in enumerate(variables) if variable.data_type.is_text]
