"""How something was judged."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """A judgement, in the four words of OPC 40001-101 (ResultEvaluationEnum)."""

    UNDEFINED = "undefined"
    """Nobody judged."""
    OK = "ok"
    NOT_OK = "not_ok"
    NOT_DECIDABLE = "not_decidable"
    """It was looked at and could not be told: a person decides."""
