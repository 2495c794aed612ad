"""Sentences that other packages write or refuse with, as pages meet them: in English, with what differs in braces.

They stand in the database or come with an error, so they are said in the reader's language where they are shown (``dashboard/mishaps.py``).
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import Final

SENTENCES: Final = (
    "Nothing is heard of '{source}', nor of who reads it",
    "Look whether the gateway runs",
    "'{source}' cannot be read",
    "Look at the device and at the network",
    "Samples of '{source}' are missing",
    "See on the sources page when and why",
    "{chart} is out of control",
    "Look at the chart, find what changed, and note the cause at the point",
    "{unit} does not work as usual",
    "Look at the reasons on the page of the condition, and answer the finding",
    "costs {mean} less per order than the {against} route ({low} to {high}). {more}",
    "the bound of the expected share rises from {now} to {then}",
    "{n} trials are few: a small step that tells the most",
    "nothing is better beyond doubt; this may be ({best} at best), and tells more",
    "no point within reach is expected to be better by what is worth a trial",
    "no point within reach passes the judge of process windows",
    "events: the server keeps {kept} while we are away",
    "many signals",
    "token {number} {name}",
    "its reader shows no sign of life for {seconds} s",
    "its reader process has told nothing for {seconds} s",
    "{n} messages of '{name}' are missing",
    "the broker kept no session: what was sent meanwhile is missing",
    "no ingest process has reported on it yet",
    "this picture is not kept, or not any more",
    "more is known of this joint by now: look again",
    "nothing was changed",
    "no hours are shared out yet",
    "this recommendation is not valid any more: wait for the next one",
    "who asked for a recommendation does not approve it: somebody else must",
    "say in words why: the reason is 'other'",
    "say why the station cannot make it so",
    "the file was changed meanwhile: load it again, and change it anew",
    "the file was taken away in this version: there is nothing to restore",
    "this is no settings file of the factory",
    "there are no process windows: nothing may be tried",
    "that is too much at once: take fewer signals or longer intervals",
    "a span may have at most {days} days",
    "ask for at most {days} days at once",
    "'from' must lie before 'to', both as microseconds since 1970",
    "'{alarm}' came again meanwhile: look at it before you acknowledge it",
    "'{unit}' is {mode}: set it to advisory first",
    "the switch at '{unit}' is at AI off",
    "delivery {number} is not in doubt",
    "a closed loop lasts at most {longest} hours here, not {hours}",
    "no shift of '{line}' runs now",
    "no states are followed of '{equipment}'",
    "nothing is known of {kind} '{name}'",
    "the process window has no parameter '{name}'",
    "the trial lacks '{name}'",
    "the settings cannot be read: {why}",
    "there is no alarm '{name}'",
    "there is no equipment '{name}'",
    "there is no order '{number}'",
    "there is an order '{number}' already",
    "there is no open part order '{number}'",
    "there is no part order '{number}'",
    "there is no delivery {number}",
    "there is no design change {number}",
    "there is no draft {number}",
    "there is no inspection {number}",
    "there is no joint {number}",
    "there is no chart {number}",
    "there is no nest {number}",
    "there is no nest {number}, or its layouts are no more kept",
    "there is no proposal {number}",
    "there is no recommendation {number}",
    "there is no report {number}",
    "there is no request {number}",
    "there is no signal {number}",
    "there is no tightening {number}",
    "there is no what-if '{name}'",
    "there is no process window for {target}",
    "{target} is not tuned: no trial of it is known",
    "order '{name}': {why}",
    "order '{number}' has {parts} parts: at most {most} can be split off",
)
"""Each is a key of its translation. A test holds that each is still written somewhere."""


def recognised(sentence: str) -> tuple[str, dict[str, str]] | None:
    """Return which of the sentences this is, and what stands in its braces; None for another."""
    for key, pattern in _patterns():
        if found := pattern.fullmatch(sentence):
            return key, {name: text or "" for name, text in found.groupdict().items()}
    return None


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Sentences with most words first: what fits one that says more fits no other."""
    ordered = sorted(SENTENCES, key=lambda key: -len(re.sub(r"\{\w+\}", "", key)))
    return tuple((key, re.compile(_pattern(key), re.DOTALL)) for key in ordered)


def _pattern(key: str) -> str:
    """``{more}`` at the end may be nothing, with the space before it."""
    parts = []
    for text, name, _, _ in string.Formatter().parse(key):
        if name == "more":
            parts.append(rf"{re.escape(text.rstrip(' '))}(?: (?P<more>.*))?")
        else:
            parts.append(re.escape(text) + (rf"(?P<{name}>.+?)" if name else ""))
    return "".join(parts)
