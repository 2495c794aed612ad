"""Structured text of IEC 61131-3, as much of it as ``docs/plc/leadhand_check.st`` uses, run as Python, statement by statement.

No compiler: one statement a line, comparisons in brackets; ``AND`` and ``OR`` look at both sides, as a controller may. What is not known
here is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

_COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)
_INPUT = re.compile(r"(\w+) : ")
_CONSTANT = re.compile(r"(\w+) : \w+ := ([-0-9.E]+);")
_WORD = re.compile(r"'[^']*'|LINT#|[A-Za-z_][A-Za-z_0-9]*|:=|<>|<=|>=|[0-9.]+(?:E[-+]?[0-9]+)?|\.|.")
_OPERATORS = {"<>": "!=", "=": "==", "AND": "&", "OR": "|", "NOT": "not", "TRUE": "True", "FALSE": "False", "ABS": "abs", "MAX": "max"}
_OPERATORS |= {"LINT_TO_LREAL": "float", "LINT#": ""}


def constants(text: str) -> dict[str, float]:
    """Return the constants of a function block."""
    block = _COMMENT.sub("", text).partition("VAR CONSTANT")[2].partition("END_VAR")[0]
    return {name: float(value) if "." in value else int(value) for name, value in _CONSTANT.findall(block)}


def function_block(text: str) -> Callable[[Mapping[str, Any]], tuple[int, int]]:
    """Return the function block of a text as a function from its inputs to ``nCode`` and ``nWrong``."""
    plain = _COMMENT.sub("", text)
    body = plain.rpartition("END_VAR")[2].partition("END_FUNCTION_BLOCK")[0]
    inputs = _INPUT.findall(plain.partition("VAR_INPUT")[2].partition("END_VAR")[0])
    arrays = {"aFound", "aGiven"}
    lines = [f"def block({', '.join(inputs)}):", *(f"    {name} = {value}" for name, value in constants(text).items())]
    lines += [f"    {name} = [None] * 20" for name in sorted(arrays)]
    depth = 1
    for raw in body.splitlines():
        statement = raw.strip()
        if not statement:
            continue
        if statement in ("END_IF;", "END_FOR;"):
            depth -= 1
            continue
        if statement.startswith(("ELSIF ", "ELSE")):
            depth -= 1
        lines.append("    " * depth + _line(statement))
        depth += lines[-1].endswith(":")
    if depth != 1:
        raise ValueError("a block is not closed")
    lines.append("    return nCode, nWrong")
    made: dict[str, Any] = {}
    exec("\n".join(lines), made)  # noqa: S102 - our own document
    block = made["block"]
    return lambda given: block(**given)


def _line(statement: str) -> str:
    if statement == "RETURN;":
        return "return nCode, nWrong"
    if statement == "ELSE":
        return "else:"
    for begins, python in (("IF ", "if"), ("ELSIF ", "elif")):
        if statement.startswith(begins) and statement.endswith(" THEN"):
            return f"{python} {_expression(statement[len(begins) : -5])}:"
    loop = re.fullmatch(r"FOR (\w+) := (.+) TO (.+) DO", statement)
    if loop:
        return f"for {loop[1]} in range({_expression(loop[2])}, {_expression(loop[3])} + 1):"
    target, assigned, value = statement.removesuffix(";").partition(" := ")
    if not assigned or not statement.endswith(";"):
        raise ValueError(f"no statement that is known here: {statement}")
    return f"{_expression(target)} = {_expression(value)}"


def _expression(text: str) -> str:
    return "".join(_OPERATORS.get(word, word) for word in _WORD.findall(text)).strip()


def struct(**members: Any) -> SimpleNamespace:
    """A structure of structured text."""
    return SimpleNamespace(**members)
